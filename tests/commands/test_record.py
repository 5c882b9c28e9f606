"""``damontui record``: whole files whatever ends it, nothing overwritten unasked, every refusal one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from damontui import cli
from damontui.records import files
from damontui.records.own import Record
from tests import make
from tests.test_cli import FAKE, SIGNALS, TIMEOUT, in_terminal, run, wait_for

FAST = ["demo", "--seed", "1", "--speed", "max"]


def refused(capsys: pytest.CaptureFixture[str], status: int, *words: str) -> str:
    assert cli.main(list(words)) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_for_is_of_the_targets_own_clock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.damontui"
    assert cli.main(["record", *FAST, "--for", "1m", "-o", str(path)]) == 0
    table = files.read(path)
    assert table.time[-2] - table.began[0] < 60 <= table.time[-1] - table.began[0]
    assert path.stat().st_mode & 0o777 == 0o600
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"damontui: recorded {len(table)} snapshots, 60.")
    assert "\x1b" not in err, "no progress where standard error is no terminal"


def test_the_file_holds_what_snapshot_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.damontui"
    assert cli.main(["record", *FAST, "--for", "1s", "-o", str(path)]) == 0
    capsys.readouterr()
    shown = []
    for words in ([*FAST, "--count", "5"], [str(path), "--speed", "max", "--count", "5"]):
        assert cli.main(["snapshot", *words, "--json", "--now"]) == 0
        keys = ("time", "intervals", "bandwidth_bytes_per_s", "idle_ms_percentiles", "regions", "truth", "complete")
        shown.append([{k: json.loads(line)[k] for k in keys} for line in capsys.readouterr().out.splitlines()])
    assert len(shown[0]) == 5
    assert shown[0] == shown[1]


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a"
    path.write_text("mine")
    assert "--force" in refused(capsys, 1, "record", *FAST, "-o", str(path))
    assert path.read_text() == "mine"
    # not even with --force, as long as there is nothing to put in its place
    refused(capsys, 1, "record", "4194303", "-o", str(path), "--force")
    refused(capsys, 1, "record", "demo", "--disabled", "-o", str(path), "--force")
    assert path.read_text() == "mine"
    assert cli.main(["record", *FAST, "--for", "1s", "--force", "-o", str(path)]) == 0
    assert len(files.read(path)) > 1


def test_a_record_is_not_recorded_over_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a"
    assert cli.main(["record", *FAST, "--for", "1s", "-o", str(path)]) == 0
    capsys.readouterr()
    before = path.read_bytes()
    assert "another name" in refused(capsys, 2, "record", str(path), "--force", "-o", str(path))
    assert path.read_bytes() == before


def test_where_nothing_came_no_file_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a"
    assert "nothing to record" in refused(capsys, 1, "record", "demo", "--disabled", "-o", str(path))
    assert "4194303" in refused(capsys, 1, "record", "4194303", "-o", str(path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["demo"], "-o/--output"),
        (["demo", "-o", "x", "--for", "-1"], "--for"),
        (["demo", "-o", "x", "--for", "soon"], "'soon'"),
        (["nonsense", "-o", "x"], "nonsense"),
    ],
)
def test_wrong_words(
    words: list[str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert part in refused(capsys, 2, "record", *words)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refused(capsys, 1, "record", *FAST, "-o", str(tmp_path / "no" / "a"))


@pytest.mark.parametrize(("name", "part"), [("no/a", "mkdir -p"), (".", "it is a folder")])
def test_what_cannot_be_begun_is_said_before_anything_is_touched(tmp_path: Path, name: str, part: str) -> None:
    log = tmp_path / "log"
    done = run(str(log), "record", "fake:steady", "-o", str(tmp_path / name), "--force", program=FAKE)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert part in done.stderr
    assert not log.exists(), "the source was not even entered"


def test_a_full_disk_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], small_disk: None) -> None:
    assert "file too large" in refused(capsys, 1, "record", *FAST, "-o", str(tmp_path / "out"))


def test_a_device_or_a_pipe_is_no_file_to_record_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/full", str(tmp_path / "pipe")):
        before = os.stat(path).st_mode
        assert "not a file" in refused(capsys, 1, "record", *FAST, "-o", path, "--force")
        assert os.stat(path).st_mode == before


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_a_signal_ends_it_with_the_file_whole(tmp_path: Path, number: int, status: int) -> None:
    log, path = tmp_path / "log", tmp_path / "a"
    words = [*FAKE, str(log), "record", "fake:steady", "-o", str(path)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_for(log, "iterating")
        while not path.exists() or path.stat().st_size < 1500:
            assert process.poll() is None
        process.send_signal(number)
        process.send_signal(number)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(TIMEOUT) == status
    with Record(path) as record:
        assert record.pending_bytes == 0
        assert len(record) >= 2
        assert f"recorded {len(record)} snapshots".encode() in said
    assert log.read_text().splitlines()[-1] == "left Ended"


def test_the_end_of_the_target_is_the_end(tmp_path: Path) -> None:
    path, again = tmp_path / "a", tmp_path / "b"
    assert run("record", *FAST, "--for", "3s", "-o", str(path)).returncode == 0
    done = run("record", str(path), "--speed", "max", "-o", str(again))
    assert done.returncode == 0
    assert make.same_records(files.read(path), files.read(again))


def test_progress_on_a_terminal(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "damontui", "record", *FAST, "--for", "1m", "-o", str(tmp_path / "a")]
    status, out = in_terminal(words)
    assert status == 0
    assert out.count(b"\r\x1b[K") >= 2
    assert b"snapshots, " in out
    assert out.rstrip().split(b"\x1b[K")[-1].startswith(b"damontui: recorded")
