"""What every pane says alike: nothing yet, refused, off."""

from __future__ import annotations

import textwrap

from damontui.errors import SourceError
from damontui.tui.draw import Line
from damontui.tui.frame import Frame
from damontui.tui.panes.title import clock
from damontui.units import duration


def off_since(frame: Frame) -> str:
    """``off since 19:25:00`` where monitoring is switched off; "" where not."""
    if frame.enabled or frame.status is None or frame.status.state != "off":
        return "" if frame.enabled else "off"
    return f"off since {clock(frame.status.wall)}"


def nothing(frame: Frame, width: int, height: int, what: str) -> list[Line]:
    """Why there is no number yet, and what helps; never a zero."""
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
