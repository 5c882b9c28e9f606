"""Pressure on memory: what counters grew by, of the machine and of a group; what is missing is not known."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.damon.snapshot import Pressure
from damontui.kernel import pressure
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.pressure import PressureMeter, _meminfo, _stalls, group_of
from damontui.kernel.readers import Readers
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
        f"pswpin {swapped_in}\npswpout 3\nzswpin {swapped_in // 2}\nzswpout 0\noom_kill 1\n"
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
        zswap_in=5 * 4096 / 2,
        zswap_out=0.0,
        zswap=4096,
        zram=5000,
    )
    clock.now += 0.5
    assert meter.read() == found


def test_of_a_group(tmp_path: Path) -> None:
    clock = Clock()
    fake = FakeCgroups(tmp_path)
    fake.add("/web", MIB)

    def counted(some: int, high: int, refaults: int) -> None:
        (fake.mount / "web/memory.pressure").write_text(PSI.format(some, 0))
        (fake.mount / "web/memory.events").write_text(f"low 3\nhigh {high}\nmax 2\noom 0\noom_kill 0\n")
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
    assert (found.over_high, found.at_max, found.killed, found.under_low, found.out) == (4, 0, 0, 0, 0)
    assert (found.group, found.note) == ("/web", None)
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


def twice(meter: PressureMeter, clock: Clock) -> Pressure:
    """What a second reading says, two seconds after the first."""
    assert meter.read() is None
    clock.now += 2.0
    found = meter.read()
    assert found is not None
    return found


def test_where_nothing_tells_it_is_one_sentence(tmp_path: Path) -> None:
    clock = Clock()
    nothing = twice(PressureMeter(Root(tmp_path), clock=clock), clock)
    assert nothing == Pressure(note="pressure is not known: /proc/vmstat cannot be read")
    FakeCgroups(tmp_path)
    gone = twice(PressureMeter(Root(tmp_path), "/web", Groups.find(Root(tmp_path)), clock=clock), clock)
    assert gone == Pressure(group="/web", note="pressure is not known: the files of the control group cannot be read")


def test_the_uppermost_group_is_the_machine(tmp_path: Path) -> None:
    clock = Clock()
    machine(tmp_path, 0, 0, 0, 0)
    FakeCgroups(tmp_path)
    found = twice(PressureMeter(Root(tmp_path), "/", Groups.find(Root(tmp_path)), clock=clock), clock)
    assert (found.group, found.some, found.zram) == (None, 0.0, 5000)


MACHINE = {
    "proc/pressure/memory": "stalls (/proc/pressure/memory; boot with psi=1)",
    "proc/vmstat": "what is read back and swapped (/proc/vmstat)",
    "proc/meminfo": "what is in swap (/proc/meminfo)",
    "sys/block/zram0/mm_stat": "",
}
GROUP = {
    "memory.pressure": "stalls (memory.pressure; boot with psi=1)",
    "memory.stat": "what is read back and swapped (memory.stat)",
    "memory.events": "how often limits were met (memory.events)",
    "memory.swap.current": "",
}
"""Each file, and what is said where it tells nothing."""
HUGE = (
    "some total=99999999999999999999\n" + "workingset_refault_anon 9999999999999999999\nlow 9999999999999999999\n" * 9
)
TEXTS = {
    "missing": None,
    "empty": "",
    "garbage": "\x00\x1b[2J some total=x\nfull total=-1\nSwapTotal: many kB\npswpin pswpin\nmax max\n",
    "huge": HUGE,
    "endless": "x" * (5 << 20),
}


def spoil(path: Path, text: str | None) -> None:
    """A file that is none, or has another text in it."""
    path.unlink()
    if text is not None:
        path.write_text(text)


def known(found: Pressure) -> set[str]:
    return {one.name for one in fields(Pressure) if getattr(found, one.name) is not None} - {"note", "group"}


@pytest.mark.parametrize("how", TEXTS)
@pytest.mark.parametrize("file", MACHINE)
def test_each_file_of_the_machine_may_tell_nothing(tmp_path: Path, file: str, how: str) -> None:
    clock = Clock()
    machine(tmp_path, 0, 0, 0, 0)
    whole = known(twice(PressureMeter(Root(tmp_path), clock=clock), clock))
    spoil(tmp_path / file, TEXTS[how])
    found = twice(PressureMeter(Root(tmp_path), clock=clock), clock)
    assert found.note == (f"not told here: {MACHINE[file]}" if MACHINE[file] else None)
    lost = {
        "proc/pressure/memory": {"some", "full"},
        "proc/vmstat": {"refault_anon", "refault_file", "swap_in", "swap_out", "zswap_in", "zswap_out", "killed"},
        "proc/meminfo": {"swapped", "zswap"},
        "sys/block/zram0/mm_stat": {"zram"},
    }
    assert known(found) == whole - lost[file]


@pytest.mark.parametrize("how", TEXTS)
@pytest.mark.parametrize("file", GROUP)
def test_each_file_of_a_group_may_tell_nothing(tmp_path: Path, file: str, how: str) -> None:
    clock = Clock()
    fake = FakeCgroups(tmp_path)
    texts = {
        "memory.pressure": PSI.format(1, 1),
        "memory.stat": "workingset_refault_file 1\nzswap 3\n",
        "memory.events": "low 0\nhigh 0\nmax 2\noom 0\noom_kill 0\n",
    }
    fake.add("/web", MIB, files=texts)
    groups = Groups.find(Root(tmp_path))
    whole = known(twice(PressureMeter(Root(tmp_path), "/web", groups, clock=clock), clock))
    spoil(fake.mount / "web" / file, TEXTS[how])
    found = twice(PressureMeter(Root(tmp_path), "/web", groups, clock=clock), clock)
    assert found.note == (f"not told here: {GROUP[file]}" if GROUP[file] else None)
    lost = {
        "memory.pressure": {"some", "full"},
        "memory.stat": {"refault_file", "zswap", "compressed"},
        "memory.events": {"under_low", "over_high", "at_max", "out", "killed"},
        "memory.swap.current": {"swapped"},
    }
    assert known(found) == whole - lost[file]


@pytest.mark.parametrize("group", [None, "/web"])
def test_a_kernel_that_does_not_answer_is_asked_once(
    tmp_path: Path, group: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    machine(tmp_path, 0, 0, 0, 0)
    FakeCgroups(tmp_path).add("/web", MIB)
    groups = Groups.find(Root(tmp_path))
    asked: list[int] = []
    until = threading.Event()

    def hang(text: str) -> dict[str, int]:
        asked.append(1)
        until.wait(20)
        return {}

    monkeypatch.setattr(pressure, "_stalls", hang)
    monkeypatch.setattr(pressure, "READERS", Impatient())
    try:
        found = twice(PressureMeter(Root(tmp_path), group, groups, clock=clock), clock)
    finally:
        until.set()
    assert len(asked) == 1
    assert known(found) == set()
    whose = "the machine" if group is None else "the control group"
    assert found.note == f"pressure is not known: the kernel's files of {whose}: it was not read within 0.05 s"


class Impatient(Readers):
    """Gives up soon."""

    def ask(self, do: Callable[[], Any], *beside: Any, **more: Any) -> Any:
        return super().ask(do, 0.05)


def test_the_group_of_a_process(tmp_path: Path) -> None:
    def put(pid: int, text: str) -> None:
        (tmp_path / f"proc/{pid}").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/cgroup").write_text(text)

    put(1, "1:name=systemd:/x\n0::/system.slice/nginx.service\n")
    put(2, "0::/system.slice/cron.service (deleted)\n")
    put(3, "0::/\n")
    put(4, "0::/../../elsewhere\n")
    put(5, "7:memory:/x\n")
    put(6, "0::/system.slice/nginx.service/worker\n")
    root = Root(tmp_path)
    assert group_of(root, (1,)) == "/system.slice/nginx.service"
    assert group_of(root, (1, 2)) == "/system.slice"
    assert group_of(root, (1, 6)) == "/system.slice/nginx.service"
    assert group_of(root, (1, 77)) == "/system.slice/nginx.service"  # one of them is gone
    assert group_of(root, (1, 3)) == group_of(root, (3,)) == "/"
    assert group_of(root, (4,)) is group_of(root, (5,)) is group_of(root, (77,)) is group_of(root, ()) is None


@given(st.text(max_size=200))
def test_any_group_of_a_process_is_read(text: str) -> None:
    found = group_of(cast(Root, Said(text)), (1,))
    assert found is None or (found.startswith("/") and ".." not in found.split("/") and "\n" not in found)


class Said:
    """Every file says the same."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, name: str) -> str:
        return self.text


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert all(0 <= number < 10**19 for number in _stalls(text).values())
    assert all(0 <= number < 10**18 for number in _meminfo(text).values())
