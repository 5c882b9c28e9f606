"""One live pane a file, each drawn by hand from a `Frame`."""
