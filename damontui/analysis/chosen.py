"""How much of each region belongs to a chosen owner, as its drawn frames tell: for a picture that dims the rest.

A region counts as a whole: what the frames drawn from it tell holds for all of it, and for no part of it alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damontui.analysis.owners import ELSEWHERE, EMPTY, GROUP, KERNEL, REST, ZONE, OwnerRow
from damontui.damon.snapshot import FRAME_KINDS, OTHERS, UNCHARGED, UNSEEN, Owners, Snapshot

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOSTLY = 0.5
"""From this share of its drawn frames on a region counts as the owner's; below it, as having some of the owner's."""

_ROW_OF = {KERNEL: UNCHARGED, ELSEWHERE: UNSEEN, REST: OTHERS}
_NOTHING = tuple(FRAME_KINDS.index(what) for what in EMPTY)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose memory is looked for: a row of the table of owners."""

    what: str
    """As `OwnerRow.what` in `damontui.analysis.owners`."""
    path: str
    name: str
    """The owner's name for people. Made of a path, so that it has to pass `safe_text` before it is shown."""
    below: bool = False
    """Whether memory charged to groups below it counts as its own."""

    @classmethod
    def of(cls, row: OwnerRow, name: str, *, below: bool = False) -> Owner:
        """The owner of a row, under that name; with ``below`` the row is one of the tree."""
        return cls(row.what, row.path, name, below and row.what == GROUP)


def parts(snapshot: Snapshot, owner: Owner) -> tuple[Floats, Floats]:
    """The share of each region that is the owner's, and for how many of its bytes that is known.

    Both have shape ``(regions,)``. The share is that of the region's drawn frames. Where none were drawn it is 0, and
    known for no byte. The share of a zone follows from addresses, and needs no frames.
    """
    nothing = np.zeros(len(snapshot))
    owners = snapshot.owners
    if owners is None or not len(snapshot):
        return nothing, nothing
    if owner.what == ZONE:
        return _in_zone(snapshot, owners, owner.path), snapshot.memory.astype(np.float64)
    region = np.searchsorted(snapshot.start, owners.start, side="right") - 1
    inside = (region >= 0) & (owners.start < snapshot.end[np.maximum(region, 0)]) & (owners.count > 0)
    region, count = region[inside], owners.count[inside].astype(np.float64)
    drawn = np.bincount(region, count, len(snapshot))
    its = np.bincount(region, count * _its(owners, owner)[inside], len(snapshot))
    share = np.divide(its, drawn, out=nothing, where=drawn > 0)
    return share, np.where(drawn > 0, snapshot.memory, 0).astype(np.float64)


def _its(owners: Owners, owner: Owner) -> Bools:
    """Which entries are the owner's."""
    nothing: Bools = np.isin(owners.kind, _NOTHING)
    if owner.what in EMPTY:
        empty: Bools = owners.kind == FRAME_KINDS.index(owner.what)
        return empty
    if owner.what != GROUP:
        its_own: Bools = owners.group == _ROW_OF.get(owner.what, OTHERS - 1)
        return its_own & ~nothing
    above = owner.path.rstrip("/") + "/"
    mine = [
        at for at, path in enumerate(owners.paths) if path == owner.path or (owner.below and path.startswith(above))
    ]
    found: Bools = np.isin(owners.group, mine) & ~nothing
    return found


def _in_zone(snapshot: Snapshot, owners: Owners, name: str) -> Floats:
    inside = np.zeros(len(snapshot))
    for zone in owners.zones:
        if zone.name == name:
            inside += np.clip(np.minimum(snapshot.end, zone.end) - np.maximum(snapshot.start, zone.start), 0, None)
    share: Floats = inside / np.maximum(snapshot.sizes, 1)
    return share
