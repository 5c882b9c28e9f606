"""What is said to be read, written and sent is what runs really open."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from damontui import cli
from damontui.kernel.root import Root
from damontui.output import permissions
from tests.fake_kernel import PARAMETERS, FakeKernel

_AUDITED = """
import os, sys
seen = []
def hook(event, words):
    if event == "open" and isinstance(words[0], (str, bytes)):
        seen.append(("write" if words[2] & (os.O_WRONLY | os.O_RDWR) else "read", os.fsdecode(words[0])))
    elif event.startswith("socket.") and event != "socket.__new__":
        seen.append((event, repr(words[1:])))
    elif event in ("subprocess.Popen", "os.exec", "os.system", "os.posix_spawn"):
        seen.append((event, repr(words)))
from damontui import cli
import damontui.tui.app, damontui.sources.choose, damontui.output.json, damontui.output.text
sys.addaudithook(hook)
status = cli.main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    import json
    json.dump(seen, file)
sys.exit(status)
"""


def audited(tmp_path: Path, *words: str) -> list[tuple[str, str]]:
    log = tmp_path / "log"
    environ = os.environ | {"PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _AUDITED, str(log), *words], capture_output=True, text=True, timeout=100, env=environ
    )
    assert done.returncode == 0, done.stderr
    return [(kind, path) for kind, path in json.loads(log.read_text()) if path != str(log)]


def patterns() -> list[str]:
    found = []
    for access in (*permissions.READ, *permissions.WRITTEN):
        for part in access.path.split(", "):
            head, brace, rest = part.partition("{")
            choices, _, tail = rest.partition("}")
            found += [f"/{head}{choice}{tail}" for choice in choices.split(",")] if brace else [f"/{part}"]
    return found


def test_nothing_is_opened_that_is_not_said(tmp_path: Path) -> None:
    record = tmp_path / "new.damontui"
    runs = [
        ("snapshot", "demo", "--seed", "1", "--speed", "max", "--now"),
        ("snapshot", str(os.getpid()), "--now", "--aggr", "200ms", "--json"),
        ("record", "demo", "--seed", "1", "--speed", "max", "--for", "1s", "-o", str(record)),
        ("report", str(record)),
        ("doctor",),
    ]
    said, missing = patterns(), set()
    for words in runs:
        seen = audited(tmp_path, *words)
        assert not [event for event, _ in seen if event not in ("read", "write")], seen
        for kind, path in seen:
            if re.fullmatch(r"/proc/\d+", path):
                continue  # the folder of a process, held open to reach its files
            if path.startswith(("/proc/", "/sys/")):
                if not any(fnmatch.fnmatch(name, pattern) for pattern in said for name in (path, f"{path}/")):
                    missing.add(path)
            elif kind == "write":
                name = os.path.basename(path).strip(".")
                lock = fnmatch.fnmatch(name, "damontui-*-*.lock")
                assert lock or name.startswith(("new.damontui", "clear_refs", "null")), path
    assert not missing


def test_it_is_printed_for_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--paranoid"]) == 0
    text = capsys.readouterr().out
    assert "Network  nothing" in text
    assert "clear_refs" in text
    assert "--read-only too" in text
    assert cli.main(["doctor", "--paranoid", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["as"]["euid"] == os.geteuid()
    assert found["network"].startswith("nothing")
    assert re.fullmatch(r"[0-9a-f]{16}", found["as"]["capabilities"])


def test_what_may_be_done_is_asked_below_the_root_folder(tmp_path: Path) -> None:
    FakeKernel(tmp_path)
    rows = {row["path"]: row["may"] for row in permissions.paranoid(Root(tmp_path), {}, [])["writes"]}
    assert rows[f"{tmp_path}/{PARAMETERS}/enabled"] is True
    found = permissions.paranoid(Root(tmp_path, read_only=True), {"SUDO_USER": "ann\x1b[2J"}, ["/a"])
    assert {row["path"]: row["may"] for row in found["writes"]}[f"{tmp_path}/{PARAMETERS}/enabled"] is False
    assert "for ann?[2J" in permissions.text(found)
