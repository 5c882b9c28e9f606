"""What wakes after a clear: the size and what comes back are what loads of known behaviour have."""

from __future__ import annotations

import numpy as np
import pytest

from damontui.analysis.woken import EDGES, Woken
from damontui.damon.snapshot import FirstTouches

MIB = 1 << 20


def first(*rows: list[float]) -> FirstTouches:
    return FirstTouches(*np.array(rows, np.float64).reshape(len(rows), 4).T.copy())


def watched(periods: dict[float, int], seconds: int = 1200, epoch: int = 50, processes: int = 1) -> Woken:
    """Bytes touched together once a period, seen each second after a clear every ``epoch`` seconds."""
    found = Woken()
    touches = {period: np.arange(0.37 * period, seconds, period) for period in periods}
    for now in range(1, seconds + 1):
        cleared = (now - 1) // epoch * epoch
        rows = 0.0
        for period, size in periods.items():
            later = touches[period][touches[period] >= cleared]
            rows += size * float(len(later) > 0 and now - 1 <= later[0] < now)
        found.add(first(*[[float(now - 1 - cleared), rows, rows, 1.0]] * processes), processes)
    return found


def test_what_is_touched_once_in_a_while() -> None:
    """300 MiB each second, 100 MiB every 23 s"""
    found = watched({0.5: 300 * MIB, 23.0: 100 * MIB})
    for seconds in (5.0, 10.0, 17.0):
        size, back = found.size(seconds), found.back(seconds)
        assert size is not None
        assert back is not None
        assert size.bytes == pytest.approx((300 + 100 * seconds / 23) * MIB, rel=0.1), seconds
        assert size.least <= size.bytes <= size.most
        assert back.least <= 100 * MIB * 60 / 23 <= back.most, seconds
        assert back.bytes == pytest.approx(100 * MIB * 60 / 23, rel=0.4), seconds
    beyond = found.back(40.0)
    assert beyond is not None
    assert beyond.bytes == 0
    size = found.size(40.0)
    assert size is not None
    assert size.bytes == pytest.approx(400 * MIB, rel=0.02)


def test_several_processes_add_up() -> None:
    one, two = watched({0.5: 10 * MIB, 23.0: 5 * MIB}), watched({0.5: 10 * MIB, 23.0: 5 * MIB}, processes=2)
    for seconds in (5.0, 17.0):
        alone, both = one.size(seconds), two.size(seconds)
        assert alone is not None
        assert both is not None
        assert both.bytes == pytest.approx(2 * alone.bytes)


def test_nothing_is_said_beyond_the_longest_epoch_and_before_anything_is_known() -> None:
    assert Woken().size(1.0) is None
    empty = Woken()
    empty.add(first(), 1)
    assert (empty.reach, empty.back(1.0)) == (0.0, None)
    found = watched({0.5: MIB}, epoch=50)
    assert found.reach == pytest.approx(50.0, rel=0.2)
    assert found.size(120.0) is None
    assert len(found._parts.sums) <= 16


def test_what_was_not_looked_for_is_not_nothing() -> None:
    """The first reading comes 3 s after each clear: what wakes after 1 s is not known"""
    found = Woken()
    for _ in range(40):
        found.add(first([0.0, 9 * MIB, 9 * MIB, 3.0], [3.0, MIB, MIB, 1.0], [4.0, MIB, MIB, 1.0]), 1)
    assert found.back(1.0) is None
    back = found.back(4.0)
    assert back is not None
    assert back.bytes == pytest.approx(60 * MIB)


def test_new_memory_was_touched_and_did_not_come_back() -> None:
    found = Woken()
    for now in range(100):
        found.add(first([float(now % 20), MIB, 0.0, 1.0]), 1)
    size, back = found.size(10.0), found.back(10.0)
    assert size is not None
    assert back is not None
    assert size.bytes == pytest.approx(10 * MIB, rel=0.05)
    assert back.bytes == 0
    assert EDGES[0] == 0


def test_what_is_met_at_one_age_only_comes_back_at_shorter_ones_too() -> None:
    """Bits are cleared right after 60 MiB were touched, and again 35 s later they are: at 33 … 34 s after each clear"""
    found = Woken()
    for _ in range(8):
        rows = [[float(age), 60 * MIB * (age == 33), 60 * MIB * (age == 33), 1.0] for age in range(50)]
        found.add(first(*rows), 1)
    for seconds in (2.0, 10.0, 30.0):
        back, size = found.back(seconds), found.size(seconds)
        assert back is not None
        assert size is not None
        assert back.bytes == pytest.approx(60 * MIB * 60 / 34, rel=0.08), seconds
        assert size.bytes == pytest.approx(60 * MIB * seconds / 34, rel=0.08), seconds
    beyond = found.back(40.0)
    assert beyond is not None
    assert beyond.bytes == 0
