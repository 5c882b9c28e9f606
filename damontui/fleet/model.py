"""What is true of many hosts at one moment: rows, states, sums. Numpy only: no network, no clock.

A host is an ``instance`` of a ``job``. Only hosts in the state ``ok`` are summed, and how many are not, and why, stands
beside each sum (`STATES`). Percentiles are read off the summed buckets as ``histogram_quantile`` does it: linear within
a bucket, and the lower end of the last one, which has no upper end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BOUNDS = (60, 120, 300, 900, 1800, 3600, 14400)
"""Seconds at which idle memory is known without an estimate within a bucket: ends of the exporter's buckets.

Between two of them bytes are taken to be spread evenly, as ``histogram_quantile`` has it; what the two ends say is the
least and the most that it can be.
"""
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

COLUMNS = (
    *("total", "idle", "idle_least", "idle_most", "free", "working_set"),
    *("bandwidth", "pressure", "age", "watched", "interval"),
)
"""Numbers of a host; bytes, bytes a second, a share, and seconds. NaN is not known."""
DETAILS = ("working_set", "bandwidth", "pressure")
"""Those that neither a state nor a sum is made of: a screen asks for them only for the hosts that it shows."""


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

    def keys(self) -> Iterator[tuple[str, str]]:
        """Job and instance of each."""
        return zip(self.jobs, self.names, strict=True)

    def filled(self, details: Details) -> Hosts:
        """The same with details of some of them, by name; those of hosts that are not there are dropped."""
        if not details.keys:
            return self
        rows = {key: at for at, key in enumerate(self.keys())}
        pairs = [(at, rows[key]) for at, key in enumerate(details.keys) if key in rows]
        columns = dict(self.columns)
        for name, values in details.columns.items():
            columns[name] = columns[name].copy()
            columns[name][[row for _, row in pairs]] = values[[at for at, _ in pairs]]
        return replace(self, columns=columns)


@dataclass(frozen=True, slots=True, eq=False)
class Details:
    """Some more numbers of some hosts."""

    keys: tuple[tuple[str, str], ...] = ()
    """Job and instance of each host."""
    columns: Mapping[str, Floats] = field(default_factory=dict)
    """By names in `DETAILS`, each as long as ``keys``."""


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

    def less(self, other: Buckets) -> Buckets | None:
        """The same without the bytes of other buckets that are among them; None where the bounds are not the same."""
        if self.bounds != other.bounds:
            return None
        left = np.maximum(np.subtract(self.cumulated, other.cumulated), 0.0)
        return Buckets(self.bounds, tuple(np.maximum.accumulate(left).tolist()))


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
    least: float
    """What the ends of the buckets say, where the threshold is none of them; else `idle`, as is ``most``."""
    most: float


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
    columns: frozenset[str] = frozenset(COLUMNS)
    """What was asked of all hosts; of `DETAILS` that are not among them only some hosts' are known."""

    def with_hosts(self, hosts: Hosts) -> Picture:
        """The same of other rows."""
        return replace(self, hosts=hosts)

    def filled(self, details: Details) -> Picture:
        """The same with what is known of some hosts, where it is not known of all."""
        wanted = {name: one for name, one in details.columns.items() if name not in self.columns}
        return self.with_hosts(self.hosts.filled(Details(details.keys, wanted)))

    @property
    def counted(self) -> Mapping[str, int]:
        """Hosts in each state, those that there are."""
        found = Counter(self.hosts.states)
        return {state: found[state] for state in STATES if state in found}


@dataclass(frozen=True, slots=True)
class Trend:
    """Percentiles over time."""

    times: tuple[float, ...] = ()
    """Seconds since 1970."""
    sums: tuple[Buckets, ...] = ()
    recorded: bool = False
    """Whether a recording rule had them ready."""


def around(threshold: float) -> tuple[float, float]:
    """The ends of the exporter's bucket that an idle time lies in; both are it where it is an end itself."""
    return max(one for one in BOUNDS if one <= threshold), min(one for one in BOUNDS if one >= threshold)


def states_of(
    *,
    enabled: Floats,
    age: Floats,
    watched: Floats,
    interval: Floats,
    total: Floats,
    old: NDArray[np.bool_],
    threshold: float,
) -> list[str]:
    """The states of hosts from their numbers, NaN where unknown; the first that fits, in the order of importance.

    Args:
        enabled: 0 where monitoring is off; like all others of shape ``(n,)``.
        age: seconds since the last aggregation.
        watched: seconds without a gap.
        interval: seconds of an aggregation.
        total: bytes.
        old: whether its kernel is one that does not tell time in use.
        threshold: seconds that idle means.
    """
    cases = {
        "off": enabled == 0,
        "unknown": np.isnan(age) | np.isnan(total),
        "stale": (age > STALE_S) | (age < -AHEAD_S),
        "old": old,
        "unknown ": np.isnan(watched) | np.isnan(interval),
        # beyond what was watched all bytes are in the first bucket that reaches so far: it must be watched to its end
        "new": watched < around(threshold)[1],
        "unlike": interval * UNLIKE > threshold,
    }
    names = [*(name.strip() for name in cases), "ok"]
    chosen = np.select(list(cases.values()), list(range(len(cases))), default=len(cases))
    return [names[at] for at in chosen.tolist()]


def what_if(picture: Picture) -> WhatIf:
    """What could be taken away on hosts that are ``ok``."""
    hosts, threshold = picture.hosts, picture.threshold
    ok = np.array([state == "ok" for state in hosts.states], bool)
    # no free page is ever seen in use: to the kernel's rule all of it is idle; the estimate leaves it out itself
    free = np.nan_to_num(hosts.columns["free"][ok]) * (picture.rule == "kernel")

    def rest(name: str) -> Floats:
        left: Floats = np.maximum(np.nan_to_num(hosts.columns[name][ok]) - free, 0.0)
        return left

    idle = rest("idle")
    idle = np.sort(idle[idle > 0])[::-1]
    total = float(idle.sum())
    half = int(np.searchsorted(np.cumsum(idle), total / 2, side="left")) + 1 if total else 0
    return WhatIf(threshold, total, len(idle), half, float(rest("idle_least").sum()), float(rest("idle_most").sum()))


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
        keys = np.where(np.isnan(values), np.inf, -values if view.descending else values).tolist()
        # names break ties, so that a row does not move without a reason
        return [at for _, _, at in sorted(zip(keys, [hosts.names[at] for at in found], found, strict=True))]
    texts = {"group": hosts.groups, "state": hosts.states}.get(view.sort, hosts.names)
    return sorted(found, key=lambda at: (texts[at], hosts.names[at]), reverse=view.descending)
