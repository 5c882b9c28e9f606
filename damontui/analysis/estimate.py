"""What is known about one moment: since when which memory has not been touched, with bounds (`Estimate`).

`damontui.analysis.estimator` makes it of snapshots, and says how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import frames
from damontui.analysis.usage import Amount
from damontui.damon.attrs import Attrs
from damontui.damon.metrics import percentiles_of
from damontui.damon.snapshot import Ints, Snapshot

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_ABOVE = 1.5
"""How many times `Estimate.grain` the interval is wider above: what was taken for touched by chance adds up the longer
the idle time is."""
_RULE_OF_THREE = 3.0
"""−ln 0.05, rounded: looks at a share of pages that would have found it with 95 % confidence."""
_UNSURE = 0.9
"""An uncertainty from which on nothing is shown of a piece."""
_PERCENT = 100
_MILLISECOND = Attrs(sample_us=1_000 // _PERCENT, aggr_us=1_000, goal=None)


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
    """Share of each piece whose pages were not touched though others between them were; None: of none.

    These pages have been idle for as long as memory is watched, and so for any time that is no longer (`reaches`); the
    others are idle since the piece was touched. `idle_shares` has the rule, `idle_at` and `ages` follow it. Where a
    piece can have one age only (`as_snapshot`) it is that of the others.
    """
    unused_most: Floats | None = None
    """The upper end of the interval of ``unused``."""
    unheard: Floats | None = None
    """Touches of a page a second that may go on unseen, 0 where it was quiet for too long; None: of none."""

    def __post_init__(self) -> None:
        optional = (one for one in (self.unused, self.unused_most, self.unheard) if one is not None)
        always = (self.start, self.end, self.target, self.bytes, self.idle_s, self.least_s, self.most_s, self.used_s)
        for array in (*always, self.rate, *optional):
            array.flags.writeable = False

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
        reached = self.reaches(seconds)
        found, most = (
            np.where(ages >= seconds - 1e-9, 1.0, 0.0 if unused is None or not reached else unused)
            for ages, unused in self._upper
        )
        return np.stack((self._sure(seconds), found, most))

    @property
    def _upper(self) -> tuple[tuple[Floats, Floats | None], tuple[Floats, Floats | None]]:
        """Of what was found and of the upper end: idle times, and the share that is idle however short these are."""
        return (self.idle_s, self.unused), (self.most_s, self.unused_most)

    def _sure(self, seconds: float) -> Floats:
        """Share of each piece that is idle for certain: where it looks so the rest may have been in use unseen."""
        hidden = _RULE_OF_THREE * self.aggregation_s / (self.looks * np.maximum(self.least_s, self.aggregation_s))
        sure: Floats = 1.0 - np.minimum(1.0, hidden)
        if self.unheard is not None:
            sure = sure * np.exp(-self.unheard * seconds)
        return sure * (self.least_s >= seconds - 1e-9)

    def _found(self, ages: Floats, unused: Floats | None, seconds: Sequence[float]) -> Floats:
        """Bytes by one of `_upper` at each of ``seconds``: what `idle_shares` makes of them, in one product for all."""
        wanted = np.asarray(seconds, np.float64)[:, None] - 1e-9
        found: Floats = (ages >= wanted) @ self.bytes
        if unused is None:
            return found
        reached = np.array([self.reaches(one) for one in seconds])
        return found + reached * ((ages < wanted) @ (self.bytes * unused))

    def idle_at(self, seconds: Sequence[float]) -> Floats:
        """`idle` at each of ``seconds``: least, found and most, shape ``(3, len(seconds))``.

        The sums of `idle_shares`, and an interval that is wider by what these do not know of.
        """
        least = np.array([self.bytes @ self._sure(one) for one in seconds])
        found, most = (self._found(ages, unused, seconds) for ages, unused in self._upper)
        reached = np.array([self.reaches(one) for one in seconds])
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

        Of a piece between whose touched pages others are not, these come apart, idle since memory is watched: bytes of
        at least an age are those that `idle_shares` finds, for any time that memory was watched for.
        """
        if self.unused is None:
            return self.idle_s, self.bytes
        rest = self.bytes * np.where(self.idle_s < self.watched_s, self.unused, 0.0)
        return np.append(self.idle_s, np.full(len(rest), self.watched_s)), np.append(self.bytes - rest, rest)


def without_unseen(found: Estimate, snapshot: Snapshot) -> Estimate:
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


def as_snapshot(found: Estimate, snapshot: Snapshot, began: float) -> Snapshot:
    """An estimate in the form of a snapshot, to be drawn as one: pieces are regions, and their ages milliseconds.

    Left out are pieces of which nothing is known, and those that are mostly free or the kernel's own. Rates are not
    told: ``nr_accesses`` is the percentage of a piece's pages in use where it was touched in the last aggregation, 100
    but where some of its pages are not (`Estimate.unused`), and 0 elsewhere. A region has one age: of a piece that is
    idle these pages are shown as old as the others, though they are idle for longer.

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
