"""masim's configuration files: every field has its meaning, and a broken file is one sentence."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damontui.damon.attrs import PAGE_SIZE, Attrs
from damontui.damon.context import Context
from damontui.errors import UsageError
from damontui.operations import masim
from damontui.operations.masim import ACCESSES, parse, workload

DATA = Path(__file__).parent.parent / "data" / "masim"
MIB = 1 << 20


def test_regions_and_phases_of_a_file() -> None:
    areas, phases = parse((DATA / "two-stages.cfg").read_text())
    assert [(area.name, area.size) for area in areas] == [("table", 64 * MIB), ("notes", MIB), ("spare", 256 * MIB)]
    assert all(one.start + one.size == other.start for one, other in pairwise(areas))
    assert [(phase.name, phase.duration) for phase in phases] == [("fill the table", 4.0), ("look things up", 6.0)]
    fill, look_up = (phase.touches for phase in phases)
    assert set(fill) == {"table", "notes"}
    # 3 of 4 accesses, one a page, to 16,384 pages and once to their end
    assert fill["table"].sweep
    assert (fill["table"].period, fill["table"].every) == (round(16385 / (0.75 * ACCESSES) * 1e6), 1)
    assert fill["notes"].rate == pytest.approx(0.25 * ACCESSES / 256)
    assert look_up["notes"].rate == pytest.approx(0.6 * ACCESSES / 256)
    assert look_up["table"].period == round((64 * MIB // 64 + 1) / (0.3 * ACCESSES) * 1e6)
    assert look_up["spare"].every == 4


def test_what_a_context_finds_in_it() -> None:
    model = workload(DATA / "two-stages.cfg", 3)
    areas = {area.name: area for area in model.areas}
    start = np.array([areas[name].start for name in ("table", "notes", "spare")])
    end = np.array([areas[name].start + areas[name].size for name in ("table", "notes", "spare")])
    target = np.zeros(3, np.int64)
    assert model.count(start, end, target, 20, 5_000).tolist() == [20, 20, 0]
    assert model.truth(0.0, 0.1, 5_000).working_set_bytes == 65 * MIB
    model.advance(4_000_000)
    table, notes, spare = model.count(start, end, target, 1_000, 5_000).tolist()
    # 64-byte strides pass through the table in 35 ms: a seventh of it in a sample; spare: one page in four, in 1.6 ms
    assert notes == 1_000
    assert abs(table / 1_000 - 5_000 / 34_953) < 0.05
    assert abs(spare / 1_000 - 0.25) < 0.06
    context = Context(workload(DATA / "two-stages.cfg", 3), Attrs(), np.random.default_rng(1), origin="simulated")
    assert set(context.aggregate().names) <= set(areas)


def test_lengths_that_are_no_whole_pages_and_a_file_without_a_last_newline() -> None:
    areas, phases = parse((DATA / "tiny.cfg").read_text())
    assert [area.size // PAGE_SIZE for area in areas] == [1, 2]
    assert phases[0].touches["a"].period == 1
    assert workload(DATA / "tiny.cfg", 1).total_bytes == 3 * PAGE_SIZE


def test_two_patterns_of_one_region_come_together() -> None:
    _, phases = parse("a, 1048576\n\np\n10\na, 1, 0, 1\na, 1, 0, 1\na, 0, 8192, 1\na, 0, 4096, 1\n")
    touch = phases[0].touches["a"]
    assert touch.rate == pytest.approx(ACCESSES / 2 / 256)
    assert (touch.every, touch.period > 0) == (1, True)


def test_a_pattern_of_probability_0_never_happens() -> None:
    _, phases = parse("a, 4096\nb, 4096\n\np\n10\na, 1, 0, 0\nb, 1, 0, 7\n")
    assert set(phases[0].touches) == {"b"}


PHASE = "\n\np\n10\na, 1, 0, 1\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no memory regions"),
        ("# nothing\n\n#at all\n", "no memory regions"),
        ("a, 4096\n", "no phases"),
        ("a\n" + PHASE, "line 1: 'a' is no memory region"),
        ("a, 1, none, x" + PHASE, "line 1"),
        (", 4096" + PHASE, "line 1: '' is no name"),
        ("a\x1b[2J, 4096" + PHASE, r"line 1: 'a\x1b[2J' is no name"),
        ("x" * 300 + ", 4096" + PHASE, "line 1: 'xxx"),
        ("# c\na, 4096\na, 4096" + PHASE, "line 3: region 'a' is there already"),
        ("a, 0" + PHASE, "line 1: '0' is no length in bytes"),
        ("a, -5" + PHASE, "line 1: '-5'"),
        ("a, 4k" + PHASE, "line 1: '4k'"),
        ("a, 1_000" + PHASE, "line 1: '1_000'"),
        ("a, ٣" + PHASE, "line 1: '٣'"),
        ("a, " + "9" * 5000 + PHASE, "line 1: '999"),
        ("a, 99999999999999999" + PHASE, "line 1"),
        ("a, 4096\n\np\n10\n", "line 3: phase 'p' is too short"),
        ("a, 4096\n\np\nten\na, 1, 0, 1\n", "line 4: 'ten' is no length of a phase"),
        ("a, 4096\n\np\n0\na, 1, 0, 1\n", "line 4: '0'"),
        ("a, 4096\n\np\n10\na, 1, 0\n", "line 5: 'a, 1, 0' is no access pattern"),
        ("a, 4096\n\np\n10\nb, 1, 0, 1\n", "line 5: no region is called 'b'"),
        ("a, 4096\n\np\n10\na, 2, 0, 1\n", "line 5: '2' is no randomness"),
        ("a, 4096\n\np\n10\na, 0, -64, 1\n", "line 5: '-64' is no stride"),
        ("a, 4096\n\np\n10\na, 0, 64, x\n", "line 5: 'x' is no probability"),
        ("a, 4096\n\np\n10\na, 0, 64, 1, xx\n", "line 5: 'xx' is no access mode"),
        ("a, 4096\n\np\n10\na, 0, 64, 0\n", "line 5: all probabilities of phase 'p' are 0"),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_the_line(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "x.cfg")
    sentence = str(caught.value)
    assert sentence.startswith("x.cfg")
    assert words in sentence
    assert "\n" not in sentence
    assert len(sentence) < 200


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regions = "".join(f"r{i}, 4096\n" for i in range(1_000))
    with pytest.raises(UsageError, match="too many regions and phases"):
        parse(regions + "\np\n1\nr0, 1, 0, 1\n" * 501, "x.cfg")
    monkeypatch.setattr(masim, "_MOST_BYTES", 1 << 20)
    big = tmp_path / "big.cfg"
    big.write_bytes(b"a" * ((1 << 20) + 1))
    with pytest.raises(UsageError, match="holds more than 1,024 KiB"):
        workload(big)


def test_a_region_too_long_for_its_sweep_is_refused_with_the_file_s_name(tmp_path: Path) -> None:
    path = tmp_path / "long.cfg"
    path.write_text(f"a, {1 << 46}\n\np\n10\na, 0, 1, 1\n")
    with pytest.raises(UsageError, match=r"long\.cfg: .*'a' is too large"):
        workload(path)


def test_files_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.cfg: no such file"):
        workload(tmp_path / "none.cfg")
    with pytest.raises(UsageError, match="it is a folder, not a file"):
        workload(tmp_path)
    os.mkfifo(tmp_path / "pipe.cfg")
    with pytest.raises(UsageError, match="it is a pipe, not a file"):
        workload(tmp_path / "pipe.cfg")
    with pytest.raises(UsageError, match="null byte"):
        workload(Path("a\0b"))


_WORDS = st.sampled_from(
    ["a", "b", "0", "1", "64", "4096", "1e9", "-1", "ro", "rw", "#", "", " ", "\t", "\r", "\x00", "é"]
)
_LINES = st.lists(st.lists(_WORDS, max_size=6).map(", ".join), max_size=14).map("\n".join)
_NEARLY = st.builds(
    lambda length, more, patterns: f"a, {length}\n{more}\n\np\n10\n" + "\n".join(patterns),
    st.integers(-1, 1 << 47),
    st.sampled_from(["b, 8192", "", "# c", "c, 1, none"]),
    st.lists(
        st.builds(
            lambda *fields: ", ".join(map(str, fields)),
            st.sampled_from("abc"),
            st.integers(0, 1),
            st.integers(0, 1 << 20),
            st.integers(0, 100),
        ),
        max_size=4,
    ),
)


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=200), _LINES, _NEARLY))
def test_any_text_is_a_workload_or_one_sentence(text: str) -> None:
    try:
        areas, phases = parse(text, "x.cfg")
        model = masim.Workload(areas, phases, rng=np.random.default_rng(1))
    except UsageError as error:
        sentence = str(error)
    else:
        sentence = ""
    assert "\n" not in sentence
    assert len(sentence) < 250
    if sentence:
        return
    low, high = model.targets()[0].ranges[0]
    found = model.count(np.array([low]), np.array([high]), np.zeros(1, np.int64), 20, 5_000)
    assert 0 <= found[0] <= 20
    assert 0 <= model.truth(0.0, 0.1, 5_000).working_set_bytes <= model.total_bytes
