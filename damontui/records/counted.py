"""Counted bytes of a snapshot's regions as JSON, and back: exactly, and nothing that could not have been counted.

``resident`` is a list of bytes, one a region. ``measured`` has its times (``seconds``); ``used``, a list for each time
of the bytes of each region that were touched within it and not within the time before; ``kinds``, a list for each kind
(`KINDS`); ``least`` and ``most``, one number a time. ``frames`` has ``counts``, a list for each kind (`FRAME_KINDS`).
Differences and whole kinds pack well, for most of them are zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from damontui.damon.snapshot import FRAME_KINDS, KINDS, Frames, Ints, Measured

MOST_TIMES = 4096
"""Times of a curve in a file, at most."""


def measured_object(measured: Measured) -> dict[str, Any]:
    """The JSON object of counted bytes."""
    return {
        "seconds": list(measured.seconds),
        "used": np.diff(measured.used, axis=1, prepend=0).T.tolist(),
        "kinds": dict(zip(KINDS, measured.kinds.T.tolist(), strict=True)),
        "least": measured.least.tolist(),
        "most": measured.most.tolist(),
        "swapped": measured.swapped,
        "huge": measured.huge,
        "mapped": measured.mapped,
        "longest_pause": measured.longest_pause,
    }


def measured_of(value: Mapping[str, Any], regions: int) -> Measured:
    """Counted bytes of that many regions. Raises ValueError, TypeError or KeyError where the object is none of ours."""
    seconds = tuple(float(one) for one in value["seconds"])
    times = len(seconds)
    if not 1 <= times <= MOST_TIMES or not np.isfinite(seconds).all() or (np.diff((0.0, *seconds)) <= 0).any():
        raise ValueError("times that do not rise")
    used = np.cumsum(numbers(value["used"], times, regions, least=-(1 << 62)), axis=0)
    kinds = numbers([value["kinds"].get(kind, [0] * regions) for kind in KINDS], len(KINDS), regions)
    pause = float(value.get("longest_pause", 0.0))
    if used.min(initial=0) < 0 or not np.isfinite(pause):
        raise ValueError("no bytes")
    return Measured(
        seconds,
        np.ascontiguousarray(used.T),
        numbers(value["least"], times),
        numbers(value["most"], times),
        np.ascontiguousarray(kinds.T),
        swapped=int(numbers(value.get("swapped", 0))),
        huge=int(numbers(value.get("huge", 0))),
        mapped=int(numbers(value.get("mapped", 0))),
        longest_pause=pause,
    )


def frames_object(frames: Frames) -> dict[str, Any]:
    """The JSON object of what page frames held."""
    return {
        "counts": dict(zip(FRAME_KINDS, frames.counts.T.tolist(), strict=True)),
        "unevictable": frames.unevictable.tolist(),
        "huge": frames.huge.tolist(),
        "cpu": frames.cpu,
    }


def frames_of(value: Mapping[str, Any], regions: int) -> Frames:
    """What frames of that many regions held. Raises as `measured_of`."""
    counts = numbers([value["counts"].get(kind, [0] * regions) for kind in FRAME_KINDS], len(FRAME_KINDS), regions)
    cpu = float(value.get("cpu", 0.0))
    if not np.isfinite(cpu):
        raise ValueError("no share of a CPU")
    unevictable, huge = numbers(value["unevictable"], regions), numbers(value["huge"], regions)
    return Frames(np.ascontiguousarray(counts.T), unevictable, huge, cpu)


def numbers(value: object, *shape: int, least: int = 0) -> Ints:
    """Whole numbers from ``least`` to 2^62 in that shape. Raises ValueError or TypeError where they are none."""
    try:
        found = np.array(value, dtype=np.int64)
    except OverflowError:
        raise ValueError("a number that is too large") from None
    if found.shape != shape and not (found.size == 0 and 0 in shape):
        raise ValueError(f"{found.shape} numbers where {shape} are due")
    found = found.reshape(shape)
    if found.size and (int(found.min()) < least or int(found.max()) > 1 << 62):
        raise ValueError("a number that is no number of bytes")
    return found
