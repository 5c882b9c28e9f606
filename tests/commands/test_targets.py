"""Targets by name and ``-p`` on the command line: what is listed, and what is asked of somebody at a terminal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from damontui import cli
from damontui.commands.ask import which
from damontui.sources.names import Named, SeveralProcesses

NAME = "twoofakind"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    script = tmp_path / NAME
    script.write_text("#!/bin/sh\necho\nread line\n")
    script.chmod(0o755)
    made = [subprocess.Popen([script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for one in made:
        assert one.stdout is not None
        one.stdout.readline()  # it is the new program by now
    yield made
    for one in made:
        one.kill()
        one.communicate()


def test_several_are_listed_and_refused(
    two: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("COLUMNS", "400")
    assert cli.main(["snapshot", NAME]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    head, *rows, said = err.splitlines()
    assert head.split() == ["PID", "in", "memory", "command"]
    assert {int(row.split()[1]) for row in rows} == {one.pid for one in two}
    assert all("iB" in row and row.endswith(NAME) for row in rows)
    assert said.startswith(f"damontui: target: 2 processes are called '{NAME}'")


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="no clear_refs here")
@pytest.mark.parametrize("words", [[NAME, "--children"], ["-p", NAME, "--children"], ["--process", "PIDS"]])
def test_several_are_watched_together(
    words: list[str], two: list[subprocess.Popen[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    pids = [one.pid for one in two]
    words = [",".join(map(str, pids)) if word == "PIDS" else word for word in words]
    assert cli.main(["snapshot", *words, "--json", "--via", "proc", "--aggr", "200ms"]) == 0
    values = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(value["pid"] for value in values) == sorted(pids)
    assert all(value["targets"] == [value["pid"]] and value["name"] for value in values)
    assert len({value["time"] for value in values}) == 1


def test_one_target_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["snapshot", "-p", "1", "demo"]) == 2
    assert "-p 1, demo: one target is enough" in capsys.readouterr().err
    assert cli.main(["snapshot", "-p", "stat"]) == 1
    assert "no process is called 'stat'" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FOUND = [Named(pid, 1, "a", f"/bin/a {pid} {'x' * 100}", pid << 20) for pid in range(100, 125)]


@pytest.mark.parametrize(
    ("typed", "word"),
    [("2\n", "101"), ("25\n", "124"), ("0\n99\nb\n1\n", "100"), ("A\n", ",".join(map(str, range(100, 125))))],
)
def test_on_a_terminal_it_is_asked(typed: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", said)
    assert which(SeveralProcesses("a", FOUND)) == word
    assert "… and 5 more" in said.getvalue()
    assert said.getvalue().count("Which one") == typed.count("\n")


@pytest.mark.parametrize("typed", ["\n", ""])
def test_choosing_none_is_the_end(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(SeveralProcesses):
        which(SeveralProcesses("a", FOUND))
