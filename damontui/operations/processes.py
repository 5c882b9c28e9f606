"""Several processes that are watched together: who they are as they come and go, and who is not in the picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from damontui import units
from damontui.errors import SourceError
from damontui.kernel import process_files as files
from damontui.kernel.process_files import Stat
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root
from damontui.operations.process import Process
from damontui.operations.refusals import HoldsUp, allow

_DISTURBED_S = 60.0
"""So long after the last clear by somebody else it is told: until then our own clears have looked anew."""
_MOST_ENDED = 5
"""Processes that have ended and are still told of."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A process that belongs to those that are watched, and is not watched (any more)."""

    pid: int
    name: str
    """The process's name as the kernel has it, printable."""
    started: int
    """Clock ticks after the start of the machine."""
    why: str
    """``permission denied; run: sudo …``, ``ended at 12:03:04``; "" for one that has ended, as `Processes.absent` says
    it: it knows no time of day."""


class Processes:
    """One or several processes that are watched together, and their children where these are asked for.

    Args:
        root: where /proc is.
        who: the processes, as `identify` found them; a PID that another process has taken over is not followed.
        window: the longest time of interest, seconds.
        every: about how far apart clears are, seconds; None: as what is seen demands.
        max_pause: seconds that clearing may hold a process up, as far as can be predicted.
        children: whether children are followed as they come and go.
        around: the processes that belong to those given, they among them; their children, where it is not said.
        clock: seconds, monotonic.
        cpu_clock: CPU seconds of this thread.
        program: how to start this program, for remedies to copy.

    Raises:
        SourceError: none of the processes may be watched, or one is too large for ``max_pause``. Nothing is cleared
            yet.
    """

    def __init__(
        self,
        root: Root,
        who: Sequence[Stat],
        *,
        window: float = 120.0,
        every: float | None = None,
        max_pause: float = 0.02,
        children: bool = False,
        around: files.Around = files.descendants,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = READERS.thread_time,
        program: str = "damontui",
    ) -> None:
        self._root = root
        self._around = around
        self._window = window
        self._every = every
        self._max_pause = max_pause
        self._children = children
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._program = program
        self._roots = [stat.pid for stat in who]
        self._refused: dict[int, Missing] = {}
        self._ended: dict[int, Missing] = {}
        self.watched: dict[int, Process] = {}
        """By PID, in order of arrival."""
        self.longest_pause = 0.0
        refusals = []
        for stat in who:
            try:
                self._begin(stat)
            except HoldsUp:
                self.close()
                raise
            except SourceError as error:
                refusals.append(error)
                self._refused[stat.pid] = Missing(stat.pid, stat.comm, stat.started, self._because(error))
        if refusals and not self.watched:
            raise refusals[0]
        if children:
            self._follow_children()

    def clear(self, pids: Sequence[int] | None = None) -> None:
        """Clear the accessed bits of these, or of all that were never cleared. Raises `SourceError`."""
        for process in self.watched.values():
            if process.pid in pids if pids is not None else process.curve is None:
                process.clear(self._cpu_clock)
                self.longest_pause = max(self.longest_pause, process.longest_pause)

    def predicted_pauses(self) -> float:
        """Seconds that a clear of all of them is foreseen to take."""
        return sum(process.predicted_pause()[0] for process in self.watched.values())

    def mappings(self) -> int:
        """How many mappings all of them have, without walking page tables."""
        return sum(process.count_mappings() for process in self.watched.values())

    @property
    def glance(self) -> bool:
        """Whether all of them would be looked at by their sums next: see `Process.glances`."""
        return all(process.glances for process in self.watched.values())

    def read(self, pids: Sequence[int] | None = None) -> bool:
        """Read these, or all; who has ended is dropped. Raises `SourceError`.

        Returns:
            Whether all mappings of any of them were read, not only the sums.
        """
        whole = False
        for process in list(self.watched.values()):
            if (pids is None or process.pid in pids) and process.curve is not None:
                if not process.read():
                    self._drop(process)
                whole = whole or process.whole
        return whole

    def wanting(self) -> list[int]:
        """Whose bits should be cleared again, and may be by ``max_pause``."""
        return [
            process.pid
            for process in self.watched.values()
            if process.curve is not None
            and process.curve.wants_clear
            and process.predicted_pause()[0] <= self._max_pause
        ]

    def update(self) -> None:
        """Drop who has ended, name stacks of threads, look for children."""
        for process in list(self.watched.values()):
            if not process.alive:
                self._drop(process)
            else:
                process.find_stacks()
        if self._children:
            self._follow_children()

    def valid(self) -> bool:
        """Whether any of the processes still runs."""
        return any(process.alive for process in self.watched.values())

    def close(self) -> None:
        """Let go of all files."""
        for process in self.watched.values():
            process.close()

    def missing(self) -> list[str]:
        """Clauses on what is not in the picture or in its way."""
        parts = []
        hugetlb = sum(process.space.hugetlb for process in self.watched.values())
        if hugetlb:
            parts.append(f"{units.size(hugetlb)} of hugetlb pages are left out: the kernel tells of no access to them")
        if self._refused:
            first = min(self._refused)
            kind = "process" if first in self._roots else "child"
            more = f" and {len(self._refused) - 1} more" if len(self._refused) > 1 else ""
            verb = "are" if more else "is"
            parts.append(f"{kind} {first}{more} {verb} not watched: {self._refused[first].why}")
        curves = [process.curve for process in self.watched.values() if process.curve is not None]
        if any(self._clock() - curve.disturbed_at < _DISTURBED_S for curve in curves):
            parts.append(
                "somebody else clears the accessed bits, too (another monitor, or the kernel that reclaims memory): "
                "what is in use looks less than it is"
            )
        for process in self.watched.values():
            pause, _ = process.predicted_pause()
            if process.curve is not None and process.curve.wants_clear and pause > self._max_pause:
                parts.append(
                    f"the accessed bits of process {process.pid} are not cleared again, since that would hold it up "
                    f"for about {units.duration(pause)}: memory no longer in use is not seen; "
                    f"{allow(pause)} allows it"
                )
        return parts

    # -- processes that come and go

    def _begin(self, who: Stat) -> None:
        process = Process(self._root, who, self._window, self._every, self._clock, self._program)
        if not process.alive:
            process.close()
            return
        pause, resident = process.predicted_pause()
        if pause > self._max_pause:
            process.close()
            raise HoldsUp(who, resident, pause, self._max_pause)
        self.watched[who.pid] = process

    def _drop(self, process: Process) -> None:
        process.close()
        if self.watched.pop(process.pid, None) is not None and process.curve is not None:
            who = process.who
            self._ended.pop(who.pid, None)
            self._ended[who.pid] = Missing(who.pid, who.comm, who.started, "")
            for pid in list(self._ended)[:-_MOST_ENDED]:
                del self._ended[pid]

    def absent(self) -> tuple[Missing, ...]:
        """Who is not watched: those that cannot be, and the latest of those that have ended, in order of their end."""
        return (*self._refused.values(), *self._ended.values())

    def _follow_children(self) -> None:
        known = [*self._roots, *(pid for pid in self.watched if pid not in self._roots)]
        around = self._around(self._root, known)
        self._refused = {pid: one for pid, one in self._refused.items() if pid in around or pid in self._roots}
        for pid in around:
            stat = files.stat(self._root, pid)
            if pid in self.watched or pid in self._roots or stat is None or stat.ended or stat.kernel_thread:
                continue
            if pid in self._refused and self._refused[pid].started == stat.started:
                continue
            try:
                self._begin(stat)
            except SourceError as error:
                self._refused[pid] = Missing(pid, stat.comm, stat.started, self._because(error))

    def _because(self, error: SourceError) -> str:
        if isinstance(error, HoldsUp):
            return f"it is too large for --max-pause; say {error.remedy.rpartition('say ')[2]}"
        return f"permission denied; run: sudo {self._program} {','.join(map(str, self._roots))}"
