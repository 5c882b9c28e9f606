"""A machine of the fleet, live by ssh: which words are run, what ssh says, and its end. The ssh here is made up."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.commands.fleet_live import patient, piped
from damontui.errors import SourceError, UsageError
from damontui.fleet.ssh import FAR, host_of, ssh_command
from tests.fleet.scripted import NOW, Engine, host, say, served
from tests.prometheus import until

OPTIONS = ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--"]
LIMIT = 60.0


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        ("a.example:9100", "a.example"),
        ("a_b-c.example.:9100", "a_b-c.example."),
        ("a.example", "a.example"),
        ("192.0.2.7:9100", "192.0.2.7"),
        ("[2001:db8::1]:9100", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_machine_that_can_be_asked(instance: str, name: str) -> None:
    assert host_of(instance) == name
    assert ssh_command(instance) == ["ssh", *OPTIONS, f"root@{name}", FAR]


@pytest.mark.parametrize(
    "instance",
    [
        *("", ":1", "-oProxyCommand=x:1", "-l:1", "a b:1", "a;b:1", "$(a):1", "`a`:1", "a@b:1", "ssh://a:1", "a/b:1"),
        *("a\n:1", "a:1\n", "é.example:1", "a:b:1", "[fe80::1%-x]:1", "[a]b:1", "%h:1", "a" * 300, "{a,b}:1", "~a:1"),
    ],
)
def test_what_is_no_name_is_no_option_and_no_word_either(instance: str) -> None:
    with pytest.raises(UsageError, match="no name of a machine") as caught:
        ssh_command(instance)
    assert str(caught.value).isprintable()


@given(st.text(max_size=300) | st.from_regex(r"[-a-z0-9.:\[\]%@ ]{0,30}"))
def test_no_instance_makes_a_word_that_ssh_takes_for_something_else(instance: str) -> None:
    try:
        words = ssh_command(instance)
    except UsageError:
        return
    assert words[:-2] == ["ssh", *OPTIONS]
    assert re.fullmatch(r"root@[A-Za-z0-9:][A-Za-z0-9._:-]*", words[-2])
    assert shlex.split(shlex.join(words)) == words


# -- an ssh that is made up


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where programs are looked for first; `made` puts one there."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return place


def made(place: Path, does: str) -> Path:
    """An ssh that writes down its PID and its words, and then does this; where that is."""
    log = place / "words"
    path = place / "ssh"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$$" "$@" >{log}.new && mv {log}.new {log}\n{does}\n')
    path.chmod(0o755)
    return log


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_ssh_is_ended_with_what_reads_it(ssh: Path) -> None:
    log = made(ssh, "echo there; exec sleep 300")
    with piped("a.example:1") as (descriptor, _):
        assert os.read(descriptor, 100) == b"there\n"
        pid, *words = log.read_text().splitlines()
        assert words == [*OPTIONS, "root@a.example", FAR]
        assert not gone(int(pid))
        assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3] == pid  # a session of its own
    assert gone(int(pid))


def test_ssh_that_does_not_want_to_end_is_killed(ssh: Path) -> None:
    log = made(ssh, "trap '' TERM; echo there; while :; do sleep 0.2; done")
    with piped("a.example:1") as (descriptor, _):
        assert os.read(descriptor, 100) == b"there\n"
    assert gone(int(log.read_text().split()[0]))


def test_what_ssh_says_is_the_reason_and_cannot_reach_the_terminal(ssh: Path) -> None:
    made(ssh, r"printf 'a\n\033]0;owned\007: Permission denied (publickey).\n' >&2; exit 255")
    with piped("a.example:1") as (descriptor, why):
        assert os.read(descriptor, 100) == b""
        said = why()
    assert said.startswith("ssh ended with 255 and said: ")
    assert said.endswith(": Permission denied (publickey).")
    assert said.isprintable()


def test_no_ssh_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SourceError, match=r"cannot watch a live: there is no ssh here; apt-get"), piped("a:1"):
        pass


def test_what_never_says_anything_is_not_waited_for_for_ever() -> None:
    reading, writing = os.pipe()
    now = [0.0]
    wait = patient(1.0, lambda: now[0])
    now[0] = 1.0
    with pytest.raises(SourceError, match="no record within 1 s"):
        wait(reading, None)
    assert not wait(reading, 0.0)
    os.write(writing, b"a")
    assert wait(reading, None)
    assert wait(reading, 0.0)
    os.close(reading)
    os.close(writing)


# -- the program


class Terminal:
    """The program in a pseudo terminal, its text without what moves cursors and colours."""

    def __init__(self, *words: str) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(COLUMNS="120", LINES="36", TERM="xterm-256color")
            os.execv(sys.executable, [sys.executable, "-m", "damontui", *words])
        self.text = ""

    def until(self, *parts: str | re.Pattern[str]) -> None:
        """Read until all of this was written since the last time."""
        end = time.monotonic() + LIMIT
        while not all(part in self.text if isinstance(part, str) else part.search(self.text) for part in parts):
            assert time.monotonic() < end, (parts, self.text[-3000:])
            if select.select([self.terminal], [], [], 0.2)[0]:
                data = os.read(self.terminal, 65536).decode("utf-8", "replace")
                self.text += re.sub(r"\x1b(\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])", "", data)
        self.text = ""

    def press(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def end(self) -> int:
        """Its exit status, once it has ended."""
        end = time.monotonic() + LIMIT
        while True:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                os.close(self.terminal)
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < end
            try:
                if select.select([self.terminal], [], [], 0.05)[0]:
                    os.read(self.terminal, 65536)
            except OSError:
                pass

    def kill(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (OSError, ChildProcessError):
            pass


def answers(engine: Engine) -> object:
    """What an engine in memory says, over HTTP."""

    def answer(handler: object, query: str) -> None:
        found = [{"metric": dict(one.labels), "value": [NOW, str(one.points[0][1])]} for one in engine.instant(query)]
        data = {"resultType": "vector", "result": found}
        say(json.dumps({"status": "success", "data": data}).encode())(handler, query)  # type: ignore[arg-type]

    return answer


def test_from_the_fleet_to_a_machine_and_back(ssh: Path) -> None:
    log = made(ssh, "echo 'Permission denied (publickey).' >&2; exit 255")
    engine = Engine([host("far.example:9100"), host("small.example:9100", size=1 << 30, used=1 << 30, free=0)])
    with served(answers(engine)) as (url, _):  # type: ignore[arg-type]
        terminal = Terminal("fleet", url)
        try:
            terminal.until("far.example", "2 of 2 hosts summed")
            terminal.press("\r")
            terminal.until("live by ssh")
            terminal.press("L")
            terminal.until("root@far.example 'damontui record stat -o -'")
            assert not log.exists()  # it is shown first
            terminal.press("\r")
            terminal.until("cannot watch far.example live: ssh ended with 255 and said: Permission denied (publickey).")
            assert log.read_text().splitlines()[-2:] == ["root@far.example", FAR]
            log.unlink()
            # and one that answers: a record of a scene, without end
            far = f"{sys.executable} -m damontui record demo --speed 10 -o -"
            made(ssh, f"exec {far}")
            terminal.press("L")
            terminal.until("runs it, and")
            terminal.press("\r")
            terminal.until("synthetic memory", "space pause")
            pid = int(log.read_text().split()[0])
            terminal.until(re.compile(r"\d:\d\d or longer"))  # nine seconds on it still does
            assert not gone(pid)
            terminal.press("q")
            terminal.until("live by ssh")  # the fleet again, and the host still open
            until(lambda: gone(pid))
            terminal.press("q")
            assert terminal.end() == 0
        finally:
            terminal.kill()


def test_a_signal_ends_the_machine_s_screen_ssh_and_the_program(ssh: Path) -> None:
    log = made(ssh, f"exec {sys.executable} -m damontui record demo --speed 10 -o -")
    with served(answers(Engine([host("far.example:9100")]))) as (url, _):  # type: ignore[arg-type]
        terminal = Terminal("fleet", url)
        try:
            terminal.until("far.example")
            terminal.press("\rL\r")
            terminal.until("synthetic memory", "space pause")
            pid = int(log.read_text().split()[0])
            os.kill(terminal.pid, signal.SIGTERM)
            assert terminal.end() == 128 + signal.SIGTERM
            assert gone(pid)
        finally:
            terminal.kill()


def test_a_signal_while_ssh_says_nothing(ssh: Path) -> None:
    log = made(ssh, "exec sleep 300")
    with served(answers(Engine([host("far.example:9100")]))) as (url, _):  # type: ignore[arg-type]
        terminal = Terminal("fleet", url)
        try:
            terminal.until("far.example")
            terminal.press("\rL\r")
            terminal.until("damontui: ssh -T")
            pid = int(until(lambda: log.read_text().split()[0]))
            os.kill(terminal.pid, signal.SIGINT)
            assert terminal.end() == 128 + signal.SIGINT
            assert gone(pid)
        finally:
            terminal.kill()
