"""How likely an access to synthetic memory is: of a page, of a region in sample after sample, and of all pages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import Ints
from damontui.operations.schedule import Schedule

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Chances:
    """The chances of accesses to the memory that a schedule tells of; times are microseconds since its start."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._layout = schedule.layout
        self._at_random: dict[tuple[int, int], tuple[Floats, Floats]] = {}

    def of_pages(self, page: Ints, began: int, ended: int) -> tuple[Bools, Floats]:
        """Which flat pages are touched for certain in ``[began, ended)``, and each one's chance of a random touch.

        All of shape ``(pages,)``.
        """
        schedule = self.schedule
        segment = self._layout.segment_of(page)
        exponent = np.zeros(len(page))
        touched = np.zeros(len(page), bool)
        for stretch in schedule.stretches(began, ended):
            exponent += schedule.rate[stretch.phase][segment] * ((stretch.ended - stretch.began) / 1e6)
            periodic = schedule.periodic[stretch.phase]
            if len(periodic.segment):
                first, many = periodic.touched(np.array([stretch.began, stretch.ended]) - stretch.origin)
                index = np.minimum(np.searchsorted(periodic.segment, segment), len(periodic.segment) - 1)
                inside = page - periodic.first[index]
                touched |= (
                    (periodic.segment[index] == segment)
                    & ((inside - first[index, 0]) % periodic.pages[index] < many[index, 0])
                    & (inside % periodic.every[index] == 0)
                )
        extra = schedule.whole_cycles(began, ended)
        if extra:
            exponent += extra * schedule.exponent[segment]
        return touched, -np.expm1(-exponent)

    def of_regions(
        self, first: Ints, last: Ints, samples: int, sample_us: int, chunk: int, began: int
    ) -> Iterator[tuple[Floats, Ints, Floats, int]]:
        """The chance of an access in the samples from ``began`` on, run of samples by run of samples.

        Args:
            first, last: flat pages ``[first, last)`` of each region, rising; shape ``(regions,)``.
            samples: how many, of ``sample_us`` each.
            chunk: most samples in a run.

        Yields:
            ``(constant, rows, touched, many)``: for ``many`` samples, each region has the chance ``constant`` (shape
            ``(regions,)``), and the regions ``rows`` have in addition ``touched`` of their pages touched for certain
            (shape ``(len(rows), many)``).
        """
        schedule, time, left = self.schedule, began, samples
        lower, upper = self._layout.segment_of(first), self._layout.segment_of(last - 1)
        pages = np.maximum(last - first, 1)
        none = np.zeros(0, np.int64)
        while left:
            stretch = schedule.stretch_at(time)
            many = min(left, chunk, (stretch.ended - time) // sample_us)
            if many:
                chance, mass = self._mass(stretch.phase, sample_us)
                constant = self._within(first, last, lower, upper, chance, mass) / pages
                edges = time - stretch.origin + sample_us * np.arange(many + 1)
                rows, touched = schedule.periodic[stretch.phase].touched_pages(first, last, edges, chance)
                yield np.clip(constant, 0.0, 1.0), rows, touched, many
            else:
                many = 1  # a sampling interval in which the phase changes
                corners, below = self.profile(time, time + sample_us)
                hit = np.interp(last, corners, below) - np.interp(first, corners, below)
                yield np.clip(hit / pages, 0.0, 1.0), none, np.zeros((0, 1)), 1
            time += many * sample_us
            left -= many

    def _mass(self, phase: int, sample_us: int) -> tuple[Floats, Floats]:
        """The chance that a page is touched in a sampling interval, by segment, and the sum of that over all pages
        below each segment; shape ``(segments,)``."""
        key = (phase, sample_us)
        found = self._at_random.get(key)
        if found is None:
            chance = -np.expm1(-self.schedule.rate[phase] * (sample_us / 1e6))
            mass = np.concatenate(([0.0], np.cumsum(chance * self._layout.pages)))[:-1]
            if len(self._at_random) > 4 * len(self.schedule.bounds):
                self._at_random.clear()
            found = self._at_random[key] = (chance, mass)
        return found

    def _within(self, first: Ints, last: Ints, lower: Ints, upper: Ints, chance: Floats, mass: Floats) -> Floats:
        edges = self._layout.edges
        straddling = mass[upper] + chance[upper] * (last - edges[upper]) - mass[lower]
        straddling -= chance[lower] * (first - edges[lower])
        # taken apart, since a difference of two large sums is not exactly 0 or 1 inside one area
        return np.where(lower == upper, chance[lower] * (last - first), straddling)

    def profile(self, began: int, ended: int) -> tuple[Floats, Floats]:
        """Expected pages touched at least once in ``[began, ended)`` below each flat page of the first array."""
        schedule = self.schedule
        exponent = schedule.whole_cycles(began, ended) * schedule.exponent
        covers: dict[int, tuple[list[Ints], list[Ints]]] = {}  # by `every`
        for stretch in schedule.stretches(began, ended):
            exponent = exponent + schedule.rate[stretch.phase] * ((stretch.ended - stretch.began) / 1e6)
            periodic = schedule.periodic[stretch.phase]
            if len(periodic.segment):
                first, many = periodic.touched(np.array([stretch.began, stretch.ended]) - stretch.origin)
                begin, end, size = periodic.first + first[:, 0], first[:, 0] + many[:, 0], periodic.pages
                straight = periodic.first + np.minimum(end, size)
                wrapped = periodic.first + np.maximum(end - size, 0)
                for every in set(periodic.every.tolist()):
                    which = periodic.every == every
                    starts, stops = covers.setdefault(every, ([], []))
                    starts += [begin[which], periodic.first[which]]
                    stops += [straight[which], wrapped[which]]
        chance = -np.expm1(-exponent)
        ends = [edge for starts, stops in covers.values() for edge in (*starts, *stops)]
        corners = np.unique(np.concatenate([self._layout.edges, *ends]))
        untouched = 1.0 - chance[self._layout.segment_of(corners[:-1])]
        for every, (starts, stops) in covers.items():
            change = np.zeros(len(corners), np.int64)
            np.add.at(change, np.searchsorted(corners, np.concatenate(starts)), 1)
            np.add.at(change, np.searchsorted(corners, np.concatenate(stops)), -1)
            untouched[np.cumsum(change)[:-1] > 0] *= 1.0 - 1.0 / every
        level = 1.0 - untouched
        below = np.concatenate(([0.0], np.cumsum(level * np.diff(corners))))
        return corners.astype(np.float64), below
