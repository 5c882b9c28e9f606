"""Auto-tuning of the intervals (``design.rst``, "Monitoring intervals auto-tuning"), in integers as the kernel does."""

from __future__ import annotations

from damontui.damon.attrs import BASIS_POINTS, Attrs
from damontui.damon.snapshot import Ints


def score(sizes: Ints, nr_accesses: Ints, aggr_samples: int, access_bp: int) -> int:
    """How much of the wanted number of positive access checks was seen, in basis points; 10000 is the goal.

    Args:
        sizes: bytes of each region, int64, shape ``(regions,)``.
        nr_accesses: of the aggregation that just ended, same shape.
        aggr_samples: samples to an aggregation.
        access_bp: the wanted share of positive checks, basis points.
    """
    seen = int((sizes * nr_accesses).sum())
    possible = int(sizes.sum()) * aggr_samples
    return seen * BASIS_POINTS // max(1, possible * access_bp // BASIS_POINTS)


def adaptation(score_bp: int) -> int:
    """The factor for the sampling interval that a score asks for: from 5000 to 20000 basis points.

    Few accesses lengthen the intervals, many shorten them (softened by half); one step at most doubles or halves.
    """
    change = max(1, 2 * BASIS_POINTS - score_bp)
    return change if change > BASIS_POINTS else BASIS_POINTS // 2 + change // 2


def tuned(attrs: Attrs, sizes: Ints, nr_accesses: Ints) -> Attrs:
    """The attributes for the next aggregations, after one that saw ``nr_accesses``.

    Returns ``attrs`` itself where it has no goal or where nothing changes.
    """
    goal = attrs.goal
    if goal is None:
        return attrs
    change = adaptation(score(sizes, nr_accesses, attrs.aggr_samples, goal.access_bp))
    sample_us = max(goal.min_sample_us, min(goal.max_sample_us, attrs.sample_us * change // BASIS_POINTS))
    return attrs if sample_us == attrs.sample_us else attrs.with_sample(sample_us)


def converted_ages(age: Ints, old_aggr_us: int, new_aggr_us: int) -> Ints:
    """Ages counted in aggregations of ``old_aggr_us``, in units of ``new_aggr_us``, rounded down."""
    return age * old_aggr_us // new_aggr_us
