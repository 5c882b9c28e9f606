"""The table of owners: what is sorted, filtered and summed, how narrow it may get, and what its keys do."""

from __future__ import annotations

import numpy as np
import pytest

from damontui.analysis.chosen import Owner
from damontui.analysis.owners import Ownership, ownership
from damontui.safe_text import is_shown
from damontui.tui.heatmap.widget import RegionsPane
from damontui.tui.ink import DIM, GAP, SOME, texture_of
from damontui.tui.palette import LEVELS
from damontui.tui.screens.owners import OwnersScreen, TableView, first_row, lines, shown_rows, within
from tests import make
from tests.owners import GROUPS, always_owned, owned
from tests.tui import fed


def found() -> Ownership:
    last = owned(make.steady(240))[-1]
    made = ownership(last)
    assert made is not None
    return made


def test_rows_are_sorted_by_any_column() -> None:
    whose = found()
    has = [row.bytes.bytes for row in shown_rows(whose, TableView())]
    assert has == sorted(has, reverse=True)
    idle = [row.idle_for(60).bytes for row in shown_rows(whose, TableView(sort="idle"))]  # type: ignore[union-attr]
    assert idle == sorted(idle, reverse=True)
    charged = [row.group.current or 0 for row in shown_rows(whose, TableView(sort="charged")) if row.group is not None]
    assert charged == sorted(charged, reverse=True)
    assert shown_rows(whose, TableView(sort="charged"))[-1].group is None
    assert shown_rows(whose, TableView(sort="name"))[0].what == "others"  # 41 small groups


def test_a_filter_keeps_what_has_it_in_path_or_name() -> None:
    whose = found()
    assert [row.path for row in shown_rows(whose, TableView(filter="POSTGRES"))] == ["/system.slice/postgresql.service"]
    assert [row.what for row in shown_rows(whose, TableView(filter="small"))] == ["others"]
    assert [row.path for row in shown_rows(whose, TableView("tree", filter="session"))] == [
        "/",
        "/user.slice",
        "/user.slice/user-1000.slice",
        "/user.slice/user-1000.slice/session-3.scope",
    ]
    assert shown_rows(whose, TableView(filter="nothing has this")) == []
    assert "backspace" in "".join(lines(whose, TableView(filter="nothing has this"), 80, 10))


def test_idle_is_told_for_the_longest_time_that_was_watched() -> None:
    whose = found()
    assert within(whose, 60.0) == 60.0
    assert within(whose, 3600.0) == max(whose.seconds)
    assert within(whose, 0.5) is None


@pytest.mark.parametrize("mode", ["groups", "tree", "zones"])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [58, 78, 100, 148])
def test_lines_fit_and_are_safe(mode: str, ascii_only: bool, width: int) -> None:
    made = lines(found(), TableView(mode), width, 12, ascii_only=ascii_only)  # type: ignore[arg-type]
    assert len(made) == 12
    assert all(is_shown(line) for line in made)
    assert all(len(line) <= width for line in made[:-1])
    if ascii_only:
        assert all(line.isascii() for line in made)


async def test_keys_of_the_table() -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 240.0)
    async with app.run_test(size=(120, 16)) as pilot:
        fed.feed_all(app, owned(make.steady(240)))
        await pilot.press("O")
        screen = app.screen
        assert isinstance(screen, OwnersScreen)
        await pilot.press("tab", "ctrl+s", ">", *"sys", "backspace", "down")
        view = screen.pane.view
        assert (view.mode, view.sort, view.filter, view.threshold) == ("tree", "idle", "sy", 120.0)
        assert view.first == 0  # all that is left fits
        await pilot.press("backspace", "backspace", "end")
        assert screen.pane.view.first > 0
        await pilot.press("home", "shift+tab", "shift+tab", "escape")
        assert not isinstance(app.screen, OwnersScreen)


async def test_the_table_follows_what_comes_in() -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 240.0)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("O")
        screen = app.screen
        assert isinstance(screen, OwnersScreen)
        assert screen.pane.found is None
        fed.feed_all(app, owned(make.steady(240)))
        app.paint()
        assert screen.pane.found is not None


async def test_enter_dims_all_but_the_row_and_esc_undoes_it() -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 240.0)
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, always_owned(make.steady(60)))
        regions = app.query_one(RegionsPane)
        before = regions.picture.codes.copy()
        await pilot.press("O", "down", "down", "up", "enter")
        await pilot.pause()
        assert not isinstance(app.screen, OwnersScreen)
        assert app.explorer.owner is not None
        assert app.explorer.owner.what == "free"  # the second row
        await pilot.press("O", *"session", "enter")
        await pilot.pause()
        assert app.explorer.owner == Owner("group", GROUPS[3].path, "session-3")
        assert "of session-3" in str(regions.border_title)
        after = regions.picture.codes
        assert {texture_of(code) for code in np.unique(after[after < GAP]).tolist()} == {0, DIM, SOME}
        levels = np.where(before < LEVELS, after.astype(int) - before, 0)
        assert set(np.unique(levels).tolist()) == {0, DIM, SOME}, "colours are what they were"
        assert "dim: none" in regions.text()
        await pilot.press("escape")
        assert app.explorer.owner is None
        np.testing.assert_array_equal(regions.picture.codes, before)
        assert "session" not in str(regions.border_title)


async def test_where_nobody_is_known_enter_chooses_nobody() -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 240.0)
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, make.steady(60))
        await pilot.press("O", "down", "enter")
        await pilot.pause()
        assert not isinstance(app.screen, OwnersScreen)
        assert app.explorer.owner is None


def test_the_row_pointed_at_is_always_among_those_shown() -> None:
    for count in (0, 1, 5, 30):
        for room in (1, 4, 40):
            for at in range(0, 40, 3):
                for first in range(0, 40, 3):
                    top = first_row(TableView(at=at, first=first), count, room)
                    assert 0 <= top <= max(0, count - room)
                    if count:
                        assert top <= min(at, count - 1) < top + room


async def test_nothing_of_a_half_line_looks_like_all_of_it() -> None:
    """Two halves of a line that differ: where some of one is the owner's, the line keeps the mark."""
    app = fed.app(make.description(), clock=lambda: make.WALL + 240.0)
    async with app.run_test(size=(120, 36)):
        fed.feed_all(app, make.steady(5))
        ink = app.query_one(RegionsPane)._ink
        assert ink is not None
        for dark in (8, 20):
            assert "≈" in ink.cell(SOME + 8, DIM + dark)[0]
            assert "≈" in ink.cell(8, SOME + dark + 1)[0]
        assert "≈" not in ink.cell(8, DIM + 20)[0]
        bright, dim = ink.cell(20, 20)[1].bgcolor, ink.cell(DIM + 20, DIM + 20)[1].bgcolor
        assert bright is not None
        assert dim is not None
        assert sum(dim.get_truecolor()) < sum(bright.get_truecolor())
