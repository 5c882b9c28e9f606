"""``fleet`` over a real Prometheus with ten thousand hosts: what a look takes, and whether its percentiles are right.

The histories are made here (each host with memory of its own, idle in its own way; some off, stale, new or old),
written as OpenMetrics text, and made into blocks by Prometheus' ``promtool tsdb create-blocks-from openmetrics``; what
the recording rules say of them is made by ``create-blocks-from rules``, which asks the engine. Looks are measured
without and with those, in seconds on the clock, which depend on what else the machine does, and in CPU seconds of this
process and of the engine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from damontui.commands.fleet import template
from damontui.fleet.ask import ask_details, ask_hosts
from damontui.fleet.client import Client
from damontui.fleet.looks import Looks
from damontui.fleet.model import Trend
from damontui.fleet.sums import ask_sums, trend
from damontui.fleet.wish import Wish
from damontui.output.metrics import BUCKET_BOUNDS
from damontui.tui.fleet import FleetApp
from damontui.tui.fleet_asker import Questions
from tests.prometheus import Prometheus, prometheus

RACKS = 40
STEP_S = 60
STATES = {"off": 0.02, "stale": 0.01, "new": 0.02, "old": 0.01}
"""Shares of the hosts."""


@dataclass
class Fleet:
    """Hosts with a known truth at each of ``times``: ``idle`` is (times, hosts, parts), ``size`` (hosts, parts)."""

    times: list[float]
    idle: NDArray[np.float64]
    size: NDArray[np.int64]
    state: list[str]
    names: list[str]

    @property
    def good(self) -> NDArray[np.bool_]:
        return np.array([one == "ok" for one in self.state])


def fleet(hosts: int, minutes: int, end: float, seed: int = 1) -> Fleet:
    """Histories of ``hosts`` hosts over the last ``minutes``, one sample a minute."""
    rng = np.random.default_rng(seed)
    parts = 40
    times = [end - STEP_S * back for back in range(minutes, -1, -1)]
    scale = rng.lognormal(5.5, 1.5, (hosts, 1))
    base = rng.exponential(1.0, (hosts, parts)) * scale
    base[rng.random((hosts, parts)) < 0.2] = 0.0
    drift = 1 + 0.2 * np.sin(np.arange(len(times)) / 9.0)
    size = rng.integers(1, 4 << 30, (hosts, parts)) * rng.choice([1, 4, 16], (hosts, 1))
    chance, state = rng.random(hosts), ["ok"] * hosts
    edge = 0.0
    for name, share in STATES.items():
        for at in np.flatnonzero((chance >= edge) & (chance < edge + share)):
            state[at] = name
        edge += share
    names = [f"host-{at:05d}.example:19317" for at in range(hosts)]
    return Fleet(times, base[None] * drift[:, None, None], size, state, names)


def write(made: Fleet, out: TextIO) -> int:
    """Write the fleet as OpenMetrics, metric by metric as that format wants it; the number of samples."""
    count = 0
    labels = [f'instance="{name}",job="damon",rack="r{at % RACKS:02d}"' for at, name in enumerate(made.names)]
    bounds = [*(f"{one:.1f}" for one in BUCKET_BOUNDS), "+Inf"]
    edges = np.array([*BUCKET_BOUNDS, np.inf])

    def family(name: str, rows: Iterator[tuple[int, str, float, float]], suffix: str = "") -> None:
        nonlocal count
        out.write(f"# TYPE {name} {'gaugehistogram' if suffix else 'gauge'}\n")
        for host, more, at, value in rows:
            out.write(f"{name}{suffix}{{{labels[host]}{more}}} {value:.17g} {at:.0f}\n")
            count += 1

    def each(value: Any, skip: tuple[str, ...] = ("off",), more: str = "") -> Iterator[tuple[int, str, float, float]]:
        for host, state in enumerate(made.state):
            if state not in skip:
                for step, at in enumerate(made.times):
                    yield host, more, at, float(value(host, state, step, at))

    def histograms() -> Iterator[tuple[int, str, float, float]]:
        for host, state in enumerate(made.state):
            if state == "off":
                continue
            # (times, parts, bounds) → bytes at most as idle as each bound
            below = made.idle[:, host, :, None] <= edges
            sums = (below * made.size[host][None, :, None]).sum(axis=1)
            for at_bound, le in enumerate(bounds):
                more = f',rule="estimate",le="{le}"'
                for step, at in enumerate(made.times):
                    yield host, more, at, float(sums[step, at_bound])

    free = made.size[:, 0] // 2
    used = (made.size[None] * (made.idle <= 60)).sum(axis=2)
    family("damon_enabled", each(lambda host, state, step, at: state != "off", skip=()))
    family("damon_memory_idle_seconds", histograms(), "_bucket")
    family("damon_memory_bytes", each(lambda host, *_: free[host], more=',kind="free"'))
    family("damon_working_set_bytes", each(lambda host, state, step, at: used[step, host], more=',threshold="60"'))
    family("damon_estimated_bandwidth_bytes_per_second", each(lambda host, *_: 1e9 + host))
    family(
        "damon_last_aggregation_timestamp_seconds",
        each(lambda host, state, step, at: at - (4000 if state == "stale" else 3)),
    )
    family("damon_watched_seconds", each(lambda host, state, *_: 100 if state == "new" else 90_000))
    family("damon_aggregation_interval_seconds", each(lambda host, *_: 2.0))
    kernel = {"old": "6.17.9"}
    for host, state in enumerate(made.state):
        if host == 0:
            out.write("# TYPE damon_target_info gauge\n")
        for at in made.times:
            more = f'kernel="{kernel.get(state, "7.2.1")}"'
            out.write(f"damon_target_info{{{labels[host]},{more}}} 1 {at:.0f}\n")
            count += 1
    out.write("# EOF\n")
    return count


def loaded(made: Fleet, folder: Path) -> int:
    """A TSDB in ``folder``/data with the fleet; the number of samples."""
    text = folder / "fleet.om"
    with text.open("w") as out:
        count = write(made, out)
    promtool = shutil.which("promtool")
    assert promtool is not None
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
    subprocess.run(command, check=True, capture_output=True, timeout=3000)
    text.unlink()
    return count


def run(smoke: bool) -> list[dict[str, Any]]:
    """Rows with times, memory and errors."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        return [{"skipped": "no prometheus here: apt-get install prometheus"}]
    hosts, minutes = (100, 20) if smoke else (10_000, 24)
    # a part of it is still to come, so that the engine knows what is true now for as long as all of this takes
    end = float(int(time.time()) // 60 * 60 + 20 * 60)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = fleet(hosts, minutes, end)
        samples = loaded(made, folder)
        found: list[dict[str, Any]] = [{"hosts": hosts, "samples": samples}]
        with engine(folder) as server:
            found += looks(server, made, "no")
            found.append(recorded(server, made, folder))
        with engine(folder) as server:
            found += looks(server, made, "yes")
        return found


def engine(folder: Path) -> contextlib.AbstractContextManager[Prometheus]:
    """A Prometheus with the blocks in ``folder``/data."""
    options = ["--storage.tsdb.retention.time=10y", "--query.lookback-delta=5m"]
    return prometheus(folder, config="{}", data=folder / "data", options=options)


def recorded(server: Prometheus, made: Fleet, folder: Path) -> dict[str, Any]:
    """Add what the recording rules say, from some minutes ago to the end of the data; what that took the engine."""
    rules, cpu = folder / "rules.yml", cpu_of(server.process.pid)
    rules.write_text(template("damontui.rules.yml"))
    promtool = shutil.which("promtool")
    assert promtool is not None
    times = [one for one in made.times if one >= time.time() - 10 * 60 and one <= time.time() + 10 * 60]
    command = [promtool, "tsdb", "create-blocks-from", "rules", f"--start={times[0]:.0f}", f"--end={times[-1]:.0f}"]
    command += [f"--output-dir={folder / 'data'}", f"--eval-interval={STEP_S}s", f"--url={server.url}", str(rules)]
    subprocess.run(command, check=True, capture_output=True, timeout=3000)
    took = (cpu_of(server.process.pid) - cpu) / len(times)
    return {"rules": "recorded", "times": len(times), "engine CPU s each": round(took, 2)}


def _program(server: Prometheus) -> dict[str, Any]:
    """What ``damontui fleet --json`` takes as a whole, and the memory of its process."""
    text = (
        "import sys; from damontui import cli; cli.main(sys.argv[1:]); from tests.bench import fleet; fleet.say_most()"
    )
    command = [sys.executable, "-c", text, "fleet", server.url, "--json", "--timeout", "60"]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=True, timeout=600)
    hosts = len(json.loads(done.stdout)["hosts"])
    took = round(time.perf_counter() - began, 2)
    return {"program": "--json", "took s": took, "MiB at most": json.loads(done.stderr), "hosts": hosts}


def most() -> int:
    """MiB that this process has held at most: by its own account, since rusage counts the one that started it."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024


def say_most() -> None:
    """Write it down for `_program`."""
    print(most(), file=sys.stderr)


def screen(url: str, pid: int) -> None:
    """Runs in a process of its own: the screen without a terminal, its first picture and an update, as JSON lines."""
    client, nothing = Client(url, timeout=60.0), Trend()
    questions = Questions(
        Looks(client).pictures,
        lambda wish, picture, at: ask_details(client, wish, picture, at),
        lambda *_: nothing,
        lambda *_: nothing,
    )
    app = FleetApp(url, Wish(), questions, every=1e6)
    clocks: tuple[Callable[[], float], ...] = (time.perf_counter, time.process_time, lambda: cpu_of(pid))
    names = ("s", "own CPU s", "engine CPU s")

    def say(what: str, began: list[float], times: int = 1) -> None:
        spent = [(clock() - at) / times for clock, at in zip(clocks, began, strict=True)]
        print(json.dumps({"screen": what} | {name: round(one, 3) for name, one in zip(names, spent, strict=True)}))

    async def until(true: Callable[[], bool]) -> None:
        while not true():
            assert not app.seen.error, app.seen.error
            await asyncio.sleep(0.01)

    def whole() -> bool:
        picture = app.seen.picture
        return picture is not None and picture.whole and not app.seen.asking and app.asker.detailed

    async def play() -> None:
        print(json.dumps({"screen": "program loaded", "own CPU s": round(time.process_time(), 3)}))
        began = [clock() for clock in clocks]
        async with app.run_test(size=(160, 50)) as pilot:
            await until(lambda: app.seen.picture is not None)
            await pilot.pause()
            say("hosts painted", began)
            await until(whole)
            await pilot.pause()
            say("details and sums painted", began)
            for _ in range(3):
                began = [clock() for clock in clocks]
                app.action_now()
                await until(whole)
                await pilot.pause()
                say("updated", began)
            began = [clock() for clock in clocks]
            await pilot.press(*["down"] * 20)
            say("a key", began, 20)

    asyncio.run(play())
    print(json.dumps({"screen": "memory", "MiB at most": most()}))


def _screen(server: Prometheus) -> list[dict[str, Any]]:
    text = f"from tests.bench.fleet import screen; screen({server.url!r}, {server.process.pid})"
    done = subprocess.run([sys.executable, "-c", text], stdout=subprocess.PIPE, check=True, timeout=600)
    return [json.loads(line) for line in done.stdout.splitlines()]


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def looks(server: Prometheus, made: Fleet, rules: str) -> list[dict[str, Any]]:
    """What looks take, and how right they are."""
    client, rows = Client(server.url, timeout=60.0), []
    step = max(at for at, one in enumerate(made.times) if one <= time.time())
    end = made.times[step]
    for name, wish in (("first", Wish()), ("again", Wish()), ("by rack", Wish(by="rack"))):
        began, cpu, engines = time.perf_counter(), time.process_time(), cpu_of(server.process.pid)
        hosts = ask_hosts(client, wish, end)
        there = time.perf_counter() - began
        picture = ask_sums(client, wish, hosts)
        rows.append(
            {
                "look": name,
                "hosts s": round(there, 2),
                "s": round(time.perf_counter() - began, 2),
                "own CPU s": round(time.process_time() - cpu, 2),
                "engine CPU s": round(cpu_of(server.process.pid) - engines, 2),
                "summed": picture.counted.get("ok", 0),
            }
        )
    rows += [_program(server), *_screen(server)]
    good = made.good
    assert picture.counted.get("ok", 0) == int(good.sum()), picture.counted
    idle, size = made.idle[step][good].ravel(), made.size[good].ravel()
    order = np.argsort(idle)
    reached = np.cumsum(size[order]) / size.sum()
    edges = np.array([0.0, *BUCKET_BOUNDS[1:], np.inf])
    for share in (0.25, 0.5, 0.75, 0.9, 0.99):
        true = float(idle[order][np.searchsorted(reached, share)])
        found = picture.sums[""].quantile(share)
        near = abs(int(np.searchsorted(edges, true)) - int(np.searchsorted(edges, found)))
        rows.append({"share": share, "true s": round(true, 1), "found s": round(found, 1), "buckets apart": near})
    began, engines = time.perf_counter(), cpu_of(server.process.pid)
    seen = trend(client, Wish(), end, 240.0, points=5)
    rows.append(
        {
            "points over time": len(seen.times),
            "recorded": seen.recorded,
            "s": round(time.perf_counter() - began, 2),
            "engine CPU s": round(cpu_of(server.process.pid) - engines, 2),
        }
    )
    return [{"rules": rules} | row for row in rows]
