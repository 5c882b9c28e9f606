"""One number over time: slots that do not shimmer, means and peaks, a history that is cleared or shortened."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from damontui.damon.snapshot import Snapshot
from damontui.history import History
from damontui.tui.series import MetricSeries
from tests import make


def at(time: float, regions: int = 1, length: float = 1.0) -> Snapshot:
    rows = [(4096 * i, 4096 * (i + 1), 0, 0) for i in range(regions)]
    return replace(make.snapshot(rows, time), began=time - length)


def filled(*snapshots: Snapshot) -> tuple[MetricSeries, History]:
    series, history = MetricSeries(lambda snapshot: float(len(snapshot)) or math.nan), History()
    for snapshot in snapshots:
        history.append(snapshot)
    series.update(history)
    return series, history


def test_each_slot_has_its_value_and_the_newest_is_last() -> None:
    series, _ = filled(at(1, 1), at(2, 2), at(3, 3))
    assert series.columns(3.0, 3.0, 3) == [1, 2, 3]


def test_slots_average_what_falls_into_them() -> None:
    series, _ = filled(at(1, 1), at(2, 3), at(3, 5), at(4, 7))
    assert series.columns(4.0, 4.0, 2) == [2, 6]


def test_a_long_aggregation_fills_the_slots_it_covers() -> None:
    series, _ = filled(at(1, 1), at(5, 4, length=4.0))
    assert series.columns(5.0, 5.0, 5) == [1, 4, 4, 4, 4]


def test_where_nothing_was_there_is_nothing() -> None:
    series, _ = filled(at(10, 4))
    columns = series.columns(10.0, 4.0, 4)
    assert all(math.isnan(value) for value in columns[:3])
    assert columns[3] == 4
    assert all(math.isnan(value) for value in filled()[0].columns(10.0, 4.0, 4))


def test_a_value_stays_in_its_slot_while_time_goes_on_within_it() -> None:
    series, history = filled(*(at(float(t), t) for t in range(1, 9)))
    before = series.columns(8.0, 8.0, 4)
    history.append(at(8.5, 8, length=0.5))
    series.update(history)
    after = series.columns(8.5, 8.0, 4)
    assert after[:3] == before[1:]


def test_mean_is_weighted_by_time_and_peak_is_within_the_window() -> None:
    series, _ = filled(at(1, 9), at(2, 1), at(5, 3, length=3.0))
    assert series.mean_and_peak(1.0, 5.0) == (2.5, 3.0)
    assert all(math.isnan(value) for value in series.mean_and_peak(50.0, 60.0))


def test_snapshots_without_a_value_count_for_nothing() -> None:
    series, _ = filled(at(1, 2), at(2, 0), at(3, 4))
    assert series.mean_and_peak(0.0, 3.0) == (3.0, 4.0)


def test_a_cleared_history_is_forgotten_even_where_time_begins_anew() -> None:
    series, history = filled(*(at(float(t), 1) for t in range(1, 6)))
    history.clear()
    history.append(at(9, 7))
    series.update(history)
    assert len(series) == 1
    history.clear()
    history.append(at(2, 5))
    series.update(history)
    assert series.mean_and_peak(0.0, 100.0) == (5.0, 5.0)


def test_what_the_history_makes_coarser_stays() -> None:
    history = History(budget=20_000)
    series = MetricSeries(lambda snapshot: float(len(snapshot)))
    for time in range(1, 100):
        history.append(at(float(time)))
        series.update(history)
    assert len(history) < len(series) == 99


def test_memory_is_bounded_and_peaks_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("damontui.tui.series.MOST", 64)
    history = History()
    series = MetricSeries(lambda snapshot: float(len(snapshot)) or math.nan)
    for time in range(1, 500):
        history.append(at(float(time), 9 if time == 3 else 0 if time % 5 == 0 else 2))
        series.update(history)
    assert len(series) <= 64
    assert series.mean_and_peak(0.0, 500.0)[1] == 9
    assert series.mean_and_peak(400.0, 500.0) == (2.0, 2.0)


@pytest.mark.parametrize("columns", [0, -1])
def test_no_columns(columns: int) -> None:
    assert filled(at(1))[0].columns(1.0, 1.0, columns) == []
