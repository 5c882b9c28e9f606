"""A live process through ``/proc``, without DAMON and, for one's own, without root: bytes that were touched, counted.

After one write to ``clear_refs`` each later reading of ``smaps`` says how many bytes of each mapping were touched
since (``Referenced``); reading clears nothing. `damontui.operations.curve` makes the working-set curve of it.

In DAMON's terms: a region is a mapping (where there are more than the context may have regions: several that touch),
its accesses are the share of its resident bytes that was touched since the former snapshot, rounded so that something
touched is never none, its age the idle time of its latest touched byte, or for how many snapshots its share has been
about the same. No position inside of a mapping is known, and none is invented. What is mapped and not resident is no
memory. `Snapshot.measured` holds the counted bytes; these are what formats without bytes get.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import ints
from damontui.kernel import process_files as files
from damontui.kernel.process_files import ProcessFolder, Smaps, Stat
from damontui.kernel.root import KernelError, Root
from damontui.operations.address_space import AddressSpace, Amounts, Shown, moves
from damontui.operations.curve import Curve
from damontui.operations.refusals import refusal

_T = TypeVar("_T")
Floats = NDArray[np.float64]

LIMITS = (
    "Inside a mapping no position is known, only how many of its bytes were touched.",
    "An access to one byte counts its page, 2 MiB of it where the page is huge.",
    "A page whose translation a CPU keeps (a few MiB, or huge pages) can be in use without being seen.",
    "While the bits are cleared (about 15 ms a GiB) the process may wait where it maps memory.",
    "A hot set that shrinks is seen after the next clear, within a minute.",
    "Clearing the accessed bits disturbs other readers of them (other monitors, the kernel's own reclaim).",
    "Memory that several of the processes share counts once for each.",
)
"""What this way of observing cannot tell, one sentence each."""

PAUSE_PER_BYTE = 16e-3 / (1 << 30)
"""Seconds that clearing takes for each resident byte, before the first clear was measured; 10 to 15 ms a GiB were."""
_STEADY_READINGS = 3
_GLANCE_FROM = 2e-8
"""Mappings per resident byte (one in 50 MB) from which the sums of all are much cheaper to read than each of them: a
mapping costs us about 10 us, to walk the page tables of a GiB 5 to 15 ms."""
DENSE_S = (0.075, 0.25)
"""When it is read after a clear: it takes its time, and what is touched within a second is seen in a tenth of one."""
_FULL_EVERY_S = 10.0
"""While nothing new is touched the sums of all mappings do; the mappings are looked at this often all the same."""


class Process:
    """One process that is watched: who it is, what is mapped, and its working-set curve.

    Args:
        root: where /proc is.
        who: identity (PID and start time) and name.
        window: the longest time of interest, seconds.
        every: about how far apart clears are, seconds, whatever is seen; None: as what is seen demands (`Curve`).
        clock: seconds, monotonic.
        program: how to start this program, for remedies to copy.

    Raises:
        SourceError: it may not be watched. Nothing is cleared to find out.
    """

    def __init__(
        self,
        root: Root,
        who: Stat,
        window: float,
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        program: str = "damontui",
    ) -> None:
        self.who = who
        self._smaps = Smaps([], [], ints([]), ints([]))
        self._amounts: Amounts | None = None
        self.space = AddressSpace.of(self._smaps)
        self.curve: Curve | None = None
        """None before the first clear."""
        self.longest_pause = 0.0
        self.dense: list[float] = []
        """When it should be read beside the snapshots, soon after a clear; clock's seconds, rising."""
        self.shown = Shown()
        self._root = root
        self._window = window
        self._every = every
        self._clock = clock
        self._program = program
        self._folder: ProcessFolder | None = None
        self._per_byte = PAUSE_PER_BYTE
        self._threads: list[int] = []
        self._stacks: dict[int, int] = {}
        self._sums = (-1, -1)
        self._referenced = np.zeros(0)
        self._resident = np.zeros(0)
        self._steady = 0
        self._whole_at = -_FULL_EVERY_S
        self.whole = True
        """Whether the last reading was one of every mapping."""
        self._attempt(self._open)

    @property
    def pid(self) -> int:
        """Its number."""
        return self.who.pid

    @property
    def amounts(self) -> Amounts:
        """What it had beside its accesses at its last whole reading."""
        if self._amounts is None:
            self._amounts = Amounts.of(self._smaps, self.space)
        return self._amounts

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        now = self._folder.stat() if self._folder is not None else None
        return now is not None and not now.ended and now.started == self.who.started

    def predicted_pause(self) -> tuple[float, int]:
        """Seconds that the next clear will hold it up, and the resident bytes that this is computed from."""
        folder = self._folder
        resident = (self._attempt(folder.resident) if folder is not None else None) or 0
        return self._per_byte * resident, resident

    def clear(self, cpu_clock: Callable[[], float]) -> None:
        """Clear the accessed bits; a no-operation where it is gone. Raises `SourceError`."""
        folder = self._folder
        if folder is None or not self.alive:
            return
        began, spent = self._clock(), cpu_clock()

        def done() -> bool:
            folder.clear_refs()
            return True

        if not self._attempt(done):
            return
        now, spent = self._clock(), cpu_clock() - spent
        # the time by the clock bounds what the process felt; what we computed for tells the next clear's
        self.longest_pause = max(self.longest_pause, now - began)
        resident = int(self._resident.sum())
        if resident > 64 << 20:
            self._per_byte += (spent / resident - self._per_byte) / 2
        if self.curve is None:
            self.curve = Curve(now, self._window, self._every)
        else:
            self.curve.cleared(now)
        self._steady, self._sums = 0, (-1, -1)
        self.dense = [now + one for one in DENSE_S]

    def read(self) -> bool:
        """Read what was touched since the clear; False where the process is gone. Raises `SourceError`.

        Where the last readings found nothing new, the sums over all mappings are asked first: they cost less.
        """
        folder, curve = self._folder, self.curve
        if folder is None or curve is None:
            return False
        self.dense = [due for due in self.dense if due > self._clock()]
        self.whole = not self.glances
        if not self.whole:
            sums = self._attempt(folder.rollup)
            if sums is None or not self.alive:
                return False
            if (sums.rss, sums.referenced) == self._sums and len(self._resident):
                curve.reading(self._clock(), self._referenced, self._resident, self.space.private)
                return True
        self.whole = True
        smaps = self._attempt(folder.smaps)
        # asked after reading: what was read was his, unless he is gone by now
        if smaps is None or not self.alive:
            return False
        self._take(smaps, curve)
        return True

    @property
    def glances(self) -> bool:
        """Whether the sums over all mappings would be read next, and the mappings only where these have changed."""
        return (
            self._steady >= _STEADY_READINGS
            and self._clock() - self._whole_at < _FULL_EVERY_S
            and len(self._smaps.headers) >= _GLANCE_FROM * float(self._resident.sum())
        )

    def count_mappings(self) -> int:
        """How many mappings it has, without walking page tables; 0 where that is not told."""
        try:
            return self._folder.read("maps").count(b"\n") if self._folder is not None else 0
        except KernelError:
            return 0

    def close(self) -> None:
        """Let go of its files."""
        if self._folder is not None:
            self._folder.close()

    def find_stacks(self) -> None:
        """Name the stacks of its threads, where these have changed."""
        threads = files.threads(self._root, self.pid)
        if threads != self._threads:
            self._threads = threads
            self._stacks = files.thread_stacks(self._root, self.pid)
            names = files.names_of(self.space.mappings, self._stacks)
            self.space = replace(self.space, names=names)

    # -- ours

    def _open(self) -> None:
        self._folder = ProcessFolder(self._root, self.pid)
        for name, flags in (("clear_refs", os.O_WRONLY), ("smaps", os.O_RDONLY)):
            try:
                os.close(self._folder.open(name, flags))
            except OSError as error:
                verb = "write" if flags == os.O_WRONLY else "read"
                raise KernelError(f"cannot {verb} {self._folder.path(name)}", error) from error

    def _take(self, smaps: Smaps, curve: Curve) -> None:
        now = self._clock()
        space = self.space
        if smaps.headers != space.headers:
            space = AddressSpace.of(smaps, self._stacks, space)
            if len(self.space.start) or curve.age:
                curve.remap(*moves(self.space, space), len(space.start))
            self.space = space
        self._smaps, self._amounts = smaps, None
        self._resident = smaps.rss[space.chosen].astype(np.float64)
        self._referenced = smaps.referenced[space.chosen].astype(np.float64)
        curve.reading(now, self._referenced, self._resident, space.private)
        sums = (int(smaps.rss.sum()), int(smaps.referenced.sum()))
        self._steady = self._steady + 1 if sums == self._sums else 0
        self._sums, self._whole_at = sums, now

    def _attempt(self, action: Callable[[], _T]) -> _T | None:
        """``action``'s result, None where the process has ended; what else the kernel says is a sentence."""
        try:
            return action()
        except KernelError as error:
            # a kernel without clear_refs lacks it for the living, too
            now = files.stat(self._root, self.pid)
            if error.errno in files.GONE and (now is None or now.ended or now.started != self.who.started):
                return None
            raise refusal(self._root, self.who, error, self._program) from error
