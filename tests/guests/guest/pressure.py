"""How hard memory is pressed, of a group that is held below what it wants, against the kernel's own counters."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator

from damontui.kernel.cgroupfs import Groups
from damontui.kernel.pressure import PressureMeter, group_of
from damontui.kernel.root import Root
from tests.guests.guest import Guest, check
from tests.guests.guest.load import MIB
from tests.guests.guest.owners import MOUNT, group, mounted, stat_numbers
from tests.guests.guest.system import wait

HIGH, READ = 16 * MIB, 48 * MIB
SECONDS = 6.0
PAGE = 4096


def counters(path: str) -> dict[str, int]:
    """What the kernel has counted for a group so far: stalls in microseconds, refaults in pages, times at its limit."""
    folder = MOUNT / path.strip("/")
    events = dict(line.split() for line in (folder / "memory.events").read_text().splitlines())
    stalls = {line.split()[0]: int(line.rpartition("=")[2]) for line in _psi(path)}
    refaults = {name: count for name, count in stat_numbers(path).items() if name.startswith("workingset_refault_")}
    return {"high": int(events["high"]), **stalls, **refaults}


def _psi(path: str) -> list[str]:
    file = MOUNT / path.strip("/") / "memory.pressure"
    return file.read_text().splitlines() if file.exists() else []


@contextlib.contextmanager
def pressed(path: str) -> Iterator[int]:
    """A process of a new group that reads more of a file, again and again, than the group may hold: its PID."""
    mounted()
    folder = group(path)
    (folder / "memory.high").write_text(str(HIGH))
    files = "/usr/bin/python3* /usr/lib/*/*.so*"
    read = f"while :; do head -c {READ} {files} >/dev/null; done"
    with subprocess.Popen(["/bin/bash", "-c", f"echo $$ > {folder}/cgroup.procs; {read}"]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@check("7.2", "6.18", "6.12", limit=150)
def pressure_on_a_group_is_what_the_kernel_counts(guest: Guest) -> None:
    """Each number lies between what the kernel's files grew by just inside and just outside of the time measured."""
    with pressed("/pressed") as pid:
        wait(lambda: counters("/pressed")["high"] > 0, 100, "the group is at its memory.high")
        root = Root("/", read_only=True)
        assert group_of(root, (pid,)) == "/pressed"
        meter = PressureMeter(root, "/pressed", Groups.find(root))
        outer, began = counters("/pressed"), time.monotonic()
        assert meter.read() is None
        inner, after = counters("/pressed"), time.monotonic()
        time.sleep(SECONDS)
        least, before = counters("/pressed"), time.monotonic()
        found = meter.read()
        most, ended = counters("/pressed"), time.monotonic()
    assert found is not None
    guest.facts["told"] = repr(found)
    assert found.group == "/pressed"
    assert found.over_high is not None
    assert least["high"] - inner["high"] <= found.over_high <= most["high"] - outer["high"]
    assert found.over_high > 0
    shortest, longest = before - after, ended - began

    def between(value: float | None, name: str, unit: float) -> None:
        assert value is not None, f"{name} is not told"
        low, high = (least[name] - inner[name]) * unit / longest, (most[name] - outer[name]) * unit / shortest
        assert low - 1e-9 <= value <= high + 1e-9, (name, low, value, high)

    between(found.refault_file, "workingset_refault_file", PAGE)
    if "some" in least:  # a kernel without PSI, or booted without it
        between(found.some, "some", 1e-6)
        between(found.full, "full", 1e-6)
        assert found.note is None
    else:
        assert found.note == "not told here: stalls (memory.pressure; boot with psi=1)"
