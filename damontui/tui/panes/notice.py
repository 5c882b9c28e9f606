"""What has to be said and has no pane of its own: below the title, and only where there is something."""

from __future__ import annotations

import textwrap

from damontui.errors import SourceError
from damontui.session.news import kind_of
from damontui.tui.draw import Line, Pane
from damontui.tui.frame import Frame
from damontui.tui.panes.title import clock
from damontui.units import duration


class Notice(Pane):
    """Messages, the most pressing first; takes no room where there is none."""

    MOST = 3
    """Lines at most: the heatmap is the page."""

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        return wrapped(messages(frame), width)[: self.MOST]

    def show(self, frame: Frame) -> None:
        width = self.size.width or (self.parent.size.width if self.parent is not None else 80)  # type: ignore[attr-defined]
        rows = min(self.MOST if self.app.size.height >= 20 else 1, len(wrapped(messages(frame), max(20, width))))
        if self.display != bool(rows):
            self.display = bool(rows)
        if rows and self.styles.height is not None and self.styles.height.value != rows:
            self.styles.height = rows
        super().show(frame)


def messages(frame: Frame) -> list[tuple[str, str]]:
    """``(text, style)`` of what is to be said now."""
    out: list[tuple[str, str]] = []
    status, snapshot = frame.status, frame.snapshot
    if frame.notice is not None:
        out.append((sentence(frame.notice), "error"))
    if frame.error is not None and snapshot is not None:  # without a picture, the panes say it
        out.append((sentence(frame.error), "error"))
    if any(isinstance(one, SourceError) and one.offer == "take" for one in (frame.error, frame.notice)):
        out.append(("Press T to switch DAMON_STAT off for the time being; it is given back at the end", "warn"))
    if (
        status is not None
        and status.state in ("gone", "ended")
        and status.text
        and not (frame.record and snapshot is not None)
    ):
        command = frame.description.target == "run"
        way = "press q to leave with it" if command else "press t for another target, e to start afresh"
        out.append((f"{status.text}; {way}", "warn"))
    if status is not None and status.state == "off" and frame.by_others and status.text:
        out.append((status.text, "warn"))
    if frame.lost is not None:  # as long as the column is to be seen, so that the line does not come and go
        where = "this column" if frame.lost is snapshot else f"the column at {clock(frame.lost.wall)}"
        out.append((f"{frame.lost.lost} events lost, {where} is partial", "warn"))
    # without regions, their pane says it
    note = kind_of(snapshot.note) if snapshot is not None and len(snapshot) else ""
    if snapshot is not None and note and note != frame.hushed:
        out.append((snapshot.note, "warn"))
    # news comes within a second, the first snapshot may take minutes
    told = frame.interim or snapshot
    on = told is not None and told.module is not None and told.module.enabled
    back = on and "DAMON_STAT is off" in frame.description.notice
    if frame.description.notice and not back:  # it is on again: what was left off is no more
        out.append((frame.description.notice, "warn"))
    if frame.description.reason:
        reason = frame.description.reason
        real = f"Press t for real memory: {frame.offer}" if frame.offer else "Press t for all that can be watched here"
        out.append((f"{reason}{'' if reason.endswith('.') else '.'} {real}", "label"))
    if frame.long_s:
        out.append((_long(frame), "label"))
    return out


def _long(frame: Frame) -> str:
    """Why the picture moves so seldom, and what helps."""
    about = frame.description
    # of a small terminal the first line is all there is: what helps comes early
    takes = f"One aggregation takes {duration(frame.long_s)} here"
    if about.closer:
        return (
            f"{takes}. T looks closer: a picture every 10 s or oftener, idle memory several times as exact, for 100 "
            "page checks a look; DAMON_STAT, tuned to how little is in use, is off meanwhile"
        )
    why = f"{takes}: DAMON_STAT is tuned to how little is in use"
    process = "a process alone is seen within a second, without DAMON"
    if about.locked:
        return f"{why}. T is locked ({about.locked}): sudo damontui paddr --take looks closer; {process}"
    return f"{why}. There is no closer look at all memory here; {process}: press t"


def sentence(error: Exception) -> str:
    """What failed, why, and what to do next."""
    if isinstance(error, SourceError) and error.remedy:
        return f"{error.what}: {error.why}. {error.remedy[0].upper()}{error.remedy[1:]}"
    return str(error)


def wrapped(texts: list[tuple[str, str]], width: int) -> list[Line]:
    """Each message on as many lines as it needs, a mark before its first."""
    out: list[Line] = []
    for text, style in texts:
        mark = " ⚠ " if style in ("error", "warn") else " ● "
        for number, part in enumerate(textwrap.wrap(text, max(10, width - 4)) or [""]):
            out.append(((mark if number == 0 else "   ", style), (part, style)))
    return out
