"""The line at the foot: the keys that matter most; each can be clicked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from textual import events

from damontui.tui.draw import Line, Pane, Span, fit
from damontui.tui.frame import Frame
from damontui.tui.keys import TABLE, Key, keys_of


class KeyLine(Pane):
    """Keys, and what each does now.

    Args:
        keymap: the user's keymap: names in the table to keys.
        without: actions that this front end does not have.
        id: the widget's name in the style sheet.
    """

    def __init__(
        self, keymap: Mapping[str, str], *, without: frozenset[str] = frozenset(), id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._keymap, self._without = keymap, without
        self._spots: list[tuple[int, int, str]] = []
        self._drawn: tuple[object, list[Line]] = (None, [])

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        labels = [_label(key, frame) for key in TABLE if key.label]
        of = (width, frame.record, frame.description.target == "run", labels)
        if self._drawn[0] != of:
            self._drawn = of, self._draw(frame, width)
        return self._drawn[1]

    def _draw(self, frame: Frame, width: int) -> list[Line]:
        parts: list[Span] = []
        spots: list[tuple[int, int, str]] = []
        taken = 0
        shown = [
            replace(key, label=_label(key, frame))
            for key in TABLE
            if key.label and key.action.partition("(")[0] not in self._without
        ]
        if frame.record:  # it has no switch
            shown = [key for key in shown if key.id != "switch"]
        if frame.description.target == "run":  # another target would end the command
            shown = [key for key in shown if key.id != "target"]
        rooms = {key.id: len(keys_of(key, self._keymap)[0]) + len(key.label) + 4 for key in shown}
        kept: set[str] = set()
        for key in sorted(shown, key=lambda key: key.id not in _FIRST):  # the last ones go where there is no room
            if sum(rooms[name] for name in kept) + rooms[key.id] <= width:
                kept.add(key.id)
        for key in shown:
            if key.id not in kept:
                continue
            name, room = keys_of(key, self._keymap)[0], rooms[key.id]
            parts += [(f" {name} ", "key"), (f"{key.label}  ", "label")]
            spots.append((taken, taken + room, key.call))
            taken += room
        self._spots = spots
        return [fit(parts, width)]

    async def on_click(self, event: events.Click) -> None:
        for begin, end, action in self._spots:
            if begin <= event.x < end:
                event.stop()
                await self.app.run_action(action)


_FIRST = ("switch", "pause", "target", "help", "quit")


def _label(key: Key, frame: Frame) -> str:
    if key.id == "switch":
        if frame.error is not None:
            return "start afresh"
        return "switch off" if frame.enabled else "switch on"
    if key.id == "pause":
        if frame.record:
            return "pause" if frame.playing else "play"
        return "pause" if frame.live else "back to live"
    return key.label
