"""The app with a monitor in its thread: what reaches the screen, switching, errors, restarting, leaving."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from textual.pilot import Pilot

from damontui.damon.snapshot import Description, Event
from damontui.errors import SourceError
from damontui.monitor import Monitor
from damontui.session.session import Session
from damontui.tui.app import Arrived, DamontuiApp
from damontui.tui.panes.bandwidth import BandwidthPane
from damontui.tui.panes.notice import Notice
from damontui.tui.panes.title import TitleBar
from tests import make


class Scripted:
    """A source that yields one list of events a run, then waits for the stop unless the list ends it."""

    def __init__(self, *runs: Sequence[Event | Exception], stays: bool = True, locked: str = "") -> None:
        self.runs = list(runs)
        self.stays = stays
        self.on = True
        self.refusal: SourceError | None = None
        self.started = 0
        self.stopped = 0
        self.locked = locked
        self._off = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def describe(self) -> Description:
        return make.description(locked=self.locked)

    @property
    def enabled(self) -> bool:
        return self.on

    @enabled.setter
    def enabled(self, on: bool) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.on = on
        if on:
            self._off.clear()
        else:
            self._off.set()

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        self.started += 1
        events = self.runs[min(self.started, len(self.runs)) - 1]
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event
        while self.stays and not stop.wait(0.005):
            if self._off.is_set():
                yield make.status("off", "switched off", 9.0)
                break
        self.stopped += 1

    def overhead(self) -> float:
        return 0.0


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds; a test that never gets there fails by its limit."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
    await pilot.pause()


def app_of(source: Scripted) -> DamontuiApp:
    return DamontuiApp(Session(Monitor(source), clock=lambda: make.WALL + 60.0))


def title(app: DamontuiApp) -> str:
    return app.query_one(TitleBar).text()


async def test_snapshots_of_the_thread_reach_the_panes() -> None:
    source = Scripted(make.steady(40))
    app = app_of(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "LIVE" in title(app) and len(app.session.history) == 40)
        assert "GB/s" in app.query_one(BandwidthPane).text()
    assert source.stopped == 1
    assert app.session.monitor is not None
    assert not app.session.monitor.running


async def test_leaving_stops_and_joins_the_monitor() -> None:
    source = Scripted(make.steady(3))
    app = app_of(source)
    async with app.run_test() as pilot:
        await until(pilot, lambda: source.started == 1)
        await pilot.press("q")
    assert source.stopped == 1
    assert app.return_value == 0


async def test_off_and_on_keeps_the_past_with_a_gap() -> None:
    early = make.steady(10)
    late = [dataclasses.replace(one, time=one.time + 60, began=one.began + 60) for one in make.steady(3)]
    source = Scripted(early, late)
    app = app_of(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.session.history) == 10)
        epoch = app.session.history.epoch
        await pilot.press("e")
        await until(pilot, lambda: "○ OFF" in title(app) and source.stopped == 1)
        await pilot.press("e")
        await until(pilot, lambda: source.started == 2 and len(app.session.history) == 13)
        await until(pilot, lambda: "LIVE" in title(app))
        assert app.session.history.epoch == epoch
    after = [snapshot for snapshot in app.session.history if snapshot.time > early[-1].time]
    assert after[0].began - early[-1].time > 40


async def test_off_and_on_of_a_clock_that_begins_anew_starts_afresh() -> None:
    source = Scripted(make.steady(10), make.steady(3))
    app = app_of(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.session.history) == 10)
        await pilot.press("e")
        await until(pilot, lambda: "○ OFF" in title(app) and source.stopped == 1)
        assert not source.on
        assert len(app.session.history) == 10
        await pilot.press("e")
        await until(pilot, lambda: source.started == 2 and len(app.session.history) == 3)
        await until(pilot, lambda: "LIVE" in title(app))


async def test_a_switch_that_does_not_take_is_said_in_place_and_changes_nothing() -> None:
    source = Scripted(make.steady(10))
    source.refusal = SourceError("cannot switch DAMON_STAT off", "it is held by kdamond 99", "stop that first")
    app = app_of(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "LIVE" in title(app))
        await pilot.press("e")
        await until(pilot, lambda: app.query_one(Notice).display)
        assert "held by kdamond 99" in app.query_one(Notice).text()
        assert "LIVE" in title(app)
        assert app.session.enabled


async def test_an_error_of_the_world_keeps_the_picture_and_e_starts_afresh() -> None:
    source = Scripted([*make.steady(5), SourceError("cannot read regions", "tracefs went away")], make.steady(2))
    app = app_of(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "STOPPED" in title(app))
        await until(pilot, lambda: "tracefs went away" in app.query_one(Notice).text())
        assert app.query_one(BandwidthPane).has_class("-dim")
        await pilot.press("e")
        await until(pilot, lambda: "LIVE" in title(app))
        assert len(app.session.history) == 2


async def test_a_fault_of_ours_is_an_error_with_a_way_on() -> None:
    source = Scripted([*make.steady(5), ZeroDivisionError("of ours")], make.steady(2))
    app = app_of(source)
    async with app.run_test(size=(120, 36)) as pilot:
        # the clock may paint the title by itself, before the rest
        await until(pilot, lambda: "ZeroDivisionError: of ours" in app.query_one(Notice).text())
        assert "STOPPED" in title(app)
        assert "press e to start afresh" in app.query_one(Notice).text().lower()
        await pilot.press("e")
        await until(pilot, lambda: "LIVE" in title(app))


async def test_a_locked_source_can_still_be_started_afresh_without_its_switch() -> None:
    source = Scripted([SourceError("cannot read", "gone")], make.steady(2), locked="read-only")
    source.refusal = SourceError("must not be", "asked")
    app = app_of(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.session.error is not None)
        await pilot.press("e")
        await until(pilot, lambda: "LIVE" in title(app))
        assert app.session.messages.notice is None


async def test_the_end_of_a_record_leaves_its_last_picture() -> None:
    source = Scripted([*make.steady(5), make.status("ended", "the record is at its end", 5.0)], stays=False)
    app = app_of(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "the record is at its end" in app.query_one(Notice).text())
        assert "ENDED" in title(app)
        assert not app.query_one(BandwidthPane).has_class("-dim")


async def test_started_switched_off() -> None:
    source = Scripted([make.status("off", "switched off", 0.0)], make.steady(4), stays=False)
    source.on = False
    app = app_of(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "○ OFF" in title(app))
        assert "press e to switch on" in app.query_one(BandwidthPane).text()
        source.stays = True
        await pilot.press("e")
        await until(pilot, lambda: "LIVE" in title(app))


def test_messages_replace_one_another_and_nothing_else() -> None:
    from textual.events import Key

    assert Arrived().can_replace(Arrived())
    assert not Arrived().can_replace(Key("e", "e"))


async def test_no_event_is_lost_however_many_come_at_once() -> None:
    flood: list[Event] = []
    for snapshot in make.steady(200):
        flood += [snapshot, make.status("waiting", f"for {snapshot.time:.0f}", snapshot.time)]
    flood.append(make.status("gone", "the module was unloaded", 200.0))
    app = app_of(Scripted(flood))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "GONE" in title(app))
        assert len(app.session.history) == 200
        await until(pilot, lambda: "the module was unloaded" in app.query_one(Notice).text())
