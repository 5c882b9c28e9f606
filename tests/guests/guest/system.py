"""The guest's state: what must be as found after the program has run, and how it is put back between checks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tests.guests.guest import pace

STAT = Path("/sys/module/damon_stat/parameters")
TRACING = Path("/sys/kernel/tracing")
KEPT = Path("/run/kept")
"""What one check measured for others."""
ADMIN = Path("/sys/kernel/mm/damon/admin/kdamonds")

_T = TypeVar("_T")
State = dict[str, str]


def kdamonds() -> dict[int, str]:
    """Every kdamond of the kernel: PID and thread name."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name = (folder / "comm").read_text().strip()
            if name.startswith("kdamond"):
                found[int(folder.name)] = name
    return found


def file_on_disk() -> Path:
    """A file of 72 MiB on the host's disk (`tests.guests.vm`): here it is page cache of a file system."""
    word = next(one for one in Path("/proc/cmdline").read_text().split() if one.startswith("guest.init="))
    return Path(word.partition("=")[2]).with_name("file")


def stat_enabled() -> bool:
    """Whether DAMON_STAT runs: what the file says is not enough before 7.2, which echoes the last word written."""
    return STAT.exists() and (STAT / "enabled").read_text().strip() == "Y" and bool(kdamonds())


def switch_stat(on: bool) -> None:
    """Write the module's switch and wait until the kernel thread has come or gone."""
    (STAT / "enabled").write_text("Y" if on else "N")
    wait(lambda: bool(kdamonds()) == on, 10, f"DAMON_STAT {'on' if on else 'off'}")


def wait(condition: Callable[[], _T], limit: float, what: str) -> _T:
    """The first true answer. Raises AssertionError after ``limit`` seconds of a usual guest."""
    until = time.monotonic() + pace.patient(limit)
    while True:
        if answer := condition():
            return answer
        assert time.monotonic() < until, f"{what}: not within {limit:g} s"
        time.sleep(0.05)


def state() -> State:
    """All that the program can change in the kernel, as a flat dictionary. Measurements are not part of it."""
    found = {"kdamonds": " ".join(sorted(kdamonds().values()))}
    if STAT.exists():
        found["damon_stat enabled"] = (STAT / "enabled").read_text().strip()
    if (TRACING / "instances").exists():
        found["trace instances"] = " ".join(sorted(os.listdir(TRACING / "instances")))
        for name in ("tracing_on", "trace_clock", "set_event", "buffer_size_kb"):
            found[f"tracing/{name}"] = (TRACING / name).read_text().strip()
    if ADMIN.exists():
        for path in sorted(ADMIN.rglob("*")):
            if path.is_file() and path.stat().st_mode & 0o444:
                with contextlib.suppress(OSError):
                    found[str(path.relative_to(ADMIN))] = path.read_text().strip()
    return found


def difference(before: State, after: State) -> list[str]:
    """What is not the same, one line each."""
    return [
        f"{name}: {before.get(name)!r} became {after.get(name)!r}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


@contextlib.contextmanager
def as_found(within: float = 10.0) -> Iterator[State]:
    """The block leaves everything as it was, at the latest ``within`` seconds after its end."""
    before = state()
    yield before
    until = time.monotonic() + within
    while (changed := difference(before, state())) and time.monotonic() < until:
        time.sleep(0.1)
    assert not changed, f"not as found: {'; '.join(changed)}"


class Start:
    """How the guest was after booting."""

    def __init__(self) -> None:
        self.enabled = stat_enabled()
        self.traced = (TRACING / "instances").exists()

    def restore(self) -> None:
        """Make it so again, whatever a check did."""
        if self.traced and not (TRACING / "instances").exists():
            subprocess.run(["mount", "-t", "tracefs", "tracefs", str(TRACING)], check=False)
        if self.traced:
            for name in os.listdir(TRACING / "instances"):
                with contextlib.suppress(OSError, AssertionError):
                    wait(lambda name=name: remove(TRACING / "instances" / name), 3, name)  # type: ignore[misc]
        if ADMIN.exists():
            for path in ADMIN.glob("*/state"):
                with contextlib.suppress(OSError):
                    path.write_text("off")
            with contextlib.suppress(OSError):
                (ADMIN / "nr_kdamonds").write_text("0")
        Path("/run/damontui.json").unlink(missing_ok=True)
        if STAT.exists() and stat_enabled() != self.enabled:
            with contextlib.suppress(OSError, AssertionError):
                switch_stat(self.enabled)


def remove(folder: Path) -> bool:
    """Remove a trace instance; False while it is in use."""
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def where(pid: int) -> str:
    """What a process waits in, for the report on one that hangs."""
    lines = []
    for folder in [Path(f"/proc/{pid}"), *Path("/proc").glob("[0-9]*")]:
        with contextlib.suppress(OSError, IndexError):
            if folder.name == str(pid) or (folder / "stat").read_text().rpartition(")")[2].split()[1] == str(pid):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80]
                lines.append(f"{folder.name} {words} waits in {(folder / 'wchan').read_text()}")
    return "; ".join(dict.fromkeys(lines))


def start_kdamond(pid: int | None = None) -> int:
    """A kdamond of "another program": over sysfs, on a process or on the first MiBs of memory. Returns its PID."""

    def put(name: str, text: str) -> None:
        (ADMIN / name).write_text(text)

    put("nr_kdamonds", "1")
    put("0/contexts/nr_contexts", "1")
    put("0/contexts/0/operations", "vaddr" if pid else "paddr")
    put("0/contexts/0/monitoring_attrs/intervals/aggr_us", "200000")
    put("0/contexts/0/targets/nr_targets", "1")
    if pid:
        put("0/contexts/0/targets/0/pid_target", str(pid))
    else:
        put("0/contexts/0/targets/0/regions/nr_regions", "1")
        put("0/contexts/0/targets/0/regions/0/start", str(64 << 20))
        put("0/contexts/0/targets/0/regions/0/end", str(256 << 20))
    put("0/state", "on")
    return int((ADMIN / "0/pid").read_text())
