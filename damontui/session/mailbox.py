"""What other threads have to say, until the front end's own thread takes it; of much at once only what is newest."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from damontui.damon.snapshot import Interim, Snapshot

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Snapshots of one sender that came one after the other; all of them are in its history."""

    newest: Snapshot
    count: int = 1
    lost: Snapshot | None = None
    """The newest of them that lacks regions, since trace events were lost."""


class Mailbox(Generic[T]):
    """A queue of ``(sender, event)`` from any thread to one.

    Snapshots that nobody took yet give way to the next of the same sender (`Snapshots` counts them): while a screen
    starts, thousands can come from a record, and each would be held whole until it was looked at. So does news of an
    aggregation that has been overtaken.
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
