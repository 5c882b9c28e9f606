"""Snapshots made by hand, for tests that need no engine and no kernel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from damontui.damon.attrs import Attrs
from damontui.damon.metrics import percentiles_of
from damontui.damon.snapshot import (
    Description,
    Measured,
    ModuleValues,
    Origin,
    Snapshot,
    Status,
    Truth,
    ints,
)
from damontui.records.table import Table

MIB = 1 << 20
GIB = 1 << 30
WALL = 1_767_225_600.0
"""2026-01-01 00:00:00 UTC: the wall clock at source time 0."""

ATTRS = Attrs(sample_us=50_000, aggr_us=1_000_000)
"""Tuned a little: 50 ms, 20 samples, 1 s."""

Row = tuple[int, int, int, int]
"""start, end, nr_accesses, age."""


def snapshot(
    rows: Sequence[Row],
    time: float = 1.0,
    *,
    attrs: Attrs = ATTRS,
    next_attrs: Attrs | None = None,
    origin: Origin = "kernel",
    target: Sequence[int] | None = None,
    targets: tuple[int, ...] = (0,),
    until_tuning: int | None = 2,
    cpu: float | None = 0.003,
    **beside: Any,
) -> Snapshot:
    """A snapshot of ``rows`` (start, end, nr_accesses, age) whose aggregation ended at ``time``; any further field."""
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return Snapshot(
        time=time,
        began=time - attrs.aggr_us / 1e6,
        wall=WALL + time,
        attrs=attrs,
        start=ints(columns[0]),
        end=ints(columns[1]),
        nr_accesses=ints(columns[2]),
        age=ints(columns[3]),
        target=ints(target if target is not None else [0] * len(rows)),
        origin=origin,
        next_attrs=next_attrs or attrs,
        targets=targets,
        until_tuning=until_tuning,
        cpu=cpu,
        **beside,
    )


HEAP, MAPS, STACK = 0x55D0_C000_0000, 0x7F12_0000_0000, 0x7FFE_0000_0000
"""Where processes have their memory."""


def many_targets(count: int, time: float = 1.0) -> Snapshot:
    """So many processes, each with a heap, a library and a stack; each heap is larger than the one before."""
    rows: list[Row] = []
    for number in range(count):
        rows += [
            (HEAP, HEAP + (number + 1) * MIB, 20, 3),
            (MAPS, MAPS + 2 * MIB, 0, 3),
            (STACK, STACK + MIB, 1 + number % 10, 3),
        ]
    places = [place // 3 for place in range(3 * count)]
    return snapshot(rows, time, target=places, targets=tuple(range(1000, 1000 + count)))


def steady_rows(step: int, *, base: int = 4096 * 256) -> list[Row]:
    """About 3 GiB: a hot heap, a warm cache that breathes, a scan that passes by, and idle memory. Deterministic."""
    breath = round(3 + 3 * math.sin(step / 9))
    scan = step * 3 % 40
    rows: list[Row] = []
    at = base

    def put(size: int, accesses: int, age: int) -> None:
        nonlocal at
        rows.append((at, at + size, accesses, age))
        at += size

    put(384 * MIB, 0, 35 + step)
    put(160 * MIB, 1, 4 + step % 5)
    put(224 * MIB, 0, 90 + step)
    for part in range(8):  # a scan over 512 MiB
        put(64 * MIB, 4 if part == scan // 5 else 0, 0 if part == scan // 5 else (scan // 5 - part) % 8)
    put(96 * MIB, 14, 55 + step)
    put(64 * MIB, 9, 12 + step)
    for part in range(4):
        put(64 * MIB, max(0, breath - part), 1 + step % 3)
    put(896 * MIB, 0, 96 + step)
    put(480 * MIB, 0, 90 + step)
    return rows


def steady(
    count: int = 240, *, origin: Origin = "kernel", module: ModuleValues | None = None, truth: bool = False
) -> list[Snapshot]:
    """``count`` snapshots of a steady scene, a second each, with intervals that tune themselves at first."""
    out = []
    for step in range(count):
        sample = min(50_000, 30_000 + 900 * (step // 9)) + (step % 7) * 350
        attrs = Attrs(sample_us=sample, aggr_us=sample * 20)
        made = snapshot(
            steady_rows(step),
            float(step + 1),
            attrs=attrs,
            origin=origin,
            until_tuning=3 - step % 3,
            module=module,
            truth=_truth(step) if truth else None,
        )
        out.append(replace(made, began=float(step)))
    return out


def _truth(step: int) -> Truth:
    rows = steady_rows(step)
    idle = ints([-(age + 2) * 990 if accesses else (age + 1) * 1015 for _, _, accesses, age in rows])
    sizes = ints([end - start for start, end, _, _ in rows])
    touched = int(np.sum(sizes[idle < 0]))
    return Truth(working_set_bytes=touched, bandwidth=5.1e9, idle_ms_percentiles=percentiles_of(idle, sizes))


def many_regions(count: int = 1_000, step: int = 0, *, total: int = 64 * GIB, time: float = 1.0) -> Snapshot:
    """A snapshot of ``count`` equal regions whose pattern moves with ``step``."""
    page = 4096
    size = total // count // page * page
    start = np.arange(count, dtype=np.int64) * size
    hot = np.sin(np.arange(count) / 37.0 + step / 11.0)
    accesses = np.clip(hot * 20, 0, 20).astype(np.int64)
    made = snapshot([], time)
    return replace(
        made,
        start=start,
        end=start + size,
        nr_accesses=accesses,
        age=(np.arange(count) + step) % 120,
        target=np.zeros(count, dtype=np.int64),
        until_tuning=3 - step % 3,
    )


def description(origin: Origin = "kernel", **changes: object) -> Description:
    """DAMON_STAT on a machine called lab; or the synthetic memory of the first run."""
    if origin == "simulated":
        made = Description("demo:server", "synthetic memory: server", "simulated", ATTRS, speed=60.0)
    else:
        made = Description("stat", "DAMON_STAT", origin, ATTRS, host="lab", kernel="7.2.13")
    return replace(made, **changes)  # type: ignore[arg-type]


def module_values(*, bandwidth: int = 3_100_000_000, enabled: bool = True) -> ModuleValues:
    """What DAMON_STAT itself might say of the steady scene."""
    rising = tuple(-55_000 + round((p / 100) ** 2 * 390_000) for p in range(101))
    return ModuleValues(enabled, bandwidth, rising, 1_000_000, 123)


def process(
    time: float = 60.0,
    *,
    mappings: int = 3,
    seconds: Sequence[float] = (0.1, 1.0, 10.0, 60.0),
    seed: int = 1,
    mib: int = 64,
) -> Snapshot:
    """A process whose bytes were counted: mappings of up to ``mib``, gaps between, part of each not in memory.

    Deterministic; which bytes are touched within each time differs from second to second.
    """
    rng = np.random.default_rng([seed, int(time)])
    fixed = np.random.default_rng(seed)
    page = 4096
    sizes = fixed.integers(1, mib * MIB // page, mappings) * page
    start = np.cumsum(sizes * 2) - sizes + (1 << 40)
    resident = np.floor(sizes // page * fixed.random(mappings)).astype(np.int64) * page
    steps = fixed.random((mappings, len(seconds))) * (fixed.random((mappings, 1)) < 0.3) / len(seconds)
    steps *= rng.uniform(0.8, 1.0, (mappings, 1))
    used = np.floor(np.cumsum(steps, axis=1) * resident[:, None] / page).astype(np.int64) * page
    anon = np.where(np.arange(mappings) % 3 > 0, resident, 0)
    total = used.sum(axis=0)
    made = snapshot([], time, origin="process", targets=(1234,), until_tuning=None)
    return replace(
        made,
        start=start,
        end=start + sizes,
        nr_accesses=np.ceil(used[:, 0] / np.maximum(resident, 1) * 20).astype(np.int64),
        age=np.zeros(mappings, dtype=np.int64),
        target=np.zeros(mappings, dtype=np.int64),
        names=tuple("[heap]" if not i else f"libpart{i}.so" for i in range(mappings)),
        resident=resident,
        measured=Measured(
            tuple(seconds),
            used,
            total - 2 * page * (total > 2 * page),
            np.minimum(total + 2 * page, int(resident.sum())),
            np.stack((anon, resident - anon, np.zeros_like(anon)), axis=1),
            swapped=3 * MIB,
            huge=0,
            mapped=int(sizes.sum()),
            longest_pause=0.012,
        ),
        watched=seconds[-1],
    )


def status(state: str, text: str = "", time: float = 0.0) -> Status:
    """A change of state at ``time``."""
    return Status(state, text, time, WALL + time)  # type: ignore[arg-type]


PARTS = (
    "kernel",
    "code",
    "cold heap",
    *["scanned file"] * 8,
    "hot core",
    "cache",
    *["buffers"] * 4,
    "archive",
    "spare",
)
"""What is mapped at each of `steady_rows`."""


def named(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """The steady scene with names on its memory."""
    return [replace(one, names=PARTS) for one in snapshots]


def haystack(count: int = 120) -> list[Snapshot]:
    """64 GiB in which one page is used all the time, and a quarter GiB now and then."""
    page = 37 * GIB + 123 * 4096
    out = []
    for step in range(count):
        warm = step % 40 < 10
        rows = [
            (4096, 20 * GIB, 0, 90 + step),
            (20 * GIB, 20 * GIB + 256 * MIB, 2 if warm else 0, step % 40 if warm else step % 40 - 10),
            (20 * GIB + 256 * MIB, page, 0, 90 + step),
            (page, page + 4096, 20, 90 + step),
            (page + 4096, 64 * GIB, 0, 90 + step),
        ]
        out.append(snapshot(rows, float(step + 1)))
    return out


def same_records(one: Table, other: Table) -> bool:
    """Whether two tables hold the same regions, counts, ages, times, intervals and targets."""
    arrays = ("offsets", "start", "end", "nr_accesses", "age", "target")
    return (
        all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
        and [one.ns(i) for i in range(len(one))] == [other.ns(i) for i in range(len(other))]
        and [one.conditions[i] for i in one.condition_of.tolist()]
        == [other.conditions[i] for i in other.condition_of.tolist()]
    )
