"""A kdamond of our own: physical memory or processes, through the tracepoint or, where that is hidden, sysfs.

It is started when the monitoring starts and taken away when it stops, whatever stops it. DAMON's modules are
exclusive: while DAMON_STAT runs no other kdamond can, so it may be switched off meanwhile (``take``), and is given
back at the end.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Event, Ints, Snapshot, State, Status, ints
from damontui.damon.tuning import converted_ages, tuned
from damontui.errors import SourceError
from damontui.kernel import damon_sysfs, debt, procfs
from damontui.kernel.damon_stat import DamonStat
from damontui.kernel.damon_sysfs import Kdamond, SysfsTarget
from damontui.kernel.root import KernelError, Root
from damontui.kernel.trace_parser import TracedAggregation, TraceParser
from damontui.kernel.tracefs import Trace
from damontui.sources.cost import KdamondCost

_PAUSE_S = 0.1  # between two looks at an empty trace; a stop ends it at once
_CHECK_S = 0.5  # between two looks at whether it still runs, and at its targets
_SILENCE_S = 0.3  # an aggregation begun and not gone on with for so long has lost its last lines
_LEAST_S = 0.5  # between two readings of tried_regions

Namer = Callable[[Ints, Ints, Ints], tuple[str, ...]]


class KdamondSource:
    """One kdamond, from the start of the monitoring to its end.

    Args:
        root: where the kernel is.
        operations: ``paddr`` or ``vaddr``.
        targets: what to monitor now; asked again twice a second for processes that come and go. Raises `SourceError`
            or returns nothing where all are gone.
        attrs: the monitoring attributes.
        target: the word on the command line that led here.
        title: for the title bar.
        take: switch DAMON_STAT off where it holds DAMON, and give it back at the end.
        names: what is at each region: start, end and target arrays to names.
        farewell: what to say when the target is gone.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
        wall: seconds since 1970.
        pause: waits that many seconds.
        program: this program's command with its full path, for remedies.
        reader: what reads tried_regions, which blocks inside the kernel, so that a stop is obeyed meanwhile.
    """

    def __init__(
        self,
        root: Root,
        operations: str,
        targets: Callable[[], tuple[SysfsTarget, ...]],
        attrs: Attrs,
        *,
        target: str,
        title: str,
        take: bool = False,
        names: Namer | None = None,
        farewell: Callable[[], str] = lambda: "the target is gone",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
        program: str = "damontui",
        reader: Callable[[], Executor] = lambda: ThreadPoolExecutor(1, "tried-regions"),
    ) -> None:
        self.take = take
        self._root = root
        self._operations = operations
        self._targets = targets
        self._attrs = attrs
        self._target = target
        self._title = title
        self._names = names
        self._farewell = farewell
        self._clock = clock
        self._wall = wall
        self._pause = pause
        self._program = program
        self._reader = reader
        self._enabled = threading.Event()
        self._enabled.set()
        self._cost = KdamondCost(root, clock)
        self._running = ExitStack()
        """What is to be given back."""
        self._took = False
        self._without = ""

    def __enter__(self) -> Self:
        root = self._root
        if not damon_sysfs.supported(root):
            raise SourceError(
                f"cannot monitor {self._target} with DAMON",
                f"this kernel has no {root.path(damon_sysfs.ADMIN)}",
                f"what this machine can do: {self._program} doctor",
            )
        if root.read_only:
            raise SourceError(
                f"cannot monitor {self._target} with DAMON",
                "it would start a kdamond, and this session is read-only",
                "leave out --read-only and unset DAMONTUI_READ_ONLY to allow it",
            )
        if not root.writable(f"{damon_sysfs.ADMIN}/nr_kdamonds"):
            raise SourceError(
                f"cannot monitor {self._target} with DAMON",
                "only root may start a kdamond",
                f"run: sudo {self._program} {self._target}",
            )
        self._targets()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def describe(self) -> Description:
        """See `Source`."""
        limits = [f"regions come from tried_regions: {self._without}"] if self._without else []
        return Description(
            target=self._target,
            title=self._title,
            origin="kernel",
            attrs=self._attrs,
            host=procfs.hostname(self._root),
            kernel=procfs.kernel_release(self._root),
            limits=tuple(limits),
        )

    @property
    def enabled(self) -> bool:
        """Whether monitoring is switched on."""
        return self._enabled.is_set()

    @enabled.setter
    def enabled(self, on: bool) -> None:
        if on:
            self._enabled.set()
        else:
            self._enabled.clear()

    def overhead(self) -> float:
        """CPU seconds of the kdamond."""
        return self._cost.seconds()

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """See `Source`. Starts the kdamond; it is taken away when the iteration ends, however it ends.

        Raises:
            SourceError: somebody holds DAMON (``offer`` is "take" where that is DAMON_STAT), or the kernel refuses.
        """
        if not self._enabled.is_set():
            yield self._status("off", "monitoring is off")
            return
        with ExitStack() as running:
            self._running = running
            yield from self._pay_old_debt()
            trace = self._open_trace(running)
            targets = self._targets()
            kdamond = self._start(running, targets, trace is None)
            if trace is None:
                yield from self._polled(stop, kdamond)
            else:
                trace.only(kdamond.pid)
                yield from self._traced(stop, kdamond, trace, len(targets))
        if not self._enabled.is_set():
            yield self._status("off", "monitoring is off")

    # Starting and giving back

    def _pay_old_debt(self) -> Iterator[Event]:
        """Take away what a killed run of this program left; its kdamond only where it is still the same one."""
        old = debt.left(self._root)
        if old is None:
            return
        said = "an earlier run was killed"
        for kdamond in damon_sysfs.survey(self._root, self._pause):
            if old.kdamond > 0 and kdamond.pid == old.kdamond:
                self._root.write(f"{damon_sysfs.ADMIN}/{kdamond.index}/state", "off")
                damon_sysfs.patiently(lambda: self._root.write(f"{damon_sysfs.ADMIN}/nr_kdamonds", "0"), self._pause)
                said += "; the kdamond that it left was taken away"
        if old.stat and not self._stat().state().on:
            # it is off now as we need it: what that run took, this one gives back
            self._took = True
            self._running.callback(self._give_back)
            debt.note(self._root, debt.ours(self._root, stat=True))
            said += "; DAMON_STAT, which it had switched off, is given back at the end"
        else:
            debt.forget(self._root)
        yield self._status("waiting", said)

    def _stat(self) -> DamonStat:
        return DamonStat(self._root, program=self._program, pause=self._pause)

    def _open_trace(self, running: ExitStack) -> Trace | None:
        try:
            trace = running.enter_context(Trace(self._root, pause=self._pause))
        except SourceError as error:
            self._without = str(error)
            return None
        self._without = ""
        return trace

    def _start(self, running: ExitStack, targets: tuple[SysfsTarget, ...], tried_regions: bool) -> Kdamond:
        kdamond = Kdamond(
            self._root, self._operations, targets, self._attrs, tried_regions=tried_regions, pause=self._pause
        )
        try:
            kdamond.start()
        except KernelError as error:
            if error.errno != errno.EBUSY:
                raise self._refused(error) from error
            self._take_stat(running)
            kdamond.start()
        running.callback(self._take_away, kdamond)
        self._note(kdamond)
        self._cost.follow(kdamond.pid)
        return kdamond

    def _refused(self, error: KernelError) -> SourceError:
        if error.errno == errno.EINVAL and self._operations == "vaddr":
            return SourceError(f"cannot monitor {self._target} with DAMON", "the kernel finds no such process")
        return error

    def _take_stat(self, running: ExitStack) -> None:
        """Switch DAMON_STAT off for the time being. Raises `SourceError` where it is not that, or not allowed."""
        stat = self._stat()
        what = f"cannot monitor {self._target} with DAMON"
        state = stat.state() if stat.present() else None
        if state is None or not state.on:
            held = " and ".join(stat.holders()) or "another kdamond, which this /proc does not show"
            raise SourceError(what, f"DAMON is held by {held}", "stop it first")
        if not self.take:
            who = f"DAMON_STAT (kdamond {state.pid})" if state.pid else "DAMON_STAT"
            raise SourceError(
                what,
                f"DAMON is held by {who}",
                f"to switch it off meanwhile and on again at the end: sudo {self._program} {self._target} --take",
                offer="take",
            )
        debt.note(self._root, debt.ours(self._root, stat=True))
        self._took = True
        running.callback(self._give_back)
        stat.switch(False)

    def _take_away(self, kdamond: Kdamond) -> None:
        self._cost.follow(None)
        kdamond.stop()
        if not self._took:
            debt.forget(self._root)

    def _note(self, kdamond: Kdamond) -> None:
        debt.note(self._root, debt.ours(self._root, kdamond=kdamond.pid, stat=self._took))

    def _give_back(self) -> None:
        stat = self._stat()
        if stat.present() and not stat.state().on:
            stat.switch(True)
        self._took = False
        debt.forget(self._root)

    # Regions through the tracepoint

    def _traced(self, stop: threading.Event, kdamond: Kdamond, trace: Trace, targets: int) -> Iterator[Event]:
        parser = TraceParser(targets=targets)
        run = _Run(self, kdamond)
        yield self._waiting(kdamond.attrs)
        checked = heard = self._clock()
        while not stop.is_set() and self._enabled.is_set():
            data = trace.read()
            now = self._clock()
            whole = parser.feed(data) if data else []
            if data:
                heard = now
            elif parser.pending and now - heard >= _SILENCE_S:
                whole = parser.flush()
            for traced in whole:
                if traced.pid == kdamond.pid:
                    if not traced.complete:
                        trace.enlarge()
                    yield run.snapshot(traced)
            if now - checked >= _CHECK_S:
                checked = now
                if not kdamond.running():
                    yield self._status("gone", self._farewell())
                    return
                if self._follow(kdamond):
                    trace.only(kdamond.pid)
                    parser = TraceParser(targets=len(kdamond.targets))
                    run = _Run(self, kdamond)
            if not data:
                stop.wait(_PAUSE_S)

    def _follow(self, kdamond: Kdamond) -> bool:
        """Keep the kdamond's targets what they are now; True where that changed them."""
        targets = self._targets()
        if targets == kdamond.targets or not targets:
            return False  # all gone: the kdamond ends by itself, and is seen to
        if targets[: len(kdamond.targets)] == kdamond.targets:
            kdamond.commit(kdamond.attrs, targets)
        else:
            # targets go by their index: one that went away would leave its regions to the next in line
            kdamond.stop()
            kdamond.targets = targets
            kdamond.start()
            self._cost.follow(kdamond.pid)
            self._note(kdamond)
        return True

    # Regions through tried_regions

    def _polled(self, stop: threading.Event, kdamond: Kdamond) -> Iterator[Event]:
        yield self._waiting(kdamond.attrs)
        with self._reader() as pool:
            began = self._clock()
            due = began + kdamond.attrs.aggr_us / 1e6
            while not stop.is_set() and self._enabled.is_set():
                if self._clock() < due:
                    stop.wait(min(_PAUSE_S, due - self._clock()))
                    continue
                reading = pool.submit(self._read, kdamond)
                while not reading.done() and not stop.is_set() and self._enabled.is_set():
                    stop.wait(_PAUSE_S)
                if not reading.done():
                    break  # leaving the pool waits for it: at most a sampling interval
                snapshot = self._result(reading, kdamond, began)
                if snapshot is None:
                    yield self._status("gone", self._farewell())
                    return
                yield snapshot
                self._follow(kdamond)
                began = snapshot.time
                due = began + max(_LEAST_S, snapshot.next_attrs.aggr_us / 1e6)

    def _read(self, kdamond: Kdamond) -> tuple[Attrs, tuple[Ints, Ints, Ints, Ints]]:
        attrs = kdamond.tuned() if kdamond.kernel_tunes else kdamond.attrs
        return attrs, kdamond.regions()

    def _result(
        self, reading: Future[tuple[Attrs, tuple[Ints, Ints, Ints, Ints]]], kdamond: Kdamond, began: float
    ) -> Snapshot | None:
        """The snapshot of one reading; None where the kdamond has ended."""
        try:
            attrs, (start, end, nr_accesses, age) = reading.result()
        except SourceError:
            if not kdamond.running():
                return None
            raise
        # the interface does not say where a target ends: within one, addresses rise
        target = np.concatenate([ints([0]), np.cumsum(start[1:] < end[:-1])])[: len(start)].astype(np.int64)
        now = self._clock()
        return Snapshot(
            time=now,
            began=began,
            wall=self._wall(),
            attrs=attrs,
            start=start,
            end=end,
            nr_accesses=nr_accesses,
            age=age,
            target=target,
            origin="kernel",
            next_attrs=attrs,
            targets=_identifiers(kdamond.targets, int(target.max(initial=0)) + 1),
            names=self._names(start, end, target) if self._names is not None else (),
            cpu=self._cost.share(),
            note=f"counts are the kernel's moving sums, from tried_regions: {self._without}",
        )

    # Words

    def _status(self, state: State, text: str, due: float | None = None) -> Status:
        return Status(state=state, text=text, time=self._clock(), wall=self._wall(), due=due)

    def _waiting(self, attrs: Attrs) -> Status:
        seconds = attrs.aggr_us / 1e6
        return self._status("waiting", f"first aggregation, at most {seconds:.3g} s", self._clock() + seconds)


class _Run:
    """From a start (or a change of targets) on: what is known of the intervals, and our own tuning."""

    def __init__(self, source: KdamondSource, kdamond: Kdamond) -> None:
        self._source = source
        self._kdamond = kdamond
        self._attrs = kdamond.attrs
        self._last: float | None = None
        self._since_tuning = 0

    def snapshot(self, traced: TracedAggregation) -> Snapshot:
        """The snapshot of a traced aggregation; where this kernel cannot tune, tunes."""
        source, kdamond = self._source, self._kdamond
        attrs, age = self._attrs, traced.age
        following = attrs
        goal = attrs.goal
        self._since_tuning += 1
        if traced.tuned and traced.next_sample_us is not None:
            following = attrs.with_sample(traced.next_sample_us)
        elif goal is not None and not kdamond.kernel_tunes and self._since_tuning >= goal.aggrs and traced.complete:
            following = tuned(attrs, traced.end - traced.start, traced.nr_accesses)
            self._since_tuning = 0
            if following != attrs:
                kdamond.commit(following)
                age = converted_ages(age, attrs.aggr_us, following.aggr_us)
        if traced.tuned:
            self._since_tuning = 0
        now = source._clock()
        began = traced.time - attrs.aggr_us / 1e6
        if self._last is not None and traced.time - self._last < 1.5 * attrs.aggr_us / 1e6:
            began = self._last
        self._last = traced.time
        self._attrs = following
        lost = f"{traced.lost} events lost, so regions are missing" if not traced.complete else ""
        return Snapshot(
            time=traced.time,
            began=began,
            wall=source._wall() - (now - traced.time),
            attrs=attrs,
            start=traced.start,
            end=traced.end,
            nr_accesses=traced.nr_accesses,
            age=age,
            target=traced.target,
            origin="kernel",
            next_attrs=following,
            targets=_identifiers(kdamond.targets, len(traced.targets)),
            names=source._names(traced.start, traced.end, traced.target) if source._names is not None else (),
            complete=traced.complete,
            lost=traced.lost,
            until_tuning=None if goal is None else goal.aggrs - self._since_tuning % goal.aggrs,
            cpu=source._cost.share(),
            note=lost,
        )


def _identifiers(targets: tuple[SysfsTarget, ...], count: int) -> tuple[int, ...]:
    """The PID of each target, or its index."""
    known = [t.pid if t.pid is not None else index for index, t in enumerate(targets)]
    return tuple((known + list(range(len(known), count)))[:count])
