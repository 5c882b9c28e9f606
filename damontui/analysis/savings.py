"""What could be saved: memory idle for at least a time, how sure that is, and what the rest would need.

Idle memory at a threshold T and the ends of its 95 % interval are those of `damontui.analysis.estimate`, from all
snapshots up to a few aggregations after the moment (`Learned`); memory that is free, or that the kernel uses itself, is
none of it. A threshold that memory was not watched for is not known. Where bytes were counted (`Measured`) there is
nothing to estimate: idle memory and its interval are what was counted.

By the kernel's rule (`idle`, and `Ledger` by itself) it is `damontui.damon.metrics.idle_at_least`: the bytes of all
regions with no access whose pattern has held for T. Its error bar comes from the structure of the regions. One page
stands for a region at each look, N looks to an aggregation, so:

* ``most`` adds all younger idle regions, for an age begins anew wherever memory in use is joined to a region and cut
  off again, so that parts of it may have been idle for long; and what may hide in regions that straddle, those in use
  of which only ``n`` of ``N`` looks found an access: ``size * (1 - n / N)``, for on average the share ``n / N`` of such
  a region was touched between two looks.
* ``least`` takes away what idle regions may hide. A share ``q`` of pages that are touched once an aggregation is met
  by ``q`` looks an aggregation on average; where ``a + 1`` aggregations met none, ``q`` is at most ``3 / (a + 1)`` with
  95 % confidence (the rule of three). So an idle region counts for ``size * (1 - min(1, 3 / (a + 1)))``.

Beside the truth of synthetic memory the kernel's rule is nearly always too low, the more so the longer the threshold.

The working set at T is all other memory: what was used within T (`damontui.analysis.usage`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import estimate, timeline, usage
from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import PIECES
from damontui.analysis.hindsight import Entries, Hindsight, Past
from damontui.analysis.usage import Amount
from damontui.damon import metrics
from damontui.damon.snapshot import KINDS, Snapshot, Truth

Floats = NDArray[np.float64]

THRESHOLDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Times that idle memory is told for, seconds."""
OVER_TIME = (0, 50, 90, 100)
"""Percentiles of a number over time that are shown."""
RULE_OF_THREE = 3.0
"""−ln 0.05, rounded: where so many events are expected, at least one is seen with 95 % confidence."""


def known_idle(snapshot: Snapshot, seconds: float, known: Estimate | None = None) -> Amount | None:
    """Bytes idle for at least that long; None where memory was not watched for so long.

    Args:
        snapshot: of the moment.
        seconds: the threshold.
        known: the estimate of that moment; without one, the kernel's rule. Counted bytes need none.
    """
    if known is None or snapshot.measured is not None:
        return idle(snapshot, seconds) if usage.reaches(snapshot, seconds) else None
    if not known.reaches(seconds):
        return None
    return known.idle(seconds)


def idle(snapshot: Snapshot, seconds: float) -> Amount:
    """Bytes idle for at least that long, by the kernel's rule or as they were counted.

    Counted memory that was not watched for so long: none for certain, and at most what was idle for all that time.
    """
    row = _idle_rows(snapshot, (seconds,))[:, 0]
    measured = snapshot.measured
    if measured is not None and len(snapshot) and np.isnan(row[1]):
        return Amount(0.0, 0.0, float(snapshot.total_bytes - measured.least[-1]))
    return Amount(*row.tolist())


def _idle_rows(snapshot: Snapshot, seconds: Sequence[float]) -> Floats:
    """``least``, ``found`` and ``most`` at each threshold, shape ``(3, thresholds)``.

    NaN where bytes were counted, but not for so long.
    """
    measured = snapshot.measured
    if measured is not None and len(snapshot):
        curves = np.stack((measured.most, measured.used.sum(axis=0), measured.least))
        rows = [
            usage.on_curve(measured.seconds, curves, one) if usage.reaches(snapshot, one) else np.full(3, np.nan)
            for one in seconds
        ]
        counted: Floats = snapshot.total_bytes - np.stack(rows, axis=1)
        return counted
    sizes = snapshot.memory.astype(np.float64)
    used = snapshot.nr_accesses > 0
    straddling = float((sizes * (1.0 - np.minimum(metrics.access_rates(snapshot), 1.0)))[used].sum())
    rest = sizes[~used]
    sure = rest * (1.0 - np.minimum(1.0, RULE_OF_THREE / (snapshot.age[~used] + 1)))
    idle = metrics.idle_ms(snapshot)[~used]
    least, found = metrics.at_least(idle, np.stack((sure, rest)), np.asarray(seconds) * 1000.0)
    return np.stack((least, found, np.full(len(found), float(rest.sum()) + straddling)))


def true_share(truth: Truth, seconds: float) -> float:
    """Share of memory that truly was idle for that long, to half a percent: the truth comes as percentiles."""
    values = np.asarray(truth.idle_ms_percentiles)
    first = int(np.searchsorted(values, seconds * 1000.0, side="left"))
    if first == 0:
        return 1.0
    return 0.0 if first >= len(values) else (100.5 - first) / 100


@dataclass(frozen=True, slots=True)
class Saving:
    """What memory could be taken away at a threshold, over a window of time.

    Bytes. ``working_set`` is the p90 over the window of what was used within the threshold; ``saved`` is how much less
    than ``total`` that is; ``least`` and ``most`` are the same with the ends of the error bar.
    """

    threshold: float
    total: float
    working_set: float
    saved: float
    least: float
    most: float
    seconds: float
    """How much of the window was watched."""


_BEGAN, _ENDED, _TOTAL, _WATCHED, _FIRST = range(5)
MOST = 16_384
"""Rows kept, 5 MB; beyond that the older half is thinned."""
_AT_ONCE = 1_024


class Ledger:
    """Idle memory and working set of every snapshot of a past, so that asking again costs only what is new.

    Idle memory is by the kernel's rule, or as bytes were counted; `Learned` has it by the estimate.

    A row is: began, ended, total bytes, seconds for which memory was watched as far as the snapshot tells, then
    `_idle_rows` in one line.
    """

    def __init__(self) -> None:
        self._rows: Floats = np.empty((0, _FIRST + 3 * len(THRESHOLDS)))
        self._count = 0
        self._seen = (-1, -1)

    def __len__(self) -> int:
        return self._count

    def update(self, past: Past) -> None:
        """Take in new snapshots; where a long past is new, some of them, evenly spread, stand for all."""
        seen = (past.epoch, past.generation)
        if seen == self._seen:
            return
        if past.epoch != self._seen[0]:
            self._count = 0
        self._seen = seen
        newest = float(self._rows[self._count - 1, _ENDED]) if self._count else -np.inf
        for snapshot in past.between(newest, np.inf, _AT_ONCE):
            if snapshot.time > newest and len(snapshot):
                self._add(snapshot)

    def _add(self, snapshot: Snapshot) -> None:
        self._append(
            (
                snapshot.began,
                snapshot.time,
                snapshot.total_bytes,
                usage.watched(snapshot),
                *_idle_rows(snapshot, THRESHOLDS).ravel().tolist(),
            )
        )

    def _append(self, values: Sequence[float]) -> None:
        if self._count >= MOST:
            half = self._count // 2
            kept = np.concatenate((self._rows[1:half:2], self._rows[half : self._count]))
            self._count = len(kept)
            self._rows[: len(kept)] = kept
        if self._count == len(self._rows):
            self._rows = np.resize(self._rows, (max(256, 2 * self._count), self._rows.shape[1]))
        self._rows[self._count] = values
        self._count += 1

    def _held(self) -> Floats:
        """All rows, oldest first."""
        return self._rows[: self._count]

    def _window(self, since: float, until: float) -> Floats:
        rows = self._held()
        low, high = np.searchsorted(rows[:, _ENDED], (since, until), side="right")
        return rows[low:high]

    def _settled(self, rows: Floats, threshold: float) -> Floats:
        """The rows of moments at which memory could have been idle that long, as far as the watching goes."""
        watched = np.maximum(rows[:, _ENDED] - self._held()[0, _BEGAN] if len(rows) else 0.0, rows[:, _WATCHED])
        return rows[(watched >= threshold) & ~np.isnan(rows[:, self._column(threshold, 1)])]

    def _column(self, threshold: float, which: int) -> int:
        return _FIRST + which * len(THRESHOLDS) + THRESHOLDS.index(threshold)

    def used_within(self, threshold: float, since: float, until: float) -> tuple[float, ...]:
        """The working set at a threshold, as percentiles `OVER_TIME`; () where nothing was watched for so long."""
        rows = self._settled(self._window(since, until), threshold)
        return over_time(rows[:, _TOTAL] - rows[:, self._column(threshold, 1)], _lengths(rows), OVER_TIME)

    def saving(self, threshold: float, since: float, until: float) -> Saving | None:
        """What could be taken away, so that the working set would have fitted for 90 % of the time.

        None where memory was not watched for as long as the threshold.
        """
        rows = self._settled(self._window(since, until), threshold)
        if not len(rows):
            return None
        lengths = _lengths(rows)
        total = float(rows[-1, _TOTAL])
        needed = [
            over_time(rows[:, _TOTAL] - rows[:, self._column(threshold, which)], lengths, (90,))[0]
            for which in range(3)
        ]
        least, saved, most = (max(0.0, total - need) for need in needed)
        return Saving(threshold, total, needed[1], saved, least, most, float(lengths.sum()))

    def idle_columns(self, threshold: float, until: float, span: float, columns: int) -> list[float]:
        """Share of memory idle for the threshold: a mean for each column of time, NaN where there was no snapshot.

        Columns begin at multiples of their length, so that a value stays in its column until the picture moves on.

        Args:
            threshold: seconds.
            until: the end of the last column, source's clock.
            span: seconds of all columns.
            columns: how many.
        """
        if columns <= 0:
            return []
        rows = self._held()
        rows = rows[: int(np.searchsorted(rows[:, _ENDED], until, side="right"))]
        shares = rows[:, self._column(threshold, 1)] / np.maximum(rows[:, _TOTAL], 1.0)
        edges = timeline.slots(until, span, columns)
        found: list[float] = timeline.means(rows[:, _BEGAN], rows[:, _ENDED], shares, edges).tolist()
        return found


PIECES_KEPT = 400_000
"""Pieces of past moments that are kept to be drawn: 20 MB."""
EVERY = 1.0
"""Seconds from one row of a `Learned` to the next at least."""


class Learned(Ledger):
    """A `Ledger` by the estimate: every moment of a past with what is known of it now. For one thread.

    Rows of moments that later snapshots can still correct are made anew whenever they are asked for.

    Args:
        past: the history that is gone through.
        pieces: most pieces of the estimate's map.
    """

    def __init__(self, past: Entries, *, pieces: int = PIECES) -> None:
        super().__init__()
        self.past = past
        self.hindsight = Hindsight(past, pieces, on_final=self._take_down, forget=self._forget)
        self._open: tuple[float, Floats] = (-np.inf, self._rows)
        self._drawn: deque[Snapshot] = deque()
        self._pieces = 0
        self._provisional: tuple[float, list[Snapshot]] = (-np.inf, [])

    def catch_up(self, most: int | None = None, *, skip: bool = False) -> bool:
        """See `Hindsight.catch_up`."""
        return self.hindsight.catch_up(most, skip=skip)

    def update(self, past: Past) -> None:
        """Take in all that is new of its own past, whatever ``past`` is: a `Ledger` has none of its own."""
        self.catch_up()

    def about(self, moment: float | None, most: int) -> Estimate | None:
        """What is known now about a moment of the past, or of its newest one; None where that is not known (yet).

        Takes in what is new first, at most ``most`` snapshots: where the newest moment is asked for, older ones are
        left out as a gap; of a long record the others are taken in by the next calls. An estimate of the newest moment
        is kept for `EVERY` seconds.
        """
        if moment is None:
            newest = self.past.after(self.hindsight.until + EVERY - 1e-9)
            if newest is not None or not np.isfinite(self.hindsight.until):
                self.catch_up(most, skip=True)
            return self.hindsight.now()
        self.catch_up(most)
        return self.hindsight.about(moment)

    def _forget(self) -> None:
        self._count = self._pieces = 0
        self._drawn.clear()

    def _take_down(self, snapshot: Snapshot, about: Callable[[], Estimate]) -> None:
        last = float(self._rows[self._count - 1, _ENDED]) if self._count else -np.inf
        if snapshot.time >= last + EVERY - 1e-9:
            known = None if snapshot.measured is not None else about()
            self._append(self._row(snapshot, known, last))
            if known is not None:
                self._drawn.append(_picture(known, snapshot, last))
                self._pieces += len(self._drawn[-1])
                while self._pieces > PIECES_KEPT and len(self._drawn) > 1:
                    self._pieces -= len(self._drawn.popleft())

    @property
    def settled(self) -> float:
        """The moment up to which pictures do not change any more, source's clock."""
        return self._drawn[-1].time if self._drawn else -np.inf

    def walk(self, since: float, until: float, most: int | None = None) -> Iterator[Snapshot]:
        """What is known of memory at moments of a time, to be drawn (`estimate.as_snapshot`), as `History.walk`."""
        if self._provisional[0] != self.hindsight.until:
            last, made = self.settled, []
            for snapshot, about in self.hindsight.window():
                if snapshot.time >= last + EVERY - 1e-9:
                    made.append(_picture(about(), snapshot, last))
                    last = snapshot.time
            self._provisional = (self.hindsight.until, made)
        found = [one for one in (*self._drawn, *self._provisional[1]) if one.time > since and one.began < until]
        if most is not None and len(found) > most:
            step = -(-len(found) // most)
            found = found[(len(found) - 1) % step :: step]
        return iter(found)

    def _row(self, snapshot: Snapshot, known: Estimate | None, last: float) -> list[float]:
        if known is None:
            found, total, watched = _idle_rows(snapshot, THRESHOLDS), snapshot.total_bytes, usage.watched(snapshot)
            length, held = snapshot.time - snapshot.began, float(total)
        else:
            reached = [known.reaches(one) for one in THRESHOLDS]
            found = np.where(reached, known.idle_at(THRESHOLDS), np.nan)
            held, watched, length = known.total_bytes, known.watched_s, known.watched_s
        # it stands for the time since the last row, as far as that was watched
        began = max(last, snapshot.time - max(length, 1e-9))
        return [began, snapshot.time, held, watched, *found.ravel().tolist()]

    def _held(self) -> Floats:
        settled = super()._held()
        if self._open[0] != self.hindsight.until:
            last = float(settled[-1, _ENDED]) if len(settled) else -np.inf
            rows = []
            for snapshot, about in self.hindsight.window():
                if snapshot.time >= last + EVERY - 1e-9:
                    rows.append(self._row(snapshot, about(), last))
                    last = snapshot.time
            self._open = (self.hindsight.until, np.reshape(rows, (len(rows), self._rows.shape[1])))
        return np.concatenate((settled, self._open[1]))

    def _settled(self, rows: Floats, threshold: float) -> Floats:
        return rows[~np.isnan(rows[:, self._column(threshold, 1)])]


def _picture(known: Estimate, snapshot: Snapshot, last: float) -> Snapshot:
    """The estimate as a snapshot for the time since the moment ``last``, as far as memory was watched."""
    return estimate.as_snapshot(known, snapshot, max(last, known.time - max(known.watched_s, 1e-9)))


def _lengths(rows: Floats) -> Floats:
    lengths: Floats = np.maximum(rows[:, _ENDED] - rows[:, _BEGAN], 1e-9)
    return lengths


def over_time(values: Floats, lengths: Floats, wanted: Sequence[float]) -> tuple[float, ...]:
    """Percentiles of values that each held for a length of time: the first, rising, at which that much has passed."""
    if not len(values):
        return ()
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(lengths[order])
    first = np.searchsorted(reached, np.asarray(wanted) / 100 * reached[-1] * (1 - 1e-12), side="left")
    return tuple(values[order][np.minimum(first, len(values) - 1)].tolist())


# --- whose it is ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedOwner:
    """All memory of one name."""

    name: str
    regions: int
    bytes: int
    idle: int
    """Bytes idle for at least the threshold."""
    used: int
    """Bytes in use: of regions with an access, or touched within the shortest time that was measured."""
    largest: int
    """Index of its largest region."""


def owners_by_name(snapshot: Snapshot, seconds: float, known: Estimate | None = None) -> list[NamedOwner]:
    """Memory by what is mapped there, most idle memory first; where nothing is named, by target.

    Args:
        snapshot: of the moment.
        seconds: the threshold.
        known: the estimate of that moment, which then tells what is idle; without one, the kernel's rule. Counted
            bytes need none.
    """
    if not len(snapshot):
        return []
    if snapshot.names:
        names = list(snapshot.names)
    else:
        names = [f"target {snapshot.targets[i]}" if len(snapshot.targets) > 1 else "" for i in snapshot.target.tolist()]
    table = {name: index for index, name in enumerate(dict.fromkeys(names))}
    code = np.array([table[name] for name in names], dtype=np.int64)
    memory = snapshot.memory
    count = len(table)
    order = np.lexsort((-memory, code))
    first = order[np.searchsorted(code[order], np.arange(count), side="left")]
    cold, used = usage.idle_by_region(snapshot, seconds), usage.in_use(snapshot)
    if known is not None and snapshot.measured is None:
        cold = known.within(snapshot, known.idle_bytes(seconds))
    # float64 is exact up to 8 PiB
    totals = (np.rint(np.bincount(code, column, count)).astype(np.int64).tolist() for column in (memory, cold, used))
    rows = zip(table, np.bincount(code).tolist(), *totals, first.tolist(), strict=True)
    return sorted((NamedOwner(*row) for row in rows), key=lambda one: (-one.idle, -one.bytes, one.name))


KIND_WORDS = {"anon": "anonymous", "file": "files", "shmem": "shared"}
"""The kinds of a process's memory in words."""


def by_kind(snapshot: Snapshot, seconds: float) -> list[NamedOwner]:
    """Memory by kind, most idle memory first; [] where kinds are not known.

    ``regions`` counts the mappings that have memory of the kind, ``largest`` is the one with most. The touched bytes of
    a mapping of two kinds are shared out by its bytes of each, since the kernel tells only the sum.
    """
    measured = snapshot.measured
    if measured is None or not len(snapshot):
        return []
    whole = np.maximum(snapshot.memory, 1)
    cold, used = usage.idle_by_region(snapshot, seconds) / whole, usage.in_use(snapshot) / whole
    found = []
    for at, kind in enumerate(KINDS):
        held = measured.kinds[:, at]
        if held.any():
            amounts = (int(held.sum()), round(float((held * cold).sum())), round(float((held * used).sum())))
            found.append(NamedOwner(KIND_WORDS[kind], int((held > 0).sum()), *amounts, int(held.argmax())))
    return sorted(found, key=lambda one: (-one.idle, -one.bytes, one.name))
