"""Each check of ``guest/`` on each kernel that it is for, as a test of its own.

With ``-n 2 --dist loadgroup`` two kernels run side by side: a guest has one processor, so each takes one of ours.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.guests import guest, kernels, on_host
from tests.guests.conftest import Machines, Notes

SECOND = ("app", "stat")
"""Modules whose checks, where each is run once, go to the second of their kernels: both kernels take as long then."""


def on(check: guest.Check) -> tuple[str, ...]:
    """The kernels that a check is run on: one of its own where emulation is slow (``DAMONTUI_GUESTS=once``)."""
    if os.environ.get("DAMONTUI_GUESTS") != "once":
        return check.on
    first = int(check.name.partition(".")[0] in SECOND and len(check.on) > 1)
    return check.on[first : first + 1]


CASES = [
    pytest.param(series, check, id=f"{series}-{check.name}", marks=pytest.mark.xdist_group(series))
    for series in kernels.SERIES
    for check in guest.registered().values()
    if series in on(check)
]


@pytest.mark.kernel
@pytest.mark.parametrize(("series", "check"), CASES)
def test_in_guest(machines: Machines, series: str, check: guest.Check, note: Notes, tmp_path: Path) -> None:
    vm = machines.get(series)
    boots, accidents = vm.boots, len(vm.accidents)
    try:
        result = vm.run(check.name, check.limit)
    finally:
        for accident in vm.accidents[accidents:]:
            note.line(f"again: {accident}")
        if vm.boots > boots and vm.kernel:
            note.line(f"Linux {vm.kernel}, ready after {vm.boot_seconds:.1f} s")
    try:
        on_host.after(check.name, result, tmp_path)
    finally:
        note.result(check.name, result)
    if result.outcome == "skipped":
        pytest.skip(result.text)
    if result.outcome == "failed":
        pytest.fail(f"{check.title}\n{result.text}", pytrace=False)
