"""Snapshots as a picture: time × address, each cell the mean (or the hottest) of what it covers.

Three steps, none of which knows a screen: an `Axis` gives each row a range of addresses (voids and, on demand, idle
stretches folded into one row each); `binned` puts one snapshot on those rows; a `Raster` holds columns of a fixed
span of time and adds to them only what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, floor, inf
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import counted, frames, usage
from damontui.damon import metrics
from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import Ints, Snapshot

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Mode = Literal["rate", "temperature", "idle"]

SHOWN, VOID, IDLE = 0, 1, 2
"""What a part of an axis is: addresses to scale; nothing there; idle memory in one row."""

LEAST_IDLE = 0.1
MOST_IDLE = 3600.0
"""Seconds at which the idle scale begins and ends."""
LEAST_TEMPERATURE = 1e7
MOST_TEMPERATURE = 1e11
"""Absolute temperatures at which that scale begins and ends (100 ms and 1000 s of age with the usual weights)."""

_WIDE = 57  # bits of an address, at most (five-level page tables)
_USUAL = 47
_LEAST_BYTES = 1e-3  # of a row: what is less is left of a difference of sums, and no memory
_PER_COLUMN = 8  # snapshots taken of one column when a long past is drawn at once


@dataclass(frozen=True, slots=True)
class Place:
    """A point of the picture: an address of a target (index into ``Snapshot.targets``) at a moment."""

    address: int
    time: float
    target: int = 0


# --- the address axis -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of an axis that belong together, from ``first`` (counted from the lowest address) on."""

    kind: int
    target: int
    lo: int
    hi: int
    """Addresses ``[lo, hi)``; of a `VOID` between two targets both are 0."""
    first: int
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Which addresses each row covers, lowest first.

    ``low`` and ``high`` (shape ``(rows,)``, int64) are flat addresses: ``target * stride + address``, so that several
    address spaces stand above one another on one axis.
    """

    parts: tuple[Part, ...]
    low: Ints
    high: Ints
    stride: int
    ids: tuple[int, ...] = (0,)
    """The identifier of each target on the axis, as in ``Snapshot.targets``."""

    def __len__(self) -> int:
        return len(self.low)

    def place(self, row: int) -> tuple[int, int, int]:
        """``(target, lo, hi)`` of a row."""
        part = self.part(row)
        base = part.target * self.stride
        return part.target, int(self.low[row]) - base, int(self.high[row]) - base

    def part(self, row: int) -> Part:
        """The part that a row is in."""
        for part in self.parts:
            if row < part.first + part.rows:
                return part
        return self.parts[-1]

    def row(self, address: int, target: int = 0) -> int | None:
        """The row that covers an address; None where it is not on the axis."""
        flat = target * self.stride + address
        row = int(np.searchsorted(self.low, flat, side="right")) - 1
        return row if row >= 0 and flat < self.high[row] else None

    def holds(self, low: Ints, high: Ints) -> bool:
        """Whether all of the flat ranges lie in rows to scale."""
        return bool(len(low) == 0 or (self._inside(low, high)).all())

    def _inside(self, low: Ints, high: Ints) -> Bools:
        shown = [part for part in self.parts if part.kind == SHOWN]
        start = np.array([part.target * self.stride + part.lo for part in shown], dtype=np.int64)
        end = np.array([part.target * self.stride + part.hi for part in shown], dtype=np.int64)
        if not len(start):
            return np.zeros(len(low), dtype=np.bool_)
        index = np.maximum(np.searchsorted(start, low, side="right") - 1, 0)
        return (low >= start[index]) & (high <= end[index])


def targets_of(snapshots: Iterable[Snapshot]) -> tuple[int, ...]:
    """The identifiers of all targets, the last snapshot's first: processes come and go."""
    found: dict[int, None] = {}
    for snapshot in reversed(list(snapshots)):
        found.update(dict.fromkeys(snapshot.targets))
    return tuple(found)


def placed(snapshot: Snapshot, ids: tuple[int, ...]) -> Snapshot:
    """The snapshot with its targets numbered as in ``ids``; regions of others are left out."""
    if snapshot.targets == ids[: len(snapshot.targets)]:
        return snapshot
    number = {name: index for index, name in enumerate(ids)}
    new = np.array([number.get(name, -1) for name in snapshot.targets], dtype=np.int64)[snapshot.target]
    order = np.lexsort((snapshot.start, new))
    order = order[new[order] >= 0]
    return replace(counted.taken(snapshot, order), target=new[order], targets=ids, names=())


def stride_for(targets: int) -> int:
    """Distance of that many targets on a flat axis: over every address, and such that all fit 63 bits."""
    return 1 << (_WIDE if targets < 1 << (63 - _WIDE) else _USUAL)


def joined(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """The union of ranges: sorted, disjoint and not touching."""
    if len(low) == 0:
        return low, high
    order = np.argsort(low, kind="stable")
    low, high = low[order], np.maximum.accumulate(high[order])
    cut = np.flatnonzero(low[1:] > high[:-1]) + 1
    return low[np.r_[0, cut]], high[np.r_[cut - 1, len(high) - 1]]


def union(ranges: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """The union of several sets of ranges."""
    empty = np.empty(0, dtype=np.int64)
    return joined(
        np.concatenate([empty, *(low for low, _ in ranges)]), np.concatenate([empty, *(high for _, high in ranges)])
    )


def extent(snapshot: Snapshot, stride: int, *, used: bool = False) -> tuple[Ints, Ints]:
    """Flat ranges that a snapshot's regions cover; with ``used`` only of those that were accessed.

    A region of which nothing is in memory covers nothing: what is mapped there is no memory.
    """
    low = snapshot.start + snapshot.target * stride
    high = snapshot.end + snapshot.target * stride
    if used or snapshot.resident is not None:
        there = snapshot.memory > 0
        if used:
            there &= usage.rates(snapshot) > 0
        low, high = low[there], high[there]
    return joined(low, high)


def make_axis(
    mapped: tuple[Ints, Ints],
    rows: int,
    *,
    stride: int,
    used: tuple[Ints, Ints] | None = None,
    lo: int | None = None,
    hi: int | None = None,
    fold_rows: int = 1,
    ids: tuple[int, ...] = (0,),
) -> Axis:
    """Share ``rows`` among the mapped ranges, with voids folded where they would take more than a row or two.

    Args:
        mapped: flat ranges from `extent`, disjoint and sorted.
        rows: how many rows there are.
        stride: of the flat addresses.
        used: also fold what is mapped but not in these ranges (idle stretches).
        lo, hi: show only addresses ``[lo, hi)`` of each target.
        fold_rows: rows that a fold takes (two where a line of text holds two rows).
        ids: identifiers of the targets, from `targets_of`.
    """
    pieces = _pieces(mapped, used, stride, lo, hi)
    budget = max(1, rows // max(1, fold_rows))  # in lines of text
    pieces = _fold(pieces, budget)
    sizes = [hi_ - lo_ for kind, lo_, hi_ in pieces if kind == SHOWN]
    folds = sum(kind != SHOWN for kind, _, _ in pieces)
    given = _share(sizes, budget - folds)
    parts: list[Part] = []
    lows: list[Ints] = []
    highs: list[Ints] = []
    first, index, spare = 0, 0, rows - budget * fold_rows
    for kind, low, high in pieces:
        target = low // stride
        count = fold_rows
        if kind == SHOWN:
            count = given[index] * fold_rows + (spare if index == 0 else 0)
            index += 1
        same = high <= (target + 1) * stride and not (kind == VOID and low // stride != (high - 1) // stride)
        base = target * stride
        parts.append(Part(kind, target, low - base, (high - base) if same else low - base, first, count))
        # exact: an int has as many bits as it needs, a row's edge is rounded down to a byte
        edges = [low + (high - low) * step // count for step in range(count + 1)]
        if kind != SHOWN:
            edges = [low] * count + [high]
            edges[1:count] = [high] * (count - 1)
        lows.append(np.array(edges[:-1], dtype=np.int64))
        highs.append(np.array(edges[1:], dtype=np.int64))
        first += count
    empty = np.empty(0, dtype=np.int64)
    return Axis(
        tuple(parts),
        np.concatenate(lows) if lows else empty,
        np.concatenate(highs) if highs else empty,
        stride,
        ids,
    )


Piece = tuple[int, int, int]
"""Kind, low and high (flat)."""


def _pieces(
    mapped: tuple[Ints, Ints], used: tuple[Ints, Ints] | None, stride: int, lo: int | None, hi: int | None
) -> list[Piece]:
    """Shown pieces and what lies between them, lowest first."""
    shown: list[Piece] = []
    ranges = [(SHOWN, int(a), int(b)) for a, b in zip(*mapped, strict=True)]
    if used is not None and len(used[0]):
        ranges = _with_idle(ranges, used)
    for kind, a, b in ranges:
        base = a // stride * stride
        low = a if lo is None else max(a, base + lo)
        high = b if hi is None else min(b, base + hi)
        if low < high:
            shown.append((kind, low, high))
    if lo is not None and hi is not None and not shown:
        shown = [(SHOWN, lo, max(hi, lo + PAGE_SIZE))]
    out: list[Piece] = []
    for piece in shown:
        if out and out[-1][2] < piece[1]:
            out.append((VOID, out[-1][2], piece[1]))
        out.append(piece)
    return out


def _with_idle(ranges: list[Piece], used: tuple[Ints, Ints]) -> list[Piece]:
    hot = [(int(a), int(b)) for a, b in zip(*used, strict=True)]
    out: list[Piece] = []
    index = 0
    for _, low, high in ranges:
        at = low
        while index < len(hot) and hot[index][1] <= low:
            index += 1
        here = index
        while here < len(hot) and hot[here][0] < high:
            a, b = max(low, hot[here][0]), min(high, hot[here][1])
            if at < a:
                out.append((IDLE, at, a))
            out.append((SHOWN, a, b))
            at = b
            here += 1
        if at < high:
            out.append((IDLE, at, high))
    return out


def _fold(pieces: list[Piece], budget: int) -> list[Piece]:
    """Keep a gap as a fold where it would take over two lines to scale; draw the others to scale."""
    total = pieces[-1][2] - pieces[0][1] if pieces else 0
    gaps = sorted((i for i, piece in enumerate(pieces) if piece[0] != SHOWN), key=lambda i: pieces[i][1] - pieces[i][2])
    folded: set[int] = set()
    for index in gaps:
        if len(folded) >= budget // 3:
            break
        size = pieces[index][2] - pieces[index][1]
        if size * (budget - len(folded)) <= 2 * total:
            break
        folded.add(index)
        total -= size
    out: list[Piece] = []
    for index, piece in enumerate(pieces):
        if index in folded:
            out.append(piece)
        elif out and out[-1][0] == SHOWN:
            out[-1] = (SHOWN, out[-1][1], piece[2])
        else:
            out.append((SHOWN, piece[1], piece[2]))
    return out


def _share(sizes: Sequence[int], lines: int) -> list[int]:
    """Lines for each part: at least one, the rest by size."""
    if not sizes:
        return []
    lines = max(lines, len(sizes))
    total = sum(sizes)
    wanted = [size * lines / total if total else 1.0 for size in sizes]
    given = [max(1, floor(want)) for want in wanted]
    while sum(given) < lines:
        index = max(range(len(given)), key=lambda i: wanted[i] - given[i])
        given[index] += 1
    while sum(given) > lines:
        index = max(range(len(given)), key=lambda i: given[i] - wanted[i] if given[i] > 1 else -inf)
        given[index] -= 1
    return given


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
"""Of a view of one region: the share of the rows that it takes."""


def zoomed(view: tuple[int, int], address: int, factor: float, whole: tuple[int, int]) -> tuple[int, int] | None:
    """A view ``factor`` times as long, in which ``address`` stays where it is; None where that is all of ``whole``.

    In whole pages, at least `_LEAST_VIEW` bytes, within ``whole``.
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

    Hotter is what has more touched bytes, ``rate × bytes``: a single page of a library that is always in use is no news
    beside a heap. From nowhere, or from idle memory, it is the hottest of all: one key finds a single hot page in any
    amount of idle memory. Past the hottest comes the least hot that is used. Of equally hot ones the smaller is hotter:
    its accesses are denser.
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


# --- one snapshot on the axis ---------------------------------------------------------------------------------------


def values_of(snapshot: Snapshot, mode: Mode | Literal["free", "hole"]) -> Floats:
    """What the colour means, of each region: the larger, the hotter.

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


def unplaced(snapshot: Snapshot, axis: Axis) -> Bools:
    """Rows in which it is not known where memory is in use, shape ``(rows,)``: "somewhere in here".

    Where bytes were counted the kernel says how many of a mapping's were touched, not which. A row that holds a whole
    mapping is right all the same, its value is a mean; a mapping that goes beyond a row has one value for all of its
    rows, and nothing is said of any of them alone.
    """
    snapshot = placed(snapshot, axis.ids)
    if snapshot.measured is None or not len(snapshot) or not len(axis):
        return np.zeros(len(axis), dtype=np.bool_)
    there = snapshot.memory > 0
    low = (snapshot.start + snapshot.target * axis.stride)[there]
    high = (snapshot.end + snapshot.target * axis.stride)[there]
    # the rows that each mapping is in: from the one that ends beyond its start to the one that begins before its end
    first = np.searchsorted(axis.high, low, side="right")
    last = np.searchsorted(axis.low, high, side="left")
    shown = last > first
    low, high, first, last = low[shown], high[shown], first[shown], last[shown]
    wide = (last - first > 1) | (low < axis.low[first]) | (high > axis.high[last - 1])
    steps = np.bincount(first[wide], minlength=len(axis) + 1) - np.bincount(last[wide], minlength=len(axis) + 1)
    return np.cumsum(steps)[: len(axis)] > 0


Measure = Callable[[Snapshot], tuple[Floats, Floats]]
"""A value of each region of a snapshot, and for how many of its bytes it is known, both of shape ``(regions,)``."""


def share_in_use(snapshot: Snapshot) -> tuple[Floats, Floats]:
    """A `Measure` of an estimate that is drawn (`estimate.as_snapshot`): of what looks in use, the share that is."""
    shares = usage.rates(snapshot)
    return shares, np.where(shares > 0, snapshot.memory.astype(np.float64), 0.0)


def binned(
    snapshot: Snapshot,
    axis: Axis,
    mode: Mode | Literal["free", "hole"],
    *,
    hottest: bool = False,
    measure: Measure | None = None,
) -> tuple[Floats, Floats]:
    """``(values, weights)`` of each row, both of shape ``(rows,)``.

    The value is the mean of what the row covers, weighted by bytes of memory, or the hottest of it; the weight is how
    many bytes of memory the snapshot's regions have in the row: 0 where there are none (the value is then 0). Of a
    region of which a part is in memory each row has its share. ``measure`` stands in the place of ``mode``.
    """
    snapshot = placed(snapshot, axis.ids)
    if len(snapshot) == 0:
        return np.zeros(len(axis)), np.zeros(len(axis))
    start = snapshot.start + snapshot.target * axis.stride
    sizes = snapshot.end - snapshot.start
    memory: NDArray[Any] = snapshot.memory
    if measure is None:
        values = values_of(snapshot, mode)
    else:
        values, memory = measure(snapshot)
    # edges in one go: the first half the rows' low ends, the second their high ends
    edges = np.concatenate((axis.low, axis.high))
    index = np.searchsorted(start, edges, side="right") - 1
    inside = np.maximum(index, 0)
    part = np.clip(edges - start[inside], 0, sizes[inside])
    if snapshot.resident is not None or measure is not None:
        part = part * (memory / np.maximum(sizes, 1))[inside]
    covered = np.zeros(len(sizes) + 1)
    np.cumsum(memory, out=covered[1:])
    summed = np.zeros(len(sizes) + 1)
    np.cumsum(memory * values, out=summed[1:])
    below = covered[inside] + part
    under = summed[inside] + part * values[inside]
    rows = len(axis)
    weights: Floats = np.maximum(below[rows:] - below[:rows], 0.0)
    there = weights > (0 if snapshot.resident is None and measure is None else _LEAST_BYTES)
    weights[~there] = 0.0
    if not hottest:
        return np.where(there, (under[rows:] - under[:rows]) / np.where(there, weights, 1.0), 0.0), weights
    # regions that overlap the row: from the one that holds its low end to the one before its high end
    first = index[:rows]
    first = np.where((first < 0) | (axis.low >= start[inside[:rows]] + sizes[inside[:rows]]), first + 1, first)
    last = np.searchsorted(start, axis.high, side="left")
    padded = np.append(np.where(memory > 0, values, -inf), -inf)
    pairs = np.empty(2 * rows, dtype=np.int64)
    pairs[0::2] = np.minimum(first, len(values))
    pairs[1::2] = np.minimum(np.maximum(last, first), len(values))
    top = np.maximum.reduceat(padded, pairs)[0::2]
    return np.where(there, top, 0.0), weights


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
    """Steps ``0 … levels - 1`` of the colour scale. Of rates only none at all is 0; time and temperature have their
    middle step for what just changed."""
    share = scaled(values, mode)
    if mode == "rate":
        return np.ceil(share * (levels - 1)).astype(np.uint8)
    half = levels // 2
    return (np.rint(share * half) + half).astype(np.uint8)


# --- columns --------------------------------------------------------------------------------------------------------


class Past(Protocol):
    """What a raster is drawn from: the monitor's history, or a record."""

    def walk(self, since: float, until: float, most: int | None = None) -> Iterable[Snapshot]:
        """Snapshots whose aggregation overlaps the time, oldest first, thinned evenly to ``most``."""


@dataclass(slots=True)
class Raster:
    """Columns of a fixed span of time, aligned to a grid of absolute time, so that none changes as time goes on.

    Column ``k`` covers ``[k * column, (k + 1) * column)``. A column's value is the mean over the snapshots in its time,
    weighted by the time that they cover in it (and by the bytes).
    """

    axis: Axis
    column: float
    """Seconds."""
    mode: Mode = "rate"
    hottest: bool = False
    measure: Measure | None = None
    """What is drawn in the place of the mode's value."""
    first: int = 0
    stop: int = 0
    """Columns held: ``[first, stop)``."""
    until: float = -inf
    """Time of the newest snapshot added."""
    binned: int = 0
    """Snapshots put on the axis so far: what work was done."""
    _sum: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _weight: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _free: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _hole: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _looked: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _time: Floats = field(default_factory=lambda: np.zeros(0))
    _partial: Bools = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def update(self, past: Past, first: int, stop: int) -> int:
        """Make columns ``[first, stop)`` hold what ``past`` says; the first column that may have changed.

        Only snapshots newer than the newest added, and columns not held yet, cost anything. Of a long past that comes
        into view at once a few snapshots stand for each column, evenly spread.
        """
        if stop <= first:
            return stop
        old_first, old_stop = self.first, self.stop
        if not (first < old_stop and old_first < stop):
            old_first = old_stop = first
            self.until = -inf
        self._reserve(first, stop)
        changed = stop
        if self.until > -inf:
            for low, high in ((first, min(old_first, stop)), (max(old_stop, first), stop)):
                if low < high:
                    changed = min(changed, low)
                    self._fill(past, low, high)
        since = max(self.until, first * self.column)
        newest = self.until
        for snapshot in past.walk(since, stop * self.column, _PER_COLUMN * (stop - first)):
            if snapshot.time > self.until:
                newest = max(newest, snapshot.time)
                changed = min(changed, self._add(snapshot, first, stop))
        self.until = newest
        return changed

    def forget(self, since: float) -> None:
        """Columns from that moment on are made anew at the next `update`: what is known of them has changed."""
        if since >= self.until or floor(since / self.column) >= self.stop:
            return
        first = max(self.first, floor(since / self.column))
        for array in (self._sum, self._weight, self._free, self._hole, self._looked, self._time, self._partial):
            array[first - self.first :] = 0
        self.until = first * self.column

    def _fill(self, past: Past, low: int, high: int) -> None:
        """Columns that came into view, from the snapshots that the others have already."""
        for snapshot in past.walk(low * self.column, high * self.column, _PER_COLUMN * (high - low)):
            if snapshot.time <= self.until:
                self._add(snapshot, low, high)

    def _reserve(self, first: int, stop: int) -> None:
        """Hold ``[first, stop)``, keeping what is held already of it."""
        count, rows = stop - first, len(self.axis)
        low, high = max(first, self.first), min(stop, self.stop)
        total, weight = np.zeros((count, rows)), np.zeros((count, rows))
        free, hole, looked = (np.zeros((count, rows)) for _ in range(3))
        time, partial = np.zeros(count), np.zeros(count, dtype=np.bool_)
        if low < high:
            new, old = slice(low - first, high - first), slice(low - self.first, high - self.first)
            total[new], weight[new] = self._sum[old], self._weight[old]
            free[new], hole[new], looked[new] = self._free[old], self._hole[old], self._looked[old]
            time[new], partial[new] = self._time[old], self._partial[old]
        self.first, self.stop = first, stop
        self._sum, self._weight, self._time, self._partial = total, weight, time, partial
        self._free, self._hole, self._looked = free, hole, looked

    def _add(self, snapshot: Snapshot, first: int, stop: int) -> int:
        """Add a snapshot to columns ``[first, stop)``; the first that it touches, ``stop`` if none."""
        began = min(snapshot.began, snapshot.time)
        low = max(floor(began / self.column), first)
        high = min(max(ceil(snapshot.time / self.column), floor(began / self.column) + 1), stop)
        if low >= high:
            return stop
        values, weights = binned(snapshot, self.axis, self.mode, hottest=self.hottest, measure=self.measure)
        freed = snapshot.frames is not None and self.measure is None
        free, looked = binned(snapshot, self.axis, "free") if freed else (0.0, 0.0)
        hole = binned(snapshot, self.axis, "hole")[0] if freed else 0.0
        self.binned += 1
        for k in range(low, high):
            overlap = min(snapshot.time, (k + 1) * self.column) - max(began, k * self.column)
            overlap = max(overlap, 1e-9)
            at = k - self.first
            if self.hottest:
                there = weights > 0
                before = self._weight[at] > 0
                self._sum[at] = np.where(there & before, np.maximum(self._sum[at], values), self._sum[at])
                self._sum[at] = np.where(there & ~before, values, self._sum[at])
                self._weight[at] = np.maximum(self._weight[at], weights)
            else:
                self._sum[at] += values * weights * overlap
                self._weight[at] += weights * overlap
            self._free[at] += free * looked * overlap
            self._hole[at] += hole * looked * overlap
            self._looked[at] += looked * overlap
            self._time[at] += overlap
            self._partial[at] |= not snapshot.complete
        return low

    def values(self, first: int, stop: int) -> Floats:
        """Values of held columns, shape ``(stop - first, rows)``; NaN where no region was."""
        part = slice(first - self.first, stop - self.first)
        weight = self._weight[part]
        there = weight > 0
        out = np.full(weight.shape, np.nan)
        total = self._sum[part]
        np.divide(total, 1.0 if self.hottest else weight, out=out, where=there)
        return out

    def free(self, first: int, stop: int) -> Bools:
        """Cells of whose memory most is free, shape ``(stop - first, rows)``; not where that is not known."""
        part = slice(first - self.first, stop - self.first)
        memory = self._looked[part] - self._hole[part]
        most: Bools = (self._looked[part] > 0) & (self._free[part] > 0.5 * memory)
        return most

    def hole(self, first: int, stop: int) -> Bools:
        """Cells of which most is no memory, shape ``(stop - first, rows)``; not where that is not known."""
        part = slice(first - self.first, stop - self.first)
        most: Bools = (self._looked[part] > 0) & (self._hole[part] > 0.5 * self._looked[part])
        return most

    def covered(self, first: int, stop: int) -> Floats:
        """Seconds of each column that snapshots cover, shape ``(stop - first,)``."""
        return self._time[first - self.first : stop - self.first]

    def partial(self, first: int, stop: int) -> Bools:
        """Columns in which an aggregation lost events, shape ``(stop - first,)``."""
        return self._partial[first - self.first : stop - self.first]
