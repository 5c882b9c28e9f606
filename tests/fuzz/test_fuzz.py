"""The fuzzer itself: equal seeds make equal inputs, a few runs go well, and it sees faults and bad outputs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz import change, worker
from tests.fuzz.areas import AREAS, Case


def test_a_few_runs_of_each_area_go_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    for area in AREAS:
        tallies, wrong = fuzz.fuzz("steady", 0, 3, 1, area, 120.0)
        assert wrong == []
        assert tallies[area].tried == 3
        assert tallies[area].hangs == 0


def test_equal_seeds_make_equal_inputs(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        rng = random.Random("a:1")
        case = AREAS["record"][0](rng, tmp_path)
        made.append((case.words, (tmp_path / "a.damontui").read_bytes()))
    assert made[0] == made[1]


def test_a_tree_is_changed_in_one_place() -> None:
    document = {"a": [1, 2, {"b": "c"}], "d": None}
    same = sum(change.tree(random.Random(seed), document) == document for seed in range(200))
    assert same < 40
    assert document == {"a": [1, 2, {"b": "c"}], "d": None}


@pytest.mark.parametrize(
    ("action", "part"),
    [
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: "a\x1b[2J", "a character that may not be shown"),
        (lambda: "fine\n", ""),
    ],
)
def test_what_is_wrong_is_seen(action: object, part: str) -> None:
    _, wrong = worker.run(Case(action=action))  # type: ignore[arg-type]
    assert part in wrong
    assert bool(part) == bool(wrong)


def test_no_json_is_seen() -> None:
    assert "NaN" in worker._unsound_json('{"a": NaN}')
    assert worker._unsound_json('{"a": 1}') == ""
