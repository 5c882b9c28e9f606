"""A child of known accesses: ``process_truth.py KIND HOT_MIB COLD_MIB``, in the kinds that smaps tells apart.

``one`` mapping, ``many`` (one a MiB), a ``file``'s pages, ``huge`` pages, or memory inherited by ``fork``: hot first,
cold after it. ``moving``: for each line of standard input the next HOT_MIB are hot instead, in one mapping. Prints a
line of JSON: the PID that touches, and the mappings' lowest and highest address; and a line for each move.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import select
import sys
import tempfile
import time

import numpy as np

MIB = 1 << 20


def areas(kind: str, size: int) -> list[np.ndarray]:
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    if kind == "many":
        libc = ctypes.CDLL(None)
        found = [np.frombuffer(mmap.mmap(-1, MIB + mmap.PAGESIZE, flags=private), np.uint8) for _ in range(size // MIB)]
        for view in found:
            libc.mprotect(ctypes.c_void_p(view.ctypes.data + MIB), ctypes.c_size_t(mmap.PAGESIZE), 0)
        return [view[:MIB] for view in found]
    if kind == "file":
        with tempfile.TemporaryFile(dir=os.environ.get("TMPDIR", "/var/tmp")) as file:
            file.truncate(size)
            return [np.frombuffer(mmap.mmap(file.fileno(), size), np.uint8)]
    memory = mmap.mmap(-1, size + 2 * MIB, flags=private)
    if kind == "huge":
        memory.madvise(mmap.MADV_HUGEPAGE)
    view = np.frombuffer(memory, np.uint8)
    skip = -view.ctypes.data % (2 * MIB)
    return [view[skip : skip + size]]


def main() -> None:
    kind, hot, cold = sys.argv[1], int(sys.argv[2]) * MIB, int(sys.argv[3]) * MIB
    parts = areas(kind, hot + cold)
    for part in parts:
        part[:: mmap.PAGESIZE] = 1
    if kind == "fork":
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
    low, high = (f(part.ctypes.data + edge * part.nbytes for part in parts) for f, edge in ((min, 0), (max, 1)))
    print(json.dumps({"pid": os.getpid(), "low": low, "high": high}), flush=True)
    parent, at = os.getppid(), 0
    while os.getppid() == parent:
        if kind == "moving":
            if select.select([sys.stdin], [], [], 0)[0] and sys.stdin.readline():
                at = (at + hot) % (hot + cold)
                print(time.monotonic(), flush=True)
            parts[0][at : at + hot : mmap.PAGESIZE] += 1
            time.sleep(0.02)
            continue
        left = hot
        for part in parts:
            part[: min(left, part.nbytes) : mmap.PAGESIZE] += 1
            left -= min(left, part.nbytes)
        time.sleep(0.02)


if __name__ == "__main__":
    main()
