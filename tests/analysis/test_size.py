"""How small it could be: what comes back after having been idle is what a load of known truth says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from damontui.analysis.size import LINE, Choice, Size, Sizer
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import FirstTouches, Group, Measured, Snapshot, ints
from damontui.output.size import object_of, text_of
from damontui.phrases import included
from tests import make

MIB = 1 << 20
SECONDS = (2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
GRID = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0)
HOT, DRIFT, COLD = 300, 100, 600
"""MiB: always in use; used for a moment once in a period; never."""


def sampled(seconds: int, period: int, *, start: int = 1) -> list[Snapshot]:
    """Aggregations of 1 s."""
    edges = np.cumsum([0, HOT, DRIFT, COLD]) * MIB
    made = []
    for time in range(start, start + seconds):
        used = period > 0 and time % period == 0
        rows = [
            (int(edges[0]), int(edges[1]), 20, time),
            (int(edges[1]), int(edges[2]), 20 if used else 0, 0),
            (int(edges[2]), int(edges[3]), 0, time),
        ]
        made.append(replace(make.snapshot(rows, float(time)), watched=float(time)))
    return made


def counted(seconds: int, period: int) -> list[Snapshot]:
    """The same load, of which a process's touched bytes were counted, every second."""
    made = []
    for time in range(1, seconds + 1):
        times = tuple(one for one in (*GRID, 240.0) if one <= time)
        since = time % period if period and time >= period else 10**6
        used = ints([[HOT * MIB] * len(times), [DRIFT * MIB if since < one else 0 for one in times], [0] * len(times)])
        sums = used.sum(axis=0)
        sizes = ints([HOT, DRIFT, COLD]) * MIB
        measured = Measured(times, used, sums, sums.copy(), np.zeros((3, 3), np.int64))
        rows = [(0, HOT * MIB, 1, 1), (HOT * MIB, (HOT + DRIFT) * MIB, 1, 1), ((HOT + DRIFT) * MIB, 1000 * MIB, 0, 1)]
        made.append(
            replace(
                make.snapshot(rows, float(time), origin="process", resident=sizes, measured=measured),
                watched=float(time),
            )
        )
    return made


def sized(snapshots: list[Snapshot]) -> dict[float, Choice]:
    sizer = Sizer(SECONDS)
    for snapshot in snapshots:
        sizer.add(snapshot)
    found = sizer.size()
    assert found is not None
    return {row.seconds: row for row in found.rows}


@pytest.mark.parametrize("load", [sampled, counted])
def test_what_comes_back_is_what_is_touched_once_in_a_while(load: object) -> None:
    rows = sized(load(400, 40))  # type: ignore[operator]
    for seconds in (5.0, 10.0, 30.0):
        # 100 MiB every 40 s; of counted bytes between 30 and 45 s, nothing tells when it came back
        near = 0.12 if load is sampled or seconds < 30 else 0.4
        assert rows[seconds].back.bytes == pytest.approx(DRIFT * MIB * 60 / 40, rel=near), seconds
        assert rows[seconds].back.least <= DRIFT * MIB * 60 / 40 <= rows[seconds].back.most * 1.02
    for seconds in (60.0, 120.0):
        assert rows[seconds].back.bytes == pytest.approx(0.0, abs=0.02 * DRIFT * MIB), seconds
        assert rows[seconds].size.bytes == pytest.approx((HOT + DRIFT) * MIB, rel=0.02)
    assert rows[30.0].idle.bytes >= COLD * MIB * 0.99


@pytest.mark.parametrize("load", [sampled, counted])
def test_the_answer_is_the_shortest_threshold_that_keeps_the_line(load: object) -> None:
    sizer = Sizer(SECONDS)
    for snapshot in load(400, 40):  # type: ignore[operator]
        sizer.add(snapshot)
    found = sizer.size()
    assert found is not None
    answer = found.answer
    assert answer is not None
    assert answer.seconds == 60.0
    assert answer.back.bytes <= LINE * answer.working_set
    assert not found.rows[0].keeps_the_line


def test_what_is_in_doubt_may_keep_the_line() -> None:
    amount = Amount(1.0, 1.0, 1.0)
    breaks = Choice(10.0, amount, amount, Amount(5.0, 6.0, 7.0), 100.0, 1000.0)
    doubt = Choice(30.0, amount, amount, Amount(1.0, 6.0, 7.0), 100.0, 1000.0)
    keeps = Choice(60.0, amount, amount, Amount(0.0, 2.0, 7.0), 100.0, 1000.0)
    young = Choice(120.0, amount, amount, Amount(0.0, 0.0, 0.0), 100.0, 1000.0)
    assert [row.keeps_the_line for row in (breaks, doubt, keeps, young)] == [False, False, True, False]
    assert Size((breaks, doubt, keeps, young), 1.0, 200.0).answer is keeps
    assert Size((breaks, doubt, young), 1.0, 200.0).answer is doubt
    assert Size((breaks, young), 1.0, 200.0).answer is None


def test_an_interval_that_says_nothing_is_no_answer() -> None:
    amount = Amount(1.0, 1.0, 1.0)
    anything = Choice(10.0, amount, amount, Amount(0.0, 60.0, 120.0), 100.0, 1000.0)
    near = Choice(30.0, amount, amount, Amount(0.0, 6.0, 12.0), 100.0, 1000.0)
    assert Size((anything, near), 1.0, 200.0).answer is near


def test_what_was_first_touched_goes_before_the_curve() -> None:
    """The curve knows nothing of 100 MiB every 40 s; what was first touched after a clear every 47 s does"""
    made = []
    for one in counted(1800, 0):
        since = (one.time - 1) % 47
        again = any((one.time - back) % 40 == 0 for back in range(1, int(since) + 1))
        size = HOT * MIB * float(since == 0) + DRIFT * MIB * float(one.time % 40 == 0 and not again)
        first = FirstTouches(*(np.array([value]) for value in (since, size, size, 1.0)))
        assert one.measured is not None
        made.append(replace(one, measured=replace(one.measured, first_touches=first)))
    rows, without = sized(made), sized(counted(100, 0))
    assert without[10.0].back.bytes == 0
    assert without[10.0].size.bytes == pytest.approx(HOT * MIB, rel=0.01)
    for seconds in (10.0, 30.0):
        assert rows[seconds].size.bytes == pytest.approx((HOT + DRIFT * seconds / 40) * MIB, rel=0.05), seconds
        assert rows[seconds].back.least <= DRIFT * MIB * 60 / 40 <= rows[seconds].back.most, seconds
    assert rows[60.0].back.bytes == 0


def test_memory_that_is_never_touched_again_may_go_at_once() -> None:
    rows = sized(sampled(60, 0))
    # what was not watched for twice as long is not judged, and what was not watched for so long is not told
    assert sorted(rows) == [2.0, 5.0, 10.0, 30.0, 60.0]
    assert [seconds for seconds, row in sorted(rows.items()) if row.keeps_the_line] == [2.0, 5.0, 10.0, 30.0]
    assert rows[10.0].size.bytes == pytest.approx(HOT * MIB)
    assert rows[10.0].back.bytes == 0


@pytest.mark.parametrize("load", [sampled, counted])
@pytest.mark.parametrize("length", [401, 425, 439])
def test_a_size_is_the_mean_over_time_whenever_it_ends(load: object, length: int) -> None:
    """100 MiB once in 40 s: at a threshold of 10 s they are in use for a quarter of the time"""
    rows = sized(load(length, 40))  # type: ignore[operator]
    for seconds in (10.0, 30.0):
        mean = (HOT + DRIFT * seconds / 40) * MIB
        assert rows[seconds].size.bytes == pytest.approx(mean, rel=0.05), seconds
        assert rows[seconds].size.least <= mean <= rows[seconds].size.most
        if load is counted:  # of three regions an estimate is not sure
            assert rows[seconds].size.most <= (HOT + DRIFT) * MIB * 1.05


def test_what_has_grown_is_not_averaged_with_what_it_was() -> None:
    """For three quarters of the time 300 MiB are in use, then 400"""
    edges = np.cumsum([0, HOT, DRIFT, COLD]) * MIB
    made = []
    for time in range(1, 401):
        grown = 20 if time > 300 else 0
        rows = [
            (int(edges[0]), int(edges[1]), 20, time),
            (int(edges[1]), int(edges[2]), grown, max(1, time - 300)),
            (int(edges[2]), int(edges[3]), 0, time),
        ]
        made.append(replace(make.snapshot(rows, float(time)), watched=float(time)))
    row = sized(made)[10.0]
    assert row.size.bytes == pytest.approx((HOT + DRIFT) * MIB, rel=0.03)
    assert row.size.most >= (HOT + DRIFT) * MIB * 0.99


@pytest.mark.parametrize("load", [sampled, counted])
def test_what_is_charged_to_a_group_and_not_seen_is_in_every_size(load: object) -> None:
    """1000 MiB are seen, 1150 charged: 150 are the kernel's or page cache that nobody maps"""
    plain = sized(load(120, 40))  # type: ignore[operator]
    group = Group("/web", current=1150 * MIB)
    beside = sized([replace(one, group=group) for one in load(120, 40)])  # type: ignore[operator]
    for seconds, row in plain.items():
        assert beside[seconds].size.bytes == pytest.approx(row.size.bytes + 150 * MIB)
        assert beside[seconds].idle == row.idle
        assert beside[seconds].working_set == pytest.approx(row.working_set)
    less = sized([replace(one, group=Group("/web", current=MIB)) for one in load(120, 40)])  # type: ignore[operator]
    assert less == plain  # pages shared with others are charged to them


def test_what_no_process_of_a_group_maps_is_in_every_size_whatever_its_processes_share() -> None:
    """1000 MiB are seen, of which 400 are charged to another group; 50 are the kernel's"""
    plain = sized(counted(120, 40))
    group = Group("/web", current=650 * MIB, unmapped=50 * MIB)
    beside = sized([replace(one, group=group) for one in counted(120, 40)])
    for seconds, row in plain.items():
        assert beside[seconds].size.bytes == pytest.approx(row.size.bytes + 50 * MIB)

    # half of what is in use is a file's, of which none is charged to the group
    def shared(one: Snapshot, mapped: int) -> Snapshot:
        assert one.measured is not None
        kinds = np.outer(one.memory, (0.5, 0.5, 0.0)).astype(np.int64)
        return replace(one, measured=replace(one.measured, kinds=kinds), group=Group("/web", 0, mapped_file=mapped))

    half = sized([shared(one, 0) for one in counted(120, 40)])
    whole = sized([shared(one, 500 * MIB) for one in counted(120, 40)])
    for seconds, row in plain.items():
        assert half[seconds].size.bytes == pytest.approx(row.size.bytes / 2, rel=0.01)
        assert whole[seconds].size.bytes == pytest.approx(row.size.bytes, rel=0.01)
    framed = sized([replace(one, group=group) for one in sampled(120, 40)])
    assert framed == sized(sampled(120, 40))  # page frames show all that is charged


def test_a_gap_is_not_counted_over() -> None:
    rows = sized([*sampled(100, 40), *sampled(100, 40, start=1000)])
    assert rows[30.0].over_s == pytest.approx(2 * 70, abs=15)
    assert rows[60.0].over_s == pytest.approx(2 * 40, abs=15)


def test_asking_changes_nothing() -> None:
    one, other = Sizer(SECONDS), Sizer(SECONDS)
    for snapshot in sampled(200, 40):
        one.add(snapshot)
        other.add(snapshot)
        one.size()
    assert one.size() == other.size()


def test_long_runs_are_kept_in_few_parts() -> None:
    sizer = Sizer(SECONDS)
    for snapshot in sampled(1500, 40):
        sizer.add(snapshot)
    assert len(sizer._parts.sums) <= 64
    found = sizer.size()
    assert found is not None
    rows = {row.seconds: row for row in found.rows}
    assert rows[10.0].over_s == pytest.approx(1490, abs=15)
    assert rows[10.0].back.bytes == pytest.approx(DRIFT * MIB * 1.5, rel=0.05)
    assert rows[10.0].back.most - rows[10.0].back.least < 1.0 * rows[10.0].back.bytes


def test_a_size_says_what_idle_memory_includes() -> None:
    for free, words in ((None, "free included"), (0, None)):
        sizer = Sizer(SECONDS)
        for snapshot in sampled(40, 0):
            sizer.add(replace(snapshot, free=free))
        found = sizer.size()
        assert found is not None
        assert (None if found.untold is None else included(found.untold)) == words
        told = "What of this memory is free is not known here" in text_of(found, make.description())
        assert told == (words is not None) == (object_of(found, "stat")["idle_includes"] is not None)


def test_before_anything_is_known() -> None:
    sizer = Sizer(SECONDS)
    assert sizer.size() is None
    sizer.add(make.snapshot([], 1.0))
    assert sizer.size() is None
    sizer.add(sampled(1, 0)[0])
    found = sizer.size()
    assert isinstance(found, Size)
    assert found.answer is None
    assert found.rows == ()
