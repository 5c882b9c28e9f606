"""What ``snapshot`` prints of a source, when, and what it says meanwhile. The sources are made up: nothing waits."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from damontui import cli
from damontui.commands.snapshot import says_something
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Event, Interim, ModuleValues, Snapshot, Status
from damontui.sources import choose
from tests.fake_kernel import FakeKernel
from tests.make import WALL, snapshot

ROWS = [(0, 1 << 20, 20, 0), (1 << 20, 1 << 30, 0, 7)]
IDLE = tuple([-1000] * 4 + [70_000] * 97)
GROWN = Attrs(sample_us=5_000_000, aggr_us=100_000_000)
INTERIM = Interim(
    time=3.0,
    wall=WALL,
    module=ModuleValues(True, 42_000_000, IDLE, 100_000_000, 123),
    total=2 << 30,
    free=1 << 30,
    large=((400, "python3", 300 << 20), (401, "sh", 1 << 20)),
    began=None,
    due=90.0,
)
EMPTY = replace(INTERIM, module=ModuleValues(True, kdamond_pid=123))
WAITING = Status("waiting", "first aggregation, at most 100 s", 2.0, WALL, due=102.0)


class Scripted:
    """A source that yields what it was given; ``after`` is called with each event that was taken."""

    def __init__(self, events: Sequence[Event], origin: str = "kernel", blocks: bool = False) -> None:
        self.events = events
        self.enabled = True
        self.origin = origin
        self.blocks = blocks
        self.taken = 0

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def describe(self) -> Description:
        return Description("made-up", "DAMON_STAT", self.origin, GROWN, host="here")  # type: ignore[arg-type]

    def overhead(self) -> float:
        return 0.0

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        for event in self.events:
            stop.wait(0)
            self.taken += 1
            yield event
        while self.blocks:
            stop.wait(0.01)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(source: Scripted, *words: str) -> tuple[int, str, str]:
        kind = choose.TargetKind("made-up", "a test", lambda word: word == "made-up", lambda word, options: source)
        monkeypatch.setattr(choose, "TARGET_KINDS", [kind, *choose.TARGET_KINDS])
        status = cli.main(["snapshot", "made-up", *words])
        out, err = capsys.readouterr()
        return status, out, err

    return ran


def aged(time: float, watched: float | None) -> Snapshot:
    return snapshot(ROWS, time, watched=watched, until_tuning=2)


def times(out: str) -> list[float]:
    return [json.loads(line)["time"] for line in out.splitlines()]


def test_now_prints_what_the_module_says_with_why_it_is_not_complete(run: Run) -> None:
    source = Scripted([WAITING, EMPTY, INTERIM, aged(100, 500)])
    status, out, err = run(source, "--now", "--json")
    assert status == 0
    (line,) = out.splitlines()
    value = json.loads(line)
    assert value["complete"] is False
    assert "under way" in value["note"]
    assert value["kernel"] == {
        "enabled": True,
        "estimated_memory_bandwidth": 42_000_000,
        "memory_idle_ms_percentiles": list(IDLE),
        "aggr_interval_us": 100_000_000,
        "kdamond_pid": 123,
    }
    assert value["intervals"] == {"sample_us": 5_000_000, "aggr_us": 100_000_000}
    assert value["in_use_so_far"] == {"share": 0.03, "bytes": round(0.03 * (2 << 30))}
    assert value["free_bytes"] == 1 << 30
    assert value["largest"][0] == {"pid": 400, "name": "python3", "bytes": 300 << 20}
    assert (value["began"], value["due"], value["regions"]) == (None, 90.0, [])
    assert value["bandwidth_bytes_per_s"] is value["idle_ms_percentiles"] is value["working_set_bytes"] is None
    assert source.taken == 3  # not the aggregation
    assert "--now" not in err


def test_now_as_text(run: Run) -> None:
    status, out, _ = run(Scripted([WAITING, INTERIM]), "--now")
    assert status == 0
    said = " ".join(out.split())
    for part in (
        "DAMON_STAT · here",
        "INTERIM: the module's own numbers",
        "aggregation 1:40, whole in 87.0 s at most",
        "in use so far at least 3.0 % of 2 GiB, 61.4 MiB",
        "module says 42.0 MB/s (read mid-count, usually too low)",
        "free 1 GiB",
        "largest 300 MiB python3 (400) 1 MiB sh (401)",
        "p0 in use for 1 s",
        "p50 idle for 70.0 s",
    ):
        assert part in said, said


def test_without_now_the_news_is_passed_over_and_what_is_waited_for_is_said_once(run: Run) -> None:
    status, out, err = run(Scripted([WAITING, INTERIM, WAITING, aged(100, 500), INTERIM]), "--json")
    assert (status, times(out)) == (0, [100.0])
    assert err == "damontui: waiting: first aggregation, at most 100 s; --now prints what is known at once\n"


def test_a_short_wait_is_not_worth_a_line(run: Run) -> None:
    _, _, err = run(Scripted([replace(WAITING, due=2.1), aged(100, 500)]), "--json")
    assert err == ""


def test_what_was_just_started_is_watched_until_it_says_something(run: Run) -> None:
    events = [aged(time, float(time)) for time in range(1, 20)]
    status, out, err = run(Scripted(events), "--json", "-n", "2")
    assert (status, times(out)) == (0, [10.0, 11.0])
    assert err.count("\n") == 1
    assert "at most 10 s; --now takes the first aggregation" in err
    status, out, err = run(Scripted(events), "--json", "--now", "--once")
    assert (status, times(out), err) == (0, [1.0], "")


def test_tuned_intervals_say_something() -> None:
    attrs = Attrs()
    step = snapshot(ROWS, 3, attrs=attrs, watched=3.0, until_tuning=3)
    hot = round((1 << 30) * 0.04 / 4096) * 4096  # in use in every sample: 4 % observed, the goal
    tuned = snapshot([(0, hot, 20, 0), (hot, 1 << 30, 0, 7)], 3, attrs=attrs, watched=3.0, until_tuning=3)
    assert says_something(tuned)
    assert not says_something(replace(tuned, until_tuning=2))  # no step has just been taken
    assert not says_something(replace(tuned, next_attrs=attrs.with_sample(7_000)))
    assert not says_something(step)  # a thousandth of memory in use: the intervals will grow
    assert not says_something(replace(tuned, attrs=replace(attrs, goal=None)))
    assert says_something(replace(step, watched=10.0))
    assert says_something(replace(step, watched=None))


def test_better_a_young_one_than_none(run: Run) -> None:
    young = [aged(1, 1.0), aged(2, 2.0)]
    status, out, _ = run(Scripted(young, blocks=True), "--json", "--timeout", "0.05")
    assert (status, times(out)) == (0, [2.0])
    status, out, _ = run(Scripted([*young, Status("gone", "it ended", 3.0, WALL)]), "--json")
    assert (status, times(out)) == (0, [2.0])
    status, out, err = run(Scripted([*young, Status("gone", "it ended", 3.0, WALL)]), "--json", "-n", "2")
    assert (status, times(out)) == (1, [2.0])
    assert "it ended" in err
    status, out, _ = run(Scripted(young), "--json")
    assert (status, times(out)) == (0, [2.0])


def test_a_record_is_not_waited_for(run: Run) -> None:
    status, out, _ = run(Scripted([aged(1, 1.0)], origin="record"), "--json")
    assert (status, times(out)) == (0, [1.0])


def test_nothing_at_all_in_time_says_what_was_waited_for(run: Run) -> None:
    status, out, err = run(Scripted([WAITING, INTERIM], blocks=True), "--timeout", "0.05", "--json")
    assert (status, out) == (1, "")
    assert "no snapshot came: 0.05 s are over (first aggregation, at most 100 s)" in err


def test_synthetic_memory_need_not_be_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["snapshot", "demo", "--seed", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["time"] > 5
    assert json.loads(out)["overhead_cpu"] is None
    assert cli.main(["snapshot", "demo", "--seed", "3", "--json", "--now"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["time"] == pytest.approx(0.1)


def test_of_the_made_up_kernel_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.say(
        estimated_memory_bandwidth=42,
        memory_idle_ms_percentiles=",".join(map(str, IDLE)),
        aggr_interval_us=100_000_000,
    )
    assert cli.main(["snapshot", "stat", "--now", "--json", "--rootfs", str(tmp_path)]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["kernel"]["estimated_memory_bandwidth"] == 42
    assert value["complete"] is False
    assert kernel.instances() == []
