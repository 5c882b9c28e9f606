"""A filter that is typed beside a list: the keys that move through the list stay the list's."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import Input


class FilterInput(Input, inherit_bindings=False):
    """One line without a frame.

    Args:
        typed: called with the text at each change, at once, so that Enter chooses from the new list.
        most: characters that the text may have.
        apart: characters that are keys of the screen, and not typed.
        placeholder: the text that is shown while nothing is typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "cursor_left", show=False),
        Binding("right", "cursor_right", show=False),
        Binding("backspace", "delete_left", show=False),
        Binding("delete", "delete_right", show=False),
        Binding("ctrl+w", "delete_left_word", show=False),
        Binding("ctrl+u", "delete_left_all", show=False),
    ]

    def __init__(self, typed: Callable[[str], None], most: int, *, apart: str = "", placeholder: str = "") -> None:
        super().__init__(placeholder=placeholder, max_length=most, compact=True, select_on_focus=False)
        self.cursor_blink = False
        self._typed, self._apart = typed, frozenset(apart)

    def watch_value(self, value: str) -> None:
        """Report a change of the text."""
        if self.is_mounted:
            self._typed(value)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether the key is a letter of the filter."""
        return super().check_consume_key(key, character) and character not in self._apart

    def on_key(self, event: events.Key) -> None:
        if not self.check_consume_key(event.key, event.character):
            event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert_text_at_cursor("".join(one for one in event.text if one.isprintable()))
