"""Adds to snapshots of physical memory the kinds of its frames, their owners, pressure, and the free bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf

import numpy as np

from damontui.damon.snapshot import Frames, Owners, Snapshot
from damontui.errors import SourceError
from damontui.kernel import pages
from damontui.kernel.pages import BUDGET, FrameSampler
from damontui.kernel.pressure import PressureMeter
from damontui.kernel.procfs import free_bytes, usable_bytes
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root
from damontui.sources import owners
from damontui.sources.owners import OwnersOfFrames

_FREE_S = 0.2
"""Seconds for which ``MemFree`` is not read again."""
_AIMED = 0.92
"""Part of the whole budget that is planned with, since a look may take a little more than was left."""
_LEAST_SHARE = 0.5
"""Part of their budgets that drawing frames and naming their owners may spend in any case."""


class Composition:
    """Looks at page frames, and adds what it finds to snapshots.

    Args:
        root: where /proc is.
        rng: chooses the frames; a generator of its own where None.
        budget: share of one CPU for drawing frames; 0 draws none.
        whole: whether snapshots cover all memory, so that ``MemFree`` is about them; None where only those do that
            have at least ``MemTotal`` bytes.
        owners_budget: share of one CPU for drawing frames and naming their owners together; 0 names none.
        share: share of one CPU for all of it, instead of the two budgets; None keeps them.
        clock: seconds, monotonic.
        cpu_clock: CPU seconds of the calling thread.
    """

    def __init__(
        self,
        root: Root,
        rng: np.random.Generator | None = None,
        *,
        budget: float = BUDGET,
        whole: bool | None = True,
        owners_budget: float = owners.BUDGET,
        share: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = READERS.thread_time,
    ) -> None:
        self._root = root
        self._rng = rng if rng is not None else np.random.default_rng()
        self._budget = budget if share is None else share
        self._whole = whole
        self._owners_budget = owners_budget if share is None else share
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._sampler: FrameSampler | None = None
        self._owners: OwnersOfFrames | None = None
        self._spent = 0.0  # CPU seconds of all of it
        self._began: float | None = None
        self._free: tuple[float, int | None] = float("-inf"), None
        self._pressure = PressureMeter(root, clock=clock)
        self.no_owners = ""
        """Why owners are not known, one sentence; "" where they are, or were not looked for yet."""
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
                budget=drawing or self._budget,
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
        """Close the files. May be called again."""
        sampler, self._sampler, self._owners = self._sampler, None, None
        if sampler is not None:
            sampler.__exit__(None, None, None)

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with `Snapshot.frames`, ``owners``, ``pressure`` and ``free``, as far as they can be had."""
        if not len(snapshot):
            return snapshot
        now, before = self._clock(), self._cpu_clock()
        if self._began is None:
            self._began = now
        # many reads: one deadline for all of them
        try:
            found = READERS.ask(partial(self._added, snapshot, now))
        except OSError as error:
            self.close()
            self.reason = f"what memory is made of is not known any more: {error}"
            found = snapshot
        self._spent += max(0.0, self._cpu_clock() - before)
        return found

    def _added(self, snapshot: Snapshot, now: float) -> Snapshot:
        frames = whose = None
        if self._sampler is not None:
            try:
                frames, whose = self._drawn(self._sampler, snapshot, now)
            except (SourceError, OSError) as error:
                self.close()
                self.reason = f"what memory is made of is not known any more: {error}"
        return replace(
            snapshot, frames=frames, owners=whose, pressure=self._pressure.read(), free=self._free_now(snapshot, now)
        )

    def _free_now(self, snapshot: Snapshot, now: float) -> int | None:
        whole = self._whole
        if whole is None:
            whole = snapshot.total_bytes >= (usable_bytes(self._root) or inf)
        if not whole:
            return None
        if now - self._free[0] >= _FREE_S:
            self._free = now, free_bytes(self._root)
        return self._free[1]

    def _drawn(self, sampler: FrameSampler, snapshot: Snapshot, now: float) -> tuple[Frames | None, Owners | None]:
        """The kinds of frames in each region, and their owners, as far as both can be told."""
        if self._owners is None:
            sampler.allow(self._budget)
            return sampler.look(snapshot), None
        share = self._left(sampler, self._owners, now)
        sampler.allow(self._owners_budget * owners.DRAWING * share)
        frames = sampler.look(snapshot)
        if sampler.no_groups:
            self._without_owners(sampler.no_groups)
            return frames, None
        passed = max(now - self._began, pages.SPENT_AHEAD_S) if self._began is not None else pages.SPENT_AHEAD_S
        return frames, self._owners.of(sampler.drawn, self._spent / passed, share)

    def _left(self, sampler: FrameSampler, finder: OwnersOfFrames, now: float) -> float:
        """The share of their budgets that drawing and naming may spend after what everything else took of the whole."""
        passed = max(now - self._began, pages.SPENT_AHEAD_S) if self._began is not None else pages.SPENT_AHEAD_S
        rest = max(0.0, self._spent - sampler.took - finder.spent) / passed
        foreseen = owners.DRAWING + owners.NAMING
        return min(1.0, max(_LEAST_SHARE, (_AIMED - rest / self._owners_budget) / foreseen))
