"""Kernels without DAMON_STAT, or without DAMON at all: what the program says there."""

from __future__ import annotations

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
def auto_makes_nothing_up_and_says_why(guest: Guest) -> None:
    """`snapshot` without a target: exit status 1, and one sentence on why and on what can be had here"""
    with as_found():
        ended = program.run(guest.folder, "snapshot", limit=60)
        data = program.run(guest.folder, "snapshot", "--json", limit=60)
    guest.facts["says"] = ended.refused("DAMON", "demo", "doctor")
    assert data.refused("DAMON", "demo", "doctor") == guest.facts["says"]


@check("6.12", "6.1", limit=120)
def screen_opens_simulated(guest: Guest) -> None:
    """The screen opens on simulated memory, marked SIMULATED, with the list of what is real in front; `q` leaves"""
    with as_found(), Terminal(guest.folder) as terminal:
        terminal.until("SIMULATED", limit=60)
        terminal.until("esc back", limit=60)
        terminal.keys("\x1b")
        terminal.until("SIMULATED", limit=30, gone=("esc back",))
        terminal.keys("q")
        assert terminal.wait() == 0
