"""Writes a monitor's snapshots into a record file, while the screen goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from damontui.damon.snapshot import Description, Event, Snapshot
from damontui.errors import DamontuiError, SourceError
from damontui.files import free_path
from damontui.records.own import RecordWriter

_log = logging.getLogger(__name__)


class Recorder:
    """A listener of the monitor's that writes each snapshot; called in the monitor's thread.

    Args:
        path: the new file; a file that is there is never replaced.
        description: the source's description.
        clock: seconds, monotonic.

    Raises:
        SourceError: the file is there already or cannot be made.
    """

    def __init__(self, path: Path, description: Description, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.error: DamontuiError | None = None
        """Why nothing more is written (a full disk); None while all is well."""
        self._writer = RecordWriter(path, description)
        self._clock = clock
        self._begun = clock()
        self._lock = threading.Lock()
        _log.info("a record of %s begins: %s", description.target, path)

    @property
    def bytes(self) -> int:
        """Bytes written so far."""
        return self._writer.bytes

    @property
    def count(self) -> int:
        """Snapshots written so far."""
        return self._writer.count

    @property
    def seconds(self) -> float:
        """Seconds since the recording began."""
        return self._clock() - self._begun

    def __call__(self, event: Event | DamontuiError) -> None:
        """Take an event of the monitor."""
        if not isinstance(event, Snapshot):
            return
        with self._lock:
            if self.error is None:
                try:
                    self._writer.append(event)
                except DamontuiError as error:
                    self.error = error
                    _log.warning("the record %s goes no further: %s", self.path, error)

    def close(self) -> None:
        """End the record. May be called again."""
        with self._lock:
            self._writer.close()
            if self.error is None:
                _log.info("the record %s ends: %d snapshots in %d bytes", self.path, self.count, self.bytes)
                self.error = SourceError(f"cannot record to {self.path}", "the recording has ended")


def free_name(folder: Path, wall: float) -> Path:
    """A name for a new record that says when it began: ``damontui-2026-11-22-190500.damontui``."""
    return free_path(folder, time.strftime("damontui-%Y-%m-%d-%H%M%S", time.localtime(wall)), ".damontui")
