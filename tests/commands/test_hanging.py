"""The program on a kernel that does not answer some of its files: sentences, an end, and everything given back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_kernel import FakeKernel

NOT_LONG = 60.0
"""Seconds after which a run has hung."""


def start(parts: list[str], patience: str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.commands.hanging", *parts, "--", *words]
    environ = os.environ | {"PATIENCE": patience}
    where = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=where, env=environ)


def run(parts: list[str], *words: str) -> tuple[int, str, str]:
    """Exit status, and what was said beside that it hangs."""
    with start(parts, "0.2", *words) as started:
        try:
            out, said = started.communicate(timeout=NOT_LONG)
        finally:
            started.kill()
    assert "it hangs\n" in said
    return started.returncode, out, said.replace("it hangs\n", "")


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    return FakeKernel(tmp_path, on=True)


@pytest.mark.parametrize("parts", [["damon_stat/parameters"], ["proc/"], ["/sys/", "/proc/"]], ids=" ".join)
def test_doctor_says_what_it_can(kernel: FakeKernel, parts: list[str]) -> None:
    done = run(parts, "doctor", "--rootfs", str(kernel.root.folder))
    status, out, said = done
    assert (status, said) == (0, "")
    assert len(out.splitlines()) > 3


def test_entering_a_source_has_an_end(kernel: FakeKernel) -> None:
    done = run(["damon_stat/parameters/enabled"], "snapshot", "stat", "--rootfs", str(kernel.root.folder))
    status, out, said = done
    assert (status, out) == (1, "")
    assert said.count("\n") == 1
    assert "not read within 0.2 s" in said
    assert "parameters/enabled" in said


def test_a_process_whose_memory_map_is_locked_is_a_sentence() -> None:
    """What a process that hangs with ``mmap_lock`` held does to who reads its ``smaps``; this one is our own child."""
    child = subprocess.Popen(["sleep", "100"], start_new_session=True)
    try:
        done = run(["smaps"], "snapshot", str(child.pid), "--via", "proc", "--timeout", "20")
    finally:
        child.kill()
        child.wait(NOT_LONG)
    status, out, said = done
    assert (status, out) == (1, "")
    assert said.count("\n") == 1
    assert "smaps: it was not read within 0.2 s" in said
    assert f"/proc/{child.pid}/" in said


@pytest.mark.parametrize("words", [["snapshot", "stat", "--timeout", "1000"], ["record", "stat", "-o", "-"]])
def test_a_signal_ends_it_all_the_same(kernel: FakeKernel, words: list[str]) -> None:
    """However patient it is with the kernel, it does not make who wants to end it wait."""
    parts = ["damon_stat/parameters/enabled"]
    words = [*words, "--rootfs", str(kernel.root.folder)]
    with start(parts, "1000", *words) as started:
        try:
            assert started.stderr is not None
            assert started.stderr.readline() == "it hangs\n"
            started.terminate()
            _, said = started.communicate(timeout=NOT_LONG)
        finally:
            started.kill()
    assert started.returncode == 128 + signal.SIGTERM
    assert said.replace("it hangs\n", "") == ""
