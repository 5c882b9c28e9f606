"""Somebody else's kdamond, watched read-only through the tracepoint. Nothing of it is written or asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import Description, Event, Ints, State, Status
from damontui.errors import SourceError, UsageError
from damontui.kernel import damon_sysfs, procfs
from damontui.kernel.root import Root
from damontui.kernel.trace_parser import TracedAggregation
from damontui.kernel.tracefs import Trace
from damontui.sources.cost import KdamondCost
from damontui.sources.traced import Listener, TracedRun

_PAUSE_S = 0.1
_CHECK_S = 0.5
_MODULES = ("damon_reclaim", "damon_lru_sort")


class WatchSource:
    """Args: the root, the kdamond's PID, and clocks as every source takes them."""

    def __init__(
        self,
        root: Root,
        pid: int,
        *,
        target: str = "",
        program: str = "damontui",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._root = root
        self._pid = pid
        self._target = target or f"kdamond:{pid}"
        self._program = program
        self._clock = clock
        self._wall = wall
        self._pause = pause
        self._cost = KdamondCost(root, clock)
        self._entered = ExitStack()
        self._trace: Trace | None = None
        self._attrs: Attrs | None = None
        self._whose = ""

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
        with ExitStack() as entered:
            self._trace = entered.enter_context(Trace(root, pid=self._pid, pause=self._pause))
            self._whose, self._attrs = self._look_up()
            self._cost.follow(self._pid)
            self._entered = entered.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.close()

    def describe(self) -> Description:
        """See `Source`."""
        limits = [] if self._attrs is not None else ["its intervals are estimated from when its aggregations end"]
        return Description(
            target=self._target,
            title=f"kdamond {self._pid}" + (f" of {self._whose}" if self._whose else ""),
            origin="kernel",
            attrs=self._attrs or Attrs(),
            host=procfs.hostname(self._root),
            kernel=procfs.kernel_release(self._root),
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

    def overhead(self) -> float:
        """CPU seconds of the kdamond since it is watched."""
        return self._cost.seconds()

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """See `Source`; ends when the kdamond does."""
        trace = self._trace
        if trace is None:
            raise RuntimeError("the source was not entered")
        listener = Listener(trace.read, self._clock)
        listener.forget(stop)
        run = _Run(self._attrs, self._cost, self._clock, self._wall)
        age = procfs.age(self._root, self._pid)
        run.born = None if age is None else self._clock() - age
        checked = self._clock()
        seconds = 200.0 if self._attrs is None or self._attrs.goal is not None else self._attrs.aggr_us / 1e6
        yield self._status("waiting", f"first aggregation, at most {seconds:.3g} s", checked + seconds)
        begun = False
        while not stop.is_set():
            for traced in listener.look():
                if traced.pid == self._pid and (traced.complete or begun):
                    begun = True  # before, the trace began in the middle of an aggregation
                    if not traced.complete:
                        trace.enlarge()
                    yield run.snapshot(traced)
            if self._clock() - checked >= _CHECK_S:
                checked = self._clock()
                if not self.enabled:
                    yield self._status("gone", f"kdamond {self._pid} has ended")
                    return
            if listener.quiet:
                stop.wait(_PAUSE_S)

    def _status(self, state: State, text: str, due: float | None = None) -> Status:
        return Status(state=state, text=text, time=self._clock(), wall=self._wall(), due=due)

    def _look_up(self) -> tuple[str, Attrs | None]:
        """Whose it is, and its attributes as far as files tell them."""
        root = self._root
        for module in _MODULES:
            folder = f"sys/module/{module}/parameters"
            if _number(root, f"{folder}/kdamond_pid") == self._pid:
                sample, aggr = _number(root, f"{folder}/sample_interval"), _number(root, f"{folder}/aggr_interval")
                least, most = _number(root, f"{folder}/min_nr_regions"), _number(root, f"{folder}/max_nr_regions")
                return module.upper(), _attrs(sample, aggr, least, most, None)
        try:
            kdamonds = damon_sysfs.survey(root, self._pause) if damon_sysfs.supported(root) else []
        except SourceError:
            kdamonds = []
        for kdamond in kdamonds:
            if kdamond.pid == self._pid:
                folder = f"{damon_sysfs.ADMIN}/{kdamond.index}/contexts/0"
                intervals, bounds = (f"{folder}/monitoring_attrs/{name}" for name in ("intervals", "nr_regions"))
                goal = [
                    _number(root, f"{intervals}/intervals_goal/{name}")
                    for name in ("access_bp", "aggrs", "min_sample_us", "max_sample_us")
                ]
                sample, aggr = _number(root, f"{intervals}/sample_us"), _number(root, f"{intervals}/aggr_us")
                least, most = _number(root, f"{bounds}/min"), _number(root, f"{bounds}/max")
                return f"sysfs, {root.path(f'{damon_sysfs.ADMIN}/{kdamond.index}')}", _attrs(
                    sample, aggr, least, most, goal
                )
        return "", None


class _Run(TracedRun):
    """Corrects the attributes by what is seen: tuning may have changed them long before we came."""

    def __init__(
        self, attrs: Attrs | None, cost: KdamondCost, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        super().__init__(attrs or Attrs(goal=None), cost, clock=clock, wall=wall)
        self._sure = attrs is not None and attrs.goal is None
        self._before: float | None = None

    def following(self, traced: TracedAggregation) -> tuple[Attrs, Ints]:
        """The attributes in force from now on; what came before is corrected by when the aggregations ended."""
        before, self._before = self._before, traced.time
        if traced.sample_us is not None:
            self._sure = True
            self.attrs = self.attrs if traced.sample_us == self.attrs.sample_us else _with(self.attrs, traced.sample_us)
        elif not self._sure and before is not None and traced.complete:
            seconds = traced.time - before
            if not 0.6 < self.attrs.aggr_us / 1e6 / seconds < 1.7:
                self.attrs = _with(self.attrs, round(seconds * 1e6) // self.attrs.aggr_samples)
        self.note = "" if self._sure else "the intervals are an estimate until the next tuning step"
        if traced.tuned and traced.next_sample_us is not None:
            self.since_tuning = 0
            return _with(self.attrs, traced.next_sample_us), traced.age
        return self.attrs, traced.age


def _with(attrs: Attrs, sample_us: int) -> Attrs:
    """``attrs`` with this sampling interval, whatever its goal's bounds are."""
    sample_us = max(1, sample_us)
    goal = attrs.goal
    if goal is not None:
        goal = replace(
            goal,
            min_sample_us=min(goal.min_sample_us, sample_us),
            max_sample_us=max(goal.max_sample_us, sample_us),
        )
    return replace(attrs, sample_us=sample_us, aggr_us=sample_us * attrs.aggr_samples, goal=goal)


def _attrs(
    sample: int | None, aggr: int | None, least: int | None, most: int | None, goal: list[int | None] | None
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
