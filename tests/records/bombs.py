"""Small files that would take gigabytes to read, each by another way."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description
from damontui.records import own
from damontui.records.own import RecordWriter

_ABOUT = Description("stat", "DAMON_STAT", "kernel", Attrs())


def _packed(path: Path, unit: bytes, count: int, before: bytes = b"", after: bytes = b"") -> None:
    packer = zlib.compressobj(9)
    with open(path, "wb") as file:
        file.write(packer.compress(before))
        block = unit * 10_000
        for _ in range(count // 10_000):
            file.write(packer.compress(block))
        file.write(packer.compress(after) + packer.flush())


def members(path: Path) -> None:
    """3 MB of snapshots of a million regions each, all zeros."""
    regions = (own.MOST - 200) // 40
    payload = own._HEAD.pack(b"snapshot", 1.0, 0.0, 1.0, 5000, 100_000, 5000, 100_000, regions) + bytes(regions * 40)
    member = own._member(payload, 1.0, 9)
    RecordWriter(path, _ABOUT).close()
    with open(path, "ab") as file:
        for _ in range(max(1, (3 << 20) // len(member))):
            file.write(member)


def empty_members(path: Path) -> None:
    """A million snapshots without a region."""
    payload = own._HEAD.pack(b"snapshot", 1.0, 0.0, 1.0, 5000, 100_000, 5000, 100_000, 0)
    RecordWriter(path, _ABOUT).close()
    with open(path, "ab") as file:
        file.write(own._member(payload, 1.0, 9) * 1_000_000)


def counts(path: Path) -> None:
    """A snapshot that says of thirty million regions that nothing of them is in memory."""
    head = own._HEAD.pack(b"snapshot", 1.0, 0.0, 1.0, 5000, 100_000, 5000, 100_000, 1)
    row = b"[" + b"0," * (own.MOST // 2 - 1000) + b"0]"
    RecordWriter(path, _ABOUT).close()
    with open(path, "ab") as file:
        file.write(own._member(head + bytes(40) + b'{"resident":' + row + b"}", 1.0, 9))


def lists(path: Path) -> None:
    """Hundreds of millions of empty lists in 300 KB."""
    _packed(path, b"[],", 100_000_000, b"[", b"[]]")


def objects(path: Path) -> None:
    """Objects in objects."""
    _packed(path, b'{"a":{"b":0.5}},', 20_000_000, b"[", b"{}]")


def strings(path: Path) -> None:
    """Many short texts, all different to the eye of a parser."""
    _packed(path, b'"abcdefgh","ijklmnop",', 10_000_000, b"[", b'""]')


def regions(path: Path) -> None:
    """Millions of regions as damo writes them."""
    unit = (
        b'{"start":"4,096","end":"8,192","nr_accesses":{"samples":1,"percent":null},'
        b'"age":{"usec":null,"aggr_intervals":"7"}},'
    )
    head = (
        b'[{"kdamond_idx":0,"context_idx":0,"intervals":null,"scheme_idx":0,"target_id":0,"scheme_filters":[],'
        b'"snapshots":[{"start_time":0,"end_time":1,"regions":['
    )
    _packed(path, unit, 30_000_000, head, unit[:-1] + b"]}]}]")


def trace(path: Path) -> None:
    """Lines of trace, each an aggregation of its own."""
    with open(path, "wb") as file:
        for number in range(600_000):
            file.write(
                b"kdamond.0-123 [001] ..... %d.%06d: damon_aggregated: target_id=0 nr_regions=1 4096-8192: 0 1\n"
                % (number // 10, number % 10 * 100_000)
            )


def long_trace(path: Path) -> None:
    """Ninety megabytes of trace, a thousand regions to an aggregation."""
    lines = b"".join(
        b"kdamond.0-123 [001] ..... %%d.000000: damon_aggregated: target_id=0 nr_regions=1000 %d-%d: 0 1\n"
        % (at * 4096, at * 4096 + 4096)
        for at in range(1000)
    )
    with open(path, "wb") as file:
        for second in range(900):
            file.write(lines % ((second,) * 1000))


def spaces(path: Path) -> None:
    """Two gigabytes of nothing in two megabytes."""
    _packed(path, b" " * 100, 20_000_000, b"[", b"]")


def sizes_that_lie(path: Path) -> None:
    """Members that claim to be small, and are not."""
    members(path)
    data = bytearray(path.read_bytes())
    at = data.find(own.MAGIC, 1)  # the header stays
    while (at := data.find(own.MAGIC, at)) >= 0:
        length = own._MEMBER.unpack_from(data, at)[7]
        data[at + length - 4 : at + length] = struct.pack("<I", 100)
        at += length
    path.write_bytes(data)


BOMBS: dict[str, Callable[[Path], None]] = {
    function.__name__: function
    for function in (
        members,
        empty_members,
        counts,
        lists,
        objects,
        strings,
        regions,
        trace,
        long_trace,
        spaces,
        sizes_that_lie,
    )
}
