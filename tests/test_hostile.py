"""A hostile text in every string that comes from outside, and no control character in any way out."""

from __future__ import annotations

import dataclasses
import json
import os
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from pathlib import Path

import pytest

from damontui import cli
from damontui.damon.attrs import Attrs
from damontui.damon.snapshot import Description, Snapshot, ints
from damontui.history import History
from damontui.monitor import Monitor
from damontui.records.own import RecordWriter
from damontui.safe_text import is_shown, shown
from damontui.session.session import Session
from damontui.sources.active import ActiveSource
from damontui.sources.choose import choose
from damontui.sources.options import Options
from damontui.tui.app import DamontuiApp
from damontui.tui.options import ScreenOptions
from tests.fake_kernel import FakeKernel

HOSTILE = "E\x1b]0;pwned\x07V\x9b31mI\u202el\x1b[2J\u200b\ufeff\u061c\u2060$\\frac{a$[bold]\x7f"
MARKS = ("\x1b", "\x9b", "\x07", "\u202e", "\u200b", "\ufeff", "\u061c", "\u2060", "\x7f")
ATTRS = Attrs()


def clean(text: str) -> None:
    """No character that may not be shown, and the hostile text did come here."""
    assert shown(text, lines=True) == text, ascii(text)
    assert not any(mark in text for mark in MARKS)


def snapshots(count: int = 12) -> Iterator[Snapshot]:
    for number in range(count):
        yield Snapshot(
            time=number + 1.0, began=float(number), wall=1.7e9 + number, attrs=ATTRS, next_attrs=ATTRS,
            start=ints([4096, 8192]), end=ints([8192, 65536]), nr_accesses=ints([3, 0]), age=ints([number, 7]),
            target=ints([0, 0]), names=(HOSTILE, HOSTILE), note=HOSTILE, origin="kernel",
        )  # fmt: skip


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record all of whose strings are hostile, in a file whose name is so, too."""
    about = Description(
        target=HOSTILE, title=HOSTILE, origin="kernel", attrs=ATTRS, host=HOSTILE, kernel=HOSTILE, reason=HOSTILE,
        notice=HOSTILE, locked=HOSTILE, limits=(HOSTILE, HOSTILE), closer=HOSTILE,
    )  # fmt: skip
    path = tmp_path / f"{HOSTILE}.damontui"
    with RecordWriter(path, about) as writer:
        for snapshot in snapshots():
            writer.append(snapshot)
    return path


def test_every_string_of_a_record_is_hostile(record: Path) -> None:
    strings = [f.name for f in dataclasses.fields(Description) if f.type == "str"]
    assert sorted(strings) == ["closer", "host", "kernel", "locked", "notice", "reason", "target", "title"]


@pytest.mark.parametrize(
    "words",
    [
        ["snapshot", "{}", "--speed", "max"],
        ["snapshot", "{}", "--speed", "max", "--json"],
        *(["report", "{}", "--style", style] for style in ("wss", "regions", "heatmap", "idle-histogram")),
        ["report", "{}", "--format", "json", "--style", "regions"],
        ["report", "{}.not"],
        ["convert", "{}", "{}"],
        ["convert", "{}", "{}.unknown"],
        ["record", "{}", "-o", "{}"],
        ["snapshot", "\x1b[31m{}"],
        ["snapshot", "demo", "--config", "{}"],
        ["snapshot", "demo", "--theme", "{}", "--sample", "{}"],
        ["report", "{}", "--style", "{}"],
        ["{}", "{}"],
    ],
)
def test_the_command_line(record: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([word.replace("{}", str(record)) for word in words])
    out, err = capsys.readouterr()
    assert out or err
    clean(out)
    clean(err)
    for line in out.splitlines() if "--json" in words or "json" in words else []:
        assert "\\x1b]0;pwned" in str(json.loads(line))  # a script gets what was there


@pytest.mark.parametrize("suffix", ["json", "trace", "damontui"])
def test_what_is_converted(record: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["convert", str(record), str(tmp_path / f"out.{suffix}")]) == 0
    out, err = capsys.readouterr()
    clean(out)
    clean(err)
    if suffix != "damontui":
        clean((tmp_path / f"out.{suffix}").read_text())


@pytest.mark.parametrize("style", ["wss", "heatmap"])
def test_pictures(record: Path, tmp_path: Path, style: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert cli.main(["report", str(record), "--style", style, "-o", str(tmp_path / "a.svg")]) == 0
    assert capsys.readouterr().err == ""
    text = (tmp_path / "a.svg").read_text()
    clean(text)
    xml.fromstring(text)


def test_the_environment_and_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clipped = HOSTILE.replace("\x00", "")
    for name, value in {
        "DAMONTUI_CONFIG": f"/nowhere/{clipped}",
        "DAMONTUI_SPEED": clipped,
        "DAMONTUI_TARGET": clipped,
        "DAMONTUI_THEME": clipped,
        "TERM": clipped,
        "SUDO_USER": clipped,
    }.items():
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            cli.main(
                ["snapshot", "--speed", "max", "--count", "1", "--timeout", "5"] if "THEME" not in name else ["doctor"]
            )
            cli.main(["doctor"])
            cli.main(["doctor", "--paranoid"])
    for line in (f'target = "{HOSTILE[:1]}\\u001b\\u202e"', '[keys]\n"\\u001b" = "\\u009b"', '"\\u001b[2J" = 1'):
        (tmp_path / "config.toml").write_text(line + "\n")
        cli.main(["snapshot", "--config", str(tmp_path / "config.toml")])
    out, err = capsys.readouterr()
    assert err
    clean(out)
    clean(err)


def test_a_kernel_that_chose_its_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = FakeKernel(tmp_path / HOSTILE)
    hidden = {"release": "proc/sys/kernel/osrelease", "host": "proc/sys/kernel/hostname"}
    for name in (*hidden.values(), "proc/1/comm", f"proc/{os.getpid()}/comm", "sys/kernel/security/lockdown"):
        kernel.put(name, HOSTILE)
    kernel.put("proc/1/environ", f"container={HOSTILE}\0")
    for words in (["doctor"], ["doctor", "--json"], ["snapshot", "stat", "--timeout", "0.2"], ["snapshot", "12"]):
        cli.main([*words, "--rootfs", str(kernel.folder)])
    kernel.put("sys/module/damon_stat/parameters/enabled", HOSTILE)
    cli.main(["snapshot", "stat", "--timeout", "0.2", "--rootfs", str(kernel.folder)])
    out, err = capsys.readouterr()
    assert "pwned" in out
    clean(out)
    clean(err)


async def _screen(record: Path, size: tuple[int, int], folder: Path) -> tuple[str, str, str]:
    with ActiveSource(choose(str(record), Options(speed=float("inf"))), lambda word: choose(word, Options())) as active:
        app = DamontuiApp(
            Session(Monitor(active.source, History()), active=active), options=ScreenOptions(screenshots=str(folder))
        )
        copied: list[str] = []
        shown_lines = ""
        async with app.run_test(size=size) as pilot:
            for key in ("end", "n", "y", "question_mark", "escape", "i", "escape", "ctrl+s", "s"):
                await pilot.press(key)
                await pilot.pause()
                strips = app.screen._compositor.render_strips()
                shown_lines += "\n".join("".join(segment.text for segment in strip) for strip in strips)
            copied.append(app.clipboard)
        pictures = "".join(path.read_text() for path in folder.glob("*.svg"))
        return shown_lines, pictures, copied[0]


@pytest.mark.parametrize("size", [(120, 36), (60, 15)])
def test_the_screen_its_pictures_and_the_clipboard(record: Path, size: tuple[int, int], tmp_path: Path) -> None:
    import asyncio

    folder = tmp_path / "shots"
    lines, pictures, copied = asyncio.run(_screen(record, size, folder))
    assert "E?]0;pwned" in lines
    clean(lines)
    clean(copied)
    assert pictures
    clean(pictures)
    xml.fromstring(pictures)
    assert all(is_shown(line) for line in lines.split("\n"))
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
