"""Snapshots in less memory: the same to the last bit, in the narrowest types that hold their numbers."""

from __future__ import annotations

import zlib
from bisect import bisect_left
from copy import copy
from dataclasses import dataclass
from struct import Struct
from sys import getsizeof

import numpy as np

from damontui.damon.snapshot import FRAME_KINDS, KINDS, Frames, Ints, Measured, ModuleValues, Snapshot, Truth, ints

_PAGE = 4096
_NONE = ints([])
_OBJECT = 1_000  # bytes of a snapshot beside its numbers: the object, its array objects, its place in the lists
_PACKED = 850  # the same when packed, with attributes of its own; both measured by the test that counts what is used
_COUNTED = 400  # of an object that holds counted bytes, and its array objects

_HEAD = Struct("<qIIIIBBBBB")
"""First start, regions, jumps, changes of target, bytes in a unit of size, and the width of what follows."""
_WIDTHS = (np.uint8, np.uint16, np.uint32, np.uint64)
_MOST = tuple(int(np.iinfo(kind).max) for kind in _WIDTHS)


@dataclass(frozen=True, slots=True)
class Packed:
    """A snapshot whose regions are in one string of bytes, in the narrowest types that hold them: lossless.

    After the head: sizes in units, ``nr_accesses``, ages; where a region does not begin at the end of the one before it
    (index, and start minus that end as int64); where the target changes (index, and the target as int64); which of
    ``table`` each region's name is.
    """

    rest: Snapshot
    """Everything but the regions."""
    regions: bytes
    table: tuple[str, ...] = ()
    """The different names."""
    counted: bytes = b""
    """What was counted of the regions (`_counted`), "" where nothing was."""
    shared: bool = False
    """Whether another packed snapshot holds the same ``table``, and its cost."""

    def unpacked(self) -> Snapshot:
        """The snapshot as it was."""
        origin, count, jumps, changes, unit, *kinds = _HEAD.unpack_from(self.regions)
        at = _HEAD.size

        def take(kind: int, length: int) -> Ints:
            nonlocal at
            found = np.frombuffer(self.regions, _WIDTHS[kind], length, at)
            at += found.nbytes
            return found.astype(np.int64)

        sizes = take(kinds[0], count) * unit
        accesses, age = take(kinds[1], count), take(kinds[2], count)
        gaps = np.zeros(count, dtype=np.int64)
        where = take(2, jumps)
        gaps[where] = take(3, jumps)
        end = np.cumsum(sizes + gaps) + origin
        where = take(2, changes)
        target = np.repeat(take(3, changes), np.diff(where, append=count))
        names = tuple([self.table[i] for i in take(kinds[3], count).tolist()]) if self.table else ()
        rest = copy(self.rest)
        for name, value in zip(_REGIONS, (end - sizes, end, accesses, age, target, names), strict=True):
            object.__setattr__(rest, name, value)  # not `replace`: this is ours alone, and it is often done
        if self.counted:
            _put_back(rest, self.counted, count)
        rest.__post_init__()
        return rest


_REGIONS = ("start", "end", "nr_accesses", "age", "target", "names")
_BESIDE = ("resident", "measured", "frames")


class Tables:
    """Names of mappings that packed snapshots share: a process has the same ones at each reading."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def shared(self, table: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
        """An equal table that is held already, and whether there was one."""
        known = self._known.pop(table, None)
        self._known[table] = table if known is None else known  # the lately used ones are last
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return self._known[table], known is not None


def pack(snapshot: Snapshot, tables: Tables | None = None) -> Packed:
    """The snapshot in less memory."""
    start, end, target = snapshot.start, snapshot.end, snapshot.target
    count = len(start)
    sizes = end - start
    unit = _PAGE if count and not (sizes & (_PAGE - 1)).any() else 1
    gaps = start[1:] - end[:-1]
    jumps = np.flatnonzero(gaps)
    changes = np.flatnonzero(target[1:] != target[:-1]) + 1
    if count:
        changes = np.concatenate(([0], changes))
    table = tuple(dict.fromkeys(snapshot.names))
    columns = [sizes // unit, snapshot.nr_accesses, snapshot.age]
    if table:
        place = {name: index for index, name in enumerate(table)}
        columns.append(ints([place[name] for name in snapshot.names]))
    kinds = [_kind(column) for column in columns]
    parts = [column.astype(_WIDTHS[kind]).tobytes() for column, kind in zip(columns, kinds, strict=True)]
    parts[3:3] = [
        (jumps + 1).astype(np.uint32).tobytes(),
        gaps[jumps].tobytes(),
        changes.astype(np.uint32).tobytes(),
        target[changes].tobytes(),
    ]
    head = _HEAD.pack(
        int(start[0]) if count else 0, count, len(jumps), len(changes), unit, *(kinds + [0] * (5 - len(kinds)))
    )
    rest = copy(snapshot)
    for name, value in zip((*_REGIONS, *_BESIDE), (*[_NONE] * 5, (), None, None, None), strict=True):
        object.__setattr__(rest, name, value)
    table, shared = tables.shared(table) if tables is not None and table else (table, False)
    return Packed(rest, head + b"".join(parts), table, _counted(snapshot), shared)


def _kind(values: Ints) -> int:
    """The narrowest of ``_WIDTHS`` that holds all values."""
    return bisect_left(_MOST, int(values.max())) if len(values) else 0


# --- counted bytes --------------------------------------------------------------------------------------------------

_HOLDS = Struct("<BHqqqdd")
"""Which of `_BESIDE` follow (1, 2, 4); times, swapped, huge, mapped and longest pause of `Measured`; `Frames.cpu`."""
_SIGNED = len(_WIDTHS)
"""Width of numbers that fit no unsigned type: int64. Nothing sound has any, but packing loses nothing of nothing."""


def _counted(snapshot: Snapshot) -> bytes:
    """What was counted of a snapshot's regions; b"" where nothing was.

    Most mappings of a process are not touched at all, and most frames of a region are of one kind: the rows are mostly
    zeros, so they are compressed beside being narrow.
    """
    measured, frames = snapshot.measured, snapshot.frames
    holds = sum(1 << bit for bit, name in enumerate(_BESIDE) if getattr(snapshot, name) is not None)
    if not holds:
        return b""
    facts: tuple[int | float, ...] = (0, 0, 0, 0, 0.0)
    if measured is not None:
        facts = (
            len(measured.seconds), measured.swapped, measured.huge, measured.mapped, measured.longest_pause
        )  # fmt: skip
    parts = [_HOLDS.pack(holds, *facts, frames.cpu if frames is not None else 0.0)]
    if snapshot.resident is not None:
        parts.append(_narrow(snapshot.resident[None]))
    if measured is not None:
        parts += [
            np.array(measured.seconds, np.float64).tobytes(),
            _narrow(np.diff(measured.used, axis=1, prepend=0).T),
            _narrow(measured.kinds.T),
            _narrow(np.stack((measured.least, measured.most))),
        ]
    if frames is not None:
        parts.append(_narrow(np.concatenate((frames.counts.T, frames.unevictable[None], frames.huge[None]))))
    return zlib.compress(b"".join(parts), 1)


def _put_back(rest: Snapshot, packed: bytes, count: int) -> None:
    """Give a snapshot of ``count`` regions what `_counted` packed."""
    data = zlib.decompress(packed)
    holds, times, swapped, huge, mapped, pause, cpu = _HOLDS.unpack_from(data)
    at = _HOLDS.size
    if holds & 1:
        rows, at = _wide(data, at, 1, count)
        object.__setattr__(rest, "resident", rows[0])
    if holds & 2:
        seconds = np.frombuffer(data, np.float64, times, at).tolist()
        used, at = _wide(data, at + 8 * times, times, count)
        kinds, at = _wide(data, at, len(KINDS), count)
        (least, most), at = _wide(data, at, 2, times)
        curves = np.ascontiguousarray(np.cumsum(used, axis=0).T)
        measured = Measured(
            tuple(seconds), curves, least, most, np.ascontiguousarray(kinds.T), swapped, huge, mapped, pause
        )
        object.__setattr__(rest, "measured", measured)
    if holds & 4:
        rows, at = _wide(data, at, len(FRAME_KINDS) + 2, count)
        frames = Frames(np.ascontiguousarray(rows[:-2].T), rows[-2], rows[-1], cpu)
        object.__setattr__(rest, "frames", frames)


def _narrow(rows: Ints) -> bytes:
    """Rows of numbers, each in the narrowest type that holds it, in pages where all are whole pages."""
    unit = 1 if (rows & (_PAGE - 1)).any() else _PAGE
    rows = rows // unit
    widths = [_SIGNED if row.min(initial=0) < 0 else _kind(row) for row in rows]
    packed = [row.astype((*_WIDTHS, np.int64)[width]).tobytes() for row, width in zip(rows, widths, strict=True)]
    return bytes([unit == _PAGE, *widths]) + b"".join(packed)


def _wide(data: bytes, at: int, rows: int, length: int) -> tuple[Ints, int]:
    """The int64 rows that `_narrow` packed at a place, shape ``(rows, length)``, and the place after them."""
    unit, widths = _PAGE if data[at] else 1, data[at + 1 : at + 1 + rows]
    at += 1 + rows
    found = np.empty((rows, length), dtype=np.int64)
    for row, width in zip(found, widths, strict=True):
        kind = np.dtype((*_WIDTHS, np.int64)[width])
        row[:] = np.frombuffer(data, kind, length, at)
        at += kind.itemsize * length
    return found * unit, at


# --- what it costs --------------------------------------------------------------------------------------------------


def cost(data: Snapshot | Packed) -> int:
    """Bytes that a snapshot takes, packed or not."""
    if isinstance(data, Packed):
        names = 0 if data.shared else _strings(data.table)
        return _PACKED + len(data.regions) + len(data.counted) + names + _values(data.rest)
    arrays = [data.start, data.end, data.nr_accesses, data.age, data.target]
    beside = 0
    if data.resident is not None:
        arrays.append(data.resident)
    if (measured := data.measured) is not None:
        arrays += [measured.used, measured.least, measured.most, measured.kinds]
        beside += _COUNTED + 32 * len(measured.seconds)  # a pointer and a float each
    if (frames := data.frames) is not None:
        arrays += [frames.counts, frames.unevictable, frames.huge]
        beside += _COUNTED
    return _OBJECT + beside + sum(array.nbytes for array in arrays) + _strings(data.names) + _values(data)


def _values(snapshot: Snapshot) -> int:
    return _numbers(snapshot.module) + _numbers(snapshot.truth)


def _strings(names: tuple[str, ...]) -> int:
    return 8 * len(names) + sum(getsizeof(name) for name in set(names))


def _numbers(values: ModuleValues | Truth | None) -> int:
    if values is None:
        return 0
    percentiles = values.idle_ms_percentiles or ()
    return 200 + 40 * len(percentiles)  # a pointer and an integer each
