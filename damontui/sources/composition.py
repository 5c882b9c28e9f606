"""Adds to snapshots of physical memory what it is made of, whose it is, and what the kernel says is free."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from damontui.damon.snapshot import Frames, Owners, Snapshot
from damontui.errors import SourceError
from damontui.kernel.pages import BUDGET, FrameSampler
from damontui.kernel.pressure import PressureMeter
from damontui.kernel.procfs import free_bytes
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root
from damontui.sources import owners
from damontui.sources.owners import OwnersOfFrames


class Composition:
    """What physical memory is made of, snapshot by snapshot.

    Args:
        root: where /proc is.
        rng: chooses frames; another one each time where None.
        budget: share of one CPU for drawing frames; 0 for none.
        whole: whether the snapshots are of all memory, so that ``MemFree`` is theirs.
        owners_budget: share of one CPU for telling to whom they are charged, drawing them included; 0 for none.
        clock: seconds, monotonic.
        cpu_clock: CPU seconds of the calling thread.
    """

    def __init__(
        self,
        root: Root,
        rng: np.random.Generator | None = None,
        *,
        budget: float = BUDGET,
        whole: bool = True,
        owners_budget: float = owners.BUDGET,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = READERS.thread_time,
    ) -> None:
        self._root = root
        self._rng = rng if rng is not None else np.random.default_rng()
        self._budget = budget
        self._whole = whole
        self._owners_budget = owners_budget
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._sampler: FrameSampler | None = None
        self._owners: OwnersOfFrames | None = None
        self._pressure = PressureMeter(root, clock=clock)
        self.no_owners = ""
        """Why it is not known whose memory it is, one sentence; "" where it is, or was not asked for yet."""
        self.reason = ""
        """Why no frames can be looked at, one sentence; "" where they can, or were not asked for yet."""

    def open(self) -> None:
        """Open what is needed; where that is not possible `reason` says why, and only ``MemFree`` is told."""
        self._pressure.read()  # so that the first snapshot has what came since
        if self._budget <= 0:
            self.reason = "what memory is made of is not looked at, since its budget is 0"
            return
        finder = self._find_owners()
        drawing = self._owners_budget * owners.DRAWING if finder is not None else 0.0
        try:
            sampler = FrameSampler(
                self._root,
                self._rng,
                budget=max(self._budget, drawing),
                clock=self._clock,
                cpu_clock=self._cpu_clock,
                groups=finder is not None,
            ).__enter__()
        except SourceError as error:
            self.reason = f"what memory is made of is not known: {error}"
            return
        self.reason = ""
        self._sampler, self._owners = sampler, finder
        if finder is not None and sampler.no_groups:
            self._without_owners(sampler.no_groups)

    def _find_owners(self) -> OwnersOfFrames | None:
        self.no_owners = ""
        if self._owners_budget <= 0:
            self._without_owners("its budget is 0")
            return None
        finder = OwnersOfFrames(
            self._root, budget=self._owners_budget * owners.NAMING, clock=self._clock, cpu_clock=self._cpu_clock
        )
        try:
            finder.open()
        except SourceError as error:
            self._without_owners(str(error))
            return None
        return finder

    def _without_owners(self, why: str) -> None:
        self._owners = None
        self.no_owners = f"whose memory it is cannot be told: {why}"

    def close(self) -> None:
        """Close it. May be called again."""
        sampler, self._sampler, self._owners = self._sampler, None, None
        if sampler is not None:
            sampler.__exit__(None, None, None)

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with `Snapshot.frames`, ``owners``, ``pressure`` and ``free``, as far as they can be had."""
        if not len(snapshot):
            return snapshot
        frames = whose = None
        if self._sampler is not None:
            try:
                # many reads: one deadline for all of them
                frames, whose = READERS.ask(partial(self._drawn, self._sampler, snapshot))
            except (SourceError, OSError) as error:
                self.close()
                self.reason = f"what memory is made of is not known any more: {error}"
        free = free_bytes(self._root) if self._whole else None
        return replace(snapshot, frames=frames, owners=whose, pressure=self._pressure.read(), free=free)

    def _drawn(self, sampler: FrameSampler, snapshot: Snapshot) -> tuple[Frames | None, Owners | None]:
        """What frames in each region are, and whose memory it is, as far as that can be told."""
        frames = sampler.look(snapshot)
        if self._owners is None:
            return frames, None
        if sampler.no_groups:
            self._without_owners(sampler.no_groups)
            return frames, None
        return frames, self._owners.of(sampler.drawn, frames.cpu if frames is not None else 0.0)
