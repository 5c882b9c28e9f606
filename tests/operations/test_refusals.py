"""Who may not be watched, in sentences."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from damontui.errors import SourceError
from damontui.kernel.root import KernelError, Root
from damontui.operations import refusals as module
from damontui.operations.refusals import identify, refusal
from tests.fake_process import FakeProcess


def test_who_cannot_be_watched(tmp_path: Path) -> None:
    FakeProcess(tmp_path, 2, comm="kthreadd", kernel=True)
    FakeProcess(tmp_path, 9, comm="done", state="Z", ppid=4)
    root = Root(tmp_path)
    with pytest.raises(
        SourceError, match=r"cannot watch process 2 \(kthreadd\): it is a thread of the kernel"
    ) as caught:
        identify(root, 2, "/usr/bin/damontui")
    assert "sudo /usr/bin/damontui stat" in caught.value.remedy
    with pytest.raises(SourceError, match=r"process 9 \(done\): it has ended and only waits for its parent, process 4"):
        identify(root, 9)
    with pytest.raises(SourceError, match="cannot watch process 4194309: there is no such process"):
        identify(Root("/"), 2**22 + 5)
    with pytest.raises(SourceError, match="there is no /proc below"):
        identify(Root(tmp_path / "nothing"), 77)


def refused(number: int, root: Root) -> SourceError:
    who = identify(root, 12)
    return refusal(root, who, KernelError("cannot write clear_refs", OSError(number, "no")), "/opt/damontui")


def test_a_process_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = FakeProcess(tmp_path, 12, comm="postgres").root
    monkeypatch.setattr(module.os, "geteuid", lambda: 12345)
    monkeypatch.setattr(module.files, "owner", lambda root, pid: "postgres")
    assert str(refused(errno.EACCES, root)) == (
        "cannot watch process 12 (postgres): it belongs to postgres; run: sudo /opt/damontui 12"
    )
    monkeypatch.setattr(module.files, "owner", lambda root, pid: "12345")
    assert "it is protected from its own user, too; run: sudo" in str(refused(errno.EACCES, root))


def test_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = FakeProcess(tmp_path, 12).root
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    assert "not even root may write clear_refs here (a container" in str(refused(errno.EACCES, root))
    assert "/proc is mounted read-only here" in str(refused(errno.EROFS, root))
