"""Synthetic memory whose truth is known: a list of areas, each touched in a way that changes from phase to phase.

Time is the model's own, whole microseconds since its start. The model answers a sampling interval at a time
(`prepare`, `advance`, `check`) or a whole aggregation at once (`count`); both draw from the same distribution, since
the sampled page of a region is drawn anew for every sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.metrics import percentiles_of
from damontui.damon.operations import Target
from damontui.damon.snapshot import Ints, Truth
from damontui.errors import UsageError

Floats = NDArray[np.float64]

_CELLS = 1 << 20
"""Most regions times samples held in one array: a long aggregation is counted piece by piece."""
_SLICES = 2_048
"""Most slices of idle time in one truth; an area has 1 to 32 of them."""
_FOREVER = 1 << 62


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


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part ``[began, ended)`` of one occurrence of a phase that started at ``origin``; microseconds."""

    phase: int
    origin: int
    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class _Periodic:
    """The segments that are touched periodically in one phase; all arrays have shape ``(periodic segments,)``."""

    segment: Ints
    first: Ints  # flat page at which the segment begins
    pages: Ints
    below: Ints  # pages of periodic segments before this one, shape (periodic segments + 1,)
    granules: Ints  # steps in a period: one for a scan, every page for a sweep
    step: Ints  # pages in a granule
    period: Ints
    offset: Ints
    backwards: NDArray[np.bool_]
    every: Ints
    strides: bool  # whether any `every` is over 1
    random: bool  # whether any of these segments is touched at random as well


class Workload:
    """An operations set over synthetic memory (`Operations`, `BatchOperations`, `NamingOperations`,
    `TruthfulOperations`).

    Args:
        areas: disjoint within a target; memory between two areas of a target is a gap that is not monitored.
        phases: repeated for ever; none means that every area is touched as it says itself, always.
        rng: where chance comes from.

    Raises:
        UsageError: areas that overlap, are empty, or do not lie on page boundaries; a phase that names no area.
    """

    def __init__(
        self, areas: Sequence[Area], phases: Sequence[Phase] = (), *, rng: np.random.Generator, name: str = ""
    ) -> None:
        self.name = name
        self.areas = tuple(sorted(areas, key=lambda area: (area.target, area.start)))
        self.phases = tuple(phases)
        self._rng = rng
        self._us = 0
        self._prepared: tuple[int, Ints] | None = None
        self._lay_out()
        self._set_phases()
        self._poisson_cache: dict[tuple[int, int], tuple[Floats, Floats]] = {}

    # -- the model's layout

    def _lay_out(self) -> None:
        """Number all pages of all targets through ("flat" pages), with the gaps as areas that are never touched."""
        if not self.areas:
            raise UsageError("workload: no areas")
        segments: list[Area] = []
        targets: list[Target] = []
        bases: list[int] = []
        ranges: list[tuple[int, int]] = []
        flat = 0
        starts: list[int] = []
        for area in self.areas:
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
        self._segments = tuple(segments)
        self._targets = tuple(targets)
        self._base = np.array(bases, np.int64)
        self._edges = np.array([*starts, flat], np.int64)  # flat pages, shape (segments + 1,)
        self._pages = np.diff(self._edges)
        self._real = np.array([bool(s.name) for s in segments])
        self._labels = np.array([s.name for s in segments], dtype=object)

    def _set_phases(self) -> None:
        known = {segment.name for segment in self._segments if segment.name}
        table: list[list[Touch]] = []
        bounds = [0]
        for phase in self.phases or (Phase(math.inf),):
            unknown = sorted(set(phase.touches) - known)
            if unknown:
                raise UsageError(f"workload: phase {phase.name!r} touches {unknown[0]!r}, which is no area")
            if not phase.duration >= 1e-6:
                raise UsageError(f"workload: phase {phase.name!r} lasts {phase.duration:g} s; at least 1 us is needed")
            table.append([phase.touches.get(s.name, s.touch) if s.name else IDLE for s in self._segments])
            bounds.append(min(_FOREVER, bounds[-1] + (round(min(phase.duration, 1e12) * 1e6))))
        if math.isinf((self.phases or (Phase(math.inf),))[-1].duration):
            bounds[-1] = _FOREVER
        self._bounds = bounds
        self._cycle = bounds[-1]
        self._rate = np.array([[touch.rate for touch in row] for row in table])  # (phases, segments)
        self._used = np.array([[touch.used for touch in row] for row in table])
        self._ever: NDArray[np.bool_] = self._used.sum(axis=0) > 0
        self._sometimes = self._ever & (self._used.sum(axis=0) < len(table))  # what changes from phase to phase
        self._periodic = [self._periodic_segments(row) for row in table]
        self._exponent = np.diff(bounds) / 1e6 @ self._rate  # expected touches of a page in a whole cycle

    def _periodic_segments(self, row: Sequence[Touch]) -> _Periodic:
        which = [index for index, touch in enumerate(row) if touch.period]
        pages = self._pages[which]
        granules = np.array([int(self._pages[i]) if row[i].sweep else 1 for i in which], np.int64)
        for index in which:
            if int(self._pages[index]) * row[index].period >= 1 << 62:
                raise UsageError(f"workload: area {self._segments[index].name!r} is too large for so long a period")
        return _Periodic(
            segment=np.array(which, np.int64),
            first=self._edges[which],
            pages=pages,
            below=np.concatenate(([0], np.cumsum(pages))).astype(np.int64),
            granules=granules,
            step=pages // np.maximum(granules, 1),
            period=np.array([row[i].period for i in which], np.int64),
            offset=np.array([row[i].offset for i in which], np.int64),
            backwards=np.array([row[i].backwards for i in which], bool),
            every=np.array([row[i].every for i in which], np.int64),
            strides=any(row[i].every > 1 for i in which),
            random=any(row[i].rate > 0 for i in which),
        )

    # -- operations

    @property
    def time(self) -> float:
        """The model's time in seconds since its start."""
        return self._us / 1e6

    @property
    def total_bytes(self) -> int:
        """Bytes of all areas."""
        return sum(area.size for area in self.areas)

    def targets(self) -> Sequence[Target]:
        """The areas of each target, those that touch one another as one range."""
        return self._targets

    def advance(self, microseconds: int) -> None:
        """Let the model's time pass: what waiting is to a real operations set."""
        self._us += microseconds

    def prepare(self, addresses: Ints, target: Ints) -> None:
        """Begin to watch the page at each address (bytes); ``target`` indexes `targets`; shapes ``(regions,)``."""
        self._prepared = (self._us, addresses // PAGE_SIZE + self._base[target])

    def check(self) -> NDArray[np.bool_]:
        """Which of the prepared pages were touched since then; bool, shape ``(regions,)``."""
        if self._prepared is None:
            raise RuntimeError("check without prepare")
        began, page = self._prepared
        segment = np.searchsorted(self._edges, page, side="right") - 1
        exponent = np.zeros(len(page))
        touched = np.zeros(len(page), bool)
        for piece in self._pieces(began, self._us):
            exponent += self._rate[piece.phase][segment] * ((piece.ended - piece.began) / 1e6)
            periodic = self._periodic[piece.phase]
            if len(periodic.segment):
                first, many = _touched(periodic, np.array([piece.began, piece.ended]) - piece.origin)
                index = np.minimum(np.searchsorted(periodic.segment, segment), len(periodic.segment) - 1)
                inside = page - periodic.first[index]
                touched |= (
                    (periodic.segment[index] == segment)
                    & ((inside - first[index, 0]) % periodic.pages[index] < many[index, 0])
                    & (inside % periodic.every[index] == 0)
                )
        extra = self._whole_cycles(began, self._us)
        if extra:
            exponent += extra * self._exponent[segment]
        return touched | (self._rng.random(len(page)) < -np.expm1(-exponent))

    def count(self, start: Ints, end: Ints, target: Ints, samples: int, sample_us: int) -> Ints:
        """``nr_accesses`` of each region after ``samples`` intervals of ``sample_us``; shapes ``(regions,)``.

        In each sample a region is found accessed with the chance that a page drawn at random from it was touched
        in that interval, whatever areas it straddles: the same distribution as `prepare` and `check`.
        """
        first = start // PAGE_SIZE + self._base[target]
        last = end // PAGE_SIZE + self._base[target]
        pages = last - first
        result = np.zeros(len(start), np.int64)
        chunk = max(1, _CELLS // max(1, len(start)))
        for constant, rows, touched, many in self._chances(first, last, samples, sample_us, chunk):
            steady = constant > 0
            if len(rows):
                chance = constant[rows, None] + touched / pages[rows, None]
                result[rows] += (self._rng.random(chance.shape) < chance).sum(axis=1)
                steady[rows] = False
            where = np.flatnonzero(steady)
            if len(where):
                result[where] += self._rng.binomial(many, constant[where])
        self._us += samples * sample_us
        return result

    def names(self, start: Ints, end: Ints, target: Ints) -> tuple[str, ...]:
        """The area in the middle of each region."""
        middle = (start + (end - start) // 2) // PAGE_SIZE + self._base[target]
        return tuple(self._labels[self._segment_of(middle)].tolist())

    def update(self) -> None:
        """Synthetic memory is never mapped anew."""

    def valid(self) -> bool:
        """Synthetic memory never goes away."""
        return True

    # -- chances

    def _segment_of(self, page: Ints) -> Ints:
        return self._edges[1:-1].searchsorted(page, side="right")

    def _chances(
        self, first: Ints, last: Ints, samples: int, sample_us: int, chunk: int, began: int | None = None
    ) -> Iterator[tuple[Floats, Ints, Floats, int]]:
        """The chance of an access in the samples from ``began`` (default: now) on, run of samples by run of samples.

        Yields ``(constant, rows, touched, many)``: for ``many`` samples, each region has the chance ``constant``
        (shape ``(regions,)``), and the regions ``rows`` have in addition ``touched`` of their pages touched for
        certain (shape ``(len(rows), many)``).
        """
        time = self._us if began is None else began
        left = samples
        lower, upper = self._segment_of(first), self._segment_of(last - 1)
        pages = np.maximum(last - first, 1)
        none = np.zeros(0, np.int64)
        while left:
            piece = self._piece_at(time)
            many = min(left, chunk, (piece.ended - time) // sample_us)
            if many:
                chance, mass = self._poisson_mass(piece.phase, sample_us)
                constant = self._within(first, last, lower, upper, chance, mass) / pages
                edges = time - piece.origin + sample_us * np.arange(many + 1)
                rows, touched = self._touched_pages(self._periodic[piece.phase], first, last, edges, chance)
                yield np.clip(constant, 0.0, 1.0), rows, touched, many
            else:
                many = 1  # a sampling interval in which the phase changes
                corners, below = self._profile(time, time + sample_us)
                hit = np.interp(last, corners, below) - np.interp(first, corners, below)
                yield np.clip(hit / pages, 0.0, 1.0), none, np.zeros((0, 1)), 1
            time += many * sample_us
            left -= many

    def _poisson_mass(self, phase: int, sample_us: int) -> tuple[Floats, Floats]:
        """The chance that a page is touched in a sampling interval, by segment, and the sum of that over all pages
        below each segment; shape ``(segments,)``."""
        key = (phase, sample_us)
        found = self._poisson_cache.get(key)
        if found is None:
            chance = -np.expm1(-self._rate[phase] * (sample_us / 1e6))
            mass = np.concatenate(([0.0], np.cumsum(chance * self._pages)))[:-1]
            if len(self._poisson_cache) > 4 * len(self._bounds):
                self._poisson_cache.clear()
            found = self._poisson_cache[key] = (chance, mass)
        return found

    def _within(self, first: Ints, last: Ints, lower: Ints, upper: Ints, chance: Floats, mass: Floats) -> Floats:
        edges = self._edges
        straddling = mass[upper] + chance[upper] * (last - edges[upper]) - mass[lower]
        straddling -= chance[lower] * (first - edges[lower])
        # taken apart, since a difference of two large sums is not exactly 0 or 1 inside one area
        return np.where(lower == upper, chance[lower] * (last - first), straddling)

    def _touched_pages(
        self, periodic: _Periodic, first: Ints, last: Ints, edges: Ints, chance: Floats
    ) -> tuple[Ints, Floats]:
        """The regions of which any page is touched for certain between the ``edges`` (microseconds into the phase,
        shape ``(samples + 1,)``), and how many pages in each sample, shape ``(those regions, samples)``.

        Without those that are expected to be touched at random as well (``chance``, shape ``(segments,)``).
        """
        samples = len(edges) - 1
        nothing = np.zeros(0, np.int64), np.zeros((0, samples))
        if not len(periodic.segment):
            return nothing
        begin, many = _touched(periodic, edges)
        active = np.flatnonzero(many.any(axis=1))
        if not len(active):
            return nothing
        start, size = periodic.first[active], periodic.pages[active]
        # regions are sorted: those that overlap an active segment
        low = np.searchsorted(start, first, side="right") - 1
        high = np.searchsorted(start, last, side="left") - 1
        reach = np.where(low >= 0, (start + size)[low], 0)
        rows = np.flatnonzero((high > low) | (reach > first))
        begin, many = begin[active], many[active]
        every = periodic.every[active, None] if periodic.strides else None
        spare = 1.0 - chance[periodic.segment[active], None] if periodic.random else None
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

    def _profile(self, began: int, ended: int) -> tuple[Floats, Floats]:
        """Expected pages touched at least once in ``[began, ended)`` below each flat page of the first array."""
        exponent = self._whole_cycles(began, ended) * self._exponent
        covers: dict[int, tuple[list[Ints], list[Ints]]] = {}  # by `every`
        for piece in self._pieces(began, ended):
            exponent = exponent + self._rate[piece.phase] * ((piece.ended - piece.began) / 1e6)
            periodic = self._periodic[piece.phase]
            if len(periodic.segment):
                first, many = _touched(periodic, np.array([piece.began, piece.ended]) - piece.origin)
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
        corners = np.unique(np.concatenate([self._edges, *ends]))
        untouched = 1.0 - chance[self._segment_of(corners[:-1])]
        for every, (starts, stops) in covers.items():
            change = np.zeros(len(corners), np.int64)
            np.add.at(change, np.searchsorted(corners, np.concatenate(starts)), 1)
            np.add.at(change, np.searchsorted(corners, np.concatenate(stops)), -1)
            untouched[np.cumsum(change)[:-1] > 0] *= 1.0 - 1.0 / every
        level = 1.0 - untouched
        below = np.concatenate(([0.0], np.cumsum(level * np.diff(corners))))
        return corners.astype(np.float64), below

    # -- phases

    def _piece_at(self, time: int) -> _Piece:
        """The rest of the phase in force at ``time``."""
        cycle, inside = divmod(time, self._cycle)
        phase = int(np.searchsorted(self._bounds, inside, side="right")) - 1
        origin = cycle * self._cycle
        return _Piece(phase, origin + self._bounds[phase], time, origin + self._bounds[phase + 1])

    def _pieces(self, began: int, ended: int) -> Iterator[_Piece]:
        """The parts of phases in ``[began, ended)``; only the last one to two cycles where there are more.

        One cycle touches, periodically, what any other does: periods count from the beginning of their phase.
        """
        time = began + self._whole_cycles(began, ended) * self._cycle
        while time < ended:
            piece = self._piece_at(time)
            yield _Piece(piece.phase, piece.origin, time, min(ended, piece.ended))
            time = piece.ended

    def _whole_cycles(self, began: int, ended: int) -> int:
        """How many cycles `_pieces` leaves out: what remains is at least one whole cycle where any is left out."""
        return max(0, (ended - began) // self._cycle - 1)

    # -- truth

    def truth(self, began: float, time: float, sample_us: int) -> Truth:
        """What is true of the model in ``[began, time)`` (model seconds).

        The working set and the bandwidth are expected values. Idle time is that of single pages: the time since a
        page was last touched, or since the model's start where it never was. A page touched within the interval is
        in use: minus the time since its area came into use without a break, or, where its period is longer than the
        interval, minus the interval. Poisson areas are taken at the quantiles of their distribution.
        """
        since, now = round(began * 1e6), round(time * 1e6)
        length = max(1, now - since)
        _, below = self._profile(since, since + length)
        ends = np.array([0]), self._edges[-1:]
        touched = 0.0
        samples = max(1, length // sample_us)
        for constant, rows, pages, many in self._chances(*ends, samples, sample_us, _CELLS, began=since):
            touched += float(constant[0]) * many * float(self._edges[-1])
            if len(rows):
                touched += float(pages.sum())
        idle, sizes = self.idle_times(began, time)
        return Truth(
            working_set_bytes=round(float(below[-1])) * PAGE_SIZE,
            bandwidth=touched * PAGE_SIZE / (samples * sample_us / 1e6),
            idle_ms_percentiles=percentiles_of(idle, sizes),
        )

    def idle_times(self, began: float, time: float) -> tuple[Ints, Ints]:
        """How long each part of memory has been idle at ``time``; what was touched since ``began`` is in use.

        An area is cut into up to 32 slices of equal size, in order of address (of pages that are touched at random: in
        order of how lately), areas in order of target and address. This is finer than the percentiles of `truth`.

        Args:
            began: when the aggregation began, model seconds.
            time: when it ended.

        Returns:
            Milliseconds of each slice, negative where in use (how long, as far as that is known), and bytes of each;
            int64, both of shape ``(areas × slices,)``.
        """
        since, now = round(began * 1e6), round(time * 1e6)
        areas = np.flatnonzero(self._real)
        slices = int(np.clip(_SLICES // len(areas), 1, 32))
        share = (np.arange(slices) + 0.5) / slices
        # expected touches since the last one: a page at quantile q has had -ln(1 - q) of them
        left = np.broadcast_to(-np.log1p(-share), (len(areas), slices)).copy()
        page = (self._pages[areas, None] * share).astype(np.int64)
        touched = np.full((len(areas), slices), -1, np.int64)
        time = now
        for piece in self._back(now):
            if (touched[self._ever[areas]] >= 0).all():
                break
            time = piece.began
            length = (piece.ended - piece.began) / 1e6
            rate = self._rate[piece.phase][areas, None]
            with np.errstate(divide="ignore", invalid="ignore"):
                ago = np.where(rate > 0, left / rate, math.inf)
            hit = (touched < 0) & (ago <= length)
            touched[hit] = piece.ended - (ago[hit] * 1e6).astype(np.int64)
            left -= rate * length
            periodic = self._periodic[piece.phase]
            if len(periodic.segment):
                row = np.searchsorted(areas, periodic.segment)
                last = piece.origin + _last_touch(periodic, page[row], piece.ended - piece.origin)
                known = touched[row]
                hit = (last >= piece.began) & (np.arange(slices) % periodic.every[:, None] == 0)
                touched[row] = np.where(hit & (last > known), last, known)
        # what is left is touched less than once in two cycles: as if its touches were spread over them evenly
        with np.errstate(divide="ignore", invalid="ignore"):
            cycles = np.where(self._exponent[areas, None] > 0, left / self._exponent[areas, None], math.inf)
        earlier = np.maximum(time - np.minimum(cycles * self._cycle, float(_FOREVER)), 0.0).astype(np.int64)
        never = (touched < 0) & (earlier <= 0)  # idle since the start, also where this is the first aggregation
        touched = np.where(touched < 0, earlier, touched)
        idle = (now - touched) // 1000
        used = self._used_for(since, now)[areas, None] // 1000
        idle = np.where((touched >= since) & ~never, -np.maximum(1, used), idle)
        return idle.ravel(), np.repeat(self._pages[areas] * PAGE_SIZE // slices, slices)

    def _back(self, now: int) -> Iterator[_Piece]:
        """The phases from ``now`` back to the start or through two whole cycles (then what is left is rare)."""
        time = now
        for _ in range(2 * len(self._bounds)):
            if time <= 0:
                return
            piece = self._piece_at(time - 1)
            yield _Piece(piece.phase, piece.origin, piece.origin, time)
            time = piece.origin

    def _used_for(self, since: int, now: int) -> Ints:
        """Microseconds for which each segment has been in use without a break, shape ``(segments,)``."""
        use = np.zeros(len(self._pages), np.int64)
        unbroken = np.ones(len(self._pages), bool)
        for piece in self._back(now):
            unbroken &= self._used[piece.phase]
            use[unbroken] = now - piece.origin
            if not (unbroken & self._sometimes).any():
                break
        use[unbroken] = now
        current = self._periodic[self._piece_at(max(0, now - 1)).phase]
        long = current.segment[current.period > now - since]
        use[long] = now - since
        return use


def _touched(periodic: _Periodic, edges: Ints) -> tuple[Ints, Ints]:
    """First page and number of pages touched between each edge and the next, cyclic within the segment.

    ``edges``: microseconds into the phase, shape ``(samples + 1,)``. Returns two arrays ``(periodic, samples)``.
    """
    period, granules = periodic.period[:, None], periodic.granules[:, None]
    # nothing is touched before the offset
    periods, into = np.divmod(np.maximum(edges[None, :] - periodic.offset[:, None], 0), period)
    counter = -(-granules * into // period)  # granules touched since the period began
    # a product of periods and granules could pass 2^63
    turns = np.minimum(np.diff(periods, axis=1), 2)
    many = np.clip(turns * granules + np.diff(counter, axis=1), 0, granules)
    first = counter[:, :-1] % granules
    first = np.where(periodic.backwards[:, None], (granules - first - many) % granules, first)
    step = periodic.step[:, None]
    return first * step, many * step


def _on_grid(page: Ints, every: Ints | None) -> Ints:
    """How many pages below ``page`` are multiples of ``every`` (None: all)."""
    return page if every is None else -(-page // every)


def _last_touch(periodic: _Periodic, page: Ints, time: int) -> Ints:
    """When each page (offset in pages, shape ``(periodic, slices)``) was last touched before ``time``.

    Microseconds into the phase; negative where not since the phase began.
    """
    granules, period = periodic.granules[:, None], periodic.period[:, None]
    granule = page // periodic.step[:, None]
    granule = np.where(periodic.backwards[:, None], granules - 1 - granule, granule)
    first = periodic.offset[:, None] + granule * period // granules
    before = time - 1 - first
    return np.where(before >= 0, first + before // period * period, -1)
