"""The progress of long work: one line on a terminal's standard error, wiped when it is over."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import suppress

from damontui.safe_text import control, shown


class Progress:
    """A line that is written over. Where standard error is no terminal, only `once` prints anything."""

    def __init__(self) -> None:
        self._shown = False
        self._last = 0.0
        self._said = False

    def show(self, text: str, *, often: bool = False) -> None:
        """Show ``text`` instead of what was shown before, cut to the terminal; ``often``: ten times a second."""
        with suppress(OSError, ValueError, AttributeError):
            now = time.monotonic()
            if sys.stderr.isatty() and not (often and now < self._last + 0.1):
                self._last = now
                width = shutil.get_terminal_size().columns - 1
                control(sys.stderr, f"\r\x1b[K{shown(text)[:width]}")
                sys.stderr.flush()
                self._shown = True

    def once(self, text: str) -> None:
        """Print a line the first time, where standard error is no terminal, so that a log tells what is awaited."""
        with suppress(OSError, ValueError, AttributeError):
            if not self._said and not sys.stderr.isatty():
                self._said = True
                print(f"damontui: {text}", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Wipe the line."""
        with suppress(OSError, ValueError):
            if self._shown:
                control(sys.stderr, "\r\x1b[K")
                sys.stderr.flush()
                self._shown = False
