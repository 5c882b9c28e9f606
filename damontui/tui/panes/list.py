"""The list of regions, or of their owners: sorted, filtered, and linked with the cursor."""

from __future__ import annotations

import numpy as np
from textual import events
from textual.message import Message

from damontui.analysis import usage
from damontui.damon import metrics
from damontui.damon.snapshot import KINDS, Ints, Snapshot
from damontui.tui import listing as lists
from damontui.tui.draw import Line, Pane, Span, fit
from damontui.tui.frame import Frame
from damontui.tui.listing import Listing
from damontui.tui.panes.common import nothing, off_since
from damontui.tui.panes.detail import temperature_words
from damontui.units import duration, share, size, span


class ListPane(Pane):
    """A header, and as many rows as fit around the one that the cursor is in."""

    class Chosen(Message):
        """A row was clicked, which moves the cursor to its region."""

        def __init__(self, region: int) -> None:
            super().__init__()
            self.region = region

    class Sorted(Message):
        """A column's header was clicked."""

        def __init__(self, by: str) -> None:
            super().__init__()
            self.by = by

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = 0
        self.regions: list[int] = []
        """The region of each row listed, in order: its index in the snapshot; of a name's row, its largest."""
        self._followed: object = None
        self._spots: list[tuple[int, int, str]] = []
        self._known: tuple[object, ...] = ()

    def show(self, frame: Frame) -> None:
        if frame.listing is None:
            self.frame = frame
        else:
            super().show(frame)

    def caption(self, frame: Frame) -> tuple[str, str]:
        listing = frame.listing or Listing()
        title = f"Who holds memory, idle ≥ {span(frame.threshold)}" if listing.grouped else "Regions listed"
        if listing.filter.text:
            title += f": {listing.filter.text}"
        return title, off_since(frame) or "s sort ─ \\ filter ─ o names"

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        snapshot, listing = frame.snapshot, frame.listing
        if snapshot is None or listing is None:
            return nothing(frame, width, height, "regions")
        if not len(snapshot):
            return [(("the regions cannot be read here", "muted"),)]
        known = (snapshot, listing, frame.threshold, frame.told_by)
        if known != self._known:
            self._known = known
            self.regions = lists.order(snapshot, listing, frame.threshold, frame.told_by)
        table = _Owners(frame, snapshot, listing, width) if listing.grouped else _Regions(snapshot, listing, width)
        selected = lists.selected(snapshot, listing, self.regions, frame.cursor)
        room = max(1, height - 2)
        if frame.cursor != self._followed:  # the wheel may look elsewhere until the cursor moves
            self._followed = frame.cursor
            if selected is not None and not self.top <= selected < self.top + room:
                self.top = selected - room // 2
        self.top = max(0, min(self.top, len(self.regions) - room))
        header, self._spots = table.header()
        lines = [header]
        for row in range(self.top, min(self.top + room, len(self.regions))):
            marked = row == selected
            line = fit((("▶" if marked else " ", "strong"), *table.row(row, self.regions[row])), width)
            lines.append(tuple((text, "strong") for text, _ in line) if marked else line)
        if not self.regions:
            lines.append(((f" none of {len(snapshot)} regions fits: {listing.filter.text}", "warn"),))
        lines += [()] * (height - 1 - len(lines))
        lines.append(self._foot(snapshot, listing, width))
        return lines[:height]

    def _foot(self, snapshot: Snapshot, listing: Listing, width: int) -> Line:
        what = "names" if listing.grouped else "regions"
        text = f" {len(self.regions)} {what}"
        if listing.filter.text and not listing.grouped:
            shown: Ints = np.asarray(self.regions, dtype=np.int64)
            text += f" of {len(snapshot)}, {size(int(snapshot.memory[shown].sum()))} of {size(snapshot.total_bytes)}"
        elif not listing.grouped:
            text += f", {size(snapshot.total_bytes)}"
        measured = snapshot.measured
        if listing.grouped and measured is not None:
            sums = measured.kinds.sum(axis=0).tolist()
            beside = [*zip(KINDS, sums, strict=True), ("swapped", measured.swapped), ("huge", measured.huge)]
            text += "".join(f" · {name} {size(count)}" for name, count in beside if count)
        if listing.grouped and not any(snapshot.names):
            text = " nothing is named here: names come with processes (damontui PID)"
        return fit(((text, "muted"),), width)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        event.stop()
        if offset.y == 0:
            for begin, end, by in self._spots:
                if begin <= offset.x < end:
                    self.post_message(self.Sorted(by))
            return
        row = self.top + offset.y - 1
        if 0 <= row < len(self.regions) and offset.y < self.size.height - 1:
            self.post_message(self.Chosen(self.regions[row]))

    def _scroll(self, by: int) -> None:
        self.top = max(0, self.top + by)
        self.redraw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(-3)


Column = tuple[str, str, int]
"""Heading, the column to sort by at a click ("" for none), and the width, negative where words are at the left."""


def _heading(columns: list[Column], listing: Listing, width: int) -> tuple[Line, list[tuple[int, int, str]]]:
    parts: list[Span] = [(" ", "")]
    spots = []
    taken = 1
    for text, by, room in columns:
        wide = abs(room)
        mark = ("▲" if listing.reverse else "▼") if by and by == listing.sorted_by else ""
        text = f"{text}{mark}"
        parts.append((text.rjust(wide) if room > 0 else text.ljust(wide), "label" if mark else "muted"))
        spots.append((taken, taken + wide, by))
        taken += wide
    return fit(parts, width), [spot for spot in spots if spot[2]]


class _Regions:
    """The rows of a list of regions."""

    def __init__(self, snapshot: Snapshot, listing: Listing, width: int) -> None:
        self.snapshot, self.listing, self.width = snapshot, listing, width
        self.rates = usage.rates(snapshot)
        self.idle = usage.idle_ms_by_region(snapshot)
        self.memory = snapshot.memory
        digits = max(9, len(f"{int(snapshot.end.max()):x}"))
        self.columns: list[Column] = [("address", "address", -(digits + 1)), ("size", "size", 9), ("rate", "rate", 6)]
        self.columns.append(("state", "state", 13))
        if width >= 84:
            self.columns += [("Hz", "", 8), ("temperature", "", 12)]
        self.columns.append((" name", "name", -max(6, width - 1 - sum(abs(room) for _, _, room in self.columns))))

    def header(self) -> tuple[Line, list[tuple[int, int, str]]]:
        return _heading(self.columns, self.listing, self.width)

    def row(self, row: int, region: int) -> tuple[Span, ...]:
        snapshot = self.snapshot
        idle = int(self.idle[region])
        widths = [room for _, _, room in self.columns]
        words = f"{'used' if idle < 0 else 'idle'} {duration(abs(idle) / 1000)}"
        name = snapshot.names[region] if snapshot.names else ""
        if len(snapshot.targets) > 1:
            name = f"{snapshot.targets[int(snapshot.target[region])]} {name}"
        parts: list[Span] = [
            (f"{int(snapshot.start[region]):x}".ljust(-widths[0]), "label"),
            (f" {size(int(self.memory[region]))}".rjust(widths[1]), "value"),
            (f" {share(float(self.rates[region]))}".rjust(widths[2]), "use" if idle < 0 else "muted"),
            (f" {words}".rjust(widths[3]), "use" if idle < 0 else "idle"),
        ]
        if len(widths) > 5:
            hz = float(snapshot.nr_accesses[region]) * 1e6 / snapshot.attrs.aggr_us
            temperature = float(metrics.temperatures(snapshot)[region])
            parts += [
                (f" {hz:.4g}".rjust(widths[4]), "value"),
                (temperature_words(temperature).rjust(widths[5]), "value"),
            ]
        return (*parts, (f" {name}", "bar"))


class _Owners:
    """The rows of a list of names."""

    def __init__(self, frame: Frame, snapshot: Snapshot, listing: Listing, width: int) -> None:
        self.listing, self.width = listing, width
        self.found = lists.owners(snapshot, listing, frame.threshold, frame.told_by)
        rest = 9 + 10 + 7 + 10
        self.columns: list[Column] = [
            ("name", "name", -max(8, width - 1 - rest)),
            ("bytes", "bytes", 9),
            ("idle", "idle", 10),
            ("", "", 7),
            ("in use", "used", 10),
        ]

    def header(self) -> tuple[Line, list[tuple[int, int, str]]]:
        return _heading(self.columns, self.listing, self.width)

    def row(self, row: int, region: int) -> tuple[Span, ...]:
        one = self.found[row]
        widths = [room for _, _, room in self.columns]
        name: tuple[Span, ...] = fit(((one.name or "(no name)", "bar" if one.name else "muted"),), -widths[0] - 1)
        return (
            *name,
            (" ", ""),
            (size(one.bytes).rjust(widths[1]), "value"),
            (size(one.idle).rjust(widths[2]), "idle"),
            (share(one.idle / max(1, one.bytes)).rjust(widths[3]), "idle"),
            (size(one.used).rjust(widths[4]), "use"),
        )
