"""The engine's arithmetic against what real kernels printed (``tests/data/kernel-*``)."""

import pytest

from damontui.damon.attrs import Attrs
from damontui.damon.tuning import tuned
from tests.damon.reference import CAPTURES, aggregations, refreshes

STEPS = {"kernel-7.2-steady": 12, "kernel-6.18-short": 10}
REFRESHES = {"kernel-7.2-steady": 24, "kernel-6.18-short": 10}


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_traced_tuning_step_comes_out_exactly(capture: str) -> None:
    attrs = Attrs()
    steps = 0
    for aggregation in aggregations(capture):
        if aggregation.sample_us is None:
            continue
        attrs = tuned(attrs, aggregation.sizes, aggregation.nr_accesses)
        assert attrs.sample_us == aggregation.sample_us
        assert attrs.aggr_us == 20 * attrs.sample_us
        steps += 1
    assert steps == STEPS[capture]


@pytest.mark.parametrize("capture", CAPTURES)
def test_tuning_comes_every_third_aggregation(capture: str) -> None:
    tuning = [index for index, one in enumerate(aggregations(capture), 1) if one.sample_us is not None]
    assert tuning == list(range(3, 3 * STEPS[capture] + 1, 3))


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_idle_time_that_the_module_showed_is_a_traced_regions(capture: str) -> None:
    traced = aggregations(capture)
    shown = refreshes(capture)
    for after, until, aggr_us, percentiles in shown:
        earlier = [one for one in traced if one.time <= after]
        recent = earlier[-1:] + [one for one in traced if after < one.time <= until]
        known = {(age + 1) * aggr_us // 1000 for one in recent for age in one.age.tolist()}
        assert {abs(idle) for idle in percentiles} <= known
    assert len(shown) == REFRESHES[capture]
