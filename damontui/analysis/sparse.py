"""Pages that are not touched between others that are, which look in use in every region that is larger than a page.

Pages between others. With a page drawn anew for every look the count of a region of many pages is binomial, and its
chance is the mean of its pages' chances ``q``: one page in four always, and all of them a quarter of the time, give
the same counts, by whatever boundaries. Only regions of a page tell them apart, which DAMON makes where counts differ
page by page. Of single pages that were touched at all ``E[q²] / E[q]``, the chance at a page weighted by its touches,
is ``Σ k (k - 1) / (N - 1) / Σ k``: it does not matter how many untouched ones were printed. Where that is `_APART`
times the chance of the surroundings (a region of the largest size to either side) and that of regions of up to four
pages there is about the same as that of all of it (less than `_NO_MORE` times), so that they are no chosen few, then
``1 - mean / page`` of what is used there is taken for pages that are not (`Estimate.unused`), and at most ``1 - q`` of
any piece that is used.

Mixed memory. A machine that has run for long hands out page frames in no order, so that what is always in use and what
never is lie side by side in every region, and regions alone would say that all of it is used a little. Whether it is
so is seen from outside of DAMON: where page frames were drawn (`damontui.kernel.pages`), those that lie nearer than
regions can tell apart are of unlike kinds as often as distant ones (`Frames.mixed` is 1), or nearly never (0). In mixed
memory a piece that is larger than that is taken for pages that are in use and pages that are not: of its bytes
``1 - q / page`` are idle, as far as memory is mixed, with the chance of single pages in use that were seen anywhere,
and as if two more had been seen in use half of the time. Until DAMON has come upon a few small regions that are used
far more than the rest, half of that is taken: pages may be of unlike kinds and still be used alike. Who knows no
frames, or has one kind of memory only, knows nothing of this.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from damontui.analysis.pieces import ALONE, HIT_LOOKS, HITS, ONCE, PLAIN, SEEN, SMALL_SUMS, SPARED, SPOTS, TWICE, Pieces
from damontui.analysis.window import Aggregation
from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import FINE, Ints, Snapshot

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SMALL = 4 * PAGE_SIZE
"""Regions of so many bytes at most show what pages beside each other are like."""
_PAGES = 2.0
"""Least number of pages seen alone, in reach, from which is told what the others are like."""
_APART = 2.5
"""How much more often than its surroundings a page that is seen alone must be touched, for these to be sparse."""
_NO_MORE = 2.0
"""How much more often than the surroundings the small regions there may be touched, all together, to count as a fair
sample of them. They are few, so their mean is uncertain; it has to be below `_APART`, or pages that were cut out just
because they are used more would tell what the others are like."""
_MIXED = (0.3, 0.8)
"""From where on memory is taken to be mixed (`Frames.mixed`), and where it is throughout."""
_BELIEVED_AT_FIRST, _SPOTS_SEEN = 0.5, 4.0
"""How far that is believed until some region of a few pages was used far more than the rest, and how many of them are
enough to believe all of it. Until then memory may as well be used all over: this is the middle of both."""
_EVEN = 0.5
"""The chance of a look at a page in use, where nothing is known of it."""
_REMEMBERED = 512.0
"""Aggregations after which half of what single pages said is forgotten: of what kind memory is changes seldom."""


class SmallRegions:
    """Which regions of a few pages there were in the aggregation before: one that stays counts once."""

    def __init__(self) -> None:
        self._singles: Ints = np.empty(0, np.int64)
        self._spots: Ints = np.empty(0, np.int64)

    def write_to(self, pieces: Pieces, region: Ints, column: Aggregation) -> None:
        """Write into the pieces' state what regions of a few pages say of how those beside each other are touched.

        Args:
            pieces: of their state `SMALL_SUMS` are written, which `unused` reads.
            region: of each piece in the aggregation, -1: none; shape ``(pieces,)``.
            column: the aggregation.
        """
        state = pieces.state
        state[SMALL_SUMS] *= 2.0 ** (-1.0 / _REMEMBERED)
        if column.size.min() > _SMALL:
            return
        small = column.size <= _SMALL
        piece = np.flatnonzero((region >= 0) & small[region])
        at = region[piece]
        count, looks = column.snapshot.nr_accesses[at].astype(np.float64), column.looks[at]
        pages = pieces.sizes[piece] / PAGE_SIZE
        state[HITS, piece] += count * pages
        state[HIT_LOOKS, piece] += looks * pages
        # those far above all of memory, each at its first page and for as long as it stays
        mean = float(column.snapshot.nr_accesses @ column.size) / float(column.size.sum())
        spot = (count > _APART * mean) & (pieces.start[piece] == column.snapshot.start[at])
        state[SPOTS, piece[spot]] += ~_among(column.snapshot.start[at[spot]], self._spots)
        self._spots = np.sort(column.snapshot.start[at[spot]])
        single = (column.size[at] <= PAGE_SIZE) & (count > 0)
        piece, at, count, looks = piece[single], at[single], count[single], looks[single]
        state[TWICE, piece] += count * (count - 1.0) / np.maximum(looks - 1.0, 1.0)
        state[ONCE, piece] += count
        # a page that stays alone counts once
        state[ALONE, piece] += ~_among(column.snapshot.start[at], self._singles)
        self._singles = np.sort(column.snapshot.start[at])


def unused(state: Floats, size: Ints, snapshot: Snapshot) -> tuple[Floats | None, Floats | None]:
    """The share of each piece that is never touched though its surroundings are, and its upper end.

    Args:
        state: of the pieces, shape ``(rows, pieces)``.
        size: bytes of the pieces, int64, shape ``(pieces,)``.
        snapshot: the newest; of physical memory its frames tell how mixed it is.

    Returns:
        Both None where no memory is known to be sparse.
    """
    used = np.isfinite(state[SEEN + PLAIN]) & (state[SPARED] < 1.0)
    sparse = _between_single_pages(state, size, used, snapshot.attrs.min_regions)
    mixed = _in_mixed_memory(state, size, snapshot)
    if sparse is None and mixed is None:
        return None, None
    unused = np.maximum(0.0 if sparse is None else sparse, 0.0 if mixed is None else mixed)
    # where some of it is sparse the rest may be, too: pages were seen alone here and there only
    return np.where(used, unused, 0.0), np.where(used, np.maximum(unused, state[SPARED]), 0.0)


def _between_single_pages(state: Floats, size: Ints, used: Bools, min_regions: int) -> Floats | None:
    """What of each piece in use is not touched, as pages that are regions of their own tell; None where none does."""
    if state[ALONE].sum() < _PAGES:
        return None
    chance = 1.0 - state[SPARED]
    edges = np.concatenate(([0.0], np.cumsum(size, dtype=np.float64)))
    middle = (edges[:-1] + edges[1:]) / 2.0
    # as large as one of the fewest regions that there may be is what is in reach
    reach = np.maximum(edges[-1] / max(3, min_regions), size / 2.0)
    ends = np.clip(np.stack((middle - reach, middle + reach)), 0.0, edges[-1])
    piece = np.clip(np.searchsorted(edges, ends, side="right") - 1, 0, len(size) - 1)
    far = (ends - edges[piece]) / np.maximum(size[piece], 1)

    def around(values: Floats) -> Floats:
        below = np.cumsum(values)[piece] + values[piece] * (far - 1.0)
        found: Floats = below[1] - below[0]
        return found

    bytes_used = size.astype(np.float64) * used
    mean = around(bytes_used * chance) / np.maximum(around(bytes_used), 1.0)
    page = around(state[TWICE]) / np.maximum(around(state[ONCE]), 1e-9)
    sample = around(state[HITS]) / np.maximum(around(state[HIT_LOOKS]), 1.0)
    sparse = used & (around(state[ALONE]) >= _PAGES) & (page > _APART * mean) & (sample < _NO_MORE * mean)
    if not sparse.any():
        return None
    here = np.where(chance > _APART * mean, chance, mean)
    return np.where(sparse, 1.0 - np.minimum(here / np.maximum(page, 1e-9), 1.0), 0.0)


def _in_mixed_memory(state: Floats, size: Ints, snapshot: Snapshot) -> Floats | None:
    """What of each piece is not touched if it is in use, as page frames tell; None where memory is not mixed."""
    mixed = 0.0 if snapshot.frames is None else _strength(snapshot.frames.mixed)
    if not mixed:
        return None
    mixed *= _BELIEVED_AT_FIRST + (1.0 - _BELIEVED_AT_FIRST) * min(1.0, float(state[SPOTS].sum()) / _SPOTS_SEEN)
    known = float(state[ALONE].sum())
    # of pages alone anywhere; before there are any, an even guess between hardly ever and always
    hot = (known * state[TWICE].sum() / max(state[ONCE].sum(), 1e-9) + _PAGES * _EVEN) / (known + _PAGES)
    large = size * FINE > size.sum()
    return np.where(large, mixed * (1.0 - np.minimum((1.0 - state[SPARED]) / hot, 1.0)), 0.0)


def _strength(mixed: float | None) -> float:
    """How far memory is taken to be mixed below what regions can tell apart: not at all … throughout (0 … 1)."""
    low, high = _MIXED
    return 0.0 if mixed is None else min(1.0, max(0.0, (mixed - low) / (high - low)))


def _among(values: Ints, known: Ints) -> Bools:
    """Which values are among those known, which are sorted; `numpy.isin` sorts both, three times as slow."""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    found: Bools = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found
