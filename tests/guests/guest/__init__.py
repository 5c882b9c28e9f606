"""Checks that run inside a guest, as root, on its own /sys. They refuse to run anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODULES = (
    "stat",
    "app",
    "targets",
    "bare",
    "frames",
    "first",
    "export",
    "idle",
    "owners",
    "mixed",
    "pressure",
    "scraped",
    "unit",
    "size",
)
"""Modules of this package that hold checks."""


@dataclass
class Guest:
    """What a check gets: a folder of its own in memory, and a place for numbers worth reporting."""

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    """What the host is to have for its own part of the check (`tests.guests.on_host`)."""


@dataclass(frozen=True)
class Check:
    """One function that runs in the guest, and on which kernels."""

    name: str
    function: Callable[[Guest], None]
    on: tuple[str, ...]
    limit: float
    early: bool

    @property
    def title(self) -> str:
        """The first line of its docstring."""
        return (self.function.__doc__ or self.name).strip().splitlines()[0]


CHECKS: dict[str, Check] = {}


class Skip(Exception):
    """This kernel cannot be asked that; the text says why."""


def check(
    *on: str, limit: float = 60.0, early: bool = False
) -> Callable[[Callable[[Guest], None]], Callable[[Guest], None]]:
    """Register a check for the kernel series ``on``.

    Args:
        on: names in `kernels.SERIES`.
        limit: in seconds of an emulated machine.
        early: it comes before others: it wants areas of physical memory in few pieces, and those scatter what is free.
    """

    def register(function: Callable[[Guest], None]) -> Callable[[Guest], None]:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        CHECKS[name] = Check(name, function, on, limit, early)
        return function

    return register


def registered() -> dict[str, Check]:
    """All checks, by name, in the order in which they run. Importing them runs nothing."""
    import importlib

    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}")
    return dict(sorted(CHECKS.items(), key=lambda item: not item[1].early))
