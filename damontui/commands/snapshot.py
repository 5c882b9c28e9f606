"""Measure without a screen, print what was found, end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from damontui import units
from damontui.commands.context import Context, Parser, add_target
from damontui.commands.progress import Progress
from damontui.damon import metrics
from damontui.damon.snapshot import Description, Interim, Snapshot, Status
from damontui.declare import parse_count
from damontui.errors import SourceError
from damontui.sources.base import Leading, Source
from damontui.sources.several import several_of
from damontui.units import parse_seconds

if TYPE_CHECKING:
    from damontui.analysis.estimator import Estimator

SETTLED_S = 10.0
"""Seconds of watching after which a snapshot says enough, whatever the intervals are."""
_WORTH_SAYING_S = 2.0  # a shorter wait is over before anybody has read of it

EXAMPLES = """\
examples:
  sudo damontui snapshot stat               one whole aggregation of the machine's memory
  sudo damontui snapshot stat --now         what the kernel knows at once
  damontui snapshot demo --json -n 60       one JSON object a line
  damontui snapshot demo --seed 1 --speed max -n 100   the same numbers every time, at once"""


def arguments(parser: Parser) -> None:
    """The options of ``snapshot``."""
    add_target(parser)
    group = parser.add_argument_group("output")
    many = group.add_mutually_exclusive_group()
    many.add_argument(
        "-n",
        "--count",
        metavar="N",
        type=lambda text: parse_count(text, "--count"),
        default=1,
        help="how many aggregations (1); 0: until stopped",
    )
    many.add_argument("--once", dest="count", action="store_const", const=1, help="one, as without --count")
    group.add_argument(
        "--now",
        action="store_true",
        help="do not wait until what was just started says something (10 s, or its intervals are tuned); of stat, the "
        "first is what the module says while an aggregation is under way",
    )
    group.add_argument("--json", action="store_true", help="one JSON object a line")
    group.add_argument(
        "--timeout",
        metavar="S",
        type=lambda text: parse_seconds(text, "--timeout"),
        default=300.0,
        help="seconds to wait for an aggregation at most (300)",
    )


def run(context: Context) -> int:
    """Print ``--count`` snapshots."""
    words = context.words
    context.signals.limit(words.timeout, lambda: _time_up(words.timeout, ""))  # entering a source reads files, too
    with context.open() as source:
        description = source.describe()
        if description.reason and not words.json:
            print(f"damontui: {description.reason}", file=sys.stderr)
        if not words.now and isinstance(source, Leading):
            source.lead = SETTLED_S
        estimator = _estimator(context.settings.estimate_pieces)
        _Counting(context, source, _printer(source, estimator, as_json=words.json), estimator).run()
    return 0


def _time_up(timeout: float, waiting: str) -> SourceError:
    why = f"{timeout:g} s are over" + (f" ({waiting})" if waiting else "")
    return SourceError("no snapshot came", why, "give it longer with --timeout")


def _estimator(pieces: int) -> Estimator:
    from damontui.analysis.estimator import Estimator

    return Estimator(pieces)


def _printer(source: Source, estimator: Estimator, *, as_json: bool) -> Callable[[Snapshot | Interim], None]:
    """A function that prints a snapshot, or the numbers of an aggregation under way, and flushes."""
    about = source.describe  # asked at each event: a source learns only while it runs what it has to do without
    word = about().target
    first = True

    def show(event: Snapshot | Interim) -> None:
        nonlocal first
        from damontui.output import interim, json, text

        table = several_of(source)
        if table is not None and isinstance(event, Snapshot):
            from damontui.output import several

            said = (
                "\n".join(several.dump(table.each, word))
                if as_json
                else several.summary(table.each, about(), missing=table.missing)
            )
            said = said if first or as_json else f"\n{said}"
        elif as_json:
            said = json.dump(event, word, estimator) if isinstance(event, Snapshot) else interim.dump(event, word)
        else:
            if isinstance(event, Snapshot):
                known = estimator.estimate() if len(estimator) else None
                said = text.summary(event, about(), estimate=known)
            else:
                said = interim.summary(event, about())
            said = said if first else f"\n{said}"
        first = False
        print(said, flush=True)

    return show


def says_something(snapshot: Snapshot) -> bool:
    """Whether a snapshot says enough to be printed, and is not just of the first moment.

    It does once memory was watched for 10 s, or once the intervals are tuned: a tuning step changed them by less than a
    tenth, and the observed accesses are within a factor of 2 of the goal. Where it is not known how long memory was
    watched, every snapshot counts.
    """
    if snapshot.watched is None or snapshot.watched >= SETTLED_S - 1e-6:
        return True
    goal = snapshot.attrs.goal
    if goal is None or snapshot.until_tuning != goal.aggrs:  # else a step has just been taken
        return False
    change = snapshot.next_attrs.sample_us / snapshot.attrs.sample_us
    observed = metrics.observed_access_bp(snapshot) / goal.access_bp
    return 0.9 <= change <= 1.1 and 0.5 <= observed <= 2.0


class _Counting:
    """Calls ``show`` with ``--count`` snapshots of a source, and tells meanwhile what is waited for."""

    def __init__(
        self,
        context: Context,
        source: Source,
        show: Callable[[Snapshot | Interim], None],
        estimator: Estimator | None = None,
    ) -> None:
        self._context = context
        self._source = source
        self._show = show
        self._estimator = estimator
        self._wanted: int = context.words.count
        self._timeout: float = context.words.timeout
        self._now: bool = context.words.now
        description = source.describe()
        self._is_record = description.origin == "record" or description.target == "-"
        self._seen = 0
        self._young: Snapshot | None = None
        """The last snapshot that did not say enough, to be shown where no other comes."""
        self._late = False
        self._waiting = _Waiting(source.describe())

    def run(self) -> None:
        """Run until all were shown. Raises `SourceError` where the source has none."""
        self._context.signals.limit(self._timeout, self._too_late)
        try:
            for event in self._source.snapshots(self._waiting):
                if isinstance(event, Status):
                    if self._ends(event):
                        return
                    continue
                if self._estimator is not None and isinstance(event, Snapshot) and event.measured is None:
                    self._estimator.add(event)  # also what is passed over as too young
                if self._takes(event):
                    self._hand_out(event)
                    if self._seen == self._wanted:
                        return
                    self._context.signals.limit(self._timeout, self._too_late)
        except SourceError:
            if not self._late or not self._gave_the_young():
                raise
            return
        finally:
            self._waiting.progress.clear()
            self._context.signals.limit(0, self._too_late)
        if not self._seen and not self._gave_the_young():
            raise SourceError("no snapshot came", "the source ended", "try the live monitor: damontui")

    def _takes(self, event: Snapshot | Interim) -> bool:
        if isinstance(event, Interim):
            # after the first, whole aggregations; before the module computed anything, there is nothing to print
            return self._now and not self._seen and (event.in_use is not None or event.module.bandwidth is not None)
        if self._now or self._seen or self._is_record or says_something(event):
            return True
        self._young = event
        self._waiting.settle(event)
        return False

    def _hand_out(self, event: Snapshot | Interim) -> None:
        self._waiting.progress.clear()
        notice = self._source.describe().notice
        if not self._seen and notice:
            print(f"damontui: {notice}", file=sys.stderr)
        self._young = None
        self._show(event)
        self._seen += 1

    def _gave_the_young(self) -> bool:
        """Show the snapshot that was passed over as too young; False where there is none."""
        young = self._young
        if young is not None:
            self._hand_out(young)
        return young is not None

    def _ends(self, status: Status) -> bool:
        """Whether the source has ended in order. Raises `SourceError` where it has ended otherwise."""
        if status.state not in ("off", "gone", "ended"):
            if status.state == "waiting":
                self._waiting.await_first(status, now=self._now)
            return False
        self._gave_the_young()
        if self._seen and (status.state == "ended" or self._seen == self._wanted):
            return True
        raise _refusal(status, self._source.describe(), self._context.program)

    def _too_late(self) -> SourceError:
        self._late = True
        return _time_up(self._timeout, self._waiting.text)


class _Waiting(threading.Event):
    """The event that stops a source. While the source waits on it, it shows how long that will go on."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self.progress = Progress()
        self.text = ""
        """Words for what is waited for, "" for nothing yet."""
        self._speed = description.speed
        self._led = description.origin == "simulated"
        self._until: float | None = None
        self._hint = ""

    def wait(self, timeout: float | None = None) -> bool:
        """Show the wait, and wait as any event."""
        self._tell()
        return super().wait(timeout)

    def await_first(self, status: Status, *, now: bool) -> None:
        """Show that the first aggregation is waited for."""
        self.text = status.text
        self._hint = "" if now else "; --now prints what is known at once"
        self._begin(None if status.due is None else (status.due - status.time) / self._speed)

    def settle(self, young: Snapshot) -> None:
        """Show that memory is watched until a snapshot says enough."""
        if self._led:
            return
        self.text = f"memory is watched until that says something, at most {SETTLED_S:g} s"
        self._hint = "; --now takes the first aggregation"
        left = SETTLED_S - (young.watched or 0.0)
        # it ends with the aggregation in which that time is over
        self._begin(max(left, young.next_attrs.aggr_us / 1e6) / self._speed)

    def _begin(self, seconds: float | None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds
        # whoever asks for what there is now knows that there may be a wait
        if self._hint and seconds is not None and seconds >= _WORTH_SAYING_S:
            self.progress.once(f"waiting: {self.text}{self._hint}")
        self._tell()

    def _tell(self) -> None:
        if self.text:
            left = "" if self._until is None else f": {units.duration(max(0.0, self._until - time.monotonic()))} left"
            self.progress.show(f"{self.text}{left}{self._hint}", often=True)


def _refusal(status: Status, description: Description, program: str) -> SourceError:
    if status.state == "off":
        from damontui.kernel import handback

        remedy = "leave out --disabled, or set enabled"
        if handback.COMMAND in status.text:
            remedy = ""
        elif description.origin == "kernel":
            remedy = f"switch it on with e in: sudo {program} {description.target}"
        return SourceError(f"no snapshot of {description.title}", status.text or "it is switched off", remedy)
    return SourceError(f"no more snapshots of {description.title}", status.text)
