"""Used within, idle for, percentiles: one definition, measured or by the kernel's rule."""

from __future__ import annotations

import numpy as np
import pytest

from damontui.analysis import usage
from damontui.damon import metrics
from damontui.damon.snapshot import Measured, Snapshot, ints
from tests import make

MIB = 1 << 20


def measured(**changes: object) -> Snapshot:
    """80 MiB of 400 touched all the time, 120 more every few seconds, beside 24 MiB of a file, half of it touched."""
    used = ints([[80, 80, 200], [12, 12, 12]]) * MIB
    total = used.sum(axis=0)
    return make.snapshot(
        [(0, 1024 * MIB, 4, 0), (2048 * MIB, 2072 * MIB, 10, 0)],
        resident=ints([400 * MIB, 24 * MIB]),
        measured=Measured(
            seconds=(0.1, 1.0, 10.0),
            used=used,
            least=total - 4 * MIB,
            most=total + 4 * MIB,
            kinds=ints([[400, 0, 0], [8, 16, 0]]) * MIB,
        ),
        **changes,
    )


def test_totals_are_of_resident_memory() -> None:
    assert measured().total_bytes == 424 * MIB


def test_what_was_used_is_what_was_counted() -> None:
    snapshot = measured()
    assert usage.used_within(snapshot, 1.0) == usage.Amount(88 * MIB, 92 * MIB, 96 * MIB)
    assert usage.idle_for(snapshot, 10.0) == usage.Amount(208 * MIB, 212 * MIB, 216 * MIB)
    between = usage.used_within(snapshot, 10**0.5)
    assert between is not None
    assert between.bytes == pytest.approx(152 * MIB)


def test_nothing_is_idle_for_longer_than_it_was_watched() -> None:
    snapshot = measured()
    assert usage.idle_for(snapshot, 11.0) is None
    assert max(usage.idle_percentiles(snapshot)) == 10_000


def test_percentiles_are_by_bytes() -> None:
    values = usage.idle_percentiles(measured())
    # 92 of 424 MiB are 21.7 %, 212 are 50 %
    assert [values[p] for p in (0, 21, 22, 50, 51, 100)] == [0, 0, 10_000, 10_000, 10_000, 10_000]
    assert list(values) == sorted(values)


def test_kinds_share_out_what_was_touched() -> None:
    kinds = usage.by_kind(measured(), 1.0)
    assert kinds["anon"] == (408 * MIB, pytest.approx((80 + 4) * MIB))
    assert kinds["file"] == (16 * MIB, pytest.approx(8 * MIB))


def test_rates_and_bandwidth_are_fractions() -> None:
    snapshot = measured()
    np.testing.assert_allclose(usage.rates(snapshot), [0.2, 0.5], atol=0.01)
    assert usage.bandwidth(snapshot) == 920 * MIB


def test_sampled_memory_follows_the_kernels_rule() -> None:
    snapshot = make.snapshot([(0, 100, 5, 3), (100, 300, 0, 9)])
    assert usage.idle_percentiles(snapshot) == metrics.idle_percentiles(snapshot)
    seconds = 10 * snapshot.next_attrs.aggr_us / 1e6
    idle = usage.idle_for(snapshot, seconds)
    assert idle is not None
    assert idle.bytes == snapshot.sizes[1]
    assert usage.idle_for(snapshot, seconds * 2) is None
