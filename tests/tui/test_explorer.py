"""Keys and moving through time and memory, without an app: a session, a size, and the table of keys."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from damontui.analysis.savings import THRESHOLDS
from damontui.damon.snapshot import Snapshot
from damontui.errors import UsageError
from damontui.tui import prompts
from damontui.tui.explore import WISHES, Explorer
from damontui.tui.heatmap.compose import Composer
from damontui.tui.heatmap.hit import cell_of, place_at
from damontui.tui.keys import TABLE
from damontui.tui.options import ScreenOptions
from tests import make
from tests.make import GIB
from tests.pressure import pressed
from tests.tui import fed

KEYS = {one: key.action for key in TABLE for one in key.keys.split(",")}


def exploring(snapshots: Iterable[Snapshot] | None = None, *, record: bool = False) -> Explorer:
    """On a heatmap of 60 columns and 16 lines."""
    session = fed.session(make.description("record") if record else None, clock=lambda: make.WALL + 240.0)
    session.begin()
    fed.hear(session, *(make.steady(240) if snapshots is None else snapshots))
    composer = Composer()
    composer.resize(71, 19, bordered=True)
    return Explorer(session, composer, ScreenOptions())


def press(explorer: Explorer, *keys: str) -> None:
    for key in keys:
        explorer.do(KEYS[key])


def test_every_wish_has_a_key_and_every_key_of_time_and_memory_a_wish() -> None:
    names = {key.action.partition("(")[0] for key in TABLE}
    assert names >= WISHES
    asked = {"clock", "search", "copy", "filter", "owners"}  # a line to write in, the clipboard, a screen of its own
    for key in TABLE:
        name = key.action.partition("(")[0]
        if key.group in ("Time", "Memory", "Savings", "View"):
            assert name in WISHES | asked, key
        assert key.call.startswith("wish(") == (name in WISHES)


def test_what_nobody_knows_is_a_fault() -> None:
    with pytest.raises(AttributeError):
        exploring().do("fly(1)")


def test_w_shows_pressure_then_all_of_it_then_none() -> None:
    explorer = exploring(pressed(make.steady(240)))
    heights = []
    for _ in range(4):
        heights.append(explorer.composer.grid(explorer.frame()).layout.strip)
        press(explorer, "w")
    assert heights == [0, 3, 8, 0]


def test_left_and_right_go_a_column_through_time() -> None:
    explorer = exploring()
    press(explorer, *["left"] * 20)
    assert explorer.viewport.moment == pytest.approx(240 - 20 * 4)
    frame = explorer.frame()
    assert frame.snapshot is not None
    assert frame.snapshot.time == 160
    assert (frame.live, frame.behind, frame.right) == (False, 80, 240)
    assert frame.estimate is not None
    assert frame.estimate.time == 160
    press(explorer, *["right"] * 20)
    assert explorer.viewport.moment is None
    assert explorer.frame().live


def test_home_end_and_leaps() -> None:
    explorer = exploring()
    press(explorer, "home")
    assert explorer.viewport.moment == 1
    press(explorer, "shift+right")
    assert explorer.viewport.moment == 25
    press(explorer, "end")
    assert explorer.viewport.moment is None
    press(explorer, "shift+left", "space")
    assert explorer.viewport.moment is None, "back to live"


def test_a_time_as_people_write_it() -> None:
    explorer = exploring()
    explorer.go("-2m")
    assert explorer.viewport.moment == 120
    with pytest.raises(UsageError, match="is no time"):
        explorer.go("soon")
    with pytest.raises(UsageError, match="no past"):
        exploring(()).go("-2m")


def test_a_line_is_asked_for_only_where_there_is_something_to_go_to() -> None:
    empty, explorer = exploring(()), exploring()
    assert prompts.clock(empty) is None
    assert prompts.search(empty) is None
    asked = prompts.clock(explorer)
    assert asked is not None
    asked.check("-2m")
    asked.then("-2m")
    assert explorer.viewport.moment == 120
    explorer.sought = "heap"
    again = prompts.search(explorer)
    assert again is not None
    assert again.before == "heap"


def test_more_and_less_time() -> None:
    explorer = exploring(make.steady(60))
    assert explorer.frame().span == 60
    press(explorer, "plus")
    assert explorer.frame().span == 240
    press(explorer, "minus")
    assert explorer.frame().span == 120


def test_the_cursor_begins_in_the_middle_and_moves_by_lines() -> None:
    explorer = exploring()
    press(explorer, "up")
    frame = explorer.frame()
    grid = explorer.composer.grid(frame)
    assert frame.cursor is not None
    assert cell_of(grid, frame.cursor) == (59, 8)
    press(explorer, "up", "up")
    above = explorer.frame().cursor
    assert above is not None
    assert cell_of(grid, above) == (59, 6)
    press(explorer, *["up"] * 30)
    top = explorer.frame().cursor
    assert top is not None
    assert cell_of(grid, top) == (59, 0)


def test_at_the_edge_of_a_zoomed_picture_the_cursor_takes_it_along() -> None:
    explorer = exploring()
    press(explorer, "n", "z", "z")
    before = explorer.viewport
    assert before.lo is not None
    press(explorer, *["up"] * 20)
    after = explorer.viewport
    assert after.lo is not None
    assert after.lo > before.lo
    frame = explorer.frame()
    assert frame.cursor is not None
    assert cell_of(explorer.composer.grid(frame), frame.cursor) is not None, "it is still in the picture"
    assert explorer.composer.raster is None, "nothing was drawn for all that"


def test_zooming_the_region_and_the_whole() -> None:
    explorer = exploring()
    press(explorer, "enter")
    assert explorer.viewport.lo is None, "no region is pointed at"
    press(explorer, "n", "enter")
    viewport = explorer.viewport
    assert viewport.lo is not None
    assert viewport.point is not None
    assert viewport.hi is not None
    assert viewport.lo <= viewport.point[1] < viewport.hi
    press(explorer, "0")
    assert explorer.viewport.lo is None
    press(explorer, "f", "m")
    assert (explorer.viewport.fold, explorer.viewport.hottest) == (True, True)


def test_the_mouse_points_and_zooms() -> None:
    explorer = exploring()
    grid = explorer.composer.grid(explorer.frame())
    old, new = place_at(grid, 31, 4), place_at(grid, 70, 4)
    assert old is not None
    assert new is not None
    explorer.point(old)
    assert explorer.viewport.moment == old.time
    press(explorer, "end")
    explorer.point(new)
    assert explorer.viewport.moment is None, "the right edge stays live"
    explorer.zoom(new, 0.5)
    viewport = explorer.viewport
    assert viewport.lo is not None
    assert viewport.hi is not None
    assert viewport.lo <= new.address < viewport.hi


def test_where_nothing_is_accessed_there_is_no_hottest() -> None:
    explorer = exploring([make.snapshot([(0, GIB, 0, 1)], 1.0)])
    press(explorer, "n")
    assert "nothing was accessed" in str(explorer.session.messages.notice)


def test_searching_again_finds_the_next() -> None:
    explorer = exploring(make.named(make.steady(60)))
    explorer.search("scanned")
    first = explorer.viewport.point
    explorer.search("scanned")
    assert explorer.viewport.point != first
    assert explorer.sought == "scanned"
    with pytest.raises(UsageError, match="not found"):
        explorer.find("nowhere")
    with pytest.raises(UsageError, match="nothing to search in"):
        exploring(()).find("heap")


def test_the_list_is_sorted_filtered_and_moved_through() -> None:
    explorer = exploring(make.named(make.steady(60)))
    press(explorer, "s")
    assert explorer.listing.sort == "rate", "it is not open"
    press(explorer, "l", "down")
    frame = explorer.frame()
    assert frame.listing is not None
    first = frame.cursor
    press(explorer, "down")
    second = explorer.frame().cursor
    press(explorer, "home")
    assert explorer.frame().cursor == first
    press(explorer, "G")
    assert explorer.frame().cursor not in (first, second)
    assert explorer.viewport.moment is None
    press(explorer, "s")
    assert explorer.listing.sort == "size"
    press(explorer, "S")
    assert explorer.listing.reverse
    explorer.filter_by("hot")
    press(explorer, "home")
    point = explorer.frame().cursor
    assert point is not None
    snapshot = explorer.frame().snapshot
    assert snapshot is not None
    assert snapshot.names[int((snapshot.start <= point.address).sum()) - 1].startswith("hot")
    press(explorer, "o")
    assert explorer.listing.grouped
    press(explorer, "v")
    assert (explorer.list_open, explorer.frame().savings) == (False, True)


def test_what_is_open_is_put_away_one_after_the_other() -> None:
    explorer = exploring()
    press(explorer, "v", "l", "n")
    assert explorer.put_away()
    assert (explorer.list_open, explorer.savings_open) == (False, True)
    assert explorer.put_away()
    assert not explorer.savings_open
    assert explorer.viewport.point is not None
    assert explorer.put_away()
    assert explorer.viewport.point is None
    assert not explorer.put_away()


def test_what_numbers_mean() -> None:
    explorer = exploring()
    press(explorer, "c", "K", "p", "greater_than_sign")
    frame = explorer.frame()
    assert (frame.mode, frame.by_rule, frame.all_percentiles) == ("temperature", True, True)
    assert frame.threshold > 60
    press(explorer, *["less_than_sign"] * 20)
    assert explorer.frame().threshold == THRESHOLDS[0]


def test_a_record_plays_by_keys() -> None:
    explorer = exploring(record=True)
    press(explorer, "space")
    assert explorer.frame().playing
    press(explorer, "right_square_bracket")
    assert explorer.session.playback.pace > 1
    explorer.session.playback.advance(1.0)
    assert explorer.frame().now > 1
    press(explorer, "end")
    assert not explorer.frame().playing


@pytest.mark.parametrize("key", sorted(one for one, action in KEYS.items() if action.partition("(")[0] in WISHES))
def test_any_key_before_the_first_snapshot_and_before_there_is_room(key: str) -> None:
    explorer = exploring(())
    press(explorer, key, key)
    assert explorer.frame().snapshot is None
    session = fed.session(make.description())
    fed.hear(session, *make.steady(5))
    bare = Explorer(session, Composer(), ScreenOptions())
    press(bare, key, key)
    assert bare.frame().snapshot is not None
