"""What people came for, in one line: how much memory is in use, of how much, within which time; and what is idle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from damontui.analysis import usage
from damontui.damon.snapshot import Interim, Snapshot
from damontui.errors import SourceError
from damontui.tui.axes import whole_seconds
from damontui.tui.draw import Line, Pane, Span, fit, width_of
from damontui.tui.frame import Frame
from damontui.tui.panes.common import due_words, found_so_far, idle_words, seconds_left, waiting
from damontui.units import duration, share, size

Group = tuple[Span, ...]
"""Words that are shown together or not at all."""

_FREE_FOR = 60.0
"""Seconds for which what the system said of free memory is still shown."""


class Headline(Pane):
    """One line below the title, at every size; what does not fit goes, the last first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._free: tuple[float, int] | None = None  # our clock, bytes

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        return [joined(groups(frame, self._free_now(frame)), width)]

    def _free_now(self, frame: Frame) -> int | None:
        """Free memory, also for a moment after the news that told it gave way to a whole aggregation."""
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
    """What there is to say, the most important first."""
    snapshot, interim = frame.snapshot, frame.interim
    if snapshot is not None and len(snapshot):
        out = in_use(snapshot, frame.threshold, interim)
        if interim is not None:
            out += _under_way(frame, interim, whole=True)
        if free is not None:
            out.append(_labelled("free", size(free)))
        out += _beside(snapshot)
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


def in_use(snapshot: Snapshot, threshold: float, interim: Interim | None = None) -> list[Group]:
    """Memory used within the threshold, or within what was watched where that is shorter, and the rest of it."""
    watched = usage.watched(snapshot)
    early = usage.used_within(snapshot, threshold) is None
    within = min(threshold, watched) if early else threshold
    used = usage.used_within(snapshot, within)
    if used is None:
        return [(("nothing is known of this memory yet", "label"),)]
    total = float(snapshot.total_bytes)
    found = found_so_far(interim)
    more = found is not None and found > used.bytes
    amount = max(used.bytes, found or 0.0)
    text = f"{'at least ' if more else ''}{size(min(amount, total))}"
    seconds = whole_seconds(math.floor(within)) if within >= 2 else duration(within)
    when = f" within {seconds}, watched so far" if early else f" within {idle_words(within)}"
    whole: Group = (("in use ", "label"), (text, "strong"), (" of ", "label"), (size(total), "value"), (when, "label"))
    out: list[Group] = [whole]
    out.append((("idle ", "label"), (f"{'at most ' if more else ''}{size(max(0.0, total - amount))}", "idle")))
    around = "" if more else plus_minus(used)
    if around:
        out.append(((around, "muted"),))
    return out


def plus_minus(amount: usage.Amount) -> str:
    """`` ± 40 MiB`` where the interval is known and wider than what the number itself leaves open; else nothing."""
    half = (amount.most - amount.least) / 2
    return f" ± {size(half)}" if half > 0.005 * max(amount.bytes, 1.0) and half >= 1 << 20 else ""


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


def _beside(snapshot: Snapshot) -> list[Group]:
    """What is mapped without being memory, what is swapped, and what holds the target up."""
    out: list[Group] = []
    measured = snapshot.measured
    if measured is None:
        return out
    if measured.mapped - snapshot.total_bytes > 0.05 * max(1, snapshot.total_bytes):
        out.append(_labelled("mapped, not in memory", size(measured.mapped - snapshot.total_bytes)))
    if measured.swapped:
        out.append(_labelled("swapped", size(measured.swapped)))
    return out


def _by_module(snapshot: Snapshot) -> list[Group]:
    """Without regions: the share that the kernel's module has in use."""
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
