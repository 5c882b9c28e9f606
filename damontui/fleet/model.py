"""What is true of many hosts at one moment: rows, states, sums. Numpy only: no network, no clock.

A host is an ``instance`` of a ``job``. Only hosts in the state ``ok`` are summed, and how many are not, and why, stands
beside each sum (`STATES`). Percentiles are read off the summed buckets as ``histogram_quantile`` does it: linear within
a bucket, and the lower end of the last one, which has no upper end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BOUNDS = (60, 120, 300, 900, 1800, 3600, 14400)
"""Seconds at which idle memory is known without an estimate within a bucket: ends of the exporter's buckets."""
THRESHOLD = 900
"""Seconds that "idle" means where nothing else is said."""
STATES: Mapping[str, str] = {
    "ok": "is summed",
    "gone": "was there within the last hour, and is not now",
    "off": "its monitoring is switched off",
    "stale": "its last aggregation is old, or in the future",
    "new": "it has been watched for less than the idle time",
    "old": "its kernel (6.17) does not tell time in use and intervals",
    "unlike": "its aggregations are too long beside the idle time to tell it from less",
    "unknown": "it lacks numbers that others have",
}
"""What a host can be, and what that means."""
STALE_S = 300.0
"""An aggregation takes 200 s at most (10 s a sample, 20 samples)."""
AHEAD_S = 30.0
"""A clock that is further ahead of the engine's is wrong."""
UNLIKE = 4
"""Aggregations that the idle time must at least last."""

COLUMNS = ("total", "idle", "free", "working_set", "bandwidth", "pressure", "age", "watched", "interval")
"""Numbers of a host; bytes, bytes a second, a share, and seconds. NaN is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Hosts:
    """Rows of the table; every array and sequence is as long as ``names``."""

    names: tuple[str, ...]
    """The ``instance`` of each."""
    jobs: tuple[str, ...]
    groups: tuple[str, ...]
    """The value of the label that the fleet is told apart by; "" without one."""
    states: tuple[str, ...]
    """A key of `STATES` each."""
    columns: Mapping[str, Floats]
    """By the names in `COLUMNS`."""

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Bytes of many hosts by idle time."""

    bounds: tuple[float, ...]
    """Rising, seconds; the last is infinite."""
    cumulated: tuple[float, ...]
    """Bytes at most as idle as each."""

    @property
    def total(self) -> float:
        """All bytes."""
        return self.cumulated[-1] if self.cumulated else 0.0

    def quantile(self, share: float) -> float:
        """The idle seconds that this share of bytes is at most, as ``histogram_quantile``; NaN without bytes."""
        if not self.total > 0 or len(self.bounds) < 2:
            return math.nan
        wanted = share * self.total
        at = int(np.searchsorted(self.cumulated, wanted, side="left"))
        if at >= len(self.bounds) - 1:
            return self.bounds[-2]
        if at == 0:
            return max(0.0, self.bounds[0])
        below, before = self.bounds[at - 1], self.cumulated[at - 1]
        within = self.cumulated[at] - before
        return below + (self.bounds[at] - below) * (wanted - before) / within if within > 0 else below

    def idle(self, seconds: float) -> float:
        """Bytes that are more idle than a bound; NaN where it is none."""
        return self.total - self.cumulated[self.bounds.index(seconds)] if seconds in self.bounds else math.nan


def buckets(pairs: Sequence[tuple[str, float]]) -> Buckets | None:
    """Buckets from ``le`` and value, in any order; None where they are no histogram.

    One bound may be written in two ways (``60`` and ``60.0``): their bytes are added up. What falls with a rising bound
    (hosts that come between two looks of the engine) is levelled, as Prometheus does it.
    """
    sums: dict[float, float] = {}
    for le, value in pairs:
        try:
            bound = float(le)
        except ValueError:
            return None
        if math.isnan(bound) or not math.isfinite(value) or value < 0:
            return None
        sums[bound] = sums.get(bound, 0.0) + value
    if math.inf not in sums or len(sums) < 2:
        return None
    bounds = tuple(sorted(sums))
    return Buckets(bounds, tuple(np.maximum.accumulate([sums[one] for one in bounds]).tolist()))


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What idle memory there is: bytes that are idle for the threshold, without what is free."""

    seconds: float
    idle: float
    hosts: int
    """On so many hosts."""
    half: int
    """The fewest hosts that hold half of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The fleet at one moment."""

    time: float
    """Seconds since 1970, by the engine."""
    threshold: float
    rule: str
    hosts: Hosts
    sums: Mapping[str, Buckets]
    """By group; "" is all hosts that are ``ok``."""
    notes: tuple[str, ...] = ()
    """What is odd about the answers, one sentence each."""
    took: float = 0.0
    """Seconds that the questions took."""
    whole: bool = True
    """Whether the sums have been asked for, and not only the hosts."""

    @property
    def counted(self) -> Mapping[str, int]:
        """Hosts in each state, those that there are."""
        return {state: self.hosts.states.count(state) for state in STATES if state in self.hosts.states}


@dataclass(frozen=True, slots=True)
class Trend:
    """Percentiles over time."""

    times: tuple[float, ...] = ()
    """Seconds since 1970."""
    sums: tuple[Buckets, ...] = ()
    recorded: bool = False
    """Whether a recording rule had them ready."""


def state_of(
    *,
    enabled: float,
    age: float,
    watched: float,
    interval: float,
    total: float,
    old: bool,
    threshold: float,
) -> str:
    """The state of a host from its numbers, NaN where unknown; the first that fits, in the order of importance."""
    if enabled == 0:
        return "off"
    if math.isnan(age) or math.isnan(total):
        return "unknown"
    if age > STALE_S or age < -AHEAD_S:
        return "stale"
    if old:
        return "old"
    if math.isnan(watched) or math.isnan(interval):
        return "unknown"
    if watched < threshold:
        return "new"
    return "unlike" if interval * UNLIKE > threshold else "ok"


def what_if(hosts: Hosts, threshold: float) -> WhatIf:
    """What could be taken away on hosts that are ``ok``."""
    ok = np.array([state == "ok" for state in hosts.states], bool)
    # no free page is ever seen in use: all of it looks idle
    free = np.nan_to_num(hosts.columns["free"][ok])
    idle = np.maximum(np.nan_to_num(hosts.columns["idle"][ok]) - free, 0.0)
    idle = np.sort(idle[idle > 0])[::-1]
    total = float(idle.sum())
    half = int(np.searchsorted(np.cumsum(idle), total / 2, side="left")) + 1 if total else 0
    return WhatIf(threshold, total, len(idle), half)


@dataclass(frozen=True, slots=True)
class View:
    """How the table is looked at."""

    sort: str = "idle"
    """A name in `COLUMNS`, ``name``, ``group`` or ``state``."""
    descending: bool = True
    wanted: str = ""
    """Part of a name or group; all where empty."""
    state: str = ""
    """Only hosts in this state; all where empty."""
    hidden: frozenset[str] = field(default_factory=frozenset)


def rows(hosts: Hosts, view: View) -> list[int]:
    """Indices of the hosts that are looked at, in order; unknown numbers come last whichever way it is sorted."""
    found = [
        at
        for at in range(len(hosts))
        if (not view.state or hosts.states[at] == view.state)
        and (not view.wanted or view.wanted in hosts.names[at] or view.wanted in hosts.groups[at])
    ]
    if view.sort in hosts.columns:
        values = hosts.columns[view.sort][found]
        known = np.where(np.isnan(values), -np.inf, values if view.descending else -values)
        # names break ties, so that a row does not move without a reason
        order = sorted(range(len(found)), key=lambda at: (-known[at], hosts.names[found[at]]))
        return [found[at] for at in order]
    texts = {"group": hosts.groups, "state": hosts.states}.get(view.sort, hosts.names)
    return sorted(found, key=lambda at: (texts[at], hosts.names[at]), reverse=view.descending)
