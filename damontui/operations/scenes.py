"""The built-in scenes: synthetic memory that shows what the monitor can show.

Sizes and rates are such that about 4 % of the bytes are touched within some 50 to 100 ms: there the default
intervals goal settles, with an aggregation of one to two seconds, so that each scene shows within a minute.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from damontui.errors import UsageError
from damontui.operations.areas import IDLE, Area, Phase, Touch, poisson, scan, sweep
from damontui.operations.workload import Workload

_MIB = 1 << 20
_GIB = 1 << 30
_BASE = 4 * _GIB

_Model = tuple[list[Area], list[Phase]]

SCENES: dict[str, str] = {
    "steady": "3 GiB: a hot core with a warm rim, a log written round and round, an index scanned often.",
    "stairs": "2 GiB in 16 steps, each hot for 6 s in turn, then lukewarm, then cold; a small core always hot.",
    "zigzag": "1.5 GiB through which a hot window wanders up and down in two minutes.",
    "server": "64 GiB, mostly idle: a hot core, scans every 20 s, a day of four minutes with a backup at night.",
    "burst": "4 GiB with a steady core, and every 30 s a burst of 10 s somewhere else.",
}


def scene(name: str, rng: np.random.Generator | int | None = None) -> Workload:
    """The synthetic memory of that name; ``rng`` is a generator or a seed.

    Raises:
        UsageError: no such scene; the message lists what there is.
    """
    if name not in SCENES:
        raise UsageError(f"demo: there is no scene {name!r}; the scenes are: {', '.join(SCENES)}")
    areas, phases = _MAKERS[name]()
    generator = rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
    return Workload(areas, phases, rng=generator, name=name)


def _stack(*parts: tuple[str, int, Touch]) -> list[Area]:
    """Areas one after the other: name, size in bytes, touch."""
    areas: list[Area] = []
    start = _BASE
    for name, size, touch in parts:
        areas.append(Area(name, start, size, touch))
        start += size
    return areas


def _steady() -> _Model:
    return _stack(
        ("code", 64 * _MIB, poisson(12)),
        ("cold heap", 640 * _MIB, IDLE),
        ("hot core", 56 * _MIB, poisson(400)),
        ("warm rim", 120 * _MIB, poisson(6)),
        ("cache", 832 * _MIB, IDLE),
        ("log", 48 * _MIB, sweep(0.3)),
        ("archive", 1024 * _MIB, IDLE),
        ("index", 64 * _MIB, scan(0.2)),
        ("spare", 224 * _MIB, IDLE),
    ), []


def _stairs() -> _Model:
    steps = 16
    areas = _stack(("core", 24 * _MIB, poisson(400)), *((f"step {i + 1:02d}", 126 * _MIB, IDLE) for i in range(steps)))
    names = [area.name for area in areas[1:]]
    phases = []
    for index, name in enumerate(names):
        touches = {name: poisson(16)}
        if index:
            touches[names[index - 1]] = poisson(1.5)
        phases.append(Phase(6, touches, f"on {name}"))
    return areas, phases


def _zigzag() -> _Model:
    many = 24
    areas = _stack(*((f"slot {i + 1:02d}", 64 * _MIB, IDLE) for i in range(many)))
    names = [area.name for area in areas]
    # the window is two slots wide, so that it moves by half of itself
    up = list(range(many - 1))
    phases = []
    for index in up + up[-2:0:-1]:
        touches = {names[index]: poisson(12), names[index + 1]: poisson(12)}
        phases.append(Phase(120 / (2 * (many - 2)), touches, f"at {names[index]}"))
    return areas, phases


def _server() -> _Model:
    volumes = [f"volume {i + 1}" for i in range(8)]
    areas = _stack(
        ("kernel", 1 * _GIB, poisson(8)),
        ("sessions", 4 * _GIB, IDLE),
        ("old heap", 9 * _GIB, IDLE),
        ("hot core", 1 * _GIB, poisson(200)),
        ("heap", 5 * _GIB, IDLE),
        ("index", 3 * _GIB, IDLE),
        ("page cache", 8 * _GIB, IDLE),
        *((volume, 3 * _GIB, IDLE) for volume in volumes),
        ("reports", 3 * _GIB, IDLE),
        ("free", 6 * _GIB, IDLE),
    )
    # twelve times 20 s; in the last 4 s of each the index is scanned
    day = [
        ("morning", poisson(2), poisson(1)),
        ("noon", poisson(6), poisson(2.5)),
        ("afternoon", poisson(4), poisson(2)),
        ("evening", poisson(1.5), poisson(0.6)),
    ]
    indexing = {"index": poisson(6)}
    phases: list[Phase] = []
    for name, sessions, heap in day:
        touches = {"sessions": sessions, "heap": heap}
        if name == "afternoon":
            touches["reports"] = poisson(4)
        phases += [Phase(16, touches, name), Phase(4, touches | indexing, f"{name}, indexing")] * 2
    for first, second in zip(volumes[::2], volumes[1::2], strict=True):
        phases += [
            Phase(10, {first: poisson(8)}, f"night, backup of {first}"),
            Phase(6, {second: poisson(8)}, f"night, backup of {second}"),
            Phase(4, {second: poisson(8)} | indexing, f"night, backup of {second}, indexing"),
        ]
    return areas, phases


def _burst() -> _Model:
    parts = [f"pool {i + 1}" for i in range(6)]
    areas = _stack(
        ("core", 96 * _MIB, poisson(200)),
        ("warm", 384 * _MIB, poisson(1.5)),
        *((part, 512 * _MIB, IDLE) for part in parts),
        ("spare", 544 * _MIB, IDLE),
    )
    phases = []
    for part in (parts[i] for i in (2, 5, 0, 4, 1, 3)):
        phases += [Phase(20, {}, "quiet"), Phase(10, {part: poisson(25)}, f"burst in {part}")]
    return areas, phases


_MAKERS: dict[str, Callable[[], _Model]] = {
    "steady": _steady,
    "stairs": _stairs,
    "zigzag": _zigzag,
    "server": _server,
    "burst": _burst,
}
