"""A number over time in equal slots: means, gaps, and values that stay where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.analysis import timeline


def test_slots_begin_at_multiples_and_hold_the_moment() -> None:
    assert timeline.slots(10.0, 4.0, 4).tolist() == [6, 7, 8, 9, 10]
    assert timeline.slots(10.1, 4.0, 4).tolist() == [7, 8, 9, 10, 11]
    assert timeline.slots(0.0, 1.0, 1).tolist() == [-1, 0]


@given(st.floats(0, 1e6), st.floats(0.1, 1e5), st.integers(1, 200))
def test_a_moment_is_in_the_last_slot(until: float, span: float, columns: int) -> None:
    edges = timeline.slots(until, span, columns)
    assert len(edges) == columns + 1
    slot = span / columns
    assert edges[-2] - 1e-6 * slot <= until <= edges[-1] + 1e-6 * slot
    # a little later, the same edges or all of them moved by whole slots
    moved = (timeline.slots(until + slot / 3, span, columns) - edges) / slot
    assert moved == pytest.approx(np.round(moved[0]), abs=1e-3)


def test_means_are_of_what_is_known() -> None:
    ended = np.array([1.0, 1.5, 2.0, 6.0, 7.0])
    began = np.array([0.5, 1.0, 1.5, 5.0, 6.0])
    values = np.array([1.0, 3.0, np.nan, 8.0, 2.0])
    found = timeline.means(began, ended, values, np.arange(9.0))
    # (0, 1] one; (1, 2] one of two known; (2, 5] nothing, for the next began at 5; then each its own
    np.testing.assert_array_equal(found, [1, 3, np.nan, np.nan, np.nan, 8, 2, np.nan])


def test_a_long_aggregation_fills_what_it_covers() -> None:
    found = timeline.means(np.array([0.0, 10.0]), np.array([10.0, 20.0]), np.array([4.0, 6.0]), np.arange(0.0, 21.0, 5))
    assert found.tolist() == [4, 4, 6, 6]
    assert np.isnan(timeline.means(*[np.zeros(0)] * 3, np.arange(3.0))).all()
