"""Runs N inputs that are valid but for one thing, and says what was tried, what went wrong, what hung and what it took.

The same seed makes the same inputs; ``--first`` and ``--runs 1`` repeat one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field

from tests.fuzz.areas import AREAS

PATIENCE = 30.0
"""Seconds that one run may take before it is a hang."""


@dataclass
class Tally:
    """What came of an area."""

    tried: int = 0
    taken: int = 0
    """Runs whose input was taken: exit status 0."""
    faults: int = 0
    hangs: int = 0
    rss: int = 0
    """Kilobytes, the most that a process had when a run of this area was over; 0 where another area's was more."""


@dataclass
class Worker:
    """One process with every ``step``-th run from ``first`` on."""

    seed: str
    first: int
    step: int
    last: int
    only: str
    process: subprocess.Popen[bytes] | None = None
    rest: bytes = b""
    number: int = -1
    area: str = ""
    words: list[str] | None = None
    since: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Begin, or go on after a hang."""
        words = [self.seed, str(self.first), str(self.step), str(self.last), self.only]
        environ = os.environ | {
            "DAMONTUI_READ_ONLY": "1",
            "DAMONTUI_MADE_UP_KERNEL": "1",
            "HOME": "/nonexistent",
            "TERM": "xterm-256color",
            "COLUMNS": "100",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environ,
        )
        self.rest, self.since = b"", time.monotonic()

    @property
    def output(self) -> int:
        """The descriptor of its answers."""
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def end(self) -> None:
        """No more of it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None


def fuzz(
    seed: str, first: int, runs: int, jobs: int, only: str, most_seconds: float
) -> tuple[dict[str, Tally], list[str]]:
    """The tally of each area, and a line for each thing that went wrong."""
    tallies = {name: Tally() for name in AREAS}
    wrong: list[str] = []
    workers = [Worker(seed, first + n, jobs, first + runs, only) for n in range(min(jobs, runs))]
    until = time.monotonic() + most_seconds
    for worker in workers:
        worker.start()
    told = 0
    while alive := [worker for worker in workers if worker.process is not None]:
        ready, _, _ = select.select([worker.output for worker in alive], [], [], 0.5)
        for worker in alive:
            if worker.output in ready:
                _hear(worker, tallies, wrong)
            elif time.monotonic() - worker.since > PATIENCE:
                tallies[worker.area or next(iter(AREAS))].hangs += 1
                wrong.append(
                    f"run {worker.number} ({worker.area}): {worker.words}\nit did not end within {PATIENCE:g} s"
                )
                worker.end()
                worker.first = worker.number + worker.step
                if worker.first < worker.last:
                    worker.start()
            if worker.process is not None and time.monotonic() > until:
                worker.end()
        for line in wrong[told : min(len(wrong), 50)]:
            print(line, flush=True)
        told = len(wrong)
    return tallies, wrong


def _hear(worker: Worker, tallies: dict[str, Tally], wrong: list[str]) -> None:
    data = os.read(worker.output, 1 << 16)
    if not data:
        assert worker.process is not None
        status = worker.process.wait()
        if status != 0:
            wrong.append(f"run {worker.number} ({worker.area}): the process ended with {status}")
            tallies[worker.area or next(iter(AREAS))].faults += 1
            worker.end()
            worker.first = worker.number + worker.step
            if worker.number >= 0 and worker.first < worker.last:
                worker.start()
            return
        worker.end()
        return
    worker.since = time.monotonic()
    *lines, worker.rest = (worker.rest + data).split(b"\n")
    for line in lines:
        answer = json.loads(line)
        if "begins" in answer:
            worker.number, worker.area, worker.words = answer["begins"], answer["area"], answer.get("words")
            continue
        tally = tallies[answer["area"]]
        tally.tried += 1
        tally.taken += answer.get("status") == 0
        tally.rss = max(tally.rss, answer.get("rss", 0))
        if answer["wrong"]:
            tally.faults += 1
            wrong.append(f"run {answer['number']} ({answer['area']}): {answer.get('words')}\n{answer['wrong']}")


def main(words: list[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", help="a new one where left out; it is printed")
    parser.add_argument("--first", type=int, default=0, help="the first run's number (0)")
    parser.add_argument("--runs", type=int, default=3_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=sorted(AREAS), default="", help="one area")
    parser.add_argument("--most", type=float, default=1e9, metavar="S", help="end after so many seconds")
    chosen = parser.parse_args(words)
    seed = chosen.seed or f"{random.SystemRandom().getrandbits(32):08x}"
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    tallies, wrong = fuzz(seed, chosen.first, chosen.runs, chosen.jobs, chosen.only, chosen.most)
    columns = ("tried", "taken", "faults", "hangs", "peak MiB")
    print(f"{'area':<14}" + "".join(f"{name:>10}" for name in columns))
    rows = [(name, tally) for name, tally in tallies.items()]
    whole = Tally(*(sum(getattr(t, name) for t in tallies.values()) for name in ("tried", "taken", "faults", "hangs")))
    whole.rss = max(tally.rss for tally in tallies.values())
    for name, tally in (*rows, ("all", whole)):
        numbers = (tally.tried, tally.taken, tally.faults, tally.hangs, tally.rss >> 10 or "–")
        print(f"{name:<14}" + "".join(f"{number:>10}" for number in numbers))
    print(f"in {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
