"""``--log FILE`` and ``DAMONTUI_LOG``: what is written down, where, how much, and what cannot be."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from damontui import cli
from damontui.commands.signals import Signals, entered
from damontui.recorder import Recorder
from damontui.sources.active import ActiveSource
from damontui.sources.choose import choose
from damontui.sources.options import Options
from tests import make

FAST = ["snapshot", "demo", "--seed", "1", "--speed", "max"]


def test_what_happens_is_appended_to_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    for _ in range(2):
        assert cli.main(["--log", str(path), *FAST]) == 0
    assert capsys.readouterr().err == ""
    lines = path.read_text().splitlines()
    for part in ("target demo: demo[:SCENE]", "entering EngineSource", "leaving EngineSource"):
        assert sum(part in line for line in lines) == 2
    assert all(" INFO damontui." in line and "[MainThread]" in line for line in lines)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not logging.getLogger("damontui").handlers, "nothing is left behind"


def test_the_variable_says_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    monkeypatch.setenv("DAMONTUI_LOG", "debug")
    assert cli.main(["--log", str(path), *FAST]) == 0
    assert "entering EngineSource" in path.read_text()
    monkeypatch.setenv("DAMONTUI_LOG", "error")
    path.unlink()
    assert cli.main(["--log", str(path), *FAST]) == 0
    assert path.read_text() == ""
    capsys.readouterr()
    monkeypatch.setenv("DAMONTUI_LOG", "info")
    assert cli.main(FAST) == 0
    assert "target demo" in capsys.readouterr().err


def test_of_a_screen_too_the_source_is_named_and_what_was_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "damontui")
    with Signals() as signals, entered(ActiveSource(choose("demo", Options(seed=1))), signals) as active:
        recorder = Recorder(tmp_path / "a", active.source.describe())
        recorder(make.steady(1)[0])
        recorder.close()
        recorder.close()
    _, *said = [one.getMessage() for one in caplog.records]
    assert said == [
        "entering EngineSource",
        f"a record of demo:steady begins: {tmp_path / 'a'}",
        f"the record {tmp_path / 'a'} ends: 1 snapshots in {recorder.bytes} bytes",
        "leaving EngineSource",
    ]


def test_without_either_nothing_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(FAST) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("word", "file", "status", "part"),
    [("loud", None, 2, "DAMONTUI_LOG: 'loud' is none of: debug"), ("", "no/log", 1, "cannot write")],
)
def test_what_cannot_be_logged_is_one_sentence(
    word: str,
    file: str | None,
    status: int,
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DAMONTUI_LOG", word)
    words = [] if file is None else ["--log", str(tmp_path / file)]
    assert cli.main([*words, *FAST]) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert part in err


def test_a_name_from_outside_does_not_begin_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    from damontui.commands.logs import logging_to

    with logging_to(str(path), {}):
        logging.getLogger("damontui.test").info("name %s", "a\nb\x1b[2Jc")
    assert "\x1b" not in path.read_text()
    first, second = path.read_text().splitlines()
    assert first.endswith("name a")
    assert second.startswith("  b")
