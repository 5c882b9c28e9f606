"""The first second on a machine that has been up for a while, so that DAMON_STAT's intervals have grown to a minute.

For guests whose clock is hurried (`Vm`): they are there within seconds of ours.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from damontui.damon.snapshot import Interim, Snapshot
from tests.guests.guest import Guest, check, program, system
from tests.guests.guest.load import MIB, Area, Load
from tests.guests.guest.stat import whole
from tests.guests.guest.system import STAT, as_found

AREAS = [Area("hot", 40 * MIB, 1.0), Area("warm", 512 * MIB, 60.0)]
"""What is observed of the warm area lets the intervals grow to about a minute and a half, and not further."""
GROWN_US = 60_000_000
GROWS_S = 3_000.0
"""By half every third aggregation at most: a dozen minutes or more."""


def interval_us() -> int:
    """What the module says of its aggregation interval."""
    return int((STAT / "aggr_interval_us").read_text())


@contextlib.contextmanager
def grown(guest: Guest) -> Iterator[Load]:
    """The load, once the aggregation interval is a minute or more."""
    with Load(AREAS, guest.folder) as load:
        began = time.monotonic()
        while interval_us() < GROWN_US:
            assert time.monotonic() - began < GROWS_S, interval_us()
            time.sleep(5)
        guest.facts.update(aggr_s=round(interval_us() / 1e6, 1), grown_after_s=round(time.monotonic() - began))
        yield load


def memory(name: str) -> int:
    """A line of /proc/meminfo in bytes."""
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)[1]) * 1024  # type: ignore[index]


@check(limit=GROWS_S + 300)
def now_is_at_once(guest: Guest) -> None:
    """`snapshot stat --now` on grown intervals: the module's own numbers, what is free and who is large, at once"""
    with grown(guest) as load, as_found():
        before = time.monotonic()
        run = program.Background(guest.folder, "snapshot", "stat", "--now", "--json")
        while not run.lines():
            assert time.monotonic() - before < 60
            time.sleep(0.002)
        guest.facts["first_number_after_s"] = round(time.monotonic() - before, 3)
        ended = run.wait(30)
        told = [int(part) for part in (STAT / "memory_idle_ms_percentiles").read_text().split(",")]
        assert ended.status == 0, ended.err
        value = json.loads(ended.out)
        assert value["complete"] is False
        assert value["note"]
        assert value["kernel"]["aggr_interval_us"] >= GROWN_US
        assert value["intervals"]["aggr_us"] == value["kernel"]["aggr_interval_us"]
        # a refresh may have come between the two readings
        if value["kernel"]["memory_idle_ms_percentiles"] != told:
            guest.facts["refreshed_meanwhile"] = True
        assert len(value["kernel"]["memory_idle_ms_percentiles"]) == 101
        assert abs(value["free_bytes"] - memory("MemFree")) < 0.1 * memory("MemTotal")
        assert value["largest"][0]["pid"] == load.worker, value["largest"]
        assert value["largest"][0]["bytes"] >= sum(area.size for area in AREAS)
        assert value["due"] > value["time"]
        said = program.run(guest.folder, "snapshot", "stat", "--now")
        assert said.status == 0, said.err
        assert "INTERIM" in said.out
    guest.facts["text"] = said.out.splitlines()


@check(limit=GROWS_S + 900)
def in_use_so_far_is_true(guest: Guest) -> None:
    """Between aggregations of a minute, in use so far is what was touched since, within 15 % of memory

    A region is a tenth of memory at most, and as a whole in use or not: so coarse is DAMON itself on an idle machine.
    """
    from damontui.kernel.root import Root
    from damontui.sources.damon_stat import DamonStatSource

    with grown(guest) as load, as_found():
        (pid,) = system.kdamonds()
        beside = program.Background(guest.folder, "snapshot", f"kdamond:{pid}", "--json", "--timeout", "900")
        plain = program.Background(guest.folder, "snapshot", "stat", "--json", "--timeout", "900")
        events: list[Interim | Snapshot] = []
        stop = threading.Event()
        with DamonStatSource(Root("/")) as source:
            for event in source.snapshots(stop):
                if isinstance(event, Interim | Snapshot):
                    events.append(event)
                if sum(isinstance(event, Snapshot) for event in events) == 3:
                    stop.set()
        by_kdamond, by_stat = beside.wait(60), plain.wait(60)
        touches = load.touches()
    known = [event for event in events if isinstance(event, Interim) and event.began is not None]
    lengths = [event.time - event.began for event in events if isinstance(event, Snapshot)]
    assert len(known) >= 4, (len(known), lengths)
    errors = []
    shares = []
    for event in known:
        assert event.began is not None
        assert event.total is not None
        share = event.in_use
        assert share is not None
        sample = (event.module.aggr_interval_us or 0) / 20 / 1e6
        hot, warm = (area.size / event.total for area in AREAS)
        # what was touched so lately that its sampling interval or the module's refresh can be under way may be missing
        sure = event.began < event.time - 6.5 - 2 * sample
        certain = any(event.began < at < event.time - 6.5 - 2 * sample for at in touches["warm"])
        possible = any(event.began - sample < at <= event.time for at in touches["warm"])
        least, most = hot * sure + warm * certain, hot + warm * possible
        errors.append(round(max(0.0, least - share, share - most), 3))
        shares.append((round(event.time - event.began, 1), share, round(least, 3), round(most, 3)))
    guest.facts.update(interims=len(known), aggregations_s=[round(x) for x in lengths], shares=shares, errors=errors)
    assert max(errors) <= 0.15, shares
    whole_ones = [event for event in events if isinstance(event, Snapshot)]
    guest.facts["whole"] = [round(float(e.sizes[e.nr_accesses > 0].sum()) / e.total_bytes, 3) for e in whole_ones]
    assert by_stat.status == 0, by_stat.err
    assert by_kdamond.status == 0, by_kdamond.err
    guest.facts["stat_waits"] = by_stat.err.strip()
    guest.facts["kdamond_waits"] = by_kdamond.err.strip()
    same_numbers(guest, json.loads(by_stat.out), json.loads(by_kdamond.out))


def without_frames(regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Regions without what was found of their page frames."""
    return [{key: value for key, value in region.items() if key != "frames"} for region in regions]


def same_numbers(guest: Guest, stat: dict[str, Any], kdamond: dict[str, Any]) -> None:
    """Both ways to DAMON_STAT's kdamond say the same of the same aggregation."""
    whole(stat)
    whole(kdamond)
    names = ("intervals", "bandwidth_bytes_per_s", "time")
    guest.facts["both"] = [[value[name] for name in names] for value in (stat, kdamond)]
    if abs(stat["time"] - kdamond["time"]) < 1:
        # page frames are drawn at random, by whoever looks
        assert without_frames(stat["regions"]) == without_frames(kdamond["regions"])
    assert abs(kdamond["intervals"]["aggr_us"] / stat["intervals"]["aggr_us"] - 1) < 0.1, guest.facts["both"]
