"""What DAMON_STAT and /proc tell while an aggregation is under way."""

from __future__ import annotations

from collections.abc import Callable

from damontui.damon.snapshot import Interim, ModuleValues
from damontui.kernel import procfs
from damontui.kernel.process_files import printable
from damontui.kernel.root import Root

LARGE = 5
"""How many processes an `Interim` names."""
_SCAN_S = 30.0  # between two looks at every process: a machine may have thousands
_KEPT = 25


class Between:
    """Makes an `Interim`, once at the start and then whenever the module has computed its numbers anew.

    Args:
        root: where the kernel is.
        clock: the source's clock, seconds.
        wall: seconds since 1970.
    """

    def __init__(self, root: Root, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._root = root
        self._clock = clock
        self._wall = wall
        self._told: tuple[object, ...] | None = None
        self._known: tuple[int, ...] = ()
        self._scanned = float("-inf")

    def restart(self) -> None:
        """Another run of the module begins, so that whatever it says is news again."""
        self._told = None

    def pass_over(self, values: ModuleValues | None) -> None:
        """Note numbers of an aggregation that is whole by now: they are no news of the next one."""
        if values is not None:
            self._told = _numbers(values)

    def news(
        self, values: ModuleValues, *, total: int | None, began: float | None, due: float | None
    ) -> Interim | None:
        """An `Interim` where there is anything new since the last call, else None.

        Args:
            values: the module's numbers, None before it computed any.
            total: bytes that the percentiles are shares of; looked up where None.
            began: when the aggregation under way began, None where unknown.
            due: when it can be whole, None where unknown.
        """
        numbers = _numbers(values)
        if self._told is not None and (numbers == self._told or numbers == (None, None)):
            return None
        self._told = numbers
        return Interim(
            time=self._clock(),
            wall=self._wall(),
            module=values,
            total=total if total is not None else procfs.damon_stat_bytes(self._root),
            free=procfs.free_bytes(self._root),
            large=self._large(),
            began=began,
            due=due,
        )

    def _large(self) -> tuple[tuple[int, str, int], ...]:
        now = self._clock()
        if now - self._scanned >= _SCAN_S:
            self._scanned = now
            found = procfs.largest(self._root, _KEPT)
            self._known = tuple(pid for pid, _, _ in found)
        else:
            found = procfs.largest(self._root, LARGE, self._known)
        return tuple((pid, printable(name), size) for pid, name, size in found[:LARGE])


def _numbers(values: ModuleValues) -> tuple[object, ...]:
    return values.bandwidth, values.idle_ms_percentiles
