"""What of a process's regions is memory: cut at mappings, counted page by page, within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from damontui.analysis import savings
from damontui.analysis.axis import extent, stride_for
from damontui.damon.snapshot import Ints, Snapshot, ints
from damontui.kernel.root import Root
from damontui.sources import residence
from damontui.sources.own_kdamond import _Processes
from damontui.sources.residence import Residence
from tests import make
from tests.fake_process import Area, FakeProcess

PAGE = 4096
AREAS = (
    Area(16 * PAGE, 4 * PAGE, "/bin/x", rss=4 * PAGE),
    Area(100 * PAGE, 8 * PAGE, "[heap]", rss=3 * PAGE),
    Area(108 * PAGE, 2 * PAGE, "/lib/y", rss=0),
)
PRESENT = (16, 17, 18, 19, 100, 101, 107)
"""Pages in memory."""


def process(folder: Path, pid: int = 7, areas: Sequence[Area] = AREAS, present: Sequence[int] = PRESENT) -> FakeProcess:
    made = FakeProcess(folder, pid, areas)
    lines = [
        f"{a.start:08x}-{a.start + a.size:08x} {a.perms} 00000000 00:00 0 {' ' * 20}{a.path}".rstrip() for a in areas
    ]
    lines.append("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]")
    (made.folder / "maps").write_text("\n".join(lines) + "\n")
    flags = np.zeros(128, dtype=np.uint64)
    flags[list(present)] = np.uint64(1 << 63) | np.uint64(1 << 61) | np.uint64(12345)
    flags[19 if 19 not in present else 60] |= np.uint64(1 << 62)  # in swap is not in memory
    (made.folder / "pagemap").write_bytes(flags.tobytes())
    return made


class Names:
    """The real thing: what is mapped at each region."""

    def __init__(self, root: Root, pid: int = 7) -> None:
        self._watched = _Processes(root, (pid,), children=False, program="x", wall=lambda: 0.0)

    def __call__(self, start: Ints, end: Ints, target: Ints) -> tuple[str, ...]:
        self._watched.targets()
        return self._watched.names(start, end, target)


def filler(folder: Path, clock: Sequence[float] = (0.0,)) -> Residence:
    times = list(clock)
    return Residence(Root(folder), Names(Root(folder)), clock=lambda: times.pop(0) if len(times) > 1 else times[0])


def sampled() -> Snapshot:
    """One region from the binary to the heap's middle, with the hole inside, and one from there on."""
    return make.snapshot(
        [(16 * PAGE, 104 * PAGE, 0, 9), (104 * PAGE, 110 * PAGE, 5, 2)], targets=(7,), note="it is slow"
    )


def test_regions_are_cut_at_mappings_and_holes_are_no_memory(tmp_path: Path) -> None:
    process(tmp_path)
    found = filler(tmp_path).fill(sampled())
    assert found.resident is not None
    rows = zip(
        *(a.tolist() for a in (found.start, found.end, found.nr_accesses, found.age, found.resident)), strict=True
    )
    pages = [(start // PAGE, end // PAGE, count, age, held // PAGE) for start, end, count, age, held in rows]
    assert pages == [(16, 20, 0, 9, 4), (100, 104, 0, 9, 2), (104, 108, 5, 2, 1), (108, 110, 5, 2, 0)]
    assert found.names == ("x", "[heap]", "[heap]", "y")
    assert found.note == "it is slow"
    assert found.total_bytes == 7 * PAGE
    # what this is for: the hole is neither idle memory nor drawn
    assert savings.idle(found, 1).bytes == 6 * PAGE
    low, high = extent(found, stride_for(1))
    assert list(zip((low // PAGE).tolist(), (high // PAGE).tolist(), strict=True)) == [(16, 20), (100, 108)]


def test_where_pages_cannot_be_seen_a_mapping_is_shared_out_evenly(tmp_path: Path) -> None:
    made = process(tmp_path)
    (made.folder / "pagemap").unlink()
    found = filler(tmp_path).fill(sampled())
    assert found.memory.tolist() == [4 * PAGE, 1.5 * PAGE, 1.5 * PAGE, 0]
    assert found.note.startswith("it is slow; of a mapping that is partly in memory it is not known which part")
    # one that ends too early does not tell either
    (made.folder / "pagemap").write_bytes(bytes(8 * 50))
    assert filler(tmp_path).fill(sampled()).memory.tolist() == found.memory.tolist()


def test_what_is_too_large_to_be_looked_at_is_shared_out_evenly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(tmp_path)
    monkeypatch.setattr(residence, "MOST_PAGES", 7)
    found = filler(tmp_path).fill(sampled())  # the two small mappings
    assert found.memory.tolist() == [4 * PAGE, 1.5 * PAGE, 1.5 * PAGE, 0]
    assert "too many pages" in found.note


def test_pages_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process(tmp_path)
    whole = filler(tmp_path).fill(sampled()).memory.tolist()
    monkeypatch.setattr(residence, "_AT_ONCE", 3)
    assert filler(tmp_path).fill(sampled()).memory.tolist() == whole


def test_it_is_read_once_a_second_at_most_and_more_rarely_where_it_costs(tmp_path: Path) -> None:
    process(tmp_path)
    # asked, read; asked; asked, read, which takes 50 ms: not again for 5 s
    source = filler(tmp_path, (0.0, 0.0, 0.9, 1.0, 1.05, 5.9, 6.1, 6.1))
    assert source.fill(sampled()).total_bytes == 7 * PAGE
    process(tmp_path, present=(16,))
    assert source.fill(sampled()).total_bytes == 7 * PAGE
    assert source.fill(sampled()).total_bytes == PAGE
    process(tmp_path, present=(16, 17))
    assert source.fill(sampled()).total_bytes == PAGE
    assert source.fill(sampled()).total_bytes == 2 * PAGE


def test_several_processes_and_one_that_ended(tmp_path: Path) -> None:
    process(tmp_path)
    other = process(tmp_path, 8, AREAS[:1], present=(17,))
    rows = [(16 * PAGE, 20 * PAGE, 1, 0), (16 * PAGE, 20 * PAGE, 2, 0)]
    both = make.snapshot(rows, target=(0, 1), targets=(7, 8))
    source = filler(tmp_path)
    found = source.fill(both)
    assert (found.memory.tolist(), found.target.tolist()) == ([4 * PAGE, PAGE], [0, 1])
    other.end()
    assert filler(tmp_path).fill(both) is both
    assert source.fill(replace(both, targets=(7, 9))).resident is None
    assert source.fill(make.snapshot([])).resident is None


def test_a_region_of_nothing_leaves_nothing(tmp_path: Path) -> None:
    process(tmp_path)
    found = filler(tmp_path).fill(make.snapshot([(30 * PAGE, 60 * PAGE, 3, 0)], targets=(7,)))
    assert (len(found), found.total_bytes) == (0, 0)
    assert found.resident is not None
    assert found.resident.dtype == ints([]).dtype
