"""The questions that make a picture of the fleet. The engine sums; its answers are only put together here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from damontui.errors import SourceError
from damontui.fleet.client import Series
from damontui.fleet.model import COLUMNS, DETAILS, Details, FleetPicture, Floats, Hosts, around, states_of
from damontui.fleet.wish import BUCKET, OLD, Wish, le, matchers

MOST_HOSTS = 100_000
_AT_ONCE = 3
T = TypeVar("T")


class Engine(Protocol):
    """An engine that answers queries: `damontui.fleet.client.Client`, or a test's."""

    def instant(self, query: str, at: float | None = None) -> list[Series]: ...

    def over(self, query: str, start: float, end: float, step: float) -> list[Series]: ...


def ask_hosts(
    engine: Engine,
    wish: Wish,
    at: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    *,
    details: Iterable[str] = DETAILS,
) -> FleetPicture:
    """The hosts at a time, without sums and without those that are gone, which take an engine longest.

    Args:
        engine: the engine that is asked.
        wish: the part of the fleet.
        at: seconds since 1970; the engine's now where None.
        clock: seconds, for `FleetPicture.took`.
        details: which of `DETAILS` to ask for all hosts; the others are NaN (`ask_details` asks for some hosts').

    Raises:
        SourceError: the engine has no answer.
    """
    began = clock()
    enabled = engine.instant(wish.of("damon_enabled"), at)
    if not enabled:
        there = " of those hosts" if wish.match else ""
        raise SourceError(
            "there is nothing to see", f"the engine knows no damon_enabled{there}", "damontui help export says how"
        )
    now = max(one.points[0][0] for one in enabled)
    notes: list[str] = []
    table = _HostRows(wish, enabled, notes)
    del enabled
    # all that follows is asked of the same moment, some of it at once: the engine reads while an answer is taken apart
    moment = now if at is None else at

    def column(query: str) -> Floats:
        return table.column(engine.instant(query, moment))

    columns = at_once({name: partial(column, query) for name, query in _queries(wish, details).items()})
    _idle(columns, wish.threshold)
    columns["age"] = now - columns.pop("last")
    old = np.nan_to_num(columns.pop("old")) > 0
    states = states_of(
        enabled=table.enabled,
        **{name: columns[name] for name in ("age", "watched", "interval", "total")},
        old=old,
        threshold=wish.threshold,
    )
    hosts = table.hosts(columns, states)
    if not np.isfinite(columns["total"]).any() and (table.enabled == 1).any():
        notes.append(_NO_BUCKETS)
    asked = frozenset(COLUMNS).difference(DETAILS).union(details)
    took = clock() - began
    return FleetPicture(now, wish.threshold, wish.rule, hosts, {}, tuple(notes), took, whole=False, columns=asked)


_NO_BUCKETS = (
    f"no host has {BUCKET}: where Prometheus makes native histograms of them, "
    "always_scrape_classic_histograms: true in its job keeps them"
)
_DETAILS = {
    "working_set": ("damon_working_set_bytes", 'threshold="60"'),
    "bandwidth": ("damon_estimated_bandwidth_bytes_per_second",),
    "pressure": ("damon_pressure_memory_some_ratio",),
}


def _queries(wish: Wish, details: Iterable[str]) -> dict[str, str]:
    """The questions that each fill a column of the hosts."""
    below, above = around(wish.threshold)
    queries = {
        "total": wish.of(BUCKET, wish.by_rule(), 'le="+Inf"'),
        "below": wish.of(BUCKET, wish.by_rule(), le(below)),
        "above": wish.of(BUCKET, wish.by_rule(), le(above)),
        "free": wish.of("damon_memory_bytes", 'kind="free"'),
        "last": wish.of("damon_last_aggregation_timestamp_seconds"),
        "watched": wish.of("damon_watched_seconds"),
        "interval": wish.of("damon_aggregation_interval_seconds"),
        "old": wish.of("damon_target_info", OLD),
    } | {name: wish.of(*_DETAILS[name]) for name in details}
    if below == above:
        del queries["above"]
    return queries


def _idle(columns: dict[str, Floats], threshold: float) -> None:
    """Set the columns of idle bytes from the bytes below both ends of the threshold's bucket; linear between the
    two."""
    below, above = around(threshold)
    first = columns.pop("below")
    last = columns.pop("above", first)
    share = (threshold - below) / (above - below) if above > below else 0.0
    used = first + share * np.maximum(last - first, 0.0)
    for name, one in (("idle", used), ("idle_least", last), ("idle_most", first)):
        columns[name] = np.maximum(columns["total"] - one, 0.0)


def at_once(jobs: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """The answers of questions that are asked side by side, by their names.

    Where one fails, those that are not asked yet are dropped, and the others are not waited for.
    """
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ask")
    try:
        running = {name: pool.submit(job) for name, job in jobs.items()}
        return {name: one.result() for name, one in running.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def ask_details(engine: Engine, wish: Wish, picture: FleetPicture, at: Sequence[int]) -> Details:
    """The details of some hosts that a picture lacks.

    Args:
        engine: the engine that is asked.
        wish: the part of the fleet.
        picture: the picture.
        at: indices of the hosts.

    Raises:
        SourceError: the engine has no answer.
    """
    hosts = picture.hosts
    keys = tuple((hosts.jobs[one], hosts.names[one]) for one in at if hosts.states[one] not in ("gone", "off"))
    rows = {key: at for at, key in enumerate(keys)}
    columns = {name: np.full(len(keys), np.nan) for name in DETAILS if name not in picture.columns}
    for name in columns:
        for some in matchers(keys):
            metric, *more = _DETAILS[name]
            _put(columns[name], rows, engine.instant(wish.of(metric, *more, some), picture.time))
    return Details(keys, columns)


class _HostRows:
    """The row of each host, from the series of ``damon_enabled``."""

    def __init__(self, wish: Wish, enabled: Sequence[Series], notes: list[str]) -> None:
        self.keys: dict[tuple[str, str], int] = {}
        self.groups: list[str] = []
        values: list[float] = []
        twice = 0
        for one in enabled:
            key = key_of(one)
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
        """The values of an answer in the order of the rows; NaN where there is no possible value."""
        found = np.full(len(self.keys), np.nan)
        _put(found, self.keys, answer)
        return found

    def hosts(self, columns: Mapping[str, Floats], states: Sequence[str]) -> Hosts:
        """The table of hosts; a column that was not asked for is NaN."""
        return Hosts(
            tuple(instance for _, instance in self.keys),
            tuple(job for job, _ in self.keys),
            tuple(self.groups),
            tuple(states),
            {name: columns[name] if name in columns else np.full(len(self), np.nan) for name in COLUMNS},
        )


def _put(column: Floats, rows: Mapping[tuple[str, str], int], answer: Iterable[Series]) -> None:
    """Put the values of an answer into their hosts' rows: for each host the first value that is possible."""
    found = [(rows.get(key_of(one)), one.points[0][1]) for one in answer]
    for row, value in reversed(found):
        if row is not None and 0 <= value < 2**63:  # neither NaN nor infinite
            column[row] = value


def key_of(series: Series) -> tuple[str, str]:
    return series.labels.get("job", ""), series.labels.get("instance", "")
