"""What this machine can do, what is in the way, and the remedy. It only reads."""

from __future__ import annotations

import json
import sys

from damontui.commands.call import Call, Parser


def arguments(parser: Parser) -> None:
    """The options of ``doctor``."""
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(call: Call) -> int:
    """Print the findings; finding an obstacle is no failure."""
    from damontui.kernel.features import survey
    from damontui.kernel.root import Root
    from damontui.output.doctor import doctor_object, report, terminal
    from damontui.sources.choose import KINDS

    found = survey(Root(call.words.rootfs, read_only=call.settings.read_only), program=call.program)
    screen = terminal(call.environ, is_terminal=sys.stdout is not None and sys.stdout.isatty())
    if call.words.json:
        print(json.dumps(doctor_object(found, screen, tuple(kind.form for kind in KINDS))))
    else:
        print(report(found, screen))
    return 0
