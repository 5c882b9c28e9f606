"""Every size of terminal shows what it can, never traps its user, and forgets nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from damontui.errors import SourceError
from damontui.tui.app import DamontuiApp
from damontui.tui.heatmap.widget import RegionsPane
from damontui.tui.panes.bandwidth import BandwidthPane
from damontui.tui.panes.idle import IdlePane
from damontui.tui.panes.intervals import IntervalsPane
from damontui.tui.panes.notice import Notice
from damontui.tui.panes.title import TitleBar
from tests import make
from tests.tui import fed


def app_of(origin: str = "kernel") -> DamontuiApp:
    description = make.description("simulated", reason="why " * 60) if origin == "simulated" else make.description()
    return fed.app(description, clock=lambda: make.WALL + 60.0)


@pytest.mark.parametrize("origin", ["kernel", "simulated"])
@pytest.mark.parametrize(
    "size", [(1, 1), (3, 2), (12, 5), (20, 40), (39, 7), (40, 8), (60, 15), (99, 19), (100, 12), (170, 20), (300, 90)]
)
async def test_runs_and_quits_at_every_size(size: tuple[int, int], origin: str) -> None:
    app = app_of(origin)
    async with app.run_test(size=size) as pilot:
        fed.feed_all(app, make.steady(60, origin="simulated" if origin == "simulated" else "kernel", truth=True))
        await pilot.pause()
        for key in ("e", "e", "space", "1", "escape", "a", "question_mark", "escape", "q"):
            await pilot.press(key)
    assert app.return_value == 0


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((120, 36), {"regions": 20, "intervals": 4, "bandwidth": 4, "idle": 12}),
        ((100, 30), {"regions": 20, "intervals": 4, "bandwidth": 4, "idle": 5}),
        ((80, 24), {"regions": 12, "intervals": 1, "bandwidth": 1, "idle": 5}),
        ((60, 15), {"headline": 1, "regions": 8, "bandwidth": 1, "idle": 3}),
        ((40, 10), {"headline": 1, "regions": 4, "bandwidth": 1, "idle": 1}),
        ((80, 50), {"regions": 12, "intervals": 6, "bandwidth": 4, "idle": 12}),
        ((200, 50), {"regions": 30, "intervals": 4, "bandwidth": 8, "idle": 22}),
    ],
)
async def test_what_matters_is_there(size: tuple[int, int], shown: dict[str, int]) -> None:
    app = app_of()
    async with app.run_test(size=size) as pilot:
        fed.feed_all(app, make.steady(60))
        await pilot.pause()
        for name, rows in shown.items():
            assert app.query_one(f"#{name}").size.height >= rows, name
        assert "LIVE" in app.query_one(TitleBar).text()


async def test_resizing_loses_nothing() -> None:
    app = app_of()
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, make.steady(60))
        await pilot.pause()
        kinds = (RegionsPane, IntervalsPane, BandwidthPane, IdlePane, TitleBar)

        def picture() -> list[str]:
            return [
                "\n".join(pane.render_line(y).text for y in range(pane.size.height))
                for pane in map(app.query_one, kinds)
            ]

        before = picture()
        for size in ((60, 15), (10, 4), (200, 60), (80, 24), (120, 36)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert picture() == before


async def test_nothing_is_repainted_that_did_not_change() -> None:
    app = app_of()
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, make.steady(60))
        await pilot.pause()
        painted: list[object] = []
        for pane in (*app.query(IntervalsPane), *app.query(BandwidthPane), *app.query(IdlePane), *app.query(TitleBar)):
            pane.refresh = lambda *regions, pane=pane, **_: painted.append((pane, regions))  # type: ignore[method-assign]
        app.paint()
        assert painted == []
        fed.feed(app, make.steady(61)[60])
        lines = sum(len(regions) for _, regions in painted)  # type: ignore[misc, attr-defined]
        assert 0 < lines < 36


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize(("size", "goes"), [((60, 15), True), ((40, 10), True), ((80, 24), False)])
async def test_where_there_is_little_room_a_message_goes_and_comes_back_by_key(
    size: tuple[int, int], goes: bool, noted: bool
) -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 30.0)
    async with app.run_test(size=size) as pilot:
        fed.feed_all(app, make.steady(30))
        if noted:
            fed.feed(app, replace(make.steady(31)[30], note="readings slowed to one in 1.4 s"))
        else:
            app.session.messages.notice = SourceError("cannot record", "nothing is monitored")
        for now in (0.0, 5.0, 9.9):
            app.clocks.let_go(now)
            assert app.session.messages.said
        app.clocks.let_go(10.1)
        assert app.session.messages.said is not goes
        assert not noted or app.query_one(Notice).display is not goes
        await pilot.press("i")
        assert app.session.messages.said
        app.clocks.let_go(11.0)  # again for as long
        assert app.session.messages.said
