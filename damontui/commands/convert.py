"""Convert a record between damontui's own format and those of damo; what a format cannot hold is named on stderr."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from damontui.commands.context import Context, Parser, add_settings
from damontui.commands.progress import Progress
from damontui.declare import one_of
from damontui.errors import SourceError, UsageError
from damontui.files import open_file, refuse_there, whole
from damontui.records import files
from damontui.records.sound import MEMORY
from damontui.safe_text import write_bytes

STANDARD = "-"
"""The name of standard input or output."""
_CHUNK = 1 << 20
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
    group.add_argument("input", metavar="IN", help="a record in any format; - is standard input")
    group.add_argument("output", metavar="OUT", help="the new file; - is standard output")
    group.add_argument(
        "--to",
        metavar="FORMAT",
        type=lambda text: one_of(*WRITABLE)(text, "--to"),
        help=f"{', '.join(WRITABLE)} (by OUT's name)",
    )
    group.add_argument("--force", action="store_true", help="overwrite a file that is there")
    group = parser.add_argument_group("intervals, where the record has none")
    add_settings(group, "sample", "aggr")
    add_settings(parser.add_argument_group("reading"), "memory")


def run(context: Context) -> int:
    """Read a record, write it, and tell what the format has left out."""
    words = context.words
    kind = words.to or files.FORMATS.get(Path(words.output).suffix.lower())
    if kind is None:
        raise UsageError(
            f"--to: the name {words.output!r} says no format; write --to and one of: {', '.join(WRITABLE)}"
        )
    attrs = context.options.attrs() if context.options.insisted else None
    output = Path(words.output)
    if words.output != STANDARD:
        refuse_there(output, force=words.force, source=words.input)
    elif sys.stdout.isatty():
        raise UsageError("OUT -: a terminal cannot show a record; write it to a file, or into a pipe")
    progress = Progress()
    with ExitStack() as between:
        between.callback(progress.clear)
        source = words.input
        if STANDARD in (words.input, words.output):
            folder = Path(between.enter_context(tempfile.TemporaryDirectory(prefix="damontui-")))
            source = _from_standard_input(folder) if words.input == STANDARD else source
            output = folder / "out" if words.output == STANDARD else output
        progress.show(f"reading {words.input} …")
        table = files.read(source, attrs=attrs, memory=context.settings.memory or MEMORY)
        progress.show(f"writing {words.output}: {len(table):,} snapshots, {len(table.start):,} regions …")
        left = files.write(table, output, cast(files.Format, kind), force=words.force)
        if words.output == STANDARD:
            progress.clear()
            with open_file(output) as made:
                while data := made.read(_CHUNK):
                    write_bytes(sys.stdout, data)
    for sentence in (*table.notes, *left):
        print(f"damontui: {sentence}", file=sys.stderr)
    return 0


def _from_standard_input(folder: Path) -> Path:
    """A file with all of standard input, since a record is read more than once. Raises `SourceError`."""
    path = folder / "standard-input"
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise SourceError("cannot read standard input", "it is closed")
    with whole(path) as file:
        while data := stream.read(_CHUNK):
            file.write(data)
    return path
