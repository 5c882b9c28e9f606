"""DAMON's tracepoints as text (``trace_pipe``, ``perf script``, ``trace-cmd report``) into whole aggregations.

No input or output here: bytes go in, aggregations come out. The lines are those of ``include/trace/events/damon.h``::

    kdamond.0-123  [001] .....  13.167239: damon_aggregated: target_id=0 nr_regions=10 4096-214740992: 0 1
    kdamond.0-123  [001] .....  15.697835: damon_monitor_intervals_tune: sample_us=10000
    CPU:0 [LOST 12 EVENTS]

A region has a line; ``nr_regions`` says how many lines make a target's part of an aggregation. A tuning line comes
before the regions that it was computed from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import Ints

MAX_REGIONS = 1 << 20
"""Regions of one target beyond which a trace is garbage: so a hostile file cannot fill our memory."""

MAX_KDAMONDS = 256
"""Kdamonds that are told apart at a time, at most, for the same reason."""

_MAX_LINE = 4096  # bytes; a line of DAMON's has about 120
_GAP_NS = 1_000_000_000  # lines of one aggregation are printed in one go; further apart, they are two
_INT_MAX = np.iinfo(np.int64).max
# The whole of a region's line that is the same in every form; one group, since each further one costs a tuple.
_REGIONS = re.compile(rb"damon_aggregated: +target_id=(\d+ nr_regions=\d+ \d+-\d+: \d+ \d+)\n")
_REGIONS_WITHOUT_AGE = re.compile(rb"damon_aggregated: +target_id=(\d+ nr_regions=\d+ \d+-\d+: \d+)\n")
_EVENT = re.compile(rb"(?:^|\s)(\d{1,12})\.(\d{1,9}): +(?:damon:)?(damon_\w+): +(.*)")
_CLOCK = re.compile(rb"(?:^|\s)(\d{1,12})\.(\d{1,9}): ")
_REGION = re.compile(
    rb"target_id=(\d{1,20}) nr_regions=(\d{1,20}) (\d{1,20})-(\d{1,20}): (\d{1,20})(?: (\d{1,20}))?(?!\S)"
)
_TUNE = re.compile(rb"sample_us=(\d{1,12})(?!\S)")
_LOST = re.compile(rb"CPU:\d+ \[LOST (\d{1,18}) EVENTS\]")
# name-PID or name PID, before the CPU or the time
_WHO = re.compile(rb"\s*(\S[^:]{0,64}?)(?:-(\d{1,18})|\s+(\d{1,18}))(?=\s+(?:\([^)]{1,12}\)\s*)?(?:\[\d|\d+\.\d+:))")
_TUNE_EVENT, _LOST_MARK = b"damon_monitor_intervals_tune: ", b" [LOST "
_NUMBERS_ONLY = bytes(c if chr(c).isdigit() and c < 128 else 32 for c in range(256))


@dataclass(frozen=True, slots=True, eq=False)
class TracedAggregation:
    """What one aggregation of one kdamond said in the trace. Arrays have shape ``(regions,)``, int64, read-only."""

    comm: str
    """The kdamond's name: ``kdamond.0``."""
    pid: int
    """The kdamond's PID, 0 where the text does not tell."""
    time_ns: int
    """When the aggregation ended (its first region's line), nanoseconds on the trace's clock."""
    targets: tuple[int, ...]
    """The kernel's ``target_id`` of each target, in the order of their lines; may be over 2^63."""
    start: Ints
    end: Ints
    nr_accesses: Ints
    age: Ints
    """In aggregations, each as long as the interval in force from now on; all 0 where ``has_age`` is False."""
    target: Ints
    """Index into ``targets``."""
    sample_us: int | None
    """Sampling interval while the accesses were counted, None until a tuning line told it."""
    next_sample_us: int | None
    """Sampling interval in force from now on, None until a tuning line told it."""
    tuned: bool
    """Whether the aggregation ended with a tuning step (a change of the interval)."""
    complete: bool
    """False where lines are missing."""
    lost: int
    """Events lost in or right before this aggregation, as far as known."""
    has_age: bool = True
    """False before Linux 5.16."""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def time(self) -> float:
        """When the aggregation ended, seconds on the trace's clock."""
        return self.time_ns / 1e9


@dataclass(slots=True)
class _TargetBeingRead:
    """One target's regions in the aggregation that is being read."""

    target: int
    expected: int
    time_ns: int
    rows: list[Ints]
    """Arrays of shape ``(4, n)``: start, end, nr_accesses, age."""
    has_age: bool
    count: int = 0

    @property
    def last_end(self) -> int:
        return int(self.rows[-1][1, -1])


class _Kdamond:
    """What is known of one kdamond's stream."""

    def __init__(self, comm: str, pid: int, targets: int | None, out: list[TracedAggregation]) -> None:
        self.comm = comm
        self.pid = pid
        self.targets = targets
        self.out = out
        self.sample_us: int | None = None
        self.next_sample_us: int | None = None
        self.tuned = False
        self.lost = 0
        self.holes = False
        self.parts: list[_TargetBeingRead] = []
        self.open: _TargetBeingRead | None = None
        self.time_ns = 0

    def tune(self, sample_us: int) -> None:
        self.finish()
        self.next_sample_us = sample_us
        self.tuned = True

    def lose(self, events: int) -> None:
        self.lost += events
        self.holes = True

    def add(self, target: int, expected: int, time_ns: int, rows: Ints, has_age: bool) -> None:
        """Take consecutive regions of one target, at most ``expected`` of them, rising in address."""
        part = self.open
        if part is not None and (
            part.target != target
            or part.expected != expected
            or part.last_end > int(rows[0, 0])
            or time_ns - part.time_ns > _GAP_NS
        ):
            self._close_part()
            part = None
        if part is None:
            if self.parts and (
                any(p.target == target for p in self.parts) or time_ns - self.parts[0].time_ns > _GAP_NS
            ):
                self.finish()
            part = self.open = _TargetBeingRead(target, expected, time_ns, [], has_age)
        part.rows.append(rows)
        part.count += rows.shape[1]
        if part.count >= part.expected:
            self._close_part()
            if self.targets is not None and len(self.parts) >= self.targets:
                self.finish()

    def room(self, target: int, expected: int) -> int:
        """How many regions the open part of that target still lacks."""
        part = self.open
        if part is not None and part.target == target and part.expected == expected:
            return expected - part.count
        return expected

    def _close_part(self) -> None:
        if self.open is None:
            return
        if self.open.count < self.open.expected:
            self.holes = True
        self.parts.append(self.open)
        self.open = None

    def finish(self) -> None:
        """Hand out the aggregation read so far."""
        self._close_part()
        parts = self.parts
        if not parts:
            return
        pieces = [rows for part in parts for rows in part.rows]
        table = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)
        table.flags.writeable = False
        if len(parts) == 1:
            target = np.zeros(table.shape[1], dtype=np.int64)
        else:
            target = np.repeat(np.arange(len(parts)), [part.count for part in parts])
        target.flags.writeable = False
        missing = sum(part.expected - part.count for part in parts)
        if self.next_sample_us is None:
            self.next_sample_us = self.sample_us
        start, end, nr_accesses, age = table
        self.out.append(
            TracedAggregation(
                comm=self.comm,
                pid=self.pid,
                time_ns=parts[0].time_ns,
                targets=tuple([part.target for part in parts]),
                start=start,
                end=end,
                nr_accesses=nr_accesses,
                age=age,
                target=target,
                sample_us=self.sample_us,
                next_sample_us=self.next_sample_us,
                tuned=self.tuned,
                complete=not self.holes,
                lost=max(self.lost, missing),
                has_age=parts[0].has_age,
            )
        )
        self.sample_us = self.next_sample_us
        self.tuned = self.holes = False
        self.lost = 0
        self.parts = []


class TraceParser:
    """Trace text in pieces of any size into aggregations.

    Args:
        targets: how many targets every aggregation has, where that is known: the last one's last line completes the
            aggregation. With None an aggregation is handed out when the next one begins, or by `flush`.
    """

    def __init__(self, *, targets: int | None = None) -> None:
        self._targets = targets
        self._tail = b""
        self._out: list[TracedAggregation] = []
        self._kdamonds: dict[bytes, _Kdamond] = {}
        self._lost = 0

    def feed(self, data: bytes) -> list[TracedAggregation]:
        """Read a piece of text; returns the aggregations that became whole, in the order of their ends."""
        data = self._tail + data if self._tail else data
        cut = data.rfind(b"\n") + 1
        self._tail = data[cut:]
        if len(self._tail) > _MAX_LINE:
            self._tail = b""
        if cut:
            self._lines(data[:cut])
        return self._take()

    def flush(self) -> list[TracedAggregation]:
        """Hand out aggregations that were begun, as the caller knows that no more lines belong to them."""
        for kdamond in self._kdamonds.values():
            kdamond.finish()
        return self._take()

    @property
    def pending(self) -> bool:
        """Whether an aggregation has been begun and not been handed out."""
        return any(k.open is not None or k.parts for k in self._kdamonds.values())

    def close(self) -> list[TracedAggregation]:
        """The end of the text: reads a last line without a newline, then hands out what was begun."""
        whole = self.feed(b"\n") if self._tail else []
        return whole + self.flush()

    def _take(self) -> list[TracedAggregation]:
        # the kdamonds hold this very list, so it is emptied, not replaced
        out = self._out[:]
        self._out.clear()
        return out

    def _kdamond(self, key: bytes) -> _Kdamond:
        kdamond = self._kdamonds.get(key)
        if kdamond is None:
            if len(self._kdamonds) >= MAX_KDAMONDS:
                for other in self._kdamonds.values():
                    other.finish()
                self._kdamonds.clear()
            match = _WHO.match(key + b"[0")
            comm = match[1] if match else key.strip()
            pid = int(match[2] or match[3]) if match else 0
            kdamond = _Kdamond(comm.decode("utf-8", "replace"), pid, self._targets, self._out)
            if self._lost:
                kdamond.lose(self._lost)
                self._lost = 0
            self._kdamonds[key] = kdamond
        return kdamond

    def _lines(self, text: bytes) -> None:
        """Whole lines: the regions as one array where every other line is one that we know, else line by line."""
        marks = _marks(text)
        regions = text.count(b"\n") - len(marks)
        width = 6
        found = _REGIONS.findall(text)
        if len(found) != regions:
            width = 5
            found = _REGIONS_WITHOUT_AGE.findall(text)
        key = _key(text[: text.find(b"\n")])
        of_kdamond = text.count(key) if key else 0
        if not regions or len(found) != regions or of_kdamond != regions + sum(key in line for _, line in marks):
            self._line_by_line(text)
            return
        # 64 bits unsigned: some kernels print an address as the target's identifier
        table = np.fromstring(b" ".join(found).translate(_NUMBERS_ONLY), dtype=np.uint64, sep=" ").reshape(-1, width)
        if _has_garbage(table):
            self._line_by_line(text)
            return
        rows = np.zeros((4, regions), dtype=np.int64)
        rows[: width - 2] = table[:, 2:].T
        kdamond = self._kdamond(key)
        position = 0

        def time_of(index: int) -> int:
            # only the few lines that begin an aggregation are looked at for their time
            nonlocal position
            region = found[index]
            # the part that differs from line to line: a search for it skips most of the text
            position = text.find(region[region.index(b"=") + 1 :], position)
            clock = _CLOCK.search(text, text.rfind(b"\n", 0, position) + 1, position)
            if clock is not None:
                kdamond.time_ns = _nanoseconds(clock[1], clock[2])
            position += 1
            return kdamond.time_ns

        self._rows(kdamond, table[:, 0], table[:, 1], rows, width == 6, time_of, marks)

    def _rows(
        self,
        kdamond: _Kdamond,
        target: NDArray[np.uint64],
        expected: NDArray[np.uint64],
        rows: Ints,
        has_age: bool,
        time_of: Callable[[int], int],
        marks: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        """Give a kdamond its regions, cut where a target, a count, the rising of addresses ends, and at each mark."""
        breaks = (target[1:] != target[:-1]) | (expected[1:] != expected[:-1]) | (rows[0, 1:] < rows[1, :-1])
        for index, _ in marks:
            if 0 < index <= len(breaks):
                breaks[index - 1] = True
        begins = [0, *(np.flatnonzero(breaks) + 1).tolist()]
        identifiers, counts = target[begins].tolist(), expected[begins].tolist()
        waiting = 0
        for begin, end, identifier, count in zip(
            begins, [*begins[1:], rows.shape[1]], identifiers, counts, strict=True
        ):
            while waiting < len(marks) and marks[waiting][0] <= begin:
                self._line(marks[waiting][1])
                waiting += 1
            while begin < end:
                stop = min(end, begin + kdamond.room(identifier, count))
                # a copy, so that a snapshot that is kept does not keep the whole text's arrays
                kdamond.add(identifier, count, time_of(begin), rows[:, begin:stop].copy(), has_age)
                begin = stop
        for _, line in marks[waiting:]:
            self._line(line)

    def _line_by_line(self, text: bytes) -> None:
        """Lines of any kind; neighbouring regions of one kdamond still go on as one array."""
        key = b""
        numbers: list[tuple[int, ...]] = []
        times: list[int] = []
        has_age = True

        def hand_on() -> None:
            if numbers:
                table = np.array(numbers, dtype=np.uint64)
                rows = np.ascontiguousarray(table[:, 2:].T).astype(np.int64)
                clocks = times.copy()
                self._rows(self._kdamond(key), table[:, 0], table[:, 1], rows, has_age, clocks.__getitem__)
                numbers.clear()
                times.clear()

        for line in text.split(b"\n"):
            match = _EVENT.search(line) if len(line) <= _MAX_LINE else None
            region = _REGION.match(match[4]) if match and match[3] == b"damon_aggregated" else None
            if match is None or region is None:
                hand_on()
                self._line(line)
                continue
            who = _key(line)
            row = tuple([int(group) for group in region.groups(b"0")])
            if not who or not _plausible(row):
                continue
            if who != key or has_age != (region[6] is not None):
                hand_on()
                key, has_age = who, region[6] is not None
            numbers.append(row)
            times.append(_nanoseconds(match[1], match[2]))
        hand_on()

    def _line(self, line: bytes) -> None:
        """A line that is not a region's."""
        if len(line) > _MAX_LINE:
            return
        match = _EVENT.search(line)
        if match is None:
            lost = _LOST.match(line.strip())
            if lost is not None:
                self._lose(int(lost[1]))
            return
        event, text = match[3], match[4]
        tune = _TUNE.match(text) if event == b"damon_monitor_intervals_tune" else None
        key = _key(line)
        if tune is not None and key and int(tune[1]) > 0:
            self._kdamond(key).tune(int(tune[1]))

    def _lose(self, events: int) -> None:
        if not self._kdamonds:
            self._lost += events
        for kdamond in self._kdamonds.values():
            kdamond.lose(events)


def _marks(text: bytes) -> list[tuple[int, bytes]]:
    """The few lines that are not a region's, each with the number of regions' lines before it."""
    marks: list[tuple[int, bytes]] = []
    counted = regions = 0
    tune, lost = text.find(_TUNE_EVENT), text.find(_LOST_MARK)
    while tune >= 0 or lost >= 0:
        special = min(p for p in (tune, lost) if p >= 0)
        begin = text.rfind(b"\n", 0, special) + 1
        end = text.find(b"\n", special) + 1
        regions += text.count(b"\n", counted, begin)
        marks.append((regions, text[begin : end - 1]))
        counted = end
        if 0 <= tune < end:
            tune = text.find(_TUNE_EVENT, end)
        if 0 <= lost < end:
            lost = text.find(_LOST_MARK, end)
    return marks


def _key(line: bytes) -> bytes:
    """The beginning of a line that tells whose it is: name and PID; b"" where there is none."""
    match = _WHO.match(line)
    if match is not None:
        return line[: match.end() + 1]  # with the blank: 12 is not 123
    words = line.split(None, 1)
    return words[0] if len(words) == 2 else b""


def _nanoseconds(seconds: bytes, fraction: bytes) -> int:
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, b"0"))


def _has_garbage(table: NDArray[np.uint64]) -> bool:
    expected = table[:, 1]
    return bool(
        int(expected.min()) < 1
        or int(expected.max()) > MAX_REGIONS
        or int(table[:, 2:].max()) > _INT_MAX
        or (table[:, 3] < table[:, 2]).any()
    )


def _plausible(row: Sequence[int]) -> bool:
    target, expected, start, end, *counts = row
    return target < 1 << 64 and 1 <= expected <= MAX_REGIONS and start <= end <= _INT_MAX and max(counts) <= 1 << 62
