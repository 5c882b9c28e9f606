"""A process watched through /proc: what it feels, what we take, and how far from the truth its working set is told.

The victim touches its hot memory at once after each other pass and maps and unmaps memory meanwhile, which has to wait
while somebody walks its page tables; it tells how long each pass took. CPU time is this process's (getrusage, system
time included) from the first call of the source on, without what the bench itself does with a snapshot: what the budget
bounds. It is told up to each whole second, as a share of all the time so far.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from damontui.analysis import usage
from damontui.damon.snapshot import Snapshot
from damontui.kernel.root import Root
from damontui.sources.process import ProcessSource

ROOT = Root("/")
SIZES_MIB = (100, 400, 2_048)
_VICTIM = Path(__file__).parents[1] / "process_victim.py"


def run(smoke: bool) -> list[dict[str, Any]]:
    """One row a size; a row with a reason where accessed bits cannot be cleared here."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        return [{"skipped": "clear_refs of our own process cannot be written here"}]
    return [look(mib, 2.5 if smoke else 20.0) for mib in (SIZES_MIB[:1] if smoke else SIZES_MIB)]


def look(mib: int, seconds: float) -> dict[str, Any]:
    """A victim of ``mib`` MiB, a fifth of it hot, first alone and then watched for ``seconds``."""
    with subprocess.Popen(
        [sys.executable, str(_VICTIM), str(mib), str(mib // 5)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    ) as victim:
        assert victim.stdout is not None
        assert victim.stdin is not None
        try:
            hot = json.loads(victim.stdout.readline())
            alone = _passes(victim, seconds)
            shares, errors, pause, first, every = _watch(victim.pid, seconds, hot)
            watched = _passes(victim, 0.0)
        finally:
            victim.kill()
    row: dict[str, Any] = {"mib": mib}
    for name, values in (("alone", alone), ("watched", watched)):
        for share in (50, 99, 100):
            row[f"p{share}_ms_{name}"] = round(float(np.percentile(values, share)) * 1e3, 2)
    return row | {
        "longest_pause_ms": round(pause * 1e3, 1),
        "cpu_percent_worst_from_1s": round(100 * max(shares), 2),
        "cpu_percent_at_snapshots": [round(100 * one, 1) for one in shares[:8]],
        "hot_error_percent_from_2s": first,
        "hot_error_percent_worst_after": round(100 * max(errors, default=0.0), 2),
        "snapshots_every_s": round(every, 2),
    }


def _passes(victim: subprocess.Popen[str], seconds: float) -> list[float]:
    """How long each pass took since this was asked last, and for so many seconds more."""
    assert victim.stdin is not None
    assert victim.stdout is not None
    time.sleep(seconds)
    victim.stdin.write("tell\n")
    victim.stdin.flush()
    return [float(one) for one in json.loads(victim.stdout.readline())]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _watch(
    pid: int, seconds: float, hot: dict[str, int]
) -> tuple[list[float], list[float], float, float | None, float]:
    """CPU share up to each snapshot, errors after 2 s, longest pause, error at 2 s, distance of snapshots."""
    shares: list[float] = []
    errors: list[float] = []
    pause, first, times = 0.0, None, []
    with ProcessSource(ROOT, [pid], max_pause=10.0) as source:
        began, before = time.monotonic(), _cpu()
        for event in source.snapshots(threading.Event()):
            now, cpu = time.monotonic() - began, _cpu()
            if isinstance(event, Snapshot):
                times.append(now)
                # a snapshot is handed over after it was paid for: this is the worst moment of its second
                shares.append((cpu - before) / max(now, 1.0))
                here = (event.start < hot["address"] + hot["bytes"]) & (event.end > hot["address"])
                used = float(usage.used_by_region(event, 1.0)[here].sum())
                error = abs(used / hot["bytes"] - 1)
                if first is None and now > 1.9:
                    first = round(100 * error, 2)
                elif now > 1.9:
                    errors.append(error)
                assert event.measured is not None
                pause = event.measured.longest_pause
            if now >= seconds:
                break
            before += _cpu() - cpu
    every = (times[-1] - times[0]) / max(1, len(times) - 1)
    return shares, errors, pause, first, every
