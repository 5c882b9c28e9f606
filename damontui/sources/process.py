"""Processes through ``/proc`` as a source: when to clear and when to read, within a budget of CPU time and pauses.

The accessed bits are cleared at the start, then when the pattern is found changed (at once where the budget has room
for it, 2 s after the former clear at the earliest, 10 s where it keeps changing the same way), and otherwise after
10, 20, 40, 60, 60 … s. Where what is seen is counted together in the end, all clears come at times that do not depend
on it (`damontui.operations.curve`). They are read 0.08 and 0.25 s after a clear where the budget has room for it, and
for each snapshot: once a second, or as seldom as the budget demands (`damontui.sources.spending`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from damontui import units
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Event, State, Status
from damontui.errors import SourceError, UsageError
from damontui.kernel import process_files as files
from damontui.kernel import procfs, watch_lock
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root
from damontui.kernel.watch_lock import WatchLock
from damontui.operations.counted import Moment, One, snapshots
from damontui.operations.process import DENSE_S, LIMITS
from damontui.operations.processes import Missing, Processes
from damontui.operations.refusals import identify
from damontui.sources.live import Live, until_stopped
from damontui.sources.spending import Budget, Plan

BUDGET = 0.02
"""Share of one CPU that observing may take."""
MAX_PAUSE = 0.02
"""Seconds that clearing the bits may hold a process up."""
WINDOW = 120.0
"""Longest time that the working set is told for, seconds."""

DEFAULTS = Attrs(sample_us=50_000, aggr_us=1_000_000, update_us=1_000_000, goal=None)
"""A snapshot a second; its sampling interval only says how fine ``nr_accesses`` is, in steps of 5 %."""

_EARLY_S = 2.0
"""Seconds for which a clear is put off, at most, to have CPU time left for a reading soon after it."""
_LOOKS = 8
"""Clears in the time that is watched for one result: each is a look at a random moment."""
_LEAST_EPOCH_S = 10.0
_STEP = 1.25
"""The distance of snapshots is changed where it is wrong by this factor or more."""


def parse_pids(word: str) -> tuple[int, ...]:
    """The PIDs in ``1234`` or ``1234,1250``. Raises `UsageError`."""
    parts = word.split(",")
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 1 << 22 for part in parts):
        raise UsageError(
            f"target: {word!r} is not a process; write its number (PID, 1 … {(1 << 22) - 1}), several with commas"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))


class ProcessSource(Live):
    """One or several processes without DAMON and, for one's own, without root; a `Source`.

    Args:
        root: where /proc is.
        pids: the processes.
        attrs: the attributes asked for; snapshots are an aggregation interval apart, or more.
        budget: share of one CPU that observing may take.
        max_pause: seconds that clearing the accessed bits may hold a process up, as far as can be predicted.
        window: the longest time that the working set is told for, seconds.
        lasts: seconds that will be watched in all, for one result; None where watching has no set end.
        children: whether children are followed as they come and go.
        around: gives the processes that belong to these, these included; their descendants where not given.
        title: what the title bar calls it; made from the processes where empty.
        target: the word on the command line that leads here; the PIDs where empty.
        program: how to start this program, for remedies to copy.
        enabled: the switch at the start.
        reason: why this target, where nobody named it.
        locks: the folder for locks against a second watcher; None: the runtime folder on this machine's own /proc,
            and no locks below another root.
        clock: seconds, monotonic.
        wall: seconds since 1970.
        cpu_clock: CPU seconds of the calling thread.
        wait: waits for the event or so many seconds (at most 0.1); a test moves its clock here.
    """

    def __init__(
        self,
        root: Root,
        pids: Sequence[int],
        attrs: Attrs = DEFAULTS,
        *,
        budget: float = BUDGET,
        max_pause: float = MAX_PAUSE,
        window: float = WINDOW,
        lasts: float | None = None,
        children: bool = False,
        around: files.Around = files.descendants,
        title: str = "",
        target: str = "",
        program: str = "damontui",
        enabled: bool = True,
        reason: str = "",
        locks: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        cpu_clock: Callable[[], float] = READERS.thread_time,
        wait: Callable[[threading.Event, float], object] = until_stopped,
    ) -> None:
        super().__init__(enabled=enabled, clock=clock, wall=wall, cpu_clock=cpu_clock, wait=wait)
        self._root = root
        self._pids = tuple(pids)
        self._who: tuple[files.Stat, ...] = ()
        # nothing is tuned: the budget alone makes the distance of snapshots longer
        self._wanted = replace(attrs, goal=None)
        self._budget_share = Budget(budget).share
        self._max_pause = max_pause
        self._window = window
        self._every = None if lasts is None else max(_LEAST_EPOCH_S, lasts / _LOOKS)
        self._children = children
        self._around = around
        self._called = title
        self._program = program
        if locks is None and root.folder == Path("/"):
            locks = watch_lock.folder()
        self._locks = locks
        self.each: tuple[One, ...] = ()
        """Each process in the last snapshot, with a snapshot of its own; may be read from any thread."""
        self.missing: tuple[Missing, ...] = ()
        """Processes that belong to the target and are not in the last snapshot, and why; may be read from any
        thread."""
        self._description = Description(
            target=target or ",".join(map(str, self._pids)),
            title=self._title(),
            origin="process",
            attrs=self._wanted,
            host=procfs.hostname(root),
            kernel=procfs.kernel_release(root),
            reason=reason,
            limits=LIMITS,
        )

    def __enter__(self) -> Self:
        """Find out who the processes are, and whether they can be watched. Raises `SourceError`."""
        self._who = tuple(identify(self._root, pid, self._program) for pid in self._pids)
        self._processes().close()
        self._description = replace(self._description, title=self._title())
        return self

    @property
    def several(self) -> bool:
        """Whether more than one process was asked for, by their numbers or with children."""
        return self._children or len(self._pids) > 1

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """See `Source`. Ends within 0.1 s of the switch going off, at once when ``stop`` is set."""
        yield from self._events(stop)

    # -- what a subclass may override

    def open(self) -> Processes:
        """Find the processes; nothing is cleared yet. Raises `SourceError`."""
        if not self._who:
            self._who = tuple(identify(self._root, pid, self._program) for pid in self._pids)
        for who in self._who:
            now = files.stat(self._root, who.pid)
            if len(self._who) == 1 and (now is None or now.ended or now.started != who.started):
                why = "it has ended"
                if now is not None and not now.ended:
                    why = f"it has ended, and its number is another process's ({now.comm}) now"
                raise SourceError(f"cannot watch process {who.pid} ({who.comm})", why, "choose another target")
        return self._processes()

    def begin(self, processes: Processes) -> None:
        """Clear the bits for the first time. Raises `SourceError`."""
        processes.clear()

    def valid(self, processes: Processes) -> bool:
        """Whether there is something left to watch."""
        return processes.valid()

    def gone(self) -> tuple[State, str]:
        """Who ended and when."""
        at = time.strftime("%H:%M:%S", time.localtime(self._wall()))
        return "gone", f"{self._title()} ended at {at}"

    # -- the schedule

    def _start(self, stop: threading.Event, start: int) -> Iterator[Event]:
        plan = Plan(self._budget_share)
        self._spent.clear()
        self.missing = ()
        entered = self._clock()
        plan.budget.pass_to(entered)
        self._mark = self._cpu_clock()
        processes = self.open()
        locks = [WatchLock(self._locks, who) for who in self._who] if self._locks is not None else []
        try:
            plan.foresee(processes)
            self._settle(plan)
            if not self.valid(processes):
                yield self._status(*self.gone())
                return
            yield self._status("waiting", f"first look, {self._in(plan)}")
            self._mark = self._cpu_clock()
            if not self._wait_until(self._clock() + plan.budget.wait(plan.clearing.seconds), stop, start):
                return
            self._settle(plan)
            self.begin(processes)
            plan.cleared(self._settle(plan), processes)
            every, now = self._wanted.aggr_us / 1e6, self._clock()
            # where the first clear had to wait for long, what it shows need not
            due = max(now + DENSE_S[-1], min(now + every, entered + 2 * every))
            yield from self._look(processes, locks, plan, due, stop, start)
        finally:
            processes.close()
            for lock in locks:
                lock.close()

    def _look(
        self, processes: Processes, locks: list[WatchLock], plan: Plan, due: float, stop: threading.Event, start: int
    ) -> Iterator[Event]:
        """One snapshot after another, from the first clear to the end."""
        attrs, sure, began, late = self._wanted, False, self._clock(), 0
        while True:
            self._share()
            if not self._dense(processes, plan, due, stop, start):
                return
            wanting = processes.wanting()
            self._settle(plan)
            due = max(due, self._clock() + self._until(processes, plan, wanting=bool(wanting)))
            if not self._wait_until(due, stop, start):
                return
            late += int(max(0.0, self._clock() - due) * 1e6 // attrs.aggr_us)
            self._settle(plan)
            whole = processes.read()
            now = self._clock()
            if not self.valid(processes):
                yield self._status(*self.gone())
                return
            attrs = self._attrs(attrs if sure else self._wanted, plan.distance(glance=processes.glance))
            sure = plan.measured
            note = "; ".join(self._notes(processes, locks, attrs, plan))
            moment = Moment(now, began, self._wall(), attrs, late, self._share(), note, processes.longest_pause)
            found, self.each = snapshots(list(processes.watched.values()), self._window, attrs.max_regions, moment)
            self.missing = self._missing(processes)
            spent = self._settle(plan)
            self._clear(processes, plan, wanting or self._changed(processes, plan))
            processes.update()
            plan.read(spent + self._settle(plan), whole=whole)
            processes.clear()  # those that have just come
            self._settle(plan)
            began, due = now, max(due, now - 0.5 * attrs.aggr_us / 1e6) + self._wanted.aggr_us / 1e6
            if len(found):
                yield found
                self._mark = self._cpu_clock()  # what others did with it is not ours
            if not self.valid(processes):
                yield self._status(*self.gone())
                return

    def _until(self, processes: Processes, plan: Plan, *, wanting: bool) -> float:
        """Seconds from now until the next snapshot may be made, with a clear after it where one is wanted."""
        reading = plan.reading(glance=processes.glance)
        if not wanting:
            return plan.budget.wait(reading, plan.aside if plan.measured else 0.0)
        cost = reading + plan.clearing.seconds
        # and for the first look after it, which says most of what is hot, unless that takes too long
        return plan.budget.wait(cost + (reading if cost <= _EARLY_S * plan.budget.share else 0.0))

    def _changed(self, processes: Processes, plan: Plan) -> list[int]:
        """PIDs whose pattern just changed, where there is CPU time for a clear now and a reading soon after it."""
        wanting = processes.wanting()
        after = plan.reading(glance=False)
        within = self._wanted.aggr_us / 1e6
        return wanting if wanting and plan.budget.affords(plan.clearing.seconds, after, within) else []

    def _clear(self, processes: Processes, plan: Plan, wanting: list[int]) -> None:
        if wanting:
            processes.clear(wanting)
            plan.cleared(self._settle(plan), processes)

    def _dense(self, processes: Processes, plan: Plan, due: float, stop: threading.Event, start: int) -> bool:
        """Readings soon after a clear, as far as that puts off no snapshot; False where monitoring ends."""
        while True:
            soon = min(((one.dense[0], one.pid) for one in processes.watched.values() if one.dense), default=None)
            if soon is None or soon[0] >= due:
                return True
            if not self._wait_until(soon[0], stop, start):
                return False
            process = processes.watched[soon[1]]
            process.dense = process.dense[1:]
            self._settle(plan)
            if plan.budget.affords(plan.early.seconds, plan.reading(glance=False), due - self._clock()):
                processes.read([process.pid])
                plan.early.measured(self._settle(plan))

    def _missing(self, processes: Processes) -> tuple[Missing, ...]:
        """Who is not watched, with the time of day where that is the end of it."""
        before = {(one.pid, one.started): one for one in self.missing}
        at = time.strftime("%H:%M:%S", time.localtime(self._wall()))
        return tuple(
            before.get((one.pid, one.started)) or replace(one, why=one.why or f"ended at {at}")
            for one in processes.absent()
        )

    def _attrs(self, now: Attrs, least: float) -> Attrs:
        """The wanted attributes with snapshots at least ``least`` seconds apart, as costs demand."""
        wanted = self._wanted.aggr_us / 1e6
        every = max(wanted, least)
        if every < wanted * 1.05:
            return self._wanted
        if now.aggr_us / _STEP <= every * 1e6 <= now.aggr_us * _STEP and now != self._wanted:
            return now
        samples = self._wanted.aggr_samples
        sample = max(1, round(every * 1e6 / samples))
        return replace(self._wanted, sample_us=sample, aggr_us=sample * samples, aggr_samples=samples)

    def _notes(self, processes: Processes, locks: list[WatchLock], attrs: Attrs, plan: Plan) -> list[str]:
        notes = []
        if any(lock.taken for lock in locks):
            notes.append(
                "another run of this program watches the process, too: each clears what the other counts, "
                "and numbers are too low; end one of them"
            )
        notes += processes.missing()
        every, wanted = units.duration(attrs.aggr_us / 1e6), units.duration(self._wanted.aggr_us / 1e6)
        if every != wanted and plan.measured:
            cost = units.duration(plan.reading(glance=processes.glance))
            notes.append(
                f"readings slowed to one in {every} by the {self._budget_share * 100:g} % CPU budget: "
                f"each costs {cost} of CPU time; a larger --budget reads more often"
            )
        return notes

    def _in(self, plan: Plan) -> str:
        clearing = plan.clearing.seconds
        least = plan.budget.wait(clearing + plan.reading(glance=False))
        return f"in about {units.duration(max(self._wanted.aggr_us / 1e6, least))}"

    def _processes(self) -> Processes:
        return Processes(
            self._root,
            self._who,
            window=self._window,
            every=self._every,
            max_pause=self._max_pause,
            children=self._children,
            around=self._around,
            clock=self._clock,
            cpu_clock=self._cpu_clock,
            program=self._program,
        )

    def _status(self, state: State, text: str, due: float | None = None) -> Status:
        return Status(state, text, self._clock(), self._wall(), due)

    def _settle(self, plan: Plan) -> float:
        """Charge the CPU time of this thread since the last call to the budget; CPU seconds."""
        spent = self._charge()
        plan.budget.pass_to(self._clock())
        plan.budget.spend(spent)
        return spent

    def _title(self) -> str:
        if self._called:
            return self._called
        found = {who.pid: who for who in self._who}
        parts = []
        for pid in self._pids:
            who = found.get(pid) or files.stat(self._root, pid)
            parts.append(f"{pid} ({who.comm})" if who is not None else str(pid))
        word = "process" if len(parts) == 1 else "processes"
        return f"{word} {', '.join(parts)}" + (" with children" if self._children else "")
