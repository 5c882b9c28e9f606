"""A program in a pseudo terminal."""

from __future__ import annotations

import os
import pty
import select
import time
from collections.abc import Callable, Sequence
from typing import Literal

Answer = Literal["ask again", "done", "hang up"]
React = Callable[[bytes, int, int], Answer]
"""Gets the output so far, the terminal and the PID, and is asked every 0.1 s until it is done."""


def run_in_terminal(words: Sequence[str], react: React, timeout: float, **env: str) -> tuple[int, bytes]:
    """Run a program to its end; its exit status, and what it wrote."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(words[0], list(words), os.environ | env)
    out = b""
    answer: Answer = "ask again"
    limit = time.monotonic() + timeout
    while answer != "hang up":
        assert time.monotonic() < limit, out[-2000:]
        ready, _, _ = select.select([terminal], [], [], 0.1)
        if ready:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            out += data
        if answer == "ask again":
            answer = react(out, terminal, pid)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), out
