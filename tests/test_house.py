"""The pages name files that exist, and every room; names and the version stand in one place; hooks are CI's."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections import defaultdict
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import pytest

import damontui

ROOT = Path(__file__).parents[1]
PAGES = {"damontui/README.md": ROOT / "damontui", "tests/README.md": ROOT / "tests"}
_NAME = re.compile(r"(?<![\w/.-])((?:\.\./)?(?:[\w.-]+/)*[\w-]+\.(?:py|md|toml)|(?:[\w-]+/)+)(?![\w/])")


SHARED_NAMES = {
    "Clicked": "messages of two panes, each nested in its pane, as Textual has it: a line of it was clicked",
    "Context": "DAMON's own term (`damon/context.py`), and what a command is run with (`commands/context.py`)",
    "Opened": "a target was entered or refused: what a session hears, and the picker's message of the same",
}
"""Names that two classes have, and why."""


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


def shared_names(texts: dict[str, str]) -> dict[str, list[str]]:
    """The names that more than one class has, and the files they stand in, given each file's text."""
    found = defaultdict(list)
    for path, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path)
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def test_no_two_classes_have_one_name() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "damontui").rglob("*.py"))}
    assert len(texts) > 100
    shared = shared_names(texts)
    assert {name: paths for name, paths in shared.items() if name not in SHARED_NAMES} == {}
    assert set(shared) == set(SHARED_NAMES), "a name that is no longer shared needs no reason"


def test_a_name_that_two_classes_have_is_found() -> None:
    texts = {"a.py": "class Row: ...", "b.py": "class Pane:\n    class Row: ...", "c.py": "class Rows: ..."}
    assert shared_names(texts) == {"Row": ["a.py", "b.py"]}


def test_no_class_of_the_screen_has_the_name_of_one_of_textual() -> None:
    """`Strip` of ours beside Textual's `Strip` would be read as the other one."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "damontui/tui").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    ours = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    origins = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    foreign = {one.name for node in origins if not (node.module or "").startswith("damontui") for one in node.names}
    assert {"Strip", "Segment"} <= foreign
    assert ours & foreign == set()


def foreign_arguments(text: str) -> list[str]:
    """Names in an ``Args:`` section that are no parameter of the function, or no field of the class: ``line name``."""
    wrong = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            section = re.search(r"^Args:\n((?: .*\n|\n)*)", f"{ast.get_docstring(node) or ''}\n", re.MULTILINE)
            named = re.findall(r"^ {4}([\w, ]+):", section[1] if section else "", re.MULTILINE)
            wanted = [name.strip() for names in named for name in names.split(",")]
            wrong += [f"{node.lineno} {name}" for name in wanted if name not in _parameters(node)]
    return wrong


def _parameters(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The parameters of a function; of a class, those of its ``__init__`` or, where it has none, its fields."""
    if isinstance(node, ast.ClassDef):
        made = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
        if not made:
            fields = (one.target for one in node.body if isinstance(one, ast.AnnAssign))
            return {field.id for field in fields if isinstance(field, ast.Name)}
        return _parameters(made[0])
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {one.arg for one in named if one is not None}


def test_docstrings_name_no_argument_that_there_is_not() -> None:
    paths = sorted((ROOT / "damontui").rglob("*.py"))
    wrong = {str(path.relative_to(ROOT)): foreign_arguments(path.read_text()) for path in paths}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_an_argument_that_there_is_not_is_found() -> None:
    text = '''
class Made:
    """Made.

    Args:
        size, kind: what they are:
            over two lines.
    """

    def __init__(self, size: int) -> None: ...


def run(one: int, *more: int, last: bool = False, **others: int) -> None:
    """Run.

    Args:
        one: the first.
        more, last, others: the rest.
        call: none of these.

    Returns:
        nothing: at all.
    """
'''
    assert foreign_arguments(text) == ["2 kind", "13 call"]


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
