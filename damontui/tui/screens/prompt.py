"""A line to write in, at the foot of the screen: a clock time, or a filter."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from damontui.errors import UsageError
from damontui.tui.prompts import Prompt


class PromptScreen(ModalScreen[str | None]):
    """Asks for one line. Where the line is wrong the reason is shown below it, and it can be mended.

    Args:
        prompt: what is asked for; what then is done is the caller's.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "leave")]

    def __init__(self, prompt: Prompt) -> None:
        super().__init__()
        self._prompt = prompt

    def compose(self) -> ComposeResult:
        with Vertical(id="prompt") as box:
            box.border_title = self._prompt.title
            box.border_subtitle = "enter ─ esc leaves it"
            answer = Input(self._prompt.before, compact=True, id="answer")
            answer.cursor_blink = False
            yield answer
            yield Static(self._prompt.hint, id="hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            self._prompt.check(event.value)
        except UsageError as error:
            hint = self.query_one("#hint", Static)
            hint.update(str(error))
            hint.set_class(True, "-wrong")
            return
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """Close the prompt without an answer."""
        self.dismiss(None)
