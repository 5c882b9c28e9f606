"""Several processes in one table: rows, what is printed of them, and that all share one budget."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from damontui.damon.snapshot import Snapshot
from damontui.errors import SourceError
from damontui.output import several as output
from damontui.sources.process import ProcessSource
from damontui.sources.several import cells, rows_of, several_of, time_of
from tests.fake_process import Area, FakeProcess

MIB = 1 << 20
HEAP = 0x5600_0000_0000


class Machine:
    """Three made-up processes and a clock."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.cpu = 0.0
        self.processes = [
            FakeProcess(folder, 12, [Area(HEAP, 8 * MIB, "[heap]", rss=8 * MIB, referenced=MIB)], comm="small"),
            FakeProcess(
                folder, 13, [Area(HEAP, 80 * MIB, "[heap]", rss=80 * MIB, referenced=40 * MIB)], comm="lar\x1bge"
            ),
            FakeProcess(
                folder, 14, [Area(HEAP, 90 * MIB, "/dev/shm/x", rss=90 * MIB, referenced=0, anonymous=0)], comm="idle"
            ),
        ]

    def wait(self, _: threading.Event, seconds: float) -> None:
        self.now += seconds

    def source(self, **options: object) -> ProcessSource:
        return ProcessSource(
            self.processes[0].root,
            (12, 13, 14),
            clock=lambda: self.now,
            wall=lambda: 1e9 + self.now,
            cpu_clock=lambda: self.cpu,
            wait=self.wait,
            **options,  # type: ignore[arg-type]
        )

    def look(self, source: ProcessSource, count: int) -> None:
        for event in source.snapshots(threading.Event()):
            if isinstance(event, Snapshot):
                count -= 1
                if not count:
                    return


def test_rows_by_working_set(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.source() as source:
        assert several_of(source) is source
        machine.look(source, 3)
        seconds = time_of(source.each)
        rows = rows_of(source.each, seconds)
    assert [row.pid for row in rows] == [13, 12, 14]
    assert [row.used.bytes / MIB for row in rows] == [40, 1, 0]
    assert [row.idle / MIB for row in rows] == [40, 7, 90]
    assert rows[2].kinds == (0, 0, 90 * MIB)
    assert cells(rows[2])[:6] == ("0 B", "90.0 MiB", "90.0 MiB", "–", "–", "90.0 MiB")
    assert 1.0 <= seconds <= 3.0


def test_each_is_a_snapshot_of_its_own_and_all_together_are_the_sum(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.source() as source:
        found = [
            e for _, e in zip(range(4), source.snapshots(threading.Event()), strict=False) if isinstance(e, Snapshot)
        ]
        each = source.each
    assert found[-1].targets == (12, 13, 14)
    assert [one.snapshot.targets for one in each] == [(12,), (13,), (14,)]
    assert sum(one.snapshot.total_bytes for one in each) == found[-1].total_bytes
    assert found[-1].measured is not None
    used = sum(int(one.snapshot.measured.used[:, -1].sum()) for one in each if one.snapshot.measured)
    assert used == int(found[-1].measured.used[:, -1].sum())


def test_processes_end_and_their_rows_with_them(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.source() as source:
        events = source.snapshots(threading.Event())
        while len(source.each) != 3:
            next(events)
        machine.processes[1].end()
        while len(source.each) != 2:
            next(events)
        assert [one.pid for one in source.each] == [12, 14]
        at = time.strftime("%H:%M:%S", time.localtime(1e9 + machine.now))
        assert [(one.pid, one.name, one.why) for one in source.missing] == [(13, "lar?ge", f"ended at {at}")]
        next(events)
        next(events)
        assert [one.why for one in source.missing] == [f"ended at {at}"]  # the time of its end stays
        text = output.summary(source.each, source.describe(), missing=source.missing)
        assert f"\n 13  lar?ge: ended at {at}\n" in text


def test_one_that_cannot_be_read_does_not_keep_the_others_away(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "proc/13/smaps").unlink()  # as where a kernel refuses
    with machine.source() as source:
        machine.look(source, 2)
        (missing,) = source.missing
        assert [one.pid for one in source.each] == [12, 14]
        assert (missing.pid, missing.name) == (13, "lar?ge")
        assert source.each[0].snapshot.note.startswith("process 13 is not watched: ")
        assert "13  lar?ge: " in output.summary(source.each, source.describe(), missing=source.missing)
    for pid in (12, 14):
        (tmp_path / f"proc/{pid}/smaps").unlink()
    with pytest.raises(SourceError, match="cannot watch process 12"):
        machine.source().__enter__()


def test_a_child_that_comes_is_told_of_only_for_as_long_as_it_was_watched(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.source(children=True) as source:
        events = (e for e in source.snapshots(threading.Event()) if isinstance(e, Snapshot))
        for _ in range(5):
            next(events)
        FakeProcess(tmp_path, 40, [Area(HEAP, MIB, "[heap]", rss=MIB, referenced=MIB)], ppid=12, comm="child")
        machine.processes[0].children([40])
        while len(source.each) != 4:
            next(events)
        (child,) = (one.snapshot for one in source.each if one.pid == 40)
    assert child.measured is not None
    assert child.watched is not None
    assert child.measured.seconds[-1] <= child.watched * 1.01 < 3.0
    assert time_of(source.each) < 3.0


def test_the_table_is_text_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.source() as source:
        machine.look(source, 3)
        text = output.summary(source.each, source.describe())
    lines = text.splitlines()
    assert lines[0].startswith("3 processes · ")
    assert "touched within" in lines[0]
    assert lines[2].split() == [
        *("PID", "in", "use", "idle", "in", "memory", "anon", "file", "shmem", "swapped", "huge", "held", "up", "name")
    ]
    assert [line.split()[0] for line in lines[3:6]] == ["13", "12", "14"]
    assert "\x1b" not in text
    assert all(len(line) <= 130 for line in lines)


def test_json_is_an_object_a_process_with_a_snapshots_keys(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.source() as source:
        machine.look(source, 2)
        values = [json.loads(line) for line in output.dump(source.each, "12,13,14")]
    assert [(value["pid"], value["targets"], value["target"]) for value in values] == [
        (12, [12], "12,13,14"),
        (13, [13], "12,13,14"),
        (14, [14], "12,13,14"),
    ]
    assert values[1]["total_bytes"] == 80 * MIB
    assert "\x1b" not in values[1]["name"]


def test_all_of_them_share_one_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from damontui.kernel.process_files import ProcessFolder

    machine = Machine(tmp_path)
    for name in ("clear_refs", "smaps", "rollup"):
        real = getattr(ProcessFolder, name)

        def costly(folder: ProcessFolder, real=real) -> object:  # type: ignore[no-untyped-def]
            machine.cpu += 0.01
            machine.now += 0.01
            return real(folder)

        monkeypatch.setattr(ProcessFolder, name, costly)
    with machine.source() as source:
        machine.look(source, 8)
        assert machine.cpu / machine.now <= 0.0205
        assert source.each[0].snapshot.attrs.aggr_us >= 1_400_000


def test_one_process_is_no_table(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert several_of(ProcessSource(machine.processes[0].root, (12,))) is None
    assert several_of(object()) is None
