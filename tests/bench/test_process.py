"""The bench of a look at a process runs where accessed bits can be cleared, and says so where not."""

from __future__ import annotations

import os

import pytest

from tests.bench import process


def test_a_short_run_measures_all_parts() -> None:
    (row,) = process.run(smoke=True)
    if "skipped" in row:
        pytest.skip(row["skipped"])
    assert row["p100_ms_watched"] >= row["p50_ms_watched"] > 0
    assert row["longest_pause_ms"] > 0
    assert row["cpu_percent_at_snapshots"]


def test_without_clear_refs_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "clear_refs" in process.run(smoke=False)[0]["skipped"]
