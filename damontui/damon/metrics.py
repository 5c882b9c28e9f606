"""Numbers of snapshots: bandwidth, idle time and its percentiles, working set, temperature, rates.

Each formula stands here once, over arrays of any length, so that it serves one snapshot and a whole record alike: the
functions below take arrays of shape ``(regions,)`` and return such; those at the end take a `Snapshot`. The formulas
are the kernel's (``mm/damon/stat.c``) with its integer arithmetic. Intervals are in microseconds, of all regions or of
each.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import BASIS_POINTS
from damontui.damon.snapshot import Ints, Snapshot

Floats = NDArray[np.float64]
Exact = TypeVar("Exact", Fraction, Floats)
"""A `Fraction`, whose whole part is the kernel's number; or a float64 array, one number for each snapshot."""

PERCENTILE_COUNT = 101
"""From 0 to 100."""


def sums(values: Ints, offsets: Ints) -> Ints:
    """The sum over the regions ``offsets[i]:offsets[i + 1]`` of each snapshot ``i``, shape ``(snapshots,)``."""
    total = np.zeros(len(values) + 1, np.int64)
    # exact although it may wrap: a difference of wrapped sums is the sum between, which fits
    np.cumsum(values, out=total[1:])
    return total[offsets[1:]] - total[offsets[:-1]]


def bandwidth_of(touched: Exact, aggr_us: Exact) -> Exact:
    """Bytes per second: ``touched`` is the sum over regions of bytes × ``nr_accesses``, counted within ``aggr_us``."""
    return touched * 1_000_000 / aggr_us


def observed_of(touched: Exact, total: Exact, most: Exact) -> Exact:
    """Share of positive access checks by bytes: ``touched`` of ``total`` bytes (over 0) × ``most`` accesses."""
    return touched / (total * most)


def idle_ms_of(nr_accesses: Ints, age: Ints, next_aggr_us: Ints | int) -> Ints:
    """Milliseconds idle; where in use, minus the milliseconds it was so. Ages count intervals of ``next_aggr_us``."""
    milliseconds = (age + 1) * next_aggr_us // 1000
    return np.where(nr_accesses > 0, -milliseconds, milliseconds)


def temperatures_of(nr_accesses: Ints, age: Ints, most: Ints | int, next_aggr_us: Ints | int) -> Floats:
    """Temperature with damo's usual weights (rate 100, age 100, size 0); negative where not accessed.

    Args:
        nr_accesses: samples that saw an access, shape ``(regions,)``.
        age: in aggregations of ``next_aggr_us``, same shape.
        most: the greatest possible ``nr_accesses``.
        next_aggr_us: the aggregation interval in which ages are counted, microseconds.
    """
    heat = nr_accesses * (1e4 / most) + age * (next_aggr_us * 100.0)
    return np.where(nr_accesses > 0, heat, -heat)


def in_use_of(nr_accesses: Ints, memory: Ints) -> Ints:
    """Bytes that were accessed in the aggregation."""
    return np.where(nr_accesses > 0, memory, 0)


def at_least(idle: Ints, weights: NDArray[Any], thresholds: Floats | Ints | Sequence[float]) -> NDArray[Any]:
    """The summed weights of the regions that are idle for at least each threshold.

    ``idle`` has the shape ``(regions,)``, ``weights`` ``(…, regions)``, ``thresholds`` one axis and the unit of
    ``idle``; the result has the shape ``(…, thresholds)`` and the dtype of ``weights``.
    """
    order = np.argsort(idle, kind="stable")
    over = np.zeros((*weights.shape[:-1], len(idle) + 1), weights.dtype)
    np.cumsum(weights.take(order[::-1], axis=-1), axis=-1, out=over[..., 1:])
    return over.take(len(idle) - np.searchsorted(idle[order], thresholds), axis=-1)


def percentiles(values: Ints, memory: Ints, offsets: Ints) -> Ints:
    """The 101 percentiles by bytes of each snapshot's ``values``: shape ``(snapshots, 101)``.

    A step function, no interpolation: percentile p is the value of the first region, in rising order, at which
    ``accumulated * 100 // total >= p``. Zeros where there are no bytes.
    """
    count = len(offsets) - 1
    of = np.repeat(np.arange(count), offsets[1:] - offsets[:-1])
    order = np.lexsort((values, of)) if count > 1 else np.argsort(values, kind="stable")
    below = np.zeros(len(values) + 1, np.int64)
    np.cumsum(memory[order], out=below[1:])
    base = below[offsets]
    total = base[1:] - base[:-1]
    # accumulated * 100 stays below 2^63 up to 83 PiB
    reached = (below[1:] - base[of]) * 100 // np.maximum(1, total)[of]
    # rising over all snapshots, so that one search finds a percentile in each of them
    there = np.flatnonzero(total)
    wanted = there[:, None] * (PERCENTILE_COUNT + 1) + np.arange(PERCENTILE_COUNT)
    place = np.searchsorted(reached + of * (PERCENTILE_COUNT + 1), wanted)
    found: Ints = np.zeros((count, PERCENTILE_COUNT), np.int64)
    found[there] = values.take(order.take(np.minimum(place, offsets[1:][there, None] - 1)))
    return found


def percentiles_of(values: Ints, memory: Ints) -> tuple[int, ...]:
    """The 101 `percentiles` by bytes of one snapshot."""
    return tuple(percentiles(values, memory, np.array((0, len(values))))[0].tolist())


# --- of one snapshot ------------------------------------------------------------------------------------------------


def bandwidth(snapshot: Snapshot) -> int:
    """``estimated_memory_bandwidth``: bytes per second, 0 without regions (``stat.rst``).

    Counts one access of a sampled page as an access of its whole region, so it is an estimate of touched bytes per
    second, not of bus traffic. Uses the interval in which the accesses were counted.
    """
    return int(bandwidth_of(_touched(snapshot), Fraction(snapshot.attrs.aggr_us)))


def observed_access_bp(snapshot: Snapshot) -> int:
    """Share of positive access checks by bytes, in basis points: what auto-tuning holds at ``goal.access_bp``."""
    total, most = Fraction(max(1, snapshot.total_bytes)), Fraction(snapshot.attrs.max_nr_accesses)
    return int(observed_of(_touched(snapshot), total, most) * BASIS_POINTS)


def _touched(snapshot: Snapshot) -> Fraction:
    # int64 holds 2^48 bytes times 2^14 accesses; the multiplication that could overflow is Python's
    return Fraction(int((snapshot.memory * snapshot.nr_accesses).sum()))


def idle_ms(snapshot: Snapshot) -> Ints:
    """Idle time of each region in milliseconds; where in use, minus the milliseconds it was so (``stat.rst``)."""
    return idle_ms_of(snapshot.nr_accesses, snapshot.age, snapshot.next_attrs.aggr_us)


def idle_percentiles(snapshot: Snapshot) -> tuple[int, ...]:
    """``memory_idle_ms_percentiles`` of a whole aggregation: 101 milliseconds, rising."""
    return percentiles_of(idle_ms(snapshot), snapshot.memory)


def idle_at_least(snapshot: Snapshot, milliseconds: float) -> int:
    """Bytes idle for at least that long: the reclaim candidates of a threshold."""
    return int(at_least(idle_ms(snapshot), snapshot.memory, (milliseconds,))[0])


def working_set(snapshot: Snapshot) -> int:
    """Bytes of the regions with an access in this aggregation."""
    return int(in_use_of(snapshot.nr_accesses, snapshot.memory).sum())


def access_rates(snapshot: Snapshot) -> Floats:
    """Share of the samples that saw an access, 0…1, shape ``(regions,)``."""
    return snapshot.nr_accesses / max(1, snapshot.attrs.max_nr_accesses)


def temperatures(snapshot: Snapshot) -> Floats:
    """Temperature of each region (`temperatures_of`), shape ``(regions,)``."""
    attrs = snapshot.attrs
    return temperatures_of(
        snapshot.nr_accesses, snapshot.age, max(1, attrs.max_nr_accesses), snapshot.next_attrs.aggr_us
    )
