"""How fast this guest is. Limits, after which a check is taken to hang, are for a usual one; a slow one gets more."""

from __future__ import annotations

import time

USUAL_BOOT_S = 20.0
"""Seconds from the kernel's start until checks can be run, at most, on the machines that the limits were written on."""

TOO_SLOW = 2.0
"""From this slowness on a failed check tells as much of the guest as of the program: DAMON's samples come late, an
aggregation takes many times its length, and what it says is no longer what happened. Such a check is not judged."""
UNJUDGED = 0.1
"""Share of a run's checks that may be left unjudged: more is a failure, however slow the guest is."""

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
