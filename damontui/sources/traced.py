"""From the trace of a kdamond to snapshots."""

from __future__ import annotations

import threading
from collections.abc import Callable

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Ints, Snapshot
from damontui.kernel.trace_parser import TracedAggregation, TraceParser
from damontui.sources.cost import KdamondCost

_SILENCE_S = 0.5
"""An aggregation is printed in one go: begun and not gone on with for so long, it has lost its last lines."""


class Listener:
    """Reads a trace, from which aggregations come whole or as soon as it is clear that they will not become so.

    Args:
        read: what came since the last call, b"" where nothing did; does not wait.
        clock: CLOCK_MONOTONIC in seconds.
        targets: how many targets every aggregation has, where that is known.
    """

    def __init__(self, read: Callable[[], bytes], clock: Callable[[], float], *, targets: int | None = None) -> None:
        self.quiet = True
        """Whether nothing came at the last look: then it is worth to wait a moment."""
        self._read = read
        self._clock = clock
        self._parser = TraceParser(targets=targets)
        self._heard = clock()

    def forget(self, stop: threading.Event) -> None:
        """Drop what came while nobody watched."""
        while self._read() and not stop.is_set():
            pass

    def look(self) -> list[TracedAggregation]:
        """The aggregations that became whole since the last look; does not wait. Raises `SourceError`."""
        data = self._read()
        self.quiet = not data
        now = self._clock()
        if data:
            self._heard = now
            return self._parser.feed(data)
        return self._parser.flush() if self._parser.pending and now - self._heard >= _SILENCE_S else []


Namer = Callable[[Ints, Ints, Ints], tuple[str, ...]]
"""From start, end and target of regions (int64, shape ``(regions,)``) to what is there."""


class TracedRun:
    """One kdamond from a start on, its attributes known.

    Args:
        attrs: in force at the start.
        cost: of the kdamond.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
        wall: seconds since 1970.
        names: what is at each region, None where nobody knows.
        identifiers: the target identifiers to show for an aggregation.
    """

    def __init__(
        self,
        attrs: Attrs,
        cost: KdamondCost,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        names: Namer | None = None,
        identifiers: Callable[[TracedAggregation], tuple[int, ...]] = lambda traced: traced.targets,
    ) -> None:
        self.attrs = attrs
        """In force for the aggregation that is being counted."""
        self.since_tuning = 0
        """Aggregations since the last tuning step."""
        self.tuned_here = False
        """Whether this program tunes the intervals."""
        self.note = ""
        """Beside every snapshot."""
        self.born: float | None = clock()
        """When the kdamond began to watch; None where unknown."""
        self._cost = cost
        self._clock = clock
        self._wall = wall
        self._names = names
        self._identifiers = identifiers
        self._last: float | None = None

    def following(self, traced: TracedAggregation) -> tuple[Attrs, Ints]:
        """The attributes in force from now on, and the ages in their unit."""
        if traced.tuned and traced.next_sample_us is not None:
            self.since_tuning = 0
            return self.attrs.with_sample(traced.next_sample_us), traced.age
        return self.attrs, traced.age

    def snapshot(self, traced: TracedAggregation) -> Snapshot:
        """The snapshot of a traced aggregation."""
        self.since_tuning += 1
        following, age = self.following(traced)
        attrs, self.attrs = self.attrs, following
        now = self._clock()
        length = attrs.aggr_us / 1e6
        began = traced.time - length
        if self._last is not None and traced.time - self._last < 1.5 * length:
            began = self._last  # overslept a little, or late by a lost aggregation: at most half an interval
        self._last = traced.time
        lost = f"{traced.lost} events lost, so regions are missing" if not traced.complete else ""
        goal = attrs.goal
        return Snapshot(
            time=traced.time,
            began=began,
            wall=self._wall() - (now - traced.time),
            attrs=attrs,
            start=traced.start,
            end=traced.end,
            nr_accesses=traced.nr_accesses,
            age=age,
            target=traced.target,
            origin="kernel",
            next_attrs=following,
            targets=self._identifiers(traced),
            names=self._names(traced.start, traced.end, traced.target) if self._names is not None else (),
            complete=traced.complete,
            lost=traced.lost,
            tuned_here=self.tuned_here,
            until_tuning=None if goal is None else goal.aggrs - self.since_tuning % goal.aggrs,
            cpu=self._cost.share(),
            note="; ".join(text for text in (lost, self.note) if text),
            watched=None if self.born is None else max(0.0, traced.time - self.born),
        )
