"""What memory is made of, and which part of it is idle: estimated from frames drawn at random, with 95 % intervals.

Frames are drawn evenly over all of a snapshot's memory, so the share of any property (free; anonymous and in a region
idle for two minutes) is a binomial share, whatever the regions are. The interval is Wilson's score interval, which
holds its level at small counts and at shares near 0 and 1, where the textbook's does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import usage
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import FRAME_KINDS, Ints, Snapshot

Floats = NDArray[np.float64]
Z = 1.959964
"""Normal quantile of a two-sided 95 % interval."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "free": ("free",),
    "file": ("file",),
    "shmem": ("shmem",),
    "anon": ("anon",),
    "kernel": ("slab", "page_tables", "kernel", "hugetlb"),
}
"""Kinds as people read them: all that the kernel uses itself is one line."""


_UNSEEN = ("free", "hole", "slab", "page_tables", "kernel", "hugetlb")
"""What DAMON cannot see: it looks at pages on an LRU list only (``mm/damon/ops-common.c``), all else looks idle."""
_OF_KERNEL = GROUPS["kernel"]
SEEN = ("file", "shmem", "anon", "unevictable", "huge")
"""Kinds of memory that DAMON can see idle."""


@dataclass(frozen=True, slots=True)
class KindAmounts:
    """Memory of one kind: bytes, and how many of them are idle for the threshold."""

    bytes: Amount
    idle: Amount


def wilson(hits: float, draws: float, total: float) -> Amount:
    """Bytes of ``total`` that have a property which ``hits`` of ``draws`` frames had, with Wilson's 95 % interval."""
    if draws <= 0:
        return Amount(0.0, 0.0, total)
    share = hits / draws
    middle = (share + Z * Z / (2 * draws)) / (1 + Z * Z / draws)
    half = Z / (1 + Z * Z / draws) * sqrt(share * (1 - share) / draws + Z * Z / (4 * draws * draws))
    least, most = min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))
    return Amount(total * least, total * share, total * most)


_USER = 1 << 46
"""An address below which physical memory (of up to 64 TiB) lies; on most machines a process's stack lies above it."""


def physical(snapshot: Snapshot) -> bool:
    """Whether addresses are those of physical memory: as the source says, else as the snapshot looks.

    Older records, and those of others, do not say. Then one target whose addresses end where a process's do not is
    taken for physical memory, unless something tells how much of the addresses is memory.
    """
    if snapshot.physical is not None:
        return snapshot.physical
    if snapshot.frames is not None or snapshot.free is not None:
        return True
    if snapshot.origin == "process" or snapshot.measured is not None or snapshot.resident is not None:
        return False
    return len(snapshot.targets) == 1 and len(snapshot) > 0 and int(snapshot.end.max()) < _USER


class Untold(Enum):
    """What is counted as idle memory although it is none, since nothing tells it apart."""

    FREE = "free"
    """Free memory: what is free is not known."""
    ABSENT = "absent"
    """Addresses that are mapped and not in memory: how much is in memory is not known."""
    FREE_BY_RULE = "free by rule"
    """Free memory: what is free is known, but the kernel's rule takes it for idle."""


def untold(snapshot: Snapshot, *, by_rule: bool = False) -> Untold | None:
    """What idle memory includes that is not idle memory; None where nothing is included, or it is told apart.

    None for synthetic memory, which has no free memory, and where resident bytes are known, as through /proc.

    Args:
        snapshot: the memory.
        by_rule: whether idle memory is summed over regions by the kernel's rule, which leaves nothing out.
    """
    if not len(snapshot) or snapshot.origin in ("simulated", "process") or snapshot.truth is not None:
        return None
    if snapshot.measured is not None or snapshot.resident is not None:
        return None
    if not physical(snapshot):
        return Untold.ABSENT
    if unseen(snapshot) is None:
        return Untold.FREE
    return Untold.FREE_BY_RULE if by_rule else None


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """Physical memory whose accesses DAMON cannot see, and addresses that are no memory."""

    free: Amount
    kernel: Amount | None
    """What the kernel uses itself; None without frames."""
    hole: Amount | None
    """Addresses between memory: no memory at all; None without frames."""
    by_region: Floats | None
    """Bytes of all three in each region, shape ``(regions,)``; None without frames."""

    @property
    def bytes(self) -> float:
        """Best guess of all three."""
        return sum(one.bytes for one in (self.free, self.kernel, self.hole) if one is not None)


def unseen(snapshot: Snapshot) -> Unseen | None:
    """The physical memory that DAMON cannot see; None where that is not known, and for memory that is not physical.

    It is estimated from frames, where there are some. ``MemFree`` is exact, so it stands for what is free where the
    frames' interval does not contradict it (it does where only a part of memory is watched), and alone where there are
    no frames.
    """
    frames, total = snapshot.frames, float(snapshot.total_bytes)
    exact = None if snapshot.free is None else min(float(snapshot.free), total)
    if frames is None or not frames.drawn:
        return None if exact is None else Unseen(Amount(exact, exact, exact), None, None, None)
    counts, drawn = frames.counts, frames.drawn
    at = {kind: number for number, kind in enumerate(FRAME_KINDS)}
    free, hole = (wilson(float(counts[:, at[kind]].sum()), drawn, total) for kind in ("free", "hole"))
    if not hole.bytes:  # as before Linux 7.1, whose regions are memory throughout: that is in no doubt
        hole = Amount(0.0, 0.0, 0.0)
    if exact is not None and free.least <= exact <= free.most:
        free = Amount(exact, exact, exact)
    kernel = wilson(float(counts[:, [at[kind] for kind in _OF_KERNEL]].sum()), drawn, total)
    hits = counts[:, [at[kind] for kind in _UNSEEN]].sum(axis=1)
    # of a region of which little was drawn, what is known of all memory: as if two more frames had said so
    share = (hits + 2.0 * hits.sum() / drawn) / (counts.sum(axis=1) + 2.0)
    by_region = share * snapshot.sizes
    wanted = min(total, free.bytes + kernel.bytes + hole.bytes)
    by_region = np.minimum(by_region * wanted / max(float(by_region.sum()), 1.0), snapshot.sizes)
    return Unseen(free, kernel, hole, by_region)


def composition(snapshot: Snapshot, seconds: float, idle: Floats | None = None) -> dict[str, KindAmounts]:
    """Each kind of memory (`FRAME_KINDS`), ``unevictable`` and ``huge`` (of any kind); {} without frames.

    Args:
        snapshot: of physical memory.
        seconds: the threshold; idle is what lies in regions not touched for at least so long. Of what DAMON cannot see
            (free memory, holes, what the kernel uses itself) nothing is ever idle.
        idle: share of the memory in each region that is idle for so long, least, found and most, shape
            ``(3, regions)`` (`Estimate.idle_by_region`). None is the kernel's rule.
    """
    frames = snapshot.frames
    if frames is None:
        return {}
    columns = {name: frames.counts[:, at] for at, name in enumerate(FRAME_KINDS)}
    return _parts(snapshot, columns | {"unevictable": frames.unevictable, "huge": frames.huge}, seconds, idle)


def grouped(snapshot: Snapshot, seconds: float, idle: Floats | None = None) -> dict[str, KindAmounts]:
    """`composition` in five groups (`GROUPS`), for people."""
    frames = snapshot.frames
    if frames is None:
        return {}
    at = {kind: number for number, kind in enumerate(FRAME_KINDS)}
    columns = {name: frames.counts[:, [at[kind] for kind in kinds]].sum(axis=1) for name, kinds in GROUPS.items()}
    return _parts(snapshot, columns, seconds, idle)


def _parts(
    snapshot: Snapshot, columns: Mapping[str, Ints], seconds: float, share: Floats | None
) -> dict[str, KindAmounts]:
    drawn = snapshot.frames.drawn if snapshot.frames is not None else 0
    if not drawn:
        return {}
    total = float(snapshot.sizes.sum())
    idle = np.stack([_idle_share(snapshot, seconds)] * 3) if share is None else share
    found = {}
    for name, counts in columns.items():
        none = Amount(0.0, 0.0, 0.0)  # not even by the interval
        least, middle, most = (
            none if name in _UNSEEN else wilson(hits, drawn, total) for hits in (idle @ counts).tolist()
        )
        found[name] = KindAmounts(
            wilson(float(counts.sum()), drawn, total), Amount(least.least, middle.bytes, most.most)
        )
    return found


def _idle_share(snapshot: Snapshot, seconds: float) -> Floats:
    """Share of each region that is idle for at least ``seconds``, shape ``(regions,)``."""
    share: Floats = 1.0 - usage.used_by_region(snapshot, seconds) / np.maximum(snapshot.memory, 1)
    return share


def share_of(snapshot: Snapshot, kind: str) -> Floats:
    """Share of each region that is of a kind (`FRAME_KINDS`), ``(regions,)``; NaN where under 8 frames were drawn."""
    frames = snapshot.frames
    if frames is None:
        return np.full(len(snapshot), np.nan)
    drawn = frames.counts.sum(axis=1)
    return np.where(drawn >= 8, frames.counts[:, FRAME_KINDS.index(kind)] / np.maximum(drawn, 1), np.nan)


def idle_taken(snapshot: Snapshot, seconds: float) -> Amount | None:
    """Bytes that are idle for at least ``seconds`` of what DAMON can see: what could be taken away, free memory aside.

    None where memory was not watched for so long. Without frames, ``MemFree`` is subtracted, as if all of it looked
    idle: it does, since DAMON sees no free page in use.
    """
    idle = usage.idle_for(snapshot, seconds)
    if idle is None:
        return None
    frames = snapshot.frames
    if frames is not None and frames.drawn:
        share = _idle_share(snapshot, seconds)
        holding = [at for at, kind in enumerate(FRAME_KINDS) if kind not in _UNSEEN]
        hits = float((frames.counts[:, holding].sum(axis=1) * share).sum())
        return wilson(hits, frames.drawn, float(snapshot.sizes.sum()))
    free = snapshot.free or 0
    return Amount(*(max(0.0, value - free) for value in (idle.least, idle.bytes, idle.most)))
