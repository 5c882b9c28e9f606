"""How many bytes of each mapping were touched within each time: what epochs of clears and readings tell.

Used within T is, for T shorter than the epoch, ``R(T)`` (or, where that is less, the median of the last three
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
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from damontui.operations.epochs import Epoch, Former, Used, at_times

Floats = NDArray[np.float64]

_ABOUT = 0.02
"""Share of a time that may lie before the epoch under way, for it to be told by that epoch alone."""
_CHANCE = 0.1
"""That the interval is wrong about bytes that are touched together."""

_Readings = Sequence[tuple[Floats, Floats]]
"""Times and readings of epochs in which the pattern was the same, the one under way first."""


def used_within(epoch: Epoch, former: Former, resident: Floats, seconds: Floats) -> Used:
    """Bytes of each mapping touched in the last ``seconds`` before the last reading.

    Args:
        epoch: the one under way.
        former: those before it.
        resident: bytes of each mapping, shape ``(mappings,)``.
        seconds: rising, shape ``(times,)``.
    """
    age, now = epoch.age, epoch.read[-1]
    found, least, most = (np.zeros((len(now), len(seconds))) for _ in range(3))
    alike = [(np.array(epoch.times), np.stack(epoch.read)), *former.alike]
    always = _always(alike, seconds) if epoch.steady else np.zeros_like(found)
    inside = seconds < age * (1 - 1e-9)
    if inside.any():
        found[:, inside], grown = _inside(epoch, former, seconds[inside])
        # touched soon after the clear: not what grew late
        hot = np.minimum(always[:, inside], now[:, None] - grown)
        least[:, inside] = np.maximum(
            grown + np.where(seconds[inside] <= age / 2, hot, 0.0), np.minimum(always[:, inside], now[:, None])
        )
        most[:, inside] = np.minimum(_lately(alike, seconds[inside]) if epoch.steady else np.inf, now[:, None])
    if not inside.all():
        longer = seconds[~inside]
        base, news = now - np.minimum(epoch.news, now), np.minimum(epoch.news, now)
        ago = longer - age
        sure, can = (former.ago(ago, name, len(now)) for name in ("least", "most"))
        # a time that ends about where the epoch began is told by the epoch alone
        before = former.ago(np.where(ago < _ABOUT * longer, 0.0, ago), "bytes", len(now))
        found[:, ~inside] = np.maximum(before, base[:, None]) + news[:, None]
        least[:, ~inside] = np.maximum(np.maximum(sure - epoch.lost[:, None], now[:, None]), always[:, ~inside])
        both = _always(alike, np.minimum(longer - age, age)) if epoch.steady else np.zeros_like(can)
        union = now[:, None] + can - np.minimum(both, np.minimum(can, now[:, None]))
        most[:, ~inside] = np.minimum(union, _lately(alike, longer)) if epoch.steady else union
    top = resident[:, None]
    found = np.minimum(np.maximum.accumulate(np.maximum(found, least), axis=1), top)
    # what bounds a longer time bounds the shorter ones, too
    most = np.minimum.accumulate(np.minimum(most, top)[:, ::-1], axis=1)[:, ::-1]
    most = np.maximum(most, found)
    return Used(found, np.minimum(least, found), most)


def _always(epochs: _Readings, seconds: Floats) -> Floats:
    """Bytes of each mapping that are touched within any such time (rising not needed): see *least* above."""
    found = np.zeros((epochs[0][1].shape[1], len(seconds)))
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


def _lately(epochs: _Readings, seconds: Floats) -> Floats:
    """Bytes of each mapping that can have been touched within such a time: see *most* above.

    Infinite where no epoch lasted so long.
    """
    found = np.full((epochs[0][1].shape[1], len(seconds)), -np.inf)
    for times, read in epochs:
        at = np.minimum(np.searchsorted(times, seconds / _CHANCE), len(times) - 1)
        found = np.maximum(found, np.where(times[-1] >= seconds, read[at].T, -np.inf))
    return np.where(np.isinf(found), np.inf, found)


def _inside(epoch: Epoch, former: Former, seconds: Floats) -> tuple[Floats, Floats]:
    """What was used within times shorter than the epoch, and what of it came within them for certain."""
    times, read = np.array(epoch.times), np.stack(epoch.read, axis=1)
    steady = at_times(times, read, seconds)
    first = times[1]
    early = seconds < first
    if early.any():
        # between the clear and the first reading nothing was measured: what the former epoch said, or the reading
        known = read[:, 1:2] if former.used is None else former.ago(seconds[early], "bytes", len(read))
        steady[:, early] = np.minimum(read[:, 1:2], known)
    if len(former.alike) >= 2 and epoch.steady:
        # more than usual so soon after the clear: what is touched now and then came by chance just there
        values = [
            np.where(seconds <= there[-1], at_times(there, done.T, seconds), np.inf) for there, done in former.alike[:2]
        ]
        steady = np.minimum(steady, np.median(np.stack([steady, *values]), axis=0))
    excess = np.stack(epoch.excess, axis=1)
    since = times[-1] - seconds
    length = np.diff(times, prepend=-1.0)  # the clear itself brought nothing
    # the share of the increment that fell into the last so many seconds
    part = np.clip((times[:, None] - since[None, :]) / length[:, None], 0.0, 1.0)
    part[times[:, None] <= seconds[None, :]] = 0.0  # it is in the steady part already
    found = np.minimum(steady + excess @ part, read[:, -1:])
    # what came between two readings can have come before T began: it is certain from the next reading on
    later = np.minimum(np.searchsorted(times, since - 1e-9), len(times) - 1)
    return found, read[:, -1:] - read[:, later]
