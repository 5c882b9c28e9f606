"""How one setting is declared: a field of a frozen dataclass that says its option, its variable, its place in a file.

From these fields come the command line's options, the environment's variables, the keys of the configuration file, the
help, the man page and the shells' completions; nothing of them is written twice.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from damontui import units
from damontui.errors import UsageError

_DIGITS = 18  # fits 64 bits with a sign
_BASIS_POINTS = 10_000
_KEY = "setting"
_T = TypeVar("_T")

Parse = Callable[[str, str], object]
"""Makes a value of a text; raises `UsageError` with the setting's name, the second argument."""
NUMBER = (str, int, float)
"""Types of a value in a file that may be a number, or a text with a unit."""


@dataclass(frozen=True, slots=True)
class Flag:
    """An option without a value, and the value that it stands for."""

    option: str
    value: bool
    help: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its name, where it can be set, and its values."""

    name: str
    """With underscores, as in a file; the option has dashes."""
    help: str
    parse: Parse
    table: str = ""
    """The file's table that holds it, "" outside of all."""
    types: tuple[type, ...] = (str,)
    """Types that the value in a file may have, before it is parsed as text."""
    metavar: str = ""
    """Name of the value in the help; "" where no option takes a value."""
    flags: tuple[Flag, ...] = ()
    file: bool = True
    """Whether a file and the environment may set it, and not the command line alone."""

    @property
    def option(self) -> str:
        """The option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "DAMONTUI_" + self.name.upper()


def setting(
    default: _T,
    name: str,
    help: str,
    parse: Parse,
    *,
    table: str = "",
    types: tuple[type, ...] = (str,),
    metavar: str = "",
    flags: tuple[Flag, ...] = (),
    file: bool = True,
) -> _T:
    """Declare a dataclass's field that is a setting. Without ``metavar`` and ``flags`` it has no option.

    Args:
        default: the value where nothing sets it.
        name, help, parse, table, types, metavar, flags, file: as in `Setting`.
    """
    declared = Setting(name, help, parse, table, types, metavar, flags, file)
    return dataclasses.field(default=default, metadata={_KEY: declared})


def settings_of(kind: type) -> dict[str, Setting]:
    """The settings that a dataclass declares, by the field's name, in the order of the fields."""
    return {
        field.name: field.metadata[_KEY]
        for field in dataclasses.fields(kind)
        if isinstance(field.metadata.get(_KEY), Setting)
    }


# -- parsers; each raises `UsageError` with the setting's name


def parse_switch(text: str, name: str) -> bool:
    """``Y``, ``N`` and their like, as the kernel reads a boolean parameter."""
    word = text.strip().lower()
    if word in ("y", "yes", "true", "on", "1"):
        return True
    if word in ("n", "no", "false", "off", "0", ""):
        return False
    raise UsageError(f"{name}: {text!r} is neither yes nor no; write Y or N")


def parse_count(text: str, name: str) -> int:
    """A whole number of at least zero."""
    if not text.strip().isascii() or not text.strip().isdigit():
        raise UsageError(f"{name}: {text!r} is not a whole number of 0 or more")
    if len(text) > _DIGITS:
        raise UsageError(f"{name}: {text[:_DIGITS]}… has more than {_DIGITS} digits, too many for the kernel or us")
    return int(text)


def parse_speed(text: str, name: str) -> float:
    """A factor over zero, or ``max``: infinity."""
    if text.strip() == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise UsageError(f"{name}: {text!r} is not a speed; write a number over 0, such as 60, or max")
    return speed


def parse_goal(text: str, name: str) -> int:
    """A share as basis points, at least one."""
    share = units.parse_share(text, name)
    if not 0 < share <= 1:
        raise UsageError(f"{name}: {text!r} is not within 0.01% … 100%")
    return max(1, round(share * _BASIS_POINTS))


def parse_budget(text: str, name: str) -> float:
    """A share of one CPU over zero."""
    share = units.parse_share(text, name)
    if not 0 < share <= 1:
        raise UsageError(f"{name}: {text!r} is not over 0 and at most 100%")
    return share


LONGEST_WINDOW_US = 3_600_000_000
"""The longest ``--window``, microseconds."""


PIECES_RANGE = 64, 65_536
"""The fewest and the most pieces that an estimate may be asked for: with fewer it tells nothing apart, and its cost
grows with them."""


def parse_pieces(text: str, name: str) -> int:
    """A number of pieces of memory, within `PIECES_RANGE`."""
    count, (least, most) = parse_count(text, name), PIECES_RANGE
    if not least <= count <= most:
        raise UsageError(f"{name}: {text!r} is not within {least} … {most}")
    return count


def parse_window(text: str, name: str) -> int:
    """Microseconds: 10 s to an hour."""
    window = units.parse_duration(text, name)
    if not 10_000_000 <= window <= LONGEST_WINDOW_US:
        raise UsageError(f"{name}: {text!r} is not within 10s … 1h")
    return window


def parse_history(text: str, name: str) -> int:
    """Bytes for the past: at least a megabyte, which is minutes whole and hours coarse."""
    count = units.parse_size(text, name)
    if count < 1 << 20:
        raise UsageError(f"{name}: {text!r} is less than 1M; the past needs that much at least")
    return count


def parse_memory(text: str, name: str) -> int:
    """Bytes for reading a record, at least as many as any record takes."""
    count = units.parse_size(text, name)
    if count < 96 << 20:
        raise UsageError(f"{name}: {text!r} is less than 96M; reading takes that much at least")
    return count


def parse_word(text: str, name: str) -> str:
    """A word, without the blanks around it."""
    if not text.strip():
        raise UsageError(f"{name}: a word is missing")
    return text.strip()


def parse_ranges(text: str, name: str) -> tuple[tuple[int, int], ...]:
    """Ranges of addresses ``[start, end)``, rising: ``4G-6G,0x200000000-0x280000000``."""
    ranges = []
    for part in text.split(","):
        start, dash, end = part.partition("-")
        if not dash:
            raise UsageError(f"{name}: {part!r} is no range; write START-END, such as 0x100000000-0x180000000 or 4G-6G")
        ranges.append((units.parse_size(start, name), units.parse_size(end, name)))
    ranges.sort()
    if any(start >= end for start, end in ranges) or any(a[1] > b[0] for a, b in pairwise(ranges)):
        raise UsageError(f"{name}: {text!r}: each range must end after its start, and none may overlap another")
    return tuple(ranges)


def one_of(*allowed: str) -> Callable[[str, str], str]:
    """A parser of one of a few words; it has them as ``words``, for completions.

    The type of the field stands beside it, a ``Literal`` of the same words: ``mode: ColourMode = setting("rate", …)``.
    """

    def parse(text: str, name: str) -> str:
        if text not in allowed:
            raise UsageError(f"{name}: {text!r} is none of: {', '.join(allowed)}")
        return text

    parse.words = allowed  # type: ignore[attr-defined]
    return parse
