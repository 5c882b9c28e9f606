"""Each check of ``guest/`` on each kernel that it is for, as a test of its own."""

from __future__ import annotations

import json

import pytest

from tests.kernel import guest, kernels
from tests.kernel.conftest import Machines

CASES = [
    pytest.param(series, check, id=f"{series}-{check.name}")
    for series in kernels.SERIES
    for check in guest.registered().values()
    if series in check.on
]


@pytest.mark.kernel
@pytest.mark.parametrize(("series", "check"), CASES)
def test_in_guest(machines: Machines, series: str, check: guest.Check, note: list[str]) -> None:
    vm = machines.get(series)
    boots = vm.boots
    result = vm.run(check.name, check.limit)
    if vm.boots > boots:
        note.append(f"Linux {vm.kernel}, ready after {vm.boot_seconds:.1f} s")
    facts = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in result.facts.items())
    note.append(f"{result.outcome:7} {result.seconds:6.1f} s  {check.name}  {facts}".rstrip())
    if result.outcome == "skipped":
        pytest.skip(result.text)
    if result.outcome == "failed":
        pytest.fail(f"{check.title}\n{result.text}", pytrace=False)
