"""Lines of text with named styles, drawn by hand: what the panes beside the heatmap are made of.

A line is a tuple of ``(text, style name)`` pairs. Names become colours only when a line is painted, so that a line can
be compared with the one before it, tested without a screen, and survive a change of theme.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import ANSIToTruecolor, LineFilter
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from damontui.safe_text import shown
from damontui.tui.frame import Frame
from damontui.tui.themes import mixed

Span = tuple[str, str]
Line = tuple[Span, ...]

EIGHTHS_UP = " ▁▂▃▄▅▆▇█"
EIGHTHS_RIGHT = " ▏▎▍▌▋▊▉█"
ASCII_UP = " .:-=+*#@"

_ASCII = str.maketrans(
    {
        "…": "~",
        "·": "|",
        "−": "-",
        "—": "-",
        "●": "*",
        "○": "o",
        "◀": "<",
        "▶": ">",
        "│": "|",
        "┤": "|",
        "├": "|",
        "█": "#",
        "▌": "#",
        "▐": "#",
        "▕": "[",
        "▏": "]",
        "┃": "|",
        "≥": ">",
        "≤": "<",
        "×": "x",
        "→": ">",
        "←": "<",
        "↑": "^",
        "↓": "v",
        "─": "-",
        "∞": "i",
        "µ": "u",
        "±": "~",
        "⚠": "!",
        "▲": "^",
        "▼": "v",
    }
)


def to_ascii(line: Line) -> Line:
    """The line in ASCII, as wide, since every character has a stand-in of one column."""
    return tuple((text.translate(_ASCII).encode("ascii", "replace").decode(), style) for text, style in line)


def width_of(line: Iterable[Span]) -> int:
    """Columns that a line takes."""
    return sum(cell_len(text) for text, _ in line)


def fit(line: Iterable[Span], width: int, fill: str = "") -> Line:
    """The line cut (with an ellipsis) or filled with spaces of style ``fill`` to exactly ``width`` columns.

    Characters that may not be shown are replaced before anything is measured.
    """
    out: list[Span] = []
    left = width
    for text, style in line:
        text = shown(text)
        taken = cell_len(text)
        if taken <= left:
            if text:
                out.append((text, style))
            left -= taken
            continue
        if left > 0:
            out.append((set_cell_size(text, left - 1) + "…", style))
        elif out:  # what was cut away began exactly at the edge
            last, style = out[-1]
            out[-1] = (set_cell_size(last, cell_len(last) - 1) + "…", style)
        return tuple(out)
    if left > 0:
        out.append((" " * left, fill))
    return tuple(out)


@lru_cache(1024)
def finished(line: Line, width: int, ascii: bool) -> Line:
    """The line as it is painted: exactly ``width`` columns, in ASCII where asked for. Cached, as most lines stay."""
    fitted = fit(line, width)
    return to_ascii(fitted) if ascii else fitted


def spread(left: Iterable[Span], right: Iterable[Span], width: int) -> Line:
    """``left`` and ``right`` at the two ends; where both do not fit, ``left`` is cut."""
    right = tuple(right)
    room = width - width_of(right)
    return (*fit(left, max(0, room)), *right) if room > 0 else fit(right, width)


def bar(part: float, width: int, *, ascii: bool = False) -> str:
    """A bar from the left, ``part`` (0…1) of ``width`` columns; anything over 0 shows."""
    if width <= 0:
        return ""
    if math.isnan(part):
        return " " * width
    part = min(1.0, max(0.0, part))
    eighths = round(part * width * 8)
    if part > 0:
        eighths = max(1, eighths)
    if ascii:
        return ("#" * math.ceil(eighths / 8)).ljust(width)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (EIGHTHS_RIGHT[rest] if rest else "")).ljust(width)


def sparkline(
    values: Sequence[float], rows: int, low: float, high: float, *, log: bool = False, ascii: bool = False
) -> list[str]:
    """A chart of one column a value, as ``rows`` lines from the top; NaN is an empty column.

    Args:
        values: the values, one for each column.
        rows: how many lines.
        low: the value of the lowest bar, which is one eighth of a line high.
        high: the value of the highest bar.
        log: whether heights are logarithmic.
        ascii: draw with ASCII characters.
    """
    if log:
        floor = max(low, 1e-9)
        values = [math.log(max(v, floor)) if v == v else v for v in values]
        low, high = math.log(floor), math.log(max(high, floor))
    reach = (high - low) or 1.0
    steps = rows * 8
    heights = [0 if v != v else min(steps, max(1, round((v - low) / reach * steps))) for v in values]
    return ["".join([by_height[height] for height in heights]) for by_height in _by_height(rows, ascii)]


@lru_cache
def _by_height(rows: int, ascii: bool) -> list[str]:
    """What each row from the top shows of a column of 0, 1, 2, … eighths."""
    ramp, heights = ASCII_UP if ascii else EIGHTHS_UP, range(rows * 8 + 1)
    return ["".join(ramp[min(8, max(0, height - row * 8))] for height in heights) for row in reversed(range(rows))]


class Pane(Widget):
    """A widget that shows a `Frame` as lines of text; repaints only the lines that changed."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.frame: Frame | None = None
        self.lines: list[Line] = []
        self._strips: dict[Line, Strip] = {}
        self._inks: dict[str, Style] = {}
        self._bordered: dict[int, tuple[object, Strip]] = {}
        """For each line the content that was drawn, and the painted line with its borders."""
        self._border = object()
        """Stands for the content of the border's lines; another object whenever their words may have changed."""
        self._bordered_for: tuple[object, ...] = ()
        self._painted: tuple[Region, list[Strip]] | None = None
        """The part painted last, and its lines; None once anything is to be painted anew."""
        self._edges: tuple[Size, tuple[list[Segment], list[Segment]]] | None = None
        self.columns = 0
        """Columns inside the border, when it was last painted."""

    def draw(self, frame: Frame, width: int, height: int) -> Sequence[Line]:
        """The lines of ``frame``, at most ``height`` of them, in ``width`` columns."""
        raise NotImplementedError

    def caption(self, frame: Frame) -> tuple[str, str]:
        """The words in the border: on the left what the pane shows, on the right its state."""
        return "", ""

    def show(self, frame: Frame) -> None:
        """Show another frame."""
        self.frame = frame
        self.set_class(frame.dim, "-dim")
        self.redraw()

    def redraw(self) -> None:
        """Draw again, and repaint the lines that differ from what is on the screen."""
        width, height = self.size
        if self.frame is None or width <= 0 or height <= 0:
            return
        title, subtitle = (shown(part) for part in self.caption(self.frame))
        lines = [
            finished(line, width, self.frame.ascii) for line in list(self.draw(self.frame, width, height))[:height]
        ]
        if self.frame.ascii:
            title, subtitle = title.translate(_ASCII), subtitle.translate(_ASCII)
        self._caption(title, subtitle)
        if len(lines) != len(self.lines):
            self.lines = lines
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(self.lines, lines, strict=True)) if old != new]
        self.lines = lines
        self.refresh_lines(changed)

    def refresh_lines(self, lines: Iterable[int]) -> None:
        """Repaint lines of the content, from the top.

        The border beside them is named too: else Textual cuts it off each time.
        """
        runs: list[tuple[int, int]] = []
        for y in lines:
            if runs and y == sum(runs[-1]):
                runs[-1] = runs[-1][0], runs[-1][1] + 1
            else:
                runs.append((y, 1))
        if runs:
            left, width = self.gutter.left, self.size.width + self.gutter.width
            self.refresh(*(Region(-left, y, width, height) for y, height in runs))

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The app's filters without Textual's for the terminal's own sixteen colours, which no pane uses."""
        return [one for one in self.app.get_line_filters() if not isinstance(one, ANSIToTruecolor)]

    def _caption(self, title: str, subtitle: str) -> None:
        # markup off: a bracket in a target's name is a bracket
        title, subtitle = title.replace("[", r"\["), subtitle.replace("[", r"\[")
        if self.border_title != title:
            self.border_title = title
        if self.border_subtitle != subtitle:
            self.border_subtitle = subtitle

    def on_resize(self) -> None:
        self.redraw()

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """See the base class; forgets what was painted."""
        self._painted = None
        if not regions:
            self._border = object()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()
        self._inks.clear()
        self._bordered.clear()
        self._edges = self._painted = None

    def ink(self, name: str) -> Style:
        """The style of that name (`damontui.tui.themes.TEXT_STYLES`) on this pane's ground; "" is the pane's own."""
        style = self._inks.get(name)
        if style is None:
            base = self.rich_style
            style = self._inks[name] = mixed(name, base, self.app.theme_variables) if name else base
        return style

    def text(self) -> str:
        """What is drawn, as plain text."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self.lines)

    def render_lines(self, crop: Region) -> list[Strip]:
        """See the base class, which works out the border beside each line anew: half of the cost, saved here.

        Textual asks for all lines of all widgets at each repaint; where nothing changed, the same lines are returned.
        Where the style has more than a border and a ground, the base class does the work.
        """
        self.columns = self.size.width  # asked for once a repaint: Textual works it out each time
        edges = self._edges_now()
        if edges is None:
            return super().render_lines(crop)
        background, filters = self.background_colors[1], self.get_line_filters()
        if self._bordered_for != (self.outer_size, background, filters):
            self._bordered_for, self._painted = (self.outer_size, background, filters), None
            self._bordered.clear()
        if self._painted is None or self._painted[0] != crop:
            self._painted = crop, self._lines_between(*edges, crop, background, filters)
        return self._painted[1]

    def _lines_between(
        self, left: list[Segment], right: list[Segment], crop: Region, ground: Color, filters: Sequence[LineFilter]
    ) -> list[Strip]:
        """Lines between their borders, as they go to the terminal."""
        (width, height), gutter = self.outer_size, self.gutter
        strips = []
        for y in crop.line_range:
            inside = gutter.top <= y < height - gutter.bottom
            drawn = self.render_line(y - gutter.top) if inside else self._border
            before, strip = self._bordered.get(y, (None, None))
            if strip is None or before is not drawn:
                if isinstance(drawn, Strip):
                    segments = [*left, *drawn, *right]
                    for one in filters:
                        segments = one.apply(segments, ground)
                    strip = Strip(segments, width)
                else:
                    strip = super().render_lines(Region(0, y, width, 1))[0]
                self._bordered[y] = drawn, strip
            strips.append(strip.crop(*crop.column_span))
        return strips

    def _edges_now(self) -> tuple[list[Segment], list[Segment]] | None:
        """The segments left and right of each line of the content; None where the style has more than a border."""
        styles, size = self.styles, self.outer_size
        if styles.text_opacity != 1.0 or self.opacity != 1.0 or styles.tint.a or self.columns <= 0:
            return None
        if self._edges is None or self._edges[0] != size:
            gutter = self.gutter
            line = super().render_lines(Region(0, gutter.top, size.width, 1))[0]
            sides = line.crop(0, gutter.left), line.crop(size.width - gutter.right, size.width)
            self._edges = size, (list(sides[0]), list(sides[1]))
            self._bordered.clear()
        return self._edges[1]

    def render_line(self, y: int) -> Strip:
        width = self.columns
        if y >= len(self.lines):
            return Strip.blank(width, self.ink(""))
        line = self.lines[y]
        strip = self._strips.get(line)
        if strip is None or strip.cell_length != width:
            if len(self._strips) > 256:
                self._strips.clear()
            strip = Strip([Segment(text, self.ink(name)) for text, name in line], width_of(line))
            strip = self._strips[line] = strip.adjust_cell_length(width, self.ink(""))
        return strip


class Follows:
    """A screen over the panes that shows each new frame as well."""

    def follow(self, frame: Frame) -> None:
        """Show another frame."""
        raise NotImplementedError
