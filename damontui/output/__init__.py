"""Snapshots for other programs: JSON lines, metrics, images."""
