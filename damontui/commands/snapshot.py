"""Measure without a screen, print what was found, end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from damontui.commands.call import Call, Parser, add_target
from damontui.commands.progress import Progress
from damontui.config import parse_count, parse_seconds
from damontui.damon.snapshot import Description, Interim, Snapshot, Status
from damontui.errors import SourceError
from damontui.sources.base import Source

EXAMPLES = """\
examples:
  sudo damontui snapshot stat               one whole aggregation of the machine's memory
  damontui snapshot demo --json --count 60  one JSON object a line
  damontui snapshot demo --seed 1 --speed max --count 100   the same numbers every time, at once"""


def arguments(parser: Parser) -> None:
    """The options of ``snapshot``."""
    add_target(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--count",
        metavar="N",
        type=lambda text: parse_count(text, "--count"),
        default=1,
        help="how many aggregations (1); 0: until stopped",
    )
    group.add_argument("--json", action="store_true", help="one JSON object a line")
    group.add_argument(
        "--timeout",
        metavar="S",
        type=lambda text: parse_seconds(text, "--timeout"),
        default=300.0,
        help="seconds to wait for an aggregation at most (300)",
    )


def run(call: Call) -> int:
    """Print ``--count`` snapshots."""
    words = call.words
    call.endings.limit(words.timeout, lambda: _too_late(words.timeout, ""))  # entering a source reads files, too
    with call.open() as source:
        description = source.describe()
        if words.json:
            _count(call, source, lambda snapshot: _print_json(snapshot, description.target))
            return 0
        first = True

        def show(snapshot: Snapshot) -> None:
            nonlocal first
            _print_text(snapshot, source.describe(), first)  # only now does it know what it has to do without
            first = False

        if description.reason:
            print(f"damontui: {description.reason}", file=sys.stderr)
        _count(call, source, show)
    return 0


def _print_json(snapshot: Snapshot, word: str) -> None:
    from damontui.output import json

    print(json.dump(snapshot, word), flush=True)


def _print_text(snapshot: Snapshot, description: Description, first: bool) -> None:
    from damontui.output import text

    print("" if first else "\n", text.summary(snapshot, description), sep="", flush=True)


def _count(call: Call, source: Source, show: Callable[[Snapshot], None]) -> None:
    """Hand ``--count`` snapshots to ``show``. Raises `SourceError` where the source has none to give."""
    wanted, timeout = call.words.count, call.words.timeout
    progress = Progress()
    seen = 0
    waiting = ""

    def too_late() -> SourceError:
        return _too_late(timeout, waiting)

    call.endings.limit(timeout, too_late)
    try:
        for event in source.snapshots(threading.Event()):
            if isinstance(event, Snapshot):
                progress.clear()
                if not seen and source.describe().notice:
                    print(f"damontui: {source.describe().notice}", file=sys.stderr)
                show(event)
                seen += 1
                if seen == wanted:
                    return
                call.endings.limit(timeout, too_late)
            elif isinstance(event, Interim):
                continue
            elif event.state == "ended" and seen:
                return
            elif event.state in ("off", "gone", "ended"):
                raise _refusal(event, source.describe(), call.program)
            else:
                waiting = event.text
                progress.show(event.text)
    finally:
        progress.clear()
        call.endings.limit(0, too_late)
    if not seen:
        raise SourceError("no snapshot came", "the source ended", "try the live monitor: damontui")


def _too_late(timeout: float, waiting: str) -> SourceError:
    why = f"{timeout:g} s are over" + (f" ({waiting})" if waiting else "")
    return SourceError("no snapshot came", why, "give it longer with --timeout")


def _refusal(status: Status, description: Description, program: str) -> SourceError:
    if status.state == "off":
        remedy = "leave out --disabled, or set enabled"
        if description.origin == "kernel":
            remedy = f"switch it on with e in: sudo {program} {description.target}"
        return SourceError(f"no snapshot of {description.title}", status.text or "it is switched off", remedy)
    return SourceError(f"no more snapshots of {description.title}", status.text)
