"""What a shell needs to complete commands, options and targets with the tab key, printed for it to read."""

from __future__ import annotations

from damontui.commands.context import Context, Parser
from damontui.commands.declared import PREAMBLE, whole_parser
from damontui.declare import one_of

SHELLS = ("bash", "zsh", "fish")

EXAMPLES = """\
examples:
  damontui completion bash > ~/.local/share/bash-completion/completions/damontui
  damontui completion zsh > ~/.zfunc/_damontui            where ~/.zfunc is in fpath
  damontui completion fish > ~/.config/fish/completions/damontui.fish"""


def arguments(parser: Parser) -> None:
    """The options of ``completion``."""
    parser.add_argument(
        "shell",
        metavar="bash|zsh|fish",
        type=lambda text: one_of(*SHELLS)(text, "completion"),
        choices=SHELLS,
        help="whose",
    )


def run(context: Context) -> int:
    """Print the script."""
    import shtab

    shell = context.words.shell
    print(shtab.complete(whole_parser(), shell=shell, preamble=PREAMBLE[shell]))
    return 0
