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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from damontui.analysis import usage
from damontui.damon.snapshot import Snapshot
from damontui.kernel.root import Root
from damontui.sources.process import ProcessSource

ROOT = Root("/")
VICTIMS = ((100, "one"), (400, "one"), (2_048, "one"), (400, "many"), (2_048, "many"))
"""MiB, and whether they are one mapping or one each."""
_VICTIM = Path(__file__).parents[1] / "process_victim.py"


def run(smoke: bool) -> list[dict[str, Any]]:
    """One row a size; a row with a reason where accessed bits cannot be cleared here."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        return [{"skipped": "clear_refs of our own process cannot be written here"}]
    return [look(mib, kind, 2.5 if smoke else 20.0) for mib, kind in (VICTIMS[:1] if smoke else VICTIMS)]


def look(mib: int, kind: str, seconds: float) -> dict[str, Any]:
    """A victim of ``mib`` MiB, a fifth of it hot, first alone and then watched for ``seconds``."""
    with subprocess.Popen(
        [sys.executable, str(_VICTIM), str(mib), str(mib // 5), kind],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    ) as victim:
        assert victim.stdout is not None
        assert victim.stdin is not None
        try:
            hot = json.loads(victim.stdout.readline())
            alone = _passes(victim, seconds)
            seen = _watch(victim.pid, seconds, hot)
            watched = _passes(victim, 0.0)
        finally:
            victim.kill()
    row: dict[str, Any] = {"mib": mib, "mappings": kind}
    for name, values in (("alone", alone), ("watched", watched)):
        for share in (50, 99, 100):
            row[f"p{share}_ms_{name}"] = round(float(np.percentile(values, share)) * 1e3, 2)
    after = [error for at, error in zip(seen.times, seen.errors, strict=True) if at > 1.9]
    right = [at for at, error in zip(seen.times, seen.errors, strict=True) if error < 0.05]
    return row | {
        "longest_pause_ms": round(seen.pause * 1e3, 1),
        "cpu_percent_worst_from_1s": round(100 * max(seen.shares), 2),
        "cpu_percent_at_snapshots": [round(100 * one, 1) for one in seen.shares[:8]],
        "hot_right_to_5_percent_after_s": round(right[0], 2) if right else None,
        "hot_error_percent_worst_from_2s": round(100 * max(after, default=0.0), 2),
        "snapshots_every_s": round((seen.times[-1] - seen.times[0]) / max(1, len(seen.times) - 1), 2),
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


@dataclass
class _Seen:
    """What was seen at each snapshot, and the longest pause."""

    times: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    """Of one CPU, up to then."""
    errors: list[float] = field(default_factory=list)
    """Of the hot bytes, as a share of them."""
    pause: float = 0.0


def _watch(pid: int, seconds: float, hot: dict[str, int]) -> _Seen:
    seen = _Seen()
    with ProcessSource(ROOT, [pid], max_pause=10.0) as source:
        began, before = time.monotonic(), _cpu()
        for event in source.snapshots(threading.Event()):
            now, cpu = time.monotonic() - began, _cpu()
            if isinstance(event, Snapshot):
                seen.times.append(now)
                # a snapshot is handed over after it was paid for: this is the worst moment of its second
                seen.shares.append((cpu - before) / max(now, 1.0))
                here = (event.start < hot["address"] + hot["bytes"]) & (event.end > hot["address"])
                used = float(usage.used_by_region(event, 1.0)[here].sum())
                seen.errors.append(abs(used / hot["bytes"] - 1))
                assert event.measured is not None
                seen.pause = event.measured.longest_pause
            if now >= seconds:
                break
            before += _cpu() - cpu
    return seen
