"""A control group as a target: who is in it, who comes and goes, and the refusals."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from damontui.analysis.headline import mapped_bytes
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import (
    FRAME_KINDS,
    UNCHARGED,
    Description,
    Group,
    Interim,
    ModuleValues,
    Snapshot,
    Status,
    ints,
)
from damontui.errors import SourceError, UsageError
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.root import Root
from damontui.safe_text import is_shown
from damontui.sources import cgroup
from damontui.sources.base import TakesDamonStat
from damontui.sources.catalog import catalog
from damontui.sources.cgroup import GroupFiles, GroupOfProcesses, GroupSource, group_share
from damontui.sources.choose import TARGET_KINDS, choose
from damontui.sources.options import Options
from damontui.sources.process import ProcessSource
from tests import make
from tests.fake_cgroups import MIB, FakeCgroups
from tests.fake_kernel import FakeKernel
from tests.fake_process import Area, FakeProcess
from tests.owners import owners_of


def machine(folder: Path) -> FakeCgroups:
    fake = FakeCgroups(folder)
    fake.add("/web", 12 * MIB, pids=[20, 30, 999], files={"memory.max": f"{64 * MIB}\n"})  # 999 has ended
    fake.add("/web/worker", pids=[40, 50])
    fake.add("/empty")
    for pid, kernel in ((20, False), (30, False), (40, False), (50, True), (60, False)):
        area = Area(0x5000_0000 + (pid << 24), 8 * MIB, rss=4 * MIB, referenced=MIB)
        FakeProcess(folder, pid, [area], kernel=kernel)
    return fake


def test_who_is_in_a_group_and_below_it(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    root = Root(tmp_path)
    group = GroupOfProcesses(root, "web")
    assert (group.path, group.pids, group.title) == ("/web", (20, 30, 40), "group web")
    (fake.mount / "web/cgroup.procs").write_text("30\n60\n")
    assert group.around(root, [20, 30]) == [20, 30, 40, 60]
    shutil.rmtree(fake.mount / "web")
    assert group.around(root, [20, 30]) == [20, 30]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("/empty", "cannot watch the group /empty: no process is in it"),
        ("/nothing", "there is no such group"),
        ("", "cannot watch the group /: 5 processes are in it, and 4 at most"),
    ],
)
def test_refusals_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, said: str) -> None:
    fake = machine(tmp_path)
    monkeypatch.setattr(cgroup, "MOST", 4)
    FakeProcess(tmp_path, 70)
    (fake.mount / "cgroup.procs").write_text("60\n70\n")
    with pytest.raises(SourceError) as refused:
        GroupOfProcesses(Root(tmp_path), word)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_word_leads_to_its_processes_through_proc(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    source = choose("cgroup:web", Options(rootfs=str(tmp_path)))
    assert isinstance(source, GroupSource)
    assert isinstance(source._source, ProcessSource)
    about = source.describe()
    assert (about.target, about.title, about.origin) == ("cgroup:web", "group web", "process")
    seen: list[tuple[int, ...]] = []
    stop = threading.Event()
    with source:
        for event in source.snapshots(stop):
            if isinstance(event, Snapshot):
                seen.append(event.targets)
                assert event.group is not None
                assert (event.group.path, event.group.current, event.group.max) == ("/web", 12 * MIB, 64 * MIB)
                (fake.mount / "web/cgroup.procs").write_text("20\n30\n60\n")  # one comes in from elsewhere
                if 60 in event.targets or len(seen) > 60:
                    stop.set()
    assert set(seen[0]) == {20, 30, 40}
    assert set(seen[-1]) == {20, 30, 40, 60}


def test_the_kind_is_listed() -> None:
    assert "cgroup:PATH" in [kind.form for kind in TARGET_KINDS]


def test_groups_are_listed_with_their_size_the_largest_first(tmp_path: Path) -> None:
    fake = FakeCgroups(tmp_path)
    fake.add("/system.slice", 30 * MIB)
    fake.add("/system.slice/nginx.service", 20 * MIB)
    fake.add("/none", 0)
    fake.add("/odd\x1b[2J", 40 * MIB)
    found = [entry for entry in catalog(Root(tmp_path), folder=tmp_path) if entry.section == "groups"]
    paths = ["/odd\x1b[2J", "/system.slice", "/system.slice/nginx.service"]
    assert [entry.word for entry in found] == [f"cgroup:{path}" for path in paths]
    assert [entry.name for entry in found[1:]] == ["system", "nginx.service"]
    assert found[2].detail == "20.0 MiB, /system.slice/nginx.service"
    assert all(is_shown(entry.name + entry.detail) for entry in found)


PAGE = 4096
ANON, FILE, TABLES, FREE = (FRAME_KINDS.index(kind) for kind in ("anon", "file", "page_tables", "free"))


def physical(frames: list[tuple[int, int, int]]) -> Snapshot:
    """Ten regions of 1000 pages; drawn frames as (page, kind, group): 0 is /web, 1 /web/worker, 2 /webmail."""
    page, kind, group = (ints(list(column)) for column in zip(*frames, strict=True))
    groups = [Group("/web"), Group("/web/worker"), Group("/webmail")]
    owners = owners_of(groups, page * PAGE, (page + 1) * PAGE, kind, group, np.ones(len(page), np.int64))
    rows = [(at * 1000 * PAGE, (at + 1) * 1000 * PAGE, at, 9 - at) for at in range(10)]
    return replace(make.snapshot(rows), owners=owners, free=5 * MIB)


def test_a_groups_share_of_physical_memory() -> None:
    """What is charged to the group and to those below it, of what DAMON can see; each frame stands for its part"""
    frames = [(at * 100, ANON, 0) for at in range(10)] + [(1000 + at * 100, FILE, 1) for at in range(5)]
    frames += [(2000, TABLES, 0), (2100, FREE, UNCHARGED)] + [(3000 + at * 100, ANON, 2) for at in range(3)]
    whole = physical(frames)
    found = group_share(whole, "/web")
    assert found.resident is not None
    each = 10_000 * PAGE / 20
    # of a region where more frames were drawn than its part, it is all of it
    assert found.resident.tolist() == [1000 * PAGE, 1000 * PAGE, *[0] * 8]
    assert group_share(whole, "/webmail").memory.tolist() == [
        0,
        0,
        0,
        pytest.approx(3 * each, abs=1000 * PAGE),
        *[0] * 6,
    ]
    assert (found.owners, found.frames, found.free) == (None, None, None)
    assert found.note == ""
    none = group_share(whole, "/idle")
    assert none.total_bytes == 0
    assert none.note == "none of the drawn frames is charged to the group"
    assert group_share(replace(whole, owners=None), "/web").note == "no frames were drawn yet"
    assert mapped_bytes(replace(found, group=Group("/web"))) is None


def test_the_share_of_a_large_group_is_its_bytes() -> None:
    rng = np.random.default_rng(1)
    pages = rng.integers(0, 10_000, 4000)
    frames = [(int(page), ANON, 0 if page < 3_300 else 2) for page in pages]
    found = group_share(physical(frames), "/web")
    assert found.total_bytes == pytest.approx(3_300 * PAGE, rel=0.05)
    assert found.memory[:3] == pytest.approx([1000 * PAGE] * 3, rel=0.15)
    assert found.memory[4:].tolist() == [0] * 6


class Machine:
    """A source of physical memory that gives these events."""

    def __init__(self, *events: object) -> None:
        self.events = events
        self.enabled = True
        self.entered: list[str] = []
        self.several = False

    def __enter__(self) -> Machine:
        self.entered.append("in")
        return self

    def __exit__(self, *_: object) -> None:
        self.entered.append("out")

    def describe(self) -> Description:
        return Description("stat", "DAMON_STAT", "kernel", Attrs())

    def overhead(self) -> float:
        return 0.25

    def snapshots(self, stop: threading.Event) -> Iterator[object]:
        yield from self.events


def test_a_share_has_the_groups_files_and_nothing_of_the_whole_machine(tmp_path: Path) -> None:
    machine(tmp_path)
    inner = Machine(
        Status("on", "", 1.0, 1.0), Interim(1.0, 1.0, ModuleValues(True)), physical([(0, ANON, 0), (9000, ANON, 2)])
    )
    files = GroupFiles(Groups(Root(tmp_path)), "/web", lambda: 1.0)
    source = GroupSource(inner, files, share=True, describe=lambda about: replace(about, title="web"))  # type: ignore[arg-type]
    with source as entered:
        assert entered is source
        status, found = source.snapshots(threading.Event())
    assert inner.entered == ["in", "out"]
    assert isinstance(status, Status)
    assert isinstance(found, Snapshot)
    assert found.group is not None
    assert found.group.current == 12 * MIB
    assert found.memory[0] == 1000 * PAGE
    assert source.describe().title == "web"
    assert (source.overhead(), source.enabled, source.several) == (0.25, True, False)
    source.enabled = False
    assert not inner.enabled
    with pytest.raises(AttributeError):
        _ = source._nothing


def stat_of(folder: Path, *, on: bool = True, groups: bool = True) -> None:
    """DAMON_STAT on a kernel that tells frames' groups, or not."""
    FakeKernel(folder, on=on)
    for name in ("kpageflags", *(["kpagecgroup"] if groups else [])):
        (folder / "proc" / name).write_bytes(bytes(8000))


@pytest.mark.parametrize("word", ["cgroup:/empty", "cgroup:/web"])
def test_where_processes_cannot_be_watched_it_is_a_share_and_said_so(tmp_path: Path, word: str) -> None:
    stat_of(tmp_path)
    machine(tmp_path)
    for pid in (20, 30, 40):
        (tmp_path / f"proc/{pid}/clear_refs").unlink()
    source = choose(word, Options(rootfs=str(tmp_path)))
    about = source.describe()
    assert about.title == f"group {word.rpartition('/')[2]}, its share of DAMON_STAT's picture"
    why = "no process is in it" if word.endswith("empty") else "its bits cannot be cleared by this user"
    said = "so this is the group's share of physical memory as DAMON_STAT sees it, by page frames drawn at random"
    assert about.reason == about.limits[0] == f"{why}, {said}"


def test_a_share_can_be_asked_for(tmp_path: Path) -> None:
    machine(tmp_path)
    stat_of(tmp_path)
    about = choose("cgroup:web", Options(rootfs=str(tmp_path), via="stat")).describe()
    assert about.title == "group web, its share of DAMON_STAT's picture"
    with pytest.raises(UsageError, match="only a control group"):
        choose("20", Options(rootfs=str(tmp_path), via="stat"))


@pytest.mark.parametrize("lacks", ["stat", "groups", "asked"])
def test_without_damon_stat_the_refusal_stays(tmp_path: Path, lacks: str) -> None:
    machine(tmp_path)
    stat_of(tmp_path, on=lacks != "stat", groups=lacks != "groups")
    with pytest.raises(SourceError, match="no process is in it"):
        choose("cgroup:/empty", Options(rootfs=str(tmp_path), via="proc" if lacks == "asked" else None))


class Taking(Machine):
    """A source that DAMON_STAT can be in the way of."""

    take = False


def test_what_is_in_the_way_of_its_source_can_be_taken_and_of_others_not(tmp_path: Path) -> None:
    machine(tmp_path)
    inner, files = Taking(), GroupFiles(Groups(Root(tmp_path)), "/web", lambda: 1.0)
    source = GroupSource(inner, files)  # type: ignore[arg-type]
    assert isinstance(source, TakesDamonStat)
    source.take = True
    assert inner.take
    assert not isinstance(GroupSource(Machine(), files), TakesDamonStat)  # type: ignore[arg-type]
