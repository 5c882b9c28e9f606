"""What the whole screen looks like, cell by cell. ``pytest tests/screens --snapshot-update`` after a wanted change."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.app import App
from textual.dom import DOMNode
from textual.pilot import Pilot

from damontui.tui.draw import Pane
from tests.screens.states import STATES, State

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    import time

    time.tzset()


def assert_nothing_is_blank(app: App[int]) -> None:
    """Each pane that is displayed has room, and draws something in it."""
    shown = ([pane for pane in screen.query(Pane) if _is_displayed(pane)] for screen in reversed(app.screen_stack))
    panes = next(filter(None, shown))  # of what lies below another screen's panes, nothing need be drawn
    wrong = []
    for pane in panes:
        where = f"{type(pane).__name__} (id {pane.id!r}) of {pane.outer_size.width} × {pane.outer_size.height} cells"
        if not pane.size.area:
            wrong.append(f"{where} has no room for a line: what is its height and width in tui/app.tcss?")
        elif not pane.text().strip():
            wrong.append(f"{where} is displayed and blank: draw a line, or set display to False")
    assert not wrong, "; ".join(wrong)


def _is_displayed(pane: Pane) -> bool:
    return all(isinstance(one, DOMNode) and one.display for one in pane.ancestors_with_self)


def test_every_pane_has_a_place_in_the_style_sheet() -> None:
    """Without a rule a pane has no height, and nothing says so."""
    folder = ROOT / "damontui" / "tui"
    source, styles = "".join(path.read_text() for path in folder.rglob("*.py")), (folder / "app.tcss").read_text()
    styles += "".join(re.findall(r'DEFAULT_CSS = f?"""(.*?)"""', source, re.DOTALL))
    names = re.findall(r"^class (\w+)\((?:\w+, )*Pane\b", source, re.MULTILINE)
    assert {"IdlePane", "TitleBar", "RegionsPane"} <= set(names)
    for name in names:
        ids = re.findall(rf'\b{name}\([^()]*\bid="(\w+)"', source)
        there = re.search("|".join((rf"\b{name}\b", *(rf"#{one}\b" for one in ids))), styles)
        assert there, (
            f"give {name} a height and a width in tui/app.tcss: by its name, or by the id that it is made with"
        )


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_screen(state: State, snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    if state.no_color:
        monkeypatch.setenv("NO_COLOR", "1")

    async def play(pilot: Pilot[int]) -> None:
        await state.play(pilot)
        assert_nothing_is_blank(pilot.app)

    assert snap_compare(state.app(), terminal_size=state.size, run_before=play)
