"""The list of regions as data: which of them, in what order; and what people write to choose some."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from damontui import units
from damontui.analysis import savings, usage
from damontui.analysis.estimate import Estimate
from damontui.analysis.heatmap import Place, region_at
from damontui.analysis.savings import NamedOwner
from damontui.damon.snapshot import Ints, Snapshot
from damontui.errors import UsageError

SORTS = ("rate", "size", "state", "address", "name")
OWNER_SORTS = ("idle", "bytes", "used", "name")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which regions are listed.

    Attributes:
        text: the filter as the user wrote it.
        words: texts that must all be in the name, whatever their case.
        limits: ``(field, operator, value)``; sizes in bytes, rates as a share, idle and used times in seconds.
    """

    text: str = ""
    words: tuple[str, ...] = ()
    limits: tuple[tuple[str, str, float], ...] = ()

    def chosen(self, snapshot: Snapshot) -> NDArray[np.bool_]:
        """Whether each region is listed, shape ``(regions,)``."""
        chosen = np.ones(len(snapshot), dtype=np.bool_)
        for field, sign, value in self.limits:
            chosen &= _OPERATORS[sign](_values(snapshot, field), value)
        if self.words:
            names = snapshot.names or ("",) * len(snapshot)
            fits = {name: self.fits(name) for name in set(names)}
            chosen &= np.array([fits[name] for name in names], dtype=np.bool_)
        return chosen

    def fits(self, name: str) -> bool:
        """Whether all words are in the name."""
        return all(word in name.lower() for word in self.words)


_OPERATORS: dict[str, Callable[[Any, float], Any]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "≥": operator.ge,
    "≤": operator.le,
}
_FIELDS: dict[str, Callable[[str, str], float]] = {
    "size": units.parse_size,
    "rate": units.parse_share,
    "idle": lambda text, name: units.parse_duration(text, name) / 1e6,
    "used": lambda text, name: units.parse_duration(text, name) / 1e6,
}
_LIMIT = re.compile(r"([a-z]+)\s*(>=|<=|≥|≤|>|<)\s*(\S+)")


def _values(snapshot: Snapshot, field: str) -> NDArray[np.float64]:
    """The numbers that the list shows of each region, shape ``(regions,)``, which filters compare with."""
    if field == "size":
        return snapshot.memory.astype(np.float64)
    if field == "rate":
        return usage.rates(snapshot)
    seconds = usage.idle_ms_by_region(snapshot) / 1000.0
    return np.where(seconds > 0, seconds, np.nan) if field == "idle" else np.where(seconds < 0, -seconds, np.nan)


def parse_filter(text: str) -> Filter:
    """``heap``, ``size>64M``, ``rate>=10%``, ``idle>1m``, ``used<5s``, several of them.

    Raises:
        UsageError: the text is no filter; the message names the part that is wrong.
    """
    limits = []
    for found in _LIMIT.finditer(text):
        if found[1] not in _FIELDS:
            raise UsageError(f"there is no {found[1]!r} to compare; known are {', '.join(_FIELDS)}")
        limits.append((found[1], found[2], float(_FIELDS[found[1]](found[3], found[1]))))
    rest = _LIMIT.sub(" ", text).lower().split()
    for word in rest:
        if any(sign in word for sign in "<>≥≤"):
            raise UsageError(f"{word!r} compares nothing; write such as size>64M, rate>10%, idle>1m or used<5s")
    return Filter(text.strip(), tuple(rest), tuple(limits))


@dataclass(frozen=True, slots=True)
class Listing:
    """How the list of regions is grouped, sorted and filtered."""

    grouped: bool = False
    """Whether a row is all memory of one name, instead of one region."""
    sort: str = "rate"
    owner_sort: str = "idle"
    reverse: bool = False
    filter: Filter = Filter()

    @property
    def sorts(self) -> tuple[str, ...]:
        """The columns that this list can be sorted by."""
        return OWNER_SORTS if self.grouped else SORTS

    @property
    def sorted_by(self) -> str:
        """The column that it is sorted by."""
        return self.owner_sort if self.grouped else self.sort

    @property
    def next_sort(self) -> str:
        """What comes after that."""
        return self.sorts[(self.sorts.index(self.sorted_by) + 1) % len(self.sorts)]

    def by(self, column: str) -> Self:
        """Sorted by a column; by the same again: the other way round."""
        reverse = not self.reverse if column == self.sorted_by else False
        if self.grouped:
            return replace(self, owner_sort=column, reverse=reverse)
        return replace(self, sort=column, reverse=reverse)


def rows(snapshot: Snapshot, listing: Listing) -> Ints:
    """Indices of the regions listed, in their order: the hottest, largest or longest idle first."""
    index: Ints = np.flatnonzero(listing.filter.chosen(snapshot)).astype(np.int64)
    start, sizes = snapshot.start[index], snapshot.memory[index]
    where = snapshot.target[index]
    if listing.sort == "rate":  # of equally hot ones the smaller is the denser
        order = np.lexsort((start, where, sizes, -usage.rates(snapshot)[index]))
    elif listing.sort == "size":
        order = np.lexsort((start, where, -sizes))
    elif listing.sort == "state":
        order = np.lexsort((start, where, -usage.idle_ms_by_region(snapshot)[index]))
    elif listing.sort == "name" and snapshot.names:
        names = np.array(snapshot.names)[index]
        order = np.lexsort((start, where, np.char.lower(names)))
    else:
        order = np.lexsort((start, where))
    return index[order[::-1] if listing.reverse else order]


def owners(snapshot: Snapshot, listing: Listing, threshold: float, known: Estimate | None = None) -> list[NamedOwner]:
    """The names listed, in order.

    Args:
        snapshot: the memory.
        listing: how the list is sorted and filtered.
        threshold: seconds after which memory is idle.
        known: the estimate of that moment, which tells idle memory; the kernel's rule where None.
    """
    found = [one for one in savings.owners_by_name(snapshot, threshold, known) if listing.filter.fits(one.name)]
    if listing.owner_sort == "name":
        found.sort(key=lambda one: one.name.lower())
    else:
        found.sort(key=lambda one: -int(getattr(one, listing.owner_sort)))
    return found[::-1] if listing.reverse else found


def order(snapshot: Snapshot, listing: Listing, threshold: float, known: Estimate | None = None) -> list[int]:
    """The region of each row listed, in order; of a name's row its largest. Arguments as for `owners`."""
    if listing.grouped:
        return [one.largest for one in owners(snapshot, listing, threshold, known)]
    return [int(region) for region in rows(snapshot, listing)]


def selected(snapshot: Snapshot, listing: Listing, order: list[int], cursor: Place | None) -> int | None:
    """The row of ``order`` (from `order`) that the cursor is in; None where it is in none."""
    region = None if cursor is None else region_at(snapshot, cursor)
    if region is None:
        return None
    if listing.grouped:
        if not snapshot.names:
            same = [row for row, one in enumerate(order) if snapshot.target[one] == snapshot.target[region]]
            return same[0] if same else None
        name = snapshot.names[region]
        return next((row for row, one in enumerate(order) if snapshot.names[one] == name), None)
    return order.index(region) if region in order else None


def moved(snapshot: Snapshot, listing: Listing, order: list[int], cursor: Place | None, by: int) -> int | None:
    """The region ``by`` rows below the cursor's in ``order``; of the first row where the cursor is in none.

    None where nothing is listed.
    """
    if not order:
        return None
    here = selected(snapshot, listing, order, cursor)
    row = 0 if here is None else max(0, min(here + by, len(order) - 1))
    return order[row]
