"""Made-up owners of physical memory, for tests that need no kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from damontui.damon.snapshot import (
    FRAME_KINDS,
    GROUP_FILES,
    OTHERS,
    UNCHARGED,
    UNSEEN,
    Group,
    Ints,
    Owners,
    Snapshot,
    Zone,
    ints,
)

PAGE = 4096
MIB = 1 << 20
GROUPS = (
    Group("/system.slice/postgresql.service", 1400 * MIB, 2048 * MIB, 1536 * MIB, 40 * MIB, 300 * MIB),
    Group("/system.slice/nginx.service", 180 * MIB, None, None, 0, 30 * MIB),
    Group(f"/system.slice/docker-{'0123456789abcdef' * 4}.scope", 420 * MIB, 512 * MIB, None, 0, 12 * MIB),
    Group("/user.slice/user-1000.slice/session-3.scope", 640 * MIB, None, None, 12 * MIB, 64 * MIB),
    Group("/kubepods.slice/kubepods-pod1a2b3c4d_0000_1111_2222_333344445555.slice", 260 * MIB, 256 * MIB, None, 0, MIB),
    Group("/system.slice", 2100 * MIB, dying=2),
    Group("/batch/job-17", gone=True),
    Group("/odd\x1b[2J\u202eecivres", 8 * MIB),
)
"""Largest first, about; of the frames each has `WEIGHTS`."""
WEIGHTS = (30, 5, 9, 14, 6, 2, 1, 1)
KINDS = ("anon", "file", "shmem", "anon", "anon", "shmem", "anon", "file")


def owners_of(
    groups: Sequence[Group],
    start: Ints,
    end: Ints,
    kind: Ints,
    group: Ints,
    count: Ints,
    *,
    zones: Sequence[Zone] = (),
    others: int = 0,
    note: str = "",
    cpu: float = 0.0,
) -> Owners:
    """`Owners` of these groups; the rest as its fields."""
    rows = [
        [-1 if value is None else int(value) for value in (getattr(one, name) for name in GROUP_FILES)]
        for one in groups
    ]
    ends = [[zone.start, zone.end] for zone in zones]
    return Owners(
        tuple(one.path for one in groups),
        ints(rows).reshape(len(groups), len(GROUP_FILES)),
        start,
        end,
        kind,
        group,
        count,
        tuple(zone.name for zone in zones),
        ints(ends).reshape(len(zones), 2),
        others,
        note,
        cpu,
    )


def owners(snapshot: Snapshot, count: int = 2000, groups: Sequence[Group] = GROUPS, seed: int = 1) -> Owners:
    """Frames drawn evenly over a snapshot's regions; half of them are the groups', the rest the kernel's and free."""
    rng = np.random.default_rng(seed)
    sizes = snapshot.sizes // PAGE
    below = np.cumsum(sizes)
    chosen = np.sort(rng.integers(0, below[-1], count))
    region = np.searchsorted(below, chosen, side="right")
    start = snapshot.start[region] + (chosen - (below[region] - sizes[region])) * PAGE
    weights = np.array([*WEIGHTS, 6, 2, 4, 20], np.float64)
    which = np.sort(rng.choice(len(weights), count, p=weights / weights.sum()))
    numbers = ints([*range(len(groups)), UNCHARGED, UNSEEN, OTHERS, UNCHARGED])[which]
    kinds = ints([FRAME_KINDS.index(kind) for kind in (*KINDS, "slab", "anon", "file", "free")])[which]
    middle = int(snapshot.start[len(snapshot) // 2])
    zones = (Zone(0, middle, "node 0 Normal"), Zone(middle, 1 << 62, "node 1 Normal"))
    return owners_of(
        groups, start, start + PAGE, kinds, numbers, np.ones(count, np.int64), zones=zones, others=41, cpu=0.004
    )


def owned(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """The snapshots, of which the newest knows whose memory it is."""
    *before, last = snapshots
    return [*before, replace(last, owners=owners(last))]


def always_owned(snapshots: Sequence[Snapshot], count: int = 400) -> list[Snapshot]:
    """The snapshots, each of which knows whose memory it is from frames of its own."""
    return [replace(one, owners=owners(one, count, seed=seed)) for seed, one in enumerate(snapshots)]
