"""The epoch under way of one process, and what the epochs before it said (`damontui.operations.curve`)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_MOST_READINGS = 240
_EPOCHS = 6
_EPOCH_READINGS = 32


@dataclass(frozen=True, slots=True)
class Used:
    """Bytes of each mapping touched within some times: arrays of shape ``(mappings, times)``."""

    bytes: Floats
    least: Floats
    most: Floats

    def each(self, change: Callable[[Floats], Floats]) -> Used:
        """The same with all three changed alike."""
        return Used(change(self.bytes), change(self.least), change(self.most))


class Epoch:
    """One clear of the accessed bits and the readings after it.

    Args:
        began: when the clear was done, seconds.
        mappings: how many there are.
    """

    def __init__(self, began: float, mappings: int) -> None:
        self.began = began
        self.times = [0.0]
        """Seconds from the clear to each reading; the first is the clear itself."""
        self.read = [np.zeros(mappings)]
        """Bytes of each mapping touched since the clear, at each of `times`."""
        self.excess = [np.zeros(mappings)]
        """Of what came since the reading before, bytes that the curve's bend does not explain."""
        self.news = np.zeros(mappings)
        """Bytes that woke, or were not touched before; shape ``(mappings,)``, as all below."""
        self.grown = np.zeros(mappings)
        """Bytes that became resident."""
        self.lost = np.zeros(mappings)
        """Bytes that are resident no more."""
        self.changed = False
        """Whether there was so much news that the pattern has changed."""
        self.doubt = False
        """Whether so much was touched so soon that another clear has to tell what it is."""
        self.disturbed = False
        """Whether it began with a clear by somebody else."""

    @property
    def age(self) -> float:
        """Seconds from the clear to the last reading."""
        return self.times[-1]

    @property
    def steady(self) -> bool:
        """Whether the pattern is what it was in the epochs before, as far as can be told."""
        return not (self.changed or self.disturbed)

    def of(self, rows: NDArray[np.int64]) -> Epoch:
        """The same of some of the mappings, to be asked only."""
        some = copy.copy(self)
        some.each(lambda values: values[rows])
        return some

    def each(self, change: Callable[[Floats], Floats]) -> None:
        """Change what is known of the mappings, all of it alike."""
        self.read, self.excess = [change(one) for one in self.read], [change(one) for one in self.excess]
        self.news, self.grown, self.lost = change(self.news), change(self.grown), change(self.lost)

    def add(self, after: float, referenced: Floats, excess: Floats) -> None:
        """Another reading, so many seconds after the clear."""
        self.times.append(after)
        self.read.append(referenced.copy())
        self.excess.append(excess)
        if len(self.times) > _MOST_READINGS:
            self._thin()

    def slope(self) -> Floats:
        """Bytes a second that the curve has grown by lately, of each mapping."""
        times, last = self.times, self.read[-1]
        latest = (last - self.read[-2]) / (times[-1] - times[-2])
        half = max(0, int(np.searchsorted(times, times[-1] / 2, side="right")) - 1)
        if half >= len(times) - 1:
            return np.maximum(latest, 0)
        return np.maximum(np.minimum(latest, (last - self.read[half]) / (times[-1] - times[half])), 0)

    def take_freed(self, gone: Floats, lost: Floats, referenced: Floats) -> Floats:
        """Take touched memory that is resident no more out of all readings; how much of it was there before the clear.

        It is not told as used within any time. All of shape ``(mappings,)``.

        Args:
            gone: what was read as touched since the clear, and is no more.
            lost: resident bytes that went since the last reading.
            referenced: touched since the clear, as it is read now.
        """
        # more than was freed can go, too, where somebody else clears the bits of a shared file
        self.read = [np.minimum(one, referenced) for one in self.read]
        # what came and went within the epoch was none of the former's
        own = np.minimum(np.minimum(gone, lost), self.grown)
        self.grown -= own
        self.news = np.maximum(self.news - own, 0)
        found: Floats = np.minimum(gone, lost) - own
        return found

    def _thin(self) -> None:
        """Forget the reading that is missed least: both the clear's time and the latest have fine ones near them."""
        times = np.array(self.times)
        near = np.minimum(times[2:], times[-1] - times[:-2])
        at = 1 + int(np.argmin(((times[2:] - times[:-2]) / near)[:-1]))
        self.excess[at + 1] = self.excess[at + 1] + self.excess[at]
        del self.times[at], self.read[at], self.excess[at]


class Former:
    """What the epochs before the one under way said of the same mappings."""

    def __init__(self) -> None:
        self.used: Used | None = None
        """What was used, at the last one's end, within each of some times before it; None: there was none."""
        self.alike: list[tuple[Floats, Floats]] = []
        """Times and readings, of shape ``(times, mappings)``, of those since the pattern changed, the latest first."""
        self.before: tuple[Floats, Floats] | None = None
        """The same of the last one, whatever changed in it, and after its end of the ones before it."""
        self.news = np.zeros(0)
        """How much changed in the last one, shape ``(mappings,)`` where there was one."""
        self._seconds = np.zeros(0)
        self._age = 0.0

    def end(self, epoch: Epoch, used: Used, seconds: Floats, watched: float) -> None:
        """An epoch has ended.

        Args:
            epoch: the epoch.
            used: within each of ``seconds`` before its end, as far as it was ``watched``.
            seconds: rising.
            watched: seconds since the first clear.
        """
        self.used, self._seconds, self._age = used, seconds, watched
        times, read = np.array(epoch.times), np.stack(epoch.read)
        self.before = self._longer(epoch, times, read)
        self.news = epoch.news
        if not epoch.steady:
            self.alike = []
            return
        if len(times) > _EPOCH_READINGS:
            some = np.searchsorted(times, np.geomspace(times[1], times[-1], _EPOCH_READINGS))
            kept = np.unique((0, *np.minimum(some, len(times) - 1)))
            times, read = times[kept], read[kept]
        self.alike = [(times, read), *self.alike[: _EPOCHS - 1]]

    def _longer(self, epoch: Epoch, times: Floats, read: Floats) -> tuple[Floats, Floats]:
        """Readings of an epoch, and after its end those of the one before it, of mappings in which nothing changed.

        Without them what comes every few seconds would be news after each epoch too short to have seen it.
        """
        if self.before is None:
            return times, read
        former, had = self.before
        later = former > times[-1]
        known = np.where(epoch.news + self.news > 0, 0.0, had[later])
        return np.concatenate((times, former[later])), np.concatenate((read, np.maximum(known, read[-1])))

    def of(self, rows: NDArray[np.int64]) -> Former:
        """The same of some of the mappings, to be asked only (`ago`, `alike`)."""
        some = copy.copy(self)
        some.alike = [(times, read[:, rows]) for times, read in self.alike]
        some.used = None if self.used is None else self.used.each(lambda values: values[rows])
        return some

    def each(self, change: Callable[[Floats], Floats]) -> None:
        """Change what is known of the mappings, all of it alike."""
        self.alike = [(times, change(read.T).T) for times, read in self.alike]
        if self.used is not None:
            self.used = self.used.each(change)
        if self.before is not None:
            self.before = (self.before[0], change(self.before[1].T).T)
            self.news = change(self.news)

    def take_freed(self, gone: Floats, lost: Floats, resident: Floats) -> None:
        """What was ``lost`` since the last reading, and what of it was touched before the clear; ``(mappings,)``."""
        if self.used is not None and lost.any():
            top = resident[:, None]
            self.used = Used(
                np.clip(self.used.bytes - gone[:, None], 0, top),
                np.clip(self.used.least - lost[:, None], 0, top),
                np.minimum(self.used.most, top),
            )

    def limit(self, resident: Floats) -> None:
        """No more than is resident now is touched again as it was."""
        self.alike = [(times, np.minimum(read, resident)) for times, read in self.alike]

    def ever(self) -> list[Bools]:
        """Which mappings anything is known of but that they were left alone: any of these; shape ``(mappings,)``."""
        found = [read[-1] > 0 for _, read in self.alike]
        return found if self.used is None else [*found, self.used.most[:, -1] > 0]

    def ago(self, seconds: Floats, name: str, mappings: int) -> Floats:
        """What the last one's end said of used within ``seconds``, ``(mappings, times)``; zeros without one."""
        if self.used is None:
            return np.zeros((mappings, len(seconds)))
        values = getattr(self.used, name)
        with_zero = np.concatenate((np.zeros((len(values), 1)), values), axis=1)
        grid, seconds = np.concatenate(([0.0], self._seconds)), np.minimum(seconds, self._age)
        if name == "least":
            return with_zero[:, np.searchsorted(grid, seconds + 1e-9, side="right") - 1]
        if name == "most":
            return with_zero[:, np.minimum(np.searchsorted(grid, seconds - 1e-9), len(grid) - 1)]
        return at_times(grid, with_zero, seconds)

    def known(self, after: float, mappings: int) -> Floats:
        """The most that the last one had read so long after its clear, or at its first reading."""
        if self.before is None:
            return np.zeros(mappings)
        times, read = self.before
        return np.asarray(read[max(1, int(np.searchsorted(times, after, side="right")) - 1)])


def at_times(times: Floats, values: Floats, wanted: Floats) -> Floats:
    """``values`` of shape ``(n, times)`` at the ``wanted`` times, linear between two, flat outside."""
    right = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    left = right - 1
    share = np.clip((wanted - times[left]) / (times[right] - times[left]), 0.0, 1.0)
    found: Floats = values[:, left] + (values[:, right] - values[:, left]) * share
    return found
