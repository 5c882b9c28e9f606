"""What the command line, the environment and the configuration say about a source."""

from __future__ import annotations

from dataclasses import dataclass

from damontui import units
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.declare import (
    NUMBER,
    Flag,
    one_of,
    parse_budget,
    parse_count,
    parse_goal,
    parse_memory,
    parse_ranges,
    parse_speed,
    parse_switch,
    parse_window,
    setting,
)
from damontui.errors import UsageError
from damontui.kernel.root import Root

MONITORING = "monitoring"
"""The settings that concern how memory is monitored, and their table in a configuration file."""


def _duration(name: str, help: str) -> int | None:
    return setting(None, name, help, units.parse_duration, table=MONITORING, types=NUMBER, metavar="TIME")


def _count(name: str, help: str) -> int | None:
    return setting(None, name, help, parse_count, table=MONITORING, types=(int,), metavar="N")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line, the environment and the configuration say about a source; None is "not said".

    The durations that can be set are microseconds. ``attrs`` puts them together with a target's own defaults.
    """

    enabled: bool = setting(
        True,
        "enabled",
        "start switched on",
        parse_switch,
        types=(bool,),
        flags=(
            Flag("--disabled", False, "start switched off"),
            Flag("--enabled", True, "start switched on, whatever the configuration says"),
        ),
    )
    read_only: bool = setting(
        False,
        "read_only",
        "write nothing below /sys",
        parse_switch,
        types=(bool,),
        flags=(Flag("--read-only", True, "write nothing below /sys (a process's accessed bits are cleared)"),),
    )
    seed: int | None = setting(
        None, "seed", "of simulated memory; the same seed gives the same run", parse_count, types=(int,), metavar="N"
    )
    speed: float = setting(
        1.0, "speed", "of simulated or replayed time; max: as fast as it goes", parse_speed, types=NUMBER, metavar="X"
    )
    """Seconds of simulated or replayed time to one of ours; inf for as fast as it goes."""

    memory: int | None = setting(
        None,
        "memory",
        "memory that reading a record may take (512M)",
        parse_memory,
        types=(str, int),
        metavar="SIZE",
    )
    """Bytes."""

    sample_us: int | None = _duration("sample", "sampling interval (5ms)")
    aggr_us: int | None = _duration("aggr", "aggregation interval (100ms)")
    update_us: int | None = _duration("update", "update interval of the targets (1m)")
    min_regions: int | None = _count("min_regions", "least number of regions (10; of a kdamond of ours 100)")
    max_regions: int | None = _count("max_regions", "greatest number of regions (1000)")
    goal_bp: int | None = setting(
        None, "goal", "wanted share of positive access checks (4%)", parse_goal, table=MONITORING, metavar="SHARE"
    )
    goal_aggrs: int | None = _count("goal_aggrs", "aggregations to a tuning step (3)")
    min_sample_us: int | None = _duration("min_sample", "shortest tuned sampling interval (5ms)")
    max_sample_us: int | None = _duration(
        "max_sample", "longest tuned sampling interval (10s; of a kdamond of ours 500ms)"
    )
    autotune: bool = setting(
        True,
        "autotune",
        "tune the intervals towards the goal",
        parse_switch,
        table=MONITORING,
        types=(bool,),
        flags=(Flag("--no-autotune", False, "leave the intervals as they are"),),
    )
    budget: float | None = setting(
        None, "budget", "CPU share for looking through /proc (2%)", parse_budget, table=MONITORING, metavar="SHARE"
    )
    """Share of one CPU that looking at processes through /proc may take."""
    frames_budget: float | None = setting(
        None,
        "frames_budget",
        "CPU share for looking at page frames (0.5%; 0.2% where nobody can say whose they are)",
        parse_budget,
        metavar="SHARE",
    )
    """Share of one CPU that looking at page frames may take: what memory is made of, and whose it is."""
    max_pause_us: int | None = _duration("max_pause", "most that looking at a process may hold it up (20ms)")
    """Microseconds that clearing the accessed bits of a process may hold it up."""
    window_us: int | None = setting(
        None,
        "window",
        "longest idle time through /proc (2m), 1h at most",
        parse_window,
        table=MONITORING,
        types=NUMBER,
        metavar="TIME",
    )
    """The longest time that a process's working set through /proc is told for, microseconds."""

    children: bool = setting(
        False,
        "children",
        "whether the children of a process are watched, too",
        parse_switch,
        file=False,
        flags=(Flag("--children", True, "of processes, their children, too"),),
    )
    via: str | None = setting(
        None,
        "via",
        "of processes: proc (no root needed) or damon; of a control group, too, stat: a share of DAMON_STAT's picture",
        one_of("proc", "damon", "stat"),
        file=False,
        metavar="HOW",
    )
    """``proc``, ``damon`` or, of a control group, ``stat``: how it is observed, where the user insists."""
    take: bool = setting(
        False,
        "take",
        "whether DAMON_STAT is switched off for the time being where it holds DAMON",
        parse_switch,
        file=False,
        flags=(Flag("--take", True, "where DAMON_STAT holds DAMON: switch it off meanwhile"),),
    )
    ranges: tuple[tuple[int, int], ...] = setting(
        (), "regions", "of paddr, only these addresses", parse_ranges, file=False, metavar="START-END,…"
    )
    """Physical addresses ``[start, end)``; all System RAM where empty."""

    insisted: tuple[str, ...] = ()
    """The attributes' options that were given on the command line itself (``--sample``)."""
    disabled: bool = False
    """Whether the command line itself asked to start switched off."""
    whole: bool = False
    """Whether a record is handed over at once, for a screen, and one that is still being written is followed."""
    scene: bool = False
    """Whether ``auto`` may open with synthetic memory where nothing real can be had: a screen that says so may, and
    nothing that a script reads."""
    lasts_s: float | None = None
    """Seconds that will be watched in all and counted together; None: as long as somebody looks."""
    stdin: int = 0
    """The descriptor of what comes through standard input, where a terminal has that one's place."""
    rootfs: str = "/"
    program: str = "damontui"
    """The command that started this program, with its full path, for remedies to copy."""

    def root(self) -> Root:
        """Access to the kernel's files, writable only as far as these options allow."""
        return Root(self.rootfs, read_only=self.read_only)

    def attrs(self, base: Attrs | None = None) -> Attrs:
        """The monitoring attributes: those that were given, else those of ``base`` (None: DAMON_STAT's).

        The others are fitted to those given: where only the sampling interval is given an aggregation keeps its number
        of samples, and the tuner's bounds widen to hold the interval.

        Raises:
            UsageError: where the kernel would answer EINVAL, naming the options.
        """
        base = Attrs() if base is None else base
        sample = self.sample_us if self.sample_us is not None else base.sample_us
        aggr = self.aggr_us
        if aggr is None:
            aggr = base.aggr_us if self.sample_us is None else sample * base.aggr_samples
        elif self.sample_us is None and sample > aggr:
            sample = max(1, aggr // base.aggr_samples)
        default = base.goal or IntervalsGoal()
        least = self.min_sample_us if self.min_sample_us is not None else default.min_sample_us
        most = self.max_sample_us if self.max_sample_us is not None else default.max_sample_us
        if self.min_sample_us is None:
            least = max(1, min(least, sample, most))
        if self.max_sample_us is None:
            most = max(most, sample, least)
        if self.sample_us is None and self.aggr_us is None and not least <= sample <= most:
            sample = min(max(sample, least), most)
            aggr = sample * base.aggr_samples
        try:
            goal = IntervalsGoal(
                access_bp=self.goal_bp if self.goal_bp is not None else default.access_bp,
                aggrs=self.goal_aggrs if self.goal_aggrs is not None else default.aggrs,
                min_sample_us=least,
                max_sample_us=most,
            )
            return Attrs(
                sample_us=sample,
                aggr_us=aggr,
                update_us=self.update_us if self.update_us is not None else base.update_us,
                min_regions=self.min_regions
                if self.min_regions is not None
                else min(base.min_regions, self.max_regions or base.min_regions),
                max_regions=self.max_regions
                if self.max_regions is not None
                else max(base.max_regions, self.min_regions or 0),
                goal=goal if self.autotune else None,
            )
        except UsageError as error:
            raise UsageError(_named(str(error))) from None


_BLAME = (
    ("goal: the shortest", "--min-sample, --max-sample"),
    ("goal: ", "--goal, --goal-aggrs"),
    ("sampling interval: ", "--sample"),
    ("update interval: ", "--update"),
    ("minimum regions: ", "--min-regions, --max-regions"),
)


def _named(message: str) -> str:
    for beginning, option in _BLAME:
        if message.startswith(beginning):
            return f"{option}: {message}"
    return message
