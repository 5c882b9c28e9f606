"""Whose memory it is, as JSON and as text: rows add up, names are safe, and what is not known is null or nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from damontui.analysis.usage import Amount
from damontui.damon.snapshot import FRAME_KINDS, OTHERS, UNCHARGED, UNSEEN, Group, Snapshot, Zone, ints
from damontui.history import History
from damontui.output.json import dump, snapshot_object
from damontui.output.owners import owners_table
from damontui.output.text import WIDTH, summary
from damontui.phrases import with_half
from damontui.records.own import Record, RecordWriter
from damontui.safe_text import is_shown
from tests import make
from tests.owners import owners_of

PAGE = 4096
MIB = 1 << 20
ROW_KEYS = {
    "cgroup",
    "what",
    "name",
    "members",
    "bytes",
    "least",
    "most",
    "frames",
    "kinds",
    "idle",
    "current",
    "max",
    "high",
    "swap",
    "kubelet_working_set",
    "deleted_below",
    "gone",
}


def machine(*groups: Group, rng: int = 0) -> Snapshot:
    """A GiB of which each group has as much as any other; so have the kernel, others, those not seen, and nobody."""
    address = np.sort(np.random.default_rng(rng).integers(0, 1 << 18, 3000)) * PAGE
    owner = np.arange(3000) % (len(groups) + 4)
    numbers = ints([*range(len(groups)), UNCHARGED, UNSEEN, OTHERS, UNCHARGED])
    kinds = [*["anon"] * len(groups), "slab", "file", "anon", "free"]
    kind = ints([FRAME_KINDS.index(name) for name in kinds])[owner]
    zones = (Zone(0, 1 << 29, "node 0 Normal"), Zone(1 << 29, 1 << 30, "node 1 Normal"))
    count = np.ones(3000, np.int64)
    owners = owners_of(groups, address, address + PAGE, kind, numbers[owner], count, others=12, zones=zones, cpu=0.003)
    snapshot = make.snapshot([(0, 1 << 29, 5, 20), (1 << 29, 1 << 30, 0, 119)])
    return replace(snapshot, owners=owners, watched=120.0)


WEB = Group("/system.slice/nginx.service", 300 * MIB, 512 * MIB, 400 * MIB, 4096, 20 * MIB, 2)


def test_rows_of_json_add_up_to_the_byte() -> None:
    found = snapshot_object(machine(WEB, Group("/db"), Group("/batch", gone=True)), "stat")
    rows = found["owners"]
    assert sum(row["bytes"] for row in rows) == found["total_bytes"]
    assert sum(row["bytes"] for row in found["zones"]) == found["total_bytes"]
    assert {row["zone"] for row in found["zones"]} == {"node 0 Normal", "node 1 Normal"}
    for row in rows:
        assert row.keys() == ROW_KEYS
        assert row["least"] <= row["bytes"] <= row["most"]
        assert [one["seconds"] for one in row["idle"]] == [1, 2, 5, 10, 30, 60, 120]
    web = next(row for row in rows if row["cgroup"] == WEB.path)
    assert (web["current"], web["max"], web["high"], web["swap"]) == (300 * MIB, 512 * MIB, 400 * MIB, 4096)
    assert web["kubelet_working_set"] == 280 * MIB
    assert web["deleted_below"] == 2
    assert [row["what"] for row in rows if row["cgroup"] is None] == ["kernel", "elsewhere", "others", "free"]
    assert next(row for row in rows if row["what"] == "others")["members"] == 12
    assert next(row for row in rows if row["cgroup"] == "/batch")["gone"]


def test_what_is_not_known_is_left_out() -> None:
    assert not {"owners", "zones"} & snapshot_object(make.snapshot([(0, MIB, 0, 1)]), "stat").keys()
    assert owners_table(make.snapshot([(0, MIB, 0, 1)]), None, 60) == []


@pytest.mark.parametrize("name", ["\x1b]0;title\x07", "\u202eecivres", "\udcff\udcfe", "n" * 250, "名前"])
def test_any_name_is_safe_in_json_and_in_text(name: str) -> None:
    snapshot = machine(Group(f"/{name}"))
    line = dump(snapshot, "stat")
    assert is_shown(line)
    assert {row["cgroup"] for row in json.loads(line)["owners"]} >= {f"/{name}"}
    text = summary(snapshot, make.description())
    assert all(is_shown(row) for row in text.splitlines())


def test_the_table_is_as_wide_as_the_rest() -> None:
    groups = [replace(WEB, path=f"/system.slice/a-rather-long-name-{number}.service") for number in range(20)]
    lines = owners_table(machine(*groups), None, 60)
    # what is deleted stands beyond, as does a long name
    assert all(len(line.removesuffix("  +2 deleted")) <= WIDTH for line in lines[:-1])
    assert "idle ≥ 1 min" in lines[0]
    assert sum("a-rather" in line for line in lines) == 12
    assert any(line.startswith("8 more groups") for line in lines)
    assert any(line.startswith("12 small groups") for line in lines)
    assert lines[-1] == "3000 frames drawn, at 0.3 % of one CPU"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Amount(133 * MIB, 146 * MIB, 159 * MIB), "146 ± 13 MiB"),
        (Amount(1300 * MIB, 1464 * MIB, 1546 * MIB), "1.43 ± 0.12 GiB"),
        (Amount(0, 0, 4 * MIB), "0.00 ± 2.00 MiB"),
        (Amount(0, 0, 0), "0 ± 0 B"),
    ],
)
def test_an_amount_and_half_of_its_interval_have_one_unit(amount: Amount, text: str) -> None:
    assert with_half(amount) == text


def test_a_record_keeps_whose_memory_it_was(tmp_path: Path) -> None:
    """By region: the rows are the same, and so is idle memory where the estimate is of regions as well."""
    snapshot = machine(WEB, Group("/slice/\x1b[2J"), Group("/batch", gone=True))
    path = tmp_path / "record"
    with RecordWriter(path, make.description()) as writer:
        writer.append(snapshot)
        size = writer.bytes
    with Record(path) as record:
        back = record.snapshot(0)
    assert back is not None
    assert snapshot_object(back, "x")["owners"] == snapshot_object(snapshot, "x")["owners"]
    assert snapshot_object(back, "x")["zones"] == [
        # a region that lies in two zones counts as where it begins
        row | {}
        for row in snapshot_object(snapshot, "x")["zones"]
    ]
    assert size < 2_000  # 3,000 frames in 14 kinds of entries
    history = History(budget=30_000)
    for time in range(40):
        history.append(replace(snapshot, time=1.0 + time, began=float(time)))
    old = history.at(30.0)
    assert old is not None
    assert history.bytes <= 30_000 + 200_000  # the newest one is held as it came, with its frames


def test_memory_not_watched_for_so_long_is_told_for_less() -> None:
    lines = owners_table(replace(machine(WEB), watched=None), None, 600)
    assert "idle ≥ 2 min" in lines[0]
