"""One kdamond of our own over sysfs: set up, tuned, read and taken away; others' are never touched."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from damontui.damon.attrs import Attrs, IntervalsGoal
from damontui.errors import SourceError
from damontui.kernel import damon_sysfs
from damontui.kernel.damon_sysfs import Kdamond, SysfsKdamond, SysfsTarget
from damontui.kernel.root import KernelError
from tests.fake_sysfs import ADMIN, CONTEXT, FakeSysfs

HERE = CONTEXT.removeprefix(ADMIN + "/")
ATTRS = Attrs(sample_us=7_000, aggr_us=140_000, update_us=1_000_000, min_regions=20, max_regions=200)


@pytest.fixture
def kernel(tmp_path: Path) -> FakeSysfs:
    return FakeSysfs(tmp_path)


def make(kernel: FakeSysfs, **kwargs: bool) -> Kdamond:
    targets = (SysfsTarget(ranges=((4096, 8192), (1 << 20, 1 << 30))), SysfsTarget(pid=42))
    return Kdamond(kernel.root, "paddr", targets, ATTRS, pause=kernel.advance, **kwargs)


def test_everything_is_written_before_it_is_turned_on(kernel: FakeSysfs) -> None:
    with make(kernel, tried_regions=True) as kdamond:
        assert kdamond.pid == kernel.running
        assert kdamond.running()
        assert kernel.commands == ["on"]
        assert kernel.sys(f"{HERE}/operations") == "paddr"
        intervals = f"{HERE}/monitoring_attrs/intervals"
        assert [kernel.sys(f"{intervals}/{n}") for n in ("sample_us", "aggr_us", "update_us")] == [
            "7000",
            "140000",
            "1000000",
        ]
        goal = [
            kernel.sys(f"{intervals}/intervals_goal/{n}")
            for n in ("access_bp", "aggrs", "min_sample_us", "max_sample_us")
        ]
        assert goal == ["400", "3", "5000", "10000000"]
        assert [kernel.sys(f"{HERE}/monitoring_attrs/nr_regions/{n}") for n in ("min", "max")] == ["20", "200"]
        assert kernel.sys(f"{HERE}/targets/0/regions/1/end") == str(1 << 30)
        assert kernel.sys(f"{HERE}/targets/1/pid_target") == "42"
        assert kernel.sys(f"{HERE}/schemes/0/access_pattern/sz/max") == str(2**63 - 1)
        assert damon_sysfs.survey(kernel.root) == [SysfsKdamond(0, "on", kdamond.pid)]
    assert kernel.sys("nr_kdamonds") == "0"
    assert kernel.running is None
    assert damon_sysfs.survey(kernel.root) == []


def test_regions_come_from_tried_regions(kernel: FakeSysfs) -> None:
    kernel.regions = [(i * 4096, (i + 1) * 4096, i, i + 1) for i in range(12)]
    with make(kernel, tried_regions=True) as kdamond:
        start, end, nr_accesses, age = kdamond.regions()
    assert start.tolist() == [i * 4096 for i in range(12)], "in the order of their numbers, not of their names"
    assert (end - start).tolist() == [4096] * 12
    assert nr_accesses.tolist() == list(range(12))
    assert age.tolist() == list(range(1, 13))


def test_tuned_intervals(kernel: FakeSysfs) -> None:
    with make(kernel) as kdamond:
        assert kdamond.kernel_tunes
        kernel.put(f"{CONTEXT}/monitoring_attrs/intervals/sample_us", "9000")
        assert (kdamond.tuned().sample_us, kdamond.tuned().aggr_us) == (9_000, 180_000)


def test_an_old_kernel_has_no_goal(tmp_path: Path) -> None:
    kernel = FakeSysfs(tmp_path, tunes=False)
    with make(kernel) as kdamond:
        assert not kdamond.kernel_tunes
        kdamond.commit(ATTRS.with_sample(8_000))
        assert kernel.commands[-1] == "commit"
        assert kernel.sys(f"{HERE}/monitoring_attrs/intervals/aggr_us") == "160000"


def test_what_others_set_up_is_left_alone(kernel: FakeSysfs) -> None:
    kernel.hold(300)
    kernel.put(f"{CONTEXT}/operations", "vaddr")
    with pytest.raises(SourceError, match="watch that one instead: damontui kdamond:300"):
        make(kernel).start()
    kernel.put(f"{ADMIN}/0/state", "off")
    with pytest.raises(SourceError, match="would wipe that; if it is not in use: echo 0"):
        make(kernel).start()
    assert kernel.root.writes == []


@pytest.mark.parametrize(
    "place", ["nr_contexts", "operations", "sample_us", "nr_targets", "start", "pid_target", "state"]
)
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EACCES])
def test_a_refusal_in_the_middle_leaves_nothing(kernel: FakeSysfs, place: str, number: int) -> None:
    kernel.root.write_faults[f"/{place}"] = number
    kdamond = make(kernel)
    with pytest.raises(SourceError) as caught:
        kdamond.start()
    assert "\n" not in str(caught.value)
    assert kernel.sys("nr_kdamonds") == "0"
    kdamond.stop()
    assert kernel.running is None


def test_damon_is_held(kernel: FakeSysfs) -> None:
    kernel.start()
    with pytest.raises(KernelError) as caught:
        make(kernel).start()
    assert caught.value.errno == errno.EBUSY
    assert kernel.sys("nr_kdamonds") == "0"


def test_a_kdamond_that_ended_by_itself(kernel: FakeSysfs) -> None:
    with make(kernel) as kdamond:
        kernel.end_kdamond()
        assert not kdamond.running()
    assert kernel.sys("nr_kdamonds") == "0"


def test_a_tree_that_somebody_replaced_is_not_ours(kernel: FakeSysfs) -> None:
    kdamond = make(kernel)
    kdamond.start()
    kernel.end_kdamond()
    kernel.put(f"{ADMIN}/0/pid", "999")
    kernel.put(f"{ADMIN}/0/state", "on")
    kdamond.stop()
    assert kernel.sys("0/state") == "on"
    assert kernel.sys("nr_kdamonds") == "1"


def test_a_busy_tree_is_waited_for(kernel: FakeSysfs) -> None:
    kdamond = make(kernel)
    kdamond.start()
    kernel.root.faults["/state"] = errno.EBUSY
    assert kdamond.running(), "busy: it serves another writer, so it runs"
    kernel.at(kernel.now + 1.0, kernel.root.faults.clear)
    kdamond.stop()
    assert kernel.sys("nr_kdamonds") == "0"


def test_an_operations_set_that_is_not_built_in(kernel: FakeSysfs) -> None:
    with pytest.raises(
        SourceError, match="offers only vaddr, fvaddr, paddr; boot a kernel built with CONFIG_DAMON_OTHER"
    ):
        Kdamond(kernel.root, "other", (), Attrs(goal=IntervalsGoal()), pause=kernel.advance).start()
    assert kernel.sys("nr_kdamonds") == "0"


def test_without_the_interface(tmp_path: Path) -> None:
    kernel = FakeSysfs(tmp_path)
    kernel.remove(ADMIN)
    with pytest.raises(SourceError, match="CONFIG_DAMON_SYSFS"):
        make(kernel).start()
