"""Who was touched in a window of aggregations, and at which rate: what the counts of regions say of pieces of them.

The model. Memory is a map of *pieces*, the parts between all boundaries of late, joined again where neighbours agree.
In aggregation ``t`` a piece ``p`` of ``size`` bytes is touched at a rate ``r[p, t]``, so that a look at one of its
pages, which lasts a sampling interval ``s``, is positive with the chance ``q = min(1, r s)``. A region of ``S`` bytes
that was looked at ``N`` times at random pages gave ``n = N size / S`` looks to the piece, on average, and its count
``k`` is a sum over its pieces of which each has the mean ``n q``. Given the rates, the expected part of a piece in a
region's count is therefore ``A = k n q / Σ n q`` (the E step of expectation maximisation for a sum of counts). Given
the parts, the rate is the ratio of parts to time looked at, ``Σ w A / Σ w n s``, weighted by ``w = 2^(-|t - t'|/8)``
over the aggregations before *and* after (the M step; a rate is taken to change slowly). Four rounds of both are made
over a window of the last aggregations (`estimator.LAG`); what is older is in sums that decay alike. A piece can be
given more than the looks that fell there only as far as chance goes (two standard deviations); what is over goes to the
others.

The decision. A piece counts as touched in an aggregation where its part is a good share of what its region has on the
mean, ``A / n ≥ part · k / N``, and where its chance of a positive look, weighted over time, makes it likely enough
that a page was touched within the aggregation, ``N Σ w A / Σ w n ≥ touches``: one stray look in a quiet area is no
touch of all of it. Of a small region less is asked, since a look there stands for less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import rounding
from damontui.analysis.pieces import FELL, FLOOR, LAST_TOUCHES, LOOKED, PARTS, PLAIN, RESTED, SEEN, SPARED, WINDOW_SUMS
from damontui.damon.snapshot import Ints, Snapshot

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HALF_LIFE = 8.0
"""Aggregations in which the weight of one falls to a half."""
_ROUNDS = 4
"""How often the counts are shared out by the rates, and the rates taken anew from the parts."""
_SLACK = 2.0
"""Standard deviations by which a piece can be given more than the looks that fell there."""
_DECISIONS = ((0.005, 0.01), (0.2, 0.5), (0.8, 2.0))
"""``part`` and ``touches`` of the lenient, the plain and the strict decision."""
_LARGE = 30.0
"""A region of a thirtieth of all memory is large: there the whole of `touches` is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Aggregation:
    """One aggregation in the window; arrays of shape ``(regions,)``."""

    snapshot: Snapshot
    count: Floats
    """As printed, and what a count over 0 has lost by rounding."""
    share: Floats
    """Of each region that was touched, if its pages are touched alike (what was printed 0 may hide some)."""
    looks: Floats
    size: Floats
    sample_s: float
    bandwidth: float
    began: float
    time: float

    @classmethod
    def of(cls, snapshot: Snapshot, lost: Floats) -> Aggregation:
        """That of a snapshot, from whose counts so much was ``lost`` by rounding, shape ``(regions,)``."""
        looks = np.full(len(snapshot), float(max(1, snapshot.attrs.max_nr_accesses)))
        counts = np.minimum(snapshot.nr_accesses, looks)
        return cls(
            snapshot=snapshot,
            count=np.where(counts > 0, counts + lost, 0.0),
            share=1.0 - (1.0 - np.minimum((counts + lost) / looks, 1.0)) ** looks,
            looks=looks,
            size=snapshot.sizes.astype(np.float64),
            sample_s=snapshot.attrs.sample_us / 1e6,
            bandwidth=rounding.bandwidth(snapshot, lost),
            began=snapshot.began,
            time=snapshot.time,
        )

    def shares_of(self, size: Ints, region: Ints) -> Floats:
        """Of pieces of so many bytes in each one's region, 0 where that is -1; shape ``(pieces,)``."""
        return np.where(region >= 0, size / self.size[region], 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What the window says; arrays of shape ``(columns, pieces)``, ``touched`` with the decisions first."""

    parts: Floats
    looked_s: Floats
    fell: Floats
    rate: Floats
    chance: Floats
    touched: Bools

    def keep(self, column: int, of: Aggregation, state: Floats) -> None:
        """Write one column, the oldest that is not kept yet, into the pieces' state: it is final."""
        state[WINDOW_SUMS] *= 2.0 ** (-1.0 / HALF_LIFE)
        state[PARTS] += self.parts[column]
        state[LOOKED] += self.looked_s[column]
        state[FELL] += self.fell[column]
        note(state, self.touched[:, column], self.chance[column], of)

    def after(self, columns: int) -> Solution:
        """Without the oldest so many columns."""
        parts, looked_s, fell = self.parts[columns:], self.looked_s[columns:], self.fell[columns:]
        return Solution(parts, looked_s, fell, self.rate[columns:], self.chance[columns:], self.touched[:, columns:])


def solved(columns: Sequence[Aggregation], region: Ints, size: Ints, state: Floats) -> Solution:
    """Share out the counts of a window and decide who was touched: *the model* and *the decision* of this module.

    Args:
        columns: the window.
        region: of each piece in each column, -1: none; shape ``(columns, pieces)``.
        size: bytes of the pieces, shape ``(pieces,)``.
        state: of the pieces before the window, shape ``(rows, pieces)``.
    """
    first = np.cumsum([0, *(len(column.count) for column in columns)])
    region = np.where(region >= 0, region + first[:-1, None], first[-1])
    count = np.concatenate([*(column.count for column in columns), [0.0]])
    looks = np.concatenate([*(column.looks for column in columns), [1.0]])
    sizes = np.concatenate([*(column.size for column in columns), [np.inf]])
    share = size / sizes[region]
    fell = looks[region] * share  # looks that fell on each piece
    most = fell + _SLACK * np.sqrt(fell * np.maximum(1.0 - share, 0.0))
    sample = np.array([column.sample_s for column in columns])[:, None]
    times = np.arange(len(columns))
    weights = 2.0 ** (-np.abs(times[:, None] - times) / HALF_LIFE)
    before = 2.0 ** (-(times[:, None] + 1) / HALF_LIFE)
    looked = fell * sample
    time = weights @ looked + before * state[LOOKED] + 1e-12
    parts_before = before * state[PARTS]
    mean = (count / looks)[region]
    parts = fell * mean
    rate = parts
    for _ in range(_ROUNDS):  # in place: half of the time went into memory for what is between two steps
        rate = weights @ parts
        rate += parts_before
        rate /= time
        expected = np.clip(rate * sample, FLOOR, 1.0)
        expected *= fell
        parts = _ratio(count, expected, region)
        parts *= expected
        np.minimum(parts, most, out=parts)
        room = most - parts
        room *= _ratio(count - _sums(parts, region, len(count)), room, region)
        parts += room
    chance = (weights @ parts + parts_before) / (weights @ fell + before * state[FELL] + 1e-12)
    touches = chance * looks[region]
    # the larger a region, the more of its pages a single look stands for
    large = np.minimum(1.0, _LARGE * sizes[region] / float(size.sum()))
    touched = np.stack(
        [(parts > part * fell * mean) & (touches > least * large) & (mean > 0) for part, least in _DECISIONS]
    )
    return Solution(parts, looked, fell, rate, chance, touched)


def note(state: Floats, touched: Bools, chance: Floats, column: Aggregation) -> None:
    """Write one column's decisions, shape ``(decisions, pieces)``, and chances of a look into the pieces' state."""
    used = touched[PLAIN]
    going = state[SEEN + PLAIN] >= column.began - 1e-6
    spared = np.minimum(1.0 - np.minimum(chance, 1.0), np.where(going, state[SPARED], 1.0))
    state[SPARED] = np.where(used, spared, state[SPARED])
    state[LAST_TOUCHES][touched] = column.time
    state[RESTED][~touched[PLAIN]] = column.time


def _sums(values: Floats, region: Ints, regions: int) -> Floats:
    """Sums over the pieces of each region, shape ``(regions,)``."""
    sums: Floats = np.bincount(region.ravel(), values.ravel(), minlength=regions).astype(np.float64, copy=False)
    return sums


def _ratio(count: Floats, values: Floats, region: Ints) -> Floats:
    """``count`` over the sum of ``values`` of each region, at each piece; 0 where there is nothing to share out."""
    sums = _sums(values, region, len(count))
    ratio: Floats = np.maximum(count, 0.0)
    ratio /= np.maximum(sums, 1e-12, out=sums)
    return ratio.take(region)
