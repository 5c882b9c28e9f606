"""A monitoring context: what a kdamond does, one sampling interval or one whole aggregation at a time.

The steps are those of ``design.rst`` and ``mm/damon/core.c`` (``kdamond_fn``). The caller has the clock: it calls
`Context.prepare`, waits one sampling interval, calls `Context.check`, and so on; or `Context.aggregate` where the
memory is a model.
"""

from __future__ import annotations

import numpy as np

from damontui.damon.attrs import PAGE_SIZE, Attrs
from damontui.damon.operations import (
    BatchOperations,
    CoarseOperations,
    NamingOperations,
    Operations,
    Target,
    TruthfulOperations,
)
from damontui.damon.regions import Regions
from damontui.damon.snapshot import Origin, Snapshot
from damontui.damon.tuning import converted_ages, tuned


class Context:
    """Regions of the targets of one operations set, and the attributes in force.

    Attributes:
        operations: the operations set, which observes accesses.
        rng: the only source of chance.
        attrs: the attributes in force now; tuning replaces them.
        origin: where snapshots say that they come from.
        regions: the regions as they are now.
        targets: the monitored address spaces; ``regions.target`` is an index into them.
        time: now, seconds on the source's clock.
        wall: now, seconds since 1970.
        began: when the running aggregation began, source's clock.
        late: sampling deadlines missed so far; the caller counts them. Goes into each snapshot.
        cpu: CPU share that observing took lately; the caller measures it. Goes into each snapshot.
        note: one sentence on what the snapshots lack; the caller sets it. Goes into each snapshot.
    """

    def __init__(
        self,
        operations: Operations,
        attrs: Attrs,
        rng: np.random.Generator,
        *,
        origin: Origin,
        time: float = 0.0,
        wall: float = 0.0,
    ) -> None:
        self.operations = operations
        self.attrs = attrs
        self.rng = rng
        self.origin: Origin = origin
        self.time = time
        self.wall = wall
        self.began = time
        self.late = 0
        self.cpu: float | None = None
        self.note = ""
        self.targets: tuple[Target, ...] = tuple(operations.targets())
        self.regions = Regions.from_ranges([target.ranges for target in self.targets])
        self._coarse = operations if isinstance(operations, CoarseOperations) else None
        if not self._whole:
            self.regions.cut(self.regions.size_limit(attrs.min_regions))
        self._batch = operations if isinstance(operations, BatchOperations) else None
        self._naming = operations if isinstance(operations, NamingOperations) else None
        self._truthful = operations if isinstance(operations, TruthfulOperations) else None
        self._samples = 0
        self._until_tuning = attrs.goal.aggrs if attrs.goal is not None else 0
        self._last_nr_regions = 0
        self._updated = time

    @property
    def samples_left(self) -> int:
        """Sampling intervals until the running aggregation is whole, at least 1."""
        return max(1, self.attrs.max_nr_accesses - self._samples)

    @property
    def aggregation_due(self) -> float:
        """When the running aggregation will be whole if no deadline is missed: seconds on the source's clock."""
        return self.time + self.samples_left * self.attrs.sample_us / 1_000_000

    def prepare(self) -> None:
        """Draw one random page in every region and clear its accessed state."""
        regions = self.regions
        pages = self.rng.integers(0, regions.sizes // PAGE_SIZE)
        self.operations.prepare(regions.start + pages * PAGE_SIZE, regions.target)

    def check(self, time: float | None = None, wall: float | None = None) -> Snapshot | None:
        """Count the accesses since `prepare`; the snapshot where this was the aggregation's last sample, else None.

        Args:
            time: now on the source's clock; one sampling interval later where None.
            wall: now, seconds since 1970; as much later as ``time`` where None.
        """
        self.regions.nr_accesses += self.operations.check()
        self._samples += 1
        self._advance(self.attrs.sample_us, time, wall)
        snapshot = self._aggregated() if self._samples >= self.attrs.max_nr_accesses else None
        self._update_where_due()
        return snapshot

    def aggregate(self) -> Snapshot:
        """Run to the end of the aggregation in model time and return its snapshot.

        Uses the operations set's ``count`` where it has one; the update interval is then looked at between
        aggregations.
        """
        if self._batch is None:
            while True:
                self.prepare()
                snapshot = self.check()
                if snapshot is not None:
                    return snapshot
        regions, samples, sample_us = self.regions, self.samples_left, self.attrs.sample_us
        regions.nr_accesses += self._batch.count(regions.start, regions.end, regions.target, samples, sample_us)
        self._advance(samples * sample_us, None, None)
        snapshot = self._aggregated()
        self._update_where_due()
        return snapshot

    @property
    def _whole(self) -> bool:
        return self._coarse is not None and self._coarse.whole_ranges

    def _advance(self, microseconds: int, time: float | None, wall: float | None) -> None:
        # to the nanosecond, so that a model's clock does not drift over millions of samples
        now = round(self.time + microseconds / 1_000_000, 9) if time is None else time
        self.wall = self.wall + (now - self.time) if wall is None else wall
        self.time = now

    def _aggregated(self) -> Snapshot:
        """Age, merge, enforce the minimum, publish, tune, reset, split."""
        attrs, regions = self.attrs, self.regions
        threshold = int(regions.nr_accesses.max(initial=0)) // 10
        size_limit = regions.size_limit(attrs.min_regions)
        regions.count_ages(threshold)
        if not self._whole:
            regions.merge_to(threshold, size_limit, attrs.max_regions, attrs.max_nr_accesses)
            regions.cut(size_limit)
        self._tune_where_due()
        snapshot = self._snapshot(attrs)
        regions.reset()
        if not self._whole:
            self._split()
        self._samples = 0
        self.began = self.time
        return snapshot

    def _tune_where_due(self) -> None:
        goal = self.attrs.goal
        if goal is None:
            return
        self._until_tuning -= 1
        if self._until_tuning > 0:
            return
        self._until_tuning = goal.aggrs
        old, regions = self.attrs, self.regions
        self.attrs = tuned(old, regions.sizes, regions.nr_accesses)
        if self.attrs is not old:
            regions.age = converted_ages(regions.age, old.aggr_us, self.attrs.aggr_us)

    def _snapshot(self, counted: Attrs) -> Snapshot:
        regions = self.regions
        names = self._naming.names(regions.start, regions.end, regions.target) if self._naming is not None else ()
        truth = None
        if self._truthful is not None:
            truth = self._truthful.truth(self.began, self.time, counted.sample_us)
        return Snapshot(
            time=self.time,
            began=self.began,
            wall=self.wall,
            attrs=counted,
            start=regions.start,
            end=regions.end,
            nr_accesses=regions.nr_accesses,
            age=regions.age,
            target=regions.target,
            origin=self.origin,
            next_attrs=self.attrs,
            targets=tuple(target.id for target in self.targets),
            names=names,
            late=self.late,
            until_tuning=self._until_tuning if self.attrs.goal is not None else None,
            truth=truth,
            cpu=self.cpu,
            note=self.note,
        )

    def _split(self) -> None:
        count, maximum = len(self.regions), self.attrs.max_regions
        if count > maximum // 2:
            return
        # the same count again: two parts found nothing new, so the pattern may change in the middle
        parts = 3 if count == self._last_nr_regions and count < maximum // 3 else 2
        self._last_nr_regions = count
        self.regions.split(parts, self.rng)

    def _update_where_due(self) -> None:
        # half a sampling interval of tolerance: clocks are floating point
        if (self.time - self._updated) * 1_000_000 + self.attrs.sample_us / 2 < self.attrs.update_us:
            return
        self._updated = self.time
        self.operations.update()
        targets = tuple(self.operations.targets())
        if targets == self.targets:
            return
        former = {target.id: index for index, target in enumerate(self.targets)}
        ranges = [target.ranges for target in targets]
        self.regions.set_ranges(ranges, [former.get(target.id) for target in targets])
        if self._whole:
            self.regions.join_ranges(ranges)
        self.targets = targets
