"""An operations set over synthetic memory whose truth is known: areas, touched in a way that changes with the phase.

Time is the model's own, whole microseconds since its start. The model answers a sampling interval at a time
(`prepare`, `advance`, `check`) or a whole aggregation at once (`count`); both draw from the same distribution, since
the sampled page of a region is drawn anew for every sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from damontui.damon.operations import Target
from damontui.damon.snapshot import Ints, Truth
from damontui.operations.areas import Area, FlatPages, Phase
from damontui.operations.chances import Chances
from damontui.operations.schedule import Schedule
from damontui.operations.truth import idle_times, truth_of

_CELLS = 1 << 20
"""Most regions times samples held in one array: a long aggregation is counted piece by piece."""


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
        self._layout = FlatPages.of(self.areas)
        self._schedule = Schedule(self._layout, self.phases)
        self._chances = Chances(self._schedule)

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
        return self._layout.targets

    def advance(self, microseconds: int) -> None:
        """Let the model's time pass: what waiting is to a real operations set."""
        self._us += microseconds

    def prepare(self, addresses: Ints, target: Ints) -> None:
        """Begin to watch the page at each address (bytes); ``target`` indexes `targets`; shapes ``(regions,)``."""
        self._prepared = (self._us, self._layout.page_of(addresses, target))

    def check(self) -> NDArray[np.bool_]:
        """Which of the prepared pages were touched since then; bool, shape ``(regions,)``."""
        if self._prepared is None:
            raise RuntimeError("check without prepare")
        began, page = self._prepared
        touched, chance = self._chances.of_pages(page, began, self._us)
        return touched | (self._rng.random(len(page)) < chance)

    def count(self, start: Ints, end: Ints, target: Ints, samples: int, sample_us: int) -> Ints:
        """``nr_accesses`` of each region after ``samples`` intervals of ``sample_us``; shapes ``(regions,)``.

        In each sample a region is found accessed with the chance that a page drawn at random from it was touched
        in that interval, whatever areas it straddles: the same distribution as `prepare` and `check`.
        """
        first, last = self._layout.page_of(start, target), self._layout.page_of(end, target)
        pages = last - first
        result = np.zeros(len(start), np.int64)
        chunk = max(1, _CELLS // max(1, len(start)))
        for constant, rows, touched, many in self._chances.of_regions(first, last, samples, sample_us, chunk, self._us):
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
        middle = self._layout.page_of(start + (end - start) // 2, target)
        return tuple(self._layout.names[self._layout.segment_of(middle)].tolist())

    def update(self) -> None:
        """Synthetic memory is never mapped anew."""

    def valid(self) -> bool:
        """Synthetic memory never goes away."""
        return True

    def truth(self, began: float, time: float, sample_us: int) -> Truth:
        """What is true of the model in ``[began, time)`` (model seconds): `damontui.operations.truth.truth_of`."""
        return truth_of(self._chances, round(began * 1e6), round(time * 1e6), sample_us)

    def idle_times(self, began: float, time: float) -> tuple[Ints, Ints]:
        """How long each part of memory has been idle at ``time``; what was touched since ``began`` is in use.

        Both are model seconds: `damontui.operations.truth.idle_times`, milliseconds and bytes of each part.
        """
        return idle_times(self._schedule, round(began * 1e6), round(time * 1e6))
