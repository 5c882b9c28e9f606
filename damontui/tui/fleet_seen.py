"""What the fleet's screen shows, and what a key or another picture makes of that: immutable, and without a screen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from damontui.fleet.model import DETAILS, STATES, Details, FleetPicture, Trend, View, rows

SORTS = ("idle", "free", "working_set", "total", "bandwidth", "pressure", "age", "name", "group", "state")
"""What the table can be sorted by, in the order of the key."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the screen shows."""

    url: str
    picture: FleetPicture | None = None
    """The last one that came, also after an error."""
    trend: Trend = field(default_factory=Trend)
    error: str = ""
    """Why there is nothing newer; "" while all is well."""
    since: float = 0.0
    """Seconds since the picture came."""
    every: float = 15.0
    asking: bool = False
    view: View = field(default_factory=View)
    by: str = ""
    order: tuple[int, ...] = ()
    """Hosts listed, in order (`damontui.fleet.model.rows`)."""
    cursor: int = 0
    """A place in ``order``."""
    groups: bool = False
    """Whether the labels' percentiles stand in the table's place."""
    opened: int | None = None
    """The host that is opened, an index of `FleetPicture.hosts`."""
    history: Trend = field(default_factory=Trend)
    """Its past."""
    typing: bool = False
    """Whether a filter is being typed, in the line that begins with `fleet_lines.TYPING`."""
    command: str = ""
    """A command that is asked about; "" while none is."""
    said: str = ""
    """What came of the last one, where that is worth a sentence."""
    ascii: bool = False

    # --- what comes ---

    def given(self, news: FleetPicture, details: Details) -> Self:
        """Another picture has come: the cursor stays on its host, and the one that is opened stays open, by its name.

        Args:
            news: with its sums, or before these are there.
            details: what was known of some hosts before; shown until those of now come, or do not.
        """
        before, opened = self.picture, None
        if before is not None:
            if not news.whole and (before.threshold, before.rule) == (news.threshold, news.rule):
                news = replace(news, sums=before.sums)  # until those of now are there
            if before.rule == news.rule:
                news = news.filled(details)  # and so do the details
            if self.opened is not None and before.hosts.names[self.opened] in news.hosts.names:
                opened = news.hosts.names.index(before.hosts.names[self.opened])
        now = replace(self, picture=news, error="", asking=not news.whole, opened=opened)
        return now.ordered(self.host)

    def detailed(self, details: Details) -> Self:
        """The details of some hosts have come."""
        return self if self.picture is None else replace(self, picture=self.picture.filled(details))

    # --- which hosts, and in what order ---

    @property
    def host(self) -> str:
        """The name of the host under the cursor; "" where that is on none."""
        if self.picture is None or not self.cursor < len(self.order):
            return ""
        return self.picture.hosts.names[self.order[self.cursor]]

    @property
    def sorts_by_some(self) -> bool:
        """Whether the table is sorted by what is known of some hosts only."""
        sort = self.view.sort
        return self.picture is not None and sort in DETAILS and sort not in self.picture.columns

    def near(self, lines: int) -> set[int]:
        """The hosts so many lines up and down from the cursor."""
        return set(self.order[max(0, self.cursor - lines) : self.cursor + lines + 1])

    def ordered(self, chosen: str = "") -> Self:
        """Sorted and filtered anew; the cursor on the host of that name, where that is still listed."""
        if self.picture is None:
            return self
        names = self.picture.hosts.names
        order = tuple(rows(self.picture.hosts, self.view))
        cursor = min(self.cursor, max(0, len(order) - 1))
        if chosen and cursor:  # the first row stays the first
            cursor = next((at for at, one in enumerate(order) if names[one] == chosen), cursor)
        return replace(self, order=order, cursor=cursor)

    def moved(self, by: int) -> Self:
        """The cursor some rows further."""
        return replace(self, cursor=max(0, min(self.cursor + by, len(self.order) - 1)))

    def next_sort(self, by: int) -> View:
        """Sorted by the next column."""
        sort = SORTS[(SORTS.index(self.view.sort) + by) % len(SORTS)]
        return replace(self.view, sort=sort, descending=sort not in ("name", "group", "state"))

    def next_state(self) -> View:
        """Only hosts of the next state that there are hosts of; all after the last."""
        states = ["", *(() if self.picture is None else (one for one in STATES if one in self.picture.counted))]
        now = self.view.state
        at = states.index(now) + 1 if now in states else 0
        return replace(self.view, state=states[at % len(states)])
