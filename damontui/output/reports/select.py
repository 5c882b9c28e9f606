"""Which part of a record a report is about: by address, size, rate, age, time and target."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from damontui import units
from damontui.analysis import counted
from damontui.damon.snapshot import OPTIONAL
from damontui.errors import SourceError, UsageError
from damontui.output.reports.numbers import Intervals, seconds_held, snapshot_of
from damontui.records.table import Table

_OF_REGIONS = tuple(field.name for field in OPTIONAL if field.of_regions)
"""Optional fields of a snapshot that have a place for each region."""

Range = tuple[float, float]
"""The two ends of a range; infinite where it is open."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The part of a record that is asked for; None leaves nothing out."""

    address: Range | None = None
    """Bytes ``[low, high)``: regions are cut at these."""
    size: Range | None = None
    """Bytes, both ends included."""
    rate: Range | None = None
    """Share of samples with an access 0…1, both ends included."""
    age: Range | None = None
    """Seconds for which a region's pattern has held, both ends included."""
    time: Range | None = None
    """Seconds from the record's start: snapshots that ended after the first and not after the second."""
    target: int | None = None
    """A target's identifier."""

    def words(self) -> dict[str, str]:
        """Each filter that is set, by name, in words."""
        shown = {
            "address": lambda v: f"{int(v):#x}" if math.isfinite(v) else "",
            "size": lambda v: units.size(v) if math.isfinite(v) else "",
            "rate": lambda v: f"{v * 100:g} %" if math.isfinite(v) else "",
            "age": lambda v: units.duration(v) if math.isfinite(v) else "",
            "time": lambda v: f"{v:g} s" if math.isfinite(v) else "",
        }
        found = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "target" and value is not None:
                found["target"] = str(value)
            elif value is not None:
                low, high = (shown[item.name](v) for v in value)
                found[item.name] = f"{low or 'any'} … {high or 'any'}"
        return found


def parse_range(text: str, name: str, parse: Callable[[str, str], float], example: str, *, equal: bool = True) -> Range:
    """The two ends of ``A-B``, ``A-`` or ``-B``.

    Args:
        text: what the user wrote.
        name: the option, for the error.
        parse: reads one end.
        example: a range, for the error.
        equal: whether both ends may be the same.

    Raises:
        UsageError: the text is no range; the message names the option.
    """
    low, dash, high = text.partition("-")
    if not dash or not (low.strip() or high.strip()):
        raise UsageError(f"{name}: {text!r} is no range; write FROM-TO, such as {example}; either may be left out")
    limits = (
        parse(low, name) if low.strip() else 0.0,
        parse(high, name) if high.strip() else math.inf,
    )
    if limits[0] > limits[1] or (limits[0] == limits[1] and not equal):
        raise UsageError(f"{name}: {text!r} ends before it begins; write FROM-TO, such as {example}")
    return limits


def address_range(text: str) -> Range:
    """``--address``: ``0x100000000-0x180000000`` or ``4G-6G``."""
    return parse_range(text, "--address", units.parse_size, "0x100000000-0x180000000 or 4G-6G", equal=False)


def size_range(text: str) -> Range:
    """``--size``: ``4K-2M``."""
    return parse_range(text, "--size", units.parse_size, "64K-2M")


def rate_range(text: str) -> Range:
    """``--rate``: ``5%-100%``."""
    limits = parse_range(text, "--rate", units.parse_share, "5%-100%")
    if limits[0] > 1 or 1 < limits[1] < math.inf:
        raise UsageError(f"--rate: {text!r}: a rate is at most 100%")
    return limits


def _seconds(text: str, name: str) -> float:
    return units.parse_duration(text, name) / 1e6


def age_range(text: str) -> Range:
    """``--age``: ``10s-5m``, or seconds."""
    return parse_range(text, "--age", _seconds, "10s-5m")


def time_range(text: str) -> Range:
    """``--time``: ``60-120`` or ``1m-2m``."""
    return parse_range(text, "--time", _seconds, "60-120 or 1m-2m", equal=False)


def select(table: Table, intervals: Intervals, filters: Filters) -> tuple[Table, Intervals]:
    """The part of a record that passes the filters; arrays of regions are new only where regions are left out.

    Raises:
        SourceError: nothing is left, or the record has no intervals and a rate or an age was asked for.
    """
    if not intervals.known and (filters.rate is not None or filters.age is not None):
        raise SourceError(
            "cannot filter by rate or age", "the record holds no intervals", "give them: --sample 5ms --aggr 100ms"
        )
    if filters.time is not None and len(table):
        since = table.time - min(float(table.began[0]), float(table.time[0]))
        chosen = np.flatnonzero((since > filters.time[0]) & (since <= filters.time[1]))
        if not len(chosen):
            last = units.duration(float(since[-1]))
            raise SourceError("nothing to report", f"no snapshot is within --time; the record lasts {last}")
        table, intervals = _of_snapshots(table, chosen), intervals.take(chosen)
    before = len(table.start)
    table = _of_regions(table, intervals, filters)
    if not len(table.start):
        why = "no region passes the filters" if before else "there are no regions in it"
        raise SourceError("nothing to report", why)
    return table, intervals


def _of_snapshots(table: Table, chosen: NDArray[np.int64]) -> Table:
    # contiguous: time filters choose a stretch
    low, high = int(chosen[0]), int(chosen[-1]) + 1
    first, last = int(table.offsets[low]), int(table.offsets[high])
    return replace(
        table,
        time=table.time[low:high],
        began=table.began[low:high],
        wall=table.wall[low:high],
        offsets=table.offsets[low : high + 1] - first,
        **{name: getattr(table, name)[first:last] for name in ("start", "end", "nr_accesses", "age", "target")},
        condition_of=table.condition_of[low:high],
        extra={index - low: extra for index, extra in table.extra.items() if low <= index < high},
        nanoseconds=None if table.nanoseconds is None else table.nanoseconds[low:high],
    )


def _of_regions(table: Table, intervals: Intervals, filters: Filters) -> Table:
    start, end = table.start, table.end
    keep = start < end  # a file may hold empty ones
    if filters.target is not None:
        # the index that the target has in each combination, -1 where it is not there
        index = [b.targets.index(filters.target) if filters.target in b.targets else -1 for b in table.conditions]
        if max(index, default=-1) < 0:
            known = sorted({target for b in table.conditions for target in b.targets})
            shown = ", ".join(map(str, known[:10])) + (" …" if len(known) > 10 else "")
            raise UsageError(f"--target: there is no target {filters.target} in it; there are: {shown}")
        keep &= table.target == np.array(index, np.int64)[table.condition_of][snapshot_of(table)]
    if filters.address is not None:
        most = np.iinfo(np.int64).max
        low, high = (int(min(v, most)) for v in filters.address)
        start, end = np.clip(start, low, high), np.clip(end, low, high)
        keep &= start < end
    sizes = end - start
    if filters.size is not None:
        keep &= (sizes >= filters.size[0]) & (sizes <= filters.size[1])
    if filters.rate is not None:
        rates = table.nr_accesses / intervals.most[snapshot_of(table)]
        keep &= (rates >= filters.rate[0] - 1e-12) & (rates <= filters.rate[1] + 1e-12)
    if filters.age is not None:
        held = seconds_held(table, intervals)
        keep &= (held >= filters.age[0] - 1e-9) & (held <= filters.age[1] + 1e-9)
    if start is table.start and keep.all():
        return table
    counts = np.bincount(snapshot_of(table)[keep], minlength=len(table))
    extra = dict(table.extra)
    for place, beside in table.extra.items():
        if own := [name for name in _OF_REGIONS if name in beside]:
            here = slice(int(table.offsets[place]), int(table.offsets[place + 1]))
            chosen = np.flatnonzero(keep[here])
            share = sizes[here][chosen] / np.maximum((table.end - table.start)[here][chosen], 1)
            part = counted.taken(table.snapshot(place), chosen, None if filters.address is None else share)
            extra[place] = beside | {name: getattr(part, name) for name in own}
    return replace(
        table,
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        start=start[keep],
        end=end[keep],
        nr_accesses=table.nr_accesses[keep],
        age=table.age[keep],
        target=table.target[keep],
        extra=extra,
    )
