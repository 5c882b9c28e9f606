"""Runs the loads for hours, looks at them once in a while, and says what grew. Exit status 1 where something did."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.loads import LOADS

WARM = 0.25
"""Share of the run that is not judged: imports, caches, a history that fills."""
ROOM = 0.10
"""Share of its memory by which a load may grow after that: what an allocator does not give back."""


@dataclass
class Seen:
    """What one load held at each look: seconds, resident bytes, open files, threads."""

    rows: list[tuple[float, int, int, int]] = field(default_factory=list)

    def look(self, pid: int, at: float) -> None:
        """Look at a process; a load that has ended is looked at no more."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            resident = int(status.partition("VmRSS:")[2].split()[0]) * 1024
            self.rows.append((at, resident, len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))))
        except (OSError, IndexError, ValueError):
            return

    def judged(self) -> list[tuple[float, int, int, int]]:
        """The looks after it was warm."""
        last = self.rows[-1][0] if self.rows else 0.0
        return [row for row in self.rows if row[0] >= WARM * last]

    def grew(self) -> str:
        """What grew, "" where nothing did: the means of the first and the last third are compared."""
        rows = self.judged()
        third = max(1, len(rows) // 3)
        words = []
        for column, name in ((1, "memory"), (2, "open files"), (3, "threads")):
            before = sum(row[column] for row in rows[:third]) / third
            after = sum(row[column] for row in rows[-third:]) / third
            if after > before * (1 + ROOM) + (0 if column == 1 else 0.5):
                words.append(name)
        return ", ".join(words)


def main(words: list[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between looks")
    parser.add_argument("--only", choices=sorted(LOADS))
    parser.add_argument("--looks", type=Path, help="a file for every look, as it is made: load, seconds, bytes, files")
    chosen = parser.parse_args(words)
    seconds = chosen.hours * 3600
    names = [chosen.only] if chosen.only else list(LOADS)
    environ = os.environ | {"DAMONTUI_READ_ONLY": "1", "DAMONTUI_MADE_UP_KERNEL": "1", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "tests.soak.loads"]
    running = {
        name: subprocess.Popen(
            [*command, name, str(seconds)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
        )
        for name in names
    }
    seen = {name: Seen() for name in names}
    began = time.monotonic()
    failed = False
    try:
        while any(process.poll() is None for process in running.values()) and time.monotonic() < began + seconds + 60:
            time.sleep(min(chosen.every, max(1.0, seconds / 20)))
            for name, process in running.items():
                seen[name].look(process.pid, time.monotonic() - began)
            if chosen.looks is not None:
                chosen.looks.write_text(
                    "".join(f"{name} {row[0]:.0f} {row[1]} {row[2]}\n" for name in seen for row in seen[name].rows)
                )
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
    print(f"{'load':<10}{'hours':>7}{'looks':>7}{'RSS MiB':>18}{'most':>7}{'files':>12}{'threads':>10}  status, grew")
    for name, process in running.items():
        said = process.communicate()[0].decode("utf-8", "replace")
        rows = seen[name].judged()
        if not rows:
            print(f"{name:<10} never seen; status {process.returncode}: {said[-2000:]}")
            failed = True
            continue
        grew = seen[name].grew()
        bad = grew or ("" if process.returncode == 0 else f"it ended with {process.returncode}: {said[-2000:]}")
        failed |= bool(bad)
        first, last, most = rows[0], rows[-1], max(row[1] for row in seen[name].rows)
        memory = f"{first[1] >> 20} → {last[1] >> 20}"
        print(
            f"{name:<10}{last[0] / 3600:>7.2f}{len(seen[name].rows):>7}{memory:>18}{most >> 20:>7}"
            f"{f'{first[2]} → {last[2]}':>12}{f'{first[3]} → {last[3]}':>10}  {process.returncode} {bad or 'nothing'}",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
