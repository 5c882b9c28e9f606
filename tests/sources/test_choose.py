"""Which source a word means, and why."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from damontui.errors import SourceError, UsageError
from damontui.sources.choose import NAME, TARGET_KINDS, auto_reason, choose, is_record, kind_of
from damontui.sources.damon_stat import DamonStatSource
from damontui.sources.engine import EngineSource
from damontui.sources.options import Options
from damontui.sources.own_kdamond import OwnKdamond
from damontui.sources.process import ProcessSource
from damontui.sources.replay import ReplaySource
from tests.output.test_doctor import tree as made_up
from tests.sources.test_catalog import process


def tree(folder: Path, *files: str) -> Path:
    for name in (*files, "proc/sys/kernel/osrelease"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("6.12.1-test\n" if "osrelease" in name else "Y\n")
    return folder


STAT = "sys/module/damon_stat/parameters/enabled"
ADMIN = "sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds"


def options(folder: Path) -> Options:
    return Options(rootfs=str(folder), read_only=True, program="/opt/bin/damontui")


def test_auto_is_damon_stat_where_it_can_be_read(tmp_path: Path) -> None:
    source = choose("auto", options(tree(tmp_path, STAT)))
    assert isinstance(source, DamonStatSource)
    assert source.describe().reason == ""


def test_auto_without_rights_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as root would be allowed everything
    asked = replace(options(tree(tmp_path, STAT)), scene=True)
    source = choose("auto", asked)
    assert isinstance(source, EngineSource)
    reason = source.describe().reason
    assert "synthetic" in reason
    assert "sudo /opt/bin/damontui" in reason


@pytest.mark.parametrize(
    ("kernel", "parts"),
    [
        ("6.1", ["this kernel has no DAMON_STAT", "20 (python3, 1.95 GiB)", "demo (synthetic memory, only"]),
        ("6.12", ["this kernel has no DAMON_STAT", "20 (python3, 1.95 GiB)", "paddr (the whole machine"]),
    ],
)
def test_without_a_screen_nothing_is_made_up(
    kernel: str, parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    root = made_up(tmp_path, kernel)
    process(tmp_path, 10, "small", pages=10)
    process(tmp_path, 20, "python3", pages=512_000)
    with pytest.raises(SourceError) as refused:
        choose("auto", Options(rootfs=str(root.folder), program="/opt/bin/damontui"))
    for part in (*parts, "all there is: /opt/bin/damontui doctor"):
        assert part in str(refused.value)
    assert "stat (" not in str(refused.value)


def test_what_only_root_may_read_names_the_command_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = made_up(tmp_path, "7.2")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as root would be allowed everything
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SourceError) as refused:
        choose("auto", Options(rootfs=str(root.folder), program="/opt/bin/damontui"))
    assert "only root may read DAMON_STAT; run: sudo /opt/bin/damontui stat; or name a target" in str(refused.value)


def test_auto_says_what_the_kernel_has(tmp_path: Path) -> None:
    reason = auto_reason(options(tree(tmp_path, ADMIN)))
    assert "Linux 6.12.1-test has DAMON but no DAMON_STAT (6.17 and later, where built in)" in reason
    assert "paddr" not in reason  # which may not be possible; the screen opens with what is
    (tmp_path / "bare").mkdir()
    assert "Linux 6.12.1-test has no DAMON" in auto_reason(options(tree(tmp_path / "bare")))
    (tmp_path / "void").mkdir()
    assert "Linux has no DAMON" in auto_reason(options(tmp_path / "void"))


def test_auto_writes_nothing(tmp_path: Path) -> None:
    folder = tree(tmp_path, STAT, ADMIN)
    before = {path: (path.stat().st_mtime_ns, path.is_dir() or path.read_text()) for path in folder.rglob("*")}
    choose("auto", options(folder)).describe()
    with pytest.raises(SourceError):
        choose("auto", options(tmp_path / "nothing"))
    after = {path: (path.stat().st_mtime_ns, path.is_dir() or path.read_text()) for path in folder.rglob("*")}
    assert before == after


def test_words(tmp_path: Path) -> None:
    assert isinstance(choose("stat", options(tmp_path)), DamonStatSource)
    demo = choose("demo:steady", options(tmp_path)).describe()
    assert (demo.target, demo.origin, demo.reason) == ("demo:steady", "simulated", "")
    assert choose("demo", options(tmp_path)).describe().target == "demo:steady"
    record = tmp_path / "record"
    record.write_text("")
    assert isinstance(choose(str(record), options(tmp_path)), ReplaySource)


def test_a_word_is_of_the_first_kind_that_it_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in ("demo", "stat", "1234", "load.cfg", "night.damontui", "kdamond:1"):
        (tmp_path / word).write_text("")
    words = ("demo", "stat", "1234", "load.cfg", "kdamond:1", "auto", "-", "postgres", "night.damontui", "./demo")
    forms = [None if (kind := kind_of(word)) is None else kind.form for word in words]
    assert forms == ["demo[:SCENE]", "stat", "PID[,PID…]", "FILE.cfg", "kdamond:PID", "auto", "-", NAME, "FILE", "FILE"]
    assert [word for word in words if is_record(word)] == ["night.damontui", "./demo"]
    assert kind_of("no/such/file") is None
    assert not is_record("no/such/file")


def test_paddr_and_processes(tmp_path: Path) -> None:
    source = choose("paddr", options(tmp_path))
    assert isinstance(source, OwnKdamond)
    assert source.describe().target == "paddr"
    source = choose("12,34", options(tmp_path))
    assert isinstance(source, ProcessSource)
    assert (source.describe().target, source.describe().origin) == ("12,34", "process")
    with pytest.raises(UsageError, match="PID"):
        choose("12,,34", options(tmp_path))


def test_a_broken_masim_file_is_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "broken.cfg"
    path.write_text("nothing of the kind")
    with pytest.raises(UsageError, match=re.escape(str(path))):
        choose(str(path), options(tmp_path))
    good = Path(__file__).parents[1] / "data/masim/tiny.cfg"
    assert choose(str(good), options(tmp_path)).describe().origin == "simulated"


@pytest.mark.parametrize("word", ["", "nonsense", "Stat", "demo ", "-1", "kdamond", "\0"])
def test_an_unknown_word_lists_the_known_ones(word: str) -> None:
    with pytest.raises(UsageError) as error:
        choose(word, Options(rootfs="/nonexistent"))
    assert all(kind.form in str(error.value) for kind in TARGET_KINDS)


def test_fixed_attributes_are_not_silently_ignored() -> None:
    with pytest.raises(UsageError, match="--aggr: DAMON_STAT"):
        choose("stat", Options(insisted=("--aggr",)))


@pytest.mark.parametrize("word", ["auto", "stat"])
def test_the_budget_for_page_frames_is_no_attribute_of_damon(tmp_path: Path, word: str) -> None:
    given = replace(options(tree(tmp_path, STAT)), frames_budget=0.03)
    source = choose(word, given)
    assert isinstance(source, DamonStatSource)
    assert source._composition._owners_budget == 0.03


def test_disabled_and_seed_reach_the_engine(tmp_path: Path) -> None:
    source = choose("demo", Options(rootfs=str(tmp_path), enabled=False, seed=3, speed=60))
    assert source.enabled is False
    assert source.describe().speed == 60


@pytest.mark.parametrize("word", ["stat", "kdamond:1", __file__])
def test_what_has_no_switch_of_ours_cannot_start_switched_off(word: str) -> None:
    with pytest.raises(UsageError, match=r"--disabled: .*; leave it out"):
        choose(word, Options(disabled=True, enabled=False))
