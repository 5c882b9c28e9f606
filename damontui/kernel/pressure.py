"""How hard memory is pressed: stalls, refaults, swapping, what is compressed; of the machine or of a control group.

``Documentation/accounting/psi.rst`` (``/proc/pressure/memory``, ``memory.pressure``): ``total`` counts the microseconds
in which some task, or all of them (full), waited for memory. ``/proc/vmstat`` and ``memory.stat`` count pages that were
read back after they had been taken away (``workingset_refault_anon`` and ``_file``) and pages swapped in and out.
``/sys/block/zram*/mm_stat`` has what zram holds, its third number the bytes that it takes. Each file may be missing;
what none tells is None.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from damontui.damon.snapshot import Pressure
from damontui.errors import SourceError
from damontui.kernel.cgroupfs import Groups, pairs, whole_number
from damontui.kernel.root import Root

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STALL = re.compile(r"^(some|full) .*\btotal=([0-9]{1,19})$", re.MULTILINE)
_ZRAM = re.compile(r"zram[0-9]{1,6}")
_MOST_ZRAM = 64
_SHORTEST_S = 1.0
"""Seconds for which counters are not read again: that would cost more than it tells."""


class PressureMeter:
    """Reads counters and says what they grew by since the reading before.

    Args:
        root: where ``proc`` and ``sys`` are.
        group: a group's path below ``groups``; the whole machine where None.
        groups: where control groups are; needed for a group only.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        root: Root,
        group: str | None = None,
        groups: Groups | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._group = group
        self._groups = groups
        self._clock = clock
        self._before: tuple[float, Mapping[str, int]] | None = None
        self._last: Pressure | None = None
        self.reason = ""
        """Why nothing is known, one sentence; "" where something is, or was not asked for yet."""

    def read(self) -> Pressure | None:
        """What happened since the reading before; None at the first one, and where no file tells anything.

        A reading that follows another within a second says the same again, without what was counted.
        """
        now = self._clock()
        if self._before is not None and now - self._before[0] < _SHORTEST_S:
            last = self._last
            return (
                None
                if last is None
                else replace(
                    last, over_high=_none(last.over_high), at_max=_none(last.at_max), killed=_none(last.killed)
                )
            )
        counters = self._counters()
        if not counters:
            where = "/proc/vmstat" if self._group is None else f"the files of {self._group}"
            self.reason = f"pressure is not known: {where} cannot be read"
            self._before = self._last = None
            return None
        self.reason = ""
        before, self._before = self._before, (now, counters)
        if before is None:
            return None
        self._last = self._since(before[1], counters, now - before[0])
        return self._last

    def _since(self, before: Mapping[str, int], now: Mapping[str, int], passed: float) -> Pressure:
        def grown(*names: str) -> int | None:
            there = [name for name in names if name in before and name in now]
            # a counter that fell is another one's: its group was made anew
            return sum(max(0, now[name] - before[name]) for name in there) if there else None

        def rate(name: str) -> float | None:
            pages = grown(name)
            return None if pages is None else pages * _PAGE / passed

        def share(name: str) -> float | None:
            stalled = grown(name)
            return None if stalled is None else min(1.0, stalled / 1e6 / passed)

        return Pressure(
            some=share("some"),
            full=share("full"),
            refault_anon=rate("workingset_refault_anon"),
            refault_file=rate("workingset_refault_file"),
            swap_in=rate("pswpin"),
            swap_out=rate("pswpout"),
            swapped=now.get("swapped"),
            compressed=now.get("compressed"),
            over_high=grown("high"),
            at_max=grown("max"),
            killed=grown("oom_kill"),
        )

    def _counters(self) -> dict[str, int]:
        return self._of_machine() if self._group is None else self._of_group(self._group)

    def _of_machine(self) -> dict[str, int]:
        found = _stalls(self._text("proc/pressure/memory"))
        wanted = ("workingset_refault_anon", "workingset_refault_file", "pswpin", "pswpout", "oom_kill")
        counted = pairs(self._text("proc/vmstat"))
        found |= {name: counted[name] for name in wanted if name in counted}
        sizes = _meminfo(self._text("proc/meminfo"))
        if "SwapTotal" in sizes and "SwapFree" in sizes:
            found["swapped"] = max(0, sizes["SwapTotal"] - sizes["SwapFree"])
        zram = self._zram()
        if zram is not None or "Zswap" in sizes:
            found["compressed"] = (zram or 0) + sizes.get("Zswap", 0)
        return found

    def _of_group(self, group: str) -> dict[str, int]:
        groups = self._groups
        if groups is None:
            return {}
        found = _stalls(groups.text(group, "memory.pressure"))
        wanted = ("workingset_refault_anon", "workingset_refault_file", "pswpin", "pswpout")
        counted = groups.numbers(group, "memory.stat")
        found |= {name: counted[name] for name in wanted if name in counted}
        events = groups.numbers(group, "memory.events")
        found |= {name: events[name] for name in ("high", "max", "oom_kill") if name in events}
        if (swapped := groups.number(group, "memory.swap.current")) is not None:
            found["swapped"] = swapped
        if "zswap" in counted:
            found["compressed"] = counted["zswap"]
        return found

    def _zram(self) -> int | None:
        """Bytes of memory that zram devices take; None where there are none."""
        try:
            names = [name for name in self._root.list("sys/block") if _ZRAM.fullmatch(name)]
        except SourceError:
            return None
        held = None
        for name in names[:_MOST_ZRAM]:
            numbers = self._text(f"sys/block/{name}/mm_stat").split()
            taken = whole_number(numbers[2]) if len(numbers) > 2 else None
            if taken is not None:
                held = (held or 0) + taken
        return held

    def _text(self, name: str) -> str:
        try:
            return self._root.read(name)
        except SourceError:
            return ""


def _none(count: int | None) -> int | None:
    return None if count is None else 0


def _stalls(text: str) -> dict[str, int]:
    return {kind: int(total) for kind, total in _STALL.findall(text)}


_SIZE = re.compile(r"^([A-Za-z]+): +([0-9]{1,15}) kB$", re.MULTILINE)


def _meminfo(text: str) -> dict[str, int]:
    return {name: int(size) * 1024 for name, size in _SIZE.findall(text)}
