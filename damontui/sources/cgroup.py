"""A control group as a target: its processes, who come and go, or its share of physical memory; beside it its files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from damontui.analysis.owners import name_of
from damontui.damon.snapshot import FRAME_KINDS, Description, Event, Group, Interim, Snapshot
from damontui.errors import SourceError
from damontui.kernel import process_files
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.root import Root
from damontui.safe_text import shown
from damontui.sources.base import Source

MOST = 256
"""Processes of a group that are watched at most: each has mappings of its own to be read."""


class GroupOfProcesses:
    """The processes of one group and of those below it.

    Args:
        root: where ``sys`` and ``proc`` are.
        word: a path, a unit's name or a part of a name, as `Groups.named` takes it.

    Raises:
        SourceError: there is no such group, nobody is in it, or too many.
    """

    def __init__(self, root: Root, word: str) -> None:
        self._groups = Groups.find(root)
        self.path = self._groups.named(word)
        what = f"cannot watch the group {shown(self.path)}"
        self.pids = self._members(root)
        """The PIDs in the group now, without threads of the kernel, rising."""
        if not self.pids:
            raise SourceError(what, "no process is in it", "watch it once something runs there, or the machine: stat")
        if len(self.pids) > MOST:
            raise SourceError(
                what,
                f"{len(self.pids)} processes are in it, and {MOST} at most are watched one by one",
                "watch a group below it, or the machine, which tells its part as well: stat",
            )
        self.title = f"group {shown(name_of(self.path))}"

    def around(self, root: Root, known: Sequence[int]) -> list[int]:
        """The ``known`` PIDs, and those that have come into the group since; none where the group is gone."""
        try:
            now = self._members(root)
        except SourceError:
            now = ()
        return [*known, *(pid for pid in now if pid not in known)][: max(MOST, len(known))]

    def _members(self, root: Root) -> tuple[int, ...]:
        stats = ((pid, process_files.stat(root, pid)) for pid in self._groups.processes(self.path))
        return tuple(pid for pid, one in stats if one is not None and not one.ended and not one.kernel_thread)


_FRESH_S = 1.0
"""Seconds for which a group's files are not read again."""
_SEEN = tuple(FRAME_KINDS.index(kind) for kind in ("anon", "file", "shmem"))
"""Kinds of memory that DAMON can see touched."""


class GroupFiles:
    """What the kernel counts for a group, read at most once a second."""

    def __init__(self, groups: Groups, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._groups = groups
        self._path = path
        self._clock = clock
        self._read = float("-inf")
        self._last = Group(path)

    def now(self) -> Group:
        """The group's numbers; all None where it is gone."""
        now = self._clock()
        if now - self._read >= _FRESH_S:
            text = self._path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            self._last, self._read = replace(self._groups.usage(self._path), path=text), now
        return self._last


class GroupSource:
    """A group watched by another source, with the group's own files beside each snapshot; a `Source`.

    Args:
        source: watches it.
        files: the group's files.
        share: whether the source watches physical memory, and snapshots are to be the group's share of it.
        describe: turns the source's description into the group's.
    """

    def __init__(
        self,
        source: Source,
        files: GroupFiles,
        *,
        share: bool = False,
        describe: Callable[[Description], Description] = lambda description: description,
    ) -> None:
        self._source = source
        self._files = files
        self._share = share
        self._describe = describe

    def __getattr__(self, name: str) -> Any:
        """Attributes that only some sources have, such as ``each`` of several processes."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)

    @property
    def take(self) -> bool:
        """Whether DAMON_STAT may be switched off meanwhile (`TakesDamonStat`), where the source has that."""
        return bool(self._source.take)  # type: ignore[attr-defined]

    @take.setter
    def take(self, take: bool) -> None:
        self._source.take = take  # type: ignore[attr-defined]

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.__exit__(kind, error, trace)

    def describe(self) -> Description:
        """See `Source`."""
        return self._describe(self._source.describe())

    @property
    def enabled(self) -> bool:
        """See `Source`."""
        return self._source.enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self._source.enabled = on

    def overhead(self) -> float:
        """See `Source`."""
        return self._source.overhead()

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """See `Source`: the source's own events, with the group's numbers in each snapshot."""
        for event in self._source.snapshots(stop):
            if isinstance(event, Snapshot):
                group = self._files.now()
                yield replace(group_share(event, group.path) if self._share else event, group=group)
            elif not (self._share and isinstance(event, Interim)):  # of a share, it would be of the whole machine
                yield event


def group_share(snapshot: Snapshot, path: str) -> Snapshot:
    """A group's share of physical memory, with that of the groups below it, as a snapshot of its own.

    Frames are drawn evenly over all of physical memory, so that each drawn frame stands for an equal part of all bytes.
    A region holds as many bytes of the group as its frames of the group stand for, and at most all of its own. Only
    memory that DAMON can see touched is counted: anonymous, shared and file memory.

    Args:
        snapshot: of physical memory.
        path: the group's path.
    """
    owners = snapshot.owners
    resident = np.zeros(len(snapshot), np.int64)
    note = snapshot.note
    if owners is not None and len(snapshot) and owners.drawn:
        below = path.rstrip("/") + "/"
        mine = [at for at, one in enumerate(owners.paths) if one == path or one.startswith(below)]
        region = np.searchsorted(snapshot.start, owners.start, side="right") - 1
        inside = (region >= 0) & (owners.start < snapshot.end[np.maximum(region, 0)])
        counts = np.isin(owners.group, mine) & np.isin(owners.kind, _SEEN) & inside
        each = float(snapshot.sizes.sum()) / max(1, int(owners.count[inside].sum()))
        frames = np.bincount(region[counts], owners.count[counts], minlength=len(snapshot))
        resident = np.minimum(np.rint(frames * each).astype(np.int64), snapshot.sizes)
        if not counts.any():
            note = "; ".join(filter(None, (note, "none of the drawn frames is charged to the group")))
    elif len(snapshot):
        note = "; ".join(filter(None, (note, "no frames were drawn yet")))
    return replace(
        snapshot, resident=resident, frames=None, owners=None, module=None, pressure=None, free=None, note=note
    )
