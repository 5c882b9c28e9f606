"""DAMON_STAT's module parameters (``Documentation/admin-guide/mm/damon/stat.rst``), by what files there are."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from damontui.damon.metrics import PERCENTILE_COUNT
from damontui.damon.snapshot import ModuleValues
from damontui.errors import SourceError
from damontui.kernel import procfs
from damontui.kernel.root import KernelError, Root, number

MODULE = "sys/module/damon_stat"
PARAMETERS = f"{MODULE}/parameters"
REFRESH_S = 5.0
"""Seconds after which the module computes its numbers anew."""
_KDAMONDS = "sys/kernel/mm/damon/admin/kdamonds"
_OTHERS = {"damon_reclaim": "DAMON_RECLAIM", "damon_lru_sort": "DAMON_LRU_SORT"}
_TAKES_S = 1.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ModuleState:
    """Whether DAMON_STAT runs in truth."""

    on: bool
    pid: int | None = None
    """Its kdamond; None while off, and where a PID namespace hides it."""
    failed: bool = False
    """``enabled`` says Y, but no kdamond runs: before 7.2 a start that failed looks so."""


class StatModule:
    """The module below a root folder. Nothing is kept between calls but the PID that was last found.

    Args:
        root: where the kernel is.
        program: the command to name in remedies, with its full path.
        pause: waits for so many seconds, while the kernel carries out a switch.
    """

    def __init__(self, root: Root, *, program: str = "damontui", pause: Callable[[float], None] = time.sleep) -> None:
        self._root = root
        self._program = program
        self._pause = pause
        self._pid: int | None = None

    def present(self) -> bool:
        """Whether the module is there (it can be gone while we watch)."""
        return self._root.exists(f"{PARAMETERS}/enabled")

    def check(self) -> None:
        """Raise one sentence with the remedy where DAMON_STAT cannot be watched."""
        try:
            self._word()
        except KernelError as error:
            raise self._explained(error) from error

    def read(self) -> tuple[ModuleValues, str]:
        """The module's own numbers as they stand, and a sentence on those that this kernel has and that cannot be read.

        A number is None where this kernel lacks the file, and where the file cannot be read or holds no number. The
        sentence is "" where all files were read.

        Raises:
            SourceError: where ``enabled`` itself cannot be read.
        """
        state = self.state()
        troubles: list[str] = []

        def tried(get: Callable[[str], _T], name: str) -> _T | None:
            try:
                return get(name)
            except SourceError as error:
                troubles.append(str(error))
                return None

        values = ModuleValues(
            enabled=state.on,
            bandwidth=tried(self._number, "estimated_memory_bandwidth"),
            idle_ms_percentiles=tried(self._percentiles, "memory_idle_ms_percentiles"),
            aggr_interval_us=tried(self._number, "aggr_interval_us"),
            kdamond_pid=state.pid,
        )
        if values.bandwidth is None and values.idle_ms_percentiles is None and not troubles:
            troubles.append(f"{self._root.path(PARAMETERS)} has none of the numbers that DAMON_STAT is known for")
        return values, "; ".join(troubles)

    def state(self) -> ModuleState:
        """Whether it runs, and as which kdamond. Raises `SourceError` where ``enabled`` cannot be read."""
        if not self._word():
            self._pid = None
            return ModuleState(on=False)
        try:
            told = self._number("kdamond_pid")
        except SourceError:
            told = None  # it can be found without
        if told is not None:
            self._pid = told if told > 0 else None
            return ModuleState(on=told > 0, pid=self._pid, failed=told <= 0)
        if self._pid is None or not procfs.is_kdamond(self._root, self._pid):
            self._pid = self._find()
        if self._pid is None and not procfs.shows_kernel_threads(self._root):
            return ModuleState(on=True)  # a container: the word is all there is
        return ModuleState(on=self._pid is not None, pid=self._pid, failed=self._pid is None)

    def switch(self, on: bool) -> None:
        """Turn DAMON_STAT on or off and make sure that it took.

        Raises:
            SourceError: where the kernel refuses, naming who holds DAMON, or where nothing happens within a second.
        """
        what = f"cannot switch DAMON_STAT {'on' if on else 'off'}"
        if self._root.read_only:
            self._root.refuse_write(f"{PARAMETERS}/enabled")
        state = self.state()
        if state.on == on and not state.failed:
            return
        try:
            if on and state.failed:
                self._write(False)  # the word is Y already: writing it again would do nothing
            self._write(on)
        except KernelError as error:
            if on:
                self._take_back()
            raise self._refused(what, error) from error
        for _ in range(50):
            if self.state().on == on:
                return
            self._pause(_TAKES_S / 50)
        if on:
            self._take_back()
            raise SourceError(
                what, "the write was taken but no kdamond runs", self._way_out() or "see the kernel's log"
            )
        raise SourceError(what, "the write was taken but its kdamond runs on", "see the kernel's log")

    def holders(self) -> list[str]:
        """Who else has a kdamond, as phrases: ``kdamond 123 (sysfs, …/kdamonds/0)``, ``DAMON_RECLAIM (kdamond 55)``."""
        held = [f"{who} (kdamond {pid})" if pid > 0 else who for who, pid, _ in self._foreign()]
        if held:
            return held
        mine = self._pid
        return [f"{name} (PID {pid})" for pid, name in self._kdamonds().items() if pid != mine]

    def _foreign(self) -> list[tuple[str, int, str]]:
        """Every holder of DAMON but DAMON_STAT: who, its PID (-1 unknown), and how to stop it."""
        root = self._root
        found = []
        for module, title in _OTHERS.items():
            folder = f"sys/module/{module}/parameters"
            if self._text(f"{folder}/enabled").strip().upper() in ("Y", "1"):
                pid = _int(self._text(f"{folder}/kdamond_pid"), -1)
                found.append((title, pid, f"echo N > {root.path(folder)}/enabled"))
        for index in range(min(_int(self._text(f"{_KDAMONDS}/nr_kdamonds"), 0), 1024)):
            folder = f"{_KDAMONDS}/{index}"
            state = self._text(f"{folder}/state", busy="on")  # busy: it serves another writer, so it runs
            if state.strip() == "on":
                pid = _int(self._text(f"{folder}/pid"), -1)
                found.append((f"{root.path(folder)}", pid, f"echo off > {root.path(folder)}/state"))
        return found

    def _find(self) -> int | None:
        """DAMON_STAT's kdamond where no file tells: the one that nobody else owns."""
        kdamonds = self._kdamonds()
        if not kdamonds:
            return None
        foreign = [pid for _, pid, _ in self._foreign()]
        if any(pid <= 0 for pid in foreign):
            return None  # DAMON_STAT is exclusive: while somebody else runs, it does not
        return min((pid for pid in kdamonds if pid not in foreign), default=None)

    def _kdamonds(self) -> dict[int, str]:
        try:
            return procfs.find_kdamonds(self._root)
        except SourceError:
            return {}

    def _word(self) -> bool:
        text = self._root.read(f"{PARAMETERS}/enabled").strip()
        if text not in ("Y", "N", "1", "0"):
            raise SourceError(
                "cannot read DAMON_STAT",
                f"{self._root.path(PARAMETERS)}/enabled says {text[:40]!r}, neither Y nor N",
            )
        return text in ("Y", "1")

    def _write(self, on: bool) -> None:
        self._root.write(f"{PARAMETERS}/enabled", "Y" if on else "N")

    def _take_back(self) -> None:
        """After a start that failed, ``enabled`` may say Y: put back what was true."""
        try:
            if self._word():
                self._write(False)
        except SourceError:
            return

    def _number(self, name: str) -> int | None:
        """A parameter's number, None where this kernel lacks the file."""
        try:
            return self._root.read_int(f"{PARAMETERS}/{name}")
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return None
            raise

    def _percentiles(self, name: str) -> tuple[int, ...] | None:
        name = f"{PARAMETERS}/{name}"
        try:
            text = self._root.read(name)
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        try:
            values = tuple(map(int, text.split(",")))
        except ValueError:
            values = ()
        if len(values) != PERCENTILE_COUNT:
            raise SourceError(
                "cannot read DAMON_STAT", f"{self._root.path(name)} holds no {PERCENTILE_COUNT} numbers: {text[:40]!r}"
            )
        return values

    def _text(self, name: str, busy: str = "") -> str:
        """A file's text, "" where it cannot be read, ``busy`` where the kernel says EBUSY."""
        try:
            return self._root.read(name)
        except KernelError as error:
            return busy if error.errno == errno.EBUSY else ""

    def _way_out(self) -> str:
        ways = [way for _, _, way in self._foreign()]
        return f"stop it first: {'; '.join(ways)}" if ways else ""

    def _refused(self, what: str, error: KernelError) -> SourceError:
        if error.errno == errno.EBUSY:
            held = self.holders()
            who = " and ".join(held) if held else "another kdamond, which this /proc does not show"
            return SourceError(what, f"DAMON is held by {who}", self._way_out() or "stop it first")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return self._not_permitted(what, error)
        return SourceError(what, f"{error.what}: {error.why}", "see the kernel's log")

    def _explained(self, error: KernelError) -> SourceError:
        """Why DAMON_STAT cannot be read at all."""
        root = self._root
        what = "cannot read DAMON_STAT"
        if error.errno in (errno.EACCES, errno.EPERM):
            return self._not_permitted(what, error)
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            return SourceError(what, f"{error.what}: {error.why}", error.remedy)
        release = procfs.kernel_release(root)
        kernel = f"Linux {release}" if release else "this kernel"
        if not root.exists("sys/module"):
            return SourceError(what, f"there is no {root.path('sys/module')}: sysfs is hidden", "run it on the host")
        return SourceError(
            what,
            f"{kernel} has no {root.path(MODULE)}: DAMON_STAT came with Linux 6.17 and must be built in",
            "boot a kernel with CONFIG_DAMON_STAT=y, or try another target: damontui --help",
        )

    def _not_permitted(self, what: str, error: KernelError) -> SourceError:
        if os.geteuid() != 0:
            return SourceError(what, "only root may", f"run: sudo {self._program} stat")
        return SourceError(
            what, f"{error.what}: {error.why}", "run it outside of the container, or with more privileges"
        )


def _int(text: str, otherwise: int) -> int:
    try:
        return number(text)
    except ValueError:
        return otherwise
