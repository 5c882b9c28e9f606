"""Parts of sentences that the screen, text and reports share: how sure a number is, how hard memory is pressed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from damontui import units
from damontui.analysis.owners import name_of
from damontui.analysis.pressure import HAPPENINGS, refaults
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import Pressure

_LEAST = 1 << 20
"""Bytes of half an interval below which it is not told."""


def plus_minus(amount: Amount) -> str:
    """`` ± 40 MiB`` where the interval is wider than what the digits of the number leave open, else nothing."""
    half = (amount.most - amount.least) / 2
    return f" ± {units.size(half)}" if half > 0.005 * max(amount.bytes, 1.0) and half >= _LEAST else ""


def with_half(amount: Amount) -> str:
    """Bytes and half of their interval in one unit: ``146 ± 13 MiB``, ``1.43 ± 0.12 GiB``, ``0 ± 2 MiB``."""
    half = (amount.most - amount.least) / 2
    # the unit of the larger of both: where few frames were met, half of the interval is more than the bytes
    unit = units.size(max(amount.bytes, half)).rpartition(" ")[2]
    scale = 1024.0 ** ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB").index(unit)
    number, wide = amount.bytes / scale, half / scale
    digits = 0 if unit == "B" or max(number, wide) >= 99.95 else 1 if max(number, wide) >= 9.995 else 2
    return f"{number:.{digits}f} ± {wide:.{digits}f} {unit}"


def _times(what: str) -> Callable[[int], str]:
    return lambda count: f"{what} {count} times" if count != 1 else f"{what} once"


_HAPPENED: dict[str, Callable[[int], str]] = {
    "killed": lambda count: f"{count} killed for want of memory",
    "out of memory": _times("out of memory"),
    "at max": _times("at memory.max"),
    "over high": _times("held back at memory.high"),
    "under low": _times("taken from below memory.low"),
}
"""Of each of `HAPPENINGS`, by name, given how often it was counted."""


def whose(pressure: Pressure) -> str:
    """``the machine``, or a group's name; not safe to be shown by itself."""
    return "the machine" if pressure.group is None else name_of(pressure.group)


def happened(counts: Sequence[int | None]) -> list[str]:
    """What of `HAPPENINGS` there was, in words, given how often each was counted."""
    return [_HAPPENED[one.name](count) for one, count in zip(HAPPENINGS, counts, strict=True) if count]


def pressed(pressure: Pressure) -> list[str]:
    """What is known, in parts of a sentence: ``some 0.3 %, full 0 % of the time``, ``read back 1.2 MB/s``, …; or []."""
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
