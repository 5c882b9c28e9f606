"""Idle time: how long which part of memory has been idle, or in use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from textual import events

from damontui.analysis import usage
from damontui.analysis.estimate import Estimate
from damontui.analysis.frames import untold
from damontui.damon.snapshot import Snapshot
from damontui.phrases import included
from damontui.tui.draw import Line, Pane, Span, fit, width_of
from damontui.tui.frame import Frame
from damontui.tui.panes.common import due_words, found_so_far, nothing, off_since, seconds_left
from damontui.units import duration, share, size

ELEVEN = tuple(range(0, 101, 10))
TWENTY_ONE = tuple(range(0, 101, 5))
FIVE = (0, 25, 50, 75, 100)
THREE = (25, 50, 75)


def percentiles_of(snapshot: Snapshot) -> Sequence[int] | None:
    """101 milliseconds: from the regions, else the module's own; None without either."""
    if len(snapshot):
        return usage.idle_percentiles(snapshot)
    return snapshot.module.idle_ms_percentiles if snapshot.module is not None else None


class IdlePane(Pane):
    """A two-sided table of percentiles; 11 rows, or all 101 with scrolling."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = 0
        self._rows = 0
        self._known: tuple[Snapshot | Estimate | None, Sequence[int] | None] = (None, None)
        self._sizes: tuple[Snapshot | Estimate | None, dict[int, str]] = (None, {})

    def caption(self, frame: Frame) -> tuple[str, str]:
        off = off_since(frame)
        if frame.snapshot is None and _news(frame) is not None:
            return "Idle time, the module's own", off
        if frame.snapshot is None:
            return "Idle time", off
        if not len(frame.snapshot):
            return "Idle time, the module's own", off
        how = "" if frame.snapshot.measured is not None else ", estimated" if _estimated(frame) else ", kernel's rule"
        known = _estimated(frame)
        total = known.total_bytes if known is not None else frame.snapshot.total_bytes
        unknown = untold(frame.snapshot, by_rule=known is None)
        return f"Idle time of {size(total)}{how}{'' if unknown is None else f', {included(unknown)}'}", off

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        snapshot = frame.snapshot
        values = self._percentiles(frame, snapshot) if snapshot is not None else _news(frame)
        if values is None and snapshot is None:
            return nothing(frame, width, height, "idle times")
        if values is None:
            return [(("no percentiles from this kernel", "muted"),)]
        if height < 3:
            return [_short(values, width), *_in_words(values, width)][:height]
        of = _estimated(frame) or snapshot
        if self._sizes[0] is not of:
            self._sizes = (of, {})
        table = _Table(frame, snapshot, values, width, self._sizes[1])
        header = [table.header()] if height >= 7 else []
        said = self._said(frame, values, width)
        room = height - len(header)
        if frame.all_percentiles:
            self._rows = room
            self.top = max(0, min(self.top, 101 - room))
            wanted: Sequence[int] = range(self.top, min(101, self.top + room))
        else:
            wanted = next((rows for rows in (TWENTY_ONE, ELEVEN, FIVE) if room >= len(rows)), THREE)
        if table.bytes:
            table.measure(values[p] for p in wanted)
        lines = [*header, *(table.row(p) for p in wanted)]
        if height - len(lines) > len(said):
            lines.append(())
        return [*lines, *said][:height]

    def _said(self, frame: Frame, values: Sequence[int], width: int) -> list[Line]:
        """The table's meaning in words, and the source of its numbers where that is not a whole aggregation."""
        if frame.snapshot is not None and len(frame.snapshot):
            said = _in_words(values, width) + _by_rule(frame, frame.snapshot)
            if frame.interim is not None:
                said += _so_far(frame)
            return said
        return [(("read while the kernel counts: more is in use", "muted"),), *_so_far(frame)]

    def scroll_rows(self, by: int) -> None:
        """Move through the 101 rows."""
        if self.frame is not None and self.frame.all_percentiles:
            self.top = max(0, min(self.top + by, 101 - self._rows))
            self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_rows(-3)

    def _percentiles(self, frame: Frame, snapshot: Snapshot) -> Sequence[int] | None:
        estimate = _estimated(frame)
        if self._known[0] is not (estimate or snapshot):
            self._known = (estimate, estimate.idle_ms_percentiles) if estimate else (snapshot, percentiles_of(snapshot))
        return self._known[1]


def words(milliseconds: int) -> str:
    """``in use 12 s`` or ``idle 90 s``."""
    return f"{'in use' if milliseconds < 0 else 'idle'} {duration(abs(milliseconds) / 1000)}"


def _estimated(frame: Frame) -> Estimate | None:
    """The estimate, where idle times are shown by it."""
    return None if frame.by_rule else frame.estimate


def _by_rule(frame: Frame, snapshot: Snapshot) -> list[Line]:
    """A line with the numbers by the kernel's own rule, beside the estimate."""
    if _estimated(frame) is None:
        return []
    rule = usage.idle_percentiles(snapshot)[75]
    return [((f"kernel's rule: {words(rule)} (K: all of it)", "muted"),)]


def _news(frame: Frame) -> Sequence[int] | None:
    """The module's percentiles of the aggregation under way; None where a whole aggregation tells better."""
    if frame.interim is None or frame.error is not None or not frame.enabled:
        return None
    return frame.interim.module.idle_ms_percentiles


def _so_far(frame: Frame) -> list[Line]:
    """How much the aggregation under way has found in use."""
    interim = frame.interim
    if interim is None or interim.in_use is None:
        return []
    found = found_so_far(interim)
    text = share(interim.in_use) if found is None else f"{size(found)}, {share(interim.in_use)}"
    left = seconds_left(frame)
    due = "" if left is None else f", {due_words(left)}"
    return [(("found in use so far ", "label"), (text, "use"), (due, "muted"))]


def _in_words(values: Sequence[int], width: int) -> list[Line]:
    """As the kernel's document reads it: p75 = 53 s means that the coldest 25 % were untouched for 53 s or longer."""
    if values[75] <= 0:
        return [(("less than a quarter of this memory is idle", "muted"),)]
    text = f"coldest 25 %: untouched for {duration(values[75] / 1000)} or longer"
    return [((text if len(text) <= width else text.removeprefix("coldest "), "muted"),)]


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
    """The table at one width, which fixes its columns, so that nothing moves from row to row."""

    def __init__(
        self, frame: Frame, snapshot: Snapshot | None, values: Sequence[int], width: int, sizes: dict[int, str]
    ) -> None:
        self.frame, self.snapshot, self.values = frame, snapshot, values
        self.sizes = sizes  # what was asked of this snapshot or estimate before, by milliseconds
        truth = snapshot.truth if snapshot is not None else None
        self.truth = truth.idle_ms_percentiles if truth is not None else None
        self.counted = snapshot is not None and snapshot.measured is not None
        self.bytes = snapshot is not None and len(snapshot) > 0 and width >= 40
        self.with_truth = self.truth is not None and width >= 34
        taken = 5 + 7 + 9 + 1 + (10 if self.bytes else 0) + (9 if self.with_truth else 0)
        self.coldest = width - taken >= 18
        room = max(0, width - taken - (9 if self.coldest else 0))
        self.left = 0 if values[0] >= 0 else room // 3
        self.right = max(0, room - self.left - 1)
        longest_use = max(0, -values[0]) / max(1, self.left)
        longest_idle = max(0, values[100]) / max(1, self.right)
        self.scale = max(longest_use, longest_idle) or 1.0

    def header(self) -> Line:
        left, right = ("in use", "idle") if self.left >= 6 else ("", "idle" if not self.left else "")
        parts: list[Span] = [("     ", "")]
        if self.coldest:
            parts.append(("coldest  ", "muted"))
        parts.append(("untouched for".rjust(16), "muted"))
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
            parts.append(("so long".rjust(10), "muted"))
        return tuple(parts)

    def row(self, p: int) -> Line:
        value = self.values[p]
        in_use = value < 0 or (self.counted and value == 0)
        style = "use" if in_use else "idle"
        time = duration(abs(value) / 1000) if value or not in_use else "now"
        parts: list[Span] = [(f"p{p}".ljust(5), "label")]
        if self.coldest:
            parts.append((f"{100 - p:>5} %  ", "muted"))
        parts += [(("in use" if in_use else "idle").rjust(7), style), (f" {time}".rjust(9), "value")]
        if self.with_truth and self.truth is not None:
            parts.append((f" {_signed(self.truth[p])}".rjust(9), "truth"))
        parts += [(" ", ""), *self._bar(value)]
        if self.bytes:
            parts.append((f" {self.sizes[value]}".rjust(10) if not in_use else " " * 10, "value"))
        return tuple(parts)

    def measure(self, milliseconds: Iterable[int]) -> None:
        """Find out the bytes idle for at least each of these times, all at once; "" where unknown."""
        assert self.snapshot is not None
        wanted = sorted(set(milliseconds) - self.sizes.keys())
        estimate = _estimated(self.frame)
        if estimate is not None and wanted:
            found = estimate.idle_at([max(one, 1) / 1000 for one in wanted])[1].tolist()
        else:
            idle = (usage.idle_for(self.snapshot, one / 1000) for one in wanted)
            found = [None if one is None else one.bytes for one in idle]
        self.sizes |= {one: "" if held is None else size(held) for one, held in zip(wanted, found, strict=True)}

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
