"""A moment of the past as people write it: a time of day, a date, or how long ago."""

from __future__ import annotations

import re
import time
from datetime import datetime

from damontui.errors import UsageError
from damontui.history import History


def moment_of(history: History, wall: float) -> float:
    """When the newest snapshot ended that was made by ``wall`` (seconds since 1970), source's clock."""
    first, newest = history.first, history.last
    if first is None or newest is None or wall <= first.wall:
        return first.time if first is not None else 0.0
    low, high = first.time, newest.time
    for _ in range(48):
        middle = (low + high) / 2
        shown = history.at(middle)
        if shown is not None and shown.wall <= wall:
            low = middle
        else:
            high = middle
    shown = newest if newest.wall <= wall else history.at(low)
    return low if shown is None else shown.time


def wall_of(history: History, text: str) -> float:
    """A moment as it was written, seconds since 1970; raises `UsageError` where it is none, or is not kept."""
    first, newest = history.first, history.last
    if first is None or newest is None:
        raise UsageError("there is no past yet")
    return parse_moment(text, first.wall - (first.time - first.began), newest.wall)


_CLOCK = re.compile(r"(?:(\d{4})-(\d{1,2})-(\d{1,2})[ T]+)?(\d{1,2}):(\d{2})(?::(\d{2}))?")
_AGO = re.compile(r"[-−]\s*(?:(?:(\d+):)?(\d{1,2}):(\d{2})|(\d+(?:\.\d+)?)\s*(s|min|m|h|d))")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_moment(text: str, oldest: float, newest: float) -> float:
    """Seconds since 1970 of ``14:05``, ``14:05:30``, ``2026-01-31 14:05``; or of so long ago: ``-2:31``, ``-90s``.

    A time of day without a date is the last such one that is not after ``newest``.

    Args:
        text: what the user wrote.
        oldest, newest: the times that are kept, seconds since 1970.

    Raises:
        UsageError: ``text`` is no time, or one that is not kept.
    """
    text = text.strip()
    ago = _AGO.fullmatch(text)
    found = _CLOCK.fullmatch(text)
    if ago is not None:
        if ago[4] is not None:
            wall = newest - float(ago[4]) * _UNITS[ago[5]]
        else:
            wall = newest - (int(ago[1] or 0) * 3600 + int(ago[2]) * 60 + int(ago[3]))
    elif found is not None:
        wall = _wall(found, newest)
    else:
        raise UsageError(f"{text!r} is no time; write a time of day, such as 14:05 or 14:05:30, or how long ago: -2m")
    shown = time.strftime("%H:%M:%S", time.localtime(oldest)), time.strftime("%H:%M:%S", time.localtime(newest))
    if wall < oldest - 60:
        raise UsageError(f"{text} is before the oldest picture, which is of {shown[0]}")
    if wall > newest + 60:
        raise UsageError(f"{text} is still to come; the newest picture is of {shown[1]}")
    return wall


def _wall(found: re.Match[str], newest: float) -> float:
    hour, minute, second = int(found[4]), int(found[5]), int(found[6] or 0)
    try:
        if found[1] is not None:
            day = datetime(int(found[1]), int(found[2]), int(found[3]), hour, minute, second)
            return day.timestamp()
        today = datetime.fromtimestamp(newest).replace(hour=hour, minute=minute, second=second, microsecond=0)
    except (ValueError, OverflowError):
        raise UsageError(f"there is no {found[0]}; hours go to 23, minutes and seconds to 59") from None
    wall = today.timestamp()
    if wall > newest + 60:
        wall = datetime.fromtimestamp(wall - 86400).replace(hour=hour, minute=minute, second=second).timestamp()
    return wall
