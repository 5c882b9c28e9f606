"""What one aggregation found, and what a source says beside it. Immutable: safe to hand from thread to thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import Attrs

Ints = NDArray[np.int64]
Origin = Literal["simulated", "process", "kernel", "record"]


@dataclass(frozen=True, slots=True)
class ModuleValues:
    """DAMON_STAT's own numbers as the kernel showed them; None where this kernel lacks the file."""

    enabled: bool
    bandwidth: int | None = None
    """``estimated_memory_bandwidth``, bytes per second: read mid-count, so usually too low."""
    idle_ms_percentiles: tuple[int, ...] | None = None
    """``memory_idle_ms_percentiles``: 101 milliseconds; negative is memory in use (0 on 6.17)."""
    aggr_interval_us: int | None = None
    kdamond_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of synthetic memory over the same aggregation, computed from the model."""

    working_set_bytes: int
    """Bytes whose expected number of touches in the aggregation interval is such that at least one came."""
    bandwidth: float
    """Bytes per second that were touched, counted as DAMON counts: a page at most once in a sampling interval."""
    idle_ms_percentiles: tuple[int, ...]
    """101 values, as ``memory_idle_ms_percentiles`` of perfect knowledge; negative where in use."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The regions of one whole aggregation.

    All region arrays have shape ``(regions,)``, dtype int64 and are read-only; regions are sorted by target, then
    address. Addresses are bytes. A snapshot with no regions can still carry ``module`` (tracefs hidden).
    """

    time: float
    """When the aggregation ended: seconds on the source's own clock (CLOCK_MONOTONIC for a kernel, model time)."""
    began: float
    """When it began, same clock."""
    wall: float
    """When it ended, seconds since 1970."""
    attrs: Attrs
    """In force while ``nr_accesses`` was counted: rates and bandwidth use these."""
    start: Ints
    end: Ints
    nr_accesses: Ints
    age: Ints
    """Aggregations, each as long as ``next_attrs.aggr_us``."""
    target: Ints
    """Index into ``targets``."""
    origin: Origin
    next_attrs: Attrs
    """In force from now on; differs from ``attrs`` where this aggregation ended with a tuning step."""
    targets: tuple[int, ...] = (0,)
    """The identifier of each target: a PID, or the kernel's ``target_id``."""
    names: tuple[str, ...] = ()
    """What is mapped at each region ("" unknown); empty where nothing is known."""
    complete: bool = True
    """False where trace events were lost: regions are missing."""
    lost: int = 0
    """Trace events lost in this aggregation."""
    late: int = 0
    """Sampling deadlines missed since the start."""
    until_tuning: int | None = None
    """Aggregations until the next tuning step, None where nothing is tuned."""
    tuned_here: bool = False
    """Whether the intervals are tuned by this program, since the kernel (before 6.15) cannot."""
    module: ModuleValues | None = None
    truth: Truth | None = None
    cpu: float | None = None
    """CPU share (1.0 is one CPU) that the observer (kdamond, engine) took lately; None where unknown."""
    note: str = ""
    """One sentence on what this snapshot lacks and how to get it; "" where it is whole."""

    def __post_init__(self) -> None:
        for array in (self.start, self.end, self.nr_accesses, self.age, self.target):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.start)

    @property
    def sizes(self) -> Ints:
        """Bytes of each region, shape ``(regions,)``."""
        return self.end - self.start

    @property
    def total_bytes(self) -> int:
        """Bytes of all regions."""
        return int(self.sizes.sum())


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
    """What a source is, where, and what it cannot tell. Frozen for the life of the source."""

    target: str
    """The word on the command line that leads here: ``stat``, ``demo:server``, ``1234``."""
    title: str
    """For the title bar: ``DAMON_STAT``, ``synthetic memory: server``."""
    origin: Origin
    attrs: Attrs
    """At the start."""
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


Event = Snapshot | Status
"""What a source yields."""


def ints(values: object) -> Ints:
    """``values`` as an int64 array of shape ``(n,)``."""
    return np.array(values, dtype=np.int64)
