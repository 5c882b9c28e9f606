"""``damontui record -o -`` and ``damontui -``: from one to the other through a pipe, with and without a screen."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

from tests.commands.test_run import in_terminal

PROGRAM = f"{shlex.quote(sys.executable)} -m damontui"
TIMEOUT = 60


def shell(line: str) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-o", "pipefail", "-c", line.replace("damontui", PROGRAM)]
    return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, check=False)


MAKES = "damontui record demo --seed 1 --speed max --for 5s -o -"


def test_a_snapshot_of_what_comes() -> None:
    done = shell(f"{MAKES} | damontui snapshot - --count 3 --json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["target"] for row in rows] == ["-"] * 3
    assert all(row["regions"] for row in rows)
    assert "to standard output" in done.stderr


def test_a_report_on_all_that_comes() -> None:
    done = shell(f"{MAKES} | damontui report - --format json --style wss")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["snapshots"] == 17


def test_a_stream_is_recorded_again(tmp_path: object) -> None:
    done = shell(f"{MAKES} | damontui record - -o {tmp_path}/again && damontui report {tmp_path}/again --format json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["snapshots"] == 17


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    done = shell("damontui record demo --speed 100 -o - | damontui snapshot - >&2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("echo hello | damontui snapshot -", "it is not a damontui record"),
        ("true | damontui snapshot -", "nothing came through it"),
    ],
)
def test_what_is_no_record(line: str, part: str) -> None:
    done = shell(line)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert part in done.stderr


def test_a_record_is_not_written_to_a_terminal() -> None:
    status, text = in_terminal([sys.executable, "-m", "damontui", "record", "demo", "-o", "-"], lambda *_: True)
    assert status == 2
    assert "standard output is a terminal" in text


def test_the_screen_has_its_keys_from_the_terminal() -> None:
    def react(text: str, terminal: int, _: int) -> bool:
        if "synthetic memory: steady" in text and "SIMULATED" in text:
            os.write(terminal, b"q")
            return True
        return False

    line = "damontui record demo:steady --seed 1 -o - 2>/dev/null | damontui -".replace("damontui", PROGRAM)
    status, _ = in_terminal(["sh", "-c", line], react)
    assert status == 0
