"""What page frames hold: randomly chosen frames of ``/proc/kpageflags`` within a budget of CPU time.

``Documentation/admin-guide/mm/pagemap.rst`` and ``include/uapi/linux/kernel-page-flags.h``: eight bytes of flags a
frame, at its number times eight. The file does not tell its size; reading beyond the last frame gives nothing. Only
root may open it, and only where the kernel has CONFIG_PROC_PAGE_MONITOR. Reading changes nothing.

DAMON's physical operations see only pages on an LRU list: free memory, slab, page tables and the kernel's own always
look idle to it. This tells them apart.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import FRAME_KINDS, Frames, Ints, Snapshot, ints
from damontui.errors import SourceError
from damontui.kernel.readers import READERS
from damontui.kernel.root import KernelError, Root

FLAGS = "proc/kpageflags"
BUDGET = 0.002
"""Share of one CPU that drawing frames may take; counting up what was drawn comes to that, once a snapshot."""

LRU, SLAB, BUDDY, ANON, SWAPBACKED, HUGE, UNEVICTABLE, NOPAGE, THP, OFFLINE, PGTABLE = (
    5, 7, 10, 12, 14, 17, 18, 20, 22, 23, 26,
)  # fmt: skip
"""Numbers of the bits (kernel-page-flags.h)."""

_FIRST = 64
_LEAST, _MOST = 16, 4_096
"""Frames of one look."""
_KEPT = 16_384
_FRESH_S = 30.0
"""A frame's kind is taken to hold for so long: what is older is forgotten, where enough is left."""
_ENOUGH = 512
_NUMBER = struct.Struct("=Q")


def kinds_of(flags: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The kind of each frame (index into `FRAME_KINDS`), shape as ``flags``.

    The first that fits: a hole or offline, free, hugetlb, slab, page table, anonymous, shared memory (swap-backed and
    not anonymous), file (any other page on an LRU list, and the unevictable ones), and what is left: the kernel's own.
    """

    def has(bit: int) -> NDArray[np.bool_]:
        return _has(flags, bit)

    number = {name: at for at, name in enumerate(FRAME_KINDS)}
    conditions = (
        (has(NOPAGE) | has(OFFLINE), "hole"),
        (has(BUDDY), "free"),
        (has(HUGE), "hugetlb"),
        (has(SLAB), "slab"),
        (has(PGTABLE), "page_tables"),
        (has(ANON), "anon"),
        (has(SWAPBACKED), "shmem"),
        (has(LRU) | has(UNEVICTABLE), "file"),
    )
    found: NDArray[np.uint8] = np.select(
        [condition for condition, _ in conditions], [number[name] for _, name in conditions], number["kernel"]
    ).astype(np.uint8)
    return found


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Frames that were looked at; every array has shape ``(frames,)``."""

    address: Ints
    kind: NDArray[np.uint8]
    unevictable: NDArray[np.bool_]
    huge: NDArray[np.bool_]
    time: NDArray[np.float64]

    def __getitem__(self, which: slice) -> _Drawn:
        return _Drawn(*(getattr(self, name)[which] for name in self.__slots__))

    def __add__(self, other: _Drawn) -> _Drawn:
        return _Drawn(*(np.concatenate((getattr(self, name), getattr(other, name))) for name in self.__slots__))


class FrameSampler:
    """Draws page frames evenly over a snapshot's regions and tells what they hold.

    Args:
        root: where /proc is.
        rng: the only source of chance.
        budget: share of one CPU.
        clock: seconds, monotonic.
        cpu_clock: CPU seconds of the calling thread.
    """

    def __init__(
        self,
        root: Root,
        rng: np.random.Generator,
        *,
        budget: float = BUDGET,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = READERS.thread_time,
    ) -> None:
        self._root = root
        self._rng = rng
        self._budget = budget
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._file = -1
        self._cost = 0.0  # CPU seconds of one frame, a mean
        self._spent = 0.0  # on drawing
        self._took = 0.0  # on all of it
        self._began: float | None = None
        self._looked = 0.0
        self._share = 0.0
        nothing = np.zeros(0, np.bool_)
        self._drawn = _Drawn(ints([]), np.zeros(0, np.uint8), nothing, nothing, np.zeros(0))

    def __enter__(self) -> Self:
        """Open the file. Raises `SourceError` with the reason where frames cannot be had."""
        path = self._root.path(FLAGS)
        try:
            self._file = self._root.open(FLAGS)
            os.pread(self._file, 8, 0)  # a container may let it be opened and not be read
        except OSError as error:
            self.__exit__(None, None, None)
            remedy = "run it as root" if error.errno in (errno.EACCES, errno.EPERM) and os.geteuid() else ""
            raise KernelError(f"cannot read {path}", error, remedy) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def look(self, snapshot: Snapshot) -> Frames | None:
        """Draw as many frames as the budget allows by now; what all that are fresh enough say of the regions.

        None where there are no regions, or nothing was drawn yet. Raises `SourceError` where reading fails.
        """
        if self._file < 0 or not len(snapshot):
            return None
        now, before = self._clock(), self._cpu_clock()
        count = self._allowed(now)
        if count:
            self._draw(snapshot, count, now)
            spent = max(self._cpu_clock() - before, 1e-9)
            self._spent += spent
            each = spent / count
            self._cost = each if not self._cost else self._cost + (each - self._cost) / 4
        self._forget(now)
        found = self._counted(snapshot)
        self._took += self._cpu_clock() - before
        return found

    def _allowed(self, now: float) -> int:
        """How many frames may be looked at now."""
        if self._began is None:
            self._began = self._looked = now
            return _FIRST
        self._share = self._took / max(now - self._began, 1.0)
        room = self._budget * max(now - self._began, 1.0) - self._spent
        self._looked = now
        count = int(room / self._cost) if self._cost else _FIRST
        return 0 if count < _LEAST else min(count, _MOST)

    def _draw(self, snapshot: Snapshot, count: int, now: float) -> None:
        frames = snapshot.sizes // PAGE_SIZE
        below = np.cumsum(frames)
        if not below[-1]:
            return
        chosen = np.sort(self._rng.integers(0, below[-1], count))
        region = np.searchsorted(below, chosen, side="right")
        address = snapshot.start[region] + (chosen - (below[region] - frames[region])) * PAGE_SIZE
        flags = np.empty(count, np.uint64)
        hole = 1 << NOPAGE
        file, pread, unpack = self._file, os.pread, _NUMBER.unpack
        try:
            for at, place in enumerate((address // PAGE_SIZE * 8).tolist()):
                found = pread(file, 8, place)
                flags[at] = unpack(found)[0] if len(found) == 8 else hole
        except OSError as error:
            raise KernelError(f"cannot read {self._root.path(FLAGS)}", error) from error
        fresh = _Drawn(address, kinds_of(flags), _has(flags, UNEVICTABLE), _has(flags, THP), np.full(count, now))
        self._drawn = (self._drawn + fresh)[-_KEPT:]

    def _forget(self, now: float) -> None:
        drawn = self._drawn
        first = min(int(np.searchsorted(drawn.time, now - _FRESH_S)), max(0, len(drawn.time) - _ENOUGH))
        if first:
            self._drawn = drawn[first:]

    def _counted(self, snapshot: Snapshot) -> Frames | None:
        drawn, count = self._drawn, len(snapshot)
        region = np.searchsorted(snapshot.start, drawn.address, side="right") - 1
        there = (region >= 0) & (drawn.address < snapshot.end[np.maximum(region, 0)])
        if not there.any():
            return None
        region, kinds = region[there], len(FRAME_KINDS)
        counts = np.bincount(region * kinds + drawn.kind[there], minlength=count * kinds).reshape(count, kinds)

        def marked(which: NDArray[np.bool_]) -> Ints:
            return np.bincount(region[which[there]], minlength=count).astype(np.int64)

        return Frames(counts.astype(np.int64), marked(drawn.unevictable), marked(drawn.huge), self._share)


def _has(flags: NDArray[np.uint64], bit: int) -> NDArray[np.bool_]:
    return np.asarray((flags >> np.uint64(bit)) & np.uint64(1), dtype=np.bool_)


def why_not(root: Root) -> str:
    """Why frames cannot be looked at, in one sentence; "" where they can. For ``doctor``."""
    try:
        with FrameSampler(root, np.random.default_rng(0)):
            return ""
    except SourceError as error:
        return str(error)
