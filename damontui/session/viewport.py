"""Where one looks: which moment, which addresses, which cell. Immutable; each key makes another one.

No screen is needed: methods take what is kept (`History`) or shown (`Snapshot`, `Axis`) and return the viewport after
them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from damontui.analysis import heatmap
from damontui.analysis.axis import SHOWN, Axis
from damontui.analysis.heatmap import Place
from damontui.damon.snapshot import Snapshot
from damontui.errors import UsageError
from damontui.history import History

SPANS = (5, 15, 30, 60, 120, 240, 480, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Seconds across the heatmap that + and - go through; beyond them it doubles until everything kept is in it."""

GROWTH = (
    *(10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 960, 1440, 1920, 2880, 3600, 5400, 7200, 10800),
    *(14400, 21600, 28800, 43200, 57600, 86400),
)
"""Seconds across the heatmap while the past is shorter than the span: it is always at least two thirds full, and the
columns change their width seldom."""

_REST = 0.25
"""Share of the picture beyond the moment shown, once the picture had to move to show it."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """What part of time and of memory is looked at, and how."""

    span: float = 240.0
    """Seconds across the heatmap, once so much is kept; inf shows all that is kept (with ``grows``)."""
    grows: bool = False
    """Whether the picture starts short and grows to ``span``, so that it is full from the first seconds on."""
    moment: float | None = None
    """The moment that all panes show, source's clock; None is live."""
    edge: float | None = None
    """The moment at the heatmap's right edge, where it is another than the moment shown; else None."""
    lo: int | None = None
    hi: int | None = None
    """The addresses on the heatmap; None is all that is mapped."""
    fold: bool = False
    hottest: bool = False
    point: tuple[int, int] | None = None
    """The cursor: a target's identifier and an address."""

    # --- time ---

    def reach(self, history: History) -> float:
        """Seconds across the heatmap now: ``span``, or what holds the past so far."""
        if not self.grows:
            return self.span
        began, newest = history.began, history.last
        if began is None or newest is None:
            return min(self.span, GROWTH[0])
        if math.isinf(self.span):
            return max(newest.time - began, 1e-3)
        right = self.edge if self.edge is not None else self.moment if self.moment is not None else newest.time
        return min(self.span, next((step for step in GROWTH if step >= right - began), self.span))

    def played(self, history: History, seconds: float) -> Self:
        """The view so many seconds of the record later; at its end, the newest moment."""
        newest = history.last
        if newest is None or self.moment is None:
            return self
        return self.at(history, self.moment + seconds)

    def frozen(self, history: History) -> Self:
        """A live view frozen at the newest moment; of a frozen one, the live view."""
        newest = history.last
        if self.moment is not None or newest is None:
            return self.live()
        return replace(self, moment=newest.time, edge=None)

    def live(self) -> Self:
        """The live view, which always shows the newest moment."""
        return replace(self, moment=None, edge=None)

    def at(self, history: History, moment: float) -> Self:
        """The view of that moment, live for the newest. The picture moves only where the moment would not be in it."""
        newest, first = history.last, history.first
        if newest is None or first is None or moment >= newest.time:
            return self.live()
        moment, span = max(moment, first.time), self.reach(history)
        edge = self.edge if self.edge is not None else self.moment
        if edge is None:
            edge = newest.time
        if moment > edge:
            edge = moment + span * _REST
        elif moment <= edge - span:
            began = history.began
            edge = moment + span * (1 - _REST)
            if began is not None:
                edge = max(edge, began + span)
        return replace(self, moment=moment, edge=min(edge, newest.time))

    def stepped(self, history: History, column: float, steps: int) -> Self:
        """The view some columns later (or earlier), at least one snapshot on, so that panes change with every step."""
        newest = history.last
        if newest is None:
            return self
        here = self.moment if self.moment is not None else newest.time
        to = here + steps * column
        if steps < 0:
            shown = history.at(here)
            if shown is not None and shown.time - shown.began > column:
                to = min(to, shown.began + 1e-6)
        else:
            following = history.after(here)
            if following is not None:
                to = max(to, following)
        return self.at(history, to)

    def oldest(self, history: History) -> Self:
        """The view of the oldest moment that is kept."""
        first = history.first
        return self if first is None else self.at(history, first.time)

    def wider(self, history: History, step: int) -> Self:
        """The view with more or less time in the picture; the moment shown stays where it is on the screen.

        While the picture grows, one step more is at once the span that it would grow to.
        """
        newest, began, before = history.last, history.began, self.reach(history)
        if step > 0:
            growing = before < self.span < math.inf
            span = self.span if growing else next((float(span) for span in SPANS if span > before), before)
            if span == before and newest is not None and began is not None and newest.time - began > span:
                span *= 2
        else:
            span = next((float(span) for span in reversed(SPANS) if span < before), before)
            if before > SPANS[-1] and before / 2 >= SPANS[-1]:
                span = before / 2
        edge = self.edge
        if edge is not None and self.moment is not None and newest is not None:
            edge = min(self.moment + (edge - self.moment) * span / before, newest.time)
        return replace(self, span=span, grows=False, edge=edge)

    # --- space ---

    def place(self, snapshot: Snapshot | None, moment: float) -> Place | None:
        """The cursor's place in a snapshot; None where that lacks the cursor's target."""
        if self.point is None or snapshot is None or self.point[0] not in snapshot.targets:
            return None
        return Place(self.point[1], moment, snapshot.targets.index(self.point[0]))

    def pointed(self, identifier: int, address: int) -> Self:
        """The view with the cursor at an address of a target."""
        return replace(self, point=(identifier, address))

    def unpointed(self) -> Self:
        """The view without a cursor."""
        return replace(self, point=None)

    def zoomed(self, snapshot: Snapshot, axis: Axis | None, place: Place, factor: float) -> Self:
        """The view with a longer or shorter range of addresses around a place.

        Where the picture has folds and the range is to be shorter, the part that the place is in is shown first.

        Args:
            snapshot: the one shown, whose regions bound the range.
            axis: the address axis of the picture; None where there is none.
            place: stays where it is on the screen.
            factor: how many times as long the range becomes.
        """
        whole = heatmap.bounds(snapshot, place.target)
        if whole is None:
            return self
        view = self._range(whole)
        if axis is not None and factor < 1:
            row = axis.row(place.address, place.target)
            part = None if row is None else axis.part(row)
            folded = sum(one.kind == SHOWN for one in axis.parts) > 1
            # of several targets each has a part, which may be all that is shown of it, or shared with others
            if folded and part is not None and part.kind == SHOWN and part.hi - part.lo < view[1] - view[0]:
                return replace(self, lo=part.lo, hi=part.hi)
        found = heatmap.zoomed(view, place.address, factor, whole)
        return self.whole() if found is None else replace(self, lo=found[0], hi=found[1])

    def panned(self, snapshot: Snapshot, share: float, target: int = 0) -> Self:
        """The view moved up or down by a share of its height; unchanged where all addresses are shown."""
        whole = heatmap.bounds(snapshot, target)
        if whole is None or self.lo is None:
            return self
        lo, hi = heatmap.panned(self._range(whole), share, whole)
        return replace(self, lo=lo, hi=hi)

    def on_region(self, snapshot: Snapshot, place: Place) -> Self:
        """The view with the region at a place in its middle, a quarter of its height."""
        region = heatmap.region_at(snapshot, place)
        if region is None:
            return self
        found = heatmap.view_of(snapshot, region)
        return self.whole() if found is None else replace(self, lo=found[0], hi=found[1])

    def holding(self, snapshot: Snapshot, place: Place) -> Self:
        """This view where it shows the place, else the one around the place's region."""
        if self.lo is None or self.hi is None or self.lo <= place.address < self.hi:
            return self
        return self.on_region(snapshot, place)

    def whole(self) -> Self:
        """The view of all that is mapped."""
        return replace(self, lo=None, hi=None)

    def next_hotter(self, snapshot: Snapshot, moment: float, step: int) -> Self:
        """The view with the cursor on the next hotter region (``step`` −1: less hot): see `heatmap.hotter`."""
        found = heatmap.hotter(snapshot, self.place(snapshot, moment), step)
        if found is None:
            return self
        return self.pointed(snapshot.targets[found.target], found.address).holding(snapshot, found)

    def found(self, snapshot: Snapshot, moment: float, text: str) -> Self:
        """The view with the cursor on the region that holds an address, or on the next one with the text in its name.

        Args:
            snapshot: the regions to search.
            moment: the moment shown.
            text: ``0x…`` is an address, as are hexadecimal digits that no name has in it; names regardless of case.

        Raises:
            UsageError: nothing is found.
        """
        wanted = text.strip().casefold()
        if not wanted:
            raise UsageError("nothing is searched for; write a part of a name, or an address such as 0x7f12a000")
        here = self.place(snapshot, moment)
        at = None if here is None else heatmap.region_at(snapshot, here)
        hits = [] if wanted.startswith("0x") else [i for i, n in enumerate(snapshot.names) if wanted in n.casefold()]
        if hits:
            region = next((one for one in hits if at is not None and one > at), hits[0])
            address = int(snapshot.start[region])
        else:
            try:
                address = int(wanted, 16)
            except ValueError:
                what = "nothing mapped is called so" if snapshot.names else "names are not known of this memory"
                raise UsageError(f"{text.strip()!r} is not found: {what}") from None
            inside = (snapshot.start <= min(address, (1 << 63) - 1)) & (snapshot.end > min(address, (1 << 63) - 1))
            if not inside.any():
                raise UsageError(f"{address:#x} is not found: it is in no region") from None
            region = int(inside.argmax())
        target = int(snapshot.target[region])
        look = self.pointed(snapshot.targets[target], address)
        return look.holding(snapshot, Place(address, moment, target))

    def _range(self, whole: tuple[int, int]) -> tuple[int, int]:
        return (whole[0] if self.lo is None else self.lo, whole[1] if self.hi is None else self.hi)
