"""Many hosts at one moment: rows, states, sums. Numpy only: no network, no clock.

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

Between two of them bytes are taken to be spread evenly, as ``histogram_quantile`` does; the bytes at the two ends bound
the true number.
"""
THRESHOLD = 900
"""Seconds after which memory is idle, where the user asks for no other time."""
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
"""The states of a host, and their meaning."""
STALE_S = 300.0
"""Age of the last aggregation, seconds, from which on a host is stale: one takes 200 s at most."""
AHEAD_S = 30.0
"""Seconds that a host's clock may be ahead of the engine's; more is an error."""
UNLIKE = 4
"""How many aggregations the idle time must last at least."""

COLUMNS = (
    *("total", "idle", "idle_least", "idle_most", "free", "working_set"),
    *("bandwidth", "pressure", "age", "watched", "interval"),
)
"""Names of a host's numbers, in bytes, bytes a second, shares or seconds. NaN is not known."""
DETAILS = ("working_set", "bandwidth", "pressure")
"""Columns that neither states nor sums need: a screen asks for them only for the hosts that it shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Hosts:
    """Rows of the table; every array and sequence is as long as ``names``."""

    names: tuple[str, ...]
    """The ``instance`` of each host."""
    jobs: tuple[str, ...]
    groups: tuple[str, ...]
    """The value of the label that the fleet is told apart by; "" without one."""
    states: tuple[str, ...]
    """The state of each host, a key of `STATES`."""
    columns: Mapping[str, Floats]
    """The numbers of the hosts, by the names in `COLUMNS`."""

    def __len__(self) -> int:
        return len(self.names)

    def keys(self) -> Iterator[tuple[str, str]]:
        """Job and instance of each host."""
        return zip(self.jobs, self.names, strict=True)

    def filled(self, details: Details) -> Hosts:
        """The hosts with details filled in for some of them; details of other hosts are dropped."""
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
    """Further numbers of some hosts."""

    keys: tuple[tuple[str, str], ...] = ()
    """Job and instance of each host."""
    columns: Mapping[str, Floats] = field(default_factory=dict)
    """The numbers by names in `DETAILS`, each as long as ``keys``."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Bytes of many hosts by idle time."""

    bounds: tuple[float, ...]
    """Upper ends of the buckets, seconds, rising; the last is infinite."""
    cumulated: tuple[float, ...]
    """Bytes idle for at most each of the bounds."""

    @property
    def total(self) -> float:
        """All bytes."""
        return self.cumulated[-1] if self.cumulated else 0.0

    def quantile(self, share: float) -> float:
        """The idle seconds that a share of the bytes does not exceed, as ``histogram_quantile``; NaN without bytes."""
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
        """These buckets less those of hosts among them; None where the bounds differ."""
        if self.bounds != other.bounds:
            return None
        left = np.maximum(np.subtract(self.cumulated, other.cumulated), 0.0)
        return Buckets(self.bounds, tuple(np.maximum.accumulate(left).tolist()))


def buckets(pairs: Sequence[tuple[str, float]]) -> Buckets | None:
    """Buckets from pairs of ``le`` and value, in any order; None where they are no histogram.

    One bound may be written in two ways (``60`` and ``60.0``): their bytes are added up. Where bytes fall with a rising
    bound (as hosts came while the engine looked) they are levelled, as Prometheus does it.
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
    """Memory that could be taken away: bytes that are idle for the threshold, without free memory."""

    seconds: float
    idle: float
    hosts: int
    """How many hosts it is on."""
    half: int
    """The fewest hosts that hold half of it."""
    least: float
    """The lower bound that the threshold's bucket gives; ``idle`` where the threshold is the end of a bucket."""
    most: float


@dataclass(frozen=True, slots=True, eq=False)
class FleetPicture:
    """The fleet at one moment."""

    time: float
    """Seconds since 1970, by the engine."""
    threshold: float
    rule: str
    hosts: Hosts
    sums: Mapping[str, Buckets]
    """The buckets by group; "" has all hosts that are ``ok``."""
    notes: tuple[str, ...] = ()
    """Oddities in the answers, one sentence each."""
    took: float = 0.0
    """Seconds that the questions took."""
    whole: bool = True
    """Whether the sums have been asked for, and not only the hosts."""
    columns: frozenset[str] = frozenset(COLUMNS)
    """The columns that were asked for all hosts; others of `DETAILS` are known for some hosts only."""

    def with_hosts(self, hosts: Hosts) -> FleetPicture:
        """The picture with other hosts."""
        return replace(self, hosts=hosts)

    def filled(self, details: Details) -> FleetPicture:
        """The picture with details of some hosts, in columns that were not asked for all."""
        wanted = {name: one for name, one in details.columns.items() if name not in self.columns}
        return self.with_hosts(self.hosts.filled(Details(details.keys, wanted)))

    @property
    def counted(self) -> Mapping[str, int]:
        """How many hosts are in each state that any is in."""
        found = Counter(self.hosts.states)
        return {state: found[state] for state in STATES if state in found}


@dataclass(frozen=True, slots=True)
class Trend:
    """The fleet's, or a host's, buckets over time."""

    times: tuple[float, ...] = ()
    """Seconds since 1970."""
    sums: tuple[Buckets, ...] = ()
    recorded: bool = False
    """Whether they came from a recording rule."""


def around(threshold: float) -> tuple[float, float]:
    """The ends of the exporter's bucket that a threshold lies in; where it is an end itself, both are the threshold."""
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
        enabled: 0 where monitoring is off, shape ``(hosts,)`` as all others.
        age: seconds since the last aggregation.
        watched: seconds for which memory was watched without a gap.
        interval: seconds of an aggregation.
        total: bytes of memory.
        old: whether the kernel is one that does not tell for how long memory is in use.
        threshold: seconds after which memory is idle.
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


def what_if(picture: FleetPicture) -> WhatIf:
    """The memory that could be taken away from hosts that are ``ok``."""
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
    """How the table of hosts is sorted and filtered."""

    sort: str = "idle"
    """A name in `COLUMNS`, ``name``, ``group`` or ``state``."""
    descending: bool = True
    wanted: str = ""
    """A text that is in the name or group of each host listed; all hosts where empty."""
    state: str = ""
    """Only hosts in this state; all where empty."""


def rows(hosts: Hosts, view: View) -> list[int]:
    """Indices of the hosts of a view, in order; unknown numbers come last, whichever way it is sorted."""
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
