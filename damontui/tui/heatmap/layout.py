"""Where the parts of the heatmap are: in cells, and in time and memory. No widget, nothing drawn."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from damontui.analysis.axis import Axis
from damontui.damon.snapshot import Snapshot
from damontui.tui.frame import Frame


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of the picture are, in cells of the pane."""

    width: int
    height: int
    gutter: int
    """Columns of the address axis."""
    foot: int
    """Lines below the picture: time axis, its labels, legend."""
    halves: int
    """Rows to a line: 2 with half blocks, 1 with glyphs."""
    names: int = 0
    """Columns of the gutter that say what is mapped, left of the addresses."""
    strip: int = 0
    """Lines of pressure between the picture and the time axis."""

    @property
    def columns(self) -> int:
        """Columns of the picture."""
        return self.width - self.gutter

    @property
    def lines(self) -> int:
        """Lines of the picture."""
        return self.height - self.foot - self.strip

    @property
    def rows(self) -> int:
        """Rows of the address axis."""
        return self.lines * self.halves


_LEAST_LINES = 6
"""Lines that a picture keeps at least, besides half of all, where the strip of pressure is under it."""


def layout(width: int, height: int, *, glyphs: bool, long: bool = False, named: bool = False, strip: int = 0) -> Layout:
    """The parts that fit: the axes give way to the picture, and the strip to both.

    Args:
        width, height: the pane's size, in cells.
        glyphs: whether values are drawn as glyphs, of which a line holds one row.
        long: whether addresses need room for the digits of virtual ones.
        named: whether regions have names to show.
        strip: lines that the strip of pressure would take.
    """
    gutter = 0 if width < 44 else 14 if long and width >= 56 else 11
    names = min(16, width // 6) if named and width >= 60 else 0
    foot = 3 if height >= 9 else 2 if height >= 5 else 1 if height >= 2 else 0
    lines = height - foot
    room = lines - max(_LEAST_LINES, lines // 2) if gutter else 0
    # a head without a line under it says nothing
    fits = min(strip, room) if strip <= 1 or room > 1 else 0
    return Layout(width, height, gutter + names, foot, 1 if glyphs else 2, names, max(0, fits))


def layout_of(frame: Frame, width: int, height: int, strip: int = 0) -> Layout:
    """The layout of a pane of that size for what the frame shows, with ``strip`` lines under it where they fit."""
    named = frame.snapshot is not None and any(frame.snapshot.names)
    return layout(
        width, height, glyphs=frame.glyphs or frame.ascii, long=_long(frame.snapshot), named=named, strip=strip
    )


@dataclass(frozen=True, slots=True)
class Grid:
    """A layout with what its columns and rows stand for."""

    layout: Layout
    axis: Axis | None
    """What the rows stand for, the lowest address first; None where there is no picture."""
    span: float
    """Seconds across the picture."""
    stop: int
    """The column after the last one shown; column ``k`` ends at ``(k + 1) * column`` seconds of the source's clock."""
    right: float
    """The moment at the right edge, source's clock."""

    @property
    def column(self) -> float:
        """Seconds of a column."""
        return self.span / max(1, self.layout.columns)

    @property
    def first(self) -> int:
        """The first column shown."""
        return self.stop - self.layout.columns


def column_of(time: float, column: float) -> int:
    """The column that the moment ends or is in: ``(k * column, (k + 1) * column]``."""
    return ceil(time / column - 1e-9) - 1


def stop_of(frame: Frame, column: float) -> int:
    """The column after the last one shown.

    Where aggregations are shorter than a column, a live view goes on when the next one is whole, not before: a column
    that stays empty for a moment each time would only flicker.
    """
    stop = column_of(frame.right, column) + 1
    newest = frame.history.last
    if frame.live and newest is not None and newest.next_attrs.aggr_us / 1e6 <= column:
        shown = column_of(newest.time, column) + 1
        if shown < stop <= shown + 2:
            return shown
    return stop


def _long(snapshot: Snapshot | None) -> bool:
    """Whether addresses are so high that only hexadecimal digits tell them apart."""
    return snapshot is not None and len(snapshot) > 0 and int(snapshot.end.max()) >= 1 << 40
