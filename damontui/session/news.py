"""What a session hears from its own threads, beside the events of a source."""

from __future__ import annotations

import re
from dataclasses import dataclass

from damontui.errors import DamontuiError
from damontui.sources.base import Source

_NUMBER = re.compile(r"\d[\d.,:]*(?: ?(?:[µm]?s|min|h|[KMGTPE]?i?B)\b)?")


@dataclass(frozen=True, slots=True)
class Switched:
    """The switch answered: with an error, or with what was wanted."""

    on: bool
    error: DamontuiError | None = None


class Finished:
    """A monitor's run returned."""


@dataclass(frozen=True, slots=True)
class Left:
    """The source before the one in force was left; ``error`` is what the system said to that."""

    error: DamontuiError | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A target that was asked for is entered, or was refused."""

    answer: Source | DamontuiError


def kind_of(note: str) -> str:
    """What a note of a snapshot says but for its numbers: it stays the same message while these change."""
    return _NUMBER.sub("#", note)
