"""What the accuracy bench takes for damo's reading is what damo printed, and bytes are found where they are."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from damontui.damon.attrs import Attrs
from damontui.damon.metrics import percentiles_of
from damontui.operations.areas import Area, poisson, sweep
from damontui.operations.workload import Workload
from damontui.records import files
from tests.bench import accuracy
from tests.bench.accuracy import Cells, damo_idle_s, measure, moments, scores

DATA = Path(__file__).parents[1] / "data" / "damo-vaddr"
MIB = 1 << 20
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def test_damos_idle_times_are_what_damo_printed_of_a_record_that_was_tuned() -> None:
    table = files.read(DATA / "damon.data")
    blocks = (DATA / "damo-recency.txt").read_text().split("snapshot time: ")[1:]
    assert len(blocks) == len(table) == 38
    for snapshot, block in zip(table, blocks, strict=True):
        idle = np.rint(damo_idle_s(snapshot, 0.1) * 1e6).astype(np.int64)
        found = percentiles_of(idle, snapshot.memory)
        for percentile, number, unit in re.findall(r"^ *(\d+) +([\d.]+) (\w+) +\|", block, re.MULTILINE):
            assert found[int(percentile)] / 1e6 == pytest.approx(float(number) * _UNITS[unit], abs=0.0011)


def test_precision_recall_and_f1() -> None:
    assert scores(np.array([30.0, 60.0, 40.0])) == pytest.approx((0.5, 0.75, 0.6))
    nothing = scores(np.zeros(3))
    assert all(math.isnan(one) for one in nothing)


def _memory() -> Workload:
    areas = [Area("random", 0, 64 * MIB, poisson(50)), Area("swept", 64 * MIB, 32 * MIB, sweep(40.0))]
    return Workload([*areas, Area("left", 96 * MIB, 928 * MIB)], rng=np.random.default_rng(1))


def test_a_place_is_an_area_or_where_a_sweep_is() -> None:
    moment = next(moments(_memory(), 1, Attrs()))
    cells = Cells.of(moment)
    assert (cells.end - cells.begin).sum() == 1024 * MIB
    assert ((cells.begin == 0) & (cells.end == 64 * MIB)).sum() == 1
    assert (cells.begin >= 64 * MIB).sum() == 64, "32 slices of what is swept, and of what is left"
    half = cells.within(np.array([0, 32 * MIB]), np.array([32 * MIB, 96 * MIB]), np.array([0.0, 1.0]))
    assert half.sum() == 64 * MIB
    assert half[(cells.begin == 0)] == 32 * MIB


def test_a_short_run_is_measured_by_all_readers() -> None:
    found = measure(moments(_memory(), 1, Attrs(min_regions=100), 20.0), 20.0)
    assert found.errors.shape == (len(accuracy.READERS), len(accuracy.THRESHOLDS))
    assert (found.true[:3] > 0.8).all()
    assert found.errors[2, 0] < 0.05
    hot = [scores(one) for one in found.found[0]]
    assert hot[0] == hot[1], "damo and the kernel take the same regions for in use"
    assert min(hot[0]) > 0.8


PRINTED = """
=========================== kernel 7.2: 2 checks in 180 s ============================
passed    90.1 s  idle.idle_memory_by_page_frame  groups=true aggr_s=6.4 seen_mib=[930, 931] \
idle_60_mib={"truth": [640, 700], "estimate": [600, 655, 690], "kernel, free included": 1900} error_60=0.0
passed    90.1 s  first.now_is_at_once  seconds=1.0
"""


def test_rows_of_guests_come_from_what_their_checks_printed(tmp_path: Path) -> None:
    (path := tmp_path / "printed").write_text(PRINTED)
    (row,) = accuracy.guests(path)
    assert row["guest"] == "Linux 7.2"
    assert row["by"] == "DAMON_STAT"
    assert (row["true MiB"], row["damontui MiB"], row["off"]) == ("640 to 700", "655 (600 to 690)", 0.0)
