"""A kdamond of our own: physical memory or processes, through the tracepoint or, where that is hidden, sysfs.

It is started when the monitoring starts and taken away when it stops, whatever stops it. DAMON's modules are
exclusive: while DAMON_STAT runs no other kdamond can, so it may be switched off meanwhile (``take``), and is given
back at the end.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np

from damontui.damon.attrs import PAGE_SIZE, Attrs, IntervalsGoal
from damontui.damon.snapshot import Description, Event, Ints, Snapshot, ints
from damontui.damon.tuning import converted_ages, tuned
from damontui.errors import SourceError
from damontui.kernel import damon_sysfs, handback, process_files, procfs
from damontui.kernel.damon_stat import StatModule
from damontui.kernel.damon_sysfs import Kdamond, SysfsTarget
from damontui.kernel.root import KernelError, Root
from damontui.kernel.trace_parser import TracedAggregation
from damontui.kernel.tracefs import Trace
from damontui.kernel.zones import zones
from damontui.operations.refusals import identify
from damontui.sources.composition import Composition
from damontui.sources.intervals import IntervalTracker
from damontui.sources.residence import HIGHEST, Residence
from damontui.sources.traced import CHECK_S, PAUSE_S, KernelSource, Listener, Namer, TracedRun

_LEAST_S = 0.5  # between two readings of tried_regions


OWN = Attrs(min_regions=100, goal=IntervalsGoal(max_sample_us=500_000))
"""The attributes of a kdamond of ours where the user asked for no others. A region is a hundredth of memory at most and
an aggregation lasts 10 s at most, so that small memory in use is found at once, and idle times are known several times
as exactly as with DAMON_STAT's attributes. Each sampling interval costs a page check for each region."""


class OwnKdamond(KernelSource):
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
        enabled: whether monitoring starts at once.
        names: gives the names of what is mapped at regions, from arrays of start, end and target.
        memory: puts into a snapshot how much of its regions is memory.
        composition: puts into a snapshot what physical memory is made of; opened and closed with the source.
        farewell: gives the text for when the target is gone.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
        wall: seconds since 1970.
        pause: waits that many seconds.
        program: this program's command with its full path, for remedies.
        reader: makes the thread that reads tried_regions, which blocks in the kernel, so that a stop is obeyed
            meanwhile.
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
        enabled: bool = True,
        names: Namer | None = None,
        memory: Callable[[Snapshot], Snapshot] | None = None,
        composition: Composition | None = None,
        farewell: Callable[[], str] = lambda: "the target is gone",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
        program: str = "damontui",
        reader: Callable[[], Executor] = lambda: ThreadPoolExecutor(1, "tried-regions"),
    ) -> None:
        self.take = take
        super().__init__(root, target, title, clock=clock, wall=wall, pause=pause, program=program)
        self._operations = operations
        self._targets = targets
        self._attrs = attrs
        self._names = names
        self._memory = composition.of if composition is not None else memory
        self._composition = composition
        self._farewell = farewell
        self._reader = reader
        self._enabled = threading.Event()
        if enabled:
            self._enabled.set()
        self._running = ExitStack()
        """Gives back what the running kdamond took, the newest first."""
        self._took = False
        self._notice = ""
        self._born = 0.0
        """When the kdamond was started."""

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
        old = handback.pending(root)
        self._notice = "" if old is None else handback.words(old)
        self._targets()
        if self._composition is not None:
            self._composition.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._running.close()
        finally:
            if self._composition is not None:
                self._composition.close()

    def describe(self) -> Description:
        """See `Source`."""
        limits = [f"regions come from tried_regions: {self._without}"] if self._without else []
        if self._composition is not None and self._composition.reason:
            limits.append(self._composition.reason)
        return self._about(self._attrs, notice=self._notice, limits=tuple(limits))

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
            yield from self._give_back_old()
            running.callback(self._close_trace)
            self._try_trace()
            targets = self._targets()
            kdamond = self._start(running, targets, self._trace is None)
            if self._trace is None:
                yield from self._filled(self._polled(stop, kdamond))
            else:
                yield from self._filled(self._traced(stop, kdamond, self._trace, len(targets)))
        if not self._enabled.is_set():
            yield self._status("off", "monitoring is off")

    def _filled(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events, with `Snapshot.resident` and what else ``memory`` adds."""
        for event in events:
            yield self._memory(event) if self._memory is not None and isinstance(event, Snapshot) else event

    # Starting and giving back

    def _give_back_old(self) -> Iterator[Event]:
        """Take away what a killed run of this program left; its kdamond only where it is still the same one."""
        old = handback.pending(self._root)
        if old is None:
            return
        said = "an earlier run was killed"
        if handback.take_away_kdamond(self._root, old, self._pause):
            said += "; the kdamond that it left was taken away"
        if old.stat and not self._stat().state().on:
            # it is off now as we need it: what that run took, this one gives back
            self._took = True
            self._running.callback(self._give_back)
            handback.note(self._root, handback.ours(self._root, stat=True))
            said += "; DAMON_STAT, which it had switched off, is given back at the end"
        else:
            handback.done(self._root)
        yield self._status("waiting", said)

    def _stat(self) -> StatModule:
        return StatModule(self._root, program=self._program, pause=self._pause)

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
        self._born = self._clock()
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
        handback.note(self._root, handback.ours(self._root, stat=True))
        self._took = True
        running.callback(self._give_back)
        stat.switch(False)

    def _take_away(self, kdamond: Kdamond) -> None:
        self._cost.follow(None)
        kdamond.stop()
        if not self._took:
            handback.done(self._root)

    def _note(self, kdamond: Kdamond) -> None:
        handback.note(self._root, handback.ours(self._root, kdamond=kdamond.pid, stat=self._took))

    def _give_back(self) -> None:
        stat = self._stat()
        if stat.present() and not stat.state().on:
            stat.switch(True)
        self._took = False
        handback.done(self._root)

    # Regions through the tracepoint

    def _traced(self, stop: threading.Event, kdamond: Kdamond, trace: Trace, targets: int) -> Iterator[Event]:
        trace.only(kdamond.pid)
        listener = Listener(self._read, self._clock, targets=targets)
        run = _TunedRun(self, kdamond)
        yield self._first(kdamond.attrs.aggr_us / 1e6)
        checked = self._clock()
        while not stop.is_set() and self._enabled.is_set():
            for traced in listener.look():
                if traced.pid == kdamond.pid:
                    yield from self._taken(run, traced)
            if self._clock() - checked >= CHECK_S:
                checked = self._clock()
                if not kdamond.running():
                    yield self._status("gone", self._farewell())
                    return
                if self._follow(kdamond):
                    trace.only(kdamond.pid)
                    listener = Listener(self._read, self._clock, targets=len(kdamond.targets))
                    run = _TunedRun(self, kdamond)
            if listener.quiet:
                stop.wait(PAUSE_S)

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
            self._born = self._clock()
            self._cost.follow(kdamond.pid)
            self._note(kdamond)
        return True

    # Regions through tried_regions

    def _polled(self, stop: threading.Event, kdamond: Kdamond) -> Iterator[Event]:
        yield self._first(kdamond.attrs.aggr_us / 1e6)
        with self._reader() as pool:
            began = self._clock()
            due = began + kdamond.attrs.aggr_us / 1e6
            while not stop.is_set() and self._enabled.is_set():
                if self._clock() < due:
                    stop.wait(min(PAUSE_S, due - self._clock()))
                    continue
                reading = pool.submit(self._read_tried, kdamond)
                while not reading.done() and not stop.is_set() and self._enabled.is_set():
                    stop.wait(PAUSE_S)
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

    def _read_tried(self, kdamond: Kdamond) -> tuple[Attrs, tuple[Ints, Ints, Ints, Ints]]:
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
        targets = _identifiers(kdamond.targets, int(target.max(initial=0)) + 1)
        note = f"counts are the kernel's moving sums, from tried_regions: {self._without}"
        regions = (start, end, nr_accesses, age, target)
        return _TunedRun(self, kdamond).made(now, began, attrs, regions, (note,), targets=targets)


class _TunedRun(TracedRun):
    """Tunes the intervals where this kernel cannot."""

    def __init__(self, source: OwnKdamond, kdamond: Kdamond) -> None:
        attrs, kernel_tunes = kdamond.attrs, kdamond.kernel_tunes
        super().__init__(
            IntervalTracker(attrs, attrs=attrs, sure=True, kernel_tunes=kernel_tunes, clock=source._clock),
            source._cost,
            clock=source._clock,
            wall=source._wall,
            born=source._born,
            whole=True,
            names=source._names,
            identifiers=lambda traced: _identifiers(kdamond.targets, len(traced.targets)),
        )
        self._kdamond = kdamond
        self.physical = source._operations == "paddr"
        self.tuned_here = attrs.goal is not None and not kernel_tunes
        self._since = 0

    def following(self, traced: TracedAggregation, attrs: Attrs) -> tuple[Attrs, Ints]:
        """The attributes in force from now on, and the regions' ages in aggregations of that length."""
        following, age = super().following(traced, attrs)
        goal = attrs.goal
        if goal is None or not self.tuned_here:
            return following, age
        self._since += 1
        if self._since < goal.aggrs or not traced.complete:
            return following, age
        self._since = 0
        following = tuned(attrs, traced.end - traced.start, traced.nr_accesses)
        if following != attrs:
            self._kdamond.commit(following)
            age = converted_ages(age, attrs.aggr_us, following.aggr_us)
        return following, age


def _identifiers(targets: tuple[SysfsTarget, ...], count: int) -> tuple[int, ...]:
    """The PID of each target, or its index."""
    known = [t.pid if t.pid is not None else index for index, t in enumerate(targets)]
    return tuple((known + list(range(len(known), count)))[:count])


def physical_memory(
    root: Root,
    attrs: Attrs,
    *,
    ranges: tuple[tuple[int, int], ...] = (),
    frames: float | None = None,
    **options: Any,
) -> OwnKdamond:
    """A source of physical memory: all System RAM, holes left out, or ``ranges`` in bytes.

    Args:
        root: where the kernel is.
        attrs: the attributes at the start.
        ranges: addresses to watch, in bytes; all System RAM where empty.
        frames: share of one CPU for looking at page frames; the usual one where None.
        options: what else `OwnKdamond` takes.

    Raises:
        SourceError: the memory's addresses cannot be read.
    """
    places = zones(root)

    def targets() -> tuple[SysfsTarget, ...]:
        # the kernel wants whole pages
        found = [(start & -PAGE_SIZE, end & -PAGE_SIZE) for start, end in ranges or procfs.system_ram(root)]
        return (SysfsTarget(ranges=tuple((start, end) for start, end in found if end > start)),)

    return OwnKdamond(
        root,
        "paddr",
        targets,
        attrs,
        title="physical memory",
        names=lambda start, end, target: places.names(start, end),
        composition=Composition(root, whole=not ranges, share=frames, clock=options.get("clock", time.monotonic)),
        **options,
    )


class _Processes:
    """The processes that a ``vaddr`` kdamond monitors, with what is mapped where.

    Args:
        root: where the kernel is.
        pids: the processes that the user asked for.
        children: whether their children are monitored too.
        around: gives the processes that belong to these, these included.
        program: this program's command, for remedies.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        root: Root,
        pids: tuple[int, ...],
        *,
        children: bool,
        around: process_files.Around = process_files.descendants,
        program: str,
        wall: Callable[[], float],
    ) -> None:
        self._around = around
        self._root = root
        self._pids = pids
        self._children = children
        self._program = program
        self._wall = wall
        self._known: dict[int, process_files.Stat] = {}
        self._current: tuple[int, ...] = ()
        self._maps: dict[int, tuple[Sequence[process_files.Mapping], tuple[str, ...]]] = {}

    def targets(self) -> tuple[SysfsTarget, ...]:
        """The processes alive now. Raises `SourceError` where one that was asked for was never there."""
        for pid in self._pids:
            if pid not in self._known:
                self._known[pid] = identify(self._root, pid, self._program)
        pids = list(self._pids)
        if self._children:
            pids += [p for p in self._around(self._root, pids) if p not in pids]
        alive = []
        for pid in pids:
            now = process_files.stat(self._root, pid)
            if now is None or now.ended:
                continue
            known = self._known.setdefault(pid, now)
            if known.started == now.started:  # else the PID was given to another process
                alive.append(pid)
        # those that are monitored already keep their places, since a kdamond's targets go by their index
        order = [p for p in self._current if p in alive] + [p for p in alive if p not in self._current]
        self._current = tuple(order)
        self._maps.clear()
        return tuple(SysfsTarget(pid=pid) for pid in order)

    def names(self, start: Ints, end: Ints, target: Ints) -> tuple[str, ...]:
        """What is mapped at each region."""
        found = [""] * len(start)
        for index, pid in enumerate(self._current):
            mine = np.flatnonzero(target == index)
            if not len(mine):
                continue
            try:
                if pid not in self._maps:
                    with process_files.ProcessFolder(self._root, pid) as folder:
                        mappings = [one for one in folder.maps() if one.end <= HIGHEST]
                    stacks = process_files.thread_stacks(self._root, pid)
                    self._maps[pid] = (mappings, process_files.names_of(mappings, stacks))
            except SourceError:
                continue  # it ended just now
            mappings_of, names = self._maps[pid]
            for place, name in zip(
                mine.tolist(), process_files.names_in(mappings_of, names, start[mine], end[mine]), strict=True
            ):
                found[place] = name
        return tuple(found)

    def farewell(self) -> str:
        """The text for when all have ended."""
        pid = self._pids[0]
        known = self._known.get(pid)
        name = f" ({known.comm})" if known is not None else ""
        clock = time.strftime("%H:%M:%S", time.localtime(self._wall()))
        return f"process {pid}{name} ended at {clock}"

    def title(self) -> str:
        """For the title bar."""
        found = process_files.stat(self._root, self._pids[0])
        name = f" {found.comm}" if found is not None else ""
        more = f" and {len(self._pids) - 1} more" if len(self._pids) > 1 else ""
        return f"process {self._pids[0]}{name}{more}"


def processes(
    root: Root,
    pids: tuple[int, ...],
    attrs: Attrs,
    *,
    children: bool = False,
    around: process_files.Around = process_files.descendants,
    title: str = "",
    program: str = "damontui",
    wall: Callable[[], float] = time.time,
    addition: Callable[[Snapshot], Snapshot] = lambda snapshot: snapshot,
    **options: Any,
) -> OwnKdamond:
    """A source of processes' virtual memory.

    Args:
        root: where the kernel is.
        pids: the processes.
        attrs: the attributes at the start.
        children: whether their children are monitored too.
        around: gives the processes that belong to these, these included; their descendants where not given.
        title: what the title bar calls it; made from the processes where empty.
        program: this program's command, for remedies.
        wall: seconds since 1970.
        addition: gives each snapshot with what is known beside its regions.
        options: what else `OwnKdamond` takes.
    """
    watched = _Processes(root, pids, children=children, around=around, program=program, wall=wall)
    residence = Residence(root, watched.names, clock=options.get("clock", time.monotonic))
    return OwnKdamond(
        root,
        "vaddr",
        watched.targets,
        attrs,
        title=title or watched.title(),
        memory=lambda snapshot: addition(residence.fill(snapshot)),  # which names what it cuts
        farewell=watched.farewell,
        program=program,
        wall=wall,
        **options,
    )
