"""Numbers of a whole record at once: the formulas of `damontui.damon.metrics` over all snapshots, without a loop.

Where bytes were counted, each snapshot's own numbers (`damontui.analysis.usage`) stand in their place.

Snapshot arrays have shape ``(snapshots,)``, region arrays ``(all regions,)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import heatmap, rounding, timeline, usage
from damontui.analysis.axis import Axis, joined, make_axis, stride_for
from damontui.analysis.heatmap import Floats, Mode
from damontui.analysis.raster import painted
from damontui.damon import metrics
from damontui.damon.snapshot import Ints, Snapshot
from damontui.records.table import Table

_LONGEST = 9e10
"""The longest time, seconds: 2,800 years, whose temperature still fits 63 bits."""
_DEVIATION = 0.1
"""Share by which a snapshot may last longer or shorter than its interval before that interval is not believed."""


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """The intervals in force at each snapshot, microseconds as integers."""

    sample: Ints
    aggr: Ints
    """Aggregation intervals while accesses were counted: rates and bandwidth use these."""
    next_aggr: Ints
    """Aggregation intervals from the snapshot's end on, which ages count."""
    most: Ints
    """The greatest possible ``nr_accesses``."""
    known: bool
    """False where the record has no intervals."""
    inferred: int = 0
    """Snapshots whose interval was taken from how long they lasted."""

    def take(self, chosen: Ints) -> Intervals:
        """The intervals of the ``chosen`` snapshots."""
        return Intervals(
            self.sample[chosen],
            self.aggr[chosen],
            self.next_aggr[chosen],
            self.most[chosen],
            self.known,
            min(self.inferred, len(chosen)),
        )


def unsound(table: Table) -> str:
    """Why no report can be made of a record's numbers, "" where it can.

    Each snapshot by itself is possible (`damontui.records.sound`); this is about what a report computes from them.
    """
    times = np.concatenate([table.time, table.began, table.wall])
    if np.abs(times).max(initial=0.0) > _LONGEST:
        return "its times are no times"
    if (np.diff(table.time) < 0).any():
        return "its times do not rise"
    if int(table.end.max(initial=0)) > stride_for(max([len(b.targets) for b in table.conditions], default=1)):
        return "its addresses are higher than addresses are"
    longest = max([max(b.attrs.aggr_us, b.next_attrs.aggr_us, b.attrs.sample_us) for b in table.conditions], default=1)
    if (int(table.age.max(initial=0)) + 1) * longest > _LONGEST * 1e6:
        return "its ages are longer than there has been a computer"
    counted = float(table.nr_accesses.max(initial=0)) + 100
    held = np.bincount(snapshot_of(table), (table.end - table.start).astype(np.float64), len(table))
    if held.max(initial=0.0) * counted > 2.0**62:
        return "its regions hold more than there is memory"
    return ""


def durations(table: Table) -> Floats:
    """Seconds that each snapshot covers, at least a nanosecond."""
    return np.maximum(table.time - table.began, 1e-9)


def intervals_of(table: Table) -> Intervals:
    """The intervals in force at each snapshot.

    damo writes only the intervals with which a record began, although the kernel tunes them. In such a record a
    snapshot's own length tells, where it is over a tenth off; that is damo's rule, too.
    """

    def column(values: list[int]) -> Ints:
        return np.array(values, np.int64)[table.condition_of] if values else np.zeros(0, np.int64)

    sample = column([b.attrs.sample_us for b in table.conditions])
    aggr = column([b.attrs.aggr_us for b in table.conditions])
    next_aggr = column([b.next_attrs.aggr_us for b in table.conditions])
    most = np.maximum(1, aggr // np.maximum(1, sample))
    untold = (
        table.intervals_known
        and table.description.origin == "record"
        and len({(b.attrs.aggr_us, b.next_attrs.aggr_us) for b in table.conditions}) == 1
        and all(b.attrs.goal is not None for b in table.conditions)
    )
    if not untold:
        return Intervals(sample, aggr, next_aggr, most, table.intervals_known)
    lasted = np.rint(durations(table) * 1e6).astype(np.int64)
    off = np.abs(lasted - aggr) >= aggr * _DEVIATION
    aggr = np.where(off, np.maximum(lasted, most), aggr)
    return Intervals(aggr // most, aggr, aggr, most, True, int(off.sum()))


def snapshot_of(table: Table) -> Ints:
    """The snapshot that each region belongs to."""
    return np.repeat(np.arange(len(table), dtype=np.int64), np.diff(table.offsets))


def sizes(table: Table) -> Ints:
    """Bytes of memory of each region: what is resident where that is known, else its size."""
    found = table.end - table.start
    for index, extra in table.extra.items():
        if isinstance(resident := extra.get("resident"), np.ndarray):
            found[table.offsets[index] : table.offsets[index + 1]] = resident
    return found


def measured(table: Table) -> Iterator[tuple[int, Snapshot]]:
    """Each snapshot whose bytes were counted, after its index: its numbers are those of `usage`."""
    for index, extra in sorted(table.extra.items()):
        if extra.get("measured") is not None and table.offsets[index] < table.offsets[index + 1]:
            yield index, table.snapshot(index)


def in_use(table: Table) -> Ints:
    """Bytes of each region that were accessed in the aggregation, or counted within the shortest time measured."""
    found = metrics.in_use_of(table.nr_accesses, sizes(table))
    for index, snapshot in measured(table):
        found[table.offsets[index] : table.offsets[index + 1]] = np.rint(usage.in_use(snapshot))
    return found


def working_sets(table: Table) -> Ints:
    """Bytes that were accessed in the aggregation (`in_use`), of each snapshot."""
    return metrics.sums(in_use(table), table.offsets)


def used_within(table: Table, intervals: Intervals, seconds: float) -> Floats:
    """Bytes of each snapshot touched within so long; NaN where memory was not watched for it, shape ``(snapshots,)``.

    Counted bytes where there are; else DAMON's rule: regions with an access, and those idle for less.
    """
    idle = idle_ms(table, intervals)
    found = metrics.sums(np.where(idle < seconds * 1000, sizes(table), 0), table.offsets).astype(np.float64)
    began = min(float(table.began[0]), float(table.time[0])) if len(table) else 0.0
    found[table.time - began < seconds * (1 - 1e-6)] = np.nan
    for index, snapshot in measured(table):
        amount = usage.used_within(snapshot, seconds)
        found[index] = np.nan if amount is None else amount.bytes
    return found


def totals(table: Table) -> Ints:
    """Bytes of all regions, of each snapshot."""
    return metrics.sums(sizes(table), table.offsets)


def bandwidths(table: Table, intervals: Intervals) -> Floats:
    """Bytes per second by the kernel's formula, of each snapshot."""
    found = metrics.bandwidth_of(_touched(table), intervals.aggr.astype(np.float64))
    for index, snapshot in measured(table):
        found[index] = usage.bandwidth(snapshot)
    return found


def unrounded_bandwidths(table: Table, intervals: Intervals) -> Floats:
    """Bytes per second with the counts that rounding lost (`damontui.analysis.rounding`), of each snapshot."""
    joined, found = rounding.Rounding(), np.zeros(len(table))
    for index, snapshot in enumerate(table):
        found[index] = joined.bandwidth(snapshot)
        if snapshot.measured is None:  # intervals that the user gives count
            found[index] *= snapshot.attrs.aggr_us / intervals.aggr[index]
    return found


def observed(table: Table, intervals: Intervals) -> Floats:
    """Share of positive access checks by bytes, of each snapshot."""
    total = np.maximum(1, totals(table)).astype(np.float64)
    return metrics.observed_of(_touched(table), total, intervals.most.astype(np.float64))


def _touched(table: Table) -> Floats:
    return metrics.sums(sizes(table) * table.nr_accesses, table.offsets).astype(np.float64)


def idle_ms(table: Table, intervals: Intervals) -> Ints:
    """Milliseconds that each region is idle; negative: in use for so long."""
    return metrics.idle_ms_of(table.nr_accesses, table.age, intervals.next_aggr[snapshot_of(table)])


def seconds_held(table: Table, intervals: Intervals) -> Floats:
    """Seconds for which each region's pattern has held."""
    return (table.age + 1) * (intervals.next_aggr[snapshot_of(table)] / 1e6)


def temperatures(table: Table, intervals: Intervals) -> Floats:
    """Temperature of each region with the usual weights (rate 100, age 100, size 0); negative where not accessed."""
    of = snapshot_of(table)
    return metrics.temperatures_of(table.nr_accesses, table.age, intervals.most[of], intervals.next_aggr[of])


def idle_percentiles(table: Table, intervals: Intervals) -> Ints:
    """The 101 percentiles by bytes of idle time in milliseconds, of each snapshot: shape ``(snapshots, 101)``."""
    found = metrics.percentiles(idle_ms(table, intervals), sizes(table), table.offsets)
    for index, snapshot in measured(table):
        found[index] = usage.idle_percentiles(snapshot)
    return found


def idle_at_least(table: Table, idle: Ints, thresholds_ms: Ints) -> Floats:
    """Mean bytes over time idle for at least each threshold, shape ``(thresholds,)``.

    Of counted bytes it is the mean over the snapshots that were watched for so long; NaN where none was.
    """
    share = durations(table) / durations(table).sum()
    counted = list(measured(table))
    sampled = share.copy()
    sampled[[index for index, _ in counted]] = 0.0
    idle_bytes = metrics.at_least(idle, sampled[snapshot_of(table)] * sizes(table), thresholds_ms)
    if not counted:
        return idle_bytes
    over = np.full(len(thresholds_ms), sampled.sum())
    for index, snapshot in counted:
        for at, threshold in enumerate(thresholds_ms.tolist()):
            amount = usage.idle_for(snapshot, threshold / 1000)
            if amount is not None:
                idle_bytes[at] += share[index] * amount.bytes
                over[at] += share[index]
    found: Floats = np.divide(idle_bytes, over, out=np.full(len(over), np.nan), where=over > 0)
    return found


def idle_pieces(table: Table, intervals: Intervals) -> tuple[Ints, NDArray[np.bool_], Floats]:
    """Memory cut into pieces of one idle time: microseconds, whether in use (then 0), and mean bytes over time.

    A piece is a region, or where bytes were counted those that were touched between two times of the curve.
    """
    share = durations(table) / durations(table).sum()
    of = snapshot_of(table)
    used = table.nr_accesses > 0
    metric = np.where(used, 0, (table.age + 1) * intervals.next_aggr[of])
    weight = share[of] * sizes(table)
    pieces = [(metric, used, weight)]
    sampled = np.ones(len(table), dtype=np.bool_)
    for index, snapshot in measured(table):
        counted = snapshot.measured
        assert counted is not None
        sampled[index] = False
        steps = np.diff(counted.used.sum(axis=0), prepend=0, append=snapshot.total_bytes)
        idle = np.rint(np.array((0.0, *counted.seconds[1:], counted.seconds[-1])) * 1e6).astype(np.int64)
        pieces.append((idle, idle == 0, share[index] * steps))
    if len(pieces) > 1:
        pieces[0] = (metric[sampled[of]], used[sampled[of]], weight[sampled[of]])
    metric, used, weight = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
    return metric, used, weight


def values_of(table: Table, intervals: Intervals, mode: Mode) -> Floats:
    """The value that a heatmap's colour stands for, of each region: `damontui.analysis.heatmap.values_of`."""
    found: Floats
    if mode == "idle":
        found = idle_ms(table, intervals) / -1000.0
    elif mode == "temperature":
        found = temperatures(table, intervals)
    else:
        found = table.nr_accesses / intervals.most[snapshot_of(table)]
    for index, snapshot in measured(table):
        found[table.offsets[index] : table.offsets[index + 1]] = heatmap.values_of(snapshot, mode)
    return found


# --- columns of time ------------------------------------------------------------------------------------------------


def time_edges(table: Table, columns: int) -> Floats:
    """Edges of equal columns over the record's time, shape ``(columns + 1,)``."""
    began, ended = float(np.minimum(table.began, table.time).min()), float(table.time.max())
    return np.linspace(began, max(ended, began + 1e-6), columns + 1)


def column_means(table: Table, edges: Floats, values: NDArray[np.float64] | Ints) -> Floats:
    """Mean of a snapshot array over each column's time, NaN where nothing is known; shape ``(columns,)``."""
    return timeline.means(table.began, table.time, values, edges)


# --- time × address -------------------------------------------------------------------------------------------------


def targets_of(table: Table) -> tuple[int, ...]:
    """The identifiers of all targets that have regions, the one that came last first."""
    found: dict[int, None] = {}
    for index in dict.fromkeys(table.condition_of[::-1].tolist()):
        found.update(dict.fromkeys(table.conditions[index].targets))
    return tuple(found)


def _target_of(table: Table, ids: tuple[int, ...]) -> Ints:
    """The index in ``ids`` of each region's target."""
    if all(b.targets == ids[: len(b.targets)] for b in table.conditions):
        return table.target
    number = {name: index for index, name in enumerate(ids)}
    widest = max(len(b.targets) for b in table.conditions)
    places = np.zeros((len(table.conditions), max(1, widest)), np.int64)
    for index, b in enumerate(table.conditions):
        places[index, : len(b.targets)] = [number[name] for name in b.targets]
    return places[table.condition_of[snapshot_of(table)], table.target]


def axis_of(table: Table, rows: int, *, fold_idle: bool = False, fold_rows: int = 1) -> Axis:
    """An address axis of about ``rows`` rows over all addresses of a record; large gaps are folded.

    Args:
        table: the record.
        rows: how many rows.
        fold_idle: whether stretches that were never in use are folded, too.
        fold_rows: rows that a fold takes.
    """
    ids = targets_of(table)
    stride = stride_for(len(ids))
    base = _target_of(table, ids) * stride
    low, high = base + table.start, base + table.end
    there = sizes(table) > 0  # what is mapped and not in memory is no memory
    hot = in_use(table) > 0
    low, high, hot = low[there], high[there], hot[there]
    used = joined(low[hot], high[hot]) if fold_idle else None
    return make_axis(joined(low, high), rows, stride=stride, used=used, fold_rows=fold_rows, ids=ids)


def heat(table: Table, values: Floats, axis: Axis, edges: Floats) -> tuple[Floats, Floats]:
    """``(means, covered)`` of each cell, both of shape ``(columns, rows)``: `damontui.analysis.raster.painted`.

    Args:
        table: the record.
        values: the value of each region.
        axis: the rows.
        edges: where columns begin and end, seconds, shape ``(columns + 1,)``.
    """
    base = _target_of(table, axis.ids) * axis.stride
    density = sizes(table) / np.maximum(table.end - table.start, 1)
    low, high = table.start + base, table.end + base
    return painted(table.began, table.time, table.offsets, low, high, values, density, axis, edges)


_EMPTY: tuple[Literal["free"], Literal["hole"]] = "free", "hole"


def emptiness(table: Table, axis: Axis, edges: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Whether most of a cell's memory was free, and whether most of it was no memory at all, by page frames.

    Both have the shape ``(columns, rows)``; None where the record holds no page frames.
    """
    shares, looked = np.zeros((2, len(table.start))), np.zeros(len(table.start))
    for index, extra in table.extra.items():
        if extra.get("frames") is not None:
            here, snapshot = slice(int(table.offsets[index]), int(table.offsets[index + 1])), table.snapshot(index)
            shares[0, here], shares[1, here] = (heatmap.values_of(snapshot, kind) for kind in _EMPTY)
            looked[here] = 1.0
    if not looked.any():
        return None
    free, hole, known = (np.nan_to_num(heat(table, one, axis, edges)[0]) for one in (*shares, looked))
    mostly_free: NDArray[np.bool_] = (known > 0) & (free > 0.5 * (known - hole))
    mostly_hole: NDArray[np.bool_] = hole > 0.5 * known
    return mostly_free, mostly_hole
