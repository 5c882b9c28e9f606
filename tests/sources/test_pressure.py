"""Pressure beside the memory of processes: of their control group where it is known, else of the machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from damontui.damon.snapshot import Event, Pressure, Snapshot
from damontui.kernel.root import Root
from damontui.sources.cgroup import GroupSource
from damontui.sources.choose import choose
from damontui.sources.live import Live, until_stopped
from damontui.sources.options import Options
from damontui.sources.own_kdamond import OWN, processes
from damontui.sources.pressure import PressureOnProcesses
from damontui.sources.process import ProcessSource
from tests import make
from tests.fake_cgroups import FakeCgroups
from tests.fake_process import FakeProcess
from tests.pressure import pressure

PSI = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


class World:
    """A machine, with a group ``/web`` and one below it, that wait for memory for a tenth, a fifth and a half."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Clock()
        self.fake = FakeCgroups(folder)
        self.fake.add("/web", pids=[20, 30])
        self.fake.add("/web/worker", pids=[40])
        for pid, group in ((20, "/web"), (30, "/web"), (40, "/web/worker"), (60, "/")):
            FakeProcess(folder, pid)
            (folder / f"proc/{pid}/cgroup").write_text(f"0::{group}\n")
        (folder / "proc/pressure").mkdir()
        self.wait(0.0)

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        since = int((self.clock.now - 5.0) * 1e6)
        (self.folder / "proc/pressure/memory").write_text(PSI.format(since // 10))
        (self.fake.mount / "web/memory.pressure").write_text(PSI.format(since // 5))
        (self.fake.mount / "web/worker/memory.pressure").write_text(PSI.format(since // 2))

    def pressure(self, addition: PressureOnProcesses) -> Pressure:
        addition.begin()
        self.wait(2.0)
        found = addition.of(make.steady(1)[0]).pressure
        assert found is not None
        return found


@pytest.mark.parametrize(
    ("pids", "group", "some"),
    [
        ((20,), "/web", 0.2),
        ((20, 30), "/web", 0.2),
        ((40,), "/web/worker", 0.5),
        ((20, 40), "/web", 0.2),
        ((60,), None, 0.1),
        ((20, 60), None, 0.1),
        ((99,), None, 0.1),
    ],
)
def test_it_is_of_the_group_that_all_are_in(
    tmp_path: Path, pids: tuple[int, ...], group: str | None, some: float
) -> None:
    world = World(tmp_path)
    found = world.pressure(PressureOnProcesses(Root(tmp_path), lambda: pids, clock=world.clock))
    assert (found.group, found.some) == (group, some)


def test_where_groups_do_not_count_memory_it_is_of_the_machine(tmp_path: Path) -> None:
    world = World(tmp_path)
    (world.fake.mount / "cgroup.controllers").write_text("cpu\n")
    found = world.pressure(PressureOnProcesses(Root(tmp_path), lambda: (20,), clock=world.clock))
    assert (found.group, found.some) == (None, 0.1)


@pytest.mark.parametrize(("word", "group"), [("cgroup:web", "/web"), ("40", "/web/worker"), ("60", None)])
def test_a_target_has_the_pressure_of_its_group(tmp_path: Path, word: str, group: str | None) -> None:
    world = World(tmp_path)
    source = choose(word, Options(rootfs=str(tmp_path)))
    source = source._source if isinstance(source, GroupSource) else source
    assert isinstance(source, ProcessSource)
    addition = source.addition
    assert isinstance(addition, PressureOnProcesses)
    addition._clock = world.clock
    assert world.pressure(addition).group == group


class Looks(Live):
    """Yields some snapshots at each start."""

    def __init__(self) -> None:
        self.cpu = Clock()
        super().__init__(enabled=True, clock=Clock(), wall=Clock(), cpu_clock=self.cpu, wait=until_stopped)
        self.closed = 0

    def _start(self, stop: threading.Event, start: int) -> Iterator[Event]:
        try:
            yield make.status("waiting", "soon")
            yield from make.steady(3)
        finally:
            self.closed += 1


def test_what_stands_beside_is_in_every_snapshot_and_costs_count() -> None:
    source = Looks()

    class Slow:
        begun = 0

        def begin(self) -> None:
            self.begun += 1

        def of(self, snapshot: Snapshot) -> Snapshot:
            source.cpu.now += 0.25
            return replace(snapshot, pressure=pressure(3))

    source.addition = slow = Slow()
    found = list(source._events(threading.Event()))
    assert [one.pressure is not None for one in found if isinstance(one, Snapshot)] == [True] * 3
    assert (slow.begun, source.overhead()) == (1, 0.75)
    some = source._events(threading.Event())
    next(some)
    next(some)
    some.close()  # type: ignore[attr-defined]
    assert (slow.begun, source.closed) == (2, 2)


def test_a_kdamond_that_watches_processes_has_it_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    addition = PressureOnProcesses(Root(tmp_path), lambda: (20,), clock=world.clock)
    source = processes(Root(tmp_path), (20,), OWN, target="20", addition=addition.of)
    assert source._memory is not None
    first, second = make.steady(2)
    assert source._memory(first).pressure is None  # nothing to compare with yet
    world.wait(2.0)
    found = source._memory(second).pressure
    assert found is not None
    assert (found.group, found.some) == ("/web", 0.2)
