"""A kdamond of our own as a source: what it takes and gives back, regions by trace and by tried_regions."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import pytest

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import FRAME_KINDS, Event, Snapshot, Status
from damontui.errors import SourceError
from damontui.kernel import handback, pages
from damontui.kernel.damon_sysfs import SysfsTarget
from damontui.sources.composition import Composition
from damontui.sources.damon_stat import DamonStatSource
from damontui.sources.own_kdamond import OwnKdamond
from tests.fake_kernel import PARAMETERS, TRACING, Stop
from tests.fake_sysfs import ADMIN, FakeSysfs

HERE = "0/contexts/0"


@pytest.fixture
def kernel(tmp_path: Path) -> FakeSysfs:
    (tmp_path / "run").mkdir()
    return FakeSysfs(tmp_path)


class Inline(Executor):
    """Reads at once, in the caller's thread."""

    def submit(self, function: Callable[..., object], /, *args: object, **kwargs: object) -> Future[object]:  # type: ignore[override]
        done: Future[object] = Future()
        try:
            done.set_result(function(*args, **kwargs))
        except SourceError as error:
            done.set_exception(error)
        return done


def make(
    kernel: FakeSysfs,
    targets: Callable[[], tuple[SysfsTarget, ...]] = lambda: (SysfsTarget(ranges=((4096, 65536),)),),
    attrs: Attrs = Attrs(),  # noqa: B008 - immutable
    operations: str = "paddr",
    **kwargs: object,
) -> OwnKdamond:
    return OwnKdamond(
        kernel.root, operations, targets, attrs, target="paddr", title="physical memory",
        clock=kernel.clock, wall=kernel.wall, pause=kernel.advance, program="/opt/damontui", reader=Inline, **kwargs,
    )  # type: ignore[arg-type]  # fmt: skip


def aggregate(kernel: FakeSysfs, every: float, count: int, regions: str = "4096-8192: 3 1|8192-65536: 0 7") -> None:
    """Plan ``count`` aggregations in the trace, once the kdamond runs."""

    def begin() -> None:
        for index in range(count):
            kernel.at(kernel.now + (index + 1) * every, lambda pid=kernel.running: say(pid))  # type: ignore[misc]

    def say(pid: int | None) -> None:
        if pid != kernel.running:
            return
        parts = regions.split("|")
        for part in parts:
            head = f"  kdamond.0-{pid} [000] ..... {kernel.now:.6f}: damon_aggregated: target_id=0"
            kernel.feed(f"{head} nr_regions={len(parts)} {part}\n".encode())

    kernel.on_kdamond = begin


def events(source: OwnKdamond, kernel: FakeSysfs, seconds: float) -> list[Event]:
    stop = Stop(kernel)
    kernel.at(kernel.now + seconds, stop.set)
    with source:
        found = list(source.snapshots(stop))
    assert stop.longest <= 0.5
    return found


def as_found(kernel: FakeSysfs) -> tuple[str, str, list[str], bool]:
    return (
        (kernel.folder / PARAMETERS / "enabled").read_text().strip(),
        kernel.sys("nr_kdamonds"),
        kernel.instances(),
        (kernel.folder / handback.NOTE).exists(),
    )


def test_whole_aggregations_through_the_trace(kernel: FakeSysfs) -> None:
    before = as_found(kernel)
    aggregate(kernel, 0.1, 5)
    found = events(make(kernel, names=lambda start, end, target: ("a", "b")), kernel, 2.0)
    assert isinstance(found[0], Status)
    assert found[0].state == "waiting"
    snapshots = [e for e in found if isinstance(e, Snapshot)]
    assert len(snapshots) == 5
    assert snapshots[1].start.tolist() == [4096, 8192]
    assert snapshots[1].nr_accesses.tolist() == [3, 0]
    assert snapshots[1].names == ("a", "b")
    assert snapshots[1].began == snapshots[0].time
    assert [s.until_tuning for s in snapshots] == [2, 1, 3, 2, 1]
    assert as_found(kernel) == before


def test_what_physical_memory_is_made_of_comes_with_its_snapshots(kernel: FakeSysfs) -> None:
    (kernel.folder / "proc/kpageflags").write_bytes(np.full(16, 1 << pages.BUDDY, np.uint64).tobytes())
    (kernel.folder / "proc/meminfo").write_text("MemTotal: 60 kB\nMemFree: 48 kB\n")
    aggregate(kernel, 0.1, 5)
    made = Composition(kernel.root, np.random.default_rng(1), clock=kernel.clock)
    source = make(kernel, composition=made)
    found = [e for e in events(source, kernel, 2.0) if isinstance(e, Snapshot)]
    frames = found[-1].frames
    assert frames is not None
    assert frames.counts[:, FRAME_KINDS.index("free")].sum() == frames.drawn > 0
    assert found[-1].free == 48 * 1024
    assert source.describe().limits == ()


def test_of_a_part_of_memory_it_is_not_known_what_is_free(kernel: FakeSysfs) -> None:
    (kernel.folder / "proc/meminfo").write_text("MemTotal: 60 kB\nMemFree: 48 kB\n")
    aggregate(kernel, 0.1, 2)
    made = Composition(kernel.root, np.random.default_rng(1), whole=False, clock=kernel.clock)
    source = make(kernel, composition=made)
    found = [e for e in events(source, kernel, 1.0) if isinstance(e, Snapshot)]
    assert (found[-1].frames, found[-1].free) == (None, None)
    assert "what memory is made of is not known" in source.describe().limits[0]


def test_damon_stat_is_not_taken_unasked(kernel: FakeSysfs) -> None:
    kernel.start()
    before = as_found(kernel)
    with pytest.raises(SourceError, match="sudo /opt/damontui paddr --take") as caught:
        events(make(kernel), kernel, 1.0)
    assert caught.value.offer == "take"
    assert as_found(kernel) == before


def test_damon_stat_is_taken_and_given_back(kernel: FakeSysfs) -> None:
    kernel.start()
    before = as_found(kernel)
    aggregate(kernel, 0.1, 3)
    source = make(kernel, take=True)
    during: list[tuple[str, str, list[str], bool]] = []
    with source:
        for event in source.snapshots(Stop(kernel)):
            if isinstance(event, Snapshot):
                during.append(as_found(kernel))
                assert handback.pending(kernel.root) is None, "this run lives"
                break
    assert during[0][0] == "N"
    assert during[0][1] == "1"
    assert during[0][3]
    assert as_found(kernel) == before


def test_somebody_elses_kdamond_is_not_taken(kernel: FakeSysfs) -> None:
    kernel.hold(300)
    with pytest.raises(SourceError, match="kdamond:300"):
        events(make(kernel, take=True), kernel, 1.0)
    assert kernel.sys("0/state") == "on"
    assert kernel.instances() == []


def test_what_a_killed_run_left_is_taken_away_and_given_back(kernel: FakeSysfs) -> None:
    kernel.start()
    aggregate(kernel, 0.1, 3)
    killed = make(kernel, take=True)
    killed.__enter__()
    iterator = killed.snapshots(Stop(kernel))
    next(iterator)
    mine = handback.Handback(**json.loads((kernel.folder / handback.NOTE).read_text()))
    assert mine.stat
    handback.note(kernel.root, dataclasses.replace(mine, pid=77777))  # killed: no process has that PID
    left = handback.pending(kernel.root)
    assert left is not None
    kernel.on_kdamond = lambda: None
    after = make(kernel)
    found = events(after, kernel, 1.0)
    assert after.describe().notice == (
        "an earlier run was killed: the kdamond that it left is taken away and DAMON_STAT, which it had switched off, "
        "is given back at the end"
    )
    assert isinstance(found[0], Status)
    assert "the kdamond that it left was taken away; DAMON_STAT, which it had switched off" in found[0].text
    assert as_found(kernel)[0] == "Y", "given back by the run after"
    assert as_found(kernel)[1] == "0"
    assert not as_found(kernel)[3]


def test_the_switch_pays_what_a_killed_run_owes(kernel: FakeSysfs) -> None:
    kernel.start()
    aggregate(kernel, 0.1, 3)
    killed = make(kernel, take=True)
    killed.__enter__()
    iterator = killed.snapshots(Stop(kernel))
    next(iterator)
    mine = handback.Handback(**json.loads((kernel.folder / handback.NOTE).read_text()))
    handback.note(kernel.root, dataclasses.replace(mine, pid=77777))
    kernel.on_kdamond = lambda: None
    options = {"clock": kernel.clock, "wall": kernel.wall, "pause": kernel.advance}
    with DamonStatSource(kernel.root, program="damontui", **options) as stat:  # type: ignore[arg-type]
        said = "DAMON_STAT is off: an earlier run was killed"
        said += "; to give it back: sudo damontui doctor --give-back"
        assert stat.describe().notice == said
        first = next(iter(stat.snapshots(Stop(kernel))))
        assert isinstance(first, Status)
        assert first.text == said
        stat.enabled = True
        assert stat.enabled
    assert as_found(kernel)[:2] == ("Y", "0")
    assert not (kernel.folder / handback.NOTE).exists()


@pytest.mark.parametrize("note", ["", "garbage", "[]", '{"pid": 1}', "[" * 5000])
def test_a_broken_note_is_nothing_to_give_back(kernel: FakeSysfs, note: str) -> None:
    kernel.put(handback.NOTE, note)
    assert handback.pending(kernel.root) is None


def test_without_tracefs_the_regions_come_from_sysfs(kernel: FakeSysfs) -> None:
    kernel.remove(TRACING)
    source = make(kernel)
    found = events(source, kernel, 3.0)
    snapshots = [e for e in found if isinstance(e, Snapshot)]
    assert len(snapshots) >= 3
    assert snapshots[0].start.tolist() == [4096, 8192]
    assert snapshots[0].age.tolist() == [1, 7]
    assert "moving sums, from tried_regions: cannot trace" in snapshots[0].note
    assert source.describe().limits[0].startswith("regions come from tried_regions")
    assert kernel.sys("nr_kdamonds") == "0"


def test_several_targets_of_tried_regions_are_told_apart(kernel: FakeSysfs) -> None:
    kernel.remove(TRACING)
    kernel.regions = [(4096, 8192, 0, 1), (9 << 12, 10 << 12, 0, 1), (4096, 12288, 1, 1)]
    targets = (SysfsTarget(pid=5), SysfsTarget(pid=6))
    found = events(make(kernel, lambda: targets, operations="vaddr"), kernel, 1.0)
    snapshot = next(e for e in found if isinstance(e, Snapshot))
    assert snapshot.target.tolist() == [0, 0, 1]
    assert snapshot.targets == (5, 6)


def test_an_old_kernels_intervals_are_tuned_here(tmp_path: Path) -> None:
    kernel = FakeSysfs(tmp_path, tunes=False)
    aggregate(kernel, 0.1, 4, "4096-8192: 0 5")
    found = [
        e
        for e in events(make(kernel, attrs=Attrs(goal=IntervalsGoal(aggrs=3))), kernel, 1.0)
        if isinstance(e, Snapshot)
    ]
    # nothing is accessed, so the third aggregation doubles the intervals, and its ages are halved with them
    assert [s.attrs.sample_us for s in found] == [5_000, 5_000, 5_000, 10_000]
    assert found[2].next_attrs.aggr_us == 200_000
    assert all(s.tuned_here for s in found)
    assert [int(s.age[0]) for s in found] == [5, 5, 2, 5]
    assert kernel.commands.count("commit") == 1


def test_a_process_that_ends(kernel: FakeSysfs) -> None:
    aggregate(kernel, 0.1, 20)
    kernel.at(kernel.now + 1.0, kernel.end_kdamond)
    source = make(kernel, lambda: (SysfsTarget(pid=5),), operations="vaddr", farewell=lambda: "process 5 (x) ended")
    found = events(source, kernel, 9.0)
    assert isinstance(found[-1], Status)
    assert (found[-1].state, found[-1].text) == ("gone", "process 5 (x) ended")
    assert kernel.sys("nr_kdamonds") == "0"


def test_children_are_followed(kernel: FakeSysfs) -> None:
    now = [SysfsTarget(pid=5)]
    aggregate(kernel, 0.1, 40)
    kernel.at(kernel.now + 1.0, lambda: now.append(SysfsTarget(pid=6)))
    kernel.at(kernel.now + 2.0, lambda: now.pop(0))
    seen: list[tuple[str, str]] = []

    def look() -> None:
        seen.append((kernel.sys(f"{HERE}/targets/nr_targets"), kernel.sys(f"{HERE}/targets/0/pid_target")))

    for after in (0.9, 1.9, 3.0):
        kernel.at(kernel.now + after, look)
    events(make(kernel, lambda: tuple(now), operations="vaddr"), kernel, 4.0)
    assert seen == [("1", "5"), ("2", "5"), ("1", "6")]
    assert kernel.commands == ["on", "commit", "off", "on", "off"]
    assert kernel.sys("nr_kdamonds") == "0"


def test_the_switch_takes_the_kdamond_away(kernel: FakeSysfs) -> None:
    aggregate(kernel, 0.1, 20)
    source = make(kernel)
    kernel.at(kernel.now + 1.0, lambda: setattr(source, "enabled", False))
    stop = Stop(kernel)
    with source:
        found = list(source.snapshots(stop))
        assert isinstance(found[-1], Status)
        assert found[-1].state == "off"
        assert kernel.sys("nr_kdamonds") == "0"
        source.enabled = True
        kernel.at(kernel.now + 1.0, stop.set)
        assert any(isinstance(e, Snapshot) for e in source.snapshots(stop))


def test_read_only_starts_nothing(kernel: FakeSysfs) -> None:
    kernel.root.read_only = True
    with pytest.raises(SourceError, match="read-only"):
        make(kernel).__enter__()
    assert kernel.root.writes == []


def test_no_interface_is_a_sentence(kernel: FakeSysfs) -> None:
    kernel.remove(ADMIN)
    with pytest.raises(SourceError, match="/opt/damontui doctor"):
        make(kernel).__enter__()


def test_lost_events_make_a_snapshot_incomplete_and_the_buffer_larger(kernel: FakeSysfs) -> None:
    before = as_found(kernel)
    aggregate(kernel, 0.1, 5)
    usual = kernel.on_kdamond

    def begin() -> None:
        usual()
        head = "  kdamond.0-{pid} [000] ..... {time:.6f}: damon_aggregated: target_id=0 nr_regions=2 4096-8192: 3 1\n"
        for time in (0.55, 0.65, 0.75):

            def say(pid: int | None = kernel.running) -> None:
                lost = "CPU:1 [LOST 7 EVENTS]\n" if 0.6 < kernel.now - began < 0.7 else ""
                kernel.feed(head.format(pid=pid, time=kernel.now).encode() + lost.encode())
                if not lost:
                    kernel.feed(head.format(pid=pid, time=kernel.now).replace("4096-8192", "8192-65536").encode())

            kernel.at(began + time, say)

    began = kernel.now
    kernel.on_kdamond = begin
    found = [e for e in events(make(kernel), kernel, 2.0) if isinstance(e, Snapshot)]
    marred = [s for s in found if not s.complete]
    assert len(marred) == 1
    assert len(found) == 8
    assert marred[0].lost == 7
    assert marred[0].note == "7 events lost, so the trace buffer was enlarged to 1024 KiB a CPU"
    assert [s.note for s in found if s.complete] == [""] * 7
    assert [text for name, text in kernel.root.writes if name.endswith("buffer_size_kb")] == ["512", "1024"]
    assert as_found(kernel) == before
