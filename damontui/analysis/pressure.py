"""How hard memory is pressed, in quantities that a screen, a report and a line of text show alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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


def refaults(pressure: Pressure) -> float | None:
    """Bytes a second read back soon after they were taken away; None where that is not told."""
    known = [one for one in (pressure.refault_anon, pressure.refault_file) if one is not None]
    return sum(known) if known else None


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("some wait", "some task waited for memory", "share", lambda one: one.some),
    Quantity("all wait", "all tasks waited for memory", "share", lambda one: one.full),
    Quantity("read back", "read back soon after it was taken away", "bytes/s", refaults),
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
    of: Callable[[Pressure], int | None]


HAPPENINGS: tuple[Happening, ...] = (
    Happening("K", "killed", lambda one: one.killed),
    Happening("O", "out of memory", lambda one: one.out),
    Happening("M", "at max", lambda one: one.at_max),
    Happening("H", "over high", lambda one: one.over_high),
    Happening("L", "under low", lambda one: one.under_low),
)
"""The worst first."""


def row_of(pressure: Pressure | None) -> Floats:
    """`QUANTITIES` and then `HAPPENINGS`, shape ``(14,)``; NaN for what is not told."""
    if pressure is None:
        return np.full(len(QUANTITIES) + len(HAPPENINGS), math.nan)
    values = [*(one.of(pressure) for one in QUANTITIES), *(one.of(pressure) for one in HAPPENINGS)]
    return np.array([math.nan if value is None else float(value) for value in values])


def counted(pressures: Iterable[Pressure]) -> tuple[int | None, ...]:
    """How often each of `HAPPENINGS` was counted in all of them; None for what none of them tells."""
    sums: list[int | None] = [None] * len(HAPPENINGS)
    for pressure in pressures:
        for at, one in enumerate(HAPPENINGS):
            if (count := one.of(pressure)) is not None:
                sums[at] = (sums[at] or 0) + count
    return tuple(sums)
