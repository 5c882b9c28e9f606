"""A masim configuration is a target like any other."""

import math
import threading
from itertools import islice
from pathlib import Path

import pytest

from damontui.damon.snapshot import Snapshot
from damontui.errors import UsageError
from damontui.sources.choose import choose
from damontui.sources.options import Options

CONFIGURATION = Path(__file__).parent.parent / "data" / "masim" / "two-stages.cfg"


def test_a_configuration_is_simulated_with_its_truth(tmp_path: Path) -> None:
    source = choose(str(CONFIGURATION), Options(rootfs=str(tmp_path), seed=2, speed=math.inf))
    about = source.describe()
    assert (about.origin, about.title) == ("simulated", "synthetic memory: two-stages.cfg")
    with source:
        snapshots = [one for one in islice(source.snapshots(threading.Event()), 60) if isinstance(one, Snapshot)]
    assert set(snapshots[-1].names) <= {"table", "notes", "spare"}
    assert snapshots[0].truth is not None
    assert snapshots[0].truth.working_set_bytes == 65 << 20


def test_a_broken_or_missing_one_is_refused_before_there_is_a_screen(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.cfg: no such file"):
        choose(str(tmp_path / "none.cfg"), Options(rootfs=str(tmp_path)))
    broken = tmp_path / "broken.cfg"
    broken.write_text("a, 4096\n\nphase\nsoon\na, 1, 0, 1\n")
    with pytest.raises(UsageError, match=r"broken\.cfg, line 4: 'soon'"):
        choose(str(broken), Options(rootfs=str(tmp_path)))
