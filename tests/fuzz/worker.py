"""Runs of one process; each is announced and answered by a line of JSON, so that a hang is known by its number."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

from damontui import cli
from damontui.safe_text import shown
from tests.fuzz.areas import AREAS, Case

STATUSES = {0, 1, 2}


class _Stream(io.TextIOWrapper):
    """Standard output or error in memory, with a buffer for what is written in bytes."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined, no-any-return]


def chosen(rng: random.Random, only: str) -> str:
    """The area of a run."""
    area = rng.choices(list(AREAS), [share for _, share in AREAS.values()])[0]
    return only or area


def run(case: Case) -> tuple[int, str]:
    """The exit status, and what is wrong with how a run went; "" where nothing is."""
    out, err = _Stream(), _Stream()
    before = dict(os.environ)
    streams = sys.stdout, sys.stderr
    os.environ.update(case.environ)
    sys.stdout, sys.stderr = out, err
    said = ""
    try:
        if case.action is not None:
            said = case.action()
            status = 0
        else:
            status = cli.main(case.words)
    except BaseException:
        return -1, "it raised: " + traceback.format_exc()[-1500:]
    finally:
        sys.stdout, sys.stderr = streams
        os.environ.clear()
        os.environ.update(before)
    text, errors = out.text() + said, err.text()
    if status not in STATUSES:
        return status, f"status {status}"
    if "a fault of this program" in errors or "Traceback" in errors or "Warning" in errors:
        return status, errors[-1500:]
    for stream in (text, errors):
        if shown(stream, lines=True) != stream:
            at = next(i for i, (a, b) in enumerate(zip(shown(stream, lines=True), stream, strict=False)) if a != b)
            return status, f"a character that may not be shown: {stream[max(0, at - 40) : at + 20]!r}"
    if "--json" in case.words or "json" in case.words:
        return status, _unsound_json(text)
    return status, ""


def _unsound_json(text: str) -> str:
    def refuse(name: str) -> float:
        raise ValueError(name)

    for line in text.splitlines():
        try:
            json.loads(line, parse_constant=refuse)
        except (ValueError, RecursionError) as error:
            if line.startswith("{"):
                return f"no JSON: {error}: {line[:200]}"
    return ""


def main(words: list[str]) -> int:
    """SEED FIRST STEP LAST ONLY: runs FIRST, FIRST + STEP … before LAST."""
    seed, first, step, last, only = words[0], int(words[1]), int(words[2]), int(words[3]), words[4]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    warnings.simplefilter("always")
    warnings.simplefilter("ignore", ResourceWarning)  # of an import that a limit of time cut short
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    os.chdir(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        for number in range(first, last, step):
            rng = random.Random(f"{seed}:{number}")
            area = chosen(rng, only)
            print(json.dumps({"begins": number, "area": area}), file=answers)
            try:
                case = AREAS[area][0](rng, folder)
            except Exception:
                print(json.dumps({"number": number, "area": area, "wrong": traceback.format_exc()}), file=answers)
                continue
            plain = [word.encode("ascii", "backslashreplace").decode() for word in case.words]
            print(json.dumps({"begins": number, "area": area, "words": plain}), file=answers)
            status, wrong = run(case)
            now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answer = {"number": number, "area": area, "status": status, "wrong": wrong, "rss": now if now > peak else 0}
            if wrong:
                answer["words"] = plain
            print(json.dumps(answer), file=answers)
            peak = max(peak, now)
            for path in folder.glob("root*"):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path)
    finally:
        answers.close()
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
