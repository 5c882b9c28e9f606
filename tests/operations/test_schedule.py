"""What a model of memory is put together from: its pages in a row, and which phase is when."""

import numpy as np

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import ints
from damontui.operations.areas import IDLE, Area, FlatPages, Phase, poisson, scan, sweep
from damontui.operations.periodic import Periodic
from damontui.operations.schedule import Schedule, Stretch


def layout() -> FlatPages:
    """Two pages, a gap of three, one page; and four pages of another target."""
    pages = ((8, 2, 0, "a"), (13, 1, 0, "b"), (100, 4, 7, "c"))
    return FlatPages.of([Area(name, at * PAGE_SIZE, n * PAGE_SIZE, target=target) for at, n, target, name in pages])


def test_pages_of_all_targets_are_numbered_through_with_the_gaps() -> None:
    found = layout()
    assert found.names.tolist() == ["a", "", "b", "c"]
    assert found.edges.tolist() == [0, 2, 5, 6, 10]
    assert [target.id for target in found.targets] == [0, 7]
    page = found.page_of(ints([8, 12, 13, 103]) * PAGE_SIZE, ints([0, 0, 0, 1]))
    assert page.tolist() == [0, 4, 5, 9]
    assert found.segment_of(page).tolist() == [0, 1, 2, 3]


def test_phases_are_cut_where_they_change_and_whole_cycles_are_left_out() -> None:
    schedule = Schedule(layout(), [Phase(1.0), Phase(2.0, {"a": poisson(3)})])
    assert list(schedule.stretches(500_000, 3_500_000)) == [
        Stretch(0, 0, 500_000, 1_000_000),
        Stretch(1, 1_000_000, 1_000_000, 3_000_000),
        Stretch(0, 3_000_000, 3_000_000, 3_500_000),
    ]
    assert schedule.whole_cycles(0, 9_000_000) == 2
    assert sum(stretch.ended - stretch.began for stretch in schedule.stretches(0, 9_000_000)) == 3_000_000
    assert [stretch.began for stretch in schedule.back(3_500_000)] == [3_000_000, 1_000_000, 0]


def test_use_is_unbroken_since_the_phase_in_which_it_began() -> None:
    schedule = Schedule(layout(), [Phase(1.0, {"c": poisson(1)}), Phase(2.0, {"a": poisson(3), "c": scan(1.0)})])
    assert schedule.used_for(2_000_000, 2_500_000).tolist() == [1_500_000, 0, 0, 500_000]
    assert schedule.used_for(0, 2_500_000).tolist() == [1_500_000, 0, 0, 2_500_000]


def test_periodic_touches_are_where_and_when_one_by_one_they_are() -> None:
    row = [scan(0.5, 0.1), IDLE, IDLE, sweep(0.4, backwards=True)]
    periodic = Periodic.of(row, layout())
    edges = np.arange(0, 1_300_000, 50_000)
    first, many = periodic.touched(edges)
    assert np.flatnonzero(many[0]).tolist() == [2, 12, 22]  # 0.1, 0.6 and 1.1 s, all of both pages
    assert many[0].max() == 2
    # one of four pages every 0.1 s, the last one first
    assert first[1][many[1] > 0].tolist() == [3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3]
    when = periodic.last_touch(ints([[0, 1], [0, 3]]), 450_000)
    assert when.tolist() == [[100_000, 100_000], [300_000, 400_000]]
