"""One guest a kernel for all of its checks; what they measured and how long they took, at the end of the run."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.guests import kernels
from tests.guests.vm import Missing, Result, Vm, requirements

FACT = "kernel fact"


class Machines:
    """The guest that runs now: asking for another series ends it, so that a worker never runs two at once."""

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


class Notes:
    """Lines for the end of the run, under the heading of the test's kernel."""

    def __init__(self, item: pytest.Item, series: str) -> None:
        self._item = item
        self._series = series

    def line(self, text: str) -> None:
        """Add one. It travels with the test's report, since tests may run in other processes."""
        self._item.user_properties.append((FACT, [self._series, text]))

    def result(self, name: str, result: Result) -> None:
        """Add the line of a check."""
        facts = " ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in result.facts.items())
        self.line(f"{result.outcome:7} {result.seconds:6.1f} s  {name}  {facts}".rstrip())


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Notes:
    """Where a test of one kernel puts what it measured."""
    return Notes(request.node, request.node.callspec.params["series"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the facts of each kernel."""
    found: dict[str, list[str]] = {series: [] for series in kernels.SERIES}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
                if name == FACT:
                    found[value[0]].append(value[1])
    for series, lines in found.items():
        if lines:
            seconds = sum(float(line.split()[1]) for line in lines if line.split()[2:3] == ["s"])
            checks = sum(line.split()[2:3] == ["s"] for line in lines)
            terminalreporter.section(f"kernel {series}: {checks} checks in {seconds:.0f} s")
            for line in lines:
                terminalreporter.write_line(line)
