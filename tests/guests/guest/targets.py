"""The other targets on real kernels: physical memory by an own kdamond, a process through /proc; and doctor."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.guests.guest import Guest, check, pace, program, system
from tests.guests.guest.load import MIB, Area, Load, overlap
from tests.guests.guest.program import Terminal
from tests.guests.guest.stat import whole
from tests.guests.guest.system import ADMIN, STAT, TRACING, as_found, switch_stat, wait

NOTE = Path("/run/damontui.json")
STEADY = ("--sample", "20ms", "--aggr", "400ms", "--no-autotune", "--min-regions", "60")
"""Aggregations that an emulated program keeps up with, and small regions from the start: areas are found soon."""

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


@check("7.2", "6.18", "6.12", limit=150, early=True)
def paddr_is_true(guest: Guest) -> None:
    """`snapshot paddr`: an own kdamond, auto-tuned on every kernel, sees the hot area in use and the cold one idle"""
    free_damon()
    with Load(AREAS, guest.folder) as load, as_found():
        ended = program.run(guest.folder, "snapshot", "paddr", "--json", "--now", "--count", "22", limit=120)
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


@check("7.2", "6.18", "6.12", limit=150)
def process_by_damon_is_true(guest: Guest) -> None:
    """`snapshot PID --via damon --children`, with --take where DAMON_STAT holds DAMON: truth, names, cold for long"""
    take = ["--take"] if STAT.exists() else []
    if STAT.exists() and not system.stat_enabled():
        switch_stat(True)
    count = 16
    with Load(PROCESS, guest.folder, parent=True) as load, as_found():
        words = ("--via", "damon", "--children", *take, "--json", "--now", "--count", str(count))
        ended = program.run(guest.folder, "snapshot", str(load.pid), *words, *STEADY, limit=120)
        ranges = {name: load.virtual(name) for name in load.areas}
    assert ended.status == 0, ended.err
    snapshots = [json.loads(line) for line in ended.out.splitlines()]
    assert len(snapshots) == count
    for snapshot in snapshots:
        assert snapshot["origin"] == "kernel"
        assert snapshot["complete"], snapshot["note"]
        assert snapshot["targets"] == [load.pid, load.worker], snapshot["targets"]
        assert {r["target"] for r in snapshot["regions"]} == {load.pid, load.worker}
    ours = [{**s, "regions": [r for r in s["regions"] if r["target"] == load.worker]} for s in snapshots]
    hot = statistics.median(in_use(ranges["hot"], s) for s in ours[count // 2 :])
    cold = statistics.median(in_use(ranges["cold"], s) for s in ours[count // 2 :])
    last = ours[-1]
    named = sum(size for size, r in overlap(sorted(ranges["hot"] + ranges["cold"]), last["regions"]) if r.get("name"))
    idle = [(r["age"], size) for size, r in overlap(ranges["cold"], last["regions"]) if r["nr_accesses"] == 0]
    cold_for = sum(age * size for age, size in idle) / sum(size for _, size in idle)
    names = {r["name"] for s in snapshots for r in s["regions"] if r.get("name")}
    guest.facts.update(
        hot_in_use=round(hot, 3),
        cold_in_use=round(cold, 3),
        working_set_mib=round(statistics.median(s["working_set_bytes"] for s in snapshots[count // 2 :]) / MIB, 1),
        cold_aggregations=round(cold_for, 1),
        names=len(names),
    )
    assert hot >= 0.8, [in_use(ranges["hot"], s) for s in ours]
    assert cold <= 0.2, [in_use(ranges["cold"], s) for s in ours]
    assert named >= 0.95 * sum(area.size for area in PROCESS), (named, names)
    assert any("python" in name for name in names), names
    assert "[stack]" in names, names
    # merging with what was in use a moment ago averages ages down
    assert 0.3 * count <= cold_for <= count + 1, idle


@check("7.2", "6.18", limit=150)
def process_by_damon_is_of_memory(guest: Guest) -> None:
    """`snapshot PID --via damon`: totals are what is resident, as /proc has them; nothing lies in a hole"""
    free_damon()
    with Load(PROCESS, guest.folder) as load, as_found():
        words = ("--json", "--now", "--count", "4")
        ended = program.run(guest.folder, "snapshot", str(load.pid), "--via", "damon", *words, *STEADY, limit=90)
        resident, mapped = rss(load.pid), mappings(load.pid)
    assert ended.status == 0, ended.err
    last = json.loads(ended.out.splitlines()[-1])
    regions = last["regions"]
    guest.facts.update(
        total_mib=round(last["total_bytes"] / MIB, 1),
        rss_mib=round(resident / MIB, 1),
        mapped_mib=round(last["mapped_bytes"] / MIB, 1),
        range_mib=round((regions[-1]["end"] - regions[0]["start"]) / MIB),
    )
    assert abs(last["total_bytes"] - resident) <= 0.03 * resident, (last["total_bytes"], resident)
    assert sum(r["resident"] for r in regions) == last["total_bytes"]
    assert all(r["resident"] <= r["end"] - r["start"] for r in regions)
    covered = sum(max(0, min(r["end"], high) - max(r["start"], low)) for r in regions for low, high in mapped)
    assert covered >= 0.99 * last["mapped_bytes"], (covered, last["mapped_bytes"])
    assert last["mapped_bytes"] <= sum(high - low for low, high in mapped) * 1.01


@check("7.2", "6.18", limit=200)
def two_ways_to_a_process_agree(guest: Guest) -> None:
    """One process through /proc and by DAMON, side by side: the same memory, the same hot bytes; DAMON knows where"""
    free_damon()
    with Load(PROCESS, guest.folder) as load, as_found():
        words = ("--json", "--now", "--budget", "50%", "--count")
        proc = program.run(guest.folder, "snapshot", str(load.pid), "--via", "proc", *words, "4", limit=90)
        damon = program.run(guest.folder, "snapshot", str(load.pid), "--via", "damon", *words, "12", *STEADY, limit=90)
        ranges = {name: load.virtual(name) for name in load.areas}
    assert proc.status == damon.status == 0, proc.err + damon.err
    counted, looked = (json.loads(one.out.splitlines()[-1]) for one in (proc, damon))
    hot, cold = (sum(end - start for start, end in ranges[name]) for name in ("hot", "cold"))
    by_damon = [json.loads(line) for line in damon.out.splitlines()[6:]]
    known = {name: statistics.median(in_use(ranges[name], one) for one in by_damon) for name in ("hot", "cold")}
    used = counted["working_set_bytes"]
    guest.facts.update(
        proc_total_mib=round(counted["total_bytes"] / MIB, 1),
        damon_total_mib=round(looked["total_bytes"] / MIB, 1),
        proc_used_mib=round(used / MIB, 1),
        damon_hot=round(known["hot"], 3),
        damon_cold=round(known["cold"], 3),
    )
    assert abs(counted["total_bytes"] - looked["total_bytes"]) <= 0.03 * counted["total_bytes"]
    # beside the areas there is an interpreter that runs
    assert 0.95 * hot <= used <= 1.05 * hot + 16 * MIB, (used, hot)
    assert counted["total_bytes"] - used >= 0.97 * cold
    assert known["hot"] >= 0.8, known
    assert known["cold"] <= 0.2, known


def rss(pid: int) -> int:
    """Resident bytes of a process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Rss:"))


def mappings(pid: int) -> list[tuple[int, int]]:
    """What is mapped in a process."""
    found = [line.split()[0].split("-") for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return [(int(start, 16), int(end, 16)) for start, end in found]


@check("7.2", "6.12", limit=150, early=True)
def without_tracefs_regions_come_from_sysfs(guest: Guest) -> None:
    """tracefs not mounted: physical memory and a process through tried_regions, as true, and the reason is said"""
    free_damon()
    subprocess.run(["umount", str(TRACING)], check=True)
    with Load(PROCESS, guest.folder) as load, as_found():
        common = ("--json", "--now", "--count", "14", *STEADY)
        for word, place in ((str(load.pid), load.virtual), ("paddr", load.physical)):
            more = ("--via", "damon") if word != "paddr" else ()
            ended = program.run(guest.folder, "snapshot", word, *more, *common, limit=60)
            assert ended.status == 0, ended.err
            snapshots = [json.loads(line) for line in ended.out.splitlines()]
            assert len(snapshots) == 14
            for snapshot in snapshots:
                assert "tried_regions" in snapshot["note"], snapshot["note"]
                assert "tracefs is not mounted" in snapshot["note"], snapshot["note"]
            hot, cold = (statistics.median(in_use(place(name), s) for s in snapshots[-4:]) for name in ("hot", "cold"))
            guest.facts["paddr" if word == "paddr" else "PID"] = {
                "hot_in_use": round(hot, 3),
                "cold_in_use": round(cold, 3),
            }
            assert hot >= 0.8, (word, [in_use(place("hot"), s) for s in snapshots])
            assert cold <= 0.2, (word, [in_use(place("cold"), s) for s in snapshots])


@check("7.2", "6.18", "6.12", limit=120)
def foreign_kdamond_is_untouched(guest: Guest) -> None:
    """Another program's kdamond runs: paddr is refused, --take or not; kdamond:PID shows it; it runs on, unchanged"""
    free_damon()
    pid = system.start_kdamond()
    with as_found() as before:
        assert before["0/pid"] == str(pid)
        assert before["0/state"] == "on"
        for words in (("paddr",), ("paddr", "--take")):
            ended = program.run(guest.folder, "snapshot", *words, "--json")
            guest.facts["says"] = ended.refused("kdamond", str(pid))
        watched = program.run(guest.folder, "snapshot", f"kdamond:{pid}", "--json", "--now", "--count", "4")
    assert watched.status == 0, watched.err
    for line in watched.out.splitlines():
        snapshot = json.loads(line)
        whole(snapshot)
        assert snapshot["intervals"]["aggr_us"] == 200_000
        assert snapshot["regions"][0]["start"] == 64 << 20
        assert snapshot["regions"][-1]["end"] == 256 << 20
    assert len(watched.out.splitlines()) == 4


@check("7.2", "6.18", "6.17", limit=120)
def damon_stat_is_watched_by_its_kdamond(guest: Guest) -> None:
    """`snapshot kdamond:PID` of DAMON_STAT's own kdamond: its regions; a PID that is no kdamond is refused"""
    switch_stat(False)
    switch_stat(True)
    (pid,) = system.kdamonds()
    with as_found():
        ended = program.run(guest.folder, "snapshot", f"kdamond:{pid}", "--json", "--now", "--count", "4")
        refused = program.run(guest.folder, "snapshot", "kdamond:1", "--json")
    assert ended.status == 0, ended.err
    assert len(ended.out.splitlines()) == 4
    for line in ended.out.splitlines():
        whole(json.loads(line))
    assert (pid,) == tuple(system.kdamonds())
    guest.facts["says"] = refused.refused("no kdamond", str(pid))


# DAMON_STAT taken and given back


@contextlib.contextmanager
def taken() -> Iterator[None]:
    """DAMON_STAT runs, and again at the end; nothing is left to give back."""
    if not system.stat_enabled():
        switch_stat(True)
    with as_found():
        yield
    assert system.stat_enabled()
    assert not NOTE.exists()
    assert (ADMIN / "nr_kdamonds").read_text().strip() == "0"


def is_taken() -> None:
    """DAMON_STAT is off, one kdamond of the program's runs."""
    assert (STAT / "enabled").read_text().strip() == "N"
    assert (ADMIN / "nr_kdamonds").read_text().strip() == "1"
    assert len(system.kdamonds()) == 1
    assert NOTE.exists()


def _headless(number: signal.Signals) -> Callable[[Guest], None]:
    def ending(guest: Guest) -> None:
        with taken():
            run = program.Background(guest.folder, "snapshot", "paddr", "--take", "--json", "--now", "--count", "0")
            wait(run.lines, 60, "a snapshot")
            is_taken()
            run.send(number)
            ended = run.wait(30)
        assert ended.status == 128 + number, ended
        assert not ended.err.strip(), ended.err

    ending.__name__ = f"take_ends_by_{number.name}"
    ending.__doc__ = f"{number.name} to `snapshot paddr --take`: DAMON_STAT is given back, no kdamond of ours is left"
    return ending


for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    check("7.2", "6.18")(_headless(_number))


@check("7.2", "6.18")
def take_ends_by_itself(guest: Guest) -> None:
    """`snapshot paddr --take` to its end, and with a reader that goes away: DAMON_STAT is given back both times"""
    with taken():
        ended = program.run(guest.folder, "snapshot", "paddr", "--take", "--json")
    assert ended.status == 0, ended.err
    whole(json.loads(ended.out))
    with taken():
        run, reading = program.piped(guest.folder, "snapshot", "paddr", "--take", "--json", "--now", "--count", "0")
        assert os.read(reading, 1)
        is_taken()
        os.close(reading)
        ended = run.wait(30)
    assert ended.status == 0, ended
    assert not ended.err.strip(), ended.err


def _screen(name: str, title: str, act: Callable[[Terminal], None], *statuses: int) -> None:
    def ending(guest: Guest) -> None:
        with taken(), Terminal(guest.folder, "paddr", "--take") as terminal:
            terminal.until("LIVE", limit=60)
            is_taken()
            act(terminal)
            status = terminal.wait(30)
            assert status in statuses, f"exit status {status}, not one of {statuses}"
            assert "Traceback" not in terminal.everything

    ending.__name__ = f"taken_on_screen_ends_by_{name}"
    ending.__doc__ = f"{title} on the screen of `paddr --take`: DAMON_STAT is given back, nothing is left"
    check("7.2", "6.18", limit=120)(ending)


_screen("q", "`q`", lambda terminal: terminal.keys("q"), 0)
_screen("ctrl_c", "Ctrl-C", lambda terminal: terminal.keys("\x03"), 130)
_screen("sigterm", "SIGTERM", lambda terminal: terminal.send(signal.SIGTERM), 143)
_screen("sighup", "SIGHUP", lambda terminal: terminal.send(signal.SIGHUP), 129)
_screen("terminal_closed", "The terminal's end", lambda terminal: terminal.hang_up(), 129, 0, 1)


@check("7.2", "6.18", limit=120)
def killed_take_is_given_back(guest: Guest) -> None:
    """kill −9 of a run that took DAMON_STAT: the next, without --take, says so, works and gives DAMON_STAT back"""
    with taken():
        run = program.Background(guest.folder, "snapshot", "paddr", "--take", "--json", "--now", "--count", "0")
        wait(run.lines, 60, "a snapshot")
        run.send(signal.SIGKILL)
        assert run.wait(10).status == -signal.SIGKILL
        is_taken()
        left = system.kdamonds()
        stat = program.run(guest.folder, "snapshot", "stat", "--json")
        guest.facts["stat_says"] = stat.refused("killed", "DAMON_STAT", "doctor --give-back")
        watched = program.run(guest.folder, "snapshot", f"kdamond:{next(iter(left))}", "--now")
        assert watched.status == 0, watched.err
        assert "an earlier run of this program" in watched.out, watched.out
        assert system.kdamonds() == left
        ended = program.run(guest.folder, "snapshot", "paddr", "--json", "--now", "--count", "2")
        assert ended.status == 0, ended.err
        for line in ended.out.splitlines():
            whole(json.loads(line))
        assert "killed" in ended.err, ended.err
        assert "DAMON_STAT" in ended.err, ended.err
        assert len(ended.err.strip().splitlines()) == 1, ended.err
        guest.facts["says"] = ended.err.strip()


@check("7.2", "6.18", limit=120)
def killed_take_is_given_back_by_the_command(guest: Guest) -> None:
    """kill −9 of a run that took DAMON_STAT: doctor knows it as ours; `doctor --give-back` gives everything back"""
    with taken():
        run = program.Background(guest.folder, "snapshot", "paddr", "--take", "--json", "--now", "--count", "0")
        wait(run.lines, 60, "a snapshot")
        run.send(signal.SIGKILL)
        assert run.wait(10).status == -signal.SIGKILL
        is_taken()
        (pid,) = system.kdamonds()
        found = json.loads(program.run(guest.folder, "doctor", "--json").out)
        assert f"a kdamond (PID {pid})" in found["left_behind"], found["left_behind"]
        assert "DAMON_STAT switched off" in found["left_behind"], found["left_behind"]
        assert "the trace instance damontui-" in found["left_behind"], found["left_behind"]
        assert found["give_back"].endswith("doctor --give-back")
        said = program.run(guest.folder, "doctor").out
        assert "somebody else" not in said, said
        ended = program.run(guest.folder, "doctor", "--give-back")
        assert ended.status == 0, ended.err
        guest.facts["given_back"] = ended.out.splitlines()
        assert len(ended.out.splitlines()) == 3, ended.out
        assert json.loads(program.run(guest.folder, "doctor", "--json").out)["left_behind"] is None


@check("7.2", "6.18", limit=150)
def what_ended_after_a_kill_is_given_back(guest: Guest) -> None:
    """kill −9 of a run whose kdamond then ends with its process: doctor knows it as ours, and gives back"""
    free_damon()
    with as_found():
        with Load(PROCESS, guest.folder) as load:
            words = ("--via", "damon", "--json", "--now", "--count", "0")
            run = program.Background(guest.folder, "snapshot", str(load.pid), *words, *STEADY)
            wait(run.lines, 60, "a snapshot")
            (pid,) = system.kdamonds()
            run.send(signal.SIGKILL)
            assert run.wait(10).status == -signal.SIGKILL
        wait(lambda: not system.kdamonds(), 60, "the end of the kdamond")
        assert (ADMIN / "nr_kdamonds").read_text().strip() == "1"
        found = json.loads(program.run(guest.folder, "doctor", "--json").out)
        assert f"a kdamond (PID {pid}, which has ended)" in (found["left_behind"] or ""), found["left_behind"]
        said = program.run(guest.folder, "doctor").out
        assert "somebody else" not in said, said
        ended = program.run(guest.folder, "doctor", "--give-back")
        assert ended.status == 0, ended.err
        guest.facts["given_back"] = ended.out.splitlines()
        assert (ADMIN / "nr_kdamonds").read_text().strip() == "0"
        assert not NOTE.exists()


@check("7.2", "6.18", limit=120)
def killed_take_is_given_back_by_the_switch(guest: Guest) -> None:
    """kill −9 of a run that took DAMON_STAT: the screen of `stat` says so, and `e` gives DAMON_STAT back"""
    with taken():
        run = program.Background(guest.folder, "snapshot", "paddr", "--take", "--json", "--now", "--count", "0")
        wait(run.lines, 60, "a snapshot")
        run.send(signal.SIGKILL)
        assert run.wait(10).status == -signal.SIGKILL
        with Terminal(guest.folder, "stat") as terminal:
            terminal.until("killed", limit=60)
            guest.facts["screen"] = [line.strip() for line in terminal.screen.splitlines() if "killed" in line]
            terminal.keys("e")
            terminal.until("LIVE", limit=60)
            terminal.keys("q")
            assert terminal.wait() == 0


@check("7.2", "6.18", "6.12", "6.1", limit=150)
def process_is_true(guest: Guest) -> None:
    """`snapshot PID` through /proc, on any kernel: the hot area is in use, the cold one idle; nothing is left behind"""
    with Load(PROCESS, guest.folder) as load, as_found():
        words = ("--via", "proc", "--json", "--count", "4", "--budget", "50%")
        ended = program.run(guest.folder, "snapshot", str(load.pid), *words, limit=120)
        ranges = {name: load.virtual(name) for name in load.areas}
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
    assert features["what memory is made of (/proc/kpageflags)"] is Path("/proc/kpageflags").exists(), features
    assert features["whose memory it is (/proc/kpagecgroup)"] is Path("/proc/kpagecgroup").exists(), features
    files = {file["path"]: file["readable"] for file in said["files"]}
    assert files["/proc/kpageflags"], "a guest is root, and its kernel has CONFIG_PROC_PAGE_MONITOR"
    held = " ".join(said["holders"])
    assert all(str(pid) in held for pid in system.kdamonds()), (held, system.kdamonds())


BUSY = """
import time
memory = bytearray(48 << 20)
for _ in range(200):
    memory[::4096] = bytes(12288)
    time.sleep(0.05)
print("done", flush=True)
raise SystemExit(7)
"""


@check("6.17", "6.1", limit=120)
def run_starts_and_watches(guest: Guest) -> None:
    """`run -- COMMAND`: its memory in use as JSON, its output, its exit status; signals reach it; the screen closes"""
    python = (sys.executable, "-S", "-E")
    with as_found():
        words = ("run", "--json", "--budget", "50%", "--sample", "200ms", "--aggr", "1s", "--no-autotune", "--")
        ended = program.run(guest.folder, *words, *python, "-c", BUSY, limit=90)
        begun = guest.folder / "begun"
        asleep = program.Background(guest.folder, "run", "--json", "--", "sh", "-c", f"echo >{begun}; exec sleep 1000")
        wait(begun.exists, 30, "the command's start")
        asleep.send(signal.SIGTERM)
        terminated = asleep.wait(30)
        with Terminal(guest.folder, "run", "--close", "--", "sh", "-c", "echo HELLO; sleep 4; exit 3") as terminal:
            terminal.until("HELLO", limit=60)
            on_screen = terminal.wait(30)
    assert ended.status == 7, ended.err
    assert ended.err.strip() == "done", ended.err
    snapshots = [json.loads(line) for line in ended.out.splitlines()]
    working_sets = sorted(s["working_set_bytes"] for s in snapshots)
    guest.facts.update(snapshots=len(snapshots), working_set_mib=[round(size / MIB, 1) for size in working_sets])
    assert all(s["target"] == "run" and s["origin"] == "process" for s in snapshots)
    assert 0.8 * 48 * MIB <= working_sets[len(working_sets) // 2] <= 1.5 * 48 * MIB, working_sets
    assert terminated.status == 143, terminated
    assert on_screen == 3


@check("7.2", "6.18", "6.17", limit=150)
def record_says_what_was_seen(guest: Guest) -> None:
    """`record stat` beside `snapshot stat --json`: replayed on the host, the record has the same numbers"""
    switch_stat(False)
    switch_stat(True)
    file = guest.folder / "stat.damontui"
    with as_found():
        live = program.Background(guest.folder, "snapshot", "stat", "--json", "--now", "--count", "0")
        wait(live.lines, 60, "a snapshot")
        ended = program.run(
            guest.folder, "record", "stat", "--for", f"{pace.patient(30):.0f}", "-o", str(file), limit=120
        )
        count = len(live.lines())
        wait(lambda: len(live.lines()) > count, 60, "one more snapshot, after the last that was recorded")
        live.send(signal.SIGTERM)
        seen = live.wait(30)
    assert ended.status == 0, ended.err
    assert file.stat().st_mode & 0o777 == 0o600
    guest.facts["says"] = ended.err.strip()
    guest.files["record"] = file.read_bytes()
    guest.files["live"] = seen.out.encode()
