"""The developers' pages name files that exist, and every room; the version stands in one place; hooks are CI's."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import pytest

import damontui

ROOT = Path(__file__).parents[1]
PAGES = {"damontui/README.md": ROOT / "damontui", "tests/README.md": ROOT / "tests"}
_NAME = re.compile(r"(?<![\w/.-])((?:\.\./)?(?:[\w.-]+/)*[\w-]+\.(?:py|md|toml)|(?:[\w-]+/)+)(?![\w/])")


def named(text: str) -> set[str]:
    """What looks like a file or folder in a page: in backquotes, or in a drawing."""
    quoted = " ".join(re.findall(r"`([^`\n]+)`", text))
    drawn = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    return {match[1] for match in _NAME.finditer(f"{quoted}\n{drawn}")}


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_exists(page: str) -> None:
    names = named((ROOT / page).read_text())
    assert len(names) > 10
    missing = [name for name in names if not ((PAGES[page] / name).exists() or (ROOT / name).exists())]
    assert missing == []


def test_nothing_else_stands_at_the_top() -> None:
    kept = {"pyproject.toml", "README.md", "damontui", "tests", "screenshots", "CHANGES.md", "LICENSE"}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no checkout of git")
    assert {name.split("/")[0] for name in listed.stdout.split("\0") if name and not name.startswith(".")} == kept


def test_every_room_is_on_the_page() -> None:
    text = (ROOT / "damontui/README.md").read_text()
    rooms = {path.name for path in (ROOT / "damontui").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert all(f"`{room}/`" in text for room in rooms)
    modules = {path.name for path in (ROOT / "damontui").glob("*.py")} - {"__init__.py", "__main__.py"}
    assert all(f"`{module}`" in text for module in modules)


def test_each_room_has_one_row_and_the_rows_are_in_the_order_of_the_contract() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "damontui/README.md").read_text(), re.MULTILINE)
    table = [[name.removesuffix("/").removesuffix(".py") for name in re.findall(r"`([^`]+)`", row)] for row in rows]
    names = [name for row in table for name in row]
    assert sorted(names) == sorted(set(names))
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    level = {one.strip().removeprefix("damontui."): at for at, each in enumerate(layers) for one in each.split("|")}
    assert set(names) == set(level)
    for upper, lower in pairwise(table):
        assert max(level[name] for name in upper) <= min(level[name] for name in lower)


def test_a_name_that_does_not_exist_is_found() -> None:
    assert named("see `sources/none.py` and `tui/` and\n    a ──▶ output/json.py, b") == {
        "sources/none.py",
        "tui/",
        "output/json.py",
    }


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "damontui.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", damontui.__version__)
    assert metadata.version("damontui") == damontui.__version__
    assert all(len(label) <= 32 for label in project["project"]["urls"])


def test_the_hooks_before_a_commit_are_what_ci_runs() -> None:
    hooks = set(re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text()))
    ci = (ROOT / ".ci/run").read_text()
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports"):
        assert any(hook.startswith(tool) for hook in hooks)
        assert f".venv/bin/{tool}" in ci
