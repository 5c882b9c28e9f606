"""damo's formats: read exactly, written so that damo reads them, hostile files answered in one sentence."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from damontui.damon import metrics
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.errors import SourceError
from damontui.records import damo, files
from damontui.records.table import table_of
from tests import make

DATA = Path(__file__).parents[1] / "data" / "damo-vaddr"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """damo's record of one load in its three formats."""
    for name in ("damon.json", "damon.perf_script"):
        (tmp_path / name).write_bytes(gzip.decompress((DATA / f"{name}.gz").read_bytes()))
    shutil.copy(DATA / "damon.data", tmp_path)
    shutil.copy(DATA / "damon.data.kdamonds", tmp_path / "damon.perf_script.kdamonds")
    return tmp_path


def test_the_three_formats_hold_the_same(folder: Path) -> None:
    plain, packed, text = (files.read(folder / n) for n in ("damon.json", "damon.data", "damon.perf_script"))
    assert (len(plain), len(plain.start)) == (38, 2179)
    assert make.same_records(plain, packed)
    assert plain.description.attrs == Attrs(update_us=1_000_000, goal=IntervalsGoal())
    for name in ("offsets", "start", "end", "nr_accesses", "age", "target"):
        assert np.array_equal(getattr(plain, name), getattr(text, name))
    assert text.intervals_known
    # text has only ends: a snapshot begins where the one before it ended
    assert [plain.ns(i) for i in range(1, 38)] == [text.ns(i) for i in range(1, 38)]


def test_what_damo_wrote_comes_back_byte_for_byte(folder: Path) -> None:
    record = files.read(folder / "damon.json")
    assert files.write(record, folder / "again.json", "json") == []
    assert (folder / "again.json").read_bytes() == (folder / "damon.json").read_bytes()
    files.write(record, folder / "again.data", "json-compressed")
    assert zlib.decompress((folder / "again.data").read_bytes()) == (folder / "damon.json").read_bytes()
    files.write(record, folder / "again.trace", "trace")
    assert (folder / "again.trace").read_bytes() == (folder / "damon.perf_script").read_bytes()


@pytest.mark.parametrize("kind", ["damontui", "json", "json-compressed"])
def test_a_conversion_keeps_everything(kind: files.Format, folder: Path) -> None:
    record = files.read(folder / "damon.data")
    assert files.write(record, folder / "out", kind) == []
    back = files.read(folder / "out")
    assert make.same_records(record, back)
    with pytest.raises(SourceError, match="--force"):
        files.write(record, folder / "out", kind)


def test_what_has_no_place_is_named(tmp_path: Path) -> None:
    table = table_of(make.description("process"), [replace(make.process(t), names=()) for t in (60.0, 61.0)])
    left = files.write(table, tmp_path / "out", "json")
    assert left == [
        "the observer's CPU share is left out",
        "how much of each region is in memory is left out",
        "counted bytes (each region becomes a share of samples) are left out",
        "how long memory had been watched is left out",
    ]
    assert files.read(tmp_path / "out").nr_accesses.tolist() == table.nr_accesses.tolist()


def test_trace_text_names_what_it_cannot_keep(folder: Path) -> None:
    record = files.read(folder / "damon.json")
    assert record.nanoseconds is not None
    record.nanoseconds[3] += 7
    left = files.write(record, folder / "out", "trace")
    assert any("microseconds" in sentence for sentence in left)
    assert any("gaps" in sentence for sentence in left)


def test_working_set_agrees_with_damos_report(folder: Path) -> None:
    # damo drops the first 20 snapshots; average and percentiles are in damo-wss.txt
    record = files.read(folder / "damon.data")
    sizes = sorted(metrics.working_set(record.snapshot(i)) for i in range(20, len(record)))
    mib = [size / 2**20 for size in sizes]
    said = (DATA / "damo-wss.txt").read_text()
    assert f"avr:\t{sum(mib) / len(mib):.3f} MiB" in said
    for percentile in (0, 25, 50, 75):
        assert f"{mib[int(percentile / 100 * len(mib))]:.3f} MiB" in said
    assert f"{mib[-1]:.3f} MiB" in said


def test_old_records_have_no_intervals(tmp_path: Path) -> None:
    old = [{"kdamond_idx": 0, "context_idx": 0, "intervals": None, "scheme_idx": 0, "target_id": 18446623438842320000,
            "snapshots": [{"start_time": 5, "end_time": "1,000,000", "regions": [
                {"start": 4096, "end": "8,192", "nr_accesses": {"samples": "3", "percent": 15.0},
                 "age": {"usec": None, "aggr_intervals": None}}]}]}]  # fmt: skip
    path = tmp_path / "old"
    path.write_text(json.dumps(old))
    record = files.read(path)
    assert not record.intervals_known
    assert "--aggr" in record.notes[0]
    assert record.snapshot(0).targets == (18446623438842320000,)
    assert (record.start[0], record.end[0], record.nr_accesses[0], record.age[0]) == (4096, 8192, 3, 0)
    given_attrs = files.read(path, attrs=Attrs(sample_us=5000, aggr_us=100_000))
    assert given_attrs.intervals_known
    assert metrics.bandwidth(given_attrs.snapshot(0)) == 4096 * 3 * 10
    out = tmp_path / "out"
    files.write(record, out, "json")
    assert make.same_records(files.read(out), record)


def test_the_first_releases_wrote_a_target_and_its_snapshots_only(tmp_path: Path) -> None:
    region = {"start": "4,096", "end": "1,052,672", "nr_accesses": {"samples": "3", "percent": None}}
    region["age"] = {"usec": None, "aggr_intervals": "2"}
    snapshots = [{"start_time": t, "end_time": t + 10**8, "regions": [region]} for t in (10**9, 11 * 10**8)]
    (tmp_path / "damon.data").write_bytes(
        zlib.compress(json.dumps([{"target_id": 7, "snapshots": snapshots}]).encode())
    )
    table = files.read(tmp_path / "damon.data")
    assert not table.intervals_known
    assert (table.start.tolist(), table.end.tolist()) == ([4096] * 2, [1_052_672] * 2)
    assert (table.nr_accesses.tolist(), table.age.tolist()) == ([3, 3], [2, 2])
    assert any("no intervals" in note for note in table.notes)


def test_the_container_and_its_misspelling(folder: Path) -> None:
    records = json.loads((folder / "damon.json").read_text())
    for key in ("damo_records", "damo_reocrd_ver"):
        path = folder / key
        path.write_text(json.dumps({key: 1, "damo_records": records}))
        assert len(files.read(path)) == 38


def test_several_targets_and_kdamonds(folder: Path) -> None:
    records = json.loads((folder / "damon.json").read_text())
    second = json.loads(json.dumps(records[0]))
    second["target_id"] = 7
    other = json.loads(json.dumps(records[0]))
    other["kdamond_idx"] = 1
    path = folder / "several"
    path.write_text(json.dumps([records[0], second, other]))
    record = files.read(path)
    assert len(record) == 38
    assert len(record.start) == 2 * 2179
    first = record.snapshot(0)
    assert first.targets == (0, 7)
    assert first.target.tolist() == [0] * 52 + [1] * 52
    assert record.notes == ("kdamond 1, context 0, scheme None of the file is not shown",)
    files.write(record, folder / "out", "json")
    assert make.same_records(files.read(folder / "out"), record)
    files.write(record, folder / "out.trace", "trace")
    assert np.array_equal(files.read(folder / "out.trace").start, record.start)


def test_intervals_as_words() -> None:
    kdamonds = json.loads((DATA / "damon.data.kdamonds").read_text())
    context = kdamonds[0]["contexts"][0]
    assert damo.attrs_of(context["intervals"], context["nr_regions"]) == Attrs(
        update_us=1_000_000, goal=IntervalsGoal()
    )
    again = json.loads(damo.sidecar_text(Attrs(sample_us=7, aggr_us=21, goal=None)))[0]["contexts"][0]
    assert damo.attrs_of(again["intervals"], again["nr_regions"]) == Attrs(sample_us=7, aggr_us=21, goal=None)


def test_damos_made_up_region_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_text(
        "kdamond.x xxxx xxxx 1.000000: damon:damon_aggregated: target_id=0 nr_regions=1 4096-8192: 1 2\n"
        "kdamond.x xxxx xxxx 1.100000: damon:damon_aggregated: target_id=0 nr_regions=1 0-0: -1 -1\n"
    )
    assert len(files.read(path)) == 1


def attempt(path: Path) -> tuple[str, int]:
    """What reading a file says ("" where it can be read), and how many regions it has."""
    try:
        return "", len(files.read(path).start)
    except SourceError as error:
        return str(error), 0


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"[]", b"{}", b"[1]", b"[{}]", b"[" * 100_000, b"\x78\x9c", b"\x78\x9cgarbage", b'[{"kdamond_idx":',
     b'[{"kdamond_idx":0,"context_idx":0,"scheme_idx":0,"snapshots":[{"start_time":1,"end_time":2,"regions":[0,0]}]}]',
     b"kdamond damon_ nothing", b"PERFILE2 broken", zlib.compress(b"[]")],
)  # fmt: skip
def test_another_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    said, regions = attempt(path)
    assert "\n" not in said
    assert regions == 0, "made-up numbers for regions are left out"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 12_000), change=st.binary(max_size=4), length=st.integers(0, 8))
def test_a_changed_byte_never_raises_anything_else(place: int, change: bytes, length: int, folder: Path) -> None:
    text = (folder / "damon.json").read_bytes()[:12_000] + b"]}]}]"
    path = folder / "changed"
    path.write_bytes(text[:place] + change + text[place + length :])
    assert "\n" not in attempt(path)[0]


def test_damo_reads_what_we_write(folder: Path) -> None:
    tool = Path(sys.executable).with_name("damo")
    if not tool.exists() or shutil.which("file") is None:
        pytest.skip("damo or the file command is not installed")
    record = files.read(folder / "damon.json")
    files.write(record, folder / "ours.data", "json-compressed")
    files.write(record, folder / "ours.trace", "trace")

    def report(name: str) -> str:
        command = [tool, "report", "wss", "--input", folder / name]
        done = subprocess.run(
            command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = (DATA / "damo-wss.txt").read_text()
    assert report("ours.data").split() == said.split()
    assert report("ours.trace").split() == said.split()


def test_any_cut_of_the_text_reads_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = json.loads((folder / "damon.json").read_text())
    few[0]["snapshots"] = few[0]["snapshots"][:4]  # every word in pieces takes a second for each
    (folder / "few.json").write_text(json.dumps(few, indent=4))
    whole, names = (
        {name: files.read(folder / name) for name in ("few.json", "damon.json")},
        ("damon.json", "damon.data"),
    )
    for size, some in ((7, ("few.json",)), (100, names), (1013, names), (4096, names)):
        monkeypatch.setattr(damo, "_CHUNK", size)
        for name in some:
            assert make.same_records(files.read(folder / name), whole.get(name, whole["damon.json"]))


def test_text_without_white_space_or_with_tabs(folder: Path) -> None:
    record = files.read(folder / "damon.json")
    records = json.loads((folder / "damon.json").read_text())
    for number, layout in enumerate(({"separators": (",", ":")}, {"indent": "\t"}, {"indent": 1})):
        path = folder / f"layout{number}"
        path.write_text(json.dumps(records, **layout))  # type: ignore[arg-type]
        assert make.same_records(files.read(path), record)


def test_text_in_another_layout_is_not_searched_over_and_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    class Watched:
        def split(self, text: bytes) -> list[bytes]:
            looked.append(len(text))
            return [text]

    monkeypatch.setattr(damo, "_CHUNK", 1000)
    monkeypatch.setattr(damo, "_REGION", Watched())
    path = tmp_path / "other"
    path.write_text("[" + '{"x": 1, "y": "z"},' * 20_000 + "]")
    assert "not a record" in attempt(path)[0] or "broken" in attempt(path)[0]
    assert max(looked) < 2000
