"""DAMON_STAT as a source, on a made-up kernel that replays what real kernels said."""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from damontui.damon import metrics
from damontui.damon.snapshot import Event, Snapshot, Status
from damontui.errors import SourceError
from damontui.kernel.damon_sysfs import ADMIN
from damontui.sources.damon_stat import DamonStatSource
from tests.fake_kernel import CAPTURES, FLAVOURS, PARAMETERS, TRACING, ZEROS, FakeKernel, Stop, capture, replay

STEADY, SHORT = "kernel-7.2-steady", "kernel-6.18-short"


def source(kernel: FakeKernel) -> DamonStatSource:
    return DamonStatSource(
        kernel.root, clock=kernel.clock, wall=kernel.wall, program="/opt/damontui", pause=kernel.advance
    )


def watch(
    kernel: FakeKernel,
    made: DamonStatSource,
    *,
    count: int = 10_000,
    seconds: float = 0.0,
    each: Callable[[Event], None] = lambda event: None,
) -> list[Event]:
    """The source's events until ``count`` snapshots came, or all that was planned happened and ``seconds`` passed."""
    stop = Stop(kernel)
    end = kernel.now + seconds
    events: list[Event] = []

    class Watched(Stop):
        def wait(self, timeout: float | None = None) -> bool:
            if kernel.over and kernel.now > end:
                self.set()
            return super().wait(timeout)

    stop = Watched(kernel)
    for event in made.snapshots(stop):
        events.append(event)
        each(event)
        if sum(isinstance(one, Snapshot) for one in events) >= count:
            stop.set()
    assert stop.longest <= 0.5
    return events


def snapshots(events: list[Event]) -> list[Snapshot]:
    return [event for event in events if isinstance(event, Snapshot)]


def states(events: list[Event]) -> list[str]:
    return [event.state for event in events if isinstance(event, Status)]


def texts(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Status))


def truth(name: str) -> list[tuple[float, int, int, list[tuple[int, int, int, int]]]]:
    """By the letter of damon.md, line by line: time, sampling interval counted in, and from then on, regions."""
    found: list[tuple[float, int, int, list[tuple[int, int, int, int]]]] = []
    sample = following = 5_000
    rows: list[tuple[int, int, int, int]] = []
    for time, line in capture(name):
        tune = re.search(rb"sample_us=(\d+)", line)
        if tune:
            following = int(tune[1])
            continue
        expected, *row = map(int, re.search(rb"nr_regions=(\d+) (\d+)-(\d+): (\d+) (\d+)", line).groups())  # type: ignore[union-attr]
        rows.append(tuple(row))  # type: ignore[arg-type]
        if len(rows) == 1:
            began = time
        if len(rows) == expected:
            found.append((began, sample, following, rows))
            sample, rows = following, []
    return found


def started(tmp_path: Path, name: str, flavour: str) -> FakeKernel:
    """A kernel on which DAMON_STAT is switched on just before the captured run begins."""
    kernel = FakeKernel(tmp_path, flavour, on=False)
    first = capture(name)[0][0]
    kernel.now = first - 1.0
    kernel.advance(0)
    kernel.at(first - 0.1, lambda: kernel.start(int(re.search(rb"-(\d+) ", capture(name)[0][1])[1])))  # type: ignore[index]
    replay(kernel, name)
    return kernel


@pytest.mark.parametrize(
    ("name", "flavour"),
    [(STEADY, "7.2"), ("kernel-7.2-warm", "7.2"), (SHORT, "6.18"), (SHORT, "6.17"), (STEADY, "6.17")],
)
def test_a_run_seen_from_its_start_is_exact(tmp_path: Path, name: str, flavour: str) -> None:
    kernel = started(tmp_path, name, flavour)
    with source(kernel) as made:
        events = watch(kernel, made)
    found, wanted = snapshots(events), truth(name)
    assert len(found) == len(wanted) > 20
    steps = 0
    for snapshot, (time, sample, following, rows) in zip(found, wanted, strict=True):
        assert snapshot.time == pytest.approx(time)
        assert snapshot.attrs.sample_us == sample
        assert snapshot.next_attrs.sample_us == following
        assert snapshot.attrs.aggr_us == 20 * sample
        assert list(zip(snapshot.start, snapshot.end, snapshot.nr_accesses, snapshot.age, strict=True)) == rows
        seen = sum((end - start) * accesses for start, end, accesses, _ in rows)
        assert metrics.bandwidth(snapshot) == seen * 1_000_000 // (20 * sample)
        assert snapshot.complete
        assert snapshot.note == ""
        assert snapshot.wall == pytest.approx(time + 1_700_000_000)
        steps += sample != following
        assert snapshot.until_tuning == (3 if sample != following else 3 - (found.index(snapshot) + 1) % 3)
    assert steps >= 8
    for before, after in itertools.pairwise(found):
        assert after.began == before.time
    assert states(events) == ["off", "on", "waiting"]
    assert kernel.instances() == []


@pytest.mark.parametrize(("name", "flavour"), [(STEADY, "7.2"), (SHORT, "6.18")])
@pytest.mark.parametrize("offset", [0.5, 2.0, 4.0, 9.0, 20.0])
def test_joined_in_the_middle_the_intervals_are_those_in_force(
    tmp_path: Path, name: str, flavour: str, offset: float
) -> None:
    wanted = truth(name)
    since = wanted[0][0] + offset
    pid = 124 if name == STEADY else 154
    kernel = FakeKernel(tmp_path, flavour, pid=pid)
    kernel.now = since
    replay(kernel, name, since=since)
    with source(kernel) as made:
        found = snapshots(watch(kernel, made))
    by_time = {round(time, 6): (sample, following) for time, sample, following, _ in wanted}
    assert len(found) >= len([time for time, *_ in wanted if time > since]) - 1
    told = [snapshot for snapshot in found if not snapshot.note]
    assert len(told) >= len(found) - 3
    tuned = next(i for i, s in enumerate(found) if s.attrs.sample_us != s.next_attrs.sample_us)
    for snapshot in found[tuned:]:
        assert (snapshot.attrs.sample_us, snapshot.next_attrs.sample_us) == by_time[round(snapshot.time, 6)]
    for snapshot in found[:tuned]:  # until the first step: what the file says, or the pace
        assert snapshot.attrs.sample_us == pytest.approx(by_time[round(snapshot.time, 6)][0], rel=0.75)


def test_a_kernel_that_tells_no_interval_is_timed_by_its_sleeps(tmp_path: Path) -> None:
    wanted = truth(STEADY)
    index = next(i for i, (_, sample, following, _) in enumerate(wanted) if i > 12 and sample == following)
    time, sample, *_ = wanted[index]
    since = time - 18 * sample / 1e6
    kernel = FakeKernel(tmp_path, "6.17", pid=124)
    kernel.now = since
    for number in range(1, 400):
        kernel.at(
            since + number * sample / 1e6,
            lambda number=number: kernel.put("proc/124/status", f"voluntary_ctxt_switches:\t{number}"),  # type: ignore[misc]
        )
    replay(kernel, STEADY, since=since)
    with source(kernel) as made:
        assert "does not tell" in made.describe().limits[0]
        found = snapshots(watch(kernel, made, count=6))
    assert found[0].time == pytest.approx(time)
    assert found[0].attrs.sample_us == pytest.approx(sample, rel=0.15)
    assert found[0].note.endswith("until the next tuning step, since this kernel does not tell them")
    assert found[-1].note == ""
    assert found[-1].attrs.sample_us in {s for _, s, *_ in wanted}


def test_without_any_hint_the_first_aggregation_waits_for_the_second(tmp_path: Path) -> None:
    wanted = truth(STEADY)
    since = wanted[10][0] - 0.01
    kernel = FakeKernel(tmp_path, "6.17", pid=124)
    kernel.remove("proc/124/status")
    kernel.now = since
    replay(kernel, STEADY, since=since)
    with source(kernel) as made:
        events = watch(kernel, made, count=4)
    assert "one more aggregation" in texts(events)
    times = [snapshot.time for snapshot in snapshots(events)]
    assert times == pytest.approx([time for time, *_ in wanted[10:]][: len(times)])


def test_the_modules_own_numbers_stand_beside(tmp_path: Path) -> None:
    kernel = started(tmp_path, STEADY, "7.2")
    with source(kernel) as made:
        found = snapshots(watch(kernel, made))
    assert found[0].module is not None
    assert found[0].module.bandwidth is None  # nothing computed yet: no zeros
    assert found[0].module.idle_ms_percentiles is None
    last = found[-1].module
    assert last is not None
    assert last.enabled
    assert last.kdamond_pid == 124
    assert last.bandwidth
    assert last.aggr_interval_us
    assert len(last.idle_ms_percentiles or ()) == 101


def test_numbers_of_a_former_run_are_not_shown_as_new(tmp_path: Path) -> None:
    kernel = started(tmp_path, STEADY, "7.2")
    kernel.say(estimated_memory_bandwidth=77, memory_idle_ms_percentiles=ZEROS.replace("0", "7"), aggr_interval_us=9)
    with source(kernel) as made:
        found = snapshots(watch(kernel, made, count=5))
    assert [s.module.bandwidth if s.module else -1 for s in found] == [None] * 5
    assert found[0].attrs.sample_us == 5_000


def test_the_kdamonds_cost(tmp_path: Path) -> None:
    kernel = started(tmp_path, STEADY, "7.2")
    first = capture(STEADY)[0][0]
    for number in range(300):  # a tenth of a CPU
        kernel.at(
            first + number / 10,
            lambda number=number: kernel.put("proc/124/schedstat", f"{1_000_000 + number * 10_000_000} 0 0"),  # type: ignore[misc]
        )
    with source(kernel) as made:
        found = snapshots(watch(kernel, made, count=20))
        assert found[-1].cpu == pytest.approx(0.1, rel=0.15)
        assert made.overhead() == pytest.approx((kernel.now - first) * 0.1, abs=0.05)


def test_first_come_what_is_waited_for_and_when_it_is_due(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    kernel.say(aggr_interval_us=4_000_000)
    with source(kernel) as made:
        events = watch(kernel, made, seconds=0.2)
    assert states(events) == ["on", "waiting"]
    waiting = events[1]
    assert isinstance(waiting, Status)
    assert waiting.text == "first aggregation, at most 4 s"
    assert waiting.due == pytest.approx(waiting.time + 4)


# The switch


# one snapshot before the switch is turned: 6.17 wants a second one to know its interval
WAITS = {"6.17": ["waiting"], "6.18": [], "7.2": []}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_someone_else_switches_off_and_on_again(tmp_path: Path, flavour: str) -> None:
    kernel = FakeKernel(tmp_path, flavour, pid=10)
    kernel.at(1002.0, kernel.end)
    kernel.at(1004.0, lambda: kernel.start(11))
    line = b"  kdamond.0-%d [000] ..... %.6f: damon_aggregated: target_id=0 nr_regions=1 4096-8192: 3 0\n"
    kernel.at(1000.5, lambda: kernel.feed(line % (10, 1000.5)))
    kernel.at(1004.1, lambda: kernel.feed(line % (11, 1004.1)))  # before the new PID can be known
    kernel.at(1004.2, lambda: kernel.feed(line % (11, 1004.2)))
    with source(kernel) as made:
        events = watch(kernel, made, seconds=6)
    assert states(events) == ["on", "waiting", *WAITS[flavour], "off", "on", "waiting"]
    assert [s.time for s in snapshots(events)][-2:] == [1004.1, 1004.2]
    assert [s.until_tuning for s in snapshots(events)][-2:] == [2, 1]
    assert "switched off by someone else" in texts(events)
    assert "switched on by someone else" in texts(events)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_our_own_switch_takes_and_is_followed(tmp_path: Path, flavour: str) -> None:
    kernel = FakeKernel(tmp_path, flavour)
    with source(kernel) as made:

        def switch(on: bool) -> Callable[[], None]:
            return lambda: setattr(made, "enabled", on)

        kernel.at(1001.0, switch(False))
        kernel.at(1002.0, switch(True))
        events = watch(kernel, made, seconds=3)
        assert made.enabled
    assert states(events) == ["on", "waiting", "off", "on", "waiting"]
    assert "someone else" not in texts(events)
    assert kernel.pid == 125


def test_the_module_goes_away_and_comes_back(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2")

    def back() -> None:
        kernel.put(f"{PARAMETERS}/estimated_memory_bandwidth", "0")
        kernel.put(f"{PARAMETERS}/memory_idle_ms_percentiles", ZEROS)
        kernel.put(f"{PARAMETERS}/kdamond_pid", "-1")
        kernel.start()

    kernel.at(1001.0, lambda: kernel.remove("sys/module/damon_stat"))
    kernel.at(1003.0, back)
    with source(kernel) as made:
        events = watch(kernel, made, seconds=4)
        assert made.enabled
    assert states(events) == ["on", "waiting", "gone", "on", "waiting"]


def test_a_restart_between_two_looks_is_noticed(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    kernel.at(1001.1, lambda: (kernel.end(), kernel.start())[0])  # type: ignore[func-returns-value]
    with source(kernel) as made:
        events = watch(kernel, made, seconds=3)
    assert "was restarted by someone else" in texts(events)
    filters = [text for name, text in kernel.root.writes if name.endswith("damon_aggregated/filter")]
    assert filters == ["common_pid==124", "common_pid==125"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_start_that_is_refused_names_the_holder_and_changes_nothing(tmp_path: Path, flavour: str) -> None:
    kernel = FakeKernel(tmp_path, flavour, on=False)
    kernel.hold(300)
    with source(kernel) as made:
        with pytest.raises(SourceError) as caught:
            made.enabled = True
        assert not made.enabled
        assert "kdamond 300" in str(caught.value)
        assert "kdamonds/0/state" in caught.value.remedy
    assert (tmp_path / PARAMETERS / "enabled").read_text().strip() == "N"


def test_a_switch_that_says_yes_without_a_kdamond_is_off(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "6.18", on=False)
    kernel.hold(300)
    kernel.put(f"{PARAMETERS}/enabled", "Y")
    with source(kernel) as made:
        events = watch(kernel, made, seconds=1)
        assert not made.enabled
    assert states(events) == ["off"]
    assert "no kdamond" in texts(events)
    assert "300" in texts(events)


# Lost events


def test_lost_events_make_a_snapshot_incomplete_and_the_buffer_larger(tmp_path: Path) -> None:
    kernel = started(tmp_path, STEADY, "7.2")
    wanted = truth(STEADY)
    time = wanted[8][0]
    kernel.at(time + 0.000001, lambda: kernel.feed(b"CPU:1 [LOST 12 EVENTS]\n"))
    with source(kernel) as made:
        found = snapshots(watch(kernel, made))
    marred = [s for s in found if not s.complete]
    assert [s.time for s in marred] == [pytest.approx(time)]
    assert marred[0].lost == 12
    assert "12 events lost" in marred[0].note
    assert "1024 KiB" in marred[0].note
    sizes = [text for name, text in kernel.root.writes if name.endswith("buffer_size_kb")]
    assert sizes == ["512", "1024"]
    by_time = {round(at, 6): sample for at, sample, *_ in wanted}
    assert all(s.attrs.sample_us == by_time[round(s.time, 6)] for s in found)


def test_an_aggregation_whose_last_lines_were_lost_is_handed_on_after_a_second(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    line = b"  kdamond.0-124 [000] ..... 1001.0: damon_aggregated: target_id=0 nr_regions=3 %d-%d: 1 0\n"
    kernel.at(1001.0, lambda: kernel.feed(line % (0, 4096) + line % (4096, 8192)))
    with source(kernel) as made:
        first = b"  kdamond.0-124 [000] ..... 1000.5: damon_aggregated: target_id=0 nr_regions=1 0-4096: 1 0\n"
        kernel.at(1000.5, lambda: kernel.feed(first))
        found = snapshots(watch(kernel, made, seconds=4))
    assert [(len(s), s.complete, s.lost) for s in found] == [(1, True, 0), (2, False, 1)]


def test_the_rest_of_an_aggregation_that_began_before_us_is_left_out(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    line = b"  kdamond.0-124 [000] ..... 100%d.0: damon_aggregated: target_id=0 nr_regions=2 %d-%d: 1 0\n"
    kernel.at(1001.0, lambda: kernel.feed(line % (1, 4096, 8192)))
    kernel.at(1002.0, lambda: kernel.feed(line % (2, 0, 4096) + line % (2, 4096, 8192)))
    with source(kernel) as made:
        found = snapshots(watch(kernel, made, seconds=3))
    assert [(s.time, len(s), s.complete) for s in found] == [(1002.0, 2, True)]


# Without a trace


def alone(kernel: FakeKernel) -> tuple[list[Event], str]:
    values = {"memory_idle_ms_percentiles": ZEROS.replace("0", "40"), "aggr_interval_us": 2_000_000}
    kernel.at(1003.0, lambda: kernel.say(estimated_memory_bandwidth=500, **values))
    kernel.at(1004.5, lambda: kernel.say(estimated_memory_bandwidth=600))
    with source(kernel) as made:
        return watch(kernel, made, seconds=20), " ".join(made.describe().limits)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_without_tracefs_the_modules_numbers_stand_alone(tmp_path: Path, flavour: str) -> None:
    kernel = FakeKernel(tmp_path, flavour)
    kernel.remove(TRACING)
    events, limits = alone(kernel)
    found = snapshots(events)
    assert states(events) == ["on", "waiting"]
    assert "module's first numbers" in texts(events)
    assert [s.module.bandwidth for s in found if s.module][:3] == [500, 600, 600]
    assert all(len(s) == 0 and s.note.startswith("no regions: cannot trace") for s in found)
    assert len(found) == pytest.approx(2 + 15 // 5, abs=1)
    assert found[0].attrs.aggr_us == (100_000 if flavour == "6.17" else 2_000_000)
    assert "no regions" in limits


def test_a_read_only_session_makes_no_instance(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2", read_only=True)
    before = {str(path): path.stat().st_mtime_ns for path in tmp_path.rglob("sys/**/*")}
    with source(kernel) as made:
        events = watch(kernel, made, seconds=2)
        assert made.describe().locked == "read-only session"
        with pytest.raises(SourceError, match="read-only"):
            made.enabled = False
        assert "read-only" in made.describe().limits[0]
    assert states(events) == ["on", "waiting"]
    assert kernel.instances() == []
    assert kernel.root.writes == []
    assert before == {str(path): path.stat().st_mtime_ns for path in tmp_path.rglob("sys/**/*")}


# What the world does to the files

MODULE_FILES = (
    "enabled",
    "estimated_memory_bandwidth",
    "memory_idle_ms_percentiles",
    "aggr_interval_us",
    "kdamond_pid",
)
LACKS = {"6.17": ("aggr_interval_us", "kdamond_pid"), "6.18": ("kdamond_pid",), "7.2": ()}
ERRORS = (errno.EACCES, errno.EBUSY, errno.EINVAL, errno.EIO)


def survive(kernel: FakeKernel) -> list[Event] | str:
    """A few seconds of watching: the events, or the one sentence in their place. Nothing is left behind either way."""
    line = b"  kdamond.0-124 [000] ..... %.1f: damon_aggregated: target_id=0 nr_regions=1 0-4096: 1 0\n"
    for time in (1001.0, 1001.1):
        kernel.at(time, lambda time=time: kernel.feed(line % time))  # type: ignore[misc]
    try:
        with source(kernel) as made:
            made.describe()
            found: list[Event] | str = watch(kernel, made, seconds=4)
    except SourceError as error:
        found = str(error)
        assert "\n" not in found
        assert "Traceback" not in found
    assert kernel.instances() == []
    return found


@pytest.mark.parametrize(
    ("flavour", "name"),
    [(flavour, name) for flavour in FLAVOURS for name in MODULE_FILES if name not in LACKS[flavour]],
)
@pytest.mark.parametrize(
    "fault",
    ["missing", "", "garbage \x00\xff", "-", "9" * 5000, *ERRORS],
    ids=["missing", "empty", "garbage", "minus", "long", "EACCES", "EBUSY", "EINVAL", "EIO"],
)
def test_each_file_of_the_module_in_turn(tmp_path: Path, flavour: str, name: str, fault: str | int) -> None:
    kernel = FakeKernel(tmp_path, flavour)
    if fault == "missing":
        kernel.remove(f"{PARAMETERS}/{name}")
    else:
        kernel.root.faults[f"{PARAMETERS}/{name}"] = fault
    found = survive(kernel)
    if name == "enabled":
        assert isinstance(found, str)
        assert "DAMON_STAT" in found
    else:
        assert isinstance(found, list)
        assert [len(snapshot) for snapshot in snapshots(found)] == [1, 1]
        for snapshot in snapshots(found):
            assert snapshot.module is not None
            # where a file is missing, the kernel lacks it; a PID can be found without its file
            assert (name in snapshot.note) == (fault != "missing" and name != "kdamond_pid")
            assert snapshot.module.kdamond_pid == 124
            assert snapshot.attrs.aggr_us == pytest.approx(100_000, rel=0.01)


TRACE_FILES = ("buffer_size_kb", "trace_clock", "damon_aggregated/filter", "damon_aggregated/enable", "tune/enable")


@pytest.mark.parametrize("name", TRACE_FILES)
@pytest.mark.parametrize("fault", ERRORS)
def test_each_file_of_the_trace_in_turn(tmp_path: Path, name: str, fault: int) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    kernel.root.write_faults[name] = fault
    found = survive(kernel)
    assert isinstance(found, list)
    needed = name in ("trace_clock", "damon_aggregated/enable", "tune/enable")
    assert [len(s) for s in snapshots(found)] == ([] if needed else [1, 1])


@pytest.mark.parametrize("fault", [errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOMEM])
def test_an_instance_that_cannot_be_made(tmp_path: Path, fault: int) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    kernel.root.write_faults[f"damontui-{os.getpid()}"] = fault
    kernel.at(1003.0, lambda: kernel.say(estimated_memory_bandwidth=500))
    with source(kernel) as made:
        found = snapshots(watch(kernel, made, seconds=4))
    assert found[0].note.startswith("no regions: cannot trace DAMON's regions")


def test_the_instance_is_taken_away_while_we_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    read = os.read

    def fail(descriptor: int, size: int) -> bytes:
        if kernel.now > 1001:
            raise OSError(errno.ENODEV, "No such device")
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", fail)
    line = b"  kdamond.0-124 [000] ..... 1003.0: damon_aggregated: target_id=0 nr_regions=1 0-4096: 1 0\n"
    with source(kernel) as made:
        with pytest.raises(SourceError) as caught:
            watch(kernel, made, seconds=4)
        assert str(caught.value).endswith("there is no such device; start afresh to make a new trace instance")
        assert kernel.instances() == []
        monkeypatch.undo()
        kernel.at(1003.0, lambda: kernel.feed(line))
        assert [s.time for s in snapshots(watch(kernel, made, seconds=1))] == [1003.0]
    assert kernel.instances() == []


def test_tracefs_mounted_later_is_used_at_the_next_start(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    (tmp_path / TRACING).rename(tmp_path / "sys/kernel/hidden")
    with source(kernel) as made:
        assert snapshots(watch(kernel, made, seconds=1)) == []
        (tmp_path / "sys/kernel/hidden").rename(tmp_path / TRACING)
        line = b"  kdamond.0-124 [000] ..... 1003.0: damon_aggregated: target_id=0 nr_regions=1 0-4096: 1 0\n"
        kernel.at(1003.0, lambda: kernel.feed(line))
        assert [len(s) for s in snapshots(watch(kernel, made, seconds=1))] == [1]
    assert kernel.instances() == []


def test_a_kdamond_too_young_for_an_aggregation_is_seen_from_its_start(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "6.17", on=False)
    kernel.start(age=0.05)
    line = b"  kdamond.0-124 [000] ..... 1000.1: damon_aggregated: target_id=0 nr_regions=1 0-4096: 1 0\n"
    kernel.at(1000.1, lambda: kernel.feed(line))
    with source(kernel) as made:
        (snapshot,) = snapshots(watch(kernel, made, seconds=1))
    assert (snapshot.attrs.sample_us, snapshot.until_tuning, snapshot.note) == (5_000, 2, "")


def test_garbage_in_the_trace_is_passed_over(tmp_path: Path) -> None:
    kernel = started(tmp_path, SHORT, "6.18")
    for time, *_ in truth(SHORT):
        kernel.at(time - 0.000001, lambda: kernel.feed(b"\xff\x00 nonsense\n\n# comment: damon_aggregated\n"))
    with source(kernel) as made:
        found = snapshots(watch(kernel, made))
    assert len(found) == len(truth(SHORT))
    assert all(s.complete for s in found)


# Entering and leaving


def test_a_kernel_without_the_module(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    kernel.remove("sys/module/damon_stat")
    with pytest.raises(SourceError, match="DAMON_STAT came with Linux") as caught, source(kernel):
        pass
    assert "7.2.0-made-up" in str(caught.value)
    kernel.remove("sys/module")
    with pytest.raises(SourceError, match="sysfs is hidden"), source(kernel):
        pass


def test_not_root_is_one_sentence_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    kernel.root.faults[f"{PARAMETERS}/enabled"] = errno.EACCES
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SourceError) as caught, source(kernel):
        pass
    assert str(caught.value) == "cannot read DAMON_STAT: only root may; run: sudo /opt/damontui stat"


def test_leaving_twice_and_without_entering_is_safe(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    made = source(kernel)
    made.__exit__(None, None, None)
    with made:
        assert len(kernel.instances()) == 1
    made.__exit__(None, None, None)
    assert kernel.instances() == []

    def interrupted() -> None:
        with made:  # entered again
            assert len(kernel.instances()) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert kernel.instances() == []


def test_iterating_again_starts_afresh(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    line = b"  kdamond.0-124 [000] ..... 100%d.0: damon_aggregated: target_id=0 nr_regions=1 0-4096: 1 0\n"
    kernel.at(1001.0, lambda: kernel.feed(line % 1))
    with source(kernel) as made:
        assert [s.time for s in snapshots(watch(kernel, made, seconds=1))] == [1001.0]
        kernel.feed(line % 2)  # while nobody watches
        kernel.at(kernel.now + 0.5, lambda: kernel.feed(line % 3))
        again = watch(kernel, made, seconds=1)
        assert [s.time for s in snapshots(again)] == [1003.0]
        assert states(again) == ["on", "waiting"]


def test_the_description(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "6.18")
    kernel.say(aggr_interval_us=400_000)
    with source(kernel) as made:
        told = made.describe()
        assert told is made.describe()
    assert (told.target, told.title, told.origin, told.host, told.kernel) == (
        "stat",
        "DAMON_STAT",
        "kernel",
        "made-up",
        "6.18.0-made-up",
    )
    assert told.attrs.sample_us == 20_000
    assert told.locked == ""
    # the made-up tree has no page frames to look at
    assert [limit.split(":")[0] for limit in told.limits] == [
        "DAMON_STAT looks with 10 regions or more in aggregations of up to 200 s, which cannot be changed; a kdamond "
        "of ours, with 100 or more and of 10 s at most, knows idle memory several times as exactly, and checks "
        "a page of each region at every look, which overhead then tells",
        "what memory is made of is not known",
    ]


def test_a_closer_look_is_named_where_one_can_be_had(tmp_path: Path) -> None:
    (tmp_path / "watched").mkdir()
    kernel = FakeKernel(tmp_path, "7.2")
    with source(kernel) as made:
        assert made.describe().closer == "paddr"
    (tmp_path / ADMIN / "nr_kdamonds").unlink()  # a kernel built without DAMON's interface in sysfs
    with source(kernel) as made:
        assert made.describe().closer == ""
    watched = FakeKernel(tmp_path / "watched", "7.2", read_only=True)
    with source(watched) as made:
        assert made.describe().closer == ""


def test_the_captures_are_those_of_real_kernels() -> None:
    assert (CAPTURES / STEADY / "system.txt").read_text().startswith("7.2.")
    assert (CAPTURES / SHORT / "system.txt").read_text().startswith("6.18.")
    assert np.mean([len(rows) for *_, rows in truth(STEADY)]) > 10
