"""Several processes as a table of text, and as one JSON object each."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from damontui import units
from damontui.analysis.headline import THRESHOLD
from damontui.damon.snapshot import Description
from damontui.operations.counted import One
from damontui.operations.processes import Missing
from damontui.output import json as objects
from damontui.output.text import WIDTH
from damontui.phrases import how_sure
from damontui.safe_text import shown
from damontui.sources.several import HEADINGS, cells, rows_of, time_of

_SHARED = (
    "Memory that several of them share counts once for each, so sums say more than there is. "
    "One of them in full: name it by its PID alone."
)


def summary(
    each: Sequence[One], description: Description, threshold: float = THRESHOLD, missing: Sequence[Missing] = ()
) -> str:
    """A line for each process, the largest working set first, with a head and remarks.

    Args:
        each: the processes, of one moment.
        description: their source.
        threshold: seconds within which memory counts as in use; less where a process was not watched for so long.
        missing: processes that are not watched (any more).
    """
    seconds = time_of(each, threshold)
    rows = rows_of(each, seconds)
    count = f"{len(rows)} process" + ("" if len(rows) == 1 else "es")
    parts = [count, description.host, description.kernel, f"in use: touched within {units.span(seconds)}"]
    lines = [" · ".join(shown(part) for part in parts if part)]
    notes = dict.fromkeys(one.snapshot.note for one in each if one.snapshot.note)
    for note in notes:
        lines += ["", *textwrap.wrap(shown(note), WIDTH)]
    table = [("PID", *HEADINGS)] + [(str(row.pid), *cells(row)) for row in rows]
    widths = [max(len(line[at]) for line in table) for at in range(len(table[0]))]
    lines.append("")
    for at, line in enumerate(table):
        name = shown(rows[at - 1].name) + how_sure(rows[at - 1].used) if at else "name"
        lines.append("  ".join(f"{text:>{width}}" for text, width in zip(line, widths, strict=True)) + f"  {name}")
    for one in missing:
        lines.append(f"{one.pid:>{widths[0]}}  {shown(one.name)}: {shown(one.why)}")
    lines.append("")
    if each and each[0].snapshot.cpu is not None:
        lines.append(f"overhead {units.share(each[0].snapshot.cpu)} of one CPU, for all of them together")
    if len(rows) > 1:
        lines += textwrap.wrap(_SHARED, WIDTH)
    return "\n".join(lines)


def dump(each: Sequence[One], word: str) -> list[str]:
    """One JSON object a process, each a line of ASCII: a snapshot's keys, ``pid`` and ``name``."""
    return [
        json.dumps(
            objects.snapshot_object(one.snapshot, word) | {"pid": one.pid, "name": shown(one.name)}, allow_nan=False
        )
        for one in each
    ]
