"""Real children of known accesses: working set and idle bytes within 3 % of the truth, in every kind of memory."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from damontui.analysis import usage
from damontui.damon.snapshot import Snapshot
from damontui.kernel.root import Root
from damontui.sources.process import ProcessSource

MIB = 1 << 20
MOST_SNAPSHOTS = 12


@pytest.mark.parametrize("kind", ["one", "many", "file", "huge", "fork"])
def test_used_and_idle_bytes_are_true(kind: str) -> None:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this machine does not let a process clear its own accessed bits")
    hot, cold = 40, 60
    script = Path(__file__).parents[1] / "process_truth.py"
    with subprocess.Popen(
        [sys.executable, str(script), kind, str(hot), str(cold)], stdout=subprocess.PIPE, text=True
    ) as load:
        assert load.stdout is not None
        said = json.loads(load.stdout.readline())
        errors = []
        try:
            with ProcessSource(Root("/"), [said["pid"]], max_pause=10.0) as source:
                snapshots = (e for e in source.snapshots(threading.Event()) if isinstance(e, Snapshot))
                # a machine with more to do than it can lets the child, too, miss a second: then the next one
                for snapshot in itertools.islice(snapshots, MOST_SNAPSHOTS):
                    here = (snapshot.start < said["high"]) & (snapshot.end > said["low"])
                    used = float(usage.used_by_region(snapshot, 1.0)[here].sum()) / MIB
                    idle = float(snapshot.memory[here].sum()) / MIB - used
                    errors.append((used / hot - 1, idle / cold - 1))
                    if max(map(abs, errors[-1])) < 0.03 and len(errors) > 1:
                        break
        finally:
            load.kill()
    assert max(map(abs, errors[-1])) < 0.03, errors
