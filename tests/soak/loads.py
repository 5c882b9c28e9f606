"""What runs for hours, each in a process of its own: ``python -m tests.soak.loads NAME SECONDS``."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

from damontui.commands.scrape import Exporter, Newest, Server, TextFile
from damontui.damon.snapshot import Snapshot
from damontui.history import History
from damontui.monitor import Monitor
from damontui.output.metrics import Reading
from damontui.records.own import RecordWriter
from damontui.session.session import Session
from damontui.sources.active import ActiveSource
from damontui.sources.choose import choose
from damontui.sources.damon_stat import DamonStatSource
from damontui.sources.options import Options
from damontui.tui.app import DamontuiApp
from tests.fake_kernel import FakeKernel, Stop, replay

BUDGET = 8 << 20
"""Bytes for the past: small, so that it is full soon and whatever grows is no history."""
DAY = 86_400.0
_KEYS = ("m", "z", "space", "space", "n", "left", "right", "l", "l", "question_mark", "escape", "s", "s", "escape")


def screen(until: float) -> None:
    """The live monitor on simulated memory, sixty times as fast, with somebody at the keys."""

    async def session() -> None:
        source = choose("demo:server", Options(speed=60.0, seed=1))
        with ActiveSource(source) as active:
            app = DamontuiApp(Session(Monitor(active.source, History(BUDGET)), active=active))
            async with app.run_test(size=(120, 36)) as pilot:
                for key in itertools.cycle(_KEYS):
                    if time.monotonic() > until:
                        break
                    await pilot.press(key)
                    await asyncio.sleep(0.5)

    asyncio.run(session())


def _flap(kernel: FakeKernel, *, on: bool) -> None:
    if not on:
        kernel.end()
    elif kernel.pid is None:
        kernel.start()


def flapping(until: float) -> None:
    """DAMON_STAT on a made-up kernel whose switch goes on and off, entered and left again and again."""
    while time.monotonic() < until:
        with tempfile.TemporaryDirectory() as folder:
            kernel = FakeKernel(Path(folder))
            replay(kernel, "kernel-7.2-steady")
            for number in range(60):
                kernel.at(1000.0 + number * 0.7, partial(_flap, kernel, on=number % 2 == 0))
            made = DamonStatSource(kernel.root, clock=kernel.clock, wall=kernel.wall, pause=kernel.advance)
            history = History(BUDGET)
            with made:
                stop = Stop(kernel)
                for event in made.snapshots(stop):
                    if isinstance(event, Snapshot):
                        history.append(event)
                    if kernel.over or time.monotonic() > until:
                        stop.set()
        time.sleep(0.2)


def day(until: float) -> None:
    """A record of 24 simulated hours, replayed from its beginning again and again under a history of eight MiB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.damontui"
        source = choose("demo:server", Options(speed=float("inf"), seed=1))
        with source, RecordWriter(path, source.describe()) as writer:
            began: float | None = None
            for event in source.snapshots(threading.Event()):
                if isinstance(event, Snapshot):
                    began = event.began if began is None else began
                    writer.append(event)
                    if event.time - began >= DAY or time.monotonic() > until:
                        break
        while time.monotonic() < until:
            history = History(BUDGET)
            with choose(str(path), Options(speed=float("inf"))) as source:
                for number, event in enumerate(source.snapshots(threading.Event())):
                    if isinstance(event, Snapshot):
                        history.append(event)
                    if number % 500 == 0:
                        time.sleep(0.05)  # leave the machine to others
                        if time.monotonic() > until:
                            break
            print("a day", flush=True)


def exporter(until: float) -> None:
    """The exporter on that same flapping switch, its file written and its page scraped four times a second."""
    newest = Newest()
    server = Server("127.0.0.1", 0, newest)
    threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(0.25):
            if newest.reading is not None:
                with urllib.request.urlopen(server.url, timeout=10) as answer:
                    answer.read()

    threading.Thread(target=scrape, daemon=True).start()
    with tempfile.TemporaryDirectory() as place:
        while time.monotonic() < until:
            with tempfile.TemporaryDirectory() as folder, TextFile(Path(place) / "soak.prom", every=0.25) as file:
                kernel = FakeKernel(Path(folder))
                replay(kernel, "kernel-7.2-steady")
                for number in range(60):
                    kernel.at(1000.0 + number * 0.7, partial(_flap, kernel, on=number % 2 == 0))
                made = DamonStatSource(kernel.root, clock=kernel.clock, wall=kernel.wall, pause=kernel.advance)
                stop = Stop(kernel)

                def publish(
                    reading: Reading, kernel: FakeKernel = kernel, stop: Stop = stop, file: TextFile = file
                ) -> None:
                    newest.reading = reading
                    file.take(reading)
                    time.sleep(0.02)
                    if kernel.over or time.monotonic() > until:
                        stop.set()

                with made:
                    Exporter(made, publish, print, clock=kernel.clock).run(stop)
    over.set()
    server.shutdown()
    server.server_close()


LOADS: dict[str, Callable[[float], None]] = {"screen": screen, "flapping": flapping, "day": day, "exporter": exporter}

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        LOADS[sys.argv[1]](time.monotonic() + float(sys.argv[2]))
