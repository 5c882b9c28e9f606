"""The application: wires a session, what keys do to it, and the panes that show it."""

from __future__ import annotations

import contextlib
import gc
import signal
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from damontui import units
from damontui.analysis.chosen import Owner
from damontui.errors import SourceError
from damontui.session.session import Session
from damontui.tui import keys, prompts
from damontui.tui.clocks import Clocks
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
from damontui.tui.prompts import Prompt
from damontui.tui.stage import Stage
from damontui.tui.targets import Targets

if TYPE_CHECKING:
    from damontui.tui.panes.list import ListPane
    from damontui.tui.screens.picker import PickerScreen

INTERRUPTED = 128 + signal.SIGINT


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
        self.keymap_in_force = keys.keymap(self.options.keymap)
        self.set_keymap(self.keymap_in_force)
        self.composer = Composer()
        self.explorer = Explorer(session, self.composer, self.options)
        self.targets = Targets(self)
        self.clocks = Clocks(self)
        self.stage: Stage | None = None
        """The panes; None before they are there."""

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
            self.clocks.begin()
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
        self.clocks.paint_soon()

    # -- painting ------------------------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """What is to be seen now."""
        return self.explorer.frame()

    def paint(self) -> None:
        """Give every pane the present frame."""
        if self.stage is None or not self.stage.there:
            return
        self.clocks.painted(time.monotonic())
        frame = self.frame()
        self.stage.show(frame)
        if isinstance(self.screen, Follows):
            self.screen.follow(frame)

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

    def on_title_bar_switch_clicked(self, message: TitleBar.SwitchClicked) -> None:
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
        if self.stage.only is not None or self.session.messages.said:
            self.session.messages.dismiss()
            self.stage.show_only(None)
        elif not self.explorer.put_away():
            self.session.messages.dismiss()
            self.targets.back()
        self.paint()

    def action_messages(self) -> None:
        """Bring back what esc has put away."""
        if not self.session.messages.recall():
            self.notify("no message was put away", markup=False)
        self.paint()

    # -- what is asked for in a line -------------------------------------------------------------------------------

    def action_clock(self) -> None:
        """A moment by its time of day."""
        self._ask(prompts.clock(self.explorer))

    def action_search(self) -> None:
        """A region by its name or by an address in it."""
        self._ask(prompts.search(self.explorer))

    def action_filter(self) -> None:
        """Which regions are listed."""
        if not self.explorer.list_open:
            self.action_wish("list")
        self._ask(prompts.listed(self.explorer))

    def _ask(self, prompt: Prompt | None) -> None:
        if prompt is None:
            return
        from damontui.tui.screens.prompt import PromptScreen

        def answered(text: str | None) -> None:
            if text is not None:
                prompt.then(text)
                self.paint()

        self.push_screen(PromptScreen(prompt), answered)

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
        recorder = self.session.recording.end()
        if recorder is None:
            self.session.recording.begin(Path(self.options.screenshots or "."))
        else:
            words = f"{recorder.path.resolve()}: {recorder.count} snapshots, {units.size(recorder.bytes)}"
            self.notify(words, title="Recorded", markup=False)
        self.paint()

    def action_copy(self) -> None:
        """The read-out of the cursor into the terminal's clipboard."""
        from damontui.tui.panes import detail

        copied = detail.copied(self.frame())
        if copied is None:
            remedy = "press n for the hottest region, or an arrow key"
            self.session.messages.notice = SourceError("nothing to copy", "no region is pointed at", remedy)
            self.paint()
            return
        self.session.messages.notice = None  # that there was nothing to copy is no longer so
        self.paint()
        where, text = copied
        self.copy_to_clipboard(text)
        self.notify(f"{where}, if your terminal allows OSC 52", title="Copied", markup=False)

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
        from damontui.tui import shot

        folder = Path(self.options.screenshots or ".")
        try:
            path = shot.save(self.export_screenshot(), folder, self.session.clock())
        except SourceError as error:
            self.session.messages.notice = error
            self.paint()
        else:
            self.notify(str(path.resolve()), title="Screenshot saved", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The table of keys as commands, and themes."""
        for title, words, action in keys.commands(self.keymap_in_force):
            yield SystemCommand(title, words, partial(self.call_later, self.run_action, action))
        yield SystemCommand("Change the theme", "colours of everything", self.action_change_theme)
