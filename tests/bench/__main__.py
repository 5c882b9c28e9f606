"""Measurements, each in a module of this package with ``run(smoke) -> rows``: ``python -m tests.bench --help``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

BENCHES = ("engine", "screen", "trace", "update", "records", "process", "accuracy", "owners", "export", "fleet")
# below made-up trees writing is allowed, never on the machine itself
os.environ.update(DAMONTUI_MADE_UP_KERNEL="1", DAMONTUI_READ_ONLY="1")


def measure(name: str, smoke: bool) -> list[dict[str, Any]]:
    """The rows of one bench; a package that it needs and does not find makes a row with the reason."""
    try:
        bench = importlib.import_module(f"tests.bench.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("damontui", "tests"):
            raise
        return [{"skipped": f"cannot be imported: {error}"}]
    rows: list[dict[str, Any]] = bench.run(smoke)
    return rows


def tables(rows: list[dict[str, Any]]) -> str:
    """Rows as a table; a row that has no column in common with the one before begins another."""
    parts: list[list[dict[str, Any]]] = []
    for row in rows:
        if not parts or not row.keys() & parts[-1][-1].keys():
            parts.append([])
        parts[-1].append(row)
    return "\n\n".join(map(table, parts))


def table(rows: list[dict[str, Any]]) -> str:
    """Rows with one column for each key that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([str(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--smoke", action="store_true", help="a short run that only shows that all of it works")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows there too")
    parser.add_argument(
        "--guests", metavar="FILE", type=Path, help="accuracy: add guests, from what their checks printed"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"{unknown[0]!r} is no bench; there are {', '.join(BENCHES)}")
    results = {}
    for name in options.names or BENCHES:
        results[name] = measure(name, options.smoke)
        if name == "accuracy" and options.guests is not None:
            results[name] += importlib.import_module("tests.bench.accuracy").guests(options.guests)
        print(f"\n{name}\n{tables(results[name])}", flush=True)
    if options.json is not None:
        machine = {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()}
        options.json.write_text(json.dumps({"machine": machine, "smoke": options.smoke, "benches": results}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
