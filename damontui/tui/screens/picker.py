"""The picker: everything that can be watched here, filtered by typing; what cannot says why and what helps."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Unpack

from rich.cells import cell_len
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import ModalScreen

from damontui import units
from damontui.errors import DamontuiError, SourceError
from damontui.operations.refusals import HoldsUp
from damontui.sources.active import ActiveSource, Changes
from damontui.sources.base import Source
from damontui.sources.catalog import SECTIONS, Entry, Section, as_tree, matching
from damontui.tui.draw import Line, Pane, Span, fit, spread
from damontui.tui.filter_input import FilterInput
from damontui.tui.frame import Frame
from damontui.tui.panes.notice import sentence
from damontui.tui.screens.question import QuestionScreen

Row = Section | Entry
"""A heading, or a target."""

_HINTS = (
    ("↑↓", "move"),
    ("enter", "watch it"),
    ("esc", "back"),
    ("tab", "next section"),
    ("ctrl+t", "children below parents"),
    ("ctrl+r", "look again"),
)


class PickerPane(Pane):
    """A filter, the list, and remarks on the chosen line.

    The list is drawn by hand: with 5,000 processes it opens in 6 ms, is filtered in 6 ms and takes 0.3 MiB, where an
    `OptionList` takes 440 ms, 30 to 110 ms, and 10 MiB.
    """

    class Clicked(Message):
        """A target was clicked, and with that chosen."""

    def __init__(self, current: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.current = current
        """The word of the target in force."""
        self.entries: tuple[Entry, ...] | None = None
        """All targets; None while they are being looked for."""
        self.filter = ""
        self.by_parent = False
        self.chosen: Entry | None = None
        self.said: tuple[str, str] | None = None
        """Text and style of the result of the last attempt."""
        self.rows: list[Row] = []
        self.top = 0
        """The first row that is seen."""
        self._seen = 1

    def compose(self) -> ComposeResult:
        yield FilterInput(self.narrow, 100, placeholder="type to filter")

    # -- what it holds

    def narrow(self, text: str) -> None:
        """Show only targets that have this text in them."""
        self.filter, self.said, self.top = text, None, 0
        self.rearrange()

    def hold(self, entries: Sequence[Entry]) -> None:
        """Show these targets; the chosen one stays chosen, if it is still there."""
        self.entries = tuple(entries)
        self.rearrange()

    def rearrange(self) -> None:
        """Make the rows anew, after the filter or the order changed."""
        shown = matching(self.entries or (), self.filter)
        if self.by_parent:
            shown = as_tree(shown)
        self.rows = []
        for section in SECTIONS:
            inside = [entry for entry in shown if entry.section == section]
            self.rows += [section, *inside] if inside else []
        targets = self.targets()
        if self.chosen is not None:
            found = [entry for entry in targets if entry.word == self.chosen.word]
            found.sort(key=lambda entry: entry.section != self.chosen.section)  # type: ignore[union-attr]
        else:  # at first no scrolling past the largest processes, wherever the one in force is
            asked = self.frame is None or not self.frame.description.reason  # else it is a scene that nobody asked for
            near = self.rows[: max(8, self._seen)] if asked else []
            found = [one for one in near if isinstance(one, Entry) and one.word == self.current]
            found += [one for one in targets if one.available and one.section in ("real", "processes")]
        found += [entry for entry in targets if entry.word == self.current]
        found += [entry for entry in targets if entry.available] + targets
        self.choose(found[0] if found else None)

    def targets(self) -> list[Entry]:
        """The targets that the filter leaves, in order."""
        return [row for row in self.rows if isinstance(row, Entry)]

    def choose(self, entry: Entry | None) -> None:
        """Move to a line, and bring it into view with the heading right above it."""
        self.chosen = entry
        at = self.rows.index(entry) if entry is not None else 0
        above = at - 1 if at and not isinstance(self.rows[at - 1], Entry) else at
        self.top = max(min(self.top, above), at - self._seen + 1)
        self._clamp()
        self.redraw()

    def move(self, lines: int) -> None:
        """Choose the target so many lines further down."""
        targets = self.targets()
        if targets:
            at = targets.index(self.chosen) if self.chosen in targets else 0
            self.choose(targets[min(len(targets) - 1, max(0, at + lines))])

    def jump(self, step: int) -> None:
        """Choose the first target of the next section, or of the one before; round and round."""
        firsts = [self.rows[at + 1] for at, row in enumerate(self.rows) if not isinstance(row, Entry)]
        sections = [row.section for row in firsts if isinstance(row, Entry)]
        if self.chosen is not None and self.chosen.section in sections:
            row = firsts[(sections.index(self.chosen.section) + step) % len(firsts)]
            if isinstance(row, Entry):
                self.choose(row)

    def say(self, text: str, style: str) -> None:
        """Show a text below the list instead of the remarks on the chosen line; "" ends that."""
        self.said = (text, style) if text else None
        self.redraw()

    def _clamp(self) -> None:
        self.top = max(0, min(self.top, len(self.rows) - self._seen))

    # -- drawing

    def caption(self, frame: Frame) -> tuple[str, str]:
        return "Choose a target", ""

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        foot = self._foot(width, 3 if height >= 18 else 2 if height >= 8 else 1)
        before, self._seen = self._seen, max(1, height - 3 - len(foot) if height >= 8 else height - 1 - len(foot))
        if before != self._seen and self.chosen is not None:
            at = self.rows.index(self.chosen)
            self.top = max(min(self.top, at), at - self._seen + 1)
        self._clamp()
        lines = [self._prompt(width)]
        if height >= 8:
            lines.append(())
        seen = self.rows[self.top : self.top + self._seen]
        bar = self._bar() if len(self.rows) > self._seen else ()
        for number in range(self._seen):
            row = seen[number] if number < len(seen) else None
            line = self._row(row, width - 2) if row is not None else self._blank(number, width - 2)
            mark: Span = (" ┃" if number in bar else "  ", "label")
            lines.append((*fit(line, width - 2), mark))
        if height >= 8:
            lines.append((("─" * width, "track"),))
        return [*lines, *foot][:height]

    def _prompt(self, width: int) -> Line:
        every, left = len(self.entries or ()), len(self.targets())
        right = f"{left} of {every} " if self.filter else f"{every} targets "
        return spread(((" filter ", "label"),), ((right if self.entries is not None else "", "muted"),), width)

    def _blank(self, number: int, width: int) -> Line:
        if number or self.rows:
            return ()
        if self.entries is None:
            return ((" looking at what there is…", "label"),)
        return (("  nothing matches; backspace takes a letter back, ctrl+u all of them", "label"),)

    def _bar(self) -> range:
        size = max(1, round(self._seen * self._seen / len(self.rows)))
        most = len(self.rows) - self._seen
        at = round((self._seen - size) * self.top / most) if most else 0
        return range(at, at + size)

    def _row(self, row: Row, width: int) -> Line:
        if not isinstance(row, Entry):
            title: Span = (f" {SECTIONS[row]}", "strong")
            if row != "processes":
                return (title,)
            return spread((title,), ((self._columns(width, "PID", "user", "resident", "threads"), "muted"),), width)
        chosen = row is self.chosen
        now = row.word == self.current  # our own kdamond is in nobody's way
        mark = "▶" if chosen else "●" if now else "×" if not row.available else " "
        style = "chosen" if chosen else "value" if row.available or now else "muted"
        beside = "chosen" if chosen else "label" if row.available or now else "muted"
        if row.process is None:
            text = row.detail if row.available or now else row.reason
            room = max(8, min(26, width // 3))
            name = fit(((row.name, style),), room - 1, style)
            return fit(((f" {mark} ", style), *name, (" ", style), (text, beside)), width, beside)
        process = row.process
        columns = self._columns(
            width,
            str(process.pid),
            process.user,
            units.size(process.rss),
            str(process.threads),
            "" if now else row.reason,
        )
        # many are called the same: what they were started with tells them apart
        started = ((f"  {row.detail}", beside),) if row.detail else ()
        name = (f" {mark} ", style), ("  " * min(row.depth, 8) + row.name, style), *started
        return (*fit(name, max(0, width - cell_len(columns)), style), (columns, beside))

    def _columns(self, width: int, pid: str, user: str, rss: str, threads: str, reason: str = "") -> str:
        if width < 64:
            return f"{pid:>8} {rss:>10} "
        text = f"{pid:>9}  {_cut(user, 10)} {rss:>10} {threads:>9}"
        return text if width < 88 else f"{text}  {_cut(reason, min(40, width - 72))}"

    def _foot(self, width: int, rows: int) -> list[Line]:
        text, style = self.said if self.said is not None else self._about()
        wrapped = textwrap.wrap(text, max(10, width - 2))
        if len(wrapped) > rows:
            wrapped = [*wrapped[: rows - 1], " ".join(wrapped[rows - 1 :])]
        lines: list[Line] = [fit(((f" {part}", style),), width) for part in wrapped]
        lines += [()] * (rows - len(lines))
        hints: list[Span] = []
        for key, what in _HINTS:
            more: tuple[Span, ...] = ((f" {key} ", "key"), (f"{what} ", "label"))
            if sum(cell_len(part) for part, _ in (*hints, *more)) <= width:
                hints += more
        return [*lines, tuple(hints)]

    def _about(self) -> tuple[str, str]:
        entry = self.chosen
        if entry is None:
            return "", "label"
        now = " (watched now)" if entry.word == self.current else ""
        if not entry.available and not now:
            return refusal(entry), "warn"
        if entry.process is not None:
            started = f": {entry.detail}" if entry.detail else ""
            return f"{entry.word}{now}: process {entry.name}, of {entry.process.user}{started}", "label"
        return f"{entry.word}{now}: {entry.name}" + (f", {entry.detail}" if entry.detail else ""), "label"

    # -- the mouse

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-3)

    def _scroll(self, lines: int) -> None:
        self.top += lines
        self._clamp()
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        offset = event.get_content_offset(self)
        row = self.row_at(offset.y) if offset is not None else None
        if row is not None:
            self.choose(row)
            self.post_message(self.Clicked())

    def row_at(self, y: int) -> Entry | None:
        """The target on that line, if there is one."""
        at = y - (2 if self.size.height >= 8 else 1)
        if not 0 <= at < self._seen or self.top + at >= len(self.rows):
            return None
        row = self.rows[self.top + at]
        return row if isinstance(row, Entry) else None


def refusal(entry: Entry) -> str:
    """Why a target cannot be watched, and what helps."""
    remedy = f"; {entry.remedy}" if entry.remedy else ""
    return f"{entry.word} cannot be watched: {entry.reason}{remedy}"


def _cut(text: str, width: int) -> str:
    return fit(((text, ""),), width)[0][0].ljust(width) if text else " " * width


class PickerScreen(ModalScreen[Source | None]):
    """Ends with an entered source, or with None.

    A target is opened beside the one in force, so that nothing changes where that fails: the reason is shown and
    another can be chosen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back"),
        Binding("enter", "watch", "watch it"),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
        Binding("tab", "section(1)", show=False),
        Binding("shift+tab", "section(-1)", show=False),
        Binding("ctrl+t", "tree", show=False),
        Binding("ctrl+r,f5", "look", show=False),
        Binding("ctrl+c", "app.interrupt", show=False),
    ]

    class Listed(Message):
        """The targets were found."""

        def __init__(self, entries: Sequence[Entry]) -> None:
            super().__init__()
            self.entries = entries

    class Opened(Message):
        """A target was entered, or refused. To the app: the picker may be closed by then."""

        def __init__(self, picker: PickerScreen, answer: Source | DamontuiError) -> None:
            super().__init__()
            self.picker = picker
            self.answer = answer

    def __init__(self, active: ActiveSource, current: str, frame: Frame) -> None:
        super().__init__()
        self._active = active
        self._current = current
        self._frame = frame
        self._opening = False

    def compose(self) -> ComposeResult:
        yield PickerPane(self._current, id="picker")

    @property
    def pane(self) -> PickerPane:
        """The screen's only widget."""
        return self.query_one(PickerPane)

    def on_mount(self) -> None:
        self.set_class(self._frame.ascii, "-ascii")
        self.pane.show(self._frame)
        self.action_look()

    # -- in threads of their own: a screen that was closed meanwhile has no app any more

    def _look(self, app: App[object]) -> None:
        try:
            entries = self._active.catalog()
        except Exception as error:  # a fault of ours: the list is empty, and says why
            app.post_message(self.Opened(self, _fault("cannot find out what there is", error)))
            entries = ()
        self.post_message(self.Listed(entries))

    def _open(self, app: App[object], word: str, **changes: Unpack[Changes]) -> None:
        answer: Source | DamontuiError
        try:
            answer = self._active.open(word, **changes)
        except DamontuiError as error:
            answer = error
        except Exception as error:  # a fault of ours, in the source
            answer = _fault(f"cannot watch {word}", error)
        app.post_message(self.Opened(self, answer))

    # -- what comes back

    def on_picker_screen_listed(self, message: Listed) -> None:
        self.pane.hold(message.entries)

    def take(self, answer: Source | DamontuiError) -> bool:
        """Take the result of an attempt. False where the source is not wanted any more."""
        wanted, self._opening = self._opening, False
        if isinstance(answer, DamontuiError):
            if self.is_attached:
                self.pane.say(sentence(answer), "error")
                if isinstance(answer, HoldsUp) and self.is_current and wanted:
                    question = "Hold it up for so long, now and each time that its use of memory changes?"
                    self.app.push_screen(
                        QuestionScreen("A pause", f"{answer.what}: {answer.why}.", question),
                        partial(self._answered, answer.needed),
                    )
            return True
        if not wanted or not self.is_current:
            return False
        self.dismiss(answer)
        return True

    def _answered(self, pause: float, yes: bool | None) -> None:
        entry = self.pane.chosen
        if yes and entry is not None:
            self._begin(entry, max_pause_us=round(pause * 1e6))

    # -- what the keys do

    def action_move(self, lines: int) -> None:
        """Move up or down."""
        self.pane.said = None
        self.pane.move(lines)

    def action_page(self, pages: int) -> None:
        """Move by as many lines as are visible."""
        self.action_move(pages * max(1, self.pane.size.height - 8))

    def action_section(self, step: int) -> None:
        """Move to the next section."""
        self.pane.said = None
        self.pane.jump(step)

    def action_tree(self) -> None:
        """Show children below their parents, or all processes by size."""
        self.pane.by_parent = not self.pane.by_parent
        self.pane.rearrange()

    def action_look(self) -> None:
        """Look for targets anew."""
        self.run_worker(partial(self._look, self.app), thread=True, group="look", exclusive=True, exit_on_error=False)

    def action_back(self) -> None:
        """Close the picker; the old target stays."""
        self._opening = False
        self.dismiss(None)

    def on_picker_pane_clicked(self, message: PickerPane.Clicked) -> None:
        self.action_watch()

    def action_watch(self) -> None:
        """Open the chosen target."""
        entry = self.pane.chosen
        if entry is None or self._opening:
            return
        if entry.word == self._current:
            self.dismiss(None)
            return
        if not entry.available:
            self.pane.say(refusal(entry), "error")
            return
        self._begin(entry)

    def _begin(self, entry: Entry, **changes: Unpack[Changes]) -> None:
        self._opening = True
        self.pane.say(f"opening {entry.word}…", "label")
        opening = partial(self._open, self.app, entry.word, **changes)
        self.run_worker(opening, thread=True, group="open", exit_on_error=False)


def _fault(what: str, error: Exception) -> SourceError:
    return SourceError(what, f"{type(error).__name__}: {error}")
