"""A made-up hierarchy of control groups of version 2, below a temporary root folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

MIB = 1 << 20


class FakeCgroups:
    """Groups as folders with the files that the kernel has in them.

    Args:
        root: the root folder; ``sys/fs/cgroup`` is made below it.
        controllers: what ``cgroup.controllers`` says.
        place: where the hierarchy is mounted.
    """

    def __init__(self, root: Path, controllers: str = "cpu memory pids", place: str = "sys/fs/cgroup") -> None:
        self.mount = root / place
        self.mount.mkdir(parents=True)
        (self.mount / "cgroup.controllers").write_text(controllers + "\n")
        (self.mount / "cgroup.procs").write_text("")
        (self.mount / "cgroup.stat").write_text("nr_descendants 0\nnr_dying_descendants 0\n")

    def add(
        self,
        path: str,
        current: int = 0,
        *,
        pids: Iterable[int] = (),
        inactive_file: int = 0,
        dying: int = 0,
        files: Mapping[str, str] | None = None,
    ) -> int:
        """Make a group (those above it must be there); its inode number."""
        folder = self.mount / path.strip("/")
        folder.mkdir()
        texts = {
            "memory.current": f"{current}\n",
            "memory.max": "max\n",
            "memory.high": "max\n",
            "memory.swap.current": "0\n",
            "memory.swap.max": "max\n",
            "memory.stat": f"anon {current - inactive_file}\nfile {inactive_file}\ninactive_file {inactive_file}\n",
            "cgroup.procs": "".join(f"{pid}\n" for pid in pids),
            "cgroup.stat": f"nr_descendants 0\nnr_dying_descendants {dying}\n",
        }
        for name, text in (texts | dict(files or {})).items():
            (folder / name).write_text(text)
        return folder.stat().st_ino
