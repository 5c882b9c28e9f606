"""How small could it be, and what would that cost: a size, and how much memory a minute would be read back."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from damontui import units
from damontui.commands.context import Context, Parser, add_target
from damontui.commands.progress import Progress
from damontui.commands.signals import Ended
from damontui.damon.snapshot import Description, Snapshot, Status
from damontui.errors import SourceError, UsageError
from damontui.safe_text import escaped
from damontui.sources.choose import is_record
from damontui.units import parse_seconds

FOR_S = 600.0
"""Seconds for which a target is watched, where the user asks for no other time."""

EXAMPLES = """\
examples:
  damontui size postgres                 a process, watched for ten minutes
  sudo damontui size stat --for 1h       the whole machine
  damontui size night.damontui --json    a record, all of it

Nothing is taken away: what would be read back is what was touched again after having been idle for so long."""


def arguments(parser: Parser) -> None:
    """The options of ``size``."""
    add_target(parser)
    group = parser.add_argument_group("size")
    group.add_argument(
        "--for",
        metavar="S",
        type=lambda text: parse_seconds(text, "--for"),
        dest="seconds",
        help=f"watch for so long: seconds, or 1h ({units.span(FOR_S)}); not of a record",
    )
    group.add_argument("--json", action="store_true", help="one JSON object")


def run(context: Context) -> int:
    """Watch, compute, print; Ctrl-C ends the watching, and what is known by then is printed."""
    from damontui.analysis.size import Sizer
    from damontui.output import size

    sizer, progress, status = Sizer(pieces=context.settings.estimate_pieces), Progress(), 0
    try:
        if is_record(context.target):
            description = _record(context, sizer.add, progress)
        else:
            description, status = _watch(context, sizer.add, progress)
    finally:
        progress.clear()
    found = sizer.size()
    if found is None:
        raise SourceError(
            f"cannot tell how small {description.title} could be", "no whole aggregation with regions came"
        )
    if context.words.json:
        print(escaped(json.dumps(size.object_of(found, description.target), allow_nan=False)), flush=True)
    else:
        print(size.text_of(found, description), flush=True)
    return status


def _record(context: Context, add: Callable[[Snapshot], None], progress: Progress) -> Description:
    from damontui.records import files
    from damontui.records.sound import MEMORY

    if context.words.seconds is not None:
        raise UsageError("--for: a record is taken as a whole")
    path = Path(context.target)
    progress.show(f"reading {path} …")
    table = files.read(path, memory=context.settings.memory or MEMORY)
    for snapshot in table:
        add(snapshot)
    return table.description


def _watch(context: Context, add: Callable[[Snapshot], None], progress: Progress) -> tuple[Description, int]:
    seconds = FOR_S if context.words.seconds is None else context.words.seconds
    context.watch_for(seconds)
    with context.open() as source:
        description = source.describe()
        if description.reason:
            progress.clear()
            print(f"damontui: {description.reason}", file=sys.stderr)
        began: float | None = None
        try:
            for event in _whole(source.snapshots(threading.Event()), description, progress):
                began = event.began if began is None else began
                add(event)
                passed = event.time - began
                progress.show(
                    f"watching {description.title}: {units.duration(passed)} of {units.duration(seconds)} …", often=True
                )
                if passed >= seconds - 1e-9:
                    break
        except Ended as end:
            if began is None:
                raise
            return description, int(end.code) if isinstance(end.code, int) else 1
    if began is None:
        raise SourceError(f"cannot tell how small {description.title} could be", "it ended without a snapshot")
    return description, 0


def _whole(events: Iterable[object], description: Description, progress: Progress) -> Iterable[Snapshot]:
    """The snapshots, until the target is switched off or gone. Raises `SourceError` where that is before the first."""
    some = False
    for event in events:
        if isinstance(event, Snapshot):
            some = True
            yield event
        elif isinstance(event, Status):
            if event.state in ("ended", "gone", "off"):
                if not some:
                    why = event.text or f"it is {event.state}"
                    raise SourceError(f"cannot tell how small {description.title} could be", why)
                return
            progress.show(event.text)
