"""A real Prometheus on loopback, with its tools, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

PACKAGES = {
    "systemd-analyze": "systemd",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "chromium": "chromium",
    "openssl": "openssl",
}
"""Debian's package of a program that is not in its package 'prometheus'."""


def need(program: str) -> str:
    """The path of a program; the test is skipped where it is missing, and fails in CI, which installs it."""
    found = shutil.which(program)
    if found is None:
        reason = f"no {program} here: apt-get install {PACKAGES.get(program, 'prometheus')}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(what: Callable[[], Any], limit: float = 30.0) -> Any:
    """What ``what()`` says once it is true; fails after ``limit`` seconds."""
    end = time.monotonic() + limit
    while True:
        with contextlib.suppress(OSError, ValueError, KeyError):
            found = what()
            if found:
                return found
        assert time.monotonic() < end, f"{what} did not come true within {limit:g} s"
        time.sleep(0.1)


def fetch(url: str, accept: str = "*/*") -> tuple[bytes, str]:
    """What a URL of loopback answers, and its content type."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return answer.read(), answer.headers["Content-Type"]


def check_metrics(text: bytes, promtool: str = "") -> str:
    """What ``promtool check metrics`` has to say against a page; "" where all is well."""
    done = subprocess.run(
        [promtool or need("promtool"), "check", "metrics"], input=text, capture_output=True, timeout=60
    )
    said = (done.stdout + done.stderr).decode()
    return said or ("" if done.returncode == 0 else f"exit status {done.returncode}")


class Prometheus:
    """A server that runs.

    Attributes:
        url: where it answers.
        process: it.
    """

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.process = process

    def get(self, path: str, **words: str) -> Any:
        """The ``data`` of an answer of the HTTP API."""
        query = urllib.parse.urlencode(words)
        return json.loads(fetch(f"{self.url}/api/v1/{path}?{query}")[0])["data"]

    def query(self, expression: str, **words: str) -> dict[str, float]:
        """The values of an instant query by the labels that matter here, joined with commas."""
        found = {}
        for one in self.get("query", query=expression, **words)["result"]:
            labels = {k: v for k, v in one["metric"].items() if k not in ("__name__", "instance", "job")}
            found[",".join(f"{key}={value}" for key, value in sorted(labels.items()))] = float(one["value"][1])
        return found


@contextlib.contextmanager
def prometheus(
    folder: Path,
    targets: Sequence[str] = (),
    *,
    config: str = "",
    data: Path | None = None,
    options: Sequence[str] = (),
    program: str = "",
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes ``targets`` (``127.0.0.1:PORT``) each second; killed at the end.

    Args:
        folder: an empty one.
        targets: what is scraped.
        config: a configuration instead.
        data: a TSDB that is there.
        options: further words of the command line.
        program: another one than this machine's own.
    """
    program, port = program or need("prometheus"), free_port()
    config = config or (
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: damon, static_configs: [{{targets: {json.dumps(list(targets))}}}]}}]\n"
    )
    path = folder / "prometheus.yml"
    path.write_text(config)
    command = [program, f"--config.file={path}", f"--storage.tsdb.path={data or folder / 'data'}", *options]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with _running(command, folder, f"http://127.0.0.1:{port}", "-/ready") as server:
        yield server


@contextlib.contextmanager
def victoria_metrics(folder: Path, targets: Sequence[str], program: str) -> Iterator[Prometheus]:
    """A VictoriaMetrics that scrapes ``targets`` each second, and is asked as Prometheus is; killed at the end."""
    port = free_port()
    path = folder / "scrape.yml"
    path.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: damon, static_configs: [{{targets: {json.dumps(list(targets))}}}]}}]\n"
    )
    command = [program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder / 'data'}"]
    command += [f"-promscrape.config={path}", "-search.latencyOffset=0s", "-memory.allowedBytes=256MB"]
    with _running(command, folder, f"http://127.0.0.1:{port}", "health") as server:
        yield server


@contextlib.contextmanager
def _running(command: Sequence[str], folder: Path, url: str, ready: str) -> Iterator[Prometheus]:
    environ = os.environ | {"GOMAXPROCS": "2"}
    with (folder / "engine.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environ, cwd=folder)
    try:
        until(lambda: fetch(f"{url}/{ready}")[0], 60.0)
        yield Prometheus(url, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
