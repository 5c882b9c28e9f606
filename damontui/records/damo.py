"""damo's records: JSON, plain or compressed with zlib, and trace text; read and written.

The layouts are those of damo 3.4.3. A record of damo holds one target of one scheme of one context of one kdamond;
here the records of one context are put together again, a snapshot holding all targets that ended at the same time.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import Description, Ints
from damontui.errors import DamontuiError, SourceError, UsageError
from damontui.files import open_file, read_small
from damontui.kernel.trace_parser import TracedAggregation, TraceParser
from damontui.records.sound import MEMORY, Allowance, sound
from damontui.records.table import Conditions, Table
from damontui.units import parse_duration

MOST = 8 << 30
"""Bytes of text that are read from a record, at most."""
MOST_SKELETON = 512 << 20
"""Bytes of JSON beside regions in damo's usual layout, at most."""
_CHUNK = 8 << 20
_MOST_SIDECAR = 1 << 20
_TRACE_CHUNK = 1 << 20
# what things take in bytes while a table is made, at most: measured by tests/records/test_memory.py
_SCAN_COST = 64 << 20
_REGION_COST = 200
_TRACED_COST = 300
_AGGREGATION_COST = 1_600

# A region as damo writes it, without white space: nothing unknown but "percent" and "usec". One group, since each
# further one costs a tuple; no digit in it but those of its four numbers.
_REGION = re.compile(
    rb'\{"start":("[\d,]+","end":"[\d,]+","nr_accesses":\{"samples":"?[\d,]+"?,'
    rb'"percent":null\},"age":\{"usec":null,"aggr_intervals":"?[\d,]+)"?\}'
    rb'(?:,"probe_hits":\[\],"sz_filter_passed":(?:"[^"\\]*"|null|\d+))?\}'
)
_SPACE = b" \t\r\n"
_DIGITS = bytes(c if 48 <= c < 58 else 32 for c in range(256))


def read_json(path: Path, memory: int = MEMORY) -> Table:
    """The table of a damo JSON file, plain or compressed, read within some bytes of memory. Raises `SourceError`."""
    budget = Allowance(path, memory)
    budget.take(_SCAN_COST)
    with open_file(path) as file:
        compressed = file.read(1) == b"\x78"
        file.seek(0)
        pieces = _inflate(file, path) if compressed else iter(lambda: file.read(_CHUNK), b"")
        skeleton, numbers = _scan(_ahead(pieces), path, budget)
    try:
        records = json.loads(skeleton)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"cannot read {path}", f"its JSON is broken ({error})") from None
    if isinstance(records, dict):
        records = next((records[key] for key in records if str(key).endswith("_records")), None)
    if not isinstance(records, list):
        raise _not_damo(path)
    try:
        return sound(_Reader(path, numbers).table(records))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError):
        raise _not_damo(path) from None


def _not_damo(path: Path) -> SourceError:
    return SourceError(f"cannot read {path}", "its JSON is not a record of damo")


def _ahead(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, each read and unpacked by a thread while the one before is being looked at."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, pieces, None)
        while (piece := future.result()) is not None:
            future = pool.submit(next, pieces, None)
            yield piece


def _inflate(file: BinaryIO, path: Path) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    try:
        while not unpacker.eof:
            data = unpacker.unconsumed_tail or file.read(_CHUNK)
            if not data:
                raise SourceError(f"cannot read {path}", "it ends in the middle", "record again")
            yield unpacker.decompress(data, _CHUNK)
    except zlib.error as error:
        raise SourceError(f"cannot read {path}", f"it does not unpack ({error})") from None


def _scan(pieces: Iterator[bytes], path: Path, budget: Allowance) -> tuple[bytes, Ints]:
    """Cut the regions out of the text: the JSON without them, and their numbers, shape ``(regions, 4)``.

    In the JSON a 0 stands in the place of each region object, so that the rest can be parsed as a whole.
    """
    skeleton: list[bytes] = []
    tables: list[Ints] = []
    left, total, size = b"", 0, 0
    for piece in pieces:
        total += len(piece)
        if total > MOST:
            raise SourceError(f"cannot read {path}", f"it holds more than {MOST >> 30} GiB of text")
        # white space is two thirds of damo's text; none of it matters, not even in its words ("100 ms")
        text = left + piece.translate(None, _SPACE)
        # what is between, and regions, in turn
        parts = _REGION.split(text)
        left = parts[-1]
        if len(parts) > 1:
            digits = b" ".join(parts[1::2]).translate(_DIGITS, b",")
            tables.append(np.fromstring(digits, dtype=np.int64, sep=" ").reshape(-1, 4))
            budget.take(len(tables[-1]) * _REGION_COST)
            between = b"0".join(parts[0:-1:2]) + b"0"
            budget.take(_json_cost(between))
            skeleton.append(between)
            size += len(between)
        elif left:
            # nothing that was looked at in vain is looked at again: a region begun is the last one
            cut = left.rfind(b'{"start":')
            cut = cut if cut >= 0 else max(0, len(left) - 16)
            budget.take(_json_cost(left[:cut]))
            skeleton.append(left[:cut])
            size += cut
            left = left[cut:]
        if size + len(left) > MOST_SKELETON:
            raise SourceError(f"cannot read {path}", "its JSON is not laid out as damo lays it out, and is too large")
    budget.take(_json_cost(left))
    skeleton.append(left)
    numbers = np.concatenate(tables) if tables else np.empty((0, 4), np.int64)
    return b"".join(skeleton), numbers


def _json_cost(text: bytes) -> int:
    """Bytes that JSON takes as text, twice, and as the objects that Python makes of it."""
    objects = 72 * text.count(b"[") + 240 * text.count(b"{") + 30 * text.count(b'"') + 10 * text.count(b",")
    return 2 * len(text) + objects


def number(value: object) -> int | None:
    """The integer in a number, a string or a string with thousands separators; None for null."""
    if value is None:
        return None
    if isinstance(value, str):
        value = value.replace(",", "").strip()
    result = float(value) if isinstance(value, str) and "." in value else int(cast(Any, value))
    return round(result)


def _microseconds(value: object) -> int:
    """An interval as a number of microseconds or as a word such as ``100 ms``."""
    if isinstance(value, str) and not re.fullmatch(r"[\d,. ]+", value):
        total = 0
        for part in re.findall(r"[\d,.]+\s*[a-z]+", value):
            count, unit = re.fullmatch(r"([\d,.]+)\s*([a-z]+)", part).groups()  # type: ignore[union-attr]
            if unit == "ns":
                total += round(float(count.replace(",", "")) / 1000)
            else:
                total += parse_duration(count.replace(",", "") + unit)
        return total
    return number(value) or 0


def _basis_points(value: object) -> int:
    if isinstance(value, str) and value.strip().endswith("%"):
        return round(float(value.strip(" %").replace(",", "")) * 100)
    return number(value) or 0


def attrs_of(intervals: dict[str, Any], regions: dict[str, Any] | None = None) -> Attrs:
    """Attributes from damo's ``intervals`` (and ``nr_regions``). Raises `UsageError` where the kernel would."""
    goal = intervals.get("intervals_goal")
    aims = None
    if goal and _basis_points(goal.get("access_bp")) and number(goal.get("aggrs")):
        aims = IntervalsGoal(
            _basis_points(goal["access_bp"]),
            number(goal["aggrs"]) or 1,
            _microseconds(goal["min_sample_us"]),
            _microseconds(goal["max_sample_us"]),
        )
    bounds = regions or {}
    return Attrs(
        _microseconds(intervals["sample_us"]),
        _microseconds(intervals["aggr_us"]),
        _microseconds(intervals.get("ops_update_us", 60_000_000)) or 60_000_000,
        number(bounds.get("min")) or 10,
        number(bounds.get("max")) or 1000,
        aims,
    )


@dataclass(slots=True)
class _Part:
    """One target's regions in one snapshot."""

    target: int
    begin: int
    count: int
    sample_us: int | None


@dataclass(slots=True)
class _Whole:
    """One snapshot: the parts of all targets that ended at the same time."""

    began_ns: int
    time_ns: int
    parts: list[_Part] = field(default_factory=list)


class _Reader:
    """Puts a context's records together; ``numbers`` holds the regions that were cut out of the JSON."""

    def __init__(self, path: Path, numbers: Ints) -> None:
        self.path = path
        self.numbers = numbers
        self.used = 0
        self.others: list[tuple[int, int, int, int]] = []

    def table(self, records: list[Any]) -> Table:
        order: list[tuple[Any, ...]] = []
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        snapshots: dict[int, list[_Whole]] = {}
        chunks: list[Ints] = []
        total = 0
        for record in records:
            # releases before those of several kdamonds wrote a target and its snapshots only
            key = (record.get("kdamond_idx"), record.get("context_idx"), record.get("scheme_idx"))
            if key not in groups:
                groups[key] = []
                order.append(key)
            groups[key].append(record)
            found = []
            for snapshot in record["snapshots"]:
                rows = self._regions(snapshot["regions"])
                part = _Part(number(record.get("target_id")) or 0, total, len(rows), None)
                part.sample_us = number(snapshot.get("sample_interval_us")) or None
                chunks.append(rows)
                total += len(rows)
                found.append(_Whole(number(snapshot["start_time"]) or 0, number(snapshot["end_time"]) or 0, [part]))
            snapshots[id(record)] = found
        if not order:
            raise SourceError(f"cannot read {self.path}", "it holds no record")
        kept = groups[order[0]]
        rows = np.concatenate(chunks) if chunks else np.empty((0, 4), np.int64)
        wholes: dict[int, _Whole] = {}
        for record in kept:
            for whole in snapshots[id(record)]:
                wholes.setdefault(whole.time_ns, _Whole(whole.began_ns, whole.time_ns)).parts += whole.parts
        notes = [f"kdamond {key[0]}, context {key[1]}, scheme {key[2]} of the file is not shown" for key in order[1:]]
        intervals = kept[0].get("intervals")
        attrs = Attrs(goal=None)
        if intervals:
            try:
                attrs = attrs_of(intervals)
            except UsageError as error:
                notes.append(f"its intervals are unusable ({error})")
                intervals = None
        return _assemble(self.path, attrs, bool(intervals), [wholes[t] for t in sorted(wholes)], rows, tuple(notes))

    def _regions(self, regions: list[Any]) -> Ints:
        if regions.count(0) == len(regions):
            rows = self.numbers[self.used : self.used + len(regions)]
            self.used += len(regions)
            return rows
        made = np.empty((len(regions), 4), np.int64)
        for index, region in enumerate(regions):
            if isinstance(region, int):
                made[index] = self.numbers[self.used]
                self.used += 1
            else:
                accesses, age = region["nr_accesses"], region["age"]
                values = (region["start"], region["end"], accesses["samples"], age["aggr_intervals"])
                made[index] = [number(value) or 0 for value in values]
        return made


def _assemble(path: Path, attrs: Attrs, known: bool, wholes: list[_Whole], rows: Ints, notes: tuple[str, ...]) -> Table:
    """The table of snapshots whose parts are slices of ``rows``, shape ``(regions, 4)``."""
    conditions: dict[Conditions, int] = {}
    condition_of: list[int] = []
    counts: list[int] = []
    parts: list[_Part] = []
    places: list[int] = []
    now = attrs
    last: tuple[Attrs, tuple[int, ...]] | None = None
    for whole in wholes:
        tuned = next((part.sample_us for part in whole.parts if part.sample_us), None)
        if tuned is not None and tuned != now.sample_us:
            now = replace(now, sample_us=tuned, aggr_us=tuned * now.aggr_samples, goal=None)
        ids = tuple([part.target for part in whole.parts])
        if last is None or last[0] is not now or last[1] != ids:  # a key is dear to hash
            last = (now, ids)
            number_of = conditions.setdefault(Conditions(now, now, ids), len(conditions))
        condition_of.append(number_of)
        parts += whole.parts
        places += range(len(whole.parts))
        counts.append(sum([part.count for part in whole.parts]))
    begins = np.array([part.begin for part in parts], np.int64)
    lengths = np.array([part.count for part in parts], np.int64)
    # the rows of every part, one part after the other
    order = np.repeat(begins - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))
    targets = np.repeat(np.array(places, np.int64), lengths)
    gathered = rows[order]
    if len(gathered) and (int(gathered.min()) < 0 or bool((gathered[:, 1] < gathered[:, 0]).any())):
        raise ValueError("no regions")
    times = np.array([(whole.began_ns, whole.time_ns) for whole in wholes], np.int64).reshape(-1, 2)
    title = f"record {path.name}"
    if not known:
        notes = (*notes, "it holds no intervals, so rates, ages and bandwidth are unknown: give --sample and --aggr")
    return Table(
        Description(str(path), title, "record", attrs),
        times[:, 1] / 1e9,
        times[:, 0] / 1e9,
        times[:, 1] / 1e9,
        np.cumsum([0, *counts], dtype=np.int64),
        np.ascontiguousarray(gathered[:, 0]),
        np.ascontiguousarray(gathered[:, 1]),
        np.ascontiguousarray(gathered[:, 2]),
        np.ascontiguousarray(gathered[:, 3]),
        targets,
        list(conditions),
        np.array(condition_of, np.int64),
        nanoseconds=times,
        intervals_known=known,
        notes=notes,
    )


def read_trace(path: Path, stream: BinaryIO, memory: int = MEMORY) -> Table:
    """The table of trace text (``perf script``, ``trace-cmd report``, tracefs), read within some bytes of memory.

    Raises `SourceError`.
    """
    budget = Allowance(path, memory)
    budget.take(_SCAN_COST)
    parser = TraceParser()
    found: list[TracedAggregation] = []
    total = 0
    while data := stream.read(_TRACE_CHUNK):
        total += len(data)
        if total > MOST:
            raise SourceError(f"cannot read {path}", f"it holds more than {MOST >> 30} GiB of text")
        more = parser.feed(data)
        budget.take(sum(_AGGREGATION_COST + _TRACED_COST * len(one) for one in more))
        found += more
    found += parser.close()
    if not found:
        raise SourceError(f"cannot read {path}", "it holds no line of DAMON's trace")
    notes = []
    first = (found[0].comm, found[0].pid)
    others = {(a.comm, a.pid) for a in found} - {first}
    if others:
        notes.append(f"{len(others)} other kdamonds of the file are not shown")
        found = [a for a in found if (a.comm, a.pid) == first]
    lost = sum(not a.complete for a in found)
    if lost:
        notes.append(f"{lost} aggregations are incomplete")
    attrs, known = _sidecar(path)
    return sound(_traced(path, found, attrs, known, tuple(notes)))


def _sidecar(path: Path) -> tuple[Attrs, bool]:
    """The attributes in ``FILE.kdamonds``, and whether there are any."""
    try:
        kdamonds = json.loads(read_small(f"{path}.kdamonds", _MOST_SIDECAR))
        context = kdamonds[0]["contexts"][0]
        return attrs_of(context["intervals"], context.get("nr_regions")), True
    except (
        *(OSError, ValueError, KeyError, TypeError, IndexError, AttributeError),
        *(OverflowError, RecursionError, DamontuiError),
    ):
        return Attrs(goal=None), False


def _traced(path: Path, found: list[TracedAggregation], attrs: Attrs, known: bool, notes: tuple[str, ...]) -> Table:
    spans = np.diff([a.time_ns for a in found])
    mean = int(spans.mean()) if len(spans) else attrs.aggr_us * 1000
    conditions: dict[Conditions, int] = {}
    condition_of = []
    extra: dict[int, dict[str, object]] = {}
    for index, a in enumerate(found):
        now = _tuned(attrs, a.sample_us)
        key = Conditions(now, _tuned(attrs, a.next_sample_us), a.targets)
        condition_of.append(conditions.setdefault(key, len(conditions)))
        if not a.complete:
            extra[index] = {"complete": False, "lost": a.lost}
    ends = np.array([a.time_ns for a in found], np.int64)
    began = np.concatenate([[ends[0] - mean], ends[:-1]]) if len(ends) else ends
    if not known:
        notes = (*notes, "it holds no intervals, so rates, ages and bandwidth are unknown: give --sample and --aggr")
    return Table(
        Description(str(path), f"record {path.name}", "record", attrs),
        ends / 1e9,
        began / 1e9,
        ends / 1e9,
        np.cumsum([0, *(len(a) for a in found)], dtype=np.int64),
        np.concatenate([a.start for a in found]),
        np.concatenate([a.end for a in found]),
        np.concatenate([a.nr_accesses for a in found]),
        np.concatenate([a.age for a in found]),
        np.concatenate([a.target for a in found]),
        list(conditions),
        np.array(condition_of, np.int64),
        extra,
        nanoseconds=np.stack([began, ends], axis=1),
        intervals_known=known,
        notes=notes,
    )


def _tuned(attrs: Attrs, sample_us: int | None) -> Attrs:
    if sample_us is None or sample_us == attrs.sample_us:
        return attrs
    return replace(attrs, sample_us=sample_us, aggr_us=sample_us * attrs.aggr_samples, goal=None)


_REGION_TEXT = """                    {
                        "start": "%s",
                        "end": "%s",
                        "nr_accesses": {
                            "samples": %d,
                            "percent": null
                        },
                        "age": {
                            "usec": null,
                            "aggr_intervals": "%d"
                        },
                        "probe_hits": [],
                        "sz_filter_passed": "0 B"
                    }"""


def write_json(table: Table, stream: BinaryIO, *, compress: bool) -> list[str]:
    """Write a table as damo's JSON; returns what could not be kept, one sentence each."""
    packer = zlib.compressobj()

    def put(text: str) -> None:
        data = text.encode()
        stream.write(packer.compress(data) if compress else data)

    targets = sorted({target for one in table.conditions for target in one.targets})
    put("[\n")
    for number_of, target in enumerate(targets):
        head: dict[str, object] = {
            "kdamond_idx": 0,
            "context_idx": 0,
            "intervals": _intervals_text(table.conditions[0].attrs)
            if table.conditions and table.intervals_known
            else None,
            "scheme_idx": None,
            "target_id": target,
            "scheme_filters": [],
        }
        body = json.dumps(head, indent=4)[1:-2].replace("\n    ", "\n        ")
        put(("" if number_of == 0 else ",\n") + "    {" + body + ',\n        "snapshots": [')
        first = True
        for index in range(len(table)):
            text = _snapshot_text(table, index, target)
            if text:
                put(("\n" if first else ",\n") + text)
                first = False
        put("\n        ],\n" if not first else "],\n")
        put('        "data_source": "unknown"\n    }')
    put("\n]")
    if compress:
        stream.write(packer.flush())
    return _left_out(table, names_tuning=False)


def _intervals_text(attrs: Attrs) -> dict[str, object]:
    goal = attrs.goal
    return {
        "sample_us": str(attrs.sample_us),
        "aggr_us": str(attrs.aggr_us),
        "ops_update_us": str(attrs.update_us),
        "intervals_goal": {
            "access_bp": f"{goal.access_bp if goal else 0:.6f}",
            "aggrs": str(goal.aggrs if goal else 0),
            "min_sample_us": str(goal.min_sample_us if goal else 0),
            "max_sample_us": str(goal.max_sample_us if goal else 0),
        },
    }


def _snapshot_text(table: Table, index: int, target: int) -> str:
    low, high = int(table.offsets[index]), int(table.offsets[index + 1])
    conditions = table.conditions[int(table.condition_of[index])]
    if target not in conditions.targets:
        return ""
    chosen = slice(low, high)
    columns = [table.start[chosen], table.end[chosen], table.nr_accesses[chosen], table.age[chosen]]
    if len(conditions.targets) > 1:
        mine = table.target[chosen] == conditions.targets.index(target)
        columns = [column[mine] for column in columns]
    start, end, nr_accesses, age = (column.tolist() for column in columns)
    regions = ",\n".join(
        _REGION_TEXT % (f"{a:,}", f"{b:,}", n, g) for a, b, n, g in zip(start, end, nr_accesses, age, strict=True)
    )
    began, ended = table.ns(index)
    tuned = f'"{conditions.attrs.sample_us}"' if table.intervals_known and len(table.conditions) > 1 else "null"
    return (
        f'            {{\n                "start_time": "{began}",\n                "end_time": "{ended}",\n'
        f'                "regions": [' + ("\n" + regions + "\n                ],\n" if regions else "],\n") +
        f'                "total_bytes": "{sum(end) - sum(start)}",\n                "damos_stats": null,\n'
        f'                "sample_interval_us": {tuned}\n            }}'
    )  # fmt: skip


def write_trace(table: Table, stream: BinaryIO) -> list[str]:
    """Write a table as ``perf script`` shows it; returns what could not be kept, one sentence each."""
    for index in range(len(table)):
        low, high = int(table.offsets[index]), int(table.offsets[index + 1])
        conditions = table.conditions[int(table.condition_of[index])]
        ended = table.ns(index)[1]
        head = f"kdamond.x xxxx xxxx {ended // 10**9}.{ended // 1000 % 10**6:06d}: damon:"
        lines = []
        if conditions.next_attrs.sample_us != conditions.attrs.sample_us:
            lines.append(f"{head}damon_monitor_intervals_tune: sample_us={conditions.next_attrs.sample_us}")
        for place, target in enumerate(conditions.targets):
            mine = np.arange(low, high)
            if len(conditions.targets) > 1:
                mine = mine[table.target[low:high] == place]
            rows = zip(
                *(column[mine].tolist() for column in (table.start, table.end, table.nr_accesses, table.age)),
                strict=True,
            )
            prefix = f"{head}damon_aggregated: target_id={target} nr_regions={len(mine)} "
            lines += [f"{prefix}{a}-{b}: {n} {g}" for a, b, n, g in rows]
        stream.write(("\n".join(lines) + "\n").encode() if lines else b"")
    left = _left_out(table, names_tuning=True)
    if any(table.ns(i)[1] % 1000 for i in range(len(table))):
        left.append("times are cut to microseconds")
    if any(table.ns(i + 1)[0] != table.ns(i)[1] for i in range(len(table) - 1)):
        left.append("gaps between snapshots are lost: trace text holds only when each ended")
    return left


def sidecar_text(attrs: Attrs) -> str:
    """The content of ``FILE.kdamonds`` that tells a trace text's intervals."""
    goal = attrs.goal
    context = {
        "ops": "paddr",
        "targets": [],
        "intervals": {
            "sample_us": f"{attrs.sample_us} us",
            "aggr_us": f"{attrs.aggr_us} us",
            "ops_update_us": f"{attrs.update_us} us",
            "intervals_goal": {
                "access_bp": f"{(goal.access_bp if goal else 0) / 100:g} %",
                "aggrs": str(goal.aggrs if goal else 0),
                "min_sample_us": f"{goal.min_sample_us if goal else 0} us",
                "max_sample_us": f"{goal.max_sample_us if goal else 0} us",
            },
        },
        "nr_regions": {"min": str(attrs.min_regions), "max": str(attrs.max_regions)},
        "schemes": [],
    }
    return json.dumps([{"state": None, "pid": None, "contexts": [context]}], indent=4)


_LEFT_OUT = {
    "names": "names of mappings",
    "truth": "the truth of synthetic memory",
    "module": "the module's own numbers",
    "cpu": "the observer's CPU share",
    "complete": "which snapshots are incomplete",
    "late": "missed deadlines",
    "note": "notes",
    "resident": "how much of each region is in memory",
    "measured": "counted bytes (each region becomes a share of samples)",
    "frames": "what page frames held",
    "owners": "whose memory it is",
    "pressure": "how hard memory was pressed",
    "group": "what the kernel counts for the control group",
    "free": "how much memory was free",
    "physical": "whether addresses are those of physical memory",
    "watched": "how long memory had been watched",
}
"""Fields of a snapshot that damo's formats have no place for, in words."""


def _left_out(table: Table, *, names_tuning: bool) -> list[str]:
    """Sentences on what damo's formats have no place for, where the table has it."""
    fields = {name for extra in table.extra.values() for name in extra}
    left = [
        f"{text} {'are' if text.split(' (')[0].endswith('s') else 'is'} left out"
        for name, text in _LEFT_OUT.items()
        if name in fields
    ]
    if not names_tuning and any(b.next_attrs != b.attrs for b in table.conditions):
        left.append("an age after a tuning step is kept, but not that its unit has already changed")
    return left
