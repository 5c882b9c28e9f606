"""The other targets on real kernels: physical memory by an own kdamond, a process through /proc; and doctor."""

from __future__ import annotations

import json
import signal
import statistics
from typing import Any

from tests.kernel.guest import Guest, check, program, system
from tests.kernel.guest.load import MIB, Area, Load, overlap
from tests.kernel.guest.stat import whole
from tests.kernel.guest.system import ADMIN, STAT, as_found, switch_stat, wait

AREAS = [Area("hot", 48 * MIB, 0.02), Area("cold", 400 * MIB, 0)]
PROCESS = [Area("hot", 32 * MIB, 0.05), Area("cold", 96 * MIB, 0)]


def free_damon() -> None:
    """No kdamond runs."""
    if STAT.exists():
        switch_stat(False)


def in_use(ranges: list[tuple[int, int]], snapshot: dict[str, Any]) -> float:
    """The share of the ranges' bytes that lies in regions with an access."""
    parts = overlap(ranges, snapshot["regions"])
    return sum(size for size, r in parts if r["nr_accesses"] > 0) / sum(end - start for start, end in ranges)


@check("7.2", "6.18", "6.12", limit=150)
def paddr_is_true(guest: Guest) -> None:
    """`snapshot paddr`: an own kdamond, auto-tuned on every kernel, sees the hot area in use and the cold one idle"""
    free_damon()
    with Load(AREAS, guest.folder) as load, as_found():
        ended = program.run(guest.folder, "snapshot", "paddr", "--json", "--count", "22", limit=120)
        physical = {name: load.physical(name) for name in load.areas}
    assert ended.status == 0, ended.err
    snapshots = [json.loads(line) for line in ended.out.splitlines()]
    assert len(snapshots) == 22
    for snapshot in snapshots:
        whole(snapshot)
    samples = [s["intervals"]["sample_us"] for s in snapshots]
    last = snapshots[-4:]
    hot = statistics.median(in_use(physical["hot"], s) for s in last)
    cold = statistics.median(in_use(physical["cold"], s) for s in last)
    guest.facts.update(
        hot_in_use=round(hot, 3), cold_in_use=round(cold, 3), sample_ms=[s // 1000 for s in samples[::3]]
    )
    assert max(samples) > 2 * samples[0], samples
    assert hot >= 0.8, [in_use(physical["hot"], s) for s in snapshots]
    assert cold <= 0.2, [in_use(physical["cold"], s) for s in snapshots]


@check("7.2", "6.18", limit=90)
def paddr_refuses_to_take_unasked(guest: Guest) -> None:
    """`snapshot paddr` while DAMON_STAT runs: one sentence that names it and --take; DAMON_STAT runs on"""
    if not system.stat_enabled():
        switch_stat(True)
    before = system.kdamonds()
    with as_found():
        ended = program.run(guest.folder, "snapshot", "paddr", "--json")
    guest.facts["says"] = ended.refused("DAMON_STAT", "--take")
    assert system.kdamonds() == before


@check("7.2", "6.18", limit=120)
def take_gives_back(guest: Guest) -> None:
    """`snapshot paddr --take`: DAMON_STAT is off meanwhile and on again after SIGTERM; no kdamond of ours is left"""
    if not system.stat_enabled():
        switch_stat(True)
    with as_found():
        run = program.Background(guest.folder, "snapshot", "paddr", "--take", "--json", "--count", "0")
        wait(run.lines, 60, "a snapshot")
        assert not system.stat_enabled() or (STAT / "enabled").read_text().strip() == "N"
        assert (ADMIN / "nr_kdamonds").read_text().strip() == "1"
        run.send(signal.SIGTERM)
        ended = run.wait(30)
    assert ended.status == 143, ended
    assert system.stat_enabled()


@check("7.2", "6.18", "6.12", limit=90)
def foreign_kdamond_is_untouched(guest: Guest) -> None:
    """`snapshot paddr` while another program's kdamond is set up: refused or beside it; that one runs on, unchanged"""
    free_damon()
    pid = system.start_kdamond()
    with as_found():
        ended = program.run(guest.folder, "snapshot", "paddr", "--json", limit=80)
    assert pid in system.kdamonds()
    assert int((ADMIN / "0/pid").read_text()) == pid
    assert (ADMIN / "0/state").read_text().strip() == "on"
    guest.facts["says"] = ended.refused("kdamond", str(pid))


@check("7.2", "6.18", "6.12", "6.1", limit=150)
def process_is_true(guest: Guest) -> None:
    """`snapshot PID` through /proc, on any kernel: the hot area is in use, the cold one idle; nothing is left behind"""
    with Load(PROCESS, guest.folder) as load, as_found():
        words = ("--via", "proc", "--json", "--count", "4", "--budget", "50%")
        ended = program.run(guest.folder, "snapshot", str(load.pid), *words, limit=120)
        ranges = {name: [(start, start + load.areas[name].size)] for name, start in load.addresses.items()}
    assert ended.status == 0, ended.err
    snapshots = [json.loads(line) for line in ended.out.splitlines()]
    assert len(snapshots) == 4
    assert all(s["origin"] == "process" and s["regions"] for s in snapshots)
    last = snapshots[1:]
    hot = statistics.median(in_use(ranges["hot"], s) for s in last)
    cold = statistics.median(in_use(ranges["cold"], s) for s in last)
    working_set = statistics.median(s["working_set_bytes"] for s in last)
    guest.facts.update(
        hot_in_use=round(hot, 3),
        cold_in_use=round(cold, 3),
        working_set_mib=round(working_set / MIB, 1),
        overhead_cpu=snapshots[-1]["overhead_cpu"],
    )
    assert hot >= 0.8, [in_use(ranges["hot"], s) for s in snapshots]
    assert cold <= 0.2, [in_use(ranges["cold"], s) for s in snapshots]


@check("7.2", "6.18", "6.17", "6.12", "6.1", limit=60)
def doctor_is_right(guest: Guest) -> None:
    """`doctor --json` tells what this kernel has, and who holds DAMON"""
    with as_found():
        ended = program.run(guest.folder, "doctor", "--json")
    assert ended.status == 0, ended.err
    said = json.loads(ended.out)
    release = tuple(int(n) for n in said["kernel"].split(".")[:2])
    features = {name: value["present"] for name, value in said["features"].items()}
    guest.facts["features"] = [name for name, present in features.items() if present]
    assert features["DAMON_STAT"] is (release >= (6, 17)), features
    assert features["DAMON"] is (release >= (6, 12)), features
    assert features["sysfs interface"] is (release >= (6, 12)), features
    # its files are there only while the tree holds a kdamond: "not known" is a right answer for an empty tree
    assert features["auto-tuned intervals"] in (None, release >= (6, 15)), features
    assert features["page monitor of /proc"] is True, features
    held = " ".join(said["holders"])
    assert all(str(pid) in held for pid in system.kdamonds()), (held, system.kdamonds())
