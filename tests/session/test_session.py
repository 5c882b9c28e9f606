"""A session without any screen: switch, targets, records, the moment shown, and what is known of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from damontui.damon.snapshot import Description, Event, Snapshot
from damontui.errors import DamontuiError, SourceError
from damontui.history import History
from damontui.monitor import Monitor
from damontui.session.session import SPAN, Session
from damontui.sources.active import ActiveSource
from damontui.sources.choose import choose
from damontui.sources.options import Options
from tests import make
from tests.tui import fed, made


@dataclass
class Later:
    """Work that a session asked for, done when the test says so."""

    work: list[tuple[str, Callable[[], None]]] = field(default_factory=list)

    def __call__(self, work: Callable[[], None], kind: str) -> None:
        self.work.append((kind, work))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.work]

    def do(self, kind: str) -> None:
        """The oldest of that kind."""
        at = self.kinds.index(kind)
        self.work.pop(at)[1]()


class Refusing(fed.Silent):
    """Its switch does not take."""

    @property
    def enabled(self) -> bool:
        return True

    @enabled.setter
    def enabled(self, on: bool) -> None:
        if hasattr(self, "refuses"):
            raise SourceError("cannot switch", "only root may", "run it with sudo")
        self.refuses = True  # the constructor's own


class Taken(fed.Silent):
    """A source that DAMON_STAT can be in the way of."""

    take = False


def begun(source: fed.Silent | None = None, **more: object) -> tuple[Session, Later]:
    later = Later()
    session = Session(Monitor(source or fed.Silent()), clock=lambda: make.WALL, run=later, **more)  # type: ignore[arg-type]
    session.begin()
    return session, later


def told(session: Session, *events: Event | DamontuiError) -> None:
    fed.hear(session, *events)


# -- what comes in -------------------------------------------------------------------------------------------------


def test_it_begins_by_monitoring_and_is_told_of_news() -> None:
    woken: list[int] = []
    later = Later()
    session = Session(Monitor(fed.Silent()), run=later)
    session.begin(lambda: woken.append(1))
    assert later.kinds == ["monitor"]
    assert not session.take()
    assert not session.wait(0.0)
    session.monitor.hear(make.steady(1)[0])
    assert woken == [1]
    assert session.wait(0.0)
    assert session.take()
    assert not session.wait(0.0)


def test_a_script_can_hold_one() -> None:
    source = choose("demo:steady", Options(speed=1e6, seed=7))
    with source:
        session = Session(Monitor(source))
        session.begin()
        while session.history.last is None:
            assert session.wait(30.0)
            session.take()
        session.close()
    assert len(session.history.last) > 0


def test_a_snapshot_ends_what_was_wrong_and_what_was_waited_for() -> None:
    session, _ = begun()
    told(session, make.status("waiting", "waiting for the first aggregation", 0.0), made.interim())
    assert session.status is not None
    assert session.interim is not None
    told(session, SourceError("cannot read", "it is gone"))
    assert session.error is not None
    told(session, make.steady(1)[0])
    assert (session.status, session.interim, session.error) == (None, None, None)


def test_lost_events_are_remembered_with_the_snapshot() -> None:
    session, _ = begun()
    one, two, three = make.steady(3)
    partial = replace(two, complete=False, lost=4)
    told(session, one, partial, three)
    assert session.lost is partial


def test_what_comes_in_while_another_moment_is_shown_is_counted() -> None:
    session, _ = begun()
    told(session, *make.steady(60))
    session.pause()
    assert session.viewport.moment == 60
    told(session, *make.steady(75)[60:])
    assert session.pending == 15
    session.pause()
    assert (session.viewport.moment, session.pending) == (None, 0)


# -- the switch ----------------------------------------------------------------------------------------------------


def test_off_and_on_again_keeps_the_past() -> None:
    session, later = begun()
    later.work.clear()
    told(session, *make.steady(5))
    session.switch()
    assert session.switching
    session.switch()  # it has not answered yet
    assert later.kinds == ["switch"]
    later.do("switch")
    session.take()
    assert (session.switching, session.enabled, session.monitor.source.enabled) == (False, False, False)
    assert session.status is not None
    assert session.status.state == "off"
    session.switch()
    later.do("switch")
    session.take()
    assert (session.enabled, session.status, later.kinds) == (True, None, ["monitor"])
    assert len(session.history) == 5


def test_a_switch_that_does_not_take_is_said() -> None:
    session, later = begun(Refusing())
    session.switch()
    later.do("switch")
    session.take()
    assert str(session.messages.notice).startswith("cannot switch: only root may")
    assert session.enabled


def test_somebody_elses_switch_is_told_from_ours() -> None:
    session, _ = begun()
    told(session, make.steady(1)[0], make.status("off", "switched off by another program", 1.0))
    assert (session.enabled, session.by_others) == (False, True)
    told(session, make.status("on", "", 2.0))
    assert (session.enabled, session.by_others) == (True, False)


def test_a_locked_switch_says_why_and_starts_afresh_after_an_error() -> None:
    session, later = begun(fed.Silent(make.description(locked="this session is read-only")))
    later.work.clear()
    session.switch()
    assert "read-only" in str(session.messages.notice)
    assert later.kinds == []
    told(session, SourceError("cannot read", "it is gone"))
    session.switch()
    later.do("switch")
    session.take()
    assert session.error is None
    assert session.monitor.source.enabled is True
    assert later.kinds == ["monitor"]


# -- another target ------------------------------------------------------------------------------------------------


def exchanging(first: fed.Silent, other: fed.Silent) -> tuple[Session, Later]:
    active = ActiveSource(first, lambda word: other)
    active.__enter__()
    later = Later()
    session = Session(Monitor(first, History(1 << 20)), active=active, clock=lambda: make.WALL, run=later)
    session.begin()
    assert session.exchange.possible
    session.exchange.pick(active.open("other"))
    return session, later


def trial(session: Session) -> Monitor:
    found = session.exchange._trial
    assert found is not None
    return found.monitor


def test_another_target_takes_over_once_it_has_said_something() -> None:
    first, other = fed.Silent(), fed.Silent(make.description(target="other", title="the other"))
    session, later = exchanging(first, other)
    told(session, *make.steady(5))
    session.pause()
    assert session.switching
    assert session.description.target != "other"
    before, monitor = session.monitor, trial(session)
    monitor.hear(make.steady(1)[0])
    session.take()
    assert session.monitor is monitor
    assert session.description.title == "the other"
    assert (len(session.history), session.history.budget, session.viewport.moment) == (1, 1 << 20, None)
    assert session.active is not None
    assert session.active.source is first
    later.do("switch")  # the one before is left
    session.take()
    assert session.active.source is other
    assert not session.switching
    before.hear(make.steady(2)[1])  # what it may still say is nothing to us
    assert not session.take()


def test_a_target_that_refuses_leaves_the_one_in_force() -> None:
    session, later = exchanging(fed.Silent(), fed.Silent())
    told(session, *make.steady(5))
    monitor = session.monitor
    trial(session).hear(SourceError("cannot watch it", "it is not there"))
    session.take()
    assert session.monitor is monitor
    assert str(session.messages.notice) == "cannot watch it: it is not there"
    assert not session.switching
    assert "leave" in later.kinds


def test_the_log_says_what_became_of_a_target_and_of_the_switch(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "damontui")
    named = [fed.Silent(make.description(target=word)) for word in ("1234", "5678")]
    session, later = exchanging(named[0], named[1])
    trial(session).hear(SourceError("cannot watch it", "it is not there"))
    session.take()
    later.do("leave")
    session.exchange.pick(session.active.open("other"))  # type: ignore[union-attr]
    trial(session).hear(make.steady(1)[0])
    session.take()
    later.do("switch")
    told(session, make.status("off", "", 1.0))
    assert [one.getMessage() for one in caplog.records if one.name != "damontui.monitor"] == [
        "entering Silent",
        "entering Silent",
        "try 5678; 1234 is in force meanwhile",
        "refused 5678: cannot watch it: it is not there; 1234 stays",
        "leaving Silent",
        "entering Silent",
        "try 5678; 1234 is in force meanwhile",
        "adopt 5678 in the place of 1234",
        "leaving Silent",
        "5678 was switched off by somebody else",
    ]


def test_what_is_in_the_way_of_a_target_can_be_taken_from_it() -> None:
    other = Taken()
    session, later = exchanging(fed.Silent(), other)
    trial(session).hear(SourceError("DAMON_STAT has it", "it is on", offer="take"))
    session.take()
    assert "leave" not in later.kinds, "it may still be wanted"
    session.take_over()
    assert other.take
    assert session.messages.notice is None
    trial(session).hear(make.steady(1)[0])
    session.take()
    assert session.monitor.source is other


def test_where_nothing_is_in_the_way_there_is_nothing_to_take() -> None:
    session, _ = begun()
    session.take_over()
    assert "not in the way" in str(session.messages.notice)


# -- the moment shown, and what is known of it ------------------------------------------------------------------------


def closer(answer: fed.Silent | SourceError) -> tuple[Session, Later, list[tuple[str, dict[str, object]]]]:
    """A session on what can be looked at closer, and what was opened for that."""
    first = fed.Silent(replace(make.description(), closer="paddr"))
    asked: list[tuple[str, dict[str, object]]] = []

    def choose(word: str, **changes: object) -> fed.Silent:
        asked.append((word, changes))
        if isinstance(answer, SourceError):
            raise answer
        return answer

    active = ActiveSource(first, choose)
    active.__enter__()
    later = Later()
    session = Session(Monitor(first, History(1 << 20)), active=active, clock=lambda: make.WALL, run=later)
    session.begin()
    told(session, *make.steady(5))
    session.take_over()
    assert session.switching
    session.take_over()  # once is enough
    later.do("open")
    session.take()
    return session, later, asked


def test_a_closer_look_than_that_of_damon_stat_is_taken() -> None:
    other = fed.Silent(make.description(target="paddr", title="physical memory"))
    session, _, asked = closer(other)
    assert asked == [("paddr", {"take": True})]
    trial(session).hear(make.steady(1)[0])
    session.take()
    assert session.monitor.source is other
    assert session.description.closer == ""


def test_a_closer_look_that_is_refused_leaves_the_one_in_force() -> None:
    session, _, _ = closer(SourceError("cannot watch paddr", "this kernel has no such thing"))
    assert not session.switching
    assert str(session.messages.notice) == "cannot watch paddr: this kernel has no such thing"
    assert len(session.history) == 5


def test_what_is_known_is_of_the_moment_shown() -> None:
    session, _ = begun()
    assert session.estimate() is None
    told(session, *make.steady(240))
    newest = session.estimate()
    assert newest is not None
    assert newest.time == 240
    session.show(session.viewport.at(session.history, 100.0))
    then = session.estimate()
    assert then is not None
    assert then.time == 100
    again = session.estimate()
    assert again is not None
    assert again.time == 100


def test_counted_bytes_need_no_estimate() -> None:
    session, _ = begun()
    told(session, *made.processes(5))
    assert session.estimate() is None


def test_the_span_is_what_was_asked_for() -> None:
    assert begun()[0].viewport.span == SPAN
    assert begun(span=30.0)[0].viewport.span == 30


def test_closing_ends_the_record_and_what_comes_in(tmp_path: Path) -> None:
    session, _ = begun()
    session.recording.begin(tmp_path)
    recorder = session.recording.recorder
    session.close()
    told(session, make.steady(1)[0])
    assert recorder is not None
    assert recorder.error is not None, "it has ended"
    assert session.status is None


@pytest.mark.parametrize("on", [True, False])
def test_the_switch_is_read_at_the_beginning(on: bool) -> None:
    source = fed.Silent()
    source.enabled = on
    assert begun(source)[0].enabled is on


def test_a_source_says_what_it_is_only_once_it_is_in_force() -> None:
    session, _ = begun(fed.Silent(Description("x", "the first", "kernel", make.description().attrs)))
    assert session.description.title == "the first"
    before = session.adopt(Monitor(fed.Silent(make.description(title="the second"))))
    assert before.source.describe().title == "the first"
    assert session.description.title == "the second"


def test_a_clock_that_begins_anew_is_another_past() -> None:
    session, _ = begun()
    past: list[Snapshot] = make.steady(30)
    told(session, *past)
    first = session.estimate()
    told(session, *past[:10])
    second = session.estimate()
    assert first is not None
    assert second is not None
    assert (first.time, second.time, len(session.history)) == (30, 10, 10)
