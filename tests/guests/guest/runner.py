"""Runs in the guest: reads one JSON request a line from a serial port, forks a check, answers with one JSON line.

A fork starts with everything imported, which matters where importing takes fifteen times as long; it also keeps
checks apart. What a check leaves running is killed, and what it leaves switched is put back, before the next one.
"""

from __future__ import annotations

import base64
import gc
import importlib
import json
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import time
import traceback
import tty
import zlib
from pathlib import Path
from typing import Any

from tests.guests import guest
from tests.guests.guest import pace, system


def main() -> None:
    """Serve until the line is closed."""
    if "damontui.guest" not in Path("/proc/cmdline").read_text():
        sys.exit("this runs in a guest only: it writes to /sys")
    line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    checks = guest.registered()
    errors = preload()
    start = system.Start()
    send(line, {"ready": os.uname().release, "slowness": pace.measure()})
    received = b""
    while data := os.read(line, 4096):
        received += data
        while b"\n" in received:
            text, _, received = received.partition(b"\n")
            send(line, serve(json.loads(text), checks, errors))
            kill_others()
            start.restore()


def preload() -> str:
    """Import the whole product; the reasons where it cannot be imported (each check that fails will say so)."""
    import damontui

    errors = ""
    for module in pkgutil.walk_packages(damontui.__path__, "damontui."):
        if not module.name.endswith(("__main__", "commands.wheel")):  # that one is for building, and brings setuptools
            try:
                importlib.import_module(module.name)
            except Exception:
                errors += traceback.format_exc()
    gc.collect()
    gc.freeze()  # a fork's collections need not look at all of it again
    return errors


def send(line: int, answer: dict[str, Any]) -> None:
    """One line, whole: the port takes little at a time."""
    data = json.dumps(answer).encode() + b"\n"
    while data:
        data = data[os.write(line, data) :]


def serve(request: dict[str, Any], checks: dict[str, guest.Check], errors: str) -> dict[str, Any]:
    """Run one check, or one command, in a process of its own."""
    if request.get("afresh"):
        shutil.rmtree(system.KEPT, ignore_errors=True)
    folder = Path(f"/run/check-{time.monotonic_ns()}")
    folder.mkdir()
    result = folder / "result"
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        out = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
        for number in (1, 2):
            os.dup2(out, number)
        answer = (
            run_command(request["command"]) if "command" in request else run_check(checks[request["check"]], folder)
        )
        result.write_text(json.dumps(answer))
        os._exit(0)
    limit = pace.patient(request["limit"])
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() - began > limit:
            stacks = system.where(child)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            answer = {"outcome": "failed", "text": f"no end in {limit:.0f} s; {stacks}"}
            break
        time.sleep(0.02)
    else:
        answer = json.loads(result.read_text()) if result.exists() else {"outcome": "failed", "text": "it died"}
    said = (folder / "output").read_text(errors="replace")[-3000:]
    if answer["outcome"] == "failed":
        answer["text"] += f"\nit printed:\n{said}" if said else ""
        answer["text"] += f"\nthe program could not be imported:\n{errors}" if errors else ""
    return {**answer, "seconds": time.monotonic() - began}


def run_command(words: list[str]) -> dict[str, Any]:
    """Any command; its output is a fact."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return {"outcome": "passed", "facts": {"status": done.returncode, "output": done.stdout}}


def run_check(check: guest.Check, folder: Path) -> dict[str, Any]:
    """One check; a failed assertion shows the local variables of the check's own frames."""
    context = guest.Guest(folder)
    try:
        check.function(context)
    except guest.Skip as reason:
        return {"outcome": "skipped", "text": str(reason), "facts": context.facts}
    except BaseException as error:
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        for frame in trace.stack:
            frame.locals = {k: v[:300] for k, v in (frame.locals or {}).items() if not k.startswith("__")}
        return {"outcome": "failed", "text": "".join(trace.format())[-6000:], "facts": context.facts}
    files = {name: base64.b64encode(zlib.compress(data)).decode() for name, data in context.files.items()}
    return {"outcome": "passed", "facts": context.facts, "files": files}


def kill_others() -> None:
    """End every program that a check left, this runner and the first process excepted."""
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid not in (1, os.getpid()) and (folder / "cmdline").exists():
            try:
                kernel_thread = not (folder / "cmdline").read_bytes()
                if not kernel_thread:
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


if __name__ == "__main__":
    main()
