"""``damontui report``: every style in every format, filters, refusals in one line, and what the terminal can show."""

from __future__ import annotations

import gzip
import json
import re
import signal
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from damontui import cli
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FRAME_KINDS, Frames, Pressure, ints
from damontui.errors import DamontuiError, UsageError
from damontui.output.reports import numbers, pictures, results, select
from damontui.output.reports.results import STYLES
from damontui.records import files
from damontui.records.table import table_of
from tests.make import MIB, WALL, description, snapshot, steady
from tests.pressure import pressed
from tests.test_cli import FAKE, TIMEOUT, in_terminal, wait_for

DATA = Path(__file__).parents[1] / "data" / "damo-vaddr"
VADDR = str(DATA / "damon.data")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> str:
    """60 s of a steady machine, a record of ours."""
    path = tmp_path_factory.mktemp("record") / "night.damontui"
    files.write(table_of(description(), pressed(steady(60))), path, "damontui")
    return str(path)


def sources(style: str, record: str) -> tuple[str, ...]:
    """Records to report on in a style: that of damo knows nothing of pressure."""
    return (record,) if style == "pressure" else (record, VADDR)


def report(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert cli.main(["report", *words]) == status, capsys.readouterr().err
    return capsys.readouterr().out


def data(capsys: pytest.CaptureFixture[str], *words: str) -> dict:  # type: ignore[type-arg]
    out = report(capsys, *words, "--format", "json")
    assert out.count("\n") == 1
    found: dict = json.loads(out)  # type: ignore[type-arg]
    assert found["schema"] == 1
    return found


def refused(capsys: pytest.CaptureFixture[str], status: int, *words: str) -> str:
    assert cli.main(["report", *words]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "fault of this program" not in err
    return err


def test_a_file_that_is_called_as_another_target_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_text("no record")
    found = data(capsys, "demo", "--count", "2", "--speed", "max", "--seed", "1")
    assert (found["target"], found["snapshots"]) == ("demo:steady", 2)


# -- every style ----------


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("width", [50, 80, 160])
def test_text_fits_its_width_and_says_its_units(
    style: str, width: int, record: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    units = {"bandwidth": "/s", "intervals": " ms", "heatmap": "%"}
    for source in sources(style, record):
        text = report(capsys, source, "--style", style)
        assert text.startswith(f"{style} · record ")
        assert "\x1b" not in text
        assert units.get(style, "iB") in text
        picture = [line for line in text.splitlines() if re.search("[█▓▒░▄]", line)]
        assert max(map(len, picture), default=0) <= max(width, 74)
    # names of regions and the table of percentiles have their own width
    assert max(map(len, text.splitlines())) <= max(width, 110)


@pytest.mark.parametrize("style", STYLES)
def test_ascii_is_ascii(style: str, record: str, capsys: pytest.CaptureFixture[str]) -> None:
    for source in sources(style, record):
        assert report(capsys, source, "--style", style, "--ascii").isascii()


@pytest.mark.parametrize("style", STYLES)
def test_json_of_every_style(style: str, record: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = data(capsys, record, "--style", style)
    assert (found["report"], found["snapshots"], found["host"], found["kernel"]) == (style, 60, "lab", "7.2.13")
    assert found["unix_time"] == WALL + 60
    for source in sources(style, record)[1:]:
        assert data(capsys, source, "--style", style)["unix_time"] is None


@pytest.mark.parametrize("style", STYLES)
def test_pictures_of_every_style(style: str, record: str, tmp_path: Path) -> None:
    for source in sources(style, record):
        svg, again, png = (tmp_path / f"{Path(source).stem}{end}" for end in (".svg", ".again.svg", ".png"))
        for path in (svg, again, png):
            assert cli.main(["report", source, "--style", style, "-o", str(path)]) == 0
        assert svg.read_bytes() == again.read_bytes()
        assert svg.stat().st_mode & 0o777 == 0o600
        assert png.read_bytes().startswith(b"\x89PNG")
        assert ET.fromstring(svg.read_text()).tag.endswith("svg")
        words = set(re.findall("<!-- (.*?) -->", svg.read_text()))
        joined = " ".join(words)
        assert any(style in one and "record" in one for one in words), "the title says what it is"
        axes = {
            "regions": ["memory in order of address", "access rate"],
            "heatmap": ["address", "time since the start (s)", "access rate (share of samples", "25 %"],
            "wss": ["working set", "time since the start (s)", "MiB"],
            "idle-percentiles": ["percentile", "p95", "idle for"],
            "idle-histogram": ["idle time", "in use", "memory, mean over time"],
            "temperature-histogram": ["temperature (rate in %", "memory, mean over time"],
            "bandwidth": ["bandwidth", "/s"],
            "intervals": ["sampling interval", "aggregation interval", "observed accesses", " ms"],
            "pressure": ["some task waited for memory", "swapped out", "/s", "%"],
        }
        assert style in axes, f"say here in `axes` which words the picture of {style} has to show"
        for part in axes[style]:
            assert part in joined


@pytest.mark.parametrize("against", [None, 5.0, 150.0, 1e6])
def test_the_legend_shows_only_lines_that_are_drawn(against: float | None) -> None:
    from matplotlib.figure import Figure

    times, values = np.arange(1.0, 61.0), np.linspace(50.0, 100.0, 60)
    line = results.Line("working set", "bytes", values, values, 75.0, (75.0,) * 7, against, "all regions, mean")
    figure = Figure()
    pictures._series(figure, results.LinesReport(times, np.arange(61.0), (line,)), {"signed": ["#000000"] * 25})
    (axes,) = figure.axes
    legend = axes.get_legend()
    low, high = axes.get_ylim()
    labels = [text.get_text() for text in legend.get_texts()]
    assert len(labels) == (1 if against is None else 2)
    drawn = {one.get_label(): one for one in axes.lines}
    for label, handle in zip(labels, legend.get_lines(), strict=True):
        shown = len(drawn[label].get_ydata()) > 0 and all(low <= y <= high for y in drawn[label].get_ydata())
        assert (handle.get_linestyle() != "None") == shown
        assert ("above the picture" in label) == (not shown)


def test_the_picture_is_drawn_without_matplotlib_never(
    record: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures.util, "find_spec", lambda name: None)
    said = refused(capsys, 1, record, "-o", str(tmp_path / "a.png"))
    assert "-m pip install matplotlib" in said
    assert not list(tmp_path.iterdir())
    assert "working set" in report(capsys, record)


def test_nothing_that_is_not_needed_is_imported(record: str) -> None:
    code = f"""
import sys
from damontui.cli import main
main(["report", {record!r}, "--style", "heatmap"])
print([name for name in ("textual", "rich", "matplotlib", "asyncio") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


# -- the numbers ----------


def test_regions_are_those_of_the_last_snapshot(record: str, capsys: pytest.CaptureFixture[str]) -> None:
    (last,) = data(capsys, record, "--style", "regions")["at"]
    made = steady(60)[-1]
    assert [r["start"] for r in last["regions"]] == made.start.tolist()
    assert last["regions"][0]["idle_ms"] == 95 * made.attrs.aggr_us // 1000
    assert len(data(capsys, record, "--style", "regions", "--all")["at"]) == 60
    text = report(capsys, record, "--style", "regions")
    assert len(re.findall("^0x", text, re.MULTILINE)) == len(made)
    assert f"{int(made.start[3]):#x} … {int(made.end[3]):#x}" in text


def test_a_part_of_the_time(record: str, capsys: pytest.CaptureFixture[str]) -> None:
    whole = data(capsys, record)["series"][0]["values"]
    assert data(capsys, record, "--time", "10-20")["series"][0]["values"] == whole[10:20]
    assert data(capsys, record, "--time", "55s-")["series"][0]["values"] == whole[55:]
    assert data(capsys, record, "--time=-5")["series"][0]["values"] == whole[:5]
    assert data(capsys, record, "--skip", "20")["series"][0]["values"] == whole[20:]
    assert data(capsys, record, "--time", "10-20")["filters"] == {"time": "10 s … 20 s"}


def test_a_part_of_the_memory(record: str, capsys: pytest.CaptureFixture[str]) -> None:
    def regions(*words: str) -> list[dict]:  # type: ignore[type-arg]
        return data(capsys, record, "--style", "regions", *words)["at"][0]["regions"]  # type: ignore[no-any-return]

    whole = regions()
    assert regions("--rate", "1%-") == [r for r in whole if r["nr_accesses"]]
    assert regions("--rate=-0%") == [r for r in whole if not r["nr_accesses"]]
    assert regions("--rate", "45%-70%") == [r for r in whole if 9 <= r["nr_accesses"] <= 14]
    assert regions("--size", "64M-96M") == [r for r in whole if 64 * MIB <= r["end"] - r["start"] <= 96 * MIB]
    assert regions("--age", "100s-") == [r for r in whole if abs(r["idle_ms"]) >= 100_000]
    low, high = whole[2]["start"] + 4096, whole[4]["start"] + 4096
    cut = regions("--address", f"{low:#x}-{high:#x}")
    assert [(r["start"], r["end"]) for r in cut] == [
        (low, whole[2]["end"]),
        (whole[3]["start"], whole[3]["end"]),
        (whole[4]["start"], high),
    ]
    assert "nothing to report" in refused(capsys, 1, record, "--address", "0-4096")
    assert "nothing to report" in refused(capsys, 1, record, "--time", "1h-2h")


def test_one_of_several_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(0, 4096, 5, 1), (8192, 16384, 0, 3), (0, 4096, 1, 1)]
    made = [snapshot(rows, t, target=[0, 0, 1], targets=(77, 99), names=("a", "b", "c")) for t in (1.0, 2.0)]
    path = str(tmp_path / "two")
    files.write(table_of(description(), made), path, "damontui")
    (last,) = data(capsys, path, "--style", "regions", "--target", "99")["at"]
    assert [(r["target"], r["start"], r["name"]) for r in last["regions"]] == [(99, 0, "c")]
    assert "there are: 77, 99" in refused(capsys, 2, path, "--target", "5")
    text = report(capsys, path, "--style", "regions")
    assert text.index("target 77:") < text.index("target 99:")
    text = report(capsys, path, "--style", "heatmap")
    assert "target 99 above, target 77 below" in text


def test_free_memory_has_a_colour_of_its_own_in_a_picture() -> None:
    counts = np.zeros((1, len(FRAME_KINDS)), np.int64)
    counts[0, FRAME_KINDS.index("free")] = 9
    frames = Frames(counts, ints([0]), ints([0]))
    table = table_of(description(), [snapshot([(0, MIB, 0, 0)], t + 1.0, frames=frames) for t in range(20)])
    found = results.make("heatmap", table, numbers.intervals_of(table), results.StyleOptions(columns=8, rows=8))
    assert isinstance(found, results.Heat)
    head = results.head_of("heatmap", table, numbers.intervals_of(table), {})
    ramps = {"heat": ["#000000", "#ffffff"], "signed": ["#000000", "#ffffff"]}
    free, plain = (pictures.report(head, one, "svg", ramps).decode() for one in (found, replace(found, free=None)))
    assert "; pale green: mostly free memory" in free
    assert "pale green" not in plain
    assert free.partition("<image")[2][:2000] != plain.partition("<image")[2][:2000]


def test_what_memory_holds_is_told_where_page_frames_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = np.zeros((1, len(FRAME_KINDS)), np.int64)
    counts[0, [FRAME_KINDS.index("free"), FRAME_KINDS.index("slab")]] = 30, 10
    frames = Frames(counts, ints([0]), ints([0]))
    held = [snapshot([(0, 4 * MIB, 0, t)], t + 1.0, frames=frames) for t in range(20)]
    path = str(tmp_path / "held.damontui")
    files.write(table_of(description(), held), Path(path), "damontui")
    for rule in ("estimate", "kernel"):
        words = ("idle-percentiles", path, "--idle", rule)
        shown = " ".join(report(capsys, *words).split())
        assert "memory holds: free 3 MiB, kernel 1 MiB at the end, by page frames chosen at random" in shown
        told = data(capsys, *words)["memory"]
        assert told["kernel"]["least"] < told["kernel"]["bytes"] == MIB < told["kernel"]["most"]
    assert data(capsys, "idle-percentiles", path, "--address", "0-1M")["memory"] is None
    assert data(capsys, "regions", path)["memory"] is None


def test_a_heatmap_of_the_estimate_is_that_of_idle_times_by_it(record: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = data(capsys, "heatmap", record, "--heat", "estimate")
    assert found == data(capsys, "heatmap", record, "--heat", "idle", "--idle", "estimate")
    assert found["idle"] == "estimate"
    error = refused(capsys, 2, "heatmap", record, "--heat", "estimate", "--idle", "kernel")
    assert "--heat estimate: --idle kernel is another rule" in error


def test_free_memory_is_told_by_either_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "free.damontui"
    held = [replace(one, free=512 * MIB) for one in steady(60)]
    files.write(table_of(description(), held), path, "damontui")
    for style in ("idle-percentiles", "idle-histogram", "wss"):
        assert "free: 512 MiB at the end, left out" in report(capsys, style, str(path))
        assert "free: 512 MiB at the end, counted as idle" in report(capsys, style, str(path), "--idle", "kernel")
        assert data(capsys, style, str(path))["free_bytes"] == 512 * MIB
    assert data(capsys, "heatmap", str(path))["free_bytes"] is None
    assert data(capsys, "wss", str(path), "--address", "0-64M", "--idle", "kernel")["free_bytes"] is None


def test_the_heatmap_stands_on_its_feet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Low addresses are below, time runs to the right, what was not monitored is blank."""
    rows = [(0, 64 * MIB, 0, 0), (64 * MIB, 128 * MIB, 20, 0)]
    made = [snapshot(rows, t) for t in (1.0, 2.0)] + [snapshot(rows[:1], 9.0)]
    path = str(tmp_path / "a")
    files.write(table_of(description(), made), path, "damontui")
    lines = [x for x in report(capsys, path, "--style", "heatmap").splitlines() if x.lstrip().startswith("0x")]
    cells = [line[16:].ljust(64) for line in lines]
    seen = len(cells[0].rstrip("·"))
    assert seen == 64 * 2 // 9 + 1
    assert set(cells[0][:seen]) == {"█"}
    assert set(cells[-1][:seen]) == {" "}
    assert set(cells[-1][seen:50]) == {"·"}
    assert lines[-1].startswith(f"{'0x0':>15} ")
    found = data(capsys, path, "--style", "heatmap")
    values = np.array(found["values"], float)
    assert np.nanmax(values) == 1
    assert np.nanmin(values) == 0


def test_pressure_is_told_where_it_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = pressed(steady(60), "/system.slice/we\x1bb.service")
    path = str(tmp_path / "group.damontui")
    files.write(table_of(description(), made), Path(path), "damontui")
    found = data(capsys, path, "--style", "pressure")
    told = [one.pressure for one in made if one.pressure is not None]
    names = [line["name"] for line in found["series"]]
    assert names[:3] == [
        "some task waited for memory", "all tasks waited for memory", "read back soon after it was taken away",
    ]  # fmt: skip
    assert not any(name.startswith("swapped") for name in names)  # nobody counts that of a group
    (some, *_) = found["series"]
    assert some["values"] == [None, *(one.some for one in told)]
    assert some["mean"] == pytest.approx(np.mean([one.some for one in told]))
    assert found["remarks"][0] == "pressure on the group /system.slice/we?b.service; told of 59 of 60 snapshots"
    assert "1 killed for want of memory; out of memory once; at memory.max " in found["remarks"][1]
    text = report(capsys, path, "--style", "pressure")
    assert "some task waited for memory: mean " in text
    assert "1 killed for want of memory" in text


def test_pressure_that_nobody_told_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = "pressure is not known: /proc/vmstat cannot be read"
    made = [replace(one, pressure=Pressure(note=why)) for one in steady(3)]
    path = str(tmp_path / "bare.damontui")
    files.write(table_of(description(), made), Path(path), "damontui")
    assert why in refused(capsys, 1, path, "--style", "pressure")


def test_pressure_on_the_machine_says_whether_anything_was_killed(
    record: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = data(capsys, record, "--style", "pressure", "--time", "10-40")
    assert found["remarks"] == ["pressure on the machine", "no process was killed for want of memory"]
    assert "swapped in" in [line["name"] for line in found["series"]]


def test_a_record_without_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.trace"
    path.write_bytes(gzip.decompress((DATA / "damon.perf_script.gz").read_bytes()))
    assert "the record holds none" in refused(capsys, 1, str(path), "--style", "pressure")
    for style in STYLES.keys() - {"pressure"}:
        if STYLES[style].needs_intervals:
            assert "--sample 5ms --aggr 100ms" in refused(capsys, 1, str(path), "--style", style)
        else:
            assert "no intervals" in report(capsys, str(path), "--style", style)
        assert data(capsys, str(path), "--style", style, "--sample", "5ms", "--aggr", "100ms")["snapshots"] == 38
    assert "--sample" in refused(capsys, 1, str(path), "--rate", "5%-")
    assert "--sample" in refused(capsys, 1, str(path), "--style", "heatmap", "--heat", "idle")


# -- words ----------


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--style", "pie"], ["--style", "'pie'", "heatmap"]),
        (["--format", "pdf"], ["--format", "'pdf'", "svg"]),
        (["--address", "4G"], ["--address", "'4G'", "4G-6G"]),
        (["--address", "6G-4G"], ["--address", "ends before"]),
        (["--address", "a-b"], ["--address", "'a'"]),
        (["--size", "1M"], ["--size", "FROM-TO"]),
        (["--rate", "5%-500%"], ["--rate", "at most 100%"]),
        (["--age", "x-y"], ["--age", "'x'"]),
        (["--time", "5-5"], ["--time", "ends before"]),
        (["--time", "-"], ["--time", "FROM-TO"]),
        (["--target", "x"], ["--target", "'x'"]),
        (["--bins", "0"], ["--bins", "'0'"]),
        (["--skip", "60"], ["--skip", "60"]),
        (["--heat", "cold"], ["--heat", "'cold'", "idle"]),
        (["--count", "3"], ["--count", "--time"]),
        (["--for", "3"], ["--for", "--time"]),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(
    words: list[str], parts: list[str], record: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, 2, record, *words)
    for part in parts:
        assert part in said


@given(text=st.text(alphabet="0123456789abcdefxGMKm%s.-∞ +e", max_size=24) | st.text(max_size=12))
def test_any_range_is_two_ends_or_a_sentence(text: str) -> None:
    for parse in (select.address_range, select.size_range, select.rate_range, select.age_range, select.time_range):
        with suppress(UsageError):
            low, high = parse(text)
            assert 0 <= low <= high


@given(
    data=st.data(),
    address=st.none() | st.tuples(st.integers(0, 3 << 30), st.integers(0, 3 << 30)),
    rate=st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)),
    time=st.none() | st.tuples(st.floats(0, 9), st.floats(0, 9)),
)
def test_filters_leave_a_part_of_the_record(
    data: st.DataObject,
    address: tuple[int, int] | None,
    rate: tuple[float, float] | None,
    time: tuple[float, float] | None,
) -> None:
    table = table_of(description(), steady(8))
    intervals = select.Intervals(*(np.full(8, v, np.int64) for v in (50_000, 1_000_000, 1_000_000, 20)), known=True)
    filters = select.Filters(address=address, rate=rate, time=time)
    try:
        part, left = select.select(table, intervals, filters)
    except DamontuiError:
        return
    assert len(left.aggr) == len(part) == len(part.offsets) - 1
    assert part.offsets[0] == 0
    assert part.offsets[-1] == len(part.start) == len(part.target) > 0
    assert (part.start < part.end).all()
    if address is not None:
        assert part.start.min() >= address[0]
        assert part.end.max() <= address[1]
    for one in part:
        whole = table.snapshot(table.at(one.time))
        assert set(one.nr_accesses.tolist()) <= set(whole.nr_accesses.tolist())
        assert one.total_bytes <= whole.total_bytes


def test_help_lists_the_styles_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    text = report(capsys, "--help")
    for style in STYLES:
        assert f"\n  {style} " in text
    assert "examples:" in text


# -- where it goes ----------


def test_a_style_may_stand_before_the_target(record: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--format", "json")
    assert report(capsys, "regions", record, *words) == report(capsys, record, "--style", "regions", *words)
    assert "working set: bytes touched within 1 s" in report(capsys, "wss", record, "--within", "1s")
    assert "one target is enough; before it there may be a style: regions" in refused(capsys, 2, record, record)


def test_a_file_is_not_overwritten_unasked(record: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.json"
    path.write_text("mine")
    assert "--force" in refused(capsys, 1, record, "-o", str(path))
    assert path.read_text() == "mine"
    assert report(capsys, record, "-o", str(path), "--force") == ""
    assert json.loads(path.read_text())["report"] == "wss"
    before = Path(record).read_bytes()
    assert "another name" in refused(capsys, 2, record, "-o", record, "--force")
    assert Path(record).read_bytes() == before


def test_a_full_disk_is_a_sentence(
    record: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], small_disk: None
) -> None:
    assert "file too large" in refused(capsys, 1, record, "-o", str(tmp_path / "out"))
    assert "not a file" in refused(capsys, 1, record, "-o", "/dev/full", "--force")


def test_a_terminal_gets_colour_and_progress(record: str) -> None:
    program = [sys.executable, "-m", "damontui", "report", record, "--style", "heatmap"]
    status, out = in_terminal(program)
    assert status == 0
    assert b"\x1b[38;2;" in out
    assert b"\r\x1b[Kreading" in out
    status, out = in_terminal(program, COLORTERM="")
    assert status == 0
    assert re.search(rb"\x1b\[38;5;\d+;48;5;\d+m", out)
    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb", "COLORTERM": ""}):
        status, out = in_terminal(program, **environ)
        assert status == 0
        assert b"\x1b[38" not in out
        assert "▒".encode() in out
    status, out = in_terminal([*program, "--format", "png"])
    assert status == 2
    assert b"-o FILE.png" in out


def test_a_picture_goes_into_a_pipe(record: str) -> None:
    words = [sys.executable, "-m", "damontui", "report", record, "--format", "svg"]
    done = subprocess.run(words, capture_output=True, timeout=TIMEOUT, check=True)
    assert done.stdout.startswith(b"<?xml")
    assert done.stderr == b""


# -- of a target that is measured first ----------


def test_a_target_is_measured_first(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["demo:steady", "--seed", "1", "--speed", "max", "--style", "wss"]
    assert data(capsys, *words)["snapshots"] == 20
    assert data(capsys, *words, "--count", "7")["snapshots"] == 7
    found = data(capsys, *words, "--for", "30")
    assert found["ended"] - found["began"] >= 30
    assert found["origin"] == "simulated"
    assert "SIMULATED" in report(capsys, *words, "--count", "3")
    assert "nothing to report" in refused(capsys, 1, "demo", "--disabled")


def test_ctrl_c_ends_the_measuring_and_what_was_seen_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = [*FAKE, str(log), "report", "fake:steady", "--count", "100000", "--format", "json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(log, "iterating")
        wait_for(log, "gave 3")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert err == b""
    assert json.loads(out)["snapshots"] >= 3
    assert log.read_text().splitlines()[-1] == "left None"


_NUMBERS = st.sampled_from([0, 1, 4096, 20, 2**31, 2**47, 2**62, 2**63 - 1, -1, -(2**63)])
_TIMES = st.sampled_from([0.0, 1.0, 2.0, 1e9, 1e300, -1.0, float("nan"), float("inf")])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(_NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS), max_size=4),
    times=st.lists(_TIMES, min_size=3, max_size=3),
    aggr_us=st.sampled_from([5_000, 10**6, 2**62]),
    style=st.sampled_from(list(STYLES)),
    some=st.one_of(st.none(), st.floats()),
    count=st.one_of(st.none(), st.integers(-1, 1 << 63)),
    text=st.one_of(st.none(), st.text(max_size=40)),
    form=st.sampled_from(["text", "json", "svg"]),
    log=st.booleans(),
)
def test_whatever_a_record_says_it_is_a_report_or_a_sentence(
    rows: list[tuple[int, ...]],
    times: list[float],
    aggr_us: int,
    style: str,
    some: float | None,
    count: int | None,
    text: str | None,
    form: str,
    log: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "strange"
    attrs = Attrs(sample_us=5_000, aggr_us=aggr_us, goal=None)
    made = snapshot([row[:4] for row in rows], 1.0, attrs=attrs, target=[row[4] for row in rows])  # type: ignore[misc]
    told = Pressure(some=some, swap_in=some, swapped=count, killed=count, group=text, note=text)
    made = replace(made, time=times[0], began=times[1], wall=times[2], pressure=told)
    with np.errstate(all="ignore"), suppress(DamontuiError, ValueError, OverflowError, struct.error):
        files.write(table_of(description(), [made, replace(made, time=times[0] + 1)]), path, "damontui", force=True)
        words = ["report", str(path), "--style", style, "--format", form, *(["--doubling"] if log else [])]
        status = cli.main(words)
        out, err = capsys.readouterr()
        assert status in (0, 1)
        assert "fault of this program" not in err
        assert bool(out) == (status == 0)


@pytest.mark.parametrize("rule", ["estimate", "kernel"])
def test_what_idle_memory_includes_is_a_note(capsys: pytest.CaptureFixture[str], rule: str) -> None:
    """Of a trace of physical memory nothing tells what is free"""
    trace = str(DATA.parent / "kernel-7.2-steady" / "trace.txt")
    words = ("idle-percentiles", trace, "--sample", "5ms", "--aggr", "100ms", "--idle", rule)
    assert "What of this memory is free is not known here" in " ".join(report(capsys, *words).split())
    assert any("free memory looks idle" in note for note in data(capsys, *words)["notes"])
