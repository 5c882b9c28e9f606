"""A made-up process below a root folder: its files in /proc, and what changes in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from damontui.kernel.root import Root

KTHREAD = 0x0020_0000


@dataclass
class Area:
    """One mapping, bytes."""

    start: int
    size: int
    path: str = ""
    perms: str = "rw-p"
    rss: int = 0
    referenced: int = 0
    flags: str = "rd wr mr mw me ac"
    swap: int = 0
    huge: int = 0
    anonymous: int | None = None
    """Anonymous bytes where it is a file's mapping; all of ``rss`` where left out."""


def smaps_text(areas: Sequence[Area]) -> bytes:
    """What the kernel prints for them."""
    return "".join(
        f"{area.start:08x}-{area.start + area.size:08x} {area.perms} 00000000 00:00 0 {' ' * 20}{area.path}".rstrip()
        + f"\nSize: {area.size // 1024:>14} kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n"
        f"Rss: {area.rss // 1024:>15} kB\nPss: {area.rss // 1024:>15} kB\nPss_Dirty:             0 kB\n"
        f"Referenced: {area.referenced // 1024:>8} kB\n"
        f"Anonymous: {(area.rss if area.anonymous is None else area.anonymous) // 1024:>9} kB\n"
        f"AnonHugePages: {area.huge // 1024:>8} kB\n"
        f"Swap: {area.swap // 1024:>14} kB\nTHPeligible:           0\nVmFlags: {area.flags}\n"
        for area in areas
    ).encode()


class FakeProcess:
    """Files of one process in ``folder/proc/PID``."""

    def __init__(
        self,
        folder: Path,
        pid: int,
        areas: Sequence[Area] = (),
        *,
        comm: str = "fake",
        state: str = "S",
        ppid: int = 1,
        started: int = 1_000,
        children: Sequence[int] = (),
        kernel: bool = False,
    ) -> None:
        self.root = Root(folder)
        self.pid = pid
        self.folder = folder / f"proc/{pid}"
        self.comm, self.ppid, self.started, self.kernel = comm, ppid, started, kernel
        (self.folder / f"task/{pid}").mkdir(parents=True, exist_ok=True)
        (self.folder / "clear_refs").write_text("0")
        self.state(state)
        self.children(children)
        self.map(areas)

    def state(self, letter: str) -> None:
        """R, S, Z…"""
        flags = KTHREAD if self.kernel else 0x0040_0000
        (self.folder / "stat").write_text(
            f"{self.pid} ({self.comm}) {letter} {self.ppid} 1 1 0 -1 {flags} {'0 ' * 12}{self.started} 0 0\n"
        )

    def children(self, pids: Sequence[int]) -> None:
        """Its children from now on."""
        (self.folder / f"task/{self.pid}/children").write_text("".join(f"{pid} " for pid in pids))

    def map(self, areas: Sequence[Area]) -> None:
        """What is mapped and referenced from now on."""
        rss, referenced = sum(area.rss for area in areas), sum(area.referenced for area in areas)
        (self.folder / "smaps").write_bytes(smaps_text(areas))
        (self.folder / "smaps_rollup").write_text(
            f"10000-20000 ---p 00000000 00:00 0 [rollup]\nRss: {rss // 1024} kB\nReferenced: {referenced // 1024} kB\n"
        )
        (self.folder / "statm").write_text(f"{rss // 4096 + 9} {rss // 4096} 0 0 0 0 0\n")

    @property
    def cleared(self) -> bool:
        """Whether the accessed bits were cleared since this was asked last."""
        file = self.folder / "clear_refs"
        text = file.read_text()
        file.write_text("0")
        return text == "1"

    def end(self) -> None:
        """It is no more."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.folder.rmdir()
