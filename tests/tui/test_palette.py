"""The ramps keep their order for every eye, on every ground, in every terminal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color, ColorSystem

from damontui.tui import palette
from damontui.tui.palette import ASCII_GLYPHS, GLYPHS, LEVELS, RGB, Kind

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009:
# severity 1.0, on linear RGB
SIMULATED = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
FULL = 1 << 24


def seen(colour: RGB, eye: str) -> RGB:
    """The colour as somebody with that eye sees it."""
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SIMULATED[eye]) @ linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return RGB(*(round(255 * part) for part in encoded))


def to_lab(colour: RGB) -> palette.Lab:
    """A colour in OKLab: lightness 0…1, and two axes of hue; straight distances are about equal to the eye."""
    red, green, blue = (palette._decode(channel) for channel in colour)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def lightness(colours: tuple[RGB, ...]) -> list[float]:
    return [to_lab(colour)[0] for colour in colours]


def distance(a: RGB, b: RGB) -> float:
    return float(np.linalg.norm(np.subtract(to_lab(a), to_lab(b))))


def rising(values: list[float]) -> bool:
    return all(a < b for a, b in pairwise(values))


def contrast(a: RGB, b: RGB) -> float:
    low, high = sorted((palette.luminance(a), palette.luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("eye", [None, *SIMULATED])
@pytest.mark.parametrize("dark", [True, False])
def test_more_is_lighter_in_the_dark_and_darker_in_the_light(dark: bool, eye: str | None) -> None:
    colours = palette.ramp("heat", dark=dark)
    if eye is not None:
        colours = tuple(seen(colour, eye) for colour in colours)
    found = lightness(colours)
    assert rising(found if dark else found[::-1])
    luminances = [palette.luminance(colour) for colour in colours]
    assert rising(luminances if dark else luminances[::-1])


@pytest.mark.parametrize("eye", [None, "protanopia", "deuteranopia"])
@pytest.mark.parametrize("dark", [True, False])
def test_the_two_sides_of_zero_are_told_apart(dark: bool, eye: str | None) -> None:
    colours = palette.ramp("signed", dark=dark)
    if eye is not None:
        colours = tuple(seen(colour, eye) for colour in colours)
    middle = LEVELS // 2
    warm, cold = lightness(colours[middle:]), lightness(colours[middle::-1])
    assert rising(warm if dark else [-value for value in warm])
    assert rising(cold if dark else [-value for value in cold])
    # from the third step on, as far from each other as two steps of one side at least
    for step in range(3, middle + 1):
        assert distance(colours[middle + step], colours[middle - step]) > 0.08


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("kind", ["heat", "signed"])
def test_steps_are_even_and_the_whole_is_wide(kind: Kind, dark: bool) -> None:
    colours = palette.ramp(kind, dark=dark)
    assert len(set(colours)) == LEVELS
    steps = [distance(a, b) for a, b in pairwise(colours)]
    assert min(steps) > 0.025  # a just noticeable difference in OKLab is about 0.02
    assert max(steps) < 4 * min(steps)
    middle = 0 if kind == "heat" else LEVELS // 2
    assert contrast(colours[middle], colours[-1]) > 7  # WCAG's AAA
    assert contrast(colours[middle], colours[0]) > 7 or kind == "heat"


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("kind", ["heat", "signed"])
def test_256_colours_are_met_exactly_and_keep_their_order(kind: Kind, dark: bool) -> None:
    colours = palette.ramp(kind, dark=dark, colours=256)
    assert len(set(colours)) >= 12
    middle = 0 if kind == "heat" else LEVELS // 2
    sides = [colours[middle:]] if kind == "heat" else [colours[middle:], colours[middle::-1]]
    for side in sides:
        found = lightness(side)
        assert all((b - a) * (1 if dark else -1) >= -0.02 for a, b in pairwise(found))
        assert (found[-1] - found[0]) * (1 if dark else -1) > 0.5
    for colour in colours:
        shown = Color.from_rgb(*colour).downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
        assert tuple(shown) == tuple(colour)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("kind", ["heat", "signed"])
def test_sixteen_colours_are_five_hand_picked_ones(kind: Kind, dark: bool) -> None:
    colours = palette.ramp(kind, dark=dark, colours=16)
    different = tuple(dict.fromkeys(colours))
    assert len(different) == 5
    numbers = [Color.from_rgb(*colour).downgrade(ColorSystem.STANDARD).number for colour in different]
    assert len(set(numbers)) == 5
    if kind == "heat":
        found = [palette.luminance(colour) for colour in different]
        assert rising(found if dark else found[::-1])


@pytest.mark.parametrize(("ascii_only", "few"), [(False, GLYPHS), (True, ASCII_GLYPHS)])
def test_a_glyph_says_the_level_without_colour(ascii_only: bool, few: str) -> None:
    heat = palette.glyphs("heat", ascii_only=ascii_only)
    assert len(heat) == LEVELS
    assert "".join(dict.fromkeys(heat)) == few
    assert heat.count(" ") == 1  # a little is not nothing
    assert [few.index(glyph) for glyph in heat] == sorted(few.index(glyph) for glyph in heat)
    signed = palette.glyphs("signed", ascii_only=ascii_only)
    assert "".join(dict.fromkeys(signed)) == few


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_there_and_back_through_oklab(parts: tuple[int, int, int]) -> None:
    colour = RGB(*parts)
    assert np.abs(np.subtract(palette.to_rgb(to_lab(colour)), colour)).max() <= 1


def test_half_brightness_is_half_way_to_the_ground() -> None:
    assert palette.blend(RGB(200, 100, 0), RGB(0, 0, 0)) == (100, 50, 0)
    assert palette.blend(RGB(0, 0, 0), RGB(255, 255, 255), 0.25).hex == "#bfbfbf"
