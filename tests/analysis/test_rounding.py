"""What joining rounds away: by hand, and beside what was counted before regions were joined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from damontui.analysis.rounding import Rounding, _at_most, bandwidth, lost
from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.context import Context
from damontui.damon.snapshot import Ints, Snapshot
from damontui.operations.scenes import SCENES, scene
from tests import make
from tests.make import MIB, Row


def snap(rows: list[Row], time: float = 1.0) -> Snapshot:
    return make.snapshot(rows, time)


HOT: Row = (64 * MIB, 65 * MIB, 20, 0)
"""With it the threshold is 2."""


def test_a_region_that_is_one_part_has_lost_nothing() -> None:
    before = snap([(0, 16 * MIB, 5, 0), HOT])
    after = snap([(0, 5 * MIB, 8, 0), (5 * MIB, 16 * MIB, 3, 0), HOT], 2.0)
    assert lost(after, before).tolist() == [0, 0, 0]


def test_two_parts_lose_half_a_count_where_they_are_unequal() -> None:
    before = snap([(0, 16 * MIB, 5, 0), HOT])
    after = snap([(0, 16 * MIB, 5, 0), (64 * MIB, 65 * MIB, 20, 0)], 2.0)
    assert lost(after, before).tolist() == pytest.approx([0.5 * 4 / 5, 0])  # nothing is over 20 of 20


def test_more_parts_lose_more_but_not_more_than_one_count() -> None:
    before = snap([*((at * MIB, (at + 1) * MIB, 5, 0) for at in range(16)), HOT])
    found = [lost(snap([(0, parts * MIB, 5, 0), HOT], 2.0), before)[0] for parts in (1, 2, 3, 16)]
    assert found == sorted(found)
    assert found[-1] == 1


def test_equal_counts_alone_are_joined_where_nothing_is_hot() -> None:
    before, after = snap([(0, 16 * MIB, 5, 0)]), snap([(0, 16 * MIB, 9, 0)], 2.0)
    assert lost(after, before).tolist() == [0]


def test_regions_are_not_cut_where_there_are_many() -> None:
    attrs = Attrs(50_000, 1_000_000, min_regions=3, max_regions=3)
    before, after = (make.snapshot([(0, 16 * MIB, 5, 0), HOT], t, attrs=attrs) for t in (1.0, 2.0))
    assert lost(after, before).tolist() == [0, 0]


def test_what_was_seldom_touched_may_be_in_a_region_printed_0_and_what_was_hot_is_not() -> None:
    after = snap([(0, 16 * MIB, 0, 0), HOT], 2.0)

    def hidden(count: int) -> float:
        return float(lost(after, snap([(0, 8 * MIB, count, 0), (8 * MIB, 16 * MIB, 0, 0), HOT]))[0])

    # of a mean of 1 at most 2 are expected to be 2 / e, on half of the bytes
    assert hidden(1) == pytest.approx(1 / np.e)
    assert hidden(20) < 1e-6
    assert hidden(0) == 0


def test_what_was_lost_is_mostly_lost_again_and_forgotten_after_a_gap() -> None:
    rows: list[Row] = [(0, 16 * MIB, 0, 0), HOT]
    joined = Rounding()
    joined.lost(snap([(0, 8 * MIB, 1, 0), (8 * MIB, 16 * MIB, 0, 0), HOT]))
    found = [float(joined.lost(snap(rows, time))[0]) for time in (2.0, 3.0, 4.0)]
    assert found[0] > found[1] > found[2] > 0
    assert joined.lost(snap(rows, 9.0))[0] == 0


@pytest.mark.filterwarnings("error")
def test_as_many_accesses_as_a_damaged_record_says_take_no_time() -> None:
    many = 10**15
    before = snap([(0, 100, many, 0), (100, 200, 3, 0)])
    now = snap([(0, 100, many, 0), (100, 150, 0, 0), (150, 200, 3, 0)], time=2.0)
    assert np.isfinite(lost(now, before)).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("most", [200, 256, 257, 2_000])
def test_few_and_many_accesses_are_cut_off_alike(most: int) -> None:
    mean = np.array([0.0, 0.5, 0.8, 1.0, 1.2, 2.0]) * most
    found = _at_most(mean, most)
    assert found[0] == 0
    assert found[1] == pytest.approx(mean[1], rel=0.01)
    assert found[2] == pytest.approx(mean[2], rel=0.02)
    assert found[3] == pytest.approx(mean[3] / 2, rel=0.1)
    assert found[4] < 0.03 * mean[4]
    assert found[5] < 0.001


@pytest.mark.filterwarnings("error")
def test_a_region_without_bytes_has_lost_nothing() -> None:
    before = snap([(0, 8 * MIB, 1, 0), (8 * MIB, 16 * MIB, 0, 0), HOT])
    after = snap([(0, 16 * MIB, 1, 0), (16 * MIB, 16 * MIB, 0, 0), HOT], 2.0)
    found = lost(after, before)
    assert np.isfinite(found).all()
    assert found[1] == 0


@pytest.mark.parametrize("change", [{"complete": False}, {"lost": 3}], ids=["incomplete", "events lost"])
def test_a_snapshot_that_lacks_something_says_nothing_of_the_next(change: dict[str, object]) -> None:
    before = replace(snap([(0, 5 * MIB, 1, 0), (5 * MIB, 16 * MIB, 0, 0), HOT]), **change)  # type: ignore[arg-type]
    after = snap([(0, 16 * MIB, 0, 0), HOT], 2.0)
    assert (lost(after, before) == lost(after)).all()


def test_targets_are_known_by_their_identifier() -> None:
    rows: list[Row] = [(0, 16 * MIB, 4, 0), (0, 16 * MIB, 20, 0)]
    before = make.snapshot(rows, 1.0, target=[0, 1], targets=(70, 80))
    gone = make.snapshot([rows[1], rows[0]], 2.0, target=[0, 1], targets=(80, 90))
    assert lost(gone, before).tolist() == [0, 0]  # 80 counted 20 of 20, and 90 is new
    assert lost(make.snapshot(rows, 2.0, target=[0, 1], targets=(70, 80)), before)[0] == pytest.approx(0.4)


class Counted(Context):
    """Remembers what was counted before regions are joined."""

    before: tuple[Ints, Ints] = (np.zeros(0, np.int64), np.zeros(0, np.int64))

    def _aggregated(self) -> Snapshot:
        self.before = (self.regions.sizes.copy(), self.regions.nr_accesses.copy())
        return super()._aggregated()


@pytest.mark.parametrize("name", SCENES)
def test_nearer_than_the_kernels_formula_to_what_was_counted(name: str) -> None:
    context = Counted(scene(name, 21), Attrs(), np.random.default_rng(21), origin="simulated")
    joined, sums = Rounding(), np.zeros(3)
    while context.time < 150.0:
        snapshot = context.aggregate()
        sizes, counts = context.before
        counted = float(sizes @ counts) * 1e6 / snapshot.attrs.aggr_us
        found = lost_of = joined.lost(snapshot)
        assert (found >= 0).all()
        assert (found <= 1).all()
        sums += (bandwidth(snapshot, lost_of), metrics.bandwidth(snapshot), counted)
    ours, kernel, counted = sums.tolist()
    assert abs(ours / counted - 1) < 0.04
    assert abs(ours / counted - 1) <= abs(kernel / counted - 1)
