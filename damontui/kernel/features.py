"""What this machine can do for DAMON, what is in the way, and the exact remedy. It only reads, through `Root`."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from damontui.errors import SourceError
from damontui.kernel import handback, procfs
from damontui.kernel.damon_stat import MODULE, PARAMETERS, StatModule
from damontui.kernel.root import KernelError, Root

ADMIN = "sys/kernel/mm/damon/admin"
TRACEFS = ("sys/kernel/tracing", "sys/kernel/debug/tracing")
LOCKDOWN = "sys/kernel/security/lockdown"
FRAMES, OWNERS = "proc/kpageflags", "proc/kpagecgroup"
MODULES = {"damon_stat": "DAMON_STAT", "damon_reclaim": "DAMON_RECLAIM", "damon_lru_sort": "DAMON_LRU_SORT"}
_OPTIONS = (
    "CONFIG_DAMON",
    "CONFIG_DAMON_VADDR",
    "CONFIG_DAMON_PADDR",
    "CONFIG_DAMON_SYSFS",
    "CONFIG_DAMON_STAT",
    "CONFIG_DAMON_STAT_ENABLED_DEFAULT",
    "CONFIG_DAMON_RECLAIM",
    "CONFIG_DAMON_LRU_SORT",
    "CONFIG_PROC_PAGE_MONITOR",
    "CONFIG_MEMCG",
    "CONFIG_FTRACE",
)
_CONFIG_LARGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that a kernel has or lacks; ``present`` is None where that cannot be told from here."""

    name: str
    present: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class KernelFile:
    """One file of an interface, and what this user may do with it."""

    path: str
    present: bool
    readable: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something in the way of a target (``stat``, ``paddr``, ``vaddr``, ``process``, ``regions``), or of what
    page frames tell (``frames``, ``owners``), and the remedy."""

    target: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Survey:
    """The machine as `survey` found it."""

    release: str
    host: str
    uid: int
    features: tuple[Feature, ...]
    files: tuple[KernelFile, ...]
    config_file: str
    """The file that the kernel's build options were read from, "" where there is none."""
    options: dict[str, str]
    """Build options that concern DAMON: ``y``, ``m`` or ``n``."""
    holders: tuple[str, ...]
    """Who runs a kdamond now, DAMON_STAT included."""
    lockdown: str
    """``none``, ``integrity``, ``confidentiality``; "" where the kernel has no lockdown or it cannot be read."""
    container: tuple[str, ...]
    """Signs that this program runs in a container, and which of the host's files the container hides."""
    left: str = ""
    """What a run of this program that was killed left behind, as one clause; "" where nothing."""
    remedy: str = ""
    """The command that gives back what was left."""
    obstacles: tuple[Obstacle, ...] = field(default=())


def survey(root: Root, *, program: str = "damontui", uid: int | None = None) -> Survey:
    """Look at all that DAMON needs. Never raises for what the machine lacks.

    Args:
        root: where the kernel is.
        program: the command for remedies, with its full path.
        uid: the user that asks; None is this process's.
    """
    uid = os.geteuid() if uid is None else uid
    release = procfs.kernel_release(root)
    config_file, options = _build_options(root, release)
    tracefs = next((folder for folder in TRACEFS if root.exists(f"{folder}/instances")), "")
    left = handback.survey(root)
    found = Survey(
        release=release,
        host=procfs.hostname(root),
        uid=uid,
        features=_features(root, options, tracefs),
        files=_files(root, tracefs),
        config_file=config_file,
        options=options,
        holders=tuple(_known(holder, left) for holder in _holders(root, program)),
        lockdown=_lockdown(root),
        container=_container(root),
        left=left.words if left else "",
        remedy=f"sudo {program} {handback.COMMAND}" if left else "",
    )
    obstacles = _Obstacles(root, found, program, tracefs, left)
    return Survey(**{name: getattr(found, name) for name in Survey.__slots__} | {"obstacles": obstacles.all()})


def _features(root: Root, options: dict[str, str], tracefs: str) -> tuple[Feature, ...]:
    def built(option: str, path: str) -> bool | None:
        if root.exists(path):
            return True
        if option in options:
            return options[option] == "y"
        return False

    kdamonds = _kdamond_folders(root)
    context = next((f"{k}/contexts/0" for k in kdamonds if root.exists(f"{k}/contexts/0")), "")
    tune = bool(tracefs) and root.exists(f"{tracefs}/events/damon/damon_monitor_intervals_tune")
    stat = root.exists(MODULE)
    goal: bool | None = None
    why = "cannot be told while no kdamond is set up"
    if context:
        goal = root.exists(f"{context}/monitoring_attrs/intervals/intervals_goal")
        why = ""
    elif stat or tune:
        goal, why = True, ""
    elif not root.exists(ADMIN):
        goal, why = False, ""
    operations = _text(root, f"{context}/avail_operations").split() if context else []
    event = f"{tracefs}/events/damon/damon_aggregated" if tracefs else ""
    return (
        Feature("DAMON", _any(root.exists(ADMIN), stat, options.get("CONFIG_DAMON") == "y")),
        Feature("sysfs interface", built("CONFIG_DAMON_SYSFS", ADMIN)),
        Feature("virtual memory (vaddr)", _operations("vaddr", operations, options)),
        Feature("physical memory (paddr)", _operations("paddr", operations, options)),
        Feature("auto-tuned intervals", goal, why),
        Feature("DAMON_STAT", built("CONFIG_DAMON_STAT", MODULE)),
        Feature("DAMON_RECLAIM", built("CONFIG_DAMON_RECLAIM", "sys/module/damon_reclaim")),
        Feature("DAMON_LRU_SORT", built("CONFIG_DAMON_LRU_SORT", "sys/module/damon_lru_sort")),
        Feature(
            "tracepoint damon_aggregated",
            root.exists(event) if root.readable(tracefs) else None,
            "" if root.readable(tracefs) else "tracefs is closed to this user",
        )
        if tracefs
        else Feature("tracepoint damon_aggregated", None, "tracefs cannot be seen"),
        Feature("page monitor of /proc", _page_monitor(root, options)),
        Feature("what memory is made of (/proc/kpageflags)", root.exists(FRAMES), _closed(root, FRAMES)),
        Feature("whose memory it is (/proc/kpagecgroup)", root.exists(OWNERS), _closed(root, OWNERS)),
    )


def _closed(root: Root, name: str) -> str:
    return "closed to this user" if root.exists(name) and not root.readable(name) else ""


def _any(*values: bool) -> bool:
    return any(values)


def _operations(name: str, available: list[str], options: dict[str, str]) -> bool | None:
    if available:
        return name in available
    option = options.get(f"CONFIG_DAMON_{name.upper()}")
    return None if option is None else option == "y"


def _page_monitor(root: Root, options: dict[str, str]) -> bool | None:
    if root.exists("proc/self/clear_refs"):
        return True
    option = options.get("CONFIG_PROC_PAGE_MONITOR")
    return None if option is None else option == "y"


def _files(root: Root, tracefs: str) -> tuple[KernelFile, ...]:
    names = [f"{PARAMETERS}/{name}" for name in ("enabled", "estimated_memory_bandwidth")]
    names += [f"{PARAMETERS}/{name}" for name in ("memory_idle_ms_percentiles", "aggr_interval_us", "kdamond_pid")]
    names += [f"{ADMIN}/kdamonds/nr_kdamonds"]
    folder = tracefs or TRACEFS[0]
    names += [f"{folder}/instances"]
    names += [f"{folder}/events/damon/{name}/enable" for name in ("damon_aggregated", "damon_monitor_intervals_tune")]
    names += ["proc/iomem", FRAMES, OWNERS, "proc/self/clear_refs", "proc/self/smaps"]
    return tuple(
        KernelFile(str(root.path(name)), root.exists(name), root.readable(name), root.writable(name)) for name in names
    )


def _holders(root: Root, program: str) -> tuple[str, ...]:
    held = []
    stat = StatModule(root, program=program, pause=lambda _: None)
    try:
        state = stat.state() if stat.present() else None
        if state is not None and state.on:
            held.append(f"DAMON_STAT (kdamond {state.pid})" if state.pid else "DAMON_STAT")
        held += stat.holders()
    except SourceError:  # not root: the kernel's threads are all that can be seen
        try:
            held += [f"{name} (PID {pid})" for pid, name in procfs.find_kdamonds(root).items()]
        except SourceError:
            return ()
    return tuple(held)


def _known(holder: str, left: handback.Remains) -> str:
    """A holder as a phrase; what a killed run of ours left is ours."""
    ours = left.kdamond > 0 and holder.endswith(f"(kdamond {left.kdamond})")
    return f"an earlier run of this program, killed (kdamond {left.kdamond})" if ours else holder


def _kdamond_folders(root: Root) -> list[str]:
    try:
        names = root.list(f"{ADMIN}/kdamonds")
    except SourceError:
        return []
    return [f"{ADMIN}/kdamonds/{name}" for name in names if name.isdigit()]


def _lockdown(root: Root) -> str:
    chosen = re.search(r"\[(\w+)\]", _text(root, LOCKDOWN))
    return chosen[1] if chosen else ""


def _container(root: Root) -> tuple[str, ...]:
    hints = [f"{root.path(path)} is there" for path in (".dockerenv", "run/.containerenv") if root.exists(path)]
    first = _text(root, "proc/1/environ")
    told = re.search(r"(?:^|\0)container=([^\0]+)", first)
    if told:
        hints.append(f"process 1 runs in {told[1]}")
    if root.exists("proc/1/comm") and not procfs.shows_kernel_threads(root):
        hints.append("the kernel's threads are hidden: a PID namespace, so no kdamond can be seen")
    users = _text(root, "proc/self/uid_map").split()
    if users and users != ["0", "0", "4294967295"]:
        hints.append("a user namespace: root here is not root of the machine")
    for line in _text(root, "proc/self/mountinfo").splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[4] == "/sys" and "ro" in fields[5].split(","):
            hints.append("/sys is mounted read-only")
            break
    return tuple(hints)


def _build_options(root: Root, release: str) -> tuple[str, dict[str, str]]:
    readers: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
        ("proc/config.gz", lambda data: zlib.decompressobj(31).decompress(data, _CONFIG_LARGEST)),
        (f"boot/config-{release}", lambda data: data),
        (f"lib/modules/{release}/config", lambda data: data),
        (f"usr/lib/modules/{release}/config", lambda data: data),  # where /lib is a link, and no link is followed
    )
    for name, opened in readers:
        try:
            text = opened(root.read_bytes(name, _CONFIG_LARGEST)).decode("utf-8", "replace")
        except (SourceError, zlib.error):
            continue
        values = dict(re.findall(r"^(CONFIG_\w+)=([ym])$", text, re.MULTILINE))
        if values:
            return str(root.path(name)), {option: values.get(option, "n") for option in _OPTIONS}
    return "", {}


def _text(root: Root, name: str) -> str:
    try:
        return root.read(name)
    except SourceError:
        return ""


class _Obstacles:
    """Finds what is in the way of each target, from the other parts of the survey."""

    def __init__(self, root: Root, found: Survey, program: str, tracefs: str, left: handback.Remains) -> None:
        self._root = root
        self._left = left
        self._found = found
        self._program = program
        self._tracefs = tracefs
        self._features = {feature.name: feature.present for feature in found.features}
        self._list: list[Obstacle] = []

    def all(self) -> tuple[Obstacle, ...]:
        self._stat()
        self._regions()
        self._own("paddr", "physical memory (paddr)", "CONFIG_DAMON_PADDR")
        self._own("vaddr", "virtual memory (vaddr)", "CONFIG_DAMON_VADDR")
        self._process()
        self._of_frames("frames", FRAMES, "CONFIG_PROC_PAGE_MONITOR")
        self._of_frames("owners", OWNERS, "CONFIG_MEMCG")
        return tuple(self._list)

    def _add(self, target: str, what: str, remedy: str) -> None:
        self._list.append(Obstacle(target, what, remedy))

    @property
    def _is_root(self) -> bool:
        return self._found.uid == 0

    def _missing(self, option: str) -> str:
        """The remedy for a missing feature, as far as the build options tell."""
        if self._found.options.get(option) == "n":
            return f"boot a kernel built with {option}=y (this one says n in {self._found.config_file})"
        return f"boot a kernel built with {option}=y"

    def _stat(self) -> None:
        root, program = self._root, self._program
        enabled = f"{PARAMETERS}/enabled"
        if not root.exists("sys/module"):
            self._add("stat", f"{root.path('sys/module')} is not there: sysfs is hidden", self._host())
        elif not root.exists(MODULE):
            self._add(
                "stat",
                "this kernel has no DAMON_STAT: it came with Linux 6.17 and must be built in",
                f"{self._missing('CONFIG_DAMON_STAT')}, such as Debian's 6.18 and later",
            )
        elif not root.readable(enabled):
            if self._is_root:
                self._add("stat", f"{root.path(enabled)} cannot be read by root", self._host())
            else:
                self._add("stat", "only root may read DAMON_STAT", f"sudo {program} stat")
        else:
            self._switched_off()

    def _switched_off(self) -> None:
        root = self._root
        stat = StatModule(root, program=self._program, pause=lambda _: None)
        try:
            on = stat.state().on
            others = stat.holders()
        except SourceError as error:
            self._add("stat", f"{error.what}: {error.why}", error.remedy or self._host())
            return
        if on:
            return
        path = root.path(f"{PARAMETERS}/enabled")
        if self._left.stat:
            self._add("stat", f"DAMON_STAT is off: {handback.KILLED}", self._found.remedy)
            return
        if others:
            self._add("stat", f"DAMON_STAT is off, and DAMON is held by {', '.join(others)}", "stop that first")
        self._add(
            "stat",
            "DAMON_STAT is switched off",
            f"key e in: sudo {self._program} stat; or: echo Y | sudo tee {path}; or boot with damon_stat.enabled=Y",
        )

    def _regions(self) -> None:
        """Obstacles to regions from the tracepoint; without them DAMON_STAT tells no more than its own few numbers."""
        root, program = self._root, self._program
        if not (root.exists(MODULE) or root.exists(ADMIN)):
            return
        mount = root.path(TRACEFS[0])
        if self._found.lockdown == "confidentiality":
            self._add(
                "regions",
                "the kernel is locked down (confidentiality), which closes tracefs",
                "boot without lockdown=confidentiality, or with Secure Boot off",
            )
        elif not self._tracefs:
            known = _text(root, "proc/filesystems")
            if known and "tracefs" not in known.split():
                self._add("regions", "this kernel has no tracefs", self._missing("CONFIG_FTRACE"))
            elif any(_denied(root, folder) for folder in TRACEFS) and not self._is_root:
                self._add("regions", "only root may look into tracefs", f"sudo {program}")
            elif not root.exists(TRACEFS[0]):
                self._add("regions", f"there is no {mount}", self._host())
            else:
                self._add("regions", f"tracefs is not mounted at {mount}", f"sudo mount -t tracefs tracefs {mount}")
        elif not root.readable(self._tracefs):
            self._add("regions", "only root may look into tracefs", f"sudo {program}")
        elif not self._features["tracepoint damon_aggregated"]:
            self._add("regions", "this kernel has no tracepoint damon:damon_aggregated", self._missing("CONFIG_DAMON"))

    def _own(self, target: str, feature: str, option: str) -> None:
        """Obstacles to a kdamond of our own over sysfs."""
        root = self._root
        if not root.exists(ADMIN):
            self._add(
                target, "this kernel has no DAMON sysfs interface (Linux 5.18)", self._missing("CONFIG_DAMON_SYSFS")
            )
            return
        if self._features[feature] is False:
            self._add(target, f"this kernel's DAMON has no {target}", self._missing(option))
            return
        if not self._is_root:
            self._add(target, "only root may start a kdamond", f"run it with: sudo {self._program}")
        for module, title in MODULES.items():
            if any(holder.startswith(title) for holder in self._found.holders):
                path = root.path(f"sys/module/{module}/parameters/enabled")
                way = f"echo N | sudo tee {path}"
                if title == "DAMON_STAT":
                    word = target if target == "paddr" else "PID"
                    way = f"to switch it off meanwhile and on again at the end: sudo {self._program} {word} --take"
                self._add(target, f"{title} holds DAMON, and shares it with nobody", way)
        if self._left.kdamond > 0:
            return  # the next run takes it away
        noted = handback.noted(root)
        if noted is not None and noted.kdamond > 0 and handback.pending(root) is None:
            who = f"another {self._program.rpartition('/')[2]} (PID {noted.pid}) monitors with a kdamond of its own"
            self._add(target, who, f"end it first; or watch with it: sudo {self._program} kdamond:{noted.kdamond}")
        elif _kdamond_folders(root):
            self._add(
                target,
                f"somebody else has set up kdamonds in {root.path(ADMIN)}, and adding one would wipe them",
                f"when they are no longer needed: echo 0 | sudo tee {root.path(ADMIN)}/kdamonds/nr_kdamonds",
            )

    def _process(self) -> None:
        if self._features["page monitor of /proc"] is False:
            self._add(
                "process",
                "this kernel has no /proc/PID/clear_refs",
                self._missing("CONFIG_PROC_PAGE_MONITOR"),
            )

    def _of_frames(self, target: str, name: str, option: str) -> None:
        """Obstacles to reading page frames; ``option`` is what the kernel must be built with for the file ``name``."""
        path, options = self._root.path(name), self._found.options
        if not self._root.exists(name):
            lacks = next((one for one in ("CONFIG_PROC_PAGE_MONITOR", option) if options.get(one) == "n"), "")
            hidden = not lacks and (self._found.container or options.get(option) == "y")
            self._add(target, f"there is no {path}", self._host() if hidden else self._missing(lacks or option))
        elif not self._root.readable(name):
            remedy = self._host() if self._is_root else f"run it with: sudo {self._program}"
            self._add(target, f"{path} cannot be read by {'root' if self._is_root else 'this user'}", remedy)

    def _host(self) -> str:
        if self._found.container:
            return (
                f"run it on the host, or give the container the host's /sys and /proc: {self._program} --rootfs /host"
            )
        return "run it where /sys and /proc are mounted"


def _denied(root: Root, folder: str) -> bool:
    try:
        root.list(folder)
    except KernelError as error:
        return error.errno in (1, 13)
    return False
