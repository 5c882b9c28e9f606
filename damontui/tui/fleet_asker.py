"""When the fleet's screen asks, and for what; each question in a thread, since an engine may take seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from damontui.errors import DamontuiError
from damontui.fleet.model import DETAILS, Details, FleetPicture, Trend
from damontui.fleet.wish import Wish

if TYPE_CHECKING:
    from damontui.tui.fleet import FleetApp

_TREND_S = 60.0
"""Seconds between two questions for the trend: without recording rules it is a burden for the engine."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What the screen can ask; each may take seconds, raises `DamontuiError`, and is called in a thread."""

    pictures: Callable[[Wish, Iterable[str]], Iterator[FleetPicture]]
    """The hosts, with these of `DETAILS` of all of them, and then the same with their sums."""
    details: Callable[[Wish, FleetPicture, Sequence[int]], Details]
    """The other details of some hosts of a picture."""
    trend: Callable[[Wish, FleetPicture, Trend], Trend]
    """Of the fleet, up to a picture's time; what was known of it before need not be asked again."""
    history: Callable[[Wish, FleetPicture, int], Trend]
    """Of one host of a picture."""


class Asker:
    """Asks for what an app shows: a picture once in a while, and what else belongs to it.

    Args:
        app: has the wish and what is shown; takes answers.
        questions: how it is asked; None where pictures are fed by hand, and nothing is ever asked.
        clock: seconds, monotonic.
    """

    def __init__(self, app: FleetApp, questions: Questions | None, clock: Callable[[], float]) -> None:
        self._app = app
        self._questions = questions
        self._clock = clock
        self._came = clock() - app.seen.since
        """When the picture that is shown came."""
        self._answered = self._came
        """When there was an answer last, a picture or none."""
        self._trend: tuple[Wish, float] | None = None
        """By what wish, and of which picture, by its time, it was asked for last."""
        self._details: tuple[float, frozenset[int]] | None = None
        """Of which picture, by its time, and of which hosts they came last."""
        self._asking_details = False

    def begin(self) -> None:
        """Ask for the first time, and from now on again and again."""
        if self._questions is not None:
            self._app.set_interval(1.0, self.tick)
            self.now()

    def came(self) -> None:
        """There is a picture."""
        self._came = self._answered = self._clock()

    def tick(self) -> None:
        """Say how old the picture is; ask where it is old enough."""
        seen, now = self._app.seen, self._clock()
        self._app.change(since=now - self._came)
        if now - self._answered >= seen.every and not seen.asking:
            self.now()

    # -- the picture

    def now(self) -> None:
        """Ask now, unless that is under way."""
        app, questions = self._app, self._questions
        if questions is None or app.seen.asking:
            return
        app.change(asking=True)
        wish, before = app.wish, app.seen.trend
        sorted_by = {app.seen.view.sort}.intersection(DETAILS)

        def work() -> None:
            picture = None
            try:
                for picture in questions.pictures(wish, sorted_by):
                    app.call_from_thread(self._came_for, wish, picture)
            except DamontuiError as error:
                app.call_from_thread(self._failed, error)
                return
            if picture is None:
                return
            known = app.call_from_thread(self._known_of_trend, wish, picture, before)
            if known is None:
                return
            try:
                trend = questions.trend(wish, picture, known)
            except DamontuiError:
                return  # the picture is there; the next look says what is the matter
            app.call_from_thread(app.feed, trend)

        app.run_worker(work, thread=True, group="ask")

    def _known_of_trend(self, wish: Wish, picture: FleetPicture, before: Trend) -> Trend | None:
        """What need not be asked of the trend again, which is asked for now; None where it is too soon for that."""
        asked = self._trend
        same = asked is not None and asked[0] == wish
        if asked is not None and same and picture.time - asked[1] < _TREND_S:
            return None
        self._trend = wish, picture.time
        return before if same else Trend()

    def _failed(self, error: DamontuiError) -> None:
        # the next look is a whole pause away: an engine in need is not asked each second
        self._answered = self._clock()
        self._app.feed(error)

    def _came_for(self, wish: Wish, picture: FleetPicture) -> None:
        app = self._app
        app.feed(picture)
        if picture.whole and (wish != app.wish or app.seen.sorts_by_some):  # another wish was made meanwhile
            self.now()

    # -- some hosts of it

    @property
    def detailed(self) -> bool:
        """Whether no details are being asked for."""
        return not self._asking_details

    def details(self) -> None:
        """Ask for the details of the hosts around the cursor that are not there yet; one question at a time."""
        app, questions, seen = self._app, self._questions, self._app.seen
        picture = seen.picture
        if picture is None or questions is None or picture.columns.issuperset(DETAILS):
            return
        height = max(1, app.pane.size.height)
        shown = seen.near(height) | (set() if seen.opened is None else {seen.opened})
        asked = self._details
        if self._asking_details or (asked is not None and asked[0] == picture.time and shown <= asked[1]):
            return
        # some screens more than are seen, so that a key seldom needs a question
        wanted = shown | seen.near(4 * height)
        self._asking_details = True
        wish = app.wish

        def work() -> None:
            try:
                found = questions.details(wish, picture, sorted(wanted))
            except DamontuiError:
                found = Details()  # the next look says what is the matter; until then they are not known
            app.call_from_thread(self._detailed, picture.time, frozenset(wanted), found)

        app.run_worker(work, thread=True, group="details")

    def _detailed(self, of: float, hosts: frozenset[int], found: Details) -> None:
        self._asking_details, self._details = False, (of, hosts)
        self._app.feed(found)
        self.details()  # the cursor may have gone on, and another picture may have come

    def history(self) -> None:
        """Ask for the past of the host that is opened."""
        app, questions, wish = self._app, self._questions, self._app.wish
        picture, at = app.seen.picture, app.seen.opened
        if questions is None or picture is None or at is None:
            return

        def work() -> None:
            try:
                found = questions.history(wish, picture, at)
            except DamontuiError as error:
                app.call_from_thread(app.change, error=str(error))
                return
            app.call_from_thread(app.change, history=found)

        app.run_worker(work, thread=True, group="history", exclusive=True)
