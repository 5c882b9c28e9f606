"""A live process through ``/proc``: accesses of its mappings without DAMON and, for one's own, without root.

To prepare is to clear the accessed bits of the whole process (``clear_refs``); to check is to read how many bytes of
each mapping were referenced since (``Referenced`` in ``smaps``). That tells no position inside a mapping: a random
page of a mapping of which the share q was referenced was accessed with probability q. Pages that are not resident
were not accessed, so q is relative to the whole mapping.
"""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from damontui import units
from damontui.damon.operations import Target
from damontui.damon.snapshot import Ints, ints
from damontui.errors import SourceError
from damontui.kernel import process_files as files
from damontui.kernel.process_files import Mapping, Smaps, Stat
from damontui.kernel.root import KernelError, Root

_T = TypeVar("_T")
Floats = NDArray[np.float64]

LIMITS = (
    "Inside a mapping no position is known: one that is used in part is shown as used at a lower rate all over.",
    "Sizes are of address space: pages that were never touched count as idle.",
    "An access to one byte counts its page, 2 MiB of it where the page is huge.",
    "While the bits are cleared (about 10 ms a GB) the process may wait where it maps or first touches memory.",
    "Clearing the accessed bits every time disturbs other readers of them (other monitors, the kernel's own reclaim).",
)
"""What this way of observing cannot tell, one sentence each."""

_LEFT_OUT = ("[vsyscall]", "[vvar]", "[vvar_vclock]", "[rollup]")
_DEVICE = frozenset({"pf", "io"})
"""``VmFlags`` of device memory: its pages have no accessed bits that ``smaps`` would count."""
_HUGETLB = "ht"


@dataclass(frozen=True, slots=True)
class Layout:
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

    @classmethod
    def of(cls, smaps: Smaps, stacks: dict[int, int] | None = None) -> Layout:
        """The layout of one reading of ``smaps``."""
        mappings = smaps.mappings()
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


@dataclass(slots=True)
class Process:
    """One process that is watched.

    Attributes:
        who: identity (PID and start time) and name.
        layout: what was mapped at the last look.
        shares: of each mapping the share referenced, shape ``(mappings,)``.
        told: the layout when the context was told the ranges; its names are theirs.
        ranges: what the context was told to monitor.
        phases: of each of these ranges how far its next accessed page is, 0 to 1.
        threads: as they were when their stacks were looked for.
        stacks: stack pointers of its threads.
    """

    who: Stat
    layout: Layout
    shares: Floats
    told: Layout
    ranges: tuple[tuple[int, int], ...] = ()
    phases: Floats = field(default_factory=lambda: np.zeros(0))
    threads: list[int] = field(default_factory=list)
    stacks: dict[int, int] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """Its number."""
        return self.who.pid


class ProcessOperations:
    """An operations set over one or several processes; each is a target, identified by its PID.

    A share q is turned into accesses by systematic sampling: every page drawn was accessed with probability q, and over
    many samples as often as q asks for, without the scatter of independent draws.

    Args:
        root: where /proc is.
        who: the processes, as `identify` found them; a PID that another process has taken over is not followed.
        rng: the only source of chance.
        children: whether children are followed as they come and go.
        max_regions: regions at most, where gaps between the mappings allow it.
        program: how to start this program, for remedies to copy.

    Raises:
        SourceError: where one of the processes cannot be watched.
    """

    whole_ranges = True

    def __init__(
        self,
        root: Root,
        who: Sequence[Stat],
        rng: np.random.Generator,
        *,
        children: bool = False,
        max_regions: int = 1_000,
        program: str = "damontui",
    ) -> None:
        self._root = root
        self._rng = rng
        self._children = children
        self._max_regions = max_regions
        self._program = program
        self._roots = [stat.pid for stat in who]
        self._refused: dict[int, int] = {}
        self._prepared: tuple[Ints, Ints] = (ints([]), ints([]))
        self._order: list[Process] = []
        """The processes in the order of the targets that the context has."""
        self.processes: dict[int, Process] = {}
        """Those that are watched, by PID, in order of arrival."""
        for stat in who:
            found = self._begin(stat)
            if found is not None:
                self.processes[stat.pid] = found
        if children:
            self._follow_children()
        self._share_out()

    # -- the contract

    def targets(self) -> Sequence[Target]:
        """One target a process, as mapped at the last `update`."""
        self._order = list(self.processes.values())
        return [Target(process.pid, process.ranges) for process in self._order]

    def prepare(self, addresses: Ints, target: Ints) -> None:
        """Clear the accessed bits of every process. Raises `SourceError` where that is not allowed (any more)."""
        self._prepared = (addresses, target)
        for process in self._order:
            if process.pid in self.processes and self._alive(process):
                self._attempt(process.who, lambda pid=process.pid: files.clear_refs(self._root, pid))  # type: ignore[misc]

    def check(self) -> NDArray[np.bool_]:
        """Which of the prepared pages were accessed: see the class."""
        addresses, target = self._prepared
        hits = np.zeros(len(addresses), dtype=bool)
        for index, process in enumerate(self._order):
            if process.pid not in self.processes or not self._look(process):
                continue
            mine = np.flatnonzero(target == index)
            hits[mine] = _draw(process, addresses[mine])
        return hits

    def update(self) -> None:
        """Drop who has ended, take over what is mapped now, look for children."""
        for pid in list(self.processes):
            if not self._alive(self.processes[pid]):
                del self.processes[pid]
        for process in self.processes.values():
            self._find_stacks(process)
        if self._children:
            self._follow_children()
        self._share_out()

    def valid(self) -> bool:
        """Whether any of the processes still runs."""
        return any(self._alive(process) for process in self.processes.values())

    def names(self, start: Ints, end: Ints, target: Ints) -> tuple[str, ...]:
        """What is mapped at each region."""
        names = np.full(len(start), "", dtype=object)
        for index, process in enumerate(self._order):
            mine = np.flatnonzero(target == index)
            if len(mine):
                layout = process.told
                names[mine] = files.names_in(layout.mappings, layout.names, start[mine], end[mine])
        return tuple(names.tolist())

    def missing(self) -> str:
        """One sentence on what is not in the picture; "" where nothing is."""
        parts = []
        hugetlb = sum(process.layout.hugetlb for process in self.processes.values())
        if hugetlb:
            parts.append(f"{units.size(hugetlb)} of hugetlb pages are left out: the kernel tells of no access to them")
        if self._refused:
            first = min(self._refused)
            more = f" and {len(self._refused) - 1} more" if len(self._refused) > 1 else ""
            parts.append(
                f"child {first}{more} is not watched: permission denied; run: sudo {self._program} {self._roots[0]}"
            )
        return "; ".join(parts)

    # -- processes that come and go

    def _begin(self, who: Stat) -> Process | None:
        """Clear and read once: tells whether it is allowed, and what it costs. None where it is gone."""
        self._attempt(who, lambda: files.clear_refs(self._root, who.pid))
        read = self._attempt(who, lambda: files.smaps(self._root, who.pid))
        if read is None:
            return None
        layout = Layout.of(read)
        process = Process(who, layout, np.zeros(len(layout.start)), layout)
        self._find_stacks(process)
        return process

    def _find_stacks(self, process: Process) -> None:
        threads = files.threads(self._root, process.pid)
        if threads == process.threads:
            return
        process.threads = threads
        process.stacks = files.thread_stacks(self._root, process.pid)
        names = files.names_of(process.layout.mappings, process.stacks)
        process.layout = replace(process.layout, names=names)

    def _follow_children(self) -> None:
        known = [*self._roots, *(pid for pid in self.processes if pid not in self._roots)]
        around = files.descendants(self._root, known)
        self._refused = {pid: started for pid, started in self._refused.items() if pid in around}
        for pid in around:
            stat = files.stat(self._root, pid)
            if pid in self.processes or pid in self._roots or stat is None or stat.ended or stat.kernel_thread:
                continue
            if self._refused.get(pid) == stat.started:
                continue
            try:
                found = self._begin(stat)
            except SourceError:
                self._refused[pid] = stat.started
                continue
            if found is not None:
                self.processes[pid] = found

    def _share_out(self) -> None:
        """What the context is to monitor from now on; every process has its part of the regions."""
        most = max(1, self._max_regions // max(1, len(self.processes)))
        for process in self.processes.values():
            process.told = process.layout
            ranges = process.layout.ranges(most)
            if ranges == process.ranges:
                continue
            former = dict(zip((start for start, _ in process.ranges), process.phases.tolist(), strict=True))
            fresh = self._rng.random(len(ranges)).tolist()
            phases = [former.get(start, new) for (start, _), new in zip(ranges, fresh, strict=True)]
            process.ranges, process.phases = ranges, np.array(phases, dtype=np.float64)

    def _alive(self, process: Process) -> bool:
        now = files.stat(self._root, process.pid)
        return now is not None and not now.ended and now.started == process.who.started

    # -- one process

    def _look(self, process: Process) -> bool:
        """Read what was referenced; False where it is gone, or has no memory just now."""
        read = self._attempt(process.who, lambda: files.smaps(self._root, process.pid))
        # asked after reading: what was read was his, unless he is gone by now
        if read is None or not read.headers or not self._alive(process):
            return False
        layout = process.layout
        if read.headers != layout.headers:
            layout = process.layout = Layout.of(read, process.stacks)
        process.shares = np.minimum(read.referenced[layout.chosen] / (layout.end - layout.start), 1.0)
        return True

    def _attempt(self, who: Stat, action: Callable[[], _T]) -> _T | None:
        """``action``'s result, None where the process has ended; what else the kernel says is a sentence."""
        try:
            return action()
        except KernelError as error:
            # a kernel without clear_refs lacks it for the living, too
            now = files.stat(self._root, who.pid)
            if error.errno in files.GONE and (now is None or now.ended or now.started != who.started):
                return None
            raise refusal(self._root, who, error, self._program) from error


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


def _draw(process: Process, addresses: Ints) -> NDArray[np.bool_]:
    """Whether the page at each address was accessed: true for the share that was referenced of what is mapped there."""
    hits = np.zeros(len(addresses), dtype=bool)
    layout, ranges = process.layout, process.ranges
    if not len(layout.start) or not ranges:
        return hits
    mapping = np.maximum(np.searchsorted(layout.start, addresses, side="right") - 1, 0)
    there = (layout.start[mapping] <= addresses) & (addresses < layout.end[mapping])
    share = np.where(there, process.shares[mapping], 0.0)
    begins = ints([start for start, _ in ranges])
    place = np.maximum(np.searchsorted(begins, addresses, side="right") - 1, 0)
    phase = process.phases[place] + share
    hits = phase >= 1.0
    process.phases[place] = phase - hits
    return hits
