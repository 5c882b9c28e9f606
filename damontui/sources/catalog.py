"""What can be monitored on this machine, and what is in the way of the rest. It only reads, and is quick about it."""

from __future__ import annotations

import os
import pwd
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from damontui import units
from damontui.analysis.owners import name_of
from damontui.errors import SourceError, UsageError
from damontui.files import open_file
from damontui.kernel import features, handback, procfs
from damontui.kernel import process_files as files
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.damon_stat import StatModule
from damontui.kernel.root import Root, why
from damontui.operations import masim
from damontui.operations.scenes import SCENES
from damontui.records.own import MAGIC
from damontui.sources.choose import CGROUP, damon_is_free

Section = Literal["real", "machine", "kdamonds", "groups", "processes", "scenes", "files"]
SECTIONS: dict[Section, str] = {
    "real": "Real memory that can be watched here, now",
    "machine": "This machine's memory",
    "kdamonds": "Kdamonds of others, only watched",
    "groups": "Control groups",
    "processes": "Processes",
    "scenes": "Synthetic memory",
    "files": "Records and masim configurations in this folder",
}
"""Sections and their headings, in the order in which they are shown."""

MOST_GROUPS = 1_000
"""Control groups whose size is asked for: those of the upper levels."""
MOST_FILES = 1_000
"""Files of a folder that are looked into: the newest."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """The numbers in a line about a process."""

    pid: int
    ppid: int
    user: str
    rss: int
    """Resident bytes, as ``/proc/PID/stat`` counts them: pages shared with others count whole."""
    threads: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One target: its word for the command line, what it is, and why it cannot be had, where that is so."""

    section: Section
    word: str
    name: str
    detail: str = ""
    """Its state, or what kind of thing it is, in one clause; of a process, its command line."""
    reason: str = ""
    """Why it cannot be monitored now, one clause; "" where it can."""
    remedy: str = ""
    """How to make it possible to monitor, with the exact command where there is one."""
    process: ProcessFacts | None = None
    depth: int = 0
    """How far it is indented below its parent (`as_tree`)."""

    @property
    def available(self) -> bool:
        """Whether choosing it makes sense."""
        return not self.reason


def catalog(root: Root, *, folder: str | Path = ".", program: str = "damontui") -> tuple[Entry, ...]:
    """Everything that could be a target, section by section; never raises for what the world lacks.

    Processes come with the largest resident memory first. Threads of the kernel and zombies have no memory of their
    own and are left out.

    Args:
        root: where the kernel is.
        folder: where records and masim configurations are looked for; its own files only.
        program: the command for remedies, with its full path.
    """
    found = features.survey(root, program=program)
    stat, on = _stat(root, found, program)
    paddr, processes = _paddr(root, found, on), _processes(root, program)
    given = _offered(root, stat, on, paddr, processes)
    return (
        *(
            Entry("real", entry.word, f"process {entry.word}" if entry.process else entry.name, said)
            for entry, said in given
        ),
        stat,
        paddr,
        *_kdamonds(root, found, program),
        *_groups(root),
        *processes,
        *_scenes(),
        *_files(Path(folder)),
    )


def offers(root: Root, *, program: str = "damontui") -> tuple[tuple[Entry, str], ...]:
    """The real memory that this user can watch here without being asked anything: DAMON_STAT, physical memory, a
    process.

    Each with a few words on it: ``python3, 1.8 GiB``. The process is the largest of one's own, else the largest that
    may be watched; never this program itself.
    """
    found = features.survey(root, program=program)
    stat, on = _stat(root, found, program)
    return tuple(_offered(root, stat, on, _paddr(root, found, on), _processes(root, program)))


def _offered(root: Root, stat: Entry, on: bool, paddr: Entry, found: Iterable[Entry]) -> list[tuple[Entry, str]]:
    given = [(stat, "the whole machine")] if on and stat.available else []
    if paddr.available and not on:
        given.append((paddr, "the whole machine, by a kdamond of our own"))
    ours = {procfs.own_pid(root, os.getpid())}
    own = _user(os.geteuid(), {})
    processes = [
        (entry.process.user != own, entry)
        for entry in found
        if entry.available and entry.process is not None and entry.process.pid not in ours
    ]
    if processes:
        largest = min(processes, key=lambda pair: pair[0])[1]
        size = units.size(largest.process.rss if largest.process is not None else 0)
        given.insert(0, (largest, f"{largest.name}, {size}"))
    return given


def as_tree(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries with each process below its parent, indented; siblings keep their order, and so do other sections."""
    entries = tuple(entries)
    processes = {entry.process.pid: entry for entry in entries if entry.process is not None}
    below: dict[int, list[int]] = {}
    tops: list[int] = []
    for pid, entry in processes.items():
        parent = entry.process.ppid if entry.process is not None else 0
        # a parent that is not shown, or the process itself in a garbled file, is none
        (below.setdefault(parent, []) if parent in processes and parent != pid else tops).append(pid)
    ordered: list[Entry] = []
    seen: set[int] = set()
    waiting = [(pid, 0) for pid in reversed(tops)]
    while waiting:
        pid, depth = waiting.pop()
        if pid in seen:
            continue
        seen.add(pid)
        ordered.append(replace(processes[pid], depth=depth))
        waiting += [(child, depth + 1) for child in reversed(below.get(pid, []))]
    # read while processes came and went, two can be each other's parent: they are shown all the same
    ordered += [entry for pid, entry in processes.items() if pid not in seen]
    at = next((place for place, entry in enumerate(entries) if entry.process is not None), len(entries))
    others = [entry for entry in entries if entry.process is None]
    return (*others[:at], *ordered, *others[at:])


def matching(entries: Iterable[Entry], text: str) -> tuple[Entry, ...]:
    """The entries that have every word of ``text`` somewhere in their word, name, user or detail, case aside."""
    wanted = text.casefold().split()
    if not wanted:
        return tuple(entries)
    return tuple(entry for entry in entries if all(word in _searched(entry) for word in wanted))


def _searched(entry: Entry) -> str:
    user = entry.process.user if entry.process is not None else ""
    return f"{entry.word} {entry.name} {user} {entry.detail}".casefold()


# -- the machine's memory


def _stat(root: Root, found: features.Survey, program: str) -> tuple[Entry, bool]:
    entry = Entry("machine", "stat", "DAMON_STAT")
    obstacle = next((one for one in found.obstacles if one.target == "stat"), None)
    module = StatModule(root, program=program, pause=lambda _: None)
    try:
        module.check()
        state = module.state()
    except SourceError as error:
        if obstacle is None:
            return replace(entry, reason=error.why, remedy=error.remedy), False
        return replace(entry, reason=obstacle.what, remedy=obstacle.remedy), False
    if state.on:
        where = f", kdamond {state.pid}" if state.pid else ""
        return replace(entry, detail=f"the kernel's own monitoring: on{where}"), True
    held = module.holders()
    if held:
        return replace(entry, detail=f"off, and DAMON is held by {' and '.join(held)}"), False
    return replace(entry, detail="the kernel's own monitoring: off; e switches it on"), False


def _paddr(root: Root, found: features.Survey, stat_on: bool) -> Entry:
    entry = Entry("machine", "paddr", "physical memory", "by a kdamond of our own")
    # DAMON_STAT can be switched off meanwhile, and given back: that is offered when the time comes
    against = [one for one in found.obstacles if one.target == "paddr" and not one.what.startswith("DAMON_STAT holds")]
    if against:
        return replace(entry, reason=against[0].what, remedy=against[0].remedy)
    if root.read_only:
        return replace(
            entry,
            reason="it would start a kdamond, and this session is read-only",
            remedy="leave out --read-only and unset DAMONTUI_READ_ONLY to allow it",
        )
    if stat_on:
        return replace(entry, detail="by a kdamond of our own; DAMON_STAT must be off meanwhile, which is asked")
    return entry


def _kdamonds(root: Root, found: features.Survey, program: str) -> list[Entry]:
    module = StatModule(root, program=program, pause=lambda _: None)
    try:
        own = module.state().pid if module.present() else None
        running = procfs.find_kdamonds(root)
    except SourceError:
        own, running = None, {}
    obstacle = next((one for one in found.obstacles if one.target == "regions"), None)
    reason, remedy = (obstacle.what, obstacle.remedy) if obstacle is not None else ("", "")
    if not reason and root.read_only:
        reason = "it needs a trace instance below /sys, and this session is read-only"
        remedy = "leave out --read-only and unset DAMONTUI_READ_ONLY to allow it"
    entries = []
    noted = handback.noted(root)
    ours = noted.kdamond if noted is not None and noted.pid == procfs.own_pid(root, os.getpid()) else None
    for pid, name in sorted(running.items()):
        if pid not in (own, ours):  # those are the targets stat, paddr and a process
            whose = next((held for held in found.holders if held.endswith(f"(kdamond {pid})")), "")
            whose = whose.removesuffix(f" (kdamond {pid})")
            entries.append(Entry("kdamonds", f"kdamond:{pid}", name, f"of {whose}" if whose else "", reason, remedy))
    return entries


# -- processes


def _processes(root: Root, program: str) -> list[Entry]:
    try:
        pids = [int(name) for name in root.list("proc") if name.isdigit()]
    except SourceError:
        return []
    by_damon = damon_is_free(root)
    users: dict[int, str] = {}
    found = []
    for pid in pids:
        entry = _process(root, pid, program, by_damon, users)
        if entry is not None:
            found.append(entry)
    found.sort(key=lambda entry: (-entry.process.rss, entry.process.pid) if entry.process is not None else (0, 0))
    return found


def _process(root: Root, pid: int, program: str, by_damon: bool, users: dict[int, str]) -> Entry | None:
    who = files.stat(root, pid)
    if who is None or who.kernel_thread or who.ended:
        return None
    try:
        uid = root.stat(f"proc/{pid}").st_uid
    except (SourceError, OSError):
        return None  # it ended while it was looked at
    process = ProcessFacts(pid, who.ppid, _user(uid, users), who.resident, who.threads)
    entry = Entry("processes", str(pid), who.comm, procfs.command(root, pid), process=process)
    if by_damon:
        return entry
    if not files.clears(root, pid):
        return replace(
            entry,
            reason="it has no clear_refs",
            remedy=f"it needs a kernel with CONFIG_PROC_PAGE_MONITOR=y, or DAMON: {program} doctor",
        )
    if not files.may_clear(root, pid):
        return replace(entry, reason=f"belongs to {process.user}", remedy=f"run: sudo {program} {pid}")
    return entry


def _user(uid: int, users: dict[int, str]) -> str:
    if uid not in users:
        try:
            users[uid] = pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            users[uid] = str(uid)
    return users[uid]


# -- what needs no kernel


def _groups(root: Root) -> list[Entry]:
    """Those with memory, the largest first; none where there is no hierarchy of version 2."""
    try:
        groups = Groups.find(root)
        paths = [path for path in groups.walk(MOST_GROUPS).paths.values() if path != "/"]
    except SourceError:
        return []
    sizes = {path: size for path in paths if (size := groups.number(path, "memory.current"))}
    found = []
    for path, size in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0])):
        said = f"{units.size(size)}, {files.printable(path)}"
        found.append(Entry("groups", f"{CGROUP}{path}", files.printable(name_of(path)), said))
    return found


def _scenes() -> list[Entry]:
    return [Entry("scenes", f"demo:{name}", name, sentence) for name, sentence in SCENES.items()]


def _files(folder: Path) -> list[Entry]:
    """The newest first."""
    try:
        found = [(one.stat(), one.name) for one in os.scandir(folder) if one.is_file()]
    except OSError:
        return []
    found.sort(key=lambda pair: (-pair[0].st_mtime, pair[1]))
    entries = []
    for status, name in found[:MOST_FILES]:
        # with its folder, since a file may be called stat or 1234
        path = os.path.join(folder, name)
        shown, size = files.printable(name), units.size(status.st_size)
        if name.endswith(".cfg"):
            entries.append(Entry("files", path, shown, f"masim configuration, {size}", reason=_against(path)))
            continue
        try:
            kind = _kind(path)
        except (OSError, SourceError) as error:
            if name.endswith(_RECORDS):
                reason = error.why if isinstance(error, SourceError) else why(error)
                entries.append(Entry("files", path, shown, f"record, {size}", reason=reason))
            continue
        if kind:
            entries.append(Entry("files", path, shown, f"{kind}, {size}"))
    return entries


_RECORDS = (".damontui", ".data")
_HEAD = 4096


def _kind(path: str) -> str:
    """What kind of record a file is, "" for none. Stricter than opening one: not every JSON file is to be offered."""
    with open_file(path) as file:
        head = file.read(_HEAD)
    if head.startswith(MAGIC):
        return "record"
    if head.startswith(b"PERFILE2"):
        return "perf's record"
    if head[:1] == b"\x78":
        with suppress(zlib.error):
            head = zlib.decompressobj().decompress(head, _HEAD)
    if head.lstrip()[:1] == b"[" and b'"kdamond_idx"' in head:
        return "damo's record"
    return "trace text" if b" damon_aggregated:" in head or b"damon:damon_aggregated:" in head else ""


def _against(path: str) -> str:
    """Why a configuration of masim's cannot be simulated, "" where it can."""
    try:
        masim.workload(Path(path), 0)
    except UsageError as error:
        return str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ")
    return ""
