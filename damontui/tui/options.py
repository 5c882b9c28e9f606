"""What a user can choose about the screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from damontui.tui.frame import ColourMode
from damontui.tui.themes import DARK

MODES: tuple[ColourMode, ...] = ("rate", "temperature", "idle", "estimate")


@dataclass(frozen=True, slots=True)
class ScreenOptions:
    """How the screen looks and behaves.

    Attributes:
        theme: ``damontui-dark``, ``damontui-light`` or one of Textual's.
        mode: what the heatmap's colour means.
        keymap: name in the table of keys → keys, comma separated.
        ascii: only ASCII characters.
        glyphs: values as glyphs too; None finds out (NO_COLOR, 16 colours).
        fps: repaints a second at most.
        all_percentiles: 101 rows of idle time instead of 11.
        screenshots: the folder for ctrl+s and r; "" is the current one.
        clocks: whether the screen has clocks of its own: for the time of day, for a record that plays, and for
            `fps`. Without them it changes with keys and news only, each at once.
    """

    theme: str = DARK.name
    mode: ColourMode = "rate"
    keymap: Mapping[str, str] = field(default_factory=dict)
    ascii: bool = False
    glyphs: bool | None = None
    fps: float = 10.0
    all_percentiles: bool = False
    screenshots: str = ""
    clocks: bool = True
