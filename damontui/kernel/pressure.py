"""How hard memory is pressed: stalls, refaults, swapping, what is compressed; of the machine or of a control group.

``Documentation/accounting/psi.rst`` (``/proc/pressure/memory``, ``memory.pressure``): ``total`` counts the microseconds
in which some task, or all of them (full), waited for memory. ``/proc/vmstat`` and ``memory.stat`` count pages that were
read back after they had been taken away (``workingset_refault_anon`` and ``_file``), pages swapped in and out
(``pswpin``, ``pswpout``), and those that went into zswap and out of it (``zswpin``, ``zswpout``). ``memory.events``
counts how often a group met its limits. ``/sys/block/zram*/mm_stat`` has what zram holds, its third number the bytes
that it takes. Each file may be missing; what none tells is None, and one sentence says which are missing.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from damontui.damon.snapshot import Pressure
from damontui.errors import SourceError
from damontui.kernel.cgroupfs import Groups, pairs, whole_number
from damontui.kernel.readers import READERS
from damontui.kernel.root import Root

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STALL = re.compile(r"^(some|full) .*\btotal=([0-9]{1,19})$", re.MULTILINE)
_ZRAM = re.compile(r"zram[0-9]{1,6}")
_MOST_ZRAM = 64
_SHORTEST_S = 1.0
"""Seconds for which counters are not read again: over less time they tell too little to be worth reading."""
_MOST_PAGES = 1 << 38
"""Pages that no machine has, nor moves between two readings (a pebibyte)."""
_MOST_COUNT = 1 << 60

_PAGES = ("workingset_refault_anon", "workingset_refault_file", "pswpin", "pswpout", "zswpin", "zswpout")
"""Counters of pages in ``/proc/vmstat`` and ``memory.stat``."""
_EVENTS = {"low": "under_low", "high": "over_high", "max": "at_max", "oom": "out", "oom_kill": "killed"}
"""Counters of ``memory.events``, and what a `Pressure` calls them."""


@dataclass(slots=True)
class _Counted:
    """The counters and sizes at one moment."""

    counters: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes."""
    missing: list[str] = field(default_factory=list)
    """What is not told, each with the file that should tell it."""

    def take(self, counters: Mapping[str, int], names: tuple[str, ...], what: str, file: str) -> None:
        """Take the counters of these names; where there are none, note that ``file`` does not tell ``what``."""
        found = {name: counters[name] for name in names if 0 <= counters.get(name, -1) <= _MOST_COUNT}
        self.counters |= found
        if not found:
            self.missing.append(f"{what} ({file})")

    def size(self, name: str, count: int | None) -> None:
        """Take a number of bytes, unless it is None."""
        if count is not None and 0 <= count <= _MOST_PAGES * _PAGE:
            self.sizes[name] = count


class PressureMeter:
    """Reads counters and says what they grew by since the reading before.

    Args:
        root: where ``proc`` and ``sys`` are.
        group: a group's path below ``groups``; the whole machine where None, and for the uppermost group.
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
        self.group = group if group != "/" else None
        self._groups = groups
        self._clock = clock
        self._before: tuple[float, Mapping[str, int]] | None = None
        self._last: Pressure | None = None
        self._unanswered = ""

    def read(self) -> Pressure | None:
        """The pressure since the reading before; None at the first one.

        A reading within a second of another gives the same again, with counts of None. What no file tells
        is None, and `Pressure.note` says why. Where the kernel does not answer it is not asked again.
        """
        now = self._clock()
        if self._before is not None and now - self._before[0] < _SHORTEST_S:
            return self._same_again()
        found = self._reading()
        before, self._before = self._before, (now, found.counters)
        self._last = None
        if before is not None:
            self._last = self._since(before[1], found, now - before[0])
        return self._last

    def _same_again(self) -> Pressure | None:
        last = self._last
        if last is None:
            return None
        again = {name: None if getattr(last, name) is None else 0 for name in _EVENTS.values()}
        return replace(last, **again)  # type: ignore[arg-type]

    def _since(self, before: Mapping[str, int], found: _Counted, passed: float) -> Pressure:
        now, sizes = found.counters, found.sizes

        def grown(name: str) -> int | None:
            if name not in before or name not in now:
                return None
            # a counter that fell is another one's: its group was made anew
            return max(0, now[name] - before[name])

        def rate(name: str) -> float | None:
            pages = grown(name)
            return None if pages is None or pages > _MOST_PAGES else pages * _PAGE / passed

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
            zswap_in=rate("zswpin"),
            zswap_out=rate("zswpout"),
            swapped=sizes.get("swapped"),
            compressed=sum(sizes[name] for name in ("zswap", "zram") if name in sizes)
            if "zswap" in sizes or "zram" in sizes
            else None,
            zswap=sizes.get("zswap"),
            zram=sizes.get("zram"),
            group=self.group,
            note=self._note(found),
            **{ours: grown(theirs) for theirs, ours in _EVENTS.items()},
        )

    def _note(self, found: _Counted) -> str | None:
        if self._unanswered:
            return f"pressure is not known: {self._unanswered}"
        if not found.counters:
            which = "/proc/vmstat" if self.group is None else "the files of the control group"
            return f"pressure is not known: {which} cannot be read"
        return f"not told here: {', '.join(found.missing)}" if found.missing else None

    def _reading(self) -> _Counted:
        """All files, with one deadline."""
        if self._unanswered:
            return _Counted()
        try:
            return READERS.ask(self._of_machine if self.group is None else self._of_group)
        except OSError as error:
            where = "of the machine" if self.group is None else "of the control group"
            self._unanswered = f"the kernel's files {where}: {error.strerror}"
            return _Counted()

    def _of_machine(self) -> _Counted:
        found = _Counted()
        found.take(_stalls(self._text("proc/pressure/memory")), *_STALLS, "/proc/pressure/memory; boot with psi=1")
        counted = pairs(self._text("proc/vmstat"))
        found.take(counted, (*_PAGES, "oom_kill"), "what is read back and swapped", "/proc/vmstat")
        sizes = _meminfo(self._text("proc/meminfo"))
        if "SwapTotal" in sizes and "SwapFree" in sizes:
            found.size("swapped", max(0, sizes["SwapTotal"] - sizes["SwapFree"]))
        else:
            found.missing.append("what is in swap (/proc/meminfo)")
        found.size("zswap", sizes.get("Zswap"))
        found.size("zram", self._zram())
        return found

    def _of_group(self) -> _Counted:
        found, groups, group = _Counted(), self._groups, self.group or "/"
        if groups is None:
            return found
        found.take(_stalls(groups.text(group, "memory.pressure")), *_STALLS, "memory.pressure; boot with psi=1")
        counted = groups.numbers(group, "memory.stat")
        found.take(counted, _PAGES, "what is read back and swapped", "memory.stat")
        found.take(groups.numbers(group, "memory.events"), tuple(_EVENTS), "how often limits were met", "memory.events")
        # a kernel without swap has no such file, and then there is nothing to be told
        found.size("swapped", groups.number(group, "memory.swap.current"))
        found.size("zswap", counted.get("zswap"))
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


_STALLS = (("some", "full"), "stalls")


def _stalls(text: str) -> dict[str, int]:
    return {kind: int(total) for kind, total in _STALL.findall(text)}


_SIZE = re.compile(r"^([A-Za-z]+): +([0-9]{1,15}) kB$", re.MULTILINE)


def _meminfo(text: str) -> dict[str, int]:
    return {name: int(size) * 1024 for name, size in _SIZE.findall(text)}


def group_of(root: Root, pids: tuple[int, ...]) -> str | None:
    """The control group that all of some processes are in, or the closest one above them; ``/`` is the uppermost.

    Returns:
        None where that is not known: a process is gone, or its group is not seen from here.
    """
    common: list[str] | None = None
    for pid in pids:
        try:
            text = root.read(f"proc/{pid}/cgroup")
        except SourceError:
            continue
        match = _GROUP.search(text)
        if match is None or ".." in (parts := match[1].removesuffix(" (deleted)").strip("/").split("/")):
            return None
        if common is None:
            common = parts
        else:
            same = [a == b for a, b in zip(common, parts, strict=False)]
            common = common[: same.index(False) if False in same else len(same)]
    return None if common is None else "/" + "/".join(common)


_GROUP = re.compile(r"^0::(/.*)$", re.MULTILINE)
