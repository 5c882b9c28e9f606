"""The fleet's screen: asks in a thread once in a while, and keeps the last picture whatever the engine does."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from damontui.errors import DamontuiError
from damontui.fleet.model import BOUNDS, DETAILS, STATES, Details, Picture, Trend, View, rows
from damontui.fleet.ssh import ssh_command
from damontui.fleet.wish import RULES, Wish
from damontui.tui.draw import Pane
from damontui.tui.filter_input import FilterInput
from damontui.tui.fleet_lines import SORTS, TYPING, Seen, draw
from damontui.tui.front import Front

_FILTER = 80
"""Most characters of a filter."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What the screen can ask; each may take seconds, raises `DamontuiError`, and is called in a thread."""

    pictures: Callable[[Wish, Iterable[str]], Iterator[Picture]]
    """The hosts, with these of `DETAILS` of all of them, and then the same with their sums."""
    details: Callable[[Wish, Picture, Sequence[int]], Details]
    """The other details of some hosts of a picture."""
    trend: Callable[[Wish, Picture, Trend], Trend]
    """Of the fleet, up to a picture's time; what was known of it before need not be asked again."""
    history: Callable[[Wish, Picture, int], Trend]
    """Of one host of a picture."""


class FleetPane(Pane):
    """The whole screen as lines, and what is typed on the last one."""

    DEFAULT_CSS = f"""
    FleetPane {{ width: 1fr; height: 1fr; background: $background; color: $foreground; }}
    FleetPane FilterInput {{ dock: bottom; margin: 0 1 0 {len(TYPING)}; background: $background; }}
    FleetPane FilterInput:focus {{ background-tint: $foreground 0%; text-style: bold; }}
    """
    can_focus = False

    def __init__(self, typed: Callable[[str], None]) -> None:
        super().__init__()
        self.seen: Seen | None = None
        self.filter = FilterInput(typed, _FILTER)
        self.filter.display = False

    def compose(self) -> ComposeResult:
        yield self.filter

    def look(self, seen: Seen) -> None:
        """Show something else."""
        self.seen = seen
        self.redraw()

    def redraw(self) -> None:
        """Draw again."""
        width, height = self.size
        if self.seen is not None and width > 0 and height > 0:
            self.lines = draw(self.seen, width, height)
            self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.app.action_move(3)  # type: ignore[attr-defined]

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.app.action_move(-3)  # type: ignore[attr-defined]


class FleetApp(Front):
    """Many machines on a screen.

    Args:
        url: of the engine, for the title.
        wish: what is looked at first.
        questions: how it is asked; None where pictures are fed by hand.
        every: seconds between two looks.
        clock: seconds, monotonic.
        ascii: only ASCII characters.
        theme: ``damontui-dark`` where None.
        seen: what another one showed, to go on with.
        said: a sentence that is shown until a key is pressed.
    """

    TITLE = "damontui fleet"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "leave", "quit"),
        Binding("up,k", "move(-1)", "up"),
        Binding("down,j", "move(1)", "down"),
        Binding("pageup", "move(-20)", "twenty up"),
        Binding("pagedown", "move(20)", "twenty down"),
        Binding("home,g", "move(-1000000)", "first"),
        Binding("end,G", "move(1000000)", "last"),
        Binding("s", "sort(1)", "sort"),
        Binding("S", "turn", "the other way round"),
        Binding("backslash,slash", "filter", "filter"),
        Binding("t", "state", "state"),
        Binding("greater_than_sign", "threshold(1)", "longer"),
        Binding("less_than_sign", "threshold(-1)", "shorter"),
        Binding("K", "rule", "rule"),
        Binding("b", "labels", "labels"),
        Binding("enter", "open", "host"),
        Binding("escape", "close", "back"),
        Binding("r", "now", "now"),
        Binding("L", "live", "live by ssh"),
    ]

    def __init__(
        self,
        url: str,
        wish: Wish,
        questions: Questions | None = None,
        *,
        every: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
        ascii: bool = False,
        theme: str | None = None,
        seen: Seen | None = None,
        said: str = "",
    ) -> None:
        super().__init__(theme)
        self.wish = wish
        self.questions = questions
        self.clock = clock
        self.seen = Seen(url, every=every, by=wish.by, ascii=ascii)
        if seen is not None:
            self.seen = replace(seen, asking=False, command="")
        self.seen = replace(self.seen, said=said)
        self.pane = FleetPane(self._typed)
        self._came = clock()
        self._asked_trend: tuple[Wish, float] | None = None
        self._details = Details()
        self._asked_details: tuple[float, frozenset[int]] | None = None
        """Of which picture, by its time, and of which hosts, while that is under way or done."""
        self.status = 0
        self.live = ""
        """The instance that is wanted on a screen of its own, once this one is closed."""

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        if self.questions is not None:
            self.set_interval(1.0, self._tick)
            self.action_now()
        self._show()

    # -- what comes

    def feed(self, news: Picture | Trend | Details | DamontuiError) -> None:
        """Take in an answer, or why there is none: then the last picture stays."""
        if isinstance(news, Picture):
            self._came = self.clock()
            chosen, before = self._chosen_name(), self.seen.picture
            if not news.whole and before is not None and (before.threshold, before.rule) == (news.threshold, news.rule):
                news = replace(news, sums=before.sums)  # until those of now are there
            if before is not None and before.rule == news.rule:
                news = news.filled(self._details)  # and so do the details
            self._change(picture=news, error="", asking=not news.whole, opened=self._opened_in(news))
            self._reorder(chosen)
            self._detail()
        elif isinstance(news, Details):
            self._details = news
            if self.seen.picture is not None:
                self._change(picture=self.seen.picture.filled(news))
        elif isinstance(news, Trend):
            self._change(trend=news)
        else:
            self._change(error=str(news), asking=False)

    def feed_history(self, history: Trend) -> None:
        """Take in the past of the host that is opened."""
        self._change(history=history)

    def _tick(self) -> None:
        waited = self.clock() - self._came
        self._change(since=waited)
        if waited >= self.seen.every and not self.seen.asking:
            self.action_now()

    def action_now(self) -> None:
        """Ask now, unless that is under way."""
        if self.questions is None or self.seen.asking:
            return
        self._change(asking=True)
        wish, questions, before = self.wish, self.questions, self.seen.trend
        sorted_by = {self.seen.view.sort}.intersection(DETAILS)

        def work() -> None:
            picture = None
            try:
                for picture in questions.pictures(wish, sorted_by):
                    self.call_from_thread(self._came_for, wish, picture)
            except DamontuiError as error:
                self.call_from_thread(self._failed, error)
                return
            if picture is None:
                return
            # once a minute at most: without recording rules it is a burden for the engine
            asked = self._asked_trend
            if asked is None or asked[0] != wish or picture.time - asked[1] >= 60:
                self._asked_trend = wish, picture.time
                try:
                    trend = questions.trend(wish, picture, before if asked and asked[0] == wish else Trend())
                except DamontuiError:
                    return  # the picture is there; the next look says what is the matter
                self.call_from_thread(self.feed, trend)

        self.run_worker(work, thread=True, group="ask")

    def _failed(self, error: DamontuiError) -> None:
        self._came = self.clock() if self.seen.picture is None else self._came
        self.feed(error)
        self._retry_in(self.seen.every)

    def _retry_in(self, seconds: float) -> None:
        # the next look is a whole pause away, so that an engine in need is not asked each second
        self._came = max(self._came, self.clock() - self.seen.every + min(seconds, self.seen.every))

    def _came_for(self, wish: Wish, picture: Picture) -> None:
        self.feed(picture)
        if picture.whole and (wish != self.wish or self._sorts_by_some()):  # another wish was made meanwhile
            self.action_now()

    def _sorts_by_some(self) -> bool:
        """Whether the table is sorted by what is known of some hosts only."""
        picture, sort = self.seen.picture, self.seen.view.sort
        return picture is not None and sort in DETAILS and sort not in picture.columns

    @property
    def detailed(self) -> bool:
        """Whether no details are being asked for."""
        return self._asked_details is None or self._asked_details[0] >= 0

    def _detail(self) -> None:
        """Ask for the details of the hosts around the cursor that are not there yet; one question at a time."""
        picture, questions, seen = self.seen.picture, self.questions, self.seen
        if picture is None or questions is None or picture.columns.issuperset(DETAILS):
            return
        height = max(1, self.pane.size.height)
        shown = set(seen.order[max(0, seen.cursor - height) : seen.cursor + height + 1])
        shown |= set() if seen.opened is None else {seen.opened}
        asked = self._asked_details
        if not self.detailed or (asked is not None and asked[0] == picture.time and shown <= asked[1]):
            return
        # some screens more than are seen, so that a key seldom needs a question
        wanted = shown.union(seen.order[max(0, seen.cursor - 4 * height) : seen.cursor + 4 * height + 1])
        self._asked_details = (-1.0, frozenset())
        wish = self.wish

        def work() -> None:
            try:
                found = questions.details(wish, picture, sorted(wanted))
            except DamontuiError:
                found = None  # the next look says what is the matter
            self.call_from_thread(self._detailed, picture.time, frozenset(wanted), found)

        self.run_worker(work, thread=True, group="details")

    def _detailed(self, of: float, hosts: frozenset[int], found: Details | None) -> None:
        self._asked_details = of, hosts
        self.feed(found or Details())  # numbers of an earlier picture are shown until those of now come, or do not
        self._detail()  # the cursor may have gone on, and another picture may have come

    # -- what is wished

    def _change(self, **changes: object) -> None:
        self.seen = replace(self.seen, **changes)  # type: ignore[arg-type]
        self._show()

    def _show(self) -> None:
        self.pane.look(self.seen)

    def _chosen_name(self) -> str:
        picture, seen = self.seen.picture, self.seen
        if picture is None or not seen.cursor < len(seen.order):
            return ""
        return picture.hosts.names[seen.order[seen.cursor]]

    def _opened_in(self, picture: Picture) -> int | None:
        before, opened = self.seen.picture, self.seen.opened
        if before is None or opened is None:
            return None
        name = before.hosts.names[opened]
        return picture.hosts.names.index(name) if name in picture.hosts.names else None

    def _reorder(self, chosen: str = "") -> None:
        """Sort and filter anew; the cursor stays on the host it was on, where that is still listed."""
        picture = self.seen.picture
        if picture is None:
            return
        order = tuple(rows(picture.hosts, self.seen.view))
        cursor = min(self.seen.cursor, max(0, len(order) - 1))
        if chosen and cursor:  # the first row stays the first
            cursor = next((at for at, one in enumerate(order) if picture.hosts.names[one] == chosen), cursor)
        self._change(order=order, cursor=cursor)

    def _look(self, view: View) -> None:
        self._change(view=view)
        self._reorder()
        self._detail()
        if self._sorts_by_some():
            self.action_now()

    def _wish(self, wish: Wish) -> None:
        self.wish = wish
        self.action_now()

    def action_move(self, by: int) -> None:
        """The cursor some rows further."""
        if self.seen.opened is None:
            last = max(0, len(self.seen.order) - 1)
            self._change(cursor=max(0, min(self.seen.cursor + by, last)))
            self._detail()

    def action_sort(self, by: int) -> None:
        """Sort by the next column."""
        at = (SORTS.index(self.seen.view.sort) + by) % len(SORTS)
        self._look(replace(self.seen.view, sort=SORTS[at], descending=SORTS[at] not in ("name", "group", "state")))

    def action_turn(self) -> None:
        """Sort the other way round."""
        self._look(replace(self.seen.view, descending=not self.seen.view.descending))

    def action_state(self) -> None:
        """Only hosts of the next state that there are hosts of; all after the last."""
        picture = self.seen.picture
        if picture is not None:
            states = ["", *(state for state in STATES if state in picture.counted)]
            now = self.seen.view.state
            at = states.index(now) + 1 if now in states else 0
            self._look(replace(self.seen.view, state=states[at % len(states)]))

    def action_threshold(self, by: int) -> None:
        """Idle means a longer time, or a shorter one."""
        now = self.wish.threshold
        longer, shorter = [one for one in BOUNDS if one > now], [one for one in BOUNDS if one < now]
        found = longer[:1] if by > 0 else shorter[-1:]
        if found:
            self._wish(replace(self.wish, threshold=found[0]))

    def action_rule(self) -> None:
        """By the estimate, or by the kernel's rule."""
        self._wish(replace(self.wish, rule=RULES[1 - RULES.index(self.wish.rule)]))

    def action_labels(self) -> None:
        """Percentiles by label, or the table."""
        self._change(groups=not self.seen.groups)

    def action_open(self) -> None:
        """Open the host under the cursor, and ask for its past."""
        seen, picture, questions = self.seen, self.seen.picture, self.questions
        if picture is None or seen.groups or not seen.cursor < len(seen.order):
            return
        at = seen.order[seen.cursor]
        self._change(opened=at, history=Trend())
        if questions is None:
            return
        wish = self.wish

        def work() -> None:
            try:
                found = questions.history(wish, picture, at)
            except DamontuiError as error:
                self.call_from_thread(self._change, error=str(error))
                return
            self.call_from_thread(self.feed_history, found)

        self.run_worker(work, thread=True, group="history", exclusive=True)

    def action_close(self) -> None:
        """Close what is opened, else drop the filters."""
        if self.seen.opened is not None:
            self._change(opened=None)
        elif self.seen.groups:
            self._change(groups=False)
        else:
            self._look(replace(self.seen.view, wanted="", state=""))

    def action_filter(self) -> None:
        """Type what a host's name or label must hold."""
        self._change(typing=True)
        self.pane.filter.value = self.seen.view.wanted
        self.pane.filter.display = True
        self.set_focus(self.pane.filter)

    def _typed(self, wanted: str) -> None:
        if wanted != self.seen.view.wanted:
            self._look(replace(self.seen.view, wanted=wanted))

    def action_live(self) -> None:
        """Show the command that brings the machine that is opened here, live, and ask whether to run it."""
        seen, picture = self.seen, self.seen.picture
        if picture is None or seen.opened is None:
            return
        try:
            command = ssh_command(picture.hosts.names[seen.opened])
        except DamontuiError as error:
            self._change(said=str(error))
            return
        self._change(command=shlex.join(command))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed, keys are its letters; while something is asked, they are answers."""
        return not self.seen.typing and not self.seen.command

    def on_key(self, event: events.Key) -> None:
        picture, opened = self.seen.picture, self.seen.opened
        if self.seen.command:
            event.stop()
            event.prevent_default()
            self._change(command="")
            if event.key == "enter" and picture is not None and opened is not None:
                self.live = picture.hosts.names[opened]
                self.exit(0)
            return
        if not self.seen.typing:
            if self.seen.said:
                self._change(said="")
        elif event.key in ("enter", "escape", "ctrl+c"):
            event.stop()
            event.prevent_default()
            if event.key != "enter":
                self.pane.filter.value = ""
            self.pane.filter.display = False
            self.set_focus(None)
            self._change(typing=False)

    def action_leave(self) -> None:
        """Quit."""
        self.end(0)

    def end(self, status: int) -> None:
        """Close the screen with an exit status."""
        self.status = status
        self.exit(status)
