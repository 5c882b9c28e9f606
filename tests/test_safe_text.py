"""What may be shown: held against Unicode's own tables, and nothing else is lost."""

from __future__ import annotations

import io
import json
import os
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damontui.safe_text import Guarded, StreamError, coloured, control, escaped, guarded, is_shown, shown, write_bytes

HOSTILE = "a\x1b]0;pwned\x07b\x9b31mc\u202ed\u200be\u2066f\ufeffg\x00h\ud800i\u061cj\r\n\tk"


def test_all_of_unicode() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        if character in "\t\n":
            assert shown(character) == " "
            assert shown(character, lines=True) == character
        elif hidden:
            assert shown(character) == "?", hex(number)
            assert shown(character, lines=True) == "?", hex(number)
        elif shown(character) != character:  # nothing that has a shape is lost
            name = unicodedata.name(character, "UNASSIGNED")
            assert any(word in name for word in ("FILLER", "VARIATION", "JOINER", "UNASSIGNED", "INHERENT", "HIERO")), (
                name
            )


@pytest.mark.parametrize("text", ["libc.so.6", "naïve – „größer“ ✓ 日本語 🙂", "a ▁▂▃ ⚠ µs ∞ ⣿"])
def test_text_stays(text: str) -> None:
    assert shown(text) == text
    assert is_shown(text)


def test_a_hostile_line() -> None:
    assert shown(HOSTILE) == "a?]0;pwned?b?31mc?d?e?f?g?h?i?j?  k"
    assert not is_shown(HOSTILE)


@given(st.text())
def test_shown_is_shown(text: str) -> None:
    once = shown(text)
    assert is_shown(once)
    assert shown(once) == once
    assert len(once) == len(text)


def test_colours_of_ours_stay_and_nothing_else() -> None:
    text = "\x1b[38;2;1;2;3mred\x1b[0m\x1b]0;title\x07\x1b[2J\n"
    assert coloured(text) == "\x1b[38;2;1;2;3mred\x1b[0m?]0;title??[2J\n"


def test_the_streams_are_guarded_and_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with guarded():
        print(HOSTILE)
        print(HOSTILE, file=sys.stderr)
        control(sys.stderr, "\x1b[K")
        assert sys.stdout.encoding == before[0].encoding
    assert (sys.stdout, sys.stderr) == before
    out, err = capsys.readouterr()
    assert out == "a?]0;pwned?b?31mc?d?e?f?g?h?i?j\n\tk\n"
    assert err == out + "\x1b[K"


def test_a_stream_that_is_closed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with guarded():
        assert not sys.stdout.isatty()
        print("nobody hears it", file=sys.stderr)
        with pytest.raises(StreamError, match="cannot write standard output: it is closed"):
            print("nobody hears it")
        with pytest.raises(StreamError):
            write_bytes(sys.stdout, b"x")
    assert (sys.stdout, sys.stderr) == (None, None)


def test_a_full_disk_behind_standard_output_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with guarded():
            with pytest.raises(StreamError, match="cannot write standard output: no space left on device"):
                print("x", flush=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_streams_in_between() -> None:
    inner = io.StringIO()
    Guarded(inner).writelines(["a\x1b", "b\n"])  # type: ignore[arg-type]
    control(inner, "\x1b")
    assert inner.getvalue() == "a?b\n\x1b"


@given(st.text())
def test_escaped_json_is_the_same_to_a_reader(text: str) -> None:
    made = escaped(json.dumps({"a": text}, ensure_ascii=False))
    assert json.loads(made) == {"a": text}
    made.encode()
    assert is_shown(made)
