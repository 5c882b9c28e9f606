"""The manual, topic by topic; without a topic, what there is to read."""

from __future__ import annotations

import re
from importlib import resources

from damontui.commands.call import Call, Parser
from damontui.commands.table import COMMANDS, parser_of
from damontui.errors import UsageError

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
    """What a topic is about: its first heading."""
    return text.partition("\n")[0].lstrip("# ")


def plain(text: str) -> str:
    """A topic as it is read in a terminal: without what only the page's makers need."""
    return re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL).strip()


def run(call: Call) -> int:
    """Print a topic, or the list of them."""
    word, texts = call.words.topic, topics()
    if word is None:
        width = max(map(len, (*texts, *COMMANDS))) + 2
        print("damontui help TOPIC:\n")
        print("\n".join(f"  {name:<{width}}{title(text)}" for name, text in texts.items()))
        print("\nand on each command, as with --help:\n")
        print("\n".join(f"  {name:<{width}}{command.summary}" for name, command in COMMANDS.items()))
    elif word in texts:
        print(plain(texts[word]))
    elif word in COMMANDS:
        print(parser_of(word).format_help(), end="")
    else:
        raise UsageError(f"help: there is nothing on {word!r}; topics: {', '.join((*texts, *COMMANDS))}")
    return 0
