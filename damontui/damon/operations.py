"""The contract of an operations set (``design.rst``, "Operations Set Layer")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import Ints, Truth


@dataclass(frozen=True, slots=True)
class Target:
    """One monitored address space: its identifier and its ranges ``[start, end)`` in bytes, sorted, disjoint."""

    id: int
    ranges: tuple[tuple[int, int], ...]


class Operations(Protocol):
    """Prepares and checks accesses for a context, one sampling interval at a time."""

    def targets(self) -> Sequence[Target]:
        """What to monitor, at the start and again after each update interval."""
        ...

    def prepare(self, addresses: Ints, target: Ints) -> None:
        """Clear the accessed state of the page at each address; both arrays have shape ``(regions,)``."""
        ...

    def check(self) -> NDArray[np.bool_]:
        """Which of the prepared pages were accessed since: bool, shape ``(regions,)``."""
        ...

    def update(self) -> None:
        """Look for changes of the address spaces (once in an update interval)."""
        ...

    def valid(self) -> bool:
        """Whether any target is still there."""
        ...


@runtime_checkable
class BatchOperations(Protocol):
    """An operations set that can answer a whole aggregation at once, since regions do not change within one."""

    def count(self, start: Ints, end: Ints, target: Ints, samples: int, sample_us: int) -> Ints:
        """``nr_accesses`` of each region after ``samples`` sampling intervals; advances the model's time by them.

        Args:
            start, end, target: the regions, shape ``(regions,)`` as the result.
            samples: how many sampling intervals.
            sample_us: the length of one, microseconds.
        """
        ...


@runtime_checkable
class NamingOperations(Protocol):
    """An operations set that knows what is mapped where."""

    def names(self, start: Ints, end: Ints, target: Ints) -> tuple[str, ...]:
        """The name of what is mapped at each region, "" where unknown."""
        ...


@runtime_checkable
class CoarseOperations(Protocol):
    """An operations set that sees a range of a target only as a whole, with no position inside it.

    Its regions are the ranges. Two ranges that are alike are still two, and parts of one would differ by chance alone,
    so nothing is merged, cut or split.
    """

    whole_ranges: bool
    """Whether the ranges are seen only as wholes now."""


@runtime_checkable
class TruthfulOperations(Protocol):
    """An operations set whose memory is a model, so that the truth is known."""

    def truth(self, began: float, time: float, sample_us: int) -> Truth:
        """What is true of the aggregation from ``began`` to ``time`` (model seconds)."""
        ...
