"""Runs the fleet's screen so that the terminal is given back whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from damontui.commands.context import Context
from damontui.commands.screen import _Abandoned, _restore, _terminal
from damontui.commands.signals import Ended
from damontui.fleet.ask import Wish, ask_hosts, ask_sums, history, trend
from damontui.fleet.client import Client
from damontui.fleet.model import Picture
from damontui.tui.fleet import FleetApp, Questions

SPAN_S = 3600.0
"""How far back percentiles are shown."""


def show(context: Context, client: Client, wish: Wish) -> int:
    """Open the screen; returns the exit status. Raises `Ended` where a signal ended it."""
    settings = context.settings

    def pictures(wish: Wish) -> Iterator[Picture]:
        hosts = ask_hosts(client, wish)
        yield hosts
        yield ask_sums(client, wish, hosts)

    questions = Questions(
        pictures,
        lambda wish, picture: trend(client, wish, picture.time, SPAN_S),
        lambda wish, picture, at: history(client, wish, picture.hosts, at, picture.time, SPAN_S),
    )
    app = FleetApp(
        client.url,
        wish,
        questions,
        every=context.words.every,
        ascii=settings.ascii,
        theme=settings.theme,
    )
    app._print_error_renderables = lambda: None  # type: ignore[method-assign]
    before = _terminal()
    try:
        asyncio.run(_session(context, app))
    except _Abandoned:
        pass  # an engine that does not answer: its thread ends with the process
    except BaseException:
        _restore(before)
        raise
    if context.signals.signum:
        raise Ended(context.signals.signum)
    if app._exception is not None:
        raise app._exception
    return app.return_value or 0


async def _session(context: Context, app: FleetApp) -> None:
    loop = asyncio.get_running_loop()

    def leave() -> None:
        # runs in the signal handler: only the loop's own wake-up is safe there
        loop.call_soon_threadsafe(app.end, 128 + context.signals.signum)

    context.signals.polite = leave
    await app.run_async()
    context.signals.limit(context.signals.patience, _Abandoned)
