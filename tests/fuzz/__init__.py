"""Inputs that are valid but for one thing, for every reader: ``python -m tests.fuzz --seed S --runs N``."""
