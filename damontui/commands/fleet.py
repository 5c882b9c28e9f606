"""See the memory of many machines, by what a PromQL engine says of hosts that run damontui export."""

from __future__ import annotations

import importlib.util
import sys
from importlib import resources

from damontui.commands.context import Context, Parser
from damontui.errors import SourceError, UsageError
from damontui.units import parse_seconds

EXAMPLES = """\
examples:
  damontui fleet http://localhost:9090                       the live screen
  damontui fleet http://localhost:9090 --once                one look at it as text
  damontui fleet http://localhost:9090 --json                one JSON object, for scripts
  damontui fleet --rules                                     recording and alerting rules; --board for Grafana
  damontui fleet https://prometheus.example --http-config access.yml --by rack --match 'dc="a"'

What must run on the hosts, and what the states mean: damontui help fleet"""


def arguments(parser: Parser) -> None:
    """The options of ``fleet``."""
    parser.add_argument("url", metavar="URL", nargs="?", help="of Prometheus, or of what else speaks PromQL")
    group = parser.add_argument_group("what is looked at")
    group.add_argument("--match", metavar="MATCHERS", default="", help='only these hosts: rack="a", dc=~"eu.*"')
    group.add_argument("--by", metavar="LABEL", default="", help="percentiles for each value of a label, too")
    group.add_argument(
        "--idle",
        metavar="TIME",
        type=lambda text: parse_seconds(text, "--idle"),
        default=900.0,
        help="what idle means: 15m (as without), from 60 seconds to 4h; exact at 1m, 2m, 5m, 15m, 30m, 1h and 4h",
    )
    group.add_argument(
        "--rule", metavar="RULE", default="estimate", help="estimate, or kernel: the kernel's own formula"
    )
    group = parser.add_argument_group("the engine")
    group.add_argument(
        "--http-config", metavar="FILE", help="user, token and certificates, as Prometheus' http_config has them (YAML)"
    )
    group.add_argument(
        "--timeout",
        metavar="S",
        type=lambda text: parse_seconds(text, "--timeout"),
        default=10.0,
        help="seconds to wait for an answer at most (10)",
    )
    group.add_argument(
        "--every",
        metavar="S",
        type=lambda text: parse_seconds(text, "--every"),
        default=15.0,
        help="seconds between two looks of the screen (15)",
    )
    group = parser.add_argument_group("output")
    group.add_argument("--once", action="store_true", help="one look as text, without a screen")
    group.add_argument("--json", action="store_true", help="one look as one JSON object")
    group.add_argument("--rules", action="store_true", help="print recording and alerting rules for Prometheus")
    group.add_argument("--board", action="store_true", help="print a board for Grafana (JSON)")


def need_libraries() -> None:
    """Raise `SourceError` where a library is missing, before anything is begun."""
    missing = [name for module, name in (("urllib3", "urllib3"), ("yaml", "PyYAML")) if not _there(module)]
    if missing:
        why = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        raise SourceError("cannot ask an engine", why, "install it with: pip install 'damontui[fleet]'")


def _there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def template(name: str) -> str:
    """The text of a file for the engine or for Grafana that comes with the program."""
    return resources.files("damontui").joinpath("prometheus", name).read_text("utf-8")


def run(context: Context) -> int:
    """Show the fleet until the user ends it, or once."""
    words = context.words
    if words.rules or words.board:
        print(template("grafana.json" if words.board else "damontui.rules.yml"), end="")
        return 0
    if words.url is None:
        raise UsageError("a URL is missing: of Prometheus, such as http://localhost:9090; see: damontui fleet --help")
    need_libraries()
    from damontui.fleet.access import read_access
    from damontui.fleet.client import Client
    from damontui.fleet.sums import ask
    from damontui.fleet.wish import Wish

    wish = Wish(words.idle, words.rule, words.match, words.by)
    access = read_access(words.http_config) if words.http_config else None
    client = Client(words.url, access, timeout=words.timeout)
    try:
        if words.json or words.once:
            from damontui.output import fleet

            picture = ask(client, wish)
            print((fleet.dump if words.json else fleet.summary)(picture, client.url))
            return 0
        from damontui.commands.live import need_terminal

        need_terminal(context.environ, "damontui fleet --once prints without a screen")
        from damontui.commands.fleet_screen import show

        return show(context, client, wish)
    finally:
        client.close()
        sys.stdout.flush()
