"""Real children of known accesses: working set and idle bytes within 3 % of the truth, in every kind of memory.

A machine with more to do than it can lets the child, too, miss a second: then a later snapshot tells.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from damontui.analysis import usage
from damontui.damon.snapshot import Snapshot
from damontui.kernel.root import Root
from damontui.sources.process import ProcessSource

MIB = 1 << 20
MOST_SNAPSHOTS = 16
TIMES = (1.0, 2.0, 3.0)
_SCRIPT = Path(__file__).parents[1] / "process_truth.py"


def _needs(mib: int) -> None:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this machine does not let a process clear its own accessed bits")
    available = next(
        int(line.split()[1]) >> 10 for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line
    )
    if available < 2 * mib + 512:
        pytest.skip(f"{mib} MiB are too much for the {available} MiB that this machine has available")


@contextmanager
def _load(kind: str, hot: int, cold: int) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with subprocess.Popen(
        [sys.executable, str(_SCRIPT), kind, str(hot), str(cold)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as load:
        assert load.stdout is not None
        try:
            yield load, json.loads(load.stdout.readline())
        finally:
            load.kill()


def _used(snapshot: Snapshot, said: dict[str, Any], seconds: float) -> tuple[float, float]:
    """MiB of the load's memory touched within a time, and the others."""
    here = (snapshot.start < said["high"]) & (snapshot.end > said["low"])
    used = float(usage.used_by_region(snapshot, seconds)[here].sum()) / MIB
    return used, float(snapshot.memory[here].sum()) / MIB - used


@pytest.mark.parametrize(
    ("kind", "mib"),
    [(kind, mib) for mib in (100, 400) for kind in ("one", "many", "file", "huge", "fork")]
    + [(kind, 2048) for kind in ("one", "many", "huge")],
)
def test_used_and_idle_bytes_are_true_at_each_time(kind: str, mib: int) -> None:
    _needs(mib)
    # (whole huge pages)
    hot = int(mib * 0.4) & ~1
    cold = mib - hot
    with (
        _load(kind, hot, cold) as (_, said),
        ProcessSource(Root("/"), [said["pid"]], max_pause=10.0) as source,
    ):
        snapshots = (e for e in source.snapshots(threading.Event()) if isinstance(e, Snapshot))
        errors: list[dict[float, float]] = []
        for snapshot in itertools.islice(snapshots, MOST_SNAPSHOTS):
            assert snapshot.watched is not None
            found = {}
            for seconds in (one for one in TIMES if one <= snapshot.watched):
                used, idle = _used(snapshot, said, seconds)
                found[seconds] = max(abs(used / hot - 1), abs(idle / cold - 1))
            errors.append(found)
            if len(found) == len(TIMES) and max(found.values()) < 0.03:
                break
    assert len(errors[-1]) == len(TIMES)
    assert max(errors[-1].values()) < 0.03, errors


@pytest.mark.parametrize("kind", ["one", "many"])
def test_two_gib_of_small_pages_are_in_the_interval(kind: str) -> None:
    """Read every 1 to 3 s within the budget: what is touched within a second has an interval instead of a figure."""
    _needs(2048)
    hot, cold = 256, 1792
    with (
        _load(kind, hot, cold) as (_, said),
        ProcessSource(Root("/"), [said["pid"]], max_pause=10.0) as source,
    ):
        snapshots = (e for e in source.snapshots(threading.Event()) if isinstance(e, Snapshot))
        for snapshot in itertools.islice(snapshots, 4 if kind == "one" else 2):
            assert snapshot.watched is not None
            for seconds in TIMES:
                amount = usage.used_within(snapshot, seconds)
                if amount is not None and seconds <= snapshot.watched:
                    # beside the load's own memory there is an interpreter's, some MiB that may be touched
                    assert amount.least <= (hot + 40) * MIB
                    assert amount.most >= hot * MIB * 0.97


def test_a_hot_set_that_moves_is_followed() -> None:
    _needs(400)
    hot, cold = 80, 320
    with (
        _load("moving", hot, cold) as (load, said),
        ProcessSource(Root("/"), [said["pid"]], max_pause=10.0) as source,
    ):
        assert load.stdin is not None
        assert load.stdout is not None
        moved, seen, followed = 0.0, [], []
        for snapshot in (e for e in source.snapshots(threading.Event()) if isinstance(e, Snapshot)):
            used, idle = _used(snapshot, said, 1.0)
            seen.append((round(snapshot.time - moved, 2), round(used), round(idle)))
            if not moved or snapshot.time - moved > 2.0:
                if abs(used / hot - 1) < 0.05 and abs(idle / cold - 1) < 0.05:
                    followed.append(snapshot.time - moved)
                    if len(followed) == 3:
                        break
                    load.stdin.write("move\n")
                    load.stdin.flush()
                    moved = float(load.stdout.readline())
                elif len(seen) > 3 * MOST_SNAPSHOTS:
                    break
    assert len(followed) == 3, seen
    assert time.monotonic() > moved > 0
