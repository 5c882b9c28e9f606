"""/proc: who runs, since when, at what cost, how large; the kernel's name; where physical memory is, what is free."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from damontui.errors import SourceError
from damontui.kernel.root import Root, number, number_after
from damontui.safe_text import shown

_KDAMOND = re.compile(r"kdamond\.\d+")
_PF_KTHREAD = 0x0020_0000
_SYSTEM_RAM = re.compile(r"([0-9a-fA-F]{1,15})-([0-9a-fA-F]{1,15}) : System RAM")
_SLEEPS = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)
_FREE = re.compile(r"^MemFree:\s*(\d+) kB", re.MULTILINE)
_TOTAL = re.compile(r"^MemTotal:\s*(\d+) kB", re.MULTILINE)
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = 100  # USER_HZ, the unit of /proc/PID/stat on every architecture that Linux still runs on


def kernel_release(root: Root) -> str:
    """``uname -r`` of the kernel behind ``root``; "" where it is hidden."""
    return _or_nothing(root, "proc/sys/kernel/osrelease")


def hostname(root: Root) -> str:
    """The machine's name; "" where it is hidden."""
    return _or_nothing(root, "proc/sys/kernel/hostname")


_MOST_WORDS = 4_096
"""Bytes of a command line that are read: enough to tell one process from another."""


def command(root: Root, pid: int) -> str:
    """The command line of a process, its words with a space between them; "" where it has none or it cannot be read."""
    try:
        descriptor = root.open(f"proc/{pid}/cmdline")
        try:
            data = os.read(descriptor, _MOST_WORDS)
        finally:
            os.close(descriptor)
    except (SourceError, OSError):
        return ""
    return shown(data.decode("utf-8", "replace").strip("\0").replace("\0", " ")).strip()


def comm(root: Root, pid: int) -> str:
    """A task's name, at most 15 characters; "" where there is no such task."""
    return _or_nothing(root, f"proc/{pid}/comm")


def own_pid(root: Root, otherwise: int) -> int:
    """Our PID as the /proc below ``root`` counts (a container may see its host's); else ``otherwise``."""
    try:
        return int(root.link("proc/self").rpartition("/")[2])
    except (SourceError, ValueError):
        return otherwise


def alive(root: Root, pid: int) -> bool:
    """Whether a task is there and not a zombie."""
    fields = _stat(root, pid)
    return bool(fields) and fields[0] not in "ZX"


def is_kernel_thread(root: Root, pid: int) -> bool:
    """Whether a task is a thread of the kernel: any program can call itself kdamond.0."""
    fields = _stat(root, pid)
    try:
        return bool(number(fields[6]) & _PF_KTHREAD)
    except (IndexError, ValueError):
        return False


def started(root: Root, pid: int) -> int:
    """When a task was started, clock ticks since the machine's start; 0 where unknown. A PID can be given again."""
    try:
        return number(_stat(root, pid)[19])
    except (IndexError, ValueError):
        return 0


def age(root: Root, pid: int) -> float | None:
    """Seconds since a task was started; None where unknown."""
    try:
        return float(root.read("proc/uptime").split()[0]) - number(_stat(root, pid)[19]) / _TICKS
    except (SourceError, IndexError, ValueError):
        return None


def cpu_ns(root: Root, pid: int) -> int | None:
    """CPU time of a task in nanoseconds (``schedstat``, first number); None where unknown."""
    try:
        return number(_or_nothing(root, f"proc/{pid}/schedstat").split()[0])
    except (IndexError, ValueError):
        return None


def sleeps(root: Root, pid: int) -> int | None:
    """How often a task went to sleep; a kdamond does so once in a sampling interval. None where unknown."""
    return number_after(_SLEEPS, _or_nothing(root, f"proc/{pid}/status"))


def find_kdamonds(root: Root) -> dict[int, str]:
    """Every kdamond that this /proc shows: PID to name. Empty also where a PID namespace hides the kernel's threads.

    Raises:
        SourceError: where /proc itself cannot be listed.
    """
    found = {}
    for name in root.list("proc"):
        if name.isdigit():
            pid = int(name)
            called = comm(root, pid)
            if _KDAMOND.fullmatch(called) and is_kernel_thread(root, pid):
                found[pid] = called
    return found


def is_kdamond(root: Root, pid: int) -> bool:
    """Whether that PID is a kdamond now."""
    return bool(_KDAMOND.fullmatch(comm(root, pid))) and is_kernel_thread(root, pid)


def shows_kernel_threads(root: Root) -> bool:
    """Whether this /proc is the machine's own, and not a container's: there, no kdamond is ever seen."""
    return comm(root, 2) == "kthreadd"


def system_ram(root: Root) -> list[tuple[int, int]]:
    """The ranges ``[start, end)`` of System RAM in bytes, rising (``/proc/iomem``, resources at the top).

    Raises:
        SourceError: where the file cannot be read, or shows zeros for addresses to whoever is not root.
    """
    ranges = []
    for line in root.read("proc/iomem").splitlines():
        match = _SYSTEM_RAM.match(line)
        if match is not None:
            ranges.append((int(match[1], 16), int(match[2], 16) + 1))
    what = f"cannot read the memory's addresses in {root.path('proc/iomem')}"
    if not ranges:
        raise SourceError(what, "it names no System RAM")
    if all(end <= 1 for _, end in ranges):
        raise SourceError(what, "the kernel shows them to root only", "run it as root")
    return sorted(ranges)


def damon_stat_bytes(root: Root) -> int | None:
    """Bytes that DAMON_STAT covers: the largest System RAM resource, from Linux 7.1 on all of them and what is between.

    Told by ``/proc/iomem`` and the kernel's version, which is all there is before an aggregation names its regions;
    None where they are hidden.
    """
    try:
        ranges = system_ram(root)
    except SourceError:
        return None
    version = re.match(r"(\d+)\.(\d+)", kernel_release(root))
    if version is not None and (int(version[1]), int(version[2])) >= (7, 1):
        return ranges[-1][1] - ranges[0][0]
    return max(end - start for start, end in ranges)


def free_bytes(root: Root) -> int | None:
    """``MemFree`` in bytes; None where unknown."""
    return number_after(_FREE, _or_nothing(root, "proc/meminfo"), unit=1024)


def usable_bytes(root: Root) -> int | None:
    """``MemTotal`` in bytes: all System RAM but what was never given to the kernel; None where unknown."""
    return number_after(_TOTAL, _or_nothing(root, "proc/meminfo"), unit=1024)


def largest(root: Root, count: int, among: Iterable[int] | None = None) -> tuple[tuple[int, str, int], ...]:
    """The processes with most resident memory: PID, name as it stands, bytes (shared pages count whole), largest first.

    Args:
        root: where the kernel is.
        count: how many at most.
        among: only these PIDs; every process of this /proc where None. Whoever is gone is left out.
    """
    if among is None:
        try:
            among = [int(name) for name in root.list("proc") if name.isdigit()]
        except SourceError:
            return ()
    found = []
    for pid in among:
        head, _, tail = _or_nothing(root, f"proc/{pid}/stat").rpartition(")")
        fields = tail.split()
        try:
            if number(fields[6]) & _PF_KTHREAD or fields[0] in "ZX":
                continue
            found.append((pid, head.partition("(")[2], number(fields[21]) * _PAGE))
        except (IndexError, ValueError):
            continue  # it ended while it was looked at
    found.sort(key=lambda row: (-row[2], row[0]))
    return tuple(found[:count])


def _or_nothing(root: Root, name: str) -> str:
    try:
        return root.read(name)
    except SourceError:
        return ""


def _stat(root: Root, pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold blanks and brackets: [0] is the state."""
    return _or_nothing(root, f"proc/{pid}/stat").rpartition(")")[2].split()
