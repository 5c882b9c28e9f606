"""DAMON_STAT's parameters, an own trace instance and /proc on made-up trees."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from damontui.errors import SourceError
from damontui.kernel import procfs
from damontui.kernel.damon_stat import ModuleState, StatModule
from damontui.kernel.root import KernelError, Root
from damontui.kernel.tracefs import Trace, find_tracefs
from tests.fake_kernel import ADMIN, FLAVOURS, PARAMETERS, TRACING, FakeKernel

OURS = f"damontui-{os.getpid()}"


def module(kernel: FakeKernel) -> StatModule:
    return StatModule(kernel.root, program="/opt/damontui", pause=kernel.advance)


def enabled(kernel: FakeKernel) -> str:
    return (kernel.folder / PARAMETERS / "enabled").read_text().strip()


# DAMON_STAT


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_its_kdamond_is_found_with_and_without_a_file_for_it(tmp_path: Path, flavour: str) -> None:
    kernel = FakeKernel(tmp_path, flavour, pid=77)
    assert module(kernel).state() == ModuleState(on=True, pid=77)
    kernel.end()
    assert module(kernel).state() == ModuleState(on=False)


def test_a_program_that_calls_itself_kdamond_is_none(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "6.18", pid=77)
    kernel.remove("proc/77")
    kernel.task(50, "kdamond.0", flags=0x40_0000)
    assert module(kernel).state() == ModuleState(on=False, failed=True)
    kernel.task(51, "kdamond.12")
    assert module(kernel).state() == ModuleState(on=True, pid=51)


def test_a_pid_that_was_found_is_looked_at_again(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "6.18", pid=77)
    stat = module(kernel)
    assert stat.state().pid == 77
    kernel.end()
    kernel.task(77, "bash", flags=0)  # the number is somebody else's now
    kernel.start(90)
    assert stat.state().pid == 90


def test_where_proc_hides_the_kernels_threads_the_word_is_all_there_is(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "6.18", pid=77)
    kernel.remove("proc/77")
    kernel.remove("proc/2")
    assert module(kernel).state() == ModuleState(on=True)


@pytest.mark.parametrize("busy", [False, True])
def test_a_kdamond_of_sysfs_is_not_taken_for_it(tmp_path: Path, busy: bool) -> None:
    kernel = FakeKernel(tmp_path, "6.18", on=False)
    kernel.hold(300)
    kernel.put(f"{PARAMETERS}/enabled", "Y")
    if busy:  # its own writer keeps it so
        kernel.root.faults[f"{ADMIN}/0/state"] = errno.EBUSY
        kernel.root.faults[f"{ADMIN}/0/pid"] = errno.EBUSY
    assert module(kernel).state() == ModuleState(on=False, failed=True)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_switching(tmp_path: Path, flavour: str) -> None:
    kernel = FakeKernel(tmp_path, flavour)
    stat = module(kernel)
    stat.switch(False)
    assert kernel.pid is None
    stat.switch(False)
    stat.switch(True)
    assert kernel.pid == 125
    assert [text for name, text in kernel.root.writes] == ["N", "Y"]


@pytest.mark.parametrize(("name", "title"), [("damon_reclaim", "DAMON_RECLAIM"), ("damon_lru_sort", "DAMON_LRU_SORT")])
def test_another_module_that_holds_damon_is_named(tmp_path: Path, name: str, title: str) -> None:
    kernel = FakeKernel(tmp_path, "7.2", on=False)
    kernel.active = name
    kernel.put(f"sys/module/{name}/parameters/enabled", "Y")
    kernel.put(f"sys/module/{name}/parameters/kdamond_pid", "61")
    with pytest.raises(SourceError) as caught:
        module(kernel).switch(True)
    assert str(caught.value) == (
        f"cannot switch DAMON_STAT on: DAMON is held by {title} (kdamond 61); "
        f"stop it first: echo N > {tmp_path}/sys/module/{name}/parameters/enabled"
    )


def test_a_holder_that_no_file_tells_of_is_found_in_proc(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "7.2", on=False)
    kernel.active = "a test module"
    kernel.task(61, "kdamond.0")
    with pytest.raises(SourceError, match=r"held by kdamond\.0 \(PID 61\)"):
        module(kernel).switch(True)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_after_a_refusal_the_switch_says_what_is_true(tmp_path: Path, flavour: str) -> None:
    kernel = FakeKernel(tmp_path, flavour, on=False)
    kernel.hold()
    with pytest.raises(SourceError):
        module(kernel).switch(True)
    assert enabled(kernel) == "N"


def test_a_start_that_failed_earlier_can_be_tried_again(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "6.18", on=False)
    kernel.put(f"{PARAMETERS}/enabled", "Y")  # writing Y again would do nothing
    module(kernel).switch(True)
    assert kernel.pid == 124
    assert [text for _, text in kernel.root.writes] == ["N", "Y"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_switch_that_does_not_take_is_an_error(tmp_path: Path, flavour: str) -> None:
    kernel = FakeKernel(tmp_path, flavour, on=False)
    kernel.stuck = True
    with pytest.raises(SourceError, match="no kdamond runs"):
        module(kernel).switch(True)
    assert kernel.now == pytest.approx(1001.0)
    other = FakeKernel(tmp_path / "other", flavour)
    other.stuck = True
    with pytest.raises(SourceError, match="its kdamond runs on"):
        module(other).switch(False)


@pytest.mark.parametrize(("fault", "words"), [(errno.EINVAL, "refused the value"), (errno.EIO, "input/output")])
def test_other_refusals_are_sentences(tmp_path: Path, fault: int, words: str) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    kernel.root.write_faults["enabled"] = fault
    with pytest.raises(SourceError, match=f"cannot switch DAMON_STAT off: .*{words}"):
        module(kernel).switch(False)


def test_only_root_may_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel(tmp_path, "7.2")
    kernel.root.write_faults["enabled"] = errno.EACCES
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SourceError) as caught:
        module(kernel).switch(False)
    assert str(caught.value) == "cannot switch DAMON_STAT off: only root may; run: sudo /opt/damontui stat"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SourceError, match="container"):
        module(kernel).switch(False)


# The trace instance


def test_an_instance_is_set_up_read_and_gone(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    with Trace(kernel.root, pid=124, pause=kernel.advance) as trace:
        assert kernel.instances() == [OURS] == [trace.name]
        assert dict(kernel.root.writes) == {
            f"{TRACING}/instances/{OURS}/{name}": text
            for name, text in {
                "buffer_size_kb": "512",
                "trace_clock": "mono",
                "events/damon/damon_aggregated/filter": "common_pid==124",
                "events/damon/damon_monitor_intervals_tune/filter": "common_pid==124",
                "events/damon/damon_monitor_intervals_tune/enable": "1",
                "events/damon/damon_aggregated/enable": "1",
            }.items()
        }
        assert trace.read() == b""
        kernel.feed(b" kdamond.0-124 [000] ..... 1.0: damon_aggregated: a\n")
        kernel.feed(b" kdamond.1-125 [000] ..... 1.0: damon_aggregated: b\n")
        assert trace.read() == b" kdamond.0-124 [000] ..... 1.0: damon_aggregated: a\n"
        assert trace.read() == b""
    assert kernel.instances() == []
    trace.close()


def test_a_kernel_without_tuning_has_one_event_less(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.remove(f"{TRACING}/events/damon/damon_monitor_intervals_tune")
    with Trace(kernel.root):
        assert not any("tune" in name for name, _ in kernel.root.writes)


def test_the_older_place_of_tracefs(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    (tmp_path / "sys/kernel/debug").mkdir()
    (tmp_path / TRACING).rename(tmp_path / "sys/kernel/debug/tracing")
    (tmp_path / TRACING).mkdir()  # there, but nothing is mounted on it
    assert find_tracefs(kernel.root) == "sys/kernel/debug/tracing"


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.task(20, "damontui", cmdline="/usr/bin/damontui\0stat")
    kernel.task(21, "bash", cmdline="bash")  # a number used again
    kernel.task(22, "damontui", state="Z", cmdline="")
    others = ["capture", "damontui-20", "damontui-20-2", "damontui-x", "foo-23"]
    for name in [*others, "damontui-21", "damontui-22", "damontui-23", "damontui-23-2", OURS]:
        (tmp_path / TRACING / "instances" / name).mkdir()
    with Trace(kernel.root):
        assert kernel.instances() == sorted([*others, OURS])
    assert kernel.instances() == sorted(others)


def test_two_sources_in_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.task(os.getpid(), "damontui", cmdline="damontui")
    with Trace(kernel.root):
        kernel.root.busy.add(OURS)
        with Trace(kernel.root):
            assert kernel.instances() == [OURS, f"{OURS}-2"]
        assert kernel.instances() == [OURS]
        kernel.root.busy.clear()
    assert kernel.instances() == []


def test_a_busy_instance_is_silenced(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    with Trace(kernel.root, pause=kernel.advance):
        kernel.root.busy.add(OURS)
    assert kernel.root.writes[-1] == (f"{TRACING}/instances/{OURS}/tracing_on", "0")


def test_not_mounted_says_how_to_mount(tmp_path: Path) -> None:
    root = Root(tmp_path)
    (tmp_path / TRACING).mkdir(parents=True)
    with pytest.raises(SourceError) as caught:
        find_tracefs(root)
    assert caught.value.remedy == f"run: mount -t tracefs tracefs {tmp_path}/sys/kernel/tracing"


def test_hidden_tracefs_and_missing_tracepoints(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="container"):
        find_tracefs(Root(tmp_path))
    kernel = FakeKernel(tmp_path / "kernel")
    kernel.remove(f"{TRACING}/events/damon")
    with pytest.raises(SourceError, match="no tracepoint"):
        find_tracefs(kernel.root)


def test_refusals_name_their_likeliest_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.root.faults[TRACING] = errno.EPERM
    kernel.put("sys/kernel/security/lockdown", "none integrity [confidentiality]")
    with pytest.raises(SourceError, match="lockdown"), Trace(kernel.root):
        pass
    kernel.put("sys/kernel/security/lockdown", "[none] integrity confidentiality")
    with pytest.raises(SourceError, match="container"), Trace(kernel.root):
        pass
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SourceError, match="only root"), Trace(kernel.root):
        pass


def test_read_only_makes_nothing(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, read_only=True)
    with pytest.raises(SourceError, match="read-only"), Trace(kernel.root):
        pass
    assert kernel.instances() == []


@pytest.mark.parametrize("name", ["trace_clock", "damon_aggregated/enable", "intervals_tune/enable", "trace_pipe"])
def test_what_fails_half_way_leaves_nothing(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.root.write_faults[name] = errno.EIO
    if name == "trace_pipe":
        monkeypatch.setattr(kernel, "fill_instance", lambda folder: (folder / "trace_clock").write_text(""))
    with pytest.raises(SourceError, match="cannot trace DAMON's regions"), Trace(kernel.root):
        pass
    assert kernel.instances() == []


def test_the_buffer_grows_up_to_a_bound(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    with Trace(kernel.root) as trace:
        sizes = []
        while trace.enlarge():
            sizes.append(trace.buffer_kb)
    assert sizes == [1024, 2048, 4096, 8192, 16384]


# /proc


def test_cost_age_sleeps_and_names(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, pid=9)
    root = kernel.root
    kernel.put("proc/9/schedstat", "412413056 112907044 750")
    kernel.put("proc/9/status", "Name:\tkdamond.0\nvoluntary_ctxt_switches:\t741\nnonvoluntary_ctxt_switches:\t9")
    kernel.advance(60)
    assert procfs.cpu_ns(root, 9) == 412_413_056
    assert procfs.sleeps(root, 9) == 741
    assert procfs.age(root, 9) == pytest.approx(3660)
    assert procfs.comm(root, 9) == "kdamond.0"
    assert (procfs.kernel_release(root), procfs.hostname(root)) == ("7.2.0-made-up", "made-up")
    assert procfs.own_pid(root, 1) == os.getpid()
    assert procfs.find_kdamonds(root) == {9: "kdamond.0"}


@pytest.mark.parametrize("text", [None, "", "garbage", "x y z", ") Z"])
def test_a_proc_that_tells_nothing(tmp_path: Path, text: str | None) -> None:
    kernel = FakeKernel(tmp_path, pid=9)
    for name in ("comm", "stat", "status", "schedstat"):
        if text is None:
            kernel.remove(f"proc/9/{name}")
        else:
            kernel.put(f"proc/9/{name}", text)
    assert procfs.cpu_ns(kernel.root, 9) is None
    assert procfs.sleeps(kernel.root, 9) is None
    assert procfs.age(kernel.root, 9) is None
    assert not procfs.is_kernel_thread(kernel.root, 9)
    assert procfs.find_kdamonds(kernel.root) == {}


def test_names_with_blanks_and_brackets_do_not_shift_the_fields(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.task(30, "a) Z (b", state="R")
    assert procfs.alive(kernel.root, 30)
    assert procfs.is_kernel_thread(kernel.root, 30)


def test_a_process_of_ours_lives_and_dies() -> None:
    root = Root("/")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert procfs.alive(root, process.pid)
    assert not procfs.is_kernel_thread(root, process.pid)
    age = procfs.age(root, process.pid)
    assert age is not None
    assert age >= 0
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not procfs.alive(root, process.pid)  # a zombie
    process.communicate()
    assert not procfs.alive(root, process.pid)


def test_system_ram(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path)
    assert procfs.system_ram(kernel.root) == [(0x1000, 0x9FC00), (0x100000, 0x7FFE0000)]
    kernel.put("proc/iomem", "00000000-00000000 : System RAM\n00000000-00000000 : System RAM")
    with pytest.raises(SourceError, match="root only"):
        procfs.system_ram(kernel.root)
    kernel.put("proc/iomem", "00000000-00000fff : Reserved")
    with pytest.raises(SourceError, match="no System RAM"):
        procfs.system_ram(kernel.root)
    kernel.remove("proc/iomem")
    with pytest.raises(KernelError, match="no such file"):
        procfs.system_ram(kernel.root)
