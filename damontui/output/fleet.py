"""The fleet as text and as one JSON object. Keys of the object may be added, never renamed; null is not known."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from damontui import units
from damontui.fleet.model import STATES, Buckets, FleetPicture, Hosts, View, rows, what_if
from damontui.fleet.words import QUANTILES, cell, hosts_words, quantile_words, states_words, what_if_words
from damontui.safe_text import shown

SCHEMA = 1
ROWS = 20
"""Hosts that the text names."""


def picture_object(picture: FleetPicture, url: str) -> dict[str, Any]:
    """The JSON object of a picture."""
    hosts, could = picture.hosts, what_if(picture)
    everything = picture.sums.get("")
    return {
        "schema": SCHEMA,
        "unix_time": round(picture.time, 3),
        "url": url,
        "rule": picture.rule,
        "threshold_s": picture.threshold,
        "states": dict(picture.counted),
        "notes": list(picture.notes),
        "idle": None if everything is None else _buckets(everything),
        "groups": {group: _buckets(one) for group, one in picture.sums.items() if group},
        "could_be_saved": {
            "bytes": round(could.idle),
            "least_bytes": round(could.least),
            "most_bytes": round(could.most),
            "hosts": could.hosts,
            "half_on_hosts": could.half,
        },
        "hosts": [_host(hosts, at) for at in range(len(hosts))],
    }


def dump(picture: FleetPicture, url: str) -> str:
    """The JSON object of a picture in one line of ASCII."""
    return json.dumps(picture_object(picture, url), allow_nan=False)


def _buckets(found: Buckets) -> dict[str, Any]:
    pairs = zip(found.bounds, found.cumulated, strict=True)
    return {
        "bytes": round(found.total),
        "quantiles_s": {f"{share:g}": _known(found.quantile(share), 3) for share in QUANTILES},
        "idle_at_most": [{"seconds": _known(bound), "bytes": round(bytes_)} for bound, bytes_ in pairs],
    }


def _host(hosts: Hosts, at: int) -> dict[str, Any]:
    numbers = {name: _known(float(column[at]), 3) for name, column in hosts.columns.items()}
    sizes = ("total", "idle", "idle_least", "idle_most", "free", "working_set")
    bytes_ = {f"{name}_bytes": numbers.pop(name) for name in sizes}
    seconds = {f"{name}_s": numbers.pop(name) for name in ("age", "watched", "interval")}
    return {
        "instance": hosts.names[at],
        "job": hosts.jobs[at],
        "group": hosts.groups[at],
        "state": hosts.states[at],
        **bytes_,
        "bandwidth_bytes_per_s": numbers["bandwidth"],
        "pressure": numbers["pressure"],
        **seconds,
    }


def _known(value: float, digits: int = 0) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else round(value, digits)


# -- text


def summary(picture: FleetPicture, url: str) -> str:
    """The fleet in some thirty lines, and what is odd about it."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(picture.time))
    lines = [
        f"fleet · {shown(url)} · {at}",
        states_words(picture),
        what_if_words(what_if(picture)),
    ]
    lines += [f"note: {shown(one)}" for one in picture.notes]
    lines += ["", "idle time by bytes of those that are summed"]
    names = [name or "all" for name in picture.sums]
    width = max((len(shown(name)[:30]) for name in names), default=3)
    lines.append(
        "  ".join(["".ljust(width), *(f"p{share * 100:g}".rjust(12) for share in QUANTILES), "memory".rjust(10)])
    )
    for name, found in picture.sums.items():
        cells = [quantile_words(found, share).rjust(12) for share in QUANTILES]
        lines.append("  ".join([shown(name or "all")[:30].ljust(width), *cells, units.size(found.total).rjust(10)]))
    lines += ["", *_table(picture)]
    for state in picture.counted:
        if state != "ok":
            lines.append(f"{state}: {STATES[state]}")
    return "\n".join(lines)


def _table(picture: FleetPicture) -> list[str]:
    hosts = picture.hosts
    found = rows(hosts, View())[:ROWS]
    columns = ("idle", "free", "working_set", "total", "bandwidth", "age")
    head = ["host", "state", *(name.replace("_", " ") for name in columns)]
    cells = [
        [shown(hosts.names[at])[:40], hosts.states[at], *(cell(name, hosts.columns[name][at]) for name in columns)]
        for at in found
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    lines = []
    for line in (head, *cells):
        texts = [
            text.ljust(w) if at < 2 else text.rjust(w) for at, (text, w) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(texts).rstrip())
    more = len(hosts) - len(found)
    return [*lines, f"and {hosts_words(more)} more"] if more else lines
