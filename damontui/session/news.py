"""Events that a session gets from its own threads, beside those of a source."""

from __future__ import annotations

from dataclasses import dataclass

from damontui.errors import DamontuiError
from damontui.sources.base import Source


@dataclass(frozen=True, slots=True)
class Switched:
    """The switch was turned, or could not be."""

    on: bool
    error: DamontuiError | None = None


class Finished:
    """A monitor's run returned."""


@dataclass(frozen=True, slots=True)
class Left:
    """The source before the one in force was left; ``error`` is what failed in doing so."""

    error: DamontuiError | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A target that was asked for is entered, or was refused."""

    answer: Source | DamontuiError
