"""What a session says beside the numbers, and what of that was put away."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from damontui.damon.snapshot import Snapshot
from damontui.errors import DamontuiError

if TYPE_CHECKING:
    from damontui.session.session import Session

LONG_S = 10.0
"""An aggregation of more seconds makes no live picture; that of a kdamond of ours takes no longer."""
_NUMBER = re.compile(r"\d[\d.,:]*(?: ?(?:[µm]?s|min|h|[KMGTPE]?i?B)\b)?")


def kind_of(note: str) -> str:
    """A snapshot's note without its numbers, so that it counts as the same message while these change."""
    return _NUMBER.sub("#", note)


class Said(NamedTuple):
    """All that is said at a moment; "", 0 and None where nothing is."""

    answer: DamontuiError | None
    """What a wish was answered with."""
    reason: str
    """Why this target (`Description.reason`)."""
    notice: str
    """What to know of the target (`Description.notice`)."""
    note: str
    """The kind of the newest snapshot's note (`kind_of`)."""
    long_s: float
    """See `Messages.long_s`."""


class Messages:
    """What a session says in words beside the numbers: of the target in force, each until it is put away."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.notice: DamontuiError | None = None
        """What a wish was answered with."""
        self.hushed = ""
        """What kind of note of the snapshots was put away (`kind_of`); "" where none was."""
        self._long_hushed = False
        self._dismissed: tuple[DamontuiError | None, str, str] = (None, "", "")
        """What was put away: `Said.answer`, `Said.reason` and `Said.notice`."""

    @property
    def now(self) -> Said:
        """What is to be said now."""
        newest, about = self._session.history.last, self._session.description
        kind = kind_of(newest.note) if newest is not None and len(newest) else ""
        note = "" if kind == self.hushed else kind
        return Said(answer=self.notice, reason=about.reason, notice=about.notice, note=note, long_s=self.long_s)

    @property
    def said(self) -> bool:
        """Whether there is a message to put away."""
        return any(self.now)

    @property
    def long_s(self) -> float:
        """Seconds that an aggregation of DAMON_STAT takes, where no picture is live with that; 0 where it was put away.

        A machine on which little is touched makes DAMON_STAT tune itself to 200 s.
        """
        seconds = self._aggregation_s()
        return seconds if seconds > LONG_S and not self._long_hushed else 0.0

    def _aggregation_s(self) -> float:
        """Seconds of the aggregation under way, of DAMON_STAT; 0 where it is off, or this is none."""
        session = self._session
        if session.description.origin != "kernel" or not session.enabled:
            return 0.0
        newest, interim = session.history.last, session.interim
        if newest is not None:
            return newest.next_attrs.aggr_us / 1e6 if newest.module is not None else 0.0
        return (interim.module.aggr_interval_us or 0) / 1e6 if interim is not None else 0.0

    def heard(self, newest: Snapshot) -> None:
        """What was put away is said again once it was over meanwhile, or is another one."""
        if kind_of(newest.note) != self.hushed:
            self.hushed = ""
        if self._aggregation_s() <= LONG_S:
            self._long_hushed = False

    def dismiss(self) -> None:
        """Put all of them away."""
        session = self._session
        said = self.now
        self._long_hushed = self._long_hushed or said.long_s > 0
        if said.answer is not None or said.reason or said.notice:
            self._dismissed = said.answer, said.reason, said.notice
        self.hushed = said.note or self.hushed
        self.notice = None
        session.description = replace(session.description, reason="", notice="")

    def recall(self) -> bool:
        """Bring back what was put away; False where that is nothing."""
        answer, reason, notice = self._dismissed
        self.hushed, self._long_hushed = "", False
        self.notice = self.notice if self.notice is not None else answer
        about = self._session.description
        self._session.description = replace(about, reason=about.reason or reason, notice=about.notice or notice)
        return self.said
