"""What decides, without booting anything: which kernel is taken from where, and what a missing tool means."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests import guest, kernels, test_kernels
from tests.guests.guest.load import overlap
from tests.guests.guest.system import difference
from tests.guests.vm import BOOTS, REPO, GuestFailed, Vm


def test_mirror_from_either_form_of_apt_sources(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://no.example/debian x main\ndeb [arch=amd64] http://a/debian sid main\n"
    )
    assert kernels.mirror(tmp_path) == "http://a/debian"
    (tmp_path / "sources.list.d" / "node.sources").write_text("Types: deb\nURIs: https://deb.example/node_20.x\n")
    (tmp_path / "sources.list.d" / "debian.sources").write_text(
        "URIs: http://b/debian-security\n\nURIs: http://b/debian\n"
    )
    assert kernels.mirror(tmp_path) == "http://b/debian"


def test_no_mirror_is_said(tmp_path: Path) -> None:
    with pytest.raises(kernels.Unavailable, match="no Debian mirror"):
        kernels.mirror(tmp_path)


def test_a_kept_kernel_needs_no_network_and_the_newest_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMONTUI_KERNELS", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    for version in ("6.18.9+deb13-cloud-amd64", "6.18.15+deb13-cloud-amd64", "6.1.0-50-cloud-amd64"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "vmlinuz").touch()
    assert kernels.get("6.18").name == "6.18.15+deb13-cloud-amd64"
    assert kernels.get("6.1").name == "6.1.0-50-cloud-amd64"
    with pytest.raises(kernels.Unavailable, match="apt-get is missing"):
        kernels.get("6.12")


@pytest.mark.parametrize(("ci", "status", "word"), [("true", 1, "not skipped in CI: "), ("", 0, "1 skipped")])
def test_without_qemu_kernel_tests_are_skipped_but_fail_in_ci(ci: str, status: int, word: str) -> None:
    case = "tests/guests/test_kernels.py::test_in_guest[6.1-bare.stat_is_refused]"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "kernel", "-rs", "-p", "no:cacheprovider", case],
        cwd=REPO,
        env={**os.environ, "PATH": "/nonexistent", "CI": ci},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stdout
    assert word in done.stdout
    assert "qemu-system-x86_64 is missing; run: apt-get install qemu-system-x86" in done.stdout


def test_every_check_names_a_known_kernel_and_says_what_it_shows() -> None:
    checks = guest.registered()
    assert {series for check in checks.values() for series in check.on} == set(kernels.SERIES)
    assert all(check.function.__doc__ for check in checks.values())


def test_overlap_counts_every_byte_once() -> None:
    regions = [{"start": 0, "end": 10, "n": 1}, {"start": 10, "end": 30, "n": 2}, {"start": 40, "end": 50, "n": 3}]
    parts = overlap([(5, 12), (20, 45)], regions)
    assert [(size, region["n"]) for size, region in parts] == [(5, 1), (2, 2), (10, 2), (5, 3)]


def test_difference_names_what_came_went_and_changed() -> None:
    assert difference({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == [
        "b: '2' became '3'",
        "c: None became '4'",
    ]


def answering(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, object] | None) -> Vm:
    """A guest that gives these answers; with None it panics instead, and is booted again for the next one."""
    vm = Vm("7.2")
    coming = iter(answers)

    def ask(request: dict[str, object], limit: float) -> dict[str, object]:
        if (answer := next(coming)) is not None:
            return answer
        vm.boots += 1
        raise GuestFailed("the guest ended (stat.x)\nthe guest's console:\nquiet\nKernel panic - not syncing: oh\n---")

    monkeypatch.setattr(vm, "_ask_once", ask)
    return vm


def test_a_check_is_repeated_where_the_guest_failed_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    vm = answering(monkeypatch, None, {"outcome": "passed"})
    assert vm.run("stat.x", 1).outcome == "passed"
    assert vm.accidents == ["the guest ended (stat.x): Kernel panic - not syncing: oh"]


def test_a_check_that_failed_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    vm = answering(monkeypatch, {"outcome": "failed", "text": "no"})
    assert vm.run("stat.x", 1).outcome == "failed"
    assert not vm.accidents


@pytest.mark.parametrize(
    ("said", "outcome"), [(["failed", "passed"], "passed"), (["failed"] * 3, "failed"), (["skipped"], "skipped")]
)
def test_in_a_slow_guest_a_check_that_failed_is_made_again(
    monkeypatch: pytest.MonkeyPatch, said: list[str], outcome: str
) -> None:
    vm = answering(monkeypatch, *({"outcome": one, "text": "0.3 > 0.2"} for one in said))
    vm.slowness = 3.0
    assert vm.run("stat.x", 1).outcome == outcome
    assert vm.accidents == ["stat.x failed in a guest 3.0 times as slow as usual: 0.3 > 0.2"] * (len(said) - 1)


def test_a_hurried_guest_is_never_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    vm = answering(monkeypatch, {"outcome": "failed", "text": "no"})
    vm.hurried, vm.slowness = True, 3.0
    assert vm.run("idle.x", 1).outcome == "failed"


def test_a_guest_that_always_fails_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    vm = answering(monkeypatch, *[None] * 10)
    with pytest.raises(GuestFailed, match="Kernel panic"):
        vm.run("stat.x", 1)
    assert len(vm.accidents) == vm.boots == BOOTS


def test_where_each_check_runs_once_it_is_on_one_of_its_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [check for check in guest.registered().values() if check.on]
    assert all(test_kernels.on(check) == check.on for check in checks)
    monkeypatch.setenv("DAMONTUI_GUESTS", "once")
    for check in checks:
        (series,) = test_kernels.on(check)
        assert series in check.on
    assert {series for check in checks for series in test_kernels.on(check)} >= {"7.2", "6.18", "6.17", "6.12"}
