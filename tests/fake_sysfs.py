"""The made-up kernel with DAMON's sysfs interface: folders come and go with the numbers written, ``state`` acts."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

from damontui.kernel.root import KernelError
from tests.fake_kernel import ADMIN, FakeKernel, FakeRoot

CONTEXT = f"{ADMIN}/0/contexts/0"


class SysfsRoot(FakeRoot):
    """Writes below the kdamonds' folder are answered as the kernel answers them."""

    kernel: FakeSysfs

    def write(self, name: str, text: str) -> None:
        super().write(name, text)
        if name.startswith(ADMIN):
            try:
                self.kernel.written(name.removeprefix(ADMIN + "/"), text)
            except OSError as error:
                raise KernelError(f"cannot write {text!r} to {self.path(name)}", error) from error


class FakeSysfs(FakeKernel):
    """Args: see `FakeKernel`; ``tunes`` says whether this kernel has an intervals goal."""

    def __init__(self, folder: Path, flavour: str = "7.2", *, on: bool = False, tunes: bool = True) -> None:
        self.tunes = tunes
        self.commands: list[str] = []
        self.regions: list[tuple[int, int, int, int]] = [(4096, 8192, 3, 1), (8192, 65536, 0, 7)]
        self.running: int | None = None
        self.refuses = 0
        """An errno for ``on``."""
        self.on_kdamond: Callable[[], None] = lambda: None
        super().__init__(folder, flavour, on=on)
        self.root = SysfsRoot(self, folder)

    def sys(self, name: str) -> str:
        """What a file of the kdamonds' folder holds."""
        return (self.folder / ADMIN / name).read_text().strip()

    def written(self, name: str, text: str) -> None:
        """The kernel's side of a write."""
        folder, _, file = name.rpartition("/")
        if file == "nr_kdamonds":
            if self.running is not None:
                raise OSError(errno.EBUSY, "")
            for index in range(8):
                shutil.rmtree(self.folder / ADMIN / str(index), ignore_errors=True)
            for index in range(int(text)):
                self._make(f"{index}", state="off", pid="-1")
                self._make(f"{index}/contexts", nr_contexts="0")
        elif file == "nr_contexts":
            self._make(f"{folder}/0", operations="vaddr", avail_operations="vaddr\nfvaddr\npaddr")
            self._make(
                f"{folder}/0/monitoring_attrs/intervals", sample_us="5000", aggr_us="100000", update_us="60000000"
            )
            self._make(f"{folder}/0/monitoring_attrs/nr_regions", min="10", max="1000")
            if self.tunes:
                goal = dict.fromkeys(("access_bp", "aggrs", "min_sample_us", "max_sample_us"), "0")
                self._make(f"{folder}/0/monitoring_attrs/intervals/intervals_goal", **goal)
            self._make(f"{folder}/0/targets", nr_targets="0")
            self._make(f"{folder}/0/schemes", nr_schemes="0")
        elif file == "nr_targets":
            self._clear(folder)
            for index in range(int(text)):
                self._make(f"{folder}/{index}", pid_target="0")
                self._make(f"{folder}/{index}/regions", nr_regions="0")
        elif file == "nr_regions" and "targets" in folder:
            for index in range(int(text)):
                self._make(f"{folder}/{index}", start="0", end="0")
        elif file == "nr_schemes":
            self._make(f"{folder}/0", action="stat", apply_interval_us="0")
            self._make(f"{folder}/0/tried_regions", total_bytes="0")
            for pattern in ("sz", "nr_accesses", "age"):
                self._make(f"{folder}/0/access_pattern/{pattern}", min="0", max="0")
        elif file == "state":
            self._command(folder, text)

    def end_kdamond(self) -> None:
        """It ends: switched off, or its process is gone."""
        if self.running is not None:
            self.remove(f"proc/{self.running}")
            self.running = None
            self._make("0", state="off", pid="-1")

    def _command(self, folder: str, text: str) -> None:
        self.put(f"{ADMIN}/{folder}/state", "on" if self.running is not None else "off")
        self.commands.append(text)
        if text == "on":
            if self.refuses or self.pid is not None:
                raise OSError(self.refuses or errno.EBUSY, "")
            self.running = self._next_pid
            self._next_pid += 1
            self.task(self.running, "kdamond.0")
            self._make("0", state="on", pid=str(self.running))
            self.on_kdamond()
        elif text == "off":
            self.end_kdamond()
        elif self.running is None:
            raise OSError(errno.EINVAL, "")
        elif text == "update_schemes_tried_regions":
            tried = f"{CONTEXT}/schemes/0/tried_regions".removeprefix(ADMIN + "/")
            self._clear(tried)
            for index, (start, end, nr_accesses, age) in enumerate(self.regions):
                self._make(
                    f"{tried}/{index}", start=str(start), end=str(end), nr_accesses=str(nr_accesses), age=str(age)
                )

    def _make(self, folder: str, **files: str) -> None:
        for name, text in files.items():
            self.put(f"{ADMIN}/{folder}/{name}", text)

    def _clear(self, folder: str) -> None:
        for child in (self.folder / ADMIN / folder).iterdir():
            if child.is_dir():
                shutil.rmtree(child)
