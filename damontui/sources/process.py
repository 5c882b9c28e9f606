"""Processes through ``/proc`` as a source, within a budget of CPU time for observing them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from damontui import units
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.context import Context
from damontui.damon.operations import Operations
from damontui.damon.snapshot import State
from damontui.errors import SourceError, UsageError
from damontui.kernel import process_files as files
from damontui.kernel import procfs
from damontui.kernel.root import Root
from damontui.operations.process import LIMITS, ProcessOperations, identify
from damontui.sources.engine import EngineSource

BUDGET = 0.02
"""Share of one CPU that observing may take."""

DEFAULTS = Attrs(
    sample_us=100_000,
    aggr_us=1_000_000,
    update_us=1_000_000,
    goal=IntervalsGoal(min_sample_us=5_000, max_sample_us=1_000_000),
)
"""Fewer and longer samples than DAMON_STAT's: a look here costs milliseconds and tells of every page, not of one."""

_ROOM = 1.15
"""The sampling interval is set to this much more than the budget asks for, so that it is not set all the time."""
_SLACK = 1.5
"""It is shortened again where it is this many times longer than the budget asks for."""
_MOST_US = 600_000_000
_PATIENCE_US = 10_000_000
"""An aggregation that the budget makes longer than this gets fewer samples instead: a look tells of every page, so that
a few give a picture, and a picture that takes half an hour is none."""
_LEAST_SAMPLES = 3


def parse_pids(word: str) -> tuple[int, ...]:
    """The PIDs in ``1234`` or ``1234,1250``. Raises `UsageError`."""
    parts = word.split(",")
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 1 << 22 for part in parts):
        raise UsageError(
            f"target: {word!r} is not a process; write its number (PID, 1 … {(1 << 22) - 1}), several with commas"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))


class Budget:
    """Keeps the sampling interval so long that looking takes at most a share of one CPU.

    Args:
        share: of one CPU, over 0, at most 1.
        wanted: the attributes asked for; they are kept to where the budget allows.

    Raises:
        UsageError: for a share that is none.
    """

    def __init__(self, share: float, wanted: Attrs) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"--budget: {share * 100:g} % of one CPU is not over 0 % and at most 100 %")
        self.share = share
        self.wanted = wanted
        self.cost = 0.0
        """CPU seconds of one look: a mean that rises faster than it falls."""

    def measured(self, seconds: float) -> None:
        """Take in what one look cost."""
        weight = 4 if seconds < self.cost else 2 if self.cost else 1
        self.cost += (seconds - self.cost) / weight

    @property
    def least_us(self) -> int:
        """The shortest sampling interval that the budget allows."""
        return math.ceil(self.cost / self.share * 1e6)

    @property
    def allowed(self) -> Attrs:
        """The wanted attributes, with longer intervals where the budget asks for it."""
        floor = min(_MOST_US, math.ceil(self.least_us * _ROOM))
        goal = self.wanted.goal
        if goal is not None and floor > goal.min_sample_us:
            goal = replace(goal, min_sample_us=floor, max_sample_us=max(goal.max_sample_us, floor))
        if floor <= self.wanted.sample_us:
            return replace(self.wanted, goal=goal)
        wanted = self.wanted.aggr_samples
        fewer = max(_LEAST_SAMPLES, max(_PATIENCE_US, self.wanted.aggr_us) // floor)
        samples = min(wanted, fewer)
        return replace(
            self.wanted,
            sample_us=floor,
            aggr_us=floor * samples,
            aggr_samples=samples,
            update_us=max(self.wanted.update_us, floor),
            goal=goal,
        )

    def change(self, now: Attrs) -> Attrs | None:
        """What to put in force instead of ``now``; None where that is well within the budget and not too careful."""
        allowed = self.allowed
        if now.goal is None or allowed.goal is None:
            dear = now.sample_us < self.least_us
            rare = now.sample_us > allowed.sample_us * _SLACK or (allowed == self.wanted and now != allowed)
            return allowed if dear or rare else None
        # what the tuner chose stays, within the bounds that the budget sets it
        if now.goal.min_sample_us >= self.least_us and now.goal.min_sample_us <= allowed.goal.min_sample_us * _SLACK:
            return None
        sample = min(max(now.sample_us, allowed.goal.min_sample_us), allowed.goal.max_sample_us)
        return replace(allowed, sample_us=sample, aggr_us=sample * allowed.aggr_samples)

    def note(self, now: Attrs) -> str:
        """One sentence where the budget makes looks rarer than asked for; "" where it does not."""
        asked = self.wanted.goal.min_sample_us if self.wanted.goal is not None else self.wanted.sample_us
        if self.allowed.sample_us <= self.wanted.sample_us or now.sample_us <= asked:
            return ""
        every, wanted = (units.duration(attrs.sample_us / 1e6) for attrs in (now, self.wanted))
        if every == wanted:
            return ""
        return (
            f"sampled every {every}, not {wanted}: "
            f"one look costs {units.duration(self.cost)} of CPU time and the budget is {units.share(self.share)} of "
            "one CPU; a larger --budget samples more often"
        )


class ProcessSource(EngineSource):
    """One or several processes without DAMON and, for one's own, without root; a `Source`.

    Args:
        root: where /proc is.
        pids: the processes.
        attrs: as asked for; the budget may lengthen the intervals.
        budget: share of one CPU that observing may take.
        children: whether children are followed as they come and go.
        target: the word on the command line that leads here; the PIDs where left out.
        program: how to start this program, for remedies to copy.
        engine: what else `EngineSource` takes (seed, enabled, reason, clocks).
    """

    def __init__(
        self,
        root: Root,
        pids: Sequence[int],
        attrs: Attrs = DEFAULTS,
        *,
        budget: float = BUDGET,
        children: bool = False,
        target: str = "",
        program: str = "damontui",
        **engine: Any,
    ) -> None:
        self._root = root
        self._pids = tuple(pids)
        self._who: tuple[files.Stat, ...] = ()
        self._wanted = attrs
        self._share_of_cpu = budget
        self._budget = Budget(budget, attrs)
        self._children = children
        self._program = program
        super().__init__(
            self._operations,
            attrs,
            target=target or ",".join(map(str, self._pids)),
            title=self._title(),
            origin="process",
            host=engine.pop("host", procfs.hostname(root)),
            kernel=engine.pop("kernel", procfs.kernel_release(root)),
            limits=LIMITS,
            **engine,
        )

    def __enter__(self) -> Self:
        """Find out who the processes are, and whether they can be watched. Raises `SourceError`."""
        self._who = tuple(identify(self._root, pid, self._program) for pid in self._pids)
        self._operations(np.random.default_rng(0))
        self._description = replace(self._description, title=self._title())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    # -- what the engine asks

    def open(self, rng: np.random.Generator) -> Operations:
        """Look once, so that the cost is known before the first aggregation. Raises `SourceError`."""
        if not self._who:
            self._who = tuple(identify(self._root, pid, self._program) for pid in self._pids)
        for who in self._who:
            now = files.stat(self._root, who.pid)
            if len(self._who) == 1 and (now is None or now.ended or now.started != who.started):
                why = "it has ended"
                if now is not None and not now.ended:
                    why = f"it has ended, and its number is another process's ({now.comm}) now"
                raise SourceError(f"cannot watch process {who.pid} ({who.comm})", why, "choose another target")
        before = self._cpu_clock()
        operations = super().open(rng)
        # the first look is the dearest: it clears what all the time before was referenced
        self._budget = Budget(self._share_of_cpu, self._wanted)
        self._budget.measured(self._cpu_clock() - before)
        self._attrs = self._budget.allowed
        return operations

    def observed(self, context: Context, cpu: float) -> None:
        """Keep the budget. A running aggregation is only cut short where it would be twice over the budget."""
        budget = self._budget
        budget.measured(cpu)
        fresh = context.samples_left == context.attrs.max_nr_accesses
        if fresh or budget.least_us > 2 * context.attrs.sample_us:
            change = budget.change(context.attrs)
            if change is not None:
                context.set_attrs(change)
        missing = context.operations.missing() if isinstance(context.operations, ProcessOperations) else ""
        context.note = "; ".join(part for part in (missing, budget.note(context.attrs)) if part)

    def gone(self, operations: Operations) -> tuple[State, str]:
        """Who ended and when."""
        at = time.strftime("%H:%M:%S", time.localtime(self._wall()))
        return "gone", f"{self._title()} ended at {at}"

    # -- ours

    def _operations(self, rng: np.random.Generator) -> ProcessOperations:
        return ProcessOperations(
            self._root,
            self._who,
            rng,
            children=self._children,
            max_regions=self._wanted.max_regions,
            program=self._program,
        )

    def _title(self) -> str:
        found = {who.pid: who for who in self._who}
        parts = []
        for pid in self._pids:
            who = found.get(pid) or files.stat(self._root, pid)
            parts.append(f"{pid} ({who.comm})" if who is not None else str(pid))
        word = "process" if len(parts) == 1 else "processes"
        return f"{word} {', '.join(parts)}" + (" with children" if self._children else "")


def available(root: Root, pid: int) -> str:
    """Why that process cannot be watched this way, in one clause; "" where it can (nothing is cleared to find out)."""
    who = files.stat(root, pid)
    if who is None:
        return "no such process"
    if who.kernel_thread:
        return "a thread of the kernel"
    if who.ended:
        return "a zombie"
    if not root.exists(f"proc/{pid}/clear_refs"):
        return "no clear_refs (CONFIG_PROC_PAGE_MONITOR)"
    # smaps lets anybody open it as far as its mode goes; clear_refs is its owner's
    if not root.writable(f"proc/{pid}/clear_refs"):
        return f"belongs to {files.owner(root, pid) or 'another user'}"
    return ""
