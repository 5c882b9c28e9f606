"""What this machine can do, what is in the way, and the remedy. It only reads, unless told to give back."""

from __future__ import annotations

import json
import sys

from damontui.commands.context import Context, Parser, add_settings
from damontui.errors import SourceError

PATIENCE = 60.0
"""Seconds that looking at the machine may take: a kernel that does not answer is a finding, not a wait."""


def arguments(parser: Parser) -> None:
    """The options of ``doctor``."""
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "--give-back",
        action="store_true",
        help="give back what a run that was killed left: its kdamond, its trace instance, DAMON_STAT",
    )
    parser.add_argument(
        "--paranoid", action="store_true", help="which files are read and written here, as whom, and what else is done"
    )
    add_settings(parser, "read_only")


def _give_back(context: Context) -> int:
    from damontui.kernel import handback

    root = context.options.root()
    found = handback.give_back(root, program=context.program)
    if context.words.json:
        print(json.dumps({"schema": 1, "given_back": found}))
    else:
        print("\n".join(found) or "nothing is left of a run that was killed")
    return 0


def _paranoid(context: Context) -> int:
    from damontui import config
    from damontui.kernel.root import Root
    from damontui.output import permissions

    file = context.words.config or config.find(context.environ)
    root = Root(context.words.rootfs, read_only=context.settings.read_only)
    found = permissions.paranoid(root, context.environ, [str(file)] if file else [])
    print(json.dumps(found) if context.words.json else permissions.text(found))
    return 0


def _too_late() -> SourceError:
    why = f"the kernel has not answered for {PATIENCE:g} s"
    return SourceError("cannot look at this machine", why, "see which files hang: damontui --log FILE doctor")


def run(context: Context) -> int:
    """Print the findings; finding an obstacle is no failure."""
    context.signals.limit(PATIENCE, _too_late)
    if context.words.give_back:
        return _give_back(context)
    if context.words.paranoid:
        return _paranoid(context)
    from damontui.kernel.features import survey
    from damontui.kernel.root import Root
    from damontui.output.doctor import doctor_object, report, terminal
    from damontui.sources.choose import TARGET_KINDS

    found = survey(Root(context.words.rootfs, read_only=context.settings.read_only), program=context.program)
    screen = terminal(context.environ, is_terminal=sys.stdout is not None and sys.stdout.isatty())
    if context.words.json:
        print(json.dumps(doctor_object(found, screen, tuple(kind.form for kind in TARGET_KINDS))))
    else:
        print(report(found, screen))
    return 0
