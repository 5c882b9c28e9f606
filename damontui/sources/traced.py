"""A kdamond as a source: what is the same whoever runs it, and the way from its trace to snapshots."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Ints, ModuleValues, Snapshot, State, Status
from damontui.errors import SourceError
from damontui.kernel import procfs
from damontui.kernel.root import Root
from damontui.kernel.trace_parser import TracedAggregation, TraceParser
from damontui.kernel.tracefs import Trace
from damontui.sources.cost import KdamondCost
from damontui.sources.intervals import IntervalTracker

PAUSE_S = 0.1
"""Seconds between two looks at an empty trace; a stop ends the wait at once."""
CHECK_S = 0.5
"""Seconds between two checks whether the kdamond still runs."""
LONGEST_S = 200.0
"""Seconds of DAMON_STAT's longest aggregation: 20 samples of at most 10 s."""
_SILENCE_S = 0.5
"""Seconds without a further line after which an aggregation has lost its last lines: it is printed in one go."""
_SKIPPED = 1.9
"""An aggregation with lost events that ends so many intervals after the last one's end is not the very next.

A kdamond counts samples and sleeps before each: an aggregation may take longer than its interval, and on a busy kernel
half as long again, but never less. So where one was lost as a whole, two intervals have passed at least; the twentieth
below is for clocks that tick. What was late by more is taken for skipped, which leaves a gap and makes nothing up.
"""


class Listener:
    """Reads a trace, and gives aggregations once they are whole, or once it is clear that they never will be.

    Args:
        read: gives what came since the last call, b"" where nothing did; does not wait.
        clock: CLOCK_MONOTONIC in seconds.
        targets: how many targets every aggregation has, where that is known.
    """

    def __init__(self, read: Callable[[], bytes], clock: Callable[[], float], *, targets: int | None = None) -> None:
        self.quiet = True
        """Whether nothing came at the last look, so that the caller should wait a moment."""
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


RegionColumns = tuple[Ints, Ints, Ints, Ints, Ints]


class KernelSource:
    """The common part of sources that watch a kdamond: its trace, its cost, clocks and words.

    A subclass decides who starts and switches the kdamond, and where the intervals in force are known from.

    Args:
        root: where the kernel is.
        target: the word on the command line that led here.
        title: for the title bar.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
        wall: seconds since 1970.
        pause: waits that many seconds.
        program: this program's command with its full path, for remedies.
    """

    def __init__(
        self,
        root: Root,
        target: str,
        title: str,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        pause: Callable[[float], None],
        program: str,
    ) -> None:
        self._root = root
        self._target = target
        self._title = title
        self._clock = clock
        self._wall = wall
        self._pause = pause
        self._program = program
        self._cost = KdamondCost(root, clock)
        self._trace: Trace | None = None
        self._without = ""
        """Why there is no trace."""

    def overhead(self) -> float:
        """CPU seconds of the kdamond since it is watched."""
        return self._cost.seconds()

    def _about(self, attrs: Attrs, **more: Any) -> Description:
        """A description with the fields that are the same for all kdamonds."""
        root = self._root
        host, release = procfs.hostname(root), procfs.kernel_release(root)
        return Description(self._target, self._title, "kernel", attrs, host=host, kernel=release, **more)

    def _status(self, state: State, text: str, due: float | None = None) -> Status:
        return Status(state=state, text=text, time=self._clock(), wall=self._wall(), due=due)

    def _first(self, seconds: float) -> Status:
        """The status while the first aggregation is waited for, ``seconds`` at most."""
        return self._status("waiting", f"first aggregation, at most {seconds:.3g} s", self._clock() + seconds)

    # The trace

    def _open_trace(self, pid: int | None = None) -> None:
        """Open the trace of one kdamond, or of all. Raises `SourceError` where tracefs cannot be used."""
        trace = Trace(self._root, pid=pid, pause=self._pause)
        trace.__enter__()
        self._trace = trace

    def _try_trace(self) -> None:
        """Open the trace of all kdamonds; where tracefs cannot be used, go on without, and note why."""
        self._without = ""
        try:
            self._open_trace()
        except SourceError as error:
            self._without = str(error)

    def _close_trace(self) -> None:
        trace, self._trace = self._trace, None
        if trace is not None:
            trace.close()

    def _read(self) -> bytes:
        """What came through the trace; b"" where there is none. Raises `SourceError`, and has then let go of it."""
        if self._trace is None:
            return b""
        try:
            return self._trace.read()
        except SourceError:
            self._close_trace()  # so that watching again makes a new one
            raise

    def _taken(self, run: TracedRun, traced: TracedAggregation) -> list[Snapshot]:
        """The snapshots of an aggregation; where events of it were lost, the buffer is enlarged, and that is said."""
        lost = ""
        if not traced.complete and (run.whole or run.began is not None):
            lost = f"{traced.lost} events lost" if traced.lost else "events lost"
            if self._trace is not None and self._trace.enlarge():
                lost += f", so the trace buffer was enlarged to {self._trace.buffer_kb} KiB a CPU"
            else:
                lost += ", so regions are missing"
        return run.take(traced, lost)


Namer = Callable[[Ints, Ints, Ints], tuple[str, ...]]
"""Gives the names of what is mapped at regions, from their start, end and target (int64, shape ``(regions,)``)."""


class TracedRun:
    """One kdamond's aggregations, from when it is watched on, as snapshots.

    Args:
        intervals: tells which intervals are in force.
        cost: the kdamond's CPU time.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
        wall: seconds since 1970.
        born: when the kdamond began to watch, same clock; None where unknown.
        whole: whether every aggregation since its start is in the trace.
        names: gives the names of what is mapped at regions; None where nobody knows.
        identifiers: gives the targets' identifiers for an aggregation.
    """

    def __init__(
        self,
        intervals: IntervalTracker,
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
        """A sentence for the note of every snapshot."""
        self.physical: bool | None = None
        """Whether it watches physical memory; None where unknown."""
        self.module: ModuleValues | None = None
        """DAMON_STAT's own numbers now, for every snapshot."""
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

    def take(self, traced: TracedAggregation, lost: str) -> list[Snapshot]:
        """The snapshots that a traced aggregation makes: none while its intervals are not known, and then both.

        Args:
            traced: the next aggregation.
            lost: the sentence for the note where it is not complete.
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
        """The attributes in force from now on, and the regions' ages in aggregations of that length."""
        return self.intervals.following(traced) or attrs, traced.age

    def notes(self) -> tuple[str, ...]:
        """Sentences for ``Snapshot.note``."""
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
        interval = attrs.aggr_us / 1e6
        began = traced.time - interval
        if self.last is not None and (traced.complete or traced.time - self.last < _SKIPPED * interval):
            began = self.last
        self.last = traced.time
        if traced.complete:
            self.total = int((traced.end - traced.start).sum())
            lost = ""
        return self.made(
            traced.time,
            began,
            attrs,
            (traced.start, traced.end, traced.nr_accesses, age, traced.target),
            (lost, *self.notes()),
            next_attrs=following,
            targets=self._identifiers(traced),
            complete=traced.complete,
            lost=traced.lost,
            until_tuning=until_tuning,
            tuned_here=self.tuned_here,
        )

    def made(
        self, time: float, began: float, attrs: Attrs, regions: RegionColumns, notes: Iterable[str], **more: Any
    ) -> Snapshot:
        """A snapshot of this kdamond.

        Args:
            time: when the aggregation ended, seconds of the trace's clock.
            began: when it began.
            attrs: in force while it was counted, and afterwards unless ``more`` has ``next_attrs``.
            regions: start, end, nr_accesses, age and target, each int64 of shape ``(regions,)``.
            notes: sentences that make up ``Snapshot.note``; empty ones are left out.
            more: further fields of `Snapshot`.
        """
        start, end, nr_accesses, age, target = regions
        return Snapshot(
            **{"next_attrs": attrs} | more,
            time=time,
            began=began,
            wall=self._wall() - (self._clock() - time),
            attrs=attrs,
            start=start,
            end=end,
            nr_accesses=nr_accesses,
            age=age,
            target=target,
            origin="kernel",
            physical=self.physical,
            names=self._names(start, end, target) if self._names is not None else (),
            module=self.module,
            cpu=self._cost.share(),
            note="; ".join(text for text in notes if text),
            watched=self.watched(time),
        )
