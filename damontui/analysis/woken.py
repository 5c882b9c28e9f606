"""What wakes how long after the accessed bits were cleared, and the working set that follows; and how sure both are.

A clear is a look at a random moment. What is first touched ``a`` seconds after it had been idle for ``a`` at least, so
the bytes a second that are first touched then, ``r(a)``, are what comes back a second at the threshold ``a``. What is
touched within T of a clear is the integral of ``r`` up to T, on average the working set of any T (Denning, "The Working
Set Model for Program Behavior", CACM 1968: the rate at which memory is missed is the slope of the working set).

Of any pattern that stays the same ``r`` never rises: what waits for longer than ``a`` between two touches waits for
longer than anything less than ``a``, too. The counts do not know that. What is touched together once in 35 s is first
touched once after each clear, at one age or another, and where bits are cleared since it was touched always at about
the same; counted near one age only, nothing would come back at 10 s. So ``r`` is the falling curve that is nearest to
the counts: the least squares, each age weighted by how long it was looked at, of all that never rise (Grenander, "On
the theory of mortality measurement II", 1956, for a density; here by pooling neighbours that rise).

The intervals are the jackknife's over parts of the time. They reach as far as what may not have been met by chance:
what is touched together once in P seconds is first touched before ``a`` in all of ``k`` epochs with a chance of
``(a / P)**k``, so that with nine chances of ten what comes back at ``T`` is no more than what did at
``T * 0.1**(1 / k)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from damontui.analysis.parts import Parts
from damontui.analysis.usage import NEAR, Amount
from damontui.damon.snapshot import FirstTouches

Floats = NDArray[np.float64]

EDGES: Floats = np.concatenate(([0.0], np.geomspace(0.05, 3600.0, 160)))
"""Seconds after a clear that part the time after it; sums are kept for each part."""
_ABOUT = 2.0
"""A threshold is told of only if memory was looked at after a time at most so many times shorter or longer."""
_CHANCE = 0.1
"""Chance that memory which is touched together, and seldom, was met too soon after every clear."""
_PARTS = 8
_LEAST_PARTS = 4
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class _AfterClear:
    """Sums by time after the clear, shape ``(times,)``."""

    touched: Floats
    back: Floats
    """How many of the bytes touched were in memory before."""
    seconds: Floats
    """Seconds in which both were looked for."""
    looked: Floats
    """The same seconds, but all of a reading's counted at the time of the reading before it."""

    def __add__(self, other: _AfterClear) -> _AfterClear:
        return _AfterClear(*(getattr(self, name) + getattr(other, name) for name in _AfterClear.__slots__))

    def __sub__(self, other: _AfterClear) -> _AfterClear:
        return _AfterClear(*(getattr(self, name) - getattr(other, name) for name in _AfterClear.__slots__))


class Woken:
    """Takes what was first touched (`Measured.first_touches`), oldest first."""

    def __init__(self) -> None:
        self._parts: Parts[_AfterClear] = Parts(_PARTS)

    def add(self, first: FirstTouches, processes: int) -> None:
        """Take in a snapshot's first touches; the rates of its ``processes`` add up."""
        low, long = first.since[:, None], first.seconds[:, None]
        over = np.clip(np.minimum(low + long, EDGES[1:]) - np.maximum(low, EDGES[:-1]), 0.0, None)
        share = over / np.maximum(long, 1e-9)
        place = np.clip(np.searchsorted(EDGES, first.since, side="right") - 1, 0, len(EDGES) - 2)
        looked = np.bincount(place, first.seconds, len(EDGES) - 1).astype(np.float64)
        count = max(1, processes)
        self._parts.add(
            _AfterClear(first.touched @ share, first.back @ share, over.sum(axis=0) / count, looked / count)
        )

    @property
    def reach(self) -> float:
        """Seconds after a clear up to which it is known what wakes; 0 where nothing is."""
        if not self._parts.sums:
            return 0.0
        known = self._whole().seconds > 0
        return float(EDGES[len(known) if known.all() else int(np.argmin(known))])

    def size(self, seconds: float) -> Amount | None:
        """Bytes touched within ``seconds``, on average; None where that is longer than `reach`."""
        return self._told(seconds, lambda part: _within(part, seconds))

    def back(self, seconds: float) -> Amount | None:
        """Bytes a minute that are touched after having been idle for about ``seconds``; None beyond `reach`, and where
        memory was never looked at about so long after a clear."""
        if not self._parts.sums or not self._whole().looked[_near(seconds)].any():
            return None
        found = self._told(seconds, lambda part: 60 * _rate_at(part, seconds))
        if found is None:
            return None
        whole, place = self._whole(), _place(seconds)
        epochs = max(1.0, float(whole.seconds[place] / (EDGES[place + 1] - EDGES[place])))
        sooner = 60 * _rate_at(whole, max(seconds * _CHANCE ** (1 / epochs), float(EDGES[1])))
        return Amount(found.least, found.bytes, max(found.most, sooner))

    def _told(self, seconds: float, of: Callable[[_AfterClear], float]) -> Amount | None:
        reach = self.reach
        if not reach or seconds > reach * NEAR:
            return None
        whole = self._whole()
        found = of(whole)
        parts = [part for part in self._parts.sums if part.seconds.any()]
        if len(parts) < _LEAST_PARTS:
            return Amount(found, found, found)
        # where a part alone knew something, the others say nothing of it, and all of them is taken
        others = [of(_filled(whole - part, whole)) for part in parts]
        spread = sum((other - sum(others) / len(others)) ** 2 for other in others)
        half = _Z * sqrt((len(parts) - 1) / len(parts) * spread)
        return Amount(max(0.0, found - half), found, found + half)

    def _whole(self) -> _AfterClear:
        return sum(self._parts.sums[1:], self._parts.sums[0])


def _filled(part: _AfterClear, whole: _AfterClear) -> _AfterClear:
    seen = part.seconds > 1e-9
    return _AfterClear(
        np.where(seen, part.touched, whole.touched),
        np.where(seen, part.back, whole.back),
        np.where(seen, part.seconds, whole.seconds),
        whole.looked,
    )


def _within(part: _AfterClear, seconds: float) -> float:
    wide = np.clip(np.minimum(EDGES[1:], seconds) - EDGES[:-1], 0.0, None)
    return float(_falling(part.touched, part.seconds) @ wide)


def _place(seconds: float) -> int:
    return min(max(0, int(np.searchsorted(EDGES, seconds * (1 + 1e-9))) - 1), len(EDGES) - 2)


def _rate_at(part: _AfterClear, seconds: float) -> float:
    return float(_falling(part.back, part.seconds)[_place(seconds)])


def _near(seconds: float) -> NDArray[np.bool_]:
    middle = np.sqrt(np.maximum(EDGES[:-1], 1e-3) * EDGES[1:])
    near: NDArray[np.bool_] = (middle >= seconds / _ABOUT) & (middle <= seconds * _ABOUT)
    return near


def _falling(amount: Floats, seconds: Floats) -> Floats:
    """Rates, none above the one before, nearest to ``amount / seconds``; shape ``(times,)``.

    Neighbours of which the later has the higher rate become one, with the rate of both together.
    """
    blocks: list[tuple[float, float, int]] = []
    for one, long in zip(amount.tolist(), seconds.tolist(), strict=True):
        block = (one, long, 1)
        while blocks and block[0] * blocks[-1][1] >= blocks[-1][0] * block[1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    rates = [one / long if long > 0 else 0.0 for one, long, _ in blocks]
    return np.repeat(rates, [count for _, _, count in blocks])
