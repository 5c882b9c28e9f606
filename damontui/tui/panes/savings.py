"""What could be saved: how much memory is idle for how long, how sure that is, and how much smaller memory could be."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from damontui.analysis import frames, savings, usage
from damontui.analysis.estimate import Estimate
from damontui.analysis.frames import Untold
from damontui.analysis.savings import THRESHOLDS, Learned, Ledger, Saving
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import Description, Snapshot
from damontui.phrases import included, included_sentence, sureness, with_half
from damontui.tui.axes import span_words
from damontui.tui.draw import Line, Pane, Span, bar, fit, sparkline, width_of
from damontui.tui.frame import Frame
from damontui.tui.panes.common import nothing, off_since
from damontui.units import share, size, span


class SavingsPane(Pane):
    """A table of thresholds, the past of the one that is chosen, and a sentence."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._own: Ledger | None = None
        """The pane's ledger, where the frame has none or the kernel's rule is wanted."""
        self._own_of: tuple[object, bool] = (None, False)

    def caption(self, frame: Frame) -> tuple[str, str]:
        rule = ", kernel's rule" if frame.by_rule and not _counted(frame) else ""
        untold = None if frame.snapshot is None else frames.untold(frame.snapshot, by_rule=frame.by_rule)
        bound = "" if untold is None else f", {included(untold)}"
        return f"What could be saved{rule}{bound}", off_since(frame) or "< > threshold ─ v idle times"

    def _ledger(self, frame: Frame) -> Ledger:
        """The ledger of the past, by the estimate or by the kernel's rule."""
        if frame.learned is not None and not frame.by_rule:
            return frame.learned
        wanted = (frame.history, frame.by_rule)
        if self._own is None or self._own_of != wanted:
            self._own = Ledger() if frame.by_rule else Learned(frame.history)
            self._own_of = wanted
        self._own.update(frame.history)
        return self._own

    def draw(self, frame: Frame, width: int, height: int) -> list[Line]:
        snapshot = frame.snapshot
        if snapshot is None:
            return nothing(frame, width, height, "savings")
        if not len(snapshot):
            return [(("needs the regions, which cannot be read here", "muted"),)]
        ledger = self._ledger(frame)
        known = _known(frame, ledger)
        untold = frames.untold(snapshot, by_rule=known is None)
        since = frame.now - frame.span
        saving = ledger.saving(frame.threshold, since, frame.now)
        if height < 3:
            return [self._row(frame, snapshot, known, untold, frame.threshold, width)]
        now = savings.known_idle(snapshot, frame.threshold, known)
        made_of = physical_kinds(snapshot, known, frame.threshold, width) if height >= 16 else []
        if saving is not None and now is not None:
            # the table of kinds says what these words do
            worded = height >= (20 if made_of else 14)
            said = _wrapped(now_in_words(now, snapshot, known, untold, frame), width) if worded else []
            said += _wrapped(in_words(saving, snapshot, untold, frame), width)
        else:
            early = f"Watched for less than {span(frame.threshold)}: what could be saved is not known yet."
            said = _wrapped([(early, "muted")], width)
        used = ledger.used_within(frame.threshold, since, frame.now)
        past = [
            self._past(frame, ledger, width),
            _over_time(f"used in {span(frame.threshold)}", used, width),
        ]
        if height >= 14:
            past += kinds(snapshot, frame.threshold, width)
        past += made_of
        room = height - len(past) - len(said)
        table = self._table(frame, snapshot, known, untold, width, max(1, room))
        lines = [*table, *past]
        if height - len(lines) > len(said):
            lines.append(())
        lines += said
        if height - len(lines) >= 3:
            caveat = COUNTED if snapshot.measured is not None else CAVEAT if known is not None else RULE
            lines += ((), *_wrapped([(caveat, "muted")], width)[: height - len(lines) - 1])
        return lines[:height]

    # --- the table ---

    def _table(
        self, frame: Frame, snapshot: Snapshot, known: Estimate | None, untold: Untold | None, width: int, room: int
    ) -> list[Line]:
        """As many thresholds as fit, the chosen one in the middle."""
        lines: list[Line] = []
        if room >= 2:
            lines.append(self._header(snapshot, untold, width))
            room -= 1
        count = min(room, len(THRESHOLDS))
        chosen = THRESHOLDS.index(int(frame.threshold))
        first = max(0, min(chosen - count // 2, len(THRESHOLDS) - count))
        shown = THRESHOLDS[first : first + count]
        return [*lines, *(self._row(frame, snapshot, known, untold, one, width) for one in shown)]

    def _header(self, snapshot: Snapshot, untold: Untold | None, width: int) -> Line:
        text = f"{'idle for':<10}{'bytes':>{_bytes_room(untold)}}{'share':>7}"
        for name, room in self._further(snapshot, untold, width):
            text += name.rjust(room)
        return fit(((text, "muted"),), width)

    def _further(self, snapshot: Snapshot, untold: Untold | None, width: int) -> list[tuple[str, int]]:
        """The further columns that fit; the truth, where it is known, comes before the upper end of the interval.

        Where all idle memory may be free, there is no column for the lower end.
        """
        wanted = [("at least", 11), ("truth", 10), ("at most", 10)]
        if snapshot.truth is None:
            wanted.pop(1)
        if untold is not None:
            wanted.pop(0)
        left = width - 17 - _bytes_room(untold)
        out = []
        for name, room in wanted:
            if room <= left:
                out.append((name, room))
                left -= room
        return out

    def _row(
        self,
        frame: Frame,
        snapshot: Snapshot,
        known: Estimate | None,
        untold: Untold | None,
        threshold: float,
        width: int,
    ) -> Line:
        found = savings.known_idle(snapshot, threshold, known)
        total = max(1.0, _held(snapshot, known))
        chosen = threshold == frame.threshold
        if found is None:
            mark = ("▶ " if chosen else "  ") + f"≥ {span(threshold)}".ljust(8)
            return fit(((mark, "strong" if chosen else "label"), ("   not known yet", "muted")), width)
        parts: list[Span] = [
            (("▶ " if chosen else "  ") + f"≥ {span(threshold)}".ljust(8), "strong" if chosen else "label"),
            (
                f"{'≤' if untold is not None and found.bytes else ''}{size(found.bytes)}".rjust(_bytes_room(untold)),
                "strong" if chosen else "value",
            ),
            (share(found.bytes / total).rjust(7), "idle"),
        ]
        for name, room in self._further(snapshot, untold, width):
            if name == "truth" and snapshot.truth is not None:
                value, style = savings.true_share(snapshot.truth, threshold) * total, "truth"
            else:
                value, style = found.least if name == "at least" else found.most, "muted"
            parts.append((size(value).rjust(room), style))
        room = width - width_of(parts) - 2
        if room >= 8:
            parts += [("  ", ""), (bar(found.bytes / total, room, ascii=frame.ascii), "bar")]
        return fit(parts, width)

    # --- its past ---

    def _past(self, frame: Frame, ledger: Ledger, width: int) -> Line:
        label = f"≥ {span(frame.threshold)} over {span_words(frame.span)} "
        scale = " 0 … 100 %"
        room = width - len(label) - len(scale)
        if room < 6:
            return fit(((label, "label"),), width)
        values = ledger.idle_columns(frame.threshold, frame.now, frame.span, room)
        drawn = sparkline(values, 1, 0.0, 1.0, ascii=frame.ascii)[0]
        return ((label, "label"), (drawn, "bar"), (scale, "muted"))


CAVEAT = (
    "An estimate from all snapshots: DAMON looks at one page of each region. Memory touched more rarely than once an "
    "aggregation can pass for idle, and pages between touched ones for used."
)


RULE = (
    "The kernel's rule: DAMON looks at one page of each region, and an idle time begins anew where regions join, so "
    "more may be idle. Memory touched more rarely than once an aggregation can pass for idle."
)


COUNTED = (
    "Counted by the kernel, not sampled: of a huge page one touched byte counts all, and who reads the same process's "
    "accesses at the same time spoils both."
)


def kinds(snapshot: Snapshot, threshold: float, width: int) -> list[Line]:
    """A line for each kind of a process's memory, with how much of it is idle; [] where kinds are not known."""
    measured = snapshot.measured
    if measured is None:
        return []
    lines: list[Line] = []
    known = usage.reaches(snapshot, threshold)
    for kind, (count, used) in usage.by_kind(snapshot, threshold).items():
        if count:
            said = (size(max(0.0, count - used)).rjust(9), "idle") if known else ("not known yet", "muted")
            idle: Line = (("  idle ", "muted"), said)
            lines.append(fit(((kind.ljust(8), "label"), (f" {size(count)}".rjust(10), "value"), *idle), width))
    beside = [
        f"{name} {size(count)}" for name, count in (("swapped", measured.swapped), ("huge", measured.huge)) if count
    ]
    if beside:
        lines.append(fit(((" · ".join(beside), "muted"),), width))
    return lines


def physical_kinds(snapshot: Snapshot, known: Estimate | None, threshold: float, width: int) -> list[Line]:
    """A line for each kind of physical memory, with how much of it is idle and 95 % intervals; [] without frames.

    Args:
        snapshot: the memory.
        known: the estimate of that moment; None takes the kernel's rule.
        threshold: seconds after which memory is idle.
        width: columns of a line.
    """
    idle = None if known is None else known.idle_by_region(snapshot, threshold)
    parts, unseen = frames.grouped(snapshot, threshold, idle), frames.unseen(snapshot)
    if not parts or unseen is None:
        return []
    reached = usage.reaches(snapshot, threshold) if known is None else known.reaches(threshold)
    lines: list[Line] = []
    for kind, part in parts.items():
        held = unseen.free if kind == "free" else part.bytes
        exact = held.least == held.most  # MemFree is
        line: Line = ((kind.ljust(8), "label"), ((size(held.bytes) if exact else with_half(held)).rjust(17), "value"))
        if kind in frames.SEEN:
            said = (with_half(part.idle).rjust(17), "idle") if reached else ("not known yet", "muted")
            more = (*line, ("  idle ", "muted"), said)
            line = more if width_of(more) <= width else line
        lines.append(fit(line, width))
    return lines


def _counted(frame: Frame) -> bool:
    return frame.snapshot is not None and frame.snapshot.measured is not None


def _known(frame: Frame, ledger: Ledger) -> Estimate | None:
    """The estimate of the moment shown; None where the kernel's rule is wanted, and where there is none."""
    if frame.by_rule or _counted(frame):
        return None
    if frame.estimate is not None:
        return frame.estimate
    return ledger.hindsight.about(frame.now) if isinstance(ledger, Learned) else None


def _bytes_room(untold: Untold | None) -> int:
    """Width of the column of bytes, which have a ``≤`` where they are an upper bound."""
    return 9 if untold is None else 10


def _held(snapshot: Snapshot, known: Estimate | None) -> float:
    """Bytes of memory that holds something and can be seen in use."""
    return known.total_bytes if known is not None else float(snapshot.total_bytes)


def now_in_words(
    found: Amount, snapshot: Snapshot, known: Estimate | None, untold: Untold | None, frame: Frame
) -> list[tuple[str, str]]:
    """``Idle for 2 min: 498 MiB (± 40 MiB) of 612 MiB, page cache 310 MiB of it; free: 1.4 GiB.``

    Args:
        found: the idle bytes.
        snapshot: the memory.
        known: the estimate of that moment, where there is one.
        untold: what idle memory includes that is not idle memory; None for nothing.
        frame: what is shown.

    Returns:
        Pairs of text and style, as `in_words` does.
    """
    within = frame.threshold
    sure = sureness(found) if untold is None else ""
    bound = "" if untold is None else "at most "
    text = f"Idle for {span(within)}: {bound}{size(found.bytes)}" + (f" ({sure})" if sure else "")
    text += f" of {size(_held(snapshot, known))}"
    if known is not None and (parts := frames.grouped(snapshot, within, known.idle_by_region(snapshot, within))):
        text += f", page cache {size(parts['file'].idle.bytes)} of it"
    free = known.free.bytes if known is not None and known.free is not None else snapshot.free
    if free is not None:
        text += f"; free: {size(free)}"
    return [(f"{text}.", "value")]


def _over_time(what: str, found: Sequence[float], width: int) -> Line:
    """A line of percentiles of a size over time, all in one unit, which is written once."""
    if not found:
        return fit(((f"{what} not known yet: watched for less", "muted"),), width)
    if width < 60:
        what = what.removeprefix("used ")
    number, unit = size(found[-1]).split()
    scale = found[-1] / float(number) if float(number) else 1.0
    parts: list[Span] = [(what, "label")]
    for p, value in zip(savings.OVER_TIME, found, strict=True):
        parts += [(f" p{p} ", "muted"), (_digits(value / scale), "strong" if p == 90 else "value")]
    return fit((*parts, (f" {unit}", "label")), width)


def _digits(number: float) -> str:
    """A number with three digits and without a power of ten; what is too small for that is 0."""
    return f"{number:.3g}" if number >= 0.001 else "0"


def subject(description: Description, snapshot: Snapshot) -> str:
    """The target in words: ``this machine``, ``this process`` or ``these processes``."""
    synthetic = snapshot.origin == "simulated" or snapshot.truth is not None
    if synthetic or (frames.physical(snapshot) and description.origin != "process"):
        return "this machine"
    return "this process" if len(snapshot.targets) == 1 else "these processes"


def in_words(saving: Saving, snapshot: Snapshot, untold: Untold | None, frame: Frame) -> list[tuple[str, str]]:
    """Sentences on how much smaller memory could be, how sure that is, and the truth where it is known.

    Args:
        saving: the numbers.
        snapshot: the memory.
        untold: what idle memory includes that is not idle memory; None for nothing.
        frame: what is shown.

    Returns:
        Pairs of text and style.
    """
    who = subject(frame.description, snapshot)
    could = "could be" if who == "this machine" else "could do with"
    less = "smaller" if who == "this machine" else "less"
    within = span(saving.threshold)
    most, bound = ("", "") if untold is None else ("at most ", f" ({included(untold)})")
    window = span_words(frame.span) if saving.seconds > 0.9 * frame.span else span_words(round(saving.seconds))
    out = [
        (
            f"For a working set of {size(saving.working_set)} (used within {within}, p90 of the last {window}) {who} "
            f"{could} {most}{size(saving.saved)} {less}, {share(saving.saved / max(1.0, saving.total))}{bound}.",
            "strong",
        )
    ]
    how = "Counted" if snapshot.measured is not None else "By how DAMON samples" if frame.by_rule else "Estimated"
    sure = f"{how}, between {size(saving.least)} and {size(saving.most)}."
    if untold is not None:
        sure = f"{included_sentence(untold)} {how}, at most {size(saving.most)}."
    if snapshot.truth is not None:
        true = savings.true_share(snapshot.truth, saving.threshold) * saving.total
        sure += f" Truly idle for {within} now: {size(true)}."
    if saving.seconds < saving.threshold:
        sure += f" Watched for {window} only."
    out.append((sure, "label"))
    return out


def _wrapped(texts: Sequence[tuple[str, str]], width: int) -> list[Line]:
    return [((part, style),) for text, style in texts for part in textwrap.wrap(text, max(10, width))]
