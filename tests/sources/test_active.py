"""Sources are exchanged, and each is left exactly once, whichever thread is busy with one when the program ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from damontui.errors import SourceError, UsageError
from damontui.sources.active import ActiveSource
from tests.tui.picker import Scripted


class Slow(Scripted):
    """Entering or leaving waits until it is let go."""

    def __init__(self, word: str, log: list[str], *, entering: bool = False, leaving: bool = False) -> None:
        super().__init__(word, log)
        self._entering, self._leaving = entering, leaving
        self.begun = threading.Event()
        self.go = threading.Event()

    def __enter__(self) -> Slow:
        if self._entering:
            self.begun.set()
            self.go.wait()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._leaving:
            self.begun.set()
            self.go.wait()
        super().__exit__(None, None, None)


class Failing(Scripted):
    """Leaving fails."""

    def __exit__(self, *error: object) -> None:
        super().__exit__(None, None, None)
        raise SourceError("cannot give back", "it is gone")


class Interrupted(Scripted):
    """A signal cuts entering short, after something was begun, or the system says no."""

    error: BaseException = KeyboardInterrupt()

    def __enter__(self) -> Interrupted:
        super().__enter__()
        raise self.error


class Releasing(Scripted):
    """Leaving it lets another go on: the end is under way by then."""

    left: threading.Event

    def __exit__(self, *error: object) -> None:
        super().__exit__(None, None, None)
        self.left.set()


def opener(log: list[str]) -> Callable[[str], Scripted]:
    return lambda word: Scripted(word, log)


def test_the_first_is_entered_and_left() -> None:
    log: list[str] = []
    with ActiveSource(Scripted("a", log)) as active:
        assert log == ["enter a"]
        assert not active.exchangeable
        with pytest.raises(UsageError, match="one target"):
            active.open("b")
    assert log == ["enter a", "leave a"]


def test_one_whose_entering_a_signal_cut_short_is_left_by_the_end() -> None:
    """As `signals.entered` ends it; one that was refused gives back what it took by itself."""
    log: list[str] = []
    active = ActiveSource(Interrupted("a", log))
    with pytest.raises(KeyboardInterrupt):
        active.__enter__()
    active.__exit__(None, None, None)
    assert log == ["enter a", "leave a"]
    refused = Interrupted("b", log)
    refused.error = SourceError("no", "why")
    with pytest.raises(SourceError):
        ActiveSource(refused).__enter__()
    assert log[2:] == ["enter b"]


def test_the_new_one_is_entered_before_the_old_one_is_left() -> None:
    log: list[str] = []
    with ActiveSource(Scripted("a", log), opener(log)) as active:
        second = active.open("b")
        assert active.source is not second
        assert active.exchange(second) is None
        assert active.source is second
        assert log == ["enter a", "enter b", "leave a"]
    assert log == ["enter a", "enter b", "leave a", "leave b"]


def test_what_was_opened_and_not_used_is_left_at_the_end_or_before_but_once() -> None:
    log: list[str] = []
    with ActiveSource(Scripted("a", log), opener(log)) as active:
        active.open("b")
        unwanted = active.open("c")
        active.leave(unwanted)
        active.leave(unwanted)
    assert log == ["enter a", "enter b", "enter c", "leave c", "leave b", "leave a"]


def test_one_that_cannot_be_entered_changes_nothing() -> None:
    log: list[str] = []

    class Refused(Scripted):
        def __enter__(self) -> Refused:
            raise SourceError("cannot", "no")

    with ActiveSource(Scripted("a", log), lambda word: Refused(word, log)) as active:
        with pytest.raises(SourceError):
            active.open("b")
        assert log == ["enter a"]
    assert log == ["enter a", "leave a"]


def test_a_first_one_that_is_refused_leaves_nothing_to_leave() -> None:
    class Refused(Scripted):
        def __enter__(self) -> Refused:
            raise SourceError("cannot", "no")

    log: list[str] = []
    with pytest.raises(SourceError), ActiveSource(Refused("a", log)):
        pass
    assert log == []


def test_an_old_one_that_cannot_be_left_is_said_and_the_new_one_is_in_force() -> None:
    log: list[str] = []
    with ActiveSource(Failing("a", log), opener(log)) as active:
        error = active.exchange(active.open("b"))
        assert isinstance(error, SourceError)
        assert error.what == "cannot give back"
        assert active.source.describe().target == "b"
    assert log == ["enter a", "enter b", "leave a", "leave b"]


def test_where_one_fails_the_others_are_left_all_the_same() -> None:
    log: list[str] = []
    failing = ActiveSource(Scripted("a", log), lambda w: Failing(w, log))
    with pytest.raises(SourceError, match="give back"), failing as active:
        active.open("b")
    assert log == ["enter a", "enter b", "leave b", "leave a"]


def test_one_that_is_entered_while_the_program_ends_is_left_by_who_entered_it() -> None:
    log: list[str] = []
    slow = Slow("b", log, entering=True)
    first = Releasing("a", log)
    thread = threading.Thread(target=lambda: active.open("b"))
    with ActiveSource(first, lambda _: slow) as active:
        thread.start()
        slow.begun.wait()
        first.left = slow.go
    # the end waited for it
    assert log == ["enter a", "leave a", "enter b", "leave b"]
    thread.join()


def test_the_end_waits_for_one_that_is_being_left() -> None:
    log: list[str] = []
    slow = Slow("a", log, leaving=True)
    with ActiveSource(slow, lambda word: Releasing(word, log)) as active:
        second = active.open("b")
        assert isinstance(second, Releasing)
        thread = threading.Thread(target=lambda: active.exchange(second))
        thread.start()
        slow.begun.wait()
        second.left = slow.go
    assert log == ["enter a", "enter b", "leave b", "leave a"]
    thread.join()
