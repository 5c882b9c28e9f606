"""The measurements run, and say what they lack: no number is asserted here."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import pytest

from tests.bench import engine
from tests.bench.__main__ import BENCHES, main, measure
from tests.bench.test_accuracy import PRINTED


def test_a_short_run_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", "--smoke", "--json", str(tmp_path / "bench.json")]) == 0
    shown = capsys.readouterr().out
    rows = json.loads((tmp_path / "bench.json").read_text())["benches"]["engine"]
    assert [row["areas"] for row in rows] == [8, 64, 997, 8]
    for row in rows:
        assert row["ours us/tick"] > 0
        assert str(row["ours us/tick"]) in shown


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_c_finds_as_many_regions_as_we_do(tmp_path: Path) -> None:
    program = engine.compiled(str(tmp_path))
    assert isinstance(program, Path)
    memory = engine.areas(64)
    theirs, ours = engine.in_c(program, memory, 30, 60), engine.in_python(memory, 30, 60)
    assert ours["merged"] == pytest.approx(theirs["merged"], rel=0.1)
    assert ours["sampled"] == pytest.approx(theirs["sampled"], rel=0.1)


def test_no_compiler_is_a_row_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    rows = engine.run(smoke=True)
    assert all("no C compiler" in row["skipped"] and "times c" not in row for row in rows)


def test_a_failing_compiler_is_a_row_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho no such option >&2\nexit 1\n")
    compiler.chmod(0o700)
    monkeypatch.setattr(shutil, "which", lambda name: str(compiler))
    assert str(engine.compiled(str(tmp_path))).endswith("failed: no such option")


def test_a_bench_that_cannot_be_imported_is_a_fault_and_a_missing_package_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ModuleNotFoundError):
        measure("nothing", smoke=True)

    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'damo'", name="damo")

    monkeypatch.setattr(importlib, "import_module", missing)
    assert measure("records", smoke=True) == [{"skipped": "cannot be imported: No module named 'damo'"}]


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_can_be_imported(name: str) -> None:
    assert importlib.import_module(f"tests.bench.{name}").run


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["nothing"])
    assert refused.value.code == 2
    assert "'nothing' is no bench" in capsys.readouterr().err


def test_the_accuracy_bench_measures_all_readers_and_says_the_aims(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (printed := tmp_path / "printed").write_text(PRINTED)
    assert main(["accuracy", "--smoke", "--guests", str(printed)]) == 0
    shown = capsys.readouterr().out
    assert "kernel   damo   ours  held" in shown
    assert "tuned on, at least 10 regions: error, mean" in shown
    assert "F1 of memory idle for 60 s" in shown
    assert "655 (600 to 690)" in shown
    assert "64 MiB hot in 16 GiB, at least 100 regions" in shown
