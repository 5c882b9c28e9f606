"""Reading stays within its budget, which is known before it is spent: bombs are one sentence, at little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from damontui.records.files import FORMATS
from tests.records.bombs import BOMBS

_READ = """
import resource, sys
from damontui import cli
from damontui.errors import SourceError
from damontui.records import files
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    table = files.read(sys.argv[1], memory=int(sys.argv[2]))
    said = f"read {len(table)}"
except SourceError as error:
    said = str(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, said)
"""


def reading(path: Path, memory: int) -> tuple[int, str]:
    """Bytes that reading took at most, beside what the program takes anyway, and what came of it."""
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path), str(memory)], capture_output=True, text=True, timeout=120, check=True
    )
    kilobytes, _, said = done.stdout.strip().partition(" ")
    return int(kilobytes) * 1024, said


@pytest.mark.parametrize(
    "name", ["members", "empty_members", "counts", "lists", "objects", "strings", "trace", "sizes_that_lie"]
)
def test_a_bomb_is_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb"
    BOMBS[name](path)
    assert path.stat().st_size < 80e6
    memory = 200 << 20
    taken, said = reading(path, memory)
    if name == "sizes_that_lie":  # each is damaged, and nothing else is
        assert said == "read 0"
    else:
        assert said.startswith(f"cannot read {path}: that takes more than 200 MiB of memory; if it is to be trusted")
        assert "--memory 800M" in said
    assert taken < memory


@pytest.mark.parametrize(("suffix", "regions"), [(".damontui", 750_000), (".json", 600_000), (".trace", 400_000)])
def test_what_is_allowed_takes_no_more_than_was_counted(tmp_path: Path, suffix: str, regions: int) -> None:
    from damontui.damon.attrs import Attrs
    from damontui.damon.snapshot import Description, Snapshot, ints
    from damontui.records import files
    from damontui.records.table import table_of

    each = 1000
    bounds = ints(range(0, (each + 1) * 4096, 4096))
    ones = ints([1] * each)
    attrs = Attrs(goal=None)
    many = [
        Snapshot(
            time=float(n + 1), began=float(n), wall=1e9 + n, attrs=attrs, next_attrs=attrs, origin="kernel",
            start=bounds[:-1], end=bounds[1:], nr_accesses=ones, age=ones, target=ones - 1,
        )
        for n in range(regions // each)
    ]  # fmt: skip
    path = tmp_path / f"large{suffix}"
    files.write(table_of(Description("a", "a", "kernel", attrs), many), path, FORMATS[suffix])
    memory = 250 << 20
    taken, said = reading(path, memory)
    assert said == f"read {len(many)}"
    assert taken < memory
    assert "takes more" in reading(path, memory // 3)[1]
