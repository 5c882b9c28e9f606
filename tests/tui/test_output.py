"""What a command prints: the newest lines, scrolling, alone, and closing with the command."""

from __future__ import annotations

from damontui.tui.app import DamontuiApp
from damontui.tui.keys import TABLE
from damontui.tui.panes.keyline import KeyLine
from damontui.tui.panes.notice import Notice
from damontui.tui.panes.output import OutputPane
from tests import make
from tests.tui import fed


class Command:
    """Prints what a test says."""

    text = "make all"

    def __init__(self, lines: int = 0) -> None:
        self.printed = [f"line {number}" for number in range(lines)]
        self.status: int | None = None

    @property
    def line_count(self) -> int:
        """All are kept."""
        return len(self.printed)

    def lines(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self.printed)

    def poll(self) -> int | None:
        """As a test says."""
        return self.status


def app_of(command: Command, log: str = "") -> DamontuiApp:
    description = make.description("process", target="run", title="make, process 12")
    return fed.app(description, output=OutputPane(command, log=log, id="output"))


async def test_the_newest_lines_are_at_the_foot_and_follow() -> None:
    command = Command(100)
    app = app_of(command)
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, make.steady(5))
        await pilot.pause()
        pane = app.query_one(OutputPane)
        assert pane.text().split("\n")[-1] == "line 99"
        assert pane.border_title == "Output ─ make all"
        command.printed.append("error: [bracket] and wide 漢字")
        app.paint()
        assert pane.text().split("\n")[-1] == "error: [bracket] and wide 漢字"
        assert pane.border_subtitle == "101 lines"


async def test_nothing_yet_and_elsewhere() -> None:
    for log, said in (("", "nothing yet"), ("/tmp/build.log", "goes to /tmp/build.log")):
        app = app_of(Command(), log)
        async with app.run_test(size=(120, 36)) as pilot:
            app.paint()
            await pilot.pause()
            assert app.query_one(OutputPane).text() == said


async def test_alone_it_has_the_screen_and_scrolls() -> None:
    app = app_of(Command(100))
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, make.steady(5))
        await pilot.press("5")
        await pilot.pause()
        pane = app.query_one(OutputPane)
        assert not app.query_one("#body").display
        assert len(pane.text().split("\n")) == pane.size.height > 25
        await pilot.press("pageup")
        assert pane.text().split("\n")[-1] == "line 89"
        assert pane.border_subtitle == "10 further down · 100 lines"
        await pilot.press("pagedown", "pagedown")
        assert pane.text().split("\n")[-1] == "line 99"
        await pilot.press("k", "k", "j")
        assert pane.text().split("\n")[-1] == "line 98"
        await pilot.press("5")
        await pilot.pause()
        assert app.query_one("#body").display
        await pilot.press("1")
        assert not pane.display


async def test_without_a_command_its_key_does_nothing() -> None:
    app = fed.app(make.description())
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, make.steady(5))
        await pilot.press("5")
        assert app.stage.only is None
        assert app.query_one("#body").display


async def test_the_target_stays_the_command() -> None:
    app = app_of(Command(3))
    async with app.run_test(size=(120, 36)) as pilot:
        fed.feed_all(app, [*make.steady(5), make.status("gone", "make ended at 00:00:05, exit status 2", 5.0)])
        await pilot.pause()
        assert "press q to leave with it" in app.query_one(Notice).text()
        label = next(key.label for key in TABLE if key.id == "target")
        assert label not in app.query_one(KeyLine).text()
        await pilot.press("t")
        assert "it would end the command" in app.query_one(Notice).text()


async def test_the_screen_closes_with_the_command_only_where_that_is_wanted() -> None:
    for closes in (False, True):
        command = Command(3)
        app = app_of(command)
        app.closes = closes
        async with app.run_test(size=(80, 24)) as pilot:
            app.clocks.follow_command()
            await pilot.pause()
            assert app.is_running
            command.status = 3
            app.clocks.follow_command()
            await pilot.pause()
            assert app._exit == closes
