"""To whom drawn page frames are charged: their control groups by name, with the kernel's own numbers, in a budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from damontui.analysis.owners import above
from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import GROUP_FILES, OTHERS, UNCHARGED, UNSEEN, ZONE_ENDS, Group, Ints, Owners, ints
from damontui.errors import SourceError
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.pages import SPENT_AHEAD_S, Drawn
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root
from damontui.kernel.zones import zones

BUDGET = 0.005
"""Share of one CPU for owners: drawing frames, walking the groups and reading their files."""
DRAWING, NAMING = 0.42, 0.46
"""Parts of the budget for drawing frames and counting them up, and for groups and their files; what is left is for the
rest, such as reading MemFree."""
MOST = 1_000
"""Groups that are told one by one; the smaller ones are one row together."""

_FRESH_S = 2.0
"""Seconds for which ``memory.current`` of a group is not read again."""
_WHOLE_S = 20.0
"""Seconds for which a group's other files are not read again: limits seldom change, and ``memory.stat`` is dear, since
the kernel adds it up."""
_AT_LEAST = 2
"""Groups whose files are read at each look, however little budget is left, so that the largest always has numbers."""
_LOOK_S = 1.0
"""Seconds for which the same answer is given again: frames are drawn over half a minute."""
_DEAREST_WALK = 0.5
"""Part of the budget left that a walk may take, so that files are read as well."""
_WALK_S = 30.0
"""Seconds for which groups are taken to be the same, as long as no frame is charged to an unknown one."""
_NEVER = float("-inf")


@dataclass(slots=True)
class _Known:
    group: Group
    row: list[int]
    """The group's numbers, in the order of `GROUP_FILES`."""
    read: float = _NEVER
    """When ``memory.current`` was read."""
    whole: float = _NEVER
    """When all of its files were read."""


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
        self._zones: tuple[tuple[str, ...], Ints] = (), ints([]).reshape(0, len(ZONE_ENDS))
        self._paths: dict[int, str] = {}
        self._gone: dict[int, str] = {}  # had a folder at an earlier walk
        self._known: dict[str, _Known] = {}
        self._whole = True
        self._walked = float("-inf")
        self._walk_cost = 0.0
        self._telling = 0.0  # CPU seconds of the last look without walking and files
        self._began: float | None = None
        self.spent = 0.0
        """CPU seconds that naming groups took so far."""
        self._last: Owners | None = None
        self._looked = float("-inf")

    def open(self) -> None:
        """Look where the groups are. Raises `SourceError` where there are none."""
        self._groups = Groups.find(self._root)
        found = zones(self._root)
        ends = np.stack((found.start, found.end), axis=1).astype(np.int64)
        self._zones = tuple(found.labels), ends.reshape(-1, len(ZONE_ENDS))

    def of(self, drawn: Drawn, cpu: float = 0.0, share: float = 1.0) -> Owners | None:
        """To whom the drawn frames are charged; the answer before while it is new, or the budget is used up.

        None where nothing was drawn yet.

        Args:
            drawn: frames that are fresh.
            cpu: share of one CPU that drawing took as well, for `Owners.cpu`.
            share: how much of the budget may be spent, where other work took more than was foreseen.
        """
        if self._groups is None or not len(drawn):
            return None
        now, before = self._clock(), self._cpu_clock()
        if self._began is None:
            self._began = now
        budget = self._budget * share
        room = budget * max(now - self._began, SPENT_AHEAD_S) - self.spent
        # telling alone is not worth its cost: as much again is for files
        if self._last is not None and (now - self._looked < _LOOK_S or room <= 2 * self._telling):
            return self._last
        self._looked = now
        inodes, which, counts = np.unique(drawn.group, return_inverse=True, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        walked = self._walk_if_needed(inodes.tolist(), now, budget)
        named = self._cpu_clock()
        self._read_files(inodes[order].tolist(), now, max(named, before + room - self._telling))
        read = self._cpu_clock()
        self._last = self._told(drawn, inodes, which.ravel(), order, cpu)
        after = self._cpu_clock()
        self._telling = max(0.0, after - read + named - before - walked)
        self.spent += max(after - before, 0.0)
        return self._last

    def _walk_if_needed(self, inodes: list[int], now: float, budget: float) -> float:
        """Walk the groups where a frame is charged to an unknown one, as the budget allows; CPU seconds that it took.

        Where all are known it walks once in a while, to find groups that are gone.
        """
        assert self._groups is not None
        strange = any(inode and inode not in self._paths for inode in inodes)
        dearest = _DEAREST_WALK if strange else _DEAREST_WALK / 5
        if self._paths and now - self._walked < max(0.0 if strange else _WALK_S, self._walk_cost / (budget * dearest)):
            return 0.0
        before = self._cpu_clock()
        try:
            tree = self._groups.walk()
        except SourceError:
            return max(self._cpu_clock() - before, 0.0)  # the next look may find it; what is not known is told so
        gone = {inode: path for inode, path in self._paths.items() if inode not in tree.paths}
        wanted = set(inodes)
        self._gone = {inode: path for inode, path in (self._gone | gone).items() if inode in wanted}
        self._paths, self._whole = dict(tree.paths), tree.whole
        there = set(self._paths.values())
        self._known = {path: known for path, known in self._known.items() if path in there}
        self._walked, self._walk_cost = now, max(self._cpu_clock() - before, 0.0)
        return self._walk_cost

    def _read_files(self, inodes: list[int], now: float, until: float) -> None:
        """Read files of groups with frames and of those above them, until ``until``; those of two groups in any case.

        ``memory.current`` of all of them comes first, since it is cheap; then the other files, which tell limits; then
        the oldest numbers again. Of those in the same turn the largest group comes first.

        Args:
            inodes: inodes of groups with frames, the largest group first.
            now: seconds on the clock.
            until: CPU seconds of this thread, at which to stop.
        """
        assert self._groups is not None
        turns: list[tuple[int, float, str]] = []
        for path in self._told_paths(inodes):
            known = self._known.get(path)
            if known is None or known.read == _NEVER:
                turns.append((0, 0.0, path))
            elif known.whole == _NEVER:
                turns.append((1, 0.0, path))
            elif now - known.whole >= _WHOLE_S:
                turns.append((2, known.whole, path))
            elif now - known.read >= _FRESH_S:
                turns.append((2, known.read, path))
        turns.sort(key=itemgetter(0, 1))
        for number, (_, _, path) in enumerate(turns):
            if number >= _AT_LEAST and self._cpu_clock() >= until:
                return
            known = self._known.get(path)
            self._known[path] = self._read(path, known, now)

    def _read(self, path: str, known: _Known | None, now: float) -> _Known:
        assert self._groups is not None
        text = _text(path)
        if known is None or (known.whole != _NEVER and now - known.whole < _WHOLE_S):
            group = known.group if known is not None else Group(text)
            group = replace(group, current=self._groups.number(path, "memory.current"))
            return _Known(group, _row(group), now, known.whole if known is not None else _NEVER)
        group = replace(self._groups.usage(path), path=text)
        return _Known(group, _row(group), now, now)

    def _told_paths(self, inodes: list[int]) -> list[str]:
        """Paths of the groups that are told one by one, the largest first, each before those above it without
        frames."""
        found = dict.fromkeys(self._paths[inode] for inode in inodes if inode in self._paths)
        largest = list(found)[:MOST]
        return list(dict.fromkeys([*largest, *(one for path in largest for one in _above(path) if one not in found)]))

    def _told(self, drawn: Drawn, inodes: np.ndarray, which: np.ndarray, order: np.ndarray, cpu: float) -> Owners:
        paths: list[str] = []
        rows: list[list[int]] = []
        place = np.full(len(inodes), UNSEEN)
        others = 0
        numbers = inodes.tolist()

        def tell(path: str, gone: bool) -> None:
            known = self._known.get(path) if not gone else None
            paths.append(path)
            rows.append(known.row if known is not None else _GONE if gone else _NOTHING)

        for at in order.tolist():
            inode = numbers[at]
            if not inode:
                place[at] = UNCHARGED
                continue
            path, gone = self._paths.get(inode), False
            if path is None:
                path, gone = self._gone.get(inode), True
            if path is None:
                continue
            if len(paths) == MOST:
                place[at] = OTHERS
                others += 1
                continue
            place[at] = len(paths)
            tell(path, gone)
        # those above them have numbers too: of all that is below
        there = set(paths)
        upper = dict.fromkeys(one for path in paths for one in _above(path) if one not in there)
        for path in upper:
            tell(path, False)
        names, ends = self._zones
        return Owners(
            tuple(map(_text, paths)),
            ints(rows).reshape(len(rows), len(GROUP_FILES)),
            drawn.address,
            drawn.address + PAGE_SIZE,
            drawn.kind.astype(np.int64),
            place[which].astype(np.int64),
            np.ones(len(drawn), np.int64),
            names,
            ends,
            others,
            self._note(others, sum(row is not _GONE and path != "/" for path, row in zip(paths, rows, strict=True))),
            cpu,
        )

    def _note(self, others: int, told: int) -> str:
        """A sentence on what is not known, where ``told`` groups are told one by one, without the uppermost."""
        notes = []
        if others:
            notes.append(f"{others} small groups are one row: {MOST} are told one by one")
        missed = len(self._paths) - 1 - told - others
        if missed > 0:
            notes.append(f"groups not met among these frames: {missed}")
        if not self._whole:
            notes.append(f"only the first {len(self._paths)} groups have names: there are more than are looked through")
        return "; ".join(notes)


def _above(path: str) -> list[str]:
    """The groups above it, without the uppermost one, of which the kernel counts nothing."""
    return above(path)[1:-1]


def _row(group: Group) -> list[int]:
    values = (getattr(group, name) for name in GROUP_FILES)
    return [-1 if value is None else int(value) for value in values]


_NOTHING, _GONE = _row(Group("")), _row(Group("", gone=True))


def _text(path: str) -> str:
    """A path as text that every encoding has: bytes that are no UTF-8 as ``\\xff``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
