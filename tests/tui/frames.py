"""Frames made by hand, and what a pane draws of them as text."""

from __future__ import annotations

from collections.abc import Iterable

from damontui.damon.snapshot import Snapshot
from damontui.history import History
from damontui.tui.draw import Line, Pane
from damontui.tui.frame import Frame
from tests import make


def frame(snapshots: Iterable[Snapshot] = (), **changes: object) -> Frame:
    """The frame of a live view on ``snapshots``, the last of them shown."""
    history = History()
    for snapshot in snapshots:
        history.append(snapshot)
    last = history.last
    values: dict[str, object] = {
        "description": make.description(last.origin if last is not None else "kernel"),
        "history": history,
        "snapshot": last,
        "status": None,
        "error": None,
        "now": last.time if last is not None else 0.0,
        "wall": last.wall if last is not None else make.WALL,
        "clock": last.wall if last is not None else make.WALL,
    }
    return Frame(**(values | changes))  # type: ignore[arg-type]


def drawn(pane: Pane, frame: Frame, width: int, height: int) -> list[str]:
    """The lines as text; each must fit."""
    lines = list(pane.draw(frame, width, height))
    assert len(lines) <= height
    out = [text(line) for line in lines]
    assert all(len(line) <= width for line in out), out
    return out


def text(line: Line) -> str:
    """A line without its styles."""
    return "".join(part for part, _ in line).rstrip()
