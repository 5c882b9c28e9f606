"""Cost of one look at a process through /proc (clear_refs, smaps, everything up to the region counts), by its memory.

CPU time of our own thread, system time included: what the budget bounds. The load only holds its memory meanwhile.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from damontui.damon.attrs import Attrs
from damontui.damon.context import Context
from damontui.kernel import process_files as files
from damontui.kernel.root import Root
from damontui.operations.process import ProcessOperations, identify
from damontui.sources.process import BUDGET

ROOT = Root("/")
ATTRS = Attrs(sample_us=100_000, aggr_us=1_000_000, update_us=1_000_000, goal=None)
SIZES_MIB = (10, 100, 500, 1_000)
_WARM = 2


def run(smoke: bool) -> list[dict[str, Any]]:
    """One row a size; a row with a reason where accessed bits cannot be cleared here."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        return [{"skipped": "clear_refs of our own process cannot be written here"}]
    return [look(mib, 3 if smoke else 30) for mib in (SIZES_MIB[:1] if smoke else SIZES_MIB)]


def look(mib: int, rounds: int) -> dict[str, Any]:
    """The parts of one look at a process with ``mib`` MiB of its own in four areas, medians in milliseconds."""
    script = Path(__file__).parents[1] / "process_load.py"
    words = [f"area{n}:{max(1, mib // 4)}:0" for n in range(4)]
    with subprocess.Popen([sys.executable, str(script), "1000", *words], stdout=subprocess.PIPE, text=True) as load:
        try:
            assert load.stdout is not None
            json.loads(load.stdout.readline())
            operations = ProcessOperations(ROOT, [identify(ROOT, load.pid)], np.random.default_rng(1))
            context = Context(operations, ATTRS, np.random.default_rng(2), origin="process")
            whole, clear, read, parse = [], [], [], []
            for n in range(_WARM + rounds):
                marks = [time.thread_time()]
                context.prepare()
                marks.append(time.thread_time())
                time.sleep(0.02)
                waited = time.thread_time()
                context.check()
                marks.append(time.thread_time())
                text = files.read(ROOT, f"proc/{load.pid}/smaps")
                marks.append(time.thread_time())
                files.parse_smaps(text)
                marks.append(time.thread_time())
                if n >= _WARM:
                    whole.append(marks[2] - waited + marks[1] - marks[0])
                    clear.append(marks[1] - marks[0])
                    read.append(marks[3] - marks[2])
                    parse.append(marks[4] - marks[3])
            rss = files.rollup(ROOT, load.pid).rss
            mappings = len(files.maps(ROOT, load.pid))
        finally:
            load.kill()
    cost = statistics.median(whole)
    return {
        "rss_mb": round(rss / 1e6),
        "mappings": mappings,
        "look_ms": round(cost * 1e3, 2),
        "clear_refs_ms": round(statistics.median(clear) * 1e3, 2),
        "smaps_ms": round(statistics.median(read) * 1e3, 2),
        "parse_ms": round(statistics.median(parse) * 1e3, 2),
        "sampling_ms_at_2_percent": math.ceil(cost / BUDGET * 1e3),
    }
