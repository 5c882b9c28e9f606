"""The program's log: ``--log FILE``, and ``DAMONTUI_LOG=debug`` for how much is written."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from damontui.errors import UsageError
from damontui.files import append
from damontui.safe_text import shown

VARIABLE = "DAMONTUI_LOG"
LOG_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _OneLine(logging.Formatter):
    """A line for each event, whatever line ends its words have; a traceback follows indented."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n  ".join(shown(line) for line in super().format(record).splitlines())


@contextmanager
def logging_to(file: str | None, environ: Mapping[str, str], *, screen: bool = False) -> Iterator[None]:
    """Log while this is entered: to ``file``, which is appended to and readable by its owner only, or to standard
    error.

    Nothing is logged where there is neither a file nor the variable. The variable sets the level: debug, info (where
    it is left out), warning or error.

    Args:
        file: the file of ``--log``; None for standard error.
        environ: the environment.
        screen: whether a screen may have the terminal that standard error is.

    Raises:
        UsageError: the variable has another word, or the log would be written over the screen.
        SourceError: the file cannot be written.
    """
    word = environ.get(VARIABLE, "").strip().lower()
    if file is None and not word:
        yield
        return
    if word and word not in LOG_LEVELS:
        raise UsageError(f"{VARIABLE}: {word!r} is none of: {', '.join(LOG_LEVELS)}")
    if file is None and screen and sys.stderr is not None and sys.stderr.isatty():
        raise UsageError(f"{VARIABLE}={word}: it would be written over the screen; say where to with --log FILE")
    handler: logging.Handler = logging.StreamHandler()
    if file is not None:
        handler = logging.StreamHandler(os.fdopen(append(file), "a", encoding="utf-8"))
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s [%(threadName)s] %(message)s"))
    logger = logging.getLogger("damontui")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(LOG_LEVELS[word or "info"])
    logger.propagate = False
    logging.raiseExceptions = False  # a full disk ends the log, not the monitor
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        logger.propagate = True
        handler.close()
        if isinstance(handler, logging.StreamHandler) and file is not None:
            handler.stream.close()
