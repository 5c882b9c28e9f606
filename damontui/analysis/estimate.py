"""Since when has which memory not been touched: an estimate from snapshots alone, nearer to the truth than ages are.

Why not the ages. A region's age begins anew whenever memory in use is joined to it and cut off again, and its count
is spread over all its bytes. But the boundaries move at random from one aggregation to the next, so that consecutive
snapshots are many overlapping looks at the same bytes: a tomography.

The model. Memory is a map of *pieces*, the parts between all boundaries of late, joined again where neighbours agree.
In aggregation ``t`` a piece ``p`` of ``size`` bytes is touched at a rate ``r[p, t]``, so that a look at one of its
pages, which lasts a sampling interval ``s``, is positive with the chance ``q = min(1, r s)``. A region of ``S`` bytes
that was looked at ``N`` times at random pages gave ``n = N size / S`` looks to the piece, on average, and its count
``k`` is a sum over its pieces of which each has the mean ``n q``. Given the rates, the expected part of a piece in a
region's count is therefore ``A = k n q / Σ n q`` (the E step of expectation maximisation for a sum of counts). Given
the parts, the rate is the ratio of parts to time looked at, ``Σ w A / Σ w n s``, weighted by ``w = 2^(-|t - t'|/8)``
over the aggregations before *and* after (the M step; a rate is taken to change slowly). Four rounds of both are made
over a window of the last `LAG` aggregations; what is older is in sums that decay alike. A piece can be given more
than the looks that fell there only as far as chance goes (two standard deviations); what is over goes to the others.

The decision. A piece counts as touched in an aggregation where its part is a good share of what its region has on the
mean, ``A / n ≥ part · k / N``, and where its chance of a positive look, weighted over time, makes it likely enough
that a page was touched within the aggregation, ``N Σ w A / Σ w n ≥ touches``: one stray look in a quiet area is no
touch of all of it. Of a small region less is asked, since a look there stands for less. As an aggregation leaves the
window the decision is final: the fixed lag. Until then later snapshots still take back what looked touched.

The interval. The same decisions are made with a stricter and with a more lenient pair of thresholds (`_DECISIONS`); the
times of last touch that follow bound the idle time from above and below. When in its aggregation a touch came is not
known, so the bounds are one aggregation wider above and `_EARLY` below. What has just begun or ceased inside of a
region may not have been seen yet, so the ends are some part of a region of mean size (`_GRAIN`) further apart: with
more regions the interval is narrower. From the lower end is taken what idle memory may hide: where ``m`` looks found
nothing, at most the share ``3 / m`` of pages was in use, with 95 % confidence (the rule of three). And a piece that was
touched at the rate ``r`` may go on at it unseen: only after a silence ``t`` in which the looks at it would have met
``r t size / S >= _EXPECTED`` touches has it ceased. Until then the share ``1 - exp(-r T)`` of it may have been touched
within ``T``, which matters where aggregations are short beside ``T``. The thresholds were set so that on the scenes and
seeds that were tuned on the interval of all memory holds the truth in 95 of 100 moments; they are not derived from a
likelihood (``python -m tests.bench accuracy`` says how often it does on others).

The counts. A printed count is a mean that was rounded down where regions were joined; what is lost on average is added
to every count over 0, and the bandwidth is told with all of it (`damontui.analysis.rounding`, with the derivation). The
working set of the newest aggregation lies between two numbers: that of the pieces which had a part in a count, whole,
which leaves out what was hidden in a region printed 0; and that of the regions as if their pages were touched alike,
``Σ S (1 - (1 - k / N)^N)``, which counts what lies idle beside what is used. It is told as the mean of both, as long
as no later aggregation tells who it was.

Pages between others. With a page drawn anew for every look the count of a region of many pages is binomial, and its
chance is the mean of its pages' chances ``q``: one page in four always, and all of them a quarter of the time, give
the same counts, by whatever boundaries. Only regions of a page tell them apart, which DAMON makes where counts differ
page by page. Of single pages that were touched at all ``E[q²] / E[q]``, the chance at a page weighted by its touches,
is ``Σ k (k - 1) / (N - 1) / Σ k``: it does not matter how many untouched ones were printed. Where that is `_APART`
times the chance of the surroundings (a region of the largest size to either side) and regions of up to four pages
there have the same mean as all of it, so that they are no chosen few, then ``1 - mean / page`` of what is used there
is taken for pages that are not (`Estimate.unused`), and at most ``1 - q`` of any piece that is used.

Mixed memory. A machine that has run for long hands out page frames in no order, so that what is always in use and what
never is lie side by side in every region, and regions alone would say that all of it is used a little. Whether it is
so is seen from outside of DAMON: where page frames were drawn (`damontui.kernel.pages`), those that lie nearer than
regions can tell apart are of unlike kinds as often as distant ones (`Frames.mixed` is 1), or nearly never (0). In mixed
memory a piece that is larger than that is taken for pages that are in use and pages that are not: of its bytes
``1 - q / page`` are idle, as far as memory is mixed, with the chance of single pages in use that were seen anywhere,
and as if two more had been seen in use half of the time. Until DAMON has come upon a few small regions that are used
far more than the rest, half of that is taken: pages may be of unlike kinds and still be used alike. Who knows no
frames, or has one kind of memory only, knows nothing of this.

What is assumed: that samples fall evenly on a region's pages; that rates last for a few aggregations; that a piece is
touched all over, if seldom. What cannot be seen: accesses in a part of a region that was joined and rounded down to a
count of 0 before it was printed, but on average; pages between touched ones where no region is as small as a page
(then all of it counts as in use, and the interval leaves out that they are idle, except in mixed memory); anything
faster than an aggregation; working sets within reach of the TLB; what was before the first snapshot or in a gap, so
that nothing is idle for longer than it was watched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import frames, rounding
from damontui.analysis.usage import Amount
from damontui.damon.attrs import PAGE_SIZE, Attrs
from damontui.damon.metrics import percentiles_of
from damontui.damon.snapshot import FINE, Ints, Snapshot
from damontui.errors import UsageError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PIECES = 4_096
"""Most pieces of the map."""
LAG = 12
"""Aggregations after which a decision is final."""
_HALF_LIFE = 8.0
_ROUNDS = 4
_FLOOR = 1e-3
"""Least chance of a positive look: what was never touched can still come into use."""
_SLACK = 2.0
_DECISIONS = ((0.005, 0.01), (0.2, 0.5), (0.8, 2.0))
"""``part`` and ``touches`` of the lenient, the plain and the strict decision."""
_PLAIN = 1
_LARGE = 30.0
"""A region of a thirtieth of all memory is large: there the whole of `touches` is asked for."""
_EARLY = 1
"""Aggregations by which a last touch may have been missed where it was seldom looked at."""
_EXPECTED = 2.0
"""Positive looks that its rate would have had by now, from which on a piece that had none has ceased to be touched."""
_FORGOTTEN = 7.5
"""Half-lives back to which a rate is followed; what is left of an older one is chance."""
_GRAIN, _ABOVE = 0.2, 1.5
"""Part of a region of mean size by which the interval is wider below, and how many times that above: what was taken for
touched by chance adds up the longer the idle time is."""
_RULE_OF_THREE = 3.0
"""−ln 0.05, rounded: looks at a share of pages that would have found it with 95 % confidence."""
_SIMILAR_RATE, _SIMILAR_IDLE = 1.5, 0.03
_AT_ONCE = 24_576
"""Pieces times aggregations of a window: with more pieces the lag is shorter, down to `_LEAST_LAG`."""
_LEAST_LAG = 4
_A_SNAPSHOT = 4_608
"""Pieces times aggregations shared out anew at each snapshot; with more, decisions become final several at once."""
_BATCH = 12
"""Decisions that become final at once where nobody asks in between (`smoothed`): the work of a snapshot is less."""

_SMALL = 4 * PAGE_SIZE
"""Regions of so many bytes at most show what pages beside each other are like."""
_PAGES = 2.0
"""Least number of pages seen alone, in reach, from which is told what the others are like."""
_APART = 2.5
"""How much more often than its surroundings a page that is seen alone must be touched, for these to be sparse."""
_MIXED = (0.3, 0.8)
"""From where on memory is taken to be mixed (`Frames.mixed`), and where it is throughout."""
_BELIEVED_AT_FIRST, _SPOTS_SEEN = 0.5, 4.0
"""How far that is believed until some region of a few pages was used far more than the rest, and how many of them are
enough to believe all of it. Until then memory may as well be used all over: this is the middle of both."""
_EVEN = 0.5
"""The chance of a look at a page in use, where nothing is known of it."""
_REMEMBERED = 512.0
"""Aggregations after which half of what single pages said is forgotten: of what kind memory is changes seldom."""

_PARTS, _LOOKED, _FELL, _TWICE, _ONCE, _ALONE, _HITS, _HIT_LOOKS, _SPOTS, _BORN, _RESTED, _SPARED, _SEEN = range(13)
_ROWS = _SEEN + len(_DECISIONS)


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What is known about one moment. Arrays have shape ``(pieces,)``, are sorted by target, then address, read-only.

    Seconds since the last touch come as a best guess and its bounds; none is longer than the piece was watched.
    """

    time: float
    """The moment, seconds on the source's clock."""
    watched_s: float
    """Seconds for which memory has been watched without a gap."""
    aggregation_s: float
    """Length of the last aggregation: what is younger than that is in use."""
    looks: int
    """Looks at each region in it."""
    bandwidth: float
    """Bytes a second that were touched in it, a page at most once in a sampling interval."""
    start: Ints
    end: Ints
    target: Ints
    """Index into the newest snapshot's ``targets``."""
    bytes: Floats
    """Bytes of memory whose accesses can be seen: what is resident, where that is known; of physical memory without
    what is free and what the kernel uses itself (`damontui.analysis.frames.unseen`), as far as that is known."""
    idle_s: Floats
    """Seconds since the last touch, 0 where it was touched in the last aggregation."""
    least_s: Floats
    most_s: Floats
    used_s: Floats
    """Seconds of unbroken use, 0 where idle."""
    rate: Floats
    """Touches of a page a second, at least (more than one in a sampling interval cannot be counted)."""
    targets: tuple[int, ...] = (0,)
    """The identifier of each target."""
    free: Amount | None = None
    """Bytes that are free, of physical memory; None where that is not known (`bytes` then holds them)."""
    kernel: Amount | None = None
    """Bytes that the kernel uses itself, which DAMON cannot see; None where that is not known."""
    hole: Amount | None = None
    """Bytes of addresses between physical memory; None where that is not known."""
    grain: float = 0.0
    """Bytes by which an interval's lower end lies lower, the upper one `_ABOVE` times that higher: what nobody saw."""
    touched: float | None = None
    """Bytes touched in the last aggregation, on average; None: the pieces that are not idle, whole."""
    unused: Floats | None = None
    """Share of each piece whose pages were not touched though others between them were; None: of none."""
    unused_most: Floats | None = None
    """The upper end of it."""
    unheard: Floats | None = None
    """Touches of a page a second that may go on unseen, 0 where it was quiet for too long; None: of none."""

    def __post_init__(self) -> None:
        for array in (self.start, self.end, self.target, self.bytes, self.idle_s, self.least_s, self.most_s):
            array.flags.writeable = False
        self.used_s.flags.writeable = self.rate.flags.writeable = False

    @property
    def uncertainty(self) -> Floats:
        """0 where the time of the last touch is sure, 1 where nothing is known of it; shape ``(pieces,)``."""
        return (self.most_s - self.least_s) / np.maximum(np.maximum(self.most_s, self.aggregation_s), 1e-9)

    @property
    def total_bytes(self) -> float:
        """Bytes of all pieces."""
        return float(self.bytes.sum())

    def reaches(self, seconds: float) -> bool:
        """Whether memory was watched for ``seconds``: nothing can be said to be idle for longer, not even nearly."""
        return seconds <= self.watched_s + 1e-6

    def idle(self, seconds: float) -> Amount:
        """Bytes not touched for at least ``seconds``, which must be over 0."""
        return Amount(*self.idle_at((seconds,))[:, 0].tolist())

    def idle_bytes(self, seconds: float) -> Floats:
        """Bytes of each piece not touched for at least ``seconds`` (over 0), shape ``(pieces,)``."""
        found: Floats = self.bytes * self.idle_shares(seconds)[1]
        return found

    def idle_shares(self, seconds: float) -> Floats:
        """Share of each piece not touched for at least ``seconds`` (over 0): least, found, most; shape ``(3, pieces)``.

        Of each piece alone: the interval of all of them (`idle_at`) is wider by `grain` and by what cannot be seen.
        """
        found = np.stack((self.least_s, self.idle_s, self.most_s)) >= seconds - 1e-9
        shares = np.where(found, 1.0, 0.0)
        shares[0] *= self._sure(seconds)
        if self.unused is not None and self.unused_most is not None and self.reaches(seconds):
            shares[1] = np.where(found[1], 1.0, self.unused)
            shares[2] = np.where(found[2], 1.0, self.unused_most)
        return shares

    def _sure(self, seconds: float) -> Floats:
        """Share of each piece that is idle for certain where it looks so: the rest may have been in use unseen."""
        hidden = _RULE_OF_THREE * self.aggregation_s / (self.looks * np.maximum(self.least_s, self.aggregation_s))
        sure: Floats = 1.0 - np.minimum(1.0, hidden)
        return sure if self.unheard is None else sure * np.exp(-self.unheard * seconds)

    def idle_at(self, seconds: Sequence[float]) -> Floats:
        """`idle` at each of ``seconds``: least, found and most, shape ``(3, len(seconds))``."""
        wanted = np.asarray(seconds, np.float64)[:, None] - 1e-9
        least = np.array([self.bytes @ (self._sure(one) * (self.least_s >= one - 1e-9)) for one in seconds])
        found, most = ((ages >= wanted) @ self.bytes for ages in (self.idle_s, self.most_s))
        reached = np.array([self.reaches(one) for one in seconds])
        if self.unused is not None and self.unused_most is not None:
            found = found + reached * ((self.idle_s < wanted) @ (self.bytes * self.unused))
            most = most + reached * ((self.most_s < wanted) @ (self.bytes * self.unused_most))
        least, most = np.maximum(least - self.grain * reached, 0.0), most + _ABOVE * self.grain * reached
        most = np.minimum(most, self.total_bytes)
        if self.touched is not None:
            # what was not touched for longer was not touched just now
            longer = float(self.idle_bytes(1.5 * self.aggregation_s).sum())
            rest = max(self.total_bytes - self.touched, longer)
            found = np.where((np.asarray(seconds) <= self.aggregation_s + 1e-9) & (found > 0), rest, found)
            least, most = np.minimum(least, found), np.maximum(most, found)
        # what is free or the kernel's is a sample's guess: its error is independent of the other
        doubt = self._unseen_half()
        if doubt:
            least = np.maximum(found - np.hypot(found - least, doubt), 0.0)
            # how much there is to be idle is in the same doubt
            most = np.minimum(found + np.hypot(most - found, doubt), self.total_bytes + doubt)
        return np.stack((least, found, most))

    def _unseen_half(self) -> float:
        """Half the width of the interval of what cannot be seen, bytes."""
        return sum((one.most - one.least) / 2 for one in (self.free, self.kernel, self.hole) if one is not None)

    def idle_by_region(self, snapshot: Snapshot, seconds: float) -> Floats:
        """Share of each of a snapshot's regions that was not touched for at least ``seconds``: least, found and most.

        Of the memory in it that can be seen; 0 where there is none. Shape ``(3, regions)``.
        """
        held = self.within(snapshot)
        idle = np.stack([self.within(snapshot, self.bytes * share) for share in self.idle_shares(seconds)])
        return np.divide(idle, held, out=np.zeros(idle.shape), where=held > 0)

    def within(self, snapshot: Snapshot, bytes_of: Floats | None = None) -> Floats:
        """Bytes of the pieces (or ``bytes_of``, shape ``(pieces,)``) in each of a snapshot's regions."""
        amounts = self.bytes if bytes_of is None else bytes_of
        found = np.zeros(len(snapshot))
        place = {identifier: index for index, identifier in enumerate(self.targets)}
        for index, identifier in enumerate(snapshot.targets):
            mine = np.flatnonzero(self.target == place.get(identifier, -1))
            regions = np.flatnonzero(snapshot.target == index)
            if not len(mine) or not len(regions):
                continue
            # the bytes below an address: along each piece in proportion to its addresses
            edges = np.ravel((self.start[mine], self.end[mine]), order="F").astype(np.float64)
            below = np.repeat(np.concatenate(([0.0], np.cumsum(amounts[mine]))), 2)[1:-1]
            low, high = (np.interp(one[regions], edges, below) for one in (snapshot.start, snapshot.end))
            found[regions] = high - low
        return found

    def working_set(self, seconds: float) -> Amount:
        """Bytes touched within the last ``seconds``."""
        idle, total = self.idle(seconds), self.total_bytes
        # how much there is to be in use is in doubt where all of it may be, as how much is idle is
        doubt = 0.0 if idle.least else self._unseen_half()
        return Amount(max(0.0, total - idle.most), total - idle.bytes, total - idle.least + doubt)

    @property
    def idle_ms_percentiles(self) -> tuple[int, ...]:
        """101 idle times by bytes, milliseconds, as ``memory_idle_ms_percentiles``: negative is in use for so long."""
        seconds, amounts = self.ages()
        used = np.concatenate((self.used_s, np.zeros(len(seconds) - len(self.used_s))))
        seconds = np.where(seconds > 0, seconds, -np.maximum(used, 1e-3))
        return percentiles_of((seconds * 1000).astype(np.int64), amounts.astype(np.int64))

    def part(self, start: Ints, end: Ints, keep: Bools) -> Estimate:
        """What lies between two addresses of each piece that is kept, its bytes in proportion; all ``(pieces,)``.

        Of a part nobody knows what of it was free, nor what of the last aggregation was its.
        """
        share = ((end - start) / np.maximum(self.end - self.start, 1))[keep]
        amounts = self.bytes[keep] * share
        return replace(
            self,
            start=start[keep],
            end=end[keep],
            target=self.target[keep],
            bytes=amounts,
            idle_s=self.idle_s[keep],
            least_s=self.least_s[keep],
            most_s=self.most_s[keep],
            used_s=self.used_s[keep],
            rate=self.rate[keep],
            unused=None if self.unused is None else self.unused[keep],
            unused_most=None if self.unused_most is None else self.unused_most[keep],
            unheard=None if self.unheard is None else self.unheard[keep],
            grain=self.grain * float(amounts.sum()) / max(self.total_bytes, 1.0),
            free=None,
            kernel=None,
            hole=None,
            touched=None,
        )

    def ages(self) -> tuple[Floats, Floats]:
        """Idle seconds, and the bytes that have been idle so long; shapes ``(n,)``, the pieces first.

        Of a piece between whose touched pages others are not, these come apart, idle since memory is watched.
        """
        if self.unused is None:
            return self.idle_s, self.bytes
        rest = self.bytes * np.where(self.idle_s < self.watched_s, self.unused, 0.0)
        return np.append(self.idle_s, np.full(len(rest), self.watched_s)), np.append(self.bytes - rest, rest)


Final = Callable[[Snapshot, Callable[[], Estimate]], None]
"""Is told a snapshot and what makes the estimate of its moment, to be called at once or never."""


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """One aggregation in the window; arrays of shape ``(regions,)``."""

    snapshot: Snapshot

    count: Floats
    """As printed, and what a count over 0 has lost by rounding."""
    share: Floats
    """Of each region that was touched, if its pages are touched alike (what was printed 0 may hide some)."""
    looks: Floats
    size: Floats
    sample_s: float
    bandwidth: float
    began: float
    time: float

    def shares_of(self, size: Ints, region: Ints) -> Floats:
        """Of pieces of so many bytes in each one's region, 0 where that is -1; shape ``(pieces,)``."""
        return np.where(region >= 0, size / self.size[region], 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Solution:
    """What the window says; arrays of shape ``(columns, pieces)``, ``touched`` with the decisions first."""

    parts: Floats
    looked_s: Floats
    fell: Floats
    rate: Floats
    chance: Floats
    touched: Bools


class Estimator:
    """Takes snapshots, oldest first, and says what is known; memory and cost do not grow with time.

    >>> from damontui.damon.stat import DamonStat
    >>> from damontui.operations.scenes import scene
    >>> stat, estimator = DamonStat(scene("steady", 7), seed=7), Estimator()
    >>> for _ in range(80):
    ...     stat.run(1)
    ...     if stat.snapshot is not None:
    ...         estimator.add(stat.snapshot)
    >>> estimate = estimator.estimate()
    >>> estimate.idle(30).least <= estimate.idle(30).found <= estimate.idle(30).most
    True

    A snapshot that is no newer than the last one is left out. One of which events were lost, and a pause, are gaps:
    idle times begin anew after them, rates are kept.

    Args:
        pieces: most pieces of the map; where a snapshot has more regions, these.
        batch: how many decisions become final at once. More are less work, where nobody asks in between.
        final: is told each snapshot and what is known of its moment, once that is final; oldest first.
    """

    def __init__(
        self,
        pieces: int = PIECES,
        batch: int = 1,
        final: Final | None = None,
    ) -> None:
        if pieces < 1 or batch < 1:
            raise UsageError("estimate: at least one piece and a batch of at least 1 are needed")
        self._most = pieces
        self._batch = batch
        self._final = final
        self._target = self._start = self._end = np.empty(0, np.int64)
        self._bytes = np.empty(0)
        self._state = np.empty((_ROWS, 0))
        self._region = np.empty((0, 0), np.int64)  # of each piece in each column, -1: none; (columns, pieces)
        self._columns: list[_Column] = []
        self._targets: tuple[int, ...] = ()
        self._since = self._until = self._final_until = -np.inf
        self._gap = True
        self._rounding = rounding.Rounding()
        self._singles: Ints = np.empty(0, np.int64)
        self._spots: Ints = np.empty(0, np.int64)
        self._solution: _Solution | None = None

    def __len__(self) -> int:
        """Pieces of the map."""
        return len(self._start)

    def copy(self, final: Final | None = None) -> Self:
        """Another that knows the same and goes its own way; it tells ``final`` what it finds final, or nobody."""
        other = copy(self)
        other._state, other._columns, other._final = self._state.copy(), list(self._columns), final
        other._rounding = copy(self._rounding)
        return other

    def settled(self) -> Self:
        """Another that knows what is final here, to go on from: the aggregations of the window are to be added again.

        It is small, since it holds neither snapshots nor what was worked out of them.
        """
        other = copy(self)
        other._state, other._columns, other._final, other._solution = self._state.copy(), [], None, None
        other._region = self._region[:0]
        other._rounding = rounding.Rounding()
        if self._columns:
            other._until = self._final_until
            other._gap = not np.isfinite(self._final_until)  # what was lost in the window comes again as well
        return other

    @property
    def until(self) -> float:
        """When the newest snapshot ended, seconds on the source's clock; -inf where there was none."""
        return self._until

    def add(self, snapshot: Snapshot) -> None:
        """Take in the next snapshot."""
        if snapshot.time <= self._until or not (len(snapshot) or not snapshot.complete):
            return
        length = snapshot.time - snapshot.began
        if not snapshot.complete or snapshot.lost:
            self._gap = True
            self._until = snapshot.time
            return
        # clocks are floating point and a trace's lines come a little late: half an aggregation is no gap
        if self._gap or snapshot.began > self._until + 0.5 * length:
            self._settle(len(self._columns))
            self._state[_BORN] = self._since = snapshot.began
            self._gap = False
        self._until = snapshot.time
        self._follow(snapshot)
        looks = np.full(len(snapshot), float(max(1, snapshot.attrs.max_nr_accesses)))
        counts = np.minimum(snapshot.nr_accesses, looks)
        sizes = snapshot.sizes.astype(np.float64)
        sample = snapshot.attrs.sample_us / 1e6
        lost = self._rounding.lost(snapshot)
        bandwidth = rounding.bandwidth(snapshot, lost)
        share = 1.0 - (1.0 - np.minimum((counts + lost) / looks, 1.0)) ** looks
        counts = np.where(counts > 0, counts + lost, 0.0)
        began, ended = snapshot.began, snapshot.time
        self._columns.append(_Column(snapshot, counts, share, looks, sizes, sample, bandwidth, began, ended))
        self._solution = None
        lag = max(_LEAST_LAG, min(LAG, _AT_ONCE // len(self)))
        step = max(min(self._batch, _AT_ONCE // len(self) - lag), 1 + len(self) * lag // _A_SNAPSHOT)
        if len(self._columns) >= lag + step:
            self._settle(len(self._columns) - lag)
            self._join(_SIMILAR_IDLE)
        self._bound()

    def estimate(self, at: float | None = None) -> Estimate:
        """What is known now, about now or about a moment in the window of the last aggregations.

        Args:
            at: seconds on the source's clock; the end of the newest aggregation where None.

        Raises:
            UsageError: nothing was added yet, or ``at`` is before the window.
        """
        if not self._columns:
            raise UsageError("estimate: no whole aggregation yet; wait for the first snapshot")
        when = self._columns[-1].time if at is None else at
        if when < self._columns[0].time:
            raise UsageError(f"estimate: only moments since {self._columns[0].time:g} s are kept; ask for a later one")
        return self._about(sum(column.time <= when for column in self._columns) - 1)

    def window(self) -> Iterator[tuple[Snapshot, Callable[[], Estimate]]]:
        """The moments that later snapshots can still correct, oldest first, and what makes their estimates."""
        return ((column.snapshot, partial(self._about, at)) for at, column in enumerate(self._columns))

    def finish(self) -> None:
        """No more snapshots come: what is known now is final."""
        self._settle(len(self._columns))

    def _about(self, at: int) -> Estimate:
        """What is known about the moment at which the column ``at`` of the window ended."""
        columns = self._columns[: at + 1]
        solution = self._solve()
        there = self._state[_BORN] < columns[-1].time
        which: Ints | slice = slice(None) if there.all() else np.flatnonzero(there)  # memory that came later
        state = self._state[:, which].copy()
        for index, column in enumerate(columns):
            _note(state, solution.touched[:, index][:, which], solution.chance[index][which], column)
        now, length = columns[-1].time, columns[-1].time - columns[-1].began
        seen = np.maximum(state[_SEEN:], state[_BORN])
        idle = np.maximum(now - seen, 0.0)
        used = np.where(idle[_PLAIN] > 0, 0.0, now - np.maximum(state[_RESTED], state[_BORN]))
        start, end, target = self._start[which].copy(), self._end[which].copy(), self._target[which].copy()
        rate = np.minimum(solution.rate[at][which], 1.0 / columns[-1].sample_s)
        # when in an aggregation a touch came is not known either
        known = np.maximum(now - state[_BORN], 0.0)
        least, plain = np.maximum(idle[0] - _EARLY * length, 0.0), idle[_PLAIN].copy()
        most = np.minimum(idle[-1] + length, known)
        watched = max(0.0, now - self._since)
        looks, bandwidth = int(columns[-1].looks[0]), columns[-1].bandwidth
        held, region = self._bytes[which].copy(), self._region[at][which]
        unused, unused_most = _unused(state, end - start, columns[-1].snapshot)
        alike = np.where(region >= 0, columns[-1].share[region], 0.0)
        apart = solution.touched[_PLAIN, at][which]
        amounts = held if unused is None else held * (1.0 - unused)
        found = Estimate(
            now,
            watched,
            length,
            looks,
            bandwidth,
            start,
            end,
            target,
            held,
            plain,
            least,
            most,
            used,
            rate,
            self._targets,
            grain=_GRAIN * float(held.sum()) / max(1, len(columns[-1].count)),
            # what came later tells better who it was
            touched=float(amounts @ (alike + apart)) / 2.0 if at == len(self._columns) - 1 else None,
            unused=unused,
            unused_most=unused_most,
            unheard=_unheard(rate, idle[0], columns[-1], columns[-1].shares_of(end - start, region)),
        )
        return _seen(found, columns[-1].snapshot)

    # -- the map

    def _follow(self, snapshot: Snapshot) -> None:
        """Cut the pieces at the snapshot's boundaries; new memory becomes new pieces, what is gone is dropped."""
        self._renumber(snapshot.targets)
        span = self._span(int(max(snapshot.end.max(), self._end.max(initial=0))), len(snapshot.targets))
        old, old_end = _keys(self._target, self._start, span), _keys(self._target, self._end, span)
        new, new_end = _keys(snapshot.target, snapshot.start, span), _keys(snapshot.target, snapshot.end, span)
        edges, index = np.unique(np.concatenate((new, new_end, old, old_end)), return_index=True)
        addresses = np.concatenate((snapshot.start, snapshot.end, self._start, self._end))[index]
        region = np.searchsorted(new, edges[:-1], side="right") - 1
        inside = (region >= 0) & (edges[:-1] < new_end[region])
        low, region = edges[:-1][inside], region[inside]
        self._target = snapshot.target[region]
        # an address that ends one target's region can be the key of no other's: 0 and the span differ
        high = edges[1:][inside]
        start, end = addresses[:-1][inside], addresses[1:][inside]
        size = (end - start).astype(np.float64)
        piece = np.searchsorted(old, low, side="right") - 1
        known = piece >= 0
        known[known] = high[known] <= old_end[piece[known]]
        piece = piece[known]
        state, before = self._state.take(piece, axis=1), self._region.take(piece, axis=1)
        state[:_BORN] *= size[known] / (self._end - self._start)[piece]
        if len(piece) < len(low):
            kept, held = state, before
            state, before = np.full((_ROWS, len(low)), -np.inf), np.full((len(self._columns), len(low)), -1)
            state[:_BORN], state[_BORN], state[_SPARED] = 0.0, snapshot.began, 0.0
            state[:, known], before[:, known] = kept, held
        regions = np.concatenate((before, region[None]))
        self._start, self._end, self._state, self._region = start, end, state, regions
        self._bytes = size * (snapshot.memory / np.maximum(snapshot.sizes, 1))[region]

    def _renumber(self, targets: tuple[int, ...]) -> None:
        """Targets are known by their identifier; those that are gone take their pieces with them."""
        if targets == self._targets:
            return
        place = {identifier: index for index, identifier in enumerate(targets)}
        became = np.array([place.get(identifier, -1) for identifier in self._targets], np.int64)
        self._targets = targets
        if len(self):
            target = became[self._target]
            order = np.lexsort((self._start, target))
            self._take(order[target[order] >= 0])
            self._target = became[self._target]

    def _take(self, index: Ints) -> None:
        self._target, self._start, self._end = self._target[index], self._start[index], self._end[index]
        # three times as fast as an index in brackets
        self._bytes, self._state = self._bytes[index], self._state.take(index, axis=1)
        self._region = self._region.take(index, axis=1)
        self._solution = None

    @staticmethod
    def _span(most: int, targets: int) -> tuple[int, int]:
        """Bits that an address takes beside the target's index in one int64, and bits that it must lose for that."""
        bits, free = most.bit_length() + 1, 62 - max(1, targets).bit_length()
        return min(bits, free), max(0, bits - free)

    def _join(self, similar: float) -> None:
        """Join neighbours that no region in the window tells apart and whose past is alike.

        Args:
            similar: by how much idle times may differ, as a share of the shorter; inf joins whatever their past is.
        """
        if len(self) < 2:
            return
        state, size = self._state, (self._end - self._start).astype(np.float64)
        ago = self._until - np.maximum(state[_SEEN:], state[_BORN])
        rate = state[_PARTS] / (state[_LOOKED] + 1e-12)
        low, high = np.minimum(rate[1:], rate[:-1]), np.maximum(rate[1:], rate[:-1])
        alike = (self._target[1:] == self._target[:-1]) & (self._start[1:] == self._end[:-1])
        alike &= (self._region[:, 1:] == self._region[:, :-1]).all(axis=0)
        if np.isfinite(similar):
            alike &= (np.abs(np.diff(ago)) <= similar * np.minimum(ago[:, 1:], ago[:, :-1])).all(axis=0)
            quiet = high * self._columns[-1].sample_s < _FLOOR
            alike &= quiet | (high <= low * (_SIMILAR_RATE + similar))
        first = np.flatnonzero(np.concatenate(([True], ~alike)))
        if len(first) == len(self):
            return
        joined = np.empty((_ROWS, len(first)))
        joined[:_BORN] = np.add.reduceat(state[:_BORN], first, axis=1)
        joined[_BORN:] = np.maximum.reduceat(state[_BORN:], first, axis=1)
        weights = np.add.reduceat(self._bytes, first)
        last = self._end[np.append(first[1:], len(size)) - 1]
        self._take(first)
        self._state, self._end, self._bytes = joined, last, weights

    def _bound(self) -> None:
        """Keep to the most pieces: shorten the window, then join what is less and less alike."""
        similar = _SIMILAR_IDLE
        while len(self) > self._most:
            if len(self._columns) > 1:
                # half of them at once, so that the work is not due again at the next snapshot
                self._settle(-(-len(self._columns) // 2))
                self._join(similar)
                similar = 0.5
            else:
                self._join(similar)
                similar = np.inf if similar >= 0.5 else 0.5
                if len(self) <= self._columns[-1].count.size:
                    return

    # -- what the window says

    def _settle(self, columns: int) -> None:
        """Make the decisions of the oldest columns final."""
        if not columns or not self._columns:
            return
        solution = self._solve()
        if self._final is not None:
            for index, column in enumerate(self._columns[:columns]):
                self._final(column.snapshot, partial(self._about, index))
        for index, column in enumerate(self._columns[:columns]):
            self._state[:_TWICE] *= 2.0 ** (-1.0 / _HALF_LIFE)
            self._state[_TWICE:_BORN] *= 2.0 ** (-1.0 / _REMEMBERED)
            if column.size.min() <= _SMALL:
                self._learn_of_pages(index, column)
            self._state[_PARTS] += solution.parts[index]
            self._state[_LOOKED] += solution.looked_s[index]
            self._state[_FELL] += solution.fell[index]
            _note(self._state, solution.touched[:, index], solution.chance[index], column)
        self._final_until = self._columns[columns - 1].time
        del self._columns[:columns]
        self._region = self._region[columns:]
        self._solution = _Solution(
            solution.parts[columns:],
            solution.looked_s[columns:],
            solution.fell[columns:],
            solution.rate[columns:],
            solution.chance[columns:],
            solution.touched[:, columns:],
        )

    def _learn_of_pages(self, index: int, column: _Column) -> None:
        """Take down what regions of a few pages say of how pages beside each other are touched (`_unused`)."""
        small = column.size <= _SMALL
        region = self._region[index]
        piece = np.flatnonzero((region >= 0) & small[region])
        at = region[piece]
        count, looks = column.snapshot.nr_accesses[at].astype(np.float64), column.looks[at]
        pages = (self._end - self._start)[piece] / PAGE_SIZE
        self._state[_HITS, piece] += count * pages
        self._state[_HIT_LOOKS, piece] += looks * pages
        # those far above all of memory, each at its first page and for as long as it stays
        mean = float(column.snapshot.nr_accesses @ column.size) / float(column.size.sum())
        spot = (count > _APART * mean) & (self._start[piece] == column.snapshot.start[at])
        self._state[_SPOTS, piece[spot]] += ~_among(column.snapshot.start[at[spot]], self._spots)
        self._spots = np.sort(column.snapshot.start[at[spot]])
        single = (column.size[at] <= PAGE_SIZE) & (count > 0)
        piece, at, count, looks = piece[single], at[single], count[single], looks[single]
        self._state[_TWICE, piece] += count * (count - 1.0) / np.maximum(looks - 1.0, 1.0)
        self._state[_ONCE, piece] += count
        # a page that stays alone counts once
        self._state[_ALONE, piece] += ~_among(column.snapshot.start[at], self._singles)
        self._singles = np.sort(column.snapshot.start[at])

    def _solve(self) -> _Solution:
        if self._solution is None:
            self._solution = _solved(self._columns, self._region, self._end - self._start, self._state)
        return self._solution


def _solved(columns: Sequence[_Column], region: Ints, size: Ints, state: Floats) -> _Solution:
    """Share out the counts of a window and decide who was touched (see above).

    Args:
        columns: the window.
        region: of each piece in each column, -1: none; shape ``(columns, pieces)``.
        size: bytes of the pieces, shape ``(pieces,)``.
        state: of the pieces before the window, shape ``(rows, pieces)``.
    """
    first = np.cumsum([0, *(len(column.count) for column in columns)])
    region = np.where(region >= 0, region + first[:-1, None], first[-1])
    count = np.concatenate([*(column.count for column in columns), [0.0]])
    looks = np.concatenate([*(column.looks for column in columns), [1.0]])
    sizes = np.concatenate([*(column.size for column in columns), [np.inf]])
    share = size / sizes[region]
    fell = looks[region] * share  # looks that fell on each piece
    most = fell + _SLACK * np.sqrt(fell * np.maximum(1.0 - share, 0.0))
    sample = np.array([column.sample_s for column in columns])[:, None]
    times = np.arange(len(columns))
    weights = 2.0 ** (-np.abs(times[:, None] - times) / _HALF_LIFE)
    before = 2.0 ** (-(times[:, None] + 1) / _HALF_LIFE)
    looked = fell * sample
    time = weights @ looked + before * state[_LOOKED] + 1e-12
    parts_before = before * state[_PARTS]
    mean = (count / looks)[region]
    parts = fell * mean
    rate = parts
    for _ in range(_ROUNDS):  # in place: half of the time went into memory for what is between two steps
        rate = weights @ parts
        rate += parts_before
        rate /= time
        expected = np.clip(rate * sample, _FLOOR, 1.0)
        expected *= fell
        parts = _ratio(count, expected, region)
        parts *= expected
        np.minimum(parts, most, out=parts)
        room = most - parts
        room *= _ratio(count - _sums(parts, region, len(count)), room, region)
        parts += room
    chance = (weights @ parts + parts_before) / (weights @ fell + before * state[_FELL] + 1e-12)
    touches = chance * looks[region]
    # the larger a region, the more of its pages a single look stands for
    large = np.minimum(1.0, _LARGE * sizes[region] / float(size.sum()))
    touched = np.stack(
        [(parts > part * fell * mean) & (touches > least * large) & (mean > 0) for part, least in _DECISIONS]
    )
    return _Solution(parts, looked, fell, rate, chance, touched)


def _among(values: Ints, known: Ints) -> Bools:
    """Which values are among those known, which are sorted; `numpy.isin` sorts both, three times as slow."""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    found: Bools = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


def _keys(target: Ints, address: Ints, span: tuple[int, int]) -> Ints:
    bits, lost = span
    return (target << bits) + (address >> lost)


def _note(state: Floats, touched: Bools, chance: Floats, column: _Column) -> None:
    """Write one column's decisions, shape ``(decisions, pieces)``, and chances of a look into the pieces' state."""
    used = touched[_PLAIN]
    going = state[_SEEN + _PLAIN] >= column.began - 1e-6
    spared = np.minimum(1.0 - np.minimum(chance, 1.0), np.where(going, state[_SPARED], 1.0))
    state[_SPARED] = np.where(used, spared, state[_SPARED])
    state[_SEEN:][touched] = column.time
    state[_RESTED][~touched[_PLAIN]] = column.time


def _unheard(rate: Floats, silent_s: Floats, newest: _Column, share: Floats) -> Floats:
    """Touches a second of a page that may go on unseen (see above); all of shape ``(pieces,)``.

    Args:
        rate: touches a second, as weighted over time.
        silent_s: seconds since the last touch at the earliest.
        newest: the aggregation that just ended.
        share: of each piece in its region, of whose looks it gets as many.
    """
    # what it was before it fell silent: since then the weights were of looks that met nothing
    faded = silent_s / ((newest.time - newest.began) * _HALF_LIFE)
    before = np.minimum(rate * 2.0 ** np.minimum(faded, _FORGOTTEN), 1.0 / newest.sample_s)
    return np.where(before * silent_s * share < _EXPECTED, before, 0.0)


def _unused(state: Floats, size: Ints, snapshot: Snapshot) -> tuple[Floats | None, Floats | None]:
    """The share of each piece that is never touched though its surroundings are, and its upper end (see above).

    Args:
        state: of the pieces, shape ``(rows, pieces)``.
        size: bytes of the pieces, int64, shape ``(pieces,)``.
        snapshot: the newest; of physical memory its frames tell how mixed it is.

    Returns:
        Both None where no memory is known to be sparse.
    """
    used = np.isfinite(state[_SEEN + _PLAIN]) & (state[_SPARED] < 1.0)
    sparse = _between_single_pages(state, size, used, snapshot.attrs.min_regions)
    mixed = _in_mixed_memory(state, size, snapshot)
    if sparse is None and mixed is None:
        return None, None
    unused = np.maximum(0.0 if sparse is None else sparse, 0.0 if mixed is None else mixed)
    # where some of it is sparse the rest may be, too: pages were seen alone here and there only
    return np.where(used, unused, 0.0), np.where(used, np.maximum(unused, state[_SPARED]), 0.0)


def _between_single_pages(state: Floats, size: Ints, used: Bools, min_regions: int) -> Floats | None:
    """What of each piece in use is not touched, as pages that are regions of their own tell; None where none does."""
    if state[_ALONE].sum() < _PAGES:
        return None
    chance = 1.0 - state[_SPARED]
    edges = np.concatenate(([0.0], np.cumsum(size, dtype=np.float64)))
    middle = (edges[:-1] + edges[1:]) / 2.0
    # as large as one of the fewest regions that there may be is what is in reach
    reach = np.maximum(edges[-1] / max(3, min_regions), size / 2.0)
    ends = np.clip(np.stack((middle - reach, middle + reach)), 0.0, edges[-1])
    piece = np.clip(np.searchsorted(edges, ends, side="right") - 1, 0, len(size) - 1)
    far = (ends - edges[piece]) / np.maximum(size[piece], 1)

    def around(values: Floats) -> Floats:
        below = np.cumsum(values)[piece] + values[piece] * (far - 1.0)
        found: Floats = below[1] - below[0]
        return found

    bytes_used = size.astype(np.float64) * used
    mean = around(bytes_used * chance) / np.maximum(around(bytes_used), 1.0)
    page = around(state[_TWICE]) / np.maximum(around(state[_ONCE]), 1e-9)
    sample = around(state[_HITS]) / np.maximum(around(state[_HIT_LOOKS]), 1.0)
    sparse = used & (around(state[_ALONE]) >= _PAGES) & (page > _APART * mean) & (sample < 2.0 * mean)
    if not sparse.any():
        return None
    here = np.where(chance > _APART * mean, chance, mean)
    return np.where(sparse, 1.0 - np.minimum(here / np.maximum(page, 1e-9), 1.0), 0.0)


def _in_mixed_memory(state: Floats, size: Ints, snapshot: Snapshot) -> Floats | None:
    """What of each piece is not touched if it is in use, as page frames tell; None where memory is not mixed."""
    mixed = 0.0 if snapshot.frames is None else _strength(snapshot.frames.mixed)
    if not mixed:
        return None
    mixed *= _BELIEVED_AT_FIRST + (1.0 - _BELIEVED_AT_FIRST) * min(1.0, float(state[_SPOTS].sum()) / _SPOTS_SEEN)
    known = float(state[_ALONE].sum())
    # of pages alone anywhere; before there are any, an even guess between hardly ever and always
    hot = (known * state[_TWICE].sum() / max(state[_ONCE].sum(), 1e-9) + _PAGES * _EVEN) / (known + _PAGES)
    large = size * FINE > size.sum()
    return np.where(large, mixed * (1.0 - np.minimum((1.0 - state[_SPARED]) / hot, 1.0)), 0.0)


def _strength(mixed: float | None) -> float:
    """How far memory is taken to be mixed below what regions can tell apart: not at all … throughout (0 … 1)."""
    low, high = _MIXED
    return 0.0 if mixed is None else min(1.0, max(0.0, (mixed - low) / (high - low)))


def _sums(values: Floats, region: Ints, regions: int) -> Floats:
    """Sums over the pieces of each region, shape ``(regions,)``."""
    sums: Floats = np.bincount(region.ravel(), values.ravel(), minlength=regions).astype(np.float64, copy=False)
    return sums


def _ratio(count: Floats, values: Floats, region: Ints) -> Floats:
    """``count`` over the sum of ``values`` of each region, at each piece; 0 where there is nothing to share out."""
    sums = _sums(values, region, len(count))
    ratio: Floats = np.maximum(count, 0.0)
    ratio /= np.maximum(sums, 1e-12, out=sums)
    return ratio.take(region)


def _seen(found: Estimate, snapshot: Snapshot) -> Estimate:
    """Without the memory that DAMON cannot see: what is free, and what the kernel uses itself; and without holes.

    It always looks idle, so in each region it is taken away from the idle pieces first.
    """
    unseen = frames.unseen(snapshot)
    if unseen is None:
        return found
    idle = found.bytes * (found.idle_s > 0)
    if unseen.by_region is None:
        gone = unseen.bytes * idle / max(float(idle.sum()), 1.0)
    else:
        region = _region_of(found, snapshot)
        inside = region >= 0
        region = np.where(inside, region, 0)
        gone = np.zeros(len(idle))
        left = unseen.by_region
        for amount in (idle, found.bytes - idle):
            held = np.bincount(region[inside], amount[inside], len(snapshot))
            share = np.minimum(1.0, np.divide(left, held, out=np.zeros(len(held)), where=held > 0))
            gone += np.where(inside, amount * share[region], 0.0)
            left = np.maximum(left - held * share, 0.0)
    left = np.maximum(found.bytes - gone, 0.0)
    grain = found.grain * float(left.sum()) / max(found.total_bytes, 1.0)  # of what is free nothing is in doubt
    return replace(found, bytes=left, free=unseen.free, kernel=unseen.kernel, hole=unseen.hole, grain=grain)


def _region_of(found: Estimate, snapshot: Snapshot) -> Ints:
    """The region of a snapshot that each piece begins in, -1 for none; shape ``(pieces,)``."""
    region = np.full(len(found.start), -1, np.int64)
    place = {identifier: index for index, identifier in enumerate(snapshot.targets)}
    for index, identifier in enumerate(found.targets):
        mine = np.flatnonzero(found.target == index)
        regions = np.flatnonzero(snapshot.target == place.get(identifier, -1))
        if len(mine) and len(regions):
            at = np.searchsorted(snapshot.start[regions], found.start[mine], side="right") - 1
            chosen = regions[np.maximum(at, 0)]
            region[mine] = np.where((at >= 0) & (found.start[mine] < snapshot.end[chosen]), chosen, -1)
    return region


_UNSURE = 0.9
"""An uncertainty from which on nothing is shown of a piece."""
_PERCENT = 100
_MILLISECOND = Attrs(sample_us=1_000 // _PERCENT, aggr_us=1_000, goal=None)


def as_snapshot(found: Estimate, snapshot: Snapshot, began: float) -> Snapshot:
    """An estimate in the form of a snapshot, to be drawn as one: pieces are regions, and their ages milliseconds.

    Left out are pieces of which nothing is known, and those that are mostly free or the kernel's own. Rates are not
    told: ``nr_accesses`` is the percentage of a piece's pages in use where it was touched in the last aggregation, 100
    but in mixed memory (`Estimate.unused`), and 0 elsewhere.

    Args:
        found: of the snapshot's moment.
        snapshot: what it is of.
        began: from when on it stands for what was.
    """
    held = found.bytes / np.maximum(found.end - found.start, 1)
    full = np.ones(len(held), np.bool_) if snapshot.resident is not None else held >= 0.5
    # of what was touched lately the bounds are an aggregation or two apart, which is nothing
    sure = (found.uncertainty < _UNSURE) | (found.most_s <= 3.0 * found.aggregation_s)
    keep = full & (found.bytes > 0) & sure
    used = (found.idle_s <= 0)[keep]
    share = np.ones(len(used)) if found.unused is None else 1.0 - found.unused[keep]
    percent = np.clip(np.rint(share * _PERCENT).astype(np.int64), 1, _PERCENT)
    milliseconds = np.where(used, found.used_s[keep], found.idle_s[keep]) * 1000
    return replace(
        snapshot,
        began=began,
        start=found.start[keep],
        end=found.end[keep],
        nr_accesses=np.where(used, percent, 0),
        age=np.maximum(np.rint(milliseconds).astype(np.int64) - 1, 0),
        target=found.target[keep],
        targets=found.targets,
        attrs=_MILLISECOND,
        next_attrs=_MILLISECOND,
        resident=np.rint(found.bytes[keep]).astype(np.int64),
        names=(),
        frames=None,
    )


def past(snapshots: Sequence[Snapshot], pieces: int = PIECES) -> Estimate:
    """The estimate after all of these snapshots, oldest first; raises `UsageError` where there are none."""
    estimator = Estimator(pieces)
    for snapshot in snapshots:
        estimator.add(snapshot)
    return estimator.estimate()


def smoothed(
    snapshots: Iterable[Snapshot], every: float = 0.0, pieces: int = PIECES
) -> Iterator[tuple[Snapshot, Estimate]]:
    """What is known of each moment once the aggregations after it were seen, too: fixed-lag smoothing.

    Snapshots of counted bytes, without regions or with lost events have none, and are left out.

    Args:
        snapshots: oldest first.
        every: seconds from one moment to the next at least; 0 for every aggregation.
        pieces: most pieces of the map.
    """
    found: list[tuple[Snapshot, Estimate]] = []
    last = -np.inf

    def final(snapshot: Snapshot, about: Callable[[], Estimate]) -> None:
        nonlocal last
        if snapshot.time >= last + every:
            found.append((snapshot, about()))
            last = snapshot.time

    estimator = Estimator(pieces, batch=_BATCH, final=final)
    for snapshot in snapshots:
        if snapshot.measured is None:
            estimator.add(snapshot)
            yield from found
            found.clear()
    estimator.finish()
    yield from found
