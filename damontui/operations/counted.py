"""From the curves of processes to one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FirstTouches, Ints, Measured, Snapshot, ints
from damontui.operations.address_space import Shape
from damontui.operations.curve import GRID, Curve
from damontui.operations.process import Process

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moment:
    """Fields of a snapshot that are not about memory: see `Snapshot`."""

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
    """The process's name as the kernel has it, printable."""
    snapshot: Snapshot
    """A snapshot of this process alone, for the same moment and times as the others'."""


def snapshots(
    processes: Sequence[Process], window: float, max_regions: int, moment: Moment
) -> tuple[Snapshot, tuple[One, ...]]:
    """A snapshot of these processes together, and one of each; those that were never read are left out.

    Args:
        processes: in the order of the targets.
        window: the longest time told, seconds.
        max_regions: regions at most, where gaps between the mappings allow it.
        moment: the fields that are not about memory.
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
        mine_alone = part._replace(used=part.used[:, :told], least=part.least[:told], most=part.most[:told])
        each.append(
            One(
                process.pid,
                process.who.comm,
                _made([(process, mine_alone)], seconds[:told], reach, mine, first[process.pid]),
            )
        )
    return whole, tuple(each)


class _ProcessPart(NamedTuple):
    """What one process has in a snapshot: its regions, as in `Snapshot`, and its sums, as in `Measured`."""

    start: Ints
    end: Ints
    resident: Ints
    nr_accesses: Ints
    age: Ints
    used: Ints
    """Bytes touched within each of the times, shape ``(regions, times)``."""
    kinds: Ints
    """Bytes of each kind of memory, shape ``(regions, 3)``."""
    names: tuple[str, ...]
    least: Ints
    """Bytes touched within each of the times, at least, of all regions, shape ``(times,)``."""
    most: Ints
    """Bytes touched within each of the times, at most, of all regions, shape ``(times,)``."""


def _made(
    processes: Sequence[tuple[Process, _ProcessPart]],
    seconds: tuple[float, ...],
    watched: float,
    moment: Moment,
    first: Sequence[tuple[float, float, float, float]],
) -> Snapshot:
    """One snapshot of the parts of these processes, target by target; ``first`` holds the rows of `FirstTouches`."""
    parts = [part for _, part in processes]

    def joined(arrays: Sequence[Ints]) -> Ints:
        return ints(np.concatenate(arrays) if arrays else [])

    times = np.zeros(len(seconds), dtype=np.int64)
    used = np.concatenate([part.used for part in parts]) if parts else np.zeros((0, len(seconds)))
    kinds = np.concatenate([part.kinds for part in parts]) if parts else np.zeros((0, 3))
    amounts = [process.amounts for process, _ in processes]
    return Snapshot(
        time=moment.time,
        began=moment.began,
        wall=moment.wall,
        attrs=moment.attrs,
        start=joined([part.start for part in parts]),
        end=joined([part.end for part in parts]),
        nr_accesses=joined([part.nr_accesses for part in parts]),
        age=joined([part.age for part in parts]),
        target=ints([index for index, part in enumerate(parts) for _ in part.start]),
        origin="process",
        next_attrs=moment.attrs,
        targets=tuple(process.pid for process, _ in processes),
        names=tuple(name for part in parts for name in part.names),
        late=moment.late,
        cpu=moment.cpu,
        note=moment.note,
        resident=joined([part.resident for part in parts]),
        watched=watched,
        measured=Measured(
            seconds=seconds,
            used=ints(used),
            least=sum((part.least for part in parts), times.copy()),
            most=sum((part.most for part in parts), times.copy()),
            kinds=ints(kinds),
            swapped=sum(one.swapped for one in amounts),
            huge=sum(one.huge for one in amounts),
            mapped=sum(one.mapped for one in amounts),
            longest_pause=moment.longest_pause,
            first_touches=FirstTouches(*np.array(first, np.float64).reshape(len(first), 4).T.copy()),
        ),
    )


def _part(process: Process, curve: Curve, seconds: Floats, regions: int, moment: Moment) -> _ProcessPart:
    """What a process has in the snapshot of that moment, on ``regions`` at most; its ages go on from here."""
    amounts, shape = process.amounts, process.shown.shape(process.space, regions)
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
    least, most = (np.round(one.sum(axis=0)).astype(np.int64) for one in (answer.least, answer.most))
    here = used.sum(axis=0)
    least, most = np.minimum(least, here), np.maximum(np.minimum(most, resident.sum()), here)
    return _ProcessPart(
        start=start,
        end=end,
        resident=resident,
        nr_accesses=accesses,
        age=age,
        used=used,
        kinds=together(amounts.kinds),
        names=shape.names,
        least=least,
        most=most,
    )


def _ages(process: Process, shape: Shape, accesses: Ints, used: Ints, seconds: Floats, attrs: Attrs) -> Ints:
    """Ages in aggregations: how long idle memory has been idle, by the curve; for how long another region's share in
    use has been about the same."""
    every, samples = attrs.aggr_us / 1e6, attrs.max_nr_accesses
    touched = used > 0
    latest = np.maximum(np.argmax(touched, axis=1) - 1, 0)
    idle = np.where(touched.any(axis=1), seconds[latest], seconds[-1])
    # DAMON says idle for age + 1 aggregations
    idle_age = np.maximum((idle / every + 1e-6).astype(np.int64) - 1, 0)
    before, age = process.shown.former(shape)
    alike = (np.abs(before - accesses) * 10 <= samples) & (before > 0)
    found = ints(np.where(accesses == 0, idle_age, np.where(alike, age + 1, 0)))
    process.shown.keep(shape, accesses, found)
    return found
