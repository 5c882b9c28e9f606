"""What a screen does by itself, without a key and without news: it counts on, lets messages go, plays a record."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.timer import Timer

if TYPE_CHECKING:
    from damontui.session.messages import Said
    from damontui.tui.app import DamontuiApp

TERMINAL_LOST = 128 + signal.SIGHUP
_READ = 10.0  # seconds after which a message goes where there is little room
_SOON, _STREAM = 0.5, 1.25  # seconds after a repaint in which the clock need not go on by itself; so, in a stream


class Clocks:
    """The timers of an app, and what is done when they go off. Times are seconds, monotonic.

    Args:
        app: whose session is shown.
        clock: seconds, monotonic.
        cpu_clock: CPU seconds of this program.
    """

    def __init__(
        self,
        app: DamontuiApp,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._app = app
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._painted, self._apart = 0.0, math.inf
        """When it was painted last, and how long after the time before."""
        self._soon: Timer | None = None
        """Will paint what has come in."""
        self._player: Timer | None = None
        self.wound = False
        """Whether the clock of a record goes."""
        self._played = 0.0
        self._said: tuple[Said | None, float] = (None, 0.0)
        """What was said when it was last looked, and since when."""
        self._cpu = (clock(), cpu_clock())

    def begin(self) -> None:
        """Go, until the app ends."""
        app = self._app
        app.set_interval(1.0, lambda: self.tick(self._clock()))
        self._player = app.set_interval(0.1, lambda: self.play_on(self._clock()), pause=True)
        if app.output is not None:
            app.set_interval(0.25, self.follow_command)

    # -- painting

    def painted(self, now: float) -> None:
        """All is painted: what counts on by itself has counted, and a record may have begun to play, or ended."""
        self._soon = None
        self._painted, self._apart = now, now - self._painted
        self._wind(now)

    def paint_soon(self) -> None:
        """Paint at once, or where that was only just done, when it may be done again."""
        app, options = self._app, self._app.options
        if self._soon is not None:
            return
        wait = self._painted + 1 / options.fps - self._clock() if options.clocks else 0.0
        if wait <= 0:
            app.paint()
        else:
            self._soon = app.set_timer(wait, app.paint)

    def tick(self, now: float) -> None:
        """Once a second: the clock, and whether the terminal is still there."""
        app, session = self._app, self._app.session
        stdin = sys.__stdin__
        has_terminal = not app.is_headless and not app.is_web
        if has_terminal and (stdin is None or stdin.closed or not os.isatty(stdin.fileno())):
            app.end(TERMINAL_LOST)
            return
        cpu = self._cpu_clock()
        if now - self._cpu[0] >= 2.0:
            app.explorer.own_cpu = (cpu - self._cpu[1]) / (now - self._cpu[0])
            self._cpu = (now, cpu)
        self.let_go(now)
        just = now - self._painted < (_STREAM if self._apart < _STREAM else _SOON)
        if app.stage is not None and session.enabled and session.error is None and not (session.leaving or just):
            app.stage.count_on(app.frame())

    def let_go(self, now: float) -> None:
        """On a small screen a message goes once it could be read: the picture needs its rows; `i` brings it back."""
        app, messages = self._app, self._app.session.messages
        if messages.now != self._said[0]:
            self._said = messages.now, now
        elif messages.said and now - self._said[1] >= _READ and (app.size.width < 80 or app.size.height < 20):
            messages.dismiss()
            self._said = messages.now, now  # brought back, it has as long again
            app.paint()

    # -- a record, a command

    def _wind(self, now: float) -> None:
        """A record's clock goes only where there is a use of it: to be woken ten times a second for nothing is dear."""
        busy = self._app.session.playback.busy
        if self._player is None or busy == self.wound:
            return
        self.wound = busy
        if busy:
            self._played = now
            self._player.resume()
        else:
            self._player.pause()

    def play_on(self, now: float) -> None:
        """A record plays, and is gone through."""
        playback = self._app.session.playback
        self._played, seconds = now, now - self._played
        playback.advance(min(seconds, 1.0))  # after a suspension it goes on where it was
        if playback.catch_up() or playback.playing or not playback.busy:
            self._app.paint()

    def follow_command(self) -> None:
        """What a command prints, and whether it has ended."""
        app = self._app
        assert app.output is not None
        app.output.redraw()
        if app.closes and app.output.over:
            app.end(0)
