"""What a kdamond costs while it is watched."""

from __future__ import annotations

from collections.abc import Callable

from damontui.kernel import procfs
from damontui.kernel.root import Root


class KdamondCost:
    """CPU time of the kdamonds that are followed, by ``/proc/PID/schedstat``."""

    def __init__(self, root: Root, clock: Callable[[], float]) -> None:
        self._root = root
        self._clock = clock
        self._pid: int | None = None
        self._ns = 0
        self._spent = 0
        self._since = 0.0
        self._spent_then = 0
        self._share: float | None = None

    def follow(self, pid: int | None) -> None:
        """Follow another kdamond from now on, or none."""
        self._update()
        self._pid = pid
        self._ns = (procfs.cpu_ns(self._root, pid) or 0) if pid is not None else 0
        self._since, self._spent_then, self._share = self._clock(), self._spent, None

    def seconds(self) -> float:
        """CPU seconds of all kdamonds while they were followed."""
        self._update()
        return self._spent / 1e9

    def share(self) -> float | None:
        """CPU share over the last second or more; None before that, and where the kernel does not tell."""
        now = self._clock()
        if self._pid is None or procfs.cpu_ns(self._root, self._pid) is None:
            return None
        if now - self._since >= 1.0:
            self._update()
            self._share = (self._spent - self._spent_then) / 1e9 / (now - self._since)
            self._since, self._spent_then = now, self._spent
        return self._share

    def _update(self) -> None:
        ns = procfs.cpu_ns(self._root, self._pid) if self._pid is not None else None
        if ns is not None:
            self._spent += max(0, ns - self._ns)
            self._ns = ns
