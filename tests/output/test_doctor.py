"""doctor on made-up trees of four kernels, and each obstacle with its remedy."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from damontui import cli
from damontui.kernel.features import Survey, survey
from damontui.kernel.root import Root
from damontui.output.doctor import doctor_object, report, terminal

PROGRAM = "/opt/bin/damontui"
COLOURS = terminal({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, is_terminal=True)
STAT = "sys/module/damon_stat/parameters"
ADMIN = "sys/kernel/mm/damon/admin/kdamonds"
TRACING = "sys/kernel/tracing"

COMMON = {
    "proc/2/comm": "kthreadd\n",
    "proc/1/comm": "systemd\n",
    "proc/self/clear_refs": "",
    "proc/self/smaps": "",
    "proc/iomem": "",
    "proc/kpageflags": "",
    "proc/kpagecgroup": "",
    "proc/filesystems": "nodev\ttracefs\n",
    "proc/self/uid_map": "         0          0 4294967295\n",
    "proc/sys/kernel/hostname": "lab\n",
    "sys/kernel/security/lockdown": "[none] integrity confidentiality\n",
    "sys/module/printk/parameters/time": "Y\n",
}
TRACE = {f"{TRACING}/instances/.keep": "", f"{TRACING}/events/damon/damon_aggregated/enable": "0\n"}
TUNE = {f"{TRACING}/events/damon/damon_monitor_intervals_tune/enable": "0\n"}
SYSFS = {f"{ADMIN}/nr_kdamonds": "0\n"}
MODULE = {
    f"{STAT}/enabled": "Y\n",
    f"{STAT}/estimated_memory_bandwidth": "0\n",
    f"{STAT}/memory_idle_ms_percentiles": "0\n",
    f"{STAT}/aggr_interval_us": "100000\n",
}
KDAMOND = {"proc/77/comm": "kdamond.0\n", "proc/77/stat": "77 (kdamond.0) S 2 0 0 0 -1 2129984 0 0 0\n"}

KERNELS: dict[str, dict[str, str]] = {
    "6.1": {},
    "6.12": SYSFS | TRACE,
    "6.18": SYSFS | TRACE | TUNE | MODULE | KDAMOND,
    "7.2": SYSFS | TRACE | TUNE | MODULE | KDAMOND | {f"{STAT}/kdamond_pid": "77\n"},
}
CONFIG = {
    "6.1": "# CONFIG_DAMON is not set\nCONFIG_PROC_PAGE_MONITOR=y\n",
    "6.12": "CONFIG_DAMON=y\nCONFIG_DAMON_VADDR=y\nCONFIG_DAMON_PADDR=y\nCONFIG_DAMON_SYSFS=y\n",
}
FULL = CONFIG["6.12"] + "CONFIG_DAMON_STAT=y\nCONFIG_DAMON_STAT_ENABLED_DEFAULT=y\nCONFIG_PROC_PAGE_MONITOR=y\n"
FULL += "CONFIG_MEMCG=y\n"


def tree(folder: Path, kernel: str, more: Mapping[str, str | None] | None = None) -> Root:
    files: dict[str, str | None] = {**COMMON, **KERNELS[kernel], "proc/sys/kernel/osrelease": f"{kernel}.0-test\n"}
    files[f"boot/config-{kernel}.0-test"] = CONFIG.get(kernel, FULL)
    for name, text in {**files, **(more or {})}.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return Root(folder)


def look(folder: Path, kernel: str, more: Mapping[str, str | None] | None = None, *, uid: int = 0) -> Survey:
    return survey(tree(folder, kernel, more), program=PROGRAM, uid=uid)


def features(found: Survey) -> dict[str, bool | None]:
    return {feature.name: feature.present for feature in found.features}


def obstacles(found: Survey, target: str) -> list[tuple[str, str]]:
    return [(o.what, o.remedy) for o in found.obstacles if o.target == target]


@pytest.mark.parametrize(
    ("kernel", "damon", "sysfs", "tuning", "stat", "trace"),
    [
        ("6.1", False, False, False, False, None),
        ("6.12", True, True, None, False, True),
        ("6.18", True, True, True, True, True),
        ("7.2", True, True, True, True, True),
    ],
)
def test_features_of_four_kernels(
    tmp_path: Path, kernel: str, damon: bool, sysfs: bool, tuning: bool | None, stat: bool, trace: bool | None
) -> None:
    found = look(tmp_path, kernel)
    present = features(found)
    assert present["DAMON"] is damon
    assert present["sysfs interface"] is sysfs
    assert present["auto-tuned intervals"] is tuning
    assert present["DAMON_STAT"] is stat
    assert present["tracepoint damon_aggregated"] is trace
    assert present["virtual memory (vaddr)"] is damon
    assert present["page monitor of /proc"] is True
    assert (found.release, found.host, found.lockdown) == (f"{kernel}.0-test", "lab", "none")
    assert found.container == ()
    assert found.config_file.endswith(f"boot/config-{kernel}.0-test")


def test_a_kernel_without_damon(tmp_path: Path) -> None:
    found = look(tmp_path, "6.1")
    assert obstacles(found, "stat")[0][1].startswith("boot a kernel built with CONFIG_DAMON_STAT=y (this one says n in")
    assert "CONFIG_DAMON_SYSFS=y" in obstacles(found, "paddr")[0][1]
    assert obstacles(found, "regions") == []
    assert obstacles(found, "process") == []
    text = report(found, COLOURS)
    assert "no   DAMON_STAT\n" in text
    assert "yes  processes through /proc\n" in text
    assert "regions from the tracepoint" not in text


def test_a_kernel_without_damon_stat(tmp_path: Path) -> None:
    found = look(tmp_path, "6.12")
    assert {o.target for o in found.obstacles} == {"stat"}
    assert found.holders == ()


@pytest.mark.parametrize("kernel", ["6.18", "7.2"])
def test_damon_stat_on(tmp_path: Path, kernel: str) -> None:
    found = look(tmp_path, kernel)
    assert found.holders == ("DAMON_STAT (kdamond 77)",)
    assert obstacles(found, "stat") == []
    assert obstacles(found, "regions") == []
    for target in ("paddr", "vaddr"):
        ((what, remedy),) = obstacles(found, target)
        assert "DAMON_STAT holds DAMON" in what
        word = "paddr" if target == "paddr" else "PID"
        assert remedy == f"to switch it off meanwhile and on again at the end: sudo {PROGRAM} {word} --take"
    assert "echo N" not in report(found, COLOURS)


def test_damon_stat_off(tmp_path: Path) -> None:
    off = {f"{STAT}/enabled": "N\n", f"{STAT}/kdamond_pid": "-1\n", "proc/77/comm": "bash\n"}
    found = look(tmp_path, "7.2", off)
    ((what, remedy),) = obstacles(found, "stat")
    assert what == "DAMON_STAT is switched off"
    assert f"sudo {PROGRAM} stat" in remedy
    assert f"echo Y | sudo tee {tmp_path}/{STAT}/enabled" in remedy
    assert "damon_stat.enabled=Y" in remedy
    assert found.holders == ()
    assert obstacles(found, "paddr") == []


def test_somebody_elses_kdamond(tmp_path: Path) -> None:
    other = {
        f"{ADMIN}/nr_kdamonds": "1\n",
        f"{ADMIN}/0/state": "on\n",
        f"{ADMIN}/0/pid": "77\n",
        f"{ADMIN}/0/contexts/0/avail_operations": "vaddr\nfvaddr\npaddr\n",
        f"{ADMIN}/0/contexts/0/monitoring_attrs/intervals/sample_us": "5000\n",
    }
    found = look(tmp_path, "6.12", other | KDAMOND)
    assert found.holders == (f"{tmp_path}/{ADMIN}/0 (kdamond 77)",)
    assert "somebody else has set up kdamonds" in obstacles(found, "paddr")[0][0]
    assert features(found)["auto-tuned intervals"] is False
    goal = {f"{ADMIN}/0/contexts/0/monitoring_attrs/intervals/intervals_goal/aggrs": "3\n"}
    assert features(look(tmp_path, "6.12", other | goal))["auto-tuned intervals"] is True


def test_a_user_is_given_the_exact_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, "7.2")
    closed = (str(tmp_path / STAT), str(tmp_path / TRACING))
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(closed) and allowed(path, mode))
    found = survey(root, program=PROGRAM, uid=1000)
    assert obstacles(found, "stat") == [("only root may read DAMON_STAT", f"sudo {PROGRAM} stat")]
    assert obstacles(found, "regions") == [("only root may look into tracefs", f"sudo {PROGRAM}")]
    assert obstacles(found, "paddr")[0] == ("only root may start a kdamond", f"run it with: sudo {PROGRAM}")
    assert features(found)["tracepoint damon_aggregated"] is None


def test_tracefs_not_mounted(tmp_path: Path) -> None:
    root = tree(tmp_path, "7.2")
    (tmp_path / TRACING / "instances/.keep").unlink()
    (tmp_path / TRACING / "instances").rmdir()
    found = survey(root, program=PROGRAM, uid=0)
    mount = f"{tmp_path}/{TRACING}"
    assert obstacles(found, "regions") == [
        (f"tracefs is not mounted at {mount}", f"sudo mount -t tracefs tracefs {mount}")
    ]


def test_no_tracefs_no_tracepoint_and_lockdown(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    files = dict.fromkeys(TRACE) | {"proc/filesystems": "nodev\tsysfs\n"}
    assert "CONFIG_FTRACE" in obstacles(look(bare, "6.12", files), "regions")[0][1]
    event = {f"{TRACING}/events/damon/damon_aggregated/enable": None}
    assert "no tracepoint" in obstacles(look(tmp_path / "event", "6.12", event), "regions")[0][0]
    locked = {"sys/kernel/security/lockdown": "none integrity [confidentiality]\n"}
    found = look(tmp_path / "locked", "7.2", locked)
    assert found.lockdown == "confidentiality"
    assert "lockdown=confidentiality" in obstacles(found, "regions")[0][1]


FLAGS, GROUPS = "proc/kpageflags", "proc/kpagecgroup"
MADE_OF, WHOSE = "what memory is made of (/proc/kpageflags)", "whose memory it is (/proc/kpagecgroup)"


def test_what_page_frames_tell(tmp_path: Path) -> None:
    found = look(tmp_path, "7.2")
    assert (features(found)[MADE_OF], features(found)[WHOSE]) == (True, True)
    assert obstacles(found, "frames") == obstacles(found, "owners") == []
    assert {f"{tmp_path}/{FLAGS}", f"{tmp_path}/{GROUPS}"} <= {file.path for file in found.files if file.readable}
    text = report(found, COLOURS)
    assert "yes  what memory is made of, by page frames\nyes  whose memory it is, by page frames\n" in text
    assert f"  yes {MADE_OF}\n  yes {WHOSE}\n" in text


@pytest.mark.parametrize(
    ("more", "frames", "owners"),
    [
        ({"boot/config-7.2.0-test": "CONFIG_DAMON=y\n"}, "CONFIG_PROC_PAGE_MONITOR=y (this one says n in", None),
        (
            {"boot/config-7.2.0-test": "CONFIG_PROC_PAGE_MONITOR=y\n", ".dockerenv": ""},
            "give the container the host's /sys and /proc",
            "boot a kernel built with CONFIG_MEMCG=y (this one says n in",
        ),
        ({"boot/config-7.2.0-test": None}, "boot a kernel built with CONFIG_PROC_PAGE_MONITOR=y", "CONFIG_MEMCG=y"),
        ({"boot/config-7.2.0-test": None, ".dockerenv": ""}, "give the container the host's /sys and /proc", None),
        ({}, "run it where /sys and /proc are mounted", None),
    ],
)
def test_no_page_frames(tmp_path: Path, more: dict[str, str | None], frames: str, owners: str | None) -> None:
    found = look(tmp_path, "7.2", {FLAGS: None, GROUPS: None, **more})
    assert (features(found)[MADE_OF], features(found)[WHOSE]) == (False, False)
    assert not any(file.present for file in found.files if file.path.endswith(("kpageflags", "kpagecgroup")))
    for target, name, said in (("frames", FLAGS, frames), ("owners", GROUPS, owners or frames)):
        ((what, remedy),) = obstacles(found, target)
        assert what == f"there is no {tmp_path}/{name}"
        assert said in remedy
    assert f"no   what memory is made of, by page frames\n       there is no {tmp_path}/{FLAGS}" in report(
        found, COLOURS
    )


@pytest.mark.parametrize(
    ("uid", "who", "remedy"),
    [(1000, "this user", f"run it with: sudo {PROGRAM}"), (0, "root", "run it where /sys and /proc are mounted")],
)
def test_page_frames_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, who: str, remedy: str
) -> None:
    root, allowed = tree(tmp_path, "7.2"), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "/kpage" not in str(path) and allowed(path, mode))
    found = survey(root, program=PROGRAM, uid=uid)
    assert features(found)[MADE_OF] is features(found)[WHOSE] is True
    assert obstacles(found, "frames") == [(f"{tmp_path}/{FLAGS} cannot be read by {who}", remedy)]
    assert obstacles(found, "owners") == [(f"{tmp_path}/{GROUPS} cannot be read by {who}", remedy)]
    assert f"  yes {WHOSE}  (closed to this user)" in report(found, COLOURS)


def test_a_container_is_recognised(tmp_path: Path) -> None:
    hints = {
        ".dockerenv": "",
        "proc/1/environ": "PATH=/bin\0container=podman\0",
        "proc/2/comm": "sh\n",
        "proc/self/uid_map": "0 100000 65536\n",
        "proc/self/mountinfo": "22 1 0:21 / /sys ro,nosuid - sysfs sysfs ro\n",
    }
    found = look(tmp_path, "6.1", hints)
    assert len(found.container) == 5
    assert "podman" in found.container[1]
    assert "This looks like a container" in report(found, COLOURS)


def test_build_options_from_proc(tmp_path: Path) -> None:
    root = tree(tmp_path, "7.2", {"boot/config-7.2.0-test": None})
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(b"CONFIG_DAMON=y\nCONFIG_DAMON_PADDR=y\n"))
    found = survey(root, program=PROGRAM, uid=0)
    assert found.config_file.endswith("proc/config.gz")
    assert found.options["CONFIG_DAMON_PADDR"] == "y"
    assert obstacles(found, "vaddr")[0][0] == "this kernel's DAMON has no vaddr"


@pytest.mark.parametrize("junk", [b"", b"\x1f\x8b", b"\x1f\x8b\x08\0\0\0\0\0junk", b"nothing"])
def test_garbage_in_every_file_is_survived(tmp_path: Path, junk: bytes) -> None:
    root = tree(tmp_path, "7.2")
    (tmp_path / "proc/config.gz").write_bytes(junk)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(junk)
    found = survey(root, program=PROGRAM, uid=0)
    json.dumps(doctor_object(found, COLOURS, ("auto",)))
    assert "The kernel" in report(found, COLOURS)


def test_an_empty_tree_is_survived(tmp_path: Path) -> None:
    found = survey(Root(tmp_path), program=PROGRAM, uid=0)
    assert "sysfs is hidden" in obstacles(found, "stat")[0][0]


def test_it_writes_nothing(tmp_path: Path) -> None:
    root = tree(tmp_path, "7.2")
    root.write = None  # type: ignore[method-assign,assignment]
    before = {path: (path.stat().st_mtime_ns, path.is_dir() or path.read_bytes()) for path in tmp_path.rglob("*")}
    survey(root, program=PROGRAM)
    after = {path: (path.stat().st_mtime_ns, path.is_dir() or path.read_bytes()) for path in tmp_path.rglob("*")}
    assert after == before


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree(tmp_path, "7.2")
    assert cli.main(["doctor", "--rootfs", str(tmp_path), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["kernel"] == "7.2.0-test"
    assert value["features"]["DAMON_STAT"] == {"present": True}
    assert value["config"]["CONFIG_DAMON_STAT"] == "y"
    assert "stat" in value["targets"]
    assert {file["path"] for file in value["files"]} >= {f"{tmp_path}/{STAT}/kdamond_pid"}
    assert cli.main(["doctor", "--rootfs", str(tmp_path)]) == 0
    assert "lab: Linux 7.2.0-test" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environ", "colours", "part"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, 1 << 24, "16 million colours"),
        ({"TERM": "xterm-256color"}, 256, "COLORTERM=truecolor"),
        ({"TERM": "linux"}, 16, "16 colours"),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit", "NO_COLOR": "1"}, 1 << 24, "NO_COLOR is set"),
        ({"TERM": "dumb"}, 0, "TERM is dumb"),
        ({}, 0, "TERM is not set"),
    ],
)
def test_terminal_colours(tmp_path: Path, environ: dict[str, str], colours: int, part: str) -> None:
    screen = terminal(environ, is_terminal=True)
    assert screen["colours"] == colours
    assert part in report(survey(Root(tmp_path), program=PROGRAM), screen)
    assert "not a terminal" in report(survey(Root(tmp_path), program=PROGRAM), terminal(environ, is_terminal=False))
