"""The panes on the main screen: each gets the frame; those that are seldom open are made when they are first needed."""

from __future__ import annotations

from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widget import Widget

from damontui.tui.draw import Pane
from damontui.tui.frame import Frame
from damontui.tui.panes.idle import IdlePane
from damontui.tui.panes.output import OutputPane
from damontui.tui.panes.title import TitleBar

_ALL = ("title", "notice", "regions", "intervals", "bandwidth", "idle", "scrubber", "keys", "headline")
_CLOCKED = ("title", "notice", "regions", "intervals", "headline")
"""Panes that change as time goes on between snapshots."""
_BODY = ("regions", "intervals", "bandwidth", "idle")


class Stage:
    """Which panes there are on a screen, which of them are open, and what they show.

    Args:
        screen: composed with the panes that are always there.
        output: the pane of a command's output; None where there is none.
    """

    def __init__(self, screen: Screen[object], output: OutputPane | None) -> None:
        self._screen = screen
        self._output = output
        self._extra: dict[str, Pane] = {}
        self._panes: dict[str, Pane] = {}
        self._boxes: dict[str, Widget] = {}
        self.only: str | None = None
        """The name of the pane that is shown alone; None where all are."""

    @property
    def there(self) -> bool:
        """Whether the panes are on the screen: not before it is composed, nor while it is taken down."""
        title = self._panes.get("title")  # a query at every repaint is dear
        return title.is_attached if title is not None else bool(self._screen.query(TitleBar))

    def _pane(self, name: str) -> Pane:
        if name not in self._panes:
            self._panes[name] = self._screen.query_one(f"#{name}", Pane)
        return self._panes[name]

    def _box(self, name: str) -> Widget:
        if name not in self._boxes:
            self._boxes[name] = self._screen.query_one(f"#{name}")
        return self._boxes[name]

    def show(self, frame: Frame) -> None:
        """Give every pane the frame."""
        body = self._box("body")
        body.set_class(not frame.live and not frame.record, "-frozen")
        body.set_class(frame.listing is not None, "-listing")
        body.set_class(frame.savings, "-saving")
        self._furnish(frame)
        for name in _ALL:
            self._pane(name).show(frame)
        for name, pane in self._extra.items():
            if name != "savings" or frame.savings:
                pane.show(frame)
        if self._output is not None:
            self._output.show(frame)

    def count_on(self, frame: Frame) -> None:
        """Give the frame to the panes that show how time goes on."""
        try:
            for name in _CLOCKED:
                self._pane(name).show(frame)
        except NoMatches:  # the screen is being taken down
            return

    def _furnish(self, frame: Frame) -> None:
        """Make the panes that are needed for the first time; the read-out comes with the cursor."""
        if frame.cursor is not None and "detail" not in self._extra:
            from damontui.tui.panes.detail import DetailPane

            self._extra["detail"] = detail = DetailPane(id="detail")
            self._screen.mount(detail, before="#keys")
        if frame.listing is not None and "list" not in self._extra:
            from damontui.tui.panes.list import ListPane

            self._add_at_side("list", ListPane(id="list"))
        if frame.savings and "savings" not in self._extra:
            from damontui.tui.panes.savings import SavingsPane

            self._add_at_side("savings", SavingsPane(id="savings"))

    def _add_at_side(self, name: str, pane: Pane) -> None:
        self._extra[name] = self._panes[name] = pane
        self._box("side").mount(pane)

    def show_only(self, only: str | None) -> None:
        """Show one pane alone, or all where None."""
        self.only = only
        body = self._box("body")
        body.set_class(only is not None, "-alone")
        for name in (*_BODY, *self._extra.keys() - {"detail"}):
            pane = self._pane(name)
            pane.set_class(only == name, "-only")
            pane.set_class(only not in (None, name), "-hidden")
        self._box("side").set_class(only == "regions", "-hidden")
        if self._output is not None:
            body.set_class(only == "output", "-hidden")
            self._output.set_class(only == "output", "-only")
            self._output.set_class(only not in (None, "output"), "-hidden")

    def scroll(self, rows: int) -> None:
        """Move through the percentiles, or through a command's output where that is shown alone."""
        if self.only == "output" and self._output is not None:
            self._output.scroll_rows(rows)
        else:
            self._screen.query_one(IdlePane).scroll_rows(rows)
