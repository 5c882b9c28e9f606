"""News and measured memory made by hand: an aggregation that is under way, and a process whose bytes are counted."""

from __future__ import annotations

import math
from dataclasses import replace

from damontui.damon.snapshot import Interim, Measured, ModuleValues, Snapshot, ints
from tests import make

MIB = 1 << 20
GIB = 1 << 30

NAMES = ("/usr/bin/postgres", "[heap]", "shared buffers", "archive.dat", "[stack]")
MAPPED = (24, 512, 256, 280, 8)
"""MiB of address space of each mapping."""
RESIDENT = (16, 240, 128, 40, 0)
"""MiB in memory; of the archive's pages and the stack's most, or all, are not."""
TIMES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0)


def _used(second: float) -> list[list[float]]:
    """MiB touched of each mapping within each of `TIMES`, at a moment: buffers breathe, the archive wakes at times."""
    breath = 8 + 8 * math.sin(second / 9)
    read = 24 if second % 60 < 20 else 0
    return [
        [4, 4, 6, 6, 8, 8, 8, 8],
        [60, 60, 62, 80, 84, 90, 96, 96],
        [breath, breath, breath * 2, breath * 2 + 8, 64, 72, 88, 96],
        [read, read, read, read, read, 24, 24, 24],
        [0] * len(TIMES),
    ]


def process(second: float = 120.0) -> Snapshot:
    """A process of 1,080 MiB mapped, 424 in memory, after so many seconds; read once a second."""
    count = max(2, sum(one <= second for one in TIMES))
    used = ints([[round(value * MIB) for value in row[:count]] for row in _used(second)])
    rows = []
    at = 0x5600_0000_0000
    for name, mapped, row, resident in zip(NAMES, MAPPED, used.tolist(), RESIDENT, strict=True):
        if name == "shared buffers":
            at = 0x7F00_0000_0000
        hot = round(20 * row[2 if count > 2 else 1] / max(1, resident * MIB))
        rows.append((at, at + mapped * MIB, min(20, hot), 3))
        at += mapped * MIB
    total = used.sum(axis=0)
    made = make.snapshot(
        rows,
        second,
        origin="process",
        names=NAMES,
        resident=ints(RESIDENT) * MIB,
        measured=Measured(
            seconds=TIMES[:count],
            used=used,
            least=total - 4 * MIB,
            most=total + 4 * MIB,
            kinds=ints([[4, 12, 0], [240, 0, 0], [0, 0, 128], [0, 40, 0], [0, 0, 0]]) * MIB,
            swapped=12 * MIB,
            huge=64 * MIB,
            mapped=sum(MAPPED) * MIB,
            longest_pause=0.0118,
        ),
        watched=second,
        cpu=0.011,
    )
    return replace(made, began=second - 1)


def processes(count: int = 240) -> list[Snapshot]:
    """A second each."""
    return [process(float(second)) for second in range(1, count + 1)]


def interim(second: float = 5.0, share: int = 12) -> Interim:
    """A module that has found ``share`` % of 3 GiB in use, 31 s before its aggregation is whole."""
    values = tuple(-100_000 if p <= share else round((p / 100) ** 2 * 390_000) for p in range(101))
    return Interim(
        time=second,
        wall=make.WALL + second,
        module=ModuleValues(True, 42_000_000, values, 100_000_000, 123),
        total=3 * GIB,
        free=round(1.4 * GIB),
        large=((4711, "python3", round(1.8 * GIB)), (812, "postgres", 424 * MIB), (1, "systemd", 14 * MIB)),
        began=second - 69,
        due=second + 31,
    )
