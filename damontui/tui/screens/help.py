"""The help page: every key, what this target cannot tell, what each pane means, and how to read a percentile."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widget import Widget

from damontui.tui import keys

MEANING = (
    (
        "Regions",
        "Memory address upwards, time to the right, newest at the right edge. Each cell is the mean access rate of the "
        "memory it covers: the share of samples that saw an access. Hot memory is bright, idle memory dark.",
    ),
    (
        "Intervals",
        "Every sampling interval one page of each region is checked; an aggregation is a number of samples. "
        "Auto-tuning makes the interval longer or shorter until as many checks see an access "
        "as the goal asks (observed, goal).",
    ),
    (
        "Bandwidth",
        "An estimate: size of each region times its accesses, a second. It counts touched bytes, not the "
        "traffic on the bus. The module's own value is read in the middle of an aggregation, "
        "when it is only partly counted.",
    ),
    (
        "Idle time",
        'All memory sorted by how long it has been idle. "p75 idle 2:00" means: 75 % of memory has been idle for two '
        'minutes or less, so a quarter was untouched for two minutes or more. "p10 in use 12 s": at least a tenth of '
        'memory has been in use for the last 12 seconds or longer. "idle ≥ that" is what could be reclaimed at that '
        "threshold.",
    ),
    (
        "Another moment, other addresses",
        "Left and right, a click, or a time of day show another moment in all panes, while collecting goes on; the "
        "title says how far back that is. What is long past is kept coarser, and the legend says how coarse. n puts "
        "the cursor on the hottest region, enter shows it large, 0 everything again.",
    ),
    (
        "What could be saved",
        "Memory idle for at least the threshold, now and over time; the working set is the rest; accessed is what one "
        'aggregation saw. "At least" takes away what idle regions may hide if it is touched once an aggregation (95 % '
        'sure), "at most" adds what may have been idle for longer than its region, or in regions partly in use.',
    ),
    (
        "The switch",
        "Off: monitoring stops, the last picture stays at half brightness. On: it begins anew, after a gap in what "
        "is shown. A pause is different: the view stands still while collecting goes on.",
    ),
    (
        "Simulated, truth",
        "Synthetic memory says SIMULATED at the top; since its accesses are known, the truth stands beside each "
        "estimate.",
    ),
)


class HelpText(Widget):
    """Breaks its lines where its box ends."""

    def __init__(self, keymap: Mapping[str, str], limits: Sequence[str], *, id: str) -> None:
        super().__init__(id=id)
        self._made = lru_cache(2)(lambda width: help_text(keymap, limits, width=width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """How many lines the text has when broken at ``width``."""
        return len(self._made(width).plain.splitlines())

    def render(self) -> Text:
        """The text at the present width."""
        return self._made(self.content_size.width)


class HelpScreen(ModalScreen[None]):
    """Scrolls; any of its own keys leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,space,enter", "dismiss_help", "close"),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(12)", show=False),
        Binding("pageup", "scroll(-12)", show=False),
    ]

    def __init__(self, keymap: Mapping[str, str], limits: Sequence[str] = ()) -> None:
        super().__init__()
        self._keymap = keymap
        self._limits = limits

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Help"
            box.border_subtitle = "esc closes"
            yield HelpText(self._keymap, self._limits, id="text")

    def action_dismiss_help(self) -> None:
        """Back to the panes."""
        self.dismiss()

    def action_scroll(self, lines: int) -> None:
        """Move the text."""
        self.query_one("#help").scroll_relative(y=lines, animate=False)


def help_text(keymap: Mapping[str, str], limits: Sequence[str] = (), *, width: int = 90) -> Text:
    """The keys by group, what the target in force cannot tell, and the panes, in lines of ``width`` columns."""
    text = Text()
    column = min(19, max(8, width // 3))
    hanging = " " * (column + 2)
    group = ""
    for heading, names, what in keys.rows(keymap):
        if heading != group:
            group = heading
            text.append(f"{group}\n" if not text else f"\n{group}\n", "bold")
        text.append(f"  {names:<{column}}" if len(names) < column else f"  {names}\n{hanging}", "bold")
        lines = textwrap.wrap(what, max(8, width - len(hanging)))
        text.append(f"\n{hanging}".join(lines) + "\n")
    if limits:
        text.append("\nWhat this target cannot tell\n", "bold")
        for limit in limits:
            text.append(textwrap.fill(limit, width, initial_indent="  ", subsequent_indent="    ") + "\n")
    for title, meaning in MEANING:
        text.append(f"\n{textwrap.fill(title, width)}\n", "bold")
        text.append(textwrap.fill(meaning, width) + "\n")
    text.rstrip()
    return text
