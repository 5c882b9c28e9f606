"""The engine's arithmetic against what real kernels printed (``tests/data/kernel-*``)."""

import numpy as np
import pytest

from damontui.damon.attrs import Attrs
from damontui.damon.stat import DamonStat
from damontui.damon.tuning import tuned
from damontui.operations.areas import IDLE, Area, scan
from damontui.operations.workload import Workload
from tests.damon.reference import CAPTURES, aggregations, refreshes

STEPS = {"kernel-7.2-steady": 12, "kernel-6.18-short": 10, "kernel-7.2-warm": 9}
REFRESHES = {"kernel-7.2-steady": 24, "kernel-6.18-short": 10, "kernel-7.2-warm": 10}


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


@pytest.mark.parametrize("seed", range(3))
def test_the_engine_finds_what_the_kernel_found_on_the_same_load(seed: int) -> None:
    # tests/data/kernel-7.2-steady/truth.json: 96 MiB all the time, 200 every 4 s, 300 every 30 s, 700 never, of 3 GiB
    areas, at = [], 4096
    for name, mib, touch in (
        ("below", 70, IDLE),
        ("hot", 96, scan(0.02)),
        ("warm", 200, scan(4.0)),
        ("cool", 300, scan(30.0)),
        ("cold", 700, IDLE),
        ("free", 1706, IDLE),
    ):
        areas.append(Area(name, at, mib << 20, touch))
        at += mib << 20
    stat = DamonStat(Workload(areas, rng=np.random.default_rng(seed), name="as captured"), seed=seed)
    stat.run(120.0)
    # the capture ends with aggregations of 6.93 s; whole ones say 342 … 423 MB/s; p0 -55 s, p50 90 s, p70 97 s
    assert 4_500_000 < stat.aggr_interval_us < 9_000_000
    assert 250e6 < stat.estimated_memory_bandwidth < 550e6
    idle = stat.memory_idle_ms_percentiles
    assert -125_000 < idle[0] < -50_000
    assert idle[10] < 60_000
    assert all(80_000 < value < 125_000 for value in idle[60:])
