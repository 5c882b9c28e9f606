"""Whose memory it is: each control group's bytes by kind, and how many of them are idle, with 95 % intervals.

Frames are drawn evenly over all of physical memory (`Owners`), so a group's share of all memory is a binomial share,
and so is the share that is its *and* has not been touched for a time. The intervals are Wilson's score intervals
(`damontui.analysis.frames`). When an address was last touched comes from the estimate, which knows bounds of it: the
lower end of idle memory counts the frames that are idle by the earlier bound, and the upper end those by the later one.

Every drawn frame belongs to exactly one row, so the rows add up to the machine: a row for each group (memory that is
charged to itself, not to groups below it), one for all small groups, one for what is charged to no group (the kernel's
own, and slab, which is charged by the object), one for groups that cannot be seen from here, free memory, and holes,
which are no memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import usage
from damontui.analysis.estimate import Estimate
from damontui.analysis.frames import wilson
from damontui.analysis.savings import THRESHOLDS
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import FRAME_KINDS, OTHERS, UNCHARGED, UNSEEN, Group, Ints, Owners, Snapshot, Zone, ints

Floats = NDArray[np.float64]

FREE, HOLE, KERNEL, ELSEWHERE, REST = "free", "hole", "kernel", "elsewhere", "others"
"""Rows that are no group: free memory; no memory at all; memory charged to no group, to groups that cannot be seen from
here, and to all small groups."""
EMPTY = (FREE, HOLE)
"""Rows of frames that hold nothing, named as in `FRAME_KINDS`."""
GROUP, ZONE = "group", "zone"
_SEEN = ("file", "shmem", "anon")
"""Kinds of frames that DAMON can see touched; no other kind counts as idle, since that is not known."""
_KINDS = len(FRAME_KINDS)


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """What one owner has. Bytes."""

    what: str
    """`GROUP`, `ZONE`, or which other row it is."""
    path: str
    """The group's path, or the zone's name; "" for other rows."""
    frames: int
    """How many of the drawn frames are charged to it."""
    bytes: Amount
    kinds: dict[str, float]
    """Bytes of each kind of memory (`FRAME_KINDS`) that are charged to it."""
    idle: tuple[tuple[float, Amount], ...]
    """For each time, in seconds: bytes not touched for at least so long. Only memory that DAMON can see counts: neither
    free memory nor the kernel's own."""
    group: Group | None = None
    """What the kernel itself counts for the group and those below it."""
    depth: int = 0
    """How many groups are above it."""
    members: int = 1
    """How many groups the row stands for."""

    def idle_for(self, seconds: float) -> Amount | None:
        """Bytes idle for at least ``seconds``, which must be one of the times; None where it is none of them."""
        return next((amount for one, amount in self.idle if one == seconds), None)


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose memory all of it is."""

    total: float
    """Bytes of the machine: what ``rows`` add up to."""
    drawn: int
    """Frames that all of it is estimated from."""
    seconds: tuple[float, ...]
    """The times at which idle memory is told: none is longer than memory was watched."""
    rows: tuple[OwnerRow, ...]
    """Largest first: each group with what is charged to itself, then the rows that are no group."""
    tree: tuple[OwnerRow, ...]
    """Every group with all that is below it, in the order of a tree: a group stands before those in it."""
    zones: tuple[OwnerRow, ...]
    """The same memory by NUMA node and zone."""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Idle:
    """How much of each range of addresses is idle, sorted by address; ``start`` and ``end`` have shape
    ``(pieces,)``."""

    start: Ints
    end: Ints
    shares: Floats
    """Least, found and most of each piece at each time, shape ``(times, 3, pieces)``."""


@dataclass(frozen=True, slots=True, eq=False)
class _Hits:
    """Frames by owner: ``kinds`` has shape ``(owners, kinds)``, ``idle`` ``(owners, times, 3)``."""

    kinds: Floats
    idle: Floats


def ownership(
    snapshot: Snapshot, estimate: Estimate | None = None, seconds: Sequence[float] = THRESHOLDS
) -> Ownership | None:
    """Whose memory it is; None where that was not looked at.

    Args:
        snapshot: of physical memory, with `Snapshot.owners`.
        estimate: when memory was last touched, from all snapshots so far; without one the regions' ages are taken, as
            the kernel does.
        seconds: times for which idle bytes are told, as far as memory was watched for so long.
    """
    owners = snapshot.owners
    if owners is None or not len(snapshot):
        return None
    inside = _inside(snapshot, owners)
    drawn = int(owners.count[inside].sum())
    if not drawn:
        return None
    total = float(snapshot.sizes.sum())
    watched = usage.watched(snapshot) if estimate is None else estimate.watched_s
    times = tuple(float(one) for one in seconds if one <= watched * usage.NEAR)
    idle = _idle_hits(owners, _idle(snapshot, estimate, times))[inside]
    kind, count = owners.kind[inside], owners.count[inside].astype(np.float64)
    size = len(owners.paths)
    place = _places(owners.group[inside], kind, size)
    hits = _gathered(place, kind, count, idle, size + 5)
    rows = _rows(owners, hits, times, drawn, total)
    zones = _by_zone(owners, inside, kind, count, idle, times, drawn, total)
    return Ownership(total, drawn, times, rows, _tree(owners, hits, times, drawn, total), zones, owners.note)


def _inside(snapshot: Snapshot, owners: Owners) -> NDArray[np.bool_]:
    """Which entries lie in a region. Entries that are impossible, as a damaged record can have them, lie in none."""
    region = np.searchsorted(snapshot.start, owners.start, side="right") - 1
    found: NDArray[np.bool_] = (region >= 0) & (owners.start < snapshot.end[np.maximum(region, 0)])
    sound = (owners.kind >= 0) & (owners.kind < _KINDS) & (owners.count > 0)
    return found & sound & (owners.group >= OTHERS) & (owners.group < len(owners.paths))


def _places(group: Ints, kind: Ints, size: int) -> Ints:
    """The row of each entry: its group's, or one of those after all groups: kernel, elsewhere, others, free, hole."""
    place = np.select([group == UNCHARGED, group == UNSEEN, group == OTHERS], [size, size + 1, size + 2], group)
    free, hole = (kind == FRAME_KINDS.index(what) for what in EMPTY)
    found: Ints = np.select([free, hole], [size + 3, size + 4], place)
    return found


def _gathered(place: Ints, kind: Ints, count: Floats, idle: Floats, rows: int) -> _Hits:
    kinds = np.bincount(place * _KINDS + kind, count, minlength=rows * _KINDS).reshape(rows, _KINDS)
    summed = np.zeros((rows, *idle.shape[1:]))
    np.add.at(summed, place, idle)
    return _Hits(kinds.astype(np.float64), summed)


def _rows(owners: Owners, hits: _Hits, times: tuple[float, ...], drawn: int, total: float) -> tuple[OwnerRow, ...]:
    groups = [
        _row(GROUP, group.path, hits, at, times, drawn, total, group=group, depth=_depth(group.path))
        for at, group in enumerate(owners.groups)
    ]
    size = len(owners.groups)
    # a group that has none of the drawn frames, and has others below it, is there for the tree
    upper = {one for group in owners.groups for one in above(group.path)[:-1]}
    groups = [row for row in groups if row.frames or row.path not in upper]
    beside = [
        _row(what, "", hits, size + at, times, drawn, total, members=owners.others if what == REST else 1)
        for at, what in enumerate((KERNEL, ELSEWHERE, REST, FREE, HOLE))
    ]
    # a group of which no frame was drawn is known by its files alone; a row that is no group and has nothing is none
    groups.sort(key=lambda row: (-row.bytes.bytes, row.path))
    return (*groups, *(row for row in beside if row.frames))


def _row(
    what: str,
    path: str,
    hits: _Hits,
    at: int,
    times: tuple[float, ...],
    drawn: int,
    total: float,
    *,
    group: Group | None = None,
    depth: int = 0,
    members: int = 1,
) -> OwnerRow:
    kinds = hits.kinds[at]
    frames = float(kinds.sum())
    each = total / drawn
    idle = []
    for number, one in enumerate(times):
        least, found, most = hits.idle[at, number].tolist()
        idle.append((one, Amount(wilson(least, drawn, total).least, found * each, wilson(most, drawn, total).most)))
    held = {name: float(kinds[number]) * each for number, name in enumerate(FRAME_KINDS) if kinds[number]}
    return OwnerRow(what, path, round(frames), wilson(frames, drawn, total), held, tuple(idle), group, depth, members)


def _depth(path: str) -> int:
    return path.count("/") if path != "/" else 0


# -- how long ago


def _idle(snapshot: Snapshot, estimate: Estimate | None, times: tuple[float, ...]) -> _Idle:
    if estimate is not None and len(estimate.start):
        # physical memory is one target; pieces of others would be other addresses
        own = estimate.target == 0
        shares = np.zeros((len(times), 3, int(own.sum())))
        for number, one in enumerate(times):
            shares[number] = estimate.idle_shares(one)[:, own]
        return _Idle(estimate.start[own], estimate.end[own], shares)
    ages = np.maximum(usage.idle_ms_by_region(snapshot), 0.0) / 1000
    idle = (ages >= np.array(times)[:, None] - 1e-9).astype(np.float64)
    return _Idle(snapshot.start, snapshot.end, np.repeat(idle[:, None], 3, axis=1))


def _idle_hits(owners: Owners, idle: _Idle) -> Floats:
    """Frames of each entry that are idle for at least each time: least, found, most; shape ``(entries, times, 3)``.

    The frames of an entry lie somewhere between its two addresses, so that the idle share of that range is theirs.
    """
    found = np.zeros((len(owners.count), *idle.shares.shape[:2]))
    holds = owners.count * np.isin(owners.kind, [FRAME_KINDS.index(name) for name in _SEEN])
    sizes = (idle.end - idle.start).astype(np.float64)
    low, high = _within(owners.start, idle), _within(owners.end, idle)
    wide = np.maximum(owners.end - owners.start, 1).astype(np.float64)
    for number, bounds in enumerate(idle.shares):
        for which, shares in enumerate(bounds):
            amounts = sizes * shares
            share = (_below(amounts, *high) - _below(amounts, *low)) / wide
            found[:, number, which] = holds * np.clip(share, 0.0, 1.0)
    return found


def _within(address: Ints, idle: _Idle) -> tuple[Ints, Floats]:
    """The piece that each address is in or after, and how far into it (0 … 1)."""
    piece = np.searchsorted(idle.start, address, side="right") - 1
    first = np.maximum(piece, 0)
    far = (address - idle.start[first]) / np.maximum(idle.end[first] - idle.start[first], 1)
    return first, np.clip(np.where(piece < 0, 0.0, far), 0.0, 1.0)


def _below(idle: Floats, piece: Ints, far: Floats) -> Floats:
    """Idle bytes below each address: ``idle`` is of each piece, ``piece`` and ``far`` are from `_within`."""
    found: Floats = (np.cumsum(idle) - idle)[piece] + idle[piece] * far
    return found


# -- sums


def above(path: str) -> list[str]:
    """A group and those above it, the uppermost first: ``/``, ``/a``, ``/a/b``."""
    parts = [part for part in path.split("/") if part]
    return ["/", *("/" + "/".join(parts[: at + 1]) for at in range(len(parts)))]


def _tree(owners: Owners, hits: _Hits, times: tuple[float, ...], drawn: int, total: float) -> tuple[OwnerRow, ...]:
    known = {group.path: group for group in owners.groups}
    paths = sorted({one for path in known for one in above(path)}, key=lambda path: path.split("/"))
    place = {path: at for at, path in enumerate(paths)}
    kinds = np.zeros((len(paths), _KINDS))
    idle = np.zeros((len(paths), len(times), 3))
    members = np.zeros(len(paths), np.int64)
    for at, group in enumerate(owners.groups):
        for one in above(group.path):
            kinds[place[one]] += hits.kinds[at]
            idle[place[one]] += hits.idle[at]
            members[place[one]] += 1
    summed = _Hits(kinds, idle)
    rows = {}
    for path, at in place.items():
        rows[path] = _row(
            GROUP,
            path,
            summed,
            at,
            times,
            drawn,
            total,
            group=known.get(path),
            depth=_depth(path),
            members=int(members[at]),
        )
    return tuple(_in_order(rows))


def _in_order(rows: dict[str, OwnerRow]) -> list[OwnerRow]:
    """A group before those in it, the largest of one level first."""
    below: dict[str, list[OwnerRow]] = {}
    for path, row in rows.items():
        if path != "/":
            below.setdefault(path.rpartition("/")[0] or "/", []).append(row)
    found: list[OwnerRow] = []
    waiting = [rows["/"]] if "/" in rows else []
    while waiting:
        row = waiting.pop()
        found.append(row)
        waiting += sorted(below.get(row.path, []), key=lambda one: (one.bytes.bytes, one.path))
    return found


def _by_zone(
    owners: Owners,
    inside: NDArray[np.bool_],
    kind: Ints,
    count: Floats,
    idle: Floats,
    times: tuple[float, ...],
    drawn: int,
    total: float,
) -> tuple[OwnerRow, ...]:
    zones: tuple[Zone, ...] = owners.zones
    if not zones:
        return ()
    starts, ends = ints([zone.start for zone in zones]), ints([zone.end for zone in zones])
    where = owners.start[inside]
    place = np.searchsorted(starts, where, side="right") - 1
    there = (place >= 0) & (where < ends[np.maximum(place, 0)])
    hits = _gathered(np.where(there, place, len(zones)), kind, count, idle, len(zones) + 1)
    names = [*(zone.name for zone in zones), "no zone"]
    rows = (_row(ZONE, name, hits, at, times, drawn, total) for at, name in enumerate(names))
    return tuple(row for row in rows if row.frames)


# -- less of it


def without_frames(snapshot: Snapshot) -> Snapshot:
    """The snapshot with an entry of owners for each region instead of each frame: far fewer, as the past keeps it."""
    owners = snapshot.owners
    if owners is None:
        return snapshot
    inside = _inside(snapshot, owners)
    region = np.searchsorted(snapshot.start, owners.start[inside], side="right") - 1
    groups = len(owners.paths) - OTHERS
    # one number for region, kind and group together
    key = (region * _KINDS + owners.kind[inside]) * groups + owners.group[inside] - OTHERS
    different, which = np.unique(key, return_inverse=True)
    count = np.bincount(which, owners.count[inside], minlength=len(different)).astype(np.int64)
    rest, group = np.divmod(different, groups)
    region, kind = np.divmod(rest, _KINDS)
    kept = replace(
        owners, start=snapshot.start[region], end=snapshot.end[region], kind=kind, group=group + OTHERS, count=count
    )
    return replace(snapshot, owners=kept)


def whole_bytes(amounts: Iterable[float]) -> list[int]:
    """Bytes as whole numbers that add up to the sum of all, rounded."""
    below = np.rint(np.cumsum([0.0, *amounts])).astype(np.int64)
    return [int(one) for one in np.diff(below)]


# -- names that people know

_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
_HEX = re.compile(r"[0-9a-f]{32,64}")
_POD = re.compile(r"pod([0-9a-f]{8})[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}")
_RUNTIMES = {"cri-containerd": "container", "crio": "container", "docker": "docker", "libpod": "podman"}
_SUFFIXES = (".slice", ".scope")


def name_of(path: str) -> str:
    """A group's name as people know it. Like the path, it has to pass `safe_text` before it is shown.

    >>> name_of("/system.slice/nginx.service"), name_of("/user.slice/user-1000.slice"), name_of("/")
    ('nginx.service', 'user-1000', 'the root group')
    >>> name_of("/system.slice/docker-" + "0123456789abcdef" * 4 + ".scope")
    'docker 0123456789ab'
    >>> name_of("/kubepods.slice/kubepods-burstable-pod1a2b3c4d_0000_1111_2222_333344445555.slice")
    'pod 1a2b3c4d'
    """
    last = path.rpartition("/")[2]
    if not last:
        return "the root group"
    last = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), last)
    pod = _POD.search(last)
    if pod is not None:
        return f"pod {pod[1]}"
    found = _HEX.search(last)
    if found is not None:
        before = last[: found.start()].rstrip("-:/")
        runtime = _RUNTIMES.get(before.rpartition(":")[2], before) or "container"
        return f"{runtime} {found[0][:12]}"
    for suffix in _SUFFIXES:
        last = last.removesuffix(suffix) or last
    # systemd names a slice by all that are above it: user-1000 is known so, system-getty is getty
    return last
