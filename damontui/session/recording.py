"""A record of what comes in: begun by a wish, ended by another one, with its target, or by a disk that is full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from damontui.errors import DamontuiError

if TYPE_CHECKING:
    from damontui.recorder import Recorder
    from damontui.session.session import Session


class Recording:
    """The part of a session that writes down what comes in."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.recorder: Recorder | None = None
        """What is written to; None where nothing is."""
        self._unsubscribe: Callable[[], None] = lambda: None

    def begin(self, folder: Path) -> None:
        """Write down what comes in from now on, in a new file of the folder."""
        from damontui.recorder import Recorder, free_name  # with all that reads and writes records

        session = self._session
        try:
            self.recorder = Recorder(free_name(folder, session.clock()), session.description)
        except DamontuiError as error:
            session.messages.notice = error
        else:
            self._unsubscribe = session.monitor.subscribe(self.recorder)

    def look(self) -> None:
        """End the record where it could not be written to."""
        if self.recorder is not None and self.recorder.error is not None:
            self._session.messages.notice = self.recorder.error
            self.end()

    def end(self) -> Recorder | None:
        """End the record; it, or None where there was none."""
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            self._unsubscribe()
            recorder.close()
        return recorder
