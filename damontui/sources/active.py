"""Who owns the source that is monitored: it can be exchanged for another, and each is left exactly once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from damontui.errors import DamontuiError, UsageError
from damontui.sources.base import Source

if TYPE_CHECKING:
    from damontui.sources.catalog import Entry

_log = logging.getLogger(__name__)

PATIENCE = 6.0
"""Seconds that the program's end waits for a source that another thread is entering or leaving: DAMON_STAT is given
back within a second, and a command has five to end."""


def _name(source: Source) -> str:
    return type(source).__name__


class Changes(TypedDict, total=False):
    """Options of another target that differ from those of the command line."""

    children: bool
    take: bool
    max_pause_us: int


def _no_other(word: str, **changes: Unpack[Changes]) -> Source:
    raise UsageError(f"cannot change to {word}: there is one target here")


class ActiveSource:
    """A context manager around the first source, from which other sources can be opened instead of it.

    Leaving it leaves every source that was entered and not left yet, also one that another thread is just entering.

    Args:
        first: the source that is entered with this.
        choose: makes the source that a target's word means, with `Changes` where there are any; raises `UsageError`.
            None where there is one target only.
        catalog: gives all targets that can be chosen; may take a moment.
    """

    def __init__(
        self,
        first: Source,
        choose: Callable[..., Source] | None = None,
        catalog: Callable[[], Sequence[Entry]] = tuple,
    ) -> None:
        self.source = first
        """The source in force."""
        self.exchangeable = choose is not None
        self.catalog = catalog
        self._choose = choose or _no_other
        self._held: list[Source] = []
        self._busy = 0
        self._closed = False
        self._change = threading.Condition()

    def __enter__(self) -> Self:
        self._enter(self.source)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leaving = ExitStack()  # newest first, and the others too where one fails
        with self._change:
            self._closed = True
            for source in self._held:
                leaving.push(source)
                leaving.callback(_log.info, "leaving %s", _name(source))
            self._held.clear()
        try:
            leaving.__exit__(kind, error, trace)
        finally:
            with self._change:
                self._change.wait_for(lambda: not self._busy, PATIENCE)

    def open(self, word: str, **changes: Unpack[Changes]) -> Source:
        """Enter another source beside the one in force, and return it. For any thread; blocks for as long as entering
        does.

        Raises:
            DamontuiError: the word means nothing, or the source cannot be entered; nothing has changed then.
        """
        source = self._choose(word, **changes)
        self._enter(source)
        return source

    def exchange(self, source: Source) -> DamontuiError | None:
        """Put an opened source in force and leave the one before it, whose monitoring has ended. For any thread.

        Returns the error of leaving the former source; None where there was none.
        """
        before, self.source = self.source, source
        try:
            self.leave(before)
        except DamontuiError as error:
            return error
        return None

    def leave(self, source: Source) -> None:
        """Leave an opened source, unless that was done before."""
        with self._change:
            if source not in self._held:
                return
            self._held.remove(source)
            self._busy += 1
        _log.info("leaving %s", _name(source))
        try:
            source.__exit__(None, None, None)
        finally:
            self._done()

    def _enter(self, source: Source) -> None:
        with self._change:
            self._busy += 1
        _log.info("entering %s", _name(source))
        try:
            try:
                source.__enter__()
            except Exception:
                raise
            except BaseException:  # cut short by a signal: whoever ends the program gives back what was begun by then
                with self._change:
                    self._held.append(source)
                raise
            with self._change:
                late = self._closed
                if not late:
                    self._held.append(source)
            if late:
                _log.info("leaving %s: the program ends meanwhile", _name(source))
                source.__exit__(None, None, None)
        finally:
            self._done()

    def _done(self) -> None:
        with self._change:
            self._busy -= 1
            self._change.notify_all()
