"""A number over time: its mean in each of some equal slots, as a line on the screen or a column of a report has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SLIVER = 1e-6
"""Share of a slot below which an overlap is a rounding error."""
_LEAST_S = 1e-9
"""Seconds that an aggregation counts for at least."""


def slots(until: float, span: float, columns: int) -> Floats:
    """Edges of ``columns`` slots of time, ``(begin, end]``, that end with the slot of ``until``; one edge more.

    Slots begin at multiples of their length, so that a value stays in its column until the picture moves on by one.

    Args:
        until: seconds.
        span: seconds of all slots together.
        columns: how many.
    """
    slot = span / columns
    stop = int(np.ceil(until / slot - 1e-9))
    return np.arange(stop - columns, stop + 1, dtype=np.float64) * slot


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Which aggregations lie in which slots: arrays of shape ``(pairs,)``."""

    value: Ints
    """Index of the aggregation."""
    slot: Ints
    seconds: Floats
    """How long the aggregation lies in the slot."""


def pairs(began: Floats, ended: Floats, edges: Floats) -> Pairs:
    """Which aggregations lie in which of some equal slots; those outside of all of them are left out.

    Args:
        began: when each aggregation began, seconds; one that began after it ended has no length.
        ended: when each ended, seconds.
        edges: edges of the slots, seconds, rising and equally far apart.
    """
    count = len(edges) - 1
    width = (edges[-1] - edges[0]) / count
    began = np.minimum(began, ended)
    within = np.flatnonzero(((ended > edges[0]) | (began >= edges[0])) & ((began < edges[-1]) | (ended <= edges[-1])))
    began, ended = began[within], ended[within]
    low = np.clip(np.floor((began - edges[0]) / width).astype(np.int64), 0, count - 1)
    high = np.clip(np.ceil((ended - edges[0]) / width).astype(np.int64), low + 1, count)
    each = high - low
    value = np.repeat(np.arange(len(within), dtype=np.int64), each)
    slot = np.arange(len(value)) - np.repeat(np.cumsum(each) - each, each) + low[value]
    seconds = np.minimum(ended[value], edges[slot + 1]) - np.maximum(began[value], edges[slot])
    # rounding may leave a sliver in the slot beside: it is dropped, unless it is all there is of an aggregation
    kept = seconds > width * _SLIVER
    whole = np.bincount(value, kept, len(within)) > 0
    kept |= ~whole[value]
    return Pairs(within[value[kept]], slot[kept], np.maximum(seconds[kept], _LEAST_S))


def means(began: Floats, ended: Floats, values: NDArray[np.float64] | Ints, edges: Floats) -> Floats:
    """The mean of a number over the time of each slot, shape ``(slots,)``; NaN where nothing is known.

    The mean is over the time in the slot for which the number is known: each aggregation counts for as long as it lies
    in the slot, and one that is longer than a slot fills every slot that it covers, as on the heatmap.

    Args:
        began: when each value's aggregation began, seconds.
        ended: when it ended.
        values: the number in each aggregation, NaN where it is not known; of several numbers shape
            ``(values, numbers)``, and the result has ``(slots, numbers)``.
        edges: edges of the slots, seconds, rising and equally far apart.
    """
    found, count = pairs(began, ended, edges), len(edges) - 1
    taken = (values if values.ndim == 2 else values[:, None])[found.value]
    out = np.full((count, taken.shape[1]), np.nan)
    for number, column in enumerate(taken.T):
        known = ~np.isnan(column)
        slot, seconds = found.slot[known], found.seconds[known]
        weight = np.bincount(slot, seconds, count)
        np.divide(np.bincount(slot, seconds * column[known], count), weight, out=out[:, number], where=weight > 0)
    return out.reshape(count, *values.shape[1:])


def means_of_ended(began: Floats, ended: Floats, values: Floats, edges: Floats) -> Floats:
    """The mean of the values that ended in each slot, shape ``(len(edges) - 1,)``; NaN where nothing is known.

    A slot in which none ended has the value of the aggregation that covers it. So a spike stands in one slot at its
    full height, where `means` would spread it over all the slots that its aggregation lies in, each of them lower.

    Args:
        began: when each value's aggregation began, seconds, rising.
        ended: when it ended, rising.
        values: the number in each aggregation, NaN where it is not known.
        edges: edges of the slots, seconds, rising.
    """
    out = np.full(len(edges) - 1, np.nan)
    if not len(values):
        return out
    index = np.searchsorted(ended, edges, side="right")
    total = np.concatenate(([0.0], np.cumsum(np.nan_to_num(values))))
    known = np.concatenate(([0], np.cumsum(~np.isnan(values))))
    number = known[index[1:]] - known[index[:-1]]
    filled = number > 0
    out[filled] = (total[index[1:]] - total[index[:-1]])[filled] / number[filled]
    following = np.minimum(index[1:], len(values) - 1)
    covered = ~filled & (index[1:] < len(values)) & (began[following] < edges[1:])
    out[covered] = values[following][covered]
    return out
