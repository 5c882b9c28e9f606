"""Pressure under the heatmap: the same columns, whose it is, what fits, and why there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.analysis.axis import extent, make_axis, stride_for
from damontui.analysis.heatmap import Place
from damontui.analysis.raster import Raster
from damontui.damon.snapshot import Pressure, Snapshot
from damontui.history import History
from damontui.tui.frame import Frame
from damontui.tui.heatmap.compose import Composer, Picture
from damontui.tui.heatmap.hit import x_of
from damontui.tui.heatmap.strip import PressureRows
from tests import make
from tests.pressure import pressed, pressure
from tests.tui import frames

MIB = 1 << 20


def drawn(frame: Frame, width: int = 80, height: int = 30) -> dict[str, str]:
    """The lines of the strip: what is on the heatmap's columns by label; what has no label by its text."""
    composer = Composer()
    composer.resize(width, height, bordered=True)
    picture = composer.picture(frame)
    layout = picture.grid.layout
    found = {}
    for y in range(layout.lines, layout.lines + layout.strip):
        text = "".join(part for part, _ in picture.text[y])
        assert len(text) == width
        label, edge, cells = text[: layout.gutter - 1].strip(), text[layout.gutter - 1], text[layout.gutter :]
        if edge in "│|" and label:
            found[label] = cells
        else:
            found[text.strip()] = ""
    return found


def on(snapshots: Sequence[Snapshot], **changes: object) -> Frame:
    return frames.frame(snapshots, **({"strip": "all", "span": 240.0} | changes))


@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0.05, 12), st.integers(0, 20)), min_size=1, max_size=30),
    st.floats(0.3, 5),
    st.integers(3, 20),
)
def test_it_is_on_the_heatmaps_own_columns(rows: list[tuple[float, float, int]], column: float, count: int) -> None:
    """Where pressure is what the memory's rate is, a line of it is a row of the picture."""
    history, now = History(), 0.0
    for gap, length, accesses in rows:
        now += gap + length
        one = make.snapshot([(0, 64 * MIB, accesses, 1)], now, pressure=Pressure(some=accesses / 20))
        history.append(replace(one, began=now - length))
    newest = history.last
    assert newest is not None
    stop = int(np.ceil(now / column))
    raster = Raster(make_axis(extent(newest, stride_for(1)), 4, stride=stride_for(1)), column)
    raster.update(history, stop - count, stop)
    kept = PressureRows()
    kept.update(history)
    edges = np.array([at * column for at in range(stop - count, stop + 1)])
    found = kept.means(edges)[:, 0]
    there = ~np.isnan(found)
    covered = raster.covered(stop - count, stop)
    # what lies in a column for less than rounding is in neither
    np.testing.assert_array_equal(there[covered > column * 1e-5], True)
    values = raster.values(stop - count, stop)[:, 0]
    np.testing.assert_allclose(found[there], values[there], atol=1e-4)


def test_a_second_of_trouble_is_where_the_cursor_says_it_is() -> None:
    made = [replace(one, pressure=Pressure(some=0.0, full=0.0, killed=0)) for one in make.steady(240)]
    made[99] = replace(made[99], pressure=Pressure(some=0.9, full=0.0, killed=2))
    frame = on(made)
    composer = Composer()
    composer.resize(80, 30, bordered=True)
    x = x_of(composer.grid(frame), made[99].time)
    found = drawn(frame)
    assert found["events"].index("K") == x
    assert set(found["events"]) == {"K", "_"}
    assert [at for at, cell in enumerate(found["some wait"]) if cell not in "_ "] == [x]
    assert set(found["all wait"]) == {"_"}
    assert "K killed" in found


def test_only_what_is_told_and_was_anything_has_a_line() -> None:
    machine = drawn(on(pressed(make.steady(60))), 110)
    labels = ["some wait", "all wait", "read back", "swap in", "swap out", "swapped", "packed"]
    assert [label for label in machine if machine[label]] == labels
    assert "pressure on the machine · some " in next(iter(machine))
    group = drawn(on(pressed(make.steady(60), "/a/we\x1bb.service")), 110)
    assert [label for label in group if group[label]] == ["some wait", "all wait", "events", "read back", "swapped"]
    assert next(iter(group)).startswith("pressure on we?b.service · some ")
    waits = drawn(on(pressed(make.steady(60)), strip="waits"))
    assert [label for label in waits if waits[label]] == ["some wait", "all wait"]
    assert drawn(on(pressed(make.steady(60)), strip="")) == {}


def test_bars_of_one_unit_share_a_scale_that_the_head_tells() -> None:
    made = [
        replace(one, pressure=Pressure(some=0.3, full=0.15, swap_in=4e6, swap_out=1e6, swapped=300 * MIB))
        for one in make.steady(240)
    ]
    found = drawn(on(made))
    assert next(iter(found)).endswith("bars to 30 %, 4 MB/s, 512 MiB")
    last = {label: cells[-1] for label, cells in found.items() if cells}
    assert last == {"some wait": "█", "all wait": "▄", "swap in": "█", "swap out": "▂", "swapped": "▅"}


def test_a_long_name_gives_way_to_what_the_bars_are() -> None:
    (head, *_) = drawn(on(pressed(make.steady(60), f"/system.slice/{'long-' * 20}.service")), 64)
    assert head.startswith("pressure on long-")
    assert head.endswith("… · bars to 40 %, 50.0 MB/s, 256 MiB")


def test_the_head_leaves_the_moment_to_the_cursor() -> None:
    made = pressed(make.steady(60))
    frame = on(made)
    assert frame.snapshot is not None
    place = Place(int(frame.snapshot.start[0]), frame.now, 0)
    assert "of the time" in next(iter(drawn(frame, 110)))
    assert "of the time" not in next(iter(drawn(replace(frame, cursor=place), 110)))


def test_unknown_is_blank_and_nothing_is_a_line() -> None:
    made = make.steady(240)
    made[60:120] = [replace(one, pressure=Pressure(some=0.0, full=0.0)) for one in made[60:120]]
    cells = drawn(on(made))["some wait"]
    assert cells.strip() == "_" * len(cells.strip())
    assert cells.index("_") == pytest.approx(len(cells) / 4, abs=1)
    assert cells.rindex("_") == pytest.approx(len(cells) / 2, abs=1)


@pytest.mark.parametrize(
    ("snapshot", "changes", "why"),
    [
        ({}, {"description": make.description("simulated")}, "no pressure: synthetic memory is never short"),
        ({}, {"description": make.description("record")}, "this record holds no pressure on memory"),
        ({}, {}, "no pressure is known yet"),
        ({"pressure": Pressure(note="pressure is not known: it\x1b hangs")}, {}, "pressure is not known: it? hangs"),
    ],
)
def test_why_there_is_nothing(snapshot: dict[str, object], changes: dict[str, object], why: str) -> None:
    made = [replace(one, **snapshot) for one in make.steady(5)]  # type: ignore[arg-type]
    assert list(drawn(on(made, **changes))) == [why]


def test_a_missing_file_is_a_sentence_under_it() -> None:
    note = "not told here: stalls (/proc/pressure/memory; boot with psi=1)"
    made = [
        replace(one, pressure=replace(pressure(at), some=None, full=None, note=note))
        for at, one in enumerate(make.steady(60))
    ]
    found = list(drawn(on(made)))
    assert found[-1] == note
    assert "some wait" not in found


@pytest.mark.parametrize("height", range(1, 40))
@pytest.mark.parametrize("width", [30, 43, 44, 80])
def test_the_picture_keeps_its_half_at_any_size(width: int, height: int) -> None:
    composer = Composer()
    composer.resize(width, height, bordered=False)
    bare = composer.grid(on(pressed(make.steady(60)), strip="")).layout
    layout = composer.grid(on(pressed(make.steady(60)))).layout
    assert layout.lines >= min(bare.lines, max(6, bare.lines // 2))
    assert layout.strip != 1, "a head alone says nothing"
    assert (layout.strip > 0) == (bare.lines >= 8 and width >= 44)
    assert layout.lines + layout.strip + layout.foot == height
    lines = drawn(on(pressed(make.steady(60))), width, height)
    assert len(lines) == layout.strip


def picture(composer: Composer, frame: Frame) -> Picture:
    composer.resize(80, 30, bordered=True)
    return composer.picture(frame)


def test_it_goes_on_with_what_comes_in() -> None:
    composer, history = Composer(), History()
    for number, one in enumerate(pressed(make.steady(120), "/web")):
        history.append(one)
        frame = replace(on([one]), history=history)
        lines = dict(picture(composer, frame).text)
        if number % 40 == 39:
            assert lines == dict(picture(Composer(), frame).text)
    history.clear()
    history.append(make.steady(1)[0])
    assert list(dict(picture(composer, replace(on(make.steady(1)), history=history)).text))
