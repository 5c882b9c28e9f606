"""The live monitor in a browser. Whoever can open the page sees what this machine's memory is used for."""

from __future__ import annotations

import importlib.util
import shlex
import sys

from damontui.commands.context import Context, Parser, add_screen, add_target
from damontui.commands.listening import is_loopback, parse_address
from damontui.errors import SourceError, UsageError

DEFAULT = "127.0.0.1:19318"

EXAMPLES = f"""\
examples:
  sudo damontui serve                          the whole machine, at http://{DEFAULT}
  damontui serve demo --listen 8080            made-up memory, on another port
  sudo damontui serve stat --listen 192.0.2.7:19318 --url https://host.example
                                               behind a proxy that asks for a password

Whoever can open the page sees what this machine's memory is used for, and may move about in it, but not switch DAMON,
choose another target or write files. There is no password: damontui help serve says how to put it behind a proxy."""


def arguments(parser: Parser) -> None:
    """The options of ``serve``."""
    add_target(parser)
    add_screen(parser)
    group = parser.add_argument_group("serving")
    group.add_argument(
        "--listen", metavar="ADDRESS:PORT", help=f"where browsers connect ({DEFAULT}); a port alone is one of 127.0.0.1"
    )
    group.add_argument(
        "--url", metavar="URL", help="what browsers have as the page's address, where that is another: of a proxy"
    )
    group.add_argument("--session", action="store_true", help="a screen for one browser; what serve itself starts")


def need_library() -> None:
    """Raise `SourceError` where the library is missing, before anything is begun."""
    if importlib.util.find_spec("textual_serve") is None:
        raise SourceError(
            "cannot serve", "textual-serve is not installed", "install it with: pip install 'damontui[web]'"
        )


def run(context: Context) -> int:
    """Serve until a signal comes."""
    words = context.words
    if words.session:
        from damontui.commands.serve_session import show

        return show(context)
    need_library()
    address, port = parse_address(words.listen or DEFAULT, default=19318)
    if words.url is None and address in ("0.0.0.0", "::"):
        raise UsageError(f"--listen: no browser can go to {address}; say with --url what the page's address is")
    context.settings  # noqa: B018 - wrong settings are said before anything is served
    if context.settings.target == "-":
        raise UsageError("-: a record that comes through a pipe is read once, and each browser begins anew; use a file")
    from damontui.commands.page_server import serve

    if not is_loopback(address):
        print(
            f"damontui: whoever reaches {address} sees what this machine's memory is used for: there is no password",
            file=sys.stderr,
        )
    return serve(session(context), address, port, words.url, context.signals)


def session(context: Context) -> str:
    """The shell's command that shows the target to one browser: this command's words without the options of serving."""
    given, left_out, skip = [], {"--listen", "--url"}, False
    for word in _own_words():
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in left_out:
            skip = not equals
        else:
            given.append(word)
    return f"exec {context.program} {shlex.join([*given, '--session'])}"


def _own_words() -> list[str]:
    return sys.argv[1:]
