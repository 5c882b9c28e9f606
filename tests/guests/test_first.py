"""What is known in the first second on kernels that have been up for a while, and how much is idle, by page frame.

Guests whose clock is hurried: ten minutes on their clock are about eighty seconds of ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.guests import guest, kernels
from tests.guests.conftest import Notes
from tests.guests.vm import Missing, Vm, requirements

CHECKS = [check for name, check in guest.registered().items() if name.startswith(("first.", "idle."))]
SERIES = ("7.2", "6.18")
ON_REQUEST = {
    ("6.18", "first.now_is_at_once"),
    ("6.18", "first.in_use_so_far_is_true"),
    ("6.18", "idle.idle_memory_by_a_kdamond_of_ours"),
}
"""What takes minutes and is checked on the other kernel anyway."""
CASES = [
    pytest.param(series, check, id=f"{series}-{check.name}", marks=pytest.mark.xdist_group(f"hurried {series}"))
    for series in SERIES
    for check in CHECKS
    if os.environ.get("DAMONTUI_GUESTS") == "all" or (series, check.name) not in ON_REQUEST
    if os.environ.get("DAMONTUI_GUESTS") != "once" or series == SERIES[0]
]


@pytest.fixture(scope="module")
def hurried() -> Iterator[dict[str, Vm]]:
    """The guest that runs now, by its series: one at a time."""
    running: dict[str, Vm] = {}
    yield running
    for vm in running.values():
        vm.close()


@pytest.mark.kernel
@pytest.mark.parametrize(("series", "check"), CASES)
def test_in_hurried_guest(hurried: dict[str, Vm], series: str, check: guest.Check, note: Notes) -> None:
    if series not in hurried:
        for name in list(hurried):
            hurried.pop(name).close()
        try:
            requirements()
            kernels.get(series)
        except (Missing, kernels.Unavailable) as reason:
            pytest.skip(str(reason))
        hurried[series] = Vm(series, hurried=True)
    vm = hurried[series]
    boots = vm.boots
    result = vm.run(check.name, check.limit)
    if vm.boots > boots and vm.kernel:
        note.line(f"Linux {vm.kernel}, hurried, ready after {vm.boot_seconds:.1f} s")
    note.result(check.name, result)
    if result.outcome == "failed":
        pytest.fail(f"{check.title}\n{result.text}", pytrace=False)
