"""The manual, the man page and the completions: what they say is what the program takes."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from damontui import cli, config
from damontui.commands import manual, page
from damontui.commands.completion import SHELLS
from damontui.commands.declared import WORDS, whole_parser
from damontui.commands.table import COMMANDS, parser_of, split
from damontui.sources.choose import TARGET_KINDS
from damontui.tui.keys import TABLE
from tests.readme import examples, run

TOPICS = manual.topics()
EXAMPLES = [example for text in TOPICS.values() for example in examples(text)]
_BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The words of each damontui in the examples of a topic, without what follows two blanks: that explains it."""
    found = []
    for block in _BLOCK.findall(text):
        for line in block.splitlines():
            part = line.removeprefix("$ ").split("   ")[0]
            for command in part.split(" | "):
                words = shlex.split(command)
                if "damontui" in words:
                    found.append(words[words.index("damontui") + 1 :])
    return found


COMMAND_LINES = [words for text in TOPICS.values() for words in commands(text)]


def test_the_topics_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {"targets", "screen", "keys", "numbers", "records", "reports", "process", "scripts", "settings"}
    assert wanted <= set(TOPICS)
    assert cli.main(["help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out and manual.title(text) in out for name, text in TOPICS.items())
    assert all(text.startswith("# ") and max(map(len, text.splitlines())) < 200 for text in TOPICS.values())


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", name]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"# {manual.title(TOPICS[name])}")
    assert "<!--" not in out


def test_tables_are_the_programs_own() -> None:
    assert all(kind.what in manual.filled(TOPICS["targets"]) for kind in TARGET_KINDS)
    assert all(one.help in manual.filled(TOPICS["settings"]) for one in config.SETTINGS if one.file)
    keys = manual.filled(TOPICS["keys"])
    assert re.search(r"^ +/ ", keys, re.MULTILINE)
    assert "another target" in keys
    assert all(re.search(rf"^ +{key.id} +\S", keys, re.MULTILINE) for key in TABLE)


def test_help_on_a_command_and_on_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", "record"]) == 0
    assert capsys.readouterr().out.startswith("usage: damontui record")
    assert cli.main(["help", "nonsense"]) == 2
    assert re.search(r"'nonsense'; topics: .*keys, numbers", capsys.readouterr().err)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example[1][:40] for example in EXAMPLES])
def test_an_example_prints_what_the_manual_says(example: re.Match[str]) -> None:
    assert run(example) == example[2]


@pytest.mark.parametrize("words", COMMAND_LINES, ids=[" ".join(words) or "damontui" for words in COMMAND_LINES])
def test_a_command_in_the_manual_is_understood(words: list[str]) -> None:
    """Its options are there and its values are taken; whether its target exists is not asked."""
    name, rest = split(words)
    parser_of(name).parse_args(rest)
    assert not name or name in COMMANDS


def test_the_manual_names_commands_that_exist() -> None:
    assert {"record", "report", "snapshot", "run", "convert", "doctor", "completion"} <= {
        split(words)[0] for words in COMMAND_LINES
    }
    for text in TOPICS.values():
        for topic in re.findall(r"damontui help ([a-z]+)", text):
            assert topic in TOPICS or topic in COMMANDS


def test_the_man_page_has_every_option_command_and_variable() -> None:
    text = page.page().replace("\\-", "-").replace("\\&", "")
    for name in ("", *COMMANDS):
        for option in parser_of(name).options():
            assert option in text or option in ("-h", "--help")
    assert all(f".SS {name} " in text for name in COMMANDS)
    assert all(one.variable in text for one in config.SETTINGS if one.file)


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc here; CI has it")
def test_mandoc_takes_the_man_page(tmp_path: Path) -> None:
    path = tmp_path / "damontui.1"
    path.write_text(page.page())
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "style", path], capture_output=True, text=True, timeout=60)
    assert done.stdout + done.stderr == ""


def completion(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_have_every_command_and_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = completion(shell, capsys)
    known = {option for parser in (whole_parser(), *map(parser_of, COMMANDS)) for option in _options(parser)}
    assert len(known) > 40
    assert all(name in text for name in COMMANDS)
    assert all(option.lstrip("-") in text for option in known)


def test_the_words_that_are_completed_are_targets() -> None:
    assert {"auto", "demo"} <= set(WORDS)
    for word in WORDS:
        kind = next(kind for kind in TARGET_KINDS if kind.matches(word))
        assert kind.form.partition("[")[0] == word, f"{word!r} is completed, and means {kind.form}: see TARGET_KINDS"


def _options(parser: object) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings]  # type: ignore[attr-defined]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_takes_its_completions(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here; CI has it")
    path = tmp_path / shell
    path.write_text(completion(shell, capsys))
    done = subprocess.run([shell, "-n", path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("damontui sna", {"snapshot"}),
        ("damontui report --sty", {"--style"}),
        ("damontui snapshot st", {"stat"}),
        ("damontui report --style w", {"wss"}),
        ("damontui completion f", {"fish"}),
        ("damontui snapshot --via p", {"proc"}),
    ],
)
def test_bash_completes(line: str, found: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "made").write_text(completion("bash", capsys))
    words = line.split(" ")
    script = f"""
source {tmp_path}/made
COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; COMP_LINE={shlex.quote(line)}
COMP_POINT={len(line)}
name=$(complete -p damontui | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$name" damontui "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, cwd=tmp_path, env=os.environ
    )
    assert {word.strip() for word in done.stdout.split()} == found, done.stderr


@pytest.mark.parametrize("shell", ["tcsh", ""])
def test_another_shell_is_wrong_usage(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 2
    assert "none of: bash, zsh, fish" in capsys.readouterr().err
