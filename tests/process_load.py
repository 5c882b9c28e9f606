"""A process whose accesses are known: ``process_load.py SECONDS NAME:MIB:PERIOD_MS …``.

Each area is a private anonymous mapping of its own (a page that cannot be accessed keeps it from its neighbour), or
with ``NAME:MIB:PERIOD_MS:shared`` a shared one. All its pages are touched once in its period; 0: only at the start.

Prints a line of JSON with the areas' addresses, then one ``NAME BEGAN ENDED`` (CLOCK_MONOTONIC) for each touch,
so that the truth can be told for any span of time.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import sys
import time

import numpy as np

MIB = 1 << 20
PAGE = mmap.PAGESIZE


def area(size: int, shared: bool) -> np.ndarray:
    kind = mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE
    memory = mmap.mmap(-1, size + PAGE, flags=kind | mmap.MAP_ANONYMOUS)
    view = np.frombuffer(memory, dtype=np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(view.ctypes.data + size), ctypes.c_size_t(PAGE), 0) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    return view[:size]


def main() -> None:
    seconds = float(sys.argv[1])
    areas = []
    for word in sys.argv[2:]:
        name, mib, period_ms, *shared = word.split(":")
        view = area(int(mib) * MIB, bool(shared))
        view[::PAGE] = 1
        areas.append((name, view, float(period_ms) / 1000))
    start = time.monotonic()
    print(json.dumps({name: [view.ctypes.data, view.nbytes, period] for name, view, period in areas}), flush=True)
    due = {name: start for name, _, period in areas if period}
    while (now := time.monotonic()) - start < seconds:
        for name, view, period in areas:
            if period and now >= due[name]:
                began = time.monotonic()
                view[::PAGE] += 1
                print(name, began, time.monotonic(), flush=True)
                due[name] = max(due[name] + period, now)
        time.sleep(0.005)


if __name__ == "__main__":
    main()
