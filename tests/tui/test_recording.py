"""The key r: a record of what comes in, with its size in the title."""

from __future__ import annotations

from pathlib import Path

from damontui.monitor import Monitor
from damontui.records.own import Record
from damontui.session.session import Session
from damontui.tui.app import DamontuiApp
from damontui.tui.options import ScreenOptions
from tests import make
from tests.tui.test_lifecycle import Scripted, title, until


def app_in(folder: Path, source: Scripted) -> DamontuiApp:
    return DamontuiApp(
        Session(Monitor(source), clock=lambda: make.WALL + 60.0),
        options=ScreenOptions(screenshots=str(folder), fps=1000.0),
    )


async def test_recording_begins_and_ends_with_r(tmp_path: Path) -> None:
    source = Scripted(make.steady(3), make.steady(7))
    app = app_in(tmp_path, source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.session.history) == 3)
        await pilot.press("r")
        assert "REC 00:00" in title(app)
        (path,) = tmp_path.iterdir()
        await pilot.press("e")
        await until(pilot, lambda: not app.session.enabled)
        await pilot.press("e")
        await until(pilot, lambda: len(app.session.history) == 7)
        await pilot.press("r")
        assert "REC" not in title(app)
    with Record(path) as record:
        assert len(record) == 7
        assert record.description.title == app.session.description.title


async def test_leaving_ends_the_record(tmp_path: Path) -> None:
    app = app_in(tmp_path, Scripted(make.steady(3)))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.session.history) == 3)
        await pilot.press("r")
        recorder = app.session.recording.recorder
        assert recorder is not None
        await pilot.press("q")
    assert recorder.error is not None, "it has ended"
    assert app.session.recording.recorder is None


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    app = app_in(tmp_path / "none", Scripted(make.steady(3)))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.session.history) == 3)
        await pilot.press("r")
        assert app.session.recording.recorder is None
        assert "no such file" in str(app.session.messages.notice)
