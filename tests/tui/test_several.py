"""The table of several processes on the screen, the way into one of them and back, and the question about a pause."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from damontui.damon.snapshot import Description, Event
from damontui.operations.counted import One
from damontui.operations.processes import Missing
from damontui.operations.refusals import HoldsUp
from damontui.sources.base import Source
from damontui.tui.screens.picker import PickerScreen
from damontui.tui.screens.question import QuestionScreen
from damontui.tui.screens.several import SeveralPane, SeveralScreen
from tests import make
from tests.sources.test_several import Machine
from tests.tui import picker
from tests.tui.picker import Scripted
from tests.tui.test_picker import app_on, until


class Many(Scripted):
    """Three processes; one alone where that is its word."""

    def __init__(self, each: tuple[One, ...], word: str, log: list[str]) -> None:
        super().__init__(word, log)
        self.each = each
        self.missing: tuple[Missing, ...] = ()
        self.several = "," in word

    def describe(self) -> Description:
        return make.description(target=self.word, title=f"title of {self.word}", origin="process")

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        yield self.each[0].snapshot
        stop.wait()


@pytest.fixture
def each(tmp_path: Path) -> tuple[One, ...]:
    machine = Machine(tmp_path)
    with machine.source() as source:
        machine.look(source, 3)
        return source.each


async def table(pilot: Pilot[int]) -> SeveralPane:
    await until(pilot, lambda: isinstance(pilot.app.screen, SeveralScreen))
    pane = pilot.app.screen.query_one(SeveralPane)
    await until(pilot, lambda: bool(pane.rows) and pane.size.width > 0)
    return pane


@pytest.mark.parametrize(("size", "seen"), [((120, 30), "shmem"), ((80, 24), "in memory"), ((60, 15), "in memory")])
async def test_the_table_fits_and_its_largest_is_chosen(
    each: tuple[One, ...], size: tuple[int, int], seen: str
) -> None:
    with picker.active(Many(each, "12,13,14", [])) as active:
        app = app_on(active)
        async with app.run_test(size=size) as pilot:
            pane = await table(pilot)
            lines = pane.text().splitlines()
            assert seen in lines[0]
            assert [line.split()[0] for line in lines[1:4]] == ["13", "12", "14"]
            assert "40.0 MiB" in lines[1]
            assert pane.chosen == 13
            await pilot.press("j", "down", "down")
            assert pane.chosen == 14
            await pilot.press("home")
            assert pane.chosen == 13


@pytest.mark.parametrize("key", ["escape", "P"])
async def test_enter_opens_one_and_escape_comes_back(each: tuple[One, ...], key: str) -> None:
    log: list[str] = []
    changes: list[tuple[str, dict[str, object]]] = []

    def choose(word: str, **changed: object) -> Source:
        changes.append((word, changed))
        return Many(each, word, log)

    with picker.active(Many(each, "12,13,14", log), choose) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 30)) as pilot:
            await table(pilot)
            await pilot.press("down", "enter")
            await until(pilot, lambda: app.session.description.target == "12")
            assert not isinstance(app.screen, SeveralScreen)
            await until(pilot, lambda: "leave 12,13,14" in log and not app.session.switching)
            await pilot.press(key)
            await until(pilot, lambda: app.session.description.target == "12,13,14")
            await until(pilot, lambda: "leave 12" in log and not app.session.switching)
            await table(pilot)
            assert changes == [("12", {"children": False}), ("12,13,14", {"children": False})]
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, SeveralScreen))
            await pilot.press("P")
            await table(pilot)


@pytest.mark.parametrize(("key", "opens"), [("y", True), ("n", False), ("enter", False)])
async def test_a_long_pause_is_asked_for(tmp_path: Path, key: str, opens: bool) -> None:
    from damontui.operations.refusals import identify

    machine = Machine(tmp_path)
    who = identify(machine.processes[0].root, 12)
    asked: list[object] = []
    log: list[str] = []

    def choose(word: str, **changed: object) -> Source:
        asked.append(changed.get("max_pause_us"))
        if "max_pause_us" not in changed:
            raise HoldsUp(who, 4 << 30, 0.064, 0.02)
        return Scripted(word)

    with picker.active(Scripted("stat", log), choose) as active:
        app = app_on(active)
        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.press("t")
            await until(pilot, lambda: isinstance(app.screen, PickerScreen) and app.screen.pane.entries is not None)
            await pilot.press(*"2211", "enter")
            await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
            await pilot.press(key)
            if opens:
                await until(pilot, lambda: app.session.description.target == "2211")
                await until(pilot, lambda: "leave stat" in log and not app.session.switching)
                assert asked == [None, 160_000]
            else:
                await until(pilot, lambda: not isinstance(app.screen, QuestionScreen))
                assert app.session.description.target == "stat"
                assert asked == [None]
