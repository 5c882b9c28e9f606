"""Idle memory from overlapping looks: by hand, beside the truth, and whatever the layout is."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import LAG, Estimator, past
from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FRAME_KINDS, Frames, Snapshot, ints
from damontui.errors import UsageError
from damontui.operations.scenes import SCENES, scene
from tests import make
from tests.bench.accuracy import Moment, moments
from tests.make import GIB, MIB, Row


def fed(rows: list[list[Row]], **changes: object) -> Estimator:
    estimator = Estimator()
    for step, regions in enumerate(rows):
        estimator.add(replace(make.snapshot(regions, step + 1.0), **changes))  # type: ignore[arg-type]
    return estimator


def used(estimate: Estimate, address: int) -> bool:
    """Whether the piece that holds the address was touched in the last aggregation."""
    return bool((estimate.idle_s[(estimate.start <= address) & (address < estimate.end)] == 0).all())


def test_one_region_in_use_beside_one_that_never_was() -> None:
    estimate = fed([[(0, MIB, 10, 0), (MIB, 4 * MIB, 0, 0)]] * 40).estimate()
    assert estimate.watched_s == 40
    assert estimate.total_bytes == 4 * MIB
    assert estimate.idle(1).bytes == pytest.approx(3 * MIB, rel=1e-5)
    assert estimate.idle(40).bytes == 3 * MIB
    assert estimate.idle(40.1).bytes == 0
    assert estimate.working_set(1).bytes == pytest.approx(MIB, rel=1e-5)
    assert estimate.idle_ms_percentiles[:2] == (-40_000, -40_000)
    assert estimate.idle_ms_percentiles[26:] == (40_000,) * 75
    assert estimate.bandwidth == pytest.approx(MIB * (10 + 1 / 3) / 20 / 0.05)  # two parts joined, by a threshold of 1
    assert estimate.rate.tolist() == pytest.approx([10 + 1 / 3, 0])


def test_idle_time_runs_from_the_last_touch() -> None:
    busy, quiet = [(0, MIB, 10, 0), (MIB, 2 * MIB, 0, 0)], [(0, MIB, 0, 0), (MIB, 2 * MIB, 0, 0)]
    estimate = fed([busy] * 10 + [quiet] * 30).estimate()
    assert estimate.idle_s.tolist() == [30, 40]
    assert estimate.idle(35).bytes == MIB
    assert estimate.used_s.tolist() == [0, 0]


def test_overlapping_looks_tell_who_it_was() -> None:
    """Boundaries move around 1 MiB in use, and no region is ever the used memory alone."""
    rows: list[list[Row]] = []
    for step in range(60):
        low, high = (step % 5) * 7 * MIB, (60 - step % 7 * 4) * MIB
        share = 20 * 16 * MIB / (high - low)
        rows.append([(0, low, 0, 0), (low, high, round(share / 2), 0), (high, 64 * MIB, 0, 0)][low == 0 :])
    found = fed(rows).estimate()
    # the used 8 MiB are between 28 and 36 MiB: in every region with an access, and in no other
    assert used(found, 30 * MIB)
    assert not used(found, 10 * MIB)
    assert not used(found, 50 * MIB)
    assert found.idle(40).bytes >= 38 * MIB
    last = make.snapshot(rows[-1], 60.0)
    assert metrics.idle_at_least(last, 40_000) == 0


def test_what_looked_touched_is_taken_back_when_it_turns_out_who_it_was() -> None:
    apart = [(0, 8 * MIB, 0, 0), (8 * MIB, 16 * MIB, 12, 0), (16 * MIB, 32 * MIB, 0, 0)]
    joined = [(0, 32 * MIB, 3, 0)]
    estimator = fed([joined])
    assert used(estimator.estimate(), 20 * MIB)
    for step in range(1, 5):
        estimator.add(make.snapshot(apart, step + 1.0))
    then = estimator.estimate(at=1.0)
    assert then.time == 1
    assert used(then, 10 * MIB)
    assert not used(then, 20 * MIB)


def test_a_moment_before_the_window_is_refused_in_a_sentence() -> None:
    estimator = fed([[(0, MIB, 0, 0)]] * (3 * LAG))
    with pytest.raises(UsageError, match="only moments since"):
        estimator.estimate(at=2.0)
    with pytest.raises(UsageError, match="no whole aggregation yet"):
        Estimator().estimate()


@pytest.mark.parametrize("lost", [False, True], ids=["pause", "events lost"])
def test_nothing_is_idle_for_longer_than_it_was_watched(lost: bool) -> None:
    rows = [(0, MIB, 0, 500), (MIB, 2 * MIB, 9, 500)]
    estimator = fed([rows] * 20)
    if lost:
        estimator.add(make.snapshot(rows[:1], 21.0, complete=False, lost=3))
        assert estimator.estimate().idle(10).bytes == MIB
    for step in range(5):
        estimator.add(make.snapshot(rows, (22.0 if lost else 100.0) + step))
    estimate = estimator.estimate()
    assert estimate.watched_s == 5
    assert estimate.idle(5).bytes == MIB
    assert estimate.idle(5.1).most == 0


def test_a_late_line_of_a_trace_is_no_gap() -> None:
    estimator = Estimator()
    for step in range(10):
        made = make.snapshot([(0, MIB, 0, 0)], step + 1.0)
        estimator.add(replace(made, began=made.began + 0.02 * (step % 3)))
    assert estimator.estimate().watched_s == 10


def test_a_snapshot_twice_counts_once() -> None:
    estimator, rows = fed([[(0, MIB, 0, 0)]] * 3), [(0, MIB, 20, 0)]
    estimator.add(make.snapshot(rows, 3.0))
    assert estimator.estimate().idle(3).bytes == MIB


def test_new_memory_was_watched_since_it_came_and_what_went_is_gone() -> None:
    before, after = [(0, MIB, 0, 0), (4 * MIB, 5 * MIB, 0, 0)], [(0, MIB, 0, 0), (8 * MIB, 9 * MIB, 0, 0)]
    estimate = fed([before] * 10 + [after] * 5).estimate()
    assert estimate.start.tolist() == [0, 8 * MIB]
    assert estimate.idle_s.tolist() == [15, 5]
    assert estimate.watched_s == 15


def test_targets_are_known_by_their_identifier() -> None:
    far = 1 << 47
    first = make.snapshot([(0, MIB, 9, 0), (far - MIB, far, 0, 0), (0, MIB, 0, 0)], target=[0, 0, 1], targets=(70, 80))
    other = make.snapshot(
        [(0, MIB, 0, 0), (0, MIB, 9, 0), (MIB, 2 * MIB, 0, 0)], 2.0, target=[0, 1, 2], targets=(80, 70, 90)
    )
    estimator = Estimator()
    for snapshot in (first, other):
        estimator.add(snapshot)
    estimate = estimator.estimate()
    assert estimate.target.tolist() == [0, 1, 2]
    assert estimate.idle_s.tolist() == [2, 0, 1]


def test_the_highest_addresses_and_many_targets() -> None:
    top, count = 1 << 56, 300
    rows = [(top - (index + 1) * 4096, top - index * 4096, 5 * (index % 2), 0) for index in range(count)]
    made = make.snapshot(rows, target=list(range(count)), targets=tuple(range(1000, 1000 + count)))
    estimator = Estimator()
    estimator.add(made)
    estimate = estimator.estimate()
    assert estimate.start.tolist() == made.start.tolist()
    # of 20 looks at each of its pages 5 finding it touched, hardly any page was not
    assert estimate.working_set(1).bytes == pytest.approx(count // 2 * 4096, rel=0.01)


def test_intervals_that_are_tuned_and_attributes_that_change() -> None:
    estimator, time = Estimator(), 0.0
    for step, sample_us in enumerate([5_000, 10_000_000, 5_000, 40_000] * 5):
        samples = 20 if step % 2 else 5
        attrs = Attrs(sample_us=sample_us, aggr_us=sample_us * samples, goal=None)
        rows = [(0, MIB, samples // 2, 0), (MIB, 3 * MIB, 0, 0)]
        ends = time + attrs.aggr_us / 1e6
        estimator.add(replace(make.snapshot(rows, ends, attrs=attrs), began=time))
        time = ends
    estimate = estimator.estimate()
    assert estimate.watched_s == pytest.approx(time)
    assert estimate.idle(time).bytes == 2 * MIB
    assert estimate.aggregation_s == pytest.approx(0.8)
    assert estimate.idle_s.tolist() == [0, pytest.approx(time)]


def test_memory_that_is_not_resident_counts_for_nothing() -> None:
    estimate = fed([[(0, GIB, 0, 0), (GIB, 2 * GIB, 0, 0)]] * 3, resident=np.array([MIB, 0])).estimate()
    assert estimate.idle(2).bytes == estimate.total_bytes == MIB


def test_a_source_without_positions_is_left_out_until_there_are_regions() -> None:
    estimator = Estimator()
    estimator.add(make.snapshot([]))
    with pytest.raises(UsageError):
        estimator.estimate()


def run_of(name: str, seconds: float, seed: int = 3) -> list[Moment]:
    return list(moments(scene(name, seed), seed, Attrs(), seconds))


@pytest.mark.parametrize("name", SCENES)
def test_nearer_to_the_truth_than_the_kernels_formula(name: str) -> None:
    estimator, ours, kernels, held = Estimator(), [], [], []
    thresholds = (1.0, 2.0, 5.0, 10.0, 30.0)
    for moment in run_of(name, 120.0):
        estimator.add(moment.snapshot)
        if moment.snapshot.time < 60:
            continue
        estimate, true = estimator.estimate(), moment.share(30)
        total = estimate.total_bytes
        least, found, most = estimate.idle_at(thresholds) / total
        ours.append(abs(found[-1] - true))
        kernels.append(abs(metrics.idle_at_least(moment.snapshot, 30_000) / total - true))
        truth = np.array([moment.share(one) for one in thresholds])
        # below an aggregation nothing is said
        inside = (least - 0.01 <= truth) & (truth <= most + 0.01)
        held.append(np.ma.array(inside, mask=np.array(thresholds) < estimate.aggregation_s))
    assert np.mean(ours) < 0.06
    assert np.mean(ours) < 0.6 * np.mean(kernels)
    assert np.ma.stack(held).mean(axis=0).min() >= 0.95


def test_the_same_snapshots_give_the_same_estimate() -> None:
    snapshots = [moment.snapshot for moment in run_of("burst", 40.0)]
    one, other = past(snapshots), past(snapshots)
    assert (one.idle_s == other.idle_s).all()
    assert one.idle_ms_percentiles == other.idle_ms_percentiles
    assert not one.idle_s.flags.writeable


def test_asking_changes_nothing() -> None:
    snapshots = [moment.snapshot for moment in run_of("server", 60.0)]
    asked = Estimator()
    for snapshot in snapshots:
        asked.add(snapshot)
        asked.estimate()
    assert (asked.estimate().idle_s == past(snapshots).idle_s).all()


def moving(regions: int, step: int) -> Snapshot:
    rng = np.random.default_rng(step)
    edges = np.concatenate(([0], np.cumsum(rng.integers(1, 1_000, regions)))) * 4096
    counts = np.minimum(rng.poisson(2, regions), 20)
    rows = [(int(a), int(b), int(n), 0) for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)]
    return make.snapshot(rows, step + 1.0)


@pytest.mark.parametrize(("regions", "pieces"), [(300, 1_000), (100, 100), (200, 10)])
def test_pieces_and_state_are_bounded(regions: int, pieces: int) -> None:
    estimator = Estimator(pieces)
    for step in range(80):
        estimator.add(moving(regions, step))
        assert len(estimator) <= max(pieces, regions)
    estimate = estimator.estimate()
    assert estimate.total_bytes == moving(regions, 79).total_bytes


layouts = st.lists(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40), st.integers(0, 20)), min_size=1, max_size=12),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(layouts, st.floats(0.1, 60), st.integers(1, 200))
def test_any_layout(parts: list[list[tuple[int, int, int]]], seconds: float, pieces: int) -> None:
    estimator = Estimator(pieces)
    for step, regions in enumerate(parts):
        rows, at = [], 0
        for gap, pages, count in regions:
            rows.append(((at + gap) * 4096, (at + gap + pages) * 4096, count, 0))
            at += gap + pages
        estimator.add(make.snapshot(rows, step + 1.0))
        shown = estimator.estimate()
        assert shown.total_bytes == sum(end - start for start, end, *_ in rows)
        assert (shown.start[1:] >= shown.end[:-1]).all()
        assert (shown.least_s <= shown.idle_s).all()
        assert (shown.idle_s <= shown.most_s).all()
        assert (shown.most_s <= shown.watched_s).all()
        found = shown.idle(seconds)
        assert 0 <= found.least <= found.bytes <= found.most <= shown.total_bytes
        assert np.isfinite(shown.rate).all()
        assert ((shown.uncertainty >= 0) & (shown.uncertainty <= 1)).all()
        assert list(shown.idle_ms_percentiles) == sorted(shown.idle_ms_percentiles)


def test_pages_between_others_are_told_by_regions_of_a_page() -> None:
    """One page in four is always in use: the same counts as all of them a quarter of the time, but for single pages."""
    rng = np.random.default_rng(5)
    sparse, alike, page = Estimator(), Estimator(), 4096
    attrs = replace(make.ATTRS, min_regions=3)
    for step in range(60):
        # twice a few pages apart, and between them regions that move
        low, middle, high = rng.integers(-100, 100, 3).tolist()
        cuts = [0, 500 + low, *range(1_000, 1_013), 2_000 + middle, *range(3_000, 3_013), 3_500 + high, 4_000]
        many = rng.binomial(20, 0.25, 6).tolist()
        for estimator, single in ((sparse, [20, 0, 0, 0] * 3), (alike, [5, 4, 6, 5] * 3)):
            counts = [*many[:2], *single, *many[2:4], *single, *many[4:]]
            rows = [(a * page, b * page, n, 0) for a, b, n in zip(cuts[:-1], cuts[1:], counts, strict=True)]
            estimator.add(make.snapshot(rows, step + 1.0, attrs=attrs))
    total = 4_000 * page
    found, whole = sparse.estimate(), alike.estimate()
    assert found.idle(50).bytes == pytest.approx(0.75 * total, rel=0.05)
    assert found.idle(50).most == pytest.approx(0.75 * total, rel=0.01)
    assert found.idle(61).most == 0
    assert found.working_set(50).bytes == pytest.approx(0.25 * total, rel=0.15)
    assert found.idle_bytes(50).sum() == pytest.approx(found.idle(50).bytes)
    ages, sizes = found.ages()
    assert sizes.sum() == pytest.approx(total)
    assert sizes[ages >= 50].sum() == pytest.approx(found.idle(50).bytes)
    assert found.idle_ms_percentiles[-1] == 60_000
    # one rule, whether it is asked for each piece, for their sum, or for ages
    bare = replace(found, grain=0.0, touched=None)
    for seconds in (2, 30, 60, 61):
        assert bare.idle_at((seconds,))[:, 0] == pytest.approx(bare.idle_shares(seconds) @ bare.bytes)
        assert bare.idle(seconds).bytes == pytest.approx(sizes[ages >= seconds].sum())
    arrays = [one for one in (getattr(found, field.name) for field in fields(found)) if isinstance(one, np.ndarray)]
    assert len(arrays) == 12
    assert not any(one.flags.writeable for one in arrays)
    # of a part as of all of it
    half = np.minimum(found.end, total // 2)
    part = found.part(found.start, half, found.start < half)
    assert part.total_bytes == pytest.approx(total / 2)
    assert part.idle(50).bytes == pytest.approx(part.idle_bytes(50).sum())
    assert part.idle(50).bytes == pytest.approx(0.75 * total / 2, rel=0.1)
    assert part.idle(50).most <= part.total_bytes
    assert part.working_set(1).most <= part.total_bytes
    assert whole.unused is None
    assert whole.idle(50).bytes == 0


@pytest.mark.parametrize(
    ("mixed", "spots", "idle"),
    [
        (None, False, 0.0),
        (0.1, True, 0.0),
        (0.55, False, 0.125),
        (1.0, False, 0.25),
        (0.55, True, 0.25),
        (1.0, True, 0.5),
    ],
)
def test_in_mixed_memory_a_region_used_a_little_is_idle_in_part(mixed: float | None, spots: bool, idle: float) -> None:
    """5 of 20 looks: where memory is mixed, at half of its pages, each of which half of the looks find in use.

    Only half of that is believed until some small regions were seen that are used far more.
    """
    rng = np.random.default_rng(4)
    page = 4096
    estimator = Estimator()
    for step in range(60):
        cuts = [0, 50_000 + int(rng.integers(-5_000, 5_000)), 90_000]
        cuts += [90_000 + at for at in (2, 4, 6, 8, 10)] if spots else []
        cuts.append(100_000)
        counts = [5, 5, *([16, 4] * 3)[: len(cuts) - 3]] if spots else [5] * (len(cuts) - 1)
        rows = [(a * page, b * page, n, 0) for a, b, n in zip(cuts[:-1], cuts[1:], counts, strict=True)]
        drawn = ints(np.zeros((len(rows), len(FRAME_KINDS)), np.int64))
        drawn[:, FRAME_KINDS.index("anon")] = [(b - a) // (100 * page) + 1 for a, b, *_ in rows]
        none = ints(np.zeros(len(rows)))
        estimator.add(replace(make.snapshot(rows, step + 1.0), frames=Frames(drawn, none, none, 0.0, mixed)))
    found, total = estimator.estimate(), 100_000 * page
    assert found.idle(20).bytes == pytest.approx(idle * total, abs=0.1 * total)
    assert found.idle(20).least < 0.05 * total
    # every look may have met one page in four; what is not mixed is taken to be used all over
    assert (found.idle(20).most > 0.7 * total) == (idle > 0)
    assert found.working_set(20).bytes == pytest.approx((1 - idle) * total, abs=0.1 * total)


def test_one_hot_page_says_nothing_of_what_lies_around_it() -> None:
    rng = np.random.default_rng(6)
    estimator, page = Estimator(), 4096
    for step in range(60):
        cut = 2_000 + int(rng.integers(1, 100))
        rows = [(0, cut, 5), (cut, 4_000, 4), (4_000, 4_001, 20), (4_001, 8_000, 5)]
        estimator.add(make.snapshot([(a * page, b * page, n, 0) for a, b, n in rows], step + 1.0))
    assert estimator.estimate().unused is None


def test_what_is_seen_at_all_is_in_doubt_where_few_frames_were_looked_at() -> None:
    """All is idle but what is free: by 64 frames 6 of 10 parts, give or take one; that much can be idle"""
    page, counts = 4096, np.zeros((1, len(FRAME_KINDS)), np.int64)
    counts[0, FRAME_KINDS.index("anon")], counts[0, FRAME_KINDS.index("free")] = 38, 26
    none = ints([0])
    estimator = Estimator()
    for step in range(40):
        frames = Frames(counts, none, none)
        estimator.add(replace(make.snapshot([(0, 100_000 * page, 0, 0)], step + 1.0), frames=frames))
    found = estimator.estimate()
    assert found.idle(20).bytes == pytest.approx(found.total_bytes)
    assert found.idle(20).least <= 0.5 * 100_000 * page
    assert 0.66 * 100_000 * page <= found.idle(20).most <= 0.75 * 100_000 * page
    assert found.working_set(20).least == 0
    used = Estimator()
    for step in range(40):
        used.add(replace(make.snapshot([(0, 100_000 * page, 20, 0)], step + 1.0), frames=frames))
    assert 0.66 * 100_000 * page <= used.estimate().working_set(20).most <= 0.75 * 100_000 * page
