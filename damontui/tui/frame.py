"""Everything that one repaint needs, made by the app once and handed to each pane; immutable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from damontui.analysis.chosen import Owner
from damontui.analysis.estimate import Estimate
from damontui.analysis.heatmap import Place
from damontui.analysis.savings import Learned
from damontui.damon.snapshot import Description, Interim, Snapshot, Status
from damontui.errors import DamontuiError
from damontui.history import History
from damontui.tui.listing import Listing

ColourMode = Literal["rate", "temperature", "idle", "estimate"]
"""What the heatmap's colour means; ``estimate`` is idle time as estimated, address by address."""

StripView = Literal["", "waits", "all"]
"""What of pressure is under the heatmap: nothing, how long tasks waited for memory, or all that is told."""

WORTH_WAITING = 2.0
"""Seconds: of an aggregation that is shorter nobody asks when it is due."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a pane shows.

    A pane is a `damontui.tui.draw.Pane` with two methods of its own: ``draw(frame, width, height)``, its lines, and
    ``caption(frame)``, what stands in its border. What they show comes from the frame alone. A pane may keep what is
    dear to make again for each frame, such as numbers over all of the past (`damontui.tui.series.MetricSeries`). The
    base class's ``show(frame)`` calls them, and repaints the lines that have changed.
    """

    description: Description
    history: History
    snapshot: Snapshot | None
    """The snapshot shown: the newest at ``now``."""
    status: Status | None
    error: DamontuiError | None
    now: float
    """The moment shown, source's clock; the heatmap's right edge unless ``edge`` is."""
    wall: float
    """The same moment, seconds since 1970."""
    enabled: bool = True
    live: bool = True
    """False where the view is paused or moved into the past while collecting goes on, and of every record."""
    dim: bool = False
    """Switched off: the last data at half brightness."""
    span: float = 240.0
    """Seconds across the heatmap."""
    mode: ColourMode = "rate"
    all_percentiles: bool = False
    glyphs: bool = False
    """Draw values as a glyph ramp too (few colours, NO_COLOR), so that none depends on colour alone."""
    ascii: bool = False
    """Only ASCII characters."""
    clock: float = 0.0
    """Our clock when the frame was made, seconds since 1970."""
    behind: float = 0.0
    """Seconds (source's clock) from ``now`` to the newest snapshot: what a frozen view does not show."""
    pending: int = 0
    """Snapshots that came in since the view was paused."""
    own_cpu: float | None = None
    """CPU share of this program, 1.0 is one CPU; None where not measured yet."""
    switching: bool = False
    """The switch was turned and has not answered yet."""
    notice: DamontuiError | None = None
    """What the switch or a key answered: shown below the title until the next thing happens."""
    hushed: str = ""
    """What kind of note was put away (`damontui.session.messages.kind_of`)."""
    long_s: float = 0.0
    """Seconds that an aggregation of DAMON_STAT takes, where that is long and was not put away; else 0."""
    by_others: bool = False
    """The switch was turned off, and not by us."""
    lost: Snapshot | None = None
    """The newest snapshot on the heatmap that lacks regions, since trace events were lost."""
    lo: int | None = None
    hi: int | None = None
    """The addresses on the heatmap, ``[lo, hi)`` of each target; None is all that is mapped."""
    fold: bool = False
    """Idle stretches shrink to a line each, so that the used memory gets the rows."""
    hottest: bool = False
    """A cell shows the hottest of what it covers, not the mean."""
    cursor: Place | None = None
    """The cell that is pointed at."""
    edge: float | None = None
    """The heatmap's right edge where one moved away from it, source's clock; None is ``now``."""
    strip: StripView = ""
    """What of pressure on memory is drawn under the heatmap."""
    owner: Owner | None = None
    """Whose memory stands out on the heatmap; None is everybody's."""
    threshold: float = 60.0
    """Seconds: memory idle for so long counts as such that could be saved."""
    listing: Listing | None = None
    """How the list of regions is sorted and filtered; None where it is closed."""
    estimate: Estimate | None = None
    """What is known now of the moment shown; None where nothing is, and of counted bytes."""
    learned: Learned | None = None
    """What is known of every moment of the history; None where nobody keeps it."""
    by_rule: bool = False
    """Idle times by the kernel's own rule, for whoever compares with its files."""
    interim: Interim | None = None
    """What is known of the aggregation under way, where the view is live; None where nothing is."""
    playing: bool = False
    """A record is being played: ``now`` moves on by itself."""
    savings: bool = False
    """What could be saved stands in the place of the idle times."""
    offer: str = ""
    """The first real memory that can be watched here: ``process 77, python3, 1.8 GiB``; "" where none is known."""
    recording: str = ""
    """How long and how much has been recorded; "" where nothing is."""

    @property
    def told_by(self) -> Estimate | None:
        """The estimate, where idle memory is told by it; None where by the kernel's rule."""
        return None if self.by_rule else self.estimate

    @property
    def record(self) -> bool:
        """Whether this was recorded: all of it is there, and none of it is live."""
        return self.description.origin == "record"

    @property
    def right(self) -> float:
        """The moment at the heatmap's right edge; live, it goes on with our clock through a long aggregation."""
        return self.now + self.under_way if self.edge is None else self.edge

    @property
    def under_way(self) -> float:
        """Seconds for which the aggregation after ``snapshot`` has been under way; 0 where it is over in a moment.

        Only of sources whose clock runs as ours does, and only while one is under way.
        """
        snapshot, status = self.snapshot, self.status
        if snapshot is None or not self.live or not self.enabled or self.error is not None:
            return 0.0
        if self.description.origin not in ("kernel", "process"):
            return 0.0
        if status is not None and status.state not in ("on", "waiting"):
            return 0.0
        if snapshot.next_attrs.aggr_us < WORTH_WAITING * 1e6:
            return 0.0
        return max(0.0, self.clock - snapshot.wall)
