"""What wakes how long after the accessed bits were cleared, and the working set that follows; and how sure both are.

A clear is a look at a random moment. What is first touched ``a`` seconds after it had been idle for ``a`` at least, so
the bytes a second that are first touched then, ``r(a)``, are what comes back a second at the threshold ``a``. What is
touched within T of a clear is the integral of ``r`` up to T, on average the working set of any T (Denning, "The Working
Set Model for Program Behavior", CACM 1968: the rate at which memory is missed is the slope of the working set).

Both are counts and not estimates, whatever the pattern is; a load that repeats in step with the clears looks better or
worse than it is. The intervals are the jackknife's over parts of the time.
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

EDGES: Floats = np.concatenate(([0.0], np.geomspace(0.05, 3600.0, 80)))
"""Seconds after a clear: what is known is kept by the times between them."""
_ABOUT = (1.2, 1.5, 2.0)
"""What woke after so many times less or more than a threshold is taken for it: the least with which there is some."""
_PARTS = 8
_LEAST_PARTS = 4
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class _Part:
    """Sums by time after the clear, shape ``(times,)``."""

    touched: Floats
    seconds: Floats
    """Seconds in which that was looked for."""
    back: Floats
    """Bytes that came back, by how long they had been idle at least."""
    looked: Floats
    """Seconds in which that was looked for."""

    def __add__(self, other: _Part) -> _Part:
        return _Part(*(getattr(self, name) + getattr(other, name) for name in _Part.__slots__))

    def __sub__(self, other: _Part) -> _Part:
        return _Part(*(getattr(self, name) - getattr(other, name) for name in _Part.__slots__))


class Woken:
    """Takes what was first touched (`Measured.first_touches`), oldest first."""

    def __init__(self) -> None:
        self._parts: Parts[_Part] = Parts(_PARTS)

    def add(self, first: FirstTouches, processes: int) -> None:
        """Take in a snapshot's; of several processes the rates add up."""
        low, long = first.since[:, None], first.seconds[:, None]
        over = np.clip(np.minimum(low + long, EDGES[1:]) - np.maximum(low, EDGES[:-1]), 0.0, None)
        share = over / np.maximum(long, 1e-9)
        # when in the time before a reading something woke is not known: it had been idle for what came before it
        place = np.clip(np.searchsorted(EDGES, first.since, side="right") - 1, 0, len(EDGES) - 2)
        bins = len(EDGES) - 1
        back, looked = (np.bincount(place, one, bins).astype(np.float64) for one in (first.back, first.seconds))
        count = max(1, processes)
        self._parts.add(_Part(first.touched @ share, over.sum(axis=0) / count, back, looked / count))

    @property
    def reach(self) -> float:
        """Seconds after a clear up to which it is known what wakes; 0 where nothing is."""
        if not self._parts.sums:
            return 0.0
        known = self._whole().seconds > 0
        return float(EDGES[len(known) if known.all() else int(np.argmin(known))])

    def size(self, seconds: float) -> Amount | None:
        """Bytes that are touched within a time, on average; None beyond what is known."""
        return self._told(seconds, lambda part: _within(part, seconds))

    def back(self, seconds: float) -> Amount | None:
        """Bytes a minute that wake after having been idle for about a time; None beyond what is known, and where it was
        never looked for after about that time."""
        if not self._parts.sums or _about(self._whole(), seconds) is None:
            return None
        return self._told(seconds, lambda part: 60 * (_about(part, seconds) or 0.0))

    def _told(self, seconds: float, of: Callable[[_Part], float]) -> Amount | None:
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

    def _whole(self) -> _Part:
        return sum(self._parts.sums[1:], self._parts.sums[0])


def _filled(part: _Part, whole: _Part) -> _Part:
    seen, looked = part.seconds > 1e-9, part.looked > 1e-9
    return _Part(
        np.where(seen, part.touched, whole.touched),
        np.where(seen, part.seconds, whole.seconds),
        np.where(looked, part.back, whole.back),
        np.where(looked, part.looked, whole.looked),
    )


def _within(part: _Part, seconds: float) -> float:
    wide = np.clip(np.minimum(EDGES[1:], seconds) - EDGES[:-1], 0.0, None)
    rates = np.divide(part.touched, part.seconds, out=np.zeros(len(part.seconds)), where=part.seconds > 0)
    return float(rates @ wide)


def _about(part: _Part, seconds: float) -> float | None:
    middle = np.sqrt(np.maximum(EDGES[:-1], 1e-3) * EDGES[1:])
    for about in _ABOUT:
        near = (middle >= seconds / about) & (middle <= seconds * about)
        looked = float(part.looked[near].sum())
        if looked > 0:
            return float(part.back[near].sum()) / looked
    return None
