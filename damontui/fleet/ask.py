"""Which questions make a picture of the fleet. The engine sums; here is only put together what it says."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from damontui.errors import SourceError, UsageError
from damontui.fleet.client import Series
from damontui.fleet.model import (
    AHEAD_S,
    BOUNDS,
    COLUMNS,
    STALE_S,
    THRESHOLD,
    UNLIKE,
    Buckets,
    Floats,
    Hosts,
    Picture,
    Trend,
    buckets,
    state_of,
)

MOST_HOSTS = 100_000
_AT_ONCE = 3
RULES = ("estimate", "kernel")
RECORDED = "damon:memory_idle_seconds_bucket:sum"
"""The recording rule that has the fleet's buckets ready (see the rules in this package)."""
_NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
_MATCHER = re.compile(rf'\s*({_NAME})\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\.)*)"\s*(,|$)')
_BUCKET = "damon_memory_idle_seconds_bucket"
_ON = "on (job, instance)"


class Engine(Protocol):
    """What answers: `damontui.fleet.client.Client`, or a test."""

    def instant(self, query: str, at: float | None = None) -> list[Series]: ...

    def over(self, query: str, start: float, end: float, step: float) -> list[Series]: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What of the fleet is looked at.

    Args:
        threshold: seconds that idle means, one of `BOUNDS`.
        rule: ``estimate`` or ``kernel``.
        match: matchers of PromQL, ``rack="a", dc!="b"``; all hosts where empty.
        by: the label that the fleet is told apart by; "" for none.

    Raises:
        UsageError: one of them is none.
    """

    threshold: float = THRESHOLD
    rule: str = "estimate"
    match: str = ""
    by: str = ""

    def __post_init__(self) -> None:
        if self.threshold not in BOUNDS:
            known = ", ".join(map(str, BOUNDS))
            raise UsageError(f"--idle: {self.threshold:g} s is no end of the exporter's buckets; there are: {known}")
        if self.rule not in RULES:
            raise UsageError(f"--rule: {self.rule!r} is none of: {', '.join(RULES)}")
        if self.by and not re.fullmatch(_NAME, self.by):
            raise UsageError(f"--by: {self.by!r} is no name of a label")
        at = 0
        while at < len(self.match):
            found = _MATCHER.match(self.match, at)
            if found is None:
                raise UsageError(f'--match: {self.match!r} are no matchers; write such as: rack="a", dc=~"eu.*"')
            at = found.end()

    def of(self, name: str, *more: str) -> str:
        """A selector of a metric of these hosts."""
        parts = [one for one in (self.match.strip().rstrip(","), *more) if one]
        return f"{name}{{{', '.join(parts)}}}"

    def buckets(self) -> str:
        """All buckets of the hosts that are summed."""
        return f"({self.of(_BUCKET, self.by_rule())} and {_ON} ({self.good()}))"

    def sums(self) -> str:
        """The fleet's buckets, or each group's."""
        return f"sum by ({', '.join(one for one in ('le', self.by) if one)}) {self.buckets()}"

    def good(self) -> str:
        """A condition that holds for the hosts that `state_of` calls ``ok``."""
        last = self.of("damon_last_aggregation_timestamp_seconds")
        return (
            f"({self.of('damon_enabled')} == 1) "
            f"and {_ON} ({self.of('damon_watched_seconds')} >= {self.threshold:g}) "
            f"and {_ON} ({self.of('damon_aggregation_interval_seconds')} <= {self.threshold / UNLIKE:g}) "
            f"and {_ON} ({last} >= time() - {STALE_S:g} and {last} <= time() + {AHEAD_S:g}) "
            f"unless {_ON} {self.of('damon_target_info', _OLD)}"
        )

    def recorded(self) -> str:
        """What a recording rule has ready of all hosts, where there is one for this threshold."""
        return f'{RECORDED}{{{self.by_rule()}, threshold="{self.threshold:g}"}}'

    def by_rule(self) -> str:
        """The matcher of the rule."""
        return f'rule="{self.rule}"'


_OLD = 'kernel=~"6\\\\.17([^0-9].*)?"'


def ask(engine: Engine, wish: Wish, at: float | None = None, clock: Callable[[], float] = time.monotonic) -> Picture:
    """The fleet at a time (seconds since 1970), or now by the engine's clock. Raises `SourceError`."""
    return ask_sums(engine, wish, ask_hosts(engine, wish, at, clock), clock)


def ask_hosts(
    engine: Engine, wish: Wish, at: float | None = None, clock: Callable[[], float] = time.monotonic
) -> Picture:
    """The same without its sums, which take the engine longest. Raises `SourceError`."""
    began = clock()
    enabled = engine.instant(wish.of("damon_enabled"), at)
    if not enabled:
        there = " of those hosts" if wish.match else ""
        raise SourceError(
            "there is nothing to see", f"the engine knows no damon_enabled{there}", "damontui help export says how"
        )
    now = max(one.points[0][0] for one in enabled)
    notes: list[str] = []
    table = _Table(wish, enabled, notes)
    del enabled
    # all that follows is asked of the same moment, some of it at once: the engine reads while an answer is taken apart
    moment = now if at is None else at
    bound = f'le=~"{wish.threshold:g}(\\\\.0)?"'
    queries = {
        "total": wish.of(_BUCKET, wish.by_rule(), 'le="+Inf"'),
        "used": wish.of(_BUCKET, wish.by_rule(), bound),
        "free": wish.of("damon_memory_bytes", 'kind="free"'),
        "working_set": wish.of("damon_working_set_bytes", 'threshold="60"'),
        "bandwidth": wish.of("damon_estimated_bandwidth_bytes_per_second"),
        "pressure": wish.of("damon_pressure_memory_some_ratio"),
        "last": wish.of("damon_last_aggregation_timestamp_seconds"),
        "watched": wish.of("damon_watched_seconds"),
        "interval": wish.of("damon_aggregation_interval_seconds"),
        "old": wish.of("damon_target_info", _OLD),
    }
    with _pool() as pool:
        gone = pool.submit(_gone, engine, wish, moment, set(table.keys))
        columns = {
            name: done.result()
            for name, done in [
                (name, pool.submit(lambda query: table.column(engine.instant(query, moment)), query))
                for name, query in queries.items()
            ]
        }
        left = gone.result()
    columns["idle"] = np.maximum(columns["total"] - columns.pop("used"), 0.0)
    columns["age"] = now - columns.pop("last")
    old = np.nan_to_num(columns.pop("old")) > 0
    states = [
        state_of(
            enabled=float(table.enabled[row]),
            age=float(columns["age"][row]),
            watched=float(columns["watched"][row]),
            interval=float(columns["interval"][row]),
            total=float(columns["total"][row]),
            old=bool(old[row]),
            threshold=wish.threshold,
        )
        for row in range(len(table))
    ]
    hosts = _with_gone(table, columns, states, left)
    return Picture(now, wish.threshold, wish.rule, hosts, {}, tuple(notes), clock() - began, whole=False)


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Some threads; where one question fails, those that are not asked yet are dropped, and nobody waits for others."""
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ask")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def ask_sums(engine: Engine, wish: Wish, picture: Picture, clock: Callable[[], float] = time.monotonic) -> Picture:
    """A picture of `ask_hosts` with its sums. Raises `SourceError`."""
    began = clock()
    answer = [] if wish.match or wish.by else engine.instant(f"sum by (le) ({wish.recorded()})", picture.time)
    sums = _sums(answer or engine.instant(wish.sums(), picture.time), wish.by)
    notes = list(picture.notes)
    hosts = picture.hosts
    if not sums and "ok" in hosts.states:
        notes.append("the engine has no sums of its hosts' buckets")
    elif "" in sums:
        own = float(np.nansum(np.where([state == "ok" for state in hosts.states], hosts.columns["total"], 0.0)))
        if abs(own - sums[""].total) > 0.02 * max(own, sums[""].total):
            notes.append("the engine's sums are not those of its hosts: some came or went meanwhile")
    took = picture.took + clock() - began
    return replace(picture, sums=sums, notes=tuple(notes), took=took, whole=True)


def trend(engine: Engine, wish: Wish, now: float, span: float, points: int = 60) -> Trend:
    """The fleet's buckets over the last ``span`` seconds.

    Taken from the recording rule where there is one, which costs next to nothing. Without it the engine must sum all
    buckets of all hosts for each point, so there are few of them.
    """
    recorded = bool(not wish.match and engine.instant(f"count({wish.recorded()})", now))
    if recorded:
        query = f"sum by (le) ({wish.recorded()})"
    else:
        points = min(points, 12)
        # that a host was good then is asked of each moment, too
        query = f"sum by (le) {wish.buckets()}"
    return _trend(engine.over(query, now - span, now, max(1.0, span / max(1, points - 1))), recorded=recorded)


def _trend(answer: Iterable[Series], *, recorded: bool) -> Trend:
    found: dict[float, list[tuple[str, float]]] = {}
    for one in answer:
        for at, value in one.points:
            found.setdefault(at, []).append((one.labels.get("le", ""), value))
    made = [(at, buckets(pairs)) for at, pairs in sorted(found.items())]
    good = [(at, one) for at, one in made if one is not None]
    return Trend(tuple(at for at, _ in good), tuple(one for _, one in good), recorded)


def history(engine: Engine, wish: Wish, hosts: Hosts, at: int, now: float, span: float, points: int = 60) -> Trend:
    """The buckets of one host over the last ``span`` seconds. Raises `SourceError`."""
    own = (f"job={quoted(hosts.jobs[at])}", f"instance={quoted(hosts.names[at])}")
    query = f"sum by (le) ({wish.of(_BUCKET, wish.by_rule(), *own)})"
    return _trend(engine.over(query, now - span, now, max(1.0, span / (points - 1))), recorded=False)


def quoted(text: str) -> str:
    """A text as PromQL has it in quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class _Table:
    """Which host is in which row, by what ``damon_enabled`` says."""

    def __init__(self, wish: Wish, enabled: Sequence[Series], notes: list[str]) -> None:
        self.keys: dict[tuple[str, str], int] = {}
        self.groups: list[str] = []
        values: list[float] = []
        twice = 0
        for one in enabled:
            key = _key(one)
            if key in self.keys:
                twice += 1
            elif len(self.keys) < MOST_HOSTS:
                self.keys[key] = len(self.keys)
                self.groups.append(one.labels.get(wish.by, "") if wish.by else "")
                values.append(one.points[0][1])
        self.enabled = np.array(values)
        if twice:
            notes.append(f"{twice} more series of hosts that were there already are left out: one a job and instance")
        if len(enabled) - twice > MOST_HOSTS:
            notes.append(f"only the first {MOST_HOSTS:,} hosts are shown; ask for fewer with --match")

    def __len__(self) -> int:
        return len(self.keys)

    def column(self, answer: Iterable[Series]) -> Floats:
        """The values of an answer in the order of the rows; NaN where there is none, or none that can be."""
        found = np.full(len(self.keys), np.nan)
        for one in answer:
            row = self.keys.get(_key(one))
            value = one.points[0][1]
            if row is not None and math.isfinite(value) and 0 <= value < 2**63 and math.isnan(found[row]):
                found[row] = value
        return found


def _key(series: Series) -> tuple[str, str]:
    return series.labels.get("job", ""), series.labels.get("instance", "")


def _gone(engine: Engine, wish: Wish, at: float, known: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Hosts that were there some minutes or an hour ago and are not now, with their group."""
    name = wish.of("damon_enabled")
    query = " or ".join(f"({name} offset {ago} unless {_ON} {name})" for ago in ("2m", "15m", "1h"))
    found = {_key(one): one.labels.get(wish.by, "") if wish.by else "" for one in engine.instant(query, at)}
    return {key: group for key, group in found.items() if key not in known}


def _with_gone(table: _Table, columns: dict[str, Floats], states: list[str], gone: dict[tuple[str, str], str]) -> Hosts:
    keys = [*table.keys, *gone]
    missing = np.full(len(gone), np.nan)
    return Hosts(
        tuple(instance for _, instance in keys),
        tuple(job for job, _ in keys),
        (*table.groups, *gone.values()),
        (*states, *("gone" for _ in gone)),
        {name: np.concatenate((columns[name], missing)) for name in COLUMNS},
    )


def _sums(answer: Iterable[Series], by: str) -> dict[str, Buckets]:
    """Buckets by group, and of all together as ""."""
    pairs: dict[str, list[tuple[str, float]]] = {}
    everything: list[tuple[str, float]] = []
    for one in answer:
        pair = one.labels.get("le", ""), one.points[0][1]
        everything.append(pair)
        if by:
            pairs.setdefault(one.labels.get(by, "") or "(none)", []).append(pair)
    made = {group: buckets(found) for group, found in {"": everything, **pairs}.items()}
    return {group: one for group, one in made.items() if one is not None}
