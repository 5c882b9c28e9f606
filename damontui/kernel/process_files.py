"""The files of one process: what is mapped where, what was referenced, who it is, its children.

``Documentation/filesystems/proc.rst``. Clearing the accessed bits and reading ``smaps`` both walk the page tables of
the process: they cost time that grows with its resident memory, and hold its memory map meanwhile.
"""

from __future__ import annotations

import errno
import os
import pwd
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import Ints, ints
from damontui.errors import SourceError
from damontui.kernel.root import KernelError, Root, number, read_opened, write_opened
from damontui.safe_text import shown

GONE = (errno.ENOENT, errno.ESRCH)
"""Error numbers that the files of a process give once it has ended."""

MOST = 1 << 30
"""Bytes of one file of a process, at most: ``smaps`` has 800 for each of up to a million mappings."""

_SMAPS_STEP = os.sysconf("SC_PAGESIZE") // 2
"""The kernel fills a page with mappings, as far as whole ones fit in, and walks the page tables of the first that does
not fit again for the next page. It stops at what was asked for, so half a page leaves room for the mapping that goes
over: none is walked twice, which halves the time where the largest is concerned."""
_PF_KTHREAD = 0x0020_0000
_PAGE = os.sysconf("SC_PAGESIZE")
_HEADER = re.compile(rb"([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([-rwxsp]{4}) [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ \d+(?: +(.*))?")
_REFERENCED = b"\nReferenced:"
_RSS = b"\nRss:"
_MOST_THREADS = 256
_MOST_DIGITS = 15
"""Digits of a number that is read in a table: with so many it fits into 64 bits."""
_THREAD_STACK = re.compile(r"\[anon: ?(?:glibc: pthread (?:user )?stack: |stack_and_tls:)(\d+)\]")


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping of a process: bytes ``[start, end)``, permissions as in ``rw-p``, and what is mapped."""

    start: int
    end: int
    perms: str
    path: str
    """As the kernel writes it; "" for anonymous memory."""
    flags: frozenset[str] = frozenset()
    """``VmFlags`` of ``smaps``; empty from ``maps``."""


@dataclass(frozen=True, slots=True)
class Smaps:
    """``smaps`` as far as one look at the accesses needs it; arrays have shape ``(mappings,)`` and are in bytes.

    ``headers`` changes exactly where mappings come, go, move or change; `mappings` reads the rest then.
    """

    headers: list[bytes]
    bodies: list[bytes]
    rss: Ints
    referenced: Ints

    def mappings(self, known: dict[bytes, Mapping] | None = None) -> tuple[Mapping, ...]:
        """What is mapped, in order of address.

        Args:
            known: mappings of former readings, by their headers. They are taken as they were, with the flags of then:
                only flags that a mapping keeps for life can be relied on.
        """
        found = []
        for header, body in zip(self.headers, self.bodies, strict=True):
            if known is not None and header in known:
                found.append(known[header])
                continue
            at = body.find(b"\nVmFlags:")
            flags = body[at + 9 : body.find(b"\n", at + 1)].decode("ascii", "replace").split() if at >= 0 else ()
            found.append(_mapping(header, frozenset(flags)))
        return tuple(found)

    def amounts(self, field: str) -> Ints:
        """Another field of each mapping (``Swap``, ``Anonymous``), bytes; 0 where this kernel does not print it."""
        return _amounts(self.bodies, f"\n{field}:".encode(), needed=False)


@dataclass(frozen=True, slots=True)
class Rollup:
    """``smaps_rollup``: sums over all mappings of a process, bytes."""

    rss: int
    referenced: int
    swap: int


@dataclass(frozen=True, slots=True)
class Stat:
    """``/proc/PID/stat`` as far as it tells who a process is."""

    pid: int
    comm: str
    state: str
    ppid: int
    kernel_thread: bool
    started: int
    """Clock ticks after the start of the machine: with the PID, the identity of a process."""
    threads: int = field(default=0, compare=False)
    resident: int = field(default=0, compare=False)
    """Bytes; pages shared with others count whole."""

    @property
    def ended(self) -> bool:
        """Whether it runs no more: a zombie waits for its parent to ask after it."""
        return self.state in "ZXx"


def read(root: Root, name: str) -> bytes:
    """A file's bytes. Raises `KernelError`."""
    return root.read_bytes(name, MOST)


class ProcessFolder:
    """The files of one process, by its folder that is held open: a PID that is given again is never mistaken for it.

    The kernel ties an open ``/proc/PID`` to the process that had the number then: once it has ended, every file below
    answers ``ENOENT`` or ``ESRCH`` (`GONE`), whoever has the number by then. A context manager; `close` may be called
    again.

    Args:
        root: where /proc is.
        pid: the process.

    Raises:
        KernelError: there is no such process, or /proc hides it.
    """

    def __init__(self, root: Root, pid: int) -> None:
        self.pid = pid
        self._root = root
        self._folder = -1
        try:
            self._folder = root.open_folder(f"proc/{pid}")
        except OSError as error:
            raise KernelError(f"cannot open {self.path()}", error) from error

    def path(self, name: str = "") -> str:
        """The path of one of its files, to show."""
        return str(self._root.path(f"proc/{self.pid}/{name}".rstrip("/")))

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of one of its files (``smaps``, ``task/12/stat``), for who reads at an offset (``pagemap``).

        No link is followed. What is opened for writing is on the kernel's own file system, as in `Root.open`.

        Raises:
            OSError: as ``open(2)`` says; ``ENOENT`` or ``ESRCH`` where the process has ended.
        """
        if self._folder < 0:
            raise OSError(errno.EBADF, "it was closed")
        return self._root.open_at(self._folder, name, flags)

    def read(self, name: str, most: int = MOST, step: int = MOST) -> bytes:
        """The bytes of one of its files, at most ``most``, ``step`` at a time. Raises `KernelError`."""
        try:
            return read_opened(lambda: self.open(name), most, step)
        except OSError as error:
            raise KernelError(f"cannot read {self.path(name)}", error) from error

    def write(self, name: str, text: str) -> None:
        """Write to one of its files in one call. Raises `KernelError`."""
        try:
            write_opened(lambda: self.open(name, os.O_WRONLY), text)
        except OSError as error:
            raise KernelError(f"cannot write {self.path(name)}", error) from error

    def clear_refs(self) -> None:
        """Clear the accessed bits of all its pages. Raises `KernelError`.

        Done in a read-only session too: read-only means that nothing below /sys is written (the command line says so),
        and this changes nothing that the process could notice.
        """
        self.write("clear_refs", "1")

    def smaps(self) -> Smaps:
        """What is mapped and how much of it was referenced; empty for one without memory. Raises `SourceError`."""
        return parse_smaps(self.read("smaps", step=_SMAPS_STEP), self.path("smaps"))

    def resident(self) -> int:
        """Bytes that are resident, without walking page tables: exact to some pages a CPU. Raises `SourceError`."""
        try:
            return number(self.read("statm").split()[1]) * os.sysconf("SC_PAGESIZE")
        except (IndexError, ValueError):
            raise _garbled(self.path("statm"), "its second number is missing") from None

    def rollup(self) -> Rollup:
        """Sums over all mappings (Linux 4.14). Raises `SourceError`."""
        return parse_rollup(self.read("smaps_rollup"), self.path("smaps_rollup"))

    def maps(self) -> tuple[Mapping, ...]:
        """What is mapped, without walking page tables. Raises `SourceError`."""
        return tuple(_mapping(line) for line in self.read("maps").splitlines() if line)

    def stat(self) -> Stat | None:
        """Who the process is; None once it has ended and its parent has asked after it."""
        try:
            return parse_stat(self.pid, self.read("stat"))
        except KernelError:
            return None

    def close(self) -> None:
        """Let go of the folder."""
        if self._folder >= 0:
            folder, self._folder = self._folder, -1
            os.close(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def parse_smaps(text: bytes, path: str = "smaps") -> Smaps:
    """``smaps``, or ``smaps_rollup``. Raises `SourceError` naming ``path`` where it is neither.

    No name can hold a line end (the kernel writes it as an escape), so "Size" at the start of a line is the field
    after each header; in a rollup it is "Rss".
    """
    if not text:
        return Smaps([], [], ints([]), ints([]))
    pieces = text.split(b"\nSize:")
    if len(pieces) == 1:
        pieces = text.split(b"\nRss:", 1)
        pieces[1:] = [b"\nRss:" + piece for piece in pieces[1:]]
    headers = [piece[piece.rfind(b"\n") + 1 :] for piece in pieces[:-1]]
    bodies = pieces[1:]
    try:
        rss, referenced = (_amounts(bodies, word, needed=True) for word in (_RSS, _REFERENCED))
    except ValueError:
        raise _garbled(path, "Rss and Referenced of a mapping are missing") from None
    if not headers:
        raise _garbled(path, "it holds no mapping")
    return Smaps(headers, bodies, rss, referenced)


def parse_rollup(text: bytes, path: str = "smaps_rollup") -> Rollup:
    """``smaps_rollup``. Raises `SourceError` naming ``path`` where it is none."""
    text = b"\n" + text

    def value(field: bytes) -> int:
        try:
            return _kilobytes(text, b"\n" + field)
        except ValueError:
            return 0

    if _RSS not in text:
        raise _garbled(path, "it has no Rss")
    return Rollup(value(b"Rss:"), value(b"Referenced:"), value(b"Swap:"))


def stat(root: Root, pid: int) -> Stat | None:
    """Who the process with that PID is; None where there is none."""
    try:
        return parse_stat(pid, read(root, f"proc/{pid}/stat"))
    except KernelError:
        return None


def parse_stat(pid: int, content: bytes) -> Stat | None:
    """Who a process is by the content of its ``stat``; None where it is no such content."""
    # the name may hold blanks and brackets
    head, _, tail = content.decode("utf-8", "replace").rpartition(")")
    fields = tail.split()
    try:
        return Stat(
            pid=pid,
            comm=printable(head.partition("(")[2]),
            state=fields[0],
            ppid=number(fields[1]),
            kernel_thread=bool(number(fields[6]) & _PF_KTHREAD),
            started=number(fields[19]),
            threads=number(fields[17]),
            resident=number(fields[21]) * _PAGE,
        )
    except (IndexError, ValueError):
        return None


def owner(root: Root, pid: int) -> str:
    """The user that a process belongs to, as a name or a number; "" where unknown."""
    try:
        uid = root.stat(f"proc/{pid}").st_uid
    except KernelError:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def clears(root: Root, pid: int) -> bool:
    """Whether the kernel lets accessed bits of a process be cleared at all (CONFIG_PROC_PAGE_MONITOR)."""
    return root.exists(f"proc/{pid}/clear_refs")


def may_clear(root: Root, pid: int) -> bool:
    """Whether this user may clear the accessed bits of a process: unlike ``smaps``, only its owner may."""
    return root.writable(f"proc/{pid}/clear_refs")


def threads(root: Root, pid: int) -> list[int]:
    """The threads of a process, rising; none where it has ended."""
    try:
        return sorted(int(name) for name in root.list(f"proc/{pid}/task") if name.isdigit())
    except SourceError:
        return []


def children(root: Root, pid: int) -> list[int]:
    """The children that a process has now, rising, whichever of its threads started them."""
    found: list[int] = []
    listed = False
    for thread in threads(root, pid):
        name = f"proc/{pid}/task/{thread}/children"
        try:
            found += [number(word) for word in read(root, name).split()]
            listed = True
        except (SourceError, ValueError):
            continue
    return sorted(found) if listed else _children_by_parent(root, pid)


Around = Callable[[Root, Sequence[int]], list[int]]
"""Gives all processes that belong to some, these included."""


def descendants(root: Root, pids: Sequence[int]) -> list[int]:
    """The processes themselves, their children, and theirs, each once, parents first."""
    found = list(pids)
    for pid in found:
        found += [child for child in children(root, pid) if child not in found]
    return found


def thread_stacks(root: Root, pid: int) -> dict[int, int]:
    """Stack pointers of the sleeping threads beside the first: address to thread. Empty where that is not allowed.

    Since Linux 4.5 ``maps`` does not say which memory is a thread's stack.
    """
    found = {}
    for thread in threads(root, pid)[:_MOST_THREADS]:
        if thread == pid:
            continue
        try:
            fields = read(root, f"proc/{pid}/task/{thread}/syscall").split()
            found[int(fields[-2], 16)] = thread
        except KernelError as error:
            if error.errno not in GONE:
                break
        except (IndexError, ValueError):
            continue  # it runs, and has no stack pointer to tell
    return found


def mapping_name(path: str) -> str:
    """What is mapped, in one short word: ``[heap]``, ``libc.so.6``, ``[anon:name]``, ``[stack:TID]``, ``[anon]``."""
    if not path:
        return "[anon]"
    thread = _THREAD_STACK.fullmatch(path)
    if thread is not None:
        return f"[stack:{thread[1]}]"
    if path.startswith("["):
        return printable(path)
    if path in ("/dev/zero", "/dev/zero (deleted)"):
        return "[shared anon]"
    if path.startswith("/SYSV"):
        return f"[shm:{path[5:].partition(' ')[0]}]"
    if path.startswith("/memfd:"):
        return printable(path[1:].removesuffix(" (deleted)"))
    if not path.startswith("/"):
        return printable(path)  # anon_inode:[…], socket:[…]
    return printable(path.rstrip("/").rpartition("/")[2] or path)


def names_of(mappings: Sequence[Mapping], stacks: dict[int, int] | None = None) -> tuple[str, ...]:
    """The short name of each mapping.

    Args:
        mappings: in order of address.
        stacks: stack pointers of threads, as `thread_stacks` tells them.
    """
    names = [mapping_name(mapping.path) for mapping in mappings]
    starts = [mapping.start for mapping in mappings]
    for address, thread in (stacks or {}).items():
        at = int(np.searchsorted(starts, address, side="right")) - 1
        # a green thread's or a signal's stack can lie in memory that has a name of its own
        if at >= 0 and address < mappings[at].end and names[at] == "[anon]":
            names[at] = f"[stack:{thread}]"
    return tuple(names)


def names_in(mappings: Sequence[Mapping], names: Sequence[str], start: Ints, end: Ints) -> tuple[str, ...]:
    """What is mapped at each region, by the name with the most bytes in it; "" where nothing is.

    Args:
        mappings: in order of address.
        names: of each mapping (`names_of`).
        start: first byte of each region, shape ``(regions,)``.
        end: byte after its last.
    """
    starts = ints([mapping.start for mapping in mappings])
    ends = ints([mapping.end for mapping in mappings])
    first = np.searchsorted(ends, start, side="right").tolist()
    last = np.searchsorted(starts, end, side="left").tolist()
    found = []
    for low, high, a, b in zip(start.tolist(), end.tolist(), first, last, strict=True):
        if b - a <= 1:
            found.append(names[a] if b > a else "")
            continue
        covered: dict[str, int] = {}
        for at in range(a, b):
            overlap = min(high, mappings[at].end) - max(low, mappings[at].start)
            covered[names[at]] = covered.get(names[at], 0) + overlap
        found.append(max(covered, key=covered.__getitem__))
    return tuple(found)


def printable(text: str) -> str:
    """``text`` without characters that move a terminal's cursor: a file's name may hold anything."""
    return shown(text)


def _kilobytes(body: bytes, field: bytes) -> int:
    at = body.index(field) + len(field)
    return number(body[at : body.index(b" kB", at)]) * 1024


def _amounts(bodies: Sequence[bytes], word: bytes, *, needed: bool) -> Ints:
    """A field of each mapping, bytes, shape ``(bodies,)``; where not ``needed``, 0 for one that lacks it.

    A kernel prints the same lines for every mapping and pads their numbers (``seq_put_decimal_ull_width``), so a field
    stands at the same place in nearly all: these are read as one table of digits, the others one by one.

    Raises:
        ValueError: it is needed and missing, or is no number.
    """
    if not bodies:
        return ints([])
    at, count = bodies[0].find(word), len(bodies)
    width = bodies[0].find(b" kB", at) + 3 - at
    found, alike = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    text = b"".join([body[at : at + width] for body in bodies])
    if at >= 0 and width > len(word) + 3 and len(text) == width * count:
        table = np.frombuffer(text, dtype=np.uint8).reshape(count, width)
        alike = np.all(table[:, : len(word)] == np.frombuffer(word, dtype=np.uint8), axis=1)
        alike &= np.all(table[:, -3:] == np.frombuffer(b" kB", dtype=np.uint8), axis=1)
        digits = table[:, len(word) : -3]
        digits = digits[:, int(np.argmax(np.any(digits != ord(" "), axis=0))) :]
        if digits.shape[1] <= _MOST_DIGITS:
            found, good = _decimal(digits)
            alike &= good
        else:
            alike[:] = False
    for index in np.flatnonzero(~alike).tolist():
        body = bodies[index]
        found[index] = _kilobytes(body, word) if needed or word in body else 0
    return ints(found)


def _decimal(text: NDArray[np.uint8]) -> tuple[Ints, NDArray[np.bool_]]:
    """Numbers written right-aligned in a table of characters, times 1024, and which of its rows are such a number."""
    digits = text.astype(np.int64) - ord("0")
    blank = text == ord(" ")
    good = np.all(blank | ((digits >= 0) & (digits <= 9)), axis=1) & ~blank[:, -1]
    good &= np.all(blank[:, :-1] | ~blank[:, 1:], axis=1)
    powers = 10 ** np.arange(text.shape[1] - 1, -1, -1, dtype=np.int64) * 1024
    return np.where(blank, 0, digits) @ powers, good


def _mapping(header: bytes, flags: frozenset[str] = frozenset()) -> Mapping:
    match = _HEADER.fullmatch(header)
    if match is None:
        raise _garbled("the mappings of a process", f"{header[:60].decode('utf-8', 'replace')!r} is not one")
    path = (match[4] or b"").decode("utf-8", "replace")
    return Mapping(int(match[1], 16), int(match[2], 16), match[3].decode("ascii"), path, flags)


def _garbled(path: str, why: str) -> SourceError:
    return SourceError(f"cannot understand {path}", why)


def _children_by_parent(root: Root, pid: int) -> list[int]:
    """The children of a process, where the kernel has no list of them (without CONFIG_PROC_CHILDREN)."""
    try:
        everyone = [int(name) for name in root.list("proc") if name.isdigit()]
    except SourceError:
        return []
    return sorted(other for other in everyone if (who := stat(root, other)) is not None and who.ppid == pid)
