"""The heatmap as it stands on a screen: what is drawn where, and that only what changed is drawn again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest
from textual.app import App, ComposeResult

from damontui.analysis.heatmap import Place
from damontui.analysis.savings import Learned
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FRAME_KINDS, Frames, Snapshot, Status, ints
from damontui.errors import SourceError
from damontui.history import History
from damontui.tui.axes import place_labels, time_ticks
from damontui.tui.frame import Frame
from damontui.tui.heatmap.hit import place_at, place_moved
from damontui.tui.heatmap.layout import layout
from damontui.tui.heatmap.widget import RegionsPane
from damontui.tui.ink import EMPTY, FREE, SOMEWHERE
from damontui.tui.palette import ASCII_GLYPHS
from damontui.units import duration
from tests.make import process
from tests.tui.frames import frame

GIB = 1 << 30
MIB = 1 << 20
HEAP, STACK = 0x55D0_C000_0000, 0x7FFE_0000_0000
Row = tuple[int, int, int]


def snapshot(time: float, rows: Sequence[Row], seconds: float = 2.0, **more: object) -> Snapshot:
    attrs = Attrs(sample_us=int(seconds * 1e6 / 20), aggr_us=int(seconds * 1e6), goal=None)
    start, end, count = zip(*rows, strict=True) if rows else ((), (), ())
    values: dict[str, object] = {
        "time": time,
        "began": time - seconds,
        "wall": 1e9 + time,
        "attrs": attrs,
        "next_attrs": attrs,
        "start": ints(start),
        "end": ints(end),
        "nr_accesses": ints(count),
        "age": ints([5] * len(rows)),
        "target": ints([0] * len(rows)),
        "origin": "kernel",
    }
    return Snapshot(**(values | more))  # type: ignore[arg-type]


def halves(time: float, seconds: float = 2.0, **more: object) -> Snapshot:
    """4 GiB: the lower half always accessed, the upper never."""
    return snapshot(time, [(0, 2 * GIB, 20), (2 * GIB, 4 * GIB, 0)], seconds, **more)


def steady(seconds: int = 240, make: Callable[[float], Snapshot] = halves) -> list[Snapshot]:
    return [make(float(time)) for time in range(2, seconds + 2, 2)]


class Screen(App[None]):
    """The pane alone."""

    def __init__(self) -> None:
        super().__init__()
        self.pointed: list[Place] = []

    def compose(self) -> ComposeResult:
        yield RegionsPane(id="regions")

    def on_regions_pane_pointed(self, message: RegionsPane.Pointed) -> None:
        self.pointed.append(message.place)


@asynccontextmanager
async def shown(what: Frame, size: tuple[int, int] = (71, 19)) -> AsyncIterator[RegionsPane]:
    async with Screen().run_test(size=size) as pilot:
        pane = pilot.app.query_one(RegionsPane)
        pane.show(what)
        await pilot.pause()
        yield pane


async def text(what: Frame, size: tuple[int, int] = (71, 19)) -> list[str]:
    async with shown(what, size) as pane:
        return pane.text().splitlines()


def of(lines: list[str], words: str) -> int:
    """The one line that has these words."""
    found = [y for y, line in enumerate(lines) if words in line]
    assert len(found) == 1, (words, lines)
    return found[0]


async def test_axes_and_legend_say_what_is_where() -> None:
    lines = await text(frame(steady(), glyphs=True))
    assert [line[:11].strip(" ┤│") for line in lines[:16]].count("") < 14
    assert lines[15].startswith("        0 ┤████")
    assert of(lines, "2 GiB ┤") == 7
    assert lines[2].endswith("│")  # idle is blank where glyphs speak
    assert lines[16].count("┬") == 5
    assert lines[17].split() == ["−4", "min", "−3", "−2", "−1", "now"]
    assert "100 % of samples" in lines[18]
    assert "mean of a cell" in lines[18]


async def test_half_blocks_give_two_rows_to_a_line() -> None:
    async with shown(frame(steady())) as pane:
        assert pane.picture.codes.shape == (32, 60)
        assert set(pane.picture.codes[:16].ravel().tolist()) == {0}
        assert set(pane.picture.codes[16:].ravel().tolist()) == {24}
        assert pane.border_title == "Regions ─ access rate"
        assert pane.border_subtitle == "4 min ─ 4 s a column"


async def test_a_value_never_is_in_the_colour_alone() -> None:
    def ramp(time: float) -> Snapshot:
        return snapshot(time, [(i * GIB, (i + 1) * GIB, i) for i in range(21)])

    lines = await text(frame(steady(make=ramp), glyphs=True, ascii=True), (71, 24))
    assert all(line.isascii() for line in lines)
    column = [line.ljust(12)[11] for line in lines[:21]][::-1]
    assert column == sorted(column, key=ASCII_GLYPHS.index)
    assert set(column) >= set(ASCII_GLYPHS) - {"."}


async def test_a_sparse_process_is_not_an_empty_picture() -> None:
    def sparse(time: float) -> Snapshot:
        return snapshot(time, [(HEAP, HEAP + 64 * MIB, 20), (STACK, STACK + MIB, 3)])

    lines = await text(frame(steady(make=sparse), glyphs=True))
    fold = of(lines, "TiB not mapped")
    assert lines[15].startswith("55d0c0000000 ┤█████")
    assert lines[fold - 1].startswith("7ffe00000000 ┤▒▒▒▒")
    assert sum("█" in line for line in lines[:16]) >= 12


async def test_no_region_is_not_zero() -> None:
    def hole(time: float) -> Snapshot:
        return snapshot(time, [(0, 3 * GIB, 0), (3 * GIB + 300 * MIB, 4 * GIB, 0)])

    lines = await text(frame(steady(make=hole)))
    assert sum("· · · ·" in line for line in lines) == 1


async def test_before_the_start_there_is_nothing_and_off_times_are_marked() -> None:
    made = [one for one in steady(240) if one.time <= 160 or one.time > 202][40:]
    lines = await text(frame(made, glyphs=True))
    row = lines[15][11:]
    assert row == " " * 20 + "█" * 20 + "× × × × × "[:10] + "█" * 10
    assert lines[16][11:].count("┄") >= 26
    assert "× not monitored" in lines[18]


async def test_the_aggregation_under_way_is_pending_and_says_when_it_is_due() -> None:
    made = [halves(60.0 * step, 60.0) for step in (1, 2, 3)]
    lines = await text(frame(made, clock=1e9 + 236.5, glyphs=True))
    assert of(lines[:16], " due in 4 s ") == 8
    assert lines[15].endswith("█ ┊ ┊ ┊ ┊ ┊ ┊ ┊")
    assert lines[18].endswith("due in 4 s")
    wide = await text(frame(made, clock=1e9 + 236.5, glyphs=True), (131, 19))
    assert of(wide[:16], " under way, due in 4 s ") == 8
    frozen = await text(frame(made, clock=1e9 + 228.5, glyphs=True, live=False))
    assert not any("due" in line for line in frozen)
    late = await text(frame(made, clock=1e9 + 250.0, glyphs=True))
    assert "overdue by 10 s" in late[18]


async def test_a_short_aggregation_does_not_flicker_at_the_edge() -> None:
    made = steady()
    async with shown(frame(made)) as pane:
        before = pane.picture.codes.copy()
        pane.show(frame(made, now=241.9))
        assert (pane.picture.codes == before).all()


async def test_lost_events_are_hatched() -> None:
    made = steady()
    made[-3] = replace(made[-3], complete=False, lost=3)
    lines = await text(frame(made, glyphs=True))
    assert all(line[69] == "╱" for line in lines[:16])
    assert "╱ events lost" in lines[18]


async def test_switched_off_is_at_half_brightness() -> None:
    async with shown(frame(steady())) as pane:
        bright = pane.render_line(15)._segments[-1].style
        status = Status("off", "switched off", 240.0, 1e9 + 240)
        pane.show(frame(steady(), dim=True, enabled=False, status=status))
        dark = pane.render_line(15)._segments[-1].style
        assert pane.border_subtitle is not None
        assert pane.border_subtitle.startswith("off since ")
    assert bright is not None
    assert dark is not None
    assert bright.bgcolor is not None
    assert dark.bgcolor is not None
    assert bright.bgcolor.triplet is not None
    assert dark.bgcolor.triplet is not None
    assert sum(dark.bgcolor.triplet) < 0.7 * sum(bright.bgcolor.triplet)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"error": SourceError("cannot read DAMON_STAT", "only root may", "run: sudo damontui")}, "run: sudo damontui"),
        ({"status": Status("waiting", "waiting for the first aggregation, at most 10 s", 0.0, 0.0)}, "at most 10 s"),
        ({}, "Waiting for the first aggregation"),
    ],
)
async def test_without_a_picture_it_says_why(changes: dict[str, object], words: str) -> None:
    assert words in " ".join(" ".join(await text(frame((), **changes))).split())


async def test_regions_that_cannot_be_seen_are_not_invented() -> None:
    lines = await text(frame([snapshot(5.0, [], note="Regions cannot be seen: mount tracefs")]))
    of(lines, "Regions cannot be seen: mount tracefs")
    assert not any("┤" in line for line in lines)


@pytest.mark.parametrize(
    ("mode", "words"), [("idle", "1 h in use"), ("estimate", "1 h in use"), ("temperature", "10¹¹ hot")]
)
async def test_time_and_temperature_have_two_sides(mode: str, words: str) -> None:
    async with shown(frame(steady(), mode=mode)) as pane:
        assert words in pane.text().splitlines()[18]
        assert set(pane.picture.codes[:16].ravel().tolist()) < set(range(12))  # idle
        assert set(pane.picture.codes[16:].ravel().tolist()) < set(range(13, 25))  # in use


async def test_free_memory_has_a_quiet_look_of_its_own() -> None:
    """Of 4 GiB the lower 2 are free, the next is idle and the last in use."""
    counts = np.zeros((3, len(FRAME_KINDS)), np.int64)
    counts[0, FRAME_KINDS.index("free")] = 200
    counts[1:, FRAME_KINDS.index("anon")] = 100
    frames = Frames(counts, ints([0, 0, 0]), ints([0, 0, 0]))

    def machine(time: float) -> Snapshot:
        return snapshot(time, [(0, 2 * GIB, 0), (2 * GIB, 3 * GIB, 0), (3 * GIB, 4 * GIB, 20)], frames=frames)

    for mode in ("rate", "idle", "temperature"):
        async with shown(frame(steady(make=machine), mode=mode)) as pane:
            codes = pane.picture.codes
            rows = len(codes)
            assert (codes[rows // 2 :] == FREE).all()
            assert not (codes[: rows // 2] == FREE).any()
            assert "· free" in pane.text().splitlines()[18]
            assert set(pane.text().splitlines()[14][11:].split()) == {"·"}
    # where something in it is in use, that is what is shown; and without frames nothing is said to be free
    used = steady(make=lambda t: snapshot(t, [(0, 4 * GIB, 3)], frames=_of(frames)))
    for made in (used, steady()):
        async with shown(frame(made)) as pane:
            assert not (pane.picture.codes == FREE).any()
            assert "free" not in pane.text()


async def test_a_hole_of_memory_looks_like_a_void() -> None:
    """Of 4 GiB the lower 2 are a hole, but for a little that is free; the next is idle, the last half in use."""
    counts = np.zeros((3, len(FRAME_KINDS)), np.int64)
    counts[0, [FRAME_KINDS.index("hole"), FRAME_KINDS.index("free")]] = 150, 50
    counts[1:, FRAME_KINDS.index("anon")] = 100
    frames = Frames(counts, ints([0, 0, 0]), ints([0, 0, 0]))

    def machine(time: float) -> Snapshot:
        return snapshot(time, [(0, 2 * GIB, 0), (2 * GIB, 3 * GIB, 0), (3 * GIB, 4 * GIB, 20)], frames=frames)

    async with shown(frame(steady(make=machine))) as pane:
        rows = len(pane.picture.codes)
        assert (pane.picture.codes[rows // 2 :] == EMPTY).all()
        assert not np.isin(pane.picture.codes[: rows // 2], (EMPTY, FREE)).any()


def _of(frames: Frames) -> Frames:
    """The same of one region."""
    return Frames(frames.counts.sum(axis=0, keepdims=True), ints([0]), ints([0]))


async def test_the_hottest_shows_what_the_mean_hides() -> None:
    def page(time: float) -> Snapshot:
        return snapshot(time, [(0, 2 * GIB, 0), (2 * GIB, 2 * GIB + 4096, 20), (2 * GIB + 4096, 4 * GIB, 0)])

    made = steady(make=page)
    mean, hottest = await text(frame(made, glyphs=True)), await text(frame(made, glyphs=True, hottest=True))
    assert "█" not in "".join(line[11:] for line in mean[:16])
    assert sum("████" in line[11:] for line in hottest[:16]) == 1
    assert "hottest in a cell" in hottest[18]
    folded = await text(frame(made, glyphs=True, fold=True))
    assert sum("████" in line[11:] for line in folded[:16]) == 14
    assert sum("GiB idle" in line for line in folded) == 2


async def test_a_cursor_is_shown_and_found_again() -> None:
    place = Place(GIB, 100.0)
    what = frame(steady(), glyphs=True, cursor=place)
    async with shown(what) as pane:
        lines = pane.text().splitlines()
        y = of(lines[:16], "┼")
        x = lines[y].index("┼")
        assert lines[y][9] == "▶"
        assert lines[16][x] == "▲"
        found = place_at(pane.grid, x, y)
        assert found is not None
        assert abs(found.address - place.address) <= GIB // 4
        assert abs(found.time - place.time) <= 4
        assert place_at(pane.grid, x, 16) is None
        assert place_at(pane.grid, 3, y) is None
        assert place_moved(pane.grid, place, right=-2).time == 92.0
        assert place_moved(pane.grid, place, up=1).address == GIB + GIB // 4
        assert place_moved(pane.grid, place, right=99).time == 240.0


@pytest.mark.parametrize("border", ["none", "round"])
async def test_a_click_says_which_cell_it_met(border: str) -> None:
    app = Screen()
    async with app.run_test(size=(71, 19)) as pilot:
        pane = app.query_one(RegionsPane)
        if border == "round":
            pane.styles.border = ("round", "red")
        await pilot.pause()
        pane.show(frame(steady()))
        await pilot.pause()
        edge = int(border == "round")
        await pilot.click(RegionsPane, offset=(11 + edge + 10, 4 + edge))
        await pilot.click(RegionsPane, offset=(2, 4))  # the axis is no cell
        assert app.pointed == [place_at(pane.grid, 11 + 10, 4)]


async def test_moving_steps_over_what_is_not_mapped() -> None:
    def sparse(time: float) -> Snapshot:
        return snapshot(time, [(HEAP, HEAP + 64 * MIB, 20), (STACK, STACK + MIB, 3)])

    async with shown(frame(steady(make=sparse), glyphs=True)) as pane:
        assert pane.grid.axis is not None
        below = pane.grid.axis.parts[0]
        target, low, _ = pane.grid.axis.place(below.first + below.rows - 1)
        up = place_moved(pane.grid, Place(low, 100.0, target), up=1)
        assert up.address == STACK
        assert place_moved(pane.grid, up, up=-1).address == low


async def test_only_lines_that_changed_are_painted() -> None:
    made = steady()
    async with shown(frame(made)) as pane:
        before = {y: pane.render_line(y) for y in range(19)}
        # the same again, four columns on: the picture is as it was
        more = [*made, *(halves(float(t)) for t in range(242, 258, 2))]
        pane.show(frame(more))
        assert all(pane.render_line(y) is before[y] for y in range(19))
        low = snapshot(258.0, [(0, GIB, 20), (GIB, 4 * GIB, 0)])
        pane.show(frame([*more, low]))
        changed = {y for y in range(19) if pane.render_line(y) is not before[y]}
        assert changed == {8, 9, 10, 11}


async def test_the_axis_stays_while_memory_fits_it() -> None:
    what = frame(steady())
    async with shown(what) as pane:
        axis, raster = pane.grid.axis, pane.composer.raster
        what.history.append(snapshot(242.0, [(GIB, 3 * GIB, 1)]))
        pane.show(replace(what, snapshot=what.history.last, now=242.0))
        assert pane.grid.axis is axis
        what.history.append(snapshot(244.0, [(GIB, 9 * GIB, 1)]))
        pane.show(replace(what, snapshot=what.history.last, now=244.0))
        assert pane.grid.axis is not axis
        assert pane.grid.axis is not None
        assert pane.grid.axis.place(31)[2] == 9 * GIB
        assert raster is not pane.composer.raster


async def test_starting_afresh_forgets_the_picture() -> None:
    what = frame(steady())
    async with shown(what) as pane:
        what.history.clear()
        what.history.append(halves(242.0))
        pane.show(replace(what, snapshot=what.history.last, now=242.0))
        assert (pane.picture.codes[:, :-2] == 251).all()


@pytest.mark.parametrize("width", [1, 2, 5, 12, 30, 44, 71, 130])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 9, 30])
async def test_any_size_can_be_drawn(width: int, height: int) -> None:
    for glyphs in (False, True):
        async with shown(frame(steady(20), glyphs=glyphs, cursor=Place(GIB, 10.0)), (width, height)) as pane:
            for y in range(height + 2):
                assert pane.render_line(y).cell_length == width


async def test_resizing_keeps_everything() -> None:
    async with Screen().run_test(size=(71, 19)) as pilot:
        pane = pilot.app.query_one(RegionsPane)
        pane.show(frame(steady(), glyphs=True))
        await pilot.pause()
        before = pane.text()
        await pilot.resize_terminal(20, 4)
        await pilot.pause()
        await pilot.resize_terminal(71, 19)
        await pilot.pause()
        assert pane.text() == before


async def test_a_theme_changes_the_colours_and_nothing_else() -> None:
    async with Screen().run_test(size=(71, 19)) as pilot:
        pane = pilot.app.query_one(RegionsPane)
        pane.show(frame(steady()))
        await pilot.pause()
        words, dark = pane.text(), pane.render_line(0)._segments[-1].style
        pilot.app.theme = "textual-light"
        await pilot.pause()
        light = pane.render_line(0)._segments[-1].style
        assert pane.text() == words
        assert dark is not None
        assert light is not None
        assert dark.bgcolor is not None
        assert light.bgcolor is not None
        assert dark.bgcolor.triplet is not None
        assert light.bgcolor.triplet is not None
        assert sum(light.bgcolor.triplet) > 600 > 200 > sum(dark.bgcolor.triplet)


def test_ticks_are_round_times_before_the_edge() -> None:
    assert time_ticks(240, 60, "now") == [(0, "−4 min"), (14, "−3"), (29, "−2"), (44, "−1"), (59, "now")]
    assert [label for _, label in time_ticks(240, 120, "now")][:3] == ["−4:00", "−3:30", "−3:00"]
    assert [label for _, label in time_ticks(86400, 60, "12:00:00")] == ["−24 h", "−18", "−12", "−6", "12:00:00"]
    assert time_ticks(240, 0, "now") == []
    for columns in (1, 3, 10, 40):
        assert len(place_labels(time_ticks(240, columns, "now"), columns)) == columns


def test_the_picture_comes_first_when_room_is_short() -> None:
    assert layout(120, 30, glyphs=False).foot == 3
    assert layout(60, 6, glyphs=False).foot == 2
    assert (layout(40, 4, glyphs=True).gutter, layout(40, 4, glyphs=True).foot) == (0, 1)
    assert layout(40, 1, glyphs=True).lines == 1


async def test_the_legend_says_how_coarse_the_past_is_kept() -> None:
    what = frame([])
    history = History(25_000)
    for one in steady(2400):
        history.append(one)
    kept = history.resolution_at(5.0)
    assert kept > 60
    past = replace(what, history=history, snapshot=history.at(240.0), now=240.0, live=False)
    assert f"one picture in {duration(kept)} at the left" in (await text(past, (131, 19)))[18]
    whole = replace(past, span=1e6, now=2400.0)  # a column is longer than that
    assert "one picture" not in (await text(whole, (131, 19)))[18]


@pytest.mark.parametrize("mixed", [None, 1.0])
async def test_where_pages_in_use_lie_among_idle_ones_it_says_somewhere(mixed: float | None) -> None:
    """The lower half is used a little, all over or here and there; above it is a page that is always used, and idle"""
    counts = np.zeros((4, len(FRAME_KINDS)), np.int64)
    counts[:, FRAME_KINDS.index("anon")] = (500, 1, 1, 500)
    frames, page = Frames(counts, ints([0] * 4), ints([0] * 4), 0.0, mixed), 4096
    rows = [(0, 2 * GIB, 5), (2 * GIB, 2 * GIB + page, 18), (2 * GIB + page, 2 * GIB + 4 * page, 3)]
    made = steady(120, lambda time: snapshot(time, [*rows, (2 * GIB + 4 * page, 4 * GIB, 0)], frames=frames))
    what = frame(made, mode="estimate")
    learned = Learned(what.history)
    learned.update(what.history)
    async with shown(replace(what, learned=learned)) as pane:
        codes = pane.picture.codes[:, -3:]
        lower, upper = codes[codes.shape[0] // 2 + 2 :], codes[: codes.shape[0] // 2 - 2]
        assert ((lower >= SOMEWHERE) & (lower < 2 * SOMEWHERE)).all() == (mixed is not None)
        assert (upper < SOMEWHERE).all()
        assert ("somewhere in here" in str(pane.picture.text)) == (mixed is not None)


async def test_of_counted_bytes_there_is_no_estimate_and_their_own_idle_times_are_drawn() -> None:
    counted = [replace(process(), time=float(time), began=time - 2.0) for time in range(2, 122, 2)]
    plain, wanted = frame(counted, mode="idle"), frame(counted, mode="estimate")
    learned = Learned(wanted.history)
    learned.update(wanted.history)
    async with shown(plain) as pane:
        codes, title = pane.picture.codes.copy(), pane.picture.title
        pane.show(replace(wanted, learned=learned))
        assert (pane.picture.codes == codes).all()
        assert (codes[:, -3:] < 2 * SOMEWHERE).any()
        assert pane.picture.title == title
