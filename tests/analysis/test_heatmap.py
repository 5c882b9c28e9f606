"""The heatmap's arithmetic against the plainest way to compute the same."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damontui.analysis import heatmap
from damontui.analysis.axis import IDLE, SHOWN, VOID, Axis, extent, make_axis, placed, stride_for, targets_of, union
from damontui.analysis.heatmap import Mode, Place
from damontui.analysis.raster import Raster, binned, unplaced
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Measured, Snapshot, ints
from tests import make

PAGE = 4096
MIB = 1 << 20
GIB = 1 << 30
Row = tuple[int, int, int, int]
"""Start, end, nr_accesses and target."""


def snapshot(time: float, rows: Sequence[Row], seconds: float = 1.0, *, complete: bool = True) -> Snapshot:
    attrs = Attrs(sample_us=int(seconds * 1e6 / 20), aggr_us=int(seconds * 1e6), goal=None)
    start, end, count, target = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Snapshot(
        time=time,
        began=time - seconds,
        wall=time,
        attrs=attrs,
        next_attrs=attrs,
        start=ints(start),
        end=ints(end),
        nr_accesses=ints(count),
        age=ints([3] * len(rows)),
        target=ints(target),
        targets=tuple(range(max(target, default=0) + 1)),
        origin="simulated",
        complete=complete,
    )


class Past:
    """Snapshots in a list, as a history gives them."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self.snapshots = list(snapshots)
        self.asked: list[int] = []

    def walk(self, since: float, until: float, most: int | None = None) -> Sequence[Snapshot]:
        found = [one for one in self.snapshots if one.time > since and one.began < until]
        self.asked.append(len(found))
        return found


def linear(rows: int, lo: int, hi: int) -> Axis:
    return make_axis((ints([lo]), ints([hi])), rows, stride=1 << 57)


def axis_of(one: Snapshot, rows: int, **more: int) -> Axis:
    stride = stride_for(len(one.targets))
    return make_axis(extent(one, stride), rows, stride=stride, ids=one.targets, **more)


@st.composite
def regions(draw: st.DrawFn, limit: int = 300) -> list[Row]:
    found: list[Row] = []
    for target in range(draw(st.integers(1, 3))):
        edges = sorted(draw(st.sets(st.integers(0, limit), min_size=2, max_size=14)))
        for low, high in itertools.pairwise(edges):
            if draw(st.integers(0, 3)):
                found.append((low, high, draw(st.integers(0, 20)), target))
    return found


# --- axes


@given(regions(), st.integers(1, 60), st.sampled_from([1, 2]))
def test_an_axis_covers_all_that_is_mapped_once(rows: list[Row], height: int, fold: int) -> None:
    one = snapshot(1.0, rows)
    axis = axis_of(one, height, fold_rows=fold)
    if not rows:
        assert len(axis) == 0
        return
    assert (axis.low <= axis.high).all()
    assert (axis.low[1:] >= axis.low[:-1]).all()
    for start, end, _, target in rows:
        covered = sum(
            max(0, min(end + target * axis.stride, high) - max(start + target * axis.stride, low))
            for low, high in zip(axis.low.tolist(), axis.high.tolist(), strict=True)
        )
        assert covered == end - start
    assert sum(part.rows for part in axis.parts) == len(axis)


@given(regions(), st.integers(24, 60))
def test_an_axis_has_the_rows_that_it_was_given(rows: list[Row], height: int) -> None:
    if rows:
        assert len(axis_of(snapshot(1.0, rows), height)) == height


def test_a_sparse_address_space_is_not_an_empty_picture() -> None:
    heap, stack = 0x55D0_C000_0000, 0x7FFE_0000_0000
    one = snapshot(1.0, [(heap, heap + 64 * PAGE, 20, 0), (stack, stack + 32 * PAGE, 10, 0)])
    axis = axis_of(one, 40)
    assert [part.kind for part in axis.parts] == [SHOWN, VOID, SHOWN]
    assert axis.parts[1].hi - axis.parts[1].lo == stack - heap - 64 * PAGE
    assert [part.rows for part in axis.parts] == [26, 1, 13]
    values, weights = binned(one, axis, "rate")
    assert (weights > 0).sum() == 39
    assert values[:26] == pytest.approx(1.0)
    assert values[27:] == pytest.approx(0.5)


def test_a_small_hole_is_drawn_to_scale() -> None:
    one = snapshot(1.0, [(0, 30 * GIB, 1, 0), (31 * GIB, 64 * GIB, 1, 0)])
    axis = axis_of(one, 64)
    assert [part.kind for part in axis.parts] == [SHOWN]
    _, weights = binned(one, axis, "rate")
    assert np.flatnonzero(weights == 0).tolist() == [30]


def test_folds_take_at_most_a_third() -> None:
    rows = [(1 << i, (1 << i) + PAGE, 1, 0) for i in range(13, 56)]
    axis = axis_of(snapshot(1.0, rows), 30)
    assert len(axis) == 30
    assert sum(part.kind == VOID for part in axis.parts) == 10


def test_folding_idle_memory_gives_the_used_the_rows() -> None:
    one = snapshot(1.0, [(0, 32 * GIB, 0, 0), (32 * GIB, 32 * GIB + PAGE, 20, 0), (32 * GIB + PAGE, 64 * GIB, 0, 0)])
    stride = stride_for(1)
    used = extent(one, stride, used=True)
    axis = make_axis(extent(one, stride), 20, stride=stride, used=used)
    assert [part.kind for part in axis.parts] == [IDLE, SHOWN, IDLE]
    assert [part.rows for part in axis.parts] == [1, 18, 1]
    values, _ = binned(one, axis, "rate")
    assert values[1:-1] == pytest.approx(1.0)
    assert values[0] == values[-1] == 0


def test_a_view_shows_those_addresses_only() -> None:
    one = snapshot(1.0, [(0, 64 * GIB, 1, 0)])
    axis = axis_of(one, 16, lo=GIB, hi=2 * GIB)
    assert axis.place(0)[1] == GIB
    assert axis.place(15)[2] == 2 * GIB
    assert axis.row(GIB + PAGE) == 0
    assert axis.row(3 * GIB) is None
    assert len(axis_of(one, 16, lo=100 * GIB, hi=101 * GIB)) == 16  # nothing there: an empty picture of that place


def test_targets_stand_above_one_another() -> None:
    one = snapshot(1.0, [(PAGE, 9 * PAGE, 20, 0), (PAGE, 9 * PAGE, 0, 1)])
    axis = axis_of(one, 9)
    assert [(part.kind, part.target) for part in axis.parts] == [(SHOWN, 0), (VOID, 0), (SHOWN, 1)]
    values, _ = binned(one, axis, "rate")
    assert values.tolist() == [1] * 4 + [0] * 5
    assert axis.row(PAGE, 1) == 5
    assert axis.place(5) == (1, PAGE, 3 * PAGE)


def test_a_process_keeps_its_rows_whatever_number_it_has() -> None:
    def two(ids: tuple[int, ...], *counts: int) -> Snapshot:
        rows = [(0, 4 * PAGE, count, target) for target, count in enumerate(counts)]
        return replace(snapshot(1.0, rows), targets=ids)

    older, newer = two((7, 8), 20, 10), two((9, 8), 5, 15)
    ids = targets_of([older, newer])
    assert ids == (9, 8, 7)
    stride = stride_for(3)
    mapped = union([extent(placed(one, ids), stride) for one in (older, newer)])
    axis = make_axis(mapped, 14, stride=stride, ids=ids)
    assert [part.rows for part in axis.parts if part.kind == SHOWN] == [4, 4, 4]
    seven, eight, nine = axis.row(0, 2), axis.row(0, 1), axis.row(0, 0)
    assert binned(older, axis, "rate")[0][[seven, eight, nine]].tolist() == [1.0, 0.5, 0.0]
    assert binned(newer, axis, "rate")[0][[seven, eight, nine]].tolist() == [0.0, 0.75, 0.25]
    assert binned(newer, axis, "rate")[1][seven] == 0  # not there


def test_an_axis_knows_what_it_holds() -> None:
    axis = linear(4, 0, 16 * PAGE)
    assert axis.holds(ints([0, PAGE]), ints([PAGE, 16 * PAGE]))
    assert not axis.holds(ints([15 * PAGE]), ints([17 * PAGE]))
    assert axis.holds(ints([]), ints([]))


def test_a_cell_is_in_use_from_half_a_percent_on_and_not_where_nothing_is_known() -> None:
    values = np.array([np.nan, -5.0, 0.0, 0.004, 0.005, 1.0])
    assert heatmap.in_use(values, "rate").tolist() == [False, False, False, False, True, True]
    for mode in ("idle", "temperature"):
        assert heatmap.in_use(values, mode).tolist() == [False, False, True, True, True, True]  # type: ignore[arg-type]


# --- one snapshot


def plain(one: Snapshot, axis: Axis, values: Sequence[float], *, hottest: bool) -> list[tuple[float, float]]:
    """Mean or maximum of each row, by going through all regions."""
    found = []
    for low, high in zip(axis.low.tolist(), axis.high.tolist(), strict=True):
        total = weight = 0.0
        top = -math.inf
        for start, end, target, value in zip(
            one.start.tolist(), one.end.tolist(), one.target.tolist(), values, strict=True
        ):
            base = target * axis.stride
            overlap = min(high, end + base) - max(low, start + base)
            if overlap > 0:
                total += overlap * value
                weight += overlap
                top = max(top, value)
        found.append(((top if hottest else total / weight) if weight else 0.0, weight))
    return found


@given(regions(), st.integers(1, 40), st.booleans(), st.sampled_from(["rate", "idle", "temperature"]))
@settings(deadline=None)
def test_rows_are_means_or_the_hottest_of_what_they_cover(
    rows: list[Row], height: int, hottest: bool, mode: Mode
) -> None:
    one = snapshot(1.0, rows)
    axis = axis_of(one, height)
    values, weights = binned(one, axis, mode, hottest=hottest)
    wanted = plain(one, axis, heatmap.values_of(one, mode).tolist(), hottest=hottest)
    assert weights.tolist() == pytest.approx([weight for _, weight in wanted])
    assert values.tolist() == pytest.approx([value for value, _ in wanted], rel=1e-9, abs=1e-9)


def test_a_page_in_64_gib_shows_where_the_hottest_is_asked_for() -> None:
    one = snapshot(1.0, [(0, 40 * GIB, 0, 0), (40 * GIB, 40 * GIB + PAGE, 20, 0), (40 * GIB + PAGE, 64 * GIB, 0, 0)])
    axis = axis_of(one, 64)
    assert binned(one, axis, "rate", hottest=True)[0].max() == 1.0
    mean = binned(one, axis, "rate")[0]
    assert mean[40] == pytest.approx(PAGE / GIB)
    assert heatmap.leveled(mean, "rate", 25)[40] == 1  # little is not none


def test_idle_seconds_have_the_sign_of_use() -> None:
    one = snapshot(1.0, [(0, PAGE, 1, 0), (PAGE, 2 * PAGE, 0, 0)])
    assert heatmap.values_of(one, "idle").tolist() == [4.0, -4.0]
    assert heatmap.values_of(one, "temperature").tolist() == [300_000_500.0, -300_000_000.0]


@given(st.floats(0, 1), st.floats(0, 1))
def test_levels_keep_the_order_of_rates(a: float, b: float) -> None:
    low, high = sorted((a, b))
    levels = heatmap.leveled(np.array([low, high]), "rate", 25)
    assert levels[0] <= levels[1] <= 24
    assert (levels[0] == 0) == (math.sqrt(low) * 24 == 0)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_levels_keep_the_order_of_times(a: float, b: float) -> None:
    low, high = sorted((a, b))
    levels = heatmap.leveled(np.array([low, high]), "idle", 25)
    assert levels[0] <= levels[1] <= 24
    assert heatmap.leveled(np.array([0.0, -3600.0, 3600.0, 9e9]), "idle", 25).tolist() == [12, 0, 24, 24]


@pytest.mark.parametrize("mode", ["rate", "idle", "temperature"])
@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_the_legend_says_what_the_scale_does(mode: Mode, share: float) -> None:
    assert heatmap.scaled(np.array([heatmap.unscaled(share, mode)]), mode)[0] == pytest.approx(share)


# --- columns


def test_columns_are_a_grid_of_absolute_time() -> None:
    past = Past([snapshot(t + 0.3, [(0, 4 * PAGE, t % 20, 0)]) for t in range(1, 60)])
    axis = linear(1, 0, 4 * PAGE)
    raster = Raster(axis, 2.5)
    raster.update(past, 0, 20)
    before = raster.values(5, 18).copy()
    past.snapshots.append(snapshot(60.3, [(0, 4 * PAGE, 1, 0)]))
    raster.update(past, 4, 25)
    assert np.array_equal(raster.values(5, 18), before)


def test_a_snapshot_fills_the_columns_that_its_aggregation_covers() -> None:
    past = Past([snapshot(10.0, [(0, PAGE, 20, 0)], 6.0), snapshot(30.0, [(0, PAGE, 10, 0)], 4.0)])
    raster = Raster(linear(1, 0, PAGE), 2.0)
    raster.update(past, 0, 20)
    values = raster.values(0, 20)[:, 0]
    assert np.flatnonzero(~np.isnan(values)).tolist() == [2, 3, 4, 13, 14]
    assert values[[2, 13]].tolist() == [1.0, 0.5]
    assert raster.covered(0, 20)[[1, 2, 14, 15]].tolist() == [0.0, 2.0, 2.0, 0.0]


def test_a_column_weighs_snapshots_by_their_time_in_it() -> None:
    past = Past([snapshot(3.0, [(0, PAGE, 20, 0)], 3.0), snapshot(4.0, [(0, PAGE, 0, 0)], 1.0)])
    raster = Raster(linear(1, 0, PAGE), 4.0)
    raster.update(past, 0, 1)
    assert raster.values(0, 1)[0, 0] == pytest.approx(0.75)
    hottest = Raster(linear(1, 0, PAGE), 4.0, hottest=True)
    hottest.update(past, 0, 1)
    assert hottest.values(0, 1)[0, 0] == 1.0


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_columns_added_one_by_one_are_those_drawn_at_once(data: st.DataObject) -> None:
    """Whatever the order in which snapshots come in and the view moves about."""
    time, made = 0.0, []
    for _ in range(data.draw(st.integers(1, 25))):
        seconds = data.draw(st.sampled_from([0.25, 1.0, 3.0]))
        time += seconds + data.draw(st.sampled_from([0.0, 0.0, 5.0]))
        made.append(snapshot(time, data.draw(regions(40)), seconds, complete=data.draw(st.booleans())))
    axis = make_axis((ints([0]), ints([40])), 5, stride=1 << 57, ids=(0, 1, 2))
    hottest = data.draw(st.booleans())
    raster = Raster(axis, 0.75, hottest=hottest)
    past = Past([])
    for one in made:
        past.snapshots.append(one)
        if data.draw(st.booleans()):
            stop = math.floor(one.time / raster.column) + 1 - data.draw(st.sampled_from([0, 0, 0, 3, 9]))
            raster.update(past, stop - 8, stop)
    stop = math.floor(time / raster.column) + 1
    raster.update(past, stop - 8, stop)
    whole = Raster(axis, 0.75, hottest=hottest)
    whole.update(past, stop - 8, stop)
    np.testing.assert_allclose(raster.values(stop - 8, stop), whole.values(stop - 8, stop))
    np.testing.assert_allclose(raster.covered(stop - 8, stop), whole.covered(stop - 8, stop))
    assert raster.partial(stop - 8, stop).tolist() == whole.partial(stop - 8, stop).tolist()


def test_only_what_is_new_costs() -> None:
    past = Past([snapshot(float(t), [(0, PAGE, 1, 0)]) for t in range(1, 101)])
    raster = Raster(linear(1, 0, PAGE), 1.0)
    raster.update(past, 0, 100)
    assert raster.binned == 100
    past.snapshots.append(snapshot(101.0, [(0, PAGE, 1, 0)]))
    raster.update(past, 1, 101)
    assert raster.binned == 101
    assert raster.update(past, 1, 101) == 101  # nothing changed
    assert raster.binned == 101


def test_lost_events_mark_their_columns() -> None:
    past = Past([snapshot(1.0, [(0, PAGE, 1, 0)]), snapshot(2.0, [(0, PAGE, 1, 0)], complete=False)])
    raster = Raster(linear(1, 0, PAGE), 1.0)
    raster.update(past, 0, 3)
    assert raster.partial(0, 3).tolist() == [False, True, False]


# --- moving


def test_zooming_keeps_the_address_in_place_and_ends_at_pages() -> None:
    whole = (0, 64 * GIB)
    view = heatmap.zoomed(whole, 16 * GIB, 0.5, whole)
    assert view == (8 * GIB, 40 * GIB)
    for _ in range(60):
        view = heatmap.zoomed(view, 16 * GIB, 0.5, whole) or whole
    assert view[1] - view[0] == 16 * PAGE
    assert view[0] <= 16 * GIB < view[1]
    assert heatmap.zoomed((0, 32 * GIB), 0, 2.0, whole) is None


def test_panning_stays_within() -> None:
    assert heatmap.panned((0, GIB), 0.5, (0, 4 * GIB)) == (GIB // 2, GIB // 2 + GIB)
    assert heatmap.panned((0, GIB), -1, (0, 4 * GIB)) == (0, GIB)
    assert heatmap.panned((3 * GIB, 4 * GIB), 1, (0, 4 * GIB)) == (3 * GIB, 4 * GIB)


def test_hotter_weighs_bytes_by_their_rate_and_finds_a_page_in_64_gib() -> None:
    at = 40 * GIB + 5 * PAGE
    rows = [(0, GIB, 3, 0), (GIB, at, 0, 0), (at, at + PAGE, 20, 0), (at + PAGE, 64 * GIB, 0, 0)]
    one = snapshot(1.0, rows)
    page, heap = Place(at, 1.0), Place(0, 1.0)
    assert heatmap.hotter(one, None) == heap  # 154 MiB a look, beside one page
    assert heatmap.hotter(one, Place(60 * GIB, 0.5)) == Place(0, 0.5)
    assert heatmap.hotter(one, heap) == page  # past the hottest: the least hot that is used
    assert heatmap.hotter(one, page) == heap
    assert heatmap.hotter(one, heap, -1) == page
    alone = snapshot(1.0, [(0, GIB, 0, 0), *rows[1:]])
    assert heatmap.hotter(alone, None) == page
    region = heatmap.region_at(one, Place(at, 1.0))
    assert region == 2
    view = heatmap.view_of(one, region)
    assert view is not None
    assert view[0] <= at < at + PAGE <= view[1]
    assert view[1] - view[0] == 16 * PAGE


def test_nothing_is_hotter_where_all_is_idle() -> None:
    assert heatmap.hotter(snapshot(1.0, [(0, GIB, 0, 0)]), None) is None
    assert heatmap.hotter(snapshot(1.0, []), None) is None
    assert heatmap.bounds(snapshot(1.0, [])) is None


# --- counted bytes --------------------------------------------------------------------------------------------------


def process() -> Snapshot:
    """8 MiB of which 4 are in memory and 1 is touched; 1 MiB, all touched; and a mapping that is no memory."""
    used = ints([[1, 1, 3], [1, 1, 1], [0, 0, 0]]) * MIB
    return make.snapshot(
        [(0, 8 * MIB, 5, 0), (8 * MIB, 9 * MIB, 20, 7), (9 * MIB, 16 * MIB, 0, 0)],
        resident=ints([4, 1, 0]) * MIB,
        measured=Measured((1.0, 2.0, 10.0), used, used.sum(axis=0), used.sum(axis=0), ints([[4, 1, 0]] * 3).T * MIB),
        targets=(7,),
    )


def axis_over(rows: int, lo: int = 0, hi: int = 16 * MIB) -> Axis:
    return make_axis((ints([0]), ints([16 * MIB])), rows, stride=stride_for(1), lo=lo, hi=hi, ids=(7,))


def test_cells_of_counted_memory_are_weighted_by_what_is_in_memory() -> None:
    values, weights = binned(process(), axis_over(16), "rate")
    assert weights.tolist() == [*[MIB / 2] * 8, MIB, *[0] * 7]
    assert values.tolist() == [*[0.25] * 8, 1.0, *[0] * 7]
    # 1 of 2 MiB in the upper row that both mappings are in: a quarter of one and all of the other
    values, weights = binned(process(), axis_over(4), "rate")
    assert weights.tolist() == [2 * MIB, 2 * MIB, MIB, 0]
    assert values.tolist() == [0.25, 0.25, 1.0, 0]
    values, weights = binned(process(), axis_over(1), "rate")
    assert (weights.tolist(), values.tolist()) == ([5 * MIB], [0.4])
    hottest, _ = binned(process(), axis_over(1), "rate", hottest=True)
    assert hottest.tolist() == [1.0]


def test_idle_time_of_counted_memory_is_that_of_half_its_bytes() -> None:
    assert heatmap.values_of(process(), "idle").tolist() == [-10.0, 8.0, -10.0]
    cold, hot, _ = heatmap.values_of(process(), "temperature").tolist()
    assert cold < 0 < hot


def test_no_memory_covers_nothing() -> None:
    low, high = extent(process(), stride_for(1))
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == [(0, 9 * MIB)]
    sampled = make.snapshot([(0, MIB, 5, 0), (MIB, 4 * MIB, 0, 0), (4 * MIB, 5 * MIB, 0, 0)], resident=ints([9, 0, 9]))
    low, high = extent(sampled, stride_for(1))
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == [(0, MIB), (4 * MIB, 5 * MIB)]
    assert [len(part) for part in extent(sampled, stride_for(1), used=True)] == [1, 1]


def test_rows_of_a_mapping_that_goes_beyond_them_say_nothing_alone() -> None:
    assert unplaced(process(), axis_over(16)).tolist() == [*[True] * 8, *[False] * 8]
    assert unplaced(process(), axis_over(1)).tolist() == [False]
    assert unplaced(process(), axis_over(2)).tolist() == [False, False]  # 8 MiB in a row of 8 MiB
    # one row of a mapping that begins before what is shown
    assert unplaced(process(), axis_over(1, 4 * MIB, 8 * MIB)).tolist() == [True]
    assert not unplaced(make.snapshot([(0, 8 * MIB, 5, 0)]), axis_over(16)).any()
    assert not unplaced(make.snapshot([]), axis_over(4)).any()


def test_targets_put_in_another_order_keep_their_bytes() -> None:
    two = replace(process(), target=ints([0, 1, 1]), targets=(7, 9), names=("a", "b", "c"))
    swapped = placed(two, (9, 7))
    assert swapped.measured is not None
    assert swapped.memory.tolist() == [MIB, 0, 4 * MIB]
    assert swapped.measured.used[:, 2].tolist() == [MIB, 0, 3 * MIB]
    alone = placed(two, (9,))
    assert alone.measured is not None
    assert alone.measured.least.tolist() == alone.measured.most.tolist() == [MIB] * 3


def test_columns_of_a_process_keep_the_share_that_is_in_use() -> None:
    raster = Raster(axis_over(16), 1.0)
    raster.update(Past([replace(process(), time=float(t), began=t - 1.0) for t in range(1, 9)]), 0, 8)
    found = raster.values(0, 8)
    np.testing.assert_allclose(found[:, :8], 0.25)
    assert np.isnan(found[:, 9:]).all()


def test_the_hottest_of_counted_memory_has_most_touched_bytes() -> None:
    one = process()
    # 3 of 4 MiB in ten seconds are no more than 1 of 1 MiB in the last one
    both = replace(one, measured=replace(measured(one), used=ints([[2, 2, 3], [1, 1, 1], [0, 0, 0]]) * MIB))
    assert heatmap.hotter(both, None) == Place(0, 1.0)
    assert heatmap.hotter(both, Place(0, 1.0), -1) == Place(8 * MIB, 1.0)
    assert heatmap.hotter(one, None) == Place(8 * MIB, 1.0)  # as many bytes: the smaller is denser


def measured(one: Snapshot) -> Measured:
    assert one.measured is not None
    return one.measured
