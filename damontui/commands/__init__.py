"""One module a command of the command line. Each has ``arguments(parser)`` and ``run(context) -> exit status``."""
