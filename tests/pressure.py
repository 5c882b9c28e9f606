"""Made-up pressure on memory, for tests that need no kernel: quiet, then a burst of reclaim that comes and goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from damontui.damon.snapshot import Pressure, Snapshot

MIB = 1 << 20


def pressure(step: int, group: str | None = None) -> Pressure:
    """What is told of the second ``step``; only a group has limits, and nobody counts swapping for it."""
    burst = max(0.0, math.sin(step / 17)) ** 3
    stalled = round(0.4 * burst, 4)
    found = Pressure(
        some=stalled,
        full=round(stalled / 4, 4),
        refault_anon=round(3e6 * burst),
        refault_file=round(40e6 * burst),
        swap_in=round(3e6 * burst),
        swap_out=round(24e6 * max(0.0, math.sin((step + 6) / 17)) ** 3),
        swapped=(200 + step // 2) * MIB,
        compressed=(60 + step // 8) * MIB,
        zswap_in=0.0,
        zswap_out=0.0,
        zswap=0,
        zram=(60 + step // 8) * MIB,
        killed=0,
    )
    if group is None:
        return found
    met = round(12 * burst)
    return replace(
        found,
        group=group,
        swap_in=None,
        swap_out=None,
        zram=None,
        compressed=0,
        over_high=met,
        at_max=1 if met > 10 else 0,
        out=1 if step % 107 == 30 else 0,
        killed=1 if step % 107 == 30 else 0,
        under_low=0,
    )


def pressed(snapshots: Sequence[Snapshot], group: str | None = None) -> list[Snapshot]:
    """The snapshots with how hard memory was pressed; the first knows nothing yet."""
    first, *others = snapshots
    return [first, *(replace(one, pressure=pressure(step, group)) for step, one in enumerate(others, 1))]
