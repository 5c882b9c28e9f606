"""Reports by the estimate: beside the truth, of a part of a record, and where there is none."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from damontui.analysis.estimator import past
from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FRAME_KINDS, Frames, ints
from damontui.operations.scenes import scene
from damontui.output.reports import data, estimated, numbers, results, text
from damontui.output.reports.results import Heat, Histogram, IdlePercentiles, LinesReport, StyleOptions
from damontui.output.reports.select import Filters, select
from damontui.records.table import Table, table_of
from tests import make
from tests.bench.accuracy import Moment, moments
from tests.make import GIB, MIB, description

KEEPS = {name: style.keeps for name, style in results.STYLES.items()}
LOOK = text.Look({"heat": " .:#", "signed": "-. :#"}, None, 80, 32, ascii=False)


@pytest.fixture(scope="module")
def steady() -> list[Moment]:
    return list(moments(scene("steady", 6), 6, Attrs(), 180.0))


@pytest.fixture(scope="module")
def record(steady: list[Moment]) -> Table:
    return table_of(description("simulated"), [one.snapshot for one in steady])


def made(table: Table, style: str, filters: Filters | None = None, **options: object) -> tuple[results.Result, Table]:
    filters = filters or Filters()
    intervals = numbers.intervals_of(table)
    known = estimated.learn(table, intervals, filters, KEEPS[style], results.THRESHOLDS)
    part, intervals = select(table, intervals, filters)
    return results.make(style, part, intervals, replace(StyleOptions(), **options), known), part  # type: ignore[arg-type]


def test_idle_percentiles_are_nearer_to_the_truth_than_the_kernels(steady: list[Moment], record: Table) -> None:
    found, _ = made(record, "idle-percentiles")
    assert isinstance(found, IdlePercentiles)
    kernels = results.make("idle-percentiles", record, numbers.intervals_of(record), StyleOptions())
    assert isinstance(kernels, IdlePercentiles)
    true = float(np.mean([one.share(60) for one in steady if one.snapshot.time > 60]))
    total = found.total[-1]
    minute = results.THRESHOLDS.index(60)
    assert abs(found.at_least[minute] / total - true) < 0.05
    assert abs(kernels.at_least[minute] / total - true) > 0.3
    assert math.isnan(found.at_least[results.THRESHOLDS.index(300)])
    assert found.values.shape == (len(record), 101)
    last = past([one.snapshot for one in steady]).idle_ms_percentiles
    assert np.abs(np.array(last) - found.last)[25:].max() <= 2_000


def test_a_part_of_a_record_is_estimated_from_all_of_it(record: Table) -> None:
    whole, _ = made(record, "idle-percentiles")
    part, table = made(record, "idle-percentiles", Filters(time=(150.0, 180.0)))
    assert isinstance(whole, IdlePercentiles)
    assert isinstance(part, IdlePercentiles)
    assert len(part.time) == len(table) < len(record) / 2
    assert (part.last == whole.last).all()
    low = int(record.start.min())
    used, _ = made(record, "wss", Filters(address=(low, low + 64 * MIB)))
    assert isinstance(used, LinesReport)
    # the first 64 MiB are code, always in use
    assert used.lines[0].mean == pytest.approx(64 * MIB, rel=0.15)


def test_the_working_set_is_what_was_touched(steady: list[Moment], record: Table) -> None:
    found, _ = made(record, "wss")
    assert isinstance(found, LinesReport)
    # how far off each aggregation is: the kernel's rule errs to both sides, and its mean may be right by chance
    true = np.array([one.snapshot.truth.working_set_bytes for one in steady if one.snapshot.truth])
    kernels = np.array([metrics.working_set(one.snapshot) for one in steady])
    ours = found.lines[0].values
    assert len(ours) == len(true) == len(kernels)
    assert np.abs(ours - true).mean() < 0.8 * np.abs(kernels - true).mean()
    assert "bytes touched within an aggregation" in found.remarks[0]


def test_histogram_and_heatmap_of_idle_time(record: Table) -> None:
    found, _ = made(record, "idle-histogram", log=False)
    assert isinstance(found, Histogram)
    assert found.in_use is not None
    assert found.bytes.sum() + found.in_use == pytest.approx(found.total)
    assert found.total == pytest.approx(3 * GIB)
    heat, _ = made(record, "heatmap", mode="idle", columns=20, rows=48)
    assert isinstance(heat, Heat)
    assert heat.values.shape == (20, len(heat.axis))
    # the hot core, between the cold heap and the cache, at the end
    assert (heat.values[-1] > 0).any()
    assert heat.values[-1].min() < -100
    rate, _ = made(record, "heatmap", columns=20, rows=48)
    plain = results.make("heatmap", record, numbers.intervals_of(record), StyleOptions(columns=20, rows=48))
    assert isinstance(rate, Heat)
    assert isinstance(plain, Heat)
    assert np.array_equal(rate.values, plain.values, equal_nan=True)


@pytest.mark.parametrize("style", [name for name, one in results.STYLES.items() if one.estimated is not None])
def test_only_what_a_style_reads_is_kept(record: Table, style: str) -> None:
    known = estimated.learn(record, numbers.intervals_of(record), Filters(), KEEPS[style], results.THRESHOLDS)
    assert known is not None
    assert {name for name in get_args(estimated.Keep) if len(getattr(known, name))} == KEEPS[style]
    options = StyleOptions(mode=results.STYLES[style].ruled_mode or "rate", columns=20)
    assert results.make(style, record, numbers.intervals_of(record), options, known)


def test_a_report_that_reads_nothing_of_the_estimate_computes_none(
    record: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimated, "smoothed", lambda *_, **__: pytest.fail("the estimate was computed"))
    found, _ = made(record, "bandwidth")
    assert isinstance(found, LinesReport)
    kernels = results.make("bandwidth", record, numbers.intervals_of(record), StyleOptions())
    assert isinstance(kernels, LinesReport)
    assert found.lines[0].mean > kernels.lines[0].mean


def test_what_was_free_is_known_without_an_estimate() -> None:
    table = with_free_memory()
    for time in (None, (0.0, 45.5), (88.0, 200.0)):
        kept = (
            estimated.learn(table, numbers.intervals_of(table), Filters(time=time), keeps, results.THRESHOLDS)
            for keeps in (KEEPS["wss"], KEEPS["bandwidth"])
        )
        free = [None if one is None else one.free for one in kept]
        assert free[0] == free[1] is not None


def with_free_memory(kind: str = "free") -> Table:
    """Two thirds of the idle 9 GiB are free, of the last GiB nothing is, and it is in use."""
    counts = np.zeros((2, len(FRAME_KINDS)), np.int64)
    counts[0, [FRAME_KINDS.index(kind), FRAME_KINDS.index("anon")]] = 600, 300
    counts[1, FRAME_KINDS.index("anon")] = 100
    frames = Frames(counts, ints([0, 0]), ints([0, 0]))
    rows = [(0, 9 * GIB, 0, 0), (9 * GIB, 10 * GIB, 9, 0)]
    return table_of(description(), [make.snapshot(rows, t + 1.0, frames=frames) for t in range(90)])


def test_free_memory_is_left_out_and_what_is_not_known_is_said() -> None:
    table = with_free_memory()
    known = estimated.learn(
        table, numbers.intervals_of(table), Filters(), KEEPS["idle-percentiles"], results.THRESHOLDS
    )
    assert known is not None
    assert known.free == pytest.approx(6 * GIB, rel=0.01)
    result = results.make("idle-percentiles", table, numbers.intervals_of(table), StyleOptions(), known)
    head = results.head_of("idle-percentiles", table, numbers.intervals_of(table), {}, "estimate", known.free)
    shown = text.report(head, result, LOOK)
    assert "estimated from all snapshots" in shown
    assert "\nfree: 6 GiB at the end, left out, as is what the kernel uses itself\n" in shown
    assert "not known: not watched for so long" in shown
    told = json.loads(data.report(head, result))
    assert told["idle"] == "estimate"
    assert told["free_bytes"] == known.free
    assert told["mean_bytes_idle_at_least_s"]["300"] is None
    assert told["mean_bytes_idle_at_least_s"]["60"] == pytest.approx(3 * GIB, rel=0.02)
    assert told["total_bytes"][-1] == pytest.approx(4 * GIB, rel=0.02)


@pytest.mark.parametrize("mode", ["rate", "idle"])
def test_free_memory_has_a_look_of_its_own_in_a_heatmap(mode: str) -> None:
    table = with_free_memory()
    found, _ = made(table, "heatmap", mode=mode, columns=20, rows=20)
    assert isinstance(found, Heat)
    assert found.free is not None
    low = np.array([found.axis.place(row)[2] <= 9 * GIB for row in range(len(found.axis))])
    assert found.free[:, low].all()
    assert not found.free[:, ~low].any()
    head = results.head_of("heatmap", table, numbers.intervals_of(table), {})
    shown = text.report(head, found, LOOK)
    assert shown.count("," * 20) == low.sum()
    assert "',' mostly free memory, which always looks idle" in shown
    colours = {"heat": ("5;1",) * 5, "signed": ("5;1",) * 5}
    coloured = text.report(head, found, replace(LOOK, colours=colours, ascii=True))  # type: ignore[arg-type]
    assert coloured.count("\x1b[0m" + "," * 20) == low.sum() // 2  # two rows to a line
    assert json.loads(data.report(head, found))["free"] == found.free.tolist()
    few = replace(table, extra={})
    found, _ = made(few, "heatmap", mode=mode, columns=20, rows=20)
    assert isinstance(found, Heat)
    assert found.free is None
    assert "mostly free" not in text.report(head, found, LOOK)


def test_a_hole_is_no_memory_in_a_heatmap() -> None:
    found, _ = made(with_free_memory("hole"), "heatmap", columns=20, rows=20)
    assert isinstance(found, Heat)
    low = np.array([found.axis.place(row)[2] <= 9 * GIB for row in range(len(found.axis))])
    assert np.isnan(found.values[:, low]).all()
    assert not found.covered[:, low].any()
    assert np.isfinite(found.values[:, ~low]).all()
    assert found.free is not None
    assert not found.free.any()


def test_counted_bytes_and_lost_events_have_no_estimate() -> None:
    table = table_of(description(), [make.snapshot([(0, MIB, 1, 0)], 1.0, complete=False, lost=2)])
    for keeps in (KEEPS["wss"], KEEPS["bandwidth"]):
        assert estimated.learn(table, numbers.intervals_of(table), Filters(), keeps, results.THRESHOLDS) is None
