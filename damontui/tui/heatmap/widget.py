"""The heatmap on the screen: time × address, the newest at the right edge."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from damontui.analysis.heatmap import Place
from damontui.tui import palette
from damontui.tui.draw import Pane, to_ascii, width_of
from damontui.tui.frame import Frame
from damontui.tui.heatmap.compose import NOTHING, Composer, Picture, changed
from damontui.tui.heatmap.hit import place_at
from damontui.tui.heatmap.layout import Grid
from damontui.tui.ink import Codes, Ink, Theme, is_plain, run_of
from damontui.tui.palette import RGB


class RegionsPane(Pane):
    """Puts pictures on the screen, painting only lines that differ from the picture before.

    Args:
        composer: makes the pictures; this widget tells it how much room there is.
        id: the widget's name in the style sheet.
    """

    class Pointed(Message):
        """A cell was clicked, or the pressed mouse went over it."""

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RegionsPane.Pointed)  # a fast mouse: where it is, not where it was

    class Wheeled(Message):
        """The wheel was turned over a cell: ``factor`` times as many addresses are to be shown around it."""

        def __init__(self, place: Place, factor: float) -> None:
            super().__init__()
            self.place = place
            self.factor = factor

    def __init__(self, composer: Composer | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.composer = composer if composer is not None else Composer()
        self.picture: Picture = NOTHING
        """The picture on the screen."""
        self._cells: dict[int, Strip] = {}
        self._dragged = False
        self._ink: Ink | None = None
        self._colours: Theme | None = None
        self._named: dict[str, Style] = {}

    @property
    def grid(self) -> Grid:
        """The grid of the picture on the screen."""
        return self.picture.grid

    def show(self, frame: Frame) -> None:
        """Show another frame."""
        self.frame = frame
        self.redraw()

    def redraw(self) -> None:
        width, height = self.size
        frame = self.frame
        if frame is None or width <= 0 or height <= 0:
            return
        restyled = self._restyled(frame)
        self.composer.resize(width, height, bordered=bool(self.styles.border_bottom[0]))
        before, self.picture = self.picture, self.composer.picture(frame)
        self._caption(*(_plain(text, frame) for text in (self.picture.title, self.picture.subtitle)))
        if restyled or self.grid.layout != before.grid.layout:
            self._cells.clear()
            self.refresh()
            return
        lines = changed(before, self.picture)
        for y in lines:
            self._cells.pop(y, None)
        self.refresh_lines(sorted(lines))

    # --- the mouse ---

    def on_click(self, event: events.Click) -> None:
        place = self._place_of(event)
        if place is not None:
            event.stop()
            self.post_message(self.Pointed(place))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button == 1 and self._place_of(event) is not None:
            self._dragged = True
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        place = self._place_of(event) if self._dragged else None
        if place is not None:
            self.post_message(self.Pointed(place))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._dragged = False
        self.release_mouse()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, 0.5)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 2.0)

    def _wheel(self, event: events.MouseEvent, factor: float) -> None:
        place = self._place_of(event)
        if place is not None:
            event.stop()
            self.post_message(self.Wheeled(place, factor))

    def _place_of(self, event: events.MouseEvent) -> Place | None:
        offset = event.get_content_offset(self)
        return None if offset is None else place_at(self.grid, offset.x, offset.y)

    # --- painting ---

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._colours = None
        self._cells.clear()

    def _restyled(self, frame: Frame) -> bool:
        """Make the colours anew where theme, terminal or state ask for it."""
        if self._colours is None:  # asking for styles costs more than drawing: once, until they change
            app = self.app
            ground = self.background_colors[1]
            system = app.console.color_system
            self._colours = (
                RGB(ground.r, ground.g, ground.b),
                app.current_theme.dark,
                16 if system in ("standard", "windows") else 256 if system == "256" else 1 << 24,
                app.no_color,
                self.rich_style,
                self.ink("muted"),
            )
            self._named.clear()
        kind: palette.Kind = "heat" if frame.mode == "rate" else "signed"
        key = (*self._colours, kind, frame.dim, frame.glyphs or frame.ascii, frame.ascii)
        if self._ink is not None and self._ink.key == key:
            return False
        self._ink = Ink(key)
        return True

    def _style(self, name: str) -> Style:
        """The style of a name, "" for the pane's own."""
        found = self._named.get(name)
        if found is None:
            found = self.ink(name)
            self._named[name] = found
        return found

    def render_line(self, y: int) -> Strip:
        width, picture = self.columns, self.picture
        if self.frame is None or y >= self.grid.layout.height:
            return Strip.blank(width, self._style(""))
        if self._colours is None:
            self._restyled(self.frame)
        strip = self._cells.get(y)
        if strip is None or strip.cell_length != width:
            if y in picture.text:
                line = picture.text[y]
                strip = Strip([Segment(*self._span(text, style)) for text, style in line], width_of(line))
            elif y < self.grid.layout.lines and len(picture.codes):
                cells = self._picture_line(picture, y)
                strip = Strip(cells, width_of(picture.gutter[y]) + self.grid.layout.columns)
            else:
                strip = Strip([], 0)
            strip = self._cells[y] = strip.adjust_cell_length(width, self._style(""))
        return strip

    def _span(self, text: str, style: str) -> tuple[str, Style]:
        if style.startswith("level") and self._ink is not None:
            return self._ink.cell(int(style[5:]), int(style[5:]))
        return text, self._style(style)

    def _picture_line(self, picture: Picture, y: int) -> list[Segment]:
        halves, ink = self.grid.layout.halves, self._ink
        assert ink is not None
        segments = [Segment(text, self._style(style)) for text, style in picture.gutter[y]]
        top, bottom = picture.codes[y * halves], picture.codes[y * halves + halves - 1]
        if picture.partial or y in picture.overlays:
            return segments + self._cell_by_cell(picture, y, top, bottom, ink)
        pairs = top.astype(np.int32) * 256 + bottom
        cuts = [0, *(np.flatnonzero(pairs[1:] != pairs[:-1]) + 1).tolist(), len(pairs)]
        starts = pairs[cuts[:-1]].tolist()
        for pair, (low, high) in zip(starts, pairwise(cuts), strict=True):
            segments.append(ink.run(pair, low, high))
        return segments

    def _cell_by_cell(self, picture: Picture, y: int, top: Codes, bottom: Codes, ink: Ink) -> list[Segment]:
        """A line with words over it, or with hatched columns: cell by cell."""
        cells = []
        for x, (a, b) in enumerate(zip(top.tolist(), bottom.tolist(), strict=True)):
            text, style = ink.cell(a, b)
            cells.append((run_of(text, x, x + 1), style))
        hatched = is_plain(top) | is_plain(bottom)
        for x in picture.partial:
            if hatched[x]:
                cells[x] = (ink.hatch, ink.over(int(top[x]), int(bottom[x])))
        for column, text, name in picture.overlays.get(y, ()):
            for x, character in enumerate(text, column):
                if not 0 <= x < len(cells):
                    continue
                style = ink.over(int(top[x]), int(bottom[x])) if name in ("cursor", "fold") else self._style(name)
                cells[x] = (character, style)
        segments: list[Segment] = []
        for text, style in cells:
            if segments and segments[-1].style is style:
                segments[-1] = Segment(segments[-1].text + text, style)
            else:
                segments.append(Segment(text, style))
        return segments

    def text(self) -> str:
        """What is drawn, as plain text."""
        return "\n".join(self.render_line(y).text.rstrip() for y in range(self.size.height))


def _plain(text: str, frame: Frame) -> str:
    return to_ascii(((text, ""),))[0][0] if frame.ascii else text
