"""What DAMON_STAT tells while an aggregation is under way, on the made-up kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from damontui.damon.snapshot import Event, Interim, Snapshot, Status
from damontui.kernel import procfs
from damontui.sources.damon_stat import DamonStatSource
from tests.fake_kernel import FLAVOURS, TRACING, FakeKernel
from tests.sources.test_damon_stat import source, watch

MIB = 1 << 20
PAGE = procfs._PAGE
LINE = b"  kdamond.0-124 [000] ..... %.6f: damon_aggregated: target_id=0 nr_regions=2 %d-%d: %d %d\n"


def idle(negative: int) -> str:
    """Percentiles of which ``negative`` say that memory is in use."""
    return ",".join(str(-1000 if p < negative else 70_000 + p) for p in range(101))


def grown(folder: Path, flavour: str = "7.2", aggr_us: int = 100_000_000) -> FakeKernel:
    """A machine that has idled: DAMON_STAT's aggregations take 100 s."""
    kernel = FakeKernel(folder, flavour)
    kernel.say(estimated_memory_bandwidth=500, memory_idle_ms_percentiles=idle(4), aggr_interval_us=aggr_us)
    kernel.put("proc/meminfo", "MemTotal:  2000000 kB\nMemFree:  1000 kB\nMemAvailable:  2000 kB")
    kernel.task(400, "large (one)", flags=0, pages=3000)
    kernel.task(401, "larger\x1b", flags=0, pages=5000)
    kernel.task(402, "dead", flags=0, state="Z", pages=9000)
    kernel.task(403, "a-thread", pages=9000)
    return kernel


def aggregation(kernel: FakeKernel, at: float) -> None:
    text = LINE % (at, 0, 40 * MIB, 3, 0) + LINE % (at, 40 * MIB, 100 * MIB, 0, 7)
    kernel.at(at, lambda: kernel.feed(text))


def news(events: list[Event]) -> list[Interim]:
    return [event for event in events if isinstance(event, Interim)]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_first_second_tells_what_the_kernel_knows(tmp_path: Path, flavour: str) -> None:
    kernel = grown(tmp_path, flavour)
    with source(kernel) as made:
        events = watch(kernel, made, seconds=0.2)
    assert [type(event) for event in events] == [Status, Status, Interim]
    (first,) = news(events)
    assert first.time == 1000.0
    assert first.wall == kernel.wall() - (kernel.now - 1000.0)
    assert first.module.bandwidth == 500
    assert first.module.aggr_interval_us == (None if flavour == "6.17" else 100_000_000)
    assert first.in_use == pytest.approx(0.03)
    assert first.free == 1_024_000
    assert [pid for pid, _, size in first.large if size] == [401, 400]
    assert first.large[:2] == ((401, "larger?", 5000 * PAGE), (400, "large (one)", 3000 * PAGE))
    assert first.began is None  # it may have begun long before we came
    assert first.due == (None if flavour == "6.17" else 1100.0)


def test_what_it_covers_is_told_by_the_kernel_version_until_regions_are_seen(tmp_path: Path) -> None:
    kernel = grown(tmp_path / "new", "7.2")
    with source(kernel) as made:
        (first,) = news(watch(kernel, made, seconds=0.2))
    assert first.total == 0x7FFE0000 - 0x1000  # from the first to the last, with the hole between
    kernel = grown(tmp_path / "old", "6.18")
    with source(kernel) as made:
        (first,) = news(watch(kernel, made, seconds=0.2))
    assert first.total == 0x7FFE0000 - 0x100000  # the largest


def test_each_computing_of_the_module_is_news_until_the_aggregation_is_whole(tmp_path: Path) -> None:
    kernel = grown(tmp_path, aggr_us=20_000_000)
    aggregation(kernel, 1010.0)
    for at, negative in ((1003.0, 6), (1008.0, 9), (1013.0, 2), (1018.0, 5)):
        kernel.at(at, lambda at=at, n=negative: kernel.say(memory_idle_ms_percentiles=idle(n)))  # type: ignore[misc]
    aggregation(kernel, 1030.0)
    with source(kernel) as made:
        events = watch(kernel, made, seconds=31)
    told = [
        (round(event.in_use or 0, 2), event.began, event.due) if isinstance(event, Interim) else event.time
        for event in events
        if not isinstance(event, Status)
    ]
    assert told == [
        (0.03, None, 1020.0),
        (0.05, None, 1020.0),
        (0.08, None, 1020.0),
        1010.0,
        (0.01, 1010.0, 1030.0),
        (0.04, 1010.0, 1030.0),
        1030.0,
    ]
    assert all(event.time - at <= 1.2 for event, at in zip(news(events)[1:], (1003, 1008, 1013, 1018), strict=True))
    assert [event.total for event in news(events)][-2:] == [100 * MIB, 100 * MIB]  # what the regions say


def test_numbers_of_the_aggregation_before_are_no_news_of_the_next(tmp_path: Path) -> None:
    kernel = grown(tmp_path, aggr_us=20_000_000)
    kernel.at(1009.95, lambda: kernel.say(memory_idle_ms_percentiles=idle(40)))  # just before it is whole
    aggregation(kernel, 1010.0)
    with source(kernel) as made:
        events = watch(kernel, made, seconds=15)
    found = [event for event in events if isinstance(event, Snapshot)]
    assert found[0].module is not None
    assert found[0].module.idle_ms_percentiles is not None
    assert sum(value < 0 for value in found[0].module.idle_ms_percentiles) == 40
    assert len(news(events)) == 1


def test_that_is_so_of_the_first_aggregation_too(tmp_path: Path) -> None:
    kernel = grown(tmp_path, aggr_us=20_000_000)
    kernel.at(1010.33, lambda: kernel.say(memory_idle_ms_percentiles=idle(40)))  # read once a second: at 1010, 1011
    aggregation(kernel, 1010.35)
    with source(kernel) as made:
        events = watch(kernel, made, seconds=12)
    assert len(news(events)) == 1


def test_short_aggregations_leave_no_room_for_news(tmp_path: Path) -> None:
    kernel = grown(tmp_path, aggr_us=1_000_000)
    for number in range(1, 20):
        aggregation(kernel, 1000.0 + number)
        kernel.at(1000.5 + number, lambda n=number: kernel.say(estimated_memory_bandwidth=n))  # type: ignore[misc]
    with source(kernel) as made:
        events = watch(kernel, made, seconds=20)
    assert len(news(events)) == 1


def test_a_switching_on_tells_no_number_of_the_former_run(tmp_path: Path) -> None:
    kernel = grown(tmp_path)
    kernel.end()
    kernel.at(1001.0, kernel.start)
    kernel.at(1006.0, lambda: kernel.say(estimated_memory_bandwidth=900, memory_idle_ms_percentiles=idle(11)))
    with source(kernel) as made:
        events = watch(kernel, made, seconds=8)
    one, other = news(events)
    assert (one.module.bandwidth, one.module.idle_ms_percentiles, one.in_use) == (None, None, None)
    assert one.free == 1_024_000
    assert one.began == pytest.approx(1001.0, abs=0.6)
    assert other.module.bandwidth == 900
    assert other.in_use == pytest.approx(0.1)


def test_a_young_kdamond_is_not_waited_for_as_long_as_the_former_run_took(tmp_path: Path) -> None:
    kernel = grown(tmp_path)
    kernel.end()
    kernel.start(age=1.5)
    with source(kernel) as made:
        events = watch(kernel, made, seconds=0.2)
    (waiting,) = (event for event in events if isinstance(event, Status) and event.state == "waiting")
    assert waiting.text == "first aggregation, at most 1.5 s"
    (first,) = news(events)
    assert first.module.aggr_interval_us is None
    assert first.due == pytest.approx(1001.5, abs=0.1)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_also_where_tracefs_is_hidden(tmp_path: Path, flavour: str) -> None:
    kernel = grown(tmp_path, flavour)
    kernel.remove(TRACING)
    kernel.at(1004.0, lambda: kernel.say(memory_idle_ms_percentiles=idle(11)))
    with source(kernel) as made:
        events = watch(kernel, made, seconds=6)
    # said at once, and again after the snapshot without regions, which takes its place
    kinds = [type(event) for event in events if not isinstance(event, Status)]
    assert kinds[:3] == [Interim, Snapshot, Interim]
    assert kinds[-1] is Interim
    shares = [round(event.in_use or 0, 2) for event in news(events)]
    assert (shares[0], shares[-1]) == (0.03, 0.1)


def test_what_6_17_says_is_in_use(tmp_path: Path) -> None:
    kernel = grown(tmp_path, "6.17")
    kernel.say(memory_idle_ms_percentiles=idle(6).replace("-1000", "0"))
    with source(kernel) as made:
        (first,) = news(watch(kernel, made, seconds=0.2))
    assert first.in_use == pytest.approx(0.05)


def test_numbers_that_cannot_be_read_leave_what_proc_knows(tmp_path: Path) -> None:
    kernel = grown(tmp_path)
    kernel.root.faults["estimated_memory_bandwidth"] = "what"
    kernel.root.faults["memory_idle_ms_percentiles"] = "ever"
    with source(kernel) as made:
        (first,) = news(watch(kernel, made, seconds=7))
    assert (first.module.enabled, first.module.bandwidth, first.in_use) == (True, None, None)
    assert first.free == 1_024_000


def test_watched_is_the_age_of_the_kdamond(tmp_path: Path) -> None:
    kernel = grown(tmp_path, aggr_us=20_000_000)
    aggregation(kernel, 1010.0)
    with source(kernel) as made:
        (snapshot,) = (e for e in watch(kernel, made, seconds=12) if isinstance(e, Snapshot))
    assert snapshot.watched == pytest.approx(3610.0, abs=0.1)
    kernel.root.faults["proc/uptime"] = "?"
    aggregation(kernel, kernel.now + 5)
    with DamonStatSource(kernel.root, clock=kernel.clock, wall=kernel.wall, pause=kernel.advance) as made:
        (snapshot,) = (e for e in watch(kernel, made, seconds=7) if isinstance(e, Snapshot))
    assert snapshot.watched is None


def test_the_largest_are_asked_anew_and_who_ended_is_gone(tmp_path: Path) -> None:
    kernel = grown(tmp_path)
    assert [pid for pid, _, _ in procfs.largest(kernel.root, 1)] == [401]
    assert [pid for pid, _, _ in procfs.largest(kernel.root, 5, (400, 401, 402, 999))] == [401, 400]
    assert procfs.largest(kernel.root, 5, ()) == ()
    assert procfs.free_bytes(kernel.root) == 1_024_000
    kernel.remove("proc/meminfo")
    assert procfs.free_bytes(kernel.root) is None
    kernel.remove("proc/iomem")
    assert procfs.damon_stat_bytes(kernel.root) is None
