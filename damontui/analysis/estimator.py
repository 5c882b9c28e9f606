"""Since when has which memory not been touched: an estimate from snapshots alone, nearer to the truth than ages are.

Why not the ages. A region's age begins anew whenever memory in use is joined to it and cut off again, and its count
is spread over all its bytes. But the boundaries move at random from one aggregation to the next, so that consecutive
snapshots are many overlapping looks at the same bytes: a tomography.

What these looks say of each of the *pieces* between all boundaries is in `damontui.analysis.window`: a rate, and
decisions of who was touched. As an aggregation leaves the window of the last `LAG` they are final: the fixed lag. Until
then later snapshots still take back what looked touched. Of pages that are idle between others in use tells
`damontui.analysis.sparse`.

The interval. The same decisions are made with a stricter and with a more lenient pair of thresholds; the
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
from functools import partial
from typing import Self

import numpy as np

from damontui.analysis.estimate import Estimate, Floats, without_unseen
from damontui.analysis.pieces import BORN, LAST_TOUCHES, PLAIN, RESTED, Pieces
from damontui.analysis.rounding import Rounding
from damontui.analysis.sparse import SmallRegions, unused
from damontui.analysis.window import HALF_LIFE, Aggregation, Solution, note, solved
from damontui.damon.snapshot import Ints, Snapshot
from damontui.errors import UsageError

PIECES = 4_096
"""Most pieces of the map."""
LAG = 12
"""Aggregations after which a decision is final."""
_EARLY = 1
"""Aggregations by which a last touch may have been missed where it was seldom looked at."""
_GRAIN = 0.2
"""Part of a region of mean size by which the interval is wider (`Estimate.grain`)."""
_EXPECTED = 2.0
"""Positive looks that its rate would have had by now, from which on a piece that had none has ceased to be touched."""
_FORGOTTEN = 7.5
"""Half-lives back to which a rate is followed; what is left of an older one is chance."""
_SIMILAR_IDLE = 0.03
"""By how much idle times of neighbours that are joined may differ, as a share of the shorter."""
_AT_ONCE = 24_576
"""Pieces times aggregations of a window: with more pieces the lag is shorter, down to `_LEAST_LAG`."""
_LEAST_LAG = 4
_A_SNAPSHOT = 4_608
"""Pieces times aggregations shared out anew at each snapshot; with more, decisions become final several at once."""
_BATCH = 12
"""Decisions that become final at once where nobody asks in between (`smoothed`): the work of a snapshot is less."""

OnFinal = Callable[[Snapshot, Callable[[], Estimate]], None]
"""Is told a snapshot and what makes the estimate of its moment, to be called at once or never."""


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
    >>> estimate.idle(30).least <= estimate.idle(30).bytes <= estimate.idle(30).most
    True

    A snapshot that is no newer than the last one is left out. One of which events were lost, and a pause, are gaps:
    idle times begin anew after them, rates are kept.

    Args:
        pieces: most pieces of the map; where a snapshot has more regions, these.
        batch: how many decisions become final at once. More are less work, where nobody asks in between.
        on_final: is told each snapshot and what is known of its moment, once that is final; oldest first.
    """

    def __init__(
        self,
        pieces: int = PIECES,
        batch: int = 1,
        on_final: OnFinal | None = None,
    ) -> None:
        if pieces < 1 or batch < 1:
            raise UsageError("estimate: at least one piece and a batch of at least 1 are needed")
        self._most = pieces
        self._batch = batch
        self._on_final = on_final
        self._pieces = Pieces()
        self._columns: list[Aggregation] = []
        self._since = self._until = self._final_until = -np.inf
        self._gap = True
        self._rounding = Rounding()
        self._small = SmallRegions()
        self._solution: Solution | None = None

    def __len__(self) -> int:
        """Pieces of the map."""
        return len(self._pieces)

    def copy(self, on_final: OnFinal | None = None) -> Self:
        """Another that knows the same and goes its own way; it tells ``on_final`` what it finds final, or nobody."""
        other = copy(self)
        other._pieces, other._columns, other._on_final = self._pieces.copy(), list(self._columns), on_final
        other._rounding, other._small = copy(self._rounding), copy(self._small)
        return other

    def settled(self) -> Self:
        """Another that knows what is final here, to go on from: the aggregations of the window are to be added again.

        It is small, since it holds neither snapshots nor what was worked out of them.
        """
        other = self.copy()
        other._pieces.forget(len(self._columns))
        other._columns, other._solution, other._rounding = [], None, Rounding()
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
            self._pieces.state[BORN] = self._since = snapshot.began
            self._gap = False
        self._until = snapshot.time
        self._pieces.follow(snapshot)
        self._columns.append(Aggregation.of(snapshot, self._rounding.lost(snapshot)))
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
        columns, pieces = self._columns[: at + 1], self._pieces
        solution = self._solve()
        there = pieces.state[BORN] < columns[-1].time
        which: Ints | slice = slice(None) if there.all() else np.flatnonzero(there)  # memory that came later
        state = pieces.state[:, which].copy()
        for index, column in enumerate(columns):
            note(state, solution.touched[:, index][:, which], solution.chance[index][which], column)
        now, length = columns[-1].time, columns[-1].time - columns[-1].began
        seen = np.maximum(state[LAST_TOUCHES], state[BORN])
        idle = np.maximum(now - seen, 0.0)  # by the lenient, the plain and the strict decision
        used = np.where(idle[PLAIN] > 0, 0.0, now - np.maximum(state[RESTED], state[BORN]))
        start, end, target = pieces.start[which].copy(), pieces.end[which].copy(), pieces.target[which].copy()
        rate = np.minimum(solution.rate[at][which], 1.0 / columns[-1].sample_s)
        # when in an aggregation a touch came is not known either
        known = np.maximum(now - state[BORN], 0.0)
        least, plain = np.maximum(idle[0] - _EARLY * length, 0.0), idle[PLAIN].copy()
        most = np.minimum(idle[-1] + length, known)
        watched = max(0.0, now - self._since)
        looks, bandwidth = int(columns[-1].looks[0]), columns[-1].bandwidth
        held, region = pieces.bytes[which].copy(), pieces.region[at][which]
        spare, spare_most = unused(state, end - start, columns[-1].snapshot)
        alike = np.where(region >= 0, columns[-1].share[region], 0.0)
        apart = solution.touched[PLAIN, at][which]
        amounts = held if spare is None else held * (1.0 - spare)
        found = Estimate(
            time=now,
            watched_s=watched,
            aggregation_s=length,
            looks=looks,
            bandwidth=bandwidth,
            start=start,
            end=end,
            target=target,
            bytes=held,
            idle_s=plain,
            least_s=least,
            most_s=most,
            used_s=used,
            rate=rate,
            targets=pieces.targets,
            grain=_GRAIN * float(held.sum()) / max(1, len(columns[-1].count)),
            # what came later tells better who it was
            touched=float(amounts @ (alike + apart)) / 2.0 if at == len(self._columns) - 1 else None,
            unused=spare,
            unused_most=spare_most,
            unheard=_unheard(rate, idle[0], columns[-1], columns[-1].shares_of(end - start, region)),
        )
        return without_unseen(found, columns[-1].snapshot)

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

    def _join(self, similar: float) -> None:
        if self._pieces.join(similar, self._until, self._columns[-1].sample_s):
            self._solution = None

    def _settle(self, columns: int) -> None:
        """Make the decisions of the oldest columns final."""
        if not columns or not self._columns:
            return
        solution = self._solve()
        if self._on_final is not None:
            for index, column in enumerate(self._columns[:columns]):
                self._on_final(column.snapshot, partial(self._about, index))
        for index, column in enumerate(self._columns[:columns]):
            self._small.write_to(self._pieces, self._pieces.region[index], column)
            solution.keep(index, column, self._pieces.state)
        self._final_until = self._columns[columns - 1].time
        del self._columns[:columns]
        self._pieces.forget(columns)
        self._solution = solution.after(columns)

    def _solve(self) -> Solution:
        if self._solution is None:
            pieces = self._pieces
            self._solution = solved(self._columns, pieces.region, pieces.sizes, pieces.state)
        return self._solution


def _unheard(rate: Floats, silent_s: Floats, newest: Aggregation, share: Floats) -> Floats:
    """Touches a second of a page that may go on unseen (this module's *interval*); all of shape ``(pieces,)``.

    Args:
        rate: touches a second, as weighted over time.
        silent_s: seconds since the last touch, at least (by the lenient decision).
        newest: the aggregation that just ended.
        share: of each piece in its region, of whose looks it gets as many.
    """
    # what it was before it fell silent: since then the weights were of looks that met nothing
    faded = silent_s / ((newest.time - newest.began) * HALF_LIFE)
    before = np.minimum(rate * 2.0 ** np.minimum(faded, _FORGOTTEN), 1.0 / newest.sample_s)
    return np.where(before * silent_s * share < _EXPECTED, before, 0.0)


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

    def on_final(snapshot: Snapshot, about: Callable[[], Estimate]) -> None:
        nonlocal last
        if snapshot.time >= last + every:
            found.append((snapshot, about()))
            last = snapshot.time

    estimator = Estimator(pieces, batch=_BATCH, on_final=on_final)
    for snapshot in snapshots:
        if snapshot.measured is None:
            estimator.add(snapshot)
            yield from found
            found.clear()
    estimator.finish()
    yield from found
