"""Control groups: the walk, the kernel's numbers, the processes in one, and what a word means."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.damon.snapshot import Group
from damontui.errors import SourceError
from damontui.kernel import cgroupfs
from damontui.kernel.cgroupfs import Groups, Tree, pairs, whole_number
from damontui.kernel.root import Root
from damontui.safe_text import is_shown
from tests.fake_cgroups import MIB, FakeCgroups


def machine(folder: Path) -> FakeCgroups:
    fake = FakeCgroups(folder)
    fake.add("/system.slice", 30 * MIB)
    fake.add("/system.slice/nginx.service", 20 * MIB, pids=[12, 7], inactive_file=5 * MIB)
    fake.add("/system.slice/cron.service", 10 * MIB, pids=[3])
    fake.add("/web", 5 * MIB, pids=[99])
    return fake


def test_a_walk_finds_every_group_by_its_inode(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    inode = fake.add("/web/worker")
    tree = Groups.find(Root(tmp_path)).walk()
    assert tree.whole
    assert sorted(tree.paths.values()) == [
        "/",
        "/system.slice",
        "/system.slice/cron.service",
        "/system.slice/nginx.service",
        "/web",
        "/web/worker",
    ]
    assert tree.paths[inode] == "/web/worker"
    assert tree.paths[fake.mount.stat().st_ino] == "/"


def test_a_walk_has_an_end_in_groups_and_in_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = machine(tmp_path)
    groups = Groups.find(Root(tmp_path))
    cut = groups.walk(most=3)
    assert len(cut.paths) == 3
    assert not cut.whole
    path = ""
    for _ in range(6):
        path += "/a"
        fake.add(path)
    monkeypatch.setattr(cgroupfs, "DEEPEST", 4)
    deep = groups.walk()
    assert not deep.whole
    assert "/a/a/a/a" in deep.paths.values()
    assert "/a/a/a/a/a" not in deep.paths.values()


def test_a_link_among_the_groups_is_not_followed(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    (fake.mount / "out").symlink_to("/")
    (fake.mount / "web/memory.current").unlink()
    (fake.mount / "web/memory.current").symlink_to("/proc/uptime")
    groups = Groups.find(Root(tmp_path))
    assert "/out" not in groups.walk().paths.values()
    assert groups.usage("/web").current is None


def test_the_kernels_numbers_of_a_group(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    files = {"memory.max": f"{64 * MIB}\n", "memory.high": f"{48 * MIB}\n", "memory.swap.current": "4096\n"}
    fake.add("/db", 40 * MIB, inactive_file=8 * MIB, dying=2, files=files)
    groups = Groups.find(Root(tmp_path))
    found = groups.usage("/db")
    assert found == Group("/db", 40 * MIB, 64 * MIB, 48 * MIB, 4096, 8 * MIB, 2)
    assert found.working_set == 32 * MIB
    assert groups.usage("/db", stat=False).working_set is None
    assert Group("/db", current=1, inactive_file=2).working_set == 0
    assert groups.numbers("/db", "memory.stat")["anon"] == 32 * MIB
    assert groups.number("/db", "memory.max") == 64 * MIB


def test_a_group_that_is_gone_is_no_error(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    groups = Groups.find(Root(tmp_path))
    shutil.rmtree(fake.mount / "web")
    assert groups.usage("/web") == Group("/web")
    assert groups.numbers("/web", "memory.stat") == {}
    assert groups.number("/web", "memory.max") is None
    assert groups.text("/web", "memory.pressure") == ""
    with pytest.raises(SourceError, match="cannot read the group /web: there is no such file"):
        groups.processes("/web")


@pytest.mark.parametrize(
    "broken",
    ["", "max", "-1", "1e9", "0x10", "99999999999999999999999", "12 13", "\x1b[2J", "\udcff", "٣"],
)
def test_what_is_no_number_is_not_known(tmp_path: Path, broken: str) -> None:
    fake = machine(tmp_path)
    (fake.mount / "web/memory.current").write_bytes(broken.encode("utf-8", "surrogateescape"))
    assert Groups.find(Root(tmp_path)).usage("/web").current is None


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "large"])
def test_a_file_that_is_none_neither_waits_nor_fails(tmp_path: Path, kind: str) -> None:
    fake = machine(tmp_path)
    place = fake.mount / "web/memory.stat"
    place.unlink()
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "large":
        place.write_bytes(b"inactive_file 1\n" * (1 << 17))
    assert Groups.find(Root(tmp_path)).usage("/web").inactive_file is None


def test_processes_of_a_group_and_of_those_below_it(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    (fake.mount / "web/cgroup.procs").write_text("0\n99\nnonsense\n")
    groups = Groups.find(Root(tmp_path))
    assert groups.processes("/system.slice") == (3, 7, 12)
    assert groups.processes("/system.slice", below=False) == ()
    assert groups.processes("/web") == (99,)
    assert groups.processes("/system.slice", most=2) == (3, 7)


def test_what_a_word_means(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    identity = "0123456789abcdef" * 4
    fake.add(f"/system.slice/docker-{identity}.scope")
    fake.add(f"/system.slice/docker-{identity}.scope/init")
    groups = Groups.find(Root(tmp_path))
    for word, path in {
        "/web": "/web",
        "web": "/web",
        "/sys/fs/cgroup/system.slice/cron.service": "/system.slice/cron.service",
        "/sys/fs/cgroup": "/",
        "system.slice/cron.service": "/system.slice/cron.service",
        "nginx.service": "/system.slice/nginx.service",
        "nginx": "/system.slice/nginx.service",
        identity[:12]: f"/system.slice/docker-{identity}.scope",
        "/": "/",
    }.items():
        assert groups.named(word) == path, word
    with pytest.raises(SourceError, match="there is no such group"):
        groups.named("ngi")  # too short for a part of a name
    with pytest.raises(SourceError, match="it means several groups"):
        groups.named("service")
    with pytest.raises(SourceError, match="there is no such group"):
        groups.named("/../../etc")


def test_without_version_2_it_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no hierarchy of version 2 is mounted there; run: mount"):
        Groups.find(Root(tmp_path))
    FakeCgroups(tmp_path, "cpu", "sys/fs/cgroup/unified")
    with pytest.raises(SourceError, match="those of version 2 do not count memory here"):
        Groups.find(Root(tmp_path))
    (tmp_path / "sys/fs/cgroup/unified/cgroup.controllers").write_text("cpu memory\n")
    assert Groups.find(Root(tmp_path)).folder == "sys/fs/cgroup/unified"


NAMES = st.text(st.characters(exclude_characters="/\0\n"), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and len(name.encode("utf-8", "surrogatepass")) < 200
)


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
def test_any_name_is_found_by_its_path_and_shown_safely(parts: list[str], word: str) -> None:
    paths = {number: "/" + "/".join(parts[:number]) for number in range(len(parts) + 1)}
    groups = Groups(Root("/nowhere"))
    if parts[:2] != ["sys", "fs"]:  # the mount itself may be written before a path
        assert groups.named(paths[len(parts)], Tree(paths)) == paths[len(parts)]
    try:
        said = groups.named(word, Tree(paths))
    except SourceError as error:
        said = str(error)
    assert said in paths.values() or is_shown(said)


@given(st.text(max_size=200))
def test_numbers_are_read_from_any_text(text: str) -> None:
    found = whole_number(text)
    assert found is None or 0 <= found < 10**19
    assert all(0 <= number < 10**19 for number in pairs(text).values())
