"""The headline: how much is in use of how much, within which time, at every width, and while it is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.style import Style

from damontui.damon.snapshot import Group, Status
from damontui.errors import SourceError
from damontui.tui.ink import SO_FAR, SOMEWHERE, Ink
from damontui.tui.palette import RGB
from damontui.tui.panes.headline import HeadlinePane
from tests import make
from tests.tui import fed, made
from tests.tui.frames import drawn, frame


def said(frame_of: object, width: int = 118) -> str:
    (line,) = drawn(HeadlinePane(), frame_of, width, 1)  # type: ignore[arg-type]
    return line


def test_what_is_in_use_of_how_much_within_which_time() -> None:
    rows = [(0, 300 * made.MIB, 5, 9), (300 * made.MIB, 2048 * made.MIB, 0, 99)]
    line = " in use 300 MiB of 2 GiB within 1 min · idle"
    assert said(frame([make.snapshot(rows, free=0)])) == f"{line} 1.71 GiB · free 0 B"
    assert said(frame([make.snapshot(rows, origin="simulated")])) == f"{line} 1.71 GiB"


def test_where_nothing_tells_what_is_free_idle_is_at_most() -> None:
    rows = [(0, 300 * made.MIB, 5, 9), (300 * made.MIB, 2048 * made.MIB, 0, 99)]
    line = " in use 300 MiB of 2 GiB within 1 min · idle ≤ 1.71 GiB"
    assert said(frame([make.snapshot(rows)])) == f"{line} (free included)"
    assert said(frame([make.snapshot(rows)]), 60) == line
    assert said(frame([make.snapshot(rows, physical=False)])) == f"{line} (not all in memory)"


def test_the_time_is_no_longer_than_memory_was_watched() -> None:
    rows = [(0, 300 * made.MIB, 5, 2), (300 * made.MIB, 2048 * made.MIB, 0, 11)]
    assert "of 2 GiB within 10 s, watched for 12 s" in said(frame([make.snapshot(rows)]))


def test_another_threshold_is_another_working_set() -> None:
    rows = [(0, 300 * made.MIB, 5, 2), (300 * made.MIB, 400 * made.MIB, 0, 20), (400 * made.MIB, 900 * made.MIB, 0, 99)]
    assert said(frame([make.snapshot(rows)], threshold=10.0)).startswith(" in use 300 MiB of 900 MiB within 10 s")
    assert said(frame([make.snapshot(rows)], threshold=60.0)).startswith(" in use 400 MiB of 900 MiB within 1 min")


def test_a_control_group_has_what_the_kernel_counts_for_it() -> None:
    rows = [(0, 300 * made.MIB, 5, 9), (300 * made.MIB, 2048 * made.MIB, 0, 99)]
    group = Group("/web", current=417 * made.MIB, max=1 << 30, swap=3 * made.MIB)
    line = said(frame([replace(make.snapshot(rows), group=group)]))
    assert line.endswith(" · idle ≤ 1.71 GiB (free included) · charged 417 MiB · max 1 GiB · swapped 3 MiB")


def test_counted_bytes_with_what_is_mapped_beside_and_the_interval() -> None:
    line = said(frame([made.process(120.0)]), 200)
    assert line == (
        " in use 216 MiB of 424 MiB within 1 min · idle 208 MiB ± 4 MiB"
        " · mapped, not in memory 656 MiB · swapped 12.0 MiB"
    )


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (62, " in use 216 MiB of 424 MiB within 1 min · idle 208 MiB ± 4 MiB"),
        (61, " in use 216 MiB of 424 MiB within 1 min · idle 208 MiB"),
        (40, " in use 216 MiB of 424 MiB within 1 min"),
        (20, " in use 216 MiB of …"),
        (1, "…"),
    ],
)
def test_narrow_the_last_goes_first(width: int, expected: str) -> None:
    line = said(frame([made.process(120.0)]), width)
    assert line == expected


def test_while_the_first_aggregation_is_waited_for() -> None:
    line = said(frame(interim=made.interim(), clock=make.WALL + 5.0))
    assert line == " found in use so far 369 MiB of 3 GiB · due in 31 s · free 1.4 GiB · largest: python3 1.8 GiB"


def test_it_counts_down_by_our_clock() -> None:
    assert "due in 20 s" in said(frame(interim=made.interim(), clock=make.WALL + 16.0))
    assert "due now" in said(frame(interim=made.interim(), clock=make.WALL + 36.0))
    assert "overdue by 5 s" in said(frame(interim=made.interim(), clock=make.WALL + 41.0))


def test_what_is_found_cannot_become_unfound() -> None:
    rows = [(0, 300 * made.MIB, 5, 9), (300 * made.MIB, 3072 * made.MIB, 0, 99)]
    line = said(frame([make.snapshot(rows)], interim=made.interim(), clock=make.WALL + 5.0), 160)
    assert line.startswith(" in use at least 369 MiB of 3 GiB within 1 min · idle at most 2.64 GiB")
    assert "under way: found so far 369 MiB, due in 31 s · free 1.4 GiB" in line


def test_free_memory_stays_for_a_minute_after_its_news() -> None:
    pane = HeadlinePane()
    rows = [(0, 300 * made.MIB, 5, 9), (300 * made.MIB, 3072 * made.MIB, 0, 99)]
    shown = frame([make.snapshot(rows)], interim=made.interim())
    drawn(pane, shown, 160, 1)
    later = replace(shown, interim=None)
    assert "free 1.4 GiB" in drawn(pane, replace(later, clock=shown.clock + 59), 160, 1)[0]
    assert "· free" not in drawn(pane, replace(later, clock=shown.clock + 61), 160, 1)[0]


def test_a_kernel_that_tells_no_share_says_what_it_can() -> None:
    news = made.interim()
    old = replace(news, module=replace(news.module, idle_ms_percentiles=None))
    line = said(frame(interim=old, clock=make.WALL + 5.0))
    assert line == " the first picture is due in 31 s · free 1.4 GiB · largest: python3 1.8 GiB"


def test_nothing_yet_and_nothing_at_all() -> None:
    status = Status("waiting", "waiting for the first aggregation, at most 10 s", 0.0, make.WALL)
    assert said(frame(status=status)) == " Waiting for the first aggregation, at most 10 s"
    assert said(frame(error=SourceError("cannot read DAMON_STAT", "no"))) == (
        " nothing is watched: cannot read DAMON_STAT"
    )
    assert said(frame(enabled=False)) == " nothing is watched: off"


def test_without_regions_it_is_the_modules_own() -> None:
    line = said(frame([make.snapshot([], module=make.module_values(), note="no tracefs")]))
    assert line == " in use about 37 % of memory · the module's own count, read while it counts"


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 15), (40, 10)])
async def test_it_is_the_line_below_the_title_at_every_size(size: tuple[int, int]) -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 60.0)
    async with app.run_test(size=size) as pilot:
        fed.feed_all(app, make.steady(60))
        await pilot.pause()
        pane = app.query_one(HeadlinePane)
        assert (pane.region.y, pane.region.height) == (1, 1)
        assert pane.text().startswith(" in use ")
        assert app.query_one("#regions").size.height >= 4


def test_what_has_no_place_and_what_is_under_way_reads_without_colour() -> None:
    style = Style()
    for ascii_only, marks in ((False, "≈┊"), (True, "~|")):
        ink = Ink((RGB(0, 0, 0), True, 16, True, style, style, "heat", False, True, ascii_only))
        for texture, mark in zip((SOMEWHERE, SO_FAR), marks, strict=True):
            text, _ = ink.cell(texture + 12, texture + 12)
            assert text == mark + ink.glyphs[12]
            assert ink.cell(12, 12)[0] != text
