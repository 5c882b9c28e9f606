"""A question that is answered with y or with anything else."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static


class QuestionScreen(ModalScreen[bool]):
    """Asks a question; only y is a yes.

    Args:
        title: the subject, in a word or two.
        text: a sentence that explains it.
        question: the question.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,Y", "answer(True)", "yes"),
        Binding("n,N,escape,enter,q", "answer(False)", "no"),
        Binding("ctrl+c", "app.interrupt", show=False),
    ]

    def __init__(self, title: str, text: str, question: str) -> None:
        super().__init__()
        self._title, self._text, self._question = title, text, question

    def compose(self) -> ComposeResult:
        with Vertical(id="question") as box:
            box.border_title = self._title
            box.border_subtitle = "y ─ n or esc leaves it"
            yield Static(self._text, markup=False)
            yield Static(f"{self._question} (y/N)", id="ask", markup=False)

    def action_answer(self, yes: bool) -> None:
        """Close the screen with this answer."""
        self.dismiss(yes)
