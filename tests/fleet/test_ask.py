"""The fleet's picture: sums, states, percentiles and what-if, from an engine in memory; as text and as JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.errors import SourceError, UsageError
from damontui.fleet.ask import ask_details, ask_hosts
from damontui.fleet.client import Series
from damontui.fleet.looks import Looks
from damontui.fleet.model import BOUNDS, DETAILS, STATES, Buckets, FleetPicture, View, buckets, rows, states_of, what_if
from damontui.fleet.sums import ask, history, trend
from damontui.fleet.wish import Wish, matchers, quoted
from damontui.fleet.words import states_words, what_if_words
from damontui.output import fleet as output
from tests.fleet.scripted import BUCKETS, GIB, NOW, Engine, host

FLEET = (
    host("a:1"),
    host("b:1", used=8 * GIB),
    host("big:1", size=256 * GIB, free=0, rack="r2"),
    host("off:1", enabled=0.0),
    host("late:1", age=4000.0),
    host("ahead:1", age=-3600.0),
    host("new:1", watched=30.0),
    host("old:1", kernel="6.17.4"),
    host("slow:1", interval=400.0),
)


def picture(**words: object) -> FleetPicture:
    return ask(Engine(FLEET, gone=("was:1",)), Wish(**words), NOW)  # type: ignore[arg-type]


def test_hosts_in_each_state_are_told_apart() -> None:
    found = picture()
    states = dict(zip(found.hosts.names, found.hosts.states, strict=True))
    assert states == {
        "a:1": "ok",
        "b:1": "ok",
        "big:1": "ok",
        "off:1": "off",
        "late:1": "stale",
        "ahead:1": "stale",
        "new:1": "new",
        "old:1": "old",
        "slow:1": "unlike",
        "was:1": "gone",
    }
    assert set(found.counted) <= set(STATES)
    words = states_words(found)
    assert words == "3 of 10 hosts summed; not 1 gone, 1 off, 2 stale, 1 new, 1 old, 1 unlike"


def test_idle_memory_without_what_is_free_and_who_holds_it() -> None:
    could = what_if(picture(rule="kernel"))
    # 12 - 2, 8 - 2 and 252 GiB: to the kernel's rule free memory is idle
    assert could.idle == (10 + 6 + 252) * GIB
    assert (could.hosts, could.half) == (3, 1)
    assert what_if_words(could) == "idle for 15 min: 268 GiB on 3 hosts; half of it on 1"
    # the estimate has left it out already, and never twice
    assert what_if(picture()).idle == (12 + 8 + 252) * GIB


def test_an_engine_whose_sums_are_not_its_hosts_is_told() -> None:
    engine = Engine(FLEET)
    assert any("not those of its hosts" in one for one in ask(engine, Wish(), NOW).notes)  # it summed slow:1, too
    fine = Engine([one for one in FLEET if one["instance"] != "slow:1"])
    assert ask(fine, Wish(), NOW).notes == ()


def test_sums_by_a_label() -> None:
    found = picture(by="rack")
    assert set(found.sums) == {"", "r1", "r2"}
    assert found.sums["r2"].total == 256 * GIB
    assert found.sums[""].total == found.sums["r1"].total + found.sums["r2"].total
    assert found.hosts.groups[found.hosts.names.index("big:1")] == "r2"


def test_a_recording_rule_spares_the_engine() -> None:
    engine = Engine(FLEET)
    engine.recorded = [(le, 100.0 * at) for at, le in enumerate(BUCKETS)]
    found = ask(engine, Wish(), NOW)
    assert found.sums[""].total == 1200
    assert not [one for one in engine.asked if one.startswith("sum by") and "damon_enabled" in one]
    ask(engine, Wish(match='rack="r1"'), NOW)  # of some hosts nothing is recorded
    assert [one for one in engine.asked if one.startswith("sum by") and "damon_enabled" in one]
    assert trend(engine, Wish(), NOW, 3600.0).recorded


def test_percentiles_over_time_and_of_a_host() -> None:
    engine = Engine(FLEET)
    found = trend(engine, Wish(), NOW, 3600.0)
    assert len(found.times) == len(found.sums) == 3
    assert not found.recorded
    hosts = ask(engine, Wish(), NOW).hosts
    assert history(engine, Wish(), hosts, 0, NOW, 3600.0).sums[0].total > 0
    assert 'instance="a:1"' in engine.asked[-1]


@pytest.mark.parametrize("text", ['"} or up{a="', "a\\", "a\nb", "\x1b[31m", "é"])
def test_names_are_quoted_in_questions(text: str) -> None:
    made = quoted(text)
    assert made.startswith('"')
    assert made.endswith('"')
    assert "\n" not in made
    inner = made[1:-1]
    assert not inner.replace("\\\\", "").replace('\\"', "").count('"')


def test_nothing_to_see() -> None:
    with pytest.raises(SourceError, match="knows no damon_enabled"):
        ask(Engine([]), Wish())
    with pytest.raises(SourceError, match="of those hosts"):
        ask(Engine([]), Wish(match='a="b"'))


@pytest.mark.parametrize(
    "words",
    [
        {"threshold": 59},
        {"threshold": 14401},
        {"threshold": math.nan},
        {"rule": "no"},
        {"by": "a b"},
        {"by": 'le) or up{a="'},
        {"match": "rack"},
        {"match": 'rack="a'},
        {"match": 'rack="a"} or up{'},
        {"match": 'a="b" c="d"'},
        {"match": 'a="\n"'},
    ],
)
def test_wishes_that_cannot_be(words: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"--(idle|rule|by|match)"):
        Wish(**words)  # type: ignore[arg-type]


def test_matchers_stand_in_every_question() -> None:
    engine = Engine(FLEET)
    ask(engine, Wish(match='dc=~"eu.*", rack!="r\\"9",'), NOW)
    for query in engine.asked:
        for part in query.split("{")[1:]:
            assert part.startswith('dc=~"eu.*", rack!="r\\"9"'), query


class Lying(Engine):
    """An engine whose values are none."""

    def __init__(self, value: float) -> None:
        super().__init__(FLEET)
        self.value = value

    def instant(self, query: str, at: float | None = None) -> list[Series]:
        return [Series(one.labels, ((one.points[0][0], self.value),)) for one in super().instant(query, at)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 1e300])
def test_values_that_cannot_be_are_not_known(value: float) -> None:
    found = ask(Lying(value), Wish(by="rack"), NOW)
    assert "ok" not in found.counted
    assert what_if(found).idle == 0
    assert json.loads(output.dump(found, "http://x"))["could_be_saved"]["bytes"] == 0
    assert "NaN" not in output.dump(found, "http://x")
    assert output.summary(found, "http://x")


def test_two_series_of_one_host_are_told() -> None:
    found = ask(Engine([host("a:1"), host("a:1", rack="r2")]), Wish(), NOW)
    assert len(found.hosts) == 1
    assert any("left out" in one for one in found.notes)


def test_hosts_come_before_sums() -> None:
    engine = Engine(FLEET)
    found = ask_hosts(engine, Wish(), NOW)
    assert not found.whole
    assert not found.sums
    assert len(found.hosts) == len(FLEET)
    assert not [one for one in engine.asked if one.startswith("sum")]


# -- an idle time within a bucket


def evenly(size: int, end: float) -> Callable[[float], float]:
    """Bytes at most as idle as a time, spread evenly up to an end."""
    return lambda seconds: size * min(1.0, seconds / end)


def test_idle_times_within_a_bucket_are_linear_between_its_ends_which_are_the_least_and_the_most() -> None:
    size = 16 * GIB
    even = host("even:1", size=size, free=0, curve=evenly(size, 14400.0))
    step = host("step:1", size=size, free=0, curve=lambda seconds: 0.0 if seconds < 500 else float(size))
    found = ask(Engine([even, step, host("at-end:1", free=0)]), Wish(threshold=420), NOW)
    columns = {name: dict(zip(found.hosts.names, values, strict=True)) for name, values in found.hosts.columns.items()}
    assert columns["idle"]["even:1"] == pytest.approx(size * (1 - 420 / 14400))  # spread as it is taken to be: exact
    assert columns["idle_least"]["even:1"] == size * (1 - 900 / 14400)
    assert columns["idle_most"]["even:1"] == size * (1 - 300 / 14400)
    assert (columns["idle_least"]["step:1"], columns["idle_most"]["step:1"]) == (0.0, size)  # the truth is the most
    assert columns["idle"]["step:1"] == pytest.approx(size * 0.8)
    assert columns["idle"]["at-end:1"] == columns["idle_least"]["at-end:1"] == columns["idle_most"]["at-end:1"]
    could = what_if(found)
    assert could.least < could.idle < could.most
    assert what_if_words(could).startswith("idle for 7 min: 40.3 GiB (27.0 GiB to 43.7 GiB) on 3 hosts")
    made = json.loads(output.dump(found, "http://x"))
    saved = made["could_be_saved"]
    assert (saved["least_bytes"], saved["most_bytes"]) == (round(could.least), round(could.most))
    assert made["hosts"][1]["idle_least_bytes"] == 0


@given(st.floats(60.0, 14400.0), st.floats(60.0, 1e5))
def test_an_interval_holds_the_truth_and_is_a_point_at_the_ends(threshold: float, end: float) -> None:
    size = 16 * GIB
    curve = evenly(size, end)
    one = host("a:1", size=size, curve=curve, watched=1e6, interval=1.0)
    hosts = ask_hosts(Engine([one]), Wish(threshold=threshold), NOW).hosts
    least, idle, most = (float(hosts.columns[name][0]) for name in ("idle_least", "idle", "idle_most"))
    true = size - curve(threshold)
    assert least - 1 <= true <= most + 1
    assert least <= idle <= most
    if threshold in BOUNDS:
        assert least == idle == most


# -- as few questions as it takes


def test_sums_over_all_hosts_less_those_left_out_are_those_over_the_good_ones() -> None:
    many = [host(f"n-{at}.x:1", rack=f"r{at % 3}", size=(16 + at) * GIB) for at in range(40)]
    many += [host("new+[1]:1", watched=10.0), host("old:1", kernel="6.17.4", rack="r9"), host("off:1", enabled=0.0)]
    for by in ("", "rack"):
        engine = Engine(many)
        found = ask(engine, Wish(by=by), NOW)
        assert not [one for one in engine.asked if one.startswith("sum") and " and on " in one]
        matched = {one.labels["le"]: one.points[0][1] for one in engine.instant(Wish().sums())}
        assert found.sums[""].cumulated == tuple(matched[le] for le in BUCKETS)
        assert set(found.sums) == ({"", "r0", "r1", "r2"} if by else {""})  # of r9 no host is good
        assert found.notes == ()


def test_where_that_is_not_what_the_hosts_say_each_bucket_is_matched() -> None:
    class More(Engine):
        """Buckets of hosts that say nothing else of themselves."""

        def _sums(self, by: str, hosts: Sequence[Mapping[str, Any]]) -> list[Series]:
            there = [*hosts, host("only-buckets:1")] if len(hosts) == len(self.hosts) else hosts
            return super()._sums(by, there)

    engine = More([host("a:1"), host("b:1"), host("c:1"), host("d:1"), host("new:1", watched=10.0)])
    found = ask(engine, Wish(), NOW)
    assert found.sums[""].total == 4 * 16 * GIB
    assert [one for one in engine.asked if one.startswith("sum") and " and on " in one]


def test_names_in_a_question_are_as_many_as_fit_and_mean_themselves_only() -> None:
    names = [f"host-{at:05d}.a+b|c.example:9100" for at in range(1000)]
    asked = list(matchers([("j", name) for name in names] + [('k"', "x")]))
    assert all(len(one) < 13_000 for one in asked)
    assert len(asked) > 3
    assert asked[-1].startswith('job="k\\""')
    found = []
    for one in asked[:-1]:
        inner = one.partition('instance=~"')[2][:-1].replace("\\\\", "\\")
        found += [name for name in names if re.fullmatch(inner, name)]
        assert not re.fullmatch(inner, names[0].replace("+", ""))
    assert sorted(found) == names
    assert list(matchers([])) == []


def test_details_of_some_hosts() -> None:
    engine = Engine(FLEET)
    picture = ask_hosts(engine, Wish(), NOW, details=())
    assert np.isnan(picture.hosts.columns["working_set"]).all()
    at = [picture.hosts.names.index(name) for name in ("b:1", "off:1", "big:1")]
    asked = len(engine.asked)
    filled = picture.filled(ask_details(engine, Wish(), picture, at))
    assert len(engine.asked) == asked + len(DETAILS)
    used = dict(zip(filled.hosts.names, filled.hosts.columns["working_set"], strict=True))
    assert used["b:1"] == 8 * GIB
    assert math.isnan(used["a:1"])
    assert math.isnan(used["off:1"])
    # what is known of all hosts is not overwritten by what was known of some
    whole = ask_hosts(engine, Wish(), NOW, details=("working_set",))
    late = replace(ask_details(engine, Wish(), picture, at), columns={"working_set": np.array([1.0, 1.0])})
    assert whole.filled(late).hosts.columns["working_set"][at[0]] == 8 * GIB


def test_hosts_that_are_gone_are_looked_for_once_a_minute() -> None:
    engine = Engine([host("a:1")], gone=("was:1",))
    looks = Looks(engine)

    def look() -> tuple[list[FleetPicture], int]:
        before = len([one for one in engine.asked if " offset " in one])
        made = list(looks.pictures(Wish(), ()))
        return made, len([one for one in engine.asked if " offset " in one]) - before

    made, asked = look()
    assert asked == 1
    assert [len(one.hosts) for one in made] == [1, 2]
    engine.now += 15
    made, asked = look()
    assert asked == 0
    assert [one.hosts.names for one in made] == [("a:1", "was:1")] * 2  # its row does not come and go
    engine.hosts = [host("a:1"), host("was:1")]
    assert [one.hosts.states for one in look()[0]] == [("ok", "ok")] * 2
    engine.now += 60
    assert look()[1] == 1
    assert len(list(looks.pictures(Wish(match='rack="r1"'), ()))) == 2
    assert [one for one in engine.asked if " offset " in one][-1].count('rack="r1"') == 4


def test_the_past_is_asked_for_once() -> None:
    engine = Engine(FLEET)
    found = trend(engine, Wish(), NOW, 3600.0)
    assert (len(found.times), found.recorded) == (3, False)
    assert NOW - found.times[-1] < 300
    for wanted in (6, 9, 12, 13, 13):
        asked = len(engine.asked)
        found = trend(engine, Wish(), NOW + 1, 3600.0, before=found)
        assert len(found.times) == wanted
        assert list(found.times) == sorted(found.times)
    assert len(engine.asked) == asked + 1  # nothing but whether there is a rule
    later = trend(engine, Wish(), NOW + 300, 3600.0, before=found)
    assert len(later.times) == 13
    assert later.times[0] == found.times[1]
    assert len(engine.asked) == asked + 3


# -- buckets


def test_quantiles_are_those_of_histogram_quantile() -> None:
    made = buckets([("+Inf", 100.0), ("60", 30.0), ("0", 10.0), ("300.0", 70.0)])
    assert made is not None
    assert made.bounds == (0.0, 60.0, 300.0, math.inf)
    assert made.quantile(0.05) == 0.0
    assert made.quantile(0.2) == pytest.approx(30.0)
    assert made.quantile(0.5) == pytest.approx(180.0)
    assert made.quantile(0.9) == 300.0  # the last bucket has no upper end
    assert made.total == 100.0


def test_one_bound_in_two_ways_is_added_up_and_what_falls_is_levelled() -> None:
    made = buckets([("60", 1.0), ("60.0", 2.0), ("120", 1.0), ("+Inf", 5.0)])
    assert made is not None
    assert made.cumulated == (3.0, 3.0, 5.0)


@given(st.lists(st.tuples(st.text(max_size=4) | st.sampled_from(BUCKETS), st.floats()), max_size=20))
def test_no_buckets_are_a_fault(pairs: list[tuple[str, float]]) -> None:
    made = buckets(pairs)
    if made is not None:
        assert all(np.diff(made.cumulated) >= 0)
        found = [made.quantile(share) for share in (0.0, 0.5, 1.0)]
        assert math.isnan(found[0]) or found == sorted(found)


def test_no_bytes_have_no_quantile() -> None:
    assert math.isnan(Buckets((0.0, math.inf), (0.0, 0.0)).quantile(0.5))
    assert buckets([]) is None


def test_states_by_importance() -> None:
    fine = {"enabled": 1.0, "age": 1.0, "watched": 1e4, "interval": 2.0, "total": 1.0, "old": False, "threshold": 900.0}

    def state(**changes: object) -> str:
        told = {name: np.array([value]) for name, value in (fine | changes).items() if name != "threshold"}
        return states_of(**told, threshold=float((fine | changes)["threshold"]))[0]  # type: ignore[arg-type]

    assert state() == "ok"
    assert state(enabled=0.0, age=math.nan) == "off"
    assert state(total=math.nan) == state(watched=math.nan) == "unknown"
    assert state(age=301.0) == state(age=-31.0) == "stale"
    assert state(interval=226.0) == "unlike"
    assert state(interval=225.0) == "ok"
    assert state(watched=899.0) == "new"
    # all of 500 s of watching is in the bucket that ends at 900 s, so nothing can be said of 420 s
    assert state(watched=500.0, threshold=420.0) == "new"
    assert state(watched=500.0, threshold=300.0) == "ok"


# -- the table


def test_rows_are_sorted_and_filtered_and_the_unknown_come_last() -> None:
    hosts = picture().hosts
    names = [hosts.names[at] for at in rows(hosts, View())]
    assert names[0] == "big:1"
    unknown = {"off:1", "was:1"}
    assert set(names[-2:]) == unknown
    up = [hosts.names[at] for at in rows(hosts, View(descending=False))]
    assert set(up[-2:]) == unknown
    assert [hosts.names[at] for at in rows(hosts, View(state="stale", sort="name", descending=False))] == [
        "ahead:1",
        "late:1",
    ]
    assert [hosts.names[at] for at in rows(hosts, View(wanted="ig"))] == ["big:1"]
    assert rows(hosts, View(wanted="nothing")) == []


# -- out of here


def test_json_has_every_host_and_no_number_that_is_none() -> None:
    found = json.loads(output.dump(picture(by="rack"), "http://x"), parse_constant=lambda word: pytest.fail(word))
    assert found["schema"] == 1
    assert len(found["hosts"]) == 10
    assert found["states"]["ok"] == 3
    assert set(found["groups"]) == {"r1", "r2"}
    by_name = {one["instance"]: one for one in found["hosts"]}
    assert by_name["a:1"]["idle_bytes"] == 12 * GIB
    assert by_name["was:1"]["total_bytes"] is None
    assert found["idle"]["idle_at_most"][-1] == {"seconds": None, "bytes": found["idle"]["bytes"]}


def test_text_says_what_is_summed_and_shows_nothing_that_a_terminal_obeys() -> None:
    evil = host("\x1b]0;owned\x07:1", rack="\u202e[bold]")
    found = ask(Engine([host("a:1"), evil, host("off:1", enabled=0.0)]), Wish(by="rack"), NOW)
    text = output.summary(found, "http://x")
    assert "2 of 3 hosts summed; not 1 off" in text
    assert "off: its monitoring is switched off" in text
    assert "p50" in text
    assert not [char for char in text if char in "\x1b\x07\u202e"]
    assert len(text.splitlines()) < 30


def test_bounds_are_ends_of_the_exporter_s_buckets() -> None:
    from damontui.output.metrics import BUCKET_BOUNDS

    assert set(BOUNDS) <= set(BUCKET_BOUNDS)
