"""Where one looks: moving through time and memory, without a screen."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from damontui.analysis.axis import extent, make_axis, stride_for
from damontui.analysis.heatmap import Place
from damontui.errors import UsageError
from damontui.history import History
from damontui.session.moments import moment_of, parse_moment
from damontui.session.viewport import SPANS, Viewport
from tests import make
from tests.make import GIB, MIB

COLUMN = 4.0


def kept(count: int = 240) -> History:
    history = History()
    for one in make.steady(count):
        history.append(one)
    return history


def test_freezing_and_back() -> None:
    history = kept()
    view = Viewport().frozen(history)
    assert (view.moment, view.edge) == (240, None)
    assert view.frozen(history) == Viewport()
    assert Viewport().frozen(History()) == Viewport()


def test_a_step_back_stands_a_column_before_now_and_leaves_the_picture_where_it_is() -> None:
    history = kept()
    view = Viewport().stepped(history, COLUMN, -1)
    assert (view.moment, view.edge) == (236, 240)
    assert view.stepped(history, COLUMN, 1) == Viewport()
    assert view.stepped(history, COLUMN, -3).moment == 224


def test_every_step_shows_another_snapshot_however_long_it_is() -> None:
    history = History()
    for step in range(1, 11):
        history.append(make.snapshot([(0, GIB, step, 0)], step * 30.0, attrs=replace(make.ATTRS, aggr_us=30_000_000)))
    view, seen = Viewport(), []
    for _ in range(5):
        view = view.stepped(history, COLUMN, -1)
        assert view.moment is not None
        shown = history.at(view.moment)
        assert shown is not None
        seen.append(shown.time)
    assert seen == [270, 240, 210, 180, 150]
    for _ in range(4):
        view = view.stepped(history, COLUMN, 1)
    assert view.moment == 270
    assert view.stepped(history, COLUMN, 1).moment is None


def test_the_picture_follows_only_where_the_moment_would_leave_it() -> None:
    history = kept(1000)
    view = Viewport(span=100).at(history, 950)
    assert view.edge == 1000
    view = view.at(history, 900)
    assert (view.moment, view.edge) == (900, 975)
    view = view.at(history, 990)
    assert (view.moment, view.edge) == (990, 1000)
    assert view.at(history, 1000) == Viewport(span=100)


def test_the_oldest_has_the_whole_picture_after_it() -> None:
    history = kept(1000)
    view = Viewport(span=100).oldest(history)
    assert (view.moment, view.edge) == (1, 100)
    assert view.stepped(history, COLUMN, -1).moment == 1
    assert Viewport().oldest(History()) == Viewport()


def test_what_is_frozen_steps_back_from_where_it_stands() -> None:
    history = kept(200)
    frozen = Viewport().frozen(history)
    for one in make.steady(240)[200:]:
        history.append(one)
    view = frozen.stepped(history, COLUMN, -1)
    assert (view.moment, view.edge) == (196, 200)
    for _ in range(4):
        view = view.stepped(history, COLUMN, 1)
    assert view.moment == 212
    assert view.edge == 240


def test_zooming_in_time_keeps_the_moment_where_it_is_on_the_screen() -> None:
    history = kept(1000)
    view = Viewport(span=240).at(history, 900).at(history, 800)
    assert view.moment is not None
    assert view.edge is not None
    before = (view.edge - view.moment) / view.span
    closer = view.wider(history, -1)
    assert closer.span == 120
    assert closer.edge is not None
    assert (closer.edge - 800) / closer.span == pytest.approx(before)


def test_the_span_goes_from_seconds_to_everything_kept() -> None:
    history = History()
    for step in range(1, 11):
        history.append(
            make.snapshot([(0, GIB, 1, 0)], step * 60_000.0, attrs=replace(make.ATTRS, aggr_us=60_000_000_000))
        )
    view = Viewport()
    for _ in range(40):
        view = view.wider(history, -1)
    assert view.span == SPANS[0] == 5
    for _ in range(40):
        view = view.wider(history, 1)
    assert view.span >= 600_000
    assert view.span / 2 < 600_000
    for _ in range(40):
        view = view.wider(history, -1)
    assert view.span == 5
    for _ in range(40):
        view = view.wider(kept(10), 1)
    assert view.span == SPANS[-1]


HOT = 37 * GIB + 123 * 4096


def haystack(total: int = 64 * GIB) -> list[make.Row]:
    return [(4096, HOT, 0, 90), (HOT, HOT + 4096, 20, 50), (HOT + 4096, total, 0, 90)]


def test_next_hotter_finds_a_page_in_64_gib() -> None:
    shown = make.snapshot(haystack())
    view = Viewport().next_hotter(shown, 1.0, 1)
    assert view.point == (0, HOT)
    place = view.place(shown, 1.0)
    assert place == Place(HOT, 1.0, 0)
    closer = view.on_region(shown, place)
    assert closer.lo is not None
    assert closer.hi is not None
    assert closer.lo <= HOT < closer.hi
    assert closer.hi - closer.lo == 64 * 1024
    assert closer.whole() == view


def test_next_hotter_moves_a_zoomed_picture_to_it() -> None:
    shown = make.snapshot(haystack())
    view = Viewport(lo=4096, hi=GIB).next_hotter(shown, 1.0, 1)
    assert view.lo is not None
    assert view.hi is not None
    assert view.lo <= HOT < view.hi
    idle = make.snapshot([(0, GIB, 0, 3)])
    assert Viewport().next_hotter(idle, 1.0, 1) == Viewport()


def test_zooming_keeps_the_address_in_its_place_and_ends_at_pages_and_at_everything() -> None:
    shown = make.snapshot(haystack())
    view, place = Viewport(), Place(HOT, 1.0, 0)
    for _ in range(30):
        view = view.zoomed(shown, None, place, 0.25)
        assert view.lo is not None
        assert view.hi is not None
        assert view.lo <= HOT < view.hi
    assert view.hi - view.lo == 16 * 4096  # type: ignore[operator]
    up = view.panned(shown, 0.5)
    assert up.lo == view.lo + 8 * 4096  # type: ignore[operator]
    for _ in range(30):
        view = view.zoomed(shown, None, place, 4)
    assert view == Viewport()
    assert view.panned(shown, 0.5) == view


def test_zooming_into_a_sparse_space_takes_the_mapping_first() -> None:
    heap, stack = 0x55D0_C000_0000, 0x7FFE_0000_0000
    shown = make.snapshot([(heap, heap + 64 * MIB, 5, 1), (stack, stack + MIB, 3, 1)])
    stride = stride_for(1)
    axis = make_axis(extent(shown, stride), 40, stride=stride)
    view = Viewport().zoomed(shown, axis, Place(heap + MIB, 1.0), 0.25)
    assert (view.lo, view.hi) == (heap, heap + 64 * MIB)


@pytest.mark.parametrize("count", [2, 16, 100])
def test_zooming_goes_on_in_one_of_many_targets(count: int) -> None:
    shown = make.many_targets(count)
    stride = stride_for(count)
    view = Viewport()
    lengths = []
    for _ in range(30):
        axis = make_axis(extent(shown, stride), 40, stride=stride, lo=view.lo, hi=view.hi, ids=shown.targets)
        view = view.zoomed(shown, axis, Place(make.HEAP, 1.0, 1), 0.25)
        assert view.lo is not None
        assert view.hi is not None
        assert view.lo <= make.HEAP < view.hi < 1 << 47
        lengths.append(view.hi - view.lo)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] == 16 * 4096


def test_the_cursor_is_on_its_target_wherever_that_stands() -> None:
    view = Viewport().pointed(22, GIB)
    one = make.snapshot([(0, 2 * GIB, 0, 0)], targets=(22,))
    two = make.snapshot([(0, 2 * GIB, 0, 0)], target=[1], targets=(11, 22))
    other = make.snapshot([(0, 2 * GIB, 0, 0)], targets=(11,))
    assert view.place(one, 1.0) == Place(GIB, 1.0, 0)
    assert view.place(two, 1.0) == Place(GIB, 1.0, 1)
    assert view.place(other, 1.0) is None
    assert view.unpointed().place(one, 1.0) is None


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


NOON = make.WALL + 12 * 3600


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("11:05", NOON - 55 * 60),
        (" 11:05:30 ", NOON - 55 * 60 + 30),
        ("2026-01-01 11:05", NOON - 55 * 60),
        ("-2:31", NOON - 151),
        ("−1:00:00", NOON - 3600),
        ("-90s", NOON - 90),
        ("-1.5h", NOON - 5400),
        ("23:00", NOON - 13 * 3600),
    ],
)
def test_a_moment_as_people_write_it(text: str, wall: float) -> None:
    assert parse_moment(text, NOON - 86400, NOON) == wall


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("soon", "'soon' is no time; write a time of day, such as 14:05"),
        ("", "'' is no time"),
        ("25:00", "there is no 25:00; hours go to 23"),
        ("2026-02-31 10:00", "there is no 2026-02-31 10:00"),
        ("2026-01-02 10:00", "is still to come; the newest picture is of 12:00:00"),
        ("10:00", "10:00 is before the oldest picture, which is of 11:00:00"),
        ("-2h", "-2h is before the oldest picture"),
    ],
)
def test_what_is_no_kept_moment_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_moment(text, NOON - 3600, NOON)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=20)
    | st.from_regex(r"[0-9]{1,5}-[0-9]{1,3}-[0-9]{1,3} [0-9]{1,3}:[0-9]{2}|-[0-9]{1,400}(s|m|h|d)", fullmatch=True)
)
def test_whatever_is_written_is_a_moment_or_a_sentence(text: str) -> None:
    try:
        wall = parse_moment(text, NOON - 3600, NOON)
    except UsageError:
        return
    assert NOON - 3660 <= wall <= NOON + 60


def test_the_moment_of_a_wall_clock_that_runs_slower_than_the_model() -> None:
    history = History()
    for step in range(1, 101):
        history.append(replace(make.snapshot([(0, GIB, 1, 0)], step * 60.0), wall=make.WALL + step))
    for step in (1, 2, 50, 99, 100):
        shown = history.at(moment_of(history, make.WALL + step + 0.5))
        assert shown is not None
        assert shown.time == step * 60
    assert moment_of(history, 0.0) == 60
    assert moment_of(History(), 0.0) == 0


def test_after_is_the_next_entry_at_every_level() -> None:
    history = History(budget=60_000)
    for one in make.steady(400):
        history.append(one)
    times = [one.time for one in history]
    assert len(times) < 400
    for before, after in pairwise(times):
        assert history.after(before) == after
    assert history.after(0.0) == times[0]
    assert history.after(times[-1]) is None


# -- searching


def test_a_name_is_found_and_the_same_again_is_the_next() -> None:
    (shown,) = make.named(make.steady(1))
    view = Viewport().found(shown, 1.0, "Scanned")
    seen = [view.point]
    for _ in range(8):
        view = view.found(shown, 1.0, "scanned")
        seen.append(view.point)
    starts = [(0, int(start)) for start, name in zip(shown.start, shown.names, strict=True) if name == "scanned file"]
    assert seen == [*starts, starts[0]]  # and round again


def test_an_address_is_found_in_its_region() -> None:
    shown = make.steady(1)[0]
    assert Viewport().found(shown, 1.0, "0x10000000").point == (0, 0x10000000)
    assert Viewport().found(shown, 1.0, "10000000").point == (0, 0x10000000)
    zoomed = Viewport(lo=0x100000, hi=0x200000).found(shown, 1.0, "0x40000000")
    assert zoomed.lo is not None
    assert zoomed.hi is not None
    assert zoomed.lo <= 0x40000000 < zoomed.hi


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "nothing is searched for"),
        ("nowhere", "nothing mapped is called so"),
        ("0x10", "in no region"),
        ("f" * 40, "in no region"),
    ],
)
def test_what_is_not_found_is_one_sentence(text: str, sentence: str) -> None:
    (shown,) = make.named(make.steady(1))
    with pytest.raises(UsageError, match=sentence):
        Viewport().found(shown, 1.0, text)


# -- the picture grows


def test_the_span_grows_with_what_there_is_and_is_at_least_two_thirds_full() -> None:
    history, view = History(), Viewport(span=240.0, grows=True)
    assert view.reach(history) == 10
    for one in make.steady(400):
        history.append(one)
        reach = view.reach(history)
        assert reach <= 240
        assert one.time < 10 or reach == 240 or reach * 2 / 3 <= one.time <= reach
    assert view.reach(history) == 240
    assert Viewport(span=math.inf, grows=True).reach(history) == 400
    assert Viewport(span=120.0).reach(history) == 120


def test_a_paused_picture_does_not_grow() -> None:
    history, view = History(), Viewport(span=240.0, grows=True)
    made = make.steady(100)
    for one in made[:40]:
        history.append(one)
    view = view.frozen(history)
    assert view.reach(history) == 45
    for one in made[40:]:
        history.append(one)
    assert view.reach(history) == 45
    assert view.live().reach(history) == 120


def test_a_longer_span_while_it_grows_is_the_one_that_it_grows_to() -> None:
    history = History()
    for one in make.steady(7):
        history.append(one)
    longer = Viewport(span=240.0, grows=True).wider(history, 1)
    assert (longer.span, longer.grows) == (240, False)
    assert longer.wider(history, 1).span == 480
    assert Viewport(span=240.0, grows=True).wider(history, -1).span == 5
