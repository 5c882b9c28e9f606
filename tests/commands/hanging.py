"""The program on a kernel some of whose files never answer: ``python -m tests.commands.hanging PART … -- WORDS``.

A file whose path holds one of the parts opens, and reading it never returns, which is said on standard error. The
deadline is what `PATIENCE` in the environment says, seconds, and 0.1 s while a file has not been answered.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from damontui import cli
from damontui.kernel import readers


def main(words: list[str]) -> int:
    """See the module."""
    split = words.index("--")
    parts, rest = words[:split], words[split + 1 :]

    def hanging(usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: int, *given: object) -> Any:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if any(part in path for part in parts):
                os.write(2, b"it hangs\n")
                threading.Event().wait()
            return usual(descriptor, *given)

        return call

    os.readv, os.read = hanging(os.readv), hanging(os.read)
    patience = float(os.environ["PATIENCE"])
    readers.Readers.ask.__defaults__ = (patience, *(readers.Readers.ask.__defaults__ or ())[1:])
    readers.SHORT = 0.1
    return cli.main(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
