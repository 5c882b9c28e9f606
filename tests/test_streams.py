"""Standard streams that are full, closed or gone: one sentence, the right exit status, and no file in their place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from damontui.records.own import Record

SNAPSHOT = ["snapshot", "demo", "--seed", "1", "--speed", "max", "--now"]
TIMEOUT = 60


def shell(script: str, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "damontui", *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )


@pytest.mark.parametrize("words", [SNAPSHOT, [*SNAPSHOT, "--json"], ["doctor"], ["--help"], ["--version"]])
def test_a_full_or_closed_standard_output_is_one_sentence(words: list[str]) -> None:
    for script, why in (('"$@" >/dev/full', "no space left on device"), ('"$@" >&-', "it is closed")):
        done = shell(script, *words)
        assert done.returncode == 1, done.stderr
        assert done.stderr == f"damontui: cannot write standard output: {why}\n"


def test_closed_streams_are_no_obstacle_to_a_record(tmp_path: Path) -> None:
    path = tmp_path / "a.damontui"
    words = ["record", "demo", "--seed", "1", "--speed", "max", "--for", "1s", "-o"]
    done = shell('"$@" 0<&- 1>&- 2>&-', *words, str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with Record(path) as record:
        assert len(record) == 7


def test_standard_error_that_is_full_or_closed_is_nobodys_trouble(tmp_path: Path) -> None:
    for script in ('"$@" 2>/dev/full', '"$@" 2>&-'):
        done = shell(script, *SNAPSHOT)
        assert done.returncode == 0
        assert "percentile" in done.stdout
        assert shell(script, "snapshot", "nonsense").returncode == 2


def test_the_status_of_a_command_comes_through_an_ignored_sigchld() -> None:
    program = "import os, sys; from signal import *; signal(SIGCHLD, SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            *(sys.executable, "-m", "damontui", "run", "--json", "--", "sh", "-c", "exit 7"),
        ],
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    assert done.returncode == 7


def test_records_through_pipes(tmp_path: Path) -> None:
    path = tmp_path / "a.damontui"
    words = ["record", "demo", "--seed", "1", "--speed", "max", "--for", "1s", "-o", str(path)]
    assert shell('"$@"', *words).returncode == 0
    script = f'"$@" - - --to json <{path} | "$@" - {tmp_path}/b.damontui'
    done = shell(script, "convert")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with Record(path) as one, Record(tmp_path / "b.damontui") as other:
        assert [s.nr_accesses.tolist() for s in one.table()] == [s.nr_accesses.tolist() for s in other.table()]
    assert shell('"$@" <&-', "convert", "-", str(tmp_path / "c.json")).returncode == 1
    text = shell('"$@"', "report", str(path), "-o", "-").stdout
    assert text == shell('"$@"', "report", str(path)).stdout != ""
    assert sorted(os.listdir(tmp_path)) == ["a.damontui", "b.damontui"]
