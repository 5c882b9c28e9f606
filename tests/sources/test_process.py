"""Processes as a source: the budget kept on a clock of the test, how it ends, and what a real process shows."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from damontui.analysis import usage
from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Event, Snapshot, Status
from damontui.errors import SourceError, UsageError
from damontui.kernel.root import Root
from damontui.sources.process import DEFAULTS, ProcessSource, parse_pids
from damontui.sources.spending import Budget
from tests.fake_process import Area, FakeProcess
from tests.scripted_process import Part, Scripted, always, never

MIB = 1 << 20
HEAP = 0x5600_0000_0000


def scripted(folder: Path) -> Scripted:
    return Scripted(folder, [[Part(8 * MIB, always())], [Part(8 * MIB, never)]])


def snapshots(of: ProcessSource, count: int) -> list[Snapshot]:
    return list(itertools.islice((e for e in of.snapshots(threading.Event()) if isinstance(e, Snapshot)), count))


def test_a_cheap_process_is_read_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted(tmp_path)
    script.charge(monkeypatch, 0.001)
    with script.source() as made:
        assert made.overhead() == 0.0
        assert script.clears == []  # to enter is not to hold anything up
        found = snapshots(made, 5)
    assert {snapshot.attrs for snapshot in found} == {DEFAULTS}
    assert [round(snapshot.time) for snapshot in found] == [1, 2, 3, 4, 5]
    assert found[-1].note == ""
    assert found[-1].cpu is not None
    assert found[-1].cpu < 0.004
    assert found[-1].origin == "process"
    assert [round(snapshot.watched or 0) for snapshot in found] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("mib", [100, 400, 2048])
@pytest.mark.parametrize("budget", [0.01, 0.02, 0.2])
def test_the_budget_is_kept_from_the_first_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mib: int, budget: float
) -> None:
    script = Scripted(tmp_path, [[Part(mib << 19, always())], [Part(mib << 19, never)]])
    cost = 15e-3 * mib / 1024  # a walk of the page tables; a clear is foreseen to take 16 ms a GiB
    script.charge(monkeypatch, cost)
    spent = []
    waited = script.wait

    def wait(stop: threading.Event, seconds: float) -> None:
        spent.append((script.now, script.cpu))
        waited(stop, seconds)

    monkeypatch.setattr(script, "wait", wait)
    with script.source(budget=budget, max_pause=1.0) as made:
        found = snapshots(made, 12)
    assert len(script.clears) >= 1
    assert max(cpu / max(now, 1.0) for now, cpu in spent) <= budget * 1.001
    assert found[-1].cpu is not None
    # neither is time wasted: it is read as often as the budget has room for
    distances = [b.time - a.time for a, b in itertools.pairwise(found)]
    assert min(distances) == pytest.approx(max(1.0, cost / budget), rel=0.3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cost", [0.002, 0.006, 0.015])
def test_the_budget_is_kept_where_costs_vary_by_a_quarter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float, seed: int
) -> None:
    mib = round(cost * 1024 / 15e-3)
    script = Scripted(tmp_path, [[Part(mib << 19, always())], [Part(mib << 19, never)]])
    script.charge(monkeypatch, cost)
    rng = np.random.default_rng(seed)
    spent = []
    waited = script.wait

    def wait(stop: threading.Event, seconds: float) -> None:
        script.cost = cost * rng.uniform(0.8, 1.25)
        spent.append((script.now, script.cpu))
        waited(stop, seconds)

    monkeypatch.setattr(script, "wait", wait)
    with script.source(max_pause=1.0) as made:
        snapshots(made, 20)
    assert max(cpu / max(now, 1.0) for now, cpu in spent) <= 0.02


def test_a_first_snapshot_does_not_wait_for_a_second_after_a_clear_that_had_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 GiB at what they cost on a real machine: the first figures come as soon as the budget has room for them."""
    script = Scripted(tmp_path, [[Part(400 * MIB, always())], [Part(1648 * MIB, never)]])
    script.charge(monkeypatch, 0.012)
    with script.source(max_pause=1.0) as made:
        (first,) = snapshots(made, 1)
    assert first.time <= 2.1
    assert usage.used_by_region(first, 1.0).tolist() == [400 * MIB, 0]


def test_a_first_clear_that_takes_longer_than_foreseen_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = scripted(tmp_path)
    script.charge(monkeypatch, 0.04)
    with script.source() as made:
        for snapshot in snapshots(made, 4):
            assert snapshot.time * 0.02 >= 0.04 * 2 * 0.99
            assert made.overhead() <= 0.02 * script.now * 1.01


def test_a_dear_reading_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted(tmp_path)
    script.charge(monkeypatch, 0.05)
    with script.source() as made:
        found = snapshots(made, 6)
    # 50 ms at 19 ms a second, of which a seventh is put aside at first
    assert found[-1].note == (
        "readings slowed to one in 3.1 s by the 2 % CPU budget: each costs 50.0 ms of CPU time; "
        "a larger --budget reads more often"
    )
    assert found[-1].attrs.aggr_us == pytest.approx(3_096_000, rel=0.05)
    assert found[-1].attrs.max_nr_accesses == 20
    assert found[-1].nr_accesses.tolist() == [20, 0]


def test_a_process_that_grows_dear_is_read_more_rarely_and_a_cheap_one_again_more_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = scripted(tmp_path)
    script.charge(monkeypatch, 0.001)
    with script.source() as made:
        events = (e for e in made.snapshots(threading.Event()) if isinstance(e, Snapshot))
        next(events)
        script.charge(monkeypatch, 0.1)
        dear = list(itertools.islice(events, 8))
        assert min(b.time - a.time for a, b in itertools.pairwise(dear[1:])) >= 5.0
        assert 0.015 < script.cpu / script.now <= 0.02
        script.charge(monkeypatch, 0.001)
        last = list(itertools.islice(events, 12))
        assert last[-1].attrs == DEFAULTS
        assert last[-1].time - last[-2].time == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_budget_that_is_none(share: float) -> None:
    with pytest.raises(UsageError, match="--budget"):
        Budget(share)


def test_the_pause_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted(tmp_path)
    script.charge(monkeypatch, 0.004)
    with script.source() as made:
        found = snapshots(made, 3)
    assert found[-1].measured is not None
    assert found[-1].measured.longest_pause == pytest.approx(0.004)


def test_two_who_watch_one_process_know_of_each_other(tmp_path: Path) -> None:
    script = scripted(tmp_path / "root")
    with script.source(locks=tmp_path) as one, script.source(locks=tmp_path) as other:
        first = (e for e in one.snapshots(threading.Event()) if isinstance(e, Snapshot))
        assert next(first).note == ""
        second = (e for e in other.snapshots(threading.Event()) if isinstance(e, Snapshot))
        assert next(second).note.startswith("another run of this program watches the process, too")
        assert [path.name for path in tmp_path.glob("*.lock")] == ["damontui-12-1000.lock"]
        second.close()
        first.close()
        assert list(tmp_path.glob("*.lock")) == []
        assert snapshots(other, 1)[0].note == ""


def test_a_lock_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    script = scripted(tmp_path / "root")
    (tmp_path / "damontui-12-1000.lock").symlink_to(tmp_path / "victim")
    with script.source(locks=tmp_path) as made:
        assert snapshots(made, 1)[0].note == ""
    assert not (tmp_path / "victim").exists()


def test_switched_off_and_on_it_starts_afresh(tmp_path: Path) -> None:
    script = scripted(tmp_path)
    with script.source() as made:
        events = made.snapshots(threading.Event())
        assert isinstance(next(events), Status)
        assert isinstance(next(events), Snapshot)
        made.enabled = False
        last = next(events)
        assert isinstance(last, Status)
        assert last.state == "off"
        made.enabled = True
        assert snapshots(made, 1)[0].watched == pytest.approx(1.0)


def test_a_stop_ends_it(tmp_path: Path) -> None:
    script = scripted(tmp_path)
    stop = threading.Event()
    with script.source() as made:
        events = made.snapshots(stop)
        next(events)
        stop.set()
        assert list(events) == []


def test_the_end_is_told_with_name_and_time(tmp_path: Path) -> None:
    script = scripted(tmp_path)
    with script.source() as made:
        assert made.describe().title == "process 12 (worker)"
        assert made.describe().target == "12"
        assert made.describe().limits
        events = made.snapshots(threading.Event())
        seen: list[Event] = [next(events), next(events)]
        script.process.state("Z")
        seen += events
    last = seen[-1]
    assert isinstance(last, Status)
    assert last.state == "gone"
    at = time.strftime("%H:%M:%S", time.localtime(1e9 + script.now))
    assert last.text == f"process 12 (worker) ended at {at}"


def test_starting_again_on_a_number_that_is_another_process(tmp_path: Path) -> None:
    script = scripted(tmp_path)
    with script.source() as made:
        FakeProcess(tmp_path, 12, comm="stranger", started=5_000)
        with pytest.raises(SourceError, match=r"12 \(worker\): it has ended, and its number is .* \(stranger\) now"):
            list(made.snapshots(threading.Event()))


def test_several_processes_go_on_without_one(tmp_path: Path) -> None:
    script = scripted(tmp_path)
    other = FakeProcess(tmp_path, 13, [Area(HEAP, MIB, rss=MIB)], comm="other")
    with script.source(pids=(12, 13)) as made:
        assert made.describe().title == "processes 12 (worker), 13 (other)"
        events = (e for e in made.snapshots(threading.Event()) if isinstance(e, Snapshot))
        assert next(events).targets == (12, 13)
        other.end()
        assert next(events).targets == (12,)


def test_what_is_asked_for_is_recordable(tmp_path: Path) -> None:
    """No interval is ever outside of a goal's bounds: nothing is tuned, however slow looking is."""
    script = scripted(tmp_path)
    with script.source(attrs=Attrs(sample_us=100_000, aggr_us=2_000_000)) as made:
        assert made.describe().attrs.goal is None
        found = snapshots(made, 3)
    assert [round(snapshot.time) for snapshot in found] == [2, 4, 6]
    for snapshot in found:
        replace(snapshot.attrs)
        assert snapshot.attrs.goal is None


@pytest.mark.parametrize("word", ["", "x", "12x", "0", "-1", "12,", "²", "99999999"])
def test_words_that_are_no_process(word: str) -> None:
    with pytest.raises(UsageError, match="is not a process"):
        parse_pids(word)


def test_words_that_are_processes() -> None:
    assert parse_pids("1234") == (1234,)
    assert parse_pids("1,2,1") == (1, 2)


# -- a real process


AREAS = ("hot:24:20", "shared:16:20:shared", "warm:24:1500", "cold:48:0")


@pytest.fixture(scope="module")
def truth() -> tuple[list[Snapshot], dict[str, tuple[int, int, float]], float]:
    """Snapshots of a load for six seconds, its areas, and when it began to leave ``cold`` alone."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this machine does not let a process clear its own accessed bits")
    script = Path(__file__).parents[1] / "process_load.py"
    with subprocess.Popen([sys.executable, str(script), "6", *AREAS], stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout is not None
        areas = {name: tuple(values) for name, values in json.loads(load.stdout.readline()).items()}
        began = time.monotonic()
        reader = threading.Thread(target=load.stdout.read)
        reader.start()
        try:
            with ProcessSource(Root("/"), [load.pid], budget=1.0, max_pause=1.0) as made:
                events = list(made.snapshots(threading.Event()))
        finally:
            load.kill()
            reader.join()
    last = events[-1]
    assert isinstance(last, Status)
    assert last.state == "gone"
    # at its end the load gives its areas back, which a last snapshot may see
    return [e for e in events if isinstance(e, Snapshot) and e.time < began + 6.0], areas, began


def of_area(snapshot: Snapshot, area: tuple[int, int, float], seconds: float) -> float:
    here = (snapshot.start < area[0] + area[1]) & (snapshot.end > area[0])
    return float(usage.used_by_region(snapshot, seconds)[here].sum() / area[1])


def test_a_real_process(truth) -> None:  # type: ignore[no-untyped-def]
    found, areas, began = truth
    assert found
    for snapshot in found:
        assert of_area(snapshot, areas["cold"], 1.0) == 0.0
        assert metrics.idle_ms(snapshot).max() <= (snapshot.time - began + 1.0) * 1000
        assert snapshot.resident is not None
        assert 112 * MIB < snapshot.total_bytes < 400 * MIB
    last = found[-1]
    assert of_area(last, areas["hot"], 1.0) == pytest.approx(1.0, abs=0.03)
    assert of_area(last, areas["shared"], 1.0) == pytest.approx(1.0, abs=0.03)
    assert of_area(last, areas["warm"], 5.0) == pytest.approx(1.0, abs=0.03)
    assert "[shared anon]" in last.names
    assert any(name.startswith("libc") for name in last.names)
    assert last.measured is not None
    assert last.measured.longest_pause > 0
