"""The project's own record: a file of gzip members, the first a header in JSON, each further one a snapshot.

The container is gzip (RFC 1952), so ``zcat`` reads it and every member carries its own CRC. Each member says in a
gzip "extra" field (subfield ``DT``) how long it is and when its snapshot ended: a reader jumps from member to member
without unpacking any, and a file that ends in the middle of a member (a crash, or a writer still at work) has lost
that member only. A snapshot's payload is a fixed head, the arrays as little-endian int64 (addresses as differences)
and the rest as JSON. Nothing in it is code, and what a hostile file can make the reader allocate is bounded.
"""

from __future__ import annotations

import dataclasses
import json
import math
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from damontui.analysis.owners import without_frames
from damontui.damon.attrs import Attrs
from damontui.damon.fields import REGIONS, arrays_of
from damontui.damon.snapshot import OPTIONAL, Description, Snapshot
from damontui.errors import DamontuiError, SourceError
from damontui.files import begin, open_file
from damontui.records.fields import plain, value_of
from damontui.records.sound import MEMORY, Allowance, attrs_of, description_of, left_out, listed, sound, whole_number
from damontui.records.table import Conditions, Table, extra_of, json_text

VERSION = 1
MAGIC = b"\x1f\x8b\x08\x04"
"""How a record begins: gzip with an extra field (what follows tells it from other such files)."""
MOST = 64 << 20
"""Unpacked bytes of one member, at most: a million and a half regions."""

_MEMBER = struct.Struct("<4sIBBH2sHId")  # gzip's fixed head, then the extra field: DT, 12, member's length, time
_HEAD = struct.Struct("<8sddd4qq")  # mark, time, began, wall; sample, aggr, next sample, next aggr; regions
_MARK = b"snapshot"
_COLUMNS = 5
_OPTIONAL = {field.name: field for field in OPTIONAL}
_DEFLATE_MOST = 1032
"""Bytes that one packed byte can stand for (zlib's own figure)."""
_KEPT = 1 << 20
"""Bytes of a file that are read before its pages are let go."""
_PLACE_COST = 200
"""Bytes that the place of a snapshot takes."""
_SNAPSHOT_COST = 1_000
"""Bytes that a snapshot without regions takes in a table while it is made."""
_NUMBER_COST = 64
"""Bytes that a number in JSON takes, at most, while it is made a number of an array."""
_TABLE_COST = 4
"""Bytes that a table takes while it is made, for each byte of the snapshots unpacked: the pieces joined, the columns
cut from them, and where in them each value is."""


def _member(payload: bytes, time: float, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(payload) + packer.flush()
    length = _MEMBER.size + len(body) + 8
    head = _MEMBER.pack(MAGIC, 0, 0, 255, 16, b"DT", 12, length, time)
    return head + body + struct.pack("<II", zlib.crc32(payload), len(payload) & 0xFFFFFFFF)


def _rest(snapshot: Snapshot, usual: Attrs) -> dict[str, Any]:
    """The fields of a snapshot that neither the head nor the arrays hold, where they differ from their default."""
    rest: dict[str, Any] = {name: plain(_OPTIONAL[name], value) for name, value in extra_of(snapshot).items()}
    if snapshot.targets != (0,):
        rest["targets"] = snapshot.targets
    for name, attrs in (("attrs", snapshot.attrs), ("next_attrs", snapshot.next_attrs)):
        if _but_intervals(attrs) != _but_intervals(usual):
            rest[name] = dataclasses.asdict(attrs)
    return rest


def _but_intervals(attrs: Attrs) -> tuple[object, ...]:
    """The attributes but for their intervals, to be compared (`replace` would refuse intervals outside of a goal)."""
    return attrs.update_us, attrs.min_regions, attrs.max_regions, attrs.goal, attrs.aggr_samples


def _payload(snapshot: Snapshot, usual: Attrs, nanoseconds: tuple[int, int] | None) -> bytes:
    head = _HEAD.pack(
        _MARK,
        snapshot.time,
        snapshot.began,
        snapshot.wall,
        snapshot.attrs.sample_us,
        snapshot.attrs.aggr_us,
        snapshot.next_attrs.sample_us,
        snapshot.next_attrs.aggr_us,
        len(snapshot),
    )
    arrays = np.empty((_COLUMNS, len(snapshot)), "<i8")
    if len(snapshot):
        # neighbours usually touch, so the gap before a region is zero and packs to nothing
        arrays[0, 0] = snapshot.start[0]
        np.subtract(snapshot.start[1:], snapshot.end[:-1], out=arrays[0, 1:])
        np.subtract(snapshot.end, snapshot.start, out=arrays[1])
        arrays[2], arrays[3], arrays[4] = snapshot.nr_accesses, snapshot.age, snapshot.target
    rest = _rest(snapshot, usual)
    if nanoseconds is not None:
        rest["ns"] = nanoseconds
    return head + arrays.tobytes() + (json_text(rest) if rest else b"")


class RecordWriter:
    """Appends snapshots to a new file; each is in the file, whole, when `append` returns.

    Args:
        path: the file; made with mode 0600.
        description: the source's description.
        force: replace a file that is there.
        level: level of compression, 1 … 9.
        into: a descriptor to write to instead of making the file; it stays open.

    Raises:
        SourceError: the file is there already, or cannot be made or written.
    """

    def __init__(
        self,
        path: str | Path,
        description: Description,
        *,
        force: bool = False,
        level: int = 4,
        into: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.description = description
        self.bytes = 0
        """Bytes written so far."""
        self.count = 0
        """Snapshots written so far."""
        self._level = level
        self._file = begin(self.path, force=force, what="record to") if into is None else os.dup(into)
        header = {"damontui_record": VERSION, **dataclasses.asdict(description)}
        if math.isinf(description.speed):
            header["speed"] = 0  # JSON has no infinity
        self._write(_member(json_text(header) + b"\n", 0.0, self._level))

    def append(self, snapshot: Snapshot, nanoseconds: tuple[int, int] | None = None) -> None:
        """Write a snapshot; ``nanoseconds`` is when it began and ended, where known finer than a float holds.

        Raises `SourceError` where the disk is full.
        """
        if nanoseconds == (round(snapshot.began * 1e9), round(snapshot.time * 1e9)):
            nanoseconds = None
        payload = _payload(without_frames(snapshot), self.description.attrs, nanoseconds)
        self._write(_member(payload, snapshot.time, self._level))
        self.count += 1

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except BrokenPipeError:  # a reader that has seen enough is no failure
            raise
        except OSError as error:
            raise SourceError(
                f"cannot record to {self.path}",
                (error.strerror or str(error)).lower(),
                "free some space and start again",
            ) from error
        self.bytes += len(data)

    def close(self) -> None:
        """Close the file. May be called again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    length: int


class Record:
    """A record file being read; also while it is still being written.

    Args:
        path: the file.
        memory: bytes that reading it may take.

    Raises:
        SourceError: it is no such file, of a later version, or too large.
    """

    def __init__(self, path: str | Path, memory: int = MEMORY) -> None:
        self.path = Path(path)
        self._memory = memory
        self._index = Allowance(self.path, memory)
        self.times: list[float] = []
        """When each snapshot ended, source's clock."""
        self._places: list[_Place] = []
        self._file = open_file(self.path)
        self._scanned = 0
        self._touched = 0
        self._data: mmap.mmap | bytes = b""
        self._map()
        first = self._next()
        header = self._unpack(first) if first is not None else None
        try:
            if header is None:
                raise ValueError
            self.description = _description(header)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, DamontuiError):
            self.close()
            raise SourceError(f"cannot read {self.path}", "it is not a damontui record") from None
        self.refresh()

    def close(self) -> None:
        """Close the file."""
        if isinstance(self._data, mmap.mmap):
            self._data.close()
        self._data = b""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._places)

    def refresh(self) -> int:
        """Look for snapshots that were appended since; returns how many there are in all."""
        self._map()
        before = len(self._places)
        while (place := self._next()) is not None:
            self._index.take(_PLACE_COST)
            self._places.append(place)
            self.times.append(_MEMBER.unpack_from(self._data, place.offset)[8])
        self._let_go()
        return len(self._places) - before

    @property
    def pending_bytes(self) -> int:
        """Bytes at the end that make no whole member: it was cut off, or is still being written."""
        return len(self._data) - self._scanned

    def snapshot(self, index: int) -> Snapshot | None:
        """Snapshot ``index``; None where it is damaged."""
        table = self.table(index, index + 1)
        return table.snapshot(0) if len(table) else None

    def table(self, low: int = 0, high: int | None = None) -> Table:
        """Snapshots ``low:high`` as a table; damaged ones are left out and counted in ``notes``."""
        places = self._places[low:high]
        self._touched += sum(place.length for place in places)
        if self._touched > _KEPT:
            self._let_go()
        budget = Allowance(self.path, self._memory)
        for place in places:
            budget.take(_SNAPSHOT_COST + _TABLE_COST * self._unpacked_size(place))
        return sound(_Builder(self).build(places, budget))

    def _let_go(self) -> None:
        """Give the file's pages back to the kernel: those read of a record of hours would count as our memory."""
        self._touched = 0
        if isinstance(self._data, mmap.mmap):
            self._data.madvise(mmap.MADV_DONTNEED)

    def _map(self) -> None:
        size = os.fstat(self._file.fileno()).st_size
        if size != len(self._data):
            if isinstance(self._data, mmap.mmap):
                self._data.close()
            self._data = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ) if size else b""

    def _next(self) -> _Place | None:
        """The next whole member, None where there is none (yet)."""
        place = self._member_at(self._scanned)
        at = self._scanned
        while place is None and at >= 0:
            # cut off or still being written, unless a whole member follows: then this one is damaged
            at = self._data.find(MAGIC, at + 1)
            place = self._member_at(at) if at >= 0 else None
        if place is not None:
            self._scanned = place.offset + place.length
        return place

    def _member_at(self, offset: int) -> _Place | None:
        if offset + _MEMBER.size > len(self._data):
            return None
        magic, _, _, _, extra, name, size, length, time = _MEMBER.unpack_from(self._data, offset)
        sound = magic == MAGIC and extra == 16 and name == b"DT" and size == 12 and length > _MEMBER.size + 8
        if not sound or not math.isfinite(time) or offset + length > len(self._data):
            return None
        return _Place(offset, length)

    def _unpacked_size(self, place: _Place) -> int:
        """The unpacked size that a member tells at its end, at most what so many bytes can unpack to."""
        size: int = struct.unpack_from("<I", self._data, place.offset + place.length - 4)[0]
        return min(size, MOST, place.length * _DEFLATE_MOST)

    def _unpack(self, place: _Place) -> bytes | None:
        most = self._unpacked_size(place)
        raw = self._data[place.offset + _MEMBER.size : place.offset + place.length]
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            payload = unpacker.decompress(raw, most + 1)
        except zlib.error:
            return None
        checks = unpacker.unused_data
        if not unpacker.eof or len(checks) != 8:
            return None
        sums = struct.unpack("<II", checks)
        return payload if sums == (zlib.crc32(payload), len(payload) & 0xFFFFFFFF) else None


class _Builder:
    """Turns members into a table: arrays are cut from the joined payloads in few steps, whatever their number."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.usual = record.description.attrs

    def build(self, places: list[_Place], budget: Allowance) -> Table:
        heads: list[tuple[Any, ...]] = []
        chunks: list[bytes] = []
        known: dict[Conditions, int] = {}
        intervals: dict[tuple[int, ...], int] = {}
        condition_of: list[int] = []
        extra: dict[int, dict[str, object]] = {}
        fine: dict[int, tuple[int, int]] = {}
        damaged = 0
        for place in places:
            payload = self.record._unpack(place)
            head = _HEAD.unpack_from(payload) if payload is not None and len(payload) >= _HEAD.size else None
            regions = head[8] if head is not None and head[0] == _MARK else -1
            arrays_end = _HEAD.size + regions * 8 * _COLUMNS
            if payload is None or head is None or regions < 0 or arrays_end > len(payload):
                damaged += 1
                continue
            rest = payload[arrays_end:]
            try:
                if rest:
                    budget.bear(_NUMBER_COST * rest.count(b","))
                    conditions, more = _conditions_of(rest, head, self.usual)
                    budget.take(sum(array.nbytes for value in more.values() for array in arrays_of(value)))
                    if (ns := more.pop("ns", None)) is not None:
                        fine[len(heads)] = ns  # type: ignore[assignment]
                    if more:
                        extra[len(heads)] = more
                    number = known.setdefault(conditions, len(known))
                else:
                    times = head[4:8]
                    if (seen := intervals.get(times)) is None:
                        seen = known.setdefault(Conditions(*_pair(times, self.usual)), len(known))
                        intervals[times] = seen
                    number = seen
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError, DamontuiError):
                damaged += 1
                continue
            condition_of.append(number)
            heads.append(head)
            chunks.append(payload[_HEAD.size : arrays_end])
        table = self._table(heads, chunks, list(known), condition_of, extra, damaged)
        if fine:
            table.nanoseconds = np.array([fine.get(i) or table.ns(i) for i in range(len(table))], np.int64)
        return table

    def _table(
        self,
        heads: list[tuple[Any, ...]],
        chunks: list[bytes],
        conditions: list[Conditions],
        condition_of: list[int],
        extra: dict[int, dict[str, object]],
        damaged: int,
    ) -> Table:
        counts = np.array([head[8] for head in heads], np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        flat = np.frombuffer(b"".join(chunks), "<i8")
        chunks.clear()
        total = int(offsets[-1])
        # column c of snapshot i lies at 5 * offsets[i] + c * counts[i]: one gather a column
        within = np.arange(total, dtype=np.int64) - np.repeat(offsets[:-1], counts)
        first = np.repeat(offsets[:-1] * _COLUMNS, counts) + within
        per_region = np.repeat(counts, counts)
        gap, size, nr_accesses, age, target = (flat[first + c * per_region] for c in range(_COLUMNS))
        # an address is the sum of all gaps and sizes before it in its snapshot
        ends = np.cumsum(gap + size)
        before = (
            np.concatenate([np.zeros(1, np.int64), ends])[offsets[:-1]] if total else np.zeros(len(counts), np.int64)
        )
        end = ends - np.repeat(before, counts)
        notes = (left_out(damaged, "damaged"),) if damaged else ()
        times = np.array([head[1:4] for head in heads], np.float64).reshape(-1, 3)
        return Table(
            self.record.description,
            times[:, 0].copy(),
            times[:, 1].copy(),
            times[:, 2].copy(),
            offsets,
            end - size,
            end,
            nr_accesses,
            age,
            target,
            conditions,
            np.array(condition_of, np.int64),
            extra,
            notes=notes,
        )


def _pair(times: tuple[int, ...], usual: Attrs) -> tuple[Attrs, Attrs]:
    sample, aggr, next_sample, next_aggr = times
    attrs = _with_intervals(usual, sample, aggr)
    return attrs, attrs if (next_sample, next_aggr) == (sample, aggr) else _with_intervals(
        usual, next_sample, next_aggr
    )


def _with_intervals(usual: Attrs, sample: int, aggr: int) -> Attrs:
    return dataclasses.replace(usual, sample_us=sample, aggr_us=aggr)


def _conditions_of(rest: bytes, head: tuple[Any, ...], usual: Attrs) -> tuple[Conditions, dict[str, object]]:
    fields = _object(rest)
    named = {name: attrs_of(fields.pop(name)) for name in ("attrs", "next_attrs") if name in fields}
    sample, aggr, next_sample, next_aggr = head[4:8]
    attrs = named["attrs"] if "attrs" in named else _with_intervals(usual, sample, aggr)
    after = named["next_attrs"] if "next_attrs" in named else _with_intervals(usual, next_sample, next_aggr)
    targets = tuple(whole_number(t, 0, 1 << 64) for t in listed(fields.pop("targets", (0,))))
    more: dict[str, object] = {}
    sizes = {REGIONS: int(head[8])}
    for name, value in fields.items():
        if name == "ns":
            began, ended = listed(value)
            more[name] = (whole_number(began), whole_number(ended))
        elif name in _OPTIONAL:
            more[name] = value_of(_OPTIONAL[name], value, sizes)
    if "measured" in more and "resident" not in more:
        raise ValueError("counted bytes of memory whose bytes are not told")
    return Conditions(attrs, after, targets), more


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _description(header: bytes) -> Description:
    fields = _object(header)
    version = fields.pop("damontui_record")
    if version != VERSION:
        raise ValueError(f"version {version}")
    return description_of(fields)
