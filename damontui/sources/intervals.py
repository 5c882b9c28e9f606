"""Which intervals were in force while an aggregation was counted. Nothing is assumed: what nothing tells is not known.

A trace tells a kdamond's sampling interval only when it is tuned. Before that, three things remain: the interval that
files tell, which may be old; how far aggregations are apart; and how often the kdamond went to sleep, which it does
once in a sampling interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from damontui.damon.attrs import Attrs
from damontui.damon.tuning import tuned
from damontui.errors import UsageError
from damontui.kernel.trace_parser import TracedAggregation

LAG_S = 6.5
"""Seconds after which DAMON_STAT's file tells what is in force: it is written every 5 s, after a sampling interval."""
_LATE = 10.0
"""An aggregation that takes so many times as long as was set shows that what was set is not in force."""
_SLEEPS = 3
"""Sleeps from which a sampling interval is measured, at least: the first and the last may be half over."""


class IntervalTracker:
    """The attributes of one kdamond from one aggregation to the next.

    Args:
        base: the attributes but for their intervals: how many samples make an aggregation, the goal; None where not
            even that is told.
        attrs: the attributes in force now; None where the intervals are not known.
        sure: whether ``attrs`` are in force for certain, such as at a kdamond's start.
        told: the sampling interval that a file tells, microseconds; None where none does.
        lag: seconds after which the file tells what is in force: DAMON_STAT's is as old as its last refresh. None
            where it tells what was once set.
        sleeps: how often the kdamond went to sleep so far; None where that is hidden.
        kernel_tunes: whether the kernel may change the intervals, where there is a goal.
        clock: CLOCK_MONOTONIC in seconds, the trace's clock.
    """

    def __init__(
        self,
        base: Attrs | None,
        *,
        attrs: Attrs | None = None,
        sure: bool = False,
        told: Callable[[], int | None] = lambda: None,
        lag: float | None = None,
        sleeps: Callable[[], int | None] = lambda: None,
        kernel_tunes: bool = True,
        clock: Callable[[], float],
    ) -> None:
        self.attrs = attrs
        """The attributes in force for the aggregation that is being counted; None while they are not known."""
        self.guessed = False
        """Whether ``attrs`` is an estimate, since nothing has told the interval."""
        self.since_tuning: int | None = 0 if sure else None
        """Aggregations since the last tuning step; None where none was seen."""
        self._base = base
        self._kernel_tunes = kernel_tunes
        self._sure = sure
        self._told = told
        self._lag = lag
        self._sleeps = sleeps
        self._clock = clock
        self._joined = clock()
        self._slept = sleeps()
        self._last: float | None = None
        self._paced = False
        self._lossy = False

    @property
    def until_tuning(self) -> int | None:
        """Aggregations until the next tuning step; None where nothing is tuned, or no step was seen."""
        goal = self.attrs.goal if self.attrs is not None else None
        if goal is None or self.since_tuning is None:
            return None
        return goal.aggrs - self.since_tuning % goal.aggrs  # a step that changes nothing leaves no line

    def counted(self, traced: TracedAggregation) -> Attrs | None:
        """The attributes in force while ``traced`` was counted; None where one more aggregation is needed to tell."""
        if traced.sample_us is not None and not self._lossy and self._base is not None:
            self.attrs, self._sure = with_sample(self._base, traced.sample_us), True
        elif not self._sure:
            self._estimate(traced)
        if self._sure:
            self.guessed = False
        self._last = traced.time
        if self._tunes:
            if not traced.complete:  # a tuning line may be among what was lost
                self._lossy, self._sure = True, False
            elif traced.tuned:
                self._lossy = False
        return self.attrs

    def follow(self, traced: TracedAggregation, following: Attrs) -> None:
        """``traced`` is over, and ``following`` is in force from now on."""
        stepped = following != self.attrs or traced.tuned
        self.attrs = following
        if traced.tuned:
            self._sure = True
        if stepped:
            self.since_tuning = 0
        elif self.since_tuning is not None:
            self.since_tuning += 1
        if not traced.complete and self._tunes:
            self.since_tuning = 0 if traced.tuned else None

    def following(self, traced: TracedAggregation) -> Attrs | None:
        """The attributes in force after ``traced``, as the trace tells."""
        if traced.tuned and traced.next_sample_us is not None and self._base is not None:
            return with_sample(self._base, traced.next_sample_us)
        return self.attrs

    @property
    def _tunes(self) -> bool:
        return self._kernel_tunes and (self._base is None or self._base.goal is not None)

    def _estimate(self, traced: TracedAggregation) -> None:
        paced = traced.time - self._last if self._last is not None else None
        if self._base is None and not self._find_base(traced, paced):
            return
        base = self._base
        assert base is not None
        by_sleeps = self._by_sleeps()
        seconds = paced if paced is not None else by_sleeps * base.aggr_samples if by_sleeps is not None else None
        if traced.tuned:
            exact = _before_tuning(base, traced)
            if exact is not None and (seconds is None or _agree(exact, seconds)):
                self.attrs, self._sure = exact, True
                return
        if self._takes_told(base, seconds) or seconds is None:
            return
        # paced is the more exact, so it replaces what the sleeps said
        new = paced is not None and self.guessed and not self._paced
        # where nothing is tuned, what was set is in force; only a busy kernel is late, and none is early
        most = _LATE if not self._tunes and not self.guessed else None
        if self.attrs is None or new or not _agree(self.attrs, seconds, late=most):
            self.attrs, self.guessed = with_sample(base, round(seconds * 1e6) // base.aggr_samples), True
            self._paced = paced is not None

    def _takes_told(self, base: Attrs, seconds: float | None) -> bool:
        """Take the sampling interval that a file tells, where it can be in force; return whether it was taken."""
        sample_us = self._told()
        if not sample_us:
            return False
        told = with_sample(base, sample_us)
        if self._lag is None:
            if seconds is None or not _agree(told, seconds, 0.1):
                return False
            settled = False
        else:
            # right where no tuning came since the file was written, likely so where the pace agrees
            settled = self._clock() - self._joined > self._lag and not self._lossy
            if not (settled or seconds is None or _agree(told, seconds)):
                return False
        self.attrs, self._sure, self.guessed = told, settled, False
        return True

    def _find_base(self, traced: TracedAggregation, paced: float | None) -> bool:
        """Find out how many samples make an aggregation where no file tells."""
        slept = self._by_sleeps()
        sample = traced.sample_us / 1e6 if traced.sample_us is not None else slept
        if paced is None or not sample:
            return False
        try:
            sample_us, samples = round(sample * 1e6), max(1, round(paced / sample))
            self._base = Attrs(sample_us, sample_us * samples, goal=None)
        except UsageError:
            return False
        return True

    def _by_sleeps(self) -> float | None:
        """A sampling interval's seconds by how often the kdamond slept since we watch."""
        slept = self._sleeps()
        if slept is None or self._slept is None or slept - self._slept < _SLEEPS:
            return None
        return (self._clock() - self._joined) / (slept - self._slept)


def with_sample(attrs: Attrs, sample_us: int) -> Attrs:
    """``attrs`` with this sampling interval, which is in force even where it is outside of their goal's bounds."""
    sample_us = max(1, sample_us)
    goal = attrs.goal
    if goal is not None and not goal.min_sample_us <= sample_us <= goal.max_sample_us:
        goal = replace(
            goal,
            min_sample_us=min(goal.min_sample_us, sample_us),
            max_sample_us=max(goal.max_sample_us, sample_us),
        )
    if sample_us == attrs.sample_us and goal is attrs.goal:
        return attrs
    return replace(attrs, sample_us=sample_us, aggr_us=sample_us * attrs.aggr_samples, goal=goal)


def _agree(attrs: Attrs, seconds: float, tolerance: float | None = None, late: float | None = None) -> bool:
    """Whether aggregations that far apart can have this interval: steps of the tuning are about a factor of 2."""
    least, most = (0.6, 1.7) if tolerance is None else (1 - tolerance, 1 + tolerance)
    if late is not None:
        least = 1 / late
    return least < attrs.aggr_us / 1e6 / seconds < most if seconds > 0 else False


def _before_tuning(base: Attrs, traced: TracedAggregation) -> Attrs | None:
    """The attributes that the kernel's tuning turned into the traced ones; None where its bounds hide them."""
    sizes, wanted, goal = traced.end - traced.start, traced.next_sample_us or 0, base.goal
    if goal is None or not goal.min_sample_us < wanted < goal.max_sample_us:
        return None
    factor = tuned(with_sample(base, 1_000_000), sizes, traced.nr_accesses).sample_us / 1_000_000
    middle = round(wanted / factor)
    for sample_us in sorted(range(max(1, middle - 3), middle + 4), key=lambda us: abs(us - middle)):
        if tuned(with_sample(base, sample_us), sizes, traced.nr_accesses).sample_us == wanted:
            return with_sample(base, sample_us)
    return None
