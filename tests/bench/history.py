"""What a day costs: memory and time of `History` at each aggregation interval and number of regions.

Run: ``python tests/bench/history.py [HOURS]``. Prints one line a case.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace

import numpy as np

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Snapshot, ints
from damontui.history import History


def scene(regions: int, seconds: float, seed: int) -> Snapshot:
    """64 GiB in adjacent regions of random sizes, a tenth of them in use."""
    rng = np.random.default_rng(seed)
    edges = np.concatenate(([0], np.unique(rng.integers(1, 1 << 24, regions - 1)), [1 << 24])) * 4096
    used = rng.random(len(edges) - 1) < 0.1
    attrs = Attrs(sample_us=int(seconds * 50_000), aggr_us=int(seconds * 1e6), goal=None)
    return Snapshot(
        time=0.0,
        began=0.0,
        wall=0.0,
        attrs=attrs,
        next_attrs=attrs,
        start=ints(edges[:-1]),
        end=ints(edges[1:]),
        nr_accesses=np.where(used, rng.integers(1, 21, len(edges) - 1), 0),
        age=rng.integers(0, 1000, len(edges) - 1),
        target=np.zeros(len(edges) - 1, dtype=np.int64),
        origin="simulated",
    )


def case(hours: float, seconds: float, regions: int) -> str:
    """One line: what was kept of that many hours, in which memory, at which cost."""
    made = [scene(regions, seconds, seed) for seed in range(64)]
    history = History()
    count = int(hours * 3600 / seconds)
    began, slowest = time.process_time(), 0.0
    for index in range(1, count + 1):
        one = made[index % 64]
        now = index * seconds
        start = time.process_time()
        # new arrays, as a source makes them
        fresh = {name: getattr(one, name).copy() for name in ("start", "end", "nr_accesses", "age", "target")}
        history.append(replace(one, time=now, began=now - seconds, wall=now, **fresh))
        slowest = max(slowest, time.process_time() - start)
    used = time.process_time() - began
    now = count * seconds
    steps = ", ".join(
        f"{name} ago {history.resolution_at(now - ago):g} s"
        for name, ago in (("1 min", 60), ("10 min", 600), ("1 h", 3600), (f"{hours:g} h", hours * 3600 - seconds))
        if ago < now
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return (
        f"{seconds:g} s, {regions} regions: {count} snapshots in {len(history)} entries, "
        f"{history.bytes / 2**20:.1f} MiB counted, {peak} MiB resident at most, "
        f"{used / count * 1e6:.0f} µs a snapshot (slowest {slowest * 1e3:.1f} ms); {steps}"
    )


def main() -> None:
    """Every case."""
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 24.0
    for seconds, regions in ((2.0, 100), (2.0, 1000), (0.1, 100), (0.1, 1000)):
        print(case(hours, seconds, regions), flush=True)


if __name__ == "__main__":
    main()
