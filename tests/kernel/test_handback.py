"""What a killed run left is known as ours, and one command gives all of it back; on a made-up kernel."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from damontui import cli
from damontui.damon.attrs import Attrs
from damontui.errors import SourceError
from damontui.kernel import handback
from damontui.kernel.damon_sysfs import SysfsTarget
from damontui.kernel.features import survey
from damontui.output.doctor import doctor_object, report, terminal
from damontui.sources.catalog import catalog
from damontui.sources.foreign_kdamond import ForeignKdamond
from damontui.sources.own_kdamond import OwnKdamond
from tests.fake_kernel import ADMIN, PARAMETERS, TRACING, Stop
from tests.fake_sysfs import FakeSysfs

KILLED = 77_777
"""No process has that PID."""


def run(kernel: FakeSysfs) -> Iterator[object]:
    """A run that has taken DAMON_STAT, as far as its first event."""
    source = OwnKdamond(
        kernel.root,
        "paddr",
        lambda: (SysfsTarget(ranges=((4096, 65536),)),),
        Attrs(),
        target="paddr",
        title="physical memory",
        take=True,
        clock=kernel.clock,
        wall=kernel.wall,
        pause=kernel.advance,
    )
    source.__enter__()
    events = source.snapshots(Stop(kernel))
    next(events)
    return events


@pytest.fixture
def kernel(tmp_path: Path) -> FakeSysfs:
    """DAMON_STAT is on, and then a run takes it and is killed."""
    made = FakeSysfs(tmp_path, on=True)
    (tmp_path / "run").mkdir()
    made.kept = run(made)  # type: ignore[attr-defined]
    noted = handback.noted(made.root)
    assert noted is not None
    handback.note(made.root, dataclasses.replace(noted, pid=KILLED))
    (name,) = made.instances()
    folder = tmp_path / TRACING / "instances"
    (folder / name).rename(folder / f"damontui-{KILLED}")
    return made


def kdamond(kernel: FakeSysfs) -> int:
    assert kernel.running is not None
    return kernel.running


def test_all_of_it_is_seen(kernel: FakeSysfs) -> None:
    left = handback.survey(kernel.root)
    assert (left.kdamond, left.stat, left.traces) == (kdamond(kernel), True, (f"damontui-{KILLED}",))
    assert left.words == (
        f"a kdamond (PID {kdamond(kernel)}), DAMON_STAT switched off and the trace instance damontui-{KILLED}"
    )
    assert bool(left)
    assert not handback.Remains()


def test_doctor_knows_it_as_ours_and_names_the_command(kernel: FakeSysfs) -> None:
    found = survey(kernel.root, program="/opt/damontui", uid=0)
    text = report(found, terminal({}, is_terminal=False))
    assert f"An earlier run of damontui was killed and left a kdamond (PID {kdamond(kernel)})" in text
    assert "→ sudo /opt/damontui doctor --give-back" in text
    assert "somebody else" not in text
    assert found.holders == (f"an earlier run of this program, killed (kdamond {kdamond(kernel)})",)
    entries = [entry for entry in catalog(kernel.root, folder=kernel.folder) if entry.section == "kdamonds"]
    assert [entry.detail for entry in entries] == ["of an earlier run of this program, killed"]
    assert "nr_kdamonds" not in "".join(o.remedy for o in found.obstacles), "a remedy that wipes"
    (obstacle,) = (o for o in found.obstacles if o.target == "stat")
    assert obstacle.what.startswith("DAMON_STAT is off: an earlier run was killed")
    assert obstacle.remedy == "sudo /opt/damontui doctor --give-back"
    value = doctor_object(found, terminal({}, is_terminal=False), ())
    assert value["give_back"] == "sudo /opt/damontui doctor --give-back"
    assert "a kdamond" in value["left_behind"]


def test_a_kdamond_that_has_ended_by_itself_is_ours_as_long_as_it_is_set_up(kernel: FakeSysfs) -> None:
    """As one does whose process has ended: what is set up for it stays, and keeps others away."""
    pid = kdamond(kernel)
    kernel.end_kdamond()
    found = survey(kernel.root, program="/opt/damontui", uid=0)
    text = report(found, terminal({}, is_terminal=False))
    assert f"An earlier run of damontui was killed and left a kdamond (PID {pid}, which has ended)" in text
    assert "→ sudo /opt/damontui doctor --give-back" in text
    assert "somebody else" not in text
    assert "nr_kdamonds" not in "".join(o.remedy for o in found.obstacles), "a remedy that wipes"
    done = handback.give_back(kernel.root, pause=kernel.advance)
    assert done[0] == f"the kdamond (PID {pid}) is taken away"
    assert kernel.sys("nr_kdamonds") == "0"


def test_a_run_takes_away_what_is_set_up_for_a_kdamond_that_has_ended(kernel: FakeSysfs) -> None:
    kernel.end_kdamond()
    events = run(kernel)
    assert kernel.sys("nr_kdamonds") == "0"
    next(events)
    assert kernel.running is not None
    noted = handback.noted(kernel.root)
    assert noted is not None
    assert noted.pid != KILLED
    events.close()  # type: ignore[attr-defined]


def test_what_somebody_has_set_up_since_is_theirs(kernel: FakeSysfs) -> None:
    kernel.end_kdamond()
    # kept aside, so that the new one cannot have the old one's inode
    (kernel.folder / ADMIN / "0").rename(kernel.folder / "of the old one")
    kernel.root.write(f"{ADMIN}/nr_kdamonds", "0")
    kernel.root.write(f"{ADMIN}/nr_kdamonds", "1")
    left = handback.survey(kernel.root)
    assert left.kdamond == -1
    assert "somebody else" in report(survey(kernel.root, uid=0), terminal({}, is_terminal=False))
    handback.give_back(kernel.root, pause=kernel.advance)
    assert kernel.sys("nr_kdamonds") == "1"


def test_the_command_gives_everything_back(kernel: FakeSysfs, capsys: pytest.CaptureFixture[str]) -> None:
    pid = kdamond(kernel)
    done = handback.give_back(kernel.root, pause=kernel.advance)
    assert done == [
        f"the kdamond (PID {pid}) is taken away",
        "DAMON_STAT is switched on",
        f"the trace instance damontui-{KILLED} is removed",
    ]
    assert kernel.running is None
    assert kernel.sys("nr_kdamonds") == "0"
    assert (kernel.folder / PARAMETERS / "enabled").read_text().strip() == "Y"
    assert kernel.instances() == []
    assert not (kernel.folder / handback.NOTE).exists()
    assert handback.give_back(kernel.root, pause=kernel.advance) == []
    assert cli.main(["doctor", "--give-back", "--rootfs", str(kernel.folder)]) == 0
    assert capsys.readouterr().out == "nothing is left of a run that was killed\n"
    assert cli.main(["doctor", "--give-back", "--json", "--rootfs", str(kernel.folder)]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "given_back": []}


def test_a_run_that_goes_on_keeps_what_it_took(tmp_path: Path) -> None:
    kernel = FakeSysfs(tmp_path, on=True)
    (tmp_path / "run").mkdir()
    kernel.put(f"proc/{os.getpid()}/cmdline", "damontui")
    kept = run(kernel)
    assert not handback.survey(kernel.root)
    assert handback.give_back(kernel.root, pause=kernel.advance) == []
    assert kernel.running is not None
    found = survey(kernel.root, program="/opt/damontui", uid=0)
    assert found.left == ""
    (obstacle,) = (o for o in found.obstacles if o.target == "paddr")
    assert obstacle.what == f"another damontui (PID {os.getpid()}) monitors with a kdamond of its own"
    assert obstacle.remedy.endswith(f"kdamond:{kernel.running}")
    del kept


def test_read_only_gives_nothing_back_and_says_so(kernel: FakeSysfs, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--give-back", "--read-only", "--rootfs", str(kernel.folder)]) == 1
    assert "read-only" in capsys.readouterr().err
    assert kernel.running is not None
    assert (kernel.folder / handback.NOTE).exists()


def test_what_the_system_refuses_stays_noted(kernel: FakeSysfs) -> None:
    kernel.root.write_faults[f"{PARAMETERS}/enabled"] = errno.EACCES
    with pytest.raises(SourceError, match="cannot switch DAMON_STAT on"):
        handback.give_back(kernel.root, pause=kernel.advance)
    noted = handback.noted(kernel.root)
    assert noted is not None
    assert (noted.kdamond, noted.stat) == (-1, True)
    assert kernel.running is None
    kernel.root.write_faults.clear()
    assert "DAMON_STAT is switched on" in handback.give_back(kernel.root, pause=kernel.advance)


def test_somebody_elses_kdamond_is_left_alone(kernel: FakeSysfs) -> None:
    kernel.end_kdamond()
    kernel.put(f"{ADMIN}/nr_kdamonds", "0")
    kernel.hold(300)
    kernel.active = ""
    assert handback.survey(kernel.root).kdamond == -1
    done = handback.give_back(kernel.root, pause=kernel.advance)
    assert not any("kdamond" in clause for clause in done)
    assert kernel.sys("0/pid") == "300"


def test_damon_stat_that_somebody_switched_on_is_nothing_to_give_back(kernel: FakeSysfs) -> None:
    pid = kdamond(kernel)
    kernel.end_kdamond()
    kernel.start()
    left = handback.survey(kernel.root)
    assert (left.kdamond, left.ended, left.stat) == (pid, True, False)
    assert handback.give_back(kernel.root, pause=kernel.advance) == [
        f"the kdamond (PID {pid}) is taken away",
        f"the trace instance damontui-{KILLED} is removed",
    ]
    assert not (kernel.folder / handback.NOTE).exists()


def test_watched_it_is_said_whose_it_is(kernel: FakeSysfs) -> None:
    source = ForeignKdamond(
        kernel.root,
        kdamond(kernel),
        program="/opt/damontui",
        clock=kernel.clock,
        wall=kernel.wall,
        pause=kernel.advance,
    )
    with source:
        told = source.describe()
    assert told.title == f"kdamond {kdamond(kernel)} of an earlier run of this program, which was killed"
    assert told.notice == "its program was killed; to give it back: sudo /opt/damontui doctor --give-back"


def test_snapshot_stat_names_the_command(kernel: FakeSysfs, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["snapshot", "stat", "--rootfs", str(kernel.folder)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "killed" in said
    assert said.rstrip().endswith("doctor --give-back")
    assert "with e in" not in said
