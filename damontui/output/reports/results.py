"""The results of reports, by style: of five kinds, each of which text, JSON and pictures know how to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from damontui import phrases, units
from damontui.analysis import pressure as pressed
from damontui.analysis.axis import VOID, Axis, Part
from damontui.analysis.heatmap import Floats, Mode, in_use
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import Ints, Pressure
from damontui.errors import SourceError, UsageError
from damontui.output.reports import estimated, numbers
from damontui.output.reports.estimated import Keep, Known
from damontui.output.reports.numbers import Intervals
from damontui.records.table import Table
from damontui.safe_text import shown

Idle = Literal["estimate", "kernel"]
Unit = Literal["bytes", "bytes/s", "seconds", "share"]
"""Of lines over time; `text.amount` has each in words."""
MetricUnit = Literal["microseconds", "temperature"]
"""Of a histogram's ranges; `text.in_words`, `text.metric_note` and `pictures._is_warm` have each of them."""

LINE_PERCENTILES = (0, 5, 25, 50, 75, 95, 100)
"""Percentiles that are told of values over time."""
THRESHOLDS = (1, 10, 60, 300, 600, 1800, 3600)
"""Idle times that memory is told for, seconds."""


@dataclass(frozen=True, slots=True)
class StyleOptions:
    """The options of reports; each style uses some of them."""

    columns: int = 60
    """Columns of time."""
    rows: int = 30
    """Rows of addresses."""
    fold_rows: int = 1
    """Rows that a fold takes."""
    mode: Mode = "rate"
    fold_idle: bool = False
    skip: int = 0
    """Snapshots at the start that a working set's distribution leaves out."""
    within: float | None = None
    """The time of a working set, seconds; None: an aggregation, or the shortest time that bytes were counted for."""
    bins: int = 10
    log: bool = False
    """Histogram ranges that double, instead of equal ones."""
    every: bool = False
    """All snapshots' regions, not only the last one's."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionsReport:
    """The regions of one snapshot or of all."""

    table: Table
    intervals: Intervals
    snapshots: tuple[int, ...]
    """Indices into the table."""


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """Time × address."""

    axis: Axis
    edges: Floats
    """Where columns begin and end, seconds on the record's clock."""
    values: Floats
    """Shape ``(columns, rows)``, the lowest address first; NaN where no region was."""
    covered: Floats
    """Share of each cell that regions cover, same shape."""
    mode: Mode
    samples: int = 0
    """The most samples that were seen, which rates are shares of where the record has no intervals; else 0."""
    free: NDArray[np.bool_] | None = None
    """Cells of mostly free memory, in which nothing was in use: it always looks idle, and is not. Same shape; None
    where the record holds no page frames."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One quantity over time."""

    name: str
    unit: Unit
    values: Floats
    """The quantity at each snapshot; NaN where it is not known."""
    columns: Floats
    """Mean of each column of time, NaN where nothing is known."""
    mean: float
    """The mean over the time for which the quantity is known."""
    percentiles: tuple[float, ...]
    """`LINE_PERCENTILES` of the snapshots."""
    against: float | None = None
    """A number to compare it with: a goal, a total."""
    against_name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class LinesReport:
    """Quantities over time, on one axis of time."""

    time: Floats
    """When each snapshot ended."""
    edges: Floats
    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class IdlePercentiles:
    """How long memory was idle, by bytes, over time."""

    time: Floats
    values: Ints
    """Milliseconds, shape ``(snapshots, 101)``; negative: in use for so long."""
    total: Floats
    """Bytes of each snapshot."""
    at_least: tuple[float, ...]
    """Mean bytes idle for at least each of `THRESHOLDS`."""

    @property
    def last(self) -> Ints:
        """The percentiles of the last snapshot."""
        row: Ints = self.values[-1]
        return row


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Bytes by a metric, mean over time."""

    name: str
    unit: MetricUnit
    edges: Ints
    """Shape ``(bins + 1,)``; a range holds its lower edge, not its upper one."""
    bytes: Floats
    """Shape ``(bins,)``; memory in use is not among idle times."""
    in_use: float | None
    """Bytes that are not idle at all; None where the metric has a place for them."""
    total: float
    snapshots: int


Result = RegionsReport | Heat | LinesReport | IdlePercentiles | Histogram


@dataclass(frozen=True, slots=True)
class Style:
    """One style of report."""

    summary: str
    make: Callable[[Table, Intervals, StyleOptions], Result]
    needs_intervals: bool
    estimated: Callable[[Table, Intervals, StyleOptions, Known], Result] | None = None
    """Makes the result where the rule is the estimate; None where it is the same by either rule."""
    keeps: frozenset[Keep] = frozenset()
    """What ``estimated`` reads of the estimates, so that only that is computed. Empty: it needs the record alone."""
    ruled_mode: Mode | None = None
    """The one mode of `StyleOptions` in which the rule matters; None: it matters in all."""


def regions(table: Table, intervals: Intervals, options: StyleOptions) -> RegionsReport:
    """The regions as they are."""
    count = len(table)
    held = np.flatnonzero(np.diff(table.offsets) > 0)
    return RegionsReport(table, intervals, tuple(range(count)) if options.every else (int(held[-1]),))


def heatmap(table: Table, intervals: Intervals, options: StyleOptions) -> Heat:
    """Mean rate, temperature or idle time of each cell."""
    if options.mode != "rate" and not intervals.known:
        raise _no_intervals(f"a heatmap of {options.mode}")
    samples = 0 if intervals.known else max(1, int(table.nr_accesses.max()))
    if samples:
        intervals = replace(intervals, most=np.full(len(table), samples))
    values = numbers.values_of(table, intervals, options.mode)
    axis = numbers.axis_of(table, options.rows, fold_idle=options.fold_idle, fold_rows=options.fold_rows)
    edges = numbers.time_edges(table, options.columns)
    return _heat(table, axis, edges, numbers.heat(table, values, axis, edges), options.mode, samples)


def _heat(table: Table, axis: Axis, edges: Floats, found: tuple[Floats, Floats], mode: Mode, samples: int = 0) -> Heat:
    """The heatmap from ``(means, covered)`` of each cell; holes get neither, and unused cells of free memory are
    marked."""
    means, covered = found
    empty = numbers.emptiness(table, axis, edges)
    if empty is None:
        return Heat(axis, edges, means, covered, mode, samples)
    free, hole = empty
    used = in_use(means, mode)
    hole &= ~used
    means, covered = np.where(hole, np.nan, means), np.where(hole, 0.0, covered)
    return Heat(axis, edges, means, covered, mode, samples, free & ~used & ~hole)


def idle_heatmap(table: Table, intervals: Intervals, options: StyleOptions, known: Known) -> Heat:
    """The heatmap of idle times by the estimate; of other modes, the same as `heatmap`. Arguments as for `make`."""
    if options.mode != "idle":
        return heatmap(table, intervals, options)
    made, values = estimated.pieces(known, table)
    axis = numbers.axis_of(table, options.rows, fold_idle=options.fold_idle, fold_rows=options.fold_rows)
    edges = numbers.time_edges(table, options.columns)
    return _heat(table, axis, edges, numbers.heat(made, values, axis, edges), options.mode)


def _line(
    table: Table, edges: Floats, name: str, unit: Unit, values: NDArray[np.float64] | Ints, **more: object
) -> Line:
    known = ~np.isnan(values)
    weight = numbers.durations(table)[known]
    ordered = np.sort(values[known])
    # the rule of damo's distributions: no interpolation
    chosen = [ordered[min(int(p / 100 * len(ordered)), len(ordered) - 1)] for p in LINE_PERCENTILES]
    return Line(
        name,
        unit,
        np.asarray(values, np.float64),
        numbers.column_means(table, edges, values),
        float((values[known] * weight).sum() / weight.sum()),
        tuple(float(v) for v in chosen),
        **more,  # type: ignore[arg-type]
    )


def working_set(table: Table, intervals: Intervals, options: StyleOptions, known: Known | None = None) -> LinesReport:
    """Bytes with an access and their distribution; with ``known``, bytes touched. Arguments as for `make`."""
    if options.skip >= len(table):
        raise UsageError(f"--skip: {options.skip} leaves nothing of {len(table)} snapshots")
    values: NDArray[np.float64] | Ints = numbers.working_sets(table)
    asked = options.within if options.within is not None else _told_by_all(table, options.skip)
    if asked is not None:
        values = numbers.used_within(table, intervals, asked)
    whole: NDArray[np.float64] | Ints = numbers.totals(table)
    if known is not None:
        values, whole = known.put(table, values, known.used), known.put(table, whole, known.total)
    skip = _reached(table, values, options.skip, asked)
    values, whole = values[skip:], whole[skip:]
    within = _within(table, intervals, skip, known, asked)
    doubt = "" if any(True for _ in numbers.measured(table)) else ", as far as sampling can tell"
    table = _from(table, skip)
    edges = numbers.time_edges(table, options.columns)
    total = float(whole.mean())
    line = _line(table, edges, "working set", "bytes", values, against=total, against_name="all regions, mean")
    most, needed = float(whole.max()), line.percentiles[LINE_PERCENTILES.index(95)]
    remark = (
        f"95 % of the snapshots needed no more than {units.size(needed)}; all regions hold up to {units.size(most)}: "
        f"{units.size(max(0.0, most - needed))} less would have done{doubt}"
    )
    why = f", in which memory was not yet watched for {units.span(asked or 0)}" if skip > options.skip else ""
    first = "the first snapshot is" if skip == 1 else f"the first {skip:,} snapshots are"
    remarks = (f"{first} left out{why}", remark) if skip else (remark,)
    if within is not None:
        remarks = (within, *remarks)
    return LinesReport(table.time, edges, (line,), remarks)


def _told_by_all(table: Table, skip: int) -> float | None:
    """The shortest time that all snapshots of counted bytes but the first tell of; None where there are none."""
    told = [one.measured.seconds[0] for at, one in numbers.measured(table) if at >= skip and one.measured is not None]
    return max(told[1:] or told, default=None)


def _reached(table: Table, values: NDArray[np.float64] | Ints, skip: int, asked: float | None) -> int:
    """The first snapshot whose working set is known. Raises `SourceError` where none is."""
    known = np.flatnonzero(~np.isnan(values[skip:]))
    if not len(known):
        lasted = units.duration(float(table.time[-1] - min(table.began[0], table.time[0])))
        raise SourceError(
            "nothing to report",
            f"memory was not watched for {units.span(asked or 0)} (the record lasts {lasted})",
            "choose a shorter --within",
        )
    return skip + int(known[0])


def _within(
    table: Table, intervals: Intervals, skip: int, known: Known | None, asked: float | None = None
) -> str | None:
    """The time within which memory of the working set was used, in words; None where that is not known."""
    if asked is not None:
        how = ", as the kernel counted them" if any(True for _ in numbers.measured(table)) else ""
        return f"working set: bytes touched within {units.span(asked)}{how}"
    if not intervals.known:
        return None
    low, high = int(intervals.aggr[skip:].min()) / 1e6, int(intervals.aggr[skip:].max()) / 1e6
    within = units.span(low) if low == high else f"{units.span(low)} … {units.span(high)}"
    what = "regions with an access" if known is None else "bytes touched"
    return f"working set: {what} within an aggregation ({within})"


def _from(table: Table, skip: int) -> Table:
    """The table without its first snapshots, as far as arrays of snapshots go: those of regions stay whole."""
    return replace(
        table,
        time=table.time[skip:],
        began=table.began[skip:],
        wall=table.wall[skip:],
        condition_of=table.condition_of[skip:],
        offsets=table.offsets[skip:],
    )


def bandwidth(table: Table, intervals: Intervals, options: StyleOptions) -> LinesReport:
    """Bytes per second by the kernel's formula."""
    return _bandwidth(table, options, numbers.bandwidths(table, intervals))


def estimated_bandwidth(table: Table, intervals: Intervals, options: StyleOptions, known: Known) -> LinesReport:
    """Bytes per second, with the counts that were lost where regions were joined. Arguments as for `make`."""
    return _bandwidth(table, options, numbers.unrounded_bandwidths(table, intervals))


def _bandwidth(table: Table, options: StyleOptions, values: Floats) -> LinesReport:
    edges = numbers.time_edges(table, options.columns)
    line = _line(table, edges, "bandwidth", "bytes/s", values)
    return LinesReport(
        table.time, edges, (line,), ("An estimate from sampling: touched bytes per second, not traffic on the bus",)
    )


def pressure(table: Table, intervals: Intervals, options: StyleOptions) -> LinesReport:
    """How hard memory was pressed: a line for each quantity that the record tells."""
    found = {index: one for index, extra in table.extra.items() if isinstance(one := extra.get("pressure"), Pressure)}
    values = np.full((len(table), len(pressed.QUANTITIES)), np.nan)
    for index, one in found.items():
        values[index] = pressed.row_of(one)[: len(pressed.QUANTITIES)]
    told = (~np.isnan(values)).any(axis=0)
    notes = dict.fromkeys(one.note for one in found.values() if one.note)
    if not told.any():
        why = shown(next(iter(notes), "")) or "the record holds none"
        raise SourceError(
            "cannot make a report of pressure",
            why,
            "record a process, a control group or physical memory with damontui",
        )
    edges = numbers.time_edges(table, options.columns)
    lines = tuple(
        _line(table, edges, one.name, one.unit, values[:, at]) for at, one in enumerate(pressed.QUANTITIES) if told[at]
    )
    return LinesReport(table.time, edges, lines, (*_whose_pressure(table, found), *(shown(note) for note in notes)))


def _whose_pressure(table: Table, found: Mapping[int, Pressure]) -> tuple[str, ...]:
    """Sentences on whose pressure it is, from when to when, and how often what happened."""
    groups = dict.fromkeys(one.group for one in found.values())
    names = ["the machine" if one is None else f"the group {one}" for one in groups]
    whose = f"pressure on {shown(', then '.join(names[:4]))}{' and others' if len(names) > 4 else ''}"
    if len(found) < len(table):
        whose += f"; told of {len(found):,} of {len(table):,} snapshots"
    counts = pressed.counted(found.values())
    happened = "; ".join(phrases.happened(counts))
    if not happened and any(count is not None for count in counts):
        happened = "no process was killed for want of memory" if groups == {None: None} else "no limit was met"
    return (whose, happened) if happened else (whose,)


def tuning(table: Table, intervals: Intervals, options: StyleOptions) -> LinesReport:
    """The intervals, and what they are tuned for."""
    edges = numbers.time_edges(table, options.columns)
    goals = {b.attrs.goal.access_bp for b in table.conditions if b.attrs.goal is not None}
    goal = goals.pop() / 10_000 if len(goals) == 1 else None
    changes = int((np.diff(intervals.aggr) != 0).sum())
    lines = (
        _line(table, edges, "sampling interval", "seconds", intervals.sample / 1e6),
        _line(table, edges, "aggregation interval", "seconds", intervals.aggr / 1e6),
        _line(
            table,
            edges,
            "observed accesses",
            "share",
            numbers.observed(table, intervals),
            against=goal,
            against_name="goal" if goal is not None else "",
        ),
    )
    remarks = [f"the intervals changed {changes} times" if changes != 1 else "the intervals changed once"]
    return LinesReport(table.time, edges, lines, tuple(remarks))


def idle_percentiles(table: Table, intervals: Intervals, options: StyleOptions) -> IdlePercentiles:
    """Percentiles by bytes of idle time, of each snapshot."""
    idle = numbers.idle_ms(table, intervals)
    at_least = numbers.idle_at_least(table, idle, np.array(THRESHOLDS, np.int64) * 1000)
    held = np.diff(table.offsets) > 0
    values = numbers.idle_percentiles(table, intervals)[held]
    total = numbers.totals(table)[held]
    return IdlePercentiles(table.time[held], values, total.astype(np.float64), tuple(at_least.tolist()))


def estimated_percentiles(table: Table, intervals: Intervals, options: StyleOptions, known: Known) -> IdlePercentiles:
    """Percentiles by bytes of idle time by the estimate; NaN at thresholds that memory was not watched for.

    Arguments as for `make`.
    """
    held = np.diff(table.offsets) > 0
    place = known.places(table)
    weight = numbers.durations(table)[place[place >= 0]]
    rows = known.idle[place >= 0]
    there = ~np.isnan(rows)
    over = (weight[:, None] * there).sum(axis=0)
    at_least = np.divide(
        (weight[:, None] * np.nan_to_num(rows)).sum(axis=0), over, out=np.full(len(over), np.nan), where=over > 0
    )
    values = known.put(table, numbers.idle_percentiles(table, intervals), known.percentiles)[held]
    total = known.put(table, numbers.totals(table), known.total)[held]
    return IdlePercentiles(table.time[held], values.astype(np.int64), total.astype(float), tuple(at_least.tolist()))


_HIGHEST = 1 << 60
"""The largest value in a histogram; larger ones count as this, so that its edges are whole numbers of 64 bits."""


def edges_of(low: int, high: int, bins: int, *, log: bool) -> Ints:
    """The edges of a histogram's ranges by the rules of damo's, shape ``(bins + 1,)``.

    Args:
        low: the lower edge of the first range.
        high: in the last range.
        bins: how many ranges.
        log: whether each range is twice as long as the one before, instead of all being equal.
    """
    if not log:
        width = max(1, -(-(high + 1 - low) // bins))  # in whole numbers: exact, however large
        return np.array([low + width * step for step in range(bins + 1)], np.int64)
    width = max((high - low) // 2**bins, 1)
    edges = [low, low + width]
    while edges[-1] <= high:
        width *= 2
        edges.append(edges[-1] + width)
    return np.array(edges, np.int64)


def idle_histogram(table: Table, intervals: Intervals, options: StyleOptions) -> Histogram:
    """Bytes by idle time."""
    # memory in use counts as idle for no time, but in a place of its own
    metric, used, weight = numbers.idle_pieces(table, intervals)
    return _histogram(len(table), "idle time", "microseconds", metric, used, weight, options)


def estimated_histogram(table: Table, intervals: Intervals, options: StyleOptions, known: Known) -> Histogram:
    """Bytes by idle time, by the estimate at evenly spread moments. Arguments as for `make`."""
    moments, seconds, weight = estimated.ages(known)
    metric = np.rint(seconds * 1e6).astype(np.int64)
    return _histogram(moments, "idle time", "microseconds", metric, seconds <= 0, weight, options)


def temperature_histogram(table: Table, intervals: Intervals, options: StyleOptions) -> Histogram:
    """Bytes by temperature."""
    heat = numbers.values_of(table, intervals, "temperature")
    share = numbers.durations(table) / numbers.durations(table).sum()
    weight: Floats = np.repeat(share, np.diff(table.offsets)) * numbers.sizes(table)
    metric = np.rint(np.clip(heat, -_HIGHEST, _HIGHEST)).astype(np.int64)
    return _histogram(len(table), "temperature", "temperature", metric, None, weight, options)


def _histogram(
    snapshots: int,
    name: str,
    unit: MetricUnit,
    metric: Ints,
    apart: NDArray[np.bool_] | None,
    weight: Floats,
    options: StyleOptions,
) -> Histogram:
    metric = np.clip(metric, -_HIGHEST, _HIGHEST)
    edges = edges_of(int(metric.min()), int(metric.max()), options.bins, log=options.log)
    place = np.searchsorted(edges, metric, side="right") - 1
    mine = slice(None) if apart is None else ~apart
    found: Floats = np.bincount(place[mine], weight[mine], len(edges) - 1).astype(np.float64)
    in_use = None if apart is None else float(weight[apart].sum())
    return Histogram(name, unit, edges, found, in_use, float(weight.sum()), snapshots)


STYLES: dict[str, Style] = {
    "regions": Style("each region: address, size, rate, how long, temperature", regions, False),
    "heatmap": Style(
        "time × address: how often, or how long, memory was in use",
        heatmap,
        False,
        idle_heatmap,
        frozenset({"moments"}),
        ruled_mode="idle",
    ),
    "wss": Style(
        "the working set over time, and its percentiles", working_set, False, working_set, frozenset({"used", "total"})
    ),
    "idle-percentiles": Style(
        "how long memory was idle, by bytes",
        idle_percentiles,
        True,
        estimated_percentiles,
        frozenset({"percentiles", "idle", "total"}),
    ),
    "idle-histogram": Style(
        "bytes by idle time, and how much is idle for longer",
        idle_histogram,
        True,
        estimated_histogram,
        frozenset({"moments"}),
    ),
    "temperature-histogram": Style("bytes by temperature", temperature_histogram, True),
    "bandwidth": Style("estimated bytes per second over time", bandwidth, True, estimated_bandwidth),
    "pressure": Style("how hard memory was pressed: waiting for it, reading back, swapping", pressure, False),
    "intervals": Style("how the intervals were tuned, and what they were tuned for", tuning, True),
}


def make(style: str, table: Table, intervals: Intervals, options: StyleOptions, known: Known | None = None) -> Result:
    """The result of a report.

    Args:
        style: a key of `STYLES`.
        table: the part of the record that the filters left.
        intervals: the intervals in force at each of its snapshots.
        options: the options of the report.
        known: the estimates; None makes the result by the kernel's rule.

    Raises:
        SourceError: the record lacks what the style needs.
    """
    chosen = STYLES[style]
    if chosen.needs_intervals and not intervals.known:
        raise _no_intervals(f"a report of {style}")
    if known is not None and chosen.estimated is not None:
        return chosen.estimated(table, intervals, options, known)
    return chosen.make(table, intervals, options)


def by_idle(style: str, options: StyleOptions) -> bool:
    """Whether a report of ``style`` has numbers that differ between the estimate and the kernel's rule."""
    chosen = STYLES[style]
    return chosen.estimated is not None and chosen.ruled_mode in (None, options.mode)


def _no_intervals(what: str) -> SourceError:
    return SourceError(f"cannot make {what}", "the record holds no intervals", "give them: --sample 5ms --aggr 100ms")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a report."""

    style: str
    target: str
    title: str
    host: str
    kernel: str
    origin: str
    snapshots: int
    regions: int
    began: float
    ended: float
    wall: float
    """When the last snapshot ended, seconds since 1970; in some records, since the machine's start."""
    filters: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    idle: Idle | None = None
    """Whether idle times and working sets are by the estimate or the kernel's rule; None where the report has none."""
    free: float | None = None
    """Bytes that were free at the end, where idle times are told: left out by the estimate, idle by the kernel's rule.
    None where that is not known."""
    holds: Mapping[str, Amount] = field(default_factory=dict)
    """Bytes of each kind of physical memory (`frames.GROUPS`) at the end, where idle times are told and that is known.
    """


def head_of(
    style: str,
    table: Table,
    intervals: Intervals,
    filters: dict[str, str],
    idle: Idle | None = None,
    free: float | None = None,
    holds: Mapping[str, Amount] | None = None,
) -> Head:
    """The head of a report.

    Args:
        style: the report's style.
        table: the part of the record that the filters left.
        intervals: the intervals in force at each of its snapshots.
        filters: the filters in words.
        idle, free, holds: as in `Head`.
    """
    description = table.description
    notes = list(table.notes)
    if intervals.inferred:
        notes.append(
            f"the record does not say how its intervals were tuned; those of {intervals.inferred:,} snapshots are "
            "taken from how long they lasted"
        )
    lost = sum(1 for extra in table.extra.values() if extra.get("complete") is False)
    if lost:
        notes.append(f"{lost:,} snapshots are incomplete: trace events were lost")
    title = shown(description.title)
    return Head(
        style=style,
        target=shown(description.target),
        title=title,
        host=shown(description.host),
        kernel=shown(description.kernel),
        origin=description.origin,
        snapshots=len(table),
        regions=len(table.start),
        began=float(min(table.began[0], table.time[0])),
        ended=float(table.time[-1]),
        wall=float(table.wall[-1]),
        filters=filters,
        notes=tuple(shown(note) for note in notes),
        idle=idle,
        free=free,
        holds=holds or {},
    )


def between(axis: Axis, part: Part) -> tuple[int, int] | None:
    """The identifiers of the targets below and above a fold; None where it lies within one target."""
    after = part.first + part.rows
    if part.kind != VOID or after >= len(axis) or axis.part(after).target == part.target:
        return None
    return axis.ids[part.target], axis.ids[axis.part(after).target]


def wall_known(head: Head) -> bool:
    """Whether the record knows the time of day."""
    return head.wall >= 1e9
