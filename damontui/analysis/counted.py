"""Counted bytes of part of a snapshot, and of two snapshots as one: what coarser entries of a long past hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import usage
from damontui.damon.attrs import Attrs
from damontui.damon.fields import REGIONS, fields_of, joined
from damontui.damon.snapshot import Ints, Measured, Snapshot

Floats = NDArray[np.float64]


def merged(
    older: Snapshot, newer: Snapshot, attrs: Attrs, targets: tuple[int, ...], renamed: Ints, most: int
) -> Snapshot:
    """Two measured snapshots as one of both their times.

    The newer one's curves already say what was touched within the time of both, so its regions stand as they are, to
    the byte. A mapping that is gone by then stands with its bytes in proportion to the time that it was there, as long
    as there are at most ``most`` regions, the largest first: totals are then near the mean over the time.

    Args:
        older: ended before ``newer``.
        newer: gives the result everything but the time of its beginning and the regions that are gone.
        attrs: attributes of the result; ``nr_accesses`` becomes the share touched, of their samples.
        targets: the targets of both, the newer snapshot's first.
        renamed: the index in ``targets`` of each target of the older snapshot.
        most: regions that the result may have, beyond the newer snapshot's own.
    """
    assert newer.measured is not None
    whole = replace(newer, began=older.began, attrs=attrs, targets=targets)
    gone = _gone(older, newer, renamed, most)
    if older.measured is not None and len(gone):
        whole = _with(whole, older, gone, renamed)
    share = usage.used_by_region(whole, whole.time - whole.began) / np.maximum(whole.memory, 1)
    count = np.ceil(np.minimum(share, 1.0) * attrs.max_nr_accesses - 1e-9).astype(np.int64)
    assert whole.measured is not None
    weights = (older.attrs.aggr_us, newer.attrs.aggr_us)
    apart = joined(Measured, older.measured or whole.measured, whole.measured, weights)
    return replace(whole, nr_accesses=count, measured=replace(whole.measured, **apart))


def taken(snapshot: Snapshot, index: Ints, share: Floats | None = None) -> Snapshot:
    """Some regions of a snapshot, in the order of ``index``; targets stay as they are.

    Args:
        snapshot: any, measured or not.
        index: which regions.
        share: how much of each of them is left, 0 … 1, where the caller cuts their addresses: bytes in memory and
            bytes touched are shared out evenly.
    """
    parts = _part(snapshot, index, share)
    if (measured := snapshot.measured) is not None:
        before, after = measured.used.sum(axis=0), parts["measured"].used.sum(axis=0)
        # how sure the sum is does not get better by looking at part of it
        part = after / np.maximum(before, 1)
        parts["measured"] = replace(
            parts["measured"],
            least=np.maximum(after - np.ceil((before - measured.least) * part).astype(np.int64), 0),
            most=after + np.ceil((measured.most - before) * part).astype(np.int64),
        )
    return replace(snapshot, **parts)


def _part(value: object, index: Ints, share: Floats | None) -> dict[str, Any]:
    """The fields of a dataclass that have a place for each region, cut down to some regions."""
    parts: dict[str, Any] = {}
    for field in fields_of(type(value)):
        whole = getattr(value, field.name)
        if not field.of_regions or whole is None:
            continue
        if field.parts:
            parts[field.name] = replace(whole, **_part(whole, index, share))
        elif field.many:
            parts[field.name] = tuple(whole[i] for i in index.tolist()) if whole else ()
        else:
            axis = field.fact.axes.index(REGIONS)
            chosen = np.take(whole, index, axis=axis)
            if share is not None and field.fact.unit == "bytes":
                along = share if axis == chosen.ndim - 1 else share[:, None]
                chosen = np.floor(chosen * along).astype(np.int64)
            parts[field.name] = chosen
    return parts


def _gone(older: Snapshot, newer: Snapshot, renamed: Ints, most: int) -> Ints:
    """Indices of the older regions that touch none of the newer ones, the largest where there are too many."""
    room = most - len(newer)
    if room <= 0 or not len(older):
        return np.empty(0, dtype=np.int64)
    where = renamed[older.target]
    out = np.zeros(len(older), dtype=np.bool_)
    for target in np.unique(where).tolist():
        mine, theirs = where == target, newer.target == target
        first = np.searchsorted(newer.end[theirs], older.start[mine], side="right")
        last = np.searchsorted(newer.start[theirs], older.end[mine], side="left")
        out[mine] = first >= last
    found = np.flatnonzero(out & (older.memory > 0))
    return np.sort(found[np.argsort(-older.memory[found], kind="stable")[:room]])


def _with(newer: Snapshot, older: Snapshot, gone: Ints, renamed: Ints) -> Snapshot:
    """The newer snapshot and regions of the older one, these with bytes in proportion to its time."""
    mine, theirs = newer.measured, older.measured
    assert mine is not None
    assert theirs is not None
    share = (older.time - older.began) / max(newer.time - newer.began, 1e-9)
    # it was last there when the older one ended: what it touched is that much longer ago
    ago = max(0.0, newer.time - older.time)
    curves = np.stack([_at(theirs, gone, seconds - ago) for seconds in mine.seconds], axis=1) * share
    used = np.floor(curves).astype(np.int64)
    resident = np.maximum(np.floor(older.memory[gone] * share).astype(np.int64), used[:, -1])
    kinds = np.floor(theirs.kinds[gone] * share).astype(np.int64)
    target = np.concatenate((newer.target, renamed[older.target[gone]]))
    start = np.concatenate((newer.start, older.start[gone]))
    order = np.lexsort((start, target))
    names: tuple[str, ...] = ()
    if newer.names or older.names:
        both = (*(newer.names or ("",) * len(newer)), *(older.names[i] if older.names else "" for i in gone.tolist()))
        names = tuple(both[i] for i in order.tolist())

    def column(new: Ints, old: Ints) -> Ints:
        return np.concatenate((new, old))[order]

    return replace(
        newer,
        start=start[order],
        end=column(newer.end, older.end[gone]),
        nr_accesses=column(newer.nr_accesses, older.nr_accesses[gone]),
        age=column(newer.age, older.age[gone] * older.next_attrs.aggr_us // newer.next_attrs.aggr_us),
        target=target[order],
        names=names,
        resident=column(newer.memory, resident),
        measured=replace(
            mine,
            used=column(mine.used, used),
            least=mine.least + used.sum(axis=0),
            most=mine.most + used.sum(axis=0),
            kinds=column(mine.kinds, kinds),
        ),
    )


def _at(measured: Measured, rows: Ints, seconds: float) -> Floats:
    """Bytes of some regions touched within a time; none within less than no time."""
    if seconds <= 0:
        return np.zeros(len(rows))
    return usage.on_curve(measured.seconds, measured.used[rows], seconds)
