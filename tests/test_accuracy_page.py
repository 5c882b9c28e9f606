"""The page on accuracy is made of the bench's rows, and what is said of it elsewhere is what it says."""

from __future__ import annotations

import re

import pytest

from tests import accuracy_page
from tests.accuracy_page import PAGE, filled, parts, sentence
from tests.bench import accuracy
from tests.readme import README


def _rows() -> accuracy_page.Rows:
    numbers = {"true": 0.5, "kernel": 0.2, "damo": 0.4, "ours": 0.01, "held": 0.96, "width": 0.1, "bar": 0.4}
    loads = [
        {"load": "steady", "regions": least, "seeds": group, "idle s": seconds} | numbers
        for least in (10, 100)
        for group, seconds in ((accuracy.TUNED, 5), (accuracy.OTHERS, 5), (accuracy.LONG, 300))
    ]
    place = {"by place": "steady", "at least": 10, "with": accuracy.OTHERS, "hot, kernel": "1.00 0.50 0.67"}
    place |= dict.fromkeys(("hot, ours", "idle, kernel", "idle, damo", "idle, ours"), "- - -")
    said = {"kernel": "0.2", "damo": "0.4", "ours": "0.02", "aim": "<= 0.015", "met": "NO", "missed because": ""}
    what = (f"{group}, at least 10 regions: error, mean" for group in (accuracy.OTHERS, accuracy.MASIM))
    found = {"what": "found after", "ours": "1.0", "aim": "<= 1", "met": "yes"}
    return [*loads, place, {"what": "tuned on"}, *({"what": one} | said for one in what), found]


def test_the_page_is_made_of_the_rows() -> None:
    made = parts(_rows())
    assert made["loads"].splitlines()[1:] == [
        f"    steady  {s}  0.500   0.200  0.400  0.010  0.960       0.200     0.400     0.010     0.960"
        for s in ("     5", "   300")
    ]
    for name in ("aims", "masim"):
        (row,) = [" ".join(line.split()) for line in made[name].splitlines()[1:]]
        assert row == "error, mean 10 0.2 0.4 0.02 ! <= 0.015"
    assert "    found after" in made["costs"]
    assert made["missed"].count("Why:") == 2
    assert "1.00 0.50 0.67" in made["places"]
    assert "guests" not in made, "what the page has of them stays"
    text = filled("a\n<!-- aims -->\nold\n<!-- end of aims -->\nb\n", {"aims": "new\n"})
    assert text == "a\n<!-- aims -->\nnew\n<!-- end of aims -->\nb\n"
    with pytest.raises(ValueError, match="substring"):
        filled("no marks", {"aims": "new\n"})
    assert "0.2 by the kernel's rule, 0.4 by damo, 0.02 by the estimate" in sentence(_rows())


def test_the_page_has_every_load_and_every_mark_and_the_readme_its_numbers() -> None:
    text, readme = PAGE.read_text(), README.read_text()
    assert all(f"    {name} " in text for name in accuracy.loads())
    assert filled(text, dict.fromkeys((*parts(_rows()), "guests"), "")).count("<!--") == 14
    (line,) = re.findall(r"^Mean error .*$", readme, re.MULTILINE)
    scenes, files = re.findall(r"^    error, mean +10 (.*?)<=", text, re.MULTILINE)
    kernel, damo, _, ours = re.findall(r"\d+\.\d+", scenes)
    assert re.findall(r"\d+\.\d+", line) == [kernel, damo, ours, *re.findall(r"\d+\.\d+", files)]
