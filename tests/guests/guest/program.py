"""Runs the program in the guest: by fork, since a fresh interpreter takes half a minute there to import a screen."""

from __future__ import annotations

import codecs
import contextlib
import errno
import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.guests.guest import pace
from tests.guests.guest.system import wait

EXECUTABLE = str(Path(sys.prefix) / "bin" / "damontui")


@dataclass
class Ended:
    """How the program ended and what it printed."""

    status: int
    """Exit status; negative: the signal that ended it."""
    out: str
    err: str

    def snapshots(self) -> list[dict[str, Any]]:
        """The snapshots that ``--json`` printed. Where the first aggregation was seconds away, as it is in a slow
        guest, ``--now`` told the module's own numbers first: those are left out."""
        told = [json.loads(line) for line in self.out.splitlines()]
        return told[1:] if told and not told[0]["complete"] else told

    def refused(self, *words: str) -> str:
        """The one sentence of a refusal: exit status 1, one line, these words in it, nothing on standard output."""
        assert self.status == 1, f"exit status {self.status}: {self.err}"
        assert not self.out.strip(), self.out
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, f"not one line: {self.err}"
        assert lines[0].startswith("damontui: "), lines[0]
        missing = [word for word in words if word.lower() not in lines[0].lower()]
        assert not missing, f"{missing} not in: {lines[0]}"
        return lines[0]


def run(folder: Path, *words: str, limit: float = 60.0, before: Callable[[], None] | None = None) -> Ended:
    """Run ``damontui WORDS`` to its end. ``before`` is called in its process first."""
    return Background(folder, *words, before=before).wait(limit)


def piped(folder: Path, *words: str) -> tuple[Background, int]:
    """The program with its standard output in a pipe, and the end to read from: closing it is what ``head`` does."""
    reading, writing = os.pipe()

    def into_pipe() -> None:
        os.dup2(writing, 1)
        os.close(writing)
        os.close(reading)

    run = Background(folder, *words, before=into_pipe)
    os.close(writing)
    return run, reading


def execute(folder: Path, *words: str, limit: float = 120.0) -> Ended:
    """Run it as a user does: a fresh interpreter, by the installed script's name."""
    done = subprocess.run(
        [EXECUTABLE, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=pace.patient(limit),
        cwd=folder,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Background:
    """The program without a terminal, going on while the check looks at it."""

    def __init__(self, folder: Path, *words: str, before: Callable[[], None] | None = None) -> None:
        self.out = folder / f"out-{time.monotonic_ns()}"
        self.err = self.out.with_name(self.out.name.replace("out", "err"))
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            for number, path in ((1, self.out), (2, self.err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
            _become_program(words, before)
        self.status: int | None = None

    def lines(self) -> list[str]:
        """The whole lines printed so far."""
        return self.out.read_text().rpartition("\n")[0].splitlines() if self.out.exists() else []

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, limit: float) -> Ended:
        """Wait for its end. Raises AssertionError, and kills it, after ``limit`` seconds."""
        self.status = _wait(self.pid, limit)
        return Ended(self.status, self.out.read_text(), self.err.read_text())


def _become_program(words: Sequence[str], before: Callable[[], None] | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process lives
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # type: ignore[misc]  # noqa: SIM115
    sys.__stdin__ = sys.stdin  # type: ignore[misc]
    status = 70
    try:
        sys.argv = [EXECUTABLE, *words]
        if before is not None:
            before()
        from damontui import cli

        status = cli.main(list(words))
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(status)


def _wait(pid: int, limit: float) -> int:
    until = time.monotonic() + pace.patient(limit)
    while True:
        got, status = os.waitpid(pid, os.WNOHANG)
        if got:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            from tests.guests.guest.system import where

            stacks = where(pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError(f"the program did not end in {limit:g} s: {stacks}")
        time.sleep(0.05)


_TOKEN = re.compile(
    r"\x1b\[([?<>=]?)([\d;:]*)([ $]?)([@-~])"  # control sequences
    r"|\x1b[PX^_\]].*?(?:\x1b\\|\x07)|\x1b[^\[PX^_\]]"  # strings, other escapes
    r"|[\x00-\x1a\x1c-\x1f]|[^\x00-\x1f\x1b]+",
    re.DOTALL,
)


class Terminal:
    """A terminal with the program on it, and a picture of what it shows: text, without colours.

    Closing it (`hang_up`) is what the death of a terminal emulator does. A context manager: nothing is left running.
    """

    def __init__(self, folder: Path, *words: str, columns: int = 120, rows: int = 36) -> None:
        self.columns, self.rows = columns, rows
        self._cells = [[" "] * columns for _ in range(rows)]
        self._row = self._column = 0
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.everything = ""
        """All that came, escapes included."""
        self.status: int | None = None
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for number in (0, 1, 2):
                os.dup2(slave, number)
            os.close(self.master)
            os.close(slave)
            _become_program(words, None)
        os.close(slave)
        os.set_blocking(self.master, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.hang_up()

    @property
    def screen(self) -> str:
        """What is shown, as lines."""
        self._read(0)
        return "\n".join("".join(row).rstrip() for row in self._cells)

    def until(self, *texts: str, limit: float = 30.0, gone: Sequence[str] = ()) -> str:
        """Wait until one of the texts is shown and none of ``gone``; that text."""
        deadline = time.monotonic() + pace.patient(limit)
        while True:
            shown = self.screen
            for text in texts:
                if text in shown and not any(word in shown for word in gone):
                    return text
            if self._ended():
                raise AssertionError(f"the program ended with {self.status} before it showed {texts}:\n{shown}")
            if time.monotonic() > deadline:
                raise AssertionError(f"none of {texts} (without {list(gone)}) in {limit:g} s, but:\n{shown}")
            self._read(0.1)

    def keys(self, text: str) -> None:
        """Type."""
        os.write(self.master, text.encode())

    def send(self, number: int) -> None:
        """Send the program a signal."""
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Close the terminal under the program."""
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def wait(self, limit: float = 20.0) -> int:
        """The program's exit status (negative: the signal), once it has ended."""
        if self.status is None:
            if self.master >= 0:
                wait(lambda: self._read(0.05) or self._ended(), limit, f"the program's end; its screen:\n{self.screen}")
            else:
                self.status = _wait(self.pid, limit)
        assert self.status is not None
        return self.status

    def _ended(self) -> bool:
        if self.status is None:
            got, status = os.waitpid(self.pid, os.WNOHANG)
            if got:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def _read(self, patience: float) -> None:
        while self.master >= 0 and select.select([self.master], [], [], patience)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError as error:
                if error.errno != errno.EIO:  # the other side is closed
                    raise
                time.sleep(patience)
                return
            if not data:
                return
            text = self._decoder.decode(data)
            self.everything += text
            self._show(text)
            patience = 0

    def _show(self, text: str) -> None:
        text = self._rest + text
        cut = text.rfind("\x1b")
        self._rest = ""
        if cut >= 0 and not _TOKEN.match(text, cut):
            text, self._rest = text[:cut], text[cut:]
        for token in _TOKEN.finditer(text):
            word = token.group()
            if word[0] not in "\x1b\r\n\b" and word >= " ":
                self._write(word)
            elif word == "\r":
                self._column = 0
            elif word == "\n":
                self._row = min(self._row + 1, self.rows - 1)
            elif word == "\b":
                self._column = max(0, self._column - 1)
            elif token[4] and not token[1] and not token[3]:
                self._control(token[4], [int(n or 0) for n in re.split("[;:]", token[2])])

    def _write(self, text: str) -> None:
        for character in text:
            if self._row < self.rows and self._column < self.columns:
                self._cells[self._row][self._column] = character
            self._column += 1

    def _control(self, kind: str, numbers: list[int]) -> None:
        first = numbers[0] or 1
        if kind in "Hf":
            self._row = min(first, self.rows) - 1
            self._column = min((numbers[1] if len(numbers) > 1 else 1) or 1, self.columns) - 1
        elif kind in "AB":
            self._row = max(0, min(self.rows - 1, self._row + (first if kind == "B" else -first)))
        elif kind in "CD":
            self._column = max(0, self._column + (first if kind == "C" else -first))
        elif kind == "J" and numbers[0] == 2:
            self._cells = [[" "] * self.columns for _ in range(self.rows)]
        elif kind == "K" and numbers[0] == 0:
            self._cells[self._row][self._column :] = [" "] * max(0, self.columns - self._column)
