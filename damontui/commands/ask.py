"""Questions on a terminal before there is a screen: which of several processes is meant, and may one be held up."""

from __future__ import annotations

import shutil
import sys
import textwrap

from damontui import units
from damontui.operations.refusals import HoldsUp
from damontui.sources.names import SeveralProcesses

_MOST = 20


def may_hold_up(error: HoldsUp) -> bool:
    """Ask on the terminal whether a process may be held up for that long; True only where the answer is yes."""
    width = shutil.get_terminal_size().columns
    print(textwrap.fill(f"{error.what}: {error.why}.", width, break_long_words=False), file=sys.stderr)
    question = "Hold it up for so long, now and each time that its use of memory changes? (y/N)"
    print(textwrap.fill(question, width - 1, break_long_words=False), end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def which(several: SeveralProcesses) -> str:
    """Ask which of several processes is meant; returns the PIDs as a target's word: one, or all with commas.

    The list goes to standard error. Nothing is asked unless that and standard input are terminals.

    Raises:
        SeveralProcesses: nobody was asked, or nobody was chosen.
    """
    width = max(20, shutil.get_terminal_size().columns - 28)
    lines = [f"{'':>4}  {'PID':>8}  {'in memory':>10}  command"]
    for number, one in enumerate(several.found[:_MOST], 1):
        command = one.command if len(one.command) <= width else f"{one.command[: width - 1]}…"
        lines.append(f"{number:>4}  {one.pid:>8}  {units.size(one.resident):>10}  {command}")
    if len(several.found) > _MOST:
        lines.append(f"{'':>4}  … and {len(several.found) - _MOST} more")
    print("\n".join(lines), file=sys.stderr, flush=True)
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise several
    while True:
        print(
            f"Which one, 1 … {len(several.found)}? (a: all of them; enter: none) ", end="", file=sys.stderr, flush=True
        )
        line = sys.stdin.readline()
        answer = line.strip().lower()
        if answer in ("a", "all"):
            return ",".join(str(one.pid) for one in several.found)
        if answer.isascii() and answer.isdigit() and 0 < int(answer) <= len(several.found):
            return str(several.found[int(answer) - 1].pid)
        if not answer or not line:
            raise several
