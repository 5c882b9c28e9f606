"""How near to the truth, in the manual and the README: ``python -m tests.accuracy_page`` measures and puts it in.

It takes some ten minutes of one CPU; ``--rows FILE`` takes what `python -m tests.bench accuracy --json FILE` measured,
``--guests FILE`` adds guests (`tests.bench.accuracy.guests`); what is there of them stays otherwise.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from pathlib import Path
from typing import Any

from tests.bench import accuracy
from tests.bench.__main__ import table
from tests.readme import README

PAGE = Path(__file__).parents[1] / "damontui" / "manual" / "accuracy.md"
_SENTENCE = re.compile(r"^Mean error .*$", re.MULTILINE)
_GROUPS = (accuracy.TUNED, accuracy.OTHERS, accuracy.MASIM, accuracy.LONG)
_UNTUNED = _GROUPS[1:]
_BY_PLACE = ("by place", "at least", "hot, kernel", "hot, ours", "idle, kernel", "idle, damo", "idle, ours")
Rows = list[dict[str, Any]]


def filled(text: str, parts: dict[str, str]) -> str:
    """The text with each part between its two marks; a `ValueError` where it has no such marks."""
    for name, part in parts.items():
        begin = text.index(f"<!-- {name} -->\n") + len(f"<!-- {name} -->\n")
        text = text[:begin] + part + text[text.index(f"<!-- end of {name} -->\n", begin) :]
    return text


def parts(rows: Rows) -> dict[str, str]:
    """The manual's tables, by the names of their marks, from the rows of the bench."""
    aims = [row for row in rows if "aim" in row]
    others = [{key: row.get(key, "") for key in ("what", "ours", "aim", "met")} for row in aims if not _of(row)]
    made = {
        "aims": _block(_by_group(aims, (accuracy.TUNED, accuracy.OTHERS, accuracy.LONG))),
        "masim": _block(_by_group(aims, (accuracy.MASIM,))),
        "costs": _block(others),
        "missed": _missed([row for row in aims if row["met"] == "NO"]),
        "loads": _block(_by_load(rows)),
        "places": _block([{key: row[key] for key in _BY_PLACE} for row in rows if row.get("with") in _UNTUNED[:2]]),
    }
    found = [row for row in rows if "guest" in row]
    return made | ({"guests": _block(found)} if found else {})


def _of(row: dict[str, Any]) -> re.Match[str] | None:
    """Group, regions and number of a row of the summary; None where it is of no group."""
    return re.fullmatch(rf"({'|'.join(_GROUPS)}), at least (\d+) regions: (.*?)(?: \(.*\))?", row["what"])


def _by_group(aims: Rows, groups: tuple[str, ...]) -> Rows:
    """A row for each number and least number of regions, runs of these groups side by side; ! is a missed aim."""
    made: dict[tuple[str, str], dict[str, Any]] = {}
    for row in aims:
        if (found := _of(row)) and found[1] in groups:
            group, least, what = found.groups()
            empty = {"what": what, "regions": least} | dict.fromkeys(("kernel", "damo", *groups, "aim"), "")
            mine = made.setdefault((least, what), empty)
            if group in _UNTUNED[:2]:
                mine |= {one: row.get(one, "") for one in ("kernel", "damo", "aim")}
            mine[group] = row.get("ours", "") + (" !" if row["met"] == "NO" else "  ")
    return list(made.values())


def _block(rows: Rows) -> str:
    """A table as it is read in a terminal, its first column to the left."""
    first, *others = rows[0]
    width = max(len(str(one)) for one in (first, *(row[first] for row in rows)))
    padded = [{first.ljust(width): str(row[first]).ljust(width)} | {key: row[key] for key in others} for row in rows]
    return "".join(f"    {line}".rstrip() + "\n" for line in table(padded).splitlines())


def _missed(rows: Rows) -> str:
    """What is missed, those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        why = accuracy.reason(row["what"]) or "no reason is known"
        by_reason.setdefault(why, []).append(f"{row['what'].replace('at least ', '')} {row['ours']} (aim {row['aim']})")
    texts = (f"{'; '.join(whats)}. Why: {why}." for why, whats in by_reason.items())
    return "".join(textwrap.fill(one, 118, initial_indent="* ", subsequent_indent="  ") + "\n" for one in texts)


def _by_load(rows: Rows) -> Rows:
    """A row for each load and threshold of runs that were not tuned on, few regions and many side by side."""
    made: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        if row.get("seeds") in _UNTUNED:
            whose = made.setdefault((row["load"], row["idle s"]), {"load": row["load"], "idle s": row["idle s"]})
            suffix = "" if row["regions"] == 10 else f" {row['regions']}"
            whose |= {f"{name}{suffix}": f"{row[name]:.3f}" for name in ("true", *accuracy.READERS, "held")}
            whose.pop(f"true {row['regions']}", None)
    order = list(dict.fromkeys(load for load, _ in made))
    return [made[one] for one in sorted(made, key=lambda key: (order.index(key[0]), key[1]))]


def sentence(rows: Rows) -> str:
    """The README's line."""
    said = {row["what"]: row for row in rows if "aim" in row}
    scenes, files = (said[f"{one}, at least 10 regions: error, mean"] for one in _UNTUNED[:2])
    theirs, ours = (", ".join(f"{row[key]} {word}" for key, word in _WORDS) for row in (scenes, files))
    return f"Mean error on seeds that were not tuned on, in shares of all memory: {theirs}; of masim's files {ours}."


_WORDS = (("kernel", "by the kernel's rule"), ("damo", "by damo"), ("ours", "by the estimate"))


def main() -> None:
    """Measure what is not given, write the manual and the README, print the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy_page", description=__doc__)
    parser.add_argument("--rows", metavar="FILE", type=Path, help="what the bench wrote with --json")
    parser.add_argument("--guests", metavar="FILE", type=Path, help="what the guests' checks printed")
    options = parser.parse_args()
    rows: Rows = json.loads(options.rows.read_text())["benches"]["accuracy"] if options.rows else accuracy.run(False)
    if options.guests:
        rows += accuracy.guests(options.guests)
    PAGE.write_text(filled(PAGE.read_text(), parts(rows)))
    README.write_text(_SENTENCE.sub(sentence(rows), README.read_text()))
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
