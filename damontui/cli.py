"""The command line: which command, and every way out of it. What a command needs is imported when it runs."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import NamedTuple

from damontui import __version__
from damontui.errors import DamontuiError
from damontui.safe_text import StreamError, guarded


class Command(NamedTuple):
    """A command: the module of `damontui.commands` that has it, its form and what it is for."""

    module: str
    form: str
    summary: str


LIVE = Command("live", "[TARGET] [options]", "the live monitor")
COMMANDS: dict[str, Command] = {
    "run": Command("run", "[options] -- COMMAND…", "start COMMAND and monitor it; ends with its exit status"),
    "snapshot": Command("snapshot", "[TARGET] [--count N] [--json]", "measure without a screen, print, end"),
    "record": Command("record", "[TARGET] -o FILE [--for S]", "keep what is seen"),
    "report": Command("report", "[TARGET|FILE] [--style S]", "what a record shows: text, JSON, pictures"),
    "convert": Command("convert", "IN OUT [--to FORMAT]", "between record formats"),
    "doctor": Command("doctor", "[--json]", "what this machine can do, what is in the way, and the remedy"),
}

_EXAMPLES = """\
examples:
  damontui                       what this machine has; simulated memory where it has nothing
  sudo damontui stat             the kernel's DAMON_STAT: the whole machine's memory
  damontui demo:server --speed 60
  damontui snapshot --json       one JSON object, for scripts

exit status: 0; 1 the system said no; 2 wrong usage; 128 and the signal's number after a signal (130: Ctrl-C)
environment: DAMONTUI_ENABLED, DAMONTUI_READ_ONLY and so on, one for each setting; NO_COLOR"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status. Every failure of the world is one line on stderr."""
    _open_standard_streams()
    with guarded():
        status = _main(list(sys.argv[1:] if argv is None else argv))
    if argv is None and any(not thread.daemon for thread in threading.enumerate()[1:]):
        # a thread waits for a kernel that does not answer; all is given back, so nobody need wait for it
        with contextlib.suppress(OSError, AttributeError):
            sys.stdout.flush()
        os._exit(status)
    return status


def _open_standard_streams() -> None:
    """Where descriptor 0, 1 or 2 is closed, the next file would get its number, and what is printed with it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest that is free


def _main(words: list[str]) -> int:
    own = words[: words.index("--")] if "--" in words else words
    debug = "--debug" in own or os.environ.get("DAMONTUI_DEBUG", "") not in ("", "0")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):  # where a locale lacks a character, "?" says enough
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _silence()
        return 0
    except StreamError as error:
        _silence()
        _say(str(error))
        return error.status
    except DamontuiError as error:
        if debug:
            traceback.print_exc()
        _say(str(error))
        return error.status
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except MemoryError:
        if debug:
            traceback.print_exc()
        _say("there is not enough memory for that; a shorter record, or a part of it, takes less")
        return 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        _say(f"a fault of this program: {type(error).__name__}: {error}; --debug shows where")
        return 1


def _silence() -> None:
    """Nobody reads standard output (any more); Python would complain once more when it closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # standard error may be gone: then there is nobody to tell
        print("damontui:", " ".join(sentence.split()), file=sys.stderr, flush=True)


def _run(words: list[str]) -> int:
    if "--version" in words[:1]:
        print(f"damontui {__version__}")
        return 0
    from importlib import import_module

    from damontui.commands.call import Call, Parser, add_general, program
    from damontui.commands.endings import Endings

    name, rest = _split(words)
    command = COMMANDS[name] if name else LIVE
    module = import_module(f"damontui.commands.{command.module}")
    parser = Parser(
        prog=f"damontui {name}".rstrip(),
        usage=f"damontui {name} {command.form}".replace("  ", " "),
        description=module.__doc__ if name else _overview(),
        epilog=getattr(module, "EXAMPLES", None) if name else _EXAMPLES,
    )
    module.arguments(parser)
    add_general(parser)
    if not name:
        parser.add_argument("--version", action="version", version=f"damontui {__version__}", help="the version")
    parsed = parser.parse_args(rest)
    with Endings() as endings:
        status: int = module.run(Call(parsed, os.environ, program(), endings))
    return status


def _overview() -> str:
    width = max(len(f"{name} {command.form}") for name, command in COMMANDS.items()) + 2
    lines = ["See, live, which memory is really in use.", "", "commands:"]
    lines += [f"  {f'{name} {c.form}':<{width}}{c.summary}" for name, c in COMMANDS.items()]
    return "\n".join(lines)


def _split(words: list[str]) -> tuple[str, list[str]]:
    """The command's name and the words without it; "" is the live monitor.

    The first word that is no option decides, so that options may stand before it. A target of a command's name is
    written with a path: ``./snapshot``.
    """
    from damontui.config import SETTINGS

    takes_value = {setting.option for setting in SETTINGS if setting.metavar} | {
        "--rootfs",
        "--config",
        "--regions",
        "-p",
        "--process",
    }
    skip = False
    for place, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            break
        elif word.startswith("-") and word != "-":
            skip = word in takes_value
        else:
            return (word, words[:place] + words[place + 1 :]) if word in COMMANDS else ("", words)
    return "", words
