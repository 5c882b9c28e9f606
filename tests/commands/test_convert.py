"""``damontui convert``: exact there and back, what is lost is named, nothing is overwritten unasked or half written."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest

from damontui import cli
from damontui.records import files
from tests import make

DATA = Path(__file__).parents[1] / "data" / "damo-vaddr"


@pytest.fixture
def damon(tmp_path: Path) -> Path:
    shutil.copy(DATA / "damon.data", tmp_path)
    return tmp_path / "damon.data"


def convert(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    status = cli.main(["convert", *map(str, words)])
    out, err = capsys.readouterr()
    assert out == ""
    assert all(line.startswith("damontui: ") for line in err.splitlines())
    return status, err


def test_there_and_back_through_every_format(damon: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain = [damon, *(tmp_path / name for name in ("a.damontui", "b.json", "c.DATA", "d.damontui"))]
    for one, other in itertools.pairwise(chain):
        assert convert(capsys, one, other) == (0, "")
        assert other.stat().st_mode & 0o777 == 0o600
    assert [files.sniff(path) for path in chain[1:]] == ["damontui", "json", "json-compressed", "damontui"]
    assert make.same_records(files.read(damon), files.read(chain[-1]))
    assert convert(capsys, damon, tmp_path / "e.trace") == (0, "")
    assert (tmp_path / "e.trace.kdamonds").exists()
    assert convert(capsys, tmp_path / "e.trace", tmp_path / "f.json")[0] == 0
    assert files.read(tmp_path / "f.json").start.tolist() == files.read(damon).start.tolist()
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]


def test_what_a_format_cannot_hold_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "a.damontui"
    assert cli.main(["record", "demo", "--seed", "1", "--speed", "max", "--for", "10s", "-o", str(own)]) == 0
    capsys.readouterr()
    status, said = convert(capsys, own, tmp_path / "b.data")
    assert status == 0
    for words in ("names of mappings", "truth of synthetic memory", "tuning step"):
        assert words in said


def test_a_name_without_a_format_needs_to(damon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("out", "out.xyz"):
        status, said = convert(capsys, damon, damon.with_name(name))
        assert status == 2
        assert "--to" in said
        assert "json-compressed" in said
    assert convert(capsys, damon, damon.with_name("out"), "--to", "trace")[0] == 0
    assert files.sniff(damon.with_name("out")) == "trace"
    status, said = convert(capsys, damon, damon.with_name("x"), "--to", "perf")
    assert status == 2
    assert "'perf'" in said


def test_nothing_is_overwritten_unasked(damon: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("mine")
    status, said = convert(capsys, damon, mine)
    assert (status, mine.read_text()) == (1, "mine")
    assert "--force" in said
    assert convert(capsys, damon, mine, "--force") == (0, "")
    assert len(files.read(mine)) == 38
    beside = tmp_path / "t.trace.kdamonds"
    beside.write_text("mine")
    status, said = convert(capsys, damon, tmp_path / "t.trace")
    assert (status, beside.read_text(), (tmp_path / "t.trace").exists()) == (1, "mine", False)
    assert convert(capsys, damon, damon, "--force")[0] == 2
    assert len(files.read(damon)) == 38


def test_what_is_there_stays_until_the_new_file_is_whole(
    damon: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("mine")

    def full(*_: object, **__: object) -> list[str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.damo, "write_json", full)
    status, said = convert(capsys, damon, mine, "--force")
    assert (status, mine.read_text()) == (1, "mine")
    assert f"cannot write {mine}: no space left on device" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damon.data", "mine.json"]


@pytest.mark.parametrize("kind", ["damontui", "json", "json-compressed", "trace"])
def test_a_full_disk_is_a_sentence(
    damon: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], small_disk: None
) -> None:
    status, said = convert(capsys, damon, tmp_path / "out", "--to", kind)
    assert status == 1
    assert "file too large" in said
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("words", [(), ("--force",)])
def test_only_files_are_read_and_written(
    damon: Path, tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, odd in (("/dev/full", "a device"), (tmp_path / "pipe", "a pipe"), (tmp_path, "a folder")):
        status, said = convert(capsys, damon, name, "--to", "json", *words)
        assert (status, f"it is {odd}, not a file" in said) == (1, True)
        status, said = convert(capsys, name, tmp_path / "out", "--to", "json", *words)
        assert (status, f"it is {odd}, not a file" in said) == (1, True)


def test_what_is_replaced_is_the_link_and_not_what_it_leads_to(
    damon: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link.json"
    victim.write_text("precious")
    victim.chmod(0o644)
    link.symlink_to(victim)
    assert convert(capsys, damon, link)[0] == 1
    assert convert(capsys, damon, link, "--force")[0] == 0
    assert victim.read_text() == "precious"
    assert victim.stat().st_mode & 0o777 == 0o644
    assert not link.is_symlink()
    assert link.stat().st_mode & 0o777 == 0o600


def test_intervals_for_a_record_that_has_none(damon: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.trace"
    assert convert(capsys, damon, old)[0] == 0
    (tmp_path / "old.trace.kdamonds").unlink()
    status, said = convert(capsys, old, tmp_path / "without.json")
    assert status == 0
    assert "--sample and --aggr" in said
    assert convert(capsys, old, tmp_path / "with.json", "--sample", "20ms", "--aggr", "400ms") == (0, "")
    assert files.read(tmp_path / "with.json").conditions[0].attrs.aggr_us == 400_000


@pytest.mark.parametrize("words", [["nothing.data", "out.json"], ["README", "out.json"]])
def test_no_record_is_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README").write_text("hello")
    status, said = convert(capsys, *words)
    assert status == 1
    assert said.count("\n") == 1
    assert not Path("out.json").exists()
