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
from dataclasses import replace

from damontui.analysis.estimator import past
from damontui.damon.snapshot import Snapshot
from damontui.output.json import snapshot_of
from tests.guests.guest import Guest, check
from tests.guests.guest.load import MIB, PAGE, Area, Load
from tests.guests.guest.owners import measured

HELD, HOT, COLD = (size * MIB for size in (550, 120, 200))
COUNT = 16
SECONDS = 5.0
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


@check("7.2", limit=300)
def idle_memory_is_found_where_memory_is_mixed(guest: Guest) -> None:
    """Pages in use between others: idle memory is in its interval, and nearer than without frames"""
    with scattered(HELD), Load([Area("hot", HOT, 0.1), Area("cold", COLD, 0)], guest.folder) as load:
        snapshots = [snapshot_of(one) for one in measured(guest, COUNT)]
        pieces = len(load.physical("hot"))
    estimate, last = past(snapshots), snapshots[-1]
    assert last.frames is not None
    idle = estimate.idle(SECONDS)
    # the same without what frames tell of how mixed memory is
    plain = past([_unmixed(one) for one in snapshots]).idle(SECONDS)
    # programs run, too: of what they have it is not known when they touched it; and 64 frames, as many as are drawn
    # here in that time, say only roughly how much is the kernel's own
    most = estimate.total_bytes - HOT
    least = min(HELD + COLD, most)
    guest.facts.update(
        watched_s=round(estimate.watched_s, 1),
        regions=len(last),
        hot_pieces=pieces,
        mixed=last.frames.mixed,
        frames=last.frames.drawn,
        truth_mib=[round(one / MIB) for one in (least, most)],
        idle_mib=[round(one / MIB) for one in (idle.least, idle.bytes, idle.most)],
        without_it_mib=[round(one / MIB) for one in (plain.least, plain.bytes, plain.most)],
    )
    assert last.frames.mixed is not None
    assert last.frames.mixed > 0.3
    assert idle.least <= most, guest.facts
    assert least <= idle.most, guest.facts
    # after so short a time half of what may be is believed, and of 64 frames not all that they say
    off, plain_off = (max(0.0, least - one.bytes) + max(0.0, one.bytes - most) for one in (idle, plain))
    assert off < 0.9 * plain_off or off < 0.1 * least, guest.facts


def _unmixed(snapshot: Snapshot) -> Snapshot:
    return snapshot if snapshot.frames is None else replace(snapshot, frames=replace(snapshot.frames, mixed=None))
