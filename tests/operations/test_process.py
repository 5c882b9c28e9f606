"""Processes through /proc: mappings and processes that come and go, and what is counted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from damontui.analysis import usage
from damontui.damon.snapshot import Snapshot
from damontui.errors import SourceError
from damontui.kernel.process_files import ProcessFolder
from damontui.operations.counted import Moment, snapshots
from damontui.operations.processes import Processes
from damontui.operations.refusals import identify
from damontui.sources.process import DEFAULTS
from tests.fake_process import Area, FakeProcess

MIB = 1 << 20
HEAP = 0x5600_0000_0000
LIB = 0x7F00_0000_0000


class Watched:
    """Processes on a clock that goes a second at each look."""

    def __init__(self, *processes: FakeProcess, children: bool = False, max_regions: int = 1_000) -> None:
        self.now = 100.0
        who = [identify(process.root, process.pid) for process in processes]
        self.of = Processes(processes[0].root, who, children=children, clock=lambda: self.now, cpu_clock=lambda: 0.0)
        self._max_regions = max_regions
        self.of.clear()

    def look(self) -> Snapshot:
        """A second later."""
        self.now += 1.0
        self.of.read()
        moment = Moment(self.now, self.now - 1.0, 1e9, DEFAULTS, 0, None, "", self.of.longest_pause)
        found, _ = snapshots(list(self.of.watched.values()), 120.0, self._max_regions, moment)
        self.of.update()
        self.of.clear()
        return found


def rows(of: Snapshot) -> list[tuple[str, int, int]]:
    return list(zip(of.names, of.sizes.tolist(), of.nr_accesses.tolist(), strict=True))


def test_the_share_of_resident_bytes_is_the_rate(tmp_path: Path) -> None:
    areas = [
        Area(HEAP, 8 * MIB, "[heap]", rss=8 * MIB, referenced=8 * MIB),
        Area(HEAP + 8 * MIB, 8 * MIB, rss=4 * MIB, referenced=2 * MIB),  # half of it is not resident
        Area(LIB, 8 * MIB, "/lib/libc.so.6", rss=8 * MIB, referenced=0),
        Area(LIB + 8 * MIB, 8 * MIB, "/lib/libm.so.6", rss=8 * MIB, referenced=4096),
    ]
    found = Watched(FakeProcess(tmp_path, 12, areas)).look()
    assert rows(found) == [
        ("[heap]", 8 * MIB, 20),
        ("[anon]", 8 * MIB, 10),
        ("libc.so.6", 8 * MIB, 0),
        ("libm.so.6", 8 * MIB, 1),  # something touched is never nothing
    ]
    assert found.resident is not None
    assert found.resident.tolist() == [8 * MIB, 4 * MIB, 8 * MIB, 8 * MIB]
    assert found.total_bytes == 28 * MIB
    assert found.measured is not None
    assert found.measured.mapped == 32 * MIB
    assert found.measured.used[:, -1].tolist() == [8 * MIB, 2 * MIB, 0, 4096]


def test_kinds_swap_and_huge_pages(tmp_path: Path) -> None:
    areas = [
        Area(HEAP, 8 * MIB, "[heap]", rss=6 * MIB, referenced=3 * MIB, swap=2 * MIB, huge=4 * MIB),
        Area(LIB, 4 * MIB, "/usr/bin/x", rss=4 * MIB, referenced=4 * MIB, anonymous=MIB),
        Area(LIB + 8 * MIB, 4 * MIB, "/dev/shm/pool", "rw-s", rss=2 * MIB, anonymous=0),
        Area(LIB + 16 * MIB, 4 * MIB, "/dev/zero (deleted)", "rw-s", rss=MIB, anonymous=0),
        Area(LIB + 24 * MIB, 4 * MIB, "/var/data", "r--s", rss=3 * MIB, anonymous=0),
    ]
    found = Watched(FakeProcess(tmp_path, 12, areas)).look()
    measured = found.measured
    assert measured is not None
    assert (measured.kinds / MIB).tolist() == [[6, 0, 0], [1, 3, 0], [0, 0, 2], [0, 0, 1], [0, 3, 0]]
    assert (measured.swapped, measured.huge) == (2 * MIB, 4 * MIB)
    assert usage.by_kind(found, 1.0) == {
        "anon": (7 * MIB, 4 * MIB),
        "file": (6 * MIB, 3 * MIB),
        "shmem": (3 * MIB, 0),
    }


def test_clearing_is_done_once_and_reading_clears_nothing(tmp_path: Path) -> None:
    processes = [FakeProcess(tmp_path, pid, [Area(HEAP, MIB, rss=MIB)]) for pid in (12, 13)]
    watched = Watched(*processes)
    assert [process.cleared for process in processes] == [True, True]
    for _ in range(3):
        watched.look()
    assert [process.cleared for process in processes] == [False, False]


def test_ages_grow_where_nothing_changes_and_mappings_that_touch_stay_apart(tmp_path: Path) -> None:
    areas = [Area(LIB + n * MIB, MIB, f"/lib/{n}.so", rss=MIB, referenced=MIB * (n % 2)) for n in range(20)]
    watched = Watched(FakeProcess(tmp_path, 12, areas))
    for age in range(6):
        found = watched.look()
        assert found.start.tolist() == [area.start for area in areas]
        assert found.age.tolist() == [age] * 20
        assert found.watched == age + 1
    assert found.names == tuple(f"{n}.so" for n in range(20))


def test_mappings_come_and_go_and_the_others_keep_what_is_known(tmp_path: Path) -> None:
    old, idle = Area(HEAP, MIB, "[heap]", rss=MIB), Area(LIB, MIB, "/lib/a.so", rss=MIB)
    process = FakeProcess(tmp_path, 12, [old, idle])
    watched = Watched(process)
    for _ in range(3):
        watched.look()
    process.map([idle, Area(LIB + 8 * MIB, 2 * MIB, rss=2 * MIB, referenced=2 * MIB)])
    found = watched.look()
    assert rows(found) == [("a.so", MIB, 0), ("[anon]", 2 * MIB, 20)]
    assert found.age.tolist() == [3, 0]
    idle_for = usage.idle_for(found, 4.0)
    assert idle_for is not None
    assert idle_for.bytes == MIB


def test_a_heap_that_grows_and_a_mapping_that_is_split_are_the_same_memory(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 12, [Area(HEAP, 4 * MIB, "[heap]", rss=4 * MIB)])
    watched = Watched(process)
    for _ in range(3):
        watched.look()
    process.map(
        [
            Area(HEAP, 2 * MIB, "[heap]", "r--p", rss=2 * MIB),
            Area(HEAP + 2 * MIB, 4 * MIB, "[heap]", rss=4 * MIB, referenced=2 * MIB),
        ]
    )
    found = watched.look()
    used = usage.used_by_region(found, 1.0)
    assert used.tolist() == [0, 2 * MIB]
    assert used.sum() == usage.used_by_region(found, 4.0).sum()


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
    watched = Watched(FakeProcess(tmp_path, 12, areas))
    assert rows(watched.look()) == [("[heap]", MIB, 20), ("[anon]", MIB, 0), ("[vdso]", 8192, 0)]
    assert watched.of.missing() == ["4 MiB of hugetlb pages are left out: the kernel tells of no access to them"]


def test_more_mappings_than_regions_share_them(tmp_path: Path) -> None:
    areas = []
    for n in range(30):
        at = LIB + n * 8 * MIB
        areas += [Area(at + k * MIB, MIB, f"/lib/{n}.so", rss=MIB, referenced=MIB * (k == 0)) for k in range(2)]
        areas.append(Area(at + 2 * MIB, MIB, rss=MIB))
    process = FakeProcess(tmp_path, 12, areas)
    assert len(Watched(process, max_regions=90).look()) == 90
    found = Watched(process, max_regions=60).look()  # the segments of one library together
    assert rows(found)[:2] == [("0.so", 2 * MIB, 10), ("[anon]", MIB, 0)]
    assert len(found) == 60
    found = Watched(process, max_regions=50).look()  # all that touch
    assert len(found) == 30
    assert found.names == tuple(f"{n}.so" for n in range(30))
    assert usage.used_by_region(found, 1.0).tolist() == [MIB] * 30
    assert found.total_bytes == 90 * MIB


def test_children_are_followed_as_they_come_and_go(tmp_path: Path) -> None:
    area = Area(HEAP, MIB, "[heap]", rss=MIB, referenced=MIB)
    parent = FakeProcess(tmp_path, 12, [area])
    watched = Watched(parent, children=True)
    assert watched.look().targets == (12,)
    child = FakeProcess(tmp_path, 30, [area], ppid=12, children=[31])
    FakeProcess(tmp_path, 31, [area], ppid=30)
    parent.children([30])
    watched.look()
    found = watched.look()
    assert found.targets == (12, 30, 31)
    assert found.target.tolist() == [0, 1, 2]
    assert found.nr_accesses.tolist() == [20, 20, 20]
    assert found.age[0] > found.age[1]
    child.end()  # its own child goes on, and is init's now
    parent.children([])
    watched.look()
    assert watched.look().targets == (12, 31)


def test_a_child_that_may_not_be_watched_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = FakeProcess(tmp_path, 12, [Area(HEAP, MIB, rss=MIB)], children=[30])
    FakeProcess(tmp_path, 30, [Area(HEAP, MIB)], ppid=12)
    real = ProcessFolder.open

    def opened(folder: ProcessFolder, name: str, flags: int = os.O_RDONLY) -> int:
        if folder.pid == 30 and name == "clear_refs":
            raise PermissionError(errno.EACCES, "no")
        return real(folder, name, flags)

    monkeypatch.setattr(ProcessFolder, "open", opened)
    of = Watched(parent, children=True).of
    assert list(of.watched) == [12]
    assert of.missing() == ["child 30 is not watched: permission denied; run: sudo damontui 12"]
    parent.children([])
    of.update()
    assert of.missing() == []


def test_a_large_process_is_not_held_up_unasked(tmp_path: Path) -> None:
    gib = Area(HEAP, 4 << 30, rss=4 << 30)
    process = FakeProcess(tmp_path, 12, [gib], comm="big")
    who = identify(process.root, 12)
    with pytest.raises(SourceError) as caught:
        Processes(process.root, [who])
    assert not process.cleared
    assert "process 12 (big) is not watched yet" in str(caught.value)
    assert caught.value.remedy.endswith("--max-pause 160ms")
    Processes(process.root, [who], max_pause=0.16)
    parent = FakeProcess(tmp_path, 11, [Area(HEAP, MIB)], children=[12])
    assert Watched(parent, children=True).of.missing() == [
        "child 12 is not watched: it is too large for --max-pause; say --max-pause 160ms"
    ]


def test_one_that_grows_too_large_is_read_on_and_not_cleared_again(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 12, [Area(HEAP, MIB, rss=MIB, referenced=MIB)])
    watched = Watched(process)
    process.map([Area(HEAP, 4 << 30, rss=4 << 30, referenced=4 << 30)])
    for _ in range(12):
        watched.look()
        assert watched.of.wanting() == []
    assert "not cleared again, since that would hold it up for about 64.0 ms" in watched.of.missing()[0]


@pytest.mark.parametrize("how", ["end", "zombie", "reused"])
def test_the_end_of_a_process(tmp_path: Path, how: str) -> None:
    area = Area(HEAP, MIB, "[heap]", rss=MIB, referenced=MIB)
    process, other = FakeProcess(tmp_path, 12, [area]), FakeProcess(tmp_path, 13, [area])
    alone, both = Watched(process), Watched(process, other)
    assert both.look().nr_accesses.tolist() == [20, 20]
    assert process.cleared
    if how == "end":
        process.end()
    elif how == "zombie":
        process.state("Z")
        process.map([])
    else:
        process = FakeProcess(tmp_path, 12, [area], comm="stranger", started=2_000)
    assert not alone.of.valid()
    assert both.of.valid()
    assert both.look().targets == (13,)
    if how != "end":
        assert not process.cleared


def test_memory_that_is_away_for_a_moment(tmp_path: Path) -> None:
    area = Area(HEAP, MIB, "[heap]", rss=MIB, referenced=MIB)
    process = FakeProcess(tmp_path, 12, [area])
    watched = Watched(process)
    process.map([])  # between two programs
    assert len(watched.look()) == 0
    process.map([area])
    assert watched.look().nr_accesses.tolist() == [20]


def test_a_kernel_without_clear_refs(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 12, [Area(HEAP, MIB)])
    os.unlink(process.folder / "clear_refs")
    with pytest.raises(SourceError, match=r"built without it \(CONFIG_PROC_PAGE_MONITOR\)"):
        Watched(process)


@pytest.mark.parametrize("content", [b"garbage", b"12-34 rw-p nothing\nSize: 4 kB\nRss: 4 kB\nReferenced: 4 kB\n"])
def test_smaps_that_is_none_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    process = FakeProcess(tmp_path, 12, [Area(HEAP, MIB)])
    watched = Watched(process)
    (process.folder / "smaps").write_bytes(content)
    with pytest.raises(SourceError, match="cannot understand"):
        watched.look()


def test_thread_stacks_get_their_names_when_threads_appear(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 12, [Area(HEAP, MIB, "[heap]"), Area(LIB, 8 * MIB), Area(LIB + 9 * MIB, 8 * MIB)])
    watched = Watched(process)
    assert watched.look().names == ("[heap]", "[anon]", "[anon]")
    (process.folder / "task/15").mkdir()
    (process.folder / "task/15/syscall").write_text(f"202 0x0 0x0 0x0 0x0 0x0 0x0 {LIB + 8 * MIB - 64:#x} 0x7f\n")
    (process.folder / "task/16").mkdir()
    (process.folder / "task/16/syscall").write_text("running\n")
    watched.look()
    assert watched.look().names == ("[heap]", "[stack:15]", "[anon]")
