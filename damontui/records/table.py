"""Many snapshots as one structure of arrays: what every record file becomes, and what reports compute on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import OPTIONAL, Description, Ints, Snapshot
from damontui.safe_text import escaped


@dataclass(frozen=True, slots=True)
class Conditions:
    """The attributes and targets under which regions were counted; shared by all snapshots that have the same."""

    attrs: Attrs
    next_attrs: Attrs
    targets: tuple[int, ...] = (0,)


@dataclass(slots=True, eq=False)
class Table:
    """Snapshots in order of time. Snapshot i owns the regions ``offsets[i]:offsets[i + 1]``.

    Region arrays have shape ``(all regions,)``, snapshot arrays ``(snapshots,)``; ``offsets`` has one more. Addresses
    are bytes (int64), times seconds (float64).
    """

    description: Description
    time: NDArray[np.float64]
    began: NDArray[np.float64]
    wall: NDArray[np.float64]
    offsets: Ints
    start: Ints
    end: Ints
    nr_accesses: Ints
    age: Ints
    target: Ints
    conditions: list[Conditions]
    """Every combination of attributes and targets that occurs."""
    condition_of: Ints
    """Index into ``conditions`` of each snapshot."""
    extra: dict[int, dict[str, object]] = field(default_factory=dict)
    """Other fields of `Snapshot` that are not their default, by the snapshot's index and the field's name."""
    nanoseconds: Ints | None = None
    """``began`` and ``time`` as integers, shape ``(snapshots, 2)``, where they are finer than a float holds."""
    intervals_known: bool = True
    """False where the file has no intervals: ``attrs`` are then only the defaults."""
    notes: tuple[str, ...] = ()
    """What the file could not tell, or what of it could not be read, one sentence each."""

    def __len__(self) -> int:
        return len(self.time)

    def snapshot(self, index: int) -> Snapshot:
        """Snapshot ``index``; its arrays are views of this table's."""
        low, high = int(self.offsets[index]), int(self.offsets[index + 1])
        conditions = self.conditions[int(self.condition_of[index])]
        made = Snapshot(
            time=float(self.time[index]),
            began=float(self.began[index]),
            wall=float(self.wall[index]),
            attrs=conditions.attrs,
            start=self.start[low:high],
            end=self.end[low:high],
            nr_accesses=self.nr_accesses[low:high],
            age=self.age[low:high],
            target=self.target[low:high],
            origin="record",
            next_attrs=conditions.next_attrs,
            targets=conditions.targets,
        )
        extra = self.extra.get(index)
        return replace(made, **extra) if extra else made  # type: ignore[arg-type]

    def ns(self, index: int) -> tuple[int, int]:
        """When snapshot ``index`` began and ended, nanoseconds."""
        if self.nanoseconds is not None:
            began, ended = self.nanoseconds[index].tolist()
            return began, ended
        return round(float(self.began[index]) * 1e9), round(float(self.time[index]) * 1e9)

    def __iter__(self) -> Iterator[Snapshot]:
        return map(self.snapshot, range(len(self)))

    def at(self, time: float) -> int:
        """The index of the newest snapshot that was whole at ``time``; -1 before the first."""
        return int(np.searchsorted(self.time, time, side="right")) - 1


def table_of(description: Description, snapshots: Sequence[Snapshot], notes: tuple[str, ...] = ()) -> Table:
    """The table of snapshots that are in memory."""

    def column(name: str) -> Ints:
        arrays = [getattr(s, name) for s in snapshots]
        return np.concatenate(arrays) if arrays else np.empty(0, np.int64)

    known: dict[Conditions, int] = {}
    condition_of = [known.setdefault(Conditions(s.attrs, s.next_attrs, s.targets), len(known)) for s in snapshots]
    return Table(
        description,
        np.array([s.time for s in snapshots], np.float64),
        np.array([s.began for s in snapshots], np.float64),
        np.array([s.wall for s in snapshots], np.float64),
        np.cumsum([0, *map(len, snapshots)], dtype=np.int64),
        column("start"),
        column("end"),
        column("nr_accesses"),
        column("age"),
        column("target"),
        list(known),
        np.array(condition_of, np.int64),
        {i: extra for i, s in enumerate(snapshots) if (extra := extra_of(s))},
        notes=notes,
    )


def extra_of(snapshot: Snapshot) -> dict[str, object]:
    """The optional fields of a snapshot that differ from their defaults."""
    values = {field.name: (getattr(snapshot, field.name), field.default) for field in OPTIONAL}
    # an array is compared by what it is, not by its numbers
    return {n: v for n, (v, usual) in values.items() if v is not usual and (isinstance(v, np.ndarray) or v != usual)}


def json_text(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return escaped(json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)).encode()
