"""A process that feels when somebody holds its memory up: ``process_victim.py MIB HOT_MIB [many]``.

Prints a line of JSON with its memory of MIB, in one mapping or in one for each of them, whose first HOT_MIB it touches
again and again, mapping and unmapping a megabyte each time. For each line that it gets it prints the seconds that each
pass took since the former line.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import sys
import threading
import time

import numpy as np

MIB = 1 << 20
_READ_WRITE_EXECUTE = 7


def main() -> None:
    size, hot = int(sys.argv[1]) * MIB, int(sys.argv[2]) * MIB
    view = np.frombuffer(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), dtype=np.uint8)
    if sys.argv[3:] == ["many"]:
        # what may be executed is a mapping of its own beside what may not
        libc = ctypes.CDLL(None)
        for start in range(0, size, 2 * MIB):
            libc.mprotect(ctypes.c_void_p(view.ctypes.data + start), ctypes.c_size_t(MIB), _READ_WRITE_EXECUTE)
    view[:: mmap.PAGESIZE] = 1
    print(json.dumps({"address": view.ctypes.data, "bytes": hot}), flush=True)
    passes: list[float] = []
    asked: list[str] = []
    threading.Thread(target=lambda: [asked.append(line) for line in sys.stdin], daemon=True).start()
    told = 0
    while True:
        began = time.perf_counter()
        with mmap.mmap(-1, MIB) as area:
            area[0] = 1
        view[: hot : mmap.PAGESIZE] += 1
        passes.append(time.perf_counter() - began)
        time.sleep(0.01)
        if len(asked) > told:
            told += 1
            print(json.dumps([round(one, 6) for one in passes]), flush=True)
            passes.clear()


if __name__ == "__main__":
    main()
