"""A reading as Prometheus metrics: what each sample says, and what is not said."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse

from damontui.analysis.estimator import Estimator, past
from damontui.analysis.owners import GROUP, OwnerRow
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import FRAME_KINDS, Frames, Pressure, Snapshot, ints
from damontui.output import metrics
from damontui.output.metrics import BUCKET_BOUNDS, Reading
from tests import make
from tests.make import GIB, MIB
from tests.prometheus import check_metrics

OPEN = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def reading(**changes: object) -> Reading:
    """Of a machine that has been watched for 100 s."""
    seen = [replace(one, watched=one.time) for one in make.steady(100, module=make.module_values())]
    made = Reading(
        make.description(), True, seen[-1], past(seen), seen[-1].module, 3 * GIB, make.WALL + 100, 3, 1, 1.5, 2.5
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def samples(made: Reading, *, open_metrics: bool = False) -> dict[str, float]:
    """Each sample by its name and labels, as the readers of both formats understand it."""
    text = metrics.negotiated(made, OPEN if open_metrics else "")[0].decode()
    found = {}
    for family in (parse_open if open_metrics else parse)(text):
        for one in family.samples:
            assert one.timestamp is None
            labels = ",".join(f"{key}={value}" for key, value in sorted(one.labels.items()))
            found[f"{one.name}{{{labels}}}" if labels else one.name] = one.value
    return found


def buckets(made: Reading, rule: str, *, open_metrics: bool = False) -> list[float]:
    found = samples(made, open_metrics=open_metrics)
    names = [f"damon_memory_idle_seconds_bucket{{le={bound:.1f},rule={rule}}}" for bound in BUCKET_BOUNDS]
    return [found[name] for name in (*names, f"damon_memory_idle_seconds_bucket{{le=+Inf,rule={rule}}}")]


def test_promtool_has_nothing_to_say() -> None:
    assert check_metrics(metrics.text(reading())) == ""
    assert check_metrics(metrics.text(reading(enabled=False))) == ""


def test_the_numbers_are_those_of_the_snapshot() -> None:
    made = reading()
    found, snapshot = samples(made), made.snapshot
    assert snapshot is not None
    assert found["damon_enabled"] == 1
    assert found["damon_regions"] == len(snapshot)
    assert found["damon_aggregation_interval_seconds"] == snapshot.attrs.aggr_us / 1e6
    assert found["damon_sampling_interval_seconds"] == snapshot.attrs.sample_us / 1e6
    assert found["damon_watched_seconds"] == 100
    assert found["damon_last_aggregation_timestamp_seconds"] == make.WALL + 100
    assert (found["damon_lost_events_total"], found["damontui_source_errors_total"]) == (3, 1)
    assert (found["damon_kdamond_cpu_seconds_total"], found["damontui_cpu_seconds_total"]) == (1.5, 2.5)
    assert found["damon_stat_bandwidth_bytes_per_second"] == 3_100_000_000
    assert made.estimate is not None
    assert found["damon_estimated_bandwidth_bytes_per_second"] == pytest.approx(made.estimate.bandwidth)
    assert found["damon_working_set_bytes{threshold=60}"] == made.estimate.working_set(60).bytes
    assert "damon_working_set_bytes{threshold=300}" not in found  # it was watched for 100 s
    assert found["damon_target_info{kernel=7.2.13,origin=kernel,target=stat,title=DAMON_STAT}"] == 1
    assert len(found) <= 60


@pytest.mark.parametrize("open_metrics", [False, True])
def test_buckets_hold_bytes_by_the_time_since_their_last_touch(open_metrics: bool) -> None:
    attrs = replace(make.ATTRS, sample_us=50_000, aggr_us=1_000_000)
    rows = [(0, MIB, 5, 3), (MIB, 3 * MIB, 0, 4), (3 * MIB, 7 * MIB, 0, 59), (7 * MIB, 15 * MIB, 0, 20_000)]
    made = replace(reading(), snapshot=make.snapshot(rows, 30_000.0, attrs=attrs), estimate=None)
    found = [one / MIB for one in buckets(made, "kernel", open_metrics=open_metrics)]
    # idle for (age + 1) seconds: 5, 60 and 20,001
    assert found == [1, 1, 3, 3, 3, 7, 7, 7, 7, 7, 7, 7, 15]
    count = samples(made, open_metrics=open_metrics)
    name = "gcount" if open_metrics else "count"
    assert count[f"damon_memory_idle_seconds_{name}{{rule=kernel}}"] == 15 * MIB
    name = "gsum" if open_metrics else "sum"
    weighted = (2 * 5 + 4 * 60 + 8 * 20_001) * MIB
    assert count[f"damon_memory_idle_seconds_{name}{{rule=kernel}}"] == weighted


def test_both_rules_stand_side_by_side() -> None:
    made = reading()
    assert made.estimate is not None
    estimate, kernel = buckets(made, "estimate"), buckets(made, "kernel")
    assert estimate[-1] == pytest.approx(kernel[-1])
    assert estimate != kernel
    assert all(np.diff(estimate) >= 0)
    # at least as idle as 60 s and at most as idle as 60 s are all, and share only what is exactly so
    assert estimate[-1] - estimate[BUCKET_BOUNDS.index(60)] <= made.estimate.idle(60).bytes


def test_off_is_a_state_and_not_a_missing_sample() -> None:
    found = samples(reading(enabled=False))
    assert found["damon_enabled"] == 0
    assert found["damon_last_aggregation_timestamp_seconds"] > 0
    assert not [name for name in found if "memory" in name or "working_set" in name or "bandwidth" in name]


def test_before_the_first_aggregation_nothing_is_said_of_memory() -> None:
    found = samples(reading(snapshot=None, estimate=None, module=None))
    assert found["damon_enabled"] == 1
    assert not [name for name in found if "memory" in name or "regions" in name]


def test_without_a_trace_the_module_s_own_percentiles_make_the_histogram() -> None:
    empty = replace(make.snapshot([], 100.0), module=make.module_values())
    made = reading(snapshot=empty, estimate=None)
    found = buckets(made, "kernel")
    assert found[-1] == pytest.approx(3 * GIB)
    assert made.module is not None
    assert made.module.idle_ms_percentiles is not None
    used = sum(one <= 0 for one in made.module.idle_ms_percentiles[1:])
    assert found[0] == pytest.approx(3 * GIB * used / 100)
    assert not [name for name in samples(made) if "rule=estimate" in name]
    assert not [name for name in samples(replace(made, module_bytes=None)) if "bucket" in name]


def test_counted_bytes_are_those_of_the_curve() -> None:
    snapshot = make.process(seconds=(0.1, 1.0, 10.0, 60.0))
    made = reading(snapshot=snapshot, estimate=None, module=None, description=make.description("process"))
    found = buckets(made, "counted")
    assert snapshot.measured is not None
    curve = snapshot.measured.used.sum(axis=0)
    assert (found[0], found[1]) == (curve[0], curve[1])
    assert curve[1] < found[2] < curve[2]
    # what was not touched at all has been idle for the 60 s that were watched
    assert found[BUCKET_BOUNDS.index(60)] == found[-1] == snapshot.total_bytes
    said = samples(made)
    assert said["damon_working_set_bytes{threshold=60}"] == curve[3]
    kinds = [said[f"damon_memory_bytes{{kind={kind}}}"] for kind in ("anon", "file", "shmem")]
    assert sum(kinds) == snapshot.total_bytes
    assert "damon_memory_idle_bytes{kind=anon,threshold=60}" in said
    assert "damon_memory_idle_bytes{kind=anon,threshold=300}" not in said
    assert check_metrics(metrics.text(made)) == ""


def test_kinds_of_memory_add_up_and_free_memory_is_never_idle() -> None:
    made = reading()
    assert made.snapshot is not None
    counts = np.zeros((len(made.snapshot), len(FRAME_KINDS)), np.int64)
    counts[:, [FRAME_KINDS.index(kind) for kind in ("anon", "slab", "free")]] = 25, 5, 70
    nothing = ints([0] * len(counts))
    made = replace(made, snapshot=replace(made.snapshot, frames=Frames(counts, nothing, nothing.copy())))
    found = samples(made)
    kinds = {name: value for name, value in found.items() if name.startswith("damon_memory_bytes")}
    assert len(kinds) == 5
    assert sum(kinds.values()) == pytest.approx(made.snapshot.total_bytes)  # type: ignore[union-attr]
    assert kinds["damon_memory_bytes{kind=free}"] == pytest.approx(0.7 * made.snapshot.total_bytes)  # type: ignore[union-attr]
    assert found["damon_memory_idle_bytes{kind=anon,threshold=60}"] > 0
    assert not [name for name in found if "idle_bytes{kind=free" in name or "idle_bytes{kind=kernel" in name]


def test_idle_memory_by_kind_is_by_the_estimate() -> None:
    """All of it has been idle for 90 s, though the regions' ages began anew a moment ago"""
    counts = np.zeros((1, len(FRAME_KINDS)), np.int64)
    counts[0, FRAME_KINDS.index("file")] = 100
    drawn = Frames(counts, ints([0]), ints([0]))
    estimator = Estimator()
    for step in range(90):
        snapshot = make.snapshot([(0, MIB, 0, 0)], step + 1.0, frames=drawn, watched=step + 1.0)
        estimator.add(snapshot)
    found = samples(reading(snapshot=snapshot, estimate=estimator.estimate()))
    assert found["damon_memory_idle_bytes{kind=file,threshold=60}"] == MIB


def test_where_kinds_are_not_known_free_memory_is_taken_off_what_is_idle() -> None:
    made = reading()
    assert made.snapshot is not None
    assert made.estimate is not None
    without = samples(made)["damon_memory_idle_bytes{kind=unknown,threshold=60}"]
    found = samples(replace(made, snapshot=replace(made.snapshot, free=MIB)))
    assert without == made.estimate.idle(60).bytes
    assert found["damon_memory_bytes{kind=free}"] == MIB
    assert found["damon_memory_idle_bytes{kind=unknown,threshold=60}"] == without - MIB


@pytest.mark.parametrize(
    "title", ['"} 1\nevil_total{x="', "\x1b]0;owned\x07", "a\\", "\u202e[red]", "x" * 10_000, "\ud800 lone"]
)
def test_label_values_are_bounded_and_safe(title: str) -> None:
    made = reading(description=make.description(title=title, target=title, kernel=title))
    for open_metrics in (False, True):
        text = metrics.negotiated(made, OPEN if open_metrics else "")[0].decode()
        assert not [char for char in text if char in "\x1b\x07\u202e\r"]
        assert max(map(len, text.splitlines())) < 800
        names = {name.partition("{")[0] for name in samples(made, open_metrics=open_metrics)}
        assert all(name.startswith(("damon_", "damontui_")) for name in names)
    assert check_metrics(metrics.text(made)) == ""


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4"),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", "text/plain; version=0.0.4"),
        (OPEN, "application/openmetrics-text; version=1.0.0"),
        ("\x00garbage;q=9999,,,;=;", "text/plain; version=0.0.4"),
    ],
)
def test_a_scraper_gets_what_it_understands(accept: str, kind: str) -> None:
    body, found = metrics.negotiated(reading(), accept)
    assert found.startswith(kind)
    assert body.endswith(b"# EOF\n") == kind.startswith("application")


def test_a_histogram_holds_all_bytes_once() -> None:
    rng = np.random.default_rng(1)
    idle, sizes = rng.exponential(300, 500), rng.integers(1, 1 << 30, 500)
    found = metrics.histogram(idle, sizes)
    assert found.total == sizes.sum()
    for bound, bytes_ in zip(BUCKET_BOUNDS, found.cumulated, strict=True):
        assert bytes_ == sizes[idle <= bound].sum()
    assert found.weighted == pytest.approx((idle * sizes).sum())


def test_pressure_where_it_is_known() -> None:
    made = reading()
    assert made.snapshot is not None
    assert "damon_pressure_memory_some_ratio" not in samples(made)
    pressed = replace(made, snapshot=replace(made.snapshot, pressure=Pressure(some=0.25)))
    assert samples(pressed)["damon_pressure_memory_some_ratio"] == 0.25
    assert check_metrics(metrics.text(pressed)) == ""


def test_an_incomplete_snapshot_makes_what_it_can() -> None:
    partial: Snapshot = replace(make.snapshot([(0, MIB, 1, 1)], 5.0), complete=False, lost=7)
    found = samples(reading(snapshot=partial, estimate=None))
    assert found["damon_regions"] == 1


def test_every_family_is_in_the_manual() -> None:
    """Whatever a reading has to have for it: the names are those that stand in the module."""
    named = set(re.findall(r'"(damon(?:tui)?_[a-z_]+)"', inspect.getsource(metrics)))
    families = metrics.families(reading(groups=(row("/a", 1.0),)), open_metrics=True)
    assert {family.name for family in families} - {"damon_memory_idle_seconds"} < named
    text = resources.files("damontui").joinpath("manual", "export.md").read_text("utf-8")
    for name in named:
        there = re.search(rf"\b{name}(_total|_info|_bucket)?\b(?!_)", text)
        assert there, f"say in manual/export.md what {name} (output/metrics.py) is"


def row(path: str, size: float) -> OwnerRow:
    return OwnerRow(
        GROUP, path, 10, Amount(0, size, 2 * size), {"anon": size / 2, "file": size / 4}, ((60.0, Amount(0, 3, 9)),)
    )


def test_control_groups_are_five_samples_each_with_safe_and_single_names() -> None:
    long = "/" + "x" * 400
    made = reading(
        groups=(row("/a", 100.0), row("/evil\x1b[31m\n", 50.0), row(f"{long}1", 20.0), row(f"{long}2", 10.0))
    )
    found = {name: value for name, value in samples(made).items() if "cgroup" in name}
    assert found["damon_cgroup_memory_bytes{cgroup=/a}"] == 100
    assert found["damon_cgroup_memory_kind_bytes{cgroup=/a,kind=file}"] == 25
    assert found["damon_cgroup_memory_idle_bytes{cgroup=/a,threshold=60}"] == 3
    assert len([name for name in found if "=/a" in name]) == 4  # and 300 s where it was watched for so long
    # two that are alike once they are short are one, since no name may come twice
    assert sum(value for name, value in found.items() if "memory_bytes{cgroup=/xxx" in name) == 30
    assert check_metrics(metrics.text(made)) == ""
    assert b"\x1b" not in metrics.text(made)


def test_what_was_watched_is_what_this_exporter_saw() -> None:
    """An exporter that began later than DAMON_STAT knows nothing to be idle for longer than it has looked."""
    seen = [replace(one, watched=one.time + 5000) for one in make.steady(100)]
    made = reading(snapshot=seen[-1], estimate=past(seen))
    assert made.estimate is not None
    assert samples(made)["damon_watched_seconds"] == made.estimate.watched_s < 200
    assert samples(replace(made, estimate=None))["damon_watched_seconds"] == 5100


def test_the_estimate_leaves_out_what_is_free_and_the_kernel_s_rule_does_not() -> None:
    free = GIB // 2
    seen = [replace(one, watched=one.time, free=free) for one in make.steady(100)]
    without = reading(snapshot=replace(seen[-1], free=None))
    made = reading(snapshot=seen[-1], estimate=past(seen))
    total = samples(without)["damon_memory_idle_seconds_bucket{le=+Inf,rule=kernel}"]
    found = samples(made)
    assert found["damon_memory_bytes{kind=free}"] == free
    assert found["damon_memory_idle_seconds_bucket{le=+Inf,rule=kernel}"] == total
    assert found["damon_memory_idle_seconds_bucket{le=+Inf,rule=estimate}"] == pytest.approx(total - free)
    # so what is free is to be taken away from what is idle by the kernel's rule only, and nothing where it is unknown
    assert "damon_memory_bytes{kind=free}" not in samples(without)
    assert samples(without)["damon_memory_idle_seconds_bucket{le=+Inf,rule=estimate}"] == pytest.approx(total)
