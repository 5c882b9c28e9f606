"""The fleet's screen in all its states, cell by cell, and its keys. Nothing here waits: answers are fed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from textual.pilot import Pilot

from damontui.errors import DamontuiError, SourceError
from damontui.fleet.ask import ask_details, ask_hosts
from damontui.fleet.looks import Looks
from damontui.fleet.model import Details, FleetPicture, Trend
from damontui.fleet.sums import ask, trend
from damontui.fleet.wish import Wish
from damontui.tui.fleet import FleetApp, FleetPane
from damontui.tui.fleet_asker import Questions
from damontui.tui.fleet_lines import draw
from damontui.tui.fleet_seen import Seen
from tests.fleet.scripted import GIB, NOW, Engine, host
from tests.fleet.test_ask import FLEET

URL = "http://prometheus.example:9090"
MANY = [
    host(
        f"node-{at:03d}.rack{at % 4}.example:19317",
        rack=f"r{at % 4}",
        size=(16 + at % 5 * 16) * GIB,
        used=(2 + at * 7 % 13) * GIB,
        age=3.0 if at % 17 else 2000.0,
        enabled=float(at % 11 != 5),
    )
    for at in range(120)
]
EVIL = [host("\x1b]0;owned\x07[bold]:1", rack="\u202e[red]x"), host("漢字" * 30, rack="")]


def fed(*news: FleetPicture | Trend | DamontuiError, wish: Wish | None = None, **words: object) -> FleetApp:
    """An app that has been given these answers."""
    app = FleetApp(URL, wish or Wish(), clock=lambda: 100.0, **words)  # type: ignore[arg-type]
    for one in news:
        app.feed(one)
    return app


def whole(hosts: object = FLEET, **wish: object) -> FleetPicture:
    return ask(Engine(hosts, gone=("was:1",)), Wish(**wish), NOW)  # type: ignore[arg-type]


def over() -> Trend:
    """The last hour, as it is known after some looks."""
    found = Trend()
    while len(found.times) < 13:
        found = trend(Engine(FLEET), Wish(), NOW, 3600.0, before=found)
    return found


@dataclass(frozen=True)
class State:
    """One picture."""

    name: str
    make: Callable[[], FleetApp]
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (120, 36)


def _down() -> FleetApp:
    return fed(whole(), over(), SourceError(f"cannot ask {URL}", "connection refused", "does it run?"))


STATES = (
    State("waiting", lambda: fed()),
    State("refused", lambda: fed(SourceError(f"cannot ask {URL}", "connection refused", "does it run?"))),
    State("hosts-first", lambda: fed(ask_hosts(Engine(FLEET), Wish(), NOW))),
    State("all-states", lambda: fed(whole(), over())),
    State("engine-down", _down),
    State("many", lambda: fed(whole(MANY, by="rack"), over(), wish=Wish(by="rack")), ("end", "up", "up")),
    State("labels", lambda: fed(whole(MANY, by="rack"), over(), wish=Wish(by="rack")), ("b",)),
    State("filter", lambda: fed(whole(MANY), over()), ("backslash", "r", "a", "c", "k", "2")),
    State("one-state", lambda: fed(whole(MANY), over()), ("t", "t", "t")),
    State("host", lambda: fed(whole(MANY), over()), ("down", "enter")),
    State("host-live", lambda: fed(whole(MANY), over()), ("down", "enter", "L")),
    State("hostile", lambda: fed(whole(EVIL, by="rack"), wish=Wish(by="rack"))),
    State("80x24", lambda: fed(whole(MANY), over()), (), (80, 24)),
    State("40x10", lambda: fed(whole(MANY), over()), (), (40, 10)),
    State("ascii", lambda: fed(whole(MANY), over(), ascii=True)),
    State("light", lambda: fed(whole(), over(), theme="damontui-light")),
)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_screen(state: State, snap_compare: Callable[..., bool]) -> None:
    async def play(pilot: Pilot[int]) -> None:
        await pilot.press(*state.keys)

    assert snap_compare(state.make(), terminal_size=state.size, run_before=play)


def played(app: FleetApp, *keys: str, size: tuple[int, int] = (120, 36)) -> str:
    """What is on the screen after some keys."""

    async def play() -> str:
        async with app.run_test(size=size) as pilot:
            await pilot.press(*keys)
            await pilot.pause()
            return app.query_one(FleetPane).text()

    return asyncio.run(play())


def test_the_last_picture_stays_and_the_reason_is_said() -> None:
    text = played(_down())
    assert "connection refused" in text
    assert "what was known before" in text
    assert "big:1" in text
    assert "p50" in text


def test_sorting_and_turning() -> None:
    app = fed(whole())
    played(app, "s")
    assert app.seen.view.sort == "free"
    assert app.seen.view.descending
    app.action_turn()
    assert not app.seen.view.descending
    hosts = app.seen.picture.hosts  # type: ignore[union-attr]
    free = [hosts.columns["free"][at] for at in app.seen.order if hosts.columns["free"][at] >= 0]
    assert free == sorted(free)


def test_a_filter_is_typed_kept_and_dropped() -> None:
    app = fed(whole(MANY))
    played(app, "slash", "r", "a", "c", "k", "1", "q", "backspace", "enter")
    assert not app.seen.typing
    assert app.seen.view.wanted == "rack1"
    assert len(app.seen.order) == 30
    app.action_close()
    assert len(app.seen.order) == len(MANY) + 1
    assert app.seen.opened is None
    for leave in ("escape", "ctrl+c"):
        app = fed(whole(MANY))
        assert "hosts with" not in played(app, "slash", *"rack1", "down", leave, "down", "down")
        assert (app.seen.typing, app.seen.view.wanted, app.seen.cursor) == (False, "", 2)


def test_the_cursor_stays_on_its_host_when_another_picture_comes() -> None:
    seen = Seen(URL).given(whole(MANY), Details()).moved(3)
    # the third from the top becomes the last but for those that are not known
    less = [one | ({"size": 4 * GIB, "used": 4 * GIB} if one["instance"] == seen.host else {}) for one in MANY]
    later = seen.given(whole(less), Details())
    assert later.host == seen.host
    assert later.cursor > 50


def test_a_host_that_is_opened_stays_open_by_its_name() -> None:
    seen = Seen(URL).given(whole(MANY), Details()).moved(1)
    seen = replace(seen, opened=seen.order[seen.cursor])
    later = seen.given(whole(list(reversed(MANY))), Details())
    assert later.picture is not None
    assert later.opened is not None
    assert later.opened != seen.opened
    assert later.picture.hosts.names[later.opened] == seen.host
    assert later.given(whole([one for one in MANY if one["instance"] != seen.host]), Details()).opened is None


def test_the_sums_of_before_stay_until_those_of_now_are_there() -> None:
    seen = Seen(URL).given(whole(), Details()).given(ask_hosts(Engine(FLEET), Wish(), NOW), Details())
    assert seen.picture is not None
    assert seen.picture.sums
    assert seen.asking
    seen = seen.given(ask_hosts(Engine(FLEET), Wish(threshold=300), NOW), Details())
    assert seen.picture is not None
    assert not seen.picture.sums  # of another threshold


class Script:
    """Questions that are answered at once, and written down."""

    def __init__(self, *answers: FleetPicture | DamontuiError) -> None:
        self.answers = list(answers)
        self.wishes: list[Wish] = []

    def pictures(self, wish: Wish, details: Iterable[str]) -> Iterator[FleetPicture]:
        self.wishes.append(wish)
        one = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(one, DamontuiError):
            raise one
        yield replace(one, sums={}, whole=False)
        yield one

    @property
    def questions(self) -> Questions:
        return Questions(
            self.pictures,
            lambda wish, picture, at: Details(),
            lambda wish, picture, before: over(),
            lambda wish, picture, at: over(),
        )


async def _settled(app: FleetApp, pilot: Pilot[int]) -> None:
    await app.workers.wait_for_complete()
    await pilot.pause()


def test_questions_are_asked_in_a_thread_and_wishes_anew() -> None:
    script = Script(whole())
    app = FleetApp(URL, Wish(), script.questions, every=1e6, clock=lambda: 0.0)

    async def play() -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            await _settled(app, pilot)
            assert app.seen.trend.times
            for key in ("greater_than_sign", "less_than_sign", "less_than_sign", "K"):
                await pilot.press(key)
                await _settled(app, pilot)
            await pilot.press("enter")
            await _settled(app, pilot)
            assert app.seen.history.times
            await pilot.press("escape", "q")

    asyncio.run(play())
    assert [(one.threshold, one.rule) for one in script.wishes] == [
        (900, "estimate"),
        (1800, "estimate"),
        (900, "estimate"),
        (300, "estimate"),
        (300, "kernel"),
    ]
    assert app.return_value == 0


def test_an_engine_that_fails_is_asked_again_after_a_pause_and_not_each_second() -> None:
    script, now = Script(SourceError("cannot ask", "no"), whole()), [0.0]
    app = FleetApp(URL, Wish(), script.questions, every=10.0, clock=lambda: now[0])

    async def play() -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            await _settled(app, pilot)
            assert "cannot ask: no" in app.query_one(FleetPane).text()
            for now[0] in (1.0, 5.0, 9.0):
                app.asker.tick()
                await _settled(app, pilot)
            assert len(script.wishes) == 1
            now[0] = 10.5
            app.asker.tick()
            await _settled(app, pilot)
            assert len(script.wishes) == 2
            assert app.seen.error == ""

    asyncio.run(play())


def test_how_old_the_picture_is_goes_on_while_the_engine_fails() -> None:
    failures = [SourceError("cannot ask", "no") for _ in range(4)]
    script, now = Script(whole(), *failures), [0.0]
    app = FleetApp(URL, Wish(), script.questions, every=10.0, clock=lambda: now[0])

    async def play() -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            await _settled(app, pilot)
            for now[0] in (10.0, 20.0, 30.0, 31.0):
                app.asker.tick()
                await _settled(app, pilot)
            assert len(script.wishes) == 4
            text = app.query_one(FleetPane).text()
            assert "31.0 s ago" in text
            assert "cannot ask: no" in text

    asyncio.run(play())


def test_the_trend_is_asked_for_once_a_minute_and_from_its_beginning_for_another_wish() -> None:
    one = whole()
    script = Script(*(replace(one, time=one.time + later) for later in (0.0, 15.0, 60.0, 60.0)))
    known: list[bool] = []

    def asked(wish: Wish, picture: FleetPicture, before: Trend) -> Trend:
        known.append(bool(before.times))
        return over()

    app = FleetApp(URL, Wish(), replace(script.questions, trend=asked), every=1e6, clock=lambda: 0.0)

    async def play() -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            await _settled(app, pilot)
            assert known == [False]
            app.action_now()
            await _settled(app, pilot)
            assert known == [False]
            app.action_now()
            await _settled(app, pilot)
            assert known == [False, True]
            await pilot.press("less_than_sign")
            await _settled(app, pilot)
            assert known == [False, True, False]

    asyncio.run(play())


class Live:
    """Questions to an engine in memory, written down."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.looks = Looks(engine)
        self.wanted: list[frozenset[str]] = []
        self.detailed: list[int] = []
        self.fails = False

    def pictures(self, wish: Wish, details: Iterable[str]) -> Iterator[FleetPicture]:
        self.wanted.append(frozenset(details))
        return self.looks.pictures(wish, details)

    def details(self, wish: Wish, picture: FleetPicture, at: Sequence[int]) -> Details:
        self.detailed.append(len(at))
        if self.fails:
            raise SourceError("cannot ask", "no")
        return ask_details(self.engine, wish, picture, at)

    @property
    def app(self) -> FleetApp:
        nothing = Questions(self.pictures, self.details, lambda *_: Trend(), lambda *_: Trend())
        return FleetApp(URL, Wish(), nothing, every=1e6, clock=lambda: 0.0)


def _shown(app: FleetApp, name: str, host: str) -> float:
    picture = app.seen.picture
    assert picture is not None
    return float(picture.hosts.columns[name][picture.hosts.names.index(host)])


def test_details_are_asked_for_of_the_hosts_around_the_cursor_and_of_all_where_the_table_is_sorted_by_them() -> None:
    fleet = [host(f"n-{at:04d}", size=(2000 - at) * GIB) for at in range(1000)]
    live = Live(Engine(fleet))
    app = live.app

    async def play() -> None:
        async with app.run_test(size=(160, 20)) as pilot:
            await _settled(app, pilot)
            assert (live.wanted, live.detailed) == ([frozenset()], [81])  # four screens further than the cursor
            assert "1 GB/s" in app.query_one(FleetPane).text()
            assert _shown(app, "working_set", "n-0000") == 4 * GIB
            assert not _shown(app, "working_set", "n-0999") >= 0
            await pilot.press(*["down"] * 10)
            await _settled(app, pilot)
            assert len(live.detailed) == 1  # they were there already
            await pilot.press("end")
            await _settled(app, pilot)
            assert len(live.detailed) == 2
            assert _shown(app, "working_set", "n-0999") == 4 * GIB
            fleet[-1]["used"] = 5 * GIB
            live.fails = True
            for _ in range(2):
                live.engine.now += 15
                app.action_now()
                await _settled(app, pilot)
            assert not _shown(app, "working_set", "n-0999") >= 0  # what cannot be had anew is not known
            live.fails = False
            await pilot.press("s", "s")
            await _settled(app, pilot)
            assert app.seen.view.sort == "working_set"
            assert live.wanted[-1] == {"working_set"}
            assert app.seen.order[0] == app.seen.picture.hosts.names.index("n-0999")  # type: ignore[union-attr]

    asyncio.run(play())


def test_idle_times_between_the_ends_lead_to_the_ends() -> None:
    script = Script(whole(threshold=420))
    app = FleetApp(URL, Wish(threshold=420), script.questions, every=1e6, clock=lambda: 0.0)

    async def play() -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            for key in ("greater_than_sign", "less_than_sign", *["less_than_sign"] * 4):
                await _settled(app, pilot)
                await pilot.press(key)
            await _settled(app, pilot)

    asyncio.run(play())
    assert [one.threshold for one in script.wishes] == [420, 900, 300, 120, 60]


@pytest.mark.parametrize("size", [(1, 1), (20, 6), (21, 7), (300, 90), (60, 15)])
@pytest.mark.parametrize("hosts", [FLEET, MANY, EVIL])
def test_every_size_is_filled(size: tuple[int, int], hosts: object) -> None:
    picture = whole(hosts, by="rack")
    order = tuple(range(len(picture.hosts)))
    for seen in (
        Seen(URL),
        Seen(URL, picture, over(), order=order, by="rack"),
        Seen(URL, picture, over(), order=order, by="rack", groups=True),
        Seen(URL, picture, over(), order=order, opened=0),
        Seen(URL, picture, error="x" * 500, typing=True),
    ):
        lines = draw(seen, *size)
        assert len(lines) == size[1]


@pytest.mark.parametrize("instance", ["a;reboot:1", "-oProxyCommand=reboot:1", "$(reboot)"])
def test_a_machine_without_a_name_cannot_be_watched_live(instance: str) -> None:
    app = fed(whole([host(instance)]))
    text = played(app, "enter", "L")
    assert "ssh root@" not in text
    assert text.count("is no name of a machine") == 2  # in its place, and as an answer to the key
    assert app.seen.command == ""
    assert not app.live


@pytest.mark.parametrize(("key", "live"), [("enter", "big:1"), ("escape", ""), ("q", ""), ("y", "")])
def test_a_command_is_shown_and_asked_about_before_it_is_run(key: str, live: str) -> None:
    app = fed(whole())

    async def play() -> None:
        async with app.run_test(size=(140, 30)) as pilot:
            await pilot.press("L")
            assert not app.seen.command  # no host is open
            await pilot.press("enter", "L")
            await pilot.pause()
            text = app.query_one(FleetPane).text()
            command = "ssh -T -o BatchMode=yes -o ConnectTimeout=10 -- root@big 'damontui record stat -o -'"
            assert f"run {command}" in text
            await pilot.press(key)
            assert app.live == live
            assert app.seen.command == ""
            assert app.is_running != bool(live)

    asyncio.run(play())


def test_another_screen_goes_on_where_one_was_and_says_what_came_of_it() -> None:
    before = fed(whole(MANY))
    played(before, "down", "enter", "L", "enter")
    app = FleetApp(URL, Wish(), clock=lambda: 0.0, seen=before.seen, said="cannot watch it live: \x1b[31m no")
    text = played(app)
    assert "cannot watch it live" in text
    assert "\x1b" not in text
    assert before.live in text
    text = played(FleetApp(URL, Wish(), clock=lambda: 0.0, seen=before.seen, said="cannot"), "escape")
    assert "cannot" not in text
