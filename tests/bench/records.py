"""A long record: opening it and drawing its heatmap, ours and damo's formats, and damo itself on the same file.

54,300 snapshots with 977,400 regions, as damo's own test record repeated a hundred times has. Each program runs in a
process of its own; its time includes its start, its memory is its peak resident set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description
from damontui.records import files
from damontui.records.table import Conditions, Table

SNAPSHOTS, REGIONS = 54_300, 18
_FILES: dict[str, files.Format] = {"long.damontui": "damontui", "long.json": "json", "long.data": "json-compressed"}


def record(snapshots: int, seed: int = 1) -> Table:
    """A process's memory, 100 ms a snapshot: regions that move, a few of them in use."""
    rng = np.random.default_rng(seed)
    shape = (snapshots, REGIONS + 1)
    steps = rng.integers(1, 4_000, shape)
    pages = np.cumsum(steps, axis=1) + 0x55_0000_0000
    pages[:, -6:] += 0x2A_0000_0000  # a second area, far above
    pages[:, :-6] = np.minimum(pages[:, :-6], 0x55_0000_0000 + 60_000)
    edges = np.sort(pages, axis=1) * 4096
    start, end = edges[:, :-1].copy(), edges[:, 1:].copy()
    end[:, -6] = start[:, -6] + 4096 * 512
    used = rng.random(start.shape) < 0.3
    nr_accesses = np.where(used, rng.integers(1, 21, start.shape), 0)
    age = rng.integers(0, 300, start.shape)
    attrs = Attrs(goal=None)
    ends = (np.arange(1, snapshots + 1) * 100_000_000 + rng.integers(0, 1_000_000, snapshots)) + 80_000_000_000_000
    began = np.concatenate([[ends[0] - 100_000_000], ends[:-1]])
    return Table(
        Description("made", "made record", "record", attrs),
        ends / 1e9,
        began / 1e9,
        ends / 1e9,
        np.arange(snapshots + 1, dtype=np.int64) * REGIONS,
        start.ravel(),
        np.maximum(end, start + 4096).ravel(),
        nr_accesses.ravel(),
        age.ravel(),
        np.zeros(start.size, np.int64),
        [Conditions(attrs, attrs)],
        np.zeros(snapshots, np.int64),
        nanoseconds=np.stack([began, ends], axis=1),
    )


def measured(command: list[str], folder: Path) -> dict[str, Any]:
    """Seconds, CPU seconds and peak memory of a command; raises `RuntimeError` with its last words where it fails."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "DAMONTUI_READ_ONLY": "1", "LC_ALL": "C.UTF-8"}
    with open(folder / "said", "wb") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environ)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = (folder / "said").read_text("utf-8", "replace").strip().splitlines()
        raise RuntimeError(last[-1] if last else f"exit status {process.returncode}")
    return {
        "seconds": round(seconds, 2),
        "CPU s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak MiB": usage.ru_maxrss // 1024,
    }


def damo() -> str | None:
    """Why damo cannot be measured, None where it can."""
    if not Path(sys.executable).with_name("damo").exists():
        return "damo is not installed: pip install damo"
    return None if shutil.which("file") else "damo needs the file command"


def run(smoke: bool) -> list[dict[str, Any]]:
    """Rows of the bench."""
    with tempfile.TemporaryDirectory(prefix="damontui-bench-") as name:
        return _rows(Path(name), record(543 if smoke else SNAPSHOTS))


def _rows(folder: Path, table: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    ours = [sys.executable, "-m", "damontui", "report", "--style", "heatmap"]
    theirs = [str(Path(sys.executable).with_name("damo")), "report", "heatmap", "--input"]
    for name, kind in _FILES.items():
        files.write(table, folder / name, kind)
        what = {"file": kind, "MB": round((folder / name).stat().st_size / 1e6, 1), "regions": len(table.start)}
        taken = measured([*ours, str(folder / name)], folder)
        rows.append({**what, "program": "damontui", **taken})
        if kind != "json-compressed":
            continue
        reason = damo()
        try:
            if reason is not None:
                raise RuntimeError(reason)
            other = measured([*theirs, str(folder / name)], folder)
        except RuntimeError as error:
            rows.append({**what, "program": "damo", "skipped": str(error)})
            continue
        rows[-1]["times damo"] = round(other["seconds"] / taken["seconds"], 1)
        rows.append({**what, "program": "damo", **other})
        plain = next(row for row in rows if row["file"] == "json")
        plain["times damo"] = round(other["seconds"] / plain["seconds"], 1)
    return rows
