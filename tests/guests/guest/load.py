"""A load with a known truth: anonymous areas, each touched as a whole once per period, or never again.

An emulated processor keeps a translation, accessed bit included, until its TLB is flushed, and the kernel clears
accessed bits without flushing. So each round drops the pages of a scratch area: that makes the kernel flush, and
the next touch is seen again.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

PAGE = mmap.PAGESIZE
MIB = 1 << 20
_SCRATCH = 64 * PAGE  # over 33 pages the kernel flushes everything instead of page by page


@dataclass(frozen=True)
class Area:
    """``size`` bytes, touched every ``period`` seconds; 0: only at the start."""

    name: str
    size: int
    period: float
    begins: float = 0.0
    """Seconds after the start from which on it is touched so."""
    ends: float = float("inf")
    """… and up to which."""


class Load:
    """The load in a process of its own; a context manager.

    Args:
        areas: what it touches.
        folder: for its files.
        parent: whether the process that touches them is the child of another, which only waits.

    Attributes:
        pid: its process, or its parent.
        worker: its process.
        addresses: where each area starts in it.
    """

    def __init__(self, areas: list[Area], folder: Path, *, parent: bool = False) -> None:
        self.areas = {area.name: area for area in areas}
        self.addresses: dict[str, int] = {}
        self.pid = self.worker = 0
        self._folder = folder
        self._parent = parent

    def __enter__(self) -> Self:
        (self._folder / "touches").unlink(missing_ok=True)
        ready = self._folder / "areas"
        ready.unlink(missing_ok=True)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                if self._parent and (child := os.fork()):
                    os.waitpid(child, 0)
                else:
                    _work(list(self.areas.values()), self._folder)
            finally:
                os._exit(1)
        until = time.monotonic() + 60
        while not ready.exists():
            assert time.monotonic() < until, "the load does not start"
            time.sleep(0.05)
        found = json.loads(ready.read_text())
        self.worker, self.addresses = found["pid"], found["addresses"]
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (self.worker, self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        os.waitpid(self.pid, 0)

    def touches(self) -> dict[str, list[float]]:
        """When each area was touched (CLOCK_MONOTONIC, the end of each round over it)."""
        found: dict[str, list[float]] = {name: [] for name in self.areas}
        for line in (self._folder / "touches").read_text().splitlines():
            name, _, when = line.partition(" ")
            if when.endswith("."):  # a line that is being written has no full stop yet
                found[name].append(float(when[:-1]))
        return found

    def virtual(self, name: str) -> list[tuple[int, int]]:
        """The range of addresses that an area has in its process."""
        return [(self.addresses[name], self.addresses[name] + self.areas[name].size)]

    def physical(self, name: str) -> list[tuple[int, int]]:
        """The ranges of physical bytes that an area lies in now, in order."""
        area = self.areas[name]
        with open(f"/proc/{self.worker}/pagemap", "rb") as file:
            file.seek(self.addresses[name] // PAGE * 8)
            entries = array("Q", file.read(area.size // PAGE * 8))
        frames = sorted(entry & ((1 << 55) - 1) for entry in entries if entry >> 63)
        ranges: list[tuple[int, int]] = []
        begin = previous = -2
        for frame in frames:
            if frame != previous + 1:
                if begin >= 0:
                    ranges.append((begin * PAGE, (previous + 1) * PAGE))
                begin = frame
            previous = frame
        if begin >= 0:
            ranges.append((begin * PAGE, (previous + 1) * PAGE))
        return ranges


def _work(areas: list[Area], folder: Path) -> None:
    import ctypes

    memory = [mmap.mmap(-1, area.size) for area in areas]
    scratch = mmap.mmap(-1, _SCRATCH)
    addresses = {a.name: ctypes.addressof(ctypes.c_char.from_buffer(m)) for a, m in zip(areas, memory, strict=True)}
    values = [bytes([1]) * (area.size // PAGE) for area in areas]
    with (folder / "touches").open("w", buffering=1) as log:

        def touch(index: int) -> None:
            memory[index][::PAGE] = values[index]
            log.write(f"{areas[index].name} {time.monotonic():.3f}.\n")

        for index in range(len(areas)):
            touch(index)
        (folder / "areas.new").write_text(json.dumps({"pid": os.getpid(), "addresses": addresses}))
        (folder / "areas.new").rename(folder / "areas")
        began = time.monotonic()
        due = [began + max(area.begins, area.period) if area.period else float("inf") for area in areas]
        while True:
            now = time.monotonic()
            for index, area in enumerate(areas):
                if now >= due[index]:
                    touch(index)
                    due[index] = max(due[index] + area.period, now)
                    if due[index] > began + area.ends:
                        due[index] = float("inf")
            scratch[::PAGE] = values[0][:64] if len(values[0]) >= 64 else bytes(64)
            scratch.madvise(mmap.MADV_DONTNEED)
            time.sleep(max(0.0, min(min(due) - time.monotonic(), 0.02)))


def overlap(ranges: list[tuple[int, int]], regions: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """``(bytes, region)`` for every part of the ranges that lies in a region; both sorted by address."""
    found = []
    first = 0
    for start, end in ranges:
        while first < len(regions) and regions[first]["end"] <= start:
            first += 1
        index = first
        while index < len(regions) and regions[index]["start"] < end:
            region = regions[index]
            found.append((min(end, region["end"]) - max(start, region["start"]), region))
            index += 1
    return found
