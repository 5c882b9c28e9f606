"""A load whose memory comes back as its words say: run by a bare interpreter (``python -I -S``), it is small itself.

``paced.py LOG WORD…`` with words such as

* ``touch:SIZE:PERIOD``: SIZE MiB of anonymous memory, written to as a whole every PERIOD seconds; 0: only at the start;
* ``drift:SIZE:WINDOW:STEP:PERIOD``: of SIZE MiB a window is written to every PERIOD seconds, and moves on by STEP MiB;
* ``file:PATH:FIRST:SIZE:PERIOD``: SIZE MiB of a file, mapped, read as a whole every PERIOD seconds.

Pages are half random, half empty, so that they compress to about a half. After each round it drops pages of a scratch
area, since an emulated processor keeps accessed bits until its translations are flushed. The log gets a line a round:
the word's number, when it was due and when it was over (CLOCK_MONOTONIC).
"""

import mmap
import os
import sys
import time

MIB = 1 << 20
PAGE = 4096
_SCRATCH = 64 * PAGE
_ONES = bytes([1]) * (MIB // PAGE)


class Track:
    """One word's memory. ``touch`` goes over it once."""

    def __init__(self, word: str) -> None:
        self.kind, *words = word.split(":")
        self.period = float(words[-1])
        self.at = 0
        self.window = self.step = 0
        if self.kind == "file":
            self.size = int(words[2])
            file = os.open(words[0], os.O_RDONLY)
            self.memory = mmap.mmap(file, self.size * MIB, prot=mmap.PROT_READ, offset=int(words[1]) * MIB)
            self.memory.madvise(mmap.MADV_RANDOM)
            return
        self.size = int(words[0])
        self.window = self.size
        if self.kind == "drift":
            self.window, self.step = int(words[1]), int(words[2])
        self.memory = mmap.mmap(-1, self.size * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.memory.madvise(mmap.MADV_NOHUGEPAGE)
        block = b"".join(os.urandom(PAGE // 2) + bytes(PAGE // 2) for _ in range(MIB // PAGE))
        for at in range(self.size):
            self.memory[at * MIB : (at + 1) * MIB] = block

    def touch(self) -> None:
        """Go over it."""
        if self.kind == "file":
            for at in range(self.size):
                self.memory[at * MIB : (at + 1) * MIB : PAGE]
        else:
            for number in range(self.window):
                at = (self.at + number) % self.size
                self.memory[at * MIB : (at + 1) * MIB : PAGE] = _ONES
            self.at = (self.at + self.step) % self.size


def main() -> None:
    """Touch until killed."""
    log = open(sys.argv[1], "w", buffering=1)  # noqa: SIM115 - for as long as the process lives
    scratch = mmap.mmap(-1, _SCRATCH, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    tracks = [Track(word) for word in sys.argv[2:]]
    for track in tracks:
        track.touch()
    began = time.monotonic()
    log.write(f"ready {began:.3f}\n")
    due = [began + track.period if track.period else float("inf") for track in tracks]
    while True:
        for index, track in enumerate(tracks):
            if time.monotonic() >= due[index]:
                track.touch()
                now = time.monotonic()
                log.write(f"{index} {due[index]:.3f} {now:.3f}\n")
                due[index] = max(due[index] + track.period, now)
        scratch[::PAGE] = bytes(_SCRATCH // PAGE)
        scratch.madvise(mmap.MADV_DONTNEED)
        time.sleep(max(0.0, min(0.5, min(due) - time.monotonic())))


if __name__ == "__main__":
    main()
