"""Runs the fleet's screen so that the terminal is given back whatever ends it."""

from __future__ import annotations

import shlex
import sys

from damontui.commands.app import run_app
from damontui.commands.context import Context
from damontui.commands.fleet_live import watch
from damontui.fleet.ask import ask_details
from damontui.fleet.client import Client
from damontui.fleet.looks import Looks
from damontui.fleet.ssh import ssh_command
from damontui.fleet.sums import history, trend
from damontui.fleet.wish import Wish
from damontui.tui.fleet import FleetApp
from damontui.tui.fleet_asker import Questions

SPAN_S = 3600.0
"""How far back percentiles are shown."""


def show(context: Context, client: Client, wish: Wish) -> int:
    """Open the screen; returns the exit status. Raises `Ended` where a signal ended it."""
    settings = context.settings

    questions = Questions(
        Looks(client).pictures,
        lambda wish, picture, at: ask_details(client, wish, picture, at),
        lambda wish, picture, before: trend(client, wish, picture.time, SPAN_S, before=before),
        lambda wish, picture, at: history(client, wish, picture.hosts, at, picture.time, SPAN_S),
    )
    seen, said = None, ""
    while True:
        app = FleetApp(
            client.url,
            wish,
            questions,
            every=context.words.every,
            ascii=settings.ascii,
            theme=settings.theme,
            seen=seen,
            said=said,
        )
        status = run_app(app, context.signals)
        if not app.live:
            return status
        seen, wish = app.seen, app.wish
        print(f"damontui: {shlex.join(ssh_command(app.live))}", file=sys.stderr, flush=True)
        said = watch(context, app.live)
