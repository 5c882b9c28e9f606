"""How small could it be, by `damontui size`, against what really comes back under the `memory.high` that it suggests.

Loads of known behaviour run in control groups, three copies of each, with the kernel's own zram as swap. The program
watches one copy of each; then each copy gets a size of the curve as its ``memory.high``, and the kernel counts what is
read back (``workingset_refault_anon`` and ``workingset_refault_file`` of ``memory.stat``). For guests whose clock is
hurried (`Vm`).
"""

from __future__ import annotations

import ctypes
import json
import os
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
WATCHED_S, SETTLES_S, MEASURED_S = 180.0, 40.0, 90.0
COPIES = 3
LOADS = {
    "steady": ("touch:24:1", "touch:24:6", "touch:24:22", "touch:32:0"),
    "drift": ("touch:16:1", "drift:96:24:1:1"),
    "scan": ("touch:32:1", "touch:64:35"),
    "cache": ("touch:16:1", "file:CACHE:24:9", "touch:24:0"),
}
"""steady: memory in use, some every 6 s, some every 22 s, some never. drift: 24 of 96 MiB in use, moving on by one each
second. scan: 64 MiB every 35 s. cache: a file, mapped, read every 9 s, and memory that is never used again."""
LONGEST_S = 30.0
"""Of longer idle times only the curve tells where bits are cleared every minute."""
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
    # swap that is memory is as near as a file: with the usual 60 page cache is taken though other memory is colder
    Path("/proc/sys/vm/swappiness").write_text("100")


@dataclass
class Copy:
    """One copy of a load, in a group of its own."""

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


def chosen_words(name: str, copy: int) -> list[str]:
    """The words of a load; each copy has a part of the file of its own, since pages are charged to who reads first."""
    return [word.replace("CACHE", f"{file_on_disk()}:{24 * copy}") for word in LOADS[name]]


def chosen(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Three rows of the curve: the answer, else the longest for which the bits are left alone, and two shorter ones."""
    answer = found["answer"] and found["answer"]["seconds"]
    told = [row for row in found["curve"] if row["seconds"] >= 2 and row["counted_over_s"] >= row["seconds"] * 0.98]
    upto = [row for row in told if row["seconds"] <= (LONGEST_S if answer is None else answer)]
    return upto[-COPIES:]


def limit_of(row: dict[str, Any], answer: dict[str, Any] | None) -> int:
    """Bytes for ``memory.high``: what the program suggests for its answer, and of other rows the size."""
    if answer is not None and row["seconds"] == answer["seconds"]:
        return int(answer["memory_high"])
    return size_of(row)


def size_of(row: dict[str, Any]) -> int:
    """Its size in whole MiB, in bytes."""
    return -(-int(row["size"]["bytes"]) // MIB) * MIB


def compared(copy: Copy, row: dict[str, Any], limit: int, began: float, ended: float) -> dict[str, Any]:
    """What was read back a minute beside what was foreseen, MiB, and how the load got on."""
    now = stat_numbers(copy.path)
    minutes = (ended - began) / 60
    rounds = copy.rounds(began, ended)
    late = [over - due for _, due, over in rounds]
    foreseen = {key: row["back_bytes_per_min"][key] / MIB for key in ("least", "bytes", "most")}
    return {
        "idle_s": row["seconds"],
        "high_mib": limit // MIB,
        "suggested": limit != size_of(row),
        "foreseen": [round(one, 1) for one in foreseen.values()],
        "came": round((refaults(now) - refaults(copy.before)) / minutes / MIB, 1),
        "charged_mib": round((now["anon"] + now["file"]) / MIB, 1),
        "rounds": len(rounds),
        "late_s": [round(sum(late) / max(1, len(late)), 3), round(max(late, default=0.0), 2)],
    }


def near(one: dict[str, Any]) -> bool:
    """Within a factor of two, or what is nothing; what is suggested is the upper end of a size, so less may come."""
    foreseen, came = one["foreseen"][1], one["came"]
    least = 0.0 if one["suggested"] else foreseen / NEAR - SLACK
    return bool(least <= came <= foreseen * NEAR + SLACK)


def curves(guest: Guest, copies: dict[str, list[Copy]], words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What `size` says of the first copy of each load, all watched at once."""
    runs = {
        name: program.Background(
            guest.folder, "size", f"cgroup:{some[0].path}", *words, "--for", f"{WATCHED_S:g}s", "--json"
        )
        for name, some in copies.items()
    }
    found = {}
    for name, run in runs.items():
        ended = run.wait(WATCHED_S + 200)
        assert ended.status == 0, ended.err
        found[name] = json.loads(ended.out)
    return found


def proved(guest: Guest, names: Sequence[str], *words: str) -> None:
    """Watch a copy of each load, hold three copies of it to three sizes, and compare."""
    mounted()
    zram(1 << 30)
    copies = {
        name: [Copy(f"{name}-{at}", chosen_words(name, at), guest.folder / f"{name}-{at}") for at in range(COPIES)]
        for name in names
    }
    for some in copies.values():
        some[0].start()
    wait(lambda: all(some[0].ready() for some in copies.values()), 120, "the loads are there")
    held: list[tuple[Copy, dict[str, Any], int]] = []
    for name, found in curves(guest, copies, words).items():
        rows, answer = chosen(found), found["answer"]
        guest.facts[name] = {
            "answer": answer and answer["seconds"],
            "memory_high_mib": answer and answer["memory_high"] // MIB,
            "held_mib": round(found["held_bytes"] / MIB),
            "curve": [curve_row(row) for row in found["curve"]],
        }
        assert len(rows) == COPIES, guest.facts[name]
        held += [(copy, row, limit_of(row, answer)) for copy, row in zip(copies[name], rows, strict=True)]
        for copy in copies[name][1:]:
            copy.start()
    wait(lambda: all(copy.ready() for copy, _, _ in held), 120, "all copies are there")
    for copy, _, limit in held:
        (MOUNT / copy.name / "memory.high").write_text(str(limit))
    time.sleep(SETTLES_S)
    for copy, _, _ in held:
        copy.before = stat_numbers(copy.path)
    began = time.monotonic()
    time.sleep(MEASURED_S)
    ended = time.monotonic()
    found_all = {copy.name: compared(copy, row, limit, began, ended) for copy, row, limit in held}
    guest.facts.update(found_all, zram_bytes=Path("/sys/block/zram0/mm_stat").read_text().split()[:3])
    assert all(near(one) for one in found_all.values()), {
        name: (one["foreseen"], one["came"]) for name, one in found_all.items() if not near(one)
    }


def curve_row(row: dict[str, Any]) -> list[Any]:
    """A row in MiB: seconds, size (least, found, most), back a minute."""
    back = row["back_bytes_per_min"]
    sizes = [round(row["size"][key] / MIB) for key in ("least", "bytes", "most")]
    return [row["seconds"], sizes, [round(back[key] / MIB, 1) for key in ("least", "bytes", "most")] if back else None]


@check(limit=1000)
def what_drifts_comes_back(guest: Guest) -> None:
    """A slow drift, held to three sizes of its curve, reads back what was foreseen, within a factor of 2"""
    proved(guest, ("drift",), "--via", "proc")


@check(limit=1500)
def every_load_on_request(guest: Guest) -> None:
    """The same of all four loads"""
    proved(guest, tuple(LOADS), "--via", "proc")
