"""How small could it be, by `damontui size`, against what really comes back under the `memory.high` that it suggests.

Loads of known behaviour run in control groups, one after the other, with the kernel's own zram as swap. The program
watches a load; then it is held to three sizes of its curve by ``memory.high``, and the kernel counts what is read back
(``workingset_refault_anon`` and ``workingset_refault_file`` of ``memory.stat``). For guests whose clock is hurried
(`Vm`): a second of it is 250 million instructions, whatever the machine around it does, so that a reading through /proc
takes 50 ms and a page from zram 0.2 ms of it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.guests import kernels
from tests.guests.guest import Guest, check, program
from tests.guests.guest.load import MIB, PAGE
from tests.guests.guest.owners import MOUNT, group, mounted, stat_numbers
from tests.guests.guest.system import file_on_disk, wait

_FINIT_MODULE = 313
WATCHED_S, SETTLES_S, MEASURED_S = 600.0, 70.0, 140.0
SIZES = 3
LOADS = {
    "steady": ("touch:8:1", "touch:8:6", "touch:8:22", "touch:12:0"),
    "drift": ("touch:8:1", "drift:48:12:1:2"),
    "scan": ("touch:12:1", "touch:24:35"),
    "cache": ("touch:8:1", "file:CACHE:12:9", "touch:16:0"),
}
"""steady: memory in use, some every 6 s, some every 22 s, some never. drift: 12 of 48 MiB in use, moving on by one in
2 s. scan: 24 MiB every 35 s. cache: a file, mapped, read every 9 s, and memory that is never used again."""
LONGEST_S = 60.0
"""Of longer idle times only the curve tells where bits are cleared about every 75 s."""
SWAPPINESS = 180
"""As is usual where swap is memory: at 100 page cache that was read every 9 s was taken, and memory that was never used
again was kept, whatever the size."""
NEAR = 2.0
SLACK = 2.0
"""MiB a minute that are nothing."""


def zram(size: int) -> None:
    """Load the kernel's zram and take it as swap, of so many bytes."""
    folder = kernels.cache() / os.uname().release / "modules"
    if not Path("/dev/zram0").exists():
        libc = ctypes.CDLL(None, use_errno=True)
        for path in kernels.needed(folder, "zram"):
            file = os.open(path, os.O_RDONLY)
            if libc.syscall(_FINIT_MODULE, file, b"", 0):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
            os.close(file)
    wait(Path("/dev/zram0").exists, 10, "/dev/zram0")
    Path("/sys/block/zram0/disksize").write_text(str(size))
    for command in ("mkswap", "swapon"):
        done = subprocess.run([command, "/dev/zram0"], capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    Path("/proc/sys/vm/page-cluster").write_text("0")
    Path("/proc/sys/vm/swappiness").write_text(str(SWAPPINESS))


@dataclass
class Load:
    """A load in a group of its own."""

    name: str
    words: Sequence[str]
    log: Path
    pid: int = 0
    before: dict[str, int] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Its group."""
        return f"/{self.name}"

    def start(self) -> None:
        """Start it; `ready` says when all of it is there."""
        folder = group(self.path)
        script = str(Path(__file__).with_name("paced.py"))
        self.pid = os.fork()
        if self.pid == 0:
            try:
                (folder / "cgroup.procs").write_text(str(os.getpid()))
                os.execv(sys.executable, [sys.executable, "-I", "-S", script, str(self.log), *self.words])
            finally:
                os._exit(1)

    def ready(self) -> bool:
        """Whether all of it is there."""
        return self.log.exists() and self.log.read_text().startswith("ready")

    def rounds(self, since: float, until: float) -> list[tuple[int, float, float]]:
        """Word's number, when it was due and when it was over, of those that were due between two times."""
        lines = [line.split() for line in self.log.read_text().rpartition("\n")[0].splitlines()[1:]]
        found = [(int(number), float(due), float(over)) for number, due, over in lines]
        return [one for one in found if since <= one[1] < until]


def refaults(numbers: dict[str, int]) -> int:
    """Bytes that were read back so far."""
    return (numbers["workingset_refault_anon"] + numbers["workingset_refault_file"]) * PAGE


def chosen_words(name: str) -> list[str]:
    """The words of a load."""
    return [word.replace("CACHE", f"{file_on_disk()}:0") for word in LOADS[name]]


def chosen(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Three rows of the curve: the answer, else the longest for which the bits are left alone, and two shorter ones."""
    answer = found["answer"] and found["answer"]["seconds"]
    told = [row for row in found["curve"] if row["seconds"] >= 2 and row["counted_over_s"] >= row["seconds"] * 0.98]
    upto = [row for row in told if row["seconds"] <= (LONGEST_S if answer is None else answer)]
    return upto[-SIZES:]


def limit_of(row: dict[str, Any], answer: dict[str, Any] | None) -> int:
    """Bytes for ``memory.high``: what the program suggests for its answer, and of other rows the size."""
    if answer is not None and row["seconds"] == answer["seconds"]:
        return int(answer["memory_high"])
    return size_of(row)


def size_of(row: dict[str, Any]) -> int:
    """Its size in whole MiB, in bytes."""
    return -(-int(row["size"]["bytes"]) // MIB) * MIB


def compared(load: Load, row: dict[str, Any], limit: int, began: float, ended: float) -> dict[str, Any]:
    """What was read back a minute beside what was foreseen, MiB, and how the load got on."""
    now = stat_numbers(load.path)
    minutes = (ended - began) / 60
    rounds = load.rounds(began, ended)
    late = [over - due for _, due, over in rounds]
    foreseen = {key: row["back_bytes_per_min"][key] / MIB for key in ("least", "bytes", "most")}
    return {
        "idle_s": row["seconds"],
        "high_mib": limit // MIB,
        "suggested": limit != size_of(row),
        "foreseen": [round(one, 1) for one in foreseen.values()],
        "came": round((refaults(now) - refaults(load.before)) / minutes / MIB, 1),
        "charged_mib": round((now["anon"] + now["file"]) / MIB, 1),
        "rounds": len(rounds),
        "late_s": [round(sum(late) / max(1, len(late)), 3), round(max(late, default=0.0), 2)],
    }


def span(curve: Sequence[dict[str, Any]], row: dict[str, Any], limit: int) -> tuple[float, float]:
    """Least and most MiB a minute that are foreseen at a size: by its row, and by all whose interval holds the size.

    Where more memory than fits comes back in turn, the curve has an edge: all of it is read back below, and nothing
    above. A size within a MiB or two of it can be on either side.
    """
    rows = [one for one in curve if one["size"]["least"] - MIB <= limit <= one["size"]["most"] + MIB]
    told = [one["back_bytes_per_min"]["bytes"] / MIB for one in (row, *rows) if one["back_bytes_per_min"]]
    return min(told), max(told)


def near(one: dict[str, Any]) -> bool:
    """Within a factor of two, or what is nothing; what is suggested is the upper end of a size, so less may come."""
    least, most = one["span"]
    return bool((0.0 if one["suggested"] else least / NEAR - SLACK) <= one["came"] <= most * NEAR + SLACK)


def held_to(load: Load, curve: Sequence[dict[str, Any]], row: dict[str, Any], limit: int) -> dict[str, Any]:
    """What comes back when it is held to a size, and what was foreseen."""
    (MOUNT / load.name / "memory.high").write_text(str(limit))
    time.sleep(SETTLES_S)
    load.before = stat_numbers(load.path)
    began = time.monotonic()
    time.sleep(MEASURED_S)
    found = compared(load, row, limit, began, time.monotonic())
    middle = found["foreseen"][1]
    by_row = middle / NEAR - SLACK <= found["came"] <= middle * NEAR + SLACK
    return found | {"span": [round(end, 1) for end in span(curve, row, limit)], "within_2_of_its_row": by_row}


def proved(guest: Guest, name: str, *words: str) -> None:
    """Watch a load, hold it to three sizes, and compare."""
    mounted()
    zram(1 << 30)
    load = Load(name, chosen_words(name), guest.folder / name)
    load.start()
    try:
        wait(load.ready, 120, f"{name} is there")
        run = program.Background(
            guest.folder, "size", f"cgroup:{load.path}", *words, "--for", f"{WATCHED_S:g}s", "--json"
        )
        ended = run.wait(WATCHED_S + 200)
        assert ended.status == 0, ended.err
        found = json.loads(ended.out)
        rows, answer = chosen(found), found["answer"]
        charged = stat_numbers(load.path)
        guest.facts["charged_kib"] = {
            name: charged[name] >> 10 for name in ("anon", "file", "file_mapped", "shmem", "kernel")
        }
        guest.facts |= {
            "answer": answer and answer["seconds"],
            "memory_high_mib": answer and answer["memory_high"] // MIB,
            "held_mib": round(found["held_bytes"] / MIB),
            "curve": [curve_row(row) for row in found["curve"]],
        }
        assert len(rows) == SIZES, guest.facts
        results = [held_to(load, found["curve"], row, limit_of(row, answer)) for row in reversed(rows)]
        guest.facts |= {"held_to": results, "zram_bytes": Path("/sys/block/zram0/mm_stat").read_text().split()[:3]}
        wrong = [(one["idle_s"], one["span"], one["came"]) for one in results if not near(one)]
        assert not wrong, wrong
    finally:
        os.kill(load.pid, signal.SIGKILL)
        os.waitpid(load.pid, 0)


def curve_row(row: dict[str, Any]) -> list[Any]:
    """A row in MiB: seconds, size (least, found, most), back a minute."""
    back = row["back_bytes_per_min"]
    sizes = [round(row["size"][key] / MIB) for key in ("least", "bytes", "most")]
    return [row["seconds"], sizes, [round(back[key] / MIB, 1) for key in ("least", "bytes", "most")] if back else None]


WORDS = ("--via", "proc", "--budget", "25%")
"""A reading takes the guest's processor 50 ms: within the usual budget it would be made every 3 s."""


@check(limit=1800)
def what_is_steady_stays(guest: Guest) -> None:
    """Memory in use every 1, 6 and 22 s, held to three sizes of its curve, reads back what was foreseen, within 2"""
    proved(guest, "steady", *WORDS)


@check(limit=1800)
def what_drifts_comes_back(guest: Guest) -> None:
    """The same of a slow drift"""
    proved(guest, "drift", *WORDS)


@check(limit=1800)
def a_scan_once_in_a_while(guest: Guest) -> None:
    """The same of memory that is gone over every 35 s"""
    proved(guest, "scan", *WORDS)


@check(limit=1800)
def page_cache_beside_memory(guest: Guest) -> None:
    """The same of a file that is read every 9 s beside memory that is never used again"""
    proved(guest, "cache", *WORDS)
