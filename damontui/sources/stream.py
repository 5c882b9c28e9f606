"""A record through a pipe as a source: snapshots of another machine, as they are made there."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from damontui.damon.snapshot import Description, Event, Snapshot, Status
from damontui.errors import SourceError
from damontui.kernel.root import why
from damontui.records.stream import RecordStream

_SLICE = 0.25
"""Seconds that are waited at once, so that being stopped is noticed."""


class StreamSource:
    """Snapshots from a descriptor that brings a record of damontui's, each as soon as it is whole.

    The beginning of the record is waited for when this is made, before there is a screen: whoever writes it may have to
    ask for a password first.

    Args:
        descriptor: open for reading; stays open.
        wait: waits until there is something to read, or for so many seconds (None: for ever); returns whether there is
            something.

    Raises:
        SourceError: nothing comes, or what comes is no record.
    """

    def __init__(
        self,
        descriptor: int = 0,
        wait: Callable[[int, float | None], bool] = lambda fd, limit: bool(select.select([fd], [], [], limit)[0]),
    ) -> None:
        self._descriptor = descriptor
        self._wait = wait
        self._record = RecordStream("standard input")
        self._pending: list[Snapshot] = []
        self._last: Snapshot | None = None
        self._ended = False
        while self._record.known is None and not self._ended:
            self._pending += self._read(None)
        self._record.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._record.close()

    def describe(self) -> Description:
        """What the far side observes."""
        held = self._record.description
        place = f" of {held.host}" if held.host and held.origin == "kernel" else ""
        return replace(held, target="-", title=f"{held.title}{place}", reason="", locked="a stream has no switch")

    @property
    def enabled(self) -> bool:
        """Always on."""
        return True

    @enabled.setter
    def enabled(self, on: bool) -> None:
        if not on:
            raise SourceError("cannot switch a stream off", "it is made elsewhere", "press space to freeze the view")

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """Yield what comes, then ``Status("ended")``."""
        told = False
        while not stop.is_set():
            while self._pending and not stop.is_set():
                self._last = replace(self._pending.pop(0), origin=self._record.description.origin)
                yield self._last
            if self._ended:
                now = (self._last.time, self._last.wall) if self._last is not None else (0.0, 0.0)
                yield Status("ended", "the end of the stream", *now)
                return
            self._pending += self._read(_SLICE)
            if self._last is None and not self._pending and not self._ended and not told:
                told = True
                yield Status("waiting", "the first snapshot of the stream", 0.0, 0.0)

    def overhead(self) -> float:
        """Nothing is observed here."""
        return 0.0

    def _read(self, limit: float | None) -> list[Snapshot]:
        try:
            if not self._wait(self._descriptor, limit):
                return []
            data = os.read(self._descriptor, 1 << 20)
        except OSError as error:
            raise SourceError("cannot read standard input", why(error)) from error
        if not data:
            self._ended = True
        return self._record.feed(data)
