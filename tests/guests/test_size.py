"""How small could it be: what `size` foresees is what comes back under ``memory.high``, with zram as swap.

A guest whose clock is hurried: what computes there takes as long as elsewhere, what sleeps nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.guests import guest, kernels
from tests.guests.conftest import Notes
from tests.guests.vm import Missing, Vm, requirements

ALL = os.environ.get("DAMONTUI_GUESTS") == "all"
IN_CI = "7.2-size.what_drifts_comes_back"
"""Each takes almost three minutes: all of them on request (``DAMONTUI_GUESTS=all``)."""
CHECKS = [
    pytest.param(series, check, id=f"{series}-{name}", marks=pytest.mark.xdist_group(f"size {series} {name}"))
    for series in ("7.2", "6.18", "6.12")
    for name, check in guest.registered().items()
    if name.startswith("size.") and (ALL or f"{series}-{name}" == IN_CI)
]


@pytest.fixture
def hurried(request: pytest.FixtureRequest) -> Iterator[Vm]:
    """A guest of its own, with the kernel's zram."""
    series = request.node.callspec.params["series"]
    try:
        requirements()
        kernels.modules(series, "zram")
    except (Missing, kernels.Unavailable) as reason:
        pytest.skip(str(reason))
    with Vm(series, hurried=True, modules=("zram",)) as vm:
        yield vm


@pytest.mark.kernel
@pytest.mark.parametrize(("series", "check"), CHECKS)
def test_in_guest_with_zram(hurried: Vm, series: str, check: guest.Check, note: Notes) -> None:
    result = hurried.run(check.name, check.limit)
    note.line(f"Linux {hurried.kernel}, hurried, ready after {hurried.boot_seconds:.1f} s")
    note.result(check.name, result)
    if result.outcome == "failed":
        pytest.fail(f"{check.title}\n{result.text}", pytrace=False)
