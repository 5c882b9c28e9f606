"""What looking at processes may cost: CPU time that comes in at a share of one CPU, and what each look is foreseen to.

Three things keep what was spent below the share of the time so far, at any time after the first second:

* nothing is done before there is CPU time for it, by what it cost lately and a quarter more (`Budget.wait`);
* of what comes in, a twentieth goes to what no clock of ours sees: a thread that is woken, memory that is freed;
* of the rest, a seventh is put aside until there is enough for a change: a clear and two readings. So what has just
  changed is looked at again at once, also where a reading costs as much as comes in within seconds.
"""

from __future__ import annotations

from damontui.errors import UsageError
from damontui.operations.processes import Processes

_BANK_S = 1.0
"""CPU time that was not needed is kept for this long: a whole second at the budget's share."""
_PLANNED = 0.95
_ROOM = 1.25
_ASIDE = 0.15
_FIXED_S = 0.003
"""CPU time that a first reading may take, beside what grows with the resident memory and the mappings."""
_EARLY_FIXED_S = 0.0015
"""CPU time that a first reading may take of which no snapshot is made, beside what grows."""
_MAPPING_S = 12e-6
"""CPU time for each mapping in a reading: what the kernel prints of it, and what we make of that."""


class Budget:
    """CPU time that may be spent: it comes in at a share of one CPU.

    The first second's worth is there from the beginning, and nothing comes in during that second. What is not needed is
    kept for a second, or until there is enough for what is waited for or put aside.

    Args:
        share: of one CPU, over 0, at most 1.

    Raises:
        UsageError: ``share`` is not in that range.
    """

    def __init__(self, share: float) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"--budget: {share * 100:g} % of one CPU is not over 0 % and at most 100 %")
        self.share = share
        self.income = share * _PLANNED
        """CPU seconds a second that are planned with."""
        self.left = self.income * _BANK_S
        """CPU seconds that may be spent now; negative after an action that cost more than was foreseen."""
        self._kept = self.left
        self._now = 0.0
        self._from: float | None = None
        """The moment up to which income was added, or from which it begins."""

    def pass_to(self, now: float) -> None:
        """Add the income up to ``now``; the first call begins the first second."""
        self._now = now
        if self._from is None:
            self._from = now + _BANK_S
        elif now > self._from:
            # what was saved up is there to be spent, however much that is
            self.left = max(self.left, min(self._kept, self.left + (now - self._from) * self.income))
            self._from = now

    def spend(self, seconds: float) -> None:
        """Take away CPU seconds that were spent."""
        self.left -= seconds

    def wait(self, cost: float, aside: float = 0.0) -> float:
        """Seconds from the last `pass_to` until an action of that cost may be done.

        Args:
            cost: CPU seconds that it takes.
            aside: CPU seconds that should be left after it; they are saved up for where they are not there yet.
        """
        needed = cost * _ROOM
        self._kept = max(self._kept, needed + aside)
        soonest = self._until(needed)
        return max(soonest, min(self._until(needed + aside), cost / (1 - _ASIDE) / self.income)) if aside else soonest

    def affords(self, now: float, later: float, within: float) -> bool:
        """Whether an action of ``now`` CPU seconds may be done now, and one of ``later`` within so many seconds."""
        more = max(0.0, self._now + within - (self._from if self._from is not None else self._now)) * self.income
        return now * _ROOM <= self.left and now + later + (_ROOM - 1) * max(now, later) <= self.left + more

    def _until(self, needed: float) -> float:
        lacking = needed - self.left
        if lacking <= 0:
            return 0.0
        return lacking / self.income + max(0.0, (self._from or 0.0) - self._now)


class Cost:
    """The cost of an action that is done again and again, CPU seconds: it rises at once and falls slowly."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.known = False
        """Whether an action was measured yet."""

    def guess(self, seconds: float) -> None:
        """Set the cost until the first action is measured."""
        if not self.known:
            self.seconds = seconds

    def measured(self, seconds: float) -> None:
        """Take in what an action has cost."""
        weight = 4 if self.known and seconds < self.seconds else 1
        self.known = True
        self.seconds += (seconds - self.seconds) / weight


class Plan:
    """When processes may be cleared and read, by what that has cost so far.

    Args:
        share: share of one CPU that may be spent, over 0, at most 1.

    Raises:
        UsageError: ``share`` is not in that range.
    """

    def __init__(self, share: float) -> None:
        self.budget = Budget(share)
        self.clearing = Cost()
        self._whole = Cost()
        self._glance = Cost()
        self.early = Cost()
        """The cost of a reading of which no snapshot is made."""

    def foresee(self, processes: Processes) -> None:
        """Guess costs before any was measured: a clear's from the resident bytes, a reading's from these and the
        mappings."""
        pauses = processes.predicted_pauses()
        self.clearing.guess(pauses / _ROOM)  # there is room in it
        self._whole.guess(pauses + self._of_mappings(processes, _FIXED_S))

    def cleared(self, seconds: float, processes: Processes) -> None:
        """Take in what a clear of all processes that had to be cleared has cost."""
        self.clearing.measured(seconds)
        if self.measured:
            return
        # a reading walks the same page tables
        for cost, fixed in ((self._whole, _FIXED_S), (self.early, _EARLY_FIXED_S)):
            cost.guess(1.1 * self.clearing.seconds + self._of_mappings(processes, fixed))

    def _of_mappings(self, processes: Processes, fixed: float) -> float:
        return len(processes.watched) * fixed + processes.mappings() * _MAPPING_S

    def read(self, seconds: float, *, whole: bool) -> None:
        """Take in what a reading and its snapshot have cost; ``whole`` where every mapping was looked at."""
        (self._whole if whole else self._glance).measured(seconds)
        if whole:
            self._glance.guess(seconds)

    def reading(self, *, glance: bool) -> float:
        """CPU seconds that the next reading should take; with ``glance`` it reads sums only, if nothing new is in
        them."""
        return self._glance.seconds if glance and self._glance.seconds else self._whole.seconds

    @property
    def measured(self) -> bool:
        """Whether the cost of a reading was measured, and is no guess."""
        return self._whole.known

    @property
    def aside(self) -> float:
        """CPU seconds to save up for a change of pattern: the whole reading that finds it, a clear, and a reading."""
        return 2 * self._whole.seconds + self.clearing.seconds

    def distance(self, *, glance: bool) -> float:
        """Seconds from one reading to the next, as often as there is CPU time for it."""
        cost = self.reading(glance=glance)
        saving = self.budget.left < self.aside
        return cost / self.budget.income / ((1 - _ASIDE) if saving else 1.0)
