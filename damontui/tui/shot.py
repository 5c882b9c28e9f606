"""A picture of the screen as a file."""

from __future__ import annotations

import time
from pathlib import Path

from damontui import files
from damontui.errors import SourceError


def save(svg: str, folder: Path, wall: float) -> Path:
    """Write a picture under a name that says when it was taken; returns the file, which is a new one.

    Args:
        svg: the picture.
        folder: made where it is not there.
        wall: seconds since 1970.

    Raises:
        SourceError: it cannot be written there.
    """
    stem = time.strftime("damontui-%Y-%m-%d-%H%M%S", time.localtime(wall))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = files.free_path(folder, stem, ".svg")
        with files.whole(path) as file:
            file.write(svg.encode("utf-8", "replace"))
    except (OSError, SourceError) as error:
        why = error.why if isinstance(error, SourceError) else (error.strerror or str(error)).lower()
        what = f"cannot save the screenshot in {folder.resolve()}"
        raise SourceError(what, why, "choose another folder with --screenshots") from error
    return path
