"""Bandwidth: the estimate, its past, and what the kernel's module and the truth say beside it."""

from __future__ import annotations

import math
import textwrap

from damontui.analysis.rounding import Rounding
from damontui.damon.snapshot import Snapshot
from damontui.tui.axes import round_up
from damontui.tui.draw import Line, Pane, Span, fit, sparkline, width_of
from damontui.tui.frame import Frame
from damontui.tui.panes.common import due_words, nothing, off_since, seconds_left
from damontui.tui.series import MetricSeries
from damontui.units import bandwidth, duration


def estimate(snapshot: Snapshot, joined: Rounding) -> float:
    """Bytes per second of a whole aggregation; where the regions cannot be read, the module's; NaN without either.

    Args:
        snapshot: the aggregation's.
        joined: has taken in the snapshots before it.
    """
    if len(snapshot):
        return joined.bandwidth(snapshot)
    if snapshot.module is not None and snapshot.module.bandwidth is not None:
        return float(snapshot.module.bandwidth)
    return math.nan


def _news(frame: Frame) -> int | None:
    """The module's bandwidth of the aggregation under way; None where a whole aggregation tells better."""
    if frame.interim is None or frame.error is not None or not frame.enabled:
        return None
    return frame.interim.module.bandwidth


class BandwidthPane(Pane):
    """Now, mean and peak over the heatmap's span, and a sparkline with its scale."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        joined = Rounding()
        self.series = MetricSeries(lambda snapshot: estimate(snapshot, joined))

    def caption(self, frame: Frame) -> tuple[str, str]:
        snapshot = frame.snapshot
        source = "the module's own" if snapshot is not None and not len(snapshot) else "estimated"
        if snapshot is None and _news(frame) is not None:
            source = "the module's own"
        if snapshot is not None and snapshot.measured is not None:
            # of what is touched again and again, a shorter time shows more of the touches
            source = f"of bytes touched within {duration(snapshot.measured.seconds[0])}"
        return f"Bandwidth, {source}", off_since(frame)

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        snapshot = frame.snapshot
        if snapshot is None:
            said = _news(frame)
            if said is None:
                return nothing(frame, width, height, "bandwidth")
            line: Line = (("the module says ", "label"), (bandwidth(said), "strong"), (" mid-count", "muted"))
            why = "read while it counts: usually too low; whole"
            left = seconds_left(frame)
            due = f"{why} when the first aggregation is" + (f", {due_words(left)}" if left is not None else "")
            return [fit(line, width), *(((part, "muted"),) for part in textwrap.wrap(due, max(10, width)))][:height]
        self.series.update(frame.history)
        now = self.series.value_at(snapshot.time)
        if math.isnan(now):
            now = estimate(snapshot, Rounding())
        mean, peak = self.series.mean_and_peak(frame.now - frame.span, frame.now)
        if height < 3:
            return [self._short(frame, snapshot, now, mean, peak, width)]
        below = self._truth_and_module(snapshot, now)
        numbers: Line = (
            (_text(now), "strong"),
            ("   mean ", "label"),
            (_text(mean), "value"),
            ("   peak ", "label"),
            (_text(peak), "value"),
        )
        rows = max(1, height - 1 - len(below))
        return [fit(numbers, width), *self._chart(frame, peak, width, rows), *below]

    def _chart(self, frame: Frame, peak: float, width: int, rows: int) -> list[Line]:
        top = round_up(peak)
        scale = [bandwidth(top), *[""] * (rows - 2), "0 B/s"] if rows > 1 else [f"0 … {bandwidth(top)}"]
        room = width - max(len(text) for text in scale) - 2
        values = self.series.columns(frame.now, frame.span, room)
        drawn = sparkline(values, rows, 0.0, top, ascii=frame.ascii)
        mark = {0: "┤", rows - 1: "┤"}
        return [
            ((text, "bar"), (mark.get(row, "│"), "track"), (" " + scale[row], "muted"))
            for row, text in enumerate(drawn)
        ]

    def _truth_and_module(self, snapshot: Snapshot, now: float) -> list[Line]:
        lines: list[Line] = []
        if snapshot.truth is not None:
            lines.append((("truth ", "label"), (bandwidth(snapshot.truth.bandwidth), "truth"), *_off(snapshot, now)))
        module = snapshot.module
        if module is not None and module.bandwidth is not None:
            if len(snapshot):
                said = (("the module says ", "label"), (bandwidth(module.bandwidth), "value"), (" mid-count", "muted"))
                lines.append(said)
            else:
                lines.append((("read mid-count by the kernel: usually too low", "muted"),))
        return lines

    def _short(self, frame: Frame, snapshot: Snapshot, now: float, mean: float, peak: float, width: int) -> Line:
        parts: list[Span] = [("bandwidth ", "label"), (_text(now), "strong")]
        further: list[tuple[Span, ...]] = [
            ((" mean ", "label"), (_text(mean), "value")),
            ((" peak ", "label"), (_text(peak), "value")),
        ]
        if snapshot.truth is not None:
            further.append(((" truth ", "label"), (bandwidth(snapshot.truth.bandwidth), "truth")))
        if snapshot.module is not None and snapshot.module.bandwidth is not None:
            said = bandwidth(snapshot.module.bandwidth) if len(snapshot) else "own value"
            further.append(((" module ", "label"), (said, "value"), (" mid-count", "muted")))
        for more in further:
            if width_of(parts) + width_of(more) + 2 <= width:
                parts += [(" ·", "muted"), *more]
        room = width - width_of(parts) - 2
        if room >= 8:
            spark = sparkline(
                self.series.columns(frame.now, frame.span, room), 1, 0.0, round_up(peak), ascii=frame.ascii
            )[0]
            parts += [("  ", ""), (spark, "bar")]
        return fit(parts, width)


def _text(value: float) -> str:
    return "—" if math.isnan(value) else bandwidth(value)


def _off(snapshot: Snapshot, now: float) -> Line:
    if snapshot.truth is None or snapshot.truth.bandwidth <= 0:
        return ()
    ratio = now / snapshot.truth.bandwidth
    return ((f"   estimate is {ratio * 100:.0f} % of it", "muted"),)
