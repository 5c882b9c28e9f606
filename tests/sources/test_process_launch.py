"""A command that is started and monitored: its output, signals, exit status, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Event, Snapshot, Status
from damontui.errors import SourceError
from damontui.kernel import process_files as files
from damontui.kernel.root import Root
from damontui.sources.launch import Launched, LaunchSource, Ring, passing_on, run_headless
from damontui.sources.launch import launch as launching

ROOT = Root("/")
QUICK = Attrs(sample_us=10_000, aggr_us=50_000, update_us=50_000, goal=None)
LONG = 20.0  # seconds after which something is wrong, not slow


def needs_clear_refs() -> None:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this machine does not let a process clear its own accessed bits")


@pytest.fixture
def started() -> Iterator[list[Launched]]:
    commands: list[Launched] = []
    yield commands
    for command in commands:
        command.close(0.0)


def launch(started: list[Launched], *command: str, **options: object) -> Launched:
    launched = Launched(command, **options)  # type: ignore[arg-type]
    started.append(launched)
    launched.start()
    return launched


def test_it_starts_stopped_and_runs_on_go(started: list[Launched]) -> None:
    launched = launch(started, "sleep", "1000")
    os.waitid(os.P_PID, launched.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    stat = files.stat(ROOT, launched.pid)
    assert stat is not None
    assert stat.state == "T"
    assert stat.comm == "sleep"  # the new program, not a copy of us
    launched.go()
    os.waitid(os.P_PID, launched.pid, os.WCONTINUED | os.WEXITED | os.WNOWAIT)
    stat = files.stat(ROOT, launched.pid)
    assert stat is not None
    assert stat.state in "RSD"  # runs, sleeps, or waits for its pages: not stopped


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137)])
def test_exit_status(started: list[Launched], script: str, status: int) -> None:
    launched = launch(started, "sh", "-c", script)
    assert launched.wait(LONG) == status
    assert launched.poll() == status


def test_output_of_a_terminal_is_kept(started: list[Launched]) -> None:
    launched = launch(started, "sh", "-c", "test -t 1 && stty size <&1; echo error >&2; printf last", size=(97, 31))
    assert launched.wait(LONG) == 0
    assert launched.lines() == ("31 97", "error", "last")
    assert launched.line_count == 3


def test_log_is_appended_to(started: list[Launched], tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    launched = launch(started, "sh", "-c", "echo out; echo err >&2", log=str(log))
    assert launched.wait(LONG) == 0
    assert log.read_text() == "before\nout\nerr\n"
    assert launched.lines() == ()


def test_output_to_our_standard_error(capfd: pytest.CaptureFixture[str], started: list[Launched]) -> None:
    launched = launch(started, "echo", "hello", output="stderr")
    assert launched.wait(LONG) == 0
    assert capfd.readouterr() == ("", "hello\n")


@pytest.mark.parametrize(
    ("command", "options", "sentence"),
    [
        (("/nowhere/at-all",), {}, "cannot start /nowhere/at-all: there is no such command"),
        (("/etc/passwd",), {}, "cannot start /etc/passwd: it may not be executed; chmod +x /etc/passwd"),
        (("true",), {"log": "/nowhere/log"}, "cannot write /nowhere/log: no such file"),
        ((), {}, "cannot start the command: there is none"),
    ],
)
def test_what_does_not_start_is_a_sentence_and_leaves_no_descriptor(
    command: tuple[str, ...], options: dict[str, str], sentence: str
) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SourceError) as caught:
        Launched(command, **options).start()  # type: ignore[arg-type]
    assert str(caught.value).startswith(sentence)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_close_ends_it_and_what_it_started(started: list[Launched], tmp_path: Path) -> None:
    said = tmp_path / "said"
    os.mkfifo(said)
    launched = launch(started, "sh", "-c", f"sleep 1000 & echo $! > {said}; wait")
    launched.go()
    child = int(said.read_text())
    assert files.stat(ROOT, child) is not None
    launched.close(LONG)
    assert launched.poll() == 128 + signal.SIGTERM
    stat = files.stat(ROOT, child)
    assert stat is None or stat.ended or stat.ppid == 1


def test_close_insists(started: list[Launched], tmp_path: Path) -> None:
    said = tmp_path / "said"
    os.mkfifo(said)
    launched = launch(started, "sh", "-c", f"trap '' TERM; echo > {said}; while :; do sleep 1000; done")
    launched.go()
    said.read_text()
    launched.close(0.2)
    assert launched.poll() == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGQUIT])
def test_signals_are_passed_on(started: list[Launched], tmp_path: Path, number: signal.Signals) -> None:
    said = tmp_path / "said"
    os.mkfifo(said)
    name = number.name.removeprefix("SIG")
    # a shell may not trap what is ignored when it starts, as SIGINT is in the background of another
    script = f"import signal,sys;signal.signal({int(number)},lambda *_:sys.exit(42));open({str(said)!r},'w').write('x')"
    launched = launch(started, sys.executable, "-c", f"{script};signal.pause()")
    launched.go()
    said.read_text()
    before = signal.getsignal(number)
    with passing_on(launched):
        os.kill(os.getpid(), number)
        assert launched.wait(LONG) == 42, name
    assert signal.getsignal(number) == before


def test_ctrl_z_stops_both_and_both_go_on(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from damontui.sources.launch import Launched, passing_on
launched = Launched(("sleep", "1000"))
launched.start()
launched.go()
try:
    with passing_on(launched):
        print(launched.pid, flush=True)
        sys.exit(launched.wait())
finally:
    launched.close(0.0)
"""

    def reaches(pid: int, states: str) -> bool:
        for _ in range(int(LONG / 0.02)):
            stat = files.stat(ROOT, pid)
            if stat is not None and stat.state in states:
                return True
            time.sleep(0.02)
        return False

    # a group of its own: one that no shell looks after could not be stopped from the keyboard
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, process_group=0) as ours:
        try:
            assert ours.stdout is not None
            child = int(ours.stdout.readline())
            for _ in range(2):
                ours.send_signal(signal.SIGTSTP)
                os.waitid(os.P_PID, ours.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                assert reaches(child, "T")
                ours.send_signal(signal.SIGCONT)
                os.waitid(os.P_PID, ours.pid, os.WCONTINUED | os.WEXITED)
                assert reaches(child, "SR")
            ours.send_signal(signal.SIGTERM)
            assert ours.wait(LONG) == 128 + signal.SIGTERM
        finally:
            ours.kill()


def test_a_command_is_monitored_from_its_first_page_to_its_end(started: list[Launched], tmp_path: Path) -> None:
    needs_clear_refs()
    enough = tmp_path / "enough"
    script = (
        "import mmap,os\nm=mmap.mmap(-1,8<<20)\n"
        f"while not os.path.exists({str(enough)!r}): m[::4096]=bytes(2048)\nprint('done')\nraise SystemExit(7)"
    )
    made = launching((sys.executable, "-c", script), QUICK, budget=1.0)
    launched = made.launched
    started.append(launched)
    assert launched.pid == 0
    events: list[Event] = []

    def show(event: Event) -> None:
        events.append(event)
        if isinstance(event, Snapshot) and hot(event):
            enough.touch()

    def hot(snapshot: Snapshot) -> bool:
        return bool(((snapshot.sizes == 8 << 20) & (snapshot.nr_accesses == snapshot.attrs.max_nr_accesses)).any())

    with made as source:
        assert source.describe().origin == "process"
        status = run_headless(source, show, lambda error: pytest.fail(str(error)))
    assert status == 7
    assert any(isinstance(event, Snapshot) and hot(event) for event in events)
    last = events[-1]
    assert isinstance(last, Status)
    assert last.state == "gone"
    assert last.text.endswith("exit status 7")
    assert launched.lines() == ("done",)


def test_children_are_followed_and_do_not_outlast_the_command(started: list[Launched], tmp_path: Path) -> None:
    needs_clear_refs()
    enough = tmp_path / "enough"
    os.mkfifo(enough)
    launched = Launched(("sh", "-c", f"sleep 1000 & read word < {enough}; exit 4"))
    started.append(launched)
    followed: list[tuple[int, ...]] = []

    def show(event: Event) -> None:
        if isinstance(event, Snapshot):
            if len(event.targets) == 2 and not followed:
                enough.write_text("word\n")
            if len(event.targets) == 2:
                followed.append(event.targets)

    with LaunchSource(ROOT, launched, QUICK, budget=1.0) as source:
        assert run_headless(source, show, lambda error: pytest.fail(str(error))) == 4
    assert followed[0][0] == launched.pid
    os.kill(followed[0][1], signal.SIGKILL)


def test_leaving_ends_the_command(started: list[Launched]) -> None:
    needs_clear_refs()
    launched = Launched(("sleep", "1000"))
    with LaunchSource(ROOT, launched, QUICK, budget=1.0) as source:
        first = next(iter(source.snapshots(threading.Event())))
        assert isinstance(first, Status)
        assert first.state == "waiting"
        assert launched.poll() is None
    assert launched.poll() == 128 + signal.SIGTERM


def test_switched_off_it_runs_all_the_same(started: list[Launched]) -> None:
    launched = Launched(("sh", "-c", "exit 5"))
    started.append(launched)
    with LaunchSource(ROOT, launched, QUICK, enabled=False) as source:
        assert run_headless(source, lambda _: None, lambda error: pytest.fail(str(error))) == 5


def test_a_command_that_ends_before_the_first_look_is_no_error(started: list[Launched]) -> None:
    class Quick(Launched):
        def start(self) -> None:
            super().start()
            self.wait()

    launched = Quick(("sh", "-c", "exit 6"))
    started.append(launched)
    events: list[Event] = []
    with LaunchSource(ROOT, launched, QUICK) as source:
        assert run_headless(source, events.append, lambda error: pytest.fail(str(error))) == 6
    assert [event.state for event in events if isinstance(event, Status)] == ["gone"]


def test_ring_is_bounded_and_plain() -> None:
    ring = Ring(3)
    ring.feed(b"one\r\ntwo\x1b[31m red\x1b[0m\r\n10 %\r20 %\r100 %\n\x1b]0;title\x07a\tb\x07\xff")
    assert ring.lines() == ("one", "two red", "100 %", "a       b?\ufffd")
    assert ring.count == 3
    ring.feed(b"x" * 10_000)
    assert len(ring.lines()) <= 4
    assert max(map(len, ring.lines())) <= 2_000
    ring.feed(b"", final=True)
    assert ring.lines()[-1] == "x" * len(ring.lines()[-1])


def test_ring_takes_a_character_in_two_parts() -> None:
    ring = Ring()
    ring.feed("é".encode()[:1])
    ring.feed("é".encode()[1:] + b"\n")
    assert ring.lines() == ("é",)
