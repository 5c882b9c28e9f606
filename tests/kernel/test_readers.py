"""A kernel that never answers costs a deadline, and nothing else: no wait without an end, no file left open."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from damontui.kernel import readers, root
from damontui.kernel.process_files import ProcessFolder
from damontui.kernel.readers import Readers
from damontui.kernel.root import KernelError, Root

NOT_LONG = 30.0
"""Seconds after which a test gives up waiting for what has to happen."""


class Hanging:
    """A kernel that does not answer until it is told to."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked = threading.Semaphore(0)
        self.over = threading.Semaphore(0)

    def __call__(self, *_: object, **__: object) -> int:
        self.asked.release()
        assert self.answer.wait(NOT_LONG)
        self.over.release()
        return 7


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.answer.set()


def until_none_is_left(asked: Readers) -> None:
    end = time.monotonic() + NOT_LONG
    while asked.left:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_what_is_answered_comes_back_as_it_is() -> None:
    asked = Readers()
    assert asked.ask(lambda: 5) == 5
    assert [asked.ask(threading.current_thread).name for _ in range(9)] == ["reader"] * 9
    assert len({asked.ask(threading.get_ident) for _ in range(9)}) == 1  # one thread does for one asker
    with pytest.raises(KeyError):
        asked.ask(lambda: {}[1])
    # a question within a question needs no thread of its own
    assert asked.ask(lambda: asked.ask(threading.get_ident) == threading.get_ident())


def test_a_question_without_an_answer_is_given_up(hanging: Hanging) -> None:
    asked = Readers()
    with pytest.raises(TimeoutError, match="it was not read within 0 s"):
        asked.ask(hanging, 0.0)
    assert asked.left == 1
    # others are answered meanwhile, in another thread
    assert asked.ask(lambda: 5) == 5
    hanging.answer.set()
    until_none_is_left(asked)
    assert asked.ask(lambda: 6) == 6


def test_what_comes_too_late_is_taken_back(hanging: Hanging) -> None:
    asked = Readers()
    undone: list[int] = []
    with pytest.raises(TimeoutError, match="it was not opened within 0 s"):
        asked.ask(hanging, 0.0, "opened", undone.append)
    assert undone == []
    hanging.answer.set()
    until_none_is_left(asked)
    end = time.monotonic() + NOT_LONG
    while not undone and time.monotonic() < end:
        time.sleep(0.001)
    assert undone == [7]
    assert asked.ask(lambda: 8, undo=undone.append) == 8
    assert undone == [7]


def test_a_kernel_that_hangs_is_not_asked_for_ever(hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "SHORT", 0.0)
    asked = Readers(most=3)
    for count in range(3):
        with pytest.raises(TimeoutError, match="within 0 s"):
            asked.ask(hanging, 0.0 if not count else 1e6)  # after the first nobody waits as long
    with pytest.raises(TimeoutError, match="the kernel has left 3 questions unanswered"):
        asked.ask(lambda: 5)
    hanging.answer.set()
    until_none_is_left(asked)
    monkeypatch.setattr(readers, "SHORT", NOT_LONG)
    assert asked.ask(lambda: 5) == 5


def test_the_cpu_time_of_a_question_is_the_askers() -> None:
    asked = Readers()

    def work() -> float:
        began = time.thread_time()
        while time.thread_time() - began < 0.02:
            pass
        return time.thread_time() - began

    before, own = asked.thread_time(), time.thread_time()
    spent = asked.ask(work)
    assert asked.thread_time() - before >= spent
    assert asked.thread_time() - before >= (time.thread_time() - own) + spent
    # and nobody else's
    found: list[float] = []
    other = threading.Thread(target=lambda: found.append(asked.thread_time()))
    other.start()
    other.join(NOT_LONG)
    assert found[0] < spent


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hanging: Hanging) -> Path:
    """A made-up tree whose files open and then say nothing, and the program's readers for it alone."""
    (tmp_path / "proc/77").mkdir(parents=True)
    (tmp_path / "proc/77/smaps").write_text("x")
    (tmp_path / "proc/77/number").write_text("5")
    monkeypatch.setattr(root, "READERS", Readers())
    return tmp_path


def test_every_way_to_a_file_has_a_deadline(tree: Path, hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    below = Root(tree)
    process = ProcessFolder(below, 77)
    before = len(os.listdir("/proc/self/fd"))
    usual = root.READERS.ask

    def ask(do: object, _: float = 0.0, what: str = "read", undo: object = lambda _: None) -> object:
        return usual(do, 0.05, what, undo)  # type: ignore[arg-type]

    monkeypatch.setattr(root.READERS, "ask", ask)
    ways = {
        "readv": (lambda: below.read("proc/77/smaps"), lambda: process.read("smaps"), process.smaps),
        "read": (lambda: below.read_ints("proc/77", ["number"]),),
        "listdir": (lambda: below.list("proc"),),
        "fstat": (lambda: below.stat("proc/77/smaps"), lambda: below.write("proc/77/smaps", "1")),
        "write": (lambda: below.write("proc/77/smaps", "1"), lambda: process.write("smaps", "1")),
        "readlink": (lambda: below.link("proc/self"),),
        "mkdir": (lambda: below.make_folder("proc/78"),),
        "rmdir": (lambda: below.remove_folder("proc/77"),),
    }
    for call, attempts in ways.items():
        with monkeypatch.context() as changed:
            changed.setattr(os, call, hanging)
            for attempt in attempts:
                with pytest.raises(KernelError, match=r"within 0\.05 s") as caught:
                    attempt()
                assert caught.value.errno == errno.ETIMEDOUT
                assert str(tree) in str(caught.value)
    with monkeypatch.context() as changed:
        changed.setattr(os, "access", hanging)
        assert not below.readable("proc/77/smaps")
        assert not below.writable("proc/77/smaps")
    assert root.READERS.left == sum(map(len, ways.values())) + 2
    hanging.answer.set()
    until_none_is_left(root.READERS)
    end = time.monotonic() + NOT_LONG
    while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < end:
        time.sleep(0.001)
    assert len(os.listdir("/proc/self/fd")) == before  # what was left behind has closed what it had opened
    process.close()
