"""The application: wires a session, what keys do to it, and the panes that show it."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from damontui import files, units
from damontui.analysis.chosen import Owner
from damontui.errors import SourceError
from damontui.safe_text import shown
from damontui.session.session import Session
from damontui.tui import keys
from damontui.tui.draw import Follows
from damontui.tui.explore import Explorer
from damontui.tui.frame import Frame
from damontui.tui.front import Front, Ground
from damontui.tui.heatmap.compose import Composer
from damontui.tui.heatmap.widget import RegionsPane
from damontui.tui.options import ScreenOptions
from damontui.tui.panes.bandwidth import BandwidthPane
from damontui.tui.panes.headline import HeadlinePane
from damontui.tui.panes.idle import IdlePane
from damontui.tui.panes.intervals import IntervalsPane
from damontui.tui.panes.keyline import KeyLine
from damontui.tui.panes.notice import Notice
from damontui.tui.panes.output import OutputPane
from damontui.tui.panes.scrubber import Scrubber
from damontui.tui.panes.title import TitleBar
from damontui.tui.stage import Stage
from damontui.tui.targets import Targets

if TYPE_CHECKING:
    from damontui.tui.panes.list import ListPane
    from damontui.tui.screens.picker import PickerScreen

TERMINAL_LOST = 128 + signal.SIGHUP
INTERRUPTED = 128 + signal.SIGINT
_READ = 10.0  # seconds after which a message goes where there is little room
_SOON, _STREAM = 0.5, 1.25  # seconds after a repaint in which the clock need not go on by itself; so, in a stream


class Arrived(Message, bubble=False):
    """There is something for the session to take. One of these stands for all that came before it."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Arrived)


class DamontuiApp(Front):
    """The screen of a session. Actions that an `Explorer` knows are its business; here is what needs a screen.

    Args:
        session: not begun yet; its source is entered and left by the caller.
        options: what the user chose.
        output: shows what the command prints that was started here.

    Raises:
        UsageError: a theme that is not there, or a keymap that cannot be.
    """

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    LEFT_OUT: frozenset[str] = frozenset()
    """Actions that this front end does not have."""
    # Textual declares these two as instance attributes
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (40, "-narrow"), (100, "-wide"), (170, "-vast")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (8, "-short"), (20, "-medium"), (30, "-tall"), (48, "-tower")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings()

    def __init__(
        self, session: Session, *, options: ScreenOptions | None = None, output: OutputPane | None = None
    ) -> None:
        self.options = options if options is not None else ScreenOptions()
        super().__init__(self.options.theme)
        self.session = session
        self.output = output
        self.closes = False
        """Whether the screen closes when the command ends whose output it shows."""
        # Textual made these of its own default theme, and parses all again at the start where they differ
        self.stylesheet.set_variables(self.get_css_variables())
        self._fresh_css: str | None = self.theme
        self.keymap_in_force = keys.keymap(self.options.keymap)
        self.set_keymap(self.keymap_in_force)
        self.composer = Composer()
        self.explorer = Explorer(session, self.composer, self.options)
        self.targets = Targets(self)
        self.stage: Stage | None = None
        """The panes; None before they are there."""
        self._painted, self._apart = 0.0, math.inf
        self._timer: Timer | None = None
        self._player: Timer | None = None
        self._wound, self._played = False, 0.0
        self._said: tuple[tuple[object, ...], float] = ((None, "", ""), 0.0)
        """What was said when it was last looked, and since when."""
        self._cpu = (time.monotonic(), time.process_time())

    # -- life ----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield TitleBar(id="title")
        yield HeadlinePane(id="headline")
        yield Notice(id="notice")
        with Ground(id="body"):
            yield RegionsPane(self.composer, id="regions")
            with Ground(id="side"):
                yield IntervalsPane(id="intervals")
                yield BandwidthPane(id="bandwidth")
                yield IdlePane(id="idle")
        if self.output is not None:
            yield self.output
        yield Scrubber(id="scrubber")
        yield KeyLine(self.keymap_in_force, without=self.LEFT_OUT, id="keys")

    def refresh_css(self, animate: bool = True) -> None:
        """Parse the stylesheet again, unless it is the start's and made of the right colours already (0.03 s)."""
        fresh, self._fresh_css = self._fresh_css, None
        if fresh != self.theme:
            super().refresh_css(animate)

    def on_mount(self) -> None:
        self.stage = Stage(self.screen, self.output)
        if self.options.glyphs is None and (self.no_color or self.console.color_system in (None, "standard")):
            self.explorer.glyphs = True
        self.screen.set_class(self.options.ascii, "-ascii")
        self.screen.set_class(self.output is not None, "-run")
        # back from the shell the terminal is empty, and Textual would only draw what changes
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self.session.begin(self._arrived, self.in_thread)
        if self.options.clocks:
            self.set_interval(1.0, self._tick)
            self._player = self.set_interval(0.1, self._play_on, pause=True)
            if self.output is not None:
                self.set_interval(0.25, self._follow_command)
            # what the program is made of stays: to look through it for garbage took 0.05 s, twice a minute
            self.call_after_refresh(gc.freeze)
        if self.session.description.reason and self.session.exchange.possible and self.options.clocks:
            self.call_after_refresh(self.action_target)  # nobody came for the scene: what is real, in front of it
        self.call_after_refresh(self.targets.look)
        self.paint()

    def on_unmount(self) -> None:
        self.session.close()

    def end(self, code: int) -> None:
        """Leave with this exit status. Signals are the caller's, which calls this on the loop."""
        self.session.stop()
        self.exit(code)

    async def action_quit(self) -> None:
        """Leave: 1 where the system said no and that still stands, else 0."""
        self.end(1 if self.session.error is not None else 0)

    def action_interrupt(self) -> None:
        """Leave as a program does that got SIGINT: the terminal gives the key to the screen, not the signal."""
        self.end(INTERRUPTED)

    # -- news ----------------------------------------------------------------------------------------------------

    def in_thread(self, work: Callable[[], None], kind: str) -> None:
        """Do it in a thread of its own; ``kind`` is its name."""
        self.run_worker(work, thread=True, group=kind, exit_on_error=False, name=kind)

    def _arrived(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self.post_message(Arrived())

    def on_arrived(self, message: Arrived) -> None:
        self.session.take()
        self.targets.look()
        self._paint_soon()

    # -- painting ------------------------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """What is to be seen now."""
        return self.explorer.frame()

    def paint(self) -> None:
        """Give every pane the present frame."""
        if self.stage is None or not self.stage.there:
            return
        self._timer = None
        now = time.monotonic()
        self._painted, self._apart = now, now - self._painted
        self._wind(now)
        frame = self.frame()
        self.stage.show(frame)
        if isinstance(self.screen, Follows):
            self.screen.follow(frame)

    def _paint_soon(self) -> None:
        if self._timer is not None:
            return
        wait = self._painted + 1 / self.options.fps - time.monotonic() if self.options.clocks else 0.0
        if wait <= 0:
            self.paint()
        else:
            self._timer = self.set_timer(wait, self.paint)

    def _tick(self) -> None:
        """Once a second: the clock, and whether the terminal is still there."""
        stdin = sys.__stdin__
        has_terminal = not self.is_headless and not self.is_web
        if has_terminal and (stdin is None or stdin.closed or not os.isatty(stdin.fileno())):
            self.end(TERMINAL_LOST)
            return
        now, cpu = time.monotonic(), time.process_time()
        if now - self._cpu[0] >= 2.0:
            self.explorer.own_cpu = (cpu - self._cpu[1]) / (now - self._cpu[0])
            self._cpu = (now, cpu)
        self.let_go(now)
        session, just = self.session, now - self._painted < (_STREAM if self._apart < _STREAM else _SOON)
        if self.stage is not None and session.enabled and session.error is None and not (self._exit or just):
            self.stage.count_on(self.frame())

    def let_go(self, now: float) -> None:
        """On a small screen a message goes once it could be read, so that the picture has its rows; `i` brings it back.

        Args:
            now: seconds, monotonic.
        """
        if self.session.messages != self._said[0]:
            self._said = self.session.messages, now
        elif self.session.said and now - self._said[1] >= _READ and (self.size.width < 80 or self.size.height < 20):
            self.session.dismiss()
            self._said = self.session.messages, now  # brought back, it has as long again
            self.paint()

    def _wind(self, now: float) -> None:
        """A record's clock goes only where there is a use of it: to be woken ten times a second for nothing is dear."""
        if self._player is None or self.session.busy == self._wound:
            return
        self._wound = self.session.busy
        if self._wound:
            self._played = now
            self._player.resume()
        else:
            self._player.pause()

    def _play_on(self) -> None:
        now = time.monotonic()
        self._played, seconds = now, now - self._played
        self.session.advance(min(seconds, 1.0))  # after a suspension it goes on where it was
        if self.session.learn() or self.session.playing or not self.session.busy:
            self.paint()

    def _follow_command(self) -> None:
        assert self.output is not None
        self.output.redraw()
        if self.closes and self.output.over:
            self.end(0)

    # -- keys and the mouse ----------------------------------------------------------------------------------------

    def action_wish(self, wish: str) -> None:
        """What needs no screen."""
        self.explorer.do(wish)
        self.paint()

    def on_regions_pane_pointed(self, message: RegionsPane.Pointed) -> None:
        self.explorer.point(message.place)
        self.paint()

    def on_regions_pane_wheeled(self, message: RegionsPane.Wheeled) -> None:
        self.explorer.zoom(message.place, message.factor)
        self.paint()

    def on_scrubber_sought(self, message: Scrubber.Sought) -> None:
        self.explorer.seek(message.time)
        self.paint()

    def on_list_pane_chosen(self, message: ListPane.Chosen) -> None:
        self.explorer.choose(message.region)
        self.paint()

    def on_list_pane_sorted(self, message: ListPane.Sorted) -> None:
        self.explorer.sort_by(message.by)
        self.paint()

    def on_title_bar_switched(self, message: TitleBar.Switched) -> None:
        self.action_switch()

    def action_switch(self) -> None:
        """Turn monitoring off or on; after an error or an end: start afresh."""
        self.session.switch()
        self.paint()

    def action_take(self) -> None:
        """Switch DAMON_STAT off for the time being, where it is in the way, and start afresh."""
        self.session.take_over()
        self.paint()

    def action_scroll_rows(self, rows: int) -> None:
        """Move through the percentiles, the list, or what a command prints."""
        if self.stage is not None and (self.stage.only == "output" or not self.explorer.list_open):
            self.stage.scroll(rows)
        else:
            self.action_wish(f"move({-rows})")

    def action_maximise(self, pane: str) -> None:
        """One pane alone; the same again: all of them."""
        if self.stage is not None and not (pane == "output" and self.output is None):
            self.stage.show_only(None if self.stage.only == pane else pane)
            self.paint()

    def action_restore(self) -> None:
        """All panes, no message; then what else is open goes, one after the other."""
        if self.stage is None:
            return
        if self.stage.only is not None or self.session.said:
            self.session.dismiss()
            self.stage.show_only(None)
        elif not self.explorer.put_away():
            self.session.dismiss()
            self.targets.back()
        self.paint()

    def action_messages(self) -> None:
        """Bring back what esc has put away."""
        if not self.session.recall():
            self.notify("no message was put away", markup=False)
        self.paint()

    # -- what is asked for in a line, and where it goes --------------------------------------------------------------

    def action_clock(self) -> None:
        """A moment by its time of day."""
        if self.session.history.last is not None:
            hint = "14:05, 14:05:30, 2026-01-31 14:05; -2m or -1:30 is so long ago"
            self._ask("Go to a time", hint, self.explorer.wall, self.explorer.go)

    def action_search(self) -> None:
        """A region by its name or by an address in it."""
        if self.frame().snapshot is not None:
            hint = "a part of the name, or an address such as 0x7f12a000; the same again: the next one"
            self._ask("Search", hint, self.explorer.find, self.explorer.search, self.explorer.sought)

    def action_filter(self) -> None:
        """Which regions are listed."""
        from damontui.tui.listing import parse_filter

        if not self.explorer.list_open:
            self.action_wish("list")
        hint = "a part of the name, size>64M, rate>10%, idle>1m, used<5s; several; empty: all"
        self._ask("List only", hint, parse_filter, self.explorer.filter_by, self.explorer.listing.filter.text)

    def _ask(
        self, title: str, hint: str, check: Callable[[str], object], then: Callable[[str], None], before: str = ""
    ) -> None:
        from damontui.tui.screens.prompt import PromptScreen

        def answered(text: str | None) -> None:
            if text is not None:
                then(text)
                self.paint()

        self.push_screen(PromptScreen(title, hint, check, before), answered)

    # -- another target ------------------------------------------------------------------------------------------

    def action_target(self) -> None:
        """Choose another target."""
        self.targets.pick()

    def action_several(self) -> None:
        """The table of several processes, where several are watched, or one of them that was opened from it."""
        self.targets.back()

    def on_picker_screen_listed(self, message: PickerScreen.Listed) -> None:
        self.targets.listed(message)

    def on_picker_screen_opened(self, message: PickerScreen.Opened) -> None:
        self.targets.opened(message)

    # -- files, the clipboard and further screens ------------------------------------------------------------------

    def action_record(self) -> None:
        """Begin a record of what comes in from now on, or end it."""
        recorder = self.session.end_record()
        if recorder is None:
            self.session.record(Path(self.options.screenshots or "."))
        else:
            words = f"{recorder.path.resolve()}: {recorder.count} snapshots, {units.size(recorder.bytes)}"
            self.notify(words, title="Recorded", markup=False)
        self.paint()

    def action_copy(self) -> None:
        """The read-out of the cursor into the terminal's clipboard."""
        from damontui.tui.panes import detail

        frame = self.frame()
        found = None
        if frame.snapshot is not None and frame.cursor is not None:
            found = detail.facts(frame.snapshot, frame.cursor)
        if found is None or frame.snapshot is None:
            self.session.notice = SourceError(
                "nothing to copy", "no region is pointed at", "press n for the hottest region, or an arrow key"
            )
            self.paint()
            return
        self.session.notice = None  # that there was nothing to copy is no longer so
        self.paint()
        self.copy_to_clipboard(detail.plain(found, frame.snapshot, len(frame.snapshot.targets)))
        where = f"{found.start:#x} - {found.end:#x}"
        self.notify(f"{where}, if your terminal allows OSC 52", title="Copied", markup=False)

    def copy_to_clipboard(self, text: str) -> None:
        """What may be shown of it: a shell obeys what is pasted."""
        super().copy_to_clipboard(shown(text, lines=True))

    def action_help(self) -> None:
        """Keys and panes explained, and what this target cannot tell."""
        from damontui.tui.screens.help import HelpScreen

        # a source knows only when it runs what it has to do without
        self.push_screen(HelpScreen(self.keymap_in_force, self.session.monitor.source.describe().limits))

    def action_owners(self) -> None:
        """Whose memory it is, at the moment shown."""
        from damontui.tui.screens.owners import OwnersScreen

        if not isinstance(self.screen, OwnersScreen):
            self.push_screen(OwnersScreen(self.frame()), self._owner_chosen)

    def _owner_chosen(self, owner: Owner | None) -> None:
        if owner is not None:
            self.explorer.owner = owner
            self.paint()

    def action_shot(self) -> None:
        """The screen as an SVG file."""
        folder = Path(self.options.screenshots or ".")
        stem = time.strftime("damontui-%Y-%m-%d-%H%M%S", time.localtime(self.session.clock()))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = files.free_path(folder, stem, ".svg")
            with files.whole(path) as file:
                file.write(self.export_screenshot().encode("utf-8", "replace"))
        except (OSError, SourceError) as error:
            why = error.why if isinstance(error, SourceError) else (error.strerror or str(error)).lower()
            self.session.notice = SourceError(
                f"cannot save the screenshot in {folder.resolve()}", why, "choose another folder with --screenshots"
            )
            self.paint()
            return
        self.notify(str(path.resolve()), title="Screenshot saved", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The table of keys as commands, and themes."""
        for key in keys.TABLE:
            verb = keys.VERBS.get(key.id)
            if verb is not None:
                names = " or ".join(keys.keys_of(key, self.keymap_in_force))
                yield SystemCommand(f"{verb} ({names})", key.help.lstrip("… ,"), partial(self._command, key.call))
        yield SystemCommand("Change the theme", "colours of everything", self.action_change_theme)

    def _command(self, action: str) -> None:
        self.call_later(self.run_action, action)
