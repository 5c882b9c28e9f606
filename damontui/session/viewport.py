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
"""Share of the picture that lies beyond the moment after the picture had to move."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """What part of time and of memory is looked at, and how."""

    span: float = 240.0
    """Seconds across the heatmap once there is so much; inf is all there is, however much (with ``grows``)."""
    grows: bool = False
    """Whether the picture starts short and grows to ``span``, so that it is full from the first seconds on."""
    moment: float | None = None
    """What all panes show, source's clock; None is live."""
    edge: float | None = None
    """The heatmap's right edge where one has moved away from it; None is the moment."""
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
        """So many seconds of a record later; at its end the view stays at the newest."""
        newest = history.last
        if newest is None or self.moment is None:
            return self
        return self.at(history, self.moment + seconds)

    def frozen(self, history: History) -> Self:
        """The view stands still at the newest; again: back to live."""
        newest = history.last
        if self.moment is not None or newest is None:
            return self.live()
        return replace(self, moment=newest.time, edge=None)

    def live(self) -> Self:
        """The newest, whatever comes."""
        return replace(self, moment=None, edge=None)

    def at(self, history: History, moment: float) -> Self:
        """Look at that moment; the picture moves only where the moment would not be in it. At the newest: live."""
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
        """Some columns on (or back), at least to the next snapshot: the panes change with every step."""
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
        """The first that is kept."""
        first = history.first
        return self if first is None else self.at(history, first.time)

    def wider(self, history: History, step: int) -> Self:
        """More or less time in the picture; what is shown stays where it is on the screen. While it grows, more is at
        once what it would grow to."""
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
        """The cursor on a snapshot; None where it has no such target."""
        if self.point is None or snapshot is None or self.point[0] not in snapshot.targets:
            return None
        return Place(self.point[1], moment, snapshot.targets.index(self.point[0]))

    def pointed(self, identifier: int, address: int) -> Self:
        """The cursor at an address of a target."""
        return replace(self, point=(identifier, address))

    def unpointed(self) -> Self:
        """No cursor."""
        return replace(self, point=None)

    def zoomed(self, snapshot: Snapshot, axis: Axis | None, place: Place, factor: float) -> Self:
        """A longer or shorter range around a place. Of a picture with folds first the part that the place is in."""
        whole = heatmap.bounds(snapshot, place.target)
        if whole is None:
            return self
        if axis is not None and factor < 1:
            row = axis.row(place.address, place.target)
            part = None if row is None else axis.part(row)
            if part is not None and part.kind == SHOWN and sum(one.kind == SHOWN for one in axis.parts) > 1:
                return replace(self, lo=part.lo, hi=part.hi)
        view = self._range(whole)
        found = heatmap.zoomed(view, place.address, factor, whole)
        return self.whole() if found is None else replace(self, lo=found[0], hi=found[1])

    def panned(self, snapshot: Snapshot, share: float, target: int = 0) -> Self:
        """Further up or down; nothing to do where all is shown."""
        whole = heatmap.bounds(snapshot, target)
        if whole is None or self.lo is None:
            return self
        lo, hi = heatmap.panned(self._range(whole), share, whole)
        return replace(self, lo=lo, hi=hi)

    def on_region(self, snapshot: Snapshot, place: Place) -> Self:
        """The region at a place in the middle of the picture, a quarter of its height."""
        region = heatmap.region_at(snapshot, place)
        if region is None:
            return self
        found = heatmap.view_of(snapshot, region)
        return self.whole() if found is None else replace(self, lo=found[0], hi=found[1])

    def holding(self, snapshot: Snapshot, place: Place) -> Self:
        """A range in which the place is: this one, or where it is not, the one of its region."""
        if self.lo is None or self.hi is None or self.lo <= place.address < self.hi:
            return self
        return self.on_region(snapshot, place)

    def whole(self) -> Self:
        """All that is mapped."""
        return replace(self, lo=None, hi=None)

    def next_hotter(self, snapshot: Snapshot, moment: float, step: int) -> Self:
        """The cursor on the next hotter region (or less hot, −1); from nowhere or from idle memory on the hottest."""
        found = heatmap.hotter(snapshot, self.place(snapshot, moment), step)
        if found is None:
            return self
        return self.pointed(snapshot.targets[found.target], found.address).holding(snapshot, found)

    def found(self, snapshot: Snapshot, moment: float, text: str) -> Self:
        """The cursor on the region that holds an address, or on the next one whose name has the text in it.

        Args:
            snapshot: where to look.
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
