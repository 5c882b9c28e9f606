"""The headline: how much memory is in use, of how much, within which time, and how much is idle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from damontui.analysis import headline
from damontui.analysis.savings import THRESHOLDS
from damontui.damon.snapshot import Group as ControlGroup
from damontui.damon.snapshot import Interim, Snapshot
from damontui.errors import SourceError
from damontui.phrases import idle_said, included
from damontui.tui.axes import whole_seconds
from damontui.tui.draw import Line, Pane, Span, fit, width_of
from damontui.tui.frame import Frame
from damontui.tui.panes.common import due_words, found_so_far, seconds_left, waiting
from damontui.units import duration, share, size, span

Group = tuple[Span, ...]
"""Words that are shown together or not at all."""

_FREE_FOR = 60.0
"""Seconds for which the last known number of free bytes is still shown."""


class HeadlinePane(Pane):
    """One line below the title, at every size; words that do not fit are left out, the last first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._free: tuple[float, int] | None = None  # our clock, bytes

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        return [joined(groups(frame, self._free_now(frame)), width)]

    def _free_now(self, frame: Frame) -> int | None:
        """Free bytes, also for a while after the `Interim` that told them was replaced by a whole aggregation."""
        if frame.interim is not None and frame.interim.free is not None:
            self._free = (frame.clock, frame.interim.free)
        elif frame.snapshot is None:
            self._free = None
        if self._free is None or not frame.live or not 0 <= frame.clock - self._free[0] <= _FREE_FOR:
            return None
        return self._free[1]


def joined(parts: Sequence[Group], width: int) -> Line:
    """The groups as many as fit, with dots between them unless one begins with a space and so goes on with the last.

    The first is there even if it is cut.
    """
    line: list[Span] = [(" ", "")]
    for number, group in enumerate(parts):
        goes_on = number == 0 or group[0][0].startswith(" ")
        more = group if goes_on else ((" · ", "muted"), *group)
        if number and width_of(line) + width_of(more) > width:
            break
        line += more
    return fit(line, width)


def groups(frame: Frame, free: int | None) -> list[Group]:
    """The words of the headline, the most important first."""
    snapshot, interim = frame.snapshot, frame.interim
    if snapshot is not None and len(snapshot):
        told = headline.headline(snapshot, frame.threshold, frame.estimate)
        if told is None:
            return [(("nothing is known of this memory yet", "label"),)]
        out = in_use(told, interim)
        free = told.free if told.free is not None else free
        if interim is not None:
            out += _under_way(frame, interim, whole=True)
        if free is not None:
            out.append(_labelled("free", size(free)))
        out += _absent(told)
        if snapshot.group is not None:
            out += _counted(snapshot.group)
        if frame.live and frame.description.closer:
            out.append((("T looks closer", "muted"),))
        return out
    if interim is not None and frame.error is None:
        out = _under_way(frame, interim, whole=False)
        if free is not None:
            out.append(_labelled("free", size(free)))
        if interim.large:
            out.append(_labelled("largest:", f"{interim.large[0][1]} {size(interim.large[0][2])}"))
        return out
    if snapshot is not None:
        return _by_module(snapshot)
    return [((_nothing(frame), "label"),)]


def in_use(told: headline.Headline, interim: Interim | None = None) -> list[Group]:
    """Words on memory used within the threshold, or within the time watched where that is shorter, and on idle
    memory."""
    total = float(told.total)
    found = found_so_far(interim)
    more = found is not None and found > told.used.bytes
    used = min(max(told.used.bytes, found or 0.0), total)
    when = f" within {time_words(told.within)}"
    if told.shortened:
        when += f", watched for {time_words(told.watched)}"
    out: list[Group] = [
        (
            ("in use ", "label"),
            (f"{'at least ' if more else ''}{size(used)}", "strong"),
            (" of ", "label"),
            (size(total), "value"),
            (when, "label"),
        )
    ]
    idle, note = idle_said(told.idle, told.untold)
    if more:  # what has been found since is idle no longer
        idle = f"at most {size(max(0.0, told.idle.bytes - (used - told.used.bytes)))}"
        note = "" if told.untold is None else f" ({included(told.untold)})"
    out.append((("idle ", "label"), (idle, "idle")))
    return [*out, ((note, "muted"),)] if note else out


def time_words(seconds: float) -> str:
    """A threshold as people say it; any other time in whole seconds."""
    if seconds < 2:
        return duration(seconds)
    whole = math.floor(seconds)
    return span(whole) if whole in THRESHOLDS else whole_seconds(whole)


def _under_way(frame: Frame, interim: Interim, *, whole: bool) -> list[Group]:
    """What the aggregation under way has found so far, and when it can be whole."""
    out: list[Group] = []
    found, part = found_so_far(interim), interim.in_use
    text = size(found) if found is not None else share(part) if part is not None else ""
    if text:
        words = "under way: found so far " if whole else "found in use so far "
        out.append(((words, "label"), (text, "value" if whole else "strong")))
        if not whole and interim.total:
            out[0] = (*out[0], (f" of {size(interim.total)}", "label"))
    left = seconds_left(frame)
    if left is not None:
        if out and whole:
            out[-1] = (*out[-1], (f", {due_words(left)}", "label"))
        else:
            out.append(((due_words(left) if out else f"the first picture is {due_words(left)}", "value"),))
    elif not whole:
        out.append(((waiting(frame), "label"),))
    return out


def _absent(told: headline.Headline) -> list[Group]:
    """What is mapped without being memory, and what is swapped out."""
    out: list[Group] = []
    if told.absent > 0.05 * max(1, told.total):
        out.append(_labelled("mapped, not in memory", size(told.absent)))
    if told.swapped:
        out.append(_labelled("swapped", size(told.swapped)))
    return out


def _counted(group: ControlGroup) -> list[Group]:
    """What the kernel counts for the control group that is watched."""
    told = (("charged", group.current), ("high", group.high), ("max", group.max), ("swapped", group.swap or None))
    return [_labelled(name, size(value)) for name, value in told if value is not None]


def _by_module(snapshot: Snapshot) -> list[Group]:
    """Words where there are no regions: the share in use by the kernel's module."""
    idle = snapshot.module.idle_ms_percentiles if snapshot.module is not None else None
    if idle is None:
        return [(("how much is in use is not known without the regions", "label"),)]
    part = max(0, sum(value < 0 for value in idle) - 1) / 100
    return [
        (("in use ", "label"), (f"about {share(part)}", "strong"), (" of memory", "label")),
        (("the module's own count, read while it counts", "muted"),),
    ]


def _nothing(frame: Frame) -> str:
    if isinstance(frame.error, SourceError):
        return f"nothing is watched: {frame.error.what}"
    if frame.error is not None:
        return "nothing is watched"
    if not frame.enabled:
        return "nothing is watched: off"
    return waiting(frame)


def _labelled(label: str, value: str) -> Group:
    return ((f"{label} ", "label"), (value, "value"))
