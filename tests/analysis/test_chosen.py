"""What of each region is a chosen owner's: by drawn frames, told of whole regions only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.analysis.axis import extent, make_axis, stride_for
from damontui.analysis.chosen import Owner, parts
from damontui.analysis.owners import GROUP, ZONE, ownership, without_frames
from damontui.analysis.raster import Raster
from damontui.damon.snapshot import FRAME_KINDS, OTHERS, Group, Snapshot, ints
from damontui.history import History
from tests import make
from tests.owners import GROUPS, always_owned, owners, owners_of

PAGE = 4096
MIB = 1 << 20


def whole(seed: int = 1, count: int = 600) -> Snapshot:
    one = make.steady(40)[-1]
    return replace(one, owners=owners(one, count, seed=seed))


def everybody(snapshot: Snapshot) -> list[Owner]:
    found = ownership(snapshot)
    assert found is not None
    return [Owner.of(row, row.path) for row in found.rows]


@given(st.integers(0, 1000), st.sampled_from([30, 600]))
def test_what_all_rows_have_of_a_region_is_all_of_it(seed: int, count: int) -> None:
    one = whole(seed, count)
    shares, known = zip(*(parts(one, owner) for owner in everybody(one)), strict=True)
    assert all((each == known[0]).all() for each in known)
    np.testing.assert_allclose(sum(shares)[known[0] > 0], 1.0)
    np.testing.assert_array_equal(sum(shares)[known[0] == 0], 0.0)
    assert set(known[0].tolist()) <= {0, *one.memory.tolist()}
    # as it is kept, frames are told by region: nothing that is drawn may hang on more
    for owner, share in zip(everybody(one), shares, strict=True):
        np.testing.assert_array_equal(parts(without_frames(one), owner)[0], share)


def test_the_tree_has_what_is_below() -> None:
    one = whole()
    found = ownership(one)
    assert found is not None
    (row,) = (row for row in found.tree if row.path == "/system.slice")
    alone, below = Owner.of(row, ""), Owner.of(row, "", below=True)
    mine = [Owner(GROUP, group.path, "") for group in GROUPS if group.path.startswith("/system.slice")]
    np.testing.assert_allclose(parts(one, below)[0], sum(parts(one, owner)[0] for owner in mine))
    assert parts(one, alone)[0].sum() < parts(one, below)[0].sum()
    (top,) = (row for row in found.tree if row.path == "/")
    groups = sum(parts(one, Owner(GROUP, group.path, ""))[0] for group in GROUPS)
    np.testing.assert_allclose(parts(one, Owner.of(top, "", below=True))[0], groups)
    # a name that only begins alike is another's
    assert parts(one, Owner(GROUP, "/system.sl", "", below=True))[0].sum() == 0


def test_a_zone_is_where_it_is_without_any_frame() -> None:
    one = make.snapshot([(0, 64 * MIB, 1, 1), (64 * MIB, 128 * MIB, 0, 1)])
    cut = whole().owners
    assert cut is not None
    zones = replace(
        cut, zone_names=("node 0 DMA", "node 0 Normal"), zone_ends=ints([[0, 16 * MIB], [16 * MIB, 1 << 40]])
    )
    share, known = parts(replace(one, owners=zones), Owner(ZONE, "node 0 DMA", "node 0 DMA"))
    assert share.tolist() == [0.25, 0.0]
    assert known.tolist() == [64 * MIB, 64 * MIB]
    assert parts(replace(one, owners=zones), Owner(ZONE, "no zone", ""))[0].tolist() == [0.0, 0.0]


def test_nothing_is_known_where_nobody_looked_or_a_record_is_damaged() -> None:
    one = whole()
    owner = Owner(GROUP, GROUPS[0].path, "")
    for empty in (replace(one, owners=None), make.snapshot([])):
        assert [each.tolist() for each in parts(empty, owner)] == [[0.0] * len(empty)] * 2
    count = 5
    odd = owners_of(
        (Group("/a"),),
        ints([-PAGE, 0, 1 << 60, int(one.start[0]), int(one.start[1])]),
        ints([0, PAGE, 1 << 61, int(one.end[0]), int(one.end[1])]),
        ints([FRAME_KINDS.index("anon")] * count),
        ints([0, 0, 0, 99, OTHERS - 5]),
        ints([1, 2, 3, 4, -5]),
    )
    share, known = parts(replace(one, owners=odd), Owner(GROUP, "/a", ""))
    assert share.sum() == 0
    assert np.flatnonzero(known).tolist() == [0]


@pytest.mark.parametrize("rows", [4, 40])
def test_a_raster_has_the_owners_share_of_what_is_known(rows: int) -> None:
    made = always_owned(make.steady(6), 300)
    history = History()
    for one in made:
        history.append(one)
    owner = Owner(GROUP, GROUPS[0].path, "")
    axis = make_axis(extent(made[-1], stride_for(1)), rows, stride=stride_for(1))
    raster = Raster(axis, 6.0, measure=lambda one: parts(one, owner))
    raster.update(history, 0, 1)
    (found,) = raster.values(0, 1)
    total, weight = np.zeros(len(axis)), np.zeros(len(axis))
    for one in made:
        share, known = parts(one, owner)
        for region in np.flatnonzero(known).tolist():
            inside = np.minimum(axis.high, one.end[region]) - np.maximum(axis.low, one.start[region])
            total += np.clip(inside, 0, None) * share[region]
            weight += np.clip(inside, 0, None)
    there = weight > 0
    np.testing.assert_allclose(found[there], total[there] / weight[there], atol=1e-9)
    assert np.isnan(found[~there]).all()
