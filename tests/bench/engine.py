"""CPU time of one sampling interval in our engine, against the same engine in C (``damon.c``) on the same memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from damontui.damon.attrs import PAGE_SIZE, Attrs
from damontui.damon.context import Context
from damontui.operations.areas import Area, poisson
from damontui.operations.workload import Workload

ATTRS = Attrs()
TOTAL = 64 << 30
SCENARIOS = ((8, "busy", 3.0), (64, "busy", 2.5), (997, "busy", 2.0), (8, "quiet", None))
"""Areas, their rates, and how many times the C program's time is aimed at; none where so few regions remain that
an interval, seconds long by then, costs microseconds either way."""
_SEED = 20
_ROUNDS = 3


def areas(count: int, rates: str = "busy") -> list[tuple[int, int, float]]:
    """``start end rate`` of areas of uneven size that fill the memory.

    Busy: rates evenly (by logarithm) from 0.1 to 100 Hz, so that the number of regions is held down by the maximum.
    Quiet: every other area idle, the rest at 1000 Hz, so that hardly more than the areas themselves remain.
    """
    rng = np.random.default_rng(count)
    cuts = np.sort(rng.choice(TOTAL // PAGE_SIZE - 1, count - 1, replace=False) + 1) * PAGE_SIZE
    edges = [0, *cuts.tolist(), TOTAL]
    spread = np.geomspace(0.1, 100, count) if rates == "busy" else np.arange(count) % 2 * 1000.0
    return list(
        zip(edges[:-1], edges[1:], (rng.permutation(spread) if rates == "busy" else spread).tolist(), strict=True)
    )


def compiled(folder: str) -> Path | str:
    """The C program, or why there is none."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return "no C compiler (cc, gcc, clang) on this system"
    program = Path(folder) / "damon"
    source = Path(__file__).with_name("damon.c")
    command = [compiler, "-O2", "-o", str(program), str(source), "-lm"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        return f"{compiler} failed: {(result.stderr.strip().splitlines() or ['no message'])[0]}"
    return program


def in_c(program: Path, memory: list[tuple[int, int, float]], warm: int, measured: int) -> dict[str, Any]:
    """Seconds and ticks of the measured aggregations, mean regions while sampling and after merging."""
    head = (len(memory), ATTRS.min_regions, ATTRS.max_regions, ATTRS.sample_us, ATTRS.aggr_samples)
    lines = [" ".join(map(str, (*head, warm, measured, _SEED))), *(f"{s} {e} {r!r}" for s, e, r in memory)]
    done = subprocess.run([program], input="\n".join(lines), capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def context(memory: list[tuple[int, int, float]], attrs: Attrs = ATTRS) -> Context:
    """Our engine over that memory."""
    rng = np.random.default_rng(_SEED)
    model = Workload([Area(str(i), s, e - s, poisson(r)) for i, (s, e, r) in enumerate(memory)], rng=rng)
    return Context(_Plain(model), attrs, rng, origin="simulated")


class _Plain:
    """Only what an operations set must have, and ``count``: neither names nor truth, which C does not compute."""

    def __init__(self, model: Workload) -> None:
        self.targets, self.prepare, self.check = model.targets, model.prepare, model.check
        self.update, self.valid, self.count = model.update, model.valid, model.count


def in_python(memory: list[tuple[int, int, float]], warm: int, measured: int) -> dict[str, Any]:
    """The same of ours."""
    ours = context(memory)
    for _ in range(warm):
        ours.aggregate()
    sampled = merged = 0
    began = time.process_time()
    for _ in range(measured):
        sampled += len(ours.regions)
        merged += len(ours.aggregate())
    return {
        "seconds": time.process_time() - began,
        "ticks": measured * ATTRS.aggr_samples,
        "sampled": sampled / measured,
        "merged": merged / measured,
        "sample_us": ours.attrs.sample_us,
    }


def run(smoke: bool) -> list[dict[str, Any]]:
    """One row for each scenario; the fastest of some rounds that take turns, so that both meet the same load."""
    warm, measured, rounds = (5, 5, 1) if smoke else (60, 300, _ROUNDS)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(folder)
        for count, rates, aim in SCENARIOS:
            memory = areas(count, rates)
            ours: list[dict[str, Any]] = []
            theirs: list[dict[str, Any]] = []
            for _ in range(rounds):
                if isinstance(program, Path):
                    theirs.append(in_c(program, memory, warm, measured))
                ours.append(in_python(memory, warm, measured))
            row: dict[str, Any] = {"areas": count, "rates": rates, "aim": aim} | _columns("ours", ours)
            if theirs:
                row |= _columns("c", theirs)
                row["times c"] = round(row["ours us/tick"] / row["c us/tick"], 2)
            else:
                row["skipped"] = f"C: {program}"
            rows.append(row)
    return rows


def _columns(name: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    best = min(results, key=lambda result: float(result["seconds"]))
    return {
        f"{name} us/tick": round(best["seconds"] / best["ticks"] * 1e6, 3),
        f"{name} regions": round(best["sampled"]),
        f"{name} merged": round(best["merged"]),
        f"{name} sample_us": best["sample_us"],
    }
