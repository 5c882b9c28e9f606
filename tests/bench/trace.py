"""How many regions a second are read from trace text: ``python -m tests.bench trace``."""

from __future__ import annotations

import random
import time
from typing import Any

from damontui.kernel.trace_parser import TraceParser

AIM = 1_000_000
"""Regions a second."""
PIECE = 1 << 16


def trace(regions: int, total: int) -> bytes:
    """Trace text of ``total`` regions in aggregations of ``regions``, a tuning line at every third."""
    generator = random.Random(regions)
    lines = []
    for number in range(total // regions):
        clock = 10_000_000 + number * 100_000
        if number % 3 == 2:
            lines.append(
                f"  kdamond.0-154     [001] .....  {clock / 1e6:.6f}: damon_monitor_intervals_tune: sample_us=5000\n"
            )
        start = 4096
        for index in range(regions):
            end = start + generator.randrange(1, 16_384) * 4096
            lines.append(
                f"  kdamond.0-154     [001] .l...  {(clock + index) / 1e6:.6f}: damon_aggregated: target_id=0 "
                f"nr_regions={regions} {start}-{end}: {generator.randrange(21)} {generator.randrange(300)}\n"
            )
            start = end
    return "".join(lines).encode()


def run(smoke: bool) -> list[dict[str, Any]]:
    """One row for each number of regions to an aggregation; the best of some runs, in CPU time."""
    rows = []
    for regions in (10, 18, 100, 1000):
        total = 3_000 if smoke else 300_000
        text = trace(regions, total)
        best = float("inf")
        for _ in range(1 if smoke else 5):
            parser = TraceParser(targets=1)
            begin = time.process_time()
            found = sum(len(one) for at in range(0, len(text), PIECE) for one in parser.feed(text[at : at + PIECE]))
            best = min(best, time.process_time() - begin)
            assert found == total // regions * regions
        rows.append(
            {
                "regions": regions,
                "megabytes": round(len(text) / 1e6, 1),
                "seconds": round(best, 4),
                "regions_per_s": round(found / best),
                "of_aim": round(found / best / AIM, 2),
            }
        )
    return rows
