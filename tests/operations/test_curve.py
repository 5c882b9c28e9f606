"""The working-set curve of scripted processes, against the truth of the script."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest

from damontui.analysis import usage
from damontui.analysis.size import Sizer
from damontui.damon.snapshot import Snapshot
from damontui.operations.curve import Curve
from tests.scripted_process import Part, Scripted, always, every, never

MIB = 1 << 20
ALL = np.array([True])


def run(script: Scripted, seconds: float, **options: object) -> list[tuple[Snapshot, dict[float, int]]]:
    """Snapshots of so many seconds, each with what is true at several times."""
    found = []
    with script.source(**options) as source:
        for event in source.snapshots(threading.Event()):
            if isinstance(event, Snapshot):
                found.append((event, {one: script.used(one) for one in (0.3, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)}))
            if script.now >= seconds:
                break
    return found


def used(snapshot: Snapshot, seconds: float) -> float:
    amount = usage.used_within(snapshot, seconds)
    assert amount is not None
    assert amount.least - 1 <= amount.bytes <= amount.most + 1
    return amount.bytes / MIB


def steady(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path, [[Part(80 * MIB, always()), Part(120 * MIB, every(4.0, 3.3)), Part(200 * MIB, never)]])


def test_hot_and_idle_bytes_are_exact_within_two_seconds(tmp_path: Path) -> None:
    for snapshot, _ in run(steady(tmp_path), 3.0):
        assert used(snapshot, 0.3) == pytest.approx(80, rel=0.01)
        assert snapshot.total_bytes == 400 * MIB


def interval(snapshot: Snapshot, seconds: float) -> tuple[float, float]:
    amount = usage.used_within(snapshot, seconds)
    assert amount is not None
    return amount.least / MIB, amount.most / MIB


def test_a_steady_hot_set_is_known_for_certain(tmp_path: Path) -> None:
    for snapshot, _ in run(Scripted(tmp_path, [[Part(80 * MIB, always()), Part(200 * MIB, never)]]), 90.0):
        for seconds in (1.0, 2.0, 10.0, 60.0):
            if seconds < snapshot.watched:  # type: ignore[operator]
                assert interval(snapshot, seconds) == pytest.approx((80, 80))


def test_the_interval_is_from_what_is_always_to_what_can_be_touched(tmp_path: Path) -> None:
    hot, longer = [], []
    for snapshot, true in run(steady(tmp_path), 130.0):
        least, most = interval(snapshot, 1.0)
        assert least <= true[1.0] / MIB <= most
        hot.append(least >= 79)
        for seconds in (5.0, 10.0, 60.0):
            if snapshot.time > 20 and seconds < snapshot.time - 5:
                least, most = interval(snapshot, seconds)
                assert least <= 200 <= most
                assert least >= 79
                longer.append(most == pytest.approx(200, abs=1.0))
    # but for two seconds after the first time that the others were touched, which was news
    assert sum(hot) / len(hot) > 0.95
    assert sum(longer) / len(longer) > 0.8


@pytest.mark.parametrize("seed", range(2))
def test_the_truth_is_in_the_interval_nine_times_of_ten(tmp_path: Path, seed: int) -> None:
    """Groups of pages with periods of their own, from 0.05 s to 5 min, each of a mapping of its own."""
    rng = np.random.default_rng(seed)
    periods = np.exp(rng.uniform(np.log(0.05), np.log(300), 12))
    parts = [[Part(10 * MIB, every(period, rng.uniform(0, period)))] for period in periods]
    inside = []
    for snapshot, true in run(Scripted(tmp_path, parts), 120.0):
        for seconds in (1.0, 2.0, 5.0, 10.0, 30.0):
            if seconds < snapshot.watched:  # type: ignore[operator]
                least, most = interval(snapshot, seconds)
                inside.append(least - 0.1 <= true[seconds] / MIB <= most + 0.1)
    assert len(inside) > 300
    assert sum(inside) / len(inside) > 0.9


def test_after_news_only_what_is_certain_is_told(tmp_path: Path) -> None:
    parts = [Part(80 * MIB, always(0, 31.4)), Part(80 * MIB, always(31.4))]
    for snapshot, true in run(Scripted(tmp_path, [[*parts, Part(200 * MIB, never)]]), 50.0):
        for seconds in (1.0, 2.0, 5.0, 10.0, 30.0):
            if seconds <= snapshot.watched:  # type: ignore[operator]
                least, most = interval(snapshot, seconds)
                # the former hot set is still in the last reading before the move
                assert least - 1 <= true[seconds] / MIB <= most + 1 or 31 < snapshot.time < 31.5 + seconds


def test_what_comes_every_four_seconds_is_used_within_five_and_not_within_one(tmp_path: Path) -> None:
    found = run(steady(tmp_path), 60.0)
    for snapshot, true in found:
        if snapshot.watched is not None and snapshot.watched > 8:
            for seconds in (5.0, 10.0, 30.0):
                if snapshot.watched > seconds:
                    assert used(snapshot, seconds) == pytest.approx(200, rel=0.01)
            assert used(snapshot, 1.0) * MIB == pytest.approx(true[1.0], rel=0.02) or used(snapshot, 1.0) == 80
    # most of the time it is told right whether it was touched just now
    right = [used(s, 1.0) * MIB == pytest.approx(true[1.0], rel=0.02) for s, true in found[8:]]
    assert sum(right) / len(right) > 0.7


@pytest.mark.parametrize("first", [0.2, 2.3, 3.9])
def test_what_comes_now_and_then_is_counted_once_however_soon_after_a_clear(tmp_path: Path, first: float) -> None:
    parts = [Part(80 * MIB, always()), Part(120 * MIB, every(4.0, first)), Part(200 * MIB, never)]
    for snapshot, _ in run(Scripted(tmp_path, [parts]), 60.0):
        for seconds in (10.0, 30.0, 60.0):
            if snapshot.watched is not None and snapshot.watched > max(8.0, seconds):
                assert used(snapshot, seconds) == pytest.approx(200, rel=0.03)


def test_what_was_news_before_a_clear_is_none_right_after_it() -> None:
    curve, resident = Curve(0.0, 120.0), np.array([400.0 * MIB])
    for at, touched in ((0.1, 80), (0.3, 80), (1.0, 80), (2.0, 80)):
        curve.reading(at, np.array([touched * MIB]), resident, ALL)
    curve.cleared(2.0)
    for at, touched in ((2.1, 80), (2.3, 80), (3.0, 80), (4.0, 200)):
        curve.reading(at, np.array([touched * MIB]), resident, ALL)
    curve.cleared(4.0)
    for at, touched in ((4.1, 80), (4.3, 80), (4.98, 200)):
        curve.reading(at, np.array([touched * MIB]), resident, ALL)
    assert curve.used(np.array([4.0])).bytes[0, 0] == pytest.approx(200 * MIB)


def test_an_epoch_cut_short_by_somebody_else_makes_no_news(tmp_path: Path) -> None:
    script = steady(tmp_path)
    script.foreign = [17.3, 18.6, 20.0]
    for snapshot, _ in run(script, 70.0):
        for seconds in (10.0, 30.0, 60.0):
            if snapshot.watched is not None and snapshot.watched > max(8.0, seconds):
                assert used(snapshot, seconds) < 203


def test_the_target_is_seldom_held_up(tmp_path: Path) -> None:
    script = steady(tmp_path)
    run(script, 300.0)
    assert len(script.clears) <= 14
    assert script.clears[0] == 0.0
    assert np.diff(script.clears[-3:]).max() > 45


def test_cold_memory_that_wakes_is_seen_at_once_and_its_heat_soon(tmp_path: Path) -> None:
    script = Scripted(tmp_path, [[Part(50 * MIB, always()), Part(100 * MIB, always(40.5)), Part(50 * MIB, never)]])
    for snapshot, _ in run(script, 70.0):
        if snapshot.time < 40.5:
            assert used(snapshot, 0.3) == pytest.approx(50, rel=0.01)
        elif snapshot.time < 41.6:
            assert used(snapshot, 1.0) == pytest.approx(150, rel=0.01)
        elif snapshot.time > 44:
            assert used(snapshot, 1.0) == pytest.approx(150, rel=0.01)
            assert used(snapshot, 0.3) == pytest.approx(150, rel=0.01)


def test_a_hot_set_that_moves_is_followed(tmp_path: Path) -> None:
    parts = [Part(80 * MIB, always(0, 31.4)), Part(80 * MIB, always(31.4, 50.8)), Part(80 * MIB, always(50.8))]
    for snapshot, true in run(Scripted(tmp_path, [[*parts, Part(200 * MIB, never)]]), 70.0):
        for seconds in (1.0, 2.0, 5.0, 10.0, 30.0):
            if seconds <= snapshot.watched:  # type: ignore[operator]
                error = used(snapshot, seconds) - true[seconds] / MIB
                moved = min(abs(snapshot.time - at) for at in (31.4 + seconds, 50.8 + seconds))
                assert abs(error) < 12 or moved < 1.2, (snapshot.time, seconds, error)


def test_a_hot_set_that_shrinks_is_seen_within_a_minute(tmp_path: Path) -> None:
    script = Scripted(tmp_path, [[Part(50 * MIB, always()), Part(100 * MIB, always(0, 100.0)), Part(50 * MIB, never)]])
    last, _ = run(script, 165.0)[-1]
    assert used(last, 1.0) == pytest.approx(50, rel=0.01)
    assert used(last, 90.0) == pytest.approx(150, rel=0.01)


def test_no_idle_time_is_longer_than_was_watched_nor_than_the_window(tmp_path: Path) -> None:
    for snapshot, _ in run(Scripted(tmp_path, [[Part(100 * MIB, never)]]), 30.0, window=20.0):
        assert snapshot.measured is not None
        assert snapshot.measured.seconds[-1] == pytest.approx(min(20.0, snapshot.time), abs=0.11)
        assert max(usage.idle_percentiles(snapshot)) <= snapshot.time * 1000 + 1
        assert snapshot.age[0] * snapshot.attrs.aggr_us / 1e6 <= snapshot.time


def test_random_touches_are_no_news(tmp_path: Path) -> None:
    """A working set with a long tail: the curve bends, and the answer is the curve."""
    curve = Curve(0.0, 120.0)
    rss = np.array([400.0 * MIB])

    def touched(seconds: float) -> float:
        return float(400 * MIB * (1 - np.exp(-seconds / 20)))

    for at in [0.1, 0.3, *range(1, 41)]:
        curve.reading(at, np.array([touched(at)]), rss, ALL)
    for seconds in (1.0, 5.0, 20.0):
        assert curve.used(np.array([seconds])).bytes[0, 0] == pytest.approx(touched(seconds), rel=0.02)
    assert not curve.wants_clear or curve.age >= 10


def test_memory_that_grows_was_touched_and_memory_that_is_freed_is_gone() -> None:
    curve = Curve(0.0, 120.0)
    curve.reading(1.0, np.array([10.0 * MIB]), np.array([100.0 * MIB]), ALL)
    curve.reading(2.0, np.array([10.0 * MIB]), np.array([100.0 * MIB]), ALL)
    curve.reading(3.0, np.array([60.0 * MIB]), np.array([150.0 * MIB]), ALL)
    assert curve.used(np.array([1.0])).bytes[0, 0] == pytest.approx(60 * MIB)
    curve.reading(4.0, np.array([10.0 * MIB]), np.array([100.0 * MIB]), ALL)
    assert curve.disturbed_at == float("-inf")
    assert curve.used(np.array([1.0, 3.0])).bytes[0].tolist() == pytest.approx([10 * MIB, 10 * MIB])


def test_somebody_else_who_clears_is_noticed(tmp_path: Path) -> None:
    script = Scripted(tmp_path, [[Part(80 * MIB, always()), Part(100 * MIB, every(1000.0, 2.02)), Part(MIB, never)]])
    script.foreign = [3.05]  # soon after a clear of ours at 2 s, which what was touched then has seen
    found = run(script, 12.0)
    assert "somebody else clears" not in found[2][0].note
    assert "somebody else clears the accessed bits" in found[-1][0].note
    # it is not forgotten what was touched before
    assert used(found[-1][0], 2.0) == pytest.approx(80, rel=0.02)
    assert used(found[-1][0], 11.0) == pytest.approx(180, rel=0.02)


def test_somebody_else_who_has_stopped_is_no_longer_told_of(tmp_path: Path) -> None:
    script = steady(tmp_path)
    script.foreign = [9.05]
    notes = [snapshot.note for snapshot, _ in run(script, 75.0)]
    assert "somebody else clears" in notes[20]
    assert notes[-1] == ""


def test_mappings_that_split_and_join_keep_their_bytes() -> None:
    curve = Curve(0.0, 120.0)
    for at in (1.0, 2.0, 3.0):
        curve.reading(at, np.array([40.0, 10.0]) * MIB, np.array([80.0, 20.0]) * MIB, np.array([True, True]))
    curve.cleared(3.0)
    curve.reading(4.0, np.array([4.0, 1.0]) * MIB, np.array([80.0, 20.0]) * MIB, np.array([True, True]))
    curve.remap(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([0.5, 0.5, 1.0]), 2)
    answer = curve.used(np.array([1.0, 4.0])).bytes / MIB
    assert answer[:, 0].tolist() == pytest.approx([2, 3])
    assert answer[:, 1].tolist() == pytest.approx([20, 30])


def test_pairs_are_rising() -> None:
    rng = np.random.default_rng(1)
    curve = Curve(0.0, 120.0)
    read = np.zeros(3)
    for at in range(1, 60):
        read = np.minimum(read + rng.integers(0, 20, 3) * MIB * (rng.random(3) < 0.3), 200 * MIB)
        curve.reading(float(at), read, np.full(3, 200.0 * MIB), np.full(3, True))
        if at % 17 == 0:
            curve.cleared(float(at))
            read = np.zeros(3)
        answer = curve.used(np.array([0.5, 1, 2, 5, 10, 30, 60]))
        for values in (answer.bytes, answer.most):
            assert all((a <= b + 1e-6).all() for a, b in itertools.pairwise(values.T))
        assert (answer.least <= answer.bytes + 1e-6).all()
        assert (answer.bytes <= answer.most + 1e-6).all()


@pytest.mark.parametrize("cost", [0.0005, 0.006, 0.0125], ids=["100 MiB", "400 MiB, many mappings", "2 GiB"])
@pytest.mark.parametrize("moved", [60.05, 60.35, 60.65, 60.95])
def test_a_hot_set_that_moves_is_seen_within_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float, moved: float
) -> None:
    """With what a walk of the page tables costs on a real machine, under the budget of 2 %."""
    # in mappings of their own: the sum over all is the same before and after
    parts = [[Part(80 * MIB, always(0, moved))], [Part(80 * MIB, always(moved))], [Part(320 * MIB, never)]]
    script = Scripted(tmp_path, parts)
    script.charge(monkeypatch, cost)
    found = [snapshot for snapshot, _ in run(script, moved + 6.0)]
    right = [
        snapshot.time - moved
        for snapshot in found
        if snapshot.time > moved
        and (usage.used_by_region(snapshot, 1.0) / MIB).tolist() == pytest.approx([0, 80, 0], abs=4)
    ]
    assert right[0] <= 2.0 + 4 * cost  # the clock goes on during two readings and two clears
    assert len(right) == sum(snapshot.time - moved >= right[0] for snapshot in found)  # and stays so
    assert script.cpu <= 0.02 * script.now


@pytest.mark.parametrize("cost", [0.0005, 0.006, 0.0125])
def test_memory_that_wakes_is_seen_at_the_next_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float
) -> None:
    script = Scripted(tmp_path, [[Part(50 * MIB, always()), Part(100 * MIB, always(60.3)), Part(50 * MIB, never)]])
    script.charge(monkeypatch, cost)
    later = [snapshot for snapshot, _ in run(script, 70.0) if snapshot.time > 60.3]
    assert later[0].time - 60.3 <= 1.0 + cost
    for snapshot in later:
        assert used(snapshot, 1.0) == pytest.approx(150, rel=0.05)


def test_a_first_reading_that_comes_sooner_than_the_last_epochs_is_no_doubt() -> None:
    """Where the budget has no room for readings soon after a clear, the first comes now sooner, now later."""
    curve, hot, rss = Curve(0.0, 120.0), np.array([80.0 * MIB]), np.array([400.0 * MIB])
    for at in (1.5, 2.6):
        curve.reading(at, hot, rss, ALL)
    assert curve.wants_clear  # the first epoch always
    curve.cleared(2.6)
    for at in (3.9, 4.9, 5.9):
        curve.reading(at, hot, rss, ALL)
    assert not curve.wants_clear


def test_what_is_counted_together_is_cleared_whatever_is_seen(tmp_path: Path) -> None:
    """A scan every 35 s: `Curve` left alone clears soon after each, and never sees what comes 20 s after a clear"""
    script = Scripted(tmp_path, [[Part(32 * MIB, always()), Part(64 * MIB, every(35.0, 7.0)), Part(32 * MIB, never)]])
    sizer, clears = Sizer(), []
    with script.source(lasts=600.0) as source:
        for event in source.snapshots(threading.Event()):
            if isinstance(event, Snapshot):
                sizer.add(event)
            clears += script.clears[-1:] if script.clears[-1:] != clears[-1:] else []
            if script.now >= 600.0:
                break
    ages = np.diff(clears)
    assert ages[:4].round().tolist() == [8, 16, 20, 40]
    assert all(55 <= age <= 96 for age in ages[6:])
    assert len(np.unique(ages.round())) == len(ages) >= 10
    found = sizer.size()
    assert found is not None
    rows = {row.seconds: row for row in found.rows}
    for seconds in (5, 10):
        assert rows[seconds].back.bytes == pytest.approx(64 * MIB * 60 / 35, rel=0.25)
        assert rows[seconds].size.bytes == pytest.approx((32 + 64 * seconds / 35) * MIB, rel=0.15)
    assert rows[30].back.least <= 64 * MIB * 60 / 35 <= rows[30].back.most
    assert rows[60].size.bytes == pytest.approx(96 * MIB, rel=0.1)
    assert found.answer is not None
    assert found.answer.seconds == 60
