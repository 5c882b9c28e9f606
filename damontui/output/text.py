"""A snapshot as text for people: every number with its unit, ready to be pasted into a ticket."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Sequence

import numpy as np

from damontui import units
from damontui.damon import metrics
from damontui.damon.snapshot import Description, Snapshot
from damontui.safe_text import shown

ROWS = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
"""Percentiles that are printed."""
REGIONS = 8
"""Regions that are printed: those with the most accessed bytes, and as many of the largest idle ones."""
WIDTH = 80
"""Columns; only a long name of a mapping goes beyond, whole."""

_WALL = 1e9  # a record may know the time since the machine's start only: no date then


def summary(snapshot: Snapshot, description: Description) -> str:
    """The snapshot in about 40 lines of text, and then what its source cannot tell."""
    lines = [_title(snapshot, description), ""]
    if snapshot.note:
        lines += [*textwrap.wrap(shown(snapshot.note), WIDTH), ""]
    if not snapshot.complete:
        lines += [f"INCOMPLETE: {snapshot.lost} trace events were lost; regions are missing", ""]
    # as fast as it goes, the engine takes what CPU there is: no measure of its cost
    lines += _facts(snapshot, cost=not math.isinf(description.speed))
    if len(snapshot):
        lines += ["", *_idle(snapshot), "", *_regions(snapshot)]
    elif snapshot.module is not None and snapshot.module.idle_ms_percentiles:
        lines += ["", *_table(snapshot.module.idle_ms_percentiles, None, None)]
    if description.limits:
        lines += ["", "what this cannot tell:"]
        for limit in description.limits:
            lines += textwrap.wrap(shown(limit), WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def _title(snapshot: Snapshot, description: Description) -> str:
    at = f"at {snapshot.time:.3f} s"
    if snapshot.wall >= _WALL:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(snapshot.wall))
    parts = [description.title, description.host, description.kernel, at]
    if snapshot.origin == "simulated":
        parts.append("SIMULATED")
    return " · ".join(shown(part) for part in parts if part)


def _facts(snapshot: Snapshot, *, cost: bool) -> list[str]:
    attrs, after = snapshot.attrs, snapshot.next_attrs
    interval = f"{_us(attrs.sample_us)}, aggregation {_us(attrs.aggr_us)} ({attrs.max_nr_accesses} samples)"
    if after.sample_us != attrs.sample_us:
        interval += f"; next {_us(after.sample_us)}, {_us(after.aggr_us)}"
    lines = [f"sampling       {interval}"]
    truth = snapshot.truth
    if len(snapshot):
        observed = units.share(metrics.observed_access_bp(snapshot) / 10_000)
        goal = f" of the {units.share(attrs.goal.access_bp / 10_000)} goal" if attrs.goal else ", not tuned"
        real = f" (truth {units.bandwidth(truth.bandwidth)})" if truth else ""
        lines += [
            f"observed       {observed}{goal}",
            f"bandwidth      {units.bandwidth(metrics.bandwidth(snapshot))}, estimated{real}",
        ]
        real = f" (truth {units.size(truth.working_set_bytes)})" if truth else ""
        working = metrics.working_set(snapshot)
        share = units.share(working / max(1, snapshot.total_bytes))
        lines += [
            f"working set    {units.size(working)} of {units.size(snapshot.total_bytes)}, {share}{real}",
            f"regions        {len(snapshot)} ({attrs.min_regions} … {attrs.max_regions})",
        ]
    if snapshot.module is not None:
        lines += _module(snapshot)
    if snapshot.cpu is not None and cost:
        lines.append(f"overhead       {units.share(snapshot.cpu)} of one CPU")
    if snapshot.late:
        lines.append(f"late           {snapshot.late} sampling deadlines missed")
    return lines


def _module(snapshot: Snapshot) -> list[str]:
    module = snapshot.module
    assert module is not None
    lines = []
    if module.bandwidth is not None:
        mid = " (read mid-count, usually too low)" if len(snapshot) else ""
        lines.append(f"module says    {units.bandwidth(module.bandwidth)}{mid}")
    return lines


def _us(microseconds: int) -> str:
    return units.duration(microseconds / 1e6)


def idle_words(milliseconds: int) -> str:
    """One idle time in words; negative is memory in use."""
    if milliseconds < 0:
        return f"in use for {units.duration(-milliseconds / 1000)}"
    return f"idle for {units.duration(milliseconds / 1000)}"


def _idle(snapshot: Snapshot) -> list[str]:
    values = metrics.idle_percentiles(snapshot)
    truth = snapshot.truth.idle_ms_percentiles if snapshot.truth else None
    lines = _table(values, truth, snapshot)
    quarter = values[75]
    if quarter > 0:
        lines.append(f"a quarter of memory was untouched for {units.duration(quarter / 1000)} or longer")
    return lines


def _table(values: Sequence[int], truth: Sequence[int] | None, snapshot: Snapshot | None) -> list[str]:
    head = f"{'percentile':<12}{'by bytes':<22}"
    head += f"{'idle at least so long':<24}" if snapshot is not None else ""
    head += "truth" if truth is not None else ""
    lines = [head.rstrip()]
    for row in ROWS:
        line = f"{f'p{row}':>6}      {idle_words(values[row]):<22}"
        if snapshot is not None:
            at_least = units.size(metrics.idle_at_least(snapshot, values[row])) if values[row] > 0 else "–"
            line += f"{at_least:>12}{'':12}"
        if truth is not None:
            line += idle_words(truth[row])
        lines.append(line.rstrip())
    return lines


def _regions(snapshot: Snapshot) -> list[str]:
    touched = snapshot.sizes * snapshot.nr_accesses
    hot = [i for i in np.argsort(-touched, kind="stable").tolist() if touched[i] > 0][:REGIONS]
    idle = [i for i in np.argsort(-snapshot.sizes, kind="stable").tolist() if touched[i] == 0][:REGIONS]
    rates = metrics.access_rates(snapshot)
    milliseconds = metrics.idle_ms(snapshot)
    lines = [f"{'address':<34}{'size':>10}{'accessed':>10}  for"]
    for title, chosen in (("most accessed", hot), ("largest idle", idle)):
        if not chosen:
            continue
        lines.append(
            f"  {title}, {len(chosen)} of {int((touched > 0).sum() if chosen is hot else (touched == 0).sum())}:"
        )
        for i in sorted(chosen):
            name = f"  {shown(snapshot.names[i])}" if snapshot.names and snapshot.names[i] else ""
            where = f"{int(snapshot.start[i]):#x} … {int(snapshot.end[i]):#x}"
            size = units.size(int(snapshot.sizes[i]))
            lines.append(
                f"{where:<34}{size:>10}{units.share(float(rates[i])):>10}  {idle_words(int(milliseconds[i]))}{name}"
            )
    return lines
