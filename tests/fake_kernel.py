"""A made-up kernel: plain files below a folder that answer as DAMON_STAT, tracefs and /proc do, on a clock of ours.

Nothing runs by itself: time passes only in `FakeKernel.advance` (which the source's waiting calls), and what was
planned for a moment (`FakeKernel.at`) happens when the clock reaches it.
"""

from __future__ import annotations

import builtins
import errno
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from damontui.kernel.root import KernelError, Root

CAPTURES = Path(__file__).parent / "data"
PARAMETERS = "sys/module/damon_stat/parameters"
TRACING = "sys/kernel/tracing"
ADMIN = "sys/kernel/mm/damon/admin/kdamonds"
FLAVOURS = ("6.17", "6.18", "7.2")
EVENTS = ("damon_aggregated", "damon_monitor_intervals_tune")
_UP = 10_000.0  # CLOCK_BOOTTIME runs ahead of CLOCK_MONOTONIC
ZEROS = ",".join(["0"] * 101)


class FakeRoot(Root):
    """A root whose files can be made to fail: ``faults[ending of the name]`` is an errno, or a text to read."""

    def __init__(self, kernel: FakeKernel, folder: Path, *, read_only: bool = False) -> None:
        super().__init__(folder, read_only=read_only)
        self.kernel = kernel
        self.faults: dict[str, int | str] = {}
        self.write_faults: dict[str, int] = {}
        self.writes: list[tuple[str, str]] = []
        self.busy: set[str] = set()
        """Trace instances that somebody reads: the kernel does not remove them."""

    def _fault(self, name: str, faults: dict[str, int]) -> None:
        for ending, number in faults.items():
            if name.endswith(ending):
                raise KernelError(f"cannot use {self.path(name)}", OSError(number, os.strerror(number)))

    def read(self, name: str) -> str:
        for ending, text in self.faults.items():
            if isinstance(text, str) and name.endswith(ending):
                return text
        self._fault(name, {key: value for key, value in self.faults.items() if isinstance(value, int)})
        return super().read(name)

    def read_ints(self, folder: str, names: Sequence[str]) -> builtins.list[int]:
        return [self.read_int(f"{folder}/{name}") for name in names]

    def list(self, name: str) -> list[str]:
        self._fault(name, {key: value for key, value in self.faults.items() if isinstance(value, int)})
        return super().list(name)

    def write(self, name: str, text: str) -> None:
        if self.read_only:
            self.refuse_write(name)
        self._fault(name, self.write_faults)
        self.writes.append((name, text))
        if not self.path(name).is_file():
            raise KernelError(f"cannot write {self.path(name)}", OSError(errno.ENOENT, ""))
        if name == f"{PARAMETERS}/enabled":
            try:
                self.kernel.write_enabled(text)
            except OSError as error:
                raise KernelError(f"cannot write {text!r} to {self.path(name)}", error) from error
        else:
            self.path(name).write_text(text + "\n")

    def make_folder(self, name: str) -> None:
        self._fault(name, self.write_faults)
        super().make_folder(name)
        self.kernel.fill_instance(self.path(name))

    def remove_folder(self, name: str) -> None:
        if self.read_only:
            self.refuse_write(name)
        self._fault(name, self.write_faults)
        if name.rpartition("/")[2] in self.busy:
            raise KernelError(f"cannot remove {self.path(name)}", OSError(errno.EBUSY, ""))
        if not self.path(name).is_dir():
            raise KernelError(f"cannot remove {self.path(name)}", OSError(errno.ENOENT, ""))
        shutil.rmtree(self.path(name))


class Stop(threading.Event):
    """A stop event whose waiting is the passing of the kernel's time."""

    def __init__(self, kernel: FakeKernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.waited = 0.0
        self.longest = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.longest = max(self.longest, timeout)
        if not self.is_set():
            self.kernel.advance(timeout)
        return self.is_set()


class FakeKernel:
    """The made-up kernel.

    Args:
        folder: an empty folder.
        flavour: which kernel's files there are: 6.17 (no interval, no PID), 6.18 (no PID), 7.2.
        on: whether DAMON_STAT runs at first.
        pid: the first kdamond's PID; each further one's is one more.
    """

    def __init__(
        self, folder: Path, flavour: str = "7.2", *, on: bool = True, pid: int = 124, read_only: bool = False
    ) -> None:
        self.folder = folder
        self.flavour = flavour
        self.now = 1000.0
        self.pid: int | None = None
        self.active = ""
        self.echoes = flavour != "7.2"
        self.stuck = False
        self.on_start: Callable[[], None] = lambda: None
        self._next_pid = pid
        self._plan: list[tuple[float, int, Callable[[], None]]] = []
        self._made = 0
        self.root = FakeRoot(self, folder, read_only=read_only)
        for name, text in {
            f"{PARAMETERS}/enabled": "N",
            f"{PARAMETERS}/estimated_memory_bandwidth": "0",
            f"{PARAMETERS}/memory_idle_ms_percentiles": ZEROS,
            "proc/sys/kernel/osrelease": f"{flavour}.0-made-up",
            "proc/sys/kernel/hostname": "made-up",
            "proc/2/comm": "kthreadd",
            "proc/iomem": "00001000-0009fbff : System RAM\n00100000-7ffdffff : System RAM\n  01000000-01ffffff : K",
            f"{ADMIN}/nr_kdamonds": "0",
        }.items():
            self.put(name, text)
        if flavour != "6.17":
            self.put(f"{PARAMETERS}/aggr_interval_us", "100000")
        if flavour == "7.2":
            self.put(f"{PARAMETERS}/kdamond_pid", "-1")
        self.task(os.getpid(), "python", flags=0)
        (folder / "proc/self").symlink_to(str(os.getpid()))
        (folder / TRACING / "instances").mkdir(parents=True)
        for event in EVENTS:
            self.put(f"{TRACING}/events/damon/{event}/enable", "0")
        self.advance(0.0)
        if on:
            self.start(age=3600.0)

    # Files

    def put(self, name: str, text: str) -> None:
        """A file with a text."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    def remove(self, name: str) -> None:
        """No such file or folder any more."""
        path = self.folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def instances(self) -> list[str]:
        """The names of the trace instances; none where tracefs is hidden."""
        folder = self.folder / TRACING / "instances"
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def fill_instance(self, folder: Path) -> None:
        """What the kernel puts into a new instance."""
        for name in ("trace_pipe", "trace_clock", "buffer_size_kb", "tracing_on"):
            (folder / name).write_text("")
        for event in EVENTS:
            if (self.folder / TRACING / "events/damon" / event).is_dir():
                place = folder / "events/damon" / event
                place.mkdir(parents=True)
                (place / "enable").write_text("0\n")
                (place / "filter").write_text("none\n")

    def task(
        self,
        pid: int,
        comm: str,
        *,
        state: str = "S",
        flags: int = 0x20_8040,
        cmdline: str = "",
        age: float = 0.0,
        pages: int = 0,
    ) -> None:
        """A task in /proc, ``pages`` of it resident; a thread of the kernel unless ``flags`` says otherwise."""
        started = round((self.now + _UP - age) * 100)
        fields = [state, "2", "0", "0", "0", "-1", str(flags), *["0"] * 12, str(started), "0", str(pages), *["0"] * 18]
        self.put(f"proc/{pid}/comm", comm)
        self.put(f"proc/{pid}/cmdline", cmdline)
        self.put(f"proc/{pid}/stat", f"{pid} ({comm}) {' '.join(fields)}")
        self.put(f"proc/{pid}/schedstat", "1000000 0 0")
        self.put(f"proc/{pid}/status", f"Name:\t{comm}\nvoluntary_ctxt_switches:\t0")

    # DAMON_STAT

    def start(self, pid: int | None = None, *, age: float = 0.0) -> None:
        """DAMON_STAT's kdamond starts, or has been started ``age`` seconds ago."""
        self.pid = pid if pid is not None else self._next_pid
        self._next_pid = self.pid + 1
        self.task(self.pid, "kdamond.0", age=age)
        self.put(f"{PARAMETERS}/enabled", "Y")
        if self.flavour == "7.2":
            self.put(f"{PARAMETERS}/kdamond_pid", str(self.pid))
        self.on_start()

    def end(self) -> None:
        """DAMON_STAT's kdamond ends; what the module said last stays."""
        if self.pid is not None:
            self.remove(f"proc/{self.pid}")
        self.pid = None
        self.put(f"{PARAMETERS}/enabled", "N")
        if self.flavour == "7.2":
            self.put(f"{PARAMETERS}/kdamond_pid", "-1")

    def write_enabled(self, text: str) -> None:
        """What the kernel does with a word written to ``enabled``."""
        if text not in ("Y", "N"):
            raise OSError(errno.EINVAL, "Invalid argument")
        said = (self.folder / PARAMETERS / "enabled").read_text().strip()
        if text == said:
            return
        if text == "N":
            if self.stuck:
                return
            self.end()
        elif self.active:
            if self.echoes:
                self.put(f"{PARAMETERS}/enabled", "Y")
            raise OSError(errno.EBUSY, "Device or resource busy")
        elif not self.stuck:
            self.start()
        else:
            self.put(f"{PARAMETERS}/enabled", "Y" if self.echoes else "N")

    def hold(self, pid: int = 300) -> None:
        """A kdamond of somebody's own over sysfs."""
        self.active = "sysfs"
        self.task(pid, "kdamond.1")
        self.put(f"{ADMIN}/nr_kdamonds", "1")
        self.put(f"{ADMIN}/0/state", "on")
        self.put(f"{ADMIN}/0/pid", str(pid))

    def say(self, **values: int | str) -> None:
        """What the module's parameters say now; a file that this flavour lacks is left out."""
        for name, value in values.items():
            if (self.folder / PARAMETERS / name).exists():
                self.put(f"{PARAMETERS}/{name}", str(value))

    # The trace

    def feed(self, text: bytes) -> None:
        """Lines of trace for every instance that wants them: its events switched on, its filter let through."""
        for name in self.instances():
            folder = self.folder / TRACING / "instances" / name
            with open(folder / "trace_pipe", "ab") as pipe:
                for line in text.splitlines(keepends=True):
                    event = re.search(rb": (\w+): ", line)
                    if event is not None:
                        place = folder / "events/damon" / event[1].decode()
                        if not place.is_dir() or (place / "enable").read_text().strip() != "1":
                            continue
                        wanted = re.search(r"common_pid==(\d+)", (place / "filter").read_text())
                        of = re.search(rb"-(\d+) ", line)
                        if wanted is not None and of is not None and int(of[1]) != int(wanted[1]):
                            continue
                    pipe.write(line)

    # Time

    def clock(self) -> float:
        """CLOCK_MONOTONIC."""
        return self.now

    def wall(self) -> float:
        """Seconds since 1970."""
        return self.now + 1_700_000_000.0

    def at(self, time: float, what: Callable[[], None]) -> None:
        """Plan something."""
        self._plan.append((time, self._made, what))
        self._plan.sort(key=lambda entry: entry[:2])
        self._made += 1

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self._plan and self._plan[0][0] <= until:
            time, _, what = self._plan.pop(0)
            self.now = max(self.now, time)
            what()
        self.now = until
        self.put("proc/uptime", f"{until + _UP:.2f} 0.00")

    @property
    def over(self) -> bool:
        """Whether all that was planned has happened."""
        return not self._plan


def capture(name: str) -> list[tuple[float, bytes]]:
    """The lines of a captured trace with their times; several with one time stay together."""
    lines = (CAPTURES / name / "trace.txt").read_bytes().splitlines(keepends=True)
    return [(float(re.search(rb" (\d+\.\d+): ", line)[1]), line) for line in lines]  # type: ignore[index]


def replay(kernel: FakeKernel, name: str, *, since: float = 0.0) -> int:
    """Plan a captured run on its own clock from ``since`` on, trace and parameters. Returns the kdamond's PID."""
    lines = [(time, line) for time, line in capture(name) if time >= since]
    pid = int(re.search(rb"kdamond\.0-(\d+)", lines[0][1])[1])  # type: ignore[index]
    for time, line in lines:
        kernel.at(time, lambda line=line: kernel.feed(line))  # type: ignore[misc]
    for text in (CAPTURES / name / "stat.jsonl").read_text().splitlines():
        values = json.loads(text)
        time = values.pop("t")
        for known in ("enabled", "kdamond_pid"):
            values.pop(known, None)
        if time < since:  # what was there already
            kernel.say(**values)
        else:
            kernel.at(time, lambda values=values: kernel.say(**values))  # type: ignore[misc]
    return pid
