"""How near to the truth: idle memory, working set and bandwidth of synthetic memory, the kernel's formula beside ours.

A run is 300 s of a load under DAMON_STAT's attributes (or others). An error is the mean over the second half of the
run, each moment weighted alike, of \\|said share − true share\\| of all memory that is idle for at least T.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import savings
from damontui.analysis.estimate import Estimate, Estimator
from damontui.damon import metrics
from damontui.damon.attrs import PAGE_SIZE, Attrs
from damontui.damon.context import Context
from damontui.damon.snapshot import Ints, Snapshot
from damontui.operations import masim
from damontui.operations.scenes import SCENES, scene
from damontui.operations.workload import Area, Workload, poisson
from tests.bench import engine

Floats = NDArray[np.float64]

SECONDS = 300.0
THRESHOLDS = (5.0, 30.0, 60.0, 120.0)
TUNED_SEEDS = tuple(range(5))
OTHER_SEEDS = tuple(range(5, 10))
_MASIM = Path(__file__).parents[1] / "data" / "masim"


@dataclass(frozen=True, slots=True)
class Moment:
    """A snapshot and what was true when it was taken."""

    snapshot: Snapshot
    idle: Floats
    """Seconds since each slice of memory was last touched; 0 and less where in use. Shape ``(slices,)``."""
    sizes: Floats
    """Bytes of the slices."""
    begin: Floats
    """Where the area of each slice begins, bytes."""
    end: Floats

    def share(self, seconds: float) -> float:
        """True share of memory that is idle for at least that long."""
        return float(self.sizes[self.idle >= seconds].sum() / self.sizes.sum())


def loads() -> dict[str, Callable[[int], Workload]]:
    """Every load by name: from a seed, its synthetic memory."""
    made: dict[str, Callable[[int], Workload]] = {name: partial(scene, name) for name in SCENES}
    for path in sorted(_MASIM.glob("*.cfg")):
        if path.stem == "tiny":  # three pages: nothing to estimate
            continue
        made[f"masim {path.stem}"] = partial(masim.workload, path)
    return made


def moments(memory: Workload, seed: int, attrs: Attrs, seconds: float = SECONDS) -> Iterator[Moment]:
    """The snapshots of a run, each with its truth."""
    context = Context(memory, attrs, np.random.default_rng(seed + 1_000), origin="simulated")
    while context.aggregation_due <= seconds + 1e-9:
        snapshot = context.aggregate()
        # the percentiles of `Truth` know the truth to a percent only
        idle, sizes = memory.idle_times(snapshot.began, snapshot.time)
        slices = len(sizes) // len(memory.areas)
        begin = np.repeat([float(area.start) for area in memory.areas], slices)
        end = np.repeat([float(area.start + area.size) for area in memory.areas], slices)
        yield Moment(snapshot, idle / 1000.0, sizes.astype(np.float64), begin, end)


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of one run, means over its second half; arrays of shape ``(thresholds,)``."""

    kernel: Floats
    ours: Floats
    held: Floats
    """Share of the moments at which the interval held the truth (a slice is up to half a percent of memory)."""
    width: Floats
    bar: Floats
    """Width of the savings pane's error bar."""
    kernel_set: Floats
    working_set: Floats
    """Relative errors of the working set, of one aggregation first, then within each threshold."""
    kernel_bandwidth: float
    bandwidth: float
    """Over the truth, of means over the run."""
    found: Floats
    """Precision and recall of memory idle for 60 s, byte-weighted, area by area."""
    milliseconds: float
    """CPU time of taking in one snapshot, mean."""


def measure(run: Iterator[Moment], seconds: float = SECONDS) -> Errors:
    """Both estimates of a run beside its truth."""
    estimator = Estimator()
    shares: list[list[tuple[float, ...]]] = []
    sets: list[list[tuple[float, float]]] = []
    rates: list[tuple[float, float, float]] = []
    found: list[tuple[float, float, float]] = []
    cpu = count = 0.0
    for moment in run:
        snapshot = moment.snapshot
        began = time.process_time()
        estimator.add(snapshot)
        cpu += time.process_time() - began
        count += 1
        if snapshot.time < seconds / 2:
            continue
        assert snapshot.truth is not None
        estimate = estimator.estimate()
        shares.append([_shares(moment, estimate, threshold) for threshold in THRESHOLDS])
        total = estimate.total_bytes
        true = [float(snapshot.truth.working_set_bytes), *(total * (1 - moment.share(t)) for t in THRESHOLDS)]
        used = [float(metrics.working_set(snapshot))]
        used += [total - metrics.idle_at_least(snapshot, threshold * 1000) for threshold in THRESHOLDS]
        ours = [estimate.working_set(t).found for t in (estimate.aggregation_s, *THRESHOLDS)]
        sets.append([(abs(k - t) / t, abs(o - t) / t) for k, o, t in zip(used, ours, true, strict=True)])
        rates.append((metrics.bandwidth(snapshot), estimate.bandwidth, snapshot.truth.bandwidth))
        found.append(_found(moment, estimate))
    share, relative = np.mean(shares, axis=0), np.mean(sets, axis=0)
    kernel_rate, rate, true_rate = np.mean(rates, axis=0).tolist()
    both, said, idle = np.sum(found, axis=0).tolist()
    kernel, ours, held, width, bar = share.T
    return Errors(
        kernel,
        ours,
        held,
        width,
        bar,
        kernel_set=relative[:, 0],
        working_set=relative[:, 1],
        kernel_bandwidth=kernel_rate / true_rate,
        bandwidth=rate / true_rate,
        found=np.array([both / said if said else 1.0, both / idle if idle else 1.0]),
        milliseconds=cpu / count * 1e3,
    )


def _shares(moment: Moment, estimate: Estimate, seconds: float) -> tuple[float, ...]:
    """Kernel's error, ours, whether the interval held the truth, its width, the width of the savings bar."""
    total, true = estimate.total_bytes, moment.share(seconds)
    kernel = metrics.idle_at_least(moment.snapshot, seconds * 1000) / total
    ours, bar = estimate.idle(seconds), savings.idle(moment.snapshot, seconds)
    # the truth itself comes in slices
    grain = 0.5 * float(moment.sizes.max()) / total
    held = ours.least / total - grain <= true <= ours.most / total + grain
    width = (ours.most - ours.least) / total
    return abs(kernel - true), abs(ours.found / total - true), float(held), width, (bar.most - bar.least) / total


def _found(moment: Moment, estimate: Estimate, seconds: float = 60.0) -> tuple[float, float, float]:
    """Bytes idle for that long both in truth and as said (at most, area by area), said, and true."""
    both = said_sum = true_sum = 0.0
    idle = estimate.idle_s >= seconds
    for begin, end in dict.fromkeys(zip(moment.begin.tolist(), moment.end.tolist(), strict=True)):
        inside = np.clip(np.minimum(estimate.end, end) - np.maximum(estimate.start, begin), 0, None)
        said = float(inside[idle].sum())
        true = float(moment.sizes[(moment.begin == begin) & (moment.idle >= seconds)].sum())
        both, said_sum, true_sum = both + min(said, true), said_sum + said, true_sum + true
    return both, said_sum, true_sum


# --- small and hot --------------------------------------------------------------------------------------------------


def time_to_find(hot: int, total: int, min_regions: int, seed: int, limit: float) -> tuple[float, float]:
    """Model seconds until regions, and until pieces of the estimate, show where the hot bytes are; inf for not at all.

    Shown: at least 80 % of the hot memory is in what is said to be in use, and that is at most twice its size.
    """
    place = int(np.random.default_rng(seed).integers(1, (total - hot) // PAGE_SIZE)) * PAGE_SIZE
    parts = [Area("below", 0, place), Area("hot", place, hot, poisson(1_000)), Area("above", place + hot, 0)]
    parts[2] = Area("above", place + hot, total - place - hot)
    memory = Workload(parts, rng=np.random.default_rng(seed))
    context = Context(memory, Attrs(min_regions=min_regions), np.random.default_rng(seed), origin="simulated")
    estimator = Estimator()
    regions = pieces = math.inf
    while math.isinf(max(regions, pieces)) and context.aggregation_due <= limit:
        snapshot = context.aggregate()
        estimator.add(snapshot)
        estimate = estimator.estimate()
        if _shown(snapshot.start, snapshot.end, snapshot.nr_accesses > 0, place, hot):
            regions = min(regions, snapshot.time)
        if _shown(estimate.start, estimate.end, estimate.idle_s <= 0, place, hot):
            pieces = min(pieces, snapshot.time)
    return regions, pieces


def _shown(start: Ints, end: Ints, used: NDArray[np.bool_], place: int, hot: int) -> bool:
    inside = np.clip(np.minimum(end, place + hot) - np.maximum(start, place), 0, None)
    return float(inside[used].sum()) >= 0.8 * hot and float((end - start)[used].sum()) <= 2 * hot


def cost(areas: int, snapshots: int) -> tuple[float, float]:
    """Regions, and CPU milliseconds to take in one snapshot, of memory with so many areas of all rates; means."""
    context = engine.context(engine.areas(areas))
    made = [context.aggregate() for _ in range(snapshots)]
    estimator = Estimator()
    began = time.process_time()
    for snapshot in made:
        estimator.add(snapshot)
    taken = time.process_time() - began
    return float(np.mean([len(snapshot) for snapshot in made])), taken / snapshots * 1e3


_REASONS = {
    "error": "15 to 22 regions: even with each area's boundaries told and the best memory the same rule errs by 0.010; "
    "smoothing along addresses, other half-lives and rounds gain nothing over all scenes",
    "working set of one": "told each area's boundaries, printed counts still give 0.17, and those before joining 0.09: "
    "the aim needs counts that are not printed",
    "working set, T": "memory of half a touch an aggregation and less is printed 0 as often as not where it is joined",
    "masim": "one page in four in use looks as all of them a quarter of the time; told by the few single pages "
    "in reach, which are missing in parts of it",
    "bandwidth": "chance: what was counted before joining is itself 0.98 ... 1.02 of the truth in a run",
    "width": "where one page in a few is known to be in use, the others may be idle anywhere",
}
"""Why an aim is missed, by words of its row: measured on the seeds that were tuned on."""


def reason(what: str) -> str:
    """Of a row of the summary, shown where its aim was missed."""
    if "masim" in what and ("error" in what or "working set" in what):
        return _REASONS["masim"]
    return next((why for words, why in _REASONS.items() if words in what), "")


# --- the tables -----------------------------------------------------------------------------------------------------


def run(smoke: bool) -> list[dict[str, Any]]:
    """A row for each load, then the summary with its aims."""
    seconds = 20.0 if smoke else SECONDS
    tuned, others = ((0,), ()) if smoke else (TUNED_SEEDS, OTHER_SEEDS)
    names = ("burst",) if smoke else tuple(loads())
    rows: list[dict[str, Any]] = []
    kept: dict[tuple[int, str], list[Errors]] = {}
    for least in (10, 100):
        for name in names:
            # masim's aggregations stay at 100 ms, 3,000 in a run: two seeds are enough
            seeds = (*tuned, *others) if name in SCENES else others[:2]
            other = "other seeds" if name in SCENES else "masim"
            for group, chosen in (("tuned on", tuned if name in SCENES else ()), (other, others)):
                errors = [measure(moments(loads()[name](seed), seed, Attrs(min_regions=least), seconds), seconds)
                          for seed in seeds if seed in chosen]  # fmt: skip
                if errors:
                    kept.setdefault((least, group), []).extend(errors)
                    rows.append({"load": name, "regions": f">= {least}", "seeds": group} | _row(errors))
    return rows + _summary(kept, smoke)


def _row(errors: Sequence[Errors]) -> dict[str, Any]:
    def each(name: str) -> str:
        return " ".join(f"{value:.3f}" for value in np.mean([getattr(one, name) for one in errors], axis=0))

    return {
        "kernel 5 30 60 120 s": each("kernel"),
        "ours 5 30 60 120 s": each("ours"),
        "held": each("held"),
        "width": each("width"),
        "bar": each("bar"),
        "precision recall": each("found"),
        "ms": round(float(np.mean([one.milliseconds for one in errors])), 2),
    }


def _summary(kept: dict[tuple[int, str], list[Errors]], smoke: bool) -> list[dict[str, Any]]:
    """Issue and aims: what, the kernel's formula, ours, aim."""
    tuned, others = ", ".join(map(str, TUNED_SEEDS)), ", ".join(map(str, OTHER_SEEDS))
    rows: list[dict[str, Any]] = [
        {
            "what": f"tuned on the scenes with seeds {tuned}, and what single pages tell on masim with seed 5; "
            f"reported apart: the scenes with seeds {others}; masim is with seeds 5 and 6"
        }
    ]

    def add(what: str, kernel: object, ours: object, aim: str) -> None:
        missed = isinstance(ours, float) and aim.startswith("<=") and ours > float(aim[2:])
        if aim.startswith("0.97") and isinstance(ours, str):
            low, high = (float(one) for one in ours.split(" ... "))
            missed = low < 0.97 or high > 1.03
        why = reason(what) if missed else ""
        rows.append({"what": what, "kernel": kernel, "ours": ours, "aim": aim, "missed because": why})

    def mean(errors: Sequence[Errors], name: str, part: slice = slice(None)) -> float:
        return round(float(np.mean([getattr(one, name)[part] for one in errors])), 4)

    def worst(errors: Sequence[Errors], name: str) -> float:
        return round(float(np.max([getattr(one, name) for one in errors])), 3)

    aims = {(10, "tuned on"): (0.015, 0.04), (10, "other seeds"): (0.015, 0.03), (10, "masim"): (0.015, 0.03)}
    for (least, group), errors in kept.items():
        mean_aim, worst_aim = aims.get((least, group), (0.005, 0.01))
        what = f"{group}, at least {least} regions"
        add(f"{what}: error, mean", mean(errors, "kernel"), mean(errors, "ours"), f"<= {mean_aim}")
        add(f"{what}: error, worst", worst(errors, "kernel"), worst(errors, "ours"), f"<= {worst_aim}")
        one, more = slice(0, 1), slice(1, None)
        sets = "kernel_set", "working_set"
        theirs, ours = (mean(errors, name, one) for name in sets)
        add(f"{what}: working set of one aggregation", theirs, ours, "<= 0.10")
        theirs, ours = (mean(errors, name, more) for name in sets)
        add(f"{what}: working set, T >= 5 s", theirs, ours, "<= 0.05")
        kernel_rate, rate = (
            " ... ".join(str(round(one([getattr(e, name) for e in errors]), 2)) for one in (min, max))
            for name in ("kernel_bandwidth", "bandwidth")
        )
        add(f"{what}: bandwidth over the truth", kernel_rate, rate, "0.97 ... 1.03")
        add(f"{what}: interval holds the truth", "", mean(errors, "held"), ">= 0.95")
        add(f"{what}: its width (left: the savings bar)", mean(errors, "bar"), mean(errors, "width"), "half the bar")
    for areas in (8, 64, 997):
        regions, taken = cost(areas, 10 if smoke else 200)
        add(f"CPU ms a snapshot of {regions:.0f} regions", "", round(taken, 2), "<= 2")
    finds = ((64 << 20, 16 << 30), (200 << 20, 160 << 30))
    for hot, total in finds:
        for least in (10, 100):
            times = np.array([time_to_find(hot, total, least, s, 5.0 if smoke else 600.0)
                              for s in range(1 if smoke else 6)])  # fmt: skip
            kernel, ours_s = (
                f"{value:.1f} / {longest:.1f}" for value, longest in zip(np.median(times, 0), times.max(0), strict=True)
            )
            what = f"{hot >> 20} MiB hot in {total >> 30} GiB, at least {least} regions: found after s, median / worst"
            add(what, kernel, ours_s, "1 s at 100 regions")
    return rows
