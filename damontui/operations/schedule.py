"""How synthetic memory is touched in each of its phases, and which phase is when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import Ints
from damontui.errors import UsageError
from damontui.operations.areas import IDLE, FlatPages, Phase, Touch
from damontui.operations.periodic import Periodic

FOREVER = 1 << 62
"""Microseconds that never pass."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part ``[began, ended)`` of one occurrence of a phase that started at ``origin``; microseconds."""

    phase: int
    origin: int
    began: int
    ended: int


class Schedule:
    """The phases of a layout, one after the other and all of them again for ever; times are microseconds.

    Args:
        layout: whose segments are touched.
        phases: none means that every area is touched as it says itself, always.

    Raises:
        UsageError: a phase that names no area or takes no time, an area too large for its period.
    """

    def __init__(self, layout: FlatPages, phases: Sequence[Phase]) -> None:
        phases = phases or (Phase(math.inf),)
        known = {segment.name for segment in layout.segments if segment.name}
        table: list[list[Touch]] = []
        bounds = [0]
        for phase in phases:
            unknown = sorted(set(phase.touches) - known)
            if unknown:
                raise UsageError(f"workload: phase {phase.name!r} touches {unknown[0]!r}, which is no area")
            if not phase.duration >= 1e-6:
                raise UsageError(f"workload: phase {phase.name!r} lasts {phase.duration:g} s; at least 1 us is needed")
            table.append([phase.touches.get(s.name, s.touch) if s.name else IDLE for s in layout.segments])
            bounds.append(min(FOREVER, bounds[-1] + (round(min(phase.duration, 1e12) * 1e6))))
        if math.isinf(phases[-1].duration):
            bounds[-1] = FOREVER
        self.layout = layout
        self.bounds = bounds
        """When each phase begins in a cycle, and the cycle ends."""
        self.cycle = bounds[-1]
        self.rate = np.array([[touch.rate for touch in row] for row in table])
        """Random touches of each page a second, shape ``(phases, segments)``."""
        self.used = np.array([[touch.used for touch in row] for row in table])
        """Which segments are touched at all, shape ``(phases, segments)``."""
        self.ever: NDArray[np.bool_] = self.used.sum(axis=0) > 0
        """Which are in any phase, shape ``(segments,)``."""
        self.sometimes = self.ever & ~self.used.all(axis=0)
        """Which are in some phases, and not in all, shape ``(segments,)``."""
        self.periodic = [Periodic.of(row, layout) for row in table]
        """What is touched periodically in each phase."""
        self.exponent = np.diff(bounds) / 1e6 @ self.rate
        """Expected random touches of a page in a whole cycle, shape ``(segments,)``."""

    def stretch_at(self, time: int) -> Stretch:
        """The rest of the phase in force at ``time``."""
        cycle, inside = divmod(time, self.cycle)
        phase = int(np.searchsorted(self.bounds, inside, side="right")) - 1
        origin = cycle * self.cycle
        return Stretch(phase, origin + self.bounds[phase], time, origin + self.bounds[phase + 1])

    def stretches(self, began: int, ended: int) -> Iterator[Stretch]:
        """The parts of phases in ``[began, ended)``; only the last one to two cycles where there are more.

        One cycle touches, periodically, what any other does: periods count from the beginning of their phase.
        """
        time = began + self.whole_cycles(began, ended) * self.cycle
        while time < ended:
            stretch = self.stretch_at(time)
            yield Stretch(stretch.phase, stretch.origin, time, min(ended, stretch.ended))
            time = stretch.ended

    def whole_cycles(self, began: int, ended: int) -> int:
        """How many cycles `stretches` leaves out: what remains is at least one whole cycle where any is left out."""
        return max(0, (ended - began) // self.cycle - 1)

    def back(self, now: int) -> Iterator[Stretch]:
        """The phases from ``now`` back to the start or through two whole cycles (then what is left is rare)."""
        time = now
        for _ in range(2 * len(self.bounds)):
            if time <= 0:
                return
            stretch = self.stretch_at(time - 1)
            yield Stretch(stretch.phase, stretch.origin, stretch.origin, time)
            time = stretch.origin

    def used_for(self, since: int, now: int) -> Ints:
        """For how long each segment has been in use without a break at ``now``, shape ``(segments,)``.

        Where its period is longer than the time since ``since``, only that time is known.
        """
        use = np.zeros(len(self.layout.pages), np.int64)
        unbroken = np.ones(len(self.layout.pages), bool)
        for stretch in self.back(now):
            unbroken &= self.used[stretch.phase]
            use[unbroken] = now - stretch.origin
            if not (unbroken & self.sometimes).any():
                break
        use[unbroken] = now
        current = self.periodic[self.stretch_at(max(0, now - 1)).phase]
        long = current.segment[current.period > now - since]
        use[long] = now - since
        return use
