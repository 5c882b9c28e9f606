"""The read-out of the cursor: all numbers of the region under it, and its past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan

import numpy as np

from damontui import phrases
from damontui.analysis import timeline, usage
from damontui.analysis.heatmap import Place, region_at
from damontui.damon import metrics
from damontui.damon.snapshot import Snapshot
from damontui.history import History
from damontui.safe_text import shown
from damontui.tui.axes import span_words
from damontui.tui.draw import Line, Pane, Span, fit, sparkline, spread, width_of
from damontui.tui.frame import Frame
from damontui.tui.panes.title import clock
from damontui.units import duration, share, size


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A region next to another, or the gap there."""

    size: int
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """One region of a snapshot, in numbers."""

    target: int
    """The target's identifier."""
    start: int
    end: int
    name: str
    rate: float
    nr_accesses: int
    samples: int
    hz: float
    """Accesses a second."""
    age: int
    idle_ms: int
    """Milliseconds idle; where in use, minus the milliseconds it was so."""
    temperature: float
    above: Neighbour | None
    below: Neighbour | None
    memory: int | None = None
    """Bytes in memory, where the addresses are not all memory."""
    counted: bool = False
    """Whether bytes were counted, so that the rate is the share of them that was touched."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start


def facts(snapshot: Snapshot, place: Place) -> Facts | None:
    """The region at a place; None where nothing is mapped."""
    region = region_at(snapshot, place)
    if region is None:
        return None
    count = int(snapshot.nr_accesses[region])
    return Facts(
        target=snapshot.targets[place.target],
        start=int(snapshot.start[region]),
        end=int(snapshot.end[region]),
        name=snapshot.names[region] if snapshot.names else "",
        rate=float(usage.rates(snapshot)[region]),
        nr_accesses=count,
        samples=snapshot.attrs.max_nr_accesses,
        hz=count * 1e6 / snapshot.attrs.aggr_us,
        age=int(snapshot.age[region]),
        idle_ms=int(usage.idle_ms_by_region(snapshot)[region]),
        temperature=float(metrics.temperatures(snapshot)[region]),
        memory=int(snapshot.memory[region]) if snapshot.resident is not None else None,
        counted=snapshot.measured is not None,
        above=_neighbour(snapshot, region, 1),
        below=_neighbour(snapshot, region, -1),
    )


def _neighbour(snapshot: Snapshot, region: int, step: int) -> Neighbour | None:
    other = region + step
    if not 0 <= other < len(snapshot) or snapshot.target[other] != snapshot.target[region]:
        return None
    low, high = sorted((region, other))
    gap = int(snapshot.start[high] - snapshot.end[low])
    if gap > 0:
        return Neighbour(gap, "not mapped")
    rate = float(metrics.access_rates(snapshot)[other])
    words = state(int(metrics.idle_ms(snapshot)[other]))
    name = f", {snapshot.names[other]}" if snapshot.names and snapshot.names[other] else ""
    return Neighbour(int(snapshot.sizes[other]), f"{f'{share(rate)}, ' if rate else ''}{words}{name}")


def state(idle_ms: int) -> str:
    """``in use for 12 s`` or ``idle for 90 s``."""
    return f"{'in use' if idle_ms < 0 else 'idle'} for {duration(abs(idle_ms) / 1000)}"


def temperature_words(temperature: float) -> str:
    """A temperature with two digits: ``2.7e10``."""
    number, _, power = f"{temperature:.1e}".partition("e")
    return "0" if float(number) == 0 else f"{number}e{int(power)}"


def copied(frame: Frame) -> tuple[str, str] | None:
    """The addresses of the region under the cursor, and its read-out as text to paste elsewhere; None where is none."""
    snapshot, cursor = frame.snapshot, frame.cursor
    found = None if snapshot is None or cursor is None else facts(snapshot, cursor)
    if snapshot is None or found is None:
        return None
    return f"{found.start:#x} - {found.end:#x}", plain(found, snapshot, len(snapshot.targets))


def plain(found: Facts, snapshot: Snapshot, targets: int) -> str:
    """The read-out as text to paste elsewhere."""
    rows = [
        ("address", f"{found.start:#x} - {found.end:#x}"),
        ("size", f"{size(found.size)} ({found.size} bytes)"),
        ("name", found.name),
        ("target", str(found.target) if targets > 1 or found.target else ""),
        ("accessed", f"{share(found.rate)} of samples ({found.nr_accesses} of {found.samples}), {_hz(found.hz)}"),
        ("state", f"{state(found.idle_ms)} (age {found.age} aggregations)"),
        ("temperature", temperature_words(found.temperature)),
        ("above", f"{size(found.above.size)} {found.above.text}" if found.above else ""),
        ("below", f"{size(found.below.size)} {found.below.text}" if found.below else ""),
        ("pressure", _pressure(snapshot)),
        ("at", f"{clock(snapshot.wall)} ({snapshot.time:.3f} s)"),
    ]
    return "\n".join(f"{name:<12} {text}" for name, text in rows if text)


def _hz(rate: float) -> str:
    return f"{rate:.0f} Hz" if rate >= 99.5 or rate == 0 else f"{rate:.3g} Hz"


class Track:
    """The access rate at one address over time. Snapshots are kept from drawing to drawing, so that a cursor that
    moves through memory looks them up once."""

    MOST = 256
    """Snapshots that stand for a span."""

    def __init__(self) -> None:
        self._held: list[Snapshot] = []
        self._since = self._until = nan
        self._seen = (-1, -1)

    def columns(
        self, history: History, target: int, address: int, until: float, span: float, columns: int
    ) -> list[float]:
        """The mean rate at an address in each column of time; NaN where nothing was mapped or seen.

        Columns begin at multiples of their length, so that a value stays in its column until the picture moves on.

        Args:
            history: the past.
            target: the target's identifier.
            address: the address.
            until: the end of the last column, source's clock.
            span: seconds of all columns.
            columns: how many.
        """
        if columns <= 0:
            return []
        edges = timeline.slots(until, span, columns)
        self._hold(history, float(edges[0]), until)
        held = [one for one in self._held if one.time <= until]
        rates = np.array([self._rate(one, target, address) for one in held], dtype=np.float64)
        began, ended = (np.array([getattr(one, name) for one in held]) for name in ("began", "time"))
        found: list[float] = timeline.means(began, ended, rates, edges).tolist()
        return found

    def _hold(self, history: History, since: float, until: float) -> None:
        fresh = history.epoch == self._seen[0] and self._since <= since <= until
        if fresh and (until <= self._until or since < self._until) and len(self._held) <= 2 * self.MOST:
            if history.generation != self._seen[1] and until > self._until:
                newest = self._held[-1].time if self._held else -inf
                self._held += [one for one in history.between(newest, until, self.MOST) if one.time > newest]
            self._held = [one for one in self._held if one.time > since] if since > self._since else self._held
        else:
            self._held = list(history.between(since, until, self.MOST))
        self._since, self._until = since, max(until, self._until) if fresh else until
        self._seen = (history.epoch, history.generation)

    def _rate(self, snapshot: Snapshot, target: int, address: int) -> float:
        if target not in snapshot.targets:
            return nan
        if len(snapshot.targets) > 1:
            region = region_at(snapshot, Place(address, 0.0, snapshot.targets.index(target)))
        else:
            region = int(np.searchsorted(snapshot.start, address, side="right")) - 1
            if region < 0 or snapshot.end[region] <= address:
                region = None
        return nan if region is None else int(snapshot.nr_accesses[region]) / max(1, snapshot.attrs.max_nr_accesses)


class DetailPane(Pane):
    """Up to four lines below the panes, as long as there is a cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.track = Track()

    def show(self, frame: Frame) -> None:
        display = frame.cursor is not None and frame.snapshot is not None and len(frame.snapshot) > 0
        if self.display != display:
            self.display = display
        self.frame = frame
        self.set_class(display and bool(_pressure(frame.snapshot)), "-pressed")
        if display:
            super().show(frame)

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        snapshot, place = frame.snapshot, frame.cursor
        if snapshot is None or place is None:
            return []
        found = facts(snapshot, place)
        when: Line = (
            ("now · " if frame.live else f"at {clock(snapshot.wall)}, {duration(frame.behind)} ago · ", "muted")
            if not frame.record
            else (f"at {clock(snapshot.wall)} · ", "muted"),
            ("y copies ", "muted"),
        )
        if found is None:
            where = f" {place.address:#x}"
            return [spread(((where, "strong"), ("  is not mapped at this moment", "label")), when, width)]
        lines = [self._where(found, snapshot, when, width)]
        if height == 1:
            return [fit((*lines[0][:2], *_numbers(found, width - width_of(lines[0][:2]))), width)]
        lines.append(fit(_numbers(found, width), width))
        said = _pressure(snapshot) if height >= 3 else ""
        if height >= 4 + bool(said):
            lines.append(self._neighbours(found, width))
        lines.append(self._past(frame, snapshot, place, width))
        if said:
            lines[height - 1 :] = [fit(((" pressure ", "label"), (said, "value")), width)]
        return lines[:height]

    def _where(self, found: Facts, snapshot: Snapshot, when: Line, width: int) -> Line:
        parts: list[Span] = [
            (f" {found.start:#x} … {found.end:#x}", "strong"),
            (f"  {size(found.size)}", "value"),
        ]
        if found.memory is not None and found.memory != found.size:
            parts.append((f", {size(found.memory)} in memory", "label"))
        if found.name:
            parts.append((f"  {found.name}", "bar"))
        if len(snapshot.targets) > 1:
            parts.append((f"  of {found.target}", "label"))
        if width_of(parts) + width_of(when) + 1 > width:
            when = when[1:]
        return spread(parts, when, width)

    def _neighbours(self, found: Facts, width: int) -> Line:
        parts: list[Span] = []
        for word, other in (("below", found.below), ("above", found.above)):
            text = "nothing" if other is None else f"{size(other.size)} {other.text}"
            parts += [(f" {word} ", "label"), (f"{text}  ", "value")]
        return fit(parts, width)

    def _past(self, frame: Frame, snapshot: Snapshot, place: Place, width: int) -> Line:
        label = f" rate here over {span_words(frame.span)} "
        scale = " 0 … 100 % "
        room = min(120, width - len(label) - len(scale))
        if room < 8:
            return fit(((label, "label"),), width)
        target = snapshot.targets[place.target]
        values = self.track.columns(frame.history, target, place.address, frame.now, frame.span, room)
        drawn = sparkline(values, 1, 0.0, 1.0, ascii=frame.ascii)[0]
        return ((label, "label"), (drawn, "bar"), (scale, "muted"))


def _pressure(snapshot: Snapshot | None) -> str:
    """How hard memory was pressed at that moment, and whose; "" where nothing is known."""
    told = snapshot.pressure if snapshot is not None else None
    parts = phrases.pressed(told) if told is not None else []
    if told is None or not parts:
        return ""
    of = f"on {phrases.whose(told)}: " if told.group is not None else ""
    return shown(f"{of}{' · '.join(parts)}")


def _numbers(found: Facts, width: int) -> Sequence[Span]:
    """Rate, state and temperature; what does not fit is left out, the last first."""
    used = found.idle_ms < 0
    groups: list[tuple[Span, ...]] = [
        (
            (" used " if found.counted else " accessed ", "label"),
            (share(found.rate), "strong"),
            (" of its memory" if found.counted else " of samples", "label"),
        ),
        ((" · ", "muted"), (state(found.idle_ms), "use" if used else "idle")),
        *([] if found.counted else _sampled(found)),
    ]
    parts: list[Span] = []
    for group in groups:
        if width_of(parts) + width_of(group) <= width:
            parts += group
    return parts


def _sampled(found: Facts) -> list[tuple[Span, ...]]:
    """Words that only sampled memory has."""
    return [
        ((" · ", "muted"), (_hz(found.hz), "value")),
        ((" · temperature ", "label"), (temperature_words(found.temperature), "value")),
        ((f" · {found.nr_accesses} of {found.samples} looks", "muted"),),
        ((f" · age {found.age} aggregations", "muted"),),
    ]
