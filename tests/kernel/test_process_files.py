"""The files of a process: parsed exactly, whatever they say, and names that say what is mapped."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.damon.snapshot import ints
from damontui.errors import SourceError
from damontui.kernel import process_files as files
from damontui.kernel.process_files import Mapping, ProcessFolder
from damontui.kernel.root import KernelError, Root
from tests.fake_process import Area, FakeProcess, smaps_text

HERE = Root("/")


def test_own_smaps_and_maps_agree() -> None:
    with ProcessFolder(HERE, os.getpid()) as folder:
        found, maps = folder.smaps(), folder.maps()
    mappings = found.mappings()
    assert [(m.start, m.end) for m in maps][:3] == [(m.start, m.end) for m in mappings][:3]
    names = files.names_of(mappings)
    assert "[stack]" in names
    assert "[heap]" in names
    stack = mappings[names.index("[stack]")]
    assert "gd" in stack.flags  # it grows down
    assert stack.perms.startswith("rw")
    assert (found.rss <= [m.end - m.start for m in mappings]).all()
    assert (found.referenced <= found.rss).all()
    assert found.rss.sum() > 1 << 20


def test_rollup_is_the_sum() -> None:
    with ProcessFolder(HERE, os.getpid()) as folder:
        sums = folder.rollup()
    assert sums.rss >= sums.referenced > 1 << 20
    parsed = files.parse_smaps(files.read(HERE, f"proc/{os.getpid()}/smaps_rollup"))
    assert [mapping.path for mapping in parsed.mappings()] == ["[rollup]"]
    assert parsed.rss.tolist() == pytest.approx([sums.rss], rel=0.2)


def test_values_are_bytes_of_each_mapping() -> None:
    text = smaps_text([Area(0x1000, 8192, rss=8192, referenced=4096), Area(0x7F00_0000_0000, 4096, "/lib/x y.so")])
    found = files.parse_smaps(text)
    assert found.rss.tolist() == [8192, 0]
    assert found.referenced.tolist() == [4096, 0]
    assert [(m.start, m.end, m.perms, m.path) for m in found.mappings()] == [
        (0x1000, 0x3000, "rw-p", ""),
        (0x7F00_0000_0000, 0x7F00_0000_1000, "rw-p", "/lib/x y.so"),
    ]


def test_a_file_named_like_a_field_changes_nothing() -> None:
    text = smaps_text([Area(0x1000, 4096, "/tmp/\\012Size: 9 kB\\012Referenced: 77 kB", rss=4096)])
    found = files.parse_smaps(text)
    assert found.referenced.tolist() == [0]
    assert len(found.headers) == 1


@pytest.mark.parametrize(
    "text",
    [b"garbage", b"\n", b"1000-2000 rw-p 0 0:0 0\nSize: 4 kB\n", b"x\nSize: 1 kB\nRss: a kB\nReferenced: 1 kB\n"],
)
def test_garbage_is_a_sentence(text: bytes) -> None:
    with pytest.raises(SourceError, match="cannot understand smaps"):
        files.parse_smaps(text, "smaps")


def test_a_header_that_is_none_is_a_sentence() -> None:
    text = smaps_text([Area(0x1000, 4096)]).replace(b"1000-", b"here-", 1)
    with pytest.raises(SourceError, match="is not one"):
        files.parse_smaps(text).mappings()


SIZES = st.integers(0, 1 << 44).map(lambda pages: pages * 1024)


@given(st.lists(st.tuples(SIZES, SIZES, SIZES), max_size=12))
def test_numbers_of_any_width_are_read(sizes: list[tuple[int, int, int]]) -> None:
    areas = [
        Area(n << 20, 1 << 20, rss=rss, referenced=touched, swap=swap) for n, (rss, touched, swap) in enumerate(sizes)
    ]
    found = files.parse_smaps(smaps_text(areas))
    assert (
        list(zip(found.rss.tolist(), found.referenced.tolist(), found.amounts("Swap").tolist(), strict=True)) == sizes
    )
    assert found.amounts("Missing").tolist() == [0] * len(sizes)


def test_a_mapping_with_other_lines_is_read_by_itself() -> None:
    areas = [Area(n << 20, 1 << 20, rss=(n + 1) << 12, referenced=4096, swap=n << 12) for n in range(5)]
    lines = smaps_text(areas).splitlines(keepends=True)
    (third,) = [at for at, line in enumerate(lines) if line.startswith(b"00200000-")]
    del lines[next(at for at in range(third, len(lines)) if lines[at].startswith(b"Swap:"))]
    lines.insert(third + 2, b"Another:   77 kB\n")
    lines = [line.replace(b"      16 kB", b" 16 kB") for line in lines]
    found = files.parse_smaps(b"".join(lines))
    assert found.rss.tolist() == [area.rss for area in areas]
    assert found.amounts("Swap").tolist() == [0, 4096, 0, 12288, 16384]


@given(st.binary(max_size=300))
def test_no_text_is_a_traceback(text: bytes) -> None:
    for whole in (text, smaps_text([Area(0x1000, 4096)])[:200] + text):
        with suppress(SourceError):
            files.parse_smaps(whole).mappings()


def test_empty_is_no_memory() -> None:
    assert files.parse_smaps(b"").mappings() == ()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", "[anon]"),
        ("[heap]", "[heap]"),
        ("[stack]", "[stack]"),
        ("[vdso]", "[vdso]"),
        ("[anon:dalvik heap]", "[anon:dalvik heap]"),
        ("[anon: glibc: pthread user stack: 77]", "[stack:77]"),
        ("[anon:stack_and_tls:78]", "[stack:78]"),
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc.so.6"),
        ("/tmp/gone (deleted)", "gone (deleted)"),
        ("/dev/zero (deleted)", "[shared anon]"),
        ("/SYSV0000a1b2 (deleted)", "[shm:0000a1b2]"),
        ("/memfd:wayland (deleted)", "memfd:wayland"),
        ("/dev/shm/postgres", "postgres"),
        ("anon_inode:[io_uring]", "anon_inode:[io_uring]"),
        ("/tmp/\x1b[2Jevil\u202e", "?[2Jevil?"),
    ],
)
def test_short_names(path: str, name: str) -> None:
    assert files.mapping_name(path) == name


def test_a_stack_pointer_names_anonymous_memory_only() -> None:
    mappings = [
        Mapping(0x1000, 0x2000, "rw-p", "[heap]"),
        Mapping(0x4000, 0x8000, "rw-p", ""),
        Mapping(0x8000, 0x9000, "rw-p", ""),
    ]
    names = files.names_of(mappings, {0x1800: 5, 0x7FFF: 6, 0x3000: 7, 0xF000: 8})
    assert names == ("[heap]", "[stack:6]", "[anon]")


def test_a_region_is_named_by_what_fills_most_of_it() -> None:
    mappings = [
        Mapping(0x1000, 0x3000, "r--p", "/lib/a.so"),
        Mapping(0x3000, 0x6000, "rw-p", ""),
        Mapping(0x6000, 0x8000, "r--p", "/lib/a.so"),
        Mapping(0x9000, 0xA000, "rw-p", "[heap]"),
    ]
    start, end = ints([0x1000, 0x1000, 0x8000, 0x8000, 0x4000]), ints([0x3000, 0x8000, 0x9000, 0xB000, 0x5000])
    names = files.names_in(mappings, files.names_of(mappings), start, end)
    assert names == ("a.so", "a.so", "", "[heap]", "[anon]")
    assert files.names_in([], [], start, end) == ("",) * 5


def test_stat_of_a_name_with_brackets_and_blanks(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 1234, comm="a) b (c", state="S", ppid=7, started=99)
    assert files.stat(process.root, 1234) == files.Stat(1234, "a) b (c", "S", 7, False, 99)
    assert files.stat(process.root, 1235) is None
    (tmp_path / "proc/1234/stat").write_text("nonsense")
    assert files.stat(process.root, 1234) is None


def test_who_we_are() -> None:
    stat = files.stat(HERE, os.getpid())
    assert stat is not None
    assert (stat.ppid, stat.kernel_thread, stat.ended) == (os.getppid(), False, False)
    assert files.owner(HERE, 2**30) == ""
    assert os.getpid() in files.threads(HERE, os.getpid())


def test_descendants_by_either_way(tmp_path: Path) -> None:
    FakeProcess(tmp_path, 10, children=[20, 30])
    FakeProcess(tmp_path, 20, children=[40], ppid=10)
    FakeProcess(tmp_path, 30, ppid=10)
    process = FakeProcess(tmp_path, 40, ppid=20)
    assert files.descendants(process.root, [10]) == [10, 20, 30, 40]
    for file in tmp_path.glob("proc/*/task/*/children"):  # CONFIG_PROC_CHILDREN is off
        file.unlink()
    assert files.descendants(process.root, [10]) == [10, 20, 30, 40]
    assert files.descendants(process.root, [77]) == [77]


def test_clear_refs_is_written_in_a_read_only_session_too(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 10)
    with ProcessFolder(Root(tmp_path, read_only=True), 10) as folder:
        folder.clear_refs()
    assert (tmp_path / "proc/10/clear_refs").read_text() == "1"
    (tmp_path / "proc/10/clear_refs").unlink()
    with ProcessFolder(process.root, 10) as folder, pytest.raises(KernelError) as caught:
        folder.clear_refs()
    assert caught.value.errno == errno.ENOENT
    assert not (tmp_path / "proc/10/clear_refs").exists()


def test_arrays_are_bytes_in_int64() -> None:
    with ProcessFolder(HERE, os.getpid()) as folder:
        found = folder.smaps()
    assert found.rss.dtype == found.referenced.dtype == np.int64


def test_a_folder_held_open_is_of_one_process_only() -> None:
    with subprocess.Popen(["sleep", "60"]) as child, ProcessFolder(HERE, child.pid) as folder:
        stat = folder.stat()
        assert stat is not None
        assert stat.comm == "sleep"
        assert folder.smaps().headers
        assert folder.maps()
        folder.clear_refs()
        child.kill()
        child.wait()
        assert folder.stat() is None
        for attempt in (folder.clear_refs, folder.smaps, folder.maps):
            with pytest.raises(KernelError) as caught:
                attempt()
            assert caught.value.errno in files.GONE
    with pytest.raises(KernelError):
        ProcessFolder(HERE, child.pid)


def test_a_folder_held_open_does_not_follow_its_number_to_another(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 10)
    with ProcessFolder(process.root, 10) as folder:
        process.end()
        again = FakeProcess(tmp_path, 10, comm="stranger")
        with pytest.raises(KernelError) as caught:
            folder.clear_refs()
        assert caught.value.errno in files.GONE
        assert not again.cleared
    with pytest.raises(KernelError, match="closed"):
        folder.read("stat")


def test_a_folder_held_open_follows_no_link(tmp_path: Path) -> None:
    process = FakeProcess(tmp_path, 10)
    (tmp_path / "victim").write_text("precious")
    (process.folder / "clear_refs").unlink()
    (process.folder / "clear_refs").symlink_to(tmp_path / "victim")
    with ProcessFolder(process.root, 10) as folder, pytest.raises(KernelError, match="symbolic link"):
        folder.clear_refs()
    assert (tmp_path / "victim").read_text() == "precious"
