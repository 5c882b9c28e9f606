"""What is known of each moment of a session's past: kept as long as the past is the same."""

from __future__ import annotations

from damontui.analysis.estimate import PIECES, Estimate
from damontui.analysis.savings import Learned
from damontui.history import History

_AT_ONCE = 10_000  # regions that an estimate takes in at one time, a third of a second
_LITTLE = 100  # snapshots of a record that are gone through in one step


class Knowledge:
    """An estimate of any moment of a history.

    Args:
        history: what is gone through; another one is taken up with `follow`.
        pieces: most pieces of the estimate's map.
    """

    def __init__(self, history: History, pieces: int = PIECES) -> None:
        self._pieces = pieces
        self.learned = Learned(history, pieces=pieces)
        self.behind = True
        """Whether there is more to go through than was."""

    def follow(self, history: History) -> None:
        """Begin anew where this is another past, or one whose clock began anew (another run of a model)."""
        newest = history.last
        began_anew = newest is not None and newest.time < self.learned.hindsight.until
        if self.learned.past is not history or began_anew:
            self.learned = Learned(history, pieces=self._pieces)
            self.behind = True

    def about(self, history: History, moment: float | None) -> Estimate | None:
        """What is known now of a moment, None is the newest; None where nothing is, and of counted bytes, which need no
        estimate.

        Where very much came at once (a model as fast as it goes) the newest is taken, and the rest is a gap.
        """
        newest = history.last
        if newest is None or not len(newest):
            return None
        self.follow(history)
        known = self.learned.about(moment, max(16, _AT_ONCE // len(newest)))
        return known if newest.measured is None else None

    def learn(self, history: History) -> bool:
        """Go through a little more of a long past; True where with that all of it is known, and was not before."""
        self.follow(history)
        before = self.learned.hindsight.until
        self.behind = not self.learned.learn(_LITTLE)
        return not self.behind and self.learned.hindsight.until != before
