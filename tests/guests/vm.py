"""A real kernel under QEMU's software emulation, booted once for many checks.

The guest's root is this machine's own file system, mounted read-only over virtiofs: the checkout and its virtual
environment are simply there, and nothing that runs in the guest can write to the host. A runner in the guest
(``guest/runner.py``) takes the names of checks over the second serial port and answers with JSON lines.

``python -m tests.guests.vm 7.2 -- COMMAND…`` runs one command in such a guest.
"""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.guests import kernels, network
from tests.guests.guest import pace

REPO = Path(__file__).resolve().parents[2]
BOOT_LIMIT = 300.0
"""Seconds until the runner must have reported; 8 to 20 are usual, two busy cores take longer (seen: 60)."""
GRACE = 30.0
"""Seconds over a check's own limit after which the guest itself is taken to hang."""
BOOTS = 3
"""How often one guest is booted at most: software emulation has faults of its own (a kernel that panics in code it
patches at boot, or after an instruction that is emulated wrongly). A check that fails in a living guest has failed,
but for one that is slow (`pace.SLOW`)."""

FILE_MIB = 72
"""Size of the file beside ``init``."""

_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Before a command that must end when we do, however that is: an interrupted run kills its workers."""

INIT = """#!/bin/bash
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm; mount -t devpts pts /dev/pts; mount -t tmpfs shm /dev/shm; mount -t tmpfs run /run
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mkdir -p /run/home; ip link set lo up 2>/dev/null; hostname kernel-test
export PATH={path} HOME=/run/home TMPDIR=/run LANG=C.UTF-8 TERM=xterm-256color COLORTERM=truecolor
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={repo} OPENBLAS_NUM_THREADS=1 TEXTUAL_ANIMATIONS=none DAMONTUI_GUEST=1
export DAMONTUI_KERNELS={kernels}
cd {repo}
{python} -m tests.guests.guest.runner /dev/ttyS1 </dev/null >/dev/ttyS0 2>&1
echo "the runner ended with $?" >/dev/ttyS0
sync; echo o >/proc/sysrq-trigger; sleep 9
"""


class Missing(Exception):
    """This machine cannot boot a guest; the text says what it lacks."""


class GuestFailed(Exception):
    """The guest did not answer; the text ends with its console."""


@dataclass
class Result:
    """What one check said."""

    outcome: str
    """``passed``, ``failed`` or ``skipped``."""
    text: str = ""
    """The traceback or reason."""
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    files: dict[str, str] = field(default_factory=dict)
    """Compressed, base64."""


def _virtiofsd() -> str:
    for name in (shutil.which("virtiofsd"), "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"):
        if name and os.access(name, os.X_OK):
            return name
    raise Missing("virtiofsd is missing; run: apt-get install virtiofsd (Debian 12: qemu-system-common)")


def requirements() -> None:
    """Raise `Missing` where this machine cannot boot a guest."""
    if shutil.which("qemu-system-x86_64") is None:
        raise Missing("qemu-system-x86_64 is missing; run: apt-get install qemu-system-x86")
    _virtiofsd()
    if os.geteuid() != 0:
        raise Missing("only root may share the root file system with the guest over virtiofs")


class Vm:
    """One guest. A context manager; `run` boots it at first, and again where the guest itself failed (`BOOTS`).

    Args:
        series: a name in `kernels.SERIES`.
        memory: MiB.
        modules: which of the kernel's modules the checks will load.
        hurried: whether its clock counts instructions and passes over what it sleeps: minutes of an idle machine are
            over in seconds of ours, and what takes it a second of computing takes a second on its clock.
        network: two ports of loopback that lead to those of `tests.guests.network`; without it there is none.
    """

    def __init__(
        self,
        series: str,
        *,
        memory: int = 2048,
        cpus: int = 1,
        hurried: bool = False,
        modules: Sequence[str] = (),
        network: tuple[int, int] | None = None,
    ) -> None:
        self.series = series
        self.hurried = hurried
        self.modules = tuple(modules)
        self.memory = memory
        self.cpus = cpus
        self.network = network
        self.boots = 0
        self.boot_seconds = 0.0
        self.slowness = 1.0
        """How many times as long as usual things take in it, once booted: its limits are so much longer."""
        self.kernel = ""
        """The guest's ``uname -r``, once booted."""
        self.accidents: list[str] = []
        """Why it was booted again, or a check was made again, each in one line."""
        self._folder: Path | None = None
        self._fsd: subprocess.Popen[bytes] | None = None
        self._qemu: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, check: str, limit: float) -> Result:
        """Run one check in the guest; in a slow one (`pace.SLOW`) one that failed is made again, `pace.TRIES` at most.

        Raises `GuestFailed` where the guest hangs, `Missing`, `kernels.Unavailable`.
        """
        request = {"check": check, "limit": limit}
        result = Result(**self._ask(request, limit))
        tries = 1
        # a hurried guest's clock waits for it: it is never slow on its own clock
        while result.outcome == "failed" and not self.hurried and self.slowness >= pace.SLOW and tries < pace.TRIES:
            tries += 1
            last = result.text.strip().splitlines()[-1][:200] if result.text.strip() else ""
            self.accidents.append(f"{check} failed in a guest {self.slowness:.1f} times as slow as usual: {last}")
            result = Result(**self._ask(request | {"afresh": True}, limit))
        return result

    def command(self, words: list[str], limit: float) -> Result:
        """Run one command in the guest; its output is the fact ``output``, its status ``status``."""
        return Result(**self._ask({"command": words, "limit": limit}, limit))

    def _ask(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        while True:
            try:
                return self._ask_once(request, limit)
            except GuestFailed as error:
                lines = str(error).splitlines()
                panic = next((line for line in lines if "Kernel panic" in line or "Oops" in line), "")
                self.accidents.append(f"{lines[0]}: {panic}".rstrip(": "))
                if self.boots >= BOOTS:
                    raise

    def _ask_once(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        if self._line is None:
            self._boot()
        assert self._line is not None
        try:
            self._line.sendall(json.dumps(request).encode() + b"\n")
            return self._answer(limit * self.slowness + GRACE)
        except (GuestFailed, OSError) as error:
            console = self._console()
            self.close()
            raise GuestFailed(f"{error} ({request})\nthe guest's console:\n{console}") from error

    def _answer(self, limit: float) -> dict[str, Any]:
        assert self._line is not None
        until = time.monotonic() + limit
        while b"\n" not in self._received:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._line], [], [], left)[0]:
                raise GuestFailed(f"the guest did not answer in {limit:.0f} s")
            data = self._line.recv(65536)
            if not data:
                raise GuestFailed("the guest ended")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _boot(self) -> None:
        requirements()
        if self.boots >= BOOTS:
            raise GuestFailed(f"the guest with kernel {self.series} failed {BOOTS} times and is not booted again")
        kernel = kernels.get(self.series)
        modules = "" if self.network is None else f" guest.modules={network.modules(self.series)}"
        for name in self.modules:
            kernels.modules(self.series, name)
        self.boots += 1
        began = time.monotonic()
        # what Python would compile in the guest takes fifteen times as long there, each time anew
        for package in ("damontui", "tests/guests"):
            compileall.compile_dir(REPO / package, quiet=2)
        folder = self._folder = Path(tempfile.mkdtemp(prefix="damontui-vm-", dir="/tmp"))
        # page cache of a file system that is no memory itself: a file on our disk
        with (folder / "file").open("wb") as file:
            for _ in range(FILE_MIB):
                file.write(os.urandom(1 << 20))
        init = folder / "init"
        values = {
            "path": os.environ["PATH"],
            "repo": str(REPO),
            "python": sys.executable,
            "kernels": str(kernels.cache()),
        }
        init.write_text(INIT.format(**{name: shlex.quote(value) for name, value in values.items()}))
        init.chmod(0o755)
        daemon = _virtiofsd()
        words = subprocess.run([daemon, "--help"], capture_output=True, text=True)
        share = (
            ["--shared-dir=/", "--sandbox=none", "--cache=auto"]
            if "--shared-dir" in words.stdout + words.stderr
            else ["-o", "source=/", "-o", "sandbox=chroot", "-o", "cache=auto", "-o", "no_posix_lock"]
        )
        with (folder / "fsd.log").open("wb") as log:
            self._fsd = subprocess.Popen(
                [*_WITH_US, daemon, f"--socket-path={folder}/fs", *share],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._until((folder / "fs").exists, 10, self._fsd, "virtiofsd")
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(folder / "line"))
        server.listen(1)
        with (folder / "qemu.log").open("wb") as log:
            self._qemu = subprocess.Popen(
                [
                    *(*_WITH_US, "qemu-system-x86_64", "-cpu", "max", "-no-reboot"),
                    *("-accel", "tcg,thread=single" if self.hurried else "tcg,thread=multi"),
                    *(("-icount", "shift=2,sleep=off") if self.hurried else ()),
                    *("-m", str(self.memory), "-smp", str(self.cpus), "-display", "none", "-monitor", "none"),
                    *("-serial", f"file:{folder}/console"),
                    *("-chardev", f"socket,id=line,path={folder}/line", "-serial", "chardev:line"),
                    *(("-nic", "none") if self.network is None else network.device(*self.network)),
                    *("-kernel", str(kernel / "vmlinuz")),
                    *(("-initrd", str(kernel / "initrd")) if (kernel / "initrd").exists() else ()),
                    *(
                        "-object",
                        f"memory-backend-memfd,id=mem,size={self.memory}M,share=on",
                        "-numa",
                        "node,memdev=mem",
                    ),
                    *("-chardev", f"socket,id=fs,path={folder}/fs"),
                    *("-device", "vhost-user-fs-pci,chardev=fs,tag=root"),
                    "-append",
                    # clearcpuid=141 (cx16): the emulation of cmpxchg16b spoils the flags at times (seen: panics in
                    # kmalloc); only the kernel does without it, programs still see it
                    "console=ttyS0 quiet panic=-1 clearcpuid=141 rootfstype=virtiofs root=root ro"
                    f" init={init} guest.init={init} damontui.guest" + modules,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        with server:
            server.settimeout(20)
            try:
                self._line, _ = server.accept()
            except TimeoutError as error:
                raise self._broken("QEMU does not start", folder / "qemu.log") from error
        try:
            ready = self._answer(BOOT_LIMIT)
        except GuestFailed as error:
            console = self._console()
            self.close()
            raise GuestFailed(f"{error} while booting {kernel.name}\nthe guest's console:\n{console}") from error
        self.boot_seconds = time.monotonic() - began
        self.kernel = ready["ready"]
        # by its own clock; by ours where that passes over what it sleeps
        self.slowness = max(ready["slowness"], self.boot_seconds / pace.USUAL_BOOT_S)

    def _until(self, ready: Any, limit: float, process: subprocess.Popen[bytes], what: str) -> None:
        until = time.monotonic() + limit
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                assert self._folder is not None
                raise self._broken(f"{what} does not start", self._folder / "fsd.log")
            time.sleep(0.02)

    def _broken(self, text: str, log: Path) -> GuestFailed:
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        self.close()
        return GuestFailed(f"{text}: {said}")

    def _console(self) -> str:
        if self._folder is None:
            return ""
        lines = []
        for name in ("console", "qemu.log", "fsd.log"):
            with contextlib.suppress(OSError):
                lines += (self._folder / name).read_text(errors="replace").splitlines()[-25:]
        return "\n".join(lines)

    def close(self) -> None:
        """End the guest and remove its folder."""
        if self._line is not None:
            self._line.close()
            self._line = None
        self._received = b""
        for process in (self._qemu, self._fsd):
            if process is not None:
                if process.poll() is None:
                    process.kill()
                process.wait()
        self._qemu = self._fsd = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def main() -> int:
    """``SERIES -- COMMAND…`` or ``SERIES CHECK…``: run it in a guest."""
    if len(sys.argv) < 3:
        print(f"usage: python -m tests.guests.vm {'|'.join(kernels.SERIES)} (-- COMMAND… | CHECK…)", file=sys.stderr)
        return 2
    series, words = sys.argv[1], sys.argv[2:]
    status = 0
    try:
        with Vm(series) as vm:
            jobs = [words[1:]] if words[0] == "--" else words
            for job in jobs:
                result = vm.command(job, 600) if isinstance(job, list) else vm.run(job, 300)
                facts = dict(result.facts)
                status = status or int(facts.pop("status", result.outcome == "failed"))
                print(facts.pop("output", ""), end="")
                if words[0] != "--":
                    print(f"{job}: {result.outcome} in {result.seconds:.1f} s {json.dumps(facts)}\n{result.text}")
            print(f"Linux {vm.kernel}, booted in {vm.boot_seconds:.1f} s", file=sys.stderr)
    except (Missing, kernels.Unavailable, GuestFailed) as error:
        print(f"vm: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
