"""How small could it be: a size for each threshold, against how much memory a minute would have to be read back.

For a threshold T: memory idle for at least T could be taken away (swapped out, or dropped where it is page cache), and
what is touched again after having been idle for so long would have to be read back. Both follow from the past that was
watched. Nothing is taken away, so what is counted is what *would* have come back.

Where memory is sampled, the estimate tells for each piece of memory how long ago it was touched
(`damontui.analysis.estimator`). A piece came back between two moments where it had been idle for T at the first and was
touched before the second. Moments are looked at when later snapshots have had their say, so that memory which only
looked touched for a moment is not counted.

Where bytes are counted (`Measured`), so is what wakes how long after a clear of the accessed bits, and both follow from
that (`damontui.analysis.woken`). For a T longer than bits are left alone, and in older records, the curve has to do:
``U(s)`` bytes were touched within the last ``s`` seconds, so that what was touched between two moments ``d`` seconds
apart and not in the T before is ``U(T + d)`` of the second moment less ``U(T)`` of the first, less what memory was new.
That is rough, since of such times the curve is an estimate.

The size of a threshold is what was not idle for it, and the mean of that over the time watched, not the last moment's:
memory that is held to a size gives up what was touched longest ago, and reads back as much as at the threshold whose
mean size that is (Denning, "The Working Set Model for Program Behavior", CACM 1968). A moment's size depends on whether
something seldom was touched just before it. Where the last quarter of the time needed more, it is the last quarter's.

Of a control group (`Snapshot.group`) what is charged to it and is no memory seen here (the kernel's own, and page cache
that no process maps) is in every size, since nobody knows when it was touched. What is seen can be more than what is
charged, since its processes map files that another group was charged for: of what they map of files only as much is
taken as ``memory.stat`` has for the group, each mapping's in proportion. What comes back has all of it: of single pages
nobody knows to whom they are charged.

The line. A large fleet has lived with at most 0.2 % of the working set read back a minute (Lagar-Cavilla et al.,
"Software-Defined Far Memory in Warehouse-Scale Computers", ASPLOS 2019). The answer is the shortest threshold that
keeps it, or the shortest whose interval does not rule that out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import usage
from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import PIECES, Estimator
from damontui.analysis.frames import Untold, untold
from damontui.analysis.parts import Parts
from damontui.analysis.savings import THRESHOLDS
from damontui.analysis.usage import Amount
from damontui.analysis.woken import Woken
from damontui.damon.snapshot import Snapshot, ints

Floats = NDArray[np.float64]

LINE = 0.002
"""Share of the working set that may be read back a minute."""
_BLOCKS = 32
"""Parts of the time watched, whose differences make the interval; up to twice as many while watching goes on."""
_LEAST_BLOCKS = 4
_Z = 1.959964
"""Normal quantile of a two-sided 95 % interval."""
_MOST_PAST = 4_096
_LATE = 0.25
"""The last part of the time watched; its size is taken where it is larger than that of the whole time."""
_DOUBT = 10.0
"""How many times the line may be exceeded: by what is found, where the interval's lower end keeps the line, and by the
interval's upper end, where what is found keeps it. Beyond that the interval says nothing, and is no answer."""
_ENOUGH = 2.0
"""How many times a threshold memory must have been watched before the threshold is judged."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a threshold means. Bytes."""

    seconds: float
    """The threshold."""
    idle: Amount
    """Bytes idle for at least so long now: what could be taken away."""
    size: Amount
    """Bytes that would be left, the mean over time."""
    back: Amount
    """Bytes a minute that would be read back, with the interval that follows from how much the parts of the time
    differ; the same number three times where there were too few parts."""
    over_s: float
    """Seconds over which that was counted: the time watched but for the first ``seconds``."""
    working_set: float
    """Bytes touched within the threshold."""

    @property
    def judged(self) -> bool:
        """Whether it was watched for long enough."""
        return self.over_s >= (_ENOUGH - 1) * self.seconds * 0.98

    @property
    def keeps_the_line(self) -> bool:
        """Whether it was watched for long enough, and what would be read back keeps the line, without much doubt."""
        line = LINE * self.working_set
        return self.judged and self.back.bytes <= line and self.back.most <= _DOUBT * line

    @property
    def may_keep_the_line(self) -> bool:
        """Whether the interval of what would be read back holds less than the line, and its middle is not far above."""
        line = LINE * self.working_set
        return self.judged and self.back.least <= line and self.back.bytes <= _DOUBT * line


@dataclass(frozen=True, slots=True)
class Size:
    """How small a target could be."""

    rows: tuple[Choice, ...]
    """By threshold, rising; none is longer than memory was watched."""
    held: float
    """Bytes that the target holds now."""
    watched_s: float
    untold: Untold | None = None
    """What idle memory includes that is not idle memory, so that sizes are too small by it; None where nothing."""

    @property
    def answer(self) -> Choice | None:
        """The row with the shortest threshold that keeps the line, else that may keep it; None where none does yet.

        Where memory is sampled, a little of what lies beside memory in use seems to come back now and then, which the
        interval allows for and the line, being so low, does not.
        """
        rows = [row for row in self.rows if row.keeps_the_line] or [row for row in self.rows if row.may_keep_the_line]
        return rows[0] if rows else None


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    """What was counted at a moment, all mappings as one region."""

    time: float
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class _Held:
    """What is held at a moment. Bytes."""

    bytes: Amount
    unseen: float
    """Bytes among them whose last touch nobody can know, so that they are in every size."""
    watched_s: float
    idle: list[Amount | None]
    """Idle for at least each threshold; None where memory was not watched for so long."""

    def without(self, idle: Amount) -> Amount:
        """What is left when ``idle`` is taken away."""
        held = self.bytes
        return Amount(held.least - idle.most, held.bytes - idle.bytes, held.most - idle.least)


def _charged(snapshot: Snapshot) -> Snapshot:
    """Counted memory without what is not charged to the control group, where that is known."""
    group, measured = snapshot.group, snapshot.measured
    if measured is None or group is None or group.mapped_file is None:
        return snapshot
    files = measured.kinds[:, 1:].sum(axis=1)
    others = 1.0 - min(1.0, group.mapped_file / max(1, int(files.sum())))
    if not others:
        return snapshot
    share = 1.0 - others * np.minimum(1.0, files / np.maximum(snapshot.memory, 1))
    used = (measured.used * share[:, None]).astype(np.int64)
    less = (measured.used - used).sum(axis=0)
    kinds = (measured.kinds * (1.0, 1.0 - others, 1.0 - others)).astype(np.int64)
    least, most = np.maximum(measured.least - less, 0), np.maximum(measured.most - less, 0)
    return replace(
        snapshot,
        resident=(snapshot.memory * share).astype(np.int64),
        measured=replace(measured, used=used, least=least, most=most, kinds=kinds),
    )


def _with_group(held: _Held, snapshot: Snapshot, seen: float) -> _Held:
    """``held`` with the memory that is charged to a control group and cannot be seen."""
    group = snapshot.group
    if group is None:
        return held
    # by its processes nothing is seen that they do not map; by page frames it is
    unmapped = float(group.unmapped or 0) if snapshot.measured is not None or snapshot.resident is not None else 0.0
    more = max(0.0, float(group.current or 0) - seen, unmapped)
    if not more:
        return held
    least, found, most = (one + more for one in (held.bytes.least, held.bytes.bytes, held.bytes.most))
    return replace(held, bytes=Amount(least, found, most), unseen=held.unseen + more)


@dataclass(slots=True)
class _TimePart:
    """A part of the time watched; arrays have a place for each threshold."""

    came: Floats
    """Bytes that came back: least, found, most; shape ``(3, thresholds)``."""
    counted: Floats
    """Seconds in which that was counted."""
    size: Floats
    """Bytes that were not idle, times seconds: least, found, most; shape ``(3, thresholds)``."""
    sized: Floats
    """Seconds in which ``size`` was summed."""

    def __add__(self, other: _TimePart) -> _TimePart:
        return _TimePart(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


class Sizer:
    """Takes snapshots of one target, oldest first.

    Args:
        seconds: the thresholds, rising.
        pieces: most pieces of the estimate's map.
    """

    def __init__(self, seconds: Sequence[float] = THRESHOLDS, *, pieces: int = PIECES) -> None:
        self._seconds = np.array(seconds, np.float64)
        self._estimator = Estimator(pieces)
        self._moment: Estimate | None = None
        self._last: Snapshot | None = None
        self._shared: tuple[Snapshot, Snapshot] | None = None
        """The last snapshot as it was seen, and the part of it that is charged to its group."""
        self._parts: Parts[_TimePart] = Parts(_BLOCKS)
        self._past: list[_Past] = []
        self._woken = Woken()

    def add(self, snapshot: Snapshot) -> None:
        """Take in the next snapshot."""
        if not len(snapshot):
            return
        seen, snapshot = snapshot, _charged(snapshot)
        self._shared = seen, snapshot
        before, self._last = self._last, snapshot
        if snapshot.measured is not None:
            if snapshot.measured.first_touches is not None:
                self._woken.add(snapshot.measured.first_touches, len(snapshot.targets))
            if before is not None and before.measured is not None and before.time < snapshot.time:
                self._counted(before, snapshot)
                self._sized(self._held(snapshot), snapshot.time - before.time)
            self._remember(snapshot)
            return
        self._estimator.add(snapshot)
        # only the oldest moment that can still be corrected: by now it hardly is
        for of, estimate in self._estimator.window():
            self._reached(of, estimate)
            break

    def size(self) -> Size | None:
        """What is known by now; None before the first whole aggregation."""
        last = self._last
        if last is None or (last.measured is None and not len(self._estimator)):
            return None
        parts, moment = self._parts, self._moment
        self._parts = parts.copy()
        if last.measured is None:
            for of, estimate in self._estimator.window():
                self._reached(of, estimate)
        found = self._told(last)
        self._parts, self._moment = parts, moment
        return found

    def _reached(self, snapshot: Snapshot, make: Callable[[], Estimate]) -> None:
        estimate = make()
        before = self._moment
        if before is not None and estimate.time <= before.time:
            return
        self._moment = estimate
        if before is None:
            return
        passed = estimate.time - before.time
        if estimate.watched_s < before.watched_s + 0.5 * passed:
            return  # a gap: what was before it is not known
        self._note(came_back(before, estimate, self._seconds), before.watched_s, passed)
        self._sized(self._held(snapshot, estimate), passed)

    def _counted(self, before: Snapshot, now: Snapshot) -> None:
        """Note what came back between two moments of a curve, at thresholds for which that is known only roughly.

        The bytes idle for the curve's time before the threshold bound what came back from above; from below, the bytes
        that were idle for the threshold when the last of the longer windows began. The mean of both is taken.
        """
        assert now.measured is not None
        passed = now.time - before.time
        came, counted = np.zeros((3, len(self._seconds))), np.zeros(len(self._seconds))
        times = now.measured.seconds
        for at, seconds in enumerate(self._seconds.tolist()):
            longer = next((one for one in times if one >= seconds + passed * 0.999), None)
            shorter = max((one for one in times if one <= seconds - passed * 0.999), default=None)
            low = None if longer is None else self._window(now, seconds, longer)
            high = None if shorter is None else self._window(now, shorter, seconds)
            if low is None:
                continue
            high = low if high is None else high
            came[:, at] = np.array([low, (low + high) / 2, high]) * passed
            counted[at] = passed
        self._add(came, counted)

    def _window(self, now: Snapshot, idle: float, within: float) -> float | None:
        """Bytes a second that were touched lately and had been idle for a time when that window began.

        The window is as long as ``within`` is longer than ``idle``, so that both are times that the curve is told for.
        """
        window = within - idle
        since = now.time - window
        at = bisect_left(self._past, since - 1e-6, key=lambda one: one.time)
        if at == len(self._past):
            return None
        past = self._past[at].snapshot
        then, used = usage.used_within(past, idle), usage.used_within(now, within)
        if past.time > since + 0.5 * window or then is None or used is None:
            return None
        new = max(0, now.total_bytes - past.total_bytes)
        return max(0.0, used.bytes - then.bytes - new) / window

    def _remember(self, snapshot: Snapshot) -> None:
        assert snapshot.measured is not None
        # all that is asked of it is the sum of the curve
        sums = snapshot.measured.used.sum(axis=0, keepdims=True)
        self._past.append(_Past(snapshot.time, _summed(snapshot, sums)))
        if len(self._past) > _MOST_PAST:
            half = _MOST_PAST // 2
            self._past = [*self._past[:half:2], *self._past[half:]]  # the older half at half the resolution

    def _note(self, came: Floats, watched: float, passed: float) -> None:
        counted = np.where(self._seconds <= watched + 1e-6, passed, 0.0)
        self._add(np.tile(np.where(counted > 0, came, 0.0), (3, 1)), counted)

    def _add(self, came: Floats, counted: Floats) -> None:
        self._parts.add(_TimePart(came, counted, np.zeros_like(came), np.zeros_like(counted)))

    def _sized(self, held: _Held, passed: float) -> None:
        """Note the sizes of a moment, which stands for so many seconds."""
        sizes, there = np.zeros((3, len(self._seconds))), np.zeros(len(self._seconds))
        for at, idle in enumerate(held.idle):
            if idle is not None:
                size = held.without(idle)
                sizes[:, at] = np.array([size.least, size.bytes, size.most]) * passed
                there[at] = passed
        self._parts.add_to_last(_TimePart(np.zeros_like(sizes), np.zeros_like(there), sizes, there))

    def _told(self, last: Snapshot) -> Size:
        held = self._held(last, None if last.measured is not None else self._estimator.estimate())
        rows = []
        for at, (seconds, idle) in enumerate(zip(self._seconds.tolist(), held.idle, strict=True)):
            if idle is None:
                continue
            size = self._mean_size(at, held.without(idle), held.bytes.most)
            told = self._woken.size(seconds)
            if told is not None:
                # what was touched within that time just now was so for certain
                most = max(told.most, held.without(idle).least - held.unseen)
                beside = held.unseen - self._of_others(seconds)
                ends = (max(told.least + beside, held.unseen), max(told.bytes + beside, held.unseen), most + beside)
                size = Amount(*(min(one, held.bytes.most) for one in ends))
            back, over = self._back(at)
            rows.append(Choice(seconds, idle, size, back, over, size.bytes - held.unseen))
        return Size(tuple(rows), held.bytes.bytes, held.watched_s, untold(last))

    def _of_others(self, seconds: float) -> float:
        """Bytes used within a time that are charged to other groups."""
        if self._shared is None or self._shared[0] is self._shared[1]:
            return 0.0
        seen, own = (usage.used_within(one, seconds) for one in self._shared)
        return max(0.0, seen.bytes - own.bytes) if seen is not None and own is not None else 0.0

    def _mean_size(self, at: int, now: Amount, most: float) -> Amount:
        """A threshold's size over time, with how far the mean of so many different parts may be off."""
        parts = [part for part in self._parts.sums if part.sized[at] > 0]
        if not parts:
            return now
        seconds = np.array([part.sized[at] for part in parts])
        sizes = np.array([part.size[:, at] for part in parts]) / seconds[:, None]
        weights = seconds / seconds.sum()
        least, found, high = (weights @ sizes).tolist()
        half = 0.0
        if len(parts) >= _LEAST_BLOCKS:
            half = _Z * sqrt(float(weights @ (sizes[:, 1] - found) ** 2) / (len(parts) - 1))
        late = np.cumsum(seconds[::-1])[::-1] <= _LATE * seconds.sum() * 1.001
        if late.any():
            grown = max(0.0, float(np.average(sizes[late, 1], weights=seconds[late])) - found)
            found, high = found + grown, high + grown
        return Amount(max(0.0, least - half), min(found, most), min(high + half, most))

    def _held(self, snapshot: Snapshot, estimate: Estimate | None = None) -> _Held:
        """What is held at a moment, and what of it is idle for each threshold that memory was watched for."""
        if snapshot.measured is not None or estimate is None:
            total = float(snapshot.total_bytes)
            idle = [usage.idle_for(snapshot, seconds) for seconds in self._seconds.tolist()]
            return _with_group(_Held(Amount(total, total, total), 0.0, usage.watched(snapshot), idle), snapshot, total)
        seen = estimate.total_bytes
        held = Amount(seen, seen, seen)
        free = unseen = 0.0
        if estimate.kernel is not None:
            kernel = estimate.kernel
            unseen = kernel.bytes
            held = Amount(seen + kernel.least, seen + kernel.bytes, seen + kernel.most)
        elif estimate.free is None and snapshot.resident is None and snapshot.free is not None:
            # of physical memory without its frames: all that is free looks idle
            free = float(snapshot.free)
            held = Amount(seen - free, seen - free, seen - free)
        found: list[Amount | None] = []
        amounts = np.maximum(estimate.idle_at(self._seconds.tolist()) - free, 0.0).T.tolist()
        for seconds, amount in zip(self._seconds.tolist(), amounts, strict=True):
            told = estimate.reaches(seconds) and seconds >= estimate.aggregation_s * 0.98
            found.append(Amount(*amount) if told else None)
        return _with_group(_Held(held, unseen, estimate.watched_s, found), snapshot, seen)

    def _back(self, at: int) -> tuple[Amount, float]:
        """Bytes a minute that came back at a threshold, and the seconds that it was counted over."""
        low, came, high = np.array([part.came[:, at] for part in self._parts.sums]).reshape(-1, 3).T
        counted = np.array([part.counted[at] for part in self._parts.sums])
        over = float(counted.sum())
        if not over:
            return Amount(0.0, 0.0, 0.0), 0.0
        told = self._woken.back(float(self._seconds[at]))
        if told is not None:
            return told, over
        # the longer it has been idle, the less of it wakes: no more than at the longest time for which that is known
        bound = self._woken.back(self._woken.reach)
        top = bound.most if bound is not None else 0.0
        total = float(counted.sum())
        least, rate, most = (max(0.0, float(one.sum())) / total * 60 for one in (low, came, high))
        there = counted > 0
        if there.sum() < _LEAST_BLOCKS:
            return Amount(least, rate, max(most, top)), over
        # parts of the time as draws of the rate, each with its length as a weight
        weights = counted[there] / total
        rates = came[there] / counted[there] * 60
        spread = float((weights * (rates - rate) ** 2).sum())
        half = _Z * sqrt(spread / (there.sum() - 1))
        return Amount(max(0.0, least - half), rate, max(most + half, top)), over


def came_back(before: Estimate, now: Estimate, seconds: Floats) -> Floats:
    """Bytes that had been idle for at least each time at one moment and were touched by the next.

    Args:
        before: the earlier moment.
        now: the later one; pieces of memory that are new in it did not come back.
        seconds: the times, shape ``(times,)``.

    Returns:
        Bytes, shape ``(times,)``.
    """
    passed = now.time - before.time
    found = np.zeros(len(seconds))
    for index, identifier in enumerate(now.targets):
        if identifier not in before.targets:
            continue
        old = np.flatnonzero(before.target == before.targets.index(identifier))
        new = np.flatnonzero(now.target == index)
        if not len(old) or not len(new):
            continue
        # the pieces of both, cut at each other's edges
        edges = np.unique(np.concatenate((before.start[old], before.end[old], now.start[new], now.end[new])))
        low, high = edges[:-1], edges[1:]
        was, here = _at(before, old, low), _at(now, new, low)
        both = (was >= 0) & (here >= 0)
        was, here = was[both], here[both]
        share = (high - low)[both] / (now.end[here] - now.start[here])
        touched = now.idle_s[here] < np.minimum(before.idle_s[was] + 0.5 * passed, passed + 1e-6)
        bytes_back = now.bytes[here] * share * touched
        if now.unused is not None:  # of what was touched only a part was
            bytes_back *= 1.0 - now.unused[here]
        # those that had been idle for at least each time
        found += (before.idle_s[was][None, :] >= seconds[:, None] - 1e-9) @ bytes_back
    return found


def _at(estimate: Estimate, pieces: NDArray[np.int64], address: NDArray[np.int64]) -> NDArray[np.int64]:
    """The piece (of those) that holds each address, -1 where none does."""
    place = np.searchsorted(estimate.start[pieces], address, side="right") - 1
    found = pieces[np.maximum(place, 0)]
    return np.where((place >= 0) & (address < estimate.end[found]), found, -1)


def _summed(snapshot: Snapshot, used: NDArray[np.int64]) -> Snapshot:
    """A counted snapshot as one region that has the sums of all."""
    assert snapshot.measured is not None
    held = ints([snapshot.total_bytes])
    kinds = snapshot.measured.kinds.sum(axis=0, keepdims=True)
    one = replace(snapshot.measured, used=used, kinds=kinds)
    none = ints([0])
    return replace(
        snapshot, start=none, end=held, nr_accesses=none, age=none, target=none, names=(), resident=held, measured=one
    )
