"""Somebody else's kdamond, watched: nothing of it is written, its attributes are found where files tell them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from damontui.damon import metrics
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import Event, Snapshot, Status
from damontui.errors import SourceError
from damontui.kernel import pages
from damontui.sources.damon_stat import DamonStatSource
from damontui.sources.foreign_kdamond import ForeignKdamond
from tests.fake_kernel import ADMIN, TRACING, FakeKernel, Stop, capture, replay


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    return FakeKernel(tmp_path, on=False)


def make(kernel: FakeKernel, pid: int = 300) -> ForeignKdamond:
    return ForeignKdamond(kernel.root, pid, clock=kernel.clock, wall=kernel.wall, pause=kernel.advance)


def lines(kernel: FakeKernel, pid: int, *texts: str) -> None:
    for text in texts:
        kernel.feed(f"  kdamond.1-{pid} [000] ..... {kernel.now:.6f}: {text}\n".encode())


def events(kernel: FakeKernel, source: ForeignKdamond, seconds: float) -> list[Event]:
    stop = Stop(kernel)
    kernel.at(kernel.now + seconds, stop.set)
    with source:
        found = list(source.snapshots(stop))
    assert stop.longest <= 0.5
    assert kernel.instances() == []
    return found


def own_writes(kernel: FakeKernel) -> list[str]:
    return [name for name, _ in kernel.root.writes if not name.startswith(f"{TRACING}/instances/damontui")]


def sysfs(kernel: FakeKernel, **goal: int) -> None:
    kernel.hold(300)
    folder = f"{ADMIN}/0/contexts/0/monitoring_attrs"
    for name, value in {
        "sample_us": 20_000,
        "aggr_us": 400_000,
        **{f"intervals_goal/{n}": v for n, v in goal.items()},
    }.items():
        kernel.put(f"{folder}/intervals/{name}", str(value))
    kernel.put(f"{folder}/nr_regions/min", "20")
    kernel.put(f"{folder}/nr_regions/max", "50")


def test_a_sysfs_kdamond_tells_its_attributes(kernel: FakeKernel) -> None:
    sysfs(kernel)
    for index in range(3):
        kernel.at(
            kernel.now + 0.4 * (index + 1),
            lambda: lines(kernel, 300, "damon_aggregated: target_id=0 nr_regions=1 0-4096: 3 7"),
        )
    source = make(kernel)
    found = events(kernel, source, 2.0)
    snapshots = [e for e in found if isinstance(e, Snapshot)]
    assert len(snapshots) == 3
    assert snapshots[0].attrs == Attrs(20_000, 400_000, min_regions=20, max_regions=50, goal=None)
    assert {s.note for s in snapshots} == {""}
    assert "somebody else" in source.describe().locked
    assert source.describe().title.startswith("kdamond 300 of sysfs")
    assert own_writes(kernel) == []


def test_a_tuned_one_is_estimated_until_a_tuning_line(kernel: FakeKernel) -> None:
    sysfs(kernel, access_bp=400, aggrs=3, min_sample_us=5_000, max_sample_us=10_000_000)
    region = "damon_aggregated: target_id=0 nr_regions=1 0-4096: 3 7"
    # tuned long ago: an aggregation lasts 2 s, not the 0.4 s of the file
    for index in range(3):
        kernel.at(kernel.now + 2.0 * (index + 1), lambda: lines(kernel, 300, region))
    kernel.at(kernel.now + 8.0, lambda: lines(kernel, 300, "damon_monitor_intervals_tune: sample_us=150000", region))
    kernel.at(kernel.now + 11.0, lambda: lines(kernel, 300, region))
    found = [e for e in events(kernel, make(kernel), 12.0) if isinstance(e, Snapshot)]
    assert [s.attrs.sample_us for s in found] == [100_000, 100_000, 100_000, 100_000, 150_000]
    assert [bool(s.note) for s in found] == [True, True, True, True, False]
    assert found[3].next_attrs.sample_us == 150_000
    assert found[3].next_attrs.goal == IntervalsGoal()


def test_a_tuned_one_is_unknown_before_its_first_aggregation_and_says_so(kernel: FakeKernel) -> None:
    """What files tell is what was set, which tuning has left behind: no number rests on that."""
    sysfs(kernel, access_bp=400, aggrs=3, min_sample_us=5_000, max_sample_us=10_000_000)
    source = make(kernel)
    said = events(kernel, source, 3.0)
    assert not any(isinstance(e, Snapshot) for e in said)
    (waiting,) = (e for e in said if isinstance(e, Status) and e.state == "waiting")
    assert "its intervals are tuned, and unknown until the trace tells" in waiting.text
    assert "20" not in waiting.text.replace("200 s", "")  # nor the file's 20 ms
    assert any("tuned" in limit for limit in source.describe().limits)
    # one aggregation alone: how long it took is not known either
    kernel.at(kernel.now + 1.0, lambda: lines(kernel, 300, REGION))
    assert not any(isinstance(e, Snapshot) for e in events(kernel, make(kernel), 3.0))


def test_a_modules_kdamond(kernel: FakeKernel) -> None:
    kernel.task(300, "kdamond.0")
    for name, value in {"kdamond_pid": 300, "sample_interval": 5_000, "aggr_interval": 100_000}.items():
        kernel.put(f"sys/module/damon_reclaim/parameters/{name}", str(value))
    source = make(kernel)
    with source:
        assert source.describe().title == "kdamond 300 of DAMON_RECLAIM"
        assert source.describe().attrs == Attrs(goal=None)


def test_a_captured_one(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, on=False)
    kernel.now = 15.0
    pid = replay(kernel, "kernel-7.2-steady")
    kernel.task(pid, "kdamond.0")
    found = [e for e in events(kernel, make(kernel, pid), 60.0) if isinstance(e, Snapshot)]
    assert len(found) > 10
    assert all(s.complete for s in found)
    assert found[-1].note == ""


@pytest.mark.parametrize(("operations", "physical"), [("paddr", True), ("vaddr", False), (None, None)])
def test_of_physical_memory_it_is_told_what_it_is_made_of(
    kernel: FakeKernel, operations: str | None, physical: bool | None
) -> None:
    """Of memory whose kdamond says that it is physical: frames, and what is free where it is all memory"""
    sysfs(kernel)
    if operations is not None:
        kernel.put(f"{ADMIN}/0/contexts/0/operations", operations)
    (kernel.folder / "proc/kpageflags").write_bytes(np.full(16, 1 << pages.BUDDY, np.uint64).tobytes())
    kernel.put("proc/meminfo", "MemTotal: 60 kB\nMemFree: 48 kB")
    for index, end in enumerate((65_536, 65_536, 4_096)):
        text = f"damon_aggregated: target_id=0 nr_regions=1 0-{end}: 3 7"
        kernel.at(kernel.now + 0.4 * (index + 1), partial(lines, kernel, 300, text))
    source = make(kernel)
    found = [e for e in events(kernel, source, 2.0) if isinstance(e, Snapshot)]
    assert [one.physical for one in found] == [physical] * 3
    assert [one.frames is not None for one in found] == [bool(physical)] * 3
    # of a part of memory it is not known what of it is free but by frames
    assert [one.free for one in found] == ([48 * 1024] * 2 + [None] if physical else [None] * 3)
    assert not any("what memory is made of" in limit for limit in source.describe().limits)
    assert own_writes(kernel) == []


def test_why_it_cannot_be_told_what_memory_is_made_of_is_said(kernel: FakeKernel) -> None:
    sysfs(kernel)
    kernel.put(f"{ADMIN}/0/contexts/0/operations", "paddr")
    with make(kernel) as source:
        assert any("what memory is made of is not known" in limit for limit in source.describe().limits)


def test_its_end_is_seen(kernel: FakeKernel) -> None:
    sysfs(kernel)
    kernel.at(kernel.now + 1.0, lambda: kernel.remove("proc/300"))
    found = events(kernel, make(kernel), 5.0)
    assert isinstance(found[-1], Status)
    assert (found[-1].state, found[-1].text) == ("gone", "kdamond 300 has ended")


def test_what_is_none_is_a_sentence(kernel: FakeKernel) -> None:
    with pytest.raises(SourceError, match="no kdamond has that PID; none is running"):
        make(kernel, 5).__enter__()
    kernel.hold(300)
    with pytest.raises(SourceError, match=r"running are: 300 \(kdamond.1\)"):
        make(kernel, 5).__enter__()
    with pytest.raises(SourceError, match="only watched"):
        make(kernel).enabled = False


def test_without_tracefs_it_cannot_be_watched(kernel: FakeKernel) -> None:
    kernel.hold(300)
    kernel.remove(TRACING)
    with pytest.raises(SourceError, match="cannot trace"):
        make(kernel).__enter__()


# Whose intervals nobody tells, or tells late


REGION = "damon_aggregated: target_id=0 nr_regions=1 0-4096: 3 7"


def found(kernel: FakeKernel, source: ForeignKdamond, seconds: float) -> list[Snapshot]:
    return [e for e in events(kernel, source, seconds) if isinstance(e, Snapshot)]


def every(kernel: FakeKernel, pid: int, seconds: float, count: int) -> None:
    """So many aggregations so far apart."""
    for index in range(count):
        kernel.at(kernel.now + seconds * (index + 1), lambda: lines(kernel, pid, REGION))


def sleeping(kernel: FakeKernel, pid: int, sample: float, seconds: float) -> None:
    """The kdamond sleeps once in a sampling interval."""
    kernel.put(f"proc/{pid}/status", "voluntary_ctxt_switches:\t900")
    for number in range(1, round(seconds / sample)):
        text = f"voluntary_ctxt_switches:\t{900 + number}"
        kernel.at(kernel.now + number * sample, lambda text=text: kernel.put(f"proc/{pid}/status", text))  # type: ignore[misc]


@pytest.mark.parametrize("flavour", ["6.18", "7.2"])
def test_damon_stats_own_tells_by_the_modules_file(tmp_path: Path, flavour: str) -> None:
    kernel = FakeKernel(tmp_path, flavour)
    kernel.say(aggr_interval_us=60_000_000)
    every(kernel, 124, 60.0, 2)
    source = make(kernel, 124)
    one, two = found(kernel, source, 130.0)
    assert source.describe().title == "kdamond 124 of DAMON_STAT"
    assert source.describe().attrs.aggr_us == 60_000_000
    assert (one.attrs.sample_us, one.attrs.aggr_us, one.note) == (3_000_000, 60_000_000, "")
    assert two.attrs == one.attrs
    assert one.watched == pytest.approx(3660, abs=1)
    assert one.until_tuning is None  # no step was seen


def test_damon_stats_own_before_its_file_tells_waits_for_a_second_aggregation(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "6.17")
    every(kernel, 124, 60.0, 3)
    said = events(kernel, make(kernel, 124), 190.0)
    times = [(e.time, e.attrs.aggr_us) for e in said if isinstance(e, Snapshot)]
    assert times == [(1060.0, 60_000_000), (1120.0, 60_000_000), (1180.0, 60_000_000)]
    assert [e.text for e in said if isinstance(e, Status)] == [
        "first aggregation, at most 200 s; its intervals are tuned, and unknown until the trace tells",
        "one more aggregation, since nothing tells how long one takes",
    ]
    assert all("estimate" in e.note for e in said if isinstance(e, Snapshot))


def test_its_sleeps_tell_before_a_second_aggregation_does(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "6.17")
    sleeping(kernel, 124, 3.0, 100)
    every(kernel, 124, 60.0, 1)
    (snapshot,) = found(kernel, make(kernel, 124), 70.0)
    assert snapshot.attrs.aggr_us == pytest.approx(60_000_000, rel=0.06)
    assert "estimate" in snapshot.note


def test_what_was_set_is_not_taken_for_what_was_tuned(kernel: FakeKernel) -> None:
    sysfs(kernel, access_bp=400, aggrs=3, min_sample_us=5_000, max_sample_us=10_000_000)
    every(kernel, 300, 0.4, 3)  # nothing was tuned yet: the distance agrees with the file
    assert {(s.attrs.sample_us, s.note) for s in found(kernel, make(kernel), 2.0)} == {(20_000, "")}
    every(kernel, 300, 0.5, 3)  # tuned by a quarter: nearer to the file than a step, and yet not what is in force
    snapshots = found(kernel, make(kernel), 3.0)
    assert [s.attrs.sample_us for s in snapshots] == [25_000] * 3
    assert all("estimate" in s.note for s in snapshots)


def test_a_file_that_was_written_and_not_committed_is_found_out(kernel: FakeKernel) -> None:
    sysfs(kernel)
    every(kernel, 300, 8.0, 3)
    snapshots = found(kernel, make(kernel), 25.0)
    assert [s.attrs.aggr_us for s in snapshots] == [400_000, 8_000_000, 8_000_000]
    assert [bool(s.note) for s in snapshots] == [False, True, True]


def test_a_busy_kernel_is_late_and_what_was_set_is_in_force(kernel: FakeKernel) -> None:
    sysfs(kernel)
    every(kernel, 300, 2.5, 3)
    assert {(s.attrs.aggr_us, s.note) for s in found(kernel, make(kernel), 9.0)} == {(400_000, "")}
    every(kernel, 300, 0.1, 5)  # none is early
    assert {s.attrs.aggr_us for s in found(kernel, make(kernel), 3.0)[1:]} == {100_000}


def test_a_module_that_tunes(kernel: FakeKernel) -> None:
    kernel.task(300, "kdamond.0")
    folder = "sys/module/damon_lru_sort/parameters"
    for name, value in {"kdamond_pid": 300, "sample_interval": 5_000, "aggr_interval": 100_000}.items():
        kernel.put(f"{folder}/{name}", str(value))
    kernel.put(f"{folder}/autotune_monitoring_intervals", "Y")
    every(kernel, 300, 2.0, 2)
    source = make(kernel)
    snapshots = found(kernel, source, 5.0)
    assert source.describe().title == "kdamond 300 of DAMON_LRU_SORT"
    assert [(s.attrs.sample_us, s.attrs.goal) for s in snapshots] == [(100_000, IntervalsGoal())] * 2


def test_nobodys_shows_nothing_before_it_is_known_how_many_samples_it_takes(kernel: FakeKernel) -> None:
    kernel.task(300, "kdamond.0")
    every(kernel, 300, 1.0, 4)
    said = events(kernel, make(kernel), 5.0)
    assert not any(isinstance(e, Snapshot) for e in said)
    assert "nothing tells" in "".join(e.text for e in said if isinstance(e, Status))
    every(kernel, 300, 1.0, 4)
    sleeping(kernel, 300, 0.1, 5.0)
    snapshots = found(kernel, make(kernel), 5.0)
    assert len(snapshots) == 4
    assert snapshots[0].attrs.max_nr_accesses == pytest.approx(10, abs=1)
    assert snapshots[0].attrs.aggr_us == pytest.approx(1_000_000, rel=0.1)


def test_nobodys_that_is_tuned_tells_its_samples_by_its_pace(kernel: FakeKernel) -> None:
    kernel.task(300, "kdamond.0")
    kernel.at(1001.0, lambda: lines(kernel, 300, "damon_monitor_intervals_tune: sample_us=50000", REGION))
    for index in range(3):
        kernel.at(1002.0 + index, lambda: lines(kernel, 300, REGION))
    snapshots = found(kernel, make(kernel), 5.0)
    assert [(s.attrs.sample_us, s.attrs.aggr_us) for s in snapshots] == [(50_000, 1_000_000)] * 3


@pytest.mark.parametrize("name", ["kernel-7.2-steady", "kernel-6.18-short"])
@pytest.mark.parametrize("offset", [0.5, 4.0, 9.0, 20.0])
def test_both_ways_to_damon_stat_say_the_same(tmp_path: Path, name: str, offset: float) -> None:
    shown = []
    for way in ("stat", "kdamond"):
        first = capture(name)[0]
        pid = int(first[1].partition(b"-")[2].split()[0])
        kernel = FakeKernel(tmp_path / way, name[7:].partition("-")[0], pid=pid)
        kernel.now = first[0] + offset
        kernel.advance(0.0)
        replay(kernel, name, since=kernel.now)
        stop = Stop(kernel)
        kernel.at(kernel.now + 55.0, stop.set)
        options = {"clock": kernel.clock, "wall": kernel.wall, "pause": kernel.advance}
        source = (
            DamonStatSource(kernel.root, **options) if way == "stat" else ForeignKdamond(kernel.root, pid, **options)
        )  # type: ignore[arg-type]
        with source:
            snapshots = [e for e in source.snapshots(stop) if isinstance(e, Snapshot)]
        shown.append([(s.time, s.attrs, s.next_attrs, metrics.bandwidth(s), s.until_tuning) for s in snapshots])
    assert len(shown[0]) > 5
    assert shown[0] == shown[1]


def test_lost_events_make_a_snapshot_incomplete_and_the_buffer_larger(kernel: FakeKernel) -> None:
    sysfs(kernel)
    rows = [f"damon_aggregated: target_id=0 nr_regions=2 {part}" for part in ("0-4096: 3 7", "4096-8192: 0 7")]
    for index in range(6):

        def say(number: int = index) -> None:
            lines(kernel, 300, rows[0])
            if number == 3:
                kernel.feed(b"CPU:1 [LOST 7 EVENTS]\n")
            else:
                lines(kernel, 300, rows[1])

        kernel.at(kernel.now + 0.4 * (index + 1), say)
    taken = found(kernel, make(kernel), 4.0)
    assert [s.complete for s in taken] == [True, True, True, False, True, True]
    assert (taken[3].lost, len(taken[3])) == (7, 1)
    assert taken[3].note == "7 events lost, so the trace buffer was enlarged to 1024 KiB a CPU"
    assert [text for name, text in kernel.root.writes if name.endswith("buffer_size_kb")] == ["512", "1024"]
    assert own_writes(kernel) == []


def test_a_trace_that_was_taken_away_is_made_anew(kernel: FakeKernel) -> None:
    """Whoever watches again after that was said gets another one."""
    sysfs(kernel)
    every(kernel, 300, 0.4, 9)
    source = make(kernel)
    with source:
        stop = Stop(kernel)
        kernel.at(kernel.now + 1.0, lambda: setattr(source._trace, "_pipe", -1))
        with pytest.raises(SourceError, match="trace instance"):
            list(source.snapshots(stop))
        kernel.at(kernel.now + 1.5, stop.set)
        assert len([e for e in source.snapshots(stop) if isinstance(e, Snapshot)]) >= 2
    assert kernel.instances() == []
