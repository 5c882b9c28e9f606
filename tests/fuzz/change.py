"""How a valid input is changed in one thing: in a tree of JSON, in a text, in bytes."""

from __future__ import annotations

import copy
import json
import math
import random
from typing import Any

HOSTILE = (
    "\x1b]0;pwned\x07",
    "\x9b31m",
    "\u202egnp.exe",
    "a\u200bb\ufeff",
    "[bold]x[/bold][",
    "\ud800",
    "\x00",
    "a\nb\rc",
    "$\\frac{a$",
    "%s%n{0}{x}",
    "x" * 3000,
    "",
    "日本語🙂",
    "../../../etc/passwd",
    "-rf",
    "~",
)
"""Texts that somebody may choose."""

NUMBERS = (
    *(0, -1, 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, 10**400),
    *(0.5, -0.0, 1e-320, 1e18, 1e300, math.nan, math.inf, -math.inf),
)
"""Numbers that nobody expects."""


def value(rng: random.Random) -> Any:
    """Any value of JSON."""
    kind = rng.randrange(7)
    if kind == 0:
        return rng.choice(HOSTILE)
    if kind in (1, 2):
        return rng.choice(NUMBERS)
    if kind == 3:
        return rng.choice((None, True, False))
    if kind == 4:
        return [value(rng) for _ in range(rng.randrange(3))]
    if kind == 5:
        return {rng.choice(("a", "title", "start", *HOSTILE)): value(rng) for _ in range(rng.randrange(3))}
    deep: Any = []
    for _ in range(rng.choice((3, 100, 3000))):
        deep = [deep]
    return deep


def tree(rng: random.Random, document: Any) -> Any:
    """A copy of a document of JSON with one thing changed: a value, a key, an element gone, doubled or moved."""
    made = copy.deepcopy(document)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            places.append((node, key))
            walk(node[key])

    walk(made)
    if not places:
        return value(rng)
    node, key = rng.choice(places)
    old = node[key]
    how = rng.randrange(7)
    if how <= 2:
        node[key] = value(rng)
    elif how == 3 and isinstance(old, int | float) and not isinstance(old, bool):
        node[key] = rng.choice((-old, old + 1, old * 2**40, float(old), str(old), old - 1))
    elif how == 4 and isinstance(node, list):
        node[key : key + 1] = [old] * rng.choice((0, 2, 40))
    elif how == 5 and isinstance(node, dict):
        del node[key]
    elif how == 6 and isinstance(node, dict):
        node[rng.choice(HOSTILE)] = node.pop(key)
    else:
        node[key] = rng.choice((old, [old], {"a": old}, rng.choice(HOSTILE)))
    return made


def text(document: Any, rng: random.Random) -> bytes:
    """JSON as text, sometimes with what Python alone takes for JSON, a lone surrogate or a number of many digits."""
    try:
        made = json.dumps(document, ensure_ascii=rng.random() < 0.8)
    except (ValueError, RecursionError):  # nested beyond what is written
        made = "[" * 5000
    if rng.random() < 0.05:
        made = made.replace(": 1", ": 1e999", 1)
    return made.encode("utf-8", "surrogatepass")


def words(rng: random.Random, given: str) -> str:
    """A text with one word or line changed."""
    lines = given.split("\n")
    at = rng.randrange(len(lines))
    parts = lines[at].split(" ")
    how = rng.randrange(6)
    if how == 0:
        parts[rng.randrange(len(parts))] = rng.choice(HOSTILE)
    elif how == 1:
        parts[rng.randrange(len(parts))] = str(rng.choice(NUMBERS))
    elif how == 2:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(HOSTILE))
    elif how == 3:
        del lines[at]
        return "\n".join(lines)
    elif how == 4:
        lines[at:at] = [lines[at]] * rng.choice((1, 2, 30))
    else:
        digits = [n for n, c in enumerate(lines[at]) if c.isdigit()]
        if digits:
            n = rng.choice(digits)
            lines[at] = lines[at][:n] + rng.choice(("9" * 30, "-", ".", "x", "0")) + lines[at][n + 1 :]
        return "\n".join(lines)
    if at < len(lines):
        lines[at] = " ".join(parts)
    return "\n".join(lines)


def data(rng: random.Random, given: bytes) -> bytes:
    """Bytes with a few changed, cut, doubled or put in."""
    made = bytearray(given)
    how = rng.randrange(5)
    at = rng.randrange(len(made) + 1)
    if how == 0 and made:
        for _ in range(rng.choice((1, 1, 3, 20))):
            made[rng.randrange(len(made))] = rng.randrange(256)
    elif how == 1:
        del made[at:]
    elif how == 2:
        made[at:at] = rng.randbytes(rng.choice((1, 8, 500)))
    elif how == 3:
        del made[at : at + rng.choice((1, 4, 100))]
    else:
        made[at:at] = made[at : at + rng.choice((8, 1000))]
    return bytes(made)
