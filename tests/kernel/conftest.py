"""One guest a kernel for all of its checks; what they measured and how long a batch took, at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel import kernels
from tests.kernel.vm import Missing, Vm, requirements

FACTS = pytest.StashKey[dict[str, list[str]]]()


class Machines:
    """The guest that runs now: asking for another series ends it, so that two never run at once."""

    def __init__(self) -> None:
        self._vm: Vm | None = None

    def get(self, series: str) -> Vm:
        """The guest of ``series``; it boots at its first check. Skips where it cannot be had."""
        if self._vm is None or self._vm.series != series:
            self.close()
            try:
                requirements()
                kernels.get(series)
            except (Missing, kernels.Unavailable) as reason:
                pytest.skip(str(reason))
            self._vm = Vm(series)
        return self._vm

    def close(self) -> None:
        """End it."""
        if self._vm is not None:
            self._vm.close()
            self._vm = None


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    """Guests, one at a time. No fixture a series: pytest would make one anew for every test."""
    held = Machines()
    yield held
    held.close()


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Lines for the end of the run, under the heading of the test's kernel."""
    lines: list[str] = []
    yield lines
    series = request.node.callspec.params["series"]
    request.config.stash.setdefault(FACTS, {}).setdefault(series, []).extend(lines)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the facts of each kernel."""
    for series, lines in config.stash.get(FACTS, {}).items():
        terminalreporter.section(f"kernel {series}")
        for line in lines:
            terminalreporter.write_line(line)
