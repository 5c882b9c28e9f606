"""What synthetic memory is: areas, how each is touched in which phase, and all of its pages in a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.operations import Target
from damontui.damon.snapshot import Ints
from damontui.errors import UsageError


@dataclass(frozen=True, slots=True)
class Touch:
    """How the pages of an area are touched; made by `poisson`, `scan` and `sweep`, or `IDLE`.

    Attributes:
        rate: touches of each page per second, at random times, independent from page to page.
        period: microseconds from one touch of a page to the next, 0 where not periodic.
        offset: microseconds from the beginning of the phase to the first touch.
        sweep: whether the touch moves through the area once in a period; else all its pages are touched at once.
        backwards: whether a sweep begins with the last page.
        every: only one page in so many, from the first on, is touched periodically at all (a long stride).

    Random and periodic touches may come together.
    """

    rate: float = 0.0
    period: int = 0
    offset: int = 0
    sweep: bool = False
    backwards: bool = False
    every: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate >= 0):
            raise UsageError(f"workload: a rate of {self.rate} Hz; it must be 0 or more")
        if self.period < 0 or self.offset < 0 or self.every < 1:
            raise UsageError("workload: periods and offsets must be 0 or more, and every at least 1")

    @property
    def used(self) -> bool:
        """Whether any page is ever touched this way."""
        return self.rate > 0 or self.period > 0


IDLE = Touch()
"""Nothing is touched."""


def poisson(rate: float) -> Touch:
    """Each page is touched ``rate`` times a second on average, as a Poisson process."""
    return Touch(rate=rate)


def scan(period: float, offset: float = 0.0) -> Touch:
    """All pages are touched at once every ``period`` seconds, first ``offset`` seconds into the phase."""
    return Touch(period=_microseconds(period), offset=round(offset * 1e6))


def sweep(period: float, offset: float = 0.0, *, backwards: bool = False, every: int = 1) -> Touch:
    """One page after another is touched, the whole area (or one page in ``every``) once in ``period`` seconds."""
    return Touch(period=_microseconds(period), offset=round(offset * 1e6), sweep=True, backwards=backwards, every=every)


def _microseconds(seconds: float) -> int:
    if not 1e-6 <= seconds <= 1e9:
        raise UsageError(f"workload: a period of {seconds:g} s is not within 1 us … 1e9 s")
    return round(seconds * 1e6)


@dataclass(frozen=True, slots=True)
class Area:
    """Memory with a name: ``size`` bytes from ``start``, both multiples of a page, in target ``target``."""

    name: str
    start: int
    size: int
    touch: Touch = IDLE
    """How it is touched in every phase that does not say otherwise."""
    target: int = 0


@dataclass(frozen=True, slots=True)
class Phase:
    """For ``duration`` seconds the named areas are touched so, the others as they say themselves."""

    duration: float
    touches: Mapping[str, Touch] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class FlatPages:
    """All pages of all targets numbered through ("flat" pages), with the gaps as segments that are never touched."""

    segments: tuple[Area, ...]
    """Areas and gaps (these have no name), by target, then by address."""
    targets: tuple[Target, ...]
    """The areas of each target, those that touch one another as one range."""
    base: Ints
    """The flat page of address 0 of each target, shape ``(targets,)``; may be negative."""
    edges: Ints
    """The flat page at which each segment begins, and the end, shape ``(segments + 1,)``."""
    pages: Ints
    """Of each segment, shape ``(segments,)``."""
    names: NDArray[np.object_]
    """Of each segment, shape ``(segments,)``."""

    @classmethod
    def of(cls, areas: Sequence[Area]) -> FlatPages:
        """The layout of these areas, which are sorted by target, then by address.

        Raises:
            UsageError: there are none, or they overlap, are empty, or do not lie on page boundaries.
        """
        if not areas:
            raise UsageError("workload: no areas")
        segments: list[Area] = []
        targets: list[Target] = []
        bases: list[int] = []
        ranges: list[tuple[int, int]] = []
        flat = 0
        starts: list[int] = []
        for area in areas:
            if area.size <= 0 or area.start < 0 or area.start % PAGE_SIZE or area.size % PAGE_SIZE:
                raise UsageError(f"workload: area {area.name!r} is empty or not made of whole pages")
            if area.start + area.size > 1 << 60:
                raise UsageError(f"workload: area {area.name!r} ends beyond 2^60")
            if not targets or targets[-1].id != area.target:
                bases.append(flat - area.start // PAGE_SIZE)
                ranges = []
                targets.append(Target(area.target, ()))
            elif area.start < ranges[-1][1]:
                raise UsageError(f"workload: area {area.name!r} overlaps the one before it")
            elif area.start > ranges[-1][1]:
                gap = area.start - ranges[-1][1]
                segments.append(Area("", ranges[-1][1], gap, target=area.target))
                starts.append(flat)
                flat += gap // PAGE_SIZE
            segments.append(area)
            starts.append(flat)
            flat += area.size // PAGE_SIZE
            if ranges and ranges[-1][1] == area.start:
                ranges[-1] = (ranges[-1][0], area.start + area.size)
            else:
                ranges.append((area.start, area.start + area.size))
            targets[-1] = Target(area.target, tuple(ranges))
        edges = np.array([*starts, flat], np.int64)
        names = np.array([one.name for one in segments], dtype=object)
        return cls(tuple(segments), tuple(targets), np.array(bases, np.int64), edges, np.diff(edges), names)

    def page_of(self, addresses: Ints, target: Ints) -> Ints:
        """The flat page of each address (bytes) of a target (index into ``targets``)."""
        return addresses // PAGE_SIZE + self.base[target]

    def segment_of(self, page: Ints) -> Ints:
        """The segment that each flat page is in."""
        return self.edges[1:-1].searchsorted(page, side="right")
