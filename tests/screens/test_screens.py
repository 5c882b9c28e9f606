"""What the whole screen looks like, cell by cell. ``pytest tests/screens --snapshot-update`` after a wanted change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from tests.screens.states import STATES, State


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    import time

    time.tzset()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_screen(state: State, snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    if state.no_color:
        monkeypatch.setenv("NO_COLOR", "1")

    async def play(pilot: Pilot[int]) -> None:
        await state.play(pilot)

    assert snap_compare(state.app(), terminal_size=state.size, run_before=play)
