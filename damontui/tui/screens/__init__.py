"""Screens beside the monitor: help and choices."""
