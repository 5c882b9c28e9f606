"""Attributes are refused where the kernel answers EINVAL, in a sentence that names what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.errors import UsageError


def test_defaults_are_damon_stats() -> None:
    attrs = Attrs()
    assert (attrs.sample_us, attrs.aggr_us, attrs.update_us) == (5_000, 100_000, 60_000_000)
    assert (attrs.min_regions, attrs.max_regions, attrs.max_nr_accesses, attrs.aggr_samples) == (10, 1_000, 20, 20)
    assert attrs.goal == IntervalsGoal(access_bp=400, aggrs=3, min_sample_us=5_000, max_sample_us=10_000_000)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"min_regions": 2}, "minimum regions: 2"),
        ({"min_regions": 11, "max_regions": 10}, "minimum regions: 11"),
        ({"sample_us": 100_001}, "sampling interval: 100001"),
        ({"sample_us": 0}, "sampling interval: 0"),
        ({"update_us": 0}, "update interval: 0"),
        ({"sample_us": 4_999}, "outside the intervals goal"),
        ({"sample_us": 10_000_001, "aggr_us": 100_000_000}, "outside the intervals goal"),
    ],
)
def test_invalid_attributes(values: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Attrs(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"min_sample_us": 2, "max_sample_us": 1},
        {"min_sample_us": 0},
        {"aggrs": 0},
        {"access_bp": 0},
        {"access_bp": 10_001},
    ],
)
def test_invalid_goals(values: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="goal"):
        IntervalsGoal(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"min_regions": 3, "max_regions": 3},
        {"sample_us": 100_000},
        {"sample_us": 1, "goal": None},
        {"sample_us": 10_000_000, "aggr_us": 200_000_000},
    ],
)
def test_the_limits_themselves_are_valid(values: dict[str, Any]) -> None:
    Attrs(**values)


def test_a_tuned_interval_keeps_the_number_of_samples() -> None:
    attrs = Attrs(sample_us=5_000, aggr_us=104_999)
    assert attrs.max_nr_accesses == 20
    assert attrs.with_sample(7_001).aggr_us == 140_020
