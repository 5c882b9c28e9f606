"""Idle memory on a machine that has run for long: what is in use and what is not lie page by page beside each other.

Regions of physical memory are far larger than that, so that nearly all of them look used a little. Without what page
frames tell of how mixed memory is (`Frames.mixed`) all of it would be said to be in use.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import random
from collections.abc import Iterator

import numpy as np

from damontui.analysis.estimate import Estimator
from damontui.output.json import snapshot_of
from tests.guests.guest import Guest, check
from tests.guests.guest.load import MIB, PAGE, Area, Load
from tests.guests.guest.owners import measured

HELD, HOT, COLD = (size * MIB for size in (550, 120, 200))
COUNT = 16
SECONDS = 5.0
OFF = 0.15
"""Of all memory: by how much the estimate may be off. How mixed it is is told by 64 frames: more take too long here."""
_DONTNEED = 4


@contextlib.contextmanager
def scattered(size: int) -> Iterator[None]:
    """Hold ``size`` bytes in pages at random, as many others between which are free, in no order."""
    libc = ctypes.CDLL(None, use_errno=True)
    memory = mmap.mmap(-1, 2 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    memory[::PAGE] = b"\1" * (2 * size // PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    places = list(range(2 * size // PAGE))
    random.Random(7).shuffle(places)
    for place in places[::2]:
        done = libc.madvise(ctypes.c_void_p(address + place * PAGE), ctypes.c_size_t(PAGE), _DONTNEED)
        assert done == 0
    yield


@check("7.2", "6.18", limit=300)
def idle_memory_is_found_where_memory_is_mixed(guest: Guest) -> None:
    """Pages in use between others: idle memory is off by 15 % of all memory at most, and in its interval"""
    with scattered(HELD), Load([Area("hot", HOT, 0.1), Area("cold", COLD, 0)], guest.folder) as load:
        snapshots = [snapshot_of(one) for one in measured(guest, COUNT)]
        pieces = len(load.physical("hot"))
    estimator = Estimator()
    for snapshot in snapshots:
        estimator.add(snapshot)
    estimate, last = estimator.estimate(), snapshots[-1]
    idle = estimate.idle(SECONDS)
    # programs run, too: of what they have it is not known when they touched it
    least, most = HELD + COLD, estimate.total_bytes - HOT
    assert last.frames is not None
    guest.facts.update(
        watched_s=round(estimate.watched_s, 1),
        regions=len(last),
        hot_pieces=pieces,
        mixed=last.frames.mixed,
        frames=last.frames.drawn,
        idle_mib=[round(one / MIB) for one in (idle.least, idle.found, idle.most)],
        truth_mib=[round(one / MIB) for one in (least, most)],
        regions_say_mib=round(sum(int(s) for s, a, n in zip(last.sizes, last.age, last.nr_accesses, strict=True)
                              if not n and (a + 1) * last.attrs.aggr_us >= SECONDS * 1e6) / MIB),
    )  # fmt: skip
    assert np.median([s.frames.mixed or 0.0 for s in snapshots if s.frames is not None]) > 0.4
    assert idle.least <= most
    assert least <= idle.most
    total = float(last.sizes.sum())
    assert least - OFF * total <= idle.found <= most + OFF * total, guest.facts
