"""The kernel's DAMON_STAT: its regions at whole aggregations through the tracepoint, its own numbers beside them."""

from __future__ import annotations

import errno
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import Description, Event, Interim, ModuleValues, Snapshot, State, Status, ints
from damontui.damon.tuning import tuned
from damontui.errors import SourceError
from damontui.kernel import handback, procfs
from damontui.kernel.damon_stat import PARAMETERS, REFRESH_S, DamonStat, ModuleState
from damontui.kernel.root import KernelError, Root
from damontui.kernel.tracefs import Trace, TracedAggregation
from damontui.sources.between import Between
from damontui.sources.composition import Composition
from damontui.sources.cost import KdamondCost
from damontui.sources.traced import Listener

_PAUSE_S = 0.1  # between two looks at an empty trace; a stop ends it at once
_CHECK_S = 0.5  # between two looks at the switch
_VALUES_S = 1.0  # the module computes its numbers every 5 s
_STRAYS = 64
_LONGEST_S = 200.0  # 20 samples of at most 10 s
_UNKNOWN = ModuleState(on=False, pid=-2)  # not looked at yet
_GONE = ModuleState(on=False, pid=-3)
_GUESSED = "the intervals are an estimate until the next tuning step, since"
_KILLED = "an earlier run of this program was killed before it could switch it on again"


class DamonStatSource:
    """DAMON_STAT, watched and switched.

    Args:
        root: where the kernel is.
        target: the word on the command line that led here.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
        wall: seconds since 1970.
        reason: why this target, where the user did not ask for it by name.
        program: this program's command with its full path, for remedies; found out where empty.
        pause: how to wait while a switch takes.
    """

    def __init__(
        self,
        root: Root,
        *,
        target: str = "stat",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        reason: str = "",
        program: str = "",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._root = root
        self._target = target
        self._clock = clock
        self._wall = wall
        self._reason = reason
        self._pause = pause
        self._program = program or _program()
        self._module = DamonStat(root, program=self._program, pause=pause)
        self._cost = KdamondCost(root, clock)
        self._between = Between(root, clock, wall)
        self._composition = Composition(root, clock=clock)
        self._entered = False
        self._trace: Trace | None = None
        self._without = ""
        self._description: Description | None = None
        self._look = False  # set by the switch's thread: look at the switch now
        self._asked: bool | None = None
        self._values: ModuleValues | None = None
        self._values_due = 0.0
        self._trouble = ""
        self._former: ModuleValues | None = None
        self._former_until = 0.0

    def __enter__(self) -> Self:
        self._module.check()
        self._open_trace()
        self._composition.open()
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered = False
        self._composition.close()
        self._close_trace()

    def describe(self) -> Description:
        """See `Source`."""
        if self._description is None:
            root = self._root
            locked = ""
            if root.read_only:
                locked = "read-only session"
            elif not root.writable(f"{PARAMETERS}/enabled"):
                locked = f"only root may switch it: sudo {self._program} stat"
            limits = [f"no regions: {self._without}"] if self._without else []
            if not root.exists(f"{PARAMETERS}/aggr_interval_us"):
                limits.append("this kernel does not tell the intervals before the first tuning step")
            if self._composition.reason:
                limits.append(self._composition.reason)
            self._description = Description(
                target=self._target,
                title="DAMON_STAT",
                origin="kernel",
                attrs=_attrs(self._told_sample_us() or Attrs().sample_us),
                host=procfs.hostname(root),
                kernel=procfs.kernel_release(root),
                reason=self._reason,
                notice=self._left_off(),
                locked=locked,
                limits=tuple(limits),
            )
        return self._description

    @property
    def enabled(self) -> bool:
        """Whether DAMON_STAT runs in truth; False where it is gone."""
        try:
            return self._module.state().on
        except SourceError:
            return False

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self._asked = on
        try:
            old = handback.left_behind(self._root) if on and not self._root.read_only else None
            if old is not None:
                handback.take_away_kdamond(self._root, old, self._pause)  # it would hold DAMON
            # another object than the watcher's: this is another thread
            DamonStat(self._root, program=self._program, pause=self._pause).switch(on)
            if old is not None:
                handback.done(self._root)
        except BaseException:
            self._asked = None
            raise
        finally:
            self._look = True

    def overhead(self) -> float:
        """CPU seconds of the kdamond since we watch it."""
        return self._cost.seconds()

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """See `Source`: follows the switch, whoever turns it; never ends by itself.

        Raises:
            SourceError: where the module's files stop to make sense, or the trace instance is taken away.
        """
        if self._trace is None and self._entered:
            self._open_trace()  # tracefs may have been mounted since
        listener = Listener(self._read, self._clock, targets=1)
        listener.forget(stop)
        state = _UNKNOWN
        run: _Run | None = None
        strays: list[TracedAggregation] = []
        checked = float("-inf")
        while not stop.is_set():
            now = self._clock()
            if self._look or now - checked >= _CHECK_S:
                self._look = False
                checked = now
                before, state = state, self._state()
                if (before.on, before.pid) != (state.on, state.pid):
                    run = None
                    yield self._said(before, state)
                    if state.on:
                        # where we saw it off, every aggregation since its start is in the trace
                        run = self._start(state, seen_off=before is not _UNKNOWN and not before.on)
                        yield self._waiting(run)
                        for traced in strays:
                            if traced.pid == run.pid or run.pid is None:
                                yield from self._found(run, traced)
                    else:
                        self._rest()
                    strays.clear()
            for traced in listener.look():
                if run is None:
                    strays = [*strays, traced][-_STRAYS:]
                elif run.pid is None or traced.pid == run.pid:
                    yield from self._found(run, traced)
            if run is not None:
                if self._trace is None:
                    yield from self._numbers_alone(run)
                yield from self._news(run)
            if listener.quiet:
                stop.wait(_PAUSE_S)

    # The switch

    def _state(self) -> ModuleState:
        try:
            return self._module.state()
        except KernelError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV):
                return _GONE
            raise

    def _said(self, before: ModuleState, state: ModuleState) -> Status:
        asked, self._asked = self._asked, None
        if state is _GONE:
            return self._status("gone", "DAMON_STAT is gone: its module's files disappeared")
        who = " by someone else" if asked != state.on else ""
        if state.on:
            if before is _UNKNOWN:
                return self._status("on", "DAMON_STAT is on")
            return self._status("on", f"DAMON_STAT was {'restarted' if before.on else 'switched on'}{who}")
        if state.failed:
            held = " and ".join(self._module.holders())
            why = f", and DAMON is held by {held}" if held else ""
            return self._status("off", f"DAMON_STAT is off: its switch says Y, but no kdamond of its own runs{why}")
        if before is _UNKNOWN:
            return self._status("off", self._left_off() or "DAMON_STAT is off")
        return self._status("off", f"DAMON_STAT was switched off{who}")

    def _left_off(self) -> str:
        """That a killed run of ours switched it off, as one clause; "" where none did."""
        old = handback.left_behind(self._root)
        return f"DAMON_STAT is off: {_KILLED}" if old is not None and old.stat and not self.enabled else ""

    def _start(self, state: ModuleState, seen_off: bool) -> _Run:
        age = procfs.age(self._root, state.pid) if state.pid is not None else None
        # younger than its first aggregation: none of them can have been missed
        fresh = seen_off or (age is not None and age < 0.8 * Attrs().aggr_us / 1e6)
        self._forget_former_run(0.0 if fresh else age)
        self._between.restart()
        self._cost.follow(state.pid)
        if self._trace is not None and state.pid is not None:
            self._trace.only(state.pid)
        now = self._clock()
        born = now - age if age is not None else now if fresh else None
        return _Run(self._root, state.pid, fresh, now, born)

    def _rest(self) -> None:
        self._cost.follow(None)
        if self._trace is not None:
            self._trace.only(None)  # the next kdamond's PID is not known yet

    def _waiting(self, run: _Run) -> Status:
        now = self._clock()
        sample_us = Attrs().sample_us if run.fresh else self._told_sample_us()
        run.due = now + _attrs(sample_us).aggr_us / 1e6 if sample_us is not None else None
        if self._trace is None:
            return self._status("waiting", "the module's first numbers, at most 5 s", now + REFRESH_S)
        if sample_us is None:
            return self._status("waiting", f"first aggregation, at most {_LONGEST_S:.0f} s", now + _LONGEST_S)
        seconds = _attrs(sample_us).aggr_us / 1e6
        return self._status("waiting", f"first aggregation, at most {seconds:.3g} s", now + seconds)

    def _status(self, state: State, text: str, due: float | None = None) -> Status:
        return Status(state=state, text=text, time=self._clock(), wall=self._wall(), due=due)

    # The regions

    def _open_trace(self) -> None:
        trace = Trace(self._root, pause=self._pause)
        try:
            trace.__enter__()
        except SourceError as error:
            self._without = str(error)
            return
        self._trace = trace
        self._without = ""

    def _close_trace(self) -> None:
        trace, self._trace = self._trace, None
        if trace is not None:
            trace.close()

    def _read(self) -> bytes:
        if self._trace is None:
            return b""
        try:
            return self._trace.read()
        except SourceError:
            self._close_trace()  # so that watching again makes a new one
            raise

    def _found(self, run: _Run, traced: TracedAggregation) -> Iterator[Event]:
        """The events that a traced aggregation makes: itself, held back while its intervals are unknown."""
        run.began = traced.time
        if run.last is None and not traced.complete and run.held is None and not run.fresh:
            return  # the trace began in the middle of it
        note = ""
        if not traced.complete:
            note = f"{traced.lost} events lost" if traced.lost else "events lost"
            if self._trace is not None and self._trace.enlarge():
                note += f", so the trace buffer was enlarged to {self._trace.buffer_kb} KiB a CPU"
        values = self._module_values(now=run.length >= REFRESH_S)
        self._between.pass_over(values)
        attrs = run.attrs_of(traced, values.aggr_interval_us if values is not None else None, self._clock())
        if attrs is None:
            run.held = traced
            yield self._status("waiting", f"one more aggregation, since {self._untold('its intervals')}")
            return
        if run.held is not None:
            held, run.held = run.held, None
            yield self._snapshot(run, held, attrs, values, "")
        yield self._snapshot(run, traced, attrs, values, note)

    def _snapshot(
        self, run: _Run, traced: TracedAggregation, attrs: Attrs, values: ModuleValues | None, note: str
    ) -> Snapshot:
        now = self._clock()
        following = _attrs(traced.next_sample_us) if traced.next_sample_us is not None else attrs
        began = traced.time - attrs.aggr_us / 1e6
        if run.last is not None and (traced.complete or traced.time - run.last < 1.9 * attrs.aggr_us / 1e6):
            began = run.last  # a kernel oversleeps by up to a half; where events were lost, an aggregation may be
        guessed = f"{_GUESSED} {self._untold('them')}" if run.guessed else ""
        notes = [text for text in (note, guessed, self._trouble) if text]
        run.advance(traced, following)
        found = Snapshot(
            time=traced.time,
            began=began,
            wall=self._wall() - (now - traced.time),
            attrs=attrs,
            start=traced.start,
            end=traced.end,
            nr_accesses=traced.nr_accesses,
            age=traced.age,
            target=traced.target,
            origin="kernel",
            next_attrs=following,
            targets=traced.targets,
            complete=traced.complete,
            lost=traced.lost,
            until_tuning=run.until_tuning,
            module=values,
            cpu=self._cost.share(),
            note="; ".join(notes),
            watched=run.watched(traced.time),
        )
        return self._composition.of(found)

    # The module's own numbers

    def _news(self, run: _Run) -> Iterator[Interim]:
        """What is known while an aggregation is under way, where that is news."""
        if self._trace is not None and run.last is not None and run.length < REFRESH_S:
            return  # whole aggregations come as often as the module computes
        values = self._module_values()
        if values is None:
            if run.asked:
                return
            values = ModuleValues(enabled=True, kdamond_pid=run.pid)  # what /proc knows is known all the same
        run.asked = True
        news = self._between.news(values, total=run.total, began=run.began, due=run.due)
        if news is not None:
            yield news

    def _untold(self, what: str) -> str:
        """Why ``what`` (the intervals) is not known."""
        if self._root.exists(f"{PARAMETERS}/aggr_interval_us"):
            return f"DAMON_STAT tells {what} only every {REFRESH_S:.0f} s"
        return f"this kernel does not tell {what}"

    def _told_sample_us(self) -> int | None:
        """The sampling interval that the module's files tell, None where they do not."""
        try:
            aggr_us = self._root.read_int(f"{PARAMETERS}/aggr_interval_us")
        except SourceError:
            return None
        return aggr_us // Attrs().aggr_samples or None

    def _module_values(self, *, now: bool = False) -> ModuleValues | None:
        """As of now, or of a second ago; None where they cannot be read (`_trouble` says why)."""
        if now or self._clock() >= self._values_due:
            self._values_due = self._clock() + _VALUES_S
            try:
                values, self._trouble = self._module.read()
                self._values = self._refreshed(values)
            except SourceError as error:
                self._values = None
                self._trouble = str(error)
        return self._values

    def _forget_former_run(self, age: float | None) -> None:
        """The files keep the former run's numbers until the first refresh: note them, so that none is shown as new."""
        now = self._clock()
        self._values, self._values_due, self._former = None, now, None
        if age is None or age > REFRESH_S + 1:
            return
        self._former_until = now + REFRESH_S + 1 - age
        try:
            self._former, _ = self._module.read()
        except SourceError:
            return  # the next reading says so

    def _refreshed(self, values: ModuleValues) -> ModuleValues:
        """Without what was there before the first refresh: zeros, or the former run's numbers."""
        former = self._former
        if former is not None and self._clock() < self._former_until:
            if (values.bandwidth, values.idle_ms_percentiles) == (former.bandwidth, former.idle_ms_percentiles):
                return replace(values, bandwidth=None, idle_ms_percentiles=None, aggr_interval_us=None)
            self._former = None
        if values.bandwidth == 0 and not any(values.idle_ms_percentiles or ()):
            return replace(values, bandwidth=None, idle_ms_percentiles=None)
        return values

    def _numbers_alone(self, run: _Run) -> Iterator[Event]:
        """Without a trace: the module's numbers where they changed, and every 5 s."""
        now = self._clock()
        values = self._module_values()
        if values is None or (values.bandwidth is None and values.idle_ms_percentiles is None):
            if self._trouble:
                raise SourceError("neither DAMON_STAT's regions nor its numbers can be read", self._trouble)
            return  # nothing computed yet
        if values == run.shown and now - (run.last or now) < REFRESH_S:
            return
        attrs = _attrs((values.aggr_interval_us or 0) // Attrs().aggr_samples or Attrs().sample_us)
        nothing = ints([])
        began = run.last if run.last is not None else now - attrs.aggr_us / 1e6
        run.shown = values
        run.last = now
        yield Snapshot(
            time=now,
            began=began,
            wall=self._wall(),
            attrs=attrs,
            start=nothing,
            end=nothing,
            nr_accesses=nothing,
            age=nothing,
            target=nothing,
            origin="kernel",
            next_attrs=attrs,
            module=values,
            cpu=self._cost.share(),
            note="; ".join(text for text in (f"no regions: {self._without}", self._trouble) if text),
            watched=run.watched(now),
        )


class _Run:
    """DAMON_STAT from one switching on to the next: its kdamond and what is known of its intervals."""

    def __init__(self, root: Root, pid: int | None, fresh: bool, now: float, born: float | None) -> None:
        self.pid = pid
        self.fresh = fresh
        self.born = born
        """When the kdamond started, None where unknown."""
        self.last: float | None = None
        """When the last aggregation ended."""
        self.began = born if fresh else None
        """When the one under way began, None where unknown."""
        self.due: float | None = None
        """When it can be whole, None where unknown."""
        self.length = 0.0
        """Seconds that it takes; 0 where unknown."""
        self.total: int | None = None
        """Bytes of the regions that were traced last."""
        self.asked = False
        """Whether the module's numbers were asked for."""
        self.held: TracedAggregation | None = None
        self.shown: ModuleValues | None = None
        self.guessed = False
        self.until_tuning: int | None = None
        self._root = root
        self._joined = now
        self._sleeps = procfs.sleeps(root, pid) if pid is not None else None
        self._attrs: Attrs | None = Attrs() if fresh else None
        self._sure = fresh
        self._lossy = False
        self._since_tuning: int | None = 0 if fresh else None

    def attrs_of(self, traced: TracedAggregation, told_aggr_us: int | None, now: float) -> Attrs | None:
        """The attributes in force while ``traced`` was counted; None where one more aggregation is needed to tell."""
        if traced.sample_us is not None and not self._lossy:
            self._attrs, self._sure = _attrs(traced.sample_us), True
        elif not self._sure:
            self._estimate(traced, told_aggr_us, now)
        if self._sure:
            self.guessed = False
        if not traced.complete:  # a tuning line may be among what was lost
            self._lossy, self._sure = True, False
        elif traced.tuned:
            self._lossy = False
        return self._attrs

    def _estimate(self, traced: TracedAggregation, told_aggr_us: int | None, now: float) -> None:
        before = self.last if self.held is None else self.held.time
        seconds = traced.time - before if before is not None else self._by_sleeps(now)
        if traced.tuned:
            exact = _before_tuning(traced)
            if exact is not None:
                self._attrs, self._sure = exact, True
                return
        if told_aggr_us:
            told = _attrs(told_aggr_us // Attrs().aggr_samples)
            # the file is as of the last refresh: right where no tuning came since, likely so where the pace agrees
            settled = now - self._joined > REFRESH_S + 1.5 and not self._lossy
            if settled or seconds is None or _agree(told, seconds):
                self._attrs, self._sure, self.guessed = told, settled, False
                return
        if seconds is not None and (self._attrs is None or not _agree(self._attrs, seconds)):
            self._attrs, self.guessed = _attrs(round(seconds * 1e6) // Attrs().aggr_samples), True

    def watched(self, now: float) -> float | None:
        """Seconds for which this kdamond had watched at ``now``; None where its start is not known."""
        return None if self.born is None else max(0.0, now - self.born)

    def _by_sleeps(self, now: float) -> float | None:
        """An aggregation's seconds by how often the kdamond slept since we watch: once in a sampling interval."""
        slept = procfs.sleeps(self._root, self.pid) if self.pid is not None else None
        if slept is None or self._sleeps is None or slept - self._sleeps < 3:
            return None
        return (now - self._joined) / (slept - self._sleeps) * Attrs().aggr_samples

    def advance(self, traced: TracedAggregation, following: Attrs) -> None:
        """An aggregation was handed on."""
        self.last = self.began = traced.time
        self.fresh = False
        self.length = following.aggr_us / 1e6
        self.due = traced.time + self.length
        if traced.complete:
            self.total = int((traced.end - traced.start).sum())
        if traced.tuned:
            self._attrs, self._sure = following, True
            self._since_tuning = 0
        elif self._since_tuning is not None:
            self._since_tuning += 1
        if not traced.complete:
            self._since_tuning = 0 if traced.tuned else None
        every = (following.goal or IntervalsGoal()).aggrs
        # a step that changes nothing leaves no line, hence the remainder
        self.until_tuning = None if self._since_tuning is None else every - self._since_tuning % every


def _attrs(sample_us: int) -> Attrs:
    """DAMON_STAT's attributes with this sampling interval, whatever bounds the kernel's own goal has."""
    base = Attrs()
    goal = base.goal or IntervalsGoal()
    sample_us = max(1, sample_us)
    if not goal.min_sample_us <= sample_us <= goal.max_sample_us:
        goal = replace(
            goal,
            min_sample_us=min(goal.min_sample_us, sample_us),
            max_sample_us=max(goal.max_sample_us, sample_us),
        )
    return replace(base, sample_us=sample_us, aggr_us=sample_us * base.aggr_samples, goal=goal)


def _agree(attrs: Attrs, seconds: float) -> bool:
    """Whether aggregations that far apart can have this interval: steps of the tuning are about a factor of 2."""
    return 0.6 < attrs.aggr_us / 1e6 / seconds < 1.7 if seconds > 0 else False


def _before_tuning(traced: TracedAggregation) -> Attrs | None:
    """The attributes that the kernel's tuning turned into the traced ones; None where its bounds hide them."""
    sizes, wanted = traced.end - traced.start, traced.next_sample_us or 0
    goal = Attrs().goal or IntervalsGoal()
    if not goal.min_sample_us < wanted < goal.max_sample_us:
        return None
    factor = tuned(_attrs(1_000_000), sizes, traced.nr_accesses).sample_us / 1_000_000
    middle = round(wanted / factor)
    for sample_us in sorted(range(max(1, middle - 3), middle + 4), key=lambda us: abs(us - middle)):
        if tuned(_attrs(sample_us), sizes, traced.nr_accesses).sample_us == wanted:
            return _attrs(sample_us)
    return None


def _program() -> str:
    """The command that started this program, with its full path."""
    name = sys.argv[0] if sys.argv else ""
    if Path(name).name.startswith("damontui"):
        found = shutil.which(name)
        if found is not None:
            return str(Path(found).absolute())
    return f"{sys.executable} -m damontui"
