"""What is asked for in a line, and what the answer does. No screen is needed: `PromptScreen` shows one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from damontui.session.moments import wall_of
from damontui.tui.listing import parse_filter

if TYPE_CHECKING:
    from damontui.tui.explore import Explorer


@dataclass(frozen=True, slots=True)
class Prompt:
    """A line that is asked for."""

    title: str
    """What is asked for."""
    hint: str
    """How it is written."""
    check: Callable[[str], object]
    """Raises `UsageError` where the line is wrong."""
    then: Callable[[str], None]
    """What is done with a line that is right."""
    before: str = ""
    """What stands there at first."""


def clock(explorer: Explorer) -> Prompt | None:
    """A moment by its time of day; None where there is no past yet."""
    history = explorer.session.history
    if history.last is None:
        return None
    hint = "14:05, 14:05:30, 2026-01-31 14:05; -2m or -1:30 is so long ago"
    return Prompt("Go to a time", hint, partial(wall_of, history), explorer.go)


def search(explorer: Explorer) -> Prompt | None:
    """A region by its name or by an address in it; None where there is none."""
    if explorer.frame().snapshot is None:
        return None
    hint = "a part of the name, or an address such as 0x7f12a000; the same again: the next one"
    return Prompt("Search", hint, explorer.find, explorer.search, explorer.sought)


def listed(explorer: Explorer) -> Prompt:
    """Which regions are listed."""
    hint = "a part of the name, size>64M, rate>10%, idle>1m, used<5s; several; empty: all"
    return Prompt("List only", hint, parse_filter, explorer.filter_by, explorer.listing.filter.text)
