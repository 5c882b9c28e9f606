"""Numbers of a whole record by the estimate: what all of its snapshots say together, beside the kernel's rule.

The estimate is of the whole record, whatever part of it a report is about: what was before and after counts, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from damontui.analysis import frames
from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import PIECES, smoothed
from damontui.analysis.heatmap import Floats
from damontui.damon.snapshot import Ints, Snapshot
from damontui.output.reports.numbers import Intervals
from damontui.output.reports.select import Filters
from damontui.records.table import Table

MOMENTS = 512
"""Moments whose pieces are kept, for what is drawn or summed up over time."""
_MORE = 32
"""Snapshots after the part of the record asked for that are taken in as well, since they still tell of it."""


Keep = Literal["used", "total", "percentiles", "idle", "moments"]
"""A field of `Known`; a style names those that it reads, and the others stay empty."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a record. Arrays have a row for each snapshot of which there is an estimate.

    Those that are named in `Keep` are empty where nobody asked for them.
    """

    time: Floats
    """When each of these snapshots ended, shape ``(known,)``."""
    used: Floats
    """Bytes touched in the aggregation, or within the time asked for: NaN where not watched for so long."""
    total: Floats
    """Bytes that hold something and can be seen in use."""
    percentiles: Ints
    """Idle times by bytes, milliseconds, shape ``(known, 101)``."""
    idle: Floats
    """Bytes idle for at least each of the thresholds, NaN where not watched for so long, ``(known, thresholds)``."""
    moments: tuple[Estimate, ...]
    """Estimates of evenly spread moments, about `MOMENTS` at most."""
    free: float | None
    """Bytes that were free at the end; None where that is not known."""

    def places(self, table: Table) -> Ints:
        """The index in a table of each snapshot with an estimate, shape ``(known,)``; -1 for those that it lacks.

        The table is a stretch of the one that was learned from.
        """
        found = np.searchsorted(table.time, self.time)
        inside = np.minimum(found, len(table) - 1)
        return np.where((found < len(table)) & (table.time[inside] == self.time), found, -1)

    def put(self, table: Table, values: Floats | Ints, known: Floats | Ints) -> Floats:
        """``values`` of each snapshot of a table, with ``known`` where there is an estimate."""
        found, place = values.astype(np.float64), self.places(table)
        found[place[place >= 0]] = known[place >= 0]
        return found


def learn(
    table: Table,
    intervals: Intervals,
    filters: Filters,
    keeps: Collection[Keep],
    thresholds: tuple[float, ...],
    told: Callable[[int], None] = lambda done: None,
    within: float | None = None,
    pieces: int = PIECES,
) -> Known | None:
    """The estimates of a record's snapshots; None where none of them has one.

    Where nothing is to be kept, nothing is estimated: then it says only that there could be an estimate, and what was
    free.

    Args:
        table: the whole record.
        intervals: the intervals in force at each snapshot.
        filters: the addresses, the target and the time that the report is about. Other filters choose regions, which
            an estimate does not have.
        keeps: what of the estimates is kept.
        thresholds: idle times, seconds.
        told: called with the number of snapshots taken in so far.
        within: the time of the working set, seconds; an aggregation where None.
        pieces: most pieces of the estimate's map.
    """
    began = min(float(table.began[0]), float(table.time[0]))
    low, high = filters.time if filters.time is not None else (-np.inf, np.inf)
    if not keeps:
        return _unlearned(table, began + low, began + high)
    until = min(int(np.searchsorted(table.time, began + high, side="right")) + _MORE, len(table))
    every = float(table.time[-1] - began) / MOMENTS
    time, used, total, percentiles, idle = [], [], [], [], []
    moments: list[Estimate] = []
    free = None
    for snapshot, whole in smoothed(_snapshots(table, intervals, until, told), pieces=pieces):
        if not low < snapshot.time - began <= high:
            continue
        found = _part(whole, filters)
        if not len(found.start):
            continue
        time.append(snapshot.time)
        free = None if found.free is None else found.free.bytes
        if "total" in keeps:
            total.append(found.total_bytes)
        if "used" in keeps:
            reach = within is None or found.reaches(within)
            used.append(found.working_set(within or found.aggregation_s).bytes if reach else np.nan)
        if "percentiles" in keeps:
            percentiles.append(found.idle_ms_percentiles)
        if "idle" in keeps:
            reached = [found.reaches(one) for one in thresholds]
            idle.append(np.where(reached, found.idle_at(thresholds)[1], np.nan))
        if "moments" in keeps and (not moments or snapshot.time >= moments[-1].time + every):
            moments.append(found)
    if not time:
        return None
    return Known(
        time=np.array(time),
        used=np.array(used),
        total=np.array(total),
        percentiles=np.array(percentiles, np.int64).reshape(-1, 101),
        idle=np.array(idle).reshape(-1, len(thresholds)),
        moments=tuple(moments),
        free=free,
    )


def _unlearned(table: Table, low: float, high: float) -> Known | None:
    """What `learn` finds where nothing is kept: without the estimate, from the last snapshot that would have one."""
    for index in range(int(np.searchsorted(table.time, high, side="right")) - 1, -1, -1):
        if table.time[index] <= low:
            break
        snapshot = table.snapshot(index)
        if len(snapshot) and snapshot.complete and snapshot.measured is None:
            unseen = frames.unseen(snapshot)
            none = np.empty(0)
            free = None if unseen is None else unseen.free.bytes
            return Known(none, none, none, np.empty((0, 101), np.int64), np.empty((0, 0)), (), free)
    return None


def _snapshots(table: Table, intervals: Intervals, until: int, told: Callable[[int], None]) -> Iterator[Snapshot]:
    for index in range(until):
        snapshot = table.snapshot(index)
        if intervals.inferred:
            attrs = replace(
                snapshot.attrs,
                sample_us=max(1, int(intervals.sample[index])),
                aggr_us=int(intervals.aggr[index]),
                goal=None,
            )
            snapshot = replace(snapshot, attrs=attrs, next_attrs=attrs)
        yield snapshot
        told(index + 1)


def _part(found: Estimate, filters: Filters) -> Estimate:
    """The part of an estimate at the filters' addresses and target."""
    keep = np.ones(len(found.start), dtype=np.bool_)
    start, end = found.start, found.end
    if filters.target is not None:
        place = found.targets.index(filters.target) if filters.target in found.targets else -1
        keep &= found.target == place
    if filters.address is not None:
        most = np.iinfo(np.int64).max
        low, high = (int(min(one, most)) for one in filters.address)
        start, end = np.clip(start, low, high), np.clip(end, low, high)
        keep &= start < end
    if keep.all() and start is found.start:
        return found
    return found.part(start, end, keep)


def pieces(known: Known, table: Table) -> tuple[Table, Floats]:
    """The moments as a table whose regions are the pieces, and each piece's seconds in use (negative: idle).

    A region has one age: that some pages between those in use are not (`Estimate.unused`) is left out.
    """
    moments, began, time = _spans(known)
    offsets = np.concatenate(([0], np.cumsum([len(one.start) for one in moments])))
    conditions = [replace(table.conditions[0], targets=one.targets) for one in moments]
    idle = np.concatenate([one.idle_s for one in moments])
    used = np.concatenate([one.used_s for one in moments])
    values = np.where(idle > 0, -idle, np.maximum(used, 1e-3))

    def column(name: str) -> Ints:
        return np.concatenate([getattr(one, name) for one in moments]).astype(np.int64)

    made = Table(
        description=table.description,
        time=time,
        began=began,
        wall=table.wall[-1] - (table.time[-1] - time),
        offsets=offsets.astype(np.int64),
        start=column("start"),
        end=column("end"),
        nr_accesses=(idle <= 0).astype(np.int64),
        age=np.zeros(len(idle), np.int64),
        target=column("target"),
        conditions=conditions,
        condition_of=np.arange(len(moments), dtype=np.int64),
        extra={index: {"resident": np.rint(one.bytes).astype(np.int64)} for index, one in enumerate(moments)},
    )
    return made, values


def ages(known: Known) -> tuple[int, Floats, Floats]:
    """The number of moments, and idle seconds (0: in use) and bytes of the parts of memory at all of them.

    Both arrays have the shape ``(parts,)``. The bytes of a part are weighted by the time that its moment stands for.
    A piece that is in use in part makes two parts (`Estimate.ages`).
    """
    moments, began, time = _spans(known)
    share = (time - began) / (time - began).sum()
    parts = [one.ages() for one in moments]
    weights = [held * each for (_, held), each in zip(parts, share.tolist(), strict=True)]
    return len(moments), np.concatenate([seconds for seconds, _ in parts]), np.concatenate(weights)


def _spans(known: Known) -> tuple[list[Estimate], Floats, Floats]:
    """The moments at which there was memory, and the beginning and the end of the time that each stands for: it ends
    with the moment."""
    moments = [one for one in known.moments if one.bytes.any()]
    time = np.array([one.time for one in moments])
    before = np.concatenate(([time[0] - moments[0].watched_s], time[:-1]))
    return moments, np.maximum(before, time - np.array([one.watched_s for one in moments])), time
