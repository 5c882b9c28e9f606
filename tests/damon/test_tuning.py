"""Auto-tuning: scores, the softened step, and units of counts and ages (steps of real kernels: test_reality)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.tuning import adaptation, converted_ages, score, tuned


@pytest.mark.parametrize(
    ("score_bp", "factor"),
    [
        (0, 20_000),
        (4_000, 16_000),
        (9_999, 10_001),
        (10_000, 10_000),
        (10_001, 9_999),
        (14_001, 7_999),
        (19_999, 5_000),
        (20_000, 5_000),
        (10**9, 5_000),
    ],
)
def test_adaptation(score_bp: int, factor: int) -> None:
    assert adaptation(score_bp) == factor


def test_score_is_the_share_of_the_goal() -> None:
    sizes = np.array([4096, 3 * 4096])
    # 4 % of 4 pages x 20 samples are 3.2 page accesses
    assert score(sizes, np.array([2, 0]), 20, 400) == 2 * 4096 * 10_000 // (80 * 4096 * 400 // 10_000)
    assert score(sizes, np.array([0, 0]), 20, 400) == 0
    assert score(np.array([], dtype=np.int64), np.array([], dtype=np.int64), 20, 400) == 0


def test_score_of_the_largest_memory_does_not_overflow() -> None:
    assert score(np.array([1 << 48]), np.array([10_000]), 10_000, 1) == 10_000 * 10_000


@given(st.integers(5_000, 10_000_000), st.integers(0, 20))
def test_one_step_at_most_doubles_or_halves_within_the_goals_limits(sample_us: int, nr_accesses: int) -> None:
    attrs = Attrs(sample_us=sample_us, aggr_us=20 * sample_us)
    after = tuned(attrs, np.array([1 << 30]), np.array([nr_accesses]))
    assert max(5_000, sample_us // 2) <= after.sample_us <= min(10_000_000, sample_us * 2)
    assert after.aggr_us == 20 * after.sample_us
    assert (after.sample_us >= sample_us) == (nr_accesses * 100 <= 80) or after.sample_us == sample_us


def test_without_a_goal_nothing_changes() -> None:
    attrs = Attrs(goal=None)
    assert tuned(attrs, np.array([4096]), np.array([0])) is attrs


def test_units() -> None:
    assert converted_ages(np.array([0, 1, 3, 100]), 100_000, 200_000).tolist() == [0, 0, 1, 50]


def test_the_goal_decides_the_direction() -> None:
    attrs = Attrs(sample_us=10_000, aggr_us=200_000, goal=IntervalsGoal(access_bp=5_000))
    assert tuned(attrs, np.array([4096]), np.array([5])).sample_us == 15_000
    assert tuned(attrs, np.array([4096]), np.array([10])) is attrs
    assert tuned(attrs, np.array([4096]), np.array([20])).sample_us == 5_000
