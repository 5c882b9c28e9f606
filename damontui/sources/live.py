"""The common part of sources that look at memory themselves: a switch, clocks, and the CPU time of looking."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Protocol

from damontui.damon.snapshot import Description, Event, Snapshot, Status

_SLICE = 0.25
"""Seconds waited at a time: a stop ends the wait at once, the switch within this."""
_RECENT = 10.0
"""Seconds over which the CPU share is averaged."""


def until_stopped(stop: threading.Event, seconds: float) -> None:
    """Wait for so many seconds, or until the event is set."""
    stop.wait(seconds)


class Addition(Protocol):
    """Puts something into each snapshot that its source does not look at."""

    def begin(self) -> None:
        """Monitoring starts, afresh."""

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the addition in it."""


class Live:
    """Starts afresh whenever it is switched on, and counts the CPU time of the thread that iterates.

    Args:
        enabled: whether monitoring starts at once.
        clock: seconds, monotonic.
        wall: seconds since 1970.
        cpu_clock: CPU seconds of the calling thread.
        wait: waits so many seconds, or until the event is set.
    """

    _description: Description

    def __init__(
        self,
        *,
        enabled: bool,
        clock: Callable[[], float],
        wall: Callable[[], float],
        cpu_clock: Callable[[], float],
        wait: Callable[[threading.Event, float], object],
    ) -> None:
        self._enabled = enabled
        self._starts = 0  # grows with every turn of the switch, so that the iteration under way can tell
        self._clock = clock
        self._wall = wall
        self._cpu_clock = cpu_clock
        self._wait = wait
        self._cpu = 0.0
        self._mark = 0.0  # the reading of the CPU clock up to which self._cpu counts
        self._spent: deque[tuple[float, float]] = deque()
        self.addition: Addition | None = None
        """Adds to each snapshot; set before the source is iterated."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def describe(self) -> Description:
        """What this is and where."""
        return self._description

    @property
    def enabled(self) -> bool:
        """Whether monitoring is switched on."""
        return self._enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        if on != self._enabled:
            self._enabled = on
            self._starts += 1

    def overhead(self) -> float:
        """CPU seconds that observing took so far, without what the consumer of the events did."""
        return self._cpu

    def _events(self, stop: threading.Event) -> Iterator[Event]:
        """One start after another, until it is switched off, stopped, or a start ends by itself."""
        while self._enabled and not stop.is_set():
            start = self._starts
            if self.addition is not None:
                self.addition.begin()
            events = self._start(stop, start)
            try:
                for event in events:
                    yield self._with_addition(event)
            finally:
                if isinstance(events, Generator):
                    events.close()  # it gives back what it took, now
            if start == self._starts:
                return  # stopped, or nothing left to watch
        if not self._enabled:
            yield Status("off", "switched off", self._time(), self._wall())

    def _with_addition(self, event: Event) -> Event:
        if self.addition is None or not isinstance(event, Snapshot):
            return event
        before = self._cpu_clock()
        found = self.addition.of(event)
        self._cpu += self._cpu_clock() - before
        return found

    def _start(self, stop: threading.Event, start: int) -> Iterator[Event]:
        """What comes from one switching on to the next."""
        raise NotImplementedError

    def _time(self) -> float:
        """Now, by the clock of the snapshots."""
        return self._clock()

    def _wait_until(self, due: float, stop: threading.Event, start: int) -> bool:
        """Wait until the clock says ``due``; False where monitoring ends or starts afresh before that."""
        while True:
            if stop.is_set() or self._starts != start:
                return False
            left = due - self._clock()
            if left <= 0:
                return True
            self._wait(stop, min(left, _SLICE))

    def _charge(self) -> float:
        """CPU seconds that this thread took since it was asked last."""
        now = self._cpu_clock()
        spent, self._mark = now - self._mark, now
        self._cpu += spent
        return spent

    def _share(self) -> float | None:
        """CPU share over the last seconds, None at first."""
        now, spent = self._clock(), self._spent
        spent.append((now, self._cpu))
        while len(spent) > 2 and now - spent[1][0] >= _RECENT:
            spent.popleft()
        elapsed = now - spent[0][0]
        return (self._cpu - spent[0][1]) / elapsed if elapsed > 0 else None
