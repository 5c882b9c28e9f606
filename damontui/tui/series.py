"""Numbers of each snapshot over time, kept as they come in, so that a repaint costs the same after hours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import timeline
from damontui.damon.snapshot import Snapshot
from damontui.history import History

Floats = NDArray[np.float64]


MOST = 65_536
"""Rows kept, 2 MB for each number. Beyond that, pairs of the older half are joined."""


FRESH = 10
"""Aggregations after a start in which regions are still few and large, so that one hot page stands for a lot."""


class Rows:
    """Some numbers of every snapshot in a history, also of those that the history has made coarser since.

    Args:
        count: how many numbers a snapshot has.
    """

    def __init__(self, count: int) -> None:
        self._rows: Floats = np.empty((0, 2 + count))  # began, ended, the numbers
        self._count = 0
        self._generation = self._epoch = -1

    def __len__(self) -> int:
        return self._count

    @property
    def began(self) -> Floats:
        """When each snapshot's aggregation began, rising."""
        return self._rows[: self._count, 0]

    @property
    def ended(self) -> Floats:
        """When it ended, rising."""
        return self._rows[: self._count, 1]

    @property
    def numbers(self) -> Floats:
        """The numbers, shape ``(snapshots, count)``; NaN for what is not known."""
        return self._rows[: self._count, 2:]

    def numbers_of(self, snapshot: Snapshot) -> Sequence[float] | Floats:
        """The numbers of one snapshot, which is newer than all others."""
        raise NotImplementedError

    def joined(self, older: Floats, newer: Floats) -> Floats:
        """Numbers that stand for pairs of neighbours, shape ``(pairs, count)``: the mean, or the one that is known."""
        mean = (older + newer) / 2
        return np.where(np.isnan(mean), np.fmax(older, newer), mean)

    def update(self, history: History) -> None:
        """Take in snapshots that were added since, or all where the history was cleared."""
        if history.generation == self._generation:
            return
        self._generation = history.generation
        if history.epoch != self._epoch:
            self._epoch = history.epoch
            self._count = 0
        newest = self._rows[self._count - 1, 1] if self._count else -np.inf
        for snapshot in history.walk(newest, np.inf):
            if snapshot.time > newest:
                self._append(snapshot.began, snapshot.time, *self.numbers_of(snapshot))

    def _append(self, *row: float) -> None:
        if self._count == MOST:
            self._join()
        if self._count == len(self._rows):
            self._rows = np.resize(self._rows, (max(256, 2 * self._count), self._rows.shape[1]))
        self._rows[self._count] = row
        self._count += 1

    def _join(self) -> None:
        half = self._count // 2
        older, newer = self._rows[:half:2], self._rows[1:half:2]
        joined = np.column_stack((older[:, 0], newer[:, 1], self.joined(older[:, 2:], newer[:, 2:])))
        rest = self._rows[half : self._count].copy()
        self._count = len(joined) + len(rest)
        self._rows[: len(joined)] = joined
        self._rows[len(joined) : self._count] = rest


class MetricSeries(Rows):
    """A metric of every snapshot: its mean, its peak, and whether monitoring had only just started.

    Args:
        metric: the number of one snapshot; NaN where it has none.
    """

    def __init__(self, metric: Callable[[Snapshot], float]) -> None:
        super().__init__(3)
        self.metric = metric
        self._fresh = 0

    def numbers_of(self, snapshot: Snapshot) -> Sequence[float]:
        """Mean and peak, which of one snapshot are the same, and 1.0 where it is fresh."""
        value = self.metric(snapshot)
        fresh = snapshot.measured is None and self._is_fresh(snapshot)
        return value, value, float(fresh)

    def joined(self, older: Floats, newer: Floats) -> Floats:
        """The mean of means, the higher peak; fresh where both are."""
        mean = super().joined(older[:, :1], newer[:, :1])
        return np.column_stack((mean, np.fmax(older[:, 1], newer[:, 1]), np.minimum(older[:, 2], newer[:, 2])))

    def _is_fresh(self, snapshot: Snapshot) -> bool:
        """Whether it is one of the first after a start: of all, or after a gap that is longer than itself."""
        ended = self._rows[self._count - 1, 1] if self._count else -np.inf
        if snapshot.began - ended > max(snapshot.time - snapshot.began, 1.0):
            self._fresh = FRESH
        self._fresh -= 1
        return self._fresh >= 0

    def _window(self, since: float, until: float) -> Floats:
        rows = self._rows[: self._count]
        low, high = np.searchsorted(rows[:, 1], (since, until), side="right")
        return rows[low:high]

    def value_at(self, time: float) -> float:
        """The number of the snapshot that ended at ``time``; NaN where that is not known apart."""
        rows = self._window(-np.inf, time)
        return float(rows[-1, 2]) if len(rows) and rows[-1, 1] == time else np.nan

    def mean_and_peak(self, since: float, until: float) -> tuple[float, float]:
        """Mean, weighted by the length of each aggregation, and peak in ``(since, until]``; NaN without any.

        The first aggregations after a start count only where there are no others.
        """
        rows = self._window(since, until)
        rows = rows[~np.isnan(rows[:, 2])]
        settled = rows[rows[:, 4] == 0]
        rows = settled if len(settled) else rows
        if not len(rows):
            return np.nan, np.nan
        weights = np.maximum(rows[:, 1] - rows[:, 0], 1e-9)
        return float(np.average(rows[:, 2], weights=weights)), float(rows[:, 3].max())

    def columns(self, until: float, span: float, columns: int) -> list[float]:
        """The mean in each of ``columns`` slots of time that end with the slot of ``until``; NaN where nothing was.

        Slots begin at multiples of their length, so that a value stays in its column until the picture moves on by one.
        A snapshot fills every slot that its aggregation covers.
        """
        if columns <= 0:
            return []
        rows = self._rows[: self._count]
        rows = rows[: int(np.searchsorted(rows[:, 1], until, side="right"))]
        found: list[float] = timeline.means_of_ended(
            rows[:, 0], rows[:, 1], rows[:, 2], timeline.slots(until, span, columns)
        ).tolist()
        return found
