"""One browser's screen: runs below the page's server, and ends with it."""

from __future__ import annotations

import ctypes
import os
import signal

from damontui.commands.app import options, run_app
from damontui.commands.context import Context
from damontui.errors import UsageError
from damontui.history import BUDGET, History
from damontui.monitor import Monitor
from damontui.session.session import Session
from damontui.tui.served import LookedAt, ServedApp

_PR_SET_PDEATHSIG = 1


def show(context: Context) -> int:
    """Open the screen on standard input and output, in the server's own form; returns the exit status."""
    if not context.environ.get("TEXTUAL_DRIVER", "").endswith(":WebDriver"):
        raise UsageError("--session is for damontui serve itself; without it: damontui serve")
    # a server that is killed says no goodbye, and what was taken from the system must be given back all the same
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 1
    with context.open() as source:
        history = History(context.settings.history or BUDGET)
        monitor = Monitor(LookedAt(source), history)
        span = context.settings.span_us
        pieces = context.settings.estimate_pieces
        session = Session(monitor, span=None if span is None else span / 1e6, pieces=pieces)
        app = ServedApp(session, options=options(context))
        # where the server is gone, a screen dies of its next line, and the loop would wait for the monitor's thread
        return run_app(app, context.signals, closed=lambda: monitor.stop(timeout=0))
