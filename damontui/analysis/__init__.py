"""What snapshots mean: numpy only, no files, no clock, no screen."""
