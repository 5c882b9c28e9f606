"""What one update of 1,000 regions costs: ``python -m tests.bench update``.

From the trace's text, and from tried_regions on a made-up tree, each to a snapshot with its bandwidth and percentiles;
beside damo's ``report access`` of a record that holds the same regions. damo's row leaves out what it does to the
kernel's files before it reports, which is more than that.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Snapshot, ints
from damontui.kernel.damon_sysfs import ADMIN, Kdamond
from damontui.kernel.root import Root
from damontui.kernel.trace_parser import TraceParser
from damontui.records import files
from damontui.records.table import table_of
from damontui.sources.cost import KdamondCost
from damontui.sources.intervals import IntervalTracker
from damontui.sources.traced import TracedRun

AIM = 50
"""Times cheaper than damo."""
REGIONS = 1000


def run(smoke: bool) -> list[dict[str, Any]]:
    """A row for each way, with CPU milliseconds of one update and how many times cheaper than damo that is."""
    rounds = 3 if smoke else 200
    rng = np.random.default_rng(1)
    start = np.arange(REGIONS, dtype=np.int64) * (64 << 20)
    counts, ages = rng.integers(0, 21, REGIONS), rng.integers(0, 1000, REGIONS)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        folder = Path(name)
        rows: list[dict[str, Any]] = [
            {"from": "trace text", "ms": _best(_traced(start, counts, ages, folder), rounds)},
            {"from": "tried_regions", "ms": _best(_tried(start, counts, ages, folder), rounds)},
        ]
        damo = _damo(start, counts, ages, folder, 1 if smoke else 5)
    if isinstance(damo, str):
        return [*rows, {"from": "damo report access", "skipped": damo}]
    for row in rows:
        row["times_cheaper"] = round(damo / row["ms"], 1)
        row["of_aim"] = round(damo / row["ms"] / AIM, 2)
        row["ms"] = round(row["ms"], 3)
    return [*rows, {"from": "damo report access", "ms": round(damo, 1), "times_cheaper": 1.0}]


def _best(update: Callable[[], Snapshot], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        snapshot = update()
        metrics.bandwidth(snapshot)
        metrics.idle_percentiles(snapshot)
        best = min(best, time.process_time() - begin)
        assert len(snapshot) == REGIONS
    return best * 1000


def _traced(start: Any, counts: Any, ages: Any, folder: Path) -> Callable[[], Snapshot]:
    text = "".join(
        f"  kdamond.0-154     [001] .l...  12.000000: damon_aggregated: target_id=0 nr_regions={REGIONS} "
        f"{a}-{a + (64 << 20)}: {n} {g}\n"
        for a, n, g in zip(start.tolist(), counts.tolist(), ages.tolist(), strict=True)
    ).encode()
    parser = TraceParser(targets=1)
    intervals = IntervalTracker(Attrs(), attrs=Attrs(), sure=True, clock=lambda: 12.0)
    cost = KdamondCost(Root(folder), lambda: 12.0)
    run = TracedRun(intervals, cost, clock=lambda: 12.0, wall=lambda: 1e9, born=None, whole=True)
    return lambda: run.take(parser.feed(text)[0], "")[0]


def _tried(start: Any, counts: Any, ages: Any, folder: Path) -> Callable[[], Snapshot]:
    tried = folder / ADMIN / "0/contexts/0/schemes/0/tried_regions"
    for index, (a, n, g) in enumerate(zip(start.tolist(), counts.tolist(), ages.tolist(), strict=True)):
        (tried / str(index)).mkdir(parents=True)
        for name, value in {"start": a, "end": a + (64 << 20), "nr_accesses": n, "age": g}.items():
            (tried / str(index) / name).write_text(f"{value}\n")
    (folder / ADMIN / "0/state").write_text("on\n")
    kdamond = Kdamond(Root(folder), "paddr", (), Attrs())

    def update() -> Snapshot:
        begin, end, nr_accesses, age = kdamond.regions()
        return Snapshot(
            12.0, 11.9, 1e9, Attrs(), begin, end, nr_accesses, age, ints([0] * len(begin)), "kernel", Attrs()
        )

    return update


def _damo(start: Any, counts: Any, ages: Any, folder: Path, rounds: int) -> float | str:
    """CPU milliseconds of one report, or why there is none."""
    tool = Path(sys.executable).with_name("damo")
    if not tool.exists():
        return "damo is not installed"
    if shutil.which("file") is None:
        return "damo needs the file command"
    attrs, zeros = Attrs(), ints([0] * REGIONS)
    snapshot = Snapshot(
        12.0, 11.9, 1e9, attrs, start + 0, start + (64 << 20), counts, ages, zeros, "kernel", attrs
    )  # fmt: skip
    record = table_of(Description("paddr", "", "kernel", attrs), [snapshot, snapshot])
    files.write(record, folder / "record", "json-compressed")
    best = float("inf")
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [tool, "report", "access", "--input", folder / "record", "--repeat", "0", "1"],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            return f"damo failed: {(done.stderr.strip().splitlines() or ['no word'])[-1][:80]}"
        if "addr" not in done.stdout:
            return "damo printed no regions"
        best = min(best, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return best * 1000 / 2  # the record holds the regions twice: damo pads a record of one snapshot
