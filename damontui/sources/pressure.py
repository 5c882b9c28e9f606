"""Adds to snapshots of processes how hard memory was pressed: where their control group is, or on the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from damontui.damon.snapshot import Snapshot
from damontui.errors import SourceError
from damontui.kernel.cgroupfs import Groups
from damontui.kernel.pressure import PressureMeter, group_of
from damontui.kernel.root import Root


class PressureOnProcesses:
    """Pressure on the control group that processes are in, else on the machine; each snapshot says which.

    Args:
        root: where ``proc`` and ``sys`` are.
        pids: gives the processes; called by `begin`.
        group: their control group's path, where it is known already.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        root: Root,
        pids: Callable[[], Sequence[int]],
        group: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._pids = pids
        self._group = group
        self._clock = clock
        self._meter: PressureMeter | None = None

    def begin(self) -> None:
        """Find the group and read its counters for the first time, so that the first snapshot has what came since."""
        group = self._group if self._group is not None else group_of(self._root, tuple(self._pids()))
        groups = None
        if group is not None:
            try:
                groups = Groups.find(self._root)
            except SourceError:
                group = None
        self._meter = PressureMeter(self._root, group, groups, clock=self._clock)
        self._meter.read()

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with `Snapshot.pressure`."""
        if self._meter is None:
            self.begin()
        assert self._meter is not None
        return replace(snapshot, pressure=self._meter.read())
