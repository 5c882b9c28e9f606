"""The live monitor: a screen on one target."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from damontui.commands.context import Context, Parser, add_screen, add_target
from damontui.commands.terminal import keyboard_beside_input
from damontui.errors import SourceError, UsageError


def arguments(parser: Parser) -> None:
    """The options of the live monitor."""
    add_target(parser)
    add_screen(parser)


def need_terminal(environ: Mapping[str, str], other: str = "damontui snapshot prints without a screen") -> None:
    """Refuse a screen where there is none, before anything large is imported. Raises `UsageError`."""
    for stream, name in (
        (sys.stdin, "standard input"),
        (sys.stdout, "standard output"),
        (sys.stderr, "standard error"),
    ):
        if stream is None or not stream.isatty():
            raise UsageError(f"the live monitor needs a terminal, and {name} is not one; {other}")
    if environ.get("TERM") == "dumb":
        raise UsageError(f"the live monitor needs a terminal that can move its cursor, and TERM is dumb; {other}")


def run(context: Context) -> int:
    """Open the screen; sources are entered and left outside of it, whatever happens to the screen."""
    stream = keyboard_beside_input() if context.settings.target == "-" else None
    need_terminal(context.environ)
    context.options  # noqa: B018 - wrong settings are said before the screen opens
    from damontui.commands.app import show

    try:
        with context.hold(stream) as active:
            return show(context, active)
    except SourceError as error:
        from damontui.commands.ask import may_hold_up
        from damontui.operations.refusals import HoldsUp

        if not isinstance(error, HoldsUp) or not may_hold_up(error):
            raise
        context.allow_pause(error.needed)
    with context.hold(stream) as active:
        return show(context, active)
