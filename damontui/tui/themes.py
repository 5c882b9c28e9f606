"""The colours of everything but the heatmap: two themes of our own, and the style of each kind of text in a theme.

Quiet grounds, so that the heatmap is the brightest thing on the screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

DARK = Theme(
    name="damontui-dark",
    dark=True,
    background="#10121a",
    surface="#171a24",
    panel="#1c2030",
    foreground="#d9dce6",
    primary="#7aa2d8",
    secondary="#5f93d6",
    accent="#c8a2e0",
    warning="#f0a04b",
    success="#7cc47a",
    error="#ec6f6f",
    boost="#20242f",
)
LIGHT = Theme(
    name="damontui-light",
    dark=False,
    background="#fbfaf6",
    surface="#f2f1ec",
    panel="#e6e6e1",
    foreground="#22252d",
    primary="#28629f",
    secondary="#2a66b0",
    accent="#7a3fa0",
    warning="#a04e00",
    success="#24702d",
    error="#b3261e",
    boost="#dddcd6",
)
"""Text of every colour has a contrast of 4.5 or more on its ground (WCAG AA)."""
THEMES = (DARK, LIGHT)


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How one kind of text is drawn, in colours of the theme in force."""

    colour: str = "foreground"
    share: float = 1.0
    """How much of ``colour`` is in the text's colour, 0 … 1; the rest is the ground's."""
    bold: bool = False
    ground: str = ""
    ground_share: float = 1.0


# A table, not component classes of a stylesheet: those cost 0.1 s at the start, being matched for each pane anew.
TEXT_STYLES: Mapping[str, TextStyle] = {
    "label": TextStyle(share=0.72),
    "muted": TextStyle(share=0.52),
    "value": TextStyle(),
    "strong": TextStyle(bold=True),
    "bar": TextStyle("primary"),
    "track": TextStyle(share=0.28),
    "use": TextStyle("warning"),
    "idle": TextStyle("secondary"),
    "truth": TextStyle("accent"),
    "warn": TextStyle("warning"),
    "error": TextStyle("error", bold=True),
    "live": TextStyle("success", bold=True),
    "paused": TextStyle("background", bold=True, ground="warning"),
    "recording": TextStyle("background", bold=True, ground="error"),
    "off": TextStyle(bold=True, ground="foreground", ground_share=0.3),
    "simulated": TextStyle(ground="accent", ground_share=0.25),
    "knob": TextStyle(ground="success", ground_share=0.6),
    "knob-off": TextStyle(share=0.7, ground="foreground", ground_share=0.2),
    "key": TextStyle("primary", bold=True),
    "chosen": TextStyle(bold=True, ground="primary", ground_share=0.3),
}


def mixed(name: str, base: Style, variables: Mapping[str, str]) -> Style:
    """The style of a kind of text.

    Args:
        name: the kind, a key of `TEXT_STYLES`.
        base: colour and ground of the pane.
        variables: the theme's colours by name.
    """
    ink = TEXT_STYLES[name]
    ground = Color.from_rich_color(base.bgcolor) if base.bgcolor is not None else Color.parse(variables["background"])
    back = _blend(ground, variables[ink.ground], ink.ground_share) if ink.ground else ground
    front = _blend(back, variables[ink.colour], ink.share)
    return base + Style(color=front.rich_color, bgcolor=back.rich_color, bold=ink.bold)


def _blend(under: Color, over: str, share: float) -> Color:
    colour = Color.parse(over)
    # the terminal's own colours (ansi themes) have no known value to mix
    return colour if colour.ansi is not None or under.ansi is not None else under.blend(colour, share, 1.0)
