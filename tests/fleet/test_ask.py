"""The fleet's picture: sums, states, percentiles and what-if, from an engine in memory; as text and as JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.errors import SourceError, UsageError
from damontui.fleet.ask import Wish, ask, ask_hosts, history, quoted, trend
from damontui.fleet.client import Series
from damontui.fleet.model import BOUNDS, STATES, Buckets, Picture, View, buckets, rows, state_of, what_if
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


def picture(**words: object) -> Picture:
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
    could = what_if(picture().hosts, 900)
    # 12 - 2, 8 - 2 and 252 GiB
    assert could.idle == (10 + 6 + 252) * GIB
    assert (could.hosts, could.half) == (3, 1)
    assert what_if_words(could) == "idle for 15 min: 268 GiB on 3 hosts; half of it on 1"


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
        {"threshold": 600},
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
    assert what_if(found.hosts, 900).idle == 0
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


# -- buckets


def test_quantiles_are_those_of_histogram_quantile() -> None:
    made = buckets([("+Inf", 100.0), ("60", 30.0), ("0", 10.0), ("300.0", 70.0)])
    assert made is not None
    assert made.bounds == (0.0, 60.0, 300.0, math.inf)
    assert made.quantile(0.05) == 0.0
    assert made.quantile(0.2) == pytest.approx(30.0)
    assert made.quantile(0.5) == pytest.approx(180.0)
    assert made.quantile(0.9) == 300.0  # the last bucket has no upper end
    assert (made.idle(60.0), made.total) == (70.0, 100.0)
    assert math.isnan(made.idle(61.0))


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
        return state_of(**(fine | changes))  # type: ignore[arg-type]

    assert state() == "ok"
    assert state(enabled=0.0, age=math.nan) == "off"
    assert state(total=math.nan) == state(watched=math.nan) == "unknown"
    assert state(age=301.0) == state(age=-31.0) == "stale"
    assert state(interval=226.0) == "unlike"
    assert state(interval=225.0) == "ok"


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
    from damontui.output.metrics import BOUNDS as EXPORTED

    assert set(BOUNDS) <= set(EXPORTED)
