"""Somebody else's kdamond, watched read-only through the tracepoint. Nothing of it is written or asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import Description, Event, Status
from damontui.errors import SourceError, UsageError
from damontui.kernel import damon_sysfs, handback, procfs
from damontui.kernel.damon_stat import PARAMETERS, StatModule
from damontui.kernel.root import Root
from damontui.sources.composition import Composition
from damontui.sources.intervals import LAG_S, IntervalTracker, with_sample
from damontui.sources.traced import CHECK_S, LONGEST_S, PAUSE_S, KernelSource, Listener, TracedRun

_MODULES = ("damon_reclaim", "damon_lru_sort")
_OPERATIONS = {"paddr": True, "vaddr": False, "fvaddr": False}
"""Whether a kdamond with these operations watches physical memory."""


class ForeignKdamond(KernelSource):
    """A kdamond that another program started, watched through its trace events; it is never switched.

    Args:
        root: where the kernel is.
        pid: the kdamond's PID.
        target: the word on the command line that led here; ``kdamond:PID`` where empty.
        program: this program's command with its full path, for remedies.
        frames: share of one CPU for looking at page frames; the usual one where None.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
        wall: seconds since 1970.
        pause: waits for so many seconds.
    """

    def __init__(
        self,
        root: Root,
        pid: int,
        *,
        target: str = "",
        program: str = "damontui",
        frames: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        target = target or f"kdamond:{pid}"
        super().__init__(root, target, f"kdamond {pid}", clock=clock, wall=wall, pause=pause, program=program)
        self._pid = pid
        self._told = _Told(None)
        self._whose = ""
        # nothing but its regions tells which part of memory it watches
        self._composition = Composition(root, whole=None, share=frames, clock=clock)

    def __enter__(self) -> Self:
        root = self._root
        if not procfs.is_kdamond(root, self._pid):
            running = procfs.find_kdamonds(root)
            known = ", ".join(f"{pid} ({name})" for pid, name in sorted(running.items()))
            raise SourceError(
                f"cannot watch kdamond {self._pid}",
                "no kdamond has that PID",
                f"running are: {known}" if known else "none is running",
            )
        self._open_trace(self._pid)
        try:
            self._whose, self._told = self._look_up()
            self._cost.follow(self._pid)
        except BaseException:
            self._close_trace()
            raise
        if self._told.physical:
            self._composition.open()
        if self._whose:
            self._title = f"kdamond {self._pid} of {self._whose}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._composition.close()
        self._close_trace()

    def describe(self) -> Description:
        """See `Source`."""
        told = self._told
        limits = []
        if told.attrs is None:
            limits = ["its intervals are estimated from when its aggregations end"]
        elif not told.fixed and told.lag is None:
            limits = ["its intervals are tuned, and estimated from when its aggregations end until the next step"]
        limits += filter(None, (self._composition.reason or self._composition.no_owners,))
        attrs, sample_us = told.attrs or Attrs(), told.sample_us() if told.lag is not None else None
        return self._about(
            attrs if sample_us is None else with_sample(attrs, sample_us),
            notice=f"its program was killed; {handback.remedy(self._program)}" if self._left() else "",
            locked="it is somebody else's, and only watched",
            limits=tuple(limits),
        )

    @property
    def enabled(self) -> bool:
        """Whether it runs."""
        return procfs.is_kdamond(self._root, self._pid)

    @enabled.setter
    def enabled(self, on: bool) -> None:
        raise SourceError(
            f"cannot switch kdamond {self._pid} {'on' if on else 'off'}",
            "it is somebody else's, and only watched",
            "use the program that started it",
        )

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """See `Source`; ends when the kdamond does."""
        if self._trace is None:
            self._open_trace(self._pid)  # it was taken away
        listener = Listener(self._read, self._clock, targets=self._told.targets)
        listener.forget(stop)
        run, told = self._run(), self._told
        checked = self._clock()
        yield self._waiting()
        while not stop.is_set():
            for traced in listener.look():
                if traced.pid == self._pid:
                    found = self._taken(run, traced)
                    yield from map(self._composition.of, found) if told.physical else found
                    if not found and run.holding:
                        yield self._status("waiting", "one more aggregation, since nothing tells how long one takes")
            if self._clock() - checked >= CHECK_S:
                checked = self._clock()
                if not self.enabled:
                    yield self._status("gone", f"kdamond {self._pid} has ended")
                    return
            if listener.quiet:
                stop.wait(PAUSE_S)

    def _run(self) -> _ForeignRun:
        told = self._told
        pid, clock = self._pid, self._clock
        age = procfs.age(self._root, pid)
        intervals = IntervalTracker(
            told.attrs,
            attrs=told.attrs if told.fixed else None,
            told=told.sample_us,
            lag=told.lag,
            sleeps=lambda: procfs.sleeps(self._root, pid),
            clock=clock,
        )
        born = None if age is None else clock() - age
        run = _ForeignRun(intervals, self._cost, clock=clock, wall=self._wall, born=born, whole=False)
        run.physical = told.physical
        return run

    def _waiting(self) -> Status:
        """The status before the first aggregation, with how long that can take where the intervals in force are
        known."""
        told, now = self._told, self._clock()
        sample_us = told.sample_us() if told.lag is not None else None
        if told.attrs is None:
            text = f"two aggregations, at most {2 * LONGEST_S:.0f} s, since nothing tells how long one takes"
            return self._status("waiting", text, now + 2 * LONGEST_S)
        if sample_us is not None:
            return self._first(with_sample(told.attrs, sample_us).aggr_us / 1e6)
        if told.fixed:
            return self._first(told.attrs.aggr_us / 1e6)
        text = (
            f"first aggregation, at most {LONGEST_S:.0f} s; its intervals are tuned, and unknown until the trace tells"
        )
        return self._status("waiting", text, now + LONGEST_S)

    def _look_up(self) -> tuple[str, _Told]:
        """Who started the kdamond, and its attributes as far as files tell them."""
        stat = self._damon_stat()
        if stat is not None:
            return "DAMON_STAT", stat
        for module in _MODULES:
            folder = f"sys/module/{module}/parameters"
            if _number(self._root, f"{folder}/kdamond_pid") == self._pid:
                return module.upper(), self._module(folder)
        return self._sysfs() or ("", _Told(None))

    def _left(self) -> bool:
        """Whether it is what a killed run of this program left."""
        left = handback.pending(self._root)
        return left is not None and left.kdamond == self._pid

    def _damon_stat(self) -> _Told | None:
        root = self._root
        stat = StatModule(root, program=self._program, pause=self._pause)
        try:
            if not stat.present() or stat.state().pid != self._pid:
                return None
        except SourceError:
            return None

        def sample_us() -> int | None:
            return (_number(root, f"{PARAMETERS}/aggr_interval_us") or 0) // Attrs().aggr_samples or None

        # 6.17 has no such file: then nothing but the trace tells
        return _Told(Attrs(), sample_us, lag=LAG_S if sample_us() is not None else None, targets=1, physical=True)

    def _module(self, folder: str) -> _Told:
        root = self._root
        sample, aggr = _number(root, f"{folder}/sample_interval"), _number(root, f"{folder}/aggr_interval")
        least, most = _number(root, f"{folder}/min_nr_regions"), _number(root, f"{folder}/max_nr_regions")
        try:
            tuned = root.read(f"{folder}/autotune_monitoring_intervals") in ("Y", "1")
        except SourceError:
            tuned = False
        goal = (400, 3, 5_000, 10_000_000) if tuned else None  # as DAMON_STAT's
        return _Told(_attrs(sample, aggr, least, most, goal), lambda: sample, targets=1, physical=True)

    def _sysfs(self) -> tuple[str, _Told] | None:
        root = self._root
        try:
            kdamonds = damon_sysfs.survey(root, self._pause) if damon_sysfs.supported(root) else []
        except SourceError:
            return None
        for kdamond in kdamonds:
            if kdamond.pid == self._pid:
                folder = f"{damon_sysfs.ADMIN}/{kdamond.index}/contexts/0"
                intervals, bounds = (f"{folder}/monitoring_attrs/{name}" for name in ("intervals", "nr_regions"))
                goal = tuple(
                    _number(root, f"{intervals}/intervals_goal/{name}")
                    for name in ("access_bp", "aggrs", "min_sample_us", "max_sample_us")
                )
                sample, aggr = _number(root, f"{intervals}/sample_us"), _number(root, f"{intervals}/aggr_us")
                least, most = _number(root, f"{bounds}/min"), _number(root, f"{bounds}/max")
                attrs = _attrs(sample, aggr, least, most, goal)
                whose = f"sysfs, {root.path(f'{damon_sysfs.ADMIN}/{kdamond.index}')}"
                if self._left():
                    whose = "an earlier run of this program, which was killed"
                physical = _OPERATIONS.get(_text(root, f"{folder}/operations"))
                return whose, _Told(attrs, partial(_number, root, f"{intervals}/sample_us"), physical=physical)
        return None


@dataclass(frozen=True, slots=True)
class _Told:
    """A kdamond's attributes, as far as files tell them."""

    attrs: Attrs | None
    """The attributes that were set, None where no file tells; where tuning is on, their intervals may be long
    outdated."""
    sample_us: Callable[[], int | None] = lambda: None
    """The sampling interval that a file tells now, microseconds; None where none does."""
    lag: float | None = None
    """Seconds by which the file may lag behind the interval in force; None where it tells the interval that was set."""
    targets: int | None = None
    """How many targets it has, which tells when an aggregation is whole; None where unknown."""
    physical: bool | None = None
    """Whether it watches physical memory; None where unknown."""

    @property
    def fixed(self) -> bool:
        """Whether nothing is tuned, so that what was set is in force."""
        return self.attrs is not None and self.attrs.goal is None


class _ForeignRun(TracedRun):
    """Says where the intervals are an estimate."""

    def notes(self) -> tuple[str, ...]:
        """Sentences for ``Snapshot.note``."""
        attrs = self.intervals.attrs
        guess = "the intervals are an estimate, by how far its aggregations are apart"
        if attrs is None or attrs.goal is not None:
            guess += ", until the next tuning step"
        return (*super().notes(), guess if self.intervals.guessed else "")


def _attrs(
    sample: int | None, aggr: int | None, least: int | None, most: int | None, goal: tuple[int | None, ...] | None
) -> Attrs | None:
    if not sample or not aggr:
        return None
    try:
        aims = None
        if goal is not None and goal[0] and goal[1] and goal[2] and goal[3]:
            aims = IntervalsGoal(goal[0], goal[1], min(goal[2], sample), max(goal[3], sample))
        return Attrs(sample, aggr, min_regions=least or 10, max_regions=most or 1000, goal=aims)
    except UsageError:
        return None


def _number(root: Root, name: str) -> int | None:
    try:
        return root.read_int(name)
    except SourceError:
        return None


def _text(root: Root, name: str) -> str:
    try:
        return root.read(name)
    except SourceError:
        return ""
