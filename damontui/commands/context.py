"""The context that every command gets, and the options, settings and sources that several commands share."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn, Unpack

from damontui import config
from damontui.commands.signals import Signals, entered
from damontui.declare import LONGEST_WINDOW_US, Setting
from damontui.errors import UsageError
from damontui.sources.base import Source
from damontui.sources.choose import TARGET_KINDS, choose, pids_named, resolve_name
from damontui.sources.options import MONITORING, Options

if TYPE_CHECKING:
    from damontui.sources.active import ActiveSource
    from damontui.sources.catalog import Entry

MONITORING_SETTINGS = tuple(one.name for one in config.SETTINGS if one.table == MONITORING)
SCREEN_SETTINGS = tuple(one.name for one in config.SETTINGS if one.table == config.SCREEN)
COMMAND_LINE_ONLY = tuple(one.name for one in config.SETTINGS if not one.file)
"""Options of a source that the command line alone sets."""
RUNNING_SETTINGS = tuple(one.name for one in config.SETTINGS if one.file and not one.table and one.name != "target")
"""What stands outside of all tables in a file; the target is a word of its own."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, raised as `UsageError`."""

    def __init__(self, prog: str, usage: str, description: str | None = None, epilog: str | None = None) -> None:
        super().__init__(
            prog,
            usage,
            description,
            epilog,
            allow_abbrev=False,
            add_help=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def options(self) -> dict[str, bool]:
        """Every option of this parser, and whether it takes a value."""
        return {
            option: action.nargs is None or action.nargs not in (0, "?")
            for action in self._actions
            for option in action.option_strings
        }

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
class Context:
    """A command being run.

    Attributes:
        words: the parsed command line.
        environ: the environment.
        program: the command that started this program, with its full path, for remedies to copy.
        signals: turns signals into an orderly end; entered.
    """

    words: argparse.Namespace
    environ: Mapping[str, str]
    program: str
    signals: Signals

    @cached_property
    def settings(self) -> config.Settings:
        """All layers of settings. Raises `UsageError`."""
        given = {
            name: value for name, value in vars(self.words).items() if name in config.BY_NAME and value is not None
        }
        found = config.settings(given, self.environ, self.words.config)
        for sentence in found.left_out:
            print(f"damontui: {sentence}", file=sys.stderr)
        return replace(found, rootfs=self.words.rootfs, program=self.program)

    @property
    def options(self) -> Options:
        """The settings that concern sources."""
        return self.settings

    @cached_property
    def target(self) -> str:
        """The target's word, with the PID where a process was named. Raises `UsageError`."""
        from damontui.commands.ask import which
        from damontui.sources.names import SeveralProcesses

        word: str | None = getattr(self.words, "process", None)
        try:
            if word is None:
                return resolve_name(self.settings.target, self.options)
            if self.words.target is not None:
                raise UsageError(f"-p {word}, {self.words.target}: one target is enough")
            return word if set(word) <= set("0123456789,") else pids_named(word, self.options)
        except SeveralProcesses as several:
            return which(several)

    def allow_pause(self, seconds: float) -> None:
        """Allow a process to be held up for so long at a time, as the user has answered."""
        self.settings = replace(self.settings, max_pause_us=round(seconds * 1e6))

    def watch_for(self, seconds: float) -> None:
        """Note that the target will be watched for so long, for one result."""
        from damontui.sources.process import WINDOW

        window = self.settings.window_us
        if window is None:
            window = min(LONGEST_WINDOW_US, round(max(WINDOW, seconds / 2) * 1e6))
        self.settings = replace(self.settings, lasts_s=seconds, window_us=window)

    @contextmanager
    def open(self, word: str | None = None) -> Iterator[Source]:
        """The target's source, entered; it is left however the block ends."""
        with entered(choose(word or self.target, self.options), self.signals) as source:
            yield source

    @contextmanager
    def hold(self, stdin: int | None = None) -> Iterator[ActiveSource]:
        """The owner of the target's source, entered, which can open other sources; all are left however the block ends.

        ``stdin`` is the descriptor of standard input, where the keyboard was put in its place.
        """
        from damontui.sources.active import ActiveSource, Changes

        # what was insisted on was for the first target: DAMON_STAT, picked later, has attributes of its own
        first = replace(self.options, whole=True, scene=True, stdin=0 if stdin is None else stdin)
        later = replace(first, insisted=(), disabled=False)

        def another(word: str, **changes: Unpack[Changes]) -> Source:
            return choose(word, replace(later, **changes))

        active = ActiveSource(choose(self.target, first), another, self._catalog)
        with entered(active, self.signals):
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
    group.add_argument(
        "--log", metavar="FILE", help="append what happens inside to FILE; DAMONTUI_LOG=debug: in more detail"
    )
    group.add_argument("--debug", action="store_true", help="show where an error came from")
    group.add_argument("-h", "--help", action="help", help="this text")


def add_target(parser: Parser) -> None:
    """TARGET, and the options for how it is monitored."""
    width = max(len(kind.form) for kind in TARGET_KINDS) + 2
    forms = "\n".join(f"{kind.form:<{width}}{kind.what}" for kind in TARGET_KINDS)
    targets = parser.add_argument_group("targets", forms)
    targets.add_argument("target", metavar="TARGET", nargs="?", help="auto where left out")
    targets.add_argument(
        "-p",
        "--process",
        metavar="PID|NAME",
        help="the process of that PID (several with commas) or name, whatever else is called so",
    )
    group = parser.add_argument_group("monitoring (DAMON_STAT's attributes are fixed in the kernel)")
    add_settings(group, *MONITORING_SETTINGS, *COMMAND_LINE_ONLY)
    add_settings(parser.add_argument_group("running"), *RUNNING_SETTINGS)


def add_screen(parser: Parser) -> None:
    """The options of a screen."""
    add_settings(parser.add_argument_group("screen"), *SCREEN_SETTINGS)


def add_settings(group: argparse._ActionsContainer, *names: str) -> None:
    """The options that settings declare: an option with a value, or options without one that stand for its values."""
    for name in names:
        one = config.BY_NAME[name]
        if one.metavar:
            group.add_argument(
                one.option,
                dest=name,
                metavar=one.metavar,
                type=_parser_of(one),
                choices=getattr(one.parse, "words", None),
                help=one.help.replace("%", "%%"),
            )
        switch = group.add_mutually_exclusive_group() if len(one.flags) > 1 else group
        for flag in one.flags:
            switch.add_argument(flag.option, dest=name, action="store_const", const=flag.value, help=flag.help)


def _parser_of(one: Setting) -> Callable[[str], object]:
    return lambda text: one.parse(text, one.option)


def _folder(text: str) -> str:
    if not os.path.isdir(text):
        raise UsageError(f"--rootfs: {text!r} is not a folder; name one that holds sys and proc")
    return text


def program() -> str:
    """The command that starts this program, with full paths, so that sudo, with its own PATH, finds it."""
    started = sys.argv[0] if sys.argv else ""
    if os.path.basename(started) == "__main__.py" or not os.path.basename(started).startswith("damontui"):
        return f"{shlex.quote(sys.executable)} -m damontui"
    found = started if os.path.dirname(started) else shutil.which(started)
    return shlex.quote(os.path.abspath(found)) if found else "damontui"
