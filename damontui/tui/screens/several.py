"""Several processes in one table, the largest working set first; one of them can be opened."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import ModalScreen

from damontui import units
from damontui.operations.processes import Missing
from damontui.safe_text import shown
from damontui.sources.several import HEADINGS, ProcessRow, Several, cells, rows_of, time_of
from damontui.tui.draw import Follows, Line, Pane, Span, fit, spread
from damontui.tui.frame import Frame

_KEPT = (0, 1, 2, 8, 3, 4, 5, 6, 7)
"""Columns in the order in which they find room: in use, idle, in memory, pause, the kinds, swapped, huge."""
_WIDTH = 10
_LEAST_NAME = 14
_STYLES = ("use", "idle", "value")
_HINTS = (("↑↓", "move"), ("enter", "open it"), ("esc", "all of them as one picture"))


class SeveralPane(Pane):
    """The table, drawn by hand."""

    class Clicked(Message):
        """A process was clicked."""

    def __init__(self, source: Several, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.source = source
        self.rows: list[ProcessRow] = []
        self.missing: tuple[Missing, ...] = ()
        self.chosen: int | None = None
        """The PID of the chosen row; it stays chosen wherever its row goes."""
        self.top = 0
        self._seconds = 0.0
        self._seen = 1

    def follow(self) -> None:
        """Take the rows from the source as they are now."""
        each, self.missing = self.source.each, self.source.missing
        self._seconds = time_of(each)
        self.rows = rows_of(each, self._seconds)
        pids = [row.pid for row in self.rows]
        if self.chosen not in pids:
            self.chosen = pids[min(self.top, len(pids) - 1)] if pids else None
        self.redraw()

    def move(self, lines: int) -> None:
        """Choose the process so many lines further down."""
        if self.rows:
            self.chosen = self.rows[min(len(self.rows) - 1, max(0, self._at() + lines))].pid
            self.redraw()

    def _at(self) -> int:
        return next((at for at, row in enumerate(self.rows) if row.pid == self.chosen), 0)

    def caption(self, frame: Frame) -> tuple[str, str]:
        count = f"{len(self.rows)} process" + ("" if len(self.rows) == 1 else "es")
        within = f"in use: within {units.span(self._seconds)}" if self.rows else ""
        return count, within

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        if not self.rows:
            return [((" Waiting for the first look at them", "label"),)]
        missing = self.missing[: max(0, height - 2 - min(len(self.rows), height // 2))]
        self._seen = max(1, height - 2 - len(missing))
        at = self._at()
        self.top = max(0, min(max(min(self.top, at), at - self._seen + 1), len(self.rows) - self._seen))
        room = max(0, (width - 10 - _LEAST_NAME) // _WIDTH)
        kept = sorted(_KEPT[:room])
        lines = [self._line(("PID", *HEADINGS), "name", kept, width, ("label",) * len(HEADINGS), "label")]
        for row in self.rows[self.top : self.top + self._seen]:
            if row.pid == self.chosen:
                styles, name = ("chosen",) * len(HEADINGS), "chosen"
            else:
                styles, name = (*_STYLES, *("label",) * (len(HEADINGS) - len(_STYLES))), "value"
            lines.append(self._line((str(row.pid), *cells(row)), row.name, kept, width, styles, name))
        lines += [fit([(f"{one.pid:>9}  {shown(one.name)}: {shown(one.why)}", "muted")], width) for one in missing]
        lines += [()] * (height - 1 - len(lines))
        return [*lines, self._foot(frame, width)]

    def _line(
        self, texts: tuple[str, ...], name: str, kept: list[int], width: int, styles: tuple[str, ...], style: str
    ) -> Line:
        chosen = style == "chosen"
        spans: list[Span] = [(f"{texts[0]:>9}", style if chosen else "label")]
        spans += [(f"{texts[at + 1]:>{_WIDTH}}", styles[at]) for at in kept]
        spans.append((f"  {shown(name)}", style))
        return fit(spans, width, "chosen" if chosen else "")

    def _foot(self, frame: Frame, width: int) -> Line:
        hints: list[Span] = []
        for key, what in _HINTS:
            more: tuple[Span, ...] = ((f" {key} ", "key"), (f"{what} ", "label"))
            if sum(cell_len(part) for part, _ in (*hints, *more)) <= width:
                hints += more
        cpu = None if frame.snapshot is None else frame.snapshot.cpu
        right: list[Span] = [] if cpu is None else [(f"{units.share(cpu)} of one CPU for all ", "muted")]
        fits = sum(cell_len(part) for part, _ in (*hints, *right)) <= width
        return spread(hints, right if fits else [], width)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        offset = event.get_content_offset(self)
        at = self.top + offset.y - 1 if offset is not None else -1
        if offset is not None and 0 <= offset.y - 1 < self._seen and 0 <= at < len(self.rows):
            self.chosen = self.rows[at].pid
            self.redraw()
            self.post_message(self.Clicked())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-3)


class SeveralScreen(Follows, ModalScreen[int | None]):
    """Ends with the PID of the process to open, or with None.

    Args:
        source: the source of the processes.
        frame: the present frame; later ones come to `follow`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back"),
        Binding("enter", "choose", "open it"),
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("home,g", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
        Binding("t", "target", show=False),
        Binding("question_mark,f1", "app.help", show=False),
        Binding("q", "app.quit", show=False),
        Binding("ctrl+c", "app.interrupt", show=False),
    ]

    def __init__(self, source: Several, frame: Frame) -> None:
        super().__init__()
        self._source = source
        self._frame = frame

    def compose(self) -> ComposeResult:
        yield SeveralPane(self._source, id="several")

    def on_mount(self) -> None:
        self.set_class(self._frame.ascii, "-ascii")
        self.follow(self._frame)

    def follow(self, frame: Frame) -> None:
        """Show another frame."""
        self._frame = frame
        for pane in self.query(SeveralPane):  # none yet where it has only just been pushed
            pane.show(frame)
            pane.follow()

    def action_move(self, lines: int) -> None:
        """Move up or down."""
        self.query_one(SeveralPane).move(lines)

    def action_choose(self) -> None:
        """Open the chosen process."""
        chosen = self.query_one(SeveralPane).chosen
        if chosen is not None:
            self.dismiss(chosen)

    def action_back(self) -> None:
        """Go back to the picture of all processes."""
        self.dismiss(None)

    def action_target(self) -> None:
        """Choose another target instead of these processes."""
        self.dismiss(None)
        self.app.call_later(self.app.run_action, "target")

    def on_several_pane_clicked(self, _: SeveralPane.Clicked) -> None:
        self.action_choose()
