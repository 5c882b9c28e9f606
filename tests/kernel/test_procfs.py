from __future__ import annotations

from pathlib import Path

from damontui.kernel import procfs
from tests.fake_kernel import FakeKernel


def test_a_command_line_is_its_words_bounded_and_safe_to_show(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.task(31, "python", cmdline="python3\0/srv/run me.py\0--deep\0")
    kernel.task(32, "odd", cmdline="\x1b]0;title\x07\0x")
    kernel.task(33, "long", cmdline="a" * 100_000)
    assert procfs.command(kernel.root, 31) == "python3 /srv/run me.py --deep"
    assert "\x1b" not in procfs.command(kernel.root, 32)
    assert 0 < len(procfs.command(kernel.root, 33)) <= 4_096
    assert procfs.command(kernel.root, 34) == ""
