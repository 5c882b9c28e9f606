"""DAMON_STAT itself: the kernel module's fixed attributes and parameters, over any operations set (``stat.rst``)."""

from __future__ import annotations

import numpy as np

from damontui.damon import metrics
from damontui.damon.attrs import Attrs
from damontui.damon.context import Context
from damontui.damon.operations import Operations
from damontui.damon.snapshot import Snapshot

_DEFAULT = Attrs()
_NO_PERCENTILES = (0,) * metrics.PERCENTILE_COUNT


class DamonStat:
    """The whole address space of an operations set under DAMON_STAT, with the module's parameters as properties.

    >>> from damontui.operations.scenes import scene
    >>> stat = DamonStat(scene("steady", 7), seed=7)
    >>> stat.memory_idle_ms_percentiles[75]  # no whole aggregation yet
    0
    >>> stat.run(120)
    >>> stat.aggr_interval_us > 100_000  # auto-tuning began at 100 ms
    True
    >>> stat.estimated_memory_bandwidth > 100_000_000
    True
    >>> stat.memory_idle_ms_percentiles[75] > 30_000  # a quarter of memory was untouched for half a minute
    True
    >>> stat.enabled = False

    The kernel module refreshes its values every 5 s from whatever is counted by then, so its bandwidth is too low on
    average; here they are of the last whole aggregation. They are zero before the first one, stay while the switch
    is off, and monitoring starts afresh when it is turned on again.

    Args:
        operations: what to monitor.
        seed: of the random generator, where ``rng`` is not given.
        rng: the only source of chance.
        enabled: the switch at the start.
        attrs: the module's fixed attributes unless a test wants others.
        time: seconds on the model's clock at the start.
    """

    def __init__(
        self,
        operations: Operations,
        *,
        seed: int = 0,
        rng: np.random.Generator | None = None,
        enabled: bool = True,
        attrs: Attrs = _DEFAULT,
        time: float = 0.0,
    ) -> None:
        self._operations = operations
        self._rng = np.random.default_rng(seed) if rng is None else rng
        self._attrs = attrs
        self._time = time
        self._context: Context | None = None
        self._snapshot: Snapshot | None = None
        self._aggr_us = attrs.aggr_us
        self.enabled = enabled

    @property
    def enabled(self) -> bool:
        """The switch. Turning it on forgets regions, values and tuned intervals; turning it off keeps the values."""
        return self._context is not None

    @enabled.setter
    def enabled(self, on: bool) -> None:
        if on == self.enabled:
            return
        if self._context is not None:
            # what the unfinished aggregation would have taken has not passed in the model
            self._time = self._context.time
            self._context = None
            return
        self._context = Context(self._operations, self._attrs, self._rng, origin="simulated", time=self._time)
        self._snapshot = None
        self._aggr_us = self._attrs.aggr_us

    @property
    def estimated_memory_bandwidth(self) -> int:
        """Bytes per second in the last whole aggregation, 0 before the first."""
        return 0 if self._snapshot is None else metrics.bandwidth(self._snapshot)

    @property
    def memory_idle_ms_percentiles(self) -> tuple[int, ...]:
        """101 milliseconds, rising: idle time by bytes; negative is memory in use for so long. Zeros at first."""
        return _NO_PERCENTILES if self._snapshot is None else metrics.idle_percentiles(self._snapshot)

    @property
    def aggr_interval_us(self) -> int:
        """The aggregation interval in force (tuned), microseconds; the last one while the switch is off."""
        return self._aggr_us

    @property
    def snapshot(self) -> Snapshot | None:
        """The last whole aggregation since the switch was turned on, None before the first."""
        return self._snapshot

    @property
    def time(self) -> float:
        """Now on the model's clock, seconds: up to where `run` was told to go."""
        return self._time

    def run(self, seconds: float) -> None:
        """Let that much model time pass, and take over each aggregation that becomes whole in it.

        An aggregation that is under way at the end is finished by a later call. Nothing passes while switched off:
        the memory of a model stands still unless it is observed.
        """
        context = self._context
        if context is None:
            return
        self._time += seconds
        while context.aggregation_due <= self._time + 1e-9:
            self._snapshot = context.aggregate()
            self._aggr_us = context.attrs.aggr_us
