"""How much of a process's regions is in memory, where a ``vaddr`` kdamond watches it.

DAMON's regions cover ranges of addresses in which there are holes, and mappings of which little may be in memory. So
they are cut at the mappings, what is not mapped is left out, and each piece says how much of it is resident: by the
present bits of ``/proc/PID/pagemap`` (bit 63, ``Documentation/admin-guide/mm/pagemap.rst``) page by page, else by
``Rss`` of its mapping in ``smaps``, shared out evenly. A page that was only read and never written to is present
although it takes no memory (all such pages are one page of zeros): ``Rss`` leaves it out, the present bits do not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.snapshot import Ints, Snapshot, ints
from damontui.errors import SourceError
from damontui.kernel.process_files import Mapping, ProcessFolder
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root

EVERY_S = 1.0
"""Seconds between two readings of one process, at least."""
BUDGET = 0.01
"""Share of one CPU that reading may take."""
MOST_PAGES = 1 << 22
"""Pages that are looked at one by one in a reading, at most: 16 GiB of address space, 4 MiB of counts."""
_AT_ONCE = 1 << 16
_PRESENT = np.uint64(63)
HIGHEST = 1 << 56
"""Where user addresses end: [vsyscall] is above, and has no place in pagemap."""
_UNREADABLE = "of a mapping that is partly in memory it is not known which part: /proc/PID/pagemap cannot be read"
_TOO_MANY = "of the largest mappings it is not known which part is in memory: there are too many pages to look at"


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """What one process had in memory. Mappings in order of address; arrays have shape ``(mappings,)``."""

    start: Ints
    end: Ints
    resident: Ints
    """Resident bytes of each mapping, also of those in ``pages``."""
    pages: Sequence[Ints | None]
    """For each mapping the number of pages in memory below each of its pages, shape ``(pages + 1,)``; None where only
    the sum is known."""
    note: str
    due: float
    """When it may be read again, on the clock."""

    def below(self, mapping: int, address: int) -> float:
        """Bytes in memory of a mapping below an address in it."""
        counted = self.pages[mapping]
        start, end = int(self.start[mapping]), int(self.end[mapping])
        if counted is not None:
            return float(counted[min((address - start) // PAGE_SIZE, len(counted) - 1)]) * PAGE_SIZE
        return float(self.resident[mapping]) * (address - start) / (end - start)


class Residence:
    """Gives snapshots of processes their resident bytes.

    Args:
        root: where /proc is.
        names: gives the names of what is mapped at regions, from arrays of start, end and target.
        clock: seconds.
    """

    def __init__(
        self,
        root: Root,
        names: Callable[[Ints, Ints, Ints], tuple[str, ...]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._names = names
        self._clock = clock
        self._read: dict[int, _Reading] = {}

    def fill(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot, cut at the mappings of its targets (PIDs), with ``resident``.

        Unchanged where the mappings of a target cannot be read, since it has ended.
        """
        if not len(snapshot):
            return snapshot
        self._read = {pid: reading for pid, reading in self._read.items() if pid in snapshot.targets}
        pieces: list[tuple[Ints, Ints, Ints, Ints]] = []
        notes = dict.fromkeys((snapshot.note,))
        for index, pid in enumerate(snapshot.targets):
            mine = np.flatnonzero(snapshot.target == index)
            if not len(mine):
                continue
            reading = self._of(pid)
            if reading is None:
                return snapshot
            notes[reading.note] = None
            pieces.append(_cut(snapshot, mine, reading))
        region, start, end, resident = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
        target = snapshot.target[region]
        return replace(
            snapshot,
            start=start,
            end=end,
            nr_accesses=snapshot.nr_accesses[region],
            age=snapshot.age[region],
            target=target,
            names=self._names(start, end, target),
            resident=resident,
            note="; ".join(note for note in notes if note),
        )

    def _of(self, pid: int) -> _Reading | None:
        """What a process has in memory, read lately; None where it has ended."""
        now = self._clock()
        reading = self._read.get(pid)
        if reading is not None and now < reading.due:
            return reading
        try:
            with ProcessFolder(self._root, pid) as folder:
                reading = self._look(folder)
        except (SourceError, OSError):
            self._read.pop(pid, None)
            return None
        took = self._clock() - now
        self._read[pid] = replace(reading, due=now + max(EVERY_S, took / BUDGET))
        return self._read[pid]

    def _look(self, folder: ProcessFolder) -> _Reading:
        mappings = [one for one in folder.maps() if one.end <= HIGHEST]
        start, end = ints([one.start for one in mappings]), ints([one.end for one in mappings])
        pages, note = READERS.ask(lambda: self._pages(folder, mappings))
        resident = ints([0 if one is None else int(one[-1]) * PAGE_SIZE for one in pages])
        if any(one is None for one in pages):
            smaps = folder.smaps()
            held = {one.start: rss for one, rss in zip(smaps.mappings(), smaps.rss.tolist(), strict=True)}
            known = np.array([one is not None for one in pages])
            resident = np.where(known, resident, ints([held.get(one.start, 0) for one in mappings]))
        return _Reading(start, end, np.minimum(resident, end - start), pages, note, 0.0)

    def _pages(self, folder: ProcessFolder, mappings: Sequence[Mapping]) -> tuple[list[Ints | None], str]:
        """`_Reading.pages`, for the smallest mappings, as many pages as may be looked at; and `_Reading.note`."""
        found: list[Ints | None] = [None] * len(mappings)
        left, note = MOST_PAGES, ""
        try:
            file = folder.open("pagemap")
        except OSError:
            return found, _UNREADABLE
        try:
            for at in sorted(range(len(mappings)), key=lambda i: mappings[i].end - mappings[i].start):
                one = mappings[at]
                count = (one.end - one.start) // PAGE_SIZE
                if count > left:
                    note = _TOO_MANY
                    break
                present = _present(file, one.start // PAGE_SIZE, count)
                if present is None:
                    return [None] * len(mappings), _UNREADABLE
                left -= count
                found[at] = np.concatenate((ints([0]), np.cumsum(present, dtype=np.int64)))
        except OSError:
            return [None] * len(mappings), _UNREADABLE
        finally:
            os.close(file)
        return found, note


def _present(file: int, first: int, count: int) -> NDArray[np.bool_] | None:
    """Whether each of ``count`` pages is in memory; None where the file does not tell."""
    found = []
    for at in range(first, first + count, _AT_ONCE):
        wanted = min(_AT_ONCE, first + count - at) * 8
        data = os.pread(file, wanted, at * 8)
        if len(data) != wanted:
            return None
        found.append((np.frombuffer(data, np.uint64) >> _PRESENT).astype(np.bool_))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.bool_)


def _cut(snapshot: Snapshot, mine: Ints, reading: _Reading) -> tuple[Ints, Ints, Ints, Ints]:
    """Pieces of regions that are mapped: which region, start, end and resident bytes, each of shape ``(pieces,)``."""
    low, high = snapshot.start[mine], snapshot.end[mine]
    first = np.searchsorted(reading.end, low, side="right")
    count = np.maximum(np.searchsorted(reading.start, high, side="left") - first, 0)
    region = np.repeat(np.arange(len(mine)), count)
    mapping = np.arange(len(region)) - np.repeat(np.cumsum(count) - count, count) + first[region]
    start, end = np.maximum(low[region], reading.start[mapping]), np.minimum(high[region], reading.end[mapping])
    held = [
        reading.below(at, to) - reading.below(at, since)
        for at, since, to in zip(mapping.tolist(), start.tolist(), end.tolist(), strict=True)
    ]
    return mine[region], start, end, np.rint(held).astype(np.int64)
