"""Monitoring attributes of what was said and what was not."""

import pytest

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.errors import UsageError
from damontui.sources.options import Options
from damontui.sources.own_kdamond import OWN


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, Attrs()),
        ({"sample_us": 20_000}, Attrs(sample_us=20_000, aggr_us=400_000)),
        ({"aggr_us": 2_000}, Attrs(100, 2_000, goal=IntervalsGoal(min_sample_us=100))),
        ({"aggr_us": 200_000}, Attrs(5_000, 200_000)),
        ({"sample_us": 1_000}, Attrs(1_000, 20_000, goal=IntervalsGoal(min_sample_us=1_000))),
        ({"sample_us": 20_000_000}, Attrs(20_000_000, 400_000_000, goal=IntervalsGoal(max_sample_us=20_000_000))),
        ({"min_sample_us": 50_000}, Attrs(50_000, 1_000_000, goal=IntervalsGoal(min_sample_us=50_000))),
        (
            {"max_sample_us": 1_000},
            Attrs(1_000, 20_000, goal=IntervalsGoal(min_sample_us=1_000, max_sample_us=1_000)),
        ),
        ({"max_regions": 5}, Attrs(min_regions=5, max_regions=5)),
        ({"min_regions": 2_000}, Attrs(min_regions=2_000, max_regions=2_000)),
        ({"goal_bp": 200, "goal_aggrs": 5}, Attrs(goal=IntervalsGoal(access_bp=200, aggrs=5))),
        ({"autotune": False, "update_us": 1_000_000}, Attrs(goal=None, update_us=1_000_000)),
    ],
)
def test_what_is_not_said_follows_what_is(given: dict[str, int], wanted: Attrs) -> None:
    assert Options(**given).attrs() == wanted  # type: ignore[arg-type]


def test_a_kdamond_of_ours_looks_closer_unless_it_is_told_the_kernels() -> None:

    ours = Options().attrs(OWN)
    assert (ours.min_regions, ours.max_regions) == (100, 1_000)
    assert ours.goal is not None
    assert ours.goal.max_sample_us * ours.aggr_samples == 10_000_000
    assert Options(min_regions=10, max_sample_us=10_000_000).attrs(OWN) == Attrs()
    assert Options(max_regions=50).attrs(OWN).min_regions == 50


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"sample_us": 2_000_000, "aggr_us": 1_000_000}, "--sample"),
        ({"min_regions": 2}, "--min-regions"),
        ({"min_regions": 20, "max_regions": 10}, "--max-regions"),
        ({"min_sample_us": 20, "max_sample_us": 10}, "--min-sample"),
        ({"sample_us": 1_000, "min_sample_us": 2_000}, "--sample"),
        ({"goal_aggrs": 0}, "--goal-aggrs"),
        ({"update_us": 0}, "--update"),
        ({"sample_us": 0}, "--sample"),
        ({"max_regions": 0}, "--max-regions"),
    ],
)
def test_what_the_kernel_would_refuse_names_the_option(given: dict[str, int], option: str) -> None:
    with pytest.raises(UsageError, match=option):
        Options(**given).attrs()  # type: ignore[arg-type]
