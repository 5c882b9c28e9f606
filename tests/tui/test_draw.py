"""Lines, bars and sparklines as text."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from damontui.tui.draw import bar, fit, sparkline, spread, to_ascii, width_of

TEXT = st.text(alphabet="ab…│█漢é ", max_size=12)
LINES = st.lists(st.tuples(TEXT, st.sampled_from(["", "label"])), max_size=4)


@given(LINES, st.integers(0, 40))
def test_fitted_line_is_exactly_as_wide_as_asked(line: list[tuple[str, str]], width: int) -> None:
    assert width_of(fit(line, width)) == width


@given(LINES, LINES, st.integers(0, 40))
def test_spread_fills_the_line(left: list[tuple[str, str]], right: list[tuple[str, str]], width: int) -> None:
    assert width_of(spread(left, right, width)) == width


def test_cut_line_says_so() -> None:
    assert fit([("sampling", "label")], 5) == (("samp…", "label"),)
    assert fit([("abc", "label"), ("def", "value")], 3) == (("ab…", "label"),)


@given(st.floats(0, 1), st.integers(1, 30), st.booleans())
def test_bar_has_its_width_and_shows_whatever_is_over_zero(part: float, width: int, ascii: bool) -> None:
    drawn = bar(part, width, ascii=ascii)
    assert len(drawn) == width
    assert bool(drawn.strip()) == (part > 0)


def test_bar_is_in_eighths() -> None:
    assert bar(0.5, 4) == "██  "
    assert bar(1 / 32, 4) == "▏   "
    assert bar(3 / 32, 4) == "▍   "
    assert bar(7.0, 4) == "████"
    assert bar(math.nan, 3) == "   "
    assert bar(0.3, 4, ascii=True) == "##  "


def test_sparkline_of_one_row() -> None:
    assert sparkline([0, 1, 4, 8, math.nan], 1, 0, 8) == ["▁▁▄█ "]


def test_sparkline_grows_through_its_rows() -> None:
    assert sparkline([4, 8, 12, 16], 2, 0, 16) == ["  ▄█", "▄███"]


def test_sparkline_with_logarithmic_scale() -> None:
    assert sparkline([1, 10, 100], 1, 1, 100, log=True) == ["▁▄█"]


@given(st.lists(st.floats(-5, 50) | st.just(math.nan), max_size=20), st.integers(1, 5), st.booleans())
def test_sparkline_always_has_its_shape(values: list[float], rows: int, ascii: bool) -> None:
    drawn = sparkline(values, rows, 0.0, 40.0, ascii=ascii)
    assert [len(line) for line in drawn] == [len(values)] * rows
    assert all(not ascii or line.isascii() for line in drawn)


def test_everything_has_an_ascii_stand_in_of_the_same_width() -> None:
    line = (("● LIVE 5 ms … ◀██│▶ ≥ × − · ▂▅", "value"),)
    text = to_ascii(line)[0][0]
    assert text.isascii()
    assert len(text) == len(line[0][0])
