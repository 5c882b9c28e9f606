"""The heatmap: time × address, the newest at the right edge."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from damontui.analysis import heatmap
from damontui.analysis.heatmap import SHOWN, VOID, Axis, Part, Place, Raster
from damontui.damon.snapshot import Interim, Snapshot
from damontui.tui import palette
from damontui.tui.axes import address_labels, name_labels, place_labels, short, span_words, time_ticks
from damontui.tui.draw import Line, Pane, Span, fit, spread, to_ascii, width_of
from damontui.tui.frame import Frame, Mode
from damontui.tui.ink import EMPTY, GAP, OFF, PENDING, SO_FAR, SOMEWHERE, TEXTURES, Ink, Theme, run_of
from damontui.tui.palette import LEVELS, RGB
from damontui.tui.panes.common import due_words, found_so_far, nothing, off_since, seconds_left, waiting
from damontui.tui.panes.title import clock
from damontui.units import duration, share, size

Codes = NDArray[np.uint8]

MODES: dict[Mode, str] = {"rate": "access rate", "temperature": "temperature", "idle": "idle time"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of the picture are, in cells of the pane."""

    width: int
    height: int
    gutter: int
    """Columns of the address axis."""
    foot: int
    """Lines below the picture: time axis, its labels, legend."""
    halves: int
    """Rows to a line: 2 with half blocks, 1 with glyphs."""
    names: int = 0
    """Columns of the gutter that say what is mapped, left of the addresses."""

    @property
    def columns(self) -> int:
        """Columns of the picture."""
        return self.width - self.gutter

    @property
    def lines(self) -> int:
        """Lines of the picture."""
        return self.height - self.foot

    @property
    def rows(self) -> int:
        """Rows of the address axis."""
        return self.lines * self.halves


def layout(width: int, height: int, *, glyphs: bool, long: bool = False, named: bool = False) -> Layout:
    """What fits: the axes give way to the picture. ``long`` leaves room for the digits of virtual addresses."""
    gutter = 0 if width < 44 else 14 if long and width >= 56 else 11
    names = min(16, width // 6) if named and width >= 60 else 0
    foot = 3 if height >= 9 else 2 if height >= 5 else 1 if height >= 2 else 0
    return Layout(width, height, gutter + names, foot, 1 if glyphs else 2, names)


class RegionsPane(Pane):
    """Draws what the monitor keeps as a picture, adding only what is new to it."""

    class Pointed(Message):
        """A cell was clicked, or the pressed mouse went over it."""

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RegionsPane.Pointed)  # a fast mouse: where it is, not where it was

    class Wheeled(Message):
        """The wheel was turned over a cell: the addresses shown there are to be ``factor`` times as many."""

        def __init__(self, place: Place, factor: float) -> None:
            super().__init__()
            self.place = place
            self.factor = factor

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.layout_now = Layout(0, 0, 0, 0, 2)
        self.axis: Axis | None = None
        self.raster: Raster | None = None
        self.codes: Codes = np.zeros((0, 0), dtype=np.uint8)
        """What is drawn: rows (highest address first) × columns."""
        self.overlays: dict[int, tuple[tuple[int, str, str], ...]] = {}
        """Words over the picture: of a line ``(column, text, style name)``."""
        self._partial: tuple[int, ...] = ()
        self._waited = 0  # columns at the right edge of the aggregation under way
        self._axis_key: tuple[object, ...] = ()
        self._axis_edge: float | None = None
        self._raster_key: tuple[object, ...] = ()
        self._picture_key: tuple[object, ...] = ()
        self._seen: Snapshot | None = None
        self._gutter: list[Line] = []
        self._text: dict[int, Line] = {}
        self._cells: dict[int, Strip] = {}
        self._dragged = False
        self._stop = 0  # the column after the last one shown
        self._ink: Ink | None = None
        self._colours: Theme | None = None
        self._named: dict[str, Style] = {}
        self._gutter_key: tuple[object, ...] = ()

    # --- what is shown ---

    def show(self, frame: Frame) -> None:
        """Show another frame."""
        self.frame = frame
        self.redraw()

    def caption(self, frame: Frame) -> tuple[str, str]:
        counted = frame.snapshot is not None and frame.snapshot.measured is not None
        what = "share in use" if counted and frame.mode == "rate" else MODES[frame.mode]
        title = f"{'Mappings' if counted else 'Regions'} ─ {what}"
        columns = self.layout_now.columns
        off = f"{off_since(frame)} ─ " if not frame.enabled else ""
        if columns <= 0:
            return title, ""
        coarse = _coarse(frame, _stop(frame, frame.span / columns) * frame.span / columns - frame.span, columns)
        said = f" ─ {coarse}" if coarse else ""
        return title, f"{off}{span_words(frame.span)} ─ {duration(frame.span / columns)} a column{said}"

    def redraw(self) -> None:
        width, height = self.size
        frame = self.frame
        if frame is None or width <= 0 or height <= 0:
            return
        named = frame.snapshot is not None and any(frame.snapshot.names)
        place = layout(width, height, glyphs=frame.glyphs or frame.ascii, long=_long(frame.snapshot), named=named)
        restyled = self._restyled(frame)
        whole = restyled or place != self.layout_now
        self.layout_now = place
        title, subtitle = self.caption(frame)
        self._caption(*(_plain(text, frame) for text in (title, subtitle)))
        changed = self._draw_picture(frame, place) if self._has_picture(frame) else self._draw_words(frame, place)
        if whole:
            self._cells.clear()
            self.refresh()
            return
        for y in changed:
            self._cells.pop(y, None)
        self.refresh_lines(sorted(changed))

    def _has_picture(self, frame: Frame) -> bool:
        snapshot = frame.snapshot
        return snapshot is not None and (len(snapshot) > 0 or not snapshot.note)

    def _draw_words(self, frame: Frame, place: Layout) -> set[int]:
        """Why there is no picture."""
        self.axis = self.raster = None
        self._axis_key = self._raster_key = self._picture_key = self._gutter_key = ()
        self.overlays, self._partial, self._gutter = {}, (), []
        self.codes = np.zeros((0, 0), dtype=np.uint8)
        width = max(8, min(place.width - 4, 76))
        if frame.snapshot is not None and frame.snapshot.note:
            words: list[Line] = [((part, "label"),) for part in textwrap.wrap(frame.snapshot.note, width)]
        elif frame.interim is not None and frame.error is None and frame.enabled and place.height >= 6:
            words = _known_already(frame, frame.interim, place.height)
        else:
            words = nothing(frame, width, place.height, "picture")
        top = max(0, (place.height - len(words)) // 3)
        left = max(0, (place.width - max((len("".join(t for t, _ in line)) for line in words), default=0)) // 2)
        lines = [()] * top + [((" " * left, ""), *line) for line in words]
        return self._put({y: lines[y] if y < len(lines) else () for y in range(place.height)}, frame)

    def _put(self, lines: dict[int, Line], frame: Frame) -> set[int]:
        """Keep the lines of text; those that differ from what is on the screen."""
        lines = {y: fit(line, self.layout_now.width) for y, line in lines.items()}
        if frame.ascii:
            lines = {y: to_ascii(line) for y, line in lines.items()}
        changed = {y for y in lines.keys() | self._text.keys() if lines.get(y) != self._text.get(y)}
        self._text = lines
        return changed

    # --- the picture ---

    def _draw_picture(self, frame: Frame, place: Layout) -> set[int]:
        if place.lines <= 0 or place.columns <= 0:
            return self._put({}, frame)
        history = frame.history
        column = frame.span / place.columns
        stop = self._stop = _stop(frame, column)
        first = stop - place.columns
        axis = self._axis(frame, place)
        raster_key = (id(axis), column, frame.mode, frame.hottest, history.epoch)
        if self.raster is None or raster_key != self._raster_key:
            self.raster = Raster(axis, column, frame.mode, frame.hottest)
            self._raster_key = raster_key
            self._picture_key = ()
        self.raster.update(history, first, stop)
        began = history.began
        running = frame.live and frame.enabled and (frame.status is None or frame.status.state in ("on", "waiting"))
        picture_key = (
            self._raster_key,
            self.raster.until,
            self.raster.binned,
            first,
            place,
            running,
            frame.cursor,
            frame.snapshot if place.names else None,
            began,
            _due(frame),
            None if frame.interim is None else frame.interim.in_use,
        )
        changed: set[int] = set()
        if picture_key != self._picture_key:
            self._picture_key = picture_key
            changed = self._encode(frame, place, axis, first, stop, running)
        return changed | self._put(self._foot(frame, place, column, first), frame)

    def _axis(self, frame: Frame, place: Layout) -> Axis:
        """The address axis; it stays while what is shown fits it, so that the picture does not jump."""
        snapshot = frame.snapshot
        assert snapshot is not None
        key = (place.rows, place.halves, frame.lo, frame.hi, frame.fold, snapshot.targets, frame.history.epoch)
        if self.axis is not None and key == self._axis_key:
            if snapshot is self._seen or (frame.edge is not None and frame.edge == self._axis_edge):
                return self.axis
            self._seen = snapshot
            covered = heatmap.extent(snapshot, self.axis.stride, used=frame.fold)
            if frame.lo is not None or frame.hi is not None or self.axis.holds(*covered):
                return self.axis
        self._seen = snapshot
        # what left lately is still in the picture, so it has its place on the axis
        window = frame.history.between(frame.right - frame.span, frame.right, 256 if frame.fold else 48)
        window = [one for one in (*window, snapshot) if len(one)]
        ids = heatmap.targets_of(window) or (0,)
        stride = heatmap.stride_for(len(ids))
        window = [heatmap.placed(one, ids) for one in window]
        axis = heatmap.make_axis(
            heatmap.union([heatmap.extent(one, stride) for one in window]),
            place.rows,
            stride=stride,
            used=heatmap.union([heatmap.extent(one, stride, used=True) for one in window]) if frame.fold else None,
            lo=frame.lo,
            hi=frame.hi,
            fold_rows=place.halves,
            ids=ids,
        )
        same = self.axis is not None and (axis.parts, ids) == (self.axis.parts, self.axis.ids)
        if self.axis is None or not same or key != self._axis_key:
            self.axis = axis
        self._axis_key, self._axis_edge = key, frame.edge
        return self.axis

    def _encode(self, frame: Frame, place: Layout, axis: Axis, first: int, stop: int, running: bool) -> set[int]:
        """Fill ``codes``; the lines that changed."""
        assert self.raster is not None
        raster = self.raster
        values = raster.values(first, stop)
        holes = np.isnan(values)
        codes: Codes = heatmap.leveled(np.where(holes, 0.0, values), frame.mode, LEVELS)
        codes[holes] = GAP
        if frame.snapshot is not None and frame.snapshot.measured is not None:
            codes[self._vague(frame.snapshot, axis, values)] += SOMEWHERE
        bare = raster.covered(first, stop) <= 0
        recorded = ~bare
        self._waited = 0
        if bare.any():
            times = np.arange(first, stop) * raster.column
            newest = frame.history.last
            began = frame.history.began
            began = frame.now if began is None else began
            ended = newest.time if newest else frame.now
            after = times + raster.column > ended
            codes[bare] = OFF
            codes[bare & after] = PENDING if running else OFF
            codes[bare & (times < began) & ~after] = EMPTY
            if running:
                self._waited = int((bare & after).sum())
                found = _found(frame)
                if found is not None:
                    codes[bare & after] = found
                    recorded = recorded | after
        for part in (part for part in axis.parts if part.kind == VOID):
            codes[recorded, part.first : part.first + part.rows] = EMPTY
        image = np.ascontiguousarray(codes.T[::-1])
        if image.shape[0] != place.rows:  # an axis with fewer rows than there are: the rest stays empty below
            fill = np.full((place.rows - image.shape[0], image.shape[1]), EMPTY, dtype=np.uint8)
            image = np.concatenate((image, fill)) if len(fill) else image[: place.rows]
        partial = tuple(np.flatnonzero(raster.partial(first, stop)).tolist())
        overlays = self._words_over(frame, place, axis, image)
        gutter = self._gutter
        names = name_labels(axis, frame.snapshot, place.lines, place.halves, place.names - 1) if place.names else {}
        gutter_key = (axis, place, frame.cursor, frame.ascii, stop if frame.cursor else 0, tuple(names.items()))
        if gutter_key != self._gutter_key:
            self._gutter_key = gutter_key
            gutter = self._address_axis(frame, place, axis, names)
        changed: set[int] = set()
        if image.shape == self.codes.shape and partial == self._partial:
            rows = (image != self.codes).any(axis=1)
            changed.update(np.flatnonzero(rows.reshape(place.lines, place.halves).any(axis=1)).tolist())
        else:
            changed.update(range(place.lines))
        changed |= {y for y in overlays.keys() | self.overlays.keys() if overlays.get(y) != self.overlays.get(y)}
        if len(gutter) != len(self._gutter):
            changed.update(range(place.lines))
        elif gutter is not self._gutter:
            changed |= {y for y, (new, old) in enumerate(zip(gutter, self._gutter, strict=True)) if new != old}
        self.codes, self._partial, self.overlays, self._gutter = image, partial, overlays, gutter
        return changed

    def _vague(self, snapshot: Snapshot, axis: Axis, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Cells of memory of which it is known how much was used, not where; shape ``(columns, rows)``.

        Of a share of nothing, or of all, the places are known.
        """
        some = ~np.isnan(values)
        if self.raster is not None and self.raster.mode == "rate":
            some &= (values > 0) & (values < 0.999)
        return some & heatmap.unplaced(snapshot, axis)[None, :]

    def _words_over(
        self, frame: Frame, place: Layout, axis: Axis, image: Codes
    ) -> dict[int, tuple[tuple[int, str, str], ...]]:
        """Folds with what they hide, what is under way, and the cursor."""
        over: dict[int, tuple[tuple[int, str, str], ...]] = {}
        rule = "~" if frame.ascii else "┄"
        for part in axis.parts:
            if part.kind == SHOWN:
                continue
            y = (len(axis) - part.first - part.rows) // place.halves
            words = self._fold_words(frame, part)
            if len(words) + 4 > place.columns:
                words = ""
            if part.kind == VOID:
                over[y] = ((0, words.center(place.columns, rule), "muted"),)
            else:  # idle memory is shown, with how much it is written over it
                over[y] = (((place.columns - len(words)) // 2, words, "fold"),)
        over |= self._words_of_the_wait(frame, place, over)
        cursor = frame.cursor
        if cursor is not None:
            at = self._cell_of(cursor, place, axis, frame)
            if at is not None:
                x, y = at
                over[y] = (*over.get(y, ()), (x, "+" if frame.ascii else "┼", "cursor"))
        return over

    def _words_of_the_wait(
        self, frame: Frame, place: Layout, over: dict[int, tuple[tuple[int, str, str], ...]]
    ) -> dict[int, tuple[tuple[int, str, str], ...]]:
        """What the aggregation under way has found, and when it is due, over its columns where they have the room."""
        due, room = _due(frame), self._waited
        found = frame.interim.in_use if frame.interim is not None else None
        said = [due] if due else []
        if found is not None:
            said.insert(0, f"so far {share(found)} in use")
        elif due and room >= len(due) + 15:
            said.insert(0, "under way")
        while said and len(", ".join(said)) + 2 > room - 2:
            said.pop(0)
        if not said:
            return {}
        y = place.lines // 2
        while y in over and y + 1 < place.lines:
            y += 1
        words = f" {', '.join(said)} "
        return {y: (*over.get(y, ()), (place.columns - room + (room - len(words)) // 2, words, "label"))}

    def _fold_words(self, frame: Frame, part: Part) -> str:
        if part.hi > part.lo:
            return f" {size(part.hi - part.lo)} {'not mapped' if part.kind == VOID else 'idle'} "
        targets = self.axis.ids if self.axis is not None else ()
        if part.target + 1 >= len(targets):
            return ""
        return f" {targets[part.target + 1]} above, {targets[part.target]} below "

    # --- the axes ---

    def _address_axis(self, frame: Frame, place: Layout, axis: Axis, names: dict[int, str]) -> list[Line]:
        """The gutter, from the top: labels at round addresses, the lowest address of each part."""
        if place.gutter == 0:
            return [()] * place.lines
        room = place.gutter - place.names - 2
        labels = address_labels(axis, place.lines, place.halves, room)
        cursor = None
        if frame.cursor is not None:
            at = self._cell_of(frame.cursor, place, axis, frame)
            cursor = at[1] if at else None
        gutter: list[Line] = []
        for y in range(place.lines):
            label = labels.get(y, "")
            part = axis.part(max(0, len(axis) - 1 - y * place.halves)) if len(axis) else None
            edge = "┤" if label else "┆" if part is not None and part.kind != SHOWN and not frame.ascii else "│"
            mark = "▶" if y == cursor else " "
            name = ((names.get(y, "").ljust(place.names), "muted"),) if place.names else ()
            gutter.append((*name, (label[:room].rjust(room), "label"), (mark, "strong"), (edge, "track")))
        return [to_ascii(line) for line in gutter] if frame.ascii else gutter

    def _foot(self, frame: Frame, place: Layout, column: float, first: int) -> dict[int, Line]:
        lines: dict[int, Line] = {}
        y = place.lines
        wall = frame.wall
        if frame.edge is not None and frame.snapshot is not None:
            at_edge = frame.history.at(frame.edge)
            wall = frame.wall if at_edge is None else at_edge.wall
        ticks = time_ticks(frame.span, place.columns, "now" if frame.live else clock(wall))
        if place.foot == 3:
            lines[y] = self._rule(frame, place, ticks)
            y += 1
        if place.foot >= 2:
            lines[y] = ((" " * place.gutter, ""), (place_labels(ticks, place.columns), "label"))
            y += 1
        if place.foot >= 1:
            lines[y] = self._legend(frame, place, column, first)
        return lines

    def _rule(self, frame: Frame, place: Layout, ticks: Sequence[tuple[int, str]]) -> Line:
        """The time axis: solid where there are snapshots, dotted where not, with ticks."""
        solid = [False] * place.columns
        for row in self.codes[:: max(1, len(self.codes) - 1)]:
            solid = [a or b for a, b in zip(solid, _whole(row).tolist(), strict=False)]
        line = ["─" if here else "┄" for here in solid]
        if frame.ascii:
            line = ["-" if here else "." for here in solid]
        for x, _ in ticks:
            if 0 <= x < len(line):
                line[x] = "+" if frame.ascii else "┬"
        at = None
        if frame.cursor is not None or frame.edge is not None:
            at = self._column_of(frame.now if frame.cursor is None else frame.cursor.time, place, frame)
            if at is not None:
                line[at] = "^" if frame.ascii else "▲"
        corner = "" if place.gutter == 0 else " " * (place.gutter - 1) + ("+" if frame.ascii else "└")
        text = "".join(line)
        if at is None:
            return ((corner, "track"), (text, "track"))
        return ((corner + text[:at], "track"), (text[at], "strong"), (text[at + 1 :], "track"))

    def _legend(self, frame: Frame, place: Layout, column: float, first: int) -> Line:
        """What the colours are, in their unit, and what else there is to know about the picture."""
        facts = ["hottest in a cell" if frame.hottest else "mean of a cell"]
        due = _due(frame)
        if due:
            facts.append(due)
        coarse = "" if self._bordered() else _coarse(frame, first * column, place.columns)
        if coarse:
            facts.append(coarse)
        if self._partial:
            facts.append(f"{'/' if frame.ascii else '╱'} events lost")
        if (self.codes == OFF).any():
            facts.append(f"{'x' if frame.ascii else '×'} not monitored")
        facts += self._textures(frame)
        if self.border_subtitle is None or not self._bordered():
            facts.insert(0, f"{duration(column)} a column")
        scale = self._scale(frame, place, 1 if place.width >= 90 else 2)
        while facts and sum(len(text) for text, _ in scale) + len(" · ".join(facts)) + 2 > place.width:
            facts.pop(0)
        return spread(scale, ((" · ".join(facts), "muted"), (" ", "")), place.width)

    def _textures(self, frame: Frame) -> list[str]:
        """What the marks over a colour mean, and what is no memory; only of what is drawn."""
        out = []
        measured = frame.snapshot is not None and frame.snapshot.measured is not None
        if measured and (self.codes == GAP).any():
            out.append(f"{chr(39) if frame.ascii else '·'} not in memory")
        for texture, words in ((SO_FAR, "found so far"), (SOMEWHERE, "somewhere in here")):
            if ((self.codes >= texture) & (self.codes < texture + LEVELS)).any():
                out.append(f"{TEXTURES[texture][frame.ascii]} {words}")
        return out

    def _bordered(self) -> bool:
        return bool(self.styles.border_bottom[0])

    def _scale(self, frame: Frame, place: Layout, step: int) -> tuple[Span, ...]:
        """The colour scale with the values at its ends (and where it bends)."""
        levels = list(range(0, LEVELS, step))
        indent = " " if place.width < 90 else " " * place.gutter

        def blocks(part: Sequence[int]) -> tuple[Span, ...]:
            return tuple(("#", f"level{level}") for level in part)

        if frame.mode == "rate":
            middle = share(heatmap.unscaled(0.5, "rate"))
            cut = len(levels) // 2
            return (
                (f"{indent}0 ", "label"),
                *blocks(levels[:cut]),
                (f" {middle} ", "label"),
                *blocks(levels[cut:]),
                (f" 100 %{_of_what(frame)}" if place.width >= 40 else " 100 %", "label"),
            )
        cut = len(levels) // 2
        if frame.mode == "idle":
            most = duration(heatmap.MOST_IDLE)
            ends = (f"{indent}idle {short(most)} ", " 0 ", f" {short(most)} in use")
        else:
            top = "1e11" if frame.ascii else "10¹¹"
            ends = (f"{indent}cold −{top} ", " 0 ", f" {top} hot")
        return (
            (ends[0], "label"),
            *blocks(levels[:cut]),
            (ends[1], "label"),
            *blocks(levels[cut + 1 :]),
            (ends[2], "label"),
        )

    # --- where things are ---

    def _column_of(self, time: float, shape: Layout, frame: Frame) -> int | None:
        column = frame.span / shape.columns
        x = _column(time, column) - (self._stop - shape.columns)
        return x if 0 <= x < shape.columns else None

    def _cell_of(self, place: Place, shape: Layout, axis: Axis, frame: Frame) -> tuple[int, int] | None:
        x = self._column_of(place.time, shape, frame)
        row = axis.row(place.address, place.target)
        return None if x is None or row is None else (x, (len(axis) - 1 - row) // shape.halves)

    def place_at(self, x: int, y: int) -> Place | None:
        """What is at a cell of the pane (its own coordinates, border not counted); None outside of the picture."""
        shape, axis, frame = self.layout_now, self.axis, self.frame
        time = self.time_at(x)
        if frame is None or axis is None or time is None or not 0 <= y < shape.lines:
            return None
        row = len(axis) - 1 - y * shape.halves
        if not 0 <= row < len(axis):
            return None
        target, lo, _ = axis.place(row)
        return Place(lo, time, target)

    def address_at(self, y: int) -> tuple[int, int, int] | None:
        """``(target, lo, hi)`` of the addresses at a line of the pane; None outside of the picture."""
        shape, axis = self.layout_now, self.axis
        if axis is None or not 0 <= y < shape.lines:
            return None
        high = len(axis) - 1 - y * shape.halves
        if high < 0:
            return None
        target, lo, hi = axis.place(high)
        under, low, _ = axis.place(max(0, high - shape.halves + 1))
        return target, low if under == target else lo, hi

    def time_at(self, x: int) -> float | None:
        """The end of the time at a column of the pane, at most ``now``; None outside of the picture."""
        shape, frame = self.layout_now, self.frame
        if frame is None or not shape.gutter <= x < shape.width:
            return None
        column = frame.span / shape.columns
        return min(frame.right, (self._stop - shape.columns + x - shape.gutter + 1) * column)

    def snapshot_at(self, x: int) -> Snapshot | None:
        """The newest snapshot at a column of the pane."""
        time = self.time_at(x)
        return None if time is None or self.frame is None else self.frame.history.at(time)

    def moved(self, place: Place, right: int = 0, up: int = 0) -> Place:
        """The place some columns and rows away, within the picture; folds are stepped over."""
        axis, frame, shape = self.axis, self.frame, self.layout_now
        if axis is None or frame is None or shape.columns <= 0:
            return place
        column = frame.span / shape.columns
        time = min(place.time + right * column, frame.right)
        row = axis.row(place.address, place.target)
        if row is None:
            row = 0
        if up == 0:
            return Place(place.address, time, place.target)
        row = min(max(row + up, 0), len(axis) - 1)
        while axis.part(row).kind == VOID and 0 < row < len(axis) - 1:
            row += 1 if up > 0 else -1
        target, lo, _ = axis.place(row)
        return Place(lo, time, target)

    def on_click(self, event: events.Click) -> None:
        place = self._place_of(event)
        if place is not None:
            event.stop()
            self.post_message(self.Pointed(place))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button == 1 and self._place_of(event) is not None:
            self._dragged = True
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        place = self._place_of(event) if self._dragged else None
        if place is not None:
            self.post_message(self.Pointed(place))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._dragged = False
        self.release_mouse()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, 0.5)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 2.0)

    def _wheel(self, event: events.MouseEvent, factor: float) -> None:
        place = self._place_of(event)
        if place is not None:
            event.stop()
            self.post_message(self.Wheeled(place, factor))

    def _place_of(self, event: events.MouseEvent) -> Place | None:
        offset = event.get_content_offset(self)
        return None if offset is None else self.place_at(offset.x, offset.y)

    # --- painting ---

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._colours = None
        self._cells.clear()

    def _restyled(self, frame: Frame) -> bool:
        """Make the colours anew where theme, terminal or state ask for it."""
        if self._colours is None:  # asking for styles costs more than drawing: once, until they change
            app = self.app
            ground = self.background_colors[1]
            system = app.console.color_system
            self._colours = (
                RGB(ground.r, ground.g, ground.b),
                app.current_theme.dark,
                16 if system in ("standard", "windows") else 256 if system == "256" else 1 << 24,
                app.no_color,
                self.rich_style,
                self.ink("muted"),
            )
            self._named.clear()
        kind: palette.Kind = "heat" if frame.mode == "rate" else "signed"
        key = (*self._colours, kind, frame.dim, frame.glyphs or frame.ascii, frame.ascii)
        if self._ink is not None and self._ink.key == key:
            return False
        self._ink = Ink(key)
        return True

    def _style(self, name: str) -> Style:
        """The style of a name, "" for the pane's own."""
        found = self._named.get(name)
        if found is None:
            found = self.ink(name)
            self._named[name] = found
        return found

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        shape = self.layout_now
        if self.frame is None or y >= shape.height:
            return Strip.blank(width, self._style(""))
        if self._colours is None:
            self._restyled(self.frame)
        strip = self._cells.get(y)
        if strip is None or strip.cell_length != width:
            if y in self._text:
                line = self._text[y]
                strip = Strip([Segment(*self._span(text, style)) for text, style in line], width_of(line))
            elif y < shape.lines and len(self.codes):
                strip = Strip(self._picture_line(y), width_of(self._gutter[y]) + shape.columns)
            else:
                strip = Strip([], 0)
            strip = self._cells[y] = strip.adjust_cell_length(width, self._style(""))
        return strip

    def _span(self, text: str, style: str) -> tuple[str, Style]:
        if style.startswith("level") and self._ink is not None:
            return self._ink.cell(int(style[5:]), int(style[5:]))
        return text, self._style(style)

    def _picture_line(self, y: int) -> list[Segment]:
        shape, ink = self.layout_now, self._ink
        assert ink is not None
        segments = [Segment(text, self._style(style)) for text, style in self._gutter[y]]
        top = self.codes[y * shape.halves]
        bottom = self.codes[y * shape.halves + shape.halves - 1]
        if self._partial or y in self.overlays:
            return segments + self._mixed(y, top, bottom, ink)
        pairs = top.astype(np.int32) * 256 + bottom
        cuts = [0, *(np.flatnonzero(pairs[1:] != pairs[:-1]) + 1).tolist(), len(pairs)]
        starts = pairs[cuts[:-1]].tolist()
        for pair, (low, high) in zip(starts, pairwise(cuts), strict=True):
            segments.append(ink.run(pair, low, high))
        return segments

    def _mixed(self, y: int, top: Codes, bottom: Codes, ink: Ink) -> list[Segment]:
        """A line with words over it, or with hatched columns: cell by cell."""
        cells = []
        for x, (a, b) in enumerate(zip(top.tolist(), bottom.tolist(), strict=True)):
            text, style = ink.cell(a, b)
            cells.append((run_of(text, x, x + 1), style))
        for x in self._partial:
            if top[x] < LEVELS or bottom[x] < LEVELS:
                cells[x] = (ink.hatch, ink.over(int(top[x]), int(bottom[x])))
        for column, text, name in self.overlays.get(y, ()):
            for x, character in enumerate(text, column):
                if not 0 <= x < len(cells):
                    continue
                style = ink.over(int(top[x]), int(bottom[x])) if name in ("cursor", "fold") else self._style(name)
                cells[x] = (character, style)
        segments: list[Segment] = []
        for text, style in cells:
            if segments and segments[-1].style is style:
                segments[-1] = Segment(segments[-1].text + text, style)
            else:
                segments.append(Segment(text, style))
        return segments

    def text(self) -> str:
        """What is drawn, as plain text."""
        return "\n".join(self.render_line(y).text.rstrip() for y in range(self.size.height))


def _known_already(frame: Frame, interim: Interim, room: int) -> list[Line]:
    """What can be said before there is a picture: when it is due, what is in use so far, what is free, who is large."""
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


def _of_what(frame: Frame) -> str:
    """What a rate is a share of."""
    return " in use" if frame.snapshot is not None and frame.snapshot.measured is not None else " of samples"


def _whole(row: Codes) -> NDArray[np.bool_]:
    """Columns of a row of the picture that a whole aggregation has filled."""
    whole: NDArray[np.bool_] = (row != EMPTY) & (row != OFF) & (row != PENDING) & ((row < SO_FAR) | (row >= GAP))
    return whole


def _found(frame: Frame) -> int | None:
    """The code of what the aggregation under way has found in use so far, as a share of all memory."""
    found = frame.interim.in_use if frame.interim is not None and frame.mode == "rate" else None
    if found is None:
        return None
    return SO_FAR + int(heatmap.leveled(np.array([found]), "rate", LEVELS)[0])


def _due(frame: Frame) -> str:
    """When the aggregation under way is due, where that is worth saying."""
    left = seconds_left(frame)
    return "" if left is None else due_words(left)


def _coarse(frame: Frame, left: float, columns: int) -> str:
    """How coarse the past is kept: at the moment shown, else at the left edge; "" where nothing is lost by it."""
    newest, began = frame.history.last, frame.history.began
    if newest is None or began is None:
        return ""
    usual = newest.time - newest.began
    if frame.edge is not None:
        shown = frame.history.resolution_at(frame.now)
        if shown > 1.5 * usual:
            return f"mean of {duration(shown)} shown"
    kept = frame.history.resolution_at(max(left, began) + 1e-6)
    return f"one picture in {duration(kept)} at the left" if kept > 1.5 * max(frame.span / columns, usual) else ""


def _column(time: float, column: float) -> int:
    """The column that the moment ends or is in: ``(k * column, (k + 1) * column]``."""
    return ceil(time / column - 1e-9) - 1


def _stop(frame: Frame, column: float) -> int:
    """The column after the last one shown.

    Where aggregations are shorter than a column, a live view goes on when the next one is whole, not before: a column
    that stays empty for a moment each time would only flicker.
    """
    stop = _column(frame.right, column) + 1
    newest = frame.history.last
    if frame.live and newest is not None and newest.next_attrs.aggr_us / 1e6 <= column:
        shown = _column(newest.time, column) + 1
        if shown < stop <= shown + 2:
            return shown
    return stop


def _long(snapshot: Snapshot | None) -> bool:
    """Whether addresses are such as only hexadecimal digits tell apart."""
    return snapshot is not None and len(snapshot) > 0 and int(snapshot.end.max()) >= 1 << 40


def _plain(text: str, frame: Frame) -> str:
    return to_ascii(((text, ""),))[0][0] if frame.ascii else text
