"""The working-set curve of one process: how many bytes of each mapping were touched within each time.

An *epoch* is one clear of the accessed bits and the readings after it: ``R(t)``, bytes touched since the clear, ``t``
seconds after it. Of memory whose pattern is steady, ``R(T)`` is what is used within T at any time. An increment of R
that is larger than the curve's bend explains (increments of a steady pattern shrink) is *news*: memory that woke, or a
hot set that moved. It was touched just then, and it was not touched before in the epoch.

What was used within a time, and how sure that is, follows from the epochs: `damontui.operations.within`.

What this costs: a hot set that shrinks, or moves to memory that the epoch has already seen, is known only after the
next clear. And what is touched every few seconds looks hot where that was just after the clear, until the next one. So
there is one soon after news, one more where much was touched soon after a clear (the first one always), and otherwise
at growing distances up to a minute (`Curve.wants_clear`). A process that keeps changing in the same way is cleared
every 10 s, as far as budget and pause allow.

Where what wakes is to be counted (`damontui.analysis.woken`), clears must not depend on what is seen: a clear after
each touch of something seldom would look at it always at the same age, and never at a later one. So there the epochs
grow to a given length, each another share of it, so that no pattern keeps step with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from damontui.operations.epochs import Epoch, Former, Used
from damontui.operations.within import used_within

Floats = NDArray[np.float64]

GRID = (
    *(0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0),
    *(180.0, 240.0, 300.0, 420.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0),
)
"""Seconds at which the curve is told."""
_KNOWN_S = 10.0
"""News that the former epoch had as well, within this time of its clear, is a period and asks for no clear."""
_SOONEST_S = 2.0
_EARLY_S = 0.9
_FIRST_QUIET_S = 10.0
_LAST_QUIET_S = 60.0
_FINE = 1.05
_MOST_VALUES = 150_000
_UNLIKE = (0.75, 0.5, 0.6180339887)
"""The least share of the given length that an epoch lasts, what comes to it at most, and by what step of that (the
golden ratio's: the shares are spread evenly, however many there are)."""
_LONGER = 1.5
"""Each of the first epochs is so many times as long as the one before."""
_PAGES = 16 * 1024
"""Bytes of a mapping that are never news."""


class Clears:
    """When the bits should be cleared again.

    Args:
        window: the longest time of interest, seconds.
        every: about how long an epoch lasts, seconds, whatever is seen; None: as what is seen demands.
    """

    def __init__(self, window: float, every: float | None) -> None:
        self._every = every
        self._epochs = 0
        self._quiet = min(_FIRST_QUIET_S, max(_SOONEST_S, window / 2))
        self._last_quiet = min(_LAST_QUIET_S, max(_SOONEST_S, window / 2))

    def ended(self, epoch: Epoch) -> None:
        """An epoch was ended by a clear."""
        if not epoch.doubt or epoch.changed:
            self._quiet = _FIRST_QUIET_S if epoch.changed else self._quiet * 2
        self._quiet = min(self._quiet, self._last_quiet)
        self._epochs += 1

    def wanted(self, epoch: Epoch) -> bool:
        """Whether the epoch is as old as it should get: sooner where the pattern has changed.

        With ``every`` the pattern has no say: what wakes could not be counted if clears depended on what is seen.
        """
        if self._every is not None:
            least, more, step = _UNLIKE
            # shorter ones first: something is known where it ends sooner than was said
            about = min(self._every, _FIRST_QUIET_S * _LONGER ** min(self._epochs, 32))
            return epoch.age >= about * (least + more * (self._epochs * step % 1.0)) * 0.999
        return epoch.age >= (_SOONEST_S * 0.95 if epoch.changed or epoch.doubt else self._quiet)


class Curve:
    """One process's curve; times are seconds of one monotonic clock.

    Args:
        began: when the first clear was done.
        window: the longest time of interest, seconds.
        every: about how long an epoch lasts, seconds, whatever is seen; None: as what is seen demands.
    """

    def __init__(self, began: float, window: float, every: float | None = None) -> None:
        self.disturbed_at = float("-inf")
        """When somebody else was last seen to have cleared the bits."""
        self._began = began
        self._window = window
        self._clears = Clears(window, every)
        self._epoch = Epoch(began, 0)
        self._former = Former()
        self._shortest = 0.0
        self._rss = np.zeros(0)
        self._first: list[tuple[float, float, float, float]] = []

    # -- what happens

    def cleared(self, at: float) -> None:
        """The bits were cleared, right after a reading."""
        self._clears.ended(self._epoch)
        self._end_epoch(at)

    def reading(self, at: float, referenced: Floats, resident: Floats, private: NDArray[np.bool_]) -> None:
        """``smaps`` said so many bytes of each mapping; all have shape ``(mappings,)``.

        Args:
            at: when.
            referenced: touched since the clear.
            resident: in memory.
            private: no other process can touch it, or clear its bits by being watched.
        """
        if not self._epoch.age and not len(self._rss):
            self._epoch = Epoch(self._epoch.began, len(resident))
            self._rss = resident.copy()
        lost = np.maximum(self._rss - resident, 0)
        shrunk = float((self._epoch.read[-1] - referenced - lost)[private].sum())
        if shrunk > max(1 << 20, 0.02 * float(resident.sum())):
            self.disturbed_at = at
            self._end_epoch(self._epoch.began + self._epoch.age)
            self._epoch.disturbed = True
        epoch = self._epoch
        after = at - epoch.began
        if after <= epoch.age:
            return
        new = np.maximum(resident - self._rss, 0)
        epoch.grown += new
        epoch.lost += lost
        gone = np.maximum(epoch.read[-1] - referenced, 0)
        if gone.any():
            gone = epoch.take_freed(gone, lost, referenced)
            self._former.limit(resident)
        self._former.take_freed(gone, lost, resident)
        more = np.maximum(referenced - epoch.read[-1], 0)
        # memory that is new did not come back
        came = np.maximum(more - new, 0)
        self._first.append((epoch.age, float(more.sum()), float(came.sum()), after - epoch.age))
        epoch.add(after, referenced, self._excess(after, referenced, more, resident))
        self._rss = resident.copy()

    def _excess(self, after: float, referenced: Floats, more: Floats, resident: Floats) -> Floats:
        """What of an increment the curve's bend does not explain, ``(mappings,)``; whether it is news is taken down.

        Args:
            after: seconds from the clear to the reading.
            referenced: touched since the clear.
            more: since the reading before.
            resident: in memory.
        """
        epoch, former = self._epoch, self._former
        excess = np.zeros_like(more)
        tolerance = np.maximum(_PAGES, 0.005 * resident)
        if epoch.age:
            expected = (after - epoch.age) * epoch.slope()
            excess = np.where(more > 2 * expected + tolerance, more - expected, 0.0)
        else:
            self._shortest = min(self._shortest or after, after)
        known = former.known(2 * after, len(more))
        unknown = np.where(referenced > known * 1.02 + tolerance, excess, 0.0)
        # what comes now and then comes sooner after one clear than after another: no more of it than was seen before
        seen = known
        if former.before:
            # right after a clear even after news: another clear tells (`Epoch.doubt`)
            apart = (former.news > 0) & (epoch.age >= _EARLY_S)
            seen = np.where(apart, known, np.maximum(known, former.before[1][-1]))
        epoch.news += np.where(referenced > seen * 1.02 + tolerance, excess, 0.0)
        asks = float((unknown if after <= _KNOWN_S else excess).sum())
        much = max(1 << 20, 0.01 * float(resident.sum()))
        if asks > much:
            epoch.changed = True
        if epoch.age < _EARLY_S <= after:
            # so much so soon: a hot set that has grown, or something rare that came by chance; another clear tells
            more_than = np.maximum(referenced - known, 0) if former.before else referenced
            epoch.doubt = float(more_than.sum()) > much
        return excess

    def remap(self, rows: NDArray[np.int64], columns: NDArray[np.int64], shares: Floats, mappings: int) -> None:
        """Mappings changed: ``shares[k]`` of the former mapping ``columns[k]`` is in mapping ``rows[k]`` now."""

        def moved(values: Floats) -> Floats:
            found = np.zeros((mappings, *values.shape[1:]))
            np.add.at(found, rows, (values[columns].T * shares).T)
            return found

        self._epoch.each(moved)
        self._former.each(moved)
        self._rss = moved(self._rss)

    # -- what is known

    @property
    def age(self) -> float:
        """Seconds from the epoch's clear to its last reading."""
        return self._epoch.age

    @property
    def watched(self) -> float:
        """Seconds from the first clear to the last reading."""
        return self._epoch.began + self._epoch.age - self._began

    def first_touches(self) -> list[tuple[float, float, float, float]]:
        """What was touched for the first time since a clear, for each reading since this was asked before.

        Seconds from the clear to the reading before (or 0), bytes touched since, those of them that were there before,
        and the seconds between both. These are counts, whatever the pattern is.
        """
        found, self._first = self._first, []
        return found

    @property
    def shortest(self) -> float:
        """The shortest time that the curve tells of; 0 before the first reading."""
        return self._shortest

    @property
    def wants_clear(self) -> bool:
        """Whether the bits should be cleared again (`Clears.wanted`)."""
        return self._clears.wanted(self._epoch)

    def used(self, seconds: Floats) -> Used:
        """Bytes of each mapping touched in the last ``seconds`` (rising) before the last reading."""
        rows = np.flatnonzero(self._ever())
        if len(rows) == len(self._rss):
            return used_within(self._epoch, self._former, self._rss, seconds)
        # of what was never touched there is nothing to compute, and of many mappings that is most
        whole = np.zeros((3, len(self._rss), len(seconds)))
        some = used_within(self._epoch.of(rows), self._former.of(rows), self._rss[rows], seconds)
        for values, of_some in zip(whole, (some.bytes, some.least, some.most), strict=True):
            values[rows] = of_some
        return Used(*whole)

    # -- ours

    def _ever(self) -> NDArray[np.bool_]:
        """Which mappings anything is known of but that they were left alone; shape ``(mappings,)``."""
        found = self._epoch.read[-1] > 0
        for one in self._former.ever():
            found = found | one
        return found

    def _end_epoch(self, at: float) -> None:
        """Keep what is known at the last reading for the epoch that begins now, by a clear at that time."""
        if self._epoch.age:
            watched = self.watched
            grid = self._times_for(int(np.count_nonzero(self._ever())))
            # nothing is known of longer
            self._former.end(self._epoch, self.used(np.minimum(grid, watched)), grid, watched)
        self._epoch = Epoch(at, len(self._rss))

    def _times_for(self, mappings: int) -> Floats:
        """Seconds at which an epoch's end hands its curve on: finer than is told, as far as that stays cheap."""
        finest = int(np.log(self._window / 0.1) / np.log(_FINE))
        return np.geomspace(0.1, self._window, 2 + min(finest, max(finest // 2, _MOST_VALUES // max(1, mappings))))
