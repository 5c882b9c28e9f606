"""What idle memory includes is said of every reason there is, and what a row of owners is called of every row."""

from __future__ import annotations

import pytest

from damontui.analysis.frames import Untold
from damontui.analysis.owners import ELSEWHERE, FREE, GROUP, HOLE, KERNEL, REST, ZONE, OwnerRow
from damontui.analysis.usage import Amount
from damontui.damon.snapshot import Group
from damontui.phrases import deleted, how_sure, idle_said, included, included_sentence, row_name


def test_what_idle_memory_includes() -> None:
    said = {one: (included(one), included_sentence(one)) for one in Untold}
    assert said == {
        Untold.FREE: (
            "free included",
            "What of this memory is free is not known here: free memory looks idle, and is counted as idle.",
        ),
        Untold.ABSENT: (
            "not all in memory",
            "How much of these addresses is in memory is not known here: what is not looks idle, and is counted as "
            "idle.",
        ),
        Untold.FREE_BY_RULE: ("free included", "The kernel's rule takes free memory for idle."),
    }


def row(what: str, path: str = "", group: Group | None = None, members: int = 1) -> OwnerRow:
    return OwnerRow(what, path, 1, Amount(0.0, 0.0, 0.0), {}, (), group, members=members)


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (row(GROUP, "/system.slice/nginx.service"), "nginx.service"),
        (row(GROUP, "/"), "the root group"),
        (row(ZONE, "node 0 Normal"), "node 0 Normal"),
        (row(REST, members=3), "3 small groups"),
        (row(KERNEL), "the kernel, no group"),
        (row(ELSEWHERE), "groups not seen from here"),
        (row(FREE), "free"),
        (row(HOLE), "holes, no memory"),
    ],
)
def test_what_a_row_of_owners_is_called(of: OwnerRow, name: str) -> None:
    assert row_name(of) == name


@pytest.mark.parametrize(
    ("group", "said"),
    [
        (None, ""),
        (Group("/a"), ""),
        (Group("/a", gone=True), "deleted"),
        (Group("/a", dying=2), "+2 deleted"),
    ],
)
def test_that_a_group_is_gone_is_said(group: Group | None, said: str) -> None:
    assert deleted(row(GROUP, "/a", group)) == said


@pytest.mark.parametrize(
    ("least", "mib", "most", "said"),
    [
        (100, 100, 100, ""),
        (99.6, 100, 100.4, ""),  # less than what the digits leave open
        (0, 0.5, 1.9, ""),
        (60, 100, 140, " ± 40.0 MiB"),
        (60, 70, 140, " ± 40.0 MiB"),
        (60, 68, 140, " (at most 140 MiB)"),
        (0, 0, 3072, " (at most 3 GiB)"),
        (60, 132, 140, " (at least 60.0 MiB)"),
        (512, 2048, 2048, " (at least 512 MiB)"),
    ],
)
def test_how_sure_a_number_is(least: float, mib: float, most: float, said: str) -> None:
    assert how_sure(Amount(least * (1 << 20), mib * (1 << 20), most * (1 << 20))) == said


def test_idle_memory_of_which_some_is_free_is_an_upper_bound_and_none_is_none() -> None:
    def idle(mib: float) -> Amount:
        return Amount(mib * (1 << 20), mib * (1 << 20), mib * (1 << 20))

    assert idle_said(idle(3), Untold.FREE) == ("≤ 3 MiB", " (free included)")
    assert idle_said(idle(0), Untold.FREE) == ("0 B", "")
    assert idle_said(idle(3), None) == ("3 MiB", "")
    assert idle_said(Amount(2 << 20, 3 << 20, 8 << 20), None)[1] == " ± 3 MiB"
