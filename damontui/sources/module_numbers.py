"""DAMON_STAT's own numbers, read now and then, and never one of a run before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import ModuleValues
from damontui.errors import SourceError
from damontui.kernel.damon_stat import PARAMETERS, REFRESH_S, StatModule
from damontui.kernel.root import Root

_VALUES_S = 1.0  # the module computes its numbers every 5 s


class ModuleNumbers:
    """The module's numbers, without those that a former run left in its files.

    Args:
        root: where the kernel is.
        module: the module's files.
        clock: seconds, monotonic.
    """

    def __init__(self, root: Root, module: StatModule, clock: Callable[[], float]) -> None:
        self.trouble = ""
        """Why numbers that this kernel has are missing; "" where none are."""
        self._root = root
        self._module = module
        self._clock = clock
        self._values: ModuleValues | None = None
        self._due = 0.0
        self._former: ModuleValues | None = None
        self._former_until = 0.0

    @property
    def are_of_the_run_before(self) -> bool:
        """Whether the files still have the numbers that they had before this run computed any."""
        return self._former is not None

    def begin(self, age: float | None) -> None:
        """Another run begins: the files keep the former one's numbers until the first refresh, which are noted.

        Args:
            age: seconds since its kdamond was started, None where unknown.
        """
        now = self._clock()
        self._values, self._due, self._former = None, now, None
        if age is None or age > REFRESH_S + 1:
            return
        self._former_until = now + REFRESH_S + 1 - age
        try:
            self._former, _ = self._module.read()
        except SourceError:
            return  # the next reading says so

    def read(self, *, now: bool = False) -> ModuleValues | None:
        """The numbers, at most a second old, with ``now`` read anew; None where they cannot be read (`trouble` says
        why)."""
        if now or self._clock() >= self._due:
            self._due = self._clock() + _VALUES_S
            try:
                values, self.trouble = self._module.read()
                self._values = self._refreshed(values)
            except SourceError as error:
                self._values = None
                self.trouble = str(error)
        return self._values

    def recent_sample_us(self) -> int | None:
        """The sampling interval by the numbers that were read last, microseconds; None where they do not tell."""
        values = self._values
        return (values.aggr_interval_us or 0) // Attrs().aggr_samples or None if values is not None else None

    def told_sample_us(self) -> int | None:
        """The sampling interval that the file has at this moment, microseconds, be it the run before's."""
        try:
            aggr_us = self._root.read_int(f"{PARAMETERS}/aggr_interval_us")
        except SourceError:
            return None
        return aggr_us // Attrs().aggr_samples or None

    def untold(self, what: str) -> str:
        """Why ``what`` (the intervals) is not known."""
        if self._root.exists(f"{PARAMETERS}/aggr_interval_us"):
            return f"DAMON_STAT tells {what} only every {REFRESH_S:.0f} s"
        return f"this kernel does not tell {what}"

    def _refreshed(self, values: ModuleValues) -> ModuleValues:
        """``values`` without what the files had before the first refresh: zeros, or the former run's numbers."""
        former = self._former
        if former is not None and self._clock() < self._former_until:
            if (values.bandwidth, values.idle_ms_percentiles) == (former.bandwidth, former.idle_ms_percentiles):
                return replace(values, bandwidth=None, idle_ms_percentiles=None, aggr_interval_us=None)
            self._former = None
        if values.bandwidth == 0 and not any(values.idle_ms_percentiles or ()):
            return replace(values, bandwidth=None, idle_ms_percentiles=None)
        return values
