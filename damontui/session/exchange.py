"""Changing the target: another one is tried beside the one in force, and takes its place with its first good event."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Unpack

from damontui.errors import DamontuiError, SourceError
from damontui.history import History
from damontui.monitor import Monitor
from damontui.session.news import Finished, Left, Opened
from damontui.sources.active import Changes
from damontui.sources.base import Source, TakesDamonStat

if TYPE_CHECKING:
    from damontui.session.session import Session

_log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a target has to end its monitoring before another takes its place."""


@dataclass(slots=True)
class _Trial:
    monitor: Monitor
    alone: bool
    """Whether both targets need the kernel's DAMON, so that the one in force has to pause meanwhile."""
    paused: bool = False
    """Whether the one in force is paused."""


class Exchange:
    """The part of a session that changes its target. The one in force stays until the other has given an event."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._trial: _Trial | None = None
        self._offered: Source | None = None
        """A source that was refused because DAMON_STAT holds DAMON, and works once that is switched off."""

    @property
    def possible(self) -> bool:
        """Whether there is another target to change to."""
        active = self._session.active
        return active is not None and active.exchangeable

    def open(self, word: str, **changes: Unpack[Changes]) -> None:
        """Open a target beside the one in force, and `pick` it."""
        session, active = self._session, self._session.active
        if active is None or not active.exchangeable or session.switching:
            return
        session.switching = True
        _log.info("open %s beside %s", word, session.description.target)

        def enter() -> None:
            answer: Source | DamontuiError
            try:
                answer = active.open(word, **changes)
            except DamontuiError as error:
                answer = error
            except Exception as error:  # a fault of ours, in the source: said, and the front end lives on
                answer = SourceError(f"cannot watch {word}", f"{type(error).__name__}: {error}")
            session.receive(None, Opened(answer))

        session.do(enter, "open")

    def opened(self, answer: Source | DamontuiError) -> None:
        """Take the result of `open`: the source, or the error."""
        self._session.switching = False
        if isinstance(answer, DamontuiError):
            _log.info("refused: %s", answer)
            self._session.messages.notice = answer
        else:
            self.pick(answer)

    def pick(self, source: Source) -> None:
        """Try a source that was opened. The target in force goes on meanwhile, if it can."""
        session = self._session
        session.switching = True
        if self._offered is not source:
            self._forget_offer()
        before = session.monitor
        monitor = Monitor(source, History(session.history.budget))
        _log.info("try %s; %s is in force meanwhile", source.describe().target, session.description.target)
        both_kernels = source.describe().origin == session.description.origin == "kernel"
        self._trial = _Trial(monitor, before.running and both_kernels)
        monitor.subscribe(partial(session.receive, monitor))
        session.do(partial(self._try, self._trial, before), "monitor")

    def take_over(self) -> bool:
        """Try again the source that DAMON_STAT was in the way of; False where there is none."""
        offered = self._offered
        if not isinstance(offered, TakesDamonStat):
            return False
        offered.take = True
        self._session.messages.notice = None
        self.pick(offered)
        return True

    def discard(self, source: Source) -> None:
        """Leave a source that was opened and is not wanted."""
        active = self._session.active
        if active is not None:
            self._session.do(partial(active.leave, source), "leave")

    def stop(self, timeout: float) -> None:
        """Ask the target that is being tried to end, and wait for so many seconds."""
        if self._trial is not None:
            self._trial.monitor.stop(timeout=timeout)

    def heard(self, sender: Monitor | None, event: object) -> None:
        """Take the first event of a target that is being tried: an error refuses it, any other puts it in force."""
        trial, session = self._trial, self._session
        if trial is None or sender is not trial.monitor:
            return
        self._trial = None
        source = trial.monitor.source
        if not isinstance(event, (DamontuiError, Finished)):
            self._offered = None
            _log.info("adopt %s in the place of %s", source.describe().target, session.description.target)
            before = session.adopt(trial.monitor)
            session.do(partial(self._leave, before, source), "switch")
            return
        session.switching = False
        why = event if isinstance(event, DamontuiError) else "it ended without a word"
        _log.info("refused %s: %s; %s stays", source.describe().target, why, session.description.target)
        if isinstance(event, DamontuiError):
            session.messages.notice = event
        if isinstance(event, SourceError) and event.offer == "take" and isinstance(source, TakesDamonStat):
            self._offered = source
        else:
            self.discard(source)
        if trial.paused and not session.leaving:  # back to the one before, with its past
            session.start()

    def _try(self, trial: _Trial, before: Monitor) -> None:
        if trial.alone:
            trial.paused = before.stop(timeout=PATIENCE)
        if not self._session.leaving:
            self._session.watch(trial.monitor)

    def _leave(self, before: Monitor, source: Source) -> None:
        active = self._session.active
        before.stop(timeout=PATIENCE)
        error: DamontuiError | None = None
        try:
            if active is not None:
                error = active.exchange(source)
        except Exception as fault:  # of ours, in the source that was left
            error = SourceError("the target before was not left in order", f"{type(fault).__name__}: {fault}")
        if error is not None:
            _log.warning("the target before was not left in order: %s", error)
        self._session.receive(None, Left(error))

    def _forget_offer(self) -> None:
        offered, self._offered = self._offered, None
        if offered is not None:
            self.discard(offered)
