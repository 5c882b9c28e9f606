"""Recording what a monitor hands over."""

from __future__ import annotations

from pathlib import Path

import pytest

from damontui.damon.snapshot import Status
from damontui.errors import SourceError, UsageError
from damontui.recorder import Recorder, free_name
from damontui.records.own import Record
from tests import make


def test_every_snapshot_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.damontui"
    recorder = Recorder(path, make.description(), clock=iter([10.0, 75.0]).__next__)
    many = make.steady(5)
    for snapshot in many:
        recorder(snapshot)
    recorder(Status("off", "", 0.0, 0.0))
    assert recorder.count == 5
    assert recorder.seconds == 65.0
    with Record(path) as record:
        assert record.times == [s.time for s in many], "readable while it is written"
    recorder.close()
    recorder(many[0])
    recorder.close()
    with Record(path) as record:
        assert len(record) == 5


def test_it_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("precious")
    with pytest.raises(SourceError, match="there already"):
        Recorder(path, make.description())
    assert path.read_text() == "precious"


def test_a_full_disk_ends_it_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path / "a", make.description())

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("damontui.records.own.os.write", full)
    for snapshot in make.steady(2):
        recorder(snapshot)
    assert "no space left" in str(recorder.error)
    assert recorder.count == 0


def test_names_do_not_clash(tmp_path: Path) -> None:
    first = free_name(tmp_path, 1e9)
    first.touch()
    second = free_name(tmp_path, 1e9)
    assert first.suffix == second.suffix == ".damontui"
    assert second.name == f"{first.stem}-2.damontui"


def test_whatever_is_in_the_way_ends_the_recording_and_not_the_monitor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path / "a", make.description())

    def refuse(*_: object) -> None:
        raise UsageError("sampling interval: no")

    monkeypatch.setattr("damontui.records.own.RecordWriter.append", refuse)
    recorder(make.steady(1)[0])
    assert str(recorder.error) == "sampling interval: no"
