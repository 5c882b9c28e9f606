"""The contract of a source (`damontui/sources/base.py`), of every kind of target, on made-up trees and clocks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from damontui.damon.snapshot import Event, Snapshot, Status
from damontui.errors import SourceError
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.root import Root
from damontui.operations import masim
from damontui.records.own import RecordWriter
from damontui.sources.base import Source
from damontui.sources.cgroup import GroupFiles, GroupSource
from damontui.sources.choose import NAME, TARGET_KINDS
from damontui.sources.damon_stat import DamonStatSource
from damontui.sources.foreign_kdamond import ForeignKdamond
from damontui.sources.replay import ReplaySource
from damontui.sources.stream import StreamSource
from tests import make
from tests.fake_cgroups import FakeCgroups
from tests.fake_kernel import FakeKernel, Stop
from tests.fake_sysfs import FakeSysfs
from tests.scripted_process import Part, Scripted, always
from tests.sources import test_engine, test_foreign_kdamond, test_own_kdamond, test_replay
from tests.sources.test_engine_masim import CONFIGURATION

SOON = 0.5
"""Seconds within which a stop ends it."""
PATIENCE = 2_000
"""How often a source may wait in one test: one that waits for ever fails, and does not hang."""


@dataclass
class Case:
    """A source and the time that it lives in."""

    source: Source
    now: Callable[[], float]
    """Its clock."""
    stop: Callable[[], threading.Event] = threading.Event
    """An event to stop it by; waiting for it moves the clock."""
    again: bool = True
    """Whether there is more to come when it is iterated again; a pipe is read only once."""
    begins_anew: bool = False
    """Whether its past begins anew with each iteration, as a record's does."""


def limited(wait: Callable[..., Any]) -> Callable[..., Any]:
    """The same, so often."""
    left = iter(range(PATIENCE))

    def counted(*arguments: Any, **named: Any) -> Any:
        assert next(left, None) is not None, f"it waited {PATIENCE} times, and nothing came of it"
        return wait(*arguments, **named)

    return counted


def talking(kernel: FakeKernel, pid: Callable[[], int | None]) -> FakeKernel:
    """A kernel whose kdamond of that PID, where there is one, aggregates every 0.1 s."""

    def aggregate() -> None:
        of = pid()
        if of is not None:
            head = f"  kdamond.0-{of} [000] ..... {kernel.now:.6f}: damon_aggregated: target_id=0"
            kernel.feed(f"{head} nr_regions=2 4096-8192: 3 1\n{head} nr_regions=2 8192-65536: 0 7\n".encode())
        kernel.at(kernel.now + 0.1, aggregate)

    def pass_by(seconds: float, passes: Callable[[float], None] = kernel.advance) -> None:
        assert seconds <= SOON, "whoever waits in one piece for longer cannot be stopped meanwhile"
        passes(seconds)

    kernel.at(kernel.now + 0.1, aggregate)
    kernel.advance = limited(pass_by)  # type: ignore[method-assign]
    return kernel


def of_kernel(kernel: FakeKernel, source: Source) -> Case:
    return Case(source, kernel.clock, lambda: Stop(kernel))


def damon_stat(folder: Path) -> Case:
    kernel = FakeKernel(folder)
    talking(kernel, lambda: kernel.pid)
    made = DamonStatSource(
        kernel.root, target="stat", clock=kernel.clock, wall=kernel.wall, program="damontui", pause=kernel.advance
    )
    return of_kernel(kernel, made)


def own_kdamond(folder: Path) -> Case:
    (folder / "run").mkdir()
    kernel = FakeSysfs(folder)
    talking(kernel, lambda: kernel.running)
    return of_kernel(kernel, test_own_kdamond.make(kernel))


def foreign_kdamond(folder: Path) -> Case:
    kernel = FakeKernel(folder, on=False)
    test_foreign_kdamond.sysfs(kernel)
    talking(kernel, lambda: 300)
    return of_kernel(
        kernel, ForeignKdamond(kernel.root, 300, clock=kernel.clock, wall=kernel.wall, pause=kernel.advance)
    )


def process(folder: Path, **options: Any) -> Case:
    script = Scripted(folder, [[Part(1 << 20, always()), Part(4 << 20, always(0.0, 2.0))]])
    script.wait = limited(script.wait)  # type: ignore[method-assign]
    return Case(script.source(**({"target": "12"} | options)), lambda: script.now)


def group(folder: Path) -> Case:
    FakeCgroups(folder).add("/web", 1 << 20, pids=[12])
    case = process(folder, target="cgroup:/web")
    case.source = GroupSource(case.source, GroupFiles(Groups.find(Root(folder)), "/web", clock=case.now))
    return case


def demo(_: Path, **changes: object) -> Case:
    time = test_engine.Time()
    time.wait = limited(time.wait)  # type: ignore[method-assign]
    return Case(test_engine.source(time, **changes), time.clock)


def simulated(_: Path) -> Case:
    return demo(_, make_operations=partial(masim.workload, CONFIGURATION), target=str(CONFIGURATION))


def written(folder: Path) -> Path:
    path = folder / "night.damontui"
    with RecordWriter(path, make.description()) as writer:
        for snapshot in make.steady(8):
            writer.append(snapshot)
    return path


def record(folder: Path) -> Case:
    clock = test_replay.Clock()
    # the real one waits for the event, too
    wait = limited(lambda stop, seconds: stop.is_set() or clock.wait(stop, seconds))
    return Case(ReplaySource(written(folder), clock=clock, wait=wait), lambda: clock.now, begins_anew=True)


def stream(folder: Path) -> Case:
    reader, writer = os.pipe()
    os.write(writer, written(folder).read_bytes())
    os.close(writer)
    return Case(StreamSource(reader), lambda: 0.0, again=False)


CASES: dict[str, Callable[[Path], Case]] = {
    "stat": damon_stat,
    "paddr": own_kdamond,
    "PID[,PID…]": process,
    "cgroup:PATH": group,
    "kdamond:PID": foreign_kdamond,
    "demo[:SCENE]": demo,
    "FILE.cfg": simulated,
    "FILE": record,
    "-": stream,
}
"""By the form of `TARGET_KINDS`: how a source of that kind is made here."""
ALIKE = {"auto": "stat", NAME: "PID[,PID…]"}
"""Words that lead to a source of another kind."""


@pytest.fixture(params=CASES)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(form: str, tmp_path: Path) -> Iterator[Case]:
    made = CASES[form](tmp_path)
    with made.source:
        yield made


def until(case: Case, what: Callable[[Event], bool]) -> list[Event]:
    """What comes until an event is so; then it is stopped, and what else comes belongs to it. It has to end soon."""
    stop = case.stop()
    events: list[Event] = []
    stopped = None
    for event in case.source.snapshots(stop):
        events.append(event)
        if stopped is None and what(event):
            stopped = case.now()
            stop.set()
    assert stopped is not None, f"nothing such came: {events}"
    assert case.now() - stopped <= SOON, "a stop ends it within half a second"
    return events


def snapshots(case: Case, count: int) -> list[Snapshot]:
    left = iter(range(count - 1))
    events = until(case, lambda event: isinstance(event, Snapshot) and next(left, None) is None)
    return [event for event in events if isinstance(event, Snapshot)]


def is_off(event: Event) -> bool:
    return isinstance(event, Status) and event.state == "off"


def test_every_kind_of_target_is_held_to_the_contract() -> None:
    forms = {kind.form for kind in TARGET_KINDS}
    assert not forms - set(CASES) - set(ALIKE), "say in CASES, here, how a source of that kind is made without a kernel"
    assert set(CASES) | set(ALIKE) == forms
    assert set(ALIKE.values()) <= set(CASES)


def test_it_says_what_it_is_and_goes_on_saying_so(case: Case, form: str) -> None:
    about = case.source.describe()
    kind = next(kind for kind in TARGET_KINDS if kind.matches(about.target))
    assert kind.form == form, "the target's word in the description leads to this source again"
    assert about.title
    snapshots(case, 2)
    later = case.source.describe()  # it may know more limits by now, and is no other source
    assert (later.target, later.title, later.origin) == (about.target, about.title, about.origin)
    assert case.source.overhead() >= 0.0


def test_time_rises_and_every_snapshot_says_from_when_to_when(case: Case) -> None:
    found = snapshots(case, 4)
    for one in found:
        assert one.began <= one.time
        assert one.watched is None or one.watched >= 0.0
    times = [one.time for one in found]
    assert times == sorted(set(times))


def test_a_stop_before_anything_came_ends_it(case: Case) -> None:
    stop = case.stop()
    stop.set()
    before = case.now()
    assert not any(isinstance(event, Snapshot) for event in case.source.snapshots(stop))
    assert case.now() - before <= SOON


def test_iterated_again_its_time_goes_on_rising(case: Case) -> None:
    """Else what is past is another past: `Monitor` forgets it."""
    before = snapshots(case, 3)
    if not case.again:
        return
    again = snapshots(case, 2)
    if case.begins_anew:
        assert again[0].time == before[0].time
    else:
        assert again[0].time > before[-1].time


def test_its_switch_is_locked_or_works(case: Case) -> None:
    source = case.source
    assert source.enabled
    before = snapshots(case, 2)
    if source.describe().locked:
        with pytest.raises(SourceError):
            source.enabled = False
        assert source.enabled
        return
    source.enabled = False
    assert not source.enabled
    until(case, is_off)
    source.enabled = True
    assert source.enabled
    assert snapshots(case, 1)[0].time > before[-1].time, "time goes on over the switch"
