"""The program's own two themes: quiet grounds, so that the heatmap is the brightest thing on the screen."""

from __future__ import annotations

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
