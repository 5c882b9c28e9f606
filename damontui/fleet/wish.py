"""The part of the fleet that is looked at, and the PromQL for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from damontui.errors import UsageError
from damontui.fleet.model import AHEAD_S, BOUNDS, STALE_S, THRESHOLD, UNLIKE, around

_QUERY = 12_000
"""Characters of names in one question: VictoriaMetrics takes 16,384 in all."""
RULES = ("estimate", "kernel")
RECORDED = "damon:memory_idle_seconds_bucket:sum"
"""The recording rule that has the fleet's buckets ready (see the rules in this package)."""
_NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
_MATCHER = re.compile(rf'\s*({_NAME})\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\.)*)"\s*(,|$)')
BUCKET = "damon_memory_idle_seconds_bucket"
ON = "on (job, instance)"


OLD = 'kernel=~"6\\\\.17([^0-9].*)?"'


@dataclass(frozen=True, slots=True)
class Wish:
    """The part of the fleet that is looked at, and how.

    Args:
        threshold: seconds after which memory is idle, from the first to the last of `BOUNDS`.
        rule: ``estimate`` or ``kernel``.
        match: matchers of PromQL, ``rack="a", dc!="b"``; all hosts where empty.
        by: the label that the fleet is told apart by; "" for none.

    Raises:
        UsageError: a field has no possible value.
    """

    threshold: float = THRESHOLD
    rule: str = "estimate"
    match: str = ""
    by: str = ""

    def __post_init__(self) -> None:
        if not BOUNDS[0] <= self.threshold <= BOUNDS[-1]:
            raise UsageError(f"--idle: {self.threshold:g} s is not from {BOUNDS[0]} to {BOUNDS[-1]} s")
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
        """A selector for a metric of these hosts."""
        parts = [one for one in (self.match.strip().rstrip(","), *more) if one]
        return f"{name}{{{', '.join(parts)}}}"

    def buckets(self) -> str:
        """A selector for all buckets of the hosts that are summed."""
        return f"({self.of(BUCKET, self.by_rule())} and {ON} ({self.good()}))"

    def sums(self) -> str:
        """A query for the fleet's buckets, or each group's."""
        return f"{self.sum_by()} {self.buckets()}"

    def sum_by(self) -> str:
        """The aggregation by which buckets are added up."""
        return f"sum by ({', '.join(one for one in ('le', self.by) if one)})"

    def good(self) -> str:
        """A condition that holds for the hosts that `states_of` calls ``ok``."""
        last = self.of("damon_last_aggregation_timestamp_seconds")
        return (
            f"({self.of('damon_enabled')} == 1) "
            f"and {ON} ({self.of('damon_watched_seconds')} >= {around(self.threshold)[1]:g}) "
            f"and {ON} ({self.of('damon_aggregation_interval_seconds')} <= {self.threshold / UNLIKE:g}) "
            f"and {ON} ({last} >= time() - {STALE_S:g} and {last} <= time() + {AHEAD_S:g}) "
            f"unless {ON} {self.of('damon_target_info', OLD)}"
        )

    def recorded(self) -> str:
        """A selector for the sums of a recording rule over all hosts."""
        return f'{RECORDED}{{{self.by_rule()}, threshold="{self.threshold:g}"}}'

    def by_rule(self) -> str:
        """The matcher for the rule."""
        return f'rule="{self.rule}"'


def quoted(text: str) -> str:
    """A text in PromQL's quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def le(bound: float) -> str:
    """A matcher for a bucket by its upper end, in seconds, in either way of writing it."""
    return f'le=~"{bound:g}(\\\\.0)?"'


def matchers(keys: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Matchers for these hosts: as many as are needed for each to be short enough."""
    jobs: dict[str, list[str]] = {}
    for job, name in keys:
        jobs.setdefault(job, []).append(quoted(re.escape(name))[1:-1])
    for job, names in jobs.items():
        while names:
            count, room = 0, _QUERY
            while count < len(names) and (count == 0 or room > len(names[count])):
                room -= len(names[count]) + 1
                count += 1
            yield f'job={quoted(job)}, instance=~"{"|".join(names[:count])}"'
            names = names[count:]
