"""An `Interim`, an aggregation under way, as one JSON object and as text for people."""

from __future__ import annotations

import json
import textwrap
import time
from typing import Any

from damontui import units
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Interim
from damontui.output.json import SCHEMA
from damontui.output.text import PERCENTILES, WIDTH, idle_words

NOTE = (
    "the module's own numbers, computed while an aggregation is under way: what is in use and was not met yet still "
    "counts as idle"
)
UNCOMPUTED = "the module has computed no number yet, which it does every 5 s"


def interim_object(interim: Interim, word: str) -> dict[str, Any]:
    """The JSON object: the keys of a snapshot's, null for what only a whole aggregation tells.

    ``complete`` is false, ``note`` says why, ``kernel`` holds the module's numbers as they stand. Beside them:
    ``due``, when the aggregation can be whole, on the clock of ``time``; ``in_use_so_far``, bytes and share of memory
    that were found in use; ``free_bytes``; ``largest`` processes by resident bytes.

    Args:
        interim: the aggregation under way.
        word: the target's word on the command line.
    """
    module = interim.module
    aggr_us = module.aggr_interval_us
    share = interim.in_use
    return {
        "schema": SCHEMA,
        "time": round(interim.time, 6),
        "began": None if interim.began is None else round(interim.began, 6),
        "due": None if interim.due is None else round(interim.due, 6),
        "unix_time": round(interim.wall, 6),
        "target": word,
        "targets": [],
        "origin": "kernel",
        "complete": False,
        "lost": 0,
        "note": _note(interim),
        "intervals": {"sample_us": aggr_us // Attrs().aggr_samples, "aggr_us": aggr_us} if aggr_us else None,
        "bandwidth_bytes_per_s": None,
        "idle_ms_percentiles": None,
        "total_bytes": interim.total,
        "working_set_bytes": None,
        "regions": [],
        "in_use_so_far": None
        if share is None
        else {"share": share, "bytes": None if interim.total is None else round(share * interim.total)},
        "free_bytes": interim.free,
        "largest": [{"pid": pid, "name": name, "bytes": size} for pid, name, size in interim.large],
        "kernel": {
            "enabled": module.enabled,
            "estimated_memory_bandwidth": module.bandwidth,
            "memory_idle_ms_percentiles": None
            if module.idle_ms_percentiles is None
            else list(module.idle_ms_percentiles),
            "aggr_interval_us": aggr_us,
            "kdamond_pid": module.kdamond_pid,
        },
    }


def dump(interim: Interim, word: str) -> str:
    """The JSON object in one line of ASCII."""
    return json.dumps(interim_object(interim, word))


def summary(interim: Interim, description: Description) -> str:
    """The `Interim` as text, ready to be pasted into a ticket."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(interim.wall))
    title = " · ".join(part for part in (description.title, description.host, description.kernel, at) if part)
    lines = [title, "", *textwrap.wrap(f"INTERIM: {_note(interim)}", WIDTH), "", *_facts(interim)]
    idle = interim.module.idle_ms_percentiles
    if idle is not None:
        lines += ["", "percentile  by bytes, as the module says"]
        lines += [f"{f'p{row}':>6}      {idle_words(idle[row])}" for row in PERCENTILES]
    return "\n".join(lines)


def _note(interim: Interim) -> str:
    return UNCOMPUTED if interim.module.idle_ms_percentiles is None and interim.module.bandwidth is None else NOTE


def _facts(interim: Interim) -> list[str]:
    module, share, total = interim.module, interim.in_use, interim.total
    lines = []
    if module.aggr_interval_us:
        due = ""
        if interim.due is not None:
            due = f", whole in {units.duration(max(0.0, interim.due - interim.time))} at most"
        lines.append(f"aggregation    {units.duration(module.aggr_interval_us / 1e6)}{due}")
    if share is not None:
        of = "" if total is None else f" of {units.size(total)}, {units.size(round(share * total))}"
        lines.append(f"in use so far  at least {units.share(share)}{of}")
    if module.bandwidth is not None:
        lines.append(f"module says    {units.bandwidth(module.bandwidth)} (read mid-count, usually too low)")
    if interim.free is not None:
        lines.append(f"free           {units.size(interim.free)}")
    if interim.large:
        for number, (pid, name, size) in enumerate(interim.large):
            lines.append(f"{'' if number else 'largest':<15}{units.size(size):>8}  {name} ({pid})")
    return lines
