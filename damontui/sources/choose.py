"""From the target's word on the command line to a source. Choosing only reads: nothing is started here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from damontui import units
from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.damon.snapshot import Description
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
from damontui.errors import SourceError, UsageError
from damontui.kernel import procfs
from damontui.kernel.root import Root
from damontui.sources.base import Source
from damontui.sources.names import is_name, pids_of

if TYPE_CHECKING:
    from damontui.kernel.process_files import Around

_log = logging.getLogger(__name__)

CGROUP = "cgroup:"
STAT = "sys/module/damon_stat/parameters"
ADMIN = "sys/kernel/mm/damon/admin"
DEFAULT_SCENE = "steady"


MONITORING = "monitoring"
"""The settings that concern how memory is monitored, and their table in a configuration file."""


def _duration(name: str, help: str) -> int | None:
    return setting(None, name, help, units.parse_duration, table=MONITORING, types=NUMBER, metavar="TIME")


def _count(name: str, help: str) -> int | None:
    return setting(None, name, help, parse_count, table=MONITORING, types=(int,), metavar="N")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line, the environment and the configuration say about a source; None is "not said".

    The durations are microseconds. ``attrs`` puts them together with a target's own defaults.
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
    lasts: float | None = None
    """Seconds that will be watched in all and counted together; None: as long as somebody looks."""
    stdin: int = 0
    """The descriptor of what comes through standard input, where a terminal has that one's place."""
    rootfs: str = "/"
    program: str = "damontui"
    """The command that started this program, with its full path, for remedies to copy."""

    def root(self) -> Root:
        """The way to the kernel's files that these options allow."""
        return Root(self.rootfs, read_only=self.read_only)

    def attrs(self, base: Attrs | None = None) -> Attrs:
        """The monitoring attributes: what was said over ``base`` (DAMON_STAT's).

        What was not said follows what was: an aggregation keeps its number of samples where only the sampling
        interval is given, and the tuner's bounds widen to hold it.

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


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of target: the words that mean it, and how its source is made (its module is imported only then)."""

    form: str
    """How its word is written, for help and errors."""
    what: str
    matches: Callable[[str], bool]
    make: Callable[[str, Options], Source]


def choose(word: str, options: Options) -> Source:
    """The source that ``word`` means; it is not entered yet.

    Raises:
        UsageError: for a word that means nothing, saying what is understood.
    """
    for kind in KINDS:
        if kind.matches(word):
            _log.info("target %s: %s", word, kind.form)
            return kind.make(word, options)
    raise _not_understood(word)


def by_name(word: str, options: Options) -> str:
    """The same target without a process's name: where a name is all that ``word`` can be, the PIDs that it means.

    Raises:
        UsageError: no process is called so; `names.SeveralProcesses` where more than one is.
    """
    if any(kind.matches(word) for kind in KINDS if kind.form != NAME) or not is_name(word):
        return word
    try:
        return named(word, options)
    except SourceError:
        raise _not_understood(word) from None


def named(word: str, options: Options) -> str:
    """The PIDs of the processes of that name, whatever else the word might mean, as a target's word.

    Raises:
        SourceError: there is none.
        UsageError: `names.SeveralProcesses` where there is more than one.
    """
    return ",".join(map(str, pids_of(options.root(), word, children=options.children)))


def _not_understood(word: str) -> UsageError:
    if os.sep in word:
        return UsageError(f"target: there is no file {word!r}")
    known = ", ".join(kind.form for kind in KINDS)
    return UsageError(f"target: {word!r} is not understood, and no file or process is called so; write one of: {known}")


def auto_reason(options: Options) -> str:
    """Why ``auto`` does not show DAMON_STAT here: one sentence; "" where it can be read.

    What can be had instead is not said here: that takes a look at all of /proc (`damontui.sources.catalog.offers`), and
    the screen opens with it.
    """
    root = options.root()
    if root.readable(f"{STAT}/enabled"):
        return ""
    if root.exists(STAT):
        return (
            "This is synthetic memory: DAMON_STAT is here, but only root may read it; "
            f"for real data run: sudo {options.program}"
        )
    release = f"Linux {procfs.kernel_release(root)}".strip()
    if root.exists(ADMIN):
        return f"This is synthetic memory: {release} has DAMON but no DAMON_STAT (6.17 and later, where built in)"
    return f"This is synthetic memory: {release} has no DAMON"


def _auto(word: str, options: Options) -> Source:
    reason = auto_reason(options)
    if reason and options.scene:
        return _demo("demo", options, reason)
    if reason:
        raise _nothing_real(options)
    from damontui.sources.damon_stat import DamonStatSource

    return DamonStatSource(options.root(), target=word, program=options.program, frames=options.frames_budget)


def _nothing_real(options: Options) -> SourceError:
    """Why nothing is measured where no target was named, and what can be had here; it takes a look at all of /proc."""
    from damontui.kernel.features import survey
    from damontui.sources.catalog import offers

    root = options.root()
    against = [one for one in survey(root, program=options.program).obstacles if one.target == "stat"]
    why = "; ".join(one.what for one in against) or "DAMON_STAT cannot be read"
    here = [f"{entry.word} ({said})" for entry, said in offers(root, program=options.program)]
    rest = "any process by its PID or name, demo (synthetic memory, only by this name)"
    remedy = f"name a target: {', '.join((*here, rest))}; all there is: {options.program} doctor"
    for one in against:
        if one.remedy.startswith("sudo "):
            remedy = f"run: {one.remedy}; or {remedy}"
    return SourceError("nothing is measured without a target here", why, remedy)


def _stat(word: str, options: Options) -> Source:
    if options.insisted:
        raise UsageError(f"{options.insisted[0]}: DAMON_STAT's attributes are fixed in the kernel; leave it out")
    _has_no_switch_of_ours(options, "DAMON_STAT runs in the kernel, and e switches it there")
    from damontui.sources.damon_stat import DamonStatSource

    return DamonStatSource(options.root(), target=word, program=options.program, frames=options.frames_budget)


def _has_no_switch_of_ours(options: Options, why: str) -> None:
    if options.disabled:
        raise UsageError(f"--disabled: {why}; leave it out")


def _demo(word: str, options: Options, reason: str = "") -> Source:
    from damontui.operations.scenes import SCENES, scene
    from damontui.sources.engine import EngineSource

    name = word.partition(":")[2] or DEFAULT_SCENE
    if name not in SCENES:
        raise UsageError(f"target: there is no scene {name!r}; the scenes are: {', '.join(SCENES)}")
    root = options.root()
    return EngineSource(
        partial(scene, name),
        options.attrs(),
        seed=options.seed,
        host=procfs.hostname(root),
        kernel=procfs.kernel_release(root),
        speed=options.speed,
        target=word if ":" in word else f"demo:{name}",
        title=f"synthetic memory: {name}",
        enabled=options.enabled,
        reason=reason,
    )


def _masim(word: str, options: Options) -> Source:
    from damontui.operations import masim
    from damontui.sources.engine import EngineSource

    path = Path(word)
    masim.workload(path, 0)  # a broken file is said before there is a screen
    root = options.root()
    return EngineSource(
        partial(masim.workload, path),
        options.attrs(),
        seed=options.seed,
        host=procfs.hostname(root),
        kernel=procfs.kernel_release(root),
        speed=options.speed,
        target=word,
        title=f"synthetic memory: {path.name}",
        enabled=options.enabled,
    )


def _paddr(word: str, options: Options) -> Source:
    from damontui.sources.own_kdamond import OWN, physical_memory

    return physical_memory(
        options.root(),
        options.attrs(OWN),
        ranges=options.ranges,
        frames=options.frames_budget,
        target=word,
        take=options.take,
        program=options.program,
        enabled=options.enabled,
    )


def _is_process(word: str) -> bool:
    return bool(word) and set(word) <= set("0123456789,") and word[0] != ","


def damon_is_free(root: Root) -> bool:
    """Whether a kdamond could be started now, as far as reading alone tells: root, and nobody else holds DAMON."""
    from damontui.kernel import damon_sysfs
    from damontui.kernel.damon_stat import StatModule

    if root.read_only or not root.writable(f"{damon_sysfs.ADMIN}/nr_kdamonds"):
        return False
    try:
        stat = StatModule(root)
        busy = bool(root.read_int(f"{damon_sysfs.ADMIN}/nr_kdamonds")) or (stat.present() and stat.state().on)
        return not busy and not stat.holders()
    except SourceError:
        return False


def _cgroup(word: str, options: Options) -> Source:
    from damontui.sources.cgroup import GroupOfProcesses

    group = GroupOfProcesses(options.root(), word.removeprefix(CGROUP))
    everybody = replace(options, children=True)
    pids = ",".join(map(str, group.pids))
    return _process(pids, everybody, word=word, around=group.around, title=group.title, group=group.path)


def _group(word: str, options: Options) -> Source:
    """A control group: by its processes where they can be watched, else as a share of what DAMON_STAT sees."""
    from damontui.kernel.cgroupfs import Groups
    from damontui.sources.cgroup import GroupFiles, GroupSource

    root = options.root()
    groups = Groups.find(root)
    path = groups.named(word.removeprefix(CGROUP))
    files = GroupFiles(groups, path)
    if options.via != "stat":
        try:
            return GroupSource(_readable(_cgroup(word, options), root, groups.processes(path), options), files)
        except SourceError as error:
            if options.via is not None or options.take or not _stat_tells_groups(root):
                raise
            why = f"{error.why}, so this is"
    else:
        why = "this is"
    return GroupSource(_stat(word, options), files, share=True, describe=partial(_as_share, path, why))


def _as_share(path: str, why: str, description: Description) -> Description:
    from damontui.analysis.owners import name_of
    from damontui.safe_text import shown

    limit = f"{why} the group's share of physical memory as DAMON_STAT sees it, by page frames drawn at random"
    title = f"group {shown(name_of(path))}, its share of DAMON_STAT's picture"
    return replace(description, title=title, reason=description.reason or limit, limits=(limit, *description.limits))


def _readable(source: Source, root: Root, pids: Iterable[int], options: Options) -> Source:
    """The source. Raises `SourceError` where it would read processes through /proc, and may not read one of them."""
    from damontui.kernel import process_files

    if options.via == "damon" or (options.via is None and (options.take or damon_is_free(root))):
        return source
    for pid in pids:
        stat = process_files.stat(root, pid)
        there = stat is not None and not stat.ended and not stat.kernel_thread
        if there and not process_files.may_clear(root, pid):
            what = f"cannot watch process {pid}"
            raise SourceError(what, "its bits cannot be cleared by this user", "run it as root, or watch stat")
    return source


def _stat_tells_groups(root: Root) -> bool:
    """Whether DAMON_STAT runs, and the kernel says here to which group a page frame is charged."""
    from damontui.kernel.damon_stat import StatModule
    from damontui.kernel.pages import FLAGS, GROUPS

    try:
        state = StatModule(root).state()
    except SourceError:
        return False
    return state.on and all(root.readable(name) for name in (FLAGS, GROUPS))


def _process(
    pids: str,
    options: Options,
    *,
    word: str = "",
    around: Around | None = None,
    title: str = "",
    group: str | None = None,
) -> Source:
    from damontui.kernel.process_files import descendants
    from damontui.sources.pressure import PressureOnProcesses
    from damontui.sources.process import BUDGET, DEFAULTS, MAX_PAUSE, WINDOW, ProcessSource, parse_pids

    if options.via == "stat":
        raise UsageError("--via stat: only a control group can be watched as a share of DAMON_STAT's picture")
    root, numbers = options.root(), parse_pids(pids)
    pressure = PressureOnProcesses(root, lambda: numbers, group)
    if options.via == "damon" or (options.via is None and (options.take or damon_is_free(root))):
        from damontui.sources.own_kdamond import OWN, processes

        # new mappings and children are looked for once a second, not once a minute
        base = replace(OWN, update_us=1_000_000)
        return processes(
            root,
            numbers,
            options.attrs(base),
            children=options.children,
            take=options.take,
            program=options.program,
            enabled=options.enabled,
            addition=pressure.of,
            around=around or descendants,
            title=title,
            target=word or pids,
        )
    source = ProcessSource(
        root,
        numbers,
        options.attrs(DEFAULTS),
        budget=BUDGET if options.budget is None else options.budget,
        max_pause=MAX_PAUSE if options.max_pause_us is None else options.max_pause_us / 1e6,
        window=WINDOW if options.window_us is None else options.window_us / 1e6,
        lasts=options.lasts,
        children=options.children,
        program=options.program,
        enabled=options.enabled,
        around=around or descendants,
        title=title,
        target=word or pids,
    )
    source.addition = pressure
    return source


def _name(word: str, options: Options) -> Source:
    return _process(by_name(word, options), options)


def _kdamond(word: str, options: Options) -> Source:
    from damontui.sources.foreign_kdamond import ForeignKdamond

    number = word.partition(":")[2]
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"target: {word!r} names no kdamond; write kdamond: and its PID, such as kdamond:123")
    _has_no_switch_of_ours(options, "somebody else's kdamond is only watched")
    return ForeignKdamond(
        options.root(), int(number), target=word, program=options.program, frames=options.frames_budget
    )


def _stream(word: str, options: Options) -> Source:
    from damontui.sources.stream import StreamSource

    _has_no_switch_of_ours(options, "a record cannot be switched off")
    if os.isatty(options.stdin):
        raise UsageError(
            "target: - is a record that comes through standard input, and that is a terminal; "
            "write one into it, such as: ssh HOST damontui record stat -o - | damontui -"
        )
    return StreamSource(options.stdin)


def _file(word: str, options: Options) -> Source:
    from damontui.sources.replay import ReplaySource

    _has_no_switch_of_ours(options, "a record cannot be switched off")
    # a record has its own intervals; old ones have none, and then the options fill in
    attrs = options.attrs() if options.insisted else None
    return ReplaySource(word, attrs=attrs, speed=options.speed, whole=options.whole, memory=options.memory)


NAME = "NAME"
KINDS: list[Kind] = [
    Kind("auto", "DAMON_STAT where it can be read; else, on the screen only, demo", lambda word: word == "auto", _auto),
    Kind("stat", "the kernel's DAMON_STAT", lambda word: word == "stat", _stat),
    Kind("paddr", "physical memory, by an own kdamond", lambda word: word == "paddr", _paddr),
    Kind("PID[,PID…]", "processes: by an own kdamond where one may be started, else /proc", _is_process, _process),
    Kind(
        f"{CGROUP}PATH",
        "a control group's processes, as they come and go: its path, a unit's name, part of a container's id",
        lambda word: word.startswith(CGROUP),
        _group,
    ),
    Kind("kdamond:PID", "somebody else's kdamond, only watched", lambda word: word.startswith("kdamond:"), _kdamond),
    Kind("demo[:SCENE]", "synthetic memory", lambda word: word == "demo" or word.startswith("demo:"), _demo),
    Kind("FILE.cfg", "a masim configuration, simulated", lambda word: word.endswith(".cfg"), _masim),
    Kind("FILE", "a record, replayed", os.path.isfile, _file),
    Kind("-", "a record that comes through standard input, as it comes", lambda word: word == "-", _stream),
    Kind(NAME, "the process of that name; several are listed", is_name, _name),
]
"""In the order in which a word is tried: a file goes before a process of the same name, and what goes before a file is
written with a path (``./stat``). The help and the errors list them."""
