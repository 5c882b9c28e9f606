"""Any record file: recognised by its content, never by its name; read whole, written, converted."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Literal

from damontui.damon.attrs import Attrs
from damontui.errors import SourceError
from damontui.files import open_file, refuse_there, whole
from damontui.records import damo
from damontui.records.own import MAGIC, Record, RecordWriter
from damontui.records.sound import MEMORY
from damontui.records.table import Conditions, Table

Format = Literal["damontui", "json", "json-compressed", "trace", "perf"]

FORMATS: dict[str, Format] = {
    ".damontui": "damontui",
    ".json": "json",
    ".data": "json-compressed",
    ".trace": "trace",
    ".txt": "trace",
}
"""The format of a new file, by the end of its name."""


def sniff(path: Path) -> Format | None:
    """The format of a file by its first bytes; None where it is no record. Raises `SourceError`."""
    with open_file(path) as file:
        head = file.read(4096)
    if head.startswith(MAGIC):
        return "damontui"
    if head.startswith(b"PERFILE2"):
        return "perf"
    if head[:1] == b"\x78":
        return "json-compressed"
    if head.lstrip()[:1] in (b"[", b"{"):
        return "json"
    return "trace" if b"damon_" in head or b"# tracer" in head or b"kdamond" in head else None


def read(path: str | Path, *, attrs: Attrs | None = None, memory: int = MEMORY) -> Table:
    """The table of a record in any format.

    Args:
        path: the file.
        attrs: intervals to use where the file has none.
        memory: bytes of memory that reading it may take.

    Raises:
        SourceError: the file cannot be read, is no record, or takes more than ``memory``.
    """
    path = Path(path)
    kind = sniff(path)
    if kind is None:
        raise SourceError(f"cannot read {path}", "it is no record: neither damontui's, nor damo's, nor trace text")
    if kind == "damontui":
        with Record(path, memory) as record:
            table = record.table()
            if record.pending_bytes:
                note = f"the last {record.pending_bytes} bytes are no whole snapshot (still being written, or cut off)"
                table.notes = (*table.notes, note)
        table.description = replace(table.description, title=f"record {path.name}")
    elif kind == "perf":
        table = _read_perf(path, memory)
    elif kind == "trace":
        with open_file(path) as file:
            table = damo.read_trace(path, file, memory)
    else:
        table = damo.read_json(path, memory)
    return with_attrs(table, attrs) if attrs is not None and not table.intervals_known else table


def with_attrs(table: Table, attrs: Attrs) -> Table:
    """The record with intervals that its file could not tell."""
    conditions = [Conditions(attrs, attrs, b.targets) for b in table.conditions]
    notes = tuple(n for n in table.notes if "no intervals" not in n)
    description = replace(table.description, attrs=attrs)
    return replace(table, description=description, conditions=conditions, intervals_known=True, notes=notes)


def _read_perf(path: Path, memory: int) -> Table:
    perf = shutil.which("perf")
    if perf is None:
        raise SourceError(
            f"cannot read {path}", "it is perf's binary format and perf is not installed", "install perf (linux-perf)"
        )
    command = [perf, "script", "--force", "-i", str(path)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        try:
            return damo.read_trace(path, run.stdout, memory)  # type: ignore[arg-type]
        except SourceError:
            run.kill()
            said = run.stderr.read(2000).decode("utf-8", "replace").strip().splitlines()
            raise SourceError(
                f"cannot read {path}", f"perf script found no DAMON trace in it ({said[-1] if said else 'no output'})"
            ) from None


def write(table: Table, path: str | Path, kind: Format, *, force: bool = False) -> list[str]:
    """Write a table as a new file of mode 0600; returns what the format could not keep, one sentence each.

    Args:
        table: the record.
        path: the new file.
        kind: the format.
        force: replace a file that is there.

    Raises:
        SourceError: the file is there already and ``force`` is not given, or it cannot be written.
    """
    path = Path(path)
    if kind == "damontui":
        with whole(path, force=force) as file, RecordWriter(path, table.description, into=file.fileno()) as writer:
            for index, snapshot in enumerate(table):
                writer.append(snapshot, table.ns(index))
        return []
    if kind == "perf":
        raise SourceError(f"cannot write {path}", "perf's binary format is read only", "choose another format")
    sidecar = Path(f"{path}.kdamonds") if kind == "trace" and table.intervals_known and len(table) else None
    if sidecar is not None:
        refuse_there(sidecar, force=force)
    with whole(path, force=force) as file:
        if kind == "trace":
            left = damo.write_trace(table, file)
        else:
            left = damo.write_json(table, file, compress=kind == "json-compressed")
    if sidecar is not None:
        with whole(sidecar, force=force) as file:
            file.write(damo.sidecar_text(table.conditions[int(table.condition_of[0])].attrs).encode())
    return left
