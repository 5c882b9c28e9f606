"""Every signal that can be caught gives back first, none waits for ever, and giving back is not disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from damontui.commands.signals import Ended, Signals, entered


class Clock:
    """Time that a test moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Writes down what happens to it; ``entering`` and ``leaving`` run while it is entered and left."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.entering = lambda: None
        self.leaving = lambda: None

    def __enter__(self) -> Source:
        self.log.append("entering")
        self.entering()
        self.log.append("entered")
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append("leaving")
        self.leaving()
        self.log.append("left")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signals(clock: Clock) -> Iterator[Signals]:
    with Signals(clock) as entered:
        entered.patience = 1000.0  # of the real timer: no test waits for it
        yield entered


def ours() -> list[int]:
    defaults = {signal.SIG_DFL, signal.default_int_handler}
    return [number for number in signal.valid_signals() if signal.getsignal(number) in defaults]


def test_every_signal_that_ends_a_process_is_caught_and_given_back() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    harmless = {"SIGCHLD", "SIGCONT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGWINCH"}
    hopeless = {"SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"}
    with Signals():
        left = {signal.Signals(number).name for number in ours() if number < 32}
        assert left <= harmless | hopeless
        assert not [number for number in ours() if number > 33]
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM, signal.SIGIO, signal.SIGRTMIN + 2])
def test_a_signal_ends_it_and_gives_back(signals: Signals, number: int) -> None:
    source = Source()
    with pytest.raises(Ended) as caught, entered(source, signals):
        os.kill(os.getpid(), number)
    assert caught.value.code == 128 + number
    assert source.log == ["entering", "entered", "leaving", "left"]


def test_a_signal_while_entering_waits_a_while(signals: Signals) -> None:
    source = Source()
    source.entering = lambda: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Ended), entered(source, signals):
        raise AssertionError("went on")
    assert source.log == ["entering", "entered", "leaving", "left"]
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_signal_does_not_wait_for_an_entering_that_blocks(signals: Signals, clock: Clock) -> None:
    source = Source()

    def block() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
        clock.now += 1000
        os.kill(os.getpid(), signal.SIGALRM)  # what the timer does then
        raise AssertionError("still blocked")

    source.entering = block
    with pytest.raises(Ended) as caught, entered(source, signals):
        raise AssertionError("entered")
    assert caught.value.code == 143
    assert source.log == ["entering", "leaving", "left"]


def test_giving_back_is_not_disturbed(signals: Signals, clock: Clock) -> None:
    source = Source()

    def storm() -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2, signal.SIGALRM):
            os.kill(os.getpid(), number)
            clock.now += 10_000
        os.kill(os.getpid(), signal.SIGALRM)

    source.leaving = storm
    with entered(source, signals):
        pass
    assert source.log == ["entering", "entered", "leaving", "left"]
    assert signals.signum == signal.SIGTERM


def test_a_limit_holds_while_entering(signals: Signals, clock: Clock) -> None:
    source = Source()

    def block() -> None:
        os.kill(os.getpid(), signal.SIGALRM)
        raise AssertionError("still blocked")

    signals.limit(5.0, lambda: TimeoutError("too late"))
    clock.now += 5.0
    source.entering = block
    with pytest.raises(TimeoutError), entered(source, signals):
        raise AssertionError("entered")


def test_an_ignored_sigchld_is_not_ours_to_ignore() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with Signals():
            assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)


class Forgotten:
    """Something whose end is a moment in which nothing can be raised."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def test_an_end_that_comes_to_nothing_is_asked_for_again(
    signals: Signals, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source()

    def go_on() -> None:
        Forgotten()
        assert signals.signum == signal.SIGTERM
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1.0
        clock.now += 1.0
        os.kill(os.getpid(), signal.SIGALRM)  # what the timer does then
        raise AssertionError("went on")

    with pytest.raises(Ended) as caught, entered(source, signals):
        go_on()
    assert caught.value.code == 143
    assert source.log == ["entering", "entered", "leaving", "left"]
    assert capsys.readouterr().err == ""


_NOTED_BUT_NOT_ACTED_UPON = """
import os, signal, threading, time
from damontui.commands.signals import Signals

def send():
    asleep = 0
    while asleep < 20:  # it waits in the kernel for good
        state = open("/proc/self/task/%d/stat" % main).read().rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)  # given to this thread, since the main one blocks it: Python only notes it

main = threading.get_native_id()
with Signals():
    reading, _ = os.pipe()
    threading.Thread(target=send, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.read(reading, 1)
"""


def test_a_signal_that_python_only_notes_ends_what_waits_in_the_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", _NOTED_BUT_NOT_ACTED_UPON], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (143, "")
