"""From the trace of a kdamond to snapshots."""

from __future__ import annotations

import threading
from collections.abc import Callable

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Ints, ModuleValues, Snapshot
from damontui.kernel.trace_parser import TracedAggregation, TraceParser
from damontui.sources.cost import KdamondCost
from damontui.sources.intervals import Intervals

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
    """One kdamond's aggregations, from when it is watched on, as snapshots.

    Args:
        intervals: which are in force.
        cost: of the kdamond.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
        wall: seconds since 1970.
        born: when the kdamond began to watch, same clock; None where unknown.
        whole: whether every aggregation since its start is in the trace.
        names: what is at each region, None where nobody knows.
        identifiers: the target identifiers to show for an aggregation.
    """

    def __init__(
        self,
        intervals: Intervals,
        cost: KdamondCost,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        born: float | None,
        whole: bool,
        names: Namer | None = None,
        identifiers: Callable[[TracedAggregation], tuple[int, ...]] = lambda traced: traced.targets,
    ) -> None:
        self.intervals = intervals
        self.born = born
        self.whole = whole
        self.tuned_here = False
        """Whether this program tunes the intervals."""
        self.note = ""
        """Beside every snapshot."""
        self.module: ModuleValues | None = None
        """DAMON_STAT's own numbers of now, beside every snapshot."""
        self.last: float | None = None
        """When the last aggregation ended that made a snapshot."""
        self.began: float | None = born if whole else None
        """When the aggregation under way began; None where unknown."""
        self.total: int | None = None
        """Bytes of all regions; None before any were seen."""
        self._held: TracedAggregation | None = None
        self._cost = cost
        self._clock = clock
        self._wall = wall
        self._names = names
        self._identifiers = identifiers

    @property
    def holding(self) -> bool:
        """Whether an aggregation is held back until it is known how long one takes."""
        return self._held is not None

    @property
    def length(self) -> float | None:
        """Seconds that the aggregation under way takes; None where unknown."""
        attrs = self.intervals.attrs
        return None if attrs is None or self.last is None else attrs.aggr_us / 1e6

    @property
    def due(self) -> float | None:
        """When the aggregation under way can be whole; None where unknown."""
        return None if self.last is None or self.length is None else self.last + self.length

    def watched(self, now: float) -> float | None:
        """Seconds for which the kdamond had watched at ``now``; None where its start is not known."""
        return None if self.born is None else max(0.0, now - self.born)

    def take(self, traced: TracedAggregation, lost: str = "") -> list[Snapshot]:
        """The snapshots that a traced aggregation makes: none while its intervals are not known, and then both.

        Args:
            traced: the next aggregation.
            lost: what to say where it is not complete; a sentence of ours where empty.
        """
        first = self.last is None and self._held is None
        self.began = traced.time
        if first and not traced.complete and not self.whole:
            return []  # the trace began in the middle of it
        attrs = self.intervals.counted(traced)
        if attrs is None:
            # one that ended with a tuning step was counted in other intervals than the next
            self._held = traced if not traced.tuned else None
            return []
        held, self._held = self._held, None
        found = [] if held is None else [self._snapshot(held, attrs, attrs, held.age)]
        following, age = self.following(traced, attrs)
        self.intervals.follow(traced, following)
        found.append(self._snapshot(traced, attrs, following, age, lost, self.intervals.until_tuning))
        return found

    def following(self, traced: TracedAggregation, attrs: Attrs) -> tuple[Attrs, Ints]:
        """The attributes in force from now on, and the ages in their unit."""
        return self.intervals.following(traced) or attrs, traced.age

    def notes(self) -> tuple[str, ...]:
        """What to say beside a snapshot."""
        return (self.note,)

    def _snapshot(
        self,
        traced: TracedAggregation,
        attrs: Attrs,
        following: Attrs,
        age: Ints,
        lost: str = "",
        until_tuning: int | None = None,
    ) -> Snapshot:
        began = traced.time - attrs.aggr_us / 1e6
        if self.last is not None and (traced.complete or traced.time - self.last < 1.9 * attrs.aggr_us / 1e6):
            began = self.last  # a kernel oversleeps by up to a half; where events were lost, an aggregation may be
        self.last = traced.time
        if traced.complete:
            self.total = int((traced.end - traced.start).sum())
            lost = ""
        elif not lost:
            lost = f"{traced.lost} events lost, so regions are missing"
        return Snapshot(
            time=traced.time,
            began=began,
            wall=self._wall() - (self._clock() - traced.time),
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
            until_tuning=until_tuning,
            tuned_here=self.tuned_here,
            module=self.module,
            cpu=self._cost.share(),
            note="; ".join(text for text in (lost, *self.notes()) if text),
            watched=self.watched(traced.time),
        )
