"""Nothing leads out of the root folder, nothing but the kernel's files is written to, and reading has an end."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from damontui.errors import SourceError
from damontui.kernel import beneath, procfs, root, zones
from damontui.kernel.root import MADE_UP, KernelError, Root, number_after, read_whole


@pytest.fixture(params=["openat2", "steps"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up root beside a file that must stay as it is; in both ways of resolving a path."""
    if request.param == "steps":

        def missing(folder: int, name: str, flags: int) -> int:
            raise OSError(errno.ENOSYS, "no such call")

        monkeypatch.setattr(beneath, "_openat2", missing)
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "root/proc/77").mkdir(parents=True)
    (tmp_path / "root/sys/kernel").mkdir(parents=True)
    return tmp_path / "root"


def links(tree: Path) -> Iterator[str]:
    victim = tree.parent / "victim"
    (tree / "proc/77/clear_refs").symlink_to(victim)
    yield "proc/77/clear_refs"
    (tree / "proc/77/dots").symlink_to("../../../victim")
    yield "proc/77/dots"
    (tree / "proc/78").symlink_to(tree.parent)
    yield "proc/78/victim"
    yield "proc/77/../../../victim"
    (tree / "sys/inside").symlink_to("kernel")  # even one that stays inside: who says that it does tomorrow
    (tree / "sys/kernel/file").write_text("x")
    yield "sys/inside/file"


def test_no_path_below_the_root_folder_leads_out_of_it(tree: Path) -> None:
    below = Root(tree)
    tried = 0
    for name in links(tree):
        tried += 1
        with pytest.raises(KernelError, match=r"symbolic link|leads out") as caught:
            below.write(name, "1")
        assert caught.value.errno in (errno.ELOOP, errno.EXDEV)
        with pytest.raises(KernelError):
            below.read(name)
        with pytest.raises(KernelError):
            below.read_ints(name.rpartition("/")[0], [name.rpartition("/")[2]])
        assert not below.readable(name)
        assert not below.writable(name)
    assert tried == 5
    with pytest.raises(KernelError):
        below.make_folder("proc/78/made")
    with pytest.raises(KernelError):
        below.remove_folder("proc/78/root")
    with pytest.raises(KernelError):
        below.list("proc/78")
    assert (tree.parent / "victim").read_text() == "precious"
    assert sorted(os.listdir(tree.parent)) == ["root", "victim"]


def test_what_is_there_is_used_as_before(tree: Path) -> None:
    below = Root(tree)
    (tree / "proc/77/stat").write_text("12\n")
    assert below.read("proc/77/stat") == "12"
    assert below.read_int("/proc/77/stat") == 12
    assert below.read_ints("proc/77", ["stat", "stat"]) == [12, 12]
    assert below.exists("proc/77/stat")
    assert below.exists("proc/77")
    assert not below.exists("proc/76")
    assert below.list("proc") == ["77"]
    assert below.stat("proc/77").st_uid == os.geteuid()
    below.write("proc/77/stat", "13")
    assert (tree / "proc/77/stat").read_text() == "13\n"  # a write is a write, no truncation
    below.make_folder("sys/kernel/new")
    below.remove_folder("sys/kernel/new")
    with pytest.raises(KernelError, match="there is no such file"):
        below.write("proc/77/new", "1")
    assert not (tree / "proc/77/new").exists()


def test_the_one_link_that_is_a_number_is_understood(tree: Path) -> None:
    (tree / "proc/self").symlink_to("77")
    (tree / "proc/77/stat").write_text("12")
    assert Root(tree).read("proc/self/stat") == "12"
    (tree / "proc/self").unlink()
    (tree / "proc/self").symlink_to("../../proc")
    with pytest.raises(KernelError, match="symbolic link"):
        Root(tree).read("proc/self/stat")
    assert not Root(tree).exists("proc/self/stat")


def test_only_the_kernels_own_file_systems_are_written_to(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MADE_UP)
    below = Root(tree)
    (tree / "proc/77/clear_refs").write_text("0")
    for attempt in (
        lambda: below.write("proc/77/clear_refs", "1"),
        lambda: below.make_folder("sys/kernel/new"),
        lambda: below.remove_folder("sys/kernel"),
    ):
        with pytest.raises(KernelError, match="no file system of the kernel's"):
            attempt()
    assert (tree / "proc/77/clear_refs").read_text() == "0"
    assert sorted(os.listdir(tree / "sys")) == ["kernel"]


def test_the_environment_opens_made_up_trees_only(tmp_path: Path) -> None:
    assert os.environ[MADE_UP] == "1"
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for whole in ("/", "//", "/proc/.."):
        with pytest.raises(SourceError, match=r"no file system of the kernel's|read-only"):
            Root(whole).write(str(victim), "1")
    assert victim.read_text() == "precious"


def test_the_kernels_file_systems_are_known() -> None:
    for folder, name in (("/proc", "procfs"), ("/sys", "sysfs"), ("/tmp", "")):
        descriptor = os.open(folder, os.O_PATH)
        assert beneath.file_system(descriptor) == name
        os.close(descriptor)


def test_pipes_devices_and_sockets_are_no_files_of_a_kernel(tree: Path) -> None:
    below = Root(tree)
    os.mkfifo(tree / "sys/kernel/pipe")
    with socket.socket(socket.AF_UNIX) as heard:
        heard.bind(str(tree / "sys/kernel/socket"))
    for name in ("pipe", "socket"):
        with pytest.raises(KernelError):
            below.read(f"sys/kernel/{name}")
        with pytest.raises(KernelError):
            below.write(f"sys/kernel/{name}", "1")
        with pytest.raises(SourceError):
            below.read_ints("sys/kernel", [name])
    with pytest.raises(KernelError, match="it is a device, not a file of a kernel"):
        Root("/").read("dev/zero")
    with pytest.raises(KernelError, match="a folder"):
        below.read("sys/kernel")


def test_reading_has_an_end(tree: Path) -> None:
    with open(tree / "sys/kernel/huge", "wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(KernelError, match="it holds more than 4 MiB"):
        Root(tree).read("sys/kernel/huge")
    descriptor = os.open(tree / "sys/kernel/huge", os.O_RDONLY)
    ticks = iter(range(1000))
    with pytest.raises(OSError, match="not read within 5 s"):
        read_whole(descriptor, 1 << 30, 5.0, lambda: float(next(ticks)))
    os.close(descriptor)


@pytest.mark.parametrize("size", [0, 1, (1 << 14) - 1, 1 << 14, (1 << 14) + 1, 300_000])
def test_all_bytes_arrive(tree: Path, size: int) -> None:
    content = os.urandom(size)
    (tree / "sys/kernel/file").write_bytes(content)
    assert Root(tree).read_bytes("sys/kernel/file") == content


def test_a_root_folder_that_is_gone_is_a_sentence(tree: Path) -> None:
    with pytest.raises(KernelError, match="there is no such file"):
        Root(tree / "nothing").read("proc/1/stat")
    assert root.why(OSError(errno.ELOOP, "")) == "a symbolic link is in the way, and is not followed"


@pytest.mark.parametrize("text", ["9" * 400, "9" * 5000, str(1 << 63), "", "1 2", "0x10"])
def test_a_number_that_no_kernel_has_is_none(tree: Path, text: str) -> None:
    (tree / "sys/kernel/number").write_text(text)
    with pytest.raises(SourceError, match=r"number"):
        Root(tree).read_int("sys/kernel/number")
    after = {"1 2": 1, "0x10": 0}.get(text)
    assert number_after(re.compile(r"^A: (\d+)"), f"A: {text}") == after
    assert number_after(re.compile(r"^A: (\d+)"), "A: 12 kB", 1024) == 12288
    assert number_after(re.compile(r"^A: (\d+)"), f"A: {1 << 60}", 1024) is None


def test_huge_numbers_of_a_kernel_are_not_known(tree: Path) -> None:
    """As a kernel under test, or a made-up one, may say: left out, no fault."""
    (tree / "proc/zoneinfo").write_text(
        f"Node 0, zone   DMA\n  spanned  {'9' * 400}\n  start_pfn: 1\nNode 0, zone Normal\n"
        "        spanned  16\n  start_pfn:           4096\n"
    )
    (tree / "proc/meminfo").write_text(f"MemFree: {'9' * 30} kB\n")
    (tree / "proc/77/status").write_text(f"voluntary_ctxt_switches: {'9' * 5000}\n")
    assert zones.zones(Root(tree)).labels == ("node 0 Normal",)
    assert procfs.free_bytes(Root(tree)) is None
    assert procfs.sleeps(Root(tree), 77) is None
