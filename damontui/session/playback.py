"""What a record has a clock for: it plays, and it is gone through until all of it is known."""

from __future__ import annotations

from dataclasses import replace
from math import isinf
from typing import TYPE_CHECKING

from damontui.errors import SourceError

if TYPE_CHECKING:
    from damontui.session.session import Session

PACES = (0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds of a record to one of ours."""


class Playback:
    """The part of a session that goes through a record; a live source needs none of this."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.playing = False
        """Whether the record is being played."""

    @property
    def busy(self) -> bool:
        """Whether `advance` and `catch_up` have anything to do: it plays, or not all of it has been gone through."""
        return self.playing or (self._session.is_record and self._session.estimates.behind)

    def catch_up(self) -> bool:
        """Go through a little more of it; True where with that all of it is known, and was not before."""
        return self._session.is_record and self._session.estimates.catch_up(self._session.history)

    def toggle(self) -> None:
        """Play, or pause."""
        session = self._session
        self.playing = not self.playing and session.history.last is not None
        if self.playing and session.viewport.moment is None:  # from its end it plays all of it
            session.show(session.viewport.oldest(session.history))

    def advance(self, seconds: float) -> None:
        """So much of our time has passed while it plays; at its end it pauses."""
        session = self._session
        if self.playing:
            session.show(session.viewport.played(session.history, seconds * self.pace))
            self.playing = session.viewport.moment is not None

    @property
    def pace(self) -> float:
        """Seconds of the record to one of ours at which it plays."""
        speed = self._session.description.speed
        return PACES[-1] if isinf(speed) else speed

    def change_pace(self, step: int) -> None:
        """Play faster, or slower."""
        session = self._session
        if not session.is_record:
            session.messages.notice = SourceError("the pace stays as it is", "only a record plays at another one")
            return
        further = [one for one in (PACES if step > 0 else PACES[::-1]) if (one - self.pace) * step > 0]
        if further:
            session.description = replace(session.description, speed=further[0])
