"""The live monitor in a browser: actions that write files, switch DAMON or change the target are left out."""

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
    """A source that cannot be switched. The caller enters and leaves the source inside."""

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
    """The live monitor without actions that change anything but the view."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    LEFT_OUT = frozenset({"record", "shot", "target", "switch", "take", "suspend_process", "command_palette"})

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Refuse actions that are left out, by whatever key."""
        name = str(parameters[0]).partition("(")[0] if action == "wish" and parameters else action
        return False if name in self.LEFT_OUT else super().check_action(action, parameters)
