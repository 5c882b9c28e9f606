"""A trace instance of our own, so that reading DAMON's tracepoints disturbs nobody and leaves nothing behind.

An instance is a folder below ``/sys/kernel/tracing/instances``: making it is a write to the kernel, removing it takes
every trace of the reader away. One that a killed run left is removed at the next start.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from damontui.errors import SourceError
from damontui.kernel import procfs
from damontui.kernel.readers import READERS
from damontui.kernel.root import KernelError, Root, why
from damontui.kernel.trace_parser import TracedAggregation, TraceParser

__all__ = ["FOLDERS", "Trace", "TraceParser", "TracedAggregation", "find_tracefs", "remove_stale"]

FOLDERS = ("sys/kernel/tracing", "sys/kernel/debug/tracing")
AGGREGATED = "damon_aggregated"
TUNE = "damon_monitor_intervals_tune"
_BUFFER_KB = 512  # of each CPU: seconds of the shortest aggregations; the kernel's own default is 1.4 MB
_BUFFER_KB_MAX = 16 * 1024
_READ = 1 << 16
_READ_MAX = 1 << 20  # at a time, so that a stop is never far
_NAME = re.compile(r"damontui-(\d+)(?:-\d+)?")
_WHAT = "cannot trace DAMON's regions"


def find_tracefs(root: Root) -> str:
    """The folder of tracefs, with DAMON's tracepoints in it.

    Raises:
        SourceError: where it is not mounted, hidden or closed to this user, or where the kernel has no such tracepoint.
    """
    for folder in FOLDERS:
        try:
            names = root.list(folder)
        except KernelError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                raise _refused(root, error) from error
            continue
        if "instances" in names:
            if AGGREGATED not in _names(root, f"{folder}/events/damon"):
                raise SourceError(
                    _WHAT, "this kernel has no tracepoint damon:damon_aggregated", "it needs CONFIG_DAMON"
                )
            return folder
    path = root.path(FOLDERS[0])
    if root.exists(FOLDERS[0]):
        raise SourceError(_WHAT, f"tracefs is not mounted at {path}", f"run: mount -t tracefs tracefs {path}")
    raise SourceError(
        _WHAT, f"there is no {path} (a container hides it, or the kernel lacks it)", "run it on the host, or mount it"
    )


def stale(root: Root, tracefs: str) -> list[str]:
    """The names of instances that were left by runs of this program that are gone."""
    found = []
    for name in _names(root, f"{tracefs}/instances"):
        match = _NAME.fullmatch(name)
        if match is not None and not _in_use(root, int(match[1])):
            found.append(name)
    return found


def remove_stale(root: Root, tracefs: str) -> list[str]:
    """Remove the instances of runs that are gone; returns their names. Never raises: it is only tidying up."""
    removed = []
    for name in stale(root, tracefs):
        try:
            root.remove_folder(f"{tracefs}/instances/{name}")  # EBUSY where somebody still reads it
        except SourceError:
            continue
        removed.append(name)
    return removed


class Trace:
    """DAMON's events of this moment on, as text. A context manager: the instance lives as long as it is entered.

    Args:
        root: where the kernel is.
        pid: only this kdamond's events; None for every kdamond's.
        pause: waits for so many seconds, while the kernel is still busy with the instance.

    Raises:
        SourceError: on entering, where tracing is not possible or not allowed (with the remedy).
    """

    def __init__(self, root: Root, *, pid: int | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        self._root = root
        self._pause = pause
        self._pid = pid
        self._pipe = -1
        self._folder = ""
        self._events: list[str] = []
        self.buffer_kb = _BUFFER_KB
        """The size of each CPU's buffer that was asked for."""

    @property
    def name(self) -> str:
        """The instance's name, "" while there is none."""
        return self._folder.rpartition("/")[2]

    def __enter__(self) -> Self:
        if self._root.read_only:
            raise SourceError(
                _WHAT,
                "this session is read-only, and a trace instance would be made below /sys",
                "leave out --read-only and unset DAMONTUI_READ_ONLY to allow it",
            )
        tracefs = find_tracefs(self._root)
        remove_stale(self._root, tracefs)
        try:
            self._make(tracefs)
            self._set_up(tracefs)
        except KernelError as error:
            self.close()
            raise _refused(self._root, error) from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the instance; does nothing where there is none. An instance that stays busy is at least silenced."""
        if self._pipe >= 0:
            pipe, self._pipe = self._pipe, -1
            os.close(pipe)
        if not self._folder:
            return
        folder, self._folder = self._folder, ""
        for _ in range(10):
            try:
                self._root.remove_folder(folder)
            except KernelError as error:
                if error.errno == errno.EBUSY:
                    self._pause(0.02)
                    continue
            return
        try:
            self._root.write(f"{folder}/tracing_on", "0")
        except SourceError:
            return  # the next start removes it

    def read(self) -> bytes:
        """What came since the last call, b"" where nothing did; does not wait.

        Raises:
            SourceError: where the instance was taken away from us.
        """
        pieces = []
        total = 0
        while total < _READ_MAX:
            try:
                piece = READERS.ask(lambda: os.read(self._pipe, _READ))
            except BlockingIOError:
                break
            except InterruptedError:
                continue
            except OSError as error:
                raise SourceError(_WHAT, why(error), "start afresh to make a new trace instance") from error
            if not piece:
                break
            pieces.append(piece)
            total += len(piece)
        return b"".join(pieces)

    def only(self, pid: int | None) -> None:
        """Take the events of this kdamond only; None takes every kdamond's. The parser's PIDs tell them apart too."""
        for event in self._events:
            self._try(f"events/damon/{event}/filter", f"common_pid=={pid}" if pid is not None else "0")
        self._pid = pid

    def enlarge(self) -> bool:
        """Double the buffer after a loss; False where it is as large as we make it."""
        if self.buffer_kb >= _BUFFER_KB_MAX:
            return False
        self.buffer_kb *= 2
        return self._try("buffer_size_kb", str(self.buffer_kb))

    def _make(self, tracefs: str) -> None:
        base = f"{tracefs}/instances/damontui-{procfs.own_pid(self._root, os.getpid())}"
        for name in (base, *(f"{base}-{number}" for number in range(2, 10))):
            try:
                self._root.make_folder(name)
            except KernelError as error:
                if error.errno != errno.EEXIST:
                    raise
                try:  # left by a killed run that had our PID; where another source of ours reads it, EBUSY
                    self._root.remove_folder(name)
                    self._root.make_folder(name)
                except KernelError:
                    continue
            self._folder = name
            return
        raise SourceError(_WHAT, f"{self._root.path(base)} and its like are taken", "end the other runs first")

    def _set_up(self, tracefs: str) -> None:
        # opened before anything else is done: an instance that is read cannot be taken for a stale one
        path = self._root.path(f"{self._folder}/trace_pipe")
        try:
            self._pipe = self._root.open(f"{self._folder}/trace_pipe", pipe=True)
        except OSError as error:
            raise KernelError(f"cannot read {path}", error) from error
        self._try("buffer_size_kb", str(self.buffer_kb))
        self._root.write(f"{self._folder}/trace_clock", "mono")
        present = _names(self._root, f"{tracefs}/events/damon")
        self._events = [event for event in (AGGREGATED, TUNE) if event in present]
        if self._pid is not None:
            self.only(self._pid)
        for event in reversed(self._events):  # tuning first: no aggregation without the line before it
            self._root.write(f"{self._folder}/events/damon/{event}/enable", "1")

    def _try(self, name: str, text: str) -> bool:
        """Write to a file that the trace can do without; return whether that succeeded."""
        try:
            self._root.write(f"{self._folder}/{name}", text)
        except SourceError:
            return False
        return True


def _names(root: Root, folder: str) -> Sequence[str]:
    try:
        return root.list(folder)
    except SourceError:
        return ()


def _in_use(root: Root, pid: int) -> bool:
    """Whether that PID is a damontui that runs, and not a later process that was given the number."""
    if not procfs.alive(root, pid):
        return False
    try:
        return "damontui" in root.read(f"proc/{pid}/cmdline")
    except SourceError:
        return True


def _refused(root: Root, error: KernelError) -> SourceError:
    """A refusal of tracefs with its likeliest cause and the remedy."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        try:
            lockdown = root.read("sys/kernel/security/lockdown")
        except SourceError:
            lockdown = ""
        if "[confidentiality]" in lockdown:
            return SourceError(_WHAT, "kernel lockdown (confidentiality) closes tracefs", "boot without lockdown")
        if os.geteuid() != 0:
            return SourceError(_WHAT, "only root may use tracefs", "run it with sudo")
        return SourceError(
            _WHAT, f"{error.what}: {error.why}", "run it outside of the container, or with more privileges"
        )
    return SourceError(_WHAT, f"{error.what}: {error.why}", error.remedy)
