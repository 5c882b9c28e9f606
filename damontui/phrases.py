"""Parts of sentences that the screen, text and reports share: how sure a number is, how hard memory is pressed, what
idle memory includes, and whose memory it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from damontui import units
from damontui.analysis.frames import Untold
from damontui.analysis.owners import ELSEWHERE, FREE, GROUP, HOLE, KERNEL, REST, OwnerRow, name_of
from damontui.analysis.pressure import HAPPENINGS, refaults
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import Pressure

_LEAST = 1 << 20
"""Bytes of half an interval below which it is not told."""
_AT_AN_END = 0.1
"""Share of an interval: where less lies on one side of the number, ± would tell of memory that it cannot be."""


def sureness(amount: Amount) -> str:
    """``± 40 MiB`` where the interval is wider than what the digits of the number leave open, else nothing.

    Where the number lies at an end of its interval, nearly all of which is on the other side, that is what is said:
    ``at most 3 GiB`` of 0 B, which cannot be less.
    """
    wide = amount.most - amount.least
    if wide / 2 <= 0.005 * max(amount.bytes, 1.0) or wide / 2 < _LEAST:
        return ""
    if amount.bytes - amount.least <= _AT_AN_END * wide:
        return f"at most {units.size(amount.most)}"
    if amount.most - amount.bytes <= _AT_AN_END * wide:
        return f"at least {units.size(amount.least)}"
    return f"± {units.size(wide / 2)}"


def how_sure(amount: Amount) -> str:
    """What stands behind the number: `` ± 40 MiB``, `` (at most 3 GiB)`` or nothing."""
    said = sureness(amount)
    return f" ({said})" if said.startswith("at") else f" {said}" if said else ""


def with_half(amount: Amount) -> str:
    """Bytes and half of their interval in one unit: ``146 ± 13 MiB``, ``1.43 ± 0.12 GiB``, ``0 ± 2 MiB``."""
    half = (amount.most - amount.least) / 2
    # the unit of the larger of both: where few frames were met, half of the interval is more than the bytes
    unit = units.size(max(amount.bytes, half)).rpartition(" ")[2]
    scale = 1024.0 ** ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB").index(unit)
    number, wide = amount.bytes / scale, half / scale
    digits = 0 if unit == "B" or max(number, wide) >= 99.95 else 1 if max(number, wide) >= 9.995 else 2
    return f"{number:.{digits}f} ± {wide:.{digits}f} {unit}"


_INCLUDED: dict[Untold, tuple[str, str]] = {
    Untold.FREE: (
        "free included",
        "What of this memory is free is not known here: free memory looks idle, and is counted as idle.",
    ),
    Untold.ABSENT: (
        "not all in memory",
        "How much of these addresses is in memory is not known here: what is not looks idle, and is counted as idle.",
    ),
    Untold.FREE_BY_RULE: ("free included", "The kernel's rule takes free memory for idle."),
}


def included(untold: Untold) -> str:
    """The note that idle memory includes memory that is not idle, in two or three words: ``free included``."""
    return _INCLUDED[untold][0]


def included_sentence(untold: Untold) -> str:
    """The note of `included` as a sentence, with the reason."""
    return _INCLUDED[untold][1]


def idle_said(idle: Amount, untold: Untold | None) -> tuple[str, str]:
    """Idle memory and what stands behind it: ``1.9 GiB`` and `` ± 40 MiB``, or ``≤ 1.9 GiB`` and `` (free included)``
    where it is an upper bound. No more than nothing is nothing: ``0 B``."""
    if untold is None:
        return units.size(idle.bytes), how_sure(idle)
    if not idle.bytes:
        return units.size(0), ""
    return f"≤ {units.size(idle.bytes)}", f" ({included(untold)})"


_NO_GROUP = {
    KERNEL: "the kernel, no group",
    ELSEWHERE: "groups not seen from here",
    FREE: "free",
    HOLE: "holes, no memory",
}


def row_name(row: OwnerRow) -> str:
    """A row of owners' name. Like a path, it has to pass `safe_text` before it is shown."""
    if row.what == GROUP:
        return name_of(row.path)
    if row.what == REST:
        return f"{row.members} small groups"
    return _NO_GROUP.get(row.what, row.path)


def deleted(row: OwnerRow) -> str:
    """A word or two where a row's group is gone, or has memory of deleted groups; else ""."""
    if row.group is None:
        return ""
    if row.group.gone:
        return "deleted"
    return f"+{row.group.dying} deleted" if row.group.dying else ""


def _times(what: str) -> Callable[[int], str]:
    return lambda count: f"{what} {count} times" if count != 1 else f"{what} once"


_HAPPENED: dict[str, Callable[[int], str]] = {
    "killed": lambda count: f"{count} killed for want of memory",
    "out of memory": _times("out of memory"),
    "at max": _times("at memory.max"),
    "over high": _times("held back at memory.high"),
    "under low": _times("taken from below memory.low"),
}
"""Words for each of `HAPPENINGS`, by name, from how often it was counted."""


def whose(pressure: Pressure) -> str:
    """``the machine``, or a group's name, which has to pass `safe_text` before it is shown."""
    return "the machine" if pressure.group is None else name_of(pressure.group)


def happened(counts: Sequence[int | None]) -> list[str]:
    """Words for those of `HAPPENINGS` that were counted, given how often each was."""
    return [_HAPPENED[one.name](count) for one, count in zip(HAPPENINGS, counts, strict=True) if count]


def pressed(pressure: Pressure) -> list[str]:
    """A pressure in parts of a sentence: ``some 0.3 %, full 0 % of the time``, ``read back 1.2 MB/s``, …; or []."""
    parts = []
    stalls = (("some", pressure.some), ("full", pressure.full))
    if stalled := [f"{name} {units.share(part)}" for name, part in stalls if part is not None]:
        parts.append(f"{', '.join(stalled)} of the time")
    parts += happened([one.of(pressure) for one in HAPPENINGS])
    if (read := refaults(pressure)) is not None:
        parts.append(f"read back {units.bandwidth(read)}")
    for name, inward, outward in (
        ("swap", pressure.swap_in, pressure.swap_out),
        ("zswap", pressure.zswap_in, pressure.zswap_out),
    ):
        # zswap is compiled in nearly everywhere, and on hardly anywhere
        if inward is not None and outward is not None and (name == "swap" or inward or outward):
            parts.append(f"{name} in {units.bandwidth(inward)}, out {units.bandwidth(outward)}")
    if pressure.swapped:
        parts.append(f"swapped {units.size(pressure.swapped)}")
    if pressure.compressed:
        parts.append(f"compressed in {units.size(pressure.compressed)}")
    return parts
