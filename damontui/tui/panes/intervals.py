"""Intervals: how often memory is sampled, and what the tuning aims at."""

from __future__ import annotations

from damontui.analysis import usage
from damontui.damon import metrics
from damontui.damon.snapshot import Measured, Snapshot
from damontui.tui.draw import Line, Pane, Span, bar, fit, sparkline, width_of
from damontui.tui.frame import Frame
from damontui.tui.panes.common import due_words, nothing, off_since, seconds_left
from damontui.tui.series import MetricSeries
from damontui.units import duration, share

LABEL = 13


def sampling_ms(snapshot: Snapshot) -> float:
    """The sampling interval in force after a snapshot, milliseconds."""
    return snapshot.next_attrs.sample_us / 1000


class IntervalsPane(Pane):
    """Sampling and aggregation interval, goal and observed accesses, tuning, regions, overhead."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.series = MetricSeries(sampling_ms)

    def caption(self, frame: Frame) -> tuple[str, str]:
        attrs = frame.snapshot.next_attrs if frame.snapshot is not None else frame.description.attrs
        if frame.snapshot is not None and frame.snapshot.measured is not None:
            return "Counted by the kernel", off_since(frame)
        how = "fixed" if attrs.goal is None else "auto-tuned"
        if frame.snapshot is not None and frame.snapshot.tuned_here:
            how = "tuned by damontui, since this kernel cannot"
        return f"Intervals, {how}", off_since(frame)

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        snapshot = frame.snapshot
        if snapshot is None:
            return _module(frame, width) or nothing(frame, width, height, "intervals")
        if snapshot.measured is not None:
            lines = _counted(frame, snapshot, snapshot.measured, width)
            return lines[:height] if height >= 3 else [fit((*lines[0], *lines[2]), width)]
        if height < 4:
            return self._short(frame, snapshot, width)
        self.series.update(frame.history)
        lines = [
            self._sampling(frame, snapshot, width),
            self._aggregation(frame, snapshot, width),
            self._observed(frame, snapshot, width),
        ]
        overhead = self._overhead(frame, snapshot, width)
        if height >= 6:
            return [*lines, self._tuning(snapshot), self._regions(frame, snapshot, width), overhead]
        if height >= 5:
            lines.append(self._tuning(snapshot))
        if len(snapshot):
            overhead = (*overhead, (f" · {len(snapshot)} regions", "muted"))
        return [*lines, fit(overhead, width)]

    def _short(self, frame: Frame, snapshot: Snapshot, width: int) -> list[Line]:
        attrs = snapshot.next_attrs
        sample, aggr = duration(attrs.sample_us / 1e6), duration(attrs.aggr_us / 1e6)
        parts: list[Span] = [("sampling ", "label"), (sample, "value"), (" aggregation ", "label"), (aggr, "value")]
        further: list[tuple[Span, ...]] = []
        if len(snapshot):
            observed = share(metrics.observed_access_bp(snapshot) / 10_000)
            goal = f" of {share(attrs.goal.access_bp / 10_000)}" if attrs.goal else ""
            further.append(((" observed ", "label"), (observed, "value"), (goal, "muted")))
            further.append(((f" {len(snapshot)}", "value"), (" regions", "label")))
        if snapshot.cpu is not None:
            further.append(((f" {share(snapshot.cpu)}", "value"), (" CPU", "label")))
        for more in further:
            if width_of(parts) + width_of(more) + 2 <= width:
                parts += [(" ·", "muted"), *more]
        return [fit(parts, width)]

    def _sampling(self, frame: Frame, snapshot: Snapshot, width: int) -> Line:
        attrs = snapshot.next_attrs
        start: Line = (
            ("sampling".ljust(LABEL), "label"),
            (duration(attrs.sample_us / 1e6).rjust(8), "value"),
            ("  ", ""),
        )
        goal = attrs.goal
        if goal is None:
            return (*start, ("stays as it is", "muted"))
        low, high = duration(goal.min_sample_us / 1e6), duration(goal.max_sample_us / 1e6)
        end = f"  {low} … {high}"
        room = min(24, width - LABEL - 10 - len(end))
        if room < 6:
            return (*start, (end.strip(), "muted"))
        values = self.series.columns(frame.now, frame.span, room)
        spark = sparkline(values, 1, goal.min_sample_us / 1000, goal.max_sample_us / 1000, log=True, ascii=frame.ascii)[
            0
        ]
        return (*start, (spark, "bar"), (end, "muted"))

    def _aggregation(self, frame: Frame, snapshot: Snapshot, width: int) -> Line:
        attrs = snapshot.next_attrs
        text = f"{attrs.aggr_samples} samples"
        left = seconds_left(frame)
        return (
            ("aggregation".ljust(LABEL), "label"),
            (duration(attrs.aggr_us / 1e6).rjust(8), "value"),
            (f"  {text}", "muted"),
            (f" · {due_words(left)}" if left is not None else "", "muted"),
        )

    def _observed(self, frame: Frame, snapshot: Snapshot, width: int) -> Line:
        if not len(snapshot):
            return (("observed".ljust(LABEL), "label"), ("—".rjust(8), "muted"), ("  needs the regions", "muted"))
        observed = metrics.observed_access_bp(snapshot) / 10_000
        start: Line = (("observed".ljust(LABEL), "label"), (share(observed).rjust(8), "value"))
        goal = snapshot.attrs.goal
        if goal is None:
            return (*start, ("  of all access checks", "muted"))
        wanted = goal.access_bp / 10_000
        text = f"  goal {share(wanted)} "
        room = min(18, width - width_of(start) - len(text) - 2)
        if room < 6:
            return (*start, (text, "muted"))
        # the goal is the middle of the bar: what is over it is seen as well
        return (
            *start,
            (text, "muted"),
            ("▕", "track"),
            *_around(observed / (2 * wanted), room, frame.ascii),
            ("▏", "track"),
        )

    def _tuning(self, snapshot: Snapshot) -> Line:
        label: Span = ("next tuning".ljust(LABEL), "label")
        goal = snapshot.next_attrs.goal
        if goal is None:
            return (label, ("none".rjust(8), "muted"), ("  intervals are fixed", "muted"))
        left = snapshot.until_tuning
        if left is None:
            return (label, ("—".rjust(8), "muted"), (f"  every {goal.aggrs} aggregations", "muted"))
        seconds = left * snapshot.next_attrs.aggr_us / 1e6
        word = "aggregation" if left == 1 else "aggregations"
        return (label, (f"in {duration(seconds)}".rjust(8), "value"), (f"  {left} {word}, every {goal.aggrs}", "muted"))

    def _regions(self, frame: Frame, snapshot: Snapshot, width: int) -> Line:
        attrs = snapshot.next_attrs
        if not len(snapshot):
            return (("regions".ljust(LABEL), "label"), ("—".rjust(8), "muted"), ("  not readable", "muted"))
        least, most = str(attrs.min_regions), str(attrs.max_regions)
        start: Line = (
            ("regions".ljust(LABEL), "label"),
            (str(len(snapshot)).rjust(8), "value"),
            (f"  {least} ", "muted"),
        )
        room = min(18, width - width_of(start) - len(most) - 3)
        if room < 6:
            return (*start, (f"… {most}", "muted"))
        part = (len(snapshot) - attrs.min_regions) / max(1, attrs.max_regions - attrs.min_regions)
        return (
            *start,
            ("▕", "track"),
            (bar(part, room, ascii=frame.ascii), "bar"),
            ("▏", "track"),
            (f" {most}", "muted"),
        )

    def _overhead(self, frame: Frame, snapshot: Snapshot, width: int) -> Line:
        who = {"kernel": "kdamond", "process": "reader", "simulated": "engine", "record": "recorded"}[snapshot.origin]
        pid = snapshot.module.kdamond_pid if snapshot.module else None
        if pid is not None and pid > 0 and (width >= 50 or frame.own_cpu is None):
            who = f"{who} {pid}"
        value: Span = ("—".rjust(8), "muted") if snapshot.cpu is None else (share(snapshot.cpu).rjust(8), "value")
        start: tuple[Span, ...] = (("overhead CPU".ljust(LABEL), "label"), value)
        ours: tuple[Span, ...] = ()
        if frame.own_cpu is not None:
            ours = ((" · ours ", "muted"), (share(frame.own_cpu), "value"))
        whole = (*start, (f"  {who}", "muted"), *ours)
        frames = snapshot.frames
        if frames is None or frames.cpu <= 0:
            return whole
        drawing: tuple[Span, ...] = ((" · frames ", "muted"), (share(frames.cpu), "value"))
        # drawing page frames is of ours: where there is no room for all, that it is the kdamond's goes without saying
        return (*whole, *drawing) if width_of((*whole, *drawing)) <= width else (*start, *ours, *drawing)


def _counted(frame: Frame, snapshot: Snapshot, measured: Measured, width: int) -> list[Line]:
    """Lines on counted memory: how often it is read, for how long it was watched, and the cost."""
    known = " … ".join(dict.fromkeys(duration(measured.seconds[at]) for at in (0, -1)))
    every = duration(snapshot.time - snapshot.began)

    def row(name: str, value: str, beside: str) -> Line:
        return fit(((name.ljust(LABEL), "label"), (f" {value}".rjust(8), "value"), (f"  {beside}", "muted")), width)

    cost = "—" if snapshot.cpu is None else share(snapshot.cpu)
    ours = "" if frame.own_cpu is None else f" · ours {share(frame.own_cpu)}"
    return [
        row("read every", every, f"{len(snapshot)} mappings"),
        row("watched for", duration(snapshot.watched or usage.watched(snapshot)), f"known {known} back"),
        row("held it up", duration(measured.longest_pause), "at most, to count"),
        row("overhead CPU", cost, f"reader{ours}"),
    ]


def _module(frame: Frame, width: int) -> list[Line]:
    """A line with the module's own interval, before there is a snapshot; none where the module does not tell it."""
    interim = frame.interim
    if interim is None or interim.module.aggr_interval_us is None or frame.error is not None or not frame.enabled:
        return []
    left = seconds_left(frame)
    due = "" if left is None else f" · {due_words(left)}"
    said = duration(interim.module.aggr_interval_us / 1e6)
    return [
        fit(
            (("aggregation".ljust(LABEL), "label"), (f" {said}".rjust(8), "value"), (f"  by the module{due}", "muted")),
            width,
        )
    ]


def _around(part: float, room: int, ascii: bool) -> list[Span]:
    drawn = bar(min(1.0, part), room, ascii=ascii)
    middle = room // 2
    mark = drawn[middle] if drawn[middle] != " " else "│"
    return [(drawn[:middle], "bar"), (mark, "bar" if drawn[middle] != " " else "track"), (drawn[middle + 1 :], "bar")]
