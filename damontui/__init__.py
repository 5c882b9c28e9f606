"""damontui: seeing, live, which memory is really in use."""

__version__ = "0.1.0"
