"""The mailbox: what comes out in which order, and what need not be kept."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from damontui.damon.snapshot import Snapshot
from damontui.session.mailbox import Mailbox, Snapshots
from tests import make
from tests.tui.made import interim


def emptied(box: Mailbox[str]) -> list[tuple[str, object]]:
    out = []
    while (mail := box.take()) is not None:
        out.append(mail)
    return out


def test_news_comes_out_in_order() -> None:
    box: Mailbox[str] = Mailbox()
    off, error = make.status("off", "switched off", 9.0), ValueError()
    for event in (off, error, off):
        box.put("here", event)
    assert len(box) == 3
    assert emptied(box) == [("here", off), ("here", error), ("here", off)]
    assert box.take() is None


def test_of_snapshots_the_newest_is_kept_and_the_others_are_counted() -> None:
    box: Mailbox[str] = Mailbox()
    past = make.steady(5)
    for snapshot in past:
        box.put("here", snapshot)
    assert emptied(box) == [("here", Snapshots(past[-1], 5))]


def test_what_came_between_and_who_sent_it_is_kept_apart() -> None:
    box: Mailbox[str] = Mailbox()
    one, two, three, four = make.steady(4)
    off = make.status("off", "switched off", 9.0)
    for sender, event in (("here", one), ("there", two), ("there", three), ("there", off), ("there", four)):
        box.put(sender, event)
    assert emptied(box) == [
        ("here", Snapshots(one)),
        ("there", Snapshots(three, 2)),
        ("there", off),
        ("there", Snapshots(four)),
    ]


def test_the_newest_that_lost_events_is_told() -> None:
    box: Mailbox[str] = Mailbox()
    one, two, three, four = make.steady(4)
    two, three = replace(two, complete=False, lost=3), replace(three, complete=False, lost=7)
    for snapshot in (one, two, three, four):
        box.put("here", snapshot)
    assert emptied(box) == [("here", Snapshots(four, 4, three))]


def test_news_of_an_aggregation_gives_way_to_what_follows_it() -> None:
    box: Mailbox[str] = Mailbox()
    one, two = make.steady(2)
    for event in (one, interim(1.0), interim(2.0), two):
        box.put("here", event)
    assert emptied(box) == [("here", Snapshots(two, 2))]
    box.put("here", one)
    box.put("here", last := interim(3.0))
    assert emptied(box) == [("here", Snapshots(one)), ("here", last)]


@pytest.mark.parametrize("between", [False, True])
def test_what_nobody_took_is_not_held(between: bool) -> None:
    def held() -> int:
        return sum(isinstance(one, Snapshot) for one in gc.get_objects())

    box: Mailbox[str] = Mailbox()
    before = held()
    for number in range(500):
        box.put("here", make.many_regions(8, step=number))
        if between:
            box.put("here", interim(float(number)))
    assert held() - before <= 1
    assert len(box) <= 2
