"""What this program owes the system while it runs: its own kdamond to take away, DAMON_STAT to give back.

Every orderly end pays the debt. A note of it in ``/run`` (gone with the machine's next start, like the debt itself)
lets the next run notice that one was killed before it could.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from damontui.errors import SourceError
from damontui.kernel import damon_sysfs, procfs
from damontui.kernel.root import Root

NOTE = "run/damontui.json"


@dataclass(frozen=True, slots=True)
class Debt:
    """Who owes what."""

    pid: int
    """The run that made the debt."""
    started: int
    """When it started, clock ticks since the machine's start: a PID can be given again."""
    kdamond: int = -1
    """The kdamond that it started, -1 for none."""
    stat: bool = False
    """Whether it switched DAMON_STAT off."""


def ours(root: Root, *, kdamond: int = -1, stat: bool = False) -> Debt:
    """A debt of this run."""
    pid = procfs.own_pid(root, os.getpid())
    return Debt(pid, procfs.started(root, pid), kdamond, stat)


def note(root: Root, debt: Debt) -> None:
    """Write the debt down; where that is not possible (no /run), a kill leaves it unnoticed."""
    path = root.path(NOTE)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(debt), file)
    except OSError:
        return


def forget(root: Root) -> None:
    """The debt is paid."""
    try:
        root.path(NOTE).unlink()
    except OSError:
        return


def noted(root: Root) -> Debt | None:
    """What the note says, None where there is none; of a run that goes on or is gone."""
    try:
        fields = json.loads(root.read(NOTE))
        return Debt(int(fields["pid"]), int(fields["started"]), int(fields["kdamond"]), bool(fields["stat"]))
    except (SourceError, ValueError, KeyError, TypeError, RecursionError):
        return None


def left(root: Root) -> Debt | None:
    """The debt of a run that is gone, None where there is none."""
    debt = noted(root)
    if debt is None:
        return None
    if procfs.alive(root, debt.pid) and procfs.started(root, debt.pid) == debt.started:
        return None
    return debt


def words(debt: Debt) -> str:
    """What a run that pays it does about the debt, as one clause."""
    kdamond = "the kdamond that it left is taken away" if debt.kdamond > 0 else ""
    stat = "DAMON_STAT, which it had switched off, is given back at the end" if debt.stat else ""
    return f"an earlier run was killed: {' and '.join(part for part in (kdamond, stat) if part)}".removesuffix(": ")


def take_away_kdamond(root: Root, debt: Debt, pause: Callable[[float], None] = time.sleep) -> bool:
    """Take away the kdamond that a killed run left; whether there was one, and still the same. Raises `SourceError`."""
    if debt.kdamond <= 0 or not damon_sysfs.supported(root):
        return False
    for kdamond in damon_sysfs.survey(root, pause):
        if kdamond.pid == debt.kdamond:
            root.write(f"{damon_sysfs.ADMIN}/{kdamond.index}/state", "off")
            damon_sysfs.patiently(lambda: root.write(f"{damon_sysfs.ADMIN}/nr_kdamonds", "0"), pause)
            return True
    return False
