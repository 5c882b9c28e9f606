"""The output of a command that was started here: its last lines, in a pane below the others."""

from __future__ import annotations

from typing import Protocol

from damontui.tui.draw import Line, Pane
from damontui.tui.frame import Frame


class Printing(Protocol):
    """A command whose output is kept (`damontui.sources.launch.Launched`)."""

    @property
    def text(self) -> str:
        """The command as one would type it."""
        ...

    @property
    def line_count(self) -> int:
        """How many lines were finished so far, forgotten ones included."""
        ...

    def lines(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        ...

    def poll(self) -> int | None:
        """The command's exit status, None while it runs."""
        ...


class OutputPane(Pane):
    """The newest lines, the last at the foot; follows them while they come."""

    def __init__(self, command: Printing, *, log: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self._command = command
        self._log = log
        self._back = 0
        """How many lines are below the visible ones."""

    @property
    def over(self) -> bool:
        """Whether the command has ended."""
        return self._command.poll() is not None

    def caption(self, frame: Frame) -> tuple[str, str]:
        count = self._command.line_count
        behind = f"{self._back} further down · " if self._back else ""
        return f"Output ─ {self._command.text}", f"{behind}{count} lines" if count else ""

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        lines = self._command.lines()
        if not lines:
            return [((f"goes to {self._log}" if self._log else "nothing yet", "muted"),)]
        self._back = max(0, min(self._back, len(lines) - height))
        end = len(lines) - self._back
        return [((line, "value"),) for line in lines[max(0, end - height) : end]]

    def scroll_rows(self, rows: int) -> None:
        """Scroll up (negative) or down."""
        self._back -= rows
        self.redraw()

    def on_mouse_scroll_down(self) -> None:
        self.scroll_rows(3)

    def on_mouse_scroll_up(self) -> None:
        self.scroll_rows(-3)
