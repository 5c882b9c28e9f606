"""Pressure under the heatmap, on the heatmap's columns: a line for each quantity, and marks for what happened.

Bars of one unit share a scale that ends at a round number, which the head of the strip tells, so that lines can be
compared. A known 0 is a line at the foot of the cell, and an unknown value is blank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from damontui import phrases, units
from damontui.analysis import pressure, timeline
from damontui.analysis.pressure import HAPPENINGS, QUANTITIES, Unit
from damontui.damon.snapshot import Snapshot
from damontui.safe_text import shown
from damontui.tui.axes import round_up
from damontui.tui.draw import ASCII_UP, EIGHTHS_UP, Line, Span, fit, width_of
from damontui.tui.frame import Frame
from damontui.tui.heatmap.layout import Grid
from damontui.tui.series import Rows

Floats = NDArray[np.float64]

_WAITS = ("some wait", "all wait")
"""Quantities that are shown first, and alone where only waits are wanted."""
_ALWAYS = (*_WAITS, "read back")
"""Quantities that are drawn as soon as they are told, even where they were always 0."""
_EVENTS = "events"
_NOTHING = "_"
_COUNT = len(QUANTITIES)


class PressureRows(Rows):
    """`pressure.row_of` of every snapshot."""

    def __init__(self) -> None:
        super().__init__(_COUNT + len(HAPPENINGS))
        self.most: Floats = np.full(_COUNT + len(HAPPENINGS), math.nan)
        """The highest of each number so far; NaN where it was never told."""

    def numbers_of(self, snapshot: Snapshot) -> Floats:
        """All quantities, then how often each thing happened."""
        row = pressure.row_of(snapshot.pressure)
        self.most = np.fmax(self.most, row) if len(self) else row
        return row

    def means(self, edges: Floats) -> Floats:
        """The mean of each number in each slot, shape ``(slots, numbers)``; NaN where it is not known."""
        low = int(np.searchsorted(self.ended, edges[0], side="right"))
        high = int(np.searchsorted(self.began, edges[-1], side="left"))
        part = slice(low, max(low, high))
        return timeline.means(self.began[part], self.ended[part], self.numbers[part], edges)


class PressureStrip:
    """Makes the strip's lines; lines that did not change are the same as before."""

    def __init__(self) -> None:
        self._rows = PressureRows()
        self._key: tuple[object, ...] = ()
        self._lines: list[Line] = []
        self._told_key: tuple[object, ...] = ()
        self._told: tuple[int, ...] = ()
        self._note = ""

    def wanted(self, frame: Frame) -> int:
        """How many lines the strip takes where there is room for all."""
        if not frame.strip:
            return 0
        told = self._of(frame)
        return 1 if not told else 1 + len(told) + (_COUNT in told) + bool(self._note)

    def lines(self, frame: Frame, grid: Grid) -> list[Line]:
        """The strip's lines, as many as the layout has room for; the last quantities are left out first."""
        room = grid.layout.strip
        told = self._of(frame)
        if not room:
            return []
        if not told:
            return [(("".ljust(grid.layout.gutter), ""), (why_not(frame), "muted"))]
        snapshot = frame.snapshot
        now = None if snapshot is None else snapshot.pressure
        key = (self._told_key, grid.layout, grid.column, grid.stop, frame.ascii, now, frame.cursor is None)
        if key != self._key:
            self._key, self._lines = key, self._drawn(frame, grid, told, room)
        return self._lines

    def _of(self, frame: Frame) -> tuple[int, ...]:
        """Indices of the quantities that are drawn: those that were over 0 at some time, and of `_ALWAYS` those that
        were told at all. `_COUNT` stands for the marks."""
        self._rows.update(frame.history)
        key = (frame.history.epoch, len(self._rows), self._rows.ended[-1] if len(self._rows) else 0.0, frame.strip)
        if key != self._told_key:
            self._told_key = key
            most = np.nan_to_num(self._rows.most, nan=-1.0)  # below 0: never told
            found = [
                at
                for at, one in enumerate(QUANTITIES)
                if most[at] >= (0 if one.label in _ALWAYS else 1e-300) and (frame.strip == "all" or one.label in _WAITS)
            ]
            if (most[_COUNT:] > 0).any():
                found.insert(sum(QUANTITIES[at].label in _WAITS for at in found), _COUNT)
            self._told = tuple(found)
        now = None if frame.snapshot is None else frame.snapshot.pressure
        self._note = "" if now is None else now.note or ""
        return self._told

    def _drawn(self, frame: Frame, grid: Grid, told: tuple[int, ...], room: int) -> list[Line]:
        edges = np.array([at * grid.column for at in range(grid.first, grid.stop + 1)], np.float64)
        means, layout = self._rows.means(edges), grid.layout
        kept = told[: room - 1]
        tops = _tops(means, kept)
        lines = [_head(frame, grid, tops)]
        marks = _marks(means[:, _COUNT:]) if _COUNT in kept else ""
        for at in kept:
            if at == _COUNT:
                cells, label, style = marks, _EVENTS, "strong"
            else:
                top = tops.get(QUANTITIES[at].unit, 1.0)
                cells, label, style = _bars(means[:, at], top, ascii_only=frame.ascii), QUANTITIES[at].label, "bar"
            lines.append((*_gutter(grid, label), *_styled(cells, style)))
        under = " " * layout.gutter
        if _COUNT in kept:
            key = ", ".join(f"{one.mark} {one.name}" for one in HAPPENINGS if one.mark in marks)
            lines.append(((under, ""), (key, "muted")))
        if self._note:
            lines.append(((under, ""), (shown(self._note), "muted")))
        return lines[:room]


def why_not(frame: Frame) -> str:
    """Why nothing is known of pressure, one sentence."""
    snapshot = frame.snapshot
    if snapshot is not None and snapshot.pressure is not None:
        return shown(snapshot.pressure.note or "pressure is not known: no file of the kernel tells it")
    if frame.description.origin == "simulated":
        return "no pressure: synthetic memory is never short"
    if frame.record:
        return "this record holds no pressure on memory"
    return "no pressure is known yet"


def _gutter(grid: Grid, label: str) -> tuple[Span, ...]:
    width = grid.layout.gutter
    return ((label[: width - 1].rjust(width - 2).ljust(width - 1), "label"), ("│", "track")) if width else ()


def _tops(means: Floats, kept: Sequence[int]) -> dict[Unit, float]:
    """The value of a full bar, for each unit among the lines."""
    tops: dict[Unit, float] = {}
    for at in kept:
        if at < _COUNT:
            unit = QUANTITIES[at].unit
            tops[unit] = max(tops.get(unit, 0.0), float(np.nan_to_num(means[:, at]).max(initial=0.0)))
    return {unit: _round_up(top, unit) for unit, top in tops.items() if top > 0}


def _round_up(value: float, unit: Unit) -> float:
    if unit == "bytes":
        return float(2 ** math.ceil(math.log2(max(value, 1.0))))
    return min(round_up(value), 1.0) if unit == "share" else round_up(value)


def _bars(values: Floats, top: float, *, ascii_only: bool) -> str:
    """A character for each column."""
    ramp = f"{_NOTHING}{(ASCII_UP if ascii_only else EIGHTHS_UP)[1:]} "
    height = np.clip(np.rint(np.nan_to_num(values) / top * 8), 1, 8)
    height[values <= 0] = 0
    height[np.isnan(values)] = 9
    return "".join(ramp[at] for at in height.astype(np.int64).tolist())


def _marks(counts: Floats) -> str:
    """The mark of the worst that happened in each column; ``counts`` has the shape ``(columns, happenings)``."""
    worst = np.where(np.isnan(counts).all(axis=1), len(HAPPENINGS) + 1, len(HAPPENINGS))
    for at in range(len(HAPPENINGS) - 1, -1, -1):
        worst[counts[:, at] > 0] = at
    marks = "".join(one.mark for one in HAPPENINGS) + _NOTHING + " "
    return "".join(marks[at] for at in worst.tolist())


def _styled(cells: str, style: str) -> list[Span]:
    """The characters of a line in runs of one style: a 0 is fainter."""
    runs = groupby(cells, key=lambda cell: cell in (_NOTHING, " "))
    return [("".join(run), "track" if faint else style) for faint, run in runs]


def _head(frame: Frame, grid: Grid, tops: dict[Unit, float]) -> Line:
    """The head: whose pressure it is, its numbers at the moment shown unless a cursor tells them, and the bars'
    scale."""
    now = None if frame.snapshot is None else frame.snapshot.pressure
    whose = f"pressure on {shown(phrases.whose(now))}" if now is not None else "pressure"
    said = phrases.pressed(now)[:1] if now is not None and frame.cursor is None else []
    words = {"share": units.share, "bytes/s": units.bandwidth, "bytes": units.size}
    scale = [f"bars to {', '.join(words[unit](top) for unit, top in tops.items())}"] if tops else []
    begin: Line = ((" ", ""), (whose, "label"))
    for parts in ([*said, *scale], scale):
        tail = "".join(f" · {part}" for part in parts)
        if width_of(begin) + len(tail) <= grid.layout.width:
            break
    # a name that is long gives way to what the bars are
    room = min(width_of(begin), max(0, grid.layout.width - len(tail)))
    return (*fit(begin, room), (tail, "muted"))
