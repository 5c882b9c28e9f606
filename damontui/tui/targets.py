"""From one target to another on the screen: the picker, the table of several processes, and the way back to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from damontui.errors import DamontuiError, SourceError
from damontui.sources.base import Source
from damontui.sources.several import Several, several_of

if TYPE_CHECKING:
    from damontui.tui.app import DamontuiApp
    from damontui.tui.screens.picker import PickerScreen


class Targets:
    """Changes the target of an app's screen.

    Args:
        app: the app whose session exchanges its target.
    """

    def __init__(self, app: DamontuiApp) -> None:
        self._app = app
        self._table: Several | None = None
        """The source whose table was opened unasked."""
        self._back: tuple[str, Callable[[], None]] | None = None
        """The process that was opened from a table of several, and the way back to that."""

    # -- the picker ----------------------------------------------------------------------------------------------

    def pick(self) -> None:
        """Open the list of targets, or say why this screen has one only."""
        from damontui.tui.screens import picker  # a tenth of the start's time, and seldom needed

        app, session = self._app, self._app.session
        if session.switching or isinstance(app.screen, picker.PickerScreen):
            return
        if session.active is None or not session.exchange.possible:
            why = "this screen has one target" if app.output is None else "it would end the command"
            session.messages.notice = SourceError(
                "cannot change the target", why, "start another damontui for another target"
            )
            app.paint()
            return
        app.push_screen(picker.PickerScreen(session.active, session.description.target, app.frame()), self._picked)

    def listed(self, message: PickerScreen.Listed) -> None:
        """Take the list of targets: the screen then offers the first real one in words."""
        real = [entry for entry in message.entries if entry.section == "real"]
        self._app.explorer.offer = f"{real[0].name}, {real[0].detail}" if real else ""
        self._app.paint()

    def opened(self, message: PickerScreen.Opened) -> None:
        """Take a source that was opened for the picker."""
        if not message.picker.take(message.answer) and not isinstance(message.answer, DamontuiError):
            self._app.session.exchange.discard(message.answer)  # it came after the picker was closed

    def _picked(self, source: Source | None) -> None:
        if source is not None:
            self._app.session.exchange.pick(source)
            self._app.paint()

    # -- several processes ---------------------------------------------------------------------------------------

    def look(self) -> None:
        """Open the table of several processes unasked, once after each switch to a target that has such a table."""
        table, before = several_of(self._app.session.monitor.source), self._table
        self._table = table
        if table is not None and table is not before:
            self._back = None
            self.several()

    def several(self) -> None:
        """Open the table of several processes, where several are watched."""
        app = self._app
        table = several_of(app.session.monitor.source)
        if table is not None and app.output is None and len(app.screen_stack) == 1:
            from damontui.tui.screens.several import SeveralScreen

            app.push_screen(SeveralScreen(table, app.frame()), self._chosen)

    def back(self) -> None:
        """Go back from a process to the table that it was opened from, if any."""
        if self._back is not None and self._back[0] == self._app.session.description.target:
            self._back[1]()
        else:
            self.several()

    def _chosen(self, pid: int | None) -> None:
        """Open one of several processes; escape then comes back to all of them."""
        session = self._app.session
        if pid is not None and session.exchange.possible and not session.switching:
            word = session.description.target
            self._back = str(pid), partial(session.exchange.open, word, children="," not in word)
            session.exchange.open(str(pid), children=False)
