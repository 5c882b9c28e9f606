"""What a real kernel said while a known load ran (tests/data), through the real source: events for the screen."""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path

from damontui.damon.snapshot import Description, Event
from damontui.sources.damon_stat import DamonStatSource
from tests.fake_kernel import CAPTURES, FakeKernel, Stop, capture, replay

STEADY = "kernel-7.2-steady"


@cache
def run(name: str = STEADY) -> tuple[Description, tuple[Event, ...], float]:
    """The source's description, its events over the whole capture, and when the last came, seconds since 1970."""
    with tempfile.TemporaryDirectory() as folder:
        kernel = FakeKernel(Path(folder), "7.2", on=False)
        first, line = capture(name)[0]
        pid = re.search(rb"kdamond\.0-(\d+)", line)
        assert pid is not None
        kernel.now = first - 1.0
        kernel.advance(0)
        kernel.at(first - 0.1, lambda: kernel.start(int(pid[1])))
        replay(kernel, name)
        last = capture(name)[-1][0]
        kernel.put("proc/sys/kernel/hostname", "lab")
        system = (CAPTURES / name / "system.txt").read_text().splitlines()
        kernel.put("proc/sys/kernel/osrelease", system[0])
        kernel.put("proc/meminfo", "\n".join(line for line in system if line.startswith("Mem")))
        stop = Stop(kernel)
        kernel.at(last + 0.5, stop.set)
        with DamonStatSource(
            kernel.root, clock=kernel.clock, wall=kernel.wall, pause=kernel.advance, program="/usr/bin/damontui"
        ) as source:
            events = tuple(source.snapshots(stop))
            return source.describe(), events, kernel.wall()
