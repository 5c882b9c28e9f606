"""Reports as pictures for a paper or a ticket, drawn by matplotlib (the extra ``pictures``)."""

from __future__ import annotations

import io
import itertools
import logging
import shlex
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import util
from typing import Any, assert_never

import numpy as np

from damontui import units
from damontui.analysis.axis import IDLE, SHOWN, VOID
from damontui.analysis.heatmap import Floats, scaled
from damontui.errors import SourceError
from damontui.output.reports.results import (
    THRESHOLDS,
    Head,
    Heat,
    Histogram,
    IdlePercentiles,
    LinesReport,
    MetricUnit,
    RegionsReport,
    Result,
    between,
)
from damontui.output.reports.text import amount, in_words, legend_value, metric_note, title, when
from damontui.output.text import idle_words

_INCHES = (8.0, 5.0)
_DPI = 150
_LINES = {5: 0.97, 25: 0.8, 50: None, 75: 0.25, 95: 0.03}
"""Percentiles of idle time that are drawn, and where in the ramp their colour is; the middle one is grey."""
_FREE = "#cfe8cf"
_MARKS = (0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 3600, 10800, 43200, 86400)


def need() -> None:
    """Raise `SourceError` with the command where matplotlib is missing."""
    if util.find_spec("matplotlib") is None:
        raise SourceError(
            "cannot draw a picture",
            "matplotlib is not installed",
            f"run: {shlex.quote(sys.executable)} -m pip install matplotlib",
        )


def report(head: Head, result: Result, form: str, ramps: Mapping[str, Sequence[str]]) -> bytes:
    """A picture in ``form`` (``svg`` or ``png``); equal reports give equal bytes.

    Args:
        head: what stands in the title.
        result: what is drawn.
        form: the format.
        ramps: colours from least to most, of ``heat`` and of ``signed``, for a white ground.

    Raises:
        SourceError: matplotlib is missing.
    """
    need()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it would tell of its cache folder
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {"svg.hashsalt": "damontui", "svg.fonttype": "path", "font.size": 9, "axes.titlesize": 9}
    # a title is no formula, and a font that lacks a character is no news
    settings["text.parse_math"] = False
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing")
        rows = len(result.lines) if isinstance(result, LinesReport) else 1
        figure = Figure(
            figsize=(_INCHES[0], _INCHES[1] if rows == 1 else 2.4 * rows + 1), dpi=_DPI, layout="constrained"
        )
        if isinstance(result, Heat):
            _heat(figure, result, ramps)
        elif isinstance(result, LinesReport):
            _series(figure, result, ramps)
        elif isinstance(result, IdlePercentiles):
            _idle(figure, result, ramps)
        elif isinstance(result, RegionsReport):
            _regions(figure, result, ramps)
        else:
            _histogram(figure, result, ramps)
        figure.suptitle(_title(head), fontsize=9)
        out = io.BytesIO()
        metadata = {"Date": None, "Creator": "damontui"} if form == "svg" else {"Software": "damontui"}
        figure.savefig(out, format=form, metadata=metadata)
    return out.getvalue()


def _title(head: Head) -> str:
    facts = [when(head), units.duration(head.ended - head.began), f"{head.snapshots:,} snapshots"]
    facts += [f"{name} {words}" for name, words in head.filters.items()]
    return title(head) + "\n" + " · ".join(facts)


def _clock(span: float) -> tuple[float, str]:
    """Seconds in the unit in which a span is shown, and its name."""
    if span < 300:
        return 1, "s"
    return (60, "min") if span < 4 * 3600 else (3600, "h")


def _ramp(colours: Sequence[str]) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(list(colours))  # what is masked stays transparent


def _heat(figure: Any, result: Heat, ramps: Mapping[str, Sequence[str]]) -> None:
    axes = figure.add_subplot()
    signed = result.mode != "rate"
    shown = scaled(np.nan_to_num(result.values), result.mode)
    shown[np.isnan(result.values)] = np.nan
    unit, name = _clock(float(result.edges[-1] - result.edges[0]))
    extent = (0.0, float(result.edges[-1] - result.edges[0]) / unit, 0.0, float(len(result.axis)))
    image = axes.imshow(
        np.ma.masked_invalid(shown.T),
        origin="lower",
        aspect="auto",
        extent=extent,
        interpolation="nearest",
        cmap=_ramp(ramps["signed" if signed else "heat"]),
        vmin=-1 if signed else 0,
        vmax=1,
    )
    free = ""
    if result.free is not None and result.free.any():
        axes.imshow(
            np.ma.masked_equal(result.free.T, False),
            origin="lower",
            aspect="auto",
            extent=extent,
            interpolation="nearest",
            cmap=_ramp([_FREE]),
        )
        free = "; pale green: mostly free memory"
    _addresses(axes, result)
    axes.set_xlabel(f"time since the start ({name}){free}")
    axes.set_ylabel("address")
    axes.set_facecolor("#e8e8e8")
    shares = (-1, -0.5, 0, 0.5, 1) if signed else (0, 0.1, 0.25, 0.5, 0.75, 1)
    bar = figure.colorbar(image, ax=axes, ticks=shares)
    bar.ax.set_yticklabels([legend_value(share, result.mode, result.samples) for share in shares])
    bar.set_label(
        {
            "rate": "access rate (share of samples with an access)"
            if not result.samples
            else "samples with an access (the record holds no intervals)",
            "idle": "time idle or in use",
            "temperature": "temperature (minus: not accessed)",
        }[result.mode]
    )


def _addresses(axes: Any, result: Heat) -> None:
    """Addresses where parts begin and between; folds are hatched and say what they hide."""
    ticks: list[float] = []
    labels: list[str] = []
    several = len(result.axis.ids) > 1
    apart = len(result.axis) / 24
    for part in result.axis.parts:
        if part.kind == SHOWN:
            for step in range(max(1, int(part.rows / (apart * 3)))):
                row = part.first + step * part.rows / max(1, int(part.rows / (apart * 3)))
                address = part.lo + (part.hi - part.lo) * (row - part.first) / part.rows
                name = f"{result.axis.ids[part.target]}: " if several and step == 0 else ""
                if not ticks or row - ticks[-1] >= apart:
                    ticks.append(row)
                    labels.append(f"{name}{int(address) // 4096 * 4096:#x}")
            continue
        if part.kind == VOID:
            axes.axhspan(part.first, part.first + part.rows, facecolor="white", hatch="///", edgecolor="#cccccc", lw=0)
        words = f"{units.size(part.hi - part.lo)} {'idle, folded' if part.kind == IDLE else 'not mapped'}"
        if between(result.axis, part) is None:
            middle = (part.first + part.rows / 2) / len(result.axis)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            axes.text(0.5, middle, words, transform=axes.transAxes, ha="center", va="center", fontsize=7, bbox=box)
    axes.set_yticks(ticks, labels, fontsize=7, family="monospace")


def _series(figure: Any, result: LinesReport, ramps: Mapping[str, Sequence[str]]) -> None:
    from matplotlib.ticker import FuncFormatter

    unit, name = _clock(float(result.edges[-1] - result.edges[0]))
    plots = figure.subplots(len(result.lines), 1, sharex=True, squeeze=False)[:, 0]
    colour = ramps["signed"][len(ramps["signed"]) // 6]
    for axes, line in zip(plots, result.lines, strict=True):
        since, values = _thinned(
            result.time - result.edges[0], line.values, result.edges - result.edges[0], line.columns
        )
        axes.plot(since / unit, values, color=colour, linewidth=1, drawstyle="steps-pre")
        axes.axhline(
            line.mean, color="black", linewidth=0.8, linestyle="--", label=f"mean {amount(line.mean, line.unit)}"
        )
        # what it is compared with must not press the line flat: where it is far above, words alone say so
        highest = max(float(np.nanmax(values, initial=0.0)), line.mean)
        if line.against is not None:
            label = f"{line.against_name} {amount(line.against, line.unit)}"
            if line.against <= 2 * highest:
                highest = max(highest, line.against)
                axes.axhline(line.against, color="#888888", linewidth=0.8, linestyle=":", label=label)
            else:
                axes.plot([], [], linestyle="none", label=f"{label}, above the picture")
        axes.set_ylim(0, highest * 1.1 or 1.0)
        axes.set_xlim(0, float(result.edges[-1] - result.edges[0]) / unit)
        if line.unit == "bytes":
            axes.yaxis.set_major_locator(_binary(highest))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _, kind=line.unit: amount(v, kind) if v else "0"))
        axes.set_ylabel(line.name)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, framealpha=0.9)
    plots[-1].set_xlabel(f"time since the start ({name})")


def _binary(highest: float) -> Any:
    """Ticks at powers of two of bytes, and their multiples."""
    from matplotlib.ticker import MultipleLocator

    return MultipleLocator(2.0 ** np.ceil(np.log2(max(highest, 8.0) / 7)))


def _thinned(time: Floats, values: Floats, edges: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """The snapshots, or the columns where there are many more snapshots than the eye can tell apart."""
    return (time, values) if len(time) <= 4 * len(columns) else (edges[1:], columns)


def _idle(figure: Any, result: IdlePercentiles, ramps: Mapping[str, Sequence[str]]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes = figure.add_subplot()
    since = result.time - result.time[0]
    step = max(1, len(since) // 1000)
    unit, name = _clock(float(since[-1]) if len(since) else 0.0)
    seconds = result.values / 1000.0
    colours = ramps["signed"]
    for percentile, place in _LINES.items():
        colour = "#777777" if place is None else colours[int(place * (len(colours) - 1))]
        axes.plot(since[::step] / unit, seconds[::step, percentile], color=colour, label=f"p{percentile}", lw=1.3)
    least = float(np.abs(seconds[seconds != 0]).min(initial=np.inf))
    axes.set_yscale("symlog", linthresh=max(0.01, min(1.0, least if np.isfinite(least) else 1.0)), linscale=0.3)
    low, high = float(seconds[:, list(_LINES)].min()), float(seconds[:, list(_LINES)].max())
    marks = [m for m in (*(-m for m in _MARKS), *_MARKS) if min(low, 0) * 1.5 <= m <= max(high, 0) * 1.5]
    axes.yaxis.set_major_locator(FixedLocator(sorted(_apart([0.0, *marks]))))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: idle_words(round(v * 1000)) if v else "0"))
    axes.axhline(0, color="black", lw=0.8)
    axes.set_xlabel(f"time since the first snapshot ({name})")
    axes.set_ylabel("in use (below 0) or idle (above) for")
    axes.grid(alpha=0.3)
    axes.legend(
        title="percentile\nby bytes", fontsize=8, title_fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5)
    )
    held = ", ".join(
        f"{units.span(t)}: {units.size(b)}" for t, b in zip(THRESHOLDS, result.at_least, strict=True) if b > 0
    )
    axes.set_title(f"idle for at least … (mean): {held}" if held else "", fontsize=7)


def _apart(marks: Sequence[float]) -> list[float]:
    """Marks of time that do not crowd: every second one where there are many."""
    over = sorted(m for m in marks if m > 0)
    under = sorted((m for m in marks if m < 0), reverse=True)
    step = 1 + (len(over) + len(under)) // 12
    return [0.0, *over[::-1][::step], *under[::-1][::step]]


def _histogram(figure: Any, result: Histogram, ramps: Mapping[str, Sequence[str]]) -> None:
    from matplotlib.ticker import FuncFormatter

    axes = figure.add_subplot()
    cold, warm = ramps["signed"][len(ramps["signed"]) // 6], ramps["signed"][-len(ramps["signed"]) // 4]
    edges = result.edges.tolist()
    words = [in_words(edge, result.unit) for edge in edges]
    labels = [f"{a} … {b}" for a, b in itertools.pairwise(words)]
    counts = result.bytes.tolist()
    colours = [warm if _is_warm(high, result.unit) else cold for high in edges[1:]]
    if result.in_use is not None:
        labels, counts, colours = ["in use", *labels], [result.in_use, *counts], [warm, *colours]
    bars = axes.barh(range(len(counts)), counts, color=colours)
    axes.bar_label(bars, [units.size(c) for c in counts], padding=3, fontsize=8)
    axes.set_yticks(range(len(counts)), labels)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.xaxis.set_major_locator(_binary(max(counts)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: units.size(v)))
    axes.set_xlabel("memory" + (", mean over time" if result.snapshots > 1 else ""))
    note = metric_note(result.unit)
    axes.set_ylabel(f"{result.name} ({note})" if note else result.name)


def _is_warm(high: int, unit: MetricUnit) -> bool:
    """Whether the memory of a range that ends there is in use."""
    match unit:
        case "microseconds":
            return False
        case "temperature":
            return high > 0
    assert_never(unit)


def _regions(figure: Any, result: RegionsReport, ramps: Mapping[str, Sequence[str]]) -> None:
    from matplotlib.ticker import FuncFormatter

    axes = figure.add_subplot()
    index = result.snapshots[-1]
    snapshot = result.table.snapshot(index)
    known = result.intervals.known
    most = int(result.intervals.most[index]) if known else 1
    held = (snapshot.age + 1) * (int(result.intervals.next_aggr[index]) / 1e6)
    signed = np.where(snapshot.nr_accesses > 0, held, -held)
    colours = _ramp(ramps["signed"])
    right = np.cumsum(snapshot.memory).astype(np.float64)
    heights = snapshot.nr_accesses / most * (100 if known else 1)
    floor = -0.04 * max(float(heights.max(initial=0.0)), 1.0)
    shown = (scaled(signed, "idle") + 1) / 2 if known else np.where(snapshot.nr_accesses > 0, 0.9, 0.1)
    axes.bar(
        right - snapshot.memory, heights - floor, snapshot.memory, bottom=floor, align="edge",
        color=colours(shown), edgecolor="white", linewidth=0.2,
    )  # fmt: skip
    axes.axhline(0, color="black", lw=0.6)
    axes.set_xlim(0, float(right[-1]) if len(right) else 1.0)
    axes.xaxis.set_major_locator(_binary(float(right[-1]) if len(right) else 1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: units.size(v)))
    axes.set_xlabel("memory in order of address, gaps left out")
    axes.set_ylabel("access rate (% of samples)" if known else "samples with an access")
    if not known:
        return
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shares = (-1, -0.5, 0, 0.5, 1)
    bar = figure.colorbar(ScalarMappable(Normalize(-1, 1), colours), ax=axes, ticks=shares)
    bar.ax.set_yticklabels([legend_value(share, "idle", 0) for share in shares])
    bar.set_label("time idle or in use")
