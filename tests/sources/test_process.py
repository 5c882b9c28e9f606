"""Processes as a source: the budget kept on a clock of the test, how it ends, and what a real process shows."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from damontui.damon import metrics
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import Event, Snapshot, Status
from damontui.errors import SourceError, UsageError
from damontui.kernel.root import Root
from damontui.sources.process import DEFAULTS, Budget, ProcessSource, available, parse_pids
from tests.fake_process import Area, FakeProcess

MIB = 1 << 20
HEAP = 0x5600_0000_0000
FIXED = replace(DEFAULTS, goal=None)


class Clock:
    """Time that passes only where somebody waits or works."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.cpu = 0.0

    def wait(self, _: threading.Event, seconds: float) -> None:
        self.now += seconds

    def work(self, seconds: float) -> None:
        self.cpu += seconds
        self.now += seconds


class CostlyRoot(Root):
    """A root where reading ``smaps`` and writing ``clear_refs`` cost CPU time."""

    def __init__(self, folder: Path, clock: Clock, cost: float) -> None:
        super().__init__(folder)
        self.clock = clock
        self.cost = cost

    def path(self, name: str) -> Path:
        if name.endswith("/smaps"):
            self.clock.work(self.cost)
        return super().path(name)


def source(
    tmp_path: Path, cost: float, attrs: Attrs = FIXED, *, budget: float = 0.02, pids: tuple[int, ...] = (12,)
) -> tuple[ProcessSource, Clock, CostlyRoot]:
    if not (tmp_path / "proc/12").exists():
        FakeProcess(tmp_path, 12, [Area(HEAP, 8 * MIB, "[heap]", rss=8 * MIB, referenced=8 * MIB)], comm="worker")
    clock = Clock()
    root = CostlyRoot(tmp_path, clock, cost)
    made = ProcessSource(
        root,
        pids,
        attrs,
        budget=budget,
        seed=1,
        clock=lambda: clock.now,
        wall=lambda: clock.now,
        cpu_clock=lambda: clock.cpu,
        wait=clock.wait,
    )
    return made, clock, root


def snapshots(of: ProcessSource, count: int) -> list[Snapshot]:
    return list(itertools.islice((e for e in of.snapshots(threading.Event()) if isinstance(e, Snapshot)), count))


def test_a_cheap_process_is_sampled_as_asked(tmp_path: Path) -> None:
    made, _, _ = source(tmp_path, 0.001)
    with made:
        found = snapshots(made, 5)
    assert {snapshot.attrs for snapshot in found} == {FIXED}
    assert found[-1].note == ""
    assert found[-1].cpu == pytest.approx(0.01, rel=0.1)
    assert made.overhead() == pytest.approx(0.001 * 51)  # each look and the first; entering is not observing


@pytest.mark.parametrize("cost", [0.005, 0.04, 1.0])
@pytest.mark.parametrize("budget", [0.01, 0.02, 0.2])
@pytest.mark.parametrize("goal", [None, DEFAULTS.goal])
def test_the_budget_is_kept(tmp_path: Path, cost: float, budget: float, goal: IntervalsGoal | None) -> None:
    made, clock, _ = source(tmp_path, cost, replace(DEFAULTS, goal=goal), budget=budget)
    with made:
        began, spent = clock.now, clock.cpu
        found = snapshots(made, 12)
        assert (clock.cpu - spent) / (clock.now - began) <= budget * 1.01
    for snapshot in found:
        assert cost / (snapshot.attrs.sample_us / 1e6) <= budget
        assert 3 <= snapshot.attrs.max_nr_accesses <= 10
    assert found[-1].cpu is not None
    assert found[-1].cpu <= budget


def test_a_stretched_interval_says_so(tmp_path: Path) -> None:
    made, _, _ = source(tmp_path, 0.05)
    with made:
        found = snapshots(made, 2)
    assert found[-1].attrs.sample_us == 2_875_000  # 50 ms at 2 %, and some room
    assert found[-1].note == (
        "sampled every 2.88 s, not 100 ms: one look costs 50.0 ms of CPU time and the budget is 2.0 % of one CPU; "
        "a larger --budget samples more often"
    )
    assert found[-1].nr_accesses.tolist() == [3]  # and fewer samples: the picture is to come within 10 s


def test_a_stretch_too_small_to_be_read_is_not_said(tmp_path: Path) -> None:
    made, _, _ = source(tmp_path, 0.0017401)  # 100.06 ms
    with made:
        found = snapshots(made, 4)
    assert 100_000 < found[-1].attrs.sample_us < 100_500
    assert found[-1].note == ""


def test_a_dear_process_shows_within_few_looks(tmp_path: Path) -> None:
    made, clock, _ = source(tmp_path, 4.0)  # 100 GB or so
    with made:
        began = clock.now
        (first,) = snapshots(made, 1)
    assert first.attrs.max_nr_accesses == 3
    assert clock.now - began == pytest.approx(3 * 4.0 / 0.02 * 1.15, rel=0.05)


def test_a_process_that_grows_is_sampled_more_rarely_at_once_and_shrunk_again_more_often(tmp_path: Path) -> None:
    made, clock, root = source(tmp_path, 0.001)
    with made:
        events = (e for e in made.snapshots(threading.Event()) if isinstance(e, Snapshot))
        next(events)
        root.cost = 0.1
        began, spent = clock.now, clock.cpu
        first = next(events)
        assert first.attrs.sample_us > 2_000_000  # not one aggregation at the old interval
        following = next(events)
        assert following.attrs.sample_us > 5_000_000
        # the look that found out came early, the first aggregation after it at half the right interval
        assert (clock.cpu - spent) / (clock.now - began) < 1.5 * 0.02
        began, spent = clock.now, clock.cpu
        next(events)
        assert (clock.cpu - spent) / (clock.now - began) < 0.02
        root.cost = 0.001
        last = list(itertools.islice(events, 6))[-1]
        assert last.attrs == FIXED
        assert last.age[0] > 0


def test_the_tuner_works_within_the_budget(tmp_path: Path) -> None:
    made, _, _ = source(tmp_path, 0.005, DEFAULTS)  # all is hot: the tuner wants ever shorter intervals
    with made:
        found = snapshots(made, 40)
    assert found[-1].attrs.goal is not None
    assert found[-1].attrs.sample_us == found[-1].attrs.goal.min_sample_us
    assert found[-1].attrs.sample_us == pytest.approx(0.005 / 0.02 * 1e6 * 1.15, rel=0.01)
    assert len({snapshot.attrs.sample_us for snapshot in found[20:]}) == 1


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_budget_that_is_none(share: float) -> None:
    with pytest.raises(UsageError, match="--budget"):
        Budget(share, FIXED)


def test_the_end_is_told_with_name_and_time(tmp_path: Path) -> None:
    made, clock, _ = source(tmp_path, 0.001)
    with made:
        assert made.describe().title == "process 12 (worker)"
        assert made.describe().target == "12"
        assert made.describe().limits
        events = made.snapshots(threading.Event())
        seen: list[Event] = [next(events), next(events)]
        FakeProcess(tmp_path, 12, state="Z", comm="worker")
        seen += events
    last = seen[-1]
    assert isinstance(last, Status)
    assert last.state == "gone"
    assert last.text == f"process 12 (worker) ended at {time.strftime('%H:%M:%S', time.localtime(clock.now))}"
    assert isinstance(seen[1], Snapshot)
    assert seen[1].names == ("[heap]",)
    assert seen[1].origin == "process"


def test_starting_again_on_a_number_that_is_another_process(tmp_path: Path) -> None:
    made, _, _ = source(tmp_path, 0.001)
    with made:
        FakeProcess(tmp_path, 12, comm="stranger", started=5_000)
        with pytest.raises(SourceError, match=r"12 \(worker\): it has ended, and its number is .* \(stranger\) now"):
            list(made.snapshots(threading.Event()))


def test_several_processes_go_on_without_one(tmp_path: Path) -> None:
    other = FakeProcess(tmp_path, 13, [Area(HEAP, MIB, rss=MIB)], comm="other")
    made, _, _ = source(tmp_path, 0.001, pids=(12, 13))
    with made:
        assert made.describe().title == "processes 12 (worker), 13 (other)"
        events = (e for e in made.snapshots(threading.Event()) if isinstance(e, Snapshot))
        assert next(events).targets == (12, 13)
        other.end()
        next(events)
        assert next(events).targets == (12,)


def test_hugetlb_is_said_in_the_note(tmp_path: Path) -> None:
    FakeProcess(tmp_path, 12, [Area(HEAP, 8 * MIB, rss=MIB), Area(HEAP + 16 * MIB, 4 * MIB, flags="rd wr ht")])
    made, _, _ = source(tmp_path, 0.001)
    with made:
        assert snapshots(made, 1)[0].note.startswith("4 MiB of hugetlb pages are left out")


@pytest.mark.parametrize("word", ["", "x", "12x", "0", "-1", "12,", "²", "99999999"])
def test_words_that_are_no_process(word: str) -> None:
    with pytest.raises(UsageError, match="is not a process"):
        parse_pids(word)


def test_words_that_are_processes() -> None:
    assert parse_pids("1234") == (1234,)
    assert parse_pids("1,2,1") == (1, 2)


def test_what_the_picker_says(tmp_path: Path) -> None:
    root = FakeProcess(tmp_path, 12, [Area(HEAP, MIB)]).root
    FakeProcess(tmp_path, 2, kernel=True)
    FakeProcess(tmp_path, 9, state="Z")
    old = FakeProcess(tmp_path, 14)
    (old.folder / "clear_refs").unlink()
    assert [available(root, pid) for pid in (12, 2, 9, 14, 77)] == [
        "",
        "a thread of the kernel",
        "a zombie",
        "no clear_refs (CONFIG_PROC_PAGE_MONITOR)",
        "no such process",
    ]
    assert FakeProcess(tmp_path, 12).cleared is False


# -- a real process


AREAS = ("hot:24:20", "shared:16:20:shared", "warm:24:1500", "cold:48:0")


@pytest.fixture(scope="module")
def truth() -> tuple[list[Snapshot], dict[str, tuple[int, int, float]], list[tuple[str, float, float]], float]:
    """Snapshots of a load for twelve seconds, its areas, its touches, and when it began to leave ``cold`` alone."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this machine does not let a process clear its own accessed bits")
    script = Path(__file__).parents[1] / "process_load.py"
    attrs = Attrs(sample_us=100_000, aggr_us=1_000_000, update_us=1_000_000, goal=None)
    with subprocess.Popen([sys.executable, str(script), "12", *AREAS], stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout is not None
        areas = {name: tuple(values) for name, values in json.loads(load.stdout.readline()).items()}
        began = time.monotonic()
        text: list[str] = []
        reader = threading.Thread(target=lambda: text.extend(load.stdout or ()))
        reader.start()
        try:
            with ProcessSource(Root("/"), [load.pid], attrs, budget=1.0, seed=1) as made:
                events = list(made.snapshots(threading.Event()))
        finally:
            load.kill()
            reader.join()
    touches = [(name, float(a), float(b)) for name, a, b in (line.split() for line in text)]
    last = events[-1]
    assert isinstance(last, Status)
    assert last.state == "gone"
    # at its end the load gives its areas back, which a last snapshot may see
    return [e for e in events if isinstance(e, Snapshot) and e.time < began + 12.0], areas, touches, began


def of_area(snapshot: Snapshot, area: tuple[int, int, float]) -> np.ndarray:
    return (snapshot.start < area[0] + area[1]) & (snapshot.end > area[0])


def test_the_working_set_of_a_real_process(truth) -> None:  # type: ignore[no-untyped-def]
    found, areas, touches, _ = truth
    assert len(found) >= 3
    ratios = []
    for snapshot in found:
        touched = {name for name, a, b in touches if b > snapshot.began and a < snapshot.time}
        true = sum(areas[name][1] for name in touched)
        seen = sum(
            int(snapshot.sizes[of_area(snapshot, area) & (snapshot.nr_accesses > 0)].sum()) for area in areas.values()
        )
        ratios.append(seen / true)
    assert statistics.median(ratios) == pytest.approx(1.0, abs=0.2)


def test_cold_memory_is_idle_as_long_as_it_is(truth) -> None:  # type: ignore[no-untyped-def]
    found, areas, _, began = truth
    for snapshot in found:
        here = of_area(snapshot, areas["cold"])
        assert snapshot.sizes[here].tolist() == [areas["cold"][1]]
        idle = metrics.idle_ms(snapshot)[here][0] / 1000
        # the age counts aggregations: before the first whole one nothing is known, and a late one is longer than said
        late = snapshot.late * snapshot.attrs.sample_us / 1e6
        assert snapshot.time - began - 3.0 - late <= idle <= snapshot.time - began + 3.0
    assert metrics.idle_ms(found[-1])[of_area(found[-1], areas["hot"])][0] < 0


def test_hot_memory_is_hot_and_warm_memory_is_between(truth) -> None:  # type: ignore[no-untyped-def]
    found, areas, _, _ = truth
    rate = {
        name: statistics.mean(float(metrics.access_rates(s)[of_area(s, area)].mean()) for s in found)
        for name, area in areas.items()
    }
    # wide: on a machine with more to do than it can, the load itself may be late
    assert rate["hot"] > 0.6
    assert rate["shared"] > 0.6
    assert 0.0 < rate["warm"] < 0.4
    assert rate["cold"] == 0.0
    assert "[shared anon]" in found[-1].names
    assert any(name.startswith("libc") for name in found[-1].names)
