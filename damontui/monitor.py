"""Runs a source, keeps its snapshots, and hands each event to the listeners."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from damontui.damon.snapshot import Event, Interim, Snapshot, Status
from damontui.errors import DamontuiError, SourceError
from damontui.history import History
from damontui.sources.base import Source

_log = logging.getLogger(__name__)

Listener = Callable[[Event | DamontuiError], None]
"""Called in the monitor's thread with each event, or with the error that ended the source; must not block."""


class Monitor:
    """One source and its history. ``run`` blocks: the front end decides in which thread.

    The monitor does not enter or leave the source's context manager: who made the source does, outside of any
    screen, so that the system is given back whatever happens to the screen.
    """

    def __init__(self, source: Source, history: History | None = None) -> None:
        self.source = source
        self.history = history if history is not None else History()
        self.error: DamontuiError | None = None
        """The error that ended the last run, None while all is well."""
        self.status: Status | None = None
        """The last change of state."""
        self._listeners: list[Listener] = []
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()

    @property
    def running(self) -> bool:
        """Whether a thread is inside ``run``."""
        return not self._idle.is_set()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hand every further event to ``listener``; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def run(self) -> None:
        """Iterate the source until `stop`, its end or an error; errors are handed on, not raised."""
        self._idle.clear()
        self.error = None
        word = self.source.describe().target
        _log.info("monitoring %s begins", word)
        try:
            for event in self.source.snapshots(self._stop):
                if isinstance(event, Snapshot):
                    _log.debug("%s: a snapshot of %d regions at %.3f s", word, len(event), event.time)
                elif not isinstance(event, Interim):
                    _log.info("%s is %s: %s", word, event.state, event.text)
                self.hear(event)
                if self._stop.is_set():
                    break
        except DamontuiError as error:
            self.error = error
            _log.warning("monitoring %s ended: %s", word, error)
            self.hear(error)
        except Exception as error:  # a fault of ours: shown in its pane, and the monitor can be started again
            self.error = SourceError(
                "monitoring stopped", f"{type(error).__name__}: {error}", "press e to start afresh"
            )
            self.error.__cause__ = error
            _log.exception("monitoring %s ended with a fault of this program", word)
            self.hear(self.error)
        finally:
            _log.info("monitoring %s is over", word)
            self._idle.set()

    def stop(self, timeout: float | None = None) -> bool:
        """Ask ``run`` to end and wait for it; True where it has ended."""
        self._stop.set()
        return self._idle.wait(timeout)

    def rearm(self) -> None:
        """Allow another ``run`` after `stop`."""
        self._stop.clear()

    def switch(self, on: bool) -> None:
        """Turn the source's switch. The past stays, with a gap, as where somebody else turns it: time goes on rising.

        May block for a second. Raises `SourceError` where the switch does not take.
        """
        _log.info("switch %s: %s", self.source.describe().target, "on" if on else "off")
        self.source.enabled = on

    def _keep(self, snapshot: Snapshot) -> None:
        last = self.history.last
        if last is not None and snapshot.time < last.time:
            self.history.clear()  # its clock began anew (a record from its beginning): there is no past to it
        self.history.append(snapshot)

    def hear(self, event: Event | DamontuiError) -> None:
        """Keep an event, and hand it to the listeners, as `run` does with each."""
        if isinstance(event, Snapshot):
            self._keep(event)
        elif isinstance(event, Status):
            self.status = event
        for listener in tuple(self._listeners):
            listener(event)
