"""The commands, and which words of a command line belong to which; a command is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from damontui import __version__

if TYPE_CHECKING:
    from damontui.commands.context import Parser


class Command(NamedTuple):
    """A command: the module of `damontui.commands` that has it, its form and what it is for."""

    module: str
    form: str
    summary: str


LIVE = Command("live", "[TARGET] [options]", "the live monitor")
COMMANDS: dict[str, Command] = {
    "run": Command("run", "[options] -- COMMAND…", "start COMMAND and monitor it; ends with its exit status"),
    "snapshot": Command("snapshot", "[TARGET] [--count N] [--json]", "measure without a screen, print, end"),
    "record": Command("record", "[TARGET] -o FILE|- [--for TIME]", "keep what is seen"),
    "report": Command("report", "[STYLE] TARGET|FILE|-", "what a record shows: text, JSON, pictures"),
    "export": Command("export", "[TARGET] [--listen A:P] [--textfile F]", "numbers for Prometheus, as long as it runs"),
    "size": Command("size", "[TARGET] [--for TIME] [--json]", "how small could it be, and what that would cost"),
    "fleet": Command("fleet", "URL [--once] [--json]", "many machines, by what Prometheus has scraped"),
    "serve": Command("serve", "[TARGET] [--listen A:P]", "the live monitor in a browser"),
    "convert": Command("convert", "IN OUT [--to FORMAT]", "between record formats"),
    "doctor": Command(
        "doctor", "[--json] [--give-back]", "what this machine can do, what is in the way, and the remedy"
    ),
    "help": Command("manual", "[TOPIC]", "the manual"),
    "completion": Command("completion", "bash|zsh|fish", "what a shell needs to complete all this with the tab key"),
}

EXAMPLES = """\
examples:
  damontui                       what this machine has; simulated memory where it has nothing
  sudo damontui stat             the kernel's DAMON_STAT: the whole machine's memory
  damontui postgres              a process, by its name or PID
  damontui 1234 --once           one look at it as text, without a screen
  damontui snapshot --json       one JSON object, for scripts

exit status: 0; 1 the system said no; 2 wrong usage; 128 and the signal's number after a signal (130: Ctrl-C)
environment: DAMONTUI_ENABLED, DAMONTUI_READ_ONLY and so on, one for each setting; NO_COLOR"""


def parser_of(name: str) -> Parser:
    """The parser of a command, "" for the live monitor: from it come its help, completions and the man page."""
    from damontui.commands.context import Parser, add_general

    command, module = COMMANDS[name] if name else LIVE, module_of(name)
    parser = Parser(
        f"damontui {name}".rstrip(),
        f"damontui {name} {command.form}".replace("  ", " "),
        module.__doc__ if name else overview(),
        getattr(module, "EXAMPLES", None) if name else EXAMPLES,
    )
    module.arguments(parser)
    add_general(parser)
    if not name:
        parser.add_argument("--version", action="version", version=f"damontui {__version__}", help="the version")
    return parser


_ONCE = ("--once", "-n", "--count")


def module_of(name: str) -> ModuleType:
    return import_module(f"damontui.commands.{(COMMANDS[name] if name else LIVE).module}")


def overview() -> str:
    """The help's text before the options: a list of the commands."""
    width = max(len(f"{name} {command.form}") for name, command in COMMANDS.items()) + 2
    lines = ["See, live, which memory is really in use.", "", "commands:"]
    lines += [f"  {f'{name} {c.form}':<{width}}{c.summary}" for name, c in COMMANDS.items()]
    return "\n".join(lines)


def split(words: list[str]) -> tuple[str, list[str]]:
    """The command's name and the words without it; "" is the live monitor.

    The first word that is neither an option nor an option's value decides, in this order:

    - It is a command's name: that command. Options may stand before it. Which of them take a value is what this
      command's options say, and the live monitor's.
    - There is no such word, and ``--once``, ``-n`` or ``--count`` is given: ``snapshot``, as in other monitors.
    - An option that the live monitor lacks stands before the first command's name: that command, since it will refuse
      the option, and then names its own help.
    - Else the live monitor.

    A target that has a command's name is written with a path or after -p: ``./snapshot``, ``-p snapshot``.
    """
    own = words[: words.index("--")] if "--" in words else words
    for place, word in enumerate(own):
        if word in COMMANDS and _is_free(own[:place], word):
            return word, words[:place] + words[place + 1 :]
    if any(word.partition("=")[0] in _ONCE for word in own):
        return "snapshot", words
    place = next((place for place, word in enumerate(own) if word in COMMANDS), 0)
    if not _known(own[:place]):
        return own[place], words[:place] + words[place + 1 :]
    return "", words


def _known(before: list[str]) -> bool:
    """Whether the live monitor has all options among these words."""
    options = parser_of("").options() if before else {}
    names = [word.partition("=")[0] for word in before if word.startswith("-") and word != "-"]
    return all(name in options or name[:2] in options for name in names)


def _is_free(before: list[str], command: str) -> bool:
    """Whether the word after these is not an option's value, and none of these is a target."""
    if not before:
        return True
    valued = parser_of("").options() | parser_of(command).options()
    wants = False
    for word in before:
        if wants:
            wants = False
        elif not word.startswith("-") or word == "-":
            return False
        else:
            wants = valued.get(word, False)
    return not wants
