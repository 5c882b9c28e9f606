"""``export`` for a day: what it holds in memory, what a snapshot and a scrape cost. The day passes on a clock of ours.

A source hands out a snapshot every few seconds, is switched off and on each hour, loses its trace and fails now and
then; the exporter makes its readings, and one of a hundred is scraped in both formats.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from damontui.commands.scrape import Exporter
from damontui.damon.snapshot import Description, Event, Interim, Snapshot, Status
from damontui.errors import SourceError
from damontui.output import metrics
from damontui.output.metrics import Reading
from tests import make
from tests.bench.history import scene

EVERY_S = 5.0
REGIONS = 200


class Day:
    """A source of a day's events; its clock stands still between them."""

    def __init__(self, hours: float) -> None:
        self.now = 0.0
        self.end = hours * 3600
        self.enabled = True
        self.base = [scene(REGIONS, EVERY_S, seed) for seed in range(120)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def describe(self) -> Description:
        return make.description()

    def overhead(self) -> float:
        return self.now / 1000

    def clock(self) -> float:
        return self.now

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        yield make.status("on", "on", self.now)
        while self.now < self.end:
            self.now += EVERY_S
            step = round(self.now / EVERY_S)
            if step % 720 == 0:
                yield make.status("off", "off", self.now)
                self.now += 60.0
                yield make.status("on", "on", self.now)
            if step % 1000 == 0:
                raise SourceError("the trace is gone", f"at {self.now:g} s")
            one = self.base[step % len(self.base)]
            fresh = {name: getattr(one, name).copy() for name in ("start", "end", "nr_accesses", "age", "target")}
            module = make.module_values(bandwidth=step)
            yield Interim(self.now, make.WALL + self.now, module, total=one.total_bytes)
            yield replace(
                one, time=self.now, began=self.now - EVERY_S, wall=make.WALL + self.now, module=module, **fresh
            )
        yield Status("ended", "the day is over", self.now, make.WALL + self.now)


def resident() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def run(smoke: bool) -> list[dict[str, Any]]:
    """Rows with what is held after each quarter of the day."""
    logging.getLogger("damontui").setLevel(logging.ERROR)  # that it fails now and then is meant
    hours = 1.0 if smoke else 24.0
    day, rows, costs = Day(hours), [], []
    seen = snapshots = 0
    stop = threading.Event()
    stop.wait = lambda timeout=None: stop.is_set()  # type: ignore[method-assign]
    looks = [hours * 900 * quarter for quarter in (1, 2, 3, 4)]

    def publish(reading: Reading) -> None:
        nonlocal seen, snapshots
        seen += 1
        snapshots += isinstance(reading.snapshot, Snapshot)
        if seen % 100 == 0:
            began = time.perf_counter()
            metrics.text(reading)
            metrics.negotiated(reading, "application/openmetrics-text;version=1.0.0")
            costs.append((time.perf_counter() - began) / 2 * 1e3)
        if looks and day.now >= looks[0]:
            looks.pop(0)
            gc.collect()
            rows.append({"hour": round(day.now / 3600, 1), "readings": seen, "MiB": round(resident(), 1)})

    began = time.process_time()
    with day as source:
        Exporter(source, publish, lambda sentence: None, clock=day.clock, cpu=lambda: 0.0).run(stop)
    used = time.process_time() - began
    rows[-1] |= {"CPU ms a reading": round(used / seen * 1e3, 2), "ms a scrape": round(float(np.median(costs)), 2)}
    return rows
