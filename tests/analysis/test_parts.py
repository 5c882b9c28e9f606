"""Parts of the time: few of them, nothing lost, and what is copied goes its own way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from damontui.analysis.parts import Parts


@given(st.integers(1, 500))
def test_nothing_is_lost_and_all_but_the_newest_are_as_long(count: int) -> None:
    parts: Parts[int] = Parts(4)
    for _ in range(count):
        parts.add(1)
    assert sum(parts.sums) == count
    assert len(parts.sums) <= 8
    assert len(set(parts.sums[:-1])) <= 1
    assert parts.sums[-1] <= parts.sums[0]


def test_a_copy_goes_its_own_way() -> None:
    parts: Parts[int] = Parts(4)
    parts.add(1)
    other = parts.copy()
    other.add(2)
    other.add_to_last(3)
    assert (parts.sums, other.sums) == ([1], [1, 5])
