"""Moving through time and memory with keys and mouse: what every pane then shows."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.events import MouseDown, MouseMove, MouseScrollDown, MouseScrollUp, MouseUp
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import Static
from textual.widgets._toast import Toast

from damontui.analysis.axis import SHOWN, Axis
from damontui.analysis.rounding import Rounding
from damontui.damon import metrics
from damontui.damon.snapshot import Snapshot
from damontui.errors import SourceError
from damontui.monitor import Monitor
from damontui.tui.app import DamontuiApp
from damontui.tui.heatmap.widget import RegionsPane
from damontui.tui.ink import EMPTY
from damontui.tui.listing import Listing, selected
from damontui.tui.panes.bandwidth import BandwidthPane
from damontui.tui.panes.detail import DetailPane
from damontui.tui.panes.idle import IdlePane
from damontui.tui.panes.intervals import IntervalsPane
from damontui.tui.panes.keyline import KeyLine
from damontui.tui.panes.list import ListPane
from damontui.tui.panes.notice import Notice
from damontui.tui.panes.savings import SavingsPane
from damontui.tui.panes.scrubber import Scrubber
from damontui.tui.panes.title import TitleBar, clock, moment
from damontui.units import bandwidth, duration, size
from tests import make
from tests.make import GIB
from tests.tui import fed


def shown_bytes(axis: Axis) -> int:
    """Bytes in rows to scale."""
    return sum(part.hi - part.lo for part in axis.parts if part.kind == SHOWN)


@asynccontextmanager
async def running(
    snapshots: Iterable[Snapshot] | None = None, size: tuple[int, int] = (120, 36), history: int = 0
) -> AsyncIterator[tuple[DamontuiApp, Pilot[int]]]:
    app = fed.app(make.description(), clock=lambda: make.WALL + 240.0, history=history)
    async with app.run_test(size=size) as pilot:
        fed.feed_all(app, make.steady(240) if snapshots is None else list(snapshots))
        await pilot.pause()
        yield app, pilot


def title(app: DamontuiApp) -> str:
    return app.query_one(TitleBar).text()


def chosen(pane: ListPane) -> str:
    """The row that the cursor is in."""
    (line,) = (line for line in pane.text().splitlines() if line.startswith("▶"))
    return line


# -- time ----------------------------------------------------------------------------------------------------------


async def test_all_panes_show_the_moment_and_collecting_goes_on() -> None:
    made, joined = make.steady(300), Rounding()
    touched = {one.time: joined.bandwidth(one) for one in made}
    async with running(made[:240]) as (app, pilot):
        await pilot.press(*["left"] * 20)
        assert app.session.viewport.moment is not None
        shown = app.session.history.at(app.session.viewport.moment)
        assert shown is not None
        assert 100 < shown.time < 170
        attrs = shown.next_attrs
        assert f"sampling     {duration(attrs.sample_us / 1e6):>8}" in app.query_one(IntervalsPane).text()
        assert app.query_one(BandwidthPane).text().startswith(bandwidth(touched[shown.time]))
        estimate = app.frame().estimate
        assert estimate is not None
        assert estimate.time == shown.time
        p75 = estimate.idle_ms_percentiles[75]
        assert f"coldest 25 %: untouched for {duration(p75 / 1000)}" in app.query_one(IdlePane).text()
        before = [app.query_one(kind).text() for kind in (RegionsPane, IntervalsPane, BandwidthPane, IdlePane)]
        for one in made[240:]:
            fed.feed(app, one)
        assert [app.query_one(kind).text() for kind in (RegionsPane, IntervalsPane, BandwidthPane, IdlePane)] == before
        assert len(app.session.history) == 300
        await pilot.press("end")
        assert app.session.viewport.moment is None
        assert app.query_one(BandwidthPane).text().startswith(bandwidth(touched[made[-1].time]))


async def test_the_title_says_how_far_back_and_what_time_it_was() -> None:
    async with running() as (app, pilot):
        await pilot.press("minus", "minus", "home")
        assert f" LIVE −3:59 · {clock(make.WALL + 1)} " in title(app)
        assert "PAUSED" not in title(app)
        assert app.query_one("#body").has_class("-frozen")
        await pilot.press("space")
        assert f"● LIVE {clock(make.WALL + 240)}" in title(app)


async def test_the_bandwidths_past_ends_at_the_moment() -> None:
    spike = [make.snapshot([(0, GIB, 20 if 200 < t <= 210 else 1, 3)], float(t)) for t in range(1, 241)]
    async with running(spike) as (app, pilot):
        assert "peak 21.5 GB/s" in app.query_one(BandwidthPane).text()
        await pilot.press("g", *"-1:00", "enter")
        assert app.session.viewport.moment == 180
        assert "peak 1.07 GB/s" in app.query_one(BandwidthPane).text()


async def test_the_picture_stays_and_a_mark_on_the_time_axis_moves() -> None:
    async with running() as (app, pilot):
        pane = app.query_one(RegionsPane)
        before = pane.picture.codes.copy()
        await pilot.press("left", "left")
        assert (pane.picture.codes == before).all()
        rule = pane.text().splitlines()[-3]
        assert rule.index("▲") == len(rule) - 3
        assert clock(make.WALL + 240) in pane.text()
        await pilot.press("right", "right")
        assert "▲" not in pane.text()
        assert "now" in pane.text()


async def test_moving_through_time_paints_the_axis_only() -> None:
    async with running() as (app, pilot):
        pane = app.query_one(RegionsPane)
        await pilot.press("left")
        painted: list[Region] = []
        pane.refresh = lambda *regions, **_: painted.extend(regions)  # type: ignore[assignment, method-assign, return-value]
        await pilot.press("left")
        assert {region.y for region in painted} == {pane.grid.layout.lines}


async def test_moving_through_memory_paints_two_lines() -> None:
    async with running() as (app, pilot):
        pane = app.query_one(RegionsPane)
        await pilot.press("up", "up")
        await pilot.pause()
        painted: list[Region] = []
        pane.refresh = lambda *regions, **_: painted.extend(regions)  # type: ignore[assignment, method-assign, return-value]
        await pilot.press("up")
        assert [region.height for region in painted] == [2]


async def test_a_wrong_time_is_a_sentence_and_can_be_mended() -> None:
    async with running() as (app, pilot):
        await pilot.press("g", *"99:99", "enter")
        assert "there is no 99:99" in str(app.screen.query_one("#hint").render())
        assert app.session.viewport.moment is None
        await pilot.press(*["backspace"] * 5, *"-2m", "enter")
        assert app.session.viewport.moment == 120
        await pilot.press("g", *"-1m", "escape")
        assert app.session.viewport.moment == 120
        assert "no 99" not in title(app)


async def test_no_time_to_go_to_before_the_first_snapshot() -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL)
    async with app.run_test() as pilot:
        await pilot.press(
            "slash", "left", "right", "home", "end", "shift+left", "up", "n", "z", "enter", "y", "0", "f", "m"
        )
        assert app.session.viewport.moment is None
        assert len(app.screen_stack) == 1
        await pilot.press("l", "down", "o", "v", "less_than_sign", "s")
        assert "WAITING" in title(app)


async def test_a_click_and_a_drag_on_the_heatmap_go_there() -> None:
    async with running() as (app, pilot):
        pane = app.query_one(RegionsPane)
        middle = pane.grid.layout.gutter + pane.grid.layout.columns // 2
        await pilot.click(RegionsPane, offset=(middle + 1, 10))
        assert app.session.viewport.moment is not None
        assert 115 <= app.session.viewport.moment <= 130
        assert app.session.viewport.point is not None
        address = app.session.viewport.point[1]
        await pilot._post_mouse_events([MouseDown], pane, (middle + 1, 10), button=1)
        await pilot._post_mouse_events([MouseMove], pane, (middle - 9, 14), button=1)
        dragged = app.session.viewport.moment
        assert dragged < 100
        assert app.session.viewport.point[1] < address
        await pilot._post_mouse_events([MouseUp], pane, (middle - 9, 14), button=1)
        await pilot._post_mouse_events([MouseMove], pane, (middle, 10))
        assert app.session.viewport.moment == dragged


async def test_a_click_at_the_right_edge_stays_live() -> None:
    async with running() as (app, pilot):
        pane = app.query_one(RegionsPane)
        await pilot.click(RegionsPane, offset=(pane.grid.layout.width, 10))
        assert app.session.viewport.moment is None
        assert app.session.viewport.point is not None
        fed.feed(app, make.steady(241)[240])
        assert "● LIVE" in title(app)
        assert app.query_one(DetailPane).frame is not None
        assert app.query_one(DetailPane).frame.now == 241  # type: ignore[union-attr]


async def test_what_is_kept_coarser_says_so_where_it_is_shown() -> None:
    async with running(make.steady(3600), history=100_000) as (app, pilot):
        pane = app.query_one(RegionsPane)
        await pilot.press(*["plus"] * 3)
        kept = app.session.history.resolution_at(3600 - 1800 + 1)
        assert f"one picture in {duration(kept)} at the left" in str(pane.border_subtitle)
        await pilot.press("home")
        assert f"mean of {duration(app.session.history.resolution_at(1.0))} shown" in str(pane.border_subtitle)
        await pilot.press("end", *["minus"] * 9)
        assert "one picture" not in str(pane.border_subtitle)


@asynccontextmanager
async def recorded(
    snapshots: Iterable[Snapshot] | None = None, size: tuple[int, int] = (120, 36), **changes: object
) -> AsyncIterator[tuple[DamontuiApp, Pilot[int]]]:
    """A record of four minutes that was read."""
    app = fed.app(make.description("record", **changes), clock=lambda: make.WALL + 1e6)
    async with app.run_test(size=size) as pilot:
        fed.feed_all(app, make.steady(240, origin="record") if snapshots is None else list(snapshots))
        fed.feed(app, make.status("ended", "the end of it", 240.0))
        await pilot.pause()
        yield app, pilot


async def test_a_record_opens_whole_at_its_newest_moment() -> None:
    async with recorded() as (app, _):
        pane = app.query_one(RegionsPane)
        assert app.session.span == 240  # no more and no less than there is
        assert "4 min" in str(pane.border_subtitle)
        assert (pane.picture.codes != EMPTY).any(axis=0).all()
        assert f" RECORD  {moment(make.WALL + 240)}" in title(app)
        assert "LIVE" not in title(app)
        assert "ENDED" not in title(app)
        assert not app.query_one(Notice).display
        assert not app.query_one("#body").has_class("-frozen")
        assert "play" in app.query_one(KeyLine).text()
        assert "switch" not in app.query_one(KeyLine).text()


async def test_keys_go_where_the_record_goes() -> None:
    async with recorded() as (app, pilot):
        await pilot.press("home")
        assert f" RECORD  {moment(make.WALL + 1)}" in title(app)
        await pilot.press("shift+right")
        assert f" RECORD  {moment(make.WALL + 25)}" in title(app)
        await pilot.press("right")
        assert app.session.viewport.moment == pytest.approx(
            25 + app.session.span / app.query_one(RegionsPane).grid.layout.columns
        )
        await pilot.press("g", *"00:02:00", "enter")
        assert f" RECORD  {moment(make.WALL + 120)}" in title(app)
        await pilot.press("end")
        assert f" RECORD  {moment(make.WALL + 240)}" in title(app)
        await pilot.press("right")
        assert f" RECORD  {moment(make.WALL + 240)}" in title(app)
        assert app.session.span == 240


async def test_space_plays_and_pauses_a_record() -> None:
    async with recorded() as (app, pilot):
        await pilot.press("space")
        assert f" RECORD  {moment(make.WALL + 1)}  ▶ ×1" in title(app)
        assert "pause" in app.query_one(KeyLine).text()
        fed.advance(app, 9.0)
        assert f" RECORD  {moment(make.WALL + 10)}  ▶ ×1" in title(app)
        await pilot.press("right_square_bracket", "right_square_bracket", "right_square_bracket")
        fed.advance(app, 5.0)
        assert f" RECORD  {moment(make.WALL + 60)}  ▶ ×10" in title(app)
        await pilot.press("space")
        fed.advance(app, 5.0)
        assert f" RECORD  {moment(make.WALL + 60)}" in title(app)
        assert "▶" not in title(app)
        assert "PAUSED" not in title(app)
        await pilot.press("space")  # on from there
        fed.advance(app, 17.0)
        assert f" RECORD  {moment(make.WALL + 230)}  ▶" in title(app)
        fed.advance(app, 17.0)
        assert f" RECORD  {moment(make.WALL + 240)}" in title(app)
        assert not app.session.playback.playing


async def test_a_record_plays_at_many_paces() -> None:
    async with recorded(speed=math.inf) as (app, pilot):
        assert app.session.playback.pace == 3600
        await pilot.press(*["left_square_bracket"] * 20)
        assert app.session.playback.pace == 0.25
        await pilot.press(*["right_square_bracket"] * 20)
        assert app.session.playback.pace == 3600
        await pilot.press("space")
        fed.advance(app, 0.01)
        assert app.session.viewport.moment == pytest.approx(37)


async def test_the_scrubber_shows_and_seeks() -> None:
    async with recorded() as (app, pilot):
        scrubber = app.query_one(Scrubber)
        assert scrubber.display
        assert scrubber.text().split() == [clock(make.WALL), "━" * 99 + "●", clock(make.WALL + 240)]
        await pilot.click(Scrubber, offset=(10, 0))
        assert f" RECORD  {moment(make.WALL + 1)}" in title(app)
        await pilot.click(Scrubber, offset=(59, 0))
        assert app.session.viewport.moment == pytest.approx(240 * 49 / 99)
        assert scrubber.text()[59] == "●"
        await pilot.press(*["minus"] * 3)
        assert app.session.span == 30
        assert scrubber.text().count("━") == pytest.approx(99 / 8, abs=2)
        await pilot.click(Scrubber, offset=(109, 0))
        assert app.session.viewport.moment is None


async def test_what_is_live_has_no_scrubber() -> None:
    async with running() as (app, _):
        assert not app.query_one(Scrubber).display


async def test_a_record_that_is_still_written_goes_on() -> None:
    app = fed.app(make.description("record"), clock=lambda: make.WALL)
    made = make.steady(90, origin="record")
    async with app.run_test(size=(120, 36)) as pilot:
        assert " RECORD  READING…" in title(app)
        fed.feed_all(app, made[:60])
        assert app.session.span == 60
        fed.feed_all(app, made[60:])
        assert app.session.span == 90
        assert moment(make.WALL + 90) in title(app)
        await pilot.press("home")
        fed.feed(app, make.steady(91, origin="record")[-1])
        assert moment(make.WALL + 1) in title(app)


async def test_an_empty_record_says_so() -> None:
    app = fed.app(make.description("record"), clock=lambda: make.WALL)
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed(app, make.status("ended", "a.damontui holds no snapshot"))
        await pilot.press("space", "home", "end", "right")
        assert " RECORD  EMPTY" in title(app)
        assert "holds no snapshot" in app.query_one(Notice).text()
        assert not app.session.playback.playing


async def test_what_happens_now_has_one_pace() -> None:
    async with running() as (app, pilot):
        await pilot.press("right_square_bracket")
        assert "only a record plays at another one" in app.query_one(Notice).text()


async def test_slash_searches_a_name_or_an_address() -> None:
    async with running(make.named(make.steady(3))) as (app, pilot):
        await pilot.press("slash", *"archive", "enter")
        assert "archive" in app.query_one(DetailPane).text()
        await pilot.press("slash", *["backspace"] * 7, *"nowhere", "enter")
        assert "nothing mapped is called so" in str(app.screen.query_one("#hint", Static).content)
        await pilot.press("escape", "slash", "enter")  # what was found last stands there
        assert "archive" in app.query_one(DetailPane).text()


async def test_the_list_has_a_first_and_a_last_row() -> None:
    async with running(make.named(make.steady(3))) as (app, pilot):
        await pilot.press("l", "G")
        pane = app.query_one(ListPane)
        last = chosen(pane)
        await pilot.press("home")
        first = chosen(pane)
        await pilot.press("j", "j", "k")
        second = chosen(pane)
        await pilot.press("end")
        assert chosen(pane) == last
        assert len({first, second, last}) == 3
        shown = app.frame()
        assert shown.snapshot is not None
        assert selected(shown.snapshot, Listing(), pane.regions, shown.cursor) == len(pane.regions) - 1
        assert app.session.viewport.moment is None


# -- space ---------------------------------------------------------------------------------------------------------


async def test_a_hot_page_in_64_gib_is_found_in_three_key_strokes() -> None:
    async with running(make.haystack()) as (app, pilot):
        pane = app.query_one(RegionsPane)
        assert (
            pane.picture.codes.max(where=pane.picture.codes < 200, initial=0) < 24
        )  # nothing of it is to be seen at first
        await pilot.press("n", "enter")
        assert "0x94007b000 … 0x94007c000  4 KiB" in app.query_one(DetailPane).text()
        assert "accessed 100 % of samples" in app.query_one(DetailPane).text()
        hot = (pane.picture.codes == 24).sum(axis=1) > 20
        assert hot.sum() == 3  # one page of the sixteen that are shown at least
        axis = pane.grid.axis
        assert axis is not None
        rows = [len(axis) - 1 - y for y in range(len(hot)) if hot[y]]
        assert all(axis.place(row)[1] >= 0x94007B000 - 4096 for row in rows)
        await pilot.press("m")
        assert "hottest in a cell" in pane.text()


async def test_the_hottest_of_a_cell_shows_it_without_moving() -> None:
    async with running(make.haystack()) as (app, pilot):
        pane = app.query_one(RegionsPane)
        assert "mean of a cell" in pane.text()
        assert not (pane.picture.codes == 24).any()
        await pilot.press("m")
        assert (pane.picture.codes == 24).any(axis=1).sum() == 1


async def test_folding_gives_used_memory_the_rows() -> None:
    async with running(make.haystack()) as (app, pilot):
        pane = app.query_one(RegionsPane)
        await pilot.press("f")
        assert "20.0 GiB idle" in pane.text()
        assert pane.grid.axis is not None
        assert shown_bytes(pane.grid.axis) == 256 * (1 << 20) + 4096
        await pilot.press("f")
        assert "GiB idle" not in pane.text()


async def test_zooming_and_the_whole() -> None:
    async with running() as (app, pilot):
        pane = app.query_one(RegionsPane)
        await pilot.press("n", "z", "z", "z")
        assert app.session.viewport.lo is not None
        assert pane.grid.axis is not None
        assert shown_bytes(pane.grid.axis) <= app.session.history.last.total_bytes // 60  # type: ignore[union-attr]
        low = app.session.viewport.lo
        await pilot.press(*["down"] * 60)
        assert app.session.viewport.lo < low
        await pilot.press("Z", "0")
        assert app.session.viewport.lo is None
        await pilot._post_mouse_events([MouseScrollUp], pane, (40, 10))
        assert app.session.viewport.lo is not None
        await pilot._post_mouse_events([MouseScrollDown], pane, (40, 10))
        assert app.session.viewport.lo is None


async def test_the_cursor_starts_in_the_picture_and_escape_takes_it_away() -> None:
    async with running() as (app, pilot):
        await pilot.press("up")
        pane = app.query_one(DetailPane)
        assert pane.display
        await pilot.press("up", "down", "down")
        marks = [line for line in app.query_one(RegionsPane).text().splitlines() if "┼" in line]
        assert len(marks) == 1
        assert "▶" in marks[0]
        await pilot.press("escape")
        assert not pane.display
        assert "┼" not in app.query_one(RegionsPane).text()


async def test_hotter_and_colder_go_through_what_is_used() -> None:
    async with running([make.snapshot([(0, GIB, 5, 1), (GIB, 2 * GIB, 9, 1), (2 * GIB, 3 * GIB, 0, 1)], 1.0)]) as (
        app,
        pilot,
    ):
        seen = []
        for key in ("n", "n", "n", "N", "N"):
            await pilot.press(key)
            assert app.session.viewport.point is not None
            seen.append(app.session.viewport.point[1])
        assert seen == [GIB, 0, GIB, 0, GIB]


async def test_nothing_hot_is_said() -> None:
    async with running([make.snapshot([(0, GIB, 0, 1)], 1.0)]) as (app, pilot):
        await pilot.press("n")
        assert "nothing was accessed at this moment" in app.query_one(Notice).text()
        assert isinstance(app.session.messages.notice, SourceError)


async def test_y_copies_the_read_out_and_says_so() -> None:
    async with running(make.named(make.steady(60))) as (app, pilot):
        await pilot.press("y")
        assert "nothing to copy" in app.query_one(Notice).text()
        await pilot.press("n", "y")
        assert app.session.messages.notice is None, "there was something to copy"
        lines = app.clipboard.splitlines()
        assert lines[0] == "address      0x50100000 - 0x56100000"
        assert "name         hot core" in lines
        assert any(line.startswith("accessed     70 % of samples (14 of 20)") for line in lines)
        assert any("0x50100000 - 0x56100000" in note.message for note in app._notifications)


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_what_is_said_of_a_copy_does_not_cover_the_read_out(size: tuple[int, int]) -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 240.0)
    async with app.run_test(size=size, notifications=True) as pilot:
        fed.feed_all(app, make.named(make.steady(60)))
        await pilot.press("n", "y")
        await pilot.pause()
        (toast,) = [one for one in app.screen.walk_children() if isinstance(one, Toast)]
        assert toast.region.area > 0
        assert not toast.region.overlaps(app.query_one(DetailPane).region)


async def test_names_stand_beside_the_heatmap_where_there_is_room() -> None:
    async with running(make.named(make.steady(60))) as (app, pilot):
        lines = app.query_one(RegionsPane).text().splitlines()
        names = [line[:10].strip() for line in lines[:-3] if line[:10].strip()]
        assert names[0] == "spare"
        assert names[-1] == "kernel"
        assert "hot core" in names
        await pilot.resize_terminal(60, 24)
        await pilot.pause()
        assert "hot core" not in app.query_one(RegionsPane).text()


# -- the list ------------------------------------------------------------------------------------------------------


async def test_the_list_moves_the_cursor_and_follows_it() -> None:
    async with running(make.named(make.steady(60))) as (app, pilot):
        await pilot.press("l", "down")
        pane = app.query_one(ListPane)
        assert chosen(pane).endswith("hot core")
        assert app.session.viewport.point == (0, 0x50100000)
        await pilot.press("down", "down", "up")
        assert app.session.viewport.point == (0, 0x56100000)
        await pilot.press("n")
        assert app.session.viewport.point == (0, 0x50100000)
        assert chosen(pane).startswith("▶50100000")
        await pilot.click(ListPane, offset=(10, 6))
        assert app.session.viewport.point[1] not in (0x50100000, 0x56100000)
        await pilot.press("l")
        assert not pane.display


async def test_the_list_is_sorted_and_filtered() -> None:
    async with running(make.named(make.steady(60))) as (app, pilot):
        await pilot.press("l", "s")
        pane = app.query_one(ListPane)
        snapshot = app.session.history.last
        assert snapshot is not None
        sizes = [int(snapshot.sizes[region]) for region in pane.regions]
        assert sizes == sorted(sizes, reverse=True)
        await pilot.press("S")
        assert [int(snapshot.sizes[region]) for region in pane.regions] == sizes[::-1] or sizes[0] == sizes[-1]
        await pilot.click(ListPane, offset=(5, 1))
        assert app.explorer.listing.sort == "address"
        await pilot.press("backslash", *"scanned", "enter")
        assert len(pane.regions) == 8
        assert f"8 regions of {len(snapshot)}" in pane.text()
        await pilot.press("backslash", *" bad<>", "enter")
        assert app.screen is not app.screen_stack[0]
        await pilot.press("escape", "backslash", *["backspace"] * 7, *"nosuch", "enter")
        assert "none of 19 regions fits: nosuch" in pane.text()


async def test_who_holds_memory_by_name() -> None:
    async with running(make.named(make.steady(240))) as (app, pilot):
        await pilot.press("o")
        pane = app.query_one(ListPane)
        lines = pane.text().splitlines()
        assert lines[1].split() == ["archive", "896", "MiB", "896", "MiB", "100", "%", "0", "B"]
        scanned = next(line for line in lines if "scanned" in line).split()
        assert scanned[2:4] == ["512", "MiB"]
        assert scanned[-2:] == ["64.0", "MiB"]
        await pilot.press(*["greater_than_sign"] * 3)
        assert "idle ≥ 10 min" in str(pane.border_title)
        assert pane.text().splitlines()[1].split()[3:5] == ["0", "B"]
        await pilot.press("down")
        assert app.session.viewport.point is not None
        await pilot.press("escape")
        assert not app.explorer.list_open


async def test_memory_without_names_says_where_names_come_from() -> None:
    async with running() as (app, pilot):
        await pilot.press("o")
        assert "nothing is named here" in app.query_one(ListPane).text()


async def test_a_list_is_drawn_only_while_it_is_open() -> None:
    async with running() as (app, pilot):
        await pilot.press("l", "l", "v", "v")
        before = app.query_one(ListPane).lines, app.query_one(SavingsPane).lines
        drawn: list[str] = []
        app.query_one(ListPane).redraw = lambda: drawn.append("list")  # type: ignore[method-assign]
        app.query_one(SavingsPane).redraw = lambda: drawn.append("savings")  # type: ignore[method-assign]
        fed.feed(app, make.steady(241)[240])
        assert drawn == []
        assert (app.query_one(ListPane).lines, app.query_one(SavingsPane).lines) == before


# -- what could be saved -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", [(120, 36), (80, 24)])
async def test_savings_stand_in_the_place_of_the_idle_times(terminal: tuple[int, int]) -> None:
    async with running(size=terminal) as (app, pilot):
        await pilot.press("v")
        pane = app.query_one(SavingsPane)
        assert pane.size.height >= 5
        text = " ".join(pane.text().split())
        # nothing is idle for a minute in the first minute
        assert "For a working set of 1.06 GiB (used within 1 min, p90 of the last 3:01) this machine could be" in text
        assert "at most 1.94 GiB smaller, 65 % (free included)." in text
        estimate = app.frame().estimate
        assert estimate is not None
        assert f"▶ ≥ 1 min ≤{size(estimate.idle(60).bytes)}" in text
        await pilot.press("K")
        by_rule = " ".join(pane.text().split())
        idle = metrics.idle_at_least(app.session.history.last, 60_000)  # type: ignore[arg-type]
        assert f"▶ ≥ 1 min ≤{size(idle)}" in by_rule
        assert "at most 1.56 GiB smaller, 52 % (free included)." in by_rule
        await pilot.press("K")
        assert " ".join(pane.text().split()) == text
        assert not app.query_one(IdlePane).display
        await pilot.press("v")
        assert app.query_one(IdlePane).display


async def test_the_threshold_moves_and_stops_at_its_ends() -> None:
    async with running() as (app, pilot):
        await pilot.press("v", *["less_than_sign"] * 20)
        assert app.explorer.threshold == 1
        assert "▶ ≥ 1 s" in app.query_one(SavingsPane).text()
        await pilot.press(*["greater_than_sign"] * 20)
        assert app.explorer.threshold == 3600
        text = " ".join(app.query_one(SavingsPane).text().split())
        assert "▶ ≥ 1 h not known yet" in text
        assert "Watched for less than 1 h: what could be saved is not known yet." in text


async def test_savings_of_another_moment_are_those_of_then() -> None:
    shrinking = [
        make.snapshot([(0, GIB, 20, t), (GIB, 4 * GIB, 0 if t > 120 else 20, t - 120 if t > 120 else t)], float(t))
        for t in range(1, 241)
    ]
    async with running(shrinking) as (app, pilot):
        await pilot.press("v", "minus", "minus")
        assert "smaller, 75 %" in " ".join(app.query_one(SavingsPane).text().split())
        await pilot.press("g", *"-2:10", "enter")
        assert "could be at most 0 B smaller, 0 %" in " ".join(app.query_one(SavingsPane).text().split())


async def test_another_target_is_looked_at_anew() -> None:
    async with running() as (app, pilot):
        await pilot.press("n", "z", "left", "f", "minus")
        app.session.adopt(Monitor(fed.Silent()))
        assert (
            app.session.viewport.point,
            app.session.viewport.lo,
            app.session.viewport.moment,
            app.session.viewport.fold,
            app.session.span,
        ) == (None, None, None, True, 120)


async def test_truth_stands_beside_the_estimate_of_synthetic_memory() -> None:
    made = make.steady(240, origin="simulated", truth=True)
    async with running([replace(one, origin="simulated") for one in made]) as (app, pilot):
        await pilot.press("v")
        text = " ".join(app.query_one(SavingsPane).text().split())
        assert "truth" in text
        assert "Truly idle for 1 min now: 1.94 GiB." in text
