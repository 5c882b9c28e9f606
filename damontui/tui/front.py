"""The common part of all our screens: themes, a blank ground under the panes, and a filter of what may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.color import Color
from textual.containers import Container
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.screen import Screen

from damontui.errors import UsageError
from damontui.safe_text import STAND_IN, is_shown, shown
from damontui.tui.keyboard import Keyboard
from damontui.tui.themes import DARK, THEMES


class ShownFilter(LineFilter):
    """The last filter before the terminal, for every widget, and for toasts, borders' titles and inputs.

    A character that may not be shown is replaced by one as wide, since everything has been measured by then.
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
    """A container that panes cover. It has one colour, which Textual need not work out line by line at each repaint."""

    BLANK = True


class GroundScreen(Screen[Any]):
    """A `Ground` that is a screen."""

    BLANK = True


class Front(App[int]):
    """An application of ours.

    Args:
        theme: the theme's name; our own where None.

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
        # Textual made these of its own default theme, and parses all again at the start where they differ
        self.stylesheet.set_variables(self.get_css_variables())
        self._fresh_css: str | None = name

    def refresh_css(self, animate: bool = True) -> None:
        """Parse the stylesheet again, unless it is the start's and made of the right colours already (0.03 s)."""
        fresh, self._fresh_css = self._fresh_css, None
        if fresh != self.theme:
            super().refresh_css(animate)

    def get_driver_class(self) -> type[Driver]:
        """Textual's driver; in a terminal, the one that sleeps while nobody types."""
        found = super().get_driver_class()
        return Keyboard if found is LinuxDriver else found

    def get_default_screen(self) -> Screen[object]:
        """The screen that is never closed."""
        return GroundScreen(id="_default")

    def pop_screen(self) -> AwaitComplete:
        """See Textual's, but forget what was painted of the closed screen.

        Textual 8.2 keeps up to 1,024 widgets' painted lines after their screen was closed (an ``lru_cache`` on a method
        of `StylesCache` holds on to each): a help page opened a hundred times would take 10 MB.
        """
        closed = self.screen
        found = super().pop_screen()
        for widget in closed.walk_children(with_self=True):
            widget.refresh()
        return found

    def copy_to_clipboard(self, text: str) -> None:
        """What may be shown of it: a shell obeys what is pasted."""
        super().copy_to_clipboard(shown(text, lines=True))

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own filters, and then the one that replaces characters that a terminal would obey."""
        return [*super().get_line_filters(), _SHOWN]
