"""What page frames hold: drawn frames against a walk over all of them, and against what the kernel counts itself."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from damontui.analysis import frames
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import FRAME_KINDS, Frames, Snapshot, ints
from damontui.kernel import pages, procfs
from damontui.kernel.root import Root
from tests.guests.guest import Guest, check
from tests.guests.guest.load import MIB, PAGE, Area, Load

LOOKS = 100
DRAWN = 600


def whole_machine() -> Snapshot:
    """All System RAM as regions that nobody touched."""
    ranges = procfs.system_ram(Root())
    none = [0] * len(ranges)
    attrs = Attrs()
    return Snapshot(
        time=1.0,
        began=0.9,
        wall=0.0,
        attrs=attrs,
        start=ints([start // PAGE * PAGE for start, _ in ranges]),
        end=ints([end // PAGE * PAGE for _, end in ranges]),
        nr_accesses=ints(none),
        age=ints(none),
        target=ints(none),
        origin="kernel",
        next_attrs=attrs,
    )


def walk() -> NDArray[np.uint64]:
    """The flags of every frame: the file tells no size."""
    handle, parts = os.open("/proc/kpageflags", os.O_RDONLY), []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    os.close(handle)
    return np.frombuffer(b"".join(parts), np.uint64)


@check("7.2", "6.18", "6.12", limit=180)
def drawn_frames_tell_what_memory_is_made_of(guest: Guest) -> None:
    """Free and shared memory by drawn frames: a walk over all frames, and MemFree, are within the 95 % intervals"""
    machine = whole_machine()
    cold = Area("cold", 400 * MIB, 0)
    with Load([cold, Area("hot", 64 * MIB, 0.05)], guest.folder) as load:
        mine = sum(end - start for name in load.areas for start, end in load.physical(name))
        held = {"free": 0, "shmem": 0, "MemFree": 0}
        widths, cost = [], []
        whole = dict.fromkeys(FRAME_KINDS, 0)
        for look in range(LOOKS):
            if look % 20 == 0:  # the truth moves a little, as the program itself runs
                flags = walk()
                inside = np.concatenate(
                    [flags[a // PAGE : b // PAGE] for a, b in zip(machine.start, machine.end, strict=True)]
                )
                counts = np.bincount(pages.kinds_of(inside), minlength=len(FRAME_KINDS)).tolist()
                whole = dict(zip(FRAME_KINDS, (count * PAGE for count in counts), strict=True))
            sampler = pages.FrameSampler(Root(), np.random.default_rng(look), budget=1.0)
            with sampler:
                drawn = sampler.look(machine)
                while drawn is not None and drawn.drawn < DRAWN:
                    drawn = sampler.look(machine)
            assert drawn is not None
            parts = frames.composition(_with(machine, drawn), 1e9)
            free = procfs.free_bytes(Root())
            assert free is not None
            for name, truth, kind in (
                ("free", whole["free"], "free"),
                ("shmem", whole["shmem"], "shmem"),
                ("MemFree", free, "free"),
            ):
                amount = parts[kind].bytes
                held[name] += amount.least <= truth <= amount.most
            widths.append(parts["free"].bytes.most - parts["free"].bytes.least)
            cost.append(drawn.drawn)
    guest.facts.update(
        held=held,
        looks=LOOKS,
        drawn=int(np.median(cost)),
        width_mib=round(float(np.median(widths)) / MIB),
        walk_mib={kind: round(size / MIB) for kind, size in whole.items()},
        mem_free_mib=round((procfs.free_bytes(Root()) or 0) / MIB),
        load_mib=round(mine / MIB),
    )
    assert whole["shmem"] >= mine  # shared anonymous memory is what the load maps
    # 95 of 100 on average: under 85 comes once in 10,000 times
    assert all(count >= 0.85 * LOOKS for count in held.values()), held


def _with(machine: Snapshot, drawn: Frames) -> Snapshot:
    return replace(machine, frames=drawn)


@check("7.2", limit=120)
def drawing_frames_keeps_its_budget(guest: Guest) -> None:
    """Drawing frames for half a minute says itself what it takes"""
    machine = whole_machine()
    before = time.thread_time()
    began = time.monotonic()
    with pages.FrameSampler(Root(), np.random.default_rng(1)) as sampler:
        last = None
        while time.monotonic() - began < 30:
            last = sampler.look(machine)
            time.sleep(0.5)
    assert last is not None
    share = (time.thread_time() - before) / (time.monotonic() - began)
    guest.facts.update(share=round(share, 5), said=round(last.cpu, 5), drawn=last.drawn)
    # under emulation counting alone costs more than the budget: how much is told, and the frames are few
    assert last.cpu >= 0.5 * share, (last.cpu, share)
    assert last.drawn < 16_000
