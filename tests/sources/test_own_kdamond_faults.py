"""Every file that a kdamond of our own needs, failing in turn: a sentence or a snapshot, and nothing left behind."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Event, Snapshot
from damontui.errors import SourceError
from damontui.kernel import handback
from damontui.sources.own_kdamond import OwnKdamond, physical_memory
from tests.fake_kernel import TRACING, Stop
from tests.fake_sysfs import FakeSysfs
from tests.sources.test_own_kdamond import Inline, aggregate, as_found

FAULTS = {"missing": errno.ENOENT, "unreadable": errno.EACCES, "busy": errno.EBUSY, "refused": errno.EINVAL,
          "broken": errno.EIO, "empty": "", "garbage": "\x00garbage"}  # fmt: skip
INSTANCE = "instances/damontui"


def source(kernel: FakeSysfs) -> OwnKdamond:
    return physical_memory(
        kernel.root, Attrs(), target="paddr", take=True, clock=kernel.clock, wall=kernel.wall, pause=kernel.advance,
        program="/opt/damontui", reader=Inline,
    )  # fmt: skip


def run(kernel: FakeSysfs, seconds: float = 1.2) -> list[Event]:
    stop = Stop(kernel)
    with source(kernel) as entered:
        kernel.at(kernel.now + seconds, stop.set)
        return list(entered.snapshots(stop))


def make(folder: Path, tracing: bool) -> FakeSysfs:
    (folder / "run").mkdir(parents=True)
    kernel = FakeSysfs(folder)
    kernel.start()
    aggregate(kernel, 0.1, 6)
    if not tracing:
        kernel.remove(TRACING)
    return kernel


def names(folder: Path, tracing: bool) -> tuple[list[str], list[str]]:
    """The files that a run reads and those that it writes, as endings that name them."""
    kernel = make(folder, tracing)
    read: set[str] = set()
    original = type(kernel.root).read

    def spy(root: object, name: str) -> str:
        read.add(name)
        return original(root, name)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(kernel.root), "read", spy)
        assert any(isinstance(e, Snapshot) for e in run(kernel))
    wrote = {name for name, _ in kernel.root.writes}
    # our own PID and the kdamond's are other ones in the next run
    return (
        sorted({n for n in read if "/proc/" not in f"/{n}" and INSTANCE not in n} | {"/comm", "/stat", "/schedstat"}),
        sorted({n if INSTANCE not in n else n.partition("damontui-")[2].partition("/")[2] for n in wrote}),
    )


EVERYWHERE = [(fault, True) for fault in FAULTS] + [(fault, False) for fault in ("missing", "busy", "garbage")]


@pytest.mark.parametrize(("fault", "tracing"), EVERYWHERE)
def test_reading(fault: str, tracing: bool, tmp_path: Path) -> None:
    for number, name in enumerate(names(tmp_path / "first", tracing)[0]):
        kernel = make(tmp_path / str(number), tracing)
        before = as_found(kernel)
        kernel.at(kernel.now + 10.0, kernel.root.faults.clear)
        kernel.root.faults[name] = FAULTS[fault]
        check(kernel, before, name)


@pytest.mark.parametrize("tracing", [True, False], ids=["tracefs", "sysfs-only"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EBUSY, errno.EINVAL])
def test_writing(number: int, tracing: bool, tmp_path: Path) -> None:
    for index, name in enumerate(names(tmp_path / "first", tracing)[1]):
        kernel = make(tmp_path / str(index), tracing)
        before = as_found(kernel)
        kernel.root.write_faults[name] = number
        # it fails for a while: what must be given back is tried again, not for ever
        kernel.at(kernel.now + 3.5, kernel.root.write_faults.clear)
        check(kernel, before, name)


def check(kernel: FakeSysfs, before: object, name: str) -> None:
    try:
        found = run(kernel)
    except SourceError as error:
        said = str(error)
    else:
        said = ""
        assert found, name
    assert "\n" not in said, name
    kernel.root.faults.clear()
    kernel.root.write_faults.clear()
    after = as_found(kernel)
    if after != before:
        # what could not be given back is written down, and the next run does it
        assert (kernel.folder / handback.NOTE).exists(), (name, before, after, said)
