"""The manual, topic by topic; without a topic, what there is to read."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources

from damontui.commands.context import Context, Parser
from damontui.commands.table import COMMANDS, parser_of
from damontui.config import SETTINGS
from damontui.errors import UsageError
from damontui.sources.choose import TARGET_KINDS

EXAMPLES = """\
examples:
  damontui help              the topics
  damontui help numbers      what each number means
  damontui help record       a command's options, as damontui record --help"""


def arguments(parser: Parser) -> None:
    """The options of ``help``."""
    parser.add_argument("topic", metavar="TOPIC", nargs="?", help="one of those that damontui help lists, or a command")


def topics() -> dict[str, str]:
    """Every topic and its text (Markdown), in the order in which they are listed."""
    folder = resources.files("damontui").joinpath("manual")
    found = {
        one.name.removesuffix(".md"): one.read_text("utf-8") for one in folder.iterdir() if one.name.endswith(".md")
    }
    return dict(sorted(found.items()))


def title(text: str) -> str:
    """A topic's title: its first heading."""
    return text.partition("\n")[0].lstrip("# ")


def plain(text: str) -> str:
    """A topic as it is shown in a terminal: without the marks that only the page's makers need."""
    return re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL).strip()


def filled(text: str) -> str:
    """A topic with the program's own tables of targets, settings and keys put where it names them."""
    for mark, table in _TABLES.items():
        if f"<!-- {mark} -->" in text:
            rows = table()
            width = max(len(left) for left, _ in rows) + 2
            lines = "\n".join(f"    {left:<{width}}{right}".rstrip() for left, right in rows)
            text = text.replace(f"<!-- {mark} -->", lines)
    return text


def _targets() -> list[tuple[str, str]]:
    return [(kind.form, kind.what) for kind in TARGET_KINDS]


def _settings() -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    table = None
    for one in sorted((one for one in SETTINGS if one.file), key=lambda one: one.table):
        if one.table != table:
            table = one.table
            rows.append((f"[{table}]" if table else "outside of all tables", ""))
        rows.append((f"  {one.name}", one.help))
    return rows


def _keys() -> list[tuple[str, str]]:
    from damontui.tui import keys

    rows: list[tuple[str, str]] = []
    heading = ""
    for group, names, what in keys.rows({}):
        if group != heading:
            heading = group
            rows.append((heading, ""))
        rows.append((f"  {names}", what))
    return rows


def _key_names() -> list[tuple[str, str]]:
    from damontui.tui import keys

    return [(key.id, key.keys) for key in keys.TABLE]


_TABLES: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "targets": _targets,
    "settings": _settings,
    "keys": _keys,
    "key names": _key_names,
}


def run(context: Context) -> int:
    """Print a topic, or the list of them."""
    word, texts = context.words.topic, topics()
    if word is None:
        width = max(map(len, (*texts, *COMMANDS))) + 2
        print("damontui help TOPIC:\n")
        print("\n".join(f"  {name:<{width}}{title(text)}" for name, text in texts.items()))
        print("\nand on each command, as with --help:\n")
        print("\n".join(f"  {name:<{width}}{command.summary}" for name, command in COMMANDS.items()))
    elif word in texts:
        print(plain(filled(texts[word])))
    elif word in COMMANDS:
        print(parser_of(word).format_help(), end="")
    else:
        raise UsageError(f"help: there is nothing on {word!r}; topics: {', '.join((*texts, *COMMANDS))}")
    return 0
