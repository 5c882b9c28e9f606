"""Reports as text: as wide as the terminal, every number with its unit, every scale with its legend."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from damontui import units
from damontui.analysis import usage
from damontui.analysis.axis import IDLE, SHOWN, VOID
from damontui.analysis.heatmap import Floats, Mode, leveled, unscaled
from damontui.damon import metrics
from damontui.output.reports.results import (
    LINE_PERCENTILES,
    THRESHOLDS,
    Head,
    Heat,
    Histogram,
    IdlePercentiles,
    Line,
    LinesReport,
    MetricUnit,
    RegionsReport,
    Result,
    Unit,
    between,
    wall_known,
)
from damontui.output.text import idle_words
from damontui.safe_text import shown

Kind = Literal["heat", "signed"]
PERCENTILES = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
"""Percentiles of idle time that are printed."""
CHART = 8
"""Lines of a chart over time."""
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_ASCII = str.maketrans({"…": "..", "·": "-", "–": "-", "µ": "u", "≥": ">=", "×": "x", "∞": "inf"})
_LABEL = 15  # columns left of a picture
_FREE = ","
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Look:
    """What the paper is like."""

    glyphs: Mapping[Kind, str]
    """One character a level, of as many levels as there are colours."""
    colours: Mapping[Kind, Sequence[str]] | None = None
    """SGR colours (``5;208``, ``2;255;128;0``), one a level; None prints glyphs."""
    width: int = 80
    height: int = 24
    ascii: bool = False

    @property
    def columns(self) -> int:
        """Columns of time that fit."""
        return max(8, self.width - _LABEL - 1)

    @property
    def rows(self) -> int:
        """Rows of addresses that fit; two to a line where there are colours."""
        return max(4, self.height - 8) * self.fold_rows

    @property
    def fold_rows(self) -> int:
        """Rows to a line."""
        return 2 if self.colours is not None else 1


def report(head: Head, result: Result, look: Look) -> str:
    """A whole report."""
    lines = [*_head(head, look), ""]
    if isinstance(result, RegionsReport):
        lines += _regions(result, look)
    elif isinstance(result, Heat):
        lines += _heat(result, head, look)
    elif isinstance(result, LinesReport):
        lines += _series(result, head, look)
    elif isinstance(result, IdlePercentiles):
        lines += _idle(result)
    else:
        lines += _histogram(result, look)
    text = "\n".join(line.rstrip() for line in lines)
    return text.translate(_ASCII) if look.ascii else text


def _head(head: Head, look: Look) -> list[str]:
    lasted = units.duration(head.ended - head.began)
    counts = f"{lasted}, {head.snapshots:,} snapshots, {head.regions:,} regions"
    lines = [title(head), f"{when(head)}, {counts}"]
    if head.filters:
        lines.append("only: " + ", ".join(f"{name} {words}" for name, words in head.filters.items()))
    if head.idle is not None:
        by = {
            "estimate": "estimated from all snapshots (--idle kernel: as DAMON says)",
            "kernel": "by the kernel's rule",
        }
        lines.append(f"idle times and what is in use: {by[head.idle]}")
    if head.free is not None:
        how = "left out, as is what the kernel uses itself" if head.idle == "estimate" else "counted as idle"
        lines.append(f"free: {units.size(head.free)} at the end, {how}")
    if head.holds:
        kinds = ", ".join(f"{kind} {units.size(one.bytes)}" for kind, one in head.holds.items() if one.bytes)
        lines += _wrapped(f"memory holds: {kinds} at the end, by page frames chosen at random", look.width)
    for note in head.notes:
        lines += _wrapped(f"note: {note}", look.width)
    return lines


def title(head: Head) -> str:
    """Style, record, what it is of, and where that ran."""
    parts = [head.style, head.title]
    if not head.title.endswith(head.target.rpartition("/")[2]):
        parts.append(head.target)
    parts += [head.host, head.kernel, "SIMULATED" if head.origin == "simulated" else ""]
    return " · ".join(part for part in parts if part)


def when(head: Head) -> str:
    """From when to when, by the clock where that is known."""
    if not wall_known(head):
        return f"{head.began:.3f} … {head.ended:.3f} s"
    began, ended = (time.localtime(head.wall - ago) for ago in (head.ended - head.began, 0))
    day = time.strftime("%Y-%m-%d ", ended) if began[:3] != ended[:3] else ""
    return time.strftime("%Y-%m-%d %H:%M:%S", began) + " … " + day + time.strftime("%H:%M:%S", ended)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(20, width), subsequent_indent="  ")


def amount(value: float, unit: Unit) -> str:
    """A value in its unit."""
    shown: dict[Unit, Callable[[float], str]] = {
        "bytes": units.size,
        "bytes/s": units.bandwidth,
        "seconds": units.duration,
        "share": units.share,
    }
    return shown[unit](value)


# --- regions --------------------------------------------------------------------------------------------------------


def _regions(result: RegionsReport, look: Look) -> list[str]:
    lines: list[str] = []
    known = result.intervals.known
    wide = look.width >= 100
    for index in result.snapshots:
        snapshot = result.table.snapshot(index)
        aggr, after = int(result.intervals.aggr[index]), int(result.intervals.next_aggr[index])
        most = int(result.intervals.most[index])
        idle = metrics.idle_ms_of(snapshot.nr_accesses, snapshot.age, after)
        heat = metrics.temperatures_of(snapshot.nr_accesses, snapshot.age, most, after)
        began = float(min(result.table.began[0], result.table.time[0]))
        if len(result.snapshots) > 1 or len(result.table) > 1:
            lines.append(f"after {units.duration(snapshot.time - began)}:")
        head = f"{'address':<32}{'size':>10}"
        head += f"{'accessed':>10}{'Hz':>8}  {'for':<18}" if known else f"{'samples':>9}{'age':>7}"
        head += f"{'temperature':>12}" if wide and known else ""
        lines.append(head)
        several = len(snapshot.targets) > 1
        target = -1
        for i in range(len(snapshot)):
            if several and int(snapshot.target[i]) != target:
                target = int(snapshot.target[i])
                lines.append(f"target {snapshot.targets[target]}:")
            accesses, age = int(snapshot.nr_accesses[i]), int(snapshot.age[i])
            line = f"{int(snapshot.start[i]):#x} … {int(snapshot.end[i]):#x}".ljust(32)
            line += f"{units.size(int(snapshot.memory[i])):>10}"
            if known:
                line += f"{units.share(accesses / most):>10}{accesses * 1e6 / aggr:>8.1f}  "
                line += f"{idle_words(int(idle[i])):<18}"
                if wide:
                    line += f"{heat[i]:>12.3g}"
            else:
                line += f"{accesses:>9}{age:>7}"
            name = shown(snapshot.names[i]) if i < len(snapshot.names) else ""
            lines.append(f"{line}  {name}".rstrip())
        used = round(float(usage.in_use(snapshot).sum()))
        total = units.share(used / max(1, snapshot.total_bytes))
        lines += [f"{len(snapshot)} regions, {units.size(snapshot.total_bytes)}, {units.size(used)} ({total}) accessed"]
        lines.append("")
    if known:
        lines.append("accessed: share of samples with an access; for: how long that has been so")
    else:
        lines.append("samples: with an access; age: aggregations for which that has been so")
    return lines


# --- time × address -------------------------------------------------------------------------------------------------


def _heat(result: Heat, head: Head, look: Look) -> list[str]:
    kind: Kind = "heat" if result.mode == "rate" else "signed"
    steps = leveled(np.nan_to_num(result.values), result.mode, len(look.glyphs[kind]))
    there = ~np.isnan(result.values)
    free = np.zeros(there.shape, np.bool_) if result.free is None else result.free
    axis, per_line = result.axis, look.fold_rows
    many = len(axis.ids) > 1
    lines = [
        f"{'address':<{_LABEL}} what is left blank was not monitored"
        if not (there | free).all()
        else f"{'address':<15}"
    ]
    for top in range(len(axis) - 1, -1, -per_line):
        rows = [row for row in range(top, top - per_line, -1) if row >= 0]
        part = axis.part(rows[0])
        lowest = axis.part(rows[-1])
        begins = axis.crowded and lowest.first in rows
        label = axis.label(lowest) if begins else f"{axis.place(rows[-1])[1]:#x}"
        if part.kind == VOID:
            text = f" {units.size(part.hi - part.lo)} not mapped "
            if (targets := between(axis, part)) is not None:
                text = f" target {targets[1]} above, target {targets[0]} below "
            lines.append(f"{'':<{_LABEL}} {text:~^{len(steps)}}")
            continue
        if part.kind == IDLE:
            label = f"idle {units.size(part.hi - part.lo)}"
        lines.append(f"{label:>{_LABEL}} " + _cells(steps[:, rows], there[:, rows], free[:, rows], look, kind))
    if axis.crowded:
        several = ", with … of several" if any(axis.shared(part) for part in axis.parts) else ""
        lines.append(f"{'':<{_LABEL}} a number is that of the target that begins there{several}")
    elif many:
        shown = ", ".join(str(axis.ids[p.target]) for p in axis.parts if p.kind == SHOWN and p.first == 0)
        lines.append(f"{'':<{_LABEL}} lowest: target {shown}")
    lines.append(" " * (_LABEL + 1) + _time_axis(result.edges, len(steps)))
    span = (float(result.edges[-1]) - float(result.edges[0])) / len(steps)
    to_scale = [axis.part(row).kind == SHOWN for row in range(len(axis))]
    rows_bytes = (axis.high - axis.low)[np.array(to_scale, np.bool_) & ~axis.apart]
    about = units.size(float(np.median(rows_bytes)) * per_line) if len(rows_bytes) else "–"
    lines += ["", f"a column is {units.duration(span)}, a line about {about}; each cell the mean over both"]
    lines += _legend(result, look, kind)
    if free.any():
        lines.append(f"'{_FREE}' mostly free memory, which always looks idle")
    return lines


def _cells(steps: NDArray[np.uint8], there: NDArray[np.bool_], free: NDArray[np.bool_], look: Look, kind: Kind) -> str:
    if look.colours is None:
        empty = " " if (there | free).all() else "·"
        glyphs = look.glyphs[kind]
        return "".join(
            _FREE if unused else glyphs[level] if has else empty
            for level, has, unused in zip(steps[:, 0], there[:, 0], free[:, 0], strict=True)
        )
    colours = look.colours[kind]
    there = there & ~free
    if steps.shape[1] == 1:
        steps, there = np.repeat(steps, 2, axis=1), np.repeat(there, 2, axis=1)
    out = []
    halves = (steps[:, 0], steps[:, 1], there[:, 0], there[:, 1], free.any(axis=1))
    for (upper, lower, up, low, unused), run in groupby(zip(*(one.tolist() for one in halves), strict=True)):
        count = len(list(run))
        if up and low:
            out.append(f"\x1b[38;{colours[upper]};48;{colours[lower]}m" + "▀" * count)
        elif up or low:
            out.append(f"\x1b[0;38;{colours[upper if up else lower]}m" + ("▀" if up else "▄") * count)
        else:
            out.append("\x1b[0m" + (_FREE if unused else " ") * count)
    return "".join(out) + "\x1b[0m"


def _value_words(value: float, result: Heat) -> str:
    if value == 0 and result.mode == "idle":
        return "just changed"
    if result.mode == "rate":
        return units.share(value) if not result.samples else f"{value * result.samples:.3g}"
    if result.mode == "temperature":
        return f"{value:.1e}"
    return ("in use " if value > 0 else "idle ") + units.duration(abs(value))


def _legend(result: Heat, look: Look, kind: Kind) -> list[str]:
    glyphs = look.glyphs[kind]
    most = len(glyphs) - 1
    what = {
        "rate": "share of samples with an access"
        if not result.samples
        else "samples with an access (no intervals known)",
        "idle": "how long it has been idle or in use",
        "temperature": "temperature: minus where not accessed",
    }[result.mode]

    def at(level: int) -> float:
        share = level / most if result.mode == "rate" else level / most * 2 - 1
        return unscaled(share, result.mode)

    pieces = []
    if look.colours is not None:
        colours = look.colours[kind]
        chosen = (0, most // 4, most // 2, 3 * most // 4, most)
        return [f"{what}:", "  ".join(f"\x1b[48;{colours[n]}m  \x1b[0m {_value_words(at(n), result)}" for n in chosen)]
    first = 0
    for glyph, run in groupby(glyphs):
        last = first + len(list(run)) - 1
        if result.mode == "rate":
            words = f"up to {_value_words(at(last), result)}" if last else _value_words(0.0, result)
        else:
            low, high = _value_words(at(first), result), _value_words(at(last), result)
            words = low if first == last else f"{low} … {high}"
        pieces.append(f"'{glyph}' {words}")
        first = last + 1
    return [f"{what}:", *_wrapped(", ".join(pieces), look.width)]


def _time_axis(edges: Floats, columns: int) -> str:
    """Times from the start, below the columns in which they lie."""
    span = float(edges[-1] - edges[0])
    column = span / columns
    step = next((step for step in _STEPS if step / column >= 11), None)
    step = step if step is not None else _STEPS[-1] * max(1, -(-11 * column // _STEPS[-1]))
    line = ""
    for index in range(int(span / step) + 1):
        at = int(index * step / column)
        label = units.duration(index * step) if index else "0"
        if at >= len(line) and at + len(label) < columns + 1:
            line = line.ljust(at) + f"{label} "
    return line.rstrip()


# --- quantities over time -------------------------------------------------------------------------------------------


def _series(result: LinesReport, head: Head, look: Look) -> list[str]:
    lines: list[str] = []
    for line in result.lines:
        lines += [*_distribution(line, look), "", *_chart(line, result.edges, look), ""]
    lines += [" " * (_LABEL + 1) + _time_axis(result.edges, len(result.edges) - 1), ""]
    for remark in result.remarks:
        lines += _wrapped(remark, look.width)
    return lines


def _distribution(line: Line, look: Look) -> list[str]:
    lines = [f"{line.name}: mean {amount(line.mean, line.unit)}"]
    if line.against is not None:
        of = units.share(line.mean / line.against) if line.against and line.unit == "bytes" else ""
        lines[0] += f", {line.against_name} {amount(line.against, line.unit)}" + (f" ({of})" if of else "")
    most = max(*line.percentiles, 1e-300)
    room = max(10, look.width - 24)
    full = "#" if look.ascii else "█"
    for percentile, value in zip(LINE_PERCENTILES, line.percentiles, strict=True):
        bar = full * round(value / most * room)
        lines.append(f"{f'p{percentile}':>5}  {amount(value, line.unit):>12}  {bar}")
    return lines


def _chart(line: Line, edges: Floats, look: Look) -> list[str]:
    """Columns of eighths of a line, from zero to the highest column."""
    values = np.nan_to_num(line.columns)
    most = float(values.max(initial=0.0))
    if most <= 0:
        return [f"{amount(0, line.unit):>{_LABEL}} all the time"]
    eighths = np.rint(values / most * CHART * 8).astype(int)
    eighths = np.where(values > 0, np.maximum(eighths, 1), 0)
    lines = []
    for level in range(CHART - 1, -1, -1):
        label = amount(most * (level + 1) / CHART, line.unit) if level in (CHART - 1, CHART // 2 - 1) else ""
        part = np.clip(eighths - level * 8, 0, 8).tolist()
        cells = "".join(("#" if eighth >= 4 else " ") if look.ascii else _EIGHTHS[eighth] for eighth in part)
        lines.append(f"{label:>{_LABEL}} {cells}")
    base = "".join("-" if has else " " for has in ~np.isnan(line.columns)) if look.ascii else ""
    if base:
        lines.append(f"{amount(0, line.unit):>{_LABEL}} {base}")
    return lines


# --- idle time ------------------------------------------------------------------------------------------------------


def _idle(result: IdlePercentiles) -> list[str]:
    ordered = np.sort(result.values, axis=0)
    lines = [f"{'percentile':<12}{'at the end':<22}{'in use longest':<22}{'median':<22}idle longest"]
    middle = len(ordered) // 2
    for row in PERCENTILES:
        columns = (result.last, ordered[0], ordered[middle], ordered[-1])
        lines.append(f"{f'p{row}':>6}{'':6}" + "".join(f"{idle_words(int(c[row])):<22}" for c in columns))
    lines += ["", "by bytes; in use longest, median and idle longest are over the snapshots", ""]
    total = float(result.total.mean())
    lines.append(f"{'idle for at least':<20}{'memory':>10}{'share':>8}   mean over time, of {units.size(total)}")
    for threshold, count in zip(THRESHOLDS, result.at_least, strict=True):
        if not math.isfinite(count):
            lines.append(f"{units.span(threshold):<20}    not known: not watched for so long")
            continue
        share = units.share(count / total if total else 0)
        lines.append(f"{units.span(threshold):<20}{units.size(count):>10}{share:>8}")
    quarter = int(ordered[middle][75])
    if quarter > 0:
        words = units.duration(quarter / 1000)
        lines += ["", f"coldest 25 %: untouched for {words} or longer in half of the snapshots"]
    return lines


def _histogram(result: Histogram, look: Look) -> list[str]:
    edges = [int(edge) for edge in result.edges]
    rows = []
    if result.in_use is not None:
        rows.append(("in use", result.in_use))
    for low, high, count in zip(edges[:-1], edges[1:], result.bytes.tolist(), strict=True):
        rows.append((f"[{in_words(low, result.unit)}, {in_words(high, result.unit)})", count))
    width = max(len(words) for words, _ in rows)
    most = max(max(count for _, count in rows), 1e-300)
    room = max(10, look.width - width - 34)
    full = "#" if look.ascii else "█"
    longer = result.total
    lines = [f"{result.name:<{width}}{'memory':>12}{'share':>8}{'or more':>12}"]
    for words, count in rows:
        share = units.share(count / result.total if result.total else 0)
        bar = full * round(count / most * room)
        lines.append(f"{words:<{width}}{units.size(count):>12}{share:>8}{units.size(max(0.0, longer)):>12}  {bar}")
        longer -= count
    mean = "" if result.snapshots == 1 else f", mean over {result.snapshots:,} snapshots for as long as each lasted"
    lines += ["", f"{units.size(result.total)}{mean}; a range holds its lower end, not its upper one"]
    note = metric_note(result.unit)
    if note:
        lines.append(f"{result.name}: {note}")
    return lines


def in_words(value: int, unit: MetricUnit) -> str:
    """An end of a histogram's range."""
    if value == 0:
        return "0"
    match unit:
        case "microseconds":
            return units.duration(value / 1e6)
        case "temperature":
            return f"{value:.3g}"
    assert_never(unit)


def metric_note(unit: MetricUnit) -> str:
    """How a number without a unit of its own is made; "" where the ranges say what they are."""
    match unit:
        case "microseconds":
            return ""
        case "temperature":
            return "rate in % × 100 + age in µs × 100, minus that where there was no access"
    assert_never(unit)


def legend_value(share: float, mode: Mode, samples: int) -> str:
    """What stands beside a share of the colour scale."""
    heat = Heat(None, np.zeros(2), np.zeros((0, 0)), np.zeros((0, 0)), mode, samples)  # type: ignore[arg-type]
    return _value_words(unscaled(share, mode), heat)
