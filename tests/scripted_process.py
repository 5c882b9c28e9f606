"""A made-up process whose touches follow a script, on a clock of the test: what is true of it at any time is known."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from damontui.kernel.process_files import ProcessFolder
from damontui.sources.process import ProcessSource
from tests.fake_process import Area, FakeProcess

Touched = Callable[[float, float], bool]


def always(began: float = 0.0, ended: float = 1e9) -> Touched:
    """Touched all the time from ``began`` to ``ended``."""
    return lambda a, b: a < ended and b > began


def every(period: float, first: float = 0.0) -> Touched:
    """Touched at ``first`` and each ``period`` seconds later."""
    return lambda a, b: (b - first) // period > (a - first) // period and b >= first


def never(_: float, __: float) -> bool:
    """Left alone."""
    return False


@dataclass
class Part:
    """Some bytes of a mapping that are touched together."""

    bytes: int
    touched: Touched


class Scripted:
    """Writes the files of process 12 as its script and the clock have it; the clock begins at 0.

    Args:
        folder: the root folder.
        mappings: of each mapping its parts; a mapping lies at every 16 GiB.
    """

    def __init__(self, folder: Path, mappings: Sequence[Sequence[Part]]) -> None:
        self.mappings = [list(parts) for parts in mappings]
        self.now = 0.0
        self.cpu = 0.0
        self.clears: list[float] = []
        self.cost = 0.0
        self.foreign: list[float] = []
        """When somebody else clears the bits, rising."""
        self.process = FakeProcess(folder, 12, self._areas(), comm="worker")
        self.root = self.process.root

    def wait(self, _: threading.Event, seconds: float) -> None:
        """Time passes."""
        if self.process.cleared:
            self.clears.append(self.now)
        self.now += seconds
        self.process.map(self._areas())

    def charge(self, monkeypatch: pytest.MonkeyPatch, cost: float) -> None:
        """Each walk of its page tables costs so many CPU seconds from now on, and takes as long."""
        for name in ("clear_refs", "smaps", "rollup"):
            real = getattr(ProcessFolder, name)

            def costly(folder: ProcessFolder, real: Callable[[ProcessFolder], object] = real) -> object:
                self.cpu += self.cost
                self.now += self.cost
                return real(folder)

            if not self.cost:
                monkeypatch.setattr(ProcessFolder, name, costly)
        self.cost = cost

    def source(self, pids: Sequence[int] = (12,), **options: Any) -> ProcessSource:
        """It as a source on its own clock."""
        return ProcessSource(
            self.root,
            pids,
            clock=lambda: self.now,
            wall=lambda: 1e9 + self.now,
            cpu_clock=lambda: self.cpu,
            wait=self.wait,
            **options,
        )

    def used(self, seconds: float) -> int:
        """Bytes truly touched within the last ``seconds``."""
        return sum(p.bytes for parts in self.mappings for p in parts if p.touched(self.now - seconds, self.now))

    def _areas(self) -> list[Area]:
        since = max([*self.clears[-1:], *(at for at in self.foreign if at <= self.now)], default=-1e6)
        return [
            Area(
                (n + 1) << 34,
                sum(part.bytes for part in parts),
                rss=sum(part.bytes for part in parts),
                referenced=sum(part.bytes for part in parts if part.touched(since, self.now)),
            )
            for n, parts in enumerate(self.mappings)
        ]
