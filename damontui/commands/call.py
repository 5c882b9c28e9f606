"""What every command gets, and what several commands share: options, the settings behind them, the source."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from damontui import config, units
from damontui.commands.endings import Endings, held
from damontui.errors import UsageError
from damontui.sources.base import Source
from damontui.sources.choose import Options, by_name, choose, named

if TYPE_CHECKING:
    from damontui.sources.active import ActiveSource
    from damontui.sources.catalog import Entry

MONITORING = tuple(s.name for s in config.SETTINGS if s.table == "monitoring" and s.metavar)
TIME = ("seed", "speed", "memory")
OWN = ("children", "take", "ranges", "via")
"""Options of a source that no configuration file sets."""
SCREEN = ("theme", "span", "mode", "history", "screenshots")


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, raised as `UsageError`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **options, allow_abbrev=False, add_help=False, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def error(self, message: str) -> NoReturn:
        """Raise the complaint instead of printing a usage text before it."""
        message = message.removeprefix("argument ").removeprefix("unrecognized arguments: ")
        if message.startswith("-") and ":" not in message:
            message = f"{message.split()[0]}: there is no such option"
        elif ":" not in message and not message.startswith("the following"):
            room = any(action.dest == "target" for action in self._actions)
            message = f"{message}: {'one target is enough' if room else 'there is nothing that this could mean'}"
        raise UsageError(f"{message}; see: {self.prog} --help")


@dataclass
class Call:
    """One command being run.

    Attributes:
        words: the parsed command line.
        environ: the environment.
        program: how this program was started, with its full path, for remedies to copy.
        endings: what turns signals into an orderly end; entered.
    """

    words: argparse.Namespace
    environ: Mapping[str, str]
    program: str
    endings: Endings

    @cached_property
    def settings(self) -> config.Settings:
        """All layers of settings. Raises `UsageError`."""
        given = {
            name: value for name, value in vars(self.words).items() if name in config.BY_NAME and value is not None
        }
        found = config.settings(given, self.environ, self.words.config)
        for sentence in found.left_out:
            print(f"damontui: {sentence}", file=sys.stderr)
        return found

    @cached_property
    def options(self) -> Options:
        """What of the settings concerns sources."""
        given = {name: value for name, value in vars(self.words).items() if name in OWN and value is not None}
        return replace(self.settings.options(self.words.rootfs, self.program), **given)

    @cached_property
    def target(self) -> str:
        """The target's word; a process that was named stands in it by its PID. Raises `UsageError`."""
        from damontui.commands.ask import which
        from damontui.sources.names import SeveralProcesses

        word: str | None = getattr(self.words, "process", None)
        try:
            if word is None:
                return by_name(str(self.settings["target"]), self.options)
            if self.words.target is not None:
                raise UsageError(f"-p {word}, {self.words.target}: one target is enough")
            return word if set(word) <= set("0123456789,") else named(word, self.options)
        except SeveralProcesses as several:
            return which(several)

    @contextmanager
    def open(self, word: str | None = None) -> Iterator[Source]:
        """The target's source, entered, and left however this ends."""
        with held(choose(word or self.target, self.options), self.endings) as source:
            yield source

    @contextmanager
    def hold(self) -> Iterator[ActiveSource]:
        """The owner of the target's source, entered, from which others can be opened; all left however this ends."""
        from damontui.sources.active import ActiveSource

        # what was insisted on was for the first target: DAMON_STAT, picked later, has attributes of its own
        first = replace(self.options, whole=True, scene=True)
        later = replace(first, insisted=(), disabled=False)
        active = ActiveSource(choose(self.target, first), lambda word: choose(word, later), self._catalog)
        with held(active, self.endings):
            yield active

    def _catalog(self) -> Sequence[Entry]:
        from damontui.sources.catalog import catalog

        return catalog(self.options.root(), program=self.program)


def add_general(parser: Parser) -> None:
    """The options of every command."""
    group = parser.add_argument_group("general")
    group.add_argument(
        "--rootfs", metavar="DIR", default="/", type=_folder, help="use DIR/sys and DIR/proc (a container's host mount)"
    )
    group.add_argument("--config", metavar="FILE", help="settings; else ~/.config/damontui/config.toml")
    group.add_argument("--debug", action="store_true", help="show where an error came from")
    group.add_argument("-h", "--help", action="help", help="this text")


def add_target(parser: Parser) -> None:
    """TARGET and what says how it is monitored."""
    from damontui.sources.choose import KINDS

    width = max(len(kind.form) for kind in KINDS) + 2
    forms = "\n".join(f"{kind.form:<{width}}{kind.what}" for kind in KINDS)
    parser.add_argument_group("targets", forms).add_argument(
        "target", metavar="TARGET", nargs="?", help="auto where left out"
    )
    parser.add_argument(
        "-p",
        "--process",
        metavar="PID|NAME",
        help="the process of that PID (several with commas) or name, whatever else is called so",
    )
    group = parser.add_argument_group("monitoring (DAMON_STAT's attributes are fixed in the kernel)")
    add_settings(group, *MONITORING)
    flag(group, "autotune", "--no-autotune", False, "leave the intervals as they are")
    group.add_argument("--children", action="store_const", const=True, help="of processes, their children, too")
    group.add_argument(
        "--via",
        metavar="HOW",
        type=lambda text: config.one_of("proc", "damon")(text, "--via"),
        help="of processes: proc (no root needed) or damon",
    )
    group.add_argument(
        "--take", action="store_const", const=True, help="where DAMON_STAT holds DAMON: switch it off meanwhile"
    )
    group.add_argument(
        "--regions", dest="ranges", metavar="START-END,…", type=_ranges, help="of paddr, only these addresses"
    )
    group = parser.add_argument_group("running")
    switch = group.add_mutually_exclusive_group()
    flag(switch, "enabled", "--disabled", False, "start switched off")
    flag(switch, "enabled", "--enabled", True, "start switched on, whatever the configuration says")
    flag(group, "read_only", "--read-only", True, "write nothing below /sys")
    add_settings(group, *TIME)


def add_settings(group: argparse._ActionsContainer, *names: str) -> None:
    """Options made from the table of settings."""
    for name in names:
        setting = config.BY_NAME[name]
        group.add_argument(
            setting.option, dest=name, metavar=setting.metavar, type=_parser_of(setting), help=setting.help
        )


def _parser_of(setting: config.Setting) -> Any:
    return lambda text: setting.parse(text, setting.option)


def flag(group: argparse._ActionsContainer, name: str, option: str, value: bool, text: str) -> None:
    """An option without a value that sets a setting."""
    group.add_argument(option, dest=name, action="store_const", const=value, help=text)


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    ranges = []
    for part in text.split(","):
        start, dash, end = part.partition("-")
        if not dash:
            raise UsageError(
                f"--regions: {part!r} is no range; write START-END, such as 0x100000000-0x180000000 or 4G-6G"
            )
        ranges.append((units.parse_size(start, "--regions"), units.parse_size(end, "--regions")))
    ranges.sort()
    if any(start >= end for start, end in ranges) or any(a[1] > b[0] for a, b in pairwise(ranges)):
        raise UsageError(f"--regions: {text!r}: each range must end after its start, and none may overlap another")
    return tuple(ranges)


def _folder(text: str) -> str:
    if not os.path.isdir(text):
        raise UsageError(f"--rootfs: {text!r} is not a folder; name one that holds sys and proc")
    return text


def program() -> str:
    """The command that starts this very program, with full paths: what sudo, with its own PATH, can find."""
    started = sys.argv[0] if sys.argv else ""
    if os.path.basename(started) == "__main__.py" or not os.path.basename(started).startswith("damontui"):
        return f"{shlex.quote(sys.executable)} -m damontui"
    found = started if os.path.dirname(started) else shutil.which(started)
    return shlex.quote(os.path.abspath(found)) if found else "damontui"
