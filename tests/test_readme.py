"""What the README shows is what the program prints."""

from __future__ import annotations

import re

import pytest

from tests.readme import README, examples, run

EXAMPLES = examples(README.read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=[example[1].split("\n")[0][:40] for example in EXAMPLES])
def test_the_readme_shows_what_is_printed(example: re.Match[str]) -> None:
    assert run(example) == example[2], "to bring it up to date: python -m tests.readme"


def test_the_readme_has_examples() -> None:
    assert len(EXAMPLES) >= 3
