"""The page's server: textual-serve, for its own page only, with a limit, and with nothing fetched from elsewhere."""

from __future__ import annotations

import asyncio
import errno
import logging
import sys
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

from damontui.commands.signals import Ended, Signals
from damontui.errors import SourceError, UsageError

_log = logging.getLogger(__name__)

SESSIONS = 8
"""How many browsers are served at the same time; each has a screen and a monitor of its own."""
_GOODBYE_S = 5.0
"""Seconds that screens have to give back what they took."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page(Server):
    """Serves a command's screen to browsers that have opened this very page.

    Args:
        command: the shell's command for one browser's screen.
        address: an address of this machine, in numbers.
        port: the port.
        url: the page's address in browsers; None where that is the address and the port.

    Raises:
        UsageError: ``url`` is no URL.
    """

    def __init__(self, command: str, address: str, port: int, url: str | None) -> None:
        host = f"[{address}]" if ":" in address else address
        self.origins = origins(url) if url is not None else own_origins(host, port)
        super().__init__(
            command, address, port, title="damontui", public_url=(url or f"http://{host}:{port}").rstrip("/")
        )
        self.sessions: set[asyncio.Task[object]] = set()

    def initialize_logging(self) -> None:
        """Do nothing, as the program has its own logging."""

    async def on_startup(self, app: web.Application) -> None:
        """Do nothing: the page's address is printed once it can be opened."""

    async def on_shutdown(self, app: web.Application) -> None:
        """Close the screens at once: they would go on until their browsers left."""
        for task in tuple(self.sessions):
            task.cancel()

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()
        app.middlewares.append(self._guard)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests that another page makes, and let the page fetch nothing from elsewhere.

        Any page can make a browser send a request here. Such a request has the other page in ``Origin``, or another
        name for this machine in ``Host``. Behind a proxy, ``Host`` is not checked, as the proxy sets it.
        """
        schemes_and_hosts = {urlsplit(one).netloc for one in self.origins}
        if request.host not in schemes_and_hosts and not self._is_proxied():
            raise web.HTTPForbidden(text="this is not the name of this page\n")
        origin = request.headers.get("Origin")
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if (is_socket or origin is not None) and origin not in self.origins:
            raise web.HTTPForbidden(text="another page asks\n")
        if is_socket:
            return await self._limited(request, handler)
        answer = await handler(request)
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
            f"img-src 'self' data:; connect-src {' '.join(_sockets(self.origins))}; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        )
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer

    def _is_proxied(self) -> bool:
        return not any(urlsplit(one).netloc.rpartition(":")[0] in _LOOPBACK for one in self.origins)

    async def _limited(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        if len(self.sessions) >= SESSIONS:
            raise web.HTTPServiceUnavailable(text=f"{SESSIONS} browsers look already\n")
        self.sessions.add(task)
        _log.info("a browser looks, %d in all", len(self.sessions))
        try:
            return await handler(request)
        finally:
            self.sessions.discard(task)


def origins(url: str) -> tuple[str, ...]:
    """The origin of a page's URL. Raises `UsageError`."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is none
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise UsageError(f"--url: {url!r} is no address of a page; write one such as https://host.example/memory")
    return (f"{parts.scheme}://{parts.netloc}",)


def own_origins(host: str, port: int) -> tuple[str, ...]:
    """All names that this machine has for itself, where the address is one of them."""
    names = _LOOPBACK if host in _LOOPBACK or host.startswith("127.") else (host,)
    return tuple(f"http://{name}:{port}" for name in dict.fromkeys((host, *names)))


def _sockets(pages: tuple[str, ...]) -> list[str]:
    # a policy knows no IPv6 addresses; 'self' is there for them
    return ["'self'", *(one.replace("http", "ws", 1) for one in pages if "[" not in one)]


def serve(command: str, address: str, port: int, url: str | None, signals: Signals) -> int:
    """Serve the page until a signal comes; return 0, or raise what `Signals` makes of the signal.

    Args:
        command: the command line that each page runs.
        address, port: where to listen.
        url: the address that browsers use, where that is another one (behind a proxy).
        signals: those that end it.

    Raises:
        Ended: a signal came.
        SourceError: it cannot listen there.
    """
    page = Page(command, address, port, url)
    try:
        asyncio.run(_serve(page, signals))
    except OSError as error:
        why = "it is taken" if error.errno == errno.EADDRINUSE else (error.strerror or str(error)).lower()
        raise SourceError(f"cannot listen on {address} port {port}", why, "choose another one: --listen") from error
    if signals.signum:
        raise Ended(signals.signum)
    return 0


async def _serve(page: Page, signals: Signals) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def leave() -> None:
        # runs in the signal handler: only the loop's own wake-up is safe there
        loop.call_soon_threadsafe(stop.set)

    runner = web.AppRunner(await page._make_app(), access_log=None, shutdown_timeout=_GOODBYE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, page.host, page.port).start()
        signals.patience = 3 * _GOODBYE_S
        signals.polite = leave
        print(f"damontui: open {page.public_url} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()
