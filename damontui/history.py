"""The snapshots of the past, within a fixed memory budget: recent ones whole, older ones coarser in time, none gone.

Snapshots stand in levels, the newest in level 0. Level 0 holds them as they came; level 1 holds them packed (the same
to the last bit, in about a fifth of the memory); an entry of level 2 stands for two snapshots, one of level 3 for four,
and so on: where the budget is used up, the two oldest entries of the level that has most over its share become one
entry of the next. So what one entry stands for grows about in proportion to how long ago it was, appending costs O(1)
amortised, and nothing is ever dropped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import counted
from damontui.analysis.owners import without_frames
from damontui.damon.attrs import Attrs
from damontui.damon.fields import joined as joined_fields
from damontui.damon.snapshot import Ints, Snapshot, ints
from damontui.packing import Packed, Tables, cost, pack

BUDGET = 64 * 1024 * 1024
COARSE_REGIONS = 256
"""Most regions of an entry that stands for several snapshots, beyond what separate mappings need."""

_PAGE = 4096
_RAW_SHARE, _PACKED_SHARE = 4, 4
"""Level 0 holds at most a quarter of the budget; level 1 has four times the share of a coarser level."""
_EPOCHS = count()
_TOP_LEVEL = 40  # entries of 2^39 snapshots: the level after which pairs are joined in place


class History:
    """Snapshots in order of time, as many as fit, the older the coarser.

    One thread appends; any thread may read. What is read is immutable and stays valid.

    Args:
        budget: bytes that all snapshots may take.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self.epoch = next(_EPOCHS)
        """A number that no other history has; `clear` takes another one."""
        self.generation = self.epoch << 40
        """A number that grows with every change, so that a reader can tell whether its cached picture still holds."""
        self.total = 0
        """Snapshots appended since the last `clear`."""
        self._lock = Lock()
        self._levels: list[_Level] = [_Level()]
        self._tables = Tables()
        self._read: dict[int, tuple[_Entry, Snapshot]] = {}  # what was unpacked lately, by the entry's id

    def __len__(self) -> int:
        """Entries kept: at most as many as snapshots were appended."""
        with self._lock:
            return sum(len(level.entries) for level in self._levels)

    def __iter__(self) -> Iterator[Snapshot]:
        """Every entry as a snapshot, oldest first."""
        with self._lock:
            entries = [entry for level in reversed(self._levels) for entry in level.entries]
        return (entry.snapshot() for entry in entries)

    @property
    def bytes(self) -> int:
        """Bytes used, at most ``budget`` (or what the newest snapshot alone needs)."""
        with self._lock:
            return sum(level.bytes for level in self._levels)

    def append(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, which is newer than all others."""
        with self._lock:
            self._levels[0].append(_Entry(snapshot.time, snapshot.began, 1, snapshot, cost(snapshot)))
            self.generation += 1
            self.total += 1
            self._shrink()

    def clear(self) -> None:
        """Forget everything (monitoring starts afresh)."""
        with self._lock:
            self._levels = [_Level()]
            self._read = {}
            self.epoch = next(_EPOCHS)
            self.generation = self.epoch << 40
            self.total = 0

    @property
    def last(self) -> Snapshot | None:
        """The newest snapshot."""
        with self._lock:
            newest = next((level.entries[-1] for level in self._levels if level.entries), None)
        return None if newest is None else self._snapshot(newest)

    @property
    def first(self) -> Snapshot | None:
        """The oldest entry: it began when the first snapshot did."""
        with self._lock:
            oldest = next((level.entries[0] for level in reversed(self._levels) if level.entries), None)
        return None if oldest is None else self._snapshot(oldest)

    @property
    def began(self) -> float | None:
        """When the oldest aggregation began, source's clock."""
        with self._lock:
            return next((level.entries[0].began for level in reversed(self._levels) if level.entries), None)

    def at(self, time: float) -> Snapshot | None:
        """The newest snapshot that ended by ``time``, or the entry that it went into; None where there is none."""
        entry = self._entry_at(time)
        return None if entry is None else self._snapshot(entry)

    def resolution_at(self, time: float) -> float:
        """Seconds that the entry kept for ``time`` stands for; 0 where there is none."""
        entry = self._entry_at(time)
        return 0.0 if entry is None else entry.time - entry.began

    def after(self, time: float) -> float | None:
        """The end of the first entry that ends after ``time``; None where there is none."""
        with self._lock:
            for level in reversed(self._levels):
                if level.entries and level.times[-1] > time:
                    return level.times[bisect_right(level.times, time)]
        return None

    def between(self, since: float, until: float, most: int | None = None) -> Sequence[Snapshot]:
        """The snapshots whose aggregation overlaps ``(since, until]``, oldest first, thinned evenly to ``most``.

        The newest of them always is among them.
        """
        return list(self.walk(since, until, most))

    def walk(self, since: float, until: float, most: int | None = None) -> Iterator[Snapshot]:
        """The snapshots of `between` one by one: of a long past, not all of them are unpacked at the same time."""
        found: list[_Entry] = []
        with self._lock:
            for level in reversed(self._levels):
                if level.entries and level.times[-1] > since and level.entries[0].began < until:
                    low = bisect_right(level.times, since)
                    high = bisect_left(level.times, until)
                    if high < len(level.entries) and level.entries[high].began < until:
                        high += 1
                    found += level.entries[low:high]
        if most is not None and len(found) > most:
            step = -(-len(found) // most)
            found = found[(len(found) - 1) % step :: step]
        return (entry.snapshot() for entry in found)

    def _entry_at(self, time: float) -> _Entry | None:
        with self._lock:
            after = None
            for level in self._levels:
                if level.entries and level.times[0] <= time:
                    return level.entries[bisect_right(level.times, time) - 1]
                if level.entries:
                    after = level.entries[0]
        # before the end of the oldest entry: inside it, if it stands for several snapshots
        return after if after is not None and after.count > 1 and time > after.began else None

    def _snapshot(self, entry: _Entry) -> Snapshot:
        if isinstance(entry.data, Snapshot):
            return entry.data
        kept = self._read.get(id(entry))
        if kept is not None:
            return kept[1]
        snapshot = entry.snapshot()
        if len(self._read) >= 8:  # the same object again, for whoever asks for the same moment at every repaint
            self._read = {}
        self._read[id(entry)] = entry, snapshot
        return snapshot

    # --- keeping within the budget; the lock is held ---

    def _shrink(self) -> None:
        raw = self._levels[0]
        while raw.bytes * _RAW_SHARE > self.budget and len(raw.entries) > 1:
            self._level(1).append(packed(raw.pop(), self._tables))
        while sum(level.bytes for level in self._levels) > self.budget:
            index = max(
                (i for i, level in enumerate(self._levels) if i and len(level.entries) > 1),
                key=lambda i: self._levels[i].bytes / (_PACKED_SHARE if i == 1 else 1),
                default=None,
            )
            if index is not None:
                self._coarsen(index)
            elif len(raw.entries) > 1:
                self._level(1).append(packed(raw.pop(), self._tables))
            elif not self._collapse():
                return  # one snapshot that is over the budget alone

    def _coarsen(self, index: int) -> None:
        """Make the two oldest entries of a level one of the next; not across a time when nothing was monitored."""
        level, above = self._levels[index], self._level(min(index + 1, _TOP_LEVEL))
        older, newer = level.entries[:2]
        gap = newer.began - older.time
        level.pop()
        if gap > max(older.time - older.began, newer.time - newer.began) and index < _TOP_LEVEL:
            above.append(older)
        else:
            level.pop()
            above.append(joined(older, newer, self._tables), oldest=index == _TOP_LEVEL)

    def _collapse(self) -> bool:
        """Join the two oldest entries where every level has but one; False where there is one entry alone."""
        held = [level for level in self._levels[1:] if level.entries]
        if len(held) < 2:
            return False
        newer, older = held[-2].pop(), held[-1].pop()
        held[-1].append(joined(older, newer, self._tables))
        return True

    def _level(self, index: int) -> _Level:
        while len(self._levels) <= index:
            self._levels.append(_Level())
        return self._levels[index]


@dataclass(frozen=True, slots=True)
class _Entry:
    time: float
    began: float
    count: int
    """How many snapshots it stands for."""
    data: Snapshot | Packed
    cost: int

    def snapshot(self) -> Snapshot:
        return self.data if isinstance(self.data, Snapshot) else self.data.unpacked()


class _Level:
    """Entries of one level, oldest first. Removing the oldest moves pointers only: cheap at these lengths."""

    __slots__ = ("bytes", "entries", "times")

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.times: list[float] = []
        self.bytes = 0

    def append(self, entry: _Entry, *, oldest: bool = False) -> None:
        at = 0 if oldest else len(self.entries)
        self.entries.insert(at, entry)
        self.times.insert(at, entry.time)
        self.bytes += entry.cost

    def pop(self) -> _Entry:
        entry = self.entries.pop(0)
        del self.times[0]
        self.bytes -= entry.cost
        return entry


# --- two snapshots as one -------------------------------------------------------------------------------------------


def packed(entry: _Entry, tables: Tables) -> _Entry:
    """The entry in less memory."""
    if isinstance(entry.data, Packed):
        return entry
    data = pack(without_frames(entry.data), tables)
    return _Entry(entry.time, entry.began, entry.count, data, cost(data))


def joined(older: _Entry, newer: _Entry, tables: Tables) -> _Entry:
    """One entry for two that follow each other."""
    data = pack(merged(older.snapshot(), newer.snapshot()), tables)
    return _Entry(newer.time, older.began, older.count + newer.count, data, cost(data))


def merged(older: Snapshot, newer: Snapshot, most: int = COARSE_REGIONS) -> Snapshot:
    """Two snapshots as one, as if a single aggregation had lasted for both of their intervals.

    Regions are cut at the boundaries of both. Where both cover, ``nr_accesses`` is the sum (the samples of the longer
    interval are the sum, too); where one does, its count in proportion to the longer interval. Ages are the newer's, in
    its units, where it covers, else the older's. ``attrs`` tell the whole interval, ``next_attrs`` what was in force
    after it. Then neighbours that are most alike are joined, size-weighted, until ``most`` are left; never across a
    gap, a target or a name. Bytes in memory are the newer's where it covers, shared out evenly over the addresses of a
    region that is cut. Counted bytes are joined by `damontui.analysis.counted`; what a snapshot holds beside is joined
    as it is declared (``past`` of `damontui.damon.fields.Fact`).
    """
    targets, renamed = _targets(older, newer)
    attrs = _both(older.attrs, newer.attrs)
    beside = dict(joined_fields(Snapshot, older, newer, (older.attrs.aggr_us, newer.attrs.aggr_us)))
    if newer.measured is not None:
        beside.pop("measured", None)  # joined with its regions
        return replace(counted.merged(older, newer, attrs, targets, renamed, most), **beside)
    pieces = [_cut(older, newer, renamed, target, attrs) for target in range(len(targets))]
    table = tuple(dict.fromkeys((*newer.names, *older.names, "")))
    columns = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    start, end, count, age, target, code, memory = alike(*columns, whole=attrs.max_nr_accesses, most=most)
    names = tuple(table[i] for i in code.tolist()) if len(table) > 1 else ()
    return replace(
        newer,
        began=older.began,
        attrs=attrs,
        start=start,
        end=end,
        nr_accesses=count,
        age=age,
        target=target,
        targets=targets,
        names=names,
        resident=None if older.resident is None and newer.resident is None else memory,
        **beside,
    )


def _targets(older: Snapshot, newer: Snapshot) -> tuple[tuple[int, ...], Ints]:
    """The targets of both, the newer snapshot's first, and the index among them of each of the older one's."""
    targets = tuple(dict.fromkeys((*newer.targets, *older.targets)))
    return targets, ints([targets.index(one) for one in older.targets])


def _both(older: Attrs, newer: Attrs) -> Attrs:
    """Attributes of the two aggregations as one: their times and their samples added."""
    aggr = older.aggr_us + newer.aggr_us
    samples = older.max_nr_accesses + newer.max_nr_accesses
    return replace(newer, aggr_us=aggr, sample_us=max(1, aggr // samples), aggr_samples=samples)


Columns = tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints]
"""Arrays of shape ``(regions,)``: start, end, nr_accesses, age, target, index of the name, bytes of memory."""


def _cut(older: Snapshot, newer: Snapshot, renamed: Ints, target: int, attrs: Attrs) -> Columns:
    """Regions of one target, cut at the boundaries of both snapshots."""
    old = np.flatnonzero(renamed[older.target] == target) if len(older) else ints([])
    new = np.flatnonzero(newer.target == target)
    edges = np.unique(np.concatenate((older.start[old], older.end[old], newer.start[new], newer.end[new])))
    if len(edges) < 2:
        none = ints([])
        return none, none, none, none, none, none, none
    low, high = edges[:-1], edges[1:]
    in_old, at_old = _inside(older.start[old], older.end[old], low)
    in_new, at_new = _inside(newer.start[new], newer.end[new], low)
    there = in_old | in_new
    low, high, in_old, in_new = low[there], high[there], in_old[there], in_new[there]
    at_old, at_new = (
        old[at_old[there]] if len(old) else at_old[there],
        new[at_new[there]] if len(new) else at_new[there],
    )
    count_old = _take(older.nr_accesses, at_old, in_old)
    count_new = _take(newer.nr_accesses, at_new, in_new)
    whole = attrs.max_nr_accesses
    lone_old = count_old * whole // max(1, older.attrs.max_nr_accesses)
    lone_new = count_new * whole // max(1, newer.attrs.max_nr_accesses)
    count = np.where(in_old & in_new, count_old + count_new, np.where(in_new, lone_new, lone_old))
    age_old = _take(older.age, at_old, in_old) * older.next_attrs.aggr_us // newer.next_attrs.aggr_us
    age = np.where(in_new, _take(newer.age, at_new, in_new), age_old)
    code = np.zeros(len(low), dtype=np.int64)
    if newer.names or older.names:
        table = {name: i for i, name in enumerate(dict.fromkeys((*newer.names, *older.names, "")))}
        of_new = ints([table[name] for name in newer.names] or [table[""]] * len(newer))
        of_old = ints([table[name] for name in older.names] or [table[""]] * len(older))
        code = np.where(in_new, _take(of_new, at_new, in_new), _take(of_old, at_old, in_old))
    memory = np.where(in_new, _part(newer, at_new, in_new, low, high), _part(older, at_old, in_old, low, high))
    return low, high, np.minimum(count, whole), age, np.full(len(low), target, dtype=np.int64), code, memory


def _part(snapshot: Snapshot, at: Ints, where: NDArray[np.bool_], low: Ints, high: Ints) -> Ints:
    """Bytes of memory of pieces ``[low, high)`` of regions: parts of one region add up to it, to the byte."""
    if snapshot.resident is None:
        return high - low
    start, size = _take(snapshot.start, at, where), np.maximum(_take(snapshot.sizes, at, where), 1)
    held = _take(snapshot.resident, at, where)
    below, above = (np.rint(held * ((edge - start) / size)) for edge in (low, high))
    return (above - below).astype(np.int64)


def _inside(start: Ints, end: Ints, at: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """Whether each address is inside of a region, and that region's index."""
    if len(start) == 0:
        return np.zeros(len(at), dtype=np.bool_), np.zeros(len(at), dtype=np.int64)
    index = np.maximum(np.searchsorted(start, at, side="right") - 1, 0)
    return (at >= start[index]) & (at < end[index]), index


def _take(values: Ints, index: Ints, where: NDArray[np.bool_]) -> Ints:
    """``values[index]`` at the places in ``where``, 0 elsewhere."""
    return np.where(where, values[np.where(where, index, 0)], 0) if len(values) else np.zeros(len(index), np.int64)


def alike(*regions: Ints, whole: int, most: int) -> Columns:
    """Join neighbours, the most alike first, until ``most`` regions are left or none touch.

    Two neighbours are the more unlike, the more their shares of accessed samples differ, where only one was accessed at
    all, and the larger the smaller of the two is. Since small hot memory must not be lost, size counts by its logarithm
    only.

    Args:
        regions: the arrays of `Columns`, an argument each.
        whole: samples in the aggregation.
        most: how many regions are to be left.
    """
    same = _likeness(*regions, whole=whole) == 0
    columns = _join(*regions, pairs=same)
    while len(columns[0]) > most:
        unlike = _likeness(*columns, whole=whole)
        rank = np.empty(len(unlike), dtype=np.int64)
        rank[np.argsort(unlike, kind="stable")] = np.arange(len(unlike))
        padded = np.concatenate(([len(rank)], rank, [len(rank)]))
        # pairs more alike than both neighbouring pairs, so that no region is in two; and no more than needed
        lowest = (rank < padded[:-2]) & (rank < padded[2:]) & np.isfinite(unlike) & (rank < len(columns[0]) - most)
        if not lowest.any():
            break
        columns = _join(*columns, pairs=lowest)
    return columns


def _likeness(
    start: Ints, end: Ints, count: Ints, age: Ints, target: Ints, code: Ints, memory: Ints, *, whole: int
) -> NDArray[np.float64]:
    """How unlike each region is to the next, shape ``(regions - 1,)``: 0 where alike, inf where they must stay
    apart."""
    rate = count / max(1, whole)
    size = np.minimum(end[1:] - start[1:], end[:-1] - start[:-1])
    differ = np.abs(np.diff(rate)) + 0.25 * np.not_equal(count[1:] > 0, count[:-1] > 0)
    older = np.log2((np.maximum(age[1:], age[:-1]) + 1) / (np.minimum(age[1:], age[:-1]) + 1))
    unlike = (differ + 0.02 * older) * (1 + np.log2(np.maximum(size, _PAGE) / _PAGE) / 32)
    apart = (start[1:] != end[:-1]) | (target[1:] != target[:-1]) | (code[1:] != code[:-1])
    # regions of which none is in memory are nothing beside those of which some is
    apart |= (memory[1:] > 0) != (memory[:-1] > 0)
    return np.where(apart, np.inf, unlike)


def _join(
    start: Ints, end: Ints, count: Ints, age: Ints, target: Ints, code: Ints, memory: Ints, *, pairs: NDArray[np.bool_]
) -> Columns:
    """Join region ``i`` and ``i + 1`` where ``pairs[i]``; counts and ages are means weighted by bytes of memory."""
    if not pairs.any():
        return start, end, count, age, target, code, memory
    first = np.flatnonzero(np.r_[True, ~pairs])
    last = np.r_[first[1:] - 1, len(start) - 1]
    size = np.where(memory > 0, memory, end - start).astype(np.float64)
    total = np.add.reduceat(size, first)
    mean = np.add.reduceat(size * count, first) / total
    # what was touched at all stays so: a mean that rounds to nothing would hide it
    counts = np.maximum(np.rint(mean), np.maximum.reduceat(count, first) > 0).astype(np.int64)
    ages = np.floor(np.add.reduceat(size * age, first) / total + 1e-9).astype(np.int64)
    return start[first], end[last], counts, ages, target[first], code[first], np.add.reduceat(memory, first)
