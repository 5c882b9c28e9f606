"""What every test needs: nothing below the real /sys is ever written, and the environment decides nothing."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# the same examples in every run, and none fails for being slow on a busy machine; to look for new ones:
# pytest --hypothesis-profile=search
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("steady")

os.environ["DAMONTUI_READ_ONLY"] = "1"
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
