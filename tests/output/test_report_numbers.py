"""Reports compute on whole records what `metrics` says of each snapshot, and what damo says of the same record."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damontui.analysis import raster, timeline
from damontui.analysis.axis import make_axis, stride_for
from damontui.analysis.raster import binned
from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Snapshot, ints
from damontui.output.reports import data, numbers, results, text
from damontui.output.reports.results import Heat, Histogram, IdlePercentiles, LinesReport, StyleOptions
from damontui.records import files
from damontui.records.sound import sound
from damontui.records.table import Table, table_of
from tests.make import ATTRS, description, many_targets, snapshot, steady

DATA = Path(__file__).parents[1] / "data" / "damo-vaddr"
RECORD = DATA / "damon.data"


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A few snapshots of two address spaces: gaps, overlaps in time, empty snapshots, tuned intervals."""
    made: list[Snapshot] = []
    now = 0.0
    for _ in range(draw(st.integers(1, 6))):
        rows, target = [], []
        for space in range(2):
            at = draw(st.integers(0, 50))
            for _ in range(draw(st.integers(0, 5))):
                at += draw(st.sampled_from([0, 0, 1, 90]))
                size = draw(st.integers(1, 40))
                rows.append((at << 12, at + size << 12, draw(st.integers(0, 20)), draw(st.integers(0, 400))))
                target.append(space)
                at += size
        step = draw(st.sampled_from([0.1, 0.25, 1.0, 3.0]))
        now += step + draw(st.sampled_from([0.0, 0.0, 2.5]))
        attrs = Attrs(sample_us=int(step * 50_000), aggr_us=int(step * 1e6), goal=None)
        after = draw(st.sampled_from([attrs, ATTRS]))
        one = snapshot(rows, now, attrs=attrs, next_attrs=after, target=target, targets=(7, 9))
        made.append(replace(one, began=now - step))
    return table_of(description(), made)


@settings(max_examples=150, deadline=None)
@given(table=tables())
def test_whole_records_agree_with_each_snapshot(table: Table) -> None:
    intervals = numbers.intervals_of(table)
    idle = numbers.idle_ms(table, intervals)
    found = metrics.percentiles(idle, table.end - table.start, table.offsets)
    for i, one in enumerate(table):
        here = slice(int(table.offsets[i]), int(table.offsets[i + 1]))
        assert numbers.working_sets(table)[i] == metrics.working_set(one)
        assert numbers.totals(table)[i] == one.total_bytes
        assert int(numbers.bandwidths(table, intervals)[i]) == pytest.approx(metrics.bandwidth(one), abs=1)
        assert numbers.observed(table, intervals)[i] * 10_000 == pytest.approx(metrics.observed_access_bp(one), abs=1)
        assert np.array_equal(idle[here], metrics.idle_ms(one))
        assert np.allclose(numbers.temperatures(table, intervals)[here], metrics.temperatures(one))
        assert tuple(found[i].tolist()) == metrics.idle_percentiles(one)


@settings(max_examples=150, deadline=None)
@given(table=tables(), columns=st.integers(1, 9), rows=st.integers(3, 30), chunk=st.sampled_from([1, 3, 1 << 18]))
def test_the_heatmap_agrees_with_one_snapshot_at_a_time(table: Table, columns: int, rows: int, chunk: int) -> None:
    if not len(table.start):
        return
    values = table.nr_accesses / np.repeat(numbers.intervals_of(table).most, np.diff(table.offsets))
    axis, edges = numbers.axis_of(table, rows), numbers.time_edges(table, columns)
    with patch.object(raster, "_CHUNK", chunk):
        means, covered = numbers.heat(table, values, axis, edges)
    total, weight = np.zeros(means.shape), np.zeros(means.shape)
    for one in table:
        rates, covers = binned(one, axis, "rate")
        for k in range(columns):
            overlap = min(one.time, edges[k + 1]) - max(one.began, edges[k])
            if overlap > 1e-8:
                total[k] += rates * covers * overlap
                weight[k] += covers * overlap
    there = weight > 0
    assert np.array_equal(there, ~np.isnan(means))
    assert np.allclose(means[there], (total / np.where(there, weight, 1))[there], atol=1e-7)
    size = (axis.high - axis.low) * np.diff(edges)[:, None]
    assert np.allclose(covered, weight / np.maximum(size, 1), atol=1e-6)


def test_columns_without_a_snapshot_are_unknown() -> None:
    made = [replace(snapshot([(0, 4096, 5, 1)], t), began=t - 1) for t in (1.0, 2.0, 9.0)]
    table = table_of(description(), made)
    means = numbers.column_means(table, numbers.time_edges(table, 9), numbers.working_sets(table))
    assert [not np.isnan(v) for v in means] == [True, True, *[False] * 6, True]


def test_memory_idle_at_least_so_long_is_a_mean_over_time() -> None:
    table = table_of(description(), steady(20))
    intervals = numbers.intervals_of(table)
    found = numbers.idle_at_least(table, numbers.idle_ms(table, intervals), ints([0, 10_000, 60_000, 10**9]))
    weight = numbers.durations(table) / numbers.durations(table).sum()
    expected = [sum(w * metrics.idle_at_least(s, t) for w, s in zip(weight, table, strict=True)) for t in (0, 1e4, 6e4)]
    assert found[:3] == pytest.approx(expected)
    assert found[3] == 0


@given(low=st.integers(-(1 << 60), 0), reach=st.integers(0, 1 << 60), bins=st.integers(1, 50), log=st.booleans())
def test_histogram_ranges_hold_everything(low: int, reach: int, bins: int, log: bool) -> None:
    edges = results.edges_of(low, low + reach, bins, log=log)
    assert edges[0] == low
    assert edges[-1] > low + reach
    steps = np.diff(edges)
    assert (steps > 0).all()
    assert len(steps) <= (bins + 2 if log else bins)
    assert (steps[1:] == steps[:-1] * (2 if log else 1)).all()


# -- damo on the same record ----------


def made(style: str, table: Table, **options: object) -> results.Result:
    return results.make(style, table, numbers.intervals_of(table), replace(StyleOptions(), **options))  # type: ignore[arg-type]


def test_the_working_set_agrees_with_damos() -> None:
    said = (DATA / "damo-wss.txt").read_text()
    result = made("wss", files.read(RECORD), skip=20)
    assert isinstance(result, LinesReport)
    line = result.lines[0]
    # damo's average does not weight by time
    assert f"avr:\t{line.values.mean() / 2**20:.3f} MiB" in said
    shown = {int(p): float(v) for p, v in re.findall(r"^ *(\d+) +([\d.]+) MiB", said, re.MULTILINE)}
    ours = {p: round(v / 2**20, 3) for p, v in zip(results.LINE_PERCENTILES, line.percentiles, strict=True)}
    assert len(shown) == 5
    assert {p: ours[p] for p in shown} == pytest.approx(shown, abs=0.001)


_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def amounts(text: str) -> list[float]:
    return [float(n) * _UNITS[u] for n, u in re.findall(r"([\d.]+) (ns|us|ms|s|KiB|MiB|GiB)\b", text)]


def test_bandwidth_and_idle_time_agree_with_damos_but_for_the_unit_of_ages() -> None:
    """damo takes the tuned interval for bandwidth and for the last aggregation, but the first one for ages."""
    table = files.read(RECORD)
    result, rates = made("idle-percentiles", table), made("bandwidth", table)
    assert isinstance(result, IdlePercentiles)
    assert isinstance(rates, LinesReport)
    aggr = numbers.intervals_of(table).aggr / 1e6
    blocks = (DATA / "damo-recency.txt").read_text().split("snapshot time: ")[1:]
    assert len(blocks) == len(table) == 38
    for index, block in enumerate(blocks):
        (bandwidth,) = amounts(re.findall(r"memory bw estimate: (.*) per second", block)[0])
        assert rates.lines[0].values[index] == pytest.approx(bandwidth, rel=0.001)
        for percentile, words in re.findall(r"^ *(\d+) +([\d.]+ \w+) +\|", block, re.MULTILINE):
            (theirs,) = amounts(words)
            ours = result.values[index, int(percentile)] / 1000
            if theirs == 0:
                assert ours < 0, "in use is not idle for no time, but in use for some"
            else:
                age = (theirs - aggr[index]) / 0.1
                assert ours == pytest.approx((round(age) + 1) * aggr[index], abs=0.0011)


@pytest.fixture
def untuned(tmp_path: Path) -> Path:
    """The same record, with intervals that are not tuned: there damo and the kernel mean the same by an age."""
    records = json.loads(zlib.decompress(RECORD.read_bytes()))
    zero = {"access_bp": "0", "aggrs": "0", "min_sample_us": "0", "max_sample_us": "0"}
    records[0]["intervals"] = {
        "sample_us": "25000", "aggr_us": "500000", "ops_update_us": "1000000", "intervals_goal": zero,
    }  # fmt: skip
    path = tmp_path / "untuned.data"
    path.write_bytes(zlib.compress(json.dumps(records, indent=4).encode()))
    return path


def damo(path: Path, *words: str) -> str:
    tool = Path(sys.executable).with_name("damo")
    if not tool.exists() or shutil.which("file") is None:
        pytest.skip("damo or the file command is not installed")
    command = [str(tool), "report", words[0], "--input", str(path), *words[1:]]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(path.parent)}
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=True).stdout


def test_damo_finds_the_same_idle_times(untuned: Path) -> None:
    words = ("access", "--style", "recency-percentiles", "--raw_number", "--repeat", "0", "1")
    blocks = damo(untuned, *words).split("snapshot time: ")[1:]
    result = made("idle-percentiles", files.read(untuned))
    assert isinstance(result, IdlePercentiles)
    assert len(blocks) == len(result.values)
    for index, block in enumerate(blocks):
        shown = {int(p): int(us) for p, us in re.findall(r"^ *(\d+) +(\d+) +\|", block, re.MULTILINE)}
        assert len(shown) == 7
        assert {p: max(0, int(result.values[index, p])) * 1000 for p in shown} == shown


@pytest.mark.parametrize(("style", "theirs"), [("idle", "recency"), ("temperature", "temperature")])
@pytest.mark.parametrize("log", [False, True])
def test_damo_finds_the_same_histograms(style: str, theirs: str, log: bool, untuned: Path) -> None:
    words = ("access", "--style", f"{theirs}-sz-hist", "--raw_number", "--repeat", "0", "1")
    blocks = damo(untuned, *words, *(["--hist_logscale"] if log else [])).split("<total size>")[1:]
    table = files.read(untuned)
    assert len(blocks) == len(table)
    for index in (0, 5, 20, 37):
        one = table_of(table.description, [table.snapshot(index)])
        result = made(f"{style}-histogram", one, log=log)
        assert isinstance(result, Histogram)
        counts = result.bytes.copy()
        counts[0] += result.in_use or 0.0
        shown = [tuple(map(int, row)) for row in re.findall(r"\[(-?\d+), (-?\d+)\) +(\d+)", blocks[index])]
        ours = list(zip(result.edges[:-1].tolist(), result.edges[1:].tolist(), counts.tolist(), strict=True))
        # where the last range of damo's doubling ones ends at the greatest value it drops that value; ours holds it
        assert ours[: len(shown)] == pytest.approx(shown)
        assert len(ours) - len(shown) in ((0, 1) if log else (0,))


def test_damo_draws_the_same_heatmap(untuned: Path) -> None:
    table = files.read(untuned)
    began, ended = table.ns(0)[0], table.ns(37)[1]
    columns, rows = 5, 8
    ended -= (ended - began) % columns
    low = int(table.start[table.start > 10**14].min())
    high = low + (800 << 20)
    words = ["heatmap", "--output", "raw", "--abs_time", "--abs_addr", "--resol", str(columns), str(rows)]
    words += ["--time_range", str(began), str(ended), "--address_range", str(low), str(high)]
    shown = [line.split() for line in damo(untuned, *words).splitlines()]
    theirs = np.array([float(row[2]) for row in shown]).reshape(columns, rows)
    axis = make_axis((ints([low]), ints([high])), rows, stride=stride_for(1))
    means, covered = numbers.heat(table, table.nr_accesses / 20, axis, np.linspace(began, ended, columns + 1) / 1e9)
    # a rate of 1 is 20 samples in 0.5 s; damo counts what was not monitored as not accessed
    assert np.nan_to_num(theirs) == pytest.approx(np.nan_to_num(means * covered * 40), abs=1e-5)
    assert theirs[np.isfinite(theirs)].max() > 10


def test_intervals_that_the_record_does_not_tell_are_taken_from_its_times(untuned: Path) -> None:
    tuned = numbers.intervals_of(files.read(RECORD))
    assert tuned.inferred == 38
    assert tuned.aggr[0] == 588_412
    assert (tuned.most == 20).all()
    fixed = numbers.intervals_of(files.read(untuned))
    assert (fixed.inferred, set(fixed.aggr.tolist())) == (0, {500_000})
    ours = table_of(description(), [replace(snapshot([(0, 4096, 1, 1)], 5.0), began=0.0)])
    assert numbers.intervals_of(ours).aggr.tolist() == [1_000_000], "a record of ours tells the truth"


@pytest.mark.parametrize(
    ("count", "label", "words"),
    [
        (3, "0x55d0c0000000", "lowest: target 1000"),
        (20, "1019:", "a number is that of the target that begins there"),
        (40, "1000…", "a number is that of the target that begins there, with … of several"),
    ],
)
def test_a_heatmap_of_many_targets_says_which_is_where(count: int, label: str, words: str) -> None:
    table = table_of(description(), [many_targets(count, float(time)) for time in range(1, 5)])
    intervals = numbers.intervals_of(table)
    heat = results.make("heatmap", table, intervals, StyleOptions(rows=24))
    head = results.head_of("heatmap", table, intervals, {})
    look = text.Look({"heat": " .:#", "signed": "-. :#"}, None, 80, 32, ascii=False)
    lines = [line.strip() for line in text.report(head, heat, look).splitlines()]
    assert words in lines
    assert any(line.startswith(f"{label} ####") for line in lines)
    rows = json.loads(data.report(head, heat))["rows"]
    assert len(rows) == 24
    assert ("several targets" in {row["kind"] for row in rows}) == (count > 24)
    assert all(row["start"] < 1 << 47 for row in rows)


def test_a_heatmap_of_samples_where_no_intervals_are_known() -> None:
    table = replace(files.read(RECORD), intervals_known=False)
    result = made("heatmap", table)
    assert isinstance(result, Heat)
    assert result.samples == int(table.nr_accesses.max())
    assert np.nanmax(result.values) <= 1


def test_a_snapshot_is_not_in_the_column_that_it_only_touches() -> None:
    """2.5 … 3.1 s in six columns: 3.0 is an edge that a float does not meet."""
    attrs = Attrs(sample_us=5_000, aggr_us=100_000, goal=None)
    made = [replace(snapshot([], t, attrs=attrs), began=b) for b, t in ((2.5, 2.75), (2.75, 3.0))]
    made.append(replace(snapshot([(0, 4096, 5, 0)], 3.1, attrs=attrs), began=3.0))
    table = table_of(description(), made)
    pairs = timeline.pairs(table.began, table.time, numbers.time_edges(table, 6))
    assert pairs.slot[pairs.value == 2].tolist() == [5]
    instant = table_of(description(), [replace(one, began=one.time) for one in made])
    edges = numbers.time_edges(instant, 6)
    assert set(timeline.pairs(instant.began, instant.time, edges).value.tolist()) == {0, 1, 2}


PAGE = (4096, 8192, 3, 1)
BEYOND = {
    "its times are no times": [snapshot([PAGE], 9.5e10)],
    "its times do not rise": [snapshot([PAGE], 2.0), snapshot([PAGE], 1.0)],
    "its addresses are higher than addresses are": [snapshot([(1 << 58, (1 << 58) + 4096, 0, 0)])],
    "its ages are longer than there has been a computer": [snapshot([(4096, 8192, 0, 10**11)])],
    "its regions hold more than there is memory": [snapshot([(0, 1 << 56, 0, 0)])],
}


@pytest.mark.parametrize("why", ["", *BEYOND])
def test_what_is_possible_of_each_snapshot_may_still_be_beyond_a_report(why: str) -> None:
    given = table_of(description(), BEYOND.get(why, [snapshot([PAGE])]))
    assert numbers.unsound(sound(given)) == why
    assert sound(given) is given, "each snapshot is possible"
