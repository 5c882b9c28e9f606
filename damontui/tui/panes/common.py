"""Words that panes share: there is nothing yet, it was refused, monitoring is off."""

from __future__ import annotations

import textwrap

from damontui.damon.snapshot import Interim
from damontui.errors import SourceError
from damontui.tui.axes import whole_seconds
from damontui.tui.draw import Line
from damontui.tui.frame import WORTH_WAITING, Frame
from damontui.tui.panes.title import clock
from damontui.units import duration


def off_since(frame: Frame) -> str:
    """``off since 19:25:00`` where monitoring is switched off; "" where not."""
    if frame.enabled or frame.status is None or frame.status.state != "off":
        return "" if frame.enabled else "off"
    return f"off since {clock(frame.status.wall)}"


def nothing(frame: Frame, width: int, height: int, what: str) -> list[Line]:
    """Why there are no numbers yet, and what helps, in place of zeros.

    Args:
        frame: what is shown.
        width, height: room for the lines.
        what: what is missing, as a noun.
    """
    if frame.error is not None:
        if isinstance(frame.error, SourceError) and height > 2:
            texts = [f"no {what}: {frame.error.what}", frame.error.why, frame.error.remedy]
            styles = ("error", "label", "value")
        else:
            texts, styles = [f"no {what}: {frame.error}"], ("error", "label", "value")
    elif not frame.enabled:
        texts, styles = [f"{off_since(frame)}; press e to switch on"], ("label", "label", "value")
    elif frame.status is not None and frame.status.state in ("gone", "ended"):
        texts, styles = [frame.status.text], ("label", "label", "value")
    else:
        texts, styles = [waiting(frame)], ("label", "label", "value")
    lines: list[Line] = []
    for text, style in zip(texts, styles, strict=False):
        if height < 3:
            lines.append(((text, style),))
            continue
        lines += [((part, style),) for part in textwrap.wrap(text, max(8, width))]
    return lines[:height]


def waiting(frame: Frame) -> str:
    """What is waited for, and how long that can take."""
    status = frame.status
    if status is not None and status.state == "waiting" and status.text:
        what = status.text.removeprefix("waiting for ")
        return f"Waiting for {'the ' if what.startswith('first') else ''}{what}"
    attrs = frame.description.attrs
    longest = attrs.goal.max_sample_us * attrs.aggr_samples if attrs.goal else attrs.aggr_us
    if frame.description.origin == "simulated":
        longest = attrs.aggr_us
    return f"Waiting for the first aggregation, at most {duration(longest / 1e6)}"


def seconds_left(frame: Frame) -> float | None:
    """Seconds until the aggregation under way can be whole, by our clock; None where that is not known or not worth it.

    Negative where it should have been whole already.
    """
    if not frame.live or not frame.enabled or frame.error is not None:
        return None
    if frame.description.origin not in ("kernel", "process"):  # their clock is not ours
        return None
    status, interim, newest = frame.status, frame.interim, frame.history.last
    if status is not None and status.state not in ("on", "waiting"):
        return None
    if interim is not None and interim.due is not None:
        return interim.due - interim.time - (frame.clock - interim.wall)
    if newest is not None:
        length = newest.next_attrs.aggr_us / 1e6
        return newest.wall + length - frame.clock if length >= WORTH_WAITING else None
    if status is not None and status.due is not None:
        return status.due - status.time - (frame.clock - status.wall)
    return None


def due_words(left: float) -> str:
    """``due in 6 s``, ``due now``, ``overdue by 5 s``."""
    if left > 0.5:
        return f"due in {whole_seconds(left)}"
    return f"overdue by {whole_seconds(-left)}" if left < -1.5 else "due now"


def found_so_far(interim: Interim | None) -> float | None:
    """Bytes that the aggregation under way has found in use; None where that is not known."""
    if interim is None or interim.in_use is None or interim.total is None:
        return None
    return interim.in_use * interim.total
