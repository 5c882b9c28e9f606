"""Idle time: how long which part of memory has been idle, or in use."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual import events

from damontui.damon import metrics
from damontui.damon.snapshot import Snapshot
from damontui.tui.draw import Line, Pane, Span, fit, width_of
from damontui.tui.frame import Frame
from damontui.tui.panes.common import nothing, off_since
from damontui.units import duration, size

ELEVEN = tuple(range(0, 101, 10))
TWENTY_ONE = tuple(range(0, 101, 5))
FIVE = (0, 25, 50, 75, 100)
THREE = (25, 50, 75)


def percentiles_of(snapshot: Snapshot) -> Sequence[int] | None:
    """101 milliseconds: from the regions, else the module's own; None without either."""
    if len(snapshot):
        return metrics.idle_percentiles(snapshot)
    return snapshot.module.idle_ms_percentiles if snapshot.module is not None else None


class IdlePane(Pane):
    """A two-sided table of percentiles; 11 rows, or all 101 with scrolling."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = 0
        self._rows = 0
        self._known: tuple[Snapshot, Sequence[int] | None] | None = None

    def caption(self, frame: Frame) -> tuple[str, str]:
        off = off_since(frame)
        if frame.snapshot is None:
            return "Idle time", off
        if not len(frame.snapshot):
            return "Idle time, the module's own", off
        return f"Idle time of {size(frame.snapshot.total_bytes)}", off

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        snapshot = frame.snapshot
        if snapshot is None:
            return nothing(frame, width, height, "idle times")
        values = self._percentiles(snapshot)
        if values is None:
            return [(("no percentiles from this kernel", "muted"),)]
        if height < 3:
            return [_short(values, width)]
        table = _Table(frame, snapshot, values, width)
        header = [table.header()] if height >= 7 else []
        room = height - len(header)
        if frame.all_percentiles:
            self._rows = room
            self.top = max(0, min(self.top, 101 - room))
            wanted: Sequence[int] = range(self.top, min(101, self.top + room))
        else:
            wanted = next((rows for rows in (TWENTY_ONE, ELEVEN, FIVE) if room >= len(rows)), THREE)
        lines = [*header, *(table.row(p) for p in wanted)]
        if height - len(lines) >= 2 and len(snapshot):
            lines += [(), _in_words(values, snapshot)]
        return lines

    def scroll_rows(self, by: int) -> None:
        """Move through the 101 rows."""
        if self.frame is not None and self.frame.all_percentiles:
            self.top = max(0, min(self.top + by, 101 - self._rows))
            self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_rows(-3)

    def _percentiles(self, snapshot: Snapshot) -> Sequence[int] | None:
        if self._known is None or self._known[0] is not snapshot:
            self._known = (snapshot, percentiles_of(snapshot))
        return self._known[1]


def words(milliseconds: int) -> str:
    """``in use 12 s`` or ``idle 90 s``."""
    return f"{'in use' if milliseconds < 0 else 'idle'} {duration(abs(milliseconds) / 1000)}"


def _in_words(values: Sequence[int], snapshot: Snapshot) -> Line:
    """As the kernel's document reads it: p75 = 2 min means that a quarter was untouched for 2 min or more."""
    if values[75] <= 0:
        return (("Less than a quarter of this memory is idle.", "muted"),)
    return ((f"A quarter was untouched for {duration(values[75] / 1000)} or more.", "muted"),)


def _short(values: Sequence[int], width: int) -> Line:
    parts: list[Span] = []
    for p in (50, 75, 25, 100, 0):
        more: list[Span] = [(f"p{p} ", "label"), (words(values[p]), "use" if values[p] < 0 else "idle")]
        if parts:
            more = [(" · ", "muted"), *more]
        if width_of(parts) + width_of(more) <= width:
            parts += more
    return fit(parts, width)


class _Table:
    """One drawing of the table: columns fixed by the width, so that nothing moves from row to row."""

    def __init__(self, frame: Frame, snapshot: Snapshot, values: Sequence[int], width: int) -> None:
        self.frame, self.snapshot, self.values = frame, snapshot, values
        self.truth = snapshot.truth.idle_ms_percentiles if snapshot.truth is not None else None
        self.bytes = bool(len(snapshot)) and width >= 40
        self.with_truth = self.truth is not None and width >= 34
        taken = 4 + 7 + 9 + 1 + (10 if self.bytes else 0) + (9 if self.with_truth else 0)
        room = max(0, width - taken)
        self.left = room // 3
        self.right = max(0, room - self.left - 1)
        longest_use = max(0, -values[0]) / max(1, self.left)
        longest_idle = max(0, values[100]) / max(1, self.right)
        self.scale = max(longest_use, longest_idle) or 1.0

    def header(self) -> Line:
        left, right = ("in use", "idle") if self.left >= 6 else ("", "")
        parts: list[Span] = [("share".ljust(6), "muted"), ("state for".rjust(14), "muted")]
        if self.with_truth:
            parts.append(("truth".rjust(9), "muted"))
        parts.append((" ", ""))
        if self.left + self.right:
            parts += [
                (left.rjust(self.left), "muted"),
                ("│", "track"),
                (right.ljust(self.right)[: self.right], "muted"),
            ]
        if self.bytes:
            parts.append(("idle ≥".rjust(10), "muted"))
        return tuple(parts)

    def row(self, p: int) -> Line:
        value = self.values[p]
        in_use = value < 0
        style = "use" if in_use else "idle"
        parts: list[Span] = [
            (f"p{p}".ljust(4), "label"),
            (("in use" if in_use else "idle").rjust(7), style),
            (duration(abs(value) / 1000).rjust(9), "value"),
        ]
        if self.with_truth and self.truth is not None:
            parts.append((_signed(self.truth[p]).rjust(9), "truth"))
        parts += [(" ", ""), *self._bar(value)]
        if self.bytes:
            text = "" if in_use else size(metrics.idle_at_least(self.snapshot, value))
            parts.append((text.rjust(10), "value"))
        return tuple(parts)

    def _bar(self, value: int) -> list[Span]:
        if not self.left + self.right:
            return []
        cells = abs(value) / self.scale
        if value < 0:
            whole = min(self.left, max(1, math.ceil(cells)))
            drawn = ("◀" + "█" * (whole - 1)).rjust(self.left)
            return [(drawn, "use"), ("│", "track"), (" " * self.right, "")]
        whole = min(self.right, max(1, math.ceil(cells)))
        drawn = ("█" * (whole - 1) + "▶").ljust(self.right)
        return [(" " * self.left, ""), ("│", "track"), (drawn, "idle")]


def _signed(milliseconds: int) -> str:
    text = duration(abs(milliseconds) / 1000)
    return f"−{text}" if milliseconds < 0 else text
