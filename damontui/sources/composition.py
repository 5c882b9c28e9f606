"""Adds to snapshots of physical memory what it is made of: frames drawn at random, and what the kernel says is free."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from damontui.damon.snapshot import Snapshot
from damontui.errors import SourceError
from damontui.kernel.pages import BUDGET, FrameSampler
from damontui.kernel.procfs import free_bytes
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root


class Composition:
    """What physical memory is made of, snapshot by snapshot.

    Args:
        root: where /proc is.
        rng: chooses frames; another one each time where None.
        budget: share of one CPU for drawing frames; 0 for none.
        whole: whether the snapshots are of all memory, so that ``MemFree`` is theirs.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        root: Root,
        rng: np.random.Generator | None = None,
        *,
        budget: float = BUDGET,
        whole: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._rng = rng if rng is not None else np.random.default_rng()
        self._budget = budget
        self._whole = whole
        self._clock = clock
        self._sampler: FrameSampler | None = None
        self.reason = ""
        """Why no frames can be looked at, one sentence; "" where they can, or were not asked for yet."""

    def open(self) -> None:
        """Open what is needed; where that is not possible `reason` says why, and only ``MemFree`` is told."""
        if self._budget <= 0:
            self.reason = "what memory is made of is not looked at, since its budget is 0"
            return
        try:
            self._sampler = FrameSampler(self._root, self._rng, budget=self._budget, clock=self._clock).__enter__()
            self.reason = ""
        except SourceError as error:
            self.reason = f"what memory is made of is not known: {error}"

    def close(self) -> None:
        """Close it. May be called again."""
        sampler, self._sampler = self._sampler, None
        if sampler is not None:
            sampler.__exit__(None, None, None)

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with `Snapshot.frames` and `Snapshot.free`, as far as they can be had."""
        if not len(snapshot):
            return snapshot
        frames = None
        if self._sampler is not None:
            try:
                # many reads: one deadline for all of them
                frames = READERS.ask(partial(self._sampler.look, snapshot))
            except (SourceError, OSError) as error:
                self.close()
                self.reason = f"what memory is made of is not known any more: {error}"
        return replace(snapshot, frames=frames, free=free_bytes(self._root) if self._whole else None)
