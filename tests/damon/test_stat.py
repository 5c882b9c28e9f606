"""DAMON_STAT as a class: its parameters, its switch, and the example in its documentation."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from damontui.damon import metrics, stat
from damontui.damon.stat import DamonStat
from damontui.operations.areas import IDLE, Area, poisson
from damontui.operations.scenes import scene
from damontui.operations.workload import Workload

ZEROS = (0,) * 101


def memory(rate: float = 50.0) -> Workload:
    return Workload(
        [Area("hot", 0, 1 << 27, poisson(rate)), Area("cold", 1 << 27, 7 << 27, IDLE)], rng=np.random.default_rng(4)
    )


def test_the_documented_example_runs() -> None:
    result = doctest.testmod(stat)
    assert result.attempted >= 7
    assert result.failed == 0


def test_zeros_before_the_first_whole_aggregation() -> None:
    module = DamonStat(memory(), seed=1)
    assert module.enabled
    module.run(0.099)
    assert (module.estimated_memory_bandwidth, module.memory_idle_ms_percentiles) == (0, ZEROS)
    assert module.snapshot is None
    assert module.aggr_interval_us == 100_000
    module.run(0.001)
    assert module.snapshot is not None
    assert module.memory_idle_ms_percentiles[100] == 200


def test_values_are_of_the_last_whole_aggregation() -> None:
    module = DamonStat(memory(), seed=1)
    module.run(30)
    assert module.snapshot is not None
    assert module.estimated_memory_bandwidth == metrics.bandwidth(module.snapshot) > 0
    assert module.memory_idle_ms_percentiles == metrics.idle_percentiles(module.snapshot)
    assert module.aggr_interval_us == module.snapshot.next_attrs.aggr_us > 100_000
    assert module.snapshot.time <= module.time == pytest.approx(30)
    assert module.memory_idle_ms_percentiles[0] < 0 < module.memory_idle_ms_percentiles[50]


def test_time_in_pieces_is_time_in_one() -> None:
    pieces, whole = DamonStat(memory(), seed=2), DamonStat(memory(), seed=2)
    for _ in range(40):
        pieces.run(0.25)
    whole.run(10)
    assert pieces.memory_idle_ms_percentiles == whole.memory_idle_ms_percentiles != ZEROS
    assert pieces.estimated_memory_bandwidth == whole.estimated_memory_bandwidth


def test_off_keeps_the_values_and_on_starts_afresh() -> None:
    module = DamonStat(memory(), seed=3)
    module.run(20)
    shown = (module.estimated_memory_bandwidth, module.memory_idle_ms_percentiles, module.aggr_interval_us)
    time = module.snapshot.time if module.snapshot else -1.0
    module.enabled = False
    assert not module.enabled
    module.run(100)
    assert (module.estimated_memory_bandwidth, module.memory_idle_ms_percentiles, module.aggr_interval_us) == shown
    assert module.time == time
    module.enabled = True
    assert module.enabled
    assert (module.estimated_memory_bandwidth, module.memory_idle_ms_percentiles) == (0, ZEROS)
    assert module.aggr_interval_us == 100_000
    module.run(0.1)
    assert module.snapshot is not None
    assert (module.snapshot.began, module.snapshot.age.max()) == (time, 1)


def test_turning_it_on_twice_changes_nothing() -> None:
    module = DamonStat(memory(), seed=3)
    module.run(1)
    before = module.snapshot
    module.enabled = True
    assert module.snapshot is before is not None


def test_off_from_the_start() -> None:
    module = DamonStat(memory(), seed=3, enabled=False)
    module.run(10)
    assert (module.enabled, module.estimated_memory_bandwidth, module.snapshot) == (False, 0, None)


def test_same_seed_same_values() -> None:
    def bandwidths(seed: int) -> list[int]:
        module = DamonStat(scene("steady", 1), rng=np.random.default_rng(seed))
        result = []
        for _ in range(5):
            module.run(5)
            result.append(module.estimated_memory_bandwidth)
        return result

    assert bandwidths(1) == bandwidths(1) != bandwidths(2)
