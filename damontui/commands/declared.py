"""The whole command line as one parser with a subcommand for each command: for completions and the man page."""

from __future__ import annotations

import argparse
from typing import Any

from damontui.commands.context import Parser, add_general, add_screen
from damontui.commands.table import COMMANDS, parser_of
from damontui.sources.choose import TARGET_KINDS

_TARGETS = "_damontui_targets"
_FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "fish": "(__fish_complete_path (commandline -ct))"}
_FOLDERS = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/", "fish": "(__fish_complete_directories)"}

WORDS = tuple(word for kind in TARGET_KINDS if (word := kind.form.partition("[")[0]).isalpha() and word.islower())
"""The targets that are one word, as ``stat`` and the ``demo`` of ``demo[:SCENE]``."""

PREAMBLE = {
    "bash": f"""\
{_TARGETS}() {{
  compgen -W "{" ".join(WORDS)}" -- "$1"
  _shtab_compgen_files "$1"
}}""",
    "zsh": f"""\
{_TARGETS}() {{
  compadd -- {" ".join(WORDS)}
  _files
}}""",
    "fish": f"""\
function {_TARGETS}
  printf '%s\\n' {" ".join(WORDS)}
  __fish_complete_path (commandline -ct)
end""",
}
"""The function by which each shell completes a target: with the words, and with files, which may be records."""


def whole_parser() -> argparse.ArgumentParser:
    """The live monitor's options and every command's, each made by the very function that makes the command's own."""
    top = Parser("damontui", "damontui [COMMAND] [TARGET] [options]", None, None)
    making = iter(COMMANDS)
    commands = top.add_subparsers(  # type: ignore[call-overload]
        metavar="COMMAND", title="commands", parser_class=lambda **_: parser_of(next(making))
    )
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.summary)
    add_screen(top)
    add_general(top)
    for parser in (top, *commands.choices.values()):
        for action in parser._actions:
            _completed(action)
    return top


def _completed(action: Any) -> None:
    """Set how an option's value is completed: shtab looks for the attribute ``complete``."""
    if action.dest == "target":
        action.complete = {"bash": _TARGETS, "zsh": _TARGETS, "fish": f"({_TARGETS})"}
    elif action.metavar in ("FILE", "IN", "OUT") or action.dest in ("output", "input"):
        action.complete = _FILES
    elif action.metavar in ("DIR", "FOLDER"):
        action.complete = _FOLDERS
