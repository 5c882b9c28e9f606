"""The map of pieces by itself: cut at every boundary, and joined again where neighbours agree."""

import numpy as np

from damontui.analysis.pieces import LAST_TOUCHES, PARTS, PLAIN, SUMS, Pieces
from damontui.analysis.rounding import Rounding
from damontui.analysis.window import Aggregation, solved
from tests import make
from tests.make import MIB


def followed() -> Pieces:
    """3 MiB, cut at 1 MiB by one snapshot and at 2 MiB by the next."""
    pieces = Pieces()
    pieces.follow(make.snapshot([(0, MIB, 4, 0), (MIB, 3 * MIB, 0, 0)], 1.0))
    pieces.state[SUMS] = 8.0
    pieces.follow(make.snapshot([(0, 2 * MIB, 4, 0), (2 * MIB, 3 * MIB, 0, 0)], 2.0))
    return pieces


def test_sums_are_shared_out_where_a_piece_is_cut() -> None:
    pieces = followed()
    assert pieces.start.tolist() == [0, MIB, 2 * MIB]
    assert pieces.region.tolist() == [[0, 1, 1], [0, 0, 1]]
    assert pieces.state[PARTS].tolist() == [8, 4, 4]
    assert (pieces.state[LAST_TOUCHES] == -np.inf).all()


def test_only_neighbours_that_no_region_tells_apart_are_joined() -> None:
    pieces = followed()
    assert not pieces.join(np.inf, 2.0, 0.005)
    pieces.forget(1)
    other = pieces.copy()
    assert pieces.join(np.inf, 2.0, 0.005)
    assert pieces.end.tolist() == [2 * MIB, 3 * MIB]
    assert pieces.state[PARTS].tolist() == [12, 4]
    assert len(other) == 3


def test_memory_that_went_is_dropped_and_what_is_new_was_never_touched() -> None:
    pieces = followed()
    pieces.follow(make.snapshot([(MIB, 2 * MIB, 4, 0), (4 * MIB, 5 * MIB, 0, 0)], 3.0))
    assert pieces.start.tolist() == [MIB, 4 * MIB]
    assert pieces.region.tolist() == [[1, -1], [0, -1], [0, 1]]
    assert pieces.state[PARTS].tolist() == [4, 0]


def test_what_two_regions_have_in_common_gets_their_counts() -> None:
    pieces, rounding, columns = Pieces(), Rounding(), []
    for step in range(12):
        counts, edge = ((0, 8), MIB) if step % 2 else ((8, 0), 2 * MIB)
        snapshot = make.snapshot([(0, edge, counts[0], 0), (edge, 3 * MIB, counts[1], 0)], step + 1.0)
        pieces.follow(snapshot)
        columns.append(Aggregation.of(snapshot, rounding.lost(snapshot)))
    found = solved(columns, pieces.region, pieces.sizes, pieces.state)
    assert (found.rate[:, 1] > 10 * found.rate[:, 0]).all()
    assert found.touched[PLAIN].tolist() == [[False, True, False]] * 12
    assert found.after(4).parts.tolist() == found.parts[4:].tolist()
