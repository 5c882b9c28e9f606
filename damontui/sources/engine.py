"""The engine as a source: an operations set of ours, monitored in real time by a context of ours."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Self

import numpy as np

from damontui import units
from damontui.damon.attrs import Attrs
from damontui.damon.context import Context
from damontui.damon.operations import BatchOperations, Operations
from damontui.damon.snapshot import Description, Event, Snapshot, State, Status
from damontui.kernel.readers import READERS
from damontui.sources.live import Live, until_stopped

MakeOperations = Callable[[np.random.Generator], Operations]


class EngineSource(Live):
    """Runs a context over an operations set; a `Source`.

    Where the operations set is a model (`BatchOperations`), time is the model's, from 0 on, ``speed`` seconds of it to
    one of ours, also while the switch is off; each aggregation is computed at the moment when it is due. Else time is
    ``clock`` and every sampling interval is really waited for. Either way deadlines are absolute: one that is missed
    is counted in ``Snapshot.late``, and what follows is not shifted by it.

    ``lead`` may be set before iterating: of a model, the aggregations that begin in the first so many seconds are
    computed without waiting, and only then does its time pass at ``speed``. What is watched in real time has no lead.

    Subclasses may override `open`, `close`, `observed` and `gone`.

    Args:
        make_operations: makes the operations set anew for each start, with the generator to draw from.
        attrs: the attributes at the start; tuning may change them.
        seed: of the random generator; the same seed gives the same snapshots. None takes another one each time.
        speed: model seconds to one of ours; ``math.inf`` for as fast as it goes. Only for a model.
        target: the word on the command line that leads here.
        title: what the title bar calls it.
        enabled: the switch at the start.
        reason: why this target, where the user did not ask for it by name.
        host: the host's name.
        kernel: the kernel's release.
        clock: seconds, monotonic.
        wall: seconds since 1970.
        cpu_clock: CPU seconds of the calling thread.
        wait: waits for the event or so many seconds (at most 0.1); a test moves its clock here.
    """

    def __init__(
        self,
        make_operations: MakeOperations,
        attrs: Attrs,
        *,
        target: str,
        title: str,
        seed: int | None = None,
        speed: float = 1.0,
        enabled: bool = True,
        reason: str = "",
        host: str = "",
        kernel: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        cpu_clock: Callable[[], float] = READERS.thread_time,
        wait: Callable[[threading.Event, float], object] = until_stopped,
    ) -> None:
        super().__init__(enabled=enabled, clock=clock, wall=wall, cpu_clock=cpu_clock, wait=wait)
        self.lead = 0.0
        self._make = make_operations
        self._attrs = attrs
        self._seed = seed
        self._speed = speed
        self._now = 0.0
        self._rested: float | None = None  # since when a model stands still, by our clock
        self._description = Description(
            target=target,
            title=title,
            origin="simulated",
            attrs=attrs,
            host=host,
            kernel=kernel,
            speed=speed,
            reason=reason,
        )

    def __enter__(self) -> Self:
        return self

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """See `Source`. Ends within 0.1 s of the switch going off, at once when ``stop`` is set."""
        events = self._events(stop)
        while True:
            self._mark = self._cpu_clock()
            try:
                event = next(events)
            except StopIteration:
                return
            finally:
                self._charge()
            yield event

    # -- what a subclass may override

    def open(self, rng: np.random.Generator) -> Operations:
        """The operations set of a start. May raise `SourceError`."""
        return self._make(rng)

    def close(self, operations: Operations) -> None:
        """Give back what `open` took; called on every way out of a start."""

    def observed(self, context: Context, cpu: float) -> None:
        """Called after each live sampling interval with the CPU seconds that it took: may set other attributes."""

    def gone(self, operations: Operations) -> tuple[State, str]:
        """The state, and its text, in which the source ends where no target is valid any more."""
        return "gone", "no target is left"

    # -- the loop

    def _start(self, stop: threading.Event, start: int) -> Iterator[Event]:
        of_memory, of_context = (np.random.default_rng(part) for part in np.random.SeedSequence(self._seed).spawn(2))
        operations = self.open(of_memory)
        self._spent.clear()
        try:
            if not operations.valid():
                yield self._last_word(operations)
            elif isinstance(operations, BatchOperations):
                yield from self._model(operations, of_context, stop, start)
            else:
                yield from self._live(operations, of_context, stop, start)
        finally:
            self.close(operations)

    def _model(
        self, operations: Operations, rng: np.random.Generator, stop: threading.Event, start: int
    ) -> Iterator[Event]:
        context = Context(operations, self._attrs, rng, origin=self._description.origin)
        began = self._clock()
        # a model begins anew with each start, its time does not: the past stays, with a gap of what has passed
        passed = 0.0 if self._rested is None or math.isinf(self._speed) else (began - self._rested) * self._speed
        base = self._now = self._now + passed
        led = self.lead > 0
        yield self._first(context, math.inf if led else self._speed, base)
        while True:
            model_due = context.aggregation_due
            if led and context.time >= self.lead:  # from here on it is as if the model had begun so long ago
                led = False
                began = self._clock() - context.time / self._speed
                self._spent.clear()  # what the lead cost is not what observing costs
            due = -math.inf if led or math.isinf(self._speed) else began + model_due / self._speed
            behind = self._clock() - due
            if behind > 0 and not math.isinf(due):
                sample = context.attrs.sample_us / 1e6 / self._speed
                context.late += min(context.samples_left, math.ceil(behind / sample))
            if not self._wait_until(due, stop, start):
                return
            context.wall = self._wall() - (model_due - context.time)  # it ends now, however fast the model's time goes
            context.cpu = self._share() if not led else None
            snapshot = context.aggregate()
            self._now = base + context.time
            self._rested = self._clock()
            yield replace(snapshot, time=base + snapshot.time, began=base + snapshot.began, watched=snapshot.time)
            if not operations.valid():
                yield self._last_word(operations)
                return

    def _live(
        self, operations: Operations, rng: np.random.Generator, stop: threading.Event, start: int
    ) -> Iterator[Event]:
        self._now = self._clock()
        since = self._now
        context = Context(operations, self._attrs, rng, origin=self._description.origin, time=since, wall=self._wall())
        yield self._first(context, 1.0)
        due = self._clock()
        while True:
            before = self._cpu_clock()
            sample = context.attrs.sample_us / 1e6
            due += sample
            context.prepare()
            # half an interval at least, or there would be next to nothing to see
            behind = self._clock() + sample / 2 - due
            if behind > 0:
                missed = math.ceil(behind / sample)
                context.late += missed
                due += missed * sample
            if not self._wait_until(due, stop, start):
                return
            self._now = self._clock()
            context.cpu = self._share()
            snapshot: Snapshot | None = None
            if operations.valid():
                snapshot = context.check(self._now, self._wall())
            self.observed(context, self._cpu_clock() - before)
            if snapshot is not None:
                yield replace(snapshot, watched=snapshot.time - since)
            if not operations.valid():
                yield self._last_word(operations)
                return

    def _first(self, context: Context, speed: float, base: float = 0.0) -> Status:
        longest = units.duration((context.aggregation_due - context.time) / speed)
        text = f"first aggregation, at most {longest}" if speed < math.inf else "first aggregation"
        return Status("waiting", text, base + context.time, self._wall(), base + context.aggregation_due)

    def _last_word(self, operations: Operations) -> Status:
        state, text = self.gone(operations)
        return Status(state, text, self._now, self._wall())

    def _time(self) -> float:
        return self._now

    def _share(self) -> float | None:
        """CPU share over the last seconds, None at first."""
        self._charge()
        return super()._share()
