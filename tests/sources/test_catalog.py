"""What can be monitored: on made-up trees, on this machine's own /proc, and what is in the way of the rest."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.kernel.root import Root
from damontui.operations.scenes import SCENES
from damontui.sources.catalog import SECTIONS, Entry, ProcessFacts, as_tree, catalog, matching, offers
from damontui.sources.choose import choose
from damontui.sources.options import Options
from tests.fake_cgroups import FakeCgroups
from tests.fake_process import FakeProcess
from tests.output.test_doctor import tree

PROGRAM = "/opt/bin/damontui"
MODULE = "sys/module/damon_stat/parameters"
ADMIN = "sys/kernel/mm/damon/admin/kdamonds"
DATA = Path(__file__).parents[1] / "data"


def look(root: Root, folder: Path) -> dict[str, Entry]:
    nothing = folder / "nothing"
    nothing.mkdir(exist_ok=True)
    entries = [entry for entry in catalog(root, folder=nothing, program=PROGRAM) if entry.section != "real"]
    assert [entry.word for entry in entries] == list({entry.word: entry for entry in entries})
    return {entry.word: entry for entry in entries}


def process(folder: Path, pid: int, comm: str, *, pages: int = 0, threads: int = 1, ppid: int = 1) -> FakeProcess:
    made = FakeProcess(folder, pid, comm=comm, ppid=ppid)
    fields = f"S {ppid} 1 1 0 -1 4194304 {'0 ' * 10}{threads} 0 1000 0 {pages} 0"
    (made.folder / "stat").write_text(f"{pid} ({comm}) {fields}\n")
    return made


@pytest.mark.parametrize(
    ("kernel", "more", "detail"),
    [
        ("7.2", {}, "the kernel's own monitoring: on, kdamond 77"),
        (
            "7.2",
            {f"{MODULE}/enabled": "N\n", f"{MODULE}/kdamond_pid": "-1\n", "proc/77/comm": None},
            "the kernel's own monitoring: off",
        ),
        (
            "7.2",
            {
                f"{MODULE}/enabled": "N\n",
                f"{MODULE}/kdamond_pid": "-1\n",
                "sys/module/damon_reclaim/parameters/enabled": "Y\n",
                "sys/module/damon_reclaim/parameters/kdamond_pid": "77\n",
            },
            "off, and DAMON is held by DAMON_RECLAIM (kdamond 77)",
        ),
    ],
)
def test_damon_stat_says_its_state(tmp_path: Path, kernel: str, more: dict[str, str | None], detail: str) -> None:
    entry = look(tree(tmp_path, kernel, more), tmp_path)["stat"]
    assert entry.available
    assert entry.detail.startswith(detail)


def test_a_kernel_without_damon_stat_says_so(tmp_path: Path) -> None:
    entry = look(tree(tmp_path, "6.12"), tmp_path)["stat"]
    assert not entry.available
    assert "Linux 6.17" in entry.reason
    assert "CONFIG_DAMON_STAT=y" in entry.remedy


def test_a_module_that_only_root_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, "7.2")
    real = Root.read

    def refuse(self: Root, name: str) -> str:
        if name.endswith("damon_stat/parameters/enabled"):
            from damontui.kernel.root import KernelError

            raise KernelError(f"cannot read {self.path(name)}", PermissionError(13, "no"))
        return real(self, name)

    monkeypatch.setattr(Root, "read", refuse)
    monkeypatch.setattr(Root, "readable", lambda self, name: "damon_stat" not in name)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    entry = look(root, tmp_path)["stat"]
    assert entry.reason == "only root may read DAMON_STAT"
    assert entry.remedy == f"sudo {PROGRAM} stat"


def test_physical_memory_while_damon_stat_runs_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    entry = look(tree(tmp_path, "7.2"), tmp_path)["paddr"]
    assert entry.available
    assert "DAMON_STAT must be off meanwhile" in entry.detail


def test_physical_memory_needs_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    entry = look(tree(tmp_path, "6.12"), tmp_path)["paddr"]
    assert entry.reason == "only root may start a kdamond"
    assert f"sudo {PROGRAM}" in entry.remedy


def test_read_only_starts_no_kdamond_and_watches_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    tree(tmp_path, "7.2", {f"{MODULE}/kdamond_pid": "5\n"})
    found = look(Root(tmp_path, read_only=True), tmp_path)
    assert "read-only" in found["paddr"].reason
    assert "read-only" in found["kdamond:77"].reason
    assert found["stat"].available


def test_kdamonds_of_others_are_listed_with_their_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    more = {
        f"{ADMIN}/nr_kdamonds": "1\n",
        f"{ADMIN}/0/state": "on\n",
        f"{ADMIN}/0/pid": "88\n",
        "proc/88/comm": "kdamond.1\n",
        "proc/88/stat": "88 (kdamond.1) S 2 0 0 0 -1 2129984 0 0 0\n",
    }
    found = look(tree(tmp_path, "7.2", more), tmp_path)
    assert "kdamond:77" not in found  # DAMON_STAT's own has a line already
    assert found["kdamond:88"].available
    assert found["kdamond:88"].detail == f"of {tmp_path}/{ADMIN}/0"
    assert "wipe them" in found["paddr"].reason


def test_a_kdamond_of_our_own_is_no_kdamond_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    note = {"pid": os.getpid(), "started": 5, "kdamond": 77, "stat": False}
    more = {f"{MODULE}/enabled": "N\n", f"{MODULE}/kdamond_pid": "-1\n", "run/damontui.json": json.dumps(note)}
    assert "kdamond:77" not in look(tree(tmp_path, "7.2", more), tmp_path)
    (tmp_path / "run/damontui.json").write_text(json.dumps(note | {"pid": 1}))
    assert "kdamond:77" in look(Root(tmp_path), tmp_path)


def test_processes_are_sorted_by_resident_memory(tmp_path: Path) -> None:
    root = tree(tmp_path, "6.1")
    process(tmp_path, 10, "small", pages=10)
    process(tmp_path, 20, "large", pages=1_000, threads=7)
    process(tmp_path, 5, "also (small) one", pages=10)
    FakeProcess(tmp_path, 30, comm="kthread", kernel=True)
    process(tmp_path, 40, "zombie").state("Z")
    (tmp_path / "proc/50").mkdir()
    entries = [entry for entry in catalog(root, folder=tmp_path / "none") if entry.process is not None]
    assert [(e.name, e.word) for e in entries] == [("large", "20"), ("also (small) one", "5"), ("small", "10")]
    largest = entries[0].process
    assert largest is not None
    assert largest.rss == 1_000 * os.sysconf("SC_PAGE_SIZE")
    assert largest.threads == 7
    assert all(entry.available for entry in entries)


def test_a_process_that_cannot_be_watched_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, "6.1")
    process(tmp_path, 10, "alien", pages=9)
    (process(tmp_path, 20, "bare", pages=8).folder / "clear_refs").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: "clear_refs" not in str(path))
    found = look(root, tmp_path)
    alien = found["10"]
    assert alien.process is not None
    assert alien.reason == f"belongs to {alien.process.user}"
    assert alien.remedy == f"run: sudo {PROGRAM} 10"
    assert found["20"].reason == "it has no clear_refs"


def test_this_machines_own_processes() -> None:
    there = catalog(Root("/", read_only=True), folder="/nonexistent")
    found = {entry.word: entry for entry in there if entry.section != "real"}
    own = found[str(os.getpid())].process
    assert own is not None
    assert own.rss > 1 << 20
    assert own.threads >= 1
    assert own.ppid == os.getppid()
    rss = [entry.process.rss for entry in found.values() if entry.process is not None]
    assert rss == sorted(rss, reverse=True)


def test_scenes_with_their_sentence(tmp_path: Path) -> None:
    found = look(Root(tmp_path), tmp_path)
    assert {word: entry.detail for word, entry in found.items() if word.startswith("demo:")} == {
        f"demo:{name}": sentence for name, sentence in SCENES.items()
    }


def test_records_and_configurations_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    record = (json.dumps([{"kdamond_idx": 0}])).encode()
    contents = {
        "record.json": record,
        "1234": zlib.compress(record),
        "text": b"kdamond.0 123 [000] ..... 1.0: damon_aggregated: target_id=0",
        "good.cfg": (DATA / "masim/tiny.cfg").read_bytes(),
        "setup.cfg": b"[metadata]\nname = x\n",
        "package.json": b'[{"name": "x"}]',
        "notes.txt": b"about damon_ and kdamonds",
    }
    for number, (name, content) in enumerate(contents.items()):
        (folder / name).write_bytes(content)
        os.utime(folder / name, (1e9 - number, 1e9 - number))
    os.mkfifo(folder / "pipe.data")
    (folder / "sub.data").mkdir()
    found = [entry for entry in catalog(Root(tmp_path), folder=folder) if entry.section == "files"]
    assert [entry.name for entry in found] == ["record.json", "1234", "text", "good.cfg", "setup.cfg"]
    assert found[1].word == f"{folder}/1234"  # and not a process
    assert [entry.available for entry in found] == [True, True, True, True, False]
    assert found[-1].reason.startswith("no phases")


def test_words_of_files_here_are_no_other_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stat").write_text('[{"kdamond_idx": 0}]')
    (entry,) = [entry for entry in catalog(Root(tmp_path)) if entry.section == "files"]
    assert entry.word == "./stat"


def test_every_word_is_a_target(tmp_path: Path) -> None:
    root = tree(tmp_path, "7.2", {f"{MODULE}/kdamond_pid": "5\n"})
    process(tmp_path, 10, "one", pages=9)
    for entry in catalog(root, folder=DATA / "masim"):
        assert choose(entry.word, Options(rootfs=str(tmp_path))) is not None


def test_sections_come_in_order_and_the_same_each_time(tmp_path: Path) -> None:
    root = tree(tmp_path, "7.2", {f"{MODULE}/kdamond_pid": "5\n"})
    process(tmp_path, 10, "one", pages=9)
    FakeCgroups(tmp_path).add("/web", 1 << 20)
    entries = catalog(root, folder=DATA / "masim")
    assert list(dict.fromkeys(entry.section for entry in entries)) == list(SECTIONS)
    assert entries == catalog(root, folder=DATA / "masim")


def test_what_is_real_here_comes_first_and_is_what_doctor_says(tmp_path: Path) -> None:
    root = tree(tmp_path, "6.12")
    process(tmp_path, 10, "small", pages=9)
    process(tmp_path, 20, "large", pages=900)
    entries = catalog(root, folder=DATA / "masim")
    first = [entry for entry in entries if entry.section == "real"]
    assert first == list(entries[: len(first)])
    assert [(entry.word, entry.detail) for entry in first] == [(one.word, said) for one, said in offers(root)]
    assert (first[0].word, first[0].name) == ("20", "process 20")
    assert first[0].detail.startswith("large, ")


def test_an_empty_tree_has_reasons_and_scenes(tmp_path: Path) -> None:
    found = look(Root(tmp_path), tmp_path)
    assert not found["stat"].available
    assert not found["paddr"].available
    assert all(found[f"demo:{name}"].available for name in SCENES)


# -- order and search


def made(pid: int, ppid: int, name: str = "x", user: str = "me") -> Entry:
    return Entry("processes", str(pid), name, process=ProcessFacts(pid, ppid, user, 100 - pid, 1))


def test_children_are_indented_below_their_parents() -> None:
    machine, scene = Entry("machine", "stat", "DAMON_STAT"), Entry("scenes", "demo:steady", "steady")
    entries = (machine, made(1, 0), made(2, 3), made(3, 1), made(4, 1), made(5, 99), scene)
    assert [(entry.word, entry.depth) for entry in as_tree(entries)] == [
        ("stat", 0),
        ("1", 0),
        ("3", 1),
        ("2", 2),
        ("4", 1),
        ("5", 0),
        ("demo:steady", 0),
    ]


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 30)))
def test_no_process_is_lost_or_doubled_by_the_tree(parents: dict[int, int]) -> None:
    entries = [made(pid, ppid) for pid, ppid in parents.items()]
    ordered = as_tree(entries)
    assert sorted(entry.word for entry in ordered) == sorted(entry.word for entry in entries)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["1", "2", "demo:steady"]),
        ("FIRE", ["1"]),
        ("bob", ["2"]),
        ("fox alice", ["1"]),
        ("fox bob", []),
        ("hot core", ["demo:steady"]),
        ("2", ["2"]),
    ],
)
def test_filter(text: str, words: list[str]) -> None:
    entries = [
        made(1, 0, "firefox", "alice"),
        made(2, 0, "bash", "bob"),
        Entry("scenes", "demo:steady", "steady", "a hot core"),
    ]
    assert [entry.word for entry in matching(entries, text)] == words
