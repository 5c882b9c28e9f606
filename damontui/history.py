"""The snapshots of the past, within a fixed memory budget."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from damontui.damon.snapshot import Snapshot

BUDGET = 64 * 1024 * 1024
_FIXED = 2_000  # bytes of a snapshot beside its arrays, measured roughly: the object, its attributes, its place here


class History:
    """Snapshots in order of time; the oldest go where the budget is used up.

    Args:
        budget: bytes for all snapshots.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self.bytes = 0
        self.generation = 0
        """Grows with every change, so that a reader can tell whether its cached picture still holds."""
        self._snapshots: list[Snapshot] = []
        self._times: list[float] = []

    def __len__(self) -> int:
        return len(self._snapshots)

    def append(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, which is newer than all others."""
        self._snapshots.append(snapshot)
        self._times.append(snapshot.time)
        self.bytes += _cost(snapshot)
        self.generation += 1
        if self.bytes > self.budget:
            drop = max(1, len(self._snapshots) // 8)  # in one go: appending stays O(1) amortised
            self.bytes -= sum(_cost(s) for s in self._snapshots[:drop])
            del self._snapshots[:drop], self._times[:drop]

    def clear(self) -> None:
        """Forget everything (monitoring starts afresh)."""
        self._snapshots.clear()
        self._times.clear()
        self.bytes = 0
        self.generation += 1

    @property
    def last(self) -> Snapshot | None:
        """The newest snapshot."""
        return self._snapshots[-1] if self._snapshots else None

    @property
    def first(self) -> Snapshot | None:
        """The oldest snapshot."""
        return self._snapshots[0] if self._snapshots else None

    def at(self, time: float) -> Snapshot | None:
        """The newest snapshot that was whole at ``time``."""
        index = bisect_right(self._times, time)
        return self._snapshots[index - 1] if index else None

    def between(self, since: float, until: float, most: int | None = None) -> Sequence[Snapshot]:
        """The snapshots whose aggregation overlaps ``(since, until]``, oldest first, thinned evenly to ``most``."""
        low = bisect_right(self._times, since)
        high = bisect_left(self._times, until)
        found = self._snapshots[low : high + 1]  # one more: its aggregation began before ``until``
        return found if most is None or len(found) <= most else found[:: -(-len(found) // most)]


def _cost(snapshot: Snapshot) -> int:
    return _FIXED + 5 * 8 * len(snapshot) + sum(map(len, snapshot.names))
