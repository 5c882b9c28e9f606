"""What looking at processes may cost: CPU time that comes in at a share of one CPU, and what each look is foreseen to.

Three things keep what was spent below the share of the time so far, at any time after the first second:

* nothing is done before there is CPU time for it, by what it cost lately and a quarter more (`Budget.wait`);
* of what comes in, a twentieth goes to what no clock of ours sees: a thread that is woken, memory that is freed;
* of the rest, a seventh is put aside until there is enough for a change: a clear and two readings. So what has just
  changed is looked at again at once, also where a reading costs as much as comes in within seconds.
"""

from __future__ import annotations

from damontui.errors import UsageError
from damontui.operations.process import Processes

_BANK_S = 1.0
"""CPU time that was not needed is kept for this long: a whole second at the budget's share."""
_PLANNED = 0.95
_ROOM = 1.25
_ASIDE = 0.15
_FIXED_S = 0.003
"""CPU time that a first reading may take, beside what grows with the resident memory and the mappings."""
_EARLY_FIXED_S = 0.0015
"""The same without a snapshot that is made of it."""
_MAPPING_S = 12e-6
"""The same for each mapping: what the kernel prints of it, and what we make of that."""


class Budget:
    """CPU time that may be spent: it comes in at a share of one CPU.

    The first second's worth is there from the beginning, and nothing comes in during that second. What is not needed is
    kept for a second, or until there is enough for what is waited for or put aside.

    Args:
        share: of one CPU, over 0, at most 1.

    Raises:
        UsageError: for a share that is none.
    """

    def __init__(self, share: float) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"--budget: {share * 100:g} % of one CPU is not over 0 % and at most 100 %")
        self.share = share
        self.income = share * _PLANNED
        """CPU seconds a second that are planned with."""
        self.left = self.income * _BANK_S
        """CPU seconds; negative after something that cost more than was foreseen."""
        self._kept = self.left
        self._now = 0.0
        self._from: float | None = None
        """Until when all has come in, or when that begins."""

    def pass_to(self, now: float) -> None:
        """Time has passed; the first call begins the first second."""
        self._now = now
        if self._from is None:
            self._from = now + _BANK_S
        elif now > self._from:
            # what was saved up is there to be spent, however much that is
            self.left = max(self.left, min(self._kept, self.left + (now - self._from) * self.income))
            self._from = now

    def spend(self, seconds: float) -> None:
        """CPU seconds were spent."""
        self.left -= seconds

    def wait(self, cost: float, aside: float = 0.0) -> float:
        """Seconds from the last `pass_to` until something of a cost may be done.

        Args:
            cost: CPU seconds that it takes.
            aside: CPU seconds that should be left then. As long as they are not there, they are saved up for.
        """
        needed = cost * _ROOM
        self._kept = max(self._kept, needed + aside)
        soonest = self._until(needed)
        return max(soonest, min(self._until(needed + aside), cost / (1 - _ASIDE) / self.income)) if aside else soonest

    def affords(self, now: float, later: float, within: float) -> bool:
        """Whether something may be done now, and something else within so many seconds; CPU seconds of each."""
        more = max(0.0, self._now + within - (self._from if self._from is not None else self._now)) * self.income
        return now * _ROOM <= self.left and now + later + (_ROOM - 1) * max(now, later) <= self.left + more

    def _until(self, needed: float) -> float:
        lacking = needed - self.left
        if lacking <= 0:
            return 0.0
        return lacking / self.income + max(0.0, (self._from or 0.0) - self._now)


class Cost:
    """What one of several like actions costs, CPU seconds: it rises at once and falls slowly."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.known = False
        """Whether one was measured."""

    def guess(self, seconds: float) -> None:
        """What one may cost, until the first is measured."""
        if not self.known:
            self.seconds = seconds

    def measured(self, seconds: float) -> None:
        """Take in what one has cost."""
        weight = 4 if self.known and seconds < self.seconds else 1
        self.known = True
        self.seconds += (seconds - self.seconds) / weight


class Plan:
    """When what may be done to processes, by what it has cost so far.

    Args:
        share: of one CPU that may be spent.

    Raises:
        UsageError: for a share that is none.
    """

    def __init__(self, share: float) -> None:
        self.budget = Budget(share)
        self.clearing = Cost()
        self._whole = Cost()
        self._glance = Cost()
        self.early = Cost()
        """A reading of which no snapshot is made."""

    def foresee(self, processes: Processes) -> None:
        """Before anything was measured: a clear by the resident bytes, a reading by these and the mappings."""
        pauses = processes.predicted_pauses()
        self.clearing.guess(pauses / _ROOM)  # there is room in it
        self._whole.guess(pauses + self._of_mappings(processes, _FIXED_S))

    def cleared(self, seconds: float, processes: Processes) -> None:
        """A clear of all that have to be cleared has cost so much."""
        self.clearing.measured(seconds)
        if self.measured:
            return
        # a reading walks the same page tables
        for cost, fixed in ((self._whole, _FIXED_S), (self.early, _EARLY_FIXED_S)):
            cost.guess(1.1 * self.clearing.seconds + self._of_mappings(processes, fixed))

    def _of_mappings(self, processes: Processes, fixed: float) -> float:
        return len(processes.watched) * fixed + processes.mappings() * _MAPPING_S

    def read(self, seconds: float, *, whole: bool) -> None:
        """A reading for a snapshot, and making it, has cost so much; ``whole``: every mapping was looked at."""
        (self._whole if whole else self._glance).measured(seconds)
        if whole:
            self._glance.guess(seconds)

    def reading(self, *, glance: bool) -> float:
        """CPU seconds that the next reading is foreseen to take; ``glance``: of sums, if nothing new is in them."""
        return self._glance.seconds if glance and self._glance.seconds else self._whole.seconds

    @property
    def measured(self) -> bool:
        """Whether what a reading costs is more than a guess."""
        return self._whole.known

    @property
    def aside(self) -> float:
        """CPU seconds for a change: a whole reading that finds it, a clear, and the reading after it."""
        return 2 * self._whole.seconds + self.clearing.seconds

    def distance(self, *, glance: bool) -> float:
        """Seconds from one reading to the next, as often as there is CPU time for it."""
        cost = self.reading(glance=glance)
        saving = self.budget.left < self.aside
        return cost / self.budget.income / ((1 - _ASIDE) if saving else 1.0)
