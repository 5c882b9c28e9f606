"""The one place that decides what may be shown: text from outside, without characters that a terminal obeys or hides.

A record, a process, a file's name or a host chooses its own words. Among them may be escape sequences (which set a
terminal's title, colours and keys), characters that turn the direction of a line around, and characters that nobody
sees. Every way out goes through here: standard output and error (`guarded`), errors and progress with them, the lines
of the screen, its pictures and the clipboard.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from damontui.errors import DamontuiError

STAND_IN = "?"
"""The character that is shown instead of one that may not be."""

# Unicode's categories Cc, Cf, Cs, Zl and Zp, and the letters that are made to be invisible (fillers, U+034F, U+2800 is
# a dot pattern and stays): held against the tables of unicodedata by the tests
_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_HIDDEN = (
    r"\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_NOT_SHOWN = re.compile(f"[{_CONTROL}{_HIDDEN}]")
_NOT_IN_A_LINE = re.compile(f"[\\t\\n{_CONTROL}{_HIDDEN}]")
_COLOUR = re.compile(r"(\x1b\[[0-9;]{0,40}m)")


def shown(text: str, *, lines: bool = False) -> str:
    """``text`` as it may be shown: characters that a terminal would obey, turn around or hide are question marks.

    Args:
        text: a text from anywhere.
        lines: whether line ends and tabs stay; else they become spaces.
    """
    if text.isascii() and text.isprintable():
        return text
    if lines:
        return _NOT_SHOWN.sub(STAND_IN, text.replace("\r\n", "\n"))
    return _NOT_IN_A_LINE.sub(_in_a_line, text)


def _in_a_line(match: re.Match[str]) -> str:
    return " " if match[0] in "\t\n" else STAND_IN


def coloured(text: str) -> str:
    """`shown` for lines of ours with colours: of escape sequences, only those of colours stay."""
    parts = _COLOUR.split(text)
    parts[::2] = [shown(part, lines=True) for part in parts[::2]]
    return "".join(parts)


def is_shown(text: str) -> bool:
    """Whether `shown` would leave a line as it is."""
    return _NOT_IN_A_LINE.search(text) is None


def escaped(json: str) -> str:
    """JSON with characters that may not be shown as escapes, which a reader of JSON turns back."""
    return json if json.isascii() and json.isprintable() else _NOT_SHOWN.sub(_escape, json)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"


class StreamError(DamontuiError):
    """A text could not be printed: the disk behind standard output is full, or it is closed."""


class Guarded:
    """A stream of text that shows only what may be shown; all its other methods are the stream's own.

    Args:
        stream: the stream that is written to.
        name: the stream's name in `StreamError`; with "" the stream's own errors are raised.
    """

    def __init__(self, stream: TextIO, name: str = "") -> None:
        self.stream = stream
        self._name = name

    def write(self, text: str) -> int:
        """Write lines as they may be shown. Raises `StreamError`."""
        self._attempt(lambda: self.stream.write(shown(text, lines=True)))
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes that are fit to be shown already. Raises `StreamError`."""
        self._attempt(lambda: self.stream.buffer.write(data))
        self._attempt(self.stream.buffer.flush)

    def flush(self) -> None:
        """See ``io``. Raises `StreamError`."""
        self._attempt(self.stream.flush)

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self._name:
                raise
            raise StreamError(f"cannot write {self._name}: {(error.strerror or str(error)).lower()}") from error

    def writelines(self, lines: Any) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def control(self, text: str) -> None:
        """Write ``text`` as it is: a terminal's commands, which are ours alone."""
        self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def guarded() -> Iterator[None]:
    """Standard output and error show only what may be shown, while this is entered."""
    before = sys.stdout, sys.stderr
    sys.stdout = _guard(sys.stdout, "standard output") or cast(TextIO, Closed(1, "standard output"))
    sys.stderr = _guard(sys.stderr, "") or cast(TextIO, Closed(2, ""))
    try:
        yield
    finally:
        # what is written into a closed stream's stand-in was said to be lost, or is for nobody
        with suppress(OSError, ValueError):
            if before[1] is not None:
                before[1].flush()
        sys.stdout, sys.stderr = before


def _guard(stream: TextIO | None, name: str) -> TextIO | None:
    return stream if stream is None or isinstance(stream, Guarded) else cast(TextIO, Guarded(stream, name))


class Closed:
    """Stands for a standard stream that was closed before the start.

    Args:
        number: the stream's descriptor.
        name: the stream's name in `StreamError`; with "" texts are dropped without an error.
    """

    encoding = "utf-8"

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self.buffer = self

    def write(self, text: str | bytes) -> int:
        """Raise `StreamError`, as nobody can read the text; with no name, drop it."""
        if text and self._name:
            raise StreamError(f"cannot write {self._name}: it is closed")
        return len(text)

    def control(self, text: str) -> None:
        """Do nothing, as there is no terminal."""

    def write_bytes(self, data: bytes) -> None:
        """See `write`."""
        self.write(data)

    def flush(self) -> None:
        """Do nothing, as nothing is buffered."""

    def isatty(self) -> bool:
        """False: it is no terminal."""
        return False

    def fileno(self) -> int:
        """The descriptor, which leads nowhere by now."""
        return self._number


def control(stream: TextIO, text: str) -> None:
    """Write a terminal's commands to a stream that may be guarded."""
    (stream.control if isinstance(stream, Guarded | Closed) else stream.write)(text)


def write_bytes(stream: TextIO, data: bytes) -> None:
    """Write bytes to a stream: a picture, or a report whose text went through `shown` already."""
    if isinstance(stream, Guarded | Closed):
        stream.write_bytes(data)
        return
    stream.buffer.write(data)
    stream.buffer.flush()
