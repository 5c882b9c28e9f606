"""The line at the top: what is watched, where, in which state, and the switch."""

from __future__ import annotations

import math
import time

from rich.cells import cell_len
from textual import events
from textual.message import Message

from damontui.tui.axes import whole_seconds
from damontui.tui.draw import Line, Pane, Span, fit, width_of
from damontui.tui.frame import Frame
from damontui.units import deadlines_missed


class TitleBar(Pane):
    """One line; the switch at its right end is a control."""

    class SwitchClicked(Message):
        """The switch was clicked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._switch_at = (0, 0)

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        right = switch(frame, short=width < 80)
        states = state(frame, short=width < 80)
        room = width - width_of(states) - width_of(right) - 3
        left = _subject(frame, room)
        if room < 6:
            left = ()
            if width_of(states) + width_of(right) + 1 > width:  # the state matters more than the switch
                right = () if width_of(states) + 8 > width else right[-2:]
        gap = width - width_of(left) - width_of(states) - width_of(right)
        before = gap // 2 if width >= 100 else max(1, gap - 2)
        line = (*left, (" " * max(0, before), ""), *states, (" " * max(0, gap - before), ""), *right)
        self._switch_at = (width - width_of(right), width)
        return [fit(line, width)]

    def on_click(self, event: events.Click) -> None:
        if self._switch_at[0] <= event.x < self._switch_at[1]:
            event.stop()
            self.post_message(self.SwitchClicked())


def _subject(frame: Frame, room: int) -> tuple[Span, ...]:
    description = frame.description
    parts: list[Span] = [(" damontui ", "strong"), (" " + description.title, "value")]
    for text in (description.host, f"Linux {description.kernel}" if description.kernel else ""):
        if text and width_of(parts) + cell_len(text) + 3 <= room:
            parts.append((f" · {text}", "muted"))
    if width_of(parts) > room:
        parts = [(" " + description.title, "value")]
    return fit(parts, room) if width_of(parts) > room else tuple(parts)


def clock(seconds: float) -> str:
    """The time of day in the local zone."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def moment(seconds: float) -> str:
    """The date and the time of day in the local zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def speed(factor: float) -> str:
    """``×60``; ``×max`` for as fast as it goes."""
    return "×max" if math.isinf(factor) else f"×{factor:g}"


def state(frame: Frame, *, short: bool = False) -> tuple[Span, ...]:
    """The state in words: live, frozen, off or over, and whether memory is simulated or snapshots came late."""
    description = frame.description
    parts: list[Span] = []
    if frame.record:
        return _recorded(frame, short=short)
    if not frame.live:
        new = f" · {frame.pending} new" if frame.pending else ""
        behind = f" −{whole_seconds(round(frame.behind))}" if frame.behind >= 0.5 else ""
        if frame.edge is None:
            parts.append((f" PAUSED{behind}{new} ", "paused"))
        else:  # moved away: how far, and to when
            parts.append((f" LIVE{behind or ' −0 s'} · {clock(frame.wall)} ", "paused"))
    elif frame.switching:
        parts.append((" SWITCHING… ", "paused"))
    elif frame.error is not None:
        parts.append((" STOPPED ", "error"))
    elif not frame.enabled:
        parts.append((" ○ OFF ", "off"))
    elif frame.status is not None and frame.status.state in ("gone", "ended"):
        parts.append((f" ○ {frame.status.state.upper()} ", "off"))
    elif frame.snapshot is None:
        parts.append((" ○ WAITING ", "off"))
    else:
        simulated = description.origin == "simulated"
        parts.append((" ● LIVE ", "live"))
        if not short or not simulated:
            parts.append((clock(frame.wall if simulated else frame.clock) + " ", "value"))
    if description.origin == "simulated":
        parts.append((f" SIMULATED {speed(description.speed)} " if not short else " SIMULATED ", "simulated"))
    if frame.recording:
        parts.append((f" {frame.recording if not short else 'REC'} ", "recording"))
    if frame.snapshot is not None and frame.snapshot.late:
        late = f"{frame.snapshot.late} late" if short else deadlines_missed(frame.snapshot.late)
        parts.append((f" {late} ", "warn"))
    return tuple(parts)


def _recorded(frame: Frame, *, short: bool) -> tuple[Span, ...]:
    """The state of a record in words: the moment shown with its date, and whether it plays."""
    parts: list[Span] = [(" RECORD ", "simulated")]
    if frame.error is not None:
        parts.append((" STOPPED ", "error"))
    elif frame.snapshot is None:
        ended = frame.status is not None and frame.status.state == "ended"
        parts.append((" EMPTY " if ended else " READING… ", "off"))
    else:
        parts.append((f" {clock(frame.wall) if short else moment(frame.wall)} ", "value"))
    if frame.playing:
        parts.append((f" ▶ {speed(frame.description.speed)} ", "live"))
    return tuple(parts)


def switch(frame: Frame, *, short: bool = False) -> tuple[Span, ...]:
    """The switch as a control: a knob at the right when on; its word says the same."""
    if frame.record:  # there is nothing to switch
        return ()
    label: Span = ("" if short else "enabled ", "label")
    if frame.error is not None and frame.snapshot is None:
        return (label, ("    " if not frame.ascii else "[??]", "knob-off"), (" unknown ", "muted"))
    style = "knob" if frame.enabled else "knob-off"
    if frame.ascii:
        control: Span = ("[ #]" if frame.enabled else "[# ]", style)
    else:
        control = ("  ██" if frame.enabled else "██  ", style)
    if frame.description.locked:
        word: Span = (" locked " if not short else " lock ", "muted")
    elif frame.enabled:
        word = (" on ", "value")
    elif frame.status is not None and frame.status.state == "off" and not short:
        word = (f" off since {clock(frame.status.wall)} ", "warn")
    else:
        word = (" off ", "warn")
    return (label, control, word)
