"""What this program may do on this machine: which files it reads, which it writes and when, as whom; and the network.

Tests compare the tables with the files that runs really open.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from damontui.errors import SourceError
from damontui.kernel import handback
from damontui.kernel.root import Root
from damontui.safe_text import shown


@dataclass(frozen=True, slots=True)
class FileUse:
    """Files that are read or written, and when."""

    path: str
    """Pattern of paths below the root folder; ``*`` is any number or name."""
    when: str
    probe: str = ""
    """One of these files, by which it is found out whether this user may; "" where there is none."""


READ: tuple[FileUse, ...] = (
    FileUse(
        "proc/*/{,stat,statm,comm,cmdline,status,schedstat,cgroup}",
        "who runs, whose it is, what it costs",
        "proc/self/stat",
    ),
    FileUse(
        "proc/*/{maps,smaps,smaps_rollup,pagemap,task,task/*}",
        "of a process that is watched, and of its children",
        "proc/self/smaps",
    ),
    FileUse(
        "proc/{iomem,kpageflags,kpagecgroup,meminfo,uptime,config.gz}",
        "where memory is and what it holds",
        "proc/iomem",
    ),
    FileUse(
        "proc/{vmstat,pressure/memory}, sys/block, sys/block/zram*/mm_stat",
        "how hard memory is pressed",
        "proc/pressure/memory",
    ),
    FileUse(
        "proc/sys/kernel/{osrelease,hostname}, proc/1/environ, proc/self/{uid_map,mountinfo}, proc/filesystems, "
        "boot/config-*",
        "what machine this is",
    ),
    FileUse("sys/module/damon_*/parameters/*", "DAMON_STAT's numbers", "sys/module/damon_stat/parameters/enabled"),
    FileUse(
        "sys/kernel/mm/damon/admin/**", "who has set up kdamonds", "sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds"
    ),
    FileUse(
        "sys/kernel/{tracing,debug/tracing}/**", "DAMON's tracepoints: the regions", "sys/kernel/tracing/instances"
    ),
    FileUse(
        "sys/kernel/security/lockdown, sys/fs/cgroup/**",
        "what is closed; whose memory it is, and how hard it is pressed",
    ),
)
WRITTEN: tuple[FileUse, ...] = (
    FileUse(
        "proc/*/clear_refs",
        "of each process that is watched, again and again, with --read-only too",
        "proc/self/clear_refs",
    ),
    FileUse(
        "sys/module/damon_stat/parameters/enabled",
        "key e, --take, and giving back at the end",
        "sys/module/damon_stat/parameters/enabled",
    ),
    FileUse(
        "sys/kernel/mm/damon/admin/kdamonds/**",
        "paddr and --via damon: a kdamond of ours, taken away at the end",
        "sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds",
    ),
    FileUse(
        "sys/kernel/tracing/instances/damontui-*/**",
        "regions: a trace of ours, removed at the end",
        "sys/kernel/tracing/instances",
    ),
    FileUse(handback.NOTE, "what a killed run would still have to give back"),
    FileUse(
        "{$XDG_RUNTIME_DIR,run,tmp}/damontui-*-*.lock", "one a watched process, so that two watchers know it; empty"
    ),
)
OF_YOURS: tuple[tuple[str, str], ...] = (
    (
        "FILE of -o, OUT of convert",
        "record, report, convert: new, mode 0600; replaced only with --force, and no link followed",
    ),
    (
        "damontui-*.svg, damontui-*.damontui",
        "ctrl+s and r, in the folder of --screenshots or the current one; the same way",
    ),
    ("FILE of --log", "run: appended to; no link followed"),
)
NETWORK = "nothing: no connection is made or waited for, and no name is looked up"
RUNS = "COMMAND of run; perf script, where a record is perf's own"


def paranoid(root: Root, environ: Mapping[str, str], configurations: Sequence[str]) -> dict[str, Any]:
    """What may be done here, as an object.

    Args:
        root: where the kernel is.
        environ: the environment.
        configurations: paths of the files of settings that are in force.
    """
    return {
        "schema": 1,
        "as": {
            "uid": os.getuid(),
            "euid": os.geteuid(),
            "for": environ.get("SUDO_USER") or None,
            "capabilities": _capabilities(),
        },
        "read_only": root.read_only,
        "reads": [_row(root, access, writing=False) for access in READ],
        "settings": list(configurations),
        "writes": [_row(root, access, writing=True) for access in WRITTEN],
        "files": [{"path": path, "when": when} for path, when in OF_YOURS],
        "runs": RUNS,
        "network": NETWORK,
    }


def _row(root: Root, access: FileUse, *, writing: bool) -> dict[str, Any]:
    may: bool | None = None
    if access.probe:
        may = root.writable(access.probe) if writing else root.readable(access.probe)
    return {
        "path": ", ".join(f"{root.folder}/{part}".replace("//", "/") for part in access.path.split(", ")),
        "when": access.when,
        "may": may,
    }


def _capabilities() -> str:
    """The effective capabilities as the kernel shows them, "" where it does not."""
    try:
        return Root("/").read("proc/self/status").partition("CapEff:")[2].split()[0]
    except (SourceError, IndexError):
        return ""


def text(found: Mapping[str, Any]) -> str:
    """What may be done here, as text for people."""
    who = found["as"]
    user = "root" if who["euid"] == 0 else f"user {who['euid']}"
    caller = f" for {who['for']}" if who["for"] else ""
    lines = [f"What this program does here, as {user}{caller} (capabilities {who['capabilities'] or 'not told'})", ""]
    words = {True: "yes", False: "no", None: "–"}
    lines += ["Read", "  may"]
    lines += [f"  {words[row['may']]:<5}{row['path']}\n         {row['when']}" for row in found["reads"]]
    lines += [f"  settings: {', '.join(found['settings']) or 'no file; only what is built in'}", ""]
    note = " (nothing below /sys in this session: it is read-only)" if found["read_only"] else ""
    lines += [f"Written{note}", "  may"]
    lines += [f"  {words[row['may']]:<5}{row['path']}\n         {row['when']}" for row in found["writes"]]
    lines += ["  files of yours"]
    lines += [f"       {row['path']}\n         {row['when']}" for row in found["files"]]
    lines += ["", f"Runs     {found['runs']}", f"Network  {found['network']}"]
    return "\n".join(shown(line, lines=True) for line in lines)
