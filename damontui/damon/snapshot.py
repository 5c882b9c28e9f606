"""What one aggregation found, and what a source says beside it. Immutable: safe to hand from thread to thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import Attrs
from damontui.damon.fields import REGIONS, Fact, Field, fields_of, seal

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Origin = Literal["simulated", "process", "kernel", "record"]


@dataclass(frozen=True, slots=True)
class ModuleValues:
    """DAMON_STAT's own numbers as the kernel showed them; None where this kernel lacks the file."""

    enabled: Annotated[bool, Fact("enabled")]
    bandwidth: Annotated[int | None, Fact("estimated_memory_bandwidth")] = None
    """``estimated_memory_bandwidth``, bytes per second: read mid-count, so usually too low."""
    idle_ms_percentiles: Annotated[
        tuple[int, ...] | None, Fact("memory_idle_ms_percentiles", unit="ms", signed=True, length=(101, 101))
    ] = None
    """``memory_idle_ms_percentiles``: 101 milliseconds; negative is memory in use (0 on 6.17)."""
    aggr_interval_us: Annotated[int | None, Fact("aggr_interval_us", unit="us")] = None
    kdamond_pid: Annotated[int | None, Fact("kdamond_pid", signed=True)] = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of synthetic memory over the same aggregation, computed from the model."""

    working_set_bytes: Annotated[int, Fact("working_set_bytes", unit="bytes")]
    """Bytes whose expected number of touches in the aggregation interval is such that at least one came."""
    bandwidth: Annotated[float, Fact("bandwidth_bytes_per_s", digits=0)]
    """Bytes per second that were touched, counted as DAMON counts: a page at most once in a sampling interval."""
    idle_ms_percentiles: Annotated[
        tuple[int, ...], Fact("idle_ms_percentiles", unit="ms", signed=True, length=(101, 101))
    ]
    """101 values, as ``memory_idle_ms_percentiles`` of perfect knowledge; negative where in use."""


KINDS = ("anon", "file", "shmem")
"""What resident memory of a process is made of: anonymous, of files, shared (tmpfs, shared anonymous)."""


@dataclass(frozen=True, slots=True, eq=False)
class FirstTouches:
    """How much memory was touched for the first time since the accessed bits were cleared, reading by reading.

    There is an entry for each reading since the snapshot before. Arrays have shape ``(readings,)`` and are float64 and
    read-only. `damontui.operations.curve` says how they are counted.
    """

    since: Annotated[Floats, Fact("since_s", unit="s", axes=("readings",))]
    """Seconds from the clear to the reading before (or 0): what is touched after that has been idle for so long."""
    touched: Annotated[Floats, Fact("touched_bytes", unit="bytes", axes=("readings",))]
    """Bytes first touched between the reading before and this one."""
    back: Annotated[Floats, Fact("back_bytes", unit="bytes", axes=("readings",))]
    """How many of ``touched`` were in memory before; the rest is new memory."""
    seconds: Annotated[Floats, Fact("seconds", unit="s", axes=("readings",))]
    """Seconds between the reading before and this one."""

    def __post_init__(self) -> None:
        seal(self)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Bytes that were touched, counted by the kernel page by page instead of sampled: the working set as a curve.

    A region of such a snapshot is a mapping (or several that touch): the kernel says how many of its bytes were
    touched, not which. Arrays are int64 and read-only. ``used[i, j]`` is how many bytes of region ``i`` were touched
    within the last ``seconds[j]``: it rises along each row and is at most ``Snapshot.resident[i]``. No time is longer
    than memory has been watched, so what is not in ``used[:, -1]`` has been idle for ``seconds[-1]`` at least.
    """

    seconds: Annotated[
        tuple[float, ...], Fact("seconds", unit="s", digits=6, axes=("times",), rising=True, length=(1, 4096))
    ]
    """Times of the curve, rising, shape ``(times,)``; at least one."""
    used: Annotated[Ints, Fact(unit="bytes", axes=(REGIONS, "times"), rising=True)]
    """Bytes of each region touched within each time, shape ``(regions, times)``."""
    least: Annotated[Ints, Fact("least", unit="bytes", axes=("times",))]
    """Bytes of all regions together that were touched within each time at least, shape ``(times,)``: as long as the
    pattern is what it was lately, else for certain (`damontui.operations.within` has the derivation)."""
    most: Annotated[Ints, Fact("most", unit="bytes", axes=("times",))]
    """Bytes of all regions together that were touched within each time at most, shape ``(times,)``; likewise."""
    kinds: Annotated[Ints, Fact(unit="bytes", axes=(REGIONS, KINDS))]
    """Resident bytes of each region by kind (`KINDS`), shape ``(regions, 3)``."""
    swapped: Annotated[int, Fact("swapped_bytes", unit="bytes")] = 0
    """Bytes of the process that are in swap: no memory now."""
    huge: Annotated[int, Fact("huge_bytes", unit="bytes")] = 0
    """Resident bytes in huge pages: one touched byte counts 2 MiB."""
    mapped: Annotated[int, Fact(unit="bytes")] = 0
    """Bytes of address space of which the resident ones are a part."""
    longest_pause: Annotated[float, Fact(unit="s")] = 0.0
    """Seconds for which clearing or reading held up the process at most so far: an upper bound, seen from outside."""
    first_touches: Annotated[FirstTouches | None, Fact("first_touches", past="default")] = None
    """What was first touched since the bits were cleared; None where unknown."""

    def __post_init__(self) -> None:
        seal(self)


FRAME_KINDS = ("free", "file", "shmem", "anon", "slab", "page_tables", "kernel", "hugetlb", "hole")
"""What a page frame of physical memory can hold; ``kernel`` is what the kernel uses otherwise, a hole is no memory."""


FINE = 4_096
"""Parts of all memory, for `Frames.mixed`: each too short for a region of its own, as DAMON has 1,000 at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """What randomly chosen page frames held: counts by region and kind, drawn evenly over all frames of the regions.

    Arrays are int64 and read-only. A frame drawn twice counts twice (with replacement).
    """

    counts: Annotated[Ints, Fact(axes=(REGIONS, FRAME_KINDS))]
    """Frames of each kind (`FRAME_KINDS`) in each region, shape ``(regions, 9)``."""
    unevictable: Annotated[Ints, Fact(axes=(REGIONS,))]
    """Frames in each region that cannot be reclaimed (mlock and the like), of any kind, shape ``(regions,)``."""
    huge: Annotated[Ints, Fact(axes=(REGIONS,))]
    """Frames in each region that are part of a transparent huge page, shape ``(regions,)``."""
    cpu: float = 0.0
    """Share of one CPU that looking at frames took lately."""
    mixed: float | None = None
    """How mixed the kinds of frames are: how often two frames that lie one of `FINE` parts of memory apart are of
    unlike kinds, divided by how often two that lie 16 such parts apart are. About 0 where memory lies in long stretches
    of one kind, 1 where it is mixed throughout, None where too little is known."""

    def __post_init__(self) -> None:
        seal(self)

    @property
    def drawn(self) -> int:
        """How many frames were looked at."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True)
class Group:
    """A control group, and what the kernel counts for it and those below it: bytes, None where it does not tell."""

    path: Annotated[str, Fact("cgroup")]
    """Below where the hierarchy is mounted: ``/`` for the uppermost, ``/system.slice/nginx.service``."""
    current: Annotated[int | None, Fact("current", unit="bytes")] = None
    """``memory.current``."""
    max: Annotated[int | None, Fact("max", unit="bytes")] = None
    """``memory.max``; None also where there is no limit, as in the next one."""
    high: Annotated[int | None, Fact("high", unit="bytes")] = None
    """``memory.high``."""
    swap: Annotated[int | None, Fact("swap", unit="bytes")] = None
    """``memory.swap.current``."""
    inactive_file: Annotated[int | None, Fact("inactive_file", unit="bytes")] = None
    """``inactive_file`` of ``memory.stat``, which the kubelet subtracts from ``memory.current``."""
    dying: Annotated[int, Fact("deleted_below")] = 0
    """Deleted groups below it whose memory lingers; the kernel charges it to the closest group that is there."""
    gone: Annotated[bool, Fact("gone")] = False
    """Whether it was deleted since its frames were looked at."""
    unmapped: Annotated[int | None, Fact("unmapped", unit="bytes", past="default")] = None
    """What is charged to it and no process maps, by ``memory.stat``: the kernel's own, page cache that is only read."""
    mapped_file: Annotated[int | None, Fact("mapped_file", unit="bytes", past="default")] = None
    """``file_mapped`` of ``memory.stat``: page cache and shared memory that is charged to it and mapped."""

    @property
    def working_set(self) -> int | None:
        """What the kubelet calls the working set: ``memory.current`` without ``inactive_file``, 0 at least."""
        if self.current is None or self.inactive_file is None:
            return None
        return max(0, self.current - self.inactive_file)


@dataclass(frozen=True, slots=True)
class Zone:
    """A range of physical addresses with a name (``node 0 Normal``), bytes."""

    start: int
    end: int
    name: str


UNCHARGED, UNSEEN, OTHERS = -1, -2, -3
"""What stands for a group in `Owners.group`: charged to none; to one that cannot be seen; to one of the small ones."""
GROUP_FILES = ("current", "max", "high", "swap", "inactive_file", "dying", "gone")
"""The columns of `Owners.files`: fields of `Group`, with -1 for None."""
ZONE_ENDS = ("start", "end")


@dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """To whom randomly chosen page frames are charged, drawn evenly over all of physical memory.

    An entry says of ``count`` frames, drawn from between two addresses, what they held and to whom they are charged.
    In a live snapshot these two addresses are the ends of one frame; in a record, those of a region.

    Arrays are int64 and read-only; those of entries have shape ``(entries,)``.
    """

    paths: Annotated[tuple[str, ...], Fact(axes=("groups",))]
    """Paths of the groups to which any of the drawn frames is charged."""
    files: Annotated[Ints, Fact(axes=("groups", GROUP_FILES), signed=True)]
    """What the kernel counts for each of them, shape ``(groups, 7)``: `GROUP_FILES`."""
    start: Annotated[Ints, Fact(axes=("entries",))]
    end: Annotated[Ints, Fact(axes=("entries",))]
    kind: Annotated[Ints, Fact(axes=("entries",))]
    """Index into `FRAME_KINDS`."""
    group: Annotated[Ints, Fact(axes=("entries",), signed=True)]
    """Index into ``paths``, or one of `UNCHARGED`, `UNSEEN` and `OTHERS`."""
    count: Annotated[Ints, Fact(axes=("entries",))]
    """Frames, at least 1."""
    zone_names: Annotated[tuple[str, ...], Fact(axes=("zones",))]
    """Names of the NUMA nodes' zones, by rising address; empty where the kernel does not tell."""
    zone_ends: Annotated[Ints, Fact(axes=("zones", ZONE_ENDS))]
    """Where each of them begins and ends, bytes, shape ``(zones, 2)``."""
    others: int = 0
    """How many groups `OTHERS` stands for."""
    note: str = ""
    """What is not known, one sentence; "" where it is whole."""
    cpu: float = 0.0
    """Share of one CPU that looking at frames and groups took lately."""

    def __post_init__(self) -> None:
        seal(self)

    @property
    def drawn(self) -> int:
        """How many frames were looked at."""
        return int(self.count.sum())

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups, as `Owners.group` counts them."""
        found = []
        for path, row in zip(self.paths, self.files.tolist(), strict=True):
            current, limit, high, swap, inactive = (None if value < 0 else value for value in row[:5])
            found.append(Group(path, current, limit, high, swap, inactive, max(0, row[5]), row[6] > 0))
        return tuple(found)

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The zones, rising."""
        return tuple(
            Zone(start, end, name) for (start, end), name in zip(self.zone_ends.tolist(), self.zone_names, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Pressure:
    """How hard memory was pressed since the snapshot before, of the machine or a control group; None: not told.

    ``Documentation/accounting/psi.rst``, ``Documentation/admin-guide/cgroup-v2.rst`` (``memory.stat``,
    ``memory.events``).
    """

    some: Annotated[float | None, Fact("some", digits=6, past="mean")] = None
    """Share of the time in which some task waited for memory, 0 … 1 (PSI)."""
    full: Annotated[float | None, Fact("full", digits=6, past="mean")] = None
    """Share of the time in which all tasks that were not idle waited for it."""
    refault_anon: Annotated[float | None, Fact("refault_anon_bytes_per_s", digits=0, past="mean")] = None
    """Bytes a second that were read back from swap soon after they had been taken away."""
    refault_file: Annotated[float | None, Fact("refault_file_bytes_per_s", digits=0, past="mean")] = None
    """The same of page cache."""
    swap_in: Annotated[float | None, Fact("swap_in_bytes_per_s", digits=0, past="mean")] = None
    swap_out: Annotated[float | None, Fact("swap_out_bytes_per_s", digits=0, past="mean")] = None
    swapped: Annotated[int | None, Fact("swapped_bytes", unit="bytes")] = None
    """Bytes that are in swap."""
    compressed: Annotated[int | None, Fact("compressed_bytes", unit="bytes")] = None
    """Bytes that zswap and zram take in memory."""
    over_high: Annotated[int | None, Fact("over_high", past="sum")] = None
    """How often a group was held back at its ``memory.high``."""
    at_max: Annotated[int | None, Fact("at_max", past="sum")] = None
    """How often it was about to go over its ``memory.max``."""
    killed: Annotated[int | None, Fact("oom_killed", past="sum")] = None
    """Processes that were killed for want of memory."""
    under_low: Annotated[int | None, Fact("under_low", past="sum")] = None
    """How often memory was taken from a group that had less than its ``memory.low``."""
    out: Annotated[int | None, Fact("out_of_memory", past="sum")] = None
    """How often a group was about to get no memory at its limit (``oom``), whether or not a process was killed then."""
    zswap_in: Annotated[float | None, Fact("zswap_in_bytes_per_s", digits=0, past="mean")] = None
    """Bytes a second that were read back out of zswap, which is no swapping in from a device."""
    zswap_out: Annotated[float | None, Fact("zswap_out_bytes_per_s", digits=0, past="mean")] = None
    zswap: Annotated[int | None, Fact("zswap_bytes", unit="bytes")] = None
    """Bytes that zswap takes in memory, of ``compressed``."""
    zram: Annotated[int | None, Fact("zram_bytes", unit="bytes")] = None
    """Bytes that zram devices take in memory, of ``compressed``; of the machine only."""
    group: Annotated[str | None, Fact("cgroup")] = None
    """The control group's path; None where this is of the whole machine."""
    note: Annotated[str | None, Fact("note")] = None
    """What is not told and why, one sentence; None where all files were there."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The regions of one whole aggregation.

    All region arrays have shape ``(regions,)``, dtype int64 and are read-only; regions are sorted by target, then
    address. Addresses are bytes. A snapshot with no regions can still carry ``module`` (tracefs hidden).
    """

    time: Annotated[float, Fact("time", unit="s", digits=6, signed=True)]
    """When the aggregation ended: seconds on the source's own clock (CLOCK_MONOTONIC for a kernel, model time)."""
    began: Annotated[float, Fact("began", unit="s", digits=6, signed=True)]
    """When it began, same clock."""
    wall: Annotated[float, Fact("unix_time", unit="s", digits=6)]
    """When it ended, seconds since 1970."""
    attrs: Attrs
    """In force while ``nr_accesses`` was counted: rates and bandwidth use these."""
    start: Annotated[Ints, Fact("start", axes=(REGIONS,))]
    end: Annotated[Ints, Fact("end", axes=(REGIONS,))]
    nr_accesses: Annotated[Ints, Fact("nr_accesses", axes=(REGIONS,))]
    age: Annotated[Ints, Fact("age", axes=(REGIONS,))]
    """Aggregations, each as long as ``next_attrs.aggr_us``."""
    target: Annotated[Ints, Fact(axes=(REGIONS,))]
    """Index into ``targets``."""
    origin: Annotated[Origin, Fact("origin")]
    next_attrs: Attrs
    """In force from now on; differs from ``attrs`` where this aggregation ended with a tuning step."""
    targets: Annotated[tuple[int, ...], Fact("targets")] = (0,)
    """The identifier of each target: a PID, or the kernel's ``target_id``."""
    names: Annotated[tuple[str, ...], Fact("name", axes=(REGIONS,))] = ()
    """What is mapped at each region ("" unknown); empty where nothing is known."""
    complete: Annotated[bool, Fact("complete", past="all")] = True
    """False where trace events were lost: regions are missing."""
    lost: Annotated[int, Fact("lost", past="sum")] = 0
    """Trace events lost in this aggregation."""
    late: Annotated[int, Fact("late")] = 0
    """Sampling deadlines missed since the start."""
    until_tuning: Annotated[int | None, Fact("until_tuning_aggrs")] = None
    """Aggregations until the next tuning step, None where nothing is tuned."""
    tuned_here: bool = False
    """Whether the intervals are tuned by this program, since the kernel (before 6.15) cannot."""
    module: Annotated[ModuleValues | None, Fact("kernel")] = None
    truth: Annotated[Truth | None, Fact("truth")] = None
    cpu: Annotated[float | None, Fact("overhead_cpu", digits=6, past="mean")] = None
    """CPU share (1.0 is one CPU) that the observer (kdamond, engine) took lately; None where unknown."""
    note: Annotated[str, Fact("note", past="either")] = ""
    """One sentence on what this snapshot lacks and how to get it; "" where it is whole."""
    resident: Annotated[Ints | None, Fact("resident", unit="bytes", axes=(REGIONS,))] = None
    """Bytes of each region that are in memory, where a region's addresses are not all memory (a process); None where
    they are, or where it is not known."""
    measured: Annotated[Measured | None, Fact("measured")] = None
    """What was touched, in bytes, where the source counts instead of sampling (a process through /proc)."""
    frames: Annotated[Frames | None, Fact(past="default")] = None
    """What page frames held, of physical memory; None where it cannot be had."""
    owners: Annotated[Owners | None, Fact(past="default")] = None
    """To whom page frames are charged, of physical memory; None where it cannot be had."""
    pressure: Annotated[Pressure | None, Fact("pressure")] = None
    """How hard memory was pressed; None where that was not looked at."""
    group: Annotated[Group | None, Fact("group")] = None
    """The control group that the target is, with what the kernel counts for it; None where the target is none."""
    free: Annotated[int | None, Fact("free_bytes", unit="bytes")] = None
    """Bytes that the kernel says are free (``MemFree``), of physical memory; None where unknown."""
    physical: Annotated[bool | None, Fact("physical")] = None
    """Whether addresses are those of physical memory; None where the source does not tell."""
    watched: Annotated[float | None, Fact("watched_s", unit="s", digits=6)] = None
    """Seconds for which this memory had been watched without a gap when the snapshot was taken; None where unknown."""

    def __post_init__(self) -> None:
        for array in (self.start, self.end, self.nr_accesses, self.age, self.target, self.resident):
            if array is not None:
                array.flags.writeable = False  # not `seal`: what it holds is sealed already, and this is often done

    def __len__(self) -> int:
        return len(self.start)

    @property
    def sizes(self) -> Ints:
        """Bytes of address space of each region, shape ``(regions,)``."""
        return self.end - self.start

    @property
    def memory(self) -> Ints:
        """Bytes of memory of each region, shape ``(regions,)``: what is resident where that is known, else its size."""
        return self.resident if self.resident is not None else self.end - self.start

    @property
    def total_bytes(self) -> int:
        """Bytes of memory of all regions."""
        return int(self.memory.sum())


OPTIONAL: tuple[Field, ...] = tuple(one for one in fields_of(Snapshot) if not one.given and one.name != "targets")
"""What a snapshot may hold beside its regions, times, attributes and targets: a field with a default."""

State = Literal["waiting", "on", "off", "gone", "ended"]


@dataclass(frozen=True, slots=True)
class Status:
    """A change of state between snapshots.

    ``waiting``: nothing to show yet, ``text`` says for what and how long that can take. ``on`` / ``off``: the switch,
    whoever turned it. ``gone``: what was watched disappeared (module unloaded, process ended). ``ended``: the source
    is exhausted (record at its end).
    """

    state: State
    text: str
    time: float
    """On the source's own clock."""
    wall: float
    due: float | None = None
    """When the awaited thing should have happened at the latest, source's clock."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a source is, where, and what it cannot tell.

    An object never changes; a source may describe itself otherwise once it has been entered and knows more.
    """

    target: str
    """The word on the command line that leads here: ``stat``, ``demo:server``, ``1234``."""
    title: str
    """For the title bar: ``DAMON_STAT``, ``synthetic memory: server``."""
    origin: Origin
    attrs: Attrs
    """The attributes at the start; tuning may change them."""
    host: str = ""
    kernel: str = ""
    speed: float = 1.0
    """Seconds of the source's clock to one second of ours; inf for as fast as it goes."""
    reason: str = ""
    """Why this target, where the user did not ask for it by name (``auto``): one sentence, with the remedy."""
    notice: str = ""
    """What must not be overlooked before anything is seen, such as what a killed run left: one clause."""
    locked: str = ""
    """Why the switch cannot be used ("read-only", "not root: …"); "" where it can."""
    limits: tuple[str, ...] = field(default=())
    """What this source cannot tell, one sentence each."""
    closer: str = ""
    """The word of a target that looks closer at the same memory, where one can be had here."""


@dataclass(frozen=True, slots=True, eq=False)
class Interim:
    """What is known while an aggregation is under way: DAMON_STAT's own numbers, and what else can be told.

    The module computes its numbers every 5 s from what was counted *so far*: memory that it says is in use stays so
    until the aggregation is whole, and the rest may still turn out to be in use. So this is shown as provisional, and
    replaced by the `Snapshot` of the whole aggregation. It is neither history nor recorded.
    """

    time: float
    """Source's clock."""
    wall: float
    """Seconds since 1970."""
    module: ModuleValues
    total: int | None = None
    """Bytes that the percentiles are shares of (the memory that DAMON_STAT covers); None where unknown."""
    free: int | None = None
    """Bytes that ``MemFree`` says are free."""
    large: tuple[tuple[int, str, int], ...] = ()
    """The largest processes: PID, name, resident bytes; largest first."""
    began: float | None = None
    """When the aggregation under way began, source's clock; None where unknown."""
    due: float | None = None
    """When it can be whole; None where unknown."""

    @property
    def in_use(self) -> float | None:
        """Share of memory that was found in use so far, 0 … 1; None before the module computed anything."""
        idle = self.module.idle_ms_percentiles
        if idle is None:
            return None
        # percentile p is the first region at which p % is reached, so that n negative values are between n - 1 and n %
        negative = sum(value <= 0 for value in idle)  # 0 on 6.17: what is idle is so for an aggregation at least
        return max(0, negative - 1) / 100


Event = Snapshot | Status | Interim
"""What a source yields."""


def ints(values: object) -> Ints:
    """``values`` as an int64 array of shape ``(n,)``."""
    return np.array(values, dtype=np.int64)
