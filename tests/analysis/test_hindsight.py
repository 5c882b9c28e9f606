"""What is known now about a moment of the past: later evidence counts, gaps stay gaps, and the way there is short."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import LAG, Estimator, past, smoothed
from damontui.analysis.hindsight import MARKS, Hindsight
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Snapshot
from damontui.history import History
from damontui.operations.scenes import scene
from tests import make
from tests.bench.accuracy import moments
from tests.make import MIB


def kept(snapshots: list[Snapshot]) -> History:
    history = History()
    for one in snapshots:
        history.append(one)
    return history


def same(one: Estimate | None, other: Estimate | None) -> bool:
    assert one is not None
    assert other is not None
    pairs = ((one.start, other.start), (one.idle_s, other.idle_s), (one.bytes, other.bytes), (one.most_s, other.most_s))
    return one.time == other.time and all(np.array_equal(a, b) for a, b in pairs)


def hindsight(snapshots: list[Snapshot], moment: float) -> Estimate | None:
    """What is known of the last one that had ended by a moment, once `LAG` more are taken in: no marks, all anew."""
    ended = sum(one.time <= moment for one in snapshots)
    known: list[Estimate] = []
    estimator = Estimator(on_final=lambda _, about: known.append(about()))
    for one in snapshots[: ended + LAG]:
        estimator.add(one)
    estimator.finish()
    return known[ended - 1] if ended else None


@pytest.fixture(scope="module")
def burst() -> list[Snapshot]:
    return [one.snapshot for one in moments(scene("burst", 4), 4, Attrs(), 120.0)]


def test_what_looked_touched_is_taken_back_also_of_the_past() -> None:
    apart = [(0, 8 * MIB, 0, 0), (8 * MIB, 16 * MIB, 12, 0), (16 * MIB, 32 * MIB, 0, 0)]
    snapshots = [make.snapshot([(0, 32 * MIB, 3, 0)], 1.0), *(make.snapshot(apart, t + 1.0) for t in range(1, 6))]
    assert past(snapshots[:1]).working_set(1).bytes == 32 * MIB
    then = hindsight(snapshots, 1.5)
    assert then is not None
    assert then.time == 1.0
    assert then.working_set(1).bytes == 8 * MIB
    assert hindsight(snapshots, 0.5) is None
    assert same(hindsight(snapshots, 99.0), past(snapshots))


def test_a_moment_of_a_history_is_as_with_all_snapshots_up_to_its_lag(burst: list[Snapshot]) -> None:
    found = Hindsight(kept(burst))
    assert found.now() is None
    assert found.catch_up()
    newest, all_of_it = found.now(), past(burst)
    assert newest is not None
    assert newest.idle(10).bytes == pytest.approx(all_of_it.idle(10).bytes, abs=0.02 * all_of_it.total_bytes)
    for index in (3, 70, len(burst) // 2, len(burst) - 4):
        moment = burst[index].time
        # the marks lie elsewhere than the moment, so that decisions were made final at other times: nearly the same
        one, other = found.about(moment + 1e-4), hindsight(burst, moment)
        assert one is not None
        assert other is not None
        assert one.time == other.time == moment
        assert one.watched_s == pytest.approx(other.watched_s)
        assert one.idle(10).bytes == pytest.approx(other.idle(10).bytes, abs=0.02 * other.total_bytes)
        assert found.about(moment + 2e-4) is one


def test_only_as_far_as_it_was_gone_through(burst: list[Snapshot]) -> None:
    found = Hindsight(kept(burst))
    assert not found.catch_up(20)
    assert found.until == burst[19].time
    assert not found.catch_up(11 + LAG)
    assert found.until == burst[30 + LAG].time
    assert found.about(burst[90].time) is None
    assert same(found.about(burst[42].time), found.now())
    assert not found.catch_up(20, skip=False)
    assert found.catch_up(40, skip=True)
    newest = found.now()
    assert newest is not None
    assert newest.time == burst[-1].time
    assert newest.watched_s < 60


def test_a_history_that_began_anew_is_gone_through_anew(burst: list[Snapshot]) -> None:
    history, forgotten = kept(burst), []
    found = Hindsight(history, forget=lambda: forgotten.append(1))
    found.catch_up()
    history.clear()
    assert found.catch_up()
    assert found.now() is None
    assert forgotten == [1]
    history.append(burst[0])
    found.catch_up()
    assert same(found.now(), past(burst[:1]))


def test_a_gap_ends_what_later_evidence_can_say() -> None:
    rows = [(0, MIB, 0, 0), (MIB, 2 * MIB, 9, 0)]
    before = [make.snapshot(rows, t + 1.0) for t in range(20)]
    lost = make.snapshot(rows[:1], 21.0, complete=False, lost=3)
    after = [make.snapshot(rows, t + 40.0) for t in range(5)]
    found = Hindsight(kept([*before, lost, *after]))
    found.catch_up()
    then = found.about(18.0)
    assert then is not None
    assert (then.time, then.watched_s) == (18.0, 18.0)
    newest = found.about(44.0)
    assert newest is not None
    assert newest.watched_s == 5.0
    assert found.about(30.0) is None  # of the aggregation that had ended last, events were lost


def test_marks_are_bounded_and_what_is_final_is_told_in_order() -> None:
    snapshots = [make.snapshot([(0, MIB, t % 3, 0), (MIB, 2 * MIB, 0, 0)], t + 1.0) for t in range(MARKS * 64 * 3)]
    told: list[float] = []
    found = Hindsight(kept(snapshots), on_final=lambda one, about: told.append(one.time))
    found.catch_up()
    assert len(found._marks) <= MARKS
    assert told == [one.time for one in snapshots[: len(told)]]
    assert LAG <= len(snapshots) - len(told) < 2 * LAG
    early = found.about(100.0)
    assert early is not None
    assert early.watched_s == 100.0


def test_smoothing_says_of_every_moment_what_hindsight_does(burst: list[Snapshot]) -> None:
    every = list(smoothed(burst))
    assert [one.time for one, _ in every] == [one.time for one in burst]
    for index in (5, 60, 100):
        snapshot, estimate = every[index]
        then = hindsight(burst, snapshot.time)
        assert then is not None
        assert estimate.idle(10).bytes == pytest.approx(then.idle(10).bytes, abs=0.02 * then.total_bytes)
    seldom = [estimate.time for _, estimate in smoothed(burst, every=7.0)]
    assert (np.diff(seldom) >= 7.0).all()
    assert list(smoothed([replace(burst[0], complete=False, lost=1)])) == []


def test_a_mark_is_small_and_goes_on_over_a_gap_as_if_nothing_was_left_out(burst: list[Snapshot]) -> None:
    snapshots = [replace(one, lost=3) if index == 100 else one for index, one in enumerate(burst)]
    for many in (90, 105, 130):
        estimator = Estimator()
        for one in snapshots[:many]:
            estimator.add(one)
        mark = estimator.settled()
        assert mark.until < estimator.until
        # right after the gap there is hardly a window that could be left out
        assert len(pickle.dumps(mark)) < (1.0 if many == 105 else 0.35) * len(pickle.dumps(estimator))
        for one in snapshots:
            mark.add(one)  # what it knows already it leaves out
        whole = past(snapshots)
        assert mark.estimate().watched_s == whole.watched_s
        assert mark.estimate().idle(10).bytes == pytest.approx(whole.idle(10).bytes, abs=0.02 * whole.total_bytes)
