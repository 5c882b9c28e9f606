"""What is known of each moment of a session's past: kept as long as the past is the same."""

from __future__ import annotations

from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import PIECES
from damontui.analysis.savings import Learned
from damontui.history import History

_AT_ONCE = 10_000  # regions that an estimate takes in at one time, a third of a second
_LITTLE = 100  # snapshots of a record that are gone through in one step


class Estimates:
    """The estimates of all moments of a history.

    Args:
        history: the history to estimate from; `follow` changes to another.
        pieces: most pieces of the estimate's map.
    """

    def __init__(self, history: History, pieces: int = PIECES) -> None:
        self._pieces = pieces
        self.learned = Learned(history, pieces=pieces)
        self.behind = True
        """Whether snapshots are left that the estimate has not taken in."""

    def follow(self, history: History) -> None:
        """Begin anew where this is another history, or one whose clock began anew (another run of a model)."""
        newest = history.last
        began_anew = newest is not None and newest.time < self.learned.hindsight.until
        if self.learned.past is not history or began_anew:
            self.learned = Learned(history, pieces=self._pieces)
            self.behind = True

    def about(self, history: History, moment: float | None) -> Estimate | None:
        """The estimate of a moment, or of the newest one where None.

        None where nothing is known, and for counted bytes, which need no estimate. Where very many snapshots came at
        once (a model as fast as it goes) only the newest are taken in, after a gap.
        """
        newest = history.last
        if newest is None or not len(newest):
            return None
        self.follow(history)
        known = self.learned.about(moment, max(16, _AT_ONCE // len(newest)))
        return known if newest.measured is None else None

    def catch_up(self, history: History) -> bool:
        """Take in a little more of a long past; True where this completes it."""
        self.follow(history)
        before = self.learned.hindsight.until
        self.behind = not self.learned.catch_up(_LITTLE)
        return not self.behind and self.learned.hindsight.until != before
