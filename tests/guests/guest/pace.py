"""How fast this guest is. Limits, after which a check is taken to hang, are for a usual one; a slow one gets more."""

from __future__ import annotations

import time

USUAL_BOOT_S = 20.0
"""Seconds from the kernel's start until checks can be run, at most, on the machines that the limits were written on."""

SLOW = 2.0
"""From this slowness on DAMON's samples come late at times, an aggregation takes many times its length, and what it
says is not what happened. A check that fails in such a guest is made again, afresh, before it has failed."""
TRIES = 3
"""How often a check is made at most in a guest that is so slow; one try in any other."""

slowness = 1.0
"""How many times as long as usual things take here, at least 1."""


def measure() -> float:
    """Take `slowness` from how long the guest has taken to boot: to be asked once it has."""
    global slowness
    slowness = max(1.0, time.monotonic() / USUAL_BOOT_S)
    return slowness


def patient(limit: float) -> float:
    """The limit, in seconds, as it is here."""
    return limit * slowness
