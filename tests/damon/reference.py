"""What the arrays must agree with: one region after another, and the kernel's own output as it printed it."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.regions import Regions

DATA = Path(__file__).parents[1] / "data"
CAPTURES = ("kernel-7.2-steady", "kernel-6.18-short", "kernel-7.2-warm")

Row = tuple[int, ...]
"""``start end nr_accesses last_nr_accesses age target`` of one region."""


def rows(regions: Regions) -> list[Row]:
    columns = (
        regions.start,
        regions.end,
        regions.nr_accesses,
        regions.last_nr_accesses,
        regions.age,
        regions.target,
    )
    return [tuple(row) for row in np.stack(columns, axis=1).tolist()]


def regions_of(table: list[Row]) -> Regions:
    return Regions(*np.array(table, dtype=np.int64).reshape(-1, 6).T.copy())


def merged(table: list[Row], threshold: int, size_limit: int) -> list[Row]:
    """One pass of the kernel's merge, region by region, without ages being counted."""
    result: list[list[int]] = []
    for start, end, nr_accesses, last, age, target in table:
        if result:
            before = result[-1]
            left, right = before[1] - before[0], end - start
            alike = abs(before[2] - nr_accesses) <= threshold
            if before[1] == start and before[5] == target and alike and left + right <= size_limit:
                before[1] = end
                before[2] = (before[2] * left + nr_accesses * right) // (left + right)
                before[4] = (before[4] * left + age * right) // (left + right)
                continue
        result.append([start, end, nr_accesses, last, age, target])
    return [tuple(row) for row in result]


def merged_to(table: list[Row], threshold: int, size_limit: int, max_regions: int, max_nr_accesses: int) -> list[Row]:
    while True:
        table = merged(table, threshold, size_limit)
        if len(table) <= max_regions or threshold >= max_nr_accesses:
            return table
        threshold = min(max(1, 2 * threshold), max_nr_accesses)


def assert_regions(regions: Regions, ranges: list[list[tuple[int, int]]]) -> None:
    """Sorted, disjoint, page-aligned, inside their target's ranges and covering them whole."""
    table = rows(regions)
    assert table == sorted(table, key=lambda row: (row[5], row[0]))
    for index, target in enumerate(ranges):
        own = [(row[0], row[1]) for row in table if row[5] == index]
        assert all(start < end and start % PAGE_SIZE == end % PAGE_SIZE == 0 for start, end in own)
        assert all(left[1] <= right[0] for left, right in itertools.pairwise(own))
        assert all(any(low <= start and end <= high for low, high in target) for start, end in own)
        assert sum(end - start for start, end in own) == sum(high - low for low, high in target)
    assert all(0 <= row[5] < len(ranges) for row in table)


@dataclass(frozen=True)
class Aggregation:
    """The regions of one traced aggregation; ``sample_us`` where it ended with a tuning step."""

    time: float
    sizes: np.ndarray
    nr_accesses: np.ndarray
    age: np.ndarray
    sample_us: int | None


def aggregations(capture: str) -> list[Aggregation]:
    """The whole aggregations of a capture's trace, in order."""
    result: list[Aggregation] = []
    sample_us: int | None = None
    pending: list[tuple[int, int, int]] = []
    for line in (DATA / capture / "trace.txt").read_text().splitlines():
        tune = re.search(r"damon_monitor_intervals_tune: sample_us=(\d+)", line)
        if tune:
            assert not pending, "a tuning step within the regions of an aggregation"
            sample_us = int(tune[1])
            continue
        found = re.search(r" ([\d.]+): damon_aggregated: target_id=0 nr_regions=(\d+) (\d+)-(\d+): (\d+) (\d+)", line)
        assert found, line
        pending.append((int(found[4]) - int(found[3]), int(found[5]), int(found[6])))
        if len(pending) == int(found[2]):
            columns = np.array(pending, dtype=np.int64).T
            result.append(Aggregation(float(found[1]), *columns, sample_us))
            pending, sample_us = [], None
    return result


def refreshes(capture: str) -> list[tuple[float, float, int, tuple[int, ...]]]:
    """Each refresh of the module's values: between which two times it came, the aggregation interval, percentiles."""
    result = []
    before: dict[str, str] = {}
    for line in (DATA / capture / "stat.jsonl").read_text().splitlines():
        values = json.loads(line)
        names = ("estimated_memory_bandwidth", "memory_idle_ms_percentiles")
        if any(values[name] != before.get(name) for name in names):
            idle = tuple(map(int, values["memory_idle_ms_percentiles"].split(",")))
            result.append((float(before.get("t", "-inf")), values["t"], int(values["aggr_interval_us"]), idle))
        before = values
    return result
