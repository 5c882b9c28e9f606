"""What the panes beside the heatmap say, as text: numbers with their units, and never a number that is not known."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import FRAME_KINDS, Frames, Truth, ints
from damontui.errors import SourceError, UsageError
from damontui.tui.draw import Pane, fit
from damontui.tui.options import ScreenOptions
from damontui.tui.panes.bandwidth import BandwidthPane
from damontui.tui.panes.idle import IdlePane
from damontui.tui.panes.intervals import IntervalsPane
from damontui.tui.panes.keyline import KeyLine
from damontui.tui.panes.notice import messages, wrapped
from damontui.tui.panes.title import TitleBar, moment
from damontui.tui.served import LookedAt, ServedApp
from tests import make
from tests.make import GIB
from tests.tui import fed, made
from tests.tui.frames import drawn, frame, text

NO_GOAL = Attrs(sample_us=50_000, aggr_us=1_000_000, goal=None)
ROWS = [(0, GIB, 10, 4), (GIB, 3 * GIB, 0, 59), (3 * GIB, 4 * GIB, 0, 9)]
DENIED = SourceError("cannot read DAMON_STAT", "only root may read it", "run: sudo damontui stat")
SIDE = [IntervalsPane, BandwidthPane, IdlePane]


# -- intervals -----------------------------------------------------------------------------------------------------


def test_intervals_name_their_units() -> None:
    lines = drawn(IntervalsPane(), frame([make.snapshot(ROWS, until_tuning=2)]), 50, 6)
    assert lines[0].startswith("sampling      50.0 ms")
    assert lines[0].endswith("5 ms … 10.0 s")
    assert lines[1].startswith("aggregation       1 s  20 samples")
    assert lines[2].startswith("observed         12 %  goal 4.0 %")
    assert lines[3].startswith("next tuning    in 2 s  2 aggregations, every 3")
    assert lines[4].startswith("regions             3  10 ▕")
    assert lines[4].endswith("▏ 1000")
    assert lines[5].startswith("overhead CPU    0.3 %  kdamond")


def test_sampling_history_shows_growth() -> None:
    made = [make.snapshot(ROWS, float(t), attrs=Attrs(5_000 * 2**t, 100_000 * 2**t)) for t in range(1, 10)]
    line = drawn(IntervalsPane(), frame(made, span=9.0), 50, 6)[0]
    spark = line.removeprefix("sampling       2.56 s  ").removesuffix("  5 ms … 10.0 s").strip()
    assert spark
    assert list(spark) == sorted(spark)
    assert spark[0] != spark[-1]


def test_fixed_intervals_have_no_goal() -> None:
    shown = frame([make.snapshot(ROWS, attrs=NO_GOAL)])
    lines = drawn(IntervalsPane(), shown, 50, 6)
    assert "goal" not in "".join(lines)
    assert lines[3].split() == ["next", "tuning", "none", "intervals", "are", "fixed"]
    assert IntervalsPane().caption(shown)[0] == "Intervals, fixed"


def test_the_goal_is_the_middle_of_the_bar() -> None:
    exact = make.snapshot([(0, GIB, 8, 0), (GIB, 10 * GIB, 0, 0)], attrs=Attrs(50_000, 1_000_000))
    line = drawn(IntervalsPane(), frame([exact]), 50, 6)[2]
    inside = line[line.index("▕") + 1 : line.index("▏", line.index("▕"))]
    assert abs(inside.count("█") - len(inside) // 2) <= 1


def test_overhead_names_the_kdamond_and_us() -> None:
    made = make.snapshot(ROWS, module=make.module_values())
    line = drawn(IntervalsPane(), frame([made], own_cpu=0.012), 50, 6)[5]
    assert line == "overhead CPU    0.3 %  kdamond 123 · ours 1.2 %"
    assert "—" in drawn(IntervalsPane(), frame([make.snapshot(ROWS, cpu=None)]), 50, 6)[5]


def test_overhead_names_what_drawing_page_frames_costs() -> None:
    none = ints([0] * len(ROWS))
    frames = Frames(np.ones((len(ROWS), len(FRAME_KINDS)), np.int64), none, none.copy(), 0.001)
    shown = frame([make.snapshot(ROWS, module=make.module_values(), frames=frames)], own_cpu=0.012)
    assert drawn(IntervalsPane(), shown, 50, 6)[5] == "overhead CPU    0.3 % · ours 1.2 % · frames 0.1 %"
    wide = drawn(IntervalsPane(), shown, 70, 6)[5]
    assert wide == "overhead CPU    0.3 %  kdamond 123 · ours 1.2 % · frames 0.1 %"


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"closer": "paddr"}, "takes 1:40 here. T looks closer: a picture every 10 s or oftener"),
        (
            {"locked": "read-only session"},
            "T is locked (read-only session): sudo damontui paddr --take looks closer; a",
        ),
        (
            {},
            "There is no closer look at all memory here; a process alone is seen within a second, without DAMON: press",
        ),
    ],
)
def test_a_picture_that_moves_seldom_says_what_helps(about: dict[str, str], said: str) -> None:
    shown = frame([make.snapshot(ROWS)], description=make.description(**about), long_s=100.0)
    ((words, style),) = messages(shown)
    assert said in words
    assert "tuned to how little is in use" in words
    assert style == "label"
    assert text(wrapped([(words, style)], 60)[0]).startswith(" ● One aggregation takes 1:40 here")
    assert messages(frame([make.snapshot(ROWS)])) == []


def test_a_long_aggregation_says_when_it_is_due() -> None:
    attrs = Attrs(500_000, 10_000_000)
    made = make.snapshot(ROWS, 100.0, attrs=attrs)
    assert "due in 4 s" in drawn(IntervalsPane(), frame([made], clock=made.wall + 6), 50, 6)[1]
    assert "due now" in drawn(IntervalsPane(), frame([made], clock=made.wall + 11), 50, 6)[1]
    assert "next in" not in drawn(IntervalsPane(), frame([made], clock=made.wall + 6, live=False), 50, 6)[1]


def test_intervals_in_one_line() -> None:
    shown = frame([make.snapshot(ROWS)])
    assert drawn(IntervalsPane(), shown, 78, 1) == [
        "sampling 50.0 ms aggregation 1 s · observed 12 % of 4.0 % · 3 regions · 0.3 % CPU"[:78].rsplit(" ·", 1)[0]
    ]
    assert drawn(IntervalsPane(), shown, 34, 1)[0].startswith("sampling 50.0 ms")


# -- bandwidth -----------------------------------------------------------------------------------------------------


def test_bandwidth_now_mean_and_peak_over_the_span() -> None:
    made = [make.snapshot([(0, 100 * 4096, accesses, 0)], float(t)) for t, accesses in enumerate((10, 20, 6), 1)]
    lines = drawn(BandwidthPane(), frame(made, span=3.0), 50, 7)
    # of the first nothing is known before it: half a count at most is lost, in two cases of three; later there is a
    # threshold of 2 with 20 of 20, and of 0 with 6
    assert lines[0] == "2.46 MB/s   mean 4.96 MB/s   peak 8.19 MB/s"
    assert drawn(BandwidthPane(), frame(made, span=2.0), 50, 7)[0].endswith("peak 8.19 MB/s")
    assert drawn(BandwidthPane(), frame(made, span=1.0), 50, 7)[0] == "2.46 MB/s   mean 2.46 MB/s   peak 2.46 MB/s"


def test_bandwidth_chart_has_a_scale() -> None:
    made = [make.snapshot([(0, 100 * 4096, 20, 0)], float(t)) for t in range(1, 5)]
    lines = drawn(BandwidthPane(), frame(made, span=4.0), 50, 5)
    assert lines[1].endswith("┤ 10.0 MB/s")
    assert lines[-1].endswith("┤ 0 B/s")
    assert lines[-1].startswith("█" * 30)
    assert drawn(BandwidthPane(), frame(made, span=4.0), 50, 3)[1].endswith("0 … 10.0 MB/s") is False


def test_the_modules_own_value_is_labelled() -> None:
    lines = drawn(BandwidthPane(), frame([make.snapshot(ROWS, module=make.module_values())]), 50, 7)
    assert lines[-1] == "the module says 3.1 GB/s mid-count"


def test_without_regions_the_module_speaks_for_itself() -> None:
    pane = BandwidthPane()
    shown = frame([make.snapshot([], module=make.module_values(), note="no tracefs")])
    assert pane.caption(shown)[0] == "Bandwidth, the module's own"
    lines = drawn(pane, shown, 50, 7)
    assert lines[0].startswith("3.1 GB/s")
    assert lines[-1] == "read mid-count by the kernel: usually too low"


def test_without_regions_and_module_there_is_no_number() -> None:
    shown = frame([make.snapshot([], note="nothing")])
    assert drawn(BandwidthPane(), shown, 50, 7)[0] == "—   mean —   peak —"
    assert drawn(IdlePane(), shown, 50, 15) == ["no percentiles from this kernel"]
    assert "not readable" in "".join(drawn(IntervalsPane(), shown, 50, 6))


def test_truth_stands_beside_the_estimate() -> None:
    truth = Truth(GIB, 2 * 21_474_836_480.0 / 4, tuple(range(-50, 51)))
    made = make.snapshot(ROWS, origin="simulated", truth=truth)
    lines = drawn(BandwidthPane(), frame([made]), 50, 7)
    assert lines[-1] == "truth 10.7 GB/s   estimate is 103 % of it"  # with what two parts lose by a threshold of 1
    table = drawn(IdlePane(), frame([made]), 50, 15)
    assert "truth" in table[0]
    assert "−50.0 ms" in table[1]
    assert "50.0 ms" in table[11]


def test_bandwidth_in_one_line() -> None:
    made = [make.snapshot(ROWS, float(t)) for t in range(1, 5)]
    line = drawn(BandwidthPane(), frame(made, span=4.0), 78, 1)[0]
    assert line.startswith("bandwidth 11.1 GB/s · mean 11.1 GB/s · peak 11.1 GB/s")
    assert line.endswith("▆" * 20)


# -- idle time -----------------------------------------------------------------------------------------------------


def test_percentiles_are_two_sided() -> None:
    lines = drawn(IdlePane(), frame([make.snapshot(ROWS)]), 50, 15)
    assert lines[0].split() == ["coldest", "untouched", "for", "│", "so", "long"]
    assert lines[1].startswith("p0     100 %   in use      5 s")
    assert "◀│" in lines[1]
    assert lines[1].endswith("│")
    assert lines[4].startswith("p30     70 %     idle   10.0 s")
    assert lines[4].endswith("3 GiB")
    assert lines[11].startswith("p100     0 %     idle   60.0 s")
    assert lines[11].endswith("2 GiB")
    assert "coldest 25 %: untouched for 60.0 s or longer" in lines
    bars = [line.count("█") for line in lines[1:12]]
    assert max(bars[4:]) > max(bars[:3])


def test_bars_share_one_axis() -> None:
    lines = drawn(IdlePane(), frame([make.snapshot(ROWS)]), 50, 15)[:12]
    assert len({line.index("│") for line in lines}) == 1


def test_all_101_percentiles_scroll() -> None:
    pane = IdlePane()
    shown = frame([make.snapshot(ROWS)], all_percentiles=True)
    pane.frame = shown
    first = drawn(pane, shown, 50, 15)
    assert [line.split()[0] for line in first[1:]] == [f"p{p}" for p in range(14)]
    pane.scroll_rows(1000)
    last = drawn(pane, shown, 50, 15)
    assert last[-1].split()[0] == "p100"
    assert len(last) == 15
    pane.scroll_rows(-1000)
    assert drawn(pane, shown, 50, 15) == first


@pytest.mark.parametrize(
    ("height", "rows"), [(30, 21), (22, 21), (21, 11), (15, 11), (12, 11), (11, 5), (5, 5), (6, 5)]
)
def test_as_many_percentiles_as_fit(height: int, rows: int) -> None:
    lines = drawn(IdlePane(), frame([make.snapshot(ROWS)]), 50, height)
    assert sum(line.startswith("p") for line in lines) == rows


def test_idle_time_in_one_line() -> None:
    assert drawn(IdlePane(), frame([make.snapshot(ROWS)]), 60, 1)[0].startswith(
        "p50 idle 10.0 s · p75 idle 60.0 s · p25 in use 5 s"
    )


def test_memory_all_in_use_is_not_called_idle() -> None:
    lines = drawn(IdlePane(), frame([make.snapshot([(0, GIB, 20, 10)])]), 50, 15)
    assert "less than a quarter of this memory is idle" in lines
    assert all("in use" in line for line in lines[1:12])


# -- states --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SIDE)
def test_waiting_says_for_what_and_how_long(kind: type[Pane]) -> None:
    lines = drawn(kind(), frame(), 50, 8)
    assert " ".join(lines) == "Waiting for the first aggregation, at most 3:20"
    told = frame(status=make.status("waiting", "the first refresh, at most 5 s"))
    assert drawn(kind(), told, 50, 8) == ["Waiting for the first refresh, at most 5 s"]


@pytest.mark.parametrize("kind", SIDE)
def test_refused_says_what_why_and_the_remedy(kind: type[Pane]) -> None:
    lines = drawn(kind(), frame(error=DENIED), 50, 8)
    assert lines[0].endswith("cannot read DAMON_STAT")
    assert lines[1:] == ["only root may read it", "run: sudo damontui stat"]
    assert "run: sudo" in drawn(kind(), frame(error=DENIED), 200, 1)[0]
    assert drawn(kind(), frame(error=UsageError("no such scene")), 50, 8)[0].endswith("no such scene")


@pytest.mark.parametrize("kind", SIDE)
@pytest.mark.parametrize("width", [1, 8, 20, 33, 50, 120])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 7, 30])
def test_every_size_is_drawn_within_itself(kind: type[Pane], width: int, height: int) -> None:
    for shown in (
        frame(make.steady(5, origin="simulated", truth=True)),
        frame(make.steady(5, module=make.module_values()), ascii=True),
        frame(),
        frame(error=DENIED),
        frame([make.snapshot([], module=make.module_values())]),
    ):
        lines = list(kind().draw(shown, width, height))
        assert len(lines) <= height
        assert all(len(text(fit(line, width))) <= width for line in lines)


# -- title and notice ----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def title(width: int = 120, **changes: object) -> str:
    snapshots = changes.pop("snapshots", [make.snapshot(ROWS, 60.0)])
    return drawn(TitleBar(), frame(snapshots, **changes), width, 1)[0]  # type: ignore[arg-type]


def test_title_names_target_host_and_kernel() -> None:
    words = title().split()
    assert words[:6] == ["damontui", "DAMON_STAT", "·", "lab", "·", "Linux"]
    assert words[6:] == ["7.2.13", "●", "LIVE", "00:01:00", "enabled", "██", "on"]


def test_state_is_never_in_doubt() -> None:
    assert "PAUSED −2:31 · 14 new" in title(live=False, behind=151.0, pending=14)
    assert "LIVE" not in title(live=False)
    off = title(enabled=False, status=make.status("off", "", 30.0))
    assert "○ OFF" in off
    assert off.endswith("off since 00:00:30")
    assert "WAITING" in title(snapshots=[])
    assert "STOPPED" in title(error=DENIED)
    assert "unknown" in title(error=DENIED, snapshots=[])
    assert "GONE" in title(status=make.status("gone", "unloaded"))
    assert "ENDED" in title(status=make.status("ended", "at its end"))
    assert "SWITCHING" in title(switching=True)
    assert "3 sampling deadlines missed" in title(snapshots=[make.snapshot(ROWS, late=3)])
    assert "locked" in title(description=make.description(locked="read-only"))


def test_simulated_says_so_with_its_speed() -> None:
    assert "SIMULATED ×60" in title(description=make.description("simulated"))
    assert "SIMULATED ×max" in title(description=make.description("simulated", speed=float("inf")))


def test_a_record_says_so_with_its_date_and_whether_it_plays() -> None:
    record = make.description("record", speed=2.0)
    still = title(description=record, live=False, behind=30.0)
    assert f" RECORD  {moment(make.WALL + 60)}" in still
    assert not any(word in still for word in ("LIVE", "PAUSED", "REPLAY", "▶", "enabled"))
    playing = title(description=record, live=False, playing=True, behind=30.0)
    assert "▶ ×2" in playing
    assert "PAUSED" not in playing
    assert " READING…" in title(description=record, snapshots=[])


@pytest.mark.parametrize("width", range(1, 121, 7))
def test_title_keeps_its_state_at_every_width(width: int) -> None:
    line = title(width, live=False, behind=9.0)
    assert len(line) <= width
    if width >= 20:
        assert "PAUSED" in line


def test_notice_only_where_there_is_something_to_say() -> None:
    assert messages(frame([make.snapshot(ROWS)])) == []
    lost = make.snapshot(ROWS, complete=False, lost=12)
    assert messages(frame([lost], lost=lost)) == [("12 events lost, this column is partial", "warn")]
    after = frame([lost, make.snapshot(ROWS, 2.0)], lost=lost)
    assert messages(after) == [("12 events lost, the column at 00:00:01 is partial", "warn")]
    broken = messages(frame([make.snapshot(ROWS)], error=DENIED))
    assert broken == [("cannot read DAMON_STAT: only root may read it. Run: sudo damontui stat", "error")]
    assert messages(frame(error=DENIED)) == []  # the panes say it
    off = make.status("off", "DAMON_STAT was switched off by another program")
    assert messages(frame([make.snapshot(ROWS)], enabled=False, status=off)) == []
    others = messages(frame([make.snapshot(ROWS)], enabled=False, status=off, by_others=True))
    assert others == [("DAMON_STAT was switched off by another program", "warn")]
    gone = messages(frame([make.snapshot(ROWS)], status=make.status("gone", "DAMON_STAT was unloaded")))
    assert gone == [("DAMON_STAT was unloaded; press t for another target, e to start afresh", "warn")]


def test_notice_wraps_and_marks() -> None:
    lines = [text(line) for line in wrapped([("one two three four", "warn"), ("five", "label")], 16)]
    assert lines == [" ⚠ one two", "   three four", " ● five"]


def test_next_attrs_are_what_is_in_force() -> None:
    tuned = make.snapshot(ROWS, next_attrs=replace(make.ATTRS, sample_us=100_000, aggr_us=2_000_000))
    assert drawn(IntervalsPane(), frame([tuned]), 50, 6)[0].startswith("sampling       100 ms")
    assert drawn(BandwidthPane(), frame([tuned]), 50, 6)[0].startswith("11.1 GB/s")


def test_goal_bounds_are_the_sparklines_scale() -> None:
    goal = IntervalsGoal(min_sample_us=1_000, max_sample_us=100_000)
    made = make.snapshot(ROWS, attrs=Attrs(50_000, 1_000_000, goal=goal))
    assert drawn(IntervalsPane(), frame([made]), 50, 6)[0].endswith("1 ms … 100 ms")


def test_make_is_deterministic() -> None:
    first, second = make.steady(30)[-1], make.steady(30)[-1]
    assert (first.start == second.start).all()
    assert (first.nr_accesses == second.nr_accesses).all()


def test_who_tunes_is_said_where_the_kernel_cannot() -> None:
    (made,) = make.steady(1)
    assert IntervalsPane().caption(frame([made]))[0] == "Intervals, auto-tuned"
    here = replace(made, tuned_here=True)
    assert IntervalsPane().caption(frame([here]))[0] == "Intervals, tuned by damontui, since this kernel cannot"


def test_a_notice_goes_when_what_it_says_is_no_longer_so() -> None:
    left = make.description(notice="DAMON_STAT is off: an earlier run was killed; run: damontui doctor")
    off = [make.snapshot(ROWS, module=make.module_values(enabled=False))]
    on = [make.snapshot(ROWS, module=make.module_values())]
    assert any("an earlier run" in text for text, _ in messages(frame(off, description=left)))
    assert not any("an earlier run" in text for text, _ in messages(frame(on, description=left)))
    # switched on here, and no aggregation is whole yet
    assert not any("an earlier run" in text for text, _ in messages(frame(description=left, interim=made.interim())))


def test_a_browser_is_offered_no_closer_look() -> None:
    told = LookedAt(fed.Silent(make.description(closer="paddr"))).describe()
    assert (told.closer, told.locked) == ("", "it is served to a browser for looking only")


async def test_the_line_of_keys_leaves_out_what_a_browser_may_not_do() -> None:
    app = ServedApp(fed.session(make.description()), options=ScreenOptions(clocks=False))
    async with app.run_test(size=(120, 36)):
        fed.feed_all(app, make.steady(5))
        text = app.query_one(KeyLine).text()
        assert "pause" in text
        assert "switch" not in text
        assert "target" not in text
        assert app.check_action("wish", ("record",)) is False
        assert app.check_action("switch", ()) is False
        assert app.check_action("pause", ()) is not False
