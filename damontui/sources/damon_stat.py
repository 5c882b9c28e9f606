"""The kernel's DAMON_STAT: its regions at whole aggregations through the tracepoint, its own numbers beside them."""

from __future__ import annotations

import errno
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Event, Interim, ModuleValues, Status, ints
from damontui.errors import SourceError
from damontui.kernel import handback, procfs
from damontui.kernel.damon_stat import PARAMETERS, REFRESH_S, ModuleState, StatModule
from damontui.kernel.damon_sysfs import ADMIN
from damontui.kernel.root import KernelError, Root
from damontui.kernel.trace_parser import TracedAggregation
from damontui.sources.between import Between
from damontui.sources.composition import Composition
from damontui.sources.intervals import LAG_S, IntervalTracker, with_sample
from damontui.sources.module_numbers import ModuleNumbers
from damontui.sources.traced import CHECK_S, LONGEST_S, PAUSE_S, KernelSource, Listener, TracedRun

_STRAYS = 64
_UNKNOWN = ModuleState(on=False, pid=-2)  # not looked at yet
_GONE = ModuleState(on=False, pid=-3)
_GUESSED = "the intervals are an estimate until the next tuning step, since"


FINER = (
    "DAMON_STAT looks with 10 regions or more in aggregations of up to 200 s, which cannot be changed; a kdamond of "
    "ours, with 100 or more and of 10 s at most, knows idle memory several times as exactly, and checks a page of each "
    "region at every look, which overhead then tells: press T on the screen, or {} paddr --take"
)


class DamonStatSource(KernelSource):
    """DAMON_STAT, watched and switched.

    Args:
        root: where the kernel is.
        target: the word on the command line that led here.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
        wall: seconds since 1970.
        reason: why this target, where the user did not ask for it by name.
        program: this program's command with its full path, for remedies; found out where empty.
        frames: share of one CPU for looking at page frames; the usual one where None.
        pause: waits for so many seconds, while the kernel carries out a switch.
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
        frames: float | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        program = program or _program()
        super().__init__(root, target, "DAMON_STAT", clock=clock, wall=wall, pause=pause, program=program)
        self._reason = reason
        self._module = StatModule(root, program=program, pause=pause)
        self._numbers = ModuleNumbers(root, self._module, clock)
        self._between = Between(root, clock, wall)
        self._composition = Composition(root, share=frames, clock=clock)
        self._entered = False
        self._description: Description | None = None
        self._look = False  # set by the switch's thread: look at the switch now
        self._asked: bool | None = None

    def __enter__(self) -> Self:
        self._module.check()
        self._try_trace()
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
            limits.append(FINER.format(self._program))
            if self._composition.reason:
                limits.append(self._composition.reason)
            elif self._composition.no_owners:
                limits.append(self._composition.no_owners)
            self._description = self._about(
                with_sample(Attrs(), self._numbers.told_sample_us() or Attrs().sample_us),
                reason=self._reason,
                notice=self._left_off(),
                locked=locked,
                limits=tuple(limits),
                closer="" if locked or not root.writable(f"{ADMIN}/nr_kdamonds") else "paddr",
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
            old = handback.pending(self._root) if on and not self._root.read_only else None
            if old is not None:
                handback.take_away_kdamond(self._root, old, self._pause)  # it would hold DAMON
            # another object than the watcher's: this is another thread
            StatModule(self._root, program=self._program, pause=self._pause).switch(on)
            if old is not None:
                handback.done(self._root)
        except BaseException:
            self._asked = None
            raise
        finally:
            self._look = True

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """See `Source`: follows the switch, whoever turns it; never ends by itself.

        Raises:
            SourceError: where the module's files stop to make sense, or the trace instance is taken away.
        """
        if self._trace is None and self._entered:
            self._try_trace()  # tracefs may have been mounted since
        listener = Listener(self._read, self._clock, targets=1)
        listener.forget(stop)
        state = _UNKNOWN
        run: _StatRun | None = None
        strays: list[TracedAggregation] = []
        checked = float("-inf")
        while not stop.is_set():
            now = self._clock()
            if self._look or now - checked >= CHECK_S:
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
                yield from self._news(run)
                if self._trace is None:
                    for event in self._numbers_alone(run):
                        yield event
                        self._between.restart()  # it takes the place of the news, which go on to be what is known
            if listener.quiet:
                stop.wait(PAUSE_S)

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
        """A clause that says that a killed run of this program left DAMON_STAT off; "" where none did."""
        old = handback.pending(self._root)
        if old is None or not old.stat or self.enabled:
            return ""
        return f"DAMON_STAT is off: {handback.KILLED}; {handback.remedy(self._program)}"

    def _start(self, state: ModuleState, seen_off: bool) -> _StatRun:
        age = procfs.age(self._root, state.pid) if state.pid is not None else None
        # younger than its first aggregation: none of them can have been missed
        fresh = seen_off or (age is not None and age < 0.8 * Attrs().aggr_us / 1e6)
        self._numbers.begin(0.0 if fresh else age)
        self._between.restart()
        self._cost.follow(state.pid)
        if self._trace is not None and state.pid is not None:
            self._trace.only(state.pid)
        now = self._clock()
        return _StatRun(self, state.pid, fresh, now - age if age is not None else now if fresh else None)

    def _rest(self) -> None:
        self._cost.follow(None)
        if self._trace is not None:
            self._trace.only(None)  # the next kdamond's PID is not known yet

    def _waiting(self, run: _StatRun) -> Status:
        now = self._clock()
        sample_us = Attrs().sample_us if run.whole else self._numbers.told_sample_us()
        if self._trace is None:
            return self._status("waiting", "the module's first numbers, at most 5 s", now + REFRESH_S)
        age = run.watched(now)
        if not run.whole and self._numbers.are_of_the_run_before and age is not None:
            # the file is the former run's; three aggregations to a step that doubles at most are longer than the next
            seconds = max(Attrs().aggr_us / 1e6, age)
        elif sample_us is None:
            return self._status("waiting", f"first aggregation, at most {LONGEST_S:.0f} s", now + LONGEST_S)
        else:
            seconds = with_sample(Attrs(), sample_us).aggr_us / 1e6
        run.expected = now + seconds
        return self._first(seconds)

    # The regions

    def _found(self, run: _StatRun, traced: TracedAggregation) -> Iterator[Event]:
        """The events that a traced aggregation makes: itself, held back while its intervals are unknown."""
        # what is new now was counted in the aggregation that just ended
        run.module = self._numbers.read(now=run.last is None or _long(run))
        self._between.pass_over(run.module)
        found = self._taken(run, traced)
        yield from (self._composition.of(one) for one in found)
        if not found and run.holding:
            yield self._status("waiting", f"one more aggregation, since {self._numbers.untold('its intervals')}")

    # The module's own numbers

    def _news(self, run: _StatRun) -> Iterator[Interim]:
        """An `Interim` of the aggregation under way, where there is anything new to say."""
        if self._trace is not None and run.last is not None and not _long(run):
            return  # whole aggregations come as often as the module computes
        values = self._numbers.read()
        if values is None:
            if run.asked:
                return
            values = ModuleValues(enabled=True, kdamond_pid=run.pid)  # what /proc knows is known all the same
        run.asked = True
        due = run.due if run.last is not None else run.expected
        news = self._between.news(values, total=run.total, began=run.began, due=due)
        if news is not None:
            yield news

    def _numbers_alone(self, run: _StatRun) -> Iterator[Event]:
        """Without a trace: the module's numbers where they changed, and every 5 s."""
        now = self._clock()
        values = self._numbers.read()
        if values is None or (values.bandwidth is None and values.idle_ms_percentiles is None):
            if self._numbers.trouble:
                raise SourceError("neither DAMON_STAT's regions nor its numbers can be read", self._numbers.trouble)
            return  # nothing computed yet
        if values == run.shown and now - (run.last or now) < REFRESH_S:
            return
        sample_us = (values.aggr_interval_us or 0) // Attrs().aggr_samples or Attrs().sample_us
        attrs = with_sample(Attrs(), sample_us)
        began = run.last if run.last is not None else now - attrs.aggr_us / 1e6
        run.shown = run.module = values
        run.last = now
        none = ints([])
        notes = (f"no regions: {self._without}", self._numbers.trouble)
        yield run.made(now, began, attrs, (none, none, none, none, none), notes)


class _StatRun(TracedRun):
    """DAMON_STAT from one switching on to the next: its kdamond and what is known of its intervals."""

    def __init__(self, source: DamonStatSource, pid: int | None, fresh: bool, born: float | None) -> None:
        root, base = source._root, Attrs()
        intervals = IntervalTracker(
            base,
            attrs=base if fresh else None,
            sure=fresh,
            told=source._numbers.recent_sample_us,
            lag=LAG_S,
            sleeps=lambda: procfs.sleeps(root, pid) if pid is not None else None,
            clock=source._clock,
        )
        super().__init__(intervals, source._cost, clock=source._clock, wall=source._wall, born=born, whole=fresh)
        self.pid = pid
        self.physical = True
        self.expected: float | None = None
        """When the first aggregation is due, None where unknown."""
        self.shown: ModuleValues | None = None
        """The numbers of the last snapshot without regions."""
        self.asked = False
        """Whether the module's numbers were asked for."""
        self._source = source

    def notes(self) -> tuple[str, ...]:
        """Sentences for ``Snapshot.note``."""
        guessed = f"{_GUESSED} {self._source._numbers.untold('them')}" if self.intervals.guessed else ""
        return (*super().notes(), guessed, self._source._numbers.trouble)


def _long(run: TracedRun) -> bool:
    """Whether the module computes its numbers at least once while an aggregation is under way."""
    return run.length is not None and run.length >= REFRESH_S


def _program() -> str:
    """The command that started this program, with its full path."""
    name = sys.argv[0] if sys.argv else ""
    if Path(name).name.startswith("damontui"):
        found = shutil.which(name)
        if found is not None:
            return str(Path(found).absolute())
    return f"{sys.executable} -m damontui"
