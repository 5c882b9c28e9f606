"""The command line as a program: what it says, imports and returns, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from damontui import __version__, cli, config
from damontui.commands.table import parser_of, split
from tests.terminal import Answer, run_in_terminal

PROGRAM = [sys.executable, "-m", "damontui"]
FAKE = [sys.executable, "-m", "tests.fake_program"]  # as a module: what is imported is this folder's program
TIMEOUT = 60


def run(*words: str, program: Sequence[str] = PROGRAM, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def wait_for(log: Path, text: str) -> None:
    limit = time.monotonic() + TIMEOUT
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < limit, f"{text} never came"
        time.sleep(0.02)


# -- what it says ----------


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"damontui {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in cli.COMMANDS)])
def test_help_names_what_there_is(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: damontui")
    assert "--rootfs" in text
    if len(words) == 1:
        assert all(f"\n  {name} " in text for name in cli.COMMANDS)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--seed", "x"], ["--seed", "'x'", "whole number"]),
        (["--sample", "5x"], ["--sample", "'5x'", "5ms"]),
        (["--speed", "-1"], ["--speed", "'-1'", "max"]),
        (["--speed", "nan"], ["--speed", "'nan'", "max"]),
        (["--goal", "400%"], ["--goal", "'400%'", "100%"]),
        (["--goal", "0%"], ["--goal", "'0%'", "0.01%"]),
        (["--min-regions", "2"], ["--min-regions", "2", "at least 3"]),
        (["--min-regions", "20", "--max-regions", "10"], ["--max-regions", "20", "10"]),
        (["--sample", "2s", "--aggr", "1s"], ["--sample", "2000000", "1000000"]),
        (["--min-sample", "2s", "--max-sample", "1s"], ["--min-sample", "2000000", "1000000"]),
        (["--goal-aggrs", "0"], ["--goal-aggrs", "0", "at least 1"]),
        (["--count", "-3"], ["--count"]),
        (["--timeout", "0"], ["--timeout", "'0'", "over 0"]),
        (["--rootfs", "/nonexistent"], ["--rootfs", "/nonexistent", "not a folder"]),
        (["--config", "/nonexistent"], ["--config", "/nonexistent", "no such file"]),
        (["--budget", "0%"], ["--budget", "'0%'", "100%"]),
        (["--regions", "4G"], ["--regions", "'4G'", "START-END"]),
        (["--regions", "4G-3G"], ["--regions", "4G-3G", "after its start"]),
        (["--regions", "1G-3G,2G-4G"], ["--regions", "overlap"]),
        (["--max-regions", "9" * 19], ["--max-regions", "more than 18 digits"]),
        (["--seed", "9" * 5000], ["--seed", "more than 18 digits"]),
        (["--frobnicate"], ["--frobnicate", "no such option"]),
        (["--seed"], ["--seed", "expected one argument"]),
        (["demo"], ["demo", "one target"]),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(
    words: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["snapshot", "demo", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("damontui: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


def test_a_command_without_a_target_asks_for_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "demo"]) == 2
    assert "demo: there is nothing that this could mean; see: damontui doctor --help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "part"),
    [("nonsense", "stat"), ("demo:nonsense", "steady"), ("./nonsense", "no file"), ("", "not understood")],
)
def test_an_unknown_target_is_told_what_is_understood(word: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["snapshot", word]) == 2
    assert part in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["DAMONTUI_SEED", "DAMONTUI_ENABLED", "DAMONTUI_SPAN"])
def test_a_wrong_variable_is_named(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "maybe")
    assert cli.main(["snapshot", "demo"]) == 2
    assert variable in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "--seed 1 snapshot demo --json",
        "--count 1 snapshot demo --json",
        "-n 1 --json --seed=1 snapshot demo",
        "--json snapshot --seed 1 demo",
        "--via proc snapshot demo --json",
        "--regions 4G-6G --now snapshot demo --json",
        "--theme snapshot snapshot demo --json --mode idle",
    ],
)
def test_options_may_stand_anywhere(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = [word for word in words.split() if word not in ("--theme", "--mode", "idle")]
    if "--theme" in words:
        assert cli.main([*words.split(), "--speed", "max"]) == 2  # snapshot has no screen, and says so
        assert "--theme: there is no such option; see: damontui snapshot --help" in capsys.readouterr().err
        said.remove("snapshot")
    assert cli.main([*said, "--speed", "max"]) == 0
    assert json.loads(capsys.readouterr().out)["target"] == "demo:steady"


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        ("--for 8h record stat -o f", "record", "--for 8h stat -o f"),
        ("-o record record stat", "record", "-o record stat"),
        ("-p snapshot", "", "-p snapshot"),
        ("-p record snapshot", "snapshot", "-p record"),
        ("demo snapshot", "", "demo snapshot"),
        ("--style wss report f", "report", "--style wss f"),
        ("run -- damontui snapshot", "run", "-- damontui snapshot"),
        ("-- snapshot", "", "-- snapshot"),
        ("- snapshot", "", "- snapshot"),
        ("--now snapshot", "snapshot", "--now"),
        ("--seed snapshot", "", "--seed snapshot"),
        ("--seed=1 demo snapshot", "", "--seed=1 demo snapshot"),
        ("--idle kernel size demo", "size", "--idle kernel demo"),
        ("--cols 3 report heatmap f", "report", "--cols 3 heatmap f"),
        ("-p 12 --once", "snapshot", "-p 12 --once"),
        ("stat -n 3", "snapshot", "stat -n 3"),
        ("run -- top -n 1", "run", "-- top -n 1"),
        ("", "", ""),
    ],
)
def test_which_word_is_the_command(words: str, name: str, rest: str) -> None:
    assert split(words.split()) == (name, rest.split())


@pytest.mark.parametrize("words", ["--idle kernel size demo", "--cols 3 report heatmap f"])
def test_where_an_option_is_refused_the_command_is_named(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words.split()) == 2
    assert f"see: damontui {words.split()[2]} --help" in capsys.readouterr().err


def test_what_takes_a_value_is_the_same_in_every_command() -> None:
    """Else what stands before a command's name would be read in another way than what stands after it."""
    known: dict[str, tuple[str, bool]] = {}
    for name in ("", *cli.COMMANDS):
        for option, valued in parser_of(name).options().items():
            assert known.setdefault(option, (name, valued))[1] == valued, f"{option} of {name} and {known[option][0]}"


def test_every_setting_is_an_option_of_some_command() -> None:
    every = {option for name in ("", *cli.COMMANDS) for option in parser_of(name).options()}
    for one in config.SETTINGS:
        if one.name == "target":  # a word of its own
            continue
        options = {one.option} if one.metavar else {flag.option for flag in one.flags}
        assert options, f"the setting {one.name!r} has no option: give its declaration a metavar, or flags"
        left = options - every
        assert not left, (
            f"no command takes {', '.join(left)}: name {one.name!r} where commands/context.py adds settings"
        )


# -- what it imports ----------


@pytest.mark.parametrize(
    ("words", "forbidden"),
    [
        (["--version"], ["textual", "rich", "numpy", "argparse"]),
        (["--help"], ["textual", "rich", "asyncio"]),
        (["snapshot", "demo", "--speed", "max"], ["textual", "rich", "asyncio"]),
        (["doctor"], ["textual", "rich", "asyncio"]),
        (["demo"], ["textual", "rich", "asyncio"]),
    ],
)
def test_headless_work_imports_no_screen(words: list[str], forbidden: list[str]) -> None:
    code = f"""
import sys
from damontui.cli import main
main({words!r})
print([name for name in {forbidden!r} if name in sys.modules], file=sys.stderr)
"""
    done = run("-c", code, program=[sys.executable])
    assert done.stderr.splitlines()[-1] == "[]"


# -- what it needs ----------


def test_no_live_screen_into_a_pipe() -> None:
    done = run("demo")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "needs a terminal" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_each_stream_must_be_a_terminal(missing: int) -> None:
    master, slave = pty.openpty()
    streams: list[int] = [slave] * 3
    streams[missing] = subprocess.PIPE if missing else subprocess.DEVNULL
    done = subprocess.run(
        [*PROGRAM, "demo"], stdin=streams[0], stdout=streams[1], stderr=streams[2], timeout=TIMEOUT, check=False
    )
    os.close(slave)
    said = (done.stderr if missing == 2 else os.read(master, 4096)).decode()
    os.close(master)
    assert done.returncode == 2
    assert ["standard input", "standard output", "standard error"][missing] in said


def test_a_dumb_terminal_is_refused() -> None:
    code, out = in_terminal([*PROGRAM, "demo"], TERM="dumb")
    assert code == 2
    assert b"TERM is dumb" in out
    assert b"\x1b" not in out


# -- snapshot ----------


def snapshots(*words: str) -> list[dict[str, object]]:
    done = run("snapshot", "demo", "--json", "--speed", "max", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_snapshot_is_deterministic_with_a_seed() -> None:
    varying = {"unix_time", "overhead_cpu"}
    one, other, third = snapshots("--seed", "1", "--count", "7"), snapshots("--seed", "1", "--count", "7"), None
    third = snapshots("--seed", "2", "--count", "7")
    strip = [[{k: v for k, v in s.items() if k not in varying} for s in run] for run in (one, other, third)]
    assert len(one) == 7
    assert strip[0] == strip[1]
    assert strip[0] != strip[2]


def test_options_reach_the_engine() -> None:
    (snapshot,) = snapshots("--now", "--sample", "20ms", "--max-regions", "50", "--goal", "2%", "--goal-aggrs", "5")
    assert snapshot["intervals"] == {"sample_us": 20_000, "aggr_us": 400_000}
    assert snapshot["goal"] == {"access_bp": 200, "aggrs": 5, "min_sample_us": 5_000, "max_sample_us": 10_000_000}
    assert snapshot["max_regions"] == 50
    (snapshot,) = snapshots("--no-autotune")
    assert snapshot["goal"] is None


@pytest.mark.parametrize("words", [["snapshot"], ["snapshot", "--json"], ["record", "-o", "new"], ["report"]])
def test_a_script_gets_no_made_up_numbers(words: list[str], tmp_path: Path) -> None:
    words = [str(tmp_path / word) if word == "new" else word for word in words]
    done = run(*words, "--rootfs", str(tmp_path), "--speed", "max")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing is measured without a target here" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("behaviour", "part"),
    [
        ("refused", "cannot read the fake: it says no; ask another one"),
        ("off", "it is off"),
        ("gone", "it is gone"),
        ("ended", "it is ended"),
    ],
)
def test_what_the_world_says_no_to_is_one_line(tmp_path: Path, behaviour: str, part: str) -> None:
    done = run(str(tmp_path / "log"), "snapshot", f"fake:{behaviour}", "--json", program=FAKE)
    assert (done.returncode, done.stdout) == (1, "")
    assert part in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_fault_of_ours_is_one_line_and_a_traceback_on_request(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run(str(log), "snapshot", "fake:fault", program=FAKE)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "ZeroDivisionError: a fault" in done.stderr
    assert "left ZeroDivisionError" in log.read_text()
    done = run(str(log), "snapshot", "fake:fault", "--debug", program=FAKE)
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("behaviour", ["waiting", "slow", "stuck"])
def test_the_limit_of_time(tmp_path: Path, behaviour: str) -> None:
    log = tmp_path / "log"
    done = run(str(log), "snapshot", f"fake:{behaviour}", "--timeout", "0.3", program=FAKE)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no snapshot came" in done.stderr
    assert "--timeout" in done.stderr
    assert ("at most 10 s" in done.stderr) == (behaviour == "waiting")
    assert "left SourceError" in log.read_text()


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = [*FAKE, str(log), "snapshot", "fake:steady", "--json", "--count", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["target"] == "fake:steady"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(TIMEOUT) == 0
    assert "left BrokenPipeError" in log.read_text()


def test_a_process_of_ours() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        done = run("snapshot", str(process.pid), "--json", "--now", "--aggr", "200ms")
        process.terminate()
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert (value["target"], value["targets"], value["origin"]) == (str(process.pid), [process.pid], "process")
    assert any("libc" in region.get("name", "") for region in value["regions"])


def test_a_process_that_is_not_there_is_one_line() -> None:
    done = run("snapshot", "4194303")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "4194303" in done.stderr


def test_an_own_kdamond_is_refused_where_nothing_may_be_written(tmp_path: Path) -> None:
    done = run("snapshot", "paddr", "--read-only", "--rootfs", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_a_locale_without_the_characters_is_no_error() -> None:
    for words in (["snapshot", "demo", "--speed", "max"], ["doctor"], ["--help"], ["snapshot", "nonsense…"]):
        done = run(*words, PYTHONIOENCODING="ascii")
        assert "fault" not in done.stderr
        assert done.returncode == (2 if "nonsense…" in words else 0)


# -- signals ----------

SIGNALS = [
    (signal.SIGINT, 130),
    (signal.SIGTERM, 143),
    (signal.SIGHUP, 129),
    (signal.SIGQUIT, 131),
    (signal.SIGUSR1, 138),
    (signal.SIGUSR2, 140),
    (signal.SIGALRM, 142),
    (signal.SIGXCPU, 152),
    (signal.SIGRTMIN + 7, 169),
]
"""Signals that end a process, a real-time one too, and the exit status after each."""


@pytest.mark.parametrize(("number", "status"), SIGNALS)
@pytest.mark.parametrize("behaviour", ["steady", "slow", "stuck"])
def test_a_signal_leaves_the_source(tmp_path: Path, behaviour: str, number: int, status: int) -> None:
    log = tmp_path / "log"
    words = [*FAKE, str(log), "snapshot", f"fake:{behaviour}", "--count", "0"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_for(log, "iterating")
        process.send_signal(number)
        process.send_signal(number)  # the second one must not disturb the giving back
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(TIMEOUT) == status
    assert log.read_text().splitlines()[-1] == "left Ended"


def in_terminal(
    words: Sequence[str], log: Path | None = None, *, keys: bytes = b"", number: int = 0, hang: bool = False, **env: str
) -> tuple[int, bytes]:
    """Run in a pseudo terminal; after ``log`` says that it iterates, press keys, send a signal, or hang up."""

    def react(out: bytes, terminal: int, pid: int) -> Answer:
        if log is None or b"\x1b[?1049h" not in out or not log.exists() or "iterating" not in log.read_text():
            return "ask again"
        if keys:
            os.write(terminal, keys)
        if number:
            os.kill(pid, number)
        return "hang up" if hang else "done"

    return run_in_terminal(words, react, TIMEOUT, **env)


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_a_signal_closes_the_screen_and_leaves_the_source(tmp_path: Path, number: int, status: int) -> None:
    log = tmp_path / "log"
    code, out = in_terminal([*FAKE, str(log), "fake:steady"], log, number=number)
    assert code == status
    assert out.rindex(b"\x1b[?1049l") > out.rindex(b"\x1b[?1049h")
    assert log.read_text().splitlines()[-1].startswith("left")


def test_q_leaves_the_source(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code, out = in_terminal([*FAKE, str(log), "fake:steady"], log, keys=b"q")
    assert code == 0
    assert out.rindex(b"\x1b[?1049l") > out.rindex(b"\x1b[?1049h")
    assert log.read_text().splitlines()[-1] == "left None"


@pytest.mark.parametrize(("keys", "number", "status"), [(b"q", 0, 0), (b"", signal.SIGTERM, 143)])
def test_a_source_that_does_not_come_back_is_left(tmp_path: Path, keys: bytes, number: int, status: int) -> None:
    log = tmp_path / "log"
    code, out = in_terminal([*FAKE, str(log), "fake:stuck"], log, keys=keys, number=number)
    assert code == status
    assert out.rindex(b"\x1b[?1049l") > out.rindex(b"\x1b[?1049h")
    assert log.read_text().splitlines()[-1].startswith("left")


def test_a_terminal_that_goes_away_leaves_the_source(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code, _ = in_terminal([*FAKE, str(log), "fake:steady"], log, hang=True)
    assert code == 129
    assert log.read_text().splitlines()[-1].startswith("left")
