"""How hard memory is pressed, in quantities that a screen, a report and a line of text show alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from damontui import units
from damontui.analysis.owners import name_of
from damontui.damon.snapshot import Pressure

Unit = Literal["share", "bytes/s", "bytes"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a `Pressure` that is worth a line over time."""

    label: str
    """In at most nine characters."""
    name: str
    unit: Unit
    of: Callable[[Pressure], float | None]


def _refaults(pressure: Pressure) -> float | None:
    known = [one for one in (pressure.refault_anon, pressure.refault_file) if one is not None]
    return sum(known) if known else None


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("some wait", "some task waited for memory", "share", lambda one: one.some),
    Quantity("all wait", "all tasks waited for memory", "share", lambda one: one.full),
    Quantity("read back", "read back soon after it was taken away", "bytes/s", _refaults),
    Quantity("swap in", "swapped in", "bytes/s", lambda one: one.swap_in),
    Quantity("swap out", "swapped out", "bytes/s", lambda one: one.swap_out),
    Quantity("zswap in", "read back out of zswap", "bytes/s", lambda one: one.zswap_in),
    Quantity("zswap out", "put into zswap", "bytes/s", lambda one: one.zswap_out),
    Quantity("swapped", "in swap", "bytes", lambda one: one.swapped),
    Quantity("packed", "taken by zswap and zram", "bytes", lambda one: one.compressed),
)
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a group's ``memory.events``, or ``/proc/vmstat``, counts."""

    mark: str
    """One character."""
    name: str
    """Short, for a legend."""
    words: Callable[[int], str]
    of: Callable[[Pressure], int | None]


def _times(what: str) -> Callable[[int], str]:
    return lambda count: f"{what} {count} times" if count != 1 else f"{what} once"


HAPPENINGS: tuple[Happening, ...] = (
    Happening("K", "killed", lambda count: f"{count} killed for want of memory", lambda one: one.killed),
    Happening("O", "out of memory", _times("out of memory"), lambda one: one.out),
    Happening("M", "at max", _times("at memory.max"), lambda one: one.at_max),
    Happening("H", "over high", _times("held back at memory.high"), lambda one: one.over_high),
    Happening("L", "under low", _times("taken from below memory.low"), lambda one: one.under_low),
)
"""The worst first."""


def row_of(pressure: Pressure | None) -> Floats:
    """`QUANTITIES` and then `HAPPENINGS`, shape ``(14,)``; NaN for what is not told."""
    if pressure is None:
        return np.full(len(QUANTITIES) + len(HAPPENINGS), math.nan)
    values = [*(one.of(pressure) for one in QUANTITIES), *(one.of(pressure) for one in HAPPENINGS)]
    return np.array([math.nan if value is None else float(value) for value in values])


def whose(pressure: Pressure) -> str:
    """``the machine``, or a group's name; not safe to be shown by itself."""
    return "the machine" if pressure.group is None else name_of(pressure.group)


def counted(pressures: Iterable[Pressure]) -> tuple[int | None, ...]:
    """How often each of `HAPPENINGS` was counted in all of them; None for what none of them tells."""
    sums: list[int | None] = [None] * len(HAPPENINGS)
    for pressure in pressures:
        for at, one in enumerate(HAPPENINGS):
            if (count := one.of(pressure)) is not None:
                sums[at] = (sums[at] or 0) + count
    return tuple(sums)


def happened(counts: Sequence[int | None]) -> list[str]:
    """What of `HAPPENINGS` there was, in words, given how often each was counted."""
    return [one.words(count) for one, count in zip(HAPPENINGS, counts, strict=True) if count]


def words(pressure: Pressure) -> list[str]:
    """What is known, in parts of a sentence: ``some 0.3 %, full 0 % of the time``, ``read back 1.2 MB/s``, …; or []."""
    parts = []
    stalls = (("some", pressure.some), ("full", pressure.full))
    if stalled := [f"{name} {units.share(part)}" for name, part in stalls if part is not None]:
        parts.append(f"{', '.join(stalled)} of the time")
    parts += happened([one.of(pressure) for one in HAPPENINGS])
    if (read := _refaults(pressure)) is not None:
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
