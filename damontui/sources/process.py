"""Processes through ``/proc`` as a source: when to clear and when to read, within a budget of CPU time and pauses.

The accessed bits are cleared at the start, then soon after the pattern has changed (2 s at the earliest, 10 s where it
keeps changing the same way), and otherwise after 10, 20, 40, 60, 60 … s. They are read 0.08 and 0.25 s after a clear
where the budget has room for it, and for each snapshot: once a second, or as seldom as the budget demands.
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
from damontui.operations.process import LIMITS, Processes, identify
from damontui.sources.live import Live, until_stopped

BUDGET = 0.02
"""Share of one CPU that observing may take."""
MAX_PAUSE = 0.02
"""Seconds that clearing the bits may hold a process up."""
WINDOW = 120.0
"""Longest time that the working set is told for, seconds."""

DEFAULTS = Attrs(sample_us=50_000, aggr_us=1_000_000, update_us=1_000_000, goal=None)
"""A snapshot a second; its sampling interval only says how fine ``nr_accesses`` is, in steps of 5 %."""

_BANK_S = 1.0
"""CPU time that was not needed is kept for this long: a whole second at the budget's share."""
_FIXED_S = 0.003
"""CPU time that a first reading may take, beside what grows with the resident memory."""
_EARLY_S = 2.0
"""A clear is not put off for longer than this in order to have CPU time left for a reading soon after it."""
_STEP = 1.25
"""The distance of snapshots is set anew where it is so many times off."""


def parse_pids(word: str) -> tuple[int, ...]:
    """The PIDs in ``1234`` or ``1234,1250``. Raises `UsageError`."""
    parts = word.split(",")
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 1 << 22 for part in parts):
        raise UsageError(
            f"target: {word!r} is not a process; write its number (PID, 1 … {(1 << 22) - 1}), several with commas"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))


class Budget:
    """CPU time that may be spent: it comes in at a share of one CPU.

    The first second's worth is there from the beginning, and nothing comes in during that second: at any time after it,
    no more was spent than the share of the time so far, as long as who spends waits first, and its costs are foreseen.
    What is not needed is kept for a second, or until there is enough for what is waited for.

    Args:
        share: of one CPU, over 0, at most 1.

    Raises:
        UsageError: for a share that is none.
    """

    def __init__(self, share: float) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"--budget: {share * 100:g} % of one CPU is not over 0 % and at most 100 %")
        self.share = share
        self.left = share * _BANK_S
        """CPU seconds; negative after something that cost more than was foreseen."""
        self._kept = share * _BANK_S
        self._now = 0.0
        self._from: float | None = None
        """Until when all has come in, or when that begins."""

    def pass_to(self, now: float) -> None:
        """Time has passed; the first call begins the first second."""
        self._now = now
        if self._from is None:
            self._from = now + _BANK_S
        elif now > self._from:
            # what was saved up is there to be spent, however much that is
            self.left = max(self.left, min(self._kept, self.left + (now - self._from) * self.share))
            self._from = now

    def spend(self, seconds: float) -> None:
        """CPU seconds were spent."""
        self.left -= seconds
        self._kept = self.share * _BANK_S

    def wait(self, cost: float) -> float:
        """Seconds from the last `pass_to` until so many CPU seconds may be spent."""
        self._kept = max(self._kept, cost)
        lacking = cost - self.left
        if lacking <= 0:
            return 0.0
        return lacking / self.share + max(0.0, (self._from or 0.0) - self._now)


class Cost:
    """What one of several like actions costs: a mean that rises faster than it falls, CPU seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._known = False

    def guess(self, seconds: float) -> None:
        """What one may cost, until the first is measured."""
        self.seconds = seconds

    def measured(self, seconds: float) -> None:
        """Take in what one has cost."""
        weight = 1 if not self._known else 4 if seconds < self.seconds else 2
        self._known = True
        self.seconds += (seconds - self.seconds) / weight


class ProcessSource(Live):
    """One or several processes without DAMON and, for one's own, without root; a `Source`.

    Args:
        root: where /proc is.
        pids: the processes.
        attrs: as asked for: the distance of two snapshots is the aggregation interval, or longer.
        budget: share of one CPU that observing may take.
        max_pause: seconds that clearing the accessed bits may hold a process up, as far as can be predicted.
        window: the longest time that the working set is told for, seconds.
        children: whether children are followed as they come and go.
        around: the processes that belong to those given, they among them; their children, where it is not said.
        title: for the title bar; who the processes are, where left out.
        target: the word on the command line that leads here; the PIDs where left out.
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
        self._children = children
        self._around = around
        self._called = title
        self._program = program
        if locks is None and root.folder == Path("/"):
            locks = watch_lock.folder()
        self._locks = locks
        self.each: tuple[One, ...] = ()
        """The processes that the last snapshot is of, each with its own; may be read from any thread."""
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

    # -- what a subclass may want to know or do

    def open(self) -> Processes:
        """Look who is there; nothing is cleared yet. Raises `SourceError`."""
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
        budget, reading, clearing = Budget(self._budget_share), Cost(), Cost()
        self._spent.clear()
        budget.pass_to(self._clock())
        self._mark = self._cpu_clock()
        processes = self.open()
        locks = [WatchLock(self._locks, who) for who in self._who] if self._locks is not None else []
        try:
            self._settle(budget)
            # the first clear is foreseen from the resident bytes, the first reading from the clear
            clearing.guess(processes.predicted_pauses())
            reading.guess(2 * clearing.seconds + _FIXED_S)
            if not self.valid(processes):
                yield self._status(*self.gone())
                return
            yield self._status("waiting", f"first look, {self._in(budget, clearing, reading)}")
            self._mark = self._cpu_clock()
            if not self._wait_until(self._clock() + budget.wait(clearing.seconds), stop, start):
                return
            self._settle(budget)
            self.begin(processes)
            clearing.measured(self._settle(budget))
            reading.guess(2 * clearing.seconds + _FIXED_S)
            began = self._clock()
            attrs, due, late = self._wanted, began + self._wanted.aggr_us / 1e6, 0
            while True:
                self._share()
                if not self._dense(processes, budget, reading, due, stop, start):
                    return
                wanting = processes.wanting()
                self._settle(budget)
                cost = reading.seconds
                if wanting:
                    # and for the first look after it, which says most of what is hot, unless that takes too long
                    early = cost + clearing.seconds <= _EARLY_S * budget.share
                    cost += clearing.seconds + (reading.seconds if early else 0.0)
                due = max(due, self._clock() + budget.wait(cost))
                if not self._wait_until(due, stop, start):
                    return
                late += int(max(0.0, self._clock() - due) * 1e6 // attrs.aggr_us)
                self._settle(budget)
                processes.read()
                now = self._clock()
                if not self.valid(processes):
                    yield self._status(*self.gone())
                    return
                attrs = self._attrs(attrs, reading.seconds / budget.share)
                note = "; ".join(self._notes(processes, locks, attrs, reading))
                moment = Moment(now, began, self._wall(), attrs, late, self._share(), note, processes.longest_pause)
                watched = list(processes.watched.values())
                found, self.each = snapshots(watched, self._window, attrs.max_regions, moment)
                spent = self._settle(budget)
                if wanting:
                    processes.clear(wanting)
                    clearing.measured(self._settle(budget))
                processes.update()
                reading.measured(spent + self._settle(budget))
                processes.clear()  # those that have just come
                self._settle(budget)
                began, due = now, max(due, now - 0.5 * attrs.aggr_us / 1e6) + self._wanted.aggr_us / 1e6
                if len(found):
                    yield found
                    self._mark = self._cpu_clock()  # what others did with it is not ours
                if not self.valid(processes):
                    yield self._status(*self.gone())
                    return
        finally:
            processes.close()
            for lock in locks:
                lock.close()

    def _dense(
        self, processes: Processes, budget: Budget, reading: Cost, due: float, stop: threading.Event, start: int
    ) -> bool:
        """Readings soon after a clear, as far as there is CPU time to spare; False where monitoring ends."""
        while True:
            soon = min(((one.dense[0], one.pid) for one in processes.watched.values() if one.dense), default=None)
            if soon is None or soon[0] >= due:
                return True
            if not self._wait_until(soon[0], stop, start):
                return False
            process = processes.watched[soon[1]]
            process.dense = process.dense[1:]
            self._settle(budget)
            if budget.wait(reading.seconds) <= 0:
                processes.read([process.pid])
                self._settle(budget)

    def _attrs(self, now: Attrs, least: float) -> Attrs:
        """The wanted attributes, with the distance of snapshots that costs allow, seconds."""
        wanted = self._wanted.aggr_us / 1e6
        every = max(wanted, least)
        if every < wanted * 1.05:
            return self._wanted
        if now.aggr_us / _STEP <= every * 1e6 <= now.aggr_us * _STEP and now != self._wanted:
            return now
        samples = self._wanted.aggr_samples
        sample = max(1, round(every * 1e6 / samples))
        return replace(self._wanted, sample_us=sample, aggr_us=sample * samples, aggr_samples=samples)

    def _notes(self, processes: Processes, locks: list[WatchLock], attrs: Attrs, reading: Cost) -> list[str]:
        notes = []
        if any(lock.taken for lock in locks):
            notes.append(
                "another run of this program watches the process, too: each clears what the other counts, "
                "and numbers are too low; end one of them"
            )
        notes += processes.missing()
        every, wanted = units.duration(attrs.aggr_us / 1e6), units.duration(self._wanted.aggr_us / 1e6)
        if every != wanted:
            notes.append(
                f"read every {every}, not {wanted}: one reading costs {units.duration(reading.seconds)} of CPU time "
                f"and the budget is {units.share(self._budget_share)} of one CPU; a larger --budget reads more often"
            )
        return notes

    def _in(self, budget: Budget, clearing: Cost, reading: Cost) -> str:
        least = budget.wait(clearing.seconds) + self._wanted.aggr_us / 1e6
        return f"in about {units.duration(max(least, budget.wait(clearing.seconds + reading.seconds)))}"

    def _processes(self) -> Processes:
        return Processes(
            self._root,
            self._who,
            window=self._window,
            max_pause=self._max_pause,
            children=self._children,
            around=self._around,
            clock=self._clock,
            cpu_clock=self._cpu_clock,
            program=self._program,
        )

    def _status(self, state: State, text: str, due: float | None = None) -> Status:
        return Status(state, text, self._clock(), self._wall(), due)

    def _settle(self, budget: Budget) -> float:
        """Charge what this thread has computed since it was asked last; CPU seconds."""
        spent = self._charge()
        budget.pass_to(self._clock())
        budget.spend(spent)
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
