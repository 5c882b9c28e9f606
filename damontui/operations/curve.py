"""The working-set curve of one process: how many bytes of each mapping were touched within each time.

An *epoch* is one clear of the accessed bits and the readings after it: ``R(t)``, bytes touched since the clear, ``t``
seconds after it. Of memory whose pattern is steady, ``R(T)`` is what is used within T at any time. An increment of R
that is larger than the curve's bend explains (increments of a steady pattern shrink) is *news*: memory that woke, or a
hot set that moved. It was touched just then, and it was not touched before in the epoch.

Used within T is then, for T shorter than the epoch, ``R(T)`` (or, where that is less, the median of the last three
epochs' as long as nothing changed) and the news of the last T. For longer T it is the larger of ``R(now)`` and what the
former epoch's end said of ``T - age of the epoch`` (cold memory stays cold), news beside it; but no news is what the
former epoch had as well, if nothing changed in it: what comes now and then comes soon after one clear, late
after another.

How sure that is. Two bounds hold whatever the pattern is: what R grew by within T was touched for certain, and
nothing can have been but what was touched in the epoch and, for longer T, before it (memory that became resident was
touched then). In a saturated epoch they say next to nothing: R grows no more. As long as the pattern is what it was in
the last epochs, these say more; the clears know nothing of the process, so each is a look at a random moment. Let some
bytes be touched together, once in a period P.

* *least*. If P > T, a clear has them touched within ``t < T`` after it with a chance of ``t / P < t / T``, and ``k``
  clears in a row with less than ``(t / T)**k``. So what was touched within ``T * 0.1**(1 / k)`` of each of the last
  ``k`` clears is touched within any T, but for a chance of one in ten; ``k`` is what says most, and a time between two
  readings counts as the earlier.
* *most*. Bytes first touched later than ``10 T`` after a clear have P > 10 T; they are in the last T with a chance of
  less than one in ten. So it is what was touched within ``10 T`` of one of the last clears (of epochs that lasted for T
  at least), and, for T shorter than the epoch, at most ``R(now)``.
* For T longer than the epoch, the sum of both parts counts twice what both epochs touched. What is touched within any
  ``w``, the shorter of both parts of T, was touched in both and is taken off once.

In an epoch with news, or where somebody else clears the bits, only the bounds that always hold are told, and the epochs
before it are forgotten here. What the interval cannot know is memory that cools down between two clears: it shows after
the next one.

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

import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
_MOST_READINGS = 240
_FINE = 1.05
_MOST_VALUES = 150_000
_EPOCHS = 6
_EPOCH_READINGS = 32
_ABOUT = 0.02
_UNLIKE = (0.75, 0.5, 0.6180339887)
"""The least share of the given length that an epoch lasts, what comes to it at most, and by what step of that (the
golden ratio's: the shares are spread evenly, however many there are)."""
_LONGER = 1.5
"""Each of the first epochs is so many times as long as the one before."""
_CHANCE = 0.1
"""That the interval is wrong about bytes that are touched together."""
_PAGES = 16 * 1024
"""Bytes of a mapping that are never news."""


@dataclass(frozen=True, slots=True)
class Used:
    """Bytes of each mapping touched within some times: arrays of shape ``(mappings, times)``."""

    bytes: Floats
    least: Floats
    most: Floats


class Curve:
    """One process's curve; times are seconds of one monotonic clock.

    Args:
        began: when the first clear was done.
        window: the longest time of interest, seconds.
        every: about how long an epoch lasts, seconds, whatever is seen; None: as what is seen demands.
    """

    def __init__(self, began: float, window: float, every: float | None = None) -> None:
        self.began = began
        self.epoch = began
        """When the epoch's clear was done."""
        self.disturbed_at = float("-inf")
        """When somebody else was last seen to have cleared the bits."""
        self._window = window
        self._every = every
        self._epochs = 0
        self._grid = self._times_for(1)
        self._quiet = min(_FIRST_QUIET_S, max(_SOONEST_S, window / 2))
        self._last_quiet = min(_LAST_QUIET_S, max(_SOONEST_S, window / 2))
        self._former: Used | None = None
        self._former_age = 0.0
        # times and readings of the former epoch, and how much changed in it
        self._before: tuple[Floats, Floats] | None = None
        self._news_before = np.zeros(0)
        # times and readings of the epochs since the pattern changed, the latest first
        self._alike: list[tuple[Floats, Floats]] = []
        self._shortest = 0.0
        self._rss = np.zeros(0)
        self._first: list[tuple[float, float, float, float]] = []
        self._start_epoch(0)

    def _start_epoch(self, mappings: int) -> None:
        self._times = [0.0]
        self._read = [np.zeros(mappings)]
        self._excess = [np.zeros(mappings)]
        self._news = np.zeros(mappings)
        self._grown = np.zeros(mappings)
        self._lost = np.zeros(mappings)
        self._changed = False
        self._doubt = False
        self._disturbed = False

    # -- what happens

    def cleared(self, at: float) -> None:
        """The bits were cleared, right after a reading."""
        self._end_epoch()
        if not self._doubt or self._changed:
            self._quiet = _FIRST_QUIET_S if self._changed else self._quiet * 2
        self._quiet = min(self._quiet, self._last_quiet)
        self.epoch = at
        self._epochs += 1
        self._start_epoch(len(self._rss))

    def reading(self, at: float, referenced: Floats, resident: Floats, private: NDArray[np.bool_]) -> None:
        """``smaps`` said so many bytes of each mapping; all have shape ``(mappings,)``.

        Args:
            at: when.
            referenced: touched since the clear.
            resident: in memory.
            private: no other process can touch it, or clear its bits by being watched.
        """
        if len(self._times) == 1 and not len(self._rss):
            self._start_epoch(len(resident))
            self._rss = resident.copy()
        lost = np.maximum(self._rss - resident, 0)
        shrunk = float((self._read[-1] - referenced - lost)[private].sum())
        if shrunk > max(1 << 20, 0.02 * float(resident.sum())):
            self.disturbed_at = at
            last = self.epoch + self._times[-1]
            self._end_epoch()
            self.epoch = last
            self._start_epoch(len(self._rss))
            self._disturbed = True
        after = at - self.epoch
        if after <= self._times[-1]:
            return
        self._take_freed(referenced, resident, lost)
        before = self._read[-1]
        more = np.maximum(referenced - before, 0)
        # memory that is new did not come back
        came = np.maximum(more - np.maximum(resident - self._rss, 0), 0)
        self._first.append((self._times[-1], float(more.sum()), float(came.sum()), after - self._times[-1]))
        excess = np.zeros_like(more)
        tolerance = np.maximum(_PAGES, 0.005 * resident)
        if len(self._times) > 1:
            expected = (after - self._times[-1]) * self._slope()
            excess = np.where(more > 2 * expected + tolerance, more - expected, 0.0)
        else:
            self._shortest = min(self._shortest or after, after)
        known = self._known(2 * after)
        unknown = np.where(referenced > known * 1.02 + tolerance, excess, 0.0)
        # what comes now and then comes sooner after one clear than after another: no more of it than was seen before
        seen = known
        if self._before:
            # right after a clear even after news: another clear tells (`_doubt`)
            apart = (self._news_before > 0) & (self._times[-1] >= _EARLY_S)
            seen = np.where(apart, known, np.maximum(known, self._before[1][-1]))
        self._news += np.where(referenced > seen * 1.02 + tolerance, excess, 0.0)
        asks = float((unknown if after <= _KNOWN_S else excess).sum())
        if asks > max(1 << 20, 0.01 * float(resident.sum())):
            self._changed = True
        if self._times[-1] < _EARLY_S <= after:
            # so much so soon: a hot set that has grown, or something rare that came by chance; another clear tells
            more_than = np.maximum(referenced - self._known(2 * after), 0) if self._before else referenced
            self._doubt = float(more_than.sum()) > max(1 << 20, 0.01 * float(resident.sum()))
        self._times.append(after)
        self._read.append(referenced.copy())
        self._excess.append(excess)
        self._rss = resident.copy()
        if len(self._times) > _MOST_READINGS:
            self._thin()

    def remap(self, rows: NDArray[np.int64], columns: NDArray[np.int64], shares: Floats, mappings: int) -> None:
        """Mappings changed: ``shares[k]`` of the former mapping ``columns[k]`` is in mapping ``rows[k]`` now."""

        def moved(values: Floats) -> Floats:
            found = np.zeros((mappings, *values.shape[1:]))
            np.add.at(found, rows, (values[columns].T * shares).T)
            return found

        self._read = [moved(one) for one in self._read]
        self._excess = [moved(one) for one in self._excess]
        self._news, self._grown, self._lost = moved(self._news), moved(self._grown), moved(self._lost)
        self._rss = moved(self._rss)
        if self._former is not None:
            former = self._former
            self._former = Used(moved(former.bytes), moved(former.least), moved(former.most))
        if self._before is not None:
            self._before = (self._before[0], moved(self._before[1].T).T)
            self._news_before = moved(self._news_before)
        self._alike = [(times, moved(read.T).T) for times, read in self._alike]

    # -- what is known

    @property
    def age(self) -> float:
        """Seconds from the epoch's clear to its last reading."""
        return self._times[-1]

    @property
    def watched(self) -> float:
        """Seconds from the first clear to the last reading."""
        return self.epoch + self._times[-1] - self.began

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
        """Whether the pattern has changed, or the epoch is as old as it should get."""
        if self._every is not None:
            least, more, step = _UNLIKE
            # shorter ones first: something is known where it ends sooner than was said
            about = min(self._every, _FIRST_QUIET_S * _LONGER ** min(self._epochs, 32))
            return self.age >= about * (least + more * (self._epochs * step % 1.0)) * 0.999
        return self.age >= (_SOONEST_S * 0.95 if self._changed or self._doubt else self._quiet)

    def used(self, seconds: Floats) -> Used:
        """Bytes of each mapping touched in the last ``seconds`` (rising) before the last reading."""
        rows = np.flatnonzero(self._ever())
        if len(rows) == len(self._rss):
            return self._used(seconds)
        # of what was never touched there is nothing to compute, and of many mappings that is most
        whole = np.zeros((3, len(self._rss), len(seconds)))
        some = self._of(rows)._used(seconds)
        for values, of_some in zip(whole, (some.bytes, some.least, some.most), strict=True):
            values[rows] = of_some
        return Used(*whole)

    # -- ours

    def _ever(self) -> NDArray[np.bool_]:
        """Which mappings anything is known of but that they were left alone; shape ``(mappings,)``."""
        found = self._read[-1] > 0
        if self._former is not None:
            found = found | (self._former.most[:, -1] > 0)
        for _, read in self._alike:
            found = found | (read[-1] > 0)
        return found

    def _of(self, rows: NDArray[np.int64]) -> Curve:
        """The curve of some of the mappings, to be asked only."""
        some = copy.copy(self)
        some._rss, some._news, some._lost = self._rss[rows], self._news[rows], self._lost[rows]
        some._read, some._excess = [one[rows] for one in self._read], [one[rows] for one in self._excess]
        some._alike = [(times, read[:, rows]) for times, read in self._alike]
        if (former := self._former) is not None:
            some._former = Used(former.bytes[rows], former.least[rows], former.most[rows])
        return some

    def _used(self, seconds: Floats) -> Used:
        age, now = self._times[-1], self._read[-1]
        found, least, most = (np.zeros((len(now), len(seconds))) for _ in range(3))
        steady = not (self._changed or self._disturbed)
        always = self._always(seconds) if steady else np.zeros_like(found)
        inside = seconds < age * (1 - 1e-9)
        if inside.any():
            found[:, inside], grown = self._inside(seconds[inside])
            hot = np.minimum(
                always[:, inside], now[:, None] - grown
            )  # touched soon after the clear: not what grew late
            least[:, inside] = np.maximum(
                grown + np.where(seconds[inside] <= age / 2, hot, 0.0), np.minimum(always[:, inside], now[:, None])
            )
            most[:, inside] = np.minimum(self._lately(seconds[inside]) if steady else np.inf, now[:, None])
        if not inside.all():
            longer = seconds[~inside]
            base, news = now - np.minimum(self._news, now), np.minimum(self._news, now)
            ago = longer - age
            sure, can = (self._ago(ago, name) for name in ("least", "most"))
            # a time that ends about where the epoch began is told by the epoch alone
            former = self._ago(np.where(ago < _ABOUT * longer, 0.0, ago), "bytes")
            found[:, ~inside] = np.maximum(former, base[:, None]) + news[:, None]
            least[:, ~inside] = np.maximum(np.maximum(sure - self._lost[:, None], now[:, None]), always[:, ~inside])
            both = self._always(np.minimum(longer - age, age)) if steady else np.zeros_like(can)
            union = now[:, None] + can - np.minimum(both, np.minimum(can, now[:, None]))
            most[:, ~inside] = np.minimum(union, self._lately(longer)) if steady else union
        rss = self._rss[:, None]
        found = np.minimum(np.maximum.accumulate(np.maximum(found, least), axis=1), rss)
        # what bounds a longer time bounds the shorter ones, too
        most = np.minimum.accumulate(np.minimum(most, rss)[:, ::-1], axis=1)[:, ::-1]
        most = np.maximum(most, found)
        return Used(found, np.minimum(least, found), most)

    def _end_epoch(self) -> None:
        """Keep what is known at the last reading for the epochs that follow."""
        if len(self._times) == 1:
            return
        watched = self.watched
        grid = self._times_for(int(np.count_nonzero(self._ever())))
        former = self.used(np.minimum(grid, watched))  # nothing is known of longer
        self._former, self._former_age, self._grid = former, watched, grid
        times, read = np.array(self._times), np.stack(self._read)
        self._before = self._longer(times, read)
        self._news_before = self._news
        if self._changed or self._disturbed:
            self._alike = []
            return
        if len(times) > _EPOCH_READINGS:
            some = np.searchsorted(times, np.geomspace(times[1], times[-1], _EPOCH_READINGS))
            kept = np.unique((0, *np.minimum(some, len(times) - 1)))
            times, read = times[kept], read[kept]
        self._alike = [(times, read), *self._alike[: _EPOCHS - 1]]

    def _longer(self, times: Floats, read: Floats) -> tuple[Floats, Floats]:
        """Readings of an epoch, and after its end those of the one before it, of mappings in which nothing changed.

        Without them what comes every few seconds would be news after each epoch too short to have seen it.
        """
        if self._before is None:
            return times, read
        former, had = self._before
        later = former > times[-1]
        known = np.where(self._news + self._news_before > 0, 0.0, had[later])
        return np.concatenate((times, former[later])), np.concatenate((read, np.maximum(known, read[-1])))

    def _times_for(self, mappings: int) -> Floats:
        """Seconds at which an epoch's end hands its curve on: finer than is told, as far as that stays cheap."""
        finest = int(np.log(self._window / 0.1) / np.log(_FINE))
        return np.geomspace(0.1, self._window, 2 + min(finest, max(finest // 2, _MOST_VALUES // max(1, mappings))))

    def _always(self, seconds: Floats) -> Floats:
        """Bytes of each mapping that are touched within any such time (rising not needed): see *least* above."""
        found = np.zeros((len(self._rss), len(seconds)))
        epochs = [(np.array(self._times), np.stack(self._read)), *self._alike]
        for count in range(1, len(epochs) + 1):
            within = seconds * _CHANCE ** (1 / count)
            here = np.full_like(found, np.inf)
            for index, (times, read) in enumerate(epochs[:count]):
                at = np.searchsorted(times, within, side="right") - 1
                value = np.where(at > 0, read[at].T, 0.0)
                # the epoch under way has not come so far: the others tell
                here = np.minimum(here, np.where((index == 0) & (times[-1] < within), np.inf, value))
            found = np.maximum(found, np.where(np.isinf(here), 0.0, here))
        return found

    def _lately(self, seconds: Floats) -> Floats:
        """Bytes of each mapping that can have been touched within such a time: see *most* above.

        Infinite where no epoch lasted so long.
        """
        found = np.full((len(self._rss), len(seconds)), -np.inf)
        for times, read in [(np.array(self._times), np.stack(self._read)), *self._alike]:
            at = np.minimum(np.searchsorted(times, seconds / _CHANCE), len(times) - 1)
            found = np.maximum(found, np.where(times[-1] >= seconds, read[at].T, -np.inf))
        return np.where(np.isinf(found), np.inf, found)

    def _inside(self, seconds: Floats) -> tuple[Floats, Floats]:
        times, read = np.array(self._times), np.stack(self._read, axis=1)
        steady = _at(times, read, seconds)
        first = times[1]
        early = seconds < first
        if early.any():
            # between the clear and the first reading nothing was measured: what the former epoch said, or the reading
            known = self._ago(seconds[early], "bytes") if self._former is not None else read[:, 1:2]
            steady[:, early] = np.minimum(read[:, 1:2], known)
        if len(self._alike) >= 2 and not (self._changed or self._disturbed):
            # more than usual so soon after the clear: what is touched now and then came by chance just there
            values = [
                np.where(seconds <= there[-1], _at(there, done.T, seconds), np.inf) for there, done in self._alike[:2]
            ]
            steady = np.minimum(steady, np.median(np.stack([steady, *values]), axis=0))
        excess = np.stack(self._excess, axis=1)
        since = times[-1] - seconds
        length = np.diff(times, prepend=-1.0)  # the clear itself brought nothing
        # the share of the increment that fell into the last so many seconds
        part = np.clip((times[:, None] - since[None, :]) / length[:, None], 0.0, 1.0)
        part[times[:, None] <= seconds[None, :]] = 0.0  # it is in the steady part already
        found = np.minimum(steady + excess @ part, read[:, -1:])
        # what came between two readings can have come before T began: it is certain from the next reading on
        later = np.minimum(np.searchsorted(times, since - 1e-9), len(times) - 1)
        return found, read[:, -1:] - read[:, later]

    def _ago(self, seconds: Floats, name: str) -> Floats:
        """What the former epoch's end said of used within ``seconds``, ``(mappings, times)``; zeros without one."""
        if self._former is None:
            return np.zeros((len(self._rss), len(seconds)))
        values = getattr(self._former, name)
        with_zero = np.concatenate((np.zeros((len(values), 1)), values), axis=1)
        grid, seconds = np.concatenate(([0.0], self._grid)), np.minimum(seconds, self._former_age)
        if name == "least":
            return with_zero[:, np.searchsorted(grid, seconds + 1e-9, side="right") - 1]
        if name == "most":
            return with_zero[:, np.minimum(np.searchsorted(grid, seconds - 1e-9), len(grid) - 1)]
        return _at(grid, with_zero, seconds)

    def _known(self, after: float) -> Floats:
        """The most that the former epoch had read so long after its clear, or at its first reading."""
        if self._before is None:
            return np.zeros(len(self._rss))
        times, read = self._before
        return np.asarray(read[max(1, int(np.searchsorted(times, after, side="right")) - 1)])

    def _slope(self) -> Floats:
        """Bytes a second that the curve has grown by lately, of each mapping."""
        times, last = self._times, self._read[-1]
        latest = (last - self._read[-2]) / (times[-1] - times[-2])
        half = max(0, int(np.searchsorted(times, times[-1] / 2, side="right")) - 1)
        if half >= len(times) - 1:
            return np.maximum(latest, 0)
        return np.maximum(np.minimum(latest, (last - self._read[half]) / (times[-1] - times[half])), 0)

    def _take_freed(self, referenced: Floats, resident: Floats, lost: Floats) -> None:
        """Memory that is no longer resident was used within no time."""
        self._grown += np.maximum(resident - self._rss, 0)
        self._lost += lost
        gone = np.maximum(self._read[-1] - referenced, 0)
        if gone.any():
            # more than was freed can go, too, where somebody else clears the bits of a shared file
            self._read = [np.minimum(one, referenced) for one in self._read]
            self._alike = [(times, np.minimum(read, resident)) for times, read in self._alike]
            # what came and went within the epoch was none of the former's
            own = np.minimum(np.minimum(gone, lost), self._grown)
            self._grown -= own
            self._news = np.maximum(self._news - own, 0)
            gone = np.minimum(gone, lost) - own
        former = self._former
        if former is not None and lost.any():
            top = resident[:, None]
            self._former = Used(
                np.clip(former.bytes - gone[:, None], 0, top),
                np.clip(former.least - lost[:, None], 0, top),
                np.minimum(former.most, top),
            )

    def _thin(self) -> None:
        """Forget the reading that is missed least: both the clear's time and the latest have fine ones near them."""
        times = np.array(self._times)
        near = np.minimum(times[2:], times[-1] - times[:-2])
        at = 1 + int(np.argmin(((times[2:] - times[:-2]) / near)[:-1]))
        self._excess[at + 1] = self._excess[at + 1] + self._excess[at]
        del self._times[at], self._read[at], self._excess[at]


def _at(times: Floats, values: Floats, wanted: Floats) -> Floats:
    """``values`` of shape ``(n, times)`` at the ``wanted`` times, linear between two, flat outside."""
    right = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    left = right - 1
    share = np.clip((wanted - times[left]) / (times[right] - times[left]), 0.0, 1.0)
    found: Floats = values[:, left] + (values[:, right] - values[:, left]) * share
    return found
