"""Changing the target in the live monitor as a program: each source is left once, whatever ends it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.test_run import in_terminal

FAKE = [sys.executable, "-m", "tests.fake_program"]


def script(*steps: tuple[str, Callable[[int, int], object]]) -> Callable[[str, int, int], bool]:
    """Do each step as soon as the screen has shown its text."""
    left = list(steps)

    def react(text: str, terminal: int, pid: int) -> bool:
        if left and left[0][0] in text:
            left.pop(0)[1](terminal, pid)
        return not left

    return react


def typed(keys: bytes) -> Callable[[int, int], object]:
    return lambda terminal, _: os.write(terminal, keys)


def sent(number: int) -> Callable[[int, int], object]:
    return lambda _, pid: os.kill(pid, number)


def life(log: Path) -> list[str]:
    """What the fake source went through, but for the snapshots that it gave."""
    return [line for line in log.read_text().splitlines() if not line.startswith("gave")]


PICKED = (("LIVE", typed(b"t")), (" targets", typed(b"zigzag")), ("1 of ", typed(b"\r")))


@pytest.mark.parametrize(
    ("last", "status"), [(typed(b"q"), 0), (sent(signal.SIGTERM), 143), (sent(signal.SIGHUP), 129)]
)
def test_the_source_before_is_left_once_and_the_new_one_is_watched(
    tmp_path: Path, last: Callable[[int, int], object], status: int
) -> None:
    log = tmp_path / "log"
    code, text = in_terminal([*FAKE, str(log), "fake:steady"], script(*PICKED, ("synthetic memory: zigzag", last)))
    assert code == status, text[-2000:]
    assert life(log) == ["entered", "iterating", "left None"]


@pytest.mark.parametrize(("last", "status"), [(sent(signal.SIGTERM), 143), (typed(b"\x03"), 130)])
def test_an_end_with_the_picker_open_leaves_the_source_once(
    tmp_path: Path, last: Callable[[int, int], object], status: int
) -> None:
    log = tmp_path / "log"
    code, _ = in_terminal([*FAKE, str(log), "fake:steady"], script(PICKED[0], (" targets", last)))
    assert code == status
    lines = life(log)
    assert lines[:2] == ["entered", "iterating"]
    assert len(lines) == 3
    assert lines[2].startswith("left")


def test_the_folder_of_screenshots_is_the_users(tmp_path: Path) -> None:
    def keys() -> Callable[[str, int, int], bool]:
        return script(("LIVE", typed(b"\x13")), ("Screenshot saved", typed(b"q")))

    log, folder = tmp_path / "log", tmp_path / "pictures"
    code, text = in_terminal([*FAKE, str(log), "fake:steady", "--screenshots", str(folder)], keys())
    assert code == 0, text[-2000:]
    assert [path.suffix for path in folder.iterdir()] == [".svg"]
