"""The unit of ``export`` under a real systemd: the first process of a namespace, with this unit and nothing else."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import damontui
from damontui.commands.export import unit
from tests.guests.guest import Guest, Skip, check
from tests.guests.guest.system import as_found, switch_stat, wait

SYSTEMD = Path("/lib/systemd/systemd")
URL = "http://127.0.0.1:19317/metrics"
_NEWNS, _NEWPID = 0x0002_0000, 0x2000_0000
_RDONLY, _BIND, _REC, _PRIVATE = 1, 4096, 16384, 1 << 18
_TARGET = "[Unit]\nDefaultDependencies=no\n"


def _mount(source: str, place: str, kind: str = "", flags: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), place.encode(), kind.encode(), flags, None):
        raise OSError(ctypes.get_errno(), f"{place}: {os.strerror(ctypes.get_errno())}")


def _units(guest: Guest, program: Path) -> Path:
    """The only units that this systemd knows: the exporter's, and the targets that it asks for, empty."""
    units = guest.folder / "units"
    (units / "damontui-export.service.d").mkdir(parents=True)
    (units / "damontui-export.service").write_text(unit(str(program)))
    said = guest.folder / "said"
    said.touch()
    # where its sentences go is no part of the sandbox, and there is no journal here
    (units / "damontui-export.service.d/said.conf").write_text(f"[Service]\nStandardError=append:{said}\n")
    for name in ("sysinit", "basic", "shutdown", "network", "multi-user"):
        (units / f"{name}.target").write_text(_TARGET)
    wanted = f"{_TARGET}Wants=damontui-export.service\n"
    (units / "tried.target").write_text(wanted)
    return units


def _program(guest: Guest) -> tuple[Path, dict[str, str]]:
    """A script that starts the program of this checkout, and what must be mounted for it: nothing of it is in /home."""
    places = {
        "base": sys.base_prefix,
        "packages": next(one for one in sys.path if one.endswith("site-packages")),
        "package": str(Path(damontui.__file__).parents[1]),
    }
    for name in places:
        (guest.folder / name).mkdir()
    program = guest.folder / "damontui"
    python = guest.folder / "base/bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    paths = f"{guest.folder / 'package'}:{guest.folder / 'packages'}"
    program.write_text(
        f"#!/bin/sh\nexport PYTHONHOME={guest.folder / 'base'} PYTHONPATH={paths} PYTHONDONTWRITEBYTECODE=1\n"
        f"export LD_LIBRARY_PATH={guest.folder / 'base/lib'}\n"  # a Python may look for itself where it was installed
        f'exec {python} -m damontui "$@"\n'
    )
    program.chmod(0o755)
    return program, {str(guest.folder / name): source for name, source in places.items()}


def _become_systemd(units: Path, binds: dict[str, str], log: Path) -> None:
    """In a process of its own: never returns."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_NEWNS | _NEWPID):
            raise OSError(ctypes.get_errno(), "unshare")
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            os._exit(0)
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(out, number)
        _mount("none", "/", flags=_REC | _PRIVATE)
        _mount("proc", "/proc", "proc")
        if not os.path.exists("/sys/fs/cgroup/cgroup.controllers"):  # another check in this guest may have done it
            _mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
        for place, source in binds.items():  # first: a checkout may lie in /tmp
            _mount(source, place, flags=_BIND | _REC)
        for place in ("/tmp", "/var/tmp"):
            _mount("tmpfs", place, "tmpfs")
        environ = {
            "container": "namespace",
            "SYSTEMD_UNIT_PATH": str(units),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
        }
        words = ["--system", "--unit=tried.target", "--log-target=kmsg", "--log-level=info", "--show-status=0"]
        os.execve(SYSTEMD, [str(SYSTEMD), *words], environ)
    except BaseException as error:
        with log.open("a") as file:
            file.write(f"no systemd: {error!r}\n")
        os._exit(1)


def _service() -> int:
    """The PID of the exporter that systemd has started, as this check sees it; 0 while there is none."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"damontui" in words and b"export" in words and b"-m" in words:
                return int(folder.name)
    return 0


def _said(kernel: int) -> str:
    """What systemd has written into the kernel's log since the last time."""
    text = ""
    with suppress(BlockingIOError):
        while True:
            text += os.read(kernel, 8192).decode("utf-8", "replace")
    return text


def _page() -> str:
    with suppress(OSError):
        return urllib.request.urlopen(URL, timeout=20).read().decode()
    return ""


@check("6.18", limit=400)
def the_unit_runs_under_systemd(guest: Guest) -> None:
    """The exporter's unit under a real systemd says all its numbers, with one capability, and ends well"""
    if not SYSTEMD.exists():
        raise Skip("there is no systemd on this machine")
    os.chmod(guest.folder, 0o755)
    switch_stat(True)
    program, binds = _program(guest)
    units, log = _units(guest, program), guest.folder / "systemd"
    log.touch()
    kernel = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.lseek(kernel, 0, os.SEEK_END)
    with as_found():
        holder = os.fork()
        if holder == 0:
            _become_systemd(units, binds, log)
        try:

            def told() -> str:
                page = _page()
                return page if 'rule="estimate"' in page and 'kind="anon"' in page else ""

            try:
                page = wait(told, 200, "numbers")
            except AssertionError as error:
                said = (guest.folder / "said").read_text()
                raise AssertionError(f"{error}\n{log.read_text()}{_said(kernel)[-3000:]}\n{said}") from None
            pid = _service()
            status = dict(re.findall(r"(?m)^(\w+):\t(.*)$", Path(f"/proc/{pid}/status").read_text()))
            mounts = {
                words[4]: words[5].split(",")[0]
                for words in map(str.split, Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
            }
            os.kill(pid, signal.SIGTERM)
            wait(lambda: "Deactivated successfully" in _said(kernel), 60, "an end that is a success")
        finally:
            for one in Path(f"/proc/{holder}/task/{holder}/children").read_text().split():
                os.kill(int(one), signal.SIGKILL)  # with the first process of its namespace all others end
            os.waitpid(holder, 0)
            os.close(kernel)
    guest.facts.update(
        capabilities=status["CapEff"],
        bounding=status["CapBnd"],
        user=status["Uid"].split()[0],
        filters=status["Seccomp_filters"],
        rss_kib=int(status["VmRSS"].split()[0]),
        rules=sorted(set(re.findall(r'rule="(\w+)"', page))),
    )
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {f"{1 << 1:016x}"}  # DAC_OVERRIDE
    assert 61184 <= int(status["Uid"].split()[0]) <= 65519  # a dynamic user
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert guest.facts["rules"] == ["estimate", "kernel"]
    assert mounts["/sys/kernel/tracing"] == "rw"
    assert {mounts[one] for one in ("/", "/sys", "/proc")} == {"ro"}
