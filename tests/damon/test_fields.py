"""A field that is declared is carried: read from its type, joined, packed, and through records and JSON."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from damontui.analysis import counted
from damontui.damon.fields import REGIONS, Fact, Field, arrays_of, fields_of, joined, lists, seal
from damontui.damon.snapshot import OPTIONAL, Ints, Snapshot, ints
from damontui.packing import Tables, _Apart, _Together
from damontui.records.damo import _LEFT_OUT
from damontui.records.fields import plain, value_of
from tests import make

KINDS = ("hot", "cold")


@dataclass(frozen=True, slots=True, eq=False)
class Pressure:
    """Nested once more."""

    some: Annotated[float, Fact("some", digits=3, past="mean")]
    full: Annotated[float | None, Fact("full")] = None


@dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """A made-up field with everything that a field may have."""

    paths: Annotated[tuple[str, ...], Fact("paths", axes=("owners",))]
    kinds: Annotated[Ints, Fact("kinds", unit="bytes", axes=("owners", KINDS))]
    bytes: Annotated[Ints, Fact("bytes", unit="bytes", axes=("owners",), past="sum")]
    shares: Annotated[NDArray[np.float64], Fact("shares", axes=("owners", REGIONS), signed=True)]
    grown: Annotated[Ints, Fact(axes=("owners",), rising=True)]
    whole: bool
    seconds: Annotated[tuple[float, ...], Fact(axes=("times",), rising=True)] = (1.0, 2.5)
    limit: int | None = None
    pressure: Annotated[Pressure | None, Fact("pressure")] = None

    def __post_init__(self) -> None:
        seal(self)


@dataclass(frozen=True, slots=True, eq=False)
class Holder:
    """What holds it, as a snapshot does."""

    owners: Annotated[Owners | None, Fact("owners")] = None


(FIELD,) = fields_of(Holder)


def owners(scale: int = 1, regions: int = 4) -> Owners:
    return Owners(
        ("/web", "/db", "/ü"),
        ints([[1, 2], [3, 0], [0, 1 << 50]]) * scale,
        ints([3, 3, 1 << 50]) * scale,
        np.linspace(-1, 1, 3 * regions).reshape(3, regions),
        ints([1, 1, 7]),
        True,
        limit=5,
        pressure=Pressure(0.25 * scale),
    )


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, Owners | Pressure) and type(one) is type(other):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields_of(type(one)))
    return one == other


def test_a_declaration_is_read_from_type_and_fact() -> None:
    by_name = {field.name: field for field in fields_of(Owners)}
    assert (by_name["paths"].kind, by_name["paths"].many, by_name["paths"].given) == (str, True, True)
    assert (by_name["limit"].kind, by_name["limit"].optional, by_name["limit"].given) == (int, True, False)
    assert (by_name["shares"].whole, by_name["shares"].of_regions, by_name["bytes"].of_regions) == (False, True, False)
    assert [part.name for part in by_name["pressure"].parts] == ["some", "full"]
    assert (FIELD.has_arrays, FIELD.of_regions, FIELD.joins, by_name["kinds"].joins) == (True, True, True, False)
    assert not any(array.flags.writeable for array in arrays_of(owners()))
    assert len(list(arrays_of(owners()))) == 4


@pytest.mark.parametrize("hint", ["list[int]", "dict[str, int]", "bytes", "NDArray[np.int64]"])
def test_what_cannot_be_carried_is_no_field(hint: str) -> None:
    made = dataclass(type("Made", (), {"__annotations__": {"one": eval(hint)}}))
    with pytest.raises(TypeError, match="one"):
        fields_of(made)


def test_it_comes_back_from_a_record() -> None:
    given = json.loads(json.dumps(plain(FIELD, owners())))
    assert given["kinds"] == {"hot": [1, 3, 0], "cold": [2, 0, 1 << 50]}
    assert given["grown"] == [1, 0, 6]
    assert same(value_of(FIELD, given, {REGIONS: 4}), owners())
    # of a later version, of an earlier one, and None
    assert same(value_of(FIELD, given | {"later": 1}, {REGIONS: 4}), owners())
    for name in ("seconds", "limit", "pressure"):
        del given[name]
    back = value_of(FIELD, given, {REGIONS: 4})
    assert (back.seconds, back.limit, back.pressure) == ((1.0, 2.5), None, None)
    assert value_of(FIELD, None, {}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"paths": None}, {"paths": ["/web"]}, {"paths": [1, 2, 3]}, {"kinds": [[1, 2, 3]]}, {"kinds": {"hot": [1]}},
        {"bytes": [1, -1, 1]}, {"bytes": [1.5, 1, 1]}, {"bytes": [1 << 63, 0, 0]}, {"shares": [[0, 0, 0]] * 3},
        {"shares": [[0, 0, "a"]] * 4}, {"shares": [[0, 0, float("nan")]] * 4}, {"grown": [1, -2, 1]}, {"whole": 1},
        {"seconds": [2.0, 1.0]}, {"limit": -1}, {"limit": True}, {"pressure": {}}, {"pressure": 5},
    ],
)  # fmt: skip
def test_what_is_none_is_refused(change: dict[str, object]) -> None:
    given = plain(FIELD, owners()) | change
    with pytest.raises((ValueError, KeyError)):
        value_of(FIELD, given, {REGIONS: 4})


@pytest.mark.parametrize("name", ["paths", "kinds", "bytes", "whole"])
def test_what_has_no_default_has_to_be_there(name: str) -> None:
    given = plain(FIELD, owners())
    del given[name]
    with pytest.raises((KeyError, ValueError), match=r"paths|kinds|bytes|whole|how many"):
        value_of(FIELD, given, {REGIONS: 4})


@pytest.mark.parametrize("value", [None, owners(), owners(3, regions=0), replace(owners(), pressure=None, limit=None)])
def test_packing_loses_nothing_and_texts_are_held_once(value: Owners | None) -> None:
    tables = Tables()
    for expected in (value is not None, False):
        apart = _Apart(tables)
        apart.take(FIELD, value)
        assert (apart.texts > 0) is expected
        if value is not None:
            assert same(_Together(zlib.decompress(apart.packed()), tuple(apart.others)).put(FIELD), value)
        else:
            assert apart.packed() == b""


def test_two_as_one_are_joined_as_declared() -> None:
    both = joined(Holder, Holder(owners()), Holder(owners(3)), (1, 3))["owners"]
    assert both.bytes.tolist() == (owners().bytes * 4).tolist()
    assert both.kinds.tolist() == (owners().kinds * 3).tolist()
    assert both.pressure.some == (0.25 + 0.75 * 3) / 4
    # where one lacks it, the newer one's stays as it is
    assert "owners" not in joined(Holder, Holder(), Holder(owners()), (1, 1))
    other = replace(owners(), bytes=ints([1]))
    assert "pressure" in joined(Owners, other, other, (1, 1))


def test_regions_of_an_array_are_taken_along_its_own_axis() -> None:
    taken = counted._part(Holder(owners()), ints([2, 0]), None)["owners"]
    assert np.array_equal(taken.shares, owners().shares[:, [2, 0]])
    assert taken.bytes is not None
    assert np.array_equal(taken.bytes, owners().bytes)


def test_arrays_are_lists_in_json() -> None:
    by_name: dict[str, Field] = {field.name: field for field in fields_of(Owners)}
    assert lists(by_name["kinds"], owners().kinds) == {"hot": [1, 3, 0], "cold": [2, 0, 1 << 50]}
    assert np.array_equal(np.array(lists(by_name["shares"], owners().shares)).T, owners().shares)


def test_each_field_of_a_snapshot_can_be_carried() -> None:
    """A key in JSON names one field only, and damo's formats have a place for each, or say that they have not."""
    keys = [field.fact.key for field in fields_of(Snapshot) if field.fact.key]
    assert len(keys) == len(set(keys))
    carried = {"lost", "until_tuning", "tuned_here"}  # `complete` says the first; the tuner ran then, not now
    unnamed = {field.name for field in OPTIONAL} - set(_LEFT_OUT) - carried
    assert not unnamed, f"say in records/damo._LEFT_OUT that damo's formats leave out {', '.join(unnamed)}"
    assert set(_LEFT_OUT) | carried <= {field.name for field in OPTIONAL}
    whole: Any = make.snapshot([(0, 4096, 1, 1)])
    assert all(
        getattr(whole, field.name) == field.default for field in OPTIONAL if field.name not in ("until_tuning", "cpu")
    )
