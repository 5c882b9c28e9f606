"""Pressure on memory: what counters grew by, of the machine and of a group; what is missing is not known."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.damon.snapshot import Pressure
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.pressure import PressureMeter, _meminfo, _stalls
from damontui.kernel.root import Root
from tests.fake_cgroups import MIB, FakeCgroups

PSI = "some avg10=1.00 avg60=0.50 avg300=0.10 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


def machine(folder: Path, some: int, full: int, refaults: int, swapped_in: int) -> None:
    for name in ("proc/pressure", "sys/block/zram0", "sys/block/sda"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "proc/pressure/memory").write_text(PSI.format(some, full))
    (folder / "proc/vmstat").write_text(
        f"nr_free_pages 1\nworkingset_refault_anon {refaults}\nworkingset_refault_file 7\n"
        f"pswpin {swapped_in}\npswpout 3\noom_kill 1\n"
    )
    (folder / "proc/meminfo").write_text("MemTotal: 9 kB\nZswap:  4 kB\nSwapTotal:  100 kB\nSwapFree:  40 kB\n")
    (folder / "sys/block/zram0/mm_stat").write_text("  8192  4096  5000  0 5000 0 0 0 0\n")


def test_of_the_machine(tmp_path: Path) -> None:
    clock = Clock()
    meter = PressureMeter(Root(tmp_path), clock=clock)
    machine(tmp_path, 1_000_000, 0, 100, 10)
    assert meter.read() is None
    clock.now += 2.0
    machine(tmp_path, 1_500_000, 100_000, 356, 20)
    found = meter.read()
    assert found == Pressure(
        some=0.25,
        full=0.05,
        refault_anon=256 * 4096 / 2,
        refault_file=0.0,
        swap_in=10 * 4096 / 2,
        swap_out=0.0,
        swapped=60 * 1024,
        compressed=5000 + 4096,
        killed=0,
    )
    assert meter.reason == ""
    clock.now += 0.5
    assert meter.read() == found


def test_of_a_group(tmp_path: Path) -> None:
    clock = Clock()
    fake = FakeCgroups(tmp_path)
    fake.add("/web", MIB)

    def counted(some: int, high: int, refaults: int) -> None:
        (fake.mount / "web/memory.pressure").write_text(PSI.format(some, 0))
        (fake.mount / "web/memory.events").write_text(f"low 0\nhigh {high}\nmax 2\noom 0\noom_kill 0\n")
        (fake.mount / "web/memory.stat").write_text(f"anon 1\nzswap 512\nworkingset_refault_anon {refaults}\n")
        (fake.mount / "web/memory.swap.current").write_text("8192\n")

    counted(0, 1, 0)
    root = Root(tmp_path)
    meter = PressureMeter(root, "/web", Groups.find(root), clock=clock)
    assert meter.read() is None
    clock.now += 1.0
    counted(2_000_000, 5, 2)
    found = meter.read()
    assert found is not None
    assert found.some == 1.0  # no more than all of the time, whatever two clocks say
    assert (found.over_high, found.at_max, found.killed) == (4, 0, 0)
    assert (found.refault_anon, found.refault_file) == (8192.0, None)
    assert (found.swapped, found.compressed) == (8192, 512)
    clock.now += 0.5
    same = meter.read()
    assert same is not None
    assert (same.some, same.over_high) == (1.0, 0)  # what was counted is counted once
    clock.now += 0.5
    counted(0, 0, 0)  # made anew: its counters begin again
    clock.now += 1.0
    again = meter.read()
    assert again is not None
    assert (again.some, again.over_high) == (0.0, 0)


def test_where_nothing_tells_it_is_one_sentence(tmp_path: Path) -> None:
    meter = PressureMeter(Root(tmp_path), clock=Clock())
    assert meter.read() is None
    assert meter.reason == "pressure is not known: /proc/vmstat cannot be read"
    assert PressureMeter(Root(tmp_path), "/web", None, clock=Clock()).read() is None


@pytest.mark.parametrize("missing", ["proc/pressure/memory", "proc/vmstat", "proc/meminfo", "sys/block/zram0/mm_stat"])
def test_each_file_may_be_missing(tmp_path: Path, missing: str) -> None:
    clock = Clock()
    machine(tmp_path, 0, 0, 0, 0)
    (tmp_path / missing).unlink()
    meter = PressureMeter(Root(tmp_path), clock=clock)
    meter.read()
    clock.now += 1.0
    found = meter.read()
    assert found is not None
    assert (found.some is None) == (missing == "proc/pressure/memory")
    assert (found.refault_anon is None) == (missing == "proc/vmstat")
    assert (found.swapped is None) == (missing == "proc/meminfo")


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert all(0 <= number < 10**19 for number in _stalls(text).values())
    assert all(0 <= number < 10**18 for number in _meminfo(text).values())
