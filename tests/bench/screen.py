"""What the screen costs, in a real pseudo-terminal of 120×36 with true colour and 1,000 regions.

CPU is that of the whole process (monitor thread, painting, writing) as a share of one core; first paint is compared
with an empty Textual app's in the same run; memory is measured after an hour's snapshots at one a second.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COLUMNS, ROWS = 120, 36


class Terminal:
    """A child process on a pseudo-terminal whose output is read as fast as it comes."""

    def __init__(self, arguments: list[str]) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environ = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "DAMONTUI_READ_ONLY": "1"}
        environ.pop("NO_COLOR", None)
        environ.pop("TEXTUAL_ANIMATIONS", None)
        environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled, as Textual beside it and as it is installed
        self.began = time.perf_counter()
        self.child = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        os.close(slave)
        self.master = master
        self.bytes = 0
        self.tail = b""
        self.painted: tuple[float, float] | None = None
        """Seconds from exec to the first paint's bytes, and CPU seconds used until then."""
        self.marks = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            with self.marks:
                self.bytes += len(data)
                self.tail = (self.tail + data)[-200_000:]
                if self.painted is None and b"painted" in self.tail:
                    self.painted = time.perf_counter() - self.began, self._cpu_seconds()
                self.marks.notify_all()

    def wait(self, text: bytes, limit: float = 120.0) -> None:
        """Until the text has been written to the terminal."""
        with self.marks:
            if not self.marks.wait_for(lambda: text in self.tail, limit):
                raise TimeoutError(f"{text!r} was not painted: {self.tail[-2000:]!r}")

    def cpu(self, seconds: float) -> tuple[float, float]:
        """``(share of one core, bytes a second written)`` over that time."""
        before, written, began = self._cpu_seconds(), self.bytes, time.perf_counter()
        time.sleep(seconds)
        took = time.perf_counter() - began
        return (self._cpu_seconds() - before) / took, (self.bytes - written) / took

    def _cpu_seconds(self) -> float:
        # nanoseconds of every thread: the ticks in "stat" are too coarse for a share of 0.3 %
        total = 0
        for task in Path(f"/proc/{self.child.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def resident(self) -> int:
        """Bytes of memory."""
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise OSError("no VmRSS")

    def press(self, key: bytes) -> None:
        """A key."""
        os.write(self.master, key)

    def close(self) -> None:
        """Leave the child."""
        self.press(b"q")
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        os.close(self.master)


@contextmanager
def terminal(*arguments: str, module: str = "tests.bench.screen") -> Iterator[Terminal]:
    made = Terminal([module, *arguments])
    try:
        yield made
    finally:
        made.close()


def first_paint(kind: str) -> tuple[float, float]:
    """Seconds from exec to the first paint's bytes, and CPU seconds used until then."""
    with terminal(kind) as made:
        made.wait(b"painted")
        assert made.painted is not None
        return made.painted


def run(smoke: bool) -> list[dict[str, Any]]:
    """One row a measurement: what, its value, its unit, and the aim where there is one."""
    seconds, starts, past = (2.0, 1, 120) if smoke else (15.0, 7, 3600)
    rows: list[dict[str, Any]] = []
    for rate, aim in ((1, 3.0), (10, 12.0)):
        with terminal("feed", str(rate), str(past if rate == 1 else 300)) as made:
            made.wait(b"LIVE")
            time.sleep(3.0 if not smoke else 1.0)  # the past has been taken in, and the tuning of caches is over
            share, written = made.cpu(seconds)
            rows.append(_row(f"CPU at {rate} Hz, 1,000 regions", share * 100, "% of a core", aim))
            rows.append(_row(f"written at {rate} Hz", written / 1000, "kB/s", None))
            if rate == 1:
                rows.append(_row(f"memory after {past} snapshots", made.resident() / 1e6, "MB", 120.0))
                made.press(b"e")
                made.wait(b"off since")
                time.sleep(1.5)
                rows.append(_row("CPU switched off", made.cpu(seconds)[0] * 100, "% of a core", 0.3))
    with terminal("demo", module="damontui") as made:
        made.wait(b"SIMULATED")
        time.sleep(8.0 if not smoke else 2.0)  # its intervals are tuned, once a second from then on
        rows.append(_row("CPU of the demo, engine included", made.cpu(2 * seconds)[0] * 100, "% of a core", 1.0))
    # in turns, and the best of each: other work on the machine meets both alike
    pairs = [(first_paint("empty"), first_paint("feed")) for _ in range(starts)]
    empty, ours = (min(seconds for seconds, _ in kind) for kind in zip(*pairs, strict=True))
    empty_cpu, ours_cpu = (min(cpu for _, cpu in kind) for kind in zip(*pairs, strict=True))
    rows.append(_row("first paint", ours * 1000, "ms", None))
    rows.append(_row("first paint of an empty Textual app", empty * 1000, "ms", None))
    rows.append(_row("first paint over the empty app's", (ours - empty) * 1000, "ms", 250.0))
    rows.append(_row("CPU until first paint over the empty app's", (ours_cpu - empty_cpu) * 1000, "ms", None))
    rows.append(_row("first paint to the empty app's", ours / empty, "times", None))
    return rows


def _row(what: str, value: float, unit: str, aim: float | None) -> dict[str, Any]:
    return {"what": what, "value": round(value, 3), "unit": unit, "aim": "" if aim is None else f"≤ {aim:g}"}


# -- the child ---------------------------------------------------------------------------------------------------------


def _feed(rate: float, past: int) -> None:
    from dataclasses import replace

    from damontui.damon.attrs import Attrs
    from damontui.damon.snapshot import Description, Event, Status
    from damontui.monitor import Monitor
    from damontui.session.session import Session
    from damontui.tui.app import DamontuiApp
    from tests import make

    class Feeder:
        """1,000 regions whose pattern moves, a past at once and then ``rate`` snapshots a second."""

        def __init__(self) -> None:
            self.on = True
            self.off = threading.Event()

        def __enter__(self) -> Feeder:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def describe(self) -> Description:
            return Description("painted", "painted", "kernel", Attrs())

        @property
        def enabled(self) -> bool:
            return self.on

        @enabled.setter
        def enabled(self, on: bool) -> None:
            self.on = on
            if not on:
                self.off.set()

        def snapshots(self, stop: threading.Event) -> Iterator[Event]:
            attrs = Attrs(sample_us=round(50_000 / rate), aggr_us=round(1_000_000 / rate))
            cycle = [replace(make.many_regions(step=step), attrs=attrs, next_attrs=attrs) for step in range(69)]
            zero = time.time()
            number = -past
            while not stop.is_set():
                now = number / rate
                # arrays of its own, as a real source's are: shared ones would hide what the history costs
                base = cycle[number % len(cycle)]
                yield replace(
                    base,
                    time=now,
                    began=now - 1 / rate,
                    wall=zero + now,
                    start=base.start.copy(),
                    end=base.end.copy(),
                    nr_accesses=base.nr_accesses.copy(),
                    age=base.age.copy(),
                    target=base.target.copy(),
                )
                number += 1
                if number > 0 and stop.wait(max(0.0, zero + number / rate - time.time())):
                    return
                if self.off.is_set():
                    yield Status("off", "switched off", now, time.time())
                    return

        def overhead(self) -> float:
            return 0.0

    DamontuiApp(Session(Monitor(Feeder()))).run()


def _empty() -> None:
    from textual.app import App, ComposeResult
    from textual.binding import Binding
    from textual.widgets import Static

    class Empty(App[None]):
        """The least that Textual can show."""

        BINDINGS = [Binding("q", "quit")]  # noqa: RUF012

        def compose(self) -> ComposeResult:
            yield Static("painted")

    Empty().run()


if __name__ == "__main__":
    if sys.argv[1] == "empty":
        _empty()
    else:
        _feed(float(sys.argv[2]) if len(sys.argv) > 2 else 1.0, int(sys.argv[3]) if len(sys.argv) > 3 else 0)
