"""What is asked on a terminal before there is a screen."""

from __future__ import annotations

import io
import sys

import pytest

from damontui.commands.ask import may_hold_up
from damontui.kernel.process_files import Stat
from damontui.operations.refusals import HoldsUp


@pytest.mark.parametrize(
    ("answer", "may"),
    [
        ("y\n", True),
        ("YES\n", True),
        ("n\n", False),
        ("\n", False),
        ("", False),
        ("yesterday\n", False),
        ("q\n", False),
    ],
)
def test_a_long_pause_needs_a_yes(
    answer: str, may: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    error = HoldsUp(Stat(7, "db", "S", 1, False, 1), 9 << 30, 0.09, 0.02)
    assert may_hold_up(error) is may
    said = capsys.readouterr()
    assert said.out == ""
    assert "process 7 (db)" in said.err
    assert "90.0 ms" in said.err
    assert said.err.endswith("(y/N) ")
