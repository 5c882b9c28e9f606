"""The program with one more kind of target, whose source writes down how it was entered and left.

Run as ``python -m tests.fake_program LOG WORDS…``; targets are ``fake:BEHAVIOUR``.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from damontui import cli
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Event, Snapshot, Status
from damontui.errors import SourceError
from damontui.sources import choose

LOG = Path(sys.argv[1])


def note(text: str) -> None:
    with LOG.open("a") as file:
        file.write(text + "\n")


class FakeSource:
    """Yields ten snapshots a second, or does what its word says."""

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.enabled = True

    def __enter__(self) -> FakeSource:
        if self.behaviour == "refused":
            raise SourceError("cannot read the fake", "it says no", "ask another one")
        note("entered")
        return self

    def __exit__(self, *error: object) -> None:
        time.sleep(0.2)  # giving back takes a moment, in which a second signal may come
        note(f"left {getattr(error[0], '__name__', None)}")

    def describe(self) -> Description:
        return Description(f"fake:{self.behaviour}", "fake", "simulated", Attrs())

    def overhead(self) -> float:
        return 0.0

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        note("iterating")
        states = {"off": "off", "gone": "gone", "ended": "ended"}
        if self.behaviour in states:
            yield Status(states[self.behaviour], f"it is {self.behaviour}", 0.0, 0.0)  # type: ignore[arg-type]
            return
        if self.behaviour == "fault":
            raise ZeroDivisionError("a fault")
        if self.behaviour == "waiting":
            yield Status("waiting", "the first aggregation, at most 10 s", 0.0, 0.0)
        if self.behaviour in ("waiting", "slow"):
            stop.wait(60)
            return
        if self.behaviour == "stuck":
            reader, _ = os.pipe()
            os.read(reader, 1)
        step = 0
        while not stop.wait(0.1):
            step += 1
            one = snapshot(step)
            if step == 1 and self.behaviour in ("watched", "ahead", "set"):
                one = replace(one, began=one.time - 3600.0)  # its first aggregation took an hour
            if self.behaviour in ("watched", "ahead"):  # for an hour, by a clock that is right, or an hour ahead
                wall = time.time() + (3600 if self.behaviour == "ahead" else 0)
                one = replace(one, watched=3600.0, wall=wall)
            if self.behaviour == "set":  # what a file beside the log says: how far the clock is ahead, and watched for
                ahead, watched = map(float, Path(f"{LOG}.set").read_text().split())
                one = replace(one, watched=watched, wall=time.time() + ahead)
            yield one
            note(f"gave {step}")


def snapshot(step: int) -> Snapshot:
    attrs = Attrs()
    edges = np.array([0, 1 << 20, 1 << 24], np.int64)
    return Snapshot(
        time=step * 0.1,
        began=(step - 1) * 0.1,
        wall=1e9 + step * 0.1,
        attrs=attrs,
        next_attrs=attrs,
        start=edges[:-1].copy(),
        end=edges[1:].copy(),
        nr_accesses=np.array([20, 0], np.int64),
        age=np.array([step, step], np.int64),
        target=np.zeros(2, np.int64),
        origin="simulated",
    )


if __name__ == "__main__":
    choose.TARGET_KINDS.insert(
        0,
        choose.TargetKind(
            "fake:BEHAVIOUR", "a test", lambda w: w.startswith("fake:"), lambda w, _: FakeSource(w.partition(":")[2])
        ),
    )
    sys.argv = ["damontui", *sys.argv[2:]]
    sys.exit(cli.main())
