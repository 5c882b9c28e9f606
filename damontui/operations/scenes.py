"""The built-in scenes: synthetic memory that shows what the monitor can show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from damontui.errors import UsageError
from damontui.operations.workload import IDLE, Area, Phase, Touch, Workload, poisson, scan, sweep

_MIB = 1 << 20
_GIB = 1 << 30

SCENES: dict[str, str] = {
    "steady": "2 GiB with a hot core, a warm rim, a cool expanse, a scan now and then, and the rest idle.",
}


def scene(name: str, rng: np.random.Generator | int | None = None) -> Workload:
    """The synthetic memory of that name; ``rng`` is a generator or a seed.

    Raises:
        UsageError: no such scene; the message lists what there is.
    """
    if name not in SCENES:
        raise UsageError(f"demo: no scene {name!r}; there are {', '.join(SCENES)}")
    areas, phases = _MAKERS[name]()
    generator = rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
    return Workload(areas, phases, rng=generator, name=name)


def _stack(*parts: tuple[str, int, Touch], base: int = _GIB) -> list[Area]:
    """Areas one after the other from ``base``: name, size in bytes, touch."""
    areas: list[Area] = []
    for name, size, touch in parts:
        areas.append(Area(name, base, size, touch))
        base += size
    return areas


def _steady() -> tuple[list[Area], list[Phase]]:
    return _stack(
        ("code", 96 * _MIB, poisson(0.5)),
        ("cold heap", 480 * _MIB, IDLE),
        ("hot core", 40 * _MIB, poisson(200)),
        ("warm rim", 120 * _MIB, poisson(6)),
        ("cold cache", 512 * _MIB, IDLE),
        ("log buffer", 64 * _MIB, sweep(20)),
        ("archive", 544 * _MIB, IDLE),
        ("index", 128 * _MIB, scan(30, 10)),
        ("spare", 64 * _MIB, IDLE),
    ), []


_MAKERS: dict[str, Callable[[], tuple[list[Area], list[Phase]]]] = {
    "steady": _steady,
}
