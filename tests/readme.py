"""The README's examples are real: ``python -m tests.readme`` runs each command in it and puts in what it printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
# what needs a real kernel and root was run in one, and stands as it was printed there
_COMMAND = re.compile(r"^```\n\$ (?!sudo )([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PYTHON = re.compile(r"^```python\n(.*?)^```\n\nprints\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def output(command: list[str]) -> str:
    """What a command prints, run as a reader of the README would, 100 columns wide."""
    folder = os.path.dirname(sys.executable)
    environ = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "COLUMNS": "100", "DAMONTUI_READ_ONLY": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=300, check=True)
    return done.stdout


def run(example: re.Match[str]) -> str:
    """What an example's command prints now."""
    return output([sys.executable, "-c", example[1]] if example.re is _PYTHON else ["bash", "-c", example[1]])


def examples(text: str) -> list[re.Match[str]]:
    """Each example: group 1 is what is run, group 2 what the README says it prints."""
    return [*_COMMAND.finditer(text), *_PYTHON.finditer(text)]


def main() -> None:
    """Bring the README up to date."""
    text = README.read_text()
    for example in sorted(examples(text), key=lambda match: match.start(2), reverse=True):
        text = text[: example.start(2)] + run(example) + text[example.end(2) :]
    README.write_text(text)


if __name__ == "__main__":
    main()
