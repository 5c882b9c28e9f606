"""The codes of the heatmap's cells, and the characters and styles that they are drawn with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from damontui.tui import palette
from damontui.tui.palette import LEVELS, RGB

Codes = NDArray[np.uint8]
"""Cells of the heatmap, a code each."""

# A cell of the heatmap is one byte (uint8), its code. A code is a level, 0 … LEVELS - 1; or a level plus a texture; or
# a mark, which has no level. So codes from 0 on are levels alone, from 64 on levels with SOMEWHERE, from 128 on SO_FAR,
# from 192 on DIM, from 224 on SOME; from 250 on they are marks. Whoever takes a code apart asks `is_plain`,
# `has_texture`, `texture_of` or `level_of`.
GAP, EMPTY, PENDING, OFF, FREE = 250, 251, 252, 253, 254
"""Marks: no region there, no memory there, the aggregation under way, not monitored, free memory."""
SOMEWHERE, SO_FAR, DIM, SOME = 64, 128, 192, 224
"""Textures: where in the memory the level belongs is not known; the aggregation under way has found so much so far;
none, and some, of the cell's frames are the chosen owner's."""
_DIMMED = 0.25
"""How much of its colour is left to a dimmed cell."""
_DIM_GLYPH = ","
TEXTURES = {SOMEWHERE: ("≈", "~"), SO_FAR: ("┊", "|"), SOME: ("≈", "~")}
"""The character drawn over a level that has the texture, and the one in ASCII. `DIM` has none: its colour is weaker."""
_MARKS = {GAP: "· ", EMPTY: " ", PENDING: "┊ ", OFF: "× ", FREE: "   ·"}
_ASCII_MARKS = {GAP: "' ", EMPTY: " ", PENDING: "| ", OFF: "x ", FREE: "   ."}

_MOST_RUNS = 10_000

Theme = tuple[RGB, bool, int, bool, Style, Style]
"""The ground, whether it is dark, how many colours there are, NO_COLOR, and the styles of text and of marks."""


class Ink:
    """The characters and styles of all codes, made once for a theme, a terminal and a state."""

    def __init__(self, key: tuple[RGB, bool, int, bool, Style, Style, palette.Kind, bool, bool, bool]) -> None:
        self.key = key
        self.ground, dark, colours, self.no_colour, self.base, self.muted, kind, dim, self.as_glyphs, ascii_only = key
        self.ramp = palette.ramp(kind, dark=dark, colours=colours)
        if dim:
            self.ramp = tuple(palette.blend(colour, self.ground) for colour in self.ramp)
        self.kind = kind
        self.glyphs = palette.glyphs(kind, ascii_only=ascii_only)
        self.marks = _ASCII_MARKS if ascii_only else _MARKS
        self.hatch = "/" if ascii_only else "╱"
        self.textures = {kind: pair[ascii_only] for kind, pair in TEXTURES.items()}
        self._cells: dict[tuple[int, int], tuple[str, Style]] = {}
        self._runs: dict[tuple[int, int], Segment] = {}
        self._overs: dict[tuple[int, int], Style] = {}

    def cell(self, top: int, bottom: int) -> tuple[str, Style]:
        """The text (a pattern that repeats along a run) and the style of a cell with these codes in its two halves."""
        found = self._cells.get((top, bottom))
        if found is None:
            found = self._cells[top, bottom] = self._make(top, bottom)
        return found

    def run(self, pair: int, low: int, high: int) -> Segment:
        """Columns ``low … high`` of cells that are alike; ``pair`` is the upper code times 256 and the lower one."""
        found = self._runs.get((pair, high - low))
        if found is None:
            text, style = self.cell(pair >> 8, pair & 255)
            found = Segment(run_of(text, low, high), style)
            if len(text) == 1 and len(self._runs) < _MOST_RUNS:  # else it depends on where it begins
                self._runs[pair, high - low] = found
        return found

    def _make(self, top: int, bottom: int) -> tuple[str, Style]:
        if top >= GAP and bottom >= GAP:
            return self.marks[min(top, bottom)], self.muted
        texture = texture_of(top)
        if texture in self.textures and top == bottom:
            return self._textured(level_of(top), self.textures[texture])
        if self.as_glyphs:  # of which there is one a line: both halves are the same
            level = level_of(top)
            if texture == DIM:
                return (_DIM_GLYPH if level else " "), self.muted
            if self.no_colour:
                return self.glyphs[level], self.base
            return self.glyphs[level], Style.from_color(_colour(self._readable(level)), _colour(self.ground))
        upper, lower = self._colour_of(top), self._colour_of(bottom)
        if upper == lower:
            return " ", Style.from_color(None, _colour(upper))
        if SOME in (texture, texture_of(bottom)):  # half a line of it must not look like all of it
            return f"{self.textures[SOME]}▀", Style.from_color(_colour(upper), _colour(lower))
        return "▀", Style.from_color(_colour(upper), _colour(lower))

    def _colour_of(self, code: int) -> RGB:
        """The colour of a code: the ground's where it is no level."""
        if code >= GAP:
            return self.ground
        colour = self.ramp[level_of(code)]
        return palette.blend(colour, self.ground, _DIMMED) if texture_of(code) == DIM else colour

    def _textured(self, level: int, mark: str) -> tuple[str, Style]:
        """The level's colour (or glyph) with a mark at every other column, so that it reads without colour."""
        if self.as_glyphs:
            if self.no_colour:
                return f"{mark}{self.glyphs[level]}", self.base
            return f"{mark}{self.glyphs[level]}", Style.from_color(_colour(self._readable(level)), _colour(self.ground))
        under = self.ramp[level]
        ink = RGB(0, 0, 0) if palette.luminance(under) > 0.18 else RGB(255, 255, 255)
        return f"{mark} ", Style.from_color(_colour(palette.blend(ink, under, 0.6)), _colour(under))

    def _readable(self, level: int) -> RGB:
        """The level's colour, or the next that can be told from the ground: a glyph in it must be seen."""
        ground = palette.luminance(self.ground)
        away = range(level, LEVELS) if self.kind == "heat" or level > LEVELS // 2 else range(level, -1, -1)
        for near in away:
            if abs(palette.luminance(self.ramp[near]) - ground) >= 0.04:
                return self.ramp[near]
        return self.ramp[level]

    def over(self, top: int, bottom: int) -> Style:
        """A style in which a character can be read over a cell with these codes in its two halves."""
        found = self._overs.get((top, bottom))
        if found is None:
            code = bottom if bottom < GAP else top
            if self.as_glyphs or code >= GAP:
                found = self.base
            else:
                under = self._colour_of(code)
                ink = RGB(0, 0, 0) if palette.luminance(under) > 0.18 else RGB(255, 255, 255)
                found = Style.from_color(_colour(ink), _colour(under))
            self._overs[top, bottom] = found
        return found


def texture_of(code: int) -> int:
    """The texture in a code: `SOMEWHERE`, `SO_FAR`, `DIM` or `SOME`; 0 where the code is a level alone or a mark."""
    if code >= GAP:
        return 0
    return next((texture for texture in (SOME, DIM, SO_FAR, SOMEWHERE) if code >= texture), 0)


def level_of(code: int) -> int:
    """The level in a code that is no mark, 0 … LEVELS - 1."""
    return code - texture_of(code)


def is_plain(codes: Codes) -> NDArray[np.bool_]:
    """Which cells are a level without a texture, in the shape of ``codes``."""
    plain: NDArray[np.bool_] = codes < LEVELS
    return plain


def has_texture(codes: Codes, texture: int) -> NDArray[np.bool_]:
    """Which cells are a level with that texture, in the shape of ``codes``."""
    textured: NDArray[np.bool_] = (codes >= texture) & (codes < texture + LEVELS)
    return textured


def run_of(text: str, low: int, high: int) -> str:
    """Columns ``low … high`` of a pattern that repeats along the line."""
    if len(text) == 1:
        return text * (high - low)
    offset = low % len(text)
    return (text * ((high - low) // len(text) + 2))[offset : offset + high - low]


def _colour(colour: RGB) -> Color:
    return Color.from_rgb(*colour)
