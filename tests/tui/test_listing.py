"""Which regions are listed, and in what order; the read-out's numbers and its past."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from damontui.analysis import usage
from damontui.analysis.heatmap import Place
from damontui.damon.snapshot import FRAME_KINDS, Frames, Pressure, ints
from damontui.errors import UsageError
from damontui.history import History
from damontui.tui import listing as lists
from damontui.tui.listing import Listing, moved, order, parse_filter
from damontui.tui.panes import detail
from damontui.tui.panes.detail import DetailPane, Track
from damontui.tui.panes.idle import IdlePane
from damontui.tui.panes.list import ListPane
from damontui.tui.panes.savings import SavingsPane, subject
from tests import make
from tests.make import GIB, MIB
from tests.pressure import pressure
from tests.tui import made
from tests.tui.frames import drawn, frame

SHOWN = make.snapshot(
    [
        (0, GIB, 20, 9),
        (GIB, GIB + MIB, 20, 3),
        (2 * GIB, 4 * GIB, 0, 119),
        (4 * GIB, 5 * GIB, 5, 0),
        (5 * GIB, 6 * GIB, 0, 4),
    ],
    names=("[heap]", "libc.so.6", "[heap]", "libm.so.6", "[stack]"),
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("heap", [0, 2]),
        ("LIB .so", [1, 3]),
        ("size>1.5G", [2]),
        ("size<=1M", [1]),
        ("rate>=25% lib", [1, 3]),
        ("rate<0.3 rate>0", [3]),
        ("idle>1m", [2]),
        ("idle≥5s", [2, 4]),
        ("used<5s", [1, 3]),
        ("nothing", []),
    ],
)
def test_what_people_write_chooses_regions(text: str, rows: list[int]) -> None:
    chosen = parse_filter(text).chosen(SHOWN)
    assert np.flatnonzero(chosen).tolist() == rows
    assert sorted(lists.rows(SHOWN, Listing(filter=parse_filter(text))).tolist()) == rows


def test_of_a_process_the_list_goes_by_the_bytes_that_it_shows() -> None:
    one = made.process()  # 1,080 MiB mapped, 424 in memory
    assert one.resident is not None
    large = parse_filter("size>100M").chosen(one)
    assert large.tolist() == (one.resident > 100 * MIB).tolist()
    assert large.tolist() != (one.sizes > 100 * MIB).tolist()
    by_size = lists.rows(one, Listing(sort="size"))
    assert one.resident[by_size].tolist() == sorted(one.resident.tolist(), reverse=True)
    rate = usage.rates(one)
    assert rate[lists.rows(one, Listing())].tolist() == sorted(rate.tolist(), reverse=True)
    assert parse_filter("rate>30%").chosen(one).tolist() == (rate > 0.3).tolist()
    seconds = usage.idle_ms_by_region(one) / 1000
    assert parse_filter("idle>1m").chosen(one).tolist() == (seconds > 60).tolist()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("speed>3", "no 'speed' to compare; known are size, rate, idle, used"),
        ("size>much", "size: 'much' is not a size"),
        ("idle>soon", "idle: 'soon' is not a duration"),
        ("<5", "'<5' compares nothing; write such as size>64M"),
    ],
)
def test_a_filter_that_cannot_be_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_filter(text)


@given(
    st.text(max_size=40)
    | st.from_regex(r"(size|rate|idle|used|x)(>|<|>=|≤)[0-9]{0,400}[KMGTEms%]{0,2}", fullmatch=True)
)
@example("size>" + "9" * 400 + "E")
def test_whatever_is_written_is_a_filter_or_a_sentence(text: str) -> None:
    try:
        chosen = parse_filter(text).chosen(SHOWN)
    except UsageError:
        return
    assert chosen.shape == (5,)


@pytest.mark.parametrize(
    ("sort", "rows"),
    [
        ("rate", [1, 0, 3, 4, 2]),
        ("size", [2, 0, 3, 4, 1]),
        ("state", [2, 4, 3, 1, 0]),
        ("address", [0, 1, 2, 3, 4]),
        ("name", [0, 2, 4, 1, 3]),
    ],
)
def test_sorting(sort: str, rows: list[int]) -> None:
    assert lists.rows(SHOWN, Listing(sort=sort)).tolist() == rows
    assert lists.rows(SHOWN, Listing(sort=sort, reverse=True)).tolist() == rows[::-1]


def test_sorting_by_names_that_are_not_there_is_by_address() -> None:
    assert lists.rows(replace(SHOWN, names=()), Listing(sort="name")).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("idle", ["[heap]", "[stack]", "libm.so.6", "libc.so.6"]),
        ("bytes", ["[heap]", "[stack]", "libm.so.6", "libc.so.6"]),
        ("used", ["[heap]", "libm.so.6", "libc.so.6", "[stack]"]),
        ("name", ["[heap]", "[stack]", "libc.so.6", "libm.so.6"]),
    ],
)
def test_owners_are_sorted_and_filtered(sort: str, names: list[str]) -> None:
    listing = Listing(grouped=True, owner_sort=sort)
    assert [one.name for one in lists.owners(SHOWN, listing, 5)] == names
    some = replace(listing, filter=parse_filter("lib"))
    assert [one.name for one in lists.owners(SHOWN, some, 5)] == [name for name in names if "lib" in name]
    assert [one.name for one in lists.owners(SHOWN, replace(listing, reverse=True), 5)] == names[::-1]


def test_the_list_fits_every_width_and_height() -> None:
    several = replace(SHOWN, target=np.array([0, 0, 0, 1, 1]), targets=(11, 22))
    for shown in (SHOWN, several, replace(SHOWN, names=())):
        for grouped in (False, True):
            for width in (20, 38, 50, 80, 120):
                for height in (1, 2, 4, 20):
                    lines = drawn(ListPane(), frame([shown], listing=Listing(grouped=grouped)), width, height)
                    assert "name" in lines[0] or width < 50


def test_a_row_says_what_the_region_is() -> None:
    lines = drawn(ListPane(), frame([SHOWN], listing=Listing(sort="address")), 100, 8)
    assert lines[3].split() == ["80000000", "2", "GiB", "0", "%", "idle", "2:00", "0", "-1.2e10", "[heap]"]
    assert lines[4].split() == ["100000000", "1", "GiB", "25", "%", "used", "1", "s", "5", "2.5e3", "libm.so.6"]


def test_many_regions_scroll_to_the_cursor() -> None:
    many = make.many_regions(1000)
    pane = ListPane()
    shown = frame([many], listing=Listing(sort="address"))
    assert drawn(pane, shown, 60, 12)[1].split()[0] == "0"
    place = Place(int(many.start[700]), 1.0, 0)
    lines = drawn(pane, replace(shown, cursor=place), 60, 12)
    assert sum(line.startswith("▶") for line in lines) == 1
    assert pane.regions[pane.top] < 700 < pane.regions[pane.top + 10]
    by_address = Listing(sort="address")
    assert pane.regions == order(many, by_address, 60.0)
    assert moved(many, by_address, pane.regions, place, 1) == 701
    assert moved(many, by_address, pane.regions, place, 900) == 999
    assert moved(many, by_address, pane.regions, None, 1) == 0
    assert moved(many, by_address, [], place, 1) is None


# -- the read-out --------------------------------------------------------------------------------------------------


def test_the_facts_of_a_region() -> None:
    found = detail.facts(SHOWN, Place(4 * GIB + 5, 1.0))
    assert found is not None
    assert (found.start, found.end, found.size, found.name) == (4 * GIB, 5 * GIB, GIB, "libm.so.6")
    assert (found.rate, found.hz, found.nr_accesses, found.samples) == (0.25, 5.0, 5, 20)
    assert (found.age, found.idle_ms) == (0, -1000)
    assert found.temperature == 25 * 100
    assert found.below == detail.Neighbour(2 * GIB, "idle for 2:00, [heap]")
    assert found.above == detail.Neighbour(GIB, "idle for 5 s, [stack]")
    first = detail.facts(SHOWN, Place(0, 1.0))
    assert first is not None
    assert first.below is None
    second = detail.facts(SHOWN, Place(GIB, 1.0))
    assert second is not None
    assert second.above == detail.Neighbour(GIB - MIB, "not mapped")
    assert detail.facts(SHOWN, Place(GIB + 2 * MIB, 1.0)) is None


def test_neighbours_are_of_the_same_process() -> None:
    two = make.snapshot([(0, GIB, 1, 1), (0, GIB, 2, 1)], target=[0, 1], targets=(11, 22))
    found = detail.facts(two, Place(0, 1.0, 1))
    assert found is not None
    assert (found.target, found.below, found.above) == (22, None, None)
    assert "target       22" in detail.plain(found, two, 2)


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (2.5e10, "2.5e10"), (-1.2e7, "-1.2e7"), (900.0, "9.0e2")])
def test_a_temperature_in_words(value: float, text: str) -> None:
    assert detail.temperature_words(value) == text


def test_the_read_out_at_every_size() -> None:
    shown = frame([SHOWN], cursor=Place(GIB + 4096, 1.0))
    for width in (30, 60, 80, 120):
        for height in (1, 3, 4):
            lines = drawn(DetailPane(), shown, width, height)
            assert len(lines) == height
            assert lines[0].startswith(" 0x40000000")
    assert (
        "not mapped at this moment" in drawn(DetailPane(), replace(shown, cursor=Place(GIB + 2 * MIB, 1.0)), 80, 3)[0]
    )
    assert "ago" in drawn(DetailPane(), replace(shown, live=False, behind=90.0), 120, 3)[0]


def test_the_read_out_tells_pressure_where_it_is_known() -> None:
    one = replace(SHOWN, pressure=pressure(20))
    shown = frame([one], cursor=Place(GIB + 4096, 1.0))
    for height in (3, 4, 5):
        lines = drawn(DetailPane(), shown, 160, height)
        assert len(lines) == height
        assert lines[-1].startswith(" pressure some 31 %, full 7.9 % of the time · read back ")
    assert "pressure" not in " ".join(drawn(DetailPane(), shown, 160, 2))
    of_group = replace(one, pressure=replace(pressure(20), group="/system.slice/we\x1bb.service"))
    assert drawn(DetailPane(), frame([of_group], cursor=Place(GIB, 1.0)), 160, 5)[-1].startswith(
        " pressure on we?b.service: some 31 %"
    )
    silent = replace(one, pressure=Pressure(note="pressure is not known: /proc/vmstat cannot be read"))
    assert "pressure" not in " ".join(drawn(DetailPane(), frame([silent], cursor=Place(GIB, 1.0)), 160, 5))
    found = detail.facts(one, Place(GIB, 1.0))
    assert found is not None
    assert "\npressure     some 31 %, full" in detail.plain(found, one, 1)


def blinking(count: int) -> History:
    """An address that is used in every second minute of an hour."""
    history = History()
    for t in range(1, count + 1):
        history.append(make.snapshot([(0, GIB, 0, 1), (GIB, 2 * GIB, 20 if (t - 1) // 60 % 2 else 0, 1)], float(t)))
    return history


def test_the_past_of_an_address() -> None:
    history = blinking(600)
    track = Track()
    assert track.columns(history, 0, GIB + 5, 600.0, 600.0, 10) == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert track.columns(history, 0, 5, 600.0, 600.0, 10) == [0] * 10
    assert track.columns(history, 0, GIB, 300.0, 240.0, 4) == [1, 0, 1, 0]
    assert all(math.isnan(value) for value in track.columns(history, 0, 3 * GIB, 600.0, 600.0, 10))
    assert all(math.isnan(value) for value in track.columns(history, 77, GIB, 600.0, 600.0, 10))
    assert track.columns(history, 0, GIB, 600.0, 600.0, 0) == []


def test_the_past_goes_on_with_what_comes_in_and_looks_up_only_that() -> None:
    history = blinking(240)
    track = Track()
    asked: list[tuple[float, int]] = []
    between = history.between

    def counted(since: float, until: float, most: int | None = None) -> object:
        found = between(since, until, most)
        asked.append((since, len(found)))
        return found

    history.between = counted  # type: ignore[assignment, method-assign]
    assert track.columns(history, 0, GIB, 240.0, 240.0, 4) == [0, 1, 0, 1]
    assert track.columns(history, 0, 5, 240.0, 240.0, 4) == [0, 0, 0, 0]
    for t in range(241, 301):
        history.append(make.snapshot([(GIB, 2 * GIB, 10, 1)], float(t)))
        track.columns(history, 0, GIB, float(t), 240.0, 4)
    assert track.columns(history, 0, GIB, 300.0, 240.0, 4) == [1, 0, 1, 0.5]
    assert [count for _, count in asked] == [240, *[1] * 60]
    history.clear()
    history.append(make.snapshot([(GIB, 2 * GIB, 10, 1)], 1.0))
    assert track.columns(history, 0, GIB, 1.0, 4.0, 4)[-1] == 0.5


# -- what could be saved -------------------------------------------------------------------------------------------


def test_savings_fit_every_size() -> None:
    for truth in (False, True):
        shown, pane = frame(make.steady(100, truth=truth)), SavingsPane()
        for width in (24, 38, 50, 66, 100):
            for height in (1, 2, 3, 5, 7, 15, 24, 40):
                lines = drawn(pane, shown, width, height)
                assert any("▶ ≥ 1 min" in line for line in lines)


def test_with_room_savings_say_what_sampling_cannot_tell() -> None:
    text = " ".join(" ".join(drawn(SavingsPane(), frame(make.steady(240)), 50, 30)).split())
    assert "Memory touched more rarely than once an aggregation can pass for idle" in text
    assert "Idle for 1 min: at most 1.94 GiB of 3 GiB." in text
    assert "Estimated, at most 2.64 GiB." in text
    known = [replace(one, free=0) for one in make.steady(240)]
    told = " ".join(" ".join(drawn(SavingsPane(), frame(known), 50, 30)).split())
    assert "Idle for 1 min: 1.94 GiB (at most 2.64 GiB) of 3 GiB; free: 0 B." in told
    assert "Estimated, between 1.9 GiB and 2.64 GiB." in told
    rule = " ".join(" ".join(drawn(SavingsPane(), frame(make.steady(240), by_rule=True), 50, 30)).split())
    assert "By how DAMON samples, at most 2.83 GiB." in rule
    assert "an idle time begins anew where regions join" in rule


def test_the_working_set_has_its_time_beside_it() -> None:
    lines = drawn(SavingsPane(), frame(make.steady(240)), 50, 15)
    assert "in 1 min p0 1.06 p50 1.06 p90 1.06 p100 1.06 GiB" in lines
    wide = drawn(SavingsPane(), frame(make.steady(240)), 66, 15)
    assert "used in 1 min p0 1.06 p50 1.06 p90 1.06 p100 1.06 GiB" in wide


def test_free_memory_is_no_idle_memory_and_the_page_cache_is_told() -> None:
    counts = np.zeros((2, len(FRAME_KINDS)), np.int64)
    counts[0, [FRAME_KINDS.index(kind) for kind in ("free", "file", "kernel")]] = 500, 300, 100
    counts[1, FRAME_KINDS.index("anon")] = 100
    drawn_frames = Frames(counts, ints([0, 0]), ints([0, 0]))
    rows = [(0, 9 * GIB, 0, 0), (9 * GIB, 10 * GIB, 9, 0)]
    made = [make.snapshot(rows, t + 1.0, frames=drawn_frames, free=5 * GIB) for t in range(130)]
    text = " ".join(" ".join(drawn(SavingsPane(), frame(made, threshold=120.0), 70, 24)).split())
    assert "Idle for 2 min: 3.01 GiB" in text
    assert "of 4 GiB, page cache 3 GiB of it; free: 5 GiB." in text
    assert "≥ 5 min not known yet" in text


def test_where_nothing_tells_what_is_free_no_size_of_the_pane_makes_a_bare_suggestion() -> None:
    """As of a trace of physical memory, where all that is free looks idle"""
    made = make.steady(240)
    for height in range(1, 41):
        lines = drawn(SavingsPane(), frame(made), 66, height)
        text = " ".join(" ".join(lines).split())
        assert "▶ ≥ 1 min ≤1.94 GiB" in text
        assert ("smaller" in text) <= ("could be at most 1.94 GiB smaller" in text)
    assert (
        "could be at most 1.94 GiB smaller, 65 % (free included). What of this memory is free is not known here" in text
    )
    assert "What could be saved, free included" in SavingsPane().caption(frame(made))
    assert IdlePane().caption(frame(made))[0] == "Idle time of 3 GiB, kernel's rule, free included"
    by_rule = frame([replace(one, free=GIB) for one in made], by_rule=True)
    text = " ".join(" ".join(drawn(SavingsPane(), by_rule, 66, 40)).split())
    assert "The kernel's rule takes free memory for idle." in text
    assert "at most" in text
    for known in ([replace(one, free=GIB) for one in made], make.steady(240, truth=True)):
        text = " ".join(" ".join(drawn(SavingsPane(), frame(known), 66, 40)).split())
        assert "GiB smaller" in text
        assert not any(word in text for word in ("≤", "included", "could be at most", "not known here"))


def test_what_physical_memory_is_made_of_has_its_intervals_where_there_is_room() -> None:
    """10 GiB by 1,000 frames: half free, of the rest nearly all idle but the 1 GiB of anon"""
    counts = np.zeros((2, len(FRAME_KINDS)), np.int64)
    counts[0, [FRAME_KINDS.index(kind) for kind in ("free", "file", "slab")]] = 500, 300, 100
    counts[1, FRAME_KINDS.index("anon")] = 100
    frames = Frames(counts, ints([0, 0]), ints([0, 0]))
    rows = [(0, 9 * GIB, 0, 0), (9 * GIB, 10 * GIB, 9, 0)]
    memory = [make.snapshot(rows, t + 1.0, frames=frames, free=5 * GIB) for t in range(130)]
    shown = frame(memory, threshold=120.0)
    lines = [" ".join(line.split()) for line in drawn(SavingsPane(), shown, 50, 30)]
    assert [line for line in lines if line.split()[:1] in (["free"], ["file"], ["shmem"], ["anon"], ["kernel"])] == [
        "free 5 GiB",
        "file 3.00 ± 0.28 GiB idle 3.00 ± 0.29 GiB",
        "shmem 0.0 ± 19.6 MiB idle 0.0 ± 19.6 MiB",
        "anon 1.00 ± 0.19 GiB idle 0.0 ± 19.6 MiB",
        "kernel 1.00 ± 0.19 GiB",
    ]
    later = replace(shown, threshold=600.0)
    assert any(
        line.startswith("file") and line.endswith("idle not known yet") for line in drawn(SavingsPane(), later, 50, 30)
    )
    narrow = [line.strip() for line in drawn(SavingsPane(), shown, 34, 30)]
    assert "file      3.00 ± 0.28 GiB" in narrow
    assert not any(line.startswith("kernel") for line in drawn(SavingsPane(), shown, 50, 15))


def test_counted_memory_is_said_by_kind() -> None:
    lines = drawn(SavingsPane(), frame([made.process(120.0)]), 50, 30)
    assert any(line.startswith("anon") and "244 MiB" in line for line in lines)
    assert "swapped 12.0 MiB · huge 64.0 MiB" in lines


def test_savings_without_regions_say_so() -> None:
    assert "needs the regions" in drawn(SavingsPane(), frame([make.snapshot([], note="no tracefs")]), 50, 5)[0]
    assert "Waiting" in drawn(SavingsPane(), frame(), 50, 5)[0]


def test_who_could_be_smaller() -> None:
    high = make.snapshot([(0x55D0_C000_0000, 0x55D0_C100_0000, 0, 5000)], targets=(1234,))
    several = make.snapshot([(0, GIB, 0, 1), (0, GIB, 0, 1)], target=[0, 1], targets=(11, 22))
    assert subject(make.description(), SHOWN) == "this machine"
    assert subject(make.description("record"), high) == "this process"
    assert subject(make.description("process", target="11,22"), several) == "these processes"
    watched = [replace(high, time=t + 1.0, began=float(t)) for t in range(70)]
    shown = frame(watched, description=make.description("process"))
    text = " ".join(" ".join(drawn(SavingsPane(), shown, 70, 20)).split())
    assert "this process could do with at most 16.0 MiB less, 100 % (not all in memory)" in text
    assert "How much of these addresses is in memory is not known here" in text
