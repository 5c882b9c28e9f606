"""The address axis of many targets: each has rows of its own as long as there are enough, and the axis stays."""

from __future__ import annotations

import numpy as np
import pytest

from damontui.analysis.axis import SHOWN, VOID, Axis, Part, extent, make_axis, stride_for
from damontui.analysis.raster import binned, painted
from damontui.damon.snapshot import Snapshot
from tests import make
from tests.make import HEAP, MIB, many_targets


def axis_of(one: Snapshot, rows: int, fold_rows: int) -> Axis:
    stride = stride_for(len(one.targets))
    return make_axis(extent(one, stride), rows, stride=stride, fold_rows=fold_rows, ids=one.targets)


def addresses(one: Snapshot) -> list[tuple[int, int]]:
    """The first and the last address of each region, with its target."""
    pairs = zip(one.target.tolist(), one.start.tolist(), one.end.tolist(), strict=True)
    return [(target, address) for target, low, high in pairs for address in (low, high - 1)]


@pytest.mark.parametrize("fold_rows", [1, 2])
@pytest.mark.parametrize("rows", [2, 4, 12, 20, 30, 60])
@pytest.mark.parametrize("count", [2, 3, 7, 14, 15, 16, 20, 40, 100])
def test_each_target_has_rows_of_its_own_as_long_as_there_are_enough(count: int, rows: int, fold_rows: int) -> None:
    one = many_targets(count)
    axis = axis_of(one, rows, fold_rows)
    assert len(axis) == rows == sum(part.rows for part in axis.parts)
    assert all(part.rows > 0 for part in axis.parts)
    assert all(part.hi > part.lo for part in axis.parts if part.kind == SHOWN)
    assert all(axis.low[row] < axis.high[row] for row in range(rows) if axis.part(row).kind == SHOWN)
    assert axis.holds(*extent(one, axis.stride))
    for target, address in addresses(one):
        row = axis.row(address, target)
        assert row is not None
        assert axis.part(row).kind == SHOWN
        if count <= rows:
            found, low, high = axis.place(row)
            assert (found, low <= address < high) == (target, True)
    assert any(axis.shared(part) for part in axis.parts) == (count > rows)


@pytest.mark.parametrize(("count", "folds"), [(2, 1), (7, 6), (15, 14), (16, 0), (20, 0), (30, 0), (31, 0)])
def test_between_targets_there_is_a_fold_or_between_none_of_them(count: int, folds: int) -> None:
    axis = axis_of(many_targets(count), 60, 2)
    between = [part for part in axis.parts if part.kind == VOID and part.hi == part.lo]
    assert len(between) == folds
    assert axis.crowded == (folds == 0)
    shown = [part.target for part in axis.parts if part.kind == SHOWN]
    assert shown == sorted(shown)
    assert set(shown) == set(range(count))
    if count <= 30:  # whole lines
        assert all(part.rows % 2 == 0 for part in axis.parts)


def test_a_pane_of_fifteen_lines_has_seven_targets() -> None:
    axis = axis_of(many_targets(7), 15, 1)
    assert [part.kind for part in axis.parts] == [SHOWN, VOID] * 6 + [SHOWN]
    assert [axis.place(axis.row(HEAP, target) or 0)[0] for target in range(7)] == list(range(7))


def test_the_smallest_share_a_row() -> None:
    one = many_targets(10)
    axis = axis_of(one, 6, 1)
    assert [axis.label(part) for part in axis.parts] == ["1000…", "1002…", "1004…", "1006…", "1008:", "1009:"]
    assert [part.rows for part in axis.parts] == [1] * 6
    values, weights = binned(one, axis, "rate")
    assert weights.tolist() == [(2 * pair + 3) * MIB + 6 * MIB for pair in (0, 2, 4, 6)] + [12 * MIB, 13 * MIB]
    assert (values > 0).all()
    again = axis_of(one, 6, 1)
    assert (again.parts, again.low.tolist()) == (axis.parts, axis.low.tolist())


def test_a_record_is_painted_on_rows_that_targets_share() -> None:
    one = many_targets(10)
    axis = axis_of(one, 6, 1)
    base = one.target * axis.stride
    means, covered = painted(
        np.array([0.0]),
        np.array([1.0]),
        np.array([0, len(one)]),
        base + one.start,
        base + one.end,
        one.nr_accesses / 20,
        np.ones(len(one)),
        axis,
        np.array([0.0, 1.0]),
    )
    assert means[0].tolist() == pytest.approx(binned(one, axis, "rate")[0].tolist())
    assert ((covered > 0) & (covered <= 1)).all()


def test_targets_that_begin_at_0_have_a_fold_between_them() -> None:
    one = make.snapshot([(0, MIB, 1, 1), (0, MIB, 1, 1)], target=[0, 1], targets=(7, 8))
    axis = axis_of(one, 9, 1)
    assert axis.parts[1] == Part(VOID, 0, MIB, MIB, 4, 1)


@pytest.mark.parametrize("count", [7, 16, 40, 100])
def test_rows_rise_and_none_overlap(count: int) -> None:
    axis = axis_of(many_targets(count), 60, 2)
    assert (axis.high[:-1] <= axis.low[1:]).all()
