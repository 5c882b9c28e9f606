"""Runs the fleet's screen so that the terminal is given back whatever ends it."""

from __future__ import annotations

from collections.abc import Iterator

from damontui.commands.app import run_app
from damontui.commands.context import Context
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
    return run_app(app, context.signals)
