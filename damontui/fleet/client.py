"""Questions to a PromQL engine over its HTTP API, with an end in time and in bytes whatever it answers."""

from __future__ import annotations

import gc
import ipaddress
import json
import math
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from damontui.errors import SourceError, UsageError
from damontui.fleet.access import Access, check_files
from damontui.safe_text import shown

MOST_BYTES = 64 << 20
"""Bytes of an answer, unpacked, at most: an answer for ten thousand hosts has 2 MB."""
TIMEOUT_S = 10.0
_CHUNK = 256 << 10
_SAID = 200
"""Characters of an engine's own words that an error's sentence holds at most."""


class Series(NamedTuple):
    """One series of an answer: its labels, and its points (one for an instant query)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """Seconds since 1970 and value; a value may be NaN or infinite."""


class _Uncollected:
    """Pauses garbage collection: an answer makes 10,000 tables and no cycle. Several threads may enter it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._was_on:
                gc.enable()


_UNCOLLECTED = _Uncollected()


class Client:
    """An engine.

    Args:
        url: ``http(s)://HOST[:PORT][/PREFIX]`` of Prometheus or of what else speaks PromQL.
        access: credentials and certificates.
        timeout: seconds for a question, from its start to its answer's last byte.
        most_bytes: bytes of an answer, at most.
        clock: seconds, monotonic.

    Raises:
        UsageError: ``url`` is no such URL.
        SourceError: a certificate cannot be read.
    """

    def __init__(
        self,
        url: str,
        access: Access | None = None,
        *,
        timeout: float = TIMEOUT_S,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = _checked(url)
        self._timeout = timeout
        self._most = most_bytes
        self._clock = clock
        access = access or Access()
        check_files(access)
        # no gain on this machine, and much on a long way
        packed = "identity" if _is_near(self.url) else "gzip"
        self._headers = {"Accept": "application/json", "Accept-Encoding": packed, "User-Agent": "damontui"}
        if access.authorization:
            self._headers["Authorization"] = access.authorization
        words: dict[str, Any] = {}
        if self.url.startswith("https:"):
            words["ssl_context"] = _context(access)
            if access.server_name:
                words |= {"server_hostname": access.server_name, "assert_hostname": access.server_name}
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=4, retries=False, headers=self._headers, **words)

    def close(self) -> None:
        """Close its connections."""
        self._pool.clear()

    def instant(self, query: str, at: float | None = None) -> list[Series]:
        """The answer to an instant query at a time (seconds since 1970; the engine's now). Raises `SourceError`."""
        words = {"query": query} | ({} if at is None else {"time": f"{at:.3f}"})
        return self._ask("query", words, "vector")

    def over(self, query: str, start: float, end: float, step: float) -> list[Series]:
        """The answer to a range query.

        Args:
            query: in PromQL.
            start, end: the first and the last moment, seconds since 1970.
            step: seconds from one moment to the next.

        Raises:
            SourceError: the engine has no answer.
        """
        words = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return self._ask("query_range", words, "matrix")

    def _ask(self, path: str, words: dict[str, str], kind: str) -> list[Series]:
        what = f"cannot ask {self.url}"
        words["timeout"] = f"{self._timeout:g}s"
        try:
            status, body = self._post(f"{self.url}/api/v1/{path}", urlencode(words))
        except ssl.SSLError as error:
            raise SourceError(what, f"its certificate is not taken: {_short(error)}") from error
        except (HTTPError, OSError) as error:
            raise SourceError(what, _reason(error), "is the URL right, and does it run?") from error
        with _UNCOLLECTED:
            return self._taken_apart(what, status, body, kind)

    def _taken_apart(self, what: str, status: int, body: bytes, kind: str) -> list[Series]:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise SourceError(
                what, _http(status) or "its answer is no JSON", "is this the URL of a PromQL engine?"
            ) from None
        if not isinstance(answer, dict) or answer.get("status") != "success":
            said = answer.get("error") if isinstance(answer, dict) else None
            raise SourceError(what, _short(said) if isinstance(said, str) and said else _http(status) or "it says no")
        data = answer.get("data")
        if not isinstance(data, dict) or data.get("resultType") != kind or not isinstance(data.get("result"), list):
            raise SourceError(what, f"its answer is no {kind}", "is this the URL of a PromQL engine?")
        try:
            return (_vector if kind == "vector" else _matrix)(data["result"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise SourceError(what, f"its answer is no {kind} of numbers") from None

    def _post(self, url: str, body: str) -> tuple[int, bytes]:
        """Status and whole body, as far as time and bytes allow."""
        end = self._clock() + self._timeout
        headers = self._headers | {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._pool.request(
            "POST",
            url,
            body=body,
            headers=headers,
            preload_content=False,
            redirect=False,
            timeout=urllib3.Timeout(total=self._timeout),
        )
        parts, size, whole = [], 0, False
        try:
            while part := answer.read1(_CHUNK):
                size += len(part)
                if size > self._most:
                    raise SourceError(
                        f"cannot ask {self.url}",
                        f"its answer is larger than {self._most >> 20} MiB",
                        "ask for fewer hosts with --match",
                    )
                if self._clock() > end:
                    raise TimeoutError(f"no whole answer in {self._timeout:g} s")
                parts.append(part)
            whole = True
        finally:
            if whole:
                answer.release_conn()
            else:
                answer.close()  # what is left of it is not read
        return answer.status, b"".join(parts)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018 - raises where it is none
    except ValueError as error:
        raise UsageError(f"that is no URL of an engine: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "the URL names a user; put user and password into a file for --http-config, where none sees them"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise UsageError(f"{shown(url)[:80]!r} is no URL of an engine; write one such as http://localhost:9090")
    if parts.query or parts.fragment:
        raise UsageError(f"{shown(url)[:80]!r}: only the beginning of the URL is needed, such as http://localhost:9090")
    return url.strip().rstrip("/").removesuffix("/api/v1")


def _is_near(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca_file or None)
        if access.cert_file:
            context.load_cert_chain(access.cert_file, access.key_file or None, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        names = [name for name in (access.ca_file, access.cert_file, access.key_file) if name]
        raise SourceError(f"cannot use {' and '.join(names)}", f"no certificate or key: {_short(error)}") from error
    if access.insecure:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it was asked for
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_password() -> str:
    raise ValueError("the key is locked by a password, which is not asked for")


def _vector(result: list[Any]) -> list[Series]:
    """The series of an instant query: ten thousand of them, so without a call for each, and the usual case first."""
    found, at_before, number = [], None, 0.0
    for one in result:
        labels, (at, value) = one["metric"], one["value"]
        for text in labels.values():
            if type(text) is not str:
                raise TypeError("labels are text")
        if at != at_before or type(at) is not type(at_before):
            at_before, number = at, _finite(at)
        found.append(Series(labels, ((number, float(value)),)))
    return found


def _matrix(result: list[Any]) -> list[Series]:
    found = []
    for one in result:
        labels = one["metric"]
        if not all(type(value) is str for value in labels.values()):
            raise TypeError("labels are text")
        found.append(Series(labels, tuple((_finite(at), float(value)) for at, value in one["values"])))
    return found


def _finite(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise ValueError("a time is a number")
    return float(value)  # type: ignore[arg-type]


def _http(status: int) -> str:
    if status in (401, 403):
        return f"it does not let us in (HTTP {status}): see --http-config"
    if 300 <= status < 400:
        return f"it leads elsewhere (HTTP {status}), and no redirect is followed"
    return "" if status == 200 else f"HTTP {status}"


def _short(error: object) -> str:
    text = shown(" ".join(str(error).split()))
    return text if len(text) <= _SAID else f"{text[:_SAID]}…"


def _reason(error: Exception) -> str:
    """The last cause in an error of urllib3's, in its own words: the rest repeats the address."""
    if isinstance(error, TimeoutError):
        return _short(error)
    connected = not isinstance(error, urllib3.exceptions.NewConnectionError)  # which is one of time to urllib3
    if connected and isinstance(error, urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"its certificate is not taken: {_short(error)}"
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "there is no machine of that name"
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return _short(str(error).rpartition(">: ")[2])
