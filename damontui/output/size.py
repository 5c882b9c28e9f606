"""How small a target could be, as text and as JSON: the same rows and the same answer."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from damontui import units
from damontui.analysis.size import LINE, Choice, Size
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import Description
from damontui.output.amounts import amount_object
from damontui.phrases import included_sentence, sureness, with_half
from damontui.safe_text import shown

SCHEMA = 1
WIDTH = 80
_MIB = 1 << 20


def high_of(row: Choice) -> int:
    """Bytes for ``memory.high`` or a pod's request: the upper end of the interval, in whole MiB."""
    return math.ceil(max(0.0, row.size.most) / _MIB) * _MIB


def sentence(size: Size) -> str:
    """The answer in one sentence, with its interval and how long it was watched."""
    watched = f"watched for {units.span(float(round(size.watched_s)))}" if size.watched_s >= 1 else "not watched yet"
    row = size.answer
    if row is not None:
        back = units.size(row.back.bytes)
        if not row.keeps_the_line:
            back = f"{back} (95 %: {units.size(row.back.least)} to {units.size(row.back.most)})"
        return (
            f"could run in {units.size(row.size.bytes)}{_sure(row.size)} of {units.size(size.held)}: "
            f"{back} a minute would be read back ({watched}; what is idle for {units.span(row.seconds)} is taken away)"
        )
    if not size.rows:
        return f"it cannot be said yet how small it could be: {watched}"
    judged = [row for row in size.rows if row.judged]
    if not judged:
        return f"it cannot be said yet what would be read back: {watched}; give it longer with --for"
    least = min(judged, key=lambda one: one.back.bytes)
    return (
        f"nothing can be taken away for less than {units.share(LINE)} of the working set a minute: what is idle for "
        f"{units.span(least.seconds)} comes back at {units.size(least.back.bytes)} a minute ({watched}); "
        "a longer --for can find longer idle times"
    )


def text_of(size: Size, description: Description) -> str:
    """The answer, the settings that make use of it, and the table of thresholds."""
    lines = textwrap.wrap(f"{shown(description.title)}: {sentence(size)}", WIDTH)
    row = size.answer
    if row is not None:
        high = high_of(row)
        lines += ["", f"  memory.high      {high}", f"  pod's request    memory: {high // _MIB}Mi"]
    if size.untold is not None:
        lines += ["", *textwrap.wrap(included_sentence(size.untold), WIDTH)]
    if size.rows:
        lines += ["", f"{'idle for':>10}{'could run in (95 %)':>22}{'read back a minute':>22}{'counted over':>14}"]
        lines += [_line(one, one is row) for one in size.rows]
        lines += ["", *textwrap.wrap(_mark(row), WIDTH)]
    return "\n".join(lines)


def _mark(row: Choice | None) -> str:
    line = f"{units.share(LINE)} of the working set"
    if row is None:
        return f"no idle time is long enough for at most {line} to come back a minute"
    if row.keeps_the_line:
        return f"* the shortest idle time at which at most {line} comes back a minute"
    return f"* the shortest idle time at which it may be that at most {line} comes back a minute, by its interval"


def _line(row: Choice, chosen: bool) -> str:
    over = units.duration(row.over_s) if row.over_s else "not yet"
    back = with_half(row.back) if row.over_s else "?"
    return f"{units.span(row.seconds):>10}{with_half(row.size):>22}{back:>22}{over:>14}" + (" *" if chosen else "")


def object_of(size: Size, word: str) -> dict[str, Any]:
    """The JSON object: ``answer`` is null where no threshold keeps the line yet."""
    row = size.answer
    return {
        "schema": SCHEMA,
        "target": word,
        "watched_s": round(size.watched_s, 6),
        "held_bytes": round(size.held),
        "line": LINE,
        "sentence": sentence(size),
        "idle_includes": None if size.untold is None else included_sentence(size.untold),
        "answer": None
        if row is None
        else {**_row(row), "memory_high": high_of(row), "pod_request": f"{high_of(row) // _MIB}Mi"},
        "curve": [_row(one) for one in size.rows],
    }


def _row(row: Choice) -> dict[str, Any]:
    return {
        "seconds": row.seconds,
        "size": amount_object(row.size),
        "idle": amount_object(row.idle),
        "back_bytes_per_min": amount_object(row.back) if row.over_s else None,
        "counted_over_s": round(row.over_s, 6),
        "keeps_the_line": row.keeps_the_line,
        "may_keep_the_line": row.may_keep_the_line,
    }


def _sure(amount: Amount) -> str:
    """`` (± 40 MiB)``, or "" where the amount is certain."""
    said = sureness(amount)
    return f" ({said})" if said else ""
