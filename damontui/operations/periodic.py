"""Which pages of synthetic memory are touched periodically, and when: at once (scan) or one after another (sweep)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import Ints
from damontui.errors import UsageError
from damontui.operations.areas import FlatPages, Touch

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Periodic:
    """The segments that are touched periodically in one phase; all arrays have shape ``(periodic segments,)``.

    Times are microseconds since the phase began.
    """

    segment: Ints
    first: Ints  # flat page at which the segment begins
    pages: Ints
    granules: Ints  # steps in a period: one for a scan, every page for a sweep
    step: Ints  # pages in a granule
    period: Ints
    offset: Ints
    backwards: NDArray[np.bool_]
    every: Ints
    strides: bool  # whether any `every` is over 1
    random: bool  # whether any of these segments is touched at random as well

    @classmethod
    def of(cls, row: Sequence[Touch], layout: FlatPages) -> Periodic:
        """Those of a phase in which each segment is touched as ``row`` says.

        Raises:
            UsageError: an area is too large for its period: time would not fit into 64 bits.
        """
        which = [index for index, touch in enumerate(row) if touch.period]
        pages = layout.pages[which]
        granules = np.array([int(layout.pages[i]) if row[i].sweep else 1 for i in which], np.int64)
        for index in which:
            if int(layout.pages[index]) * row[index].period >= 1 << 62:
                raise UsageError(f"workload: area {layout.segments[index].name!r} is too large for so long a period")
        return cls(
            segment=np.array(which, np.int64),
            first=layout.edges[which],
            pages=pages,
            granules=granules,
            step=pages // np.maximum(granules, 1),
            period=np.array([row[i].period for i in which], np.int64),
            offset=np.array([row[i].offset for i in which], np.int64),
            backwards=np.array([row[i].backwards for i in which], bool),
            every=np.array([row[i].every for i in which], np.int64),
            strides=any(row[i].every > 1 for i in which),
            random=any(row[i].rate > 0 for i in which),
        )

    def touched(self, edges: Ints) -> tuple[Ints, Ints]:
        """First page and number of pages touched between each edge and the next, cyclic within the segment.

        ``edges``: microseconds into the phase, shape ``(samples + 1,)``. Returns two arrays ``(periodic, samples)``.
        """
        period, granules = self.period[:, None], self.granules[:, None]
        # nothing is touched before the offset
        periods, into = np.divmod(np.maximum(edges[None, :] - self.offset[:, None], 0), period)
        counter = -(-granules * into // period)  # granules touched since the period began
        # a product of periods and granules could pass 2^63
        turns = np.minimum(np.diff(periods, axis=1), 2)
        many = np.clip(turns * granules + np.diff(counter, axis=1), 0, granules)
        first = counter[:, :-1] % granules
        first = np.where(self.backwards[:, None], (granules - first - many) % granules, first)
        step = self.step[:, None]
        return first * step, many * step

    def last_touch(self, page: Ints, time: int) -> Ints:
        """When each page (offset in pages, shape ``(periodic, slices)``) was last touched before ``time``.

        Microseconds into the phase; negative where not since the phase began.
        """
        granules, period = self.granules[:, None], self.period[:, None]
        granule = page // self.step[:, None]
        granule = np.where(self.backwards[:, None], granules - 1 - granule, granule)
        first = self.offset[:, None] + granule * period // granules
        before = time - 1 - first
        return np.where(before >= 0, first + before // period * period, -1)

    def touched_pages(self, first: Ints, last: Ints, edges: Ints, chance: Floats) -> tuple[Ints, Floats]:
        """The regions of which any page is touched for certain, and how many pages in each sample.

        Without those that are expected to be touched at random as well.

        Args:
            first, last: flat pages ``[first, last)`` of each region, rising; shape ``(regions,)``.
            edges: between the samples, microseconds into the phase, shape ``(samples + 1,)``.
            chance: of a random touch of a page in a sample, shape ``(segments,)``.

        Returns:
            Indices of regions, and pages of shape ``(those regions, samples)``.
        """
        samples = len(edges) - 1
        nothing = np.zeros(0, np.int64), np.zeros((0, samples))
        if not len(self.segment):
            return nothing
        begin, many = self.touched(edges)
        active = np.flatnonzero(many.any(axis=1))
        if not len(active):
            return nothing
        start, size = self.first[active], self.pages[active]
        # regions are sorted: those that overlap an active segment
        low = np.searchsorted(start, first, side="right") - 1
        high = np.searchsorted(start, last, side="left") - 1
        reach = np.where(low >= 0, (start + size)[low], 0)
        rows = np.flatnonzero((high > low) | (reach > first))
        begin, many = begin[active], many[active]
        every = self.every[active, None] if self.strides else None
        spare = 1.0 - chance[self.segment[active], None] if self.random else None
        ends = begin + many
        grid = _on_grid(begin, every)

        def inside(page: Ints, at: Ints | slice) -> Floats:
            """Touched pages of the segments ``at`` below ``page`` (offset in pages)."""
            step = None if every is None else every[at]
            straight = _on_grid(np.minimum(page, ends[at]), step) - grid[at]
            wrapped = _on_grid(np.minimum(page, ends[at] - size[at, None]), step)
            found: Floats = (np.maximum(straight, 0) + np.maximum(wrapped, 0)).astype(np.float64)
            return found if spare is None else found * spare[at]

        whole = inside(size[:, None], slice(None))
        total = np.concatenate((np.zeros((1, samples)), np.cumsum(whole, axis=0)))

        def below(page: Ints, index: Ints) -> Floats:
            at = np.maximum(index, 0)
            found = total[at] + inside(np.minimum(page - start[at], size[at])[:, None], at)
            found[index < 0] = 0
            return found

        touched = below(last[rows], high[rows]) - below(first[rows], low[rows])
        any_touched = touched.any(axis=1)
        return rows[any_touched], touched[any_touched]


def _on_grid(page: Ints, every: Ints | None) -> Ints:
    """How many pages below ``page`` are multiples of ``every`` (None: all)."""
    return page if every is None else -(-page // every)
