"""Trace text in every form that tools print, cut anywhere, with anything in between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damontui.kernel.trace_parser import MAX_KDAMONDS, MAX_REGIONS, TracedAggregation, TraceParser
from tests.fake_kernel import CAPTURES

STEADY = (CAPTURES / "kernel-7.2-steady" / "trace.txt").read_bytes()

Rows = Sequence[tuple[int, int, int, int]]


def line(
    time: float, total: int, row: tuple[int, int, int, int], *, target: int = 0, pid: int = 5, number: int = 0
) -> str:
    start, end, accesses, age = row
    return (
        f"       kdamond.{number}-{pid}     [001] .....    {time:.6f}: damon_aggregated: "
        f"target_id={target} nr_regions={total} {start}-{end}: {accesses} {age}\n"
    )


def block(time: float, rows: Rows, *, target: int = 0, pid: int = 5, number: int = 0) -> str:
    return "".join(line(time, len(rows), row, target=target, pid=pid, number=number) for row in rows)


def tune(time: float, sample_us: int, *, pid: int = 5) -> str:
    return (
        f"       kdamond.0-{pid}     [001] .....    {time:.6f}: damon_monitor_intervals_tune: sample_us={sample_us}\n"
    )


def parse(text: str | bytes, *, targets: int | None = None) -> list[TracedAggregation]:
    parser = TraceParser(targets=targets)
    found = parser.feed(text.encode() if isinstance(text, str) else text)
    return found + parser.close()


def rows_of(traced: TracedAggregation) -> list[tuple[int, int, int, int]]:
    return list(zip(*(a.tolist() for a in (traced.start, traced.end, traced.nr_accesses, traced.age)), strict=True))


A: Rows = [(4096, 8192, 3, 0), (8192, 20480, 0, 7)]
B: Rows = [(4096, 12288, 1, 1), (12288, 16384, 2, 2), (16384, 20480, 0, 8)]


def test_one_aggregation() -> None:
    (traced,) = parse(block(13.167239, A))
    assert (traced.comm, traced.pid, traced.time_ns, traced.targets) == ("kdamond.0", 5, 13_167_239_000, (0,))
    assert traced.time == 13.167239
    assert rows_of(traced) == A
    assert traced.target.tolist() == [0, 0]
    assert (traced.complete, traced.lost, traced.has_age, traced.tuned) == (True, 0, True, False)
    assert (traced.sample_us, traced.next_sample_us) == (None, None)
    assert not traced.start.flags.writeable
    assert traced.start.dtype == np.int64


def test_a_tuning_line_comes_before_the_regions_it_was_computed_from() -> None:
    text = block(1, A) + tune(2, 10_000) + block(2, B) + block(3, A) + tune(4, 7_000) + block(4, B)
    found = parse(text, targets=1)
    assert [(t.sample_us, t.next_sample_us, t.tuned) for t in found] == [
        (None, None, False),
        (None, 10_000, True),
        (10_000, 10_000, False),
        (10_000, 7_000, True),
    ]


def test_several_targets_make_one_aggregation() -> None:
    text = block(1, A, target=0) + block(1, B, target=1) + block(2, B, target=0) + block(2, A, target=1)
    found = parse(text)
    assert [t.targets for t in found] == [(0, 1), (0, 1)]
    assert found[0].target.tolist() == [0, 0, 1, 1, 1]
    assert rows_of(found[0]) == [*A, *B]
    assert rows_of(found[1]) == [*B, *A]
    first = block(1, A, target=0) + block(1, B, target=1)
    assert len(TraceParser(targets=2).feed(first.encode())) == 1  # whole without a further line


def test_a_target_that_is_gone_is_not_waited_for() -> None:
    text = block(1, A, target=0) + block(1, A, target=1) + block(3, B, target=1) + block(5, B, target=2)
    assert [t.targets for t in parse(text)] == [(0, 1), (1,), (2,)]


def test_without_a_known_number_of_targets_the_reader_says_when_to_hand_out() -> None:
    parser = TraceParser()
    assert parser.feed(block(1, A).encode()) == []
    assert parser.pending
    assert [len(t) for t in parser.flush()] == [2]
    assert not parser.pending


def test_kdamonds_are_told_apart_even_interleaved() -> None:
    first, second = block(1, A, pid=5).splitlines(True), block(1, B, pid=55, number=1).splitlines(True)
    found = parse(first[0] + second[0] + second[1] + first[1] + second[2] + tune(2, 9_000, pid=55))
    assert {(t.pid, t.comm, len(t), t.complete) for t in found} == {
        (5, "kdamond.0", 2, True),
        (55, "kdamond.1", 3, True),
    }


def test_lost_events_mark_the_aggregation_that_lacks_lines() -> None:
    lines = block(1, B).splitlines(True)
    text = block(0.5, A) + lines[0] + "CPU:1 [LOST 7 EVENTS]\n" + lines[2] + block(2, A)
    found = parse(text, targets=1)
    assert [(t.time, len(t), t.complete, t.lost) for t in found] == [
        (0.5, 2, True, 0),
        (1.0, 2, False, 7),
        (2.0, 2, True, 0),
    ]


def test_lost_events_before_the_first_line() -> None:
    found = parse("CPU:0 [LOST 3 EVENTS]\n" + block(1, A) + block(2, A), targets=1)
    assert [(t.complete, t.lost) for t in found] == [(False, 3), (True, 0)]


def test_missing_lines_show_without_a_word_too() -> None:
    found = parse(block(1, B).split("\n", 1)[1] + block(2, A), targets=1)
    assert [(len(t), t.complete, t.lost) for t in found] == [(2, False, 1), (2, True, 0)]


def test_before_5_16_there_is_no_age() -> None:
    text = block(1, [(a, b, n, 0) for a, b, n, _ in B]).replace(" 0\n", "\n")
    (traced,) = parse(text)
    assert not traced.has_age
    assert traced.age.tolist() == [0, 0, 0]
    assert traced.nr_accesses.tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    "form",
    [
        "kdamond.0  4452 [000] 82877.315633: damon:damon_aggregated: target_id=0 nr_regions=1 4096-8192: 0 3",
        "kdamond.0-4452 [005] ..... 82877.315633: damon_aggregated:     target_id=0 nr_regions=1 4096-8192: 0 3",
        "kdamond.0-4452 (   4452) [005] d..2. 82877.315633: damon_aggregated: target_id=0 nr_regions=1 4096-8192: 0 3",
        "  kdamond.0  4452 82877.315633: damon:damon_aggregated: target_id=0 nr_regions=1 4096-8192: 0 3",
        "kdamond.0  4452 [000] 82877.315633000: damon:damon_aggregated: target_id=0 nr_regions=1 4096-8192: 0 3",
        "kdamond.0-4452 [005] 82877.315633: damon_aggregated: target_id=0 nr_regions=1 4096-8192: 0 3 more=1",
    ],
)
@pytest.mark.parametrize("beside", ["", "# tracer: nop\n"])
def test_the_forms_of_other_tools(form: str, beside: str) -> None:
    (traced,) = parse(beside + form)
    assert (traced.comm, traced.pid, traced.time_ns) == ("kdamond.0", 4452, 82_877_315_633_000)
    assert rows_of(traced) == [(4096, 8192, 0, 3)]


def test_hidden_pids_and_the_made_up_region_at_the_end() -> None:
    text = "".join(
        f"kdamond.x xxxx xxxx {time}: damon:damon_aggregated: target_id=18446623438842320000 nr_regions={n} {region}\n"
        for time, n, region in [("37.04", 2, "0-4096: 1 2"), ("37.04", 2, "4096-8192: 0 3"), ("38.0", 1, "0-0: -1 -1")]
    )
    (traced,) = parse(text)
    assert (traced.comm, traced.pid, traced.targets) == ("kdamond.x", 0, (18446623438842320000,))
    assert len(traced) == 2


def test_other_events_of_damon_are_passed_over() -> None:
    other = "  kdamond.0-5 [001] ..... 1.000000: damon_region_aggregated: target_id=0 nr_regions=2 4096-8192: 0 1 0 0\n"
    (traced,) = parse(other + block(1, A) + other)
    assert rows_of(traced) == A


@pytest.mark.parametrize(
    "garbage",
    [
        "nonsense",
        "  kdamond.0-5 [001] ..... 1.0: damon_aggregated: target_id=0 nr_regions=2 4096",
        "  kdamond.0-5 [001] ..... 1.0: damon_aggregated: target_id=0 nr_regions=0 0-4096: 0 1",
        f"  kdamond.0-5 [001] ..... 1.0: damon_aggregated: target_id=0 nr_regions={MAX_REGIONS + 1} 0-4096: 0 1",
        f"  kdamond.0-5 [001] ..... 1.0: damon_aggregated: target_id=0 nr_regions=2 {2**63}-{2**63 + 4096}: 0 1",
        f"  kdamond.0-5 [001] ..... 1.0: damon_aggregated: target_id=0 nr_regions=2 0-{'9' * 40}: 0 1",
        "  kdamond.0-5 [001] ..... 1.0: damon_aggregated: target_id=0 nr_regions=2 8192-4096: 0 1",
        "  kdamond.0-5 [001] ..... 1.0: damon_monitor_intervals_tune: sample_us=0",
        "  kdamond.0-5 [001] ..... 1.0: damon_monitor_intervals_tune: sample_us=many",
        "CPU:0 [LOST some EVENTS]",
        "x" * 5000,
    ],
    ids=range(11),
)
def test_garbage_harms_nothing(garbage: str) -> None:
    found = parse(block(1, A) + garbage + "\n" + block(2, B) + garbage, targets=1)
    assert [rows_of(t) for t in found] == [A, B]


def test_an_endless_line_takes_no_memory() -> None:
    parser = TraceParser(targets=1)
    for _ in range(1000):
        parser.feed(b"y" * 10_000)
    assert [rows_of(t) for t in parser.feed(b"\n" + block(1, A).encode())] == [A]


def test_endlessly_many_kdamonds_take_no_memory() -> None:
    parser = TraceParser()
    found = [t for pid in range(5000) for t in parser.feed(block(1, B, pid=pid).encode())]
    assert 0 < 5000 - len(found) <= MAX_KDAMONDS
    assert len(found + parser.close()) == 5000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(STEADY)), max_size=12))
def test_where_the_text_is_cut_makes_no_difference(cuts: list[int]) -> None:
    parser = TraceParser(targets=1)
    edges = [0, *sorted(cuts), len(STEADY)]
    found = [t for begin, end in itertools.pairwise(edges) for t in parser.feed(STEADY[begin:end])]
    whole = parse(STEADY, targets=1)
    assert len(found) == len(whole) == 37
    for one, other in zip(found, whole, strict=True):
        assert rows_of(one) == rows_of(other)
        assert (one.time_ns, one.sample_us, one.next_sample_us, one.complete) == (
            other.time_ns,
            other.sample_us,
            other.next_sample_us,
            True,
        )


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([block(1, A), block(2, B), tune(3, 9), "CPU:0 [LOST 2 EVENTS]\n", "\n", "damon_aggregated: "]).map(
        str.encode
    ),
    st.integers(0, len(STEADY) - 200).map(lambda at: STEADY[at : at + 173]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=20))
def test_nothing_breaks_it(pieces: list[bytes]) -> None:
    parser = TraceParser()
    found = [t for piece in pieces for t in parser.feed(piece)] + parser.close()
    for traced in found:
        assert len(traced) == len(traced.end) == len(traced.nr_accesses) == len(traced.age) == len(traced.target) > 0
        assert (traced.end >= traced.start).all()
    assert not parser.pending
