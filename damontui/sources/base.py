"""The contract of a source: where snapshots come from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from damontui.damon.snapshot import Description, Event


class Source(Protocol):
    """Yields snapshots, and leaves the system as it found it however it ends.

    A source is a context manager: entering checks that it can work (raising `SourceError` in one sentence) and takes
    what it needs; leaving gives everything back, except what the user switched on purpose. One thread iterates
    ``snapshots``; ``enabled`` may be read and set from another thread meanwhile.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def describe(self) -> Description:
        """What this is, where, and what it cannot tell.

        ``target`` is the word that leads to this source again. Where the switch cannot be used, ``locked`` says why:
        a front end then refuses with these words, and does not set ``enabled``.
        """
        ...

    @property
    def enabled(self) -> bool:
        """Whether monitoring is switched on."""
        ...

    @enabled.setter
    def enabled(self, on: bool) -> None:
        """Switch. May block up to a second; raises `SourceError` where the switch does not take, or is locked."""
        ...

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """Block and yield until ``stop`` is set (then return within 0.5 s) or the source is exhausted.

        A source whose switch is off yields ``Status("off")`` and then either returns (an engine: nothing to do) or
        goes on watching for somebody else's switch (a kernel).

        Iterating again starts monitoring afresh: ages begin anew, and ``Snapshot.watched`` counts from here. The time
        of the snapshots does not: it goes on rising over starts, so that the past stays, with a gap. Where time goes
        back, what comes is another past (a record from its beginning), and `Monitor` forgets the one before. A source
        whose own clock begins at 0 with each start adds what has passed (`EngineSource`).

        ``Snapshot.watched`` says for how long memory has been watched without a gap. ``snapshot`` waits until that is
        ten seconds, and takes what does not say it as it comes.
        Raises `SourceError` for what the world did; the monitor shows it and may iterate again.
        """
        ...

    def overhead(self) -> float:
        """CPU seconds that observing took so far (the kdamond's or the engine's), 0.0 where unknown."""
        ...


@runtime_checkable
class Leading(Protocol):
    """A source of which the first seconds need not be waited for, since it computes them (synthetic memory).

    ``snapshot`` sets it, so that it need not wait until memory has been watched for ten seconds.
    """

    lead: float
    """Set before it is iterated: so many seconds are computed at once."""


@runtime_checkable
class TakesDamonStat(Protocol):
    """A source that may switch DAMON_STAT off for the time being, where the user says so."""

    take: bool
