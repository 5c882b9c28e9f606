"""What every screen of ours has: themes, a blank ground under its panes, and nothing on it that may not be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.color import Color
from textual.containers import Container
from textual.filter import LineFilter
from textual.screen import Screen

from damontui.errors import UsageError
from damontui.safe_text import STAND_IN, is_shown
from damontui.tui.themes import DARK, THEMES


class ShownFilter(LineFilter):
    """The last thing before the terminal, for every widget, a toast, a border's title and an input's too.

    What may not be shown is replaced column by column, since everything has been measured by then.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if is_shown("".join([segment.text for segment in segments])):
            return segments
        return [
            segment
            if segment.control
            else Segment("".join(c if is_shown(c) else STAND_IN * cell_len(c) for c in segment.text), segment.style)
            for segment in segments
        ]


_SHOWN = ShownFilter()


class Ground(Container):
    """Holds panes, which cover it: it has one colour, which Textual need not work out line by line at each repaint."""

    BLANK = True


class GroundScreen(Screen[Any]):
    """The same as a screen."""

    BLANK = True


class Front(App[int]):
    """An application of ours.

    Args:
        theme: its name; ours where None.

    Raises:
        UsageError: there is no such theme.
    """

    TITLE = "damontui"

    def __init__(self, theme: str | None = None) -> None:
        super().__init__()
        for one in THEMES:
            self.register_theme(one)
        name = theme or DARK.name
        if name not in self.available_themes:
            raise UsageError(f"theme: there is no {name!r}; known are {', '.join(sorted(self.available_themes))}")
        self.theme = name

    def get_default_screen(self) -> Screen[object]:
        """The one that is never closed."""
        return GroundScreen(id="_default")

    def pop_screen(self) -> AwaitComplete:
        """As Textual's, without keeping what was painted.

        Textual 8.2 keeps up to 1,024 widgets' painted lines after their screen was closed (an ``lru_cache`` on a method
        of `StylesCache` holds on to each): a help page opened a hundred times would take 10 MB.
        """
        closed = self.screen
        found = super().pop_screen()
        for widget in closed.walk_children(with_self=True):
            widget.refresh()
        return found

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, and then the one that lets nothing through that a terminal would obey."""
        return [*super().get_line_filters(), _SHOWN]
