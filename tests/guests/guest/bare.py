"""Kernels without DAMON_STAT, or without DAMON at all: what the program says there."""

from __future__ import annotations

import json

from tests.guests.guest import Guest, check, program
from tests.guests.guest.program import Terminal
from tests.guests.guest.system import as_found


@check("6.12", "6.1")
def stat_is_refused(guest: Guest) -> None:
    """`snapshot stat`: one sentence that says that this kernel has no DAMON_STAT and since when there is one"""
    with as_found():
        ended = program.run(guest.folder, "snapshot", "stat", "--json")
    guest.facts["says"] = ended.refused("DAMON_STAT", "6.17")


@check("6.12", "6.1", limit=90)
def auto_simulates_and_says_why(guest: Guest) -> None:
    """`snapshot`: simulated memory, marked so; the reason is one sentence on standard error"""
    with as_found():
        ended = program.run(guest.folder, "snapshot", limit=60)
        data = program.run(guest.folder, "snapshot", "--json", limit=60)
    assert ended.status == 0, ended.err
    assert len(ended.err.strip().splitlines()) == 1, ended.err
    assert "synthetic" in ended.err, ended.err
    assert "DAMON" in ended.err, ended.err
    assert json.loads(data.out)["origin"] == "simulated"
    guest.facts["says"] = ended.err.strip()


@check("6.12", "6.1", limit=120)
def screen_opens_simulated(guest: Guest) -> None:
    """The screen opens on simulated memory and is marked SIMULATED; `q` leaves"""
    with as_found(), Terminal(guest.folder) as terminal:
        terminal.until("SIMULATED", limit=60)
        terminal.keys("q")
        assert terminal.wait() == 0
