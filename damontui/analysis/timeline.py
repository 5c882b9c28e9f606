"""A number over time: its mean in each of some equal slots, as a line on the screen shows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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


def means(began: Floats, ended: Floats, values: Floats, edges: Floats) -> Floats:
    """The mean of the values that ended in each slot, shape ``(len(edges) - 1,)``; NaN where nothing is known.

    A slot in which none ended has the value of the aggregation that covers it.

    Args:
        began: when each value's aggregation began, seconds, rising.
        ended: when it ended, rising.
        values: NaN where it is not known.
        edges: of the slots, rising.
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
