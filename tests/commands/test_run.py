"""``damontui run`` as a program: what it says, passes on and returns, without a terminal and in one."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from damontui import cli
from tests.terminal import Answer, run_in_terminal

PROGRAM = [sys.executable, "-m", "damontui", "run"]
TIMEOUT = 60
QUICK = ["--sample", "10ms", "--aggr", "50ms", "--no-autotune", "--budget", "100%"]


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [*PROGRAM, *words],
        **{"capture_output": True, "text": True, "timeout": TIMEOUT, "stdin": subprocess.DEVNULL, **options},
    )


def needs_clear_refs() -> None:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this machine does not let a process clear its own accessed bits")


# -- wrong usage and commands that do not start


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["the command is missing", "damontui run -- COMMAND"]),
        (["--"], ["the command is missing"]),
        (["--json"], ["the command is missing"]),
        (["--frobnicate", "--", "true"], ["--frobnicate", "no such option"]),
        (["--rootfs", "/proc", "--", "true"], ["--rootfs", "/proc", "own /proc"]),
        (["--sample", "5x", "--", "true"], ["--sample", "'5x'"]),
        (["--take", "--", "true"], ["--take", "no such option"]),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("damontui: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


@pytest.mark.parametrize(
    ("command", "status", "part"),
    [
        (["no-such-command-here"], 127, "there is no such command"),
        (["/etc/passwd"], 126, "may not be executed"),
        (["-o", "/nowhere/log", "--", "true"], 1, "cannot write /nowhere/log"),
    ],
)
def test_a_command_that_does_not_start_has_a_shells_status(command: list[str], status: int, part: str) -> None:
    done = run(*command)
    assert done.returncode == status
    assert done.stdout == ""
    assert part in done.stderr
    assert done.stderr.count("\n") == 1


# -- without a terminal


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143)])
def test_it_ends_with_the_commands_status(script: str, status: int) -> None:
    needs_clear_refs()
    assert run("--", "sh", "-c", script).returncode == status


def test_json_is_on_standard_output_and_the_commands_output_on_standard_error() -> None:
    needs_clear_refs()
    done = run("--json", *QUICK, "--", "sh", "-c", "echo out; echo err >&2; sleep 0.6; exit 4")
    assert done.returncode == 4
    assert done.stderr.split("\n") == ["out", "err", ""]
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert objects
    assert {(one["schema"], one["target"], one["origin"]) for one in objects} == {(1, "run", "process")}


def test_without_json_the_end_is_a_summary_of_the_last_aggregation() -> None:
    needs_clear_refs()
    done = run(*QUICK, "--", "sleep", "2")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("sleep, process ")
    assert "in use" in done.stdout
    assert "read every 50" in done.stdout or "counted" in done.stdout


def test_a_command_too_short_to_be_seen_says_so() -> None:
    needs_clear_refs()
    done = run("--", "true")
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr == "damontui: the command ended before the first aggregation did\n"


def test_log(tmp_path: Path) -> None:
    needs_clear_refs()
    log = tmp_path / "log"
    done = run("-o", str(log), "--json", *QUICK, "--", "sh", "-c", "echo out; echo err >&2; sleep 0.3")
    assert log.read_text() == "out\nerr\n"
    assert done.stderr == ""


def test_options_of_the_command_are_its_own(tmp_path: Path) -> None:
    needs_clear_refs()
    done = run("--", "sh", "-c", 'echo "$@"; exit 5', "name", "--json", "--debug", "--", "-h")
    assert done.returncode == 5
    assert done.stderr.startswith("--json --debug -- -h\n")


def test_standard_input_is_the_commands() -> None:
    needs_clear_refs()
    done = run("--", "sh", "-c", "read word; test $word = hello", input="hello\n", stdin=None)
    assert done.returncode == 0


def test_a_file_is_the_commands_input(tmp_path: Path) -> None:
    needs_clear_refs()
    (tmp_path / "data").write_text("one\ntwo\n")
    with open(tmp_path / "data") as data:
        done = run("--json", "--", "sh", "-c", "read a; read b; test $b = two && exit 9", stdin=data)
    assert done.returncode == 9


def test_a_reader_that_goes_away_does_not_end_the_command(tmp_path: Path) -> None:
    needs_clear_refs()
    said = tmp_path / "said"
    words = [*PROGRAM, "--json", *QUICK, "--", "sh", "-c", f"sleep 1; echo done > {said}; exit 6"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(TIMEOUT) == 6
    assert said.read_text() == "done\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_go_to_the_command_which_decides(tmp_path: Path, number: signal.Signals) -> None:
    needs_clear_refs()
    said = tmp_path / "said"
    os.mkfifo(said)
    # a shell may not trap what is ignored when it starts, as SIGINT is in the background of another
    script = (
        f"import signal,sys;signal.signal({int(number)},lambda *_:sys.exit(42));"
        f"open({str(said)!r},'w').write('x');signal.pause()"
    )
    with subprocess.Popen([*PROGRAM, "--json", "--", sys.executable, "-c", script], stdout=subprocess.DEVNULL) as p:
        said.read_text()
        p.send_signal(number)
        assert p.wait(TIMEOUT) == 42


def test_no_screen_is_imported_without_one() -> None:
    code = (
        "import sys;from damontui.cli import main;main(['run','--json','--','true']);"
        "print([m for m in ('textual','rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# -- in a terminal

_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()].|[=>78M])")


def in_terminal(words: Sequence[str], react: Callable[[str, int, int], bool]) -> tuple[int, str]:
    """Run in a pseudo terminal; ``react(text so far, terminal, pid)`` is asked until it says that it is done."""

    def reacted(out: bytes, terminal: int, pid: int) -> Answer:
        return "done" if react(_ESCAPES.sub(b"", out).decode("utf-8", "replace"), terminal, pid) else "ask again"

    status, out = run_in_terminal(words, reacted, TIMEOUT, COLUMNS="120", LINES="36")
    return status, _ESCAPES.sub(b"", out).decode("utf-8", "replace")


def test_the_screen_shows_the_output_and_q_ends_with_the_commands_status() -> None:
    needs_clear_refs()

    def react(text: str, terminal: int, _: int) -> bool:
        if "exit status 7" in text and "of the command" in text:
            os.write(terminal, b"q")
            return True
        return False

    status, text = in_terminal([*PROGRAM, *QUICK, "--", "sh", "-c", "echo last words of the command; exit 7"], react)
    assert status == 7
    assert "Output" in text


def test_a_pipe_is_the_commands_input_and_the_keys_come_from_the_terminal() -> None:
    needs_clear_refs()

    def react(text: str, terminal: int, _: int) -> bool:
        if "exit status 7" in text and "it came through the pipe" in text:
            os.write(terminal, b"q")
            return True
        return False

    inner = "read word && echo it came through the $word; exit 7"
    words = " ".join(map(shlex.quote, [*PROGRAM, *QUICK, "--", "sh", "-c", inner]))
    status, text = in_terminal(["sh", "-c", f"echo pipe | {words}"], react)
    assert status == 7
    assert "Output" in text


# a command that asks when it has the terminal: no key is typed before that
_ASKS = (
    "import os, sys, time; [time.sleep(0.01) for _ in iter(lambda: os.tcgetpgrp(0), os.getpgrp())];"
    "print('asks', file=sys.stderr, flush=True)"
)


def test_without_a_screen_the_terminal_is_the_commands() -> None:
    needs_clear_refs()

    def react(text: str, terminal: int, _: int) -> bool:
        if "asks" in text:
            os.write(terminal, b"an answer\n")
            return True
        return False

    script = f"{_ASKS}; sys.exit(9 if input() == 'an answer' else 1)"
    status, _ = in_terminal([*PROGRAM, "--json", *QUICK, "--", sys.executable, "-c", script], react)
    assert status == 9


def test_ctrl_c_is_the_commands_where_it_has_the_terminal() -> None:
    needs_clear_refs()

    def react(text: str, terminal: int, _: int) -> bool:
        if "asks" in text:
            os.write(terminal, b"\x03")
            return True
        return False

    ends = "import signal, sys; signal.signal(2, lambda *_: sys.exit(43))"
    script = f"{ends}; {_ASKS}; [time.sleep(0.01) for _ in iter(int, 1)]"
    status, _ = in_terminal([*PROGRAM, "--json", *QUICK, "--", sys.executable, "-c", script], react)
    assert status == 43


# a shell's part in job control: a job in a group of its own that has the terminal, told when it stops, continued
_SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status = os.waitpid(child, os.WUNTRACED)
print("shell: stopped", os.WIFSTOPPED(status), flush=True)
os.tcsetpgrp(0, child)
os.killpg(child, signal.SIGCONT)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_ctrl_z_stops_both_and_both_go_on() -> None:
    needs_clear_refs()
    typed: list[bytes] = []

    def react(text: str, terminal: int, _: int) -> bool:
        for said, keys in (("asks", b"\x1a"), ("shell: stopped True", b"an answer\n")):
            if said in text and keys not in typed:
                typed.append(keys)
                os.write(terminal, keys)
        return len(typed) == 2

    script = f"{_ASKS}; sys.exit(9 if input() == 'an answer' else 1)"
    words = [sys.executable, "-c", _SHELL, *PROGRAM, "--json", *QUICK, "--", sys.executable, "-c", script]
    status, text = in_terminal(words, react)
    assert status == 9, text


def test_close_leaves_with_the_command() -> None:
    needs_clear_refs()
    status, text = in_terminal([*PROGRAM, "--close", *QUICK, "--", "sh", "-c", "sleep 0.3; exit 8"], lambda *_: True)
    assert status == 8
    assert "\x1b" not in text


def test_leaving_early_ends_the_command(tmp_path: Path) -> None:
    needs_clear_refs()
    pid = tmp_path / "pid"

    def react(text: str, terminal: int, _: int) -> bool:
        if "started" in text:
            os.write(terminal, b"q")
            return True
        return False

    script = f"echo $$ > {pid}; echo started; exec sleep 1000"
    status, _ = in_terminal([*PROGRAM, *QUICK, "--", "sh", "-c", script], react)
    assert status == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_signal_reaches_the_command_behind_the_screen(tmp_path: Path) -> None:
    needs_clear_refs()

    def react(text: str, _: int, pid: int) -> bool:
        if "started" in text:
            os.kill(pid, signal.SIGTERM)
            return True
        return False

    script = "import signal,sys;signal.signal(15,lambda *_:sys.exit(42));print('started',flush=True);signal.pause()"
    status, _ = in_terminal([*PROGRAM, *QUICK, "--", sys.executable, "-c", script], react)
    assert status == 42
