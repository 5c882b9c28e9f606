"""Regions: what holds for any of them, and that arrays do exactly what one region after another would."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.regions import Regions, aligned
from tests.damon.reference import Row, assert_regions, merged, merged_to, regions_of, rows

Ranges = list[tuple[int, int]]


@st.composite
def ranges(draw: st.DrawFn, most: int = 5) -> Ranges:
    """Sorted, disjoint, page-aligned ranges with and without gaps."""
    at = draw(st.integers(0, 1 << 34))
    result = []
    for gap, size in draw(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3000)), min_size=1, max_size=most)):
        result.append(((at + gap) * PAGE_SIZE, (at + gap + size) * PAGE_SIZE))
        at += gap + size
    return result


targets = st.lists(ranges(), min_size=1, max_size=4)


@st.composite
def tables(draw: st.DrawFn, most: int = 60) -> list[Row]:
    """Regions of several targets with gaps, with counts that drift, jump or stay, and ages of any size."""
    maximum = draw(st.sampled_from([3, 20, 20, 1000]))
    step = draw(st.sampled_from([0, 1, 2, 5, maximum]))
    sizes = draw(st.sampled_from([1, 4, 1 << 20]))
    value, at, target = draw(st.integers(0, maximum)), draw(st.integers(0, 100)), 0
    table: list[Row] = []
    for _ in range(draw(st.integers(0, most))):
        hole = draw(st.integers(0, 19))
        if hole == 0:
            at += draw(st.integers(1, 5))
        elif hole == 1:
            # the next target may begin exactly where this one ends, or below
            target, at = target + 1, draw(st.sampled_from([at, 0]))
        size = draw(st.integers(1, sizes))
        value = min(maximum, max(0, value + draw(st.integers(-step, step))))
        last, age = draw(st.integers(0, maximum)), draw(st.integers(0, draw(st.sampled_from([1, 5, 1 << 20]))))
        table.append((at * PAGE_SIZE, (at + size) * PAGE_SIZE, value, last, age, target))
        at += size
    return table


thresholds = st.integers(0, 6)
limits = st.sampled_from([1, 3, 10, 100, 1 << 21, 1 << 24, 1 << 40]).map(lambda pages: pages * PAGE_SIZE)


def drift(count: int, step: int, size: int = 1) -> list[Row]:
    """A chain along which each neighbour is alike, though the ends are far apart."""
    return [(i * size * PAGE_SIZE, (i + 1) * size * PAGE_SIZE, i * step, 0, i, 0) for i in range(count)]


@given(tables(), thresholds, limits)
@example(drift(60, 1), 1, 1 << 40)
@example(drift(60, 1), 3, 20 * PAGE_SIZE)
@example([(i * PAGE_SIZE, (i + 1) * PAGE_SIZE, 7, 7, i % 3, 0) for i in range(200)], 0, 1 << 40)
@example([(0, 1 << 47, 20, 0, 1 << 14, 0), (1 << 47, (1 << 47) + PAGE_SIZE, 20, 0, 0, 0)], 2, 1 << 60)
@settings(max_examples=400, deadline=None)
def test_merge_is_the_left_to_right_merge(table: list[Row], threshold: int, size_limit: int) -> None:
    regions = regions_of(table)
    regions.merge(threshold, size_limit)
    assert rows(regions) == merged(table, threshold, size_limit)


@given(st.integers(0, 1 << 32), st.integers(0, 5), st.sampled_from([0, 1, 3]), limits, st.integers(0, 1))
@settings(max_examples=150, deadline=None)
def test_merge_of_many_regions(seed: int, threshold: int, wild: int, size_limit: int, ages: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(100, 1500))
    size = rng.integers(1, [2, 100, 1 << 20][int(rng.integers(3))], size=count)
    end = np.cumsum(size + (rng.random(count) < 0.01))
    level = np.repeat(rng.integers(0, 21, size=count), rng.integers(1, 200, size=count))[:count]
    value = np.clip(level + rng.integers(-wild, wild + 1, size=count), 0, 20)
    age = rng.integers(0, [3, 1 << 20][ages], size=count)
    target = np.cumsum(rng.random(count) < 0.005)
    table = rows(Regions((end - size) * PAGE_SIZE, end * PAGE_SIZE, value, value[::-1].copy(), age, target))
    regions = regions_of(table)
    regions.merge(threshold, size_limit)
    assert rows(regions) == merged(table, threshold, size_limit)


@given(tables(), thresholds, limits, st.integers(3, 40), st.sampled_from([20, 1000]))
@settings(max_examples=200, deadline=None)
def test_merge_with_growing_threshold(
    table: list[Row], threshold: int, limit: int, max_regions: int, max_nr_accesses: int
) -> None:
    regions = regions_of(table)
    regions.merge_to(threshold, limit, max_regions, max_nr_accesses)
    after = rows(regions)
    assert after == merged_to(table, threshold, limit, max_regions, max_nr_accesses)
    # what remains above the maximum could not be joined: a gap, another target, or the size limit
    if len(after) > max_regions and max(row[2] for row in table) <= max_nr_accesses:
        for left, right in itertools.pairwise(after):
            assert left[1] != right[0] or left[5] != right[5] or right[1] - left[0] > limit


@given(targets, st.integers(3, 50), st.integers(0, 1 << 32))
@settings(max_examples=100, deadline=None)
def test_a_life_of_regions(given_ranges: list[Ranges], min_regions: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    regions = Regions.from_ranges(given_ranges)
    limit = regions.size_limit(min_regions)
    total = int(regions.sizes.sum())
    regions.cut(limit)
    max_regions = 2 * min_regions + 2 * sum(map(len, given_ranges))
    for turn in range(6):
        regions.nr_accesses = rng.integers(0, 21, size=len(regions)) * rng.integers(0, 2, size=len(regions))
        seen = (regions.nr_accesses.min(), regions.nr_accesses.max())
        regions.count_ages(2)
        oldest = regions.age.max()
        regions.merge_to(2, limit, max_regions, 20)
        assert_regions(regions, given_ranges)
        assert len(regions) <= max_regions
        assert seen[0] <= regions.nr_accesses.min() <= regions.nr_accesses.max() <= seen[1]
        assert 0 <= regions.age.min() <= regions.age.max() <= oldest <= turn + 1
        regions.cut(limit)
        assert regions.sizes.max() <= limit
        regions.reset()
        count = len(regions)
        regions.split(2 + turn % 2, rng)
        assert count <= len(regions) <= count * (2 + turn % 2)
        assert_regions(regions, given_ranges)
        assert int(regions.sizes.sum()) == total
    # as many as asked for, unless pages are too few
    assert len(regions) >= min(min_regions, total // PAGE_SIZE) // 2


@given(tables(most=20).filter(bool), st.sampled_from([2, 3]), st.integers(0, 1 << 32))
@settings(max_examples=200, deadline=None)
def test_split_is_the_kernels(table: list[Row], parts: int, seed: int) -> None:
    regions = regions_of(table)
    regions.split(parts, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    draws = [rng.integers(1, 10, size=len(table)).tolist() for _ in range(parts - 1)]
    expected: list[Row] = []
    for index, (start, end, *counters) in enumerate(table):
        cuts, size = {start, end}, end - start
        for draw in draws:
            if size <= 2 * PAGE_SIZE:
                break
            left = draw[index] * size // 10 // PAGE_SIZE * PAGE_SIZE
            if left == 0 or left >= size:
                continue
            cuts.add(start + left)
            size = left
        edges = sorted(cuts)
        expected.extend((low, high, *counters) for low, high in itertools.pairwise(edges))
    assert rows(regions) == expected


def test_split_leaves_two_pages_whole_and_cuts_all_tenths() -> None:
    small = Regions.from_ranges([[(0, 2 * PAGE_SIZE)]])
    small.split(3, np.random.default_rng(0))
    assert rows(small) == [(0, 2 * PAGE_SIZE, 0, 0, 0, 0)]
    large = Regions.from_ranges([[(i << 30, (i << 30) + 1000 * PAGE_SIZE)] for i in range(300)])
    large.split(2, np.random.default_rng(0))
    assert set((large.sizes[::2] // PAGE_SIZE).tolist()) == set(range(100, 1000, 100))


def test_ages() -> None:
    regions = Regions.from_ranges([[(i << 20, (i << 20) + PAGE_SIZE) for i in range(6)]])
    regions.nr_accesses = np.array([0, 5, 8, 1, 0, 20])
    regions.last_nr_accesses = np.array([0, 3, 5, 0, 2, 20])
    regions.age = np.full(6, 9)
    regions.count_ages(2)
    assert regions.age.tolist() == [10, 10, 0, 0, 0, 10]


@given(targets, targets, st.integers(3, 20), st.integers(0, 1 << 32))
@settings(max_examples=200, deadline=None)
def test_set_ranges_covers_the_new_ranges(old: list[Ranges], new: list[Ranges], parts: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    regions = Regions.from_ranges(old)
    regions.cut(regions.size_limit(parts))
    regions.split(2, rng)
    regions.age = rng.integers(1, 9, size=len(regions))
    regions.set_ranges(new, [i if i < len(old) else None for i in range(len(new))])
    assert_regions(regions, new)


@given(targets, st.integers(0, 1 << 32))
@settings(max_examples=50, deadline=None)
def test_set_ranges_to_the_same_ranges_changes_nothing(same: list[Ranges], seed: int) -> None:
    regions = Regions.from_ranges(same)
    regions.split(3, np.random.default_rng(seed))
    regions.age = np.arange(len(regions))
    before = rows(regions)
    regions.set_ranges(same)
    assert rows(regions) == before


def test_set_ranges_keeps_cuts_fills_and_drops() -> None:
    page = PAGE_SIZE
    regions = regions_of(
        [
            (0, 10 * page, 1, 1, 1, 0),
            (10 * page, 20 * page, 2, 2, 2, 0),
            (30 * page, 40 * page, 3, 3, 3, 0),
            (40 * page, 50 * page, 4, 4, 4, 0),
            (60 * page, 70 * page, 5, 5, 5, 0),
            (0, 10 * page, 6, 6, 6, 1),
        ]
    )
    new = [[(5 * page, 35 * page), (38 * page, 55 * page), (80 * page, 90 * page)], [(0, 10 * page)]]
    regions.set_ranges(new, [0, None])
    assert rows(regions) == [
        (5 * page, 10 * page, 1, 1, 1, 0),
        (10 * page, 20 * page, 2, 2, 2, 0),
        (20 * page, 30 * page, 0, 0, 0, 0),
        (30 * page, 35 * page, 3, 3, 3, 0),
        (38 * page, 55 * page, 4, 4, 4, 0),
        (80 * page, 90 * page, 0, 0, 0, 0),
        (0, 10 * page, 0, 0, 0, 1),
    ]


def test_set_ranges_follows_a_target_whose_index_changed() -> None:
    regions = regions_of([(0, PAGE_SIZE, 1, 1, 1, 0), (0, PAGE_SIZE, 2, 2, 2, 1)])
    regions.set_ranges([[(0, PAGE_SIZE)]], [1])
    assert rows(regions) == [(0, PAGE_SIZE, 2, 2, 2, 0)]
    regions.set_ranges([])
    assert len(regions) == 0


@pytest.mark.parametrize(
    ("total_pages", "min_regions", "pages"), [(100, 10, 10), (101, 10, 11), (5, 10, 1), (9, 10, 1), (0, 3, 1)]
)
def test_size_limit(total_pages: int, min_regions: int, pages: int) -> None:
    regions = Regions.from_ranges([[(0, total_pages * PAGE_SIZE)]])
    assert regions.size_limit(min_regions) == pages * PAGE_SIZE


def test_aligned_widens_to_pages_and_shares_none() -> None:
    assert aligned([(1, 2), (4095, 4097), (8191, 8193), (9000, 9000), (100_000, 104_096)]) == [
        (0, 4096),
        (4096, 8192),
        (8192, 12288),
        (98304, 106496),
    ]


def test_snapshots_are_not_written_to() -> None:
    regions = Regions.from_ranges([[(0, 1 << 30)]])
    regions.cut(1 << 25)
    arrays = [regions.start, regions.end, regions.nr_accesses, regions.last_nr_accesses, regions.age, regions.target]
    for array in arrays:
        array.flags.writeable = False
    regions.count_ages(1)
    regions.merge_to(1, 1 << 27, 4, 20)
    regions.cut(1 << 26)
    regions.split(3, np.random.default_rng(0))
    regions.set_ranges([[(0, 1 << 29)]])
    regions.reset()
    assert int(regions.sizes.sum()) == 1 << 29
