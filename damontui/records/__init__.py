"""Record files: the project's own, and those of damo and perf."""
