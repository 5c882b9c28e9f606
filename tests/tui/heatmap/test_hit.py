"""Layout, composing and hit-testing of the heatmap without any screen."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from damontui.analysis.axis import extent, make_axis, stride_for
from damontui.analysis.heatmap import Place
from damontui.damon.snapshot import Snapshot
from damontui.tui.axes import address_labels, name_labels
from damontui.tui.frame import Frame
from damontui.tui.heatmap import compose, hit
from damontui.tui.heatmap.compose import NOTHING, Composer, changed
from damontui.tui.heatmap.layout import layout_of, stop_of
from tests import make
from tests.make import GIB
from tests.tui.frames import frame


def composer(width: int = 71, height: int = 19, *, bordered: bool = True) -> Composer:
    made = Composer()
    made.resize(width, height, bordered=bordered)
    return made


def halves(time: float) -> Snapshot:
    return make.snapshot([(0, 2 * GIB, 20, 5), (2 * GIB, 4 * GIB, 0, 5)], time)


def shown(count: int = 240, **changes: object) -> Frame:
    return frame([halves(float(t)) for t in range(1, count + 1)], **changes)


def test_a_layout_leaves_room_for_names_and_long_addresses() -> None:
    assert layout_of(shown(), 71, 19).gutter == 11
    named = frame(make.named(make.steady(3)))
    assert layout_of(named, 71, 19).names == 11
    high = frame([make.snapshot([(1 << 46, (1 << 46) + GIB, 1, 1)], 1.0)])
    assert layout_of(high, 71, 19).gutter == 14
    assert layout_of(shown(ascii=True), 71, 19).halves == 1


def test_every_cell_is_found_again_where_it_is() -> None:
    grid = composer().grid(shown())
    place = grid.layout
    for x, y in itertools.product(range(place.gutter, place.width, 7), range(place.lines)):
        found = hit.place_at(grid, x, y)
        assert found is not None
        assert hit.cell_of(grid, found) == (x - place.gutter, y)
        assert hit.time_at(grid, x) == found.time


def test_outside_of_the_picture_there_is_nothing() -> None:
    grid = composer().grid(shown())
    place = grid.layout
    for x, y in ((0, 0), (place.gutter - 1, 3), (place.width, 3), (place.gutter, -1), (place.gutter, place.lines)):
        assert hit.place_at(grid, x, y) is None
    assert hit.cell_of(grid, Place(8 * GIB, 100.0)) is None
    assert hit.cell_of(grid, Place(GIB, -1000.0)) is None
    empty = composer().grid(frame())
    assert hit.place_at(empty, 20, 3) is None
    assert hit.cell_of(empty, Place(GIB, 100.0)) is None
    assert hit.place_moved(empty, Place(GIB, 100.0), up=3) == Place(GIB, 100.0)


@pytest.mark.parametrize(("width", "height"), [(0, 0), (1, 1), (11, 2), (44, 1), (71, 19)])
def test_a_grid_has_any_size(width: int, height: int) -> None:
    for one in (frame(), shown(5)):
        grid = composer(width, height).grid(one)
        assert hit.place_at(grid, width, height) is None
        assert hit.x_of(grid, one.now) in (None, grid.layout.columns - 1)


def test_a_column_ends_with_what_is_shown() -> None:
    one = shown()
    assert stop_of(one, 4.0) == 60
    assert stop_of(replace(one, now=241.9), 4.0) == 60  # nothing is whole there yet
    assert stop_of(replace(one, now=241.9, live=False), 4.0) == 61


def test_asking_where_things_are_draws_nothing_and_changes_nothing() -> None:
    one, asked, other = shown(), composer(), composer()
    first = asked.grid(one)
    assert asked.raster is None
    narrow = asked.grid(replace(one, lo=GIB, hi=2 * GIB))
    assert narrow.axis is not None
    assert (narrow.axis.place(0)[1], narrow.axis.place(len(narrow.axis) - 1)[2]) == (GIB, 2 * GIB)
    again = asked.grid(one)
    assert again.axis is not None
    assert first.axis is not None
    assert again.axis.parts == first.axis.parts
    assert (asked.picture(one).codes == other.picture(one).codes).all()


@pytest.mark.parametrize("count", [7, 16, 40])
def test_the_axis_of_many_targets_stays(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made, first = composer(), frame([make.many_targets(count)])
    axis = made.grid(first).axis
    assert axis is not None
    for number in range(count):
        at = hit.cell_of(made.grid(first), Place(make.HEAP, 1.0, number))
        assert at is not None
        if count <= len(axis) // 2:  # a line each, or more
            found = hit.place_at(made.grid(first), at[0] + made.grid(first).layout.gutter, at[1])
            assert found is not None
            assert found.target == number
    monkeypatch.setattr(compose, "make_axis", lambda *_, **__: pytest.fail("the axis was made anew"))
    first.history.append(make.many_targets(count, 2.0))
    assert made.grid(replace(first, snapshot=first.history.last, now=2.0)).axis is axis


def test_a_line_of_two_targets_has_the_upper_ones_names() -> None:
    rows = [(0, GIB, 1, 1), (8 * GIB, 9 * GIB, 1, 1)]
    one = make.snapshot(rows, target=[0, 1], targets=(7, 9), names=("lower", "upper"))
    stride = stride_for(2)
    axis = make_axis(extent(one, stride), 2, stride=stride, fold_rows=2, ids=one.targets)
    assert name_labels(axis, one, 1, 2, 10) == {0: "upper"}
    assert address_labels(axis, 1, 2, 10) == {0: "9:"}


def test_a_picture_says_which_lines_changed() -> None:
    made = composer()
    one = made.picture(shown())
    assert changed(NOTHING, one) == set(range(19))
    two = made.picture(shown())  # another history of the same: all is drawn again, and is as it was
    assert two.codes is not one.codes
    assert changed(one, two) == set()
    cursor = made.picture(shown(cursor=Place(GIB, 100.0)))
    y = hit.cell_of(cursor.grid, Place(GIB, 100.0))
    assert y is not None
    assert changed(two, cursor) == {y[1], 16}  # its line, and the mark on the time axis
    assert changed(cursor, made.picture(frame())) >= set(range(16))


def test_what_did_not_change_is_not_made_again() -> None:
    made, one = composer(), shown()
    first, second = made.picture(one), made.picture(one)
    assert second.codes is first.codes
    assert second.gutter is first.gutter
    assert second.overlays is first.overlays


def test_without_a_border_the_legend_says_how_long_a_column_is() -> None:
    def legend(*, bordered: bool) -> str:
        picture = composer(120, bordered=bordered).picture(shown())
        return "".join(text for text, _ in picture.text[18])

    assert "a column" not in legend(bordered=True)
    assert "2.2 s a column" in legend(bordered=False)
