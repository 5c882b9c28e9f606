"""The JSON form: stable keys, exact round trips."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import ModuleValues, Snapshot, Truth
from damontui.errors import UsageError
from damontui.output.json import dump, snapshot_object, snapshot_of
from tests.make import snapshot

ROWS = [(4096, 8192, 0, 7), (8192, 1 << 30, 20, 0), (1 << 40, 1 << 47, 3, 1 << 20)]

REQUIRED = {
    "schema", "time", "target", "origin", "complete", "intervals", "goal", "observed_access_bp",
    "bandwidth_bytes_per_s", "idle_ms_percentiles", "total_bytes", "regions", "overhead_cpu",
}  # fmt: skip


def assert_same(one: Snapshot, other: Snapshot) -> None:
    for field in fields(Snapshot):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype
            assert mine.tolist() == theirs.tolist()
        else:
            assert mine == theirs, field.name


def test_the_promised_keys() -> None:
    taken = snapshot(ROWS)
    value = json.loads(dump(taken, "stat"))
    assert value.keys() >= REQUIRED
    assert value["schema"] == 1
    assert value["target"] == "stat"
    assert value["intervals"] == {"sample_us": 50_000, "aggr_us": 1_000_000}
    assert value["goal"] == {"access_bp": 400, "aggrs": 3, "min_sample_us": 5_000, "max_sample_us": 10_000_000}
    assert value["bandwidth_bytes_per_s"] == metrics.bandwidth(taken)
    assert value["idle_ms_percentiles"] == list(metrics.idle_percentiles(taken))
    assert value["total_bytes"] == sum(end - start for start, end, *_ in ROWS)
    assert value["regions"][0] == {"target": 0, "start": 4096, "end": 8192, "nr_accesses": 0, "age": 7}
    assert "kernel" not in value
    assert "truth" not in value


def test_modules_truth_and_names() -> None:
    taken = snapshot(
        ROWS,
        module=ModuleValues(True, 42, tuple(range(101)), None, 77),
        truth=Truth(5, 6.0, tuple(range(101))),
        names=("", "[heap]", "lib"),
        targets=(1234, 99),
        target=[0, 0, 1],
    )
    value = snapshot_object(taken, "1234")
    assert value["kernel"]["estimated_memory_bandwidth"] == 42
    assert value["kernel"]["aggr_interval_us"] is None
    assert value["truth"]["working_set_bytes"] == 5
    assert [region.get("name") for region in value["regions"]] == [None, "[heap]", "lib"]
    assert [region["target"] for region in value["regions"]] == [1234, 1234, 99]
    assert_same(snapshot_of(json.loads(dump(taken, "x"))), taken)


def test_what_was_not_measured_is_null_not_zero() -> None:
    taken = snapshot([], module=ModuleValues(True, 42, (0,) * 101), note="tracefs is hidden", cpu=None)
    value = snapshot_object(taken, "stat")
    for key in ("observed_access_bp", "bandwidth_bytes_per_s", "idle_ms_percentiles", "total_bytes", "overhead_cpu"):
        assert value[key] is None
    assert value["regions"] == []
    assert value["note"] == "tracefs is hidden"
    assert_same(snapshot_of(json.loads(dump(taken, "stat"))), taken)


@given(
    rows=st.lists(st.tuples(st.integers(1, 1 << 20), st.integers(0, 20), st.integers(0, 1 << 40)), max_size=20),
    complete=st.booleans(),
    lost=st.integers(0, 1 << 40),
    goal=st.booleans(),
    until=st.none() | st.integers(0, 9),
    name=st.text(max_size=20),
)
def test_round_trip(
    rows: list[tuple[int, int, int]], complete: bool, lost: int, goal: bool, until: int | None, name: str
) -> None:
    edge, regions = 0, []
    for pages, accesses, age in rows:
        regions.append((edge, edge + pages * 4096, accesses, age))
        edge += pages * 4096
    attrs = Attrs(7_001, 140_021) if goal else Attrs(7_001, 140_021, goal=None)
    taken = snapshot(
        regions,
        attrs=attrs,
        next_attrs=attrs.with_sample(8_000),
        complete=complete,
        lost=lost,
        until_tuning=until,
        names=(name,) * len(regions) if name else (),
    )
    line = dump(taken, "demo")
    assert "\n" not in line
    assert_same(snapshot_of(json.loads(line)), taken)


@pytest.mark.parametrize("broken", [None, [], {}, {"schema": 2}, {"schema": 1}, "text"])
def test_what_is_none_of_ours_is_refused(broken: object) -> None:
    with pytest.raises(UsageError, match="snapshot: "):
        snapshot_of(broken)  # type: ignore[arg-type]


@given(data=st.data())
def test_damaged_objects_are_refused_in_one_sentence(data: st.DataObject) -> None:
    value = json.loads(dump(snapshot(ROWS, module=ModuleValues(True)), "stat"))
    key = data.draw(st.sampled_from(sorted(value.keys() - {"schema", "target"})))
    junk = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
    value[key] = data.draw(junk)
    try:
        taken = snapshot_of(value)
    except UsageError:
        return
    assert_same(replace(taken), taken)
