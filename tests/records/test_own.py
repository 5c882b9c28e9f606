"""The project's own record: exact round trips, what a crash costs, hostile files."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import (
    FRAME_KINDS,
    Description,
    FirstTouches,
    Frames,
    Measured,
    ModuleValues,
    Pressure,
    Snapshot,
    Truth,
    ints,
)
from damontui.errors import SourceError
from damontui.output.json import dump, snapshot_of
from damontui.records import files, own
from damontui.records.own import Record, RecordWriter
from damontui.records.table import table_of
from tests import make as by_hand
from tests.make import process as of_process
from tests.pressure import pressed

USUAL = Attrs()
ABOUT = Description("stat", "DAMON_STAT", "kernel", USUAL, host="lab", kernel="7.2.13", limits=("one", "two"))

ATTRS = st.builds(
    lambda sample, times, tuned: Attrs(
        sample_us=sample, aggr_us=sample * times, goal=IntervalsGoal() if tuned else None
    ),
    st.integers(5_000, 10_000_000),
    st.integers(1, 1000),
    st.booleans(),
)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    cuts = sorted(draw(st.sets(st.integers(0, 2**50), max_size=12)))
    pairs = [(a, b) for a, b in itertools.pairwise(cuts) if draw(st.booleans())]
    count = len(pairs)
    # what they stand for in bytes and microseconds fits 64 bits: anything else is no snapshot (see test_sound)
    numbers = st.lists(st.integers(0, 2**11), min_size=count, max_size=count)
    began, ended = sorted((draw(st.floats(0, 1e9)), draw(st.floats(0, 1e9))))
    return Snapshot(
        time=ended,
        began=began,
        wall=draw(st.floats(0, 4e9)),
        attrs=draw(ATTRS),
        start=ints([a for a, _ in pairs]),
        end=ints([b for _, b in pairs]),
        nr_accesses=ints(draw(numbers)),
        age=ints(draw(numbers)),
        target=ints([0] * count),
        origin="record",
        next_attrs=draw(ATTRS),
        targets=draw(st.sampled_from([(0,), (7,), (18446623438842320000, 3)])),
        names=draw(st.sampled_from([(), (("[heap]", "é") * count)[:count]])),
        complete=draw(st.booleans()),
        lost=draw(st.integers(0, 9)),
        until_tuning=draw(st.none() | st.integers(0, 3)),
        module=draw(st.sampled_from([None, ModuleValues(True, 5, tuple(range(101)), 100_000, 12)])),
        truth=draw(st.sampled_from([None, Truth(4096, 1.5, tuple(range(-50, 51)))])),
        cpu=draw(st.none() | st.floats(0, 1)),
        note=draw(st.sampled_from(["", "tracefs is hidden"])),
    )


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, Snapshot | Measured | Frames) and type(one) is type(other):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    return one == other


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(many=st.lists(snapshots(), max_size=6))
def test_a_round_trip_is_exact(many: list[Snapshot], tmp_path: Path) -> None:
    path = tmp_path / "record"
    with RecordWriter(path, ABOUT, force=True) as writer:
        for snapshot in many:
            writer.append(snapshot)
    with Record(path) as record:
        assert record.description == ABOUT
        assert record.times == [s.time for s in many]
        back = list(record.table())
        assert len(back) == len(many)
        assert all(same(a, b) for a, b in zip(many, back, strict=True))
        one = [record.snapshot(i) for i in range(len(record))]
        assert all(b is not None and same(a, b) for a, b in zip(many, one, strict=True))


def counted() -> list[Snapshot]:
    """A process whose bytes were counted, and physical memory whose frames were looked at."""
    process = [dataclasses.replace(of_process(60.0 + t, mappings=40), origin="record", wall=1e9) for t in range(3)]
    frames = Frames(ints(range(27)).reshape(3, len(FRAME_KINDS)), ints([1, 0, 2]), ints([0, 0, 9]), 0.25, 0.75)
    return [
        *process,
        dataclasses.replace(make(1)[0], frames=frames, free=1 << 40, watched=12.5, resident=ints([1, 0, 7])),
    ]


def test_counted_bytes_come_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "record"
    many = counted()
    with RecordWriter(path, ABOUT) as writer:
        for snapshot in many:
            writer.append(snapshot)
        size = writer.bytes
    assert all(same(a, b) for a, b in zip(many, files.read(path), strict=True))
    # the same through a table of snapshots in memory
    assert all(same(a, b) for a, b in zip(many, table_of(ABOUT, many), strict=True))
    assert size < 3 * 40 * 5 * 16  # of 40 regions with five columns and a curve of four times


def test_unknown_keys_are_ignored_and_old_records_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record"
    usual = own._rest
    monkeypatch.setattr(own, "_rest", lambda one, about: usual(one, about) | {"of_another_time": [1, 2]})
    with RecordWriter(path, ABOUT) as writer:
        writer.append(counted()[0])
    assert same(counted()[0], Record(path).snapshot(0))
    monkeypatch.setattr(own, "_rest", lambda one, about: {})
    with RecordWriter(path, ABOUT, force=True) as writer:
        writer.append(counted()[0])
    back = Record(path).snapshot(0)
    assert back is not None
    assert (back.resident, back.measured, back.watched, back.frames) == (None, None, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"resident": [1]},
        {"resident": [-1] * 40},
        {"resident": [1 << 63] * 40},
        {"resident": [[1]] * 40},
        {"resident": "many"},
        {"measured": {}},
        {"measured": []},
        {"measured": {"seconds": [2.0, 1.0]}},
        {"measured": {"seconds": []}},
        {"measured": {"seconds": [float("nan")]}},
        {"measured": {"used": [[0] * 40]}},
        {"measured": {"used": [[0] * 40, [-1] * 40, [0] * 40, [0] * 40]}},
        {"measured": {"kinds": {"anon": [1]}}},
        {"measured": {"least": [1, 2]}},
        {"measured": {"mapped": -5}},
        {"measured": {"longest_pause": float("inf")}},
        {"frames": {"counts": {"free": [0]}, "unevictable": [0], "huge": [0]}},
    ],
)
def test_numbers_that_nobody_counted_are_a_damaged_snapshot(
    change: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record"
    usual = own._rest

    def broken(snapshot: Snapshot, about: Attrs) -> dict[str, Any]:
        made = usual(snapshot, about)
        parts = change.get("measured")
        return made | change | ({"measured": made["measured"] | parts} if isinstance(parts, dict) and parts else {})

    monkeypatch.setattr(own, "_rest", broken)
    # ours writes no number that is none
    monkeypatch.setattr(own, "json_text", lambda value: json.dumps(value).encode())
    with RecordWriter(path, ABOUT) as writer:
        writer.append(counted()[0])
    with Record(path) as record:
        assert record.snapshot(0) is None
        assert record.table().notes == ("1 damaged snapshot was left out",)


def make(count: int, regions: int = 3) -> list[Snapshot]:
    bounds = ints(range(0, (regions + 1) * 4096, 4096))
    zeros = ints([0] * regions)
    return [
        Snapshot(
            time=float(i + 1), began=float(i), wall=1e9 + i, attrs=USUAL, start=bounds[:-1] + 0, end=bounds[1:] + 0,
            nr_accesses=ints(range(regions)), age=zeros + i, target=zeros.copy(), origin="record", next_attrs=USUAL,
        )
        for i in range(count)
    ]  # fmt: skip


def test_cut_at_any_byte_it_loses_at_most_the_last_snapshot(tmp_path: Path) -> None:
    path, cut = tmp_path / "whole", tmp_path / "cut"
    sizes = []
    with RecordWriter(path, ABOUT) as writer:
        sizes.append(writer.bytes)
        for snapshot in make(4):
            writer.append(snapshot)
            sizes.append(writer.bytes)
    data = path.read_bytes()
    assert len(data) == sizes[-1]
    for length in range(len(data) + 1):
        cut.write_bytes(data[:length])
        if length < sizes[0]:
            with pytest.raises(SourceError, match="not a damontui record"):
                Record(cut)
            continue
        with Record(cut) as record:
            whole = sum(size <= length for size in sizes) - 1
            assert len(record) == whole
            assert [s.time for s in record.table()] == [float(i + 1) for i in range(whole)]
            assert record.pending_bytes == length - sizes[whole]


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, bad = tmp_path / "whole", tmp_path / "bad"
    many = make(3)
    with RecordWriter(path, ABOUT) as writer:
        header = writer.bytes
        for snapshot in many:
            writer.append(snapshot)
    data = path.read_bytes()
    for place in range(header, len(data)):
        bad.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        with Record(bad) as record:
            # a snapshot comes back as it was written, or not at all
            back = list(record.table())
            assert all(any(same(s, t) for t in many) for s in back)
            assert len(back) >= len(many) - 2, "a damaged length costs what it hides"


def test_a_file_that_is_still_written_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with RecordWriter(path, ABOUT) as writer, Record(path) as record:
        assert len(record) == 0
        for i, snapshot in enumerate(make(3)):
            writer.append(snapshot)
            assert record.refresh() == 1
            assert record.snapshot(i) is not None


def test_it_never_overwrites_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "record"
    RecordWriter(path, ABOUT).close()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with pytest.raises(SourceError, match="--force"):
        RecordWriter(path, ABOUT)
    RecordWriter(path, ABOUT, force=True).close()


def test_zcat_reads_it(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "record"
    with RecordWriter(path, ABOUT) as writer:
        writer.append(make(1)[0])
    assert gzip.decompress(path.read_bytes()).startswith(b'{"damontui_record":1')


@pytest.mark.parametrize("content", [b"", b"[]", b"\x1f\x8b\x08\x04", b"\x1f\x8b\x08\x04" + bytes(100), b"x" * 1000])
def test_another_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="not a damontui record"):
        Record(path)


def test_a_bomb_stays_within_bounds(tmp_path: Path) -> None:
    from damontui.records import own

    path = tmp_path / "bomb"
    with RecordWriter(path, ABOUT) as writer:
        writer._write(own._member(bytes(own.MOST + 1), 1.0, 9))
        writer.append(make(1)[0])
    with Record(path) as record:
        table = record.table()
        assert (len(table), table.notes) == (1, ("1 damaged snapshot was left out",))


def test_a_slowed_source_is_kept_exactly(tmp_path: Path) -> None:
    """A budget moves both interval and goal: a snapshot need not fit the intervals of the description."""
    path = tmp_path / "slowed"
    goal = IntervalsGoal(min_sample_us=946_737, max_sample_us=1_000_000)
    slowed = Attrs(sample_us=946_737, aggr_us=9_467_370, goal=goal)
    usual = Attrs(sample_us=100_000, aggr_us=1_000_000, goal=IntervalsGoal(max_sample_us=1_000_000))
    many = [
        by_hand.snapshot([(0, 4096, 1, 1)], 1.0, attrs=a, next_attrs=b) for a, b in ((usual, slowed), (slowed, slowed))
    ]
    with RecordWriter(path, dataclasses.replace(ABOUT, attrs=usual)) as writer:
        for snapshot in many:
            writer.append(snapshot)
    with Record(path) as record:
        found = list(record.table())
    assert [(s.attrs, s.next_attrs) for s in found] == [(usual, slowed), (slowed, slowed)]


def test_a_record_of_an_earlier_version_and_its_json_are_the_same_still() -> None:
    """Both were written before fields were declared in one place: nothing but additions may change them."""
    folder = Path(__file__).parents[1] / "data" / "own"
    lines = (folder / "version-1.jsonl").read_text().splitlines()

    def same_but_for_more(new: Any, old: Any) -> bool:
        """Whether ``new`` has all that ``old`` has, in its order; what is estimated may get better."""
        if isinstance(old, dict):
            shared = {key: value for key, value in new.items() if key in old}
            left = [key for key in old if key not in ("estimate", "memory")]
            return list(shared) == list(old) and all(same_but_for_more(shared[key], old[key]) for key in left)
        if isinstance(old, list):
            return len(new) == len(old) and all(map(same_but_for_more, new, old))
        return type(new) is type(old) and new == old

    with Record(folder / "version-1.damontui") as record:
        table = record.table()
        found = list(table)
        assert (table.notes, len(found)) == ((), 4)
    for snapshot, line in zip(found, lines, strict=True):
        old = json.loads(line)
        assert same_but_for_more(json.loads(dump(snapshot, "stat")), old)
        assert same_but_for_more(json.loads(dump(snapshot_of(old), "stat")), old)
    assert found[1].frames is not None
    assert found[1].frames.counts.tolist() == [list(range(9)), list(range(9, 18)), list(range(18, 27))]


def test_what_was_read_of_a_long_record_is_no_memory_of_ours(tmp_path: Path) -> None:
    """A mapped file counts as resident where it was read: 24 hours of a record would look like a leak."""
    path = tmp_path / "long"
    rng = np.random.default_rng(1)
    with RecordWriter(path, ABOUT, level=1) as writer:
        for one in make(60, regions=3000):
            writer.append(dataclasses.replace(one, nr_accesses=rng.integers(0, 1 << 30, 3000)))
        size = writer.bytes
    assert size > 600_000

    def resident() -> int:
        text = Path("/proc/self/smaps").read_text()
        _, _, mine = text.partition(str(path))
        return int(mine.partition("Rss:")[2].split()[0]) << 10

    with Record(path) as record:
        assert resident() == 0  # although all of it was looked through
        assert len(list(record.table())) == 60
        assert resident() <= own._KEPT + (size // 60 + (1 << 16))


@pytest.mark.parametrize("group", [None, "/system.slice/we\x1bb.service"])
def test_pressure_comes_back_exactly(group: str | None, tmp_path: Path) -> None:
    made = pressed(by_hand.steady(40), group)
    made[7] = dataclasses.replace(made[7], pressure=Pressure(note="not told here: stalls"))
    path = tmp_path / "pressed.damontui"
    files.write(table_of(by_hand.description(), made), path, "damontui")
    back = files.read(path)
    assert [back.snapshot(at).pressure for at in range(40)] == [one.pressure for one in made]
    assert [snapshot_of(json.loads(dump(one, "x"))).pressure for one in made] == [one.pressure for one in made]


def test_what_was_first_touched_is_recorded(tmp_path: Path) -> None:
    plain = of_process()
    assert plain.measured is not None
    first = FirstTouches(*(np.array(pair) for pair in ((0.0, 1.0), (4096.0, 8192.0), (4096.0, 0.0), (1.0, 1.5))))
    path = tmp_path / "a.damontui"
    with RecordWriter(path, ABOUT) as writer:
        writer.append(dataclasses.replace(plain, measured=dataclasses.replace(plain.measured, first_touches=first)))
    (found,) = files.read(path)
    assert found.measured is not None
    assert found.measured.first_touches is not None
    for name in ("since", "touched", "back", "seconds"):
        assert getattr(found.measured.first_touches, name).tolist() == getattr(first, name).tolist()
