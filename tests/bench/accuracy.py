"""How near to the truth: idle memory, working set and bandwidth of synthetic memory, the kernel's formula beside ours.

A run is 300 s of a load under DAMON_STAT's attributes (or others). An error is the mean over the second half of the
run, each moment weighted alike, of \\|said share − true share\\| of all memory that is idle for at least T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from damontui.damon.attrs import Attrs
from damontui.damon.context import Context
from damontui.damon.snapshot import Snapshot
from damontui.operations import masim
from damontui.operations.scenes import SCENES, scene
from damontui.operations.workload import Workload

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
    made: dict[str, Callable[[int], Workload]] = {name: (lambda seed, n=name: scene(n, seed)) for name in SCENES}
    for path in sorted(_MASIM.glob("*.cfg")):
        made[f"masim {path.stem}"] = lambda seed, p=path: masim.workload(p, seed)
    return made


def moments(memory: Workload, seed: int, attrs: Attrs, seconds: float = SECONDS) -> Iterator[Moment]:
    """The snapshots of a run, each with its truth."""
    context = Context(memory, attrs, np.random.default_rng(seed + 1_000), origin="simulated")
    while context.aggregation_due <= seconds + 1e-9:
        snapshot = context.aggregate()
        # the percentiles of `Truth` know the truth to a percent only
        idle, sizes = memory._idle(round(snapshot.began * 1e6), round(snapshot.time * 1e6))
        slices = len(sizes) // len(memory.areas)
        begin = np.repeat([float(area.start) for area in memory.areas], slices)
        end = np.repeat([float(area.start + area.size) for area in memory.areas], slices)
        yield Moment(snapshot, idle / 1000.0, sizes.astype(np.float64), begin, end)
