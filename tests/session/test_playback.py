"""A record plays, and is gone through until all of it is known."""

from __future__ import annotations

from damontui.session.session import Session
from tests import make
from tests.tui import fed


def recorded() -> Session:
    session = fed.begun(make.description("record", speed=60.0))
    fed.hear(session, *make.steady(240))
    return session


def test_a_record_plays_from_its_beginning_to_its_end() -> None:
    session = recorded()
    assert session.span == 240, "all of it"
    session.pause()
    assert (session.playback.playing, session.viewport.moment) == (True, 1)
    session.playback.advance(2.0)
    assert session.viewport.moment == 121
    session.playback.change_pace(-1)
    assert session.playback.pace == 30
    session.pause()
    session.playback.advance(2.0)
    assert session.viewport.moment == 121
    session.pause()
    session.playback.advance(10.0)
    assert (session.playback.playing, session.viewport.moment) == (False, None)


def test_a_record_is_gone_through_little_by_little_and_then_leaves_one_alone() -> None:
    session = recorded()
    steps = 0
    while session.playback.busy and steps < 100:
        session.playback.catch_up()
        steps += 1
    assert steps == 3  # 100 snapshots each
    assert not session.playback.busy
    assert not session.playback.catch_up(), "nothing is new"
    fed.hear(session, make.steady(241)[240])
    assert session.playback.busy


def test_only_a_record_plays() -> None:
    session = fed.begun()
    fed.hear(session, *make.steady(5))
    assert not session.playback.busy
    session.playback.change_pace(1)
    assert "only a record plays" in str(session.messages.notice)
