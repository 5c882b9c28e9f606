"""A live process through ``/proc``, without DAMON and, for one's own, without root: bytes that were touched, counted.

After one write to ``clear_refs`` each later reading of ``smaps`` says how many bytes of each mapping were touched
since (``Referenced``); reading clears nothing. `damontui.operations.curve` makes the working-set curve of it.

In DAMON's terms: a region is a mapping (where there are more than the context may have regions: several that touch),
its accesses are the share of its resident bytes that was touched since the former snapshot, rounded so that something
touched is never none, its age the idle time of its latest touched byte, or for how many snapshots its share has been
about the same. No position inside of a mapping is known, and none is invented. What is mapped and not resident is no
memory. `Snapshot.measured` holds the counted bytes; these are what formats without bytes get.
"""

from __future__ import annotations

import errno
import os
import pwd
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from damontui import units
from damontui.damon.snapshot import Ints, ints
from damontui.errors import SourceError
from damontui.kernel import process_files as files
from damontui.kernel.process_files import Mapping, ProcessFolder, Smaps, Stat
from damontui.kernel.readers import READERS
from damontui.kernel.root import KernelError, Root
from damontui.operations.curve import Curve

_T = TypeVar("_T")
Floats = NDArray[np.float64]

LIMITS = (
    "Inside a mapping no position is known, only how many of its bytes were touched.",
    "An access to one byte counts its page, 2 MiB of it where the page is huge.",
    "A page whose translation a CPU keeps (a few MiB, or huge pages) can be in use without being seen.",
    "While the bits are cleared (about 15 ms a GiB) the process may wait where it maps memory.",
    "A hot set that shrinks is seen after the next clear, within a minute.",
    "Clearing the accessed bits disturbs other readers of them (other monitors, the kernel's own reclaim).",
    "Memory that several of the processes share counts once for each.",
)
"""What this way of observing cannot tell, one sentence each."""

PAUSE_PER_BYTE = 16e-3 / (1 << 30)
"""Seconds that clearing takes for each resident byte, before the first clear was measured; 10 to 15 ms a GiB were."""
_LEFT_OUT = ("[vsyscall]", "[vvar]", "[vvar_vclock]", "[rollup]")
_DEVICE = frozenset({"pf", "io"})
"""``VmFlags`` of device memory: its pages have no accessed bits that ``smaps`` would count."""
_HUGETLB = "ht"
_PRIVATE = ("", "[heap]", "[stack]")
_SHMEM = ("/dev/shm/", "/dev/zero", "/memfd:", "/SYSV", "[anon_shmem")
_STEADY_READINGS = 3
_GLANCE_FROM = 2e-8
"""Mappings per resident byte (one in 50 MB) from which the sums of all are much cheaper to read than each of them: a
mapping costs us about 10 us, to walk the page tables of a GiB 5 to 15 ms."""
DENSE_S = (0.075, 0.25)
"""When it is read after a clear: it takes its time, and what is touched within a second is seen in a tenth of one."""
_DISTURBED_S = 60.0
"""So long after the last clear by somebody else it is told: until then our own clears have looked anew."""
_MOST_ENDED = 5
"""Processes that have ended and are still told of."""
_FULL_EVERY_S = 10.0
"""While nothing new is touched the sums of all mappings do; the mappings are looked at this often all the same."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A process that belongs to those that are watched, and is not watched (any more)."""

    pid: int
    name: str
    """What the kernel calls it, printable."""
    started: int
    """When, as in `Stat`."""
    why: str
    """What keeps it from being watched; "" for one that has ended."""

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return not self.why


class HoldsUp(SourceError):
    """A process would be held up for longer than is allowed; whoever can be asked may allow it.

    Args:
        who: it.
        resident: its resident bytes.
        pause: seconds that a clear is foreseen to take.
        allowed: seconds that are allowed.
    """

    def __init__(self, who: Stat, resident: int, pause: float, allowed: float) -> None:
        self.pause = pause
        self.needed = _needed(pause)
        """Seconds to allow, with some room."""
        super().__init__(
            f"process {who.pid} ({who.comm}) is not watched yet",
            f"to begin, its {units.size(resident)} of memory have to be held up for about {units.duration(pause)} "
            f"at a time, and {units.duration(allowed)} are allowed",
            f"if it can wait so long, say {_allow(pause)}",
        )


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """What is mapped in a process while its ``headers`` stay: the mappings watched, their names and ranges."""

    headers: list[bytes]
    mappings: tuple[Mapping, ...]
    chosen: Ints
    """Which lines of ``smaps`` the mappings are, shape ``(mappings,)``."""
    start: Ints
    end: Ints
    names: tuple[str, ...]
    hugetlb: int
    """Bytes left out, since the kernel tells of no access to them."""
    private: NDArray[np.bool_]
    """Which mappings hold memory of this process alone, as long as it does not fork; shape ``(mappings,)``."""
    known: dict[bytes, Mapping]
    """All mappings by their headers."""

    @classmethod
    def of(cls, smaps: Smaps, stacks: dict[int, int] | None = None, former: AddressSpace | None = None) -> AddressSpace:
        """The address space of one reading of ``smaps``; what the ``former`` one knew is not read again."""
        mappings = smaps.mappings(former.known if former is not None else None)
        chosen = [at for at, mapping in enumerate(mappings) if _watched(mapping, int(smaps.rss[at]))]
        watched = tuple(mappings[at] for at in chosen)
        return cls(
            headers=smaps.headers,
            mappings=watched,
            chosen=ints(chosen),
            start=ints([mapping.start for mapping in watched]),
            end=ints([mapping.end for mapping in watched]),
            names=files.names_of(watched, stacks),
            hugetlb=sum(mapping.end - mapping.start for mapping in mappings if _HUGETLB in mapping.flags),
            private=np.array([m.path in _PRIVATE and m.perms[3] == "p" for m in watched], dtype=bool),
            known=dict(zip(smaps.headers, mappings, strict=True)),
        )

    def ranges(self, most: int) -> tuple[tuple[int, int], ...]:
        """One range a mapping; where that would be more than ``most``, touching mappings become one.

        First those of one name (the segments of a library), then all that touch.
        """
        found = list(zip(self.start.tolist(), self.end.tolist(), self.names, strict=True))
        for alike in (True, False):
            if len(found) <= most:
                break
            joined = found[:1]
            for start, end, name in found[1:]:
                before = joined[-1]
                if before[1] == start and (before[2] == name or not alike):
                    joined[-1] = (before[0], end, name)
                else:
                    joined.append((start, end, name))
            found = joined
        return tuple((start, end) for start, end, _ in found)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The regions that an address space is shown as; arrays have shape ``(regions,)``."""

    start: Ints
    end: Ints
    names: tuple[str, ...]
    place: Ints
    """Which region each mapping is in, shape ``(mappings,)``."""

    @classmethod
    def of(cls, space: AddressSpace, most: int) -> Shape:
        """At most so many regions, where gaps between the mappings allow it."""
        ranges = space.ranges(most)
        start, end = ints([one for one, _ in ranges]), ints([one for _, one in ranges])
        return cls(
            start=start,
            end=end,
            names=files.names_in(space.mappings, space.names, start, end),
            place=np.searchsorted(start, space.start, side="right") - 1,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """The regions of the last snapshot: the accesses of each, and its age while these are about the same."""

    shape: Shape
    accesses: Ints
    age: Ints


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a process has beside its accesses, at its last whole reading."""

    resident: Ints
    """Bytes of each mapping watched, shape ``(mappings,)``."""
    kinds: Ints
    """Resident bytes of each mapping by kind (`damontui.damon.snapshot.KINDS`), shape ``(mappings, 3)``."""
    swapped: int
    huge: int
    mapped: int

    @classmethod
    def of(cls, smaps: Smaps, space: AddressSpace) -> Amounts:
        """As ``smaps`` says of the mappings that are watched."""
        chosen = space.chosen
        rss = smaps.rss[chosen]
        anon = np.minimum(smaps.amounts("Anonymous")[chosen], rss)
        shared = np.array([mapping.path.startswith(_SHMEM) for mapping in space.mappings], dtype=bool)
        rest = rss - anon
        huge = sum(int(smaps.amounts(name).sum()) for name in ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped"))
        return cls(
            resident=rss,
            kinds=np.stack((anon, np.where(shared, 0, rest), np.where(shared, rest, 0)), axis=1),
            swapped=int(smaps.amounts("Swap").sum()),
            huge=huge,
            mapped=int((space.end - space.start).sum()),
        )


class Process:
    """One process that is watched: who it is, what is mapped, and its working-set curve.

    Args:
        root: where /proc is.
        who: identity (PID and start time) and name.
        window: the longest time of interest, seconds.
        every: about how far apart clears are, seconds, whatever is seen; None: as what is seen demands (`Curve`).
        clock: seconds, monotonic.
        program: how to start this program, for remedies to copy.

    Raises:
        SourceError: it may not be watched. Nothing is cleared to find out.
    """

    def __init__(
        self,
        root: Root,
        who: Stat,
        window: float,
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        program: str = "damontui",
    ) -> None:
        self.who = who
        self._smaps = Smaps([], [], ints([]), ints([]))
        self._amounts: Amounts | None = None
        self.space = AddressSpace.of(self._smaps)
        self.curve: Curve | None = None
        """None before the first clear."""
        self.longest_pause = 0.0
        self.dense: list[float] = []
        """When it should be read beside the snapshots, soon after a clear; clock's seconds, rising."""
        self.memory: Memory | None = None
        """None before the first snapshot."""
        self._root = root
        self._window = window
        self._every = every
        self._clock = clock
        self._program = program
        self._folder: ProcessFolder | None = None
        self._per_byte = PAUSE_PER_BYTE
        self._threads: list[int] = []
        self._stacks: dict[int, int] = {}
        self._shape: tuple[AddressSpace, int, Shape] | None = None
        self._sums = (-1, -1)
        self._referenced = np.zeros(0)
        self._resident = np.zeros(0)
        self._steady = 0
        self._whole_at = -_FULL_EVERY_S
        self.whole = True
        """Whether the last reading was one of every mapping."""
        self._attempt(self._open)

    @property
    def pid(self) -> int:
        """Its number."""
        return self.who.pid

    @property
    def amounts(self) -> Amounts:
        """What it had beside its accesses at its last whole reading."""
        if self._amounts is None:
            self._amounts = Amounts.of(self._smaps, self.space)
        return self._amounts

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        now = self._folder.stat() if self._folder is not None else None
        return now is not None and not now.ended and now.started == self.who.started

    def predicted_pause(self) -> tuple[float, int]:
        """Seconds that the next clear will hold it up, and the resident bytes that this is computed from."""
        folder = self._folder
        resident = (self._attempt(folder.resident) if folder is not None else None) or 0
        return self._per_byte * resident, resident

    def clear(self, cpu_clock: Callable[[], float]) -> None:
        """Clear the accessed bits; a no-operation where it is gone. Raises `SourceError`."""
        folder = self._folder
        if folder is None or not self.alive:
            return
        began, spent = self._clock(), cpu_clock()

        def done() -> bool:
            folder.clear_refs()
            return True

        if not self._attempt(done):
            return
        now, spent = self._clock(), cpu_clock() - spent
        # the time by the clock bounds what the process felt; what we computed for tells the next clear's
        self.longest_pause = max(self.longest_pause, now - began)
        resident = int(self._resident.sum())
        if resident > 64 << 20:
            self._per_byte += (spent / resident - self._per_byte) / 2
        if self.curve is None:
            self.curve = Curve(now, self._window, self._every)
        else:
            self.curve.cleared(now)
        self._steady, self._sums = 0, (-1, -1)
        self.dense = [now + one for one in DENSE_S]

    def read(self) -> bool:
        """Read what was touched since the clear; False where it is gone. Raises `SourceError`.

        Where the last readings found nothing new, the sums over all mappings are asked first: they cost less.
        """
        folder, curve = self._folder, self.curve
        if folder is None or curve is None:
            return False
        self.dense = [due for due in self.dense if due > self._clock()]
        self.whole = not self.glances
        if not self.whole:
            sums = self._attempt(folder.rollup)
            if sums is None or not self.alive:
                return False
            if (sums.rss, sums.referenced) == self._sums and len(self._resident):
                curve.reading(self._clock(), self._referenced, self._resident, self.space.private)
                return True
        self.whole = True
        smaps = self._attempt(folder.smaps)
        # asked after reading: what was read was his, unless he is gone by now
        if smaps is None or not self.alive:
            return False
        self._take(smaps, curve)
        return True

    @property
    def glances(self) -> bool:
        """Whether the sums over all mappings would be read next, and the mappings only where these have changed."""
        return (
            self._steady >= _STEADY_READINGS
            and self._clock() - self._whole_at < _FULL_EVERY_S
            and len(self._smaps.headers) >= _GLANCE_FROM * float(self._resident.sum())
        )

    def count_mappings(self) -> int:
        """How many mappings it has, without walking page tables; 0 where that is not told."""
        try:
            return self._folder.read("maps").count(b"\n") if self._folder is not None else 0
        except KernelError:
            return 0

    def close(self) -> None:
        """Let go of its files."""
        if self._folder is not None:
            self._folder.close()

    def find_stacks(self) -> None:
        """Name the stacks of its threads, where these have changed."""
        threads = files.threads(self._root, self.pid)
        if threads != self._threads:
            self._threads = threads
            self._stacks = files.thread_stacks(self._root, self.pid)
            names = files.names_of(self.space.mappings, self._stacks)
            self.space = replace(self.space, names=names)

    def shape(self, most: int) -> Shape:
        """The regions that it is shown as, at most so many: the same object while the address space is."""
        if self._shape is None or self._shape[0] is not self.space or self._shape[1] != most:
            self._shape = (self.space, most, Shape.of(self.space, most))
        return self._shape[2]

    def former(self, shape: Shape) -> tuple[Ints, Ints]:
        """Accesses and ages of these regions at the last snapshot, zeros for one that it did not have."""
        memory = self.memory
        if memory is not None and memory.shape is shape:
            return memory.accesses, memory.age
        known = {}
        if memory is not None:
            before = memory.shape.start, memory.shape.end, memory.accesses, memory.age
            for start, end, *rest in zip(*(one.tolist() for one in before), strict=True):
                known[start, end] = rest
        places = zip(shape.start.tolist(), shape.end.tolist(), strict=True)
        found = ints([known.get(place, (0, 0)) for place in places]).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    # -- ours

    def _open(self) -> None:
        self._folder = ProcessFolder(self._root, self.pid)
        for name, flags in (("clear_refs", os.O_WRONLY), ("smaps", os.O_RDONLY)):
            try:
                os.close(self._folder.open(name, flags))
            except OSError as error:
                verb = "write" if flags == os.O_WRONLY else "read"
                raise KernelError(f"cannot {verb} {self._folder.path(name)}", error) from error

    def _take(self, smaps: Smaps, curve: Curve) -> None:
        now = self._clock()
        space = self.space
        if smaps.headers != space.headers:
            space = AddressSpace.of(smaps, self._stacks, space)
            if len(self.space.start) or curve.age:
                curve.remap(*moves(self.space, space), len(space.start))
            self.space = space
        self._smaps, self._amounts = smaps, None
        self._resident = smaps.rss[space.chosen].astype(np.float64)
        self._referenced = smaps.referenced[space.chosen].astype(np.float64)
        curve.reading(now, self._referenced, self._resident, space.private)
        sums = (int(smaps.rss.sum()), int(smaps.referenced.sum()))
        self._steady = self._steady + 1 if sums == self._sums else 0
        self._sums, self._whole_at = sums, now

    def _attempt(self, action: Callable[[], _T]) -> _T | None:
        """``action``'s result, None where the process has ended; what else the kernel says is a sentence."""
        try:
            return action()
        except KernelError as error:
            # a kernel without clear_refs lacks it for the living, too
            now = files.stat(self._root, self.pid)
            if error.errno in files.GONE and (now is None or now.ended or now.started != self.who.started):
                return None
            raise refusal(self._root, self.who, error, self._program) from error


def moves(former: AddressSpace, space: AddressSpace) -> tuple[Ints, Ints, Floats]:
    """Where the bytes of mappings went when the address space changed: see `Curve.remap`.

    Mappings of one name that overlap are the same memory: they grew, shrank, were split or became one.
    """
    rows, columns, shares = [], [], []
    last = np.searchsorted(former.start, space.end, side="left").tolist()
    first = np.searchsorted(former.end, space.start, side="right").tolist()
    for row, (low, high) in enumerate(zip(first, last, strict=True)):
        for column in range(low, high):
            before, now = former.mappings[column], space.mappings[row]
            if before.path == now.path:
                rows.append(row)
                columns.append(column)
                shares.append((min(before.end, now.end) - max(before.start, now.start)) / (before.end - before.start))
    return ints(rows), ints(columns), np.array(shares, dtype=np.float64)


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
        self._refused: dict[int, Absent] = {}
        self._ended: dict[int, Absent] = {}
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
                self._refused[stat.pid] = Absent(stat.pid, stat.comm, stat.started, self._because(error))
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
                    f"{_allow(pause)} allows it"
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
            self._ended[who.pid] = Absent(who.pid, who.comm, who.started, "")
            for pid in list(self._ended)[:-_MOST_ENDED]:
                del self._ended[pid]

    def absent(self) -> tuple[Absent, ...]:
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
                self._refused[pid] = Absent(pid, stat.comm, stat.started, self._because(error))

    def _because(self, error: SourceError) -> str:
        if isinstance(error, HoldsUp):
            return f"it is too large for --max-pause; say {error.remedy.rpartition('say ')[2]}"
        return f"permission denied; run: sudo {self._program} {','.join(map(str, self._roots))}"


def _needed(pause: float) -> float:
    """A pause to allow where one of so many seconds is foreseen, with some room."""
    allowed = 20
    while allowed / 1e3 < pause * 1.5:
        allowed *= 2
    return allowed / 1e3 if allowed < 10_000 else float(-(-allowed // 1000))


def _allow(pause: float) -> str:
    """The option that allows such a pause."""
    needed = _needed(pause)
    return f"--max-pause {round(needed * 1e3)}ms" if needed < 10 else f"--max-pause {round(needed)}s"


def identify(root: Root, pid: int, program: str = "damontui") -> Stat:
    """Who has that PID now. Raises `SourceError` where nobody has, or it is nothing that can be watched."""
    who = files.stat(root, pid)
    what = f"cannot watch process {pid}"
    if who is None:
        if not root.exists("proc/self") and not root.exists("proc/1"):
            raise SourceError(what, f"there is no /proc below {root.folder}", "mount it: mount -t proc proc /proc")
        raise SourceError(what, "there is no such process", "list them with: ps -e")
    what = f"{what} ({who.comm})"
    if who.kernel_thread:
        raise SourceError(
            what,
            "it is a thread of the kernel and has no memory of its own",
            f"watch the machine's memory: sudo {program} stat",
        )
    if who.ended:
        raise SourceError(what, f"it has ended and only waits for its parent, process {who.ppid}, to ask after it")
    return who


def refusal(root: Root, who: Stat, error: KernelError, program: str = "damontui") -> SourceError:
    """The sentence for a process that may not be watched."""
    what = f"cannot watch process {who.pid} ({who.comm})"
    name = error.what.removeprefix("cannot ")
    if error.errno in (errno.EACCES, errno.EPERM):
        user = files.owner(root, who.pid)
        if os.geteuid() == 0:
            return SourceError(
                what,
                f"not even root may {name} here (a container without CAP_SYS_PTRACE, or a security module)",
                "run it on the host, or give the container --cap-add SYS_PTRACE",
            )
        whose = f"it belongs to {user}" if user and user != _me() else "it is protected from its own user, too"
        return SourceError(what, whose, f"run: sudo {program} {who.pid}")
    if error.errno == errno.EROFS:
        return SourceError(what, f"may not {name}: /proc is mounted read-only here", "run it outside of this container")
    if error.errno in files.GONE:
        now = files.stat(root, who.pid)
        if now is None or now.ended:
            return SourceError(what, "it has ended")
        return SourceError(
            what,
            f"{error.what}: this kernel is built without it (CONFIG_PROC_PAGE_MONITOR)",
            f"watch it with DAMON where the kernel has it; what this machine can do: {program} doctor",
        )
    return SourceError(what, f"{error.what}: {error.why}", f"what this machine can do: {program} doctor")


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _watched(mapping: Mapping, rss: int) -> bool:
    """Not what cannot be accessed or of which no access is told: shown as idle, it would be a lie."""
    return not (
        mapping.path in _LEFT_OUT
        or _HUGETLB in mapping.flags
        or mapping.flags & _DEVICE
        or (mapping.perms.startswith("---") and rss == 0)
    )
