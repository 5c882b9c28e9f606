"""The context: steps of a sampling interval and of an aggregation, over memory that the test can see through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from damontui.damon import metrics
from damontui.damon.attrs import PAGE_SIZE, Attrs, IntervalsGoal
from damontui.damon.context import Context
from damontui.damon.operations import Target
from damontui.damon.regions import Regions
from damontui.damon.snapshot import Ints, Snapshot, Truth, ints
from damontui.operations.areas import IDLE, Area, poisson
from damontui.operations.workload import Workload
from tests.damon.reference import assert_regions

GIB = 1 << 30
FIXED = Attrs(goal=None)


class Memory:
    """Every page below ``hot`` is always accessed, no other ever; remembers what was asked."""

    def __init__(self, *targets: Target, hot: int = 0) -> None:
        self.now: Sequence[Target] = targets or (Target(7, ((0, GIB),)),)
        self.hot = hot
        self.updates = 0
        self.asked: list[tuple[Ints, Ints]] = []

    def targets(self) -> Sequence[Target]:
        return self.now

    def prepare(self, addresses: Ints, target: Ints) -> None:
        self.asked.append((addresses, target))

    def check(self) -> NDArray[np.bool_]:
        return self.asked[-1][0] < self.hot

    def update(self) -> None:
        self.updates += 1

    def valid(self) -> bool:
        return True


class Stepped(Memory):
    """A workload that is observed sample by sample, though it could count."""

    def __init__(self, model: Workload, sample_us: int) -> None:
        super().__init__(*model.targets())
        self.model, self.sample_us = model, sample_us

    def prepare(self, addresses: Ints, target: Ints) -> None:
        self.model.prepare(addresses, target)

    def check(self) -> NDArray[np.bool_]:
        self.model.advance(self.sample_us)
        return self.model.check()


def context(memory: Memory | Workload, attrs: Attrs = FIXED, seed: int = 1, time: float = 0.0) -> Context:
    return Context(memory, attrs, np.random.default_rng(seed), origin="simulated", time=time, wall=1000.0)


def test_a_random_page_of_each_region_is_prepared() -> None:
    memory = Memory(Target(1, ((0, GIB),)), Target(2, ((GIB, 2 * GIB), (3 * GIB, 4 * GIB))))
    ours = context(memory)
    for _ in range(3):
        ours.prepare()
        addresses, target = memory.asked[-1]
        assert (ours.regions.start <= addresses).all()
        assert (addresses < ours.regions.end).all()
        assert (addresses % PAGE_SIZE == 0).all()
        assert (target == ours.regions.target).all()
    assert (memory.asked[0][0] != memory.asked[1][0]).sum() >= 10


def test_the_minimum_of_regions_holds_from_the_start() -> None:
    ours = context(Memory())
    assert len(ours.regions) == 10
    assert ours.regions.sizes.max() <= -(-GIB // 10 // PAGE_SIZE) * PAGE_SIZE
    assert len(context(Memory(Target(0, ((0, PAGE_SIZE),)))).regions) == 1


def test_one_aggregation_sample_by_sample() -> None:
    ours = context(Memory(hot=GIB), time=50.0)
    for sample in range(20):
        assert ours.samples_left == 20 - sample
        assert ours.aggregation_due == pytest.approx(50.1)
        ours.prepare()
        snapshot = ours.check()
        assert (snapshot is None) == (sample < 19)
    assert snapshot is not None
    assert (snapshot.began, snapshot.time, snapshot.wall) == (50.0, pytest.approx(50.1), pytest.approx(1000.1))
    assert snapshot.nr_accesses.tolist() == [20] * 10
    # from no access to some: the pattern has just changed
    assert snapshot.age.tolist() == [0] * 10
    assert snapshot.targets == (7,)
    assert (snapshot.attrs, snapshot.next_attrs, snapshot.until_tuning) == (FIXED, FIXED, None)
    assert ours.samples_left == 20
    assert ours.began == snapshot.time
    assert len(ours.regions) == 20


def test_the_callers_clock_is_taken_over() -> None:
    ours = context(Memory())
    ours.prepare()
    assert ours.check(time=0.007, wall=5.0) is None
    assert (ours.time, ours.wall) == (0.007, 5.0)
    ours.prepare()
    ours.check(time=0.027)
    assert ours.wall == pytest.approx(5.02)
    assert ours.aggregation_due == pytest.approx(0.027 + 18 * 0.005)


def test_a_models_clock_does_not_drift() -> None:
    ours = context(Memory(), Attrs(sample_us=1, aggr_us=3, goal=None))
    for _ in range(10_000):
        ours.aggregate()
    assert ours.time == 0.03


def test_edges_of_a_hot_area_are_found() -> None:
    hot = 12345 * PAGE_SIZE
    ours = context(Memory(hot=hot))
    for _ in range(60):
        snapshot = ours.aggregate()
    found = int(snapshot.sizes[snapshot.nr_accesses > 10].sum())
    assert abs(found - hot) <= 32 * PAGE_SIZE
    assert snapshot.age.max() >= 30


@pytest.mark.parametrize(("max_regions", "counts"), [(33, [20, 30, 30]), (30, [20, 20, 20]), (20, [20, 20, 20])])
def test_splits_in_two_then_three_while_the_count_stays(max_regions: int, counts: list[int]) -> None:
    # ten ranges with gaps: merging always brings ten regions back
    memory = Memory(Target(0, tuple((i << 30, (i << 30) + (1 << 29)) for i in range(10))))
    ours = context(memory, Attrs(min_regions=3, max_regions=max_regions, goal=None))
    seen = []
    for _ in range(3):
        assert len(ours.aggregate()) == 10
        seen.append(len(ours.regions))
    assert seen == counts


def test_no_split_over_half_the_maximum() -> None:
    ours = context(Memory(), Attrs(min_regions=10, max_regions=19, goal=None))
    ours.aggregate()
    assert len(ours.regions) == 10


@pytest.mark.parametrize(("counts", "joined"), [((20, 18), True), ((19, 17), False), ((9, 9), True), ((9, 8), False)])
def test_the_threshold_is_a_tenth_of_the_largest_count(counts: tuple[int, int], joined: bool) -> None:
    ours = context(Memory(), Attrs(min_regions=3, goal=None))
    # a large idle region far away, so that the size limit does not matter
    ours.regions = Regions(
        start=ints([0, 1 << 16, GIB]),
        end=ints([1 << 16, 1 << 17, 2 * GIB]),
        nr_accesses=ints([*counts, 0]),
        last_nr_accesses=ints([counts[0], counts[0], 0]),
        age=ints([5, 5, 5]),
    )
    snapshot = ours.aggregate()
    assert (int(snapshot.end[0]) == 1 << 17) == joined
    assert snapshot.age[0] == 6


def test_tuning_publishes_old_attributes_and_ages_in_the_new_unit() -> None:
    ours = context(Memory(), Attrs())
    first, second, third, fourth = (ours.aggregate() for _ in range(4))
    assert [s.until_tuning for s in (first, second, third, fourth)] == [2, 1, 3, 2]
    assert [s.attrs.sample_us for s in (first, second, third, fourth)] == [5_000, 5_000, 5_000, 10_000]
    assert [s.next_attrs.sample_us for s in (first, second, third, fourth)] == [5_000, 5_000, 10_000, 10_000]
    # three aggregations of 100 ms are one of 200 ms
    assert [int(s.age.max()) for s in (first, second, third, fourth)] == [1, 2, 1, 2]
    assert fourth.time - fourth.began == pytest.approx(0.2)
    assert metrics.idle_percentiles(third)[100] == 400


def test_targets_are_looked_at_each_update_interval() -> None:
    memory = Memory(Target(1, ((0, GIB),)), Target(2, ((0, GIB),)))
    ours = context(memory, Attrs(update_us=200_000, goal=None))
    for _ in range(2):
        ours.aggregate()
    assert memory.updates == 1
    memory.now = (Target(2, ((0, GIB // 2),)), Target(3, ((GIB, 2 * GIB),)))
    for _ in range(2):
        ours.aggregate()
    assert memory.updates == 2
    assert_regions(ours.regions, [[(0, GIB // 2)], [(GIB, 2 * GIB)]])
    snapshot = ours.aggregate()
    assert snapshot.targets == (2, 3)
    assert snapshot.age[snapshot.target == 0].min() >= 4
    assert snapshot.age[snapshot.target == 1].max() == 1


def test_an_update_in_the_middle_of_an_aggregation_keeps_its_counts() -> None:
    memory = Memory(hot=2 * GIB)
    ours = context(memory, Attrs(update_us=50_000, goal=None))
    memory.now = (Target(7, ((0, 2 * GIB),)),)
    for _ in range(10):
        ours.prepare()
        ours.check()
    assert memory.updates == 1
    assert_regions(ours.regions, [[(0, 2 * GIB)]])
    assert (ours.regions.nr_accesses == 10).all()


def test_the_minimum_of_regions_holds_again_after_memory_grew() -> None:
    memory = Memory(Target(7, ((0, PAGE_SIZE),)))
    ours = context(memory, Attrs(update_us=100_000, goal=None))
    memory.now = (Target(7, ((0, GIB),)),)
    ours.aggregate()
    assert len(ours.regions) == 1
    assert len(ours.aggregate()) == 10


def test_all_targets_gone() -> None:
    memory = Memory()
    ours = context(memory, Attrs(update_us=100_000))
    memory.now = ()
    for _ in range(4):
        snapshot = ours.aggregate()
    assert (len(snapshot), snapshot.total_bytes, metrics.bandwidth(snapshot)) == (0, 0, 0)
    assert metrics.idle_percentiles(snapshot) == (0,) * 101


def test_late_and_cpu_go_into_snapshots() -> None:
    ours = context(Memory())
    ours.late, ours.cpu = 3, 0.02
    snapshot = ours.aggregate()
    assert (snapshot.late, snapshot.cpu, snapshot.names, snapshot.truth) == (3, 0.02, (), None)


def test_names_and_truth_where_the_operations_know_them() -> None:
    class Telling(Memory):
        spans: list[tuple[float, float, int]] = []  # noqa: RUF012

        def names(self, start: Ints, end: Ints, target: Ints) -> tuple[str, ...]:
            return tuple(f"at {low}" for low in start)

        def truth(self, began: float, time: float, sample_us: int) -> Truth:
            self.spans.append((began, time, sample_us))
            return Truth(0, 0.0, (0,) * 101)

    memory = Telling()
    ours = context(memory, Attrs())
    snapshots = [ours.aggregate() for _ in range(4)]
    assert snapshots[0].names[0] == "at 0"
    assert len(snapshots[0].names) == len(snapshots[0])
    assert memory.spans[2] == (pytest.approx(0.2), pytest.approx(0.3), 5_000)
    assert memory.spans[3] == (pytest.approx(0.3), pytest.approx(0.5), 10_000)


def test_snapshots_do_not_change_afterwards() -> None:
    ours = context(Memory(hot=GIB // 3), Attrs())
    snapshot = ours.aggregate()
    before = [a.copy() for a in (snapshot.start, snapshot.end, snapshot.nr_accesses, snapshot.age)]
    for _ in range(5):
        ours.aggregate()
    after = (snapshot.start, snapshot.end, snapshot.nr_accesses, snapshot.age)
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


rates = st.sampled_from([0.0, 0.0, 0.3, 5.0, 40.0, 1000.0])


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5000), rates), min_size=1, max_size=12),
    st.integers(3, 12),
    st.integers(2, 8),
    st.booleans(),
    st.integers(0, 1 << 32),
)
@settings(max_examples=60, deadline=None)
def test_what_holds_for_every_snapshot(
    layout: list[tuple[int, int, float]], min_regions: int, times: int, tuning: bool, seed: int
) -> None:
    areas, at = [], 0
    for index, (gap, pages, rate) in enumerate(layout):
        at += gap
        touch = poisson(rate) if rate else IDLE
        areas.append(Area(str(index), at * PAGE_SIZE, pages * PAGE_SIZE, touch, target=index * 2 // len(layout)))
        at += pages
    model = Workload(areas, rng=np.random.default_rng(seed))
    max_regions = times * (min_regions + len(layout))
    attrs = Attrs(min_regions=min_regions, max_regions=max_regions, goal=IntervalsGoal() if tuning else None)
    ours = context(model, attrs, seed)
    held = [list(target.ranges) for target in model.targets()]
    limit = ours.regions.size_limit(min_regions)
    for _ in range(7):
        snapshot = ours.aggregate()
        assert_regions(ours.regions, held)
        assert snapshot.total_bytes == model.total_bytes
        assert 0 <= snapshot.nr_accesses.min() <= snapshot.nr_accesses.max() <= snapshot.attrs.max_nr_accesses
        assert snapshot.age.min() >= 0
        assert len(snapshot) <= max_regions
        assert snapshot.sizes.max() <= limit
        assert len(ours.regions) <= max(max_regions, len(snapshot))
        percentiles = metrics.idle_percentiles(snapshot)
        assert len(percentiles) == 101
        assert list(percentiles) == sorted(percentiles)


def test_same_seed_same_snapshots() -> None:
    def last(seed: int) -> Snapshot:
        model = Workload([Area("a", 0, GIB, poisson(20))], rng=np.random.default_rng(5))
        ours = context(model, seed=seed)
        return [ours.aggregate() for _ in range(20)][-1]

    one, same, other = last(3), last(3), last(4)
    assert one.start.tolist() == same.start.tolist()
    assert one.nr_accesses.tolist() == same.nr_accesses.tolist()
    assert one.start.tolist() != other.start.tolist()


def test_counting_whole_aggregations_agrees_with_sampling_one_by_one() -> None:
    areas = [Area(str(i), i << 24, 1 << 24, poisson(rate)) for i, rate in enumerate([0.2, 4, 20, 90, 1, 400, 8, 45])]

    def observed(batch: bool) -> NDArray[np.float64]:
        model = Workload(areas, rng=np.random.default_rng(11))
        ours = context(model if batch else Stepped(model, FIXED.sample_us), seed=12)
        snapshots = [ours.aggregate() for _ in range(440)][40:]
        columns = [
            [
                metrics.bandwidth(one) / 1e6,
                metrics.working_set(one) / 1e6,
                len(one),
                one.age.mean(),
                # bytes by count: the distribution, not only its mean
                *np.bincount(one.nr_accesses, weights=one.sizes / 1e6, minlength=21).tolist(),
            ]
            for one in snapshots
        ]
        # neighbours in time are alike; blocks of them are nearly independent
        return np.array(columns).reshape(20, 20, -1).mean(axis=1)

    counted, sampled = observed(True), observed(False)
    error = np.sqrt((counted.var(axis=0, ddof=1) + sampled.var(axis=0, ddof=1)) / len(counted))
    z = (counted.mean(axis=0) - sampled.mean(axis=0)) / np.maximum(error, 1e-9)
    assert np.abs(z).max() < 4
    # 25 squares of about a standard normal each; beyond 60 once in 10 000 times
    assert (z**2).sum() < 60
    assert counted[:, 0].mean() > 100
