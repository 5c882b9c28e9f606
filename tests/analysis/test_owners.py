"""Whose memory it is: rows add up to the machine, intervals hold, trees have sums, names are those people know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.analysis import owners as whose
from damontui.analysis.estimator import Estimator
from damontui.analysis.owners import (
    ELSEWHERE,
    FREE,
    HOLE,
    KERNEL,
    REST,
    name_of,
    ownership,
    whole_bytes,
    without_frames,
)
from damontui.damon.snapshot import (
    FRAME_KINDS,
    OTHERS,
    UNCHARGED,
    UNSEEN,
    Frames,
    Group,
    Owners,
    Snapshot,
    Zone,
    ints,
)
from tests import make
from tests.owners import owners_of

PAGE = 4096
MIB = 1 << 20
KIND = {name: at for at, name in enumerate(FRAME_KINDS)}
Piece = tuple[int, int, str, int]
"""Addresses in MiB, kind, group: memory that is all alike."""
GROUPS = tuple(Group(path) for path in ("/web", "/slice/db", "/slice/db/worker"))
MEMORY: list[Piece] = [
    (0, 100, "anon", 0),
    (100, 300, "anon", 1),
    (300, 400, "file", 1),
    (400, 450, "anon", 2),
    (450, 500, "slab", UNCHARGED),
    (500, 520, "anon", UNSEEN),
    (520, 540, "anon", OTHERS),
    (540, 900, "free", UNCHARGED),
    (900, 1000, "hole", UNCHARGED),
]


def draw(memory: list[Piece], count: int, seed: int = 0, **fields: object) -> Owners:
    """Frames drawn evenly over memory."""
    rng = np.random.default_rng(seed)
    address = np.sort(rng.integers(0, memory[-1][1] * MIB // PAGE, count)) * PAGE
    piece = np.searchsorted([start * MIB for start, *_ in memory], address, side="right") - 1
    kind = ints([KIND[kind] for _, _, kind, _ in memory])[piece]
    group = ints([group for *_, group in memory])[piece]
    told = {"groups": GROUPS, "others": 7} | fields
    ones = np.ones(count, np.int64)
    return owners_of(start=address, end=address + PAGE, kind=kind, group=group, count=ones, **told)  # type: ignore[arg-type]


def machine(count: int = 4000, seed: int = 0, **fields: object) -> Snapshot:
    """Memory of which the first 200 MiB are in use, and the rest has been idle for 30 aggregations of 1 s."""
    snapshot = make.snapshot([(0, 200 * MIB, 5, 20), (200 * MIB, 1000 * MIB, 0, 29)])
    return replace(snapshot, owners=draw(MEMORY, count, seed, **fields), watched=30.0)


def test_rows_add_up_to_the_machine() -> None:
    found = ownership(machine())
    assert found is not None
    assert found.total == 1000 * MIB
    assert sum(row.bytes.bytes for row in found.rows) == pytest.approx(1000 * MIB)
    assert sum(row.frames for row in found.rows) == found.drawn == 4000
    assert [row.what for row in found.rows if row.what != "group"] == [KERNEL, ELSEWHERE, REST, FREE, HOLE]
    assert [row.path for row in found.rows[:3]] == ["/slice/db", "/web", "/slice/db/worker"]
    assert next(row for row in found.rows if row.what == REST).members == 7
    for row in found.rows:
        assert sum(row.kinds.values()) == pytest.approx(row.bytes.bytes)
    assert sum(whole_bytes(row.bytes.bytes for row in found.rows)) == 1000 * MIB


def test_intervals_hold_the_truth_in_95_of_100() -> None:
    truth = {"/web": 100, "/slice/db": 300, "/slice/db/worker": 50}
    idle_truth = {"/web": 0, "/slice/db": 200, "/slice/db/worker": 50}
    held, idle_held, tries = 0, 0, 200
    for seed in range(tries):
        found = ownership(machine(600, seed), seconds=(10,))
        assert found is not None
        for row in found.rows:
            if row.path:
                held += row.bytes.least <= truth[row.path] * MIB <= row.bytes.most
                idle = row.idle_for(10)
                assert idle is not None
                idle_held += idle.least <= idle_truth[row.path] * MIB <= idle.most
    assert 0.93 * 3 * tries <= held < 3 * tries  # not by being so wide that nothing is outside
    assert idle_held >= 0.93 * 3 * tries


def test_times_that_were_not_watched_are_not_told() -> None:
    found = ownership(machine(), seconds=(1, 10, 30, 60))
    assert found is not None
    assert found.seconds == (1.0, 10.0, 30.0)
    assert found.rows[0].idle_for(60) is None


def test_free_memory_and_holes_are_apart_and_never_idle() -> None:
    found = ownership(machine(), seconds=(10,))
    assert found is not None
    for what, size in ((FREE, 360), (HOLE, 100)):
        row = next(row for row in found.rows if row.what == what)
        assert row.bytes.least < size * MIB < row.bytes.most
        assert row.idle_for(10) is not None
        assert row.idle_for(10).bytes == 0  # type: ignore[union-attr]


def test_a_tree_has_sums_and_groups_above_that_have_nothing_themselves() -> None:
    found = ownership(machine(), seconds=(10,))
    assert found is not None
    assert [(row.path, row.depth) for row in found.tree] == [
        ("/", 0),
        ("/slice", 1),
        ("/slice/db", 2),
        ("/slice/db/worker", 3),
        ("/web", 1),
    ]
    own = {row.path: row for row in found.rows}
    tree = {row.path: row for row in found.tree}
    assert tree["/slice"].frames == own["/slice/db"].frames + own["/slice/db/worker"].frames
    assert tree["/"].frames == sum(own[group.path].frames for group in GROUPS)
    assert tree["/slice"].bytes.bytes == pytest.approx(
        own["/slice/db"].bytes.bytes * tree["/slice"].frames / own["/slice/db"].frames
    )
    assert tree["/slice"].idle_for(10).bytes == pytest.approx(  # type: ignore[union-attr]
        sum(own[path].idle_for(10).bytes for path in ("/slice/db", "/slice/db/worker"))  # type: ignore[union-attr]
    )


def test_the_same_memory_by_zone() -> None:
    zones = (Zone(0, 400 * MIB, "node 0 Normal"), Zone(400 * MIB, 900 * MIB, "node 1 Normal"))
    found = ownership(machine(zones=zones))
    assert found is not None
    assert [row.path for row in found.zones] == ["node 0 Normal", "node 1 Normal", "no zone"]
    assert sum(row.bytes.bytes for row in found.zones) == pytest.approx(1000 * MIB)
    assert found.zones[0].bytes.least <= 400 * MIB <= found.zones[0].bytes.most
    assert found.zones[0].kinds.keys() == {"anon", "file"}


def test_what_is_not_there_is_not_told() -> None:
    snapshot = machine()
    assert ownership(replace(snapshot, owners=None)) is None
    assert ownership(replace(snapshot, owners=draw(MEMORY, 0))) is None
    outside = draw(MEMORY, 100)
    outside = replace(outside, start=outside.start + (1 << 40), end=outside.end + (1 << 40))
    assert ownership(replace(snapshot, owners=outside)) is None


def test_by_region_there_are_fewer_entries_that_say_the_same() -> None:
    snapshot = machine()
    assert snapshot.owners is not None
    kept = without_frames(snapshot).owners
    assert kept is not None
    assert kept.drawn == 4000
    assert len(kept.count) == 10  # the pieces, one of them cut by the border of the regions at 200 MiB
    fine, less = ownership(snapshot), ownership(replace(snapshot, owners=kept))
    assert fine is not None
    assert less is not None
    assert [row.bytes for row in fine.rows] == [row.bytes for row in less.rows]
    for one, other in zip(fine.rows, less.rows, strict=True):
        assert [a.bytes for _, a in one.idle] == pytest.approx([a.bytes for _, a in other.idle])
    again = without_frames(replace(snapshot, owners=kept)).owners
    assert again is not None
    for name in ("start", "end", "kind", "group", "count"):
        assert getattr(again, name).tolist() == getattr(kept, name).tolist()


def test_entries_that_cannot_be_are_left_out() -> None:
    """As a damaged or hostile record can hold them."""
    snapshot = machine(100)
    assert snapshot.owners is not None
    for name, wrong in (("kind", 9), ("kind", -1), ("group", 3), ("group", -4), ("count", 0), ("start", -(1 << 60))):
        values = getattr(snapshot.owners, name).copy()
        values[7] = wrong
        broken = replace(snapshot, owners=replace(snapshot.owners, **{name: values}))
        found, kept = ownership(broken), without_frames(broken).owners
        assert found is not None
        assert found.drawn == 99
        assert kept is not None
        assert kept.drawn == 99


def test_the_estimate_tells_neighbours_apart_that_a_region_does_not() -> None:
    """Two groups in one region, of which one half is idle: the borders that moved before tell which."""
    estimator = Estimator()
    memory: list[Piece] = [(0, 500, "anon", 0), (500, 1000, "anon", 1)]
    for step in range(60):
        middle = (500 + 7 * ((step * 37) % 60 - 30)) if step % 4 else 500
        hot, cold = (0, 500 * MIB, 20, 5), (500 * MIB, 1000 * MIB, 0, 5)
        if middle != 500:
            # a region that straddles has the mean of both
            count = round(20 * min(500, middle) / middle) if middle > 500 else 20
            hot = (0, middle * MIB, count, 5)
            cold = (middle * MIB, 1000 * MIB, 0 if middle > 500 else round(20 * (500 - middle) / (1000 - middle)), 5)
        snapshot = make.snapshot([hot, cold], time=step + 1.0)
        estimator.add(snapshot)
    snapshot = replace(snapshot, owners=draw(memory, 4000), watched=60.0)
    found = ownership(snapshot, estimator.estimate(), seconds=(20,))
    assert found is not None
    idle = {row.path: row.idle_for(20) for row in found.rows}
    assert idle["/web"].most < 50 * MIB  # type: ignore[union-attr]
    assert idle["/slice/db"].bytes > 400 * MIB  # type: ignore[union-attr]


def test_of_memory_that_is_used_in_part_the_rest_is_idle() -> None:
    """Two groups whose pages lie mixed, each region used a little: as much of both is idle."""
    snapshot = make.snapshot([(0, 1000 * MIB, 5, 0)], time=1.0)
    estimator = Estimator()
    for step in range(40):
        middle = (450 + step * 37 % 100) * MIB
        snapshot = make.snapshot([(0, middle, 5, 0), (middle, 1000 * MIB, 5, 0)], time=step + 1.0)
        counts = np.zeros((2, len(FRAME_KINDS)), np.int64)
        counts[:, KIND["anon"]] = 1_000
        snapshot = replace(snapshot, frames=Frames(counts, ints([0, 0]), ints([0, 0]), 0.0, 1.0))
        estimator.add(snapshot)
    rng = np.random.default_rng(1)
    mixed: list[Piece] = [(at, at + 1, "anon", int(rng.integers(0, 2))) for at in range(1000)]
    found = ownership(replace(snapshot, owners=draw(mixed, 4000)), estimator.estimate(), seconds=(20,))
    assert found is not None
    for row in found.rows:
        idle = row.idle_for(20)
        assert idle is not None
        assert idle.bytes == pytest.approx(row.bytes.bytes / 4, rel=0.05)  # half of what may be
        assert idle.most > 0.7 * row.bytes.bytes


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "the root group"),
        ("/system.slice/nginx.service", "nginx.service"),
        ("/user.slice/user-1000.slice", "user-1000"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3"),
        (r"/system.slice/dev-disk\x2dby\x2dlabel.swap", "dev-disk-by-label.swap"),
        (f"/docker/{'a1' * 32}", "container a1a1a1a1a1a1"),
        (f"/system.slice/docker-{'0f' * 32}.scope", "docker 0f0f0f0f0f0f"),
        (f"/machine.slice/libpod-{'0f' * 32}.scope", "podman 0f0f0f0f0f0f"),
        (f"/x/cri-containerd-{'0f' * 32}.scope", "container 0f0f0f0f0f0f"),
        (f"/x/kubepods-pod1.slice:cri-containerd:{'0f' * 32}", "container 0f0f0f0f0f0f"),
        ("/kubepods/burstable/pod1a2b3c4d-0000-1111-2222-333344445555", "pod 1a2b3c4d"),
        ("/.slice", ".slice"),
    ],
)
def test_names_are_those_people_know(path: str, name: str) -> None:
    assert name_of(path) == name


@given(st.text(st.characters(exclude_characters="\0"), max_size=300))
def test_any_path_has_a_name(path: str) -> None:
    assert name_of(path)
    assert whose.above(path)[0] == "/"


@given(st.lists(st.floats(0, 1e13), max_size=50))
def test_whole_bytes_add_up(amounts: list[float]) -> None:
    found = whole_bytes(amounts)
    assert len(found) == len(amounts)
    assert sum(found) == int(np.rint(np.cumsum([0.0, *amounts])[-1]))
