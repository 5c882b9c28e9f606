"""The keyboard, where standard input is a pipe or a file."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def keyboard_beside_input() -> int | None:
    """Make the terminal standard input, where that is a pipe or a file and the other standard streams are terminals.

    Returns:
        A descriptor of what was standard input before; None where nothing was changed: standard input is a terminal,
        or standard output or error is not, or there is no terminal to open.
    """
    streams = (sys.stdout, sys.stderr)
    if sys.stdin is None or sys.stdin.isatty() or any(one is None or not one.isatty() for one in streams):
        return None
    with suppress(OSError, ValueError):
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
        try:
            number = sys.stdin.fileno()
            before = os.dup(number)
            os.dup2(terminal, number)
            return before
        finally:
            os.close(terminal)
    return None
