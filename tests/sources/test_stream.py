"""A record through a pipe: whatever pieces it comes in, the snapshots are the record's own, each as it is whole."""

from __future__ import annotations

import dataclasses
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from damontui.damon.snapshot import Snapshot, Status
from damontui.errors import SourceError, UsageError
from damontui.records.own import MOST, Record, RecordWriter
from damontui.records.stream import RecordStream
from damontui.sources.choose import choose
from damontui.sources.options import Options
from damontui.sources.stream import StreamSource
from tests import make
from tests.records.test_own import same


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Snapshot]]:
    path = tmp_path_factory.mktemp("stream") / "record"
    with RecordWriter(path, make.description()) as writer:
        for snapshot in make.steady(5):
            writer.append(snapshot)
    with Record(path) as record:
        return path.read_bytes(), list(record.table())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 4_000), max_size=12))
def test_pieces_of_any_size_give_the_same(made: tuple[bytes, list[Snapshot]], cuts: list[int]) -> None:
    data, snapshots = made
    stream = RecordStream("a pipe")
    found: list[Snapshot] = []
    places = [0, *sorted(cuts), len(data)]
    for low, high in itertools.pairwise(places):
        found += stream.feed(data[low:high])
    stream.end()
    assert len(found) == len(snapshots)
    assert all(map(same, found, snapshots))
    assert stream.known == make.description()


def test_a_damaged_snapshot_is_left_out(made: tuple[bytes, list[Snapshot]]) -> None:
    data, snapshots = made
    stream = RecordStream("a pipe")
    middle = len(data) * 3 // 4
    found = stream.feed(data[:middle] + b"\xff" + data[middle + 1 :])
    assert len(found) == len(snapshots) - 1
    assert [one.note for one in found if one.note] == ["1 damaged snapshot was left out"]


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\x1f\x8b\x08\x00" + bytes(100)])
def test_what_is_no_record_is_one_sentence(data: bytes) -> None:
    stream = RecordStream("a pipe")

    def read() -> None:
        stream.feed(data)
        stream.end()

    with pytest.raises(SourceError, match=r"cannot read a pipe: (nothing came|it is not a damontui record)"):
        read()


def test_what_never_becomes_a_record_is_not_kept(made: tuple[bytes, list[Snapshot]]) -> None:
    with pytest.raises(SourceError, match="not a damontui record"):
        RecordStream("a pipe").feed(bytes(2 << 20))
    stream = RecordStream("a pipe")
    stream.feed(made[0])
    with pytest.raises(SourceError, match="not a damontui record"):
        stream.feed(bytes(MOST + (2 << 20)))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_each_comes_as_soon_as_it_is_whole(pipe: tuple[int, int], made: tuple[bytes, list[Snapshot]]) -> None:
    reader, writer = pipe
    data, snapshots = made
    stream = RecordStream("a pipe")
    for size in range(1, len(data)):
        if stream.feed(data[size - 1 : size]):
            break  # so many bytes hold the first
    os.write(writer, data[:size])
    with StreamSource(reader) as source:
        about = source.describe()
        assert (about.target, about.origin, about.title) == ("-", "kernel", f"{make.description().title} of lab")
        events = source.snapshots(threading.Event())
        first = next(events)
        assert isinstance(first, Snapshot)
        assert first.origin == "kernel"
        assert same(dataclasses.replace(first, origin="record"), snapshots[0])
        os.write(writer, data[size:])
        os.close(writer)
        rest = list(events)
        assert [event.time for event in rest[:-1]] == [one.time for one in snapshots[1:]]
        assert isinstance(rest[-1], Status)
        assert (rest[-1].state, rest[-1].time) == ("ended", snapshots[-1].time)
        assert [event.state for event in source.snapshots(threading.Event())] == ["ended"]  # type: ignore[union-attr]
        with pytest.raises(SourceError, match="made elsewhere"):
            source.enabled = False


def test_it_waits_and_can_be_stopped(pipe: tuple[int, int], made: tuple[bytes, list[Snapshot]]) -> None:
    reader, writer = pipe
    head = len(RecordStream("x").feed(b"")) or made[0].index(b"\x1f\x8b\x08\x04", 1)
    os.write(writer, made[0][:head])
    source = StreamSource(reader)
    stop = threading.Event()
    looks: list[float | None] = []

    def wait(_: int, limit: float | None) -> bool:
        looks.append(limit)
        if len(looks) == 3:
            stop.set()
        return False

    source._wait = wait
    events = list(source.snapshots(stop))
    assert [event.state for event in events] == ["waiting"]  # type: ignore[union-attr]
    assert len(looks) == 3
    assert all(limit is not None and limit <= 0.5 for limit in looks)


def test_a_terminal_is_no_record() -> None:
    master, slave = os.openpty()
    with pytest.raises(UsageError, match=r"that is a terminal; .* damontui -"):
        choose("-", Options(stdin=slave))
    os.close(slave)
    os.close(master)


def test_written_into_a_descriptor(pipe: tuple[int, int], tmp_path: Path) -> None:
    reader, writer = pipe
    with RecordWriter("-", make.description(), into=writer) as record:
        record.append(make.steady(1)[0])
    os.fstat(writer)  # still open
    assert len(RecordStream("a pipe").feed(os.read(reader, 1 << 20))) == 1
    assert not Path("-").exists()
    os.close(reader)
    with pytest.raises(BrokenPipeError), RecordWriter("-", make.description(), into=writer) as record:
        record.append(make.steady(1)[0])
