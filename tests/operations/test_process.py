"""The operations set over /proc: probabilities, mappings and processes that come and go, and who may not be watched."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from damontui.damon.attrs import Attrs
from damontui.damon.context import Context
from damontui.damon.snapshot import Snapshot
from damontui.errors import SourceError
from damontui.kernel.root import KernelError, Root
from damontui.operations import process as module
from damontui.operations.process import ProcessOperations, identify, refusal
from tests.fake_process import Area, FakeProcess

MIB = 1 << 20
HEAP = 0x5600_0000_0000
LIB = 0x7F00_0000_0000
FIXED = Attrs(sample_us=100_000, aggr_us=1_000_000, update_us=1_000_000, goal=None)


def operations(*processes: FakeProcess, children: bool = False, max_regions: int = 1_000) -> ProcessOperations:
    who = [identify(process.root, process.pid) for process in processes]
    return ProcessOperations(
        processes[0].root, who, np.random.default_rng(1), children=children, max_regions=max_regions
    )


def context(of: ProcessOperations, attrs: Attrs = FIXED) -> Context:
    return Context(of, attrs, np.random.default_rng(2), origin="process")


def rows(snapshot: Snapshot) -> list[tuple[str, int, int]]:
    return list(zip(snapshot.names, snapshot.sizes.tolist(), snapshot.nr_accesses.tolist(), strict=True))


def test_the_share_referenced_is_the_rate(tmp_path: Path) -> None:
    areas = [
        Area(HEAP, 8 * MIB, "[heap]", rss=8 * MIB, referenced=8 * MIB),
        Area(HEAP + 8 * MIB, 8 * MIB, rss=4 * MIB, referenced=4 * MIB),  # half of it is not resident
        Area(LIB, 8 * MIB, "/lib/libc.so.6", rss=8 * MIB, referenced=0),
        Area(LIB + 8 * MIB, 10 * MIB, "/lib/libm.so.6", rss=10 * MIB, referenced=MIB),
    ]
    process = FakeProcess(tmp_path, 12, areas)
    watched = context(operations(process))
    counts = np.array([watched.aggregate().nr_accesses for _ in range(10)])
    assert counts[:, 0].tolist() == [10] * 10
    assert counts[:, 1].tolist() == [5] * 10
    assert counts[:, 2].tolist() == [0] * 10
    assert counts[:, 3].tolist() == [1] * 10
    assert rows(watched.aggregate()) == [
        ("[heap]", 8 * MIB, 10),
        ("[anon]", 8 * MIB, 5),
        ("libc.so.6", 8 * MIB, 0),
        ("libm.so.6", 10 * MIB, 1),
    ]


def test_a_page_drawn_was_accessed_with_that_probability(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 12, [Area(HEAP, 10 * MIB, rss=10 * MIB, referenced=3 * MIB)])
    hits = 0
    for seed in range(400):  # over the generator: one sample each
        of = ProcessOperations(process.root, [identify(process.root, 12)], np.random.default_rng(seed))
        watched = Context(of, FIXED, np.random.default_rng(seed), origin="process")
        watched.prepare()
        hits += int(of.check()[0])
    assert 0.3 * 400 - 4 * 9.2 < hits < 0.3 * 400 + 4 * 9.2  # four standard deviations


def test_prepare_clears_every_process_and_check_none(tmp_path: Path) -> None:
    processes = [FakeProcess(tmp_path, pid, [Area(HEAP, MIB)]) for pid in (12, 13)]
    of = operations(*processes)
    assert [process.cleared for process in processes] == [True, True]  # the first look
    watched = context(of)
    watched.prepare()
    assert [process.cleared for process in processes] == [True, True]
    watched.check()
    assert [process.cleared for process in processes] == [False, False]


def test_ages_grow_where_nothing_changes_and_mappings_that_touch_stay_apart(tmp_path: Path) -> None:
    areas = [Area(LIB + n * MIB, MIB, f"/lib/{n}.so", rss=MIB, referenced=0) for n in range(20)]
    watched = context(operations(FakeProcess(tmp_path, 12, areas)))
    for age in range(1, 6):
        snapshot = watched.aggregate()
        assert snapshot.start.tolist() == [area.start for area in areas]
        assert snapshot.age.tolist() == [age] * 20
    assert snapshot.names == tuple(f"{n}.so" for n in range(20))


def test_mappings_come_and_go_and_the_others_keep_their_age(tmp_path: Path) -> None:
    old, idle = Area(HEAP, MIB, "[heap]", rss=MIB), Area(LIB, MIB, "/lib/a.so", rss=MIB)
    process = FakeProcess(tmp_path, 12, [old, idle])
    watched = context(operations(process))
    for _ in range(3):
        watched.aggregate()
    process.map([idle, Area(LIB + 8 * MIB, 2 * MIB, rss=2 * MIB, referenced=2 * MIB)])
    snapshot = watched.aggregate()  # still its old regions: the update comes at its end
    assert rows(snapshot) == [("[heap]", MIB, 0), ("a.so", MIB, 0)]
    snapshot = watched.aggregate()
    assert rows(snapshot) == [("a.so", MIB, 0), ("[anon]", 2 * MIB, 10)]
    assert snapshot.age.tolist() == [5, 0]


def test_what_cannot_be_known_is_left_out(tmp_path: Path) -> None:
    areas = [
        Area(HEAP, MIB, "[heap]", rss=MIB, referenced=MIB),
        Area(LIB, 64 * MIB, perms="---p"),
        Area(LIB + 64 * MIB, MIB, perms="---p", rss=MIB),  # had content before it was protected
        Area(LIB + 100 * MIB, 4 * MIB, "/dev/hugepages/x", flags="rd wr sh mr mw me ms ht"),
        Area(LIB + 200 * MIB, 4 * MIB, "/dev/dri/card0", flags="rd wr sh pf io dc de dd"),
        Area(LIB + 300 * MIB, 16384, "[vvar]", perms="r--p", flags="rd mr pf io de dd"),
        Area(LIB + 301 * MIB, 8192, "[vdso]", perms="r-xp"),
        Area(0xFFFF_FFFF_FF60_0000, 4096, "[vsyscall]", perms="--xp", flags="ex"),
    ]
    of = operations(FakeProcess(tmp_path, 12, areas))
    snapshot = context(of).aggregate()
    assert rows(snapshot) == [("[heap]", MIB, 10), ("[anon]", MIB, 0), ("[vdso]", 8192, 0)]
    assert of.missing() == "4 MiB of hugetlb pages are left out: the kernel tells of no access to them"


def test_shared_memory_and_huge_pages_count_like_any_other(tmp_path: Path) -> None:
    areas = [
        Area(LIB, 4 * MIB, "/dev/shm/pool", perms="rw-s", rss=4 * MIB, referenced=2 * MIB, flags="rd wr sh"),
        Area(LIB + 8 * MIB, 4 * MIB, rss=4 * MIB, referenced=2 * MIB, flags="rd wr hg"),  # one of two huge pages
    ]
    snapshot = context(operations(FakeProcess(tmp_path, 12, areas))).aggregate()
    assert rows(snapshot) == [("pool", 4 * MIB, 5), ("[anon]", 4 * MIB, 5)]


def test_more_mappings_than_regions_share_them(tmp_path: Path) -> None:
    areas = []
    for n in range(30):
        at = LIB + n * 8 * MIB
        areas += [Area(at + k * MIB, MIB, f"/lib/{n}.so", rss=MIB, referenced=MIB * (k == 0)) for k in range(2)]
        areas.append(Area(at + 2 * MIB, MIB, rss=MIB))
    process = FakeProcess(tmp_path, 12, areas)
    snapshot = context(operations(process, max_regions=90)).aggregate()
    assert len(snapshot) == 90
    snapshot = context(operations(process, max_regions=60)).aggregate()  # the segments of one library together
    assert rows(snapshot)[:2] == [("0.so", 2 * MIB, snapshot.nr_accesses[0]), ("[anon]", MIB, 0)]
    assert len(snapshot) == 60
    snapshot = context(operations(process, max_regions=50)).aggregate()  # all that touch
    assert len(snapshot) == 30
    assert snapshot.names == tuple(f"{n}.so" for n in range(30))
    rates = snapshot.nr_accesses.mean() / 10
    assert rates == pytest.approx(1 / 3, abs=4 * (1 / 3 * 2 / 3 / 300) ** 0.5)


def test_children_are_followed_as_they_come_and_go(tmp_path: Path) -> None:
    area = Area(HEAP, MIB, "[heap]", rss=MIB, referenced=MIB)
    parent = FakeProcess(tmp_path, 12, [area])
    of = operations(parent, children=True)
    watched = context(of)
    assert watched.aggregate().targets == (12,)
    child = FakeProcess(tmp_path, 30, [area], ppid=12, children=[31])
    FakeProcess(tmp_path, 31, [area], ppid=30)
    parent.children([30])
    watched.aggregate()
    snapshot = watched.aggregate()
    assert snapshot.targets == (12, 30, 31)
    assert snapshot.target.tolist() == [0, 1, 2]
    assert snapshot.nr_accesses.tolist() == [10, 10, 10]
    assert snapshot.age[0] > snapshot.age[1]
    child.end()  # its own child goes on, and is init's now
    parent.children([])
    watched.aggregate()
    assert watched.aggregate().targets == (12, 31)


def test_a_child_that_may_not_be_watched_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = FakeProcess(tmp_path, 12, [Area(HEAP, MIB, rss=MIB)], children=[30])
    FakeProcess(tmp_path, 30, [Area(HEAP, MIB)], ppid=12)
    real = module.files.clear_refs

    def clear_refs(root: Root, pid: int) -> None:
        if pid == 30:
            raise KernelError("cannot write '1' to clear_refs", PermissionError(errno.EACCES, "no"))
        real(root, pid)

    monkeypatch.setattr(module.files, "clear_refs", clear_refs)
    of = operations(parent, children=True)
    assert [target.id for target in of.targets()] == [12]
    assert of.missing() == "child 30 is not watched: permission denied; run: sudo damontui 12"
    parent.children([])
    of.update()
    assert of.missing() == ""


@pytest.mark.parametrize("how", ["end", "zombie", "reused"])
def test_the_end_of_a_process(tmp_path: Path, how: str) -> None:
    area = Area(HEAP, MIB, "[heap]", rss=MIB, referenced=MIB)
    process, other = FakeProcess(tmp_path, 12, [area]), FakeProcess(tmp_path, 13, [area])
    alone, both = operations(process), operations(process, other)
    watched = context(both)
    assert watched.aggregate().nr_accesses.tolist() == [10, 10]
    assert process.cleared
    if how == "end":
        process.end()
    elif how == "zombie":
        process.state("Z")
        process.map([])
    else:
        process = FakeProcess(tmp_path, 12, [area], comm="stranger", started=2_000)
    assert not alone.valid()
    assert both.valid()
    snapshot = watched.aggregate()
    assert snapshot.nr_accesses.tolist() == [0, 10]
    assert watched.aggregate().targets == (13,)
    if how != "end":
        assert not process.cleared


def test_memory_that_is_away_for_a_moment(tmp_path: Path) -> None:
    area = Area(HEAP, MIB, "[heap]", rss=MIB, referenced=MIB)
    process = FakeProcess(tmp_path, 12, [area])
    watched = context(operations(process))
    process.map([])  # between two programs
    assert watched.aggregate().nr_accesses.tolist() == [0]
    process.map([area])
    assert watched.aggregate().nr_accesses.tolist() == [10]


def test_who_cannot_be_watched(tmp_path: Path) -> None:
    FakeProcess(tmp_path, 2, comm="kthreadd", kernel=True)
    FakeProcess(tmp_path, 9, comm="done", state="Z", ppid=4)
    root = Root(tmp_path)
    with pytest.raises(
        SourceError, match=r"cannot watch process 2 \(kthreadd\): it is a thread of the kernel"
    ) as caught:
        identify(root, 2, "/usr/bin/damontui")
    assert "sudo /usr/bin/damontui stat" in caught.value.remedy
    with pytest.raises(SourceError, match=r"process 9 \(done\): it has ended and only waits for its parent, process 4"):
        identify(root, 9)
    with pytest.raises(SourceError, match="cannot watch process 4194309: there is no such process"):
        identify(Root("/"), 2**22 + 5)
    with pytest.raises(SourceError, match="there is no /proc below"):
        identify(Root(tmp_path / "nothing"), 77)


def refused(number: int, root: Root) -> SourceError:
    who = identify(root, 12)
    return refusal(root, who, KernelError("cannot write clear_refs", OSError(number, "no")), "/opt/damontui")


def test_a_process_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = FakeProcess(tmp_path, 12, comm="postgres").root
    monkeypatch.setattr(module.os, "geteuid", lambda: 12345)
    monkeypatch.setattr(module.files, "owner", lambda root, pid: "postgres")
    assert str(refused(errno.EACCES, root)) == (
        "cannot watch process 12 (postgres): it belongs to postgres; run: sudo /opt/damontui 12"
    )
    monkeypatch.setattr(module.files, "owner", lambda root, pid: "12345")
    assert "it is protected from its own user, too; run: sudo" in str(refused(errno.EACCES, root))


def test_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = FakeProcess(tmp_path, 12).root
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    assert "not even root may write clear_refs here (a container" in str(refused(errno.EACCES, root))
    assert "/proc is mounted read-only here" in str(refused(errno.EROFS, root))


def test_a_kernel_without_clear_refs(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 12, [Area(HEAP, MIB)])
    os.unlink(process.folder / "clear_refs")
    with pytest.raises(SourceError, match=r"built without it \(CONFIG_PROC_PAGE_MONITOR\)"):
        operations(process)


@pytest.mark.parametrize("content", [b"garbage", b"12-34 rw-p nothing\nSize: 4 kB\nRss: 4 kB\nReferenced: 4 kB\n"])
def test_smaps_that_is_none_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    process = FakeProcess(tmp_path, 12, [Area(HEAP, MIB)])
    (process.folder / "smaps").write_bytes(content)
    with pytest.raises(SourceError, match="cannot understand"):
        operations(process)


def test_thread_stacks_get_their_names_when_threads_appear(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 12, [Area(HEAP, MIB, "[heap]"), Area(LIB, 8 * MIB), Area(LIB + 9 * MIB, 8 * MIB)])
    of = operations(process)
    watched = context(of)
    assert watched.aggregate().names == ("[heap]", "[anon]", "[anon]")
    (process.folder / "task/15").mkdir()
    (process.folder / "task/15/syscall").write_text(f"202 0x0 0x0 0x0 0x0 0x0 0x0 {LIB + 8 * MIB - 64:#x} 0x7f\n")
    (process.folder / "task/16").mkdir()
    (process.folder / "task/16/syscall").write_text("running\n")
    watched.aggregate()
    assert watched.aggregate().names == ("[heap]", "[stack:15]", "[anon]")
