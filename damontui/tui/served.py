"""The live monitor for somebody else's eyes: what writes files, switches DAMON or shows another target is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Event as Stop
from types import TracebackType
from typing import Self

from damontui.damon.snapshot import Description, Event
from damontui.errors import SourceError
from damontui.sources.base import Source
from damontui.tui.app import DamontuiApp

LOCKED = "it is served to a browser for looking only"


class LookedAt:
    """A source that is watched and never switched from here. The one inside is entered and left by the caller."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def describe(self) -> Description:
        """See `Source`."""
        return replace(self._source.describe(), locked=LOCKED, closer="")

    @property
    def enabled(self) -> bool:
        """See `Source`."""
        return self._source.enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        raise SourceError("the switch is locked", LOCKED)

    def snapshots(self, stop: Stop) -> Iterator[Event]:
        """See `Source`."""
        return self._source.snapshots(stop)

    def overhead(self) -> float:
        """See `Source`."""
        return self._source.overhead()


class ServedApp(DamontuiApp):
    """The live monitor without what changes anything but the view."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    LEFT_OUT = frozenset({"record", "shot", "target", "switch", "take", "suspend_process", "command_palette"})

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing that is left out can be done, by whatever key."""
        name = str(parameters[0]).partition("(")[0] if action == "wish" and parameters else action
        return False if name in self.LEFT_OUT else super().check_action(action, parameters)
