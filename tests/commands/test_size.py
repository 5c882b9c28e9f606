"""``damontui size``: the sentence, the table and JSON say the same; refusals are one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from damontui import cli
from damontui.records import files
from damontui.records.table import table_of
from tests.make import MIB, description, steady

STILL = """\
#regions
hot, 314572800
warm, 104857600
cold, 1048576000

#phases
wait
39000
hot, 1, 4096, 100

use
1000
hot, 1, 4096, 50
warm, 1, 4096, 50
"""


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> tuple[str, str]:
    assert cli.main(["size", *words]) == status
    found = capsys.readouterr()
    return found.out, found.err


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> str:
    """300 MiB always in use, 100 MiB used for a second once in 40 s, 1,000 MiB never."""
    path = tmp_path_factory.mktemp("load") / "drift.cfg"
    path.write_text(STILL)
    return str(path)


def test_a_file_that_is_called_as_another_target_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_text("no record")
    out, _ = said(capsys, "demo", "--speed", "max", "--seed", "1", "--for", "1m", "--json")
    assert json.loads(out)["target"] == "demo:steady"


def test_a_load_of_known_truth(capsys: pytest.CaptureFixture[str], load: str) -> None:
    out, err = said(capsys, load, "--speed", "max", "--seed", "1", "--for", "8m", "--aggr", "200ms", "--json")
    assert err == ""
    found = json.loads(out)
    rows = {row["seconds"]: row for row in found["curve"]}
    for seconds in (5, 10, 30):
        back = rows[seconds]["back_bytes_per_min"]
        assert back["least"] <= 150 * MIB <= back["most"]
        assert 0.75 * 150 * MIB <= back["bytes"] <= 1.35 * 150 * MIB
        assert not rows[seconds]["may_keep_the_line"]
    # most of what is idle for a minute stays so: a twentieth of the memory that comes back every 40 s, or less
    assert rows[60]["back_bytes_per_min"]["bytes"] <= 0.1 * 150 * MIB
    assert 0.95 * 400 * MIB <= rows[60]["size"]["bytes"] <= 1.15 * 400 * MIB
    answer = found["answer"]
    assert answer["seconds"] >= 60
    assert answer["memory_high"] % MIB == 0
    assert answer["memory_high"] >= answer["size"]["most"]
    assert answer["pod_request"] == f"{answer['memory_high'] // MIB}Mi"
    assert found["sentence"].startswith("could run in ")


def test_text_says_the_same(capsys: pytest.CaptureFixture[str], load: str) -> None:
    words = (load, "--speed", "max", "--seed", "1", "--for", "3m", "--aggr", "200ms")
    found = json.loads(said(capsys, *words, "--json")[0])
    text = said(capsys, *words)[0]
    assert found["sentence"] in " ".join(text.split("\n\n")[0].split())
    assert str(found["answer"]["memory_high"]) in text
    assert all(len(line) <= 80 for line in text.splitlines()), text
    assert sum(line.endswith(" *") for line in text.splitlines()) == 1


def test_a_record_is_taken_as_a_whole(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "night.damontui"
    files.write(table_of(description(), steady(240)), path, "damontui")
    found = json.loads(said(capsys, str(path), "--json")[0])
    assert found["watched_s"] == pytest.approx(240, abs=2)
    assert found["answer"] is not None
    out, err = said(capsys, str(path), "--for", "5m", status=2)
    assert out == ""
    assert "--for: a record is taken as a whole" in err


def test_too_short_a_time_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, "demo", "--speed", "max", "--seed", "1", "--for", "500ms")
    assert "it cannot be said yet" in " ".join(out.split())
    found = json.loads(said(capsys, "demo", "--speed", "max", "--seed", "1", "--for", "500ms", "--json")[0])
    assert found["answer"] is None


def test_what_is_switched_off_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "demo", "--disabled", "--speed", "max", status=1)
    assert out == ""
    assert err.count("\n") == 1
    assert "cannot tell how small" in err
