"""Every main state of the screen, fed by hand with a fixed clock: for the snapshot tests and the screenshots alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from textual.pilot import Pilot

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FRAME_KINDS, Description, Event, Frames, Snapshot, ints
from damontui.errors import DamontuiError, SourceError
from damontui.operations.counted import One
from damontui.operations.processes import Missing
from damontui.sources.active import ActiveSource
from damontui.tui.app import DamontuiApp
from damontui.tui.options import ScreenOptions
from damontui.tui.panes.output import OutputPane
from tests import make
from tests.make import MIB
from tests.owners import always_owned, owned
from tests.pressure import pressed
from tests.screens import captured
from tests.tui import fed, made, picker

REASON = (
    "Synthetic memory, since DAMON_STAT cannot be read: only root may. For this machine's real memory run: "
    "sudo /usr/bin/damontui stat"
)
DENIED = SourceError(
    "cannot read DAMON_STAT",
    "only root may read /sys/module/damon_stat/parameters/enabled",
    "run: sudo /usr/bin/damontui stat",
)
NO_TRACEFS = (
    "Regions cannot be seen: /sys/kernel/tracing is not mounted here. Mount it with: "
    "sudo mount -t tracefs nodev /sys/kernel/tracing"
)


@dataclass(frozen=True)
class State:
    """A screen: what it is fed, which keys are pressed then, and on how large a terminal."""

    name: str
    events: Callable[[], list[Event | DamontuiError]]
    description: Description = field(default_factory=make.description)
    options: ScreenOptions = field(default_factory=ScreenOptions)
    keys: tuple[str, ...] = ()
    further: Callable[[], list[Event | DamontuiError]] = list
    """Fed after the keys."""
    size: tuple[int, int] = (120, 36)
    no_color: bool = False
    span: float | None = None
    history: int = 0
    """Bytes for the past, where it is to be less than usual."""
    seconds: float = 240.0
    """What the clock says, after the clock of the source's zero."""
    active: Callable[[], ActiveSource | None] = lambda: None
    """What the picker shows."""
    output: Callable[[], OutputPane | None] = lambda: None
    source: Callable[[], fed.Silent | None] = lambda: None
    """Instead of one that has nothing to say but its description."""

    def app(self) -> DamontuiApp:
        """The app, not fed yet."""
        return fed.app(
            self.description,
            clock=lambda: make.WALL + self.seconds,
            options=self.options,
            active=self.active(),
            output=self.output(),
            history=self.history,
            span=self.span,
            source=self.source(),
        )

    async def play(self, pilot: Pilot[int]) -> None:
        """Bring the app into this state."""
        app = pilot.app
        assert isinstance(app, DamontuiApp)
        fed.feed_all(app, self.events())
        await pilot.pause()
        if self.keys:
            await pilot.press(*self.keys)
            await app.workers.wait_for_complete()
        for event in self.further():
            fed.feed(app, event)
        await pilot.pause()


def _kernel() -> list[Snapshot]:
    return make.steady(module=make.module_values())


def _owned() -> list[Snapshot]:
    return owned(_kernel())


def _always_owned() -> list[Snapshot]:
    return always_owned(_kernel())


def _pressed() -> list[Snapshot]:
    return pressed(_kernel())


def _pressed_group() -> list[Snapshot]:
    return pressed(make.steady(origin="process"), "/system.slice/postgresql.service")


def _half_told() -> list[Snapshot]:
    """A group on a machine that was booted without PSI."""
    note = "not told here: stalls (memory.pressure; boot with psi=1)"
    return [
        replace(one, pressure=replace(one.pressure, some=None, full=None, note=note)) if one.pressure else one
        for one in _pressed_group()
    ]


def _recorded() -> list[Snapshot]:
    return make.steady(origin="record")


def _lost() -> list[Snapshot]:
    made = _kernel()
    made[-30] = replace(made[-30], complete=False, lost=5)
    made[-1] = replace(made[-1], complete=False, lost=12)
    return made


def _partly_free() -> list[Snapshot]:
    """Of the largest region that is idle nearly all is free, of the one beside it half."""
    counts = np.zeros((len(make.steady_rows(0)), len(FRAME_KINDS)), np.int64)
    anon, free = FRAME_KINDS.index("anon"), FRAME_KINDS.index("free")
    counts[:, anon] = 64
    counts[-2:, free], counts[-2:, anon] = (62, 32), (2, 32)
    none = ints([0] * len(counts))
    return [replace(one, frames=Frames(counts, none, none)) for one in _kernel()]


def _made_of() -> list[Snapshot]:
    """A frame for each MiB: the last region is free, the one before half a file's, the first half the kernel's."""
    sizes = [(end - start) // MIB for start, end, _, _ in make.steady_rows(0)]
    counts = np.zeros((len(sizes), len(FRAME_KINDS)), np.int64)
    counts[:, FRAME_KINDS.index("anon")] = sizes
    for region, kind, part in ((0, "slab", 2), (-2, "file", 2), (-1, "free", 1)):
        moved = sizes[region] // part
        counts[region, [FRAME_KINDS.index(kind), FRAME_KINDS.index("anon")]] = moved, sizes[region] - moved
    none = ints([0] * len(counts))
    return [replace(one, frames=Frames(counts, none, none), free=sizes[-1] * MIB) for one in _kernel()]


def _after_a_gap() -> list[Snapshot]:
    """A minute that nobody watched, half a minute ago."""
    return [one for one in _kernel() if not 150 < one.time <= 210]


def _no_tracefs() -> list[Snapshot]:
    module = make.module_values()
    return [
        make.snapshot(
            [], float(step), module=replace(module, bandwidth=(250 + 40 * (step % 5)) * 1_000_000), note=NO_TRACEFS
        )
        for step in range(5, 245, 5)
    ]


_RECORD = make.description(
    "record",
    target="night.damontui",
    title="record night.damontui: DAMON_STAT",
    locked="a record has no switch",
    speed=10.0,
)
_DEMO = make.description("simulated", reason=REASON)
_PROCESS = make.description("process", target="1234", title="process 1234 (postgres)")
_PADDR = make.description(target="paddr", title="physical memory")
HELD = SourceError(
    "cannot monitor paddr with DAMON",
    "DAMON is held by DAMON_STAT (kdamond 77)",
    "to switch it off meanwhile and on again at the end: sudo /usr/bin/damontui paddr --take",
    offer="take",
)


def _target() -> ActiveSource:
    return picker.active(picker.Scripted())


class _Make:
    """A command that compiles."""

    text = "make -j8 all"
    line_count = 214

    def poll(self) -> None:
        """It runs."""

    def lines(self) -> tuple[str, ...]:
        return (
            *(f"cc -O2 -Wall -c part{number:03d}.c" for number in range(211)),
            "part210.c: In function ‘main’:",
            "part210.c:17:9: warning: unused variable ‘x’ [-Wunused-variable]",
            "cc -O2 -o all *.o",
        )


def _output() -> OutputPane:
    return OutputPane(_Make(), id="output")


_RUN = make.description("process", target="run", title="make, process 4711")


def _simulated() -> list[Snapshot]:
    return make.steady(origin="simulated", truth=True)


def _process() -> list[Snapshot]:
    return make.steady(origin="process")


_ENDED = make.status("gone", "process 1234 (postgres) ended at 00:04:00", 240.0)


def _named() -> list[Snapshot]:
    return make.named(make.steady())


def _named_truth() -> list[Snapshot]:
    return make.named(_simulated())


_EXPLORED = (
    State("past", _named, keys=("left",) * 14),
    State("past-oldest", _kernel, keys=("minus", "minus", "home"), size=(80, 24)),
    State("clock", _kernel, keys=("g", *"25:00", "enter")),
    State("coarse", lambda: make.steady(3600), keys=(*["plus"] * 4, "home"), history=100_000, seconds=3600.0),
    State("cursor", _named, keys=("n", "n", "n", "down", "down")),
    State("cursor-80x24", _named, keys=("n",), size=(80, 24)),
    State("cursor-60x15", _named, keys=("n",), size=(60, 15)),
    State("needle", make.haystack, keys=("n", "enter")),
    State("hottest", make.haystack, keys=("m", "n")),
    State("fold", make.haystack, keys=("f",)),
    State("zoomed", _kernel, keys=("n", "z", "z")),
    State("list", _named, keys=("l", "n", "down")),
    State("list-80x24", _named, keys=("l", "n"), size=(80, 24)),
    State("list-filter", _named, keys=("backslash", *"file size>", "1", "M", "enter", "s")),
    State("holders", _named, keys=("o",)),
    State("savings", _named_truth, _DEMO, keys=("escape", "v")),
    State("savings-machine", _kernel, keys=("v", "less_than_sign")),
    State("savings-80x24", _kernel, keys=("v",), size=(80, 24)),
    State("savings-kinds", _made_of, keys=("v",)),
    State("savings-ascii", _kernel, keys=("v", "n"), options=ScreenOptions(ascii=True)),
)


def _long() -> list[Snapshot]:
    """Aggregations of a hundred seconds, as a machine has them that had been idle."""
    attrs = Attrs(5_000_000, 100_000_000)
    out = []
    for number, one in enumerate(make.steady(240)[::60]):
        ended = 100.0 * (number + 1)
        whole = replace(one, time=ended, began=ended - 100, wall=make.WALL + ended, attrs=attrs, next_attrs=attrs)
        out.append(replace(whole, age=whole.age // 40, module=make.module_values()))
    return out


def _waited() -> list[Event | DamontuiError]:
    return [make.status("waiting", "waiting for the first aggregation, at most 100 s")]


def _news() -> list[Event | DamontuiError]:
    return [made.interim()]


def _late_news() -> list[Event | DamontuiError]:
    return [made.interim(469.0)]


_MEASURED = make.description("process", target="1234", title="process 1234 (postgres)")

_SEVERAL = make.description(
    "process", target="1234,1250,1300,4711", title="processes 1234 (postgres), 1250 (postgres), 1300, 4711"
)


def _several() -> fed.Silent:
    """Two processes, one that has ended and one that cannot be read."""
    snapshot = made.process(240.0)
    assert snapshot.measured is not None
    small = replace(snapshot, resident=snapshot.memory // 3)
    small = replace(small, measured=replace(snapshot.measured, used=snapshot.measured.used // 4, longest_pause=0.003))
    assert small.measured is not None
    small = replace(small, measured=replace(small.measured, kinds=snapshot.measured.kinds // 3, swapped=0, huge=0))
    each = (One(1250, "postgres", small), One(1234, "postgres", snapshot))
    missing = (
        Missing(4711, "sshd", 5, "permission denied; run: sudo damontui 1234,1250,1300,4711"),
        Missing(1300, "psql", 9, "ended at 00:03:12"),
    )
    return fed.SilentSeveral(_SEVERAL, each, missing)


def _targets(count: int) -> list[Snapshot]:
    """Processes through one kdamond."""
    return [make.many_targets(count, float(second)) for second in range(1, 241)]


_SIX = make.description("kernel", target="1000,1001", title="6 processes")
_MANY = make.description("kernel", target="1000,1001", title="24 processes")

_CLOSER = make.description(closer="paddr")
_LOOKED_AT = make.description(locked="read-only session")

_NEWS = (
    State("first-news", _waited, _CLOSER, further=_news, seconds=5.0),
    State("first-news-80x24", _waited, _CLOSER, further=_news, seconds=5.0, size=(80, 24)),
    State("first-news-60x15", _waited, _CLOSER, further=_news, seconds=5.0, size=(60, 15)),
    State("so-far", _long, _CLOSER, further=_late_news, seconds=469.0, span=480.0),
    State("so-far-no-color", _long, _LOOKED_AT, further=_late_news, seconds=469.0, span=480.0, no_color=True),
    State("measured", made.processes, _MEASURED),
    State("measured-80x24", made.processes, _MEASURED, size=(80, 24)),
    State("measured-40x10", made.processes, _MEASURED, size=(40, 10)),
    State("measured-no-color", made.processes, _MEASURED, no_color=True),
    State("measured-ascii", made.processes, _MEASURED, options=ScreenOptions(ascii=True)),
    State("measured-list", made.processes, _MEASURED, keys=("l",)),
    State("measured-holders", made.processes, _MEASURED, keys=("o",)),
    State("measured-savings", made.processes, _MEASURED, keys=("v",)),
    State("measured-cursor", made.processes, _MEASURED, keys=("n",)),
    State("several", made.processes, _SEVERAL, source=_several),
    State("several-60x15", made.processes, _SEVERAL, source=_several, size=(60, 15)),
    State("several-40x10", made.processes, _SEVERAL, source=_several, size=(40, 10)),
    State("targets-with-folds", lambda: _targets(6), _SIX),
    State("targets-without-folds", lambda: _targets(24), _MANY),
)

STATES = (
    *_NEWS,
    State(
        "kernel",
        lambda: list(captured.run()[1]),
        description=captured.run()[0],
        span=120.0,
        seconds=captured.run()[2] - make.WALL,
    ),
    *_EXPLORED,
    State("record", lambda: make.steady(1440, origin="record"), _RECORD, seconds=1e6),
    State("record-playing", _recorded, _RECORD, keys=("home", *["shift+right"] * 4, "space"), seconds=1e6),
    State("record-80x24", _recorded, _RECORD, keys=("left",) * 9, size=(80, 24), seconds=1e6),
    State("record-60x15", _recorded, _RECORD, size=(60, 15), seconds=1e6),
    State("seconds", lambda: make.steady(7), seconds=7.0),
    State("first-run", _simulated, _DEMO),
    State("steady", _kernel),
    State("off", _kernel, keys=("e",)),
    State("paused", lambda: make.steady(180), keys=("space",), further=lambda: list(make.steady(240)[180:])),
    State("help", _kernel, keys=("question_mark",)),
    State("denied", lambda: [DENIED]),
    State("no-tracefs", _no_tracefs),
    State("waiting", lambda: [make.status("waiting", "waiting for the first aggregation, at most 10 s")]),
    State("lost", _lost),
    State("ended", lambda: [*_kernel(), make.status("gone", "DAMON_STAT was unloaded at 00:04:00", 240.0)]),
    State(
        "broken",
        lambda: [*_kernel(), SourceError("monitoring stopped", "ValueError: of ours", "press e to start afresh")],
    ),
    State("percentiles-all", _kernel, keys=("a", "4")),
    State("idle-age", _kernel, keys=("c", "c")),
    State("estimate-free", _partly_free, keys=("c", "c", "c")),
    State("estimate-gap", _after_a_gap, keys=("c", "c", "c")),
    State("80x24", _kernel, size=(80, 24)),
    State("80x24-simulated", _simulated, _DEMO, size=(80, 24)),
    State("60x15", _kernel, size=(60, 15)),
    State("30x8", _kernel, size=(30, 8)),
    State("light", _kernel, options=ScreenOptions(theme="damontui-light")),
    State("no-color", _kernel, no_color=True),
    State("ascii", _kernel, options=ScreenOptions(ascii=True)),
    State("wide", _kernel, size=(200, 50)),
    State("owners", _owned, keys=("O",)),
    State("owners-tree", _owned, keys=("O", "tab")),
    State("owners-zones-80x24", _owned, keys=("O", "tab", "tab"), size=(80, 24)),
    State("owners-filter", _owned, keys=("O", "ctrl+s", *"system")),
    State("owners-60x15", _owned, keys=("O", "down", "down"), size=(60, 15)),
    State("owners-ascii", _owned, keys=("O", "<", "<"), options=ScreenOptions(ascii=True)),
    State("owners-unknown", _kernel, keys=("O",)),
    State("owner", _always_owned, keys=("O", *"user", "enter")),
    State("owner-tree", _always_owned, keys=("O", "tab", *"system", "down", "enter", "n")),
    State("owner-80x24-no-color", _always_owned, keys=("O", *"user", "enter"), size=(80, 24), no_color=True),
    State("owner-ascii", _always_owned, keys=("O", *"user", "enter"), options=ScreenOptions(ascii=True)),
    State("pressure", _pressed, keys=("w",)),
    State("pressure-all", _pressed, keys=("w", "w")),
    State("pressure-cursor", _pressed_group, _PROCESS, keys=("w", "w", "n", *("left",) * 8)),
    State("pressure-half-told", _half_told, _PROCESS, keys=("w", "w")),
    State("pressure-unknown", _simulated, _DEMO, keys=("escape", "w")),
    State("pressure-record", lambda: pressed(_recorded()), _RECORD, keys=("w", *("left",) * 9), seconds=1e6),
    State("pressure-80x24", _pressed, keys=("w", "n"), size=(80, 24)),
    State("pressure-60x15", _pressed, keys=("w",), size=(60, 15)),
    State("pressure-ascii", _pressed_group, _PROCESS, keys=("w", "w"), options=ScreenOptions(ascii=True)),
    State("pressure-no-color", _pressed_group, _PROCESS, keys=("w", "w"), no_color=True),
    State("picker", _kernel, keys=("t",), active=_target),
    State("picker-unavailable", _kernel, keys=("t", "down"), active=_target),
    State("picker-tree-filter", _kernel, keys=("t", "ctrl+t", *"postgres"), active=_target),
    State("picker-80x24", _kernel, keys=("t", "tab", "tab"), active=_target, size=(80, 24)),
    State("picker-60x15", _kernel, keys=("t", "tab", "tab", "down"), active=_target, size=(60, 15)),
    State("picker-ascii", _kernel, keys=("t", "down"), active=_target, options=ScreenOptions(ascii=True)),
    State("take", lambda: [HELD], _PADDR),
    State("take-later", lambda: [*_kernel(), HELD], _PADDR),
    State("process-ended", lambda: [*_process(), _ENDED], _PROCESS),
    State("run", _process, _RUN, output=_output),
    State("run-output", _process, _RUN, output=_output, keys=("5",)),
    State("run-80x24", _process, _RUN, output=_output, size=(80, 24)),
    State("run-60x15", _process, _RUN, output=_output, size=(60, 15)),
)
BY_NAME = {state.name: state for state in STATES}

PICTURES = (
    "kernel",
    "past",
    "needle",
    "list",
    "holders",
    "savings",
    "first-run",
    "steady",
    "off",
    "paused",
    "help",
    "denied",
    "no-tracefs",
    "waiting",
    "80x24",
    "60x15",
    "picker",
    "run",
    "light",
    "ascii",
)
"""The states that ``python -m tests.screenshots`` makes pictures of."""
