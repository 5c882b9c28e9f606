"""New files are ours alone, links lead nowhere, and what is there stays whole until it is replaced at once."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from damontui import files
from damontui.errors import SourceError, UsageError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_is_its_owners_and_has_its_name_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with files.whole(path) as file:
        file.write(b"x")
        assert not path.exists()
    assert path.read_bytes() == b"x"
    assert mode(path) == 0o600
    assert os.listdir(tmp_path) == ["new"]


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    with pytest.raises(SourceError, match="there already; use another name, or --force"), files.whole(path):
        raise AssertionError("entered")
    with pytest.raises(SourceError, match="there already"):
        files.begin(path)
    with suppress(ZeroDivisionError), files.whole(path, force=True) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["old"]


def test_what_came_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with pytest.raises(SourceError, match="there already"), files.whole(path):
        path.write_text("another's")
    assert path.read_text() == "another's"
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("where", ["victim", "nowhere"])
def test_no_link_is_written_through(tmp_path: Path, where: str) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("precious")
    victim.chmod(0o644)
    link.symlink_to(tmp_path / where)
    for attempt in (lambda: files.begin(link), lambda: files.append(link)):
        with pytest.raises(SourceError, match=r"there already|symbolic link"):
            attempt()
    with pytest.raises(SourceError, match="there already"), files.whole(link):
        pass
    with files.whole(link, force=True) as file:
        file.write(b"new")
    assert not link.is_symlink()
    link.unlink()
    link.symlink_to(tmp_path / where)
    os.close(files.begin(link, force=True))
    assert not link.is_symlink()
    assert victim.read_text() == "precious"
    assert mode(victim) == 0o644
    assert not (tmp_path / "nowhere").exists()


def test_a_replaced_file_keeps_no_rights_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    path.chmod(0o666)
    hard = tmp_path / "hard"
    os.link(path, hard)
    descriptor = files.begin(path, force=True)
    os.write(descriptor, b"new")
    os.close(descriptor)
    assert (path.read_text(), hard.read_text()) == ("new", "old")
    assert (mode(path), mode(hard)) == (0o600, 0o666)


def test_only_files_are_read_and_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as heard:
        heard.bind(str(tmp_path / "socket"))
    os.mkdir(tmp_path / "folder")
    for name in ("pipe", "socket", "folder"):
        path = tmp_path / name
        with pytest.raises(SourceError, match="not a file"):
            files.open_file(path)
        for attempt in (lambda p=path: files.append(p), lambda p=path: files.begin(p, force=True)):
            with pytest.raises(SourceError, match=r"not a file|is a directory"):
                attempt()
    for path in (Path("/dev/null"), Path("/dev/tty"), Path("/dev/full")):
        with pytest.raises(SourceError):
            files.open_file(path)
        with pytest.raises(SourceError, match="not a file"):
            files.refuse_there(path, force=True)
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe", "socket"]


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, ".."])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for attempt in (lambda: files.open_file(path), lambda: files.begin(path), lambda: files.append(path)):
        with pytest.raises(SourceError, match="cannot"):
            attempt()


def test_root_goes_through_no_link_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    real = os.lstat

    def lstat(path: object, **options: object) -> os.stat_result:
        found = real(path, **options)  # type: ignore[arg-type, call-overload]
        return os.stat_result((*found[:4], 1234, *found[5:])) if str(path) == str(link) else found

    monkeypatch.setattr(os, "lstat", lstat)
    with pytest.raises(SourceError, match="link of user 1234, and root follows none"):
        files.begin(link / "new")
    monkeypatch.setenv("SUDO_UID", "1234")
    os.close(files.begin(link / "new"))
    assert os.listdir(tmp_path / "real") == ["new"]


def test_without_hard_links_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*words: object, **options: object) -> None:
        raise PermissionError(1, "no")

    monkeypatch.setattr(os, "link", link)
    with files.whole(tmp_path / "new") as file:
        file.write(b"x")
    assert (tmp_path / "new").read_bytes() == b"x"
    with pytest.raises(SourceError, match="there already"), files.whole(tmp_path / "new"):
        pass
    assert os.listdir(tmp_path) == ["new"]


def test_the_file_that_is_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "same"
    path.write_text("x")
    with pytest.raises(UsageError, match="this is the file that is read"):
        files.refuse_there(path, force=True, source=path)


def test_free_names_are_free_of_dangling_links(tmp_path: Path) -> None:
    assert files.free_path(tmp_path, "a", ".svg").name == "a.svg"
    (tmp_path / "a.svg").symlink_to("nowhere")
    assert files.free_path(tmp_path, "a", ".svg").name == "a-2.svg"


def test_small_files_only(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 3000)
    assert len(files.read_small(tmp_path / "large", 3000)) == 3000
    with pytest.raises(SourceError, match="more than 2 KiB"):
        files.read_small(tmp_path / "large", 2999)
