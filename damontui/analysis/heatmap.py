"""What a heatmap shows: a value of each region, the scale of its colours, and the way through its addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import frames, usage
from damontui.damon import metrics
from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import Snapshot

Floats = NDArray[np.float64]
Mode = Literal["rate", "temperature", "idle"]

LEAST_IDLE = 0.1
MOST_IDLE = 3600.0
"""Seconds at which the idle scale begins and ends."""
LEAST_TEMPERATURE = 1e7
MOST_TEMPERATURE = 1e11
"""Absolute temperatures at which the temperature scale begins and ends (of ages of 100 ms and 1000 s)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point of the picture: an address of a target (index into ``Snapshot.targets``) at a moment."""

    address: int
    time: float
    target: int = 0


# --- values and colours ---------------------------------------------------------------------------------------------


def values_of(snapshot: Snapshot, mode: Mode | Literal["free", "hole"]) -> Floats:
    """The value that each region's colour stands for: the larger, the hotter.

    ``rate``: share of samples with an access, or share of bytes touched where they were counted, 0…1. ``idle``: seconds
    in use, negative: seconds idle (`usage.idle_ms_by_region`). ``temperature``: as
    `damontui.damon.metrics.temperatures`, of that rate and that time. ``free``, ``hole``: the share that is free
    memory, or no memory at all; 0 where that is not known.
    """
    if mode == "rate":
        return usage.rates(snapshot)
    if mode in ("free", "hole"):
        shares: Floats = np.nan_to_num(frames.share_of(snapshot, mode))
        return shares
    if mode == "idle":
        return usage.idle_ms_by_region(snapshot) / -1000.0
    if snapshot.measured is None:
        return metrics.temperatures(snapshot)
    idle = usage.idle_ms_by_region(snapshot)
    heat = usage.rates(snapshot) * 1e4 + np.abs(idle) * 1e5
    return np.where(idle < 0, heat, -heat)


LEAST_RATE_IN_USE = 0.005
"""A mean rate below this is none: less than one access in two hundred samples, over all that a cell covers."""


def in_use(values: Floats, mode: Mode) -> NDArray[np.bool_]:
    """Whether something in a cell was in use, by the cell's mean value; not where nothing is known (NaN). Same shape.

    Free memory and addresses without memory belong to regions, too, and always look idle. So a cell that is mostly
    such is drawn as that, unless something in it was in use. A rate is the mean of all that the cell covers, and a
    cell of free memory that shares a region with a page in use has a little of that region's rate.
    """
    found: NDArray[np.bool_] = values >= (LEAST_RATE_IN_USE if mode == "rate" else 0.0)
    return found


def scaled(values: Floats, mode: Mode) -> Floats:
    """Values as a share of the colour scale: 0…1 for ``rate``, −1…1 for the others, same shape.

    The rate's scale is a square root, for most memory is accessed rarely and what little there is matters most; time
    and temperature are logarithmic on either side of nothing.
    """
    if mode == "rate":
        root: Floats = np.sqrt(np.clip(values, 0.0, 1.0))
        return root
    least, most = (LEAST_IDLE, MOST_IDLE) if mode == "idle" else (LEAST_TEMPERATURE, MOST_TEMPERATURE)
    size = np.log(np.maximum(np.abs(values), least) / least) / np.log(most / least)
    signed: Floats = np.sign(values) * np.minimum(size, 1.0)
    return signed


def unscaled(share: float, mode: Mode) -> float:
    """The value at a share of the colour scale: for legends."""
    if mode == "rate":
        return share * share
    least, most = (LEAST_IDLE, MOST_IDLE) if mode == "idle" else (LEAST_TEMPERATURE, MOST_TEMPERATURE)
    return float(np.sign(share) * least * (most / least) ** abs(share))


def leveled(values: Floats, mode: Mode, levels: int) -> NDArray[np.uint8]:
    """Steps ``0 … levels - 1`` of the colour scale, same shape. Of rates only 0 is step 0; a time or temperature of 0,
    which is memory that just changed, is the middle step."""
    share = scaled(values, mode)
    if mode == "rate":
        return np.ceil(share * (levels - 1)).astype(np.uint8)
    half = levels // 2
    return (np.rint(share * half) + half).astype(np.uint8)


# --- moving along the address axis ------------------------------------------------------------------------------


def bounds(snapshot: Snapshot, target: int = 0) -> tuple[int, int] | None:
    """The lowest and the highest address of a target's regions; None where it has none."""
    mine = snapshot.target == target
    if not mine.any():
        return None
    return int(snapshot.start[mine].min()), int(snapshot.end[mine].max())


def region_at(snapshot: Snapshot, place: Place) -> int | None:
    """Index of the region that holds a place's address; None where none does."""
    found = np.flatnonzero(
        (snapshot.target == place.target) & (snapshot.start <= place.address) & (place.address < snapshot.end)
    )
    return int(found[0]) if len(found) else None


_LEAST_VIEW = 16 * PAGE_SIZE
"""Bytes of the shortest view."""
_OF_VIEW = 0.25
"""The share of the rows that a region takes in a view of it."""


def zoomed(view: tuple[int, int], address: int, factor: float, whole: tuple[int, int]) -> tuple[int, int] | None:
    """A view ``factor`` times as long, in which ``address`` stays where it is; None where that is all of ``whole``.

    The view is of whole pages, at least `_LEAST_VIEW` bytes, and within ``whole``.

    Args:
        view: first address and the one after the last, now.
        address: stays at the same share of the view.
        factor: below 1 the view gets shorter.
        whole: first address and the one after the last that can be seen.
    """
    lo, hi = view
    length = max(_LEAST_VIEW, int((hi - lo) * factor))
    if length >= whole[1] - whole[0]:
        return None
    share = (address - lo) / max(1, hi - lo)
    return _within(address - int(length * min(max(share, 0.0), 1.0)), length, whole)


def panned(view: tuple[int, int], share: float, whole: tuple[int, int]) -> tuple[int, int]:
    """A view moved by a share of its length towards higher addresses, within ``whole``."""
    lo, hi = view
    return _within(lo + int((hi - lo) * share), hi - lo, whole)


def view_of(snapshot: Snapshot, region: int) -> tuple[int, int] | None:
    """A view in whose middle a region takes `_OF_VIEW` of the rows; None where that is all there is."""
    target = int(snapshot.target[region])
    whole = bounds(snapshot, target)
    assert whole is not None
    lo, hi = int(snapshot.start[region]), int(snapshot.end[region])
    length = max(int((hi - lo) / _OF_VIEW), _LEAST_VIEW)
    if length >= whole[1] - whole[0]:
        return None
    return _within((lo + hi - length) // 2, length, whole)


def _within(lo: int, length: int, whole: tuple[int, int]) -> tuple[int, int]:
    length = -(-length // PAGE_SIZE) * PAGE_SIZE
    lo = min(max(lo, whole[0]), max(whole[0], whole[1] - length)) // PAGE_SIZE * PAGE_SIZE
    return lo, lo + length


def hotter(snapshot: Snapshot, place: Place | None, step: int = 1) -> Place | None:
    """The next hotter region than the one at ``place``, or with ``step`` −1 the next less hot; None where none is used.

    A region is hotter that has more touched bytes, ``rate × bytes``: a single page of a library that is always in use
    is no news beside a heap. Of two with equally many the smaller is hotter, since its accesses are denser. From no
    place, or from idle memory, the next is the hottest of all: so one key finds a single hot page in any amount of idle
    memory. After the hottest comes the least hot that is used.
    """
    heat = usage.rates(snapshot) * snapshot.memory
    used = np.flatnonzero(heat > 0)
    if not len(used):
        return None
    order = used[np.lexsort((snapshot.start[used], snapshot.memory[used], -heat[used]))]
    here = None if place is None else region_at(snapshot, place)
    rank = 0
    if here is not None and heat[here] > 0:
        rank = (int(np.flatnonzero(order == here)[0]) - step) % len(order)
    region = int(order[rank])
    time = snapshot.time if place is None else place.time
    return Place(int(snapshot.start[region]), time, int(snapshot.target[region]))
