"""What memory is made of: shares of drawn frames, their intervals, and idle memory without what is free."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from damontui.analysis import frames, usage
from damontui.analysis.estimator import Estimator
from damontui.analysis.frames import Untold
from damontui.analysis.headline import headline
from damontui.damon.snapshot import FRAME_KINDS, Frames, Snapshot, ints
from tests import make

MIB = 1 << 20
FREE, FILE, ANON = (FRAME_KINDS.index(name) for name in ("free", "file", "anon"))


def counted(*rows: dict[str, int]) -> Frames:
    counts = np.zeros((len(rows), len(FRAME_KINDS)), dtype=np.int64)
    for at, row in enumerate(rows):
        for kind, count in row.items():
            counts[at, FRAME_KINDS.index(kind)] = count
    return Frames(counts, ints([0] * len(rows)), ints([0] * len(rows)))


def machine(**changes: object) -> Snapshot:
    """1,000 MiB: 600 idle for 30 s (400 of them free, 200 anonymous), 400 in use (300 of a file, 100 anonymous)."""
    rows = [(0, 600 * MIB, 0, 29), (600 * MIB, 1000 * MIB, 8, 29)]
    drawn = counted({"free": 400, "anon": 200}, {"file": 300, "anon": 100})
    return make.snapshot(rows, frames=drawn, **changes)  # type: ignore[arg-type]


def test_each_kind_in_bytes_with_an_interval() -> None:
    parts = frames.grouped(machine(), 10.0)
    assert parts["free"].bytes.bytes == pytest.approx(400 * MIB)
    assert parts["anon"].bytes.bytes == pytest.approx(300 * MIB)
    assert parts["anon"].idle.bytes == pytest.approx(200 * MIB)
    assert parts["file"].idle.bytes == 0.0
    for part in parts.values():
        assert part.bytes.least <= part.bytes.bytes <= part.bytes.most
    assert sum(part.bytes.bytes for part in parts.values()) == pytest.approx(1000 * MIB)


def test_what_damon_cannot_see_is_never_idle_not_even_perhaps() -> None:
    drawn = counted(dict.fromkeys(FRAME_KINDS, 100))
    snapshot = make.snapshot([(0, 1000 * MIB, 0, 99)], frames=drawn)
    for idle in (None, np.ones((3, 1))):
        parts = frames.composition(snapshot, 10.0, idle)
        assert {kind for kind, part in parts.items() if part.idle.most} == set(frames.SEEN)
        assert parts["file"].idle.bytes > 0
    taken = frames.idle_taken(snapshot, 10.0)
    assert taken is not None
    assert taken.bytes == pytest.approx(3 / len(FRAME_KINDS) * 1000 * MIB)  # files, shared and anonymous memory


def test_free_memory_is_not_idle_memory() -> None:
    snapshot = machine()
    idle = usage.idle_for(snapshot, 10.0)
    assert idle is not None
    assert idle.bytes == 600 * MIB
    taken = frames.idle_taken(snapshot, 10.0)
    assert taken is not None
    assert taken.bytes == pytest.approx(200 * MIB)
    assert frames.grouped(snapshot, 10.0)["free"].idle.bytes == 0.0


def test_without_frames_memfree_is_subtracted() -> None:
    snapshot = make.snapshot([(0, 600 * MIB, 0, 29), (600 * MIB, 1000 * MIB, 8, 29)], free=380 * MIB)
    taken = frames.idle_taken(snapshot, 10.0)
    assert taken is not None
    assert taken.bytes == 220 * MIB
    assert frames.grouped(snapshot, 10.0) == {}


def test_nothing_is_said_of_a_time_that_was_not_watched() -> None:
    assert frames.idle_taken(machine(), 60.0) is None


@pytest.mark.parametrize("share", [0.002, 0.1, 0.57, 0.98])
def test_the_interval_holds_the_truth(share: float) -> None:
    rng = np.random.default_rng(7)
    held = 0
    for hits in rng.binomial(1_000, share, 2_000):
        amount = frames.wilson(float(hits), 1_000, 1.0)
        held += amount.least <= share <= amount.most
    assert held / 2_000 >= 0.93


def test_whether_addresses_are_physical_is_told_or_looked_up() -> None:
    high = [(0x7FFD_0000_0000, 0x7FFD_0000_1000, 0, 1)]
    assert frames.physical(make.snapshot([(0, 1 << 44, 0, 1)]))  # 16 TiB
    assert not frames.physical(make.snapshot(high))
    assert frames.physical(make.snapshot(high, physical=True))
    assert frames.physical(make.snapshot(high, free=0))
    assert not frames.physical(make.snapshot([(0, MIB, 0, 1)], physical=False))
    assert not frames.physical(make.snapshot([(0, MIB, 0, 1)], resident=ints([4096])))
    assert not frames.physical(make.snapshot([(0, MIB, 0, 1), (0, MIB, 0, 1)], target=[0, 1], targets=(1, 2)))
    assert not frames.physical(make.snapshot([(0, MIB, 0, 1)], origin="process"))
    assert not frames.physical(make.snapshot([]))


def test_what_idle_memory_includes() -> None:
    """Nothing where free memory is told apart, in memory that is none but synthetic, and where bytes are known."""
    rows = [(0, MIB, 0, 1)]
    assert frames.untold(make.snapshot(rows)) is Untold.FREE
    assert frames.untold(make.snapshot([])) is None
    assert frames.untold(make.snapshot(rows, physical=False)) is Untold.ABSENT
    assert frames.untold(make.process()) is None
    assert frames.untold(make.snapshot(rows, resident=ints([4096]))) is None
    assert frames.untold(make.snapshot(rows, origin="simulated")) is None
    assert frames.untold(make.snapshot(rows, origin="process")) is None
    assert frames.untold(make.steady(1, truth=True)[0]) is None
    for told in (make.snapshot(rows, free=0), machine()):
        assert frames.untold(told) is None
        assert frames.untold(told, by_rule=True) is Untold.FREE_BY_RULE


def test_the_share_that_is_free_is_unknown_where_little_was_drawn() -> None:
    drawn = counted({"free": 4, "anon": 3, "hole": 1}, {"free": 7})
    snapshot = make.snapshot([(0, 8, 0, 1), (8, 16, 0, 1)], frames=drawn)
    assert frames.share_of(snapshot, "free")[0] == 0.5
    assert frames.share_of(snapshot, "hole")[0] == 0.125
    assert np.isnan(frames.share_of(snapshot, "free")[1])


def test_holes_are_no_memory_and_not_free() -> None:
    """A file of 1 GiB in use, a hole of 1 GiB, 512 MiB free, 512 MiB idle."""
    rows = [(0, 1024 * MIB, 8, 29), (1024 * MIB, 2048 * MIB, 0, 29), (2048 * MIB, 3072 * MIB, 0, 29)]
    drawn = counted({"file": 1000}, {"hole": 1000}, {"free": 500, "anon": 500})
    snapshot = make.snapshot(rows, 30.0, frames=drawn, free=512 * MIB, watched=30.0)
    gone = frames.unseen(snapshot)
    assert gone is not None
    assert gone.hole is not None
    assert gone.free.bytes == gone.free.most == 512 * MIB
    assert gone.hole.least < 1024 * MIB < gone.hole.most
    assert gone.hole.bytes == pytest.approx(1024 * MIB)
    assert "hole" not in frames.grouped(snapshot, 10.0)
    found = Estimator()
    for step in range(30):
        found.add(replace(snapshot, began=float(step), time=step + 1.0))
    for estimate in (None, found.estimate()):
        said = headline(snapshot, 10.0, estimate)
        assert said is not None
        assert said.total == pytest.approx(2048 * MIB)
        assert said.free == 512 * MIB
        assert said.used.bytes == pytest.approx(1024 * MIB, rel=0.01)
        assert said.idle.bytes == pytest.approx(512 * MIB, rel=0.03)
