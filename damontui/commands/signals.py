"""Every way a run can end leads through the source's way out: signals, a reader that went away, a limit of time."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import NoReturn, TypeVar

_log = logging.getLogger(__name__)
_Held = TypeVar("_Held", bound=AbstractContextManager[object])
_NO_END = {
    *(signal.SIGKILL, signal.SIGSTOP),  # nobody is asked
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),  # a fault of the machine's: there is no way on
    *(signal.SIGCHLD, signal.SIGCONT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGURG, signal.SIGWINCH),
    signal.SIGALRM,  # ours, see below
}
_SIGNALS = tuple(sorted(signal.valid_signals() - _NO_END))
"""Every signal that would end a process and that it can catch, real-time ones included."""


_NUDGE = signal.SIGURG
"""Interrupts a call that the main thread waits in, and means nothing else: its default is to be ignored."""
_NUDGES = (0.05, 0.2, 1.0)
"""Seconds after a signal, one after the other, at which the main thread is nudged."""
_AGAIN = 1.0
"""Seconds until `Ended` is raised again where it was lost."""


class Ended(SystemExit):
    """A signal asked for the end; the exit status is the shell's convention, 128 and the signal's number."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)


class Signals:
    """Turns every signal that can be caught into one orderly end, while it is entered (in the main thread only).

    The first signal raises `Ended` in the main thread, or calls ``polite`` where a screen has set it; further ones are
    ignored, so that what was taken is given back undisturbed. What is raised while Python is about to forget an object
    is lost, so it is raised again every second until giving back begins. A signal that comes just before the main
    thread begins to wait in the kernel is noted by Python and not acted upon until that wait is over, which may be
    never: a thread that is told of every signal (``signal.set_wakeup_fd``) interrupts the wait.

    A signal that was ignored at the start (``nohup``) stays ignored, but for SIGCHLD: who ignores it never hears how a
    child ended.

    Args:
        clock: seconds, monotonic, as the kernel's timer counts them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.signum = 0
        """The signal that ended the run, 0 while none did."""
        self.polite: Callable[[], None] | None = None
        """Asks a screen to end; where it does not within ``patience`` seconds, `Ended` is raised after all."""
        self.patience = 3.0
        self._clock = clock
        self._due = math.inf
        self._raised: BaseException | None = None
        self._hook = sys.unraisablehook
        self._deferred = False
        self._bounded = False
        self._limit: Callable[[], BaseException] | None = None
        self._before: dict[int, object] = {}
        self._told = self._wakeup = -1

    def __enter__(self) -> Signals:
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if before is not None and before is not signal.SIG_IGN:
                self._before[number] = before
                with suppress(OSError, ValueError):  # the C library keeps some of the real-time signals for itself
                    signal.signal(number, self._end)
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._alarm)
        self._hook, sys.unraisablehook = sys.unraisablehook, self._lost
        self._before[_NUDGE] = signal.signal(_NUDGE, lambda *_: None)
        reading, self._told = os.pipe()
        os.set_blocking(self._told, False)
        self._wakeup = signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        main = threading.get_ident()
        threading.Thread(target=_nudge, args=(reading, main), daemon=True, name="signals").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._arm(0)
        sys.unraisablehook = self._hook
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._told)
        for number, handler in self._before.items():
            with suppress(OSError, ValueError):
                signal.signal(number, handler if callable(handler) or isinstance(handler, int) else signal.SIG_DFL)
        self._before.clear()

    def defer(self, *, bounded: bool = True) -> None:
        """From now on only remember a first signal.

        Args:
            bounded: raise `Ended` after all ``patience`` seconds after the signal, so that nothing that blocks holds it
                up for ever. False while things are given back, which nothing may disturb.
        """
        self._deferred = True
        self._bounded = bounded
        if not bounded:
            self._arm(0)

    def resume(self) -> None:
        """Signals count again; raises `Ended` where one came meanwhile."""
        self._deferred = False
        if self.signum:
            raise Ended(self.signum)

    def limit(self, seconds: float, error: Callable[[], BaseException]) -> None:
        """Raise ``error()`` in the main thread after ``seconds``, whatever it waits in. Zero lifts the limit."""
        self._limit = error
        self._arm(seconds)

    def _arm(self, seconds: float, every: float = 0.0) -> None:
        self._due = self._clock() + seconds if seconds else math.inf
        signal.setitimer(signal.ITIMER_REAL, seconds, every)

    def _end(self, signum: int, _: FrameType | None) -> None:
        if self.signum:
            return
        self.signum = signum
        if self.polite is not None:
            self._arm(self.patience, 0.5)
            self.polite()
        elif not self._deferred:
            self._raise(Ended(signum))
        elif self._bounded:
            self._arm(self.patience)

    def _alarm(self, _: int, frame: FrameType | None) -> None:
        if self._clock() < self._due - 0.01:  # somebody else's: one more way to ask for the end
            self._end(signal.SIGALRM, frame)
            return
        if self._deferred and not self._bounded:
            return
        if self.signum or self._limit is None:
            self._raise(Ended(self.signum or signal.SIGALRM))
        else:
            self._raise(self._limit())

    def _raise(self, error: BaseException) -> NoReturn:
        self._raised = error
        self._arm(_AGAIN, _AGAIN)
        raise error

    def _lost(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Called where Python could not raise an error; ours is raised again, so it is not printed."""
        if unraisable.exc_value is not self._raised or self._raised is None:
            self._hook(unraisable)


def _nudge(reading: int, main: int) -> None:
    """After each signal, make the main thread act upon it; returns when the pipe's other end is closed."""
    with os.fdopen(reading, "rb", buffering=0) as told:
        while numbers := told.read(64):
            if any(number != _NUDGE for number in numbers):
                for pause in _NUDGES:
                    time.sleep(pause)
                    signal.pthread_kill(main, _NUDGE)


@contextmanager
def entered(source: _Held, signals: Signals) -> Iterator[_Held]:
    """A source, or the `ActiveSource` that owns one, entered; it is left whatever happens.

    A signal that comes while it is left waits until that is done; one that comes while it is entered, which may have
    much to read, waits for a few seconds.
    """
    from damontui.sources.active import ActiveSource

    signals.defer()
    # an owner says itself which source it enters and leaves
    level = logging.DEBUG if isinstance(source, ActiveSource) else logging.INFO
    _log.log(level, "entering %s", type(source).__name__)
    try:
        source.__enter__()
    except BaseException as error:
        signals.defer(bounded=False)
        if not isinstance(error, Exception):
            with suppress(Exception):  # it was cut short: what was begun by then is given back as far as it can be told
                source.__exit__(type(error), error, error.__traceback__)
        raise
    # two levels: a signal may raise while the inner one is on its way to ``defer``, and only the first signal raises
    try:
        try:
            signals.resume()
            yield source
        finally:
            signals.defer(bounded=False)
            signals.polite = None
    finally:
        _log.log(level, "leaving %s", type(source).__name__)
        signals.defer(bounded=False)
        source.__exit__(*sys.exc_info())
