"""Replaying a record: pace, end, following a writer."""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Snapshot, Status, ints
from damontui.errors import SourceError
from damontui.records.own import RecordWriter
from damontui.sources.replay import ReplaySource

ABOUT = Description("stat", "DAMON_STAT", "kernel", Attrs(), host="lab")


def make(index: int) -> Snapshot:
    return Snapshot(
        time=10.0 + 2 * index, began=8.0 + 2 * index, wall=1e9 + index, attrs=Attrs(), start=ints([0]),
        end=ints([4096]),
        nr_accesses=ints([index]), age=ints([0]), target=ints([0]), origin="kernel", next_attrs=Attrs(),
    )  # fmt: skip


class Clock:
    """Time that passes only by waiting; what happens while somebody waits can be set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.meanwhile = lambda: None

    def __call__(self) -> float:
        return self.now

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        self.meanwhile()
        return stop.is_set()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "a.damontui"
    with RecordWriter(path, ABOUT) as writer:
        for index in range(4):
            writer.append(make(index))
    return path


def test_it_keeps_the_pace_and_ends(record: Path) -> None:
    clock = Clock()
    with ReplaySource(record, speed=4.0, clock=clock, wait=clock.wait) as source:
        assert source.describe().title == "record a.damontui: DAMON_STAT"
        assert source.describe().host == "lab"
        events = list(source.snapshots(threading.Event()))
    assert sum(clock.waits) == pytest.approx(1.5)
    assert [e.nr_accesses[0] for e in events[:-1] if isinstance(e, Snapshot)] == [0, 1, 2, 3]
    assert isinstance(events[-1], Status)
    assert events[-1].state == "ended"
    assert {e.origin for e in events[:-1] if isinstance(e, Snapshot)} == {"record"}


def test_as_fast_as_it_goes_never_waits(record: Path) -> None:
    clock = Clock()
    with ReplaySource(record, speed=math.inf, clock=clock, wait=clock.wait) as source:
        assert len(list(source.snapshots(threading.Event()))) == 5
    assert clock.waits == []


def test_a_stop_ends_the_waiting(record: Path) -> None:
    clock, stop = Clock(), threading.Event()
    clock.meanwhile = stop.set
    with ReplaySource(record, clock=clock, wait=clock.wait) as source:
        assert len(list(source.snapshots(stop))) == 1


def test_it_follows_a_writer_and_ends_some_time_after_it(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    clock = Clock()
    with RecordWriter(path, ABOUT) as writer:
        todo = [make(0), make(1), make(2)]
        written = 0.0

        def meanwhile() -> None:
            nonlocal written
            if todo:
                writer.append(todo.pop(0))
                os.utime(path, (clock.now, clock.now))
                written = clock.now

        clock.meanwhile = meanwhile
        meanwhile()
        with ReplaySource(path, speed=math.inf, whole=True, clock=clock, wall=clock, wait=clock.wait) as source:
            events = list(source.snapshots(threading.Event()))
    assert [e.time for e in events if isinstance(e, Snapshot)] == [10.0, 12.0, 14.0]
    assert isinstance(events[-1], Status)
    assert events[-1].state == "ended"
    assert 10.0 <= clock.now - written < 12.0


def test_a_finished_record_is_not_waited_for(record: Path) -> None:
    clock = Clock()
    with ReplaySource(record, speed=math.inf, whole=True, clock=clock, wall=lambda: 4e9, wait=clock.wait) as source:
        assert len(list(source.snapshots(threading.Event()))) == 5
    assert clock.waits == []


def test_a_whole_record_comes_at_once_at_any_speed(record: Path) -> None:
    clock = Clock()
    with ReplaySource(record, speed=0.25, whole=True, clock=clock, wall=lambda: 4e9, wait=clock.wait) as source:
        assert len(list(source.snapshots(threading.Event()))) == 5
        assert source.describe().speed == 0.25
    assert clock.waits == []


def test_a_stop_while_it_waits(record: Path) -> None:
    clock, stop = Clock(), threading.Event()
    with ReplaySource(record, clock=clock, wait=clock.wait) as source:
        events = source.snapshots(stop)
        next(events)
        clock.meanwhile = stop.set
        assert list(events) == []


def test_damos_records_replay_too() -> None:
    path = Path(__file__).parents[1] / "data" / "damo-vaddr" / "damon.data"
    with ReplaySource(path, speed=math.inf) as source:
        snapshots = [e for e in source.snapshots(threading.Event()) if isinstance(e, Snapshot)]
    assert len(snapshots) == 38
    assert np.all(snapshots[0].end > snapshots[0].start)


def test_it_has_no_switch(record: Path) -> None:
    with ReplaySource(record) as source, pytest.raises(SourceError, match="it is the past"):
        source.enabled = False


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"), ReplaySource(tmp_path / "none"):
        pass
