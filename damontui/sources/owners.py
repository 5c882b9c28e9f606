"""To whom drawn page frames are charged: their control groups by name, with the kernel's own numbers, in a budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import OTHERS, UNCHARGED, UNSEEN, Group, Owners, Zone, owners_of
from damontui.errors import SourceError
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.pages import Drawn
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root
from damontui.kernel.zones import zones

BUDGET = 0.005
"""Share of one CPU that all of it may take: drawing frames, walking the groups, reading their files."""
DRAWING, NAMING = 0.55, 0.33
"""Parts of the budget for drawing frames and counting them up, and for groups and their files; what is left is for the
rest, such as reading MemFree."""
MOST = 1_000
"""Groups that are told one by one; the smaller ones are one row together."""

_FRESH_S = 2.0
"""Seconds for which numbers of a group's files are not read again."""
_LOOK_S = 1.0
"""Seconds for which the same answer is given again: frames are drawn over half a minute."""
_DEAREST_WALK = 0.5
"""Part of what may be spent that a walk may take, so that files are read as well."""


@dataclass(slots=True)
class _Known:
    group: Group
    read: float = float("-inf")


class OwnersOfFrames:
    """Names the groups of drawn frames.

    Args:
        root: where ``sys`` and ``proc`` are.
        budget: share of one CPU for walking the groups and reading their files.
        clock: seconds, monotonic.
        cpu_clock: CPU seconds of the calling thread.
    """

    def __init__(
        self,
        root: Root,
        *,
        budget: float = BUDGET * NAMING,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = READERS.thread_time,
    ) -> None:
        self._root = root
        self._budget = budget
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._groups: Groups | None = None
        self._zones: tuple[Zone, ...] = ()
        self._paths: dict[int, str] = {}
        self._gone: dict[int, str] = {}  # had a folder at an earlier walk
        self._known: dict[str, _Known] = {}
        self._whole = True
        self._walked = float("-inf")
        self._walk_cost = 0.0
        self._began: float | None = None
        self._spent = 0.0
        self._last: Owners | None = None
        self._looked = float("-inf")

    def open(self) -> None:
        """Look where the groups are. Raises `SourceError` where there are none."""
        self._groups = Groups.find(self._root)
        found = zones(self._root)
        places = zip(found.start.tolist(), found.end.tolist(), found.labels, strict=True)
        self._zones = tuple(Zone(start, end, name) for start, end, name in places)

    @property
    def cpu(self) -> float:
        """Share of one CPU that it took so far."""
        return 0.0 if self._began is None else self._spent / max(self._clock() - self._began, 1.0)

    def of(self, drawn: Drawn, cpu: float = 0.0) -> Owners | None:
        """To whom the drawn frames are charged; the answer before while it is new, or the budget is used up.

        None where nothing was drawn yet.

        Args:
            drawn: frames that are fresh.
            cpu: share of one CPU that drawing them took, which is told with the rest.
        """
        if self._groups is None or not len(drawn):
            return None
        now, before = self._clock(), self._cpu_clock()
        if self._began is None:
            self._began = now
        room = self._budget * max(now - self._began, 1.0) - self._spent
        if self._last is not None and (now - self._looked < _LOOK_S or room <= 0):
            return self._last
        self._looked = now
        inodes, which, counts = np.unique(drawn.group, return_inverse=True, return_counts=True)
        self._walk_if_needed(inodes.tolist(), now, room)
        self._read_files(inodes, counts, now, before + max(0.0, room))
        self._last = self._told(drawn, inodes, which.ravel(), counts, cpu)
        self._spent += max(self._cpu_clock() - before, 0.0)
        return self._last

    def _walk_if_needed(self, inodes: list[int], now: float, room: float) -> None:
        """Walk where frames are charged to groups that are not known, as often as the budget allows."""
        assert self._groups is not None
        strange = any(inode and inode not in self._paths for inode in inodes)
        if self._paths and not strange and now - self._walked < 30:
            return
        if self._paths and now - self._walked < self._walk_cost / (self._budget * _DEAREST_WALK):
            return
        before = self._cpu_clock()
        try:
            tree = self._groups.walk()
        except SourceError:
            return  # the next look may find it; what is not known is told so
        gone = {inode: path for inode, path in self._paths.items() if inode not in tree.paths}
        wanted = set(inodes)
        self._gone = {inode: path for inode, path in (self._gone | gone).items() if inode in wanted}
        self._paths, self._whole = dict(tree.paths), tree.whole
        there = set(self._paths.values())
        self._known = {path: known for path, known in self._known.items() if path in there}
        self._walked, self._walk_cost = now, max(self._cpu_clock() - before, 0.0)

    def _read_files(self, inodes: np.ndarray, counts: np.ndarray, now: float, until: float) -> None:
        """Read the files of groups with frames: those never read first, then the oldest numbers, until the CPU time."""
        assert self._groups is not None
        largest = np.argsort(-counts, kind="stable")[:MOST]
        paths = [self._paths[inode] for inode in inodes[largest].tolist() if inode in self._paths]
        # stable: of those that are equally old, the largest group first
        paths.sort(key=lambda path: self._known[path].read if path in self._known else float("-inf"))
        for path in paths:
            known = self._known.setdefault(path, _Known(Group(_text(path))))
            if now - known.read < _FRESH_S:
                return
            known.group = replace(self._groups.usage(path), path=_text(path))
            known.read = now
            if self._cpu_clock() >= until:
                return

    def _told(self, drawn: Drawn, inodes: np.ndarray, which: np.ndarray, counts: np.ndarray, cpu: float) -> Owners:
        groups: list[Group] = []
        place = np.full(len(inodes), UNSEEN)
        others = 0
        for at in np.argsort(-counts, kind="stable").tolist():
            inode = int(inodes[at])
            if not inode:
                place[at] = UNCHARGED
                continue
            path, gone = self._paths.get(inode), False
            if path is None:
                path, gone = self._gone.get(inode), True
            if path is None:
                continue
            if len(groups) == MOST:
                place[at] = OTHERS
                others += 1
                continue
            place[at] = len(groups)
            known = self._known.get(path)
            found = known.group if known is not None and not gone else Group(_text(path))
            groups.append(replace(found, gone=gone))
        notes = []
        if others:
            notes.append(f"{others} small groups are one row: {MOST} are told one by one")
        if not self._whole:
            notes.append(f"only the first {len(self._paths)} groups have names: there are more than are looked through")
        return owners_of(
            groups,
            drawn.address,
            drawn.address + PAGE_SIZE,
            drawn.kind.astype(np.int64),
            place[which].astype(np.int64),
            np.ones(len(drawn), np.int64),
            others=others,
            zones=self._zones,
            note="; ".join(notes),
            cpu=cpu + self.cpu,
        )


def _text(path: str) -> str:
    """A path as text that every encoding has: bytes that are no UTF-8 as ``\\xff``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
