"""Reports from records of counted bytes: to the byte what each snapshot says of itself."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from damontui.analysis import heatmap, usage
from damontui.analysis.axis import SHOWN, VOID
from damontui.analysis.raster import binned
from damontui.damon.snapshot import Measured, Snapshot, ints
from damontui.errors import SourceError
from damontui.output.reports import data, numbers, results, select, text
from damontui.output.reports.results import Heat, Histogram, IdlePercentiles, LinesReport, RegionsReport, StyleOptions
from damontui.records.table import Table, table_of
from tests import make

GLYPHS = {"heat": " .:-=+*#%", "signed": "abcdefghi"}
SNAPSHOTS = [make.process(float(t), mappings=12) for t in range(61, 71)]


@pytest.fixture
def table() -> Table:
    return table_of(make.description("process"), SNAPSHOTS)


def made(style: str, table: Table, **options: object) -> results.Result:
    return results.make(style, table, numbers.intervals_of(table), replace(StyleOptions(), **options))  # type: ignore[arg-type]


def printed(style: str, table: Table) -> str:
    result = made(style, table)
    head = results.head_of(style, table, numbers.intervals_of(table), {})
    return text.report(head, result, text.Look(GLYPHS))  # type: ignore[arg-type]


def head(table: Table) -> results.Head:
    return results.head_of("wss", table, numbers.intervals_of(table), {})


def touched(one: Snapshot) -> int:
    assert one.measured is not None
    return int(one.measured.used[:, 0].sum())


def test_the_working_set_is_what_was_touched(table: Table) -> None:
    result = made("wss", table)
    assert isinstance(result, LinesReport)
    assert result.lines[0].values.tolist() == [touched(one) for one in SNAPSHOTS]
    assert result.lines[0].against == SNAPSHOTS[0].total_bytes
    said = printed("wss", table)
    assert "working set: bytes touched within 100 ms, as the kernel counted them" in said
    assert "as far as sampling can tell" not in said


def test_the_working_set_is_within_one_time_in_all_snapshots() -> None:
    some = [replace(one, measured=_from(one, 1.0)) if at < 3 else one for at, one in enumerate(SNAPSHOTS)]
    table = table_of(make.description("process"), some)
    result = made("wss", table)
    assert isinstance(result, LinesReport)
    expected = [usage.used_within(one, 1.0) for one in SNAPSHOTS]
    assert result.lines[0].values.tolist() == [one.bytes for one in expected if one is not None]
    said = text.report(head(table), result, text.Look(GLYPHS))  # type: ignore[arg-type]
    assert "working set: bytes touched within 1 s, as the kernel counted them" in said


def test_the_working_set_within_a_time_that_is_asked_for() -> None:
    young = [replace(one, watched=min(one.watched or 0.0, float(at + 3))) for at, one in enumerate(SNAPSHOTS)]
    young = [replace(one, measured=_until(one, float(at + 3))) for at, one in enumerate(young)]
    table = table_of(make.description("process"), young)
    result = made("wss", table, within=5.0)
    assert isinstance(result, LinesReport)
    expected = [usage.used_within(one, 5.0) for one in young]
    assert expected[:2] == [None, None]
    assert result.lines[0].values.tolist() == [one.bytes for one in expected if one is not None]
    said = " ".join(text.report(head(table), result, text.Look(GLYPHS)).split())  # type: ignore[arg-type]
    assert "working set: bytes touched within 5 s, as the kernel counted them" in said
    left_out = sum(one is None for one in expected)
    assert f"the first {left_out} snapshots are left out, in which memory was not yet watched for 5 s" in said
    with pytest.raises(SourceError, match=r"not watched for 10 min .* choose a shorter --within"):
        made("wss", table, within=600.0)


def _from(one: Snapshot, seconds: float) -> Measured:
    """What was counted, from ``seconds`` on."""
    assert one.measured is not None
    first = one.measured.seconds.index(seconds)
    kept = {name: getattr(one.measured, name)[first:] for name in ("seconds", "least", "most")}
    return replace(one.measured, used=one.measured.used[:, first:], **kept)


def _until(one: Snapshot, seconds: float) -> Measured:
    """What was counted, as far as ``seconds``."""
    assert one.measured is not None
    told = sum(at <= seconds for at in one.measured.seconds)
    kept = {name: getattr(one.measured, name)[:told] for name in ("seconds", "least", "most")}
    return replace(one.measured, used=one.measured.used[:, :told], **kept)


def test_the_working_set_of_sampled_memory_within_a_time() -> None:
    """Regions with an access, and those idle for less: the second one, of 8 KiB, for 2 aggregations of 1 s."""
    regions = [(0, 4096, 5, 0), (4096, 12288, 0, 1), (12288, 28672, 0, 9)]
    table = table_of(make.description(), [make.snapshot(regions, t) for t in (1.0, 2.0, 3.0, 4.0)])
    for within, used in ((1.0, 4096), (2.0, 4096), (3.0, 12288)):
        result = made("wss", table, within=within)
        assert isinstance(result, LinesReport)
        assert result.lines[0].values.tolist() == [used] * (5 - int(within))


def test_of_sampled_memory_the_aggregation_is_named() -> None:
    said = printed("wss", table_of(make.description(), [make.snapshot([(0, 4096, 5, 0)], t) for t in (1.0, 2.0)]))
    assert "working set: regions with an access within an aggregation (1 s)" in said


def test_the_mean_of_idle_memory_is_over_the_snapshots_that_were_watched_for_so_long() -> None:
    young = [replace(one, measured=_until(one, float(at + 3))) for at, one in enumerate(SNAPSHOTS)]
    result = made("idle-percentiles", table_of(make.description("process"), young))
    assert isinstance(result, IdlePercentiles)
    amounts = [usage.idle_for(one, 10) for one in young]
    assert amounts[0] is None
    assert result.at_least[1] == pytest.approx(np.mean([one.bytes for one in amounts if one is not None]))


def test_idle_percentiles_are_by_bytes(table: Table) -> None:
    result = made("idle-percentiles", table)
    assert isinstance(result, IdlePercentiles)
    assert [tuple(row) for row in result.values.tolist()] == [usage.idle_percentiles(one) for one in SNAPSHOTS]
    at_least = dict(zip(results.THRESHOLDS, result.at_least, strict=True))
    for seconds in (1, 10, 60):
        amounts = [usage.idle_for(one, seconds) for one in SNAPSHOTS]
        assert at_least[seconds] == pytest.approx(np.mean([one.bytes for one in amounts if one is not None]))
    assert np.isnan(at_least[300])  # it was watched for two minutes at most
    said = printed("idle-percentiles", table)
    assert "5 min                   not known: not watched for so long" in said
    assert "in use longest" in said
    assert "idle longest" in said
    assert "least " not in said.replace("at least", "")


def test_a_histogram_has_the_bytes_of_each_time(table: Table) -> None:
    result = made("idle-histogram", table)
    assert isinstance(result, Histogram)
    assert result.total == pytest.approx(SNAPSHOTS[0].total_bytes)
    assert result.in_use == pytest.approx(np.mean([touched(one) for one in SNAPSHOTS]))
    never = np.mean([one.total_bytes - usage.used_by_region(one, 10.0).sum() for one in SNAPSHOTS])
    assert result.bytes[-1] == pytest.approx(never)
    assert result.bytes.sum() + result.in_use == pytest.approx(result.total)
    temperature = made("temperature-histogram", table)
    assert isinstance(temperature, Histogram)
    assert temperature.total == pytest.approx(SNAPSHOTS[0].total_bytes)


@pytest.mark.parametrize("mode", ["rate", "idle", "temperature"])
def test_the_heatmap_agrees_with_one_snapshot_at_a_time(table: Table, mode: heatmap.Mode) -> None:
    result = made("heatmap", table, columns=10, rows=24, mode=mode)
    assert isinstance(result, Heat)
    for column, one in zip(result.values, SNAPSHOTS, strict=True):
        values, weights = binned(one, result.axis, mode)
        assert ((weights > 0) == ~np.isnan(column)).all()
        np.testing.assert_allclose(column[weights > 0], values[weights > 0], rtol=1e-6, atol=1e-9)


def test_bandwidth_and_regions_are_of_bytes(table: Table) -> None:
    series = made("bandwidth", table)
    assert isinstance(series, LinesReport)
    assert series.lines[0].values.tolist() == [usage.bandwidth(one) for one in SNAPSHOTS]
    result = made("regions", table)
    assert isinstance(result, RegionsReport)
    head = results.head_of("regions", table, numbers.intervals_of(table), {})
    rows = json.loads(data.report(head, result))["at"][0]["regions"]
    last = SNAPSHOTS[-1]
    assert [row["resident"] for row in rows] == last.memory.tolist()
    assert sum(row["used"] for row in rows) == touched(last)
    assert f"12 regions, {text.amount(last.total_bytes, 'bytes')}" in printed("regions", table)


def test_part_of_a_record_keeps_its_bytes(table: Table) -> None:
    first = SNAPSHOTS[0]
    half = (float(first.start[0]), float(first.start[0] + first.sizes[0] // 2))
    part, _ = select.select(table, numbers.intervals_of(table), select.Filters(address=half))
    for one, whole in zip(part, SNAPSHOTS, strict=True):
        assert one.measured is not None
        assert whole.measured is not None
        assert one.names == ("[heap]",)
        assert one.memory.tolist() == pytest.approx([whole.memory[0] / 2], rel=1e-4)
        np.testing.assert_allclose(one.measured.used[0], whole.measured.used[0] / 2, rtol=1e-3)
    kept, _ = select.select(table, numbers.intervals_of(table), select.Filters(time=(2.0, 5.0)))
    assert [one.total_bytes for one in kept] == [one.total_bytes for one in SNAPSHOTS[2:5]]


def test_what_is_not_in_memory_is_no_memory_in_a_report() -> None:
    rows = [(0, 8 << 20, 5, 0), (8 << 20, 64 << 20, 0, 9), (64 << 20, 72 << 20, 0, 9)]
    resident = ints([4 << 20, 0, 1 << 20])
    table = table_of(make.description(), [make.snapshot(rows, t, resident=resident.copy()) for t in (1.0, 2.0)])
    series = made("wss", table)
    assert isinstance(series, LinesReport)
    assert series.lines[0].values.tolist() == [4 << 20] * 2
    assert series.lines[0].against == 5 << 20
    heat = made("heatmap", table, rows=20, columns=2)
    assert isinstance(heat, Heat)
    assert [part.kind for part in heat.axis.parts] == [SHOWN, VOID, SHOWN]
