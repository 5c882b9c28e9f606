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


def test_a_mean_is_over_the_time_that_is_known() -> None:
    began = np.array([0.0, 1.0, 1.5, 5.0, 6.0])
    ended = np.array([1.0, 1.5, 2.0, 6.0, 7.5])
    values = np.array([1.0, 3.0, np.nan, 8.0, 2.0])
    found = timeline.means(began, ended, values, np.arange(9.0))
    np.testing.assert_array_equal(found, [1, 3, np.nan, np.nan, np.nan, 8, 2, 2])
    # half a slot of 8, half of 2
    assert timeline.means(began, ended, values, np.array([5.5, 6.5])).tolist() == [5.0]
    assert np.isnan(timeline.means(np.zeros(0), np.zeros(0), np.zeros(0), np.arange(3.0))).all()


def test_what_has_no_length_is_in_one_slot_and_what_is_outside_in_none() -> None:
    moments = np.array([-1.0, 0.0, 0.5, 2.0, 7.0])
    found = timeline.pairs(moments, moments, np.arange(3.0))
    assert (found.value.tolist(), found.slot.tolist()) == ([1, 2, 3], [0, 0, 1])
    # one that began after it ended is none the longer for it
    assert timeline.pairs(np.array([5.0]), np.array([1.5]), np.arange(3.0)).slot.tolist() == [1]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.sampled_from([0.0, 1.0, 5.0, np.nan])), max_size=20),
    st.integers(-8, 20),
    st.sampled_from([0.5, 2.0, 3.0, 8.0]),
    st.integers(1, 12),
)
def test_means_are_those_of_time_taken_in_small_steps(
    rows: list[tuple[int, int, float]], first: int, width: float, count: int
) -> None:
    edges = np.array([first + at * width for at in range(count + 1)], np.float64)
    began = np.array([began for began, _, _ in rows], np.float64)
    ended = np.array([began + length for began, length, _ in rows], np.float64)
    values = np.array([value for _, _, value in rows], np.float64)
    step = 1 / 8
    total, weight = np.zeros(count), np.zeros(count)
    for low, high, value in zip(began.tolist(), ended.tolist(), values.tolist(), strict=True):
        for at in np.arange(low, high, step) + step / 2:
            slot = int(np.floor((at - edges[0]) / width))
            if 0 <= slot < count and value == value:
                total[slot] += value
                weight[slot] += 1
    wanted = np.divide(total, weight, out=np.full(count, np.nan), where=weight > 0)
    np.testing.assert_allclose(timeline.means(began, ended, values, edges), wanted, atol=1e-9)
    several = np.column_stack((values, values * 2, np.full(len(values), np.nan)))
    found = timeline.means(began, ended, several, edges)
    np.testing.assert_array_equal(found[:, 0], timeline.means(began, ended, values, edges))
    np.testing.assert_array_equal(found[:, 1], found[:, 0] * 2)
    assert np.isnan(found[:, 2]).all()


def test_of_what_ended_means_are_of_what_is_known() -> None:
    ended = np.array([1.0, 1.5, 2.0, 6.0, 7.0])
    began = np.array([0.5, 1.0, 1.5, 5.0, 6.0])
    values = np.array([1.0, 3.0, np.nan, 8.0, 2.0])
    found = timeline.means_of_ended(began, ended, values, np.arange(9.0))
    # (0, 1] one; (1, 2] one of two known; (2, 5] nothing, for the next began at 5; then each its own
    np.testing.assert_array_equal(found, [1, 3, np.nan, np.nan, np.nan, 8, 2, np.nan])


def test_of_what_ended_a_long_aggregation_fills_what_it_covers() -> None:
    found = timeline.means_of_ended(
        np.array([0.0, 10.0]), np.array([10.0, 20.0]), np.array([4.0, 6.0]), np.arange(0.0, 21.0, 5)
    )
    assert found.tolist() == [4, 4, 6, 6]
    assert np.isnan(timeline.means_of_ended(np.zeros(0), np.zeros(0), np.zeros(0), np.arange(3.0))).all()
