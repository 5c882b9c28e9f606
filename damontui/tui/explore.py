"""What keys and the mouse do to where one looks: through time, along the addresses, into the list and the savings."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isinf
from typing import TYPE_CHECKING

from textual.app import App

from damontui.analysis.heatmap import Place
from damontui.analysis.savings import THRESHOLDS
from damontui.damon.snapshot import Description, Snapshot
from damontui.errors import DamontuiError, SourceError, UsageError
from damontui.history import History
from damontui.monitor import Monitor
from damontui.tui.draw import Pane
from damontui.tui.frame import Frame
from damontui.tui.heatmap.compose import Composer
from damontui.tui.heatmap.hit import moved, place_at
from damontui.tui.heatmap.widget import RegionsPane
from damontui.tui.listing import Listing, parse_filter
from damontui.tui.panes.scrubber import Scrubber
from damontui.tui.view import View, moment_of, parse_moment

if TYPE_CHECKING:
    from damontui.tui.panes.list import ListPane


PACES = (0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds of a record to one of ours."""
_FAR = 1 << 30
"""Rows: more than any list has."""
SPAN = 240.0
"""Seconds across the heatmap where nothing else was said."""


class Exploring(App[int]):
    """The part of the app that moves the view. Panes that are seldom open are made when they are first asked for."""

    history: History
    monitor: Monitor | None
    description: Description
    notice: DamontuiError | None
    only: str | None

    def __init__(self) -> None:
        super().__init__()
        self.look = View(grows=True)
        self.composer = Composer()
        self.playing = False
        """Whether a record is being played."""
        self.listing = Listing()
        self.list_open = False
        self.savings_open = False
        self.threshold = 60.0
        self._pending = 0
        self._sought = ""
        """What was searched for last."""
        self._extra: dict[str, Pane] = {}

    def frame(self) -> Frame:
        """What is to be seen now."""
        raise NotImplementedError

    def paint(self) -> None:
        """Give every pane the present frame."""
        raise NotImplementedError

    @property
    def view(self) -> float | None:
        """The moment shown, source's clock; None is live."""
        return self.look.moment

    @view.setter
    def view(self, moment: float | None) -> None:
        self.look = self.look.live() if moment is None else self.look.at(self.history, moment)

    @property
    def span(self) -> float:
        """Seconds across the heatmap."""
        return self.look.reach(self.history)

    @property
    def regions(self) -> RegionsPane:
        """The heatmap."""
        return self.screen_stack[0].query_one(RegionsPane)

    @property
    def is_record(self) -> bool:
        """Whether what is shown was recorded: it is there as a whole, and can be played."""
        return self.description.origin == "record"

    def look_anew(self, span: float | None = None) -> None:
        """Another target: its addresses and its past are others.

        Args:
            span: seconds across the heatmap that the user asked for; None is all of a record, of what goes on `SPAN`.
        """
        look = self.look
        if span is None:
            span = inf if self.is_record else SPAN
        grows = look.grows or self.is_record
        self.look = View(span=span if grows else look.span, grows=grows, fold=look.fold, hottest=look.hottest)
        self.playing = False
        self._pending = 0

    def _looked(self, look: View) -> None:
        self.look = look
        if look.moment is None:
            self._pending = 0
        self.paint()

    # -- time ----------------------------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Pause the view, or go back to live; a record plays, or pauses."""
        self._pending = 0
        if self.is_record:
            self._play(not self.playing)
        else:
            self._looked(self.look.frozen(self.history))

    def _play(self, on: bool) -> None:
        """Play the record from the moment shown, from its end all of it; or pause it there."""
        self.playing = on and self.history.last is not None
        if self.playing and self.look.moment is None:
            self.look = self.look.oldest(self.history)
        self.paint()

    @property
    def pace(self) -> float:
        """Seconds of the record to one of ours at which it plays."""
        speed = self.description.speed
        return PACES[-1] if isinf(speed) else speed

    def advance(self, seconds: float) -> None:
        """So much of our time has passed while the record plays; at its end it pauses."""
        if not self.playing:
            return
        self.look = self.look.played(self.history, seconds * self.pace)
        self.playing = self.look.moment is not None
        self.paint()

    def action_span(self, step: int) -> None:
        """More or less time across the heatmap."""
        self._looked(self.look.wider(self.history, step))

    def action_time(self, steps: int) -> None:
        """Columns of the heatmap further on, or back."""
        self._step(self.span / max(8, self.regions.grid.layout.columns), steps)

    def action_leap(self, steps: int) -> None:
        """Tenths of the heatmap further on, or back."""
        self._step(self.span / 10, steps)

    def _step(self, column: float, steps: int) -> None:
        self._looked(self.look.stepped(self.history, column, steps))

    def action_pace(self, step: int) -> None:
        """A record plays faster, or slower."""
        if not self.is_record:
            self.notice = SourceError("the pace stays as it is", "only a record plays at another one")
        else:
            further = [one for one in (PACES if step > 0 else PACES[::-1]) if (one - self.pace) * step > 0]
            if further:
                self.description = replace(self.description, speed=further[0])
        self.paint()

    def action_last(self) -> None:
        """The last row of the list."""
        if self.list_open:
            if self.look.point is None:
                self.action_move(-1)  # into the list
            self.action_move(-_FAR)

    def action_oldest(self) -> None:
        """The first that is kept; of the list, where it is open, the first row."""
        if self.list_open:
            self.action_move(_FAR)
            return
        self._looked(self.look.oldest(self.history))

    def action_live(self) -> None:
        """Back to the newest; of the list, where it is open, the last row."""
        if self.list_open:
            self.action_last()
            return
        self.playing = False
        self._looked(self.look.live())

    def on_scrubber_sought(self, message: Scrubber.Sought) -> None:
        self._looked(self.look.at(self.history, message.time))

    def action_clock(self) -> None:
        """A moment by its time of day."""
        from damontui.tui.screens.prompt import PromptScreen

        if self.history.last is None:
            return
        hint = "14:05, 14:05:30, 2026-01-31 14:05; -2m or -1:30 is so long ago"
        self.push_screen(PromptScreen("Go to a time", hint, self._wall), self._gone)

    def _wall(self, text: str) -> float:
        first, newest = self.history.first, self.history.last
        assert first is not None
        assert newest is not None
        return parse_moment(text, first.wall - (first.time - first.began), newest.wall)

    def _gone(self, text: str | None) -> None:
        if text is not None:
            self._looked(self.look.at(self.history, moment_of(self.history, self._wall(text))))

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

    def _point(self, snapshot: Snapshot, place: Place) -> View:
        axis = self.regions.grid.axis
        targets = axis.ids if axis is not None and place.target < len(axis.ids) else snapshot.targets
        return self.look.pointed(targets[place.target], place.address)

    def action_move(self, up: int) -> None:
        """The cursor up or down: lines of the heatmap, or rows of the list where it is open."""
        found = self._place()
        if found is None:
            return
        snapshot, place = found
        if self.list_open and "list" in self._extra:
            pane = self._list()
            region = pane.moved(self.frame(), -up)
            if region is not None:
                self._choose(region)
            return
        if self.look.point is None:
            self._looked(self._point(snapshot, place))
            return
        grid = self.composer.grid(self.frame())
        there = moved(grid, place, up=up * grid.layout.halves)
        if there.address == place.address and self.look.lo is not None:
            self.look = self.look.panned(snapshot, 0.25 * up, place.target)
            grid = self.composer.grid(self.frame())
            there = moved(grid, place, up=up * grid.layout.halves)
        self._looked(self._point(snapshot, there))

    def action_zoom(self, factor: float) -> None:
        """Fewer or more addresses, around the cursor."""
        found = self._place()
        if found is not None:
            self._looked(self.look.zoomed(found[0], self.composer.grid(self.frame()).axis, found[1], factor))

    def action_region(self) -> None:
        """The region under the cursor, large."""
        found = self._place()
        if found is not None and self.look.point is not None:
            self._looked(self.look.on_region(*found))

    def action_whole(self) -> None:
        """All addresses."""
        self._looked(self.look.whole())

    def action_fold(self) -> None:
        """Idle stretches take a line each, or their full room."""
        self._looked(replace(self.look, fold=not self.look.fold))

    def action_hottest(self) -> None:
        """Each cell shows the mean or the hottest of what it covers."""
        self._looked(replace(self.look, hottest=not self.look.hottest))

    def action_hotter(self, step: int) -> None:
        """The cursor on the next hotter region, or the next less hot."""
        frame = self.frame()
        if frame.snapshot is None:
            return
        look = self.look.next_hotter(frame.snapshot, frame.now, step)
        if look.point is None:
            self.notice = SourceError("no hottest region", "nothing was accessed at this moment")
        self._looked(look)

    def action_search(self) -> None:
        """A region by its name or by an address in it."""
        from damontui.tui.screens.prompt import PromptScreen

        if self.frame().snapshot is not None:
            hint = "a part of the name, or an address such as 0x7f12a000; the same again: the next one"
            self.push_screen(PromptScreen("Search", hint, self._find, self._sought), self._found)

    def _find(self, text: str) -> View:
        frame = self.frame()
        if frame.snapshot is None:
            raise UsageError("there is nothing to search in")
        return self.look.found(frame.snapshot, frame.now, text)

    def _found(self, text: str | None) -> None:
        if text is not None:
            self._sought = text
            self._looked(self._find(text))

    def action_copy(self) -> None:
        """The read-out of the cursor into the terminal's clipboard."""
        from damontui.tui.panes import detail

        frame = self.frame()
        found = None
        if frame.snapshot is not None and frame.cursor is not None:
            found = detail.facts(frame.snapshot, frame.cursor)
        if found is None or frame.snapshot is None:
            self.notice = SourceError(
                "nothing to copy", "no region is pointed at", "press n for the hottest region, or an arrow key"
            )
            self.paint()
            return
        self.copy_to_clipboard(detail.plain(found, frame.snapshot, len(frame.snapshot.targets)))
        where = f"{found.start:#x} - {found.end:#x}"
        self.notify(f"{where}, if your terminal allows OSC 52", title="Copied", markup=False)

    def on_regions_pane_pointed(self, message: RegionsPane.Pointed) -> None:
        pane = self.regions
        frame = pane.frame
        if frame is None or frame.snapshot is None:
            return
        self.look = self._point(frame.snapshot, message.place)
        if not (frame.live and message.place.time >= frame.right):  # the right edge of a live picture stays live
            self.look = self.look.at(self.history, message.place.time)
        self._looked(self.look)

    def on_regions_pane_wheeled(self, message: RegionsPane.Wheeled) -> None:
        pane = self.regions
        if pane.frame is not None and pane.frame.snapshot is not None:
            self._looked(self.look.zoomed(pane.frame.snapshot, pane.grid.axis, message.place, message.factor))

    # -- the list ------------------------------------------------------------------------------------------------

    def action_list(self) -> None:
        """The list of regions beside the heatmap, or what was there before."""
        self.list_open = not (self.list_open and not self.listing.grouped)
        self.listing = replace(self.listing, grouped=False)
        self._arrange()

    def action_holders(self) -> None:
        """Who holds how much idle memory: the list by name."""
        self.list_open = not (self.list_open and self.listing.grouped)
        self.listing = replace(self.listing, grouped=self.list_open)
        self._arrange()

    def action_sort(self) -> None:
        """The next column to sort by."""
        if self.list_open:
            sorts = self.listing.sorts
            self._sort(sorts[(sorts.index(self.listing.sorted_by) + 1) % len(sorts)])

    def action_reverse(self) -> None:
        """The other way round."""
        if self.list_open:
            self._sort(self.listing.sorted_by)

    def _sort(self, by: str) -> None:
        reverse = not self.listing.reverse if by == self.listing.sorted_by else False
        if self.listing.grouped:
            self.listing = replace(self.listing, holder_sort=by, reverse=reverse)
        else:
            self.listing = replace(self.listing, sort=by, reverse=reverse)
        self.paint()

    def action_filter(self) -> None:
        """Which regions are listed."""
        from damontui.tui.screens.prompt import PromptScreen

        if not self.list_open:
            self.action_list()
        hint = "a part of the name, size>64M, rate>10%, idle>1m, used<5s; several; empty: all"
        self.push_screen(PromptScreen("List only", hint, parse_filter, self.listing.filter.text), self._filtered)

    def _filtered(self, text: str | None) -> None:
        if text is not None:
            self.listing = replace(self.listing, filter=parse_filter(text))
            self.paint()

    def _list(self) -> ListPane:
        pane = self._extra["list"]
        from damontui.tui.panes.list import ListPane

        assert isinstance(pane, ListPane)
        return pane

    def _choose(self, region: int) -> None:
        frame = self.frame()
        snapshot = frame.snapshot
        if snapshot is None or region >= len(snapshot):
            return
        place = Place(int(snapshot.start[region]), frame.now, int(snapshot.target[region]))
        look = self.look.pointed(snapshot.targets[place.target], place.address)
        self._looked(look.holding(snapshot, place))

    def on_list_pane_chosen(self, message: ListPane.Chosen) -> None:
        self._choose(message.region)

    def on_list_pane_sorted(self, message: ListPane.Sorted) -> None:
        self._sort(message.by)

    # -- what could be saved ---------------------------------------------------------------------------------------

    def action_savings(self) -> None:
        """What could be saved, in the place of the idle times; and back."""
        self.savings_open = not self.savings_open
        if self.savings_open:
            self.list_open = False
        self._arrange()

    def action_threshold(self, step: int) -> None:
        """Memory counts as idle after a longer time, or a shorter one."""
        at = THRESHOLDS.index(int(self.threshold)) + step
        self.threshold = float(THRESHOLDS[max(0, min(at, len(THRESHOLDS) - 1))])
        self.paint()

    # -- panes that are made when they are first needed ------------------------------------------------------------

    def _arrange(self) -> None:
        """Open and close what stands beside the heatmap."""
        from damontui.tui.panes.list import ListPane
        from damontui.tui.panes.savings import SavingsPane

        if self.list_open:
            self._made("list", ListPane)
        if self.savings_open:
            self._made("savings", SavingsPane)
        body = self.screen_stack[0].query_one("#body")
        body.set_class(self.list_open, "-listing")
        body.set_class(self.savings_open, "-saving")
        self.paint()

    def _made(self, name: str, kind: type[Pane]) -> None:
        if name not in self._extra:
            pane = self._extra[name] = kind(id=name)
            self.screen_stack[0].query_one("#side").mount(pane)

    def show_extra(self, frame: Frame) -> None:
        """Give the panes that were asked for the present frame; the read-out comes with the cursor."""
        if frame.cursor is not None and "detail" not in self._extra:
            from damontui.tui.panes.detail import DetailPane

            pane = self._extra["detail"] = DetailPane(id="detail")
            self.screen_stack[0].mount(pane, before="#keys")
        for name, extra in self._extra.items():
            if name != "savings" or self.savings_open:
                extra.show(frame)

    def put_away(self) -> bool:
        """Close the list, else the savings, else the cursor; whether there was one of them."""
        if self.list_open or self.savings_open:
            self.list_open, self.savings_open = False, self.savings_open and self.list_open
            self._arrange()
        elif self.look.point is not None:
            self._looked(self.look.unpointed())
        else:
            return False
        return True
