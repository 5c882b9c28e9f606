"""Names of physical memory."""

from __future__ import annotations

from pathlib import Path

from damontui.damon.snapshot import ints
from damontui.kernel.root import Root
from damontui.kernel.zones import zones

TEXT = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 1
  pages free     3840
        spanned  4095
        present  3998
  start_pfn:           1
Node 0, zone   Normal
  pages free     100
        spanned  1048576
  start_pfn:           1048576
Node 0, zone  Movable
        spanned  0
  start_pfn:           0
Node 1, zone   Normal
        spanned  100
  start_pfn:           2097152
"""


def test_regions_are_named_by_node_and_zone(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/zoneinfo").write_text(TEXT)
    found = zones(Root(tmp_path))
    assert found.labels == ("node 0 DMA", "node 0 Normal", "node 1 Normal")
    pages = ints([0, 2, 5000, 1048576, 2097152 + 99, 2097152 + 101])
    assert found.names(pages * 4096, (pages + 1) * 4096) == (
        "", "node 0 DMA", "", "node 0 Normal", "node 1 Normal", "",
    )  # fmt: skip


def test_a_kernel_that_does_not_tell(tmp_path: Path) -> None:
    assert zones(Root(tmp_path)).names(ints([0]), ints([1])) == ("",)
