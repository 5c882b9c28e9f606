"""The map of memory that an estimator keeps: pieces between all boundaries of late, and what is known of each.

It is cut at the boundaries of every snapshot, and neighbours that agree are joined again.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import Ints, Snapshot

Floats = NDArray[np.float64]

FLOOR = 1e-3
"""Least chance of a positive look: what was never touched can still come into use."""
_SIMILAR_RATE = 1.5
"""How many times the lower of two rates the higher may be where neighbours are joined."""

# Rows of the state of each piece. Their order matters: the slices below take several at once.
PARTS = 0
"""Its parts in the counts of regions: looks that found it touched (`damontui.analysis.window`)."""
LOOKED = 1
"""Seconds for which it was looked at: looks that fell there, times the sampling interval."""
FELL = 2
"""Looks that fell there."""
TWICE = 3
"""Of single pages, each printed with a count k of N looks: sum of k (k - 1) / (N - 1) (`damontui.analysis.sparse`)."""
ONCE = 4
"""Of single pages: sum of k."""
ALONE = 5
"""How many pages were seen alone; one that stays alone counts once."""
HITS = 6
"""Of regions of a few pages: positive looks, times the pages of it that are in them."""
HIT_LOOKS = 7
"""Of regions of a few pages: looks, times the pages of it that are in them."""
SPOTS = 8
"""How many regions of a few pages were used far more than all of memory; one that stays counts once."""
BORN = 9
"""Since when it is known, seconds on the source's clock."""
RESTED = 10
"""When it was last not touched, seconds on the source's clock; -inf: never."""
SPARED = 11
"""Share of it that was never seen touched while it was in use, 0 … 1."""
SEEN = 12
"""When it was last touched, seconds on the source's clock; -inf: never. The first of three rows: see `LAST_TOUCHES`."""
_DECISIONS = 3
PLAIN = 1
"""Which of the three decisions of who was touched is the plain one: after the lenient and before the strict."""
_ROWS = SEEN + _DECISIONS

WINDOW_SUMS = slice(PARTS, TWICE)
"""Sums over aggregations, each of less weight the older it is, as `window.HALF_LIFE` says."""
SMALL_SUMS = slice(TWICE, BORN)
"""Sums that are forgotten more slowly: what single pages and small regions said."""
SUMS = slice(PARTS, BORN)
"""All sums: of a part of a piece they are less in proportion, of pieces that are joined they are added."""
LATEST = slice(BORN, _ROWS)
"""Times, and the share `SPARED`: a part of a piece has the same, and pieces that are joined the largest."""
LAST_TOUCHES = slice(SEEN, _ROWS)
"""When it was last touched, by the lenient, the plain and the strict decision."""


class Pieces:
    """Pieces of memory, sorted by target, then address, and the regions that they were in."""

    def __init__(self) -> None:
        self.targets: tuple[int, ...] = ()
        """The identifier of each target."""
        self.target = self.start = self.end = np.empty(0, np.int64)
        """Index into `targets`, and addresses ``[start, end)``, shape ``(pieces,)``."""
        self.bytes = np.empty(0)
        """Of memory in each, as the newest snapshot says, shape ``(pieces,)``."""
        self.state = np.empty((_ROWS, 0))
        """What is known of each, shape ``(rows, pieces)``: a row for each of `PARTS` … `SEEN`."""
        self.region = np.empty((0, 0), np.int64)
        """The region that each is in, of each snapshot since the last `forget`, -1: none; ``(snapshots, pieces)``."""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def sizes(self) -> Ints:
        """Bytes of addresses of each, shape ``(pieces,)``."""
        return self.end - self.start

    def copy(self) -> Pieces:
        """Another that knows the same and goes its own way."""
        other = copy(self)
        other.state = self.state.copy()  # all else is replaced, never written to
        return other

    def follow(self, snapshot: Snapshot) -> None:
        """Cut the pieces at the snapshot's boundaries; new memory becomes new pieces, what is gone is dropped."""
        self._renumber(snapshot.targets)
        span = _span(int(max(snapshot.end.max(), self.end.max(initial=0))), len(snapshot.targets))
        old, old_end = _keys(self.target, self.start, span), _keys(self.target, self.end, span)
        new, new_end = _keys(snapshot.target, snapshot.start, span), _keys(snapshot.target, snapshot.end, span)
        edges, index = np.unique(np.concatenate((new, new_end, old, old_end)), return_index=True)
        addresses = np.concatenate((snapshot.start, snapshot.end, self.start, self.end))[index]
        region = np.searchsorted(new, edges[:-1], side="right") - 1
        inside = (region >= 0) & (edges[:-1] < new_end[region])
        low, region = edges[:-1][inside], region[inside]
        self.target = snapshot.target[region]
        # the next edge is of the same target: no key of a target is as high as that of the next one's address 0
        high = edges[1:][inside]
        start, end = addresses[:-1][inside], addresses[1:][inside]
        size = (end - start).astype(np.float64)
        piece = np.searchsorted(old, low, side="right") - 1
        known = piece >= 0
        known[known] = high[known] <= old_end[piece[known]]
        piece = piece[known]
        state, before = self.state.take(piece, axis=1), self.region.take(piece, axis=1)
        state[SUMS] *= size[known] / self.sizes[piece]
        if len(piece) < len(low):
            kept, held = state, before
            state, before = np.full((_ROWS, len(low)), -np.inf), np.full((len(self.region), len(low)), -1)
            state[SUMS], state[BORN], state[SPARED] = 0.0, snapshot.began, 0.0
            state[:, known], before[:, known] = kept, held
        regions = np.concatenate((before, region[None]))
        self.start, self.end, self.state, self.region = start, end, state, regions
        self.bytes = size * (snapshot.memory / np.maximum(snapshot.sizes, 1))[region]

    def join(self, similar: float, now: float, sample_s: float) -> bool:
        """Join neighbours that no region in the window tells apart and whose past is alike.

        Args:
            similar: by how much idle times may differ, as a share of the shorter; inf joins whatever their past is.
            now: when the newest aggregation ended.
            sample_s: its sampling interval, seconds.

        Returns:
            Whether any were joined.
        """
        if len(self) < 2:
            return False
        state, size = self.state, self.sizes
        ago = now - np.maximum(state[LAST_TOUCHES], state[BORN])
        rate = state[PARTS] / (state[LOOKED] + 1e-12)
        low, high = np.minimum(rate[1:], rate[:-1]), np.maximum(rate[1:], rate[:-1])
        alike = (self.target[1:] == self.target[:-1]) & (self.start[1:] == self.end[:-1])
        alike &= (self.region[:, 1:] == self.region[:, :-1]).all(axis=0)
        if np.isfinite(similar):
            alike &= (np.abs(np.diff(ago)) <= similar * np.minimum(ago[:, 1:], ago[:, :-1])).all(axis=0)
            quiet = high * sample_s < FLOOR
            alike &= quiet | (high <= low * (_SIMILAR_RATE + similar))
        first = np.flatnonzero(np.concatenate(([True], ~alike)))
        if len(first) == len(self):
            return False
        joined = np.empty((_ROWS, len(first)))
        joined[SUMS] = np.add.reduceat(state[SUMS], first, axis=1)
        joined[LATEST] = np.maximum.reduceat(state[LATEST], first, axis=1)
        last = self.end[np.append(first[1:], len(size)) - 1]
        self.state, self.bytes = joined, np.add.reduceat(self.bytes, first)
        self._take_places(first)
        self.end = last
        return True

    def forget(self, snapshots: int) -> None:
        """Forget which regions of the oldest snapshots pieces were in."""
        self.region = self.region[snapshots:]

    def _renumber(self, targets: tuple[int, ...]) -> None:
        """Targets are known by their identifier; those that are gone take their pieces with them."""
        if targets == self.targets:
            return
        place = {identifier: index for index, identifier in enumerate(targets)}
        became = np.array([place.get(identifier, -1) for identifier in self.targets], np.int64)
        self.targets = targets
        if len(self):
            target = became[self.target]
            order = np.lexsort((self.start, target))
            kept = order[target[order] >= 0]
            self.bytes, self.state = self.bytes[kept], self.state.take(kept, axis=1)
            self._take_places(kept)
            self.target = became[self.target]

    def _take_places(self, index: Ints) -> None:
        """Keep where some of the pieces are and were; what is known of them is the caller's to keep."""
        self.target, self.start, self.end = self.target[index], self.start[index], self.end[index]
        self.region = self.region.take(index, axis=1)  # of two axes, three times as fast as an index in brackets


def _span(most: int, targets: int) -> tuple[int, int]:
    """Bits that an address takes beside the target's index in one int64, and bits that it must lose for that."""
    bits, free = most.bit_length() + 1, 62 - max(1, targets).bit_length()
    return min(bits, free), max(0, bits - free)


def _keys(target: Ints, address: Ints, span: tuple[int, int]) -> Ints:
    bits, lost = span
    return (target << bits) + (address >> lost)
