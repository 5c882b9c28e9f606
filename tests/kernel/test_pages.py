"""Page frames: which flags make which kind, how evenly they are drawn, and what it may cost."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from damontui.damon.snapshot import FRAME_KINDS, Frames, Snapshot
from damontui.errors import SourceError
from damontui.kernel import pages, procfs
from damontui.kernel.pages import FrameSampler
from damontui.kernel.root import Root
from tests import make

PAGE = 4096


def bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


FREE, FILE, ANON = bits(pages.BUDDY), bits(pages.LRU), bits(pages.LRU, pages.ANON, pages.SWAPBACKED)


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (FREE, "free"),
        (FILE, "file"),
        (bits(pages.LRU, pages.SWAPBACKED), "shmem"),
        (ANON, "anon"),
        (bits(pages.ANON, pages.THP, pages.LRU, pages.SWAPBACKED), "anon"),
        (bits(pages.SLAB), "slab"),
        (bits(pages.PGTABLE), "page_tables"),
        (bits(pages.UNEVICTABLE), "file"),
        (bits(pages.HUGE, pages.ANON), "hugetlb"),
        (bits(pages.NOPAGE), "hole"),
        (bits(pages.OFFLINE, pages.BUDDY), "hole"),
        (0, "kernel"),
    ],
)
def test_flags_make_a_kind(flags: int, kind: str) -> None:
    assert FRAME_KINDS[pages.kinds_of(np.array([flags], np.uint64))[0]] == kind


class Clocks:
    """A wall that moves by hand, and a CPU clock that each frame moves by ``each``."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cpu = 0.0
        self.each = 0.0

    def spend(self) -> float:
        self.cpu += self.each
        return self.cpu


def tree(folder: Path, frames: list[int]) -> Root:
    (folder / "proc").mkdir()
    (folder / "proc/kpageflags").write_bytes(np.array(frames, np.uint64).tobytes())
    (folder / "proc/meminfo").write_text("MemTotal:  1000 kB\nMemFree:       12 kB\n")
    return Root(folder)


def sampler(root: Root, clocks: Clocks) -> FrameSampler:
    rng = np.random.default_rng(1)
    return FrameSampler(root, rng, budget=0.01, clock=lambda: clocks.now, cpu_clock=clocks.spend)


def after_half_a_minute(frames: FrameSampler, snapshot: Snapshot, clocks: Clocks) -> Frames:
    """What is known after a look every half second."""
    found = frames.look(snapshot)
    for _ in range(60):
        clocks.now += 0.5
        found = frames.look(snapshot)
    assert found is not None
    return found


def test_frames_are_counted_where_they_lie(tmp_path: Path) -> None:
    root = tree(tmp_path, [FREE] * 600 + [ANON] * 300 + [bits(pages.LRU, pages.UNEVICTABLE)] * 100)
    snapshot = make.snapshot(
        [(0, 600 * PAGE, 0, 9), (600 * PAGE, 1100 * PAGE, 4, 0)]
    )  # 100 frames beyond the file's end
    clocks = Clocks()
    with sampler(root, clocks) as frames:
        found = after_half_a_minute(frames, snapshot, clocks)
    counts = dict(zip(FRAME_KINDS, found.counts.T.tolist(), strict=True))
    assert counts["free"][1] == 0
    assert counts["anon"][0] == 0
    assert found.unevictable.tolist() == counts["file"]
    shares = {kind: sum(column) / found.drawn for kind, column in counts.items()}
    assert found.drawn > 5_000
    assert shares["free"] == pytest.approx(600 / 1100, abs=0.03)
    assert shares["anon"] == pytest.approx(300 / 1100, abs=0.03)
    assert shares["hole"] == pytest.approx(100 / 1100, abs=0.02)


def test_drawing_stays_within_the_budget(tmp_path: Path) -> None:
    root = tree(tmp_path, [FREE] * 100)
    snapshot = make.snapshot([(0, 100 * PAGE, 0, 9)])
    clocks = Clocks()
    clocks.each = 0.002  # between two readings of the CPU clock: a look that draws takes 6 ms, of which 2 are drawing
    drawn = []
    with sampler(root, clocks) as frames:
        for _ in range(100):
            found = frames.look(snapshot)
            assert found is not None
            drawn.append(found.drawn)
            clocks.now += 0.1
    draws = sum(after > before for before, after in itertools.pairwise([0, *drawn]))
    # 2 ms each, 1 % of 10 s, and the first, which had to be made to know what one costs
    assert 2 <= draws <= 0.01 * 10.0 / 0.002 + 1
    assert found.cpu >= draws * 0.002 / 10.0


@pytest.mark.parametrize(
    ("length", "least", "most"),
    [(1, 0.8, 1.0), (4, 0.8, 1.0), (2_000, 0.0, 0.15)],
    ids=["page by page", "in fours", "in long stretches"],
)
def test_how_mixed_memory_is(tmp_path: Path, length: int, least: float, most: float) -> None:
    """As many frames of two kinds each time, in stretches of one kind."""
    kinds = np.random.default_rng(3).permutation([FREE, ANON] * (16_000 // length))
    root = tree(tmp_path, np.repeat(kinds, length).tolist())
    snapshot = make.snapshot([(0, 10_000 * PAGE, 3, 0), (10_000 * PAGE, len(kinds) * length * PAGE, 0, 9)])
    clocks = Clocks()
    with sampler(root, clocks) as frames:
        first, found = frames.look(snapshot), after_half_a_minute(frames, snapshot, clocks)
    assert first is not None
    assert (first.mixed is not None) == (least > 0)  # known at once, if not well, where kinds change often
    assert found.mixed is not None
    assert least <= found.mixed <= most


def test_memory_of_one_kind_tells_nothing_of_how_mixed_it_is(tmp_path: Path) -> None:
    root = tree(tmp_path, [ANON] * 3_000 + [bits(pages.NOPAGE)] * 3_000)
    with sampler(root, Clocks()) as frames:
        found = frames.look(make.snapshot([(0, 6_000 * PAGE, 3, 0)]))
    assert found is not None
    assert found.mixed is None


def test_what_is_old_is_forgotten(tmp_path: Path) -> None:
    root = tree(tmp_path, [FREE] * 100)
    snapshot = make.snapshot([(0, 100 * PAGE, 0, 9)])
    clocks = Clocks()
    with sampler(root, clocks) as frames:
        for _ in range(40):
            frames.look(snapshot)
            clocks.now += 1.0
        (tmp_path / "proc/kpageflags").write_bytes(np.array([ANON] * 100, np.uint64).tobytes())
        for _ in range(40):
            clocks.now += 1.0
            found = frames.look(snapshot)
    assert found is not None
    assert found.counts[0, FRAME_KINDS.index("free")] == 0


def test_without_the_file_it_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    root = Root(tmp_path)
    with pytest.raises(SourceError, match="kpageflags"):
        FrameSampler(root, np.random.default_rng(0)).__enter__()
    assert "kpageflags" in pages.why_not(root)
    assert procfs.free_bytes(root) is None


def test_free_memory_is_the_kernels_number(tmp_path: Path) -> None:
    assert procfs.free_bytes(tree(tmp_path, [])) == 12 * 1024


def grouped(folder: Path, frames: list[int], groups: list[int]) -> Root:
    root = tree(folder, frames)
    (folder / "proc/kpagecgroup").write_bytes(np.array(groups, np.uint64).tobytes())
    return root


def test_each_frame_has_the_group_that_it_is_charged_to(tmp_path: Path) -> None:
    root = grouped(tmp_path, [ANON] * 600 + [FREE] * 100 + [FILE] * 300, [7] * 600 + [0] * 100 + [9] * 300)
    snapshot = make.snapshot([(0, 1000 * PAGE, 1, 0)])
    with FrameSampler(root, np.random.default_rng(1), budget=1.0, groups=True) as frames:
        for _ in range(5):
            frames.look(snapshot)
        drawn = frames.drawn
        assert frames.no_groups == ""
    assert len(drawn) > 64
    expected = np.select([drawn.address < 600 * PAGE, drawn.address < 700 * PAGE], [7, 0], 9)
    assert drawn.group.tolist() == expected.tolist()


def test_without_the_groups_frames_are_drawn_all_the_same(tmp_path: Path) -> None:
    root = tree(tmp_path, [ANON] * 100)
    snapshot = make.snapshot([(0, 100 * PAGE, 1, 0)])
    with FrameSampler(root, np.random.default_rng(1), groups=True) as frames:
        assert frames.look(snapshot) is not None
        assert "kpagecgroup: there is no such file" in frames.no_groups
        assert not frames.drawn.group.any()
