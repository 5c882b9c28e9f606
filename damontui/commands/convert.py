"""Convert a record between damontui's own format and those of damo; what a format cannot hold is named on stderr."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import cast

from damontui.commands.call import Call, Parser, add_settings
from damontui.commands.progress import Progress
from damontui.config import one_of
from damontui.errors import SourceError, UsageError
from damontui.records import files
from damontui.records.table import Table

WRITABLE = ("damontui", "json", "json-compressed", "trace")

EXAMPLES = """\
formats (a file that is read is recognised by its content, one that is written by its name or --to):
  damontui          *.damontui      this project's own
  json              *.json          damo's, plain
  json-compressed   *.data          damo's default
  trace             *.trace, *.txt  as perf script and trace-cmd report show DAMON's trace; the intervals go to
                                    FILE.kdamonds beside it, as damo has it
  perf's own binary files are read where perf is installed

examples:
  damontui convert damon.data night.damontui
  damontui convert night.damontui damon.data            for damo report
  damontui convert old.data new.data --sample 5ms --aggr 100ms   give an old record its intervals"""


def arguments(parser: Parser) -> None:
    """The options of ``convert``."""
    group = parser.add_argument_group("files")
    group.add_argument("input", metavar="IN", help="a record in any format")
    group.add_argument("output", metavar="OUT", help="the new file")
    group.add_argument(
        "--to",
        metavar="FORMAT",
        type=lambda text: one_of(*WRITABLE)(text, "--to"),
        help=f"{', '.join(WRITABLE)} (by OUT's name)",
    )
    group.add_argument("--force", action="store_true", help="overwrite a file that is there")
    group = parser.add_argument_group("intervals, where the record has none")
    add_settings(group, "sample", "aggr")


def run(call: Call) -> int:
    """Read, write, and say what was left out."""
    words = call.words
    kind = words.to or files.FORMATS.get(Path(words.output).suffix.lower())
    if kind is None:
        raise UsageError(
            f"--to: the name {words.output!r} says no format; write --to and one of: {', '.join(WRITABLE)}"
        )
    attrs = call.options.attrs() if call.options.insisted else None
    output = Path(words.output)
    if output.exists():
        with suppress(OSError):
            if os.path.samefile(output, words.input):
                raise UsageError(f"OUT {output}: this is the file that is read; use another name")
        if not words.force:
            raise SourceError(f"cannot write {output}", "the file is there already", "use another name, or --force")
    progress = Progress()
    try:
        progress.show(f"reading {words.input} …")
        table = files.read(words.input, attrs=attrs)
        progress.show(f"writing {output}: {len(table):,} snapshots, {len(table.start):,} regions …")
        left = _write(table, output, cast(files.Format, kind), force=words.force)
    finally:
        progress.clear()
    for sentence in (*table.notes, *left):
        print(f"damontui: {sentence}", file=sys.stderr)
    return 0


def _write(table: Table, output: Path, kind: files.Format, *, force: bool) -> list[str]:
    """Write beside the file and move it into place, so that what is there stays until the new one is whole."""
    if output.exists() and not output.is_file():
        return files.write(table, output, kind, force=True)  # a device or a pipe, which no file may replace
    beside, sidecar = Path(f"{output}.kdamonds"), kind == "trace" and table.intervals_known
    if sidecar and beside.exists() and not force:
        raise SourceError(f"cannot write {beside}", "the file is there already", "use another name, or --force")
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        left = files.write(table, part, kind)
        os.replace(part, output)
        if sidecar:
            os.replace(f"{part}.kdamonds", beside)
    except SourceError as error:
        raise SourceError(f"cannot write {output}", error.why, error.remedy) from error
    except OSError as error:
        raise SourceError(f"cannot write {output}", (error.strerror or str(error)).lower()) from error
    finally:
        part.unlink(missing_ok=True)
        Path(f"{part}.kdamonds").unlink(missing_ok=True)
    return left
