"""What the host does with what a check in the guest made."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.guests.vm import REPO, Result

SAME = (
    *("intervals", "next_intervals", "complete", "observed_access_bp", "bandwidth_bytes_per_s"),
    *("idle_ms_percentiles", "total_bytes", "working_set_bytes", "regions"),
)
"""What two runs of the program see alike; the module's own numbers and CPU shares depend on when they look."""


def after(check: str, result: Result, folder: Path) -> None:
    """The host's part of a check that passed in the guest: may fail, and adds its own facts."""
    part = _PARTS.get(check)
    if part is not None and result.outcome == "passed":
        part(result, folder)


def _replayed(result: Result, folder: Path) -> None:
    record = folder / "stat.damontui"
    record.write_bytes(_file(result, "record"))
    live = [json.loads(line) for line in _file(result, "live").decode().splitlines()]
    replayed = [json.loads(line) for line in _said("snapshot", str(record), "--json", "--count", "0", "--speed", "max")]
    # what was guessed before the first tuning step was seen may be guessed otherwise by a run that began earlier
    known = [row for row in replayed if "estimate" not in row["note"]]
    for row in known:
        # the kernel stamps an aggregation for each reader anew, microseconds apart
        beside = min(live, key=lambda other: abs(other["time"] - row["time"]))
        assert abs(beside["time"] - row["time"]) < 0.01, (beside["time"], row["time"])
        for name in SAME:
            one, other = (_without_frames(value[name]) if name == "regions" else value[name] for value in (row, beside))
            assert one == other, (row["time"], name, one, other)
    report = json.loads("".join(_said("report", str(record), "--style", "bandwidth", "--format", "json")))
    result.facts.update(replayed=len(replayed), compared=len(known))
    assert all(row["origin"] == "record" for row in replayed)
    assert len(known) >= 0.5 * len(replayed) >= 2, (len(known), len(replayed))
    assert report


def _without_frames(regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Page frames are drawn at random, by whoever looks."""
    return [{key: value for key, value in region.items() if key != "frames"} for region in regions]


def _said(*words: str) -> list[str]:
    done = subprocess.run([sys.executable, "-m", "damontui", *words], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _file(result: Result, name: str) -> bytes:
    return zlib.decompress(base64.b64decode(result.files[name]))


_PARTS: dict[str, Callable[[Result, Path], Any]] = {"targets.record_says_what_was_seen": _replayed}
