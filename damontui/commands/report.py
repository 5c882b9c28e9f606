"""A report on a record, or on a target that is measured first: text, JSON, or a picture for a paper or a ticket."""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from damontui import units
from damontui.analysis import frames
from damontui.commands.context import Context, Parser, add_settings, add_target
from damontui.commands.progress import Progress
from damontui.commands.signals import Ended
from damontui.damon.snapshot import Interim, Snapshot
from damontui.declare import one_of, parse_count
from damontui.errors import SourceError, UsageError
from damontui.files import refuse_there, whole
from damontui.output.reports import estimated, numbers, results, select, text
from damontui.phrases import included_sentence
from damontui.records import files
from damontui.records.sound import MEMORY
from damontui.records.table import Table, table_of
from damontui.safe_text import coloured, escaped, write_bytes
from damontui.sources.choose import is_record
from damontui.units import parse_seconds

FORMATS = ("text", "json", "svg", "png")
PICTURES = ("svg", "png")
_COUNT = 20
_PICTURE = (480, 300)
"""Columns and rows of a heatmap that is a picture."""

EXAMPLES = (
    "styles:\n"
    + "\n".join(f"  {name:<23}{style.summary}" for name, style in results.STYLES.items())
    + """

examples:
  damontui report wss night.damontui --within 1m                 or: report night.damontui --style wss
  damontui report damon.data --style heatmap -o heat.png         a record of damo, as a picture
  damontui report night.damontui --style idle-histogram --time 1h-2h --address 4G-8G
  sudo damontui report stat --style idle-percentiles --for 5m    measure first
  damontui report 1234 --count 100 --style regions --rate 5%- --format json

A record is a file of ours, or damo's JSON, compressed JSON or trace text, or perf's binary where perf is installed."""
)


class _Style(argparse.Action):
    """A style before the target: ``report wss FILE`` is ``report FILE --style wss``."""

    def __call__(self, parser: argparse.ArgumentParser, words: argparse.Namespace, value: Any, _: Any = None) -> None:
        """Take the first word as the style and the second as the target."""
        if value is None:
            return
        if words.target not in results.STYLES:
            parser.error(f"{value}: one target is enough; before it there may be a style: {', '.join(results.STYLES)}")
        words.style, words.target = words.target, value


def arguments(parser: Parser) -> None:
    """The options of ``report``."""
    add_target(parser)
    parser.add_argument("after_style", nargs="?", action=_Style, help=argparse.SUPPRESS)
    _of_output(parser.add_argument_group("report"))
    _of_measuring(parser.add_argument_group("of a target that is not a record"))
    _of_parts(parser.add_argument_group("only (either end of a range may be left out)"))
    _of_styles(parser.add_argument_group("single styles"))


def _adder(group: argparse._ArgumentGroup) -> Callable[..., None]:
    """Adds an option with a value: its name, what reads the value, the value's name, help."""

    def add(option: str, parse: Callable[[str], Any], metavar: str, words: str, **more: Any) -> None:
        group.add_argument(option, metavar=metavar, type=parse, help=words, **more)

    return add


def _of_output(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    add(
        "--style",
        lambda t: one_of(*results.STYLES)(t, "--style"),
        "STYLE",
        "one of those below (wss)",
        default="wss",
        choices=[*results.STYLES],
    )
    add(
        "--format",
        lambda t: one_of(*FORMATS)(t, "--format"),
        "FORMAT",
        "text, json, svg or png (by FILE's name; text)",
        choices=FORMATS,
    )
    group.add_argument("-o", "--output", metavar="FILE", help="a new file instead of standard output")
    group.add_argument("--force", action="store_true", help="overwrite a file that is there")
    add_settings(group, "ascii")


def _of_measuring(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    add("--for", lambda t: parse_seconds(t, "--for"), "S", "measure for so long: seconds, or 5m", dest="seconds")
    add("--count", lambda t: _positive(t, "--count"), "N", f"measure so many aggregations ({_COUNT})")


def _of_parts(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    add("--address", select.address_range, "A-B", "these addresses: 0x100000000-0x180000000, 4G-6G")
    add("--size", select.size_range, "A-B", "regions of these sizes: 64K-2M")
    add("--rate", select.rate_range, "A-B", "regions accessed in this share of samples: 5%%-100%%")
    add("--age", select.age_range, "A-B", "regions whose pattern has held so long: 10s-5m")
    add("--time", select.time_range, "A-B", "this time since the start: 60-120, 1m-2m")
    add("--target", lambda t: parse_count(t, "--target"), "ID", "of several targets, this one", dest="only_target")


def _of_styles(group: argparse._ArgumentGroup) -> None:
    add = _adder(group)
    rules = one_of("estimate", "kernel")
    add(
        "--idle",
        lambda t: rules(t, "--idle"),
        "RULE",
        "idle times and working sets: estimate, from all snapshots, or kernel, DAMON's own rule, as damo has it "
        "(estimate; kernel where --size, --rate or --age choose regions)",
    )
    add(
        "--skip", lambda t: parse_count(t, "--skip"), "N", "wss: leave out the first snapshots (0; damo: 20)", default=0
    )
    add(
        "--within",
        lambda t: parse_seconds(t, "--within"),
        "TIME",
        "wss: what was touched within so long: 1s, 1m (an aggregation; of a process the shortest time counted)",
    )
    add("--bins", lambda t: _positive(t, "--bins"), "N", "histograms: ranges (10)", default=10)
    group.add_argument("--doubling", action="store_true", help="histograms: ranges that double")
    modes = one_of("rate", "temperature", "idle", "estimate")
    add(
        "--heat",
        lambda t: modes(t, "--heat"),
        "MODE",
        "heatmap: rate, temperature, idle (by --idle's rule) or estimate (rate)",
        default="rate",
    )
    group.add_argument("--fold", action="store_true", help="heatmap: fold memory that was idle all the time")
    group.add_argument("--all", action="store_true", help="regions: of all snapshots, not only of the last")


def _positive(words: str, name: str) -> int:
    count = parse_count(words, name)
    if not 0 < count <= 1_000_000:
        raise UsageError(f"{name}: {words!r} is not a whole number from 1 to 1000000")
    return count


def run(context: Context) -> int:
    """Read or measure, select, compute, show."""
    words = context.words
    form = words.format or _form_of(words.output)
    output = Path(words.output) if words.output not in (None, "-") else None
    if output is not None:
        refuse_there(output, force=words.force, source=context.target)
    if form in PICTURES:
        from damontui.output.reports import pictures

        pictures.need()
        if output is None and sys.stdout.isatty():
            raise UsageError(f"--format {form}: a terminal cannot show it; write -o FILE.{form}")
    progress = Progress()
    status = 0
    try:
        if is_record(context.target):
            table = _read(context, progress)
        else:
            table, status = _measure(context, progress)
        progress.show(f"computing on {len(table):,} snapshots, {len(table.start):,} regions …")
        data = _made(context, table, form, progress)
    finally:
        progress.clear()
    _put(data, output, force=words.force)
    return status


def _form_of(output: str | None) -> str:
    suffix = Path(output).suffix.lower().removeprefix(".") if output else ""
    return suffix if suffix in FORMATS else "text"


def _read(context: Context, progress: Progress) -> Table:
    if context.words.seconds is not None or context.words.count is not None:
        raise UsageError("--for, --count: a record is reported whole; choose a part with --time")
    path = Path(context.target)
    progress.show(f"reading {path} ({units.size(path.stat().st_size)}) …")
    table = files.read(
        path,
        attrs=context.options.attrs() if context.options.insisted else None,
        memory=context.settings.memory or MEMORY,
    )
    if not len(table):
        raise SourceError(f"nothing to report of {path}", "it holds no snapshot")
    if why := numbers.unsound(table):
        raise SourceError(f"cannot report {path}", why)
    return table


def _measure(context: Context, progress: Progress) -> tuple[Table, int]:
    """A table of a target's snapshots in the time asked for, and the exit status: Ctrl-C ends the measuring, not the
    report."""
    wanted, seconds = context.words.count, context.words.seconds
    if wanted is None and seconds is None and context.target != "-":  # a stream has an end
        wanted = _COUNT
    found: list[Snapshot] = []
    status = 0
    with context.open() as source:
        description = source.describe()
        if description.reason:
            progress.clear()
            print(f"damontui: {description.reason}", file=sys.stderr)
        try:
            for event in source.snapshots(threading.Event()):
                if isinstance(event, Snapshot):
                    found.append(event)
                    lasted = event.time - found[0].began
                    of = f" of {units.duration(seconds)}" if seconds is not None else f", {len(found)} of {wanted}"
                    progress.show(f"measuring {description.title}: {units.duration(lasted)}{of} …", often=True)
                    if len(found) == wanted or (seconds is not None and lasted >= seconds - 1e-9):
                        break
                elif isinstance(event, Interim):
                    continue
                elif event.state in ("ended", "gone", "off"):
                    if not found:
                        why = event.text or f"it is {event.state}"
                        raise SourceError(f"nothing to report of {description.title}", why)
                    break
                else:
                    progress.show(event.text)
        except Ended as end:
            if not found:
                raise
            status = int(end.code) if isinstance(end.code, int) else 1
    if not found:
        raise SourceError("nothing to report", f"{description.title} ended without a snapshot")
    return table_of(description, found), status


def _rule(wanted: results.Idle | None, filters: select.Filters, intervals: numbers.Intervals) -> results.Idle:
    """The rule for idle times: the estimate, unless filters choose regions, which an estimate does not have."""
    chosen = [name for name in ("size", "rate", "age") if getattr(filters, name) is not None]
    if chosen and wanted == "estimate":
        raise UsageError(
            f"--idle estimate: --{chosen[0]} chooses regions, which are the kernel's; leave one of them out"
        )
    if chosen or not intervals.known:
        return "kernel"
    return wanted or "estimate"


def _made(context: Context, table: Table, form: str, progress: Progress) -> bytes:
    """The report on a table, as what is written."""
    words = context.words
    filters = select.Filters(words.address, words.size, words.rate, words.age, words.time, words.only_target)
    intervals = numbers.intervals_of(table)
    options = results.StyleOptions(
        mode="idle" if words.heat == "estimate" else words.heat,
        fold_idle=words.fold,
        skip=words.skip,
        within=words.within,
        bins=words.bins,
        log=words.doubling,
        every=words.all,
    )
    wanted = _wanted(words)
    idle: results.Idle | None = _rule(wanted, filters, intervals) if results.by_idle(words.style, options) else None
    known = None
    if idle == "estimate":
        known = _learned(context, table, intervals, filters, progress)
        idle = "estimate" if known is not None else "kernel"
    if idle == "kernel" and any(True for _ in numbers.measured(table)):
        idle = None  # bytes were counted, and no rule is about them
    last = table.snapshot(len(table) - 1)
    table, intervals = select.select(table, intervals, filters)
    look = _look(context, plain=words.output is not None)
    if form == "text":
        options = replace(options, columns=look.columns, rows=look.rows, fold_rows=look.fold_rows)
    elif form in PICTURES:
        options = replace(options, columns=_PICTURE[0], rows=_PICTURE[1], fold_rows=_PICTURE[1] // 30)
    result = results.make(words.style, table, intervals, options, known)
    head = _head(words.style, table, intervals, filters, idle, known, last)
    return _written(head, result, form, look)


def _wanted(words: argparse.Namespace) -> results.Idle | None:
    """The rule that was asked for; None where none was."""
    wanted: results.Idle | None = words.idle
    if words.heat != "estimate":
        return wanted
    # as on the screen: idle times, and by no other rule
    if wanted == "kernel":
        raise UsageError("--heat estimate: --idle kernel is another rule; leave one of them out, or --heat idle")
    return "estimate"


def _learned(
    context: Context, table: Table, intervals: numbers.Intervals, filters: select.Filters, progress: Progress
) -> estimated.Known | None:
    """What the style reads of the estimate of the whole record; None where there is no estimate."""
    count = len(table)
    return estimated.learn(
        table,
        intervals,
        filters,
        results.STYLES[context.words.style].keeps,
        results.THRESHOLDS,
        lambda done: progress.show(f"estimating from {done:,} of {count:,} snapshots …", often=True),
        context.words.within,
        context.settings.estimate_pieces,
    )


def _head(
    style: str,
    table: Table,
    intervals: numbers.Intervals,
    filters: select.Filters,
    idle: results.Idle | None,
    known: estimated.Known | None,
    last: Snapshot,
) -> results.Head:
    """The head of the report on a part of a record; ``last`` is the whole record's last snapshot."""
    free, holds = known.free if known is not None else None, {}
    if idle is not None and replace(filters, time=None) == select.Filters():  # of a part it is not known
        holds = {kind: part.bytes for kind, part in frames.grouped(last, 0.0).items()}
        if idle == "kernel":
            unseen = frames.unseen(last)
            free = None if unseen is None else unseen.free.bytes
    head = results.head_of(style, table, intervals, filters.words(), idle, free, holds)
    if idle is not None and (untold := frames.untold(last, by_rule=known is None)) is not None:
        head = replace(head, notes=(*head.notes, included_sentence(untold)))
    return head


def _written(head: results.Head, result: results.Result, form: str, look: text.Look) -> bytes:
    """A report in one of `FORMATS`."""
    if form == "text":
        return (coloured(text.report(head, result, look)) + "\n").encode(sys.stdout.encoding or "utf-8", "replace")
    if form == "json":
        from damontui.output.reports import data

        return (escaped(data.report(head, result)) + "\n").encode()
    from damontui.output.reports import pictures
    from damontui.tui.palette import LEVELS, ramp

    ramps = {
        kind: [colour.hex for colour in ramp(kind, dark=False, levels=LEVELS * 4 + 1)] for kind in ("heat", "signed")
    }
    return pictures.report(head, result, form, ramps)


def _look(context: Context, *, plain: bool) -> text.Look:
    """The look of the text for this terminal; a file or a pipe gets no colour."""
    from damontui.tui.palette import glyphs, ramp

    environ = context.environ
    ascii_only = bool(context.settings.ascii) or "utf" not in (sys.stdout.encoding or "ascii").lower()
    size = shutil.get_terminal_size((80, 24))
    depth = 0
    if sys.stdout.isatty() and not plain and not ascii_only and not environ.get("NO_COLOR"):
        if environ.get("COLORTERM") in ("truecolor", "24bit"):
            depth = 1 << 24
        elif "256color" in environ.get("TERM", ""):
            depth = 256
    kinds: tuple[text.Kind, ...] = ("heat", "signed")
    dark = "light" not in str(context.settings.theme)
    return text.Look(
        glyphs={kind: glyphs(kind, ascii_only=ascii_only) for kind in kinds},
        colours={kind: [_sgr(*c, depth) for c in ramp(kind, dark=dark, colours=depth)] for kind in kinds}
        if depth
        else None,
        width=max(40, size.columns),
        height=size.lines if sys.stdout.isatty() and not plain else 32,
        ascii=ascii_only,
    )


def _sgr(red: int, green: int, blue: int, depth: int) -> str:
    if depth > 256:
        return f"2;{red};{green};{blue}"
    steps = (0, 95, 135, 175, 215, 255)
    if red in steps and green in steps and blue in steps:
        return f"5;{16 + 36 * steps.index(red) + 6 * steps.index(green) + steps.index(blue)}"
    return f"5;{232 + (red - 8) // 10}"  # a grey: the palette takes only what these terminals have


def _put(data: bytes, output: Path | None, *, force: bool) -> None:
    if output is None:
        sys.stdout.flush()
        write_bytes(sys.stdout, data)
        return
    with whole(output, force=force) as file:
        file.write(data)
