"""What could be saved: the estimate, its error bar, its past, and who holds it."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.analysis import heatmap, savings
from damontui.analysis.axis import extent, make_axis, stride_for
from damontui.analysis.estimate import as_snapshot
from damontui.analysis.estimator import past
from damontui.analysis.raster import Raster
from damontui.analysis.savings import THRESHOLDS, Learned, Ledger
from damontui.analysis.usage import Amount
from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FRAME_KINDS, Frames, Measured, Snapshot, Truth, ints
from damontui.history import History
from damontui.operations.scenes import scene
from damontui.sources.choose import choose
from damontui.sources.options import Options
from tests import make
from tests.bench.accuracy import moments
from tests.make import GIB, MIB

FAST = Attrs(20_000, 400_000)
ROWS = [(0, GIB, 20, 9), (GIB, 2 * GIB, 5, 0), (2 * GIB, 4 * GIB, 0, 59), (4 * GIB, 5 * GIB, 0, 5)]


def test_idle_memory_and_its_error_bar_by_hand() -> None:
    shown = make.snapshot(ROWS)
    # three quarters of the straddling region may hide idle memory; 60 aggregations without a hit leave 3 of 60
    assert savings.idle(shown, 60) == Amount(2 * GIB * 0.95, 2 * GIB, 3.75 * GIB)
    assert savings.idle(shown, 6) == Amount(2 * GIB * 0.95 + GIB * 0.5, 3 * GIB, 3.75 * GIB)
    assert savings.idle(shown, 61) == Amount(0, 0, 3.75 * GIB)


def test_what_was_just_seen_idle_counts_for_nothing_sure() -> None:
    assert savings.idle(make.snapshot([(0, GIB, 0, 0)]), 1) == Amount(0, GIB, GIB)


def test_nothing_is_nothing() -> None:
    assert savings.idle(make.snapshot([]), 1) == Amount(0, 0, 0)
    assert savings.owners_by_name(make.snapshot([]), 1) == []
    ledger = Ledger()
    assert ledger.saving(60, 0, 100) is None
    assert all(math.isnan(value) for value in ledger.idle_columns(60, 100, 60, 10))
    assert ledger.idle_columns(60, 100, 60, 0) == []


rows = st.lists(st.tuples(st.integers(1, 1 << 24), st.integers(0, 20), st.integers(0, 5000)), min_size=1, max_size=40)


@given(rows, st.floats(0.001, 7200))
def test_the_bar_holds_the_estimate_which_is_the_kernels(parts: list[tuple[int, int, int]], seconds: float) -> None:
    at, made = 0, []
    for pages, count, age in parts:
        made.append((at, at + pages * 4096, count, age))
        at += pages * 4096
    shown = make.snapshot(made)
    found = savings.idle(shown, seconds)
    assert found.bytes == metrics.idle_at_least(shown, seconds * 1000)
    assert 0 <= found.least <= found.bytes <= found.most <= shown.total_bytes + 1e-3
    longer = savings.idle(shown, seconds * 2)
    assert longer.bytes <= found.bytes
    assert longer.least <= found.least + 1e-3


def test_the_lower_end_holds_for_memory_touched_once_an_aggregation() -> None:
    """The rule of three against the exact chance: that many touched pages would have been met, 95 times of 100."""
    looks = 20
    for age in (3, 10, 100, 1000):
        share = 3 / (age + 1)
        missed = (1 - share / looks) ** (looks * (age + 1))
        assert missed <= 0.0502


@pytest.mark.parametrize(("seconds", "share"), [(0.0005, 1.0), (1, 0.605), (10, 0.105), (11, 0.0), (-100, 1.0)])
def test_the_true_share_comes_from_the_percentiles(seconds: float, share: float) -> None:
    # two fifths in use, half idle for 5 s, a tenth for 10 s
    values = tuple([-9000] * 40 + [5000] * 50 + [10_000] * 11)
    if seconds in (0.0005, -100):
        values = (1000,) * 101
    assert savings.true_share(Truth(0, 0.0, values), seconds) == pytest.approx(share)


def test_percentiles_over_time_are_weighted_by_how_long_a_value_held() -> None:
    values, lengths = np.array([5.0, 1.0, 3.0]), np.array([1.0, 8.0, 1.0])
    assert savings.over_time(values, lengths, (0, 50, 80, 90, 100)) == (1, 1, 1, 3, 5)


def breathing(time: float) -> Snapshot:
    """2 GiB, of which a half is used for one second in ten."""
    used = int(time) % 10 == 0
    age = 0 if used else int(time) % 10 - 1
    return make.snapshot([(0, GIB, 20, 50), (GIB, 2 * GIB, 20 if used else 0, age)], time)


def kept(snapshots: Sequence[Snapshot]) -> History:
    history = History()
    for one in snapshots:
        history.append(one)
    return history


def test_the_ledger_agrees_with_looking_at_every_snapshot() -> None:
    made = make.steady(120)
    ledger = Ledger()
    ledger.update(kept(made))
    assert len(ledger) == 120
    window = made[60:]
    for threshold in THRESHOLDS:
        needed = sorted(
            one.total_bytes - metrics.idle_at_least(one, threshold * 1000)
            for one in window
            if max(one.time - made[0].began, float(abs(metrics.idle_ms(one)).max()) / 1000) >= threshold
        )
        lengths = [one.time - one.began for one in window]
        assert lengths == [1.0] * 60
        if not needed:  # memory was not watched for so long
            assert ledger.used_within(threshold, 60, 120) == ()
            assert ledger.saving(threshold, 60, 120) is None
            continue
        assert ledger.used_within(threshold, 60, 120)[::3] == (needed[0], needed[-1])
        saving = ledger.saving(threshold, 60, 120)
        assert saving is not None
        p90 = needed[math.ceil(0.9 * len(needed)) - 1]
        assert saving.working_set == p90
        assert saving.saved == saving.total - p90
        assert 0 <= saving.least <= saving.saved <= saving.most <= saving.total
        assert saving.seconds == len(needed)


def test_memory_used_one_second_in_ten_is_not_to_be_saved_at_ten_seconds() -> None:
    ledger = Ledger()
    ledger.update(kept([breathing(float(t)) for t in range(1, 201)]))
    short, long = ledger.saving(5, 100, 200), ledger.saving(10, 100, 200)
    assert short is not None
    assert long is not None
    assert short.saved == 0  # for half of the time it had been used within 5 s
    assert long.saved == 0
    assert ledger.used_within(5, 100, 200) == (GIB, GIB, 2 * GIB, 2 * GIB)
    assert set(ledger.idle_columns(5, 200, 100, 100)) == {0.0, 0.5}


def test_only_what_is_new_is_asked_for() -> None:
    @dataclass
    class Counted:
        history: History
        asked: list[tuple[float, int]] = field(default_factory=list)

        @property
        def epoch(self) -> int:
            return self.history.epoch

        @property
        def generation(self) -> int:
            return self.history.generation

        def between(self, since: float, until: float, most: int | None = None) -> Sequence[Snapshot]:
            found = self.history.between(since, until, most)
            self.asked.append((since, len(found)))
            return found

    history = kept(make.steady(100))
    past = Counted(history)
    ledger = Ledger()
    ledger.update(past)
    ledger.update(past)
    history.append(make.steady(101)[100])
    ledger.update(past)
    assert past.asked == [(-math.inf, 100), (100.0, 1)]
    history.clear()
    ledger.update(past)
    assert len(ledger) == 0


def test_a_ledger_is_bounded_and_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(savings, "MOST", 64)
    ledger = Ledger()
    history = History()
    for one in make.steady(300):
        history.append(one)
        ledger.update(history)
    assert len(ledger) <= 64
    assert ledger.saving(1, 0, 300) is not None


def test_owners_sum_to_everything_and_the_largest_idle_comes_first() -> None:
    shown = make.snapshot(
        [(0, GIB, 0, 99), (GIB, GIB + MIB, 20, 3), (2 * GIB, 4 * GIB, 0, 5), (4 * GIB, 5 * GIB, 3, 0)],
        names=("[heap]", "[heap]", "libc.so.6", "[heap]"),
    )
    heap, libc = savings.owners_by_name(shown, 60)
    assert (heap.name, heap.regions, heap.bytes, heap.idle, heap.used) == (
        "[heap]",
        3,
        2 * GIB + MIB,
        GIB,
        GIB + MIB,
    )
    assert (libc.name, libc.idle, libc.used, libc.largest) == ("libc.so.6", 0, 0, 2)
    assert heap.largest in (0, 3)
    assert [one.name for one in savings.owners_by_name(shown, 1)] == ["libc.so.6", "[heap]"]


def test_idle_memory_of_names_is_by_the_estimate_where_there_is_one() -> None:
    rows = [(0, GIB, 0, 0), (GIB, 2 * GIB, 9, 0), (2 * GIB, 4 * GIB, 0, 0)]
    made = [make.snapshot(rows, t + 1.0, names=("[heap]", "[heap]", "libc.so.6")) for t in range(90)]
    libc, heap = savings.owners_by_name(made[-1], 60, past(made))
    assert (libc.name, libc.idle, heap.name, heap.idle) == ("libc.so.6", 2 * GIB, "[heap]", GIB)
    assert [one.idle for one in savings.owners_by_name(made[-1], 60)] == [0, 0]  # each age begins anew


def test_what_has_no_name_is_held_by_its_target() -> None:
    shown = make.snapshot([(0, GIB, 0, 9), (0, 2 * GIB, 0, 9)], target=[0, 1], targets=(11, 22))
    assert [one.name for one in savings.owners_by_name(shown, 1)] == ["target 22", "target 11"]
    assert [one.name for one in savings.owners_by_name(make.snapshot(ROWS), 1)] == [""]


@pytest.mark.parametrize("name", ["steady", "stairs", "zigzag"])
def test_the_truth_of_synthetic_memory_is_within_the_bar(name: str) -> None:
    inside = []
    with choose(f"demo:{name}", Options(seed=1, speed=math.inf)) as source:
        stop = threading.Event()
        for event in source.snapshots(stop):
            if not isinstance(event, Snapshot) or event.truth is None:
                continue
            if event.time > 120:
                for threshold in (10, 60):
                    found = savings.idle(event, threshold)
                    true = savings.true_share(event.truth, threshold) * event.total_bytes
                    slack = 0.01 * event.total_bytes  # the truth comes in whole percents
                    inside.append(found.least - slack <= true <= found.most + slack)
            if event.time > 300:
                break
    assert len(inside) > 100
    assert sum(inside) / len(inside) >= 0.95


@pytest.mark.parametrize("name", ["steady", "server"])
def test_the_estimates_ledger_is_nearer_to_the_truth_and_its_bar_is_narrower(name: str) -> None:
    run = list(moments(scene(name, 5), 5, Attrs(), 150.0))
    history = kept([one.snapshot for one in run])
    learned, rule = Learned(history), Ledger()
    learned.update(history)
    rule.update(history)
    assert len(learned) <= 150
    ours, kernels = (one.saving(60, 100, 150) for one in (learned, rule))
    assert ours is not None
    assert kernels is not None
    late = [one for one in run if one.snapshot.time > 100]
    true = sorted(one.share(60) * ours.total for one in late)[len(late) // 10]
    assert abs(ours.saved - true) < 0.5 * abs(kernels.saved - true)
    assert ours.least - 0.01 * ours.total <= true <= ours.most + 0.01 * ours.total
    assert ours.most - ours.least < 0.6 * (kernels.most - kernels.least)
    assert learned.saving(300, 100, 150) is None
    assert learned.used_within(300, 100, 150) == ()
    shares = learned.idle_columns(60, 150, 150, 15)
    assert all(math.isnan(one) for one in shares[:5])  # not watched for a minute yet
    assert shares[-1] == pytest.approx(true / ours.total, abs=0.06)


def test_a_ledger_that_goes_on_is_as_one_that_begins_late() -> None:
    made = [one.snapshot for one in moments(scene("burst", 5), 5, Attrs(), 60.0)]
    history = History()
    grown = Learned(history)
    for one in made:
        history.append(one)
        grown.update(history)
    late = Learned(history)
    late.update(history)
    for threshold in (1, 10, 30):
        one, other = grown.saving(threshold, 20, 60), late.saving(threshold, 20, 60)
        assert one is not None
        assert other is not None
        assert one == other
    history.clear()
    grown.update(history)
    assert len(grown) == 0
    assert grown.saving(1, 0, 60) is None


def test_the_newest_moment_is_asked_for_once_a_second_and_a_flood_is_a_gap() -> None:
    made = [make.snapshot([(0, GIB, t % 3, 0), (GIB, 2 * GIB, 0, 0)], 0.4 * (t + 1), attrs=FAST) for t in range(200)]
    history = kept(made[:100])
    learned = Learned(history)
    first = learned.about(None, 1_000)
    assert first is not None
    assert first.watched_s == pytest.approx(40)
    history.append(made[100])
    assert learned.about(None, 1_000) is first
    for one in made[101:]:
        history.append(one)
    after = learned.about(None, 20)
    assert after is not None
    assert after.time == made[-1].time
    assert after.watched_s == pytest.approx(8, abs=0.41)
    then = learned.about(made[50].time, 20)
    assert then is not None
    assert then.time == made[50].time


def test_what_is_known_of_the_past_can_be_drawn_and_is_corrected() -> None:
    made = [one.snapshot for one in moments(scene("steady", 5), 5, Attrs(), 60.0)]
    history = kept(made[: len(made) // 2])
    learned = Learned(history)
    learned.update(history)
    assert learned.settled < history.last.time  # type: ignore[union-attr]
    found = list(learned.walk(-math.inf, math.inf))
    assert [one.time for one in found] == sorted({one.time for one in found})
    assert found[-1].time >= made[len(made) // 2 - 1].time - 1
    assert all(b.began >= a.time - 1e-9 for a, b in itertools.pairwise(found))
    axis = make_axis(extent(made[-1], stride_for(1)), 48, stride=stride_for(1))
    raster = Raster(axis, 2.0, "idle")
    raster.update(learned, 0, 40)
    for one in made[len(made) // 2 :]:
        history.append(one)
    before = learned.settled
    learned.update(history)
    raster.forget(before)
    raster.update(learned, 0, 40)
    fresh = Raster(axis, 2.0, "idle")
    fresh.update(learned, 0, 40)
    # what was drawn while it could still be corrected is as if it was drawn now
    kept_, anew = raster.values(0, 29), fresh.values(0, 29)
    assert np.array_equal(np.isnan(kept_), np.isnan(anew))
    assert np.nanmax(np.abs(kept_ - anew)) < 3.0
    assert np.nanmin(anew[-1]) < -40
    assert np.nanmax(anew[-1]) > -20
    history.clear()
    learned.update(history)
    assert list(learned.walk(-math.inf, math.inf)) == []


def test_pictures_of_the_past_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(savings, "PIECES_KEPT", 100)
    history = kept(make.steady(200))
    learned = Learned(history)
    learned.update(history)
    assert sum(len(one) for one in learned.walk(-math.inf, learned.settled)) <= 100
    assert len(list(learned.walk(-math.inf, math.inf, 3))) <= 3


def test_what_is_free_or_not_known_is_not_drawn() -> None:
    counts = np.zeros((2, len(FRAME_KINDS)), np.int64)
    counts[0, FRAME_KINDS.index("free")] = 900
    counts[1, FRAME_KINDS.index("anon")] = 100
    frames = Frames(counts, ints([0, 0]), ints([0, 0]))
    rows = [(0, 9 * GIB, 0, 0), (9 * GIB, 10 * GIB, 9, 0)]
    made = [make.snapshot(rows, t + 1.0, frames=frames) for t in range(20)]
    drawn = as_snapshot(past(made), made[-1], 19.0)
    assert drawn.start.tolist() == [9 * GIB]
    assert heatmap.values_of(drawn, "idle").tolist() == pytest.approx([20.0])
    assert (drawn.time, drawn.began) == (20.0, 19.0)
    seen = [replace(one, frames=None) for one in made]
    both = as_snapshot(past(seen), seen[-1], 19.0)
    assert heatmap.values_of(both, "idle").tolist() == pytest.approx([-20.0, 20.0])


def test_idle_for_longer_than_it_was_watched_is_not_known() -> None:
    shown = make.snapshot([(0, GIB, 0, 4), (GIB, 2 * GIB, 9, 4)], 5.0, watched=5.0)
    known = past([replace(shown, time=t + 1.0, began=float(t)) for t in range(5)])
    assert savings.known_idle(shown, 60, known) is None
    assert savings.known_idle(shown, 60) is None
    found = savings.known_idle(shown, 5, known)
    assert found is not None
    assert found.bytes == GIB
    assert savings.known_idle(shown, 5) == savings.idle(shown, 5)
    assert savings.known_idle(counted(), 60) is None


# --- counted bytes --------------------------------------------------------------------------------------------------


def counted(time: float = 60.0, cold: int = 200) -> Snapshot:
    """80 MiB of 424 touched all the time; 120 within 10 s, 12 of a file; the rest never in 10 s."""
    used = ints([[80, 80, 400 - cold], [12, 12, 12]]) * MIB
    total = used.sum(axis=0)
    kinds = ints([[400, 0, 0], [8, 16, 0]]) * MIB
    return make.snapshot(
        [(0, 1024 * MIB, 4, 0), (2048 * MIB, 2072 * MIB, 10, 0)],
        time,
        names=("[heap]", "data"),
        resident=ints([400 * MIB, 24 * MIB]),
        measured=Measured((0.1, 1.0, 10.0), used, total - 4 * MIB, total + 4 * MIB, kinds),
    )


def test_counted_idle_memory_is_what_was_counted() -> None:
    assert savings.idle(counted(), 10) == Amount(208 * MIB, 212 * MIB, 216 * MIB)
    # not watched for so long: nothing for certain, and no more than was idle all the time
    assert savings.idle(counted(), 60) == Amount(0, 0, 216 * MIB)


def test_the_ledger_does_not_take_what_was_not_watched_for_nothing() -> None:
    ledger = Ledger()
    ledger.update(kept([counted(t, cold=200 if t <= 90 else 100) for t in range(1, 101)]))
    saving = ledger.saving(10, 0, 100)
    assert saving is not None
    # the tenth part of the time in which half of the cold memory was used is left out by p90
    assert (saving.total, saving.working_set, saving.saved) == (424 * MIB, 212 * MIB, 212 * MIB)
    assert (saving.least, saving.most) == (208 * MIB, 216 * MIB)
    # a curve of 10 s tells nothing of a minute, however long the process was watched
    assert ledger.saving(60, 0, 100) is None
    assert ledger.used_within(60, 0, 100) == ()
    assert all(math.isnan(one) for one in ledger.idle_columns(60, 100, 100, 4))
    assert ledger.idle_columns(10, 100, 20, 2) == pytest.approx([212 / 424, 112 / 424])


def test_owners_of_counted_bytes_are_exact() -> None:
    heap, data = savings.owners_by_name(counted(), 10)
    assert (heap.name, heap.bytes, heap.idle, heap.used) == ("[heap]", 400 * MIB, 200 * MIB, 80 * MIB)
    assert (data.name, data.bytes, data.idle, data.used) == ("data", 24 * MIB, 12 * MIB, 12 * MIB)
    assert [one.idle for one in savings.owners_by_name(counted(), 60)] == [0, 0]


def test_owners_by_kind() -> None:
    anonymous, files = savings.by_kind(counted(), 10)
    # half of the file's mapping is idle, so half of what of it is anonymous
    assert anonymous == savings.NamedOwner("anonymous", 2, 408 * MIB, 204 * MIB, 84 * MIB, 0)
    assert files == savings.NamedOwner("files", 1, 16 * MIB, 8 * MIB, 8 * MIB, 1)
    assert savings.by_kind(make.snapshot(ROWS), 10) == []


def test_what_is_not_in_memory_is_not_idle() -> None:
    rows = [(0, GIB, 20, 9), (2 * GIB, 3 * GIB, 0, 59)]
    shown = make.snapshot(rows, resident=ints([GIB, 300 * MIB]))
    assert savings.idle(shown, 60).bytes == 300 * MIB
    assert [one.idle for one in savings.owners_by_name(shown, 60)] == [300 * MIB]
