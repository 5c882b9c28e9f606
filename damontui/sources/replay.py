"""A record as a source: its snapshots at the pace at which they were made, or faster; or, for a screen, all at once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Event, Snapshot, Status
from damontui.errors import SourceError
from damontui.records import files
from damontui.records.own import Record
from damontui.records.sound import MEMORY
from damontui.records.table import Table

_LOOK = 0.5
"""Seconds between two looks at a file that is still being written."""
_STILL = 10.0
"""Seconds without a change after which a file is taken for finished; three of its aggregations, if those are longer."""
_CHUNK = 256
"""Snapshots that are decoded at once."""


class ReplaySource:
    """Replays a record file in any format.

    Args:
        path: the record.
        attrs: intervals to use where the file has none.
        memory: bytes of memory that reading it may take; None for the usual.
        speed: seconds of the record to one of ours; inf for as fast as it goes.
        whole: give all snapshots at once, whatever the speed, at which a screen then plays them; a file is followed
            for as long as it seems to be written.
        clock: seconds, monotonic.
        wall: seconds since 1970, the clock of the file's own time stamp.
        wait: waits that many seconds or until the event is set, and tells whether it is.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        attrs: Attrs | None = None,
        memory: int | None = None,
        speed: float = 1.0,
        whole: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        wait: Callable[[threading.Event, float], bool] = lambda stop, seconds: stop.wait(seconds),
    ) -> None:
        self.path = Path(path)
        self.speed = speed
        self.whole = whole
        self._attrs = attrs
        self._memory = MEMORY if memory is None else memory
        self._clock = clock
        self._wall = wall
        self._wait = wait
        self._record: Record | None = None
        self._table: Table | None = None

    def __enter__(self) -> Self:
        if files.sniff(self.path) == "damontui":
            self._record = Record(self.path, self._memory)
        else:
            self._table = files.read(self.path, attrs=self._attrs, memory=self._memory)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._record is not None:
            self._record.close()

    def describe(self) -> Description:
        """The record's own description, as a replay."""
        held = self._record.description if self._record is not None else self._loaded().description
        limits = () if self._table is None else self._table.notes
        return replace(
            held,
            target=str(self.path),
            title=f"record {self.path.name}" + (f": {held.title}" if self._record is not None else ""),
            origin="record",
            speed=self.speed,
            reason="",
            locked="a record has no switch",
            limits=(*held.limits, *limits),
        )

    @property
    def enabled(self) -> bool:
        """Always on."""
        return True

    @enabled.setter
    def enabled(self, on: bool) -> None:
        if not on:
            raise SourceError("cannot switch a record off", "it is the past")

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """Yield the record's snapshots, then ``Status("ended")``."""
        begun = self._clock()
        first = last = None
        for snapshot in self._all(stop):
            first = snapshot if first is None else first
            if not self.whole and not math.isinf(self.speed):
                left = begun + (snapshot.time - first.time) / self.speed - self._clock()
                if left > 0:
                    self._wait(stop, left)
            if stop.is_set():
                return
            yield snapshot
            last = snapshot
        if not stop.is_set():
            now = (last.time, last.wall) if last is not None else (0.0, 0.0)
            words = f"the end of {self.path.name}" if last is not None else f"{self.path.name} holds no snapshot"
            yield Status("ended", words, *now)

    def overhead(self) -> float:
        """Nothing is observed."""
        return 0.0

    def _loaded(self) -> Table:
        if self._table is None:
            raise RuntimeError("the source was not entered")
        return self._table

    def _all(self, stop: threading.Event) -> Iterator[Snapshot]:
        if self._record is None:
            yield from self._loaded()
            return
        index = 0
        longest = 0.0
        while not stop.is_set():
            while index < len(self._record) and not stop.is_set():
                part = self._record.table(index, index + _CHUNK)
                index = min(index + _CHUNK, len(self._record))
                for snapshot in part:
                    longest = max(longest, snapshot.next_attrs.aggr_us / 1e6)
                    yield snapshot
            if self._record.refresh():
                continue
            if not self.whole or not self._written(longest) or self._wait(stop, _LOOK):
                return

    def _written(self, longest: float) -> bool:
        """Whether somebody seems to be writing the file: it changed within the time that an aggregation may take."""
        try:
            return self._wall() - self.path.stat().st_mtime < _STILL + 3 * longest
        except OSError:
            return False
