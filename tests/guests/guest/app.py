"""The screen, on a terminal in the guest and driven by keys: its switch, and every way out of it."""

from __future__ import annotations

import signal
import termios
from collections.abc import Callable

from tests.guests.guest import Guest, check, system
from tests.guests.guest.program import Terminal
from tests.guests.guest.system import as_found, switch_stat, wait

START = 60.0
"""Seconds from start to live regions, emulated."""


def afresh() -> None:
    """Short aggregations again: the kernel's own intervals have grown long since it booted."""
    switch_stat(False)
    switch_stat(True)


def live(terminal: Terminal) -> None:
    """Wait until it shows the kernel's regions."""
    terminal.until("LIVE", limit=START)
    wait(lambda: system.state()["trace instances"], 10, "an own trace instance")


@check("7.2", "6.18", limit=150)
def off_on_quit(guest: Guest) -> None:
    """`e` switches DAMON_STAT off in the kernel, `e` again on, `q` leaves; the system and the terminal are as found"""
    afresh()
    with as_found(), Terminal(guest.folder, "stat") as terminal:
        settings = termios.tcgetattr(terminal.master)
        live(terminal)
        assert "DAMON_STAT" in terminal.screen
        terminal.keys("e")
        wait(lambda: terminal.screen and not system.kdamonds(), 20, "the kdamond's end")
        assert not system.stat_enabled()
        terminal.until("OFF", gone=["LIVE", "SWITCHING"])
        guest.facts["off"] = terminal.screen.splitlines()[0].strip()
        terminal.keys("e")
        wait(lambda: terminal.screen and system.stat_enabled(), 20, "DAMON_STAT on again")
        terminal.until("LIVE", limit=START)
        guest.facts["on"] = terminal.screen.splitlines()[0].strip()
        terminal.keys("q")
        assert terminal.wait() == 0
        assert "\x1b[?1049l" in terminal.everything, "the alternate screen was not left"
        assert "\x1b[?25h" in terminal.everything.rpartition("\x1b[?1049h")[2], "the cursor stays hidden"
        assert "Traceback" not in terminal.everything
        assert termios.tcgetattr(terminal.master) == settings, "the terminal's settings are not as found"


@check("7.2", "6.18", limit=150)
def off_stays_off(guest: Guest) -> None:
    """What the user switched on purpose stays: `e`, then `q`, and DAMON_STAT is off, with no trace of the program"""
    afresh()
    before = system.state()
    with Terminal(guest.folder, "stat") as terminal:
        live(terminal)
        terminal.keys("e")
        wait(lambda: terminal.screen and not system.kdamonds(), 20, "the kdamond's end")
        terminal.until("OFF", gone=["LIVE", "SWITCHING"])
        terminal.keys("q")
        assert terminal.wait() == 0
    changed = system.difference(before, system.state())
    assert [line.split(":")[0] for line in changed] == ["damon_stat enabled", "kdamonds"], changed


@check("7.2", "6.18", limit=150)
def busy_is_shown(guest: Guest) -> None:
    """Switching on while another program's kdamond runs: the screen names it, goes on, and it is left alone"""
    switch_stat(False)
    pid = system.start_kdamond()
    with as_found(), Terminal(guest.folder, "stat") as terminal:
        terminal.until("OFF", limit=START)
        terminal.keys("e")
        terminal.until(f"kdamond {pid}", f"PID {pid}", limit=30)
        guest.facts["screen"] = [line.strip() for line in terminal.screen.splitlines() if str(pid) in line]
        terminal.keys("q")
        assert terminal.wait() == 0
    assert pid in system.kdamonds()


@check("7.2", "6.18", limit=150)
def switched_by_somebody_else(guest: Guest) -> None:
    """DAMON_STAT switched off and on by another program: shown, followed"""
    afresh()
    with as_found(), Terminal(guest.folder, "stat") as terminal:
        live(terminal)
        switch_stat(False)
        terminal.until("OFF", limit=30, gone=["LIVE"])
        switch_stat(True)
        terminal.until("LIVE", limit=START, gone=["OFF"])
        terminal.keys("q")
        assert terminal.wait() == 0


def _ends(name: str, title: str, act: Callable[[Terminal], None], *statuses: int) -> None:
    def ending(guest: Guest) -> None:
        afresh()
        with as_found(), Terminal(guest.folder, "stat") as terminal:
            live(terminal)
            act(terminal)
            status = terminal.wait(30)
            assert status in statuses, f"exit status {status}, not one of {statuses}"
            assert "Traceback" not in terminal.everything

    ending.__name__ = f"ends_by_{name}"
    ending.__doc__ = f"{title}: the trace instance goes, the system is as found"
    check("7.2", "6.18", limit=120)(ending)


_ends("q", "`q`", lambda terminal: terminal.keys("q"), 0)
_ends("ctrl_c", "Ctrl-C", lambda terminal: terminal.keys("\x03"), 130)
_ends("sigterm", "SIGTERM", lambda terminal: terminal.send(signal.SIGTERM), 143)
_ends("sigint", "SIGINT from another program", lambda terminal: terminal.send(signal.SIGINT), 130)
_ends("sighup", "SIGHUP", lambda terminal: terminal.send(signal.SIGHUP), 129)
_ends("terminal_closed", "The terminal is killed under it", lambda terminal: terminal.hang_up(), 129, 0, 1)


@check("7.2", "6.18", limit=150)
def killed_is_tidied_up(guest: Guest) -> None:
    """Killed with SIGKILL it leaves its trace instance; the next start removes it, and `q` its own"""
    afresh()
    before = system.state()
    with Terminal(guest.folder, "stat") as terminal:
        live(terminal)
        terminal.send(signal.SIGKILL)
        assert terminal.wait() == -signal.SIGKILL
    left = system.difference(before, system.state())
    assert len(left) == 1, left
    assert "trace instances" in left[0], left
    with Terminal(guest.folder, "stat") as terminal:
        terminal.until("LIVE", limit=START)
        terminal.keys("q")
        assert terminal.wait() == 0
    assert not system.difference(before, system.state())
