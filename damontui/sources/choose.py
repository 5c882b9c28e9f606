"""From the target's word on the command line to a source. Choosing only reads: nothing is started here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from damontui.damon.snapshot import Description
from damontui.errors import SourceError, UsageError
from damontui.kernel import procfs
from damontui.kernel.root import Root
from damontui.sources.base import Source
from damontui.sources.names import is_name, pids_of
from damontui.sources.options import Options

if TYPE_CHECKING:
    from damontui.kernel.process_files import Around

_log = logging.getLogger(__name__)

CGROUP = "cgroup:"
STAT = "sys/module/damon_stat/parameters"
ADMIN = "sys/kernel/mm/damon/admin"
DEFAULT_SCENE = "steady"


@dataclass(frozen=True, slots=True)
class TargetKind:
    """One kind of target: the words that mean it, and how its source is made (its module is imported only then)."""

    form: str
    """How the target's word is written, for help and errors."""
    what: str
    matches: Callable[[str], bool]
    make: Callable[[str, Options], Source]
    record: bool = False
    """Whether it is a record that is there as a whole, in a file: some commands read it without a source."""


def kind_of(word: str) -> TargetKind | None:
    """The kind of target that ``word`` means, the first that it matches; None for a word that means nothing."""
    return next((kind for kind in TARGET_KINDS if kind.matches(word)), None)


def is_record(word: str) -> bool:
    """Whether ``word`` means a record in a file."""
    kind = kind_of(word)
    return kind is not None and kind.record


def choose(word: str, options: Options) -> Source:
    """The source that ``word`` means; it is not entered yet.

    Raises:
        UsageError: for a word that means nothing, saying what is understood.
    """
    kind = kind_of(word)
    if kind is None:
        raise _not_understood(word)
    _log.info("target %s: %s", word, kind.form)
    return kind.make(word, options)


def resolve_name(word: str, options: Options) -> str:
    """``word``, or the PIDs that it means where it can only be a process's name.

    Raises:
        UsageError: no process is called so; `names.SeveralProcesses` where more than one is.
    """
    kind = kind_of(word)
    if kind is None or kind.form != NAME:
        return word
    try:
        return pids_named(word, options)
    except SourceError:
        raise _not_understood(word) from None


def pids_named(word: str, options: Options) -> str:
    """The PIDs of the processes of that name, whatever else the word might mean, as a target's word.

    Raises:
        SourceError: there is none.
        UsageError: `names.SeveralProcesses` where there is more than one.
    """
    return ",".join(map(str, pids_of(options.root(), word, children=options.children)))


def _not_understood(word: str) -> UsageError:
    if os.sep in word:
        return UsageError(f"target: there is no file {word!r}")
    known = ", ".join(kind.form for kind in TARGET_KINDS)
    return UsageError(f"target: {word!r} is not understood, and no file or process is called so; write one of: {known}")


def auto_reason(options: Options) -> str:
    """Why ``auto`` does not show DAMON_STAT here: one sentence; "" where it can be read.

    The sentence names no other target, since finding one takes a look at all of /proc
    (`damontui.sources.catalog.offers`), and the screen opens with it.
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
    """The error where no target was named and none can be watched, with what else can; it looks at all of /proc."""
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
    _refuse_disabled(options, "DAMON_STAT runs in the kernel, and e switches it there")
    from damontui.sources.damon_stat import DamonStatSource

    return DamonStatSource(options.root(), target=word, program=options.program, frames=options.frames_budget)


def _refuse_disabled(options: Options, why: str) -> None:
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


def _by_damon(root: Root, options: Options) -> bool:
    """Whether processes are watched by an own kdamond: where the user insists on it, or it can be had."""
    return options.via == "damon" or (options.via is None and (options.take or damon_is_free(root)))


def _cgroup_by_processes(word: str, options: Options) -> Source:
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
            source = _cgroup_by_processes(word, options)
            _check_readable(groups.processes(path), root, options)
            return GroupSource(source, files)
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


def _check_readable(pids: Iterable[int], root: Root, options: Options) -> None:
    """Raise `SourceError` where these processes would be read through /proc, and one of them may not be."""
    from damontui.kernel import process_files

    if _by_damon(root, options):
        return
    for pid in pids:
        stat = process_files.stat(root, pid)
        there = stat is not None and not stat.ended and not stat.kernel_thread
        if there and not process_files.may_clear(root, pid):
            what = f"cannot watch process {pid}"
            raise SourceError(what, "its bits cannot be cleared by this user", "run it as root, or watch stat")


def _stat_tells_groups(root: Root) -> bool:
    """Whether DAMON_STAT runs, and the kernel says here to which group a page frame is charged."""
    from damontui.kernel.damon_stat import StatModule
    from damontui.kernel.pages import CGROUPS, FLAGS

    try:
        state = StatModule(root).state()
    except SourceError:
        return False
    return state.on and all(root.readable(name) for name in (FLAGS, CGROUPS))


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
    if _by_damon(root, options):
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
        lasts=options.lasts_s,
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
    return _process(resolve_name(word, options), options)


def _kdamond(word: str, options: Options) -> Source:
    from damontui.sources.foreign_kdamond import ForeignKdamond

    number = word.partition(":")[2]
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"target: {word!r} names no kdamond; write kdamond: and its PID, such as kdamond:123")
    _refuse_disabled(options, "somebody else's kdamond is only watched")
    return ForeignKdamond(
        options.root(), int(number), target=word, program=options.program, frames=options.frames_budget
    )


def _stream(word: str, options: Options) -> Source:
    from damontui.sources.stream import StreamSource

    _refuse_disabled(options, "a record cannot be switched off")
    if os.isatty(options.stdin):
        raise UsageError(
            "target: - is a record that comes through standard input, and that is a terminal; "
            "write one into it, such as: ssh HOST damontui record stat -o - | damontui -"
        )
    return StreamSource(options.stdin)


def _file(word: str, options: Options) -> Source:
    from damontui.sources.replay import ReplaySource

    _refuse_disabled(options, "a record cannot be switched off")
    # a record has its own intervals; old ones have none, and then the options fill in
    attrs = options.attrs() if options.insisted else None
    return ReplaySource(word, attrs=attrs, speed=options.speed, whole=options.whole, memory=options.memory)


NAME = "NAME"
TARGET_KINDS: list[TargetKind] = [
    TargetKind(
        "auto", "DAMON_STAT where it can be read; else, on the screen only, demo", lambda word: word == "auto", _auto
    ),
    TargetKind("stat", "the kernel's DAMON_STAT", lambda word: word == "stat", _stat),
    TargetKind("paddr", "physical memory, by an own kdamond", lambda word: word == "paddr", _paddr),
    TargetKind(
        "PID[,PID…]", "processes: by an own kdamond where one may be started, else /proc", _is_process, _process
    ),
    TargetKind(
        f"{CGROUP}PATH",
        "a control group's processes, as they come and go: its path, a unit's name, part of a container's id",
        lambda word: word.startswith(CGROUP),
        _group,
    ),
    TargetKind(
        "kdamond:PID", "somebody else's kdamond, only watched", lambda word: word.startswith("kdamond:"), _kdamond
    ),
    TargetKind("demo[:SCENE]", "synthetic memory", lambda word: word == "demo" or word.startswith("demo:"), _demo),
    TargetKind("FILE.cfg", "a masim configuration, simulated", lambda word: word.endswith(".cfg"), _masim),
    TargetKind("FILE", "a record, replayed", os.path.isfile, _file, record=True),
    TargetKind("-", "a record that comes through standard input, as it comes", lambda word: word == "-", _stream),
    TargetKind(NAME, "the process of that name; several are listed", is_name, _name),
]
"""All kinds, in the order in which a word is tried: a file goes before a process of the same name, and a file whose
name is an earlier kind's word is written with a path (``./stat``). The help and the errors list them."""
