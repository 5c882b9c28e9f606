"""The fleet's sums and its past, which take an engine longest, asked for as cheaply as possible."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from damontui.fleet.ask import Engine, ask_hosts, at_once, key_of
from damontui.fleet.client import Series
from damontui.fleet.model import Buckets, FleetPicture, Hosts, Trend, buckets
from damontui.fleet.wish import BUCKET, ON, Wish, matchers, quoted

_POINTS = 13
_POINTS_AT_ONCE = 3
"""Moments of the past for which the engine adds up the buckets of all hosts, and how many of them at one look."""


def ask(
    engine: Engine, wish: Wish, at: float | None = None, clock: Callable[[], float] = time.monotonic
) -> FleetPicture:
    """The fleet at a moment, with sums and hosts that are gone; arguments and errors as for `ask_hosts`."""
    return ask_sums(engine, wish, ask_hosts(engine, wish, at, clock), clock)


Added = tuple[dict[str, Buckets], bool]
"""Sums by group, "" having all hosts; and whether they are a recording rule's, which sums only hosts that are
``ok``."""


def add_up(engine: Engine, wish: Wish, at: float) -> Added:
    """The sums over all hosts, of whatever state, at a time. Raises `SourceError`."""
    if not (wish.match or wish.by):
        recorded = _sums(engine.instant(f"sum by (le) ({wish.recorded()})", at), "")
        if recorded:
            return recorded, True
    return _added(engine, wish, at), False


def _added(engine: Engine, wish: Wish, at: float, *more: str) -> dict[str, Buckets]:
    query = wish.of(BUCKET, wish.by_rule(), *more)
    return _sums(engine.instant(f"{wish.sum_by()} ({query})", at), wish.by)


def ask_sums(
    engine: Engine,
    wish: Wish,
    picture: FleetPicture,
    clock: Callable[[], float] = time.monotonic,
    *,
    gone: Mapping[tuple[str, str], str] | None = None,
    added: Callable[[], Added] | None = None,
) -> FleetPicture:
    """A picture of `ask_hosts` with its sums, and with the hosts that are gone.

    Args:
        engine: the engine that is asked.
        wish: the wish of the picture.
        picture: the hosts.
        clock: seconds, for `FleetPicture.took`.
        gone: the answer of `ask_gone`, where it is known; else it is asked for.
        added: waits for the answer of `add_up` for that moment, where that was asked for already.

    Raises:
        SourceError: the engine has no answer.
    """
    began = clock()
    jobs: dict[str, Callable[[], Any]] = {"sums": lambda: _ask_sums(engine, wish, picture, added)}
    if gone is None:
        jobs["gone"] = lambda: ask_gone(engine, wish, picture.time)
    found = at_once(jobs)
    sums: dict[str, Buckets] = found["sums"]
    notes = list(picture.notes)
    hosts = picture.hosts
    if not sums and "ok" in hosts.states:
        notes.append("the engine has no sums of its hosts' buckets")
    elif "" in sums:
        own = _own_total(hosts)
        if abs(own - sums[""].total) > 0.02 * max(own, sums[""].total):
            notes.append("the engine's sums are not those of its hosts: some came or went meanwhile")
    hosts = with_gone(hosts, found["gone"] if gone is None else gone)
    took = picture.took + clock() - began
    return replace(picture, hosts=hosts, sums=sums, notes=tuple(notes), took=took, whole=True)


def _own_total(hosts: Hosts) -> float:
    return float(np.nansum(np.where([state == "ok" for state in hosts.states], hosts.columns["total"], 0.0)))


def _ask_sums(
    engine: Engine, wish: Wish, picture: FleetPicture, added: Callable[[], Added] | None
) -> dict[str, Buckets]:
    found = None
    if added is not None or few_left_out(picture):
        everything, recorded = added() if added is not None else add_up(engine, wish, picture.time)
        found = everything if recorded else _less_left_out(engine, wish, picture, everything)
    elif not (wish.match or wish.by):
        found = _sums(engine.instant(f"sum by (le) ({wish.recorded()})", picture.time), "") or None
    return _sums(engine.instant(wish.sums(), picture.time), wish.by) if found is None else found


def few_left_out(picture: FleetPicture) -> bool:
    """Whether so few hosts have buckets without being summed that it is cheaper to subtract theirs from all."""
    return len(_left_out(picture.hosts)) <= len(picture.hosts) / 4


def _left_out(hosts: Hosts) -> list[tuple[str, str]]:
    known = np.isfinite(hosts.columns["total"])
    return [key for at, key in enumerate(hosts.keys()) if known[at] and hosts.states[at] != "ok"]


def _less_left_out(
    engine: Engine, wish: Wish, picture: FleetPicture, everything: Mapping[str, Buckets]
) -> dict[str, Buckets] | None:
    """The sums over all hosts less those over hosts that are left out, which costs half of matching each bucket.

    None where the result differs from the hosts' own totals: then it is not known what the engine added up.
    """
    hosts, found = picture.hosts, dict(everything)
    questions = {some: partial(_added, engine, wish, picture.time, some) for some in matchers(_left_out(hosts))}
    left_out = at_once(questions).values()
    good = {"", *(group or "(none)" for group, state in zip(hosts.groups, hosts.states, strict=True) if state == "ok")}
    for one in left_out:
        for group, some in one.items():
            rest = found[group].less(some) if group in found else None
            if rest is None:
                return None
            found[group] = rest
    found = {group: one for group, one in found.items() if group in good}
    total = _own_total(hosts)
    if "" not in found or abs(found[""].total - total) > 1e-6 * total:
        return None
    return found


def trend(engine: Engine, wish: Wish, now: float, span: float, points: int = 60, before: Trend | None = None) -> Trend:
    """The fleet's buckets over the last ``span`` seconds.

    They are a recording rule's where there is one, which costs next to nothing. Without it the engine must match and
    sum all buckets of all hosts for each moment: so moments are few, each is asked for once, and only three of them at
    a call, the newest first.

    Args:
        engine: the engine that is asked.
        wish: the part of the fleet.
        now: the end of the time, seconds since 1970.
        span: seconds.
        points: how many moments, at most.
        before: the trend known so far, whose moments are not asked for again.

    Raises:
        SourceError: the engine has no answer.
    """
    if not wish.match and engine.instant(f"count({wish.recorded()})", now):
        query = f"sum by (le) ({wish.recorded()})"
        return _trend(engine.over(query, now - span, now, max(1.0, span / max(1, points - 1))), recorded=True)
    points = min(points, _POINTS)
    step = max(1.0, span // max(1, points - 1))  # whole seconds, so that a moment is the same at the next look
    known = {} if before is None or before.recorded else dict(zip(before.times, before.sums, strict=True))
    moments = [now // step * step - step * back for back in range(points)]
    missing = [at for at in moments if at not in known][:_POINTS_AT_ONCE]
    query = f"sum by (le) {wish.buckets()}"  # that a host was good then is asked of each moment, too
    answers = {at: _sums(engine.instant(query, at), "").get("") for at in missing}
    # a moment of which nothing is known is known to be so
    found = {at: known[at] if at in known else answers[at] for at in sorted(moments) if at in known or at in answers}
    return Trend(tuple(found), tuple(one or Buckets((), ()) for one in found.values()), recorded=False)


def _trend(answer: Iterable[Series], *, recorded: bool) -> Trend:
    found: dict[float, list[tuple[str, float]]] = {}
    for one in answer:
        for at, value in one.points:
            found.setdefault(at, []).append((one.labels.get("le", ""), value))
    made = [(at, buckets(pairs)) for at, pairs in sorted(found.items())]
    good = [(at, one) for at, one in made if one is not None]
    return Trend(tuple(at for at, _ in good), tuple(one for _, one in good), recorded)


def history(engine: Engine, wish: Wish, hosts: Hosts, at: int, now: float, span: float, points: int = 60) -> Trend:
    """The buckets of one host over the last ``span`` seconds.

    Args:
        engine: the engine that is asked.
        wish: the part of the fleet.
        hosts: the table of hosts.
        at: the host's index in it.
        now: the end of the time, seconds since 1970.
        span: seconds.
        points: how many moments.

    Raises:
        SourceError: the engine has no answer.
    """
    own = (f"job={quoted(hosts.jobs[at])}", f"instance={quoted(hosts.names[at])}")
    query = f"sum by (le) ({wish.of(BUCKET, wish.by_rule(), *own)})"
    return _trend(engine.over(query, now - span, now, max(1.0, span / (points - 1))), recorded=False)


def ask_gone(engine: Engine, wish: Wish, at: float) -> dict[tuple[str, str], str]:
    """Hosts (job, instance) that were there some minutes or an hour ago and are not now, with their group.

    Raises:
        SourceError: the engine has no answer.
    """
    name = wish.of("damon_enabled")
    before = " or ".join(f"{name} offset {ago}" for ago in ("2m", "15m", "1h"))
    answer = engine.instant(f"({before}) unless {ON} {name}", at)
    return {key_of(one): one.labels.get(wish.by, "") if wish.by else "" for one in answer}


def with_gone(hosts: Hosts, gone: Mapping[tuple[str, str], str]) -> Hosts:
    """The hosts, followed by those that are gone; of ``gone``, hosts that are there are left out."""
    known = set(hosts.keys())
    gone = {key: group for key, group in gone.items() if key not in known}
    missing = np.full(len(gone), np.nan)
    return Hosts(
        (*hosts.names, *(name for _, name in gone)),
        (*hosts.jobs, *(job for job, _ in gone)),
        (*hosts.groups, *gone.values()),
        (*hosts.states, *("gone" for _ in gone)),
        {name: np.concatenate((column, missing)) for name, column in hosts.columns.items()},
    )


def _sums(answer: Iterable[Series], by: str) -> dict[str, Buckets]:
    """Buckets by group; "" has all together."""
    pairs: dict[str, list[tuple[str, float]]] = {}
    everything: list[tuple[str, float]] = []
    for one in answer:
        pair = one.labels.get("le", ""), one.points[0][1]
        everything.append(pair)
        if by:
            pairs.setdefault(one.labels.get(by, "") or "(none)", []).append(pair)
    made = {group: buckets(found) for group, found in {"": everything, **pairs}.items()}
    return {group: one for group, one in made.items() if one is not None}
