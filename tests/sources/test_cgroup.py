"""A control group as a target: who is in it, who comes and goes, and the refusals."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from damontui.damon.snapshot import Snapshot
from damontui.errors import SourceError
from damontui.kernel.root import Root
from damontui.safe_text import is_shown
from damontui.sources import cgroup
from damontui.sources.catalog import catalog
from damontui.sources.cgroup import GroupOfProcesses
from damontui.sources.choose import KINDS, Options, choose
from damontui.sources.process import ProcessSource
from tests.fake_cgroups import MIB, FakeCgroups
from tests.fake_process import Area, FakeProcess


def machine(folder: Path) -> FakeCgroups:
    fake = FakeCgroups(folder)
    fake.add("/web", pids=[20, 30, 999])  # 999 has ended
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
    assert isinstance(source, ProcessSource)
    about = source.describe()
    assert (about.target, about.title, about.origin) == ("cgroup:web", "group web", "process")
    seen: list[tuple[int, ...]] = []
    stop = threading.Event()
    with source:
        for event in source.snapshots(stop):
            if isinstance(event, Snapshot):
                seen.append(event.targets)
                (fake.mount / "web/cgroup.procs").write_text("20\n30\n60\n")  # one comes in from elsewhere
                if 60 in event.targets or len(seen) > 60:
                    stop.set()
    assert set(seen[0]) == {20, 30, 40}
    assert set(seen[-1]) == {20, 30, 40, 60}


def test_the_kind_is_listed() -> None:
    assert "cgroup:PATH" in [kind.form for kind in KINDS]


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
