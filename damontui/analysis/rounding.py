"""What DAMON counted and did not print: the part of ``nr_accesses`` that joining regions rounds away.

After each aggregation regions that touch and whose counts differ by at most a tenth of the largest count are joined,
left to right, and the joined count is the mean of both by size, *rounded down* (``damon_merge_two_regions`` of
``mm/damon/core.c``); only then is it printed. What was counted is right on average, so all that is wrong with the
kernel's bandwidth is this rounding: 1 to 10 % too low, and the more the more is joined.

How many parts a region was joined of is seen from the snapshot before: after it was printed each of its regions was
cut once, at random (not where there were more than half of the most regions). A region that begins and ends where old
ones did and holds ``m`` of them was ``2 m`` parts; each of its ends that is none of theirs is a new cut and leaves out
one part. A region that is one part has lost nothing.

What ``J`` parts lose. A join loses a fraction of one count, a half of it on average, on all bytes joined so far, and
nothing where both counts are equal. With a threshold ``d`` counts that are joined differ by ``-d … d``, so they are
unequal with the chance ``2 d / (2 d + 1)``. Of parts of equal size ``j`` of ``J`` are joined so far, hence

    lost(J, d) = 2 d / (2 d + 1) · Σ (j = 2 … J) ½ j / J = 2 d / (2 d + 1) · ((J + 1) / 4 − 1 / (2 J)) counts a byte,

at most 1 (with more parts the small ones are joined last, and those lose least).

A printed 0 may be parts of which some counted 1 or 2 beside larger ones that counted nothing. Where memory had a count
``k`` before (in looks of now), it has a part in a region printed 0 only if it counted at most ``d`` this time. Counts
being Poisson, that is ``k · P(Poisson(k) ≤ d − 1)`` on average, and no more than `lost` can be. What was printed 0
before is taken for 0: memory that is lost again and again stays lost (about 1 to 3 % of the bandwidth with at least 10
regions, under 1 % with 100).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import usage
from damontui.damon.snapshot import Ints, Snapshot

Floats = NDArray[np.float64]

_PARTS = 2
"""Number of parts that a region is taken to be joined of, where the snapshot before is not known."""
_MANY = 256
"""From this mean on a Poisson number of accesses is taken to be normally distributed."""
_MOST = 1.0
_STILL = 0.8


def lost(snapshot: Snapshot, before: Snapshot | None = None, of_before: Floats | None = None) -> Floats:
    """Counts that each region has lost on average by rounding (see above), shape ``(regions,)``.

    Args:
        snapshot: as it was printed, its aggregation whole.
        before: the snapshot of the aggregation before; one that is not adjacent counts as none, and then every region
            with a count is taken to be joined of two parts, and nothing is known of those printed 0.
        of_before: counts that the regions of ``before`` had lost, in its shape; None where that is not known.
    """
    looks = max(1, snapshot.attrs.max_nr_accesses)
    counts = snapshot.nr_accesses
    threshold = int(counts.max(initial=0)) // 10
    if not threshold or snapshot.measured is not None:  # only equal counts were joined
        return np.zeros(len(snapshot))
    if before is None or not _adjacent(snapshot, before):
        most = _lost_of(np.full(len(counts), _PARTS), threshold)
        return np.where(counts > 0, np.minimum(most, np.maximum(looks - counts, 0)), 0.0)
    parts, hidden = _joined(snapshot, before, threshold, of_before)
    most = _lost_of(parts, threshold)
    return np.minimum(most, np.where(counts > 0, np.maximum(looks - counts, 0), hidden))


def bandwidth(snapshot: Snapshot, lost: Floats) -> float:
    """Bytes touched a second, a page at most once in a sampling interval: the kernel's formula, with what was lost.

    Where the source counted bytes, as `damontui.analysis.usage.bandwidth`.
    """
    if snapshot.measured is not None:
        return float(usage.bandwidth(snapshot))
    counts = np.minimum(snapshot.nr_accesses, max(1, snapshot.attrs.max_nr_accesses)) + lost
    return float(snapshot.memory @ counts) * 1e6 / snapshot.attrs.aggr_us


class Rounding:
    """`lost` and `bandwidth` of one snapshot after the other, oldest first; copied with ``copy.copy``."""

    def __init__(self) -> None:
        self._before: Snapshot | None = None
        self._lost: Floats | None = None

    def lost(self, snapshot: Snapshot) -> Floats:
        """Counts that each region of the next snapshot has lost, shape ``(regions,)``."""
        self._lost = lost(snapshot, self._before, self._lost)
        self._before = snapshot
        return self._lost

    def bandwidth(self, snapshot: Snapshot) -> float:
        """Bytes touched a second in the next snapshot."""
        return bandwidth(snapshot, self.lost(snapshot))


def _adjacent(snapshot: Snapshot, before: Snapshot) -> bool:
    """Whether no aggregation lies between both (clocks are floating point, and a trace's lines come a little late)."""
    length = snapshot.time - snapshot.began
    whole = before.complete and not before.lost and before.measured is None and len(before) > 0
    return whole and before.time < snapshot.time and snapshot.began <= before.time + 0.5 * length


def _lost_of(parts: Ints, threshold: int) -> Floats:
    unequal = 2.0 * threshold / (2.0 * threshold + 1.0)
    return np.minimum(unequal * ((parts + 1) / 4.0 - 0.5 / parts), _MOST)


def _joined(snapshot: Snapshot, before: Snapshot, threshold: int, of_before: Floats | None) -> tuple[Ints, Floats]:
    """The number of parts each region was joined of, and the counts it hides if printed 0; shapes ``(regions,)``."""
    looks = max(1, snapshot.attrs.max_nr_accesses)
    expected = before.nr_accesses.astype(np.float64) * (looks / max(1, before.attrs.max_nr_accesses))
    hidden = _at_most(expected, threshold)
    if of_before is not None:
        hidden = np.where(before.nr_accesses > 0, hidden, _STILL * of_before)
    cuts = 1 if len(before) > before.attrs.max_regions // 2 else 2
    parts, had = np.ones(len(snapshot), np.int64), np.zeros(len(snapshot))
    place = {identifier: index for index, identifier in enumerate(before.targets)}
    for index, identifier in enumerate(snapshot.targets):
        new = np.flatnonzero(snapshot.target == index)
        old = np.flatnonzero(before.target == place.get(identifier, -1))
        if len(new) and len(old):
            start, end, first, last = snapshot.start[new], snapshot.end[new], before.start[old], before.end[old]
            inside = np.searchsorted(first, end, side="left") - np.searchsorted(last, start, side="right")
            ends = _others(start, first) + _others(end, last)
            parts[new] = np.maximum(cuts * inside - ends * (cuts - 1), 1)
            edges = np.ravel((first, last), order="F").astype(np.float64)
            below = np.repeat(np.concatenate(([0.0], np.cumsum(hidden[old] * (last - first)))), 2)[1:-1]
            # a record may say that a region has no bytes
            size = np.maximum(end - start, 1)
            had[new] = (np.interp(end, edges, below) - np.interp(start, edges, below)) / size
    return parts, had


def _others(edges: Ints, old: Ints) -> Ints:
    """1 where an edge is not among the old ones, else 0; both are sorted."""
    found: Ints = (old[np.minimum(np.searchsorted(old, edges), len(old) - 1)] != edges).astype(np.int64)
    return found


def _at_most(mean: Floats, most: int) -> Floats:
    """``E[n; n ≤ most]`` of a Poisson number ``n`` with that mean: the mean times the chance that ``n < most``.

    Of many the chance is that of a normal number, to a percent (a logistic curve): a sum of so many terms underflows,
    and takes as long as a damaged record says.
    """
    if most > _MANY:
        far = (most - 0.5 - mean) / np.sqrt(np.maximum(mean, 1.0))
        return mean / (1.0 + np.exp(np.clip(-1.702 * far, -500.0, 500.0)))
    term, total = np.exp(-mean), np.zeros_like(mean)
    for count in range(most):
        total += term
        term = term * mean / (count + 1)
    return mean * total
