"""A control group's processes as a target: who is in it now, and who comes and goes."""

from __future__ import annotations

from collections.abc import Sequence

from damontui.analysis.owners import name_of
from damontui.errors import SourceError
from damontui.kernel import process_files
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.root import Root
from damontui.safe_text import shown

MOST = 256
"""Processes of a group that are watched: each has mappings of its own to be read."""


class GroupOfProcesses:
    """The processes of one group and of those below it.

    Args:
        root: where ``sys`` and ``proc`` are.
        word: a path, a unit's name or a part of a name, as `Groups.named` takes it.

    Raises:
        SourceError: there is no such group, nobody is in it, or too many.
    """

    def __init__(self, root: Root, word: str) -> None:
        self._groups = Groups.find(root)
        self.path = self._groups.named(word)
        what = f"cannot watch the group {shown(self.path)}"
        self.pids = self._members(root)
        """Those in it now, without threads of the kernel, rising."""
        if not self.pids:
            raise SourceError(what, "no process is in it", "watch it once something runs there, or the machine: stat")
        if len(self.pids) > MOST:
            raise SourceError(
                what,
                f"{len(self.pids)} processes are in it, and {MOST} at most are watched one by one",
                "watch a group below it, or the machine, which tells its part as well: stat",
            )
        self.title = f"group {shown(name_of(self.path))}"

    def around(self, root: Root, known: Sequence[int]) -> list[int]:
        """Those that are known already, and who has come into the group; none where it is gone."""
        try:
            now = self._members(root)
        except SourceError:
            now = ()
        return [*known, *(pid for pid in now if pid not in known)][: max(MOST, len(known))]

    def _members(self, root: Root) -> tuple[int, ...]:
        stats = ((pid, process_files.stat(root, pid)) for pid in self._groups.processes(self.path))
        return tuple(pid for pid, one in stats if one is not None and not one.ended and not one.kernel_thread)
