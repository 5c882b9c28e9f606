"""What comes into a session is written down, from one wish to the next."""

from __future__ import annotations

from pathlib import Path

from damontui.records.own import Record
from tests import make
from tests.tui import fed


def test_what_comes_in_is_recorded_until_it_is_ended(tmp_path: Path) -> None:
    session = fed.begun()
    snapshots = make.steady(6)
    fed.hear(session, snapshots[0])
    session.recording.begin(tmp_path)
    fed.hear(session, *snapshots[1:5])
    recorder = session.recording.end()
    fed.hear(session, snapshots[5])
    assert recorder is not None
    with Record(recorder.path) as record:
        assert record.times == [2, 3, 4, 5]
    assert session.recording.end() is None


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    session = fed.begun()
    session.recording.begin(tmp_path / "none")
    assert session.recording.recorder is None
    assert "no such file" in str(session.messages.notice)
