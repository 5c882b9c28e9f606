"""Every way a run can end leads through the source's way out: signals, a reader that went away, a limit of time."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import NoReturn, TypeVar

_Held = TypeVar("_Held", bound=AbstractContextManager[object])
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Ended(SystemExit):
    """A signal asked for the end; the exit status is the shell's convention, 128 and the signal's number."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)


class Endings:
    """Turns SIGINT, SIGTERM, SIGHUP and SIGQUIT into one orderly end, while it is entered (in the main thread only).

    The first signal raises `Ended` in the main thread, or calls ``polite`` where a screen has set it; further ones are
    ignored, so that what was taken is given back undisturbed. A signal that was ignored at the start (``nohup``)
    stays ignored.
    """

    def __init__(self) -> None:
        self.signum = 0
        """The signal that ended the run, 0 while none did."""
        self.polite: Callable[[], None] | None = None
        """Asks a screen to end; where it does not within ``patience`` seconds, `Ended` is raised after all."""
        self.patience = 3.0
        self._deferred = False
        self._limit: Callable[[], BaseException] | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Endings:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._end)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._alarm)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler if callable(handler) or isinstance(handler, int) else signal.SIG_DFL)
        self._before.clear()

    def defer(self) -> None:
        """From now on a first signal is only remembered."""
        self._deferred = True

    def resume(self) -> None:
        """Signals count again; raises `Ended` where one came meanwhile."""
        self._deferred = False
        if self.signum:
            raise Ended(self.signum)

    def limit(self, seconds: float, error: Callable[[], BaseException]) -> None:
        """Raise ``error()`` in the main thread after ``seconds``, whatever it waits in. Zero lifts the limit."""
        self._limit = error
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def _end(self, signum: int, _: FrameType | None) -> None:
        if self.signum:
            return
        self.signum = signum
        if self.polite is not None:
            signal.setitimer(signal.ITIMER_REAL, self.patience, 0.5)
            self.polite()
        elif not self._deferred:
            raise Ended(signum)

    def _alarm(self, _: int, __: FrameType | None) -> NoReturn:
        if self.signum or self._limit is None:
            raise Ended(self.signum or signal.SIGALRM)
        raise self._limit()


@contextmanager
def held(source: _Held, endings: Endings) -> Iterator[_Held]:
    """A source, or the holder of one, entered, and left whatever happens.

    Signals during entering and leaving wait until that is done.
    """
    endings.defer()
    source.__enter__()
    # two levels: a signal may raise while the inner one is on its way to ``defer``, and only the first signal raises
    try:
        try:
            endings.resume()
            yield source
        finally:
            endings.defer()
            endings.polite = None
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        source.__exit__(*sys.exc_info())
