"""What every test needs: nothing below the real /sys is ever written, and the environment decides nothing."""

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

# the same examples in every run, and none fails for being slow on a busy machine; to look for new ones:
# pytest --hypothesis-profile=search
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("steady")

os.environ["DAMONTUI_READ_ONLY"] = "1"
# some hundred programs are started: each would compile all of its modules again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# a made-up tree is on no file system of the kernel's, and may be written to all the same (never the machine's own root)
os.environ["DAMONTUI_MADE_UP_KERNEL"] = "1"
for _name in (
    "NO_COLOR",
    "COLORTERM",
    "TEXTUAL_THEME",
    "TEXTUAL_COLOR_SYSTEM",
    "TEXTUAL_FILTERS",
    "COLUMNS",
    "LINES",
    "XDG_CONFIG_HOME",
):
    os.environ.pop(_name, None)
# a shell without job control starts its background jobs with some ignored, and so would our children be started
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)
os.environ["TERM"] = "xterm-256color"
os.environ["COLORTERM"] = "truecolor"
os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ["HOME"] = "/nonexistent-home-of-tests"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a kernel test that is skipped has failed: a missing tool must not look like a pass."""
    report = yield
    if report.skipped and item.get_closest_marker("kernel") and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"not skipped in CI: {reason}"
    return report


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file of this process may grow beyond 64 bytes: what a full disk is to it (SIGXFSZ is ignored by Python)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


LONGEST = 300.0
"""Seconds that a test of one process may take: kernels under emulation have limits of their own."""


class Watchdog(threading.Thread):
    """Kills the children of a test that does not end, so that what waits for them ends and shows what they said."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="watchdog")
        self.due = float("inf")

    def run(self) -> None:
        while True:
            time.sleep(1.0)
            if time.monotonic() < self.due:
                continue
            self.due = float("inf")
            for pid in sorted(_descendants(os.getpid()), reverse=True):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        command = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    continue
                print(f"\nkilled after {LONGEST:g} s: {pid} {command}", file=sys.__stderr__, flush=True)


def _descendants(pid: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            if parent == pid:
                found += [int(name), *_descendants(int(name))]
    return found


_watchdog = Watchdog()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """No test waits for ever for a child of its own."""
    if not _watchdog.is_alive():
        _watchdog.start()
    if not item.get_closest_marker("kernel"):
        _watchdog.due = time.monotonic() + LONGEST
    try:
        return (yield)
    finally:
        _watchdog.due = float("inf")
