"""Text for people: bytes, durations, rates; and durations and sizes read from what people write."""

from __future__ import annotations

import math
import re

from damontui.errors import UsageError

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_DURATION = {
    "us": 1,
    "µs": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
"""Microseconds in each unit that is understood; a number without a unit is seconds."""


def size(count: float) -> str:
    """Bytes with a binary unit and three digits: ``1.5 GiB``, ``999 MiB``, ``0 B``."""
    if count < 0:
        return "-" + size(-count)
    unit = 0
    while count >= 999.5 and unit < len(_SIZES) - 1:
        count /= 1024
        unit += 1
    return f"{_three(count, whole=unit == 0)} {_SIZES[unit]}"


def bandwidth(count: float) -> str:
    """Bytes per second with a decimal unit, as the kernel's number is usually read: ``449 MB/s``."""
    for unit, scale in (("TB/s", 1e12), ("GB/s", 1e9), ("MB/s", 1e6), ("kB/s", 1e3)):
        if count >= scale * 0.9995:
            return f"{_three(count / scale)} {unit}"
    return f"{_three(count, whole=True)} B/s"


def _three(number: float, *, whole: bool = False) -> str:
    if whole or number >= 99.95:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 9.995 else f"{number:.2f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """A length of time in at most six columns or so: ``264 ms``, ``5.28 s``, ``1:36``, ``2:05:00``, ``3 d 04 h``."""
    if seconds < 0:
        return "-" + duration(-seconds)
    if math.isinf(seconds):
        return "∞"
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{_three(seconds * 1e3)} ms"
    if seconds < 90:
        return f"{_three(seconds)} s"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours >= 48:
        return f"{hours // 24} d {hours % 24:02d} h"
    if hours:
        return f"{hours}:{minutes:02d}:{whole % 60:02d}"
    return f"{minutes}:{whole % 60:02d}"


def span(seconds: float) -> str:
    """A round length of time as people say it: ``10 s``, ``1 min``, ``2 h``; any other one as `duration`."""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit < 1e-9:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s" if 1 <= seconds < 60 and seconds % 1 == 0 else duration(seconds)


def share(part: float) -> str:
    """A share as a percentage with two significant digits below 10 %: ``0.3 %``, ``3.8 %``, ``42 %``, ``<0.001 %``."""
    percent = part * 100
    if percent >= 9.95 or percent == 0:
        return f"{percent:.0f} %"
    if 0 < percent < 0.001:
        return "<0.001 %"
    return f"{percent:.1f} %" if percent >= 0.0995 else f"{percent:.2g} %"


def deadlines_missed(count: int) -> str:
    """``1 sampling deadline missed``, ``12 sampling deadlines missed``."""
    return f"{count} sampling {'deadline' if count == 1 else 'deadlines'} missed"


def parse_duration(text: str, name: str = "duration") -> int:
    """Microseconds in ``5``, ``5s``, ``1.5 s``, ``200ms``, ``100us``, ``3m``, ``1h``, ``2d``; without a unit: seconds.

    Raises:
        UsageError: the text is no duration; the message names ``name``.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(us|µs|ms|s|min|m|h|d)?\s*", text, re.ASCII)
    if match is None:
        raise UsageError(
            f"{name}: {text!r} is not a duration; write seconds, or a number and us, ms, s, m, h or d, such as 5ms"
        )
    return _bounded(float(match[1]) * _DURATION[match[2] or ""], name)


def parse_seconds(text: str, name: str = "duration") -> float:
    """Seconds over zero, written as `parse_duration` reads them. Raises `UsageError` naming ``name``."""
    seconds = parse_duration(text, name) / 1e6
    if not seconds:
        raise UsageError(f"{name}: {text!r} is not a time over 0; write seconds, such as 30, or 5m")
    return seconds


def _bounded(number: float, name: str) -> int:
    """A whole number that an array can hold; more digits than that are a slip of the hand."""
    if number >= 1 << 64:
        raise UsageError(f"{name}: the number is too large")
    return round(number)


def parse_size(text: str, name: str = "size") -> int:
    """Bytes in ``4096``, ``64K``, ``64KiB``, ``1.5 GiB``, ``0x1000``. Raises `UsageError` naming ``name``."""
    if re.fullmatch(r"\s*0[xX][0-9a-fA-F]+\s*", text):
        return _bounded(int(text, 16), name)
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(?:([KMGTPE])(?:i?B)?|B)?\s*", text, re.IGNORECASE)
    if match is None:
        raise UsageError(f"{name}: {text!r} is not a size; write bytes, or a number and K, M, G or T, such as 64M")
    power = " KMGTPE".index((match[2] or " ").upper())
    return _bounded(float(match[1]) * float(1024**power), name)


def parse_share(text: str, name: str = "share") -> float:
    """The share in ``4%``, ``0.5 %`` or ``0.04``. Raises `UsageError` naming ``name``."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", text)
    if match is None:
        raise UsageError(f"{name}: {text!r} is not a share; write a percentage, such as 4%")
    return float(match[1]) / (100 if match[2] else 1)
