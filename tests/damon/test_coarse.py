"""An operations set that sees ranges only as a whole: each range stays one region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from damontui.damon.attrs import PAGE_SIZE, Attrs
from damontui.damon.context import Context
from damontui.damon.operations import Target
from damontui.damon.regions import Regions
from damontui.damon.snapshot import Ints, ints

FIXED = Attrs(sample_us=10_000, aggr_us=100_000, update_us=100_000, goal=None)
MIB = 1 << 20


class Coarse:
    """Nothing is accessed, so that all neighbours are alike; what is mapped can be changed."""

    whole_ranges = True

    def __init__(self, *targets: Target) -> None:
        self.now: Sequence[Target] = targets
        self.asked = 0

    def targets(self) -> Sequence[Target]:
        return self.now

    def prepare(self, addresses: Ints, target: Ints) -> None:
        self.asked = len(addresses)

    def check(self) -> NDArray[np.bool_]:
        return np.zeros(self.asked, dtype=bool)

    def update(self) -> None:
        pass

    def valid(self) -> bool:
        return True


def test_touching_ranges_alike_stay_apart_and_large_ones_whole() -> None:
    ranges = ((0, MIB), (MIB, 2 * MIB), (2 * MIB, 900 * MIB))
    context = Context(Coarse(Target(1, ranges)), FIXED, np.random.default_rng(1), origin="process")
    for age in (1, 2, 3):
        snapshot = context.aggregate()
        assert list(zip(snapshot.start.tolist(), snapshot.end.tolist(), strict=True)) == list(ranges)
        assert snapshot.age.tolist() == [age] * 3


def test_without_whole_ranges_they_would_be_merged_and_split() -> None:
    operations = Coarse(Target(1, ((0, MIB), (MIB, 2 * MIB), (2 * MIB, 900 * MIB))))
    operations.whole_ranges = False
    context = Context(operations, FIXED, np.random.default_rng(1), origin="process")
    assert MIB not in context.aggregate().start.tolist()


def test_two_ranges_that_become_one_are_one_region_of_mean_age() -> None:
    operations = Coarse(Target(1, ((0, MIB), (MIB, 4 * MIB))), Target(2, ((0, MIB),)))
    context = Context(operations, FIXED, np.random.default_rng(1), origin="process")
    context.aggregate()
    context.regions.age = ints([9, 1, 5])
    operations.now = (Target(1, ((0, 4 * MIB),)), Target(2, ((0, MIB),)))
    context.aggregate()  # its end looks for changes
    snapshot = context.aggregate()
    assert snapshot.end.tolist() == [4 * MIB, MIB]
    assert snapshot.age.tolist() == [(10 * 1 + 2 * 3) // 4 + 1, 7]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), min_size=1, max_size=12))
def test_join_ranges_leaves_exactly_the_ranges(sizes: list[tuple[int, int]]) -> None:
    ranges, at = [], 0
    for pages, gap in sizes:
        ranges.append((at, at + pages * PAGE_SIZE))
        at += (pages + gap) * PAGE_SIZE
    targets = [tuple(ranges), tuple(ranges[:1])]
    regions = Regions.from_ranges(targets)
    regions.age = np.arange(len(regions))
    whole = regions.age.copy()
    regions.split(3, np.random.default_rng(len(sizes)))
    regions.join_ranges(targets)
    assert list(zip(regions.start.tolist(), regions.end.tolist(), strict=True)) == [r for t in targets for r in t]
    assert regions.age.tolist() == whole.tolist()
