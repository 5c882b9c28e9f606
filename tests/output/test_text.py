"""The printed summary: all numbers with their units, within 80 columns."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np

from damontui.analysis.estimator import Estimator
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FRAME_KINDS, Description, Frames, Group, ModuleValues, Pressure, Truth, ints
from damontui.output.json import snapshot_object
from damontui.output.text import group_words, idle_words, pressure_words, summary
from tests.make import GIB, MIB, description, process, snapshot

STAT = Description("stat", "DAMON_STAT", "kernel", Attrs(), host="lab", kernel="Linux 7.2")
ROWS = [(0, GIB, 0, 119), (GIB, GIB + 64 * MIB, 20, 11), (GIB + 64 * MIB, 2 * GIB, 0, 2)]


def test_summary_has_every_number_with_its_unit() -> None:
    text = summary(snapshot(ROWS), STAT)
    assert text.splitlines()[1] == "in use 1 GiB of 2 GiB within 1 min · idle ≤ 1 GiB (free included)"
    assert "What of this memory is free is not known here: free memory looks idle, and is\ncounted as idle." in text
    known = summary(snapshot(ROWS, free=0), STAT)
    assert known.splitlines()[1] == "in use 1 GiB of 2 GiB within 1 min · idle 1 GiB · free 0 B"
    assert "not known here" not in known
    for part in (
        "DAMON_STAT · lab · Linux 7.2 · 2026-01-01",
        "sampling       50.0 ms, aggregation 1 s (20 samples)",
        "observed       3.1 % of the 4.0 % goal",
        "bandwidth      1.34 GB/s, estimated",
        "working set    64.0 MiB of 2 GiB within the last 1 s, by the kernel's rule",
        "regions        3 (10 … 1000)",
        "overhead       0.3 % of one CPU",
        "p0      in use for 12.0 s",
        "p100      idle for 2:00",
        "coldest 25 %: untouched for 2:00 or longer",
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
    assert "by the kernel's rule, truth 60.0 MiB" in " ".join(text.split())
    assert text.count("idle for 1:30") == 9


def test_the_working_set_is_the_estimates_with_the_kernels_rule_beside() -> None:
    """Of a region that is joined from used and unused memory the kernel's rule counts all"""
    estimator = Estimator()
    for step in range(60):
        cut = 100 + 10 * (step % 20)
        rows = [(0, cut * MIB, 20, 0), (cut * MIB, 2048 * MIB, 0, 0)]
        taken = snapshot(rows, step + 1.0, free=0)
        estimator.add(taken)
    text = " ".join(summary(taken, STAT, estimate=estimator.estimate()).split())
    found = re.search(r"working set (\d+) MiB of 2 GiB within the last 1 s \(kernel's rule 290 MiB\)", text)
    assert found is not None
    assert int(found[1]) == round(estimator.estimate().working_set(1.0).bytes / MIB)


def test_where_all_may_be_free_nothing_is_idle_at_least() -> None:
    estimator = Estimator()
    for step in range(20):
        taken = snapshot([(0, 64 * MIB, 20, 0), (64 * MIB, 2048 * MIB, 0, step)], step + 1.0)
        estimator.add(taken)
    lines = [line.split() for line in summary(taken, STAT, estimate=estimator.estimate()).splitlines()]
    assert next(line for line in lines if line[:2] == ["10", "s"])[4] == "–"
    told = summary(replace(taken, free=0), STAT, estimate=estimator.estimate())
    assert "–" not in told.partition("by the kernel's rule")[0]


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
    assert [idle_words(n) for n in (-1500, 0, 96_000)] == ["in use for 1.5 s", "in use", "idle for 1:36"]


PROCESS = Description("1234", "process 1234: python3", "process", Attrs(), host="lab")


def test_a_process_by_its_bytes() -> None:
    taken = process(60.0, mappings=6)
    text = summary(taken, PROCESS)
    lines = text.splitlines()
    assert lines[1] == "in use 32.4 MiB of 116 MiB within 1 min · idle 83.3 MiB"
    assert lines[2] == "mapped 184 MiB, not in memory 67.9 MiB, swapped 3 MiB"
    for part in (
        "counted        by the kernel, page by page, over 100 ms … 1 min",
        "watched        60.0 s, which held the process up for 12.0 ms at most",
        "time          used within it   idle for longer",
        "\n10 s                20.9 MiB          94.8 MiB\n",
        "kind               in memory    idle for 1 min",
        "\nanonymous           36.7 MiB          36.7 MiB\n",
        "p1      in use within 100 ms",
        "coldest 25 %: untouched for 60.0 s or longer",
        "most idle for 1 min, 6 of 6:",
        "50.3 MiB  32.4 MiB  18.0 MiB  libpart3.so",
    ):
        assert part in text, text
    assert "sampling" not in text
    assert max(map(len, lines)) <= 90  # with the name of a mapping, whole


def test_in_use_is_within_what_was_watched() -> None:
    text = summary(process(12.0, mappings=6, seconds=(0.1, 1.0, 12.0)), PROCESS)
    assert text.splitlines()[1] == "in use 16.2 MiB of 116 MiB within 10 s, watched for 12 s · idle 99.5 MiB"
    assert "\n100 ms " in text
    text = summary(process(1.0, mappings=6, seconds=(0.2, 1.0)), PROCESS)
    assert "\n100 ms " not in text
    assert "\n200 ms " in text
    text = summary(process(1.0, mappings=6, seconds=(0.04, 0.07)), PROCESS)
    assert " within 70.0 ms watched · " in text.splitlines()[1]


def test_what_is_not_certain_has_its_bounds() -> None:
    taken = process(60.0, mappings=6)
    measured = taken.measured
    assert measured is not None
    sure = measured.used.sum(axis=0)
    taken = replace(taken, measured=replace(measured, least=sure - 4 * MIB, most=sure + 6 * MIB))
    assert "in use 32.4 MiB ± 5 MiB of 116 MiB" in summary(taken, PROCESS)


def test_free_memory_is_not_idle_memory() -> None:
    text = summary(replace(snapshot(ROWS), free=300 * MIB), STAT)
    assert text.splitlines()[1] == "in use 1 GiB of 2 GiB within 1 min · idle 724 MiB · free 300 MiB"


def test_what_memory_is_made_of_says_what_drawing_frames_cost() -> None:
    frames = Frames(np.full((1, len(FRAME_KINDS)), 512, np.int64), ints([0]), ints([0]), 0.001)
    made = snapshot([(0, GIB, 0, 90)], 90.0, frames=frames)
    flat = " ".join(summary(made, description()).split())
    assert "from 4,608 page frames chosen at random, at 0.1 % of one CPU; unevictable and huge" in flat
    unknown = " ".join(summary(replace(made, frames=replace(frames, cpu=0.0)), description()).split())
    assert "from 4,608 page frames chosen at random; unevictable and huge" in unknown


def test_one_long_aggregation_is_the_shortest_time_that_can_be_told() -> None:
    attrs = Attrs(6_000_000, 120_000_000)
    text = summary(snapshot(ROWS, attrs=attrs, next_attrs=attrs), STAT)
    assert "within 2 min" in text.splitlines()[1]


def test_what_is_not_in_memory_is_left_out() -> None:
    text = summary(snapshot(ROWS, resident=ints([0, 10 * MIB, 20 * MIB])), STAT)
    assert "in use 30.0 MiB of 30.0 MiB" in text  # 3 s idle is used within a minute
    assert "mapped 2 GiB, not in memory 1.97 GiB" in text
    assert "0x0 …" not in text


def test_what_the_source_cannot_tell_stands_at_the_end() -> None:
    limit = "Inside a mapping no position is known: one that is used in part is shown as used at a lower rate."
    note = "sampled every 604 ms, not 100 ms: one look costs 7.88 ms of CPU time and the budget is 2.0 % of one CPU"
    description = replace(STAT, limits=(limit, "Pages that were never touched count as idle."))
    text = summary(snapshot(ROWS, note=note), description)
    assert note in " ".join(text.split())
    end = text.partition("\nwhat this cannot tell:\n")[2]
    assert " ".join(end.split()) == f"{limit} Pages that were never touched count as idle."
    assert max(map(len, text.splitlines())) <= 80


def test_a_control_group_has_its_files_in_one_line() -> None:
    group = Group("/a\x1b.slice/web", current=417 << 20, high=500 << 20, max=1 << 30, swap=3 << 20, dying=2)
    assert group_words(group) == (
        "group          /a?.slice/web: charged 417 MiB, high 500 MiB, max 1 GiB, swapped 3 MiB, "
        "2 deleted groups below it have memory"
    )
    assert group_words(Group("/web", current=4096, swap=0)) == "group          /web: charged 4 KiB"
    assert group_words(Group("/web")) == "group          /web: its files cannot be read"
    one = replace(snapshot([(0, 1 << 30, 1, 1)]), group=Group("/web", current=417 << 20))
    assert "group          /web: charged 417 MiB" in summary(one, description()).splitlines()


def test_pressure_is_one_line_of_what_is_known() -> None:
    pressed = Pressure(0.25, 0.0, 1e6, 5e5, 2e6, 0.0, 64 << 20, 20 << 20, 3, 0, 1)
    assert pressure_words(pressed) == (
        "pressure       some 25 %, full 0 % of the time; 1 killed for want of memory; "
        "held back at memory.high 3 times; read back 1.5 MB/s; swap in 2 MB/s, out 0 B/s; "
        "swapped 64.0 MiB; compressed in 20.0 MiB"
    )
    of_group = replace(pressed, group="/system.slice/web\x1b[2J.service", over_high=1, zswap_in=4e3, zswap_out=0.0)
    text = pressure_words(replace(of_group, note="not told here: stalls (memory.pressure; boot with psi=1)"))
    assert text.startswith("pressure       on web?[2J.service: some 25 %, full 0 % of the time; ")
    assert "; zswap in 4 kB/s, out 0 B/s; " in text
    assert "; held back at memory.high once; " in text
    assert text.endswith("; not told here: stalls (memory.pressure; boot with psi=1)")
    assert pressure_words(Pressure(some=0.0)) == "pressure       some 0 % of the time"
    assert pressure_words(Pressure()) == "pressure       not known"
    one = replace(snapshot([(0, 1 << 30, 1, 1)]), pressure=pressed)
    lines = summary(one, description()).splitlines()
    assert any(line.startswith("pressure       some 25 %") for line in lines)
    assert snapshot_object(one, "stat")["pressure"] == {
        "some": 0.25,
        "full": 0.0,
        "refault_anon_bytes_per_s": 1_000_000,
        "refault_file_bytes_per_s": 500_000,
        "swap_in_bytes_per_s": 2_000_000,
        "swap_out_bytes_per_s": 0,
        "swapped_bytes": 64 << 20,
        "compressed_bytes": 20 << 20,
        "over_high": 3,
        "at_max": 0,
        "oom_killed": 1,
        "under_low": None,
        "out_of_memory": None,
        "zswap_in_bytes_per_s": None,
        "zswap_out_bytes_per_s": None,
        "zswap_bytes": None,
        "zram_bytes": None,
        "cgroup": None,
        "note": None,
    }
