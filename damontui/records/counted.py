"""Counted bytes of a snapshot's regions as JSON, and back: exactly, and nothing that could not have been counted.

``resident`` is a list of bytes, one a region. ``measured`` has its times (``seconds``); ``used``, a list for each time
of the bytes of each region that were touched within it and not within the time before; ``kinds``, a list for each kind
(`KINDS`); ``least`` and ``most``, one number a time. ``frames`` has ``counts``, a list for each kind (`FRAME_KINDS`).
Differences and whole kinds pack well, for most of them are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from damontui.damon.snapshot import FRAME_KINDS, KINDS, Frames, Ints, Measured
from damontui.records.sound import listed, real, table_of_fields, whole

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


def measured_of(given: object, regions: int) -> Measured:
    """Counted bytes of that many regions. Raises ValueError or KeyError where the object is none of ours."""
    value = table_of_fields(given)
    seconds = tuple(real(one) for one in listed(value["seconds"]))
    times = len(seconds)
    if not 1 <= times <= MOST_TIMES or not np.isfinite(seconds).all() or (np.diff((0.0, *seconds)) <= 0).any():
        raise ValueError("times that do not rise")
    used = np.cumsum(numbers(value["used"], times, regions, least=-(1 << 62)), axis=0)
    kinds = _by_kind(value["kinds"], KINDS, regions)
    if used.min(initial=0) < 0:
        raise ValueError("no bytes")
    return Measured(
        seconds,
        np.ascontiguousarray(used.T),
        numbers(value["least"], times),
        numbers(value["most"], times),
        np.ascontiguousarray(kinds.T),
        swapped=whole(value.get("swapped", 0)),
        huge=whole(value.get("huge", 0)),
        mapped=whole(value.get("mapped", 0)),
        longest_pause=real(value.get("longest_pause", 0.0)),
    )


def frames_object(frames: Frames) -> dict[str, Any]:
    """The JSON object of what page frames held."""
    return {
        "counts": dict(zip(FRAME_KINDS, frames.counts.T.tolist(), strict=True)),
        "unevictable": frames.unevictable.tolist(),
        "huge": frames.huge.tolist(),
        "cpu": frames.cpu,
    }


def frames_of(given: object, regions: int) -> Frames:
    """What frames of that many regions held. Raises as `measured_of`."""
    value = table_of_fields(given)
    counts = _by_kind(value["counts"], FRAME_KINDS, regions)
    cpu = real(value.get("cpu", 0.0))
    unevictable, huge = numbers(value["unevictable"], regions), numbers(value["huge"], regions)
    return Frames(np.ascontiguousarray(counts.T), unevictable, huge, cpu)


def _by_kind(value: object, kinds: Sequence[str], regions: int) -> Ints:
    """Numbers of each kind and region, 0 of what is not named."""
    found = table_of_fields(value)
    return numbers([found.get(kind, [0] * regions) for kind in kinds], len(kinds), regions)


def numbers(value: object, *shape: int, least: int = 0) -> Ints:
    """Whole numbers from ``least`` to 2^62 in that shape. Raises ValueError where they are none."""
    found = np.array(value)
    if found.size == 0 and 0 in shape:
        return np.empty(shape, dtype=np.int64)
    if found.dtype.kind != "i" or found.shape != shape:
        raise ValueError(f"{found.dtype} of the shape {found.shape} where whole numbers of {shape} are due")
    if found.size and (int(found.min()) < least or int(found.max()) > 1 << 62):
        raise ValueError("a number that is no number of bytes")
    return found.astype(np.int64)


FIELDS: Mapping[str, Callable[[Any, int], Any]] = {"resident": numbers, "measured": measured_of, "frames": frames_of}
"""What was counted of regions, by name: what makes a value of it for so many regions, or raises."""


def size_of(fields: Mapping[str, object]) -> int:
    """Bytes that the arrays of those fields take."""
    arrays = [fields.get("resident")]
    for value in fields.values():
        if isinstance(value, Measured):
            arrays += [value.used, value.kinds, value.least, value.most]
        elif isinstance(value, Frames):
            arrays += [value.counts, value.unevictable, value.huge]
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
