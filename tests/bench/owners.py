"""What telling owners costs: a made-up machine of 1 TiB with 5,000 control groups, looked at ten times a second.

The clock is made up, the CPU time is real: a minute of the machine is over as soon as its 600 looks are. Files are of a
temporary folder, not of a kernel: reading ``memory.stat`` of a real group costs more, which the budget then allows
less often.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from damontui.analysis.owners import ownership
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Snapshot, ints
from damontui.kernel import pages
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root
from damontui.sources import owners
from damontui.sources.composition import Composition

PAGE = 4096
TIB = 1 << 40
_BLOCK = 1 << 20
_TABLE, _LARGEST = 1_000, 100
"""Frames that make a table, and the groups of it whose own numbers are waited for."""
_FILES = {
    "memory.current": "1048576\n",
    "memory.max": "max\n",
    "memory.high": "max\n",
    "memory.swap.current": "0\n",
    "memory.swap.max": "max\n",
    "memory.stat": "".join(f"key{number} {number}\n" for number in range(60)) + "inactive_file 4096\n",
    "cgroup.stat": "nr_descendants 0\nnr_dying_descendants 0\n",
}


def groups_below(mount: Path, slices: int, each: int) -> list[int]:
    """Make that many groups; their inode numbers."""
    found = []
    mount.mkdir(parents=True)
    (mount / "cgroup.controllers").write_text("memory\n")
    for outer in range(slices):
        for inner in range(-1, each):
            folder = mount / f"slice-{outer}.slice" / ("" if inner < 0 else f"unit-{inner}.service")
            folder.mkdir()
            for name, text in _FILES.items():
                (folder / name).write_text(text)
            found.append(folder.stat().st_ino)
    return found


def frames(folder: Path, count: int, inodes: list[int]) -> None:
    """Flags and groups of that many frames: anonymous, each block of frames of its own mixture of groups."""
    flags = np.full(_BLOCK, 1 << pages.LRU | 1 << pages.ANON, np.uint64)
    rng = np.random.default_rng(1)
    with (folder / "kpageflags").open("wb") as first, (folder / "kpagecgroup").open("wb") as second:
        for _ in range(max(1, count // _BLOCK)):
            flags[: min(count, _BLOCK)].tofile(first)
            # few groups have much and many have little
            rank = np.minimum(rng.zipf(1.2, min(count, _BLOCK)), len(inodes)) - 1
            np.array(inodes, np.uint64)[rank].tofile(second)


def run(smoke: bool) -> list[dict[str, Any]]:
    """One row a machine: what walking takes, what all of it took of the CPU time allowed, and what was found.

    The budget of ten seconds may be spent at once, so that a table is there soon: "later" is the second half.
    "first 100 s" and "all s" are when the hundred largest groups, and all that are told, had numbers from their files.
    """
    cases = [(1 << 30, 2, 9, 50)] if smoke else [(16 << 30, 10, 9, 600), (TIB, 10, 99, 1200), (TIB, 50, 99, 1200)]
    return [_case(*case) for case in cases]


def _case(memory: int, slices: int, each: int, looks: int) -> dict[str, Any]:
    # two files of 8 bytes a frame: in memory, where there is enough
    memory_file_system = Path("/dev/shm")
    room = shutil.disk_usage(memory_file_system).free if memory_file_system.is_dir() else 0
    place = memory_file_system if room > memory // PAGE * 16 * 2 else None
    folder = Path(tempfile.mkdtemp(prefix="damontui-bench-", dir=place))
    try:
        inodes = groups_below(folder / "sys/fs/cgroup", slices, each)
        (folder / "proc").mkdir()
        frames(folder / "proc", memory // PAGE, inodes)
        return {"memory GiB": memory >> 30, "groups": len(inodes)} | _measured(Root(folder), memory, looks)
    finally:
        shutil.rmtree(folder)


def _measured(root: Root, memory: int, looks: int) -> dict[str, Any]:
    began = READERS.thread_time()
    walked = len(Groups.find(root).walk().paths)
    walk = READERS.thread_time() - began
    now = [1000.0]
    snapshot = _snapshot(memory)
    composition = Composition(root, np.random.default_rng(1), clock=lambda: now[0])
    composition.open()
    spent, late = 0.0, (0.0, 0.0)
    first: dict[str, float | None] = {"largest": None, "all": None}
    found = snapshot
    for look in range(looks):
        before = READERS.thread_time()
        found = composition.of(snapshot)
        spent += READERS.thread_time() - before
        now[0] += 0.1
        if look == looks // 2:
            late = spent, now[0]
        if found.owners is not None and found.owners.drawn >= _TABLE:
            known = [group.current is not None for group in found.owners.groups]
            for name, part in (("largest", known[:_LARGEST]), ("all", known)):
                if first[name] is None and all(part):
                    first[name] = round(now[0] - 1000.0, 1)
    composition.close()
    before = READERS.thread_time()
    whose = ownership(found)
    told = READERS.thread_time() - before
    assert whose is not None
    assert found.owners is not None
    largest = whose.rows[0]
    return {
        "walk ms": round(walk * 1e3, 1),
        "walked": walked,
        "CPU %": round(spent / (looks * 0.1) * 100, 3),
        "later %": round((spent - late[0]) / (now[0] - late[1]) * 100, 3),
        "allowed %": round(owners.BUDGET * 100, 3),
        "said %": round(found.owners.cpu * 100, 3),
        "frames": whose.drawn,
        "rows": len(whose.rows),
        "small": found.owners.others,
        "with files": sum(group.current is not None for group in found.owners.groups),
        f"first {_LARGEST} s": first["largest"],
        "all s": first["all"],
        "largest ± %": round((largest.bytes.most - largest.bytes.least) / 2 / largest.bytes.bytes * 100, 1),
        "rows ms": round(told * 1e3, 1),
        "on": os.uname().machine,
    }


def _snapshot(memory: int, regions: int = 200) -> Snapshot:
    edges = np.linspace(0, memory // PAGE, regions + 1).astype(np.int64) * PAGE
    none = np.zeros(regions, np.int64)
    attrs = Attrs()
    return Snapshot(
        time=1.0,
        began=0.9,
        wall=0.0,
        attrs=attrs,
        start=edges[:-1],
        end=edges[1:],
        nr_accesses=none,
        age=ints(np.arange(regions) * 10),
        target=none.copy(),
        origin="kernel",
        next_attrs=attrs,
    )
