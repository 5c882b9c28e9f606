"""Processes by their names: which PIDs a word on the command line means. It only reads /proc."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from damontui.errors import SourceError, UsageError
from damontui.kernel import process_files as files
from damontui.kernel import procfs
from damontui.kernel.root import Root

_COMM = 15
"""The kernel keeps that many characters of a task's name."""
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Named:
    """A process whose name was asked for."""

    pid: int
    ppid: int
    name: str
    command: str
    """Its command line, printable, or its name where it has none."""
    resident: int
    """Resident bytes, as ``/proc/PID/stat`` counts them."""


class SeveralProcesses(UsageError):
    """A name means several processes; whoever has a terminal may ask which.

    Args:
        name: as written by the user.
        found: the processes, the largest first.
        exact: False where none is called so, and these are called something that begins with it.
    """

    def __init__(self, name: str, found: Sequence[Named], *, exact: bool = True) -> None:
        self.name = name
        self.found = tuple(found)
        if exact:
            all_of_them = ",".join(str(one.pid) for one in self.found) if len(self.found) <= _SHOWN else "--children"
            said = (
                f"{len(self.found)} processes are called {name!r}: name one by its PID, or all of them: {all_of_them}"
            )
        else:
            names = ", ".join(dict.fromkeys(one.name for one in self.found))
            said = f"no process is called {name!r}; these are called something like it: {names}"
        super().__init__(f"target: {said}")


def is_name(word: str) -> bool:
    """Whether a word can be a process's name on the command line: a path, an option and blanks around it cannot."""
    return bool(word) and word.isprintable() and word.strip() == word and "/" not in word and word[0] not in "-,:"


def pids_of(root: Root, name: str, *, children: bool = False) -> tuple[int, ...]:
    """The processes that a name means: one, or with ``children`` as many as there are.

    A process is called what the kernel has as its name (its first 15 characters) or what its command line begins with.
    This program itself, threads of the kernel and zombies are left out. With ``children``, a process below another of
    the same name is left out as well: it is watched as its child.

    Raises:
        SeveralProcesses: several are called so, or several (or one) something that begins so.
        SourceError: none is.
    """
    everybody = _everybody(root)
    found = [one for one in everybody if _is_called(one, name)]
    if not found:
        like = [one for one in everybody if one.name.casefold().startswith(name.casefold())]
        if like:
            raise SeveralProcesses(name, like, exact=False)
        raise SourceError(f"target: no process is called {name!r}", "none of those that this /proc shows has that name")
    if children:
        parents = {one.pid: one.ppid for one in everybody}
        pids = {one.pid for one in found}
        found = [one for one in found if not _below(one.pid, pids, parents)]
    if len(found) > 1 and not children:
        raise SeveralProcesses(name, found)
    return tuple(one.pid for one in found)


def _below(pid: int, pids: set[int], parents: dict[int, int]) -> bool:
    seen = {pid}
    while (pid := parents.get(pid, 0)) and pid not in seen:
        if pid in pids:
            return True
        seen.add(pid)
    return False


def _is_called(one: Named, name: str) -> bool:
    return one.name == name[:_COMM] or os.path.basename(one.command.split(" ")[0]) == name


def _everybody(root: Root) -> list[Named]:
    """Every process but this one, the largest first."""
    try:
        pids = [int(name) for name in root.list("proc") if name.isdigit()]
    except SourceError:
        return []
    own = procfs.own_pid(root, os.getpid())
    found = [one for pid in pids if pid != own and (one := _process(root, pid)) is not None]
    return sorted(found, key=lambda one: (-one.resident, one.pid))


def _process(root: Root, pid: int) -> Named | None:
    who = files.stat(root, pid)
    if who is None or who.kernel_thread or who.ended:
        return None
    return Named(pid, who.ppid, who.comm, procfs.command(root, pid) or who.comm, who.resident)
