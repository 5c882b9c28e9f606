"""The fleet's screen: what keys do to what is shown, and the last picture whatever the engine does."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from damontui.errors import DamontuiError
from damontui.fleet.model import BOUNDS, Details, FleetPicture, Trend, View
from damontui.fleet.ssh import ssh_command
from damontui.fleet.wish import RULES, Wish
from damontui.tui.draw import Pane
from damontui.tui.filter_input import FilterInput
from damontui.tui.fleet_asker import Asker, Questions
from damontui.tui.fleet_lines import TYPING, draw
from damontui.tui.fleet_seen import Seen
from damontui.tui.front import Front

_FILTER = 80
"""Most characters of a filter."""


class FleetPane(Pane):
    """The whole screen as lines, and what is typed on the last one."""

    DEFAULT_CSS = f"""
    FleetPane {{ width: 1fr; height: 1fr; background: $background; color: $foreground; }}
    FleetPane FilterInput {{ dock: bottom; margin: 0 1 0 {len(TYPING)}; background: $background; }}
    FleetPane FilterInput:focus {{ background-tint: $foreground 0%; text-style: bold; }}
    """
    can_focus = False

    def __init__(self, typed: Callable[[str], None]) -> None:
        super().__init__()
        self.seen: Seen | None = None
        self.filter = FilterInput(typed, _FILTER)
        self.filter.display = False

    def compose(self) -> ComposeResult:
        yield self.filter

    def look(self, seen: Seen) -> None:
        """Show something else."""
        self.seen = seen
        self.redraw()

    def redraw(self) -> None:
        """Draw again."""
        width, height = self.size
        if self.seen is not None and width > 0 and height > 0:
            self.lines = draw(self.seen, width, height)
            self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.app.action_move(3)  # type: ignore[attr-defined]

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.app.action_move(-3)  # type: ignore[attr-defined]


class FleetApp(Front):
    """Many machines on a screen.

    Args:
        url: of the engine, for the title.
        wish: what is looked at first.
        questions: how it is asked; None where pictures are fed by hand.
        every: seconds between two looks.
        clock: seconds, monotonic.
        ascii: only ASCII characters.
        theme: ``damontui-dark`` where None.
        seen: what another one showed, to go on with.
        said: a sentence that is shown until a key is pressed.
    """

    TITLE = "damontui fleet"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "leave", "quit"),
        Binding("up,k", "move(-1)", "up"),
        Binding("down,j", "move(1)", "down"),
        Binding("pageup", "move(-20)", "twenty up"),
        Binding("pagedown", "move(20)", "twenty down"),
        Binding("home,g", "move(-1000000)", "first"),
        Binding("end,G", "move(1000000)", "last"),
        Binding("s", "sort(1)", "sort"),
        Binding("S", "turn", "the other way round"),
        Binding("backslash,slash", "filter", "filter"),
        Binding("t", "state", "state"),
        Binding("greater_than_sign", "threshold(1)", "longer"),
        Binding("less_than_sign", "threshold(-1)", "shorter"),
        Binding("K", "rule", "rule"),
        Binding("b", "labels", "labels"),
        Binding("enter", "open", "host"),
        Binding("escape", "close", "back"),
        Binding("r", "now", "now"),
        Binding("L", "live", "live by ssh"),
    ]

    def __init__(
        self,
        url: str,
        wish: Wish,
        questions: Questions | None = None,
        *,
        every: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
        ascii: bool = False,
        theme: str | None = None,
        seen: Seen | None = None,
        said: str = "",
    ) -> None:
        super().__init__(theme)
        self.wish = wish
        self.seen = Seen(url, every=every, by=wish.by, ascii=ascii)
        if seen is not None:
            self.seen = replace(seen, asking=False, command="")
        self.seen = replace(self.seen, said=said)
        self.pane = FleetPane(self._typed)
        self.asker = Asker(self, questions, clock)
        self._details = Details()
        self.status = 0
        self.live = ""
        """The instance that is wanted on a screen of its own, once this one is closed."""

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        self.asker.begin()
        self._show(self.seen)

    # -- what comes

    def feed(self, news: FleetPicture | Trend | Details | DamontuiError) -> None:
        """Take in an answer, or why there is none: then the last picture stays."""
        if isinstance(news, FleetPicture):
            self.asker.came()
            self._show(self.seen.given(news, self._details))
            self.asker.details()
        elif isinstance(news, Details):
            self._details = news
            self._show(self.seen.detailed(news))
        elif isinstance(news, Trend):
            self.change(trend=news)
        else:
            self.change(error=str(news), asking=False)

    def action_now(self) -> None:
        """Ask now, unless that is under way."""
        self.asker.now()

    # -- what is wished

    def change(self, **changes: object) -> None:
        """Show something else: fields of `Seen`."""
        self._show(replace(self.seen, **changes))  # type: ignore[arg-type]

    def _show(self, seen: Seen) -> None:
        self.seen = seen
        self.pane.look(seen)

    def _look(self, view: View) -> None:
        self._show(replace(self.seen, view=view).ordered())
        self.asker.details()
        if self.seen.sorts_by_some:
            self.asker.now()

    def _wish(self, wish: Wish) -> None:
        self.wish = wish
        self.asker.now()

    def action_move(self, by: int) -> None:
        """The cursor some rows further."""
        if self.seen.opened is None:
            self._show(self.seen.moved(by))
            self.asker.details()

    def action_sort(self, by: int) -> None:
        """Sort by the next column."""
        self._look(self.seen.next_sort(by))

    def action_turn(self) -> None:
        """Sort the other way round."""
        self._look(replace(self.seen.view, descending=not self.seen.view.descending))

    def action_state(self) -> None:
        """Only hosts of the next state that there are hosts of; all after the last."""
        if self.seen.picture is not None:
            self._look(self.seen.next_state())

    def action_threshold(self, by: int) -> None:
        """Idle means a longer time, or a shorter one."""
        now = self.wish.threshold
        longer, shorter = [one for one in BOUNDS if one > now], [one for one in BOUNDS if one < now]
        found = longer[:1] if by > 0 else shorter[-1:]
        if found:
            self._wish(replace(self.wish, threshold=found[0]))

    def action_rule(self) -> None:
        """By the estimate, or by the kernel's rule."""
        self._wish(replace(self.wish, rule=RULES[1 - RULES.index(self.wish.rule)]))

    def action_labels(self) -> None:
        """Percentiles by label, or the table."""
        self.change(groups=not self.seen.groups)

    def action_open(self) -> None:
        """Open the host under the cursor, and ask for its past."""
        seen = self.seen
        if seen.picture is None or seen.groups or not seen.cursor < len(seen.order):
            return
        self.change(opened=seen.order[seen.cursor], history=Trend())
        self.asker.history()

    def action_close(self) -> None:
        """Close what is opened, else drop the filters."""
        if self.seen.opened is not None:
            self.change(opened=None)
        elif self.seen.groups:
            self.change(groups=False)
        else:
            self._look(replace(self.seen.view, wanted="", state=""))

    def action_filter(self) -> None:
        """Type what a host's name or label must hold."""
        self.change(typing=True)
        self.pane.filter.value = self.seen.view.wanted
        self.pane.filter.display = True
        self.set_focus(self.pane.filter)

    def _typed(self, wanted: str) -> None:
        if wanted != self.seen.view.wanted:
            self._look(replace(self.seen.view, wanted=wanted))

    def action_live(self) -> None:
        """Show the command that brings the machine that is opened here, live, and ask whether to run it."""
        seen, picture = self.seen, self.seen.picture
        if picture is None or seen.opened is None:
            return
        try:
            command = ssh_command(picture.hosts.names[seen.opened])
        except DamontuiError as error:
            self.change(said=str(error))
            return
        self.change(command=shlex.join(command))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed, keys are its letters; while something is asked, they are answers."""
        return not self.seen.typing and not self.seen.command

    def on_key(self, event: events.Key) -> None:
        picture, opened = self.seen.picture, self.seen.opened
        if self.seen.command:
            event.stop()
            event.prevent_default()
            self.change(command="")
            if event.key == "enter" and picture is not None and opened is not None:
                self.live = picture.hosts.names[opened]
                self.exit(0)
            return
        if not self.seen.typing:
            if self.seen.said:
                self.change(said="")
        elif event.key in ("enter", "escape", "ctrl+c"):
            event.stop()
            event.prevent_default()
            if event.key != "enter":
                self.pane.filter.value = ""
            self.pane.filter.display = False
            self.set_focus(None)
            self.change(typing=False)

    def action_leave(self) -> None:
        """Quit."""
        self.end(0)

    def end(self, status: int) -> None:
        """Close the screen with an exit status."""
        self.status = status
        self.exit(status)
