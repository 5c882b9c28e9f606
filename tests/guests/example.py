"""What the README shows of a real kernel: ``python -m tests.guests.example`` prints it again, from a guest.

In the guest this file is run by itself: a load with a known truth, and the program beside it as a user would start it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.guests import kernels
from tests.guests.guest.load import MIB, Area, Load
from tests.guests.vm import GuestFailed, Missing, Vm

SERIES = "7.2"
AREAS = [
    Area("always", 96 * MIB, 0.5),
    Area("4 s", 200 * MIB, 4),
    Area("30 s", 300 * MIB, 30),
    Area("never", 700 * MIB, 0),
]
WORDS = ["snapshot", "stat", "--count", "20"]
"""Enough for the idle times to pass two minutes."""


def inside() -> int:
    """In the guest: the load, and the last of what the program prints."""
    program = str(Path(sys.prefix) / "bin" / "damontui")
    with tempfile.TemporaryDirectory() as folder, Load(AREAS, Path(folder)):
        done = subprocess.run([program, *WORDS], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    blocks = done.stdout.split("\n\nDAMON_STAT ")
    print("DAMON_STAT " + blocks[-1].strip() if done.returncode == 0 else done.stderr)
    return done.returncode


def main() -> int:
    """Boot the guest and print."""
    if os.environ.get("DAMONTUI_GUEST"):
        return inside()  # a guest's environment says so
    try:
        with Vm(SERIES, memory=3072, hurried=True) as vm:
            result = vm.command([sys.executable, "-m", "tests.guests.example"], 1500)
            print(result.facts.get("output", result.text), end="")
            print(f"Linux {vm.kernel}", file=sys.stderr)
            return int(result.facts.get("status", 1))
    except (Missing, kernels.Unavailable, GuestFailed) as error:
        print(f"example: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
