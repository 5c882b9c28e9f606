"""Somebody else's kdamond, watched: nothing of it is written, its attributes are found where files tell them."""

from __future__ import annotations

from pathlib import Path

import pytest

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import Event, Snapshot, Status
from damontui.errors import SourceError
from damontui.sources.watch import WatchSource
from tests.fake_kernel import ADMIN, TRACING, FakeKernel, Stop, replay


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    return FakeKernel(tmp_path, on=False)


def make(kernel: FakeKernel, pid: int = 300) -> WatchSource:
    return WatchSource(kernel.root, pid, clock=kernel.clock, wall=kernel.wall, pause=kernel.advance)


def lines(kernel: FakeKernel, pid: int, *texts: str) -> None:
    for text in texts:
        kernel.feed(f"  kdamond.1-{pid} [000] ..... {kernel.now:.6f}: {text}\n".encode())


def events(kernel: FakeKernel, source: WatchSource, seconds: float) -> list[Event]:
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
    assert [s.attrs.sample_us for s in found] == [20_000, 100_000, 100_000, 100_000, 150_000]
    assert [bool(s.note) for s in found] == [True, True, True, True, False]
    assert found[3].next_attrs.sample_us == 150_000
    assert found[3].next_attrs.goal == IntervalsGoal()


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
