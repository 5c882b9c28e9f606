"""When an aggregation began, where events of a kdamond's trace were lost: the rule that all kdamonds share."""

from __future__ import annotations

from pathlib import Path

import pytest

from damontui.damon.attrs import Attrs
from damontui.kernel.trace_parser import TraceParser
from damontui.sources.cost import KdamondCost
from damontui.sources.intervals import IntervalTracker
from damontui.sources.traced import TracedRun
from tests.fake_kernel import FakeKernel

INTERVAL_S = 2.0
LINE = b"  kdamond.0-124 [000] ..... %.6f: damon_aggregated: target_id=0 nr_regions=1 0-4096: 1 0\n"
LOST = b"CPU:1 [LOST 12 EVENTS]\n"


def began(tmp_path: Path, intervals: float, lost: bytes) -> tuple[float, float, bool]:
    """Intervals from an aggregation's end to the next one's beginning and end, and whether the next is complete."""
    kernel = FakeKernel(tmp_path, "7.2")
    attrs = Attrs(100_000, int(INTERVAL_S * 1e6), goal=None)
    run = TracedRun(
        IntervalTracker(attrs, attrs=attrs, sure=True, kernel_tunes=False, clock=lambda: kernel.now),
        KdamondCost(kernel.root, lambda: kernel.now),
        clock=lambda: kernel.now,
        wall=lambda: kernel.now,
        born=None,
        whole=False,
    )
    text = LINE % 1010.0 + lost + LINE % (1010.0 + intervals * INTERVAL_S)
    first, second = (s for traced in TraceParser(targets=1).feed(text) for s in run.take(traced, ""))
    return (second.began - first.time) / INTERVAL_S, (second.time - first.time) / INTERVAL_S, second.complete


@pytest.mark.parametrize("late", [1.0, 1.5, 1.6])
def test_an_aggregation_that_lost_events_and_is_late_by_half_follows_the_last(tmp_path: Path, late: float) -> None:
    assert began(tmp_path, late, LOST) == (0.0, pytest.approx(late), False)


@pytest.mark.parametrize("skipped", [1, 2, 3])
@pytest.mark.parametrize("late", [-0.01, 0.0, 0.5])
def test_where_a_whole_aggregation_was_lost_there_is_a_gap(tmp_path: Path, skipped: int, late: float) -> None:
    """Also where a clock that ticks brings two ends a hundredth nearer to each other."""
    intervals = 1 + skipped + late
    assert began(tmp_path, intervals, LOST) == (pytest.approx(intervals - 1), pytest.approx(intervals), False)


def test_nothing_was_skipped_where_nothing_was_lost(tmp_path: Path) -> None:
    assert began(tmp_path, 6.0, b"") == (0.0, pytest.approx(6.0), True)
