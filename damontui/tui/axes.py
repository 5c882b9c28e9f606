"""The words along the heatmap's axes: round times, round addresses, spans as people say them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import ceil

import numpy as np

from damontui.analysis.axis import SHOWN, VOID, Axis
from damontui.analysis.heatmap import Place, region_at
from damontui.damon.snapshot import Snapshot
from damontui.units import duration, size, span

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def time_ticks(span: float, columns: int, end: str) -> list[tuple[int, str]]:
    """``(column, label)`` of the ticks, from the left: round times before the right edge."""
    if columns <= 0:
        return []
    column = span / columns
    step = next((step for step in _STEPS if step / column >= 11), None)
    if step is None:
        step = _STEPS[-1] * ceil(11 * column / _STEPS[-1])
    unit, name = (
        (1, "s") if step < 60 else (60, "min") if step < 3600 else (3600, "h") if step < 86400 else (86400, "d")
    )
    count = int(span / step + 1e-9)
    ticks = []
    mixed = step < 60 < span  # half minutes: as a clock shows them
    for index in range(count, 0, -1):
        x = max(0, columns - 1 - round(index * step / column))
        ago = index * step
        if mixed:
            ticks.append((x, f"−{int(ago) // 60}:{int(ago) % 60:02d}"))
            continue
        number = f"−{ago / unit:g}"
        ticks.append((x, f"{number} {name}" if index == count else number))
    return [*ticks, (columns - 1, end)]


def place_labels(ticks: Sequence[tuple[int, str]], columns: int) -> str:
    """The labels below their ticks, in ``columns`` columns; one that would touch the next is left out."""
    line = [" "] * columns
    free = columns
    for x, label in reversed(ticks):
        low = min(max(0, x - len(label) // 2), columns - len(label))
        if x >= columns - 1:
            low = columns - len(label)
        if low < 0 or low + len(label) > free - (free < columns):
            continue
        line[low : low + len(label)] = label
        free = low
    return "".join(line)


def address_labels(axis: Axis, lines: int, halves: int, width: int) -> dict[int, str]:
    """Labels of the address axis by line, from the top: round addresses, and where each part begins.

    Where no fold says which target is above it and which below, a part begins with its target's identifier.

    Args:
        axis: the rows.
        lines: lines of the picture.
        halves: rows to a line.
        width: columns that a label may take.
    """
    labels: dict[int, str] = {}
    total = len(axis)
    for part in axis.parts:
        if part.kind != SHOWN:
            continue
        bottom = (total - 1 - part.first) // halves
        top = (total - part.first - part.rows) // halves
        reach = part.hi - part.lo
        labels[bottom] = axis.label(part) if axis.crowded else _address(part.lo, reach, width)
        per_line = reach * halves / part.rows
        step = 1 << max(12, (max(1, int(per_line * 3))).bit_length())
        hexed = _hexed(part.lo, part.hi)
        low_edge = axis.low[part.first : part.first + part.rows] - part.target * axis.stride
        at = (part.lo // step + 1) * step
        while at < part.hi:
            row = part.first + int(np.searchsorted(low_edge, at, side="right")) - 1
            y = (total - 1 - row) // halves
            if top <= y <= bottom - 2 and y not in labels:
                labels[y] = f"+{_round(at - part.lo)}" if hexed else _round(at)
            at += step
    return labels


def name_labels(axis: Axis, snapshot: Snapshot | None, lines: int, halves: int, width: int) -> dict[int, str]:
    """Names of what is mapped, by the topmost line that has it in its middle; a name holds down to the next one.

    Args:
        axis: the rows.
        snapshot: has the names; None has none.
        lines: lines of the picture.
        halves: rows to a line.
        width: columns that a name may take.
    """
    if snapshot is None or not snapshot.names or not len(axis):
        return {}
    labels: dict[int, str] = {}
    before = ""
    for y in range(lines):
        row = len(axis) - 1 - y * halves
        name = ""
        if row >= 0 and axis.part(row).kind != VOID:
            under = max(0, row - halves + 1)
            target, low, _ = axis.place(under)
            upper, lowest, high = axis.place(row)
            if upper != target:  # two targets to a line
                target, low = upper, lowest
            number = axis.ids[target] if target < len(axis.ids) else None
            if number in snapshot.targets:
                region = region_at(snapshot, Place((low + high) // 2, 0.0, snapshot.targets.index(number)))
                name = "" if region is None else snapshot.names[region]
        if name and name != before:
            labels[y] = name if len(name) <= width else name[: width - 1] + "…"
        before = name
    return labels


def _hexed(lo: int, hi: int) -> bool:
    """Whether three digits and a unit are too few to tell these addresses apart."""
    return lo > 0 and (hi - lo) * 50 < hi


def _round(count: int) -> str:
    """A size without a fraction that says nothing: ``32 MiB``, not ``32.0 MiB``."""
    number, unit = size(count).split()
    return f"{float(number):g} {unit}"


def _address(address: int, reach: int, width: int) -> str:
    if not _hexed(address, address + reach):
        return _round(address) if address else "0"
    text = f"{address:x}"
    return text if len(text) <= width else text[: width - 1] + "…"


def whole_seconds(seconds: float) -> str:
    """Whole seconds, so that a countdown changes once a second."""
    whole = ceil(seconds)
    return f"{whole} s" if whole < 90 else duration(whole)


def short(text: str) -> str:
    """``1:00:00`` as ``1 h``."""
    return {"1:00:00": "1 h"}.get(text, text)


def span_words(seconds: float) -> str:
    """A span as people say it: ``4 min``, ``30 s``, ``6 h``."""
    return span(seconds)


def round_up(value: float) -> float:
    """The next round number, for the end of a scale that is to change seldom."""
    if math.isnan(value) or value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        step * power for step in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if step * power >= value * 0.999
    )
