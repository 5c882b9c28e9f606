"""What is fuzzed, each area a function that makes an input and a command line for it (or does the whole by itself)."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import os
import random
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from damontui.records import damo, files, own
from damontui.records.own import Record
from tests.fuzz import change

DATA = Path(__file__).parent.parent / "data"


@dataclass
class Case:
    """One run: a command line and its environment, or an action that gives what was shown."""

    words: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    action: Callable[[], str] | None = None
    files: tuple[Path, ...] = ()
    """What may have been written: it is looked into, too."""


@lru_cache(maxsize=1)
def base() -> dict[str, Any]:
    """Valid inputs, small."""
    whole = files.read(DATA / "damo-vaddr/damon.data")
    few = [s for _, s in zip(range(4), whole, strict=False)]
    from damontui.records.table import table_of

    table = table_of(dataclasses.replace(whole.description, host="lab", kernel="7.2", limits=("one",)), few)
    out = io.BytesIO()
    damo.write_json(table, out, compress=False)
    trace = (DATA / "kernel-7.2-steady/trace.txt").read_text().split("\n")[:120]
    return {
        "table": table,
        "json": json.loads(out.getvalue()),
        "trace": "\n".join(trace) + "\n",
        "sidecar": json.loads((DATA / "damo-vaddr/damon.data.kdamonds").read_text()),
        "masim": (DATA / "masim/two-stages.cfg").read_text(),
        "toml": (Path(files.__file__).parent.parent / "defaults.toml").read_text(),
    }


def _use(rng: random.Random, path: Path) -> Case:
    """A command that reads a record."""
    from damontui.output.reports.results import STYLES

    kind = rng.randrange(4)
    if kind == 0:
        words = ["snapshot", str(path), "--speed", "max", "--count", "3", "--timeout", "10"]
        return Case([*words, *rng.choice(([], ["--json"]))])
    if kind == 1:
        out = path.with_name("out." + rng.choice(("damontui", "json", "data", "trace")))
        out.unlink(missing_ok=True)
        return Case(["convert", str(path), str(out), "--force"])
    style = rng.choice(sorted(STYLES))
    form = rng.choice(("text", "text", "json"))
    more = rng.choice(
        ([], ["--fold"], ["--all"], ["--doubling"], ["--heat", "idle"], ["--sample", "5ms", "--aggr", "100ms"])
    )
    return Case(["report", str(path), "--style", style, "--format", form, *more])


def record(rng: random.Random, folder: Path) -> Case:
    """A record of ours: its head, a snapshot's fixed part, its arrays, what is beside them, or the bytes."""
    path = folder / "a.damontui"
    path.unlink(missing_ok=True)
    files.write(base()["table"], path, "damontui")
    content = path.read_bytes()
    with Record(path) as read:
        spans = [(0, read._places[0].offset), *((p.offset, p.offset + p.length) for p in read._places)]
    at = rng.randrange(len(spans))
    low, high = spans[at]
    member = content[low:high]
    payload = zlib.decompress(member[own._MEMBER.size : -8], -15)
    time = own._MEMBER.unpack_from(member)[8]
    how = rng.randrange(8)
    if at == 0:
        payload = change.text(change.tree(rng, json.loads(payload)), rng)
    elif how <= 1:
        fields = list(own._HEAD.unpack_from(payload))
        which = rng.randrange(1, len(fields))
        try:
            fields[which] = rng.choice(change.NUMBERS) if which <= 3 else int(rng.choice(change.NUMBERS[:6]))
            payload = own._HEAD.pack(*fields) + payload[own._HEAD.size :]
        except (struct.error, OverflowError):
            payload = change.data(rng, payload)
    elif how <= 3:
        regions = own._HEAD.unpack_from(payload)[8]
        offset = own._HEAD.size + 8 * rng.randrange(max(1, regions * 5))
        number = rng.choice([n for n in change.NUMBERS[:10] if -(2**63) <= n < 2**63])
        payload = payload[:offset] + struct.pack("<q", int(number)) + payload[offset + 8 :]
    elif how <= 6:
        regions = own._HEAD.unpack_from(payload)[8]
        end = own._HEAD.size + 40 * regions
        rest = json.loads(payload[end:] or b"{}") or {}
        rest.update(
            rng.choice(
                (
                    {"note": "x", "cpu": 0.5, "names": ["n"] * regions},
                    {"module": {"enabled": True, "bandwidth": 7, "idle_ms_percentiles": [0] * 101}},
                    {"truth": {"working_set_bytes": 1, "bandwidth": 2.0, "idle_ms_percentiles": [0] * 101}},
                    {"attrs": dataclasses.asdict(base()["table"].description.attrs)},
                    {"targets": [1, 2]},
                )
            )
        )
        payload = payload[:end] + change.text(change.tree(rng, rest), rng)
    else:
        payload = change.data(rng, payload)
    try:
        made = own._member(payload, time if rng.random() < 0.95 else rng.choice((float("nan"), 1e300, -5.0)), 4)
    except struct.error:
        made = member
    path.write_bytes(content[:low] + made + content[high:])
    if rng.random() < 0.1:
        path.write_bytes(change.data(rng, path.read_bytes()))
    return _use(rng, path)


def damo_json(rng: random.Random, folder: Path) -> Case:
    """damo's JSON, plain or compressed."""
    path = folder / rng.choice(("a.json", "a.data"))
    made = change.text(change.tree(rng, base()["json"]), rng)
    if rng.random() < 0.1:
        made = change.data(rng, made)
    if path.suffix == ".data":
        made = zlib.compress(made)
        if rng.random() < 0.1:
            made = change.data(rng, made)
    path.write_bytes(made)
    return _use(rng, path)


def trace(rng: random.Random, folder: Path) -> Case:
    """Trace text, and the intervals beside it."""
    path, beside = folder / "a.trace", folder / "a.trace.kdamonds"
    given = base()["trace"]
    path.write_bytes(change.words(rng, given).encode("utf-8", "surrogatepass"))
    beside.unlink(missing_ok=True)
    if rng.random() < 0.5:
        beside.write_bytes(change.text(change.tree(rng, base()["sidecar"]), rng))
    return _use(rng, path)


def masim(rng: random.Random, folder: Path) -> Case:
    """A configuration of masim, whose very name may be chosen by somebody."""
    name = rng.choice(("a.cfg", "b\x1b]0;x\x07.cfg", "c\u202e.cfg"))
    path = folder / name
    path.write_bytes(change.words(rng, base()["masim"]).encode("utf-8", "surrogatepass"))
    return Case(["snapshot", str(path), "--speed", "max", "--timeout", "10", *rng.choice(([], ["--json"]))])


def settings(rng: random.Random, folder: Path) -> Case:
    """A configuration file and variables."""
    path = folder / rng.choice(("config.toml", "c\x1b[2J.toml"))
    given = re.sub(r"^# (\w+ = )", r"\1", base()["toml"], flags=re.MULTILINE).replace("speed = 1\n", 'speed = "max"\n')
    given = given.replace('target = "auto"', 'target = "demo"')
    made = change.words(rng, given).encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        made = rng.choice((b"a = " + b"[" * 3000, b"seed = " + b"9" * 5000, b"seed = 0x" + b"f" * 5000, b"\xff\xfe"))
    path.write_bytes(made)
    environ = {}
    if rng.random() < 0.4:
        name = rng.choice(("SPEED", "SEED", "SAMPLE", "AGGR", "GOAL", "HISTORY", "THEME", "MEMORY", "BUDGET", "TARGET"))
        environ["DAMONTUI_" + name] = (
            rng.choice((*change.HOSTILE, *map(str, change.NUMBERS))).replace("\0", "").replace("\ud800", "")
        )
    words = ["snapshot", "demo", "--seed", "1", "--speed", "max", "--timeout", "10", "--max-regions", "50"]
    return Case([*words, "--config", str(path)], environ)


_OPTIONS = (
    *("--seed", "--speed", "--sample", "--aggr", "--update", "--min-regions", "--max-regions", "--goal"),
    *("--goal-aggrs", "--min-sample", "--max-sample", "--budget", "--memory", "--regions", "--via", "--config"),
    *("--rootfs", "--count", "--style", "--format", "--address", "--size", "--rate", "--age", "--time", "--target"),
    *("--skip", "--bins", "--heat", "--to", "--theme", "--span", "--mode", "--history", "--nonsense", "-x"),
)
_FLAGS = (
    *("--json", "--fold", "--doubling", "--all", "--children"),
    *("--read-only", "--no-autotune", "--disabled", "--ascii"),
)


_SOURCE = {
    "--seed": "7",
    "--sample": "5ms",
    "--aggr": "100ms",
    "--update": "1s",
    "--min-regions": "10",
    "--max-regions": "100",
    "--goal": "4%",
    "--goal-aggrs": "3",
    "--min-sample": "5ms",
    "--max-sample": "1s",
    "--budget": "2%",
    "--memory": "512M",
}
_GOOD: dict[str, dict[str, str]] = {
    "snapshot": _SOURCE,
    "report": {
        **_SOURCE,
        "--style": "heatmap",
        "--format": "json",
        "--address": "4K-6G",
        "--size": "4K-",
        "--rate": "0%-50%",
        "--age": "0-1h",
        "--time": "0-1h",
        "--skip": "1",
        "--bins": "5",
        "--heat": "idle",
    },
    "convert": {"--to": "json", "--sample": "5ms", "--aggr": "100ms"},
}
"""Values that are right, by command and option."""
_LENGTHS = ("--sample", "--aggr", "--update", "--min-sample", "--max-sample")


def command_line(rng: random.Random, folder: Path) -> Case:
    """Words in any order, with values that nobody would write."""
    path = folder / "good.damontui"
    if not path.exists():
        files.write(base()["table"], path, "damontui")
    command = rng.choice(("snapshot", "report", "convert", "doctor", "snapshot", "report"))
    words = [command]
    # no number that could be a process of somebody else's: watching one clears its accessed bits
    odd = ("demo:nothing", str(folder), *change.HOSTILE, *(str(n) for n in change.NUMBERS[:12] if n != 1))
    target = rng.choice(("demo", str(path))) if rng.random() < 0.7 else rng.choice(odd)
    words += [target.replace("\0", "")] if command != "doctor" else []
    if command == "convert":
        words.append(str(folder / "out.json"))
        words.append("--force")
    for _ in range(rng.randrange(4)):
        if rng.random() < 0.15:
            words.append(rng.choice(_FLAGS))
            continue
        option = rng.choice(sorted(_GOOD.get(command, {}) if rng.random() < 0.9 else _OPTIONS) or _OPTIONS)
        chosen = _GOOD.get(command, {}).get(option, "1")
        if rng.random() < 0.3:
            chosen = rng.choice((*change.HOSTILE, *map(str, change.NUMBERS)))
            if option in _LENGTHS and target != str(path) and chosen.isdigit():
                chosen += "x"  # years of simulated memory take long, and that is no fault
        words += [option, chosen.replace("\0", "")]
    # at the end, so that no run is long: the last one counts
    if command == "snapshot":
        words += ["--timeout", "1", "--speed", "max", "--count", "1"]
    elif command == "report" and target != str(path):
        words += ["--count", "2", "--speed", "max"]
    return Case([word for word in words if "\ud800" not in word])


def kernel(rng: random.Random, folder: Path) -> Case:
    """A tree of a kernel's files in which some are pipes, folders, links, endless, empty, or say something else."""
    from tests.fake_kernel import FakeKernel

    root = folder / f"root{rng.randrange(1 << 30)}"
    made = FakeKernel(root, rng.choice(("6.17", "6.18", "7.2")), on=rng.random() < 0.8)
    made.put("proc/1/comm", "init")
    names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    for name in rng.sample(sorted(names), rng.choice((1, 1, 2, 4))):
        path = root / name
        how = rng.randrange(8)
        path.unlink()
        if how == 0:
            os.mkfifo(path)
        elif how == 1:
            path.mkdir()
        elif how == 2:
            path.symlink_to(rng.choice(("/dev/zero", "/etc/passwd", path.name, "../../../../../../tmp")))
        elif how == 3:
            with open(path, "wb") as file:
                file.truncate(1 << 32)
        elif how == 4:
            path.write_text(rng.choice((*map(str, change.NUMBERS), ",".join(["-1"] * rng.choice((3, 101, 5000))))))
        elif how == 5:
            path.write_bytes(rng.choice(change.HOSTILE).encode("utf-8", "surrogatepass"))
        elif how == 6:
            path.write_bytes(rng.randbytes(300))
    words = rng.choice(
        (
            ["doctor"],
            ["doctor", "--json"],
            ["snapshot", "stat", "--timeout", "0.3"],
            ["snapshot", "auto", "--timeout", "0.3", "--json"],
            ["snapshot", "paddr", "--timeout", "0.3"],
            ["snapshot", "1", "--timeout", "0.3"],
        )
    )
    return Case([*words, "--rootfs", str(root)])


def screen(rng: random.Random, folder: Path) -> Case:
    """A record on the screen, with names, a title and notes that somebody chose, and some keys."""
    path = folder / "screen.damontui"
    path.unlink(missing_ok=True)
    table = base()["table"]

    def pick() -> str:
        return rng.choice(change.HOSTILE)

    about = dataclasses.replace(
        table.description, title=pick(), host=pick(), kernel=pick(), notice=pick(), limits=(pick(), pick())
    )
    with own.RecordWriter(path, about) as writer:
        for snapshot in table:
            names = tuple(pick() for _ in range(len(snapshot)))
            writer.append(dataclasses.replace(snapshot, names=names, note=pick()))
    if rng.random() < 0.5:
        path.write_bytes(change.data(rng, path.read_bytes()))
    keys = rng.sample(("m", "l", "n", "question_mark", "s", "z", "end", "left", "tab", "i", "y", "ctrl+s"), 4)
    return Case(action=lambda: asyncio.run(_on_screen(path, keys, folder)))


async def _on_screen(path: Path, keys: list[str], folder: Path) -> str:
    from damontui.errors import DamontuiError
    from damontui.history import History
    from damontui.monitor import Monitor
    from damontui.session.session import Session
    from damontui.sources.active import ActiveSource
    from damontui.sources.choose import choose
    from damontui.sources.options import Options
    from damontui.tui.app import DamontuiApp
    from damontui.tui.options import ScreenOptions

    try:
        with ActiveSource(choose(str(path), Options(speed=float("inf")))) as active:
            options = ScreenOptions(screenshots=str(folder / "shots"))
            app = DamontuiApp(Session(Monitor(active.source, History()), active=active), options=options)
            async with app.run_test(size=(100, 30)) as pilot:
                await pilot.pause()
                for key in keys:
                    await pilot.press(key)
                await pilot.pause()
                strips = app.screen._compositor.render_strips()
                shown = "\n".join("".join(segment.text for segment in strip) for strip in strips)
                shown += app.export_screenshot()
                import xml.etree.ElementTree as xml

                xml.fromstring(app.export_screenshot())
            return shown
    except DamontuiError as error:
        return " ".join(str(error).split()).encode("ascii", "backslashreplace").decode()


AREAS: dict[str, tuple[Callable[[random.Random, Path], Case], int]] = {
    "record": (record, 30),
    "damo": (damo_json, 20),
    "trace": (trace, 12),
    "masim": (masim, 8),
    "settings": (settings, 8),
    "command line": (command_line, 12),
    "kernel": (kernel, 9),
    "screen": (screen, 1),
}
"""Each area with its share of the runs, in percent."""
