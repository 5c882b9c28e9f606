"""DAMON itself, with the kernel's integer arithmetic. numpy only: no files, no clock, no threads, no screen."""
