"""Snapshots in less memory: the same to the last bit, in the narrowest types that hold their numbers."""

from __future__ import annotations

import dataclasses
import zlib
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from struct import Struct
from sys import getsizeof
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damontui.damon.fields import Field, fields_of
from damontui.damon.snapshot import OPTIONAL, Ints, Snapshot, ints

_PAGE = 4096
_NONE = ints([])
_OBJECT = 1_000  # bytes of a snapshot beside its numbers: the object, its array objects, its place in the lists
_PACKED = 850  # the same when packed, with attributes of its own; both measured by the test that counts what is used
_COUNTED = 400  # of an object that holds arrays, and its array objects

_HEAD = Struct("<qIIIIBBBBB")
"""First start, regions, jumps, changes of target, bytes in a unit of size, and the width of what follows."""
_WIDTHS = (np.uint8, np.uint16, np.uint32, np.uint64)
_MOST = tuple(int(np.iinfo(kind).max) for kind in _WIDTHS)


@dataclass(frozen=True, slots=True)
class Packed:
    """A snapshot whose regions are in one string of bytes, in the narrowest types that hold them: lossless.

    After the head come: sizes in units, ``nr_accesses`` and ages; for each region that does not begin at the end of the
    one before it, its index, and the distance as int64; for each change of target, the region's index, and the target
    as int64; for each region the index of its name in ``table``.
    """

    rest: Snapshot
    """Everything but the regions."""
    regions: bytes
    table: tuple[str, ...] = ()
    """The different names."""
    apart: bytes = b""
    """The arrays and numbers of the other fields with arrays (`_WITH_ARRAYS`), b"" where all are None."""
    others: tuple[object, ...] = ()
    """The rest of those fields: texts, and values that may be None."""
    texts: int = 0
    """Bytes of its texts that no other packed snapshot holds."""

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
        rest = _copied(self.rest)
        for put, value in zip(_PUT_REGIONS, (end - sizes, end, accesses, age, target, names), strict=True):
            put(rest, value)
        if self.apart:
            _put_back(rest, self)
        rest.__post_init__()
        return rest


_REGIONS = ("start", "end", "nr_accesses", "age", "target", "names")
_ALL = tuple(field.name for field in dataclasses.fields(Snapshot))
_values_of = attrgetter(*_ALL)
_PUT = {name: getattr(Snapshot, name).__set__ for name in _ALL}
"""Functions that set a field of a frozen snapshot; only for one that is being made here."""
_PUT_ALL = tuple(_PUT.values())
_PUT_REGIONS = tuple(_PUT[name] for name in _REGIONS)
_WITH_ARRAYS = tuple(field for field in OPTIONAL if field.has_arrays)
_values_with_arrays = attrgetter(*(field.name for field in _WITH_ARRAYS))
_HEAVY = tuple(field for field in OPTIONAL if field.many or field.has_arrays or field.parts)
# `_held` takes the first for the only one that is never None
assert _HEAVY[0].name == "names", f"declare {_HEAVY[0].name} at the end of Snapshot: nothing like it goes before names"
_values_heavy = attrgetter(*(field.name for field in _HEAVY))


_MOST_TABLES = 8


class Tables:
    """Texts that packed snapshots share: a process has the same names of mappings at each reading."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def shared(self, table: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
        """An equal table that is held already, and whether there was one."""
        known = self._known.pop(table, None)
        self._known[table] = table if known is None else known  # the lately used ones are last
        if len(self._known) > _MOST_TABLES:
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
    rest = _copied(snapshot)
    for put, none in zip(_PUT_REGIONS, (*[_NONE] * 5, ()), strict=True):
        put(rest, none)
    apart = _Apart(tables)
    table = apart.text(table)
    values = _values_with_arrays(snapshot)
    if any(value is not None for value in values):
        for field, value in zip(_WITH_ARRAYS, values, strict=True):
            _PUT[field.name](rest, None)
            apart.take(field, value)
    return Packed(rest, head + b"".join(parts), table, apart.packed(), tuple(apart.others), apart.texts)


def _copied(snapshot: Snapshot) -> Snapshot:
    """A copy, four times as fast as `copy.copy`: it is made for every snapshot that is kept, and for each read."""
    made = object.__new__(Snapshot)
    for put, value in zip(_PUT_ALL, _values_of(snapshot), strict=True):
        put(made, value)
    return made


def _kind(values: Ints) -> int:
    """The narrowest of ``_WIDTHS`` that holds all values."""
    return bisect_left(_MOST, int(values.max())) if len(values) else 0


# --- other fields with arrays -----------------------------------------------------------------------------------------

_SHAPE = Struct("<BII")
"""The head of an array: how many axes, and their lengths."""
_SIGNED = len(_WIDTHS)
"""The code of the width of numbers that fit no unsigned type: int64."""


@lru_cache
def _numbers_of(kind: type) -> tuple[tuple[str, ...], Struct]:
    """The numbers of a dataclass that are always there, and how they are packed."""
    codes = {bool: "?", int: "q", float: "d"}
    plain = [field for field in fields_of(kind) if field.kind in codes and not field.many and not field.optional]
    return tuple(field.name for field in plain), Struct("<" + "".join(codes[field.kind] for field in plain))


def _as_array(field: Field) -> bool:
    """Whether a value is packed like an array: it is one, or a tuple of floats."""
    return field.kind is np.ndarray or (field.many and field.kind is float and not field.optional)


class _Apart:
    """Splits values into numbers, which are packed, and others, which are kept as they are.

    Most mappings of a process are not touched at all, and most frames of a region are of one kind: the rows are mostly
    zeros, so they are compressed beside being narrow.
    """

    def __init__(self, tables: Tables | None) -> None:
        self.others: list[object] = []
        self.texts = 0
        self._tables = tables
        self._parts: list[bytes] = []
        self._some = False

    def packed(self) -> bytes:
        """All numbers taken, packed; b"" where every value was None."""
        return zlib.compress(b"".join(self._parts), 1) if self._some else b""

    def text(self, given: tuple[str, ...]) -> tuple[str, ...]:
        """An equal tuple of texts that another snapshot holds, else this one."""
        if not given or self._tables is None:
            shared = False
        else:
            given, shared = self._tables.shared(given)
        self.texts += 0 if shared else _strings(given)
        return given

    def take(self, field: Field, value: Any) -> None:
        """Take a value: an array, or a dataclass that has some; or None."""
        if field.optional:
            self._parts.append(b"\1" if value is not None else b"\0")
            if value is None:
                return
        self._some = True
        if _as_array(field):
            self._array(field, np.asarray(value))
            return
        names, packing = _numbers_of(field.kind)
        self._parts.append(packing.pack(*(getattr(value, name) for name in names)))
        for part in field.parts:
            inner = getattr(value, part.name)
            if _as_array(part) or part.has_arrays:
                self.take(part, inner)
            elif part.name not in names:
                self.others.append(self.text(inner) if part.many and part.kind is str and inner else inner)

    def _array(self, field: Field, value: NDArray[Any]) -> None:
        self._parts.append(_SHAPE.pack(value.ndim, value.shape[0], value.shape[-1]))
        if value.dtype != np.int64:
            self._parts.append(value.tobytes())
            return
        if field.fact.rising:
            value = np.diff(value, axis=-1, prepend=0)
        self._parts.append(_narrow(value.T if value.ndim == 2 else value[None]))


class _Together:
    """Puts values together again that `_Apart` split, in the same order."""

    def __init__(self, data: bytes, others: tuple[object, ...]) -> None:
        self._data = data
        self._others = iter(others)
        self._at = 0

    def put(self, field: Field) -> Any:
        """The next value."""
        if field.optional:
            self._at += 1
            if not self._data[self._at - 1]:
                return None
        if _as_array(field):
            found = self._array(field)
            return tuple(found.tolist()) if field.many else found
        names, packing = _numbers_of(field.kind)
        values = dict(zip(names, packing.unpack_from(self._data, self._at), strict=True))
        self._at += packing.size
        for part in field.parts:
            if _as_array(part) or part.has_arrays:
                values[part.name] = self.put(part)
            elif part.name not in names:
                values[part.name] = next(self._others)
        return field.kind(**values)

    def _array(self, field: Field) -> NDArray[Any]:
        axes, first, last = _SHAPE.unpack_from(self._data, self._at)
        self._at += _SHAPE.size
        shape = (first, last)[:axes]
        if field.kind is float or not field.whole:
            found = np.frombuffer(self._data, np.float64, int(np.prod(shape)), self._at).reshape(shape).copy()
            self._at += found.nbytes
            return found
        rows, self._at = _wide(self._data, self._at, last if axes == 2 else 1, first)
        if field.fact.rising:
            rows = np.cumsum(rows, axis=0) if axes == 2 else np.cumsum(rows, axis=1)
        return np.ascontiguousarray(rows.T) if axes == 2 else rows[0]


def _put_back(rest: Snapshot, packed: Packed) -> None:
    """Give a snapshot the values that `_Apart` took from it."""
    parts = _Together(zlib.decompress(packed.apart), packed.others)
    for field in _WITH_ARRAYS:
        _PUT[field.name](rest, parts.put(field))


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


# --- bytes that snapshots take ----------------------------------------------------------------------------------------


def cost(data: Snapshot | Packed) -> int:
    """Bytes that a snapshot takes, packed or not."""
    if isinstance(data, Packed):
        others = sum(8 * len(one) if isinstance(one, tuple) else 32 for one in data.others)
        return _PACKED + len(data.regions) + len(data.apart) + data.texts + others + _held(data.rest)
    regions = (data.start, data.end, data.nr_accesses, data.age, data.target)
    return _OBJECT + sum(array.nbytes for array in regions) + _held(data)


def _held(value: object) -> int:
    """Bytes that the fields of a dataclass hold beside the object itself, numbers of their own left out."""
    if isinstance(value, Snapshot):  # at every snapshot, most of which hold next to nothing
        values = _values_heavy(value)
        if values[0] or any(inner is not None for inner in values[1:]):
            return sum([_weight(field, inner) for field, inner in zip(_HEAVY, values, strict=True)])
        return 0
    return sum([_weight(field, getattr(value, field.name)) for field in fields_of(type(value))])


def _weight(field: Field, inner: Any) -> int:
    """Bytes that the value of a field holds."""
    if inner is None or not (field.many or field.has_arrays or field.parts):
        return 0
    if field.kind is np.ndarray:
        return int(inner.nbytes)
    if field.many:
        return _strings(inner) if field.kind is str else 40 * len(inner)  # a pointer and a number each
    return (_COUNTED if field.has_arrays else _OBJECT // 5) + _held(inner)


def _strings(names: tuple[str, ...]) -> int:
    return 8 * len(names) + sum(getsizeof(name) for name in set(names))
