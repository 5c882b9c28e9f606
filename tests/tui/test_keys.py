"""The table of keys, a user's keymap, and what each key does to the screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from string import ascii_letters

import pytest
from textual.events import MouseScrollDown
from textual.geometry import Region
from textual.pilot import Pilot

from damontui.damon.snapshot import Status
from damontui.errors import SourceError, UsageError
from damontui.tui import keys
from damontui.tui.app import DamontuiApp
from damontui.tui.heatmap.widget import RegionsPane
from damontui.tui.options import ScreenOptions
from damontui.tui.panes.bandwidth import BandwidthPane
from damontui.tui.panes.idle import IdlePane
from damontui.tui.panes.keyline import KeyLine
from damontui.tui.panes.notice import Notice
from damontui.tui.panes.title import TitleBar
from damontui.tui.screens.help import HelpScreen, HelpText, help_text
from tests import make
from tests.tui import fed

TAKEN = {one for key in keys.TABLE for one in key.keys.split(",")}
FREE = next(letter for letter in reversed(ascii_letters) if letter not in TAKEN)
"""A letter that is nobody's key."""


@asynccontextmanager
async def running(
    options: ScreenOptions | None = None, size: tuple[int, int] = (120, 36), **description: object
) -> AsyncIterator[tuple[DamontuiApp, Pilot[int]]]:
    app = fed.app(make.description(**description), clock=lambda: make.WALL + 60.0, options=options)
    async with app.run_test(size=size) as pilot:
        fed.feed_all(app, make.steady(60))
        await pilot.pause()
        yield app, pilot


def title(app: DamontuiApp) -> str:
    return app.query_one(TitleBar).text()


async def test_e_switches_off_and_on_afresh() -> None:
    async with running() as (app, pilot):
        await pilot.press("e")
        assert not app.session.enabled
        assert "○ OFF" in title(app)
        assert "off since" in title(app)
        assert app.query_one(BandwidthPane).has_class("-dim")
        assert "GB/s" in app.query_one(BandwidthPane).text()
        await pilot.press("e")
        assert app.session.enabled
        assert "● LIVE" in title(app)
        assert len(app.session.history) == 60, "the past stays"
        assert not app.query_one(BandwidthPane).has_class("-dim")


async def test_the_switch_can_be_clicked() -> None:
    async with running() as (app, pilot):
        await pilot.click(TitleBar, offset=(112, 0))
        assert not app.session.enabled
        await pilot.click(TitleBar, offset=(20, 0))
        assert not app.session.enabled


async def test_a_locked_switch_says_why() -> None:
    async with running(locked="this session is read-only") as (app, pilot):
        await pilot.press("e")
        assert app.session.enabled
        assert "read-only" in app.query_one(Notice).text()
        await pilot.press("escape")
        assert not app.query_one(Notice).display


async def test_space_freezes_the_view_while_collecting_goes_on() -> None:
    async with running() as (app, pilot):
        await pilot.press("space")
        # idle times of that moment are still corrected by what comes later
        before = app.query_one(BandwidthPane).text()
        for snapshot in make.steady(75)[60:]:
            fed.feed(app, snapshot)
        assert "PAUSED −15 s · 15 new" in title(app)
        assert len(app.session.history) == 75
        assert app.query_one(BandwidthPane).text() == before
        estimate = app.frame().estimate
        assert estimate is not None
        assert estimate.time == 60.0
        assert app.query_one("#body").has_class("-frozen")
        await pilot.press("space")
        assert "LIVE" in title(app)
        assert app.query_one(BandwidthPane).text() != before
        assert not app.query_one("#body").has_class("-frozen")


async def test_space_before_the_first_snapshot_freezes_nothing() -> None:
    app = fed.app(make.description(), clock=lambda: make.WALL)
    async with app.run_test() as pilot:
        await pilot.press("space")
        assert app.session.viewport.moment is None
        assert "WAITING" in title(app)


async def test_plus_and_minus_change_the_span() -> None:
    async with running() as (app, pilot):
        assert app.session.span == 60  # what there is
        await pilot.press("plus")
        assert app.session.span == 240  # what it would grow to
        await pilot.press("plus")
        assert app.session.span == 480
        assert "8 min" in str(app.query_one(RegionsPane).border_subtitle)
        await pilot.press("minus", "minus")
        assert app.session.span == 120
        await pilot.press(*["minus"] * 30)
        assert app.session.span == 5
        await pilot.press(*["plus"] * 30)
        assert app.session.span == 86400


async def test_c_goes_through_what_the_colour_means() -> None:
    async with running() as (app, pilot):
        seen = []
        for _ in range(5):
            seen.append(app.explorer.mode)
            await pilot.press("c")
        assert seen == ["rate", "temperature", "idle", "estimate", "rate"]
        pane = app.query_one(RegionsPane)
        assert "temperature" in str(pane.border_title)
        await pilot.press("c")
        by_region = pane.text()
        await pilot.press("c")
        assert "idle time, estimated" in str(pane.border_title)
        assert pane.text().splitlines()[-1] == by_region.splitlines()[-1]  # the same scale
        # nothing is idle for longer than it was watched, where the kernel's ages were older
        assert pane.text() != by_region


@pytest.mark.parametrize("key", ["p", "a"])
async def test_all_percentiles_and_scrolling(key: str) -> None:
    async with running() as (app, pilot):
        pane = app.query_one(IdlePane)
        await pilot.press(key)
        assert "p1 " in pane.text()
        await pilot.press("pagedown", "j")
        assert pane.top == 11
        await pilot.press("k", "pageup", "pageup")
        assert pane.top == 0
        await pilot.press(key)
        assert "p1 " not in pane.text()


async def test_the_wheel_scrolls_percentiles() -> None:
    async with running() as (app, pilot):
        await pilot.press("a")
        pane = app.query_one(IdlePane)
        await pilot._post_mouse_events([MouseScrollDown], pane, (5, 5))
        assert pane.top == 3


@pytest.mark.parametrize(("key", "only"), [("1", "regions"), ("2", "intervals"), ("3", "bandwidth"), ("4", "idle")])
@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 15)])
async def test_digits_show_one_pane_alone(key: str, only: str, size: tuple[int, int]) -> None:
    async with running(size=size) as (app, pilot):
        await pilot.press(key)
        await pilot.pause()
        shown = [name for name in ("regions", "intervals", "bandwidth", "idle") if app.query_one(f"#{name}").size.area]
        assert shown == [only]
        assert app.query_one(f"#{only}").outer_size.height >= size[1] - 3
        await pilot.press(key)
        await pilot.pause()
        assert app.query_one("#regions").size.area
        await pilot.press(key, "escape")
        assert app.stage.only is None


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_opens_scrolls_and_closes(key: str) -> None:
    async with running() as (app, pilot):
        await pilot.press(key)
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("down", "pagedown", "pageup")
        fed.feed(app, make.steady(61)[60])
        assert len(app.session.history) == 61
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)


async def test_q_leaves_with_0_and_with_1_where_an_error_stands() -> None:
    async with running() as (app, pilot):
        await pilot.press("q")
    assert app.return_value == 0
    async with running() as (app, pilot):
        fed.feed(app, SourceError("cannot read", "it is gone"))
        await pilot.press("q")
    assert app.return_value == 1


async def test_screenshot_says_where_it_is(tmp_path: Path) -> None:
    async with running(ScreenOptions(screenshots=str(tmp_path / "new"))) as (app, pilot):
        await pilot.press("ctrl+s")
        await pilot.pause()
        (made,) = (tmp_path / "new").iterdir()
        assert made.suffix == ".svg"
        assert "Intervals" in made.read_text()
        assert [note.message for note in app._notifications] == [str(made)]


async def test_screenshot_that_cannot_be_written_is_an_error_in_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with running(ScreenOptions(screenshots=str(tmp_path / "file" / "below"))) as (app, pilot):
        await pilot.press("ctrl+s")
        await pilot.pause()
        said = " ".join(app.query_one(Notice).text().split())
        assert f"cannot save the screenshot in {tmp_path / 'file' / 'below'}: not a directory" in said
        assert "another folder with --screenshots" in said


async def test_keys_at_the_foot_can_be_clicked_and_say_what_they_do_now() -> None:
    async with running() as (app, pilot):
        line = app.query_one(KeyLine)
        assert line.text().startswith(" e switch off")
        await pilot.click(KeyLine, offset=(3, 0))
        assert not app.session.enabled
        assert line.text().startswith(" e switch on")
        await pilot.press("space")
        assert "space back to live" in line.text()


async def test_every_command_of_the_palette_is_an_action_of_the_app() -> None:
    async with running() as (app, _):
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert "Switch monitoring off or on (e)" in titles
        assert "Change the theme" in titles
        for key in keys.TABLE:
            assert hasattr(app, "action_" + key.call.split("(")[0])


async def test_ctrl_c_leaves_as_a_signal_would() -> None:
    async with running() as (app, pilot):
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert app.return_value == 130


async def test_a_users_keymap_moves_keys_everywhere() -> None:
    async with running(ScreenOptions(keymap={"switch": FREE, "quit": "ctrl+q,q"})) as (app, pilot):
        await pilot.press("e")
        assert app.session.enabled
        await pilot.press(FREE)
        assert not app.session.enabled
        assert f" {FREE} switch on" in app.query_one(KeyLine).text()
        assert f"  {FREE} " in help_text(app.keymap_in_force).plain


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ({"swich": "x"}, "no action 'swich'; known are switch, pause"),
        ({"switch": "q"}, "q would do both switch and quit"),
        ({"switch": ""}, "switch has no key"),
        ({"switch": FREE, "freeze": FREE}, f"{FREE} would do both switch and pause"),
    ],
)
def test_a_keymap_that_cannot_be_is_one_sentence(user: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        keys.keymap(user)
    with pytest.raises(UsageError):
        fed.app(options=ScreenOptions(keymap=user))


def test_keys_may_be_written_as_characters() -> None:
    assert keys.keymap({"span_longer": "}", "help": "?", "freeze": " ", "colour": ","}) == {
        "span_longer": "}",
        "help": "question_mark",
        "pause": "space",
        "colour": "comma",
    }


def test_an_unknown_theme_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"no 'pink'; known are .*damontui-dark"):
        fed.app(options=ScreenOptions(theme="pink"))


def test_help_has_every_key_and_how_to_read_a_percentile() -> None:
    plain = help_text({}).plain
    for key in keys.TABLE:
        for name in keys.keys_of(key, {}):
            assert f" {name} " in plain
    assert "a quarter was untouched for two minutes or more" in " ".join(plain.split())


async def test_help_says_what_the_target_cannot_tell() -> None:
    limits = ("sizes are of address space", "positions in a mapping are unknown")
    assert "cannot tell" not in help_text({}).plain
    async with running(limits=limits) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        plain = str(app.screen.query_one(HelpText).render())
    for sentence in ("What this target cannot tell", *limits):
        assert sentence in plain


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 15), (46, 12)])
async def test_help_breaks_its_lines_below_the_words_where_the_box_ends(size: tuple[int, int]) -> None:
    async with running(size=size) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        text = app.screen.query_one(HelpText)
        lines = str(text.render()).splitlines()
        assert text.size.height == len(lines)  # none is broken a second time
        place = next(i for i, line in enumerate(lines) if "another target" in line)
        column = lines[place].index("another")
        assert any(line.startswith(" " * column) and line[column] != " " for line in lines[place + 1 : place + 4])
        await pilot.resize_terminal(size[0] - 10, size[1])
        await pilot.pause()
        assert text.size.height == len(str(text.render()).splitlines()) >= len(lines)


async def test_lost_events_are_said_as_long_as_their_column_is_seen() -> None:
    async with running() as (app, pilot):
        notice = app.query_one(Notice)
        fed.feed(app, make.snapshot(make.steady_rows(60), 61.0, complete=False, lost=12))
        await pilot.pause()
        assert "12 events lost, this column is partial" in notice.text()
        fed.feed(app, make.steady(62)[61])
        assert "12 events lost, the column at" in notice.text()
        fed.feed(app, make.steady(400)[399])
        assert not notice.display


async def test_escape_puts_the_reason_of_the_first_run_away() -> None:
    async with running(reason="synthetic memory, since only root may read") as (app, pilot):
        assert "only root" in app.query_one(Notice).text()
        await pilot.press("escape")
        assert not app.query_one(Notice).display


async def test_what_escape_put_away_comes_back_by_a_key() -> None:
    async with running(reason="synthetic memory, since only root may read") as (app, pilot):
        await pilot.press("escape")
        assert not app.query_one(Notice).display
        await pilot.press("i")
        assert "only root" in app.query_one(Notice).text()


async def test_after_a_commands_end_its_time_of_end_stays() -> None:
    async with running(target="run") as (app, pilot):
        fed.feed(app, make.status("gone", "make has ended at 00:01:00", 60.0))
        await pilot.press("e")
        assert "make has ended at 00:01:00" in app.query_one(Notice).text()
        assert "the command has ended" in app.query_one(Notice).text()
        assert len(app.session.history) == 60


async def test_the_palette_has_verbs_with_their_keys() -> None:
    async with running() as (app, _):
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert "Pause, or go on (space)" in titles
        assert "Show more time (+ or =)" in titles
        assert all(title[0].isupper() and title.endswith((")", "theme")) for title in titles)


def test_every_key_has_a_verb_in_the_palette_or_says_that_it_needs_none() -> None:
    assert not keys.VERBS.keys() & keys.NOT_IN_PALETTE
    for key in keys.TABLE:
        there = key.id in keys.VERBS or key.id in keys.NOT_IN_PALETTE
        assert there, f"give the key {key.id!r} its verb in VERBS (tui/keys.py), or name it in NOT_IN_PALETTE there"
    gone = (keys.VERBS.keys() | keys.NOT_IN_PALETTE) - {key.id for key in keys.TABLE}
    assert not gone, f"there is no key {', '.join(gone)} any more: take it out of VERBS or NOT_IN_PALETTE (tui/keys.py)"


def test_the_keys_of_a_group_stand_together() -> None:
    headings = [group for group, _ in groupby(key.group for key in keys.TABLE)]
    for group in headings:
        assert headings.count(group) == 1, f"the help would print {group!r} twice: its keys have others between them"


def test_the_help_and_the_manual_have_the_same_rows() -> None:
    assert all(key.help.startswith("… ") for key in keys.TABLE if key.help.startswith("…"))
    assert "…" not in "".join(what for _, _, what in keys.rows({}))


async def test_another_theme_colours_everything_anew() -> None:
    async with running() as (app, pilot):
        pane = app.query_one(IdlePane)
        before = pane.render_line(1)
        text = before.text
        for theme in ("damontui-light", "nord", "ansi-dark", "damontui-dark"):
            app.theme = theme
            await pilot.pause()
            assert pane.render_line(1).text == text
            colours = {str(segment.style.color) for segment in pane.render_line(1) if segment.style}
            assert (colours == {str(segment.style.color) for segment in before if segment.style}) == (
                theme == "damontui-dark"
            )


async def test_status_off_by_somebody_else_is_followed() -> None:
    async with running() as (app, pilot):
        fed.feed(app, Status("off", "switched off by another program", 60.0, make.WALL + 60.0))
        await pilot.pause()
        assert "by another program" in app.query_one(Notice).text()
        assert not app.session.enabled
        assert "off since" in title(app)
        fed.feed(app, make.steady(61)[60])
        assert app.session.enabled
        assert "LIVE" in title(app)


async def test_back_from_the_shell_everything_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as (app, pilot):
        await pilot.pause()
        drawn: list[Region] = []
        pane = app.query_one("#regions")
        plain = pane.render_lines
        monkeypatch.setattr(pane, "render_lines", lambda crop: drawn.append(crop) or plain(crop))
        app.app_resume_signal.publish(app)
        await pilot.pause()
        assert Region(0, 0, *pane.size) in drawn or Region(0, 0, *pane.outer_size) in drawn
