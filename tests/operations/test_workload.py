"""The model's two ways of answering agree with each other and with sums done by hand."""

import math

import numpy as np
import pytest

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.metrics import percentiles_of
from damontui.damon.operations import BatchOperations, NamingOperations, Target, TruthfulOperations
from damontui.damon.snapshot import Ints, ints
from damontui.errors import UsageError
from damontui.operations.areas import IDLE, Area, Phase, Touch, poisson, scan, sweep
from damontui.operations.workload import Workload

MIB = 1 << 20


def workload(*touches: Touch, pages: int = 256, phases: tuple[Phase, ...] = (), seed: int = 1) -> Workload:
    """Areas "0", "1", … one after the other from address 0."""
    size = pages * PAGE_SIZE
    areas = [Area(str(i), i * size, size, touch) for i, touch in enumerate(touches)]
    return Workload(areas, phases, rng=np.random.default_rng(seed))


def one(*bounds: int) -> tuple[Ints, Ints, Ints]:
    """Regions between consecutive pages ``bounds``, of the first target."""
    edges = ints(bounds) * PAGE_SIZE
    return edges[:-1], edges[1:], np.zeros(len(bounds) - 1, np.int64)


def test_it_is_every_kind_of_operations_set() -> None:
    model = workload(poisson(1))
    assert isinstance(model, BatchOperations)
    assert isinstance(model, NamingOperations)
    assert isinstance(model, TruthfulOperations)


def test_idle_memory_is_never_accessed_and_hot_memory_always() -> None:
    model = workload(IDLE, poisson(1e6))
    assert model.count(*one(0, 256, 512), 1000, 5_000).tolist() == [0, 1000]
    assert model.time == 5.0


@pytest.mark.parametrize("rate", [1.0, 20.0, 300.0])
def test_a_poisson_area_is_found_accessed_with_its_chance(rate: float) -> None:
    samples = 200_000
    expected = samples * -math.expm1(-rate * 0.005)
    found = workload(poisson(rate)).count(*one(0, 256), samples, 5_000)[0]
    assert abs(found - expected) < 5 * math.sqrt(expected)


def test_a_region_across_areas_mixes_them_sample_by_sample() -> None:
    # a quarter of the region is hot and a quarter has an even chance of a touch
    model = workload(poisson(1e6), poisson(math.log(2) / 0.005), IDLE, IDLE)
    counts = np.array([model.count(*one(0, 1024), 20, 5_000)[0] for _ in range(3_000)])
    assert abs(counts.mean() - 20 * 0.375) < 0.15
    # drawn anew for each sample: binomial, while one draw for all 20 samples would have 20 times this variance
    assert abs(counts.var() - 20 * 0.375 * 0.625) < 0.5


def test_a_scan_is_seen_by_the_one_sample_it_falls_into() -> None:
    model = workload(scan(1.0, 0.25), IDLE)
    seen = [model.count(*one(0, 256, 512), 1, 100_000).tolist() for _ in range(20)]
    assert [when for when, (hit, _) in enumerate(seen) if hit] == [2, 12]
    assert not any(idle for _, idle in seen)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_sweep_moves_through_its_area_once_in_a_period(backwards: bool) -> None:
    model = workload(sweep(1.6, backwards=backwards), pages=16)
    bounds = range(17)
    order = [np.flatnonzero(model.count(*one(*bounds), 1, 100_000)).tolist() for _ in range(32)]
    once = [[15 - page] if backwards else [page] for page in range(16)]
    assert order == once + once


def test_a_slow_sample_sees_all_of_a_fast_sweep() -> None:
    assert workload(sweep(0.05), pages=16).count(*one(*range(17)), 3, 100_000).tolist() == [3] * 16


def test_a_long_stride_touches_only_one_page_in_so_many() -> None:
    counts = workload(sweep(1.6, every=5), pages=16).count(*one(*range(17)), 16, 100_000)
    assert np.flatnonzero(counts).tolist() == [0, 5, 10, 15]
    assert counts.max() == 1
    by_page = workload(sweep(0.01, every=100), pages=16)
    by_page.prepare(np.arange(16) * PAGE_SIZE, np.zeros(16, np.int64))
    by_page.advance(20_000)
    assert np.flatnonzero(by_page.check()).tolist() == [0]


def test_after_years_the_counting_is_still_exact() -> None:
    model = Workload([Area("a", 0, 1 << 40, Touch(period=1_000_003, sweep=True))], rng=np.random.default_rng(1))
    truth = model.truth(1e9, 1e9 + 1, 5_000)
    assert truth.bandwidth == pytest.approx((1 << 40) / 1.000003, rel=1e-6)
    assert truth.working_set_bytes == pytest.approx((1 << 40) / 1.000003, rel=1e-6)


def test_phases_take_turns_and_repeat() -> None:
    hot = poisson(1e6)
    model = workload(IDLE, IDLE, phases=(Phase(1, {"0": hot}), Phase(2, {"1": hot})))
    seen = [model.count(*one(0, 256, 512), 2, 500_000).tolist() for _ in range(7)]
    assert seen == [[2, 0], [0, 2], [0, 2], [2, 0], [0, 2], [0, 2], [2, 0]]


def test_a_sample_across_a_change_of_phase_sees_both() -> None:
    model = workload(
        IDLE, IDLE, IDLE, phases=(Phase(1, {"0": poisson(1e6), "1": scan(9, 0.9)}), Phase(1, {"2": sweep(0.2)}))
    )
    model.advance(600_000)
    assert model.count(*one(0, 256, 512, 768), 1, 800_000).tolist() == [1, 1, 1]
    assert model.time == 1.4


def regions_of(model: Workload, many: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    start, end, target = [], [], []
    for index, one_target in enumerate(model.targets()):
        for low, high in one_target.ranges:
            cuts = np.unique(rng.integers(low // PAGE_SIZE, high // PAGE_SIZE, many)) * PAGE_SIZE
            edges = [low, *cuts[cuts > low].tolist(), high]
            start += edges[:-1]
            end += edges[1:]
            target += [index] * (len(edges) - 1)
    return ints(start), ints(end), ints(target)


def mixed(seed: int) -> Workload:
    """Two targets with gaps, every kind of touch, phases shorter and longer than an aggregation."""
    page = PAGE_SIZE
    areas = [
        Area("a", 16 * page, 40 * page, poisson(30)),
        Area("b", 56 * page, 8 * page, scan(0.07, 0.01)),
        Area("c", 80 * page, 64 * page, sweep(0.3, backwards=True)),
        Area("d", 0, 100 * page, sweep(0.9, 0.02), target=7),
        Area("e", 100 * page, 30 * page, poisson(2), target=7),
    ]
    phases = [
        Phase(0.213, {"a": sweep(0.11, every=3)}),
        Phase(0.4, {"b": poisson(100), "d": scan(0.2), "e": Touch(rate=4, period=170_000, sweep=True, every=2)}),
        Phase(0.05, {"a": IDLE, "c": poisson(3)}),
    ]
    return Workload(areas, phases, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("sample_us", [3_000, 20_000, 90_000, 700_000, 1_500_000])
def test_counting_at_once_and_sampling_page_by_page_have_the_same_distribution(sample_us: int) -> None:
    rounds, samples = 120, 10
    where = regions_of(mixed(0), 6, np.random.default_rng(3))
    pages = (where[1] - where[0]) // PAGE_SIZE
    rng = np.random.default_rng(4)
    at_once = np.zeros((rounds, len(pages)))
    by_page = np.zeros((rounds, len(pages)))
    for index in range(rounds):
        model = mixed(index)
        model.advance(index % 3 * 123_456)
        at_once[index] = model.count(*where, samples, sample_us)
        model = mixed(index)
        model.advance(index % 3 * 123_456)
        for _ in range(samples):
            model.prepare(where[0] + rng.integers(0, pages) * PAGE_SIZE, where[2])
            model.advance(sample_us)
            by_page[index] += model.check()
    # the first moment and the second, each within its own statistical error
    assert_same_mean(at_once, by_page)
    assert_same_mean((at_once - at_once.mean(axis=0)) ** 2, (by_page - by_page.mean(axis=0)) ** 2)


def assert_same_mean(one: np.ndarray, other: np.ndarray) -> None:
    error = np.sqrt((one.var(axis=0) + other.var(axis=0)) / len(one))
    assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) <= 5 * error + 1e-9).all()


def test_every_chance_is_one_even_over_long_aggregations() -> None:
    where = regions_of(mixed(0), 6, np.random.default_rng(3))
    counts = mixed(1).count(*where, 100_000, 5_000)
    assert counts.min() >= 0
    assert counts.max() <= 100_000


def test_targets_have_gaps_and_names_come_from_the_middle() -> None:
    model = mixed(1)
    page = PAGE_SIZE
    assert model.targets() == (
        Target(0, ((16 * page, 64 * page), (80 * page, 144 * page))),
        Target(7, ((0, 130 * page),)),
    )
    start, end = ints([16, 50, 80, 0, 95]) * page, ints([20, 64, 144, 10, 130]) * page
    assert model.names(start, end, ints([0, 0, 0, 1, 1])) == ("a", "b", "c", "d", "e")


def brute_truth(model: Workload, began_us: int, ended_us: int, sample_us: int) -> tuple[float, float]:
    """Working set and bandwidth from every page checked one by one, averaged over seeds of Poisson touches."""
    start, end, target = regions_of(model, 1, np.random.default_rng(0))
    pages = np.concatenate([np.arange(a, b, PAGE_SIZE) for a, b in zip(start, end, strict=True)])
    targets = np.concatenate([np.full((b - a) // PAGE_SIZE, t) for a, b, t in zip(start, end, target, strict=True)])
    model.advance(began_us)
    model.prepare(pages, targets)
    touched = 0
    ever = np.zeros(len(pages), bool)
    samples = (ended_us - began_us) // sample_us
    for _ in range(samples):
        model.prepare(pages, targets)
        model.advance(sample_us)
        seen = model.check()
        touched += int(seen.sum())
        ever |= seen
    return float(ever.sum() * PAGE_SIZE), touched * PAGE_SIZE / (samples * sample_us / 1e6)


@pytest.mark.parametrize(("began", "sample_us"), [(0, 5_000), (150_000, 5_000), (1_000_000, 40_000), (50_000, 400_000)])
def test_truth_is_what_looking_at_every_page_gives(began: int, sample_us: int) -> None:
    ended = began + 5 * sample_us
    found = np.array([brute_truth(mixed(seed), began, ended, sample_us) for seed in range(60)])
    truth = mixed(0).truth(began / 1e6, ended / 1e6, sample_us)
    assert abs(truth.working_set_bytes / found[:, 0].mean() - 1) < 0.02
    assert abs(truth.bandwidth / found[:, 1].mean() - 1) < 0.02


def test_true_idle_time_counts_from_the_last_touch() -> None:
    hot = poisson(1e4)
    model = workload(IDLE, scan(10, 4), hot, IDLE, phases=(Phase(20, {}), Phase(20, {"3": hot})))
    idle = model.truth(29.9, 30.0, 5_000).idle_ms_percentiles
    # in use: "2" since the start, "3" since its phase began; "1" touched 6 s ago, in the 2nd phase at 24 s
    assert idle[0] == -30_000
    assert idle[26:50] == (-10_000,) * 24
    assert set(idle[51:75]) == {6_000}
    assert set(idle[76:]) == {30_000}
    later = model.truth(49.9, 50.0, 5_000).idle_ms_percentiles
    assert set(later[51:75]) == {10_000 - 0}  # "3" was left at 40 s
    assert later[0] == -50_000


def test_idle_times_of_slices_are_those_of_the_percentiles_and_finer() -> None:
    model = workload(IDLE, scan(10, 4), poisson(1e4), sweep(100), pages=1024)
    idle, sizes = model.idle_times(29.9, 30.0)
    assert idle.shape == sizes.shape
    assert sizes.sum() == model.total_bytes
    rows = idle.reshape(4, -1)
    assert set(rows[0].tolist()) == {30_000}
    assert set(rows[1].tolist()) == {6_000}
    assert set(rows[2].tolist()) == {-30_000}
    swept = rows[3]  # from the first page on, since the start
    assert (np.diff(swept[: len(swept) // 4]) < 0).all()
    assert set(swept[len(swept) // 2 :].tolist()) == {30_000}
    assert percentiles_of(idle, sizes) == model.truth(29.9, 30.0, 5_000).idle_ms_percentiles


def test_a_scan_in_use_is_in_use_for_the_interval_and_a_fast_one_for_ever() -> None:
    model = workload(scan(10, 4), scan(0.01))
    idle = model.truth(13.5, 14.5, 5_000).idle_ms_percentiles
    assert idle[0] == -14_500
    assert idle[100] == -1_000


def test_a_sweep_s_pages_are_idle_for_anything_up_to_its_period() -> None:
    idle = workload(sweep(100), pages=1024).truth(999, 1000, 5_000).idle_ms_percentiles
    assert abs(idle[50] - 50_000) < 3_000
    assert 95_000 < idle[100] <= 100_000


def test_slow_poisson_pages_are_idle_as_their_distribution_says() -> None:
    idle = workload(poisson(0.1)).truth(9_999.9, 10_000, 5_000).idle_ms_percentiles
    assert abs(idle[50] - 1000 * 10 * math.log(2)) < 500
    rare = workload(IDLE, phases=(Phase(1, {"0": poisson(0.01)}), Phase(9, {})))
    assert abs(rare.truth(99_999, 100_000, 5_000).idle_ms_percentiles[50] / (1e6 * math.log(2)) - 1) < 0.1


def test_one_seed_one_course_of_events() -> None:
    where = regions_of(mixed(0), 6, np.random.default_rng(3))
    first, second = mixed(5), mixed(5)
    for _ in range(10):
        assert first.count(*where, 20, 5_000).tolist() == second.count(*where, 20, 5_000).tolist()


@pytest.mark.parametrize(
    ("areas", "phases", "word"),
    [
        ([], [], "no areas"),
        ([Area("a", 0, 0)], [], "'a'"),
        ([Area("a", 1, 4096)], [], "'a'"),
        ([Area("a", 0, 8192), Area("b", 4096, 4096)], [], "'b' overlaps"),
        ([Area("a", 0, 4096)], [Phase(1, {"x": IDLE})], "'x'"),
        ([Area("a", 0, 4096)], [Phase(0)], "at least 1 us"),
        ([Area("a", 0, 1 << 50, sweep(1e6))], [], "too large"),
        ([Area("a", 1 << 61, 4096)], [], "2^60"),
    ],
)
def test_a_workload_that_makes_no_sense_is_refused(areas: list[Area], phases: list[Phase], word: str) -> None:
    with pytest.raises(UsageError) as caught:
        Workload(areas, phases, rng=np.random.default_rng(1))
    assert word in str(caught.value)


@pytest.mark.parametrize("make", [lambda: poisson(-1), lambda: poisson(math.nan), lambda: scan(0), lambda: sweep(1e10)])
def test_a_touch_that_makes_no_sense_is_refused(make: object) -> None:
    with pytest.raises(UsageError):
        make()  # type: ignore[operator]


def test_memory_that_was_never_touched_is_idle_from_the_first_aggregation_on() -> None:
    memory = Workload(
        [Area("hot", 0, 1 << 20, poisson(1000)), Area("cold", 1 << 20, 3 << 20, IDLE)], rng=np.random.default_rng(1)
    )
    values = memory.truth(0.0, 0.1, 5_000).idle_ms_percentiles
    assert values[20] == -100
    assert values[50] == 100
