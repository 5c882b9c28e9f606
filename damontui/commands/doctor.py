"""What this machine can do, what is in the way, and the remedy. It only reads, unless told to give back."""

from __future__ import annotations

import json
import sys

from damontui.commands.call import Call, Parser, flag


def arguments(parser: Parser) -> None:
    """The options of ``doctor``."""
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "--give-back",
        action="store_true",
        help="give back what a run that was killed left: its kdamond, its trace instance, DAMON_STAT",
    )
    flag(parser, "read_only", "--read-only", True, "write nothing below /sys")


def _give_back(call: Call) -> int:
    from damontui.kernel import handback

    root = call.options.root()
    found = handback.give_back(root, program=call.program)
    if call.words.json:
        print(json.dumps({"schema": 1, "given_back": found}))
    else:
        print("\n".join(found) or "nothing is left of a run that was killed")
    return 0


def run(call: Call) -> int:
    """Print the findings; finding an obstacle is no failure."""
    if call.words.give_back:
        return _give_back(call)
    from damontui.kernel.features import survey
    from damontui.kernel.root import Root
    from damontui.output.doctor import doctor_object, report, terminal
    from damontui.sources.choose import KINDS

    found = survey(Root(call.words.rootfs, read_only=call.settings["read_only"]), program=call.program)
    screen = terminal(call.environ, is_terminal=sys.stdout is not None and sys.stdout.isatty())
    if call.words.json:
        print(json.dumps(doctor_object(found, screen, tuple(kind.form for kind in KINDS))))
    else:
        print(report(found, screen))
    return 0
