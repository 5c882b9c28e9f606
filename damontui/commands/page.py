"""The man page, made from the command line's own declaration; `damontui.commands.wheel` puts it into a wheel.

``python -m damontui.commands.page > damontui.1`` writes it.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from typing import TextIO

from damontui import __version__
from damontui.commands.context import Parser
from damontui.commands.table import COMMANDS, EXAMPLES, LIVE, parser_of
from damontui.config import SETTINGS

DATE = "2026-01-01"
"""The page's date: it changes with the program, not with the day on which it is built."""


def _text(words: str) -> str:
    """Text that roff takes literally: its own characters escaped, and no line begun by one of its controls."""
    escaped = words.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    escaped = escaped.replace("^", "\\(ha").replace("~", "\\(ti")
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in escaped.splitlines())


def _plain(words: str) -> str:
    """A paragraph as one line of its words."""
    return _text("\n".join(textwrap.wrap(" ".join(words.split()), 70)))


def _options(parser: Parser, shown: set[str]) -> list[str]:
    lines: list[str] = []
    for group in parser._action_groups:
        for action in group._group_actions:
            key = f"{action.option_strings or action.dest} {action.help}"
            if key in shown or isinstance(action, argparse._HelpAction):
                continue
            shown.add(key)
            name = "\\fR, \\fB".join(_text(option) for option in action.option_strings)
            value = action.metavar if isinstance(action.metavar, str) and action.nargs != 0 else ""
            head = " ".join(
                part for part in (f"\\fB{name}\\fR" if name else "", f"\\fI{_text(value)}\\fR") if value or name
            )
            if not value:
                head = f"\\fB{name}\\fR"
            lines += [".TP", head, _plain((action.help or "").replace("%%", "%"))]
    return lines


def _verbatim(words: str) -> list[str]:
    return [".PP", ".nf", _text(words), ".fi"]


def _after(epilog: str) -> list[str]:
    """The text below a command's options: indented lines as they are, paragraphs filled."""
    lines: list[str] = []
    for block in filter(str.strip, epilog.split("\n\n")):
        rows = block.splitlines()
        if any(row.startswith("  ") for row in rows):
            lines += _verbatim(block)
        else:
            lines += [".PP", _plain(block)]
    return lines


def page() -> str:
    """The whole page, in man(7)."""
    lines = [
        f'.TH DAMONTUI 1 "{DATE}" "damontui {__version__}" "User Commands"',
        ".SH NAME",
        "damontui \\- see, live, which memory is really in use",
        ".SH SYNOPSIS",
        "\n.br\n".join(
            f".B damontui{f' {name}' if name else ''}\n{_text(command.form)}"
            for name, command in {"": LIVE, **COMMANDS}.items()
        ),
        ".SH DESCRIPTION",
        _plain(
            "A live monitor, in the terminal, of which memory is really in use, from DAMON, the part of Linux that "
            "watches memory accesses, and for single processes from /proc. Without a command it opens the screen. "
            "Options may stand before or after the command's name; one that several commands have is described once."
        ),
    ]
    shown: set[str] = set()
    lines += [".SH OPTIONS", *_options(parser_of(""), shown)]
    lines += [".SH TARGETS", *_verbatim(_targets())]
    lines.append(".SH COMMANDS")
    for name, command in COMMANDS.items():
        parser = parser_of(name)
        lines += [f".SS {name} {_text(command.form)}", _plain(f"{command.summary[0].upper()}{command.summary[1:]}.")]
        lines += _options(parser, shown)
        lines += _after(parser.epilog or "")
    lines += [".SH ENVIRONMENT", ".PP", "One for each setting that a configuration file can hold:"]
    for one in SETTINGS:
        if one.file:
            lines += [".TP", f"\\fB{one.variable}\\fR", _plain(one.help)]
    lines += [
        *(".TP", "\\fBDAMONTUI_LOG\\fR", _plain("how much is logged: debug, info, warning or error; see --log")),
        *(".TP", "\\fBDAMONTUI_CONFIG\\fR", _plain("the configuration file, as --config")),
        *(".TP", "\\fBNO_COLOR\\fR", _plain("no colours: values are drawn as glyphs")),
        *(".SH FILES", ".TP", _text("~/.config/damontui/config.toml"), _plain("settings; damontui help settings")),
        *(
            ".SH EXIT STATUS",
            _plain("0; 1 the system said no, with one line on standard error: what, why, what to do;"),
        ),
        _plain("2 wrong usage; 128 and the signal's number after a signal (130: Ctrl-C)."),
        *(".SH EXAMPLES", *_verbatim(EXAMPLES.split("\n\n")[0].partition("\n")[2])),
    ]
    # a heading begins a paragraph by itself
    kept = [line for before, line in zip(["", *lines], lines, strict=False) if line != ".PP" or before[:3] != ".SH"]
    return "\n".join(kept) + "\n"


def _targets() -> str:
    from damontui.sources.choose import TARGET_KINDS

    width = max(len(kind.form) for kind in TARGET_KINDS) + 2
    return "\n".join(f"{kind.form:<{width}}{kind.what}" for kind in TARGET_KINDS)


def main(out: TextIO = sys.stdout) -> None:
    """Write the page."""
    out.write(page())


if __name__ == "__main__":
    main()
