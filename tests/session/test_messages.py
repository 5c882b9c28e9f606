"""What a session says beside the numbers: put away, brought back, and said again once it is another one."""

from __future__ import annotations

from dataclasses import replace

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Interim, Snapshot
from damontui.errors import SourceError
from tests import make
from tests.tui import fed


def test_messages_are_put_away_and_brought_back() -> None:
    session = fed.begun(make.description(reason="synthetic", notice="it was left off"))
    session.messages.notice = SourceError("no", "why not")
    session.messages.dismiss()
    assert not session.messages.said
    assert session.messages.recall()
    assert (session.description.reason, session.description.notice) == ("synthetic", "it was left off")
    assert str(session.messages.notice) == "no: why not"
    assert not fed.begun().messages.recall()


def stat(time: float, aggr_us: int) -> Snapshot:
    attrs = Attrs(aggr_us // 20, aggr_us)
    return make.snapshot([(0, 4096, 1, 0)], time, attrs=attrs, module=make.module_values())


def test_a_long_aggregation_is_said_while_it_is_long() -> None:
    session = fed.begun(make.description())
    assert session.messages.long_s == 0
    fed.hear(session, stat(10.0, 10_000_000))
    assert (session.messages.long_s, session.messages.said) == (0, False)
    fed.hear(session, stat(50.0, 20_000_000))
    assert (session.messages.long_s, session.messages.said) == (20, True)
    session.messages.dismiss()
    assert not session.messages.said
    fed.hear(session, stat(90.0, 40_000_000))
    assert not session.messages.said, "it was put away, and is as long as ever"
    assert session.messages.recall()
    assert session.messages.long_s == 40
    session.messages.dismiss()
    fed.hear(session, stat(95.0, 5_000_000))
    assert not session.messages.said
    fed.hear(session, stat(130.0, 20_000_000))
    assert session.messages.said, "it was over meanwhile"


def test_only_an_aggregation_of_damon_stat_that_is_on_is_long() -> None:
    others = (
        (make.description(), replace(stat(200.0, 100_000_000), module=None)),
        (make.description(), replace(stat(200.0, 100_000_000), module=make.module_values(enabled=False))),
        (make.description("simulated"), stat(200.0, 100_000_000)),
        (make.description("record"), stat(200.0, 100_000_000)),
    )
    for about, snapshot in others:
        session = fed.begun(about)
        fed.hear(session, snapshot)
        assert session.messages.long_s == 0


def test_before_the_first_picture_the_module_says_how_long_it_takes() -> None:
    session = fed.begun(make.description())
    values = replace(make.module_values(), aggr_interval_us=100_000_000)
    fed.hear(session, Interim(5.0, make.WALL, values))
    assert session.messages.long_s == 100


def test_a_note_that_was_put_away_stays_so_while_only_its_numbers_change() -> None:
    session = fed.begun(make.description())
    slow = [make.snapshot([(0, 4096, 1, 0)], float(t), note=f"readings slowed to one in 1.{t} s") for t in range(1, 5)]
    fed.hear(session, slow[0])
    assert session.messages.said
    session.messages.dismiss()
    assert not session.messages.said
    fed.hear(session, slow[1])
    assert not session.messages.said
    assert session.messages.recall()
    session.messages.dismiss()
    fed.hear(session, replace(slow[2], note="somebody else clears the accessed bits"))
    assert session.messages.said
    fed.hear(session, slow[3])
    assert session.messages.said, "it was over meanwhile"
