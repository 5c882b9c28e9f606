"""Control groups: which there are, what the kernel counts for each, and which processes are in one. Only read.

``Documentation/admin-guide/cgroup-v2.rst``. A group is a folder; its inode number is what ``/proc/kpagecgroup`` says
of a page frame that is charged to it. Groups come and go at any time, so every file may be missing a moment after its
folder was listed: what is gone by then is left out, and is no error.

A deleted group whose memory is still there has no folder any more. The kernel charges such memory to the closest group
above that has one (``page_cgroup_ino``), and counts the deleted ones in that group's ``cgroup.stat``.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from damontui.damon.snapshot import Group
from damontui.errors import SourceError
from damontui.kernel.readers import READERS
from damontui.kernel.root import KernelError, Root, read_opened, refuse_odd
from damontui.safe_text import shown

PLACES = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
"""Where the hierarchy of version 2 can be mounted: alone, or beside those of version 1."""
MOST = 20_000
"""Groups that a walk visits, at most."""
DEEPEST = 64
"""Levels that a walk goes down, at most."""
PROCESSES = 100_000
"""Processes of a group that are listed, at most."""

_T = TypeVar("_T")
_SMALL = 1 << 20
_LEAF_LINKS = 2
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_SHORTEST_PART = 4


@dataclass(frozen=True, slots=True)
class Tree:
    """The groups that were there at a walk."""

    paths: Mapping[int, str]
    """Each group's path below the mount, by inode number: ``/`` for the uppermost, ``/system.slice/nginx.service``."""
    whole: bool = True
    """False where there are more groups than a walk visits."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of a machine, below its root folder.

    Args:
        root: where ``sys`` is.
        folder: where the hierarchy is mounted, below it.
    """

    root: Root
    folder: str = field(default=PLACES[0])

    @classmethod
    def find(cls, root: Root) -> Groups:
        """The hierarchy of version 2 that counts memory.

        Raises:
            SourceError: where there is none, with the reason.
        """
        found = ""
        for place in PLACES:
            try:
                controllers = root.read(f"{place}/cgroup.controllers").split()
            except SourceError:
                continue
            if "memory" in controllers:
                return cls(root, place)
            found = found or place
        what = f"cannot tell control groups below {root.path(PLACES[0])}"
        if found:
            raise SourceError(
                what,
                "those of version 2 do not count memory here",
                "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=memory",
            )
        raise SourceError(
            what, "no hierarchy of version 2 is mounted there", "run: mount -t cgroup2 none /sys/fs/cgroup"
        )

    def walk(self, most: int = MOST) -> Tree:
        """Every group, the upper levels first.

        A group without groups in it is not opened: its folder has two links. Raises `KernelError` where not even the
        uppermost folder can be listed.
        """
        try:
            return READERS.ask(lambda: self._walk(most))
        except OSError as error:
            raise KernelError(f"cannot list {self.root.path(self.folder)}", error) from error

    def _walk(self, most: int) -> Tree:
        paths: dict[int, str] = {}
        paths[self.root.stat(self.folder).st_ino] = "/"
        waiting: deque[tuple[str, int]] = deque([("/", 0)])
        whole = True
        while waiting:
            path, depth = waiting.popleft()
            try:
                with self._opened(path) as folder, os.scandir(folder) as entries:
                    for entry in entries:
                        if not entry.is_dir(follow_symlinks=False):
                            continue
                        if len(paths) >= most or depth >= DEEPEST:
                            whole = False
                            break
                        below = f"{path.rstrip('/')}/{entry.name}"
                        paths[entry.inode()] = below
                        with suppress(OSError):
                            if entry.stat(follow_symlinks=False).st_nlink != _LEAF_LINKS:
                                waiting.append((below, depth + 1))
            except OSError:  # gone, or not to be listed by this user
                if path == "/":
                    raise
        return Tree(paths, whole)

    def usage(self, path: str, *, stat: bool = True) -> Group:
        """What the kernel counts for a group; all None where it is gone.

        Args:
            path: as in `Tree`.
            stat: whether to read ``memory.stat`` as well, for which the kernel adds up what each CPU counted.
        """

        def do(folder: int) -> Group:
            found = _pairs(folder, "memory.stat") if stat else {}
            return Group(
                path,
                _number(folder, "memory.current"),
                _number(folder, "memory.max"),
                _number(folder, "memory.high"),
                _number(folder, "memory.swap.current"),
                found.get("inactive_file"),
                _pairs(folder, "cgroup.stat").get("nr_dying_descendants", 0),
                unmapped=_unmapped(found),
                mapped_file=found.get("file_mapped"),
            )

        return self._asked(path, do, Group(path))

    def numbers(self, path: str, name: str) -> dict[str, int]:
        """The numbers of a file of lines ``key number`` (``memory.stat``, ``memory.events``); {} where it is gone."""
        return self._asked(path, lambda folder: _pairs(folder, name), {})

    def number(self, path: str, name: str) -> int | None:
        """The only number of a file; None where it is gone, and for ``max``."""
        return self._asked(path, lambda folder: _number(folder, name), None)

    def text(self, path: str, name: str) -> str:
        """The text of a file, such as ``memory.pressure``; "" where it is gone."""
        return self._asked(path, lambda folder: _text(folder, name), "")

    def processes(self, path: str, *, below: bool = True, most: int = PROCESSES) -> tuple[int, ...]:
        """The PIDs in a group, and in those below it, rising.

        Raises:
            KernelError: where the group itself cannot be read, or is gone.
        """
        try:
            return READERS.ask(lambda: self._processes(path, below, most))
        except OSError as error:
            raise KernelError(f"cannot read the group {shown(path)}", error) from error

    def _processes(self, path: str, below: bool, most: int) -> tuple[int, ...]:
        found: set[int] = set()
        waiting = deque([path])
        while waiting and len(found) < most:
            here = waiting.popleft()
            try:
                with self._opened(here) as folder:
                    found.update(_pids(folder))
                    if below:
                        with os.scandir(folder) as entries:
                            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
                        waiting.extend(f"{here.rstrip('/')}/{name}" for name in names[:MOST])
            except OSError:
                if here == path:
                    raise
        return tuple(sorted(found)[:most])

    def named(self, word: str, tree: Tree | None = None) -> str:
        """The path of the group that a word means.

        Args:
            word: a path below the mount (with or without the mount itself), a unit's name (``nginx``,
                ``nginx.service``), or a part of a name, at least four characters of it, that only one group has.
            tree: the groups of a former walk; None walks now.

        Raises:
            SourceError: the word fits no group, or several.
        """
        what = f"cannot watch the group {shown(word)!r}"
        mount = f"/{self.folder}"
        path = "/" + (word.removeprefix(mount) if word == mount or word.startswith(f"{mount}/") else word).strip("/")
        paths = set((tree or self.walk()).paths.values())
        if path in paths:
            return path
        if "/" in word.strip("/"):
            raise SourceError(what, "there is no such group", f"run: ls {self.root.path(self.folder)}")
        last = {one: one.rpartition("/")[2] for one in paths}
        ways = (
            [one for one, name in last.items() if name == word],
            [one for one, name in last.items() if name.rpartition(".")[0] == word],
            [one for one, name in last.items() if word in name] if len(word) >= _SHORTEST_PART else [],
        )
        for found in ways:
            if len(found) == 1:
                return found[0]
            # of a pod's or container's nested groups of one name it is the uppermost
            top = min(found, key=len, default="")
            if top and all(one == top or one.startswith(f"{top}/") for one in found):
                return top
            if found:
                some = ", ".join(shown(one) for one in sorted(found)[:3])
                more = f" and {len(found) - 3} more" if len(found) > 3 else ""
                raise SourceError(what, f"it means several groups: {some}{more}", "write the path of one of them")
        raise SourceError(what, "there is no such group", f"run: ls {self.root.path(self.folder)}")

    def _asked(self, path: str, do: Callable[[int], _T], otherwise: _T) -> _T:
        """The result of reading in a group's folder, with one deadline for all of it; ``otherwise`` where it is
        gone."""

        def ask() -> _T:
            with self._opened(path) as folder:
                return do(folder)

        try:
            return READERS.ask(ask)
        except OSError:
            return otherwise

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        folder = self.root.open_folder(f"{self.folder}{path}")
        try:
            yield folder
        finally:
            os.close(folder)


def _text(folder: int, name: str) -> str:
    """A file's text, "" where it is missing or not a file. Raises nothing: groups go while they are read."""

    def opening() -> int:
        descriptor = os.open(name, _READ, dir_fd=folder)
        try:
            refuse_odd(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    try:
        return read_opened(opening, _SMALL).decode("utf-8", "replace")
    except OSError:
        return ""


def _number(folder: int, name: str) -> int | None:
    return whole_number(_text(folder, name))


def _unmapped(stat: dict[str, int]) -> int | None:
    """Bytes of a ``memory.stat`` that no page table maps; None where the kernel does not tell all that it takes."""
    names = ("kernel", "file", "file_mapped")
    if not all(name in stat for name in names):
        return None
    return stat["kernel"] + max(0, stat["file"] - stat["file_mapped"])


def _pairs(folder: int, name: str) -> dict[str, int]:
    return pairs(_text(folder, name))


def _pids(folder: int) -> list[int]:
    words = _text(folder, "cgroup.procs").split()
    # 0 is a process outside of what our PID namespace shows
    return [pid for pid in map(whole_number, words) if pid]


_DIGITS = re.compile(r"[0-9]{1,19}")


def whole_number(text: str) -> int | None:
    """The number that a text is; None for ``max``, for what is no number, and for more than a kernel's counter
    holds."""
    found = text.strip()
    return int(found) if _DIGITS.fullmatch(found) else None


def pairs(text: str) -> dict[str, int]:
    """The numbers of lines ``key number``; other lines are left out."""
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if (number := whole_number(value)) is not None:
            found[key] = number
    return found
