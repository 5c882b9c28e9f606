"""A lock by which two watchers of one process know of each other: each clears the bits that the other counts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from damontui.errors import SourceError
from damontui.files import lock
from damontui.kernel.process_files import Stat


def folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The runtime folder: the user's own, or the machine's where we may write there, or the folder for all."""
    own = environ.get("XDG_RUNTIME_DIR", "")
    if own.startswith("/") and os.access(own, os.W_OK | os.X_OK):
        return Path(own)
    return Path("/run") if os.access("/run", os.W_OK | os.X_OK) else Path("/tmp")


class WatchLock:
    """A lock that is held while a process is watched; `close` gives it back.

    Args:
        where: the folder for locks.
        who: the process that is watched.
    """

    def __init__(self, where: Path, who: Stat) -> None:
        self._path = where / f"damontui-{who.pid}-{who.started}.lock"
        self._descriptor = -1
        self._unknown = False
        self._take()

    @property
    def taken(self) -> bool:
        """Whether somebody else has the lock now; False where that cannot be known. Takes it where nobody has."""
        if self._descriptor < 0 and not self._unknown:
            self._take()
        return self._descriptor < 0 and not self._unknown

    def _take(self) -> None:
        try:
            descriptor = lock(self._path)
        except SourceError:
            self._unknown = True  # another user's, or no such folder: watching goes on without
            return
        self._descriptor = -1 if descriptor is None else descriptor

    def close(self) -> None:
        """Give the lock back."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            os.close(self._descriptor)
            self._descriptor = -1
