"""The printed summary: all numbers with their units, within 80 columns."""

from __future__ import annotations

import math
from dataclasses import replace

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, ModuleValues, Truth
from damontui.output.text import idle_words, summary
from tests.make import GIB, MIB, snapshot

STAT = Description("stat", "DAMON_STAT", "kernel", Attrs(), host="lab", kernel="Linux 7.2")
ROWS = [(0, GIB, 0, 119), (GIB, GIB + 64 * MIB, 20, 11), (GIB + 64 * MIB, 2 * GIB, 0, 2)]


def test_summary_has_every_number_with_its_unit() -> None:
    text = summary(snapshot(ROWS), STAT)
    for part in (
        "DAMON_STAT · lab · Linux 7.2 · 2026-01-01",
        "sampling       50.0 ms, aggregation 1 s (20 samples)",
        "observed       3.1 % of the 4.0 % goal",
        "bandwidth      1.34 GB/s, estimated",
        "working set    64.0 MiB of 2 GiB, 3.1 %",
        "regions        3 (10 … 1000)",
        "overhead       0.3 % of one CPU",
        "p0      in use for 12.0 s",
        "p100      idle for 2:00",
        "a quarter of memory was untouched for 2:00 or longer",
        "0x40000000 … 0x44000000",
    ):
        assert part in text, text
    assert max(map(len, text.splitlines())) <= 80
    assert "truth" not in text


def test_truth_stands_beside_the_estimate() -> None:
    taken = snapshot(ROWS, origin="simulated", truth=Truth(60 * MIB, 1.3e9, (-1000,) * 3 + (90_000,) * 98))
    text = summary(taken, replace(STAT, title="synthetic memory", origin="simulated"))
    assert "SIMULATED" in text
    assert "estimated (truth 1.3 GB/s)" in text
    assert "(truth 60.0 MiB)" in text
    assert text.count("idle for 1:30") == 9


def test_lost_events_late_samples_and_tuning_are_said() -> None:
    taken = snapshot(ROWS, complete=False, lost=12, late=3, next_attrs=Attrs(100_000, 2_000_000), names=("a", "b", ""))
    text = summary(taken, STAT)
    assert "INCOMPLETE: 12 trace events were lost" in text
    assert "3 sampling deadlines missed" in text
    assert "next 100 ms, 2 s" in text
    assert "  b\n" in text


def test_without_regions_the_modules_numbers_stand_alone() -> None:
    taken = snapshot([], module=ModuleValues(True, 42_000_000, (-5000,) + (7_000,) * 100), note="tracefs is hidden")
    text = summary(taken, STAT)
    assert "tracefs is hidden" in text
    assert "module says    42.0 MB/s\n" in text
    assert "in use for 5 s" in text
    assert "working set" not in text


def test_the_modules_bandwidth_says_how_it_is_read() -> None:
    assert "42.0 MB/s (read mid-count" in summary(snapshot(ROWS, module=ModuleValues(True, 42_000_000)), STAT)


def test_a_record_without_a_date() -> None:
    assert " · at 37.500 s" in summary(replace(snapshot(ROWS, 37.5), wall=37.5), STAT)


def test_as_fast_as_it_goes_there_is_no_cost_to_tell() -> None:
    assert "overhead" not in summary(snapshot(ROWS), replace(STAT, speed=math.inf))


def test_idle_words() -> None:
    assert [idle_words(n) for n in (-1500, 0, 96_000)] == ["in use for 1.5 s", "idle for 0 µs", "idle for 1:36"]


def test_what_the_source_cannot_tell_stands_at_the_end() -> None:
    limit = "Inside a mapping no position is known: one that is used in part is shown as used at a lower rate."
    note = "sampled every 604 ms, not 100 ms: one look costs 7.88 ms of CPU time and the budget is 2.0 % of one CPU"
    description = replace(STAT, limits=(limit, "Pages that were never touched count as idle."))
    text = summary(snapshot(ROWS, note=note), description)
    assert note in " ".join(text.split())
    end = text.partition("\nwhat this cannot tell:\n")[2]
    assert " ".join(end.split()) == f"{limit} Pages that were never touched count as idle."
    assert max(map(len, text.splitlines())) <= 80
