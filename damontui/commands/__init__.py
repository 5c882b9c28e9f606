"""One module a command of the command line. Each has ``arguments(parser)`` and ``run(call) -> exit status``."""
