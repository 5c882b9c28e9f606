"""The picture of a frame on the heatmap: codes of cells, words over them, axes. No widget, no style, no terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import chosen, heatmap
from damontui.analysis.axis import SHOWN, VOID, Axis, Part, extent, make_axis, placed, stride_for, targets_of, union
from damontui.analysis.raster import Raster, share_in_use, unplaced
from damontui.damon.snapshot import Interim, Snapshot
from damontui.safe_text import shown
from damontui.tui import ink
from damontui.tui.axes import name_labels, span_words
from damontui.tui.draw import Line, finished
from damontui.tui.frame import ColourMode, Frame
from damontui.tui.heatmap import margins
from damontui.tui.heatmap.hit import cell_of
from damontui.tui.heatmap.layout import Grid, Layout, layout_of, stop_of
from damontui.tui.heatmap.strip import PressureStrip
from damontui.tui.palette import LEVELS
from damontui.tui.panes.common import due_words, found_so_far, nothing, off_since, seconds_left, waiting
from damontui.units import duration, share, size

Overlays = Mapping[int, tuple[tuple[int, str, str], ...]]
"""Words over the picture: for each line, ``(column, text, style name)``."""

MODE_TITLES: dict[ColourMode, str] = {
    "rate": "access rate",
    "temperature": "temperature",
    "idle": "idle time",
    "estimate": "idle time, estimated",
}

_MOSTLY_USED = 0.75
"""Share in use from which on a cell's memory is drawn as in use throughout, without a texture."""
_NONE = 1e-6
"""The share of a cell up to which nothing of it is the chosen owner's: so much is a rounding error."""
_NO_CODES: ink.Codes = np.zeros((0, 0), dtype=np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """All that is drawn of a frame. Parts that did not change since the picture before are the same objects."""

    grid: Grid
    title: str
    subtitle: str
    text: Mapping[int, Line]
    """Lines of text: the foot, or all of them where there is no picture."""
    codes: ink.Codes = field(default_factory=lambda: _NO_CODES)
    """The code of each cell (`damontui.tui.ink`): rows, the highest address first, × columns."""
    gutter: Sequence[Line] = ()
    """The address axis, a line each."""
    overlays: Overlays = field(default_factory=dict)
    partial: tuple[int, ...] = ()
    """Columns in which events were lost."""


NOTHING = Picture(Grid(Layout(0, 0, 0, 0, 2), None, 1.0, 0, 0.0), "", "", {})
"""Before the first frame."""


def changed(old: Picture, new: Picture) -> set[int]:
    """The lines in which two pictures of one layout differ."""
    lines, halves = new.grid.layout.lines, new.grid.layout.halves
    out = {y for y in new.text.keys() | old.text.keys() if new.text.get(y) != old.text.get(y)}
    if new.codes.shape != old.codes.shape or new.partial != old.partial:
        out.update(range(lines))
    elif new.codes is not old.codes:
        rows = (new.codes != old.codes).any(axis=1)
        out.update(np.flatnonzero(rows.reshape(lines, halves).any(axis=1)).tolist())
    over = new.overlays.keys() | old.overlays.keys()
    out |= {y for y in over if new.overlays.get(y) != old.overlays.get(y)}
    if len(new.gutter) != len(old.gutter):
        out.update(range(lines))
    elif new.gutter is not old.gutter:
        out |= {y for y, (a, b) in enumerate(zip(new.gutter, old.gutter, strict=True)) if a != b}
    return out


T = TypeVar("T")


class Kept(Generic[T]):
    """A value that is kept with what it was made from, and made anew only where that is no longer the same."""

    def __init__(self) -> None:
        self.value: T | None = None
        self._key: tuple[object, ...] = ()

    def get(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """The value that is kept where it was made from an equal key, else what ``make`` returns, kept from now on."""
        if self.value is None or key != self._key:
            self.value, self._key = make(), key
        return self.value

    def drop(self) -> None:
        """Keep nothing."""
        self.value = None


class Composer:
    """Makes pictures, each from what the one before knew: only what is new to a frame costs anything.

    What a frame shows does not depend on the frames before it, but for one thing: the address axis stays while memory
    fits it, so that the picture does not jump.

    Everything else is `Kept` by what it is made from. Rasters are kept for as long as they draw the same quantity on
    the same axis, and take in the snapshots that are new; the cells and the gutter are kept until one of the values in
    their key changes.
    """

    def __init__(self) -> None:
        self.width = self.height = 0
        self.bordered = False
        """Whether there is a border, with the title and the length of a column."""
        self._axis: Axis | None = None
        self._axis_key: tuple[object, ...] = ()
        self._axis_edge: float | None = None
        """``frame.edge`` of the frame that the axis was last made or checked for."""
        self._seen: Snapshot | None = None
        """The snapshot that the axis was last made or checked for."""
        self._raster = Kept[Raster]()
        self._owned = Kept[Raster]()
        """The share of each cell that is the chosen owner's."""
        self._mixed = Kept[Raster]()
        """The share of memory in use in each cell that an estimate draws as in use: below 1 where used and idle pages
        are mixed."""
        self._body = Kept[Picture]()
        """A picture of which only cells, gutter and what stands over the cells count: neither text nor title."""
        self._gutter = Kept[Sequence[Line]]()
        self._strip = PressureStrip()

    def resize(self, width: int, height: int, *, bordered: bool) -> None:
        """Set the size of the picture with its axes, in cells, without the border."""
        self.width, self.height, self.bordered = width, height, bordered

    @property
    def raster(self) -> Raster | None:
        """The value of each cell in the picture made last; None before the first and where there was none."""
        return self._raster.value

    def grid(self, frame: Frame) -> Grid:
        """The layout, the time and the address axis of a frame's picture. No cell is drawn.

        The axis found here is the one that `picture` uses for the same frame, and the one that later frames keep while
        memory fits it.
        """
        layout = layout_of(frame, self.width, self.height, self._strip.wanted(frame))
        if not _has_picture(frame) or layout.lines <= 0 or layout.columns <= 0:
            return Grid(layout, None, frame.span, 0, frame.right)
        return Grid(
            layout, self._axis_of(frame, layout), frame.span, stop_of(frame, frame.span / layout.columns), frame.right
        )

    def picture(self, frame: Frame) -> Picture:
        """The picture of a frame."""
        grid = self.grid(frame)
        title, subtitle = caption(frame, grid.layout)
        if not _has_picture(frame):
            self._axis, self._axis_key = None, ()
            self._raster.drop()
            self._mixed.drop()
            self._body.drop()
            self._gutter.drop()
            return Picture(grid, title, subtitle, _finished(_words(frame, grid.layout), grid.layout, frame))
        if grid.axis is None:
            return Picture(grid, title, subtitle, {})
        body = self._body_of(frame, grid, grid.axis)
        foot = margins.foot(frame, grid, body.codes, body.partial, bordered=self.bordered)
        strip = dict(enumerate(self._strip.lines(frame, grid), grid.layout.lines))
        text = _finished(strip | foot, grid.layout, frame)
        return replace(body, grid=grid, title=title, subtitle=subtitle, text=text)

    def _axis_of(self, frame: Frame, layout: Layout) -> Axis:
        """The address axis; it stays while what is shown fits it."""
        snapshot = frame.snapshot
        assert snapshot is not None
        key = (layout.rows, layout.halves, frame.lo, frame.hi, frame.fold, snapshot.targets, frame.history.epoch)
        if self._axis is not None and key == self._axis_key:
            if snapshot is self._seen or (frame.edge is not None and frame.edge == self._axis_edge):
                return self._axis
            self._seen = snapshot
            covered = extent(snapshot, self._axis.stride, used=frame.fold)
            if frame.lo is not None or frame.hi is not None or self._axis.holds(*covered):
                return self._axis
        self._seen = snapshot
        axis = _made_axis(frame, snapshot, layout)
        same = self._axis is not None and (axis.parts, axis.ids) == (self._axis.parts, self._axis.ids)
        if self._axis is None or not same or key != self._axis_key:
            self._axis = axis
        self._axis_key, self._axis_edge = key, frame.edge
        return self._axis

    def _body_of(self, frame: Frame, grid: Grid, axis: Axis) -> Picture:
        """The cells, the words over them and the gutter; the same as before where nothing that they show has
        changed."""
        history, layout = frame.history, grid.layout
        drawn = (axis, grid.column, frame.mode, _counted(frame), frame.hottest, history.epoch)
        raster = self._raster.get(drawn, lambda: Raster(axis, grid.column, drawn_mode(frame), frame.hottest))
        mixed = None
        if _estimated(frame) and frame.learned is not None:
            known = frame.learned.hindsight.now()
            if known is not None and known.unused is not None:
                mixed = self._mixed.get(drawn, lambda: Raster(axis, grid.column, measure=share_in_use))
            for each in (raster, mixed):
                if each is not None:
                    each.forget(frame.learned.settled)  # what later snapshots have corrected since
                    each.update(frame.learned, grid.first, grid.stop)
        else:
            raster.update(history, grid.first, grid.stop)
        owned = self._owned_of(frame, grid, axis)
        running = frame.live and frame.enabled and (frame.status is None or frame.status.state in ("on", "waiting"))
        key = (
            drawn,
            # a raster changes in place: these two numbers change with it
            raster.until,
            raster.binned,
            grid.first,
            layout,
            running,
            frame.cursor,
            frame.snapshot if layout.names else None,
            history.began,
            margins.due(frame),
            None if frame.interim is None else frame.interim.in_use,
            frame.owner,
            None if owned is None else owned.binned,
        )

        def made() -> Picture:
            codes, waited = _coded(frame, grid, axis, raster, owned, mixed, running=running)
            lossy = tuple(np.flatnonzero(raster.partial(grid.first, grid.stop)).tolist())
            return Picture(
                grid, "", "", {}, codes, self._gutter_of(frame, grid, axis), _overlays(frame, grid, axis, waited), lossy
            )

        return self._body.get(key, made)

    def _gutter_of(self, frame: Frame, grid: Grid, axis: Axis) -> Sequence[Line]:
        layout = grid.layout
        names = name_labels(axis, frame.snapshot, layout.lines, layout.halves, layout.names - 1) if layout.names else {}
        moment = grid.stop if frame.cursor else 0  # the cursor's line depends on it
        key = (axis, layout, frame.cursor, frame.ascii, moment, tuple(names.items()))
        return self._gutter.get(key, lambda: margins.gutter(frame, grid, axis, names))

    def _owned_of(self, frame: Frame, grid: Grid, axis: Axis) -> Raster | None:
        """The raster of the chosen owner's share; None where no owner is chosen."""
        if frame.owner is None:
            self._owned.drop()
            return None
        measure = partial(chosen.parts, owner=frame.owner)
        key = (axis, grid.column, frame.owner, frame.history.epoch)
        owned = self._owned.get(key, lambda: Raster(axis, grid.column, measure=measure))
        owned.update(frame.history, grid.first, grid.stop)
        return owned


def _estimated(frame: Frame) -> bool:
    """Whether the estimate is drawn. Counted bytes have none, since their own idle times are better."""
    return frame.mode == "estimate" and not _counted(frame)


def _counted(frame: Frame) -> bool:
    return frame.snapshot is not None and frame.snapshot.measured is not None


def drawn_mode(frame: Frame) -> heatmap.Mode:
    """The mode of the rasters; the pieces of an estimate are drawn like regions by their idle time."""
    return "idle" if frame.mode == "estimate" else frame.mode


def caption(frame: Frame, layout: Layout) -> tuple[str, str]:
    """The words in the border: what the pane shows, and how much time the picture and a column cover."""
    counted = _counted(frame)
    mode = "idle" if counted and frame.mode == "estimate" else frame.mode
    what = "share in use" if counted and mode == "rate" else MODE_TITLES[mode]
    title = f"{'Mappings' if counted else 'Regions'} ─ {what}"
    if frame.owner is not None:
        title += f" ─ of {shown(frame.owner.name)}"
    columns = layout.columns
    off = f"{off_since(frame)} ─ " if not frame.enabled else ""
    if columns <= 0:
        return title, ""
    column = frame.span / columns
    coarse = margins.coarse(frame, stop_of(frame, column) * column - frame.span, columns)
    said = f" ─ {coarse}" if coarse else ""
    if frame.strip and not layout.strip:
        said += " ─ pressure: no room"
    return title, f"{off}{span_words(frame.span)} ─ {duration(column)} a column{said}"


def _has_picture(frame: Frame) -> bool:
    snapshot = frame.snapshot
    return snapshot is not None and (len(snapshot) > 0 or not snapshot.note)


def _made_axis(frame: Frame, snapshot: Snapshot, layout: Layout) -> Axis:
    """An axis for all of the picture's time, with places for memory that has gone meanwhile and is still drawn."""
    window = frame.history.between(frame.right - frame.span, frame.right, 256 if frame.fold else 48)
    window = [one for one in (*window, snapshot) if len(one)]
    ids = targets_of(window) or (0,)
    stride = stride_for(len(ids))
    window = [placed(one, ids) for one in window]
    return make_axis(
        union([extent(one, stride) for one in window]),
        layout.rows,
        stride=stride,
        used=union([extent(one, stride, used=True) for one in window]) if frame.fold else None,
        lo=frame.lo,
        hi=frame.hi,
        fold_rows=layout.halves,
        ids=ids,
    )


# --- the cells ---


def _coded(
    frame: Frame,
    grid: Grid,
    axis: Axis,
    raster: Raster,
    owned: Raster | None,
    mixed: Raster | None,
    *,
    running: bool,
) -> tuple[ink.Codes, int]:
    """The codes of all cells, and how many columns at the right edge are of the aggregation under way.

    Args:
        frame, grid, axis: what is drawn, and where.
        raster: the value of each cell.
        owned: the share of each cell that is the chosen owner's; cells without any of it are dimmed. None where no
            owner is chosen.
        mixed: the share of a cell's memory that is in use, where the cell is drawn as in use; None where regions are
            drawn as they were reported.
        running: whether an aggregation is under way.
    """
    first, stop = grid.first, grid.stop
    values = raster.values(first, stop)
    gaps = np.isnan(values)
    codes: ink.Codes = heatmap.leveled(np.where(gaps, 0.0, values), raster.mode, LEVELS)
    unused = ~heatmap.in_use(values, raster.mode)
    codes[raster.free(first, stop) & unused] = ink.FREE
    codes[raster.hole(first, stop) & unused] = ink.EMPTY
    codes[gaps] = ink.GAP
    if frame.snapshot is not None and _counted(frame):
        codes[_vague(frame.snapshot, axis, raster.mode, values)] += ink.SOMEWHERE
    if mixed is not None:
        shares = mixed.values(first, stop)  # nan where nothing looks in use
        codes[ink.is_plain(codes) & (values >= 0) & (shares < _MOSTLY_USED)] += ink.SOMEWHERE
    if owned is not None:
        theirs = np.nan_to_num(owned.values(first, stop))  # where no frame was drawn, none was seen
        plain = ink.is_plain(codes)
        codes[plain & (theirs <= _NONE)] += ink.DIM
        codes[plain & (theirs > _NONE) & (theirs < chosen.MOSTLY)] += ink.SOME
    bare = raster.covered(first, stop) <= 0
    recorded = ~bare
    waited = 0
    if bare.any():
        times = np.arange(first, stop) * raster.column
        newest, began = frame.history.last, frame.history.began
        began = frame.now if began is None else began
        ended = newest.time if newest else frame.now
        after = times + raster.column > ended
        codes[bare] = ink.OFF
        codes[bare & after] = ink.PENDING if running else ink.OFF
        codes[bare & (times < began) & ~after] = ink.EMPTY
        if running:
            waited = int((bare & after).sum())
            found = _found(frame)
            if found is not None:
                codes[bare & after] = found
                recorded = recorded | after
    for part in (part for part in axis.parts if part.kind == VOID):
        codes[recorded, part.first : part.first + part.rows] = ink.EMPTY
    image = np.ascontiguousarray(codes.T[::-1])
    rows = grid.layout.rows
    if image.shape[0] != rows:  # an axis with fewer rows than there are: the rest stays empty below
        fill = np.full((rows - image.shape[0], image.shape[1]), ink.EMPTY, dtype=np.uint8)
        image = np.concatenate((image, fill)) if len(fill) else image[:rows]
    return image, waited


def _vague(snapshot: Snapshot, axis: Axis, mode: ColourMode, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether it is known how much of a cell's memory was used, but not where; shape ``(columns, rows)``.

    Where nothing or all was used, the place is known.
    """
    some = ~np.isnan(values)
    if mode == "rate":
        some &= (values > 0) & (values < 0.999)
    return some & unplaced(snapshot, axis)[None, :]


def _found(frame: Frame) -> int | None:
    """The code of what the aggregation under way has found in use so far, as a share of all memory."""
    found = frame.interim.in_use if frame.interim is not None and frame.mode == "rate" else None
    if found is None:
        return None
    return ink.SO_FAR + int(heatmap.leveled(np.array([found]), "rate", LEVELS)[0])


# --- words over the cells ---


def _overlays(frame: Frame, grid: Grid, axis: Axis, waited: int) -> dict[int, tuple[tuple[int, str, str], ...]]:
    """Words on folds and on the aggregation under way, and the cursor; ``waited`` columns are of that aggregation."""
    over: dict[int, tuple[tuple[int, str, str], ...]] = {}
    layout, rule = grid.layout, "~" if frame.ascii else "┄"
    for part in axis.parts:
        if part.kind == SHOWN:
            continue
        y = (len(axis) - part.first - part.rows) // layout.halves
        words = _fold_words(axis, part)
        if len(words) + 4 > layout.columns:
            words = ""
        if part.kind == VOID:
            over[y] = ((0, words.center(layout.columns, rule), "muted"),)
        else:  # idle memory is shown, with how much it is written over it
            over[y] = (((layout.columns - len(words)) // 2, words, "fold"),)
    words = _under_way(frame, waited)
    if words:
        y = layout.lines // 2
        while y in over and y + 1 < layout.lines:
            y += 1
        over[y] = (*over.get(y, ()), (layout.columns - waited + (waited - len(words)) // 2, words, "label"))
    at = None if frame.cursor is None else cell_of(grid, frame.cursor)
    if at is not None:
        x, y = at
        over[y] = (*over.get(y, ()), (x, "+" if frame.ascii else "┼", "cursor"))
    return over


def _under_way(frame: Frame, room: int) -> str:
    """What the aggregation under way has found, and when it is due, as far as ``room`` columns hold it."""
    due = margins.due(frame)
    found = frame.interim.in_use if frame.interim is not None else None
    said = [due] if due else []
    if found is not None:
        said.insert(0, f"so far {share(found)} in use")
    elif due and room >= len(due) + 15:
        said.insert(0, "under way")
    while said and len(", ".join(said)) + 2 > room - 2:
        said.pop(0)
    return f" {', '.join(said)} " if said else ""


def _fold_words(axis: Axis, part: Part) -> str:
    if part.hi > part.lo:
        return f" {size(part.hi - part.lo)} {'not mapped' if part.kind == VOID else 'idle'} "
    if part.target + 1 >= len(axis.ids):
        return ""
    return f" {axis.ids[part.target + 1]} above, {axis.ids[part.target]} below "


# --- where there is no picture ---


def _words(frame: Frame, layout: Layout) -> dict[int, Line]:
    """Why there is no picture, in the middle of its room."""
    width = max(8, min(layout.width - 4, 76))
    if frame.snapshot is not None and frame.snapshot.note:
        words: list[Line] = [((part, "label"),) for part in textwrap.wrap(frame.snapshot.note, width)]
    elif frame.interim is not None and frame.error is None and frame.enabled and layout.height >= 6:
        words = _known_already(frame, frame.interim, layout.height)
    else:
        words = nothing(frame, width, layout.height, "picture")
    top = max(0, (layout.height - len(words)) // 3)
    left = max(0, (layout.width - max((len("".join(t for t, _ in line)) for line in words), default=0)) // 2)
    lines = [()] * top + [((" " * left, ""), *line) for line in words]
    return {y: lines[y] if y < len(lines) else () for y in range(layout.height)}


def _known_already(frame: Frame, interim: Interim, room: int) -> list[Line]:
    """Lines before there is a picture: when it is due, memory in use so far, free memory, the largest processes."""
    left = seconds_left(frame)
    if left is None:
        words: list[Line] = [((f"{waiting(frame)}.", "label"),)]
    else:
        words = [(("The picture is ", "label"), (due_words(left), "strong"), (".", "label"))]
    found = found_so_far(interim)
    if interim.in_use is not None:
        text = share(interim.in_use) if found is None else f"{size(found)}, {share(interim.in_use)}"
        words += [(), (("found in use so far  ", "label"), (text, "use"))]
    if interim.free is not None:
        words.append((("free                 ", "label"), (size(interim.free), "value")))
    if interim.large:
        words += [(), (("largest processes", "label"),)]
        for pid, name, count in interim.large[: max(0, room - len(words))]:
            words.append((("  " + size(count).rjust(9), "value"), (f"  {pid:>8}", "muted"), (f"  {name}", "bar")))
    return words


def _finished(lines: Mapping[int, Line], layout: Layout, frame: Frame) -> dict[int, Line]:
    """Lines of text as wide as the pane."""
    return {y: finished(line, layout.width, frame.ascii) for y, line in lines.items()}
