"""From the curves of processes to one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FirstTouches, Ints, Measured, Snapshot, ints
from damontui.operations.curve import GRID, Curve
from damontui.operations.process import Memory, Process, Shape

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moment:
    """What a snapshot says beside memory: see `Snapshot`."""

    time: float
    began: float
    wall: float
    attrs: Attrs
    late: int
    cpu: float | None
    note: str
    longest_pause: float


@dataclass(frozen=True, slots=True)
class One:
    """One of several processes that are watched together."""

    pid: int
    name: str
    """What the kernel calls it, printable."""
    snapshot: Snapshot
    """Of this process alone, of the same moment and over the same times as the others'."""


@dataclass(frozen=True, slots=True)
class Missing:
    """One of several processes that is not watched (any more)."""

    pid: int
    name: str
    """What the kernel calls it, printable."""
    started: int
    """Clock ticks after the start of the machine."""
    why: str
    """``ended at 12:03:04``, ``permission denied; run: sudo …``."""


def snapshot(processes: Sequence[Process], window: float, max_regions: int, moment: Moment) -> Snapshot:
    """What is known of these processes now, together: see `snapshots`."""
    return snapshots(processes, window, max_regions, moment)[0]


def snapshots(
    processes: Sequence[Process], window: float, max_regions: int, moment: Moment
) -> tuple[Snapshot, tuple[One, ...]]:
    """What is known of these processes now, together and each; each was read at least once, or is left out.

    Args:
        processes: in the order of the targets.
        window: the longest time told, seconds.
        max_regions: regions at most, where gaps between the mappings allow it.
        moment: the rest.
    """
    known = [(process, process.curve) for process in processes if process.curve is not None and process.curve.age > 0]
    watched = max((curve.watched for _, curve in known), default=0.0)
    shortest = max((curve.shortest for _, curve in known), default=0.0)
    longest = min(max(watched, 1e-3), window)
    seconds = (*(one for one in GRID if shortest <= one < longest * 0.999), longest)
    most = max(1, max_regions // max(1, len(known)))
    parts = [(process, _part(process, curve, np.array(seconds), most, moment)) for process, curve in known]
    first = {process.pid: curve.first_touches() for process, curve in known}
    whole = _made(parts, seconds, watched, moment, [row for rows in first.values() for row in rows])
    if len(parts) < 2:
        return whole, tuple(One(process.pid, process.who.comm, whole) for process, _ in parts)
    each = []
    for process, part in parts:
        mine = replace(moment, longest_pause=process.longest_pause)
        assert process.curve is not None
        reach = min(process.curve.watched, watched)
        # one that has come lately was not watched for as long as the others
        told = max(1, sum(one <= reach * 1.001 for one in seconds))
        mine_alone = (*part[:5], part[5][:, :told], *part[6:8], part[8][:told], part[9][:told])
        each.append(
            One(
                process.pid,
                process.who.comm,
                _made([(process, mine_alone)], seconds[:told], reach, mine, first[process.pid]),
            )
        )
    return whole, tuple(each)


_Part = tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints, tuple[str, ...], Ints, Ints]
"""start, end, resident, nr_accesses, age, used, kinds, names, least, most."""


def _made(
    processes: Sequence[tuple[Process, _Part]],
    seconds: tuple[float, ...],
    watched: float,
    moment: Moment,
    first: Sequence[tuple[float, float, float, float]],
) -> Snapshot:
    parts = [part for _, part in processes]
    columns = [np.concatenate([part[at] for part in parts]) if parts else np.zeros(0) for at in range(5)]
    start, end, resident, accesses, age = (ints(column) for column in columns)
    times = np.zeros(len(seconds), dtype=np.int64)
    used = np.concatenate([part[5] for part in parts]) if parts else np.zeros((0, len(seconds)))
    kinds = np.concatenate([part[6] for part in parts]) if parts else np.zeros((0, 3))
    amounts = [process.amounts for process, _ in processes]
    return Snapshot(
        time=moment.time,
        began=moment.began,
        wall=moment.wall,
        attrs=moment.attrs,
        start=start,
        end=end,
        nr_accesses=accesses,
        age=age,
        target=ints([index for index, part in enumerate(parts) for _ in part[0]]),
        origin="process",
        next_attrs=moment.attrs,
        targets=tuple(process.pid for process, _ in processes),
        names=tuple(name for part in parts for name in part[7]),
        late=moment.late,
        cpu=moment.cpu,
        note=moment.note,
        resident=resident,
        watched=watched,
        measured=Measured(
            seconds=seconds,
            used=ints(used),
            least=sum((part[8] for part in parts), times.copy()),
            most=sum((part[9] for part in parts), times.copy()),
            kinds=ints(kinds),
            swapped=sum(one.swapped for one in amounts),
            huge=sum(one.huge for one in amounts),
            mapped=sum(one.mapped for one in amounts),
            longest_pause=moment.longest_pause,
            first_touches=FirstTouches(*np.array(first, np.float64).reshape(len(first), 4).T.copy()),
        ),
    )


def _part(process: Process, curve: Curve, seconds: Floats, most: int, moment: Moment) -> _Part:
    amounts, shape = process.amounts, process.shape(most)
    start, end = shape.start, shape.end

    def together(values: Floats | Ints) -> Ints:
        found = np.zeros((len(start), *values.shape[1:]))
        np.add.at(found, shape.place, values)
        return np.round(found).astype(np.int64)

    resident = together(amounts.resident)
    answer = curve.used(seconds)
    used = np.minimum(together(answer.bytes), resident[:, None])
    span = np.array([min(max(moment.time - moment.began, seconds[0]), seconds[-1])])
    share = together(curve.used(span).bytes)[:, 0] / np.maximum(resident, 1)
    samples = moment.attrs.max_nr_accesses
    accesses = np.where(share > 0, np.clip(np.round(share * samples), 1, samples), 0).astype(np.int64)
    age = _ages(process, shape, accesses, used, seconds, moment.attrs)
    total, least, can = (np.round(a.sum(axis=0)).astype(np.int64) for a in (answer.bytes, answer.least, answer.most))
    here = used.sum(axis=0)
    least, can = np.minimum(least, here), np.maximum(np.minimum(can, resident.sum()), np.maximum(here, total * 0))
    return start, end, resident, accesses, age, used, together(amounts.kinds), shape.names, least, can


def _ages(process: Process, shape: Shape, accesses: Ints, used: Ints, seconds: Floats, attrs: Attrs) -> Ints:
    """Ages in aggregations: of idle memory as the curve tells, of other since its share is about what it is."""
    every, samples = attrs.aggr_us / 1e6, attrs.max_nr_accesses
    touched = used > 0
    latest = np.maximum(np.argmax(touched, axis=1) - 1, 0)
    idle = np.where(touched.any(axis=1), seconds[latest], seconds[-1])
    # DAMON says idle for age + 1 aggregations
    idle_age = np.maximum((idle / every + 1e-6).astype(np.int64) - 1, 0)
    before, age = process.former(shape)
    alike = (np.abs(before - accesses) * 10 <= samples) & (before > 0)
    found = ints(np.where(accesses == 0, idle_age, np.where(alike, age + 1, 0)))
    process.memory = Memory(shape, accesses, found)
    return found
