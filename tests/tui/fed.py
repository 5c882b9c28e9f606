"""The app fed by hand: a session whose monitoring never runs, and a screen without clocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from damontui.damon.snapshot import Description, Event, Snapshot
from damontui.errors import DamontuiError
from damontui.history import BUDGET, History
from damontui.monitor import Monitor
from damontui.operations.counted import One
from damontui.operations.processes import Missing
from damontui.session.session import Session
from damontui.sources.active import ActiveSource
from damontui.tui.app import DamontuiApp
from damontui.tui.options import ScreenOptions
from damontui.tui.panes.output import OutputPane
from tests import make


class Silent:
    """A source that says nothing by itself, and whose switch does at once what is wanted."""

    def __init__(self, description: Description | None = None) -> None:
        self.description = description if description is not None else make.description()
        self.enabled = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def describe(self) -> Description:
        """What it was made with."""
        return self.description

    def snapshots(self, stop: threading.Event) -> Iterator[Event]:
        """None."""
        return iter(())

    def overhead(self) -> float:
        """None."""
        return 0.0


class SilentSeveral(Silent):
    """The same of several processes.

    Args:
        description: of the source.
        each: the processes.
        missing: those that are not watched.
    """

    def __init__(self, description: Description, each: tuple[One, ...], missing: tuple[Missing, ...] = ()) -> None:
        super().__init__(description)
        self.each = each
        self.missing = missing
        self.several = True


def at_once(work: Callable[[], None], kind: str) -> None:
    """Do what a session does beside the front end there and then; monitoring not at all."""
    if kind != "monitor":
        work()


def session(
    description: Description | None = None,
    *,
    clock: Callable[[], float] = time.time,
    active: ActiveSource | None = None,
    history: int = 0,
    span: float | None = None,
    source: Silent | None = None,
) -> Session:
    """A session that hears what it is told by `hear`."""
    monitor = Monitor(source or Silent(description), History(history or BUDGET))
    return Session(monitor, active=active, clock=clock, span=span, run=at_once)


def begun(description: Description | None = None) -> Session:
    """Such a session that has begun, when the snapshots of `make` do."""
    of = session(description, clock=lambda: make.WALL)
    of.begin()
    return of


def app(
    description: Description | None = None,
    *,
    clock: Callable[[], float] = time.time,
    options: ScreenOptions | None = None,
    active: ActiveSource | None = None,
    output: OutputPane | None = None,
    history: int = 0,
    span: float | None = None,
    source: Silent | None = None,
) -> DamontuiApp:
    """A screen on such a session."""
    of = session(description, clock=clock, active=active, history=history, span=span, source=source)
    return DamontuiApp(of, options=replace(options or ScreenOptions(), clocks=False), output=output)


def hear(session: Session, *events: Event | DamontuiError) -> None:
    """What the source says."""
    for event in events:
        session.monitor.hear(event)
    session.take()


def feed(app: DamontuiApp, event: Event | DamontuiError) -> None:
    """What the source says, and what the screen shows of it."""
    hear(app.session, event)
    app.paint()


def feed_all(app: DamontuiApp, events: Iterable[Event | DamontuiError]) -> None:
    """Put each snapshot into the history at once, and show only the last event."""
    events = list(events)
    for event in events[:-1]:
        if isinstance(event, Snapshot):
            app.session.history.append(event)
    feed(app, events[-1])


def advance(app: DamontuiApp, seconds: float) -> None:
    """So much time passes while a record plays."""
    app.session.playback.advance(seconds)
    app.paint()
