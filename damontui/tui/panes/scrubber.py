"""The line below a record: all of its time, the part that the heatmap shows, and the moment shown."""

from __future__ import annotations

from textual import events
from textual.message import Message

from damontui.tui.draw import Line, Pane, Span
from damontui.tui.frame import Frame
from damontui.tui.panes.title import clock


class Scrubber(Pane):
    """One line; there only with a record. A click, or the pressed mouse, goes to that time."""

    class Sought(Message):
        """A moment was pointed at."""

        def __init__(self, time: float) -> None:
            super().__init__()
            self.time = time
            """Source's clock."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Scrubber.Sought)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.display = False
        self._dragged = False

    def show(self, frame: Frame) -> None:
        """Show another frame."""
        if self.display != (frame.record and frame.snapshot is not None):
            self.display = not self.display
        super().show(frame)

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        extent = _extent(frame)
        if extent is None:
            return []
        began, ended, first, last = extent
        left, right = f" {clock(first)} ", f" {clock(last)} "
        columns = self._columns(width)
        if columns <= 0:
            return []
        at = _column(frame.now, began, ended, columns)
        low = _column(frame.right - frame.span, began, ended, columns)
        high = _column(frame.right, began, ended, columns)
        shown, hidden = ("=", "-") if frame.ascii else ("━", "─")
        rail: list[Span] = []
        for column in range(columns):
            if column == at:
                rail.append(("●", "strong"))
            else:
                rail.append((shown, "label") if low <= column <= high else (hidden, "track"))
        bare = columns == width - 2
        ends: tuple[Span, Span] = ((" ", ""), (" ", "")) if bare else ((left, "label"), (right, "label"))
        return [(ends[0], *_joined(rail), ends[1])]

    @staticmethod
    def _columns(width: int) -> int:
        return width - 20 if width >= 40 else width - 2

    def time_at(self, x: int) -> float | None:
        """The moment at a column of the line; None where there is no record."""
        extent = _extent(self.frame) if self.frame is not None else None
        columns = self._columns(self.size.width)
        if extent is None or columns <= 0:
            return None
        began, ended = extent[:2]
        share = (x - (self.size.width - columns) // 2) / max(1, columns - 1)
        return began + (ended - began) * min(1.0, max(0.0, share))

    # -- the mouse

    def _seek(self, event: events.MouseEvent) -> None:
        event.stop()
        time = self.time_at(event.x)
        if time is not None:
            self.post_message(self.Sought(time))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._dragged = True
        self.capture_mouse()
        self._seek(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._dragged:
            self._seek(event)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._dragged = False
        self.release_mouse()
        event.stop()


def _extent(frame: Frame) -> tuple[float, float, float, float] | None:
    """When the record began and ended, source's clock, then seconds since 1970."""
    first, last, began = frame.history.first, frame.history.last, frame.history.began
    if first is None or last is None or began is None:
        return None
    return began, last.time, first.wall - (first.time - began), last.wall


def _column(time: float, began: float, ended: float, columns: int) -> int:
    return round((time - began) / max(1e-9, ended - began) * (columns - 1))


def _joined(spans: list[Span]) -> list[Span]:
    """The spans, with neighbours of one style joined."""
    out: list[Span] = []
    for text, style in spans:
        if out and out[-1][1] == style:
            out[-1] = (out[-1][0] + text, style)
        else:
            out.append((text, style))
    return out
