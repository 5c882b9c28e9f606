"""From a cell of the heatmap to a place, and back: computed from a `Grid` alone."""

from __future__ import annotations

from damontui.analysis.axis import VOID
from damontui.analysis.heatmap import Place
from damontui.tui.heatmap.layout import Grid, column_of


def time_at(grid: Grid, x: int) -> float | None:
    """The end of the time at a column of the pane, at most the right edge; None outside of the picture."""
    layout = grid.layout
    if not layout.gutter <= x < layout.width:
        return None
    return min(grid.right, (grid.first + x - layout.gutter + 1) * grid.column)


def place_at(grid: Grid, x: int, y: int) -> Place | None:
    """The place at a cell of the pane, in columns and lines inside the border; None outside of the picture."""
    axis, layout, time = grid.axis, grid.layout, time_at(grid, x)
    if axis is None or time is None or not 0 <= y < layout.lines:
        return None
    row = len(axis) - 1 - y * layout.halves
    if not 0 <= row < len(axis):
        return None
    target, lo, _ = axis.place(row)
    return Place(lo, time, target)


def x_of(grid: Grid, time: float) -> int | None:
    """The column of the picture that a moment is in; None where it is not shown."""
    if grid.layout.columns <= 0:
        return None
    x = column_of(time, grid.column) - grid.first
    return x if 0 <= x < grid.layout.columns else None


def cell_of(grid: Grid, place: Place) -> tuple[int, int] | None:
    """Column and line of the picture that a place is in; None where it is not shown."""
    if grid.axis is None:
        return None
    x, row = x_of(grid, place.time), grid.axis.row(place.address, place.target)
    return None if x is None or row is None else (x, (len(grid.axis) - 1 - row) // grid.layout.halves)


def place_moved(grid: Grid, place: Place, right: int = 0, up: int = 0) -> Place:
    """The place ``right`` columns and ``up`` rows away from ``place``, within the picture; folds are stepped over."""
    axis = grid.axis
    if axis is None or grid.layout.columns <= 0:
        return place
    time = min(place.time + right * grid.column, grid.right)
    if up == 0:
        return Place(place.address, time, place.target)
    row = min(max((axis.row(place.address, place.target) or 0) + up, 0), len(axis) - 1)
    while axis.part(row).kind == VOID and 0 < row < len(axis) - 1:
        row += 1 if up > 0 else -1
    target, lo, _ = axis.place(row)
    return Place(lo, time, target)
