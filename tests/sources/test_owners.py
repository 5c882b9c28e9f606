"""To whom drawn frames are charged: groups by name, those that come and go, the budget, and what can be missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from damontui.analysis.owners import FREE, KERNEL, ownership
from damontui.damon.snapshot import OTHERS, UNCHARGED, UNSEEN, Owners, Snapshot
from damontui.errors import SourceError
from damontui.kernel import pages
from damontui.kernel.pages import Drawn
from damontui.kernel.root import Root
from damontui.sources import owners as sources_owners
from damontui.sources.composition import Composition
from damontui.sources.owners import OwnersOfFrames
from tests import make
from tests.fake_cgroups import MIB, FakeCgroups

PAGE = 4096
FREE_FRAME = 1 << pages.BUDDY
ANON = 1 << pages.LRU | 1 << pages.ANON | 1 << pages.SWAPBACKED
ZONEINFO = """\
Node 0, zone   Normal
  pages free     10
        spanned  700
        present  700
  start_pfn:           0
Node 1, zone   Normal
        spanned  300
        present  300
  start_pfn:           700
"""


@dataclass
class Clocks:
    """A wall that moves by hand, and a CPU clock that each question moves by ``each``."""

    now: float = 100.0
    cpu: float = 0.0
    each: float = 0.0
    asked: int = field(default=0)

    def spend(self) -> float:
        self.cpu += self.each
        self.asked += 1
        return self.cpu


def drawn(groups: list[int]) -> Drawn:
    """Anonymous frames that are charged so."""
    count = len(groups)
    none = np.zeros(count, np.bool_)
    address = np.arange(count, dtype=np.int64) * PAGE
    return Drawn(
        address,
        np.full(count, 3, np.uint8),
        none,
        none,
        np.zeros(count),
        np.array(groups, np.uint64),
        none.astype(np.uint8),
    )


def finder(folder: Path, clocks: Clocks, budget: float = 1.0) -> OwnersOfFrames:
    made = OwnersOfFrames(Root(folder), budget=budget, clock=lambda: clocks.now, cpu_clock=clocks.spend)
    made.open()
    return made


def paths(found: Owners | None) -> list[str]:
    assert found is not None
    return [group.path for group in found.groups]


def test_groups_have_names_and_the_kernels_numbers(tmp_path: Path) -> None:
    fake = FakeCgroups(tmp_path)
    web = fake.add("/web", 5 * MIB, inactive_file=MIB, files={"memory.max": f"{8 * MIB}\n"})
    db = fake.add("/db", 9 * MIB)
    clocks = Clocks()
    seen = finder(tmp_path, clocks)
    frames = drawn([db] * 3 + [web] * 2 + [0, 999_999_999])
    found = seen.of(frames)
    assert [group.current for group in found.groups] == [9 * MIB, 5 * MIB] if found is not None else False
    clocks.now += 1.5  # limits are read after what all of them have
    found = seen.of(frames)
    assert paths(found) == ["/db", "/web"]
    assert found is not None
    assert found.group.tolist() == [0, 0, 0, 1, 1, UNCHARGED, UNSEEN]
    assert found.groups[1].current == 5 * MIB
    assert found.groups[1].max == 8 * MIB
    assert found.groups[1].working_set == 4 * MIB


def test_groups_above_have_numbers_for_the_tree(tmp_path: Path) -> None:
    """A slice without memory of its own: in the tree with what the kernel counts for all of it, and no row by itself"""
    fake = FakeCgroups(tmp_path)
    fake.add("/a.slice", 7 * MIB, files={"memory.max": f"{8 * MIB}\n"})
    unit = fake.add("/a.slice/unit", 6 * MIB)
    fake.add("/idle", MIB)
    clocks = Clocks()
    seen = finder(tmp_path, clocks)
    seen.of(drawn([unit] * 4))
    clocks.now += 1.5
    found = seen.of(drawn([unit] * 4))
    assert found is not None
    assert [(group.path, group.current, group.max) for group in found.groups] == [
        ("/a.slice/unit", 6 * MIB, None),
        ("/a.slice", 7 * MIB, 8 * MIB),
    ]
    assert found.note == "groups not met among these frames: 1"
    whose = ownership(replace(make.snapshot([(0, 4 * PAGE, 1, 0)]), owners=found))
    assert whose is not None
    assert [row.path for row in whose.rows] == ["/a.slice/unit"]
    assert [(row.path, row.group.current if row.group else None) for row in whose.tree] == [
        ("/", None),
        ("/a.slice", 7 * MIB),
        ("/a.slice/unit", 6 * MIB),
    ]


def test_a_name_that_is_no_text_is_told_as_one(tmp_path: Path) -> None:
    fake = FakeCgroups(tmp_path)
    odd = fake.add("/\udcff\udcfe.service", MIB)
    found = finder(tmp_path, Clocks()).of(drawn([odd]))
    assert paths(found) == ["/\\xff\\xfe.service"]
    assert found is not None
    assert found.groups[0].current == MIB


def test_groups_come_and_go(tmp_path: Path) -> None:
    clocks = Clocks()
    fake = FakeCgroups(tmp_path)
    old = fake.add("/old", MIB)
    seen = finder(tmp_path, clocks)
    assert paths(seen.of(drawn([old]))) == ["/old"]
    new = fake.add("/new", 2 * MIB)  # before the other is gone, whose number a file system of ours would give again
    shutil.rmtree(fake.mount / "old")
    clocks.now += 5
    found = seen.of(drawn([new, new, old]))
    assert paths(found) == ["/new", "/old"]
    assert found is not None
    assert [group.gone for group in found.groups] == [False, True]
    assert [group.current for group in found.groups] == [2 * MIB, None]
    clocks.now += 5
    assert paths(seen.of(drawn([new]))) == ["/new"]


def test_numbers_are_read_again_and_the_answer_kept_for_a_second(tmp_path: Path) -> None:
    clocks = Clocks()
    fake = FakeCgroups(tmp_path)
    web = fake.add("/web", MIB)
    seen = finder(tmp_path, clocks)
    first = seen.of(drawn([web]))
    (fake.mount / "web/memory.current").write_text(f"{3 * MIB}\n")
    clocks.now += 0.5
    assert seen.of(drawn([web])) is first
    clocks.now += 5
    found = seen.of(drawn([web]))
    assert found is not None
    assert found.groups[0].current == 3 * MIB


def test_more_groups_than_are_told_are_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_owners, "MOST", 2)
    fake = FakeCgroups(tmp_path)
    inodes = [fake.add(f"/{name}", MIB) for name in "abcd"]
    found = finder(tmp_path, Clocks()).of(drawn([inodes[2]] * 3 + [inodes[0]] * 2 + [inodes[1], inodes[3]]))
    assert paths(found) == ["/c", "/a"]
    assert found is not None
    assert found.others == 2
    assert found.group.tolist().count(OTHERS) == 2
    assert "2 small groups are one row" in found.note


def test_the_budget_is_kept(tmp_path: Path) -> None:
    """Each question to the CPU clock costs 1 ms: two at least a look, one for each group whose files are read."""
    clocks = Clocks(each=0.001)
    fake = FakeCgroups(tmp_path)
    inodes = [fake.add(f"/g{number}", MIB) for number in range(50)]
    seen = finder(tmp_path, clocks, budget=0.005)
    began = clocks.now
    for _ in range(600):
        seen.of(drawn(inodes))
        clocks.now += 0.5
    # beside the budget: what the first look and the last one took more than was left
    assert seen.spent <= 0.005 * (clocks.now - began) + 0.060
    assert clocks.cpu < 2 * 0.005 * (clocks.now - began)
    found = seen.of(drawn(inodes))
    assert found is not None
    assert all(group.current == MIB for group in found.groups)  # in turn, all of them were read


def test_a_walk_that_is_dear_is_seldom_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks()
    fake = FakeCgroups(tmp_path)
    web = fake.add("/web", MIB)
    seen = finder(tmp_path, clocks, budget=0.01)
    walk = sources_owners.Groups.walk
    walks = []

    def dear(groups: sources_owners.Groups) -> object:
        walks.append(clocks.now)
        clocks.cpu += 0.1
        return walk(groups)

    monkeypatch.setattr(sources_owners.Groups, "walk", dear)
    for _ in range(300):
        seen.of(drawn([web, 999_999_999]))  # a group that is never found asks for a walk each time
        clocks.now += 1.0
    # 0.1 s may come every 20 s where half of 1 % may be spent on it
    assert 2 <= len(walks) <= 300 / 20 + 1


def machine(folder: Path, frames: list[int], groups: list[int]) -> Root:
    (folder / "proc").mkdir(exist_ok=True)
    (folder / "proc/kpageflags").write_bytes(np.array(frames, np.uint64).tobytes())
    (folder / "proc/kpagecgroup").write_bytes(np.array(groups, np.uint64).tobytes())
    (folder / "proc/zoneinfo").write_text(ZONEINFO)
    return Root(folder)


def looked(root: Root, snapshot: Snapshot, meanwhile: Callable[[], object] = lambda: None) -> tuple[Snapshot, str]:
    """The last of a minute's snapshots, and why owners are not known."""
    clocks = Clocks(each=1e-4)
    composition = Composition(root, np.random.default_rng(1), clock=lambda: clocks.now, cpu_clock=clocks.spend)
    composition.open()
    found = composition.of(snapshot)
    meanwhile()
    for _ in range(30):
        clocks.now += 2.0
        found = composition.of(snapshot)
    reason = composition.no_owners or composition.reason
    composition.close()
    composition.close()
    return found, reason


def test_from_frames_to_rows(tmp_path: Path) -> None:
    fake = FakeCgroups(tmp_path)
    web, db = fake.add("/web", 600 * PAGE), fake.add("/db", 100 * PAGE)
    root = machine(
        tmp_path, [ANON] * 700 + [0] * 100 + [FREE_FRAME] * 200, [web] * 600 + [db] * 100 + [0] * 100 + [0] * 200
    )
    snapshot, reason = looked(root, make.snapshot([(0, 1000 * PAGE, 1, 0)]))
    assert reason == ""
    found = ownership(snapshot)
    assert found is not None
    shares = {row.path or row.what: row.bytes.bytes / found.total for row in found.rows}
    assert shares == pytest.approx({"/web": 0.6, "/db": 0.1, KERNEL: 0.1, FREE: 0.2}, abs=0.03)
    assert [row.path for row in found.zones] == ["node 0 Normal", "node 1 Normal"]
    assert snapshot.frames is not None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no groups", "no hierarchy of version 2 is mounted"),
        ("version 1", "those of version 2 do not count memory"),
        ("no kpagecgroup", "kpagecgroup: there is no such file"),
        ("a folder", "kpagecgroup: it is a folder"),
    ],
)
def test_without_owners_there_is_all_else_and_one_sentence(tmp_path: Path, fault: str, said: str) -> None:
    root = machine(tmp_path, [ANON] * 1000, [0] * 1000)
    place = tmp_path / "proc/kpagecgroup"
    if fault != "no groups":
        FakeCgroups(tmp_path, "cpu" if fault == "version 1" else "memory")
    if fault in ("no kpagecgroup", "a folder"):
        place.unlink()
    if fault == "a folder":
        place.mkdir()
    snapshot, reason = looked(root, make.snapshot([(0, 1000 * PAGE, 1, 0)]))
    assert reason.startswith("whose memory it is cannot be told: ")
    assert said in reason
    assert snapshot.owners is None
    assert snapshot.frames is not None


@pytest.mark.parametrize("fault", ["groups gone", "mount gone", "empty file", "garbage"])
def test_what_fails_meanwhile_takes_nothing_else_with_it(tmp_path: Path, fault: str) -> None:
    fake = FakeCgroups(tmp_path)
    web = fake.add("/web", MIB)
    root = machine(tmp_path, [ANON] * 1000, [web] * 1000)

    def happen() -> None:
        if fault == "groups gone":
            shutil.rmtree(fake.mount / "web")
        elif fault == "mount gone":
            shutil.rmtree(fake.mount)
        elif fault == "empty file":
            (tmp_path / "proc/kpagecgroup").write_bytes(b"")
        else:
            (tmp_path / "proc/kpagecgroup").write_bytes(b"\xff" * 8000)

    snapshot, reason = looked(root, make.snapshot([(0, 1000 * PAGE, 1, 0)]), happen)
    assert reason == ""
    assert snapshot.frames is not None
    found = ownership(snapshot)
    assert found is not None
    assert sum(row.bytes.bytes for row in found.rows) == pytest.approx(1000 * PAGE)
    if fault == "groups gone":
        assert [row.group is not None and row.group.gone for row in found.rows] == [True]


def test_no_budget_means_no_owners(tmp_path: Path) -> None:
    FakeCgroups(tmp_path)
    composition = Composition(machine(tmp_path, [ANON], [0]), owners_budget=0)
    composition.open()
    assert composition.no_owners == "whose memory it is cannot be told: its budget is 0"
    composition.close()


@pytest.mark.parametrize(("share", "least", "most"), [(None, 0, 150), (0.2, 2_000, 8_192)])
def test_a_larger_share_of_a_cpu_looks_at_more_frames(
    tmp_path: Path, share: float | None, least: int, most: int
) -> None:
    """A frame takes a millisecond here, as in an emulated machine"""
    fake = FakeCgroups(tmp_path)
    root = machine(tmp_path, [ANON] * 1000, [fake.add("/web", 1000 * PAGE)] * 1000)
    now, cpu = [0.0], [0.0]
    composition = Composition(
        root, np.random.default_rng(1), share=share, clock=lambda: now[0], cpu_clock=lambda: cpu[0]
    )
    composition.open()
    sampler = composition._sampler
    assert sampler is not None
    real = sampler._flags
    sampler._flags = lambda at: (cpu.__setitem__(0, cpu[0] + 1e-3 * len(at)), real(at))[1]  # type: ignore[method-assign]
    found = None
    for _ in range(60):
        found = composition.of(make.snapshot([(0, 1000 * PAGE, 1, 0)])).frames
        now[0] += 1.0
    composition.close()
    assert found is not None
    assert least <= found.counts.sum() <= most


def test_without_a_hierarchy_opening_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        OwnersOfFrames(Root(tmp_path)).open()
