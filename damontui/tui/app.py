"""The application: takes what the monitor hands over, makes a frame of it, and gives that to each pane."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Container
from textual.css.query import NoMatches
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from damontui import files, units
from damontui.analysis.estimate import Estimate
from damontui.analysis.savings import Learned
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Event, Interim, Snapshot, Status
from damontui.errors import DamontuiError, SourceError, UsageError
from damontui.history import History
from damontui.monitor import Monitor
from damontui.recorder import Recorder, free_name
from damontui.safe_text import shown
from damontui.session.mailbox import Mailbox, Snapshots
from damontui.sources.active import ActiveSource
from damontui.sources.base import Source, Taking
from damontui.sources.several import several_of
from damontui.tui import keys
from damontui.tui.draw import ShownFilter
from damontui.tui.explore import Exploring
from damontui.tui.frame import Frame, Mode
from damontui.tui.heatmap.widget import RegionsPane
from damontui.tui.panes.bandwidth import BandwidthPane
from damontui.tui.panes.headline import Headline
from damontui.tui.panes.idle import IdlePane
from damontui.tui.panes.intervals import IntervalsPane
from damontui.tui.panes.keyline import KeyLine
from damontui.tui.panes.notice import Notice
from damontui.tui.panes.output import OutputPane
from damontui.tui.panes.scrubber import Scrubber
from damontui.tui.panes.title import TitleBar
from damontui.tui.screens.help import HelpScreen
from damontui.tui.screens.several import SeveralScreen
from damontui.tui.themes import DARK, THEMES

if TYPE_CHECKING:
    from damontui.tui.screens.picker import PickerScreen

MODES: tuple[Mode, ...] = ("rate", "temperature", "idle")

TERMINAL_LOST = 128 + signal.SIGHUP
INTERRUPTED = 128 + signal.SIGINT
_SOON, _STREAM = 0.5, 1.25  # seconds after a repaint in which the clock need not go on by itself; so, in a stream
_AT_ONCE = 10_000  # regions that an estimate takes in at one painting, a third of a second
_LITTLE = 100  # snapshots of a record that are gone through between two steps of the player
PATIENCE = 5.0
"""Seconds that a target has to end its monitoring before another takes its place."""


@dataclass(frozen=True, slots=True)
class ScreenOptions:
    """What a user can choose about the screen.

    Attributes:
        theme: ``damontui-dark``, ``damontui-light`` or one of Textual's.
        span: seconds across the heatmap, to which it grows; None is four minutes, and all of a record.
        mode: what the heatmap's colour means.
        keymap: name in the table of keys → keys, comma separated.
        ascii: only ASCII characters.
        glyphs: values as glyphs too; None finds out (NO_COLOR, 16 colours).
        fps: repaints a second at most.
        all_percentiles: 101 rows of idle time instead of 11.
        screenshots: the folder for ctrl+s and r; "" is the current one.
    """

    theme: str = DARK.name
    span: float | None = None
    mode: Mode = "rate"
    keymap: Mapping[str, str] = field(default_factory=dict)
    ascii: bool = False
    glyphs: bool | None = None
    fps: float = 10.0
    all_percentiles: bool = False
    screenshots: str = ""


@dataclass(frozen=True, slots=True)
class _Switched:
    """The switch answered: with an error, or with what was wanted."""

    on: bool
    error: DamontuiError | None = None


_SHOWN = ShownFilter()


class _Finished:
    """The monitor's run returned."""


@dataclass(frozen=True, slots=True)
class _Left:
    """The source before the one in force was left; ``error`` is what the system said to that."""

    error: DamontuiError | None


@dataclass(slots=True)
class _Trial:
    """Another target that was chosen: it takes the place of the one in force once it has said anything but no."""

    monitor: Monitor
    alone: bool
    """Both need the kernel's DAMON: the one in force stands still meanwhile."""
    paused: bool = False
    """Whether it does."""


_News = Event | DamontuiError | Snapshots | _Switched | _Finished | _Left


class Arrived(Message, bubble=False):
    """Something lies in the app's mailbox. One of these stands for all that came before it."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Arrived)


class DamontuiApp(Exploring):
    """The live monitor.

    Args:
        monitor: what to run, in a thread of the app's; its source is entered and left by the caller. None where
            events are fed by hand.
        description: of the source, where there is no monitor.
        clock: seconds since 1970.
        options: what the user chose.
        active: who owns the source, and can exchange it for another; None where there is one target only.
        output: shows what the command prints that was started here.

    Raises:
        UsageError: a theme that is not there, or a keymap that cannot be.
    """

    CSS_PATH = "app.tcss"
    TITLE = "damontui"
    ENABLE_COMMAND_PALETTE = True
    # Textual declares these two as instance attributes
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (40, "-narrow"), (100, "-wide"), (170, "-vast")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (8, "-short"), (20, "-medium"), (30, "-tall"), (48, "-tower")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings()

    def __init__(
        self,
        monitor: Monitor | None,
        *,
        description: Description | None = None,
        clock: Callable[[], float] = time.time,
        options: ScreenOptions | None = None,
        active: ActiveSource | None = None,
        output: OutputPane | None = None,
    ) -> None:
        super().__init__()
        self.options = options if options is not None else ScreenOptions()
        self.monitor = monitor
        self.clock = clock
        self.active = active
        self.output = output
        self.closes = False
        """Whether the screen closes when the command ends whose output it shows."""
        self.history = monitor.history if monitor is not None else History()
        if monitor is not None:
            description = monitor.source.describe()
        self.description = description or Description("", "", "simulated", Attrs())
        for theme in THEMES:
            self.register_theme(theme)
        if self.options.theme not in self.available_themes:
            raise UsageError(
                f"theme: there is no {self.options.theme!r}; known are {', '.join(sorted(self.available_themes))}"
            )
        self.theme = self.options.theme
        # Textual made these of its own default theme, and parses all again at the start where they differ
        self.stylesheet.set_variables(self.get_css_variables())
        self._fresh_css: str | None = self.theme
        self.keymap_in_force = keys.keymap(self.options.keymap)
        self.set_keymap(self.keymap_in_force)

        self.status: Status | None = None
        self.interim: Interim | None = None
        """What is known of the aggregation under way; None once it is whole."""
        self.error: DamontuiError | None = None
        self.notice: DamontuiError | None = None
        self.enabled = True
        self.look_anew(self.options.span)
        self.mode: Mode = self.options.mode
        self.all_percentiles = self.options.all_percentiles
        self.by_rule = False
        self.learned = Learned(self.history)
        self.own_cpu: float | None = None
        self.only: str | None = None
        """The pane that is shown alone."""
        self._switching = False
        self._again = False
        self._leaving = False
        self._by_others = False
        self._lost: Snapshot | None = None
        self._offer = ""
        self._back: tuple[str, Callable[[], None]] | None = None
        """The process that was opened from a table of several, and the way back to that."""
        self._put_away: tuple[DamontuiError | None, str, str] = (None, "", "")
        self._mail: Mailbox[Monitor | None] = Mailbox()
        self._trial: _Trial | None = None
        self._offered: Source | None = None
        """A source that was refused, and can be had with T."""
        self._unsubscribe: Callable[[], None] = lambda: None
        self.recorder: Recorder | None = None
        self._unrecord: Callable[[], None] = lambda: None
        self._painted, self._apart = 0.0, math.inf
        self._played = time.monotonic()
        self._timer: Timer | None = None
        self._player: Timer | None = None
        self._wound = False
        self._cpu = (time.monotonic(), time.process_time())

    # -- life ----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield TitleBar(id="title")
        yield Headline(id="headline")
        yield Notice(id="notice")
        with Container(id="body"):
            yield RegionsPane(self.composer, id="regions")
            with Container(id="side"):
                yield IntervalsPane(id="intervals")
                yield BandwidthPane(id="bandwidth")
                yield IdlePane(id="idle")
        if self.output is not None:
            yield self.output
        yield Scrubber(id="scrubber")
        yield KeyLine(self.keymap_in_force, id="keys")

    def refresh_css(self, animate: bool = True) -> None:
        """Parse the stylesheet again, unless it is the start's and made of the right colours already (0.03 s)."""
        fresh, self._fresh_css = self._fresh_css, None
        if fresh != self.theme:
            super().refresh_css(animate)

    def on_mount(self) -> None:
        self._glyphs = self.options.glyphs
        if self._glyphs is None:
            self._glyphs = self.no_color or self.console.color_system in (None, "standard")
        self.screen.set_class(self.options.ascii, "-ascii")
        self.screen.set_class(self.output is not None, "-run")
        # back from the shell the terminal is empty, and Textual would only draw what changes
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        if self.monitor is not None:
            self.enabled = self._reads_enabled()
            self._unsubscribe = self.monitor.subscribe(partial(self._receive, self.monitor))
            self._start()
            self.set_interval(1.0, self._tick)
            self._player = self.set_interval(0.1, self._play_on, pause=True)
            if self.description.reason and self.active is not None and self.active.exchangeable:
                self.call_after_refresh(self.action_target)  # nobody came for the scene: what is real, in front of it
            self.call_after_refresh(self.action_several)
            if self.output is not None:
                self.set_interval(0.25, self._follow_command)
        self.paint()

    def _wind(self) -> None:
        """The clock of a record goes only while it plays: to be woken ten times a second for nothing is dear."""
        going = self.playing or self.is_record
        if self._player is None or going == self._wound:
            return
        self._wound = going
        if going:
            self._played = time.monotonic()
            self._player.resume()
        else:
            self._player.pause()

    def _play_on(self) -> None:
        now = time.monotonic()
        self._played, seconds = now, now - self._played
        self.advance(min(seconds, 1.0))  # after a suspension it goes on where it was
        if self.is_record:  # what is known of its moments comes little by little
            before = self.learned.hindsight.until
            if self.learned.learn(_LITTLE) and self.learned.hindsight.until != before:
                self.paint()

    def _follow_command(self) -> None:
        assert self.output is not None
        self.output.redraw()
        if self.closes and self.output.over:
            self.end(0)

    def on_unmount(self) -> None:
        self._leaving = True
        self._unsubscribe()
        if self.monitor is not None:
            self.monitor.stop(timeout=2.0)
        if self._trial is not None:
            self._trial.monitor.stop(timeout=2.0)
        self._end_recording()

    def end(self, code: int) -> None:
        """Leave with this exit status. Signals are the caller's, which calls this on the loop."""
        self._leaving = True
        if self.monitor is not None:
            self.monitor.stop(timeout=0)
        if self._trial is not None:
            self._trial.monitor.stop(timeout=0)
        self.exit(code)

    async def action_quit(self) -> None:
        """Leave: 1 where the system said no and that still stands, else 0."""
        self.end(1 if self.error is not None else 0)

    def action_interrupt(self) -> None:
        """Leave as a program does that got SIGINT: the terminal gives the key to the screen, not the signal."""
        self.end(INTERRUPTED)

    def _reads_enabled(self) -> bool:
        assert self.monitor is not None
        try:
            return self.monitor.source.enabled
        except DamontuiError as error:
            self.notice = error
            return True

    # -- what comes in -------------------------------------------------------------------------------------------

    def feed(self, event: Event | DamontuiError) -> None:
        """Take one event and paint: what a test does instead of running a monitor."""
        if isinstance(event, Snapshot) and self.monitor is None:
            self.history.append(event)
        self._take(Snapshots(event, lost=None if event.complete else event) if isinstance(event, Snapshot) else event)
        self.paint()

    def _receive(self, sender: Monitor | None, event: _News | object) -> None:
        self._mail.put(sender, event)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self.post_message(Arrived())

    def on_arrived(self, message: Arrived) -> None:
        while (mail := self._mail.take()) is not None:
            sender, event = mail
            if self._trial is not None and sender is self._trial.monitor:
                self._tried(self._trial, event)
            if sender is None or sender is self.monitor:
                self._take(event)
        self._paint_soon()

    def _take(self, event: object) -> None:
        if isinstance(event, Snapshots):
            self._again = False
            self.interim = None
            if self.recorder is not None and self.recorder.error is not None:
                self.notice = self.recorder.error
                self._end_recording()
            self.error, self._by_others = None, False
            if event.lost is not None:
                self._lost = event.lost
            module = event.newest.module
            self.enabled = module.enabled if module is not None else True
            if self.status is not None and self.status.state in ("waiting", "on"):
                self.status = None
            if self.view is not None:
                self._pending += event.count
        elif isinstance(event, Interim):
            self.interim = event
        elif isinstance(event, Status):
            self.status = event
            if event.state == "off":
                self._by_others = (self.enabled and not self._switching) or self._by_others
                self.enabled = False
            elif event.state in ("on", "waiting"):
                self.enabled, self._by_others = True, False
        elif isinstance(event, DamontuiError):
            self.error = event
        elif isinstance(event, _Switched):
            self._switched(event)
        elif isinstance(event, _Left):
            self._switching = False
            self.notice = event.error if event.error is not None else self.notice
        elif self._again and not self._leaving:
            # the run that ended was the one before the switch; its "off" is old news
            self.enabled, self.status = True, None
            self._start()

    def _known(self) -> Estimate | None:
        """What is known now of the moment shown; None where nothing is, and of counted bytes, which need no estimate.

        Where very much came at once (a model as fast as it goes) the newest is taken, and the rest is a gap.
        """
        newest = self.history.last
        if newest is None or not len(newest):
            return None
        # a clock that began anew is another run of a model
        if self.learned.past is not self.history or newest.time < self.learned.hindsight.until:
            self.learned = Learned(self.history)
        live = self.view is None and not self.is_record
        moment = None if live else newest.time if self.view is None else self.view
        known = self.learned.about(moment, max(16, _AT_ONCE // len(newest)))
        return known if newest.measured is None else None

    def action_rule(self) -> None:
        """Idle times as estimated, or by the kernel's rule."""
        self.by_rule = not self.by_rule
        self.paint()

    # -- the monitor's thread --------------------------------------------------------------------------------------

    def _start(self) -> None:
        assert self.monitor is not None
        self._again = False
        self.monitor.rearm()
        self._run(partial(self._watch, self.monitor), "monitor")

    def _run(self, work: Callable[[], None], group: str) -> None:
        self.run_worker(work, thread=True, group=group, exit_on_error=False, name=group)

    def _watch(self, monitor: Monitor) -> None:
        monitor.run()
        self._receive(monitor, _Finished())

    def _turn(self, on: bool, *, switch: bool) -> None:
        assert self.monitor is not None
        try:
            if switch:
                self.monitor.switch(on)
        except DamontuiError as error:
            self._receive(None, _Switched(on, error))
        except Exception as error:  # a fault of ours, in the source: said, and the screen lives on
            self._receive(None, _Switched(on, SourceError("cannot switch", f"{type(error).__name__}: {error}")))
        else:
            self._receive(None, _Switched(on))

    def _switched(self, answer: _Switched) -> None:
        self._switching = False
        self.notice = answer.error
        if answer.error is not None:
            return
        self.enabled, self._by_others = answer.on, False
        if not answer.on:
            if self.status is None or self.status.state != "off":
                newest = self.history.last
                self.status = Status("off", "switched off", 0.0 if newest is None else newest.time, self.clock())
            return
        self.error = self._lost = self.view = None
        if self.status is not None and self.status.state in ("off", "gone", "ended"):
            self.status = None
        if self.monitor is not None:
            if self.monitor.running:
                self._again = True  # it may be about to end because the switch was off a moment ago
            else:
                self._start()

    # -- another target ------------------------------------------------------------------------------------------

    def action_target(self) -> None:
        """Choose another target."""
        from damontui.tui.screens import picker  # a tenth of the start's time, and seldom needed

        if self._switching or isinstance(self.screen, picker.PickerScreen):
            return
        if self.active is None or not self.active.exchangeable:
            why = "this screen has one target" if self.output is None else "it would end the command"
            self.notice = SourceError("cannot change the target", why, "start another damontui for another target")
            self.paint()
            return
        self.push_screen(picker.PickerScreen(self.active, self.description.target, self.frame()), self._picked)

    def on_picker_screen_listed(self, message: PickerScreen.Listed) -> None:
        real = [entry for entry in message.entries if entry.section == "real"]
        self._offer = f"{real[0].name}, {real[0].detail}" if real else ""
        self.paint()

    def on_picker_screen_opened(self, message: PickerScreen.Opened) -> None:
        if message.picker.take(message.answer) or self.active is None or isinstance(message.answer, DamontuiError):
            return
        self._run(partial(self.active.leave, message.answer), "leave")  # it came after the picker was closed

    def action_several(self) -> None:
        """The table of several processes, where several are watched."""
        table = several_of(self.monitor.source) if self.monitor is not None else None
        if table is not None and self.output is None and len(self.screen_stack) == 1:
            self.push_screen(SeveralScreen(table, self.frame()), self._chosen)

    def _chosen(self, pid: int | None) -> None:
        """One of several processes is to be opened; `escape` comes back to all of them."""
        if pid is not None and self.active is not None and self.active.exchangeable and not self._switching:
            word = self.description.target
            self._back = str(pid), partial(self._open_instead, word, children="," not in word)
            self._open_instead(str(pid), children=False)

    def _open_instead(self, word: str, **changes: object) -> None:
        assert self.active is not None
        opening, self._switching = partial(self.active.open, word, **changes), True

        def enter() -> None:
            answer: Source | DamontuiError
            try:
                answer = opening()
            except DamontuiError as error:
                answer = error
            except Exception as error:  # a fault of ours, in the source: said, and the screen lives on
                answer = SourceError(f"cannot watch {word}", f"{type(error).__name__}: {error}")
            self.call_later(self._opened, answer)

        self._run(enter, "open")

    def _opened(self, answer: Source | DamontuiError) -> None:
        self._switching = False
        if isinstance(answer, DamontuiError):
            self.notice = answer
            self.paint()
        else:
            self._picked(answer)

    def _picked(self, source: Source | None) -> None:
        """Try a source that was opened. Until it has said something the one in force stays, and goes on if it can."""
        if source is None:
            return
        self._switching = True
        if self._offered is not source:
            self._forget_offer()
        before = self.monitor
        monitor = Monitor(source, History(self.history.budget))
        alone = (
            before is not None and before.running and source.describe().origin == self.description.origin == "kernel"
        )
        self._trial = _Trial(monitor, alone)
        monitor.subscribe(partial(self._receive, monitor))
        self._run(partial(self._try, self._trial, before), "monitor")
        self.paint()

    def _try(self, trial: _Trial, before: Monitor | None) -> None:
        if trial.alone and before is not None:
            trial.paused = before.stop(timeout=PATIENCE)
        if not self._leaving:
            self._watch(trial.monitor)

    def _tried(self, trial: _Trial, event: object) -> None:
        """The first that another target says decides."""
        self._trial = None
        source = trial.monitor.source
        if not isinstance(event, (DamontuiError, _Finished)):
            self._adopt(trial.monitor)
            return
        self._switching = False
        if isinstance(event, DamontuiError):
            self.notice = event
        if isinstance(event, SourceError) and event.offer == "take" and isinstance(source, Taking):
            self._offered = source
        elif self.active is not None:
            self._run(partial(self.active.leave, source), "leave")
        if trial.paused and not self._leaving:  # back to the one before, with its past
            self._start()

    def _adopt(self, monitor: Monitor) -> None:
        """Another target is in force; the one before is left."""
        before, self.monitor = self.monitor, monitor
        self._end_recording()
        self._unsubscribe()
        self._unsubscribe = lambda: None
        self._offered = None
        self.history = monitor.history
        self.description = monitor.source.describe()
        self.status = self.error = self.interim = self._lost = self.view = self.notice = None
        self._by_others = False
        self._put_away = (None, "", "")
        self.look_anew(self.options.span)
        self.enabled = self._reads_enabled()
        self._run(partial(self._leave, before, monitor.source), "switch")
        if several_of(monitor.source) is not None:
            self._back = None
            self.call_after_refresh(self.action_several)

    def _leave(self, before: Monitor | None, source: Source) -> None:
        assert self.active is not None
        if before is not None:
            before.stop(timeout=PATIENCE)
        error: DamontuiError | None
        try:
            error = self.active.exchange(source)
        except Exception as fault:  # of ours, in the source that was left
            error = SourceError("the target before was not left in order", f"{type(fault).__name__}: {fault}")
        self._receive(None, _Left(error))

    def _forget_offer(self) -> None:
        offered, self._offered = self._offered, None
        if offered is not None and self.active is not None:
            self._run(partial(self.active.leave, offered), "leave")

    def action_take(self) -> None:
        """Switch DAMON_STAT off for the time being, where it is in the way, and start afresh."""
        if self._switching:
            return
        offered = self._offered
        if isinstance(offered, Taking):
            offered.take = True
            self.notice = None
            self._picked(offered)
            return
        source = self.monitor.source if self.monitor is not None else None
        if not isinstance(source, Taking) or not isinstance(self.error, SourceError) or self.error.offer != "take":
            self.notice = SourceError("nothing to take", "DAMON_STAT is not in the way of this target")
            self.paint()
            return
        source.take = True
        self.action_switch()

    # -- painting ------------------------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """What is to be seen now."""
        history = self.history
        newest = history.last
        shown = newest if self.view is None else history.at(self.view)
        if shown is None:  # what was frozen is no longer kept
            shown = history.first
        now = self.view if self.view is not None else newest.time if newest is not None else 0.0
        look = self.look
        right = now if look.edge is None else look.edge
        lost = self._lost if self._lost is not None and right - self.span < self._lost.time <= right else None
        gone = self.status is not None and self.status.state == "gone"
        return Frame(
            description=self.description,
            history=history,
            snapshot=shown,
            status=self.status,
            error=self.error,
            now=now,
            wall=shown.wall if shown is not None else self.clock(),
            enabled=self.enabled,
            live=self.view is None and not self.is_record,
            playing=self.playing,
            dim=shown is not None and (not self.enabled or self.error is not None or gone),
            span=self.span,
            mode=self.mode,
            all_percentiles=self.all_percentiles,
            estimate=self._known(),
            learned=self.learned,
            by_rule=self.by_rule,
            glyphs=bool(self._glyphs) or self.options.ascii,
            ascii=self.options.ascii,
            clock=self.clock(),
            behind=max(0.0, newest.time - now) if newest is not None else 0.0,
            pending=self._pending,
            own_cpu=self.own_cpu,
            switching=self._switching,
            notice=self.notice,
            by_others=self._by_others,
            lost=lost,
            lo=look.lo,
            hi=look.hi,
            fold=look.fold,
            hottest=look.hottest,
            cursor=look.place(shown, now),
            edge=look.edge,
            threshold=self.threshold,
            listing=self.listing if self.list_open else None,
            offer=self._offer,
            interim=self.interim if self.view is None else None,
            recording=_recording(self.recorder),
        )

    def paint(self) -> None:
        """Give every pane the present frame."""
        if not self.screen_stack or not self.screen_stack[0].query(TitleBar):
            return
        self._timer = None
        now = time.monotonic()
        self._painted, self._apart = now, now - self._painted
        self._wind()
        frame = self.frame()
        self.screen_stack[0].query_one("#body").set_class(not frame.live and not frame.record, "-frozen")
        for pane in self._panes():
            pane.show(frame)
        self.show_extra(frame)
        for above in self.screen_stack[1:]:
            if isinstance(above, SeveralScreen):
                above.follow(frame)
        if self.output is not None:
            self.output.show(frame)

    def _panes(
        self,
    ) -> tuple[TitleBar, Notice, RegionsPane, IntervalsPane, BandwidthPane, IdlePane, Scrubber, KeyLine, Headline]:
        screen = self.screen_stack[0]
        return (
            screen.query_one(TitleBar),
            screen.query_one(Notice),
            screen.query_one(RegionsPane),
            screen.query_one(IntervalsPane),
            screen.query_one(BandwidthPane),
            screen.query_one(IdlePane),
            screen.query_one(Scrubber),
            screen.query_one(KeyLine),
            screen.query_one(Headline),
        )

    def _paint_soon(self) -> None:
        if self._timer is not None:
            return
        wait = self._painted + 1 / self.options.fps - time.monotonic()
        if wait <= 0:
            self.paint()
        else:
            self._timer = self.set_timer(wait, self.paint)

    def _tick(self) -> None:
        """Once a second: the clock, and whether the terminal is still there."""
        stdin = sys.__stdin__
        if not self.is_headless and (stdin is None or stdin.closed or not os.isatty(stdin.fileno())):
            self.end(TERMINAL_LOST)
            return
        now, cpu = time.monotonic(), time.process_time()
        if now - self._cpu[0] >= 2.0:
            self.own_cpu = (cpu - self._cpu[1]) / (now - self._cpu[0])
            self._cpu = (now, cpu)
        if (
            self.enabled
            and self.error is None
            and not self._exit
            and now - self._painted >= (_STREAM if self._apart < _STREAM else _SOON)
        ):
            frame = self.frame()
            try:
                title, notice, regions, intervals, *_, headline = self._panes()
            except NoMatches:  # the screen is being taken down
                return
            for pane in (title, notice, regions, intervals, headline):  # what counts on between snapshots
                pane.show(frame)

    # -- what the keys do ------------------------------------------------------------------------------------------

    def on_title_bar_switched(self, message: TitleBar.Switched) -> None:
        self.action_switch()

    def action_switch(self) -> None:
        """Turn monitoring off or on; after an error or an end: start afresh."""
        if self._switching:
            return
        over = self.error is not None or (self.status is not None and self.status.state in ("gone", "ended"))
        locked = self.description.locked
        if locked and not over:
            self.notice = SourceError("the switch is locked", locked)
            self.paint()
            return
        if over and self.error is None and self.description.target == "run":
            self.notice = SourceError(
                "there is nothing to start afresh", "the command has ended", "press q to leave with it"
            )
            self.paint()
            return
        on = over or not self.enabled
        self.notice = None
        if self.monitor is None:
            self._switched(_Switched(on))
            if on:
                self.history.clear()
            self.paint()
            return
        self._switching = True
        self.paint()
        self.run_worker(
            partial(self._turn, on, switch=not locked), thread=True, group="switch", exit_on_error=False, name="switch"
        )

    def action_colour(self) -> None:
        """The next meaning of the heatmap's colour."""
        self.mode = MODES[(MODES.index(self.mode) + 1) % len(MODES)]
        self.paint()

    def action_percentiles(self) -> None:
        """11 rows or all 101."""
        self.all_percentiles = not self.all_percentiles
        self.paint()

    def action_scroll_rows(self, rows: int) -> None:
        """Move through the percentiles."""
        if self.only == "output" and self.output is not None:
            self.output.scroll_rows(rows)
        elif self.list_open:
            self.action_move(-rows)
        else:
            self.screen_stack[0].query_one(IdlePane).scroll_rows(rows)

    def action_maximise(self, pane: str) -> None:
        """One pane alone; the same again: all of them."""
        if pane == "output" and self.output is None:
            return
        self._show_only(None if self.only == pane else pane)

    def action_restore(self) -> None:
        """All panes, no message; then what else is open goes, one after the other."""
        if self.only is None and self.notice is None and not self._said():
            if self.put_away():
                return
            if self._back is not None and self._back[0] == self.description.target and not self._switching:
                self._back[1]()
                return
            self.action_several()
        if self.notice is not None or self._said():
            self._put_away = (self.notice, self.description.reason, self.description.notice)
        self.notice = None
        self.description = replace(self.description, reason="", notice="")
        self._show_only(None)

    def action_messages(self) -> None:
        """Bring back what esc has put away."""
        notice, reason, said = self._put_away
        self.notice = self.notice if self.notice is not None else notice
        about = self.description
        self.description = replace(about, reason=about.reason or reason, notice=about.notice or said)
        if self.notice is None and not self._said():
            self.notify("no message was put away", markup=False)
        self.paint()

    def _said(self) -> str:
        return self.description.reason or self.description.notice

    def _show_only(self, only: str | None) -> None:
        self.only = only
        screen = self.screen_stack[0]
        screen.query_one("#body").set_class(only is not None, "-alone")
        for name in ("regions", "intervals", "bandwidth", "idle", *self._extra.keys() - {"detail"}):
            pane = self._extra[name] if name in self._extra else screen.query_one(f"#{name}")
            pane.set_class(only == name, "-only")
            pane.set_class(only not in (None, name), "-hidden")
        screen.query_one("#side").set_class(only == "regions", "-hidden")
        if self.output is not None:
            screen.query_one("#body").set_class(only == "output", "-hidden")
            self.output.set_class(only == "output", "-only")
            self.output.set_class(only not in (None, "output"), "-hidden")
        self.paint()

    def action_record(self) -> None:
        """Begin a record of what comes in from now on, or end it."""
        if self.recorder is not None:
            recorder = self.recorder
            self._end_recording()
            words = f"{recorder.path.resolve()}: {recorder.count} snapshots, {units.size(recorder.bytes)}"
            self.notify(words, title="Recorded", markup=False)
        elif self.monitor is None:
            self.notice = SourceError("cannot record", "nothing is monitored")
        else:
            try:
                path = free_name(Path(self.options.screenshots or "."), self.clock())
                self.recorder = Recorder(path, self.description)
            except DamontuiError as error:
                self.notice = error
            else:
                self._unrecord = self.monitor.subscribe(self.recorder)
        self.paint()

    def _end_recording(self) -> None:
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            self._unrecord()
            recorder.close()

    def action_help(self) -> None:
        """Keys and panes explained, and what this target cannot tell."""
        # a source knows only when it runs what it has to do without
        description = self.description if self.monitor is None else self.monitor.source.describe()
        self.push_screen(HelpScreen(self.keymap_in_force, description.limits))

    def action_shot(self) -> None:
        """The screen as an SVG file."""
        folder = Path(self.options.screenshots or ".")
        stem = time.strftime("damontui-%Y-%m-%d-%H%M%S", time.localtime(self.clock()))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = files.free_path(folder, stem, ".svg")
            with files.whole(path) as file:
                file.write(self.export_screenshot().encode("utf-8", "replace"))
        except (OSError, SourceError) as error:
            why = error.why if isinstance(error, SourceError) else (error.strerror or str(error)).lower()
            self.notice = SourceError(
                f"cannot save the screenshot in {folder.resolve()}", why, "choose another folder with --screenshots"
            )
            self.paint()
            return
        self.notify(str(path.resolve()), title="Screenshot saved", markup=False)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, and then the one that lets nothing through that a terminal would obey."""
        return [*super().get_line_filters(), _SHOWN]

    def copy_to_clipboard(self, text: str) -> None:
        """What may be shown of it: a shell obeys what is pasted."""
        super().copy_to_clipboard(shown(text, lines=True))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The table of keys as commands, and themes."""
        for key in keys.TABLE:
            verb = keys.VERBS.get(key.id)
            if verb is not None:
                names = " or ".join(keys.keys_of(key, self.keymap_in_force))
                yield SystemCommand(f"{verb} ({names})", key.help.lstrip("… ,"), partial(self._command, key.action))
        yield SystemCommand("Change the theme", "colours of everything", self.action_change_theme)

    def _command(self, action: str) -> None:
        self.call_later(self.run_action, action)


def _recording(recorder: Recorder | None) -> str:
    """For the title: how much has been recorded; "" where nothing is."""
    if recorder is None:
        return ""
    whole = int(recorder.seconds)
    return f"REC {whole // 60:02d}:{whole % 60:02d} {units.size(recorder.bytes)}"
