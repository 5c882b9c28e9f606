"""The margins of the heatmap: the address axis, the time axis, and the legend of colours and marks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import heatmap
from damontui.analysis.axis import SHOWN, Axis
from damontui.tui import ink
from damontui.tui.axes import address_labels, place_labels, short, time_ticks
from damontui.tui.draw import Line, Span, spread, to_ascii
from damontui.tui.frame import Frame
from damontui.tui.heatmap.hit import cell_of, x_of
from damontui.tui.heatmap.layout import Grid, Layout
from damontui.tui.palette import LEVELS
from damontui.tui.panes.common import due_words, seconds_left
from damontui.tui.panes.title import clock
from damontui.units import duration, share


def gutter(frame: Frame, grid: Grid, axis: Axis, names: dict[int, str]) -> list[Line]:
    """The gutter's lines, from the top: labels at round addresses and at the lowest address of each part.

    Args:
        frame, grid: what is drawn, and where.
        axis: the rows.
        names: names of what is mapped, by line.
    """
    layout = grid.layout
    if layout.gutter == 0:
        return [()] * layout.lines
    room = layout.gutter - layout.names - 2
    labels = address_labels(axis, layout.lines, layout.halves, room)
    cursor = None
    if frame.cursor is not None:
        at = cell_of(grid, frame.cursor)
        cursor = at[1] if at else None
    out: list[Line] = []
    for y in range(layout.lines):
        label = labels.get(y, "")
        part = axis.part(max(0, len(axis) - 1 - y * layout.halves)) if len(axis) else None
        edge = "┤" if label else "┆" if part is not None and part.kind != SHOWN and not frame.ascii else "│"
        mark = "▶" if y == cursor else " "
        name = ((names.get(y, "").ljust(layout.names), "muted"),) if layout.names else ()
        out.append((*name, (label[:room].rjust(room), "label"), (mark, "strong"), (edge, "track")))
    return [to_ascii(line) for line in out] if frame.ascii else out


def foot(frame: Frame, grid: Grid, codes: ink.Codes, partial: Sequence[int], *, bordered: bool) -> dict[int, Line]:
    """The lines below the picture, by their number in the pane: the time axis, its labels, and the legend.

    Args:
        frame, grid: what is drawn, and where.
        codes: the cells of the picture.
        partial: columns in which events were lost.
        bordered: whether there is a border, which then tells the length of a column.
    """
    lines: dict[int, Line] = {}
    layout, y = grid.layout, grid.layout.lines + grid.layout.strip
    wall = frame.wall
    if frame.edge is not None and frame.snapshot is not None:
        at_edge = frame.history.at(frame.edge)
        wall = frame.wall if at_edge is None else at_edge.wall
    ticks = time_ticks(frame.span, layout.columns, "now" if frame.live else clock(wall))
    if layout.foot == 3:
        lines[y] = _rule(frame, grid, codes, ticks)
        y += 1
    if layout.foot >= 2:
        lines[y] = ((" " * layout.gutter, ""), (place_labels(ticks, layout.columns), "label"))
        y += 1
    if layout.foot >= 1:
        lines[y] = _legend(frame, grid, codes, partial, bordered=bordered)
    return lines


def _rule(frame: Frame, grid: Grid, codes: ink.Codes, ticks: Sequence[tuple[int, str]]) -> Line:
    """The time axis: solid where there are snapshots, dotted where not, with ticks."""
    layout = grid.layout
    solid = [False] * layout.columns
    for row in codes[:: max(1, len(codes) - 1)]:
        solid = [a or b for a, b in zip(solid, _whole(row).tolist(), strict=False)]
    line = ["─" if here else "┄" for here in solid]
    if frame.ascii:
        line = ["-" if here else "." for here in solid]
    for x, _ in ticks:
        if 0 <= x < len(line):
            line[x] = "+" if frame.ascii else "┬"
    at = None
    if frame.cursor is not None or frame.edge is not None:
        at = x_of(grid, frame.now if frame.cursor is None else frame.cursor.time)
        if at is not None:
            line[at] = "^" if frame.ascii else "▲"
    corner = "" if layout.gutter == 0 else " " * (layout.gutter - 1) + ("+" if frame.ascii else "└")
    text = "".join(line)
    if at is None:
        return ((corner, "track"), (text, "track"))
    return ((corner + text[:at], "track"), (text[at], "strong"), (text[at + 1 :], "track"))


def _legend(frame: Frame, grid: Grid, codes: ink.Codes, partial: Sequence[int], *, bordered: bool) -> Line:
    """The legend: the scale of colours, and as many remarks on the picture as fit."""
    layout = grid.layout
    facts = ["hottest in a cell" if frame.hottest else "mean of a cell"]
    if due(frame):
        facts.append(due(frame))
    kept = "" if bordered else coarse(frame, grid.first * grid.column, layout.columns)
    if kept:
        facts.append(kept)
    if partial:
        facts.append(f"{'/' if frame.ascii else '╱'} events lost")
    if (codes == ink.OFF).any():
        facts.append(f"{'x' if frame.ascii else '×'} not monitored")
    facts += _textures(frame, codes)
    if not bordered:
        facts.insert(0, f"{duration(grid.column)} a column")
        if frame.strip and not layout.strip:
            facts.append("pressure: no room")
    scale = _scale(frame, layout, 1 if layout.width >= 90 else 2)
    while facts and sum(len(text) for text, _ in scale) + len(" · ".join(facts)) + 2 > layout.width:
        facts.pop(0)
    return spread(scale, ((" · ".join(facts), "muted"), (" ", "")), layout.width)


def _textures(frame: Frame, codes: ink.Codes) -> list[str]:
    """Remarks on the textures and marks that are drawn."""
    out = []
    measured = frame.snapshot is not None and frame.snapshot.measured is not None
    if measured and (codes == ink.GAP).any():
        out.append(f"{chr(39) if frame.ascii else '·'} not in memory")
    if (codes == ink.FREE).any():
        out.append(f"{'.' if frame.ascii else '·'} free")
    for texture, words in ((ink.SO_FAR, "found so far"), (ink.SOMEWHERE, "somewhere in here"), (ink.SOME, "some")):
        if ink.has_texture(codes, texture).any():
            out.append(f"{ink.TEXTURES[texture][frame.ascii]} {words}")
    if ink.has_texture(codes, ink.DIM).any():
        out.append("dim: none")
    return out


def _scale(frame: Frame, layout: Layout, step: int) -> tuple[Span, ...]:
    """The colour scale with the values at its ends (and where it bends)."""
    levels = list(range(0, LEVELS, step))
    indent = " " if layout.width < 90 else " " * layout.gutter

    def blocks(part: Sequence[int]) -> tuple[Span, ...]:
        return tuple(("#", f"level{level}") for level in part)

    if frame.mode == "rate":
        middle = share(heatmap.unscaled(0.5, "rate"))
        cut = len(levels) // 2
        return (
            (f"{indent}0 ", "label"),
            *blocks(levels[:cut]),
            (f" {middle} ", "label"),
            *blocks(levels[cut:]),
            (f" 100 %{_of_what(frame)}" if layout.width >= 40 else " 100 %", "label"),
        )
    cut = len(levels) // 2
    if frame.mode in ("idle", "estimate"):
        most = duration(heatmap.MOST_IDLE)
        ends = (f"{indent}idle {short(most)} ", " 0 ", f" {short(most)} in use")
    else:
        top = "1e11" if frame.ascii else "10¹¹"
        ends = (f"{indent}cold −{top} ", " 0 ", f" {top} hot")
    return (
        (ends[0], "label"),
        *blocks(levels[:cut]),
        (ends[1], "label"),
        *blocks(levels[cut + 1 :]),
        (ends[2], "label"),
    )


def _of_what(frame: Frame) -> str:
    """What a rate is a share of."""
    return " in use" if frame.snapshot is not None and frame.snapshot.measured is not None else " of samples"


def _whole(row: ink.Codes) -> NDArray[np.bool_]:
    """Whether a whole aggregation has filled each column of a row of the picture."""
    whole: NDArray[np.bool_] = (
        (row != ink.EMPTY) & (row != ink.OFF) & (row != ink.PENDING) & ~ink.has_texture(row, ink.SO_FAR)
    )
    return whole


def due(frame: Frame) -> str:
    """When the aggregation under way is due, where that is worth saying."""
    left = seconds_left(frame)
    return "" if left is None else due_words(left)


def coarse(frame: Frame, left: float, columns: int) -> str:
    """A remark on how coarse the past is kept at the moment shown, else at ``left``; "" where that loses nothing."""
    newest, began = frame.history.last, frame.history.began
    if newest is None or began is None:
        return ""
    usual = newest.time - newest.began
    if frame.edge is not None:
        shown = frame.history.resolution_at(frame.now)
        if shown > 1.5 * usual:
            return f"mean of {duration(shown)} shown"
    kept = frame.history.resolution_at(max(left, began) + 1e-6)
    return f"one picture in {duration(kept)} at the left" if kept > 1.5 * max(frame.span / columns, usual) else ""
