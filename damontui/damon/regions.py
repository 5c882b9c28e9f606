"""Regions: a structure of arrays, and what the kernel does to its lists of regions (``mm/damon/core.c``).

No operation writes into an array that it did not just make, so a snapshot may share them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import Ints, ints

Ranges = Sequence[tuple[int, int]]
"""Address ranges ``[start, end)`` of one target, sorted."""


def aligned(ranges: Ranges) -> list[tuple[int, int]]:
    """The ranges widened to whole pages; what they then share goes to the first, and empty ones are dropped."""
    pages: list[tuple[int, int]] = []
    last = 0
    for start, end in sorted(ranges):
        low = max(last, start // PAGE_SIZE * PAGE_SIZE)
        high = -(-end // PAGE_SIZE) * PAGE_SIZE
        if low < high and start < end:
            pages.append((low, high))
            last = high
    return pages


class Regions:
    """The regions of all targets, sorted by target, then address; disjoint and page-aligned.

    Attributes:
        start: first byte, int64, shape ``(regions,)`` as all of them.
        end: byte after the last.
        nr_accesses: samples of the running aggregation that saw an access.
        last_nr_accesses: ``nr_accesses`` of the aggregation before.
        age: aggregations for which the pattern held.
        target: index of the target.
    """

    __slots__ = ("age", "end", "last_nr_accesses", "nr_accesses", "start", "target")

    def __init__(
        self,
        start: Ints,
        end: Ints,
        nr_accesses: Ints | None = None,
        last_nr_accesses: Ints | None = None,
        age: Ints | None = None,
        target: Ints | None = None,
    ) -> None:
        def or_zeros(values: Ints | None) -> Ints:
            return np.zeros(len(start), dtype=np.int64) if values is None else values

        self.start = start
        self.end = end
        self.nr_accesses = or_zeros(nr_accesses)
        self.last_nr_accesses = or_zeros(last_nr_accesses)
        self.age = or_zeros(age)
        self.target = or_zeros(target)

    @classmethod
    def from_ranges(cls, targets: Sequence[Ranges]) -> Regions:
        """One region for each range of each target, with nothing counted yet; ranges are widened to whole pages."""
        rows = [(start, end, index) for index, ranges in enumerate(targets) for start, end in aligned(ranges)]
        start, end, target = ints(rows).reshape(-1, 3).T.copy()
        return cls(start, end, target=target)

    def __len__(self) -> int:
        return len(self.start)

    @property
    def sizes(self) -> Ints:
        """Bytes of each region."""
        return self.end - self.start

    def size_limit(self, min_regions: int) -> int:
        """Bytes that a region may have at most, so that at least ``min_regions`` remain: whole pages, at least one."""
        share = max(PAGE_SIZE, int(self.sizes.sum()) // min_regions)
        return -(-share // PAGE_SIZE) * PAGE_SIZE

    def count_ages(self, threshold: int) -> None:
        """Make each region one aggregation older where its pattern held, and 0 aggregations old elsewhere.

        The pattern held where ``nr_accesses`` changed by at most ``threshold`` and not from or to zero.
        """
        now, before = self.nr_accesses, self.last_nr_accesses
        held = (np.abs(now - before) <= threshold) & ((now == 0) == (before == 0))
        self.age = np.where(held, self.age + 1, 0)

    def merge(self, threshold: int, size_limit: int) -> None:
        """Join each region to the one before it where they touch, are alike and together small enough.

        Left to right: what is compared and averaged is the region joined so far. Counts and ages become means
        weighted by size, rounded down.
        """
        count = len(self)
        if count == 0:
            return
        apart = (self.start[1:] != self.end[:-1]) | (self.target[1:] != self.target[:-1])
        # counts of regions that do not touch are moved further apart than the threshold; means move with them
        shift = np.zeros(count, dtype=np.int64)
        apart.cumsum(out=shift[1:])
        shift *= threshold + 1 + int(self.nr_accesses.max())
        nr_accesses = (self.nr_accesses + shift).tolist()
        sizes = (self.sizes // PAGE_SIZE).tolist()
        ages = self.age.tolist()
        limit = size_limit // PAGE_SIZE
        first: list[int] = []
        means: list[int] = []
        mean_ages: list[int] = []
        mean, size, mean_age = nr_accesses[0] + threshold + 1, 0, 0
        # each mean depends on the one before it, rounded down: the one loop over regions that stays a loop
        for index, (value, pages, age) in enumerate(zip(nr_accesses, sizes, ages, strict=True)):
            if -threshold <= mean - value <= threshold and (joined := size + pages) <= limit:
                mean = (mean * size + value * pages) // joined
                mean_age = (mean_age * size + age * pages) // joined
                size = joined
            else:
                first.append(index)
                means.append(mean)
                mean_ages.append(mean_age)
                mean, size, mean_age = value, pages, age
        means.append(mean)
        mean_ages.append(mean_age)
        kept = np.array(first)
        self.end = self.end[np.append(kept[1:], count) - 1]
        self.nr_accesses = np.array(means[1:]) - shift[kept]
        self.age = np.array(mean_ages[1:])
        self.start, self.target = self.start[kept], self.target[kept]
        self.last_nr_accesses = self.last_nr_accesses[kept]

    def merge_to(self, threshold: int, size_limit: int, max_regions: int, max_nr_accesses: int) -> None:
        """`merge`, and again with the threshold doubled while more than ``max_regions`` remain.

        The last threshold is ``max_nr_accesses``: no two counts differ by more. Where ranges have too many gaps, more
        regions than the maximum remain, as in the kernel.

        Args:
            threshold: difference of ``nr_accesses`` up to which neighbours are alike.
            size_limit: bytes that a joined region may have at most.
            max_regions: how many regions are to remain at most.
            max_nr_accesses: the greatest possible ``nr_accesses``.
        """
        self.merge(threshold, size_limit)
        while len(self) > max_regions and threshold < max_nr_accesses:
            threshold = min(max(1, threshold * 2), max_nr_accesses)
            self.merge(threshold, size_limit)

    def cut(self, size_limit: int) -> None:
        """Cut regions over ``size_limit`` (whole pages) at it, again and again; parts inherit all counters."""
        pieces = -(-self.sizes // size_limit)
        if not (pieces > 1).any():
            return
        self._take(np.repeat(np.arange(len(self)), pieces))
        first = pieces.cumsum() - pieces
        number = np.arange(len(self)) - np.repeat(first, pieces)
        self.start = self.start + number * size_limit
        self.end = np.minimum(self.end, self.start + size_limit)

    def split(self, parts: int, rng: np.random.Generator) -> None:
        """Cut each region in two, or with ``parts`` 3 in three, at random pages; parts inherit all counters.

        A cut is at one to nine tenths of the size, rounded down to a page; only while the piece is over two pages
        and only where both sides are non-empty. The second cut is made in the left piece.
        """
        draws = rng.integers(1, 10, size=(parts - 1, len(self)))
        lengths = np.empty((len(self), parts), dtype=np.int64)
        left = self.sizes
        for number, draw in enumerate(draws):
            cut = draw * left // (10 * PAGE_SIZE) * PAGE_SIZE
            cut = np.where((left > 2 * PAGE_SIZE) & (cut > 0), cut, left)
            # pieces lie from left to right, and the next cut is made in the leftmost
            lengths[:, parts - 1 - number] = left - cut
            left = cut
        lengths[:, 0] = left
        end = self.start[:, None] + lengths.cumsum(axis=1)
        there = lengths > 0
        self._take(there.nonzero()[0])
        self.end = end[there]
        self.start = self.end - lengths[there]

    def reset(self) -> None:
        """Begin the next aggregation: counts become the last ones."""
        self.last_nr_accesses = self.nr_accesses
        self.nr_accesses = np.zeros_like(self.nr_accesses)

    def set_ranges(self, targets: Sequence[Ranges], previous: Sequence[int | None] | None = None) -> None:
        """Follow changed address ranges, as the kernel's ``damon_set_regions``.

        In each range the regions that intersect it are kept: the first and the last of them are cut or stretched to the
        range's ends, and holes between them are filled with new regions. A range without any region becomes a new one;
        regions in no range are dropped. A region that reaches into several ranges stays with the first.

        Args:
            targets: the ranges of each target from now on.
            previous: the index that each target had so far, None for a new target; left out, indices stay.
        """
        rows = np.stack((self.start, self.end, self.nr_accesses, self.last_nr_accesses, self.age), axis=1)
        fitted: list[list[int]] = []
        for index, ranges in enumerate(targets):
            former = index if previous is None else previous[index]
            old = [] if former is None else rows[self.target == former].tolist()
            fitted.extend([*row, index] for row in _fit(old, aligned(ranges)))
        columns = ints(fitted).reshape(-1, 6).T.copy()
        self.start, self.end, self.nr_accesses, self.last_nr_accesses, self.age, self.target = columns

    def join_ranges(self, targets: Sequence[Ranges]) -> None:
        """One region for each range of each target: those inside it joined, counts and ages as in `merge`.

        Each range must begin with a region and hold all of those up to the next range's, as after `set_ranges`.
        """
        whole = Regions.from_ranges(targets)
        begins = set(zip(whole.target.tolist(), whole.start.tolist(), strict=True))
        first = [
            n for n, place in enumerate(zip(self.target.tolist(), self.start.tolist(), strict=True)) if place in begins
        ]
        size = self.sizes
        if len(first) < len(size):
            for name in ("nr_accesses", "last_nr_accesses", "age"):
                setattr(whole, name, np.add.reduceat(getattr(self, name) * size, first) // whole.sizes)
            for name in self.__slots__:
                setattr(self, name, getattr(whole, name))

    def _take(self, index: Ints) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name)[index])


def _fit(old: list[list[int]], ranges: Ranges) -> list[list[int]]:
    """Rows ``start end …`` of one target, fitted to its new ranges."""
    fitted: list[list[int]] = []
    at = 0
    for low, high in ranges:
        while at < len(old) and old[at][1] <= low:
            at += 1
        inside: list[list[int]] = []
        while at < len(old) and old[at][0] < high:
            inside.append(old[at])
            at += 1
        if not inside:
            fitted.append([low, high, 0, 0, 0])
            continue
        inside[0][0] = low
        inside[-1][1] = high
        for row in inside:
            if fitted and low < fitted[-1][1] < row[0]:
                fitted.append([fitted[-1][1], row[0], 0, 0, 0])
            fitted.append(row)
    return fitted
