"""One epoch, and what those before it said, without a process or a curve around them."""

import numpy as np
import pytest

from damontui.operations.epochs import Epoch, Former
from damontui.operations.within import used_within

SECONDS = np.array([1.0, 2.0, 4.0, 8.0])


def epoch(began: float, *readings: tuple[float, float]) -> Epoch:
    """Of one mapping: seconds after the clear, and bytes touched since."""
    found = Epoch(began, 1)
    for after, read in readings:
        found.add(after, np.array([read]), np.zeros(1))
    return found


def test_the_curve_of_a_steady_epoch_is_what_was_read() -> None:
    found = used_within(epoch(0.0, (1.0, 10.0), (2.0, 15.0), (4.0, 20.0)), Former(), np.array([50.0]), SECONDS[:3])
    assert found.bytes.tolist() == [[10, 15, 20]]
    assert found.least.tolist() == [[0, 5, 20]]  # what came between two readings may have come before the time began
    assert found.most.tolist() == [[20, 20, 20]]


def test_longer_than_the_epoch_the_former_one_tells() -> None:
    former = Former()
    first = epoch(0.0, (1.0, 10.0), (4.0, 40.0))
    former.end(first, used_within(first, former, np.array([50.0]), SECONDS[:3]), SECONDS[:3], watched=4.0)
    assert former.ago(np.array([1.0, 3.0, 9.0]), "bytes", 1).tolist() == [[10, 30, 40]]
    assert former.known(2.0, 1).tolist() == [10]
    found = used_within(epoch(4.0, (1.0, 10.0)), former, np.array([50.0]), SECONDS)
    assert found.bytes[0].tolist() == pytest.approx([10, 10, 30, 40])


def test_news_of_an_epoch_makes_the_ones_before_unlike() -> None:
    former = Former()
    for changed, alike in ((False, 1), (False, 2), (True, 0), (False, 1)):
        one = epoch(0.0, (1.0, 10.0), (4.0, 40.0))
        one.changed = changed
        former.end(one, used_within(one, former, np.array([50.0]), SECONDS[:3]), SECONDS[:3], watched=4.0)
        assert len(former.alike) == alike


def test_memory_that_came_and_went_within_the_epoch_was_not_the_former_s() -> None:
    one = epoch(0.0, (1.0, 30.0))
    one.grown += 20.0
    gone, lost = np.array([25.0]), np.array([25.0])
    assert one.take_freed(gone, lost, np.array([5.0])).tolist() == [5]
    assert one.grown.tolist() == [0]
    assert one.read[-1].tolist() == [5]


def test_long_watching_takes_bounded_memory() -> None:
    one = epoch(0.0, *((float(at), float(min(at, 100))) for at in range(1, 2000)))
    assert len(one.times) <= 240
    assert len(one.read) == len(one.excess) == len(one.times)
    found = used_within(one, Former(), np.array([200.0]), np.array([50.0]))
    assert found.bytes[0, 0] == pytest.approx(50, rel=0.05)
