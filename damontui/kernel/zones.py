"""Names for physical memory: the NUMA node and zone of an address (``/proc/zoneinfo``)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import Ints, ints
from damontui.errors import SourceError
from damontui.kernel.root import Root, number_after

_ZONE = re.compile(
    r"^Node (\d+), zone\s+(\S+)\n((?:(?!^Node ).*\n?)*)",
    re.MULTILINE,
)
_SPANNED = re.compile(r"^\s+spanned\s+(\d+)$", re.MULTILINE)
_START = re.compile(r"^\s+start_pfn:\s+(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Zones:
    """The zones that hold memory, rising; arrays of shape ``(zones,)``, bytes."""

    start: Ints
    end: Ints
    labels: tuple[str, ...]

    def names(self, start: Ints, end: Ints) -> tuple[str, ...]:
        """The zone at the middle of each region ``[start, end)``, "" where there is none."""
        if not self.labels:
            return ("",) * len(start)
        middle = start + (end - start) // 2
        place = np.searchsorted(self.start, middle, side="right") - 1
        inside = (place >= 0) & (middle < self.end[np.maximum(place, 0)])
        return tuple(self.labels[i] if ok else "" for i, ok in zip(place.tolist(), inside.tolist(), strict=True))


def zones(root: Root) -> Zones:
    """The machine's zones; none where the kernel does not tell."""
    try:
        text = root.read("proc/zoneinfo")
    except SourceError:
        return Zones(ints([]), ints([]), ())
    found = []
    for match in _ZONE.finditer(text):
        size, first = number_after(_SPANNED, match[3], PAGE_SIZE), number_after(_START, match[3], PAGE_SIZE)
        if size and first is not None and first + size < 1 << 63:
            found.append((first, first + size, f"node {match[1]} {match[2]}"))
    found.sort()
    return Zones(ints([z[0] for z in found]), ints([z[1] for z in found]), tuple(z[2] for z in found))
