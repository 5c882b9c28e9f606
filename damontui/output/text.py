"""A snapshot as text for people: every number with its unit, ready to be pasted into a ticket."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Sequence

import numpy as np

from damontui import phrases, units
from damontui.analysis import frames, rounding, savings, usage
from damontui.analysis.estimate import Estimate
from damontui.analysis.frames import SEEN
from damontui.analysis.headline import THRESHOLD, Headline, headline
from damontui.analysis.savings import by_kind
from damontui.damon import metrics
from damontui.damon.snapshot import Description, Group, Measured, Pressure, Snapshot
from damontui.output.owners import owners_table
from damontui.phrases import how_sure, idle_said, included_sentence
from damontui.safe_text import shown

PERCENTILES = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
"""Percentiles that are printed."""
MOST_REGIONS = 8
"""Regions that are printed: those with the most accessed bytes, and as many of the largest idle ones."""
TIMES = (0.1, 1, 10, 60, 120, 300, 600, 1800, 3600)
"""Times for which the bytes used within them are printed, seconds."""
WIDTH = 80
"""Columns of the text; only a long name of a mapping goes beyond."""

_WALL = 1e9  # a record may know the time since the machine's start only: no date then


def summary(
    snapshot: Snapshot, description: Description, threshold: float = THRESHOLD, estimate: Estimate | None = None
) -> str:
    """The snapshot in about 40 lines of text, followed by the limits of its source.

    Args:
        snapshot: the snapshot.
        description: its source.
        threshold: seconds within which memory counts as in use; less where memory was not watched for so long.
        estimate: the estimate of that moment, from all snapshots so far; None where there was no snapshot before.
    """
    said = headline(snapshot, threshold, estimate)
    lines = [_title(snapshot, description)]
    if said is not None:
        lines += textwrap.wrap(headline_words(said), WIDTH) + textwrap.wrap(beside_words(said), WIDTH)
        if said.untold is not None and said.idle.bytes:
            lines += ["", *textwrap.wrap(included_sentence(said.untold), WIDTH)]
    lines.append("")
    if snapshot.note:
        lines += [*textwrap.wrap(shown(snapshot.note), WIDTH), ""]
    if not snapshot.complete:
        lines += [f"INCOMPLETE: {snapshot.lost} trace events were lost; regions are missing", ""]
    # as fast as it goes, the engine takes what CPU there is: no measure of its cost
    lines += _facts(snapshot, estimate, cost=not math.isinf(description.speed))
    if snapshot.measured is not None and said is not None:
        lines += ["", *_over_times(snapshot), "", *_kinds(snapshot, snapshot.measured, said.within)]
        lines += ["", *_idle(snapshot), "", *_mappings(snapshot, said.within)]
    elif len(snapshot):
        if estimate is not None and (rows := _estimated(snapshot, estimate)):
            lines += ["", *rows]
        if said is not None and (rows := _composition(snapshot, said.within, estimate)):
            lines += ["", *rows]
        if rows := owners_table(snapshot, estimate, threshold):
            lines += ["", *rows]
        lines += ["", "by the kernel's rule, which begins anew where regions are joined:"]
        lines += [*_idle(snapshot), "", *_regions(snapshot)]
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


def headline_words(said: Headline) -> str:
    """``in use 302 MiB of 2 GiB within 1 min · idle 1.7 GiB``, with ± after what is not certain."""
    within = units.span(said.within)
    if said.shortened:
        within += (
            f", watched for {units.span(float(round(said.watched)))}"
            if said.watched > said.within * 1.02
            else " watched"
        )
    parts = [
        f"in use {units.size(said.used.bytes)}{how_sure(said.used)} of {units.size(said.total)} within {within}",
        "idle " + "".join(idle_said(said.idle, said.untold)),
    ]
    if said.free is not None:
        parts.append(f"free {units.size(said.free)}")
    if said.kernel is not None:
        parts.append(f"kernel {units.size(said.kernel.bytes)}{how_sure(said.kernel)}")
    return " · ".join(parts)


def beside_words(said: Headline) -> str:
    """Address space and swap of a process beside its memory: ``mapped 1.9 GiB, not in memory 1.3 GiB, swapped 3 MiB``,
    or ""."""
    if said.mapped is None:
        return ""
    swapped = f", swapped {units.size(said.swapped)}" if said.swapped else ""
    return f"mapped {units.size(said.mapped)}, not in memory {units.size(said.absent)}{swapped}"


def _facts(snapshot: Snapshot, estimate: Estimate | None, *, cost: bool) -> list[str]:
    lines = _sampled(snapshot, estimate) if snapshot.measured is None else _counted(snapshot, snapshot.measured)
    if snapshot.module is not None:
        lines += _module(snapshot)
    if snapshot.pressure is not None:
        lines += textwrap.wrap(pressure_words(snapshot.pressure), WIDTH, subsequent_indent=" " * 15)
    if snapshot.group is not None:
        lines += textwrap.wrap(group_words(snapshot.group), WIDTH, subsequent_indent=" " * 15)
    if snapshot.cpu is not None and cost:
        lines.append(f"overhead       {units.share(snapshot.cpu)} of one CPU")
    if snapshot.late:
        lines.append(f"late           {units.deadlines_missed(snapshot.late)}")
    return lines


def group_words(group: Group) -> str:
    """A group's own numbers: ``group          charged 417 MiB, high 500 MiB, max 1 GiB, swapped 3 MiB``."""
    told = (("charged", group.current), ("high", group.high), ("max", group.max), ("swapped", group.swap or None))
    parts = [f"{name} {units.size(value)}" for name, value in told if value is not None]
    if group.dying:
        parts.append(f"{group.dying} deleted groups below it have memory")
    return f"group          {shown(group.path)}: {', '.join(parts) or 'its files cannot be read'}"


def pressure_words(pressure: Pressure) -> str:
    """A pressure as far as it is known: ``pressure       some 0.3 %, full 0 % of the time; swapped 60 MiB``."""
    of = f"on {shown(phrases.whose(pressure))}: " if pressure.group is not None else ""
    said = "; ".join(phrases.pressed(pressure)) or "not known"
    note = f"; {shown(pressure.note)}" if pressure.note else ""
    return f"pressure       {of}{said}{note}"


def _counted(snapshot: Snapshot, measured: Measured) -> list[str]:
    shortest, longest = (units.span(seconds) for seconds in (measured.seconds[0], measured.seconds[-1]))
    over = shortest if shortest == longest else f"{shortest} … {longest}"
    watched = snapshot.watched if snapshot.watched is not None else measured.seconds[-1]
    return [
        f"counted        by the kernel, page by page, over {over}",
        f"watched        {units.duration(watched)}, which held the process up for {_pause(measured)} at most",
        f"touched        {units.bandwidth(usage.bandwidth(snapshot))}, counted within {shortest}",
        f"mappings       {int((snapshot.memory > 0).sum())} with memory, of {len(snapshot)}",
    ]


def _pause(measured: Measured) -> str:
    return units.duration(measured.longest_pause) if measured.longest_pause else "no time"


def _sampled(snapshot: Snapshot, estimate: Estimate | None) -> list[str]:
    attrs, after = snapshot.attrs, snapshot.next_attrs
    interval = f"{_us(attrs.sample_us)}, aggregation {_us(attrs.aggr_us)} ({attrs.max_nr_accesses} samples)"
    if after.sample_us != attrs.sample_us:
        interval += f"; next {_us(after.sample_us)}, {_us(after.aggr_us)}"
    lines = [f"sampling       {interval}"]
    truth = snapshot.truth
    if len(snapshot):
        observed = units.share(metrics.observed_access_bp(snapshot) / 10_000)
        goal = f" of the {units.share(attrs.goal.access_bp / 10_000)} goal" if attrs.goal else ", not tuned"
        touched = rounding.Rounding().bandwidth(snapshot) if estimate is None else estimate.bandwidth
        real = f" (truth {units.bandwidth(truth.bandwidth)})" if truth else ""
        lines += [
            f"observed       {observed}{goal}",
            f"bandwidth      {units.bandwidth(touched)}, estimated{real}",
        ]
        real = f", truth {units.size(truth.working_set_bytes)}" if truth else ""
        rule = metrics.working_set(snapshot)
        beside = f" (kernel's rule {units.size(rule)}{real})"
        working, total = float(rule), float(snapshot.total_bytes)
        if estimate is None:
            beside = f", by the kernel's rule{real}"
        else:
            working, total = estimate.working_set(estimate.aggregation_s).bytes, estimate.total_bytes
        words = f"{units.size(working)} of {units.size(total)} within the last {_us(attrs.aggr_us)}{beside}"
        lines += [
            *textwrap.wrap(f"working set    {words}", WIDTH, subsequent_indent=" " * 15),
            f"regions        {len(snapshot)} ({attrs.min_regions} … {attrs.max_regions})",
        ]
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
    """An idle time in words; a negative one is memory in use for so long, 0 is memory in use for an unknown time."""
    if milliseconds == 0:
        return "in use"
    if milliseconds < 0:
        return f"in use for {units.duration(-milliseconds / 1000)}"
    return f"idle for {units.duration(milliseconds / 1000)}"


def _idle(snapshot: Snapshot) -> list[str]:
    values = usage.idle_percentiles(snapshot)
    truth = snapshot.truth.idle_ms_percentiles if snapshot.truth else None
    lines = _table(values, truth, snapshot)
    quarter = values[75]
    if quarter > 0:
        lines.append(f"coldest 25 %: untouched for {units.duration(quarter / 1000)} or longer")
    return lines


def _table(values: Sequence[int], truth: Sequence[int] | None, snapshot: Snapshot | None) -> list[str]:
    head = f"{'percentile':<12}{'by bytes':<22}"
    head += f"{'idle at least so long':<24}" if snapshot is not None else ""
    head += "truth" if truth is not None else ""
    lines = [head.rstrip()]
    # of counted memory it is not known for how long it was in use, only within what time
    measured = snapshot.measured if snapshot is not None else None
    used = f"in use within {units.span(measured.seconds[0])}" if measured is not None else ""
    for row in PERCENTILES:
        words = used if used and values[row] <= 0 else idle_words(values[row])
        line = f"{f'p{row}':>6}      {words:<22}"
        if snapshot is not None:
            found = usage.idle_for(snapshot, values[row] / 1000) if values[row] > 0 else None
            at_least = units.size(found.bytes) if found is not None else "–"
            line += f"{at_least:>12}{'':12}"
        if truth is not None:
            line += idle_words(truth[row])
        lines.append(line.rstrip())
    return lines


def _estimated(snapshot: Snapshot, estimate: Estimate) -> list[str]:
    """Idle memory at each time that was watched, by the estimate, beside the kernel's rule and the truth."""
    shown = [one for one in TIMES if estimate.aggregation_s <= one <= estimate.watched_s]
    if not shown:
        return []
    rule = "kernel's rule"
    head = f"{'idle for at least':<20}{'estimated':>12}{'at least':>12}{'at most':>12}{rule:>16}"
    lines = [head + (f"{'truth':>12}" if snapshot.truth else "")]
    for seconds in shown:
        found = estimate.idle(seconds)
        sizes = (found.bytes, found.least, found.most, metrics.idle_at_least(snapshot, seconds * 1000))
        cells = [units.size(one) for one in sizes[:3]]
        if frames.untold(snapshot) is not None:
            cells[1] = "–"  # all of it may be free
        line = f"{units.span(seconds):<20}" + "".join(f"{one:>12}" for one in cells)
        line += f"{units.size(sizes[3]):>16}"
        if snapshot.truth:
            line += f"{units.size(savings.true_share(snapshot.truth, seconds) * snapshot.total_bytes):>12}"
        lines.append(line)
    return lines


def _composition(snapshot: Snapshot, seconds: float, estimate: Estimate | None) -> list[str]:
    """What physical memory is made of, each kind with its 95 % interval, and how much of it is idle."""
    idle = None if estimate is None else estimate.idle_by_region(snapshot, seconds)
    parts = frames.composition(snapshot, seconds, idle)
    lines = []
    for kind, part in parts.items():
        if part.bytes.bytes or kind in ("free", "file", "anon"):
            amounts = (part.bytes.bytes, part.bytes.least, part.bytes.most)
            told = units.size(part.idle.bytes) + how_sure(part.idle) if kind in SEEN else "–"
            lines.append(
                f"{kind.replace('_', ' '):<20}" + "".join(f"{units.size(one):>12}" for one in amounts) + f"   {told}"
            )
    if lines and snapshot.frames is not None:
        head = f"{'memory holds':<20}{'':>12}{'at least':>12}{'at most':>12}   idle for {units.span(seconds)}"
        cost = f", at {units.share(snapshot.frames.cpu)} of one CPU" if snapshot.frames.cpu > 0 else ""
        drawn = f"from {snapshot.frames.drawn:,} page frames chosen at random{cost}"
        said = f"{drawn}; unevictable and huge are among the others"
        lines = [head, *lines, *textwrap.wrap(said, WIDTH)]
    return lines


def _over_times(snapshot: Snapshot) -> list[str]:
    """Bytes used within each time, and bytes idle for longer."""
    lines = [f"{'time':<12}{'used within it':>16}{'idle for longer':>18}"]
    shortest = snapshot.measured.seconds[0] if snapshot.measured is not None else 0.0
    times = [shortest, *(one for one in TIMES if one > shortest * 1.02 and usage.reaches(snapshot, one))]
    for seconds in times:
        used, idle = usage.used_within(snapshot, seconds), usage.idle_for(snapshot, seconds)
        if used is not None and idle is not None:
            sure = how_sure(used)
            lines.append(f"{units.span(seconds):<12}{units.size(used.bytes):>16}{units.size(idle.bytes):>18}{sure}")
    return lines


def _kinds(snapshot: Snapshot, measured: Measured, seconds: float) -> list[str]:
    lines = [f"{'kind':<12}{'in memory':>16}{f'idle for {units.span(seconds)}':>18}"]
    lines += [
        f"{kind.name:<12}{units.size(kind.bytes):>16}{units.size(kind.idle):>18}" for kind in by_kind(snapshot, seconds)
    ]
    if measured.huge:
        lines.append(f"{'huge pages':<12}{units.size(measured.huge):>16}{'':18}  of these; a touch counts 2 MiB")
    return lines


def _mappings(snapshot: Snapshot, seconds: float) -> list[str]:
    """The mappings with most memory in use and those with most idle memory, in order of address."""
    used, idle = usage.used_by_region(snapshot, seconds), usage.idle_by_region(snapshot, seconds)
    lines = [f"{'address':<34}{'in memory':>10}{'in use':>10}{'idle':>10}"]
    for title, amounts in (("most in use within", used), ("most idle for", idle)):
        some = np.flatnonzero(amounts > 0)
        chosen = some[np.argsort(-amounts[some], kind="stable")][:MOST_REGIONS]
        if len(chosen):
            lines.append(f"  {title} {units.span(seconds)}, {len(chosen)} of {len(some)}:")
        for i in sorted(chosen.tolist()):
            where = f"{int(snapshot.start[i]):#x} … {int(snapshot.end[i]):#x}"
            held = (units.size(float(one[i])) for one in (snapshot.memory, used, idle))
            lines.append(f"{where:<34}" + "".join(f"{one:>10}" for one in held) + _name(snapshot, i))
    return lines


def _name(snapshot: Snapshot, region: int) -> str:
    return f"  {shown(snapshot.names[region])}" if snapshot.names and snapshot.names[region] else ""


def _regions(snapshot: Snapshot) -> list[str]:
    memory = snapshot.memory
    touched = memory * snapshot.nr_accesses
    hot = [i for i in np.argsort(-touched, kind="stable").tolist() if touched[i] > 0][:MOST_REGIONS]
    idle = [i for i in np.argsort(-memory, kind="stable").tolist() if touched[i] == 0 and memory[i]][:MOST_REGIONS]
    rates = metrics.access_rates(snapshot)
    milliseconds = metrics.idle_ms(snapshot)
    lines = [f"{'address':<34}{'size':>10}{'accessed':>10}  for"]
    for title, chosen in (("most accessed", hot), ("largest idle", idle)):
        if not chosen:
            continue
        all_of_them = (touched > 0) if chosen is hot else (touched == 0) & (memory > 0)
        lines.append(f"  {title}, {len(chosen)} of {int(all_of_them.sum())}:")
        for i in sorted(chosen):
            name = _name(snapshot, i)
            where = f"{int(snapshot.start[i]):#x} … {int(snapshot.end[i]):#x}"
            size = units.size(int(memory[i]))
            lines.append(
                f"{where:<34}{size:>10}{units.share(float(rates[i])):>10}  {idle_words(int(milliseconds[i]))}{name}"
            )
    return lines
