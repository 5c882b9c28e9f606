"""The address axis: which addresses each row of a heatmap covers.

Address spaces stand above one another on it. Voids, and on demand idle stretches, are folded into a line of text each,
which is ``fold_rows`` rows; where two address spaces meet there is always a fold, as long as there are lines enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import floor, inf

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import counted, usage
from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import Ints, Snapshot

SHOWN, VOID, IDLE = 0, 1, 2
"""Kinds of parts of an axis: addresses to scale; a gap without memory, folded; idle memory, folded."""

_WIDE = 57  # bits of an address, at most (five-level page tables)
_USUAL = 47


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of an axis that belong together, from ``first`` (counted from the lowest address) on."""

    kind: int
    target: int
    """Index of the target; of a part that several targets share, and of a fold between two, of the lowest of them."""
    lo: int
    hi: int
    """Addresses ``[lo, hi)``. Of a `VOID` between two targets both are the end of the lower one; of a part that several
    targets share ``hi`` is counted on from the lowest one's addresses (`Axis.shared`)."""
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

    def shared(self, part: Part) -> bool:
        """Whether a part is a row that several targets share, which it is where there are more targets than rows."""
        return part.hi > self.stride

    @property
    def crowded(self) -> bool:
        """Whether targets stand above one another without a fold between them, for want of rows."""
        return any(low.kind == high.kind == SHOWN for low, high in pairwise(self.parts)) or any(
            self.shared(part) for part in self.parts
        )

    def label(self, part: Part) -> str:
        """The identifier of a part's target, or of the lowest of those that share it."""
        return f"{self.ids[part.target]}{'…' if self.shared(part) else ':'}"

    @property
    def apart(self) -> NDArray[np.bool_]:
        """Rows that reach from one target's addresses into another's, shape ``(rows,)``: no region fills any."""
        found: NDArray[np.bool_] = self.low // self.stride != (self.high - 1) // self.stride
        return found

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
        """Whether all of these flat ranges lie in rows that are to scale, not in folds."""
        return bool(len(low) == 0 or (self._inside(low, high)).all())

    def _inside(self, low: Ints, high: Ints) -> NDArray[np.bool_]:
        shown = [part for part in self.parts if part.kind == SHOWN]
        start = np.array([part.target * self.stride + part.lo for part in shown], dtype=np.int64)
        end = np.array([part.target * self.stride + part.hi for part in shown], dtype=np.int64)
        if not len(start):
            return np.zeros(len(low), dtype=np.bool_)
        index = np.maximum(np.searchsorted(start, low, side="right") - 1, 0)
        return (low >= start[index]) & (high <= end[index])


def targets_of(snapshots: Iterable[Snapshot]) -> tuple[int, ...]:
    """The identifiers of all targets in the snapshots, those of the last one first, since processes come and go."""
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
    """Distance between two of so many targets on a flat axis: more than any address, and such that all fit 63 bits."""
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

    What lies between two targets is folded, too. Where there are too few lines for that, targets stand above one
    another without a fold, each with a row at least; and where there are fewer rows than targets, the smallest share
    rows.

    Args:
        mapped: flat ranges from `extent`, disjoint and sorted.
        rows: how many rows there are.
        stride: distance between two targets' addresses on the axis, from `stride_for`.
        used: flat ranges that were accessed; what is mapped outside of them is folded as idle. None folds no memory,
            and empty ranges do not either, since where nothing was accessed a fold would be all there is.
        lo, hi: show only addresses ``[lo, hi)`` of each target.
        fold_rows: rows that a fold takes (two where a line of text holds two rows).
        ids: identifiers of the targets, from `targets_of`.
    """
    pieces = _pieces(mapped, used, stride, lo, hi)
    lines = max(1, rows // max(1, fold_rows))  # of text
    folded = _fold(pieces, lines, stride)
    if len(folded) > lines:
        folded = _crowded(pieces, rows, stride)
    unit = fold_rows if len(folded) <= lines else 1
    sizes = [hi_ - lo_ for kind, lo_, hi_ in folded if kind == SHOWN]
    units = max(1, rows // max(1, unit))
    given = _share(sizes, units - (len(folded) - len(sizes)))
    parts: list[Part] = []
    lows: list[Ints] = []
    highs: list[Ints] = []
    first, index, spare = 0, 0, rows - units * unit
    for kind, low, high in folded:
        target = low // stride
        count = fold_rows
        if kind == SHOWN:
            count = given[index] * unit + (spare if index == 0 else 0)
            index += 1
        base = target * stride
        end = low if _between(kind, low, high, stride) else high
        parts.append(Part(kind, target, low - base, end - base, first, count))
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


def _between(kind: int, low: int, high: int, stride: int) -> bool:
    """Whether a piece is the gap between two targets; ``low`` is the end of the lower, ``high`` the other's start."""
    return kind == VOID and (low - 1) // stride != high // stride


def _fold(pieces: list[Piece], lines: int, stride: int) -> list[Piece]:
    """Keep as folds what lies between two targets, and gaps and idle pieces that would take over two lines to scale.

    The others are drawn to scale. Those within targets are folded only as long as folds take no more than a third.
    """
    total = pieces[-1][2] - pieces[0][1] if pieces else 0
    folded = {index for index, piece in enumerate(pieces) if _between(*piece, stride)}
    total -= sum(pieces[index][2] - pieces[index][1] for index in folded)
    gaps = [index for index, piece in enumerate(pieces) if piece[0] != SHOWN and index not in folded]
    for index in sorted(gaps, key=lambda i: pieces[i][1] - pieces[i][2]):
        size = pieces[index][2] - pieces[index][1]
        if len(folded) >= lines // 3 or size * (lines - len(folded)) <= 2 * total:
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


def _crowded(pieces: list[Piece], rows: int, stride: int) -> list[Piece]:
    """A piece for each target, without folds; with more targets than rows, one for several where they are smallest.

    Of all targets that stand above one another the two that have least memory mapped are joined, until there are as
    many pieces as rows.
    """
    mine: dict[int, list[Piece]] = {}
    for piece in pieces:
        if piece[0] != VOID:
            mine.setdefault(piece[1] // stride, []).append(piece)
    ends = [(found[0][1], found[-1][2]) for found in mine.values()]
    sizes = np.array([sum(high - low for _, low, high in found) for found in mine.values()], dtype=np.int64)
    while len(ends) > max(1, rows):
        at = int(np.argmin(sizes[:-1] + sizes[1:]))
        sizes[at] += sizes[at + 1]
        sizes = np.delete(sizes, at + 1)
        ends[at : at + 2] = [(ends[at][0], ends[at + 1][1])]
    return [(SHOWN, low, high) for low, high in ends]


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
