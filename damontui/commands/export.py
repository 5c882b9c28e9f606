"""Say what is known of memory to Prometheus: over HTTP, as a file for node_exporter, or both."""

from __future__ import annotations

import importlib.util
import sys
import threading
from contextlib import ExitStack
from importlib import resources
from pathlib import Path

from damontui.commands.context import Context, Parser, add_target
from damontui.declare import parse_count
from damontui.errors import SourceError, UsageError
from damontui.units import parse_seconds

DEFAULT = "127.0.0.1:19317"
MOST_GROUPS = 200

EXAMPLES = f"""\
examples:
  sudo damontui export                                   DAMON_STAT, at http://{DEFAULT}/metrics
  sudo damontui export --textfile /var/lib/prometheus/node-exporter/damon.prom
  sudo damontui export stat --listen 192.0.2.7:19317     on another address, which must be written
  damontui export demo --listen 0                        made-up memory, on any free port
  damontui export --unit                                 a unit for systemd: least privileges, hardened

The metrics, a unit for systemd and what it may do: damontui help export"""


def arguments(parser: Parser) -> None:
    """The options of ``export``."""
    add_target(parser)
    group = parser.add_argument_group("exporting")
    group.add_argument(
        "--listen",
        metavar="ADDRESS:PORT",
        help=f"answer scrapes there ({DEFAULT}, unless there is a --textfile); a port alone is one of 127.0.0.1",
    )
    group.add_argument(
        "--textfile", metavar="FILE", help="write FILE.prom for node_exporter, whole or not at all; gone at the end"
    )
    group.add_argument(
        "--every",
        metavar="S",
        type=lambda text: parse_seconds(text, "--every"),
        default=10.0,
        help="seconds between two writings of that file (10)",
    )
    group.add_argument(
        "--cgroups",
        metavar="N",
        type=_some_groups,
        default=0,
        help="also the N largest control groups, five series each (none; 20 is much)",
    )
    group.add_argument(
        "--unit", action="store_true", help="print a unit for systemd that starts this very program, and end"
    )
    group.add_argument("--force", action="store_true", help="replace a file of that name that is none of ours")


def _some_groups(text: str) -> int:
    count = parse_count(text, "--cgroups")
    if count > MOST_GROUPS:
        raise UsageError(f"--cgroups: {count:,} are more series than a host should have; at most {MOST_GROUPS}")
    return count


def need_library() -> None:
    """Raise `SourceError` where the library is missing, before anything is begun."""
    if importlib.util.find_spec("prometheus_client") is None:
        raise SourceError(
            "cannot export", "prometheus-client is not installed", "install it with: pip install 'damontui[export]'"
        )


def run(context: Context) -> int:
    """Export until a signal comes or the target ends."""
    if context.words.unit:
        print(unit(context.program), end="")
        return 0
    need_library()
    from damontui.commands.listening import is_loopback, parse_address
    from damontui.commands.scrape import Exporter, Newest, Server, TextFile
    from damontui.output.metrics import Reading

    words, newest = context.words, Newest()
    address = parse_address(words.listen or DEFAULT) if words.listen or not words.textfile else None
    file = None
    if words.textfile:
        file = TextFile(Path(words.textfile), every=words.every, force=words.force)
    with ExitStack() as stack:
        server = None
        if address is not None:
            server = Server(*address, newest)
            stack.callback(server.server_close)
        source = stack.enter_context(context.open(word(context)))
        if file is not None:
            stack.enter_context(file)
        about = source.describe()
        for sentence in (about.reason, about.notice, *about.limits):
            _say(sentence)
        if server is not None:
            threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True, name="scrapes").start()
            stack.callback(server.shutdown)
            _say(f"{about.title} at {server.url}")
            if address is not None and not is_loopback(address[0]):
                _say(
                    f"whoever reaches {address[0]} can read how this machine uses its memory; no password is asked for"
                )
        if file is not None:
            _say(f"{about.title} in {words.textfile}")

        failed = False

        def publish(reading: Reading) -> None:
            nonlocal failed
            newest.reading = reading
            if file is not None:
                context.signals.defer()  # a signal must not come between a file and its name
                try:
                    file.take(reading)
                    failed = False
                except SourceError as error:  # a disk is full for a while: no reason to answer no scrapes
                    if not failed:
                        _say(f"{error}; tried again")
                    failed = True
                context.signals.resume()

        last = Exporter(source, publish, _say, groups=words.cgroups, pieces=context.settings.estimate_pieces).run(
            threading.Event()
        )
        _say(last.text if last is not None and last.text else f"{about.title} ended")
    return 0


def unit(program: str) -> str:
    """A unit for systemd that starts ``program``."""
    text = resources.files("damontui").joinpath("systemd/damontui-export.service").read_text("utf-8")
    # systemd takes % for a specifier and $ for a variable
    return text.replace("/usr/bin/damontui", program.replace("%", "%%").replace("$", "$$"), 1)


def word(context: Context) -> str:
    """The target's word: DAMON_STAT where none was named, here or in the settings. Raises `UsageError`."""
    if context.words.target is None and context.words.process is None and context.settings.target == "auto":
        return "stat"
    if context.words.target == "-":
        raise UsageError("-: a record that comes through a pipe is not exported; run damontui export where it is made")
    return context.target


def _say(sentence: str) -> None:
    if sentence:
        print(f"damontui: {sentence}", file=sys.stderr, flush=True)
