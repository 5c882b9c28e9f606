"""Monitoring attributes, validated as the kernel validates them (``mm/damon/core.c``, ``damon_set_attrs``)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from damontui.errors import UsageError

PAGE_SIZE = 4096
"""Bytes in a page: the smallest region."""

BASIS_POINTS = 10_000
"""Basis points in the whole, the unit of the intervals goal."""


@dataclass(frozen=True, slots=True)
class IntervalsGoal:
    """What auto-tuning aims at (``design.rst``, "Monitoring intervals auto-tuning").

    Attributes:
        access_bp: wanted share of positive access checks, in basis points (400 is 4 %).
        aggrs: how many aggregation intervals lie between two tuning steps.
        min_sample_us: shortest sampling interval, microseconds.
        max_sample_us: longest sampling interval, microseconds.

    Raises:
        UsageError: where the kernel would answer EINVAL.
    """

    access_bp: int = 400
    aggrs: int = 3
    min_sample_us: int = 5_000
    max_sample_us: int = 10_000_000

    def __post_init__(self) -> None:
        if self.access_bp < 1 or self.access_bp > BASIS_POINTS:
            raise UsageError(f"goal: {self.access_bp / 100:g} % of accesses is not within 0.01 % … 100 %")
        if self.aggrs < 1:
            raise UsageError(f"goal: {self.aggrs} aggregations to a tuning step; at least 1 is needed")
        if not 0 < self.min_sample_us <= self.max_sample_us:
            raise UsageError(
                f"goal: the shortest sampling interval ({self.min_sample_us} us) must be over 0 and at most "
                f"the longest ({self.max_sample_us} us)"
            )


@dataclass(frozen=True, slots=True)
class Attrs:
    """The attributes of a monitoring context; the defaults are DAMON_STAT's.

    Attributes:
        sample_us: sampling interval, microseconds.
        aggr_us: aggregation interval, microseconds.
        update_us: update interval of the operations set, microseconds.
        min_regions: least number of regions, at least 3.
        max_regions: greatest number of regions.
        goal: the intervals goal, or None where the intervals stay as they are.
        aggr_samples: samples to an aggregation; 0 takes ``aggr_us // sample_us``. Tuning keeps it.

    Raises:
        UsageError: where the kernel would answer EINVAL.
    """

    sample_us: int = 5_000
    aggr_us: int = 100_000
    update_us: int = 60_000_000
    min_regions: int = 10
    max_regions: int = 1_000
    goal: IntervalsGoal | None = IntervalsGoal()
    aggr_samples: int = 0

    def __post_init__(self) -> None:
        if self.sample_us < 1:
            raise UsageError(f"sampling interval: {self.sample_us} us; it must be at least 1 us")
        if self.sample_us > self.aggr_us:
            raise UsageError(
                f"sampling interval: {self.sample_us} us is longer than the aggregation interval, {self.aggr_us} us"
            )
        if self.update_us < 1:
            raise UsageError(f"update interval: {self.update_us} us; it must be at least 1 us")
        if self.min_regions < 3:
            raise UsageError(f"minimum regions: {self.min_regions}; the kernel wants at least 3")
        if self.min_regions > self.max_regions:
            raise UsageError(f"minimum regions: {self.min_regions} is over the maximum, {self.max_regions}")
        if self.goal is not None and not self.goal.min_sample_us <= self.sample_us <= self.goal.max_sample_us:
            raise UsageError(
                f"sampling interval: {self.sample_us} us is outside the intervals goal's "
                f"{self.goal.min_sample_us} … {self.goal.max_sample_us} us"
            )
        if self.aggr_samples == 0:
            object.__setattr__(self, "aggr_samples", self.aggr_us // self.sample_us)

    @property
    def max_nr_accesses(self) -> int:
        """The greatest possible ``nr_accesses``: samples in one aggregation interval."""
        return self.aggr_us // self.sample_us

    def with_sample(self, sample_us: int) -> Attrs:
        """These attributes with a tuned sampling interval; the number of samples to an aggregation stays."""
        return replace(self, sample_us=sample_us, aggr_us=sample_us * self.aggr_samples)
