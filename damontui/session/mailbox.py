"""Events from other threads, kept for the front end's own thread; of many snapshots only the newest is kept."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from damontui.damon.snapshot import Interim, Snapshot

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshots:
    """A run of snapshots from one sender; all of them are in its history."""

    newest: Snapshot
    count: int = 1
    lost: Snapshot | None = None
    """The newest of them that lacks regions, since trace events were lost."""


class Mailbox(Generic[T]):
    """A queue of ``(sender, event)`` from any thread to one.

    A snapshot that nobody took yet is replaced by the next of the same sender (`Snapshots` counts them): while a screen
    starts, thousands can come from a record, and each would be held whole until it was looked at. An `Interim` is
    replaced by the next one, or by a snapshot.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._mail: deque[tuple[T, object]] = deque()

    def __len__(self) -> int:
        return len(self._mail)

    def put(self, sender: T, event: object) -> None:
        """Add an event; never blocks for longer than another thread's `put` takes."""
        with self._lock:
            mail = self._mail
            if isinstance(event, Snapshot | Interim):
                while mail and mail[-1][0] is sender and isinstance(mail[-1][1], Interim):
                    mail.pop()
            if isinstance(event, Snapshot):
                count, lost = 1, None if event.complete else event
                before = mail[-1] if mail else None
                if before is not None and before[0] is sender and isinstance(before[1], Snapshots):
                    count, lost = before[1].count + 1, lost or before[1].lost
                    mail.pop()
                event = Snapshots(event, count, lost)
            mail.append((sender, event))

    def take(self) -> tuple[T, object] | None:
        """The oldest event and its sender; None where there is none."""
        with self._lock:
            return self._mail.popleft() if self._mail else None
