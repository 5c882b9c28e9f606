"""What keys and the mouse do to what is looked at: through time, along the addresses, into the list and the savings.

No screen is needed: an `Explorer` has a session and knows where the heatmap has what. Each ``act_…`` is what a key of
`damontui.tui.keys` does; whoever calls it shows `Explorer.frame` then.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from damontui.analysis.axis import Axis
from damontui.analysis.chosen import Owner
from damontui.analysis.heatmap import Place
from damontui.analysis.savings import THRESHOLDS
from damontui.damon.snapshot import Snapshot
from damontui.errors import SourceError, UsageError
from damontui.session.moments import moment_of, wall_of
from damontui.session.session import Session
from damontui.session.viewport import Viewport
from damontui.tui import listing as lists
from damontui.tui.frame import ColourMode, Frame, StripView
from damontui.tui.heatmap.compose import Composer
from damontui.tui.heatmap.hit import place_at, place_moved
from damontui.tui.listing import Listing, parse_filter
from damontui.tui.options import MODES, ScreenOptions
from damontui.units import size

if TYPE_CHECKING:
    from damontui.recorder import Recorder

STRIPS: tuple[StripView, ...] = ("", "waits", "all")
_FAR = 1 << 30
"""Rows: more than any list has."""


class Explorer:
    """What is looked at, and how: all of a frame that a key changes.

    Args:
        session: what is monitored.
        composer: knows where the heatmap has what.
        options: what the user chose.
    """

    def __init__(self, session: Session, composer: Composer, options: ScreenOptions) -> None:
        self.session = session
        self.composer = composer
        self.options = options
        self.mode: ColourMode = options.mode
        self.all_percentiles = options.all_percentiles
        self.by_rule = False
        self.listing = Listing()
        self.list_open = False
        self.savings_open = False
        self.strip: StripView = ""
        """What of pressure is under the heatmap."""
        self.owner: Owner | None = None
        """Whose memory stands out on the heatmap."""
        self.threshold = 60.0
        """Seconds: memory idle for so long counts as such that could be saved."""
        self.sought = ""
        """What was searched for last."""
        self.glyphs = bool(options.glyphs) or options.ascii
        self.own_cpu: float | None = None
        """CPU share of this program; None where not measured yet."""
        self.offer = ""
        """The first real memory that can be watched here."""

    def do(self, wish: str) -> None:
        """Do what a key says: ``fold``, ``move(-1)``.

        Raises:
            AttributeError: ``wish`` names no action of this class.
        """
        name, _, arguments = wish.rstrip(")").partition("(")
        getattr(self, f"act_{name}")(*ast.literal_eval(f"({arguments},)" if arguments else "()"))

    def frame(self) -> Frame:
        """What is to be seen now."""
        session, viewport, history = self.session, self.viewport, self.session.history
        newest = history.last
        shown = newest if viewport.moment is None else history.at(viewport.moment)
        if shown is None:  # what was frozen is no longer kept
            shown = history.first
        now = viewport.moment if viewport.moment is not None else newest.time if newest is not None else 0.0
        right, status, lost = now if viewport.edge is None else viewport.edge, session.status, session.lost
        gone = status is not None and status.state == "gone"
        clock = session.clock()
        return Frame(
            description=session.description,
            history=history,
            snapshot=shown,
            status=status,
            error=session.error,
            now=now,
            wall=shown.wall if shown is not None else clock,
            enabled=session.enabled,
            live=viewport.moment is None and not session.is_record,
            playing=session.playback.playing,
            dim=shown is not None and (not session.enabled or session.error is not None or gone),
            span=session.span,
            mode=self.mode,
            all_percentiles=self.all_percentiles,
            estimate=session.estimate(),
            learned=session.estimates.learned,
            by_rule=self.by_rule,
            glyphs=self.glyphs,
            ascii=self.options.ascii,
            clock=clock,
            behind=max(0.0, newest.time - now) if newest is not None else 0.0,
            pending=session.pending,
            own_cpu=self.own_cpu,
            switching=session.switching,
            notice=session.messages.notice,
            hushed=session.messages.hushed,
            long_s=session.messages.long_s,
            by_others=session.by_others,
            lost=lost if lost is not None and right - session.span < lost.time <= right else None,
            lo=viewport.lo,
            hi=viewport.hi,
            fold=viewport.fold,
            hottest=viewport.hottest,
            cursor=viewport.place(shown, now),
            edge=viewport.edge,
            strip=self.strip,
            owner=self.owner,
            threshold=self.threshold,
            listing=self.listing if self.list_open else None,
            savings=self.savings_open,
            offer=self.offer,
            interim=session.interim if viewport.moment is None else None,
            recording=_recording(session.recording.recorder),
        )

    @property
    def viewport(self) -> Viewport:
        """The part of time and memory that is shown."""
        return self.session.viewport

    def _show(self, viewport: Viewport) -> None:
        self.session.show(viewport)

    def _axis(self) -> Axis | None:
        return self.composer.grid(self.frame()).axis

    # -- time ----------------------------------------------------------------------------------------------------

    def act_pause(self) -> None:
        """Pause the view, or go back to live; a record plays, or pauses."""
        self.session.pause()

    def act_span(self, step: int) -> None:
        """More or less time across the heatmap."""
        self._show(self.viewport.wider(self.session.history, step))

    def act_time(self, steps: int) -> None:
        """Columns of the heatmap further on, or back."""
        columns = self.composer.grid(self.frame()).layout.columns
        self._step(self.session.span / max(8, columns), steps)

    def act_leap(self, steps: int) -> None:
        """Tenths of the heatmap further on, or back."""
        self._step(self.session.span / 10, steps)

    def _step(self, column: float, steps: int) -> None:
        self._show(self.viewport.stepped(self.session.history, column, steps))

    def act_pace(self, step: int) -> None:
        """A record plays faster, or slower."""
        self.session.playback.change_pace(step)

    def act_last(self) -> None:
        """The last row of the list."""
        if self.list_open:
            if self.viewport.point is None:
                self.act_move(-1)  # into the list
            self.act_move(-_FAR)

    def act_oldest(self) -> None:
        """The first that is kept; of the list, where it is open, the first row."""
        if self.list_open:
            self.act_move(_FAR)
        else:
            self._show(self.viewport.oldest(self.session.history))

    def act_live(self) -> None:
        """Back to the newest; of the list, where it is open, the last row."""
        if self.list_open:
            self.act_last()
            return
        self.session.playback.playing = False
        self._show(self.viewport.live())

    def seek(self, time: float) -> None:
        """Show a moment, source's clock."""
        self._show(self.viewport.at(self.session.history, time))

    def go(self, text: str) -> None:
        """Show a moment as it was written; raises `UsageError` where it is none, or is not kept."""
        history = self.session.history
        self.seek(moment_of(history, wall_of(history, text)))

    # -- space ---------------------------------------------------------------------------------------------------

    def _place(self) -> tuple[Snapshot, Place] | None:
        """The snapshot shown and the cursor, or where it would begin: the middle of the newest column."""
        frame = self.frame()
        snapshot = frame.snapshot
        if snapshot is None or not len(snapshot):
            return None
        if frame.cursor is not None:
            return snapshot, frame.cursor
        grid = self.composer.grid(frame)
        found = place_at(grid, grid.layout.width - 1, grid.layout.lines // 2)
        if found is None:
            found = Place(int(snapshot.start[0]), frame.now, int(snapshot.target[0]))
        return snapshot, replace(found, time=frame.now)

    def _pointed(self, snapshot: Snapshot, place: Place) -> Viewport:
        axis = self._axis()
        targets = axis.ids if axis is not None and place.target < len(axis.ids) else snapshot.targets
        return self.viewport.pointed(targets[place.target], place.address)

    def act_move(self, up: int) -> None:
        """The cursor up or down: lines of the heatmap, or rows of the list where it is open."""
        found = self._place()
        if found is None:
            return
        snapshot, place = found
        if self.list_open:
            self._move_in_list(-up)
        elif self.viewport.point is None:
            self._show(self._pointed(snapshot, place))
        else:
            self._move_on_heatmap(snapshot, place, up)

    def _move_in_list(self, down: int) -> None:
        frame = self.frame()
        if frame.snapshot is None:
            return
        rows = lists.order(frame.snapshot, self.listing, self.threshold, frame.told_by)
        region = lists.moved(frame.snapshot, self.listing, rows, frame.cursor, down)
        if region is not None:
            self.choose(region)

    def _move_on_heatmap(self, snapshot: Snapshot, place: Place, up: int) -> None:
        grid = self.composer.grid(self.frame())
        there = place_moved(grid, place, up=up * grid.layout.halves)
        if there.address == place.address and self.viewport.lo is not None:  # at the edge of what is shown: further
            self._show(self.viewport.panned(snapshot, 0.25 * up, place.target))
            grid = self.composer.grid(self.frame())
            there = place_moved(grid, place, up=up * grid.layout.halves)
        self._show(self._pointed(snapshot, there))

    def act_zoom(self, factor: float) -> None:
        """Fewer or more addresses, around the cursor."""
        found = self._place()
        if found is not None:
            self.zoom(found[1], factor)

    def zoom(self, place: Place, factor: float) -> None:
        """So many times as many addresses, around a place."""
        snapshot = self.frame().snapshot
        if snapshot is not None:
            self._show(self.viewport.zoomed(snapshot, self._axis(), place, factor))

    def act_region(self) -> None:
        """The region under the cursor, large."""
        found = self._place()
        if found is not None and self.viewport.point is not None:
            self._show(self.viewport.on_region(*found))

    def act_whole(self) -> None:
        """All addresses."""
        self._show(self.viewport.whole())

    def act_fold(self) -> None:
        """Idle stretches take a line each, or their full room."""
        self._show(replace(self.viewport, fold=not self.viewport.fold))

    def act_hottest(self) -> None:
        """Each cell shows the mean or the hottest of what it covers."""
        self._show(replace(self.viewport, hottest=not self.viewport.hottest))

    def act_hotter(self, step: int) -> None:
        """The cursor on the next hotter region, or the next less hot."""
        frame = self.frame()
        if frame.snapshot is None:
            return
        viewport = self.viewport.next_hotter(frame.snapshot, frame.now, step)
        if viewport.point is None:
            self.session.messages.notice = SourceError("no hottest region", "nothing was accessed at this moment")
        self._show(viewport)

    def find(self, text: str) -> Viewport:
        """Where a name or an address is; raises `UsageError` where it is nowhere."""
        frame = self.frame()
        if frame.snapshot is None:
            raise UsageError("there is nothing to search in")
        return self.viewport.found(frame.snapshot, frame.now, text)

    def search(self, text: str) -> None:
        """The cursor on a name or an address."""
        self.sought = text
        self._show(self.find(text))

    def point(self, place: Place) -> None:
        """The cursor on a cell of the heatmap that was clicked; the right edge of a live picture stays live."""
        frame = self.frame()
        if frame.snapshot is None:
            return
        self._show(self._pointed(frame.snapshot, place))
        if not (frame.live and place.time >= frame.right):
            self.seek(place.time)

    # -- the list ------------------------------------------------------------------------------------------------

    def act_list(self) -> None:
        """The list of regions beside the heatmap, or what was there before."""
        self.list_open = not (self.list_open and not self.listing.grouped)
        self.listing = replace(self.listing, grouped=False)

    def act_by_owner(self) -> None:
        """How much idle memory each owner has: the list by name."""
        self.list_open = not (self.list_open and self.listing.grouped)
        self.listing = replace(self.listing, grouped=self.list_open)

    def act_sort(self) -> None:
        """The next column to sort by."""
        if self.list_open:
            self.sort_by(self.listing.next_sort)

    def act_reverse(self) -> None:
        """The other way round."""
        if self.list_open:
            self.sort_by(self.listing.sorted_by)

    def sort_by(self, by: str) -> None:
        """Sort the list by a column; by the same again: the other way round."""
        self.listing = self.listing.by(by)

    def filter_by(self, text: str) -> None:
        """List only some; raises `UsageError` where the filter means nothing."""
        self.listing = replace(self.listing, filter=parse_filter(text))

    def choose(self, region: int) -> None:
        """The cursor on a region of the snapshot shown."""
        frame = self.frame()
        snapshot = frame.snapshot
        if snapshot is None or region >= len(snapshot):
            return
        place = Place(int(snapshot.start[region]), frame.now, int(snapshot.target[region]))
        viewport = self.viewport.pointed(snapshot.targets[place.target], place.address)
        self._show(viewport.holding(snapshot, place))

    # -- what could be saved, and what numbers mean ----------------------------------------------------------------

    def act_savings(self) -> None:
        """What could be saved, in the place of the idle times; and back."""
        self.savings_open = not self.savings_open
        self.list_open = self.list_open and not self.savings_open

    def act_threshold(self, step: int) -> None:
        """Memory counts as idle after a longer time, or a shorter one."""
        at = THRESHOLDS.index(int(self.threshold)) + step
        self.threshold = float(THRESHOLDS[max(0, min(at, len(THRESHOLDS) - 1))])

    def act_rule(self) -> None:
        """Idle times as estimated, or by the kernel's rule."""
        self.by_rule = not self.by_rule

    def act_colour(self) -> None:
        """The next meaning of the heatmap's colour."""
        self.mode = MODES[(MODES.index(self.mode) + 1) % len(MODES)]

    def act_pressure(self) -> None:
        """Pressure under the heatmap: how long tasks waited for memory, then all that is told, then nothing."""
        self.strip = STRIPS[(STRIPS.index(self.strip) + 1) % len(STRIPS)]

    def act_percentiles(self) -> None:
        """11 rows or all 101."""
        self.all_percentiles = not self.all_percentiles

    def put_away(self) -> bool:
        """Close the list, else the savings, else show everybody's memory, else no cursor; whether there was one."""
        if self.list_open:
            self.list_open = False
        elif self.savings_open:
            self.savings_open = False
        elif self.owner is not None:
            self.owner = None
        elif self.viewport.point is not None:
            self._show(self.viewport.unpointed())
        else:
            return False
        return True


WISHES = frozenset(name.removeprefix("act_") for name in vars(Explorer) if name.startswith("act_"))
"""What `Explorer.do` knows."""


def _recording(recorder: Recorder | None) -> str:
    """For the title: how much has been recorded; "" where nothing is."""
    if recorder is None:
        return ""
    whole = int(recorder.seconds)
    return f"REC {whole // 60:02d}:{whole % 60:02d} {size(recorder.bytes)}"
