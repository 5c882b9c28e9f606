"""The parts of ``export``: from a source's events to readings, and from the newest reading to an HTTP answer or a
file."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from damontui import files
from damontui.analysis.estimator import PIECES, Estimator
from damontui.analysis.owners import GROUP, OwnerRow, ownership
from damontui.damon.snapshot import Interim, Snapshot, Status
from damontui.errors import SourceError, UsageError
from damontui.output import metrics
from damontui.output.metrics import Reading
from damontui.safe_text import shown
from damontui.sources.base import Source

_log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Seconds between two readings: snapshots may come ten times a second."""
GROUPS_S = 10.0
"""Seconds between two readings of control groups."""
RETRY_S = 5.0
"""Seconds between two tries after the source failed."""
AGAIN_S = 60.0
"""Seconds between two tries where regions cannot be had."""
CONNECTIONS = 16
"""How many scrapes are answered at the same time; further ones are turned away."""
PATIENCE_S = 10.0
"""Seconds that a scrape may take, however slowly its reader reads."""


class Exporter:
    """Iterates a source for as long as events come, and makes readings of them.

    Args:
        source: the source, entered.
        publish: called with each new reading, in the thread that calls `run`.
        say: called with one sentence where the source fails, once for each kind of failure.
        groups: how many control groups readings have at most.
        pieces: most pieces of memory that the estimate tells apart.
        clock: seconds, monotonic.
        cpu: CPU seconds of this process.
    """

    def __init__(
        self,
        source: Source,
        publish: Callable[[Reading], None],
        say: Callable[[str], None],
        *,
        groups: int = 0,
        pieces: int = PIECES,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._source = source
        self._groups = groups
        self._grouped = float("-inf")
        self._publish = publish
        self._say = say
        self._clock = clock
        self._cpu = cpu
        self._pieces = pieces
        self._estimator = Estimator(pieces)
        self._reading = Reading(source.describe(), self._is_on())
        self._published = float("-inf")
        self._without = float("inf")
        self._said = ""

    def run(self, stop: threading.Event) -> Status | None:
        """Run until ``stop`` is set or the source is exhausted; return the source's last state, None where it had none.

        A failure of the source is counted and said, and the source is tried again.
        """
        last: Status | None = None
        self._send()
        while not stop.is_set():
            try:
                for event in self._source.snapshots(stop):
                    if isinstance(event, Status):
                        last = event
                    self._take(event)
                    if stop.is_set():
                        break
                    if self._clock() - self._without >= AGAIN_S:
                        self._without = float("inf")
                        _log.info("no regions for %g s: begin again, perhaps they can be had now", AGAIN_S)
                        break
                else:
                    if last is None or last.state != "off":
                        return last
                    stop.wait(RETRY_S)  # an engine that is switched off has nothing to do
            except SourceError as error:
                self._fail(error)
                stop.wait(RETRY_S)
        return last

    def _take(self, event: Snapshot | Status | Interim) -> None:
        if isinstance(event, Snapshot):
            self._take_snapshot(event)
        elif isinstance(event, Interim):
            total = event.total if event.total is not None else self._reading.module_bytes
            self._reading = replace(self._reading, module=event.module, module_bytes=total, enabled=True)
            self._send()
        elif event.state in ("off", "gone", "ended"):
            self._estimator = Estimator(self._pieces)
            self._without = float("inf")
            self._reading = replace(self._reading, enabled=False, snapshot=None, estimate=None, module=None, groups=())
            self._send()
        elif event.state == "on":
            self._reading = replace(self._reading, enabled=True)
            self._send()

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        self._said = ""
        if snapshot.measured is None:
            self._estimator.add(snapshot)
        regions = len(snapshot) > 0
        if regions or not snapshot.complete:
            self._without = float("inf")
        elif self._without == float("inf"):
            self._without = self._clock()
        self._reading = replace(
            self._reading,
            enabled=True,
            snapshot=snapshot,
            module=snapshot.module if snapshot.module is not None else self._reading.module,
            module_bytes=snapshot.total_bytes if regions and snapshot.complete else self._reading.module_bytes,
            last_wall=snapshot.wall,
            lost=self._reading.lost + snapshot.lost,
        )
        # what else was said meanwhile must not hold up the only aggregation of the next minutes
        if self._clock() - self._published >= EVERY_S or not regions:
            self._published = self._clock()
            known = regions and snapshot.measured is None and snapshot.complete and len(self._estimator) > 0
            self._reading = replace(self._reading, estimate=self._estimator.estimate() if known else None)
            if self._groups and self._clock() - self._grouped >= GROUPS_S:
                self._grouped = self._clock()
                self._reading = replace(self._reading, groups=self._largest(snapshot))
            self._send()

    def _largest(self, snapshot: Snapshot) -> tuple[OwnerRow, ...]:
        found = ownership(snapshot, self._reading.estimate, metrics.THRESHOLDS)
        return () if found is None else tuple(row for row in found.rows if row.what == GROUP)[: self._groups]

    def _fail(self, error: SourceError) -> None:
        sentence = str(error)
        _log.warning("the source failed: %s", sentence)
        if sentence != self._said:
            self._said = sentence
            self._say(f"{sentence}; tried again every {RETRY_S:g} s")
        self._reading = replace(
            self._reading, enabled=self._is_on(), snapshot=None, estimate=None, errors=self._reading.errors + 1
        )
        self._send()

    def _is_on(self) -> bool:
        try:
            return self._source.enabled
        except SourceError:
            return False

    def _send(self) -> None:
        self._reading = replace(self._reading, kdamond_cpu=self._source.overhead(), own_cpu=self._cpu())
        self._publish(self._reading)


# -- over HTTP


class Newest:
    """Holds the newest reading, which is exchanged as a whole, so that readers need no lock."""

    def __init__(self) -> None:
        self.reading: Reading | None = None


class Server(ThreadingHTTPServer):
    """Answers scrapes from the newest reading: at most `CONNECTIONS` at a time, each for `PATIENCE_S` at most.

    Args:
        address: an address of this machine, in numbers.
        port: 0 for any that is free.
        newest: the reading to answer with.
        cpu: CPU seconds of this process.

    Raises:
        SourceError: the server cannot listen there.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, address: str, port: int, newest: Newest, cpu: Callable[[], float] = time.process_time) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.newest = newest
        self.cpu = cpu
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        try:
            super().__init__((address, port), _Handler)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise SourceError(f"cannot listen on {address} port {port}", why, "choose another one: --listen") from error

    def server_bind(self) -> None:
        """As the base class, without asking a name server what the machine is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def url(self) -> str:
        """The URL of the metrics."""
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}/metrics"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the request; turn it away where there are enough."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle the request, within `PATIENCE_S`."""
        end = threading.Timer(PATIENCE_S, _cut, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do nothing: a reader that went away is no fault of ours."""
        _log.debug("a scrape came to nothing", exc_info=sys.exc_info())


def _cut(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "damontui"
    sys_version = ""
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        """``/metrics``, and a page that leads there."""
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer(200, "text/plain; charset=utf-8", b"damontui export: see /metrics\n")
        elif path != "/metrics":
            self._answer(404, "text/plain; charset=utf-8", b"there is only /metrics\n")
        elif (reading := self.server.newest.reading) is None:
            self._answer(503, "text/plain; charset=utf-8", b"nothing is known yet\n")
        else:
            now = replace(reading, own_cpu=self.server.cpu())
            body, kind = metrics.negotiated(now, self.headers.get("Accept", ""))
            self._answer(200, kind, body)

    do_HEAD = do_GET

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log a request for debugging only, with characters from outside made safe."""
        _log.debug("%s", shown(format % args))


# -- into a file

_FIRST = b"# HELP damontui_build_info"


class TextFile:
    """The newest reading in a file of text format 0.0.4, for node_exporter's textfile collector. A context manager.

    The file is replaced as a whole, readable by everybody, and removed at the end.

    Args:
        path: the file; its name must end in ``.prom``.
        every: seconds between two writings at least; a change of state is written at once.
        force: replace a file that this program did not write.
        clock: seconds, monotonic.

    Raises:
        SourceError: there is such a file, and this program did not write it.
        UsageError: the name does not end in ``.prom``, so that nobody would read the file.
    """

    def __init__(
        self, path: Path, *, every: float = 10.0, force: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if path.suffix != ".prom":
            raise UsageError(f"--textfile: {path.name!r}: node_exporter reads only names that end in .prom")
        self._path = path
        self._every = every
        self._clock = clock
        self._due = float("-inf")
        self._state: tuple[object, ...] = ()
        self._written = False
        with files.NewFile(path):  # its folder is there, or that is said before anything is begun
            pass
        if not os.access(path.parent, os.W_OK):
            raise SourceError(f"cannot write {path}", "permission denied", "choose another folder")
        if files.refuse_there(path, force=True) and not force and not self._is_ours():
            raise SourceError(f"cannot write {path}", "the file is there already and none of ours", "or: --force")

    def _is_ours(self) -> bool:
        try:
            with files.open_file(self._path) as file:
                return file.read(len(_FIRST)) in (_FIRST, b"")
        except (SourceError, OSError):
            return False

    def __enter__(self) -> TextFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._written:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def take(self, reading: Reading) -> None:
        """Write the reading where it is time for that. Raises `SourceError`."""
        state = (reading.enabled, reading.snapshot is None)
        if self._clock() < self._due and state == self._state:
            return
        with files.whole(self._path, force=True, mode=0o644) as file:
            file.write(metrics.text(reading))
        self._written = True
        self._state = state
        self._due = self._clock() + self._every
