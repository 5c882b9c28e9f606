"""Numbers of a snapshot: bandwidth, idle time and its percentiles, working set, temperature, rates.

Every function takes a `Snapshot` (or arrays of shape ``(regions,)``) and returns plain numbers or int64 arrays. The
formulas are the kernel's (``mm/damon/stat.c``) with its integer arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import BASIS_POINTS
from damontui.damon.snapshot import Ints, Snapshot

PERCENTILE_COUNT = 101
"""From 0 to 100."""


def bandwidth(snapshot: Snapshot) -> int:
    """``estimated_memory_bandwidth``: bytes per second, 0 without regions (``stat.rst``).

    Counts one access of a sampled page as an access of its whole region, so it is an estimate of touched bytes per
    second, not of bus traffic. Uses the interval in which the accesses were counted.
    """
    # int64 holds 2^48 bytes times 2^14 accesses; the multiplication that could overflow is Python's
    return int((snapshot.memory * snapshot.nr_accesses).sum()) * 1_000_000 // snapshot.attrs.aggr_us


def observed_access_bp(snapshot: Snapshot) -> int:
    """Share of positive access checks by bytes, in basis points: what auto-tuning holds at ``goal.access_bp``."""
    possible = snapshot.total_bytes * snapshot.attrs.max_nr_accesses
    return int((snapshot.memory * snapshot.nr_accesses).sum()) * BASIS_POINTS // max(1, possible)


def idle_ms(snapshot: Snapshot) -> Ints:
    """Idle time of each region in milliseconds; negative where in use: minus how long (``stat.rst``).

    Ages are in units of the interval in force from now on.
    """
    milliseconds = (snapshot.age + 1) * snapshot.next_attrs.aggr_us // 1000
    return np.where(snapshot.nr_accesses > 0, -milliseconds, milliseconds)


def percentiles_of(idle: Ints, sizes: Ints) -> tuple[int, ...]:
    """The 101 percentiles by bytes of ``idle`` (shape ``(regions,)``): a step function, no interpolation.

    Percentile p is the value of the first region, in rising order, at which ``accumulated * 100 // total >= p``.
    Zeros where there are no bytes.
    """
    total = int(sizes.sum())
    if total == 0:
        return (0,) * PERCENTILE_COUNT
    order = np.argsort(idle, kind="stable")
    # accumulated * 100 stays below 2^63 up to 83 PiB
    reached = np.cumsum(sizes[order]) * 100 // total
    first = np.searchsorted(reached, np.arange(PERCENTILE_COUNT), side="left")
    return tuple(idle[order][np.minimum(first, len(order) - 1)].tolist())


def idle_percentiles(snapshot: Snapshot) -> tuple[int, ...]:
    """``memory_idle_ms_percentiles`` of a whole aggregation: 101 milliseconds, rising."""
    return percentiles_of(idle_ms(snapshot), snapshot.memory)


def idle_at_least(snapshot: Snapshot, milliseconds: float) -> int:
    """Bytes idle for at least that long: the reclaim candidates of a threshold."""
    return int(snapshot.memory[idle_ms(snapshot) >= milliseconds].sum())


def working_set(snapshot: Snapshot) -> int:
    """Bytes of the regions with an access in this aggregation."""
    return int(snapshot.memory[snapshot.nr_accesses > 0].sum())


def access_rates(snapshot: Snapshot) -> NDArray[np.float64]:
    """Share of the samples that saw an access, 0…1, shape ``(regions,)``."""
    return snapshot.nr_accesses / max(1, snapshot.attrs.max_nr_accesses)


def temperatures(snapshot: Snapshot) -> NDArray[np.float64]:
    """Temperature of each region with the usual weights (rate 100, age 100, size 0); negative where not accessed."""
    percent = access_rates(snapshot) * 100
    heat = percent * 100 + snapshot.age * float(snapshot.next_attrs.aggr_us) * 100
    return np.where(snapshot.nr_accesses > 0, heat, -heat)
