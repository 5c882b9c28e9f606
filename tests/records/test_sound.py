"""A snapshot with impossible numbers is left out and counted, whatever is wrong with it; the rest is shown."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Snapshot, ints
from damontui.errors import SourceError
from damontui.output.json import dump
from damontui.records import files, own, sound
from damontui.records.own import Record, RecordWriter
from damontui.records.table import Table, table_of

ATTRS = Attrs()
ABOUT = Description("stat", "DAMON_STAT", "kernel", ATTRS)


def snapshot(number: int = 0, **fields: Any) -> Snapshot:
    made = Snapshot(
        time=number + 1.0, began=float(number), wall=1e9, attrs=ATTRS, next_attrs=ATTRS, origin="kernel",
        start=ints([4096, 8192]), end=ints([8192, 65536]), nr_accesses=ints([3, 0]), age=ints([1, 7]),
        target=ints([0, 0]),
    )  # fmt: skip
    return replace(made, **fields)


def table(*bad: Snapshot) -> Table:
    return table_of(ABOUT, [snapshot(0), *bad, snapshot(9)])


LONG = replace(ATTRS, sample_us=5_000, aggr_us=1 << 50)
BAD: dict[str, dict[str, Any]] = {
    "time is no number": {"time": math.nan},
    "time is infinite": {"time": math.inf},
    "began after it ended": {"began": 100.0},
    "wall before 1970": {"wall": -1.0},
    "wall after the year 9999": {"wall": 1e15},
    "start below zero": {"start": ints([-4096, 8192])},
    "end before start": {"end": ints([0, 65536])},
    "overlapping": {"start": ints([4096, 4096])},
    "of no target": {"target": ints([0, 1])},
    "of a target below zero": {"target": ints([-1, 0])},
    "targets out of order": {"target": ints([1, 0]), "targets": (1, 2)},
    "the same target twice": {"targets": (7, 7)},
    "accesses below zero": {"nr_accesses": ints([-1, 0])},
    "more accesses than 64 bits of bytes": {"nr_accesses": ints([1 << 60, 0])},
    "age below zero": {"age": ints([0, -7])},
    "older than 64 bits of microseconds": {"age": ints([1 << 50, 0])},
    "larger than all memory": {"end": ints([8192, (1 << 63) - 1])},
    "intervals of years": {"attrs": LONG},
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_snapshot_is_left_out_and_counted(what: str) -> None:
    given = table(snapshot(1, **BAD[what]), snapshot(2))
    found = sound.sound(given)
    assert found.time.tolist() == [1.0, 3.0, 10.0]
    assert found.notes == ("1 impossible snapshot was left out",)
    assert [one.start.tolist() for one in found] == [[4096, 8192]] * 3
    for one in found:
        json.loads(dump(one, "x"))
        metrics.idle_percentiles(one)


def test_a_good_table_is_the_same_object() -> None:
    several = snapshot(3, target=ints([0, 1]), targets=(9, 5), start=ints([4096, 0]))
    none = snapshot(4, **{name: ints([]) for name in ("start", "end", "nr_accesses", "age", "target")})
    given = table(none, several, none)
    assert sound.sound(given) is given
    assert sound.sound(table_of(ABOUT, [])).notes == ()


def test_what_belongs_to_the_rest_stays_with_it() -> None:
    given = table(snapshot(1, time=math.nan, note="bad"), snapshot(2, note="good", names=("a", "b")))
    found = sound.sound(given)
    assert [one.note for one in found] == ["", "good", ""]
    assert found.snapshot(1).names == ("a", "b")


def test_what_only_the_bad_had_is_forgotten() -> None:
    found = sound.sound(table(snapshot(1, time=math.nan, targets=(5, 6)), snapshot(2, targets=(7,))))
    assert [beside.targets for beside in found.conditions] == [(0,), (7,)]
    assert [one.targets for one in found] == [(0,), (7,), (0,)]
    assert len(sound.sound(table_of(ABOUT, [snapshot(0, time=math.nan)])).conditions) == 0


def record(path: Path, change: Callable[[dict[str, Any]], None], **more: Any) -> Path:
    """A record of three snapshots whose second one has been changed in what stands beside its regions."""
    with RecordWriter(path, ABOUT) as writer:
        for number in range(3):
            writer.append(snapshot(number, note="x", **more))
    data = path.read_bytes()
    with Record(path) as read:
        places = list(read._places)
    place = places[1]
    member = data[place.offset : place.offset + place.length]
    import zlib

    payload = zlib.decompress(member[own._MEMBER.size : -8], -15)
    at = own._HEAD.size + 2 * 8 * 5
    rest = json.loads(payload[at:])
    change(rest)
    made = own._member(payload[:at] + json.dumps(rest).encode(), 2.0, 4)
    path.write_bytes(data[: place.offset] + made + data[place.offset + place.length :])
    return path


CHANGES: dict[str, tuple[str, Any]] = {
    "note a number": ("note", 7),
    "note a list": ("note", []),
    "note endless": ("note", "x" * 200_000),
    "cpu not a number": ("cpu", math.nan),
    "cpu infinite": ("cpu", 1e999),
    "cpu a text": ("cpu", "x"),
    "complete a number": ("complete", 1),
    "lost below zero": ("lost", -1),
    "lost a fraction": ("lost", 1.5),
    "lost huge": ("lost", 10**30),
    "tuning a text": ("until_tuning", "soon"),
    "names a text": ("names", "ab"),
    "names of others": ("names", ["a"]),
    "names are numbers": ("names", [1, 2]),
    "module a list": ("module", []),
    "module's percentiles few": ("module", {"enabled": True, "idle_ms_percentiles": [1]}),
    "module's bandwidth infinite": ("module", {"enabled": True, "bandwidth": math.inf}),
    "truth without a part": ("truth", {"bandwidth": 1.0}),
    "truth not finite": ("truth", {"working_set_bytes": 1, "bandwidth": math.nan, "idle_ms_percentiles": [0] * 101}),
    "targets a text": ("targets", "ab"),
    "targets infinite": ("targets", [1e999]),
    "attrs not a number": ("attrs", {"sample_us": math.nan, "aggr_us": 1}),
    "attrs a fraction": ("attrs", {"sample_us": 1.5, "aggr_us": 100}),
    "attrs a list": ("attrs", [1]),
    "goal a text": ("attrs", {"goal": "x"}),
    "moments not two": ("ns", [1]),
    "moments infinite": ("ns", [1e999, 1]),
    "nested": ("note", [[[[1]]]]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_bad_field_costs_its_snapshot_only(tmp_path: Path, what: str) -> None:
    name, value = CHANGES[what]
    found = files.read(record(tmp_path / "r", lambda rest: rest.update({name: value})))
    assert found.time.tolist() == [1.0, 3.0]
    assert found.notes == ("1 damaged snapshot was left out",)


def test_a_lone_surrogate_is_no_fault(tmp_path: Path) -> None:
    found = files.read(record(tmp_path / "r", lambda rest: rest.update(note="\ud800", names=["\udfff", "b"])))
    assert len(found) == 3
    assert json.loads(dump(found.snapshot(1), "x"))["note"] == "\ud800"
    files.write(found, tmp_path / "again", "damontui")
    assert files.read(tmp_path / "again").snapshot(1).names == ("\udfff", "b")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", 7),
        ("title", None),
        ("title", "x" * 200_000),
        ("origin", "moon"),
        ("speed", math.nan),
        ("speed", -1),
        ("speed", "fast"),
        ("limits", "none"),
        ("limits", [1]),
        ("attrs", None),
        ("attrs", {"sample_us": math.inf}),
        ("host", {}),
    ],
)
def test_a_bad_head_is_no_record(tmp_path: Path, name: str, value: object) -> None:
    import dataclasses

    header = {"damontui_record": own.VERSION, **dataclasses.asdict(ABOUT), name: value}
    path = tmp_path / "r"
    path.write_bytes(own._member(json.dumps(header).encode(), 0.0, 4))
    with pytest.raises(SourceError, match="it is not a damontui record"):
        files.read(path)


def test_a_sidecar_of_infinities_is_none(tmp_path: Path) -> None:
    made = table_of(ABOUT, [snapshot(0), snapshot(1)])
    files.write(made, tmp_path / "a.trace", "trace")
    for value in ("1e999", "NaN", '"1e999"', "[]", "9" * 400):
        text = f'[{{"contexts":[{{"intervals":{{"sample_us":{value},"aggr_us":100000}}}}]}}]'
        (tmp_path / "a.trace.kdamonds").write_text(text)
        assert not files.read(tmp_path / "a.trace").intervals_known
    assert np.isfinite(files.read(tmp_path / "a.trace").time).all()


def test_an_interval_of_hundreds_of_digits_is_none() -> None:
    """As a line of a trace can say that the intervals were tuned to it."""
    few = [snapshot(1), snapshot(2)]
    endless = Attrs(sample_us=10**400, aggr_us=10**400, goal=None)
    found = sound.sound(table_of(ABOUT, [few[0], replace(few[1], next_attrs=endless)]))
    assert found.time.tolist() == [few[0].time]
    assert found.notes == ("1 impossible snapshot was left out",)
