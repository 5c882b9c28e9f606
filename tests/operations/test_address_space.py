"""What is mapped, by itself: ranges that are shown, memory that moves between mappings, and what was shown before."""

import numpy as np

from damontui.damon.snapshot import ints
from damontui.kernel.process_files import Smaps
from damontui.operations.address_space import AddressSpace, Shape, Shown, moves

PAGE = 4096


def space(*mappings: tuple[int, int, str]) -> AddressSpace:
    """Of private memory: first page, page after the last, path."""
    headers = [f"{a * PAGE:x}-{b * PAGE:x} rw-p 00000000 00:00 0 {path}".encode() for a, b, path in mappings]
    nothing = np.zeros(len(headers), np.int64)
    return AddressSpace.of(Smaps(headers, [b"\nVmFlags: rd wr\n"] * len(headers), nothing, nothing))


def pages(shape: Shape) -> list[tuple[int, int]]:
    return list(zip((shape.start // PAGE).tolist(), (shape.end // PAGE).tolist(), strict=True))


def test_mappings_that_touch_share_a_range_those_of_one_name_first() -> None:
    libraries = space((0, 1, "/a"), (1, 2, "/a"), (2, 3, "/b"), (9, 10, "/c"))
    assert pages(Shape.of(libraries, 4)) == [(0, 1), (1, 2), (2, 3), (9, 10)]
    assert pages(Shape.of(libraries, 3)) == [(0, 2), (2, 3), (9, 10)]
    assert pages(Shape.of(libraries, 1)) == [(0, 3), (9, 10)]
    assert Shape.of(libraries, 1).place.tolist() == [0, 0, 0, 1]


def test_memory_follows_its_name_to_where_it_overlaps() -> None:
    rows, columns, shares = moves(space((0, 4, "/a"), (8, 9, "/b")), space((0, 1, "/a"), (1, 4, "/a"), (8, 9, "/c")))
    assert (rows.tolist(), columns.tolist(), shares.tolist()) == ([0, 1], [0, 0], [0.25, 0.75])


def test_regions_are_known_again_where_they_begin_and_end_alike() -> None:
    shown, before, after = Shown(), space((0, 1, "/a"), (2, 3, "/b")), space((0, 1, "/a"), (2, 4, "/b"))
    shape = shown.shape(before, 9)
    assert shown.shape(before, 9) is shape
    assert [one.tolist() for one in shown.former(shape)] == [[0, 0], [0, 0]]
    shown.keep(shape, ints([3, 5]), ints([7, 9]))
    assert [one.tolist() for one in shown.former(shape)] == [[3, 5], [7, 9]]
    assert [one.tolist() for one in shown.former(shown.shape(after, 9))] == [[3, 0], [7, 0]]
