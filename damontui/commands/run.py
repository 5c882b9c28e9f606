"""Start a command and monitor it from its first page; ends with the command's exit status."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from damontui.commands.context import MONITORING_SETTINGS, Context, Parser, add_screen, add_settings
from damontui.commands.live import need_terminal
from damontui.commands.signals import Ended, entered
from damontui.commands.terminal import keyboard_beside_input
from damontui.damon.snapshot import Event, Snapshot
from damontui.errors import SourceError, UsageError
from damontui.sources.active import ActiveSource
from damontui.sources.launch import Launched, LaunchSource, launch, run_headless
from damontui.sources.process import BUDGET, DEFAULTS, MAX_PAUSE, WINDOW

EXAMPLES = """\
examples:
  damontui run -- make -j8                  the live monitor, and what make prints in a pane of its own
  damontui run -o build.log -- make -j8
  damontui run --json -- ./bench > bench.jsonl

On a terminal: the screen stays when the command has ended (not so with --close), and q leaves. Leaving before that
ends the command: SIGTERM, and SIGKILL after 5 s. Without a terminal, and with --json: the command's output goes to
standard error (or -o FILE), and to standard output goes one JSON object for each aggregation, or without --json a
summary of the last one when the command has ended. A reader that goes away ends the monitoring, not the command.

The command reads what standard input brings: cat data | damontui run -- sort. From the terminal it reads only where
there is no screen; then it has the terminal for itself, Ctrl-C and Ctrl-Z too.

Signals are passed on to the command. Exit status: the command's, 128 and the number for a signal that ended it; as in a
shell 127 where there is no such command, and 126 where it cannot be executed; 1 where it cannot be watched."""


def arguments(parser: Parser) -> None:
    """The options of ``run``."""
    parser.add_argument("command", metavar="COMMAND", nargs="*", help="what to start, with its arguments")
    group = parser.add_argument_group("monitoring (through /proc, no root needed)")
    add_settings(group, *MONITORING_SETTINGS)
    group.add_argument("--no-children", action="store_true", help="leave out what the command starts")
    group = parser.add_argument_group("running")
    add_settings(group, "enabled", "seed")
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", "--output", metavar="FILE", help="append what the command prints to FILE instead of showing it"
    )
    group.add_argument("--json", action="store_true", help="no screen: one JSON object a line on standard output")
    group.add_argument("--close", action="store_true", help="close the screen when the command ends")
    add_screen(parser)


def run(context: Context) -> int:
    """Start the command, and return its exit status."""
    words = context.words
    if not words.command:
        raise UsageError("run: the command is missing; write it after --: damontui run -- COMMAND")
    if os.path.realpath(words.rootfs) != "/":
        raise UsageError(f"--rootfs: {words.rootfs!r}: a command started here is seen in this machine's own /proc only")
    given = None if words.json else keyboard_beside_input()
    screen = not words.json and _has_terminal(context)
    size = shutil.get_terminal_size()
    source = launch(
        words.command,
        context.options.attrs(DEFAULTS),
        log=words.output,
        output="keep" if screen else "stderr",
        screen=screen,
        given=given,
        size=(max(20, size.columns - 4), 24),
        budget=BUDGET if context.options.budget is None else context.options.budget,
        max_pause=MAX_PAUSE if context.options.max_pause_us is None else context.options.max_pause_us / 1e6,
        window=WINDOW if context.options.window_us is None else context.options.window_us / 1e6,
        children=not words.no_children,
        program=context.program,
        enabled=context.options.enabled,
    )
    return _on_screen(context, source) if screen else _headless(context, source)


def _has_terminal(context: Context) -> bool:
    try:
        need_terminal(context.environ)
    except UsageError:
        return False
    return True


def _on_screen(context: Context, source: LaunchSource) -> int:
    from damontui.commands.app import show
    from damontui.tui.panes.output import OutputPane

    launched = source.launched
    output = OutputPane(launched, log=context.words.output or "", id="output")
    try:
        with _passing_on(launched), entered(ActiveSource(source), context.signals) as active:
            show(context, active, output=output, passed_on=launched.send, close=context.words.close)
    except Ended:
        if launched.poll() is None:
            raise
    status = launched.poll()
    return 1 if status is None else status


@contextmanager
def _passing_on(launched: Launched) -> Iterator[None]:
    """While this is entered, signals that do not end a screen go to the command alone."""

    def pass_on(number: int, _: FrameType | None) -> None:
        launched.send(number)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, pass_on)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _headless(context: Context, source: LaunchSource) -> int:
    shown = _Shown(json=context.words.json)
    with entered(source, context.signals):
        status = run_headless(source, shown.event, shown.failed, shown.stop)
        shown.end(source)
    return status


class _Shown:
    """Prints each snapshot, or a summary of the last one; nothing once nobody reads standard output."""

    def __init__(self, *, json: bool) -> None:
        self.stop = threading.Event()
        self._json = json
        self._last: Snapshot | None = None
        self._failed = False

    def event(self, event: Event) -> None:
        """Take in an event."""
        if isinstance(event, Snapshot):
            self._last = event
            if self._json:
                from damontui.output import json

                self._print(json.dump(event, "run"))

    def failed(self, error: SourceError) -> None:
        """Report that the monitoring has failed; the command goes on."""
        self._failed = True
        print("damontui:", " ".join(str(error).split()), file=sys.stderr, flush=True)

    def end(self, source: LaunchSource) -> None:
        """Print the summary, as the command has ended."""
        if self._last is None and not self._failed and source.enabled:
            print("damontui: the command ended before the first aggregation did", file=sys.stderr, flush=True)
        if self._last is not None and not self._json:
            from damontui.output import text

            self._print(text.summary(self._last, source.describe()))

    def _print(self, text: str) -> None:
        if self.stop.is_set():
            return
        try:
            print(text, flush=True)
        except BrokenPipeError:
            # Python would complain once more when it closes the stream
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            self.stop.set()
