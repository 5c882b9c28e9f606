"""What this program has to give back while it runs: its own kdamond to take away, DAMON_STAT to switch on again.

Every orderly end does it. A note in ``/run`` (gone with the machine's next start, like what it tells of) lets the
next run notice that one was killed before it could; ``damontui doctor --give-back`` gives it back without another run.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from damontui.errors import SourceError
from damontui.files import whole
from damontui.kernel import damon_sysfs, procfs, tracefs
from damontui.kernel.damon_stat import StatModule
from damontui.kernel.root import Root

NOTE = "run/damontui.json"
KILLED = "an earlier run was killed"
"""The reason that is given for DAMON_STAT being off."""
COMMAND = "doctor --give-back"
"""The words after the program's name of the command that gives everything back."""


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
    place: int = 0
    """Where that kdamond is set up (`damon_sysfs.place`), 0 where that is not known."""


def ours(root: Root, *, kdamond: int = -1, stat: bool = False) -> Handback:
    """What this run has to give back."""
    pid = procfs.own_pid(root, os.getpid())
    return Handback(pid, procfs.started(root, pid), kdamond, stat, damon_sysfs.place(root) if kdamond > 0 else 0)


def note(root: Root, taken: Handback) -> None:
    """Write the note; where that is not possible (no /run), the next run does not notice that this one was killed."""
    with suppress(SourceError, OSError), whole(_path(root), force=True) as file:
        file.write(json.dumps(asdict(taken)).encode())


def done(root: Root) -> None:
    """Remove the note, as all is given back."""
    try:
        _path(root).unlink()
    except (SourceError, OSError):
        return


def _path(root: Root) -> Path:
    """Where the note is. Raises `SourceError` where a link below the root folder would lead elsewhere."""
    root.list(os.path.dirname(NOTE))
    return root.path(NOTE)


def noted(root: Root) -> Handback | None:
    """The note, whether its run goes on or is gone; None where there is none."""
    try:
        fields = json.loads(root.read(NOTE))
        pid, started, kdamond = (int(fields[name]) for name in ("pid", "started", "kdamond"))
        return Handback(pid, started, kdamond, bool(fields["stat"]), int(fields.get("place", 0)))
    except (SourceError, ValueError, KeyError, TypeError, RecursionError):
        return None


def pending(root: Root) -> Handback | None:
    """The note of a run that is gone and left something; None where there is none."""
    taken = noted(root)
    if taken is None:
        return None
    if procfs.alive(root, taken.pid) and procfs.started(root, taken.pid) == taken.started:
        return None
    return taken


def words(taken: Handback) -> str:
    """What the next run will give back, as one clause."""
    kdamond = "the kdamond that it left is taken away" if taken.kdamond > 0 else ""
    stat = "DAMON_STAT, which it had switched off, is given back at the end" if taken.stat else ""
    return f"an earlier run was killed: {' and '.join(part for part in (kdamond, stat) if part)}".removesuffix(": ")


def take_away_kdamond(root: Root, taken: Handback, pause: Callable[[float], None] = time.sleep) -> bool:
    """Take away the kdamond that a killed run left, or what is set up for it where it has ended by itself.

    Returns:
        Whether there was one, and it is still the one that was noted.

    Raises:
        SourceError: the kernel refuses.
    """
    kdamond = _kdamond(root, taken, pause)
    if kdamond is None:
        return False
    if kdamond.state == "on":
        root.write(f"{damon_sysfs.ADMIN}/{kdamond.index}/state", "off")
    damon_sysfs.patiently(lambda: root.write(f"{damon_sysfs.ADMIN}/nr_kdamonds", "0"), pause)
    return True


def _kdamond(root: Root, taken: Handback, pause: Callable[[float], None]) -> damon_sysfs.SysfsKdamond | None:
    """The kdamond of a killed run, running or ended, None where that is gone. Raises `SourceError`."""
    if taken.kdamond <= 0 or not damon_sysfs.supported(root):
        return None
    there = damon_sysfs.survey(root, pause)
    for kdamond in there:
        if kdamond.pid == taken.kdamond:
            return kdamond
    # one of a process ends with it, and stays set up
    if len(there) == 1 and there[0].state == "off" and taken.place and damon_sysfs.place(root) == taken.place:
        return there[0]
    return None


def remedy(program: str) -> str:
    """The one command that gives everything back, as one clause."""
    return f"to give it back: sudo {program} {COMMAND}"


@dataclass(frozen=True, slots=True)
class Remains:
    """What runs of this program that are gone left behind, as it stands now."""

    kdamond: int = -1
    """The PID of a kdamond that is still set up, -1 for none."""
    ended: bool = False
    """Whether it has ended by itself meanwhile."""
    stat: bool = False
    """Whether DAMON_STAT is still off because of it."""
    traces: tuple[str, ...] = ()
    """The names of its trace instances."""

    def __bool__(self) -> bool:
        return self.kdamond > 0 or self.stat or bool(self.traces)

    @property
    def words(self) -> str:
        """All that was left, as one clause."""
        ended = ", which has ended" if self.ended else ""
        parts = [f"a kdamond (PID {self.kdamond}{ended})"] if self.kdamond > 0 else []
        if self.stat:
            parts.append("DAMON_STAT switched off")
        if self.traces:
            parts.append(f"the trace instance{'s' * (len(self.traces) > 1)} {', '.join(self.traces)}")
        return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def survey(root: Root) -> Remains:
    """Look for what is left; finds nothing where this user may not look. It only reads, and never raises."""
    taken = pending(root)
    kdamond, ended, off = -1, False, False
    if taken is not None:
        try:
            there = _kdamond(root, taken, lambda _: None)
            if there is not None:
                kdamond, ended = taken.kdamond, there.pid != taken.kdamond
        except SourceError:
            kdamond = taken.kdamond  # it is busy, or cannot be read: as noted
        off = taken.stat and _stat_is_off(root)
    try:
        traces = tuple(tracefs.stale(root, tracefs.find_tracefs(root)))
    except SourceError:
        traces = ()
    return Remains(kdamond, ended, off, traces)


def give_back(root: Root, *, program: str = "damontui", pause: Callable[[float], None] = time.sleep) -> list[str]:
    """Give back all that runs that are gone left; what a run that goes on has taken is its own to give back.

    Returns:
        What was done, one clause each; empty where nothing was left.

    Raises:
        SourceError: the kernel refuses. What could not be given back stays noted.
    """
    left, taken = survey(root), pending(root)
    if (left or taken is not None) and root.read_only:
        root.refuse_write(NOTE)
    done_so_far = []
    if taken is not None:
        if take_away_kdamond(root, taken, pause):
            done_so_far.append(f"the kdamond (PID {taken.kdamond}) is taken away")
            note(root, replace(taken, kdamond=-1))
        if left.stat:
            StatModule(root, program=program, pause=pause).switch(True)
            done_so_far.append("DAMON_STAT is switched on")
        done(root)
    if left.traces:
        removed = tracefs.remove_stale(root, tracefs.find_tracefs(root))
        done_so_far += [f"the trace instance {name} is removed" for name in removed]
    return done_so_far


def _stat_is_off(root: Root) -> bool:
    stat = StatModule(root, pause=lambda _: None)
    try:
        return stat.present() and not stat.state().on
    except SourceError:
        return True
