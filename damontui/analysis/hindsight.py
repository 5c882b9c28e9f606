"""What is known *now* about *then*: estimates of any moment of a history, with what came later taken in.

`damontui.analysis.estimator` takes snapshots one after the other and corrects its newest moments as later ones arrive.
To say what is known of a moment long ago, all of that would have to be done again up to there. So the estimator is
kept every so often as far as its decisions are final (a *mark*), and a moment is reached from the nearest mark before
it, over the snapshots that the history still has, and `LAG` aggregations beyond. There are at most `MARKS` of them:
every other one is dropped when they are too many, so that memory is bounded, and a moment is the more work the longer
the history is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import LAG, PIECES, Estimator, OnFinal
from damontui.damon.snapshot import Snapshot

MARKS = 32
"""Most copies of the estimator: about 15 KB each on an ordinary map, 0.5 MB at the most pieces."""
_STRIDE = 64
"""Snapshots from one mark to the next, at first."""
_BATCH = 8
"""Decisions that become final at once: less work."""


class Past(Protocol):
    """Where snapshots come from: the monitor's history."""

    epoch: int
    generation: int

    def between(self, since: float, until: float, most: int | None = None) -> Sequence[Snapshot]:
        """Snapshots whose aggregation overlaps the time, oldest first, thinned evenly to ``most``."""


class Entries(Past, Protocol):
    """A past that can be gone through, few snapshots at a time."""

    def after(self, time: float) -> float | None:
        """The end of the first entry that ends after ``time``; None where there is none."""

    def walk(self, since: float, until: float, most: int | None = None) -> Iterator[Snapshot]:
        """The snapshots of `between` one by one."""


class Hindsight:
    """Goes through a history once, as it grows, and says what is known of any of its moments. One thread.

    Args:
        past: the history.
        pieces: most pieces of the map.
        on_final: called with each snapshot and what makes its estimate, once that is final; oldest first. Counted bytes
            have no estimate.
        forget: called when the history begins anew, which makes useless what ``on_final`` was called with.
    """

    def __init__(
        self,
        past: Entries,
        pieces: int = PIECES,
        on_final: OnFinal | None = None,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._past = past
        self._pieces = pieces
        self._on_final = on_final
        self._forget = forget
        self._begin()

    def _begin(self) -> None:
        self._epoch, self._generation = self._past.epoch, -1
        self._estimator = Estimator(self._pieces, batch=_BATCH, on_final=self._on_final)
        self._marks: list[Estimator] = [self._estimator.settled()]
        self._counted = -math.inf
        self._since_mark = 0
        self._stride = _STRIDE
        self._now: Estimate | None = None
        self._then: tuple[float, float, Estimate | None] | None = None

    @property
    def until(self) -> float:
        """Up to which moment the history was gone through, source's clock; -inf at first."""
        return max(self._estimator.until, self._counted)

    def catch_up(self, most: int | None = None, *, skip: bool = False) -> bool:
        """Take in new snapshots of the history; return False where more are left.

        Args:
            most: take in so many at most; all where None.
            skip: leave out all but the newest ``most``, as a gap: for a screen that must not fall behind a model that
                runs as fast as it can.
        """
        past = self._past
        if past.epoch != self._epoch:
            self._begin()
            self._forget()
        if past.generation == self._generation:
            return True
        generation = past.generation
        since = self.until
        if skip and most is not None:
            newest = past.between(since, math.inf, 1)
            if newest:
                since = max(since, newest[-1].time - most * (newest[-1].time - newest[-1].began) * (1 + 1e-9))
            most = None
        for snapshot in islice(_following(past, since), most):
            self._add(snapshot)
        if past.after(self.until) is not None:
            return False
        self._generation = generation
        return True

    def _add(self, snapshot: Snapshot) -> None:
        self._now = None
        if snapshot.measured is not None:
            self._counted = snapshot.time
            if self._on_final is not None:
                self._on_final(snapshot, self._estimator.estimate)
            return
        self._estimator.add(snapshot)
        self._since_mark += 1
        if self._since_mark >= self._stride:
            self._since_mark = 0
            self._marks.append(self._estimator.settled())
            if len(self._marks) > MARKS:
                del self._marks[1::2]
                self._stride *= 2

    def window(self) -> Iterator[tuple[Snapshot, Callable[[], Estimate]]]:
        """The moments that are not final yet, and what makes their estimates as they are known now."""
        return self._estimator.window()

    def now(self) -> Estimate | None:
        """The estimate of the newest moment that was taken in; None where there was none."""
        if self._now is None and len(self._estimator):
            self._now = self._estimator.estimate()
        return self._now

    def about(self, moment: float) -> Estimate | None:
        """What is known now about a moment; None where the history was not gone through so far, or has nothing there.

        Args:
            moment: seconds on the source's clock. The estimate is of the last aggregation that had ended by then.
        """
        if moment >= self._estimator.until:
            following = self._past.after(self._estimator.until)
            return self.now() if following is None or following > moment else None
        if self._then is not None and self._then[0] <= moment < self._then[1]:
            return self._then[2]
        mark = next(one for one in reversed(self._marks) if one.until <= moment)
        reach = _Reach(mark, moment)
        for snapshot in _following(self._past, mark.until):
            if snapshot.time > self._estimator.until or not reach.add(snapshot):
                break
        found = reach.end()
        if math.isfinite(reach.ended):
            self._then = (reach.ended, reach.following, found)
        return found


class _Reach:
    """Goes on from a mark to a moment and `LAG` aggregations beyond it."""

    def __init__(self, mark: Estimator, moment: float) -> None:
        self._estimator = mark.copy(self._look)
        self._moment = moment
        self._later = LAG
        self._found: Estimate | None = None
        self.ended = mark.until
        """When the last aggregation ended that was over by the moment."""
        self.following = math.inf
        """When the aggregation after that ended."""

    def add(self, snapshot: Snapshot) -> bool:
        """Take in the next one; False where it was the last that is needed."""
        if snapshot.time > self._moment:
            self.following = min(self.following, snapshot.time)
            self._later -= 1
        else:
            self.ended = snapshot.time
        if snapshot.measured is None:
            self._estimator.add(snapshot)
        return self._later > 0

    def end(self) -> Estimate | None:
        """What is known of the moment."""
        self._estimator.finish()
        return self._found

    def _look(self, snapshot: Snapshot, about: Callable[[], Estimate]) -> None:
        if snapshot.time == self.ended and self._found is None:
            self._found = about()


def _following(past: Entries, since: float) -> Iterator[Snapshot]:
    """All snapshots that ended after a moment, oldest first, one unpacked at a time."""
    return (snapshot for snapshot in past.walk(since, math.inf) if snapshot.time > since)
