"""What this program has to give back while it runs: its own kdamond to take away, DAMON_STAT to switch on again.

Every orderly end does it. A note in ``/run`` (gone with the machine's next start, like what it tells of) lets the
next run notice that one was killed before it could.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from damontui.errors import SourceError
from damontui.files import whole
from damontui.kernel import damon_sysfs, procfs
from damontui.kernel.root import Root

NOTE = "run/damontui.json"


@dataclass(frozen=True, slots=True)
class Handback:
    """What one run has to give back."""

    pid: int
    """The run that took it."""
    started: int
    """When it started, clock ticks since the machine's start: a PID can be given again."""
    kdamond: int = -1
    """The kdamond that it started, -1 for none."""
    stat: bool = False
    """Whether it switched DAMON_STAT off."""


def ours(root: Root, *, kdamond: int = -1, stat: bool = False) -> Handback:
    """What this run has to give back."""
    pid = procfs.own_pid(root, os.getpid())
    return Handback(pid, procfs.started(root, pid), kdamond, stat)


def note(root: Root, taken: Handback) -> None:
    """Write it down; where that is not possible (no /run), a kill leaves it unnoticed."""
    with suppress(SourceError, OSError), whole(_path(root), force=True) as file:
        file.write(json.dumps(asdict(taken)).encode())


def done(root: Root) -> None:
    """All is given back: nothing is left to note."""
    try:
        _path(root).unlink()
    except (SourceError, OSError):
        return


def _path(root: Root) -> Path:
    """Where the note is. Raises `SourceError` where a link below the root folder would lead elsewhere."""
    root.list(os.path.dirname(NOTE))
    return root.path(NOTE)


def noted(root: Root) -> Handback | None:
    """What the note says, None where there is none; of a run that goes on or is gone."""
    try:
        fields = json.loads(root.read(NOTE))
        return Handback(int(fields["pid"]), int(fields["started"]), int(fields["kdamond"]), bool(fields["stat"]))
    except (SourceError, ValueError, KeyError, TypeError, RecursionError):
        return None


def left_behind(root: Root) -> Handback | None:
    """What a run that is gone did not give back, None where there is nothing."""
    taken = noted(root)
    if taken is None:
        return None
    if procfs.alive(root, taken.pid) and procfs.started(root, taken.pid) == taken.started:
        return None
    return taken


def words(taken: Handback) -> str:
    """What the next run does about it, as one clause."""
    kdamond = "the kdamond that it left is taken away" if taken.kdamond > 0 else ""
    stat = "DAMON_STAT, which it had switched off, is given back at the end" if taken.stat else ""
    return f"an earlier run was killed: {' and '.join(part for part in (kdamond, stat) if part)}".removesuffix(": ")


def take_away_kdamond(root: Root, taken: Handback, pause: Callable[[float], None] = time.sleep) -> bool:
    """Take away the kdamond that a killed run left; whether there was one, and still the same. Raises `SourceError`."""
    if taken.kdamond <= 0 or not damon_sysfs.supported(root):
        return False
    for kdamond in damon_sysfs.survey(root, pause):
        if kdamond.pid == taken.kdamond:
            root.write(f"{damon_sysfs.ADMIN}/{kdamond.index}/state", "off")
            damon_sysfs.patiently(lambda: root.write(f"{damon_sysfs.ADMIN}/nr_kdamonds", "0"), pause)
            return True
    return False
