"""Configuration files of masim, the memory access simulator that DAMON's developers test with, as synthetic memory.

The format is the one of masim's README: paragraphs with an empty line between them, lines that begin with ``#`` are
comments. The first paragraph lists memory regions (name, length in bytes and, optionally, a file with their initial
data), each further one a phase: its name, its milliseconds, and its access patterns (region, 1 for random or 0 for
sequential, stride in bytes, relative probability and, optionally, ``ro``, ``wo`` or ``rw``).

masim goes as fast as the machine lets it; here it is `ACCESSES` a second, shared among a phase's patterns as their
probabilities say. Where masim ends after the last phase, the first one follows again. Regions lie one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from damontui.damon.attrs import PAGE_SIZE
from damontui.errors import SourceError, UsageError
from damontui.files import read_small
from damontui.operations.areas import Area, Phase, Touch
from damontui.operations.workload import Workload

ACCESSES = 100_000_000
"""Accesses a second of the whole program: about what masim reports of one processor."""

_BASE = 1 << 32
_MOST_BYTES = 4 << 20  # of the file
_MOST_CELLS = 500_000  # regions times phases
_LONGEST = 1 << 46  # a region's bytes

_Line = tuple[int, str]


def workload(path: Path, rng: np.random.Generator | int | None = None) -> Workload:
    """The synthetic memory that the file describes; ``rng`` is a generator or a seed.

    Raises:
        UsageError: a file that cannot be read or does not follow the format; one sentence that names the line.
    """
    areas, phases = parse(_read(path), str(path))
    generator = rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
    try:
        return Workload(areas, phases, rng=generator, name=path.stem)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def parse(text: str, name: str = "configuration") -> tuple[list[Area], list[Phase]]:
    """Areas and phases of a configuration's text; ``name`` says in errors where it is from. Raises `UsageError`."""
    paragraphs = list(_paragraphs(text))
    if not paragraphs:
        raise UsageError(f"{name}: no memory regions; the first lines must be NAME, LENGTH")
    if len(paragraphs) == 1:
        raise UsageError(f"{name}: no phases; after an empty line must come a name, milliseconds and access patterns")
    if len(paragraphs[0]) * (len(paragraphs) - 1) > _MOST_CELLS:
        raise UsageError(f"{name}: too many regions and phases; their product may be {_MOST_CELLS:,} at most")
    lengths: dict[str, int] = {}
    areas: list[Area] = []
    start = _BASE
    for number, line in paragraphs[0]:
        where = f"{name}, line {number}"
        region, length = _region(line, where)
        if region in lengths:
            raise UsageError(f"{where}: region {_shown(region)} is there already")
        lengths[region] = length
        size = -(-length // PAGE_SIZE) * PAGE_SIZE
        areas.append(Area(region, start, size))
        start += size
    return areas, [_phase(paragraph, lengths, name) for paragraph in paragraphs[1:]]


def _read(path: Path) -> str:
    try:
        return read_small(path, _MOST_BYTES).decode("utf-8", errors="replace")
    except SourceError as error:
        raise UsageError(str(error)) from None


def _paragraphs(text: str) -> Iterator[list[_Line]]:
    """Lines with their numbers, from 1, without comments; empty lines separate."""
    paragraph: list[_Line] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            continue
        if line.strip():
            paragraph.append((number, line.strip()))
        elif paragraph:
            yield paragraph
            paragraph = []
    if paragraph:
        yield paragraph


def _region(line: str, where: str) -> tuple[str, int]:
    fields = _fields(line)
    if len(fields) not in (2, 3):
        raise UsageError(f"{where}: {_shown(line)} is no memory region; write NAME, LENGTH and, if wanted, a data file")
    name = fields[0]
    if not name or len(name) > 255 or not name.isprintable():
        raise UsageError(f"{where}: {_shown(name)} is no name for a region; 1 to 255 printable characters are")
    return name, _number(fields[1], 1, _LONGEST, "length in bytes", where)


def _phase(paragraph: list[_Line], lengths: dict[str, int], name: str) -> Phase:
    number, title = paragraph[0]
    if len(paragraph) < 3:
        raise UsageError(
            f"{name}, line {number}: phase {_shown(title)} is too short; "
            "it needs a name, milliseconds and an access pattern, a line each"
        )
    milliseconds = _number(
        paragraph[1][1], 1, 10**12, "length of a phase in milliseconds", f"{name}, line {paragraph[1][0]}"
    )
    patterns: list[tuple[str, bool, int, int]] = []
    for number, line in paragraph[2:]:
        where = f"{name}, line {number}"
        fields = _fields(line)
        if len(fields) not in (4, 5):
            raise UsageError(
                f"{where}: {_shown(line)} is no access pattern; "
                "write REGION, RANDOM (1 or 0), STRIDE, PROBABILITY and, if wanted, ro, wo or rw"
            )
        if fields[0] not in lengths:
            raise UsageError(f"{where}: no region is called {_shown(fields[0])}")
        if len(fields) == 5 and fields[4] not in ("ro", "wo", "rw"):
            raise UsageError(f"{where}: {_shown(fields[4])} is no access mode; it is ro, wo or rw")
        random = _number(fields[1], 0, 1, "randomness", where)
        stride = _number(fields[2], 0, _LONGEST, "stride in bytes", where)
        patterns.append((fields[0], bool(random), stride, _number(fields[3], 0, 10**9, "probability", where)))
    total = sum(probability for *_, probability in patterns)
    if not total:
        raise UsageError(
            f"{name}, line {paragraph[2][0]}: all probabilities of phase {_shown(title)} are 0; one must be more"
        )
    touches: dict[str, Touch] = {}
    for region, random, stride, probability in patterns:
        if probability:
            accesses = ACCESSES * probability / total
            touch = _random(lengths[region], accesses) if random else _sequential(lengths[region], stride, accesses)
            touches[region] = _both(touches[region], touch) if region in touches else touch
    return Phase(milliseconds / 1000, touches, title)


def _random(length: int, accesses: float) -> Touch:
    return Touch(rate=accesses * min(1.0, PAGE_SIZE / length))


def _sequential(length: int, stride: int, accesses: float) -> Touch:
    """From one end to the other and again, ``stride`` bytes at a time; a stride of 0 stays on the first page."""
    steps = length // stride + 1 if stride else 1
    period = max(1, round(steps / accesses * 1e6))
    pages = -(-length // PAGE_SIZE)
    return Touch(period=period, sweep=True, every=max(1, min(pages, round(stride / PAGE_SIZE) if stride else pages)))


def _both(one: Touch, other: Touch) -> Touch:
    """Two patterns of one region in one phase: random touches add up, of two sweeps the denser and faster stays."""
    sweeps = [touch for touch in (one, other) if touch.period]
    chosen = min(sweeps, key=lambda touch: (touch.every, touch.period), default=one)
    return replace(chosen, rate=one.rate + other.rate)


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.split(",")]


def _number(text: str, low: int, high: int, what: str, where: str) -> int:
    # int() takes underscores, other scripts' digits and thousands of digits
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise UsageError(f"{where}: {_shown(text)} is no {what}; it is a whole number within {low} … {high}")
    return int(text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "…")
