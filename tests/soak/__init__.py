"""Hours of the same: memory, open files and threads of the program stay flat. ``python -m tests.soak --hours H``."""
