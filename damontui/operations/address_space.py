"""What is mapped in a process: its mappings that can be watched, the regions they are shown as, what they hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import Ints, ints
from damontui.kernel import process_files as files
from damontui.kernel.process_files import Mapping, Smaps

Floats = NDArray[np.float64]

_LEFT_OUT = ("[vsyscall]", "[vvar]", "[vvar_vclock]", "[rollup]")
_DEVICE = frozenset({"pf", "io"})
"""``VmFlags`` of device memory: its pages have no accessed bits that ``smaps`` would count."""
_HUGETLB = "ht"
_PRIVATE = ("", "[heap]", "[stack]")
_SHMEM = ("/dev/shm/", "/dev/zero", "/memfd:", "/SYSV", "[anon_shmem")


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """What is mapped in a process while its ``headers`` stay: the mappings watched, their names and ranges."""

    headers: list[bytes]
    mappings: tuple[Mapping, ...]
    chosen: Ints
    """Which lines of ``smaps`` the mappings are, shape ``(mappings,)``."""
    start: Ints
    end: Ints
    names: tuple[str, ...]
    hugetlb: int
    """Bytes left out, since the kernel tells of no access to them."""
    private: NDArray[np.bool_]
    """Which mappings hold memory of this process alone, as long as it does not fork; shape ``(mappings,)``."""
    known: dict[bytes, Mapping]
    """All mappings by their headers."""

    @classmethod
    def of(cls, smaps: Smaps, stacks: dict[int, int] | None = None, former: AddressSpace | None = None) -> AddressSpace:
        """The address space of one reading of ``smaps``; what the ``former`` one knew is not read again."""
        mappings = smaps.mappings(former.known if former is not None else None)
        chosen = [at for at, mapping in enumerate(mappings) if _watched(mapping, int(smaps.rss[at]))]
        watched = tuple(mappings[at] for at in chosen)
        return cls(
            headers=smaps.headers,
            mappings=watched,
            chosen=ints(chosen),
            start=ints([mapping.start for mapping in watched]),
            end=ints([mapping.end for mapping in watched]),
            names=files.names_of(watched, stacks),
            hugetlb=sum(mapping.end - mapping.start for mapping in mappings if _HUGETLB in mapping.flags),
            private=np.array([m.path in _PRIVATE and m.perms[3] == "p" for m in watched], dtype=bool),
            known=dict(zip(smaps.headers, mappings, strict=True)),
        )

    def ranges(self, most: int) -> tuple[tuple[int, int], ...]:
        """One range a mapping; where that would be more than ``most``, touching mappings become one.

        First those of one name (the segments of a library), then all that touch.
        """
        found = list(zip(self.start.tolist(), self.end.tolist(), self.names, strict=True))
        for alike in (True, False):
            if len(found) <= most:
                break
            joined = found[:1]
            for start, end, name in found[1:]:
                before = joined[-1]
                if before[1] == start and (before[2] == name or not alike):
                    joined[-1] = (before[0], end, name)
                else:
                    joined.append((start, end, name))
            found = joined
        return tuple((start, end) for start, end, _ in found)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The regions that an address space is shown as; arrays have shape ``(regions,)``."""

    start: Ints
    end: Ints
    names: tuple[str, ...]
    place: Ints
    """Which region each mapping is in, shape ``(mappings,)``."""

    @classmethod
    def of(cls, space: AddressSpace, most: int) -> Shape:
        """At most so many regions, where gaps between the mappings allow it."""
        ranges = space.ranges(most)
        start, end = ints([one for one, _ in ranges]), ints([one for _, one in ranges])
        return cls(
            start=start,
            end=end,
            names=files.names_in(space.mappings, space.names, start, end),
            place=np.searchsorted(start, space.start, side="right") - 1,
        )


class Shown:
    """The regions that one process is shown as, from one snapshot to the next."""

    def __init__(self) -> None:
        self._shape: tuple[AddressSpace, int, Shape] | None = None
        self._last: tuple[Shape, Ints, Ints] | None = None

    def shape(self, space: AddressSpace, most: int) -> Shape:
        """The regions of an address space, at most so many: the same object while the space is."""
        if self._shape is None or self._shape[0] is not space or self._shape[1] != most:
            self._shape = (space, most, Shape.of(space, most))
        return self._shape[2]

    def keep(self, shape: Shape, accesses: Ints, ages: Ints) -> None:
        """These regions are shown with these accesses and ages, of shape ``(regions,)``."""
        self._last = shape, accesses, ages

    def former(self, shape: Shape) -> tuple[Ints, Ints]:
        """Accesses and ages of these regions at the last snapshot, zeros for one that it did not have."""
        if self._last is None:
            return np.zeros(len(shape.start), np.int64), np.zeros(len(shape.start), np.int64)
        last, accesses, ages = self._last
        if last is shape:
            return accesses, ages
        before = (one.tolist() for one in (last.start, last.end, accesses, ages))
        known = {(start, end): rest for start, end, *rest in zip(*before, strict=True)}
        places = zip(shape.start.tolist(), shape.end.tolist(), strict=True)
        found = ints([known.get(place, (0, 0)) for place in places]).reshape(-1, 2)
        return found[:, 0], found[:, 1]


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a process has beside its accesses, at its last whole reading."""

    resident: Ints
    """Bytes of each mapping watched, shape ``(mappings,)``."""
    kinds: Ints
    """Resident bytes of each mapping by kind (`damontui.damon.snapshot.KINDS`), shape ``(mappings, 3)``."""
    swapped: int
    huge: int
    mapped: int

    @classmethod
    def of(cls, smaps: Smaps, space: AddressSpace) -> Amounts:
        """As ``smaps`` says of the mappings that are watched."""
        chosen = space.chosen
        rss = smaps.rss[chosen]
        anon = np.minimum(smaps.amounts("Anonymous")[chosen], rss)
        shared = np.array([mapping.path.startswith(_SHMEM) for mapping in space.mappings], dtype=bool)
        rest = rss - anon
        huge = sum(int(smaps.amounts(name).sum()) for name in ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped"))
        return cls(
            resident=rss,
            kinds=np.stack((anon, np.where(shared, 0, rest), np.where(shared, rest, 0)), axis=1),
            swapped=int(smaps.amounts("Swap").sum()),
            huge=huge,
            mapped=int((space.end - space.start).sum()),
        )


def moves(former: AddressSpace, space: AddressSpace) -> tuple[Ints, Ints, Floats]:
    """Where the bytes of mappings went when the address space changed: see `Curve.remap`.

    Mappings of one name that overlap are the same memory: they grew, shrank, were split or became one.
    """
    rows, columns, shares = [], [], []
    last = np.searchsorted(former.start, space.end, side="left").tolist()
    first = np.searchsorted(former.end, space.start, side="right").tolist()
    for row, (low, high) in enumerate(zip(first, last, strict=True)):
        for column in range(low, high):
            before, now = former.mappings[column], space.mappings[row]
            if before.path == now.path:
                rows.append(row)
                columns.append(column)
                shares.append((min(before.end, now.end) - max(before.start, now.start)) / (before.end - before.start))
    return ints(rows), ints(columns), np.array(shares, dtype=np.float64)


def _watched(mapping: Mapping, rss: int) -> bool:
    """Not what cannot be accessed or of which no access is told: shown as idle, it would be a lie."""
    return not (
        mapping.path in _LEFT_OUT
        or _HUGETLB in mapping.flags
        or mapping.flags & _DEVICE
        or (mapping.perms.startswith("---") and rss == 0)
    )
