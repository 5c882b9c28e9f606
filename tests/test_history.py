"""The past within its budget: whole when recent, coarser when old, never gone."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import fields, replace
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damontui.analysis import usage
from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FRAME_KINDS, KINDS, Frames, Ints, Measured, Snapshot, ints
from damontui.history import History, alike, merged
from damontui.packing import Tables, cost, pack
from tests import make
from tests.pressure import pressed

PAGE = 4096
ARRAYS = ("start", "end", "nr_accesses", "age", "target")


def snapshot(
    time: float,
    starts: list[int],
    ends: list[int],
    accesses: list[int],
    ages: list[int] | None = None,
    targets: list[int] | None = None,
    *,
    seconds: float = 1.0,
    samples: int = 20,
    names: tuple[str, ...] = (),
    ids: tuple[int, ...] = (0,),
) -> Snapshot:
    attrs = Attrs(sample_us=int(seconds * 1e6 / samples), aggr_us=int(seconds * 1e6), goal=None)
    count = len(starts)
    return Snapshot(
        time=time,
        began=time - seconds,
        wall=1e9 + time,
        attrs=attrs,
        next_attrs=attrs,
        start=ints(starts),
        end=ints(ends),
        nr_accesses=ints(accesses),
        age=ints(ages or [0] * count),
        target=ints(targets or [0] * count),
        origin="simulated",
        targets=ids,
        names=names,
    )


def scene(time: float, regions: int, rng: np.random.Generator, seconds: float = 1.0) -> Snapshot:
    """Adjacent regions of random sizes, a tenth of them in use."""
    cuts = np.unique(rng.integers(1, 1 << 24, regions - 1)) * PAGE
    edges = np.concatenate(([0], cuts, [(1 << 24) * PAGE]))
    accesses = np.where(rng.random(len(edges) - 1) < 0.1, rng.integers(1, 21, len(edges) - 1), 0)
    ages = rng.integers(0, 1000, len(edges) - 1)
    return snapshot(time, edges[:-1].tolist(), edges[1:].tolist(), accesses.tolist(), ages.tolist(), seconds=seconds)


def same(a: object, b: object) -> bool:
    """Whether two snapshots (or what they hold) are the same to the last bit and type."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, Snapshot | Measured | Frames):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b


@st.composite
def snapshots(draw: st.DrawFn, time: float = 10.0) -> Snapshot:
    """Any snapshot: several targets, gaps, names, whole pages or not."""
    ids = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True))
    unit = draw(st.sampled_from([1, PAGE]))
    starts, ends, targets = [], [], []
    for target in range(len(ids)):
        edges = sorted(draw(st.sets(st.integers(0, 400), max_size=12)))
        kept = draw(st.lists(st.booleans(), min_size=12, max_size=12))
        for low, high, keep in zip(edges, edges[1:], kept, strict=False):
            if keep:
                starts.append(low * unit)
                ends.append(high * unit)
                targets.append(target)
    count = len(starts)
    samples = draw(st.sampled_from([10, 20, 200]))
    numbers = st.lists(st.integers(0, samples), min_size=count, max_size=count)
    ages = st.lists(st.integers(0, 1 << 33), min_size=count, max_size=count)
    names = draw(st.sampled_from([(), tuple("ab"[i % 2] for i in range(count))]))
    return snapshot(
        time,
        starts,
        ends,
        draw(numbers),
        draw(ages),
        targets,
        samples=samples,
        seconds=draw(st.sampled_from([0.1, 1.0, 7.0])),
        names=names,
        ids=tuple(ids),
    )


@given(snapshots())
def test_packing_loses_nothing(one: Snapshot) -> None:
    assert same(pack(one).unpacked(), one)


@st.composite
def counted(draw: st.DrawFn) -> Snapshot:
    """Any snapshot with resident bytes, and with counted bytes or frames, or both."""
    one = draw(snapshots())
    unit = draw(st.sampled_from([1, PAGE]))
    times = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 99)))

    def numbers(*shape: int) -> Ints:
        return rng.integers(0, draw(st.sampled_from([1, 200, 1 << 20, 1 << 40])), shape) * unit

    measured = Measured(
        tuple(np.cumsum(rng.random(times)).tolist()),
        np.cumsum(numbers(len(one), times), axis=1),
        numbers(times),
        numbers(times),
        numbers(len(one), len(KINDS)),
        swapped=draw(st.integers(0, 1 << 50)),
        huge=PAGE,
        mapped=1,
        longest_pause=0.1,
    )
    frames = Frames(numbers(len(one), len(FRAME_KINDS)), numbers(len(one)), numbers(len(one)), 0.25)
    return replace(
        one,
        resident=draw(st.sampled_from([None, numbers(len(one))])),
        measured=draw(st.sampled_from([None, measured])),
        frames=draw(st.sampled_from([None, frames])),
        watched=draw(st.none() | st.floats(0, 1e6)),
        free=draw(st.none() | st.integers(0, 1 << 60)),
    )


@given(counted())
def test_packing_loses_nothing_of_what_was_counted(one: Snapshot) -> None:
    assert same(pack(one).unpacked(), one)


def test_counted_bytes_of_two_are_the_newer_ones() -> None:
    older, newer = make.process(59.0, seed=4), make.process(60.0, seed=4)
    both = merged(older, newer)
    assert (both.began, both.time) == (58.0, 60.0)
    assert both.measured is not None
    assert same(both.measured, newer.measured)
    assert both.total_bytes == newer.total_bytes
    for seconds in (1.0, 2.0, 30.0):
        assert usage.used_within(both, seconds) == usage.used_within(newer, seconds)
    # the count is the share touched within the time of both
    share = usage.used_by_region(newer, 2.0) / np.maximum(newer.memory, 1)
    np.testing.assert_array_equal(both.nr_accesses, np.ceil(share * 40 - 1e-9))
    assert both.attrs.max_nr_accesses == 40


def test_a_mapping_that_is_gone_stands_for_as_long_as_it_was_there() -> None:
    older, newer = make.process(59.0, seed=4, mappings=4), make.process(60.0, seed=4, mappings=4)
    assert older.resident is not None
    columns = {name: getattr(newer, name)[:3] for name in ARRAYS}
    left = replace(newer, **columns, names=newer.names[:3], resident=newer.memory[:3], measured=part(newer, 3))
    both = merged(older, left)
    assert both.names == older.names
    assert both.memory.tolist() == [*left.memory.tolist(), int(older.memory[3]) // 2]
    assert both.measured is not None
    # half its bytes for half the time, and each touch a second longer ago
    assert both.measured.used[3, 0] == 0
    assert both.measured.used[3, -1] == int(usage.used_by_region(older, 59.0)[3]) // 2
    assert (both.measured.used[:, -1] <= both.memory).all()
    assert both.measured.kinds[3].sum() == pytest.approx(both.memory[3], abs=3)
    assert (both.measured.least <= both.measured.used.sum(axis=0)).all()
    assert (both.measured.used.sum(axis=0) <= both.measured.most).all()
    # not where there is no room for it
    assert merged(older, left, most=3).names == left.names


def part(one: Snapshot, count: int) -> Measured:
    measured = one.measured
    assert measured is not None
    used = measured.used[:count]
    return replace(measured, used=used, least=used.sum(axis=0), most=used.sum(axis=0), kinds=measured.kinds[:count])


def test_bytes_in_memory_are_shared_out_where_regions_are_cut() -> None:
    older = replace(snapshot(1.0, [0], [8 * PAGE], [10]), resident=ints([6 * PAGE]))
    newer = replace(snapshot(2.0, [4 * PAGE, 12 * PAGE], [10 * PAGE, 16 * PAGE], [20, 0]), resident=ints([3 * PAGE, 0]))
    both = merged(older, newer)
    assert both.resident is not None
    # half of the older one is under the newer one; what is not in memory joins nothing that is
    assert list(zip(both.start.tolist(), both.resident.tolist(), strict=True)) == [
        (0, 3 * PAGE), (4 * PAGE, 2 * PAGE), (8 * PAGE, PAGE), (12 * PAGE, 0)
    ]  # fmt: skip
    assert both.total_bytes == 6 * PAGE


@pytest.mark.parametrize(("length", "budget", "entries"), [(3600, 64 << 20, 3600), (900, 2 << 20, 125)])
def test_an_hour_of_a_process_stays_in_the_budget(length: int, budget: int, entries: int) -> None:
    """300 mappings a second cost what is claimed: all of it fits the usual budget, a smaller one makes it coarser."""
    seconds = (0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
    made = [make.process(float(t), mappings=300, seconds=seconds) for t in range(24)]
    tables = Tables()
    costs = [cost(pack(one, tables)) for one in made][1:]  # names are held once
    assert max(costs) < cost(made[0]) / 6
    history = History(budget)
    for t in range(1, length + 1):
        history.append(replace(made[t % 24], time=float(t), began=t - 1.0, wall=1e9 + t))
    assert history.bytes <= budget
    assert entries <= len(history) <= length
    assert history.began == 0.0
    assert history.resolution_at(length) == 1.0
    for one in (history.first, history.at(length / 2), history.last):
        assert one is not None
        alone = made[int(one.time) % 24]
        assert one.measured is not None
        assert alone.measured is not None
        np.testing.assert_array_equal(one.measured.used, alone.measured.used)
        assert one.total_bytes == alone.total_bytes


def test_what_counted_bytes_cost_is_what_they_use() -> None:
    limit = 1_500_000
    tracemalloc.start()
    try:
        history = History(limit)
        before = tracemalloc.get_traced_memory()[0]
        for t in range(1, 200):
            history.append(make.process(float(t), mappings=60))
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert history.bytes <= limit
    assert 0.5 * history.bytes <= used <= 1.1 * limit


@given(snapshots(10.0), snapshots(17.0))
def test_two_as_one(older: Snapshot, newer: Snapshot) -> None:
    both = merged(older, newer, most=1 << 20)
    assert (both.began, both.time) == (older.began, newer.time)
    assert both.attrs.aggr_us == older.attrs.aggr_us + newer.attrs.aggr_us
    assert (both.nr_accesses <= both.attrs.max_nr_accesses).all()
    assert (both.start < both.end).all()
    assert set(both.targets) == set(older.targets) | set(newer.targets)
    for index, name in enumerate(both.targets):
        mine = both.target == index
        assert (both.start[mine][1:] >= both.end[mine][:-1]).all()
        covered = np.zeros(401 * PAGE, dtype=bool)
        for one in (older, newer):
            if name in one.targets:
                for start, end, target in zip(one.start, one.end, one.target, strict=True):
                    if one.targets[target] == name:
                        covered[start:end] = True
        assert int((both.end - both.start)[mine].sum()) == int(covered.sum())
    if both.names:
        assert len(both.names) == len(both)


def test_the_joint_interval_counts_what_both_counted() -> None:
    older = snapshot(1.0, [0, 8 * PAGE], [8 * PAGE, 16 * PAGE], [20, 0], [5, 9])
    newer = snapshot(2.0, [0, 4 * PAGE], [4 * PAGE, 16 * PAGE], [10, 0], [6, 0])
    both = merged(older, newer)
    assert both.start.tolist() == [0, 4 * PAGE, 8 * PAGE]
    assert both.nr_accesses.tolist() == [30, 20, 0]
    assert both.age.tolist() == [6, 0, 0]
    assert both.attrs.max_nr_accesses == 40
    assert metrics.bandwidth(both) == (metrics.bandwidth(older) + metrics.bandwidth(newer)) // 2


def test_memory_of_one_snapshot_alone_keeps_its_rate_and_its_own_age() -> None:
    older = snapshot(1.0, [0], [PAGE], [10], [6], seconds=2.0)
    newer = snapshot(3.0, [4 * PAGE], [8 * PAGE], [5], [1], seconds=1.0)
    both = merged(older, newer)
    assert both.nr_accesses.tolist() == [20, 10]
    assert both.age.tolist() == [12, 1]  # in the newer's aggregations


def test_a_process_that_came_keeps_the_others_apart() -> None:
    older = snapshot(1.0, [0], [PAGE], [1], ids=(7,))
    newer = snapshot(2.0, [0, 0], [PAGE, PAGE], [2, 3], targets=[0, 1], ids=(9, 7))
    both = merged(older, newer)
    assert both.targets == (9, 7)
    assert both.nr_accesses.tolist() == [4, 4]


def _columns(one: Snapshot, code: Ints) -> tuple[Ints, ...]:
    return one.start, one.end, one.nr_accesses, one.age, one.target, code, one.memory


@given(st.integers(0, 1000), st.integers(1, 60))
@settings(deadline=None)
def test_likes_are_joined_down_to_the_most(seed: int, most: int) -> None:
    one = scene(1.0, 80, np.random.default_rng(seed))
    zeros = np.zeros(len(one), dtype=np.int64)
    start, end, count, age, _, _, _ = alike(*_columns(one, zeros), whole=20, most=most)
    assert len(start) <= most
    assert start[0] == one.start[0]
    assert end[-1] == one.end[-1]
    assert (start[1:] == end[:-1]).all()
    assert count.max() <= one.nr_accesses.max()
    assert age.max() <= one.age.max()
    assert (count.max() > 0) == (one.nr_accesses.max() > 0)


def test_a_small_hot_region_outlives_large_cold_differences() -> None:
    starts = list(range(0, 1 << 36, 1 << 28))
    accesses = [0, 1] * (len(starts) // 2)
    ends = [*starts[1:], 1 << 36]
    ends[100] = starts[100] + PAGE  # a page in the middle of 64 GiB
    starts.insert(101, ends[100])
    ends.insert(101, starts[102])
    accesses[100] = 20
    accesses.insert(101, 0)
    zeros = ints([0] * len(starts))
    columns = (ints(starts), ints(ends), ints(accesses), zeros, zeros, zeros, ints(ends) - ints(starts))
    found = alike(*columns, whole=20, most=40)
    at = int(np.searchsorted(found[0], starts[100], side="right")) - 1
    assert (found[0][at], found[1][at], found[2][at]) == (starts[100], ends[100], 20)


def test_small_is_whole() -> None:
    history = History()
    kept = [scene(float(t), 50, np.random.default_rng(t)) for t in range(1, 200)]
    for one in kept:
        history.append(one)
    assert len(history) == history.total == 199
    assert list(history) == kept
    assert history.first is kept[0]
    assert history.last is kept[-1]
    assert history.at(50.5) is kept[49]
    assert history.at(0.5) is None
    assert history.resolution_at(50.5) == 1.0
    assert [one.time for one in history.between(10.0, 12.5)] == [11.0, 12.0, 13.0]
    assert [one.time for one in history.between(0.0, 199.0, 3)][-1] == 199.0


@given(
    st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(0.0, 30.0), st.integers(2, 60)), min_size=1, max_size=120),
    st.integers(3_000, 60_000),
)
@settings(deadline=None, max_examples=40)
def test_nothing_is_ever_gone(steps: list[tuple[float, float, int]], budget: int) -> None:
    history = History(budget)
    rng = np.random.default_rng(1)
    time, times, first = 100.0, [], None
    for seconds, off, regions in steps:
        seconds = max(0.01, round(seconds, 2))
        time += seconds + (off if off > 25 else 0.0)
        one = scene(time, regions, rng, seconds)
        first = first or one
        history.append(one)
        times.append((one.began, one.time))
    entries = list(history)
    assert history.total == len(steps)
    assert history.began == entries[0].began == first.began
    assert entries[-1].time == time
    spans = [(e.began, e.time) for e in entries]
    assert all(a[1] <= b[0] + 1e-6 for a, b in itertools.pairwise(spans))
    for began, ended in times:
        assert any(low <= began and ended <= high for low, high in spans)
        inside = history.at(ended)
        assert inside is not None
        assert inside.began <= ended
        assert history.resolution_at(ended) >= ended - began - 1e-6
    assert history.bytes <= budget or len(entries) <= 2


@pytest.mark.parametrize("limit", [150_000, 600_000])
def test_what_is_counted_is_what_is_used(limit: int) -> None:
    rng = np.random.default_rng(3)
    made = [scene(float(t), 120, rng) for t in range(1, 40)]
    tracemalloc.start()
    try:
        history = History(limit)
        before = tracemalloc.get_traced_memory()[0]
        for t in range(1, 600):
            one = made[t % len(made)]
            history.append(replace(one, time=float(t), began=t - 1.0, **{n: getattr(one, n).copy() for n in ARRAYS}))
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert history.bytes <= limit
    assert used <= 1.1 * limit
    assert used >= 0.5 * history.bytes


def test_older_is_coarser_in_proportion_to_its_age() -> None:
    history = History(400_000)
    rng = np.random.default_rng(5)
    made = [scene(1.0, 40, rng) for _ in range(20)]
    for t in range(1, 3001):
        history.append(replace(made[t % 20], time=float(t), began=t - 1.0, wall=float(t)))
    assert history.resolution_at(3000.0) == 1.0
    ages = [30, 300, 900, 2900]
    steps = [history.resolution_at(3000.0 - age) for age in ages]
    assert steps == sorted(steps)
    assert steps[-1] > 1.0
    assert all(step <= max(1.0, age / 8) for step, age in zip(steps, ages, strict=True))
    assert len(history) < 2000


def test_work_per_snapshot_does_not_grow() -> None:
    """Entries joined so far stay below two for each snapshot that came."""
    history = History(150_000)
    rng = np.random.default_rng(5)
    made = [scene(1.0, 40, rng) for _ in range(20)]
    joins = 0
    original = History._coarsen

    def counted(self: History, index: int) -> None:
        nonlocal joins
        joins += 1
        original(self, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(History, "_coarsen", counted)
        for t in range(1, 1501):
            history.append(replace(made[t % 20], time=float(t), began=t - 1.0))
    assert 500 < joins < 2 * 1500


def test_means_survive_coarsening() -> None:
    """Bandwidth over all entries, weighted by their time, is that over all snapshots."""
    history = History(150_000)
    rng = np.random.default_rng(8)
    total = 0.0
    for t in range(1, 801):
        one = scene(float(t), 30, rng)
        total += metrics.bandwidth(one)
        history.append(one)
    assert len(history) < 800
    found = sum(metrics.bandwidth(one) * (one.time - one.began) for one in history)
    assert found == pytest.approx(total, rel=0.1)


def test_forgetting() -> None:
    history = History()
    history.append(scene(1.0, 10, np.random.default_rng(0)))
    generation, epoch = history.generation, history.epoch
    history.clear()
    assert (len(history), history.bytes, history.total) == (0, 0, 0)
    assert history.last is history.first is history.at(5.0) is history.began is None
    assert history.between(0.0, 10.0) == []
    assert history.generation > generation
    assert epoch != history.epoch != History().epoch


def test_the_same_object_for_the_same_moment() -> None:
    history = History(60_000)
    for t in range(1, 300):
        history.append(scene(float(t), 40, np.random.default_rng(t)))
    assert history.at(20.0) is history.at(20.2)


def test_one_thread_appends_while_another_reads() -> None:
    history = History(80_000)
    made = [scene(1.0, 40, np.random.default_rng(seed)) for seed in range(10)]
    done: list[int] = []

    def write() -> None:
        for t in range(1, 500):
            history.append(replace(made[t % 10], time=float(t), began=t - 1.0))
        done.append(1)

    writer = Thread(target=write)
    writer.start()
    faults = 0
    while not done and writer.is_alive():
        found = history.between(0.0, 1e9)
        faults += any(a.time > b.began + 1e-6 for a, b in itertools.pairwise(found))
        newest = history.last
        faults += newest is not None and history.at(newest.time) is None
    writer.join()
    assert done
    assert faults == 0


def test_cost_counts_names_and_module_values() -> None:
    one = snapshot(1.0, [0, PAGE], [PAGE, 2 * PAGE], [1, 2])
    assert cost(replace(one, names=("[heap]", "libc.so.6"))) > cost(one) + 2 * 8 + 60


def test_of_pressure_the_past_keeps_means_and_sums() -> None:
    """However coarse it becomes: a share is over all of the time, and nothing that was counted is lost."""
    made = pressed(make.steady(400), "/web")
    history = History(120_000)
    for one in made:
        history.append(one)
    kept = list(history)
    assert len(kept) < 200
    told = [one.pressure for one in made if one.pressure is not None]
    found = [one.pressure for one in kept if one.pressure is not None]
    assert sum(one.killed or 0 for one in found) == sum(one.killed or 0 for one in told) > 1
    assert sum(one.over_high or 0 for one in found) == sum(one.over_high or 0 for one in told)
    stalled = sum((one.pressure.some or 0.0) * (one.time - one.began) for one in kept if one.pressure is not None)
    assert stalled == pytest.approx(sum(one.some or 0.0 for one in told), rel=0.02)
    assert {one.group for one in found} == {"/web"}
