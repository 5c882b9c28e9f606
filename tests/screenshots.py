"""Pictures of the screen, made from the app itself: ``python -m tests.screenshots [--check]``."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from pathlib import Path

# before Textual is imported, which reads these: a picture is the same wherever it is made
os.environ.update(TZ="UTC", TERM="xterm-256color", COLORTERM="truecolor", TEXTUAL_ANIMATIONS="none")
os.environ.pop("NO_COLOR", None)
# the kernel in the picture is a made-up one, and this machine's own is left alone
os.environ.update(DAMONTUI_MADE_UP_KERNEL="1", DAMONTUI_READ_ONLY="1")

from tests.screens.states import BY_NAME, PICTURES, State

FOLDER = Path(__file__).parent.parent / "screenshots"
FONT = "DejaVu Sans Mono"


def font_files() -> list[Path]:
    """A monospace font that has block elements, from matplotlib's own files."""
    import matplotlib as mpl

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return [folder / "DejaVuSansMono.ttf", folder / "DejaVuSansMono-Bold.ttf"]


async def svg_of(state: State) -> str:
    """The state's screen as SVG, in a font that is asked for by name and not fetched from anywhere."""
    app = state.app()
    async with app.run_test(size=state.size, notifications=True) as pilot:
        await state.play(pilot)
        svg = app.export_screenshot(title=f"damontui: {state.name}", simplify=True)
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", FONT)
    # an identifier drawn at random would make another file each time
    return re.sub(r"terminal-\d+", "terminal", svg)


def png_of(svg: str) -> bytes:
    """The picture of an SVG text."""
    import resvg_py

    made = resvg_py.svg_to_bytes(
        svg_string=svg, font_files=[str(path) for path in font_files()], skip_system_fonts=True, monospace_family=FONT
    )
    return bytes(made)


def make(folder: Path) -> list[Path]:
    """Write every picture into ``folder``; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in PICTURES:
        svg = asyncio.run(svg_of(BY_NAME[name]))
        if name == "kernel" and "no&#160;regions" in svg:
            raise SystemExit(f"{name}: the made-up kernel's regions could not be read, and the picture says so")
        for suffix, content in (("svg", svg.encode()), ("png", png_of(svg))):
            path = folder / f"{name}.{suffix}"
            path.write_bytes(content)
            files.append(path)
    return files


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only show that they can be made, in a temporary folder")
    options = parser.parse_args(arguments)
    time.tzset()
    if options.check:
        with tempfile.TemporaryDirectory() as folder:
            made = make(Path(folder))
            small = [path.name for path in made if path.stat().st_size < 5_000]
        if small:
            print(f"empty pictures: {', '.join(small)}", file=sys.stderr)
            return 1
        print(f"{len(made)} pictures can be made")
        return 0
    for path in make(FOLDER):
        print(path.relative_to(FOLDER.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
