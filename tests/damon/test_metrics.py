"""DAMON_STAT's metrics, from the definitions in ``stat.rst``."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Snapshot, ints

MIB = 1 << 20


def snapshot(*regions: tuple[int, int, int], attrs: Attrs | None = None, after: Attrs | None = None) -> Snapshot:
    """Of ``bytes nr_accesses age``, one after another."""
    attrs = attrs or Attrs()
    sizes, nr_accesses, age = ints(regions).reshape(-1, 3).T.copy()
    end = np.cumsum(sizes)
    return Snapshot(
        time=0.1,
        began=0.0,
        wall=0.0,
        attrs=attrs,
        start=end - sizes,
        end=end,
        nr_accesses=nr_accesses,
        age=age,
        target=np.zeros_like(age),
        origin="simulated",
        next_attrs=after or attrs,
    )


def test_bandwidth_and_working_set() -> None:
    one = snapshot((MIB, 20, 0), (3 * MIB, 0, 5), (2 * MIB, 1, 1))
    assert metrics.bandwidth(one) == 22 * MIB * 10
    assert metrics.working_set(one) == 3 * MIB
    assert metrics.observed_access_bp(one) == 22 * 10_000 // 120
    assert metrics.access_rates(one).tolist() == [1.0, 0.0, 0.05]


def test_idle_time_is_negative_in_use_and_in_the_unit_from_now_on() -> None:
    after = Attrs().with_sample(10_000)
    one = snapshot((MIB, 3, 4), (MIB, 0, 4), (MIB, 0, 0), after=after)
    assert metrics.idle_ms(one).tolist() == [-1000, 1000, 200]
    assert metrics.bandwidth(one) == 30 * MIB
    assert metrics.idle_at_least(one, 1000) == MIB


def test_idle_time_rounds_towards_zero() -> None:
    attrs = Attrs(sample_us=5_333, aggr_us=5_333 * 20)
    one = snapshot((MIB, 3, 2), (MIB, 0, 2), attrs=attrs)
    assert metrics.idle_ms(one).tolist() == [-319, 319]


def test_percentiles_by_bytes() -> None:
    one = snapshot((MIB, 20, 9), (MIB, 0, 0), (2 * MIB, 0, 99))
    percentiles = metrics.idle_percentiles(one)
    assert percentiles[:26] == (-1000,) * 26
    assert percentiles[26:51] == (100,) * 25
    assert percentiles[51:] == (10_000,) * 50


@given(st.lists(st.tuples(st.integers(1, 1 << 34), st.integers(-(10**9), 10**9)), max_size=40))
def test_percentiles_are_the_first_region_that_reaches_them(regions: list[tuple[int, int]]) -> None:
    sizes, idle = ints([one[0] for one in regions]), ints([one[1] for one in regions])
    percentiles = metrics.percentiles_of(idle, sizes)
    expected = []
    for percent in range(101):
        accumulated, value = 0, 0
        for bytes_, milliseconds in sorted(regions, key=lambda one: one[1]):
            accumulated += bytes_
            value = milliseconds
            if accumulated * 100 // sum(one[0] for one in regions) >= percent:
                break
        expected.append(value)
    assert percentiles == tuple(expected)
    assert list(percentiles) == sorted(percentiles)


def test_temperature() -> None:
    one = snapshot((MIB, 20, 3), (MIB, 0, 3))
    assert metrics.temperatures(one).tolist() == [10_000 + 3 * 100_000 * 100, -3 * 100_000 * 100]
