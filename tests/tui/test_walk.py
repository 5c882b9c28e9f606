"""The walk of one access to a coloured cell is as `damontui/README.md` has it: those calls, in that order."""

from __future__ import annotations

import math
import re
import sys
import threading
from functools import partial
from pathlib import Path
from types import FrameType

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Snapshot
from damontui.monitor import Monitor
from damontui.operations.scenes import scene
from damontui.session.session import Session
from damontui.sources.engine import EngineSource
from damontui.tui.app import DamontuiApp
from damontui.tui.options import ScreenOptions
from tests.tui.fed import at_once

PACKAGE = Path(__file__).parents[2] / "damontui"


def walk_of_page() -> list[str]:
    """``damon/context.py:Context.aggregate`` and so on."""
    section = (PACKAGE / "README.md").read_text().partition("## The walk of one access")[2].partition("\n## ")[0]
    return re.findall(r"^ *\d+\. `([\w/]+\.py:[\w.]+)`", section, re.MULTILINE)


async def test_an_access_becomes_a_cell_by_these_calls() -> None:
    source = EngineSource(
        partial(scene, "steady"), Attrs(), target="demo", title="demo", seed=1, speed=math.inf, wall=lambda: 0.0
    )
    session = Session(Monitor(source), clock=lambda: 0.0, run=at_once)
    app = DamontuiApp(session, options=ScreenOptions(clocks=False))
    events = source.snapshots(threading.Event())
    called: list[str] = []

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(PACKAGE)):
            called.append(f"{Path(code.co_filename).relative_to(PACKAGE)}:{code.co_qualname}")

    async with app.run_test(size=(120, 36)) as pilot:
        heard = 0
        while heard < 20:  # until there is a picture to add a column to
            event = next(events)
            session.monitor.hear(event)
            heard += isinstance(event, Snapshot)
        await pilot.pause()
        before = sys.getprofile()
        sys.setprofile(profile)
        try:
            session.monitor.hear(next(events))
            await pilot.pause()
        finally:
            sys.setprofile(before)
    walk = walk_of_page()
    assert len(walk) > 15
    rest = iter(called)
    missed = [call for call in walk if call not in rest]  # each is looked for behind the one before
    assert not missed, f"not called, or not in this order: {missed[0]}"
