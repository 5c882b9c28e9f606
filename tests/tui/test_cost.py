"""What is not done again: nothing is painted, computed or woken for where nothing changed."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest
from textual.strip import Strip as PaintedLine
from textual.widget import Widget

from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import past
from damontui.damon.snapshot import Snapshot
from damontui.history import History
from damontui.tui.app import DamontuiApp
from damontui.tui.heatmap.strip import PressureRows, PressureStrip
from damontui.tui.options import ScreenOptions
from damontui.tui.panes.idle import IdlePane
from damontui.tui.panes.keyline import KeyLine
from damontui.tui.series import MetricSeries
from damontui.tui.stage import Stage
from tests import make
from tests.pressure import pressed
from tests.tui import fed
from tests.tui.frames import frame


def counted(patch: pytest.MonkeyPatch, kind: type, name: str) -> list[object]:
    """Calls of a method from now on: on what."""
    calls: list[object] = []
    before: Callable[..., object] = getattr(kind, name)

    def call(self: object, *args: object, **named: object) -> object:
        calls.append(self)
        return before(self, *args, **named)

    patch.setattr(kind, name, call)
    return calls


async def test_a_frame_that_is_as_the_one_before_repaints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 60.0)
    async with app.run_test(size=(120, 36)) as pilot:
        for snapshot in make.steady(60):
            fed.feed(app, snapshot)
        await pilot.press("n")
        app.paint()
        await pilot.pause()
        refreshed = counted(monkeypatch, Widget, "refresh")
        app.paint()
        assert refreshed == []
        fed.feed(app, make.steady(61)[60])
        assert refreshed != []


async def test_lines_are_made_again_only_where_something_is_repainted() -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 60.0)
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, make.steady(60))
        await pilot.pause()
        pane = app.query_one(IdlePane)
        part = pane.outer_size.region
        first = pane.render_lines(part)
        assert pane.render_lines(part) is first
        pane.lines[3] = (("x" * pane.columns, "value"),)
        pane.refresh_lines([3])
        again = pane.render_lines(part)
        assert [y for y, (a, b) in enumerate(zip(first, again, strict=True)) if a is not b] == [3 + pane.gutter.top]
        pane.border_title = "other"
        assert "other" in pane.render_lines(part)[0].text
        assert pane.render_lines(part)[1:] == again[1:]


async def test_pressure_is_worked_out_only_for_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 60.0)
    async with app.run_test(size=(120, 36)) as pilot:
        made = pressed(make.steady(61), "/web")
        for snapshot in made[:60]:
            fed.feed(app, snapshot)
        await pilot.press("w", "w")
        await pilot.pause()
        refreshed, worked = counted(monkeypatch, Widget, "refresh"), counted(monkeypatch, PressureStrip, "_drawn")
        looked = counted(monkeypatch, PressureRows, "numbers_of")
        app.paint()
        assert refreshed == worked == looked == []
        fed.feed(app, made[60])
        assert (len(worked), len(looked)) == (1, 1)


async def test_the_clock_goes_on_by_itself_only_where_nothing_else_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 60.0)
    async with app.run_test(size=(120, 36)):
        fed.feed_all(app, make.steady(5))
        counted_on = counted(monkeypatch, Stage, "count_on")
        now = time.monotonic()
        app.clocks.painted(now)
        app.clocks.tick(now)
        assert counted_on == []
        app.clocks.tick(now + 2.0)
        assert len(counted_on) == 1
        fed.feed(app, make.status("off", "switched off", 5.0))
        app.clocks.tick(now + 4.0)
        assert len(counted_on) == 1, "nothing counts on where nothing is monitored"


async def test_the_clock_of_a_record_goes_only_while_there_is_a_use_of_it() -> None:
    of = fed.session(make.description("record", speed=60.0), clock=lambda: make.WALL)
    app = DamontuiApp(of, options=ScreenOptions())
    async with app.run_test(size=(120, 36)):
        fed.feed_all(app, make.steady(240))
        assert app.clocks.wound, "not all of it has been gone through"
        while of.playback.busy:
            app.clocks.play_on(0.0)
        assert not app.clocks.wound
        app.action_wish("pause")
        assert app.clocks.wound
        app.action_wish("live")
        assert not app.clocks.wound
    live = DamontuiApp(fed.session(make.description()), options=ScreenOptions())
    async with live.run_test(size=(120, 36)):
        fed.feed_all(live, make.steady(5))
        assert not live.clocks.wound


def test_the_foot_line_is_made_once() -> None:
    pane, shown = KeyLine({}), frame(make.steady(5))
    assert pane.draw(shown, 100, 1) is pane.draw(shown, 100, 1)
    assert pane.draw(shown, 100, 1) != pane.draw(frame(make.steady(5), live=False), 100, 1)


def test_bytes_of_idle_memory_are_counted_once_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    pane, snapshots = IdlePane(), make.steady(20)
    shown = frame(snapshots, estimate=past(snapshots))
    asked = counted(monkeypatch, Estimate, "idle_at")
    first = pane.draw(shown, 60, 14)
    assert len(asked) == 1
    assert pane.draw(shown, 60, 14) == first
    assert len(asked) == 1
    pane.draw(frame(snapshots, estimate=past(snapshots)), 60, 14)
    assert len(asked) == 2


def test_of_a_long_past_few_snapshots_are_unpacked_at_once() -> None:
    history = History(200_000)  # nearly all of it is packed
    for number in range(500):
        history.append(make.many_regions(60, step=number, time=float(number + 1)))
    assert len(history) > 50

    def held() -> int:
        return sum(isinstance(one, Snapshot) for one in gc.get_objects())

    before, most = held(), 0

    def metric(snapshot: Snapshot) -> float:
        nonlocal most
        most = max(most, held() - before)
        return float(len(snapshot))

    MetricSeries(metric).update(history)
    assert most <= 2


async def test_what_was_painted_of_a_closed_screen_is_not_kept() -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL + 60.0)
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, make.steady(5))

        async def held_after(times: int) -> int:
            for _ in range(times):
                await pilot.press("question_mark", "escape")
            await pilot.pause()
            gc.collect()
            return sum(isinstance(one, PaintedLine) for one in gc.get_objects())

        first = await held_after(3)
        assert await held_after(6) < first + 100, "a help page has some 90 lines"
