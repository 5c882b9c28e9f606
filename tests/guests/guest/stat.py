"""DAMON_STAT by the command line: what ``snapshot stat`` says is compared with a load of known truth."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.guests.guest import Guest, check, pace, program, system
from tests.guests.guest.load import MIB, Area, Load, overlap
from tests.guests.guest.system import as_found, switch_stat, wait

AREAS = [Area("hot", 48 * MIB, 0.02), Area("cold", 640 * MIB, 0)]
"""The hot area is 2.3 % of the guest: under the goal of 4 %, so that tuning lengthens the intervals."""
COUNT = 20
"""Aggregations of one measurement: six tuning steps, from 0.1 s to some seconds."""
BANDWIDTH_FACTOR = 1.6
"""How far the estimate may be from the truth: regions are borders drawn by chance, and the program itself runs too."""
NOBODY = 65534


def measured() -> dict[str, Any]:
    """One measurement for several checks, made by the first that asks: snapshots, touches, where the areas lie."""
    kept = system.KEPT / "measured.json"
    system.KEPT.mkdir(exist_ok=True)
    if not kept.exists():
        kept.write_text("null")  # where it fails, only the first check waits for it
        folder = system.KEPT
        with Load(AREAS, folder) as load:
            switch_stat(False)
            switch_stat(True)  # afresh: the kernel's intervals have grown long since it booted
            with as_found():
                ended = program.run(folder, "snapshot", "stat", "--json", "--now", "--count", str(COUNT), limit=150)
            assert ended.status == 0, f"exit status {ended.status}: {ended.err}"
            answer = {
                "snapshots": ended.snapshots(),
                "err": ended.err,
                "touches": load.touches(),
                "physical": {name: load.physical(name) for name in load.areas},
                "sizes": {name: area.size for name, area in load.areas.items()},
            }
        kept.write_text(json.dumps(answer))
    found: dict[str, Any] | None = json.loads(kept.read_text())
    assert found is not None, "the measurement failed in the first check that asked for it"
    return found


def whole(snapshot: dict[str, Any]) -> None:
    """What holds for every snapshot with regions."""
    regions = snapshot["regions"]
    assert snapshot["schema"] == 1
    assert snapshot["origin"] == "kernel"
    assert regions, snapshot["note"]
    assert all(a["end"] <= b["start"] for a, b in itertools.pairwise(regions)), regions
    assert all(r["end"] > r["start"] and r["nr_accesses"] >= 0 and r["age"] >= 0 for r in regions), regions
    assert sum(r["end"] - r["start"] for r in regions) == snapshot["total_bytes"]
    percentiles = snapshot["idle_ms_percentiles"]
    assert len(percentiles) == 101
    assert percentiles == sorted(percentiles)


@check("7.2", "6.18", limit=240, early=True)
def snapshot_is_whole(guest: Guest) -> None:
    """`snapshot stat --json --count N` prints N whole aggregations of the machine's memory, and leaves it as found"""
    found = measured()
    snapshots = found["snapshots"]
    assert len(snapshots) in (COUNT, COUNT - 1)
    for snapshot in snapshots:
        whole(snapshot)
        assert snapshot["complete"], snapshot["note"]
        assert snapshot["target"] == "stat"
        assert snapshot["kernel"]["enabled"]
    times = [s["time"] for s in snapshots]
    assert times == sorted(times)
    ram = sum(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()[:1]) * 1024
    assert snapshots[-1]["total_bytes"] > 0.9 * ram, (snapshots[-1]["total_bytes"], ram)
    assert not found["err"], found["err"]
    shares = [s["overhead_cpu"] for s in snapshots]
    assert all(0 <= share < 1 for share in shares if share is not None), shares
    assert 0 < shares[-1] < 1, shares  # unknown at first, while it has watched the kdamond for less than a second
    guest.facts.update(
        seconds=round(times[-1] - times[0], 1),
        regions=len(snapshots[-1]["regions"]),
        overhead_cpu=snapshots[-1]["overhead_cpu"],
    )


@check("7.2", "6.18", limit=240, early=True)
def intervals_are_tuned(guest: Guest) -> None:
    """The intervals change by tuning steps only; those before the first step that it saw are called estimates"""
    everything = measured()["snapshots"]
    estimates = ["estimate" in s["note"] for s in everything]
    assert sum(estimates) <= 3, estimates
    assert estimates == sorted(estimates, reverse=True), estimates
    snapshots = everything[sum(estimates) :]
    samples = [s["intervals"]["sample_us"] for s in snapshots]
    assert all(s["intervals"]["aggr_us"] == 20 * s["intervals"]["sample_us"] for s in snapshots)
    assert all(not s["note"] for s in snapshots), [s["note"] for s in snapshots]
    assert snapshots[0]["goal"] == {"access_bp": 400, "aggrs": 3, "min_sample_us": 5000, "max_sample_us": 10_000_000}
    # a few steps, each at most a doubling of 5 ms, passed before it could read
    assert samples[0] <= pace.patient(160_000), samples
    assert max(samples) > 2 * min(samples[0], 40_000), samples
    for before, after in itertools.pairwise(samples):
        assert 0.5 <= after / before <= 2.001, samples  # one step at most doubles or halves
    spans = []
    for a, b in itertools.pairwise(snapshots):
        assert a["next_intervals"] == b["intervals"], (a["next_intervals"], b["intervals"])
        spans.append((b["time"] - a["time"]) / (b["intervals"]["aggr_us"] / 1e6))
    # an aggregation takes as long as its intervals say, or longer: how much longer is the emulation's, and only told
    assert min(spans) >= 0.9, spans
    last = snapshots[-1]
    # the module's file is as of its last refresh, 5 s ago at most, which waits for a sample to end
    recent = [s for s in snapshots if s["time"] > last["time"] - 7]
    told = {s[name]["aggr_us"] for s in recent for name in ("intervals", "next_intervals")}
    assert last["kernel"]["aggr_interval_us"] in told, (last["kernel"]["aggr_interval_us"], told)
    guest.facts.update(
        sample_ms=[round(s / 1000, 1) for s in samples[::4]],
        observed_bp=last["observed_access_bp"],
        took_times_its_length=round(statistics.median(spans), 2),
    )


def late(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The snapshots of aggregations of 700 ms or more: regions have found the areas by then."""
    last = [s for s in found["snapshots"][COUNT // 2 :] if s["intervals"]["aggr_us"] >= 700_000]
    assert len(last) >= 3, [s["intervals"]["aggr_us"] for s in found["snapshots"]]
    return last


@check("7.2", "6.18", limit=240, early=True)
def hot_memory_is_seen_in_use(guest: Guest) -> None:
    """Of an area that is always in use, at least 80 % of the physical bytes are seen in use"""
    found = measured()
    assert sum(b - a for a, b in found["physical"]["hot"]) == found["sizes"]["hot"]
    shares, working_sets = [], []
    for snapshot in late(found):
        parts = overlap(found["physical"]["hot"], snapshot["regions"])
        shares.append(sum(size for size, r in parts if r["nr_accesses"] > 0) / found["sizes"]["hot"])
        working_sets.append(snapshot["working_set_bytes"])
    guest.facts.update(share=round(statistics.median(shares), 3), working_set_mib=statistics.median(working_sets) / MIB)
    assert statistics.median(shares) >= 0.8, shares
    # and not by calling everything hot: everything else that runs in the guest is small
    assert statistics.median(working_sets) < 4 * found["sizes"]["hot"], working_sets


@check("7.2", "6.18", limit=240, early=True)
def cold_memory_is_seen_idle(guest: Guest) -> None:
    """Of an area that is never touched again, at least 80 % is seen idle, for as long as it is or was watched"""
    found = measured()
    snapshot = late(found)[-1]
    parts = overlap(found["physical"]["cold"], snapshot["regions"])
    covered = sum(size for size, _ in parts)
    assert covered > 0.95 * found["sizes"]["cold"], covered
    idle = [(size, r) for size, r in parts if r["nr_accesses"] == 0]
    share = sum(size for size, _ in idle) / covered
    watched = snapshot["time"] - found["snapshots"][0]["began"]
    aggr = snapshot["next_intervals"]["aggr_us"] / 1e6
    times = sorted(((r["age"] + 1) * aggr, size) for size, r in idle)
    half = sum(size for _, size in times) / 2
    median = next(t for i, (t, _) in enumerate(times) if sum(s for _, s in times[: i + 1]) >= half)
    guest.facts.update(share=round(share, 3), idle_s=round(median, 1), watched_s=round(watched, 1))
    assert share >= 0.8, share
    # merging averages ages down and a tuning step rounds them, so less is seen than is true, never much more
    assert 0.3 * watched <= median <= watched + 2 * aggr, (median, watched, aggr)


@check("7.2", "6.18", limit=240, early=True)
def bandwidth_is_true(guest: Guest) -> None:
    """The bandwidth of whole aggregations is within a factor of 1.6 of the truth; the module's own stands beside it"""
    found = measured()
    ratios, own = [], []
    for snapshot in late(found):
        begin, end = snapshot["began"], snapshot["time"]
        rounds = sum(begin < t <= end for t in found["touches"]["hot"])
        seconds = snapshot["intervals"]["aggr_us"] / 1e6
        sample = snapshot["intervals"]["sample_us"] / 1e6
        # a page counts once a sample at most, however often it is touched
        truth = found["sizes"]["hot"] * min(rounds / (end - begin), 1 / sample)
        ratios.append(snapshot["bandwidth_bytes_per_s"] / truth)
        said = snapshot["kernel"]["estimated_memory_bandwidth"]
        if said is not None:  # DAMON_STAT tells none until 5 s after its start
            own.append(said / truth)
        assert seconds > 0
        by_hand = sum((r["end"] - r["start"]) * r["nr_accesses"] for r in snapshot["regions"]) * 1_000_000
        assert snapshot["bandwidth_bytes_per_s"] == by_hand // snapshot["intervals"]["aggr_us"]
    assert own
    guest.facts.update(
        ratio=round(statistics.median(ratios), 2),
        ratios=[round(min(ratios), 2), round(max(ratios), 2)],
        module=round(statistics.median(own), 2),
    )
    assert 1 / BANDWIDTH_FACTOR <= statistics.median(ratios) <= BANDWIDTH_FACTOR, ratios


@check("7.2", "6.18", "6.17", limit=120)
def installed_script_runs(guest: Guest) -> None:
    """The installed script, started as a user does, prints a whole snapshot and leaves the system as found"""
    switch_stat(False)
    switch_stat(True)
    with as_found():
        ended = program.execute(guest.folder, "snapshot", "stat", "--json", "--count", "2", limit=100)
    assert ended.status == 0, ended.err
    for line in ended.out.splitlines():
        whole(json.loads(line))
    assert len(ended.out.splitlines()) == 2


@check("7.2", "6.18", "6.17")
def switched_off_is_said(guest: Guest) -> None:
    """DAMON_STAT switched off: one sentence that says so and how to switch it on, exit status 1"""
    switch_stat(False)
    with as_found():
        ended = program.run(guest.folder, "snapshot", "stat", "--json")
    guest.facts["says"] = ended.refused("DAMON_STAT", "off")


@check("7.2", "6.18")
def switched_off_meanwhile_is_said(guest: Guest) -> None:
    """DAMON_STAT switched off by somebody else while it is read: said, exit status 1, nothing left behind"""
    switch_stat(False)
    switch_stat(True)
    before = system.state()
    run = program.Background(guest.folder, "snapshot", "stat", "--json", "--now", "--count", "0")
    wait(lambda: len(run.lines()) >= 2, 60, "two snapshots")
    switch_stat(False)
    ended = run.wait(30)
    assert ended.status == 1, ended
    assert len(ended.err.strip().splitlines()) == 1, ended.err
    assert "off" in ended.err, ended.err
    switch_stat(True)
    changed = system.difference(before, system.state())
    assert not changed, changed
    guest.facts["says"] = ended.err.strip()


@check("7.2", "6.18", "6.17")
def another_kdamond_is_named(guest: Guest) -> None:
    """Another program's kdamond runs: switching on is refused with EBUSY and its PID is named; it is left alone"""
    from damontui.errors import SourceError
    from damontui.kernel.damon_stat import StatModule
    from damontui.kernel.root import Root

    switch_stat(False)
    pid = system.start_kdamond()
    with as_found():
        ended = program.run(guest.folder, "snapshot", "stat", "--json")
        guest.facts["says"] = ended.refused("off")
        said = ""
        try:
            StatModule(Root("/")).switch(True)
        except SourceError as error:
            said = str(error)
    assert str(pid) in said, (pid, said)
    assert pid in system.kdamonds()
    guest.facts["refusal"] = said


def opened_to_nobody() -> None:
    """Let everybody reach the interpreter and the checkout, in this process's own view of the file system."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x00020000) == 0  # CLONE_NEWNS
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    os.makedirs("/run/host", exist_ok=True)
    subprocess.run(["mount", "--bind", "/", "/run/host"], check=True)
    closed = set()
    for need in (Path(sys.prefix), Path(sys.base_prefix), Path.cwd()):
        for folder in reversed([need, *need.parents]):
            if not folder.stat().st_mode & 0o001:
                closed.add((folder, need))
                break
    for folder in {folder for folder, _ in closed}:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "open", str(folder)], check=True)
        for _, need in [pair for pair in closed if pair[0] == folder]:
            need.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", f"/run/host{need}", str(need)], check=True)


@check("7.2", "6.18", limit=120)
def not_root_is_said(guest: Guest) -> None:
    """Another user than root: one sentence that names sudo and the full path of the program, exit status 1"""

    def become_nobody() -> None:
        opened_to_nobody()
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    with as_found():
        stat = program.run(guest.folder, "snapshot", "stat", "--json", before=become_nobody)
        auto = program.run(guest.folder, "snapshot", "--json", before=become_nobody)
    guest.facts["says"] = stat.refused("DAMON_STAT", "root", "sudo /")
    auto.refused("nothing is measured without a target", "root", "sudo /")  # a script never gets made-up numbers


@check("7.2", "6.18")
def without_tracefs_the_module_speaks(guest: Guest) -> None:
    """tracefs not mounted: the module's own values, no invented regions, and a note on how to get them"""
    subprocess.run(["umount", str(system.TRACING)], check=True)
    with as_found():
        ended = program.run(guest.folder, "snapshot", "stat", "--json")
    assert ended.status == 0, ended.err
    snapshot = json.loads(ended.out)
    assert snapshot["regions"] == []
    assert snapshot["bandwidth_bytes_per_s"] is None
    assert len(snapshot["kernel"]["memory_idle_ms_percentiles"]) == 101
    assert "mount -t tracefs" in snapshot["note"], snapshot["note"]
    guest.facts["note"] = snapshot["note"]


@check("7.2", "6.18")
def read_only_writes_nothing(guest: Guest) -> None:
    """`--read-only` makes no trace instance and writes no parameter, and says what is missing for it"""
    seen = set()
    before = system.state()
    run = program.Background(guest.folder, "snapshot", "stat", "--json", "--count", "2", "--read-only")
    while run.status is None and len(run.lines()) < 2:
        seen.update(os.listdir(system.TRACING / "instances"))
        with contextlib.suppress(ChildProcessError):
            if os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
        time.sleep(0.02)
    ended = run.wait(60)
    assert ended.status == 0, ended.err
    assert not seen, seen
    assert not system.difference(before, system.state())
    snapshot = json.loads(ended.out.splitlines()[0])
    assert snapshot["regions"] == []
    assert "read-only" in snapshot["note"], snapshot["note"]


def _ended_by(number: int) -> Callable[[Guest], None]:
    def ending(guest: Guest) -> None:
        switch_stat(False)
        switch_stat(True)
        with as_found() as before:
            run = program.Background(guest.folder, "snapshot", "stat", "--json", "--now", "--count", "0")
            wait(run.lines, 60, "a snapshot")
            assert system.state()["trace instances"] != before["trace instances"], "no own trace instance was made"
            run.send(number)
            ended = run.wait(20)
        assert ended.status == 128 + number, ended
        assert not ended.err, ended.err
        for line in ended.out.splitlines():
            json.loads(line)

    name = signal.Signals(number).name
    ending.__name__ = f"snapshot_ends_by_{name}"
    ending.__doc__ = f"`snapshot --count 0` ended by {name}: the trace instance goes, exit status {128 + number}"
    return ending


for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    check("7.2", "6.18")(_ended_by(_number))


@check("7.2", "6.18", "6.17")
def reader_goes_away(guest: Guest) -> None:
    """`snapshot --count 0 | head -n 1`: ends by itself, exit status 0, the trace instance goes"""
    switch_stat(False)
    switch_stat(True)
    with as_found():
        run, reading = program.piped(guest.folder, "snapshot", "stat", "--json", "--now", "--count", "0")
        said = b""
        while b"\n" not in said:
            said += os.read(reading, 65536)
        os.close(reading)
        ended = run.wait(60)
    assert ended.status == 0, ended
    assert not ended.err, ended.err
    whole(json.loads(said.partition(b"\n")[0]))


@check("7.2", "6.18")
def killed_run_is_tidied_up(guest: Guest) -> None:
    """A run killed with SIGKILL leaves its trace instance; the next start removes it, and its own"""
    switch_stat(False)
    switch_stat(True)
    before = system.state()
    run = program.Background(guest.folder, "snapshot", "stat", "--json", "--now", "--count", "0")
    wait(run.lines, 60, "a snapshot")
    run.send(signal.SIGKILL)
    assert run.wait(10).status == -signal.SIGKILL
    left = system.difference(before, system.state())
    assert len(left) == 1, left
    assert "trace instances" in left[0], left
    assert program.run(guest.folder, "snapshot", "stat", "--json").status == 0
    assert not system.difference(before, system.state())


@check("6.17", limit=120)
def first_module_is_understood(guest: Guest) -> None:
    """6.17 has no aggr_interval_us and no PID: intervals come from the tracepoint, the kdamond is found by name"""
    switch_stat(False)
    switch_stat(True)
    with as_found():
        ended = program.run(guest.folder, "snapshot", "stat", "--json", "--now", "--count", "8", limit=100)
    assert ended.status == 0, ended.err
    snapshots = ended.snapshots()
    for snapshot in snapshots:
        whole(snapshot)
        assert snapshot["kernel"]["aggr_interval_us"] is None
    assert snapshots[-1]["intervals"]["aggr_us"] > 200_000, [s["intervals"] for s in snapshots]
    assert [s["kernel"]["kdamond_pid"] for s in snapshots] == [*system.kdamonds()] * len(snapshots)
    guest.facts["aggr_ms"] = [s["intervals"]["aggr_us"] // 1000 for s in snapshots]
