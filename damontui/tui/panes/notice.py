"""Messages that have no pane of their own: below the title, and only where there is one."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

from damontui.errors import SourceError
from damontui.session.messages import kind_of
from damontui.tui.draw import Line, Pane
from damontui.tui.frame import Frame
from damontui.tui.panes.title import clock
from damontui.units import duration


class Notice(Pane):
    """Messages, the most pressing first; takes no room where there is none."""

    MOST = 3
    """Lines at most, so that the heatmap has the rest."""

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


Message = tuple[str, str]
"""``(text, style)``."""


def messages(frame: Frame) -> list[Message]:
    """The messages of a frame, the most pressing first."""
    return [message for said in _ORDER for message in said(frame)]


def _failed(frame: Frame) -> Iterator[Message]:
    """What failed, and the way out where DAMON_STAT has the machine's kdamond."""
    if frame.notice is not None:
        yield sentence(frame.notice), "error"
    if frame.error is not None and frame.snapshot is not None:  # without a picture, the panes say it
        yield sentence(frame.error), "error"
    if any(isinstance(error, SourceError) and error.offer == "take" for error in (frame.error, frame.notice)):
        yield "Press T to switch DAMON_STAT off for the time being; it is given back at the end", "warn"


def _over(frame: Frame) -> Iterator[Message]:
    """The target is gone, or its end was reached; the end of a record is no news."""
    status = frame.status
    if status is None or status.state not in ("gone", "ended") or not status.text:
        return
    if frame.record and frame.snapshot is not None:
        return
    command = frame.description.target == "run"
    way = "press q to leave with it" if command else "press t for another target, e to start afresh"
    yield f"{status.text}; {way}", "warn"


def _switched_off(frame: Frame) -> Iterator[Message]:
    """Somebody else turned the switch off."""
    status = frame.status
    if status is not None and status.state == "off" and frame.by_others and status.text:
        yield status.text, "warn"


def _lost(frame: Frame) -> Iterator[Message]:
    """Events were lost: said for as long as the column is to be seen, so that the line does not come and go."""
    if frame.lost is not None:
        where = "this column" if frame.lost is frame.snapshot else f"the column at {clock(frame.lost.wall)}"
        yield f"{frame.lost.lost} events lost, {where} is partial", "warn"


def _lacking(frame: Frame) -> Iterator[Message]:
    """What the snapshot lacks, until the user has dismissed that; where it has no regions, the panes say it."""
    snapshot = frame.snapshot
    note = kind_of(snapshot.note) if snapshot is not None and len(snapshot) else ""
    if snapshot is not None and note and note != frame.hushed:
        yield snapshot.note, "warn"


def _from_the_start(frame: Frame) -> Iterator[Message]:
    """What the description says must not be overlooked; not that DAMON_STAT was left off, once it is on again."""
    # whether it is on: interim numbers come within a second, the first snapshot may take minutes
    told = frame.interim or frame.snapshot
    on = told is not None and told.module is not None and told.module.enabled
    back = on and "DAMON_STAT is off" in frame.description.notice
    if frame.description.notice and not back:
        yield frame.description.notice, "warn"


def _chosen(frame: Frame) -> Iterator[Message]:
    """Why this target is shown, where the user did not name it."""
    reason = frame.description.reason
    if reason:
        real = f"Press t for real memory: {frame.offer}" if frame.offer else "Press t for all that can be watched here"
        yield f"{reason}{'' if reason.endswith('.') else '.'} {real}", "label"


def _slow(frame: Frame) -> Iterator[Message]:
    """An aggregation takes long."""
    if frame.long_s:
        yield _long(frame), "label"


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


_ORDER: tuple[Callable[[Frame], Iterator[Message]], ...] = (
    _failed,
    _over,
    _switched_off,
    _lost,
    _lacking,
    _from_the_start,
    _chosen,
    _slow,
)
"""The kinds of message, the most pressing first."""


def sentence(error: Exception) -> str:
    """An error as a sentence: what failed, why, and what to do next."""
    if isinstance(error, SourceError) and error.remedy:
        return f"{error.what}: {error.why}. {error.remedy[0].upper()}{error.remedy[1:]}"
    return str(error)


def wrapped(texts: list[Message], width: int) -> list[Line]:
    """Each message on as many lines as it needs, a mark before its first."""
    out: list[Line] = []
    for text, style in texts:
        mark = " ⚠ " if style in ("error", "warn") else " ● "
        for number, part in enumerate(textwrap.wrap(text, max(10, width - 4)) or [""]):
            out.append(((mark if number == 0 else "   ", style), (part, style)))
    return out
