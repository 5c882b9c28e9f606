"""Processes by name: one is taken, several are listed, and what else a word may be goes first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from damontui.errors import SourceError, UsageError
from damontui.kernel.root import Root
from damontui.sources.choose import choose, pids_named, resolve_name
from damontui.sources.names import SeveralProcesses, is_name, pids_of
from damontui.sources.options import Options
from damontui.sources.process import ProcessSource
from tests.fake_process import FakeProcess
from tests.sources.test_catalog import process


def running(folder: Path, pid: int, comm: str, *words: str, ppid: int = 1, pages: int = 1) -> FakeProcess:
    made = process(folder, pid, comm, ppid=ppid, pages=pages)
    (made.folder / "cmdline").write_text("\0".join(words) + "\0" if words else "")
    return made


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    running(tmp_path, 10, "postgres", "/usr/lib/postgresql/16/bin/postgres", "-D", "/var/lib", pages=100)
    running(tmp_path, 11, "postgres", "postgres: checkpointer", ppid=10, pages=5)
    running(tmp_path, 12, "postgres", "postgres: writer", ppid=10, pages=900)
    running(tmp_path, 20, "redis-server", "/usr/bin/redis-server *:6379")
    running(tmp_path, 30, "MainThread", "/opt/app/backend", "--serve")
    running(tmp_path, 40, "a-name-that-is-")
    FakeProcess(tmp_path, 50, comm="redis-server", kernel=True)
    running(tmp_path, 60, "redis-server").state("Z")
    (tmp_path / "proc/70").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "pids"), [("redis-server", (20,)), ("backend", (30,)), ("a-name-that-is-too-long", (40,))]
)
def test_one_match_is_taken(machine: Path, name: str, pids: tuple[int, ...]) -> None:
    assert pids_of(Root(machine), name) == pids
    source = choose(name, Options(rootfs=str(machine), via="proc"))
    assert isinstance(source, ProcessSource)
    assert source.describe().target == str(pids[0])


def test_several_are_told_with_the_largest_first(machine: Path) -> None:
    with pytest.raises(SeveralProcesses, match=r"3 processes are called 'postgres': .* all of them: 12,10,11") as error:
        pids_of(Root(machine), "postgres")
    assert [one.pid for one in error.value.found] == [12, 10, 11]
    assert error.value.found[1].command == "/usr/lib/postgresql/16/bin/postgres -D /var/lib"
    assert error.value.status == 2


def test_with_children_the_upper_ones_are_taken(machine: Path) -> None:
    assert pids_of(Root(machine), "postgres", children=True) == (10,)
    running(machine, 80, "postgres", pages=1_000)
    assert resolve_name("postgres", Options(rootfs=str(machine), children=True)) == "80,10"


def test_what_begins_so_is_told_and_not_taken(machine: Path) -> None:
    with pytest.raises(SeveralProcesses, match=r"no process is called 'Redis'; these .*: redis-server"):
        pids_of(Root(machine), "Redis")
    with pytest.raises(SourceError, match="no process is called 'nginx'"):
        pids_of(Root(machine), "nginx")


def test_this_program_is_no_match(machine: Path) -> None:
    running(machine, os.getpid(), "redis-server")
    assert pids_of(Root(machine), "redis-server") == (20,)


def test_other_meanings_go_first(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid, comm in ((90, "stat"), (91, "demo"), (92, "record"), (93, "1234"), (94, "snapshot")):
        running(machine, pid, comm)
    options = Options(rootfs=str(machine))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "record").write_text("")
    for word in ("stat", "demo", "record", "1234"):
        assert resolve_name(word, options) == word
        assert pids_named(word, options) != word
    assert resolve_name("snapshot", options) == "94"


def test_a_word_that_no_process_can_be_called_is_not_looked_for() -> None:
    assert not any(is_name(word) for word in ("", " a", "./a", "-p", "a\n", "a/b", ":", ",1"))
    with pytest.raises(UsageError, match="there is no file"):
        choose("./redis-server", Options())


def test_parents_that_are_each_others_do_not_loop(tmp_path: Path) -> None:
    running(tmp_path, 10, "other", ppid=11)
    running(tmp_path, 11, "other", ppid=10)
    running(tmp_path, 12, "mine", ppid=10)
    assert pids_of(Root(tmp_path), "mine", children=True) == (12,)
