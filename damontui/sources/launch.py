"""A command started here and monitored from its first page: ``damontui run -- COMMAND…``."""

from __future__ import annotations

import codecs
import errno
import fcntl
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType, TracebackType
from typing import IO, Any, Literal, Self

from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Event, State
from damontui.errors import SourceError
from damontui.files import append
from damontui.kernel.process_files import printable
from damontui.kernel.root import Root, why
from damontui.operations.processes import Processes
from damontui.sources.pressure import PressureOnProcesses
from damontui.sources.process import DEFAULTS, ProcessSource

PATIENCE = 5.0
"""Seconds that a command has to end by itself after SIGTERM, when the monitor is left."""
_FOREVER = 1e9
KEPT_LINES = 1_000
_LONGEST_LINE = 2_000
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

Output = Literal["keep", "stderr"]


class Ring:
    """The last lines of a stream of bytes, in bounded memory, without sequences that move a terminal's cursor."""

    def __init__(self, most: int = KEPT_LINES) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._lines: deque[str] = deque(maxlen=most)
        self._rest = ""
        self._lock = threading.Lock()
        self.count = 0
        """How many lines were finished so far, forgotten ones included."""

    def feed(self, data: bytes, final: bool = False) -> None:
        """Take in the next bytes; with ``final`` an unfinished line is finished."""
        with self._lock:
            *whole, self._rest = (self._rest + self._decode(data, final)).split("\n")
            for line in whole:
                self._keep(line)
            while len(self._rest) > _LONGEST_LINE:
                self._keep(self._rest[:_LONGEST_LINE])
                self._rest = self._rest[_LONGEST_LINE:]
            if final and self._rest:
                self._keep(self._rest)
                self._rest = ""

    def lines(self) -> tuple[str, ...]:
        """The lines that are kept, oldest first; the last may be unfinished."""
        with self._lock:
            return (*self._lines, _shown(self._rest)) if self._rest else tuple(self._lines)

    def _keep(self, line: str) -> None:
        for at in range(0, max(1, len(line)), _LONGEST_LINE):
            self._lines.append(_shown(line[at : at + _LONGEST_LINE]))
            self.count += 1


class Launched:
    """A command that runs as our child, in a process group of its own.

    Its output goes to a pseudo terminal whose last lines are kept, so that it is as lively as in a terminal; or to a
    file; or to our standard error. Its standard input is ours. Where that is a terminal, the command has it for itself,
    as from a shell, until it ends or is suspended; where a screen has the terminal, its standard input is empty
    instead.

    Args:
        command: the words of the command.
        log: a file that its output is appended to; nothing is kept then.
        output: where the output goes without ``log``: "keep" its last lines, or pass it to "stderr".
        screen: whether a screen has the terminal, so that nothing may be read from it.
        given: the descriptor of what it reads, where that is not our standard input; closed when it was started.
        size: columns and rows of the pseudo terminal.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: str | None = None,
        output: Output = "keep",
        screen: bool = False,
        given: int | None = None,
        size: tuple[int, int] = (80, 24),
    ) -> None:
        self.command = tuple(command)
        self._log = log
        self._output = output
        self._screen = screen
        self._given = given
        self._terminal: int | None = None
        self._size = size
        self._process: subprocess.Popen[bytes] | None = None
        self._held = False
        self._reader: threading.Thread | None = None
        self._ring = Ring()

    @property
    def text(self) -> str:
        """The command as one would type it."""
        return shlex.join(self.command)

    @property
    def pid(self) -> int:
        """Its PID, 0 before `start`."""
        return self._process.pid if self._process is not None else 0

    def lines(self) -> tuple[str, ...]:
        """The last lines of its output, oldest first; the last may be unfinished. Empty where they go elsewhere."""
        return self._ring.lines()

    @property
    def line_count(self) -> int:
        """Whole lines of output so far: changes where `lines` does, but for an unfinished one."""
        return self._ring.count

    def start(self) -> None:
        """Start the command, and stop it right after the program was loaded: `go` lets it run. Raises `SourceError`."""
        if not self.command:
            raise SourceError("cannot start the command", "there is none", "write it after --: damontui run -- COMMAND")
        stdin, terminal = self._input()
        opened: list[int] = []
        try:
            target, master = self._open_output(opened)
            self._process = subprocess.Popen(self.command, stdin=stdin, stdout=target, stderr=target, process_group=0)
        except OSError as error:
            for descriptor in opened:
                os.close(descriptor)
            self._raise(error)
        # Popen returns when the new program is loaded: it has hardly touched a page of its own
        self._send_to_leader(signal.SIGSTOP)
        self._held = True
        if self._given is not None:
            os.close(self._given)
        if terminal is not None:
            self._hand_over(terminal)
        if master is None:
            for descriptor in opened:
                os.close(descriptor)
            return
        opened.remove(master)
        for descriptor in opened:
            os.close(descriptor)
        self._reader = threading.Thread(target=self._read, args=(master,), name="output", daemon=True)
        self._reader.start()

    def go(self) -> None:
        """Let the command run, if it does not yet."""
        if self._held:
            self._held = False
            self._send_to_leader(signal.SIGCONT)

    def poll(self) -> int | None:
        """The command's exit status, 128 plus the signal's number where one ended it; None while it runs."""
        if self._process is None:
            return None
        status = self._process.poll()
        return None if status is None else _status(status)

    def wait(self, timeout: float | None = None) -> int | None:
        """Let the command run, and wait for its end and the rest of its output; None where ``timeout`` seconds were too
        few."""
        if self._process is None:
            return None
        self.go()
        try:
            # with a limit the wait looks up every 50 ms: a signal that the kernel gives to another thread of ours does
            # not interrupt the main thread, whose turn it is to handle it
            status = self._process.wait(_FOREVER if timeout is None else timeout)
        except subprocess.TimeoutExpired:
            return None
        self._take_back()
        if self._reader is not None:
            self._reader.join(0.5)  # a grandchild may hold the terminal for as long as it likes
        return _status(status)

    def send(self, number: int) -> None:
        """Send a signal to the command and to what it started."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def close(self, patience: float = PATIENCE) -> None:
        """Ask the command to end, and kill it where it has not after ``patience`` seconds."""
        if self._process is None or self.poll() is not None:
            self._take_back()
            return
        self.send(signal.SIGTERM)
        self._held = False
        self.send(signal.SIGCONT)
        if self.wait(patience) is None:
            self.send(signal.SIGKILL)
            self.wait(patience)
        self._take_back()

    # -- ours

    def _input(self) -> tuple[int | None, int | None]:
        """What the command reads, and the terminal that is given to it, where there is one for it."""
        if self._given is not None:
            return self._given, None
        try:
            number = sys.stdin.fileno()
            if not os.isatty(number):
                return None, None
            # somebody else may have the terminal (run in the background of a shell): then it is not ours to give
            if not self._screen and os.tcgetpgrp(number) == os.getpgrp():
                return None, number
        except (OSError, ValueError, AttributeError):
            pass
        return subprocess.DEVNULL, None

    def _hand_over(self, terminal: int) -> None:
        """The command gets the terminal: its keys, Ctrl-C and Ctrl-Z among them, are the command's."""
        self._terminal = terminal
        if self._foreground(self.pid):
            threading.Thread(target=self._suspend_with, name="suspend", daemon=True).start()

    def _take_back(self) -> None:
        if self._terminal is not None:
            self._foreground(os.getpgrp())
            self._terminal = None

    def _foreground(self, group: int) -> bool:
        """Give the terminal to a process group. From the background that would stop us, were the signal not blocked."""
        if self._terminal is None:
            return False
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            os.tcsetpgrp(self._terminal, group)
        except OSError:
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return True

    def _suspend_with(self) -> None:
        """Stop this program where a key stopped the command, so that the shell that waits for it gets to know."""
        with suppress(ChildProcessError):
            while (stopped := os.waitid(os.P_PID, self.pid, os.WSTOPPED)) is not None:
                if stopped.si_status in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU) and self._terminal is not None:
                    self._foreground(os.getpgrp())
                    # stops all of us, and to this very thread, so that what follows waits until we are continued
                    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
                    with suppress(OSError):
                        if os.tcgetpgrp(self._terminal) == os.getpgrp():  # not so where we go on in the background
                            self._foreground(self.pid)
                    self.send(signal.SIGCONT)

    def _open_output(self, opened: list[int]) -> tuple[int | IO[Any], int | None]:
        """Where the command writes, and where that can be read; ``opened`` gets every descriptor that is ours."""
        if self._log is not None:
            opened.append(append(self._log))
            return opened[0], None
        if self._output == "stderr":
            return sys.stderr, None
        try:
            master, slave = os.openpty()
            columns, rows = self._size
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        except OSError:  # no /dev/pts in this container
            master, slave = os.pipe()
        opened += [master, slave]
        return slave, master

    def _raise(self, error: OSError) -> None:
        what = f"cannot start {self.text}"
        reasons = {
            errno.ENOENT: ("there is no such command", "check its spelling, or give its full path"),
            errno.EACCES: ("it may not be executed", f"chmod +x {self.command[0]}"),
            errno.ENOEXEC: ("it is no program (its first line names no interpreter)", f"sh {self.text}"),
        }
        reason, remedy = reasons.get(error.errno or 0, (why(error), ""))
        refused = SourceError(what, reason, remedy)
        refused.status = 127 if error.errno == errno.ENOENT else 126  # as a shell has it
        raise refused from error

    def _send_to_leader(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):  # it may have another user's rights (sudo)
                os.kill(self._process.pid, number)

    def _read(self, master: int) -> None:
        with suppress(OSError):  # EIO: nobody has the terminal open any more
            while data := os.read(master, 65_536):
                self._ring.feed(data)
        self._ring.feed(b"", final=True)
        os.close(master)


class LaunchSource(ProcessSource):
    """A command that is started when this is entered, monitored with its children, and ended when this is left.

    It runs from the moment the first look at its memory was taken. The source ends with the command, even where
    children go on; then ``launched.poll()`` is the exit status to end with.

    Args:
        root: where the kernel is.
        launched: the command, not yet started.
        attrs: the attributes that the user asked for.
        children: whether the command's children are monitored with it.
        target: the word on the command line that leads here.
        options: what else `ProcessSource` takes.
    """

    def __init__(
        self,
        root: Root,
        launched: Launched,
        attrs: Attrs = DEFAULTS,
        *,
        children: bool = True,
        target: str = "run",
        **options: Any,
    ) -> None:
        self.launched = launched
        super().__init__(root, (), attrs, children=children, target=target, **options)
        self._description = replace(self._description, title=launched.text)
        self.addition = PressureOnProcesses(root, lambda: self._pids)

    def __enter__(self) -> Self:
        """Start the command. Raises `SourceError` where it does not start or cannot be watched."""
        self.launched.start()
        try:
            self._pids = (self.launched.pid,)
            try:
                super().__enter__()
            except SourceError:
                # it was over before the first look: nothing to see, but nothing wrong either
                if self.launched.poll() is None:
                    raise
            self._description = replace(
                self._description, title=f"{os.path.basename(self.launched.command[0])}, process {self.launched.pid}"
            )
            if not self.enabled:
                self.launched.go()
        except BaseException:
            self.launched.close(0.0)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.launched.close()

    def open(self) -> Processes:
        """Look at the command while it is stopped."""
        found: Processes | None = None
        try:
            if self.launched.poll() is None:
                found = super().open()
        except SourceError:
            if self.launched.poll() is None:
                raise
        finally:
            if found is None:
                self.launched.go()
        return found if found is not None else self._nobody()

    def begin(self, processes: Processes) -> None:
        """Clear the bits for the first time, and let the command run."""
        try:
            super().begin(processes)
        finally:
            self.launched.go()

    def valid(self, processes: Processes) -> bool:
        """Whether the command runs; its children may go on."""
        return self.launched.poll() is None and super().valid(processes)

    def gone(self) -> tuple[State, str]:
        """How and when the command ended."""
        state, text = super().gone()
        status = self.launched.wait(1.0)
        if status is None:
            return state, text
        how = f"exit status {status}"
        if status > 128:
            with suppress(ValueError):
                how = signal.Signals(status - 128).name
        return state, f"{text}, {how}"

    def _nobody(self) -> Processes:
        self._who = ()
        return self._processes()


def launch(
    command: Sequence[str],
    attrs: Attrs = DEFAULTS,
    *,
    log: str | None = None,
    output: Output = "keep",
    screen: bool = False,
    given: int | None = None,
    size: tuple[int, int] = (80, 24),
    **options: Any,
) -> LaunchSource:
    """The source that starts and monitors ``command``; nothing is started before it is entered.

    Args:
        command: the words of the command.
        attrs: the attributes that the user asked for.
        log: see `Launched`, and so ``output``, ``screen`` and ``size``.
        output: "stderr" for a run without a screen whose standard output is ours.
        screen: whether a screen has the terminal.
        given: the descriptor of what the command reads, where that is not standard input.
        size: columns and rows that the command sees.
        options: what else `ProcessSource` takes (budget, max_pause, window, children, program, enabled).
    """
    launched = Launched(command, log=log, output=output, screen=screen, given=given, size=size)
    return LaunchSource(Root(), launched, attrs, **options)


@contextmanager
def passing_on(launched: Launched) -> Iterator[None]:
    """Signals that reach us go to the command, which decides what they mean; in the main thread only.

    Ctrl-Z stops both, and both go on together.
    """

    def pass_on(number: int, _: FrameType | None) -> None:
        launched.send(number)

    def suspend(number: int, _: FrameType | None) -> None:
        launched.send(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # returns when we are continued
        signal.signal(signal.SIGTSTP, suspend)
        launched.send(signal.SIGCONT)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in _PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                before[number] = signal.signal(number, pass_on)
        if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:  # a shell without job control
            before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, suspend)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def run_headless(
    source: LaunchSource,
    show: Callable[[Event], None],
    failed: Callable[[SourceError], None],
    stop: threading.Event | None = None,
) -> int:
    """Monitor an entered source to the end of its command, without a screen, and return the command's exit status.

    Args:
        source: entered.
        show: called with every event.
        failed: called with the error that ended the monitoring early; the command goes on.
        stop: ends the monitoring, not the command.
    """
    with passing_on(source.launched):
        try:
            for event in source.snapshots(stop if stop is not None else threading.Event()):
                show(event)
        except SourceError as error:
            failed(error)
        status = source.launched.wait()
    return status if status is not None else 1


def _status(returned: int) -> int:
    return returned if returned >= 0 else 128 - returned


def _shown(line: str) -> str:
    # a progress bar goes back to the beginning of its line: what stands there last is what one sees
    last = line.rstrip("\r").rpartition("\r")[2]
    return printable(_ESCAPES.sub("", last).expandtabs())
