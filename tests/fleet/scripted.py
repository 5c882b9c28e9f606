"""Engines that answer as a test wants: in memory, and over HTTP on loopback."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from damontui.fleet.client import Series

NOW = 1_767_225_600.0
BUCKETS = (
    "0.0",
    "1.0",
    "5.0",
    "15.0",
    "30.0",
    "60.0",
    "120.0",
    "300.0",
    "900.0",
    "1800.0",
    "3600.0",
    "14400.0",
    "+Inf",
)
GIB = 1 << 30


def host(name: str, **changes: Any) -> dict[str, Any]:
    """What an exporter says of 16 GiB, of which 4 are in use and 12 have been idle for two hours; 2 are free."""
    made: dict[str, Any] = {
        "instance": name,
        "rack": "r1",
        "enabled": 1.0,
        "size": 16 * GIB,
        "used": 4 * GIB,
        "free": 2 * GIB,
        "age": 2.0,
        "watched": 90_000.0,
        "interval": 2.0,
        "kernel": "7.2.1",
    }
    return made | changes


class Engine:
    """An engine in memory that understands the questions of `damontui.fleet.ask`, and no others.

    Args:
        hosts: as `host` makes them.
        gone: hosts that were there an hour ago.
        now: seconds since 1970.
    """

    def __init__(self, hosts: Sequence[Mapping[str, Any]], gone: Sequence[str] = (), now: float = NOW) -> None:
        self.hosts = hosts
        self.gone = gone
        self.now = now
        self.asked: list[str] = []
        self.recorded: list[tuple[str, float]] = []

    def instant(self, query: str, at: float | None = None) -> list[Series]:
        self.asked.append(query)
        if query == "vector(time())":
            return [self._series({}, self.now)]
        if "damon:memory" in query:
            return [self._series({"le": le}, value) for le, value in self.recorded]
        if " offset " in query:
            return [self._series({"job": "damon", "instance": name}, 1.0) for name in self.gone]
        if query.startswith("sum by"):
            of = self._good() if " and on " in query else [one for one in self.hosts if one["enabled"]]
            return self._sums("rack" if "rack" in query.partition(")")[0] else "", self._named(of, query))
        return [one for each in self._named(self.hosts, query) for one in self._of(each, query)]

    def over(self, query: str, start: float, end: float, step: float) -> list[Series]:
        self.asked.append(query)
        found = []
        times = [start, (start + end) / 2, end]
        for le in BUCKETS:
            value = sum(self._below(one, le) for one in self._good())
            found.append(Series({"le": le}, tuple((at, value) for at in times)))
        return found

    def _good(self) -> list[Mapping[str, Any]]:
        return [
            one
            for one in self.hosts
            if one["enabled"] and one["watched"] >= 900 and -30 <= one["age"] <= 300 and "6.17" not in one["kernel"]
        ]

    def _named(self, hosts: Sequence[Mapping[str, Any]], query: str) -> list[Mapping[str, Any]]:
        """Those whose names a question asks for."""
        found = re.search(r'instance=~"((?:[^"\\]|\\.)*)"', query)
        wanted = None if found is None else re.compile(re.sub(r"\\(.)", r"\1", found[1]))
        return [one for one in hosts if wanted is None or wanted.fullmatch(one["instance"])]

    def _sums(self, by: str, hosts: Sequence[Mapping[str, Any]]) -> list[Series]:
        groups = {one[by] if by else "" for one in hosts}
        found = []
        for group in groups:
            for le in BUCKETS:
                value = sum(self._below(one, le) for one in hosts if not by or one[by] == group)
                found.append(self._series({"le": le} | ({by: group} if by else {}), value))
        return found

    def _below(self, one: Mapping[str, Any], le: str) -> float:
        if "curve" in one:
            return float(one["size"] if le == "+Inf" else one["curve"](float(le)))
        return float(one["size"] if float(le.replace("+Inf", "inf")) >= 7200 else one["used"])

    def _of(self, one: Mapping[str, Any], query: str) -> list[Series]:
        labels = {"job": "damon", "instance": one["instance"], "rack": one["rack"]}
        on = one["enabled"]
        name = query.partition("{")[0]
        values = {
            "damon_enabled": one["enabled"],
            "damon_memory_bytes": one["free"],
            "damon_working_set_bytes": one["used"],
            "damon_estimated_bandwidth_bytes_per_second": 1e9,
            "damon_last_aggregation_timestamp_seconds": self.now - one["age"],
            "damon_watched_seconds": one["watched"],
            "damon_aggregation_interval_seconds": one["interval"],
        }
        if name == "damon_memory_idle_seconds_bucket":
            le = "+Inf" if '"+Inf"' in query else re.search(r'le=~"(\d+)', query)[1]  # type: ignore[index]
            return [self._series(labels, self._below(one, le))] if on else []
        if name == "damon_target_info":
            return [self._series(labels, 1.0)] if "6.17" in one["kernel"] else []
        if name in values and (on or name == "damon_enabled"):
            return [self._series(labels, values[name])]
        return []

    def _series(self, labels: Mapping[str, str], value: float) -> Series:
        return Series(dict(labels), ((self.now, float(value)),))


def vector(*rows: tuple[Mapping[str, str], float]) -> bytes:
    """An answer of the HTTP API."""
    result = [{"metric": dict(labels), "value": [NOW, str(value)]} for labels, value in rows]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


Answer = Callable[[BaseHTTPRequestHandler, str], None]
"""Writes the answer to a query."""


def say(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Always the same answer."""

    def answer(handler: BaseHTTPRequestHandler, query: str) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@contextlib.contextmanager
def served(answer: Answer) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    """An engine on loopback: its URL, and the headers of the requests that it got."""
    seen: list[Mapping[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(dict(self.headers))
            size = int(self.headers["Content-Length"])
            query = parse_qs(self.rfile.read(size).decode())["query"][0]
            with contextlib.suppress(OSError):
                answer(self, query)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
