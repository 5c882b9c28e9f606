"""Runs the screen so that the terminal and the source are given back whatever ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from damontui.commands.context import Context
from damontui.commands.signals import Ended, Signals
from damontui.history import BUDGET, History
from damontui.monitor import Monitor
from damontui.session.session import Session
from damontui.sources.active import ActiveSource
from damontui.tui.app import DamontuiApp
from damontui.tui.options import ScreenOptions
from damontui.tui.panes.output import OutputPane
from damontui.tui.themes import DARK

if TYPE_CHECKING:
    from damontui.tui.fleet import FleetApp

# back from the alternate screen, cursor on, mouse reports, bracketed paste, in-band resizes and kitty keys off
_RESTORE = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?2048l\x1b[<u\x1b[0m"


def show(
    context: Context,
    active: ActiveSource,
    *,
    output: OutputPane | None = None,
    passed_on: Callable[[int], None] = lambda _: None,
    close: bool = False,
) -> int:
    """Open the screen on the source in force; returns the exit status.

    Args:
        context: what the command is run with.
        active: the owner of the source, entered.
        output: the pane of a command that was started here.
        passed_on: called with the signal that ends the screen.
        close: whether the screen closes when that command ends.

    Raises:
        Ended: a signal ended the screen.
        Exception: a fault ended the screen; the terminal is restored by then.
    """
    history = History(context.settings.history or BUDGET)
    span = context.settings.span_us
    session = Session(
        Monitor(active.source, history),
        active=active,
        span=None if span is None else span / 1e6,
        pieces=context.settings.estimate_pieces,
    )
    app = DamontuiApp(session, options=options(context), output=output)
    app.closes = close
    return run_app(app, context.signals, passed_on)


def run_app(
    app: DamontuiApp | FleetApp,
    signals: Signals,
    passed_on: Callable[[int], None] = lambda _: None,
    closed: Callable[[], object] = lambda: None,
) -> int:
    """Run a screen to its end, or to a signal's; returns the exit status.

    Args:
        app: the screen.
        signals: the command's; while the screen is open, a signal asks it to close.
        passed_on: called with the signal that ends the screen.
        closed: called when the screen is gone, before its threads are waited for.

    Raises:
        Ended: a signal ended the screen.
        Exception: a fault ended the screen; the terminal is restored by then.
    """
    # the command line says in one line what happened, and shows where with --debug
    app._print_error_renderables = lambda: None  # type: ignore[method-assign]
    before = _terminal()
    try:
        asyncio.run(_until_closed(app, signals, passed_on, closed))
    except _Abandoned:
        pass  # a thread that does not end is left behind, and ends with the process
    except BaseException:
        _restore(before)
        raise
    if signals.signum:
        raise Ended(signals.signum)
    if app._exception is not None:
        raise app._exception
    return app.return_value or 0


def options(context: Context) -> ScreenOptions:
    """The settings that concern the screen."""
    settings = context.settings
    return ScreenOptions(
        theme=settings.theme or DARK.name,
        mode=settings.mode,
        keymap=settings.keys,
        ascii=settings.ascii,
        screenshots=os.path.expanduser(settings.screenshots or ""),
    )


class _Abandoned(SystemExit):
    """The screen is closed, but its threads do not end."""


async def _until_closed(
    app: DamontuiApp | FleetApp, signals: Signals, passed_on: Callable[[int], None], closed: Callable[[], object]
) -> None:
    loop = asyncio.get_running_loop()

    def leave() -> None:
        # runs in the signal handler: only the loop's own wake-up is safe there
        loop.call_soon_threadsafe(app.end, 128 + signals.signum)
        passed_on(signals.signum)

    signals.polite = leave
    try:
        await app.run_async()
    finally:
        closed()
    signals.limit(signals.patience, _Abandoned)


def _terminal() -> list[Any] | None:
    with contextlib.suppress(termios.error, OSError, ValueError, AttributeError):
        return termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]
    return None


def _restore(before: list[Any] | None) -> None:
    """Restore the terminal where the screen ended so suddenly that Textual could not."""
    if before is None:
        return  # a browser's screen has no terminal
    with contextlib.suppress(termios.error, OSError, ValueError, AttributeError):
        os.write(sys.__stderr__.fileno(), _RESTORE.encode())  # type: ignore[union-attr]
        termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, before)  # type: ignore[union-attr]
