"""Keep what is seen: every snapshot of a target, in a file that is whole however the recording ends."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from damontui import units
from damontui.commands.context import Context, Parser, add_target
from damontui.commands.progress import Progress
from damontui.damon.snapshot import Description, Interim, Snapshot, Status
from damontui.errors import SourceError, UsageError
from damontui.files import refuse_there
from damontui.records.own import RecordWriter
from damontui.units import parse_seconds

STDOUT = "-"
"""The name that stands for standard output."""

EXAMPLES = """\
examples:
  sudo damontui record stat -o night.damontui           until Ctrl-C
  damontui record 1234 -o build.damontui --for 10m      a process, for ten minutes
  damontui record demo --seed 1 --speed max --for 1h -o demo.damontui
  damontui night.damontui                               replay it
  damontui report night.damontui --style wss            and see: damontui report --help
  ssh root@HOST damontui record stat -o - | damontui -  another machine, live

Every snapshot is in the file when its aggregation ends: a crash costs at most the one being written."""


def arguments(parser: Parser) -> None:
    """The options of ``record``."""
    add_target(parser)
    group = parser.add_argument_group("recording")
    group.add_argument(
        "-o",
        "--output",
        dest="output",
        metavar="FILE",
        required=True,
        help="the new file, readable by its owner only; - is standard output",
    )
    group.add_argument(
        "--for",
        dest="seconds",
        metavar="S",
        type=lambda text: parse_seconds(text, "--for"),
        help="how long, on the target's own clock: seconds, or 10m (until stopped)",
    )
    group.add_argument("--force", action="store_true", help="overwrite a file that is there")


def run(context: Context) -> int:
    """Record until the time is over, the target ends or a signal comes."""
    path = Path(context.words.output)
    overwrites = False
    if context.words.output != STDOUT:
        overwrites = refuse_there(path, force=context.words.force, source=context.target)
        refuse_unwritable(path)
    elif sys.stdout is None or sys.stdout.isatty():
        raise UsageError("-o -: standard output is a terminal, and a record is no text; write it into a pipe or a file")
    with context.open() as source, _Recording(path, source.describe(), overwrites) as recording:
        if source.describe().reason:
            print(f"damontui: {source.describe().reason}", file=sys.stderr)
        limit: float | None = None
        for event in source.snapshots(threading.Event()):
            if isinstance(event, Interim):
                continue
            if limit is None and context.words.seconds is not None:
                limit = (event.began if isinstance(event, Snapshot) else event.time) + context.words.seconds
            if isinstance(event, Snapshot):
                # a signal must not cut a snapshot in two
                context.signals.defer()
                if not recording.count and source.describe().notice:
                    print(f"damontui: {source.describe().notice}", file=sys.stderr)
                recording.append(event)
                context.signals.resume()
                if limit is not None and event.time >= limit - 1e-9:
                    break
            elif not recording.goes_on(event, context.program):
                break
        if not recording.count:
            raise SourceError("nothing was recorded", "the target ended without a snapshot")
    return 0


def refuse_unwritable(path: Path) -> None:
    """Raise `SourceError` where a file cannot be written, before anything is begun or stopped for it."""
    what, folder = f"cannot record to {path}", path.parent
    if path.is_dir():
        raise SourceError(what, "it is a folder", "name a file")
    if not folder.is_dir():
        raise SourceError(what, f"no such file or directory: {folder}", f"mkdir -p {shlex.quote(str(folder))}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise SourceError(what, "permission denied", "choose another file or folder")


class _Recording:
    """The file being written, and the messages about it.

    A new file is made at once, so that a folder that cannot be written to is reported before anything is measured. A
    file that is to be overwritten is so only with the first snapshot.
    """

    def __init__(self, path: Path, description: Description, overwrites: bool) -> None:
        self.count = 0
        self._path = path
        self._piped = str(path) == STDOUT
        self._description = description
        self._overwrites = overwrites
        self._writer: RecordWriter | None = None
        self._progress = Progress()
        self._began = self._time = 0.0

    def __enter__(self) -> _Recording:
        if not self._overwrites:
            into = sys.stdout.fileno() if self._piped else None
            self._writer = RecordWriter(self._path, self._description, into=into)
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            if self._writer is not None:
                stack.callback(self._writer.close)
            self._progress.clear()
            if self.count:
                where = "standard output" if self._piped else self._path
                with suppress(OSError):
                    print(f"damontui: recorded {self._words()} to {where}", file=sys.stderr)
            elif self._writer is not None and not self._piped:
                self._path.unlink(missing_ok=True)  # ours, and nothing in it

    def append(self, snapshot: Snapshot) -> None:
        """Write a snapshot. Raises `SourceError` where the disk is full."""
        if self._writer is None:
            self._writer = RecordWriter(self._path, self._description, force=True)
        if not self.count:
            self._began = snapshot.began
        self._writer.append(snapshot)
        self.count += 1
        self._time = snapshot.time
        self._progress.show(self._words(), often=True)

    def goes_on(self, status: Status, program: str) -> bool:
        """Whether more snapshots can come after a change of state. Raises `SourceError` where none ever came."""
        if status.state in ("waiting", "on"):
            self._progress.show(status.text if not self.count else f"{self._words()} – {status.text}")
            return True
        if self.count:
            self._progress.show(f"{self._words()} – {status.text}")
            return status.state == "off"
        remedy = ""
        if status.state == "off":
            remedy = "leave out --disabled, or set enabled"
            if self._description.origin == "kernel":
                remedy = f"switch it on with e in: sudo {program} {self._description.target}"
        raise SourceError(f"nothing to record of {self._description.title}", status.text or status.state, remedy)

    def _words(self) -> str:
        size = units.size(self._writer.bytes if self._writer is not None else 0)
        snapshots = "1 snapshot" if self.count == 1 else f"{self.count:,} snapshots"
        return f"{snapshots}, {units.duration(self._time - self._began)}, {size}"
