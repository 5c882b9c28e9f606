"""The command line: which command, and every way out of it. What a command needs is imported when it runs."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Sequence

from damontui import __version__
from damontui.commands.table import COMMANDS, module_of, parser_of, split
from damontui.errors import DamontuiError
from damontui.safe_text import StreamError, guarded

__all__ = ["COMMANDS", "main"]


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
    from damontui.commands.context import Context, program
    from damontui.commands.logs import logging_to
    from damontui.commands.signals import Signals

    name, rest = split(words)
    parsed = parser_of(name).parse_args(rest)
    with logging_to(parsed.log, os.environ, screen=name in ("", "run")), Signals() as signals:
        status: int = module_of(name).run(Context(parsed, os.environ, program(), signals))
    return status
