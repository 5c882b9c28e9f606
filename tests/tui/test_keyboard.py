"""Reading keys without asking for them: the thread sleeps, and nothing that it waits for is missed."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from textual.drivers.linux_driver import LinuxDriver

from damontui.tui import keyboard
from damontui.tui.front import Front
from damontui.tui.keyboard import Keyboard, Sleeping

LIMIT = 10.0


@dataclass
class Loop:
    """A thread that asks whether to end and then looks for input for a moment, as Textual's does, and notes what came.

    In place of time that passes, ``clock`` is moved on by each look that met nothing.
    """

    sleeping: Sleeping
    fd: int
    clock: list[float]
    read: list[bytes] = field(default_factory=list)
    looks: int = 0
    came: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.sleeping.reader = threading.current_thread()
        while not self.sleeping.is_set():
            ready = select.select([self.fd], [], [], 0)[0]
            with self.came:
                self.looks += 1
                if ready:
                    self.read.append(os.read(self.fd, 10))
                else:
                    self.clock[0] += 0.1
                self.came.notify_all()

    def wait_for(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.read) >= count, LIMIT)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(keyboard, "_ASLEEP", LIMIT)
    return now


@pytest.fixture
def sleeping(pipe: tuple[int, int], clock: list[float]) -> Iterator[Sleeping]:
    made = Sleeping(pipe[0], clock=lambda: clock[0])
    yield made
    made.close()


def test_sleeps_a_second_after_the_last_key(pipe: tuple[int, int], clock: list[float], sleeping: Sleeping) -> None:
    loop = Loop(sleeping, pipe[0], clock)
    for number, key in enumerate((b"q", b"r"), 1):
        os.write(pipe[1], key)
        loop.wait_for(number)
    sleeping.set()
    loop.thread.join(LIMIT)
    assert not loop.thread.is_alive()
    assert loop.read == [b"q", b"r"]
    assert loop.looks <= 2 + 3 * 11  # from the beginning, and after each key; else it would have looked without end


def test_the_end_wakes_it_also_a_second_time(pipe: tuple[int, int], clock: list[float], sleeping: Sleeping) -> None:
    for _ in range(2):  # the program is stopped (Ctrl-Z), goes on, and ends
        clock[0] += 10
        loop = Loop(sleeping, pipe[0], clock)
        sleeping.set()
        loop.thread.join(LIMIT)
        assert not loop.thread.is_alive()
        assert sleeping.is_set()
        sleeping.clear()
        assert not sleeping.is_set()
        assert loop.read == []


@pytest.mark.parametrize(("look", "sleeps"), [(0.1, True), (0.15, True), (0.02, False)])
def test_a_short_look_met_a_key(
    look: float, sleeps: bool, clock: list[float], sleeping: Sleeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Textual reads keys by itself: what was typed is only told by how soon it asks again."""
    slept: list[float] = []
    monkeypatch.setattr(sleeping, "_sleep", lambda: slept.append(clock[0]))
    sleeping.reader = threading.current_thread()
    clock[0] += 0.95
    assert not sleeping.is_set()
    clock[0] += look  # an Escape may have come just now
    assert not sleeping.is_set()
    clock[0] += 0.1
    assert not sleeping.is_set()
    assert bool(slept) is sleeps


def test_other_threads_never_sleep(pipe: tuple[int, int], sleeping: Sleeping) -> None:
    assert not sleeping.is_set()
    sleeping.set()
    assert sleeping.is_set()


def test_nothing_is_left_when_closed_and_the_rest_does_no_harm(pipe: tuple[int, int]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    sleeping = Sleeping(pipe[0])
    sleeping.reader = threading.current_thread()
    for _ in range(2):
        sleeping.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not sleeping.is_set()
    sleeping.set()
    sleeping.clear()


def test_a_terminal_has_it_and_what_else_textual_drives_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Front().get_driver_class() is Keyboard
    monkeypatch.setattr("textual.constants.DRIVER", "textual.drivers.headless_driver:HeadlessDriver")
    assert not issubclass(Front().get_driver_class(), LinuxDriver)
