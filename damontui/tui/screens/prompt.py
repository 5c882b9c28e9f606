"""A line to write in, at the foot of the screen: a clock time, or a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from damontui.errors import UsageError


class PromptScreen(ModalScreen[str | None]):
    """Asks for one line; what is wrong with it is said below it, and it can be mended.

    Args:
        title: what is asked for.
        hint: how it is written.
        check: raises `UsageError` where the line is wrong.
        value: what stands there at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "leave")]

    def __init__(self, title: str, hint: str, check: Callable[[str], object], value: str = "") -> None:
        super().__init__()
        self._title, self._hint, self._check, self._value = title, hint, check, value

    def compose(self) -> ComposeResult:
        with Vertical(id="prompt") as box:
            box.border_title = self._title
            box.border_subtitle = "enter ─ esc leaves it"
            answer = Input(self._value, compact=True, id="answer")
            answer.cursor_blink = False
            yield answer
            yield Static(self._hint, id="hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            self._check(event.value)
        except UsageError as error:
            hint = self.query_one("#hint", Static)
            hint.update(str(error))
            hint.set_class(True, "-wrong")
            return
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """Nothing is changed."""
        self.dismiss(None)
