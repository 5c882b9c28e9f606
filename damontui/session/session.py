"""One session: what is monitored, what came in, what is known of it, and which moment is shown.

A front end, or a script, sends wishes (`Session.switch`, `Exchange.pick`, `Recording.begin`, `Session.show`) and takes
what came in; it knows of news by the call it gave to `Session.begin`, or by waiting:

>>> from damontui.monitor import Monitor
>>> from damontui.session.session import Session
>>> from damontui.sources.choose import choose
>>> from damontui.sources.options import Options
>>> source = choose("demo:steady", Options(speed=1e6, seed=7))
>>> with source:
...     session = Session(Monitor(source))
...     session.begin()
...     while session.history.last is None and session.wait(10.0):
...         _ = session.take()
...     session.close()
True
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from math import inf

from damontui.analysis.estimate import Estimate
from damontui.analysis.estimator import PIECES
from damontui.damon.snapshot import Interim, Snapshot, Status
from damontui.errors import DamontuiError, SourceError
from damontui.history import History
from damontui.monitor import Monitor
from damontui.session.estimates import Estimates
from damontui.session.exchange import Exchange
from damontui.session.mailbox import Mailbox, Snapshots
from damontui.session.messages import Messages
from damontui.session.news import Finished, Left, Opened, Switched
from damontui.session.playback import Playback
from damontui.session.recording import Recording
from damontui.session.viewport import Viewport
from damontui.sources.active import ActiveSource
from damontui.sources.base import TakesDamonStat

_log = logging.getLogger(__name__)

Run = Callable[[Callable[[], None], str], object]
"""Does work beside the front end, in a thread; the word is what kind: ``monitor`` lasts as long as monitoring does."""

SPAN = 240.0
"""Seconds across the picture where nothing else was said."""


def in_thread(work: Callable[[], None], kind: str) -> None:
    """Do the work in a thread of its own, which does not keep the program from ending."""
    threading.Thread(target=work, name=kind, daemon=True).start()


def _nobody() -> None:
    """Who is told of news where nobody asked to be."""


class Session:
    """All the state that a front end has. Its methods and attributes are for one thread, the front end's.

    Args:
        monitor: its source is entered and left by the caller.
        active: who owns the source, and can exchange it for another; None where there is one target only.
        clock: seconds since 1970.
        span: seconds across the picture that the user asked for; None: all of a record, `SPAN` of a live source.
        pieces: most pieces of memory that the estimate tells apart.
        run: how work is done beside the front end; None takes what `begin` is given.
    """

    def __init__(
        self,
        monitor: Monitor,
        *,
        active: ActiveSource | None = None,
        clock: Callable[[], float] = time.time,
        span: float | None = None,
        pieces: int = PIECES,
        run: Run | None = None,
    ) -> None:
        self.monitor = monitor
        self.active = active
        self.clock = clock
        self.description = monitor.source.describe()
        self.status: Status | None = None
        self.interim: Interim | None = None
        """What is known of the aggregation under way; None once it is whole."""
        self.error: DamontuiError | None = None
        """What ended monitoring."""
        self.enabled = True
        self.by_others = False
        """The switch was turned off, and not by us."""
        self.switching = False
        """The switch, or another target, has not answered yet."""
        self.lost: Snapshot | None = None
        """The newest snapshot that lacks regions, since trace events were lost."""
        self.pending = 0
        """Snapshots that came in since another moment than the newest is shown."""
        self.estimates = Estimates(monitor.history, pieces)
        self.viewport = Viewport(grows=True)
        self.messages = Messages(self)
        self.playback = Playback(self)
        self.recording = Recording(self)
        self.exchange = Exchange(self)
        self.leaving = False
        self._span = span
        self._run: Run | None = run
        self._wake: Callable[[], None] = _nobody
        self._mail: Mailbox[Monitor | None] = Mailbox()
        self._news = threading.Event()
        self._again = False
        self._unsubscribe: Callable[[], None] = _nobody
        self._look_anew()

    # -- life ----------------------------------------------------------------------------------------------------

    def begin(self, wake: Callable[[], None] = _nobody, run: Run = in_thread) -> None:
        """Start monitoring.

        Args:
            wake: called from any thread when there is something to `take`; must not block.
            run: how work is done beside the front end, where the session was not made with a way.
        """
        self._wake = wake
        self._run = self._run or run
        self.enabled = self._reads_enabled()
        self._unsubscribe = self.monitor.subscribe(partial(self.receive, self.monitor))
        self.start()

    def stop(self, timeout: float = 0.0) -> None:
        """Ask all monitoring to end, and wait for so many seconds."""
        self.leaving = True
        self.monitor.stop(timeout=timeout)
        self.exchange.stop(timeout)

    def close(self, timeout: float = 2.0) -> None:
        """End monitoring and the record; nothing comes in any more."""
        self._unsubscribe()
        self.stop(timeout)
        self.recording.end()

    @property
    def history(self) -> History:
        """What is kept of what came in."""
        return self.monitor.history

    @property
    def is_record(self) -> bool:
        """Whether what is shown was recorded: it is there as a whole, and can be played."""
        return self.description.origin == "record"

    def _reads_enabled(self) -> bool:
        try:
            return self.monitor.source.enabled
        except DamontuiError as error:
            self.messages.notice = error
            return True

    # -- what comes in -------------------------------------------------------------------------------------------

    def receive(self, sender: Monitor | None, event: object) -> None:
        """Put something into the mailbox, from any thread; what a monitor says that is in force no more is left out."""
        self._mail.put(sender, event)
        self._news.set()
        self._wake()

    def wait(self, seconds: float) -> bool:
        """Block until there is something to `take`, at most for so long; False where nothing came."""
        return self._news.wait(seconds)

    def take(self) -> bool:
        """Take what came in; False where that was nothing."""
        self._news.clear()
        taken = False
        while (mail := self._mail.take()) is not None:
            taken = True
            sender, event = mail
            # this may adopt the sender: it is `monitor` from here on, and the event that made it so is heard, too
            self.exchange.heard(sender, event)
            if sender is None or sender is self.monitor:
                self._heard(event)
        return taken

    def _heard(self, event: object) -> None:
        if isinstance(event, Snapshots):
            self._more(event)
        elif isinstance(event, Interim):
            self.interim = event
        elif isinstance(event, Status):
            self.status = event
            if event.state == "off":
                if self.enabled and not self.switching:
                    _log.info("%s was switched off by somebody else", self.description.target)
                    self.by_others = True
                self.enabled = False
            elif event.state in ("on", "waiting"):
                self.enabled, self.by_others = True, False
        elif isinstance(event, DamontuiError):
            self.error = event
        elif isinstance(event, Switched):
            self._switched(event)
        elif isinstance(event, Opened):
            self.exchange.opened(event.answer)
        elif isinstance(event, Left):
            self.switching = False
            self.messages.notice = event.error if event.error is not None else self.messages.notice
        elif isinstance(event, Finished) and self._again and not self.leaving:
            # the run that ended was the one before the switch; its "off" is old news
            self.enabled, self.status = True, None
            self.start()

    def _more(self, news: Snapshots) -> None:
        self._again = False
        self.interim = None
        self.estimates.behind = True
        self.recording.look()
        self.error, self.by_others = None, False
        if news.lost is not None:
            self.lost = news.lost
        self.messages.heard(news.newest)
        module = news.newest.module
        self.enabled = module.enabled if module is not None else True
        if self.status is not None and self.status.state in ("waiting", "on"):
            self.status = None
        if self.viewport.moment is not None:
            self.pending += news.count

    # -- what is known, and of which moment ------------------------------------------------------------------------

    def estimate(self) -> Estimate | None:
        """What is known now of the moment shown; None where nothing is, and of counted bytes, which need none."""
        newest, moment = self.history.last, self.viewport.moment
        if moment is None and self.is_record and newest is not None:
            moment = newest.time
        return self.estimates.about(self.history, moment)

    @property
    def span(self) -> float:
        """Seconds across the picture."""
        return self.viewport.reach(self.history)

    def show(self, viewport: Viewport) -> None:
        """Look at another moment, or other addresses; `Viewport.live` is back to the newest."""
        self.viewport = viewport
        if viewport.moment is None:
            self.pending = 0

    def pause(self) -> None:
        """The view stands still, or goes back to live; a record plays, or pauses."""
        self.pending = 0
        if self.is_record:
            self.playback.toggle()
        else:
            self.show(self.viewport.frozen(self.history))

    def _look_anew(self) -> None:
        """Another target: its addresses and its past are others."""
        span, before = self._span, self.viewport
        if span is None:
            span = inf if self.is_record else SPAN
        grows = before.grows or self.is_record
        span = span if grows else before.span
        self.viewport = Viewport(span, grows, fold=before.fold, hottest=before.hottest)
        self.pending = 0

    # -- the switch ------------------------------------------------------------------------------------------------

    def switch(self) -> None:
        """Turn monitoring off or on; after an error or an end: start afresh."""
        if self.switching:
            return
        over = self.error is not None or (self.status is not None and self.status.state in ("gone", "ended"))
        locked = self.description.locked
        if locked and not over:
            self.messages.notice = SourceError("the switch is locked", locked)
        elif over and self.error is None and self.description.target == "run":
            why = "the command has ended"
            self.messages.notice = SourceError("there is nothing to start afresh", why, "press q to leave with it")
        else:
            self.messages.notice = None
            self.switching = True
            self.do(partial(self._turn, over or not self.enabled, switch=not locked), "switch")

    def take_over(self) -> None:
        """Switch DAMON_STAT off for the time being: for what it is in the way of, or for a closer look than its own."""
        if self.switching or self.exchange.take_over():
            return
        source = self.monitor.source
        if isinstance(source, TakesDamonStat) and isinstance(self.error, SourceError) and self.error.offer == "take":
            source.take = True
            self.switch()
        elif self.description.closer and self.exchange.possible:
            self.exchange.open(self.description.closer, take=True)
        else:
            self.messages.notice = SourceError("nothing to take", "DAMON_STAT is not in the way of this target")

    def _turn(self, on: bool, *, switch: bool) -> None:
        try:
            if switch:
                self.monitor.switch(on)
        except DamontuiError as error:
            self.receive(None, Switched(on, error))
        except Exception as error:  # a fault of ours, in the source: said, and the front end lives on
            self.receive(None, Switched(on, SourceError("cannot switch", f"{type(error).__name__}: {error}")))
        else:
            self.receive(None, Switched(on))

    def _switched(self, answer: Switched) -> None:
        self.switching = False
        self.messages.notice = answer.error
        if answer.error is not None:
            _log.warning("the switch of %s did not take: %s", self.description.target, answer.error)
            return
        self.enabled, self.by_others = answer.on, False
        if not answer.on:
            if self.status is None or self.status.state != "off":
                newest = self.history.last
                self.status = Status("off", "switched off", 0.0 if newest is None else newest.time, self.clock())
            return
        self.error = self.lost = None
        self.show(self.viewport.live())
        if self.status is not None and self.status.state in ("off", "gone", "ended"):
            self.status = None
        if self.monitor.running:
            self._again = True  # it may be about to end because the switch was off a moment ago
        else:
            self.start()

    # -- the monitor's thread --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run the monitor in force."""
        self._again = False
        self.monitor.rearm()
        self.do(partial(self.watch, self.monitor), "monitor")

    def watch(self, monitor: Monitor) -> None:
        """Run a monitor to its end, in the thread that this is called in."""
        monitor.run()
        self.receive(monitor, Finished())

    def do(self, work: Callable[[], None], kind: str) -> None:
        """Do work beside the front end."""
        _log.debug("in a thread: %s", kind)
        (self._run or in_thread)(work, kind)

    def adopt(self, monitor: Monitor) -> Monitor:
        """Put another target in force, which is monitored already; returns the monitor of the one before."""
        before, self.monitor = self.monitor, monitor
        self.recording.end()
        self._unsubscribe()
        self._unsubscribe = _nobody
        self.description = monitor.source.describe()
        self.status = self.error = self.interim = self.lost = None
        self.by_others = False
        self.messages, self.playback = Messages(self), Playback(self)
        self._look_anew()
        self.enabled = self._reads_enabled()
        return before
