"""How much memory was used within a time, and how much has been idle: one definition for every output.

"Used within T" is memory that was touched at least once in the last T seconds; all other memory is "idle for T". Where
the source counted bytes (`Measured`) the numbers are those counts; else they are the kernel's rule: a region with an
access is in use, one without has been idle for ``(age + 1)`` aggregations (``mm/damon/stat.c``).

Every function takes a `Snapshot` and returns bytes. None means "not known": memory that was not watched for T cannot
be said to be idle for T.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from damontui.damon import metrics
from damontui.damon.snapshot import KINDS, Ints, Snapshot

Floats = NDArray[np.float64]

NEAR = 1.02
"""A curve that reaches to within 2 % of a time is taken to reach it: readings come a little early or late."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes, and the ends of the interval that holds them (95 % where estimated, certain where measured)."""

    least: float
    bytes: float
    most: float


@lru_cache(maxsize=2)  # every pane asks for the same snapshot's, most of them row by row
def _idle_ms(snapshot: Snapshot) -> Ints:
    found = metrics.idle_ms(snapshot)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=2)
def watched(snapshot: Snapshot) -> float:
    """Seconds for which memory has been watched, as far as the snapshot tells: no idle time is longer."""
    if snapshot.measured is not None:
        return snapshot.measured.seconds[-1]
    oldest = float(np.abs(_idle_ms(snapshot)).max(initial=0)) / 1000
    return oldest if snapshot.watched is None else max(oldest, snapshot.watched)


def used_within(snapshot: Snapshot, seconds: float) -> Amount | None:
    """Bytes touched within the last ``seconds``; None where memory was not watched for so long."""
    measured = snapshot.measured
    if measured is not None:
        if not reaches(snapshot, seconds):
            return None
        curves = np.stack((measured.least, measured.used.sum(axis=0), measured.most))
        return Amount(*on_curve(measured.seconds, curves, seconds).tolist())
    if not reaches(snapshot, seconds):
        return None
    used = float(used_by_region(snapshot, seconds).sum())
    return Amount(used, used, used)


def idle_for(snapshot: Snapshot, seconds: float) -> Amount | None:
    """Bytes not touched for at least ``seconds``; None where memory was not watched for so long."""
    used = used_within(snapshot, seconds)
    if used is None:
        return None
    total = float(snapshot.total_bytes)
    return Amount(total - used.most, total - used.bytes, total - used.least)


def used_by_region(snapshot: Snapshot, seconds: float) -> Floats:
    """Bytes of each region touched within ``seconds``, shape ``(regions,)``; at most within the time watched."""
    measured = snapshot.measured
    if measured is not None:
        return on_curve(measured.seconds, measured.used, seconds)
    idle = _idle_ms(snapshot)
    return np.where(idle >= seconds * 1000, 0.0, snapshot.memory)


def reaches(snapshot: Snapshot, seconds: float) -> bool:
    """Whether memory was watched for ``seconds``, so that it can be said to have been idle for so long."""
    return len(snapshot) > 0 and seconds <= watched(snapshot) * NEAR


def idle_by_region(snapshot: Snapshot, seconds: float) -> Floats:
    """Bytes of each region not touched for at least ``seconds``, shape ``(regions,)``; 0 where that is not known."""
    if not reaches(snapshot, seconds):
        return np.zeros(len(snapshot))
    return snapshot.memory - used_by_region(snapshot, seconds)


def idle_ms_by_region(snapshot: Snapshot) -> Floats:
    """Idle time of each region in milliseconds, negative where in use, shape ``(regions,)``.

    Sampled: the kernel's (`metrics.idle_ms`). Measured: the time within which half of its bytes were touched, as its
    curve tells; in use is a region of which half was touched within the shortest time, for as long as its age says.
    """
    held = _idle_ms(snapshot).astype(np.float64)
    measured = snapshot.measured
    if measured is None:
        return held
    reached = measured.used * 2 >= np.maximum(snapshot.memory, 1)[:, None]
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), len(measured.seconds) - 1)
    idle = np.array(measured.seconds)[first] * 1000
    return np.where(reached[:, 0], -np.minimum(np.abs(held), watched(snapshot) * 1000), idle)


def in_use(snapshot: Snapshot) -> Floats:
    """Bytes of each region touched in this aggregation (at the shortest time measured), shape ``(regions,)``."""
    measured = snapshot.measured
    if measured is not None:
        return measured.used[:, 0].astype(np.float64)
    return metrics.in_use_of(snapshot.nr_accesses, snapshot.memory).astype(np.float64)


def rates(snapshot: Snapshot) -> Floats:
    """How hot each region is, 0 … 1, shape ``(regions,)``.

    Sampled: the share of samples that saw an access. Measured: the share of its bytes that was touched between this
    snapshot and the one before, or within the shortest time measured where that is longer.
    """
    measured = snapshot.measured
    if measured is None:
        return metrics.access_rates(snapshot)
    used = used_by_region(snapshot, max(snapshot.time - snapshot.began, measured.seconds[0]))
    return used / np.maximum(snapshot.memory, 1)


def bandwidth(snapshot: Snapshot) -> int:
    """Touched bytes a second: DAMON's estimate, or what was counted within the shortest time measured."""
    measured = snapshot.measured
    if measured is None:
        return metrics.bandwidth(snapshot)
    return int(measured.used[:, 0].sum() / measured.seconds[0])


def idle_percentiles(snapshot: Snapshot) -> tuple[int, ...]:
    """101 percentiles by bytes of idle time in milliseconds, rising.

    Sampled: the kernel's ``memory_idle_ms_percentiles``, negative where in use. Measured: 0 is memory touched within
    the shortest time; memory that was not touched at all has the time that was watched.
    """
    measured = snapshot.measured
    if measured is None:
        return metrics.idle_percentiles(snapshot)
    total = snapshot.total_bytes
    if total == 0:
        return (0,) * metrics.PERCENTILE_COUNT
    curve = measured.used.sum(axis=0) / total
    # as the kernel's: percentile p is the idle time of the byte at which p % of memory is reached
    place = np.searchsorted(curve, np.arange(metrics.PERCENTILE_COUNT) / 100 - 1e-12, side="left")
    times = np.round(np.array((0.0, *measured.seconds[1:], measured.seconds[-1])) * 1000).astype(np.int64)
    return tuple(times[np.minimum(place, len(measured.seconds))].tolist())


def by_kind(snapshot: Snapshot, seconds: float) -> dict[str, tuple[int, float]]:
    """Resident bytes of each kind, and how many of them were touched within ``seconds``; {} where kinds are unknown.

    A mapping with two kinds of memory (a private file mapping that was written to) shares out what was touched by
    their bytes, since the kernel tells only the sum.
    """
    measured = snapshot.measured
    if measured is None:
        return {}
    share = used_by_region(snapshot, seconds) / np.maximum(snapshot.memory, 1)
    resident = measured.kinds.sum(axis=0).tolist()
    used = (measured.kinds * share[:, None]).sum(axis=0).tolist()
    return {kind: (resident[at], used[at]) for at, kind in enumerate(KINDS)}


def curve(snapshot: Snapshot, seconds: Sequence[float]) -> list[Amount | None]:
    """`used_within` at each of ``seconds``."""
    return [used_within(snapshot, one) for one in seconds]


def on_curve(times: Sequence[float], curves: Ints, seconds: float) -> Floats:
    """Curves (``(…, times)``) at a time: linear in the logarithm of time between two measured ones."""
    at = int(np.searchsorted(times, seconds, side="left"))
    if at == 0 or at == len(times):
        return curves[..., min(at, len(times) - 1)].astype(np.float64)
    before, after = times[at - 1], times[at]
    share = np.log(seconds / before) / np.log(after / before)
    found: Floats = curves[..., at - 1] + (curves[..., at] - curves[..., at - 1]) * share
    return found
