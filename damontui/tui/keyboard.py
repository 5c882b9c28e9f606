"""Input from the terminal, without asking for it while nobody types.

Textual 8.2 looks ten times a second whether a key's sequence has come to its end, also hours after the last key: most
of what a screen costs that is switched off (``python -m tests.bench screen``, with and without `Keyboard`).
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from threading import Event
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

_LOOKS = 0.1
"""Seconds that Textual waits for input by itself, each time that it was not told to end."""
_TYPING = 1.0
"""Seconds after input for which it goes on looking so: a key's sequence is complete, or given up, within 0.1 s."""
_ASLEEP = 2.0
"""Seconds to sleep at most. Input that Textual read in the last moment of a look goes unnoticed here. Where that was an
Escape, which Textual reports only once nothing has followed it, this is the longest that it can take."""


class Sleeping(Event):
    """Tells the thread that reads input whether it is to end, and lets it sleep there until there is something to read.

    In any other thread it is a plain `Event`.

    Args:
        fd: the descriptor that input comes from.
        clock: seconds, monotonic.
    """

    def __init__(self, fd: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._fd = fd
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._typed = self._told = self._clock()
        self.reader: threading.Thread | None = None
        """The thread that may sleep."""

    def is_set(self) -> bool:
        if threading.current_thread() is self.reader and not super().is_set():
            now = self._clock()
            if now - self._told < 0.9 * _LOOKS:  # so short a look met something
                self._typed = now
            if now - self._typed >= _TYPING and self._sleep():
                self._typed = self._clock()
            self._told = self._clock()
        return super().is_set()

    def _sleep(self) -> bool:
        """Sleep, and return whether there is input or the end now."""
        poll = select.poll()  # `select.select` takes no descriptor over 1,023
        poll.register(self._fd, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        return bool(poll.poll(_ASLEEP * 1000))

    def set(self) -> None:
        super().set()
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def clear(self) -> None:
        super().clear()
        if self._wake >= 0 and select.select([self._wake], [], [], 0)[0]:
            os.eventfd_read(self._wake)

    def close(self) -> None:
        """Close the descriptor; nothing sleeps from then on."""
        self.reader = None
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1


class Keyboard(LinuxDriver):
    """Textual's driver, with an input thread that sleeps while there is no input."""

    def __init__(
        self, app: Any, *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.exit_event = self._sleeping = Sleeping(self.fileno)

    def run_input_thread(self) -> None:
        self._sleeping.reader = threading.current_thread()
        super().run_input_thread()

    def close(self) -> None:
        super().close()
        self._sleeping.close()
