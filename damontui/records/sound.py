"""Which values a record may hold: types, finite numbers and ranges, checked in one place for every reader.

A record is a file that somebody made. A snapshot with impossible numbers is left out and counted; the rest is shown.
How much memory reading takes is counted before it is taken: `Allowance`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from damontui import units
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import Description, Origin
from damontui.errors import SourceError
from damontui.records.table import Conditions, Table

MEMORY = 512 << 20
"""Bytes of memory that reading a record may take, where the user sets no other limit."""

LONGEST_TIME = 1e11
"""The largest time, seconds (3,000 years): no clock shows more."""
LATEST_WALL = 253_402_300_799.0
"""The last second of the year 9999, the last that a calendar of ours knows."""
LONGEST_US = 1 << 48
"""Microseconds of an interval, nine years; times an age it still fits an int64."""
LONGEST_TEXT = 100_000
"""Characters of one text beside the regions."""
_LARGEST = 1 << 62


class Allowance:
    """Keeps what reading a file takes within some bytes; asked before they are taken.

    Args:
        path: the file's path, for the error's sentence.
        most: bytes that may be taken.
    """

    def __init__(self, path: object, most: int = MEMORY) -> None:
        self._path = path
        self._most = most
        self.taken = 0

    def take(self, count: float) -> None:
        """Take ``count`` bytes more. Raises `SourceError` where that is over the budget."""
        self.taken += math.ceil(count)
        self.bear(0)

    def bear(self, count: float) -> None:
        """Check that ``count`` bytes more may be taken for a while. Raises `SourceError` where that is over the
        budget."""
        if self.taken + count > self._most:
            raise SourceError(
                f"cannot read {self._path}",
                f"that takes more than {units.size(self._most)} of memory",
                f"if it is to be trusted, allow more: --memory {max(1, self._most >> 20) * 4}M",
            )


def sound(table: Table) -> Table:
    """The table without the snapshots whose numbers are impossible, which its notes count."""
    good = _good(table)
    if good.all():
        return table
    kept = np.flatnonzero(good)
    counts = np.diff(table.offsets)
    rows = np.repeat(good, counts)
    used, condition_of = np.unique(table.condition_of[kept], return_inverse=True)
    places = {int(old): new for new, old in enumerate(kept.tolist())}
    return replace(
        table,
        time=table.time[kept],
        began=table.began[kept],
        wall=table.wall[kept],
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[kept])]),
        start=table.start[rows],
        end=table.end[rows],
        nr_accesses=table.nr_accesses[rows],
        age=table.age[rows],
        target=table.target[rows],
        conditions=[table.conditions[number] for number in used.tolist()],
        condition_of=condition_of.reshape(-1),
        extra={places[old]: extra for old, extra in table.extra.items() if old in places},
        nanoseconds=None if table.nanoseconds is None else table.nanoseconds[kept],
        notes=(*table.notes, left_out(int(len(good) - good.sum()), "impossible")),
    )


def left_out(count: int, kind: str) -> str:
    """The note that some snapshots are not shown: ``1 damaged snapshot was left out``."""
    return f"1 {kind} snapshot was left out" if count == 1 else f"{count:,} {kind} snapshots were left out"


def _good(table: Table) -> NDArray[np.bool_]:
    """Whether each snapshot's numbers are possible, shape ``(snapshots,)``."""
    with np.errstate(invalid="ignore", over="ignore"):
        good = (np.abs(table.time) <= LONGEST_TIME) & (np.abs(table.began) <= LONGEST_TIME)
        good &= (table.wall >= 0) & (table.wall <= LATEST_WALL) & (table.began <= table.time)
        good &= np.array([_plausible(one) for one in table.conditions], dtype=bool)[table.condition_of]
    counts = np.diff(table.offsets)
    if not len(table.start):
        return good
    with np.errstate(over="ignore"):
        size = table.end - table.start
    bad = (table.start < 0) | (size < 0) | (table.nr_accesses < 0) | (table.age < 0)
    targets = np.array([len(one.targets) for one in table.conditions], dtype=np.int64)[table.condition_of]
    bad |= (table.target < 0) | (table.target >= np.repeat(targets, counts))
    # sorted by target, then address: what is drawn, and where a cursor is, is found by searching
    bad[1:] |= ((table.target[1:] == table.target[:-1]) & (table.start[1:] < table.end[:-1]) & _inside(table)) | (
        (table.target[1:] < table.target[:-1]) & _inside(table)
    )
    # what is computed from them later is computed in whole numbers of 64 bits
    # a file may give an interval more digits than a float holds: such a one counts as `_LARGEST`, which is too long
    lengths = [min(one.next_attrs.aggr_us, _LARGEST) for one in table.conditions]
    after = np.array(lengths, dtype=np.float64)[table.condition_of]
    bad |= table.age.astype(np.float64) * np.repeat(after, counts) >= _LARGEST
    bad |= size.astype(np.float64) * table.nr_accesses >= _LARGEST
    whole = np.zeros(len(counts))
    some = counts > 0
    whole[some] = np.add.reduceat(size.astype(np.float64), table.offsets[:-1][some])
    good &= whole < _LARGEST
    if bad.any():
        good &= np.bincount(np.repeat(np.arange(len(counts)), counts)[bad], minlength=len(counts)) == 0
    return good


def _inside(table: Table) -> NDArray[np.bool_]:
    """Whether a region is of the same snapshot as the one before it, shape ``(regions - 1,)``."""
    inside = np.ones(len(table.start), dtype=bool)
    first = table.offsets[:-1]
    inside[first[first < len(inside)]] = False
    return inside[1:]


def _plausible(conditions: Conditions) -> bool:
    return all(
        attrs.aggr_us <= LONGEST_US and attrs.update_us <= LONGEST_US and attrs.max_regions <= LONGEST_US
        for attrs in (conditions.attrs, conditions.next_attrs)
    ) and len(set(conditions.targets)) == len(conditions.targets)


# -- fields; each function raises `ValueError` where the value is not of its kind


def whole_number(value: object, least: int = 0, most: int = _LARGEST) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{value!r:.40} is no whole number from {least} to {most}")
    return value


def real(value: object, least: float = 0.0, most: float = 1e18) -> float:
    """A finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{value!r:.40} is no number from {least:g} to {most:g}")
    return value


def words(value: object) -> str:
    """A text."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError("no text")
    return value


def truth_value(value: object) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def listed(value: object) -> list[Any]:
    """A list."""
    if not isinstance(value, list | tuple):
        raise ValueError("no list")
    return list(value)


def table_of_fields(value: object) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def attrs_of(value: object) -> Attrs:
    """Attributes from an object with their names. Raises `ValueError`, `KeyError` or `UsageError`."""
    fields = table_of_fields(value)
    goal = fields.get("goal")
    numbers = {name: whole_number(given, 0, LONGEST_US) for name, given in fields.items() if name != "goal"}
    if goal is None:
        return Attrs(**numbers, goal=None)
    aims = {name: whole_number(given, 0, LONGEST_US) for name, given in table_of_fields(goal).items()}
    return Attrs(**numbers, goal=IntervalsGoal(**aims))


def description_of(fields: Mapping[str, Any]) -> Description:
    """A description from an object with its fields; further ones are left out. Raises as `attrs_of` does."""
    speed = fields.get("speed") or math.inf
    origin = words(fields["origin"])
    if origin not in get_args(Origin):
        raise ValueError(f"{origin!r:.40} is no origin")
    return Description(
        target=words(fields["target"]),
        title=words(fields["title"]),
        origin=origin,  # type: ignore[arg-type]
        attrs=attrs_of(fields["attrs"]),
        speed=speed if speed == math.inf else real(speed, 1e-9),
        limits=tuple(words(one) for one in listed(fields.get("limits", ()))),
        **{name: words(fields[name]) for name in ("host", "kernel", "reason", "notice", "locked") if name in fields},
    )
