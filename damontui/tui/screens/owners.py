"""Whose memory it is: a table of control groups, sorted, filtered, as a tree with sums, or by NUMA node and zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widget import Widget

from damontui import units
from damontui.analysis import owners
from damontui.analysis.chosen import Owner
from damontui.analysis.owners import OwnerRow, Ownership, ownership
from damontui.analysis.savings import THRESHOLDS
from damontui.phrases import deleted, row_name, with_half
from damontui.safe_text import shown
from damontui.tui.draw import Follows
from damontui.tui.filter_input import FilterInput
from damontui.tui.frame import Frame

Sort = Literal["has", "idle", "charged", "name"]
TableMode = Literal["groups", "tree", "zones"]
SORTS: tuple[Sort, ...] = ("has", "idle", "charged", "name")
TABLE_MODES: tuple[TableMode, ...] = ("groups", "tree", "zones")
_ANON, _FILE = ("anon", "shmem"), ("file",)
_LEAST_NAME = 14


@dataclass(frozen=True, slots=True)
class TableView:
    """How the table of owners is sorted, filtered and scrolled."""

    mode: TableMode = "groups"
    sort: Sort = "has"
    filter: str = ""
    """Only rows whose path or name has this in it, whatever its case."""
    threshold: float = 60.0
    """Seconds after which memory is idle."""
    first: int = 0
    """The first row shown."""
    at: int = 0
    """The row that is pointed at."""


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    width: int


def shown_rows(found: Ownership, view: TableView) -> list[OwnerRow]:
    """The rows of a view, in its order; a tree keeps its own, with all groups above what the filter finds."""
    rows: Sequence[OwnerRow] = {"groups": found.rows, "tree": found.tree, "zones": found.zones}[view.mode]
    word = view.filter.casefold()
    fits = [row for row in rows if word in row.path.casefold() or word in row_name(row).casefold()]
    if view.mode == "tree":
        kept = {path for row in fits for path in owners.above(row.path)}
        return [row for row in rows if row.path in kept]
    seconds = within(found, view.threshold)

    def rank(row: OwnerRow) -> tuple[float, str]:
        idle = row.idle_for(seconds) if seconds is not None else None
        if view.sort == "idle":
            return (-idle.bytes if idle is not None else 0.0, row.path)
        if view.sort == "charged":
            return (-float(row.group.current or 0) if row.group is not None else 1.0, row.path)
        return (0.0 if view.sort == "name" else -row.bytes.bytes, row_name(row) if view.sort == "name" else row.path)

    return sorted(fits, key=rank)


def within(found: Ownership, threshold: float) -> float | None:
    """The threshold, or the longest time below it for which memory was watched; None where there is none."""
    return max((one for one in found.seconds if one <= threshold), default=None)


def lines(
    found: Ownership | None, view: TableView, width: int, height: int, why: str = "", ascii_only: bool = False
) -> list[str]:
    """The table as lines of text, the head first, at most ``height`` of them.

    Args:
        found: the owners; None where they are not known.
        view: how the table is shown.
        width: columns of a line.
        height: how many lines.
        why: the sentence where owners are not known.
        ascii_only: use only ASCII characters.
    """
    if found is None:
        return [why]
    rows = shown_rows(found, view)
    seconds = within(found, view.threshold)
    idle = f"idle >= {units.span(seconds)}" if seconds is not None else "idle: not yet"
    if not ascii_only:
        idle = idle.replace(">=", "≥")
    columns = [_Column("has (95 %)", 17), _Column(idle, 17), _Column("anon", 6), _Column("file", 6)]
    if view.mode != "zones":
        columns += [_Column("charged", 10), _Column("high", 10), _Column("max", 10), _Column("swap", 10)]
        columns += [_Column("kubelet", 10)]
    # from the right, what does not fit is left out
    while len(columns) > 2 and sum(column.width for column in columns) + _LEAST_NAME > width:
        columns.pop()
    name = max(_LEAST_NAME, width - sum(column.width for column in columns))
    head = f"{'whose' if view.mode != 'zones' else 'where':<{name}}" + "".join(f"{c.title:>{c.width}}" for c in columns)
    room = max(1, height - 2)
    first = first_row(view, len(rows), room)
    body = [_line(row, view, seconds, name, columns, ascii_only) for row in rows[first : first + room]]
    if not rows:
        body = [f"nothing has {shown(view.filter)!r} in its name; backspace" if view.filter else "nothing yet"]
    return [head, *body, *[""] * (room - len(body)), _foot(found, view, len(rows), first, room)]


def first_row(view: TableView, count: int, room: int) -> int:
    """The first of ``count`` rows to show in ``room`` lines, so that the row pointed at is among them."""
    at = min(view.at, count - 1)
    return max(0, min(max(view.first, at - room + 1), at, count - room))


def _line(
    row: OwnerRow, view: TableView, seconds: float | None, width: int, columns: list[_Column], ascii_only: bool
) -> str:
    indent = "  " * row.depth if view.mode == "tree" else ""
    mark = deleted(row)
    name = f"{indent}{shown(row_name(row))}" + (f" ({mark})" if mark else "")
    if ascii_only:
        name = name.encode("ascii", "replace").decode()
    if cell_len(name) >= width:
        name = set_cell_size(name, width - 2) + ("~" if ascii_only else "…")
    idle = row.idle_for(seconds) if seconds is not None and row.what not in owners.EMPTY else None
    cells = [with_half(row.bytes), with_half(idle) if idle is not None else ""]
    for kinds in (_ANON, _FILE):
        held = sum(row.kinds.get(kind, 0.0) for kind in kinds) / max(row.bytes.bytes, 1.0)
        cells.append(f"{held:.0%}" if held else "")
    group = row.group
    numbers = (None,) * 5 if group is None else (group.current, group.high, group.max, group.swap, group.working_set)
    cells += ["" if number is None else units.size(number) for number in numbers]
    text = set_cell_size(name, width) + "".join(f"{cell:>{c.width}}" for cell, c in zip(cells, columns, strict=False))
    return text.replace("± ", "+-") if ascii_only else text


def _foot(found: Ownership, view: TableView, count: int, first: int, room: int) -> str:
    span = f"{first + 1} to {min(first + room, count)} of {count}" if count > room else f"{count}"
    sort = "" if view.mode == "tree" else f", by {view.sort}"
    word = f", with {shown(view.filter)!r}" if view.filter else ""
    note = f"; {shown(found.note)}" if found.note else ""
    return f"{span} {view.mode}{sort}{word}; {found.drawn} frames drawn{note}"


def why_not(frame: Frame) -> str:
    """Why it is not known whose memory it is, one sentence."""
    limit = next((one for one in frame.description.limits if "whose memory" in one or "made of" in one), "")
    if limit:
        return limit
    if frame.snapshot is None:
        return "no whole aggregation yet"
    return "whose memory it is can only be told of physical memory, as root: damontui stat"


class OwnersPane(Widget):
    """Draws the table of owners. The filter is typed in the place of the first column's title."""

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self.view = TableView(threshold=frame.threshold)
        self.found: Ownership | None = None
        self._frame = frame
        self._of: object = None
        self._filter = FilterInput(self.narrow, 64, apart="<>", placeholder="whose")
        self.show(frame)

    def compose(self) -> ComposeResult:
        yield self._filter

    def narrow(self, text: str) -> None:
        """Show only rows with this in their names."""
        self.look(filter=text, first=0, at=0)

    def show(self, frame: Frame) -> None:
        """Show the owners of a frame's moment."""
        self._frame = frame
        if frame.snapshot is not self._of:
            self._of = frame.snapshot
            self.found = ownership(frame.snapshot, frame.estimate) if frame.snapshot is not None else None
            self._filter.display = self.found is not None
            if self.found is not None and self.is_attached:
                self._filter.focus()
            self.refresh()

    def look(self, **changes: object) -> None:
        """Change how the table is shown."""
        self.view = replace(self.view, **changes)  # type: ignore[arg-type]
        self._filter.placeholder = "where" if self.view.mode == "zones" else "whose"
        self.refresh()

    @property
    def _room(self) -> int:
        return max(1, self.content_size.height - 2)

    def move(self, rows: int) -> None:
        """Point to the row so many rows further down."""
        count = len(shown_rows(self.found, self.view)) if self.found is not None else 0
        at = max(0, min(self.view.at + rows, count - 1))
        self.look(at=at, first=first_row(replace(self.view, at=at), count, self._room))

    @property
    def owner(self) -> Owner | None:
        """The owner that is pointed at; None where none is."""
        rows = shown_rows(self.found, self.view) if self.found is not None else []
        if not rows:
            return None
        row = rows[min(self.view.at, len(rows) - 1)]
        return Owner.of(row, row_name(row), below=self.view.mode == "tree")

    def render(self) -> Text:
        """The table at the present size."""
        width, height = self.content_size
        made = lines(self.found, self.view, width, height, why_not(self._frame), self._frame.ascii)
        text = Text(no_wrap=self.found is not None, end="")
        pointed = -1
        if self.found is not None and (count := len(shown_rows(self.found, self.view))):
            pointed = 1 + min(self.view.at, count - 1) - first_row(self.view, count, self._room)
        for number, line in enumerate(made):
            style = "bold" if number == 0 and self.found is not None else "reverse" if number == pointed else ""
            text.append(("\n" if number else "") + line, style)
        return text


class OwnersScreen(Follows, ModalScreen[Owner | None]):
    """The table over the panes; gives the owner that was chosen. Letters filter; the other keys are at its foot."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back"),
        Binding("enter", "choose", "dim the rest"),
        Binding("tab", "mode(1)", "groups, tree, zones"),
        Binding("shift+tab", "mode(-1)", show=False),
        Binding("ctrl+s", "sort", "sort"),
        Binding("greater_than_sign", "threshold(1)", show=False),
        Binding("less_than_sign", "threshold(-1)", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
        Binding("ctrl+c", "app.interrupt", show=False),
    ]

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self._frame = frame

    def compose(self) -> ComposeResult:
        pane = OwnersPane(self._frame)
        pane.border_title = "Whose memory"
        pane.border_subtitle = "enter dims the rest - tab tree, zones - ctrl+s sort - letters filter - < > idle - esc"
        yield pane

    def follow(self, frame: Frame) -> None:
        """Show another frame."""
        if panes := self.query(OwnersPane):
            panes.first().show(frame)

    @property
    def pane(self) -> OwnersPane:
        """The table."""
        return self.query_one(OwnersPane)

    def action_mode(self, step: int) -> None:
        """Show the groups, their tree, or the zones."""
        at = TABLE_MODES.index(self.pane.view.mode)
        self.pane.look(mode=TABLE_MODES[(at + step) % len(TABLE_MODES)], first=0, at=0)

    def action_sort(self) -> None:
        """Sort by the next column."""
        at = SORTS.index(self.pane.view.sort)
        self.pane.look(sort=SORTS[(at + 1) % len(SORTS)], first=0, at=0)

    def action_threshold(self, step: int) -> None:
        """Take a longer or a shorter threshold for idle memory."""
        at = min(range(len(THRESHOLDS)), key=lambda number: abs(THRESHOLDS[number] - self.pane.view.threshold))
        self.pane.look(threshold=float(THRESHOLDS[max(0, min(at + step, len(THRESHOLDS) - 1))]))

    def action_move(self, rows: int) -> None:
        """Point to another row."""
        self.pane.move(rows)

    def action_choose(self) -> None:
        """Go back to the panes, and dim all memory but that of the owner pointed at."""
        self.dismiss(self.pane.owner)

    def action_back(self) -> None:
        """Go back to the panes."""
        self.dismiss(None)
