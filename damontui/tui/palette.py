"""Colours and glyphs of the heatmap, in one place: ramps for dark and light themes and for every kind of terminal.

Ramps are computed in OKLab (Björn Ottosson, "A perceptual color space for image processing", 2020) between a few
hand-picked colours, so that lightness rises (dark themes) or falls (light ones) in even steps: the order of values is
in the lightness, and the hues (blue, violet, orange, yellow) are ones that colour-blind eyes tell apart. Where there
are too few colours, the value is in the glyph instead.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from math import cos, radians, sin
from typing import Literal, NamedTuple

Kind = Literal["heat", "signed"]
"""``heat``: nothing … all. ``signed``: long idle … just changed … long in use."""


class RGB(NamedTuple):
    """A colour; each part is 0 … 255."""

    red: int
    green: int
    blue: int

    @property
    def hex(self) -> str:
        """``#rrggbb``."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


Lab = tuple[float, float, float]

LEVELS = 25
"""Steps of a ramp: few enough that equal neighbours join into one segment, more than the eye tells apart. Odd, so that
a signed ramp has a middle."""

GLYPHS = " ░▒▓█"
ASCII_GLYPHS = " .:-=+*#%@"

# lightness 0…1, chroma, hue in degrees (OKLCh)
_HEAT_DARK = (
    (0.23, 0.035, 275),
    (0.36, 0.12, 285),
    (0.51, 0.19, 345),
    (0.68, 0.18, 40),
    (0.84, 0.16, 80),
    (0.97, 0.09, 105),
)
_HEAT_LIGHT = (
    (0.955, 0.012, 100),
    (0.87, 0.10, 92),
    (0.74, 0.15, 62),
    (0.59, 0.18, 30),
    (0.44, 0.16, 350),
    (0.27, 0.11, 285),
)
_COLD_DARK = ((0.23, 0.012, 275), (0.42, 0.10, 255), (0.66, 0.11, 235), (0.90, 0.06, 215))
_WARM_DARK = ((0.23, 0.012, 275), (0.42, 0.11, 40), (0.67, 0.16, 58), (0.93, 0.12, 98))
_COLD_LIGHT = ((0.955, 0.005, 100), (0.78, 0.08, 225), (0.57, 0.12, 250), (0.34, 0.12, 265))
_WARM_LIGHT = ((0.955, 0.005, 100), (0.82, 0.11, 75), (0.60, 0.16, 48), (0.38, 0.12, 35))


def _listed(text: str) -> tuple[RGB, ...]:
    return tuple(RGB(*bytes.fromhex(one)) for one in text.split())


# Of xterm's 240 fixed colours, hand-picked along the same hues: the nearest ones to a computed ramp would jump in hue.
# Only such as rich, which takes what has little saturation for a grey, does not change on the way.
_HEAT_256 = _listed("00005f 000087 5f0087 870087 af005f d7005f ff0000 ff5f00 ff8700 ffaf00 ffd700 ffff5f ffffd7")
_COLD_256 = _listed("262626 0000af 005f87 0087af 0087d7 00afff 5fd7ff afffff")
_WARM_256 = _listed("262626 5f0000 870000 875f00 af5f00 d75f00 ff8700 ffaf00 ffd75f ffffaf")
_COLD_256_LIGHT = _listed("ffffd7 afffff 5fd7ff 00afff 0087d7 005faf 005f87 00005f")
_WARM_256_LIGHT = _listed("ffffd7 ffd75f ffaf5f ff8700 d75f00 af5f00 870000 5f0000")

# The sixteen colours as terminals and rich know them (VGA), so that each is met exactly when a screen has no others
_BLACK, _BLUE, _MAGENTA, _CYAN = RGB(0, 0, 0), RGB(0, 0, 170), RGB(170, 0, 170), RGB(0, 170, 170)
_BRIGHT_BLUE, _BRIGHT_RED, _BRIGHT_YELLOW = RGB(85, 85, 255), RGB(255, 85, 85), RGB(255, 255, 85)
_BROWN, _RED, _BRIGHT_CYAN, _WHITE = RGB(170, 85, 0), RGB(170, 0, 0), RGB(85, 255, 255), RGB(255, 255, 255)
_FEW: dict[tuple[Kind, bool], tuple[RGB, ...]] = {
    ("heat", True): (_BLACK, _BLUE, _MAGENTA, _BRIGHT_RED, _BRIGHT_YELLOW),
    ("heat", False): (_WHITE, _BRIGHT_YELLOW, _BRIGHT_RED, _MAGENTA, _BLUE),
    ("signed", True): (_BRIGHT_CYAN, _BRIGHT_BLUE, _BLACK, _BRIGHT_RED, _BRIGHT_YELLOW),
    ("signed", False): (_BLUE, _CYAN, _WHITE, _BRIGHT_RED, _RED),
}


def _lab(lightness: float, chroma: float, hue: float) -> Lab:
    return lightness, chroma * cos(radians(hue)), chroma * sin(radians(hue))


def _encode(linear: float) -> float:
    linear = min(1.0, max(0.0, linear))
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _decode(channel: int) -> float:
    value = channel / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def to_rgb(lab: Lab) -> RGB:
    """The sRGB colour of an OKLab one; chroma is lowered until it is one that a screen can show."""
    lightness, a, b = lab
    for _ in range(40):
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        linear = (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
        if all(-0.0005 <= channel <= 1.0005 for channel in linear):
            break
        a, b = a * 0.96, b * 0.96
    return RGB(*(round(255 * _encode(channel)) for channel in linear))


def luminance(colour: RGB) -> float:
    """Relative luminance, 0…1 (WCAG 2.2)."""
    red, green, blue = (_decode(channel) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _between(anchors: tuple[tuple[float, float, float], ...], count: int) -> list[RGB]:
    """``count`` colours through the anchors, in even steps of lightness."""
    labs = [_lab(*anchor) for anchor in anchors]
    first, last = labs[0][0], labs[-1][0]
    colours = []
    for step in range(count):
        lightness = first + (last - first) * step / max(1, count - 1)
        for low, high in pairwise(labs):
            part = (lightness - low[0]) / (high[0] - low[0])
            if part <= 1 + 1e-9:
                break
        colours.append(to_rgb((lightness, low[1] + (high[1] - low[1]) * part, low[2] + (high[2] - low[2]) * part)))
    return colours


@cache
def ramp(kind: Kind, *, dark: bool = True, levels: int = LEVELS, colours: int = 1 << 24) -> tuple[RGB, ...]:
    """``levels`` colours from least to most.

    Args:
        kind: ``heat``, or ``signed`` whose middle level is neutral and whose ends are long idle and long in use.
        dark: whether the ground is dark: least is then dark too.
        levels: how many; odd for ``signed``.
        colours: how many the terminal has. With 256 only the 240 fixed ones are used, with 16 five different ones.
    """
    if colours <= 16:
        few = _FEW[kind, dark]
        return tuple(few[_spread(step, levels, len(few), kind)] for step in range(levels))
    if colours <= 256:
        return _fixed(kind, dark, levels)
    if kind == "heat":
        found = _between(_HEAT_DARK if dark else _HEAT_LIGHT, levels)
    else:
        half = levels // 2 + 1
        cold = _between(_COLD_DARK if dark else _COLD_LIGHT, half)
        warm = _between(_WARM_DARK if dark else _WARM_LIGHT, half)
        found = cold[:0:-1] + warm
    return tuple(found)


def _spread(step: int, levels: int, count: int, kind: Kind) -> int:
    """The class of a level among ``count``; in ``heat`` the first class is level 0 alone, which stands for nothing."""
    if kind == "signed":
        return step * count // levels
    if step == 0:
        return 0
    return 1 + (step - 1) * (count - 1) // max(1, levels - 1)


def _fixed(kind: Kind, dark: bool, levels: int) -> tuple[RGB, ...]:
    """A ramp of the 240 fixed colours."""
    if kind == "heat":
        few = _HEAT_256 if dark else _HEAT_256[::-1]
        return tuple(few[_spread(step, levels, len(few), kind)] for step in range(levels))
    half = levels // 2 + 1
    cold, warm = (_COLD_256, _WARM_256) if dark else (_COLD_256_LIGHT, _WARM_256_LIGHT)
    sides = [tuple(few[_spread(step, half, len(few), "heat")] for step in range(half)) for few in (cold, warm)]
    return (*sides[0][:0:-1], *sides[1])


@cache
def glyphs(kind: Kind, *, ascii_only: bool = False) -> str:
    """A character for each level, from least to most; in ``heat`` only level 0 is blank, so that little is visible."""
    few = ASCII_GLYPHS if ascii_only else GLYPHS
    return "".join(few[_spread(step, LEVELS, len(few), kind)] for step in range(LEVELS))


def blend(colour: RGB, ground: RGB, part: float = 0.5) -> RGB:
    """``colour`` mixed into ``ground``, with the share ``part`` of it."""
    return RGB(*(round(under + (over - under) * part) for over, under in zip(colour, ground, strict=True)))
