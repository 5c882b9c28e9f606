"""``--estimate-pieces`` reaches every estimate that a command makes."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path

import pytest

from damontui import cli
from damontui.analysis.estimator import Estimator
from damontui.commands import app, live, scrape, serve_session
from damontui.damon.snapshot import Event
from damontui.history import History
from damontui.tui.app import DamontuiApp
from tests import make
from tests.tui import fed

PIECES = 99
GIVEN = ("--estimate-pieces", str(PIECES))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pieces each estimate was asked for."""
    found: list[int] = []
    usual = Estimator.__init__

    def init(self: Estimator, pieces: int = 0, **more: object) -> None:
        found.append(pieces)
        usual(self, pieces or PIECES, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Estimator, "__init__", init)
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("snapshot", "demo:steady", "--count", "2"),
        ("size", "demo:steady", "--for", "20s"),
        ("report", "demo:steady", "--count", "5", "--style", "idle-percentiles"),
    ],
)
def test_a_command(words: tuple[str, ...], asked: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words, "--speed", "max", "--seed", "1", *GIVEN]) == 0
    assert set(asked) == {PIECES}
    assert cli.main([*words, "--estimate-pieces", "5"]) == 2
    assert "--estimate-pieces: '5' is not within" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("demo:steady",), ("serve", "demo:steady", "--session")])
def test_a_screen(words: tuple[str, ...], asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(screen: DamontuiApp, *_: object, **__: object) -> int:
        screen.session.estimates.follow(History())  # another past
        return 0

    monkeypatch.setattr(app, "run_app", run)
    monkeypatch.setattr(serve_session, "run_app", run)
    monkeypatch.setattr(live, "need_terminal", lambda environ: None)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: type("Library", (), {"prctl": lambda *_: 0}))
    monkeypatch.setenv("TEXTUAL_DRIVER", "textual.drivers.web_driver:WebDriver")
    assert cli.main([*words, *GIVEN]) == 0
    assert asked == [PIECES, PIECES]


def test_metrics(asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Off(fed.Silent):
        def snapshots(self, stop: threading.Event) -> list[Event]:  # type: ignore[override]
            stop.set()
            return [make.status("off", "switched off", 5.0)]

    scrape.Exporter(Off(make.description()), lambda _: None, lambda _: None, pieces=PIECES).run(threading.Event())
    assert asked == [PIECES, PIECES], "at first, and after it was off"
    wanted: list[object] = []

    class Asked:
        def __init__(self, *_: object, **more: object) -> None:
            wanted.append(more["pieces"])

        def run(self, stop: threading.Event) -> None:
            """Nothing to export."""

    monkeypatch.setattr(scrape, "Exporter", Asked)
    assert cli.main(["export", "demo:steady", "--textfile", str(tmp_path / "damontui.prom"), *GIVEN]) == 0
    assert wanted == [PIECES]
