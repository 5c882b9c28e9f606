"""What is true of synthetic memory: its working set, its bandwidth, and how long each part of it has been idle."""

from __future__ import annotations

import math

import numpy as np

from damontui.damon.attrs import PAGE_SIZE
from damontui.damon.metrics import percentiles_of
from damontui.damon.snapshot import Ints, Truth
from damontui.operations.chances import Chances
from damontui.operations.schedule import FOREVER, Schedule

_SAMPLES = 1 << 20
"""Most samples that are looked at in one go."""
_SLICES = 2_048
"""Most slices of idle time in one truth; an area has 1 to 32 of them."""


def truth_of(chances: Chances, since: int, now: int, sample_us: int) -> Truth:
    """What is true of the model in ``[since, now)``, microseconds since its start.

    The working set and the bandwidth (of samples of ``sample_us``) are expected values. Idle time is that of single
    pages: the time since a page was last touched, or since the model's start where it never was. A page touched within
    the interval is in use: minus the time since its area came into use without a break, or, where its period is longer
    than the interval, minus the interval. Poisson areas are taken at the quantiles of their distribution.
    """
    length = max(1, now - since)
    pages = chances.schedule.layout.edges[-1:]
    _, below = chances.profile(since, since + length)
    touched = 0.0
    samples = max(1, length // sample_us)
    for constant, rows, certain, many in chances.of_regions(np.array([0]), pages, samples, sample_us, _SAMPLES, since):
        touched += float(constant[0]) * many * float(pages[0])
        if len(rows):
            touched += float(certain.sum())
    return Truth(
        working_set_bytes=round(float(below[-1])) * PAGE_SIZE,
        bandwidth=touched * PAGE_SIZE / (samples * sample_us / 1e6),
        idle_ms_percentiles=percentiles_of(*idle_times(chances.schedule, since, now)),
    )


def idle_times(schedule: Schedule, since: int, now: int) -> tuple[Ints, Ints]:
    """How long each part of memory has been idle at ``now``; what was touched since ``since`` is in use; microseconds.

    An area is cut into up to 32 slices of equal size, in order of address (of pages that are touched at random: in
    order of how lately), areas in order of target and address. This is finer than the percentiles of `truth_of`.

    Returns:
        Milliseconds of each slice, negative where in use (how long, as far as that is known), and bytes of each;
        int64, both of shape ``(areas × slices,)``.
    """
    layout = schedule.layout
    areas = np.flatnonzero(layout.names != "")
    slices = int(np.clip(_SLICES // len(areas), 1, 32))
    share = (np.arange(slices) + 0.5) / slices
    # expected touches since the last one: a page at quantile q has had -ln(1 - q) of them
    left = np.broadcast_to(-np.log1p(-share), (len(areas), slices)).copy()
    page = (layout.pages[areas, None] * share).astype(np.int64)
    touched = np.full((len(areas), slices), -1, np.int64)
    time = now
    for stretch in schedule.back(now):
        if (touched[schedule.ever[areas]] >= 0).all():
            break
        time = stretch.began
        length = (stretch.ended - stretch.began) / 1e6
        rate = schedule.rate[stretch.phase][areas, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            ago = np.where(rate > 0, left / rate, math.inf)
        hit = (touched < 0) & (ago <= length)
        touched[hit] = stretch.ended - (ago[hit] * 1e6).astype(np.int64)
        left -= rate * length
        periodic = schedule.periodic[stretch.phase]
        if len(periodic.segment):
            row = np.searchsorted(areas, periodic.segment)
            last = stretch.origin + periodic.last_touch(page[row], stretch.ended - stretch.origin)
            known = touched[row]
            hit = (last >= stretch.began) & (np.arange(slices) % periodic.every[:, None] == 0)
            touched[row] = np.where(hit & (last > known), last, known)
    # what is left is touched less than once in two cycles: as if its touches were spread over them evenly
    with np.errstate(divide="ignore", invalid="ignore"):
        cycles = np.where(schedule.exponent[areas, None] > 0, left / schedule.exponent[areas, None], math.inf)
    earlier = np.maximum(time - np.minimum(cycles * schedule.cycle, float(FOREVER)), 0.0).astype(np.int64)
    never = (touched < 0) & (earlier <= 0)  # idle since the start, also where this is the first aggregation
    touched = np.where(touched < 0, earlier, touched)
    idle = (now - touched) // 1000
    used = schedule.used_for(since, now)[areas, None] // 1000
    idle = np.where((touched >= since) & ~never, -np.maximum(1, used), idle)
    return idle.ravel(), np.repeat(layout.pages[areas] * PAGE_SIZE // slices, slices)
