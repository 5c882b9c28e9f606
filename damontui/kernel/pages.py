"""What page frames hold and who is charged for them: randomly chosen frames, within a budget of CPU time.

``Documentation/admin-guide/mm/pagemap.rst`` and ``include/uapi/linux/kernel-page-flags.h``: ``/proc/kpageflags`` has
eight bytes of flags a frame, at its number times eight; ``/proc/kpagecgroup`` the inode number of the memory cgroup
that the frame is charged to, 0 for none. The files do not tell their size; reading beyond the last frame gives nothing.
Only root may open them, and only where the kernel has CONFIG_PROC_PAGE_MONITOR (and CONFIG_MEMCG). Reading changes
nothing.

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
from math import sqrt
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import FINE, FRAME_KINDS, Frames, Ints, Snapshot, ints
from damontui.errors import SourceError
from damontui.kernel.readers import READERS
from damontui.kernel.root import KernelError, Root

FLAGS = "proc/kpageflags"
CGROUPS = "proc/kpagecgroup"
BUDGET = 0.002
"""Share of one CPU that drawing frames and counting them up may take."""

SPENT_AHEAD_S = 10.0
"""The budget of so many seconds may be spent at once at the beginning, so that something is known soon."""

LRU, SLAB, BUDDY, ANON, SWAPBACKED, HUGE, UNEVICTABLE, NOPAGE, THP, OFFLINE, PGTABLE = (
    5, 7, 10, 12, 14, 17, 18, 20, 22, 23, 26,
)  # fmt: skip
"""Numbers of the bits (kernel-page-flags.h)."""

_FIRST = 64
_LEAST, _MOST = 16, 4_096
"""Frames that one look draws, at least and at most."""
_BATCH, _BATCH_S = 256, 1.0
"""Frames to draw at once where possible, since a look costs as much as several frames, and seconds to wait for that."""
_KEPT, _KEPT_ANYWAY = 8_192, 2_048
"""Frames that are kept at most; and those that are kept even where counting takes more than its part, since that is
then hardly due to their number."""
_COUNTING = 0.5
"""Part of the budget that counting up may take: where it would take more, fewer frames are kept."""
_DRAWN_ANYWAY = 0.3
"""Part of the budget that drawing has even where counting takes all of it."""
_FRESH_S = 30.0
"""Seconds for which a frame's kind is taken to hold; older frames are forgotten, where `_ENOUGH` are left."""
_ENOUGH = 512
_NUMBER = struct.Struct("=Q")

_FAR = FINE // 16
"""Two frames are far apart that lie in different ones of so many parts of all memory (`Frames.mixed`)."""
_PAIRS_OF = 4
"""One in so many frames is compared to a near one; of the first frames all are, so that something is known soon."""
_PAIRS, _UNLIKE = 32, 8
"""Pairs needed to tell how mixed memory is, and how many of those that lie far apart must be of unlike kinds."""
_NOT_ASKED = 255


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
class Drawn:
    """Frames that were looked at, the oldest first; every array has shape ``(frames,)``."""

    address: Ints
    """Address of the frame's first byte."""
    kind: NDArray[np.uint8]
    """Index into `FRAME_KINDS`."""
    unevictable: NDArray[np.bool_]
    huge: NDArray[np.bool_]
    time: NDArray[np.float64]
    """When it was looked at, seconds of the sampler's clock."""
    group: NDArray[np.uint64]
    """Inode number of the memory cgroup that it is charged to; 0 for none, and where groups are not asked for."""
    beside: NDArray[np.uint8]
    """The kind of the near frame that it was compared to; 255 where it was compared to none."""

    def __len__(self) -> int:
        return len(self.address)

    def __getitem__(self, which: slice) -> Drawn:
        return Drawn(*(getattr(self, name)[which] for name in self.__slots__))

    def __add__(self, other: Drawn) -> Drawn:
        return Drawn(*(np.concatenate((getattr(self, name), getattr(other, name))) for name in self.__slots__))


class _Sums:
    """Frames by address, summed up, so that regions are counted by their edges alone."""

    def __init__(self, drawn: Drawn) -> None:
        order = np.argsort(drawn.address)
        kinds = len(FRAME_KINDS)
        marks = np.zeros((len(order) + 1, kinds + 2), np.int64)
        marks[np.arange(1, len(order) + 1), drawn.kind[order]] = 1
        marks[1:, kinds] = drawn.unevictable[order]
        marks[1:, kinds + 1] = drawn.huge[order]
        self._address = drawn.address[order]
        self._below = np.cumsum(marks, axis=0)
        self.mixed = _mixed(drawn.kind[order], drawn.beside[order])

    def of(self, snapshot: Snapshot) -> Ints:
        """Frames of each kind, unevictable and huge ones, in each region: shape ``(regions, kinds + 2)``."""
        first, last = (np.searchsorted(self._address, edge) for edge in (snapshot.start, snapshot.end))
        found: Ints = self._below[np.maximum(last, first)] - self._below[first]
        return found


def _mixed(kind: NDArray[np.uint8], beside: NDArray[np.uint8]) -> float | None:
    """How often near frames are of unlike kinds, over how often far ones are (`Frames.mixed`).

    Args:
        kind: kinds of frames in the order of their addresses, shape ``(frames,)``.
        beside: kind of the frame near to each, 255 where there is none.
    """
    hole = FRAME_KINDS.index("hole")
    there = kind != hole
    near = there & (beside != hole) & (beside != _NOT_ASKED)
    kinds = kind[there]
    step = max(1, len(kinds) // _FAR)
    unlike = kinds[step:] != kinds[:-step]
    if near.sum() < _PAIRS or unlike.sum() < _UNLIKE:
        return None
    share = float((kind[near] != beside[near]).mean())
    # of few pairs one standard error less, so that memory is not taken to be mixed by chance
    share -= sqrt(share * (1.0 - share) / int(near.sum()))
    return min(1.0, max(0.0, share / float(unlike.mean())))


class FrameSampler:
    """Draws page frames evenly over a snapshot's regions and tells what they hold.

    Args:
        root: where /proc is.
        rng: the only source of chance.
        budget: share of one CPU.
        clock: seconds, monotonic.
        cpu_clock: CPU seconds of the calling thread.
        groups: whether to ask for each frame which memory cgroup it is charged to, where that can be had.
    """

    def __init__(
        self,
        root: Root,
        rng: np.random.Generator,
        *,
        budget: float = BUDGET,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = READERS.thread_time,
        groups: bool = False,
    ) -> None:
        self.no_groups = "" if groups else "it was not asked for"
        """Why it is not known to whom frames are charged, one sentence; "" where it is, or was not tried yet."""
        self._root = root
        self._rng = rng
        self._budget = budget
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._file = self._groups_file = -1
        self._ask = groups
        self._cost = 0.0  # CPU seconds of drawing one frame, a mean
        self._drawing = 0.0  # CPU seconds of drawing
        self._kept = _KEPT
        self._counting = 0.0  # share of one CPU that counting took lately
        self.took = 0.0
        """CPU seconds that drawing and counting took so far."""
        self._began: float | None = None
        self._looked = self._drew = 0.0
        self._share = 0.0
        nothing = np.zeros(0, np.bool_)
        self._sums: _Sums | None = None
        none = np.zeros(0, np.uint8)
        self._drawn = Drawn(ints([]), none, nothing, nothing, np.zeros(0), np.zeros(0, np.uint64), none)

    @property
    def drawn(self) -> Drawn:
        """The frames that are fresh enough."""
        return self._drawn

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
        if self._ask:
            self._open_groups()
        return self

    def _open_groups(self) -> None:
        try:
            self._groups_file = self._root.open(CGROUPS)
            os.pread(self._groups_file, 8, 0)
        except OSError as error:
            self._without_groups(error)

    def _without_groups(self, error: OSError) -> None:
        self.no_groups = str(KernelError(f"cannot read {self._root.path(CGROUPS)}", error))
        self._close_groups()

    def _close_groups(self) -> None:
        if self._groups_file >= 0:
            os.close(self._groups_file)
            self._groups_file = -1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._close_groups()

    def allow(self, budget: float) -> None:
        """Set the budget, a share of one CPU, from now on."""
        self._budget = budget

    def look(self, snapshot: Snapshot) -> Frames | None:
        """Draw as many frames as the budget allows by now, and count all that are fresh enough by region.

        None where there are no regions, or nothing was drawn yet. Raises `SourceError` where reading fails.
        """
        if self._file < 0 or not len(snapshot):
            return None
        now, before = self._clock(), self._cpu_clock()
        passed = now - self._looked if self._began is not None else 0.0
        count = self._allowed(now)
        drawn = before
        if count:
            self._drew = now
            self._draw(snapshot, count, now)
            drawn = self._cpu_clock()
            self._drawing += drawn - before
            each = max(drawn - before, 1e-9) / count
            self._cost = each if not self._cost else self._cost + (each - self._cost) / 4
        self._forget(now)
        found = self._counted(snapshot)
        after = self._cpu_clock()
        self.took += after - before
        if passed > 0:
            self._keep_fewer((after - drawn) / passed)
        return found

    def _keep_fewer(self, share: float) -> None:
        """Keep as many frames as can be counted up each time, by what that took of one CPU this time."""
        self._counting += (share - self._counting) / 8
        allowed = self._budget * _COUNTING
        if self._counting > allowed:
            self._kept = max(_KEPT_ANYWAY, int(self._kept * 0.95))
        elif self._counting < allowed * 0.8:
            self._kept = min(_KEPT, int(self._kept * 1.05) + 1)

    def _allowed(self, now: float) -> int:
        """How many frames may be looked at now."""
        if self._began is None:
            self._began = self._looked = now
            return _FIRST
        self._share = self.took / max(now - self._began, 1.0)
        passed = max(now - self._began, SPENT_AHEAD_S)
        room = self._budget * passed - self.took
        # drawing has a part of the budget to itself, also where counting has taken more than the rest
        room = max(room, self._budget * _DRAWN_ANYWAY * passed - self._drawing)
        self._looked = now
        count = int(room / self._cost) if self._cost else _FIRST
        least = _BATCH if now - self._drew < _BATCH_S else _LEAST
        return 0 if count < least else min(count, _MOST)

    def _draw(self, snapshot: Snapshot, count: int, now: float) -> None:
        frames = snapshot.sizes // PAGE_SIZE
        below = np.cumsum(frames)
        if not below[-1]:
            return
        chosen = np.sort(self._rng.integers(0, below[-1], count))
        region = np.searchsorted(below, chosen, side="right")
        address = snapshot.start[region] + (chosen - (below[region] - frames[region])) * PAGE_SIZE
        flags = self._flags(address)
        beside = np.full(count, _NOT_ASKED, np.uint8)
        some = slice(None, None, _PAIRS_OF if len(self._drawn) else 1)
        # not those at the end of their region: what comes after it may be far away
        near = address[some] + max(1, int(below[-1]) // FINE) * PAGE_SIZE
        inside = near < snapshot.end[region[some]]
        beside[some][inside] = kinds_of(self._flags(near[inside]))
        kinds, groups = kinds_of(flags), self._charged(address)
        fresh = Drawn(address, kinds, _has(flags, UNEVICTABLE), _has(flags, THP), np.full(count, now), groups, beside)
        self._drawn, self._sums = (self._drawn + fresh)[-self._kept :], None

    def _flags(self, address: Ints) -> NDArray[np.uint64]:
        """The flags of the frames at these addresses."""
        flags = np.empty(len(address), np.uint64)
        hole = 1 << NOPAGE
        file, pread, unpack = self._file, os.pread, _NUMBER.unpack
        try:
            for at, place in enumerate((address // PAGE_SIZE * 8).tolist()):
                found = pread(file, 8, place)
                flags[at] = unpack(found)[0] if len(found) == 8 else hole
        except OSError as error:
            raise KernelError(f"cannot read {self._root.path(FLAGS)}", error) from error
        return flags

    def _charged(self, address: Ints) -> NDArray[np.uint64]:
        """The group of each frame; from where reading fails on, 0, and `no_groups` says why."""
        groups = np.zeros(len(address), np.uint64)
        file, pread, unpack = self._groups_file, os.pread, _NUMBER.unpack
        if file < 0:
            return groups
        try:
            for at, place in enumerate((address // PAGE_SIZE * 8).tolist()):
                found = pread(file, 8, place)
                if len(found) == 8:
                    groups[at] = unpack(found)[0]
        except OSError as error:
            self._without_groups(error)
        return groups

    def _forget(self, now: float) -> None:
        drawn = self._drawn
        first = min(int(np.searchsorted(drawn.time, now - _FRESH_S)), max(0, len(drawn.time) - _ENOUGH))
        if first:
            self._drawn, self._sums = drawn[first:], None

    def _counted(self, snapshot: Snapshot) -> Frames | None:
        if self._sums is None:
            self._sums = _Sums(self._drawn)
        sums = self._sums.of(snapshot)
        kinds = len(FRAME_KINDS)
        if not sums[:, :kinds].any():
            return None
        counts, unevictable, huge = sums[:, :kinds].copy(), sums[:, kinds].copy(), sums[:, kinds + 1].copy()
        return Frames(counts, unevictable, huge, self._share, self._sums.mixed)


def _has(flags: NDArray[np.uint64], bit: int) -> NDArray[np.bool_]:
    return np.asarray((flags >> np.uint64(bit)) & np.uint64(1), dtype=np.bool_)


def why_not(root: Root) -> str:
    """Why frames cannot be looked at, in one sentence; "" where they can. For ``doctor``."""
    try:
        with FrameSampler(root, np.random.default_rng(0)):
            return ""
    except SourceError as error:
        return str(error)
