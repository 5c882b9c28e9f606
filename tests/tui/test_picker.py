"""The picker: moving, filtering, choosing, refusals, sizes; and changing the target as a whole."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Event, Snapshot
from damontui.errors import SourceError
from damontui.kernel.damon_sysfs import SysfsTarget
from damontui.monitor import Monitor
from damontui.session.session import Session
from damontui.sources.active import ActiveSource
from damontui.sources.catalog import Entry
from damontui.sources.own_kdamond import OwnKdamond
from damontui.tui.app import DamontuiApp
from damontui.tui.panes.bandwidth import BandwidthPane
from damontui.tui.panes.notice import Notice
from damontui.tui.panes.title import TitleBar
from damontui.tui.screens.picker import PickerPane, PickerScreen
from tests import make
from tests.fake_kernel import PARAMETERS
from tests.fake_sysfs import FakeSysfs
from tests.tui import fed, picker
from tests.tui.picker import Scripted


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds; a test that never gets there fails by its limit."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
    await pilot.pause()


def app_on(active: ActiveSource | None) -> DamontuiApp:
    """The app on the source of an entered active, or fed by hand."""
    if active is None:
        return fed.app(make.description(), clock=lambda: make.WALL + 60.0)
    return DamontuiApp(Session(Monitor(active.source), active=active, clock=lambda: make.WALL + 60.0))


def shown() -> DamontuiApp:
    """Nothing is monitored, and nothing can be opened."""
    return fed.app(make.description(), clock=lambda: make.WALL + 60.0, active=picker.active(Scripted()))


async def opened(pilot: Pilot[int]) -> PickerPane:
    await pilot.press("t")
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, PickerScreen)
    return screen.pane


def word(pane: PickerPane) -> str:
    assert pane.chosen is not None
    return pane.chosen.word


# -- the list


async def test_it_opens_on_the_target_in_force_and_escape_changes_nothing() -> None:
    app = shown()
    async with app.run_test(size=(120, 36)) as pilot:
        pane = await opened(pilot)
        assert word(pane) == "stat"
        assert "stat (watched now)" in pane.text()
        await pilot.press("escape")
        assert not isinstance(app.screen, PickerScreen)
        assert app.session.description.target == "stat"


async def test_arrows_pages_ends_and_sections() -> None:
    app = shown()
    async with app.run_test(size=(120, 36)) as pilot:
        pane = await opened(pilot)
        seen = []
        for key in ("down", "down", "down", "up", "tab", "tab", "tab", "tab", "shift+tab", "end", "down", "home", "up"):
            await pilot.press(key)
            seen.append(word(pane))
        assert seen == [
            *("paddr", "kdamond:88", "2211", "kdamond:88"),
            *("2211", "demo:steady", "./monday.damontui", "stat", "./monday.damontui"),
            *("./broken.cfg", "./broken.cfg", "stat", "stat"),
        ]


async def test_typing_filters_and_keys_of_the_panes_are_letters_here() -> None:
    app = shown()
    async with app.run_test(size=(120, 36)) as pilot:
        pane = await opened(pilot)
        await pilot.press(*"eq")
        assert pane.filter == "eq"
        assert pane.chosen is None
        assert "nothing matches" in pane.text()
        await pilot.press("backspace", "backspace", *"Web", "space", *"231")
        assert [entry.word for entry in pane.targets()] == ["2319"]
        assert "1 of 21" in pane.text()
        await pilot.press("ctrl+u")
        assert len(pane.targets()) == 21
        assert word(pane) == "2319"
        assert app.session.enabled


async def test_enter_right_behind_what_is_typed_or_pasted_is_about_the_new_list() -> None:
    app = shown()
    async with app.run_test(size=(120, 36)) as pilot:
        pane = await opened(pilot)
        for key in (*"914", "enter"):  # all at once, as a terminal sends what was typed ahead
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert "914 cannot be watched" in pane.text()
        app.post_message(events.Paste("\x1b\n7"))
        await pilot.pause()
        assert pane.filter == "9147"
        await pilot.press("left", "backspace", "ctrl+w")
        assert pane.filter == "7"


async def test_children_below_their_parents() -> None:
    app = shown()
    async with app.run_test(size=(120, 36)) as pilot:
        pane = await opened(pilot)
        await pilot.press("ctrl+t", *"postgres")
        assert [(entry.word, entry.depth) for entry in pane.targets()] == [("914", 0), ("921", 1), ("922", 1)]
        assert "×   postgres: checkpointer" in pane.text()
        await pilot.press("ctrl+t")
        assert [entry.depth for entry in pane.targets()] == [0, 0, 0]


async def test_looking_again_keeps_what_was_chosen() -> None:
    there: list[tuple[Entry, ...]] = [picker.entries(), picker.entries()[:3] + picker.many(3)]
    active = picker.active(Scripted(), there=lambda: there.pop(0))
    app = fed.app(make.description(), active=active)
    async with app.run_test(size=(120, 36)) as pilot:
        pane = await opened(pilot)
        await pilot.press("down", "down", "ctrl+r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert word(pane) == "kdamond:88"
        assert "worker-3" in pane.text()
        assert "firefox" not in pane.text()


async def test_what_cannot_be_watched_says_why_and_stays_put() -> None:
    app = shown()
    async with app.run_test(size=(120, 36)) as pilot:
        pane = await opened(pilot)
        await pilot.press("down")
        expected = "paddr cannot be watched: only root may start a kdamond; run it with: sudo /usr/bin/damontui"
        assert expected in pane.text()
        await pilot.press("enter")
        assert expected in pane.text()
        assert isinstance(app.screen, PickerScreen)


async def test_the_target_in_force_is_available_though_its_own_kdamond_is_in_the_way() -> None:
    app = fed.app(make.description(target="paddr"), active=picker.active(Scripted()))
    async with app.run_test(size=(120, 36)) as pilot:
        pane = await opened(pilot)
        assert word(pane) == "paddr"
        assert "paddr (watched now): physical memory, by a kdamond of our own" in pane.text()
        await pilot.press("up")
        assert "● physical memory" in pane.text()
        await pilot.press("down", "enter")
        assert not isinstance(app.screen, PickerScreen)


async def test_a_fault_while_looking_is_said() -> None:
    def broken() -> tuple[Entry, ...]:
        raise ZeroDivisionError("of ours")

    app = fed.app(make.description(), active=picker.active(Scripted(), there=broken))
    async with app.run_test(size=(120, 36)) as pilot:
        pane = await opened(pilot)
        assert "ZeroDivisionError: of ours" in pane.text()


@pytest.mark.parametrize("size", [(200, 50), (120, 36), (80, 24), (60, 15), (40, 10), (30, 8), (20, 5), (10, 3)])
async def test_every_size_shows_the_chosen_line(size: tuple[int, int]) -> None:
    app = shown()
    async with app.run_test(size=size) as pilot:
        pane = await opened(pilot)
        for key in ("down", "tab", "end", "home", "pagedown", "pageup"):
            await pilot.press(key)
            at = pane.rows.index(pane.chosen) if pane.chosen is not None else -1
            assert pane.top <= at < pane.top + pane._seen
            assert sum("▶" in line for line in pane.text().split("\n")) == (1 if pane.size.height > 2 else 0)
        await pilot.press("escape")
        assert not isinstance(app.screen, PickerScreen)


async def test_ten_thousand_processes_scroll() -> None:
    active = picker.active(Scripted(), there=lambda: picker.many(10_000))
    app = fed.app(make.description(), active=active)
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await opened(pilot)
        await pilot.press("end")
        assert "▶ worker-10000" in pane.text()
        await pilot.press(*"9999")
        assert "▶ worker-9999" in pane.text()


async def test_the_mouse_scrolls_and_chooses() -> None:
    app = shown()
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await opened(pilot)
        pane._scroll(3)
        assert pane.top == 3
        row = next(y for y in range(pane.size.height) if (entry := pane.row_at(y)) is not None and entry.word == "914")
        await pilot.click(PickerPane, offset=(10, row + 1))
        assert "914 cannot be watched: belongs to postgres" in pane.text()
        assert pane.row_at(0) is None


# -- changing the target


def test_the_target_is_changed_and_the_old_one_left() -> None:
    log: list[str] = []

    async def run() -> None:
        with picker.active(Scripted("stat", log), lambda word: Scripted(word, log)) as active:
            app = app_on(active)
            async with app.run_test(size=(120, 36)) as pilot:
                await until(pilot, lambda: len(app.session.history) == 3)
                await pilot.press("space")
                assert app.session.viewport.moment is not None
                pane = await open_live(pilot)
                await pilot.press(*"2211", "enter")
                await until(pilot, lambda: app.session.description.target == "2211" and len(app.session.history) == 3)
                app.paint()  # which otherwise comes when the last one is a tenth of a second old
                assert "title of 2211" in app.query_one(TitleBar).text()
                assert "LIVE" in app.query_one(TitleBar).text()
                assert app.session.viewport.moment is None
                assert log == ["enter stat", "enter 2211", "stopped stat", "leave stat"]
                assert pane is not None
                await pilot.press("q")
        assert log[4:] == ["stopped 2211", "leave 2211"]

    asyncio.run(run())


async def open_live(pilot: Pilot[int]) -> PickerPane:
    """Open the picker while a monitor runs, which is a worker that does not complete."""
    await pilot.press("t")
    await until(pilot, lambda: isinstance(pilot.app.screen, PickerScreen))
    screen = pilot.app.screen
    assert isinstance(screen, PickerScreen)
    await until(pilot, lambda: screen.pane.entries is not None)
    return screen.pane


class Refused(Scripted):
    def __enter__(self) -> Refused:
        raise SourceError("cannot watch process 2211", "it has ended", "choose another target")


async def test_a_refusal_is_said_in_place_and_the_old_target_goes_on() -> None:
    log: list[str] = []
    with picker.active(Scripted("stat", log), lambda word: Refused(word, log)) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: len(app.session.history) == 3)
            pane = await open_live(pilot)
            await pilot.press(*"2211", "enter")
            await until(pilot, lambda: "it has ended" in pane.text())
            assert "cannot watch process 2211: it has ended. Choose another target" in pane.text()
            assert app.session.description.target == "stat"
            await pilot.press("down")
            assert "it has ended" not in pane.text()
            await pilot.press("escape")
            assert log == ["enter stat"]
            assert app.session.monitor is not None
            assert app.session.monitor.running
            assert len(app.session.history) == 3
    assert log == ["enter stat", "stopped stat", "leave stat"]


async def test_a_fault_in_a_source_is_said_too() -> None:
    def fault(word: str) -> Scripted:
        raise ZeroDivisionError("of ours")

    with picker.active(Scripted(), fault) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            pane = await open_live(pilot)
            await pilot.press(*"2211", "enter")
            await until(pilot, lambda: "ZeroDivisionError: of ours" in pane.text())


async def test_the_target_in_force_is_not_opened_again() -> None:
    log: list[str] = []
    with picker.active(Scripted("stat", log), lambda word: Scripted(word, log)) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            await open_live(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: not isinstance(app.screen, PickerScreen))
            assert log == ["enter stat"]


async def test_one_that_is_entered_after_the_picker_was_closed_is_left() -> None:
    log: list[str] = []
    go = threading.Event()

    class Slow(Scripted):
        def __enter__(self) -> Slow:
            go.wait()
            super().__enter__()
            return self

    with picker.active(Scripted("stat", log), lambda word: Slow(word, log)) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            pane = await open_live(pilot)
            await pilot.press(*"2211", "enter")
            await until(pilot, lambda: "opening 2211" in pane.text())
            await pilot.press("escape")
            go.set()
            await until(pilot, lambda: "leave 2211" in log)
            assert app.session.description.target == "stat"
    assert log == ["enter stat", "enter 2211", "leave 2211", "stopped stat", "leave stat"]


async def test_what_the_old_target_leaves_undone_is_said() -> None:
    class Failing(Scripted):
        def __exit__(self, *error: object) -> None:
            raise SourceError("cannot give DAMON_STAT back", "it is gone")

    with picker.active(Failing(), lambda word: Scripted(word)) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            await open_live(pilot)
            await pilot.press(*"2211", "enter")
            await until(pilot, lambda: app.session.description.target == "2211")
            await until(pilot, lambda: "cannot give DAMON_STAT back" in app.query_one(Notice).text())


async def test_a_screen_with_one_target_says_so() -> None:
    app = app_on(None)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("t")
        assert not isinstance(app.screen, PickerScreen)
        assert "cannot change the target" in app.query_one(Notice).text()


async def test_a_process_that_ended_leaves_its_picture_and_the_notice_offers_the_picker() -> None:
    app = shown()
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, [*make.steady(30), make.status("gone", "process 1234 (x) ended at 00:00:30", 30.0)])
        await pilot.pause()
        assert "process 1234 (x) ended at 00:00:30; press t for another target" in app.query_one(Notice).text()
        assert len(app.session.history) == 30
        await opened(pilot)


async def test_a_scene_that_nobody_asked_for_opens_with_what_is_real_in_front_of_it() -> None:
    class Scene(Scripted):
        def describe(self) -> Description:
            return replace(super().describe(), reason="This is synthetic memory: Linux 6.1 has no DAMON")

    real = Entry("real", "2211", "process 2211", "firefox, 1.8 GiB")
    with picker.active(Scene("demo:steady"), there=lambda: (real, *picker.entries())) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: isinstance(app.screen, PickerScreen) and app.screen.pane.entries is not None)
            assert isinstance(app.screen, PickerScreen)
            assert app.screen.pane.chosen is real
            assert "▶ process 2211" in app.screen.pane.text().splitlines()[3]
            await pilot.press("escape")
            words = app.screen_stack[0].query_one(Notice).text()
            assert "no DAMON. Press t for real memory: process 2211, firefox, 1.8 GiB" in " ".join(words.split())


async def test_the_picker_does_not_open_scrolled_past_the_largest_processes() -> None:
    active = picker.active(Scripted(), there=lambda: (*picker.many(300), *picker.entries()[-6:]))
    app = fed.app(make.description(target="demo:steady"), active=active)
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await opened(pilot)
        assert pane.top == 0
        assert "▶ worker-1 " in pane.text()


class Refusing(Scripted):
    """It can be entered, and says no when it is to begin."""

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        self.log.append(f"refused {self.word}")
        raise SourceError("cannot monitor paddr with DAMON", "DAMON is held by somebody", "stop it first")
        yield


class Elsewhere(Refusing):
    """It needs nothing of the kernel's."""

    def describe(self) -> Description:
        return replace(super().describe(), origin="process")


async def test_a_target_that_refuses_to_begin_does_not_stop_the_one_in_force() -> None:
    log: list[str] = []
    with picker.active(Scripted("stat", log), lambda word: Elsewhere(word, log)) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: len(app.session.history) == 3)
            await open_live(pilot)
            await pilot.press(*"2211", "enter")
            # the refusal is written down before the screen is told of it
            await until(pilot, lambda: "DAMON is held by somebody" in app.query_one(Notice).text())
            assert log == ["enter stat", "enter 2211", "refused 2211", "leave 2211"]  # stat was never stopped
            assert app.query_one(Notice).text().count("DAMON is held by somebody") == 1
            assert "LIVE" in app.query_one(TitleBar).text()
            assert "GB/s" in app.query_one(BandwidthPane).text()
            assert app.session.description.target == "stat"
            assert app.session.monitor is not None
            assert app.session.monitor.running
            assert active.source.describe().target == "stat"


class GoingOn(Scripted):
    """Its clock goes on from one run to the next, as a real source's does."""

    runs = 0

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        late, self.runs = 10.0 * self.runs, self.runs + 1
        for one in make.steady(3):
            yield replace(one, time=one.time + late, began=one.began + late, wall=one.wall + late)
        stop.wait()
        self.log.append(f"stopped {self.word}")


async def test_where_both_need_the_same_the_one_before_comes_back_with_its_past() -> None:
    log: list[str] = []
    with picker.active(GoingOn("stat", log), lambda word: Refusing(word, log)) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: len(app.session.history) == 3)
            history = app.session.history
            await open_live(pilot)
            await pilot.press(*"2211", "enter")
            await until(
                pilot, lambda: "leave 2211" in log and app.session.monitor is not None and app.session.monitor.running
            )
            await until(pilot, lambda: len(history) == 6)
            assert app.session.history is history
            assert [round(one.time) for one in history.between(-math.inf, math.inf)] == [1, 2, 3, 11, 12, 13]
            assert log[:4] == ["enter stat", "enter 2211", "stopped stat", "refused 2211"]
            await until(pilot, lambda: "DAMON is held by somebody" in app.query_one(Notice).text())
            assert "LIVE" in app.query_one(TitleBar).text()
            assert app.session.description.target == "stat"
            assert not app.session.switching
    assert log[-2:] == ["stopped stat", "leave stat"]


async def test_a_target_that_damon_stat_is_in_the_way_of_can_be_had_with_a_key() -> None:
    blocked = Blocked()
    with picker.active(Scripted("stat", blocked.log), lambda word: blocked) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: len(app.session.history) == 3)
            await open_live(pilot)
            await pilot.press(*"2211", "enter")
            await until(pilot, lambda: "Press T to switch DAMON_STAT off" in app.query_one(Notice).text())
            assert app.session.description.target == "stat"
            assert "LIVE" in app.query_one(TitleBar).text()
            await pilot.press("T")
            await until(pilot, lambda: app.session.description.target == "paddr" and len(app.session.history) == 3)
            assert blocked.take
            assert "Press T" not in app.query_one(Notice).text()
            await until(pilot, lambda: "leave stat" in blocked.log)


# -- taking DAMON from DAMON_STAT


class Blocked(Scripted):
    """DAMON_STAT is in the way until it may be taken."""

    def __init__(self) -> None:
        super().__init__("paddr")
        self.take = False

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        if not self.take:
            raise SourceError("cannot monitor paddr with DAMON", "DAMON is held by DAMON_STAT", "x", offer="take")
        yield from super().snapshots(stop)


async def test_damon_stat_steps_aside_on_a_key() -> None:
    source = Blocked()
    app = app_on(ActiveSource(source))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "Press T to switch DAMON_STAT off" in app.query_one(Notice).text())
        assert not source.take
        await pilot.press("T")
        await until(pilot, lambda: len(app.session.history) == 3)
        assert source.take
        assert app.session.error is None
        assert isinstance(app.session.history.last, Snapshot)


async def test_a_kernels_damon_stat_is_taken_by_the_key_and_given_back_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    kernel = FakeSysfs(tmp_path)
    kernel.start()
    enabled = tmp_path / PARAMETERS / "enabled"
    source = OwnKdamond(
        kernel.root,
        "paddr",
        lambda: (SysfsTarget(ranges=((4096, 65536),)),),
        Attrs(),
        target="paddr",
        title="physical memory",
        clock=kernel.clock,
        wall=kernel.wall,
        pause=kernel.advance,
    )
    with ActiveSource(source) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: "Press T" in app.query_one(Notice).text())
            assert enabled.read_text().strip() == "Y"
            await pilot.press("T")
            # its folder is made only once the new run has begun
            await until(
                pilot,
                lambda: (
                    app.session.error is None and kernel.sys("nr_kdamonds") == "1" and kernel.sys("0/state") == "on"
                ),
            )
            assert enabled.read_text().strip() == "N"
            await pilot.press("q")
    assert enabled.read_text().strip() == "Y"
    assert kernel.sys("nr_kdamonds") == "0"


async def test_where_nothing_is_offered_the_key_says_so() -> None:
    source = Blocked()
    source.take = True
    app = app_on(ActiveSource(source))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.session.history) == 3)
        await pilot.press("T")
        assert "not in the way" in app.query_one(Notice).text()
        assert len(app.session.history) == 3
