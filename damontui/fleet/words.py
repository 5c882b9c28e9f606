"""The fleet's numbers in words: the same on the screen and in text."""

from __future__ import annotations

import math

from damontui import units
from damontui.fleet.model import Buckets, FleetPicture, WhatIf

_DAY_S = 86_400
QUANTILES = (0.5, 0.75, 0.9, 0.99)
"""Shares of memory at which idle times are told."""


def what_if_words(could: WhatIf) -> str:
    """``idle for 15 min: 11.2 TiB on 214 hosts; the 20 that hold most of it hold half``, as a sentence."""
    between = f" ({units.size(could.least)} to {units.size(could.most)})" if could.most > could.least else ""
    head = f"idle for {units.span(could.seconds)}: {units.size(could.idle)}{between} on {hosts_words(could.hosts)}"
    return head if could.hosts < 2 else f"{head}; half of it on {could.half:,}"


def hosts_words(count: int) -> str:
    """``1 host``, ``9,812 hosts``."""
    return "1 host" if count == 1 else f"{count:,} hosts"


def states_words(picture: FleetPicture) -> str:
    """How many hosts are summed and left out: ``9,812 of 10,000 hosts are summed; not 120 off, 68 stale``."""
    counted = picture.counted
    left = ", ".join(f"{count:,} {state}" for state, count in counted.items() if state != "ok")
    words = f"{counted.get('ok', 0):,} of {hosts_words(len(picture.hosts))} summed"
    return f"{words}; not {left}" if left else words


def quantile_words(found: Buckets, share: float) -> str:
    """The idle time that a share of memory does not exceed, in words; beyond the last bucket there is no upper end."""
    value = found.quantile(share)
    if math.isnan(value):
        return "-"
    if value <= 0:
        return "in use"
    beyond = len(found.bounds) > 1 and value >= found.bounds[-2]
    return f"{'over ' if beyond else ''}{units.duration(value)}"


def cell(name: str, value: float) -> str:
    """A number of a host in words; "" where it is not known."""
    if not math.isfinite(value):
        return ""
    if name in ("total", "idle", "free", "working_set"):
        return units.size(value)
    if name == "bandwidth":
        return units.bandwidth(value)
    if name == "pressure":
        return units.share(value)
    if abs(value) >= 2 * _DAY_S:  # a clock that is wrong: its hours say nothing, and have no room
        return f"{int(value / _DAY_S)} d"
    return units.duration(value)
