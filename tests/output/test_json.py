"""The JSON form: stable keys, exact round trips."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.analysis import savings
from damontui.analysis.estimator import Estimator
from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FirstTouches, Frames, Group, Measured, ModuleValues, Snapshot, Truth, ints
from damontui.damon.stat import DamonStat
from damontui.errors import UsageError
from damontui.operations.scenes import scene
from damontui.output.json import dump, snapshot_object, snapshot_of
from tests import make
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
        elif isinstance(mine, Measured):
            assert asdict(mine).keys() == asdict(theirs).keys()
            assert all(
                np.array_equal(a, b) for a, b in zip(asdict(mine).values(), asdict(theirs).values(), strict=True)
            )
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


def test_a_process_says_its_bytes() -> None:
    taken = make.process(60.0, mappings=5)
    value = json.loads(dump(taken, "1234"))
    measured = taken.measured
    assert measured is not None
    assert value["mapped_bytes"] == measured.mapped
    assert value["total_bytes"] == int(taken.memory.sum()) < value["mapped_bytes"]
    assert value["longest_pause_ms"] == 12.0
    assert value["watched_s"] == 60.0
    assert value["measured"]["swapped_bytes"] == 3 * make.MIB
    assert value["working_set_bytes"] == measured.used[:, 0].sum()
    held = {kind: part["bytes"] for kind, part in value["memory"].items()}
    assert held == dict(zip(("anon", "file", "shmem"), measured.kinds.sum(axis=0).tolist(), strict=True))
    assert {part["seconds"] for part in value["memory"].values()} == {60.0}
    assert all(part["used_bytes"] + part["idle_bytes"] == part["bytes"] for part in value["memory"].values())
    estimate = value["estimate"]
    assert [row["seconds"] for row in estimate["idle"]] == [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60]
    for idle, used in zip(estimate["idle"], estimate["working_set"], strict=True):
        assert idle["bytes"] + used["bytes"] == value["total_bytes"]
        assert idle["least"] <= idle["bytes"] <= idle["most"]
        assert used["least"] <= used["bytes"] <= used["most"]
    assert estimate["working_set"][-1]["bytes"] == measured.used[:, -1].sum()
    assert estimate["watched_s"] == 60.0
    assert max(estimate["idle_ms_percentiles"]) == 60_000
    for region, resident, used in zip(value["regions"], taken.memory.tolist(), measured.used.tolist(), strict=True):
        assert (region["resident"], region["used"], region["used_within"]) == (resident, used[0], used)
    assert_same(snapshot_of(value), taken)


def test_kinds_are_of_the_time_that_was_watched() -> None:
    value = snapshot_object(make.process(20.0, seconds=(0.1, 1.0, 12.0)), "1234")
    assert {part["seconds"] for part in value["memory"].values()} == {10.0}
    assert value["estimate"]["idle"][-1]["seconds"] == 10


def test_what_is_resident_of_sampled_memory() -> None:
    taken = snapshot(ROWS[:2], resident=ints([4096, 1 << 20]), watched=3.5, free=None)
    value = snapshot_object(taken, "1234")
    assert (value["total_bytes"], value["mapped_bytes"]) == (4096 + (1 << 20), (1 << 30) - 4096)
    assert [(region["resident"], region["used"]) for region in value["regions"]] == [(4096, 0), (1 << 20, 1 << 20)]
    assert value["working_set_bytes"] == 1 << 20
    assert value["memory"] is None
    assert_same(snapshot_of(json.loads(dump(taken, "1234"))), taken)


def test_sampled_estimates_say_how_sure_they_are() -> None:
    value = snapshot_object(snapshot([(0, 1 << 30, 20, 9), (1 << 30, 1 << 31, 0, 59)], watched=60.0), "stat")
    rows = {row["seconds"]: row for row in value["estimate"]["idle"]}
    assert min(rows) == 1  # nothing is known of less than an aggregation
    assert rows[60] == {"seconds": 60, "bytes": 1 << 30, "least": round((1 << 30) * 0.95), "most": 1 << 30}
    assert value["estimate"]["working_set"][-1]["least"] == 1 << 30


def test_physical_memory_by_kind() -> None:
    counts = np.zeros((2, 9), dtype=np.int64)
    counts[:, 0], counts[:, 3] = 30, 70
    taken = snapshot([(0, 1 << 30, 20, 9), (1 << 30, 1 << 31, 0, 59)], free=5 << 20)
    value = snapshot_object(replace(taken, frames=Frames(counts, ints([0, 0]), ints([0, 0]))), "stat")
    assert value["free_bytes"] == 5 << 20
    anon = value["memory"]["anon"]
    assert anon["bytes"] == pytest.approx(0.7 * (2 << 30), rel=1e-6)
    assert anon["idle_bytes"] == pytest.approx(0.35 * (2 << 30), rel=1e-6)
    assert anon["least"] < anon["bytes"] < anon["most"]


def test_what_idle_memory_includes_is_said_where_nothing_tells_it_apart() -> None:
    def includes(**changes: object) -> str | None:
        made = snapshot(ROWS, **changes)  # type: ignore[arg-type]
        value = json.loads(dump(made, "stat"))
        assert snapshot_of(value).physical == made.physical
        found: str | None = value["idle_includes"]
        return found

    assert "free memory looks idle" in (includes(physical=True) or "")
    assert "is in memory" in (includes(physical=False) or "")
    assert includes(physical=True, free=1) is None
    assert includes(origin="simulated") is None


def test_what_frames_held_comes_back() -> None:
    counts = np.arange(27, dtype=np.int64).reshape(3, 9)
    made = snapshot(ROWS, frames=Frames(counts, ints([1, 0, 2]), ints([0, 0, 3]), 0.0015, 0.25), free=4096)
    value = json.loads(dump(made, "stat"))
    assert value["regions"][0]["frames"] == {
        "file": 1, "shmem": 2, "anon": 3, "slab": 4, "page_tables": 5, "kernel": 6, "hugetlb": 7, "hole": 8,
        "unevictable": 1,
    }  # fmt: skip
    frames = snapshot_of(value).frames
    assert frames is not None
    assert frames.counts.tolist() == counts.tolist()
    assert (frames.unevictable.tolist(), frames.huge.tolist(), frames.cpu) == ([1, 0, 2], [0, 0, 3], 0.0015)
    assert (value["frames_mixed"], frames.mixed) == (0.25, 0.25)
    assert json.loads(dump(snapshot_of(value), "stat")) == value


@pytest.mark.parametrize("wrong", ["half", "nan", -0.5, [0.5]])
@pytest.mark.parametrize("name", ["frames_cpu", "frames_mixed"])
def test_a_share_that_is_none_is_refused(name: str, wrong: object) -> None:
    none = ints([0, 0, 0])
    frames = Frames(np.ones((3, 9), np.int64), none, none, 0.001, 0.5)
    value = json.loads(dump(snapshot(ROWS, frames=frames), "stat"))
    with pytest.raises(UsageError, match="snapshot: "):
        snapshot_of(value | {name: wrong})


@pytest.mark.parametrize("name", ["seconds", "least", "swapped_bytes"])
def test_damaged_counts_are_refused(name: str) -> None:
    value = json.loads(dump(make.process(), "1234"))
    del value["measured"][name]
    with pytest.raises(UsageError, match=name):
        snapshot_of(value)
    value = json.loads(dump(make.process(), "1234"))
    value["measured"]["least"] = [1]
    with pytest.raises(UsageError, match="shape"):
        snapshot_of(value)


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


def test_the_estimate_follows_from_all_snapshots_so_far() -> None:
    stat, estimator = DamonStat(scene("steady", 3), seed=3), Estimator()
    snapshot = None
    while snapshot is None or snapshot.time < 100.0:
        stat.run(stat.aggr_interval_us / 1e6)
        snapshot = stat.snapshot
        assert snapshot is not None
        estimator.add(snapshot)
    made = snapshot_object(snapshot, "demo", estimator=estimator)
    alone = snapshot_object(snapshot, "demo")
    assert {**made, "estimate": None} == {**alone, "estimate": None}  # the kernel's rule stays where it was
    estimate = made["estimate"]
    assert [row["seconds"] for row in estimate["idle"]] == [row["seconds"] for row in estimate["working_set"]]
    assert 60.0 <= estimate["watched_s"] <= snapshot.time
    for idle, used in zip(estimate["idle"], estimate["working_set"], strict=True):
        assert idle["least"] <= idle["bytes"] <= idle["most"]
        assert idle["bytes"] + used["bytes"] == pytest.approx(made["total_bytes"], abs=2)
    assert snapshot.truth is not None
    minute = next(row for row in estimate["idle"] if row["seconds"] == 60)
    truth = savings.true_share(snapshot.truth, 60.0) * made["total_bytes"]
    assert abs(minute["bytes"] - truth) < 0.1 * made["total_bytes"]
    assert abs(metrics.idle_at_least(snapshot, 60_000) - truth) > 0.3 * made["total_bytes"]


def test_a_control_group_has_its_files() -> None:
    group = Group("/web", current=5, max=9, swap=0, inactive_file=2, dying=1, unmapped=3, mapped_file=4)
    found = replace(snapshot([(0, 4096, 1, 1)]), group=group)
    told = snapshot_object(found, "cgroup:web")
    assert told["group"] == {
        "cgroup": "/web",
        "current": 5,
        "max": 9,
        "high": None,
        "swap": 0,
        "inactive_file": 2,
        "deleted_below": 1,
        "gone": False,
        "unmapped": 3,
        "mapped_file": 4,
    }
    assert snapshot_of(json.loads(json.dumps(told))).group == group
    assert "group" not in snapshot_object(snapshot([(0, 4096, 1, 1)]), "1")


def test_what_was_first_touched_comes_back() -> None:
    columns = ([0.0, 1.0], [4096.0, 8192.0], [4096.0, 0.0], [1.0, 1.5])
    plain = make.process()
    assert plain.measured is not None
    first = FirstTouches(*(np.array(column) for column in columns))
    told = snapshot_object(replace(plain, measured=replace(plain.measured, first_touches=first)), "1234")
    assert told["measured"]["first_touches"] == {
        "since_s": [0.0, 1.0],
        "touched_bytes": [4096.0, 8192.0],
        "back_bytes": [4096.0, 0.0],
        "seconds": [1.0, 1.5],
    }
    found = snapshot_of(json.loads(json.dumps(told))).measured
    assert found is not None
    assert found.first_touches is not None
    for name, column in zip(("since", "touched", "back", "seconds"), columns, strict=True):
        assert getattr(found.first_touches, name).tolist() == column
