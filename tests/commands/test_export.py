"""``damontui export``: what it says of a kernel that comes and goes, to scrapers good and bad, and its end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from damontui import cli
from damontui.commands import scrape
from damontui.commands.export import unit
from damontui.commands.listening import is_loopback, parse_address
from damontui.commands.scrape import Exporter, Newest, Server, TextFile
from damontui.damon.snapshot import Description, Snapshot
from damontui.errors import SourceError, UsageError
from damontui.output import metrics
from damontui.output.metrics import Reading
from damontui.sources.damon_stat import DamonStatSource
from tests import make
from tests.fake_kernel import TRACING, FakeKernel, Stop, capture, replay
from tests.prometheus import check_metrics, fetch, need, prometheus, until

STEADY = "kernel-7.2-steady"


def exported(kernel: FakeKernel, seconds: float) -> tuple[list[Reading], list[str]]:
    """All readings of DAMON_STAT on a made-up kernel over a time, and what was said."""
    readings: list[Reading] = []
    said: list[str] = []
    end = kernel.now + seconds

    class Until(Stop):
        def wait(self, timeout: float | None = None) -> bool:
            if kernel.now > end:
                self.set()
            return super().wait(timeout)

    made = DamonStatSource(kernel.root, clock=kernel.clock, wall=kernel.wall, program="/x", pause=kernel.advance)
    with made as source:
        Exporter(source, readings.append, said.append, clock=kernel.clock, cpu=lambda: 0.25).run(Until(kernel))
    assert kernel.instances() == []
    return readings, said


def off_and_on(kernel: FakeKernel, off: float, on: float) -> None:
    kernel.at(off, kernel.end)
    kernel.at(on, kernel.start)


def test_regions_become_a_histogram_at_most_once_a_second(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, on=False)
    first = capture(STEADY)[0][0]
    kernel.now = first - 1.0
    kernel.advance(0)
    pid = replay(kernel, STEADY)
    kernel.at(first - 0.1, lambda: kernel.start(pid))
    readings, said = exported(kernel, 60.0)
    assert said == []
    known = [one for one in readings if one.snapshot is not None and len(one.snapshot)]
    assert len(known) > 10
    assert len(readings) < 120
    assert known[-1].estimate is not None
    assert known[-1].own_cpu == 0.25
    rules = metrics.idle_histograms(known[-1])
    assert set(rules) == {"estimate", "kernel"}
    assert rules["kernel"].total == known[-1].snapshot.total_bytes  # type: ignore[union-attr]


def test_switched_off_and_on_under_it(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    off_and_on(kernel, 1010.0, 1020.0)
    readings, _ = exported(kernel, 30.0)
    states = [one.enabled for one in readings]
    assert states[0]
    assert states[-1]
    assert False in states
    off = next(one for one in readings if not one.enabled)
    assert off.snapshot is None
    assert b"damon_enabled 0.0" in metrics.text(off)


def test_numbers_of_the_run_before_are_not_said_after_a_restart(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.remove(TRACING)
    kernel.say(estimated_memory_bandwidth=7_000_000, memory_idle_ms_percentiles=",".join(["5000"] * 101))
    off_and_on(kernel, 1010.0, 1012.0)
    readings, _ = exported(kernel, 14.0)
    on = [one.enabled for one in readings]
    after = readings[on.index(False) + 1 :]
    assert readings[on.index(False)].module is None
    assert all(one.estimate is None for one in after)


def test_tracefs_gone_and_back(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.say(estimated_memory_bandwidth=7_000_000, memory_idle_ms_percentiles=",".join(["5000"] * 101))
    kernel.remove(TRACING)

    def back() -> None:
        (kernel.folder / TRACING / "instances").mkdir(parents=True)
        for event in ("damon_aggregated", "damon_monitor_intervals_tune"):
            kernel.put(f"{TRACING}/events/damon/{event}/enable", "0")

    kernel.at(1030.0, back)
    for step in range(200):
        at = 1040.0 + step
        kernel.at(at, lambda at=at: kernel.feed(line(at, kernel.pid or 0)))  # type: ignore[misc]
    readings, said = exported(kernel, 200.0)
    assert said == []
    alone = [one for one in readings if one.snapshot is not None and not len(one.snapshot)]
    assert b'damon_memory_idle_seconds_bucket{le="5.0",rule="kernel"}' in metrics.text(alone[0])
    whole = [one for one in readings if one.snapshot is not None and len(one.snapshot)]
    assert whole, "no regions after tracefs was back"
    assert whole[0].snapshot.time < 1030 + 2 * scrape.AGAIN_S  # type: ignore[union-attr]


def line(at: float, pid: int) -> bytes:
    return b"".join(
        b"       kdamond.0-%d     [000] .....  %.6f: damon_aggregated: target_id=0 nr_regions=2 %d-%d: %d %d\n"
        % (pid, at, start, end, count, 5)
        for start, end, count in ((4096, 1 << 30, 3), (1 << 30, 1 << 31, 0))
    )


def test_a_source_that_fails_is_counted_said_once_and_tried_again(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.at(1010.0, lambda: kernel.root.faults.update({"parameters/enabled": "what?"}))
    kernel.at(1040.0, kernel.root.faults.clear)
    readings, said = exported(kernel, 60.0)
    assert len(said) == 1
    assert "tried again every 5 s" in said[0]
    assert readings[-1].errors >= 4
    assert readings[-1].enabled


def test_the_largest_control_groups(tmp_path: Path) -> None:
    from tests.analysis.test_owners import machine

    snapshot = replace(machine(), wall=make.WALL)

    class One:
        enabled = True

        def describe(self) -> Description:
            return make.description()

        def overhead(self) -> float:
            return 0.0

        def snapshots(self, stop: threading.Event) -> Iterator[Snapshot]:
            yield snapshot

    readings: list[Reading] = []
    for groups in (0, 1):
        Exporter(One(), readings.append, lambda _: None, groups=groups).run(threading.Event())  # type: ignore[arg-type]
        assert len(readings[-1].groups) == groups
    assert b"damon_cgroup_memory_bytes{" in metrics.text(readings[-1])


# -- who asks


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("19317", ("127.0.0.1", 19317)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:80", ("127.0.0.1", 80)),
        ("0.0.0.0:9", ("0.0.0.0", 9)),
        ("[::1]:9", ("::1", 9)),
        ("[::]:9", ("::", 9)),
    ],
)
def test_an_address(text: str, found: tuple[str, int]) -> None:
    assert parse_address(text) == found
    assert is_loopback(found[0]) == (found[0] not in ("0.0.0.0", "::"))


@pytest.mark.parametrize(
    "text", ["", ":9100", "::1:9", "[127.0.0.1]:9", "example.org:9", "127.0.0.1:", "1.2.3.4:70000", "9" * 500, "a\n:1"]
)
def test_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="--listen"):
        parse_address(text)


@pytest.fixture
def server() -> Iterator[Server]:
    newest = Newest()
    snapshot = make.steady(3)[-1]
    newest.reading = Reading(make.description(), True, snapshot, last_wall=snapshot.wall)
    made = Server("127.0.0.1", 0, newest, cpu=lambda: 1.0)
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()
        thread.join(10)


def talk(server: Server, words: bytes, limit: float = 20.0) -> bytes:
    with socket.create_connection(server.server_address[:2], timeout=limit) as one:
        one.sendall(words)
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while data := one.recv(65536):
                parts.append(data)
        return b"".join(parts)


def test_a_scrape(server: Server) -> None:
    body, kind = fetch(server.url)
    assert kind.startswith("text/plain")
    assert check_metrics(body) == ""
    assert b"damontui_cpu_seconds_total 1.0" in body
    assert b" 404 " in talk(server, b"GET /etc/passwd HTTP/1.0\r\n\r\n")
    assert talk(server, b"GET / HTTP/1.0\r\n\r\n").endswith(b"see /metrics\n")
    assert talk(server, b"HEAD /metrics HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")
    assert b" 501 " in talk(server, b"POST /metrics HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("words", [b"\0\1\2\r\n\r\n", b"GET " + b"a" * 100_000, b"\r\n", b"GET /metrics\r\n"])
def test_garbage_is_answered_or_cut(server: Server, words: bytes) -> None:
    talk(server, words + b"\r\n")
    assert fetch(server.url)[0]


def test_readers_that_say_nothing_hold_nobody_up_for_ever(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "PATIENCE_S", 0.5)
    waiting = [socket.create_connection(server.server_address[:2], timeout=20) for _ in range(scrape.CONNECTIONS)]
    try:
        for one in waiting:
            one.sendall(b"GET /met")
        for one in waiting:
            while one.recv(4096):  # an end comes, whoever still waits
                pass
        assert until(lambda: fetch(server.url)[0], 10.0)
    finally:
        for one in waiting:
            one.close()


def test_nothing_is_known_yet() -> None:
    made = Server("127.0.0.1", 0, Newest())
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    assert b" 503 " in talk(made, b"GET /metrics HTTP/1.0\r\n\r\n")
    made.shutdown()
    made.server_close()
    thread.join(10)


def test_a_port_that_is_taken_is_said(server: Server) -> None:
    with pytest.raises(SourceError, match=r"cannot listen on 127\.0\.0\.1 port .* in use"):
        Server("127.0.0.1", server.server_port, Newest())


# -- a file


def reading(step: int = 3, **changes: object) -> Reading:
    snapshot: Snapshot = make.steady(step)[-1]
    made = Reading(make.description(), True, snapshot, last_wall=snapshot.wall)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_file_is_exchanged_as_a_whole_readable_by_all_and_gone_at_the_end(tmp_path: Path) -> None:
    path, now = tmp_path / "damon.prom", [0.0]
    before = os.umask(0o077)
    try:
        with TextFile(path, every=10.0, clock=lambda: now[0]) as file:
            file.take(reading())
            first = path.stat().st_ino
            assert stat.S_IMODE(path.stat().st_mode) == 0o644
            now[0] = 9.0
            file.take(reading())
            assert path.stat().st_ino == first
            file.take(reading(enabled=False))  # a change of state does not wait
            assert b"damon_enabled 0.0" in path.read_bytes()
            now[0] = 30.0
            file.take(reading())
            assert check_metrics(path.read_bytes()) == ""
    finally:
        os.umask(before)
    assert os.listdir(tmp_path) == []


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "damon.prom"
    path.write_text("# HELP other\n")
    with pytest.raises(SourceError, match="none of ours"):
        TextFile(path)
    assert path.read_text() == "# HELP other\n"
    TextFile(path, force=True)
    with pytest.raises(UsageError, match=r"end in \.prom"):
        TextFile(tmp_path / "damon.txt")


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "damon.prom"
    path.write_bytes(metrics.text(reading()))
    with TextFile(path) as file:
        file.take(reading(4))
    assert os.listdir(tmp_path) == []


# -- the program


class Running:
    """The program with a source that writes down how it was left, in the background."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.log = folder / "log"
        command = [sys.executable, "-m", "tests.fake_program", str(self.log), "export", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stderr is not None
        os.set_blocking(self.process.stderr.fileno(), False)
        self.said = ""

    def url(self) -> str:
        def found() -> Any:
            assert self.process.stderr is not None
            self.said += (self.process.stderr.read() or b"").decode()
            assert self.process.poll() is None, self.said
            return re.search(r"http://\S+", self.said)

        match = until(found)
        return str(match[0])

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[Running]:
    made = Running(folder, *words)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait(20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    with running(tmp_path, "fake:fine", "--listen", "0", "--textfile", str(folder / "a.prom")) as made:
        url = made.url()
        assert until(lambda: b"damon_regions 2.0" in fetch(url)[0])
        assert (folder / "a.prom").exists()
        assert made.end(number) == 128 + number
        assert made.log.read_text().splitlines()[-1].startswith("left")
        assert os.listdir(folder) == []
        with pytest.raises(OSError, match="refused"):
            fetch(url)


def test_a_target_that_ends_ends_the_export(tmp_path: Path) -> None:
    with running(tmp_path, "fake:gone", "--listen", "0") as made:
        assert made.process.wait(30) == 0
        assert made.process.stderr is not None
        assert "it is gone" in (made.process.stderr.read() or b"").decode()


def test_another_address_than_loopback_is_said(tmp_path: Path) -> None:
    with running(tmp_path, "fake:fine", "--listen", "0.0.0.0:0") as made:
        made.url()
        until(lambda: made.url() and "no password is asked for" in made.said)


def test_the_library_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["export", "demo"]) == 1
    said = capsys.readouterr().err
    assert said == (
        "damontui: cannot export: prometheus-client is not installed; install it with: pip install 'damontui[export]'\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--listen", ":9"], "0.0.0.0:9"),
        (["--textfile", "/nonexistent/a.prom"], "no such file or directory"),
        (["--textfile", "a.txt"], ".prom"),
        (["-", "--listen", "0"], "through a pipe"),
        (["--cgroups", "5000"], "at most 200"),
    ],
)
def test_what_cannot_be_is_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "demo", *words] if words[0] != "-" else ["export", *words]) in (1, 2)
    err = capsys.readouterr().err.strip()
    assert said in err
    assert "\n" not in err


# -- a unit for systemd


def test_the_unit_is_sound_and_least(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "--unit"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^CapabilityBoundingSet=CAP_DAC_OVERRIDE$", text, re.MULTILINE)
    assert unit("/opt/a%b$c/damontui").count("ExecStart=/opt/a%%b$$c/damontui export stat") == 1
    path = tmp_path / "damontui-export.service"
    path.write_text(unit("/usr/bin/true"))
    analyze = need("systemd-analyze")
    done = subprocess.run([analyze, "verify", path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    command = [analyze, "security", "--offline=yes", "--threshold=25", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-300:]  # 2.5 of 10 at most, 0 is best


# -- a real Prometheus


def test_prometheus_scrapes_it_and_node_exporter_takes_the_file(tmp_path: Path) -> None:
    need("prometheus")
    exporter = need("prometheus-node-exporter")
    folder = tmp_path / "files"
    folder.mkdir()
    with running(tmp_path, "fake:fine", "--listen", "0", "--textfile", str(folder / "damon.prom")) as made:
        url = made.url()
        target = url.split("/")[2]
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            node = f"127.0.0.1:{one.getsockname()[1]}"
        options = ["--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={folder}"]
        nodes = subprocess.Popen(
            [exporter, *options, f"--web.listen-address={node}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            with prometheus(tmp_path, [target, node]) as server:
                until(lambda: len(server.query("count by (instance) (damon_enabled)")) and _instances(server) == 2)
                assert set(server.query("up").values()) == {1.0}
                for where in (target, node):
                    kind = f'{{instance="{where}",rule="kernel",le="+Inf"}}'
                    total = server.query(f"damon_memory_idle_seconds_bucket{kind}")
                    assert set(total.values()) == {float(1 << 24)}
                both = server.query("histogram_quantile(0.5, sum by (le) (damon_memory_idle_seconds_bucket))")
                assert both == {"": pytest.approx(both[""])}
                assert server.query("node_textfile_scrape_error") == {"": 0.0}
                kinds = server.get("metadata", metric="damon_memory_idle_seconds")["damon_memory_idle_seconds"]
                assert {one["type"] for one in kinds} == {"gaugehistogram", "histogram"}
        finally:
            nodes.kill()
            nodes.wait(20)


def _instances(server: Any) -> int:
    found = server.get("query", query='damon_memory_idle_seconds_bucket{le="+Inf",rule="kernel"}')["result"]
    return len({one["metric"]["instance"] for one in found})


def test_a_scrape_waits_for_no_sampling(tmp_path: Path) -> None:
    """The source sleeps for a minute; the scrape does not."""
    with running(tmp_path, "fake:slow", "--listen", "0") as made:
        url = made.url()
        began = time.monotonic()
        assert b"damon_enabled 1.0" in fetch(url)[0]
        assert time.monotonic() - began < 20
