"""The kernel's DAMON sysfs interface: one kdamond of our own, started, read, tuned and taken away again.

``Documentation/admin-guide/mm/damon/usage.rst``. The interface is one tree for everybody: the number of kdamonds
cannot be changed while any runs, and changing it wipes what others have set up. So a kdamond of ours is only ever
added to an empty tree, and the tree is empty again afterwards.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Ints
from damontui.errors import SourceError
from damontui.kernel.root import KernelError, Root

ADMIN = "sys/kernel/mm/damon/admin/kdamonds"
CONTEXT = f"{ADMIN}/0/contexts/0"
PATIENCE = 5.0
"""Seconds to go on trying where another writer keeps the tree busy."""
_PAUSE = 0.05
_GREATEST = 2**63 - 1
_APPLY_US = 500_000  # how often a scheme is applied, and so how long update_schemes_tried_regions can block

_T = TypeVar("_T")
Pause = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class SysfsTarget:
    """A monitoring target: a process (``vaddr``), or ranges ``[start, end)`` of physical bytes (``paddr``)."""

    pid: int | None = None
    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SysfsKdamond:
    """A kdamond in the sysfs tree: its place, its state (``on``, ``off``) and its PID (-1 while off)."""

    index: int
    state: str
    pid: int


def supported(root: Root) -> bool:
    """Whether this kernel has the sysfs interface."""
    return root.exists(f"{ADMIN}/nr_kdamonds")


def patiently(action: Callable[[], _T], pause: Pause = time.sleep) -> _T:
    """``action``'s result; tried again for `PATIENCE` seconds while the kernel answers EBUSY."""
    for _ in range(round(PATIENCE / _PAUSE)):
        try:
            return action()
        except KernelError as error:
            if error.errno != errno.EBUSY:
                raise
        pause(_PAUSE)
    return action()


def survey(root: Root, pause: Pause = time.sleep) -> list[SysfsKdamond]:
    """Every kdamond in the sysfs tree. Raises `SourceError` where the tree cannot be read."""
    found = []
    for index in range(root.read_int(f"{ADMIN}/nr_kdamonds")):
        folder = f"{ADMIN}/{index}"
        state = patiently(lambda folder=folder: root.read(f"{folder}/state"), pause)  # type: ignore[misc]
        pid = patiently(lambda folder=folder: root.read_int(f"{folder}/pid"), pause)  # type: ignore[misc]
        found.append(SysfsKdamond(index, state, pid))
    return found


def place(root: Root) -> int:
    """The inode of the first kdamond's folder in the tree, 0 where there is none.

    Writing the number of kdamonds makes another folder; while kdamonds start and end there it stays the same.
    """
    try:
        return root.stat(f"{ADMIN}/0").st_ino
    except SourceError:
        return 0


class Kdamond:
    """One kdamond of our own, from ``on`` to an empty tree.

    Args:
        root: where the kernel's files are.
        operations: ``paddr``, ``vaddr`` or ``fvaddr``.
        targets: what to monitor, in order: the trace's ``target_id`` is the index.
        attrs: monitoring attributes; the intervals goal is left out where this kernel cannot tune.
        tried_regions: also install a ``stat`` scheme that matches every region, so that `regions` works.
        pause: waits that many seconds.
    """

    def __init__(
        self,
        root: Root,
        operations: str,
        targets: tuple[SysfsTarget, ...],
        attrs: Attrs,
        *,
        tried_regions: bool = False,
        pause: Pause = time.sleep,
    ) -> None:
        self.root = root
        self.operations = operations
        self.targets = targets
        self.attrs = attrs
        self.tried_regions = tried_regions
        self.pid = -1
        """The kdamond's PID; -1 before `start` and after `stop`."""
        self._pause = pause
        self._ours = False

    @property
    def kernel_tunes(self) -> bool:
        """Whether the kernel tunes the intervals itself (6.15 and later). Only known once started."""
        return self.root.exists(f"{CONTEXT}/monitoring_attrs/intervals/intervals_goal")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Set the tree up and turn the kdamond on. Raises `SourceError`; then the tree is as it was.

        `KernelError` with ``errno.EBUSY`` means that a module (DAMON_STAT, reclaim, LRU sort) holds DAMON.
        """
        if not supported(self.root):
            raise SourceError(
                "cannot start a kdamond",
                f"this kernel has no {self.root.path(ADMIN)}",
                "boot a kernel built with CONFIG_DAMON_SYSFS=y",
            )
        number = self.root.read_int(f"{ADMIN}/nr_kdamonds")
        if number:
            raise SourceError(
                "cannot start a kdamond",
                f"another program has set up {number} in {self.root.path(ADMIN)}, and adding one would wipe that",
                self._way_out(),
            )
        self.root.write(f"{ADMIN}/nr_kdamonds", "1")
        self._ours = True
        try:
            self._fill()
            # not patiently: this EBUSY says that a module holds DAMON, and it lasts
            self.root.write(f"{ADMIN}/0/state", "on")
            self.pid = self._read_pid()
            if self.pid < 0:
                raise SourceError("cannot start a kdamond", "the kernel turned it off at once", "try again")
        except BaseException:
            self.stop()
            raise

    def _way_out(self) -> str:
        running = [k for k in survey(self.root, self._pause) if k.state == "on"]
        if running:
            return f"watch that one instead: damontui kdamond:{running[0].pid}"
        return f"if it is not in use: echo 0 | sudo tee {self.root.path(ADMIN)}/nr_kdamonds"

    def stop(self) -> None:
        """Turn the kdamond off and empty the tree; do nothing where the tree is not ours (any more). May be called
        again.

        Goes on past files that cannot be read. Raises `SourceError` where the tree could not be emptied.
        """
        if not self._ours:
            return
        if not self._replaced():
            with suppress(SourceError):  # off already, or ended by itself; else emptying the tree fails, and says so
                patiently(lambda: self.root.write(f"{ADMIN}/0/state", "off"), self._pause)
            patiently(lambda: self.root.write(f"{ADMIN}/nr_kdamonds", "0"), self._pause)
        self._ours = False
        self.pid = -1

    def _replaced(self) -> bool:
        """Whether somebody else emptied or refilled the tree while we ran: then it is not ours to touch."""
        if not self.root.exists(f"{ADMIN}/0"):
            return True
        try:
            return self.pid >= 0 and self._read_pid() not in (self.pid, -1)
        except SourceError:
            return False

    def _read_pid(self) -> int:
        return patiently(lambda: self.root.read_int(f"{ADMIN}/0/pid"), self._pause)

    def running(self) -> bool:
        """Whether it still runs: a ``vaddr`` kdamond ends with its processes. True while the tree is busy."""
        try:
            return self.root.read(f"{ADMIN}/0/state") == "on"
        except KernelError as error:
            return error.errno == errno.EBUSY

    def commit(self, attrs: Attrs, targets: tuple[SysfsTarget, ...] | None = None) -> None:
        """Put new attributes (and targets) in force while it runs. Raises `SourceError`."""
        self.attrs = attrs
        self._write_attrs()
        if targets is not None:
            self.targets = targets
            self._write_targets()
        patiently(lambda: self.root.write(f"{ADMIN}/0/state", "commit"), self._pause)

    def tuned(self) -> Attrs:
        """The attributes with the intervals now in force. Raises `SourceError`; may block for a while."""
        patiently(lambda: self.root.write(f"{ADMIN}/0/state", "update_tuned_intervals"), self._pause)
        sample = self.root.read_int(f"{CONTEXT}/monitoring_attrs/intervals/sample_us")
        return self.attrs.with_sample(sample)

    def regions(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Start, end, ``nr_accesses`` and age of each region, shape ``(regions,)``, from ``tried_regions``.

        Regions come target by target, rising within each; the interface does not say where a target ends. Blocks
        until the scheme is next applied. ``nr_accesses`` is the kernel's moving sum over the last aggregation
        interval. Raises `SourceError`.
        """
        patiently(lambda: self.root.write(f"{ADMIN}/0/state", "update_schemes_tried_regions"), self._pause)
        folder = f"{CONTEXT}/schemes/0/tried_regions"
        numbers = sorted(int(name) for name in self.root.list(folder) if name.isdigit())
        names = [f"{n}/{name}" for n in numbers for name in ("start", "end", "nr_accesses", "age")]
        table = np.array(self.root.read_ints(folder, names), dtype=np.int64).reshape(-1, 4)
        start, end, nr_accesses, age = (np.ascontiguousarray(column) for column in table.T)
        return start, end, nr_accesses, age

    def _fill(self) -> None:
        self.root.write(f"{ADMIN}/0/contexts/nr_contexts", "1")
        available = self.root.path(f"{CONTEXT}/avail_operations")
        if available.exists() and self.operations not in self.root.read(f"{CONTEXT}/avail_operations").split():
            raise SourceError(
                f"cannot monitor with {self.operations}",
                f"this kernel offers only {', '.join(self.root.read(f'{CONTEXT}/avail_operations').split())}",
                f"boot a kernel built with CONFIG_DAMON_{self.operations.upper()}=y",
            )
        self.root.write(f"{CONTEXT}/operations", self.operations)
        self._write_attrs()
        self._write_targets()
        if self.tried_regions:
            self._write_scheme()

    def _write_attrs(self) -> None:
        folder = f"{CONTEXT}/monitoring_attrs"
        values = {
            "intervals/sample_us": self.attrs.sample_us,
            "intervals/aggr_us": self.attrs.aggr_us,
            "intervals/update_us": self.attrs.update_us,
        }
        goal = self.attrs.goal
        if self.kernel_tunes and goal is not None:
            values |= {
                "intervals/intervals_goal/access_bp": goal.access_bp,
                "intervals/intervals_goal/aggrs": goal.aggrs,
                "intervals/intervals_goal/min_sample_us": goal.min_sample_us,
                "intervals/intervals_goal/max_sample_us": goal.max_sample_us,
            }
        for name, value in values.items():
            self.root.write(f"{folder}/{name}", str(value))
        # each write is checked against the other bound, so the order depends on which way the bounds move
        bounds = [("max", self.attrs.max_regions), ("min", self.attrs.min_regions)]
        if self.attrs.max_regions < self.root.read_int(f"{folder}/nr_regions/min"):
            bounds.reverse()
        for name, value in bounds:
            self.root.write(f"{folder}/nr_regions/{name}", str(value))

    def _write_targets(self) -> None:
        self.root.write(f"{CONTEXT}/targets/nr_targets", str(len(self.targets)))
        for index, target in enumerate(self.targets):
            folder = f"{CONTEXT}/targets/{index}"
            if target.pid is not None:
                self.root.write(f"{folder}/pid_target", str(target.pid))
            self.root.write(f"{folder}/regions/nr_regions", str(len(target.ranges)))
            for number, (start, end) in enumerate(target.ranges):
                self.root.write(f"{folder}/regions/{number}/start", str(start))
                self.root.write(f"{folder}/regions/{number}/end", str(end))

    def _write_scheme(self) -> None:
        self.root.write(f"{CONTEXT}/schemes/nr_schemes", "1")
        folder = f"{CONTEXT}/schemes/0"
        self.root.write(f"{folder}/action", "stat")
        for name in ("sz", "nr_accesses", "age"):
            self.root.write(f"{folder}/access_pattern/{name}/min", "0")
            greatest = _GREATEST if name == "sz" else 2**32 - 1
            self.root.write(f"{folder}/access_pattern/{name}/max", str(greatest))
        if self.root.exists(f"{folder}/apply_interval_us"):
            self.root.write(f"{folder}/apply_interval_us", str(_APPLY_US))
